"""One attempt at a step of the implicit Euler method, or of the trapezoidal rule."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Value
from integrators._theta_tableau import ThetaTableau
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_diagonal import DiagonalAttempt
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.slope import Slope

__all__: list[str] = []


@final
class ThetaAttempt(DiagonalAttempt):
    """Writes the attempt of a method with one implicit stage, whose error is that of a rule of one order more.

    The implicit Euler method is compared with the trapezoidal rule and has a straight line for interpolant; that rule
    is compared with Simpson's, and has the cubic Hermite polynomial.

    Parameters
    ----------
    frame : Frame
        Of one group.
    field : Field
        The right-hand side.
    slope : Slope
        Its Jacobian.
    tableau : ThetaTableau
    control : StepControl
    """

    def __init__(self, frame: Frame, field: Field, slope: Slope, tableau: ThetaTableau, control: StepControl) -> None:
        super().__init__(frame, field, slope, control)
        n, self._tableau = self.n, tableau
        self._explicit = tableau.theta != 1.0
        self._time, self._middle = frame.slots(1), frame.slots(n)
        self._last = self.closing = frame.slots(n)
        self.new, estimate = self._z, frame.slots(n)
        self.errors = [estimate]
        self.polynomial = [frame.slots(n) for _ in range(3 if self._explicit else 1)]

    def write(self) -> None:
        b, frame, control = self.frame.b, self.frame, self.control
        t, h = frame.get(control.t), frame.get(control.h)
        frame.put(self._time, b.add(t, h))

        def leading() -> list[Value]:
            return [frame.get(self._time)]

        self.count(self.jacobians, self.tried())  # NOTE: it is that at t + h, so another one for each size of the step
        self._factorise(b.mul(h, b.constant(self._tableau.theta)), leading)
        c, starts = frame.get(self._c), [frame.get(self.y + m) for m in range(self.n)]
        for m, y in enumerate(starts):
            frame.put(self._base + m, b.fma(c, frame.get(self.first + m), y) if self._explicit else y)
        self._solve(self.tried(), leading, starts)
        for m, y in enumerate(starts):
            slope = b.div(b.sub(frame.get(self._z + m), y), c)
            frame.put(self._last + m, b.sub(slope, frame.get(self.first + m)) if self._explicit else slope)
        if self._explicit:
            self._compare_with_simpson()
        else:
            self._compare_with_trapezoid()
        self._elimination.solve(self.errors[0])

    def _compare_with_trapezoid(self) -> None:
        """Write the difference to the trapezoidal rule, before the filter."""
        b, frame = self.frame.b, self.frame
        half = b.mul(b.constant(0.5), frame.get(self.control.h))
        for m in range(self.n):
            moved = b.sub(frame.get(self._last + m), frame.get(self.first + m))
            frame.put(self.errors[0] + m, b.mul(half, moved))

    def _compare_with_simpson(self) -> None:
        """Write the difference to Simpson's rule with the middle of the Hermite polynomial, before the filter."""
        b, frame, control = self.frame.b, self.frame, self.control
        eighth = b.mul(b.constant(0.125), frame.get(control.h))
        for m in range(self.n):
            y_0, y_1 = frame.get(self.y + m), frame.get(self._z + m)
            f_0, f_1 = frame.get(self.first + m), frame.get(self._last + m)
            middle = b.mul(b.constant(0.5), b.add(y_0, y_1))
            frame.put(self._middle + m, b.fma(eighth, b.sub(f_0, f_1), middle))
        self.count(self.evaluations, b.both(self.tried(), b.opposite(self._newton.failed)))

        def leading() -> list[Value]:
            return [b.fma(b.constant(0.5), frame.get(control.h), frame.get(control.t))]

        def take(slot: int, k: Value | None) -> Value:
            ends = b.add(frame.get(self.first + slot), frame.get(self._last + slot))
            total = b.fma(b.constant(4.0), k or b.constant(0.0), ends)
            sixth = b.div(frame.get(control.h), b.constant(6.0))
            rise = b.sub(frame.get(self._z + slot), frame.get(self.y + slot))
            frame.put(self.errors[0] + slot, b.fnma(sixth, total, rise))
            return ""

        self.field.stage(leading, self._middle, take)

    def interpolate(self, group: Value) -> None:
        if self._explicit:
            self._hermite(self.first, self._last)
            return
        for m in range(self.n):
            rise = self.frame.b.sub(self.frame.get(self.new + m), self.frame.get(self.y + m))
            self.frame.put(self.polynomial[0] + m, rise)
