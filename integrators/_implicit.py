"""Equations of implicit methods: a root by Newton's iterations in plain numbers, its derivatives by Newton's step.

The root z of ``G(z, y, t, h, p) = 0`` is found in plain numbers; no derivative goes through the iterations.  From the
root one more step of Newton's is taken with recording numbers,

    z - M**-1 G(z, y, t, h, p),    M = dG/dz at the root, plain,

whose value is the root and whose first derivative is the one of the implicit function theorem, since G vanishes there.
A step more makes the second derivative right too: the error after k steps is of order k + 1 in the perturbation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from diffsim.errors import KindError, RunError
from diffsim.number import Number, depth_of, raw
from integrators._linear_systems import Factors, factorise
from integrators._norm import rms

__all__: list[str] = []

MAX_ITERATIONS = 10
"""Iterations for a tolerance; a matrix that is not renewed may be used for so long."""
_EPS = float(np.finfo(np.float64).eps)
_TO_THE_END = 60
_FRACTIONS = 3
"""Iterations after which equations of fractions, exact where they are linear, are given up: digits double each time."""
_FAR = 0.3
"""Rate of convergence beyond which the matrix is made anew."""


def newton_tolerance(rtol: float) -> float:
    """Return how far the equations of an adaptive solve are solved, in units of its tolerance: SciPy's."""
    return max(10.0 * _EPS / rtol, min(0.03, math.sqrt(rtol)))


class Root(NamedTuple):
    """What Newton's iterations found.

    Attributes
    ----------
    z : array, shape (m,)
    ok : bool
        Whether they converged.
    n_iterations : int
    rate : float
        Of convergence, 0 where it cannot be told.
    factors : Factors
        Of the matrix that was used last.
    """

    z: Any
    ok: bool
    n_iterations: int
    rate: float
    factors: Factors


@np.errstate(all="ignore")  # what is not finite is looked for
def newton(
    residual: Callable[[Any], Any],
    z: Any,
    factors: Factors,
    scale: Any,
    tolerance: float,
    limit: int = MAX_ITERATIONS,
) -> Root:
    """Find a root by simplified Newton iterations: one matrix for all of them.

    Stops where the error that is left, told from the rate of convergence, is below the tolerance; gives up where it
    cannot get there within the limit.

    Parameters
    ----------
    residual : callable
        G(z), plain, shape (m,).
    z : array, shape (m,)
        Start.
    factors : Factors
        Of dG/dz, there or somewhere near.
    scale : array, shape (m,)
        Sizes in whose units steps are measured (root mean square).
    tolerance : float
        In these units.
    limit : int
        Number of iterations.

    References
    ----------
    Hairer, Wanner, "Solving Ordinary Differential Equations II", section IV.8, equations (8.10) and (8.11).
    """
    old, rate = None, 0.0
    for k in range(limit):
        step = factors.solve(residual(z))
        norm = float(rms(np.abs(step) / scale))
        if not np.isfinite(norm):
            return Root(z, False, k + 1, rate, factors)
        if norm <= 0.01 * tolerance:  # NOTE: what is left may be rounding, which has no rate
            return Root(z - step, True, k + 1, rate, factors)
        if old is not None:
            rate = norm / old if old else 0.0
            if rate >= 1.0 or rate ** (limit - k) / (1.0 - rate) * norm > tolerance:
                # NOTE: two steps below the tolerance that do not shorten any more are rounding
                settled = max(norm, old) <= tolerance
                return Root(z - step if settled else z, settled, k + 1, rate, factors)
        z = z - step
        if norm == 0.0 or (old is not None and rate / (1.0 - rate) * norm < tolerance):
            return Root(z, True, k + 1, rate, factors)
        old = norm
    return Root(z, False, limit, rate, factors)


@np.errstate(all="ignore")  # what is not finite is looked for
def settle(
    residual: Callable[[Any], Any],
    matrix: Callable[[Any], Any],
    z: Any,
    size: Any,
    factors: Factors | None = None,
) -> Root:
    """Find a root to all digits of its numbers: until a step no longer shortens the one before.

    Parameters
    ----------
    residual : callable
        G(z), shape (m,): floats, complex numbers, or objects (mpmath.mpf, Fraction).
    matrix : callable
        dG/dz at z: dense or sparse, of the same kind of number.  Made anew where convergence slows.
    z : array, shape (m,)
        Start.
    size : array, shape (m,)
        Typical sizes > 0 of the unknowns.
    factors : Factors, optional
        Of a matrix to start with.

    Returns
    -------
    Root
        ok is False where the iterations do not converge, or leave the finite numbers.
    """
    if factors is None:
        factors = factorise(matrix(z))
    old: Any = None
    rate = first = 0.0
    for k in range(_TO_THE_END):
        g = residual(z)
        if not np.any(g):
            return Root(z, True, k + 1, rate, factors)
        step = factors.solve(g)
        norm = max(np.abs(step) / size)
        if not norm < np.inf:  # NaN too
            return Root(z, False, k + 1, rate, factors)
        if k >= _FRACTIONS and isinstance(z[0], Fraction) and norm != 0:
            raise KindError("step: the stages of an implicit method are no fractions here; use floats or mpmath.mpf.")
        first = float(norm) if old is None else first  # large where unknowns are that had been next to nothing
        rate = 0.0 if old is None or old == 0 else float(norm / old)
        if old is not None and rate >= 0.5 and old < 1e-9 * max(1.0, first):
            return Root(z, True, k + 1, rate, factors)  # as close as rounding lets it come
        z = z - step
        if norm == 0 or (z.dtype != object and norm <= 2e-16):
            return Root(z, True, k + 1, rate, factors)
        if (old is not None and rate > (_FAR if norm > 1e-9 else 0.5)) or (z.dtype == object and norm < 0.1):
            factors = factorise(matrix(z))
        old = norm
    return Root(z, False, _TO_THE_END, rate, factors)


def recorded(who: str, residual: Callable[[Any], Any], z: Any, m: Any) -> Any:
    """Return the root with its derivatives, by Newton's steps in recording numbers.

    Parameters
    ----------
    who : str
        The method, for messages.
    residual : callable
        G(z) of recording numbers, shape (m,).
    z : array, shape (m,)
        The root, plain, found to rounding.
    m : matrix
        dG/dz at the root, plain: exact, or the derivative is not.

    Raises
    ------
    RunError
        The matrix is singular to rounding: the stages have no derivative.
    """
    factors = factorise(m)
    if not factors.regular:
        raise RunError(
            f"{who}: the equations of a step are singular (or nearly so), so its stages have no derivative. Ask for "
            "smaller steps by rtol, atol or max_step, or leave the derivative out."
        )
    g = residual(z)
    if not isinstance(g, Number):
        return z
    found: Any = z - factors.apply(g)
    for _ in range(depth_of(g) - 1):
        found = found - factors.apply(residual(found))
    # NOTE: the value is the root itself: what is added is rounding of G, and carries the derivatives
    if not np.isfinite(raw(found)).all():
        raise RunError(f"{who}: the derivative of a step's stages is not finite.")
    return found
