"""Simplified Newton iterations in a kernel: one matrix for all of them, each lane until it has converged or failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from diffsim.compiler.emitter import Value
from integrators._implicit import MAX_ITERATIONS
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_elimination import Elimination
from integrators.compiled.kernel_frame import Frame

__all__: list[str] = []


@final
class Newton:
    """Writes the iterations of `integrators._implicit.newton`, of one group of lanes.

    A lane that is done keeps what it has while others go on, so its numbers do not depend on them.

    Parameters
    ----------
    frame : Frame
        Of one group.
    elimination : Elimination
        Has the factors.
    control : StepControl

    Attributes
    ----------
    z : int
        Slots of the unknowns.
    scale : int
        Sizes in whose units steps are measured.
    right : int
        Slots of the residual, and of the step that follows from it.
    """

    def __init__(self, frame: Frame, elimination: Elimination, control: StepControl) -> None:
        self.frame, self._elimination, self._control = frame, elimination, control
        n = self._n = elimination.n
        self.z, self.scale, self.right = (frame.slots(n) for _ in range(3))
        self._active, self._failed, self._old, self._product = (frame.slots(1) for _ in range(4))

    def clear(self) -> None:
        """Write, before an attempt: no lane has failed."""
        self.frame.put(self._failed, self.frame.b.constant(0.0))

    @property
    def failed(self) -> Value:
        """Write the mask of the lanes that have failed in this attempt."""
        return self._holds(self._failed)

    @property
    def active(self) -> Value:
        """Write the mask of the lanes that iterate."""
        return self._holds(self._active)

    def write(self, residual: Callable[[], None]) -> None:
        """Write the iterations.

        Parameters
        ----------
        residual : callable
            Writes the residual at `z` into `right`.
        """
        b, frame = self.frame.b, self.frame
        self._flag(self._active, b.both(self._control.tried(), b.opposite(self.failed)))
        frame.put(self._old, b.constant(0.0))
        with b.loop(str(MAX_ITERATIONS)) as k, b.when(b.any(self.active)):
            residual()
            self._elimination.solve(self.right)
            self._judge(k)
        self._flag(self._failed, b.either(self.failed, self.active))

    def _judge(self, k: Value) -> None:
        """Write what follows from the step of iteration k."""
        b, frame = self.frame.b, self.frame
        zero, one, active = b.constant(0.0), b.constant(1.0), self.active
        norm, old, tolerance = self._norm(), frame.get(self._old), self._control.newton
        later = b.compare("oge", self._number(k), one)
        there = b.compare("ogt", old, zero)
        rate = b.select(there, b.div(norm, b.select(there, old, one)), zero)
        ahead = b.div(norm, b.sub(one, rate))
        hopeless = b.either(
            b.compare("oge", rate, one),
            b.compare("ogt", b.mul(self._power(rate, b.line(f"sub i64 {MAX_ITERATIONS}, {k}")), ahead), tolerance),
        )
        infinite = b.opposite(b.compare("olt", norm, b.constant(float("inf"))))  # NaN too
        rounding = b.compare("ole", norm, b.mul(b.constant(0.01), tolerance))  # what is left may have no rate
        near = b.both(later, b.compare("olt", b.mul(rate, ahead), tolerance))
        lost = b.either(infinite, b.both(b.opposite(rounding), b.both(later, hopeless)))
        moved = b.both(active, b.opposite(lost))
        for c in range(self._n):
            z = frame.get(self.z + c)
            frame.put(self.z + c, b.select(moved, b.sub(z, frame.get(self.right + c)), z))
        self._flag(self._failed, b.either(self.failed, b.both(active, lost)))
        self._flag(self._active, b.both(moved, b.opposite(b.either(rounding, near))))
        frame.put(self._old, norm)

    def _norm(self) -> Value:
        """Write the root mean square of the step in units of the scale."""
        b, frame, total = self.frame.b, self.frame, self.frame.b.constant(0.0)
        for c in range(self._n):
            part = b.div(frame.get(self.right + c), frame.get(self.scale + c))
            total = b.add(total, b.mul(part, part))
        return b.sqrt(b.div(total, b.constant(float(self._n))))

    def _power(self, x: Value, exponent: Value) -> Value:
        """Write a whole power >= 1."""
        b, frame = self.frame.b, self.frame
        frame.put(self._product, x)
        with b.loop(b.line(f"sub i64 {exponent}, 1")):
            frame.put(self._product, b.mul(frame.get(self._product), x))
        return frame.get(self._product)

    def _number(self, k: Value) -> Value:
        return self.frame.b.splat(self.frame.b.line(f"sitofp i64 {k} to double"))

    def _flag(self, slot: int, mask: Value) -> None:
        b = self.frame.b
        self.frame.put(slot, b.select(mask, b.constant(1.0), b.constant(0.0)))

    def _holds(self, slot: int) -> Value:
        return self.frame.b.compare("une", self.frame.get(slot), self.frame.b.constant(0.0))
