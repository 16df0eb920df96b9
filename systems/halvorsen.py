"""Halvorsen's cyclically symmetric flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._base import System

__all__ = ["Halvorsen"]


@final
@dataclass(frozen=True)
class Halvorsen(System):
    """A quadratic flow that looks the same from each of its three axes.

        x' = -a x - 4 y - 4 z - y^2
        y' = -a y - 4 z - 4 x - z^2
        z' = -a z - 4 x - 4 y - x^2

    State (everything is dimensionless; time too)

    ======  ========================  ====
    symbol  meaning                   unit
    ======  ========================  ====
    x       first coordinate          1
    y       second coordinate         1
    z       third coordinate          1
    ======  ========================  ====

    Parameters

    =======  =======  ====  =======
    symbol   default  unit  meaning
    =======  =======  ====  =======
    damping  1.27     1     a
    =======  =======  ====  =======

    Invariants: none; volumes shrink at the constant rate 3 a.

    Equilibria: origin, and diagonal with x = y = z = -(a + 8).

    Chaotic at the default, with Lyapunov exponents (0.7899, 0, -4.5999) (Sprott, Chaos and Time-Series Analysis, table
    A.5.14).

    References
    ----------
    Sprott, Chaos and Time-Series Analysis, Oxford University Press (2003), appendix A.5.14; the flow is Arne Dehli
    Halvorsen's.

    Examples
    --------
    >>> Halvorsen(damping=1.5)(0.0, [1.0, 2.0, 3.0])
    array([-25.5, -28. , -17.5])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"damping": "1"}
    default_time: ClassVar[float] = 50.0

    damping: float = 1.27

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        a = self.damping
        return (
            -a * x - 4.0 * (y + z) - y * y,
            -a * y - 4.0 * (z + x) - z * z,
            -a * z - 4.0 * (x + y) - x * x,
        )

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        place = -(self.damping + 8.0)
        return {"origin": (0.0, 0.0, 0.0), "diagonal": (place, place, place)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Close to the attractor."""
        return (-5.0, 0.0, 0.0)
