"""How trajectories of a compiled search ended: the status and the sentence of each, from where it stood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.number import Number, raw
from integrators._integrator import Step
from integrators._taylor_formula import TaylorFormula
from integrators.compiled.dense import flow_of, formula_of
from integrators.compiled.kernel_control import ENDED, TOO_SMALL, UNSOLVED
from integrators.compiled.program import Program
from integrators.compiled.route import Route
from integrators.compiled.series import series_of
from integrators.compiled.slope import slope_of
from integrators.drivers.control import DEFAULT_MAX_STEPS
from integrators.drivers.endings import REACHED, Ending, Fall, not_finite, out_of_steps, status_of, too_small
from integrators.drivers.problem import Problem
from integrators.drivers.run import Run

if TYPE_CHECKING:
    from integrators.compiled.adaptive import Voyage

__all__: list[str] = []

_AT_ONCE = 256
"""Trajectories whose numbers are looked at in one go."""


def endings(voyage: Voyage) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
    """Return status and message of each trajectory."""
    found = voyage.found
    messages: NDArray[np.object_] = np.full(len(found.t), REACHED, dtype=object)
    arrived = (found.why == ENDED) & (found.t == voyage.t1)
    for j in np.flatnonzero(~arrived):
        messages[j] = _reason(voyage, int(j))
    status = np.array([status_of(message) for message in messages], dtype=np.intp)
    return status, messages


def _reason(voyage: Voyage, j: int) -> Ending:
    """Say why trajectory j did not reach its end."""
    found, problem = voyage.found, voyage.problem
    control, names = problem.control, problem.names
    t, y, h_abs = float(found.t[j]), found.y[:, j].copy(), float(found.h[j])
    direction = 1.0 if voyage.t1[j] >= voyage.t0[j] else -1.0
    failed = found.why[j] in (TOO_SMALL, UNSOLVED)
    h = float(found.tried[j]) if failed and found.attempts[j] else h_abs * direction
    recent = tuple(float(x) for x in found.recent[:, j] if x == x)
    fall = Fall(t, y, h, recent, control.atol + np.abs(y) * control.rtol)
    if not failed:
        limit = control.max_steps or DEFAULT_MAX_STEPS
        if found.cut and found.attempts[j] < limit:
            ending = problem.guard.over(t, fall)
            if ending is not None:
                return ending
        return out_of_steps(limit, t, h_abs, fall)
    if not found.attempts[j]:  # no step from a start at which the derivative is not finite
        slope = found.slope[:, j]
        if np.isfinite(slope).all():  # but no tolerance to measure it by
            return too_small(int(np.argmax(np.abs(slope) / fall.scale)), names, t, fall, control.min_step)
        return not_finite(int(np.argmin(np.isfinite(slope))), names, t, fall)
    if found.why[j] == UNSOLVED:
        return too_small(0, names, t, fall, control.min_step, newton=True)
    step = _attempt(voyage, j, t, y, h)
    if not step.ok:
        return too_small(0, names, t, fall, control.min_step, newton=True)
    y_new, error = step.y, step.error
    sound = np.isfinite(y_new) & np.isfinite(error)
    if not sound.all():
        return not_finite(int(np.argmin(sound)), names, t + h, fall)
    scale = control.atol + np.abs(y_new) * control.rtol
    return too_small(int(np.argmax(np.abs(error) / scale)), names, t, fall, control.min_step)


def _attempt(voyage: Voyage, j: int, t: float, y: NDArray[np.float64], h: float) -> Step:
    """Return the step that failed, made once more in Python."""
    method = voyage.problem.method
    values = [x[j] if np.ndim(x) else x for x in voyage.values]
    symbolic = flow_of(voyage.program, values)

    def f(t: Any, y: Any) -> Any:
        found = array_ops.array(symbolic(t, y))  # a method may ask for Jacobians
        return found if isinstance(found, Number) else np.asarray(found, dtype=np.float64)

    with np.errstate(all="ignore"):
        step = method.advance(f, t, y, h, method.begin(f, t, y))
    return step._replace(error=None if step.error is None else np.asarray(step.error)[: len(y)])


def _beside(problem: Problem, route: Route) -> Program:
    """Return the program that machine code evaluates beside the right-hand side."""
    formula = formula_of(problem.method)
    series = series_of(route.program, formula.degree) if isinstance(formula, TaylorFormula) else None
    return slope_of(route.program).program if series is None else series


def in_doubt(problem: Problem, route: Route, run: Run) -> NDArray[np.intp]:
    """Return the trajectories that ended where the Jacobian, or the series, of machine code is not finite, one a row.

    The Jacobian has no guard against ``0 * inf``, and the series know no root or power of 0: the interpreter, which
    looks at the numbers, is asked for these.
    """
    nothing = np.zeros((0, len(problem.batch)), dtype=np.intp)
    if not np.any(np.asarray(run.status) < 0):
        return nothing
    messages: NDArray[np.object_] = np.empty(problem.batch, dtype=object)
    messages[...] = run.message
    kinds = ("not finite", "too small")
    failed = map(tuple, np.argwhere(np.asarray(run.status) < 0).tolist())
    told = [(spot, messages[spot]) for spot in failed]
    falls = [(spot, e.fall) for spot, e in told if isinstance(e, Ending) and e.kind in kinds and e.fall is not None]
    found = [nothing, *(_lost(problem, route, falls[i : i + _AT_ONCE]) for i in range(0, len(falls), _AT_ONCE))]
    return np.concatenate(found)


def _lost(problem: Problem, route: Route, falls: Sequence[tuple[tuple[int, ...], Fall]]) -> NDArray[np.intp]:
    """Return those of the fallen trajectories whose numbers beside the right-hand side are not finite."""
    from integrators.compiled.adaptive import parameters_of  # which needs the endings

    spots = np.array([spot for spot, _ in falls], dtype=np.intp).reshape(len(falls), len(problem.batch))
    lanes = np.ravel_multi_index(tuple(spots.T), problem.batch) if problem.batch else np.zeros(len(falls), dtype=int)
    own = [x[lanes] if x.ndim else x for x in (np.asarray(raw(x)) for x in parameters_of(problem, route))]
    t, y = np.array([fall.t for _, fall in falls]), np.array([fall.y for _, fall in falls]).T
    with np.errstate(all="ignore"):
        entries = _beside(problem, route).evaluate([t], y, own)
    sound = [np.broadcast_to(np.isfinite(np.asarray(x, dtype=np.float64)), t.shape) for x in entries]
    lost: NDArray[np.intp] = spots[~np.all([np.ones(t.shape, dtype=bool), *sound], axis=0)]
    return lost
