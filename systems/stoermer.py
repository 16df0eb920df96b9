"""Stoermer's problem: a charged particle around a magnetic dipole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.number import raw
from systems._base import System

__all__ = ["Stoermer"]

_LEAST = 1e-100
"""Angular momentum and moment below which equilibria do not count: they lie where doubles end."""


@final
@dataclass(frozen=True)
class Stoermer(System):
    """A charged particle in the field of a magnetic dipole, such as the Earth's: aurora and radiation belts.

    The field is the same all around the axis, so that the canonical angular momentum L about it is conserved, and the
    motion in the meridian plane that goes round with the particle is that of a unit mass, with ``r^2 = rho^2 + z^2``:

        H = (p_rho^2 + p_z^2) / 2 + (L / rho - M rho / r^3)^2 / 2

        rho' = p_rho        p_rho' = w (L / rho^2 + M / r^3 - 3 M rho^2 / r^5),      w = L / rho - M rho / r^3
        z'   = p_z          p_z'   = -3 w M rho z / r^5

    w is the speed around the axis, which turns by ``phi' = w / rho``.

    State (everything is dimensionless, in Stoermer's units)

    ======  =========================================  ====
    symbol  meaning                                    unit
    ======  =========================================  ====
    rho     distance from the axis, > 0                1
    z       height above the equatorial plane          1
    p_rho   momentum away from the axis                1
    p_z     momentum along the axis                    1
    ======  =========================================  ====

    Parameters

    ================  =======  ====  =======================================
    symbol            default  unit  meaning
    ================  =======  ====  =======================================
    angular_momentum  1.0      1     canonical angular momentum L
    moment            1.0      1     dipole moment times charge over mass M
    ================  =======  ====  =======================================

    Invariants: the energy H, that is the square of the speed, over 2.

    Equilibria: where L and M have the same sign the bottom of a valley of field lines, at rho = M / L in the equatorial
    plane, and the pass at 2 M / L, with the energy ``L^4 / (32 M^2)``: what has less stays trapped.

    Chaotic for most trapped starts not far below the pass; deep in the valley regular to the eye.  The axis is a
    singularity, which is not reached with L != 0.

    References
    ----------
    Stoermer, "Sur les trajectoires des corpuscules electrises", Archives des Sciences Physiques et Naturelles 24
    (1907); Dragt, "Trapped orbits in a magnetic dipole field", Reviews of Geophysics 3 (1965) 255.

    Examples
    --------
    >>> Stoermer()(0.0, [2.0, 0.0, 0.1, 0.2])
    array([ 0.1,  0.2,  0. , -0. ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("rho", "z", "p_rho", "p_z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"angular_momentum": "1", "moment": "1"}
    default_time: ClassVar[float] = 100.0

    angular_momentum: float = 1.0
    moment: float = 1.0

    @property
    def canonical(self) -> bool:
        return True

    @property
    def separable(self) -> bool:
        return True

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any, Any]:
        rho, z, p_rho, p_z = state
        square = rho * rho + z * z
        field = self.moment / (square * ops.sqrt(square))
        around = self.angular_momentum / rho - field * rho
        bend = 3.0 * field * rho / square
        return p_rho, p_z, around * (self.angular_momentum / (rho * rho) + field - bend * rho), -around * bend * z

    def kinetic_energy(self, state: Any) -> Any:
        """Return the energy of the motion in the meridian plane, of shape (*batch)."""
        return 0.5 * (state[2] * state[2] + state[3] * state[3])

    def potential_energy(self, state: Any) -> Any:
        """Return the energy of the motion around the axis, of shape (*batch)."""
        rho, z = state[0], state[1]
        square = rho * rho + z * z
        around = self.angular_momentum / rho - self.moment * rho / (square * ops.sqrt(square))
        return 0.5 * around * around

    def energy(self, state: Any) -> Any:
        """Return H of ``state`` (4, *batch), of shape (*batch)."""
        return self.kinetic_energy(state) + self.potential_energy(state)

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"energy": self.energy}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """Valley and pass; they carry the derivatives of both parameters."""
        around, moment = np.asarray(raw(self.angular_momentum)), np.asarray(raw(self.moment))
        if not np.all((np.sign(around) == np.sign(moment)) & (np.abs(around) > _LEAST) & (np.abs(moment) > _LEAST)):
            return {}
        reach = self.moment / self.angular_momentum
        return {"valley": (reach, 0.0, 0.0, 0.0), "pass": (2.0 * reach, 0.0, 0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """A particle in the valley with 0.8 of the energy of the pass: it bounces from pole to pole."""
        return (1.0, 0.0, 0.1, 0.2)

    def positions(self, state: Any) -> Any:
        """Return the particle in its meridian plane, of shape (1, 2, *batch)."""
        return array_ops.stack([array_ops.stack([state[0], state[1]])])
