"""The walk kernel's transpose: cotangents of stored and final states, sent back along known steps to the start."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Shape, Value
from integrators.compiled.kernel_frame import NUMBER, Frame, row_address
from integrators.compiled.kernel_pull import Pull
from integrators.compiled.kernel_walk import Clock
from integrators.compiled.program import Program

__all__: list[str] = []

(
    COTANGENT,
    PARAMETERS,
    LEAD,
    ORDER,
    FIRST,
    COUNT,
    LONGEST,
    SLOT,
    STATES,
    SEEDS,
    PARAMETER_COTANGENTS,
    LEAD_COTANGENTS,
) = range(12)  # pointers
STRIDE, N_COLUMNS, N_STORED, BEGIN, END = range(5)  # whole numbers


@final
class WalkBackKernel:
    """Writes the transposed walk kernel of a program.

    Parameters
    ----------
    program : Program
    shape : Shape
    active : tuple of int
        Parameters whose cotangents are wanted.
    guarded : bool
        See `Pull`.
    moving : bool
        Whether the cotangents of the inputs before the state are wanted.
    """

    def __init__(self, program: Program, shape: Shape, active: tuple[int, ...], guarded: bool, moving: bool) -> None:
        self.program, self.active, self.moving = program, active, moving
        frame = self.frame = Frame(shape)
        self.pull = Pull(frame, program, active, guarded, moving)
        self.clock = Clock(frame, program)
        self.cotangent, self.y, self.seed = (frame.slots(program.n) for _ in range(3))
        self.lead = frame.slots(self.clock.n_rows)

    def text(self) -> str:
        """Return the module's text."""
        b = self.frame.b
        self.p = [b.pointer_at("%pointers", i) for i in range(12)]
        stride, n_columns, n_stored, begin, end = (b.whole_at("%whole", i) for i in range(5))
        self.stride, self.row_size, self.seed_size = (
            b.line(f"mul i64 {x}, {NUMBER}") for x in (stride, n_columns, n_stored)
        )
        with b.loop("%count") as block:
            here = b.line(f"add i64 %first, {block}")
            self.trajectory = b.line(f"mul i64 {here}, {self.frame.block}")
            self.offset = b.line(f"mul i64 {self.trajectory}, {NUMBER}")
            longest = b.whole_at(self.p[LONGEST], here)
            last = b.line(f"select i1 {b.line(f'icmp slt i64 {end}, {longest}')}, i64 {end}, i64 {longest}")
            self._ends(True)
            with b.loop(b.line(f"sub i64 {last}, {begin}")) as i:
                self._step(b.line(f"sub i64 {b.line(f'sub i64 {last}, 1')}, {i}"))
            self._ends(False)
        return self.frame.text([self.pull.graph])

    def _ends(self, load: bool) -> None:
        """Write the way in, or out."""
        b, frame = self.frame.b, self.frame
        for slot, base, n in (
            (self.cotangent, self.p[COTANGENT], self.program.n),
            (self.pull.sums, self.p[PARAMETER_COTANGENTS], len(self.active)),
        ):
            for i in range(n):
                address = row_address(b, base, self.stride, i, self.offset)
                if load:
                    frame.put(slot + i, b.load(address))
                else:
                    b.store(frame.get(slot + i), address)
        if load:
            self.pull.prepared.prepare(self.p[PARAMETERS], self.stride, self.offset)

    def _step(self, k: Value) -> None:
        """Write step k of all lanes, backwards."""
        b, frame, clock, n = self.frame.b, self.frame, self.clock, self.program.n
        code = clock.lane
        pointers = [self.p[i] for i in (LEAD, ORDER, FIRST, COUNT, SLOT)]

        def fetch(lane: Value) -> None:
            clock.fetch(pointers, lane, b.line(f"add i64 {self.trajectory}, {lane}"), k, self.row_size)
            column, slot = code.get(clock.column, lane), code.get(clock.slot, lane)
            code.rows(self.y, n, self.p[STATES], column, self.row_size, lane, True)
            seeded = b.line(f"icmp sge i64 {slot}, 0")
            with b.when(seeded):
                code.rows(self.seed, n, self.p[SEEDS], slot, self.seed_size, lane, True)
            with b.when(b.line(f"xor i1 {seeded}, true")), b.loop(str(n)) as row:
                b.lines.append(f"store i64 0, ptr {code.address(b.line(f'add i64 {row}, {self.seed}'), lane)}")

        code.each(fetch)
        active, zero = clock.is_active(), b.constant(0.0)
        before = [frame.get(self.cotangent + i) for i in range(n)]
        g = [b.select(active, x, zero) for x in before]
        y = [frame.get(self.y + i) for i in range(n)]
        found = self.pull.step(lambda node: clock.at(node)(), clock.weight, y, g)
        for i, (new, old) in enumerate(zip(found, before, strict=True)):
            frame.put(self.cotangent + i, b.select(active, b.add(new, frame.get(self.seed + i)), old))
        if not self.moving:
            return
        for i, bar in enumerate(self.pull.leading_bars):
            frame.put(self.lead + i, bar)

        def leave(lane: Value) -> None:
            column = code.get(clock.column, lane)
            code.rows(self.lead, clock.n_rows, self.p[LEAD_COTANGENTS], column, self.row_size, lane, False)

        code.each(leave, clock.active)
