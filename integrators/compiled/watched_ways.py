"""The steps of one leg of a trajectory with events, made again in numbers that record.

`Way` is that of explicit methods; `SolvedWay` that of implicit ones, whose roots are found first.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.number import Number, depth_of, raw
from integrators._integrator import Step
from integrators._interpolant import evaluate
from integrators.compiled.carried import together
from integrators.compiled.dense import dense_program, formula_of
from integrators.compiled.equations import Equations
from integrators.compiled.equations_methods import equations_of
from integrators.compiled.flow import flow
from integrators.compiled.machine_walk import Track
from integrators.compiled.polynomials import coefficients_of
from integrators.compiled.refusals import GivenUp
from integrators.compiled.rounds import solve
from integrators.compiled.route import Route
from integrators.compiled.steps import SIZE, TIME, Steps
from integrators.compiled.stretch import Leg
from integrators.compiled.trek import Trek
from integrators.drivers.problem import Problem
from integrators.drivers.right_hand_side import RightHandSide
from integrators.drivers.segment import Segment

__all__: list[str] = []


def way_of(problem: Problem, route: Route, numbers: Sequence[Any], leg: Leg, t: Any, y: Any) -> Way:
    """Return the steps of a leg that begins at (t, y), numbers of any kind.

    Raises
    ------
    GivenUp
        Of an implicit method, whose equations cannot be solved all at once, or whose steps depend on a time that moves
        in a way that is not known here.
    """
    formula = formula_of(problem.method)
    equations = None if formula is None else equations_of(formula, len(y))
    if equations is None:
        return ExplicitWay(problem, route, numbers, leg, t, y)
    return SolvedWay(problem, route, numbers, leg, t, y, equations)


class Way(abc.ABC):
    """The steps of a leg, and the states along them once they are made.

    Attributes
    ----------
    t, h, t_next : array, shape (n_steps,)
        As they were chosen.
    """

    def __init__(self, problem: Problem, route: Route, numbers: Sequence[Any], leg: Leg, t: Any, y: Any) -> None:
        self.n_steps, self._y = leg.looks[-1][1], y
        self._problem, self._route, self._first = problem, route, 0
        self._parameters, self._active = together(numbers), tuple(isinstance(x, Number) for x in numbers)
        self.t, self.h, self.t_next = (
            np.concatenate([getattr(stretch, name) for stretch in leg.stretches])[: self.n_steps]
            for name in ("t", "h", "t_next")
        )
        self._states: Any = None

    @abc.abstractmethod
    def go(self, first: int, end: int) -> None:
        """Make the steps from ``first`` to ``end``, the latter excluded; the one before them was made by `segment`."""

    @abc.abstractmethod
    def segment(self, f: RightHandSide, k: int, t: Any, end: Any) -> Segment:
        """Make one step in Python, between times of any kind of number."""

    @abc.abstractmethod
    def _coefficients(self, step: NDArray[np.intp]) -> Sequence[Any]:
        """Return the polynomials of some steps."""

    @abc.abstractmethod
    def _between(self, step: NDArray[np.intp], x: NDArray[np.float64]) -> Any:
        """Return the states at positions within some steps."""

    def made(self, f: RightHandSide, k: int) -> Segment:
        """Make one step as it was chosen."""
        return self.segment(f, k, float(self.t[k]), float(self.t_next[k]))

    def start(self, k: int) -> Any:
        """Return the state at the start of a step."""
        return self._y if self._states is None else self._states[:, k - self._first]

    def ends(self, begin: int, end: int) -> Any:
        """Return the states at the ends of some steps, shape (n, end - begin)."""
        return self._states[:, begin + 1 - self._first : end + 1 - self._first]

    def polynomials(self, begin: int, end: int) -> tuple[Any, ...]:
        """Return the polynomials of some steps, as `Collector.pass_by` takes them."""
        some, starts = slice(begin, end), self._states[:, begin - self._first : end - self._first]
        coefficients = self._coefficients(np.arange(begin, end))
        return self.t_next[some], self.t[some], self.h[some], starts, coefficients

    def at(self, times: Any) -> Any:
        """Return the states at times within the steps, which may carry derivatives; shape (n, len(times))."""
        sign = np.sign(self.h[0])
        step = np.minimum(np.searchsorted(sign * self.t_next, sign * raw(times)), len(self.t) - 1)
        x = (times - self.t[step]) / self.h[step]
        if isinstance(times, Number):
            return evaluate(self._states[:, step - self._first], self._coefficients(step), x)
        return self._between(step, x)


@final
class ExplicitWay(Way):
    """Steps of an explicit method."""

    def go(self, first: int, end: int) -> None:
        end = max(first, end)
        y, self._first = self._y, first
        track = Track.of_one(np.array([self.t[first:end], self.h[first:end]]))
        self._states = flow(Trek(self._route.program, track, self._active, False, 1), y, self._parameters)

    def segment(self, f: RightHandSide, k: int, t: Any, end: Any) -> Segment:
        method, y = self._problem.method, self.start(k)
        h = end - t if isinstance(t, Number) or isinstance(end, Number) else float(self.h[k])
        step = method.advance(f, t, y, h, method.begin(f, t, y))
        if self._states is None:  # the leg goes on from there
            self._y = step.y
        return Segment(method, f, (t, y, float(self.t[k])), (end, step.y, float(self.t_next[k])), h, step)

    def _coefficients(self, step: NDArray[np.intp]) -> Sequence[Any]:
        numbers = [self._parameters[j] for j in range(len(self._active))]
        where = self.t[step], self._states[:, step - self._first], self.h[step]
        return coefficients_of(self._problem.method, self._route.program, numbers, *where)

    def _between(self, step: NDArray[np.intp], x: NDArray[np.float64]) -> Any:
        dense = dense_program(self._route.program, self._problem.method)
        track = Track.of_single_steps(np.array([self.t[step], self.h[step], x]))
        own = array_ops.reshape(self._parameters, (-1, 1))
        own = array_ops.broadcast_to(own, (own.shape[0], len(x))) if own.shape[0] else np.zeros((0, len(x)))
        return flow(Trek(dense, track, self._active, True, 1), self._states[:, step - self._first], own)


@final
class SolvedWay(Way):
    """Steps of an implicit method, with their roots.

    Parameters
    ----------
    problem, route, numbers, leg, t, y
        See `way_of`.
    equations : Equations
    """

    def __init__(
        self, problem: Problem, route: Route, numbers: Sequence[Any], leg: Leg, t: Any, y: Any, equations: Equations
    ) -> None:
        super().__init__(problem, route, numbers, leg, t, y)
        self._numbers, self._n = list(numbers), len(y)
        self._depth = max(1, depth_of(y), *map(depth_of, numbers))
        # NOTE: a leg behind an event begins where that has come out to be with all digits
        self.t[0], self.h[0] = raw(t), self.t_next[0] - raw(t)
        start = np.asarray(raw(y), dtype=np.float64)[:, None]
        span = self.t[:1], self.t_next[-1:]
        self._solved = solve(route.program, equations, self._steps(leg), span, start, [raw(x) for x in numbers], 1)
        self._handed = self._solved.begin(t if isinstance(t, Number) else self.t[:1], y, self._parameters)

    def _steps(self, leg: Leg) -> Steps:
        """Return the steps that count; an implicit method has made them all at once."""
        (stretch,) = leg.stretches
        log = stretch.log[:, : self.n_steps].copy()
        log[TIME], log[SIZE] = self.t, self.h
        ends = np.array([0, self.n_steps])
        return Steps(log, ends, np.arange(self.n_steps), self._n, stretch.n_noted)

    def go(self, first: int, end: int) -> None:
        self._first = first
        track = Track.of_one(self._solved.lead()[:, first : max(first, end)])
        trek = Trek(self._solved.step(self._depth), track, self._active, False, 1)
        self._handed = flow(trek, self._handed, self._parameters)
        self._states = self._handed[: self._n]

    def segment(self, f: RightHandSide, k: int, t: Any, end: Any) -> Segment:
        handed = self._handed if self._states is None else self._handed[:, k - self._first]
        moves = max(depth_of(t), depth_of(end))
        if moves and not self._problem.method.one_step:
            raise GivenUp("The steps of a method with a history depend on a time that moves.")
        h = end - t if moves else float(self.h[k])
        new, coefficients = self._solved.made(k, handed, self._numbers, self._depth + moves, t, h)
        if self._states is None:  # the leg goes on from there
            self._handed = new
        old = t, handed[: self._n], float(self.t[k])
        y = new[: self._n]
        step = (end, y, float(self.t_next[k])), h, Step(y)
        return Segment(self._problem.method, f, old, *step, polynomial=coefficients)

    def _coefficients(self, step: NDArray[np.intp]) -> Sequence[Any]:
        return self._solved.polynomials(step, self._handed[:, step - self._first], self._parameters, self._depth, 1)

    def _between(self, step: NDArray[np.intp], x: NDArray[np.float64]) -> Any:
        track = Track.of_single_steps(self._solved.lead_at(step, x))
        trek = Trek(self._solved.between(self._depth), track, self._active, True, 1)
        return flow(trek, self._handed[:, step - self._first], self._parameters)[: self._n]
