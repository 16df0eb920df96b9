"""Frames of tangent vectors carried along trajectories: QR decompositions, one after the other.

Along the tangents D_j of the intervals, ``D_j Q_j = Q_(j+1) R_j`` with orthonormal columns in Q and the diagonal of R
positive.  The logarithms of that diagonal are what the tangents have grown by: the first column takes the fastest
direction, the first two the fastest area, and so on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim import array_ops, ops
from diffsim.compiled_function import jit
from studies._checks import Floats

__all__: list[str] = []

_SMALL = 4  # components up to which decompositions are compiled
_MANY = 4000  # intervals from which on that pays
_LOST = 1e-28  # square of the height of a vector over the others, relative to its length
_OPERATIONS = 3000  # of one piece of machine code, roughly


def random_frame(n: int, k: int, m: int, rng: int) -> Floats:
    """Return k orthonormal vectors of n components for each of m trajectories, shape (m, n, k)."""
    drawn = np.random.default_rng(rng).normal(size=(m, n, k))
    return carried(np.broadcast_to(np.eye(n), (1, m, n, n)), drawn)[0]


def carried(maps: Floats, frame: Floats) -> tuple[Floats, Floats]:
    """Return the frame (m, n, k) at the end of some intervals, and their factors R (j, m, k, k).

    Parameters
    ----------
    maps : ndarray (j, m, n, n)
        Tangents of the intervals.
    frame : ndarray (m, n, k)
        At the start of the first.
    """
    m, n, k = frame.shape
    factors = np.empty((len(maps), m, k, k))
    if m > 1:
        return _carried_stacked(maps, frame, factors), factors
    done, alone, found = 0, frame[0], factors[:, 0]
    if n <= _SMALL and len(maps) >= _MANY:
        at_once = _OPERATIONS // (n * k * (n + 4 * k))
        done = len(maps) // at_once * at_once
        alone = _carried_compiled(maps[:done, 0], alone, found[:done], at_once)
    frames = np.empty((1, n, k))
    _carry_alone(maps[done:, 0], alone, found[done:], frames)
    return frames, factors


def _carried_stacked(maps: Floats, frame: Floats, factors: Floats) -> Floats:
    """Return the frame (m, n, k) of several trajectories, and write their factors."""
    for j, tangents in enumerate(maps):
        frame, factor = np.linalg.qr(tangents @ frame)
        sign = np.where(np.diagonal(factor, axis1=1, axis2=2) < 0.0, -1.0, 1.0)
        frame = frame * sign[:, None, :]
        np.multiply(factor, sign[:, :, None], out=factors[j])
    return frame


def _carried_compiled(maps: Floats, frame: Floats, factors: Floats, at_once: int) -> Floats:
    """Return the frame (n, k) after a multiple of `at_once` intervals of one trajectory, and write their factors.

    Where a direction is lost (a height that is nothing but rounding), Householder's reflections do all of it again.

    PERF: for n = 3 an interval takes 1.4 us, with LAPACK called for each from Python 7.
    """
    after = frame
    for first in range(0, len(maps), at_once):
        after, factors[first : first + at_once] = _decompositions(maps[first : first + at_once], after)
    heights = np.diagonal(factors, axis1=1, axis2=2) ** 2
    if (heights > _LOST * (factors**2).sum(axis=1)).all():  # no comparison with NaN holds
        return after
    frames = np.empty((1, *frame.shape))
    _carry_alone(maps, frame, factors, frames)
    return np.asarray(frames[0])


@jit
def _decompositions(maps: Any, frame: Any) -> Any:
    """Carry a frame (n, k) through intervals (j, n, n): Gram and Schmidt's method, twice, which is enough.

    References
    ----------
    Giraud, Langou and Rozloznik, "The loss of orthogonality in the Gram-Schmidt orthogonalization process", Comput.
    Math. Appl. 50 (2005) 1069.
    """
    k = frame.shape[1]
    factors = []
    for tangents in maps:
        moved = tangents @ frame
        basis: list[Any] = []
        factor: list[list[Any]] = [[0.0] * k for _ in range(k)]
        for i in range(k):
            vector = moved[:, i]
            for _ in range(2):
                for j, one in enumerate(basis):
                    along = array_ops.sum(one * vector)
                    vector = vector - along * one
                    factor[j][i] = factor[j][i] + along
            size = ops.sqrt(array_ops.sum(vector * vector))
            factor[i][i] = size
            basis.append(vector / size)
        frame = array_ops.stack(basis, axis=1)
        factors.append(array_ops.stack([array_ops.stack(row) for row in factor]))
    return frame, array_ops.stack(factors)


def framed(maps: Floats, frame: Floats) -> tuple[Floats, Floats]:
    """Return the frames (j + 1, n, k) at the ends of all intervals of one trajectory, and their factors (j, k, k)."""
    frames, factors = np.empty((len(maps) + 1, *frame.shape)), np.empty((len(maps), *frame.shape[1:] * 2))
    frames[0] = frame
    _carry_alone(maps, frame, factors, frames[1:])
    return frames, factors


def _carry_alone(maps: Floats, frame: Floats, factors: Floats, frames: Floats) -> None:
    """Carry the frame (n, k) of one trajectory; write its factors, and the last frames, as many as there is room for.

    PERF: LAPACK called directly takes 4 us an interval for n = 3, through ``numpy.linalg.qr`` 15 us.
    """
    from scipy.linalg import lapack

    k = frame.shape[1]
    first = len(maps) - len(frames)
    for j, tangents in enumerate(maps):
        packed, tau, _, _ = lapack.dgeqrf(tangents @ frame)
        factors[j] = packed[:k]
        frame = lapack.dorgqr(packed, tau)[0]
        for i in range(k):
            if packed[i, i] < 0.0:
                frame[:, i] *= -1.0
        if j >= first:
            frames[j - first] = frame
    if not len(maps):
        frames[:] = frame
    factors *= np.triu(np.ones((k, k)))
    factors *= np.where(np.diagonal(factors, axis1=1, axis2=2) < 0.0, -1.0, 1.0)[:, :, None]


def growth_of(factors: Floats) -> Floats:
    """Return the logarithms of the growth (k, m, j) in each interval; minus infinity where a direction is lost."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.diagonal(factors, axis1=2, axis2=3))).transpose(2, 1, 0)
