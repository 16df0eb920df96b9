"""A method's formula, its embedded pair say, and its interpolant as machine code needs them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, final

import numpy as np

from diffsim.errors import RunError
from diffsim.number import AnyNumber
from integrators._bdf_tableau import BdfTableau
from integrators._esdirk_tableau import EsdirkTableau
from integrators._integrator import Integrator
from integrators._radau_tableau import RadauTableau
from integrators._rosenbrock_tableau import RosenbrockTableau
from integrators._runge_kutta import NamedRungeKutta, RungeKutta
from integrators._tableau import Tableau
from integrators._taylor_formula import TaylorFormula
from integrators._theta_tableau import ThetaTableau
from integrators.compiled.program import Formula, Pair, Program, Scheme

__all__: list[str] = []


_ASKED = ("advance", "begin", "advised", "error_ratio", "dense")
"""What a solve that chooses its steps asks of a method: machine code knows it as `RungeKutta` has it."""


_OWN = RosenbrockTableau | EsdirkTableau | ThetaTableau | RadauTableau | BdfTableau | TaylorFormula
"""Formulas that methods have of their own."""


def formula_of(method: Integrator) -> Formula | None:
    """Return what machine code needs to choose the steps of a method; None if it does not know how."""
    own = type(method)
    if isinstance(method.formula, _OWN):
        return method.formula
    if not isinstance(method, RungeKutta) or method.tableau.b_error is None:
        return None
    changed = any(getattr(own, name) is not getattr(RungeKutta, name) for name in _ASKED)
    return None if changed else _pair(_key(method))


def has_polynomials(method: Integrator) -> bool:
    """Return whether the polynomials of a method can be found from the ends of its steps, or are kept with them."""
    own = type(method)
    if method.has_formula:
        return True
    return isinstance(method, RungeKutta) and (own.advance, own.dense) == (RungeKutta.advance, RungeKutta.dense)


def _key(method: Integrator) -> type[NamedRungeKutta] | Tableau:
    """Return what has the tableau of a method that `formula_of` knows.

    PERF: the class, where it has a name; hashing a tableau's fractions takes 0.3 ms.
    """
    if isinstance(method, NamedRungeKutta):
        return type(method)
    if not isinstance(method, RungeKutta):
        raise RunError("solve_ivp: machine code chooses steps by an embedded pair. Use compiled=False.")
    return method.tableau


@functools.lru_cache(maxsize=64)
def _pair(key: type[NamedRungeKutta] | Tableau) -> Pair:
    tableau = key if isinstance(key, Tableau) else key.TABLEAU
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


def dense_program(program: Program, method: Integrator) -> Program:
    """Return the program of the interpolant of a Runge-Kutta method: from (t, y), with h and x, to y(t + x h).

    Where the tableau has none it is the cubic Hermite polynomial, as in `Integrator.dense`.

    Parameters
    ----------
    program : Program
        The right-hand side.
    method : Integrator
        One that `formula_of` knows.
    """
    return _dense_program(program, _key(method))


@functools.lru_cache(maxsize=256)
def _dense_program(program: Program, key: type[NamedRungeKutta] | Tableau) -> Program:
    tableau = key if isinstance(key, Tableau) else key.TABLEAU
    a, b = [list(map(float, row)) for row in tableau.a], [float(x) for x in tableau.b]
    c = [float(x) for x in tableau.c]
    if tableau.b_dense is not None:
        further = [[float(x) for x in row] for row in tableau.a_dense]
        rows, nodes = [*a, *further], [*c, *(float(sum(row)) for row in tableau.a_dense)]
        polynomials = [[float(x) for x in row] for row in tableau.b_dense]
    else:
        rows, nodes = [*a, b], [*c, 1.0]
        polynomials = [[0.0, 3.0 * x, -2.0 * x] for x in b] + [[0.0, -1.0, 1.0]]
        polynomials[0] = [x + y for x, y in zip(polynomials[0], (1.0, -2.0, 1.0), strict=True)]
    return dataclasses.replace(program, scheme=Scheme.blending(rows, nodes, polynomials))


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


def evaluations(method: Integrator, n: int) -> tuple[int, int, int]:
    """Return how often a method calls a right-hand side of n components: in an attempt, at a new state, for output."""
    formula = formula_of(method)
    return _counted(method, n) if formula is None or isinstance(formula, Pair) else formula.evaluations


@functools.lru_cache(maxsize=64)
def _counted(method: Integrator, n: int) -> tuple[int, int, int]:
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
    carry = method.begin(f, 0.0, y, f(0.0, y))
    method.propagate(f, 0.0, y, 0.125, carry)
    with_first = f.since()
    method.propagate(f, 0.125, y, 0.125)
    each = f.since()
    return with_first - each, each
