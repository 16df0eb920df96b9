"""How trajectories of a compiled search ended: the status and the sentence of each, from where it stood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from integrators.compiled.dense import flow_of
from integrators.compiled.kernel_control import ENDED, TOO_SMALL
from integrators.drivers import control as control_of
from integrators.drivers.control import DEFAULT_MAX_STEPS
from integrators.drivers.endings import REACHED, Ending, Fall, not_finite, out_of_steps, status_of, too_small

if TYPE_CHECKING:
    from integrators.compiled.adaptive import Voyage

__all__: list[str] = []


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
    failed = found.why[j] == TOO_SMALL
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
    y_new, error = _attempt(voyage, j, t, y, h)
    sound = np.isfinite(y_new) & np.isfinite(error)
    if not sound.all():
        return not_finite(int(np.argmin(sound)), names, t + h, fall)
    scale = control.atol + np.abs(y_new) * control.rtol
    return too_small(int(np.argmax(np.abs(error) / scale)), names, t, fall, control.min_step)


def _attempt(voyage: Voyage, j: int, t: float, y: NDArray[np.float64], h: float) -> Sequence[Any]:
    """Return the new state and the error of the step that failed, made once more in Python."""
    method = voyage.problem.method
    values = [x[j] if np.ndim(x) else x for x in voyage.values]
    symbolic = flow_of(voyage.program, values)

    def f(t: Any, y: Any) -> Any:
        return np.asarray(symbolic(t, y), dtype=np.float64)

    scale = control_of.scale_of(y, y, voyage.problem.control.rtol, voyage.problem.control.atol)
    step = method.advance(f, t, y, h, method.begin(f, t, y))
    return step.y, np.asarray(step.error)[: len(scale)]
