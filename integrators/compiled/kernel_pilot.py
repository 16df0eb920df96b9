"""The choice of steps of SciPy's Radau in a kernel: Gustafsson's predictive controller, and its memory."""

from __future__ import annotations

from typing import final

from diffsim.compiler import elementary
from diffsim.compiler.emitter import Value
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_frame import Frame
from integrators.drivers.control import FAILED_FACTOR

__all__: list[str] = []

ITERATIONS = 6
_MIN_FACTOR, _MAX_FACTOR = 0.2, 10.0
_INFINITY = float("inf")


@final
class RadauControl(StepControl):
    """Writes the control of steps on the slots of a frame; see `integrators.radau`.

    Attributes
    ----------
    factored, known, stale : int
        Slots of truth values: whether the factors serve, whether there is a Jacobian, whether it is that of an earlier
        state.  All are 0 at the start of a trajectory.
    rate, iterations : int
        Of the last iterations; set by the attempt.
    renewed : int
        Count of the Jacobians that are to be made anew; set by the attempt.
    """

    rate: int
    iterations: int
    renewed: int

    def __init__(self, frame: Frame, order: int, n_ratios: int) -> None:
        super().__init__(frame, order, n_ratios)
        self.factored, self.known, self.stale = (frame.slots(1) for _ in range(3))
        self._size_before, self._ratio_before, self._proposed = (frame.slots(1) for _ in range(3))

    @property
    def cleared(self) -> tuple[int, ...]:
        """Slots that are 0 at the start of a trajectory."""
        return self.factored, self.known, self.stale, self._size_before

    def limited(self, mask: Value, factor: Value) -> None:
        """Write: a step that was cut to its limits says nothing about the next one."""
        b, frame = self.frame.b, self.frame
        first = b.integer_compare("eq", b.bits(frame.get(self.attempts)), b.whole(0))
        frame.put(self._proposed, b.select(first, frame.get(self.h_abs), frame.get(self._proposed)))
        frame.put(self._size_before, b.select(mask, b.constant(0.0), frame.get(self._size_before)))

    def fits(self, ratio: Value) -> Value:
        return self.frame.b.compare("ole", ratio, self.frame.b.constant(1.0))

    def _next_size(self, ratio: Value, accepted: Value, tried: Value, failed: Value | None) -> Value:
        b, frame = self.frame.b, self.frame
        size, factor = b.abs(frame.get(self.h)), self._predicted(ratio)
        largest = b.constant(_MAX_FACTOR)
        grown = b.select(b.compare("olt", factor, largest), factor, largest)
        slow = b.both(
            b.compare("ogt", frame.get(self.iterations), b.constant(2.0)),
            b.compare("ogt", frame.get(self.rate), b.constant(1e-3)),
        )
        kept = b.both(b.opposite(slow), b.compare("olt", grown, b.constant(1.2)))
        grown = b.select(kept, b.constant(1.0), grown)
        least, finite = b.constant(_MIN_FACTOR), b.compare("olt", ratio, b.constant(_INFINITY))
        shrunk = b.select(b.compare("ogt", factor, least), factor, least)
        lost = b.opposite(finite) if failed is None else b.either(failed, b.opposite(finite))
        shrunk = b.select(lost, b.constant(FAILED_FACTOR), shrunk)
        following = b.mul(size, b.select(accepted, grown, shrunk))
        self._remember(ratio, accepted, slow, b.select(accepted, following, frame.get(self._proposed)))
        serve = b.both(accepted, kept)
        zero, one = b.constant(0.0), b.constant(1.0)
        frame.put(self.factored, b.select(tried, b.select(serve, one, zero), frame.get(self.factored)))
        return b.select(tried, following, frame.get(self.h_abs))

    def _remember(self, ratio: Value, accepted: Value, slow: Value, proposed: Value) -> None:
        """Write what the next step has to know of an accepted one."""
        b, frame = self.frame.b, self.frame
        zero, one = b.constant(0.0), b.constant(1.0)
        # NOTE: the size that was proposed, which rejections have shortened, as in SciPy
        frame.put(self._size_before, b.select(accepted, frame.get(self._proposed), frame.get(self._size_before)))
        frame.put(self._ratio_before, b.select(accepted, ratio, frame.get(self._ratio_before)))
        frame.put(self._proposed, proposed)
        frame.put(self.known, b.select(accepted, b.select(slow, zero, one), frame.get(self.known)))
        frame.put(self.stale, b.select(accepted, b.select(slow, zero, one), frame.get(self.stale)))
        self.count(self.renewed, b.both(accepted, slow))

    def _predicted(self, ratio: Value) -> Value:
        """Write the factor that the controller asks for, with its safety."""
        b, frame = self.frame.b, self.frame
        iterations, zero, one = frame.get(self.iterations), b.constant(0.0), b.constant(1.0)
        whole = b.constant(0.9 * (2 * ITERATIONS + 1))
        safety = b.div(whole, b.add(b.constant(2.0 * ITERATIONS), iterations))
        before = frame.get(self._size_before)
        has = b.compare("une", before, zero)
        change = b.div(b.abs(frame.get(self.h)), b.select(has, before, one))
        quotient = b.div(b.select(has, frame.get(self._ratio_before), one), ratio)
        multiplier = b.select(has, b.mul(change, self._quarter(quotient, 0.25)), one)
        multiplier = b.select(b.compare("olt", multiplier, one), multiplier, one)
        found = b.mul(safety, b.mul(multiplier, self._quarter(ratio, -0.25)))
        return b.select(b.compare("oeq", ratio, zero), b.constant(_INFINITY), found)

    def _quarter(self, x: Value, exponent: float) -> Value:
        b, shape = self.frame.b, self.frame.shape
        logarithm = b.call(elementary.symbol("log2", shape), [x])[0]
        return b.call(elementary.symbol("exp2", shape), [b.mul(logarithm, b.constant(exponent))])[0]
