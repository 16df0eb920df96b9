"""Duffing's oscillator, damped and driven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.number import raw
from systems._base import System

__all__ = ["Duffing"]


@final
@dataclass(frozen=True)
class Duffing(System):
    """A unit mass on a spring with a cubic term, with friction and a periodic force.

    With ``A`` the amplitude and ``W`` the angular frequency of the drive, ``c`` the damping rate, per unit of mass,

        x' = v
        v' = -a x - b x^3 - c v + A cos(W t)

    State

    ======  ============  ====
    symbol  meaning       unit
    ======  ============  ====
    x       displacement  m
    v       velocity      m/s
    ======  ============  ====

    Parameters

    ===============  =======  ==========  ==========================================
    symbol           default  unit        meaning
    ===============  =======  ==========  ==========================================
    linear           -1.0     1/s^2       linear pull a; below zero there are two wells
    cubic            1.0      1/(m^2s^2)  cubic pull b
    damping          0.3      1/s         rate c at which friction takes v away
    drive_amplitude  0.5      m/s^2       largest driving acceleration A
    drive_frequency  1.2      rad/s       angular frequency W of the drive
    ===============  =======  ==========  ==========================================

    Invariants: the energy per unit of mass, without damping and drive; the equations are then Hamilton's, v being the
    momentum per unit of mass.

    Equilibria, without drive: middle; where a and b differ in sign also left and right, -+sqrt(-a / b).

    Chaotic at the defaults: the mass hops irregularly between both wells.  Also chaotic is Ueda's case,
    ``Duffing(linear=0, cubic=1, damping=0.05, drive_amplitude=7.5, drive_frequency=1)``, with the exponents
    (0.103, 0, -0.153).  Without drive it is integrable.

    References
    ----------
    Guckenheimer and Holmes, Nonlinear Oscillations, Dynamical Systems, and Bifurcations of Vector Fields, section 2.2;
    Ueda, "Randomly transitional phenomena in the system governed by Duffing's equation", Journal of Statistical Physics
    20 (1979) 181.

    Examples
    --------
    >>> Duffing()(0.0, [0.5, 1.0])
    array([1.   , 0.575])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "v")
    state_units: ClassVar[tuple[str, ...]] = ("m", "m/s")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "linear": "1/s^2",
        "cubic": "1/(m^2s^2)",
        "damping": "1/s",
        "drive_amplitude": "m/s^2",
        "drive_frequency": "rad/s",
    }
    non_negative: ClassVar[frozenset[str]] = frozenset({"damping"})
    default_time: ClassVar[float] = 200.0

    linear: float = -1.0
    cubic: float = 1.0
    damping: float = 0.3
    drive_amplitude: float = 0.5
    drive_frequency: float = 1.2

    @property
    def canonical(self) -> bool:
        """True without damping and drive."""
        return not (np.any(raw(self.damping)) or np.any(raw(self.drive_amplitude)))

    @property
    def separable(self) -> bool:
        """True without damping."""
        return not np.any(raw(self.damping))

    def rates(self, t: Any, state: Any) -> tuple[Any, Any]:
        x, v = state
        drive = self.drive_amplitude * ops.cos(self.drive_frequency * t)
        return v, drive - (self.linear + self.cubic * x * x) * x - self.damping * v

    def energy(self, state: Any) -> Any:
        """Return the energy per unit of mass in J/kg of ``state`` (2, *batch), of shape (*batch)."""
        x, v = state
        square = x * x
        return 0.5 * v * v + (0.5 * self.linear + 0.25 * self.cubic * square) * square

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"energy": self.energy} if self.canonical else {}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        if np.any(raw(self.drive_amplitude)):
            return {}
        middle = {"middle": (0.0, 0.0)}
        if not np.all(raw(self.linear) * raw(self.cubic) < 0.0):
            return middle
        well = ops.sqrt(-self.linear / self.cubic)
        return middle | {"left": (-well, 0.0), "right": (well, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """In the right-hand well, at rest."""
        return (1.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return the point of rest and the mass, on a horizontal line, in m, of shape (2, 2, *batch)."""
        x = state[0]
        mass = array_ops.stack([x, 0.0 * x])
        return array_ops.stack([0.0 * mass, mass])
