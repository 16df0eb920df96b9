"""The driver for one trajectory that chooses its own steps, for states of any kind of number."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import replay
from diffsim.errors import RunError
from diffsim.number import Number, raw
from integrators._integrator import Integrator, Step
from integrators.drivers import control as control_of
from integrators.drivers.control import DEFAULT_MAX_STEPS, FAILED_FACTOR, Control
from integrators.drivers.endings import (
    KEPT,
    Ending,
    Fall,
    chattering,
    interrupted,
    not_finite,
    out_of_steps,
    refused,
    status_of,
    too_small,
)
from integrators.drivers.guard import Guard
from integrators.drivers.jumps import PATIENCE, WINDOW, find_jump, is_hopeless
from integrators.drivers.right_hand_side import RightHandSide, first_value
from integrators.drivers.run import Run, Tick
from integrators.drivers.saver import Saver
from integrators.drivers.segment import Segment
from integrators.drivers.walk import consumers_of, walk

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
    guard: Guard | None = None,
) -> Run:
    """Integrate one trajectory under step control.

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
        Whether a start at which `f` is not finite, or a step that has no derivative, is an error.
    tick : callable, optional
        Called with the length of time covered since the last call.
    guard : Guard, optional
        Callback, deadline, Ctrl-C.

    Returns
    -------
    Run
        With ``t`` and ``y`` up to the last accepted step.
    """
    guard = Guard() if guard is None else guard
    before, saver = f.nfev, Saver(t_eval, ends, y0)
    message: str | None = guard.over(ends[0])
    stepper = None
    try:
        if message is None:
            stepper = stepper_of(method)(method, f, y0, ends, control, names, strict, guard)
            message = walk(stepper, consumers_of(saver, None, guard), tick=tick)
    except KeyboardInterrupt:
        if not guard.catches():
            raise
        message = interrupted(float(raw(ends[0])) if stepper is None else stepper.t)
    except RunError as error:  # a step without a derivative befalls one trajectory, not its neighbours
        if strict or isinstance(error, replay.StepsDiffer):
            raise
        message = refused(str(error))
    t, y = saver.result()
    return Run(t, y, status_of(message), message, f.nfev - before, len(t))


def stepper_of(method: Integrator) -> type[AdaptiveStepper]:
    """Return what makes the steps: SciPy, the method's own pilot, or the control by its errors."""
    if method.borrowed:
        from integrators.drivers.borrowed import BorrowedStepper  # as below

        return BorrowedStepper
    if not method.piloted:
        return AdaptiveStepper
    from integrators.drivers.piloted import PilotedStepper  # is one of these, and few solves need it

    return PilotedStepper


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
        guard: Guard | None = None,
    ) -> None:
        self._method, self._f, self._control, self._names = method, f, control, names
        self._guard = Guard() if guard is None else guard
        self._t, self._t1 = ends
        self._t_raw, self._end = float(raw(ends[0])), float(raw(ends[1]))
        self._y = y0
        self._direction = math.copysign(1.0, self._end - self._t_raw)
        self._order = method.error_order or method.order
        self._attempts = control.max_steps or DEFAULT_MAX_STEPS
        self._ratios: deque[float] = deque([1.0] * control.controller.memory, maxlen=control.controller.memory)
        self._steps: deque[float] = deque(maxlen=KEPT)
        self._look_at = self._attempts - PATIENCE + WINDOW
        self._looked: float | None = None
        self._behind: tuple[float, Any] = (self._t_raw, np.array(raw(y0)))
        # NOTE: with a recording t0 all times move with it; otherwise they are what they are, whatever the step before.
        self._relative = isinstance(self._t, Number)
        self._track = next(iter(replay.tracks(1)), None)
        if self._track is not None and not self._track.known:
            self._track.relative = self._relative
        k = first_value(f, self._t, y0, names, strict)
        self._carry = method.begin(f, self._t, y0, k)
        self._h_abs = self._first_step(k)

    def _first_step(self, k: Any) -> float:
        control, span = self._control, abs(self._end - self._t_raw)
        if span == 0.0 or (self._track is not None and self._track.known):
            return 0.0
        if control.first_step is not None:
            return control.first_step
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

    @property
    def t(self) -> float:
        """Where the solve stands."""
        return self._t_raw

    def restart(self, t: Any, y: Any, t_plain: float) -> None:
        """Go on from another state, at a time within the last step."""
        if self._track is not None:
            self._track.restart()
        self._t, self._y, self._t_raw = t, y, t_plain
        k = self._f(t, y)
        self._carry = self._method.begin(self._f, t, y, k)
        self._h_abs = self._first_step(k)
        self._ratios.extend([1.0] * self._control.controller.memory)

    def attempt(self) -> tuple[Segment | None, str]:
        """Make one accepted step and return it, or None and the reason why there is none."""
        if self._track is not None and self._track.known:
            return self._repeat(self._track), ""
        control, direction, t = self._control, self._direction, self._t_raw
        smallest = float(control.smallest(t, direction))
        h_abs = min(self._h_abs, float(control.longest(t)))
        h_abs = smallest if h_abs < smallest else h_abs  # NaN stays NaN: no step from a start that is not finite
        start = raw(self._carry)[: len(self._y)]
        rejected, last = False, (start, start, t)
        h_raw, newton = h_abs * direction, False
        while True:
            if not h_abs >= smallest:
                return None, self._reason(*last, h_raw, newton)
            if self._attempts <= 0:
                return None, out_of_steps(control.max_steps or DEFAULT_MAX_STEPS, t, h_abs, self._fall(h_raw))
            over = self._guard.over(t)
            if over is not None:
                over.fall = self._fall(h_raw)
                return None, over
            self._attempts -= 1
            if self._look_at == self._attempts and (chatter := self._chatters(h_raw)) is not None:
                return None, chatter
            t_new = t + h_abs * direction
            if direction * (t_new - self._end) > 0:
                t_new = self._end
            h_raw = t_new - t
            h_abs = abs(h_raw)
            h = self._size(t_new, h_raw)
            step = self._method.advance(self._f, self._t, self._y, h, self._carry)
            newton = not step.ok
            if newton:
                h_abs *= FAILED_FACTOR
                rejected = True
                continue
            y_new, error = raw(step.y), raw(step.error)
            sound = bool(np.isfinite(y_new).all())
            # NOTE: without a finite state there is no tolerance; infinity would make any error look small
            norm = math.nan
            if sound:
                scale = control_of.scale_of(raw(self._y), y_new, control.rtol, control.atol)
                norm = float(self._method.error_ratio(error, scale))
            if norm < 1.0:
                factor = float(control.controller.grown(norm, self._ratios, self._order))
                self._h_abs = h_abs * (min(1.0, factor) if rejected else factor)
                self._ratios.appendleft(norm)
                self._steps.append(h_abs)
                return self._move(t_new, h, step), ""
            last = (y_new, error, t_new)
            h_abs *= float(control.controller.shrunk(norm, self._order))
            rejected = True

    def _repeat(self, track: replay.Track) -> Segment:
        """Make the step that an earlier evaluation accepted here."""
        t_new = track.ahead(self._t_raw, self._end)
        h = self._size(t_new, t_new - self._t_raw)
        step = self._method.advance(self._f, self._t, self._y, h, self._carry)
        if not step.ok:
            raise replay.StepsDiffer(f"replay: the step from t={self._t_raw!r} cannot be made again.")
        return self._move(t_new, h, step)

    def _chatters(self, h: float) -> Ending | None:
        """Return how a solve ends whose pace leads nowhere because the derivative jumps across the solution."""
        before, self._looked, self._look_at = self._looked, self._t_raw, self._attempts - WINDOW
        if before is None or not is_hopeless(self._t_raw, before, self._end, self._attempts, WINDOW):
            return None
        calls, y = self._f.nfev, np.array(raw(self._y))
        here = (self._t_raw, y)
        ahead = (self._t_raw + h, y + h * np.array(raw(self._f(self._t_raw, y))))
        jump = find_jump(self._f, self._behind, here) or find_jump(self._f, here, ahead)
        self._f.nfev = calls
        if jump is None:
            return None
        made = (self._control.max_steps or DEFAULT_MAX_STEPS) - self._attempts
        return chattering(jump.component, self._names, made, self._t_raw, self._fall(h))

    def _size(self, t_new: float, h_raw: float) -> Any:
        """Return the step to a time: a recording number where the start of the step or the end of the span is one.

        Times between the ends of the span are plain numbers: the step that leaves a recording time has its derivative.
        """
        recording = isinstance(self._t, Number)
        if t_new == self._end and (recording or isinstance(self._t1, Number)):
            return self._t1 - self._t
        return t_new - self._t if recording and not self._relative else h_raw

    def _move(self, t_new: float, h: Any, step: Step, choice: object = None) -> Segment:
        """Take over what was accepted."""
        old = (self._t, self._y, self._t_raw)
        self._behind = (self._t_raw, raw(self._y))
        if self._track is not None:
            self._track.note(self._t_raw, t_new, self._end, choice)
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

    def _reason(self, y_new: Any, error: Any, t_new: float, h: float, newton: bool) -> Ending:
        """Say why the last step was rejected, where no shorter one can be made."""
        fall, error = self._fall(h), error[: len(y_new)]
        bad = ~(np.isfinite(y_new) & np.isfinite(error))
        if bad.any() and not newton:
            return not_finite(int(np.argmax(bad)), self._names, t_new, fall)
        scale = self._control.atol + np.abs(y_new) * self._control.rtol
        i = 0 if newton else int(np.argmax(np.abs(error) / scale))
        return too_small(i, self._names, self._t_raw, fall, self._control.min_step, newton)

    def _fall(self, h: float) -> Fall:
        """Return where the trajectory stands."""
        y = np.array(raw(self._y))
        scale = self._control.atol + np.abs(y) * self._control.rtol
        return Fall(self._t_raw, y, h, tuple(self._steps), scale)
