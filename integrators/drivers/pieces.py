"""The polynomials of the steps of one trajectory, kept for a solution that is a function of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.number import Number, shape_of
from integrators.drivers.segment import Segment

__all__: list[str] = []


@final
@dataclass(frozen=True)
class Pieces:
    """Trajectories as polynomials side by side: piece j is ``starts[:, j] + D_1[:, j] x + D_2[:, j] x**2 + ...``.

    Attributes
    ----------
    ts : sequence of arrays
        Of each trajectory, where its pieces begin, and where the last one ends; strictly monotone.  A trajectory of no
        length has one time and one piece, a constant.
    begins, sizes : array or recording number, shape (m,)
        ``x = (t - begins[j]) / sizes[j]``; the size is that of the whole step, also of a piece that an event cut short.
        The pieces of all trajectories, one trajectory after the other.
    starts : array or recording number, shape (n, m)
    coefficients : sequence of arrays or recording numbers, shape (n, m)
        D_1, D_2, ...
    """

    ts: Sequence[NDArray[np.float64]]
    begins: Any
    sizes: Any
    starts: Any
    coefficients: Sequence[Any]

    @property
    def numbers(self) -> list[Any]:
        """Everything that may carry a derivative."""
        return [self.begins, self.sizes, self.starts, *self.coefficients]

    def alone(self, j: int) -> Pieces:
        """Return the pieces of trajectory j."""
        counts = [max(len(ts) - 1, 1) for ts in self.ts[: j + 1]]
        own = slice(sum(counts[:-1]), sum(counts))
        rows = [d[:, own] for d in self.coefficients]
        return Pieces([self.ts[j]], self.begins[own], self.sizes[own], self.starts[:, own], rows)

    def with_numbers(self, numbers: Sequence[Any]) -> Pieces:
        """Return the same pieces with `numbers` in place of `Pieces.numbers`."""
        begins, sizes, starts, *coefficients = numbers
        return replace(self, begins=begins, sizes=sizes, starts=starts, coefficients=coefficients)


def joined(parts: Sequence[Pieces], n: int) -> Pieces:
    """Return the pieces of all trajectories, of n components, as one."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Pieces([], np.zeros(0), np.zeros(0), np.zeros((n, 0)), [np.zeros((n, 0))])
    degree = max(len(part.coefficients) for part in parts)
    rows: list[list[Any]] = [[] for _ in range(degree)]
    for part in parts:
        nothing = np.zeros(shape_of(part.starts))
        for k in range(degree):
            rows[k].append(part.coefficients[k] if k < len(part.coefficients) else nothing)
    return Pieces(
        [ts for part in parts for ts in part.ts],
        array_ops.concatenate([part.begins for part in parts]),
        array_ops.concatenate([part.sizes for part in parts]),
        array_ops.concatenate([part.starts for part in parts], axis=1),
        [array_ops.concatenate(row, axis=1) for row in rows],
    )


@final
class Collector:
    """Keeps the polynomial of every step that it is shown; see `walk`.

    Parameters
    ----------
    t0 : float
    y0 : array or recording number, shape (n,)
    """

    def __init__(self, t0: float, y0: Any) -> None:
        self._t0, self._y0 = t0, y0
        self._ends: list[NDArray[np.float64]] = []
        self._parts: list[Pieces] = []

    def take(self, segment: Segment) -> None:
        """Keep the polynomial of a step, unless it has no length."""
        if segment.raw != segment.raw_old:
            begins, sizes = (_one(x) for x in (segment.begin, segment.h))
            self.pass_by(np.array([segment.raw]), begins, sizes, segment.y_old[:, None], _columns(segment.coefficients))

    def pass_by(
        self, ends: NDArray[np.float64], begins: Any, sizes: Any, starts: Any, coefficients: Sequence[Any]
    ) -> None:
        """Keep the polynomials of steps one behind the other.

        Parameters
        ----------
        ends : array, shape (k,)
        begins, sizes, starts, coefficients
            See `Pieces`.
        """
        self._ends.append(ends)
        self._parts.append(Pieces([ends], begins, sizes, starts, coefficients))

    def pieces(self) -> Pieces:
        """Return what was kept."""
        if not self._parts:
            nothing = np.zeros((*self._y0.shape, 1))
            return Pieces([np.array([self._t0])], np.array([self._t0]), np.ones(1), self._y0[:, None], [nothing])
        return replace(joined(self._parts, len(self._y0)), ts=[np.concatenate([[self._t0], *self._ends])])


def _one(x: Any) -> Any:
    """Return a scalar as an array of any kind of number."""
    return array_ops.reshape(x, (1,)) if isinstance(x, Number) else np.array([x])


def _columns(coefficients: Sequence[Any]) -> list[Any]:
    return [d[:, None] for d in coefficients]
