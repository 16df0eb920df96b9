"""The Brusselator: the simplest chemical clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._base import System

__all__ = ["Brusselator"]


@final
@dataclass(frozen=True)
class Brusselator(System):
    """An autocatalytic reaction A -> X, 2 X + Y -> 3 X, B + X -> Y, X -> that oscillates.

        x' = A + x^2 y - (B + 1) x
        y' = B x - x^2 y

    State (everything is dimensionless; time too)

    ======  ====================================  ====
    symbol  meaning                               unit
    ======  ====================================  ====
    x       concentration of X                    1
    y       concentration of Y                    1
    ======  ====================================  ====

    Parameters

    ======  =======  ====  =================================
    symbol  default  unit  meaning
    ======  =======  ====  =================================
    A       1.0      1     concentration of A, held constant
    B       3.0      1     concentration of B, held constant
    ======  =======  ====  =================================

    Invariants: none.

    Equilibria: steady (A, B / A), stable for B < 1 + A^2.

    Chaotic nowhere; for B > 1 + A^2 all starts but the steady one end in one limit cycle.

    References
    ----------
    Prigogine and Lefever, "Symmetry breaking instabilities in dissipative systems. II", Journal of Chemical Physics 48
    (1968) 1695; Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, equation (I.16.12).

    Examples
    --------
    >>> Brusselator()(0.0, [1.5, 3.0])
    array([ 1.75, -2.25])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"A": "1", "B": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"A", "B"})
    default_time: ClassVar[float] = 20.0

    A: float = 1.0
    B: float = 3.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any]:
        x, y = state
        turned, made = self.B * x, x * x * y
        return self.A + made - turned - x, turned - made

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"steady": (self.A, self.B / self.A)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Hairer, Norsett and Wanner's start."""
        return (1.5, 3.0)
