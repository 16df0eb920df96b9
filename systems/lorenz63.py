"""Lorenz's three equations of convection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import ops
from diffsim.number import raw
from systems._base import System

__all__ = ["Lorenz63"]


@final
@dataclass(frozen=True)
class Lorenz63(System):
    """Three amplitudes of a fluid layer heated from below: the first strange attractor.

        x' = sigma (y - x)
        y' = x (rho - z) - y
        z' = x y - beta z

    Volumes in state space shrink at the constant rate ``sigma + 1 + beta``.  Also known as the Lorenz system; not to
    be confused with Lorenz 84 and Lorenz 96.

    State (everything is dimensionless; time too, in units of a thermal diffusion time)

    ======  ==========================================================  ====
    symbol  meaning                                                     unit
    ======  ==========================================================  ====
    x       intensity of the convective motion                          1
    y       temperature difference between rising and sinking fluid     1
    z       departure of the vertical temperature profile from a line   1
    ======  ==========================================================  ====

    Parameters

    ======  =======  ====  ==================================================
    symbol  default  unit  meaning
    ======  =======  ====  ==================================================
    sigma   10.0     1     Prandtl number: viscosity over thermal diffusivity
    rho     28.0     1     Rayleigh number over its critical value
    beta    8/3      1     geometric factor of the rolls
    ======  =======  ====  ==================================================

    Invariants: none; it dissipates.  `energy` and `positions` do not exist: the state is no mechanical one.

    Equilibria: origin; for rho > 1 also plus and minus, (+-s, +-s, rho - 1) with s = sqrt(beta (rho - 1)).

    Chaotic at the defaults, with Lyapunov exponents (0.906, 0, -14.572) (Sprott, Chaos and Time-Series Analysis,
    table A.5.1).  For rho < 1 all tends to the origin, and up to rho = sigma (sigma + beta + 3) / (sigma - beta - 1)
    (24.74 at the defaults) plus and minus are stable.

    References
    ----------
    Lorenz, "Deterministic nonperiodic flow", Journal of the Atmospheric Sciences 20 (1963) 130, equations (25) to (27).

    Examples
    --------
    >>> Lorenz63()(0.0, [1.0, 2.0, 3.0])
    array([10., 23., -6.])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"sigma": "1", "rho": "1", "beta": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"sigma", "beta"})
    default_time: ClassVar[float] = 40.0

    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8.0 / 3.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """States at rest; they carry the derivatives of `beta` and `rho`."""
        origin = {"origin": (0.0, 0.0, 0.0)}
        if not np.all(raw(self.rho) > 1.0):
            return origin
        height = self.rho - 1.0
        reach = ops.sqrt(self.beta * height)
        return origin | {"plus": (reach, reach, height), "minus": (-reach, -reach, height)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Beside the origin, as in Lorenz's paper (0, 1, 0): out along its unstable direction to the attractor."""
        return (0.0, 1.0, 0.0)
