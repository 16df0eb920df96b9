"""One attempt at a step in the search kernel: what all methods share, and explicit Runge-Kutta pairs.

The rest of the search knows nothing of a method but its `Attempt`: from the state, the time and the size of the step it
makes a new state and the error, and where save times lie within the step the coefficients of its polynomial.
"""

from __future__ import annotations

import abc
from typing import final

from diffsim.compiler.emitter import Value
from diffsim.graph import Graph
from integrators.compiled.kernel_control import StepControl, error_ratio
from integrators.compiled.kernel_field import Field, Leading, Take
from integrators.compiled.kernel_frame import Frame, Inputs
from integrators.compiled.kernel_stages import StageRows
from integrators.compiled.program import Pair

__all__: list[str] = []

MOST_UNROLLED = 7
"""Stages of a method, before the closing one, that are written one after the other; more are a loop.

PERF: 1,024 double pendulums to t = 10, one core, AVX-512: RK45 (1e-7) 24 ms, in a loop 32 ms; DOP853 (1e-9) 44 ms and
Vern9 (1e-11) 62 ms either way, and a loop compiles in a third of the time.
"""


class Attempt(abc.ABC):
    """Writes the attempt of a method.

    Parameters
    ----------
    frame : Frame
    field : Field
        The right-hand side.
    control : StepControl

    Attributes
    ----------
    y, first : int
        Slots: state, and the derivative there.
    new, closing : int
        The new state, and the derivative there; without the latter the step does not begin with one.
    errors : list of int
        Each estimate.
    polynomial : list of int
        The coefficients of the powers of the position within the step, n slots each, one after the other; none where
        the step is made again for its save times.
    evaluations, jacobians, factorisations : int
        Counts of the trajectory, where the method counts on its own.
    cleared : list of int
        Further slots that are 0 at the start of a trajectory.
    further : list of Inputs
        Those of graphs beside the right-hand side.
    """

    new: int
    errors: list[int]
    closing: int | None = None

    def __init__(self, frame: Frame, field: Field, control: StepControl) -> None:
        self.frame, self.field, self.control = frame, field, control
        n = self.n = field.program.n
        self.y, self.first = frame.slots(n), frame.slots(n)
        self.evaluations, self.jacobians, self.factorisations = (frame.slots(1) for _ in range(3))
        self.polynomial: list[int] = []
        self.further: list[Inputs] = []
        self.cleared: list[int] = []

    @property
    def graphs(self) -> list[Graph]:
        """Graphs beside the right-hand side whose functions are called."""
        return []

    @property
    def counts(self) -> tuple[int, int, int]:
        """The slots of the counts."""
        return self.evaluations, self.jacobians, self.factorisations

    def hold(self) -> None:
        """Write, for one group, what follows from the parameters alone."""
        for values in (self.field.values, *self.further):
            values.hold()

    def tried(self) -> Value:
        """Write the mask of the lanes that make the attempt at hand."""
        return self.control.tried()

    def count(self, slot: int, mask: Value, n: int = 1) -> None:
        """Write the increase of a count, in some lanes."""
        self.control.count(slot, mask, n)

    def failed(self) -> Value | None:
        """Write the mask of the lanes whose step could not be made; None where every step can."""
        return None

    @abc.abstractmethod
    def interpolate(self, group: Value) -> None:
        """Write the coefficients of the polynomial, of a group."""

    @abc.abstractmethod
    def write(self) -> None:
        """Write the stages of all lanes, the new state and the errors."""

    def given(self, tolerance: Value) -> None:
        """Write the loading of the tolerances: rtol, then atol, of each component."""
        b = self.frame.b
        self._rtol, self._atol = (
            [b.splat(b.double_at(tolerance, c + k * self.n)) for c in range(self.n)] for k in range(2)
        )

    def ratio(self) -> tuple[Value, Value]:
        """Write, of a group, the error in units of the tolerance, and the mask of the lanes whose state is finite."""
        b, frame = self.frame.b, self.frame
        zero = b.constant(0.0)
        sums, total = [zero] * len(self.errors), zero
        for c in range(self.n):
            y, new = frame.get(self.y + c), frame.get(self.new + c)
            total = b.fma(new, zero, total)
            size, size_new = b.abs(y), b.abs(new)
            largest = b.select(b.compare("ogt", size_new, size), size_new, size)
            scale = b.add(self._atol[c], b.mul(largest, self._rtol[c]))
            for e, error in enumerate(self.errors):
                part = b.div(frame.get(error + c), scale)
                sums[e] = b.add(sums[e], b.mul(part, part))
        return error_ratio(frame, sums, self.n), b.compare("ord", total, total)

    def move(self, accepted: Value) -> None:
        """Write: the lanes that accept their step take its state, of a group."""
        b, frame = self.frame.b, self.frame
        for c in range(self.n):
            frame.put(self.y + c, b.select(accepted, frame.get(self.new + c), frame.get(self.y + c)))
            if self.closing is not None:
                frame.put(self.first + c, b.select(accepted, frame.get(self.closing + c), frame.get(self.first + c)))


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
