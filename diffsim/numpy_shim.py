"""What a function finds under ``np`` and ``math`` while it is traced, whatever names it knows them by.

The stand-in for NumPy hands out its functions wrapped: what is given traced numbers (in lists too, where NumPy's own
protocols do not look) goes to `diffsim.traced_array`; arrays of doubles that the function makes for itself
(``np.zeros(n)``, ``np.array([...])``) become object arrays, into which traced numbers can be assigned.  The stand-in
for `math` names the function of NumPy's to use instead.
"""

from __future__ import annotations

import builtins
import cmath
import functools
import math
import types
from collections.abc import Callable
from typing import Any, final

import numpy as np

from diffsim import ops
from diffsim.errors import TraceError
from diffsim.number import Number
from diffsim.traced_array import answer_function, answer_ufunc, as_plain, as_traced, holds_number
from diffsim.tracer import Tracer

__all__ = ["shimmed", "traced_builtins"]


@final
class _Module(types.ModuleType):
    """A module whose members are handed out through `shimmed`."""

    def __init__(self, real: types.ModuleType) -> None:
        super().__init__(real.__name__, real.__doc__)
        self.__dict__["_real"] = real

    def __getattr__(self, name: str) -> Any:
        return shimmed(getattr(self.__dict__["_real"], name))


@final
class _Function:
    """A function of NumPy's, for traced numbers too."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self._real = real
        self.__name__ = getattr(real, "__name__", "function")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        maker = _makers().get(self._real)
        if maker is not None:
            return maker(*args, **kwargs)
        if isinstance(self._real, np.ufunc):
            return answer_ufunc(self._real, "__call__", args, kwargs)
        return answer_function(self._real, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return _method(self._real, name) if name in _METHODS and isinstance(self._real, np.ufunc) else found


_METHODS = {"reduce": ("axis", "dtype", "out", "keepdims", "initial"), "accumulate": ("axis", "dtype", "out")}


def _method(ufunc: np.ufunc, method: str) -> Callable[..., Any]:
    """``np.add.reduce`` and its kin, of lists too."""

    def function(x: Any, *args: Any, **kwargs: Any) -> Any:
        return answer_ufunc(ufunc, method, (x,), {**dict(zip(_METHODS[method], args, strict=False)), **kwargs})

    return function


@final
class _MathFunction:
    """A function of `math`: right for plain numbers, refused for traced ones."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self._real, self.__name__ = real, real.__name__

    def __call__(self, *args: Any) -> Any:
        if holds_number(args):
            name = self.__name__
            other = _NUMPY_NAMES.get(name, name)
            mend = f"Use numpy.{other} instead." if hasattr(np, other) else "Use numpy's or diffsim's functions."
            message = f"trace: {self._real.__module__}.{name} takes plain numbers, not traced ones. {mend}"
            given = [x for x in args if isinstance(x, Tracer)]
            raise given[0].refusal(message) if given else TraceError(message)
        return self._real(*args)


_NUMPY_NAMES = {"fabs": "abs", "fsum": "sum", "pow": "power", "dist": "linalg.norm", "ldexp": "exp2"} | {
    f"a{name}": f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "tan2")
}


def shimmed(x: Any) -> Any:
    """What stands in for an object while a function is traced: the object itself, unless it is NumPy's or math's.

    >>> shimmed(np.pi), shimmed(np).zeros(1)
    (3.141592653589793, TracedArray([0.0], dtype=object))
    """
    if isinstance(x, types.ModuleType):
        plain = x is math or x is cmath or x.__name__.partition(".")[0] == "numpy"
        return _module(x) if plain and not x.__name__.startswith("numpy.random") else x
    if isinstance(x, np.ufunc):
        return _function(x)
    if isinstance(x, type) or not callable(x):
        return x
    home = getattr(x, "__module__", None)
    if isinstance(home, str) and getattr(x, "__self__", None).__class__ in (type(None), types.ModuleType):
        if home.partition(".")[0] == "numpy" and not home.startswith("numpy.random"):
            return _function(x)
        if home in ("math", "cmath"):
            return _MathFunction(x)
    return x


@functools.lru_cache(maxsize=64)
def _module(real: types.ModuleType) -> _Module:
    return _Module(real)


@functools.lru_cache(maxsize=1024)
def _function(real: Callable[..., Any]) -> _Function:
    return _Function(real)


# --- functions that make arrays --------------------------------------------------------------------------------------


def _made(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose array of doubles becomes one that can hold traced numbers."""

    def maker(*args: Any, **kwargs: Any) -> Any:
        for size in (*args[:1], kwargs.get("shape")):
            for n in size if isinstance(size, list | tuple) else (size,):
                if isinstance(n, Number):
                    n.__index__()  # type: ignore[attr-defined]  # raises; every kind of number has it
        return as_traced(function(*args, **kwargs))

    return maker


def _full(shape: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> Any:
    if not holds_number(fill_value):
        return as_traced(np.full(shape, as_plain(fill_value), dtype, **kwargs))
    out = np.empty(shape, dtype=object)
    out[...] = as_plain(fill_value)
    return as_traced(out)


def _array(x: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """``np.array`` and its kin: of nested lists that may hold traced numbers, too."""
    if not holds_number(x):
        x = as_plain(x) if not isinstance(x, list | tuple) else _plain_lists(x)
        if isinstance(x, np.ndarray) and x.dtype == object and dtype is None:
            dtype = np.float64
        return as_traced(np.array(x, dtype, **kwargs))
    if dtype is not None and dtype is not object and np.dtype(dtype) != np.float64:
        raise TraceError(f"trace: traced numbers are doubles; got dtype {np.dtype(dtype).name}. Leave the type out.")
    out = np.array(_plain_lists(x), dtype=object)
    if any(isinstance(item, list | tuple | np.ndarray) for item in out.flat):
        raise ValueError("setting an array element with a sequence: the lists have different lengths.")
    ndmin = kwargs.get("ndmin", 0)
    if out.ndim < ndmin:
        out = out.reshape((1,) * (ndmin - out.ndim) + out.shape)
    return as_traced(out)


def _plain_lists(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return [_plain_lists(item) for item in x]
    return as_plain(x)


def _as_array(x: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """``np.asarray``: the array itself where it is one already."""
    if isinstance(x, np.ndarray) and holds_number(x) and (dtype is None or np.dtype(dtype) in (object, np.float64)):
        return as_traced(x)
    return _array(x, dtype, **{key: value for key, value in kwargs.items() if key == "order"})


def _from_iterator(values: Any, dtype: Any = None, count: int = -1, **kwargs: Any) -> Any:
    items = list(values)
    return _array(items if count < 0 else items[:count], dtype, **kwargs)


def _linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, **kwargs: Any) -> Any:
    if not holds_number((start, stop)):
        return _made(np.linspace)(start, stop, num, endpoint, **kwargs)
    if kwargs:
        raise TraceError(f"trace: numpy.linspace takes no {sorted(kwargs)} when its ends are traced.")
    weights = np.linspace(0.0, 1.0, num, endpoint)
    return as_traced(np.asarray(start + (stop - start) * as_traced(weights), dtype=object))


def _atleast(function: Callable[..., Any], ndmin: int) -> Callable[..., Any]:
    def maker(*arrays: Any) -> Any:
        found = [as_traced(function(as_plain(_as_array(x)))) for x in arrays]
        return found[0] if len(found) == 1 else tuple(found)

    return maker


def _diag(v: Any, k: int = 0) -> Any:
    return as_traced(np.diag(as_plain(_as_array(v)), k) + 0.0) if not holds_number(v) else _diag_of(v, k)


def _diag_of(v: Any, k: int) -> Any:
    out = np.diag(as_plain(_as_array(v)), k).copy()
    if np.ndim(v) == 1:
        out[out == 0] = 0.0  # NumPy fills object arrays with whole zeros
    return as_traced(out)


@functools.cache
def _makers() -> dict[Any, Callable[..., Any]]:
    makers = {f: _made(f) for f in (np.zeros, np.ones, np.empty, np.eye, np.identity, np.tri)}
    return {
        **makers,
        np.full: _full,
        np.array: _array,
        np.asarray: _as_array,
        np.asanyarray: _as_array,
        np.ascontiguousarray: _as_array,
        np.asfortranarray: _as_array,
        np.linspace: _linspace,
        np.fromiter: _from_iterator,
        np.atleast_1d: _atleast(np.atleast_1d, 1),
        np.atleast_2d: _atleast(np.atleast_2d, 2),
    }


# --- builtins --------------------------------------------------------------------------------------------------------


def _import(name: str, *args: Any, **kwargs: Any) -> Any:
    """``import`` inside a function under trace."""
    from diffsim.lifting.kinds import is_trusted  # which needs this module

    found = builtins.__import__(name, *args, **kwargs)
    if not is_trusted(found, ""):
        raise TraceError(f"trace: {name} is imported inside, so its numbers cannot be followed. Import it at the top.")
    return shimmed(found)


def _extreme(name: str, real: Callable[..., Any], better: Callable[..., Any]) -> Callable[..., Any]:
    """``max`` or ``min``: the first of the best, as Python has it, chosen by `where`."""

    def function(*args: Any, **kwargs: Any) -> Any:
        items = list(args[0]) if len(args) == 1 else list(args)
        if kwargs or not holds_number(items) or any(np.ndim(as_plain(item)) for item in items):
            return real(*args, **kwargs)
        best = items[0]
        for item in items[1:]:
            best = ops.where(better(item, best), item, best)
        return best

    function.__name__ = name
    return function


def _is_instance(x: Any, classes: Any) -> bool:
    """``isinstance``: a traced number is the float that it stands for."""
    if not isinstance(x, Tracer):
        return isinstance(x, classes)
    x.refuse_whole("isinstance()")
    python, numpy = isinstance(0.0, classes), isinstance(np.float64(0.0), classes)
    if python is not numpy:
        raise TraceError("trace: isinstance() tells NumPy's floats from Python's, and a traced number stands for both.")
    return python


def _refused(name: str) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise TraceError(f"trace: {name}() acts at each call, which compiled code does not. Take it out.")

    function.__name__ = name
    return function


@functools.cache
def traced_builtins() -> dict[str, Any]:
    """The builtins of a function under trace: ``import numpy`` inside it, ``max``, ``min``, and no output."""
    return {
        **vars(builtins),
        "__import__": _import,
        "isinstance": _is_instance,
        "max": _extreme("max", max, ops.greater),
        "min": _extreme("min", min, ops.less),
        **{name: _refused(name) for name in ("print", "input", "open")},
    }
