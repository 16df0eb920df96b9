"""The harmonic oscillator, with or without friction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops
from diffsim.number import raw
from systems._base import System

__all__ = ["HarmonicOscillator"]


@final
@dataclass(frozen=True)
class HarmonicOscillator(System):
    """A mass on a spring, moving along a line: the system whose solution everybody knows.

    With ``k`` the stiffness and ``c`` the damping,

        x' = p / m
        p' = -k x - c p / m

    Without damping ``x(t) = x(0) cos(w t) + p(0) / (m w) sin(w t)``, ``w^2 = k / m``.

    State

    ======  ========================  ======
    symbol  meaning                   unit
    ======  ========================  ======
    x       displacement from rest    m
    p       momentum m x'             kg m/s
    ======  ========================  ======

    Parameters

    =========  =======  =====  =======================================
    symbol     default  unit   meaning
    =========  =======  =====  =======================================
    mass       1.0      kg     mass m
    stiffness  1.0      N/m    force k a metre with which it is pulled
    damping    0.0      kg/s   frictional force c a metre per second
    =========  =======  =====  =======================================

    Invariants: the energy, without damping.

    Equilibria: rest (0, 0), stable.

    Chaotic nowhere: it is linear.

    References
    ----------
    Landau and Lifshitz, Mechanics, section 21 (free), section 25 (damped).

    Examples
    --------
    >>> HarmonicOscillator(stiffness=4.0)(0.0, [1.0, 0.5])
    array([ 0.5, -4. ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "p")
    state_units: ClassVar[tuple[str, ...]] = ("m", "kg m/s")
    parameter_units: ClassVar[Mapping[str, str]] = {"mass": "kg", "stiffness": "N/m", "damping": "kg/s"}
    positive: ClassVar[frozenset[str]] = frozenset({"mass", "stiffness"})
    non_negative: ClassVar[frozenset[str]] = frozenset({"damping"})

    mass: float = 1.0
    stiffness: float = 1.0
    damping: float = 0.0

    @property
    def canonical(self) -> bool:
        """True without damping."""
        return not np.any(raw(self.damping))

    @property
    def separable(self) -> bool:
        """True without damping."""
        return self.canonical

    def rates(self, t: Any, state: Any) -> tuple[Any, Any]:
        x, p = state
        velocity = p / self.mass
        return velocity, -self.stiffness * x - self.damping * velocity

    def energy(self, state: Any) -> Any:
        """Return kinetic and elastic energy in J of ``state`` (2, *batch), of shape (*batch)."""
        x, p = state
        return 0.5 * (p * p / self.mass + self.stiffness * x * x)

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"energy": self.energy} if self.canonical else {}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"rest": (0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Let go one metre from rest: a circle in phase space."""
        return (1.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return the point of rest and the mass, on a horizontal line, in m, of shape (2, 2, *batch)."""
        x = state[0]
        mass = array_ops.stack([x, 0.0 * x])
        return array_ops.stack([0.0 * mass, mass])
