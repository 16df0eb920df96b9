"""The Rabinovich-Fabrikant equations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import ops
from diffsim.number import raw
from systems._base import System

__all__ = ["RabinovichFabrikant"]


@final
@dataclass(frozen=True)
class RabinovichFabrikant(System):
    """Three interacting waves in a plasma that is no longer in equilibrium.

        x' = y (z - 1 + x^2) + gamma x
        y' = x (3 z + 1 - x^2) + gamma y
        z' = -2 z (alpha + x y)

    Stiff in places, with solutions that go to infinity beside the attractor: small tolerances are needed.

    State (everything is dimensionless; time too)

    ======  ======================================  ====
    symbol  meaning                                 unit
    ======  ======================================  ====
    x       real part of the wave                   1
    y       imaginary part of the wave              1
    z       energy in its satellites                1
    ======  ======================================  ====

    Parameters

    ======  =======  ====  ===================
    symbol  default  unit  meaning
    ======  =======  ====  ===================
    alpha   1.1      1     damping
    gamma   0.87     1     growth by the pump
    ======  =======  ====  ===================

    Invariants: none; volumes change at the constant rate 2 (gamma - alpha).

    Equilibria: origin; with (4 - 3 g) u^2 - 4 u + gamma alpha = 0, g = gamma / alpha, a pair x = +-sqrt(u),
    y = -alpha / x, z = 1 - u (1 - g) for each root u > 0: inner_plus and inner_minus for the smaller, outer_plus and
    outer_minus for the larger.

    Chaotic at the defaults, with Lyapunov exponents (0.1981, 0, -0.6581) (Sprott, Chaos and Time-Series Analysis, table
    A.5.13), and at alpha = 0.14, gamma = 0.1.

    References
    ----------
    Rabinovich and Fabrikant, "Stochastic self-modulation of waves in nonequilibrium media", Soviet Physics JETP 50
    (1979) 311.

    Examples
    --------
    >>> RabinovichFabrikant(alpha=1.0, gamma=0.5)(0.0, [1.0, 2.0, 3.0])
    array([  6.5,  10. , -18. ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"alpha": "1", "gamma": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"alpha", "gamma"})
    default_time: ClassVar[float] = 100.0

    alpha: float = 1.1
    gamma: float = 0.87

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        square = x * x
        return (
            y * (z - 1.0 + square) + self.gamma * x,
            x * (3.0 * z + 1.0 - square) + self.gamma * y,
            -2.0 * z * (self.alpha + x * y),
        )

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """States at rest; they carry the derivatives of the parameters."""
        found: dict[str, tuple[Any, ...]] = {"origin": (0.0, 0.0, 0.0)}
        ratio = self.gamma / self.alpha
        leading = 4.0 - 3.0 * ratio
        square = 4.0 - leading * self.gamma * self.alpha
        if not np.all(raw(square) > 0.0) or np.any(raw(leading) == 0.0):
            return found
        sum_of_both = 2.0 + ops.sqrt(square)
        for name, u in (("inner", self.gamma * self.alpha / sum_of_both), ("outer", sum_of_both / leading)):
            if np.all(raw(u) > 0.0):
                x, z = ops.sqrt(u), 1.0 - u * (1.0 - ratio)
                found |= {f"{name}_plus": (x, -self.alpha / x, z), f"{name}_minus": (-x, self.alpha / x, z)}
        return found

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Sprott's start, from which the attractor is reached."""
        return (-1.0, 0.0, 0.5)
