"""One attempt at a step in the search kernel: what all methods share.

The rest of the search knows nothing of a method but its `Attempt`: from the state, the time and the size of the step it
makes a new state and the error, and where save times lie within the step the coefficients of its polynomial.
"""

from __future__ import annotations

import abc

from diffsim.compiler.emitter import Value
from diffsim.graph import Graph
from integrators.compiled.kernel_control import StepControl, error_ratio
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import Frame, Inputs

__all__: list[str] = []


class Attempt(abc.ABC):
    """Writes the attempt of a method.

    Parameters
    ----------
    frame : Frame
    field : Field
        The right-hand side.
    control : StepControl

    Attributes
    ----------
    y, first : int
        Slots: state, and the derivative there.
    new, closing : int
        The new state, and the derivative there; without the latter the step does not begin with one.
    errors : list of int
        Each estimate.
    polynomial : list of int
        The coefficients of the powers of the position within the step, n slots each, one after the other; none where
        the step is made again for its save times.
    noted : list of int
        What else is logged of a step.
    evaluations, jacobians, factorisations : int
        Counts of the trajectory, where the method counts on its own.
    cleared : list of int
        Further slots that are 0 at the start of a trajectory.
    further : list of Inputs
        Those of graphs beside the right-hand side.
    """

    new: int
    errors: list[int]
    closing: int | None = None

    def __init__(self, frame: Frame, field: Field, control: StepControl) -> None:
        self.frame, self.field, self.control = frame, field, control
        n = self.n = field.program.n
        self.y, self.first = frame.slots(n), frame.slots(n)
        self.evaluations, self.jacobians, self.factorisations = (frame.slots(1) for _ in range(3))
        self.polynomial: list[int] = []
        self.noted: list[int] = []
        self.further: list[Inputs] = []
        self.cleared: list[int] = []

    @property
    def graphs(self) -> list[Graph]:
        """Graphs beside the right-hand side whose functions are called."""
        return []

    @property
    def counts(self) -> tuple[int, int, int]:
        """The slots of the counts."""
        return self.evaluations, self.jacobians, self.factorisations

    @property
    def functions(self) -> list[str]:
        """Texts of the module's further functions; what they declare the emitter knows."""
        return []

    def hold(self) -> None:
        """Write, of a group some of whose lanes begin a trajectory, what follows from the parameters alone."""
        for values in (self.field.values, *self.further):
            values.hold()

    def tried(self) -> Value:
        """Write the mask of the lanes that make the attempt at hand."""
        return self.control.tried()

    def count(self, slot: int, mask: Value, n: int = 1) -> None:
        """Write the increase of a count, in some lanes."""
        self.control.count(slot, mask, n)

    def failed(self) -> Value | None:
        """Write the mask of the lanes whose step could not be made; None where every step can."""
        return None

    @abc.abstractmethod
    def interpolate(self, group: Value) -> None:
        """Write the coefficients of the polynomial, of a group."""

    @abc.abstractmethod
    def write(self) -> None:
        """Write the stages of all lanes, the new state and the errors."""

    def given(self, tolerance: Value) -> None:
        """Write the loading of the tolerances: rtol, then atol, of each component."""
        b = self.frame.b
        self._rtol, self._atol = (
            [b.splat(b.double_at(tolerance, c + k * self.n)) for c in range(self.n)] for k in range(2)
        )

    def ratio(self) -> tuple[Value, Value]:
        """Write, of a group, the error in units of the tolerance, and the mask of the lanes whose state is finite."""
        b, frame = self.frame.b, self.frame
        zero = b.constant(0.0)
        sums, total = [zero] * len(self.errors), zero
        for c in range(self.n):
            y, new = frame.get(self.y + c), frame.get(self.new + c)
            total = b.fma(new, zero, total)
            size, size_new = b.abs(y), b.abs(new)
            largest = b.select(b.compare("ogt", size_new, size), size_new, size)
            scale = b.add(self._atol[c], b.mul(largest, self._rtol[c]))
            for e, error in enumerate(self.errors):
                part = b.div(frame.get(error + c), scale)
                sums[e] = b.add(sums[e], b.mul(part, part))
        return self.norm(sums), b.compare("ord", total, total)

    def norm(self, sums: list[Value]) -> Value:
        """Write the error in units of the tolerance from the sums of the squares of all estimates."""
        return error_ratio(self.frame, sums, self.n)

    def move(self, accepted: Value) -> None:
        """Write: the lanes that accept their step take its state, of a group."""
        b, frame = self.frame.b, self.frame
        for c in range(self.n):
            frame.put(self.y + c, b.select(accepted, frame.get(self.new + c), frame.get(self.y + c)))
            if self.closing is not None:
                frame.put(self.first + c, b.select(accepted, frame.get(self.closing + c), frame.get(self.first + c)))
