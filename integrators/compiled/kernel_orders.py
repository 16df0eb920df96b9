"""The choice of steps and orders of SciPy's BDF in a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from diffsim.compiler import elementary
from diffsim.compiler.emitter import Value
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_frame import Frame
from integrators.drivers.control import FAILED_FACTOR

__all__: list[str] = []

ITERATIONS = 4
_MIN_FACTOR, _MAX_FACTOR = 0.2, 10.0
_INFINITY = float("inf")


@final
class BdfControl(StepControl):
    """Writes the control of steps and orders on the slots of a frame; see `integrators.bdf`.

    Attributes
    ----------
    p : int
        Slot of the order.
    pending : int
        Factor by which the grid of the differences is to change before the next attempt.
    n_equal : int
        Steps since it has changed.
    factored, begun : int
        Truth values: whether the factors serve, whether there is a past.  Both are 0 at the start of a trajectory.
    iterations, below, above : int
        Iterations of the attempt, and its errors at the neighbouring orders; set by the attempt.
    """

    iterations: int
    below: int
    above: int

    def __init__(self, frame: Frame, order: int, n_ratios: int, highest: int) -> None:
        super().__init__(frame, order, n_ratios)
        self._highest = highest
        self.p, self.pending, self.n_equal, self.factored, self.begun = (frame.slots(1) for _ in range(5))

    @property
    def cleared(self) -> tuple[int, ...]:
        """Slots that are 0 at the start of a trajectory."""
        return self.factored, self.begun

    def begin(self) -> None:
        """Write, before anything else of an attempt: order 1 and no past where a trajectory has just begun."""
        b, frame = self.frame.b, self.frame
        fresh = b.compare("oeq", frame.get(self.begun), b.constant(0.0))
        for slot, value in ((self.p, 1.0), (self.pending, 1.0), (self.n_equal, 0.0)):
            frame.put(slot, b.select(fresh, b.constant(value), frame.get(slot)))

    def by_order(self, table: Sequence[float], shift: int = 0) -> Value:
        """Write the number of a table that belongs to the order of each lane, or to one beside it."""
        b, p = self.frame.b, self.frame.get(self.p)
        found = b.constant(table[min(self._highest + shift, len(table) - 1)])  # nothing stands beyond the highest
        for order in range(1, self._highest):
            found = b.select(b.compare("oeq", p, b.constant(float(order))), b.constant(table[order + shift]), found)
        return found

    def limited(self, mask: Value, factor: Value) -> None:
        self.begin()
        self._regrid(mask, factor)

    def clipped(self, mask: Value, factor: Value) -> None:
        b, frame = self.frame.b, self.frame
        self._regrid(mask, factor)
        frame.put(self.factored, b.select(mask, b.constant(0.0), frame.get(self.factored)))

    def _regrid(self, mask: Value, factor: Value) -> None:
        b, frame = self.frame.b, self.frame
        pending = frame.get(self.pending)
        frame.put(self.pending, b.select(mask, b.mul(pending, factor), pending))
        frame.put(self.n_equal, b.select(mask, b.constant(0.0), frame.get(self.n_equal)))

    def fits(self, ratio: Value) -> Value:
        return self.frame.b.compare("ole", ratio, self.frame.b.constant(1.0))

    def _next_size(self, ratio: Value, accepted: Value, tried: Value, failed: Value | None) -> Value:
        b, frame = self.frame.b, self.frame
        zero, one = b.constant(0.0), b.constant(1.0)
        p, n_equal = frame.get(self.p), b.add(frame.get(self.n_equal), one)
        free = b.both(accepted, b.compare("oge", n_equal, b.add(p, one)))
        whole = b.constant(0.9 * (2 * ITERATIONS + 1))
        safety = b.div(whole, b.add(b.constant(2.0 * ITERATIONS), frame.get(self.iterations)))
        same = self._power(ratio, b.add(p, one))
        shrunk, least = b.mul(safety, same), b.constant(_MIN_FACTOR)
        shrunk = b.select(b.compare("ogt", shrunk, least), shrunk, least)
        lost = b.opposite(b.compare("olt", ratio, b.constant(_INFINITY)))
        lost = lost if failed is None else b.either(failed, lost)
        shrunk = b.select(lost, b.constant(FAILED_FACTOR), shrunk)
        change, best = self._best(same)
        grown, largest = b.mul(safety, best), b.constant(_MAX_FACTOR)
        grown = b.select(b.compare("olt", grown, largest), grown, largest)
        factor = b.select(accepted, b.select(free, grown, one), shrunk)
        kept = b.both(accepted, b.opposite(free))
        frame.put(self.p, b.select(b.both(tried, free), b.add(p, change), p))
        frame.put(self.n_equal, b.select(tried, b.select(kept, n_equal, zero), frame.get(self.n_equal)))
        frame.put(self.pending, b.select(tried, factor, frame.get(self.pending)))
        # NOTE: where the iterations have converged the factors still serve, as in SciPy
        spent = free if failed is None else b.either(free, failed)
        frame.put(self.factored, b.select(b.both(tried, spent), zero, frame.get(self.factored)))
        size = b.mul(b.abs(frame.get(self.h)), factor)
        return b.select(tried, size, frame.get(self.h_abs))

    def _best(self, same: Value) -> tuple[Value, Value]:
        """Write the change of the order that allows the largest step, the lower order first, and that factor."""
        b, frame, p = self.frame.b, self.frame, self.frame.get(self.p)
        zero, one = b.constant(0.0), b.constant(1.0)
        lower, higher = (
            self._power(frame.get(self.below), p),
            self._power(frame.get(self.above), b.add(p, b.constant(2.0))),
        )
        lower = b.select(b.compare("ogt", p, one), lower, zero)
        higher = b.select(b.compare("olt", p, b.constant(float(self._highest))), higher, zero)
        down = b.both(b.compare("oge", lower, same), b.compare("oge", lower, higher))
        stay = b.compare("oge", same, higher)
        change = b.select(down, b.constant(-1.0), b.select(stay, zero, one))
        return change, b.select(down, lower, b.select(stay, same, higher))

    def _power(self, x: Value, root: Value) -> Value:
        """Write ``x ** (-1 / root)``; infinity at 0."""
        b, shape = self.frame.b, self.frame.shape
        logarithm = b.call(elementary.symbol("log2", shape), [x])[0]
        found = b.call(elementary.symbol("exp2", shape), [b.div(b.neg(logarithm), root)])[0]
        return b.select(b.compare("oeq", x, b.constant(0.0)), b.constant(_INFINITY), found)
