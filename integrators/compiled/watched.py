"""The compiled driver for trajectories with events: machine code runs ahead, Python looks where something happens.

The steps are searched a stretch at a time.  Event functions are evaluated on all steps of a stretch at once; those on
which one of them may change its sign are made again in Python, one by one, and looked at as the interpreted driver
does.  Where an event interrupts, the next stretch begins behind it.
"""

from __future__ import annotations

import dataclasses
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.number import Number, raw
from integrators.compiled.adaptive import AdaptiveStats, Voyage, told
from integrators.compiled.adaptive_endings import endings
from integrators.compiled.dense import dense_program, evaluations
from integrators.compiled.gauges import gauge_of
from integrators.compiled.kernel_control import ENDED
from integrators.compiled.machine_walk import Track, walk
from integrators.compiled.route import Route, find_route
from integrators.drivers.batch import together
from integrators.drivers.control import DEFAULT_MAX_STEPS
from integrators.drivers.endings import REACHED, interrupted, status_of
from integrators.drivers.event_watch import EventWatch
from integrators.drivers.problem import Problem
from integrators.drivers.quiet import are_quiet
from integrators.drivers.right_hand_side import first_value
from integrators.drivers.run import Run, Tick
from integrators.drivers.saver import Saver
from integrators.drivers.segment import Segment
from integrators.drivers.sensitivity import Selection
from integrators.drivers.walk import Interruption

__all__: list[str] = []

_SHORTEST, _LONGEST = 64, 8192
"""Attempts of the first stretch, and at most, where an event may interrupt; each is twice as long as the last."""


def run_watched_compiled(problem: Problem, route: Route, explain: bool, tick: Tick | None) -> Run:
    """Integrate all trajectories of a problem with events, in plain numbers.

    Returns
    -------
    Run
        With ``y`` of shape (n, *batch, n_times).
    """
    way = told(problem, route, explain)
    if problem.batch == ():
        return _Flight(problem, route, way, tick).run()
    runs = []
    for spot in np.ndindex(*problem.batch):
        one = problem.at(spot)
        own = route if one.fun is problem.fun else find_route(one.fun, one.args, *_asked(one))
        runs.append(_Flight(one, own, way, tick).run())
    return together(problem, Selection(), runs)


def _asked(problem: Problem) -> tuple[Any, ...]:
    return problem.y0.shape[0], problem.method, problem.vectorized


@final
class _Stretch:
    """Steps that machine code has made, one behind the other.

    Parameters
    ----------
    voyage : Voyage
        Of one trajectory.

    Attributes
    ----------
    t, h, t_next : arrays, shape (k,)
    y, y_next : arrays, shape (n, k)
    """

    def __init__(self, voyage: Voyage) -> None:
        self._voyage, steps, found = voyage, voyage.found.steps, voyage.found
        self.t, self.h, self.y = steps.t[steps.order], steps.h[steps.order], steps.y[:, steps.order]
        self.t_next, self.y_next = np.append(self.t[1:], found.t), np.concatenate([self.y[:, 1:], found.y], axis=1)

    def __len__(self) -> int:
        return len(self.t)

    def states(self, step: NDArray[np.intp], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the states (n, k) at positions on steps, by the interpolant; at the ends those of the steps."""
        y = np.where(x == 0.0, self.y[:, step], self.y_next[:, step])
        inner = np.flatnonzero((x != 0.0) & (x != 1.0))
        if len(inner):
            problem, program = self._voyage.problem, self._voyage.program
            where = step[inner]
            track = Track.of_single_steps(np.array([self.t[where], self.h[where], x[inner]]))
            dense = dense_program(program, problem.method)
            y[:, inner] = walk(dense, self.y[:, where], self._voyage.values, track, threads=1)[0]
        return y

    def times(self, step: NDArray[np.intp], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the times (k,) at positions on steps."""
        inner = self.t[step] + x * self.h[step]
        return np.where(x == 0.0, self.t[step], np.where(x == 1.0, self.t_next[step], inner))

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the states (n, k) at times within the steps."""
        sign = np.sign(self.h[0])
        step = np.minimum(np.searchsorted(sign * self.t_next, sign * times), len(self) - 1)
        return self.states(step, (times - self.t[step]) / self.h[step])


@final
class _Flight:
    """One trajectory with events.

    Parameters
    ----------
    problem : Problem
        Of one trajectory.
    route : Route
    way : AdaptiveStats
    tick : callable, optional
    """

    def __init__(self, problem: Problem, route: Route, way: AdaptiveStats, tick: Tick | None) -> None:
        self._problem, self._route, self._way, self._tick = problem, route, way, tick
        self._f = problem.right_hand_side(column=problem.vectorized)
        self._t, self._end = (float(raw(end)) for end in problem.ends)
        self._y: NDArray[np.float64] = np.array(problem.y0, dtype=np.float64)
        self._saver = Saver(problem.t_eval, problem.ends, self._y)
        self._attempts = problem.control.max_steps or DEFAULT_MAX_STEPS
        self._nfev = 0

    def run(self) -> Run:
        """Integrate it."""
        problem = self._problem
        message: str | None = problem.guard.over(self._t)
        watch = None
        try:
            if message is None:
                first_value(self._f, self._t, self._y, problem.names, problem.strict)
                watch = self._begin()
                message = self._fly(watch)
        except KeyboardInterrupt:
            if not problem.guard.catches():
                raise
            message = interrupted(self._t)
        if watch is not None and watch.ended is not None:
            self._saver.close(watch.ended)
        t, y = self._saver.result()
        n_events = len(problem.events or ())
        t_events, y_events = ([np.zeros(0)] * n_events,) * 2 if watch is None else watch.result()
        told = status_of(message), message, self._nfev, len(t)
        return Run(t, y, *told, stats=self._way, t_events=t_events, y_events=y_events)

    def _begin(self) -> EventWatch:
        """Return who looks at the steps that may hold an event, and find out how to evaluate many of them."""
        problem, events = self._problem, self._problem.events
        assert events is not None  # or somebody else would run the problem
        watch = EventWatch(events, self._t, self._y, problem.names)
        plain = tuple(raw(x) if isinstance(x, Number) else x for x in events.args)
        start = (self._t, self._y)
        self._gauges = [gauge_of(event, plain, watch.gauge(event), start) for event in events]
        return watch

    def _fly(self, watch: EventWatch) -> Any:
        """Integrate, stretch by stretch; return the message at the end."""
        control = self._problem.control
        step, length = control.first_step, self._first_length()
        while True:
            voyage = self._ahead(step, length)
            stretch, found = _Stretch(voyage), voyage.found
            interruption = self._looked(stretch, watch) if len(stretch) else None
            if interruption is None:
                whole = found.why[0] == ENDED or found.cut or self._attempts <= 0 or found.attempts[0] < length
                self._move(float(found.t[0]), found.y[:, 0])
                if whole:
                    return endings(voyage)[1][0]
                step, length = float(found.h[0]), min(2 * length, _LONGEST)
                continue
            self._move(interruption.segment.raw, interruption.start)
            if interruption.message is not None:
                return interruption.message
            if self._t == self._end:
                return REACHED
            step, length = control.first_step, self._first_length()

    def _move(self, t: float, y: Any) -> None:
        """Go on from there."""
        if self._tick is not None:
            self._tick(abs(t - self._t))
        self._t = t
        if y is not None:
            self._y = np.array(y, dtype=np.float64)

    def _first_length(self) -> int:
        """Return how many attempts the first stretch takes: all, where nothing interrupts or its control remembers."""
        events, control = self._problem.events, self._problem.control.controller
        divisible = events is not None and events.interrupts and control.b == (1.0,)
        return _SHORTEST if divisible else self._attempts

    def _ahead(self, step: float | None, length: int) -> Voyage:
        """Make steps, as many as an attempts' budget allows, without a look at the events."""
        problem = self._problem
        bare = dataclasses.replace(
            problem,
            y0=self._y,
            ends=(self._t, self._end),
            t_eval=None,
            events=None,
            control=dataclasses.replace(problem.control, first_step=step),
        )
        voyage = Voyage(bare, self._route, False, None, limit=min(length, self._attempts))
        attempt, moved, dense = evaluations(problem.method, len(self._y))
        attempts, accepted = int(voyage.found.attempts[0]), int(voyage.found.accepted[0])
        begun = 1 + (step is None) if step is None or step == problem.control.first_step else 0
        self._attempts -= attempts
        self._nfev += begun + attempt * attempts + (moved + dense) * accepted
        return voyage

    def _looked(self, stretch: _Stretch, watch: EventWatch) -> Interruption | None:
        """Look for events on the steps of a stretch and save what comes before the first that interrupts."""

        def values(t: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.array([gauge(t, y) for gauge in self._gauges])

        def at(step: NDArray[np.intp], x: NDArray[np.float64]) -> NDArray[np.float64]:
            return values(stretch.times(step, x), stretch.states(step, x))

        busy = np.append(np.flatnonzero(~are_quiet(at, len(stretch))), len(stretch))
        begin, end = values(stretch.t, stretch.y), values(stretch.t_next, stretch.y_next)
        k = 0
        while k < len(stretch):
            until = int(busy[np.searchsorted(busy, k)])
            if until > k and watch.passes(begin[:, k]):
                self._saver.pass_by(stretch.t_next[k:until], stretch.y_next[:, k:until], stretch.at)
                watch.stand(end[:, until - 1])
                k = until
                continue
            segment = self._again(stretch, k)
            interruption = watch.take(segment)
            self._saver.take(segment if interruption is None else interruption.segment)
            if interruption is not None:
                return interruption
            k += 1
        return None

    def _again(self, stretch: _Stretch, k: int) -> Segment:
        """Make a step once more, in Python."""
        method, f = self._problem.method, self._f
        t, h, end = float(stretch.t[k]), float(stretch.h[k]), float(stretch.t_next[k])
        y, y_next = stretch.y[:, k].copy(), stretch.y_next[:, k].copy()
        step = method.advance(f, t, y, h, method.begin(f, t, y))
        return Segment(method, f, (t, y, t), (end, y_next, end), h, step)
