"""First half of `balance`: find starts whose orbits come close to the equilibrium, and steer them onto it.

A coarse integration is good enough here.  Seeds on the right energy level are run once; the ones that pass closest
go through Gauss-Newton on the residual r = L x(T), with the exact tangents of the flow, all in one batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from integrators._solve import solve_ivp
from studies._checks import Floats
from studies._equilibrium import Equilibrium

__all__: list[str] = []

_METHOD = "RK4"
_NEAR = 1.0  # rad: passes further away say nothing about the linear flow
_LANES = 32
_ENOUGH = 6  # starts found at which the search ends
_ITERATIONS = 14
_CLOSE = 0.05  # residual from which on the horizon grows
_GROWTH = 0.8  # in time constants of the slowest unstable direction
_SOLVED = 1e-3
_LOST = 10.0
_TRUST = 0.5  # largest change of the state at the horizon that one step may predict
_BISECTIONS = 80


@dataclass(frozen=True, eq=False)
class Candidate:
    """A start that reaches the equilibrium under the coarse flow.

    Attributes
    ----------
    free : ndarray (n_free,)
        Initial values of the free components.
    horizon : float
        Time T at which the residual was made zero.
    gain : ndarray (n_unstable, n_free)
        dr / d free at the horizon, by exact tangents.
    turns : tuple of int
        The copy of the equilibrium that it reaches, in full turns of each angle.
    """

    free: Floats
    horizon: float
    gain: Floats
    turns: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Search:
    """What is searched: from the deviation ``x0`` with the components ``free`` to be found, until ``t_travel``."""

    equilibrium: Equilibrium
    x0: Floats
    free: tuple[int, ...]
    t_travel: float
    step: float

    def starts(self, free_values: Floats) -> Floats:
        """Return the deviations (n, lanes) whose free components are ``free_values`` (n_free, lanes)."""
        x0 = np.repeat(self.x0[:, None], free_values.shape[1], axis=1)
        x0[list(self.free)] = free_values
        return x0


def seeds(search: Search, n: int, spread: float, rng: np.random.Generator) -> Floats:
    """Return up to ``n`` initial values of the free components, shape (n_free, lanes).

    Their directions are even (two free components) or random.  Their size is such that the energy is that of the
    equilibrium; up to four times the missing energy where friction takes some away; ``spread`` without an energy.
    """
    directions = _directions(len(search.free), n, rng)
    equilibrium = search.equilibrium
    if not equilibrium.system.has_energy:
        return np.asarray(spread * directions * np.sqrt(rng.uniform(size=directions.shape[1])))
    goal = float(equilibrium.energy(np.zeros(len(search.x0))))
    rest = np.asarray(equilibrium.energy(search.starts(0.0 * directions)))
    excess = np.ones(directions.shape[1])
    if not equilibrium.conserves_energy:
        excess = rng.uniform(1.0, 4.0, size=excess.shape)
    return _scaled_to(search, directions, rest + excess * np.maximum(goal - rest, 0.0))


def _directions(n_free: int, n: int, rng: np.random.Generator) -> Floats:
    """Return unit vectors (n_free, n); both of them for one free component."""
    if n_free == 1:
        return np.resize([1.0, -1.0], (1, n))
    if n_free == 2:
        phase = 2.0 * np.pi * (np.arange(n) + rng.uniform()) / n
        return np.stack([np.cos(phase), np.sin(phase)])
    points = rng.standard_normal((n_free, n))
    return np.asarray(points / np.linalg.norm(points, axis=0))


def _scaled_to(search: Search, directions: Floats, levels: Floats) -> Floats:
    """Return ``directions`` times the factor > 0 at which the energy reaches ``levels``, by doubling and bisection."""

    def short_of(factor: Floats) -> NDArray[np.bool_]:
        return np.asarray(search.equilibrium.energy(search.starts(factor * directions)) < levels)

    low, high = np.zeros_like(levels), np.ones_like(levels)
    for _ in range(_BISECTIONS // 2):
        high = np.where(short_of(high), 2.0 * high, high)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        below = short_of(middle)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    found = ~short_of(high) & (high > 0.0)
    return np.asarray((high * directions)[:, found])


def closest_passes(search: Search, free_values: Floats) -> tuple[Floats, Floats]:
    """Run the seeds; return the best lanes' free components (n_free, lanes) and the times (lanes,) of their passes."""
    equilibrium = search.equilibrium
    x = _flow(search, free_values, search.t_travel).y  # (n, lanes, times)
    near = np.abs(equilibrium.angles_of(x)).max(axis=0) < _NEAR
    size = np.linalg.norm(np.tensordot(equilibrium.left, equilibrium.wrapped(x), 1), axis=0)
    miss = np.where(near & np.isfinite(size), size, np.inf)
    index = miss.argmin(axis=1)
    smallest = np.take_along_axis(miss, index[:, None], axis=1)[:, 0]
    best = np.argsort(smallest, kind="stable")
    best = best[np.isfinite(smallest[best])]
    best = best[_distinct(free_values[:, best])][:_LANES]
    return free_values[:, best], index[best] * search.step


def steered(search: Search, free_values: Floats, horizons: Floats, reach: float) -> list[Candidate]:
    """Return the starts that Gauss-Newton brings onto the stable manifold, the first to arrive first.

    Each lane solves r(free) = L x(T) = 0 at its own horizon T; once the residual is small, T grows, until the orbit
    is within ``reach`` of the equilibrium, where the linear flow tells the truth.
    """
    equilibrium = search.equilibrium
    growth = search.step * max(1, round(_GROWTH / float(equilibrium.rates.min()) / search.step))
    free, horizon = free_values.copy(), horizons.copy()
    alive, found = list(range(len(horizons))), list[Candidate]()
    for _ in range(_ITERATIONS):
        if not alive or len(found) >= _ENOUGH:
            break
        x, columns = _at_horizons(search, free[:, alive], horizon[alive])
        residual = equilibrium.left @ equilibrium.wrapped(x)  # (n_unstable, lanes)
        gain = np.einsum("ij,jkl->lik", equilibrium.left, columns)  # (lanes, n_unstable, n_free)
        angle = np.abs(equilibrium.angles_of(x)).max(axis=0)
        going_on = []
        for j, lane in enumerate(alive):
            miss = float(np.abs(residual[:, j]).max())
            if not np.isfinite(gain[j]).all() or not miss < _LOST:
                continue
            if miss < _SOLVED and angle[j] < reach:
                turns = _turns(equilibrium, x[:, j])
                found.append(Candidate(free[:, lane].copy(), float(horizon[lane]), gain[j], turns))
                continue
            change = -np.linalg.lstsq(gain[j], residual[:, j], rcond=None)[0]
            predicted = float(np.abs(columns[:, :, j] @ change).max())
            free[:, lane] += change * min(1.0, _TRUST / max(predicted, _TRUST))
            horizon[lane] += growth if miss < _CLOSE else 0.0
            going_on.append(lane)
        alive = going_on
    found.sort(key=lambda candidate: candidate.horizon)
    kept = _distinct(np.array([candidate.free for candidate in found]).reshape(len(found), len(search.free)).T)
    return [found[k] for k in kept]


def _flow(search: Search, free_values: Floats, t_end: float, tangents: bool = False) -> Any:
    """Integrate the lanes coarsely to ``t_end``; the Solution has every step."""
    equilibrium = search.equilibrium
    return solve_ivp(
        equilibrium.fun,
        (0.0, t_end),
        search.starts(free_values),
        method=_METHOD,
        step=search.step,
        vectorized=equilibrium.vectorized,
        sensitivities=[f"y0[{i}]" for i in search.free] if tangents else (),
    )


def _at_horizons(search: Search, free_values: Floats, horizons: Floats) -> tuple[Floats, Floats]:
    """Return each lane's x (n, lanes) and dx/dfree (n, n_free, lanes) at its own horizon."""
    solution = _flow(search, free_values, float(horizons.max()), tangents=True)
    index, lanes = np.round(horizons / search.step).astype(int), np.arange(len(horizons))
    return solution.y[:, lanes, index], solution.dy_dy0[:, :, lanes, index]


def _turns(equilibrium: Equilibrium, x: Floats) -> tuple[int, ...]:
    """Return the full turns of each angle from this copy of the equilibrium to the one nearest to x (n,)."""
    return tuple(round(float(x[i]) / (2.0 * np.pi)) for i in equilibrium.system.angles)


def _distinct(points: Floats) -> list[int]:
    """Return the indices of the columns that are no repetitions of an earlier one."""
    kept: list[int] = []
    for k in range(points.shape[1]):
        scale = 1e-3 * (1.0 + np.abs(points[:, k]).max())
        if all(np.abs(points[:, k] - points[:, j]).max() > scale for j in kept):
            kept.append(k)
    return kept
