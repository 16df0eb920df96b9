"""`RungeKutta`: the explicit method that a `Tableau` describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from diffsim import array_ops
from diffsim.errors import ArgumentError, KindError
from diffsim.number import Number, shape_of
from integrators._combination import State, needs_exact
from integrators._integrator import Integrator, RightHandSide, Step
from integrators._norm import rms
from integrators._tableau import Tableau

__all__ = ["NamedRungeKutta", "RungeKutta"]


class RungeKutta(Integrator):
    """Explicit Runge-Kutta method of any tableau: the way to plug in one's own.

    Parameters
    ----------
    tableau : Tableau
        Explicit: row i of ``a`` uses the stages before i only.
    step : float, optional
        Fixed step size, > 0.  A tableau with `b_error` chooses its own steps where no step is given.

    Raises
    ------
    ArgumentError
        The tableau is implicit.
    KindError
        `tableau` is not a Tableau.

    Examples
    --------
    >>> import numpy as np
    >>> from integrators import RungeKutta, Tableau, solve_ivp
    >>> kutta3 = Tableau(a=((), ("1/2",), (-1, 2)), b=("1/6", "2/3", "1/6"), order=3)
    >>> sol = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], method=RungeKutta(kutta3, step=0.1))
    >>> bool(abs(sol.y[0, -1] - np.exp(-1.0)) < 2e-5)
    True
    """

    def __init__(self, tableau: Tableau, step: float | None = None) -> None:
        super().__init__(step)
        if not isinstance(tableau, Tableau):
            raise KindError(f"RungeKutta: tableau must be a Tableau; got {type(tableau).__name__}.")
        if not tableau.explicit:
            raise ArgumentError(
                "RungeKutta: tableau must be explicit (a strictly lower triangular); got an implicit one. "
                "The implicit methods here are classes of their own: integrators.methods() lists them."
            )
        self._tableau = tableau

    @property
    def tableau(self) -> Tableau:
        """The coefficients."""
        return self._tableau

    @property
    def order(self) -> int:
        return self.tableau.order

    @property
    def error_order(self) -> int | None:
        return self.tableau.control_order

    @property
    def dense_order(self) -> int:
        return self.tableau.dense_order or super().dense_order

    def propagate(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> State:
        tableau = self.tableau
        exact = needs_exact(h, y)
        rows = tableau.stages[:-1] if tableau.first_same_as_last else tableau.stages
        stages: list[State] = []
        for row in rows:
            if carry is not None and not stages:
                stages.append(carry)
            else:
                at = y if not row.terms else row.apply(y, h, stages, exact)
                stages.append(_like(f(row.time(t, h, exact), at), y))
        return tableau.weights.apply(y, h, stages, exact)

    def advance(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> Step:
        tableau = self.tableau
        exact = needs_exact(h, y)
        stages: list[State] = []
        at = y
        for row in tableau.stages:
            if carry is not None and not stages:
                stages.append(carry)
            else:
                at = row.apply(y, h, stages, exact)
                stages.append(_like(f(row.time(t, h, exact), at), y))
        last = tableau.first_same_as_last
        y_new = at if last else tableau.weights.apply(y, h, stages, exact)
        weights, low = tableau.error_weights, tableau.error_weights_low
        error = None if weights is None else weights.increment(h, stages, exact)
        if low is not None:
            error = _below(error, low.increment(h, stages, exact))
        return Step(y_new, error, stages[-1] if last else None, stages)

    def error_ratio(self, error: Any, scale: Any) -> Any:
        if self.tableau.b_error_low is None:
            return super().error_ratio(error, scale)
        n = len(scale)
        return mixed(rms(error[:n] / scale), rms(error[n:] / scale))

    def dense(self, f: RightHandSide, t: Any, y: State, h: Any, step: Step) -> Sequence[State]:
        tableau = self.tableau
        weights = tableau.dense_weights
        if not weights:
            return super().dense(f, t, y, h, step)
        exact = needs_exact(h, y)
        stages = list(step.stages)
        for row in tableau.dense_stages:
            stages.append(_like(f(row.time(t, h, exact), row.apply(y, h, stages, exact)), y))
        return [row.increment(h, stages, exact) for row in weights]

    def __repr__(self) -> str:
        return f"RungeKutta({self._tableau!r}{'' if self.h is None else f', step={self.h!r}'})"


class NamedRungeKutta(RungeKutta):
    """Base of the methods that have a name in the literature: a subclass sets `TABLEAU` and nothing else."""

    TABLEAU: ClassVar[Tableau]

    def __init__(self, step: float | None = None) -> None:
        Integrator.__init__(self, step)

    @property
    def tableau(self) -> Tableau:
        """The coefficients."""
        return self.TABLEAU

    def __repr__(self) -> str:
        return Integrator.__repr__(self)


def mixed(high: Any, low: Any) -> Any:
    """Return the error ratio of a step with two estimates, shape lanes.

    Parameters
    ----------
    high, low : float or array, shape lanes
        Norms of both estimates in units of the tolerance.

    References
    ----------
    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", equation (II.10.17).
    """
    denominator = np.sqrt(high * high + 0.01 * (low * low))
    still = denominator == 0.0
    return np.where(still, 0.0, high * high / np.where(still, 1.0, denominator))


def _below(error: State, low: State) -> State:
    """Return both estimates of a step, one below the other along the first axis."""
    if error.__class__ is list:
        return error + low
    return array_ops.concatenate([error, low], axis=0) if shape_of(error) else array_ops.stack([error, low])


def _like(k: Any, y: State) -> State:
    """Return what a right-hand side gave in the kind of the state: a list for a list, else something that adds."""
    if k is None:
        raise KindError("step: f(t, y) must return the derivative; got None. Is a return statement missing?")
    listed = y.__class__ is list or y.__class__ is tuple
    if k.__class__ is list or k.__class__ is tuple:
        if not listed:
            return array_ops.array(k)
        if len(k) != len(y):
            raise ArgumentError(f"step: f(t, y) must return {len(y)} components, as many as y has; got {len(k)}.")
    elif listed and not isinstance(k, Number) and len(k) != len(y):
        raise ArgumentError(f"step: f(t, y) must return {len(y)} components, as many as y has; got {len(k)}.")
    return k
