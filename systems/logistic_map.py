"""The logistic map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim.number import raw
from systems._discrete import DiscreteMap

__all__ = ["LogisticMap"]

_LEAST = 1e-100
"""Growth below which the fixed point beside the origin does not count: it lies where doubles end."""


@final
@dataclass(frozen=True)
class LogisticMap(DiscreteMap):
    """A population that breeds and starves, year by year: the way to chaos by doubled periods.

        x -> r x (1 - x)

    State

    ======  ==========================================  ====
    symbol  meaning                                     unit
    ======  ==========================================  ====
    x       population, in units of the largest one     1
    ======  ==========================================  ====

    Parameters

    ======  =======  ====  =========================================================
    symbol  default  unit  meaning
    ======  =======  ====  =========================================================
    r       4.0      1     growth of a small population in a year; [0, 4] keeps 0..1
    ======  =======  ====  =========================================================

    Invariants: none.

    Equilibria (fixed points): origin 0, stable for r < 1; coexistence 1 - 1/r, stable for 1 < r < 3.

    Chaotic at the default, where the Lyapunov exponent is ln 2 and x = sin^2(angle) doubles its angle, and for most r
    above 3.5699456, where the periods have doubled without end.  The distances between the parameters at which they
    double shrink by Feigenbaum's number 4.6692016.

    References
    ----------
    May, "Simple mathematical models with very complicated dynamics", Nature 261 (1976) 459; Feigenbaum, "Quantitative
    universality for a class of nonlinear transformations", Journal of Statistical Physics 19 (1978) 25.

    Examples
    --------
    >>> LogisticMap()(0, [0.25])
    array([0.75])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x",)
    state_units: ClassVar[tuple[str, ...]] = ("1",)
    parameter_units: ClassVar[Mapping[str, str]] = {"r": "1"}

    r: float = 4.0

    def image(self, n: Any, state: Any) -> tuple[Any]:
        x = state[0]
        return (self.r * x * (1.0 - x),)

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """Fixed points; `coexistence`, there for r != 0, carries the derivative of r."""
        origin = {"origin": (0.0,)}
        return origin | {"coexistence": (1.0 - 1.0 / self.r,)} if np.all(np.abs(raw(self.r)) > _LEAST) else origin

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Anywhere but on the few orbits that end in a fixed point."""
        return (0.3,)
