"""Questions asked of a system: sensitivity maps, balancing, optimisation, animation.

Each file of this folder offers one study; its names are found in the files and imported when
they are first used, so ``import studies`` costs nothing.  A study receives its system as an
argument and returns a small frozen result with named axes and units, ``.plot()`` and
``.save(path)``.

>>> import studies
>>> "sensitivity_map" in dir(studies)
True
"""

from __future__ import annotations

from pathlib import Path

from diffsim.lazy import attach

__getattr__, __dir__ = attach(__name__, Path(__file__).parent)
