"""Steps of implicit methods that have been chosen, with their equations solved to rounding, ready to be walked along.

The search has solved the equations of a step as far as its tolerance asks, and has kept the states.  Derivatives ask for
more: the roots, along a trajectory whose every step is exact.  They are found for the whole trajectory at once, by
Newton's method: the inverse matrices of all steps at the roots known so far, then one walk along the steps, each of
which improves its root with the inverse it was given.  Digits double with each round; three are usual.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.errors import RunError
from diffsim.graph import trace
from diffsim.number import shape_of
from diffsim.routine import Routine, derived
from integrators._bdf_tableau import BdfTableau
from integrators._esdirk_tableau import EsdirkTableau
from integrators._radau_tableau import RadauTableau
from integrators._rosenbrock_tableau import RosenbrockTableau
from integrators.compiled.equations import Equations, TracedField, objects
from integrators.compiled.equations_bdf import BdfEquations
from integrators.compiled.equations_esdirk import EsdirkEquations
from integrators.compiled.equations_radau import RadauEquations
from integrators.compiled.equations_rosenbrock import RosenbrockEquations
from integrators.compiled.machine_walk import Track, walk
from integrators.compiled.program import Formula, Program
from integrators.compiled.slope import slope_of
from integrators.compiled.steps import Steps

__all__: list[str] = []

_ROUNDS = 8
_SWEEPS = 2
_NEAR = 1e-7
"""Relative change of a root behind which the next one is exact to rounding: digits double at least."""

Array = NDArray[np.float64]


class Unsolved(RunError):
    """The equations of the chosen steps cannot be solved all at once; one after the other they may."""


@functools.lru_cache(maxsize=128)
def equations_of(formula: Formula, n: int) -> Equations | None:
    """Return the equations of a method's steps; None of explicit ones."""
    if isinstance(formula, EsdirkTableau):
        return EsdirkEquations(formula, n)
    if isinstance(formula, RadauTableau):
        return RadauEquations(formula, n)
    if isinstance(formula, BdfTableau):
        return BdfEquations(formula, n)
    return RosenbrockEquations(formula, n) if isinstance(formula, RosenbrockTableau) else None


def step_operations(program: Program, formula: Formula, sweeps: int) -> int:
    """Return the operations of a step with its root, about."""
    equations = equations_of(formula, program.n)
    if equations is None:
        return 0
    return sweeps * equations.operations(program.graph.n_operations, slope_of(program).program.graph.n_operations)


@final
@dataclass(frozen=True, eq=False)
class Solved:
    """Steps whose equations are solved.

    Attributes
    ----------
    equations : Equations
    field : Program
        The right-hand side.
    steps : Steps
    rows : array, shape (equations.n_rows, n_logged)
        What belongs to each step beside its time and size.
    """

    equations: Equations
    field: Program
    steps: Steps
    rows: Array

    def lead(self) -> Array:
        """Return the inputs of `step` before the state, of all steps."""
        return np.concatenate([[self.steps.t, self.steps.h], self.rows])

    def lead_at(self, columns: NDArray[np.int64], x: Array) -> Array:
        """Return the inputs of `between` before the state, at positions x within the steps of some columns."""
        return np.concatenate([[self.steps.t[columns], self.steps.h[columns], x], self.rows[:, columns]])

    def step(self, sweeps: int) -> Program:
        """Return the program of a step, with derivatives up to the order `sweeps`."""
        return _step_program(self.field, self.equations, sweeps)

    def between(self, sweeps: int) -> Program:
        """Return the program that leads to a position within a step; behind the state there is nothing of use."""
        return _between_program(self.field, self.equations, sweeps)

    def begin(self, t0: Array, start: Any, parameters: Any) -> Any:
        """Return what the first step of each trajectory is handed, for numbers of any kind.

        Parameters
        ----------
        t0 : array, shape (m,)
        start : array or recording number, shape (n,) or (n, m)
        parameters : array or recording number, shape (n_parameters,) or (n_parameters, m)
        """
        return _begin(self.equations, self.field, self.steps, t0, start, parameters)


def _begin(equations: Equations, field: Program, steps: Steps, t0: Array, start: Any, parameters: Any) -> Any:
    if equations.n_states == equations.n:
        return start
    lanes = shape_of(start)[1:]
    t, h = (x if lanes else float(x[0]) for x in (t0, _first_sizes(steps)))
    values = field.evaluate([t], start, [parameters[j] for j in range(field.n_parameters)])
    slope = array_ops.stack([array_ops.broadcast_to(x, lanes) for x in values])
    return array_ops.concatenate([start, *equations.begin(start, slope, h)], axis=0)


def _first_sizes(steps: Steps) -> Array:
    """Return the size of the first step of each trajectory, 1 where there is none."""
    found, some = np.ones(steps.n_trajectories), steps.counts > 0
    found[some] = steps.h[steps.order[steps.offsets[:-1][some]]]
    return found


# --- programs --------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=128)
def _step_program(field: Program, equations: Equations, sweeps: int) -> Program:
    n, m = equations.n_states, field.n_parameters

    def step(leading: Any, states: Any, parameters: Any) -> list[Any]:
        t, h, *rows = leading
        f = TracedField(field, parameters)
        return list(equations.step(f, t, h, objects(rows), objects(states), sweeps)[0])

    n_whole = 2 + equations.n_rows
    return Program(trace(step, np.zeros(n_whole), np.zeros(n), np.zeros(m)), n, m, None, n_whole)


@functools.lru_cache(maxsize=128)
def _between_program(field: Program, equations: Equations, sweeps: int) -> Program:
    n, m = equations.n_states, field.n_parameters

    def between(leading: Any, states: Any, parameters: Any) -> list[Any]:
        t, h, x, *rows = leading
        f, start = TracedField(field, parameters), objects(states)
        made = equations.step(f, t, h, objects(rows), start, sweeps)[2]
        return [*equations.between(made, start[: equations.n], h, x), *start[equations.n :]]

    n_whole = 3 + equations.n_rows
    return Program(trace(between, np.zeros(n_whole), np.zeros(n), np.zeros(m)), n, m, None, n_whole)


@functools.lru_cache(maxsize=128)
def _improving_program(field: Program, equations: Equations) -> Program:
    """Return the program of a step that hands on its root as well, behind the rest."""
    n, m = equations.n_states + equations.n_unknowns, field.n_parameters

    def step(leading: Any, states: Any, parameters: Any) -> list[Any]:
        t, h, *rows = leading
        f, own = TracedField(field, parameters), objects(states)[: equations.n_states]
        made, root, _ = equations.step(f, t, h, objects(rows), own, _SWEEPS)
        return [*made, *root]

    n_whole = 2 + equations.n_rows
    return Program(trace(step, np.zeros(n_whole), np.zeros(n), np.zeros(m)), n, m, None, n_whole)


@functools.lru_cache(maxsize=128)
def _slope_routine(field: Program) -> Routine:
    graph = slope_of(field).program.graph
    shapes = ((), (field.n,), (field.n_parameters,))
    n_results = len(slope_of(field).places) + field.n * slope_of(field).moves
    return derived(graph, shapes, (n_results,), np.dtype(np.float64))


# --- solving ---------------------------------------------------------------------------------------------------------


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
    Unsolved
        They cannot be solved all at once.
    """
    n, m, n_states = equations.n, start.shape[1], equations.n_states
    weights, root, y = equations.weights(steps), equations.guess(steps), steps.y
    if not steps.n_logged:
        return Solved(equations, field, steps, np.zeros((equations.n_rows, 0)))
    parameters = np.array([np.broadcast_to(x, m) for x in values]).reshape(len(values), m)
    own = np.ascontiguousarray(parameters[:, steps.trajectory])

    def slopes(t: Array, y: Array) -> tuple[Array, Array]:
        return _slopes(field, t, y, own, threads)

    program, after = _improving_program(field, equations), _following(steps)
    begin = np.asarray(_begin(equations, field, steps, span[0], start, parameters))
    begin = np.concatenate([begin, np.zeros((equations.n_unknowns, m))])
    every = np.arange(steps.n_logged)
    near = False
    for _ in range(_ROUNDS):
        rows = np.concatenate([weights, root, equations.inverses(slopes, steps, y, root)])
        if near:
            return Solved(equations, field, steps, rows)
        lead = np.concatenate([[steps.t, steps.h], rows])
        track = Track(lead, steps.order, steps.offsets[:-1], steps.counts, every, len(every))
        ends, stored = walk(program, begin, values, track, threads=threads)
        improved = np.concatenate([stored, ends], axis=1)[n_states:, after]
        size = np.maximum(abs(stored[:n]), abs(np.concatenate([stored, ends], axis=1)[:n, after]))
        near = _are_near(root, improved, size) and _are_near(y, stored[:n], size)
        root, y = improved, stored[:n]
        if not np.isfinite(root).all():
            break
    raise Unsolved("solve_ivp: the equations of the steps cannot be solved all at once.")


def _slopes(field: Program, t: Array, y: Array, parameters: Array, threads: int | None) -> tuple[Array, Array]:
    """Return Jacobians (k, n, n) and derivatives by the time (k, n) of k columns."""
    slope, n, k = slope_of(field), field.n, len(t)
    found = _slope_routine(field).run_lanes(tuple(map(np.ascontiguousarray, (t, y, parameters))), k, threads)
    jacobians = np.zeros((k, n, n))
    for entry, (i, j) in zip(found, slope.places, strict=False):
        jacobians[:, i, j] = entry
    return jacobians, found[len(slope.places) :].T if slope.moves else np.zeros((k, n))


def _following(steps: Steps) -> NDArray[np.int64]:
    """Return, for each step, the column of the next one; those of the ends lie behind all steps."""
    after = np.empty(steps.n_logged, dtype=np.int64)
    after[steps.order[:-1]] = steps.order[1:]
    some = np.flatnonzero(steps.counts)
    after[steps.order[steps.offsets[1:][some] - 1]] = steps.n_logged + some
    return after


def _are_near(one: Array, other: Array, size: Array) -> bool:
    """Whether numbers of some components each are the same to `_NEAR`, in units of sizes (n, k) of the components."""
    unit = np.maximum(size, 1e-8 * size.max(axis=0))
    apart = np.abs(one - other).reshape(-1, *size.shape)
    return bool((apart <= _NEAR * unit).all())
