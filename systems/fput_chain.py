"""The chain of Fermi, Pasta, Ulam and Tsingou."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

from diffsim import array_ops
from systems._chains import Chain, chain_points

__all__ = ["FPUTChain"]


@final
@dataclass(frozen=True)
class FPUTChain(Chain):
    """Equal masses between two walls, joined by springs that are not quite linear.

    With the stretch ``d_i = q_i - q_(i-1)`` of spring i, where ``q_0 = q_(n+1) = 0``,

        q_i' = p_i / m
        p_i' = f(d_(i+1)) - f(d_i)        f(d) = k d + alpha d^2 + beta d^3

    State

    ======  ================================  ======
    symbol  meaning                           unit
    ======  ================================  ======
    q_i     displacement of mass i from rest  m
    p_i     momentum of mass i, m q_i'        kg m/s
    ======  ================================  ======

    Parameters

    =========  =======  =====  ============================================
    symbol     default  unit   meaning
    =========  =======  =====  ============================================
    mass       1.0      kg     mass m of each
    stiffness  1.0      N/m    linear coefficient k of a spring
    alpha      0.25     N/m^2  quadratic coefficient: the alpha model
    beta       0.0      N/m^3  cubic coefficient: the beta model
    =========  =======  =====  ============================================

    Option ``bodies``: the number n of masses that move, 15 by default.

    Invariants: the energy.

    Equilibria: rest.

    Chaotic at high energy.  At low energy the swing of the lowest mode wanders to a few others and comes back nearly
    whole, instead of spreading evenly over all modes: that was the surprise of 1955.  At the defaults more than 97 % of
    the energy are back in the lowest mode after about 2100 s; `mode_energies` tells.

    References
    ----------
    Fermi, Pasta, Ulam, "Studies of nonlinear problems", Los Alamos report LA-1940 (1955); Ford, "The Fermi-Pasta-Ulam
    problem: paradox turns discovery", Physics Reports 213 (1992) 271.

    Examples
    --------
    >>> FPUTChain(bodies=2)(0.0, [1.0, 0.0, 0.0, 0.5])
    array([ 0.  ,  0.5 , -2.  ,  0.75])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {
        "mass": "kg",
        "stiffness": "N/m",
        "alpha": "N/m^2",
        "beta": "N/m^3",
    }
    positive: ClassVar[frozenset[str]] = frozenset({"mass", "stiffness"})
    default_time: ClassVar[float] = 2200.0

    mass: float = 1.0
    stiffness: float = 1.0
    alpha: float = 0.25
    beta: float = 0.0
    bodies: int = field(default=15, kw_only=True, metadata={"parameter": False})

    def pulls(self, stretches: list[Any]) -> list[Any]:
        return [(self.stiffness + (self.alpha + self.beta * d) * d) * d for d in stretches]

    def stored(self, stretches: list[Any]) -> list[Any]:
        return [(0.5 * self.stiffness + (self.alpha / 3.0 + 0.25 * self.beta * d) * d) * d * d for d in stretches]

    def mode_energies(self, state: Any) -> Any:
        """Return the energy in J that each mode of the linear chain holds, of shape (n, *batch).

        Mode j swings like ``sin(pi i j / (n + 1))`` at ``2 sqrt(k / m) sin(pi j / (2 n + 2))``.  For alpha = beta = 0
        they are constant and add up to the energy.
        """
        n = self.bodies
        energies = []
        for j in range(1, n + 1):
            shape = [math.sqrt(2.0 / (n + 1)) * math.sin(math.pi * i * j / (n + 1)) for i in range(1, n + 1)]
            amplitude = array_ops.sum(array_ops.stack([s * state[i] for i, s in enumerate(shape)]), axis=0)
            momentum = array_ops.sum(array_ops.stack([s * state[n + i] for i, s in enumerate(shape)]), axis=0)
            stiffness = 4.0 * self.stiffness * math.sin(0.5 * math.pi * j / (n + 1)) ** 2
            energies.append(0.5 * momentum * momentum / self.mass + 0.5 * stiffness * amplitude * amplitude)
        return array_ops.stack(energies)

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"energy": self.energy}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """The lowest mode alone, 1 m high, at rest: the start of 1955."""
        n = self.bodies
        return (*[math.sin(math.pi * i / (n + 1)) for i in range(1, n + 1)], *[0.0] * n)

    def positions(self, state: Any) -> Any:
        """Return walls and masses in m, (n + 2, 2, *batch): the chain 4 m long, displacements drawn upwards."""
        return chain_points(state, self.bodies, across=True, pitch=4.0 / (self.bodies + 1))
