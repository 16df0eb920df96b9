"""Kvaerno's singly diagonally implicit Runge-Kutta pairs with an explicit first stage (ESDIRK)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, final

from diffsim import replay
from diffsim.number import Number, raw
from integrators._combination import State
from integrators._esdirk_tableau import EsdirkTableau
from integrators._field import Field
from integrators._frozen_newton import diagonal_step
from integrators._integrator import RightHandSide, Step
from integrators._interpolant import hermite
from integrators._linear_systems import Factors, identity_minus
from integrators._traced_method import TracedMethod

__all__ = ["Kvaerno3", "Kvaerno5"]


class _Esdirk(TracedMethod):
    """A pair whose last stage is the new state, and whose embedded formula is the last stage but one.

    A subclass gives its `TABLEAU`, and up to how many components its step is compiled.
    """

    TABLEAU: ClassVar[EsdirkTableau]
    LARGEST_TRACED: ClassVar[int]

    @property
    def formula(self) -> EsdirkTableau:
        return self.TABLEAU

    @property
    def n_solved(self) -> int:
        return self.TABLEAU.n_stages - 1

    @property
    def largest_traced(self) -> int:
        return self.LARGEST_TRACED

    @property
    def error_order(self) -> int:
        return self.TABLEAU.order

    @property
    def dense_order(self) -> int:
        return 3

    def _advance(self, field: Field, t: Any, y: Any, h: Any, carry: Any) -> Step:
        if self._traces(y):
            return Step(diagonal_step(field, t, y, h, self.TABLEAU.rows, self.TABLEAU.gamma))
        slopes: list[Any] = [field(t, y) if carry is None else carry]
        tableau = self.TABLEAU
        c = h * tableau.gamma
        recording = field.recording or any(isinstance(x, Number) for x in (t, y, h)) or replay.is_active()
        factors: Factors | None = None
        if self._tolerances is not None and not recording:
            factors = field.factorise(identity_minus(raw(c), field.jacobian(raw(t), raw(y))))
        z = y
        for row, node in zip(tableau.rows, tableau.nodes[1:], strict=True):
            base = y
            for weight, slope in zip(row, slopes, strict=True):
                base = base + (h * weight) * slope if weight else base
            # NOTE: off the slow manifold of a stiff problem the slope leads far away, to other roots of the equations;
            # steps that are chosen are shorter there
            start = raw(z) if self._tolerances is None else raw(base) + raw(c) * raw(slopes[-1])
            z, root = self._stage(field, t + node * h, base, c, start, factors)
            if not root.ok:
                return Step(y, None, None, (), False)
            slopes.append((z - base) / c)
        error: Any = 0.0
        for weight, slope in zip(tableau.error, slopes, strict=True):
            error = error + raw(h) * weight * raw(slope)
        return Step(z, error, slopes[-1], (slopes[0], slopes[-1]))

    def dense(self, f: RightHandSide, t: Any, y: State, h: Any, step: Step) -> Sequence[State]:
        # NOTE: slopes of the stages, not of f at their states, which would amplify what Newton's iterations left
        return hermite(y, step.y, step.stages[0] * h, step.stages[1] * h)


_G = 0.43586652150845899942  # SOURCE: the root of g**3 - 3 g**2 + 3 g / 2 - 1/6 for which the method is L-stable


@final
class Kvaerno3(_Esdirk):
    """Kvaerno's pair of order 3(2): four stages, the first explicit, L-stable, stiffly accurate.

    For moderate accuracies.  The stages are solved one after the other with one matrix ``I - gamma h J``; the last one
    is the first of the next step.  The interpolant is the cubic Hermite polynomial.

    Parameters
    ----------
    step : float, optional
        Step size, > 0, for fixed steps.  Without it the step is chosen by ``rtol`` and ``atol``.

    References
    ----------
    A. Kvaerno, "Singly diagonally implicit Runge-Kutta methods with an explicit first stage", BIT 44 (2004), 489-502.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> sol = solve_ivp(lambda t, y: -1e6 * (y - t), (0.0, 1.0), [1.0], method="Kvaerno3")
    >>> bool(abs(sol.y[0, -1] - (1.0 - 1e-6)) < 1e-4)
    True
    """

    # SOURCE: Kvaerno (2004), section 3, method ESDIRK 3/2 a.
    TABLEAU = EsdirkTableau(
        _G,
        (
            (_G,),
            ((-4 * _G**2 + 6 * _G - 1) / (4 * _G), (-2 * _G + 1) / (4 * _G)),
            ((6 * _G - 1) / (12 * _G), -1 / ((24 * _G - 12) * _G), (-6 * _G**2 + 6 * _G - 1) / (6 * _G - 3)),
        ),
        order=2,
    )
    LARGEST_TRACED = 6

    @property
    def order(self) -> int:
        return 3


@final
class Kvaerno5(_Esdirk):
    """Kvaerno's pair of order 5(4): seven stages, the first explicit, L-stable, stiffly accurate.

    The stages are solved one after the other with one matrix ``I - gamma h J``; the last one is the first of the next
    step.  One stage lies beyond the end of the step.  The interpolant is the cubic Hermite polynomial.

    Parameters
    ----------
    step : float, optional
        Step size, > 0, for fixed steps.  Without it the step is chosen by ``rtol`` and ``atol``.

    References
    ----------
    A. Kvaerno, "Singly diagonally implicit Runge-Kutta methods with an explicit first stage", BIT 44 (2004), 489-502.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> sol = solve_ivp(lambda t, y: -1e6 * (y - t), (0.0, 1.0), [1.0], method="Kvaerno5")
    >>> bool(abs(sol.y[0, -1] - (1.0 - 1e-6)) < 1e-5)
    True
    """

    # SOURCE: Kvaerno (2004), section 3, method ESDIRK 5/4 a; the digits as diffrax has them.
    TABLEAU = EsdirkTableau(
        0.26,
        (
            (0.26,),
            (0.13, 0.84033320996790809),
            (0.22371961478320505, 0.47675532319799699, -0.06470895363112615),
            (0.16648564323248321, 0.10450018841591720, 0.03631482272098715, -0.13090704451073998),
            (0.13855640231268224, 0.0, -0.04245337201752043, 0.02446657898003141, 0.61943039072480676),
            (
                0.13659751177640291,
                0.0,
                -0.05496908796538376,
                -0.04118626728321046,
                0.62993304899016403,
                0.06962479448202728,
            ),
        ),
        order=4,
    )
    LARGEST_TRACED = 4

    @property
    def order(self) -> int:
        return 5
