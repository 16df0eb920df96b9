"""One attempt at a step of an ESDIRK pair: one matrix, and Newton's iterations for one stage after the other."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Value
from integrators._esdirk_tableau import EsdirkTableau
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_diagonal import DiagonalAttempt
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.kernel_stages import StageRows
from integrators.compiled.slope import Slope

__all__: list[str] = []


@final
class EsdirkAttempt(DiagonalAttempt):
    """Writes the attempt of a diagonally implicit pair with an explicit first stage; its stages are a loop.

    Parameters
    ----------
    frame : Frame
        Of one group.
    field : Field
        The right-hand side.
    slope : Slope
        Its Jacobian.
    tableau : EsdirkTableau
    control : StepControl
    """

    def __init__(self, frame: Frame, field: Field, slope: Slope, tableau: EsdirkTableau, control: StepControl) -> None:
        super().__init__(frame, field, slope, control)
        n, self._tableau = self.n, tableau
        rows = [[(j, x) for j, x in enumerate(row) if x] for row in ((), *tableau.rows, tableau.error)]
        self._stages = StageRows(frame, rows, tableau.nodes, control.t, n)
        self._last = self.closing = self._stages.k + (tableau.n_stages - 1) * n
        self.new, estimate = frame.slots(n), frame.slots(n)
        self.errors = [estimate]
        self.polynomial = [frame.slots(n) for _ in range(3)]

    def write(self) -> None:
        b, frame, stages, control = self.frame.b, self.frame, self._stages, self.control
        fresh = b.compare("oeq", frame.get(control.rejected), b.constant(0.0))
        self.count(self.jacobians, b.both(self.tried(), fresh))  # the Jacobian of a state counts once
        c = b.mul(frame.get(control.h), b.constant(self._tableau.gamma))
        self._factorise(c, lambda: [frame.get(control.t)])
        stages.copy(str(self.first), str(stages.k))
        stages.each_stage(self._stage, first=1)
        for i in range(self.n):
            frame.put(self.new + i, frame.get(self._z + i))
        stages.clear(self.errors[0], self.n)
        stages.each_entry(
            str(self._tableau.n_stages),
            lambda j, weight: stages.add(weight, stages.place(stages.k, j), str(self.errors[0])),
        )

    def _stage(self, i: Value) -> None:
        """Write stage i: its equations, their solution, its slope."""
        b, frame, stages = self.frame.b, self.frame, self._stages
        c = frame.get(self._c)
        stages.gather(i, self.y, str(self._base))
        before = stages.place(stages.k, b.line(f"sub i64 {i}, 1"))
        starts = [b.fma(c, b.load(stages.address(before, m)), frame.get(self._base + m)) for m in range(self.n)]
        lanes = b.both(self.tried(), b.opposite(self._newton.failed))
        self._solve(lanes, lambda: stages.leading(i), starts)
        for m in range(self.n):
            rise = b.sub(frame.get(self._z + m), frame.get(self._base + m))
            stages.put(i, m, b.div(rise, c))

    def interpolate(self, group: Value) -> None:
        self._hermite(self.first, self._last)
