"""The Oregonator: why the Belousov-Zhabotinsky reaction oscillates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import ops
from systems._base import System

__all__ = ["Oregonator"]


@final
@dataclass(frozen=True)
class Oregonator(System):
    """Field, Koeroes and Noyes' mechanism of the Belousov-Zhabotinsky reaction, in three concentrations.

        x' = s (y + x (1 - q x - y))
        y' = (z - (1 + x) y) / s
        z' = w (x - z)

    State (concentrations in units in which the reactions balance; time in s)

    ======  ====================================  ====
    symbol  meaning                               unit
    ======  ====================================  ====
    x       bromous acid                          1
    y       bromide                               1
    z       cerium(IV)                            1
    ======  ====================================  ====

    Parameters

    ======  ========  ====  =========================================
    symbol  default   unit  meaning
    ======  ========  ====  =========================================
    s       77.27     1/s   rate of the acid; the bromide has 1 / s
    q       8.375e-6  1     loss of the acid in pairs
    w       0.161     1/s   rate of the cerium
    ======  ========  ====  =========================================

    Invariants: none.

    Equilibria: empty (0, 0, 0); steady (x, x / (1 + x), x) with q x (1 + x) = 2, unstable at the defaults.

    Chaotic nowhere; a relaxation oscillation with a period of about 303 s.  Stiff.

    References
    ----------
    Field and Noyes, "Oscillations in chemical systems. IV", Journal of Chemical Physics 60 (1974) 1877; Hairer and
    Wanner, Solving Ordinary Differential Equations II, equation (IV.10.7).

    Examples
    --------
    >>> Oregonator(s=2.0, q=0.5, w=1.0)(0.0, [1.0, 2.0, 3.0])
    array([ 1. , -0.5, -2. ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"s": "1/s", "q": "1", "w": "1/s"}
    positive: ClassVar[frozenset[str]] = frozenset({"s", "q", "w"})
    default_time: ClassVar[float] = 360.0
    stiff: ClassVar[bool] = True

    s: float = 77.27
    q: float = 8.375e-6
    w: float = 0.161

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return (
            self.s * (y + x * (1.0 - self.q * x - y)),
            (z - (1.0 + x) * y) / self.s,
            self.w * (x - z),
        )

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """States at rest; the steady one carries the derivative of `q`."""
        x = 4.0 / (self.q * (1.0 + ops.sqrt(1.0 + 8.0 / self.q)))
        return {"empty": (0.0, 0.0, 0.0), "steady": (x, x / (1.0 + x), x)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """On the way to the oscillation."""
        return (1.0, 2.0, 3.0)
