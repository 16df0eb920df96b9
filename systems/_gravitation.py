"""Point masses that attract each other in a plane: the equations that several systems share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

from diffsim import array_ops, ops
from systems._base import System
from systems._sizes import numbered, repeated

__all__: list[str] = []


@dataclass(frozen=True)
class PlanarGravitation(System):
    """Newton's law for n bodies in a plane; a subclass says their `masses`, a tuple of n numbers in kg.

    The state has all x, then all y, all v_x, all v_y.
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"gravity": "m^3/(kg s^2)"}
    positive: ClassVar[frozenset[str]] = frozenset({"gravity"})

    gravity: float = 1.0

    @property
    def weights(self) -> tuple[float, ...]:
        """Masses of the bodies in kg."""
        self._lacks("weights", "Say the masses of the bodies.")

    @property
    def state_names(self) -> tuple[str, ...]:
        return numbered(len(self.weights), "x", "y", "v_x", "v_y")

    @property
    def state_units(self) -> tuple[str, ...]:
        return repeated(len(self.weights), "m", "m", "m/s", "m/s")

    @property
    def canonical(self) -> bool:
        """Whether the velocities are the momenta: where all masses are 1."""
        return all(mass == 1.0 for mass in self.weights)

    @property
    def separable(self) -> bool:
        return True

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        masses = self.weights
        n = len(masses)
        pull_x: list[Any] = [0.0] * n
        pull_y: list[Any] = [0.0] * n
        for i, j in combinations(range(n), 2):
            x, y = state[j] - state[i], state[n + j] - state[n + i]
            square = x * x + y * y
            pull = self.gravity / (square * ops.sqrt(square))
            towards_x, towards_y = pull * x, pull * y
            pull_x[i] = pull_x[i] + masses[j] * towards_x
            pull_y[i] = pull_y[i] + masses[j] * towards_y
            pull_x[j] = pull_x[j] - masses[i] * towards_x
            pull_y[j] = pull_y[j] - masses[i] * towards_y
        return (*(state[2 * n + i] for i in range(2 * n)), *pull_x, *pull_y)

    def kinetic_energy(self, state: Any) -> Any:
        """Return the kinetic energy in J of ``state`` (4 n, *batch), of shape (*batch)."""
        masses = self.weights
        n = len(masses)
        squares = [state[2 * n + i] * state[2 * n + i] + state[3 * n + i] * state[3 * n + i] for i in range(n)]
        return 0.5 * _sum([mass * square for mass, square in zip(masses, squares, strict=True)])

    def potential_energy(self, state: Any) -> Any:
        """Return the potential energy in J of ``state`` (4 n, *batch), of shape (*batch); zero far apart."""
        masses = self.weights
        n = len(masses)
        terms = [
            masses[i] * masses[j] / ops.hypot(state[j] - state[i], state[n + j] - state[n + i])
            for i, j in combinations(range(n), 2)
        ]
        return -self.gravity * _sum(terms)

    def energy(self, state: Any) -> Any:
        """Return the energy in J of ``state`` (4 n, *batch), of shape (*batch)."""
        return self.kinetic_energy(state) + self.potential_energy(state)

    def momentum(self, state: Any) -> tuple[Any, Any]:
        """Return the two components of the momentum in kg m/s, each of shape (*batch)."""
        masses = self.weights
        n = len(masses)
        x, y = ([mass * state[k * n + i] for i, mass in enumerate(masses)] for k in (2, 3))
        return _sum(x), _sum(y)

    def angular_momentum(self, state: Any) -> Any:
        """Return the angular momentum about the origin in kg m^2/s, of shape (*batch)."""
        masses = self.weights
        n = len(masses)
        turns = [state[i] * state[3 * n + i] - state[n + i] * state[2 * n + i] for i in range(n)]
        return _sum([mass * turn for mass, turn in zip(masses, turns, strict=True)])

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "energy": self.energy,
            "momentum_x": lambda state: self.momentum(state)[0],
            "momentum_y": lambda state: self.momentum(state)[1],
            "angular_momentum": self.angular_momentum,
        }

    def positions(self, state: Any) -> Any:
        """Return the bodies in m, of shape (n, 2, *batch)."""
        n = len(self.weights)
        return array_ops.stack([array_ops.stack([state[i], state[n + i]]) for i in range(n)])


def _sum(terms: list[Any]) -> Any:
    """Return the sum, from the first on."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
