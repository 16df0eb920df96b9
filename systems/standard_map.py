"""The standard map."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import ops
from systems._discrete import DiscreteMap

__all__ = ["StandardMap"]


@final
@dataclass(frozen=True)
class StandardMap(DiscreteMap):
    """A rotor that is kicked once a turn of the clock: order and chaos side by side, and areas are kept.

        p     -> p + K sin(theta)
        theta -> theta + p               with the new p

    Also known as Chirikov's map and Taylor's map, and as the symplectic Euler method for the pendulum, with a step of
    ``sqrt(K)``.  The angle is not wrapped: take it modulo 2 pi for a picture; p may be, too.

    State

    ======  ======================================  ====
    symbol  meaning                                 unit
    ======  ======================================  ====
    theta   angle of the rotor at the kick          1
    p       angular momentum, as turn a kick        1
    ======  ======================================  ====

    Parameters

    ======  ========  ====  ====================
    symbol  default  unit  meaning
    ======  ========  ====  ====================
    kick    0.971635  1     strength K of a kick
    ======  ========  ====  ====================

    Invariants: none; the map is symplectic: its Jacobian has the determinant 1.

    Equilibria (fixed points): hyperbolic (0, 0), elliptic (pi, 0); the second one is stable for 0 < K < 4.

    Chaotic near the hyperbolic point for all K > 0.  At the default, Greene's critical value, the last torus that
    winds around the cylinder breaks, and beyond it p wanders without bounds; the Lyapunov exponent of the chaotic sea
    tends to ln(K / 2) for large K.

    References
    ----------
    Chirikov, "A universal instability of many-dimensional oscillator systems", Physics Reports 52 (1979) 263, section
    5.1; Greene, "A method for determining a stochastic transition", Journal of Mathematical Physics 20 (1979) 1183.

    Examples
    --------
    >>> StandardMap(kick=2.0)(0, [0.5, 1.0]).round(6)
    array([2.458851, 1.958851])
    """

    state_names: ClassVar[tuple[str, ...]] = ("theta", "p")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"kick": "1"}
    default_time: ClassVar[float] = 1000.0

    kick: float = 0.971635

    @property
    def canonical(self) -> bool:
        """True: the map is symplectic."""
        return True

    def image(self, n: Any, state: Any) -> tuple[Any, Any]:
        theta, p = state
        after = p + self.kick * ops.sin(theta)
        return theta + after, after

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"hyperbolic": (0.0, 0.0), "elliptic": (math.pi, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Beside the hyperbolic point, in the chaotic sea."""
        return (0.1, 0.0)
