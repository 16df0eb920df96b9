"""The table, array half: sums, products, shapes, indexing and small linear algebra, for any kind of number.

Rows are `diffsim.primitive.Structural`: each declares how a cotangent goes back, and, unless it is linear, how a
tangent goes forward.  What can be said with other rows (mean, prod, norm, inv) is a function, not a row.

The file is long because it is a table, read side by side; `linear_algebra` holds matrices.  Arguments may be lists
that mix numbers of all kinds: `array` makes one number of them.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffsim import ops
from diffsim.errors import ArgumentError, KindError
from diffsim.number import AnyNumber, Number, Params, raw, shape_of
from diffsim.primitive import Structural, bind, register

__all__ = [
    "array",
    "broadcast_to",
    "concatenate",
    "cumsum",
    "getitem",
    "max",
    "mean",
    "min",
    "prod",
    "ravel",
    "reshape",
    "set_item",
    "stack",
    "sum",
    "transpose",
    "unbroadcast",
]

Axis = int | tuple[int, ...] | None


# --- from lists to arrays --------------------------------------------------------------------------------------------


def array(x: AnyNumber) -> AnyNumber:
    """One number or array from (nested) lists that may mix plain numbers, `Value`s and other kinds.

    Parameters
    ----------
    x : number, array, or nested list or tuple of them

    Returns
    -------
    float64 (or float32) ndarray if everything is plain; one array `Value` or `Dual` if any element is one; an
    object array for tracers and multiprecision numbers.

    Examples
    --------
    >>> from diffsim.value import Value
    >>> array([Value(1.0), 2.0])
    Value(array([1., 2.]))
    """
    if isinstance(x, Number):
        return x
    if isinstance(x, list | tuple):
        items = [array(item) for item in x]
        if any(isinstance(item, Number) and item.liftable for item in items):
            shapes = {shape_of(item) for item in items}
            if len(shapes) > 1:
                raise ArgumentError(f"array: all entries must have one shape; got shapes {sorted(shapes)}. See stack.")
            return stack(items)
        x = np.array(items, dtype=object) if any(_is_object(item) for item in items) else np.array(items)
    elif not isinstance(x, np.ndarray):
        return x
    if x.dtype == object:
        flat = x.ravel().tolist()
        if any(isinstance(item, Number) and item.liftable for item in flat):
            return reshape(stack(flat), x.shape)
        return x
    return x.astype(np.float64) if x.dtype.kind in "iub" else x


def _is_object(x: AnyNumber) -> bool:
    return x.dtype == object if isinstance(x, np.ndarray) else not isinstance(x, int | float | np.generic)


def lift(x: AnyNumber) -> AnyNumber:
    """The argument as one number: what arrives as a list or an object array of `Value`s is put together."""
    if isinstance(x, np.ndarray) and x.dtype != object:
        return x.astype(np.float64) if x.dtype.kind in "iub" else x
    return array(x)


# --- sums and shapes -------------------------------------------------------------------------------------------------


def _axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes as a tuple of non-negative numbers; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple | list) else (axis,)
    for a in given:
        if not -ndim <= a < ndim:
            raise ArgumentError(f"axis {a} is out of range for an array with {ndim} dimensions.")
    return tuple(sorted(a % ndim for a in given))


def _keep(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _spread(g: AnyNumber, shape: tuple[int, ...], axes: tuple[int, ...]) -> AnyNumber:
    """The cotangent of a sum over some axes, for each of its terms."""
    if g.__class__ is float:  # PERF: a tenth of the time of the general way
        return np.full(shape, g)
    return broadcast_to(reshape(g, _keep(shape, axes)), shape)


_SUM: Structural = register(
    Structural(
        "sum",
        lambda x, axis: np.sum(x, axis=axis),
        lambda i, g, out, args, p: _spread(g, shape_of(args[0]), p["axis"]),
        lead=lambda p, args: {"axis": tuple(a + 1 for a in p["axis"])},
    )
)
_BROADCAST: Structural = register(
    Structural(
        "broadcast_to",
        lambda x, shape: np.broadcast_to(x, shape),
        lambda i, g, out, args, p: unbroadcast(g, shape_of(args[0])),
        view=lambda p: True,
    )
)
_RESHAPE: Structural = register(
    Structural(
        "reshape",
        lambda x, shape: np.reshape(x, shape),
        lambda i, g, out, args, p: reshape(g, shape_of(args[0])),
        lead=lambda p, args: {"shape": (shape_of(args[0])[0], *p["shape"])},
        view=lambda p: True,
    )
)
_TRANSPOSE: Structural = register(
    Structural(
        "transpose",
        lambda x, axes: np.transpose(x, axes),
        lambda i, g, out, args, p: transpose(g, tuple(np.argsort(p["axes"]).tolist())),
        lead=lambda p, args: {"axes": (0, *(a + 1 for a in p["axes"]))},
        view=lambda p: True,
    )
)


def sum(x: AnyNumber, axis: Axis = None, keepdims: bool = False) -> AnyNumber:
    """Sum over the given axes (all by default)."""
    x = lift(x)
    shape = shape_of(x)
    axes = _axes(axis, len(shape))
    out = bind(_SUM, (x,), {"axis": axes})
    return reshape(out, _keep(shape, axes)) if keepdims else out


def broadcast_to(x: AnyNumber, shape: tuple[int, ...]) -> AnyNumber:
    """Repeat along new or length-1 axes to the given shape."""
    x = lift(x)
    return x if shape_of(x) == tuple(shape) else bind(_BROADCAST, (x,), {"shape": tuple(shape)})


def unbroadcast(g: AnyNumber, shape: tuple[int, ...]) -> AnyNumber:
    """Sum g over the axes along which an array of the given shape was broadcast: the transpose of broadcasting."""
    have = shape_of(g)
    if have == shape:
        return g
    if len(have) < len(shape) or math.prod(have) < math.prod(shape):
        return broadcast_to(g, shape)  # a constant cotangent of an array
    extra = len(have) - len(shape)
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and have[i + extra] != 1)
    return reshape(bind(_SUM, (g,), {"axis": axes}), shape)


def reshape(x: AnyNumber, *shape: Any) -> AnyNumber:
    """The same numbers in another shape; one length may be -1."""
    x = lift(x)
    wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int | np.integer) else shape
    target = tuple(int(n) for n in wanted)
    if -1 in target:
        known = -math.prod(target)
        target = tuple(math.prod(shape_of(x)) // known if n == -1 and known else n for n in target)
    return x if shape_of(x) == target else bind(_RESHAPE, (x,), {"shape": target})


def ravel(x: AnyNumber) -> AnyNumber:
    """All numbers in one row."""
    return reshape(x, -1)


def transpose(x: AnyNumber, axes: Sequence[int] | None = None) -> AnyNumber:
    """Permute the axes; reverse them by default."""
    x = lift(x)
    n = len(shape_of(x))
    order = tuple(range(n))[::-1] if axes is None else tuple(int(a) % n for a in axes)
    return bind(_TRANSPOSE, (x,), {"axes": order}) if n > 1 else x


def mean(x: AnyNumber, axis: Axis = None, keepdims: bool = False) -> AnyNumber:
    """Arithmetic mean over the given axes (all by default)."""
    x = lift(x)
    shape = shape_of(x)
    count = math.prod(shape[a] for a in _axes(axis, len(shape)))
    return sum(x, axis, keepdims) / float(count) if count else np.full((), math.nan)[()]


def prod(x: AnyNumber, axis: Axis = None, keepdims: bool = False) -> AnyNumber:
    """Product over the given axes; its derivative is right where factors are 0.

    Multiplies halves with each other, so the derivative needs no division by a factor.
    """
    x = lift(x)
    shape = shape_of(x)
    axes = _axes(axis, len(shape))
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    flat = reshape(transpose(x, axes + rest), (math.prod(shape[a] for a in axes), *(shape[i] for i in rest)))
    n = shape_of(flat)[0] if shape else 0
    if not shape:
        return x
    if n == 0:
        return np.ones(_keep(shape, axes) if keepdims else tuple(shape[i] for i in rest))[()]
    while n > 1:
        half = n // 2
        product = getitem(flat, slice(0, half)) * getitem(flat, slice(half, 2 * half))
        flat = concatenate([product, getitem(flat, slice(2 * half, n))]) if n % 2 else product
        n -= half
    out = getitem(flat, 0)
    return reshape(out, _keep(shape, axes)) if keepdims else out


# --- extremes --------------------------------------------------------------------------------------------------------


def _max_weights(out: AnyNumber, x: AnyNumber, axes: tuple[int, ...]) -> AnyNumber:
    """Share of each element in the maximum: equal shares among ties."""
    plain = raw(x)
    ties = np.equal(plain, np.reshape(raw(out), _keep(shape_of(plain), axes))).astype(plain.dtype)
    count = np.sum(ties, axis=axes, keepdims=True)
    return ties / np.where(count == 0, 1.0, count)


def _max_push(tangents: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber], p: Params) -> AnyNumber:
    return bind(_SUM, (tangents[0] * _max_weights(out, args[0], p["axis"]),), p)


def _max_transpose(i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], p: Params) -> AnyNumber:
    return reshape(g, _keep(shape_of(args[0]), p["axis"])) * _max_weights(out, args[0], p["axis"])


_MAX: Structural = register(Structural("max", lambda x, axis: np.max(x, axis=axis), _max_transpose, push=_max_push))


def _max_by_pairs(x: AnyNumber, axes: tuple[int, ...]) -> AnyNumber:
    """The same by comparing two at a time: for traced elements, whose order is not known."""
    shape = shape_of(x)
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    flat = reshape(transpose(x, axes + rest), (-1, *(shape[i] for i in rest)))
    out = getitem(flat, 0)
    for i in range(1, shape_of(flat)[0]):
        out = ops.maximum(out, getitem(flat, i))
    return out


def max(x: AnyNumber, axis: Axis = None, keepdims: bool = False) -> AnyNumber:
    """Largest element over the given axes; ties share the derivative equally."""
    x = lift(x)
    shape = shape_of(x)
    axes = _axes(axis, len(shape))
    plain = raw(x)
    if not axes:
        out = x
    elif isinstance(plain, np.ndarray) and plain.dtype == object:
        out = _max_by_pairs(x, axes)
    else:
        out = bind(_MAX, (x,), {"axis": axes})
    return reshape(out, _keep(shape, axes)) if keepdims else out


def min(x: AnyNumber, axis: Axis = None, keepdims: bool = False) -> AnyNumber:
    """Smallest element over the given axes; ties share the derivative equally."""
    return -max(-lift(x), axis, keepdims)


# --- indexing and assembling -----------------------------------------------------------------------------------------


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, int | np.integer | slice) for part in parts)


def _scatter(g: AnyNumber, index: Any, shape: tuple[int, ...]) -> Any:
    g = np.asarray(g)
    out = np.zeros(shape, dtype=g.dtype)
    if _is_basic(index):
        out[index] = g
    else:
        np.add.at(out, index, g)  # an index may occur several times
    return out


def _lead_index(p: Params, **more: Any) -> Params | None:
    """Parameters of the same indexing behind one more leading axis, where that is an indexing at all."""
    index = p["index"]
    if _is_basic(index):
        parts = index if isinstance(index, tuple) else (index,)
        return {"index": (slice(None), *parts), **more}
    return {"index": (slice(None), index), **more} if isinstance(index, np.ndarray | list) else None


def _set_item(x: AnyNumber, w: AnyNumber, index: Any) -> Any:
    dtype = object if isinstance(w, np.ndarray) and w.dtype == object else np.asarray(x).dtype
    out = np.array(x, dtype=dtype)
    out[index] = w
    return out


def _take(x: Any, index: Any) -> Any:
    part = x[index]
    return part[()] if isinstance(part, np.ndarray) else part  # an Ellipsis leaves a 0-d array behind


_GETITEM: Structural = register(
    Structural(
        "getitem",
        _take,
        lambda i, g, out, args, p: bind(_SCATTER, (g,), {"index": p["index"], "shape": shape_of(args[0])}),
        lead=lambda p, args: _lead_index(p),
        view=lambda p: _is_basic(p["index"]),
    )
)
_SCATTER: Structural = register(
    Structural(
        "scatter",
        _scatter,
        lambda i, g, out, args, p: getitem(g, p["index"]),
        lead=lambda p, args: _lead_index(p, shape=(shape_of(args[0])[0], *p["shape"])),
    )
)
_SET_ITEM: Structural = register(
    Structural(
        "set_item",
        _set_item,
        lambda i, g, out, args, p: (
            bind(_SET_ITEM, (g, 0.0), p) if i == 0 else unbroadcast(getitem(g, p["index"]), shape_of(args[1]))
        ),
        lead=lambda p, args: _lead_index(p) if len(shape_of(args[1])) == len(shape_of(args[0])) else None,
    )
)


def _stack_transpose(i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], p: Params) -> AnyNumber:
    return getitem(g, (slice(None),) * p["axis"] + (i,))


def _concatenate_transpose(i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], p: Params) -> AnyNumber:
    axis = p["axis"]
    start = builtins.sum(shape_of(a)[axis] for a in args[:i])
    return getitem(g, (slice(None),) * axis + (slice(start, start + shape_of(args[i])[axis]),))


def _lead_axis(p: Params, args: Sequence[AnyNumber]) -> Params:
    return {"axis": p["axis"] + 1}


_STACK: Structural = register(
    Structural("stack", lambda *xs, axis: np.stack(xs, axis=axis), _stack_transpose, lead=_lead_axis)
)
_CONCATENATE: Structural = register(
    Structural("concatenate", lambda *xs, axis: np.concatenate(xs, axis=axis), _concatenate_transpose, lead=_lead_axis)
)
_CUMSUM: Structural = register(
    Structural(
        "cumsum",
        lambda x, axis: np.cumsum(x, axis=axis),
        lambda i, g, out, args, p: _reverse(cumsum(_reverse(g, p["axis"]), p["axis"]), p["axis"]),
        lead=_lead_axis,
    )
)


def _reverse(x: AnyNumber, axis: int) -> AnyNumber:
    return getitem(x, (slice(None),) * axis + (slice(None, None, -1),))


def getitem(x: AnyNumber, index: Any) -> AnyNumber:
    """Element or part of an array, by basic or advanced NumPy indexing."""
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if isinstance(part, Number):
            raise KindError(
                "indexing: an index must be whole numbers, slices or arrays of them; got a differentiable number. "
                "Read it with .data and round it: an index has no derivative."
            )
    return bind(_GETITEM, (lift(x),), {"index": index})


def set_item(x: AnyNumber, index: Any, w: AnyNumber) -> AnyNumber:
    """A copy of x in which ``x[index]`` is w; what ``v[index] = w`` does on array `Value`s.

    Raises
    ------
    ArgumentError
        An advanced index names an element twice: which of the two values stays is not defined.
    """
    if w is None:
        raise KindError("item assignment: the new value must be a number or an array; got None.")
    x = lift(x)
    if not _is_basic(index):
        count = np.zeros(shape_of(x), dtype=np.intp)
        np.add.at(count, index, 1)
        if count.size and count.max() > 1:
            raise ArgumentError(
                f"item assignment: an index must name each element once; got {index!r}. Assign the last value only."
            )
    return bind(_SET_ITEM, (x, lift(w)), {"index": index})


def stack(xs: Sequence[AnyNumber], axis: int = 0) -> AnyNumber:
    """Join numbers of any kinds, broadcast to one shape, along a new axis.

    Parameters
    ----------
    xs : sequence of numbers or arrays, each of shape S after broadcasting
    axis : int
        Where the new axis stands.

    Returns
    -------
    array of shape ``S[:axis] + (len(xs),) + S[axis:]``
    """
    items = list(xs)
    kind = _kind(items)
    if kind == "plain":
        if axis == 0:
            try:
                out = np.array(items)
                return out if out.dtype.kind == "f" else lift(out)
            except ValueError:  # different shapes
                pass
        return np.stack(np.broadcast_arrays(*[lift(item) for item in items]), axis=axis)
    if kind == "object":
        return np.stack(np.broadcast_arrays(*[np.asarray(item, dtype=object) for item in items]), axis=axis)
    items = [lift(item) for item in items]
    shapes = [shape_of(item) for item in items]
    shape = shapes[0]
    if shapes.count(shape) < len(shapes):
        shape = np.broadcast_shapes(*shapes)
        items = [broadcast_to(item, shape) for item in items]
    return bind(_STACK, items, {"axis": axis % (len(shape) + 1)})


def _kind(items: Sequence[AnyNumber]) -> str:
    """Whether a sequence is all plain, holds a number that lifts to arrays, or must stay an object array."""
    kind = "plain"
    for item in items:
        if item.__class__ is float or item.__class__ is np.float64:
            continue
        if isinstance(item, list | tuple) or (isinstance(item, np.ndarray) and item.dtype == object):
            item = array(item)
        if isinstance(item, Number) and item.liftable:
            return "lift"
        if isinstance(item, Number) or _is_object(item):
            kind = "object"
    return kind


def concatenate(xs: Sequence[AnyNumber], axis: int | None = 0) -> AnyNumber:
    """Join arrays along an existing axis; None flattens them first."""
    items = [lift(x) for x in xs]
    if axis is None:
        items, axis = [ravel(x) for x in items], 0
    return bind(_CONCATENATE, items, {"axis": axis % len(shape_of(items[0]))})


def cumsum(x: AnyNumber, axis: int | None = None) -> AnyNumber:
    """Running sums along an axis; None flattens first."""
    x = lift(x)
    if axis is None:
        x, axis = ravel(x), 0
    return bind(_CUMSUM, (x,), {"axis": axis % len(shape_of(x))})
