"""Henon's and Heiles' model of a star in a galaxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops
from diffsim.number import raw
from systems._base import System

__all__ = ["HenonHeiles"]


@final
@dataclass(frozen=True)
class HenonHeiles(System):
    """A star in the meridian plane of a galaxy: two oscillators, and a cubic coupling that makes them chaotic.

    Hamilton's equations of ``H = (p_x^2 + p_y^2 + x^2 + y^2) / 2 + c (x^2 y - y^3 / 3)``,

        x' = p_x                    y' = p_y
        p_x' = -x - 2 c x y         p_y' = -y - c (x^2 - y^2)

    Not to be confused with Henon's map.

    State (everything is dimensionless; time too, in units of the oscillators' period over 2 pi)

    ======  ========================  ====
    symbol  meaning                   unit
    ======  ========================  ====
    x       position                  1
    y       position                  1
    p_x     momentum                  1
    p_y     momentum                  1
    ======  ========================  ====

    Parameters

    ========  =======  ====  ==========================
    symbol    default  unit  meaning
    ========  =======  ====  ==========================
    coupling  1.0      1     strength c of the coupling
    ========  =======  ====  ==========================

    Invariants: the energy H.

    Equilibria: centre (0, 0), stable; three saddles at (0, 1) / c and (+-sqrt(3) / 2, -1/2) / c, with the energy
    1 / (6 c^2) of escape.

    Chaotic for some starts above an energy of about 1/9 and for nearly all that are bound near 1/6 (c = 1); at 1/12
    all sections show curves.

    References
    ----------
    Henon and Heiles, "The applicability of the third integral of motion: some numerical experiments", Astronomical
    Journal 69 (1964) 73, equations (11) and (12).

    Examples
    --------
    >>> HenonHeiles()(0.0, [0.5, 0.2, 0.1, 0.0])
    array([ 0.1 ,  0.  , -0.7 , -0.41])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "p_x", "p_y")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"coupling": "1"}
    default_time: ClassVar[float] = 100.0

    coupling: float = 1.0

    @property
    def canonical(self) -> bool:
        return True

    @property
    def separable(self) -> bool:
        return True

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any, Any]:
        x, y, p_x, p_y = state
        return p_x, p_y, -x - 2.0 * self.coupling * x * y, -y - self.coupling * (x * x - y * y)

    def kinetic_energy(self, state: Any) -> Any:
        """Return the kinetic energy of ``state`` (4, *batch), of shape (*batch)."""
        return 0.5 * (state[2] * state[2] + state[3] * state[3])

    def potential_energy(self, state: Any) -> Any:
        """Return the potential energy of ``state`` (4, *batch), of shape (*batch)."""
        x, y = state[0], state[1]
        return 0.5 * (x * x + y * y) + self.coupling * (x * x * y - y * y * y / 3.0)

    def energy(self, state: Any) -> Any:
        """Return H of ``state`` (4, *batch), of shape (*batch)."""
        return self.kinetic_energy(state) + self.potential_energy(state)

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"energy": self.energy}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """Centre and saddles; these carry the derivative of the coupling, and are not there without it."""
        centre = {"centre": (0.0, 0.0, 0.0, 0.0)}
        if not np.all(np.abs(raw(self.coupling)) > _LEAST):
            return centre
        reach = 1.0 / self.coupling
        side = 0.75**0.5 * reach
        return centre | {
            "upper_saddle": (0.0, reach, 0.0, 0.0),
            "right_saddle": (side, -0.5 * reach, 0.0, 0.0),
            "left_saddle": (-side, -0.5 * reach, 0.0, 0.0),
        }

    @property
    def default_state(self) -> tuple[Any, ...]:
        """A chaotic start of the energy 1/8, at which half of the section is chaotic; its exponent is about 0.05."""
        return (0.0, -0.25, (17.0 / 96.0) ** 0.5, 0.0)

    def positions(self, state: Any) -> Any:
        """Return the star, of shape (1, 2, *batch)."""
        return array_ops.stack([array_ops.stack([state[0], state[1]])])


_LEAST = 1e-100
"""Coupling below which saddles do not count: they lie where doubles end."""
