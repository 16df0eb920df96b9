"""The polynomials of the steps that machine code made: all steps of all trajectories at once, each as one column."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, ops
from diffsim.number import shape_of
from integrators._integrator import Integrator
from integrators.compiled.adaptive import parameters_of
from integrators.compiled.dense import evaluations
from integrators.compiled.program import Program
from integrators.compiled.route import Route
from integrators.drivers.grid import make_grid
from integrators.drivers.pieces import Pieces
from integrators.drivers.problem import Problem
from integrators.drivers.run import Run

__all__: list[str] = []


def at_all_steps(problem: Problem) -> Problem:
    """Return the same solve, saved at every step."""
    grid = problem.grid
    if grid is not None:
        grid = make_grid(grid.t0, grid.t1, abs(grid.h), None)
    return dataclasses.replace(problem, t_eval=None, grid=grid, dense=False)


def with_polynomials(problem: Problem, route: Route, run: Run, every: Run) -> Run:
    """Return a run with the polynomials of its steps.

    They carry the derivatives that the states at the steps and the parameters carry, since they are made of these in
    plain arithmetic: the stages of all steps at once.

    Parameters
    ----------
    problem : Problem
        With a method that has `has_polynomials`.
    route : Route
    run : Run
        What was asked for.
    every : Run
        The same solve at all steps.
    """
    n, m, n_times = problem.y0.shape[0], math.prod(problem.batch), every.t.shape[-1]
    counts = np.maximum(np.ravel(every.n_times), 1)
    t = np.broadcast_to(every.t, (*problem.batch, n_times)).reshape(m, n_times)
    lane, slot = np.nonzero(np.arange(n_times) < np.maximum(counts - 1, 1)[:, None])
    moves = slot + 1 < counts[lane]  # a trajectory that made no step has one piece, a constant
    begins = t[lane, slot]
    starts = array_ops.reshape(every.y, (n, m * n_times))[:, lane * n_times + slot]
    sizes = _sizes(problem, begins, t[lane, np.minimum(slot + 1, n_times - 1)], slot)
    sizes = np.where(moves, sizes, 1.0)
    own = [x[lane] if shape_of(x) else x for x in parameters_of(problem, route)]
    coefficients = coefficients_of(problem.method, route.program, own, begins, starts, sizes)
    if not moves.all():
        coefficients = [ops.where(moves, d, 0.0) for d in coefficients]
    ts = [row[:count] for row, count in zip(t, counts, strict=True)]
    extra = evaluations(problem.method, n)[2] * (counts - 1)
    calls = run.nfev if problem.grid is not None else every.nfev  # those for save times are among `extra`
    nfev = calls + (extra.reshape(problem.batch) if problem.batch else int(extra[0]))
    return dataclasses.replace(run, sol=Pieces(ts, begins, sizes, starts, coefficients), nfev=nfev)


def coefficients_of(
    method: Integrator, program: Program, numbers: Sequence[Any], begins: Any, starts: Any, sizes: Any
) -> Sequence[Any]:
    """Return the polynomials of many steps, see `Integrator.dense`.

    Parameters
    ----------
    method : Integrator
        One that `has_polynomials`.
    program : Program
        The right-hand side.
    numbers : sequence of numbers or arrays, shape (k,)
        Its parameters.
    begins, sizes : arrays, shape (k,)
    starts : array or recording number, shape (n, k)
    """
    f = _flow(program, numbers)
    return method.dense(f, begins, starts, sizes, method.advance(f, begins, starts, sizes))


def _sizes(problem: Problem, begins: NDArray[np.float64], ends: NDArray[np.float64], slot: Any) -> Any:
    """Return the sizes of the steps: those of a grid are not the differences of its rounded nodes."""
    if problem.grid is None:
        return ends - begins
    own = [float(problem.grid.step(k)) for k in range(problem.grid.n_steps)]
    return np.array([*own, 1.0])[slot]


def _flow(program: Program, parameters: Sequence[Any]) -> Any:
    """Return the right-hand side ``f(t, y)`` for many columns at once, of any kind of number."""

    def f(t: Any, y: Any) -> Any:
        columns = shape_of(y)[1:]
        return array_ops.stack([array_ops.broadcast_to(x, columns) for x in program.evaluate([t], y, parameters)])

    return f
