"""Lorenz's smallest model of the general circulation of the atmosphere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._base import System
from systems._cubic import cubic_roots

__all__ = ["Lorenz84"]


@final
@dataclass(frozen=True)
class Lorenz84(System):
    """The westerly wind and the waves that carry heat polewards: weather in three numbers.

        x' = -y^2 - z^2 - a x + a F
        y' = x y - b x z - y + G
        z' = b x y + x z - z

    Not to be confused with Lorenz 63 and Lorenz 96.

    State (everything is dimensionless; the unit of time is the damping time of the waves, 5 days)

    ======  ==========================================================  ====
    symbol  meaning                                                     unit
    ======  ==========================================================  ====
    x       westerly wind, and contrast of temperature with it          1
    y       cosine part of a chain of large waves                       1
    z       sine part of a chain of large waves                         1
    ======  ==========================================================  ====

    Parameters

    ======  =======  ====  ================================================
    symbol  default  unit  meaning
    ======  =======  ====  ================================================
    a       0.25     1     damping of the wind over that of the waves
    b       4.0      1     displacement of the waves by the wind
    F       8.0      1     contrast of heating between equator and pole
    G       1.0      1     contrast of heating between land and sea
    ======  =======  ====  ================================================

    Invariants: none.

    Equilibria: rest, or rest_1 to rest_3 with growing x, where (F - x) (1 - 2 x + (1 + b^2) x^2) = G^2 / a; then
    y = (1 - x) G / d and z = b x G / d with d = (1 - x)^2 + b^2 x^2.

    Chaotic at the defaults, winter, with largest Lyapunov exponent 0.17: the flow wanders between weak and strong
    waves.  With F = 6 (summer) two periodic motions, one weak and one strong, attract each a part of all starts.

    References
    ----------
    Lorenz, "Irregularity: a fundamental property of the atmosphere", Tellus A 36 (1984) 98, equations (1) to (3).

    Examples
    --------
    >>> Lorenz84()(0.0, [1.0, 2.0, 3.0])
    array([-11.25, -11.  ,   8.  ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1", "b": "1", "F": "1", "G": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a", "b"})
    default_time: ClassVar[float] = 100.0

    a: float = 0.25
    b: float = 4.0
    F: float = 8.0
    G: float = 1.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        turned = self.b * x
        return (
            self.a * (self.F - x) - y * y - z * z,
            x * y - turned * z - y + self.G,
            turned * y + x * z - z,
        )

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """States at rest; they carry the derivatives of the parameters."""
        square = 1.0 + self.b * self.b
        free = self.F - self.G * self.G / self.a
        roots = cubic_roots(square, -2.0 - square * self.F, 1.0 + 2.0 * self.F, -free)
        names = ("rest",) if len(roots) == 1 else ("rest_1", "rest_2", "rest_3")
        return dict(zip(names, map(self._at, roots), strict=False))

    def _at(self, x: Any) -> tuple[Any, ...]:
        """Return the state at rest with this x."""
        size = (1.0 - x) * (1.0 - x) + self.b * self.b * x * x
        return x, (1.0 - x) * self.G / size, self.b * x * self.G / size

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Beside the flow without waves, as in Lorenz's first example."""
        return (2.4, 1.0, 0.0)
