"""The double gyre that sways."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from diffsim import ops
from diffsim.number import raw
from systems._base import System

__all__ = ["DoubleGyre"]


@final
@dataclass(frozen=True)
class DoubleGyre(System):
    """A speck of dust in two counter-rotating vortices whose common border sways: mixing in a box of 2 x 1.

        x' = -pi A sin(pi f) cos(pi y)
        y' =  pi A cos(pi f) sin(pi y) df/dx
        f(x, t) = s x^2 + (1 - 2 s) x,   s = epsilon sin(omega t)

    The stream function is psi = A sin(pi f) sin(pi y), with x' = -d psi / dy and y' = d psi / dx.  The walls x = 0, x =
    2, y = 0 and y = 1 are never crossed.

    State (lengths and times have no unit)

    ======  ===============================  ====
    symbol  meaning                          unit
    ======  ===============================  ====
    x       place along the box, in [0, 2]   1
    y       place across the box, in [0, 1]  1
    ======  ===============================  ====

    Parameters

    =======  ==================  ====  ===========================================
    symbol   default             unit  meaning
    =======  ==================  ====  ===========================================
    A        0.1                 1     strength of the vortices
    epsilon  0.25                1     how far the border sways
    omega    0.6283185307179586  1     angular frequency of the sway, 2 pi / 10
    =======  ==================  ====  ===========================================

    Invariants: with epsilon = 0 the stream function; otherwise none.

    Equilibria: the corners of the box, (0, 0), (0, 1), (2, 0) and (2, 1), at all times.

    Chaotic for epsilon > 0: the ridges of its finite-time Lyapunov exponent are the walls of transport for which it is
    known.

    References
    ----------
    Shadden, Lekien and Marsden, "Definition and properties of Lagrangian coherent structures from finite-time Lyapunov
    exponents in two-dimensional aperiodic flows", Physica D 212 (2005) 271, section 5.

    Examples
    --------
    >>> DoubleGyre(A=1.0)(0.0, [0.5, 0.0]).round(6)
    array([-3.141593,  0.      ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("x", "y")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"A": "1", "epsilon": "1", "omega": "1"}
    non_negative: ClassVar[frozenset[str]] = frozenset({"epsilon"})
    default_time: ClassVar[float] = 50.0

    A: float = 0.1
    epsilon: float = 0.25
    omega: float = math.pi / 5.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any]:
        x, y = state
        sway = self.epsilon * ops.sin(self.omega * t)
        place = math.pi * (sway * x + 1.0 - 2.0 * sway) * x
        slope = 2.0 * sway * (x - 1.0) + 1.0
        size = math.pi * self.A
        return (
            -size * ops.sin(place) * ops.cos(math.pi * y),
            size * ops.cos(place) * ops.sin(math.pi * y) * slope,
        )

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {} if np.any(raw(self.epsilon) != 0.0) else {"stream function": self._stream}

    def _stream(self, state: Any) -> Any:
        """Return psi of the flow that does not sway, of ``state`` (2, *batch), of shape (*batch)."""
        x, y = state
        return self.A * ops.sin(math.pi * x) * ops.sin(math.pi * y)

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {f"corner ({x}, {y})": (float(x), float(y)) for x in (0, 2) for y in (0, 1)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Beside the border, which it crosses again and again."""
        return (0.9, 0.3)
