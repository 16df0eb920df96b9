"""The search kernel: trajectories that choose their own steps, each in a lane, and the log of the steps that count.

A lane whose trajectory has ended takes the next one, so lanes never wait for each other.  What a lane does depends on
its own trajectory alone.  An accepted step is logged where a save time lies within it, or where all steps are wanted:
with its start, its size and its state, from which it can be computed again.
"""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Shape, Value
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import NUMBER, Frame
from integrators.compiled.kernel_lane import LaneCode
from integrators.compiled.kernel_methods import attempt_of, control_of
from integrators.compiled.program import Formula, Program

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
STRIDE, CAPACITY, BUDGET, EVERY, LIMIT, KEEPS = range(6)  # whole numbers; doubles: see `kernel_control`
HEAD = 5
"""Rows of the log before the state: trajectory, how many it had logged, number of its next save, time, step.
Behind the state lies what the method has noted, then the coefficients of the step's polynomial, where the caller has
room for them (KEEPS)."""
N_COUNTS = 8
"""Rows of COUNTS: why a trajectory ended, attempts, accepted steps, logged ones, what its method has counted (calls of
the right-hand side, Jacobians, factorisations), number of its next save."""
NEXT, BEYOND, LOGGED, RUNNING = range(4)
"""Whole numbers at the start of the workspace, which lives from call to call."""
HEADER = 64
"""Bytes of the workspace before the frame's slots."""


@final
class SearchKernel:
    """Writes the search kernel of a program and the formula of a method.

    Parameters
    ----------
    program : Program
        The right-hand side.
    formula : Formula
    n_ratios : int
        How many error ratios the controller looks at; 0 for elementary control.
    shape : Shape
    groups : int
    """

    def __init__(self, program: Program, formula: Formula, n_ratios: int, shape: Shape, groups: int) -> None:
        self.program = program.reduced
        frame = self.frame = Frame(shape, groups, given=True)
        self.lane = LaneCode(frame)
        self.field = Field(frame, self.program, None)
        self.control = control_of(frame, formula, n_ratios)
        self.attempt = attempt_of(frame, self.field, program, formula, self.control)
        self.t_save, self.save, self.save_end, self.logged, self.taken = (frame.slots(1) for _ in range(5))

    @property
    def n_logged(self) -> int:
        """Rows of the log."""
        return self.n_bare + self.program.n * len(self.attempt.polynomial)

    @property
    def n_bare(self) -> int:
        """Rows of the log without the polynomials."""
        return HEAD + self.program.n + self.n_noted

    @property
    def n_noted(self) -> int:
        """Rows behind the state that the method has noted."""
        return len(self.attempt.noted)

    @property
    def bytes(self) -> int:
        """Bytes of the workspace."""
        return HEADER + self.frame.bytes

    @property
    def n_end(self) -> int:
        """Rows of END: state, time, size of the next step, of the last one tried, of the last ones accepted."""
        return self.program.n + 3 + len(self.control.recent)

    def text(self) -> str:
        """Return the module's text."""
        b = self.frame.b
        self.p = [b.pointer_at("%pointers", i) for i in range(14)]
        whole = [b.whole_at("%whole", i) for i in range(6)]
        self.count, self.capacity, budget, self.every, limit, keeps = whole
        self.keeps = b.line(f"icmp ne i64 {keeps}, 0")
        self.stride = b.line(f"mul i64 {self.count}, {NUMBER}")
        self.control.given("%real", limit)
        b.lines += [f"%work = getelementptr i8, ptr {self.p[WORK]}, i64 {HEADER}", "%left = alloca i64"]
        self.attempt.given(self.p[TOLERANCE])
        b.lines.append(f"store i64 {budget}, ptr %left")
        with b.when(b.line("icmp sge i64 %first, 0")):  # the first call: trajectories `first` and `count` more
            self._begin()
        with b.repeat(self._goes_on):
            left = b.line("load i64, ptr %left")
            b.lines.append(f"store i64 {b.line(f'sub i64 {left}, 1')}, ptr %left")
            self.frame.each_group(self.control.propose)
            self.attempt.write()
            self.frame.each_group(self._judge)
        graphs = [self.field.graph, *self.attempt.graphs]
        return self.frame.text(graphs, further=("log2", "exp2"), functions=self.attempt.functions)

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
            self.attempt.hold()

        self.frame.each_group(begin)

    def _refill(self, lane: Value) -> None:
        """Write: the lane takes the next trajectory; without one it idles on the last."""
        b, control = self.frame.b, self.control
        following, beyond = self._whole(NEXT), self._whole(BEYOND)
        there = b.line(f"icmp slt i64 {following}, {beyond}")
        with b.when(b.line(f"xor i1 {there}, true")):
            self._set_whole(RUNNING, b.line(f"sub i64 {self._whole(RUNNING)}, 1"))
            self.lane.set(control.trajectory, lane, "-1")
        with b.when(there):
            self._set_whole(NEXT, b.line(f"add i64 {following}, 1"))
            self.lane.set(control.trajectory, lane, following)
        last = b.line(f"sub i64 {beyond}, 1")
        j = b.line(f"select i1 {there}, i64 {following}, i64 {last}")
        n, values = self.program.n, self.field.values
        for pointer, first, length in (
            (START, self.attempt.y, n),
            (DERIVATIVE, self.attempt.first, n),
            (PARAMETERS, values.parameter_slots, self.program.n_parameters),
        ):
            self.lane.rows(first, length, self.p[pointer], j, self.stride, lane, True)
        for pointer, slot in (
            (T_START, control.t),
            (T_END, control.t_end),
            (FIRST_STEP, control.h_abs),
            (FIRST_SAVE, self.save),
            (LAST_SAVE, self.save_end),
        ):
            self.lane.copy(self._outside(pointer, j), self.lane.address(slot, lane))
        counts = (control.attempts, control.accepted, self.logged, *self.attempt.counts)
        for slot in (control.rejected, control.over, control.unsolved, self.taken, *counts, *self.attempt.cleared):
            self.lane.set(slot, lane, "0")
        for slot in control.ratios:
            self.lane.set(slot, lane, "1.0", "double")
        for slot in (*control.recent, control.h):
            self.lane.set(slot, lane, "0x7FF8000000000000", "double")
        start, end = self.lane.get(control.t, lane, "double"), self.lane.get(control.t_end, lane, "double")
        ahead = b.line(f"fcmp oge double {end}, {start}")
        self.lane.set(control.direction, lane, b.line(f"select i1 {ahead}, double 1.0, double -1.0"), "double")
        self._next_save(lane)

    def _next_save(self, lane: Value) -> None:
        """Write the next save time of a lane: infinitely far ahead if there is none."""
        b = self.frame.b
        save, end = self.lane.get(self.save, lane), self.lane.get(self.save_end, lane)
        direction = self.lane.get(self.control.direction, lane, "double")
        self.lane.set(self.t_save, lane, b.line(f"fmul double {direction}, 0x7FF0000000000000"), "double")
        with b.when(b.line(f"icmp slt i64 {save}, {end}")):
            offset = b.line(f"mul i64 {save}, {NUMBER}")
            self.lane.copy(b.pointer(self.p[TIMES], offset), self.lane.address(self.t_save, lane))

    def _finish(self, lane: Value) -> None:
        """Write what became of a lane's trajectory, and let it take the next one."""
        n, control = self.program.n, self.control
        j = self.lane.get(control.trajectory, lane)
        self.lane.rows(self.attempt.y, n, self.p[END], j, self.stride, lane, False)
        for i, slot in enumerate((control.t, control.h_abs, control.h, *control.recent)):
            self.lane.copy(self.lane.address(slot, lane), self._outside(END, j, n + i))
        for i, slot in enumerate(self._told):
            self.lane.copy(self.lane.address(slot, lane), self._outside(COUNTS, j, i))
        self._refill(lane)

    @property
    def _told(self) -> tuple[int, ...]:
        """Slots of the rows of COUNTS."""
        control = self.control
        return (control.why, control.attempts, control.accepted, self.logged, *self.attempt.counts, self.save)

    def _log(self, lane: Value) -> None:
        """Write an accepted step into the log, and pass the save times within it."""
        b, n, control = self.frame.b, self.program.n, self.control
        at = self._whole(LOGGED)
        self._set_whole(LOGGED, b.line(f"add i64 {at}, 1"))
        size = b.line(f"mul i64 {self.capacity}, {NUMBER}")
        for i, slot in enumerate((control.trajectory, self.logged, self.save, control.t, control.h)):
            self.lane.copy(self.lane.address(slot, lane), self.lane.place(self.p[LOG], at, i, size))
        self.lane.set(self.logged, lane, b.line(f"add i64 {self.lane.get(self.logged, lane)}, 1"))
        state = b.pointer(self.p[LOG], b.line(f"mul i64 {size}, {HEAD}"))
        self.lane.rows(self.attempt.y, n, state, at, size, lane, False)
        for i, slot in enumerate(self.attempt.noted):
            self.lane.copy(self.lane.address(slot, lane), self.lane.place(self.p[LOG], at, HEAD + n + i, size))
        if self.attempt.polynomial:
            there = b.pointer(self.p[LOG], b.line(f"mul i64 {size}, {self.n_bare}"))
            length = n * len(self.attempt.polynomial)
            with b.when(self.keeps):
                self.lane.rows(self.attempt.polynomial[0], length, there, at, size, lane, False)
        t_new = self.lane.get(control.t_new, lane, "double")
        direction = self.lane.get(control.direction, lane, "double")

        def reached() -> Value:
            ahead = b.line(f"fsub double {t_new}, {self.lane.get(self.t_save, lane, 'double')}")
            return b.line(f"fcmp oge double {b.line(f'fmul double {ahead}, {direction}')}, 0.0")

        with b.repeat(reached):
            self.lane.set(self.save, lane, b.line(f"add i64 {self.lane.get(self.save, lane)}, 1"))
            self._next_save(lane)

    def _judge(self, group: Value) -> None:
        """Write whether the step is accepted, and what follows from it."""
        b, frame, control = self.frame.b, self.frame, self.control
        accepted = control.judge(*self.attempt.ratio(), self.attempt.failed())
        ahead = b.mul(b.sub(frame.get(control.t_new), frame.get(self.t_save)), frame.get(control.direction))
        passed = b.compare("oge", ahead, b.constant(0.0))
        every = b.integer_compare("ne", control.everywhere(self.every), b.whole(0))
        taken = b.both(accepted, b.either(passed, every))
        control.flag(self.taken, taken)
        with b.when(b.any(taken)):
            self.attempt.interpolate(group)
            self.lane.each(self._log, self.taken)
        self.attempt.move(accepted)
        over = control.move(accepted)
        with b.when(b.any(over)):
            self.lane.each(self._finish, control.over)
            self.attempt.hold()
