"""Searching the steps of trajectories that choose their own: the kernels run, their logs gathered."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.compiler import engine
from diffsim.compiler.kernel import Call, Kernel, address, n_threads, run_blocks
from integrators.compiled.kernel_search import HEAD, LOGGED, RUNNING, SearchKernel
from integrators.compiled.kernel_start import StartKernel
from integrators.compiled.machine import SLICE_SECONDS, operation_seconds, pack, pad
from integrators.compiled.program import Pair, Program
from integrators.drivers.run import Tick

__all__: list[str] = []

_SMALLEST_LOG, _LARGEST_LOG = 512, 65_536
_CONTROL = 60
"""Operations of the control of a step, about."""


@final
@dataclass(frozen=True)
class Bounds:
    """What the choice of steps depends on, for n components.

    Attributes
    ----------
    tolerance : array, shape (2, n)
        rtol and atol.
    first_step : float or None
    max_step, min_step : float
    max_steps : int
        Attempts.
    filter : tuple of float
        safety, smallest and largest factor, and an exponent for each error ratio that the controller looks at.
    """

    tolerance: NDArray[np.float64]
    first_step: float | None
    max_step: float
    min_step: float
    max_steps: int
    filter: tuple[float, ...]


@final
@dataclass(frozen=True)
class Saves:
    """Save times of m trajectories.

    Attributes
    ----------
    times : array, shape (n_all,)
    first, last : array of int, shape (m,)
        Those of a trajectory are ``times[first:last]``, in its direction.
    every : bool
        Whether all steps are wanted as well.
    """

    times: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    every: bool = False


@final
@dataclass(frozen=True, eq=False)
class Steps:
    """Logged steps of m trajectories, in the order in which they were made.

    Attributes
    ----------
    log : array, shape (5 + n, n_logged)
        See `kernel_search`: trajectory, ordinal, next save (bit patterns of whole numbers), time, step, state.
    offsets : array of int, shape (m + 1,)
    order : array of int, shape (n_logged,)
        Step k of trajectory j lies in column ``order[offsets[j] + k]``.
    """

    log: NDArray[np.float64]
    offsets: NDArray[np.int64]
    order: NDArray[np.int64]

    @property
    def trajectory(self) -> NDArray[np.int64]:
        """Trajectory of each column."""
        found: NDArray[np.int64] = self.log[0].view(np.int64)
        return found

    @property
    def save(self) -> NDArray[np.int64]:
        """Number of the first save time that is not before each step."""
        found: NDArray[np.int64] = self.log[2].view(np.int64)
        return found

    @property
    def t(self) -> NDArray[np.float64]:
        """Start of each step."""
        row: NDArray[np.float64] = self.log[3]
        return row

    @property
    def h(self) -> NDArray[np.float64]:
        """Size of each step."""
        row: NDArray[np.float64] = self.log[4]
        return row

    @property
    def y(self) -> NDArray[np.float64]:
        """State at the start of each step, shape (n, n_logged)."""
        return self.log[HEAD:]


@final
@dataclass(frozen=True, eq=False)
class Found:
    """What a search gave, for m trajectories.

    Attributes
    ----------
    steps : Steps
    y : array, shape (n, m)
        State where it ended.
    t, h : array, shape (m,)
        Time where it ended, and the size of the next step.
    why, attempts, accepted : array of int, shape (m,)
    """

    steps: Steps
    y: NDArray[np.float64]
    t: NDArray[np.float64]
    h: NDArray[np.float64]
    why: NDArray[np.int64]
    attempts: NDArray[np.int64]
    accepted: NDArray[np.int64]


@final
@dataclass(frozen=True)
class _Machine:
    kernel: Kernel
    block: int
    bytes: int
    cost: float


@functools.lru_cache(maxsize=128)
def _search_machine(program: Program, pair: Pair, memory: int, lanes: int, groups: int) -> _Machine:
    """Return the machine code of the search; made once."""
    writer = SearchKernel(program, pair, memory, engine.host().shape(lanes), groups)
    kernel = Kernel(writer.text())
    operations = program.graph.n_operations * pair.n_stages + _CONTROL + 3 * program.n * pair.n_stages
    return _Machine(kernel, writer.frame.block, writer.bytes, operation_seconds(operations) * groups)


@functools.lru_cache(maxsize=128)
def _start_machine(program: Program, order: int, lanes: int) -> Kernel:
    return Kernel(StartKernel(program, order, engine.host().shape(lanes)).text())


def search(
    program: Program,
    pair: Pair,
    y0: NDArray[np.float64],
    parameters: Sequence[Any],
    span: tuple[NDArray[np.float64], NDArray[np.float64]],
    saves: Saves,
    bounds: Bounds,
    *,
    threads: int | None = None,
    tick: Tick | None = None,
) -> Found:
    """Integrate trajectories with steps of their own choice.

    Parameters
    ----------
    program : Program
        The right-hand side.
    pair : Pair
    y0 : array, shape (n, m)
    parameters : sequence of float or array of shape (m,)
    span : (t0, t1), arrays of shape (m,)
        No two ends are equal.
    saves : Saves
    bounds : Bounds
    threads : int, optional
    tick : callable, optional
        Told how many trajectories have ended.

    Returns
    -------
    Found
    """
    n, m = y0.shape
    lanes = 1 if m == 1 else engine.host().lanes
    machine = _search_machine(program, pair, len(bounds.filter) - 4, lanes, 1 if m <= lanes else 2)
    stride = -(-m // lanes) * lanes
    start, given = pad(y0, stride), pack(parameters, stride)
    ends = [pad(np.asarray(x, dtype=np.float64)[None], stride) for x in span]
    derivative, first_step = np.empty((n, stride)), np.empty(stride)
    tolerance = np.ascontiguousarray(bounds.tolerance)
    if m:
        call = Call(
            [address(a) for a in (start, given, *ends, tolerance, derivative, first_step)],
            (stride,),
            (bounds.max_step,),
        )
        _start_machine(program, pair.order, lanes)(call, 0, stride // lanes)
    if bounds.first_step is not None:
        first_step.fill(bounds.first_step)
    first, last = (pad_whole(x, stride) for x in (saves.first, saves.last))
    times = saves.times if len(saves.times) else np.zeros(1)
    end, counts = np.empty((n + 2, stride)), np.zeros((4, stride), dtype=np.int64)
    before = [address(a) for a in (start, given, derivative, first_step, *ends, times, first, last, tolerance)]
    budget = max(1, int(SLICE_SECONDS / machine.cost))
    parts: dict[int, list[NDArray[np.float64]]] = {}

    def work(beginning: int, count: int) -> Iterator[float]:
        logs: list[NDArray[np.float64]] = []
        parts[beginning] = logs
        workspace = np.zeros(machine.bytes // 8 + 8)
        skipped = -address(workspace) % 64 // 8
        header = workspace[skipped:].view(np.int64)
        at_work, call_first, done = address(workspace) + 8 * skipped, beginning, 0
        while True:
            capacity = min(max(_SMALLEST_LOG << len(logs), 4 * machine.block), _LARGEST_LOG)
            log = np.empty((HEAD + n, capacity))
            header[LOGGED] = 0
            pointers = [at_work, *before, address(log), address(end), address(counts)]
            whole = (stride, capacity, budget, int(saves.every), bounds.max_steps)
            machine.kernel(Call(pointers, whole, (bounds.max_step, bounds.min_step, *bounds.filter)), call_first, count)
            call_first = -1
            if header[LOGGED]:
                logs.append(log[:, : int(header[LOGGED])])
            ended = count - int(header[RUNNING]) if header[RUNNING] < min(count, machine.block) else 0
            yield float(max(ended - done, 0))
            done = max(ended, done)
            if header[RUNNING] <= 0:
                return

    used = 1 if m <= machine.block else n_threads(threads)
    run_blocks(work, m, _chunk(m, machine.block, used), used, tick)
    found = [part for beginning in sorted(parts) for part in parts[beginning]]
    log = found[0] if len(found) == 1 else np.concatenate([np.empty((HEAD + n, 0)), *found], axis=1)
    return Found(_ordered(log, counts[3, :m]), end[:n, :m], end[n, :m], end[n + 1, :m], *counts[:3, :m])


def _chunk(m: int, block: int, threads: int) -> int:
    """Return how many trajectories a worker takes at a time: many, so that its lanes are refilled."""
    if threads == 1:
        return max(m, 1)
    return max(4 * block, -(-m // (4 * threads)))


def pad_whole(x: NDArray[np.int64], n_padded: int) -> NDArray[np.int64]:
    """Return a contiguous copy with the last number repeated."""
    out = np.empty(n_padded, dtype=np.int64)
    out[: len(x)] = x
    out[len(x) :] = x[-1:]
    return out


def _ordered(log: NDArray[np.float64], logged: NDArray[np.int64]) -> Steps:
    offsets = np.zeros(len(logged) + 1, dtype=np.int64)
    np.cumsum(logged, out=offsets[1:])
    order = np.empty(log.shape[1], dtype=np.int64)
    order[offsets[log[0].view(np.int64)] + log[1].view(np.int64)] = np.arange(log.shape[1])
    return Steps(log, offsets, order)
