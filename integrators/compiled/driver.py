"""The compiled driver: a fixed-step solve of any number of trajectories in one loop of machine code."""

from __future__ import annotations

import dataclasses
import functools
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, replay
from diffsim.compiler import engine
from diffsim.errors import ArgumentError, InterpretedWarning, RunError, TraceError
from diffsim.number import Number, raw, shape_of
from integrators.compiled.carried import copied, tangents_of, together, with_tangents
from integrators.compiled.dense import fixed_evaluations
from integrators.compiled.directions import are_apart, fly_directions
from integrators.compiled.flow import Journey, flow
from integrators.compiled.kernel_forward import SOUND
from integrators.compiled.machine import Flown, finite, fly
from integrators.compiled.plan import Plan, plan_of
from integrators.compiled.refusals import (
    not_for_machines,
    not_for_search,
    records,
    too_large_a_step,
    too_many_derivatives,
)
from integrators.compiled.route import Route, StepTooLarge, find_route
from integrators.compiled.stats import Stats
from integrators.drivers.copies import apart_of
from integrators.drivers.endings import REACHED, not_finite, out_of_fixed_steps
from integrators.drivers.problem import Problem
from integrators.drivers.right_hand_side import first_value
from integrators.drivers.run import Lanes, Run, Tick
from integrators.drivers.sensitivity import Selection

__all__: list[str] = []


def route_of(problem: Problem, selection: Selection, compiled: bool | str) -> Route | TraceError | str:
    """Return the way to solve a problem by machine code, or why it runs interpreted.

    Parameters
    ----------
    problem : Problem
    selection : Selection
    compiled : "auto", True or False

    Returns
    -------
    Route, TraceError or str
        An error where the right-hand side cannot be compiled, text where it is not asked for or not made for machines.

    Raises
    ------
    ArgumentError
        ``compiled=True`` for a method or ends that the compiled core does not take.
    TraceError
        ``compiled=True``, and the right-hand side cannot be compiled.

    """
    if compiled is False:
        return "compiled=False."
    if compiled == "auto" and problem.grid is not None and problem.grid.n_steps < problem.method.pays_from:
        return f"Machine code pays from {problem.method.pays_from} steps on; compiled=True asks for it."
    why = not_for_machines(problem)
    if why is not None:
        if compiled is True:
            raise ArgumentError(f"solve_ivp: compiled=True {why} Leave compiled='auto'.")
        return f"Machine code {why}"
    if not engine.available():
        if compiled is True:
            raise ArgumentError("solve_ivp: compiled=True needs llvmlite; got none. Install it: pip install llvmlite.")
        _tell_once()
        return "llvmlite is not installed."
    try:
        at = functools.partial(_one_point, problem)
        route = find_route(problem.fun, problem.args, problem.y0.shape[0], problem.method, problem.vectorized, at)
    except TraceError as error:
        if compiled is True:
            raise
        # NOTE: no mend of the right-hand side would help where the method's step is too large: nobody is warned
        return str(error) if isinstance(error, StepTooLarge) else error
    unknown = [parameter.name for parameter in selection.parameters if parameter.name not in route.names]
    if unknown:
        return f"Machine code does not see the parameter {unknown[0]}."
    why = not_for_search(problem, selection, route) or too_large_a_step(problem, route)
    why = why or too_many_derivatives(problem, selection, route)
    if why is not None and compiled is True:
        raise ArgumentError(f"solve_ivp: compiled=True {why} Leave compiled='auto'.")
    return route if why is None else f"Machine code {why}"


def _one_point(problem: Problem) -> tuple[float, Any] | None:
    """Return time and state of the start of the first trajectory, in plain numbers; None if there is none."""
    start = np.asarray(raw(problem.y0))
    if not start.size:
        return None
    return float(np.ravel(raw(problem.ends[0]))[0]), start.reshape(len(start), -1)[:, 0]


def tell(error: TraceError) -> None:
    """Warn that a solve has run interpreted, and why."""
    warnings.warn(
        f"This solve runs interpreted, which is slower. {error} compiled=False silences this.",
        InterpretedWarning,
        stacklevel=5,
    )


@functools.cache
def _tell_once() -> None:
    """Tell, once a process, that nothing is compiled."""
    warnings.warn(
        "llvmlite is not installed, so all solves run interpreted, which is slower. Install it: pip install llvmlite.",
        InterpretedWarning,
        stacklevel=7,
    )


def _run_adaptive(problem: Problem, route: Route, selection: Selection, explain: bool, tick: Tick | None) -> Run:
    """Integrate with steps that are chosen on the way.

    PERF: its rooms are entered when they are needed: a fresh process with fixed steps has its result 0.1 s sooner.
    """
    # NOTE: another evaluation is compared with the very steps, which takes their roots to rounding
    if selection or records(problem, route) or (problem.method.implicit and replay.is_active()):
        from integrators.compiled.adaptive_derivatives import run_adaptive_derivatives

        return run_adaptive_derivatives(problem, route, selection, explain, tick)
    from integrators.compiled.adaptive import run_adaptive_compiled

    return run_adaptive_compiled(problem, route, explain, tick)


def run_compiled(
    problem: Problem, route: Route, selection: Selection, memory: float, explain: bool, tick: Tick | None
) -> Run:
    """Integrate all trajectories of a problem.

    Parameters
    ----------
    problem : Problem
    route : Route
    selection : Selection
    memory : float
        Bytes that an adjoint may spend on stored states.
    explain : bool
        Whether to print how the solve will go.
    tick : callable, optional

    Returns
    -------
    Run
        A single trajectory, or a block of lanes.
    """
    if problem.grid is None:
        return _run_adaptive(problem, route, selection, explain, tick)
    n = problem.y0.shape[0]
    y0 = problem.y0 if problem.batch == () else array_ops.reshape(problem.y0, (n, -1))
    values: Sequence[Any] = route.values
    if route.by_lane:
        lanes = problem.lane_parameters()
        values = [lanes.get(name, value) for name, value in zip(route.names, route.values, strict=True)]
    plan = plan_of(problem.grid, problem.control.max_steps)
    way = Stats(route.program, plan, math.prod(problem.batch), memory)
    if explain:
        print(way)
    if records(problem, route):
        return _recorded(problem, route, plan, selection, way, tick, y0, values)
    start = np.asarray(y0[:, None] if y0.ndim == 1 else y0, dtype=np.float64)
    k = selection.n_directions
    apart = k > 0 and are_apart(route.program, k)
    tangents, seeds = tangents_of(route, selection, start) if selection and not apart else (None, None)
    rows = copied(start, problem.method.n_copies)
    flown = fly(route.program, rows, values, plan, tangents=tangents, seeds=seeds, threads=problem.threads, tick=tick)
    run = _outcome(problem, plan, flown, (n, start.shape[1]))
    distance = _apart(problem, flown, (n, start.shape[1]))
    if not selection:
        return Run(run.t, run.y, run.status, run.message, run.nfev, run.n_times, None, way, apart=distance)
    m = start.shape[1]
    chosen = [route.names.index(parameter.name) for parameter in selection.parameters]

    def guarded(lanes: NDArray[np.intp]) -> NDArray[np.float64]:
        own = [x[lanes] if shape_of(x) else x for x in values]
        parts = selection.components, chosen
        return fly_directions(route.program, start[:, lanes], own, plan, *parts, problem.threads)

    if apart:
        dy = guarded(np.arange(m))
    else:
        dy = flown.out[:, len(rows) :, :m].reshape(len(flown.out), len(rows), k, m)[:, :n]
        lost = _careful(dy, flown.out[:, :n, :m])
        if len(lost):
            dy[..., lost] = guarded(lost)
    dy = dy.transpose(1, 2, 3, 0)  # (n, k, m, n_times)
    dy = _fitted(run, dy[:, :, 0] if y0.ndim == 1 else dy)
    return Run(run.t, run.y, run.status, run.message, run.nfev, run.n_times, dy, way, apart=distance)


def _careful(dy: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the lanes whose tangents are not finite though their states are: ``0 * inf`` may be 0 with guards."""
    if finite(dy):
        return np.zeros(0, dtype=np.intp)
    lost = ~np.isfinite(dy).all(axis=(1, 2)) & np.isfinite(y).all(axis=1)
    return np.flatnonzero(lost.any(axis=0))


def _fitted(run: Run, dy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return tangents for the times that the states have, with NaN where a state has none."""
    n_times = run.y.shape[-1]
    if dy.shape[-1] > n_times:
        dy = dy[..., :n_times]
    elif dy.shape[-1] < n_times:
        dy = np.concatenate([dy, np.full((*dy.shape[:-1], n_times - dy.shape[-1]), np.nan)], axis=-1)
    sound = run.status.__class__ is int and run.status == 0
    return dy if sound or finite(run.y) else np.where(np.isnan(run.y).all(axis=0), np.nan, dy)


def _recorded(
    problem: Problem,
    route: Route,
    plan: Plan,
    selection: Selection,
    way: Stats,
    tick: Tick | None,
    y0: Any,
    values: Sequence[Any],
) -> Run:
    """Integrate numbers that carry derivatives: one node of their tape."""
    runs: list[Run] = []
    chosen = [route.names.index(parameter.name) for parameter in selection.parameters]

    def once(start: Any, *moved: Any) -> Any:
        numbers = list(values)
        for i, x in zip(chosen, moved, strict=True):
            numbers[i] = x
        wanted = tuple(isinstance(x, Number) for x in numbers)
        journey = Journey(route.program, plan, wanted, way.memory, problem.threads, tick)
        y = flow(journey, copied(start, problem.method.n_copies), together(numbers))
        y = y if problem.method.n_copies == 1 else y[: shape_of(start)[0]]
        if journey.flown is None:
            raise RunError("solve_ivp: a compiled solve must have plain numbers underneath. Use compiled=False.")
        shape = shape_of(start)
        run = _outcome(problem, plan, journey.flown, (shape[0], math.prod(shape[1:])))
        kept = run.y.shape[-1]
        y = y if kept == shape_of(y)[-1] else y[..., :kept]
        apart = _apart(problem, journey.flown, (shape[0], math.prod(shape[1:])))
        runs.append(Run(run.t, y, run.status, run.message, run.nfev, run.n_times, None, way, apart=apart))
        return y

    if not selection:
        once(y0)
        return runs[0]
    y, dy = with_tangents(once, y0, values, chosen, selection)
    return dataclasses.replace(runs[0], y=y, dy=dy)


# --- what befell the lanes --------------------------------------------------------------------------------------------


def _apart(problem: Problem, flown: Flown, shape: tuple[int, int]) -> float:
    """Return how far the copies of the state came apart, of a method that moves several."""
    n, m = shape
    return 0.0 if problem.method.n_copies == 1 else apart_of(flown.out[:, : 2 * n, :m], n)


def _outcome(problem: Problem, plan: Plan, flown: Flown, shape: tuple[int, int]) -> Run:
    """Return a run without tangents: times, states, and what befell each lane."""
    n, m = shape
    single = problem.batch == ()
    out = flown.out[:, :n, :m]
    full = problem.grid.n_steps if problem.grid is not None else plan.n_steps
    if single and plan.n_steps == full and not plan.has_aside and flown.failed[0] == SOUND:  # PERF: 10 us less
        states = out[:, :, 0].T
        return Run(plan.times, states, 0, REACHED, program_evaluations(problem, plan), plan.n_saves)
    failed = flown.failed[:m].copy()
    _check_aside(plan, out, failed)
    lanes = Lanes((m,), problem.names)
    kept = np.full(m, plan.n_saves)
    if (failed != SOUND).any():
        out = out.copy()
        for j in np.flatnonzero(failed != SOUND):
            kept[j] = _fall(problem, plan, flown, out, lanes, int(j), int(failed[j]))
            out[kept[j] :, :, j] = np.nan
    if plan.n_steps < full:
        when = plan.time(plan.n_steps)
        lanes.stop(out_of_fixed_steps(plan.n_steps, float(when), full), plan.n_saves)
    lanes.n_times[failed != SOUND] = kept[failed != SOUND]
    status, messages, n_times = lanes.finish(plan.n_saves)
    nfev = program_evaluations(problem, plan)
    y = np.moveaxis(out, 0, -1)
    if single:
        last = int(n_times[0])
        return Run(plan.times[:last], y[:, 0, :last], int(status[0]), messages[0], nfev, last)
    times = problem.grid.t if problem.grid is not None else plan.times
    if len(times) > plan.n_saves:
        y = np.concatenate([y, np.full((*y.shape[:-1], len(times) - plan.n_saves), np.nan)], axis=-1)
    return Run(times, y, status, messages, np.full(m, nfev), n_times)


def program_evaluations(problem: Problem, plan: Plan) -> int:
    """Return the number of evaluations of the right-hand side for each trajectory."""
    if problem.grid is not None and not problem.grid.n_steps:
        return 0
    first, more = fixed_evaluations(problem.method, problem.y0.shape[0])
    return int(first + more * (plan.n_steps + int(plan.aside.sum())))


def _check_aside(plan: Plan, out: NDArray[np.float64], failed: NDArray[np.int64]) -> None:
    """Note lanes that only a step aside has taken out of the finite numbers, at the node where it began."""
    if not plan.has_aside or finite(out[plan.aside]):
        return
    for i in np.flatnonzero(plan.aside):
        lost = ~np.isfinite(out[i]).all(axis=0)
        failed[lost] = np.minimum(failed[lost], plan.nodes[i])


def _fall(problem: Problem, plan: Plan, flown: Flown, out: NDArray[np.float64], lanes: Lanes, j: int, k: int) -> int:
    """Note what befell lane j, which left the finite numbers in step k; returns the number of sound saves."""
    beside = plan.aside & (plan.nodes <= k) & ~np.isfinite(out[:, :, j]).all(axis=1)
    if beside.any():  # a step aside fell, before the step itself
        kept = int(np.argmax(beside))
        state, when = out[kept, :, j], float(plan.times[kept])
    else:
        kept = int((plan.nodes <= k).sum())
        state, when = flown.snapshot[:, j], plan.time(k + 1)
    if k == 0 and problem.batch == () and problem.strict:
        first_value(problem.right_hand_side(column=problem.vectorized), plan.t0, problem.y0, problem.names, True)
    i = int(np.argmin(np.isfinite(state))) % problem.y0.shape[0]
    lanes.message[j] = not_finite(i, problem.names, float(when))
    lanes.alive[j] = False
    lanes.all_alive = False
    return kept
