"""`Chain`, the base of equal masses that are joined by springs, and how such chains are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

from diffsim import array_ops
from systems._base import System
from systems._checks import checked_count
from systems._sizes import numbered, repeated

__all__: list[str] = []


class Chain(System):
    """Equal masses, each joined to the next by a spring: Hamilton's equations of displacements q and momenta p.

        q_i' = p_i / m
        p_i' = f_(i+1) - f_i

    where f_i is the pull of spring i, which lies in front of mass i.  A subclass is a frozen dataclass with the fields
    `mass` and `bodies` (an option); it writes the pulls and the energies of the springs from their stretches, and
    `stretches` where the chain does not end at two walls.
    """

    fewest: ClassVar[int] = 1
    """Masses that it takes."""

    mass: Any
    bodies: int

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "bodies", checked_count(type(self).__name__, "bodies", self.bodies, least=self.fewest))

    @property
    def state_names(self) -> tuple[str, ...]:
        return numbered(self.bodies, "q", "p")

    @property
    def state_units(self) -> tuple[str, ...]:
        return repeated(self.bodies, "m", "kg m/s")

    @property
    def canonical(self) -> bool:
        return True

    @property
    def separable(self) -> bool:
        return True

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"rest": (0.0,) * self.dimension}

    def stretches(self, state: Any) -> list[Any]:
        """Return the stretch of each spring in m, from the left wall to the right one: n + 1 of them."""
        places = [0.0, *[state[i] for i in range(self.bodies)], 0.0]
        return [right - left for left, right in pairwise(places)]

    def pulls(self, stretches: list[Any]) -> list[Any]:
        """Return with which force in N each spring pulls."""
        self._lacks("pulls", "Write pulls(self, stretches), one force a spring.")

    def stored(self, stretches: list[Any]) -> list[Any]:
        """Return the energy in J that each spring holds."""
        self._lacks("stored", "Write stored(self, stretches), one energy a spring.")

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        n, pulls = self.bodies, self.pulls(self.stretches(state))
        following = [*pulls[1:], pulls[0]]  # of a ring the first spring is behind the last mass
        return (*[state[n + i] / self.mass for i in range(n)], *[following[i] - pulls[i] for i in range(n)])

    def kinetic_energy(self, state: Any) -> Any:
        """Return ``sum p_i^2 / (2 m)`` in J of ``state`` (2 n, *batch), of shape (*batch)."""
        total = 0.0
        for i in range(self.bodies, 2 * self.bodies):
            total = total + 0.5 * state[i] * state[i] / self.mass
        return total

    def potential_energy(self, state: Any) -> Any:
        """Return the energy of the springs in J of ``state`` (2 n, *batch), of shape (*batch)."""
        total = 0.0
        for energy in self.stored(self.stretches(state)):
            total = total + energy
        return total

    def energy(self, state: Any) -> Any:
        """Return the energy in J of ``state`` (2 n, *batch), of shape (*batch)."""
        return self.kinetic_energy(state) + self.potential_energy(state)


def chain_points(state: Any, n: int, across: bool, pitch: float = 1.0) -> Any:
    """Return the left wall and the masses, `pitch` apart at rest, of shape (n + 1, 2, *batch).

    With `across` a displacement is drawn upwards, as that of a string, else along the chain; and the right wall is the
    last point, of n + 2.
    """
    still = 0.0 * state[0]
    places = [still, *[state[i] for i in range(n)], *([still] if across else [])]
    points = [(still + i * pitch, q) if across else (i * pitch + q, still) for i, q in enumerate(places)]
    return array_ops.stack([array_ops.stack(list(point)) for point in points])
