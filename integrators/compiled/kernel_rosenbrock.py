"""One attempt at a step of a Rosenbrock method: the Jacobian, one factorisation, a linear system for each stage."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Value
from diffsim.graph import Graph
from integrators._rosenbrock_tableau import RosenbrockTableau
from integrators.compiled.kernel_attempt import Attempt
from integrators.compiled.kernel_control import StepControl
from integrators.compiled.kernel_elimination import Elimination
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.kernel_stages import StageRows
from integrators.compiled.slope import Slope

__all__: list[str] = []


@final
class RosenbrockAttempt(Attempt):
    """Writes the attempt of a Rosenbrock method; its stages are a loop.

    Parameters
    ----------
    frame : Frame
    field : Field
        The right-hand side.
    slope : Slope
        Its Jacobian.
    tableau : RosenbrockTableau
    control : StepControl
    """

    def __init__(
        self, frame: Frame, field: Field, slope: Slope, tableau: RosenbrockTableau, control: StepControl
    ) -> None:
        super().__init__(frame, field, control)
        n = self.n
        self._tableau, self._slope = tableau, slope
        self._slope_field = Field(frame, slope.program.reduced, None, field.values.parameter_slots)
        self.further = [self._slope_field.values]
        self._elimination = Elimination(frame, n)
        self._inverse, self._drift = frame.slots(1), frame.slots(n)
        c = [[(j, x) for j, x in enumerate(row) if x] for row in tableau.c]
        k = [[(j, x) for j, x in enumerate(row) if x] for row in tableau.dense]
        self._n_rows = tableau.n_stages + 1
        rows = [*tableau.rows, *c, *k]
        self._stages = StageRows(frame, rows, tableau.nodes, control.t, n)
        drift = [*tableau.drift, *[0.0] * (tableau.n_stages - len(tableau.drift))]
        self._drifts = self._stages.numbers("drifts", drift)
        self.new = frame.slots(n)
        self.errors = [self._stages.k + (tableau.n_stages - 1) * n]
        self.polynomial = [frame.slots(n) for _ in range(tableau.degree)]

    @property
    def graphs(self) -> list[Graph]:
        return [self._slope_field.graph]

    def write(self) -> None:
        frame, b, stages, control = self.frame, self.frame.b, self._stages, self.control
        frame.each_group(self._prepare)
        self._slope_field.stage(lambda: [frame.get(control.t)], self.y, self._take)
        frame.each_group(lambda group: self._elimination.factorise())

        def stage(i: Value) -> None:
            def take(slot: int, k: Value | None) -> Value:
                stages.put(i, slot, k)
                return ""

            def finish(group: Value, found: list[Value]) -> None:
                here = stages.place(stages.k, i)
                inverse = frame.get(self._inverse)
                row = b.line(f"add i64 {i}, {self._n_rows}")
                stages.each_entry(row, lambda j, w: stages.add(w, stages.place(stages.k, j), here), inverse)
                if self._slope.moves:
                    share = b.mul(frame.get(control.h), b.splat(b.double_at(self._drifts, i)))
                    stages.add(share, str(self._drift), here)
                self._elimination.solve(here)

            frame.each_group(lambda group: self._gather(i))
            self.field.stage(lambda: stages.leading(i), self.new, take, finish)

        stages.each_stage(stage)
        frame.each_group(lambda group: self._gather(str(self._tableau.n_stages)))

    def _gather(self, row: Value) -> None:
        """Write the state at a stage, or the new one."""
        stages, one = self._stages, self.frame.b.constant(1.0)
        stages.copy(str(self.y), str(self.new))
        stages.each_entry(row, lambda j, w: stages.add(w, stages.place(stages.k, j), str(self.new)), one)

    def _prepare(self, group: Value) -> None:
        """Write what the step size gives, and the counts."""
        b, frame, control = self.frame.b, self.frame, self.control
        inverse = b.div(b.constant(1.0), frame.get(control.h))
        frame.put(self._inverse, inverse)
        self._elimination.fill(b.mul(inverse, b.constant(1.0 / self._tableau.gamma)))
        fresh = b.compare("oeq", frame.get(control.rejected), b.constant(0.0))  # the Jacobian of a state counts once
        self.count(self.evaluations, self.tried(), self._tableau.n_stages - 1)
        self.count(self.jacobians, b.both(self.tried(), fresh))
        self.count(self.factorisations, self.tried())

    def _take(self, slot: int, k: Value | None) -> Value:
        """Write where an entry of the Jacobian, or of df/dt, goes."""
        value, places = k or self.frame.b.constant(0.0), self._slope.places
        if slot < len(places):
            self._elimination.take_away(*places[slot], value)
        else:
            self.frame.put(self._drift + slot - len(places), value)
        return ""

    def failed(self) -> Value:
        return self._elimination.singular

    def interpolate(self, group: Value) -> None:
        b, frame, stages = self.frame.b, self.frame, self._stages
        one, first = b.constant(1.0), self._n_rows + self._tableau.n_stages
        for r, slots in enumerate(self.polynomial[:-1]):
            stages.clear(slots, self.n)

            def share(j: Value, weight: Value, slots: int = slots) -> None:
                stages.add(weight, stages.place(stages.k, j), str(slots))

            stages.each_entry(str(first + r), share, one)
        for c in range(self.n):
            before = b.sub(frame.get(self.new + c), frame.get(self.y + c))
            for r, slots in enumerate(self.polynomial):
                last = r == len(self.polynomial) - 1
                k = b.constant(0.0) if last else frame.get(slots + c)
                # D_1 = y_1 - y_0 + k_1, D_2 = k_2 - k_1, ..., the last one -k
                frame.put(slots + c, b.add(k, before) if r == 0 else b.sub(k, before))
                before = k
