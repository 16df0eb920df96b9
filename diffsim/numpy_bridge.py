"""How NumPy's own functions reach the table when an argument is one of our numbers.

Four roads, tried in this order: a row of the table; a question that only looks at the values (``np.isfinite``,
``np.argmax``); a rearrangement, done once on the array of indices; anything else that NumPy can do on an object
array, element by element.  What NumPy refuses there ends in an error, never in a dropped derivative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffsim import array_ops, linear_algebra, ops
from diffsim.errors import DiffsimError, KindError, TraceError, must
from diffsim.number import AnyNumber, Number, raw, shape_of

__all__ = ["call_function", "call_ufunc", "function_of"]

_ON_VALUES = (np.isfinite, np.isnan, np.isinf, np.signbit)
_REDUCTIONS: dict[np.ufunc, Callable[..., AnyNumber]] = {
    np.add: array_ops.sum,
    np.multiply: array_ops.prod,
    np.maximum: array_ops.max,
    np.minimum: array_ops.min,
}


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[AnyNumber], kwargs: dict[str, Any]) -> Any:
    """Answer ``ufunc(*inputs)`` (or its reduce, accumulate, outer) for inputs of which one is a number of ours."""
    out = kwargs.pop("out", None)
    if out is not None:
        return _store(ufunc, method, inputs, kwargs, out)
    kwargs = {key: value for key, value in kwargs.items() if not (key == "where" and value is True)}
    if method == "reduce" and ufunc in _REDUCTIONS and kwargs.keys() <= {"axis", "keepdims"}:
        return _REDUCTIONS[ufunc](inputs[0], kwargs.get("axis", 0), kwargs.get("keepdims", False))
    if method == "accumulate" and ufunc is np.add:
        return array_ops.cumsum(inputs[0], kwargs.get("axis", 0))
    if method == "outer" and len(inputs) == 2:
        a, b = array_ops.array(inputs[0]), array_ops.array(inputs[1])
        a = array_ops.reshape(a, (*shape_of(a), *(1,) * len(shape_of(b))))
        return call_ufunc(ufunc, "__call__", (a, b), kwargs)
    if method != "__call__" or kwargs:
        raise KindError(
            f"numpy.{ufunc.__name__}: a differentiable number takes plain calls only; got method {method!r} with "
            f"{sorted(kwargs)}. Write the call without these."
        )
    if ufunc is np.matmul:
        return linear_algebra.matmul(*inputs)
    if ufunc in _ON_VALUES:
        return ufunc(*_deep(_plain_value, list(inputs)))
    function = function_of(ufunc)
    if function is None:
        raise KindError(
            f"numpy.{ufunc.__name__} has no derivative here; use one of diffsim.ops, or read the values with .data."
        )
    return function(*inputs)


def function_of(ufunc: np.ufunc) -> Callable[..., AnyNumber] | None:
    """The table's function that answers to an elementwise function of NumPy's; None where there is none."""
    if ufunc.__name__ == "clip":  # NumPy gives that one no name of its own
        return ops.clip
    return ops.by_ufunc().get(ufunc) or _special().get(ufunc.__name__)


@functools.cache
def _special() -> dict[str, Callable[..., AnyNumber]]:
    """Those of SciPy, by name: its module need not be loaded."""
    return {"erf": ops.erf, "expit": ops.sigmoid, "erfc": lambda x: 1.0 - ops.erf(x)}


def _store(ufunc: np.ufunc, method: str, inputs: Sequence[AnyNumber], kwargs: dict[str, Any], out: Any) -> Any:
    """``ufunc(..., out=array)``, which is also ``array += number``: possible for object arrays only."""
    (target,) = out
    if not (isinstance(target, np.ndarray) and target.dtype == object):
        raise KindError(
            f"numpy.{ufunc.__name__}: a float array cannot hold a differentiable number, and storing its value would "
            "drop its derivative. Write `a = a + v` instead of `a += v`, or read the value with .data."
        )
    target[...] = np.asarray(call_ufunc(ufunc, method, inputs, kwargs), dtype=object)
    return target


# --- functions -------------------------------------------------------------------------------------------------------


def _like(fill: float) -> Callable[..., AnyNumber]:
    """``zeros_like`` and its kin: constants, but numbers of ours, so that what has a derivative can be assigned."""

    def function(x: AnyNumber, *args: Any, **kwargs: Any) -> AnyNumber:
        shape, width = kwargs.get("shape"), np.result_type(raw(x))
        return x._constant(
            np.full(shape_of(x) if shape is None else shape, fill, width if width.kind == "f" else float)
        )

    return function


def _full_like(x: AnyNumber, fill_value: AnyNumber, **kwargs: Any) -> AnyNumber:
    return _like(0.0)(x, **kwargs) + fill_value


def _expand_dims(x: AnyNumber, axis: Any) -> AnyNumber:
    return array_ops.reshape(x, np.expand_dims(np.empty(shape_of(x)), axis).shape)


def _variance(x: AnyNumber, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> AnyNumber:
    deviation = x - array_ops.mean(x, axis, True)
    total = array_ops.sum(deviation * deviation, axis, keepdims)
    count = x.size / max(1, int(np.prod(shape_of(total))))
    return total / (count - ddof)


def _standard_deviation(x: AnyNumber, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> AnyNumber:
    return ops.sqrt(_variance(x, axis, ddof, keepdims))


def _diff(x: AnyNumber, n: int = 1, axis: int = -1) -> AnyNumber:
    if n < 0:
        raise must("numpy.diff", "n", "must be >= 0", n)
    axis %= len(shape_of(x))
    before = (slice(None),) * axis
    for _ in range(n):
        x = array_ops.getitem(x, (*before, slice(1, None))) - array_ops.getitem(x, (*before, slice(None, -1)))
    return x


def _nan_to_num(x: AnyNumber, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> AnyNumber:
    plain = raw(x)
    if np.all(np.isfinite(plain)):
        return +x
    replaced = np.nan_to_num(plain, nan=nan, posinf=posinf, neginf=neginf)
    return ops.where(np.isfinite(plain), x, replaced)


@functools.cache
def _functions() -> dict[Any, Callable[..., AnyNumber]]:
    """NumPy's functions and ours with the same arguments (only the ones worth a row or a shortcut)."""
    a = array_ops
    return {
        np.sum: a.sum,
        np.prod: a.prod,
        np.mean: a.mean,
        np.max: a.max,
        np.min: a.min,
        np.amax: a.max,
        np.amin: a.min,
        np.cumsum: a.cumsum,
        np.dot: linear_algebra.dot,
        np.vdot: lambda x, y: linear_algebra.dot(a.ravel(x), a.ravel(y)),
        np.outer: linear_algebra.outer,
        np.linalg.solve: linear_algebra.solve,
        np.linalg.inv: linear_algebra.inv,
        np.linalg.det: linear_algebra.det,
        np.linalg.norm: linear_algebra.norm,
        np.reshape: lambda x, shape, **kw: a.reshape(x, shape),
        np.ravel: lambda x, **kw: a.ravel(x),
        np.transpose: a.transpose,
        np.broadcast_to: lambda x, shape, **kw: a.broadcast_to(x, shape if isinstance(shape, tuple) else (shape,)),
        np.concatenate: a.concatenate,
        np.stack: a.stack,
        np.where: ops.where,
        np.clip: lambda x, a_min=None, a_max=None, **kw: ops.clip(x, kw.get("min", a_min), kw.get("max", a_max)),
        np.expand_dims: _expand_dims,
        np.zeros_like: _like(0.0),
        np.ones_like: _like(1.0),
        np.empty_like: _like(0.0),
        np.full_like: _full_like,
        np.copy: lambda x, **kw: +x,
        np.var: _variance,
        np.std: _standard_deviation,
        np.diff: _diff,
        np.nan_to_num: _nan_to_num,
        np.real: lambda x: x,
        np.shape: shape_of,
        np.ndim: lambda x: len(shape_of(x)),
        np.size: lambda x, axis=None: np.size(np.empty(shape_of(x)), axis),
    }


_QUESTIONS = frozenset(
    {
        np.all,
        np.allclose,
        np.any,
        np.argmax,
        np.argmin,
        np.argpartition,
        np.argsort,
        np.argwhere,
        np.array2string,
        np.array_equal,
        np.array_repr,
        np.array_str,
        np.count_nonzero,
        np.digitize,
        np.flatnonzero,
        np.iscomplexobj,
        np.isclose,
        np.isrealobj,
        np.lexsort,
        np.nonzero,
        np.result_type,
        np.searchsorted,
    }
)
_REARRANGEMENTS = frozenset(
    {
        np.diagonal,
        np.flip,
        np.fliplr,
        np.flipud,
        np.moveaxis,
        np.repeat,
        np.roll,
        np.rot90,
        np.squeeze,
        np.swapaxes,
        np.take,
        np.tile,
    }
)
_WRITERS = frozenset(
    {np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask}
)  # they change their first argument and answer with nothing


def call_function(func: Any, args: Any, kwargs: Any) -> Any:
    """Answer ``func(*args, **kwargs)`` for a NumPy function of which some argument holds a number of ours."""
    if func in _QUESTIONS:
        return func(*_deep(_plain_value, args), **_deep(_plain_value, kwargs))
    if kwargs.get("out") is not None or (func in _WRITERS and not _holds_objects(args[0])):
        raise KindError(
            f"numpy.{func.__name__}: a float array cannot hold a differentiable number; a Value array changes only by "
            "`v[i] = w`. Use the result of the function, without out=, or read the values with .data."
        )
    own = _functions().get(func)
    try:
        if own is not None:
            return own(*args, **kwargs)
        if func in _REARRANGEMENTS and isinstance(args[0], Number):
            return _rearrange(func, args[0], args[1:], kwargs)
        return _together(func(*_deep(_as_objects, args), **_deep(_as_objects, kwargs)))
    except DiffsimError as error:
        if own is not None:
            raise
        raise KindError(f"numpy.{func.__name__}: {error}") from None
    except (TypeError, AttributeError, RecursionError) as error:
        raise KindError(
            f"numpy.{func.__name__}: cannot be differentiated with these arguments ({error}). "
            "Write it with arithmetic and the functions of diffsim, or read the values with .data."
        ) from error


def _holds_objects(target: Any) -> bool:
    return isinstance(target, np.ndarray) and target.dtype == object


def _plain_value(x: Number) -> Any:
    """What a question looks at; a traced number has nothing to show."""
    plain = raw(x)
    if isinstance(plain, Number):
        raise TraceError(
            "trace: this asks for the value of a traced number, which has none yet. Compare for diffsim.where."
        )
    return plain


def _rearrange(func: Any, x: AnyNumber, args: Any, kwargs: Any) -> AnyNumber:
    """A function that only moves elements: do it to their indices, then pick."""
    index = func(np.arange(x.size).reshape(shape_of(x)), *args, **kwargs)
    return array_ops.getitem(array_ops.ravel(x), index)


def _together(found: Any) -> Any:
    """What NumPy made of object arrays: those become numbers of ours again, in lists and tuples too."""
    if isinstance(found, list | tuple):
        return type(found)(_together(item) for item in found)
    return array_ops.array(found) if isinstance(found, np.ndarray) and found.dtype == object else found


def _deep(convert: Callable[[AnyNumber], Any], x: Any) -> Any:
    """Convert the numbers inside lists, tuples and dicts."""
    if isinstance(x, Number):
        return convert(x)
    if isinstance(x, list | tuple):
        return type(x)(_deep(convert, item) for item in x)
    if isinstance(x, dict):
        return {key: _deep(convert, item) for key, item in x.items()}
    return x


def _as_objects(x: AnyNumber) -> Any:
    """An array number as an object array of its elements."""
    shape = shape_of(x)
    out = np.empty(shape, dtype=object)
    if not shape:
        out[()] = x
        return out
    flat = array_ops.ravel(x)
    out.ravel()[:] = [flat[i] for i in range(x.size)]
    return out
