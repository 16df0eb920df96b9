"""Orientation of a rigid body as a quaternion ``(q_0, q_1, q_2, q_3)``, the scalar first.

A vector v of the body stands in space at ``q v q*``.  A quaternion of norm other than 1 turns and stretches, by |q|^2;
its norm does not change while the body turns, so whatever is built of ``q v q*`` alone is conserved or not for every
norm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__: list[str] = []


def turning(q: Sequence[Any], omega: Sequence[Any]) -> tuple[Any, Any, Any, Any]:
    """Return the rate of a quaternion, ``q (0, omega) / 2``, for the angular velocity about the body's axes."""
    q_0, q_1, q_2, q_3 = q
    w_1, w_2, w_3 = omega
    return (
        -0.5 * (q_1 * w_1 + q_2 * w_2 + q_3 * w_3),
        0.5 * (q_0 * w_1 + q_2 * w_3 - q_3 * w_2),
        0.5 * (q_0 * w_2 + q_3 * w_1 - q_1 * w_3),
        0.5 * (q_0 * w_3 + q_1 * w_2 - q_2 * w_1),
    )


def turned(q: Sequence[Any], v: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Return ``q v q*``: where a vector of the body stands in space, times |q|^2."""
    rows = matrix(q)
    x, y, z = v
    i, j, k = [row[0] * x + row[1] * y + row[2] * z for row in rows]
    return i, j, k


def matrix(q: Sequence[Any]) -> tuple[tuple[Any, Any, Any], ...]:
    """Return the rotation matrix times |q|^2, by rows: row i holds the body's components of the i-th axis of space."""
    q_0, q_1, q_2, q_3 = q
    s_0, s_1, s_2, s_3 = q_0 * q_0, q_1 * q_1, q_2 * q_2, q_3 * q_3
    return (
        (s_0 + s_1 - s_2 - s_3, 2.0 * (q_1 * q_2 - q_0 * q_3), 2.0 * (q_1 * q_3 + q_0 * q_2)),
        (2.0 * (q_1 * q_2 + q_0 * q_3), s_0 - s_1 + s_2 - s_3, 2.0 * (q_2 * q_3 - q_0 * q_1)),
        (2.0 * (q_1 * q_3 - q_0 * q_2), 2.0 * (q_2 * q_3 + q_0 * q_1), s_0 - s_1 - s_2 + s_3),
    )


def norm(q: Sequence[Any]) -> Any:
    """Return |q|^2, which is 1 for an orientation."""
    return q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]
