"""Where a right-hand side jumps: what makes the steps of a solve tiny for ever, though it is not stiff."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.number import raw

__all__: list[str] = []

PATIENCE, WINDOW = 10_000, 1_000
"""Attempted steps before the pace of a solve is looked at for the first time, and between two looks."""

_HALVINGS = 30
_STILL = 0.2
"""What is left of a jump when its interval is a billionth; a smooth function has a billionth left."""


@final
@dataclass(frozen=True)
class Jump:
    """A place where a component of the derivative jumps.

    Attributes
    ----------
    t : float
    component : int
    before, after : float
        The derivative on both sides.
    """

    t: float
    component: int
    before: float
    after: float


def find_jump(f: Callable[[Any, Any], Any], begin: tuple[float, Any], end: tuple[float, Any]) -> Jump | None:
    """Return a jump of f on the straight line between two points, or None; 32 evaluations.

    Parameters
    ----------
    f : callable
    begin, end : (t, y)
        ``y`` of shape (n,) or (n, 1), plain.
    """
    (t0, y0), (t1, y1) = begin, end

    def slope(x: float) -> Any:
        return np.array(raw(f(t0 + x * (t1 - t0), y0 + x * (y1 - y0))), dtype=np.float64).ravel()

    low, high, f_low, f_high = 0.0, 1.0, slope(0.0), slope(1.0)
    first = np.max(np.abs(f_high - f_low))
    if not (np.isfinite(first) and first > 0.0):
        return None
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        f_middle = slope(middle)
        if np.max(np.abs(f_middle - f_low)) >= np.max(np.abs(f_high - f_middle)):
            high, f_high = middle, f_middle
        else:
            low, f_low = middle, f_middle
    gap = np.abs(f_high - f_low)
    i = int(np.argmax(gap))
    if not gap[i] > _STILL * first:
        return None
    return Jump(t0 + low * (t1 - t0), i, float(f_low[i]), float(f_high[i]))


def is_hopeless(t: float, t_before: float, end: float, attempts_left: int, window: int) -> bool:
    """Whether the attempts left do not reach the end at the pace of the last `window` attempts."""
    return abs(end - t) * window > abs(t - t_before) * attempts_left
