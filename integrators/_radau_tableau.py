"""`RadauTableau`: Radau IIA with three stages as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__: list[str] = []

Matrix = tuple[tuple[float, ...], ...]


@final
@dataclass(frozen=True)
class RadauTableau:
    """A collocation method of three stages, its equations split into a real system and a complex one.

    Attributes
    ----------
    a : matrix (3, 3)
        Weights of the stages' slopes in their increments.
    nodes : tuple of float
        Time of each stage, in steps.
    weights : tuple of float
        Of the stages' increments in the error estimate, divided by the step.
    mu_real : float
    mu_complex : (float, float)
        Eigenvalues of the inverse of the tableau's matrix; real and imaginary part.
    t, t_inverse : matrix (3, 3)
        What brings that matrix to (block) diagonal form, and back.
    dense : matrix (3, 3)
        Weights of the increments (rows) in the powers of the position (columns) of the interpolant.
    order : int
        Order of the estimate.

    References
    ----------
    Hairer, Wanner, "Solving Ordinary Differential Equations II", section IV.8.
    """

    a: Matrix
    nodes: tuple[float, ...]
    weights: tuple[float, ...]
    mu_real: float
    mu_complex: tuple[float, float]
    t: Matrix
    t_inverse: Matrix
    dense: Matrix
    order: int

    @property
    def n_stages(self) -> int:
        """Number of stages."""
        return len(self.nodes)

    @property
    def evaluations(self) -> tuple[int, int, int]:
        """Calls of the right-hand side beside those of the iterations: in an attempt, at a new state, for output."""
        return 0, 1, 0
