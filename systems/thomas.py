"""Thomas' cyclically symmetric flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import ops
from systems._base import System

__all__ = ["Thomas"]


@final
@dataclass(frozen=True)
class Thomas(System):
    """A particle with friction in a lattice of forces: one equation, three times in a circle.

        x' = sin(y) - b x
        y' = sin(z) - b y
        z' = sin(x) - b z

    State (everything is dimensionless; time too)

    ======  ========================  ====
    symbol  meaning                   unit
    ======  ========================  ====
    x       first coordinate          1
    y       second coordinate         1
    z       third coordinate          1
    ======  ========================  ====

    Parameters

    ========  ========  ====  ==========
    symbol    default   unit  meaning
    ========  ========  ====  ==========
    friction  0.18      1     friction b
    ========  ========  ====  ==========

    Invariants: none; without friction volumes are conserved.

    Equilibria: origin, which attracts all for b > 1; for b < 1 others on the diagonal, where sin(x) = b x.

    Chaotic at the default, with largest Lyapunov exponent 0.04, and between windows below about b = 0.208186; without
    friction the orbits wander through the whole lattice, a labyrinth.

    References
    ----------
    Thomas, "Deterministic chaos seen in terms of feedback circuits", International Journal of Bifurcation and Chaos 9
    (1999) 1889; Sprott and Chlouverakis, "Labyrinth chaos", the same 17 (2007) 2097.

    Examples
    --------
    >>> Thomas(friction=0.5)(0.0, [1.0, 0.0, 2.0]).round(6)
    array([-0.5     ,  0.909297, -0.158529])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"friction": "1"}
    non_negative: ClassVar[frozenset[str]] = frozenset({"friction"})
    default_time: ClassVar[float] = 300.0

    friction: float = 0.18

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return ops.sin(y) - self.friction * x, ops.sin(z) - self.friction * y, ops.sin(x) - self.friction * z

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"origin": (0.0, 0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Off the diagonal, which no orbit leaves."""
        return (1.0, 0.0, 2.0)
