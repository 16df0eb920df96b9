"""The pendulum on a spring."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.number import raw
from systems._hamiltonian import HamiltonianSystem

__all__ = ["SpringPendulum"]


@final
@dataclass(frozen=True)
class SpringPendulum(HamiltonianSystem):
    """A point mass on a massless spring that swings and stretches in a vertical plane: the elastic pendulum.

        H = p_r^2 / (2 m) + p_theta^2 / (2 m r^2) + k (r - l)^2 / 2 - m g r cos(theta)

    State

    =======  =========================================  ========
    symbol   meaning                                    unit
    =======  =========================================  ========
    r        length of the spring, > 0                  m
    theta    angle from hanging                         rad
    p_r      momentum along the spring, m r'            kg m/s
    p_theta  angular momentum, m r^2 theta'             kg m^2/s
    =======  =========================================  ========

    Parameters

    =========  =======  =====  ========================================
    symbol     default  unit   meaning
    =========  =======  =====  ========================================
    gravity    9.8      m/s^2  acceleration g of gravity
    mass       1.0      kg     mass m of the bob
    stiffness  39.2     N/m    spring constant k
    length     0.75     m      length l of the spring when nothing pulls
    =========  =======  =====  ========================================

    Invariants: the energy.

    Equilibria: hanging, where r = l + m g / k; for l > m g / k also balanced on top.

    Chaotic at middling energy.  At the defaults the spring bounces twice as fast as the pendulum swings (k / m is 4 g
    over the hanging length), so that swing and bounce pass their energy to and fro.

    References
    ----------
    Vitt and Gorelik, "Oscillations of an elastic pendulum", Zhurnal Tekhnicheskoi Fiziki 3 (1933) 294; Breitenberger
    and Mueller, "The elastic pendulum: a nonlinear paradigm", Journal of Mathematical Physics 22 (1981) 1196.

    Examples
    --------
    >>> SpringPendulum(stiffness=10.0, length=1.0)(0.0, [2.0, 0.0, 0.5, 0.4]).round(6)
    array([ 0.5 ,  0.1 , -0.18, -0.  ])
    """

    coordinates: ClassVar[tuple[str, ...]] = ("r", "theta")
    state_units: ClassVar[tuple[str, ...]] = ("m", "rad", "kg m/s", "kg m^2/s")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "gravity": "m/s^2",
        "mass": "kg",
        "stiffness": "N/m",
        "length": "m",
    }
    angles: ClassVar[tuple[int, ...]] = (1,)
    positive: ClassVar[frozenset[str]] = frozenset({"mass", "stiffness", "length"})
    default_time: ClassVar[float] = 40.0

    gravity: float = 9.8
    mass: float = 1.0
    stiffness: float = 39.2
    length: float = 0.75

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        r, theta = q
        across, stretch = p[1] / r, r - self.length
        kinetic = 0.5 * (p[0] * p[0] + across * across) / self.mass
        return kinetic + 0.5 * self.stiffness * stretch * stretch - self.mass * self.gravity * r * ops.cos(theta)

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        sag = self.mass * self.gravity / self.stiffness
        found: dict[str, tuple[Any, ...]] = {}
        if np.all(raw(self.length) > -raw(sag)):
            found["hanging"] = (self.length + sag, 0.0, 0.0, 0.0)
        if np.all(raw(self.length) > raw(sag)):
            found["balanced"] = (self.length - sag, math.pi, 0.0, 0.0)
        return found

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Pulled down and a little aside: the bounce becomes a swing, and the swing a bounce."""
        return (1.3, 0.03, 0.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return pivot and bob in m, of shape (2, 2, *batch)."""
        r, theta = state[0], state[1]
        bob = array_ops.stack([r * ops.sin(theta), -r * ops.cos(theta)])
        return array_ops.stack([0.0 * bob, bob])
