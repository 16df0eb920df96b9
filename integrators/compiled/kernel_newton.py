"""Simplified Newton iterations in a kernel: one matrix for all of them, each lane until it has converged or failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from diffsim.compiler.emitter import Value
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_frame import Frame

__all__: list[str] = []


@final
class Newton:
    """Writes iterations as those of `integrators._implicit.newton`, for one group of lanes.

    A lane that is done keeps what it has while others go on, so its numbers do not depend on them.

    Parameters
    ----------
    frame : Frame
        Of one group.
    control : StepControl
    limit : int
        Number of iterations.
    lenient : bool
        Whether a step far below the tolerance ends the iterations at once: what is left may be rounding.

    Attributes
    ----------
    rate, iterations : int
        Slots of each lane's rate of convergence (0 where it is not known), and of the number of its iterations.
    """

    def __init__(self, frame: Frame, control: StepControl, limit: int, *, lenient: bool) -> None:
        self.frame, self._control, self._limit, self._lenient = frame, control, limit, lenient
        self._active, self._failed, self._old, self._product = (frame.slots(1) for _ in range(4))
        self.rate, self.iterations = frame.slots(1), frame.slots(1)

    def clear(self) -> None:
        """Write: no lane has failed."""
        self.frame.put(self._failed, self.frame.b.constant(0.0))

    def pardon(self, lanes: Value) -> None:
        """Write: what lanes have failed in is tried again."""
        self.flag(self._failed, self.frame.b.both(self.failed, self.frame.b.opposite(lanes)))

    @property
    def failed(self) -> Value:
        """Write the mask of the lanes that have failed."""
        return self.holds(self._failed)

    @property
    def active(self) -> Value:
        """Write the mask of the lanes that iterate."""
        return self.holds(self._active)

    def write(self, lanes: Value, step: Callable[[], Value], move: Callable[[Value], None]) -> None:
        """Write the iterations.

        Parameters
        ----------
        lanes : Value
            Mask of the lanes that take part; others keep what they have.
        step : callable
            Writes the step of an iteration; returns its norm in units of the tolerance.
        move : callable
            Writes the taking of the step, in the lanes of a mask.
        """
        b, frame = self.frame.b, self.frame
        self.flag(self._active, lanes)
        for slot in (self.rate, self.iterations):
            frame.put(slot, b.select(lanes, b.constant(0.0), frame.get(slot)))
        frame.put(self._old, b.constant(0.0))
        with b.loop(str(self._limit)) as k, b.when(b.any(self.active)):
            more = b.add(frame.get(self.iterations), b.constant(1.0))
            frame.put(self.iterations, b.select(self.active, more, frame.get(self.iterations)))
            self._judge(k, step(), move)
        self.flag(self._failed, b.either(self.failed, self.active))

    def _judge(self, k: Value, norm: Value, move: Callable[[Value], None]) -> None:
        """Write what follows from the step of iteration k."""
        b, frame = self.frame.b, self.frame
        zero, one, active, tolerance = b.constant(0.0), b.constant(1.0), self.active, self._control.newton
        old, later = frame.get(self._old), b.compare("oge", self._number(k), one)
        there = b.compare("ogt", old, zero)
        rate = b.select(there, b.div(norm, b.select(there, old, one)), zero)
        ahead = b.div(norm, b.sub(one, rate))
        left = b.mul(self._power(rate, b.line(f"sub i64 {self._limit}, {k}")), ahead)
        hopeless = b.either(b.compare("oge", rate, one), b.compare("ogt", left, tolerance))
        infinite = b.opposite(b.compare("olt", norm, b.constant(float("inf"))))  # NaN too
        least = b.mul(b.constant(0.01), tolerance) if self._lenient else zero
        tiny = b.compare("ole", norm, least)
        near = b.both(later, b.compare("olt", b.mul(rate, ahead), tolerance))
        stuck = b.both(b.opposite(tiny), b.both(later, hopeless))
        if self._lenient:  # two steps below the tolerance that do not shorten any more are rounding
            small = b.both(b.compare("ole", norm, tolerance), b.compare("ole", old, tolerance))
            near = b.either(near, b.both(stuck, small))
            stuck = b.both(stuck, b.opposite(small))
        lost = b.either(infinite, stuck)
        moved = b.both(active, b.opposite(lost))
        move(moved)
        self.flag(self._failed, b.either(self.failed, b.both(active, lost)))
        self.flag(self._active, b.both(moved, b.opposite(b.either(tiny, near))))
        frame.put(self._old, norm)
        frame.put(self.rate, b.select(b.both(active, later), rate, frame.get(self.rate)))

    def norm(self, parts: Sequence[tuple[int, int]]) -> Value:
        """Write the root mean square of numbers (slots) in units of others (slots)."""
        b, frame, total = self.frame.b, self.frame, self.frame.b.constant(0.0)
        for number, unit in parts:
            part = b.div(frame.get(number), frame.get(unit))
            total = b.add(total, b.mul(part, part))
        return b.sqrt(b.div(total, b.constant(float(len(parts)))))

    def _power(self, x: Value, exponent: Value) -> Value:
        """Write a whole power >= 1."""
        b, frame = self.frame.b, self.frame
        frame.put(self._product, x)
        with b.loop(b.line(f"sub i64 {exponent}, 1")):
            frame.put(self._product, b.mul(frame.get(self._product), x))
        return frame.get(self._product)

    def _number(self, k: Value) -> Value:
        return self.frame.b.splat(self.frame.b.line(f"sitofp i64 {k} to double"))

    def flag(self, slot: int, mask: Value) -> None:
        """Put a mask into a slot."""
        b = self.frame.b
        self.frame.put(slot, b.select(mask, b.constant(1.0), b.constant(0.0)))

    def holds(self, slot: int) -> Value:
        """Write the mask that was put into a slot."""
        return self.frame.b.compare("une", self.frame.get(slot), self.frame.b.constant(0.0))
