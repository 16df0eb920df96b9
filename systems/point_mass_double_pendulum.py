"""The double pendulum of two point masses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import ops
from systems._hamiltonian import HamiltonianSystem
from systems._linkage import linked_points

__all__ = ["PointMassDoublePendulum"]


@final
@dataclass(frozen=True)
class PointMassDoublePendulum(HamiltonianSystem):
    """Two point masses on massless rods, the second hung from the first, swinging without friction in a vertical plane.

    Hamilton's equations of ``H = p . M^-1 p / 2 + V`` with, for ``delta = theta_1 - theta_2``,

        M = [[(m_1 + m_2) l_1^2,         m_2 l_1 l_2 cos(delta)],
             [m_2 l_1 l_2 cos(delta),    m_2 l_2^2             ]]
        V = -g (m_1 + m_2) l_1 cos(theta_1) - g m_2 l_2 cos(theta_2)

    State

    =========  =============================================  ========
    symbol     meaning                                        unit
    =========  =============================================  ========
    theta_1    angle of the upper rod, from hanging           rad
    theta_2    angle of the lower rod, from hanging           rad
    p_theta_1  momentum conjugate to theta_1, dL/d(theta_1')  kg m^2/s
    p_theta_2  momentum conjugate to theta_2, dL/d(theta_2')  kg m^2/s
    =========  =============================================  ========

    Parameters

    ========  =======  =====  ==========================
    symbol    default  unit   meaning
    ========  =======  =====  ==========================
    gravity   9.8      m/s^2  acceleration g of gravity
    mass_1    1.0      kg     upper mass m_1
    mass_2    1.0      kg     lower mass m_2
    length_1  1.0      m      length l_1 of the upper rod
    length_2  1.0      m      length l_2 of the lower rod
    ========  =======  =====  ==========================

    Invariants: the energy.

    Equilibria: hanging (0, 0), inverted (pi, pi), first_up (pi, 0), second_up (0, pi); only the first is stable.  Of
    equal masses and rods the small swings have the angular frequencies ``sqrt((2 -+ sqrt(2)) g / l)``.

    Chaotic for most starts of middling energy.  Not to be confused with the double pendulum of uniform rods,
    `DoublePendulum`.

    References
    ----------
    Landau and Lifshitz, Mechanics, section 5, problem 1, and section 23, problem 2; Richter and Scholz, "Chaos in
    classical mechanics: the double pendulum", in Stochastic Phenomena and Chaotic Behaviour in Complex Systems (1984).

    Examples
    --------
    >>> PointMassDoublePendulum()(0.0, [0.4, 0.0, 1.0, 4.0]).round(6)
    array([-2.330788,  6.146798, -2.053449, -5.57915 ])
    """

    coordinates: ClassVar[tuple[str, ...]] = ("theta_1", "theta_2")
    state_units: ClassVar[tuple[str, ...]] = ("rad", "rad", "kg m^2/s", "kg m^2/s")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "gravity": "m/s^2",
        "mass_1": "kg",
        "mass_2": "kg",
        "length_1": "m",
        "length_2": "m",
    }
    angles: ClassVar[tuple[int, ...]] = (0, 1)
    positive: ClassVar[frozenset[str]] = frozenset({"mass_1", "mass_2", "length_1", "length_2"})
    rods: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1), (1, 2))

    gravity: float = 9.8
    mass_1: float = 1.0
    mass_2: float = 1.0
    length_1: float = 1.0
    length_2: float = 1.0

    def mass_matrix(self, q: Any) -> Any:
        coupling = self.mass_2 * self.length_1 * self.length_2 * ops.cos(q[0] - q[1])
        first = (self.mass_1 + self.mass_2) * self.length_1 * self.length_1
        return [[first, coupling], [coupling, self.mass_2 * self.length_2 * self.length_2]]

    def potential(self, q: Any, t: Any) -> Any:
        upper = (self.mass_1 + self.mass_2) * self.length_1 * ops.cos(q[0])
        return -self.gravity * (upper + self.mass_2 * self.length_2 * ops.cos(q[1]))

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        up = math.pi
        return {
            "hanging": (0.0, 0.0, 0.0, 0.0),
            "inverted": (up, up, 0.0, 0.0),
            "first_up": (up, 0.0, 0.0, 0.0),
            "second_up": (0.0, up, 0.0, 0.0),
        }

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Let go at 120 and -10 degrees."""
        return (math.radians(120.0), math.radians(-10.0), 0.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return pivot and masses in m, of shape (3, 2, *batch)."""
        return linked_points([state[0], state[1]], [self.length_1, self.length_2])
