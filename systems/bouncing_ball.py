"""A ball that bounces on the ground."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.number import raw
from systems._base import System
from systems._event import Event

__all__ = ["BouncingBall"]


@final
@dataclass(frozen=True)
class BouncingBall(System):
    """A ball that falls without friction, and leaves the ground with a fraction e of the speed with which it came.

        h' = v
        v' = -g                        and  v -> -e v  where h falls through 0

    A hybrid system: `solve_ivp` looks for its impacts without being asked and goes on behind them; their times are in
    ``t_events``, derivatives go through them, those by the restitution included.

    State

    ========  =====================  ====
    symbol    meaning                unit
    ========  =====================  ====
    height    height above ground h  m
    velocity  velocity upwards v     m/s
    ========  =====================  ====

    Parameters

    ===========  =======  =====  ==================================
    symbol       default  unit   meaning
    ===========  =======  =====  ==================================
    gravity      9.8      m/s^2  acceleration g
    restitution  0.9      1      speed behind an impact, over before
    ===========  =======  =====  ==================================

    Invariants: with restitution 1 the energy a unit mass, ``v^2 / 2 + g h``; otherwise none.

    Equilibria: none; a ball that rests on the ground is no state of these equations.

    Chaotic nowhere.  With a restitution below 1 the bounces accumulate: infinitely many of them end at the time
    `rest_time`, and there a solve ends too, with ``status`` -1 and a message that says why.  Give it a span that ends
    before, or a terminal event.

    References
    ----------
    van der Schaft and Schumacher, An Introduction to Hybrid Dynamical Systems, section 2.2.3.

    Examples
    --------
    >>> BouncingBall()(0.0, [1.0, 2.0])
    array([ 2. , -9.8])
    >>> round(BouncingBall(restitution=0.5).rest_time([4.9, 0.0]), 12)
    3.0
    """

    state_names: ClassVar[tuple[str, ...]] = ("height", "velocity")
    state_units: ClassVar[tuple[str, ...]] = ("m", "m/s")
    parameter_units: ClassVar[Mapping[str, str]] = {"gravity": "m/s^2", "restitution": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"gravity"})
    non_negative: ClassVar[frozenset[str]] = frozenset({"restitution"})
    default_time: ClassVar[float] = 8.0

    gravity: float = 9.8
    restitution: float = 0.9

    @property
    def canonical(self) -> bool:
        """True of the flight: the velocity is the momentum of a unit mass."""
        return True

    @property
    def separable(self) -> bool:
        return True

    def rates(self, t: Any, state: Any) -> tuple[Any, Any]:
        velocity = state[1]
        return velocity, 0.0 * velocity - self.gravity

    def ground(self, t: Any, state: Any) -> Any:
        """Return the height in m, whose zero is an impact."""
        return state[0]

    def bounce(self, t: Any, state: Any) -> tuple[Any, Any]:
        """Return the state behind an impact."""
        return state[0], -self.restitution * state[1]

    @property
    def events(self) -> tuple[Event, ...]:
        """The impact."""
        return (Event(self.ground, reset=self.bounce, direction=-1.0),)

    def energy(self, state: Any) -> Any:
        """Return the energy a unit mass, in J/kg, of ``state`` (2, *batch), of shape (*batch); zero on the ground."""
        height, velocity = state
        return 0.5 * velocity * velocity + self.gravity * height

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"energy": self.energy} if np.all(raw(self.restitution) == 1.0) else {}

    def rest_time(self, state: Any) -> Any:
        """Return the time in s from ``state`` (2, *batch) to the end of all bounces; infinite for a restitution >= 1.

        The first flight lasts ``(v + w) / g`` with the speed of impact ``w = sqrt(v^2 + 2 g h)``, the next one
        ``2 e w / g``, and each one after it e times as long.
        """
        height, velocity = state
        impact = ops.sqrt(velocity * velocity + 2.0 * self.gravity * height)
        ends = raw(self.restitution) < 1.0
        lost = ops.where(ends, 1.0 - self.restitution, 1.0)
        total = (velocity + impact + 2.0 * self.restitution * impact / lost) / self.gravity
        return ops.where(ends, total, np.inf)

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Dropped from 1 m: the bounces end after 8.58 s."""
        return (1.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return the point of impact and the ball in m, of shape (2, 2, *batch)."""
        ball = array_ops.stack([0.0 * state[0], state[0]])
        return array_ops.stack([0.0 * ball, ball])
