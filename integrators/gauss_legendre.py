"""Gauss-Legendre methods: the implicit Runge-Kutta methods of the highest order, symplectic for every Hamiltonian."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np

from diffsim.number import Number, raw
from integrators._field import Field
from integrators._frozen_newton import collocation_stages, sound, where_sound
from integrators._implicit_method import is_traced, stage_increments, weighted
from integrators._integrator import Step
from integrators._traced_method import TracedMethod

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


class Gauss(TracedMethod):
    """A collocation method at Gauss-Legendre points."""

    LARGEST_STEP = 100_000  # the long runs that they are for pay for it

    @property
    def pays_from(self) -> int:
        return LONG

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
    def n_solved(self) -> int:
        return self.n_stages

    @property
    def largest_traced(self) -> int:
        return LARGEST_TRACED // self.n_stages

    def _advance(self, field: Field, t: Any, y: Any, h: Any, carry: Any) -> Step:
        table = self.coefficients(_one(y))
        if self._traces(y):
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
    n, size = len(y), h * field(t, y)
    z, step = collocation_stages(field, t, y, h, table.a, table.c, np.concatenate([node * size for node in table.c]))
    slopes = [field(t + node * h, y + z[j * n : (j + 1) * n]) for j, node in enumerate(table.c)]
    return where_sound(sound(step, np.concatenate([y, size])), y + h * weighted(table.b, slopes))


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
