"""The classical explicit Runge-Kutta methods with a fixed step, orders 1 to 4."""

from __future__ import annotations

from typing import final

from integrators._runge_kutta import NamedRungeKutta
from integrators._tableau import Tableau

__all__ = ["RK4", "RK38", "Euler", "Heun", "Midpoint", "Ralston"]


@final
class Euler(NamedRungeKutta):
    """Explicit Euler, order 1: ``y + h f(t, y)``.

    Also known as forward Euler; not to be confused with the symplectic or the implicit Euler method.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section I.7.

    Examples
    --------
    >>> Euler(0.01).step(lambda t, y: -y, 0.0, 1.0, 0.5)
    0.5
    """

    TABLEAU = Tableau(a=((),), b=(1,), order=1)


@final
class Midpoint(NamedRungeKutta):
    """Explicit midpoint rule, order 2: ``y + h f(t + h/2, y + h/2 f(t, y))``.

    Also known as the modified Euler method and RK2; not to be confused with the implicit midpoint rule.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    C. Runge, "Ueber die numerische Aufloesung von Differentialgleichungen", Math. Ann. 46 (1895), 167-178.

    Examples
    --------
    >>> Midpoint(0.01).step(lambda t, y: -y, 0.0, 1.0, 0.5)
    0.625
    """

    TABLEAU = Tableau(a=((), ("1/2",)), b=(0, 1), order=2)


@final
class Heun(NamedRungeKutta):
    """Heun's method of order 2: the average of the slopes at both ends.

    Also known as the improved Euler method and the explicit trapezoidal rule; not to be confused with Heun's
    method of order 3.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section II.1.

    Examples
    --------
    >>> Heun(0.01).step(lambda t, y: -y, 0.0, 1.0, 0.5)
    0.625
    """

    TABLEAU = Tableau(a=((), (1,)), b=("1/2", "1/2"), order=2)


@final
class Ralston(NamedRungeKutta):
    """Ralston's method, order 2: the two-stage method with the smallest bound on its local error.

    Not to be confused with Ralston's methods of order 3 and 4.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    A. Ralston, "Runge-Kutta methods with minimum error bounds", Math. Comp. 16 (1962), 431-437, equation (2.8).

    Examples
    --------
    >>> round(Ralston(0.01).step(lambda t, y: -y, 0.0, 1.0, 0.5), 12)
    0.625
    """

    TABLEAU = Tableau(a=((), ("2/3",)), b=("1/4", "3/4"), order=2)


@final
class RK4(NamedRungeKutta):
    """The classical Runge-Kutta method, order 4: ``y + h/6 (k_1 + 2 k_2 + 2 k_3 + k_4)``.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    W. Kutta, "Beitrag zur naeherungsweisen Integration totaler Differentialgleichungen", Z. Math. Phys. 46 (1901),
    435-453; Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", table II.1.2, left.

    Examples
    --------
    >>> RK4(step=0.01).step(lambda t, y: -y, 0.0, 1.0, 0.1)
    0.9048375
    """

    TABLEAU = Tableau(
        a=((), ("1/2",), (0, "1/2"), (0, 0, 1)),
        b=("1/6", "1/3", "1/3", "1/6"),
        order=4,
    )


@final
class RK38(NamedRungeKutta):
    """Kutta's 3/8 rule, order 4: a slightly smaller error constant than `RK4`, with a few more operations.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    W. Kutta (1901); Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", table II.1.2, right.

    Examples
    --------
    >>> round(RK38(0.01).step(lambda t, y: -y, 0.0, 1.0, 0.1), 10)
    0.9048375
    """

    TABLEAU = Tableau(
        a=((), ("1/3",), ("-1/3", 1), (1, -1, 1)),
        b=("1/8", "3/8", "3/8", "1/8"),
        order=4,
    )
