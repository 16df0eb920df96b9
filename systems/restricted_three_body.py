"""The restricted three-body problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops, ops
from diffsim.errors import must
from diffsim.number import Number, raw
from systems._base import System

__all__ = ["RestrictedThreeBody"]


@final
@dataclass(frozen=True)
class RestrictedThreeBody(System):
    """A satellite of no mass in the field of two bodies that circle each other, in the frame that turns with them.

    With the distances ``r_1^2 = (x + mu)^2 + y^2`` from the larger body and ``r_2^2 = (x - 1 + mu)^2 + y^2`` from the
    smaller one,

        x'   = v_x        v_x' = x + 2 v_y - (1 - mu) (x + mu) / r_1^3 - mu (x - 1 + mu) / r_2^3
        y'   = v_y        v_y' = y - 2 v_x - (1 - mu) y / r_1^3 - mu y / r_2^3

    Also known as the planar circular restricted three-body problem.

    State (units: the distance and the total mass of the two bodies; 2 pi of time is one of their turns)

    ======  =======================================================  ====
    symbol  meaning                                                  unit
    ======  =======================================================  ====
    x       position along the line through the bodies               1
    y       position across it, barycentre at (0, 0)                 1
    v_x     velocity in the turning frame                            1
    v_y     velocity in the turning frame                            1
    ======  =======================================================  ====

    Parameters

    ==========  ===========  ====  ==================================================
    symbol      default      unit  meaning
    ==========  ===========  ====  ==================================================
    mass_ratio  0.012277471  1     mu: mass of the smaller body over that of both
    ==========  ===========  ====  ==================================================

    The default is the ratio for Earth and Moon with which Arenstorf's orbits are computed.

    Invariants: Jacobi's integral ``x^2 + y^2 + 2 (1 - mu) / r_1 + 2 mu / r_2 - v^2``, which is -2 times the energy in
    the turning frame.

    Equilibria: Lagrange's points L1 between the bodies, L2 behind the smaller one, L3 behind the larger one, all three
    unstable; L4 and L5 at the corners of equilateral triangles, stable for mu < 0.0385.

    Chaotic for many starts; the default orbit is periodic, but unstable: its largest multiplier is 285, and errors of
    the start grow up to two million times in a period.  Collisions with the bodies are singularities.

    References
    ----------
    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section II.0, equations (0.1) and (0.2);
    Szebehely, Theory of Orbits, chapter 1.

    Examples
    --------
    >>> RestrictedThreeBody(mass_ratio=0.5)(0.0, [0.0, 1.0, 0.5, 0.0]).round(6)
    array([ 0.5     ,  0.      ,  0.      , -0.715542])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y", "v_x", "v_y")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"mass_ratio": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"mass_ratio"})
    default_time: ClassVar[float] = 17.0652165601579625588917206249

    mass_ratio: float = 0.012277471

    def __post_init__(self) -> None:
        super().__post_init__()
        plain = raw(self.mass_ratio)
        if not isinstance(plain, Number) and not np.all(plain < 1.0):
            raise must(type(self).__name__, "mass_ratio", "must be < 1, a part of the whole mass", self.mass_ratio)

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any, Any]:
        x, y, v_x, v_y = state
        mu = self.mass_ratio
        near, far = x + mu, x + mu - 1.0
        square_1, square_2 = near * near + y * y, far * far + y * y
        pull_1, pull_2 = (1.0 - mu) / (square_1 * ops.sqrt(square_1)), mu / (square_2 * ops.sqrt(square_2))
        return v_x, v_y, x + 2.0 * v_y - pull_1 * near - pull_2 * far, y - 2.0 * v_x - (pull_1 + pull_2) * y

    def energy(self, state: Any) -> Any:
        """Return the energy in the turning frame of ``state`` (4, *batch), of shape (*batch): -1/2 times `jacobi`."""
        x, y, v_x, v_y = state
        mu = self.mass_ratio
        distance_1, distance_2 = ops.hypot(x + mu, y), ops.hypot(x + mu - 1.0, y)
        kinetic, centrifugal = 0.5 * (v_x * v_x + v_y * v_y), 0.5 * (x * x + y * y)
        return kinetic - centrifugal - (1.0 - mu) / distance_1 - mu / distance_2

    def jacobi(self, state: Any) -> Any:
        """Return Jacobi's integral of ``state`` (4, *batch), of shape (*batch)."""
        return -2.0 * self.energy(state)

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"jacobi": self.jacobi}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """Lagrange's points; they carry the derivative of the mass ratio."""
        mu = self.mass_ratio
        height = 0.75**0.5 + 0.0 * mu
        found = {f"L{i}": (self._on_the_line(i), 0.0 * mu, 0.0 * mu, 0.0 * mu) for i in (1, 2, 3)}
        return found | {
            "L4": (0.5 - mu, height, 0.0 * mu, 0.0 * mu),
            "L5": (0.5 - mu, -height, 0.0 * mu, 0.0 * mu),
        }

    def _on_the_line(self, which: int) -> Any:
        """Return x of L1, L2 or L3: bisection in plain numbers, then Newton's steps in numbers of any kind.

        The force along the line rises between its poles, from minus to plus infinity.
        """
        mu = self.mass_ratio
        plain = np.asarray(raw(mu), dtype=np.float64)
        one = np.ones_like(plain)
        low, high = {1: (-plain, 1.0 - plain), 2: (1.0 - plain, 2.0 * one), 3: (-2.0 * one, -plain)}[which]
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            with np.errstate(all="ignore"):
                above = _force(plain, middle)[0] > 0.0
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        x = 0.5 * (low + high)
        place: Any = x if x.ndim else float(x)
        for _ in range(_POLISHED):
            force, slope = _force(mu, place)
            place = place - force / slope
        return place

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Arenstorf's orbit of four loops around Earth and Moon: after 17.0652 it is back at its start."""
        return (0.994, 0.0, 0.0, -2.00158510637908252240537862224)

    def positions(self, state: Any) -> Any:
        """Return the larger body, the smaller one and the satellite, of shape (3, 2, *batch)."""
        still = 0.0 * state[0]
        larger, smaller = (array_ops.stack([still + x, still]) for x in (-self.mass_ratio, 1.0 - self.mass_ratio))
        return array_ops.stack([larger, smaller, array_ops.stack([state[0], state[1]])])


_HALVINGS = 60
_POLISHED = 3
"""Newton's steps from a root that is known to rounding: each doubles the order of derivatives that is right."""


def _force(mu: Any, x: Any) -> tuple[Any, Any]:
    """Return the force along the line through both bodies, and its slope."""
    near, far = x + mu, x + mu - 1.0
    distance_1, distance_2 = abs(near), abs(far)
    cube_1 = (1.0 - mu) / (distance_1 * distance_1 * distance_1)
    cube_2 = mu / (distance_2 * distance_2 * distance_2)
    return x - cube_1 * near - cube_2 * far, 1.0 + 2.0 * (cube_1 + cube_2)
