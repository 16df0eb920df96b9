"""How rods that hang from one another are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diffsim import array_ops, ops

__all__: list[str] = []


def linked_points(angles: Sequence[Any], lengths: Sequence[Any], start: Any = None) -> Any:
    """Return the ends of rods in m, of shape (n + 1, 2, *batch); angles are from hanging, in the plane.

    The first end is the origin, or ``(start, 0)``.
    """
    x = 0.0 * angles[0] if start is None else start
    y = 0.0 * angles[0]
    points = [array_ops.stack([x, y])]
    for angle, length in zip(angles, lengths, strict=True):
        x, y = x + length * ops.sin(angle), y - length * ops.cos(angle)
        points.append(array_ops.stack([x, y]))
    return array_ops.stack(points)
