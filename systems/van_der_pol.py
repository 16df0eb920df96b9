"""Van der Pol's oscillator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._base import System

__all__ = ["VanDerPol"]


@final
@dataclass(frozen=True)
class VanDerPol(System):
    """An oscillator that small swings feed and large ones damp: all motion ends in one limit cycle.

        x' = v
        v' = mu (1 - x^2) v - x

    State (everything is dimensionless; time in units of the undamped period over 2 pi)

    ======  ===============================  ====
    symbol  meaning                          unit
    ======  ===============================  ====
    x       displacement, or grid voltage    1
    v       its rate                         1
    ======  ===============================  ====

    Parameters

    ======  =======  ====  ===============================
    symbol  default  unit  meaning
    ======  =======  ====  ===============================
    mu      5.0      1     strength of feeding and damping
    ======  =======  ====  ===============================

    Invariants: none.

    Equilibria: origin, unstable for mu > 0.

    Chaotic nowhere without a drive.  The period of the cycle is ``2 pi (1 + mu^2/16 - ...)`` for small mu and
    ``(3 - 2 log 2) mu + 7.014 mu^(-1/3) - ...`` for large mu.  Stiff for large mu: ``VanDerPol(1000.0)`` from (2, 0) to
    t = 2000 is a classic test of implicit methods.

    References
    ----------
    van der Pol, "On relaxation-oscillations", Philosophical Magazine 2 (1926) 978; Hairer and Wanner, Solving Ordinary
    Differential Equations II, chapter IV.1.

    Examples
    --------
    >>> VanDerPol(2.0)(0.0, [2.0, 1.0])
    array([ 1., -8.])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "v")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"mu": "1"}
    default_time: ClassVar[float] = 40.0

    mu: float = 5.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any]:
        x, v = state
        return v, self.mu * (1.0 - x * x) * v - x

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"origin": (0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Near the unstable origin: out to the relaxation oscillation of the limit cycle."""
        return (0.1, 0.0)
