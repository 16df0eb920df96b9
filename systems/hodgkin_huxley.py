"""Hodgkin and Huxley's nerve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import ops
from systems._base import System

__all__ = ["HodgkinHuxley"]


@final
@dataclass(frozen=True)
class HodgkinHuxley(System):
    """The membrane of the squid's giant axon: sodium rushes in, potassium flows out, a pulse is there.

        C V' = I - g_Na m^3 h (V - V_Na) - g_K n^4 (V - V_K) - g_L (V - V_L)
        x'   = alpha_x(V) (1 - x) - beta_x(V) x    for x = m, h, n

        alpha_m = 0.1 u / (1 - exp(-u / 10)),   u = V + 40       beta_m = 4 exp(-(V + 65) / 18)
        alpha_h = 0.07 exp(-(V + 65) / 20)                       beta_h = 1 / (1 + exp(-(V + 35) / 10))
        alpha_n = 0.01 u / (1 - exp(-u / 10)),  u = V + 55       beta_n = 0.125 exp(-(V + 65) / 80)

    alpha in 1/ms, voltages in mV, at 6.3 degrees Celsius.  alpha_m and alpha_n are smooth at u = 0, and so are their
    derivatives here: near it a series is summed, to 17 digits (so multiprecision numbers have no more there).

    State (time in ms)

    ======  ====================================  ====
    symbol  meaning                               unit
    ======  ====================================  ====
    V       voltage, inside minus outside         mV
    m       activation of the sodium channel      1
    h       its inactivation                      1
    n       activation of the potassium channel   1
    ======  ====================================  ====

    Parameters

    =======  =======  =======  ==========================================
    symbol   default  unit     meaning
    =======  =======  =======  ==========================================
    C        1.0      uF/cm^2  capacitance of the membrane
    g_Na     120.0    mS/cm^2  conductance of all sodium channels open
    g_K      36.0     mS/cm^2  conductance of all potassium channels open
    g_L      0.3      mS/cm^2  conductance of the leak
    V_Na     50.0     mV       voltage at which sodium is in balance
    V_K      -77.0    mV       voltage at which potassium is in balance
    V_L      -54.387  mV       voltage at which the leak is in balance
    current  10.0     uA/cm^2  current I into the cell
    =======  =======  =======  ==========================================

    Invariants: none.

    Equilibria: one, which has no closed form; without current it is at about V = -65 mV.

    Chaotic nowhere under a constant current: it rests, or fires with one period, from about 6.3 uA/cm^2 on.

    References
    ----------
    Hodgkin and Huxley, "A quantitative description of membrane current and its application to conduction and
    excitation in nerve", Journal of Physiology 117 (1952) 500, equations (12), (13), (20), (21), (23) to (26), table 3;
    voltages counted as today, from the outside, with V = -65 mV at rest.

    Examples
    --------
    >>> float(HodgkinHuxley()(0.0, [-65.0, 0.05, 0.6, 0.32])[0].round(4))
    9.6891
    """

    state_names: ClassVar[tuple[str, ...]] = ("V", "m", "h", "n")
    state_units: ClassVar[tuple[str, ...]] = ("mV", "1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "C": "uF/cm^2",
        "g_Na": "mS/cm^2",
        "g_K": "mS/cm^2",
        "g_L": "mS/cm^2",
        "V_Na": "mV",
        "V_K": "mV",
        "V_L": "mV",
        "current": "uA/cm^2",
    }
    positive: ClassVar[frozenset[str]] = frozenset({"C", "g_Na", "g_K", "g_L"})
    default_time: ClassVar[float] = 60.0

    C: float = 1.0
    g_Na: float = 120.0
    g_K: float = 36.0
    g_L: float = 0.3
    V_Na: float = 50.0
    V_K: float = -77.0
    V_L: float = -54.387
    current: float = 10.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any, Any]:
        v, m, h, n = state
        sodium = self.g_Na * m * m * m * h * (v - self.V_Na)
        potassium = self.g_K * n * n * n * n * (v - self.V_K)
        rest = v + 65.0
        return (
            (self.current - sodium - potassium - self.g_L * (v - self.V_L)) / self.C,
            _ramp(0.1 * (v + 40.0)) * (1.0 - m) - 4.0 * ops.exp(rest / -18.0) * m,
            0.07 * ops.exp(rest / -20.0) * (1.0 - h) - ops.sigmoid(0.1 * (v + 35.0)) * h,
            0.1 * _ramp(0.1 * (v + 55.0)) * (1.0 - n) - 0.125 * ops.exp(rest / -80.0) * n,
        )

    @property
    def default_state(self) -> tuple[Any, ...]:
        """At rest without the current, which sets in at once."""
        return (-65.0, 0.0529, 0.5961, 0.3177)


def _ramp(x: Any) -> Any:
    """Return ``x / (1 - exp(-x))`` with its derivatives, also where both are 0.

    The value has no trouble but at 0 itself, the derivatives lose digits like ``1 / x^2``.  For |x| < 1/4 the sum is
    taken: ``1 + x / 2 + sum of B_k x^k / k!``, k = 2, 4, ..., 12, with Bernoulli's numbers B_k; what is left out is
    below 1e-18.
    """
    near = abs(x) < 0.25
    apart = ops.where(near, 1.0, x)
    square = ops.where(near, x, 0.0) * x
    series = 0.0 * square
    for coefficient in _BERNOULLI:
        series = (series + coefficient) * square
    return ops.where(near, 1.0 + 0.5 * x + series, apart / -ops.expm1(-apart))


# B_k / k! for k = 12, 10, ..., 2.  SOURCE: Abramowitz and Stegun, Handbook of Mathematical Functions, table 23.2.
_BERNOULLI = (
    -691.0 / 1_307_674_368_000.0,
    1.0 / 47_900_160.0,
    -1.0 / 1_209_600.0,
    1.0 / 30_240.0,
    -1.0 / 720.0,
    1.0 / 12.0,
)
