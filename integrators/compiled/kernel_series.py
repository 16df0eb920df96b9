"""One attempt at a step of a Taylor-series method: the sum of the series, the series at its end, the errors.

The series at the end of a step that is accepted is that of the next one's start, and says how long that is to be.
"""

from __future__ import annotations

from typing import final

from diffsim.compiler import elementary
from diffsim.compiler.emitter import Value
from diffsim.compiler.function_parts import Parts
from diffsim.graph import Graph
from integrators._taylor_formula import SAFETY, TINY, TaylorFormula
from integrators.compiled.kernel_attempt import Attempt
from integrators.compiled.kernel_control import StepControl, error_ratio
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.program import Program

__all__: list[str] = []


@final
class SeriesAttempt(Attempt):
    """Writes the attempt of a Taylor-series method; see `integrators.Taylor`.

    The series are functions of the module, which is called where a trajectory begins and at the end of each step.

    Parameters
    ----------
    frame : Frame
        Of one group.
    field : Field
        The right-hand side.
    series : Program
        The coefficients of the solution through a state.
    formula : TaylorFormula
    control : StepControl
    """

    def __init__(
        self, frame: Frame, field: Field, series: Program, formula: TaylorFormula, control: StepControl
    ) -> None:
        super().__init__(frame, field, control)
        n, degree = self.n, formula.degree
        self._degree, self._graph = degree, series.graph
        # PERF: not reduced, which takes 0.15 s of each process at order 15, and gains nothing alone and 7 % in a batch
        self._parts = Parts(self._graph, series.outputs, frame.shape, inline=False)
        self._texts, declared = self._parts.texts()
        frame.b.used |= declared
        self._time, self._state, self._room = frame.slots(1), frame.slots(n), frame.slots(self._parts.n_work)
        self._here, self._there = ([frame.slots(n) for _ in range(degree)] for _ in range(2))
        self.new, self.errors = frame.slots(n), [frame.slots(n) for _ in range(3)]
        self.polynomial = [frame.slots(n) for _ in range(degree)]
        self._begun = frame.slots(1)
        self.cleared = [self._begun]

    @property
    def graphs(self) -> list[Graph]:
        return [self._graph]

    @property
    def functions(self) -> list[str]:
        return self._texts

    def given(self, tolerance: Value) -> None:
        super().given(tolerance)
        b, size = self.frame.b, self.frame.register_bytes
        first = self.field.values.parameter_slots
        slots = [self._time, *(self._state + c for c in range(self.n))]
        slots += [first + j for j in range(self.field.program.n_parameters)]
        b.lines += [f"%{name} = alloca [{len(slots)} x i64]" for name in ("rows", "steps")]
        for i, slot in enumerate(slots):
            b.lines.append(f"store ptr {b.pointer('%work', slot * size)}, ptr {b.pointer('%rows', 8 * i)}")
            b.lines.append(f"store i64 0, ptr {b.pointer('%steps', 8 * i)}")

    def _expand(self, time: int, state: int) -> None:
        """Write the series of the solution through the state of some slots."""
        b, frame, size = self.frame.b, self.frame, self.frame.register_bytes
        frame.put(self._time, frame.get(time))
        for c in range(self.n):
            frame.put(self._state + c, frame.get(state + c))
        places = [b.pointer("%work", slot * size) for slot in (self._there[0], self._room)]
        b.lines += self._parts.calls(["%rows", "%steps", *places], size, 0)

    def _take_over(self, mask: Value) -> None:
        """Write: some lanes go on from the end of their step, with the series there."""
        b, frame = self.frame.b, self.frame

        def one(c: int) -> None:
            here, there = frame.get(self._here[0] + c), frame.get(self._there[0] + c)
            frame.put(self._here[0] + c, b.select(mask, there, here))

        frame.each_component(self.n * self._degree, one)

    def hold(self) -> None:
        """Write also the series at the start of the lanes that begin, and the size of their first step."""
        super().hold()
        b, frame, control = self.frame.b, self.frame, self.control
        begins = b.both(self.tried(), b.opposite(control.holds(self._begun)))
        self._expand(control.t, self.y)
        self.count(self.evaluations, begins)
        self._take_over(begins)
        given = frame.get(control.h_abs)
        asked = b.both(begins, b.compare("oeq", given, b.constant(0.0)))
        frame.put(control.h_abs, b.select(asked, self._advised(), given))
        control.flag(self._begun, b.either(begins, control.holds(self._begun)))

    # --- an attempt ---------------------------------------------------------------------------------------------------

    def write(self) -> None:
        self._sum()
        self._expand(self.control.t_new, self.new)
        self.count(self.evaluations, self.tried())
        self._estimate()

    def _sum(self) -> None:
        """Write the new state by Horner's rule."""
        b, frame, h = self.frame.b, self.frame, self.frame.get(self.control.h)

        def one(c: int) -> None:
            total = frame.get(self._here[-1] + c)
            for slots in (*self._here[-2::-1], self.y):
                total = b.fma(total, h, frame.get(slots + c))
            frame.put(self.new + c, total)

        frame.each_component(self.n, one)

    def _estimate(self) -> None:
        """Write the errors: what the derivative at the end tells, and the last two terms of the sum."""
        b, frame, p, h = self.frame.b, self.frame, self._degree, self.frame.get(self.control.h)
        before = self._power(h, p - 1)
        last, share = b.mul(before, h), b.div(h, b.constant(p + 1.0))

        def one(c: int) -> None:
            terms = [frame.get(slots + c) for slots in self._here]
            slope = b.mul(terms[-1], b.constant(float(p)))
            for k in range(p - 1, 0, -1):
                slope = b.fma(slope, h, b.mul(terms[k - 1], b.constant(float(k))))
            defect = b.mul(b.sub(slope, frame.get(self._there[0] + c)), share)
            found = defect, b.mul(terms[-1], last), b.mul(terms[-2], before)
            for slots, x in zip(self.errors, found, strict=True):
                frame.put(slots + c, x)

        frame.each_component(self.n, one)

    def _power(self, x: Value, k: int) -> Value:
        """Write a power by squares and products."""
        b = self.frame.b
        if k == 1:
            return x
        half = self._power(x, k // 2)
        square = b.mul(half, half)
        return b.mul(square, x) if k % 2 else square

    def norm(self, sums: list[Value]) -> Value:
        """Write the largest of the estimates."""
        norms = [error_ratio(self.frame, [total], self.n) for total in sums]
        return self._outer(self._outer(norms[0], norms[1], "oge"), norms[2], "oge")

    def _outer(self, x: Value, y: Value, predicate: str) -> Value:
        """Write that of two numbers which stands so to the other; NaN if one of them is."""
        b = self.frame.b
        return b.select(b.compare("uno", x, x), x, b.select(b.compare(predicate, x, y), x, y))

    # --- what it gives ------------------------------------------------------------------------------------------------

    def interpolate(self, group: Value) -> None:
        b, frame, h = self.frame.b, self.frame, self.frame.get(self.control.h)

        def one(c: int) -> None:
            power = h
            for target, source in zip(self.polynomial, self._here, strict=True):
                frame.put(target + c, b.mul(frame.get(source + c), power))
                power = b.mul(power, h)

        frame.each_component(self.n, one)

    def move(self, accepted: Value) -> None:
        super().move(accepted)
        self._take_over(accepted)
        h_abs = self.control.h_abs
        self.frame.put(h_abs, self.frame.b.select(accepted, self._advised(), self.frame.get(h_abs)))

    def _advised(self) -> Value:
        """Write the step whose last two terms stay below the tolerance, see `integrators.taylor.step_from`."""
        b, frame, p = self.frame.b, self.frame, self._degree
        sums = [b.constant(0.0)] * 2
        for c in range(self.n):
            scale = b.add(self._atol[c], b.mul(b.abs(frame.get(self.y + c)), self._rtol[c]))
            for i, slots in enumerate(self._here[-2:]):
                part = b.div(frame.get(slots + c), scale)
                sums[i] = b.add(sums[i], b.mul(part, part))
        exponents = []
        for k, total in zip((p - 1, p), sums, strict=True):
            size = self._outer(error_ratio(frame, [total], self.n), b.constant(TINY), "oge")
            logarithm = b.call(elementary.symbol("log2", frame.shape), [size])[0]
            exponents.append(b.mul(logarithm, b.constant(-1.0 / k)))
        least = self._outer(exponents[0], exponents[1], "ole")
        return b.mul(b.constant(SAFETY), b.call(elementary.symbol("exp2", frame.shape), [least])[0])
