"""Kapitza's pendulum, whose pivot vibrates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import ops
from diffsim.number import raw
from systems._base import System
from systems._linkage import linked_points

__all__ = ["KapitzaPendulum"]


@final
@dataclass(frozen=True)
class KapitzaPendulum(System):
    """A point mass on a massless rod whose pivot vibrates up and down: upright becomes stable.

    With the pivot at the height ``a cos(W t)``, the damping rate c, and per unit of m l^2,

        theta' = omega
        omega' = -(g - a W^2 cos(W t)) / l sin(theta) - c omega

    State

    ======  ===================  =====
    symbol  meaning              unit
    ======  ===================  =====
    theta   angle from hanging   rad
    omega   angular velocity     rad/s
    ======  ===================  =====

    Parameters

    =========  =======  =====  ===========================================
    symbol     default  unit   meaning
    =========  =======  =====  ===========================================
    gravity    9.8      m/s^2  acceleration g of gravity
    length     1.0      m      length l of the rod
    amplitude  0.1      m      amplitude a of the pivot
    frequency  100.0    rad/s  angular frequency W of the pivot
    damping    0.0      1/s    rate c at which friction takes omega away
    =========  =======  =====  ===========================================

    Invariants: none; without vibration and damping the energy, over m l^2.

    Equilibria: hanging and inverted, in the frame of the pivot.  Averaged over the vibration the pendulum moves in
    ``-g/l cos(theta) + (a W / (2 l))^2 sin(theta)^2``: for ``(a W)^2 > 2 g l`` inverted is stable, and a pendulum
    beside it swings slowly with the angular frequency ``sqrt((a W)^2 / (2 l^2) - g / l)``.

    Chaotic at large amplitudes, where the average says nothing.

    References
    ----------
    Kapitza, "Dynamic stability of a pendulum with an oscillating point of suspension", Zhurnal Eksperimental'noi i
    Teoreticheskoi Fiziki 21 (1951) 588; Landau and Lifshitz, Mechanics, section 30, problem 1.

    Examples
    --------
    >>> KapitzaPendulum(amplitude=0.01)(0.0, [0.5, 2.0]).round(6)
    array([ 2.      , 43.244184])
    """

    state_names: ClassVar[tuple[str, ...]] = ("theta", "omega")
    state_units: ClassVar[tuple[str, ...]] = ("rad", "rad/s")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "gravity": "m/s^2",
        "length": "m",
        "amplitude": "m",
        "frequency": "rad/s",
        "damping": "1/s",
    }
    angles: ClassVar[tuple[int, ...]] = (0,)
    positive: ClassVar[frozenset[str]] = frozenset({"length"})
    non_negative: ClassVar[frozenset[str]] = frozenset({"damping"})
    rods: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1),)
    default_time: ClassVar[float] = 5.0

    gravity: float = 9.8
    length: float = 1.0
    amplitude: float = 0.1
    frequency: float = 100.0
    damping: float = 0.0

    @property
    def separable(self) -> bool:
        """True without damping."""
        return not np.any(raw(self.damping))

    @property
    def canonical(self) -> bool:
        """True without vibration and damping."""
        return self._is_still and self.separable

    def rates(self, t: Any, state: Any) -> tuple[Any, Any]:
        theta, omega = state
        lift = self.amplitude * self.frequency * self.frequency * ops.cos(self.frequency * t)
        return omega, (lift - self.gravity) / self.length * ops.sin(theta) - self.damping * omega

    def energy(self, state: Any) -> Any:
        """Return the energy in the pivot's frame, over m l^2, in 1/s^2, of shape (*batch); 0 level at rest."""
        theta, omega = state
        return 0.5 * omega * omega - self.gravity / self.length * ops.cos(theta)

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"energy": self.energy} if self.canonical else {}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"hanging": (0.0, 0.0), "inverted": (math.pi, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """A little beside upright: it does not fall, but swings about it."""
        return (math.pi - 0.4, 0.0)

    def positions(self, state: Any) -> Any:
        """Return pivot, in whose frame this is, and bob in m, of shape (2, 2, *batch)."""
        return linked_points([state[0]], [self.length])

    @property
    def _is_still(self) -> bool:
        return not np.any(raw(self.amplitude) * raw(self.frequency))
