"""The driver for one trajectory of a method that chooses its steps by a memory of its own: `Radau`, `BDF`."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np

from diffsim.number import raw
from diffsim.replay import StepsDiffer, Track
from integrators._pilot import Pilot
from integrators.drivers.adaptive import AdaptiveStepper
from integrators.drivers.control import DEFAULT_MAX_STEPS, FAILED_FACTOR
from integrators.drivers.endings import out_of_steps
from integrators.drivers.segment import Segment

__all__: list[str] = []


@final
class PilotedStepper(AdaptiveStepper):
    """The state of the solve: where it is, and the pilot that makes its steps."""

    _pilot: Pilot | None = None

    def attempt(self) -> tuple[Segment | None, str]:
        """Make one accepted step and return it, or None and the reason why there is none."""
        if self._track is not None and self._track.known:
            return self._repeat(self._track), ""
        control, direction, t = self._control, self._direction, self._t_raw
        pilot = self._ready()
        smallest, longest = float(control.smallest(t, direction)), float(control.longest(t))
        h_abs = self._h_abs
        limited = max(min(h_abs, longest), smallest)
        if limited != h_abs and h_abs > 0.0:
            pilot.resize(limited / h_abs, "limit")
            h_abs = limited
        plain = raw(self._y)
        start = raw(self._carry)[: len(plain)]  # the derivative, before the first step
        rejected, last = False, (start, start, t)
        h, newton = h_abs * direction, False
        while True:
            if not h_abs >= smallest:
                return None, self._reason(*last, h, newton)
            if self._attempts <= 0:
                return None, out_of_steps(control.max_steps or DEFAULT_MAX_STEPS, t, h_abs, self._fall(h))
            over = self._guard.over(t)
            if over is not None:
                over.fall = self._fall(h)
                return None, over
            self._attempts -= 1
            t_new = t + h_abs * direction
            if direction * (t_new - self._end) > 0:
                t_new = self._end
                pilot.resize(abs(t_new - t) / h_abs, "end")
            h = t_new - t
            h_abs = abs(h)
            found = pilot.attempt(t, plain, h, t_new, rejected)
            newton = found is None
            if found is not None:
                y_new, error, norm = found
                if norm <= 1.0 and np.isfinite(y_new).all():
                    size = self._size(t_new, h)
                    step = pilot.accept(self._t, self._y, size)
                    if step is not None:
                        self._steps.append(h_abs)
                        segment = self._move(t_new, size, step, pilot.choice)
                        self._h_abs = pilot.grown(h, norm, self._t, self._y)
                        return segment, ""
                    newton = True
                else:
                    last = (y_new, error, t_new)
                    factor = pilot.shrunk(h, norm) if math.isfinite(norm) else FAILED_FACTOR
                    pilot.resize(factor, "error")
            if newton:
                factor = FAILED_FACTOR
                pilot.resize(factor, "newton")
            h_abs *= factor
            rejected = True

    def _repeat(self, track: Track) -> Segment:
        """Make the step that an earlier evaluation accepted here."""
        t_new = track.ahead(self._t_raw, self._end)
        h = t_new - self._t_raw
        size = self._size(t_new, h)
        self._h_abs = abs(h)
        step = self._ready().repeat(track.choice, self._t, self._y, size, t_new)
        if step is None:
            raise StepsDiffer(f"replay: the step from t={self._t_raw!r} cannot be made again.")
        return self._move(t_new, size, step)

    def restart(self, t: Any, y: Any, t_plain: float) -> None:
        """Go on from another state, without a past."""
        super().restart(t, y, t_plain)
        self._pilot = None

    def _ready(self) -> Pilot:
        """Return the pilot, having begun where it stands if it has no past."""
        if self._pilot is None:
            self._pilot = self._method.pilot(self._f, self._control)
            self._pilot.start(self._t, self._y, self._carry, self._h_abs * self._direction)
        return self._pilot
