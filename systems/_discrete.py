"""`DiscreteMap`, the base of systems that jump from state to state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from systems._base import System

__all__ = ["DiscreteMap"]


@dataclass(frozen=True)
class DiscreteMap(System):
    """A map ``state_(n+1) = image(n, state_n; parameters)``: base of frozen dataclasses, as `System` is.

    A subclass writes `image` where a flow writes `rates`; a call ``system(n, state)`` gives the next state.
    `solve_ivp` iterates it, ``solve_ivp(system, (0, n), y0)``, compiled and with all its derivatives.  Its
    `equilibria` are its fixed points, its `invariants` are functions that have the same value at a state and at its
    image, and it is `canonical` where it is symplectic.

    Raises
    ------
    ArgumentError, KindError
        As for `System`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Doubling(DiscreteMap):
    ...     factor: float = 2.0
    ...     state_names = ("amount",)
    ...     def image(self, n, state):
    ...         (amount,) = state
    ...         return (self.factor * amount,)
    >>> from integrators import solve_ivp
    >>> solve_ivp(Doubling(), (0, 4), [1.0]).y
    array([[ 1.,  2.,  4.,  8., 16.]])
    """

    discrete: ClassVar[bool] = True
    default_time: ClassVar[float] = 100.0

    def image(self, n: Any, state: Any) -> Sequence[Any]:
        """Return the components of the next state, as a sequence: **this is what a map writes**.

        ``n`` counts the iterations; ``state`` unpacks into its components, each of any kind of number.
        """
        self._lacks("image", "Write the map as image(self, n, state), returning one number a component.")

    def rates(self, t: Any, state: Any) -> Sequence[Any]:
        """Return the image: what a call evaluates.  A map has no rates of change."""
        return self.image(t, state)
