"""The pendulum that swings in every direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import array_ops, ops
from systems._hamiltonian import HamiltonianSystem

__all__ = ["SphericalPendulum"]


@final
@dataclass(frozen=True)
class SphericalPendulum(HamiltonianSystem):
    """A point mass on a massless rod that is free to swing in every direction.

        H = p_theta^2 / (2 m l^2) + p_phi^2 / (2 m l^2 sin(theta)^2) - m g l cos(theta)

    State

    =======  ================================================  ========
    symbol   meaning                                           unit
    =======  ================================================  ========
    theta    angle from hanging                                rad
    phi      azimuth                                           rad
    p_theta  momentum conjugate to theta, m l^2 theta'         kg m^2/s
    p_phi    angular momentum about the vertical               kg m^2/s
    =======  ================================================  ========

    Parameters

    =======  =======  =====  =========================
    symbol   default  unit   meaning
    =======  =======  =====  =========================
    gravity  9.8      m/s^2  acceleration g of gravity
    mass     1.0      kg     mass m of the bob
    length   1.0      m      length l of the rod
    =======  =======  =====  =========================

    Invariants: the energy and p_phi.

    Equilibria: hanging and upright, where these coordinates are singular, so that none is declared.  Steady is the
    conical motion with ``phi'^2 = g / (l cos(theta))``.

    Chaotic nowhere: integrable, by elliptic functions.  Small swings are ellipses of semi-axes a and b that turn at the
    rate ``3 a b sqrt(g / l) / (8 l^2)``.

    References
    ----------
    Landau and Lifshitz, Mechanics, section 14, problem 1; Olsson, "The precessing spherical pendulum", American Journal
    of Physics 46 (1978) 1118.

    Examples
    --------
    >>> SphericalPendulum()(0.0, [0.5, 0.0, 0.1, 0.2]).round(6)
    array([ 0.1     ,  0.870137, -4.379815,  0.      ])
    """

    coordinates: ClassVar[tuple[str, ...]] = ("theta", "phi")
    state_units: ClassVar[tuple[str, ...]] = ("rad", "rad", "kg m^2/s", "kg m^2/s")
    parameter_units: ClassVar[Mapping[str, str]] = {"gravity": "m/s^2", "mass": "kg", "length": "m"}
    angles: ClassVar[tuple[int, ...]] = (0, 1)
    positive: ClassVar[frozenset[str]] = frozenset({"mass", "length"})
    default_time: ClassVar[float] = 20.0

    gravity: float = 9.8
    mass: float = 1.0
    length: float = 1.0

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        theta, _ = q
        across = p[1] / ops.sin(theta)
        kinetic = 0.5 * (p[0] * p[0] + across * across) / (self.mass * self.length * self.length)
        return kinetic - self.mass * self.gravity * self.length * ops.cos(theta)

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Swung out by 1 rad and pushed sideways: a rosette, seen from above."""
        return (1.0, 0.0, 0.0, 0.5)

    def positions(self, state: Any) -> Any:
        """Return pivot and bob seen from above, (x, y) in m, of shape (2, 2, *batch)."""
        reach = self.length * ops.sin(state[0])
        bob = array_ops.stack([reach * ops.cos(state[1]), reach * ops.sin(state[1])])
        return array_ops.stack([0.0 * bob, bob])
