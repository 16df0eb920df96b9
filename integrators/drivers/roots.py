"""Roots of a function on one step: all of them, found on its Chebyshev series and polished on the function itself."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []

Plain: TypeAlias = Callable[[float], float]

_EPS = float(np.finfo(np.float64).eps)

DEGREES = (8, 16, 32)
"""Degrees of the series that are tried on a piece, each with the points of the one before."""

DECAYED = 1e-10
"""Size of the last coefficients, in units of the largest, at which a series stands for its function."""

_BUDGET = 250
"""Evaluations on one step, after which a function without a series is left to the sign changes between its samples."""

_SHORTEST = 2.0**-7
"""Pieces of a step that are not halved further."""


@final
@dataclass(frozen=True)
class Crossing:
    """A sign change.

    Attributes
    ----------
    x : float
        Where, in (0, 1]; 0 for a function that is zero at the start of the solve.
    sign : int
        The sign of the function behind it: 1 upwards, -1 downwards.
    """

    x: float
    sign: int


@final
@dataclass(frozen=True)
class Found:
    """What is known of a function on a step.

    Attributes
    ----------
    crossings : list of Crossing
        In order.
    sign : int
        Its sign behind the last of them; 0 if it is zero at the end, and that is one of them.
    size : float
        Its largest value among the samples.
    sinks : int
        Its sign on the step where it leaves a zero at the start of which nobody can tell whether it went the other way
        first, so flat it is there; else 0.
    """

    crossings: list[Crossing]
    sign: int
    size: float
    sinks: int = 0


@final
@dataclass(frozen=True)
class Start:
    """What is known of a function where a step begins.

    Attributes
    ----------
    value : float
    sign : int
        Its sign; 0 if it is zero there, and that has been told.
    noise : float
        Size of the rounding errors behind which a zero at the start, one that has been told, may hide.
    first : bool
        Whether this is the start of the solve, where a zero is still to be told.
    """

    value: float
    sign: int
    noise: float = 0.0
    first: bool = False


def crossings(g: Plain, start: Start, end: float) -> Found:
    """Return the sign changes of a function on (0, 1].

    Smooth functions are sampled at Chebyshev points, more and more, until their series has decayed; its roots say
    where the signs of the function have to be looked at.  A function whose series does not decay (a corner, a jump)
    is halved around the trouble.  Points at which the function is NaN are left out.

    Parameters
    ----------
    g : callable
        The function of the position x.
    start : Start
    end : float
        Its value at x = 1.

    References
    ----------
    Trefethen, "Approximation Theory and Approximation Practice", chapters 3 and 18.
    Boyd, "Computing zeros on a real interval through Chebyshev expansion and polynomial rootfinding",
    SIAM J. Numer. Anal. 40 (2002).
    """
    samples = {0.0: start.value, 1.0: end}
    slope = _sample(g, samples)
    xs = sorted(x for x, value in samples.items() if not math.isnan(value))
    size = float(max((abs(samples[x]) for x in xs), default=0.0))
    if not xs:
        return Found([], start.sign, size)
    if start.noise and abs(start.value) <= max(start.noise, 64 * _EPS * size):
        sign = int(np.sign(slope)) if abs(slope) > 1e3 * _EPS * size else 0
        found, behind = _changes(g, xs[1:], samples, Start(start.value, sign, 1.0))
        sinks = 0 if sign else next((int(np.sign(samples[x])) for x in xs[1:] if samples[x] != 0.0), 0)
        return Found(found, behind, size, sinks)
    found, sign = _changes(g, xs, samples, Start(start.value, start.sign, 0.0, start.first))
    return Found(found, sign, size)


def _changes(g: Plain, xs: Sequence[float], samples: Mapping[float, float], start: Start) -> tuple[list[Crossing], int]:
    """Walk along the samples; see `crossings`."""
    found: list[Crossing] = []
    sign, left = start.sign, 0.0
    zero: float | None = None  # where the function became zero
    first = start.first and start.value == 0.0
    for x in xs:
        here = int(np.sign(samples[x]))
        if here == 0:
            if zero is None and x > 0.0 and sign != 0:
                zero = x
            continue
        if first:
            found.append(Crossing(0.0, here))
        elif sign not in (0, here):
            if zero is not None:
                found.append(Crossing(zero, here))
            elif start.noise and left == 0.0:
                root = _deflated_root(g, start.value, sign, x)
                if root is None:  # the sample is as uncertain as the start
                    continue
                found.append(Crossing(root, here))
            else:
                found.append(Crossing(_root(g, left, x), here))
        first, sign, zero, left = False, here, None, x
    if first:
        found.append(Crossing(0.0, 0))
        sign = 0
    elif xs and xs[-1] == 1.0 and samples[1.0] == 0.0:
        if zero is not None:
            found.append(Crossing(zero, -sign))
        sign = 0
    return found, sign


def _deflated_root(g: Plain, start: float, sign: int, right: float) -> float | None:
    """Return the root behind one at 0, where the sign in between is known by the slope alone; None if it is not."""

    def divided(x: float) -> float:
        return (g(x) - start) / x if x > 0.0 else float(sign)

    return _root(divided, 0.0, right) if np.sign(divided(right)) == -sign else None


def _root(g: Plain, left: float, right: float) -> float:
    """Return the place of the sign change between two points."""
    from scipy.optimize import brentq  # not needed by a solve without events

    return float(brentq(g, left, right, xtol=4 * _EPS * right, rtol=4 * _EPS))


def _sample(g: Plain, samples: dict[float, float]) -> float:
    """Add the points at which the sign of a function has to be looked at; return its slope at the start.

    The slope is 0 where no series tells it.
    """
    pieces, slope = [(0.0, 1.0)], 0.0

    def at(x: float) -> float:
        if x not in samples:
            samples[x] = g(x)
        return samples[x]

    while pieces:
        low, high = pieces.pop(0)
        series = _series(at, low, high, small=len(samples) > _BUDGET)
        if series is None:
            if high - low > _SHORTEST and len(samples) <= _BUDGET:
                middle = 0.5 * (low + high)
                pieces += [(low, middle), (middle, high)]
            continue
        if low == 0.0:
            slope = 2.0 * float((series * _SIGNS[len(series)]).sum()) / high
        for x in _candidates(series):
            at(low + (high - low) * x)
    return slope


_SIGNS = {n: np.array([(-1.0) ** (k + 1) * k * k for k in range(n)]) for n in range(1, DEGREES[-1] + 2)}
"""Derivatives of the Chebyshev polynomials at the left end."""


@functools.lru_cache(maxsize=8)
def chebyshev_points(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Chebyshev points of degree n on [0, 1], and the matrix from values there to coefficients."""
    k = np.arange(n + 1)
    nodes = 0.5 - 0.5 * np.cos(np.pi * k / n)
    nodes[0], nodes[n // 2], nodes[-1] = 0.0, 0.5, 1.0
    weights = np.where((k == 0) | (k == n), 0.5, 1.0)
    matrix = np.cos(np.pi * np.outer(k, n - k) / n) * weights * (2.0 / n) * weights[:, None]
    return nodes, matrix


def _series(at: Plain, low: float, high: float, *, small: bool) -> NDArray[np.float64] | None:
    """Return the Chebyshev coefficients of a function on a piece, None where they do not decay."""
    for n in DEGREES[:1] if small else DEGREES if high - low == 1.0 else DEGREES[:2]:
        nodes, matrix = chebyshev_points(n)
        values = np.array([at(low + (high - low) * x) for x in nodes.tolist()])
        if not np.isfinite(values).all():
            return None
        coefficients: NDArray[np.float64] = matrix @ values
        size = np.abs(coefficients)
        largest = size.max()
        if largest == 0.0 or size[-2:].max() <= DECAYED * largest:
            return coefficients
    return None


def _candidates(series: NDArray[np.float64]) -> list[float]:
    """Return the points between which a function with this series has at most one sign change each, on [0, 1]."""
    size = np.abs(series)
    total = float(size.sum())
    if size[0] > total - size[0]:
        return []
    kept = series[: int(np.flatnonzero(size > 4 * _EPS * total)[-1]) + 1] if total else series[:1]
    if len(kept) < 2:
        return []
    roots = np.polynomial.chebyshev.chebroots(kept)
    near = roots[(np.abs(roots.imag) < 1e-3) & (np.abs(roots.real) <= 1.0)].real
    places = sorted({0.0, 1.0, *(0.5 + 0.5 * near).tolist()})
    return places[1:-1] + [0.5 * (a + b) for a, b in itertools.pairwise(places)]
