"""First half of `balance`: find starts whose orbits come close to the equilibrium, and steer them onto it.

Seeds on the right energy level are run once, coarsely, and the ones that pass closest are kept.  They go through
Gauss-Newton on the residual r = L x(T), with the exact tangents of the flow, all in one batch.  `_balance_manifold` has
seeds from the other end.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import HorizonWarning
from integrators._solve import solve_ivp
from studies._checks import Floats
from studies._equilibrium import Equilibrium

__all__: list[str] = []

METHOD = "RK4"  # for what need not be accurate
_ACCURATE, _TOLERANCES = "DOP853", (1e-13, 1e-14)
_NEAR = 1.0  # rad: passes further away say nothing about the linear flow
_LANES = 32
_ITERATIONS = 14
_CLOSE = 0.05  # residual from which on the horizon grows
_GROWTH = 0.8  # in time constants of the slowest unstable direction
_SOLVED = 1e-3
_LOST, _SAME = 10.0, 1e-6
_TRUST = 0.5  # largest change of the state at the horizon that one step may predict
_BISECTIONS = 80
_TURN, _TURN_REST = 2.0 * np.pi, 2.4492935982947064e-16  # 2 pi in two parts; SOURCE: OEIS A019692


@dataclass(frozen=True, eq=False)
class Candidate:
    """A start that reaches the equilibrium, nearly.

    Attributes
    ----------
    free : ndarray (n_free,)
        Initial values of the free components.
    horizon : float
        Time T at which the residual was made zero.
    turns : tuple of int
        The copy of the equilibrium that it reaches, in full turns of each angle.
    """

    free: Floats
    horizon: float
    turns: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Search:
    """What is searched: from the deviation ``x0`` with the components ``free`` to be found, until ``t_travel``."""

    equilibrium: Equilibrium
    x0: Floats
    free: tuple[int, ...]
    t_travel: float
    step: float

    @property
    def given(self) -> tuple[int, ...]:
        """The components that are not free: the angles, and what else stays as it is."""
        return tuple(i for i in range(len(self.x0)) if i not in self.free)

    def seen_from(self, turns: tuple[int, ...]) -> Floats:
        """Return ``x0`` measured from the copy of the equilibrium that lies ``turns`` full turns of each angle on."""
        x0 = self.x0.copy()
        for i, turn in zip(self.equilibrium.system.angles, turns, strict=True):
            x0[i] = (x0[i] - turn * _TURN) - turn * _TURN_REST
        return x0

    def moved(self, turns: tuple[int, ...]) -> Search:
        """Return this search with the copy of the equilibrium that lies ``turns`` full turns of each angle on."""
        return dataclasses.replace(self, x0=self.seen_from(turns))

    def until(self, t_travel: float) -> Search:
        """Return this search with another travel time."""
        return dataclasses.replace(self, t_travel=t_travel)

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
    span, starts = (0.0, search.t_travel), search.starts(free_values)
    x = solve_ivp(
        equilibrium.fun, span, starts, method=METHOD, step=search.step, vectorized=equilibrium.vectorized
    ).y  # (n, lanes, times)
    near = np.abs(equilibrium.angles_of(x)).max(axis=0) < _NEAR
    size = np.linalg.norm(np.tensordot(equilibrium.left, equilibrium.wrapped(x), 1), axis=0)
    miss = np.where(near & np.isfinite(size), size, np.inf)
    index = miss.argmin(axis=1)
    smallest = np.take_along_axis(miss, index[:, None], axis=1)[:, 0]
    best = np.argsort(smallest, kind="stable")
    best = best[np.isfinite(smallest[best])]
    best = best[distinct(free_values[:, best])][:_LANES]
    return free_values[:, best], index[best] * search.step


def nearest_pass(search: Search, free_values: Floats) -> tuple[Floats, Floats]:
    """Return one start (n_free, 1) and the time (1,) at which it is closest to the equilibrium, however far."""
    times = np.arange(search.step, search.t_travel, search.step)
    x = search.equilibrium.wrapped(accurate(search, search.starts(free_values[:, None]), times).y[:, 0])
    miss = np.linalg.norm(search.equilibrium.angles_of(x), axis=0)
    return free_values[:, None], times[[int(np.nanargmin(miss))]]


def steered(search: Search, free_values: Floats, horizons: Floats, reach: float) -> list[Candidate]:
    """Return the starts that Gauss-Newton brings onto the stable manifold, the first to arrive first.

    Each lane solves r(free) = L x(T) = 0 at its own horizon T; once the residual is small, T grows, until the orbit
    is within ``reach`` of the equilibrium, where the linear flow tells the truth.
    """
    equilibrium = search.equilibrium
    growth = search.step * max(1, round(_GROWTH / equilibrium.slowest / search.step))
    free, horizon = free_values.copy(), horizons.copy()
    alive, found = list(range(len(horizons))), list[Candidate]()
    for _ in range(_ITERATIONS):
        if not alive:
            break
        x, columns = at_horizons(search, search.starts(free[:, alive]), horizon[alive])
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
                found.append(Candidate(free[:, lane].copy(), float(horizon[lane]), turns))
                continue
            change = -np.linalg.lstsq(gain[j], residual[:, j], rcond=None)[0]
            predicted = float(np.abs(columns[:, :, j] @ change).max())
            free[:, lane] += change * min(1.0, _TRUST / max(predicted, _TRUST))
            horizon[lane] += growth if miss < _CLOSE else 0.0
            going_on.append(lane)
        alive = going_on
    found.sort(key=lambda candidate: candidate.horizon)
    kept = distinct(np.array([c.free for c in found]).reshape(len(found), len(search.free)).T, _SAME)
    return [found[k] for k in kept]


def at_horizons(search: Search, starts: Floats, horizons: Floats, free: Sequence[int] = ()) -> tuple[Floats, Floats]:
    """Return each lane's x (n, lanes) and dx/dfree (n, n_free, lanes) at its own horizon, by accurate runs.

    The horizons are all positive or all negative; ``free`` are other components than ``search.free``.
    """
    times, index = np.unique(horizons, return_inverse=True)
    if times[-1] <= 0.0:
        times, index = times[::-1], len(times) - 1 - index
    solution = accurate(search, starts, times, free or search.free)
    lanes = np.arange(len(horizons))
    return solution.y[:, lanes, index], solution.dy_dy0[:, :, lanes, index]


def accurate(search: Search, starts: Floats, times: Floats, free: Sequence[int] = ()) -> Any:
    """Integrate the lanes from time 0, to the last digits of doubles, looked at at ``times``; with tangents to free."""
    equilibrium = search.equilibrium
    with warnings.catch_warnings():
        # NOTE: that the tangents grow is what is made use of here
        warnings.simplefilter("ignore", HorizonWarning)
        return solve_ivp(
            equilibrium.fun,
            (0.0, float(times[-1])),
            starts,
            method=_ACCURATE,
            t_eval=times,
            rtol=_TOLERANCES[0],
            atol=_TOLERANCES[1],
            vectorized=equilibrium.vectorized,
            sensitivities=[f"y0[{i}]" for i in free],
        )


def _turns(equilibrium: Equilibrium, x: Floats) -> tuple[int, ...]:
    """Return the full turns of each angle from this copy of the equilibrium to the one nearest to x (n,)."""
    return tuple(round(float(x[i]) / (2.0 * np.pi)) for i in equilibrium.system.angles)


def distinct(points: Floats, tolerance: float = 1e-3) -> list[int]:
    """Return the indices of the columns that are no repetitions of an earlier one, to a relative ``tolerance``."""
    kept: list[int] = []
    for k in range(points.shape[1]):
        scale = tolerance * (1.0 + np.abs(points[:, k]).max())
        if all(np.abs(points[:, k] - points[:, j]).max() > scale for j in kept):
            kept.append(k)
    return kept
