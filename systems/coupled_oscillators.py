"""Equal masses in a row, joined by springs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

from systems._chains import Chain, chain_points

__all__ = ["CoupledOscillators"]


@final
@dataclass(frozen=True)
class CoupledOscillators(Chain):
    """Masses m in a row between two walls: springs k to the walls, springs c from each mass to the next.

    With ``q_0 = q_(n+1) = 0`` at the walls, ``k_i`` being k for the first and the last spring and c for all others,

        q_i' = p_i / m
        p_i' = k_(i+1) (q_(i+1) - q_i) - k_i (q_i - q_(i-1))

    Two of them beat: the modes have the angular frequencies ``sqrt(k / m)``, both masses alike, and
    ``sqrt((k + 2 c) / m)``, against each other.  For c = k the n modes are ``2 sqrt(k / m) sin(pi j / (2 n + 2))``.

    State

    ======  ================================  ======
    symbol  meaning                           unit
    ======  ================================  ======
    q_i     displacement of mass i from rest  m
    p_i     momentum of mass i, m q_i'        kg m/s
    ======  ================================  ======

    Parameters

    =========  =======  ====  ===========================
    symbol     default  unit  meaning
    =========  =======  ====  ===========================
    mass       1.0      kg    mass m of each
    stiffness  4.0      N/m   springs k to the walls
    coupling   0.4      N/m   springs c between neighbours
    =========  =======  ====  ===========================

    Option ``bodies``: their number n, 2 by default.

    Invariants: the energy; for two masses also the energy of each mode.

    Equilibria: rest.

    Chaotic nowhere: the equations are linear.

    References
    ----------
    Goldstein, Poole, Safko, Classical Mechanics, 3rd edition, chapter 6; for the chain Fetter and Walecka, Theoretical
    Mechanics of Particles and Continua, section 24.

    Examples
    --------
    >>> CoupledOscillators(bodies=3)(0.0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.5])
    array([ 0. ,  0. ,  0.5, -4.4,  0.4,  0. ])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"mass": "kg", "stiffness": "N/m", "coupling": "N/m"}
    positive: ClassVar[frozenset[str]] = frozenset({"mass", "stiffness"})
    non_negative: ClassVar[frozenset[str]] = frozenset({"coupling"})
    default_time: ClassVar[float] = 60.0

    mass: float = 1.0
    stiffness: float = 4.0
    coupling: float = 0.4
    bodies: int = field(default=2, kw_only=True, metadata={"parameter": False})

    def pulls(self, stretches: list[Any]) -> list[Any]:
        return [k * d for k, d in zip(self._springs, stretches, strict=True)]

    def stored(self, stretches: list[Any]) -> list[Any]:
        return [0.5 * k * d * d for k, d in zip(self._springs, stretches, strict=True)]

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        if self.bodies != 2:
            return {"energy": self.energy}
        return {"energy": self.energy, "energy_alike": self._energy_alike, "energy_against": self._energy_against}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """The first mass pulled aside: the swing wanders to the last one and back."""
        return (1.0, *[0.0] * (self.dimension - 1))

    def positions(self, state: Any) -> Any:
        """Return the left wall and the masses, 1 m apart at rest, in m, of shape (n + 1, 2, *batch)."""
        return chain_points(state, self.bodies, across=False)

    @property
    def _springs(self) -> list[Any]:
        """The stiffness of each spring from the left wall to the right one."""
        return [self.stiffness, *[self.coupling] * (self.bodies - 1), self.stiffness]

    def _energy_alike(self, state: Any) -> Any:
        q, p = state[0] + state[1], state[2] + state[3]
        return 0.25 * (p * p / self.mass + self.stiffness * q * q)

    def _energy_against(self, state: Any) -> Any:
        q, p = state[0] - state[1], state[2] - state[3]
        return 0.25 * (p * p / self.mass + (self.stiffness + 2.0 * self.coupling) * q * q)
