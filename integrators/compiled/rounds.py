"""Solving the equations of steps that a search has chosen, all steps at once.

The search has solved the equations of a step as far as its tolerance asks, and has kept the states.  Derivatives ask
for more: the roots, along a trajectory whose every step is exact.  They are found for the whole trajectory at once, by
Newton's method: the inverse matrices of all steps at the roots known so far, then one walk along the steps, each of
which improves its root with the inverse it was given.  Digits double with each round; three are usual.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.routine import Routine, derived
from integrators.compiled.equations import Array, Equations
from integrators.compiled.machine_walk import Track, walk
from integrators.compiled.program import Program
from integrators.compiled.refusals import GivenUp
from integrators.compiled.slope import slope_of
from integrators.compiled.solved import Solved, first_of, improving_program
from integrators.compiled.steps import Steps

__all__: list[str] = []

_ROUNDS = 8
_NEAR = 1e-5
"""Relative change of a root behind which the next one is exact to rounding: two steps of Newton's triple its digits.

Beyond a growth of tangents of 1e10 rounding alone moves a trajectory by more, and its steps are not solved at once.
"""


def solve(
    field: Program,
    equations: Equations,
    steps: Steps,
    span: tuple[Array, Array],
    start: Array,
    values: Sequence[Any],
    threads: int | None,
) -> Solved:
    """Solve the equations of steps that a search has found.

    Parameters
    ----------
    field : Program
        The right-hand side.
    equations : Equations
    steps : Steps
        All of them, with their polynomials.
    span : (t0, t1), arrays of shape (m,)
    start : array, shape (n, m)
    values : sequence of float or array of shape (m,)
        The parameters.
    threads : int or None

    Raises
    ------
    GivenUp
        They cannot be solved all at once.
    """
    rows = np.zeros((equations.n_rows, steps.n_logged))
    if not steps.n_logged:
        return Solved(equations, field, steps, rows)
    rounds = _Rounds(field, equations, steps, span[0], start, values, threads)
    y, root = steps.y.copy(), equations.guess(steps)
    left, near = np.ones(steps.n_logged, dtype=bool), np.zeros(steps.n_logged, dtype=bool)
    for _ in range(_ROUNDS):
        # NOTE: a trajectory that is done stays as it is, whatever its neighbours need
        rows[:, left] = rounds.rows(y, root)[:, left]
        left &= ~near
        if not left.any():
            return Solved(equations, field, steps, rows)
        new_y, new_root, near = rounds.improve(rows, y, root)
        y[:, left], root[:, left] = new_y[:, left], new_root[:, left]
        if not np.isfinite(root).all():
            break
    raise GivenUp("The equations of the steps cannot be solved all at once.")


@final
class _Rounds:
    """What each round of `solve` does."""

    def __init__(
        self,
        field: Program,
        equations: Equations,
        steps: Steps,
        t0: Array,
        start: Array,
        values: Sequence[Any],
        threads: int | None,
    ) -> None:
        m = start.shape[1]
        parameters = np.array([np.broadcast_to(x, m) for x in values]).reshape(len(values), m)
        own = np.ascontiguousarray(parameters[:, steps.trajectory])
        self._equations, self._steps, self._values, self._threads = equations, steps, values, threads
        self._slopes = functools.partial(_slopes, field, own, threads)
        self._program, self._after = improving_program(field, equations), _following(steps)
        begin = np.asarray(first_of(equations, field, steps, t0, start, parameters))
        self._begin = np.concatenate([begin, np.zeros((equations.n_unknowns, m))])
        self._weights = equations.weights(steps)

    def rows(self, y: Array, root: Array) -> Array:
        """Return what belongs to each step, of the roots that are known."""
        inverses = self._equations.inverses(self._slopes, self._steps, y, root)
        return np.concatenate([self._weights, root, inverses])

    def improve(self, rows: Array, y: Array, root: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Walk along all steps; return the states before them, the roots, and whether a whole trajectory is near."""
        steps, n = self._steps, self._equations.n
        track = Track.of_steps(np.concatenate([[steps.t, steps.h], rows]), steps)
        ends, stored = walk(self._program, self._begin, self._values, track, threads=self._threads)
        made = np.concatenate([stored, ends], axis=1)[:, self._after]
        new_y, new_root = stored[:n], made[self._equations.n_states :]
        size = np.maximum(np.abs(new_y), np.abs(made[:n]))
        apart = ~(_are_near(y, new_y, size) & _are_near(root, new_root, size))
        far = np.bincount(steps.trajectory, weights=apart, minlength=steps.n_trajectories) > 0
        return new_y, new_root, ~far[steps.trajectory]


def _slopes(field: Program, parameters: Array, threads: int | None, t: Array, y: Array) -> Array:
    """Return Jacobians (k, n, n) of k columns; see `Slopes`."""
    slope, n, k = slope_of(field), field.n, len(t)
    own = np.tile(parameters, k // max(1, parameters.shape[1]))
    found = _slope_routine(field).run_lanes(tuple(map(np.ascontiguousarray, (t, y, own))), k, threads)
    jacobians = np.zeros((k, n, n))
    for entry, (i, j) in zip(found, slope.places, strict=False):
        jacobians[:, i, j] = entry
    return jacobians


def _following(steps: Steps) -> NDArray[np.int64]:
    """Return, for each step, the column of the next one; those of the ends lie behind all steps."""
    after = np.empty(steps.n_logged, dtype=np.int64)
    after[steps.order[:-1]] = steps.order[1:]
    some = np.flatnonzero(steps.counts)
    after[steps.order[steps.offsets[1:][some] - 1]] = steps.n_logged + some
    return after


def _are_near(one: Array, other: Array, size: Array) -> NDArray[np.bool_]:
    """Whether columns of numbers are the same to `_NEAR`, in units of sizes (n, k) of the components."""
    unit = np.maximum(size, 1e-8 * size.max(axis=0))
    apart = np.abs(one - other).reshape(-1, *size.shape)
    near: NDArray[np.bool_] = (apart <= _NEAR * unit).all(axis=(0, 1))
    return near


@functools.lru_cache(maxsize=128)
def _slope_routine(field: Program) -> Routine:
    graph = slope_of(field).program.graph
    shapes = ((), (field.n,), (field.n_parameters,))
    n_results = len(slope_of(field).places) + field.n * slope_of(field).moves
    return derived(graph, shapes, (n_results,), np.dtype(np.float64))
