"""The pendulum of any number of rods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

from diffsim import ops
from systems._checks import checked_count
from systems._hamiltonian import HamiltonianSystem
from systems._linkage import linked_points
from systems._sizes import numbered, repeated

__all__ = ["NLinkPendulum"]


@final
@dataclass(frozen=True)
class NLinkPendulum(HamiltonianSystem):
    """Equal uniform rods, each hinged to the end of the one before, swinging without friction in a vertical plane.

    Hamilton's equations of ``H = p . M^-1 p / 2 + V`` with, for n rods and i < j,

        M_ii = m l^2 (1/3 + n - i)
        M_ij = m l^2 (1/2 + n - j) cos(theta_i - theta_j)
        V    = -m g l sum_i (1/2 + n - i) cos(theta_i)

    Two rods are the `DoublePendulum`.

    State

    =========  ==============================================  ========
    symbol     meaning                                         unit
    =========  ==============================================  ========
    theta_i    angle of rod i, from hanging; 1 is the highest  rad
    p_theta_i  momentum conjugate to theta_i, dL/d(theta_i')   kg m^2/s
    =========  ==============================================  ========

    Parameters

    =======  =======  =====  =========================
    symbol   default  unit   meaning
    =======  =======  =====  =========================
    gravity  9.8      m/s^2  acceleration g of gravity
    mass     1.0      kg     mass m of each rod
    length   1.0      m      length l of each rod
    =======  =======  =====  =========================

    Option ``links``: their number n, 3 by default.

    Invariants: the energy.

    Equilibria: hanging (stable), inverted, and every other way to put rods up and down.

    Chaotic from two rods on, for most starts of middling energy.

    References
    ----------
    Lagrange's equations of the second kind, as in Landau and Lifshitz, Mechanics, section 5; of rods that hang from a
    point Kane and Levinson, Dynamics: Theory and Applications, section 6.

    Examples
    --------
    >>> NLinkPendulum(links=2)(0.0, [0.4, 0.0, 1.0, 4.0]).round(6)
    array([ -6.493432,  20.971271,  20.790175, -26.514624])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"gravity": "m/s^2", "mass": "kg", "length": "m"}
    positive: ClassVar[frozenset[str]] = frozenset({"mass", "length"})

    gravity: float = 9.8
    mass: float = 1.0
    length: float = 1.0
    links: int = field(default=3, kw_only=True, metadata={"parameter": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "links", checked_count(type(self).__name__, "links", self.links, least=1))

    @property
    def coordinates(self) -> tuple[str, ...]:
        return numbered(self.links, "theta")

    @property
    def state_units(self) -> tuple[str, ...]:
        return repeated(self.links, "rad", "kg m^2/s")

    @property
    def angles(self) -> tuple[int, ...]:
        return tuple(range(self.links))

    @property
    def rods(self) -> tuple[tuple[int, int], ...]:
        return tuple((i, i + 1) for i in range(self.links))

    def mass_matrix(self, q: Any) -> Any:
        n, unit = self.links, self.mass * self.length * self.length
        rows: list[list[Any]] = [[None] * n for _ in range(n)]
        for j in range(n):
            below = n - 1 - j
            rows[j][j] = unit * (3 * below + 1) / 3.0
            for i in range(j):
                rows[i][j] = rows[j][i] = unit * ((2 * below + 1) / 2.0) * ops.cos(q[i] - q[j])
        return rows

    def potential(self, q: Any, t: Any) -> Any:
        total = 0.0
        for i in range(self.links):
            total = total + (self.links - 1 - i + 0.5) * ops.cos(q[i])
        return -self.mass * self.gravity * self.length * total

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        still = (0.0,) * self.links
        return {"hanging": (*still, *still), "inverted": (*[math.pi] * self.links, *still)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Held straight at 2 rad from hanging, and let go."""
        return (*[2.0] * self.links, *[0.0] * self.links)

    def positions(self, state: Any) -> Any:
        """Return the ends of the rods in m, of shape (n + 1, 2, *batch); the first is the pivot."""
        return linked_points([state[i] for i in range(self.links)], [self.length] * self.links)
