"""The driver for one trajectory that chooses its own steps, for states of any kind of number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.number import Number, raw
from integrators._integrator import Integrator, Step
from integrators._interpolant import evaluate
from integrators.drivers import control as control_of
from integrators.drivers.control import DEFAULT_MAX_STEPS, MAX_FACTOR, MIN_FACTOR, Control
from integrators.drivers.right_hand_side import RightHandSide, first_value
from integrators.drivers.run import REACHED, Run, Tick, not_finite, out_of_steps, too_small

__all__: list[str] = []


def run_adaptive(
    method: Integrator,
    f: RightHandSide,
    y0: Any,
    ends: tuple[Any, Any],
    t_eval: NDArray[np.float64] | None,
    control: Control,
    names: tuple[str, ...],
    *,
    strict: bool = True,
    tick: Tick | None = None,
) -> Run:
    """Integrate one trajectory under SciPy's step control.

    Parameters
    ----------
    method : Integrator
        With an error estimate; with an interpolant where there are save times.
    f : RightHandSide
    y0 : array or recording number, shape (n,)
    ends : (t0, t1)
        Floats or recording numbers.
    t_eval : array or None
        Save times, reached by the method's interpolant; None: every step.
    control : Control
    names : tuple of str
        Names of the components, for messages.
    strict : bool
        Whether a start at which `f` is not finite is an error.
    tick : callable, optional
        Called with the length of time covered since the last call.

    Returns
    -------
    Run
        With ``t`` and ``y`` up to the last accepted step.
    """
    before, driver = f.nfev, _Driver(method, f, y0, ends, control, names, strict)
    saver = _Saver(t_eval, ends, y0)
    message = REACHED
    while driver.t_raw != driver.end:
        t_old, y_old, raw_old = driver.t, driver.y, driver.t_raw
        step, problem = driver.attempt()
        if step is None:
            message = problem
            break
        saver.take(method, (t_old, y_old, raw_old), step, driver)
        if tick is not None:
            tick(abs(driver.t_raw - raw_old))
    t, y = saver.result()
    return Run(t, y, 0 if message is REACHED else -1, message, f.nfev - before, len(t))


class _Driver:
    """The state of the solve: where it is, and the step it will try next."""

    def __init__(
        self,
        method: Integrator,
        f: RightHandSide,
        y0: Any,
        ends: tuple[Any, Any],
        control: Control,
        names: tuple[str, ...],
        strict: bool,
    ) -> None:
        self._method, self.f, self._control, self._names = method, f, control, names
        self.t, self._t1 = ends
        self.t_raw, self.end = float(raw(ends[0])), float(raw(ends[1]))
        self.y, self.h = y0, 0.0
        self._direction = math.copysign(1.0, self.end - self.t_raw)
        self._order = method.error_order or method.order
        self._attempts = control.max_steps or DEFAULT_MAX_STEPS
        self._symbolic = isinstance(self.t, Number) or isinstance(self._t1, Number)
        self._carry = first_value(f, self.t, y0, names, strict)
        self._h_abs = self._first_step()

    def _first_step(self) -> float:
        control, span = self._control, abs(self.end - self.t_raw)
        if control.first_step is not None or span == 0.0:
            return control.first_step or 0.0
        return float(
            control_of.initial_step(
                self.f,
                self.t_raw,
                raw(self.y),
                raw(self._carry),
                span,
                self._direction,
                control.max_step,
                self._order,
                control.rtol,
                control.atol,
            )
        )

    def attempt(self) -> tuple[Step | None, str]:
        """Make one accepted step and return it, or None and the reason why there is none."""
        control, direction, t = self._control, self._direction, self.t_raw
        smallest = float(control_of.smallest_step(t, direction))
        h_abs = min(self._h_abs, control.max_step)
        h_abs = smallest if h_abs < smallest else h_abs  # NaN stays NaN: no step from a start that is not finite
        rejected, last = False, (raw(self._carry), raw(self._carry), t)
        while True:
            if not h_abs >= smallest:
                return None, self._reason(*last)
            if self._attempts <= 0:
                return None, out_of_steps(control.max_steps or DEFAULT_MAX_STEPS, t, h_abs)
            self._attempts -= 1
            t_new = t + h_abs * direction
            if direction * (t_new - self.end) > 0:
                t_new = self.end
            h_raw = t_new - t
            h_abs = abs(h_raw)
            h = self._t1 - self.t if self._symbolic and t_new == self.end else h_raw
            step = self._method.advance(self.f, self.t, self.y, h, self._carry)
            y_new, error = raw(step.y), raw(step.error)
            norm = self._method.error_ratio(error, control_of.scale_of(raw(self.y), y_new, control.rtol, control.atol))
            factor = float(control_of.step_factor(norm, -1.0 / (self._order + 1)))
            if norm < 1.0 and np.isfinite(y_new).all():
                factor = MAX_FACTOR if norm == 0.0 else min(MAX_FACTOR, factor)
                self._h_abs = h_abs * (min(1.0, factor) if rejected else factor)
                self.t, self.t_raw = (self._t1 if t_new == self.end else self.t + h_raw), t_new
                self.y, self.h = step.y, h
                self._carry = self.f(self.t, step.y) if step.carry is None else step.carry
                return step, ""
            last = (y_new, error, t_new)
            h_abs *= factor if factor > MIN_FACTOR else MIN_FACTOR  # a NaN factor compares false
            rejected = True

    def _reason(self, y_new: Any, error: Any, t_new: float) -> str:
        """Say why the last step was rejected, where no shorter one can be made."""
        error = error[: len(y_new)]
        bad = ~(np.isfinite(y_new) & np.isfinite(error))
        if bad.any():
            return not_finite(int(np.argmax(bad)), self._names, t_new)
        scale = self._control.atol + np.abs(y_new) * self._control.rtol
        i = int(np.argmax(np.abs(error) / scale))
        return too_small(i, self._names, self.t_raw)


class _Saver:
    """Collects the states: all steps, or the interpolant at the save times."""

    def __init__(self, t_eval: NDArray[np.float64] | None, ends: tuple[Any, Any], y0: Any) -> None:
        self._t_eval, self._next = t_eval, 0
        self._moving = isinstance(ends[0], Number) or isinstance(ends[1], Number)
        self._shape = y0.shape
        self.forward = raw(ends[1]) >= raw(ends[0])
        self._t: list[float] = [] if t_eval is not None else [float(raw(ends[0]))]
        self._y: list[Any] = [] if t_eval is not None else [y0]
        if t_eval is not None and raw(ends[0]) == raw(ends[1]):
            self._y, self._next = [array_ops.reshape(y0, (*y0.shape, 1))] * len(t_eval), len(t_eval)

    def take(self, method: Integrator, old: tuple[Any, Any, float], step: Step, driver: _Driver) -> None:
        """Save what lies between the old time (exclusive, but for the start) and the new one (inclusive)."""
        if self._t_eval is None:
            self._t.append(driver.t_raw)
            self._y.append(step.y)
            return
        ahead = self._t_eval[self._next :]
        reached = ahead <= driver.t_raw if self.forward else ahead >= driver.t_raw
        times = ahead[: int(reached.sum())]
        if not len(times):
            return
        self._next += len(times)
        t_old, y_old, raw_old = old
        x = (times - (t_old if self._moving else raw_old)) / driver.h
        coefficients = method.dense(driver.f, t_old, y_old, driver.h, step)
        self._y.append(evaluate(y_old[:, None], [d[:, None] for d in coefficients], x))

    def result(self) -> tuple[NDArray[np.float64], Any]:
        """Return the times and the states, shape (n, n_times)."""
        if self._t_eval is None:
            return np.array(self._t), array_ops.stack(self._y, axis=-1)
        empty = np.zeros((*self._shape, 0))
        return self._t_eval[: self._next], array_ops.concatenate(self._y, axis=-1) if self._y else empty
