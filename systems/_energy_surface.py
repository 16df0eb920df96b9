"""Random states of one energy, as they are spread by the flow itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, KindError, must, unknown_name
from diffsim.number import raw

__all__ = ["sample_energy_surface"]

Floats = NDArray[np.float64]

_ROUNDS = 200


def sample_energy_surface(
    system: Any,
    energy: float,
    n_samples: int,
    *,
    within: Mapping[str, tuple[float, float]] | None = None,
    seed: int = 0,
) -> Floats:
    """Return states of the given energy, drawn by Liouville's measure: the one that Hamilton's equations conserve.

    The density is ``delta(H(q, p) - E) dq dp``.  For an H of second degree in the momenta,
    H = H_0(q) + (p - p_0) . A(q) (p - p_0) / 2 with n of them, the coordinates have the density
    ``(E - H_0)^(n/2 - 1) / sqrt(det A)`` and the momenta lie evenly on an ellipsoid.

    Parameters
    ----------
    system : System
        With Hamilton's equations (`canonical`), positions first, of autonomous H.
    energy : float
        E, in the unit of ``system.energy``.
    n_samples : int
    within : mapping of str to (low, high), optional
        Intervals of coordinates; default [-pi, pi] for angles, and [-2, 2] for others, or twice as far as
        `default_state`.  What lies outside them is not drawn.
    seed : int

    Returns
    -------
    array, shape (n, n_samples)
        Component first, as `solve_ivp` takes a batch.

    Raises
    ------
    KindError
        The equations are not Hamilton's, or H is not of second degree in the momenta.
    ArgumentError
        No state of that energy was found within the intervals; an unknown coordinate; an interval that is none.

    Notes
    -----
    One coordinate with one momentum has a density that is infinite at the turning points: there the coordinate is
    drawn from a table of 20 points per sample, by weight.  With more, points are drawn and rejected.

    References
    ----------
    Khinchin, Mathematical Foundations of Statistical Mechanics, section 7 (the invariant measure of an energy surface).

    Examples
    --------
    >>> from systems import DoublePendulum
    >>> system = DoublePendulum()
    >>> states = sample_energy_surface(system, 5.0, 1000)
    >>> states.shape, bool(abs(system.energy(states) - 5.0).max() < 1e-12)
    ((4, 1000), True)
    """
    who, n = "sample_energy_surface", len(system.state_names) // 2
    if not system.canonical or not system.has_energy:
        raise KindError(
            f"{who}: {type(system).__name__} must have Hamilton's equations (canonical) and an energy: other flows do "
            f"not conserve this measure."
        )
    if n_samples < 1:
        raise must(who, "n_samples", "must be >= 1", n_samples)
    low, high = _intervals(who, system, n, within)
    rng = np.random.default_rng(seed)
    _check_quadratic(who, system, rng.uniform(low, high), rng)
    kept: list[Floats] = []
    missing, bound = n_samples, 0.0
    for _ in range(_ROUNDS):
        q = rng.uniform(low[:, None], high[:, None], (n, max(20 * missing if n == 1 else 8 * missing, 1000)))
        offset, centre, curvature = _parts(system, q)
        room = energy - offset
        with np.errstate(all="ignore"):
            weight = np.where(room > 0.0, room ** (n / 2.0 - 1.0) / np.sqrt(np.linalg.det(curvature)), 0.0)
        weight = np.where(np.isfinite(weight), weight, 0.0)
        if not weight.any():
            continue
        if n == 1:
            chosen = rng.choice(len(weight), size=missing, p=weight / weight.sum())
        else:
            if weight.max() > bound:  # what was kept was kept too often: thin it out, and go on by the new bound
                share, bound = (bound / weight.max() if bound else 0.0), float(weight.max())
                kept = [part[:, rng.uniform(size=part.shape[1]) < share] for part in kept]
            chosen = np.flatnonzero(rng.uniform(size=len(weight)) * bound < weight)
        kept.append(_with_momenta(rng, q[:, chosen], room[chosen], centre[:, chosen], curvature[chosen]))
        missing = n_samples - sum(part.shape[1] for part in kept)
        if missing <= 0:
            found: Floats = np.concatenate(kept, axis=1)[:, :n_samples]
            return found
    raise ArgumentError(
        f"{who}: of {n_samples} states of energy {energy!r} only {n_samples - missing} were found within the "
        f"intervals; is the energy below the least potential there?"
    )


def _intervals(
    who: str, system: Any, n: int, within: Mapping[str, tuple[float, float]] | None
) -> tuple[Floats, Floats]:
    names = tuple(system.state_names[:n])
    size = np.array([2.0 * max(1.0, abs(float(raw(x)))) for x in _start(system)[:n]])
    size[[i for i in system.angles if i < n]] = np.pi
    low, high = -size, size.copy()
    for name, interval in (within or {}).items():
        if name not in names:
            raise unknown_name(who, "coordinate", name, names)
        a, b = interval
        if not (np.isfinite(a) and np.isfinite(b) and a < b):
            raise must(who, f"within[{name!r}]", "must be a finite interval (low, high)", interval)
        low[names.index(name)], high[names.index(name)] = a, b
    return low, high


def _start(system: Any) -> Any:
    try:
        return system.default_state
    except TypeError:  # a system need not have one
        return [0.0] * len(system.state_names)


def _parts(system: Any, q: Floats) -> tuple[Floats, Floats, Floats]:
    """Return H_0 (m,), p_0 (n, m) and A (m, n, n) at m points, from the energies at some momenta.

    For a polynomial of second degree differences of its values are exact but for rounding.
    """
    n, m = q.shape

    def at(p: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(system.energy(np.concatenate([q, np.repeat(p[:, None], m, 1)]))), (m,))

    units, zero = np.eye(n), at(np.zeros(n))
    plus, minus = [at(e) for e in units], [at(-e) for e in units]
    slope = np.array([(a - b) / 2.0 for a, b in zip(plus, minus, strict=True)])
    curvature = np.empty((m, n, n))
    for i in range(n):
        curvature[:, i, i] = plus[i] + minus[i] - 2.0 * zero
        for j in range(i):
            both = at(units[i] + units[j])
            curvature[:, i, j] = curvature[:, j, i] = both - plus[i] - plus[j] + zero
    centre = -np.linalg.solve(curvature, slope.T[..., None])[..., 0].T
    return zero + 0.5 * np.sum(slope * centre, axis=0), centre, curvature


def _check_quadratic(who: str, system: Any, q: Floats, rng: np.random.Generator) -> None:
    """Raise unless H is of second degree in the momenta at a point."""
    offset, centre, curvature = _parts(system, q[:, None])
    p = rng.normal(size=len(q)) * 3.0
    gap = p - centre[:, 0]
    want = float(offset[0] + 0.5 * gap @ curvature[0] @ gap)
    got = float(system.energy(np.concatenate([q, p])))
    if not abs(got - want) <= 1e-8 * (abs(got) + abs(want) + abs(float(offset[0]))):
        raise KindError(f"{who}: the energy of {type(system).__name__} must be of second degree in the momenta.")


def _with_momenta(rng: np.random.Generator, q: Floats, room: Floats, centre: Floats, curvature: Floats) -> Floats:
    """Return states with momenta that lie evenly on the ellipsoid ``(p - p_0) . A (p - p_0) / 2 = room``."""
    directions = rng.normal(size=q.T.shape)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    triangle = np.linalg.cholesky(curvature)  # A = L L^T, p - p_0 = L^-T u sqrt(2 room)
    p = np.linalg.solve(np.swapaxes(triangle, 1, 2), directions[..., None])[..., 0].T * np.sqrt(2.0 * room)
    return np.concatenate([q, centre + p])
