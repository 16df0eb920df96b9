"""Interpolants: within a step every method is a polynomial in the position x, from 0 at its start to 1 at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from integrators._combination import State

__all__: list[str] = []


def evaluate(y: State, coefficients: Sequence[State], x: Any) -> State:
    """Return ``y + D_1 x + D_2 x**2 + ...`` by Horner's rule.

    Parameters
    ----------
    y : state, shape (n, m) or (n, 1)
    coefficients : sequence of states like y
        D_1, D_2, ..., see `Integrator.dense`.
    x : array, shape (m,)

    >>> evaluate(1.0, [2.0, 3.0], 0.5)
    2.75
    """
    total = coefficients[-1] * x
    for coefficient in coefficients[-2::-1]:
        total = (total + coefficient) * x
    return y + total


def hermite(y: State, new: State, d_0: State, d_1: State) -> list[State]:
    """Return the coefficients of the cubic polynomial from one state to another.

    Parameters
    ----------
    y, new : state, shape (n, ...)
        At the ends.
    d_0, d_1 : state, shape (n, ...)
        Slopes there, times the step.

    >>> evaluate(1.0, hermite(1.0, 2.0, 1.0, 1.0), 0.5)
    1.5
    """
    rise = new - y
    return [d_0, 3.0 * rise - 2.0 * d_0 - d_1, d_0 + d_1 - 2.0 * rise]
