"""Stiff problems with published solutions: Robertson, HIRES, OREGO, van der Pol and POLLU.

SOURCE: F. Mazzia and C. Magherini, "Test set for initial value problem solvers", release 2.4, University of Bari
(2008): the problems, and their solutions at the end, computed there by RADAU and RADAU5 in quadruple precision.  Van
der Pol with mu = 1e6 is not in the set: SciPy's Radau (rtol 1e-8) and LSODA (1e-12) agree on the digits stated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from systems import HIRES, POLLU, Oregonator, Robertson

__all__ = ["PROBLEMS", "Stiff"]


@dataclass(frozen=True)
class Stiff:
    """One problem on (0, end).

    Attributes
    ----------
    name : str
    fun : callable (t, y) -> sequence
    y0, solution : tuple of float
        Start, and solution at the end.
    end : float
    atol : tuple of float
        Sizes below which a component is noise, in units of rtol: components differ by many orders of magnitude.
    digits : float
        Relative accuracy of the solution.
    """

    name: str
    fun: Callable[[Any, Any], Sequence[Any]]
    y0: tuple[float, ...]
    end: float
    solution: tuple[float, ...]
    atol: tuple[float, ...]
    digits: float = 1e-13


def _van_der_pol(mu: float) -> Callable[[Any, Any], list[Any]]:
    """In the time of the slow parts, t / mu."""
    square = mu * mu

    def fun(t: Any, y: Any) -> list[Any]:
        return [y[1], square * ((1.0 - y[0] * y[0]) * y[1] - y[0])]

    return fun


_POLLU_END = (
    *(0.5646255480022769e-1, 0.1342484130422339, 0.4139734331099427e-8, 0.5523140207484359e-2),
    *(0.2018977262302196e-6, 0.1464541863493966e-6, 0.7784249118997964e-1, 0.3245075353396018),
    *(0.7494013383880406e-2, 0.1622293157301561e-7, 0.1135863833257075e-7, 0.2230505975721359e-2),
    *(0.2087162882798630e-3, 0.1396921016840158e-4, 0.8964884856898295e-2, 0.4352846369330103e-17),
    *(0.6899219696263405e-2, 0.1007803037365946e-3, 0.1772146513969984e-5, 0.5682943292316392e-4),
)
_HIRES_END = (
    *(0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2),
    *(0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2),
)

PROBLEMS: dict[str, Stiff] = {
    problem.name: problem
    for problem in (
        Stiff(
            "Robertson",
            Robertson(),
            Robertson().default_state,
            1e11,
            (0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050),
            (1e-6, 1e-12, 1.0),
        ),
        Stiff("HIRES", HIRES(), HIRES().default_state, 321.8122, _HIRES_END, (1e-4,) * 8),
        Stiff(
            "OREGO",
            Oregonator(),
            Oregonator().default_state,
            360.0,
            (0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3),
            (1e-3,) * 3,
        ),
        Stiff(
            "van der Pol, mu = 1e3",
            _van_der_pol(1e3),
            (2.0, 0.0),
            2.0,
            (1.706167732170469, -0.8928097010248125),
            (1e-3, 1e-3),
        ),
        Stiff(
            "van der Pol, mu = 1e6",
            _van_der_pol(1e6),
            (2.0, 0.0),
            2.0,
            (1.70554621756, -0.89347636252),
            (1e-3, 1e-3),
            1e-9,
        ),
        Stiff("POLLU", POLLU(), POLLU().default_state, 60.0, _POLLU_END, (1e-6,) * 20),
    )
}
