"""Running walks along known steps: each trajectory along its own, forward with tangents, and back."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.compiler import engine
from diffsim.compiler.kernel import Call, Kernel, address, n_threads, run_blocks
from integrators.compiled.kernel_clock import MISSING
from integrators.compiled.kernel_field import Tangents
from integrators.compiled.kernel_walk import WalkKernel
from integrators.compiled.kernel_walk_back import WalkBackKernel
from integrators.compiled.machine import Machine, chunk_of_blocks, operation_seconds, pack, pad
from integrators.compiled.program import Program
from integrators.compiled.steps import Steps

__all__: list[str] = []


@final
@dataclass(frozen=True, eq=False)
class Track:
    """Known steps of m trajectories.

    Attributes
    ----------
    lead : array, shape (n_leading, n_columns)
        Time and size of each step (and what else a program takes before the state).
    order : array of int, shape (n_columns,)
    first, count : array of int, shape (m,)
        Step k of trajectory j lies in column ``order[first[j] + k]``, for k below ``count[j]``.
    slot : array of int, shape (n_columns,)
        Where the state before a step is stored; `MISSING` where it is not.
    n_stored : int
        Number of stored states.
    """

    lead: NDArray[np.float64]
    order: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    slot: NDArray[np.int64]
    n_stored: int

    @classmethod
    def of_single_steps(cls, lead: NDArray[np.float64]) -> Track:
        """Return the track on which trajectory j makes the one step of column j."""
        m = lead.shape[1]
        every = np.arange(m, dtype=np.int64)
        return cls(lead, every, every, np.ones(m, dtype=np.int64), np.full(m, MISSING), 0)

    @classmethod
    def of_steps(cls, lead: NDArray[np.float64], steps: Steps) -> Track:
        """Return the track along all steps of a search, whose states are stored column by column."""
        every = np.arange(steps.n_logged)
        return cls(lead, steps.order, steps.offsets[:-1], steps.counts, every, len(every))

    @classmethod
    def of_one(cls, lead: NDArray[np.float64]) -> Track:
        """Return the track of one trajectory along all columns, whose states are stored."""
        k = lead.shape[1]
        every = np.arange(k, dtype=np.int64)
        return cls(lead, every, np.zeros(1, dtype=np.int64), np.array([k]), every, k)

    @functools.cached_property
    def n_steps(self) -> int:
        """Steps of the longest trajectory."""
        return int(self.count.max(initial=0))

    @functools.cached_property
    def sequence(self) -> NDArray[np.intp]:
        """The trajectories, those with the most steps first: neighbours in a block have about as many."""
        return np.argsort(-self.count, kind="stable")

    def arrays(self, n_padded: int, block: int) -> list[NDArray[Any]]:
        """Return what the kernels read, in sequence: LEAD, ORDER, FIRST, COUNT, LONGEST, SLOT; none is empty."""
        first, count = (np.zeros(n_padded, dtype=np.int64) for _ in range(2))
        m = len(self.count)
        first[:m], count[:m] = self.first[self.sequence], self.count[self.sequence]
        longest = count.reshape(-1, block).max(axis=1)
        some = self.lead if self.lead.shape[1] else np.zeros((len(self.lead), 1))
        order, slot = (x if len(x) else np.zeros(1, dtype=np.int64) for x in (self.order, self.slot))
        return [np.ascontiguousarray(x) for x in (some, order, first, count, longest, slot)]


@functools.lru_cache(maxsize=256)
def _walk_machine(program: Program, lanes: int, groups: int, tangents: Tangents | None) -> Machine:
    writer = WalkKernel(program, engine.host().shape(lanes), groups, tangents)
    cost = operation_seconds(program.n_operations * (1 + writer.field.n_directions) * groups)
    return Machine(Kernel(writer.text()), writer.frame.block, cost)


@functools.lru_cache(maxsize=128)
def _back_machine(program: Program, lanes: int, active: tuple[int, ...], guarded: bool) -> Machine:
    writer = WalkBackKernel(program, engine.host().shape(lanes), active, guarded)
    n_stages = 1 if program.scheme is None else program.scheme.n_stages
    cost = operation_seconds(writer.pull.graph.n_operations * n_stages)
    return Machine(Kernel(writer.text()), writer.frame.block, cost)


def walk(
    program: Program,
    y0: NDArray[np.float64],
    parameters: Sequence[Any],
    track: Track,
    *,
    tangents: Tangents | None = None,
    seeds: NDArray[np.float64] | None = None,
    threads: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Walk along known steps.

    Parameters
    ----------
    program : Program
    y0 : array, shape (n, m)
    parameters : sequence of float or array of shape (m,)
    track : Track
    tangents : Tangents, optional
    seeds : array, shape (n, n_directions, m), optional
        Tangents at the start.
    threads : int, optional

    Returns
    -------
    array, shape (width, m)
        Numbers of each trajectory at its end: state, then tangents.
    array, shape (width, n_stored)
        Those before the steps that have a slot.
    """
    m = y0.shape[1]
    rows = y0 if seeds is None else np.concatenate([y0, seeds.reshape(-1, m)])
    stored = np.empty((len(rows), track.n_stored))
    if not m:
        return rows, stored
    lanes = 1 if m == 1 else engine.host().lanes
    machine = _walk_machine(program, lanes, 1 if m <= lanes else 2, tangents)
    n_blocks = -(-m // machine.block)
    n_padded = n_blocks * machine.block
    state = pad(rows[:, track.sequence], n_padded)
    given = pack(_arranged(parameters, track.sequence), n_padded)
    arrays = track.arrays(n_padded, machine.block)
    room = stored if stored.size else np.empty(1)
    pointers = [address(a) for a in (state, given, *arrays, room)]
    columns, longest = arrays[0].shape[1], arrays[4]

    def work(first: int, count: int) -> Iterator[float]:
        per_slice = max(1, machine.slice_steps // count)
        for begin in range(0, int(longest[first : first + count].max()), per_slice):
            machine.kernel(
                Call(pointers, (n_padded, columns, max(track.n_stored, 1), begin, begin + per_slice), ()), first, count
            )
            yield 0.0

    used = 1 if n_blocks == 1 else n_threads(threads)
    run_blocks(work, n_blocks, chunk_of_blocks(machine.cost, track.n_steps, n_blocks, used), used)
    ends = np.empty_like(rows)
    ends[:, track.sequence] = state[:, :m]
    return ends, stored


def _arranged(parameters: Sequence[Any], sequence: NDArray[np.intp]) -> list[Any]:
    """Return parameters, those that differ between trajectories in sequence."""
    return [x[sequence] if np.ndim(x) else x for x in parameters]


def walk_back(
    program: Program,
    parameters: Sequence[Any],
    track: Track,
    states: NDArray[np.float64],
    ends: NDArray[np.float64],
    seeds: NDArray[np.float64],
    active: tuple[int, ...],
    *,
    guarded: bool = False,
    threads: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Send cotangents back along known steps.

    Parameters
    ----------
    program : Program
    parameters : sequence of float or array of shape (m,)
    track : Track
    states : array, shape (n, n_columns)
        State before each step.
    ends : array, shape (n, m)
        Cotangents of the states at the end.
    seeds : array, shape (n, n_stored)
        Those of the stored states.
    active : tuple of int
        Parameters whose cotangents are wanted.
    guarded : bool
        Whether ``0 * inf`` counts as 0.
    threads : int, optional

    Returns
    -------
    array, shape (n, m)
        Cotangent of the start.
    array, shape (n_active, m)
        Cotangents of the active parameters, of each trajectory.
    """
    m = ends.shape[1]
    if not m:
        return ends, np.zeros((len(active), 0))
    machine = _back_machine(program, 1 if m == 1 else engine.host().lanes, active, guarded)
    n_blocks = -(-m // machine.block)
    n_padded = n_blocks * machine.block
    bar, sums = np.zeros((program.n, n_padded)), np.zeros((max(len(active), 1), n_padded))
    bar[:, :m] = ends[:, track.sequence]
    given = pack(_arranged(parameters, track.sequence), n_padded)
    arrays = track.arrays(n_padded, machine.block)
    there = [x if x.size else np.zeros((program.n, 1)) for x in map(np.ascontiguousarray, (states, seeds))]
    pointers = [address(a) for a in (bar, given, *arrays, *there, sums)]
    columns, stored, longest = arrays[0].shape[1], max(track.n_stored, 1), arrays[4]

    def work(first: int, count: int) -> Iterator[float]:
        per_slice = max(1, machine.slice_steps // count)
        for begin in reversed(range(0, int(longest[first : first + count].max()), per_slice)):
            machine.kernel(Call(pointers, (n_padded, columns, stored, begin, begin + per_slice), ()), first, count)
            yield 0.0

    used = 1 if n_blocks == 1 else n_threads(threads)
    run_blocks(work, n_blocks, chunk_of_blocks(machine.cost, track.n_steps, n_blocks, used), used)
    start, own = np.empty((program.n, m)), np.empty((len(active), m))
    start[:, track.sequence], own[:, track.sequence] = bar[:, :m], sums[: len(active), :m]
    return start, own
