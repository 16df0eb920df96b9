"""Kepler's problem in the plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import array_ops, ops
from systems._base import System

__all__ = ["Kepler"]


@final
@dataclass(frozen=True)
class Kepler(System):
    """A body of negligible mass in the field of a fixed centre: orbits are ellipses, parabolas, hyperbolas.

    With ``r^2 = x^2 + y^2``,

        x'   = v_x                  y'   = v_y
        v_x' = -mu x / r^3          v_y' = -mu y / r^3

    State

    ======  =============================  ====
    symbol  meaning                        unit
    ======  =============================  ====
    x       position, centre at (0, 0)     m
    y       position                       m
    v_x     velocity                       m/s
    v_y     velocity                       m/s
    ======  =============================  ====

    Parameters

    ======  =======  =======  ================================================
    symbol  default  unit     meaning
    ======  =======  =======  ================================================
    mu      1.0      m^3/s^2  gravitational parameter G M of the centre
    ======  =======  =======  ================================================

    All is a unit of body mass (the energy is in J/kg = m^2/s^2); any other consistent units do as well.

    Invariants: the energy ``v^2/2 - mu/r``, the angular momentum ``L = x v_y - y v_x``, and the two components of the
    Laplace-Runge-Lenz vector ``(v_y L - mu x/r, -v_x L - mu y/r)``, which points to the perihelion and has length
    mu e for an orbit of eccentricity e.

    Equilibria: none.

    Chaotic nowhere: it has more invariants than it needs to be integrable.  The collision r = 0 is a singularity.

    References
    ----------
    Hairer, Lubich, Wanner, Geometric Numerical Integration, 2nd edition, section I.2.1; Goldstein, Poole, Safko,
    Classical Mechanics, 3rd edition, section 3.9, equation (3.82).

    Examples
    --------
    >>> Kepler()(0.0, [2.0, 0.0, 0.0, 1.0])
    array([ 0.  ,  1.  , -0.25, -0.  ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "v_x", "v_y")
    state_units: ClassVar[tuple[str, ...]] = ("m", "m", "m/s", "m/s")
    parameter_units: ClassVar[Mapping[str, str]] = {"mu": "m^3/s^2"}
    positive: ClassVar[frozenset[str]] = frozenset({"mu"})

    mu: float = 1.0

    @property
    def canonical(self) -> bool:
        """True: the velocity is the momentum of a unit mass."""
        return True

    @property
    def separable(self) -> bool:
        return True

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any, Any]:
        x, y, v_x, v_y = state
        square = x * x + y * y
        pull = -self.mu / (square * ops.sqrt(square))
        return v_x, v_y, pull * x, pull * y

    def energy(self, state: Any) -> Any:
        """Return the energy a unit mass, in J/kg, of ``state`` (4, *batch), of shape (*batch); negative if bound."""
        x, y, v_x, v_y = state
        return 0.5 * (v_x * v_x + v_y * v_y) - self.mu / ops.hypot(x, y)

    def angular_momentum(self, state: Any) -> Any:
        """Return x v_y - y v_x in m^2/s, of shape (*batch)."""
        x, y, v_x, v_y = state
        return x * v_y - y * v_x

    def laplace_runge_lenz(self, state: Any) -> tuple[Any, Any]:
        """Return the two components of the Laplace-Runge-Lenz vector in m^3/s^2, each of shape (*batch)."""
        x, y, v_x, v_y = state
        momentum = x * v_y - y * v_x
        pull = self.mu / ops.hypot(x, y)
        return v_y * momentum - pull * x, -v_x * momentum - pull * y

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "energy": self.energy,
            "angular_momentum": self.angular_momentum,
            "laplace_runge_lenz_x": lambda state: self.laplace_runge_lenz(state)[0],
            "laplace_runge_lenz_y": lambda state: self.laplace_runge_lenz(state)[1],
        }

    @property
    def default_state(self) -> tuple[Any, ...]:
        """At the perihelion of an ellipse of semi-axis 1 m and eccentricity 0.6: period 2 pi for mu = 1."""
        return (0.4, 0.0, 0.0, 2.0 * ops.sqrt(self.mu))

    def positions(self, state: Any) -> Any:
        """Return the centre and the body in m, of shape (2, 2, *batch)."""
        body = array_ops.stack([state[0], state[1]])
        return array_ops.stack([0.0 * body, body])
