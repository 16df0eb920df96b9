"""Furuta's pendulum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.number import raw
from systems._lagrangian import LagrangianSystem

__all__ = ["Furuta"]

_TILT = 0.35  # of the view: how far upwards a metre away from the onlooker is drawn, in metres


@final
@dataclass(frozen=True)
class Furuta(LagrangianSystem):
    """A uniform rod at the end of an arm that turns in the horizontal plane: the rotary inverted pendulum.

    The rod swings in the vertical plane across the arm.  Lagrange's equations of

        L = (J + m (L^2 + l^2 sin(theta)^2 / 3)) phi'^2 / 2 + m L l cos(theta) phi' theta' / 2 + m l^2 theta'^2 / 6
            + m g l cos(theta) / 2

    with the generalised forces ``T - c phi'`` along phi and ``-d theta'`` along theta.

    State

    =========  =====================================  =====
    symbol     meaning                                unit
    =========  =====================================  =====
    phi        angle of the arm                       rad
    theta      angle of the rod, from hanging         rad
    phi_dot    angular velocity of the arm            rad/s
    theta_dot  angular velocity of the rod            rad/s
    =========  =====================================  =====

    Parameters

    ===========  =======  ======  ====================================================
    symbol       default  unit    meaning
    ===========  =======  ======  ====================================================
    gravity      9.8      m/s^2   acceleration g of gravity
    inertia      0.1      kg m^2  moment of inertia J of the arm and motor about the axis
    length_arm   0.5      m       length L of the arm
    mass         0.5      kg      mass m of the rod
    length       0.8      m       length l of the rod
    torque       0.0      N m     torque T on the arm
    damping_arm  0.0      N m s   friction c of the arm
    damping      0.0      N m s   friction d of the rod's hinge
    ===========  =======  ======  ====================================================

    Invariants: without torque and friction the energy and the angular momentum p_phi.

    Equilibria, without torque: hanging (stable, but for the arm, which may turn) and inverted, wherever the arm stands.

    Chaotic nowhere without torque: two invariants for two coordinates.

    References
    ----------
    Cazzolato and Prime, "On the dynamics of the Furuta pendulum", Journal of Control Science and Engineering (2011)
    528341, equations (33) and (34).

    Examples
    --------
    >>> Furuta(torque=0.2)(0.0, [0.0, 0.3, 1.0, 2.0]).round(6)
    array([ 1.      ,  2.      ,  4.635509, -9.299554])
    """

    coordinates: ClassVar[tuple[str, ...]] = ("phi", "theta")
    state_units: ClassVar[tuple[str, ...]] = ("rad", "rad", "rad/s", "rad/s")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "gravity": "m/s^2",
        "inertia": "kg m^2",
        "length_arm": "m",
        "mass": "kg",
        "length": "m",
        "torque": "N m",
        "damping_arm": "N m s",
        "damping": "N m s",
    }
    angles: ClassVar[tuple[int, ...]] = (0, 1)
    positive: ClassVar[frozenset[str]] = frozenset({"inertia", "length_arm", "mass", "length"})
    non_negative: ClassVar[frozenset[str]] = frozenset({"damping_arm", "damping"})

    gravity: float = 9.8
    inertia: float = 0.1
    length_arm: float = 0.5
    mass: float = 0.5
    length: float = 0.8
    torque: float = 0.0
    damping_arm: float = 0.0
    damping: float = 0.0

    def mass_matrix(self, q: Any) -> Any:
        sine, moment = ops.sin(q[1]), self.mass * self.length
        own = moment * self.length / 3.0
        coupling = 0.5 * moment * self.length_arm * ops.cos(q[1])
        arm = self.inertia + self.mass * self.length_arm * self.length_arm + own * sine * sine
        return [[arm, coupling], [coupling, own]]

    def potential(self, q: Any, t: Any) -> Any:
        return -0.5 * self.mass * self.gravity * self.length * ops.cos(q[1])

    def forces(self, q: Any, qdot: Any, t: Any) -> Any:
        return [self.torque - self.damping_arm * qdot[0], -self.damping * qdot[1]]

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        if np.any(raw(self.torque)):
            return {}
        return {"hanging": (0.0, 0.0, 0.0, 0.0), "inverted": (0.0, math.pi, 0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Nearly upright on a turning arm: the rod falls, and the arm turns now slower, now faster."""
        return (0.0, 3.0, 2.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return axis, end of the arm and end of the rod, seen aslant from above, in m, of shape (3, 2, *batch)."""
        phi, theta = state[0], state[1]
        ahead, aside = ops.cos(phi), ops.sin(phi)
        x, y = self.length_arm * ahead, self.length_arm * aside
        reach = self.length * ops.sin(theta)
        arm = array_ops.stack([x, _TILT * y])
        height = -self.length * ops.cos(theta)
        end = array_ops.stack([x - reach * aside, _TILT * (y + reach * ahead) + height])
        return array_ops.stack([0.0 * arm, arm, end])
