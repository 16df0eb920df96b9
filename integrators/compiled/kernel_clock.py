"""Where the lanes of a kernel are, whose steps are known and differ from lane to lane."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Value
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.kernel_lane import LaneCode
from integrators.compiled.program import Program, Weight

__all__: list[str] = []

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

    def leading(self) -> list[Value]:
        """Write the inputs before the state of a whole step."""
        return [self.frame.get(self.rows + i) for i in range(self.n_rows)]

    def weight(self, w: Weight) -> Value:
        """Write the step size times a coefficient, or a polynomial in the position."""
        b, h = self.frame.b, self.frame.get(self.rows + 1)
        if not isinstance(w, tuple):
            return b.mul(h, b.constant(w))
        x, total = self.frame.get(self.rows + 2), b.constant(w[-1])
        for coefficient in w[-2::-1]:
            total = b.fma(total, x, b.constant(coefficient))
        return b.mul(b.mul(h, x), total)
