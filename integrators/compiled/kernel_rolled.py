"""The forward kernel of a large program: loops over components instead of straight-line code.

The right-hand side is rolled (`diffsim.rolling`), and each of its results goes into the rows of the scheme in the loop
that computes it.  For a single trajectory the lanes of a register are components that lie side by side; for many, each
lane is a trajectory.  Called as the other kernels are.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import final

from diffsim.compiler.cursors import Cursor, Place
from diffsim.compiler.emitter import Shape, Value, hexadecimal
from diffsim.families import Loop, Rolled, is_arithmetic
from diffsim.rolling import roll
from integrators.compiled.kernel_forward import (
    COUNTS,
    DELTAS,
    FAILED,
    H_LAST,
    K_FIRST,
    K_LAST,
    KINDS,
    N_ENTRIES,
    OUT,
    PARAMETERS,
    SNAPSHOT,
    SOUND,
    STATE,
    STORE,
    STRIDE,
    H,
)
from integrators.compiled.kernel_frame import NUMBER
from integrators.compiled.kernel_room import Block, Room, adding, stage_time, time_of
from integrators.compiled.plan import ASIDE, SAVE
from integrators.compiled.program import Program

__all__: list[str] = []

_INLINED = 120
"""Operations of a stage that are written out for every stage; more become functions that each stage calls."""

SMALLEST = 140
"""Operations of a right-hand side that are worth loops, a function of the library counted as eight; below, a step is
straight-line code.

PERF: gradients of single trajectories are equally fast at 80 (Lorenz-96) to 180 operations (springs), batches of 64 at
200; loops compile in a third of the time.  Lorenz-96 with 32 components, AVX-512: gradient of 500 steps 0.33 ms with
loops, 0.36 ms without; 64 trajectories 0.81 ms and 0.59 ms.  See docs/compiling.md.
"""
_OF_A_CALL = 8
_OF_A_LOOP = 16
"""Operations for each loop that a whole step must have to be written as loops, unless it is very large.

PERF: the step of Kvaerno3 for the double pendulum has 5,161 operations in 1,210 loops: as loops its first solve takes
7.9 s, and 12 us a step; written out 2.2 s, and 7 us.  That of a chain of 80 with Tao4 has 5,037 operations in 51 loops.
"""
_MOST_WRITTEN_OUT = 20_000


@functools.lru_cache(maxsize=1024)
def is_large(program: Program) -> bool:
    """Whether a program is written as loops."""
    calls = sum(not is_arithmetic(name) for name in program.graph.count().elements())
    n_operations = program.graph.n_operations
    if n_operations + (_OF_A_CALL - 1) * calls < SMALLEST:
        return False
    if program.scheme is not None or n_operations > _MOST_WRITTEN_OUT:
        return True
    loops = as_loops(program)
    return n_operations >= _OF_A_LOOP * (len(loops.loops) + len(loops.held))


@functools.lru_cache(maxsize=64)
def as_loops(program: Program) -> Rolled:
    """Return the program's graph as loops; made once."""
    leading = {"time": 1} if program.scheme is not None else {"time": 1, "step": 1}
    sizes = leading | {"state": program.n, "parameter": program.n_parameters}
    return roll(program.graph, sizes, ["parameter"])


@functools.lru_cache(maxsize=64)
def rolled(program: Program) -> Rolled:
    """Return the same with templates reduced in strength, for machine code; made once."""
    plain = as_loops(program)
    held, loops = (tuple(loop.reduced() for loop in loops) for loops in (plain.held, plain.loops))
    return dataclasses.replace(plain, held=held, loops=loops)


@final
class RolledForwardKernel:
    """Writes the forward kernel of a program as loops.

    Parameters
    ----------
    program : Program
    shape : Shape
        Of the host: several lanes.
    along : bool
        Whether lanes are components of a single trajectory.
    aside : bool
        Whether there will be save times between the nodes.
    dense : bool
        Whether the state after every step is stored, for an adjoint.
    """

    n_directions = 0

    def __init__(self, program: Program, shape: Shape, along: bool, aside: bool, dense: bool) -> None:
        self.program, self.aside, self.dense = program, aside, dense
        self.room = Room(shape, along)
        self.rolled = rolled(program)
        self.frame = Block(self.room.block)
        room, sizes = self.room, self.rolled.sizes
        self.y = room.array(program.n)
        self.rows = self._rows()
        self.inner = {name: room.array(sizes[name]) for name in ("temporary", "held")}
        self.inner |= room.constants(self.rolled)
        self.called = self.rolled.n_written > _INLINED
        self.k = room.array(program.n if self.called else 0)
        if not along:
            self.sound = room.array(1)

    def _rows(self) -> list[Place]:
        """Set arrays aside for the rows of the scheme; rows that do not live at the same time share them.

        A row lives from the first stage that adds to it to the one that starts from it, which reads it to its end.
        """
        scheme, n = self.program.scheme, self.program.n
        if scheme is None:
            return [self.room.array(n)]
        rows: list[Place] = []
        ends: dict[Place, int] = {}
        for r, row in enumerate(scheme.rows):
            if not row:
                rows.append(self.y)
                continue
            free = [place for place, end in ends.items() if end < row[0][0]]
            place = free[0] if free else self.room.array(n)
            rows.append(place)
            ends[place] = r
        return rows

    def text(self) -> str:
        """Return the module's text."""
        b = self.room.b
        self.p = [b.pointer_at("%pointers", i) for i in range(9)]
        n_entries, k_first, self.k_last, stride = (
            b.whole_at("%whole", i) for i in (N_ENTRIES, K_FIRST, K_LAST, STRIDE)
        )
        self.times = [b.double_at("%real", i) for i in range(3)]
        self.stride = b.line(f"mul i64 {stride}, {NUMBER}")
        self.row_bytes = b.line(f"mul i64 {self.stride}, {self.program.n}")
        self.room.writer.rooms += ["%step_number = alloca i64", "%place = alloca ptr", "%stored = alloca ptr"]
        with b.loop("%count") as block:
            here = b.line(f"add i64 %first, {block}")
            self.offset = b.line(f"mul i64 {here}, {self.room.block * NUMBER}")
            b.lines += [f"store i64 {k_first}, ptr %step_number", f"store ptr {self.p[OUT]}, ptr %place"]
            b.lines.append(f"store ptr {self.p[STORE]}, ptr %stored")
            state = self._outside(self.p[STATE])
            self.room.writer.copy(self.program.n, state, self.y)
            self.places = self.inner | {"parameter": self._outside(self.p[PARAMETERS])}
            self._write(self.rolled.held, {}, {})
            with b.loop(n_entries) as entry:
                self._entry(entry)
            self.room.writer.copy(self.program.n, self.y, state)
        return self.room.text()

    def _outside(self, base: Value) -> Place:
        return self.room.row(base, self.stride, self.offset)

    def _write(self, loops: Sequence[Loop], more: Mapping[str, Place], scalars: Mapping[str, Value]) -> None:
        (self.room.call if self.called else self.room.write)(loops, self.places | dict(more), scalars)

    def _entry(self, entry: Value) -> None:
        """Write one entry of the plan: some steps, and what is saved after them."""
        b = self.room.b
        with b.loop(b.whole_at(self.p[COUNTS], entry)):
            k = b.line("load i64, ptr %step_number")
            last = b.line(f"icmp eq i64 {k}, {self.k_last}")
            h = b.line(f"select i1 {last}, double {self.times[H_LAST]}, double {self.times[H]}")
            self._step(self._time(k), h, self.y)
            self._check(k)
            b.lines.append(f"store i64 {b.line(f'add i64 {k}, 1')}, ptr %step_number")
            if self.dense:
                self._save(self.y, "%stored")
        kind = b.whole_at(self.p[KINDS], entry)
        with b.when(b.line(f"icmp eq i64 {kind}, {SAVE}")):
            self._save(self.y, "%place")
        if self.aside:
            with b.when(b.line(f"icmp eq i64 {kind}, {ASIDE}")):
                k = b.line("load i64, ptr %step_number")
                self._step(self._time(k), b.double_at(self.p[DELTAS], entry), self.rows[-1])
                self._save(self.rows[-1], "%place")

    def _time(self, k: Value) -> Value:
        return time_of(self.room.b, self.times, k)

    def _save(self, source: Place, place: Value) -> None:
        b = self.room.b
        target = b.line(f"load ptr, ptr {place}")
        self.room.writer.copy(self.program.n, source, self._outside(target))
        b.lines.append(f"store ptr {b.pointer(target, self.row_bytes)}, ptr {place}")

    # --- one step -----------------------------------------------------------------------------------------------------

    def _step(self, t: Value, h: Value, target: Place) -> None:
        """Write one step from the state to an array."""
        scheme, writer = self.program.scheme, self.room.writer
        last = self.rows[-1]
        if scheme is None:
            self._write(self.rolled.loops, {"state": self.y, "result": last}, {"time": t, "step": h})
        else:
            if self.rows[scheme.n_stages - 1] != self.y:
                last = target  # the last stage reads no state, so the new one can be written at once
            for i in range(scheme.n_stages):
                self._stage(i, t, h, last)
        if last != target:
            writer.copy(self.program.n, last, target)

    def _stage(self, i: int, t: Value, h: Value, target: Place) -> None:
        b, scheme = self.room.b, self.program.scheme
        if scheme is None:
            return
        shares = []  # array that this stage adds to, array that it writes, weight
        for r, row in enumerate(scheme.rows):
            members = [j for j, _ in row]
            if i in members:
                weight = b.line(f"fmul double {h}, {hexadecimal(dict(row)[i])}")
                done = r == scheme.n_stages and i == members[-1]
                shares.append((self.y if i == members[0] else self.rows[r], target if done else self.rows[r], weight))
        scalars = {"time": stage_time(b, t, h, scheme.nodes[i])}
        state = {"state": self.rows[i] if scheme.rows[i] else self.y}
        add = adding(shares)
        if not self.called:
            self.room.write(self.rolled.loops, self.places | state, scalars, {"result": add})
            return
        self._write(self.rolled.loops, state | {"result": self.k}, scalars)
        self.room.writer.components(self.program.n, lambda cursor: add(cursor, 0, cursor.get(0, self.k)))

    # --- what befalls a trajectory ------------------------------------------------------------------------------------

    def _check(self, k: Value) -> None:
        """Write the check that the state is finite; the first step at which it is not is noted, with the state."""
        b, lanes = self.room.b, self.room.shape.lanes
        kind = b.shape.real
        room = f"%room{len(self.room.writer.rooms)}"
        self.room.writer.rooms.append(f"{room} = alloca {kind}, align 64")
        b.store(b.constant(0.0), room)

        def body(cursor: Cursor) -> None:
            zero = cursor.b.constant(0.0)
            cursor.b.store(cursor.b.fma(cursor.get(0, self.y), zero, cursor.b.load(room)), room)

        self.room.writer.components(self.program.n, body)
        total = b.load(room)
        lost = b.compare("uno", total, total)
        with b.when(b.any(lost)):
            address = b.pointer(self.p[FAILED], self.offset)
            if self.room.along:
                unset = b.line(f"icmp eq i64 {b.line(f'load i64, ptr {address}, align 8')}, {SOUND}")
                with b.when(unset):
                    b.lines.append(f"store i64 {k}, ptr {address}, align 8")
                    self.room.writer.copy(self.program.n, self.y, self._outside(self.p[SNAPSHOT]))
                return
            whole = b.shape.wide("i64")
            before = b.line(f"load {whole}, ptr {address}, align 8")
            fresh = b.both(lost, b.line(f"icmp eq {whole} {before}, splat (i64 {SOUND})"))
            first = b.line(f"insertelement {whole} poison, i64 {k}, i32 0")
            zeros = f"<{lanes} x i32> zeroinitializer"
            step = b.line(f"shufflevector {whole} {first}, {whole} poison, {zeros}")
            after = b.line(f"select {b.shape.mask} {fresh}, {whole} {step}, {whole} {before}")
            b.lines.append(f"store {whole} {after}, ptr {address}, align 8")
            snapshot = self._outside(self.p[SNAPSHOT])

            def keep(cursor: Cursor) -> None:
                cursor.put(0, snapshot, b.select(fresh, cursor.get(0, self.y), cursor.get(0, snapshot)))

            self.room.writer.components(self.program.n, keep)
