"""A pendulum above magnets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.number import raw
from systems._base import System
from systems._checks import checked_count

__all__ = ["MagneticPendulum"]


@final
@dataclass(frozen=True)
class MagneticPendulum(System):
    """An iron bob on a long rod above magnets on a ring, each of which pulls at it: over which one does it stop?

    With the magnets at ``(a_i, b_i)``, evenly spaced at the distance R from the middle, the first at (R, 0), the bob
    moving in a plane at the height h above theirs, and per unit of mass,

        (x, y)' = (v_x, v_y)
        v_x'    = -w^2 x - c v_x - s sum_i (x - a_i) / D_i^3
        v_y'    = -w^2 y - c v_y - s sum_i (y - b_i) / D_i^3        D_i^2 = (x - a_i)^2 + (y - b_i)^2 + h^2

    State

    ======  ==================  ====
    symbol  meaning             unit
    ======  ==================  ====
    x       place from middle   m
    y       place from middle   m
    v_x     velocity along x    m/s
    v_y     velocity along y    m/s
    ======  ==================  ====

    Parameters

    =========  =======  =======  ==============================================
    symbol     default  unit     meaning
    =========  =======  =======  ==============================================
    frequency  0.5      rad/s    angular frequency w of the pendulum alone
    damping    0.2      1/s      rate c at which friction takes velocity away
    strength   1.0      m^3/s^2  pull s of a magnet, over the mass
    radius     0.57735  m        distance R of the magnets from the middle
    height     0.3      m        height h of the bob's plane above the magnets
    =========  =======  =======  ==============================================

    Option ``magnets``: their number, 3 by default.

    Invariants: without damping the energy, per unit of mass.

    Equilibria: middle, unstable at the defaults; one beside each magnet, found by `systems.find_equilibria`.

    Chaotic as long as it has not lost its energy: the basins of the magnets are interwoven down to the smallest scales.

    References
    ----------
    Motter, Gruiz, Karolyi, Tel, "Doubly transient chaos: generic form of chaos in autonomous dissipative systems",
    Physical Review Letters 111 (2013) 194101, whose values these are; Peitgen, Juergens, Saupe, Chaos and Fractals,
    chapter 12.8.

    Examples
    --------
    >>> MagneticPendulum()(0.0, [1.0, 0.0, 0.0, 1.0]).round(4)
    array([ 0.    ,  1.    , -4.1963, -0.2   ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "v_x", "v_y")
    state_units: ClassVar[tuple[str, ...]] = ("m", "m", "m/s", "m/s")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "frequency": "rad/s",
        "damping": "1/s",
        "strength": "m^3/s^2",
        "radius": "m",
        "height": "m",
    }
    positive: ClassVar[frozenset[str]] = frozenset({"height"})
    non_negative: ClassVar[frozenset[str]] = frozenset({"damping"})
    default_time: ClassVar[float] = 40.0

    frequency: float = 0.5
    damping: float = 0.2
    strength: float = 1.0
    radius: float = 0.57735
    height: float = 0.3
    magnets: int = field(default=3, kw_only=True, metadata={"parameter": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "magnets", checked_count(type(self).__name__, "magnets", self.magnets, least=1))

    @property
    def canonical(self) -> bool:
        """True without damping."""
        return not np.any(raw(self.damping))

    @property
    def separable(self) -> bool:
        """True without damping."""
        return self.canonical

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        x, y, v_x, v_y = state
        spring = self.frequency * self.frequency
        pull_x, pull_y = -spring * x - self.damping * v_x, -spring * y - self.damping * v_y
        for dx, dy, square in self._distances(x, y):
            weight = self.strength / (square * ops.sqrt(square))
            pull_x, pull_y = pull_x - weight * dx, pull_y - weight * dy
        return v_x, v_y, pull_x, pull_y

    def energy(self, state: Any) -> Any:
        """Return the energy per unit of mass in J/kg of ``state`` (4, *batch), of shape (*batch)."""
        x, y, v_x, v_y = state
        total = 0.5 * (v_x * v_x + v_y * v_y + self.frequency * self.frequency * (x * x + y * y))
        for _, _, square in self._distances(x, y):
            total = total - self.strength / ops.sqrt(square)
        return total

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"energy": self.energy} if self.canonical else {}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {} if self.magnets == 1 else {"middle": (0.0, 0.0, 0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Let go far outside: it wanders between the magnets, and stops over one."""
        return (1.8, 1.1, 0.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return the bob seen from above, in m, of shape (1, 2, *batch)."""
        return array_ops.stack([array_ops.stack([state[0], state[1]])])

    def _distances(self, x: Any, y: Any) -> list[tuple[Any, Any, Any]]:
        """From each magnet to the bob: along x, along y, and the square of the distance in space."""
        found = []
        for i in range(self.magnets):
            angle = 2.0 * math.pi * i / self.magnets
            dx, dy = x - self.radius * math.cos(angle), y - self.radius * math.sin(angle)
            found.append((dx, dy, dx * dx + dy * dy + self.height * self.height))
        return found
