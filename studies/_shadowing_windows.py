"""The linear algebra of least-squares shadowing: one window of segments at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from studies._checks import Floats
from studies._frames import random_frame

__all__: list[str] = []


@final
@dataclass(frozen=True, eq=False)
class Segments:
    """Consecutive segments of a trajectory of n components, with tangents by P parameters.

    Attributes
    ----------
    maps : ndarray (count, n, n + P)
        Tangents of each segment, by its start and by the parameters.
    integrals : ndarray (count,)
        Of the observable over each segment.
    slopes : ndarray (count, n + P)
        Derivatives of the integrals, by the start of the segment and by the parameters.
    ends : ndarray (count,)
        The observable at the end of each segment.
    flow : ndarray (count + 1, n)
        Rates of the state at the nodes.
    length : float
        Of a segment.
    """

    maps: Floats
    integrals: Floats
    slopes: Floats
    ends: Floats
    flow: Floats
    length: float

    @property
    def count(self) -> int:
        """Number of segments."""
        return len(self.maps)

    @property
    def average(self) -> float:
        """Average of the observable."""
        return float(self.integrals.sum() / (self.count * self.length))

    def part(self, first: int, count: int) -> Segments:
        """Return `count` segments from the one with number `first` on."""
        here = slice(first, first + count)
        nodes = self.flow[first : first + count + 1]
        return Segments(self.maps[here], self.integrals[here], self.slopes[here], self.ends[here], nodes, self.length)

    def plain(self) -> Floats:
        """Return the plain gradient (P, count) of the average over a growing time, from a start that stays."""
        n = self.maps.shape[1]
        change = np.zeros((n, self.maps.shape[2] - n))
        total, found = np.zeros(change.shape[1]), []
        with np.errstate(over="ignore", invalid="ignore"):
            for i, (tangents, slope) in enumerate(zip(self.maps, self.slopes, strict=True)):
                total = total + slope[:n] @ change + slope[n:]
                change = tangents[:, :n] @ change + tangents[:, n:]
                found.append(total / ((i + 1) * self.length))
        return np.array(found).T


@final
@dataclass(frozen=True, eq=False)
class Window:
    """What one window says: the gradient (P,), the average, and the rates (k,) of the homogeneous solutions."""

    gradient: Floats
    average: float
    growth: Floats


def shadowed(segments: Segments, k: int, rng: int) -> Window:
    """Return the gradient of the average over a window of segments.

    Along the segments, k homogeneous solutions W and an inhomogeneous one v* for each parameter are kept orthogonal to
    the flow and to each other; what they lose along the flow, xi, is a change of time.  Then the coefficients a are
    chosen such that v = v* + W a is smallest.
    """
    n, count = segments.maps.shape[1], segments.count
    n_parameters = segments.maps.shape[2] - n
    frame = _across(random_frame(n, k, 1, rng)[0], segments.flow[0])[0]
    frame = np.linalg.qr(frame)[0]
    special = np.zeros((n, n_parameters))
    factors, offsets = np.empty((count, k, k)), np.empty((count, k, n_parameters))
    along_frame, along_special = np.empty((count, k)), np.empty((count, n_parameters))
    excess = segments.average - segments.ends
    for i, (tangents, slope) in enumerate(zip(segments.maps, segments.slopes, strict=True)):
        moved, time = _across(tangents[:, :n] @ frame, segments.flow[i + 1])
        forced, clock = _across(tangents[:, :n] @ special + tangents[:, n:], segments.flow[i + 1])
        along_frame[i] = slope[:n] @ frame + time * excess[i]
        along_special[i] = slope[:n] @ special + slope[n:] + clock * excess[i]
        frame, factors[i] = np.linalg.qr(moved)
        offsets[i] = frame.T @ forced
        special = forced - frame @ offsets[i]
    smallest = _smallest(factors, offsets)[:-1]
    gradient = (along_special.sum(axis=0) + np.einsum("ik,ikp->p", along_frame, smallest)) / (count * segments.length)
    rates = np.log(np.abs(np.diagonal(factors, axis1=1, axis2=2))).mean(axis=0) / segments.length
    return Window(gradient, segments.average, rates)


def _across(vectors: Floats, flow: Floats) -> tuple[Floats, Floats]:
    """Return the vectors (n, k) without their part along the flow, and that part (k,)."""
    along = flow @ vectors / (flow @ flow)
    return vectors - np.outer(flow, along), along


def _smallest(factors: Floats, offsets: Floats) -> Floats:
    """Return the smallest a (count + 1, k, P) with ``a_(i+1) = R_i a_i + b_i``.

    The normal equations of the constraints are block tridiagonal, with blocks ``1 + R R^T`` and ``-R``.
    """
    from scipy.linalg import solveh_banded

    count, k, n_parameters = offsets.shape
    bands = np.zeros((2 * k, count * k))
    diagonal = np.eye(k) + factors @ factors.transpose(0, 2, 1)
    for i in range(k):
        for j in range(i, k):  # bands[u + i - j, j] holds the entry (i, j) of the upper half, u = 2 k - 1
            bands[2 * k - 1 + i - j, j::k] = diagonal[:, i, j]
        for j in range(k):  # the block right of block c holds -R_(c+1)^T
            bands[k - 1 + i - j, k + j :: k] = -factors[1:, j, i]
    weights = solveh_banded(bands, offsets.reshape(count * k, n_parameters)).reshape(count, k, n_parameters)
    found = np.zeros((count + 1, k, n_parameters))
    found[1:] = weights
    found[:-1] -= factors.transpose(0, 2, 1) @ weights
    return found
