"""The equations of Rosenbrock methods: linear systems, whose matrix depends on the state."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from integrators._rosenbrock_tableau import RosenbrockTableau
from integrators.compiled.equations import Array, Equations, Slopes, TracedField, improved, inverted, total
from integrators.compiled.steps import Steps

__all__: list[str] = []


@final
class RosenbrockEquations(Equations):
    """``u_i / (gamma h) - J u_i = f(t_i, Y_i) + sum_j c_ij u_j / h + drift_i h df/dt``.

    Parameters
    ----------
    tableau : RosenbrockTableau
    n : int
    """

    def __init__(self, tableau: RosenbrockTableau, n: int) -> None:
        super().__init__(n)
        self.degree = tableau.degree
        self._tableau, s = tableau, tableau.n_stages
        self.n_states, self.n_unknowns, self.n_inverse = n, s * n, n * n

    def operations(self, of_field: int, of_slope: int) -> int:
        s, n = self._tableau.n_stages, self.n
        return s * (of_field + 2 * n * n + 2 * min(n * n, n + of_slope) + (s + 10) * n) + of_slope

    def guess(self, steps: Steps) -> Array:
        return np.zeros((self.n_unknowns, steps.n_logged))  # NOTE: linear, so a step of Newton's is enough

    def inverses(self, slopes: Slopes, steps: Steps, y: Array, unknowns: Array) -> Array:
        shift = np.eye(self.n) / (self._tableau.gamma * steps.h)[:, None, None]
        return inverted(shift - slopes(steps.t, y))

    def step(self, f: TracedField, t: Any, h: Any, rows: Any, states: Any, sweeps: int) -> tuple[Any, Any, Any]:
        n, tableau = self.n, self._tableau
        _, known, inverse = self.split(rows)
        times, drift = f.slope(t, states)
        at, found = states, list[Any]()
        for i, node in enumerate(tableau.nodes):
            if i:
                # NOTE: the last two stages begin where the one before has ended
                at = states + total(tableau.a[i], found) if i < len(tableau.a) else at + found[-1]
            right = f(t + node * h, at)
            if i:
                right = right + total(tableau.c[i], found) / h
            if drift is not None and i < len(tableau.drift):
                right = right + (tableau.drift[i] * h) * drift

            def residual(u: Any, right: Any = right) -> Any:
                return u / (tableau.gamma * h) - times(u) - right

            found.append(improved(residual, known[i * n : (i + 1) * n], inverse, sweeps))
        new = at + found[-1]
        return new, np.concatenate(found), (new, found)

    def polynomial(self, made: Any, y: Any, h: Any) -> list[Any]:
        new, stages = made
        k_1, k_2, k_3 = (total(row, stages) for row in self._tableau.dense)
        return [new - y + k_1, k_2 - k_1, k_3 - k_2, -k_3]
