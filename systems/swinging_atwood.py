"""Atwood's machine, one weight of which swings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.number import raw
from systems._hamiltonian import HamiltonianSystem

__all__ = ["SwingingAtwood"]

_ROPE = 3.0  # m, of the picture
_APART = 1.0  # m, between the pulleys of the picture


@final
@dataclass(frozen=True)
class SwingingAtwood(HamiltonianSystem):
    """Two weights on one rope over two small pulleys; one swings in a plane, the other only moves up and down.

        H = p_r^2 / (2 (M + m)) + p_theta^2 / (2 m r^2) + g r (M - m cos(theta))

    State

    =======  =============================================  ========
    symbol   meaning                                        unit
    =======  =============================================  ========
    r        distance of the swinging weight from its pulley  m
    theta    angle of its rope, from hanging                rad
    p_r      momentum conjugate to r, (M + m) r'            kg m/s
    p_theta  angular momentum, m r^2 theta'                 kg m^2/s
    =======  =============================================  ========

    Parameters

    =============  =======  =====  =========================
    symbol         default  unit   meaning
    =============  =======  =====  =========================
    gravity        9.8      m/s^2  acceleration g of gravity
    mass           1.0      kg     swinging mass m
    counterweight  3.0      kg     mass M that does not swing
    =============  =======  =====  =========================

    Invariants: the energy; for M = 3 m also Tufillaro's,
    ``p_theta (p_r cos(theta/2) - 2 p_theta sin(theta/2) / r) / (4 m) + m g r^2 sin(theta/2) cos(theta/2)^2``.

    Equilibria: none; for M = m hanging, at every r.

    Chaotic for most mass ratios; for M > m the motion is bounded.  Integrable for M = 3 m.

    References
    ----------
    Tufillaro, Abbott, Griffiths, "Swinging Atwood's machine", American Journal of Physics 52 (1984) 895; Tufillaro,
    "Integrable motion of a swinging Atwood's machine", American Journal of Physics 54 (1986) 142.

    Examples
    --------
    >>> SwingingAtwood()(0.0, [1.0, 0.5, 0.0, 0.2]).round(6)
    array([  0.      ,   0.2     , -20.759691,  -4.69837 ])
    """

    coordinates: ClassVar[tuple[str, ...]] = ("r", "theta")
    state_units: ClassVar[tuple[str, ...]] = ("m", "rad", "kg m/s", "kg m^2/s")
    parameter_units: ClassVar[Mapping[str, str]] = {"gravity": "m/s^2", "mass": "kg", "counterweight": "kg"}
    angles: ClassVar[tuple[int, ...]] = (1,)
    positive: ClassVar[frozenset[str]] = frozenset({"mass", "counterweight"})
    rods: ClassVar[tuple[tuple[int, int], ...]] = ((1, 2),)
    default_time: ClassVar[float] = 20.0

    gravity: float = 9.8
    mass: float = 1.0
    counterweight: float = 3.0

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        r, theta = q
        along = p[0] * p[0] / (self.mass + self.counterweight)
        around = p[1] * p[1] / (self.mass * r * r)
        return 0.5 * (along + around) + self.gravity * r * (self.counterweight - self.mass * ops.cos(theta))

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        mass, weight = 3.0 * raw(self.mass), raw(self.counterweight)
        if np.all(abs(weight - mass) <= 1e-15 * mass):  # 3 x 0.8 is not 2.4
            return {**super().invariants, "tufillaro": self._tufillaro}
        return super().invariants

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Let go from the side: teardrops and hearts."""
        return (1.0, 0.5 * math.pi, 0.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return the counterweight, its pulley, the other pulley at the origin and the swinging weight, (4, 2, *batch).

        In m; the pulleys are 1 m apart, and 3 m of rope hang down from both together.
        """
        r, theta = state[0], state[1]
        still = 0.0 * r
        weight = array_ops.stack([still - _APART, r - _ROPE])
        pulley = array_ops.stack([still - _APART, still])
        bob = array_ops.stack([r * ops.sin(theta), -r * ops.cos(theta)])
        return array_ops.stack([weight, pulley, 0.0 * pulley, bob])

    def _tufillaro(self, state: Any) -> Any:
        r, theta, p_r, p_theta = state
        sine, cosine = ops.sin(0.5 * theta), ops.cos(0.5 * theta)
        moving = 0.25 * p_theta * (p_r * cosine - 2.0 * p_theta * sine / r) / self.mass
        return moving + self.mass * self.gravity * r * r * sine * cosine * cosine
