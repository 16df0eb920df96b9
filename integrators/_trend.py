"""`Trend`: does what should be conserved oscillate, or does it drift?

The times are cut into equal blocks.  While a symplectic method follows a Hamiltonian close by, the error of an
invariant oscillates within each block about the same level; where its step is too long for that, the level wanders from
block to block, steadily or at random.  So the range of the levels (medians, which single spikes do not move) is held
against the range within a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Trend"]

BLOCKS = 16
MANY_TURNS = 300
"""Maxima and minima that must be seen before a slow oscillation can be told from a drift: some 20 a block."""
SOME_TURNS = 64
WANDERS = 0.3
"""Range of the levels, against the range within a block, from which an invariant drifts.

On 60 orbits of the double pendulum, of Kepler's problem and of the pendulum, with steps good and bad: good ones stay
below 0.18, those whose energy leaves for good are above 0.4, most of them above 1.
"""
RUNS_AWAY = 4.0
"""The same where less has been seen."""


@final
@dataclass(frozen=True)
class Trend:
    """How the error of an invariant goes on; numbers, or arrays of shape batch.

    Attributes
    ----------
    slope : float
        Of the levels, a unit of time, by least squares.
    slope_error : float
        Its standard error, the levels taken as correlated as they are seen to be.  Of a level that wanders at random it
        is as large as the slope itself.
    wander : float
        Range of the levels (medians of 16 blocks of time).
    oscillation : float
        Range within a block (the median of all).
    n_turns : int
        Maxima and minima among the saved times.
    drifts : bool
        Whether the levels wander by more than 0.3 of the oscillation (by more than 4 of them if fewer than 300 turns
        are seen), and by more than rounding explains.
    judged : bool
        Whether enough has been seen to say so: 300 turns, or 64 for a level that runs away.  A slow oscillation whose
        period is longer than the time that was solved for cannot be told from a drift.
    """

    slope: Any
    slope_error: Any
    wander: Any
    oscillation: Any
    n_turns: Any
    drifts: Any
    judged: Any


class _One(NamedTuple):
    """The trend of one trajectory."""

    slope: float = np.nan
    slope_error: float = np.nan
    wander: float = np.nan
    oscillation: float = np.nan
    n_turns: int = 0
    drifts: bool = False
    judged: bool = False


def trend_of(t: NDArray[np.float64], error: NDArray[np.float64], rounding: NDArray[np.float64]) -> Trend:
    """Return the trend of an invariant.

    Parameters
    ----------
    t : array, shape (n_times,) or (*batch, n_times)
    error : array, shape (*batch, n_times)
        NaN where a trajectory had ended.
    rounding : array, shape batch
        What rounding may have made of it by the end.
    """
    batch = error.shape[:-1]
    times = np.broadcast_to(t, error.shape)
    found = [_one(times[spot], error[spot], float(rounding[spot])) for spot in np.ndindex(*batch)]
    if not batch:
        return Trend(*found[0])
    columns = (np.array(column).reshape(batch) for column in zip(*found, strict=True))
    return Trend(*columns) if found else Trend(*(np.zeros(batch),) * 5, *(np.zeros(batch, dtype=bool),) * 2)


def _one(t: NDArray[np.float64], error: NDArray[np.float64], rounding: float) -> _One:
    sound = np.isfinite(error) & np.isfinite(t)
    t, error = t[sound], error[sound]
    if len(t) < 2 * BLOCKS:
        return _One()
    rises = np.sign(np.diff(error))
    rises = rises[rises != 0.0]
    n_turns = int((rises[1:] != rises[:-1]).sum())
    edges = np.searchsorted((t - t[0]) / (t[-1] - t[0]), np.arange(1, BLOCKS) / BLOCKS)
    blocks = np.split(error, edges)
    if min(len(block) for block in blocks) < 2:
        return _One(n_turns=n_turns)
    levels = np.array([np.median(block) for block in blocks])
    wander, oscillation = float(np.ptp(levels)), float(np.median([np.ptp(block) for block in blocks]))
    slope, slope_error = _line(levels, (t[-1] - t[0]) / BLOCKS)
    seen = n_turns >= MANY_TURNS
    away = n_turns >= SOME_TURNS and wander > RUNS_AWAY * oscillation
    drifts = wander > rounding and (away or (seen and wander > WANDERS * oscillation))
    return _One(slope, slope_error, wander, oscillation, n_turns, drifts, seen or away)


def _line(levels: NDArray[np.float64], apart: float) -> tuple[float, float]:
    """Return slope and standard error of a line through levels that lie so far apart in time.

    The error is enlarged by ``(1 + r) / (1 - r)`` under the root, r the correlation of neighbouring residuals (von
    Storch, Zwiers, "Statistical Analysis in Climate Research", section 17.1).
    """
    x = np.arange(len(levels)) - (len(levels) - 1) / 2
    slope = float(x @ levels / (x @ x))
    rest = levels - levels.mean() - slope * x
    power = float(rest @ rest)
    r = min(max(float(rest[1:] @ rest[:-1]) / power, 0.0), 0.9) if power > 0.0 else 0.0
    error = np.sqrt(power / (len(levels) - 2) / (x @ x) * (1.0 + r) / (1.0 - r))
    return slope / apart, float(error) / apart
