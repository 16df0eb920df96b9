"""The flow of Arnold, Beltrami and Childress."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, final

import numpy as np

from diffsim import ops
from diffsim.number import raw
from systems._base import System

__all__ = ["ABCFlow"]


@final
@dataclass(frozen=True)
class ABCFlow(System):
    """A speck of dust in a steady flow of an ideal fluid that fills a cube with periodic faces.

        x' = A sin(z) + C cos(y)
        y' = B sin(x) + A cos(z)
        z' = C sin(y) + B cos(x)

    The velocity is its own curl, so that these are exact solutions of Euler's equations; volumes are conserved.

    State (lengths are angles of the periodic cube; time has no unit)

    ======  =================================  ====
    symbol  meaning                            unit
    ======  =================================  ====
    x       first coordinate of the speck      rad
    y       second coordinate of the speck     rad
    z       third coordinate of the speck      rad
    ======  =================================  ====

    Parameters

    ======  ==================  ====  ==============================
    symbol  default             unit  meaning
    ======  ==================  ====  ==============================
    A       1.7320508075688772  1     amplitude of the waves in z
    B       1.4142135623730951  1     amplitude of the waves in x
    C       1.0                 1     amplitude of the waves in y
    ======  ==================  ====  ==============================

    Invariants: with C = 0 the velocity y'; otherwise none.

    Equilibria: if A^2, B^2, C^2 are the sides of a triangle, eight, named by the signs of cos(x), cos(y), cos(z):
    cos(x)^2 = (B^2 + C^2 - A^2) / (2 B^2), and so on around.  At the defaults the triangle is flat, and none is listed.

    Chaotic in a part of the cube where A, B and C are all different from 0, beside islands of regular motion.

    References
    ----------
    Dombre, Frisch, Greene, Henon, Mehr and Soward, "Chaotic streamlines in the ABC flows", Journal of Fluid Mechanics
    167 (1986) 353, equation (1.1) and section 2.

    Examples
    --------
    >>> ABCFlow(A=3.0, B=2.0, C=1.0)(0.0, [0.0, 0.0, 0.0])
    array([1., 3., 2.])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("rad", "rad", "rad")
    parameter_units: ClassVar[Mapping[str, str]] = {"A": "1", "B": "1", "C": "1"}
    angles: ClassVar[tuple[int, ...]] = (0, 1, 2)
    default_time: ClassVar[float] = 100.0

    A: float = math.sqrt(3.0)
    B: float = math.sqrt(2.0)
    C: float = 1.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return (
            self.A * ops.sin(z) + self.C * ops.cos(y),
            self.B * ops.sin(x) + self.A * ops.cos(z),
            self.C * ops.sin(y) + self.B * ops.cos(x),
        )

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {} if np.any(raw(self.C) != 0.0) else {"velocity y'": self._across}

    def _across(self, state: Any) -> Any:
        """Return y' of ``state`` (3, *batch), of shape (*batch)."""
        return self.B * ops.sin(state[0]) + self.A * ops.cos(state[2])

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """Points at rest; they carry the derivatives of the amplitudes."""
        a, b, c = (amplitude * amplitude for amplitude in (self.A, self.B, self.C))
        halves = (0.5 * (b + c - a), 0.5 * (c + a - b), 0.5 * (a + b - c))  # B^2 cos(x)^2, C^2 cos(y)^2, A^2 cos(z)^2
        if not all(np.all(raw(half) > 1e-9 * raw(a + b + c)) for half in halves):
            return {}
        x, y, z = (ops.sqrt(half) for half in halves)
        found = {}
        for signs in product((1.0, -1.0), repeat=3):
            i, j, k = signs
            # B sin(x) = -A cos(z), C sin(y) = -B cos(x), A sin(z) = -C cos(y)
            place = (
                ops.atan2(-k * z / self.B * ops.sign(self.A), i * x / abs(self.B)),
                ops.atan2(-i * x / self.C * ops.sign(self.B), j * y / abs(self.C)),
                ops.atan2(-j * y / self.A * ops.sign(self.C), k * z / abs(self.A)),
            )
            found["".join("+" if sign > 0 else "-" for sign in signs)] = place
        return found

    @property
    def default_state(self) -> tuple[Any, ...]:
        """In the chaotic part."""
        return (0.0, 0.0, 0.0)
