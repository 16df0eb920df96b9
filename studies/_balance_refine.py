"""Second half of `balance`: sharpen one start to the last digit of a double, judged by an accurate run.

In each round the start is integrated forward until it leaves the equilibrium.  What it has become by then along the
unstable eigenvectors is its error, magnified; carried back by the linear flow, it corrects the free components.  Each
round the orbit stays longer, until the rounding of the start and of the run itself is what it falls by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from diffsim.errors import RunError
from integrators._solve import solve_ivp
from studies._balance_search import Candidate, Search
from studies._checks import Floats

__all__ = ["BalanceStep"]

_ROUNDS = 12
_IDLE = 3  # rounds without a longer stay after which the digits of a double are used up
_FALL = 12.0  # time constants of the fastest direction that a round looks beyond the last stay
_INNER = 8  # points inside each step at which the orbit is looked at


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
class Refined:
    """The best start of all rounds, and what led there."""

    free: Floats
    stay: float
    residual: float
    history: tuple[BalanceStep, ...]


def refined(search: Search, candidate: Candidate, tolerance: float, solver: Mapping[str, Any]) -> Refined:
    """Return the start near ``candidate`` that stays longest within ``tolerance``.

    ``search`` is already moved to the copy of the equilibrium that the candidate reaches.
    """
    from scipy.linalg import expm

    equilibrium, look = search.equilibrium, _FALL / float(search.equilibrium.rates.max())
    inverse = np.linalg.pinv(candidate.gain)
    free, idle, history = candidate.free.copy(), 0, list[BalanceStep]()
    best = Refined(free, -1.0, np.inf, ())
    t_end = candidate.horizon + look
    for _ in range(_ROUNDS):
        run = verified_run(search, free, t_end, solver)
        entry, exit_ = longest_stay(search, run, tolerance)
        k = _leaving(search, run, candidate.horizon, tolerance)
        # NOTE: expm(-B tau) undoes the growth since the arrival, so the gain at the arrival serves all rounds.
        back = expm(-equilibrium.growth * (run.t[k] - candidate.horizon))
        miss = back @ equilibrium.left @ equilibrium.wrapped(run.y[:, k])
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
