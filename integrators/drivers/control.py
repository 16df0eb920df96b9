"""Step size control after SciPy, for single trajectories and for lanes: all axes behind the first are lanes.

Everything here works on plain numbers: steps are chosen by values, and a derivative of a solve is that of its accepted
steps.  Sums over components run in order, so a lane gets the bits of a single trajectory.

SOURCE: scipy/integrate/_ivp/common.py and rk.py; Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I",
section II.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import must
from diffsim.number import raw
from integrators._controller import ELEMENTARY, Controller
from integrators._norm import rms
from integrators.drivers.right_hand_side import RightHandSide

__all__: list[str] = []

FAILED_FACTOR = 0.5
"""By what a step that could not be made (Newton's iterations did not converge) is shortened, as in SciPy."""

DEFAULT_MAX_STEPS = 1_000_000
"""Budget of attempted steps of an adaptive solve, so that every solve ends (a minute or two for one trajectory)."""


@dataclass(frozen=True)
class Control:
    """What the choice of steps depends on.

    Attributes
    ----------
    rtol, atol : float or array, shape (n,)
        Tolerances.
    first_step : float or None
        Size of the first step.
    max_step : float or callable
        Largest step, or a function of time that gives it.
    max_steps : int
        Budget of attempted steps.
    min_step : float
        A step shorter than this ends the solve; only the last one, up to t1, may be shorter.
    controller : Controller
    """

    rtol: Any
    atol: Any
    first_step: float | None
    max_step: float | Callable[[float], float]
    max_steps: int | None
    min_step: float = 0.0
    controller: Controller = ELEMENTARY

    @property
    def scipys(self) -> bool:
        """Whether steps are chosen as SciPy does: elementary control, and limits that are numbers."""
        return self.controller is ELEMENTARY and self.min_step == 0.0 and not callable(self.max_step)

    def longest(self, t: Any) -> Any:
        """Return the largest step allowed from t on, shape lanes.

        Raises
        ------
        ArgumentError
            The caller's function of time gave something that is not > 0.
        """
        if not callable(self.max_step):
            return self.max_step
        if np.ndim(t):
            return np.array([self.longest(float(x)) for x in t])
        limit = float(self.max_step(float(t)))
        if not limit > 0.0:
            raise must(
                "solve_ivp", "max_step(t)", "must be > 0 at all times", limit, f"It was asked at t={float(t)!r}."
            )
        return limit

    def smallest(self, t: Any, direction: Any) -> Any:
        """Return the shortest step that may be tried from t, shape lanes."""
        shortest = smallest_step(t, direction)
        return shortest if self.min_step == 0.0 else np.maximum(shortest, self.min_step)


def columns(tolerance: Any, ndim: int) -> Any:
    """Return a tolerance, one number or one a component, so that it broadcasts against (n, *lanes)."""
    return tolerance if np.ndim(tolerance) == 0 else np.reshape(tolerance, (-1, *(1,) * (ndim - 1)))


def scale_of(y: Any, y_new: Any, rtol: Any, atol: Any) -> Any:
    """Return the tolerance of each component for the error of a step from y to y_new."""
    return atol + np.maximum(np.abs(y), np.abs(y_new)) * rtol


def smallest_step(t: Any, direction: Any) -> Any:
    """Return the shortest step that still moves t: ten units in its last place."""
    return 10.0 * np.abs(np.nextafter(t, direction * np.inf) - t)


def initial_step(
    f: RightHandSide,
    t0: Any,
    y0: Any,
    f0: Any,
    span: Any,
    direction: Any,
    max_step: Any,
    order: int,
    rtol: Any,
    atol: Any,
) -> Any:
    """Return SciPy's size of the first step, shape lanes; one evaluation of f.

    Parameters
    ----------
    f : RightHandSide
    t0 : float, or array, shape lanes
    y0, f0 : arrays, shape (n, *lanes), plain
    span : float, or array, shape lanes
        Length of the interval, > 0.
    direction : float, or array, shape lanes
        1 or -1.
    max_step : float, or array, shape lanes
    order : int
        Order of the error estimate.
    rtol, atol : numbers or arrays that broadcast against y0
    """
    scale = atol + np.abs(y0) * rtol
    d0, d1 = rms(y0 / scale), rms(f0 / scale)
    tiny = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = np.minimum(np.where(tiny, 1e-6, 0.01 * d0 / np.where(tiny, 1.0, d1)), span)
    f1 = raw(f(t0 + h0 * direction, y0 + h0 * direction * f0))
    d2 = rms((f1 - f0) / scale) / h0
    steepest = np.maximum(d1, d2)
    flat = (d1 <= 1e-15) & (d2 <= 1e-15)
    h1 = np.where(flat, np.maximum(1e-6, h0 * 1e-3), np.power(0.01 / np.where(flat, 1.0, steepest), 1.0 / (order + 1)))
    return np.minimum(np.minimum(100.0 * h0, h1), np.minimum(span, max_step))
