"""Python's operators and NumPy's protocols for every kind of number: all of them lead to the table.

`Operators` is what a scalar number answers to, `ArrayOperators` what an array of them adds (indexing, iteration,
shape).  A scalar number has no ``__getitem__`` on purpose: NumPy would take it for a sequence and hide the message
that names ``.data``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from diffsim import array_ops, linear_algebra, numpy_bridge, ops
from diffsim.errors import KindError
from diffsim.number import AnyNumber, Number, raw, shape_of

__all__ = ["ArrayOperators", "Operators"]


class Operators(Number):
    """Arithmetic, comparisons, the table's functions as methods, and NumPy's own functions."""

    __slots__ = ()

    # --- arithmetic ---

    def __add__(self, other: AnyNumber) -> AnyNumber:
        return ops.add(self, other)

    def __radd__(self, other: AnyNumber) -> AnyNumber:
        return ops.add(other, self)

    def __sub__(self, other: AnyNumber) -> AnyNumber:
        return ops.subtract(self, other)

    def __rsub__(self, other: AnyNumber) -> AnyNumber:
        return ops.subtract(other, self)

    def __mul__(self, other: AnyNumber) -> AnyNumber:
        return ops.multiply(self, other)

    def __rmul__(self, other: AnyNumber) -> AnyNumber:
        return ops.multiply(other, self)

    def __truediv__(self, other: AnyNumber) -> AnyNumber:
        return ops.divide(self, other)

    def __rtruediv__(self, other: AnyNumber) -> AnyNumber:
        return ops.divide(other, self)

    def __pow__(self, other: AnyNumber) -> AnyNumber:
        return ops.power(self, other)

    def __rpow__(self, other: AnyNumber) -> AnyNumber:
        return ops.power(other, self)

    def __mod__(self, other: AnyNumber) -> AnyNumber:
        return ops.remainder(self, other)

    def __rmod__(self, other: AnyNumber) -> AnyNumber:
        return ops.remainder(other, self)

    def __floordiv__(self, other: AnyNumber) -> AnyNumber:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: AnyNumber) -> AnyNumber:
        return ops.floor_divide(other, self)

    def __divmod__(self, other: AnyNumber) -> tuple[AnyNumber, AnyNumber]:
        return self // other, self % other

    def __rdivmod__(self, other: AnyNumber) -> tuple[AnyNumber, AnyNumber]:
        return other // self, other % self

    def __matmul__(self, other: AnyNumber) -> AnyNumber:
        return linear_algebra.matmul(self, other)

    def __rmatmul__(self, other: AnyNumber) -> AnyNumber:
        return linear_algebra.matmul(other, self)

    def __neg__(self) -> AnyNumber:
        return ops.negative(self)

    def __pos__(self) -> AnyNumber:
        return self

    def __abs__(self) -> AnyNumber:
        return ops.abs(self)

    # --- comparisons look at the values: a truth value has no derivative ---

    def __lt__(self, other: AnyNumber) -> Any:
        return raw(self) < raw(other)

    def __le__(self, other: AnyNumber) -> Any:
        return raw(self) <= raw(other)

    def __gt__(self, other: AnyNumber) -> Any:
        return raw(self) > raw(other)

    def __ge__(self, other: AnyNumber) -> Any:
        return raw(self) >= raw(other)

    def __eq__(self, other: object) -> Any:
        return raw(self) == raw(other)

    def __ne__(self, other: object) -> Any:
        return raw(self) != raw(other)

    __hash__ = object.__hash__  # by identity: numbers are nodes of a graph

    def __bool__(self) -> bool:
        return bool(raw(self))

    # --- nothing below may drop a derivative in silence ---

    def _refuse(self, wanted: str) -> NoReturn:
        raise KindError(
            f"{wanted} would drop the derivative of {self!r}. Read the plain number with .data; for a result that "
            "keeps its derivative use numpy's or diffsim's functions instead of math's, and "
            "collect with diffsim.array([...]) or in Value(np.zeros(n))."
        )

    def __float__(self) -> float:
        self._refuse("float()")

    def __int__(self) -> int:
        self._refuse("int()")

    def __index__(self) -> int:
        self._refuse("use as an index")

    def __complex__(self) -> complex:
        self._refuse("complex()")

    def __round__(self, ndigits: int | None = None) -> float:
        self._refuse("round()")

    def __trunc__(self) -> int:
        self._refuse("trunc()")

    def __floor__(self) -> int:
        self._refuse("math.floor()")

    def __ceil__(self) -> int:
        self._refuse("math.ceil()")

    def __format__(self, spec: str) -> str:
        return format(raw(self), spec) if spec else repr(self)

    # --- the table's functions as methods, under their names and NumPy's (object arrays call those) ---

    sin, cos, tan = ops.sin, ops.cos, ops.tan
    asin = arcsin = ops.asin
    acos = arccos = ops.acos
    atan = arctan = ops.atan
    atan2 = arctan2 = ops.atan2
    sinh, cosh, tanh = ops.sinh, ops.cosh, ops.tanh
    asinh = arcsinh = ops.asinh
    acosh = arccosh = ops.acosh
    atanh = arctanh = ops.atanh
    exp, expm1, exp2 = ops.exp, ops.expm1, ops.exp2
    log, log1p, log2, log10 = ops.log, ops.log1p, ops.log2, ops.log10
    sqrt, cbrt, square = ops.sqrt, ops.cbrt, ops.square
    abs = absolute = fabs = ops.abs
    sign, floor = ops.sign, ops.floor
    sigmoid, softplus, relu, erf = ops.sigmoid, ops.softplus, ops.relu, ops.erf
    maximum, minimum, hypot, clip = ops.maximum, ops.minimum, ops.hypot, ops.clip

    def conjugate(self) -> AnyNumber:
        """The number itself: it is real."""
        return self

    # --- shape ---

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape; ``()`` for a scalar."""
        below = self._below
        # PERF: asked for a dozen times in a solve; one layer above an array takes 0.3 us this way, 1 us by `raw`
        return below.shape if below.__class__ is np.ndarray else shape_of(raw(below))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.intp))

    def sum(self, axis: Any = None, keepdims: bool = False) -> AnyNumber:
        """Sum over axes; see `diffsim.array_ops.sum`."""
        return array_ops.sum(self, axis, keepdims)

    def reshape(self, *shape: Any) -> AnyNumber:
        """The same numbers in another shape."""
        return array_ops.reshape(self, *shape)

    # --- NumPy's protocols ---

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: AnyNumber, **kwargs: Any) -> Any:
        return numpy_bridge.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return numpy_bridge.call_function(func, args, kwargs)

    def _constant(self, data: AnyNumber) -> AnyNumber:
        """A number of this kind and level with the given data and no derivative."""
        raise NotImplementedError


# Of NumPy's arrays, answered by NumPy's function of the same name.
_METHODS = frozenset(
    {"all", "any", "argmax", "argmin", "argpartition", "argsort", "conj", "cumprod", "diagonal", "nonzero", "repeat"}
    | {"searchsorted", "squeeze", "std", "swapaxes", "take", "trace", "var"}
)


class ArrayOperators(Operators):
    """What an array of numbers answers to beyond `Operators`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            return functools.partial(getattr(np, name), self)
        hint = " Read the plain numbers with .data." if hasattr(np.ndarray, name) else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}.{hint}")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Floating-point type of the numbers.  (A scalar has none, lest NumPy take it for one of its own.)"""
        return np.result_type(raw(self))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> AnyNumber:
        return array_ops.getitem(self, index)

    def __iter__(self) -> Iterator[AnyNumber]:
        return (array_ops.getitem(self, i) for i in range(len(self)))

    @property
    def T(self) -> AnyNumber:
        """All axes reversed."""
        return array_ops.transpose(self)

    def prod(self, axis: Any = None, keepdims: bool = False) -> AnyNumber:
        """Product over axes."""
        return array_ops.prod(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> AnyNumber:
        """Mean over axes."""
        return array_ops.mean(self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> AnyNumber:
        """Largest element over axes."""
        return array_ops.max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> AnyNumber:
        """Smallest element over axes."""
        return array_ops.min(self, axis, keepdims)

    def cumsum(self, axis: int | None = None) -> AnyNumber:
        """Running sums along an axis."""
        return array_ops.cumsum(self, axis)

    def dot(self, other: AnyNumber) -> AnyNumber:
        """Inner or matrix product."""
        return linear_algebra.dot(self, other)

    def ravel(self) -> AnyNumber:
        """All numbers in one row."""
        return array_ops.ravel(self)

    flatten = ravel

    def transpose(self, *axes: Any) -> AnyNumber:
        """Permute the axes."""
        order: Sequence[int] | None = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return array_ops.transpose(self, order)

    def copy(self) -> AnyNumber:
        """A number of its own with the same derivative: item assignment to one leaves the other."""
        return array_ops.concatenate([self])

    def __pos__(self) -> AnyNumber:
        return self.copy()

    def _refuse_part(self) -> NoReturn:
        raise KindError(
            "item assignment: this array is a part of another one, into which NumPy would write; that is not recorded. "
            "Assign to the whole with one index (`c[0, 1] = w`), or take a part of its own first (`part.copy()`)."
        )
