"""The walk kernel's transpose: cotangents of stored and final states, sent back along known steps to the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from diffsim.compiler.emitter import Shape, Value
from integrators.compiled.kernel_clock import Clock
from integrators.compiled.kernel_frame import NUMBER, Frame, row_address
from integrators.compiled.kernel_pull import Pull
from integrators.compiled.kernel_stages import LastRow, StageRows, stages_of
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
) = range(11)  # pointers
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
    """

    def __init__(self, program: Program, shape: Shape, active: tuple[int, ...], guarded: bool) -> None:
        self.program, self.active = program, active
        frame = self.frame = Frame(shape)
        self.pull = Pull(frame, program, active, guarded)
        self.clock = Clock(frame, program)
        self.cotangent, self.y, self.seed = (frame.slots(program.n) for _ in range(3))
        scheme = program.scheme
        self.stages = None if scheme is None else stages_of(frame, scheme, self.clock, program.n)
        n_stages = 0 if scheme is None else scheme.n_stages
        self.states, self.bars = frame.slots(n_stages * program.n), frame.slots(n_stages * program.n)
        self.end, self.bar = frame.slots(program.n), frame.slots(program.n)

    def text(self) -> str:
        """Return the module's text."""
        b = self.frame.b
        self.p = [b.pointer_at("%pointers", i) for i in range(11)]
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
        sums = [frame.get(self.pull.sums + j) for j in range(len(self.active))]
        g = [b.select(active, x, zero) for x in before]
        y = [frame.get(self.y + i) for i in range(n)]
        if self.stages is None:
            found = self.pull.bars(self.pull.stage(clock.leading(), y), g)
        else:
            found = self._pulled(*self.stages, g)
        for i, (new, old) in enumerate(zip(found, before, strict=True)):
            frame.put(self.cotangent + i, b.select(active, b.add(new, frame.get(self.seed + i)), old))
        for j, old in enumerate(sums):  # a lane without a step goes along with another trajectory's
            frame.put(self.pull.sums + j, b.select(active, frame.get(self.pull.sums + j), old))

    def _pulled(self, stages: StageRows, last: LastRow, g: Sequence[Value]) -> list[Value]:
        """Write the way back through the stages of a step; returns the cotangent of its state."""
        b, frame, n, pull = self.frame.b, self.frame, self.program.n, self.pull
        last.weigh("0")

        def forth(i: Value) -> None:
            at = stages.place(self.states, i)
            stages.gather(i, self.y, at)
            known = pull.stage(stages.leading(i), [b.load(stages.address(at, c)) for c in range(n)])
            for c, node in enumerate(pull.values):
                stages.put(i, c, known[node])

        stages.each_stage(forth)
        for c, x in enumerate(g):
            frame.put(self.bar + c, x)
            frame.put(self.end + c, x)
        stages.clear(self.bars, stages.n * n)
        last.each(lambda j, weight: stages.add(weight, str(self.bar), stages.place(self.bars, j)))

        def back(i: Value) -> None:
            at, own = stages.place(self.states, i), stages.place(self.bars, i)
            known = pull.stage(stages.leading(i), [b.load(stages.address(at, c)) for c in range(n)])
            found = pull.bars(known, [b.load(stages.address(own, c)) for c in range(n)])
            for c, x in enumerate(found):
                frame.put(self.bar + c, x)
                frame.put(self.end + c, b.add(frame.get(self.end + c), x))
            stages.each_entry(i, lambda j, weight: stages.add(weight, str(self.bar), stages.place(self.bars, j)))

        stages.each_stage(back, backwards=True)
        return [frame.get(self.end + c) for c in range(n)]
