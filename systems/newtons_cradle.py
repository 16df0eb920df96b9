"""Newton's cradle: balls on strings that hit each other."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.errors import RunError
from diffsim.number import Number, raw
from systems._base import System
from systems._checks import checked_count
from systems._event import Event
from systems._sizes import numbered, repeated

__all__ = ["NewtonsCradle"]

_TOUCHING = 1e-11
"""Angle between two balls, in rad, below which they touch."""

_TOGETHER = 1e-13
"""Difference of two angular velocities, in units of the largest, below which balls that touch move as one."""

_MOST = 100_000
"""Impacts at one time after which something is wrong."""


@final
@dataclass(frozen=True)
class NewtonsCradle(System):
    """n balls on strings of equal lengths, side by side, just touching at rest; they hit each other in pairs.

        theta_i' = omega_i        omega_i' = -(g / l) sin(theta_i)

    and where theta_i = theta_{i+1} with omega_i > omega_{i+1} the pair's velocities become

        omega_i     -> (m_i omega_i + m_{i+1} omega_{i+1} - e m_{i+1} (omega_i - omega_{i+1})) / (m_i + m_{i+1})
        omega_{i+1} -> (m_i omega_i + m_{i+1} omega_{i+1} + e m_i     (omega_i - omega_{i+1})) / (m_i + m_{i+1})

    so that momentum is kept and the velocity of separation is e times that of approach.  The mass of each ball is that
    of the one before times ``mass_ratio``.  A hybrid system: `solve_ivp` looks for the impacts without being asked.

    Impacts that follow each other at one time are resolved one pair after the other, those between balls 1 and 2
    first, until no ball approaches another: with equal masses as many balls leave as arrive.  That is a model: real
    balls are deformed, and three of them are in contact at once.  Balls that lose energy (e < 1) end such a sequence of
    ever weaker impacts by moving as one.

    State

    =======  ==========================================  ======
    symbol   meaning                                     unit
    =======  ==========================================  ======
    theta_i  angle of string i from hanging              rad
    omega_i  angular velocity of ball i                  rad/s
    =======  ==========================================  ======

    Parameters

    ===========  =======  =====  ============================================
    symbol       default  unit   meaning
    ===========  =======  =====  ============================================
    gravity      9.8      m/s^2  acceleration g
    length       1.0      m      length l of the strings
    restitution  1.0      1      velocity of separation over that of approach
    mass_ratio   1.0      1      mass of a ball over that of the one before
    ===========  =======  =====  ============================================

    Options, by name only and no parameters of the equations, are ``balls`` (default 5), their number >= 2, and
    ``diameter`` (default 0.2, in m), which is for drawing alone.

    Invariants: with restitution 1 the energy over the mass of the first ball.

    Equilibria: rest, all balls hanging.

    Chaotic: not with equal masses and restitution 1, where the balls exchange the motions of free pendulums; otherwise
    irregular.

    Derivatives go through impacts of pairs.  Balls that touch at rest, as at the default start, have none: however
    small a gap between them is, they close it at the bottom and swap what they have, so that derivatives from there are
    refused.  Start with gaps.

    References
    ----------
    Herrmann and Seitz, "How does the ball-chain work?", American Journal of Physics 50 (1982) 977; Hutzler, Delaney,
    Weaire, MacLeod, "Rocking Newton's cradle", American Journal of Physics 72 (2004) 1508.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> cradle = NewtonsCradle(balls=3)
    >>> solve_ivp(cradle, (0.0, 1.0), cradle.default_state, t_eval=[1.0], rtol=1e-9, atol=1e-9).y[:3, 0].round(4) + 0.0
    array([0.    , 0.    , 0.4991])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {
        "gravity": "m/s^2",
        "length": "m",
        "restitution": "1",
        "mass_ratio": "1",
    }
    positive: ClassVar[frozenset[str]] = frozenset({"gravity", "length", "mass_ratio"})
    non_negative: ClassVar[frozenset[str]] = frozenset({"restitution"})

    gravity: float = 9.8
    length: float = 1.0
    restitution: float = 1.0
    mass_ratio: float = 1.0
    balls: int = field(default=5, kw_only=True, metadata={"parameter": False})
    diameter: float = field(default=0.2, kw_only=True, metadata={"parameter": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "balls", checked_count(type(self).__name__, "balls", self.balls, 2))

    @property
    def state_names(self) -> tuple[str, ...]:
        return numbered(self.balls, "theta", "omega")

    @property
    def state_units(self) -> tuple[str, ...]:
        return repeated(self.balls, "rad", "rad/s")

    @property
    def angles(self) -> tuple[int, ...]:
        return tuple(range(self.balls))

    @property
    def separable(self) -> bool:
        return True

    @property
    def rods(self) -> tuple[tuple[int, int], ...]:
        """The strings."""
        return tuple((2 * i, 2 * i + 1) for i in range(self.balls))

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        n, pull = self.balls, -self.gravity / self.length
        return (*(state[n + i] for i in range(n)), *(pull * ops.sin(state[i]) for i in range(n)))

    @property
    def events(self) -> tuple[Event, ...]:
        """The contacts of neighbours."""
        return tuple(
            Event(
                functools.partial(self.gap, i),
                reset=functools.partial(self.collide, i),
                direction=-1.0,
                name=f"contact_{i + 1}_{i + 2}",
            )
            for i in range(self.balls - 1)
        )

    def gap(self, i: int, t: Any, state: Any) -> Any:
        """Return the angle in rad between balls i and i + 1, counted from 0."""
        return state[i + 1] - state[i]

    def collide(self, i: int, t: Any, state: Any) -> Any:
        """Return the state behind the impact of balls i and i + 1, and of all that touch when they are hit."""
        y = array_ops.array(list(state))
        if self._approach(i, y) == 0.0:
            return self._settled(y)
        self._check_alone(i, t, y)
        y = self._hit(i, y)
        for _ in range(_MOST):
            approaching = [k for k in range(self.balls - 1) if self._touches(k, y) and self._approach(k, y) > 0.0]
            if not approaching:
                return self._settled(y)
            y = self._hit(approaching[0], y)
        raise RunError(
            f"{type(self).__name__}: impacts at one time must come to an end; {_MOST} of them at t={float(raw(t))!r} "
            "have not. Is the restitution above 1?"
        )

    def _touches(self, i: int, state: Any) -> bool:
        plain = raw(state)
        return bool(abs(plain[i + 1] - plain[i]) <= _TOUCHING)

    def _approach(self, i: int, state: Any) -> float:
        """Return how fast balls i and i + 1 approach; 0 where they move as one, to rounding."""
        speeds = raw(state)[self.balls :]
        speed = float(speeds[i] - speeds[i + 1])
        return speed if speed > _TOGETHER * float(np.max(np.abs(speeds))) else 0.0

    def _hit(self, i: int, state: Any) -> Any:
        """Return the state behind the impact of one pair."""
        n = self.balls
        parts = [state[k] for k in range(2 * n)]
        first, second = parts[n + i], parts[n + i + 1]
        share = 1.0 / (1.0 + self.mass_ratio)  # of the first ball in the mass of both
        common = share * (first + self.mass_ratio * second)
        bounce = self.restitution * share * (first - second)
        parts[n + i], parts[n + i + 1] = common - self.mass_ratio * bounce, common + bounce
        return array_ops.stack(parts)

    def _check_alone(self, i: int, t: Any, state: Any) -> None:
        """Raise where numbers carry derivatives and other balls touch: a gap of any size would change what follows."""
        if not any(isinstance(x, Number) for x in (state, self.restitution, self.mass_ratio)):
            return
        others = [k for k in range(self.balls - 1) if k != i and self._touches(k, state)]
        if others:
            k = others[0] + 1
            raise RunError(
                f"{type(self).__name__}: one pair of balls alone must touch at an impact for derivatives to exist; at "
                f"t={float(raw(t)):.6g} balls {i + 1} and {i + 2} hit each other while {k} and {k + 1} touch. However "
                "small a gap between them is, it changes who hits whom. Start with gaps, or solve without derivatives."
            )

    def _settled(self, y: Any) -> Any:
        """Return the state in which balls that touch do so exactly, and move exactly as one where they do.

        Balls that are a few last places apart would hit each other again and again where they rest.
        """
        n = self.balls
        parts, plain = [y[k] for k in range(2 * n)], np.array(raw(y), dtype=np.float64)
        for i in range(n - 1):
            if not self._touches(i, plain):
                continue
            as_one = abs(plain[n + i + 1] - plain[n + i]) <= _TOGETHER * np.max(np.abs(plain[n:]))
            for k in (i, n + i) if as_one else (i,):
                parts[k + 1] = (parts[k + 1] - plain[k + 1]) + plain[k]
                plain[k + 1] = plain[k]
        return array_ops.stack(parts)

    def energy(self, state: Any) -> Any:
        """Return the energy over the mass of the first ball, in J/kg, of shape (*batch); zero at rest."""
        n, total, mass = self.balls, 0.0, 1.0
        for i in range(n):
            speed = self.length * state[n + i]
            height = self.length * (1.0 - ops.cos(state[i]))
            total = total + mass * (0.5 * speed * speed + self.gravity * height)
            mass = mass * self.mass_ratio
        return total

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"energy": self.energy} if np.all(raw(self.restitution) == 1.0) else {}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"rest": (0.0,) * (2 * self.balls)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """The first ball is raised by half a radian."""
        return (-0.5, *(0.0,) * (2 * self.balls - 1))

    def positions(self, state: Any) -> Any:
        """Return for each ball where it hangs and where it is, in m, of shape (2 n, 2, *batch)."""
        points = []
        for i in range(self.balls):
            angle = state[i]
            hook = array_ops.stack([0.0 * angle + i * self.diameter, 0.0 * angle])
            ball = array_ops.stack([self.length * ops.sin(angle), -self.length * ops.cos(angle)])
            points += [hook, hook + ball]
        return array_ops.stack(points)
