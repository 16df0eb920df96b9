"""Equations of a step as straight-line arithmetic: iterations on frozen numbers, then two that carry derivatives.

What is traced has no loops that end when they may.  So a fixed number of Newton's iterations is written out, on
numbers that are frozen (`diffsim.ops.frozen`: no derivative passes through them); from what they give, two more steps
are taken with numbers that move and with a frozen matrix, which makes first and second derivatives those of the
implicit function theorem, as in `integrators._implicit`.  If the iterations have not converged by then, the caller is
told, and poisons its result: machine code that is quick may be wrong only by not being finite.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffsim import ops
from integrators._field import Field, by_duals
from integrators._implicit_method import weighted
from integrators._linear_systems import TracedFactors, identity_minus, stacked

__all__: list[str] = []

ITERATIONS = (2, 3)
"""Iterations with the matrix of the start, and with the one of what they give."""
STIFF = (1, 1, 1, 2)
"""The same where the start may be far away: off the slow manifold Newton's iterations take some steps to come near."""
LEAST_EVALUATIONS = min(sum(ITERATIONS), sum(STIFF)) + 2
"""Of the equations, in a solution of them."""
_CONVERGED = 1e-8
"""Size of the first step with numbers that move, in units of the state: the second leaves its square."""
_NEGLIGIBLE = 1e-4
"""Part of the largest unknown; a smaller one counts as so large."""


def solve_traced(
    equations: Callable[..., Any],
    matrix: Callable[..., Any],
    given: Sequence[Any],
    start: Any,
    *,
    iterations: Sequence[int] = ITERATIONS,
    pivoting: bool = False,
) -> tuple[Any, Any]:
    """Solve ``equations(*given, z) = 0`` for z.

    Parameters
    ----------
    equations : callable
        Of the given numbers and z, shape (m,); returns shape (m,).
    matrix : callable
        Its derivative by z, shape (m, m); z is None for a first guess.
    given : sequence
        Numbers and arrays on which the equations depend.
    start : array, shape (m,)
        Where the iterations start.
    iterations : sequence of int
        How many are made with each matrix.
    pivoting : bool
        See `TracedFactors`.

    Returns
    -------
    z : array, shape (m,)
    step : array, shape (m,)
        The last but one, frozen: `sound` tells whether it is small.
    """
    still = [_frozen(x) for x in given]
    z = _frozen(start)
    guess = None
    for n_iterations in iterations:
        factors = TracedFactors(matrix(*still, guess), pivoting=pivoting)
        for _ in range(n_iterations):
            z = z - factors.solve(equations(*still, z))
        guess = z
    z = _frozen(z)
    factors = TracedFactors(matrix(*still, z), pivoting=pivoting)
    step = factors.solve(equations(*given, z))
    moved = z - step
    moved = moved - factors.solve(equations(*given, moved))
    return moved, _frozen(step)


def sound(step: Any, sizes: Any) -> Any:
    """Return the truth value whether a step is small beside numbers, all of them together."""
    small, units = (_total([ops.abs(ops.frozen(x)) for x in numbers]) for numbers in (step, sizes))
    return ops.less_equal(small, _CONVERGED * units)


def excess(step: Any, sizes: Any) -> Any:
    """Return a number > 0, or NaN, where a step is not small in each unknown, next to sizes that are not frozen."""
    units = [ops.abs(ops.frozen(x)) for x in sizes]
    largest = functools.reduce(ops.maximum, units)
    beyond = [
        ops.abs(x) - _CONVERGED * ops.maximum(unit, _NEGLIGIBLE * largest) for x, unit in zip(step, units, strict=True)
    ]
    return functools.reduce(ops.maximum, beyond)


def where_sound(sound: Any, y: Any) -> Any:
    """Return a state, NaN where the equations of its step were not solved: the interpreted step is asked then."""
    return np.array([ops.where(sound, x, np.nan) for x in y], dtype=object)


def diagonal_step(field: Field, t: Any, y: Any, h: Any, rows: Sequence[Sequence[float]], gamma: float) -> Any:
    """Return the state after a step of a diagonally implicit method that ends with its last stage.

    Parameters
    ----------
    field : Field
    t, y, h
        Traced numbers; y of shape (n,).
    rows : sequence of sequence of float
        What stands left of the diagonal, from the second stage on; the first one is explicit.
    gamma : float
        The diagonal.

    Notes
    -----
    The iterations of a stage start at the stage before: where the slope there would lead to may be far away, off the
    slow manifold of a stiff problem.
    """
    c = h * gamma
    slopes, z, worst = [field(t, y)], y, 0.0

    def equations(t: Any, base: Any, c: Any, z: Any) -> Any:
        return z - base - c * field(t, z)

    for row in rows:
        base = y
        for weight, slope in zip(row, slopes, strict=True):
            base = base + (h * weight) * slope if weight else base
        start = z

        def matrix(t: Any, base: Any, c: Any, z: Any, start: Any = start) -> Any:
            at = _frozen(start) if z is None else z
            return identity_minus(c, by_duals(field, t, at, np.eye(len(at))))

        given = (t + (sum(row) + gamma) * h, base, c)
        z, step = solve_traced(equations, matrix, given, start, iterations=STIFF, pivoting=True)
        worst = ops.maximum(worst, excess(step, z))
        slopes.append((z - base) / c)
    return where_sound(ops.less_equal(worst, 0.0), z)


def collocation_stages(
    field: Field,
    t: Any,
    y: Any,
    h: Any,
    a: Sequence[Sequence[Any]],
    c: Sequence[Any],
    start: Any,
    iterations: Sequence[int] = ITERATIONS,
) -> tuple[Any, Any]:
    """Solve ``z_i = h sum_j a_ij f(t + c_j h, y + z_j)``, the equations of all stages together, for traced numbers.

    Parameters
    ----------
    field : Field
    t, y, h
        Traced numbers; y of shape (n,).
    a, c : sequences of number, shapes (s, s) and (s,)
        Of the tableau.
    start : array, shape (s n,)
    iterations : sequence of int
        How many are made with each matrix.

    Returns
    -------
    z, step : array, shape (s n,)
        See `solve_traced`.
    """
    n, s = len(y), len(c)

    def stages(t: Any, y: Any, h: Any, z: Any) -> list[tuple[Any, Any]]:
        """Return time and state of each stage; None for z is where they are the state itself."""
        return [(t + c[j] * h, y if z is None else y + z[j * n : (j + 1) * n]) for j in range(s)]

    def equations(t: Any, y: Any, h: Any, z: Any) -> Any:
        found = [field(*stage) for stage in stages(t, y, h, z)]
        return z - h * np.concatenate([weighted(row, found) for row in a])

    def matrix(t: Any, y: Any, h: Any, z: Any) -> Any:
        return stacked(h, a, [by_duals(field, *stage, np.eye(n)) for stage in stages(t, y, h, z)])

    return solve_traced(equations, matrix, (t, y, h), start, iterations=iterations)


def _total(numbers: Sequence[Any]) -> Any:
    total = numbers[0]
    for x in numbers[1:]:
        total = total + x
    return total


def _frozen(x: Any) -> Any:
    if not isinstance(x, np.ndarray):
        return ops.frozen(x)
    out = np.empty(len(x), dtype=object)
    out[:] = [ops.frozen(item) for item in x]
    return out
