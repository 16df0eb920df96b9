"""Equations of a step as straight-line arithmetic: iterations on frozen numbers, then two that carry derivatives.

What is traced has no loops that end when they may.  So a fixed number of Newton's iterations is written out, on
numbers that are frozen (`diffsim.ops.frozen`: no derivative passes through them); from what they give, two more steps
are taken with numbers that move and with a frozen matrix, which makes first and second derivatives those of the
implicit function theorem, as in `integrators._implicit`.  If the iterations have not converged by then, the caller is
told, and poisons its result: machine code that is quick may be wrong only by not being finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffsim import ops
from integrators._linear_systems import TracedFactors

__all__: list[str] = []

_ITERATIONS = (2, 3)
"""Iterations with the matrix of the start, and with the one of what they give."""
_CONVERGED = 1e-8
"""Size of the first step with numbers that move, in units of the state: the second leaves its square."""


def solve_traced(
    equations: Callable[..., Any],
    matrix: Callable[..., Any],
    given: Sequence[Any],
    start: Any,
    sizes: Any,
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
    sizes : array
        Numbers whose magnitudes say what is small.

    Returns
    -------
    z : array, shape (m,)
    sound : truth value
        Whether the iterations have converged.
    """
    still = [_frozen(x) for x in given]
    z = _frozen(start)
    guess = None
    for n_iterations in _ITERATIONS:
        factors = TracedFactors(matrix(*still, guess), pivoting=False)
        for _ in range(n_iterations):
            z = z - factors.solve(equations(*still, z))
        guess = z
    z = _frozen(z)
    factors = TracedFactors(matrix(*still, z), pivoting=False)
    step = factors.solve(equations(*given, z))
    moved = z - step
    moved = moved - factors.solve(equations(*given, moved))
    small = _total([ops.abs(ops.frozen(x)) for x in step])
    return moved, ops.less_equal(small, _CONVERGED * _total([ops.abs(ops.frozen(x)) for x in sizes]))


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
