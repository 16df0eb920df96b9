"""Which way a solve goes: machine code where it can, Python where it must."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import TraceError
from diffsim.number import Number, shape_of
from diffsim.protocols import is_system, with_parameters
from integrators._batch import run_interpreted, shaped
from integrators._compiled import careful, route_of, run_compiled, tell
from integrators._problem import Problem
from integrators._run import Run, Tick
from integrators._sensitivity import Selection, checked_derivatives

__all__: list[str] = []


def run_all(problem: Problem, selection: Selection, compiled: bool | str, memory: float, tick: Tick | None) -> Run:
    """Integrate all trajectories of a problem.

    Parameters
    ----------
    problem : Problem
    selection : Selection
    compiled : "auto", True or False
    memory : float
        Bytes that a compiled adjoint may spend on stored states.
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
    route = route_of(problem, compiled)
    if isinstance(route, TraceError):
        run = run_interpreted(
            problem, selection, tick
        )  # NOTE: first, since it may have a better word for what is wrong
        tell(route)
        return run
    if route is None or any(parameter.name not in route.names for parameter in selection.parameters):
        return run_interpreted(problem, selection, tick)
    run = run_compiled(problem, route, selection, memory, tick)
    if selection and not isinstance(run.y, Number):
        run = checked_derivatives(_again_with_care(problem, selection, run))
    return run if problem.batch == () else shaped(run, problem.batch)


def _again_with_care(problem: Problem, selection: Selection, run: Run) -> Run:
    """Integrate lanes again whose tangents met ``0 * inf``: interpreted code counts that as 0, compiled code as NaN."""
    lanes = careful(run, problem.batch == ())
    if not len(lanes):
        return run
    if problem.batch == ():
        return run_interpreted(problem, selection, None)
    again = run_interpreted(_of_lanes(problem, lanes), selection, None)
    dy = np.array(run.dy)
    dy[:, :, lanes] = again.dy
    return dataclasses.replace(run, dy=dy)


def _of_lanes(problem: Problem, lanes: NDArray[np.intp]) -> Problem:
    """Return the problem of some of the lanes."""
    n = problem.y0.shape[0]
    fun: Any = problem.fun
    if is_system(fun):
        own = {name: value[lanes] for name, value in problem.lane_parameters().items() if shape_of(value)}
        fun = with_parameters(fun, own) if own else fun
    return dataclasses.replace(problem, fun=fun, y0=np.asarray(problem.y0).reshape(n, -1)[:, lanes])
