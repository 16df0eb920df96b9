"""The two implicit methods that everybody knows: the implicit Euler method and the trapezoidal rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, final

from diffsim.number import raw
from integrators._combination import State
from integrators._field import Field
from integrators._frozen_newton import diagonal_step
from integrators._integrator import RightHandSide, Step
from integrators._interpolant import hermite
from integrators._theta_tableau import ThetaTableau
from integrators._traced_method import TracedMethod

__all__ = ["ImplicitEuler", "Trapezoid"]


class _Theta(TracedMethod):
    """A method with one implicit stage.

    A subclass gives its `TABLEAU`.
    """

    TABLEAU: ClassVar[ThetaTableau]

    @property
    def formula(self) -> ThetaTableau:
        return self.TABLEAU

    @property
    def order(self) -> int:
        return self.TABLEAU.order

    @property
    def error_order(self) -> int:
        return self.TABLEAU.order

    @property
    def n_solved(self) -> int:
        return 1

    @property
    def largest_traced(self) -> int:
        return 8


@final
class ImplicitEuler(_Theta):
    """The implicit Euler method, order 1, L-stable: ``y_1 = y_0 + h f(t + h, y_1)``.

    Damps whatever is stiff, and much that is not.  Also known as backward Euler and BDF1; not to be confused with the
    symplectic Euler method.  Its error is estimated by the difference to the trapezoidal rule, behind the filter
    ``(I - h J)**-1`` that keeps stiff components from being blamed.

    Parameters
    ----------
    step : float, optional
        Step size, > 0, for fixed steps.  Without it the step is chosen by ``rtol`` and ``atol``.

    References
    ----------
    Hairer, Wanner, "Solving Ordinary Differential Equations II", sections IV.3 and IV.8.

    Examples
    --------
    >>> ImplicitEuler().step(lambda t, y: -1e6 * y, 0.0, 1.0, 1.0)
    9.99999000001e-07
    """

    TABLEAU = ThetaTableau(theta=1.0, order=1)

    def _advance(self, field: Field, t: Any, y: Any, h: Any, carry: Any) -> Step:
        if self._traces(y):
            return Step(diagonal_step(field, t, y, h, ((0.0,),), 1.0))
        z, root = self._stage(field, t + h, y, h, raw(y), None)
        if not root.ok:
            return Step(y, None, None, (), False)
        before = raw(carry)[: len(raw(y))] if carry is not None else field.value(raw(t), raw(y))
        slope = (z - y) / h
        error = root.factors.solve(0.5 * raw(h) * (raw(slope) - before))
        return Step(z, error, slope, (z - y,))

    def dense(self, f: RightHandSide, t: Any, y: State, h: Any, step: Step) -> Sequence[State]:
        return list(step.stages)


@final
class Trapezoid(_Theta):
    """The trapezoidal rule, order 2, A-stable: ``y_1 = y_0 + h/2 (f(t, y_0) + f(t + h, y_1))``.

    Keeps quadratic invariants nearly and damps nothing: stiff components that start off their slow manifold oscillate
    (A-stable, not L-stable).  Also known as Crank-Nicolson.  Its error is estimated by the difference to Simpson's rule
    with the midpoint of the cubic Hermite polynomial, behind the filter ``(I - h/2 J)**-1``.

    Parameters
    ----------
    step : float, optional
        Step size, > 0, for fixed steps.  Without it the step is chosen by ``rtol`` and ``atol``.

    References
    ----------
    G. Dahlquist, "A special stability problem for linear multistep methods", BIT 3 (1963), 27-43; Hairer, Wanner,
    "Solving Ordinary Differential Equations II", section IV.3.

    Examples
    --------
    >>> round(Trapezoid().step(lambda t, y: -y, 0.0, 1.0, 0.1), 12)
    0.904761904762
    """

    TABLEAU = ThetaTableau(theta=0.5, order=2)

    def _advance(self, field: Field, t: Any, y: Any, h: Any, carry: Any) -> Step:
        if self._traces(y):
            return Step(diagonal_step(field, t, y, h, ((0.5,),), 0.5))
        half = h / 2
        first = field(t, y) if carry is None else carry
        z, root = self._stage(field, t + h, y + half * first, half, raw(y), None)
        if not root.ok:
            return Step(y, None, None, (), False)
        last = (z - y) / half - first
        size, y_0, y_1, f_0, f_1 = raw(h), raw(y), raw(z), raw(first), raw(last)
        middle = (y_0 + y_1) / 2 + size / 8 * (f_0 - f_1)
        simpson = size / 6 * (f_0 + 4 * field.value(raw(t) + size / 2, middle) + f_1)
        return Step(z, root.factors.solve(y_1 - y_0 - simpson), last, (first, last))

    def dense(self, f: RightHandSide, t: Any, y: State, h: Any, step: Step) -> Sequence[State]:
        # NOTE: slopes of the stages, not of f at their states, which would amplify what Newton's iterations left
        return hermite(y, step.y, step.stages[0] * h, step.stages[1] * h)
