"""Seeds for `balance` from the other end: the local stable manifold, integrated backwards to the wanted angles.

All orbits that come to rest at x* cross a small sphere in its stable eigenspace.  Backwards in time they spread into
the stable manifold, a sheet with as many dimensions as there are stable directions.  Where the sheet passes over the
given components (the angles, mod 2 pi), the free ones that it has there are a solution.  Backwards the flow is drawn
to the sheet, so it does not matter that the eigenspace is only its tangent.

With two stable directions the sphere is a circle: points are put in between until neighbours stay close all the way,
and each cell of the grid (place on the circle, time) is asked whether the wanted point lies in it.  So no crossing up
to the travel time is missed, but for those that a cell folds over.  With one direction the cells are intervals of
time.  With three and more, orbits are spread over the sphere, and their closest passes are the seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from integrators._solve import solve_ivp
from studies._balance_search import METHOD, Candidate, Search, at_horizons, distinct
from studies._checks import Floats

__all__: list[str] = []

_START = 0.7  # of the tolerance: size of the circle
_LATER = 0.6  # time constants of the slowest direction from the arrival to the circle, amply
_FLATTEST = 0.05  # smallest share of the angles in a start on the circle
_GAP = 0.4  # rad: neighbours on the circle stay closer than that
_ARCS = 32  # parts of the circle that are refined one after the other
_FEWEST = 8  # points on each to begin with
_MOST = 12_000  # and to end with
_MARGIN = 0.35  # of a cell: how far beyond its border a crossing is still looked for
_ROUNDS = 8
_TRUST = 0.3  # of the distance from x*: the largest correction of a place
_SHARP, _SAME = 1e-6, 1e-6
_SPREAD = 4096  # orbits where the sphere is no circle
_PASSES = 256  # closest passes kept of them
_TURN = 2.0 * np.pi


@dataclass(frozen=True, eq=False)
class Seeds:
    """Starts on the stable manifold.

    Attributes
    ----------
    starts : list of Candidate
        Their horizons are the times that they take to the circle around x*.
    n_orbits : int
        Orbits that were integrated.
    complete : bool
        Whether no crossing up to the travel time can have been missed (but for folds within a cell).
    """

    starts: list[Candidate]
    n_orbits: int
    complete: bool


class _Crossings(NamedTuple):
    """``places`` (n_stable, k) in the eigenspace, the ``steps`` (k,) back from there, ``wanted`` (n_given, k)."""

    places: Floats
    steps: NDArray[np.intp]
    wanted: Floats


def manifold_seeds(search: Search, tolerance: float) -> Seeds:
    """Return where the stable manifold passes over the given components within ``search.t_travel``."""
    basis = search.equilibrium.stable
    n_stable, given = basis.shape[1], search.given
    size = _START * tolerance
    if n_stable != len(given):  # no isolated points: there are directions that neither grow nor decay
        return Seeds([], 0, False)
    if n_stable > 2:
        places = _spread_over_sphere(n_stable)
        y = _backwards(search, _on_sphere(search, basis, places, size))
        return _sharp(search, basis, size, _closest(search, y, places), places.shape[1], False)
    if n_stable == 1:
        places = np.array([[1.0, -1.0]])
        y = _backwards(search, _on_sphere(search, basis, places, size))
        return _sharp(search, basis, size, _crossings_of_lines(search, y, places), 2, True)
    found, n_orbits, complete = list[_Crossings](), 0, True
    for k in range(_ARCS):
        ends = (_TURN * k / _ARCS, _TURN * (k + 1) / _ARCS)
        y, phase, whole = _arc(search, basis, size, ends)
        found.append(_crossings_of_cells(search, y, np.stack([np.cos(phase), np.sin(phase)])))
        n_orbits, complete = n_orbits + len(phase) - 1, complete and whole
    parts = [np.concatenate(part, axis=-1) for part in zip(*found, strict=True)]
    return _sharp(search, basis, size, _Crossings(*parts), n_orbits, complete)


def _sharp(search: Search, basis: Floats, size: float, found: _Crossings, n_orbits: int, complete: bool) -> Seeds:
    """Return the crossings after Newton's method on their places; those where it fails are left out."""
    free, given = list(search.free), list(search.given)
    horizon = np.asarray(found.steps * search.step, dtype=np.float64)
    places = basis.T @ _on_sphere(search, basis, found.places, size)
    if not len(horizon):
        return Seeds([], n_orbits, complete)
    for _ in range(_ROUNDS):
        y, maps = at_horizons(search, basis @ places, -horizon, range(len(basis)))  # (n, lanes), (n, n, lanes)
        miss = np.nan_to_num(y[given] - found.wanted, nan=np.inf)
        slopes = np.einsum("ijl,jk->lik", maps[given], basis)
        usable = np.isfinite(slopes).all(axis=(1, 2)) & np.isfinite(miss).all(axis=0)
        change = np.zeros_like(places)
        for lane in np.flatnonzero(usable):
            change[:, lane] = np.linalg.lstsq(slopes[lane], miss[:, lane], rcond=None)[0]
        length, bound = np.linalg.norm(change, axis=0), _TRUST * np.linalg.norm(places, axis=0)
        places -= change * np.minimum(1.0, bound / np.maximum(length, 1e-300))
    y, _ = at_horizons(search, basis @ places, -horizon)
    kept = np.flatnonzero(np.abs(y[given] - found.wanted).max(axis=0) < _SHARP)
    kept = kept[distinct(y[free][:, kept], _SAME)]
    turns = [_turns(search, found.wanted[:, k]) for k in kept]
    starts = [Candidate(y[free, k], float(horizon[k]), turn) for k, turn in zip(kept, turns, strict=True)]
    return Seeds(starts, n_orbits, complete)


def _turns(search: Search, wanted: Floats) -> tuple[int, ...]:
    """Return the full turns from the wanted angles in this copy to those of ``search.x0``, which reach another one."""
    rows = [search.given.index(i) for i in search.equilibrium.system.angles]
    return tuple(round(float(search.x0[search.given[row]] - wanted[row]) / _TURN) for row in rows)


def _on_sphere(search: Search, basis: Floats, places: Floats, size: float) -> Floats:
    """Return the starts (n, lanes) in the stable eigenspace whose largest angle is ``size``."""
    x = basis @ places
    angles = np.abs(x[list(search.equilibrium.held)]).max(axis=0)
    return np.asarray(size * x / np.maximum(angles, _FLATTEST * np.linalg.norm(x, axis=0)))


def _backwards(search: Search, x: Floats) -> Floats:
    """Integrate the starts x (n, lanes) back by the travel time; return every step, (n, lanes, n_times)."""
    fun, vectorized = search.equilibrium.fun, search.equilibrium.vectorized
    span = (0.0, -search.t_travel - _LATER / search.equilibrium.slowest)
    return np.asarray(solve_ivp(fun, span, x, method=METHOD, step=search.step, vectorized=vectorized).y)


def _arc(search: Search, basis: Floats, size: float, ends: tuple[float, float]) -> tuple[Floats, Floats, bool]:
    """Return the orbits from an arc of the circle, so many that neighbours stay close; whether they do comes last."""

    def orbits(phase: Floats) -> Floats:
        return _backwards(search, _on_sphere(search, basis, np.stack([np.cos(phase), np.sin(phase)]), size))

    phase = np.linspace(*ends, _FEWEST + 1)
    y, given = orbits(phase), list(search.given)
    while True:
        wide = np.flatnonzero(~(np.abs(np.diff(y[given], axis=1)).max(axis=(0, 2)) < _GAP))
        wide = wide[np.diff(phase)[wide] > 1e-12]
        if not len(wide) or len(phase) + len(wide) > _MOST:
            return y, phase, not len(wide)
        between = 0.5 * (phase[wide] + phase[wide + 1])
        phase = np.insert(phase, wide + 1, between)
        y = np.insert(y, wide + 1, orbits(between), axis=1)


def _turned(search: Search, centre: Floats) -> Floats:
    """Return the wanted values of the given components (n_given, k), the angles in the copy next to ``centre``."""
    wanted = np.repeat(search.x0[list(search.given), None], centre.shape[1], axis=1)
    for row, i in enumerate(search.given):
        if i in search.equilibrium.system.angles:
            wanted[row] += _TURN * np.round((centre[row] - wanted[row]) / _TURN)
    return wanted


def _crossings_of_lines(search: Search, y: Floats, places: Floats) -> _Crossings:
    """Return where single orbits cross the wanted value."""
    z = y[search.given[0]]
    wanted = _turned(search, 0.5 * (z[:, :-1] + z[:, 1:]).reshape(1, -1)).reshape(z[:, :-1].shape)
    lane, j = np.nonzero((z[:, :-1] - wanted) * (z[:, 1:] - wanted) <= 0.0)
    return _Crossings(places[:, lane], j, wanted[None, lane, j])


def _crossings_of_cells(search: Search, y: Floats, places: Floats) -> _Crossings:
    """Return the cells in which the wanted point lies."""
    z = y[list(search.given)]
    corners = (z[:, :-1, :-1], z[:, 1:, :-1], z[:, :-1, 1:], z[:, 1:, 1:])
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
    wanted = _turned(search, 0.5 * (low + high).reshape(2, -1)).reshape(low.shape)
    margin = _MARGIN * (high - low)
    lane, j = np.nonzero(((low - margin <= wanted) & (wanted <= high + margin)).all(axis=0))
    u, v = _inverted([c[:, lane, j] for c in corners], wanted[:, lane, j])
    inside = (np.abs(u - 0.5) <= 0.5 + _MARGIN) & (np.abs(v - 0.5) <= 0.5 + _MARGIN)
    lane, j, u, v = lane[inside], j[inside], u[inside], v[inside]
    between = (1.0 - u) * places[:, lane] + u * places[:, lane + 1]
    steps = np.clip(np.round(j + v).astype(np.intp), 0, z.shape[2] - 1)
    return _Crossings(between, steps, wanted[:, lane, j])


def _bilinear(corners: list[Floats], u: Floats, v: Floats) -> Floats:
    a, b, c, d = corners
    return np.asarray((1 - u) * (1 - v) * a + u * (1 - v) * b + (1 - u) * v * c + u * v * d)


def _inverted(corners: list[Floats], wanted: Floats) -> tuple[Floats, Floats]:
    """Return (u, v) at which the bilinear map of each cell (2, k) has the value ``wanted``, by Newton's method."""
    a, b, c, d = corners
    u, v = np.full(wanted.shape[1], 0.5), np.full(wanted.shape[1], 0.5)
    for _ in range(6):
        miss = wanted - _bilinear(corners, u, v)
        along, across = (1 - v) * (b - a) + v * (d - c), (1 - u) * (c - a) + u * (d - b)
        area = along[0] * across[1] - along[1] * across[0]
        area = np.where(np.abs(area) > 1e-300, area, np.inf)  # a cell without area has no crossing
        u = np.clip(u + (miss[0] * across[1] - miss[1] * across[0]) / area, -2.0, 3.0)
        v = np.clip(v + (along[0] * miss[1] - along[1] * miss[0]) / area, -2.0, 3.0)
    return u, v


def _closest(search: Search, y: Floats, places: Floats) -> _Crossings:
    """Return the closest passes of the orbits y (n, lanes, n_times) at the wanted point."""
    z = y[list(search.given)]
    wanted = _turned(search, z.reshape(len(z), -1)).reshape(z.shape)
    gap = np.linalg.norm(z - wanted, axis=0)
    miss = np.where(np.isfinite(gap), gap, np.inf)
    least = np.zeros(miss.shape, dtype=np.bool_)
    least[:, 1:-1] = (miss[:, 1:-1] <= miss[:, :-2]) & (miss[:, 1:-1] < miss[:, 2:])
    lane, j = np.nonzero(least)
    best = np.argsort(miss[lane, j], kind="stable")[:_PASSES]
    lane, j = lane[best], j[best]
    return _Crossings(places[:, lane], j, wanted[:, lane, j])


def _spread_over_sphere(n: int) -> Floats:
    """Return points (n, lanes) that are even on the unit sphere: normal quantiles of Sobol's points."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    cube = qmc.Sobol(n, scramble=True, seed=0).random(_SPREAD).T
    points = ndtri(np.clip(cube, 1e-9, 1.0 - 1e-9))
    return np.asarray(points / np.linalg.norm(points, axis=0))
