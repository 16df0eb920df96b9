"""Inputs u(t) from data: `Spline`, and `signal`, the field of a system that holds one."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, linear_algebra, ops
from diffsim.errors import KindError, TraceError, must
from diffsim.number import Number, raw, shape_of
from diffsim.tracer import Tracer

__all__ = ["Spline", "signal"]

_KINDS = ("cubic", "natural", "linear")
_MOST_TRACED = 256


@final
class Spline:
    """A function of time through given values, differentiable by the values: an input u(t) from data.

    Before the first time and after the last one it keeps the end's value.

    Parameters
    ----------
    times : sequence of float, shape (n,)
        Ascending, in s.
    values : array, shape (n,)
        Of any kind of number: the gradient by a `Value` in it, or by all of them, passes through a solve.
    kind : {"cubic", "natural", "linear"}
        "cubic" as SciPy's ``CubicSpline`` ("not-a-knot": the first two pieces are one polynomial, so are the last
        two); "natural" with no curvature at the ends.

    Raises
    ------
    ArgumentError
        Times that are not ascending or fewer than two, values of another shape, an unknown kind.

    Notes
    -----
    The slopes at the knots are a matrix times the values, computed once, here; a call looks at one piece.  Where it is
    compiled, the piece is chosen by 5 (n - 2) selections.  More than 256 knots are not traced.

    References
    ----------
    de Boor, A Practical Guide to Splines, revised edition 2001, chapter IV (the equations of the slopes).

    Examples
    --------
    >>> push = Spline([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 4.0, 9.0])  # t**2
    >>> push(1.5), push(9.0)
    (2.25, 9.0)
    """

    def __init__(self, times: Sequence[float], values: Any, kind: str = "cubic") -> None:
        knots = np.array(times, dtype=np.float64)
        if knots.ndim != 1 or len(knots) < 2 or not np.all(np.diff(knots) > 0.0) or not np.all(np.isfinite(knots)):
            raise must("Spline", "times", "must be at least two ascending finite numbers", times)
        if kind not in _KINDS:
            raise must("Spline", "kind", f"must be one of {', '.join(_KINDS)}", kind)
        self.kind = kind
        self.times = tuple(knots.tolist())
        self.values: Any = values if isinstance(values, Number) else array_ops.array(values)
        if shape_of(self.values) != knots.shape:
            raise must("Spline", "values", f"must have shape {knots.shape}, one for each time", shape_of(self.values))
        self.slopes: Any = None if kind == "linear" else linear_algebra.matmul(_slopes_of(knots, kind), self.values)

    def __call__(self, t: Any) -> Any:
        """Return u(t) for a number or an array of any kind."""
        first, last = self.times[0], self.times[-1]
        at = raw(t)
        if isinstance(at, Tracer) or any(isinstance(x, Tracer) for x in (first, last)):
            return self._traced(ops.minimum(ops.maximum(t, first), last))
        if isinstance(at, np.ndarray) and at.shape:
            piece: Any = np.clip(np.searchsorted(self.times, at, side="right") - 1, 0, len(self.times) - 2)
            starts: Any = np.array(self.times)
        else:
            piece = min(max(bisect.bisect_right(self.times, at) - 1, 0), len(self.times) - 2)
            starts = self.times
        held = ops.minimum(ops.maximum(t, first), last)
        found = _along(held - starts[piece], self._coefficients(piece, starts))
        return float(found) if isinstance(found, np.floating) else found

    def _coefficients(self, i: Any, times: Any) -> tuple[Any, ...]:
        """Return the polynomial of piece i, from the constant up; of all of them for an array of indices."""
        width, low, high = times[i + 1] - times[i], self.values[i], self.values[i + 1]
        rise = (high - low) / width
        if self.slopes is None:
            return low, rise
        left, right = self.slopes[i], self.slopes[i + 1]
        cubic = (left + right - 2.0 * rise) / (width * width)
        return low, left, (rise - left) / width - cubic * width, cubic

    def _traced(self, t: Any) -> Any:
        """Choose the piece by comparisons."""
        n = len(self.times) - 1
        if n >= _MOST_TRACED:
            raise TraceError(
                f"trace: a Spline of {n + 1} knots is not traced (limit {_MOST_TRACED}). Use fewer, or compiled=False."
            )
        rows = [(self.times[i], *self._coefficients(i, self.times)) for i in range(n)]
        start, *coefficients = [self._chosen(t, [row[k] for row in rows], 0, n) for k in range(len(rows[0]))]
        return _along(t - start, coefficients)

    def _chosen(self, t: Any, column: list[Any], low: int, high: int) -> Any:
        """Return the entry of the piece that t lies in, by halving."""
        if high - low == 1:
            return column[low]
        middle = (low + high) // 2
        below, above = self._chosen(t, column, low, middle), self._chosen(t, column, middle, high)
        return ops.where(ops.less(t, self.times[middle]), below, above)

    def __eq__(self, other: object) -> bool:
        """Whether both have equal knots of plain numbers, or are one and the same."""
        if self is other or not isinstance(other, Spline):
            return self is other
        if isinstance(self.values, Number) or isinstance(other.values, Number):
            return False
        return (self.times, self.kind) == (other.times, other.kind) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.times, self.kind))

    def __repr__(self) -> str:
        return f"Spline({len(self.times)} knots from {self.times[0]!r} to {self.times[-1]!r} s, {self.kind})"


def _along(s: Any, coefficients: Sequence[Any]) -> Any:
    """Return a polynomial at s, by Horner's scheme."""
    total = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * s + c
    return total


def _slopes_of(x: NDArray[np.float64], kind: str) -> Any:
    """Return the matrix that makes the slopes at the knots from the values."""
    n = len(x)
    h: Any = np.diff(x)
    rise: Any = (np.eye(n)[1:] - np.eye(n)[:-1]) / h[:, None]
    if n == 2:
        return np.concatenate([rise, rise])
    left, right = np.zeros((n, n)), np.zeros((n, n))
    for i in range(1, n - 1):
        left[i, i - 1 : i + 2] = h[i], 2.0 * (h[i - 1] + h[i]), h[i - 1]
        right[i] = 3.0 * (h[i] * rise[i - 1] + h[i - 1] * rise[i])
    if kind == "natural":
        left[0, :2], right[0] = (2.0, 1.0), 3.0 * rise[0]
        left[-1, -2:], right[-1] = (1.0, 2.0), 3.0 * rise[-1]
    elif n == 3:  # one parabola
        left[0, :2], right[0] = (1.0, 1.0), 2.0 * rise[0]
        left[-1, -2:], right[-1] = (1.0, 1.0), 2.0 * rise[-1]
    else:
        both = h[0] + h[1]
        left[0, :2] = h[1], both
        right[0] = ((h[0] + 2.0 * both) * h[1] * rise[0] + h[0] ** 2 * rise[1]) / both
        both = h[-1] + h[-2]
        left[-1, -2:] = both, h[-2]
        right[-1] = (h[-1] ** 2 * rise[-2] + (2.0 * both + h[-1]) * h[-2] * rise[-1]) / both
    return np.linalg.solve(left, right)


@final
@dataclasses.dataclass(frozen=True, repr=False)
class _Constant:
    """The input that is the same at all times."""

    value: float

    def __call__(self, t: Any) -> Any:
        return self.value

    def __repr__(self) -> str:
        return f"signal({self.value!r})"


def signal(default: float | Callable[[Any], Any] = 0.0) -> Any:
    """Return a dataclass field for an input u(t) of a system: a `Spline`, or any function of time.

    It is given by name, is no parameter, and its numbers have derivatives all the same: those of a `Spline` by its
    values, those of a function by what it brings along.

    Parameters
    ----------
    default : float or callable
        A number stands for the constant input.

    Raises
    ------
    KindError
        `default` is neither.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from systems import HamiltonianSystem
    >>> @dataclass(frozen=True)
    ... class Pushed(HamiltonianSystem):
    ...     mass: float = 1.0
    ...     push: object = signal()
    ...     coordinates = ("x",)
    ...     def hamiltonian(self, q, p, t):
    ...         return p[0] ** 2 / (2 * self.mass)
    ...     def forces(self, q, qdot, t):
    ...         return (self.push(t),)
    >>> Pushed(push=Spline([0.0, 1.0], [0.0, 4.0]))(0.5, [0.0, 1.0])
    array([1., 2.])
    """
    if callable(default):
        given: Any = default
    elif isinstance(default, float | int) and not isinstance(default, bool):
        given = _Constant(float(default))
    else:
        raise KindError(f"signal: default must be a number or a function of time; got {default!r}.")
    return dataclasses.field(default=given, kw_only=True, metadata={"parameter": False})
