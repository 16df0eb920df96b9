"""`ThetaTableau`: the implicit Euler method and the trapezoidal rule as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__: list[str] = []


@final
@dataclass(frozen=True)
class ThetaTableau:
    """A method ``y_1 = y_0 + h ((1 - theta) f(t, y_0) + theta f(t + h, y_1))``.

    Attributes
    ----------
    theta : float
        1 of the implicit Euler method, 1/2 of the trapezoidal rule.
    order : int
        Order of the method, and of its error estimate.
    """

    theta: float
    order: int

    @property
    def n_stages(self) -> int:
        """Number of evaluations beside those of the iterations."""
        return self.order

    @property
    def evaluations(self) -> tuple[int, int, int]:
        """Calls of the right-hand side beside those that are counted: in an attempt, at a new state, for output."""
        return 0, 0, 0
