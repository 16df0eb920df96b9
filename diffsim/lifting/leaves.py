"""Slots of single things: numbers and arrays that are lifted, what is compared by value, what stays as it is."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.lifting.slot import Same, Slot, Swap
from diffsim.number import Number, shape_of
from diffsim.numpy_shim import shimmed
from diffsim.traced_array import as_plain, as_traced

__all__ = ["LARGEST", "Array", "Constant", "Fixed", "Opaque", "Scalar", "Table", "is_whole", "kind_of"]

LARGEST = 4096
"""Arrays and lists with more numbers are compared, not lifted."""


@final
class Scalar(Slot):
    """A number that is lifted."""

    __slots__ = ("at", "name", "whole")
    size = 1

    def __init__(self, name: str, whole: bool = False) -> None:
        self.name, self.whole, self.at = name, whole, -1

    def read(self, value: Any, out: list[Any]) -> bool:
        if value.__class__ is float:
            out.append(value)
            return True
        kind = kind_of(value, self.whole)
        if kind != "scalar":
            return False
        out.append(value if isinstance(value, Number) else float(value))
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        number = swap.numbers[self.at]
        return value if self.whole and number.__class__ is float and number == value else number

    def settle(self, names: list[str]) -> Hashable:
        self.at = len(names)
        names.append(self.name)
        return "number"


@final
class Array(Slot):
    """A small array whose numbers are lifted."""

    __slots__ = ("at", "name", "shape", "size", "whole")

    def __init__(self, name: str, shape: tuple[int, ...], whole: bool) -> None:
        self.name, self.shape, self.whole, self.at = name, shape, whole, -1
        self.size = math.prod(shape)

    def read(self, value: Any, out: list[Any]) -> bool:
        if kind_of(value, self.whole) != "array" or shape_of(value) != self.shape:
            return False
        if isinstance(value, Number):
            flat = array_ops.ravel(value)
            out.extend(flat[i] for i in range(self.size))
        else:
            numbers = value.ravel().tolist()
            if value.dtype.kind != "f":
                numbers = [x if isinstance(x, Number) else float(x) for x in numbers]
            out.extend(numbers)
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        key = id(value)
        if key not in swap.twins:
            numbers = list(swap.numbers[self.at : self.at + self.size])
            if swap.traced:
                twin = np.empty(self.size, dtype=object)
                twin[:] = numbers
                made = as_traced(twin.reshape(self.shape))
                swap.watch(lambda: {f"{self.name}[{i}]": x for i, x in enumerate(made.flat)}, room=True)
            elif self.whole and all(x.__class__ is float for x in numbers) and numbers == value.ravel().tolist():
                made = value
            else:
                made = array_ops.reshape(array_ops.array(numbers), self.shape)
            swap.twins[key] = made
        return swap.twins[key]

    def settle(self, names: list[str]) -> Hashable:
        self.at = len(names)
        names.extend(f"{self.name}[{', '.join(map(str, spot))}]" for spot in np.ndindex(self.shape))
        return ("array", self.shape)


def is_whole(value: Any) -> bool:
    """Whether a number is a whole one, an array of whole ones."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "iu"
    return isinstance(value, int | np.integer)


def kind_of(value: Any, whole: bool) -> str:
    """``"scalar"`` or ``"array"`` for what is lifted, ``"large"`` for what would be, "" for everything else."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, float | np.floating) or (whole and isinstance(value, int | np.integer)):
        return "scalar"
    if isinstance(value, Number):
        shape = shape_of(value)
        return "scalar" if not shape else "array" if math.prod(shape) <= LARGEST else ""
    if value.__class__ is not np.ndarray:
        return ""
    if value.dtype.kind == "f" or (whole and value.dtype.kind in "iu"):
        return "scalar" if not value.shape else "array" if value.size <= LARGEST else "large"
    if value.dtype == object and 0 < value.size <= LARGEST:
        real = all(isinstance(x, float | int | Number) and not isinstance(x, bool) for x in value.flat)
        return "array" if real and value.shape else ""
    return ""


@final
class Constant(Slot):
    """Something that is compared by value: whole numbers, truth values, text, shapes."""

    __slots__ = ("kind", "value")

    def __init__(self, value: Any) -> None:
        self.value, self.kind = value, value.__class__

    def read(self, value: Any, out: list[Any]) -> bool:
        return value is self.value or (value.__class__ is self.kind and bool(value == self.value))

    def build(self, value: Any, swap: Swap) -> Any:
        return value

    def settle(self, names: list[str]) -> Hashable:
        value = repr(self.value) if isinstance(self.value, slice | set | float) else self.value
        return (self.kind, value)


@final
class Table(Slot):
    """An array or a long list that is compared as a whole."""

    __slots__ = ("copy",)

    def __init__(self, value: Any) -> None:
        self.copy = value.copy()

    def read(self, value: Any, out: list[Any]) -> bool:
        if value.__class__ is not self.copy.__class__:
            return False
        if isinstance(value, np.ndarray):
            same = value.shape == self.copy.shape and value.dtype == self.copy.dtype
            return bool(same and value.tobytes() == self.copy.tobytes())
        return bool(value == self.copy)

    def build(self, value: Any, swap: Swap) -> Any:
        if not swap.traced:
            return value
        twin = self.copy.copy()
        if isinstance(twin, np.ndarray):
            twin = as_traced(twin)
            before = self.copy.astype(twin.dtype)
            swap.watch(lambda: {"a large array": None if np.array_equal(as_plain(twin), before) else twin})
        return twin

    def settle(self, names: list[str]) -> Hashable:
        if isinstance(self.copy, np.ndarray):
            return ("table", self.copy.shape, self.copy.dtype.str, self.copy.tobytes())
        return ("table", frozenset(self.copy) if isinstance(self.copy, set) else tuple(self.copy))


@final
class Fixed(Slot):
    """Something that is what it is: a library's function, a class, a module, and also a twin of what was met before."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def read(self, value: Any, out: list[Any]) -> bool:
        return value is self.value

    def build(self, value: Any, swap: Swap) -> Any:
        return shimmed(value) if swap.traced else value

    def settle(self, names: list[str]) -> Hashable:
        return Same(self.value)


@final
class Opaque(Slot):
    """Something that cannot be understood; its plan is used once."""

    __slots__ = ()

    def read(self, value: Any, out: list[Any]) -> bool:
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        return value

    def settle(self, names: list[str]) -> Hashable:
        return Same(self)
