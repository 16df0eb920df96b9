"""The pendulum, damped and driven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.number import raw
from systems._angular import AngularSystem

__all__ = ["Pendulum"]


@final
@dataclass(frozen=True, repr=False)  # AngularSystem's own shows `half_turns` only when it is used
class Pendulum(AngularSystem):
    """A point mass on a massless rod of fixed length, with friction and a periodic torque at the pivot.

    With ``A`` the amplitude and ``W`` the angular frequency of the drive, ``c`` the damping rate,

        theta' = p / (m l^2)
        p'     = -m g l sin(theta) - c p + A cos(W t)

    State

    ======  ==============================================  ========
    symbol  meaning                                         unit
    ======  ==============================================  ========
    theta   angle from hanging                              rad
    p       angular momentum about the pivot, m l^2 theta'  kg m^2/s
    ======  ==============================================  ========

    Parameters

    ===============  =======  =====  ======================================
    symbol           default  unit   meaning
    ===============  =======  =====  ======================================
    gravity          9.8      m/s^2  acceleration g of gravity
    length           1.0      m      length l of the rod
    mass             1.0      kg     mass m of the bob
    damping          0.0      1/s    rate c at which friction takes p away
    drive_amplitude  0.0      N m    largest driving torque A
    drive_frequency  1.0      rad/s  angular frequency W of the torque
    ===============  =======  =====  ======================================

    Option ``half_turns``: ``Pendulum().about("inverted")`` measures the angle from upright; see `AngularSystem`.

    Invariants: the energy, without damping and drive.

    Equilibria, without drive: hanging (stable), inverted.

    Chaotic when damped and driven: ``Pendulum(gravity=1, damping=0.5, drive_amplitude=1.5, drive_frequency=2/3)`` is
    the classic chaotic case (in Baker and Gollub's letters q = 2, g = 1.5).  Without drive it is integrable.

    References
    ----------
    Landau and Lifshitz, Mechanics, section 11 (the free pendulum and its period); Baker and Gollub, Chaotic Dynamics:
    an Introduction, 2nd edition, chapter 3 (the damped, driven pendulum).

    Examples
    --------
    >>> Pendulum(length=2.0)(0.0, [1.0, 0.5]).round(6)
    array([  0.125   , -16.492831])
    """

    state_names: ClassVar[tuple[str, ...]] = ("theta", "p")
    state_units: ClassVar[tuple[str, ...]] = ("rad", "kg m^2/s")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "gravity": "m/s^2",
        "length": "m",
        "mass": "kg",
        "damping": "1/s",
        "drive_amplitude": "N m",
        "drive_frequency": "rad/s",
    }
    angles: ClassVar[tuple[int, ...]] = (0,)
    positive: ClassVar[frozenset[str]] = frozenset({"length", "mass"})
    non_negative: ClassVar[frozenset[str]] = frozenset({"damping"})
    rods: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1),)
    resting: ClassVar[Mapping[str, tuple[int, ...]]] = {"hanging": (0,), "inverted": (1,)}

    gravity: float = 9.8
    length: float = 1.0
    mass: float = 1.0
    damping: float = 0.0
    drive_amplitude: float = 0.0
    drive_frequency: float = 1.0

    @property
    def canonical(self) -> bool:
        """True without damping and drive."""
        return not (np.any(raw(self.damping)) or np.any(raw(self.drive_amplitude)))

    @property
    def separable(self) -> bool:
        """True without damping."""
        return not np.any(raw(self.damping))

    def rates(self, t: Any, state: Any) -> tuple[Any, Any]:
        theta, p = state
        inertia, weight = self._constants()
        drive = self.drive_amplitude * ops.cos(self.drive_frequency * t)
        return p / inertia, drive - weight * ops.sin(theta) - self.damping * p

    def energy(self, state: Any) -> Any:
        """Return the energy in J of ``state`` (2, *batch), of shape (*batch); zero where the rod lies level at rest."""
        theta, p = state
        inertia, weight = self._constants()
        return 0.5 * p * p / inertia - weight * ops.cos(theta)

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"energy": self.energy} if self.canonical else {}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {} if np.any(raw(self.drive_amplitude)) else super().equilibria

    @property
    def default_state(self) -> tuple[Any, ...]:
        """A swing to 3 radians, nearly upright: the period is 2.6 times that of small swings."""
        return tuple(self.from_absolute([3.0, 0.0]).tolist())

    def positions(self, state: Any) -> Any:
        """Return pivot and bob in m, of shape (2, 2, *batch)."""
        reach = self.length * self.signs[0]
        bob = array_ops.stack([reach * ops.sin(state[0]), -reach * ops.cos(state[0])])
        return array_ops.stack([0.0 * bob, bob])

    def _constants(self) -> tuple[Any, Any]:
        """Return m l^2 and m g l, the latter with the sign of `half_turns` worked in."""
        moment = self.mass * self.length
        return moment * self.length, moment * self.gravity * self.signs[0]
