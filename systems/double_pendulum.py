"""The double pendulum of two uniform rods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.number import raw
from systems._angular import AngularSystem

__all__ = ["DoublePendulum"]


@final
@dataclass(frozen=True, repr=False)  # AngularSystem's own shows `half_turns` only when it is used
class DoublePendulum(AngularSystem):
    """Two uniform rods, the second hinged to the end of the first, swinging without friction in a vertical plane.

    Hamilton's equations of ``H = p . M^-1 p / 2 + V`` with, for ``delta = theta_1 - theta_2``,

        M = [[(m_1/3 + m_2) l_1^2,            m_2 l_1 l_2 cos(delta) / 2],
             [m_2 l_1 l_2 cos(delta) / 2,     m_2 l_2^2 / 3             ]]
        V = -g (m_1/2 + m_2) l_1 cos(theta_1) - g m_2 l_2 cos(theta_2) / 2

    that is, with ``B = m_2 l_1 l_2 / 2``,

        (theta_1', theta_2') = M^-1 (p_1, p_2)
        p_1' = -B sin(delta) theta_1' theta_2' - g (m_1/2 + m_2) l_1 sin(theta_1)
        p_2' =  B sin(delta) theta_1' theta_2' - g m_2 l_2 sin(theta_2) / 2

    State

    =======  =============================================  ========
    symbol   meaning                                        unit
    =======  =============================================  ========
    theta_1  angle of the upper rod, from hanging           rad
    theta_2  angle of the lower rod, from hanging           rad
    p_1      momentum conjugate to theta_1, dL/d(theta_1')  kg m^2/s
    p_2      momentum conjugate to theta_2, dL/d(theta_2')  kg m^2/s
    =======  =============================================  ========

    Parameters

    ========  =======  =====  ==========================
    symbol    default  unit   meaning
    ========  =======  =====  ==========================
    gravity   9.8      m/s^2  acceleration g of gravity
    mass_1    1.0      kg     mass m_1 of the upper rod
    mass_2    1.0      kg     mass m_2 of the lower rod
    length_1  1.0      m      length l_1 of the upper rod
    length_2  1.0      m      length l_2 of the lower rod
    ========  =======  =====  ==========================

    Option ``half_turns``: ``DoublePendulum().about("inverted")`` is this system with the state (x_1, x_2, p_1, p_2),
    x = theta - pi, and loses no digit near the inverted equilibrium; see `AngularSystem`.

    Invariants: the energy H; with ``gravity=0`` also the angular momentum p_1 + p_2.

    Equilibria: hanging (0, 0), inverted (pi, pi), first_up (pi, 0), second_up (0, pi); only the first is stable.

    Chaotic for most starts of middling energy: the largest Lyapunov exponent from (0.4, 0, 1, 4) is about 1.15 per
    second.  Regular near hanging (from (0.5, 0.5, 0, 0), say) and, for energies far above that of gravity, again.
    Not to be confused with the double pendulum of point masses on massless rods, whose M and exponents differ.

    References
    ----------
    Landau and Lifshitz, Mechanics, section 40 (Hamilton's equations), section 32 (inertia of a rod); Shinbrot, Grebogi,
    Wisdom, Yorke, "Chaos in a double pendulum", American Journal of Physics 60 (1992) 491.

    Examples
    --------
    >>> DoublePendulum()(0.0, [0.4, 0.0, 1.0, 4.0]).round(6)
    array([ -6.493432,  20.971271,  20.790175, -26.514624])
    """

    state_names: ClassVar[tuple[str, ...]] = ("theta_1", "theta_2", "p_1", "p_2")
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
    resting: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "hanging": (0, 0),
        "inverted": (1, 1),
        "first_up": (1, 0),
        "second_up": (0, 1),
    }

    gravity: float = 9.8
    mass_1: float = 1.0
    mass_2: float = 1.0
    length_1: float = 1.0
    length_2: float = 1.0

    @property
    def canonical(self) -> bool:
        return True

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any, Any]:
        theta_1, theta_2, p_1, p_2 = state
        inverse, coupling, pull_1, pull_2 = self._constants()
        delta = theta_1 - theta_2
        omega_1, omega_2 = self._velocities(ops.cos(delta), p_1, p_2, inverse, coupling)
        torque = coupling * ops.sin(delta) * omega_1 * omega_2
        return omega_1, omega_2, pull_1 * ops.sin(theta_1) - torque, torque + pull_2 * ops.sin(theta_2)

    def energy(self, state: Any) -> Any:
        """Return H in J of ``state`` (4, *batch), of shape (*batch); zero where both rods lie level and at rest."""
        theta_1, theta_2, p_1, p_2 = state
        inverse, coupling, pull_1, pull_2 = self._constants()
        omega_1, omega_2 = self._velocities(ops.cos(theta_1 - theta_2), p_1, p_2, inverse, coupling)
        return 0.5 * (p_1 * omega_1 + p_2 * omega_2) + pull_1 * ops.cos(theta_1) + pull_2 * ops.cos(theta_2)

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        if np.any(raw(self.gravity)):
            return {"energy": self.energy}
        return {"energy": self.energy, "angular_momentum": lambda state: state[2] + state[3]}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """A chaotic start of 20.26 J, just above the 19.6 J of the inverted equilibrium: both rods go over the top."""
        return tuple(self.from_absolute([0.4, 0.0, 1.0, 4.0]).tolist())

    def positions(self, state: Any) -> Any:
        """Return pivot, joint and free end in m, of shape (3, 2, *batch)."""
        theta_1, theta_2 = state[0], state[1]
        sign_1, sign_2 = self.signs
        reach_1, reach_2 = self.length_1 * sign_1, self.length_2 * sign_2
        x, y = reach_1 * ops.sin(theta_1), -reach_1 * ops.cos(theta_1)
        end = array_ops.stack([x + reach_2 * ops.sin(theta_2), y - reach_2 * ops.cos(theta_2)])
        return array_ops.stack([0.0 * end, array_ops.stack([x, y]), end])

    def _constants(self) -> tuple[Any, Any, Any, Any]:
        """Return 1/M_11, B and the two weights in V, with the signs of `half_turns` worked in."""
        sign_1, sign_2 = self.signs
        moment = self.mass_2 * self.length_2
        inverse = 3.0 / ((self.mass_1 + 3.0 * self.mass_2) * self.length_1 * self.length_1)
        coupling = (0.5 * sign_1 * sign_2) * self.length_1 * moment
        pull_1 = (-0.5 * sign_1) * self.gravity * (self.mass_1 + 2.0 * self.mass_2) * self.length_1
        pull_2 = (-0.5 * sign_2) * self.gravity * moment
        return inverse, coupling, pull_1, pull_2

    def _velocities(self, cosine: Any, p_1: Any, p_2: Any, inverse: Any, coupling: Any) -> tuple[Any, Any]:
        """Solve M (omega_1, omega_2) = (p_1, p_2) by elimination.

        With e = M_12 / M_11 the rows of M / M_11 are (1, e) and (e, M_22 / M_11), so that
        omega_2 = (p_2 / M_11 - e u) / (M_22 / M_11 - e^2) and omega_1 = u - e omega_2, where u = p_1 / M_11.
        The divisor is at least M_22 / (4 M_11): no masses and lengths make it vanish.

        PERF: 10 operations on the state, against 11 for Cramer's rule; each costs 1-3 us on a `Dual` or `Value`.
        """
        ratio = inverse * self.mass_2 * self.length_2 * self.length_2 / 3.0
        e = (inverse * coupling) * cosine
        u = inverse * p_1
        omega_2 = (inverse * p_2 - e * u) / (ratio - e * e)
        return u - e * omega_2, omega_2
