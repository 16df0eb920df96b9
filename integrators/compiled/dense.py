"""A method's embedded pair and its interpolant as machine code needs them."""

from __future__ import annotations

import functools
from typing import Any, final

import numpy as np

from diffsim.capture import explained
from diffsim.graph import trace
from diffsim.number import AnyNumber
from integrators._integrator import Integrator
from integrators._interpolant import evaluate
from integrators._runge_kutta import RungeKutta
from integrators._tableau import Tableau
from integrators.compiled.program import Pair, Program

__all__: list[str] = []


def pair_of(method: Integrator) -> Pair | None:
    """Return the pair by which a method chooses its steps; None if it does so in another way."""
    own = type(method)
    if not isinstance(method, RungeKutta) or method.tableau.b_error is None:
        return None
    plain = own.advance is RungeKutta.advance and own.error_ratio is RungeKutta.error_ratio
    return _pair(method.tableau) if plain else None


@functools.lru_cache(maxsize=64)
def _pair(tableau: Tableau) -> Pair:
    errors = [row for row in (tableau.b_error, tableau.b_error_low) if row is not None]
    return Pair.of(
        [[float(x) for x in row] for row in tableau.a],
        [float(x) for x in tableau.b],
        [float(x) for x in tableau.c],
        [[float(x) for x in row] for row in errors],
        tableau.control_order or tableau.order,
        tableau.first_same_as_last,
    )


def flow_of(program: Program, parameters: AnyNumber) -> Any:
    """Return the right-hand side of a program as a function ``f(t, y)`` of numbers of any kind."""

    def f(t: AnyNumber, y: AnyNumber) -> AnyNumber:
        out = np.empty(program.n, dtype=object)
        out[:] = program.evaluate([t], y, parameters)
        return out

    return f


@final
class _Dense:
    """A program with a method; equal if both are."""

    def __init__(self, program: Program, method: Integrator) -> None:
        self.program, self.method = program, method

    def __hash__(self) -> int:
        return hash((id(self.program), type(self.method)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Dense) and self.program is other.program and self.method == other.method


def dense_program(program: Program, method: Integrator) -> Program:
    """Return the program ``(t, h, x, y, p) -> y(t + x h)``: a step from (t, y), and its interpolant.

    Parameters
    ----------
    program : Program
        The right-hand side.
    method : Integrator

    Raises
    ------
    TraceError
        The method's step cannot be traced.
    """
    return _dense_program(_Dense(program, method))


@functools.lru_cache(maxsize=256)
def _dense_program(key: _Dense) -> Program:
    program, method = key.program, key.method

    def at(leading: AnyNumber, y: AnyNumber, parameters: AnyNumber) -> AnyNumber:
        t, h, x = leading
        f = flow_of(program, parameters)
        step = method.advance(f, t, y, h, method.begin(f, t, y))
        return evaluate(y, method.dense(f, t, y, h, step), x)

    try:
        graph = trace(at, np.zeros(3), np.zeros(program.n), np.zeros(program.n_parameters))
    except Exception as error:  # whatever the method's code raises on traced numbers
        raise explained(error, f"{type(method).__name__}: its interpolant cannot be traced") from error
    return Program(graph, program.n, program.n_parameters, None, 3)


@final
class _Counter:
    """A right-hand side that counts its calls."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self, t: Any, y: Any) -> Any:
        self._calls += 1
        return 0.5 * y

    def since(self) -> int:
        """Return the number of calls since it was last asked."""
        found, self._calls = self._calls, 0
        return found


@functools.lru_cache(maxsize=64)
def evaluations(method: Integrator, n: int) -> tuple[int, int, int]:
    """Return how often a method calls a right-hand side of n components: in an attempt, at a new state, for output."""
    f, y = _Counter(), np.ones(n)
    carry = method.begin(f, 0.0, y, f(0.0, y))
    f.since()
    step = method.advance(f, 0.0, y, 0.125, carry)
    attempt = f.since()
    if step.carry is None:
        method.begin(f, 0.125, step.y)
    moved = f.since()
    method.dense(f, 0.0, y, 0.125, step)
    return attempt, moved, f.since()


@functools.lru_cache(maxsize=64)
def fixed_evaluations(method: Integrator, n: int) -> tuple[int, int]:
    """Return how often a method with fixed steps calls a right-hand side of n components: once, and in a step."""
    f, y = _Counter(), np.ones(n)
    carry = f(0.0, y)
    method.propagate(f, 0.0, y, 0.125, carry)
    with_first = f.since()
    method.propagate(f, 0.125, y, 0.125)
    each = f.since()
    return with_first - each, each
