"""Explicit pairs with an embedded error estimate and an interpolant: the methods that choose their own steps."""

from __future__ import annotations

from typing import final

from integrators._runge_kutta import NamedRungeKutta
from integrators._tableau import Tableau

__all__ = ["RK23", "RK45"]


@final
class RK23(NamedRungeKutta):
    """The pair of Bogacki and Shampine, order 3(2), as in SciPy: steps of order 3, error estimated by order 2.

    The last stage is the first of the next step, so a step costs three evaluations.  The interpolant is the cubic
    Hermite polynomial.

    Parameters
    ----------
    step : float, optional
        Step size, > 0, for fixed steps.  Without it the step is chosen by ``rtol`` and ``atol``.

    References
    ----------
    P. Bogacki, L. F. Shampine, "A 3(2) pair of Runge-Kutta formulas", Appl. Math. Lett. 2 (1989), 321-325.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> sol = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], method="RK23", t_eval=[1.0])
    >>> bool(abs(sol.y[0, 0] - 0.36787944) < 1e-3)
    True
    """

    TABLEAU = Tableau(
        a=((), ("1/2",), (0, "3/4"), ("2/9", "1/3", "4/9")),
        b=("2/9", "1/3", "4/9", 0),
        b_error=("5/72", "-1/12", "-1/9", "1/8"),
        order=3,
        error_order=2,
        b_dense=((1, "-4/3", "5/9"), (0, 1, "-2/3"), (0, "4/3", "-8/9"), (0, -1, 1)),
        dense_order=3,
    )


@final
class RK45(NamedRungeKutta):
    """The pair of Dormand and Prince, order 5(4), as in SciPy: steps of order 5, error estimated by order 4.

    The last stage is the first of the next step, so a step costs six evaluations.  The interpolant is Shampine's
    quartic polynomial.  Also known as DOPRI5 and (in Matlab) ode45; not to be confused with Fehlberg's pair RKF45.

    Parameters
    ----------
    step : float, optional
        Step size, > 0, for fixed steps.  Without it the step is chosen by ``rtol`` and ``atol``.

    References
    ----------
    J. R. Dormand, P. J. Prince, "A family of embedded Runge-Kutta formulae", J. Comput. Appl. Math. 6 (1980), 19-26;
    L. F. Shampine, "Some practical Runge-Kutta formulas", Math. Comp. 46 (1986), 135-150 (interpolant).

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> sol = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], rtol=1e-10, atol=1e-12)
    >>> bool(abs(sol.y[0, -1] - 0.36787944117144233) < 1e-10)
    True
    """

    TABLEAU = Tableau(
        a=(
            (),
            ("1/5",),
            ("3/40", "9/40"),
            ("44/45", "-56/15", "32/9"),
            ("19372/6561", "-25360/2187", "64448/6561", "-212/729"),
            ("9017/3168", "-355/33", "46732/5247", "49/176", "-5103/18656"),
            ("35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84"),
        ),
        b=("35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84", 0),
        b_error=("-71/57600", 0, "71/16695", "-71/1920", "17253/339200", "-22/525", "1/40"),
        order=5,
        error_order=4,
        # SOURCE: SciPy's scipy/integrate/_ivp/rk.py, RK45.P, which is Shampine (1986) with the optimal c_6.
        b_dense=(
            (1, "-8048581381/2820520608", "8663915743/2820520608", "-12715105075/11282082432"),
            (),
            (0, "131558114200/32700410799", "-68118460800/10900136933", "87487479700/32700410799"),
            (0, "-1754552775/470086768", "14199869525/1410260304", "-10690763975/1880347072"),
            (0, "127303824393/49829197408", "-318862633887/49829197408", "701980252875/199316789632"),
            (0, "-282668133/205662961", "2019193451/616988883", "-1453857185/822651844"),
            (0, "40617522/29380423", "-110615467/29380423", "69997945/29380423"),
        ),
        dense_order=4,
    )
