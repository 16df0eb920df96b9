"""One attempt at a step of the differentiation formulas: the history as backward differences, orders lane by lane."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Value
from diffsim.graph import Graph
from integrators._bdf_tableau import BdfTableau
from integrators.compiled.kernel_attempt import Attempt
from integrators.compiled.kernel_control import error_ratio
from integrators.compiled.kernel_elimination import Elimination
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.kernel_jacobian import KeptJacobian
from integrators.compiled.kernel_newton import Newton
from integrators.compiled.kernel_orders import ITERATIONS, BdfControl
from integrators.compiled.slope import Slope

__all__: list[str] = []


@final
class BdfAttempt(Attempt):
    """Writes the attempt of BDF; the first of its differences is the state itself.

    A matrix is factorised anew for all lanes where one of them asks for it, from what each lane has kept of it.

    Parameters
    ----------
    frame : Frame
        Of one group.
    field : Field
        The right-hand side.
    slope : Slope
        Its Jacobian.
    tableau : BdfTableau
    control : BdfControl
    """

    def __init__(self, frame: Frame, field: Field, slope: Slope, tableau: BdfTableau, control: BdfControl) -> None:
        super().__init__(frame, field, control)
        n, self._tableau, self._orders = self.n, tableau, control
        self._jacobian = KeptJacobian(frame, slope, field.values.parameter_slots)
        self.further = [self._jacobian.field.values]
        self._elimination = Elimination(frame, n)
        self._newton = Newton(frame, control, ITERATIONS, lenient=False)
        self._rows = [self.y, *(frame.slots(n) for _ in range(tableau.highest + 2))]
        self._updated = [frame.slots(n) for _ in self._rows]
        self._psi, self._predicted, self._scale, self._change = (frame.slots(n) for _ in range(4))
        self.new, self._right, self._where = frame.slots(n), frame.slots(n), frame.slots(n)
        self._size, self._c, self._again, self._fresh, self._time, self._used = (frame.slots(1) for _ in range(6))
        self.errors, self._lower, self._higher = [frame.slots(n)], frame.slots(n), frame.slots(n)
        self.polynomial = [frame.slots(n) for _ in range(tableau.highest)]
        control.iterations, control.below, control.above = self._newton.iterations, frame.slots(1), frame.slots(1)
        self.noted = [self._used]
        self.cleared = [*control.cleared]

    @property
    def graphs(self) -> list[Graph]:
        return [self._jacobian.field.graph]

    # --- an attempt ---------------------------------------------------------------------------------------------------

    def write(self) -> None:
        b, frame, control, newton = self.frame.b, self.frame, self._orders, self._newton
        frame.put(self._used, frame.get(control.p))  # NOTE: the control changes the order before the step is logged
        tried = self.tried()
        begins = b.both(tried, b.opposite(newton.holds(control.begun)))
        self.count(self.jacobians, begins)
        newton.flag(self._jacobian.asked, begins)
        self._begin(begins)
        moves = b.both(tried, b.compare("une", frame.get(control.pending), b.constant(1.0)))
        newton.flag(self._again, moves)
        with b.when(b.any(moves)):
            self._regrid()
        self._predict()
        newton.flag(self._again, tried)
        newton.flag(self._fresh, b.opposite(tried))
        newton.clear()
        with b.loop("2"), b.when(b.any(newton.holds(self._again))):
            self._round()
        self._finish()

    def _begin(self, begins: Value) -> None:
        """Write the differences of a trajectory that has just begun, on the grid of its proposed step."""
        b, frame, control = self.frame.b, self.frame, self._orders
        # NOTE: the step may have been changed since it was proposed, which the pending factor knows
        proposed = b.div(frame.get(control.h), frame.get(control.pending))

        def fill(c: int) -> None:
            first = b.mul(frame.get(self.first + c), proposed)
            frame.put(self._rows[1] + c, b.select(begins, first, frame.get(self._rows[1] + c)))
            for row in self._rows[2:]:
                frame.put(row + c, b.select(begins, b.constant(0.0), frame.get(row + c)))
            frame.put(self._where + c, frame.get(self.y + c))

        frame.each_component(self.n, fill)
        frame.put(self._time, frame.get(control.t))
        self._newton.flag(control.begun, b.either(begins, self._newton.holds(control.begun)))

    def _within(self, order: int) -> Value:
        """Write the mask of the lanes whose order is at least that."""
        b = self.frame.b
        return b.compare("oge", self.frame.get(self._used), b.constant(float(order)))

    def _is(self, order: int) -> Value:
        b = self.frame.b
        return b.compare("oeq", self.frame.get(self._used), b.constant(float(order)))

    def _regrid(self) -> None:
        """Write the differences on a grid of another step: SciPy's ``change_D``."""
        b, frame, highest = self.frame.b, self.frame, self._tableau.highest
        factor, moves = frame.get(self._orders.pending), self._newton.holds(self._again)
        weights: list[list[Value]] = [[b.constant(1.0)] * (highest + 1)]
        exact = [[1.0] * (highest + 1)]
        for i in range(1, highest + 1):
            row = [b.constant(0.0)]
            for j in range(1, highest + 1):
                step = b.sub(b.constant(float(i - 1)), b.mul(factor, b.constant(float(j))))
                row.append(b.mul(weights[-1][j], b.div(step, b.constant(float(i)))))
            weights.append(row)
            exact.append([0.0] + [exact[-1][j] * ((i - 1 - j) / i) for j in range(1, highest + 1)])
        inside = [self._within(i) for i in range(highest + 1)]

        def move(c: int) -> None:
            old = [frame.get(row + c) for row in self._rows[: highest + 1]]
            columns = [[row[j] for row in weights] for j in range(1, highest + 1)]
            between = [old[0], *(self._masked(old[0], inside, column, old) for column in columns)]
            for j in range(1, highest + 1):
                total = between[0]
                for i in range(1, j + 1):  # the others are 0
                    more = b.fma(b.constant(exact[i][j]), between[i], total)
                    total = b.select(inside[i], more, total)
                new = b.select(b.both(moves, inside[j]), total, old[j])
                frame.put(self._rows[j] + c, new)

        frame.each_component(self.n, move)

    def _masked(self, first: Value, inside: list[Value], weights: list[Value], numbers: list[Value]) -> Value:
        """Write a sum over the differences up to the order of each lane; the first has the weight 1."""
        b, total = self.frame.b, first
        for mask, weight, number in zip(inside[1:], weights[1:], numbers[1:], strict=True):
            total = b.select(mask, b.fma(weight, number, total), total)
        return total

    def _predict(self) -> None:
        """Write where the differences lead, and the constant part of the equations."""
        b, frame, control, tableau = self.frame.b, self.frame, self._orders, self._tableau
        alpha = control.by_order(tableau.alpha)
        inside = [self._within(i) for i in range(tableau.highest + 1)]
        frame.put(self._c, b.div(frame.get(control.h), alpha))

        def component(c: int) -> None:
            rows = [frame.get(row + c) for row in self._rows[: tableau.highest + 1]]
            ones = [b.constant(1.0)] * len(rows)
            predicted = self._masked(rows[0], inside, ones, rows)
            gamma = [b.constant(x) for x in tableau.gamma]
            psi = self._masked(b.constant(0.0), inside, gamma, rows)
            frame.put(self._predicted + c, predicted)
            frame.put(self._psi + c, b.div(psi, alpha))

        frame.each_component(self.n, component)
        for c in range(self.n):
            size = b.mul(self._rtol[c], b.abs(frame.get(self._predicted + c)))
            frame.put(self._scale + c, b.add(self._atol[c], size))

    def _round(self) -> None:
        """Write the iterations, with factors that are made where they are not there."""
        b, frame, control, newton = self.frame.b, self.frame, self._orders, self._newton
        again = newton.holds(self._again)
        self._jacobian.make(frame.get(self._time), self._where)
        missing = b.both(again, b.opposite(newton.holds(control.factored)))
        self.count(self.factorisations, missing)
        frame.put(self._size, b.select(missing, frame.get(self._c), frame.get(self._size)))
        with b.when(b.any(missing)):
            self._factorise()
        newton.flag(control.factored, b.either(again, newton.holds(control.factored)))
        newton.pardon(again)

        def restart(c: int) -> None:
            predicted, zero = frame.get(self._predicted + c), b.constant(0.0)
            frame.put(self.new + c, b.select(again, predicted, frame.get(self.new + c)))
            frame.put(self._change + c, b.select(again, zero, frame.get(self._change + c)))
            frame.put(self._where + c, predicted)

        frame.each_component(self.n, restart)
        frame.put(self._time, frame.get(control.t_new))
        newton.write(again, self._iterate, self._take_step)
        once_more = b.both(b.both(again, newton.failed), b.opposite(newton.holds(self._fresh)))
        for slot in (self._again, self._jacobian.asked):
            newton.flag(slot, once_more)
        newton.flag(self._fresh, b.either(once_more, newton.holds(self._fresh)))
        newton.flag(control.factored, b.both(newton.holds(control.factored), b.opposite(once_more)))
        self.count(self.jacobians, once_more)

    def _factorise(self) -> None:
        """Write the factorisation of ``I - c J``, of the Jacobians and sizes that the lanes have kept."""
        b, size, elimination = self.frame.b, self.frame.get(self._size), self._elimination
        elimination.fill(b.constant(1.0))
        self._jacobian.each(lambda i, j, value: elimination.take_away(i, j, b.mul(size, value)))
        elimination.factorise()

    def _iterate(self) -> Value:
        """Write a step of the iterations; returns its norm."""
        b, frame = self.frame.b, self.frame
        self.count(self.evaluations, self._newton.active)

        def take(slot: int, k: Value | None) -> Value:
            known = b.add(frame.get(self._psi + slot), frame.get(self._change + slot))
            value = b.constant(0.0) if k is None else k
            frame.put(self._right + slot, b.sub(b.mul(frame.get(self._c), value), known))
            return ""

        self.field.stage(lambda: [frame.get(self._orders.t_new)], self.new, take)
        self._elimination.solve(self._right)
        return self._newton.norm([(self._right + c, self._scale + c) for c in range(self.n)])

    def _take_step(self, mask: Value) -> None:
        b, frame = self.frame.b, self.frame

        def add(c: int) -> None:
            for slot in (self.new + c, self._change + c):
                old = frame.get(slot)
                frame.put(slot, b.select(mask, b.add(old, frame.get(self._right + c)), old))

        frame.each_component(self.n, add)

    # --- what it gives ------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Write the differences that would follow, and the errors of this order and of its neighbours."""
        b, frame, control, tableau = self.frame.b, self.frame, self._orders, self._tableau
        highest = tableau.highest
        own = control.by_order(tableau.errors)
        lower, higher = (control.by_order(tableau.errors, shift) for shift in (-1, 1))
        at = [self._is(order) for order in range(highest + 1)]
        inside = [self._within(order) for order in range(highest + 1)]

        def component(c: int) -> None:
            change, rows = frame.get(self._change + c), [frame.get(row + c) for row in self._rows]
            new = list(rows)
            for order in range(1, highest + 1):
                new[order + 2] = b.select(at[order], b.sub(change, rows[order + 1]), new[order + 2])
                new[order + 1] = b.select(at[order], change, new[order + 1])
            for i in range(highest, -1, -1):
                new[i] = b.select(inside[i], b.add(new[i], new[i + 1]), new[i])
            for slots, x in zip(self._updated, new, strict=True):
                frame.put(slots + c, x)
            frame.put(self.errors[0] + c, b.mul(own, change))
            for slots, weight, shift in ((self._lower, lower, 0), (self._higher, higher, 2)):
                chosen = new[highest + shift]
                for order in range(1, highest):
                    chosen = b.select(at[order], new[order + shift], chosen)
                frame.put(slots + c, b.mul(weight, chosen))

        frame.each_component(self.n, component)
        frame.put(control.below, self._size_of(self._lower))
        frame.put(control.above, self._size_of(self._higher))

    def _size_of(self, slots: int) -> Value:
        """Write the norm of an error in units of the tolerance at the new state."""
        b, frame, total = self.frame.b, self.frame, self.frame.b.constant(0.0)
        for c in range(self.n):
            part = b.div(frame.get(slots + c), self._scale_at(c))
            total = b.add(total, b.mul(part, part))
        return error_ratio(frame, [total], self.n)

    def _scale_at(self, c: int) -> Value:
        b = self.frame.b
        return b.add(self._atol[c], b.mul(self._rtol[c], b.abs(self.frame.get(self.new + c))))

    def ratio(self) -> tuple[Value, Value]:
        b, frame = self.frame.b, self.frame
        zero = flaw = b.constant(0.0)
        for c in range(self.n):
            flaw = b.fma(frame.get(self.new + c), zero, flaw)
        return self._size_of(self.errors[0]), b.compare("ord", flaw, flaw)

    def failed(self) -> Value:
        return self._newton.failed

    def interpolate(self, group: Value) -> None:
        b, frame, highest = self.frame.b, self.frame, self._tableau.highest
        inside = [self._within(order) for order in range(highest + 1)]

        def component(c: int) -> None:
            for k, slots in enumerate(self.polynomial):
                total = b.constant(0.0)
                for j in range(k, highest):
                    weight, d = self._tableau.dense[k][j], frame.get(self._updated[j + 1] + c)
                    total = b.select(inside[j + 1], b.fma(b.constant(weight), d, total), total)
                frame.put(slots + c, total)

        frame.each_component(self.n, component)

    def move(self, accepted: Value) -> None:
        b, frame = self.frame.b, self.frame

        def component(c: int) -> None:
            for row, updated in zip(self._rows, self._updated, strict=True):
                frame.put(row + c, b.select(accepted, frame.get(updated + c), frame.get(row + c)))

        frame.each_component(self.n, component)
