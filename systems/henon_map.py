"""Henon's map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import ops
from diffsim.number import raw
from systems._discrete import DiscreteMap

__all__ = ["HenonMap"]

_LEAST = 1e-100
"""Fold below which the fixed point far away does not count: it lies where doubles end."""


@final
@dataclass(frozen=True)
class HenonMap(DiscreteMap):
    """A folded and squeezed plane: the simplest map with a strange attractor.

        x -> 1 - a x^2 + y
        y -> b x

    Areas shrink by ``|b|`` in each iteration.  Not to be confused with the flow of Henon and Heiles.

    State

    ======  ===================  ====
    symbol  meaning              unit
    ======  ===================  ====
    x       first coordinate     1
    y       second coordinate    1
    ======  ===================  ====

    Parameters

    ======  =======  ====  ================================
    symbol  default  unit  meaning
    ======  =======  ====  ================================
    a       1.4      1     strength of the fold
    b       0.3      1     what is left of an area: ``|b|``
    ======  =======  ====  ================================

    Invariants: none.

    Equilibria (fixed points): plus and minus at ``x = (b - 1 +- sqrt((1 - b)^2 + 4 a)) / (2 a)``, y = b x; both are
    saddles at the defaults, plus lies on the attractor.

    Chaotic at the defaults, with Lyapunov exponents (0.419, -1.623) (Sprott, Chaos and Time-Series Analysis, section
    A.3.1); starts too far from the attractor escape to infinity.

    References
    ----------
    Henon, "A two-dimensional mapping with a strange attractor", Communications in Mathematical Physics 50 (1976) 69,
    equation (5).

    Examples
    --------
    >>> HenonMap()(0, [1.0, 0.5]).round(12)
    array([0.1, 0.3])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1", "b": "1"}
    default_time: ClassVar[float] = 1000.0

    a: float = 1.4
    b: float = 0.3

    def image(self, n: Any, state: Any) -> tuple[Any, Any]:
        x, y = state
        return 1.0 - self.a * x * x + y, self.b * x

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """Fixed points, where there are any; they carry the derivatives of a and b."""
        lost = 1.0 - self.b
        square = lost * lost + 4.0 * self.a
        if not np.all((raw(square) > 0.0) & (np.abs(raw(self.a)) > _LEAST)):
            return {}
        ahead = raw(lost) >= 0.0
        larger = lost + ops.where(ahead, 1.0, -1.0) * ops.sqrt(square)  # the root in whose sum nothing cancels
        near, far = 2.0 / larger, -0.5 * larger / self.a
        plus, minus = ops.where(ahead, near, far), ops.where(ahead, far, near)
        return {"plus": (plus, self.b * plus), "minus": (minus, self.b * minus)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """The origin, as in Henon's paper: it falls to the attractor at once."""
        return (0.0, 0.0)
