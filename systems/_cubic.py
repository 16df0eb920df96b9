"""Real roots of a cubic in closed form, for equilibria; they carry the derivatives of the coefficients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from diffsim import ops
from diffsim.number import raw

__all__: list[str] = []


def cubic_roots(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, ...]:
    """Return the distinct real roots of ``a x^3 + b x^2 + c x + d``, smallest first: one or three.

    Viete's formulas with cosines, or Cardano's where there is one root only, and two steps of Newton's method.
    Coefficients may be arrays (one entry a trajectory); where they disagree about how many roots there are, and at a
    double root, the answer is ``()``.
    """
    shift = b / (3.0 * a)
    p = c / a - 3.0 * shift * shift
    q = (2.0 * shift * shift - c / a) * shift + d / a
    cube, square = 4.0 * raw(p) ** 3, 27.0 * raw(q) ** 2
    rounding = 1e-13 * (abs(cube) + square)
    if np.all(cube + square < -rounding):
        size = ops.sqrt(-p / 3.0)
        angle = ops.acos(1.5 * q / (p * size)) / 3.0
        found = [2.0 * size * ops.cos(angle - turn * 2.0 * math.pi / 3.0) for turn in (2, 1, 0)]
    elif np.all(cube + square > rounding):
        found = [_single(p, q)]
    else:
        return ()
    return tuple(_polished(t - shift, a, b, c, d) for t in found)


def _single(p: Any, q: Any) -> Any:
    """Return the only real root of ``t^3 + p t + q``: Cardano's formula, without cancellation."""
    half = 0.5 * q
    sign = np.where(raw(q) >= 0.0, 1.0, -1.0) if np.ndim(raw(q)) else math.copysign(1.0, raw(q))
    first = ops.cbrt(-half - sign * ops.sqrt(half * half + p * p * p / 27.0))
    return first - p / (3.0 * first)


def _polished(x: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return a root with the last digits that the closed form loses."""
    for _ in range(2):  # two: a root near 0 is a difference of larger numbers
        value = ((a * x + b) * x + c) * x + d
        x = x - value / ((3.0 * a * x + 2.0 * b) * x + c)
    return x
