"""The equation of the implicit Euler method and of the trapezoidal rule: one for the new state."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from integrators._interpolant import evaluate, hermite
from integrators._theta_tableau import ThetaTableau
from integrators.compiled.equations import Array, Equations, Slopes, TracedField, improved, inverted
from integrators.compiled.steps import Steps

__all__: list[str] = []


@final
class ThetaEquations(Equations):
    """``z = y + (1 - theta) h k + theta h f(t + h, z)``, with k the slope that the step before has ended with.

    Parameters
    ----------
    tableau : ThetaTableau
    n : int
    """

    def __init__(self, tableau: ThetaTableau, n: int) -> None:
        super().__init__(n)
        self._theta, self._explicit = tableau.theta, 1.0 - tableau.theta
        self.degree = 3 if self._explicit else 1
        self.n_states, self.n_unknowns, self.n_inverse = 2 * n if self._explicit else n, n, n * n

    def operations(self, of_field: int, of_slope: int) -> int:
        return of_field + 2 * self.n * self.n + 8 * self.n

    def guess(self, steps: Steps) -> Array:
        found: Array = evaluate(steps.y, list(steps.polynomials), 1.0)
        return found

    def inverses(self, slopes: Slopes, steps: Steps, y: Array, unknowns: Array) -> Array:
        jacobians = slopes(steps.t + steps.h, unknowns)
        return inverted(np.eye(self.n) - (self._theta * steps.h)[:, None, None] * jacobians)

    def begin(self, y: Any, slope: Any, h: Any) -> tuple[Any, ...]:
        return (slope,) if self._explicit else ()

    def step(self, f: TracedField, t: Any, h: Any, rows: Any, states: Any, sweeps: int) -> tuple[Any, Any, Any]:
        _, known, inverse = self.split(rows)
        y, c = states[: self.n], h * self._theta
        base = y + (self._explicit * h) * states[self.n :] if self._explicit else y
        z = improved(lambda z: z - base - c * f(t + h, z), known, inverse, sweeps)
        slope = (z - base) / c
        return (np.concatenate([z, slope]) if self._explicit else z), z, (z, states[self.n :], slope)

    def polynomial(self, made: Any, y: Any, h: Any) -> list[Any]:
        new, first, last = made
        return hermite(y, new, first * h, last * h) if self._explicit else [new - y]
