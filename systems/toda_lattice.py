"""Toda's lattice, closed to a ring."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, final

from diffsim import array_ops, ops
from systems._chains import Chain

__all__ = ["TodaLattice"]


@final
@dataclass(frozen=True)
class TodaLattice(Chain):
    """Equal masses in a ring, whose springs push exponentially: a lattice that is integrable for any number of them.

    With the stretch ``d_i = q_i - q_(i-1)`` of spring i, where ``q_0 = q_n``,

        q_i' = p_i / m
        p_i' = a (exp(-b d_i) - exp(-b d_(i+1)))

    State

    ======  ================================  ======
    symbol  meaning                           unit
    ======  ================================  ======
    q_i     displacement of mass i from rest  m
    p_i     momentum of mass i, m q_i'        kg m/s
    ======  ================================  ======

    Parameters

    =========  =======  ====  ==========================================
    symbol     default  unit  meaning
    =========  =======  ====  ==========================================
    mass       1.0      kg    mass m of each
    force      1.0      N     force a of each spring at rest
    steepness  1.0      1/m   rate b at which it falls with the stretch
    =========  =======  ====  ==========================================

    Option ``bodies``: their number n, at least 3, 8 by default.

    Invariants: n of them, in involution: the momentum, the energy, and trace_3 to trace_n, the traces of the powers of
    Flaschka's matrix L.  With ``c = b / sqrt(a b m)`` it has ``c p_i`` on its diagonal, ``exp(-b d_(i+1) / 2)`` beside
    it and in the corners; its eigenvalues do not change, as L' = [B, L].

    Equilibria: rest; also every shift of it.

    Chaotic nowhere: integrable.  A pulse of its own, the soliton, keeps its shape while it runs, even through others;
    in the default state one goes round the ring.

    References
    ----------
    Toda, Theory of Nonlinear Lattices, 2nd edition, chapters 2 and 3; Henon, "Integrals of the Toda lattice", Physical
    Review B 9 (1974) 1921; Flaschka, "The Toda lattice II: existence of integrals", ibid. 1924.

    Examples
    --------
    >>> TodaLattice(bodies=3)(0.0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.5]).round(6)
    array([ 0.      ,  0.      ,  0.5     , -2.350402,  1.718282,  0.632121])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"mass": "kg", "force": "N", "steepness": "1/m"}
    positive: ClassVar[frozenset[str]] = frozenset({"mass", "force", "steepness"})
    default_time: ClassVar[float] = 40.0
    fewest: ClassVar[int] = 3

    mass: float = 1.0
    force: float = 1.0
    steepness: float = 1.0
    bodies: int = field(default=8, kw_only=True, metadata={"parameter": False})

    def stretches(self, state: Any) -> list[Any]:
        """Return the stretch of the spring in front of each mass, of the ring: n of them."""
        return [state[i] - state[i - 1 if i else self.bodies - 1] for i in range(self.bodies)]

    def pulls(self, stretches: list[Any]) -> list[Any]:
        return [-self.force * ops.exp(-self.steepness * d) for d in stretches]

    def stored(self, stretches: list[Any]) -> list[Any]:
        return [self.force / self.steepness * ops.exp(-self.steepness * d) for d in stretches]

    def trace(self, power: int, state: Any) -> Any:
        """Return the trace of a power >= 1 of Flaschka's matrix, of shape (*batch)."""
        n = self.bodies
        scale = self.steepness / ops.sqrt(self.force * self.steepness * self.mass)
        diagonal = [scale * state[n + i] for i in range(n)]
        beside = [ops.exp(-0.5 * self.steepness * d) for d in self.stretches(state)]  # beside[i] joins i - 1 and i
        columns = [[1.0 if i == j else 0.0 for i in range(n)] for j in range(n)]
        for _ in range(power // 2):
            columns = [_applied(diagonal, beside, column) for column in columns]
        more = [_applied(diagonal, beside, column) for column in columns] if power % 2 else columns
        total = 0.0  # tr(A B) of symmetric A and B, two halves of the power
        for left, right in zip(columns, more, strict=True):
            for x, y in zip(left, right, strict=True):
                total = total + x * y
        return total

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        traces = {f"trace_{power}": partial(self.trace, power) for power in range(3, self.bodies + 1)}
        return {"energy": self.energy, "momentum": self._momentum, **traces}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """A soliton of width 1 on the ring: its springs pushed together, all others stretched a little."""
        n, middle, width = self.bodies, 0.5 * (self.bodies + 1), 1.0

        def pile(i: float) -> float:
            """log(1 + exp(2 width i)), which the soliton is made of."""
            return math.log1p(math.exp(2.0 * width * (i - middle)))

        def speed(i: float) -> float:
            return 2.0 * math.sinh(width) / (1.0 + math.exp(-2.0 * width * (i - middle)))

        q = [pile(i - 1.0) - pile(float(i)) + 2.0 * width * i / n for i in range(1, n + 1)]
        p = [speed(float(i)) - speed(i - 1.0) for i in range(1, n + 1)]
        return (*q, *p)

    def positions(self, state: Any) -> Any:
        """Return the masses on their ring of circumference 2 n, and the first again, in m, (n + 1, 2, *batch)."""
        n = self.bodies
        radius = n / math.pi
        points = []
        for i in range(n + 1):
            angle = 2.0 * math.pi * (i % n) / n + state[i % n] / radius
            points.append(array_ops.stack([radius * ops.sin(angle), radius * ops.cos(angle)]))
        return array_ops.stack(points)

    def _momentum(self, state: Any) -> Any:
        total = 0.0
        for i in range(self.bodies):
            total = total + state[self.bodies + i]
        return total


def _applied(diagonal: list[Any], beside: list[Any], x: list[Any]) -> list[Any]:
    """Return L x for the periodic Jacobi matrix L."""
    n = len(x)
    return [diagonal[i] * x[i] + beside[i] * x[i - 1] + beside[(i + 1) % n] * x[(i + 1) % n] for i in range(n)]
