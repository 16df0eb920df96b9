"""One attempt at a step of an ESDIRK pair: one matrix, and Newton's iterations for one stage after the other."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Value
from diffsim.graph import Graph
from integrators._esdirk_tableau import EsdirkTableau
from integrators._implicit import MAX_ITERATIONS
from integrators.compiled.kernel_attempt import Attempt
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_elimination import Elimination
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.kernel_newton import Newton
from integrators.compiled.kernel_stages import StageRows
from integrators.compiled.slope import Slope

__all__: list[str] = []


@final
class EsdirkAttempt(Attempt):
    """Writes the attempt of a diagonally implicit pair with an explicit first stage; its stages are a loop.

    Parameters
    ----------
    frame : Frame
        Of one group.
    field : Field
        The right-hand side.
    slope : Slope
        Its Jacobian.
    tableau : EsdirkTableau
    control : StepControl
    """

    def __init__(self, frame: Frame, field: Field, slope: Slope, tableau: EsdirkTableau, control: StepControl) -> None:
        super().__init__(frame, field, control)
        n = self.n
        self._tableau, self._slope = tableau, slope
        self._slope_field = Field(frame, slope.program.reduced, None, field.values.parameter_slots)
        self.further = [self._slope_field.values]
        self._elimination = Elimination(frame, n)
        self._newton = Newton(frame, control, MAX_ITERATIONS, lenient=True)
        self._z, self._scale, self._right = (frame.slots(n) for _ in range(3))
        self._c, self._base, self._value = frame.slots(1), frame.slots(n), frame.slots(n)
        rows = [[(j, x) for j, x in enumerate(row) if x] for row in ((), *tableau.rows, tableau.error)]
        self._stages = StageRows(frame, rows, tableau.nodes, control.t, n)
        self.closing = self._stages.k + (tableau.n_stages - 1) * n
        self.new, estimate = frame.slots(n), frame.slots(n)
        self.errors = [estimate]
        self.polynomial = [frame.slots(n) for _ in range(3)]

    @property
    def graphs(self) -> list[Graph]:
        return [self._slope_field.graph]

    def write(self) -> None:
        b, frame, stages, control = self.frame.b, self.frame, self._stages, self.control
        c = b.mul(frame.get(control.h), b.constant(self._tableau.gamma))
        frame.put(self._c, c)
        self._newton.clear()
        self._elimination.fill(b.constant(1.0))
        tried, fresh = self.tried(), b.compare("oeq", frame.get(control.rejected), b.constant(0.0))
        self.count(self.jacobians, b.both(tried, fresh))  # the Jacobian of a state counts once
        self.count(self.factorisations, tried)
        self._slope_field.stage(lambda: [frame.get(control.t)], self.y, self._take)
        self._elimination.factorise()
        stages.copy(str(self.first), str(stages.k))
        stages.each_stage(self._stage, first=1)
        for i in range(self.n):
            frame.put(self.new + i, frame.get(self._z + i))
        stages.clear(self.errors[0], self.n)
        stages.each_entry(
            str(self._tableau.n_stages),
            lambda j, weight: stages.add(weight, stages.place(stages.k, j), str(self.errors[0])),
        )

    def _take(self, slot: int, k: Value | None) -> Value:
        """Write where an entry of the Jacobian goes; df/dt is of no use here."""
        if slot < len(self._slope.places) and k is not None:
            self._elimination.take_away(*self._slope.places[slot], self.frame.b.mul(self.frame.get(self._c), k))
        return ""

    def _stage(self, i: Value) -> None:
        """Write stage i: its equations, their solution, its slope."""
        b, frame, stages, newton = self.frame.b, self.frame, self._stages, self._newton
        c = frame.get(self._c)
        stages.gather(i, self.y, str(self._base))
        before = stages.place(stages.k, b.line(f"sub i64 {i}, 1"))
        for m in range(self.n):
            start = b.fma(c, b.load(stages.address(before, m)), frame.get(self._base + m))
            frame.put(self._z + m, start)
            frame.put(self._scale + m, b.add(self._atol[m], b.mul(self._rtol[m], b.abs(start))))

        def step() -> Value:
            self.count(self.evaluations, newton.active)

            def take(slot: int, k: Value | None) -> Value:
                there = b.sub(frame.get(self._z + slot), frame.get(self._base + slot))
                frame.put(self._right + slot, b.fnma(c, k or b.constant(0.0), there))
                return ""

            self.field.stage(lambda: stages.leading(i), self._z, take)
            self._elimination.solve(self._right)
            return newton.norm([(self._right + m, self._scale + m) for m in range(self.n)])

        def move(mask: Value) -> None:
            for m in range(self.n):
                z = frame.get(self._z + m)
                frame.put(self._z + m, b.select(mask, b.sub(z, frame.get(self._right + m)), z))

        newton.write(b.both(self.tried(), b.opposite(newton.failed)), step, move)
        for m in range(self.n):
            rise = b.sub(frame.get(self._z + m), frame.get(self._base + m))
            stages.put(i, m, b.div(rise, c))

    def failed(self) -> Value:
        return self._newton.failed

    def interpolate(self, group: Value) -> None:
        """Write the cubic Hermite polynomial with the slopes of the first and the last stage."""
        b, frame = self.frame.b, self.frame
        h, two, three = frame.get(self.control.h), b.constant(2.0), b.constant(3.0)
        for m in range(self.n):
            d_0, d_1 = (b.mul(frame.get(slot + m), h) for slot in (self.first, self.closing or 0))
            rise = b.sub(frame.get(self.new + m), frame.get(self.y + m))
            bend = b.sub(b.sub(b.mul(three, rise), b.mul(two, d_0)), d_1)
            twist = b.sub(b.add(d_0, d_1), b.mul(two, rise))
            for slots, x in zip(self.polynomial, (d_0, bend, twist), strict=True):
                frame.put(slots + m, x)
