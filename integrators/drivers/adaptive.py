"""The driver for one trajectory that chooses its own steps, for states of any kind of number."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.number import Number, raw
from integrators._integrator import Integrator, Step
from integrators.drivers import control as control_of
from integrators.drivers.control import DEFAULT_MAX_STEPS, MAX_FACTOR, MIN_FACTOR, Control
from integrators.drivers.right_hand_side import RightHandSide, first_value
from integrators.drivers.run import REACHED, Run, Tick, not_finite, out_of_steps, too_small
from integrators.drivers.saver import Saver
from integrators.drivers.segment import Segment
from integrators.drivers.walk import walk

__all__: list[str] = []

_FAILED_FACTOR = 0.5
"""By what a step that could not be made (Newton's iterations did not converge) is shortened, as in SciPy."""


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
    before, driver = f.nfev, AdaptiveStepper(method, f, y0, ends, control, names, strict)
    saver = Saver(t_eval, ends, y0)
    message = walk(driver, [saver], tick=tick)
    t, y = saver.result()
    return Run(t, y, 0 if message is REACHED else -1, message, f.nfev - before, len(t))


@final
class AdaptiveStepper:
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
        self._method, self._f, self._control, self._names = method, f, control, names
        self._t, self._t1 = ends
        self._t_raw, self._end = float(raw(ends[0])), float(raw(ends[1]))
        self._y = y0
        self._direction = math.copysign(1.0, self._end - self._t_raw)
        self._order = method.error_order or method.order
        self._attempts = control.max_steps or DEFAULT_MAX_STEPS
        # NOTE: with a recording t0 all times move with it; otherwise they are what they are, whatever the step before.
        self._relative = isinstance(self._t, Number)
        k = first_value(f, self._t, y0, names, strict)
        self._carry = method.begin(f, self._t, y0, k)
        self._h_abs = self._first_step(k)

    def _first_step(self, k: Any) -> float:
        control, span = self._control, abs(self._end - self._t_raw)
        if control.first_step is not None or span == 0.0:
            return control.first_step or 0.0
        advised = self._advised()
        if advised is not None:
            return advised
        return float(
            control_of.initial_step(
                self._f,
                self._t_raw,
                raw(self._y),
                raw(k),
                span,
                self._direction,
                control.longest(self._t_raw),
                self._order,
                control.rtol,
                control.atol,
            )
        )

    def _advised(self) -> float | None:
        """Return the step that the method itself wants to take from here, None where it leaves that to its error."""
        scale = self._control.atol + np.abs(raw(self._y)) * self._control.rtol
        advised = self._method.advised(self._carry, scale)
        return None if advised is None else float(advised)

    @property
    def finished(self) -> bool:
        """Whether the end is reached."""
        return self._t_raw == self._end

    def restart(self, t: Any, y: Any, t_plain: float) -> None:
        """Go on from another state, at a time within the last step."""
        self._t, self._y, self._t_raw = t, y, t_plain
        k = self._f(t, y)
        self._carry = self._method.begin(self._f, t, y, k)
        self._h_abs = self._first_step(k)

    def attempt(self) -> tuple[Segment | None, str]:
        """Make one accepted step and return it, or None and the reason why there is none."""
        control, direction, t = self._control, self._direction, self._t_raw
        smallest = float(control_of.smallest_step(t, direction))
        h_abs = min(self._h_abs, float(control.longest(t)))
        h_abs = smallest if h_abs < smallest else h_abs  # NaN stays NaN: no step from a start that is not finite
        start = raw(self._carry)[: len(self._y)]
        rejected, last = False, (start, start, t)
        while True:
            if not h_abs >= smallest:
                return None, self._reason(*last)
            if self._attempts <= 0:
                return None, out_of_steps(control.max_steps or DEFAULT_MAX_STEPS, t, h_abs)
            self._attempts -= 1
            t_new = t + h_abs * direction
            if direction * (t_new - self._end) > 0:
                t_new = self._end
            h_raw = t_new - t
            h_abs = abs(h_raw)
            h = self._size(t_new, h_raw)
            step = self._method.advance(self._f, self._t, self._y, h, self._carry)
            if not step.ok:
                h_abs *= _FAILED_FACTOR
                rejected = True
                continue
            y_new, error = raw(step.y), raw(step.error)
            norm = self._method.error_ratio(error, control_of.scale_of(raw(self._y), y_new, control.rtol, control.atol))
            factor = float(control_of.step_factor(norm, -1.0 / (self._order + 1)))
            if norm < 1.0 and np.isfinite(y_new).all():
                factor = MAX_FACTOR if norm == 0.0 else min(MAX_FACTOR, factor)
                self._h_abs = h_abs * (min(1.0, factor) if rejected else factor)
                return self._move(t_new, h, step), ""
            last = (y_new, error, t_new)
            h_abs *= factor if factor > MIN_FACTOR else MIN_FACTOR  # a NaN factor compares false
            rejected = True

    def _size(self, t_new: float, h_raw: float) -> Any:
        """Return the step to a time: a recording number where the start of the step or the end of the span is one.

        Times between the ends of the span are plain numbers: the step that leaves a recording time has its derivative.
        """
        recording = isinstance(self._t, Number)
        if t_new == self._end and (recording or isinstance(self._t1, Number)):
            return self._t1 - self._t
        return t_new - self._t if recording and not self._relative else h_raw

    def _move(self, t_new: float, h: Any, step: Step) -> Segment:
        """Take over what was accepted."""
        old = (self._t, self._y, self._t_raw)
        if t_new == self._end:
            self._t = self._t1
        else:
            self._t = self._t + h if self._relative else t_new
        self._t_raw, self._y = t_new, step.y
        self._carry = self._method.begin(self._f, self._t, step.y) if step.carry is None else step.carry
        advised = self._advised()
        if advised is not None:
            self._h_abs = advised
        return Segment(self._method, self._f, old, (self._t, step.y, t_new), h, step)

    def _reason(self, y_new: Any, error: Any, t_new: float) -> str:
        """Say why the last step was rejected, where no shorter one can be made."""
        error = error[: len(y_new)]
        bad = ~(np.isfinite(y_new) & np.isfinite(error))
        if bad.any():
            return not_finite(int(np.argmax(bad)), self._names, t_new)
        scale = self._control.atol + np.abs(y_new) * self._control.rtol
        i = int(np.argmax(np.abs(error) / scale))
        return too_small(i, self._names, self._t_raw)
