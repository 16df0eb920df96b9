"""Steps of implicit methods whose equations are solved, as programs that are walked along."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.graph import trace
from diffsim.number import Number, shape_of
from integrators._interpolant import evaluate
from integrators.compiled.equations import Array, Equations, TracedField, objects
from integrators.compiled.flow import flow
from integrators.compiled.machine_walk import Track
from integrators.compiled.program import Program
from integrators.compiled.steps import Steps
from integrators.compiled.trek import Trek

__all__: list[str] = []

_SWEEPS = 2
"""Newton's steps in a round of solving."""


@final
@dataclass(frozen=True, eq=False)
class Solved:
    """Steps whose equations are solved.

    Attributes
    ----------
    equations : Equations
    field : Program
        The right-hand side.
    steps : Steps
    rows : array, shape (equations.n_rows, n_logged)
        What belongs to each step beside its time and size.
    """

    equations: Equations
    field: Program
    steps: Steps
    rows: Array

    def lead(self) -> Array:
        """Return the inputs of `step` before the state, of all steps."""
        return np.concatenate([[self.steps.t, self.steps.h], self.rows])

    def lead_at(self, columns: NDArray[np.int64], x: Array) -> Array:
        """Return the inputs of `between` before the state, at positions x within the steps of some columns."""
        return np.concatenate([[self.steps.t[columns], self.steps.h[columns], x], self.rows[:, columns]])

    def step(self, sweeps: int) -> Program:
        """Return the program of a step, with derivatives up to the order `sweeps`."""
        return _step_program(self.field, self.equations, sweeps)

    def between(self, sweeps: int) -> Program:
        """Return the program that leads to a position within a step; behind the state there is nothing of use."""
        return _between_program(self.field, self.equations, sweeps)

    def begin(self, t0: Any, start: Any, parameters: Any) -> Any:
        """Return what the first step of each trajectory is handed, for numbers of any kind.

        Parameters
        ----------
        t0 : array, shape (m,), or of a single trajectory a recording number
        start : array or recording number, shape (n,) or (n, m)
        parameters : array or recording number, shape (n_parameters,) or (n_parameters, m)
        """
        return first_of(self.equations, self.field, self.steps, t0, start, parameters)

    def made(
        self, column: int, states: Any, parameters: Sequence[Any], sweeps: int, t: Any, h: Any
    ) -> tuple[Any, list[Any]]:
        """Make one step of one trajectory in numbers of any kind, one operation after the other.

        Parameters
        ----------
        column : int
        states : array or recording number, shape (n_states,)
            What the step is handed.
        parameters : sequence of number
        sweeps : int
            Order of the derivatives.
        t, h : number
            Time and size, with derivatives of their own.

        Returns
        -------
        states : array or recording number, shape (n_states,)
            What it hands on.
        coefficients : list of arrays or recording numbers, shape (n,)
            Of its polynomial.
        """
        equations, f, own = self.equations, TracedField(self.field, parameters), objects(states)
        handed, _, made = equations.step(f, t, h, objects(self.rows[:, column].tolist()), own, sweeps)
        polynomial = equations.polynomial(made, own[: equations.n], h)
        return array_ops.stack(list(handed)), [array_ops.stack(list(d)) for d in polynomial]

    def polynomials(
        self, columns: NDArray[np.int64], states: Any, parameters: Any, sweeps: int, threads: int | None
    ) -> list[Any]:
        """Return the coefficients of steps' polynomials, from their values at as many positions as they have.

        Parameters
        ----------
        columns : array of int, shape (k,)
        states : array or recording number, shape (n_states, k)
            What the steps are handed.
        parameters : array or recording number, shape (n_parameters,) or (n_parameters, k)
        sweeps : int
            Order of the derivatives.
        threads : int or None

        Returns
        -------
        list of arrays or recording numbers, shape (n, k)
        """
        n, degree, k = self.equations.n, self.equations.degree, len(columns)
        x = np.arange(1, degree + 1) / degree
        some = np.tile(np.arange(k), degree)
        own = parameters if len(shape_of(parameters)) == 1 else parameters[:, some]
        track = Track.of_single_steps(self.lead_at(columns[some], np.repeat(x, k)))
        # NOTE: the parameters may carry derivatives, or may not
        trek = Trek(self.between(sweeps), track, (isinstance(own, Number),) * self.field.n_parameters, True, threads)
        rises = array_ops.reshape(flow(trek, states[:, some], own)[:n], (n, degree, k)) - states[:n][:, None]
        inverse = np.linalg.inv(x[:, None] ** np.arange(1, degree + 1))
        return [sum(float(w) * rises[:, j] for j, w in enumerate(row)) for row in inverse]


def first_of(equations: Equations, field: Program, steps: Steps, t0: Any, start: Any, parameters: Any) -> Any:
    """Return what the first step of each trajectory is handed; see `Solved.begin`."""
    if equations.n_states == equations.n:
        return start
    lanes = shape_of(start)[1:]
    t, h = (x if lanes or isinstance(x, Number) else float(x[0]) for x in (t0, _first_sizes(steps)))
    values = field.evaluate([t], start, [parameters[j] for j in range(field.n_parameters)])
    slope = array_ops.stack([array_ops.broadcast_to(x, lanes) for x in values])
    return array_ops.concatenate([start, *equations.begin(start, slope, h)], axis=0)


def _first_sizes(steps: Steps) -> Array:
    """Return the size of the first step of each trajectory, 1 where there is none."""
    found, some = np.ones(steps.n_trajectories), steps.counts > 0
    found[some] = steps.h[steps.order[steps.offsets[:-1][some]]]
    return found


Results = Callable[..., Sequence[Any]]
"""A right-hand side, the inputs before the rows of a step, those, and what the step is handed, to numbers."""


def _program(field: Program, equations: Equations, n: int, n_before: int, results: Results) -> Program:
    """Return the program of n numbers, with so many inputs before the rows of a step."""

    def step(leading: Any, states: Any, parameters: Any) -> list[Any]:
        before, rows, own = leading[:n_before], leading[n_before:], states[: equations.n_states]
        return list(results(TracedField(field, parameters), *before, objects(rows), objects(own)))

    n_whole, n_parameters = n_before + equations.n_rows, field.n_parameters
    graph = trace(step, np.zeros(n_whole), np.zeros(n), np.zeros(n_parameters))
    return Program(graph, n, n_parameters, None, n_whole)


@functools.lru_cache(maxsize=128)
def _step_program(field: Program, equations: Equations, sweeps: int) -> Program:
    def step(f: TracedField, t: Any, h: Any, rows: Any, states: Any) -> Any:
        return equations.step(f, t, h, rows, states, sweeps)[0]

    return _program(field, equations, equations.n_states, 2, step)


@functools.lru_cache(maxsize=128)
def _between_program(field: Program, equations: Equations, sweeps: int) -> Program:
    n = equations.n

    def between(f: TracedField, t: Any, h: Any, x: Any, rows: Any, states: Any) -> Any:
        made = equations.step(f, t, h, rows, states, sweeps)[2]
        y = states[:n]
        return [*evaluate(y, equations.polynomial(made, y, h), x), *states[n:]]

    return _program(field, equations, equations.n_states, 3, between)


@functools.lru_cache(maxsize=128)
def improving_program(field: Program, equations: Equations) -> Program:
    """Return the program of a step that hands on its root as well, behind the rest, by Newton's steps from its own."""

    def improve(f: TracedField, t: Any, h: Any, rows: Any, states: Any) -> Any:
        made, root, _ = equations.step(f, t, h, rows, states, _SWEEPS)
        return [*made, *root]

    return _program(field, equations, equations.n_states + equations.n_unknowns, 2, improve)
