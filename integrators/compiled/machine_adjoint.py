"""Running compiled adjoints: states stored, or checkpoints and the stretches between them computed again."""

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
from integrators.compiled.kernel_adjoint import AdjointKernel
from integrators.compiled.kernel_rolled import is_large
from integrators.compiled.kernel_rolled_adjoint import RolledAdjointKernel
from integrators.compiled.machine import Machine, chunk_of_blocks, finite, fly, operation_seconds, pack, pad
from integrators.compiled.plan import Plan
from integrators.compiled.program import Program

__all__: list[str] = []

FEW = 4
"""Steps whose states are stored whatever the memory: below, halving goes on to no gain."""


@functools.lru_cache(maxsize=128)
def adjoint_machine(
    program: Program, lanes: int, active: tuple[int, ...], aside: bool, guarded: bool = False
) -> Machine:
    """Return the machine code of the adjoint loop; made once."""
    if is_large(program):
        loops = RolledAdjointKernel(program, engine.host().shape(), lanes == 1, active, aside)
        return Machine(Kernel(loops.text()), loops.frame.block, operation_seconds(loops.n_operations))
    writer = AdjointKernel(program, engine.host().shape(lanes), active, aside, guarded)
    n_stages = 1 if program.scheme is None else program.scheme.n_stages
    return Machine(
        Kernel(writer.text()), writer.frame.block, operation_seconds(writer.pull.graph.n_operations * n_stages)
    )


@final
@dataclass(frozen=True)
class Pulled:
    """What an adjoint loop gave.

    Attributes
    ----------
    start : array, shape (n, n_lanes)
        Cotangent of the start.
    parameters : array, shape (n_active, n_lanes)
        Cotangents of the active parameters, of each lane.
    """

    start: NDArray[np.float64]
    parameters: NDArray[np.float64]


@final
class Pullback:
    """The way back through a solve.

    Parameters
    ----------
    program : Program
    y0 : array, shape (n, n_lanes)
    parameters : sequence of float or array of shape (n_lanes,)
    plan : Plan
    active : tuple of int
        Parameters whose cotangents are wanted.
    memory : float
        Bytes that may be spent on stored states.
    threads : int, optional
    """

    def __init__(
        self,
        program: Program,
        y0: NDArray[np.float64],
        parameters: Sequence[Any],
        plan: Plan,
        active: tuple[int, ...],
        memory: float,
        threads: int | None = None,
    ) -> None:
        self.program, self.plan, self.active, self.threads = program, plan, active, threads
        n_lanes = y0.shape[1]
        self._width = 1 if n_lanes == 1 else engine.host().lanes
        self.machine = adjoint_machine(program, self._width, active, plan.has_aside)
        self.n_lanes, self.y0, self.parameters = n_lanes, y0, parameters
        self.n_blocks = -(-n_lanes // self.machine.block)
        self.n_padded = self.n_blocks * self.machine.block
        self.given = pack(parameters, self.n_padded)
        self.room = int(memory // (8 * program.n * max(self.n_padded, 1)))

    def __call__(self, seeds: NDArray[np.float64], store: NDArray[np.float64] | None = None) -> Pulled:
        """Send cotangents of the saved states back.

        Parameters
        ----------
        seeds : array, shape (n_saves, n, n_lanes)
        store : array, shape (n_steps + 1, n, n_stored), optional
            The states at all nodes, where they were kept.
        """
        n, lanes = self.program.n, self.n_lanes
        if lanes == self.n_padded:
            self._seeds = np.array(seeds, order="C")
        else:
            self._seeds = np.zeros((len(seeds), n, self.n_padded))
            self._seeds[:, :, :lanes] = seeds
        pulled = self._pulled(store)
        sound = finite(pulled.start) and (not self.active or finite(pulled.parameters))
        if sound or is_large(self.program) or not finite(seeds):
            return pulled
        # NOTE: 0 * inf is NaN in the fast loop; where a guarded one has better to say, it is the answer
        self.machine = adjoint_machine(self.program, self._width, self.active, self.plan.has_aside, True)
        return self._pulled(store)

    def _pulled(self, store: NDArray[np.float64] | None) -> Pulled:
        n, lanes = self.program.n, self.n_lanes
        self._bar, self._sums = np.zeros((n, self.n_padded)), np.zeros((max(len(self.active), 1), self.n_padded))
        if lanes and store is not None and store.shape[2] == self.n_padded:
            self._sweep(self.plan, store)
        elif lanes:
            self._stretch(self.plan, pad(self.y0, self.n_padded), self.room)
        return Pulled(self._bar[:, :lanes], self._sums[: len(self.active), :lanes])

    def _stretch(self, plan: Plan, start: NDArray[np.float64], room: int) -> None:
        """Go back through a stretch of the solve, given the state at its start and room for so many states."""
        none = np.zeros(0, dtype=np.intp)
        if plan.n_steps < max(room, FEW):
            store = np.empty((plan.n_steps + 1, *start.shape))
            store[0] = start
            self._fly(plan.saving(none), start, store[1:])
            self._sweep(plan, store)
            return
        stretches = plan.stretches(max(2, min(math.isqrt(plan.n_steps) + 1, room // 2)))
        marks = np.array([stretch.first for stretch in stretches], dtype=np.intp)
        starts = self._fly(plan.saving(marks), start, None)
        for stretch, at in zip(reversed(stretches), starts[::-1], strict=True):
            self._stretch(stretch, at, room - len(starts))

    def _fly(self, plan: Plan, start: NDArray[np.float64], store: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Integrate a stretch again; returns what the plan saves, shape (n_saves, n, n_padded)."""
        flown = fly(self.program, start, list(self.given), plan, store=store, narrow=True, threads=self.threads)
        return flown.out

    def _sweep(self, plan: Plan, store: NDArray[np.float64]) -> None:
        """Go back through a stretch all of whose states are stored."""
        per_slice = self.machine.slice_steps
        entries = plan.entries(per_slice)
        counts, deltas, kinds = entries.addresses
        at_bar, at_given, at_store, at_seeds, at_sums = (
            address(a) for a in (self._bar, self.given, store, self._seeds, self._sums)
        )
        at_store -= plan.first * store.strides[0]
        real = (plan.t0, plan.h, plan.h_last)

        def work(first: int, count: int) -> Iterator[float]:
            for s in reversed(list(entries.slices(max(1, per_slice // count)))):
                shift = 8 * s.first
                pointers = (
                    at_bar,
                    at_given,
                    at_store,
                    at_seeds,
                    counts + shift,
                    deltas + shift,
                    kinds + shift,
                    at_sums,
                )
                whole = (s.last - s.first, s.step + s.n_steps, plan.k_last, self.n_padded, s.save_end)
                self.machine.kernel(Call(pointers, whole, real), first, count)
                yield float(s.n_steps * count)

        used = 1 if self.n_blocks == 1 else n_threads(self.threads)
        run_blocks(work, self.n_blocks, chunk_of_blocks(self.machine.cost, plan.n_steps, self.n_blocks, used), used)
