"""Checks of what people ask of an animation; each returns the value in its working form."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from diffsim.errors import must
from studies._animation_times import exact

__all__: list[str] = []

_SMALLEST, _LARGEST = 64, 7680


def is_real(value: object) -> bool:
    """Whether `value` is a real number (True and False are none)."""
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def positive(who: str, name: str, value: Any) -> float:
    """Return a finite number > 0 as a float."""
    if not is_real(value) or not math.isfinite(value) or not value > 0:
        raise must(who, name, "must be a finite number > 0", value)
    return float(value)


def rate_of(who: str, fps: Any) -> Fraction:
    """Return frames a second as a fraction that a video can hold: 29.97 is 2997/100, 1/3 is 1/3."""
    if not is_real(fps) or not 0.01 <= fps <= 1000:
        raise must(who, "fps", "must be a number from 0.01 to 1000", fps)
    return exact(fps).limit_denominator(100_000)


def rate_factor(who: str, quality: Any) -> int:
    """Return x264's constant rate factor."""
    if isinstance(quality, bool) or not isinstance(quality, (int, np.integer)) or not 0 <= quality <= 51:
        raise must(who, "quality", "must be an integer from 0 (perfect) to 51 (smallest)", quality)
    return int(quality)


def even_size(who: str, size: Any) -> tuple[int, int]:
    """Return width and height in pixels."""
    rule = f"must be (width, height) in pixels, two even integers from {_SMALLEST} to {_LARGEST}"
    pair = tuple(size) if isinstance(size, (Sequence, np.ndarray)) and not isinstance(size, str) else ()
    whole = [isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in pair]
    if len(pair) != 2 or not all(whole) or not all(_SMALLEST <= n <= _LARGEST for n in pair):
        raise must(who, "size", rule, size)
    width, height = (int(n) for n in pair)
    if width % 2 or height % 2:
        mend = f"H.264 stores colours for 2 x 2 pixels; take ({width + width % 2}, {height + height % 2})."
        raise must(who, "size", rule, size, mend)
    return width, height


def trail_length(who: str, trail: Any) -> float:
    """Return seconds of video; infinity is allowed."""
    if not is_real(trail) or not trail >= 0:
        raise must(who, "trail", "must be >= 0, in seconds of video (0: none, inf: all)", trail)
    return float(trail)


def window(who: str, limits: Any) -> tuple[float, float, float, float] | None:
    """Return x_low, x_high, y_low, y_high, or None where nothing was asked."""
    if limits is None:
        return None
    rule = "must be ((x_low, x_high), (y_low, y_high)), finite and each low < high"
    try:
        box = np.asarray(limits, dtype=float)
    except (TypeError, ValueError):
        raise must(who, "limits", rule, limits) from None
    if box.shape != (2, 2) or not np.isfinite(box).all() or not (box[:, 0] < box[:, 1]).all():
        raise must(who, "limits", rule, limits)
    (x_low, x_high), (y_low, y_high) = box.tolist()
    return x_low, x_high, y_low, y_high


def names(who: str, labels: Any, count: int) -> tuple[str, ...]:
    """Return one name a trajectory, or none at all."""
    if labels is None:
        return ()
    rule = f"must be {count} names, one a trajectory"
    if isinstance(labels, str) or not isinstance(labels, (Sequence, np.ndarray)) or len(labels) != count:
        raise must(who, "labels", rule, labels)
    return tuple(str(label) for label in labels)
