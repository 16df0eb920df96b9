"""`BdfTableau`: differentiation formulas of several orders as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__: list[str] = []


@final
@dataclass(frozen=True)
class BdfTableau:
    """Numerical differentiation formulas of the orders from 1 on, in backward differences.

    Attributes
    ----------
    gamma, alpha : tuple of float
        By order; the first number belongs to none.
    errors : tuple of float
        Constants of the error, of order 0 to one beyond the highest.
    dense : tuple of tuple of float
        Weights of the differences (columns) in the powers of the position (rows) of the interpolant.
    order : int
        Order of the estimate with which the first step is chosen.

    References
    ----------
    L. F. Shampine, M. W. Reichelt, "The MATLAB ODE Suite", SIAM J. Sci. Comput. 18 (1997), 1-22.
    """

    gamma: tuple[float, ...]
    alpha: tuple[float, ...]
    errors: tuple[float, ...]
    dense: tuple[tuple[float, ...], ...]
    order: int

    @property
    def highest(self) -> int:
        """The highest order."""
        return len(self.gamma) - 1

    @property
    def n_stages(self) -> int:
        """Number of stages: one, whatever the order."""
        return 1

    @property
    def evaluations(self) -> tuple[int, int, int]:
        """Calls of the right-hand side beside those of the iterations: in an attempt, at a new state, for output."""
        return 0, 0, 0
