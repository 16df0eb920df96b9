"""What may become the data of a `Value`: real floating-point numbers, and what converts to them without a loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim import array_ops
from diffsim.errors import ArgumentError, KindError, shown
from diffsim.number import AnyNumber, Number, leaf_level

__all__ = ["checked", "own", "tidy"]


def tidy(x: AnyNumber) -> AnyNumber:
    """float64 scalars as Python floats, 0-d arrays as scalars."""
    if x.__class__ is np.float64:
        return float(x)
    if isinstance(x, np.ndarray) and not x.shape:
        return tidy(x[()])
    return x


def own(data: AnyNumber) -> AnyNumber:
    """A copy of a plain array: the caller may write into it before the derivative is taken."""
    return data.copy() if isinstance(data, np.ndarray) else data


def checked(data: AnyNumber, what: str = "Value: data") -> AnyNumber:
    """Data for a `Value`: real floating-point numbers, integers converted where that loses nothing.

    `what` is how a message begins.
    """
    if data.__class__ is float:
        return data
    if isinstance(data, Number) and data._level >= leaf_level():
        raise KindError(
            f"{what} must be plain numbers; got {data!r}. Use it as it is, or cut its derivative with v.data."
        )
    if isinstance(data, Number):
        return data
    if isinstance(data, int) and not isinstance(data, bool):
        return _exact(data, what)
    if isinstance(data, list | tuple):
        data = array_ops.array(data)
        if isinstance(data, Number):
            raise KindError(f"{what} must be plain numbers; got a list with Values. Use diffsim.array([...]).")
    if isinstance(data, np.ndarray | np.generic):
        return _checked_array(data, what)
    if hasattr(data, "context") or (hasattr(data, "as_integer_ratio") and not isinstance(data, bool)):
        return data  # multiprecision numbers and fractions do their own arithmetic
    raise KindError(f"{what} must be a real number or an array of them; got {type(data).__name__} {shown(data)}.")


def _exact(data: int, what: str) -> float:
    try:
        converted = float(data)
    except OverflowError:
        converted = 0.0
    if int(converted) != data:
        raise ArgumentError(f"{what}: integer {shown(data)} does not fit float64 exactly. Convert it with float().")
    return converted


def _checked_array(data: Any, what: str) -> AnyNumber:
    kind = data.dtype.kind
    if isinstance(data, np.matrix):
        data = np.asarray(data)  # whose * is a matrix product
    if hasattr(data, "mask"):
        raise KindError(
            f"{what}: a masked array would lose its mask. Fill it, or take the numbers that are not masked."
        )
    if kind in "iu":
        converted = np.asarray(data, dtype=np.float64)
        if not np.array_equal(converted.astype(data.dtype), data):
            raise ArgumentError(f"{what}: integers above 2**53 do not fit float64 exactly. Convert with astype(float).")
        data = converted
    elif kind == "c":
        raise KindError(f"{what} must be real; got complex numbers. Use two Values, real and imaginary part.")
    elif kind == "O":
        data = array_ops.array(data)
        if isinstance(data, Number):
            raise KindError(f"{what} must be plain numbers; got an array with Values. Use diffsim.array(...).")
        for element in data.ravel().tolist():
            checked(element, what)
    elif kind != "f":
        raise KindError(f"{what} must be real numbers; got an array of dtype {data.dtype}.")
    return tidy(data)
