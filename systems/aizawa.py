"""Aizawa's flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._base import System
from systems._cubic import cubic_roots

__all__ = ["Aizawa"]


@final
@dataclass(frozen=True)
class Aizawa(System):
    """A sphere with a tube through its axis: a torus that lost its shape.

        x' = (z - b) x - d y
        y' = d x + (z - b) y
        z' = c + a z - z^3 / 3 - (x^2 + y^2) (1 + e z) + f z x^3

    Also known as Langford's system: with f = 0 it is the normal form of a Hopf and a saddle-node bifurcation together.

    State (everything is dimensionless; time too)

    ======  ==========================================  ====
    symbol  meaning                                     unit
    ======  ==========================================  ====
    x       first coordinate across the axis            1
    y       second coordinate across the axis           1
    z       height along the axis                       1
    ======  ==========================================  ====

    Parameters

    ======  =======  ====  ===========================================
    symbol  default  unit  meaning
    ======  =======  ====  ===========================================
    a       0.95     1     growth along the axis
    b       0.7      1     height at which spirals turn outwards
    c       0.6      1     upward drift
    d       3.5      1     angular velocity around the axis
    e       0.25     1     pull back by distance, with height
    f       0.1      1     breaks the symmetry around the axis
    ======  =======  ====  ===========================================

    Invariants: none.

    Equilibria: for d != 0 all lie on the axis, where z^3 - 3 a z - 3 c = 0: axis, or axis_1 to axis_3 with growing z.

    Chaotic at the defaults, with largest Lyapunov exponent 0.09; with f = 0 it has the symmetry of the axis and
    cannot be.

    References
    ----------
    Langford, "Numerical studies of torus bifurcations", in Numerical Methods for Bifurcation Problems, Birkhaeuser
    (1984) 285, with f; Aizawa and Uezu, "Topological aspects in chaos and in 2^k-period doubling cascade", Progress of
    Theoretical Physics 67 (1982) 982.

    Examples
    --------
    >>> Aizawa()(0.0, [1.0, 2.0, 3.0])
    array([ -4.7,   8.1, -14. ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = dict.fromkeys("abcdef", "1")
    positive: ClassVar[frozenset[str]] = frozenset({"d"})
    default_time: ClassVar[float] = 100.0

    a: float = 0.95
    b: float = 0.7
    c: float = 0.6
    d: float = 3.5
    e: float = 0.25
    f: float = 0.1

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        out = z - self.b
        lift = self.c + self.a * z - z * z * z / 3.0
        pull = (x * x + y * y) * (1.0 + self.e * z)
        return out * x - self.d * y, self.d * x + out * y, lift - pull + self.f * z * x * x * x

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """States at rest; they carry the derivatives of `a` and `c`."""
        heights = cubic_roots(1.0, 0.0, -3.0 * self.a, -3.0 * self.c)
        names = ("axis",) if len(heights) == 1 else ("axis_1", "axis_2", "axis_3")
        return {name: (0.0 * z, 0.0 * z, z) for name, z in zip(names, heights, strict=False)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Beside the axis."""
        return (0.1, 0.0, 0.0)
