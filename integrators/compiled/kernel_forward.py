"""The forward kernel: steps of many trajectories, their tangents, and what is saved on the way.

Each stage takes the right-hand side once and adds its share to every later stage at once, so that no derivative has
to be kept; the state lies in the first-level cache between stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from diffsim.compiler.emitter import Shape, Value, hexadecimal
from integrators.compiled.kernel_field import Field, Leading, Take, Tangents, row_slots
from integrators.compiled.kernel_frame import NUMBER, Frame, row_address
from integrators.compiled.plan import ASIDE, SAVE
from integrators.compiled.program import Program

__all__: list[str] = []

STATE, PARAMETERS, OUT, COUNTS, DELTAS, KINDS, FAILED, SNAPSHOT, STORE = range(9)  # pointers
N_ENTRIES, K_FIRST, K_LAST, STRIDE = range(4)  # whole numbers
T0, H, H_LAST = range(3)  # doubles
SOUND = (1 << 63) - 1


@final
class ForwardKernel:
    """Writes the forward kernel of a program.

    Parameters
    ----------
    program : Program
    shape : Shape
    groups : int
    tangents : Tangents or None
    aside : bool
        Whether there will be save times between the nodes.
    dense : bool
        Whether the state after every step is stored, for an adjoint.
    """

    def __init__(
        self, program: Program, shape: Shape, groups: int, tangents: Tangents | None, aside: bool, dense: bool
    ) -> None:
        program = program.reduced
        self.program, self.aside, self.dense = program, aside, dense
        self.frame = Frame(shape, groups)
        self.field = Field(self.frame, program, tangents)
        self.width = self.field.width
        self.y = self.frame.slots(self.width)
        self.rows = row_slots(self.frame, program.scheme, self.y, self.width)

    def text(self) -> str:
        """Return the module's text."""
        b = self.frame.b
        p = [b.pointer_at("%pointers", i) for i in range(9)]
        n_entries, k_first, k_last, stride = (b.whole_at("%whole", i) for i in range(4))
        self.times = [b.double_at("%real", i) for i in range(3)]
        self.k_last, self.p = k_last, p
        self.stride = b.line(f"mul i64 {stride}, {NUMBER}")
        step_number, place = "%step_number", "%place"
        b.lines += [f"{step_number} = alloca i64", f"{place} = alloca ptr", "%stored = alloca ptr"]
        with b.loop("%count") as block:
            here = b.line(f"add i64 %first, {block}")
            self.base = b.line(f"mul i64 {here}, {self.frame.block * NUMBER}")
            b.lines += [f"store i64 {k_first}, ptr {step_number}", f"store ptr {p[OUT]}, ptr {place}"]
            b.lines.append(f"store ptr {p[STORE]}, ptr %stored")
            self.frame.each_group(self._enter)
            with b.loop(n_entries) as entry:
                self._entry(entry, step_number, place)
            self.frame.each_group(self._leave)
        return self.frame.text([self.field.graph])

    def _offset(self, group: Value) -> Value:
        return self.frame.b.line(f"add i64 {self.base}, {group}")

    def _enter(self, group: Value) -> None:
        b, offset = self.frame.b, self._offset(group)
        for i in range(self.width):
            self.frame.put(self.y + i, b.load(row_address(b, self.p[STATE], self.stride, i, offset)))
        self.field.values.prepare(self.p[PARAMETERS], self.stride, offset)

    def _leave(self, group: Value) -> None:
        b, offset = self.frame.b, self._offset(group)
        for i in range(self.width):
            b.store(self.frame.get(self.y + i), row_address(b, self.p[STATE], self.stride, i, offset))

    def _entry(self, entry: Value, step_number: Value, place: Value) -> None:
        """Write one entry of the plan: some steps, and what is saved after them."""
        b = self.frame.b
        with b.loop(b.whole_at(self.p[COUNTS], entry)):
            k = b.line(f"load i64, ptr {step_number}")
            last = b.line(f"icmp eq i64 {k}, {self.k_last}")
            h = b.line(f"select i1 {last}, double {self.times[H_LAST]}, double {self.times[H]}")
            self._step(self._time(k), h, self.y, k)
            after = b.line(f"add i64 {k}, 1")
            b.lines.append(f"store i64 {after}, ptr {step_number}")
            if self.dense:
                self._save(self.y, "%stored")
        kind = b.whole_at(self.p[KINDS], entry)
        with b.when(b.line(f"icmp eq i64 {kind}, {SAVE}")):
            self._save(self.y, place)
        if self.aside:
            with b.when(b.line(f"icmp eq i64 {kind}, {ASIDE}")):
                k = b.line(f"load i64, ptr {step_number}")
                self._step(self._time(k), b.double_at(self.p[DELTAS], entry), self.rows[-1], None)
                self._save(self.rows[-1], place)

    def _time(self, k: Value) -> Value:
        """Return t0 + k h: one scalar."""
        b = self.frame.b
        real = b.line(f"sitofp i64 {k} to double")
        product = b.line(f"fmul double {real}, {self.times[H]}")
        return b.line(f"fadd double {self.times[T0]}, {product}")

    def _save(self, source: int, place: Value) -> None:
        b = self.frame.b
        target = b.line(f"load ptr, ptr {place}")

        def copy(group: Value) -> None:
            offset = self._offset(group)
            for i in range(self.width):
                b.store(self.frame.get(source + i), row_address(b, target, self.stride, i, offset))

        self.frame.each_group(copy)
        size = b.line(f"mul i64 {self.stride}, {self.width}")
        b.lines.append(f"store ptr {b.pointer(target, size)}, ptr {place}")

    # --- one step -----------------------------------------------------------------------------------------------------

    def _step(self, t: Value, h: Value, target: int, k: Value | None) -> None:
        """Write one step from the state to the slots `target`; with `k`, check it and note a failure at step k."""
        b, scheme = self.frame.b, self.program.scheme

        def check(group: Value, new: Sequence[Value]) -> None:
            if k is not None:
                self._check(new, k, group)

        if scheme is None:
            self.field.step(_always([b.splat(t), b.splat(h)]), self.y, target, check)
            return
        for i in range(scheme.n_stages):
            shift = b.line(f"fmul double {h}, {hexadecimal(scheme.nodes[i])}")
            time = [b.splat(b.line(f"fadd double {t}, {shift}") if scheme.nodes[i] else t)]
            shares = self._shares(i, h, target)
            source = self.rows[i] if scheme.rows[i] else self.y
            closing = i == scheme.rows[-1][-1][0]
            self.field.stage(_always(time), source, self._adder(shares), check if closing else None)

    def _shares(self, i: int, h: Value, target: int) -> list[tuple[int, int, Value]]:
        """Return the rows that stage i adds to: slots it adds to, slots it writes, weight."""
        b, scheme = self.frame.b, self.program.scheme
        found = []
        for r, row in enumerate(() if scheme is None else scheme.rows):
            members = [j for j, _ in row]
            if i in members:
                weight = b.splat(b.line(f"fmul double {h}, {hexadecimal(dict(row)[i])}"))
                final = r == len(self.rows) - 1
                first, last = i == members[0], i == members[-1]
                found.append((self.y if first else self.rows[r], target if final and last else self.rows[r], weight))
        return found

    def _adder(self, shares: Sequence[tuple[int, int, Value]]) -> Take:
        """Return what writes ``row + weight * k`` for each row."""

        def add(slot: int, k: Value | None) -> Value:
            new = ""
            for source, target, weight in shares:
                before = self.frame.get(source + slot)
                new = before if k is None else self.frame.b.fma(weight, k, before)
                self.frame.put(target + slot, new)
            return new

        return add

    def _check(self, new: Sequence[Value], k: Value, group: Value) -> None:
        """Write the check that the new state is finite; the first step at which it is not is noted, with the state."""
        b, shape = self.frame.b, self.frame.shape
        zero = b.constant(0.0)
        total = zero
        for value in new:
            total = b.fma(value, zero, total)
        lost = b.compare("uno", total, total)
        with b.when(b.any(lost)):
            offset = self._offset(group)
            address = b.pointer(self.p[FAILED], offset)
            kind = shape.wide("i64")
            before = b.line(f"load {kind}, ptr {address}, align 8")
            unset = b.line(f"icmp eq {kind} {before}, {_integers(shape, SOUND)}")
            fresh = b.both(lost, unset)
            step = b.line(f"insertelement {kind} poison, i64 {k}, i32 0") if shape.lanes > 1 else k
            if shape.lanes > 1:
                zeros = f"<{shape.lanes} x i32> zeroinitializer"
                step = b.line(f"shufflevector {kind} {step}, {kind} poison, {zeros}")
            after = b.line(f"select {shape.mask} {fresh}, {kind} {step}, {kind} {before}")
            b.lines.append(f"store {kind} {after}, ptr {address}, align 8")
            for c, value in enumerate(new):
                spot = row_address(b, self.p[SNAPSHOT], self.stride, c, offset)
                b.store(b.select(fresh, value, b.load(spot)), spot)


def _always(leading: Sequence[Value]) -> Leading:
    return lambda: leading


def _integers(shape: Shape, value: int) -> str:
    return str(value) if shape.lanes == 1 else f"splat (i64 {value})"
