"""The stages of a scheme in a loop: the right-hand side is written once, however many stages there are.

PERF: a method of 21 stages, its tangents, or its way back, took 5 s to compile with one copy a stage.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import final

from diffsim.compiler.emitter import Value, hexadecimal
from integrators.compiled.kernel_clock import Clock
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.program import Scheme

__all__: list[str] = []


@final
class StageLoop:
    """Writes the loops over the stages of a scheme, in a kernel whose lanes have their own steps.

    Parameters
    ----------
    frame : Frame
    scheme : Scheme
    clock : Clock
    width : int
        Numbers of a state.

    Attributes
    ----------
    k : int
        Slots of the stages, `width` each.
    """

    def __init__(self, frame: Frame, scheme: Scheme, clock: Clock, width: int) -> None:
        self.frame, self.scheme, self.clock, self.width = frame, scheme, clock, width
        self.n = scheme.n_stages
        self.k = frame.slots(self.n * width)
        self._last = frame.slots(self.n)
        rows = scheme.rows[:-1]
        starts = list(itertools.accumulate((len(row) for row in rows), initial=0))
        entries = [entry for row in rows for entry in row]
        self._nodes = self._table("nodes", "double", [hexadecimal(x) for x in scheme.nodes])
        self._starts = self._table("starts", "i64", [str(x) for x in starts])
        self._stages = self._table("stages", "i64", [str(j) for j, _ in entries])
        self._weights = self._table("weights", "double", [hexadecimal(w) for _, w in entries])
        self._finals = self._table("finals", "i64", [str(j) for j, _ in scheme.rows[-1]])

    def _table(self, name: str, kind: str, items: list[str]) -> Value:
        listed = ", ".join(f"{kind} {x}" for x in items or ["0" if kind == "i64" else hexadecimal(0.0)])
        self.frame.b.used.add(f"@{name} = private unnamed_addr constant [{max(len(items), 1)} x {kind}] [{listed}]")
        return f"@{name}"

    def each_stage(self, body: Callable[[Value], None], *, backwards: bool = False) -> None:
        """Write a loop over the stages."""
        b = self.frame.b
        with b.loop(str(self.n)) as i:
            body(b.line(f"sub i64 {self.n - 1}, {i}") if backwards else i)

    def leading(self, i: Value) -> list[Value]:
        """Write the time of stage i, of the group at hand."""
        b, frame = self.frame.b, self.frame
        node = b.splat(b.double_at(self._nodes, i))
        return [b.add(frame.get(self.clock.rows), b.mul(frame.get(self.clock.rows + 1), node))]

    def place(self, first: int, i: Value, width: int | None = None) -> Value:
        """Write the number of the first slot of stage i, where each has `width` slots from `first` on."""
        b = self.frame.b
        return b.line(f"add i64 {b.line(f'mul i64 {i}, {self.width if width is None else width}')}, {first}")

    def address(self, slot: Value, c: Value | int = 0) -> Value:
        """Write the address of slot ``slot + c``, of the group at hand."""
        b, size = self.frame.b, self.frame.groups * self.frame.register_bytes
        total = b.line(f"add i64 {slot}, {c}")
        return b.pointer(self.frame.here, b.line(f"mul i64 {total}, {size}"))

    def weigh(self, group: Value) -> None:
        """Write the weights of the last row, times the step: once a step, for a group."""
        for j, weight in self.scheme.rows[-1]:
            self.frame.put(self._last + j, self.clock.weight(weight))

    def gather(self, i: Value, y: int, target: Value) -> None:
        """Write the state of stage i, from the state at the slots `y`, to slots from the number `target` on."""

        def share(j: Value, weight: Value) -> None:
            self.add(weight, self.place(self.k, j), target)

        self.copy(str(y), target)
        self.each_entry(i, share)

    def result(self, y: int, new: int) -> None:
        """Write the state after the step, of the group at hand."""
        self.copy(str(y), str(new))
        self.each_final(lambda j, weight: self.add(weight, self.place(self.k, j), str(new)))

    def each_final(self, body: Callable[[Value, Value], None]) -> None:
        """Write code for the stages of the last row, given their numbers, and their weights times the step."""
        b = self.frame.b
        with b.loop(str(len(self.scheme.rows[-1]))) as e:
            j = b.whole_at(self._finals, e)
            body(j, b.load(self.address(self.place(self._last, j, 1))))

    def each_entry(self, i: Value, body: Callable[[Value, Value], None]) -> None:
        """Write code for the stages that stage i is made of, given their numbers, and their weights times the step."""
        b = self.frame.b
        start, end = b.whole_at(self._starts, i), b.whole_at(self._starts, b.line(f"add i64 {i}, 1"))
        h = self.frame.get(self.clock.rows + 1)
        with b.loop(b.line(f"sub i64 {end}, {start}")) as e:
            entry = b.line(f"add i64 {start}, {e}")
            body(b.whole_at(self._stages, entry), b.mul(h, b.splat(b.double_at(self._weights, entry))))

    def copy(self, source: Value, target: Value) -> None:
        """Write ``target = source`` for the numbers of a state."""
        b = self.frame.b
        with b.loop(str(self.width)) as c:
            b.store(b.load(self.address(source, c)), self.address(target, c))

    def add(self, weight: Value, source: Value, target: Value) -> None:
        """Write ``target += weight * source`` for the numbers of a state."""
        b = self.frame.b
        with b.loop(str(self.width)) as c:
            at = self.address(target, c)
            b.store(b.fma(weight, b.load(self.address(source, c)), b.load(at)), at)
