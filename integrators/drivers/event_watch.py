"""Events on the way of one trajectory: found on each step, told, and what follows from them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.errors import ArgumentError, RunError, must
from diffsim.number import Number, raw, shape_of
from integrators._event_arguments import Event, EventSet
from integrators._interpolant import evaluate
from integrators.drivers.endings import Ending, accumulated, terminated
from integrators.drivers.roots import Found, Start, crossings
from integrators.drivers.segment import Segment
from integrators.drivers.walk import Interruption

__all__: list[str] = []

_EPS = float(np.finfo(np.float64).eps)

_CROWD = 32
"""Resets in a row, each within the spacing of numbers behind the one before, that end a solve."""

_NEIGHBOURS = 4
"""Numbers next to a time at which an event may be found more exactly."""

_FLAT = 1e-7
"""Slope of an event function along a step, in units of its size there, below which its root has no derivative."""


@final
@dataclass(frozen=True)
class _Hit:
    """An occurrence of an event on a step: where, and which."""

    x: float
    index: int
    sign: int = 0


@final
class _Course:
    """A step in plain numbers: time and state by the position x."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._y = raw(segment.y_old)
        self._coefficients = [raw(d) for d in segment.coefficients]
        self._h = float(raw(segment.h))
        self._known: dict[float, tuple[float, Any]] = {0.0: (segment.raw_old, self._y)}

    def time(self, x: float) -> float:
        """Return the time at a position."""
        known = self._known.get(x)
        if known is not None:
            return known[0]
        return self._segment.raw if x == 1.0 else self._segment.raw_old + x * self._h

    def at(self, x: float) -> tuple[float, Any]:
        """Return time and state at a position; at the end, the state of the step itself."""
        if x == 1.0:
            return self._segment.raw, raw(self._segment.y)
        found = self._known.get(x)
        if found is None:
            found = self.time(x), evaluate(self._y, self._coefficients, x)
            self._known[x] = found
        return found

    def settled(self, x: float, g: Callable[[float, Any], float]) -> float:
        """Return the position of a root, at the time next to it where the function is smallest.

        What is rounded on the way from a time to a position and back moves a root that lies on a number (that of an
        event of time alone, say) by a few units in its last place.
        """
        t = self.time(x)
        best = abs(g(*self.at(x)))
        for way in (-math.inf, math.inf):
            there = t
            for _ in range(_NEIGHBOURS):
                there = math.nextafter(there, way)
                if best == 0.0 or not 0.0 < (there - self._segment.raw_old) / self._h < 1.0:
                    break
                place = (there - self._segment.raw_old) / self._h
                state = evaluate(self._y, self._coefficients, place)
                value = abs(g(there, state))
                if not value < best:
                    break
                self._known[place] = there, state
                best, x = value, place
        return x


@final
class EventWatch:
    """Looks for the events of one trajectory.

    Parameters
    ----------
    events : EventSet
    t0 : float
    y0 : array or recording number, shape (n,)
    names : tuple of str
        Names of the components, for messages.
    """

    def __init__(self, events: EventSet, t0: float, y0: Any, names: tuple[str, ...]) -> None:
        self._events, self._names = events, names
        self._plain_args = tuple(raw(x) if isinstance(x, Number) else x for x in events.args)
        self._counts = [0] * len(events)
        self._times: list[list[Any]] = [[] for _ in events]
        self._states: list[list[Any]] = [[] for _ in events]
        start = np.array(raw(y0))
        values = [self._value(event, t0, start) for event in events]
        self._starts = [Start(value, _sign(value), first=value == 0.0) for value in values]
        self._sizes = [0.0] * len(events)
        self._last_reset, self._crowd = math.nan, 0
        self._resets: dict[int, tuple[float, int]] = {}  # of each event: when it was reset last, its sign behind
        self.ended: tuple[float, Any] | None = None

    def take(self, segment: Segment) -> Interruption | None:
        """Look for events within a step; return what an event that interrupts it leads to."""
        if not len(self._events):
            return None
        course = _Course(segment)
        hits: list[_Hit] = []
        ends = []
        for i, event in enumerate(self._events):
            found = self._search(event, course, self._starts[i])
            ends.append(found)
            up = event.direction
            if found.sinks and found.sinks == self._resets.get(i, (0.0, 0))[1]:
                return self._sunk(segment, event)
            told = [c for c in found.crossings if not up or not c.sign or up * c.sign > 0.0]
            g = functools.partial(self._value, event)
            hits += [_Hit(course.settled(c.x, g) if 0.0 < c.x < 1.0 else c.x, i, c.sign) for c in told]
        hits.sort(key=lambda hit: (course.time(hit.x) * (1.0 if segment.raw > segment.raw_old else -1.0), hit.index))
        for position, hit in enumerate(hits):
            self._counts[hit.index] += 1
            event = self._events.events[hit.index]
            if event.reset is not None or (event.terminal and self._counts[hit.index] >= event.terminal):
                return self._interrupt(segment, course, hits, position, ends)
            self._tell(hit, segment, course)
        for i, (event, found) in enumerate(zip(self._events, ends, strict=True)):
            value = self._value(event, *course.at(1.0))
            self._starts[i] = Start(value, found.sign)
        return None

    def passes(self, values: NDArray[np.float64]) -> bool:
        """Return whether steps without a sign change, which begin with these values, need not be looked at."""
        return all(
            start.sign == _sign(value) and not (start.first or start.noise)
            for start, value in zip(self._starts, values.tolist(), strict=True)
        )

    def stand(self, values: NDArray[np.float64]) -> None:
        """Go on from the end of such steps, where the functions have these values."""
        self._starts = [Start(value, _sign(value)) for value in values.tolist()]

    @property
    def starts(self) -> list[Start]:
        """What is known of the functions where the next step begins."""
        return list(self._starts)

    @starts.setter
    def starts(self, known: list[Start]) -> None:
        self._starts = list(known)

    @property
    def n_told(self) -> int:
        """Number of occurrences so far."""
        return sum(map(len, self._times))

    def gauge(self, event: Event) -> Callable[[float, Any], float]:
        """Return an event function in plain numbers, checked."""
        return functools.partial(self._value, event)

    def _sunk(self, segment: Segment, event: Event) -> Interruption:
        """End where the way between two resets has become too small for numbers: it would go on below."""
        here = segment.cut(segment.t_old, segment.y_old, segment.raw_old)
        return Interruption(here, accumulated(event.name, segment.raw_old))

    def _search(self, event: Event, course: _Course, start: Start) -> Found:
        return crossings(lambda x: self._value(event, *course.at(x)), start, self._value(event, *course.at(1.0)))

    def _interrupt(
        self, segment: Segment, course: _Course, hits: Sequence[_Hit], position: int, ends: Sequence[Found]
    ) -> Interruption:
        """Cut a step at an event; what coincides with it is told too."""
        here = course.time(hits[position].x)
        first = self._events.events[hits[position].index]
        if first.reset is not None and self._resets.get(hits[position].index, (math.nan, 0))[0] == here:
            return self._sunk(segment, first)
        group = [hits[position]]
        for hit in hits[position + 1 :]:
            if abs(course.time(hit.x) - here) > 4 * math.ulp(here):
                break
            self._counts[hit.index] += 1
            group.append(hit)
        told = [self._tell(hit, segment, course) for hit in group]
        t, y = told[0]
        over = [e for e in self._of(group) if e.terminal and self._counts[self._events.events.index(e)] >= e.terminal]
        if over:
            self.ended = (here, y)
            return Interruption(segment.cut(t, y, here), terminated())
        before = raw(y)
        earlier = [hit for hit in hits[:position] if abs(course.time(hit.x) - here) <= 4 * math.ulp(here)]
        t, y = self._behind([*earlier, *group], segment)
        self._resets.update((hit.index, (here, hit.sign)) for hit in group)
        part = segment.cut(t, y, here, jumped=True)
        after = np.array(raw(y))
        mine = {hit.index for hit in (*earlier, *group)}
        for i, event in enumerate(self._events):
            value = self._value(event, here, after)
            noise = 64 * _EPS * ends[i].size + 4 * abs(self._value(event, here, before)) if i in mine else 0.0
            self._starts[i] = Start(value, _sign(value), noise)
        return Interruption(part, self._crowded(group, here), y)

    def _behind(self, group: Sequence[_Hit], segment: Segment) -> tuple[Any, Any]:
        """Return the time and the state behind the resets of a group of events that have been told."""
        events = self._of(group)
        t, y = self._times[group[0].index][-1], self._states[group[0].index][-1]
        behind = [y]
        for event in events:
            behind.append(self._reset(event, t, behind[-1]))
        told = [self._times[hit.index][-1] for hit in group]
        if len(events) < 2 or not any(isinstance(x, Number) for x in (*told, *behind)):
            return t, behind[-1]
        from integrators.drivers.coincidence import passed  # few solves need it

        def value(event: Event, t: Any, y: Any) -> Any:
            return self._called(event, event.fun, t, y, self._events.args)

        later, t, y = passed(events, t, y, segment.f, value, self._reset)
        for hit, (when, where) in zip(group[1:], later, strict=True):
            self._times[hit.index][-1], self._states[hit.index][-1] = when, where
        return t, y

    def _of(self, group: Sequence[_Hit]) -> list[Event]:
        return [self._events.events[hit.index] for hit in group]

    def _crowded(self, group: Sequence[_Hit], t: float) -> Ending | None:
        """Return the message to end with where resets follow each other without time going on."""
        near = abs(t - self._last_reset) <= 8 * math.ulp(t)
        self._crowd = self._crowd + 1 if near else 0
        self._last_reset = t
        if self._crowd < _CROWD:
            return None
        return accumulated(self._events.events[group[0].index].name, t)

    def _tell(self, hit: _Hit, segment: Segment, course: _Course) -> tuple[Any, Any]:
        """Record an occurrence; return its time and state, with their derivatives."""
        t, y = self._refined(hit, segment, course)
        self._times[hit.index].append(t)
        self._states[hit.index].append(y)
        return t, y

    def _refined(self, hit: _Hit, segment: Segment, course: _Course) -> tuple[Any, Any]:
        """Return time and state of an event.

        The root was found in plain numbers.  Two of Newton's steps from there, in numbers that record, give its first
        and second derivatives (by the implicit function theorem): each step doubles the order to which they are right.
        """
        event = self._events.events[hit.index]
        x: Any = hit.x

        def g(x: Any) -> Any:
            return self._called(event, event.fun, segment.t_old + x * segment.h, segment.at(x), self._events.args)

        t, y = course.at(hit.x)
        if not isinstance(g(x), Number):
            if not any(isinstance(z, Number) for z in (segment.t_old, segment.h, segment.y_old)):
                return t, np.array(y)
            # NOTE: its place within the step does not move, but the step itself may, with t0
            moved = segment.t_old + x * segment.h
            return moved + (t - raw(moved)) if isinstance(moved, Number) else t, segment.at(x)
        from diffsim.derivatives import jvp  # not needed by a plain solve

        for _ in range(2):
            value, slope = jvp(g, (x,), (1.0,))
            self._check_slope(event, t, float(raw(slope)), self._size(hit, course))
            x = x - value / slope
        x = x + (hit.x - raw(x))
        moved = segment.t_old + x * segment.h
        return moved + (t - raw(moved)), segment.at(x)

    def _size(self, hit: _Hit, course: _Course) -> float:
        """Return how large an event function is on a step."""
        event = self._events.events[hit.index]
        return max(abs(self._value(event, *course.at(x))) for x in (0.0, 0.25, 0.5, 0.75, 1.0))

    def _check_slope(self, event: Event, t: float, slope: float, size: float) -> None:
        """Raise where the time of an event has no derivative."""
        if math.isfinite(slope) and abs(slope) > _FLAT * size:
            return
        raise RunError(
            f"solve_ivp: {event.name} at t={t!r} must cross zero with a slope for its derivative to exist; along the "
            f"solution its slope is {slope:.3g} of its size {size:.3g} in a step. The trajectory grazes the event: its "
            "time does not depend smoothly on the start and the parameters. Change them, or solve without derivatives."
        )

    def _reset(self, event: Event, t: Any, y: Any) -> Any:
        """Return the state behind an event."""
        if event.reset is None:
            return y
        given = y.copy() if isinstance(y, np.ndarray) else y
        new = array_ops.array(event.reset(t, given, *self._events.args))
        if new is None or shape_of(new) != shape_of(y):
            got = "None" if new is None else f"shape {shape_of(new)}"
            rule = f"must return a state of {len(y)} numbers; got {got}."
            raise ArgumentError(f"solve_ivp: the reset of {event.name} {rule}")
        if not isinstance(new, Number):
            new = np.array(new, dtype=np.float64)
        if not np.isfinite(raw(new)).all():
            raise must("solve_ivp", f"the reset of {event.name}", "must return finite numbers", raw(new))
        return new

    def _value(self, event: Event, t: float, y: Any) -> float:
        """Return an event function in plain numbers."""
        return float(raw(self._called(event, event.plain or event.fun, t, y, self._plain_args)))

    def _called(self, event: Event, fun: Callable[..., Any], t: Any, y: Any, args: tuple[Any, ...]) -> Any:
        """Return an event function's answer, one number."""
        found = fun(t, y, *args)
        if found.__class__ is float or found.__class__ is np.float64:
            return found
        shape = shape_of(found) if isinstance(found, Number) else np.shape(found)
        if found is None or math.prod(shape) != 1:
            got = "None" if found is None else f"shape {shape}"
            raise ArgumentError(f"solve_ivp: {event.name} must return one number; got {got}.")
        return array_ops.reshape(array_ops.array(found), ()) if shape else found

    def result(self) -> tuple[list[Any], list[Any]]:
        """Return the times, shapes (k,), and the states, shapes (k, n), of each event; without any, (0,) both."""
        times = [array_ops.array(t) if t else np.zeros(0) for t in self._times]
        return times, [array_ops.stack(y) if y else np.zeros(0) for y in self._states]


def _sign(x: float) -> int:
    return 0 if math.isnan(x) else int(np.sign(x))
