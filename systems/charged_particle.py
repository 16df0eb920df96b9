"""A charged particle in electric and magnetic fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops
from diffsim.number import raw
from systems._base import System

__all__ = ["ChargedParticle"]


@final
@dataclass(frozen=True)
class ChargedParticle(System):
    """A charged particle in a magnetic bottle, or with ``mirror=0`` in a uniform magnetic field, and an electric one.

    With ``r^2 = x^2 + y^2`` and the mirror coefficient ``h``,

        (x, y, z)' = v
        m v'       = q (E + v x B)
        B          = B_0 (-h x z, -h y z, 1 + h (z^2 - r^2/2))

    which is free of sources and currents for every h.

    State

    ======  ======================  ====
    symbol  meaning                 unit
    ======  ======================  ====
    x       place across the field  m
    y       place across the field  m
    z       place along the field   m
    v_x     velocity along x        m/s
    v_y     velocity along y        m/s
    v_z     velocity along z        m/s
    ======  ======================  ====

    Parameters

    ==============  =======  =====  ================================================
    symbol          default  unit   meaning
    ==============  =======  =====  ================================================
    mass            1.0      kg     mass m
    charge          1.0      C      charge q
    magnetic_field  2.0      T      field B_0 in the middle of the bottle, along z
    mirror          0.01     1/m^2  growth h of the field along z; 0: uniform
    electric_x      0.0      V/m    uniform electric field along x
    electric_y      0.0      V/m    uniform electric field along y
    electric_z      0.0      V/m    uniform electric field along z
    ==============  =======  =====  ================================================

    Invariants: the energy; without electric field across the bottle also the canonical angular momentum about its
    axis.  Nearly constant, where the field changes little in a turn, is the magnetic moment m v_across^2 / (2 B).

    Equilibria, without electric field: rest, anywhere.

    Chaotic in the bottle, where the turns are not small beside it.  In uniform fields the particle circles with the
    angular frequency q B / m and drifts with E x B / B^2; in the bottle it turns back where B has grown by the
    factor v^2 / v_across^2 of the middle.

    References
    ----------
    Jackson, Classical Electrodynamics, 3rd edition, sections 12.2 to 12.5; Chen, Introduction to Plasma Physics,
    chapter 2.

    Examples
    --------
    >>> ChargedParticle(mirror=0.0, electric_x=0.5)(0.0, [0.0, 0.0, 0.0, 1.0, 2.0, 3.0])
    array([ 1. ,  2. ,  3. ,  4.5, -2. ,  0. ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z", "v_x", "v_y", "v_z")
    state_units: ClassVar[tuple[str, ...]] = ("m", "m", "m", "m/s", "m/s", "m/s")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "mass": "kg",
        "charge": "C",
        "magnetic_field": "T",
        "mirror": "1/m^2",
        "electric_x": "V/m",
        "electric_y": "V/m",
        "electric_z": "V/m",
    }
    positive: ClassVar[frozenset[str]] = frozenset({"mass"})
    default_time: ClassVar[float] = 130.0

    mass: float = 1.0
    charge: float = 1.0
    magnetic_field: float = 2.0
    mirror: float = 0.01
    electric_x: float = 0.0
    electric_y: float = 0.0
    electric_z: float = 0.0

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        x, y, z, v_x, v_y, v_z = state
        ratio = self.charge / self.mass
        slope = self.mirror * z
        b_x, b_y = -slope * x, -slope * y
        b_z = 1.0 + slope * z - 0.5 * self.mirror * (x * x + y * y)
        turn = ratio * self.magnetic_field
        return (
            v_x,
            v_y,
            v_z,
            ratio * self.electric_x + turn * (v_y * b_z - v_z * b_y),
            ratio * self.electric_y + turn * (v_z * b_x - v_x * b_z),
            ratio * self.electric_z + turn * (v_x * b_y - v_y * b_x),
        )

    def energy(self, state: Any) -> Any:
        """Return the energy in J of ``state`` (6, *batch), of shape (*batch); the potential is 0 at the origin."""
        x, y, z, v_x, v_y, v_z = state
        lift = self.electric_x * x + self.electric_y * y + self.electric_z * z
        return 0.5 * self.mass * (v_x * v_x + v_y * v_y + v_z * v_z) - self.charge * lift

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        if np.any(raw(self.electric_x)) or np.any(raw(self.electric_y)):
            return {"energy": self.energy}
        return {"energy": self.energy, "angular_momentum": self._angular_momentum}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        fields = (self.electric_x, self.electric_y, self.electric_z)
        return {} if any(np.any(raw(field)) for field in fields) else {"rest": (0.0,) * 6}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """In the middle of the bottle, 2 m from its axis: it bounces between z = -15.3 and 15.3, twice in 130 s."""
        return (2.0, 0.0, 0.0, 0.0, -1.0, 1.5)

    def positions(self, state: Any) -> Any:
        """Return the particle seen from the side, (x, z) in m, of shape (1, 2, *batch)."""
        return array_ops.stack([array_ops.stack([state[0], state[2]])])

    def _angular_momentum(self, state: Any) -> Any:
        """m (r x v)_z + q r A_phi with r A_phi = B_0 r^2 (1 + h z^2 - h r^2/4) / 2."""
        x, y, z, v_x, v_y, _ = state
        square = x * x + y * y
        flux = 0.5 * self.magnetic_field * square * (1.0 + self.mirror * (z * z - 0.25 * square))
        return self.mass * (x * v_y - y * v_x) + self.charge * flux
