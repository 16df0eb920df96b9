"""The search kernel: trajectories that choose their own steps, each in a lane, and the log of the steps that count.

A lane whose trajectory has ended takes the next one, so lanes never wait for each other.  Steps are chosen as SciPy
chooses them.  What a lane does depends on its own trajectory alone.  An accepted step is logged where a save time lies
within it, or where all steps are wanted: with its start, its size and its state, from which it can be computed again.
"""

from __future__ import annotations

from typing import final

from diffsim.compiler import elementary
from diffsim.compiler.emitter import Shape, Value
from integrators.compiled.kernel_field import Field, Leading, Take
from integrators.compiled.kernel_frame import NUMBER, Frame
from integrators.compiled.kernel_lane import LaneCode
from integrators.compiled.program import Pair, Program

__all__: list[str] = []

(
    WORK,
    START,
    PARAMETERS,
    DERIVATIVE,
    FIRST_STEP,
    T_START,
    T_END,
    TIMES,
    FIRST_SAVE,
    LAST_SAVE,
    TOLERANCE,
    LOG,
    END,
    COUNTS,
) = range(14)  # pointers
STRIDE, CAPACITY, BUDGET, EVERY, LIMIT = range(5)  # whole numbers
MAX_STEP, MIN_STEP, SAFETY, MIN_FACTOR, MAX_FACTOR, EXPONENT = range(6)  # doubles; an exponent for each ratio seen
HEAD = 5
"""Rows of the log before the state: trajectory, how many it had logged, number of its next save, time, step."""
ENDED, TOO_SMALL, SPENT = range(3)
"""Why a trajectory ended."""
NEXT, BEYOND, LOGGED, RUNNING = range(4)
"""Whole numbers at the start of the workspace, which lives from call to call."""
_HEADER = 64
_TINY = 5e-324
SMALLEST_RATIO = 1e-10
"""Least error ratio that a controller with a memory sees."""


@final
class SearchKernel:
    """Writes the search kernel of a program and a pair.

    Parameters
    ----------
    program : Program
        The right-hand side.
    pair : Pair
    memory : int
        How many earlier error ratios the controller looks at.
    shape : Shape
    groups : int
    """

    def __init__(self, program: Program, pair: Pair, memory: int, shape: Shape, groups: int) -> None:
        self.program, self.pair, self.memory, self.shape = program.reduced, pair, memory, shape
        frame = self.frame = Frame(shape, groups, given=True)
        n = program.n
        self.lane = LaneCode(frame)
        self.field = Field(frame, self.program, None)
        self.y, self.first, self.closing = frame.slots(n), frame.slots(n), frame.slots(n)
        self.rows = [self.y, *(frame.slots(n) for _ in pair.rows[1:])]
        self.new = self.rows[pair.n_stages]
        self.t, self.h, self.t_new, self.h_abs, self.rejected = (frame.slots(1) for _ in range(5))
        self.t_end, self.direction, self.t_save = (frame.slots(1) for _ in range(3))
        self.trajectory, self.save, self.save_end = (frame.slots(1) for _ in range(3))
        self.attempts, self.accepted, self.logged = (frame.slots(1) for _ in range(3))
        self.taken, self.over, self.why = (frame.slots(1) for _ in range(3))
        self.ratios = [frame.slots(1) for _ in range(memory)]

    @property
    def bytes(self) -> int:
        """Bytes of the workspace."""
        return _HEADER + self.frame.bytes

    def text(self) -> str:
        """Return the module's text."""
        b = self.frame.b
        self.p = [b.pointer_at("%pointers", i) for i in range(14)]
        whole = [b.whole_at("%whole", i) for i in range(5)]
        self.count, self.capacity, budget, self.every, self.limit = whole
        self.real = [b.splat(b.double_at("%real", i)) for i in range(EXPONENT + 1 + self.memory)]
        self.stride = b.line(f"mul i64 {self.count}, {NUMBER}")
        b.lines += [f"%work = getelementptr i8, ptr {self.p[WORK]}, i64 {_HEADER}", "%left = alloca i64"]
        b.lines.append(f"store i64 {budget}, ptr %left")
        with b.when(b.line("icmp sge i64 %first, 0")):  # the first call: trajectories `first` and `count` more
            self._begin()
        with b.repeat(self._goes_on):
            left = b.line("load i64, ptr %left")
            b.lines.append(f"store i64 {b.line(f'sub i64 {left}, 1')}, ptr %left")
            self._attempt()
        return self.frame.text([self.field.graph], further=("log2", "exp2"))

    # --- whole numbers of the workspace -------------------------------------------------------------------------------

    def _whole(self, i: int) -> Value:
        return self.frame.b.whole_at(self.p[WORK], i)

    def _set_whole(self, i: int, value: Value) -> None:
        b = self.frame.b
        b.lines.append(f"store i64 {value}, ptr {b.pointer(self.p[WORK], i * NUMBER)}, align 8")

    def _goes_on(self) -> Value:
        """Write whether another attempt is to be made: lanes run, attempts are left, the log has room."""
        b = self.frame.b
        left = b.line("load i64, ptr %left")
        room = b.line(f"sub i64 {self.capacity}, {self._whole(LOGGED)}")
        conditions = [
            b.line(f"icmp sgt i64 {left}, 0"),
            b.line(f"icmp sgt i64 {self._whole(RUNNING)}, 0"),
            b.line(f"icmp sge i64 {room}, {self.frame.block}"),
        ]
        return b.line(f"and i1 {conditions[0]}, {b.line(f'and i1 {conditions[1]}, {conditions[2]}')}")

    def _outside(self, pointer: int, index: Value, row: Value | int = 0) -> Value:
        """Return the address of number `index` in a row of an array of all trajectories."""
        return self.lane.place(self.p[pointer], index, row, self.stride)

    # --- beginning and ending -----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Write the first call: every lane takes a trajectory."""
        b = self.frame.b
        self._set_whole(NEXT, "%first")
        self._set_whole(BEYOND, b.line("add i64 %first, %count"))
        self._set_whole(LOGGED, "0")
        self._set_whole(RUNNING, str(self.frame.block))

        def begin(group: Value) -> None:
            self.lane.each(self._refill)
            self.field.values.hold()

        self.frame.each_group(begin)

    def _refill(self, lane: Value) -> None:
        """Write: the lane takes the next trajectory; without one it idles on the last."""
        b = self.frame.b
        following, beyond = self._whole(NEXT), self._whole(BEYOND)
        there = b.line(f"icmp slt i64 {following}, {beyond}")
        with b.when(b.line(f"xor i1 {there}, true")):
            self._set_whole(RUNNING, b.line(f"sub i64 {self._whole(RUNNING)}, 1"))
            self.lane.set(self.trajectory, lane, "-1")
        with b.when(there):
            self._set_whole(NEXT, b.line(f"add i64 {following}, 1"))
            self.lane.set(self.trajectory, lane, following)
        last = b.line(f"sub i64 {beyond}, 1")
        j = b.line(f"select i1 {there}, i64 {following}, i64 {last}")
        n, values = self.program.n, self.field.values
        for pointer, first, length in (
            (START, self.y, n),
            (DERIVATIVE, self.first, n),
            (PARAMETERS, values.parameter_slots, self.program.n_parameters),
        ):
            self.lane.rows(first, length, self.p[pointer], j, self.stride, lane, True)
        for pointer, slot in (
            (T_START, self.t),
            (T_END, self.t_end),
            (FIRST_STEP, self.h_abs),
            (FIRST_SAVE, self.save),
            (LAST_SAVE, self.save_end),
        ):
            self.lane.copy(self._outside(pointer, j), self.lane.address(slot, lane))
        for slot in (self.rejected, self.attempts, self.accepted, self.logged, self.over, self.taken):
            self.lane.set(slot, lane, "0")
        for slot in self.ratios:
            self.lane.set(slot, lane, "1.0", "double")
        start, end = self.lane.get(self.t, lane, "double"), self.lane.get(self.t_end, lane, "double")
        ahead = b.line(f"fcmp oge double {end}, {start}")
        self.lane.set(self.direction, lane, b.line(f"select i1 {ahead}, double 1.0, double -1.0"), "double")
        self._next_save(lane)

    def _next_save(self, lane: Value) -> None:
        """Write the next save time of a lane: infinitely far ahead if there is none."""
        b = self.frame.b
        save, end = self.lane.get(self.save, lane), self.lane.get(self.save_end, lane)
        direction = self.lane.get(self.direction, lane, "double")
        self.lane.set(self.t_save, lane, b.line(f"fmul double {direction}, 0x7FF0000000000000"), "double")
        with b.when(b.line(f"icmp slt i64 {save}, {end}")):
            offset = b.line(f"mul i64 {save}, {NUMBER}")
            self.lane.copy(b.pointer(self.p[TIMES], offset), self.lane.address(self.t_save, lane))

    def _finish(self, lane: Value) -> None:
        """Write what became of a lane's trajectory, and let it take the next one."""
        n = self.program.n
        j = self.lane.get(self.trajectory, lane)
        self.lane.rows(self.y, n, self.p[END], j, self.stride, lane, False)
        for i, slot in enumerate((self.t, self.h_abs)):
            self.lane.copy(self.lane.address(slot, lane), self._outside(END, j, n + i))
        for i, slot in enumerate((self.why, self.attempts, self.accepted, self.logged)):
            self.lane.copy(self.lane.address(slot, lane), self._outside(COUNTS, j, i))
        self._refill(lane)

    def _log(self, lane: Value) -> None:
        """Write an accepted step into the log, and pass the save times within it."""
        b, n = self.frame.b, self.program.n
        at = self._whole(LOGGED)
        self._set_whole(LOGGED, b.line(f"add i64 {at}, 1"))
        size = b.line(f"mul i64 {self.capacity}, {NUMBER}")
        for i, slot in enumerate((self.trajectory, self.logged, self.save, self.t, self.h)):
            self.lane.copy(self.lane.address(slot, lane), self.lane.place(self.p[LOG], at, i, size))
        self.lane.set(self.logged, lane, b.line(f"add i64 {self.lane.get(self.logged, lane)}, 1"))
        state = b.pointer(self.p[LOG], b.line(f"mul i64 {size}, {HEAD}"))
        self.lane.rows(self.y, n, state, at, size, lane, False)
        t_new, direction = self.lane.get(self.t_new, lane, "double"), self.lane.get(self.direction, lane, "double")

        def reached() -> Value:
            ahead = b.line(f"fsub double {t_new}, {self.lane.get(self.t_save, lane, 'double')}")
            return b.line(f"fcmp oge double {b.line(f'fmul double {ahead}, {direction}')}, 0.0")

        with b.repeat(reached):
            self.lane.set(self.save, lane, b.line(f"add i64 {self.lane.get(self.save, lane)}, 1"))
            self._next_save(lane)

    # --- one attempt --------------------------------------------------------------------------------------------------

    def _attempt(self) -> None:
        """Write one attempt of all lanes."""
        pair, frame = self.pair, self.frame
        frame.each_group(self._propose)
        for i in range(pair.n_stages):
            adder = self._adder(i)
            if i == 0:
                self._carried(adder)
            else:
                self.field.stage(self._leading(pair.nodes[i]), self.rows[i], adder)
        self.field.stage(lambda: [frame.get(self.t_new)], self.new, self._closing(self._adder(pair.n_stages)))
        frame.each_group(self._judge)

    def _propose(self, group: Value) -> None:
        """Write the size of the step to try, and whether the lane must end instead."""
        b, frame = self.frame.b, self.frame
        t, direction, end = (frame.get(slot) for slot in (self.t, self.direction, self.t_end))
        smallest = self._smallest(t, direction)
        h_abs, rejected = frame.get(self.h_abs), b.compare("une", frame.get(self.rejected), b.constant(0.0))
        limited = b.select(b.compare("ogt", h_abs, self.real[MAX_STEP]), self.real[MAX_STEP], h_abs)
        limited = b.select(b.compare("olt", limited, smallest), smallest, limited)
        h_abs = b.select(rejected, h_abs, limited)
        stuck = b.opposite(b.compare("oge", h_abs, smallest))
        here = b.compare("oeq", t, end)  # an empty span
        spent = b.integer_compare("sge", b.bits(frame.get(self.attempts)), self._everywhere(self.limit))
        why = b.choose(stuck, b.whole(TOO_SMALL), b.choose(spent, b.whole(SPENT), b.whole(ENDED)))
        frame.put(self.why, b.real(b.choose(here, b.whole(ENDED), why)))
        running = b.integer_compare("sge", b.bits(frame.get(self.trajectory)), b.whole(0))
        over = b.both(running, b.either(b.either(stuck, spent), here))
        frame.put(self.over, self._flag(over))
        t_new = b.add(t, b.mul(h_abs, direction))
        beyond = b.compare("ogt", b.mul(b.sub(t_new, end), direction), b.constant(0.0))
        t_new = b.select(beyond, end, t_new)
        frame.put(self.t_new, t_new)
        frame.put(self.h, b.sub(t_new, t))

    def _smallest(self, t: Value, direction: Value) -> Value:
        """Write the shortest step: ten units in the last place of t, `min_step` at least."""
        b = self.frame.b
        away = b.compare("ogt", b.mul(t, direction), b.constant(0.0))
        following = b.real(b.integer("add", b.bits(t), b.choose(away, b.whole(1), b.whole(-1))))
        following = b.select(b.compare("oeq", t, b.constant(0.0)), b.constant(_TINY), following)
        smallest = b.mul(b.constant(10.0), b.abs(b.sub(following, t)))
        return b.select(b.compare("ogt", self.real[MIN_STEP], smallest), self.real[MIN_STEP], smallest)

    def _everywhere(self, k: Value) -> Value:
        b, lanes = self.frame.b, self.shape.lanes
        if lanes == 1:
            return k
        first = b.line(f"insertelement {self.shape.integer} poison, i64 {k}, i32 0")
        zeros = f"<{lanes} x i32> zeroinitializer"
        return b.line(f"shufflevector {self.shape.integer} {first}, {self.shape.integer} poison, {zeros}")

    def _flag(self, mask: Value) -> Value:
        b = self.frame.b
        return b.real(b.choose(mask, b.whole(1), b.whole(0)))

    def _leading(self, node: float) -> Leading:
        """Return what writes the time of a stage."""
        frame, b = self.frame, self.frame.b

        def time() -> list[Value]:
            t = frame.get(self.t)
            return [b.add(t, b.mul(frame.get(self.h), b.constant(node))) if node else t]

        return time

    def _carried(self, take: Take) -> None:
        """Write the first stage, which is known, and its shares."""

        def body(group: Value) -> None:
            for c in range(self.program.n):
                take(c, self.frame.get(self.first + c))

        self.frame.each_group(body)

    def _adder(self, i: int) -> Take:
        """Return what adds stage i to the rows that it is part of."""
        b, n_stages = self.frame.b, self.pair.n_stages
        shares = [(r, row[0][0] == i, dict(row)[i]) for r, row in enumerate(self.pair.rows) if i in dict(row)]

        def add(slot: int, k: Value | None) -> Value:
            h = self.frame.get(self.h)
            for r, first, weight in shares:
                factor = b.mul(h, b.constant(weight))
                if r > n_stages and first:
                    new = b.mul(factor, k or b.constant(0.0))
                else:
                    before = self.frame.get((self.y if first else self.rows[r]) + slot)
                    new = before if k is None else b.fma(factor, k, before)
                self.frame.put(self.rows[r] + slot, new)
            return ""

        return add

    def _closing(self, add: Take) -> Take:
        """Return what also keeps the derivative at the new state."""

        def take(slot: int, k: Value | None) -> Value:
            self.frame.put(self.closing + slot, self.frame.b.constant(0.0) if k is None else k)
            return add(slot, k)

        return take

    def _judge(self, group: Value) -> None:
        """Write whether the step is accepted, what follows from it, and the next step's size."""
        b, frame, n = self.frame.b, self.frame, self.program.n
        ratio, total = self._ratio()
        sound = b.compare("ord", total, total)
        running = b.integer_compare("sge", b.bits(frame.get(self.trajectory)), b.whole(0))
        over = b.integer_compare("ne", b.bits(frame.get(self.over)), b.whole(0))
        tried = b.both(running, b.opposite(over))
        accepted = b.both(b.both(b.compare("olt", ratio, b.constant(1.0)), sound), tried)
        frame.put(self.h_abs, self._next_size(ratio, accepted, tried))
        rejected = b.both(tried, b.opposite(accepted))
        self._count(self.attempts, tried)
        self._count(self.accepted, accepted)
        before = frame.get(self.rejected)
        frame.put(self.rejected, b.select(accepted, b.constant(0.0), b.select(rejected, b.constant(1.0), before)))
        t, t_new = frame.get(self.t), frame.get(self.t_new)
        ahead = b.mul(b.sub(t_new, frame.get(self.t_save)), frame.get(self.direction))
        passed = b.compare("oge", ahead, b.constant(0.0))
        every = b.integer_compare("ne", self._everywhere(self.every), b.whole(0))
        taken = b.both(accepted, b.either(passed, every))
        frame.put(self.taken, self._flag(taken))
        with b.when(b.any(taken)):
            self.lane.each(self._log, self.taken)
        for c in range(n):
            frame.put(self.y + c, b.select(accepted, frame.get(self.new + c), frame.get(self.y + c)))
            frame.put(self.first + c, b.select(accepted, frame.get(self.closing + c), frame.get(self.first + c)))
        frame.put(self.t, b.select(accepted, t_new, t))
        over = b.either(over, b.both(accepted, b.compare("oeq", t_new, frame.get(self.t_end))))
        frame.put(self.over, self._flag(over))
        with b.when(b.any(over)):
            self.lane.each(self._finish, self.over)
            self.field.values.hold()

    def _count(self, slot: int, mask: Value) -> None:
        b = self.frame.b
        more = b.integer("add", b.bits(self.frame.get(slot)), b.choose(mask, b.whole(1), b.whole(0)))
        self.frame.put(slot, b.real(more))

    def _ratio(self) -> tuple[Value, Value]:
        """Write the error in units of the tolerance, and a number that is NaN unless the new state is finite."""
        b, frame, n, pair = self.frame.b, self.frame, self.program.n, self.pair
        zero = b.constant(0.0)
        sums, total = [zero] * pair.n_errors, zero
        for c in range(n):
            y, new = frame.get(self.y + c), frame.get(self.new + c)
            total = b.fma(new, zero, total)
            size, size_new = b.abs(y), b.abs(new)
            largest = b.select(b.compare("ogt", size_new, size), size_new, size)
            rtol, atol = (b.splat(b.double_at(self.p[TOLERANCE], c + k * n)) for k in range(2))
            scale = b.add(atol, b.mul(largest, rtol))
            for e in range(pair.n_errors):
                part = b.div(frame.get(self.rows[pair.n_stages + 1 + e] + c), scale)
                sums[e] = b.add(sums[e], b.mul(part, part))
        if pair.n_errors == 1:
            return b.div(b.sqrt(sums[0]), b.constant(float(n) ** 0.5)), total
        # SOURCE: Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", equation (II.10.17)
        below = b.add(sums[0], b.mul(b.constant(0.01), sums[1]))
        ratio = b.div(sums[0], b.sqrt(b.mul(below, b.constant(float(n)))))
        return b.select(b.compare("oeq", below, zero), zero, ratio), total

    def _next_size(self, ratio: Value, accepted: Value, tried: Value) -> Value:
        """Write the size of the next step."""
        b, frame, real = self.frame.b, self.frame, self.real
        alone = b.mul(real[SAFETY], self._power(self._logarithm(ratio), b.constant(-1.0 / (self.pair.order + 1))))
        grown = alone if not self.memory else self._filtered(ratio, accepted)
        grown = b.select(b.compare("olt", grown, real[MAX_FACTOR]), grown, real[MAX_FACTOR])
        again = b.compare("une", frame.get(self.rejected), b.constant(0.0))
        modest = b.select(b.compare("olt", grown, b.constant(1.0)), grown, b.constant(1.0))
        grown = b.select(again, modest, grown)
        shrunk = b.select(b.compare("ogt", alone, real[MIN_FACTOR]), alone, real[MIN_FACTOR])
        size = b.mul(b.abs(frame.get(self.h)), b.select(accepted, grown, shrunk))
        return b.select(tried, size, frame.get(self.h_abs))

    def _filtered(self, ratio: Value, accepted: Value) -> Value:
        """Write the factor after an accepted step of a controller that remembers earlier ones; see `Controller`."""
        b, frame, real = self.frame.b, self.frame, self.real
        floor = b.constant(SMALLEST_RATIO)
        ratio = b.select(b.compare("ogt", floor, ratio), floor, ratio)
        factor = real[SAFETY]
        for i, r in enumerate((ratio, *(frame.get(slot) for slot in self.ratios))):
            factor = b.mul(factor, self._power(self._logarithm(r), real[EXPONENT + i]))
        before = ratio
        for slot in self.ratios:
            old = frame.get(slot)
            frame.put(slot, b.select(accepted, before, old))
            before = old
        return b.select(b.compare("olt", factor, real[MIN_FACTOR]), real[MIN_FACTOR], factor)

    def _logarithm(self, x: Value) -> Value:
        return self.frame.b.call(elementary.symbol("log2", self.shape), [x])[0]

    def _power(self, logarithm: Value, exponent: Value) -> Value:
        b = self.frame.b
        return b.call(elementary.symbol("exp2", self.shape), [b.mul(logarithm, exponent)])[0]
