"""What diagonally implicit methods share in the search kernel: one matrix, and the equations of a stage."""

from __future__ import annotations

from collections.abc import Sequence

from diffsim.compiler.emitter import Value
from diffsim.graph import Graph
from integrators._implicit import MAX_ITERATIONS
from integrators.compiled.kernel_attempt import Attempt
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_elimination import Elimination
from integrators.compiled.kernel_field import Field, Leading
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.kernel_newton import Newton
from integrators.compiled.slope import Slope

__all__: list[str] = []


class DiagonalAttempt(Attempt):
    """Writes stages ``z = base + c f(t, z)``, with the matrix ``I - c J`` of the attempt for all their iterations.

    Parameters
    ----------
    frame : Frame
        Of one group.
    field : Field
        The right-hand side.
    slope : Slope
        Its Jacobian.
    control : StepControl
    """

    def __init__(self, frame: Frame, field: Field, slope: Slope, control: StepControl) -> None:
        super().__init__(frame, field, control)
        self._slope = slope
        self._slope_field = Field(frame, slope.program.reduced, None, field.values.parameter_slots)
        self.further = [self._slope_field.values]
        self._elimination = Elimination(frame, self.n)
        self._newton = Newton(frame, control, MAX_ITERATIONS, lenient=True)
        self._z, self._base, self._scale, self._right = (frame.slots(self.n) for _ in range(4))
        self._c = frame.slots(1)

    @property
    def graphs(self) -> list[Graph]:
        return [self._slope_field.graph]

    def failed(self) -> Value:
        return self._newton.failed

    def _factorise(self, c: Value, leading: Leading) -> None:
        """Write the factors of ``I - c J`` at the state of the attempt, and a time; no lane has failed yet."""
        self.frame.put(self._c, c)
        self._newton.clear()
        self._elimination.fill(self.frame.b.constant(1.0))
        self.count(self.factorisations, self.tried())
        self._slope_field.stage(leading, self.y, self._take)
        self._elimination.factorise()

    def _take(self, slot: int, k: Value | None) -> Value:
        """Write where an entry of the Jacobian goes; df/dt is of no use here."""
        if slot < len(self._slope.places) and k is not None:
            self._elimination.take_away(*self._slope.places[slot], self.frame.b.mul(self.frame.get(self._c), k))
        return ""

    def _solve(self, lanes: Value, leading: Leading, starts: Sequence[Value]) -> None:
        """Write the iterations for z, from the starts on, in some lanes."""
        b, frame, newton = self.frame.b, self.frame, self._newton
        for m, start in enumerate(starts):
            frame.put(self._z + m, start)
            frame.put(self._scale + m, b.add(self._atol[m], b.mul(self._rtol[m], b.abs(start))))

        def step() -> Value:
            self.count(self.evaluations, newton.active)
            c = frame.get(self._c)

            def take(slot: int, k: Value | None) -> Value:
                there = b.sub(frame.get(self._z + slot), frame.get(self._base + slot))
                frame.put(self._right + slot, b.fnma(c, k or b.constant(0.0), there))
                return ""

            self.field.stage(leading, self._z, take)
            self._elimination.solve(self._right)
            return newton.norm([(self._right + m, self._scale + m) for m in range(self.n)])

        def move(mask: Value) -> None:
            for m in range(self.n):
                z = frame.get(self._z + m)
                frame.put(self._z + m, b.select(mask, b.sub(z, frame.get(self._right + m)), z))

        newton.write(lanes, step, move)

    def _hermite(self, first: int, last: int) -> None:
        """Write the cubic Hermite polynomial with the slopes of the first and the last stage."""
        b, frame = self.frame.b, self.frame
        h, two, three = frame.get(self.control.h), b.constant(2.0), b.constant(3.0)
        for m in range(self.n):
            d_0, d_1 = (b.mul(frame.get(slot + m), h) for slot in (first, last))
            rise = b.sub(frame.get(self.new + m), frame.get(self.y + m))
            bend = b.sub(b.sub(b.mul(three, rise), b.mul(two, d_0)), d_1)
            twist = b.sub(b.add(d_0, d_1), b.mul(two, rise))
            for slots, x in zip(self.polynomial, (d_0, bend, twist), strict=True):
                frame.put(slots + m, x)
