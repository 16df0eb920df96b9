"""The compiled driver for trajectories with events: machine code runs ahead, Python looks where something happens.

It is also the one for derivatives by the end of the span and by save times: few steps have to do with those.

The steps are searched a stretch at a time.  Event functions are evaluated on all steps of a stretch at once; those on
which one of them may change its sign are made again in Python, one by one, and looked at as the interpreted driver
does.  Where an event interrupts, the next stretch begins behind it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.number import Number, raw
from integrators._event_arguments import EventSet
from integrators._integrator import Step
from integrators.compiled.adaptive import AdaptiveStats, Voyage, parameters_of, told
from integrators.compiled.adaptive_endings import endings, in_doubt
from integrators.compiled.dense import evaluations, flow_of
from integrators.compiled.gauges import gauge_of
from integrators.compiled.kernel_control import ENDED, KEPT
from integrators.compiled.refusals import GivenUp, is_divisible
from integrators.compiled.route import Route, find_route
from integrators.compiled.stretch import Leg, Stretch
from integrators.drivers.batch import run_interpreted, together
from integrators.drivers.control import DEFAULT_MAX_STEPS
from integrators.drivers.endings import REACHED, interrupted, status_of
from integrators.drivers.event_watch import EventWatch
from integrators.drivers.pieces import Collector
from integrators.drivers.problem import Problem
from integrators.drivers.quiet import are_quiet
from integrators.drivers.right_hand_side import RightHandSide, first_value
from integrators.drivers.run import Run, Tick
from integrators.drivers.saver import Saver
from integrators.drivers.segment import Segment
from integrators.drivers.sensitivity import Selection
from integrators.drivers.walk import Interruption

__all__: list[str] = []

_SHORTEST, _LONGEST = 64, 8192
"""Attempts of the first stretch, and at most, where an event may interrupt; each is twice as long as the last."""


def run_watched_compiled(problem: Problem, route: Route, selection: Selection, explain: bool, tick: Tick | None) -> Run:
    """Integrate all trajectories of a problem with events, one after the other.

    Returns
    -------
    Run
        With ``y`` of shape (n, *batch, n_times).
    """
    way = told(problem, route, explain)

    def one(problem: Problem, route: Route) -> Run:
        recording = problem.recording or any(isinstance(x, Number) for x in route.values)
        flight = Flight(problem, route, way, tick, recording)
        run = flight.run()
        if problem.method.has_formula and len(in_doubt(problem, route, run)):
            return run_interpreted(problem, Selection(), tick)
        if not selection and not recording:
            return run
        from integrators.compiled.watched_derivatives import with_derivatives  # not needed by a plain solve

        try:
            return with_derivatives(problem, route, selection, flight.legs, run)
        except GivenUp as error:
            if explain:
                print(f"solve_ivp: interpreted. {error}")
            return run_interpreted(problem, selection, tick)

    if problem.batch == ():
        return one(problem, route)
    runs = []
    for spot in np.ndindex(*problem.batch):
        lane = problem.at(spot)
        same = lane.fun is problem.fun
        n, method, column = lane.y0.shape[0], lane.method, lane.vectorized
        runs.append(one(lane, route if same else find_route(lane.fun, lane.args, n, method, column)))
    return together(problem, selection, runs)


@final
class Flight:
    """One trajectory with events, in plain numbers.

    Parameters
    ----------
    problem : Problem
        Of one trajectory.
    route : Route
    way : AdaptiveStats
    tick : callable, optional
    recording : bool
        Whether the problem has numbers that record.

    Attributes
    ----------
    legs : list of Leg
    """

    def __init__(self, problem: Problem, route: Route, way: AdaptiveStats, tick: Tick | None, recording: bool) -> None:
        self._problem, self._route, self._way, self._tick = problem, route, way, tick
        self._recording = recording
        self._t, self._end = (float(raw(end)) for end in problem.ends)
        self._y: NDArray[np.float64] = np.array(raw(problem.y0), dtype=np.float64)
        self.legs: list[Leg] = []
        symbolic = flow_of(route.program, [raw(x) for x in parameters_of(problem, route)])
        self._f = RightHandSide(lambda t, y: np.asarray(symbolic(t, y), dtype=np.float64))
        self._saver = Saver(problem.t_eval, problem.ends, self._y)
        self._collector = Collector(self._t, self._y) if problem.dense else None
        self._attempts = problem.control.max_steps or DEFAULT_MAX_STEPS
        self._counts = np.zeros(3, dtype=np.int64)  # nfev, njev, nlu
        self._recent: list[float] = []  # sizes of the last steps, for messages

    def run(self) -> Run:
        """Integrate it."""
        problem = self._problem
        message: str | None = problem.guard.over(self._t)
        watch = None
        try:
            if message is None:
                first_value(
                    problem.right_hand_side(column=problem.vectorized), self._t, self._y, problem.names, problem.strict
                )
                watch = self._begin()
                message = self._fly(watch)
        except KeyboardInterrupt:
            if not problem.guard.catches():
                raise
            message = interrupted(self._t)
        if watch is not None and watch.ended is not None:
            self._saver.close(watch.ended)
        t, y = self._saver.result()
        t_events, y_events = None, None
        if problem.events is not None:
            nothing = [np.zeros(0)] * len(problem.events)
            t_events, y_events = (nothing, nothing) if watch is None else watch.result()
        sol = None if self._collector is None else self._collector.pieces()
        nfev, njev, nlu = self._counts.tolist()
        told = status_of(message), message, nfev, len(t)
        return Run(t, y, *told, stats=self._way, njev=njev, nlu=nlu, sol=sol, t_events=t_events, y_events=y_events)

    def _begin(self) -> EventWatch:
        """Return who looks at the steps that may hold an event, and find out how to evaluate many of them."""
        problem, events = self._problem, self._problem.events or EventSet(())
        plain = events.without_derivatives() if self._recording else events
        watch = EventWatch(plain, self._t, self._y, problem.names)
        start = (self._t, self._y)
        self._gauges = [gauge_of(event, plain.args, watch.gauge(event), start) for event in plain]
        return watch

    def _fly(self, watch: EventWatch) -> Any:
        """Integrate, stretch by stretch; return the message at the end."""
        control = self._problem.control
        step, length = control.first_step, self._first_length()
        self.legs.append(Leg([], []))
        goes_on = False
        while True:
            voyage = self._ahead(step, length, goes_on)
            stretch, found = Stretch(voyage), voyage.found
            interruption = self._looked(stretch, watch) if len(stretch) else None
            if interruption is None:
                whole = found.why[0] == ENDED or found.cut or self._attempts <= 0 or found.attempts[0] < length
                self._move(float(found.t[0]), found.y[:, 0])
                if whole:
                    return endings(voyage)[1][0]
                step, length, goes_on = float(found.h[0]), min(2 * length, _LONGEST), True
                continue
            self._move(interruption.segment.raw, interruption.start)
            if interruption.message is not None:
                return interruption.message
            if self._t == self._end:
                return REACHED
            step, length, goes_on = control.first_step, self._first_length(), False
            self.legs.append(Leg([], []))

    def _move(self, t: float, y: Any) -> None:
        """Go on from there."""
        if self._tick is not None:
            self._tick(abs(t - self._t))
        self._t = t
        if y is not None:
            self._y = np.array(y, dtype=np.float64)

    def _first_length(self) -> int:
        """Return how many attempts the first stretch takes: all, where nothing interrupts or its control remembers."""
        events = self._problem.events
        cut = events is not None and events.interrupts and is_divisible(self._problem)
        return _SHORTEST if cut else self._attempts

    def _ahead(self, step: float | None, length: int, goes_on: bool) -> Voyage:
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
        voyage = Voyage(bare, self._route, False, None, limit=min(length, self._attempts), inside=True)
        sizes = [*self._recent, *voyage.found.recent[:, 0]]
        self._recent = [size for size in sizes if size == size][-KEPT:]
        recent = np.array([math.nan] * (KEPT - len(self._recent)) + self._recent)[:, None]
        voyage.found = dataclasses.replace(voyage.found, recent=recent)
        self._attempts -= int(voyage.found.attempts[0])
        self._counts += [int(voyage.evaluations(None)[0]), *voyage.found.told[1:, 0]]
        # NOTE: the interpolant is looked at in each step; where a search goes on, what it begins with was counted
        again = goes_on * (1 + problem.method.advises)
        self._counts[0] += evaluations(problem.method, len(self._y))[2] * int(voyage.found.accepted[0]) - again
        return voyage

    def _looked(self, stretch: Stretch, watch: EventWatch) -> Interruption | None:
        """Look for events on the steps of a stretch and save what comes before the first that interrupts."""

        def values(t: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.array([gauge(t, y) for gauge in self._gauges]).reshape(-1, len(t))

        def at(step: NDArray[np.intp], x: NDArray[np.float64]) -> NDArray[np.float64]:
            return values(stretch.times(step, x), stretch.states(step, x))

        leg = self.legs[-1]
        offset = sum(map(len, leg.stretches))
        leg.stretches.append(stretch)
        quiet = are_quiet(at, len(stretch)) if self._gauges else np.ones(len(stretch), dtype=bool)
        busy = np.append(np.flatnonzero(~quiet), len(stretch))
        begin, end = values(stretch.t, stretch.y), values(stretch.t_next, stretch.y_next)
        coefficients = stretch.coefficients(busy[:-1]) if len(busy) > 1 else []  # of all of them at once
        known = {step: [d[:, j] for d in coefficients] for j, step in enumerate(busy[:-1].tolist())}
        k = 0
        while k < len(stretch):
            until = int(busy[np.searchsorted(busy, k)])
            if until > k and watch.passes(begin[:, k]):
                self._saver.pass_by(stretch.t_next[k:until], stretch.y_next[:, k:until], stretch.at)
                if self._collector is not None:
                    self._collector.pass_by(*stretch.polynomials(slice(k, until)))
                watch.stand(end[:, until - 1])
                leg.looks.append((offset + k, offset + until, watch.starts))
                k = until
                continue
            segment, told = self._segment(stretch, k, known.get(k)), watch.n_told
            interruption = watch.take(segment)
            nothing = interruption is None and watch.n_told == told
            leg.looks.append((offset + k, offset + k + 1, watch.starts if nothing else None))
            part = segment if interruption is None else interruption.segment
            self._saver.take(part)
            if self._collector is not None:
                self._collector.take(part)
            if interruption is not None:
                return interruption
            k += 1
        return None

    def _segment(self, stretch: Stretch, k: int, polynomial: list[Any] | None) -> Segment:
        """Return a step as the interpreted driver would show it."""
        t, h, end = float(stretch.t[k]), float(stretch.h[k]), float(stretch.t_next[k])
        y, y_next = stretch.y[:, k].copy(), stretch.y_next[:, k].copy()
        if polynomial is None:
            polynomial = [d[:, 0] for d in stretch.coefficients(slice(k, k + 1))]
        old, new = (t, y, t), (end, y_next, end)
        return Segment(self._problem.method, self._f, old, new, h, Step(y_next), polynomial=polynomial)
