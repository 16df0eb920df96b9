"""Batches: a System takes all lanes at once, in chunks that stay in the cache; a plain function lane by lane."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from diffsim import array_ops, replay
from diffsim.number import Number
from integrators.drivers.batch_events import with_events
from integrators.drivers.pieces import joined
from integrators.drivers.problem import Problem
from integrators.drivers.run import Run, Tick, allocate
from integrators.drivers.sensitivity import Selection, run_block

__all__: list[str] = []

CHUNK_NUMBERS = 80_000
"""Numbers (states and tangents) in a chunk of lanes.

PERF: RK4 on the double pendulum with 4 tangents (20 numbers a lane), million steps a second on one core by lanes in a
chunk: 512: 0.5, 1024: 0.8, 2048: 1.2, 4096: 1.5, 8192: 1.5.  Below, Python's cost of an operation shows; far above, the
cache ends.
"""

_COUNTS = ("nfev", "n_times", "njev", "nlu")

_HEAP_BYTES = 31 * 2**20


def run_interpreted(problem: Problem, selection: Selection, tick: Tick | None) -> Run:
    """Integrate all trajectories of a problem in Python.

    Returns
    -------
    Run
        With ``y`` of shape (n, *batch, n_times) and ``dy`` of shape (n, n_directions, *batch, n_times) or None.
    """
    batch = problem.batch
    changes = problem.lane_parameters() if problem.elementwise else {}
    if batch == ():
        return run_block(
            problem, selection, problem.y0, {}, column=problem.vectorized, strict=problem.strict, tick=tick
        )
    if problem.singly:
        return _run_each(problem, selection, tick)
    if problem.elementwise:
        return shaped(_run_lanes(problem, selection, changes, tick), batch)
    if problem.vectorized and problem.grid is not None and 0 not in batch and not problem.method.by_lane:
        return run_block(problem, selection, problem.y0, {}, tick=tick)
    return _run_each(problem, selection, tick)


def _run_each(problem: Problem, selection: Selection, tick: Tick | None) -> Run:
    """Integrate lane by lane: what each lane gets is what a single solve gives."""
    runs = []
    for spot in np.ndindex(*problem.batch):
        one = problem.at(spot)
        runs.append(run_block(one, selection, one.y0, {}, column=problem.vectorized, strict=False, tick=tick))
    return together(problem, selection, runs)


def together(problem: Problem, selection: Selection, runs: Sequence[Run]) -> Run:
    """Return the runs of single trajectories as that of the batch, in its shape."""
    joined = shaped(side_by_side(problem, selection, [_with_lane_axis(run) for run in runs]), problem.batch)
    if not problem.watched:
        return joined
    return with_events(joined, runs, problem.batch, problem.y0.shape[0], len(problem.events or ()))


def _run_lanes(problem: Problem, selection: Selection, changes: dict[str, Any], tick: Tick | None) -> Run:
    """Integrate all lanes of an elementwise right-hand side, chunk by chunk."""
    n, n_lanes = problem.y0.shape[0], int(np.prod(problem.batch))
    y0 = array_ops.reshape(problem.y0, (n, n_lanes))
    if problem.recording or replay.is_active():  # the same block, then, whatever the kind of number
        return run_block(problem.some(slice(n_lanes)), selection, y0, changes, tick=tick)
    _keep_heap()
    out = None
    if problem.grid is not None and not selection and not np.iscomplexobj(y0):
        out = allocate((len(problem.grid.t), n, n_lanes))
    runs = []
    for lanes in chunks(n_lanes, n * (1 + selection.n_directions)):
        block = {name: value[lanes] for name, value in changes.items()}
        target = None if out is None else out[:, :, lanes]
        runs.append(run_block(problem.some(lanes), selection, y0[:, lanes], block, tick=tick, out=target))
    if out is None or problem.grid is None:
        return side_by_side(problem, selection, runs)
    bare = side_by_side(problem, selection, [dataclasses.replace(run, y=run.y[..., :0]) for run in runs], bare=True)
    return dataclasses.replace(bare, t=problem.grid.t, y=np.moveaxis(out, 0, -1))


def _keep_heap() -> None:
    """Let the C library keep the memory of intermediate arrays instead of returning and asking for it at each step.

    PERF: with glibc, 10 page faults a step and a quarter of the time of a solve.  Its threshold for giving memory back
    follows the largest block that was freed; a block that is never touched costs nothing.
    """
    np.empty(_HEAP_BYTES, dtype=np.uint8)


def chunks(n_lanes: int, numbers_per_lane: int) -> Iterator[slice]:
    """Yield the slices of lanes that are integrated together: all of about one width.

    >>> list(chunks(0, 4)), [(s.start, s.stop) for s in chunks(10_000, 20)]
    ([], [(0, 3333), (3333, 6666), (6666, 10000)])
    """
    width = max(64, CHUNK_NUMBERS // numbers_per_lane)
    n_chunks = -(-n_lanes // width)
    edges = [n_lanes * i // n_chunks for i in range(n_chunks + 1)] if n_chunks else []
    yield from (slice(low, high) for low, high in itertools.pairwise(edges))


def side_by_side(problem: Problem, selection: Selection, runs: Sequence[Run], bare: bool = False) -> Run:
    """Return blocks (n, m_i, n_times_i) side by side; what ended early is padded with NaN.

    Where each lane has its own times ``t`` is ``(m, n_times)``, padded with NaN.
    The states of `bare` blocks lie elsewhere.
    """
    t, n = problem.given_times, problem.y0.shape[0]
    n_times = t.shape[-1] if t is not None else max((run.y.shape[-1] for run in runs), default=0)
    if not runs:
        nothing = np.zeros(0, dtype=np.intp)
        dy = np.zeros((n, selection.n_directions, 0, n_times)) if selection else None
        times = t if t is not None else np.zeros((0, n_times))
        sol = joined([], n) if problem.dense else None
        return Run(times, np.zeros((n, 0, n_times)), nothing, nothing.astype(object), nothing, nothing, dy, sol=sol)
    if bare:
        n_times = 0
    return Run(
        t if t is not None else np.concatenate([_padded(run.t, n_times) for run in runs]),
        _concatenated([_padded(run.y, n_times) for run in runs], axis=1),
        np.concatenate([run.status for run in runs]),
        np.concatenate([run.message for run in runs]),
        np.concatenate([run.nfev for run in runs]),
        np.concatenate([run.n_times for run in runs]),
        _concatenated([_padded(run.dy, n_times) for run in runs], axis=2) if selection else None,
        njev=np.concatenate([np.broadcast_to(run.njev, run.status.shape) for run in runs]),
        nlu=np.concatenate([np.broadcast_to(run.nlu, run.status.shape) for run in runs]),
        sol=joined([run.sol for run in runs], n) if problem.dense else None,
        apart=max(run.apart for run in runs),
    )


def _concatenated(parts: list[Any], axis: int) -> Any:
    """Concatenate arrays of any kind of number."""
    if len(parts) == 1:
        return parts[0]
    recording = any(isinstance(part, Number) for part in parts)
    return array_ops.concatenate(parts, axis=axis) if recording else np.concatenate(parts, axis=axis)


def _padded(x: Any, n_times: int) -> Any:
    """Return x with NaN appended on its last axis, up to the given length."""
    missing = n_times - x.shape[-1]
    if missing <= 0:
        return x
    parts = [x, np.full((*x.shape[:-1], missing), np.nan)]
    return array_ops.concatenate(parts, axis=-1) if isinstance(x, Number) else np.concatenate(parts, axis=-1)


def _with_lane_axis(run: Run) -> Run:
    """Return a single trajectory as a block of one lane."""
    return dataclasses.replace(
        run,
        t=run.t[None],
        y=run.y[:, None],
        status=np.array([run.status]),
        message=np.array([run.message], dtype=object),
        dy=None if run.dy is None else run.dy[:, :, None],
        **{name: np.array([getattr(run, name)]) for name in _COUNTS},
    )


def shaped(run: Run, batch: tuple[int, ...]) -> Run:
    """Return a block of lanes in the shape of the batch."""

    def spread(x: Any, axis: int) -> Any:
        return array_ops.reshape(x, (*x.shape[:axis], *batch, *x.shape[axis + 1 :]))

    return dataclasses.replace(
        run,
        t=run.t if run.t.ndim == 1 else spread(run.t, 0),
        y=spread(run.y, 1),
        status=run.status.reshape(batch),
        message=run.message.reshape(batch),
        dy=None if run.dy is None else spread(run.dy, 2),
        **{name: np.broadcast_to(getattr(run, name), (run.status.size,)).reshape(batch) for name in _COUNTS},
    )
