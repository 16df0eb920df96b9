"""The stages of a method in a loop: the right-hand side is written once, however many stages there are.

PERF: a method of 21 stages, its tangents, or its way back, took 5 s to compile with one copy a stage.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import final

from diffsim.compiler.emitter import Value, hexadecimal
from integrators.compiled.kernel_clock import Clock
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.program import Scheme, Weight

__all__: list[str] = []


@final
class StageRows:
    """Writes loops over stages, and over the stages that a row of a tableau is made of, for lanes with their own steps.

    Parameters
    ----------
    frame : Frame
    rows : sequence of rows of (int, float)
        Stages and their weights.
    nodes : sequence of float
        Time of each stage, in steps.
    time : int
        Slot of the time; that of the step comes next.
    width : int
        Numbers of a state.

    Attributes
    ----------
    n : int
        Number of stages.
    k : int
        Slots of the stages, `width` each.
    """

    def __init__(
        self, frame: Frame, rows: Sequence[Sequence[tuple[int, float]]], nodes: Sequence[float], time: int, width: int
    ) -> None:
        self.frame, self.width, self.n, self._time = frame, width, len(nodes), time
        self.k = frame.slots(self.n * width)
        starts = itertools.accumulate((len(row) for row in rows), initial=0)
        entries = [entry for row in rows for entry in row]
        self._nodes = self.numbers("nodes", nodes)
        self._starts = self.table("starts", "i64", [str(x) for x in starts])
        self._stages = self.table("stages", "i64", [str(j) for j, _ in entries])
        self._weights = self.numbers("weights", [w for _, w in entries])

    def table(self, name: str, kind: str, items: Sequence[str]) -> Value:
        """Write a constant array of the module; returns where it is."""
        listed = ", ".join(f"{kind} {x}" for x in items or ["0" if kind == "i64" else hexadecimal(0.0)])
        self.frame.b.used.add(f"@{name} = private unnamed_addr constant [{max(len(items), 1)} x {kind}] [{listed}]")
        return f"@{name}"

    def numbers(self, name: str, items: Sequence[float]) -> Value:
        """Write a constant array of numbers; returns where it is."""
        return self.table(name, "double", [hexadecimal(x) for x in items])

    def each_stage(self, body: Callable[[Value], None], *, first: int = 0, backwards: bool = False) -> None:
        """Write a loop over the stages, from number `first` on."""
        b = self.frame.b
        with b.loop(str(self.n - first)) as i:
            body(b.line(f"sub i64 {self.n - 1}, {i}") if backwards else b.line(f"add i64 {i}, {first}"))

    def leading(self, i: Value) -> list[Value]:
        """Write the time of stage i, of the group at hand."""
        b, frame = self.frame.b, self.frame
        node = b.splat(b.double_at(self._nodes, i))
        return [b.add(frame.get(self._time), b.mul(frame.get(self._time + 1), node))]

    def place(self, first: int, i: Value, width: int | None = None) -> Value:
        """Write the number of the first slot of stage i, where each has `width` slots from `first` on."""
        b = self.frame.b
        return b.line(f"add i64 {b.line(f'mul i64 {i}, {self.width if width is None else width}')}, {first}")

    def address(self, slot: Value, c: Value | int = 0) -> Value:
        """Write the address of slot ``slot + c``, of the group at hand."""
        b, size = self.frame.b, self.frame.groups * self.frame.register_bytes
        total = b.line(f"add i64 {slot}, {c}")
        return b.pointer(self.frame.here, b.line(f"mul i64 {total}, {size}"))

    def put(self, i: Value, c: int, k: Value | None) -> None:
        """Write number c of stage i to its slot."""
        b = self.frame.b
        b.store(b.constant(0.0) if k is None else k, self.address(self.place(self.k, i), c))

    def gather(self, row: Value, y: int, target: Value) -> None:
        """Write what a row makes of the state at the slots `y`, to slots from the number `target` on."""
        self.copy(str(y), target)
        self.each_entry(row, lambda j, weight: self.add(weight, self.place(self.k, j), target))

    def each_entry(self, row: Value, body: Callable[[Value, Value], None], unit: Value | None = None) -> None:
        """Write code for the stages that a row is made of, given their numbers, and their weights.

        Weights are in units of the step, or of another number.
        """
        b = self.frame.b
        start, end = b.whole_at(self._starts, row), b.whole_at(self._starts, b.line(f"add i64 {row}, 1"))
        h = self.frame.get(self._time + 1) if unit is None else unit
        with b.loop(b.line(f"sub i64 {end}, {start}")) as e:
            entry = b.line(f"add i64 {start}, {e}")
            body(b.whole_at(self._stages, entry), b.mul(h, b.splat(b.double_at(self._weights, entry))))

    def copy(self, source: Value, target: Value) -> None:
        """Write ``target = source`` for the numbers of a state."""
        b = self.frame.b
        with b.loop(str(self.width)) as c:
            b.store(b.load(self.address(source, c)), self.address(target, c))

    def clear(self, first: int, length: int) -> None:
        """Write zeros to some slots."""
        b = self.frame.b
        with b.loop(str(length)) as c:
            b.store(b.constant(0.0), self.address(str(first), c))

    def add(self, weight: Value, source: Value, target: Value) -> None:
        """Write ``target += weight * source`` for the numbers of a state."""
        b = self.frame.b
        with b.loop(str(self.width)) as c:
            at = self.address(target, c)
            b.store(b.fma(weight, b.load(self.address(source, c)), b.load(at)), at)


@final
class LastRow:
    """Writes the last row of a scheme, whose weights may be polynomials in the position within the step.

    Parameters
    ----------
    stages : StageRows
    row : sequence of (int, Weight)
    clock : Clock
    """

    def __init__(self, stages: StageRows, row: Sequence[tuple[int, Weight]], clock: Clock) -> None:
        self._stages, self._row, self._clock = stages, row, clock
        self._slots = stages.frame.slots(stages.n)
        self._table = stages.table("finals", "i64", [str(j) for j, _ in row])

    def weigh(self, group: Value) -> None:
        """Write the weights times the step: once a step, for a group."""
        for j, weight in self._row:
            self._stages.frame.put(self._slots + j, self._clock.weight(weight))

    def each(self, body: Callable[[Value, Value], None]) -> None:
        """Write code for the stages of the row, given their numbers, and their weights times the step."""
        stages, b = self._stages, self._stages.frame.b
        with b.loop(str(len(self._row))) as e:
            j = b.whole_at(self._table, e)
            body(j, b.load(stages.address(stages.place(self._slots, j, 1))))

    def result(self, y: int, new: int) -> None:
        """Write the state after the step, of the group at hand."""
        stages = self._stages
        stages.copy(str(y), str(new))
        self.each(lambda j, weight: stages.add(weight, stages.place(stages.k, j), str(new)))


def stages_of(frame: Frame, scheme: Scheme, clock: Clock, width: int) -> tuple[StageRows, LastRow]:
    """Return what writes the stages of a scheme, and its last row."""
    stages = StageRows(frame, scheme.rows[:-1], scheme.nodes, clock.rows, width)
    return stages, LastRow(stages, scheme.rows[-1], clock)
