"""Second half of `balance`: sharpen the starts to the last digit of a double, judged by accurate runs.

All of them in one batch: Gauss-Newton at a horizon that grows, since the bend of the stable manifold is felt less the
closer the orbit has come.  Then the best alone, by the solver that was asked for: it is integrated until it leaves the
equilibrium.  What it has become by then along the unstable eigenvectors is its error, magnified; carried back by the
linear flow, it corrects the free components.  Each round the orbit stays longer, until the rounding of the start and
of the run itself is what it falls by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from diffsim.errors import RunError
from integrators._solve import solve_ivp
from studies._balance_search import Candidate, Search, accurate, at_horizons, distinct
from studies._checks import Floats

__all__ = ["BalanceStep"]

_ROUNDS = 12
_IDLE = 3  # rounds without a longer stay after which the digits of a double are used up
_FALL = 12.0  # time constants of the fastest direction that a round looks beyond the last stay
_INNER = 8  # points inside each step at which the orbit is looked at
_FURTHER = 3.5  # time constants of the fastest direction by which the horizon of the batch grows at a time
_LAST = 6.5  # of the slowest one: at 0.05 rad e^-6.5 the manifold's bend is below rounding
_FARTHEST = 20.0  # time constants of the fastest one, after which the rounding of the start has grown too large
_TWICE = 2  # steps at each horizon before
_TRUST = 0.3  # largest change of the state at the horizon that a step may predict
_REPEATS = 3  # at the last horizon
_SOLVED = 1e-9
_LOOK = 36.0  # time constants of the fastest direction that the batch is watched for after its arrival
_SAMPLES = 15.0  # looks a time constant of the fastest direction
_SAME = 1e-7


class BalanceStep(NamedTuple):
    """One round of `balance`.

    ``horizon``: when the residual was taken (s); ``residual``: L x there, carried back to the arrival; ``stay``: how
    long the run stayed (s); ``free``: the initial values that it started from.
    """

    horizon: float
    residual: float
    stay: float
    free: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Found:
    """A solution.

    Attributes
    ----------
    free : ndarray (n_free,)
        Initial values of the free components: Gauss-Newton's, in doubles.
    turns : tuple of int
        The copy of the equilibrium that it reaches, in full turns of each angle.
    arrival : float
        When it comes within the tolerance, in s: the travel time.
    gain : ndarray (n_conditions, n_free)
        d(L x) / d free, carried back by the linear flow to the arrival.
    residual : float
        Norm of L x, carried back to the arrival.
    stay : float
        How long it stays when it is run in doubles, in s.
    ceiling : float
        How long a pair of doubles near it may be expected to stay under the exact flow, in s.
    energy_error : float
        Energy of the start minus that of the target; NaN where none is conserved.
    """

    free: Floats
    turns: tuple[int, ...]
    arrival: float
    gain: Floats
    residual: float
    stay: float
    ceiling: float
    energy_error: float


@dataclass(frozen=True, eq=False)
class Refined:
    """The best start of all rounds, and what led there."""

    free: Floats
    stay: float
    residual: float
    history: tuple[BalanceStep, ...]


def polished(search: Search, candidates: Sequence[Candidate], tolerance: float) -> list[Found]:
    """Return the solutions near the candidates, each once, the one that may stay longest first."""
    if not candidates:
        return []
    equilibrium = search.equilibrium
    x0 = np.stack([search.seen_from(c.turns) for c in candidates], axis=1)
    free = np.stack([c.free for c in candidates], axis=1)
    begin, residual = np.array([c.horizon for c in candidates]), np.full(len(candidates), np.inf)
    gain = np.zeros((len(candidates), len(equilibrium.left), len(search.free)))
    fastest = float(equilibrium.rates.max())
    last, step = min(_LAST / equilibrium.slowest, _FARTHEST / fastest), _FURTHER / fastest
    for later in [*np.repeat(np.arange(0.0, last, step), _TWICE), *[last] * _REPEATS]:
        horizons, back = begin + later, equilibrium.carried(-later)
        x, columns = at_horizons(search, _with_free(search, x0, free), horizons)
        miss = back @ equilibrium.left @ x
        slope = back @ np.einsum("ij,jkl->lik", equilibrium.left, columns)
        size = np.linalg.norm(miss, axis=0)
        for k in np.flatnonzero(np.isfinite(size) & np.isfinite(slope).all(axis=(1, 2))):
            if later == last and size[k] >= residual[k]:
                continue
            gain[k] = slope[k]
            residual[k] = size[k] if later == last else np.inf
            change = np.linalg.lstsq(slope[k], miss[:, k], rcond=None)[0]
            predicted = float(np.abs(columns[:, :, k] @ change).max())
            free[:, k] -= change * min(1.0, _TRUST / max(predicted, _TRUST))
    kept = [k for k in distinct(free, _SAME) if residual[k] < _SOLVED]
    run = _watched(search, x0[:, kept], free[:, kept], float(begin[kept].max(initial=0.0))) if kept else None
    found = [
        _told(search, run, j, candidates[k], (x0[:, k], free[:, k], gain[k], residual[k]), tolerance)
        for j, k in enumerate(kept)
    ]
    return sorted([f for f in found if f.stay > 0.0], key=lambda f: -f.ceiling)


def found_at(search: Search, free: Floats, horizon: float, tolerance: float) -> Found | None:
    """Return what a run from ``free`` (n_free,) comes to, as it is, looked at until some time after ``horizon``."""
    equilibrium, starts = search.equilibrium, search.starts(free[:, None])
    run = _watched(search, starts, free[:, None], max(horizon, search.t_travel))
    x = equilibrium.wrapped(run.y[:, 0])
    entry, exit_ = longest_stay(search, SimpleNamespace(t=run.t, y=run.y[:, 0]), tolerance)
    if exit_ <= entry:
        return None
    k = int(np.searchsorted(run.t, entry))
    turns = tuple(round(float(run.y[i, 0, k]) / (2.0 * np.pi)) for i in equilibrium.system.angles)
    passing = x[:, k : max(k + 1, int(np.searchsorted(run.t, exit_)))]
    middle = float(run.t[k + int(np.argmin(np.abs(passing).max(axis=0)))])
    end, columns = at_horizons(search, starts, np.array([middle]))
    back = equilibrium.carried(entry - middle)
    candidate = Candidate(free, entry, turns)
    gain = back @ np.einsum("ij,jkl->lik", equilibrium.left, columns)[0]
    residual = float(np.linalg.norm(back @ equilibrium.left @ equilibrium.wrapped(end)[:, 0]))
    x0 = search.seen_from(turns)
    return _told(search, run, 0, candidate, (x0, free, gain, residual), tolerance)


def _told(
    search: Search, run: Any, lane: int, candidate: Candidate, values: tuple[Any, ...], tolerance: float
) -> Found:
    """Measure one solution on its lane of the run."""
    equilibrium, (x0, free, gain, residual) = search.equilibrium, values
    entry, exit_ = longest_stay(search, SimpleNamespace(t=run.t, y=run.y[:, lane]), tolerance)
    here = equilibrium.carried(entry - candidate.horizon)
    error = np.nan
    if equilibrium.conserves_energy:
        start = _with_free(search, x0[:, None], free[:, None])[:, 0]
        error = float(equilibrium.energy(start) - equilibrium.energy(0.0 * start))
    gain = here @ gain
    return Found(
        free=free.copy(),
        turns=candidate.turns,
        arrival=entry,
        gain=gain,
        residual=float(residual),
        stay=exit_ - entry,
        ceiling=ceiling(search, gain, free, tolerance),
        energy_error=error,
    )


def nearest_first(found: Sequence[Found], free: Floats) -> list[Found]:
    """Return the solutions in order of their distance from ``free`` (n_free,)."""
    return sorted(found, key=lambda f: float(np.linalg.norm(f.free - free)))


def ceiling(search: Search, gain: Floats, free: Floats, tolerance: float) -> float:
    """Return how long the best doubles near a solution may be expected to stay under the exact flow, in s.

    The starts that stay for t make a box: its side along r_k is ``2 b_k exp(-rate_k t)``, with b_k the value of r_k at
    which the angles leave.  t is such that its volume is that of one cell of the lattice of doubles:

        t = (sum_k ln(2 b_k) - ln |det(dr / dp)| - sum_i ln(spacing_i)) / sum_k rate_k.

    Of more free components than conditions, the volume of the box is that of its section through them.
    """
    rates, borders = search.equilibrium.rates, search.equilibrium.borders(tolerance)
    grows = rates > 0.0
    scaled = gain[grows] * np.spacing(np.abs(free))
    volume = math.sqrt(max(float(np.linalg.det(scaled @ scaled.T)), 1e-300))
    return float((np.log(2.0 * borders[grows]).sum() - math.log(volume)) / rates[grows].sum())


def _with_free(search: Search, x0: Floats, free: Floats) -> Floats:
    """Return the deviations ``x0`` (n, lanes) with the values ``free`` (n_free, lanes)."""
    start = x0.copy()
    start[list(search.free)] = free
    return start


def _watched(search: Search, x0: Floats, free: Floats, t: float) -> Any:
    """Run the lanes until all have left again, looked at often."""
    fastest = float(search.equilibrium.rates.max())
    t_end = t + _LOOK / fastest
    times = np.linspace(0.0, t_end, math.ceil(t_end * fastest * _SAMPLES))
    return accurate(search, _with_free(search, x0, free), times)


def refined(search: Search, found: Found, tolerance: float, solver: Mapping[str, Any]) -> Refined:
    """Return the start near a solution that stays longest within ``tolerance`` when it is run by ``solver``.

    ``search`` is already moved to the copy of the equilibrium that the solution reaches.
    """
    equilibrium, look = search.equilibrium, _FALL / float(search.equilibrium.rates.max())
    inverse = np.linalg.pinv(found.gain)
    free, idle, history = found.free.copy(), 0, list[BalanceStep]()
    best = Refined(free, -1.0, np.inf, ())
    t_end = found.arrival + max(found.stay, 0.0) + look
    for _ in range(_ROUNDS):
        run = verified_run(search, free, t_end, solver)
        entry, exit_ = longest_stay(search, run, tolerance)
        k = _leaving(search, run, found.arrival, tolerance)
        # NOTE: the linear flow undoes the growth since the arrival, so the gain at the arrival serves all rounds.
        miss = equilibrium.carried(found.arrival - run.t[k]) @ equilibrium.left @ equilibrium.wrapped(run.y[:, k])
        history.append(BalanceStep(float(run.t[k]), float(np.linalg.norm(miss)), exit_ - entry, tuple(free.tolist())))
        idle += 1
        if exit_ - entry > best.stay:
            best, idle = Refined(free.copy(), exit_ - entry, history[-1].residual, ()), 0
        if idle >= _IDLE:
            break
        free = free - inverse @ miss
        t_end = float(run.t[k]) + look
    return Refined(best.free, best.stay, best.residual, tuple(history))


def verified_run(search: Search, free: Floats, t_end: float, solver: Mapping[str, Any]) -> Any:
    """Integrate one start forward to ``t_end`` with the accurate method; the Solution has every step.

    Raises
    ------
    RunError
        The solver gives up.
    """
    equilibrium = search.equilibrium
    run = solve_ivp(equilibrium.fun, (0.0, t_end), search.starts(free[:, None])[:, 0], **solver)
    if run.status < 0:
        raise RunError(f"balance: the checking run from momenta {free.tolist()} failed: {run.message}")
    return run


def longest_stay(search: Search, run: Any, tolerance: float) -> tuple[float, float]:
    """Return (entry, exit), the ends of the longest time that all angles are within ``tolerance``; (0, 0) if none.

    Between two steps the orbit is the cubic that has the states and rates of both (Hairer, Norsett and Wanner,
    Solving Ordinary Differential Equations I, equation (II.6.7)); each step is looked at in 8 places, and both ends
    are found by bisection on the cubic.  An orbit that is inside when the run ends leaves at the end of the run.
    """
    distance = _Distance(search, run)
    inner = np.arange(_INNER) / _INNER
    times = np.append((run.t[:-1, None] + np.diff(run.t)[:, None] * inner).ravel(), run.t[-1])
    inside = np.concatenate([[False], distance(times) < tolerance, [False]])
    first, last = np.flatnonzero(inside[1:] & ~inside[:-1]), np.flatnonzero(inside[:-1] & ~inside[1:]) - 1
    if not len(first):
        return 0.0, 0.0
    k = int(np.argmax(times[last] - times[first]))
    entry, exit_ = float(times[first[k]]), float(times[last[k]])
    if first[k] > 0:
        entry = _crossing(distance, float(times[first[k] - 1]), entry, tolerance)
    if last[k] < len(times) - 1:
        exit_ = _crossing(distance, float(times[last[k] + 1]), exit_, tolerance)
    return entry, exit_


@dataclass(frozen=True, eq=False)
class _Distance:
    """The largest angle of a run from the equilibrium, as a function of time."""

    search: Search
    run: Any

    def __call__(self, times: Floats) -> Floats:
        t, y = self.run.t, self.run.y
        k = np.clip(np.searchsorted(t, times, side="right") - 1, 0, len(t) - 2)
        rates = self._rates(np.unique(np.concatenate([k, k + 1])))
        h = t[k + 1] - t[k]
        s = (times - t[k]) / h
        y_0, y_1, f_0, f_1 = y[:, k], y[:, k + 1], h * rates[:, k], h * rates[:, k + 1]
        bend = (1.0 - 2.0 * s) * (y_1 - y_0) + (s - 1.0) * f_0 + s * f_1
        x = (1.0 - s) * y_0 + s * y_1 + s * (s - 1.0) * bend
        return np.asarray(np.abs(self.search.equilibrium.angles_of(x)).max(axis=0))

    def _rates(self, needed: Any) -> Floats:
        """Return dx/dt at the steps that are needed, zero elsewhere."""
        rates: Floats = np.zeros(self.run.y.shape)
        fun = self.search.equilibrium.fun
        if self.search.equilibrium.vectorized:
            rates[:, needed] = np.asarray(fun(self.run.t[needed], self.run.y[:, needed]))
        else:
            for j in needed:
                rates[:, j] = np.asarray(fun(self.run.t[j], self.run.y[:, j]))
        return rates


def _crossing(distance: _Distance, outside: float, inside: float, tolerance: float) -> float:
    """Return the time between ``outside`` and ``inside`` at which the distance is ``tolerance``, by bisection."""
    for _ in range(60):
        middle = 0.5 * (outside + inside)
        if middle in (outside, inside):
            break
        if distance(np.array([middle]))[0] < tolerance:
            inside = middle
        else:
            outside = middle
    return inside


def _leaving(search: Search, run: Any, after: float, tolerance: float) -> int:
    """Return the index of the first step from ``after`` on at which the unstable part is a fifth of ``tolerance``."""
    equilibrium = search.equilibrium
    size = np.abs(equilibrium.left @ equilibrium.wrapped(run.y)).max(axis=0)
    gone = np.flatnonzero((run.t >= after) & (size > 0.2 * tolerance))
    return int(gone[0]) if len(gone) else len(run.t) - 1
