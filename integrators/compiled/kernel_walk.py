"""The walk kernel: trajectories along known steps, each with its own; their tangents, and states on the way."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Shape, Value
from integrators.compiled.kernel_field import Field, Leading, Take, Tangents, row_slots
from integrators.compiled.kernel_frame import NUMBER, Frame, row_address
from integrators.compiled.kernel_lane import LaneCode
from integrators.compiled.program import Program, Weight

__all__: list[str] = []

STATE, PARAMETERS, LEAD, ORDER, FIRST, COUNT, LONGEST, SLOT, STORE = range(9)  # pointers
STRIDE, N_COLUMNS, N_STORED, BEGIN, END = range(5)  # whole numbers
MISSING = -1
"""Slot of a step whose state is not stored."""


@final
class Clock:
    """The inputs before the state in a kernel whose lanes have their own, and where each lane is.

    Parameters
    ----------
    frame : Frame
    program : Program
    """

    def __init__(self, frame: Frame, program: Program) -> None:
        self.frame, self.program, self.lane = frame, program, LaneCode(frame)
        self.n_rows = program.n_leading if program.scheme is None else 3 if program.scheme.blends else 2
        self.rows = frame.slots(self.n_rows)
        self.active, self.column, self.slot = (frame.slots(1) for _ in range(3))

    def fetch(self, pointers: list[Value], lane: Value, index: Value, k: Value, size: Value) -> None:
        """Write the loading of step k of a lane: its column, its inputs, the slot of its state.

        Parameters
        ----------
        pointers : list of Value
            LEAD, ORDER, FIRST, COUNT, SLOT.
        lane, index : Value
            The lane, and the number of its trajectory.
        k : Value
        size : Value
            Bytes of a row of LEAD.
        """
        b, code = self.frame.b, self.lane
        lead, order, first, count, slot = pointers
        there = b.line(f"icmp slt i64 {k}, {b.whole_at(count, index)}")
        at = b.line(f"select i1 {there}, i64 {b.line(f'add i64 {k}, {b.whole_at(first, index)}')}, i64 0")
        column = b.whole_at(order, at)
        code.set(self.active, lane, b.line(f"zext i1 {there} to i64"))
        code.set(self.column, lane, column)
        code.rows(self.rows, self.n_rows, lead, column, size, lane, True)
        stored = b.whole_at(slot, column)
        code.set(self.slot, lane, b.line(f"select i1 {there}, i64 {stored}, i64 {MISSING}"))

    def is_active(self) -> Value:
        """Write the mask of lanes that have a step."""
        b = self.frame.b
        return b.integer_compare("ne", b.bits(self.frame.get(self.active)), b.whole(0))

    def at(self, node: float) -> Leading:
        """Return what writes the inputs before the state for a stage."""
        frame, b = self.frame, self.frame.b

        def leading() -> list[Value]:
            if self.program.scheme is None:
                return [frame.get(self.rows + i) for i in range(self.n_rows)]
            t = frame.get(self.rows)
            return [b.add(t, b.mul(frame.get(self.rows + 1), b.constant(node))) if node else t]

        return leading

    def weight(self, w: Weight) -> Value:
        """Write the step size times a coefficient, or a polynomial in the position."""
        b, h = self.frame.b, self.frame.get(self.rows + 1)
        if not isinstance(w, tuple):
            return b.mul(h, b.constant(w))
        x, total = self.frame.get(self.rows + 2), b.constant(w[-1])
        for coefficient in w[-2::-1]:
            total = b.fma(total, x, b.constant(coefficient))
        return b.mul(b.mul(h, x), total)


@final
class WalkKernel:
    """Writes the walk kernel of a program.

    Parameters
    ----------
    program : Program
    shape : Shape
    groups : int
    tangents : Tangents or None
    """

    def __init__(self, program: Program, shape: Shape, groups: int, tangents: Tangents | None) -> None:
        self.program = program.reduced
        frame = self.frame = Frame(shape, groups)
        self.field = Field(frame, self.program, tangents)
        self.clock = Clock(frame, self.program)
        self.width = self.field.width
        self.y, self.new = frame.slots(self.width), frame.slots(self.width)
        self.rows = row_slots(frame, self.program.scheme, self.y, self.width)

    def text(self) -> str:
        """Return the module's text."""
        b = self.frame.b
        self.p = [b.pointer_at("%pointers", i) for i in range(9)]
        stride, n_columns, n_stored, begin, end = (b.whole_at("%whole", i) for i in range(5))
        self.stride, self.lead_size, self.store_size = (
            b.line(f"mul i64 {x}, {NUMBER}") for x in (stride, n_columns, n_stored)
        )
        with b.loop("%count") as block:
            here = b.line(f"add i64 %first, {block}")
            self.trajectory = b.line(f"mul i64 {here}, {self.frame.block}")
            longest = b.whole_at(self.p[LONGEST], here)
            last = b.line(f"select i1 {b.line(f'icmp slt i64 {end}, {longest}')}, i64 {end}, i64 {longest}")
            self.frame.each_group(lambda group: self._enter(group, True))
            with b.loop(b.line(f"sub i64 {last}, {begin}")) as i:
                self._step(b.line(f"add i64 {begin}, {i}"))
            self.frame.each_group(lambda group: self._enter(group, False))
        return self.frame.text([self.field.graph])

    def _enter(self, group: Value, load: bool) -> None:
        """Write the way in, or out."""
        b, frame = self.frame.b, self.frame
        offset = b.line(f"add i64 {b.line(f'mul i64 {self.trajectory}, {NUMBER}')}, {group}")
        for i in range(self.width):
            address = row_address(b, self.p[STATE], self.stride, i, offset)
            if load:
                frame.put(self.y + i, b.load(address))
            else:
                b.store(frame.get(self.y + i), address)
        if load:
            self.field.values.prepare(self.p[PARAMETERS], self.stride, offset)

    def _step(self, k: Value) -> None:
        """Write step k of all lanes."""
        b, frame, clock, scheme = self.frame.b, self.frame, self.clock, self.program.scheme

        def fetch(group: Value) -> None:
            start = b.line(f"add i64 {self.trajectory}, {b.line(f'udiv i64 {group}, {NUMBER}')}")
            pointers = [self.p[i] for i in (LEAD, ORDER, FIRST, COUNT, SLOT)]

            def one(lane: Value) -> None:
                clock.fetch(pointers, lane, b.line(f"add i64 {start}, {lane}"), k, self.lead_size)
                slot = clock.lane.get(clock.slot, lane)
                with b.when(b.line(f"icmp sge i64 {slot}, 0")):
                    clock.lane.rows(self.y, self.width, self.p[STORE], slot, self.store_size, lane, False)

            clock.lane.each(one)

        frame.each_group(fetch)
        if scheme is None:
            self.field.step(clock.at(0.0), self.y, self.new)
        else:
            for i in range(scheme.n_stages):
                source = self.rows[i] if scheme.rows[i] else self.y
                self.field.stage(clock.at(scheme.nodes[i]), source, self._adder(i))
        frame.each_group(self._move)

    def _adder(self, i: int) -> Take:
        """Return what adds stage i to the rows that it is part of."""
        b, scheme = self.frame.b, self.program.scheme
        shares: list[tuple[int, int, Weight]] = []
        for r, row in enumerate(() if scheme is None else scheme.rows):
            members = [j for j, _ in row]
            if i in members:
                closes = r == len(self.rows) - 1 and i == members[-1]
                source = self.y if i == members[0] else self.rows[r]
                shares.append((source, self.new if closes else self.rows[r], dict(row)[i]))

        def add(slot: int, k: Value | None) -> Value:
            for source, target, w in shares:
                before = self.frame.get(source + slot)
                self.frame.put(target + slot, before if k is None else b.fma(self.clock.weight(w), k, before))
            return ""

        return add

    def _move(self, group: Value) -> None:
        """Write: lanes that had a step take its result."""
        b, frame = self.frame.b, self.frame
        active = self.clock.is_active()
        for i in range(self.width):
            frame.put(self.y + i, b.select(active, frame.get(self.new + i), frame.get(self.y + i)))
