"""Which way a solve goes: machine code where it can, Python where it must."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from diffsim import replay
from diffsim.errors import TraceError
from diffsim.number import Number
from integrators.compiled.driver import route_of, run_compiled, tell
from integrators.compiled.refusals import GivenUp, is_watched
from integrators.compiled.route import Route
from integrators.drivers.batch import run_interpreted, shaped, together
from integrators.drivers.problem import Problem
from integrators.drivers.run import Run, Tick
from integrators.drivers.sensitivity import Selection, checked_derivatives, run_block

__all__: list[str] = []


def run_all(
    problem: Problem, selection: Selection, compiled: bool | str, memory: float, explain: bool, tick: Tick | None
) -> Run:
    """Integrate all trajectories of a problem.

    Parameters
    ----------
    problem : Problem
    selection : Selection
    compiled : "auto", True or False
    memory : float
        Bytes that a compiled adjoint may spend on stored states.
    explain : bool
        Whether to print how the solve will go.
    tick : callable, optional

    Warns
    -----
    InterpretedWarning
        ``"auto"``, and the right-hand side cannot be compiled.

    Returns
    -------
    Run
        With ``y`` of shape (n, *batch, n_times) and ``dy`` of shape (n, n_directions, *batch, n_times) or None.
    """
    t, y = problem.ends[0], problem.y0
    problem.method.admits(problem.fun, problem.args, y.shape[0], t, y, problem.vectorized)
    if problem.ragged and problem.method.h is not None and not problem.method.adaptive:
        return _run_each(problem, selection, compiled, memory, explain, tick)
    route = route_of(problem, selection, compiled)
    if isinstance(route, TraceError):
        if explain:
            print(f"solve_ivp: interpreted. {route}")
        # NOTE: first, since it may have a better word for what is wrong
        run = run_interpreted(problem, selection, tick)
        tell(route)
        return run
    if isinstance(route, str):
        if explain:
            print(f"solve_ivp: interpreted. {route}")
        return run_interpreted(problem, selection, tick)
    if problem.grid is None and 0 in problem.batch:  # no trajectory to choose steps for
        return run_interpreted(problem, selection, tick)
    if is_watched(problem):
        from integrators.compiled.watched import run_watched_compiled  # few solves need it

        return run_watched_compiled(problem, route, selection, explain, tick)
    return run_along(problem, route, selection, memory, explain, tick)


def run_along(
    problem: Problem, route: Route, selection: Selection, memory: float, explain: bool, tick: Tick | None
) -> Run:
    """Integrate all trajectories of a problem by machine code that was found.

    Parameters and what is returned: see `run_all`.
    """
    try:
        with replay.forgotten_after(GivenUp):
            run = run_compiled(problem, route, selection, memory, explain, tick)
    except GivenUp as error:
        if explain:
            print(f"solve_ivp: interpreted. {error}")
        if problem.batch == ():
            return run_interpreted(problem, selection, tick)
        return _run_each(problem, selection, "auto", memory, False, tick)
    if selection and not isinstance(run.y, Number):
        run = checked_derivatives(run)
    run = run if problem.batch == () else shaped(run, problem.batch)
    if problem.method.implicit or problem.method.has_formula:
        run = _asked_again(problem, selection, run, tick, _in_doubt(problem, route, run))
    return _with_polynomials(problem, route, run, memory) if problem.dense and run.sol is None else run


def _in_doubt(problem: Problem, route: Route, run: Run) -> NDArray[np.intp]:
    """Return where machine code has failed and the interpreter may know better, one trajectory a row.

    With fixed steps it takes a fixed number of iterations; where steps are chosen it takes Jacobians and series as they
    come.
    """
    if problem.grid is not None:
        return np.argwhere(np.asarray(run.status) < 0)
    from integrators.compiled.adaptive_endings import in_doubt  # a solve with fixed steps does not need it

    return in_doubt(problem, route, run)


def _with_polynomials(problem: Problem, route: Route, run: Run, memory: float) -> Run:
    """Return a compiled run with the polynomials of its steps; with save times it is made once more, at all steps."""
    from integrators.compiled.polynomials import at_all_steps, with_polynomials  # few solves need it

    if problem.t_eval is None:
        return with_polynomials(problem, route, run, run)
    again = at_all_steps(problem)
    every = run_compiled(again, route, Selection(), memory, False, None)
    return with_polynomials(problem, route, run, every if problem.batch == () else shaped(every, problem.batch))


def _asked_again(problem: Problem, selection: Selection, run: Run, tick: Tick | None, failed: NDArray[np.intp]) -> Run:
    """Let the interpreter solve what machine code has not, and may have solved wrongly."""
    if not len(failed):
        return run
    if problem.batch == () or isinstance(run.y, Number):
        return run_interpreted(problem, selection, tick)
    if problem.grid is None:
        return _with_others(problem, selection, run, set(map(tuple, failed.tolist())))
    y, dy = np.array(run.y), None if run.dy is None else np.array(run.dy)
    told = {name: np.array(getattr(run, name)) for name in ("status", "message", "nfev", "n_times", "njev", "nlu")}
    for spot in map(tuple, failed):
        one = problem.at(spot)
        again = run_block(one, selection, one.y0, {}, column=problem.vectorized, strict=False)
        for whole, part in ((y, again.y), (dy, again.dy)):
            if whole is not None:
                lane = whole[(*(slice(None),) * (part.ndim - 1), *spot)]
                lane[...] = np.nan
                lane[..., : part.shape[-1]] = part
        for name, x in told.items():
            x[spot] = getattr(again, name)
    return dataclasses.replace(run, y=y, dy=dy, **told)


def _with_others(problem: Problem, selection: Selection, run: Run, failed: set[tuple[int, ...]]) -> Run:
    """Let the interpreter solve some trajectories, whose steps are others then; the rest stay as they are."""
    runs = []
    for j, spot in enumerate(np.ndindex(*problem.batch)):
        if spot in failed:
            one = problem.at(spot)
            runs.append(run_block(one, selection, one.y0, {}, column=problem.vectorized, strict=False))
            continue
        last, lane = int(run.n_times[spot]), (slice(None), *spot)
        t = (run.t if run.t.ndim == 1 else run.t[spot])[:last]
        sol = None if run.sol is None else run.sol.alone(j)
        told = {name: getattr(run, name)[spot] for name in ("status", "message", "nfev", "njev", "nlu")}
        dy = None if run.dy is None else run.dy[(slice(None), *lane)][:, :, :last]
        runs.append(Run(t, run.y[lane][:, :last], n_times=last, dy=dy, sol=sol, **told))
    return dataclasses.replace(together(problem, selection, runs), stats=run.stats)


def _run_each(
    problem: Problem, selection: Selection, compiled: bool | str, memory: float, explain: bool, tick: Tick | None
) -> Run:
    """Integrate one trajectory after the other: fixed steps at times of their own, or some that are given up."""
    runs = [
        run_all(problem.at(spot), selection, compiled, memory, explain and not any(spot), tick)
        for spot in np.ndindex(*problem.batch)
    ]
    return together(problem, selection, runs)
