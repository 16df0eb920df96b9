"""The compiled driver for methods that choose their steps: a search for the steps, then the states that are wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, replay
from diffsim.errors import RunError
from diffsim.number import raw
from integrators._interpolant import evaluate
from integrators.compiled.adaptive_endings import endings
from integrators.compiled.asked import Bounds, Saves
from integrators.compiled.dense import dense_program, evaluations, formula_of
from integrators.compiled.equations_methods import equations_of
from integrators.compiled.machine_walk import Track, walk
from integrators.compiled.program import Formula, Pair, Program
from integrators.compiled.retrace import note, retrace, retrace_roots
from integrators.compiled.route import Route
from integrators.compiled.search import Found, attempt_operations, search
from integrators.drivers.control import DEFAULT_MAX_STEPS
from integrators.drivers.pieces import Pieces
from integrators.drivers.problem import Problem
from integrators.drivers.right_hand_side import first_value
from integrators.drivers.run import Run, Tick

__all__: list[str] = []


@final
@dataclass(frozen=True)
class AdaptiveStats:
    """The way a compiled solve of a method that chooses its steps goes.

    Attributes
    ----------
    program : Program
    formula : Formula
    n_lanes : int
        Number of trajectories.
    """

    program: Program
    formula: Formula
    n_lanes: int

    def mapping(self) -> Mapping[str, Any]:
        """Return the figures by name; see `Solution.stats`."""
        operations = attempt_operations(self.program, self.formula)
        return MappingProxyType({"compiled": True, "operations": operations})

    def __str__(self) -> str:
        told = self.mapping()
        return (
            f"solve_ivp: machine code, {told['operations']} operations a step, steps chosen on the way, {self.n_lanes} "
            f"{'trajectory' if self.n_lanes == 1 else 'trajectories'}."
        )


@final
class Voyage:
    """A compiled solve of a method that chooses its steps, in plain numbers.

    Parameters
    ----------
    problem : Problem
    route : Route
    every : bool
        Whether all steps are logged though there are save times: for derivatives.
    tick : callable, optional
    limit : int, optional
        Attempts in place of those of the problem's control.
    inside : bool
        Whether somebody will ask for states within steps though there are no save times.

    Attributes
    ----------
    start : array, shape (n, m)
    numbers, values : list
        Parameters, of any kind of number and plain: floats, or arrays of shape (m,).
    t0, t1 : array, shape (m,)
    saves : Saves
    found : Found
    """

    def __init__(
        self,
        problem: Problem,
        route: Route,
        every: bool,
        tick: Tick | None,
        *,
        limit: int | None = None,
        inside: bool = False,
    ) -> None:
        self.problem, self.route, self.program = problem, route, route.program
        n, m = problem.y0.shape[0], math.prod(problem.batch)
        self.start: NDArray[np.float64] = np.asarray(raw(problem.y0), dtype=np.float64).reshape(n, m)
        self.numbers = parameters_of(problem, route)
        self.values = [raw(x) for x in self.numbers]
        self.t0, self.t1 = (
            np.ascontiguousarray(np.broadcast_to(np.asarray(raw(end), dtype=np.float64), problem.batch).reshape(m))
            for end in problem.ends
        )
        self.formula = _formula(problem)
        with_pieces = problem.dense and not isinstance(self.formula, Pair)
        self.saves = _saves(problem, self.t0, every or with_pieces or replay.is_active(), inside)
        self.found: Found = self._found(self.formula, tick, limit)

    def _found(self, formula: Formula, tick: Tick | None, limit: int | None) -> Found:
        """Return the steps: those that are chosen now, or those of an earlier evaluation."""
        problem, guard, span = self.problem, self.problem.guard, (self.t0, self.t1)
        known = replay.tracks(len(self.t0))
        if any(track.known for track in known):
            equations = equations_of(formula, len(self.start))
            if equations is not None:
                return retrace_roots(len(self.start), span, self.saves, known, equations.n_noted)
            return retrace(self.program, self.start, self.values, span, self.saves, known, problem.threads)
        found = search(
            self.program,
            formula,
            self.start,
            self.values,
            span,
            self.saves,
            _bounds(problem, len(self.start), limit),
            threads=problem.threads,
            tick=tick,
            late=guard.late,
            catches=guard.catches,
        )
        note(found, span, known)
        return found

    @property
    def still(self) -> NDArray[np.bool_]:
        """Which trajectories have an empty span."""
        empty: NDArray[np.bool_] = self.t0 == self.t1
        return empty

    def n_times(self) -> NDArray[np.int64]:
        """Return how many times each trajectory has."""
        if self.problem.t_eval is None:
            return self.found.steps.counts + 1
        return np.where(self.still, self.saves.last, self.found.save) - self.saves.first

    def points(self) -> Points | None:
        """Return the save times within the steps, trajectory by trajectory; None where there are no save times."""
        if self.problem.t_eval is None:
            return None
        steps, found, first = self.found.steps, self.found, self.saves.first
        begin = steps.next_save[steps.order]
        end = np.empty_like(begin)
        end[:-1] = begin[1:]
        some = steps.counts > 0
        end[steps.offsets[1:][some] - 1] = found.save[some]
        column = np.repeat(steps.order, end - begin)
        reached = np.where(some, found.save - first, 0)
        lane = np.repeat(np.arange(len(reached)), reached)
        slot = np.arange(len(lane)) - np.repeat(np.cumsum(reached) - reached, reached)
        times = self.saves.times[first[lane] + slot] if len(lane) else np.zeros(0)
        return Points(column, lane, slot, (times - steps.t[column]) / steps.h[column])

    def evaluations(self, points: Points | None) -> NDArray[np.intp]:
        """Return the number of calls of the right-hand side of each trajectory, counted as the interpreted driver does.

        PERF: machine code evaluates the stages of steps with save times once more, which is not counted.
        """
        method, found = self.problem.method, self.found
        attempt, moved, dense = evaluations(method, len(self.start))
        first = 1 + (self.problem.control.first_step is None and not method.advises) * ~self.still
        counted = not isinstance(self.formula, Pair)
        calls = first + (found.told[0] if counted else attempt * found.attempts) + moved * found.accepted
        if points is not None and dense:
            columns = np.unique(points.column)
            calls = calls + dense * np.bincount(found.steps.trajectory[columns], minlength=len(calls))
        return calls.astype(np.intp)


@final
@dataclass(frozen=True, eq=False)
class Points:
    """Save times within steps.

    Attributes
    ----------
    column : array of int, shape (n_points,)
        The step's column in the log.
    lane, slot : array of int, shape (n_points,)
        Trajectory, and number of the save time among its own.
    x : array, shape (n_points,)
        Position within the step, from 0 to 1.
    """

    column: NDArray[np.int64]
    lane: NDArray[np.intp]
    slot: NDArray[np.intp]
    x: NDArray[np.float64]


def parameters_of(problem: Problem, route: Route) -> list[Any]:
    """Return the parameters: numbers of any kind, those that differ between trajectories of shape (m,)."""
    if not route.by_lane:
        return list(route.values)
    lanes = problem.lane_parameters()
    return [lanes.get(name, value) for name, value in zip(route.names, route.values, strict=True)]


def _saves(problem: Problem, t0: NDArray[np.float64], every: bool, inside: bool) -> Saves:
    m, times = len(t0), problem.t_eval
    if times is None:
        none = np.zeros(m, dtype=np.int64)
        return Saves(np.zeros(0), none, none, True, bare=not (problem.dense or inside))
    if times.ndim == 1:
        return Saves(times, np.zeros(m, dtype=np.int64), np.full(m, len(times), dtype=np.int64), every)
    own = times.reshape(m, times.shape[-1])
    kept = ~np.isnan(own)
    last = np.cumsum(kept.sum(axis=1))
    return Saves(own[kept], last - kept.sum(axis=1), last, every)


def _bounds(problem: Problem, n: int, limit: int | None) -> Bounds:
    control = problem.control
    controller, order = control.controller, problem.method.error_order or problem.method.order
    elementary = controller.b == (1.0,)
    return Bounds(
        np.array([np.broadcast_to(control.rtol, n), np.broadcast_to(control.atol, n)], dtype=np.float64),
        control.first_step,
        float(control.longest(0.0)),
        control.min_step,
        limit or control.max_steps or DEFAULT_MAX_STEPS,
        (controller.safety, controller.min_factor, controller.max_factor),
        () if elementary else tuple(-b / (order + 1) for b in controller.b),
    )


def run_adaptive_compiled(problem: Problem, route: Route, explain: bool, tick: Tick | None) -> Run:
    """Integrate all trajectories of a problem in plain numbers.

    Returns
    -------
    Run
        A single trajectory, or a block of lanes.
    """
    way = told(problem, route, explain)
    voyage = Voyage(problem, route, False, tick)
    return outcome(voyage, voyage.points(), way)


def _formula(problem: Problem) -> Formula:
    """Return the formula by which the steps of a problem are chosen."""
    found = formula_of(problem.method)
    if found is None:
        raise RunError("solve_ivp: machine code chooses steps by an embedded pair. Use compiled=False.")
    return found


def told(problem: Problem, route: Route, explain: bool) -> AdaptiveStats:
    """Return how the solve will go; printed where that is asked for."""
    way = AdaptiveStats(route.program, _formula(problem), math.prod(problem.batch))
    if explain:
        print(way)
    return way


def _refuse_start(voyage: Voyage) -> None:
    """Raise where a single trajectory cannot begin: what the right-hand side itself has to say about it."""
    problem = voyage.problem
    if problem.batch == () and not np.isfinite(voyage.found.slope).all():
        f = problem.right_hand_side(column=problem.vectorized)
        first_value(f, float(voyage.t0[0]), voyage.start[:, 0], problem.names, True)


def outcome(voyage: Voyage, points: Points | None, way: AdaptiveStats) -> Run:
    """Return the run in plain numbers: times, states, counts, and how each trajectory ended."""
    problem, n_times = voyage.problem, voyage.n_times()
    _refuse_start(voyage)
    y = _all_steps(voyage) if points is None else _at_saves(voyage, points, n_times)
    given = problem.t_eval
    t = times_of_steps(voyage) if points is None or given is None else given
    status, message = endings(voyage)
    nfev, (njev, nlu) = voyage.evaluations(points), voyage.found.told[1:]
    sol = pieces_of(voyage) if problem.dense and not isinstance(voyage.formula, Pair) else None
    if t.ndim > 1:
        t = t.reshape(len(n_times), t.shape[-1])
    if problem.batch != ():
        return Run(t, y, status, message, nfev, n_times, None, way, njev=njev, nlu=nlu, sol=sol)
    last = int(n_times[0])
    own = t if t.ndim == 1 else t[0]
    counts = {"njev": int(njev[0]), "nlu": int(nlu[0])}
    return Run(own[:last], y[:, 0, :last], int(status[0]), message[0], int(nfev[0]), last, None, way, sol=sol, **counts)


def times_of_steps(voyage: Voyage) -> NDArray[np.float64]:
    """Return the times of the steps and where they end, shape (m, n_times), padded with NaN."""
    steps, found = voyage.found.steps, voyage.found
    t = np.full((steps.n_trajectories, int(steps.counts.max(initial=0)) + 1), np.nan)
    lane, k = places(voyage)
    t[lane, k] = steps.t[steps.order]
    t[np.arange(len(t)), steps.counts] = found.t
    return t


def places(voyage: Voyage) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return trajectory and number of each step, in the order of `Steps.order`."""
    steps = voyage.found.steps
    lane = np.repeat(np.arange(steps.n_trajectories), steps.counts)
    return lane, np.arange(len(lane)) - steps.offsets[lane]


def _all_steps(voyage: Voyage) -> NDArray[np.float64]:
    """Return the states at all steps and at the ends, shape (n, m, n_times), padded with NaN."""
    steps, found = voyage.found.steps, voyage.found
    n, m = found.y.shape
    y = np.full((n, m, int(steps.counts.max(initial=0)) + 1), np.nan)
    lane, k = places(voyage)
    y[:, lane, k] = steps.y[:, steps.order]
    y[:, np.arange(m), steps.counts] = found.y
    return y


def _between(voyage: Voyage, points: Points) -> NDArray[np.float64]:
    """Return the states at some points within the steps, shape (n, n_points)."""
    problem, steps = voyage.problem, voyage.found.steps
    before = steps.y[:, points.column]
    if len(steps.polynomials):
        kept: NDArray[np.float64] = evaluate(before, list(steps.polynomials[:, :, points.column]), points.x)
        return kept
    lead = np.array([steps.t[points.column], steps.h[points.column], points.x])
    values = [x[points.lane] if np.ndim(x) else x for x in voyage.values]
    program = dense_program(voyage.program, problem.method)
    return walk(program, before, values, Track.of_single_steps(lead), threads=problem.threads)[0]


def pieces_of(
    voyage: Voyage, starts: Any = None, ends: Any = None, coefficients: Sequence[Any] | None = None
) -> Pieces:
    """Return the polynomials of all steps: those that have been kept with them, or others.

    Parameters
    ----------
    voyage : Voyage
    starts, ends : array or recording number, shapes (n, n_logged) and (n, m), optional
        States before the steps and where the trajectories ended.
    coefficients : sequence of arrays or recording numbers, shape (n, n_logged), optional
    """
    steps, found = voyage.found.steps, voyage.found
    starts = steps.y if starts is None else starts
    ends = found.y if ends is None else ends
    coefficients = list(steps.polynomials) if coefficients is None else coefficients
    ts, columns, still = [], [], np.flatnonzero(steps.counts == 0)
    for j in range(steps.n_trajectories):
        own = steps.order[steps.offsets[j] : steps.offsets[j + 1]]
        ts.append(np.append(steps.t[own], found.t[j]) if len(own) else found.t[j : j + 1])
        columns.append(own if len(own) else [steps.n_logged + int(np.searchsorted(still, j))])
    order = np.concatenate([np.asarray(own, dtype=np.intp) for own in columns])
    # NOTE: a trajectory that made no step has one piece, a constant
    begins, sizes = np.append(steps.t, found.t[still]), np.append(steps.h, np.ones(len(still)))
    starts = array_ops.concatenate([starts, ends[:, still]], axis=1)
    nothing = np.zeros((steps.n, len(still)))
    coefficients = [array_ops.concatenate([d, nothing], axis=1)[:, order] for d in coefficients]
    return Pieces(ts, begins[order], sizes[order], starts[:, order], coefficients)


def _at_saves(voyage: Voyage, points: Points, n_times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the states at the save times, shape (n, m, n_times), padded with NaN."""
    problem = voyage.problem
    n, m = voyage.start.shape
    width = 0 if problem.t_eval is None else problem.t_eval.shape[-1]
    found = _between(voyage, points)
    if found.shape[1] == m * width:
        return found.reshape(n, m, width)
    y = np.full((n, m, width), np.nan)
    y[:, points.lane, points.slot] = found
    for j in np.flatnonzero(voyage.still):
        y[:, j, : n_times[j]] = voyage.start[:, j, None]
    return y
