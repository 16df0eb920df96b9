"""Compiled solves that take the steps of an earlier evaluation: walked along instead of searched for.

See `diffsim.replay`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import replay
from integrators.compiled.asked import Saves
from integrators.compiled.kernel_control import ENDED, KEPT
from integrators.compiled.machine_walk import Track, walk
from integrators.compiled.program import Program
from integrators.compiled.search import Found
from integrators.compiled.steps import NEXT_SAVE, ORDINAL, SIZE, STATE, TIME, TRAJECTORY, ordered

__all__: list[str] = []

Span = tuple[NDArray[np.float64], NDArray[np.float64]]


def note(found: Found, span: Span, known: Sequence[replay.Track]) -> None:
    """Note the steps that a search has found, trajectory by trajectory."""
    steps = found.steps
    for j, track in enumerate(known):
        columns = steps.order[steps.offsets[j] : steps.offsets[j + 1]]
        times = [*steps.t[columns].tolist(), float(found.t[j])]
        for old, new in itertools.pairwise(times):
            track.note(old, new, float(span[1][j]))


def retrace(
    program: Program,
    start: NDArray[np.float64],
    values: Sequence[Any],
    span: Span,
    saves: Saves,
    known: Sequence[replay.Track],
    threads: int | None,
) -> Found:
    """Integrate trajectories along known steps.

    Parameters
    ----------
    program : Program
        The right-hand side with the stages of the method.
    start : array, shape (n, m)
    values : sequence of float or array of shape (m,)
    span : (t0, t1), arrays of shape (m,)
    saves : Saves
    known : sequence of m `diffsim.replay.Track`
    threads : int or None

    Returns
    -------
    Found
        What a search would give that had chosen these steps.

    Raises
    ------
    StepsDiffer
        The steps do not lead to the end.
    """
    n, m = start.shape
    times = [_times(float(span[0][j]), float(span[1][j]), known[j]) for j in range(m)]
    count = np.array([len(t) - 1 for t in times], dtype=np.int64)
    offsets = np.zeros(m + 1, dtype=np.int64)
    np.cumsum(count, out=offsets[1:])
    total = int(offsets[-1])
    log = np.zeros((STATE + n, total))
    whole = log.view(np.int64)
    for j, t in enumerate(times):
        here = slice(offsets[j], offsets[j + 1])
        whole[TRAJECTORY, here], whole[ORDINAL, here] = j, np.arange(count[j])
        whole[NEXT_SAVE, here] = _next_saves(t[:-1], saves, j, forward=bool(span[1][j] >= span[0][j]))
        log[TIME, here], log[SIZE, here] = t[:-1], np.diff(t)
    every = np.arange(total, dtype=np.int64)
    track = Track(log[[TIME, SIZE]], every, offsets[:-1], count, every, total)
    ends, log[STATE:] = walk(program, start, values, track, threads=threads)
    lost = np.full(m, np.nan)
    return Found(
        steps=ordered(log, count, n),
        y=ends[:n],
        t=span[1].copy(),
        h=lost,
        tried=lost,
        recent=np.full((KEPT, m), np.nan),
        slope=np.zeros((n, m)),
        why=np.full(m, ENDED, dtype=np.int64),
        attempts=count,
        accepted=count,
        save=np.where(count > 0, saves.last, saves.first),
        cut=False,
        told=np.zeros((3, m), dtype=np.int64),
    )


def _times(begin: float, end: float, known: replay.Track) -> NDArray[np.float64]:
    """Return the start and the ends of all known steps."""
    times = [begin]
    while times[-1] != end:
        times.append(known.ahead(times[-1], end))
    return np.array(times)


def _next_saves(t: NDArray[np.float64], saves: Saves, j: int, *, forward: bool) -> NDArray[np.int64]:
    """Return, for each start of a step, the number of the first save time that is not before the step."""
    own = saves.times[saves.first[j] : saves.last[j]]
    passed = np.searchsorted(own, t, side="right") if forward else np.searchsorted(-own, -t, side="right")
    passed[:1] = 0  # the start itself belongs to the first step
    found: NDArray[np.int64] = saves.first[j] + passed.astype(np.int64)
    return found
