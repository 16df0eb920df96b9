"""Gauss-Legendre methods: the implicit Runge-Kutta methods of the highest order, symplectic for every Hamiltonian."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np

from diffsim import ops
from diffsim.errors import TraceError
from diffsim.number import Number, raw
from integrators._field import Field, by_duals
from integrators._frozen_newton import solve_traced
from integrators._implicit_method import ImplicitMethod, is_traced, stage_increments, weighted
from integrators._integrator import Step
from integrators._linear_systems import stacked

__all__ = ["GaussLegendre4", "GaussLegendre6", "ImplicitMidpoint"]

LARGEST_TRACED = 24
"""Unknowns of a step up to which it is compiled: elimination is written out."""
LONG = 1000
"""Steps from which a solve is compiled without being asked.

PERF: a step of GaussLegendre4 takes 2 ms interpreted and 4 us compiled; its code (3,400 operations for the double
pendulum) takes 2 s to make.
"""


class Collocation(NamedTuple):
    """Coefficients of a collocation method: its matrix A, weights b and nodes c."""

    a: Sequence[Sequence[Any]]
    b: Sequence[Any]
    c: Sequence[Any]


class Gauss(ImplicitMethod):
    """A collocation method at Gauss-Legendre points."""

    @property
    @abc.abstractmethod
    def n_stages(self) -> int:
        """Number of stages s; the order is 2 s."""

    @abc.abstractmethod
    def coefficients(self, one: Any) -> Collocation:
        """Return the coefficients in the precision of a number that is 1."""

    @property
    def order(self) -> int:
        return 2 * self.n_stages

    @property
    def symplectic(self) -> bool:
        """Whether the flow map of a step keeps the symplectic form of a Hamiltonian system."""
        return True

    @property
    def traceable(self) -> bool:
        return True

    @property
    def largest_traced(self) -> int:
        return LARGEST_TRACED // self.n_stages

    @property
    def most_derivatives(self) -> int:
        return 2

    @property
    def pays_from(self) -> int:
        return LONG

    def _advance(self, field: Field, t: Any, y: Any, h: Any, carry: Any) -> Step:
        table, n = self.coefficients(_one(y)), len(y)
        if is_traced(y):
            if n > self.largest_traced:
                raise TraceError(
                    f"{type(self).__name__}: steps are traced for up to {self.largest_traced} components; got {n}."
                )
            return Step(_traced_step(field, t, y, h, table))
        plain, t_raw, h_raw = raw(y), raw(t), raw(h)
        start = np.concatenate([h_raw * node * field.value(t_raw, plain) for node in table.c])
        z = stage_increments(type(self).__name__, field, t, y, h, table.a, table.c, start)
        if z is None:
            return Step(y, None, None, (), False)
        f = field if field.recording or isinstance(z[0], Number) else field.value
        return Step(y + h * weighted(table.b, [f(t + c * h, y + z_j) for c, z_j in zip(table.c, z, strict=True)]))


def _one(y: Any) -> Any:
    """Return the number 1 in the precision of a state: a float but for multiprecision numbers and fractions."""
    if isinstance(y, np.ndarray) and y.dtype == object and not is_traced(y):
        return y[0] * 0 + 1
    return 1.0


def _traced_step(field: Field, t: Any, y: Any, h: Any, table: Collocation) -> Any:
    """Return the state after a step of numbers that stand for others, as straight-line arithmetic."""
    n, s = len(y), len(table.c)

    def stages(t: Any, y: Any, h: Any, z: Any) -> list[tuple[Any, Any]]:
        """Return time and state of each stage; None for z is where they are the state itself."""
        return [(t + table.c[j] * h, y if z is None else y + z[j * n : (j + 1) * n]) for j in range(s)]

    def slopes(t: Any, y: Any, h: Any, z: Any) -> list[Any]:
        return [field(*stage) for stage in stages(t, y, h, z)]

    def equations(t: Any, y: Any, h: Any, z: Any) -> Any:
        found = slopes(t, y, h, z)
        return z - h * np.concatenate([weighted(row, found) for row in table.a])

    def matrix(t: Any, y: Any, h: Any, z: Any) -> Any:
        return stacked(h, table.a, [by_duals(field, *stage, np.eye(n)) for stage in stages(t, y, h, z)])

    size = h * field(t, y)
    start = np.concatenate([node * size for node in table.c])
    z, sound = solve_traced(equations, matrix, (t, y, h), start, np.concatenate([y, size]))
    end = y + h * weighted(table.b, slopes(t, y, h, z))
    # NOTE: NaN where the equations were not solved; the interpreted step is asked then
    return np.array([ops.where(sound, x, np.nan) for x in end], dtype=object)


@final
class ImplicitMidpoint(Gauss):
    """The implicit midpoint rule, order 2: ``y_1 = y_0 + h f(t + h/2, (y_0 + y_1) / 2)``.

    Symplectic for every Hamiltonian, symmetric, A-stable; keeps quadratic invariants.  Also known as the Gauss-Legendre
    method with one stage; not to be confused with the explicit midpoint method, nor with the trapezoidal rule.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    Hairer, Lubich, Wanner, "Geometric Numerical Integration", sections I.1 and VI.4.

    Examples
    --------
    >>> round(ImplicitMidpoint().step(lambda t, y: -y, 0.0, 1.0, 0.1), 12)
    0.904761904762
    """

    @property
    def n_stages(self) -> int:
        return 1

    def coefficients(self, one: Any) -> Collocation:
        return Collocation(((one / 2,),), (one,), (one / 2,))


@final
class GaussLegendre4(Gauss):
    """The Gauss-Legendre method with two stages, order 4: symplectic for every Hamiltonian, symmetric, A-stable.

    The method for long runs of systems such as the double pendulum, whose energy does not separate into a part of the
    positions and one of the momenta.  Also known as Hammer and Hollingsworth's method.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    Hairer, Lubich, Wanner, "Geometric Numerical Integration", table II.1.1 and section VI.4.

    Examples
    --------
    >>> round(GaussLegendre4().step(lambda t, y: -y, 0.0, 1.0, 0.1), 12)
    0.904837430611
    """

    @property
    def n_stages(self) -> int:
        return 2

    def coefficients(self, one: Any) -> Collocation:
        r = (3 * one) ** 0.5 / 6
        a = ((one / 4, one / 4 - r), (one / 4 + r, one / 4))
        return Collocation(a, (one / 2, one / 2), (one / 2 - r, one / 2 + r))


@final
class GaussLegendre6(Gauss):
    """The Gauss-Legendre method with three stages, order 6: symplectic for every Hamiltonian, symmetric, A-stable.

    Also known as Kuntzmann-Butcher's method of order 6.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    Hairer, Lubich, Wanner, "Geometric Numerical Integration", table II.1.2 and section VI.4.

    Examples
    --------
    >>> round(GaussLegendre6().step(lambda t, y: -y, 0.0, 1.0, 0.1), 12)
    0.904837418035
    """

    @property
    def n_stages(self) -> int:
        return 3

    def coefficients(self, one: Any) -> Collocation:
        r = (15 * one) ** 0.5
        a = (
            (5 * one / 36, 2 * one / 9 - r / 15, 5 * one / 36 - r / 30),
            (5 * one / 36 + r / 24, 2 * one / 9, 5 * one / 36 - r / 24),
            (5 * one / 36 + r / 30, 2 * one / 9 + r / 15, 5 * one / 36),
        )
        return Collocation(a, (5 * one / 18, 4 * one / 9, 5 * one / 18), (one / 2 - r / 10, one / 2, one / 2 + r / 10))
