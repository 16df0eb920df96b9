"""Derivatives of compiled solves that choose their steps: those of the accepted steps, which are frozen.

The search gives the steps.  Along them the trajectories are walked once more, with tangents, or as one row of the table
of primitives whose transpose walks back; then, from the states before them, the steps with save times in them are made
up to there by the method's interpolant.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, ops
from diffsim.number import Number, depth_of, raw, shape_of
from diffsim.protocols import with_parameters
from integrators.compiled.adaptive import Points, Voyage, outcome, places, told
from integrators.compiled.carried import tangents_of, with_tangents
from integrators.compiled.dense import dense_program, formula_of
from integrators.compiled.equations_methods import equations_of
from integrators.compiled.kernel_clock import MISSING
from integrators.compiled.kernel_field import Tangents
from integrators.compiled.machine_walk import Track, walk
from integrators.compiled.program import Program
from integrators.compiled.refusals import records
from integrators.compiled.roads import Road, lead_at, road_of
from integrators.compiled.route import Route
from integrators.drivers.batch import side_by_side
from integrators.drivers.problem import Problem
from integrators.drivers.run import Run, Tick
from integrators.drivers.sensitivity import Selection

__all__: list[str] = []

_NUMBERS_AT_ONCE, _STEPS = 20_000_000, 500
"""Numbers beside the steps of a batch that are kept at once, about, and steps that a trajectory is taken to have."""

LARGEST_TANGENTS = 3_000
"""Operations of a right-hand side with all its tangents beyond which each direction is walked by itself."""


def run_adaptive_derivatives(
    problem: Problem, route: Route, selection: Selection, explain: bool, tick: Tick | None
) -> Run:
    """Integrate all trajectories of a problem with their derivatives: tangents, numbers that record, or both.

    Returns
    -------
    Run
        A single trajectory, or a block of lanes.
    """
    width = _width(problem, route, selection)
    if math.prod(problem.batch) > width:
        return _in_blocks(problem, route, selection, explain, tick, width)
    way = told(problem, route, explain)
    voyage = Voyage(problem, route, True, tick, inside=problem.method.implicit)
    points = voyage.points()
    run = outcome(voyage, points, way)
    n, m = voyage.start.shape
    start = problem.y0 if problem.batch == () else array_ops.reshape(problem.y0, (n, m))
    if any(isinstance(x, Number) for x in (start, *voyage.numbers)):
        return _recorded(voyage, points, selection, run, start)
    if problem.method.implicit:  # NOTE: as a lane, whose derivatives may overflow without an error
        return _recorded(voyage, points, selection, run, voyage.start)
    dy = _tangents(voyage, points, route, selection)
    # a single trajectory that ended early has no times behind its end
    return dataclasses.replace(run, dy=dy[:, :, 0, : run.n_times] if problem.batch == () else dy)


# --- large batches of implicit methods -------------------------------------------------------------------------------


def _width(problem: Problem, route: Route, selection: Selection) -> float:
    """Return how many trajectories are integrated at once.

    Roots and inverse matrices of all their steps are there at once; numbers that record need them for the way back.
    """
    formula = formula_of(problem.method)
    equations = None if formula is None else equations_of(formula, problem.y0.shape[0])
    if equations is None or not selection or records(problem, route):
        return math.inf
    return max(64, _NUMBERS_AT_ONCE // (_STEPS * equations.n_rows))


def _in_blocks(
    problem: Problem, route: Route, selection: Selection, explain: bool, tick: Tick | None, width: float
) -> Run:
    """Integrate the trajectories of a batch block by block."""
    n, m, runs = problem.y0.shape[0], math.prod(problem.batch), []
    y0, lanes = problem.y0.reshape(n, m), problem.lane_parameters() if route.by_lane else {}
    for low in range(0, m, int(width)):
        some = slice(low, min(low + int(width), m))
        fun = with_parameters(problem.fun, {name: x[some] for name, x in lanes.items()}) if lanes else problem.fun
        block = dataclasses.replace(problem.some(some), fun=fun, y0=y0[:, some])
        runs.append(run_adaptive_derivatives(block, route, selection, explain and not low, tick))
    return dataclasses.replace(side_by_side(problem, selection, runs), stats=runs[0].stats)


# --- where what is computed belongs ----------------------------------------------------------------------------------


def _place(voyage: Voyage, points: Points | None) -> NDArray[np.intp]:
    """Return, for each trajectory and time, the column of what is computed, shape (m, n_times).

    There are first the steps, or the points, then the trajectories' ends; the column behind the last is NaN.
    """
    steps, n_times = voyage.found.steps, voyage.n_times()
    m = len(n_times)
    computed = steps.n_logged if points is None else len(points.lane)
    given = voyage.problem.t_eval
    width = int(n_times.max(initial=0)) if points is None or given is None else given.shape[-1]
    place = np.full((m, width), computed + m)
    if points is None:
        place[places(voyage)] = steps.order
        place[np.arange(m), steps.counts] = computed + np.arange(m)
    else:
        place[points.lane, points.slot] = np.arange(computed)
        for j in np.flatnonzero(voyage.still):
            place[j, : n_times[j]] = computed + j
    return place


def _track(voyage: Voyage, slot: NDArray[np.int64], n_stored: int) -> Track:
    steps = voyage.found.steps
    return Track(np.array([steps.t, steps.h]), steps.order, steps.offsets[:-1], steps.counts, slot, n_stored)


# --- numbers that record ---------------------------------------------------------------------------------------------


def _recorded(voyage: Voyage, points: Points | None, selection: Selection, run: Run, start: Any) -> Run:
    """Return the run with states that carry derivatives."""
    names = voyage.route.names
    chosen = [names.index(parameter.name) for parameter in selection.parameters]
    road = road_of(voyage, max(1, max(depth_of(x) for x in (start, *voyage.numbers)) + bool(selection)))

    def states(start: Any, *moved: Any) -> Any:
        numbers = list(voyage.numbers)
        for i, x in zip(chosen, moved, strict=True):
            numbers[i] = x
        return _states(voyage, road, points, road.flown(start, numbers), numbers)

    if not selection or (voyage.problem.dense and voyage.problem.method.implicit):
        columns = road.flown(start, voyage.numbers)
        sol = road.polynomials(columns) if voyage.problem.dense else None
        run = dataclasses.replace(run, y=_states(voyage, road, points, columns, voyage.numbers), sol=sol)
    if not selection:
        return run
    y, dy = with_tangents(states, start, voyage.numbers, chosen, selection)
    missing = np.isnan(raw(y)).all(axis=0)  # where a trajectory has no time, whose tangents are those of a constant
    dy = ops.where(missing, np.nan, dy) if missing.any() else dy
    return dataclasses.replace(run, y=y, dy=dy)


def _states(voyage: Voyage, road: Road, points: Points | None, columns: Any, numbers: list[Any]) -> Any:
    """Return the states, shape (n, n_times) or (n, m, n_times), given what all steps are handed."""
    problem, n = voyage.problem, len(voyage.start)
    if points is not None:
        before, columns = columns, columns[:, voyage.found.steps.n_logged :]
        if len(points.lane):
            columns = array_ops.concatenate([road.between(points, before, numbers), columns], axis=1)
    columns = columns if shape_of(columns)[0] == n else columns[:n]
    place = _place(voyage, points)
    if place.size and place.max() == shape_of(columns)[1]:
        columns = array_ops.concatenate([columns, np.full((n, 1), np.nan)], axis=1)
    # a single trajectory that ended early has no times behind its end
    return columns[:, place[0, : voyage.n_times()[0]] if problem.batch == () else place]


# --- tangents in plain numbers ---------------------------------------------------------------------------------------


class _Way(NamedTuple):
    """What is walked: programs, and what they carry."""

    program: Program
    dense: Program
    tangents: Tangents | None


def _tangents(voyage: Voyage, points: Points | None, route: Route, selection: Selection) -> NDArray[np.float64]:
    """Return the tangents, shape (n, n_directions, m, n_times); NaN where there is no state."""
    n, k, place = len(voyage.start), selection.n_directions, _place(voyage, points)
    dense = dense_program(voyage.program, voyage.problem.method)
    if voyage.program.graph.n_operations * (1 + k) > LARGEST_TANGENTS:
        return np.concatenate([_direction(voyage, points, route, selection, d) for d in range(k)], axis=1)[:, :, place]
    tangents, seeds = tangents_of(route, selection, voyage.start)
    way = _Way(voyage.program, dense, tangents)
    found = _walked(voyage, points, way, voyage.start, seeds, voyage.values)
    dy = found[n:].reshape(n, k, -1)
    if not np.isfinite(dy[:, :, : place.max(initial=0)]).all():
        # NOTE: 0 * inf is NaN in the fast loop; where a guarded one has better to say, it is the answer
        dy = np.concatenate([_direction(voyage, points, route, selection, d) for d in range(k)], axis=1)
    return dy[:, :, place]


def _direction(
    voyage: Voyage, points: Points | None, route: Route, selection: Selection, d: int
) -> NDArray[np.float64]:
    """Return the tangents in one direction, shape (n, 1, n_columns), by the program of the state with its tangent."""
    n, m = voyage.start.shape
    dense = dense_program(voyage.program, voyage.problem.method)
    start = np.concatenate([voyage.start, np.zeros((n, m))])
    moved = [0.0] * len(voyage.values)
    if d < len(selection.components):
        start[n + selection.components[d]] = 1.0
    else:
        moved[route.names.index(selection.parameters[d - len(selection.components)].name)] = 1.0
    way = _Way(voyage.program.tangent, dense.tangent, None)
    return _walked(voyage, points, way, start, None, [*voyage.values, *moved])[n:, None]


def _walked(
    voyage: Voyage,
    points: Points | None,
    way: _Way,
    start: NDArray[np.float64],
    seeds: NDArray[np.float64] | None,
    values: list[Any],
) -> NDArray[np.float64]:
    """Return all numbers before the steps or at the points, then at the ends, then NaN: shape (width, n_columns)."""
    steps, threads, n = voyage.found.steps, voyage.problem.threads, len(start)
    used = np.arange(steps.n_logged) if points is None else np.unique(points.column)
    slot = np.full(steps.n_logged, MISSING)
    slot[used] = np.arange(len(used))
    track = _track(voyage, slot, len(used))
    ends, found = walk(way.program, start, values, track, tangents=way.tangents, seeds=seeds, threads=threads)
    if points is not None and len(points.lane):
        before = found[:, slot[points.column]]
        own = [x[points.lane] if np.ndim(x) else x for x in values]
        single = Track.of_single_steps(lead_at(steps, points))
        moved = None if seeds is None else before[n:].reshape(n, -1, before.shape[1])
        found, _ = walk(way.dense, before[:n], own, single, tangents=way.tangents, seeds=moved, threads=threads)
    return np.concatenate([found, ends, np.full((len(ends), 1), np.nan)], axis=1)
