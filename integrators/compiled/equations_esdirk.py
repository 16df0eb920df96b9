"""The equations of diagonally implicit pairs with an explicit first stage: one stage after the other."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from integrators._esdirk_tableau import EsdirkTableau
from integrators._interpolant import evaluate, hermite
from integrators.compiled.equations import (
    Array,
    Equations,
    Slopes,
    TracedField,
    at_stages,
    improved,
    inverted,
    total,
)
from integrators.compiled.steps import Steps

__all__: list[str] = []


@final
class EsdirkEquations(Equations):
    """``z_i = y + h sum_j a_ij k_j + gamma h f(t_i, z_i)``, ``k_i = (z_i - base_i) / (gamma h)``.

    The last k of a step is the first of the next one.  It is handed on, since f at the new state would amplify what
    rounding has left there.

    Parameters
    ----------
    tableau : EsdirkTableau
    n : int
    """

    def __init__(self, tableau: EsdirkTableau, n: int) -> None:
        super().__init__(n)
        self.degree = 3
        self._tableau = tableau
        s = tableau.n_stages - 1
        self.n_states, self.n_unknowns, self.n_inverse = 2 * n, s * n, s * n * n

    def operations(self, of_field: int, of_slope: int) -> int:
        s, n = self._tableau.n_stages - 1, self.n
        return s * (of_field + 2 * n * n + (s + 6) * n)

    def guess(self, steps: Steps) -> Array:
        y, d = steps.y, list(steps.polynomials)
        return np.concatenate([evaluate(y, d, node) for node in self._tableau.nodes[1:]])

    def inverses(self, slopes: Slopes, steps: Steps, y: Array, unknowns: Array) -> Array:
        n, nodes, k = self.n, np.array(self._tableau.nodes[1:]), steps.n_logged
        times = (steps.t + nodes[:, None] * steps.h).ravel()
        jacobians = slopes(times, at_stages(unknowns, n))
        c = np.tile(self._tableau.gamma * steps.h, len(nodes))
        found = inverted(np.eye(n) - c[:, None, None] * jacobians)
        return found.reshape(n * n, len(nodes), k).transpose(1, 0, 2).reshape(-1, k)

    def begin(self, y: Any, slope: Any, h: Any) -> tuple[Any, ...]:
        return (slope,)

    def step(self, f: TracedField, t: Any, h: Any, rows: Any, states: Any, sweeps: int) -> tuple[Any, Any, Any]:
        n, tableau, c = self.n, self._tableau, h * self._tableau.gamma
        _, known, inverse = self.split(rows)
        y, k, found = states[:n], [states[n:]], []
        for i, (row, node) in enumerate(zip(tableau.rows, tableau.nodes[1:], strict=True)):
            base, at = y + h * total(row, k), t + node * h

            def residual(z: Any, base: Any = base, at: Any = at) -> Any:
                return z - base - c * f(at, z)

            own = inverse[i * n * n : (i + 1) * n * n]
            z = improved(residual, known[i * n : (i + 1) * n], own, sweeps)
            k.append((z - base) / c)
            found.append(z)
        return np.concatenate([found[-1], k[-1]]), np.concatenate(found), (found[-1], k[0], k[-1])

    def polynomial(self, made: Any, y: Any, h: Any) -> list[Any]:
        new, first, last = made
        return hermite(y, new, first * h, last * h)
