"""`TracedArray`: the object array that stands for a float array while a function is traced.

NumPy's own object arrays ask each element for a truth value at ``y > 0``, refuse ``np.where`` and ``np.linalg.solve``,
and cannot be told from arrays of anything else.  This subclass answers NumPy's protocols itself: elementwise functions
go to the table, the rest to `diffsim.numpy_bridge`, and what comes back is a `TracedArray` again.  Arrays without
a recording number in them are handed to NumPy as plain doubles.

Conditions stay expressions: ``y > 0`` is an array of tracers, ``dy[y > 0] = 1.0`` is recorded as a `where`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from diffsim import array_ops, linear_algebra, numpy_bridge, ops
from diffsim.errors import TraceError
from diffsim.number import Number, NumberArray
from diffsim.numpy_written import further_functions, further_ufuncs

__all__ = ["TracedArray", "answer_function", "answer_ufunc", "as_plain", "as_traced", "holds_number"]


@final
class TracedArray(NumberArray):
    """An object array of tracers and floats that behaves like a float array; made by `as_traced`."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return answer_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return answer_function(func, args, kwargs)

    def __getitem__(self, index: Any) -> Any:
        _refuse_index(index)
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        new = _as_floats(value)
        if isinstance(index, np.ndarray) and holds_number(index) and index.shape == self.shape:
            new = np.asarray(ops.where(as_plain(index), new, as_plain(self)), dtype=object)
            super().__setitem__(..., new)
            return
        _refuse_index(index)
        if isinstance(new, np.ndarray) and not isinstance(super().__getitem__(index), np.ndarray):
            if new.size != 1:
                raise ValueError("setting an array element with a sequence.")
            new = new.item()
        super().__setitem__(index, new)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """A copy, where the type is that of doubles; another type has no meaning for a traced number."""
        if not holds_number(self):
            return as_plain(self).astype(np.float64).astype(dtype, *args, **kwargs)
        if dtype is object or np.dtype(dtype) == np.float64:
            return self.copy()
        raise TraceError(f"trace: traced numbers are doubles; got astype({np.dtype(dtype).name}). Leave the type out.")

    def dot(self, other: Any, out: Any = None) -> Any:
        """Inner or matrix product."""
        return answer_function(np.dot, (self, other), {} if out is None else {"out": out})


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return answer_function(function, (self, *args), kwargs)

    method.__name__ = name
    return method


for _name in ("all", "any", "clip", "cumprod", "cumsum", "max", "mean", "min", "prod", "std", "sum", "trace", "var"):
    setattr(TracedArray, _name, _method(_name))


# --- to and from plain arrays ----------------------------------------------------------------------------------------


def as_traced(x: Any) -> Any:
    """An array of objects or doubles as a `TracedArray`; anything else (integers, truth values) as it is.

    >>> as_traced(np.zeros(2))
    TracedArray([0.0, 0.0], dtype=object)
    """
    if not isinstance(x, np.ndarray):
        return x
    if x.dtype == np.float64:
        x = x.astype(object)
    return x.view(TracedArray) if x.dtype == object else x


def as_plain(x: Any) -> Any:
    """A `TracedArray` as the plain array of the same objects; anything else as it is."""
    return x.view(np.ndarray) if isinstance(x, NumberArray) else x


def holds_number(x: Any) -> bool:
    """Whether a recording number stands anywhere in an array, or in nested lists, tuples and dicts of them."""
    if isinstance(x, Number):
        return True
    if isinstance(x, np.ndarray):
        return x.dtype == object and any(isinstance(item, Number) for item in as_plain(x).flat)
    if isinstance(x, list | tuple):
        return any(holds_number(item) for item in x)
    return isinstance(x, dict) and any(holds_number(item) for item in x.values())


def _deep(convert: Callable[[Any], Any], x: Any) -> Any:
    """Convert what stands inside lists, tuples and dicts."""
    if x.__class__ is list or x.__class__ is tuple:
        return x.__class__([_deep(convert, item) for item in x])
    if x.__class__ is dict:
        return {key: _deep(convert, item) for key, item in x.items()}
    return convert(x)


def _as_doubles(x: Any) -> Any:
    """A `TracedArray` of floats as the float array it stands for."""
    return as_plain(x).astype(np.float64) if isinstance(x, NumberArray) else x


def _as_floats(value: Any) -> Any:
    """What is stored in an element: whole numbers become floats, as they would in a float array."""
    if isinstance(value, Number | float):
        return value
    if isinstance(value, bool | int | np.integer | np.bool_):
        return float(value)
    found = array_ops.array(as_plain(value)) if isinstance(value, list | tuple | np.ndarray) else value
    return as_plain(found)


def _wrapped(found: Any) -> Any:
    """Results as a function under trace sees them: truth values plain, everything else a `TracedArray`."""
    if isinstance(found, list | tuple) and not hasattr(found, "_fields"):
        return type(found)(_wrapped(item) for item in found)
    if not isinstance(found, np.ndarray):
        return found
    if found.dtype == object and found.size and all(isinstance(x, bool | np.bool_) for x in found.flat):
        return found.astype(np.bool_)
    return as_traced(found) if found.ndim else as_traced(found)[()]


def _refuse_index(index: Any) -> None:
    if index.__class__ is not int and index.__class__ is not slice and holds_number(index):
        for x in index if isinstance(index, tuple) else (index,):
            if isinstance(x, Number):
                x.__index__()  # type: ignore[attr-defined]  # raises; every kind of number has it
        raise TraceError(
            "trace: an index or a mask that depends on a traced number has no value yet. Use numpy.where(mask, a, b)."
        )


# --- elementwise functions -------------------------------------------------------------------------------------------

_HARMLESS = frozenset({"casting", "order", "dtype", "subok", "out", "where", "keepdims", "axis", "initial"})


def answer_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """``ufunc(*inputs)``, its reduce, accumulate, outer or at, for inputs of which one may be a `TracedArray`.

    Raises
    ------
    TraceError
        The function is not in the table, or an array of plain floats is to hold the result.
    """
    if method == "at":
        return _at(ufunc, *inputs)
    out = kwargs.get("out")
    if isinstance(out, tuple):
        out = out[0] if len(out) == 1 else None
    mask = kwargs.get("where", True)
    if not holds_number(list(inputs)) and not holds_number(mask) and not isinstance(out, NumberArray):
        plain = {key: _deep(_as_doubles, value) for key, value in kwargs.items()}
        return _wrapped(getattr(ufunc, method)(*[_deep(_as_doubles, x) for x in inputs], **plain))
    if not kwargs.keys() <= _HARMLESS:
        raise TraceError(f"trace: numpy.{ufunc.__name__} takes no {sorted(kwargs.keys() - _HARMLESS)} when traced.")
    arrays = [as_plain(array_ops.array(as_plain(x))) if isinstance(x, list | tuple) else as_plain(x) for x in inputs]
    if method == "__call__":
        found = _call(ufunc, arrays)
    elif method in ("reduce", "accumulate"):
        found = _fold(ufunc, method, arrays[0], kwargs)
    elif method == "outer":
        a, b = np.asarray(arrays[0]), np.asarray(arrays[1])
        found = _call(ufunc, [a.reshape(*a.shape, *(1,) * b.ndim), b])
    else:
        raise TraceError(f"trace: numpy.{ufunc.__name__}.{method} cannot be traced. Write it with plain operations.")
    if out is not None:
        return _stored(ufunc, found, out, mask)
    if mask is not True and method == "__call__":
        raise TraceError(f"trace: numpy.{ufunc.__name__}: where= needs out=. Use numpy.where(mask, a, b).")
    return _wrapped(found)


def _call(ufunc: np.ufunc, inputs: Sequence[Any]) -> Any:
    if ufunc is np.matmul:
        return linear_algebra.matmul(*inputs)
    if ufunc is np.divmod:
        return ops.floor_divide(*inputs), ops.remainder(*inputs)
    function = further_ufuncs().get(ufunc) or numpy_bridge.function_of(ufunc)
    if function is None and all(set(kind) <= {"O", "-", ">"} for kind in ufunc.types):
        return ufunc(*inputs)  # a function of Python's that np.frompyfunc or np.vectorize calls for each element
    if function is None:
        raise TraceError(
            f"trace: numpy.{ufunc.__name__} cannot be traced: it has no row in diffsim's table. Use functions of "
            "diffsim.ops."
        )
    return function(*inputs)


def _stored(ufunc: np.ufunc, found: Any, out: Any, mask: Any) -> Any:
    """``out[mask] = found``, where `out` can hold it."""
    if not (isinstance(out, np.ndarray) and out.dtype == object):
        raise TraceError(
            f"trace: numpy.{ufunc.__name__}: an array of plain numbers cannot hold a traced one. Write `a = a + b` "
            "instead of `a += b`, or make the array with numpy.zeros inside the function."
        )
    if mask is not True:
        found = ops.where(as_plain(mask), found, as_plain(out))
    as_plain(out)[...] = np.asarray(found, dtype=object)
    return out


def _at(ufunc: np.ufunc, target: Any, index: Any, *operands: Any) -> None:
    """``ufunc.at(target, index, operand)``: an index may occur several times."""
    if not isinstance(target, NumberArray):
        raise TraceError(f"trace: numpy.{ufunc.__name__}.at: an array of plain numbers cannot hold a traced one.")
    spots = np.arange(target.size).reshape(target.shape)[index]
    values = [np.broadcast_to(np.asarray(as_plain(x), dtype=object), spots.shape).ravel() for x in operands]
    flat = as_plain(target).reshape(-1)
    for i, spot in enumerate(spots.ravel().tolist()):
        flat[spot] = _call(ufunc, [flat[spot], *(value[i] for value in values)])
    as_plain(target)[...] = flat.reshape(target.shape)


def _fold(ufunc: np.ufunc, method: str, x: Any, kwargs: dict[str, Any]) -> Any:
    """``ufunc.reduce`` and ``ufunc.accumulate``, one element after the other."""
    x = np.asarray(x, dtype=object)
    if kwargs.get("where", True) is not True:
        raise TraceError(f"trace: numpy.{ufunc.__name__}: where= cannot be traced. Use numpy.where(mask, a, b) first.")
    axis = kwargs.get("axis", 0)
    if method == "accumulate":
        out = np.moveaxis(x, axis, 0).copy()
        for i in range(1, len(out)):
            out[i] = _call(ufunc, [out[i - 1], out[i]])
        return np.moveaxis(out, 0, axis)
    axes = tuple(range(x.ndim)) if axis is None else tuple(a % x.ndim for a in np.atleast_1d(axis).tolist())
    rest = [i for i in range(x.ndim) if i not in axes]
    rows = x.transpose(*axes, *rest).reshape(-1, *(x.shape[i] for i in rest))
    start = kwargs.get("initial", np._NoValue)
    if start is np._NoValue or start is None:
        if not len(rows):
            if ufunc.identity is None:
                raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
            return np.full(rows.shape[1:], float(ufunc.identity))[()]
        total, rows = rows[0], rows[1:]
    else:
        total = start
    for row in rows:
        total = _call(ufunc, [total, row])
    if kwargs.get("keepdims"):
        kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        return np.asarray(total, dtype=object).reshape(kept)
    return total


# --- other functions -------------------------------------------------------------------------------------------------


def answer_function(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """``func(*args, **kwargs)`` for a NumPy function of which some argument may hold traced numbers."""
    own = _functions().get(func)
    if own is not None:
        return _wrapped(own(*_deep(as_plain, tuple(args)), **_deep(as_plain, kwargs)))
    if not holds_number(tuple(args)) and not holds_number(kwargs):
        return _wrapped(func(*_deep(_as_doubles, tuple(args)), **_deep(_as_doubles, kwargs)))
    plain = [_array_of(func, x) for x in args]
    return _wrapped(numpy_bridge.call_function(func, tuple(plain), _deep(as_plain, kwargs)))


def _array_of(func: Any, x: Any) -> Any:
    """A list that holds numbers as the array NumPy would make of it, unless it is a sequence of several arrays."""
    x = _deep(as_plain, x)
    if isinstance(x, list | tuple) and func not in _SEVERAL and holds_number(x):
        return array_ops.array(x)
    return x


_SEVERAL = frozenset(
    {np.block, np.broadcast_arrays, np.choose, np.column_stack, np.concatenate, np.dstack, np.einsum, np.hstack}
    | {np.linalg.multi_dot, np.piecewise, np.select, np.stack, np.vstack}
)


def _like(fill: float) -> Callable[..., Any]:
    def function(x: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
        if dtype is not None and np.dtype(dtype).kind not in "fO":
            return np.full(np.shape(x) if shape is None else shape, fill, dtype)
        return np.full(np.shape(x) if shape is None else shape, fill)

    return function


def _full_like(x: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> Any:
    out = np.empty(np.shape(x), dtype=object)
    out[...] = fill_value
    return out


def _reduction(ufunc: np.ufunc) -> Callable[..., Any]:
    def function(x: Any, axis: Any = None, out: Any = None, keepdims: bool = False, **kwargs: Any) -> Any:
        x = array_ops.array(x) if isinstance(x, list | tuple) else np.asarray(x)
        more = kwargs if out is None else {**kwargs, "out": (out,)}
        return answer_ufunc(ufunc, "reduce", (x,), {"axis": axis, "keepdims": keepdims, **more})

    return function


def _trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return array_ops.sum(np.diagonal(np.asarray(x), offset, axis1, axis2), -1)


def _cumulative(ufunc: np.ufunc) -> Callable[..., Any]:
    def function(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
        x = np.asarray(array_ops.array(x) if isinstance(x, list | tuple) else x)
        if axis is None:
            x, axis = x.ravel(), 0
        return answer_ufunc(ufunc, "accumulate", (x,), {"axis": axis})

    return function


@functools.cache
def _functions() -> dict[Any, Callable[..., Any]]:
    """NumPy's functions that are answered here rather than in `numpy_bridge`."""
    return {
        **further_functions(),
        np.all: _reduction(np.logical_and),
        np.any: _reduction(np.logical_or),
        np.sum: _reduction(np.add),
        np.prod: _reduction(np.multiply),
        np.cumsum: _cumulative(np.add),
        np.cumprod: _cumulative(np.multiply),
        np.zeros_like: _like(0.0),
        np.ones_like: _like(1.0),
        np.empty_like: _like(0.0),
        np.full_like: _full_like,
        np.trace: _trace,
        np.iscomplexobj: lambda x: False,
        np.isrealobj: lambda x: True,
        np.isscalar: lambda x: isinstance(x, Number) or np.isscalar(x),
        np.copy: lambda x, **kwargs: np.array(x, dtype=object),
        np.shape: np.shape,
        np.ndim: np.ndim,
        np.size: np.size,
        np.real: lambda x: x,
    }
