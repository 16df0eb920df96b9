"""The walk kernel: trajectories along known steps, each with its own; their tangents, and states on the way."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Shape, Value
from integrators.compiled.kernel_clock import Clock
from integrators.compiled.kernel_field import Field, Tangents
from integrators.compiled.kernel_frame import NUMBER, Frame, row_address
from integrators.compiled.kernel_stages import LastRow, StageRows, stages_of
from integrators.compiled.program import Program

__all__: list[str] = []

STATE, PARAMETERS, LEAD, ORDER, FIRST, COUNT, LONGEST, SLOT, STORE = range(9)  # pointers
STRIDE, N_COLUMNS, N_STORED, BEGIN, END = range(5)  # whole numbers


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
        scheme = self.program.scheme
        self.stages = None if scheme is None else stages_of(frame, scheme, self.clock, self.width)
        self.at = frame.slots(self.width)

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
        b, frame, clock = self.frame.b, self.frame, self.clock

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
        if self.stages is None:
            self.field.step(clock.leading, self.y, self.new)
        else:
            self._stages(*self.stages)
        frame.each_group(self._move)

    def _stages(self, stages: StageRows, last: LastRow) -> None:
        """Write the stages of a step, and the new state."""
        frame = self.frame
        frame.each_group(last.weigh)

        def stage(i: Value) -> None:
            def take(slot: int, k: Value | None) -> Value:
                stages.put(i, slot, k)
                return ""

            frame.each_group(lambda group: stages.gather(i, self.y, str(self.at)))
            self.field.stage(lambda: stages.leading(i), self.at, take)

        stages.each_stage(stage)
        frame.each_group(lambda group: last.result(self.y, self.new))

    def _move(self, group: Value) -> None:
        """Write: lanes that had a step take its result."""
        b, frame = self.frame.b, self.frame
        active = self.clock.is_active()
        for i in range(self.width):
            frame.put(self.y + i, b.select(active, frame.get(self.new + i), frame.get(self.y + i)))
