"""Running compiled programs: kernels made once, lanes packed, work sliced over threads."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.compiler import engine
from diffsim.compiler.kernel import Call, Kernel, address, n_threads, run_blocks
from integrators.compiled.kernel_field import Tangents
from integrators.compiled.kernel_forward import SOUND, ForwardKernel
from integrators.compiled.kernel_rolled import RolledForwardKernel, is_large
from integrators.compiled.plan import Plan
from integrators.compiled.program import Program
from integrators.drivers.run import Tick, allocate

__all__: list[str] = []

SLICE_SECONDS = 0.05
"""Seconds that one call of a kernel should take at most: between calls Ctrl-C is heard and progress told."""

_OPERATION = 2.5e-10
"""Seconds that one operation on a register takes, about: for slices only."""


_SMALL = 10_000


def operation_seconds(n_operations: int) -> float:
    """Return about how long that many operations on a register take: for the size of slices only."""
    return (n_operations + 10) * _OPERATION


@final
@dataclass(frozen=True)
class Machine:
    """A program's machine code for one width of registers.

    Attributes
    ----------
    kernel : Kernel
    block : int
        Lanes of a block.
    cost : float
        Seconds that a step of a block takes, about.
    """

    kernel: Kernel
    block: int
    cost: float

    @functools.cached_property
    def slice_steps(self) -> int:
        """Steps of a block that one call may take."""
        return max(1, int(SLICE_SECONDS / self.cost))


def widths(n_lanes: int, narrow: bool) -> tuple[int, int]:
    """Return lanes a register and registers a block for that many trajectories.

    PERF: W1 on AVX-512, million steps a second: see docs/performance.md for the figures.
    """
    if n_lanes == 1:
        return 1, 1
    wide = engine.host().lanes
    return wide, 1 if narrow or n_lanes <= wide else 2


@functools.lru_cache(maxsize=256)
def forward_machine(
    program: Program, lanes: int, groups: int, tangents: Tangents | None, aside: bool, dense: bool
) -> Machine:
    """Return the machine code of the forward loop; made once."""
    if tangents is None and is_large(program):
        loops = RolledForwardKernel(program, engine.host().shape(), lanes == 1, aside, dense)
        return Machine(Kernel(loops.text()), loops.frame.block, operation_seconds(program.n_operations))
    writer = ForwardKernel(program, engine.host().shape(lanes), groups, tangents, aside, dense)
    cost = operation_seconds(program.n_operations * (1 + writer.field.n_directions) * groups)
    return Machine(Kernel(writer.text()), writer.frame.block, cost)


@final
@dataclass(frozen=True)
class Flown:
    """What a forward loop gave.

    Attributes
    ----------
    out : array, shape (n_saves, width, n_padded)
        Numbers of each trajectory at each save: state, then tangents.
    failed : array of int, shape (n_padded,)
        Number of the step that left the finite numbers; `SOUND` where none did.
    snapshot : array, shape (n, n_padded)
        The state that was not finite.
    final : array, shape (width, n_padded)
        Numbers after the last step.
    given : array, shape (n_parameters, n_padded)
        The parameters, one number a lane.
    """

    out: NDArray[np.float64]
    failed: NDArray[np.int64]
    snapshot: NDArray[np.float64]
    final: NDArray[np.float64]
    given: NDArray[np.float64]


def fly(
    program: Program,
    y0: NDArray[np.float64],
    parameters: Sequence[Any],
    plan: Plan,
    *,
    tangents: Tangents | None = None,
    seeds: NDArray[np.float64] | None = None,
    store: NDArray[np.float64] | None = None,
    narrow: bool = False,
    threads: int | None = None,
    tick: Tick | None = None,
) -> Flown:
    """Integrate a program along a plan.

    Parameters
    ----------
    program : Program
    y0 : array, shape (n, n_lanes)
    parameters : sequence of float or array of shape (n_lanes,)
    plan : Plan
    tangents : Tangents, optional
    seeds : array, shape (n, n_directions, n_lanes), optional
        Tangents at the start.
    store : array, shape (n_steps, n, n_padded), optional
        Where the state after each step goes (without tangents).
    narrow : bool
        Whether blocks are one register wide, as those of the adjoint.
    threads : int, optional
    tick : callable, optional
        Told numbers of steps.

    Returns
    -------
    Flown
    """
    n, n_lanes = y0.shape
    lanes, groups = widths(n_lanes, narrow)
    machine = forward_machine(program, lanes, groups, tangents, plan.has_aside, store is not None)
    n_blocks = -(-n_lanes // machine.block)
    n_padded = n_blocks * machine.block
    rows = y0 if seeds is None else np.concatenate([y0, seeds.reshape(seeds.shape[0] * seeds.shape[1], n_lanes)])
    state = pad(rows, n_padded)
    given = pack(parameters, n_padded)
    out = allocate((plan.n_saves, len(rows), n_padded))
    kept = np.empty((0, n, n_padded)) if store is None else store
    failed = np.empty(n_padded, dtype=np.int64)
    failed.fill(SOUND)
    snapshot = np.empty((n, n_padded))
    if n_lanes:
        per_slice = machine.slice_steps
        entries = plan.entries(per_slice)
        counts, deltas, kinds = entries.addresses
        there = [address(a) for a in (state, given, out, failed, snapshot, kept)]
        at_state, at_given, at_out, at_failed, at_snapshot, at_kept = there
        save_bytes, node_bytes = 8 * len(rows) * n_padded, 8 * n * n_padded
        real = (plan.t0, plan.h, plan.h_last)

        def work(first: int, count: int) -> Iterator[float]:
            for s in entries.slices(max(1, per_slice // count)):
                shift = 8 * s.first
                pointers = (
                    at_state,
                    at_given,
                    at_out + (s.save - plan.first_save) * save_bytes,
                    counts + shift,
                    deltas + shift,
                    kinds + shift,
                    at_failed,
                    at_snapshot,
                    at_kept + (s.step - plan.first) * node_bytes,
                )
                call = Call(pointers, (s.last - s.first, s.step, plan.k_last, n_padded), real)
                machine.kernel(call, first, count)
                yield float(s.n_steps * min(count * machine.block, n_lanes - first * machine.block))

        used = 1 if n_blocks == 1 else n_threads(threads)
        run_blocks(work, n_blocks, chunk_of_blocks(machine.cost, plan.n_steps, n_blocks, used), used, tick)
    return Flown(out, failed, snapshot, state, given)


def chunk_of_blocks(cost: float, n_steps: int, n_blocks: int, threads: int) -> int:
    """Return how many blocks to work on together: enough to be worth a call, few enough to share among threads."""
    if n_blocks == 1:
        return 1
    whole = cost * max(n_steps, 1)
    fair = -(-n_blocks // (4 * threads))
    return int(min(max(1, SLICE_SECONDS / whole), max(1, fair)))


def pad(rows: NDArray[np.float64], n_padded: int) -> NDArray[np.float64]:
    """Return a contiguous copy with the last lane repeated up to the padded number of lanes."""
    n_lanes = rows.shape[1]
    if n_lanes == n_padded:
        return np.array(rows, order="C")
    out = np.empty((len(rows), n_padded))
    out[:, :n_lanes] = rows
    if n_padded > n_lanes:
        out[:, n_lanes:] = rows[:, n_lanes - 1 : n_lanes]
    return out


def pack(parameters: Any, n_padded: int) -> NDArray[np.float64]:
    """Return parameters as an array (n_parameters, n_padded), one number a lane; one that is so already as it is."""
    if parameters.__class__ is np.ndarray and parameters.ndim == 2 and parameters.shape[1] == n_padded:
        return np.ascontiguousarray(parameters)
    if all(x.__class__ is float for x in parameters) and len(parameters):
        column = np.array(parameters)[:, None]
        return column if n_padded == 1 else np.repeat(column, n_padded, axis=1)
    out = np.empty((max(len(parameters), 1), n_padded))
    for j, value in enumerate(parameters):
        if isinstance(value, np.ndarray) and value.ndim:
            out[j, : len(value)] = value
            out[j, len(value) :] = value[-1:]
        else:
            out[j] = value
    return out


def finite(x: Any) -> bool:
    """Whether all numbers of a plain array are finite."""
    if x.size < _SMALL:
        return bool(np.isfinite(x).all())
    with np.errstate(all="ignore"):  # PERF: the sum of large arrays takes a third of the time
        return math.isfinite(float(np.add.reduce(x, axis=None)))
