"""`EsdirkTableau`: a diagonally implicit Runge-Kutta pair with an explicit first stage as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__: list[str] = []


@final
@dataclass(frozen=True)
class EsdirkTableau:
    """A pair whose last stage is the new state, and whose embedded formula is the last stage but one.

    Attributes
    ----------
    gamma : float
        The diagonal of every stage but the first, which has 0.
    rows : tuple of tuple of float
        What stands left of the diagonal, from the second stage on.
    order : int
        Order of the estimate.
    """

    gamma: float
    rows: tuple[tuple[float, ...], ...]
    order: int

    @property
    def n_stages(self) -> int:
        """Number of stages, the first one among them."""
        return len(self.rows) + 1

    @property
    def nodes(self) -> tuple[float, ...]:
        """Time of each stage, in steps."""
        return (0.0, *(sum(row) + self.gamma for row in self.rows))

    @property
    def error(self) -> tuple[float, ...]:
        """Weights of the stages in the error estimate."""
        last, before = (*self.rows[-1], self.gamma), (*self.rows[-2], self.gamma, 0.0)
        return tuple(b - b_hat for b, b_hat in zip(last, before, strict=True))

    @property
    def evaluations(self) -> tuple[int, int, int]:
        """Calls of the right-hand side beside those of the iterations: in an attempt, at a new state, for output."""
        return 0, 0, 0
