"""The choice of steps in a kernel, lane by lane: what is tried, whether it is accepted, and what comes next.

Steps are chosen as SciPy chooses them (`integrators.drivers.control`), or by a controller that remembers earlier errors
(`integrators.Controller`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from diffsim.compiler import elementary
from diffsim.compiler.emitter import Value
from integrators.compiled.kernel_frame import Frame
from integrators.drivers.control import FAILED_FACTOR

__all__: list[str] = []

MAX_STEP, MIN_STEP, SAFETY, MIN_FACTOR, MAX_FACTOR, NEWTON, EXPONENT = range(7)
"""Doubles that the kernel is given: limits, factors, the tolerance of Newton's iterations, and an exponent for each
error ratio that is looked at."""
ENDED, TOO_SMALL, SPENT, UNSOLVED = range(4)
"""Why a trajectory ended; the last one: its step is too small, and its equations have not been solved."""
KEPT = 4
"""Sizes of the last accepted steps that are kept for messages."""
_TINY = 5e-324
_SMALLEST_RATIO = 1e-10  # as in `integrators.Controller`


class StepControl:
    """Writes the control of steps on the slots of a frame.

    Parameters
    ----------
    frame : Frame
    order : int
        Order of the error estimate.
    n_ratios : int
        How many error ratios the controller looks at; 0 for elementary control.

    Attributes
    ----------
    t, h, t_new : int
        Slots: time, size of the step at hand with its sign, and where it ends.
    h_abs : int
        Size of the next step to try.
    t_end, direction, rejected, trajectory, attempts, accepted, over, why : int
    recent : list of int
        Sizes of the last accepted steps, the latest last.
    ratios : list of int
    """

    def __init__(self, frame: Frame, order: int, n_ratios: int) -> None:
        self.frame, self.order, self.n_ratios = frame, order, n_ratios
        self.t, self.h, self.t_new, self.h_abs = (frame.slots(1) for _ in range(4))
        self.t_end, self.direction, self.rejected = (frame.slots(1) for _ in range(3))
        self.trajectory, self.attempts, self.accepted = (frame.slots(1) for _ in range(3))
        self.over, self.why, self.unsolved = (frame.slots(1) for _ in range(3))
        self.recent = [frame.slots(1) for _ in range(KEPT)]
        self.ratios = [frame.slots(1) for _ in range(n_ratios - 1)]

    def given(self, real: Value, limit: Value) -> None:
        """Write the loading of what the kernel is given: doubles, and the budget of attempts."""
        b = self.frame.b
        self._real = [b.splat(b.double_at(real, i)) for i in range(EXPONENT + self.n_ratios)]
        self._limit = self.everywhere(limit)

    @property
    def newton(self) -> Value:
        """The tolerance of Newton's iterations."""
        return self._real[NEWTON]

    def everywhere(self, k: Value) -> Value:
        """Write a whole number into every lane."""
        b, shape = self.frame.b, self.frame.shape
        if shape.lanes == 1:
            return k
        first = b.line(f"insertelement {shape.integer} poison, i64 {k}, i32 0")
        zeros = f"<{shape.lanes} x i32> zeroinitializer"
        return b.line(f"shufflevector {shape.integer} {first}, {shape.integer} poison, {zeros}")

    def flag(self, slot: int, mask: Value) -> None:
        """Put a mask into a slot, as whole numbers."""
        b = self.frame.b
        self.frame.put(slot, b.real(b.choose(mask, b.whole(1), b.whole(0))))

    def holds(self, slot: int) -> Value:
        """Write the mask that was put into a slot."""
        b = self.frame.b
        return b.integer_compare("ne", b.bits(self.frame.get(slot)), b.whole(0))

    @property
    def _running(self) -> Value:
        b = self.frame.b
        return b.integer_compare("sge", b.bits(self.frame.get(self.trajectory)), b.whole(0))

    # --- before a step ------------------------------------------------------------------------------------------------

    def propose(self, group: Value) -> None:
        """Write the size of the step to try, and whether the lane must end instead."""
        b, frame = self.frame.b, self.frame
        t, direction, end = (frame.get(slot) for slot in (self.t, self.direction, self.t_end))
        smallest = self._smallest(t, direction)
        h_abs, rejected = frame.get(self.h_abs), b.compare("une", frame.get(self.rejected), b.constant(0.0))
        limited = b.select(b.compare("ogt", h_abs, self._real[MAX_STEP]), self._real[MAX_STEP], h_abs)
        limited = b.select(b.compare("olt", limited, smallest), smallest, limited)
        cut = b.both(b.compare("une", limited, h_abs), b.compare("ogt", h_abs, b.constant(0.0)))
        self.limited(b.both(cut, b.opposite(rejected)), b.div(limited, h_abs))
        h_abs = b.select(rejected, h_abs, limited)
        stuck = b.opposite(b.compare("oge", h_abs, smallest))
        here = b.compare("oeq", t, end)  # an empty span
        spent = b.integer_compare("sge", b.bits(frame.get(self.attempts)), self._limit)
        small = b.choose(b.both(rejected, self.holds(self.unsolved)), b.whole(UNSOLVED), b.whole(TOO_SMALL))
        why = b.choose(stuck, small, b.choose(spent, b.whole(SPENT), b.whole(ENDED)))
        frame.put(self.why, b.real(b.choose(here, b.whole(ENDED), why)))
        over = b.both(self._running, b.either(b.either(stuck, spent), here))
        self.flag(self.over, over)
        t_new = b.add(t, b.mul(h_abs, direction))
        beyond = b.compare("ogt", b.mul(b.sub(t_new, end), direction), b.constant(0.0))
        t_new = b.select(beyond, end, t_new)
        self.clipped(beyond, b.div(b.abs(b.sub(t_new, t)), h_abs))
        frame.put(self.t_new, t_new)
        frame.put(self.h, b.select(over, frame.get(self.h), b.sub(t_new, t)))  # of a step that failed: for its message

    def limited(self, mask: Value, factor: Value) -> None:
        """Write what follows where the size of a step was brought within its limits, by a factor."""

    def clipped(self, mask: Value, factor: Value) -> None:
        """Write what follows where a step was shortened to end with the span, by a factor."""

    def _smallest(self, t: Value, direction: Value) -> Value:
        """Write the shortest step: ten units in the last place of t, `min_step` at least."""
        b = self.frame.b
        away = b.compare("ogt", b.mul(t, direction), b.constant(0.0))
        following = b.real(b.integer("add", b.bits(t), b.choose(away, b.whole(1), b.whole(-1))))
        following = b.select(b.compare("oeq", t, b.constant(0.0)), b.constant(_TINY), following)
        smallest = b.mul(b.constant(10.0), b.abs(b.sub(following, t)))
        return b.select(b.compare("ogt", self._real[MIN_STEP], smallest), self._real[MIN_STEP], smallest)

    # --- after it -----------------------------------------------------------------------------------------------------

    def tried(self) -> Value:
        """Write the mask of the lanes that make the attempt at hand."""
        return self.frame.b.both(self._running, self.frame.b.opposite(self.holds(self.over)))

    def judge(self, ratio: Value, sound: Value, failed: Value | None = None) -> Value:
        """Write the next size, and the counts; returns the mask of the lanes that accept their step.

        Parameters
        ----------
        ratio : Value
            Error in units of the tolerance.
        sound : Value
            Mask of the lanes whose new state is finite.
        failed : Value, optional
            Mask of the lanes whose step could not be made.
        """
        b, frame = self.frame.b, self.frame
        tried = self.tried()
        # NOTE: without a finite state there is no tolerance; infinity would make any error look small
        ratio = b.select(sound, ratio, b.constant(math.nan))
        accepted = b.both(self.fits(ratio), tried)
        if failed is not None:
            accepted = b.both(accepted, b.opposite(failed))
            self.flag(self.unsolved, failed)
        frame.put(self.h_abs, self._next_size(ratio, accepted, tried, failed))
        rejected = b.both(tried, b.opposite(accepted))
        self.count(self.attempts, tried)
        self.count(self.accepted, accepted)
        before = frame.get(self.rejected)
        frame.put(self.rejected, b.select(accepted, b.constant(0.0), b.select(rejected, b.constant(1.0), before)))
        sizes = [*(frame.get(slot) for slot in self.recent), b.abs(frame.get(self.h))]
        for slot, old, new in zip(self.recent, sizes, sizes[1:], strict=False):
            frame.put(slot, b.select(accepted, new, old))
        return accepted

    def fits(self, ratio: Value) -> Value:
        """Write the mask of the lanes whose error is small enough."""
        return self.frame.b.compare("olt", ratio, self.frame.b.constant(1.0))

    def move(self, accepted: Value) -> Value:
        """Write the time of the lanes that accept their step; returns the mask of those that end."""
        b, frame = self.frame.b, self.frame
        t_new = frame.get(self.t_new)
        frame.put(self.t, b.select(accepted, t_new, frame.get(self.t)))
        arrived = b.both(accepted, b.compare("oeq", t_new, frame.get(self.t_end)))
        over = b.either(self.holds(self.over), arrived)
        self.flag(self.over, over)
        return over

    def count(self, slot: int, mask: Value, n: int = 1) -> None:
        """Write the increase of a count by n, in some lanes."""
        b = self.frame.b
        more = b.integer("add", b.bits(self.frame.get(slot)), b.choose(mask, b.whole(n), b.whole(0)))
        self.frame.put(slot, b.real(more))

    def _next_size(self, ratio: Value, accepted: Value, tried: Value, failed: Value | None) -> Value:
        b, frame, real = self.frame.b, self.frame, self._real
        alone = b.mul(real[SAFETY], self._power(self._logarithm(ratio), b.constant(-1.0 / (self.order + 1))))
        grown = self._filtered(ratio, accepted) if self.n_ratios else alone
        grown = b.select(b.compare("olt", grown, real[MAX_FACTOR]), grown, real[MAX_FACTOR])
        again = b.compare("une", frame.get(self.rejected), b.constant(0.0))
        modest = b.select(b.compare("olt", grown, b.constant(1.0)), grown, b.constant(1.0))
        grown = b.select(again, modest, grown)
        shrunk = b.select(b.compare("ogt", alone, real[MIN_FACTOR]), alone, real[MIN_FACTOR])
        if failed is not None:
            shrunk = b.select(failed, b.constant(FAILED_FACTOR), shrunk)
        size = b.mul(b.abs(frame.get(self.h)), b.select(accepted, grown, shrunk))
        return b.select(tried, size, frame.get(self.h_abs))

    def _filtered(self, ratio: Value, accepted: Value) -> Value:
        """Write the factor after an accepted step; see `integrators.Controller.grown`."""
        b, frame, real = self.frame.b, self.frame, self._real
        seen = [ratio, *map(frame.get, self.ratios)]
        if self.n_ratios > 1:
            floor = b.constant(_SMALLEST_RATIO)
            seen = [b.select(b.compare("ogt", floor, r), floor, r) for r in seen]
        total = b.constant(0.0)
        for i, r in enumerate(seen):
            total = b.fma(self._logarithm(r), real[EXPONENT + i], total)
        factor = b.mul(real[SAFETY], b.call(elementary.symbol("exp2", self.frame.shape), [total])[0])
        before = ratio
        for slot in self.ratios:
            old = frame.get(slot)
            frame.put(slot, b.select(accepted, before, old))
            before = old
        return (
            factor
            if self.n_ratios == 1
            else b.select(b.compare("olt", factor, real[MIN_FACTOR]), real[MIN_FACTOR], factor)
        )

    def _logarithm(self, x: Value) -> Value:
        return self.frame.b.call(elementary.symbol("log2", self.frame.shape), [x])[0]

    def _power(self, logarithm: Value, exponent: Value) -> Value:
        b = self.frame.b
        return b.call(elementary.symbol("exp2", self.frame.shape), [b.mul(logarithm, exponent)])[0]


def error_ratio(frame: Frame, sums: Sequence[Value], n: int) -> Value:
    """Write the error in units of the tolerance from the sums of its squares, of one estimate or of two."""
    b = frame.b
    if len(sums) == 1:
        return b.div(b.sqrt(sums[0]), b.constant(float(n) ** 0.5))
    # SOURCE: Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", equation (II.10.17)
    zero = b.constant(0.0)
    below = b.add(sums[0], b.mul(b.constant(0.01), sums[1]))
    ratio = b.div(sums[0], b.sqrt(b.mul(below, b.constant(float(n)))))
    return b.select(b.compare("oeq", below, zero), zero, ratio)
