"""Compiled solves that take the steps of an earlier evaluation: walked along instead of searched for.

Those of implicit methods start from the roots that were found then.

See `diffsim.replay`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import replay
from integrators._interpolant import evaluate
from integrators.compiled.asked import Saves
from integrators.compiled.kernel_control import ENDED, KEPT
from integrators.compiled.machine_walk import Track, walk
from integrators.compiled.program import Program
from integrators.compiled.refusals import GivenUp
from integrators.compiled.search import Found
from integrators.compiled.steps import NEXT_SAVE, ORDINAL, SIZE, STATE, TIME, TRAJECTORY, Steps, ordered

__all__: list[str] = []

Span = tuple[NDArray[np.float64], NDArray[np.float64]]


def note(found: Found, span: Span, known: Sequence[replay.Track]) -> None:
    """Note the steps that a search has found, trajectory by trajectory."""
    steps = found.steps
    for j, track in enumerate(known):
        columns = steps.order[steps.offsets[j] : steps.offsets[j + 1]]
        times = [*steps.t[columns].tolist(), float(found.t[j])]
        orders = steps.noted[0, columns].astype(int).tolist() if steps.n_noted else [None] * len(columns)
        for (old, new), order in zip(itertools.pairwise(times), orders, strict=True):
            track.note(old, new, float(span[1][j]), order)
        track.kept = steps.log[:, columns]


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
    n = len(start)
    times = _all_times(span, known)
    count, offsets = _counted(times)
    total = int(offsets[-1])
    log = np.zeros((STATE + n, total))
    _place(log, times, offsets, span, saves)
    every = np.arange(total, dtype=np.int64)
    track = Track(log[[TIME, SIZE]], every, offsets[:-1], count, every, total)
    ends, log[STATE:] = walk(program, start, values, track, threads=threads)
    return _arrived(ordered(log, count, n), ends[:n], span, saves)


def retrace_roots(n: int, span: Span, saves: Saves, known: Sequence[replay.Track], n_noted: int) -> Found:
    """Take the known steps of an implicit method, with the states and roots that were found when they were noted.

    Parameters
    ----------
    n : int
    span, saves, known
        See `retrace`.
    n_noted : int
        Rows that the method has noted.

    Returns
    -------
    Found
        Its states are those of the earlier evaluation.

    Raises
    ------
    StepsDiffer
        The steps do not lead to the end.
    GivenUp
        They were noted by the interpreter.
    """
    times = _all_times(span, known)
    count, offsets = _counted(times)
    kept = [track.kept for track in known if isinstance(track.kept, np.ndarray)]
    if [x.shape[1] for x in kept] != count.tolist():
        raise GivenUp("The steps were found by the interpreter.")
    log = np.concatenate(kept, axis=1)
    _place(log, times, offsets, span, saves)
    steps = ordered(log, count, n, n_noted)
    ends = np.zeros((n, len(known)))
    some = np.flatnonzero(count)
    last = offsets[1:][some] - 1
    ends[:, some] = evaluate(steps.y[:, last], list(steps.polynomials[:, :, last]), 1.0)
    return _arrived(steps, ends, span, saves)


def _arrived(steps: Steps, ends: NDArray[np.float64], span: Span, saves: Saves) -> Found:
    """Return what a search gives whose trajectories have all arrived."""
    m, count = steps.n_trajectories, steps.counts
    lost = np.full(m, np.nan)
    return Found(
        steps=steps,
        y=ends,
        t=span[1].copy(),
        h=lost,
        tried=lost,
        recent=np.full((KEPT, m), np.nan),
        slope=np.zeros((steps.n, m)),
        why=np.full(m, ENDED, dtype=np.int64),
        attempts=count,
        accepted=count,
        save=np.where(count > 0, saves.last, saves.first),
        cut=False,
        told=np.zeros((3, m), dtype=np.int64),
    )


def _all_times(span: Span, known: Sequence[replay.Track]) -> list[NDArray[np.float64]]:
    return [_times(float(span[0][j]), float(span[1][j]), track) for j, track in enumerate(known)]


def _counted(times: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many steps each trajectory has, and where they begin."""
    count = np.array([len(t) - 1 for t in times], dtype=np.int64)
    offsets = np.zeros(len(times) + 1, dtype=np.int64)
    np.cumsum(count, out=offsets[1:])
    return count, offsets


def _place(
    log: NDArray[np.float64],
    times: Sequence[NDArray[np.float64]],
    offsets: NDArray[np.int64],
    span: Span,
    saves: Saves,
) -> None:
    """Write whose the steps are, and their times, into a log."""
    whole = log.view(np.int64)
    for j, t in enumerate(times):
        here = slice(offsets[j], offsets[j + 1])
        whole[TRAJECTORY, here], whole[ORDINAL, here] = j, np.arange(len(t) - 1)
        whole[NEXT_SAVE, here] = _next_saves(t[:-1], saves, j, forward=bool(span[1][j] >= span[0][j]))
        log[TIME, here], log[SIZE, here] = t[:-1], np.diff(t)


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
