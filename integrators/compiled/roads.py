"""What trajectories in numbers that record are walked along once their steps are chosen, explicit or implicit."""

from __future__ import annotations

import abc
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.number import Number, shape_of
from integrators.compiled.adaptive import Points, Voyage, pieces_of
from integrators.compiled.carried import together
from integrators.compiled.dense import dense_program
from integrators.compiled.equations_methods import equations_of
from integrators.compiled.flow import flow
from integrators.compiled.machine_walk import Track
from integrators.compiled.program import Program
from integrators.compiled.rounds import solve
from integrators.compiled.solved import Solved
from integrators.compiled.steps import Steps
from integrators.compiled.trek import Trek
from integrators.drivers.pieces import Pieces

__all__: list[str] = []


def road_of(voyage: Voyage, n_derivatives: int) -> Road:
    """Return what numbers with so many derivatives are walked along.

    Raises
    ------
    GivenUp
        The equations of implicit steps cannot be solved all at once.
    """
    equations = equations_of(voyage.formula, len(voyage.start))
    if equations is None:
        return ExplicitRoad(voyage)
    span, threads = (voyage.t0, voyage.t1), voyage.problem.threads
    steps, start, values = voyage.found.steps, voyage.start, voyage.values
    solved = solve(voyage.program, equations, steps, span, start, values, threads)
    return SolvedRoad(voyage, solved, n_derivatives)


class Road(abc.ABC):
    """The steps of a voyage as programs, and their inputs before the state.

    Parameters
    ----------
    voyage : Voyage
    """

    def __init__(self, voyage: Voyage) -> None:
        self._voyage, self._steps = voyage, voyage.found.steps

    @property
    @abc.abstractmethod
    def _program(self) -> Program:
        """A step."""

    @property
    @abc.abstractmethod
    def _dense(self) -> Program:
        """To a position within a step."""

    @abc.abstractmethod
    def _lead(self) -> NDArray[np.float64]:
        """Return the inputs of all steps before the state."""

    @abc.abstractmethod
    def _lead_at(self, points: Points) -> NDArray[np.float64]:
        """Return the inputs of points before the state."""

    def _begin(self, start: Any, parameters: Any) -> Any:
        """Return what the first step of each trajectory is handed."""
        return start

    def flown(self, start: Any, numbers: list[Any]) -> Any:
        """Return what all steps are handed, then the ends: shape (n_states, n_logged + m), of numbers of any kind."""
        parameters, track = together(numbers), Track.of_steps(self._lead(), self._steps)
        trek = Trek(self._program, track, _wanted(numbers), False, self._voyage.problem.threads)
        return flow(trek, self._begin(start, parameters), parameters)

    def between(self, points: Points, columns: Any, numbers: list[Any]) -> Any:
        """Return the numbers at points within the steps, shape (n_states, n_points), given what `flown` returned."""
        parameters = together(numbers)
        own = parameters if len(shape_of(parameters)) == 1 else parameters[:, points.lane]
        track = Track.of_single_steps(self._lead_at(points))
        trek = Trek(self._dense, track, _wanted(numbers), True, self._voyage.problem.threads)
        return flow(trek, columns[:, points.column], own)

    def polynomials(self, columns: Any) -> Pieces | None:
        """Return the polynomials of all steps, given what `flown` returned; None where others find them."""
        return None


def lead_at(steps: Steps, points: Points) -> NDArray[np.float64]:
    """Return time, size and position of points within steps, shape (3, n_points)."""
    return np.array([steps.t[points.column], steps.h[points.column], points.x])


def _wanted(numbers: list[Any]) -> tuple[bool, ...]:
    return tuple(isinstance(x, Number) for x in numbers)


@final
class ExplicitRoad(Road):
    """Steps of an explicit pair."""

    @property
    def _program(self) -> Program:
        return self._voyage.program

    @property
    def _dense(self) -> Program:
        return dense_program(self._voyage.program, self._voyage.problem.method)

    def _lead(self) -> NDArray[np.float64]:
        return np.array([self._steps.t, self._steps.h])

    def _lead_at(self, points: Points) -> NDArray[np.float64]:
        return lead_at(self._steps, points)


@final
class SolvedRoad(Road):
    """Steps of an implicit method, with their roots.

    Parameters
    ----------
    voyage : Voyage
    solved : Solved
    n_derivatives : int
        Order of the derivatives.
    """

    def __init__(self, voyage: Voyage, solved: Solved, n_derivatives: int) -> None:
        super().__init__(voyage)
        self._solved, self._order = solved, n_derivatives

    @property
    def _program(self) -> Program:
        return self._solved.step(self._order)

    @property
    def _dense(self) -> Program:
        return self._solved.between(self._order)

    def _lead(self) -> NDArray[np.float64]:
        return self._solved.lead()

    def _lead_at(self, points: Points) -> NDArray[np.float64]:
        return self._solved.lead_at(points.column, points.x)

    def _begin(self, start: Any, parameters: Any) -> Any:
        return self._solved.begin(self._voyage.t0, start, parameters)

    def polynomials(self, columns: Any) -> Pieces | None:
        voyage, steps, n = self._voyage, self._steps, len(self._voyage.start)
        parameters, handed = together(list(voyage.numbers)), columns[:, : steps.n_logged]
        own = parameters if len(shape_of(parameters)) == 1 else parameters[:, steps.trajectory]
        every = np.arange(steps.n_logged)
        coefficients = self._solved.polynomials(every, handed, own, self._order, voyage.problem.threads)
        return pieces_of(voyage, handed[:n], columns[:n, steps.n_logged :], coefficients)
