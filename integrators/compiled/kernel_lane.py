"""Scalar code for single lanes of a workspace: what lanes that go their own ways have to do one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from diffsim.compiler.emitter import Emitter, Value
from integrators.compiled.kernel_frame import NUMBER, Frame

__all__: list[str] = []


@final
class LaneCode:
    """Writes scalar code on the lanes of a frame's workspace, within `Frame.each_group`.

    Parameters
    ----------
    frame : Frame
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    @property
    def _b(self) -> Emitter:
        return self.frame.b

    def address(self, slot: Value | int, lane: Value) -> Value:
        """Return the address of a lane's number in a slot; the slot may be a register."""
        b, size = self._b, self.frame.groups * self.frame.register_bytes
        offset = slot * size if isinstance(slot, int) else b.line(f"mul i64 {slot}, {size}")
        return b.pointer(b.pointer(self.frame.here, offset), b.line(f"mul i64 {lane}, {NUMBER}"))

    def get(self, slot: int, lane: Value, kind: str = "i64") -> Value:
        """Return a lane's number in a slot."""
        return self._b.line(f"load {kind}, ptr {self.address(slot, lane)}, align 8")

    def set(self, slot: int, lane: Value, value: Value, kind: str = "i64") -> None:
        """Put a number into a lane of a slot."""
        self._b.lines.append(f"store {kind} {value}, ptr {self.address(slot, lane)}, align 8")

    def copy(self, source: Value, target: Value) -> None:
        """Copy a number from address to address."""
        number = self._b.line(f"load i64, ptr {source}, align 8")
        self._b.lines.append(f"store i64 {number}, ptr {target}, align 8")

    def each(self, body: Callable[[Value], None], flags: int | None = None) -> None:
        """Write code for each lane, or for those whose flag in a slot is set."""
        b = self._b
        with b.loop(str(self.frame.shape.lanes)) as lane:
            if flags is None:
                body(lane)
                return
            with b.when(b.line(f"icmp ne i64 {self.get(flags, lane)}, 0")):
                body(lane)

    def place(self, base: Value, index: Value, row: Value | int = 0, stride: Value = "0") -> Value:
        """Return the address of number `index` in a row of an array; `stride` is the length of its rows in bytes."""
        b = self._b
        start = b.line(f"mul i64 {stride}, {row}")
        return b.pointer(base, b.line(f"add i64 {start}, {b.line(f'mul i64 {index}, {NUMBER}')}"))

    def rows(self, first: int, length: int, base: Value, index: Value, stride: Value, lane: Value, load: bool) -> None:
        """Write the copying of `length` numbers between consecutive slots and the rows of an array."""
        b = self._b
        with b.loop(str(length)) as row:
            inside = self.address(b.line(f"add i64 {row}, {first}"), lane)
            outside = self.place(base, index, row, stride)
            self.copy(*((outside, inside) if load else (inside, outside)))
