"""`SprottFlow`: what Sprott's nineteen simple chaotic flows have in common, their docstrings included."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, ClassVar

from systems._base import System

__all__: list[str] = []

_STATE = """State (everything is dimensionless; time too)

======  ========================  ====
symbol  meaning                   unit
======  ========================  ====
x       first coordinate          1
y       second coordinate         1
z       third coordinate          1
======  ========================  ====

Parameters
"""
_REFERENCES = """
References
----------
Sprott, "Some simple chaotic flows", Physical Review E 50 (1994) R647, table I.

Examples
"""


@dataclass(frozen=True)
class SprottFlow(System):
    """Three coordinates, at most two quadratic terms, positive coefficients.

    The docstring of a subclass is completed with the table of the state, the invariants (none) and the reference.
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    default_time: ClassVar[float] = 200.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        text = inspect.cleandoc(cls.__doc__ or "")
        for mark, instead in (
            ("Parameters\n", _STATE),
            ("Equilibria", "Invariants: none.\n\nEquilibria"),
            ("\nExamples\n", _REFERENCES),
        ):
            text = text.replace(mark, instead, 1)
        cls.__doc__ = text

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Sprott's start, from which the attractor is reached."""
        return (0.05, 0.05, 0.05)
