"""The double pendulum on a cart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import array_ops, ops
from systems._hamiltonian import HamiltonianSystem
from systems._linkage import linked_points

__all__ = ["DoublePendulumOnCart"]


@final
@dataclass(frozen=True)
class DoublePendulumOnCart(HamiltonianSystem):
    """Two uniform rods, one hung from the other, hung from a cart that runs on a level rail without friction.

    Hamilton's equations of ``H = p . M^-1 p / 2 + V`` with ``c_i = cos(theta_i)`` and ``delta = theta_1 - theta_2``,

        M = [[m_c + m_1 + m_2,          (m_1/2 + m_2) l_1 c_1,         m_2 l_2 c_2 / 2            ],
             [(m_1/2 + m_2) l_1 c_1,    (m_1/3 + m_2) l_1^2,           m_2 l_1 l_2 cos(delta) / 2 ],
             [m_2 l_2 c_2 / 2,          m_2 l_1 l_2 cos(delta) / 2,    m_2 l_2^2 / 3              ]]
        V = -g (m_1/2 + m_2) l_1 c_1 - g m_2 l_2 c_2 / 2

    State

    =========  ============================================  ========
    symbol     meaning                                       unit
    =========  ============================================  ========
    x          place of the cart                             m
    theta_1    angle of the upper rod, from hanging          rad
    theta_2    angle of the lower rod, from hanging          rad
    p_x        momentum of everything along the rail         kg m/s
    p_theta_1  momentum conjugate to theta_1                 kg m^2/s
    p_theta_2  momentum conjugate to theta_2                 kg m^2/s
    =========  ============================================  ========

    Parameters

    =========  =======  =====  ===========================
    symbol     default  unit   meaning
    =========  =======  =====  ===========================
    gravity    9.8      m/s^2  acceleration g of gravity
    mass_cart  1.0      kg     mass m_c of the cart
    mass_1     1.0      kg     mass m_1 of the upper rod
    mass_2     1.0      kg     mass m_2 of the lower rod
    length_1   1.0      m      length l_1 of the upper rod
    length_2   1.0      m      length l_2 of the lower rod
    =========  =======  =====  ===========================

    Invariants: the energy and p_x.

    Equilibria: hanging, inverted, first_up, second_up, wherever the cart stands; only hanging is stable, but for the
    cart, which may roll away.

    Chaotic for most starts of middling energy.  A cart of great mass leaves the `DoublePendulum`.

    References
    ----------
    Graichen, Treuer, Zeitz, "Swing-up of the double pendulum on a cart by feedforward and feedback control with
    experimental validation", Automatica 43 (2007) 63.

    Examples
    --------
    >>> DoublePendulumOnCart(mass_cart=1e9)(0.0, [0.0, 0.4, 0.0, 0.0, 1.0, 4.0]).round(4)
    array([ -0.    ,  -6.4934,  20.9713,   0.    ,  20.7902, -26.5146])
    """

    coordinates: ClassVar[tuple[str, ...]] = ("x", "theta_1", "theta_2")
    state_units: ClassVar[tuple[str, ...]] = ("m", "rad", "rad", "kg m/s", "kg m^2/s", "kg m^2/s")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "gravity": "m/s^2",
        "mass_cart": "kg",
        "mass_1": "kg",
        "mass_2": "kg",
        "length_1": "m",
        "length_2": "m",
    }
    angles: ClassVar[tuple[int, ...]] = (1, 2)
    positive: ClassVar[frozenset[str]] = frozenset({"mass_cart", "mass_1", "mass_2", "length_1", "length_2"})
    rods: ClassVar[tuple[tuple[int, int], ...]] = ((1, 2), (2, 3))

    gravity: float = 9.8
    mass_cart: float = 1.0
    mass_1: float = 1.0
    mass_2: float = 1.0
    length_1: float = 1.0
    length_2: float = 1.0

    def mass_matrix(self, q: Any) -> Any:
        upper, lower = self._moments()
        along_1, along_2 = upper * ops.cos(q[1]), lower * ops.cos(q[2])
        coupling = lower * self.length_1 * ops.cos(q[1] - q[2])
        whole = self.mass_cart + self.mass_1 + self.mass_2
        first = (self.mass_1 / 3.0 + self.mass_2) * self.length_1 * self.length_1
        second = self.mass_2 * self.length_2 * self.length_2 / 3.0
        return [[whole, along_1, along_2], [along_1, first, coupling], [along_2, coupling, second]]

    def potential(self, q: Any, t: Any) -> Any:
        upper, lower = self._moments()
        return -self.gravity * (upper * ops.cos(q[1]) + lower * ops.cos(q[2]))

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        up, still = math.pi, (0.0, 0.0, 0.0)
        return {
            "hanging": (0.0, 0.0, 0.0, *still),
            "inverted": (0.0, up, up, *still),
            "first_up": (0.0, up, 0.0, *still),
            "second_up": (0.0, 0.0, up, *still),
        }

    @property
    def default_state(self) -> tuple[Any, ...]:
        """The rods held straight at 2 rad from hanging, the cart at rest, and all let go."""
        return (0.0, 2.0, 2.0, 0.0, 0.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return the middle of the rail, cart, joint and free end in m, of shape (4, 2, *batch)."""
        x = state[0]
        points = linked_points([state[1], state[2]], [self.length_1, self.length_2], x)
        middle = array_ops.stack([array_ops.stack([0.0 * x, 0.0 * x])])
        return array_ops.concatenate([middle, points])

    def _moments(self) -> tuple[Any, Any]:
        """Return (m_1/2 + m_2) l_1 and m_2 l_2 / 2."""
        return (0.5 * self.mass_1 + self.mass_2) * self.length_1, 0.5 * self.mass_2 * self.length_2
