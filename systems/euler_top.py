"""A rigid body on which no torque acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, final

from diffsim import array_ops
from systems._base import System
from systems._quaternion import norm, turned, turning

__all__ = ["EulerTop"]


@final
@dataclass(frozen=True)
class EulerTop(System):
    """A rigid body that turns freely about its centre of mass: Euler's top.

    About its principal axes, with the orientation as a quaternion q that takes the body's axes to those of space,

        I_1 omega_1' = (I_2 - I_3) omega_2 omega_3
        I_2 omega_2' = (I_3 - I_1) omega_3 omega_1
        I_3 omega_3' = (I_1 - I_2) omega_1 omega_2
        q'           = q (0, omega) / 2

    State

    =======  ==================================================  =====
    symbol   meaning                                             unit
    =======  ==================================================  =====
    omega_i  angular velocity about principal axis i, 1 to 3     rad/s
    q_i      orientation, a quaternion of norm 1; q_0 is scalar  1
    =======  ==================================================  =====

    Parameters

    =========  =======  ======  =========================================
    symbol     default  unit    meaning
    =========  =======  ======  =========================================
    inertia_1  1.0      kg m^2  moment of inertia I_1 about the first axis
    inertia_2  2.0      kg m^2  moment of inertia I_2 about the second
    inertia_3  2.5      kg m^2  moment of inertia I_3 about the third
    =========  =======  ======  =========================================

    Invariants: the energy; the square of the angular momentum; the angular momentum in space (momentum_x, momentum_y,
    momentum_z), times |q|^2; norm, which is |q|^2.

    Equilibria: rest, in every orientation.  Turning about a principal axis is steady in omega.

    Chaotic nowhere: integrable, by Jacobi's elliptic functions.  Turning about the axis of the middle moment is
    unstable: a body that is set going about it turns over and back again and again, as Dzhanibekov saw a wing nut do.

    References
    ----------
    Landau and Lifshitz, Mechanics, sections 36 and 37; Ashbaugh, Chicone, Cushman, "The twisting tennis racket",
    Journal of Dynamics and Differential Equations 3 (1991) 67.

    Examples
    --------
    >>> EulerTop()(0.0, [1.0, 2.0, 3.0, 0.8, 0.6, 0.0, 0.0])
    array([-3.  ,  2.25, -0.8 , -0.3 ,  0.4 , -0.1 ,  1.8 ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("omega_1", "omega_2", "omega_3", "q_0", "q_1", "q_2", "q_3")
    state_units: ClassVar[tuple[str, ...]] = ("rad/s", "rad/s", "rad/s", "1", "1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "inertia_1": "kg m^2",
        "inertia_2": "kg m^2",
        "inertia_3": "kg m^2",
    }
    positive: ClassVar[frozenset[str]] = frozenset({"inertia_1", "inertia_2", "inertia_3"})
    default_time: ClassVar[float] = 30.0

    inertia_1: float = 1.0
    inertia_2: float = 2.0
    inertia_3: float = 2.5

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        w_1, w_2, w_3, *q = state
        i_1, i_2, i_3 = self.inertia_1, self.inertia_2, self.inertia_3
        return (
            (i_2 - i_3) / i_1 * w_2 * w_3,
            (i_3 - i_1) / i_2 * w_3 * w_1,
            (i_1 - i_2) / i_3 * w_1 * w_2,
            *turning(q, (w_1, w_2, w_3)),
        )

    def energy(self, state: Any) -> Any:
        """Return the kinetic energy in J of ``state`` (7, *batch), of shape (*batch)."""
        w_1, w_2, w_3 = state[0], state[1], state[2]
        return 0.5 * (self.inertia_1 * w_1 * w_1 + self.inertia_2 * w_2 * w_2 + self.inertia_3 * w_3 * w_3)

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "energy": self.energy,
            "momentum_square": self._momentum_square,
            "momentum_x": partial(self._momentum, 0),
            "momentum_y": partial(self._momentum, 1),
            "momentum_z": partial(self._momentum, 2),
            "norm": _norm,
        }

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"rest": (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Turning about the middle axis, not quite: it turns over every 8 s."""
        return (0.01, 4.0, 0.0, 1.0, 0.0, 0.0, 0.0)

    def positions(self, state: Any) -> Any:
        """Return a T that turns with the body, seen along the z axis, in m, of shape (4, 2, *batch).

        Its bar, 2 m, is the first axis, its stem, 1 m, the second one, which ends in the last point.
        """
        q = [state[3], state[4], state[5], state[6]]
        size = norm(q)
        points = []
        for tip in ((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)):
            x, y, _ = turned(q, tip)
            points.append(array_ops.stack([x / size, y / size]))
        return array_ops.stack(points)

    def _momenta(self, state: Any) -> tuple[Any, Any, Any]:
        """The angular momentum about the body's axes."""
        return self.inertia_1 * state[0], self.inertia_2 * state[1], self.inertia_3 * state[2]

    def _momentum_square(self, state: Any) -> Any:
        l_1, l_2, l_3 = self._momenta(state)
        return l_1 * l_1 + l_2 * l_2 + l_3 * l_3

    def _momentum(self, axis: int, state: Any) -> Any:
        return turned([state[3], state[4], state[5], state[6]], self._momenta(state))[axis]


def _norm(state: Any) -> Any:
    return norm([state[3], state[4], state[5], state[6]])
