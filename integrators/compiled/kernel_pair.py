"""One attempt at a step of an explicit Runge-Kutta pair: the stages, the new state, the errors."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Value
from integrators.compiled.kernel_attempt import Attempt
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_field import Field, Leading, Take
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.kernel_stages import StageRows
from integrators.compiled.program import Pair

__all__: list[str] = []

MOST_UNROLLED = 7
"""Stages of a method, before the closing one, that are written one after the other; more are a loop.

PERF: 1,024 double pendulums to t = 10, one core, AVX-512: RK45 (1e-7) 24 ms, in a loop 32 ms; DOP853 (1e-9) 44 ms and
Vern9 (1e-11) 62 ms either way, and a loop compiles in a third of the time.
"""


class PairAttempt(Attempt):
    """Writes the attempt of an explicit Runge-Kutta pair.

    Parameters
    ----------
    frame, field, control
        See `Attempt`.
    pair : Pair
    """

    def __init__(self, frame: Frame, field: Field, pair: Pair, control: StepControl) -> None:
        super().__init__(frame, field, control)
        self.pair = pair

    def interpolate(self, group: Value) -> None:
        """Nothing: the states at save times are made of the step's start, many at a time."""


@final
class UnrolledAttempt(PairAttempt):
    """Stages written one after the other, each added to the rows that it is part of as soon as it is known."""

    def __init__(self, frame: Frame, field: Field, pair: Pair, control: StepControl) -> None:
        super().__init__(frame, field, pair, control)
        self._end = self.closing = frame.slots(self.n)
        self._rows = [self.y, *(frame.slots(self.n) for _ in pair.rows[1:])]
        self.new, self.errors = self._rows[pair.n_stages], self._rows[pair.n_stages + 1 :]

    def write(self) -> None:
        frame, pair = self.frame, self.pair
        for i in range(pair.n_stages):
            adder = self._adder(i)
            if i == 0:
                self._carried(adder)
            else:
                self.field.stage(self._leading(pair.nodes[i]), self._rows[i], adder)
        closing = self._closing(self._adder(pair.n_stages))
        self.field.stage(lambda: [frame.get(self.control.t_new)], self.new, closing)

    def _leading(self, node: float) -> Leading:
        """Return what writes the time of a stage."""
        frame, b = self.frame, self.frame.b

        def time() -> list[Value]:
            t = frame.get(self.control.t)
            return [b.add(t, b.mul(frame.get(self.control.h), b.constant(node))) if node else t]

        return time

    def _carried(self, take: Take) -> None:
        """Write the first stage, which is known, and its shares."""

        def body(group: Value) -> None:
            for c in range(self.n):
                take(c, self.frame.get(self.first + c))

        self.frame.each_group(body)

    def _adder(self, i: int) -> Take:
        """Return what adds stage i to the rows that it is part of."""
        b, n_stages = self.frame.b, self.pair.n_stages
        shares = [(r, row[0][0] == i, dict(row)[i]) for r, row in enumerate(self.pair.rows) if i in dict(row)]

        def add(slot: int, k: Value | None) -> Value:
            h = self.frame.get(self.control.h)
            for r, first, weight in shares:
                factor = b.mul(h, b.constant(weight))
                if r > n_stages and first:
                    new = b.mul(factor, k or b.constant(0.0))
                else:
                    before = self.frame.get((self.y if first else self._rows[r]) + slot)
                    new = before if k is None else b.fma(factor, k, before)
                self.frame.put(self._rows[r] + slot, new)
            return ""

        return add

    def _closing(self, add: Take) -> Take:
        """Return what also keeps the derivative at the new state."""

        def take(slot: int, k: Value | None) -> Value:
            self.frame.put(self._end + slot, self.frame.b.constant(0.0) if k is None else k)
            return add(slot, k)

        return take


@final
class LoopedAttempt(PairAttempt):
    """Stages in a loop: for methods of many stages, and right-hand sides too large to be written once a stage."""

    def __init__(self, frame: Frame, field: Field, pair: Pair, control: StepControl) -> None:
        super().__init__(frame, field, pair, control)
        self._stages = StageRows(frame, pair.rows, (*pair.nodes, 1.0), control.t, self.n)
        self.closing = self._stages.k + pair.n_stages * self.n
        self.new = frame.slots(self.n)
        self.errors = [frame.slots(self.n) for _ in range(pair.n_errors)]

    def write(self) -> None:
        frame, stages, pair, control = self.frame, self._stages, self.pair, self.control
        frame.each_group(lambda group: stages.copy(str(self.first), str(stages.k)))

        def stage(i: Value) -> None:
            def leading() -> list[Value]:
                b = frame.b
                last = b.line(f"icmp eq i64 {i}, {pair.n_stages}")  # t + h may be another number than the new time
                (between,), real = stages.leading(i), b.shape.real
                return [b.line(f"select i1 {last}, {real} {frame.get(control.t_new)}, {real} {between}")]

            def take(slot: int, k: Value | None) -> Value:
                stages.put(i, slot, k)
                return ""

            frame.each_group(lambda group: stages.gather(i, self.y, str(self.new)))
            self.field.stage(leading, self.new, take)

        stages.each_stage(stage, first=1)
        frame.each_group(self._estimate)

    def _estimate(self, group: Value) -> None:
        """Write the errors of a group."""
        stages = self._stages
        for e, error in enumerate(self.errors):
            target = str(error)

            def share(j: Value, weight: Value, target: str = target) -> None:
                stages.add(weight, stages.place(stages.k, j), target)

            stages.clear(error, self.n)
            stages.each_entry(str(self.pair.n_stages + 1 + e), share)
