"""The adjoint kernel: cotangents of the saved states, sent back step by step to the start and the parameters.

The states at the nodes are stored; the stages between them are computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from diffsim.compiler.emitter import Shape, Value, hexadecimal
from integrators.compiled.kernel_frame import NUMBER, Frame, row_address
from integrators.compiled.kernel_pull import Pull
from integrators.compiled.plan import ASIDE, SAVE
from integrators.compiled.program import Program

__all__: list[str] = []

COTANGENT, PARAMETERS, STORE, SEEDS, COUNTS, DELTAS, KINDS, PARAMETER_COTANGENTS = range(8)  # pointers
N_ENTRIES, K_END, K_LAST, STRIDE, N_SAVES = range(5)  # whole numbers
T0, H, H_LAST = range(3)  # doubles


@final
class AdjointKernel:
    """Writes the adjoint kernel of a program.

    Parameters
    ----------
    program : Program
    shape : Shape
    active : tuple of int
        Parameters whose cotangents are wanted.
    aside : bool
        Whether there are save times between the nodes.
    guarded : bool
        Whether ``0 * inf`` counts as 0 (see `diffsim.linearise.vjp_graph`), which takes about twice the operations.
    """

    def __init__(
        self, program: Program, shape: Shape, active: tuple[int, ...], aside: bool, guarded: bool = False
    ) -> None:
        self.program, self.aside, self.active = program, aside, active
        self.frame = Frame(shape)
        self.pull = Pull(self.frame, program, active, guarded)
        self.cotangent = self.frame.slots(program.n)

    def text(self) -> str:
        """Return the module's text."""
        b = self.frame.b
        self.p = [b.pointer_at("%pointers", i) for i in range(8)]
        n_entries, k_end, k_last, stride, n_saves = (b.whole_at("%whole", i) for i in range(5))
        self.times = [b.double_at("%real", i) for i in range(3)]
        self.k_last = k_last
        self.stride = b.line(f"mul i64 {stride}, {NUMBER}")
        self.row_bytes = b.line(f"mul i64 {self.stride}, {self.program.n}")
        b.lines += ["%k = alloca i64", "%state = alloca ptr", "%seed = alloca ptr"]
        with b.loop("%count") as block:
            here = b.line(f"add i64 %first, {block}")
            self.offset = b.line(f"mul i64 {here}, {self.frame.block * NUMBER}")
            b.lines.append(f"store i64 {k_end}, ptr %k")
            self._enter(k_end, n_saves)
            with b.loop(n_entries) as entry:
                last = b.line(f"sub i64 {n_entries}, 1")
                self._entry(b.line(f"sub i64 {last}, {entry}"))
            self._leave()
        return self.frame.text([self.pull.graph])

    def _enter(self, k_end: Value, n_saves: Value) -> None:
        """Write the way in: cotangents, parameters, and the places of the last state and the last seed.

        The store begins with node 0 as far as addresses go: a segment is passed with a shifted base.
        """
        b = self.frame.b
        for slot, base, n in (
            (self.cotangent, self.p[COTANGENT], self.program.n),
            (self.pull.sums, self.p[PARAMETER_COTANGENTS], len(self.active)),
        ):
            for i in range(n):
                self.frame.put(slot + i, b.load(row_address(b, base, self.stride, i, self.offset)))
        self.pull.prepared.prepare(self.p[PARAMETERS], self.stride, self.offset)
        for name, base, number in (("%state", self.p[STORE], k_end), ("%seed", self.p[SEEDS], n_saves)):
            shift = b.line(f"mul i64 {number}, {self.row_bytes}")
            b.lines.append(f"store ptr {b.pointer(base, shift)}, ptr {name}")

    def _leave(self) -> None:
        b = self.frame.b
        for slot, base, n in (
            (self.cotangent, self.p[COTANGENT], self.program.n),
            (self.pull.sums, self.p[PARAMETER_COTANGENTS], len(self.active)),
        ):
            for i in range(n):
                b.store(self.frame.get(slot + i), row_address(b, base, self.stride, i, self.offset))

    def _entry(self, entry: Value) -> None:
        """Write one entry backwards: what was saved, then the steps before it."""
        b = self.frame.b
        kind = b.whole_at(self.p[KINDS], entry)
        with b.when(b.line(f"icmp ne i64 {kind}, 0")):
            self._back("%seed")
        with b.when(b.line(f"icmp eq i64 {kind}, {SAVE}")):
            for i, g in enumerate(self._row("%seed")):
                self.frame.put(self.cotangent + i, b.add(self.frame.get(self.cotangent + i), g))
        if self.aside:
            with b.when(b.line(f"icmp eq i64 {kind}, {ASIDE}")):
                k = b.line("load i64, ptr %k")
                found = self._step(k, b.double_at(self.p[DELTAS], entry), self._row("%seed"))
                for i, g in enumerate(found):
                    self.frame.put(self.cotangent + i, b.add(self.frame.get(self.cotangent + i), g))
        with b.loop(b.whole_at(self.p[COUNTS], entry)):
            after = b.line("load i64, ptr %k")
            k = b.line(f"sub i64 {after}, 1")
            b.lines.append(f"store i64 {k}, ptr %k")
            self._back("%state")
            last = b.line(f"icmp eq i64 {k}, {self.k_last}")
            h = b.line(f"select i1 {last}, double {self.times[H_LAST]}, double {self.times[H]}")
            found = self._step(k, h, [self.frame.get(self.cotangent + i) for i in range(self.program.n)])
            for i, g in enumerate(found):
                self.frame.put(self.cotangent + i, g)

    def _back(self, place: Value) -> None:
        b = self.frame.b
        shift = b.line(f"sub i64 0, {self.row_bytes}")
        b.lines.append(f"store ptr {b.pointer(b.line(f'load ptr, ptr {place}'), shift)}, ptr {place}")

    def _row(self, place: Value) -> list[Value]:
        b = self.frame.b
        base = b.line(f"load ptr, ptr {place}")
        return [b.load(row_address(b, base, self.stride, i, self.offset)) for i in range(self.program.n)]

    # --- one step -----------------------------------------------------------------------------------------------------

    def _step(self, k: Value, h: Value, g: Sequence[Value]) -> list[Value]:
        """Write the way back of one step of size h from node k; returns the cotangent of its state."""
        b = self.frame.b
        real = b.line(f"sitofp i64 {k} to double")
        t = b.line(f"fadd double {self.times[T0]}, {b.line(f'fmul double {real}, {self.times[H]}')}")

        def leading(node: float) -> list[Value]:
            if self.program.scheme is None:
                return [b.splat(t), b.splat(h)]
            return [
                b.splat(b.line(f"fadd double {t}, {b.line(f'fmul double {h}, {hexadecimal(node)}')}") if node else t)
            ]

        def weight(w: float) -> Value:
            return b.splat(b.line(f"fmul double {h}, {hexadecimal(w)}"))

        return self.pull.step(leading, weight, self._row("%state"), g)
