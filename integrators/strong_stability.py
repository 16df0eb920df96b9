"""Explicit methods that keep the stability of Euler steps in any convex functional (strong stability preserving)."""

from __future__ import annotations

from typing import final

from integrators._runge_kutta import NamedRungeKutta
from integrators._tableau import Tableau

__all__ = ["SSPRK3"]


@final
class SSPRK3(NamedRungeKutta):
    """The strong stability preserving method of Shu and Osher, order 3, three stages.

    Its stages are convex combinations of Euler steps, so it keeps a bound (total variation, positivity) that Euler
    keeps with the same step: made for method-of-lines discretisations of conservation laws.
    Also known as TVD-RK3 and SSP(3, 3).

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    C.-W. Shu, S. Osher, "Efficient implementation of essentially non-oscillatory shock-capturing schemes",
    J. Comput. Phys. 77 (1988), 439-471, equation (2.18).

    Examples
    --------
    >>> round(SSPRK3(0.01).step(lambda t, y: -y, 0.0, 1.0, 0.1), 10)
    0.9048333333
    """

    TABLEAU = Tableau(
        a=((), (1,), ("1/4", "1/4")),
        b=("1/6", "1/6", "2/3"),
        order=3,
    )
