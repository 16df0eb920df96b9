"""States of a `Solution` between its times, and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import protocols
from diffsim.errors import must
from diffsim.number import raw
from studies._animation_drawing import has_arrays
from studies._animation_scene import limits_of
from studies._animation_times import hermite

__all__: list[str] = []

Floats = NDArray[np.float64]
Field = Callable[[Floats, Floats], Floats]


def span_of(who: str, solution: Any) -> tuple[float, float]:
    """Return the first and the last time that any trajectory of a solution has."""
    rows = _rows(solution)
    if not all(row.size for row in rows) or max(row.size for row in rows) < 2:
        raise must(who, "y0", "must be a Solution with at least two times", solution)
    last = max((float(row[-1]) for row in rows), key=lambda end: abs(end - rows[0][0]))
    return float(rows[0][0]), last


def interpolate(
    who: str, system: Any, solution: Any, times: Floats, points: Callable[[Any, Floats], Floats]
) -> tuple[Floats, float, float]:
    """Return states at `times`, the largest error as a part of the picture, and the time where that is.

    The states are joined by cubic Hermite polynomials with the right-hand side as slopes.  At the middle of each
    interval the result is compared with a Runge-Kutta step (RK4) from the left end, which is one order better.

    Parameters
    ----------
    solution : Solution
        With `y` of shape (n, *batch, n_times), and `t` common to all or one row a trajectory, padded with NaN.
    points : callable
        ``points(system, states)``: positions (m, n_trajectories, n_points, 2) of states (n, *batch, m).

    Returns
    -------
    tuple of array (n, *batch, len(times)), float, float
        The states are NaN where a trajectory has no times.
    """
    first, last = span_of(who, solution)
    slack = 1e-12 * max(abs(first), abs(last))
    if times.min() < min(first, last) - slack or times.max() > max(first, last) + slack:
        asked = (float(times[0]), float(times[-1]))
        raise must(who, "t_span", f"must lie within the solution's times {first:g} to {last:g}", asked)
    found, gaps, boxes = [], [], []
    for part, t, y in _pieces(system, solution):
        field = _field(part)
        slopes = field(t, y)
        inside = np.clip(times, t.min() - slack, t.max() + slack) == times
        found.append(np.where(inside, hermite(t, y, slopes, times), np.nan))
        middle = t[:-1] + 0.5 * np.diff(t)
        stepped = _half_steps(field, t, y, slopes)
        with np.errstate(invalid="ignore"):
            apart = np.abs(points(part, hermite(t, y, slopes, middle)) - points(part, stepped))
        apart = np.where(np.isfinite(apart), apart, 0.0).max(axis=(1, 2, 3))
        gaps.append((float(apart.max()), float(t[apart.argmax()])))
        boxes.append(np.array(limits_of(points(part, y))).reshape(2, 2))
    corners = np.concatenate(boxes, axis=1)
    gap, worst = max(gaps)
    states = found[0] if len(found) == 1 else np.stack(found, axis=1).reshape(*np.shape(solution.y)[:-1], times.size)
    return states, gap / float(np.ptp(corners, axis=1).max()), worst


def _rows(solution: Any) -> list[Floats]:
    """Return the valid times, one row for all trajectories or one for each."""
    t = np.asarray(raw(solution.t), dtype=float)
    return [row[np.isfinite(row)] for row in t.reshape(-1, t.shape[-1])]


def _pieces(system: Any, solution: Any) -> Iterator[tuple[Any, Floats, Floats]]:
    """Yield system, times and states: all trajectories at once where they share their times, else one by one."""
    rows, y = _rows(solution), np.asarray(raw(solution.y), dtype=float)
    if np.ndim(solution.t) == 1:
        yield system, rows[0], y
        return
    flat, batch = y.reshape(len(y), -1, y.shape[-1]), y.shape[1:-1]
    for j, row in enumerate(rows):
        part = system
        if has_arrays(system):
            values = protocols.parameter_values(system)
            part = protocols.with_parameters(system, [float(np.broadcast_to(v, batch).flat[j]) for v in values])
        if row.size > 1:
            yield part, row, flat[:, j, : row.size]
        else:  # failed at once: the start is all there is
            yield part, np.array([row[0], np.nextafter(row[0], np.inf)]), flat[:, j, [0, 0]]


def _field(system: Any) -> Field:
    """Return the right-hand side for many times at once: t (n_times,), y (n, *batch, n_times)."""

    def at_one(t: float, y: Floats) -> Floats:
        if y.ndim == 1 or protocols.is_elementwise(system):
            return np.asarray(raw(system(t, y)), dtype=float)
        flat = y.reshape(len(y), -1)  # a plain function knows one trajectory at a time
        rates = [np.asarray(raw(system(t, flat[:, j])), dtype=float) for j in range(flat.shape[1])]
        return np.stack(rates, axis=-1).reshape(y.shape)

    def field(t: Floats, y: Floats) -> Floats:
        with np.errstate(all="ignore"):  # a trajectory that has ended is NaN or huge
            if protocols.is_elementwise(system) and not has_arrays(system):
                return np.broadcast_to(np.asarray(raw(system(t, y)), dtype=float), y.shape)
            return np.stack([at_one(float(t[i]), y[..., i]) for i in range(t.size)], axis=-1)

    return field


def _half_steps(field: Field, t: Floats, y: Floats, slopes: Floats) -> Floats:
    """Return the states at the middle of each interval by one step of RK4 from its left end."""
    h, left, k_1 = 0.5 * np.diff(t), y[..., :-1], slopes[..., :-1]
    with np.errstate(all="ignore"):
        k_2 = field(t[:-1] + 0.5 * h, left + 0.5 * h * k_1)
        k_3 = field(t[:-1] + 0.5 * h, left + 0.5 * h * k_2)
        k_4 = field(t[:-1] + h, left + h * k_3)
        return np.asarray(left + h / 6.0 * (k_1 + 2.0 * k_2 + 2.0 * k_3 + k_4))
