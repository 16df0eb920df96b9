"""Frames of tangent vectors carried along trajectories: QR decompositions, one after the other.

Along the tangents D_j of the intervals, ``D_j Q_j = Q_(j+1) R_j`` with orthonormal columns in Q and the diagonal of R
positive.  The logarithms of that diagonal are what the tangents have grown by: the first column takes the fastest
direction, the first two the fastest area, and so on.
"""

from __future__ import annotations

import numpy as np

from studies._checks import Floats

__all__: list[str] = []


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
    factors = np.empty((len(maps), *frame.shape[::2], frame.shape[2]))
    if len(frame) == 1:
        frames = np.empty((1, *frame.shape[1:]))
        _carry_alone(maps[:, 0], frame[0], factors[:, 0], frames)
        return frames, factors
    for j, tangents in enumerate(maps):
        frame, factor = np.linalg.qr(tangents @ frame)
        sign = np.where(np.diagonal(factor, axis1=1, axis2=2) < 0.0, -1.0, 1.0)
        frame = frame * sign[:, None, :]
        np.multiply(factor, sign[:, :, None], out=factors[j])
    return frame, factors


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
