"""NumPy's functions that are no rows of the table, written with rows: for traced numbers and object arrays of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffsim import array_ops, ops
from diffsim.errors import TraceError
from diffsim.number import AnyNumber

__all__ = ["further_functions", "further_ufuncs"]


def _heaviside(x: AnyNumber, middle: AnyNumber) -> AnyNumber:
    return ops.where(
        ops.greater(x, 0.0), 1.0, ops.where(ops.equal(x, 0.0), middle, ops.where(ops.less(x, 0.0), 0.0, x))
    )


def _truncated(x: AnyNumber) -> AnyNumber:
    return ops.where(ops.less(x, 0.0), -ops.floor(-x), ops.floor(x))


def _rounded(x: AnyNumber) -> AnyNumber:
    """To the nearest whole number, halves to the even one."""
    low = ops.floor(x)
    part = x - low
    odd = ops.not_equal(ops.remainder(low, 2.0), 0.0)
    up = ops.logical_or(ops.greater(part, 0.5), ops.logical_and(ops.equal(part, 0.5), odd))
    return ops.where(up, low + 1.0, low)


def _fmod(x: AnyNumber, y: AnyNumber) -> AnyNumber:
    """The remainder with the sign of the dividend."""
    size = ops.remainder(ops.abs(x), ops.abs(y))
    return ops.where(ops.less(x, 0.0), -size, size)


def _copysign(x: AnyNumber, y: AnyNumber) -> AnyNumber:
    return ops.where(ops.less(y, 0.0), -ops.abs(x), ops.abs(x))


@functools.cache
def further_ufuncs() -> dict[np.ufunc, Callable[..., AnyNumber]]:
    """NumPy's elementwise functions that are no rows, written with rows."""
    return {
        np.heaviside: _heaviside,
        np.trunc: _truncated,
        np.rint: _rounded,
        np.ceil: lambda x: -ops.floor(-x),
        np.fmod: _fmod,
        np.copysign: _copysign,
        np.isnan: lambda x: ops.not_equal(x, x),
        np.isfinite: lambda x: ops.equal(x - x, 0.0),
        np.isinf: lambda x: ops.equal(ops.abs(x), np.inf),
        np.signbit: lambda x: ops.less(x, 0.0),
        np.bitwise_and: ops.logical_and,
        np.bitwise_or: ops.logical_or,
        np.invert: ops.logical_not,
        np.logical_xor: ops.not_equal,
        np.bitwise_xor: ops.not_equal,
    }


def _interp(x: AnyNumber, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> AnyNumber:
    """Piecewise linear interpolation in a table whose places are known."""
    if period is not None or np.asarray(xp).dtype == object or len(xp) > 256:
        raise TraceError("trace: numpy.interp needs plain places xp, at most 256 of them, and no period.")
    places, values = np.asarray(xp, dtype=np.float64).tolist(), np.asarray(fp, dtype=object).tolist()
    out = values[-1] if right is None else right
    for i in range(len(places) - 1, 0, -1):
        slope = (values[i] - values[i - 1]) / (places[i] - places[i - 1])
        inside = values[i - 1] + slope * (x - places[i - 1])
        out = ops.where(ops.less(x, places[i]), inside, out if i < len(places) - 1 else _last(x, places, values, out))
    return ops.where(ops.less(x, places[0]), values[0] if left is None else left, out)


def _last(x: AnyNumber, places: list[float], values: list[Any], right: Any) -> AnyNumber:
    return ops.where(ops.equal(x, places[-1]), values[-1], right)


def _gradient(f: Any, *spacing: Any, axis: int | None = None, edge_order: int = 1) -> Any:
    """Central differences inside, one-sided at the ends, on a line with equal steps."""
    f = np.asarray(f, dtype=object)
    if f.ndim != 1 or edge_order != 1 or len(spacing) > 1 or (spacing and np.ndim(spacing[0])):
        raise TraceError("trace: numpy.gradient takes one axis, one scalar spacing and edge_order=1 when traced.")
    h = spacing[0] if spacing else 1.0
    inside = (f[2:] - f[:-2]) / (2.0 * h)
    return np.concatenate([(f[1:2] - f[:1]) / h, inside, (f[-1:] - f[-2:-1]) / h])


def _select(conditions: Sequence[Any], choices: Sequence[Any], default: Any = 0.0) -> Any:
    out = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        out = ops.where(condition, choice, out)
    return out


def _piecewise(x: Any, conditions: Any, functions: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
    if not isinstance(conditions, list | tuple):
        conditions = [conditions]
    values = [f(x, *args, **kwargs) if callable(f) else f for f in functions]
    out = values[-1] if len(values) > len(conditions) else 0.0
    for condition, value in zip(conditions, values, strict=False):
        out = ops.where(condition, value, out)
    return out


def _where(condition: Any, *branches: Any) -> Any:
    if len(branches) != 2:
        raise TraceError("trace: numpy.where with one argument gives indices, which have no value yet. Give all three.")
    return ops.where(*(array_ops.array(x) if isinstance(x, list | tuple) else x for x in (condition, *branches)))


def _without_nan(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    largest = np.finfo(np.float64).max
    out = ops.where(ops.equal(x, np.inf), largest if posinf is None else posinf, x)
    out = ops.where(ops.equal(x, -np.inf), -largest if neginf is None else neginf, out)
    return ops.where(ops.not_equal(x, x), nan, out)


def _round(x: Any, decimals: int = 0, out: Any = None) -> Any:
    scale = 10.0**decimals
    return _rounded(x) if decimals == 0 else _rounded(x * scale) / scale


@functools.cache
def further_functions() -> dict[Any, Callable[..., Any]]:
    """Other functions of NumPy's, with NumPy's arguments."""
    return {
        np.where: _where,
        np.nan_to_num: _without_nan,
        np.ptp: lambda x, axis=None, **kwargs: array_ops.max(x, axis, **kwargs) - array_ops.min(x, axis, **kwargs),
        np.select: _select,
        np.piecewise: _piecewise,
        np.interp: _interp,
        np.gradient: _gradient,
        np.round: _round,
        np.around: _round,
        np.sinc: lambda x: ops.where(ops.equal(x, 0.0), 1.0, ops.sin(np.pi * x) / (np.pi * x)),
    }
