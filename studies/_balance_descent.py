"""The plain route of `balance`: gradient descent on the distance from the equilibrium, at a horizon that grows.

It is what one tries first, and it is limited from the start: along the orbit the tangents grow like exp(7 t), so at a
late horizon the loss is a canyon that is a million times steeper across than along, full of side canyons; descent
finds its floor to a few digits and no further.  Gauss-Newton on the stable manifold asks for the few coordinates that
matter, and is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.errors import RunError
from studies._balance_refine import Found, found_at
from studies._balance_search import Search, accurate, at_horizons, seeds
from studies._checks import Floats

__all__: list[str] = []

_FIRSTS = (0.36, 0.5, 0.7, 0.9)  # first horizons that are tried, in travel times
_FACTOR, _LAST = 1.12, 3.0
_ITERATIONS = 80
_LOST = 3  # horizons without a longer stay after which it gives up
_AIMLESS = 7
_ENOUGH = 15.0  # time constants of the fastest direction


def descended(search: Search, start: Floats | None, tolerance: float, rng: Any) -> tuple[Floats, list[Found]]:
    """Return the path (k, 4 + n_free) and what it comes to.

    A row is: horizon in s, loss, norm of its gradient, stay of a run in doubles in s, free components.  Which valley
    the descent falls into is decided by its first horizon; of a few, the path that stays longest is returned.

    Raises
    ------
    RunError
        It never comes near.
    """
    free = seeds(search, 1, 10.0, rng)[:, 0] if start is None else np.array(start, dtype=np.float64)
    best: list[list[float]] = []
    for part in _FIRSTS:
        path = _path(search, free, part * search.t_travel, tolerance)
        if not best or max(row[3] for row in path) > max(row[3] for row in best):
            best = path
        if max(row[3] for row in best) * float(search.equilibrium.rates.max()) >= _ENOUGH:
            break
    stays = [row[3] for row in best]
    longest = best[int(np.argmax(stays))]
    found = found_at(search, np.array(longest[4:]), longest[0], tolerance)
    if found is None:
        name = search.equilibrium.name
        raise RunError(
            f"balance: descent from {free.tolist()} did not come within {tolerance:g} rad of {name!r}; at a horizon of "
            f"{best[-1][0]:.3g} s its loss was {best[-1][1]:.3g}. Give another start, or take route='manifold'."
        )
    return np.array(best), [found]


def _path(search: Search, free: Floats, horizon: float, tolerance: float) -> list[list[float]]:
    """Follow the minimum of the loss while the horizon grows."""
    from scipy.optimize import minimize

    weights, path, idle, best = _weights(search), list[list[float]](), 0, 0.0
    while horizon < _LAST * search.t_travel and idle < (_LOST if best else _AIMLESS):
        loss = _Loss(search, weights, horizon)
        ended = minimize(loss, free, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS, "ftol": 0.0})
        free = np.asarray(ended.x)
        found = found_at(search, free, horizon, tolerance)
        stay = found.stay if found is not None else 0.0
        path.append([horizon, float(ended.fun), float(np.linalg.norm(ended.jac)), stay, *free.tolist()])
        best, idle = (stay, 0) if stay > best else (best, idle + 1)
        horizon *= _FACTOR
    return path


def _weights(search: Search) -> Floats:
    """Return the weights (n,) that make angles and momenta comparable: as they are on the stable eigenspace."""
    basis, angles = search.equilibrium.stable, list(search.equilibrium.system.angles)
    size = np.maximum(np.abs(basis).max(axis=1), 1e-3)
    return np.asarray(float(size[angles].max()) / size)


class _Loss:
    """Half the squared distance at the horizon, and its gradient, by exact tangents."""

    def __init__(self, search: Search, weights: Floats, horizon: float) -> None:
        self._search, self._weights, self._horizon = search, weights, horizon

    def __call__(self, free: Floats) -> tuple[float, Floats]:
        search = self._search
        x, columns = at_horizons(search, search.starts(free[:, None]), np.array([self._horizon]))
        away = self._weights * search.equilibrium.wrapped(x)[:, 0]
        if not np.isfinite(away).all():
            return 1e300, np.zeros_like(free)
        return 0.5 * float(away @ away), np.asarray((self._weights * away) @ columns[:, :, 0])


def growth_of(search: Search, free: Floats, t_end: float, count: int = 200) -> Floats:
    """Return (2, count): times, and by how much the worst small change of the free components has grown by then."""
    times = np.linspace(t_end / count, t_end, count)
    maps = accurate(search, search.starts(free[:, None]), times, search.free).dy_dy0[:, :, 0]
    return np.stack([times, np.linalg.svd(np.moveaxis(maps, -1, 0), compute_uv=False)[:, 0]])
