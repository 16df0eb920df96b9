"""LSODA: SciPy's, behind the same face as the other methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from diffsim.errors import ArgumentError, KindError
from integrators._combination import State
from integrators._integrator import Integrator, RightHandSide, Step

__all__ = ["LSODA"]


@final
class LSODA(Integrator):
    """Adams and BDF methods of variable order, with an automatic switch between them: SciPy's LSODA.

    For problems that are stiff at times, where nobody knows when.  The steps are made by the same Fortran (or C) code
    as with ``scipy.integrate.solve_ivp``; Jacobians are exact here, and a state that is not finite is a failure, where
    SciPy reports a success.

    Parameters
    ----------
    step : float, optional
        Not taken: a step depends on the ones before.

    Raises
    ------
    KindError
        A derivative is asked for: none goes through foreign code.  Use ``Radau``, ``BDF``, ``Rodas5P`` or ``Kvaerno5``.

    References
    ----------
    L. Petzold, "Automatic selection of methods for solving stiff and nonstiff systems of ordinary differential
    equations", SIAM J. Sci. Stat. Comput. 4 (1983) 136-148; A. C. Hindmarsh, "ODEPACK, a systematized collection of ODE
    solvers", in "Scientific Computing", North-Holland 1983.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> sol = solve_ivp(lambda t, y: -1e6 * (y - t), (0.0, 1.0), [1.0], method="LSODA", rtol=1e-6, atol=1e-8)
    >>> bool(abs(sol.y[0, -1] - (1.0 - 1e-6)) < 1e-6)
    True
    """

    def __init__(self, step: float | None = None) -> None:
        if step is not None:
            raise ArgumentError(
                f"LSODA: step must be left out, since the method begins with small steps of order 1 and chooses both; "
                f"got step={step!r}. ImplicitEuler, Trapezoid, Kvaerno5 and Radau take fixed steps."
            )
        super().__init__(None)

    @property
    def order(self) -> int:
        return 12

    @property
    def error_order(self) -> int:
        return 12

    @property
    def dense_order(self) -> int:
        return 1

    @property
    def by_lane(self) -> bool:
        return True

    @property
    def implicit(self) -> bool:
        return True

    @property
    def one_step(self) -> bool:
        return False

    @property
    def traceable(self) -> bool:
        return False

    @property
    def borrowed(self) -> bool:
        return True

    def with_step(self, step: float) -> Integrator:
        return type(self)(step)

    def advance(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> Step:
        raise KindError("LSODA: a step depends on the ones before; solve with solve_ivp(..., method='LSODA').")

    def dense(self, f: RightHandSide, t: Any, y: State, h: Any, step: Step) -> Sequence[State]:
        return list(step.stages)
