"""Bodies that attract each other: any number of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, final

from diffsim.errors import ArgumentError, KindError
from diffsim.number import Number
from systems._checks import checked
from systems._gravitation import PlanarGravitation

__all__ = ["NBody"]

_EIGHT_X, _EIGHT_Y = 0.97000436, -0.24308753
_EIGHT_V_X, _EIGHT_V_Y = -0.93240737, -0.86473146


@final
@dataclass(frozen=True)
class NBody(PlanarGravitation):
    """Point masses in a plane, each attracting all others: three of them by default, on the figure eight.

        x_i'' = G sum_j m_j (x_j - x_i) / r_ij^3        y_i'' likewise

    State

    ======  ====================  ====
    symbol  meaning               unit
    ======  ====================  ====
    x_i     position of body i    m
    y_i     position of body i    m
    v_x_i   velocity of body i    m/s
    v_y_i   velocity of body i    m/s
    ======  ====================  ====

    Parameters

    =======  =======  ============  =========================
    symbol   default  unit          meaning
    =======  =======  ============  =========================
    gravity  1.0      m^3/(kg s^2)  gravitational constant G
    =======  =======  ============  =========================

    An option, by name only and no parameter to differentiate by, is ``masses`` (default ``(1.0, 1.0, 1.0)``): the mass
    of each body in kg, > 0, and with it their number, >= 2.  Any other consistent units do as well.

    Invariants: the energy, the two components of the momentum, the angular momentum.

    Equilibria: none.

    Chaotic for most starts of three bodies and more, with close encounters that need an adaptive method; the figure
    eight of the default start is stable.  Collisions are singularities.

    References
    ----------
    Chenciner and Montgomery, "A remarkable periodic solution of the three-body problem in the case of equal masses",
    Annals of Mathematics 152 (2000) 881 (the figure eight, with initial values by Simo).

    Examples
    --------
    >>> NBody(masses=(1.0, 2.0))(0.0, [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).tolist()
    [0.0, 0.0, 0.0, 0.0, 2.0, -1.0, 0.0, 0.0]
    """

    masses: tuple[float, ...] = field(default=(1.0, 1.0, 1.0), kw_only=True, metadata={"parameter": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        who = type(self).__name__
        if not isinstance(self.masses, tuple | list) or any(isinstance(mass, Number) for mass in self.masses):
            raise KindError(
                f"{who}: masses must be a tuple of plain numbers, an option by which nothing is differentiated; got "
                f"{type(self.masses).__name__} {self.masses!r}. Gradients by a mass need a system that has it as a "
                "field."
            )
        if len(self.masses) < 2:
            raise ArgumentError(f"{who}: masses must be those of two bodies or more; got {self.masses!r}.")
        sound = tuple(float(checked(who, f"masses[{i}]", mass, positive=True)) for i, mass in enumerate(self.masses))
        object.__setattr__(self, "masses", sound)

    @property
    def weights(self) -> tuple[float, ...]:
        return self.masses

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Three equal bodies chase each other along a figure eight, with the period 6.3259 for masses and G of 1.

        Other numbers of bodies begin on a regular polygon, and go round on a circle of 1 m if their masses are equal.
        """
        n = len(self.masses)
        if n == 3:
            x, y, v_x, v_y = _EIGHT_X, _EIGHT_Y, _EIGHT_V_X, _EIGHT_V_Y
            return (x, -x, 0.0, y, -y, 0.0, -0.5 * v_x, -0.5 * v_x, v_x, -0.5 * v_y, -0.5 * v_y, v_y)
        return _polygon(n, float(sum(self.masses)) / n)


def _polygon(n: int, mass: float) -> tuple[float, ...]:
    """Return n bodies on a circle of radius 1, going round where each has the mass and G is 1."""
    angles = [2.0 * math.pi * i / n for i in range(n)]
    speed = math.sqrt(0.25 * mass * sum(1.0 / math.sin(math.pi * k / n) for k in range(1, n)))
    x, y = [math.cos(a) for a in angles], [math.sin(a) for a in angles]
    return (*x, *y, *(-speed * s for s in y), *(speed * c for c in x))
