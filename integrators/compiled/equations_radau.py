"""The equations of Radau IIA: those of its three stages together."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from integrators._interpolant import evaluate
from integrators._radau_tableau import RadauTableau
from integrators.compiled.equations import Array, Equations, Slopes, TracedField, at_stages, improved, inverted, total
from integrators.compiled.steps import Steps

__all__: list[str] = []


@final
class RadauEquations(Equations):
    """``z_i = h sum_j a_ij f(t + c_j h, y + z_j)``, of the increments z.

    Parameters
    ----------
    tableau : RadauTableau
    n : int
    """

    def __init__(self, tableau: RadauTableau, n: int) -> None:
        super().__init__(n)
        self.degree = 3
        self._tableau, s = tableau, tableau.n_stages
        self.n_states, self.n_unknowns, self.n_inverse = n, s * n, (s * n) ** 2

    def operations(self, of_field: int, of_slope: int) -> int:
        s, n = self._tableau.n_stages, self.n
        return s * (of_field + 2 * s * n * n + 10 * n)

    def guess(self, steps: Steps) -> Array:
        start, d = np.zeros_like(steps.y), list(steps.polynomials)
        return np.concatenate([evaluate(start, d, node) for node in self._tableau.nodes])

    def inverses(self, slopes: Slopes, steps: Steps, y: Array, unknowns: Array) -> Array:
        n, tableau, s = self.n, self._tableau, self._tableau.n_stages
        times = (steps.t + np.array(tableau.nodes)[:, None] * steps.h).ravel()
        found = slopes(times, np.tile(y, s) + at_stages(unknowns, n))
        jacobians = list(steps.h[:, None, None] * found.reshape(s, -1, n, n))
        whole = np.concatenate(
            [np.concatenate([a * j for a, j in zip(row, jacobians, strict=True)], axis=2) for row in tableau.a], axis=1
        )
        return inverted(np.eye(whole.shape[1]) - whole)

    def step(self, f: TracedField, t: Any, h: Any, rows: Any, states: Any, sweeps: int) -> tuple[Any, Any, Any]:
        n, tableau = self.n, self._tableau
        _, known, inverse = self.split(rows)

        def residual(z: Any) -> Any:
            slopes = [f(t + c * h, states + z[j * n : (j + 1) * n]) for j, c in enumerate(tableau.nodes)]
            return z - h * np.concatenate([total(row, slopes) for row in tableau.a])

        z = improved(residual, known, inverse, sweeps)
        parts = [z[j * n : (j + 1) * n] for j in range(tableau.n_stages)]
        return states + parts[-1], z, parts

    def polynomial(self, made: Any, y: Any, h: Any) -> list[Any]:
        return [total(column, made) for column in zip(*self._tableau.dense, strict=True)]
