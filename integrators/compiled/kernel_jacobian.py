"""Jacobians that lanes keep in a kernel, each as long as it serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from diffsim.compiler.emitter import Value
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.slope import Slope

__all__: list[str] = []


@final
class KeptJacobian:
    """Writes the making of Jacobians for the lanes that ask for one; others keep theirs.

    Parameters
    ----------
    frame : Frame
        Of one group.
    slope : Slope
    parameter_slots : int
        Where the parameters lie.

    Attributes
    ----------
    asked : int
        Slot: which lanes ask.
    """

    def __init__(self, frame: Frame, slope: Slope, parameter_slots: int) -> None:
        self.frame, self._places = frame, slope.places
        self.field = Field(frame, slope.program.reduced, None, parameter_slots)
        self._entries, self.asked = frame.slots(len(slope.places)), frame.slots(1)

    def make(self, time: Value, state: int) -> None:
        """Write the Jacobians at a time and at the state of some slots."""
        with self.frame.b.when(self.frame.b.any(self._asks())):
            self.field.stage(lambda: [time], state, self._take)

    def _asks(self) -> Value:
        return self.frame.b.compare("une", self.frame.get(self.asked), self.frame.b.constant(0.0))

    def _take(self, slot: int, k: Value | None) -> Value:
        b, frame = self.frame.b, self.frame
        if slot < len(self._places):  # df/dt stands behind the entries
            old, new = frame.get(self._entries + slot), b.constant(0.0) if k is None else k
            frame.put(self._entries + slot, b.select(self._asks(), new, old))
        return ""

    def each(self, body: Callable[[int, int, Value], None]) -> None:
        """Write code for each entry: row, column, number."""
        for e, (i, j) in enumerate(self._places):
            body(i, j, self.frame.get(self._entries + e))
