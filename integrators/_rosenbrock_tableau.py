"""`RosenbrockTableau`: a Rosenbrock method as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__: list[str] = []


@final
@dataclass(frozen=True)
class RosenbrockTableau:
    """A stiffly accurate Rosenbrock method in the variables in which its stages need no products with the Jacobian.

    Stage i solves ``(I / (gamma h) - J) u_i = f(t + c_i h, Y_i) + sum_j c_ij u_j / h + drift_i h df/dt``, where
    ``Y_i = y + sum_j a_ij u_j`` for the stages that have a row in `a`, and ``Y_i = Y_(i-1) + u_(i-1)`` for the others.
    The new state is what would be the next ``Y``, and the last u is the estimate of its error.

    Attributes
    ----------
    gamma : float
    a, c : tuple of tuple of float
        Row i has i numbers.
    nodes : tuple of float
        Time of each stage, in steps.
    drift : tuple of float
        Weights of df/dt, of the first stages.
    dense : tuple of tuple of float
        Weights of the u in the vectors k_1, k_2, ... of the interpolant
        ``y_0 (1 - x) + x (y_1 + (1 - x) (k_1 + x (k_2 + ...)))``.
    order : int
        Order of the estimate.

    References
    ----------
    Hairer, Wanner, "Solving Ordinary Differential Equations II", equations (IV.7.25) and (IV.7.26).
    """

    gamma: float
    a: tuple[tuple[float, ...], ...]
    c: tuple[tuple[float, ...], ...]
    nodes: tuple[float, ...]
    drift: tuple[float, ...]
    dense: tuple[tuple[float, ...], ...]
    order: int

    @property
    def n_stages(self) -> int:
        """Number of stages."""
        return len(self.nodes)

    @property
    def rows(self) -> tuple[tuple[tuple[int, float], ...], ...]:
        """Stages and weights that make ``Y`` of each stage, and, as the last one, the new state."""
        rows = [[(j, x) for j, x in enumerate(row) if x] for row in self.a]
        while len(rows) <= self.n_stages:
            rows.append([*rows[-1], (len(rows) - 1, 1.0)])
        return tuple(map(tuple, rows))

    @property
    def evaluations(self) -> tuple[int, int, int]:
        """Calls of the right-hand side: in an attempt, at a new state, for the interpolant."""
        return self.n_stages - 1, 1, 0

    @property
    def degree(self) -> int:
        """Degree of the interpolant."""
        return len(self.dense) + 1
