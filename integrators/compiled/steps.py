"""`Steps`: the accepted steps of many trajectories, as a search has logged them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []

TRAJECTORY, ORDINAL, NEXT_SAVE, TIME, SIZE, STATE = range(6)
"""Rows of the log; the first three are bit patterns of whole numbers, the state has n rows."""


@final
@dataclass(frozen=True, eq=False)
class Steps:
    """Logged steps of m trajectories, of n components.

    Attributes
    ----------
    log : array, shape (5 + n + n_noted + degree * n, n_logged)
        One step a column, in the order in which they were made; behind the state what its method has noted, then the
        coefficients of its polynomial, if it was given one.
    offsets : array of int, shape (m + 1,)
    order : array of int, shape (n_logged,)
        Step k of trajectory j lies in column ``order[offsets[j] + k]``.
    """

    log: NDArray[np.float64]
    offsets: NDArray[np.int64]
    order: NDArray[np.int64]
    n: int
    n_noted: int = 0

    @property
    def n_logged(self) -> int:
        """Number of steps."""
        return len(self.order)

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories."""
        return len(self.offsets) - 1

    @functools.cached_property
    def counts(self) -> NDArray[np.int64]:
        """Number of steps of each trajectory."""
        found: NDArray[np.int64] = np.diff(self.offsets)
        return found

    @property
    def trajectory(self) -> NDArray[np.int64]:
        """Trajectory of each column."""
        return _whole(self.log[TRAJECTORY])

    @property
    def next_save(self) -> NDArray[np.int64]:
        """Number of the first save time that is not before each step."""
        return _whole(self.log[NEXT_SAVE])

    @property
    def t(self) -> NDArray[np.float64]:
        """Start of each step."""
        row: NDArray[np.float64] = self.log[TIME]
        return row

    @property
    def h(self) -> NDArray[np.float64]:
        """Size of each step."""
        row: NDArray[np.float64] = self.log[SIZE]
        return row

    @property
    def y(self) -> NDArray[np.float64]:
        """State at the start of each step, shape (n, n_logged)."""
        return self.log[STATE : STATE + self.n]

    @property
    def polynomials(self) -> NDArray[np.float64]:
        """Coefficients of the powers of the position within each step, shape (degree, n, n_logged)."""
        rows = self.log[STATE + self.n + self.n_noted :]
        return rows.reshape(len(rows) // self.n, self.n, self.n_logged)

    @property
    def noted(self) -> NDArray[np.float64]:
        """What the method has noted of each step, shape (n_noted, n_logged): BDF its order."""
        return self.log[STATE + self.n : STATE + self.n + self.n_noted]


def _whole(row: NDArray[np.float64]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = row.view(np.int64)
    return found


def ordered(log: NDArray[np.float64], logged: NDArray[np.int64], n: int, n_noted: int = 0) -> Steps:
    """Return logged steps of n components, given how many each trajectory has."""
    offsets = np.zeros(len(logged) + 1, dtype=np.int64)
    np.cumsum(logged, out=offsets[1:])
    order = np.empty(log.shape[1], dtype=np.int64)
    order[offsets[_whole(log[TRAJECTORY])] + _whole(log[ORDINAL])] = np.arange(log.shape[1])
    return Steps(log, offsets, order, n, n_noted)
