"""The Pleiades: seven stars of different masses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._gravitation import PlanarGravitation

__all__ = ["Pleiades"]


@final
@dataclass(frozen=True)
class Pleiades(PlanarGravitation):
    """Seven stars in a plane with the masses 1 to 7, which pass each other closely: a test of step control.

        x_i'' = G sum_j m_j (x_j - x_i) / r_ij^3        y_i'' likewise,    m_i = i

    State

    ======  ====================  ====
    symbol  meaning               unit
    ======  ====================  ====
    x_i     position of star i    m
    y_i     position of star i    m
    v_x_i   velocity of star i    m/s
    v_y_i   velocity of star i    m/s
    ======  ====================  ====

    Parameters

    =======  =======  ============  =========================
    symbol   default  unit          meaning
    =======  =======  ============  =========================
    gravity  1.0      m^3/(kg s^2)  gravitational constant G
    =======  =======  ============  =========================

    The masses are in kg; any other consistent units do as well.

    Invariants: the energy, the two components of the momentum, the angular momentum.

    Equilibria: none.

    Chaotic: stars 1 and 7 come as close as 0.034 at t = 1.68, and errors of the start grow up to 400 times until t = 3,
    where the test problem ends.

    References
    ----------
    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section II.10, equation (10.3); Mazzia and
    Magherini, Test Set for Initial Value Problem Solvers, release 2.4 (2008), problem Pleiades.

    Examples
    --------
    >>> system = Pleiades()
    >>> system(0.0, system.default_state)[14:17].round(6)
    array([-2.930821, -0.529415,  0.475374])
    """

    default_time: ClassVar[float] = 3.0

    @property
    def weights(self) -> tuple[float, ...]:
        return (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)

    @property
    def default_state(self) -> tuple[Any, ...]:
        """The start of the test problem."""
        x = (3.0, 3.0, -1.0, -3.0, 2.0, -2.0, 2.0)
        y = (3.0, -3.0, 2.0, 0.0, 0.0, -4.0, 4.0)
        v_x = (0.0, 0.0, 0.0, 0.0, 0.0, 1.75, -1.5)
        v_y = (0.0, 0.0, 0.0, -1.25, 1.0, 0.0, 0.0)
        return (*x, *y, *v_x, *v_y)
