"""The checks of `System`: how it was declared, which names it was given, and what stands in for a parameter."""

from __future__ import annotations

import dataclasses
import inspect
import numbers
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from diffsim.errors import ArgumentError, KindError, must, unknown_name
from diffsim.number import Number, raw

__all__: list[str] = []


def checked(who: str, name: str, value: Any, positive: bool = False, non_negative: bool = False) -> Any:
    """Return a parameter as a float (or as the array or other number that it is), or raise.

    Integers and NumPy numbers become floats, lists become arrays (one entry a trajectory); `Value`, `Dual`, `Tracer`,
    `Fraction` and mpmath numbers stay what they are, and it is the plain number underneath that is looked at.
    """
    if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) > 0:
        value = _as_array(who, name, value)
    elif isinstance(value, int | np.number | np.ndarray) and not isinstance(value, bool):
        value = _as_float(who, name, value)
    elif isinstance(value, bool) or not isinstance(value, Number | numbers.Real):
        kind = type(value).__name__
        raise KindError(f"{who}: {name} must be a real number; got {name}={value!r} of type {kind}.")
    plain = raw(value)
    if isinstance(plain, Number):  # a tracer stands for any number
        return value
    if not np.all(np.isfinite(plain) if isinstance(plain, np.ndarray) else plain - plain == 0):
        raise must(who, name, "must be finite", value)
    if positive and not np.all(plain > 0):
        raise must(who, name, "must be > 0", value)
    if non_negative and not np.all(plain >= 0):
        raise must(who, name, "must be >= 0", value)
    return value


def _as_float(who: str, name: str, value: Any) -> float:
    """Convert one integer or NumPy number."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "iuf":
        raise KindError(f"{who}: {name} must be a real number; got {name}={value!r}.")
    try:
        return float(value)
    except OverflowError:
        raise must(who, name, "must be finite as a float", value) from None


def _as_array(who: str, name: str, value: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Convert an array of parameter values, one a trajectory; the copy is read-only, as the System is frozen."""
    array = np.array(value)
    if array.dtype.kind not in "iuf":
        raise KindError(f"{who}: {name} must be a real number or an array of them; got {name}={value!r}.")
    array = array.astype(np.float64)
    array.setflags(write=False)
    return array


def checked_count(who: str, name: str, value: Any, least: int) -> int:
    """Return an option that counts something (sites, links, bodies) as an int, or raise."""
    try:
        count = operator.index(value)
    except TypeError:
        raise KindError(f"{who}: {name} must be an integer; got {name}={value!r}.") from None
    if isinstance(value, bool) or count < least:
        raise must(who, name, f"must be an integer >= {least}", value)
    return count


def check_arguments(cls: type[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Raise for a name that is no field, and for more values than there are parameters."""
    fields = dataclasses.fields(cls)
    in_order = [field.name for field in fields if not field.kw_only]
    known = in_order + [field.name for field in fields if field.kw_only]
    for name in kwargs:
        if name not in known:
            raise unknown_name(cls.__name__, "parameter", name, known)
    if len(args) > len(in_order):
        rule = f"takes at most {len(in_order)} parameters ({', '.join(in_order)})"
        raise ArgumentError(f"{cls.__name__}: {rule}; got {len(args)}: {args!r}.")
    for name in in_order[: len(args)]:
        if name in kwargs:
            raise ArgumentError(f"{cls.__name__}: {name} is given twice, by place and by name.")


def check_declaration(cls: type[Any], named: bool) -> None:
    """Raise for a subclass that forgot its state names (`named` is False, or there are none) or its decorator."""
    if not (named and cls.state_names):
        raise KindError(f'{cls.__name__}: must declare its state, for example state_names = ("x", "v").')
    fields = {field.name for field in dataclasses.fields(cls)}
    own = inspect.get_annotations(cls)
    forgotten = [name for name, kind in own.items() if name not in fields and "ClassVar" not in str(kind)]
    if forgotten:
        raise KindError(
            f"{cls.__name__}: {', '.join(forgotten)} would not become parameters; "
            "decorate the class with @dataclass(frozen=True)."
        )
