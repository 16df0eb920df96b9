"""A pole on a cart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.number import raw
from systems._lagrangian import LagrangianSystem

__all__ = ["CartPole"]


@final
@dataclass(frozen=True)
class CartPole(LagrangianSystem):
    """A uniform pole hinged to a cart on a level rail, with a force on the cart and friction at both.

    Lagrange's equations, with theta from upright, of

        L = (M + m) x'^2 / 2 + m l x' theta' cos(theta) / 2 + m l^2 theta'^2 / 6 - m g l cos(theta) / 2

    with the generalised forces ``F - c x'`` along x and ``-d theta'`` along theta.

    State

    =========  ======================  =====
    symbol     meaning                 unit
    =========  ======================  =====
    x          place of the cart       m
    theta      angle from upright      rad
    x_dot      velocity of the cart    m/s
    theta_dot  angular velocity        rad/s
    =========  ======================  =====

    Parameters

    ============  =======  =======  ==================================
    symbol        default  unit     meaning
    ============  =======  =======  ==================================
    gravity       9.8      m/s^2    acceleration g of gravity
    mass_cart     1.0      kg       mass M of the cart
    mass_pole     0.1      kg       mass m of the pole
    length        1.0      m        length l of the pole
    force         0.0      N        force F on the cart
    damping_cart  0.0      N s/m    friction c of the cart
    damping_pole  0.0      N m s    friction d of the hinge
    ============  =======  =======  ==================================

    Invariants: without force and friction the energy and the momentum p_x.

    Equilibria, without force: upright (unstable) and hanging, wherever the cart stands.

    Chaotic nowhere: two invariants for two coordinates.

    References
    ----------
    Barto, Sutton, Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems", IEEE
    Transactions on Systems, Man, and Cybernetics 13 (1983) 834, whose half-length is l / 2; Florian, "Correct equations
    for the dynamics of the cart-pole system" (2007).

    Examples
    --------
    >>> CartPole(force=10.0)(0.0, [0.0, 0.1, 0.0, 0.0]).round(6)
    array([  0.     ,   0.     ,   9.67781, -12.97664])
    """

    coordinates: ClassVar[tuple[str, ...]] = ("x", "theta")
    state_units: ClassVar[tuple[str, ...]] = ("m", "rad", "m/s", "rad/s")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "gravity": "m/s^2",
        "mass_cart": "kg",
        "mass_pole": "kg",
        "length": "m",
        "force": "N",
        "damping_cart": "N s/m",
        "damping_pole": "N m s",
    }
    angles: ClassVar[tuple[int, ...]] = (1,)
    positive: ClassVar[frozenset[str]] = frozenset({"mass_cart", "mass_pole", "length"})
    non_negative: ClassVar[frozenset[str]] = frozenset({"damping_cart", "damping_pole"})
    rods: ClassVar[tuple[tuple[int, int], ...]] = ((1, 2),)

    gravity: float = 9.8
    mass_cart: float = 1.0
    mass_pole: float = 0.1
    length: float = 1.0
    force: float = 0.0
    damping_cart: float = 0.0
    damping_pole: float = 0.0

    def mass_matrix(self, q: Any) -> Any:
        moment = self.mass_pole * self.length
        coupling = 0.5 * moment * ops.cos(q[1])
        return [[self.mass_cart + self.mass_pole, coupling], [coupling, moment * self.length / 3.0]]

    def potential(self, q: Any, t: Any) -> Any:
        return 0.5 * self.mass_pole * self.gravity * self.length * ops.cos(q[1])

    def forces(self, q: Any, qdot: Any, t: Any) -> Any:
        return [self.force - self.damping_cart * qdot[0], -self.damping_pole * qdot[1]]

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        if np.any(raw(self.force)):
            return {}
        return {"upright": (0.0, 0.0, 0.0, 0.0), "hanging": (0.0, math.pi, 0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Not quite upright: the pole falls over and comes up again."""
        return (0.0, 0.1, 0.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return the middle of the rail, the hinge and the end of the pole in m, of shape (3, 2, *batch)."""
        x, theta = state[0], state[1]
        hinge = array_ops.stack([x, 0.0 * x])
        end = array_ops.stack([x + self.length * ops.sin(theta), self.length * ops.cos(theta)])
        return array_ops.stack([0.0 * hinge, hinge, end])
