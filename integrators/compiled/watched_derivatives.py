"""Derivatives of compiled solves with events: the steps that were found, made again in numbers that record.

Steps on which nothing happens are one row of the table of primitives (`flow`), whatever their number.  A step with an
event is made in Python, from its start; the time and the state of the event get their derivatives there, by the
implicit function theorem.  So is the first step behind a reset, which leaves at a time that may move.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, final

from diffsim import array_ops
from diffsim.errors import RunError
from diffsim.number import Number, raw
from integrators._event_arguments import EventSet
from integrators.compiled.adaptive import parameters_of
from integrators.compiled.refusals import GivenUp
from integrators.compiled.route import Route
from integrators.compiled.stretch import Leg
from integrators.compiled.watched_ways import way_of
from integrators.drivers.endings import refused, status_of
from integrators.drivers.event_watch import EventWatch
from integrators.drivers.pieces import Collector
from integrators.drivers.problem import Problem
from integrators.drivers.right_hand_side import RightHandSide
from integrators.drivers.run import Run
from integrators.drivers.saver import Saver
from integrators.drivers.segment import Segment
from integrators.drivers.sensitivity import Selection, as_float, checked_derivatives, numbers_of, seeds_of, with_numbers

__all__: list[str] = []


def with_derivatives(problem: Problem, route: Route, selection: Selection, legs: Sequence[Leg], plain: Run) -> Run:
    """Return a run of one trajectory with its derivatives: tangents, numbers that record, or both.

    Parameters
    ----------
    problem : Problem
        Of one trajectory.
    route : Route
    selection : Selection
    legs : sequence of Leg
        What was found in plain numbers.
    plain : Run
        How it went.
    """
    numbers = parameters_of(problem, route)
    if not selection:
        return _Recording(problem, route, problem.y0, numbers, {}).run(legs, plain)
    from diffsim.derivatives import pushforward  # not needed by a plain solve, which should start fast

    names = [parameter.name for parameter in selection.parameters]
    values = [as_float(problem.parameter(name, {})) for name in names]
    runs: list[Run] = []

    def states(start: Any, *moved: Any) -> Any:
        own = list(numbers)
        for name, x in zip(names, moved, strict=True):
            own[route.names.index(name)] = x
        changes = dict(zip(names, moved, strict=True))
        run = _Recording(problem, route, start, own, changes).run(legs, plain)
        runs.append(run)
        return (run.y, numbers_of(run))

    seeds = seeds_of(selection, problem.y0, names, values)
    (y, others), (tangents, _) = pushforward(states, (problem.y0, *values), seeds)
    tangents = array_ops.broadcast_to(tangents, (selection.n_directions, *y.shape))
    dy = array_ops.transpose(tangents, (1, 0, 2))
    return checked_derivatives(dataclasses.replace(with_numbers(runs[0], others), y=y, dy=dy))


@final
class _Recording:
    """One trajectory in numbers that record.

    Parameters
    ----------
    problem : Problem
    route : Route
    start : array or recording number, shape (n,)
    numbers : sequence of number
        What the program is given.
    changes : mapping
        Parameters of the right-hand side that are replaced, by name.
    """

    def __init__(
        self, problem: Problem, route: Route, start: Any, numbers: Sequence[Any], changes: Mapping[Any, Any]
    ) -> None:
        self._problem, self._route, self._numbers = problem, route, numbers
        self._f: RightHandSide = problem.right_hand_side(changes, column=problem.vectorized)
        self._t, self._y = float(raw(problem.ends[0])), start
        events = problem.events_of(self._f, changes) or EventSet(())
        self._watch = EventWatch(events, self._t, start, problem.names)
        self._saver = Saver(problem.t_eval, problem.ends, start, moving=problem.moving)
        self._collector = Collector(self._t, start) if problem.dense else None

    def run(self, legs: Sequence[Leg], plain: Run) -> Run:
        """Make all steps again."""
        status, message = plain.status, plain.message
        try:
            for leg in legs:
                self._fly(leg)
        except GivenUp:
            raise
        except RunError as error:  # what has no derivative at an event befalls one trajectory, not its neighbours
            if self._problem.strict:
                raise
            message = refused(str(error))
            status = status_of(message)
        if self._watch.ended is not None:
            self._saver.close(self._watch.ended)
        t, y = self._saver.result()
        t_events, y_events = (None, None) if self._problem.events is None else self._watch.result()
        sol = None if self._collector is None else self._collector.pieces()
        told = {"status": status, "message": message, "n_times": len(t)}
        return dataclasses.replace(plain, t=t, y=y, sol=sol, t_events=t_events, y_events=y_events, **told)

    def _fly(self, leg: Leg) -> None:
        """Make the steps of a leg; stand where it ended."""
        if not leg.looks:
            return
        way = way_of(self._problem, self._route, self._numbers, leg, self._t, self._y)
        t1, n_steps = self._problem.ends[1], len(way.t)
        moves = isinstance(t1, Number) and float(way.t_next[-1]) == float(raw(t1))
        first = last = None
        if isinstance(self._t, Number):  # a step that leaves at a time that moves
            end = t1 if moves and n_steps == 1 else float(way.t_next[0])
            first = way.segment(self._f, 0, self._t, end)
        way.go(0 if first is None else 1, n_steps - moves)
        if moves and (first is None or n_steps > 1):  # a step that ends at such a time
            last = way.segment(self._f, n_steps - 1, float(way.t[-1]), t1)
        for begin, end, starts in leg.looks:
            if starts is None:
                ready = first if begin == 0 else None
                ready = last if begin == n_steps - 1 and last is not None else ready
                segment = way.made(self._f, begin) if ready is None else ready
                interruption = self._watch.take(segment)
                part = segment if interruption is None else interruption.segment
                self._take(part)
                if interruption is not None:
                    self._t, self._y = part.t, interruption.start
                continue
            if begin == 0 and first is not None:
                self._take(first)
                begin = 1
            until = end - 1 if end == n_steps and last is not None else end
            if until > begin:
                self._saver.pass_by(way.t_next[begin:until], way.ends(begin, until), way.at)
                if self._collector is not None:
                    self._collector.pass_by(*way.polynomials(begin, until))
            if until < end and last is not None:
                self._take(last)
            self._watch.starts = starts

    def _take(self, part: Segment) -> None:
        self._saver.take(part)
        if self._collector is not None:
            self._collector.take(part)
