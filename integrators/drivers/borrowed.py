"""The driver for one trajectory whose steps are made by SciPy: `LSODA`."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import replay
from diffsim.errors import KindError
from diffsim.number import Number
from integrators._integrator import Step
from integrators.drivers.adaptive import AdaptiveStepper
from integrators.drivers.control import DEFAULT_MAX_STEPS
from integrators.drivers.endings import not_finite, out_of_steps, too_small
from integrators.drivers.segment import Segment

__all__: list[str] = []


@final
class BorrowedStepper(AdaptiveStepper):
    """The state of the solve: where it is, and SciPy's solver that makes its steps."""

    _solver: Any = None

    def attempt(self) -> tuple[Segment | None, str]:
        """Make one accepted step and return it, or None and the reason why there is none."""
        control, t = self._control, self._t_raw
        self._refuse_other_numbers()
        solver = self._ready()
        h = solver.step_size or self._h_abs
        if self._attempts <= 0:
            return None, out_of_steps(control.max_steps or DEFAULT_MAX_STEPS, t, h, self._fall(h * self._direction))
        over = self._guard.over(t)
        if over is not None:
            over.fall = self._fall(h * self._direction)
            return None, over
        self._attempts -= 1
        solver.step()
        if solver.status == "failed":
            return None, too_small(0, self._names, t, self._fall(h * self._direction), control.min_step, newton=True)
        sound = np.isfinite(solver.y)
        if not sound.all():
            fall = self._fall(solver.t - t)
            return None, not_finite(int(np.argmin(sound)), self._names, float(solver.t), fall)
        field = self._f.field
        field.njev, field.nlu = self._before[0] + solver.njev, self._before[1] + solver.nlu
        size = float(solver.t) - t
        self._steps.append(abs(size))
        step = Step(solver.y.copy(), None, self._carry, tuple(_polynomial(solver.dense_output(), t, self._y)))
        return self._move(float(solver.t), size, step), ""

    def restart(self, t: Any, y: Any, t_plain: float) -> None:
        """Go on from another state, without a past."""
        super().restart(t, y, t_plain)
        self._solver = None

    def _refuse_other_numbers(self) -> None:
        if np.iscomplexobj(self._y):
            raise KindError("LSODA: y0 must be real; got complex numbers. BDF takes them, and the explicit methods.")
        if any(isinstance(x, Number) for x in (self._t, self._t1, self._y, self._carry)) or replay.is_active():
            raise KindError(
                "solve_ivp: LSODA takes plain numbers, no derivative goes through SciPy's code; got recording ones. "
                "Use method='Radau', 'BDF', 'Rodas5P' or 'Kvaerno5'."
            )

    def _ready(self) -> Any:
        """Return SciPy's solver, having begun where it stands if it has no past."""
        if self._solver is None:
            from scipy.integrate import LSODA

            control, field = self._control, self._f.field
            self._before = (field.njev, field.nlu)
            longest = control.longest(self._t_raw)
            self._solver = LSODA(
                field.value,
                self._t_raw,
                np.array(self._y),
                self._end,
                first_step=control.first_step,
                min_step=control.min_step,
                max_step=longest,
                rtol=control.rtol,
                atol=control.atol,
                jac=lambda t, y: _dense(field.jacobian(t, y)),
            )
        return self._solver


def _dense(j: Any) -> NDArray[np.float64]:
    found: NDArray[np.float64] = j if isinstance(j, np.ndarray) else j.toarray()
    return found


def _polynomial(dense: Any, t_old: float, y_old: Any) -> list[Any]:
    """Return D_1, D_2, ... of a step's polynomial from SciPy's, in powers of ``(t - t_new) / h``.

    SciPy's misses the old state by a part of the tolerance; the difference fades out linearly over the step.
    """
    order, ratio = len(dense.p) - 1, (dense.t - t_old) / dense.h
    scaled = [dense.yh[:, k] * ratio**k for k in range(order + 1)]
    found = [
        sum((scaled[k] * (math.comb(k, j) * (-1.0) ** (k - j)) for k in range(j, order + 1)), np.zeros(len(y_old)))
        for j in range(order + 1)
    ]
    gap = found[0] - y_old
    if order == 0:
        return [gap]
    return [found[1] + gap, *found[2:]]
