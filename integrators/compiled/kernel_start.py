"""The start kernel: the derivative at the start of each trajectory, and SciPy's size of its first step."""

from __future__ import annotations

from typing import final

from diffsim.compiler import elementary
from diffsim.compiler.emitter import Shape, Value
from integrators.compiled.kernel_field import Field, Take
from integrators.compiled.kernel_frame import NUMBER, Frame, row_address
from integrators.compiled.program import Program

__all__: list[str] = []

START, PARAMETERS, T_START, T_END, TOLERANCE, DERIVATIVE, FIRST_STEP = range(7)  # pointers
STRIDE = 0  # whole number
MAX_STEP = 0  # double


@final
class StartKernel:
    """Writes the start kernel of a program.

    Parameters
    ----------
    program : Program
        The right-hand side.
    order : int
        Order of the error estimate.
    shape : Shape

    References
    ----------
    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section II.4, "Starting Step Size".
    """

    def __init__(self, program: Program, order: int, shape: Shape) -> None:
        self.program, self.order, self.shape = program.reduced, order, shape
        frame = self.frame = Frame(shape)
        n = program.n
        self.field = Field(frame, self.program, None)
        self.y, self.k, self.y_1, self.k_1 = (frame.slots(n) for _ in range(4))

    def text(self) -> str:
        """Return the module's text."""
        b = self.frame.b
        p = [b.pointer_at("%pointers", i) for i in range(7)]
        stride = b.line(f"mul i64 {b.whole_at('%whole', STRIDE)}, {NUMBER}")
        max_step = b.splat(b.double_at("%real", MAX_STEP))
        self.tolerance = p[TOLERANCE]
        with b.loop("%count") as block:
            here = b.line(f"add i64 %first, {block}")
            offset = b.line(f"mul i64 {here}, {self.frame.block * NUMBER}")
            for c in range(self.program.n):
                self.frame.put(self.y + c, b.load(row_address(b, p[START], stride, c, offset)))
            self.field.values.prepare(p[PARAMETERS], stride, offset)
            t, end = (b.load(b.pointer(p[i], offset)) for i in (T_START, T_END))
            b.store(self._first_step(t, end, max_step), b.pointer(p[FIRST_STEP], offset))
            for c in range(self.program.n):
                b.store(self.frame.get(self.k + c), row_address(b, p[DERIVATIVE], stride, c, offset))
        return self.frame.text([self.field.graph], further=("log2", "exp2"))

    def _first_step(self, t: Value, end: Value, max_step: Value) -> Value:
        """Write the derivative at the start into its slots; returns the size of the first step."""
        b, frame, n = self.frame.b, self.frame, self.program.n
        self.field.stage(lambda: [t], self.y, self._keep(self.k))
        span = b.abs(b.sub(end, t))
        direction = b.select(b.compare("oge", end, t), b.constant(1.0), b.constant(-1.0))
        state, slope = self._norm(self.y), self._norm(self.k)
        small = b.constant(1e-5)
        tiny = b.either(b.compare("olt", state, small), b.compare("olt", slope, small))
        quotient = b.div(b.mul(b.constant(0.01), state), b.select(tiny, b.constant(1.0), slope))
        trial = self._least(b.select(tiny, b.constant(1e-6), quotient), span)
        moved = b.mul(trial, direction)
        for c in range(n):
            frame.put(self.y_1 + c, b.fma(moved, frame.get(self.k + c), frame.get(self.y + c)))
        self.field.stage(lambda: [b.add(t, moved)], self.y_1, self._keep(self.k_1))
        for c in range(n):
            frame.put(self.k_1 + c, b.sub(frame.get(self.k_1 + c), frame.get(self.k + c)))
        bend = b.div(self._norm(self.k_1), trial)
        steepest = b.select(b.compare("ogt", bend, slope), bend, slope)
        flat = b.compare("ole", steepest, b.constant(1e-15))
        short = b.mul(trial, b.constant(1e-3))
        short = b.select(b.compare("olt", short, b.constant(1e-6)), b.constant(1e-6), short)
        size = self._power(b.div(b.constant(0.01), b.select(flat, b.constant(1.0), steepest)))
        size = b.select(flat, short, size)
        size = self._least(self._least(b.mul(b.constant(100.0), trial), size), self._least(span, max_step))
        return b.add(size, self._flaw(self.k))

    def _flaw(self, slots: int) -> Value:
        """Write NaN if one of n numbers is not finite, else 0: there is no step from such a start."""
        b, total = self.frame.b, self.frame.b.constant(0.0)
        for c in range(self.program.n):
            total = b.fma(self.frame.get(slots + c), b.constant(0.0), total)
        return total

    def _keep(self, slots: int) -> Take:
        """Return what puts a derivative into slots."""

        def take(c: int, k: Value | None) -> Value:
            self.frame.put(slots + c, self.frame.b.constant(0.0) if k is None else k)
            return ""

        return take

    def _least(self, x: Value, bound: Value) -> Value:
        """Write the smaller of two numbers; NaN if the first is."""
        b = self.frame.b
        return b.select(b.compare("ogt", x, bound), bound, x)

    def _power(self, x: Value) -> Value:
        b = self.frame.b
        logarithm = b.call(elementary.symbol("log2", self.shape), [x])[0]
        exponent = b.mul(logarithm, b.constant(1.0 / (self.order + 1)))
        return b.call(elementary.symbol("exp2", self.shape), [exponent])[0]

    def _norm(self, slots: int) -> Value:
        """Write the norm of n numbers in units of the tolerance at the start."""
        b, frame, n = self.frame.b, self.frame, self.program.n
        total = b.constant(0.0)
        for c in range(n):
            rtol, atol = (b.splat(b.double_at(self.tolerance, c + k * n)) for k in range(2))
            part = b.div(frame.get(slots + c), b.add(atol, b.mul(b.abs(frame.get(self.y + c)), rtol)))
            total = b.add(total, b.mul(part, part))
        return b.div(b.sqrt(total), b.constant(float(n) ** 0.5))
