"""Lorenz's ring of weather sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

from systems._base import System
from systems._checks import checked_count
from systems._sizes import numbered, repeated

__all__ = ["Lorenz96"]


@final
@dataclass(frozen=True)
class Lorenz96(System):
    """One quantity at n sites around a circle of latitude, with advection, damping and forcing.

        x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F,    i = 1 ... n, around the ring

    The quadratic terms conserve the sum of all x_i^2, so that every trajectory ends in a ball.

    State (everything is dimensionless; the unit of time is the damping time, 5 days)

    ======  =============================================  ====
    symbol  meaning                                        unit
    ======  =============================================  ====
    x_i     an atmospheric quantity at site i              1
    ======  =============================================  ====

    Parameters

    =======  =======  ====  =========
    symbol   default  unit  meaning
    =======  =======  ====  =========
    forcing  8.0      1     forcing F
    =======  =======  ====  =========

    An option, by name only and no parameter of physics, is ``sites`` (default 40): the number n of sites, >= 4.

    Invariants: none.

    Equilibria: uniform, all x_i = F; stable for -1/2 < F < 8/9.

    Chaotic at the defaults, with 13 positive Lyapunov exponents, the largest 1.67: errors double in 0.42 units of time,
    2.1 days (Lorenz and Emanuel 1998).

    References
    ----------
    Lorenz, "Predictability: a problem partly solved", ECMWF seminar (1996); Lorenz and Emanuel, "Optimal sites for
    supplementary weather observations", Journal of the Atmospheric Sciences 55 (1998) 399, equation (1).

    Examples
    --------
    >>> Lorenz96(sites=4)(0.0, [1.0, 2.0, 3.0, 4.0])
    array([ 3.,  5., 11.,  1.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"forcing": "1"}
    default_time: ClassVar[float] = 20.0

    forcing: float = 8.0
    sites: int = field(default=40, kw_only=True, metadata={"parameter": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "sites", checked_count(type(self).__name__, "sites", self.sites, 4))

    @property
    def state_names(self) -> tuple[str, ...]:
        return numbered(self.sites, "x")

    @property
    def state_units(self) -> tuple[str, ...]:
        return repeated(self.sites, "1")

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        n, x = self.sites, state
        return tuple([(x[i + 1 - n] - x[i - 2]) * x[i - 1] - x[i] + self.forcing for i in range(n)])

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"uniform": (self.forcing,) * self.sites}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """At rest but for a disturbance of 0.01 in the middle, which spreads around the ring."""
        middle = self.sites // 2
        return tuple(self.forcing + (0.01 if i == middle else 0.0) for i in range(self.sites))
