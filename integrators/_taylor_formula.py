"""`TaylorFormula`: a Taylor-series method as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__: list[str] = []

SAFETY = 0.9
"""By what the step that the last two coefficients allow is shortened."""

TINY = 1e-300
"""Stands for coefficients that are 0: a series that ends is exact, however long the step."""


@final
@dataclass(frozen=True)
class TaylorFormula:
    """A method whose new state is the sum of the solution's power series.

    Attributes
    ----------
    degree : int
        Number p of coefficients beside the state.
    """

    degree: int

    @property
    def order(self) -> int:
        """Order of the estimate: that of ``c_(p-1) h**(p-1)``."""
        return self.degree - 2

    @property
    def n_stages(self) -> int:
        """Number of series that a step computes."""
        return 1

    @property
    def evaluations(self) -> tuple[int, int, int]:
        """Calls of the right-hand side beside those that are counted: in an attempt, at a new state, for output."""
        return 0, 0, 0
