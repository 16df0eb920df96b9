"""Newton's method for many starts at once, with exact Jacobians of a system's rates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.derivatives import pushforward
from diffsim.number import raw

__all__: list[str] = []

Floats = NDArray[np.float64]

_STEPS = 60
_HALVINGS = 12


def jacobians(system: Any, t: float, y: Floats) -> tuple[Floats, Floats]:
    """Return the rates (n, m) and the Jacobians (m, n, n) at m states (n, m)."""
    n, m = y.shape
    if not system.elementwise and m > 1:
        parts = [jacobians(system, t, y[:, j : j + 1]) for j in range(m)]
        return np.concatenate([p[0] for p in parts], axis=1), np.concatenate([p[1] for p in parts])
    units = np.repeat(np.eye(n)[:, :, None], m, axis=2)
    single = not system.elementwise
    with np.errstate(all="ignore"):
        if single:
            rates, tangents = pushforward(lambda z: system(t, z), (y[:, 0],), (units[:, :, 0],))
            return raw(rates)[:, None], raw(tangents).T[None]
        rates, tangents = pushforward(lambda z: system(t, z), (y,), (units,))
    return raw(rates), np.transpose(raw(tangents), (2, 1, 0))


def newton(system: Any, t: float, y: Floats, frozen: NDArray[np.bool_]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return where m starts have led, the largest residuals there, and whether they came to rest.

    Every second start goes by whole steps, which leave a basin that steps of falling residuals would be caught in.
    """
    moving = np.flatnonzero(~frozen)
    damped = np.arange(y.shape[1]) % 2 == 0
    done = np.zeros(y.shape[1], dtype=bool)
    rates, slopes = residuals(system, t, y)
    alive = all_finite(rates, slopes)
    for _ in range(_STEPS):
        active = np.flatnonzero(alive & ~done)
        if not len(active):
            break
        here, residual, slope = y[:, active], rates[:, active], slopes[active]
        step = np.zeros(here.shape)
        step[moving] = -np.einsum("mij,jm->im", np.linalg.pinv(slope[:, :, moving], rcond=1e-12), residual)
        small = np.max(np.abs(step) / (1.0 + np.abs(here)), axis=0) <= 1e-13
        arrived: NDArray[np.bool_] = small | at_rest(here, residual, slope, 4e-16)
        taken, stuck = shortened(system, t, here, step, residual, damped[active] & ~arrived)
        arrived |= stuck & at_rest(here, residual, slope, 1e-13)
        alive[active[stuck & ~arrived]] = False
        y[:, active] = np.where(arrived & ~small, here, here + taken * step)
        done[active[arrived]] = True
        rates[:, active], slopes[active] = residuals(system, t, y[:, active])
        alive &= all_finite(rates, slopes)
    fits = np.zeros(len(done), dtype=bool)
    sound = np.flatnonzero(done & alive)
    fits[sound] = at_rest(y[:, sound], rates[:, sound], slopes[sound], 1e-11)
    return y, np.max(np.abs(rates), axis=0), fits


def all_finite(rates: Floats, slopes: Floats) -> NDArray[np.bool_]:
    """Say of each state whether all is finite there, shape (m,)."""
    found: NDArray[np.bool_] = np.all(np.isfinite(rates), axis=0) & np.all(np.isfinite(slopes), axis=(1, 2))
    return found


def at_rest(y: Floats, residual: Floats, slopes: Floats, tolerance: float) -> NDArray[np.bool_]:
    """Say whether each residual is as small as rounding of the state lets it be, times a number; shape (m,)."""
    sizes = np.einsum("mij,jm->im", np.abs(slopes), 1.0 + np.abs(y))
    fits: NDArray[np.bool_] = np.all(np.abs(residual) <= tolerance * sizes, axis=0)
    return fits


def shortened(
    system: Any, t: float, y: Floats, step: Floats, residual: Floats, damped: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how much of each step is taken, and where even a small part does not lower the residual."""
    taken, pending = np.ones(y.shape[1]), damped.copy()
    before = np.linalg.norm(residual, axis=0)
    for _ in range(_HALVINGS):
        index = np.flatnonzero(pending)
        if not len(index):
            break
        with np.errstate(all="ignore"):
            after = np.linalg.norm(values(system, t, y[:, index] + taken[index] * step[:, index]), axis=0)
        worse = ~(after < before[index] * (1.0 - 1e-4 * taken[index]))
        taken[index[worse]] *= 0.5
        pending[index[~worse]] = False
    return taken, pending


def is_map(system: Any) -> bool:
    return bool(getattr(system, "discrete", False))


def residuals(system: Any, t: float, y: Floats) -> tuple[Floats, Floats]:
    """Return what vanishes at rest, (n, m), and its Jacobians (m, n, n)."""
    rates, slopes = jacobians(system, t, y)
    return (rates - y, slopes - np.eye(len(y))) if is_map(system) else (rates, slopes)


def values(system: Any, t: float, y: Floats) -> Floats:
    """Return what vanishes at rest, (n, m)."""
    rates = rates_at(system, t, y)
    return rates - y if is_map(system) else rates


def rates_at(system: Any, t: float, y: Floats) -> Floats:
    with np.errstate(all="ignore"):
        if system.elementwise:
            return np.asarray(system(t, y))
        return np.stack([np.asarray(system(t, y[:, j])) for j in range(y.shape[1])], axis=1)
