"""Physical systems: one file a system or a family, each a frozen dataclass that is called as ``system(t, state)``.

``from systems import DoublePendulum`` imports that one file.  ``names()`` lists what is there, ``find(name)`` gives a
class by name, ``load("file.py:ClassName")`` takes one from a file of your own.
"""

from pathlib import Path

from diffsim.lazy import attach

__getattr__, __dir__ = attach(__name__, Path(__file__).parent)
