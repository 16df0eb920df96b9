"""The 25 nonstiff DETEST problems, A1 to E5, with their solutions at the end, t = 20.

SOURCE: T. E. Hull, W. H. Enright, B. M. Fellen and A. E. Sedgwick, "Comparing numerical methods for ordinary
differential equations", SIAM Journal on Numerical Analysis 9 (1972) 603-637, section 4.  End values without a closed
form: W. H. Enright and J. D. Pryce, "Two FORTRAN packages for assessing initial value methods", ACM Transactions on
Mathematical Software 13 (1987) 1-27 (algorithm 648); the closed forms are evaluated by mpmath and agree with theirs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffsim import ops

__all__ = ["END", "PROBLEMS", "Detest", "end_of"]

Array: TypeAlias = NDArray[np.float64]
END = 20.0


@dataclass(frozen=True)
class Detest:
    """One problem on (0, 20).

    Attributes
    ----------
    name : str
    fun : callable (t, y) -> sequence
    y0 : tuple of float
    what : str
        What it describes.
    """

    name: str
    fun: Callable[[Any, Any], Sequence[Any]]
    y0: tuple[float, ...]
    what: str


# --- A: single equations ---------------------------------------------------------------------------------------------


def _a1(t: Any, y: Any) -> list[Any]:
    return [-y[0]]


def _a2(t: Any, y: Any) -> list[Any]:
    return [-y[0] * y[0] * y[0] / 2.0]


def _a3(t: Any, y: Any) -> list[Any]:
    return [y[0] * ops.cos(t)]


def _a4(t: Any, y: Any) -> list[Any]:
    return [y[0] / 4.0 * (1.0 - y[0] / 20.0)]


def _a5(t: Any, y: Any) -> list[Any]:
    return [(y[0] - t) / (y[0] + t)]


# --- B: small systems ------------------------------------------------------------------------------------------------


def _b1(t: Any, y: Any) -> list[Any]:
    return [2.0 * (y[0] - y[0] * y[1]), -(y[1] - y[0] * y[1])]


def _b2(t: Any, y: Any) -> list[Any]:
    return [-y[0] + y[1], y[0] - 2.0 * y[1] + y[2], y[1] - y[2]]


def _b3(t: Any, y: Any) -> list[Any]:
    return [-y[0], y[0] - y[1] * y[1], y[1] * y[1]]


def _b4(t: Any, y: Any) -> list[Any]:
    r = ops.sqrt(y[0] * y[0] + y[1] * y[1])
    return [-y[1] - y[0] * y[2] / r, y[0] - y[1] * y[2] / r, y[0] / r]


def _b5(t: Any, y: Any) -> list[Any]:
    return [y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]]


# --- C: moderate systems ---------------------------------------------------------------------------------------------


def _c1(t: Any, y: Any) -> list[Any]:
    return [-y[0], *(y[i - 1] - y[i] for i in range(1, 9)), y[8]]


def _c2(t: Any, y: Any) -> list[Any]:
    return [-y[0], *(i * y[i - 1] - (i + 1) * y[i] for i in range(1, 9)), 9.0 * y[8]]


def _diffusion(t: Any, y: Any) -> list[Any]:
    n = len(y)
    return [
        -2.0 * y[0] + y[1],
        *(y[i - 1] - 2.0 * y[i] + y[i + 1] for i in range(1, n - 1)),
        y[n - 2] - 2.0 * y[n - 1],
    ]


_K2, _M0 = 2.95912208286, 1.00000597682
_MASSES = (0.000954786104043, 0.000285583733151, 0.0000437273164546, 0.0000517759138449, 0.00000277777777778)
_PLANETS = (
    *(3.42947415189, 3.35386959711, 1.35494901715),
    *(6.64145542550, 5.97156957878, 2.18231499728),
    *(11.2630437207, 14.6952576794, 6.27960525067),
    *(-30.1552268759, 1.65699966404, 1.43785752721),
    *(-21.1238353380, 28.4465098142, 15.3882659679),
    *(-0.557160570446, 0.505696783289, 0.230578543901),
    *(-0.415570776342, 0.365682722812, 0.169143213293),
    *(-0.325325669158, 0.189706021964, 0.0877265322780),
    *(-0.0240476254170, -0.287659532608, -0.117219543175),
    *(-0.176860753121, -0.216393453025, -0.0148647893090),
)


def _c5(t: Any, y: Any) -> list[Any]:
    at = [[y[3 * j + i] for i in range(3)] for j in range(5)]

    def cubed(x: Sequence[Any]) -> Any:
        square = x[0] * x[0] + x[1] * x[1] + x[2] * x[2]
        return square * ops.sqrt(square)

    to_sun = [cubed(x) for x in at]
    apart = {(j, k): cubed([at[k][i] - at[j][i] for i in range(3)]) for j in range(5) for k in range(j + 1, 5)}
    pulls = []
    for j in range(5):
        for i in range(3):
            pull = -(_M0 + _MASSES[j]) * at[j][i] / to_sun[j]
            for k in range(5):
                if k != j:
                    d = apart[min(j, k), max(j, k)]
                    pull = pull + _MASSES[k] * ((at[k][i] - at[j][i]) / d - at[k][i] / to_sun[k])
            pulls.append(_K2 * pull)
    return [*(y[15 + i] for i in range(15)), *pulls]


# --- D: orbits, E: equations of second order -------------------------------------------------------------------------


def _orbit(t: Any, y: Any) -> list[Any]:
    square = y[0] * y[0] + y[1] * y[1]
    cube = square * ops.sqrt(square)
    return [y[2], y[3], -y[0] / cube, -y[1] / cube]


def _e1(t: Any, y: Any) -> list[Any]:
    s = t + 1.0
    return [y[1], -(y[1] / s + (1.0 - 0.25 / (s * s)) * y[0])]


def _e2(t: Any, y: Any) -> list[Any]:
    return [y[1], (1.0 - y[0] * y[0]) * y[1] - y[0]]


def _e3(t: Any, y: Any) -> list[Any]:
    return [y[1], y[0] * y[0] * y[0] / 6.0 - y[0] + 2.0 * ops.sin(2.78535 * t)]


def _e4(t: Any, y: Any) -> list[Any]:
    return [y[1], 0.032 - 0.4 * y[1] * y[1]]


def _e5(t: Any, y: Any) -> list[Any]:
    return [y[1], ops.sqrt(1.0 + y[1] * y[1]) / (25.0 - t)]


def _spike(n: int) -> tuple[float, ...]:
    return (1.0, *(0.0,) * (n - 1))


def _kepler(eccentricity: float) -> tuple[float, ...]:
    return (1.0 - eccentricity, 0.0, 0.0, math.sqrt((1.0 + eccentricity) / (1.0 - eccentricity)))


PROBLEMS: dict[str, Detest] = {
    problem.name: problem
    for problem in (
        Detest("A1", _a1, (1.0,), "decay"),
        Detest("A2", _a2, (1.0,), "a Riccati equation"),
        Detest("A3", _a3, (1.0,), "an oscillating factor"),
        Detest("A4", _a4, (1.0,), "logistic growth"),
        Detest("A5", _a5, (4.0,), "a spiral"),
        Detest("B1", _b1, (1.0, 3.0), "two populations in conflict"),
        Detest("B2", _b2, (2.0, 0.0, 1.0), "a linear reaction"),
        Detest("B3", _b3, (1.0, 0.0, 0.0), "a reaction of second order"),
        Detest("B4", _b4, (3.0, 0.0, 0.0), "a curve on a torus"),
        Detest("B5", _b5, (0.0, 1.0, 1.0), "a rigid body without forces"),
        Detest("C1", _c1, _spike(10), "a radioactive chain"),
        Detest("C2", _c2, _spike(10), "another radioactive chain"),
        Detest("C3", _diffusion, _spike(10), "diffusion, 10 equations"),
        Detest("C4", _diffusion, _spike(51), "diffusion, 51 equations"),
        Detest("C5", _c5, _PLANETS, "five outer planets"),
        *(
            Detest(f"D{i + 1}", _orbit, _kepler(e), f"an orbit, e = {e}")
            for i, e in enumerate((0.1, 0.3, 0.5, 0.7, 0.9))
        ),
        Detest("E1", _e1, (0.67139670714180309, 0.095400514447474460), "Bessel's equation of order 1/2"),
        Detest("E2", _e2, (2.0, 0.0), "van der Pol"),
        Detest("E3", _e3, (0.0, 0.0), "Duffing"),
        Detest("E4", _e4, (30.0, 0.0), "a falling body"),
        Detest("E5", _e5, (0.0, 0.0), "linear pursuit"),
    )
}


# --- solutions at the end --------------------------------------------------------------------------------------------

# SOURCE: Enright and Pryce (1987), the values of the package's table.
_PUBLISHED = {
    "A5": (-0.7887826688964196,),
    "B1": (0.6761876008576667, 0.1860816099640036),
    "B3": (2.061153488557776e-09, 5.257228022048349e-02, 0.9474277177183630),
    "B4": (0.9826950928005993, 2.198447081694832, 0.9129452507276399),
    "C5": (
        *(-4.792730224323733, -2.420550725448973, -9.212509306014886e-01),
        *(-4.217310404035213, 7.356202947498970, 3.223785985421212),
        *(4.035559443262270, 1.719865528670555e01, 7.478910794233703),
        *(-2.998759326324844e01, -4.107310937550929, -9.277008321754407e-01),
        *(-2.442125302518482e01, 2.381459045746554e01, 1.492096306951359e01),
        *(3.499208963063806e-01, -5.748487687912825e-01, -2.551694020879149e-01),
        *(-5.237040978903326e-01, -2.493000463579661e-01, -8.045341642044464e-02),
        *(-3.875289237334110e-01, 5.648603288767891e-02, 3.023606472143342e-02),
        *(4.133856546712445e-02, -2.862393029841379e-01, -1.183032405136207e-01),
        *(-1.511986457359206e-01, -2.460068894318766e-01, -3.189687411323877e-02),
    ),
    "E2": (2.008149762174948, -4.250887527320057e-02),
    "E3": (-1.004178858647128e-01, 2.411400132095954e-01),
}


@functools.cache
def end_of(name: str) -> Array:
    """Return the solution of a problem at t = 20, right to some 1e-15 (relative to its largest component)."""
    if name in _PUBLISHED:
        return np.array(_PUBLISHED[name])
    from mpmath import mp

    with mp.workdps(40):
        return np.array([float(x) for x in _closed(name, mp)])


def _closed(name: str, mp: Any) -> Sequence[Any]:
    """Return the closed form at t = 20 in mpmath numbers."""
    t, one = mp.mpf(20), mp.mpf(1)
    if name in ("B2", "C1", "C2", "C3", "C4"):
        problem = PROBLEMS[name]
        n = len(problem.y0)
        columns = [problem.fun(0.0, [float(i == j) for i in range(n)]) for j in range(n)]
        matrix = mp.matrix(n, n)
        for j, column in enumerate(columns):
            for i, x in enumerate(column):
                matrix[i, j] = mp.mpf(x)
        return list(mp.expm(matrix * t, method="taylor") * mp.matrix([mp.mpf(x) for x in problem.y0]))
    if name.startswith("D"):
        return _on_orbit(one * (1, 3, 5, 7, 9)[int(name[1]) - 1] / 10, t, mp)
    if name == "B5":
        return [mp.ellipfun(kind, t, m=mp.mpf("0.51")) for kind in ("sn", "cn", "dn")]
    if name == "E1":
        j = functools.partial(mp.besselj, one / 2)
        return [j(t + 1), j(t + 1, derivative=1)]
    if name == "E4":
        final, rate = mp.sqrt(mp.mpf("0.08")), mp.sqrt(mp.mpf("0.0128"))
        return [30 + mp.log(mp.cosh(rate * t)) / mp.mpf("0.4"), final * mp.tanh(rate * t)]
    if name == "E5":
        # with u = 1 - t / 25: y' = (1 / u - u) / 2
        u = 1 - t / 25
        return [25 * ((u * u - 1) / 4 - mp.log(u) / 2), (1 / u - u) / 2]
    single = {
        "A1": mp.exp(-t),
        "A2": 1 / mp.sqrt(1 + t),
        "A3": mp.exp(mp.sin(t)),
        "A4": 20 / (1 + 19 * mp.exp(-t / 4)),
    }
    return [single[name]]


def _on_orbit(e: Any, t: Any, mp: Any) -> Sequence[Any]:
    """Return place and velocity by Kepler's equation ``u - e sin u = t``."""
    u = mp.findroot(lambda u: u - e * mp.sin(u) - t, t)
    root = mp.sqrt(1 - e * e)
    rate = 1 / (1 - e * mp.cos(u))
    return [mp.cos(u) - e, root * mp.sin(u), -mp.sin(u) * rate, root * mp.cos(u) * rate]
