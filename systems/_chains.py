"""What chains of masses between two walls have in common: who stands beside whom, and how they are drawn."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from diffsim import array_ops

__all__: list[str] = []


def neighbours(state: Any, n: int) -> list[tuple[Any, Any]]:
    """Return the displacements at both ends of each of the n + 1 springs, the walls' being zero.

    >>> neighbours([1.0, 2.0, 0.0, 0.0], 2)
    [(0.0, 1.0), (1.0, 2.0), (2.0, 0.0)]
    """
    places = [0.0, *[state[i] for i in range(n)], 0.0]
    return list(pairwise(places))


def chain_points(state: Any, n: int, across: bool, pitch: float = 1.0) -> Any:
    """Return the left wall and the masses, `pitch` apart at rest, of shape (n + 1, 2, *batch).

    With `across` a displacement is drawn upwards, as that of a string, else along the chain; and the right wall is the
    last point, of n + 2.
    """
    still = 0.0 * state[0]
    places = [still, *[state[i] for i in range(n)], *([still] if across else [])]
    points = [(still + i * pitch, q) if across else (i * pitch + q, still) for i, q in enumerate(places)]
    return array_ops.stack([array_ops.stack(list(point)) for point in points])
