"""Taylor-series methods: the polynomial of the solution itself, of an order that follows from the tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from diffsim import array_ops, ops
from diffsim.errors import KindError, must
from diffsim.jets import solution_series
from diffsim.number import raw, shape_of
from integrators._combination import State
from integrators._integrator import Integrator, RightHandSide, Step
from integrators._interpolant import evaluate
from integrators._norm import rms
from integrators._taylor_formula import SAFETY, TINY, TaylorFormula
from integrators.drivers import right_hand_side as driven

__all__ = ["Taylor"]

_EPS = float(np.finfo(np.float64).eps)


class Taylor(Integrator):
    """Taylor-series method: ``y(t + h) = y + c_1 h + ... + c_p h**p``, c_k the exact derivatives over k!.

    The coefficients come from one call of the right-hand side with power series (`diffsim.jets`), at the cost of some
    p**2 / 2 times its arithmetic.  The method of choice for tight tolerances, on smooth right-hand sides: down to
    ``rtol=3e-14``, where one step is as exact as doubles are.

    Without `order` the order follows from the tolerance, ``p = 1 - log(rtol) / 2`` rounded up (20 with fixed steps),
    which makes the work the least.  Without `step` the step follows from the last two coefficients at its start: both
    ``c_(p-1) h**(p-1)`` and ``c_p h**p`` stay below the tolerance.  So a step is hardly ever rejected, and needs no
    memory of the one before.  The derivative at its end tells whether the series at its start has shown everything.

    Parameters
    ----------
    step : float, optional
        Fixed step size, > 0.
    order : int, optional
        p, >= 2.

    Raises
    ------
    ArgumentError
        `order` is below 2; `step` is not > 0.
    KindError
        `order` is no whole number.

    Notes
    -----
    The right-hand side may branch on t and y: a step takes the branch of its start, and is shortened where that differs
    at its end.  It should be smooth along a step, as for every method of high order: put the kinks of forcing terms
    into ``max_step`` or events.  What needs a plain number (``float(y[0])``, ``math.sin``, a call of foreign code) is
    an error that says so.

    `nfev` counts calls with power series, one a step and one at the end.  Where the right-hand side can be traced, a
    solve that chooses its steps is machine code as a whole, a lane a trajectory: it takes a second to make for order
    20 (5,000 operations), once, and is kept on disk.  Derivatives, a `callback`, and series of more than 10,000
    operations leave the loop over the steps to Python.  Machine code of series does not look at numbers: where they
    meet a power of 0, and end there, the interpreter solves that trajectory instead.

    The polynomial is also the interpolant, so output between the steps is as exact as at their ends.  For more digits
    than doubles have see `integrators.solve_multiprecision`.

    References
    ----------
    Jorba and Zou, "A software package for the numerical integration of ODEs by means of high-order Taylor methods",
    Experimental Mathematics 14 (2005) 99-117, sections 3.1 (order) and 3.2 (step).

    Examples
    --------
    >>> import numpy as np
    >>> from integrators import Taylor, solve_ivp
    >>> sol = solve_ivp(lambda t, y: [y[1], -y[0]], (0.0, 10.0), [0.0, 1.0], method=Taylor(), rtol=3e-14, atol=1e-15)
    >>> bool(abs(sol.y[0, -1] - np.sin(10.0)) < 1e-14)
    True
    >>> round(Taylor(order=3).step(lambda t, y: y, 0.0, 1.0, 0.5), 12)
    1.645833333333
    """

    def __init__(self, step: float | None = None, *, order: int | None = None) -> None:
        super().__init__(step)
        if order is not None and (isinstance(order, bool) or not isinstance(order, int | np.integer)):
            raise KindError(f"Taylor: order must be a whole number >= 2; got order={order!r}.")
        if order is not None and order < 2:
            raise must("Taylor", "order", "must be >= 2", order)
        self._order = None if order is None else int(order)

    @property
    def order(self) -> int:
        return order_for(_EPS) if self._order is None else self._order

    @property
    def error_order(self) -> int | None:
        return self.order - 2  # of c_(p-1) h**(p-1)

    @property
    def dense_order(self) -> int:
        return self.order

    @property
    def formula(self) -> TaylorFormula | None:
        return TaylorFormula(self.order) if type(self) is Taylor else None  # a subclass may do something else

    def tuned(self, rtol: Any, atol: Any) -> Integrator:
        if self._order is not None:
            return self
        smallest = float(np.min(rtol)) or float(np.min(atol)) or _EPS
        return Taylor(order=order_for(smallest))

    def begin(self, f: RightHandSide, t: Any, y: State, k: State | None = None) -> Any:
        """Return the coefficients at (t, y), one below the other, shape (order * n, *lanes)."""
        if isinstance(f, driven.RightHandSide) and f.machine:
            from integrators._machine_series import machine_series  # of no use to fixed steps

            found = machine_series(f, t, y, self.order)
            if found is not None:
                lost = ~np.isfinite(raw(found)).all(axis=0)
                if not lost.any():
                    return found
                # NOTE: a root or a power at 0: jets look at the number, a trace cannot
                f.nfev -= 1
                return ops.where(lost, self._by_jets(f, t, y), found)
        return self._by_jets(f, t, y)

    def _by_jets(self, f: RightHandSide, t: Any, y: State) -> Any:
        return array_ops.concatenate(solution_series(f, t, y, self.order)[1:], axis=0)

    @property
    def advises(self) -> bool:
        return True

    @property
    def pays_from(self) -> int:
        return 2 * self.order**2  # PERF: 800 steps at order 20, whose machine code takes 1.7 s to make

    def advised(self, carry: Any, scale: Any) -> Any:
        n, plain = len(scale), raw(carry)
        last, before = plain[-n:] / scale, plain[-2 * n : -n] / scale
        return step_from(rms(before), rms(last), self.order)

    def advance(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> Step:
        """Return the step, its error by three estimates, and the coefficients at its end.

        The series at the start may hide what comes after it: one that ends by accident (``y' = t**30`` at 0), a kink.
        The derivative at the end, which begins the next step, shows it: ``(y'(h) - f) h / (p + 1)`` is the first term
        left out where nothing is hidden.
        """
        series = self._series(f, t, y, carry)
        p, size = self.order, raw(h)
        y_new = _sum(y, series, h)
        if y.__class__ is list or y.__class__ is tuple:
            last, before = [c * size**p for c in series[-1]], [c * size ** (p - 1) for c in series[-2]]
            return Step(y_new, last + before, None, series)
        # NOTE: of plain numbers: what decides about a step carries no derivatives
        last, before = raw(series[-1]) * size**p, raw(series[-2]) * size ** (p - 1)
        if not shape_of(last):
            return Step(y_new, last, None, series)
        if self.h is not None:
            return Step(y_new, np.concatenate([last, before]), None, series)
        after = self.begin(f, t + h, y_new)
        slope = raw(series[-1]) * p
        for k in range(p - 1, 0, -1):
            slope = slope * size + raw(series[k - 1]) * k
        defect = (slope - raw(after)[: len(slope)]) * size / (p + 1)
        return Step(y_new, np.concatenate([defect, last, before]), after, series)

    def error_ratio(self, error: Any, scale: Any) -> Any:
        n = len(scale)
        ratio = rms(error[:n] / scale)
        for k in range(n, len(error), n):
            ratio = np.maximum(ratio, rms(error[k : k + n] / scale))
        return ratio

    def dense(self, f: RightHandSide, t: Any, y: State, h: Any, step: Step) -> Sequence[State]:
        found, power = [], h
        for c in step.stages:
            found.append(c * power)
            power = power * h
        return found

    def propagate(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> State:
        return _sum(y, solution_series(f, t, y, self.order)[1:], h)

    def _series(self, f: RightHandSide, t: Any, y: State, carry: State | None) -> list[State]:
        """The coefficients c_1, ..., c_p: those that `begin` has made, or new ones."""
        shape = shape_of(y)
        if carry is None or not shape or shape_of(carry) != (shape[0] * self.order, *shape[1:]):
            return solution_series(f, t, y, self.order)[1:]
        n = shape[0]
        return [carry[j * n : (j + 1) * n] for j in range(self.order)]

    def __repr__(self) -> str:
        parts = [f"{name}={x!r}" for name, x in (("order", self._order), ("step", self.h)) if x is not None]
        return f"Taylor({', '.join(parts)})"


def order_for(tolerance: float) -> int:
    """Return the order with which a relative tolerance costs the least: Jorba and Zou, equation (11).

    >>> order_for(1e-3), order_for(1e-9), order_for(2.2e-16)
    (5, 12, 20)
    """
    return max(2, math.ceil(1.0 - math.log(min(tolerance, 1.0)) / 2.0))


def step_from(before: Any, last: Any, order: int) -> Any:
    """Return the step whose last two terms stay below the tolerance, shape lanes.

    Parameters
    ----------
    before, last : float or array, shape lanes
        Norms of the coefficients of orders p - 1 and p in units of the tolerance.
    order : int
        p.
    """
    return SAFETY * np.minimum(
        np.power(np.maximum(before, TINY), -1.0 / (order - 1)), np.power(np.maximum(last, TINY), -1.0 / order)
    )


def _sum(y: State, series: Sequence[State], h: Any) -> State:
    """Return ``y + c_1 h + c_2 h**2 + ...`` by Horner's rule; a list for lists."""
    if y.__class__ is list or y.__class__ is tuple:
        return [_sum(x, column, h) for x, column in zip(y, zip(*series, strict=True), strict=True)]
    return evaluate(y, series, h)
