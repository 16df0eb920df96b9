"""The pair of doubles that stays longest: a closest-vector problem, solved along a curve.

Momenta that are doubles are a lattice.  A start stays for t if each unstable coordinate r_k of it is below
``w_k = b_k exp(-rate_k t)``: a box that is much flatter along the fast than along the slow direction.  In units of the
box the lattice is badly skewed; reduced (Lenstra, Lenstra and Lovasz) its basis vectors are of the size of the box,
and to round in that basis (Babai) gives the lattice points next to any place.  The places are those where all but the
slowest coordinate vanish, and they are no line: over the length of the box that curve bends by many times its width.
Four runs of the exact flow say how; then the curve is walked in steps below a lattice vector.

References
----------
Lenstra, Lenstra and Lovasz, "Factoring polynomials with rational coefficients", Math. Ann. 261 (1982) 515;
Babai, "On Lovasz' lattice reduction and the nearest lattice point problem", Combinatorica 6 (1986) 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyval

from studies._balance_exact import ExactFlow, conditions_of, sharpened
from studies._balance_refine import Found
from studies._checks import Floats

__all__: list[str] = []

_DIGITS = 34  # of the flow
_SHARP = 26  # digits of the exact start
_DOWN = 0.65  # s below the expected ceiling: pairs that stay at least so long are listed
_RISE = 30.0
_DRIFT = 1e-9  # half-width of the box along a direction that does not grow
_NODES = (-1.0, -0.5, 0.5, 1.0)
_STEP = 0.4  # of a lattice vector
_FEWEST, _MOST, _CHUNK = 64, 400_000, 100_000
_KEPT = 400


@dataclass(frozen=True, eq=False)
class LatticePoint:
    """Doubles ``free`` (n_free,) near a solution, and how long they should stay, in s."""

    free: Floats
    stay: float


@dataclass(frozen=True, eq=False)
class _Box:
    """Coordinates c = gain (p - exact) whose box has the half-widths ``width``; all along ``slow`` but that curve."""

    gain: Floats
    width: Floats
    slow: int
    curve: Floats  # (n, degree + 1): coordinates along the curve by powers of s = c_slow / width_slow, over the widths


def longest_doubles(flow: ExactFlow, found: Found, tolerance: float) -> tuple[tuple[Any, ...], list[LatticePoint]]:
    """Return the exact start (mpmath's numbers) and the doubles around it, the one that should stay longest first."""
    import mpmath

    flow = flow.to(_DIGITS)
    exact = sharpened(flow, found, _SHARP, rounds=3)
    equilibrium = flow.search.equilibrium
    with mpmath.workprec(flow.bits + 20):
        box = _box(flow, found, exact, equilibrium.borders(tolerance), max(found.ceiling - _DOWN, 0.1))
        spacing = np.spacing(np.abs(np.array([float(v) for v in exact])))
        near = [int(mpmath.nint(v / mpmath.mpf(float(u)))) for v, u in zip(exact, spacing, strict=True)]
        rest = [v / mpmath.mpf(float(u)) - n for v, u, n in zip(exact, spacing, near, strict=True)]
        scaled = [
            [mpmath.mpf(float(g)) / mpmath.mpf(float(w)) * float(u) for g, u in zip(row, spacing, strict=True)]
            for row, w in zip(box.gain, box.width, strict=True)
        ]
        columns, unimodular = reduced_basis([list(column) for column in zip(*scaled, strict=True)])
        basis = np.array([[float(x) for x in column] for column in columns]).T
        inverse = _inverse_of(unimodular)
        offset = np.array([float(_fraction(mpmath.fdot(row, rest))) for row in inverse])
        whole = [int(mpmath.nint(mpmath.fdot(row, rest))) for row in inverse]
    points = _along(box, basis, offset, equilibrium.rates, equilibrium.borders(tolerance))
    listed = []
    for steps, stay in points:
        moved = [step + w for step, w in zip(steps, whole, strict=True)]
        n = [a + sum(map(mul, row, moved)) for a, row in zip(near, unimodular, strict=True)]
        listed.append(LatticePoint(np.array([float(k) * u for k, u in zip(n, spacing, strict=True)]), stay))
    return exact, listed


def _box(flow: ExactFlow, found: Found, exact: Sequence[Any], borders: Floats, stay: float) -> _Box:
    """Return the box of the starts that stay so long, and the curve along which its other coordinates vanish."""
    import mpmath

    search, n = flow.search, len(exact)
    rates = search.equilibrium.rates
    gain = found.gain
    if n > len(gain):  # what is free beyond the conditions
        _, _, rows = np.linalg.svd(gain)
        gain = np.concatenate([gain, rows[len(gain) :]])
    width = np.full(n, _DRIFT)
    width[: len(rates)] = np.where(rates > 0.0, np.where(rates > 0.0, borders, 1.0) * np.exp(-rates * stay), _DRIFT)
    slow = int(np.argmin(np.append(rates, np.zeros(n - len(rates)))))
    curve = np.zeros((n, len(_NODES) + 1))
    curve[slow, 1] = 1.0
    if n == 1:
        return _Box(gain, width, slow, curve)
    along = np.linalg.inv(gain)[:, slow] * width[slow]
    values, t_end = [np.zeros(len(rates))], found.arrival + 60.0 / search.equilibrium.slowest
    for node in _NODES:
        p = [v + mpmath.mpf(float(node * a)) for v, a in zip(exact, along, strict=True)]
        orbit = flow.orbit(p, found.turns, t_end, found.arrival, rises=_RISE)
        values.append(conditions_of(search, orbit, found.arrival))
    missed = np.array(values).T / width[: len(rates), None]  # (n_conditions, nodes)
    powers = np.vander((0.0, *_NODES), increasing=True)
    for k in range(len(rates)):
        if k != slow:
            # NOTE: the miss of a start on the line is what the curve must take away
            curve[k] = -np.linalg.solve(powers, missed[k])
            curve[k, 0] = 0.0
    return _Box(gain, width, slow, curve)


def _along(box: _Box, basis: Floats, offset: Floats, rates: Floats, borders: Floats) -> list[tuple[list[int], float]]:
    """Return lattice points near the curve, as steps in the reduced basis, with how long they should stay."""
    inverse = np.linalg.inv(basis)
    n = len(basis)
    s = np.linspace(-1.0, 1.0, 257)
    length = float(np.abs(np.diff(inverse @ polyval(s, box.curve.T), axis=1)).max(axis=0).sum())
    count = 1 if n == 1 else int(np.clip(length / _STEP, _FEWEST, _MOST))
    ends = np.linspace(-1.0, 1.0, count + 1)
    middles = 0.5 * (ends[:-1] + ends[1:])
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=n))).T  # (n, 3^n)
    best: dict[tuple[int, ...], float] = {}
    for first in range(0, count, _CHUNK):
        s = middles[first : first + _CHUNK]
        centre = polyval(s, box.curve.T)  # (n, k), in widths
        z = inverse @ centre + offset[:, None]
        steps = np.round(z)[:, :, None] + shifts[:, None, :]
        c = centre[:, :, None] + np.einsum("ij,jkl->ikl", basis, steps - z[:, :, None])
        stay = _stay_of(box, c, rates, borders)
        least = np.partition(stay.ravel(), -min(_KEPT, stay.size))[-min(_KEPT, stay.size)]
        for a, b in zip(*np.nonzero(stay >= least), strict=True):
            best[tuple(int(v) for v in steps[:, a, b])] = float(stay[a, b])
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    return [(list(steps), stay) for steps, stay in ranked[:_KEPT]]


def _stay_of(box: _Box, c: Floats, rates: Floats, borders: Floats) -> Floats:
    """Return how long starts with the coordinates c (n, ...) in widths should stay."""
    bent = polyval(c[box.slow], box.curve.T)
    away = c - bent
    away[box.slow] = c[box.slow]
    stay = np.full(c.shape[1:], np.inf)
    for k in np.flatnonzero(rates > 0.0):
        with np.errstate(divide="ignore", over="ignore"):
            stay = np.minimum(stay, np.log(borders[k] / (np.abs(away[k]) * box.width[k])) / rates[k])
    return np.asarray(np.where((np.abs(c[_flat(box, rates)]) <= 1.0).all(axis=0), stay, -np.inf))


def _flat(box: _Box, rates: Floats) -> list[int]:
    """Return the coordinates that must stay within the box, since they do not grow."""
    return [k for k in range(len(box.width)) if k >= len(rates) or rates[k] <= 0.0]


def reduced_basis(columns: list[list[Any]], delta: float = 0.99) -> tuple[list[list[Any]], list[list[int]]]:
    """Return a reduced basis of the lattice spanned by ``columns``, and the unimodular matrix that makes it.

    By Lenstra, Lenstra and Lovasz, on mpmath's numbers.

    Examples
    --------
    >>> import mpmath
    >>> columns = [[mpmath.mpf(1), mpmath.mpf(0)], [mpmath.mpf(99), mpmath.mpf(1)]]
    >>> reduced_basis(columns)[1]
    [[1, -99], [0, 1]]
    """
    import mpmath

    n = len(columns)
    b = [list(column) for column in columns]
    made = [[int(i == j) for i in range(n)] for j in range(n)]  # made[j]: column j by the given ones
    k = 1
    while k < n:
        for j in range(k - 1, -1, -1):
            _, mu = _orthogonal(b)
            q = int(mpmath.nint(mu[k][j]))
            if q:
                b[k] = [x - q * y for x, y in zip(b[k], b[j], strict=True)]
                made[k] = [x - q * y for x, y in zip(made[k], made[j], strict=True)]
        size, mu = _orthogonal(b)
        if size[k] >= (delta - mu[k][k - 1] ** 2) * size[k - 1]:
            k += 1
        else:
            b[k], b[k - 1], made[k], made[k - 1] = b[k - 1], b[k], made[k - 1], made[k]
            k = max(k - 1, 1)
    return b, [list(row) for row in zip(*made, strict=True)]


def _orthogonal(b: list[list[Any]]) -> tuple[list[Any], list[list[Any]]]:
    """Return the squared lengths of the Gram-Schmidt vectors, and the coefficients mu."""
    import mpmath

    stars: list[list[Any]] = []
    size: list[Any] = []
    mu = [[mpmath.mpf(0)] * len(b) for _ in b]
    for k, vector in enumerate(b):
        star = list(vector)
        for j in range(k):
            mu[k][j] = mpmath.fdot(vector, stars[j]) / size[j]
            star = [x - mu[k][j] * y for x, y in zip(star, stars[j], strict=True)]
        stars.append(star)
        size.append(mpmath.fdot(star, star))
    return size, mu


def _inverse_of(matrix: list[list[int]]) -> list[list[int]]:
    """Return the inverse of a unimodular matrix, in whole numbers: Cramer's rule on mpmath's determinants."""
    import mpmath

    inverse = mpmath.inverse(mpmath.matrix(matrix))
    return [[int(mpmath.nint(inverse[i, j])) for j in range(len(matrix))] for i in range(len(matrix))]


def _fraction(x: Any) -> Any:
    import mpmath

    return x - mpmath.nint(x)
