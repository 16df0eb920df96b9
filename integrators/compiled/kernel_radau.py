"""One attempt at a step of Radau IIA: a real and a complex system, factorised as long as they serve."""

from __future__ import annotations

from typing import final

from diffsim.compiler.emitter import Value, hexadecimal
from diffsim.graph import Graph
from integrators._radau_tableau import RadauTableau
from integrators.compiled.kernel_attempt import Attempt
from integrators.compiled.kernel_elimination import Elimination
from integrators.compiled.kernel_field import Field
from integrators.compiled.kernel_frame import Frame
from integrators.compiled.kernel_jacobian import KeptJacobian
from integrators.compiled.kernel_newton import Newton
from integrators.compiled.kernel_pilot import ITERATIONS, RadauControl
from integrators.compiled.slope import Slope

__all__: list[str] = []


@final
class RadauAttempt(Attempt):
    """Writes the attempt of Radau IIA.

    A matrix is factorised anew for all lanes where one of them asks for it, from what each lane has kept of it (the
    Jacobian and the step): the same numbers give the same factors.  The complex system of n equations is a real one of
    2 n.

    Parameters
    ----------
    frame : Frame
        Of one group.
    field : Field
        The right-hand side.
    slope : Slope
        Its Jacobian.
    tableau : RadauTableau
    control : RadauControl
    """

    def __init__(self, frame: Frame, field: Field, slope: Slope, tableau: RadauTableau, control: RadauControl) -> None:
        super().__init__(frame, field, control)
        n, self._tableau, self._pilot = self.n, tableau, control
        self._jacobian = KeptJacobian(frame, slope, field.values.parameter_slots)
        self.further = [self._jacobian.field.values]
        self._real, self._pair = Elimination(frame, n), Elimination(frame, 2 * n)
        self._newton = Newton(frame, control, ITERATIONS, lenient=False)
        control.rate, control.iterations = self._newton.rate, self._newton.iterations
        self._size = frame.slots(1)
        self._w, self._z, self._step = ([frame.slots(n) for _ in range(3)] for _ in range(3))
        self._f, self._scale, self._at, self._defect = (frame.slots(k * n) for k in (3, 1, 1, 1))
        self._z_last, self._y_last = [frame.slots(n) for _ in range(3)], frame.slots(n)
        self._t_last, self._h_last, self._begun, self._again = (frame.slots(1) for _ in range(4))
        self.new, self.closing, estimate = frame.slots(n), frame.slots(n), frame.slots(n)
        self.errors = [estimate]
        self.polynomial = [frame.slots(n) for _ in range(3)]
        self.cleared = [*control.cleared, self._begun]
        control.renewed = self.jacobians

    @property
    def graphs(self) -> list[Graph]:
        return [self._jacobian.field.graph]

    # --- an attempt ---------------------------------------------------------------------------------------------------

    def write(self) -> None:
        b, frame, control, newton = self.frame.b, self.frame, self._pilot, self._newton
        for c in range(self.n):
            size = b.mul(b.abs(frame.get(self.y + c)), self._rtol[c])
            frame.put(self._scale + c, b.add(self._atol[c], size))
        newton.flag(self._jacobian.asked, b.both(self.tried(), b.opposite(newton.holds(control.known))))
        begins = b.both(newton.holds(self._jacobian.asked), b.opposite(newton.holds(self._begun)))
        self.count(self.jacobians, begins)  # others have been counted with the step that asked for them
        newton.flag(self._again, self.tried())
        newton.clear()
        with b.loop("2"), b.when(b.any(newton.holds(self._again))):
            self._round()
        self._finish()

    def _round(self) -> None:
        """Write the iterations, with factors that are made where they are not there."""
        b, frame, control, newton = self.frame.b, self.frame, self._pilot, self._newton
        again = newton.holds(self._again)
        missing = b.both(again, b.opposite(newton.holds(control.factored)))
        self.count(self.factorisations, missing, 2)
        frame.put(self._size, b.select(missing, frame.get(control.h), frame.get(self._size)))
        self._jacobian.make(frame.get(control.t), self.y)
        with b.when(b.any(missing)):
            self._factorise()
        newton.flag(control.factored, b.either(again, newton.holds(control.factored)))
        newton.flag(control.known, b.either(again, newton.holds(control.known)))
        newton.pardon(again)
        self._begin(again)
        newton.write(again, self._iterate, self._take_step)
        # NOTE: with the Jacobian of an earlier state, once more with that of this one
        once_more = b.both(b.both(again, newton.failed), newton.holds(control.stale))
        newton.flag(self._again, once_more)
        newton.flag(self._jacobian.asked, once_more)
        newton.flag(control.stale, b.both(newton.holds(control.stale), b.opposite(once_more)))
        newton.flag(control.factored, b.both(newton.holds(control.factored), b.opposite(once_more)))
        self.count(self.jacobians, once_more)

    def _factorise(self) -> None:
        """Write both factorisations, of the Jacobians and sizes that the lanes have kept."""
        b, frame, n = self.frame.b, self.frame, self.n
        inverse = b.div(b.constant(1.0), frame.get(self._size))
        real, imaginary = (b.mul(b.constant(x), inverse) for x in self._tableau.mu_complex)
        self._real.fill(b.mul(b.constant(self._tableau.mu_real), inverse))
        self._pair.fill(real)

        def take_away(i: int, j: int, value: Value) -> None:
            self._real.take_away(i, j, value)
            self._pair.take_away(i, j, value)
            self._pair.take_away(n + i, n + j, value)

        self._jacobian.each(take_away)
        for i in range(n):
            self._pair.take_away(i, n + i, imaginary)
            self._pair.take_away(n + i, i, b.neg(imaginary))
        self._real.factorise()
        self._pair.factorise()

    # --- the iterations -----------------------------------------------------------------------------------------------

    def _begin(self, lanes: Value) -> None:
        """Write the increments that the polynomial of the last step foretells, 0 where there is none, in some lanes."""
        b, frame, control, zero = self.frame.b, self.frame, self._pilot, self.frame.b.constant(0.0)
        begun, t, h = self._newton.holds(self._begun), frame.get(control.t), frame.get(control.h)
        unit = b.select(begun, frame.get(self._h_last), b.constant(1.0))
        xs = []
        for node in self._tableau.nodes:
            ahead = b.sub(b.add(t, b.mul(h, b.constant(node))), frame.get(self._t_last))
            xs.append(b.div(ahead, unit))
        for c in range(self.n):
            powers = [self._combined(self._z_last, c, [row[k] for row in self._tableau.dense]) for k in range(3)]
            back = b.sub(frame.get(self._y_last + c), frame.get(self.y + c))
            for z, x in zip(self._z, xs, strict=True):
                total = b.mul(b.fma(b.fma(powers[2], x, powers[1]), x, powers[0]), x)
                foretold = b.select(begun, b.add(total, back), zero)
                frame.put(z + c, b.select(lanes, foretold, frame.get(z + c)))
            for w, row in zip(self._w, self._tableau.t_inverse, strict=True):
                frame.put(w + c, self._combined(self._z, c, row))

    def _combined(self, slots: list[int], c: int, weights: list[float] | tuple[float, ...]) -> Value:
        """Write a linear combination of number c of three vectors."""
        b, frame = self.frame.b, self.frame
        total = b.mul(b.constant(weights[0]), frame.get(slots[0] + c))
        for first, weight in zip(slots[1:], weights[1:], strict=True):
            total = b.fma(b.constant(weight), frame.get(first + c), total) if weight else total
        return total

    def _iterate(self) -> Value:
        """Write a step of the iterations; returns its norm."""
        b, frame, n, tableau = self.frame.b, self.frame, self.n, self._tableau
        self._slopes()
        inverse = b.div(b.constant(1.0), frame.get(self._pilot.h))
        real, imaginary = (b.mul(b.constant(x), inverse) for x in tableau.mu_complex)
        mu = b.mul(b.constant(tableau.mu_real), inverse)
        slopes = [self._f + i * n for i in range(3)]
        x, u, v = self._step
        for c in range(n):
            w_0, w_1, w_2 = (frame.get(w + c) for w in self._w)
            right, first, second = (self._combined(slopes, c, row) for row in tableau.t_inverse)
            frame.put(x + c, b.fnma(mu, w_0, right))
            frame.put(u + c, b.fma(imaginary, w_2, b.fnma(real, w_1, first)))
            frame.put(v + c, b.fnma(imaginary, w_1, b.fnma(real, w_2, second)))
        self._real.solve(x)
        self._pair.solve(u)  # NOTE: v lies behind u
        return self._newton.norm([(s + c, self._scale + c) for s in self._step for c in range(n)])

    def _slopes(self) -> None:
        """Write the derivatives at the stages: a loop."""
        b, frame, n, control = self.frame.b, self.frame, self.n, self._pilot
        self.count(self.evaluations, self._newton.active, 3)
        listed = ", ".join(f"double {hexadecimal(x)}" for x in self._tableau.nodes)
        b.used.add(f"@nodes = private unnamed_addr constant [3 x double] [{listed}]")
        size = frame.groups * frame.register_bytes
        with b.loop("3") as i:
            offset = b.line(f"mul i64 {i}, {n * size}")

            def place(first: int, c: int) -> Value:
                return b.pointer(b.pointer(frame.here, (first + c) * size), offset)

            for c in range(n):
                frame.put(self._at + c, b.add(frame.get(self.y + c), b.load(place(self._z[0], c))))

            def take(slot: int, k: Value | None) -> Value:
                b.store(b.constant(0.0) if k is None else k, place(self._f, slot))
                return ""

            node = b.splat(b.double_at("@nodes", i))
            time = b.add(frame.get(control.t), b.mul(frame.get(control.h), node))
            self.field.stage(lambda: [time], self._at, take)

    def _take_step(self, mask: Value) -> None:
        """Write the taking of a step, in the lanes of a mask."""
        b, frame = self.frame.b, self.frame
        for c in range(self.n):
            for w, step in zip(self._w, self._step, strict=True):
                old = frame.get(w + c)
                frame.put(w + c, b.select(mask, b.add(old, frame.get(step + c)), old))
            for z, row in zip(self._z, self._tableau.t, strict=True):
                frame.put(z + c, b.select(mask, self._combined(self._w, c, row), frame.get(z + c)))

    # --- what it gives ------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Write the new state, the derivative there, and the error behind the filter of the real matrix."""
        b, frame, control = self.frame.b, self.frame, self._pilot
        estimate = self.errors[0]
        for c in range(self.n):
            frame.put(self.new + c, b.add(frame.get(self.y + c), frame.get(self._z[2] + c)))
            frame.put(self._defect + c, b.div(self._combined(self._z, c, self._tableau.weights), frame.get(control.h)))
            frame.put(estimate + c, b.add(frame.get(self.first + c), frame.get(self._defect + c)))
        self._real.solve(estimate)
        large = b.both(b.compare("ogt", self.ratio()[0], b.constant(1.0)), b.opposite(self._newton.failed))
        large = b.both(b.both(large, self.tried()), b.compare("une", frame.get(control.rejected), b.constant(0.0)))
        self._newton.flag(self._again, large)
        with b.when(b.any(large)):
            self._estimate_again()

        def take(slot: int, k: Value | None) -> Value:
            frame.put((self.closing or 0) + slot, b.constant(0.0) if k is None else k)
            return ""

        self.field.stage(lambda: [frame.get(control.t_new)], self.new, take)

    def _estimate_again(self) -> None:
        """Write the second estimate, after a rejection: equation (IV.8.20)."""
        b, frame, estimate, n = self.frame.b, self.frame, self.errors[0], self.n
        large = self._newton.holds(self._again)
        self.count(self.evaluations, large)
        for c in range(n):
            frame.put(self._at + c, b.add(frame.get(self.y + c), frame.get(estimate + c)))

        def take(slot: int, k: Value | None) -> Value:
            value = b.constant(0.0) if k is None else k
            frame.put(self._f + slot, b.add(value, frame.get(self._defect + slot)))
            return ""

        self.field.stage(lambda: [frame.get(self._pilot.t)], self._at, take)
        self._real.solve(self._f)
        for c in range(n):
            frame.put(estimate + c, b.select(large, frame.get(self._f + c), frame.get(estimate + c)))

    def failed(self) -> Value:
        return self._newton.failed

    def interpolate(self, group: Value) -> None:
        for c in range(self.n):
            for k, slots in enumerate(self.polynomial):
                self.frame.put(slots + c, self._combined(self._z, c, [row[k] for row in self._tableau.dense]))

    def move(self, accepted: Value) -> None:
        b, frame, control = self.frame.b, self.frame, self._pilot
        kept = [(control.t, self._t_last), (control.h, self._h_last)]
        kept += [(self.y + c, self._y_last + c) for c in range(self.n)]
        pairs = zip(self._z, self._z_last, strict=True)
        kept += [(z + c, last + c) for z, last in pairs for c in range(self.n)]
        for source, target in kept:
            frame.put(target, b.select(accepted, frame.get(source), frame.get(target)))
        self._newton.flag(self._begun, b.either(accepted, self._newton.holds(self._begun)))
        super().move(accepted)
