"""Chua's circuit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import ops
from diffsim.number import raw
from systems._base import System

__all__ = ["Chua"]


@final
@dataclass(frozen=True)
class Chua(System):
    """Two capacitors, a coil and a diode with falling characteristic: the double scroll, chaos on a workbench.

        x' = alpha (y - x - f(x))
        y' = x - y + z
        z' = -beta y
        f(x) = b x + (a - b) (|x + 1| - |x - 1|) / 2,   slope a for |x| < 1, slope b outside

    The characteristic has kinks at x = -+1; derivatives there are the mean of both sides.

    State (everything is dimensionless; time too, in units of the resistor times the second capacitance)

    ======  ========================================  ====
    symbol  meaning                                   unit
    ======  ========================================  ====
    x       voltage at the first capacitor            1
    y       voltage at the second capacitor           1
    z       current through the coil                  1
    ======  ========================================  ====

    Parameters

    ======  ========  ====  =============================================
    symbol  default   unit  meaning
    ======  ========  ====  =============================================
    alpha   9.0       1     second capacitance over the first
    beta    100/7     1     resistance^2 second capacitance / inductance
    a       -8/7      1     inner slope of the diode
    b       -5/7      1     outer slope of the diode
    ======  ========  ====  =============================================

    Invariants: none.

    Equilibria: origin; plus and minus, +-(s, 0, -s) with s = (b - a) / (1 + b), where s > 1.

    Chaotic at the defaults, the double scroll, with Lyapunov exponents (0.3271, 0, -2.5197) (Sprott, Chaos and
    Time-Series Analysis, table A.5.5); Matsumoto, Chua and Komuro found (0.23, 0, -1.78) in a time that runs by 0.7.

    References
    ----------
    Matsumoto, Chua and Komuro, "The double scroll", IEEE Transactions on Circuits and Systems 32 (1985) 797, equations
    (1.2) and (1.3).

    Examples
    --------
    >>> Chua(alpha=10.0, beta=15.0)(0.0, [0.0, 0.5, 0.25])
    array([ 5.  , -0.25, -7.5 ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"alpha": "1", "beta": "1", "a": "1", "b": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"alpha", "beta"})
    default_time: ClassVar[float] = 100.0

    alpha: float = 9.0
    beta: float = 100.0 / 7.0
    a: float = -8.0 / 7.0
    b: float = -5.0 / 7.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        diode = self.b * x + (self.a - self.b) * ops.clip(x, -1.0, 1.0)
        return self.alpha * (y - x - diode), x - y + z, -self.beta * y

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """States at rest; they carry the derivatives of the slopes."""
        origin = {"origin": (0.0, 0.0, 0.0)}
        if np.any(raw(self.b) == -1.0):
            return origin
        s = (self.b - self.a) / (1.0 + self.b)
        if not np.all(raw(s) > 1.0):
            return origin
        return origin | {"plus": (s, 0.0 * s, -s), "minus": (-s, 0.0 * s, s)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Beside the origin, on the way to the attractor."""
        return (0.1, 0.0, 0.0)
