"""Stiff problems with published solutions: Robertson, HIRES, OREGO, van der Pol and POLLU.

SOURCE: F. Mazzia and C. Magherini, "Test set for initial value problem solvers", release 2.4, University of Bari
(2008): the problems, and their solutions at the end, computed there by RADAU and RADAU5 in quadruple precision.  Van
der Pol with mu = 1e6 is not in the set: SciPy's Radau (rtol 1e-8) and LSODA (1e-12) agree on the digits stated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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


def _robertson(t: Any, y: Any) -> list[Any]:
    slow, fast, squared = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] * y[1]
    return [-slow + fast, slow - fast - squared, squared]


def _hires(t: Any, y: Any) -> list[Any]:
    meeting = 280.0 * y[5] * y[7]
    return [
        -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
        1.71 * y[0] - 8.75 * y[1],
        -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
        8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
        -1.745 * y[4] + 0.43 * (y[5] + y[6]),
        -meeting + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
        meeting - 1.81 * y[6],
        -meeting + 1.81 * y[6],
    ]


def _orego(t: Any, y: Any) -> list[Any]:
    return [
        77.27 * (y[1] + y[0] * (1.0 - 8.375e-6 * y[0] - y[1])),
        (y[2] - (1.0 + y[0]) * y[1]) / 77.27,
        0.161 * (y[0] - y[2]),
    ]


def _van_der_pol(mu: float) -> Callable[[Any, Any], list[Any]]:
    """In the time of the slow parts, t / mu."""
    square = mu * mu

    def fun(t: Any, y: Any) -> list[Any]:
        return [y[1], square * ((1.0 - y[0] * y[0]) * y[1] - y[0])]

    return fun


_RATES = (
    *(0.35, 26.6, 1.23e4, 8.6e-4, 8.2e-4, 1.5e4, 1.3e-4, 2.4e4, 1.65e4, 9.0e3, 0.022, 1.2e4, 1.88),
    *(1.63e4, 4.8e6, 3.5e-4, 0.0175, 1.0e8, 4.44e11, 1240.0, 2.1, 5.78, 0.0474, 1.78e3, 3.12),
)


def _pollu(t: Any, y: Any) -> list[Any]:
    k = _RATES
    r = (
        k[0] * y[0],
        k[1] * y[1] * y[3],
        k[2] * y[4] * y[1],
        k[3] * y[6],
        k[4] * y[6],
        k[5] * y[6] * y[5],
        k[6] * y[8],
        k[7] * y[8] * y[5],
        k[8] * y[10] * y[1],
        k[9] * y[10] * y[0],
        k[10] * y[12],
        k[11] * y[9] * y[1],
        k[12] * y[13],
        k[13] * y[0] * y[5],
        k[14] * y[2],
        k[15] * y[3],
        k[16] * y[3],
        k[17] * y[15],
        k[18] * y[15],
        k[19] * y[16] * y[5],
        k[20] * y[18],
        k[21] * y[18],
        k[22] * y[0] * y[3],
        k[23] * y[18] * y[0],
        k[24] * y[19],
    )
    return [
        -r[0] - r[9] - r[13] - r[22] - r[23] + r[1] + r[2] + r[8] + r[10] + r[11] + r[21] + r[24],
        -r[1] - r[2] - r[8] - r[11] + r[0] + r[20],
        -r[14] + r[0] + r[16] + r[18] + r[21],
        -r[1] - r[15] - r[16] - r[22] + r[14],
        -r[2] + r[3] + r[3] + r[5] + r[6] + r[12] + r[19],
        -r[5] - r[7] - r[13] - r[19] + r[2] + r[17] + r[17],
        -r[3] - r[4] - r[5] + r[12],
        r[3] + r[4] + r[5] + r[6],
        -r[6] - r[7],
        -r[11] + r[6] + r[8],
        -r[8] - r[9] + r[7] + r[10],
        r[8],
        -r[10] + r[9],
        -r[12] + r[11],
        r[13],
        -r[17] - r[18] + r[15],
        -r[19],
        r[19],
        -r[20] - r[21] - r[23] + r[22] + r[24],
        -r[24] + r[23],
    ]


_POLLU_START = (0.0, 0.2, 0.0, 0.04, 0.0, 0.0, 0.1, 0.3, 0.01, *(0.0,) * 7, 0.007, 0.0, 0.0, 0.0)
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
            _robertson,
            (1.0, 0.0, 0.0),
            1e11,
            (0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050),
            (1e-6, 1e-12, 1.0),
        ),
        Stiff("HIRES", _hires, (1.0, *(0.0,) * 6, 0.0057), 321.8122, _HIRES_END, (1e-4,) * 8),
        Stiff(
            "OREGO",
            _orego,
            (1.0, 2.0, 3.0),
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
        Stiff("POLLU", _pollu, _POLLU_START, 60.0, _POLLU_END, (1e-6,) * 20),
    )
}
