"""A symmetric top under gravity, one point of which is fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import array_ops
from systems._base import System
from systems._quaternion import matrix, norm, turning

__all__ = ["HeavyTop"]


@final
@dataclass(frozen=True)
class HeavyTop(System):
    """A symmetric top that spins on a fixed point under gravity: Lagrange's top.

    With ``gamma``, the body's components of the upward direction, and the orientation as a quaternion q that takes
    the body's axes to those of space,

        I omega_1'   = (I - I_3) omega_2 omega_3 + m g l gamma_2
        I omega_2'   = (I_3 - I) omega_3 omega_1 - m g l gamma_1
        I_3 omega_3' = 0
        q'           = q (0, omega) / 2

    State

    =======  ===================================================  =====
    symbol   meaning                                              unit
    =======  ===================================================  =====
    omega_i  angular velocity about body axis i; 3 is the axis    rad/s
    q_i      orientation, a quaternion of norm 1; q_0 is scalar   1
    =======  ===================================================  =====

    Parameters

    ============  =======  ======  ==============================================
    symbol        default  unit    meaning
    ============  =======  ======  ==============================================
    gravity       9.8      m/s^2   acceleration g of gravity
    mass          1.0      kg      mass m
    length        0.3      m       distance l of the centre of mass from the point
    inertia       0.1      kg m^2  moment I about any line through the point, across the axis
    inertia_axis  0.02     kg m^2  moment I_3 about the axis
    ============  =======  ======  ==============================================

    Invariants: the energy; momentum_vertical, about the vertical through the point; momentum_axis, about the axis;
    norm, which is |q|^2.  A quaternion of another norm acts like gravity times |q|^2.

    Equilibria: hanging (stable) and upright, at rest, whichever way they are turned about the vertical.

    Chaotic nowhere: integrable, by elliptic functions.  A fast top that leans precesses steadily at both roots W of
    ``I cos(theta) W^2 - I_3 omega_3 W + m g l = 0``; let go without precession its axis draws cusps.  Upright it sleeps
    where ``(I_3 omega_3)^2 > 4 m g l I``.

    References
    ----------
    Goldstein, Poole, Safko, Classical Mechanics, 3rd edition, section 5.7; Landau and Lifshitz, Mechanics, section 35.

    Examples
    --------
    >>> HeavyTop()(0.0, [1.0, 2.0, 3.0, 0.8, 0.6, 0.0, 0.0])
    array([33.024, -2.4  ,  0.   , -0.3  ,  0.4  , -0.1  ,  1.8  ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("omega_1", "omega_2", "omega_3", "q_0", "q_1", "q_2", "q_3")
    state_units: ClassVar[tuple[str, ...]] = ("rad/s", "rad/s", "rad/s", "1", "1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "gravity": "m/s^2",
        "mass": "kg",
        "length": "m",
        "inertia": "kg m^2",
        "inertia_axis": "kg m^2",
    }
    positive: ClassVar[frozenset[str]] = frozenset({"mass", "length", "inertia", "inertia_axis"})

    gravity: float = 9.8
    mass: float = 1.0
    length: float = 0.3
    inertia: float = 0.1
    inertia_axis: float = 0.02

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        w_1, w_2, w_3, *q = state
        gamma_1, gamma_2, _ = matrix(q)[2]
        gyration = (self.inertia - self.inertia_axis) / self.inertia * w_3
        weight = self.mass * self.gravity * self.length / self.inertia
        return (
            gyration * w_2 + weight * gamma_2,
            -gyration * w_1 - weight * gamma_1,
            0.0 * w_3,
            *turning(q, (w_1, w_2, w_3)),
        )

    def energy(self, state: Any) -> Any:
        """Return the energy in J of ``state`` (7, *batch), of shape (*batch); the centre level with the point is 0."""
        w_1, w_2, w_3, *q = state
        turning_energy = 0.5 * (self.inertia * (w_1 * w_1 + w_2 * w_2) + self.inertia_axis * w_3 * w_3)
        return turning_energy + self.mass * self.gravity * self.length * matrix(q)[2][2]

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "energy": self.energy,
            "momentum_vertical": self._momentum_vertical,
            "momentum_axis": self._momentum_axis,
            "norm": _norm,
        }

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"hanging": (0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0), "upright": (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Leaning by 0.57 rad, spinning at 60 rad/s, let go without precession: its axis draws cusps."""
        return (0.0, 0.0, 60.0, 0.96, 0.28, 0.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return the fixed point and the centre of mass, seen from the side (x, z), in m, of shape (2, 2, *batch)."""
        q = [state[3], state[4], state[5], state[6]]
        rows, reach = matrix(q), self.length / norm(q)
        centre = array_ops.stack([reach * rows[0][2], reach * rows[2][2]])
        return array_ops.stack([0.0 * centre, centre])

    def _momentum_vertical(self, state: Any) -> Any:
        w_1, w_2, w_3, *q = state
        gamma_1, gamma_2, gamma_3 = matrix(q)[2]
        return self.inertia * (w_1 * gamma_1 + w_2 * gamma_2) + self.inertia_axis * w_3 * gamma_3

    def _momentum_axis(self, state: Any) -> Any:
        return self.inertia_axis * state[2]


def _norm(state: Any) -> Any:
    return norm([state[3], state[4], state[5], state[6]])
