"""The equations of backward differentiation formulas: one for the new state, whatever the order."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from integrators._bdf_tableau import BdfTableau
from integrators._interpolant import evaluate
from integrators.compiled.equations import Array, Equations, Slopes, TracedField, improved, inverted, objects, total
from integrators.compiled.steps import Steps

__all__: list[str] = []


@final
class BdfEquations(Equations):
    """``z = y_0 + d``, where d makes ``psi + d = c f(t + h, z)``, of the backward differences D.

    What a step of order p makes of the differences is linear but for d: they are brought to the grid of the step (by
    the matrix R, where its size is not that of the step before), y_0 and psi are sums of them, and d is the difference
    p + 1 of the new state, from which the lower ones follow.  So order and sizes come as numbers beside each step,

    - K (q + 1, q + 1), which has done R and brings the differences up to p to the new state, but for d;
    - the rows of R that make y_0 and psi, and c;
    - the weight of d in each new difference, 1 or 0,
    - the weight of each difference in the interpolant, 1 up to the order,

    and steps of all orders are one program.

    Parameters
    ----------
    tableau : BdfTableau
    n : int
    """

    def __init__(self, tableau: BdfTableau, n: int) -> None:
        super().__init__(n)
        self.degree = tableau.highest
        self._tableau, q = tableau, tableau.highest
        self._width, self.n_noted = q + 1, 1
        self.n_weights = self._width * (self._width + 4) + 1
        self.n_states, self.n_unknowns, self.n_inverse = self._width * n, n, n * n

    def operations(self, of_field: int, of_slope: int) -> int:
        return of_field + 2 * self.n * self.n + 2 * self.n * (self._width * (self._width + 3) + 2)

    def weights(self, steps: Steps) -> Array:
        width, tableau, k = self._width, self._tableau, steps.n_logged
        order = steps.noted[0].astype(np.int64)
        factor = np.ones(k)
        follows = np.ones(k, dtype=bool)
        follows[steps.order[steps.offsets[:-1][steps.counts > 0]]] = False
        here = steps.order[follows[steps.order]]
        before = steps.order[np.flatnonzero(follows[steps.order]) - 1]
        factor[here] = steps.h[here] / steps.h[before]
        inside = np.arange(width) <= order[:, None]  # (k, width)
        regrid = _rescaling(width, factor, inside)
        gamma = np.array(tableau.gamma) * inside
        alpha = np.array(tableau.alpha)[order]
        below = np.triu(np.ones((width, width))) * inside[:, :, None] * inside[:, None, :]
        own = np.arange(width) <= order[:, None] + 1
        predicted, psi = (np.einsum("ki,kij->kj", w, regrid) for w in (inside * 1.0, gamma / alpha[:, None]))
        parts = [(below @ regrid).reshape(k, -1), predicted, psi, own * 1.0, inside * 1.0, (steps.h / alpha)[:, None]]
        return np.ascontiguousarray(np.concatenate(parts, axis=1).T)

    def guess(self, steps: Steps) -> Array:
        found: Array = evaluate(steps.y, list(steps.polynomials), 1.0)
        return found

    def inverses(self, slopes: Slopes, steps: Steps, y: Array, unknowns: Array) -> Array:
        c = steps.h / np.array(self._tableau.alpha)[steps.noted[0].astype(np.int64)]
        return inverted(np.eye(self.n) - c[:, None, None] * slopes(steps.t + steps.h, unknowns))

    def begin(self, y: Any, slope: Any, h: Any) -> tuple[Any, ...]:
        return (slope * h, *([0.0 * slope] * (self._width - 2)))

    def step(self, f: TracedField, t: Any, h: Any, rows: Any, states: Any, sweeps: int) -> tuple[Any, Any, Any]:
        n, width = self.n, self._width
        weights, known, inverse = self.split(rows)
        keep = weights[: width * width].reshape(width, width)
        ahead, past, own, inside = weights[width * width : -1].reshape(4, width)
        c, d = weights[-1], states.reshape(width, n)
        predicted, psi = ahead @ d, past @ d
        z = improved(lambda z: z - predicted + psi - c * f(t + h, z), known, inverse, sweeps)
        change = z - predicted
        new = keep @ d + np.outer(own, change)
        new[0] = z
        return objects(new.ravel().tolist()), z, inside[1:, None] * new[1:]

    def polynomial(self, made: Any, y: Any, h: Any) -> list[Any]:
        return [total(row, made) for row in self._tableau.dense]


def _rescaling(width: int, factor: Array, inside: Any) -> Array:
    """Return what brings the differences of each step to its grid, shape (k, width, width); see `bdf._rescaling`."""

    def at(factor: Array) -> Array:
        found = np.zeros((len(factor), width, width))
        found[:, 0] = 1.0
        columns = np.arange(width)
        for i in range(1, width):
            found[:, i] = found[:, i - 1] * ((i - 1 - factor[:, None] * columns) / i)
            found[:, i, 0] = 0.0
        return found

    both = inside[:, :, None] * inside[:, None, :]
    moved = np.einsum("kij,jl->kil", at(factor) * both, at(np.ones(1))[0])
    moved = np.where(both, moved, np.eye(width))
    moved[factor == 1.0] = np.eye(width)
    return moved.transpose(0, 2, 1)
