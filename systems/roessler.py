"""Roessler's simplest chaotic flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import ops
from diffsim.number import raw
from systems._base import System

__all__ = ["Roessler"]


@final
@dataclass(frozen=True)
class Roessler(System):
    """An outward spiral in a plane that is folded back from above: chaos with a single quadratic term.

        x' = -y - z
        y' = x + a y
        z' = b + z (x - c)

    State (everything is dimensionless; time too)

    ======  =======================================  ====
    symbol  meaning                                  unit
    ======  =======================================  ====
    x       first coordinate of the spiral           1
    y       second coordinate of the spiral          1
    z       height, which is small but in the folds  1
    ======  =======================================  ====

    Parameters

    ======  =======  ====  ==============================================
    symbol  default  unit  meaning
    ======  =======  ====  ==============================================
    a       0.2      1     growth of the spiral
    b       0.2      1     source of the height
    c       5.7      1     value of x beyond which the height takes off
    ======  =======  ====  ==============================================

    Invariants: none.

    Equilibria: for c^2 > 4 a b inner and outer, (a s, -s, s) with s = (c -+ sqrt(c^2 - 4 a b)) / (2 a).

    Chaotic at the defaults, with Lyapunov exponents (0.0714, 0, -5.3943) (Sprott, Chaos and Time-Series Analysis, table
    A.5.2); periodic for c below 2.83 at these a and b, and in windows above.

    References
    ----------
    Roessler, "An equation for continuous chaos", Physics Letters A 57 (1976) 397.

    Examples
    --------
    >>> Roessler()(0.0, [1.0, 2.0, 3.0])
    array([ -5. ,   1.4, -13.9])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1", "b": "1", "c": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a", "b", "c"})
    default_time: ClassVar[float] = 200.0

    a: float = 0.2
    b: float = 0.2
    c: float = 5.7

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return -y - z, x + self.a * y, self.b + z * (x - self.c)

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """States at rest; they carry the derivatives of the parameters."""
        square = self.c * self.c - 4.0 * self.a * self.b
        if not np.all(raw(square) > 0.0):
            return {}
        far = 0.5 * (self.c + ops.sqrt(square))  # the larger root a s; the smaller one from their product a b
        near = self.a * self.b / far
        return {name: (x, -x / self.a, x / self.a) for name, x in (("inner", near), ("outer", far))}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """On the attractor."""
        return (0.0, -6.78, 0.02)
