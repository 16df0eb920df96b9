"""What a function can see: a plan that reads the numbers it brings along and rebuilds it around other ones.

`survey` walks once from a function through its arguments, closure, defaults, the globals that its code loads, attributes of
objects, and the functions that it calls.  The answer is a tree of `Slot`s.  Each knows how to **read** its part again
(append the lifted numbers; say whether everything else is still as it was) and how to **build** a twin of its part in
which the numbers are replaced.  Reading is what happens at every solve, so it does no more than compare.

What is lifted: floats, NumPy's floats, small float arrays, recording numbers.  What is compared: whole numbers,
truth values, text, shapes, code, classes, large arrays.  What is kept as it is: NumPy, SciPy, the standard library and
diffsim itself.  What cannot be understood (an open file, a random generator) makes the plan unfit for reuse.

The file is longer than its neighbours: the slots share one contract and are best read together.
"""

from __future__ import annotations

import abc
import datetime
import decimal
import dis
import enum
import fractions
import functools
import math
import operator
import pathlib
import re
import sys
import threading
import types
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.errors import TraceError
from diffsim.number import Number, shape_of
from diffsim.numpy_shim import shimmed, traced_builtins
from diffsim.protocols import is_system, parameter_names
from diffsim.traced_array import as_traced

__all__ = ["LARGEST", "Plan", "Swap", "survey"]

LARGEST = 4096  # arrays and lists with more numbers are compared, not lifted

_OURS = {"diffsim", "integrators", "systems", "studies"}
_TRUSTED = (
    _OURS | {"numpy", "scipy", "mpmath", "matplotlib", "tqdm", "llvmlite", "numba"} | set(sys.stdlib_module_names)
)
_CONSTANT = (int, bool, str, bytes, complex, type(None), type(Ellipsis), slice, range, np.integer, np.bool_, np.dtype)
_UNCHANGING = (
    (types.MethodDescriptorType, types.WrapperDescriptorType, np.ufunc, re.Pattern, enum.Enum)
    + (fractions.Fraction, decimal.Decimal, pathlib.PurePath, datetime.date, datetime.timedelta, np.complexfloating)
    + (operator.itemgetter, operator.attrgetter, operator.methodcaller, types.MethodWrapperType, types.GenericAlias)
)
_SILENT = frozenset(  # methods that no right-hand side runs on an object that is there already
    {"__init__", "__new__", "__post_init__", "__repr__", "__str__", "__eq__", "__hash__", "__init_subclass__"}
    | {"__setattr__", "__delattr__", "__class_getitem__", "__reduce__", "__getstate__", "__setstate__", "__del__"}
)


def is_trusted(x: Any, home: str) -> bool:
    """Whether a function, class or module belongs to a library whose numbers never change; `home` never does."""
    name = x.__name__ if isinstance(x, types.ModuleType) else getattr(x, "__module__", None)
    if not isinstance(name, str):
        return False
    top = name.partition(".")[0]
    return (top in _OURS and isinstance(x, type)) or (name != home and top in _TRUSTED)


# --- what a plan consists of -----------------------------------------------------------------------------------------


@final
class Same:
    """An object as part of a key: equal to itself only; kept alive, so that no other takes its place."""

    __slots__ = ("it",)

    def __init__(self, it: Any) -> None:
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.it is self.it

    def __hash__(self) -> int:
        return id(self.it)


@final
class Swap:
    """One rebuilding: the new numbers, the twins made so far, and what must be unchanged afterwards."""

    def __init__(self, numbers: Sequence[Any], traced: bool) -> None:
        self.numbers, self.traced = numbers, traced
        self.twins: dict[int, Any] = {}
        self._kept: list[tuple[str, Callable[[], Any], Any]] = []

    def watch(self, name: str, look: Callable[[], Any]) -> None:
        """Remember what an object outside the function holds."""
        self._kept.append((name, look, look()))

    def changed(self) -> str | None:
        """The name of something outside the function that it has changed."""
        for name, look, before in self._kept:
            after = look()
            if len(after) != len(before) or any(a is not b for a, b in zip(after, before, strict=True)):
                return name
        return None


class Slot(abc.ABC):
    """One thing that a function can see."""

    __slots__ = ()

    @abc.abstractmethod
    def read(self, value: Any, out: list[Any]) -> bool:
        """Append the lifted numbers of `value`; False where it is not what the plan was made for."""

    @abc.abstractmethod
    def build(self, value: Any, swap: Swap) -> Any:
        """`value` with other numbers in it."""

    @abc.abstractmethod
    def settle(self, names: list[str]) -> Hashable:
        """Append the names of the lifted numbers, in the order of `read`; return the part of the key."""


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
        kind = _kind(value, self.whole)
        if kind != "scalar":
            return False
        out.append(value if isinstance(value, Number) else float(value))
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        return swap.numbers[self.at]

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
        if _kind(value, self.whole) != "array" or shape_of(value) != self.shape:
            return False
        if isinstance(value, Number):
            flat = array_ops.ravel(value)
            out.extend(flat[i] for i in range(self.size))
        else:
            numbers = value.ravel().tolist()
            out.extend(numbers if value.dtype.kind != "i" else map(float, numbers))
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        key = id(value)
        if key not in swap.twins:
            numbers = list(swap.numbers[self.at : self.at + self.size])
            if swap.traced:
                twin = np.empty(self.size, dtype=object)
                twin[:] = numbers
                made = as_traced(twin.reshape(self.shape))
                swap.watch(self.name, lambda: list(made.flat))
            else:
                made = array_ops.reshape(array_ops.array(numbers), self.shape)
            swap.twins[key] = made
        return swap.twins[key]

    def settle(self, names: list[str]) -> Hashable:
        self.at = len(names)
        names.extend(f"{self.name}[{', '.join(map(str, spot))}]" for spot in np.ndindex(self.shape))
        return ("array", self.shape)


def _is_whole(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "iu"
    return isinstance(value, int | np.integer)


def _kind(value: Any, whole: bool) -> str:
    """``"scalar"`` or ``"array"`` for what is lifted, ``"large"`` for what would be, "" for everything else."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, float | np.floating) or (whole and isinstance(value, int | np.integer)):
        return "scalar"
    if isinstance(value, Number):
        shape = shape_of(value)
        return "scalar" if not shape else "array" if math.prod(shape) <= LARGEST else ""
    if isinstance(value, np.ndarray) and (value.dtype.kind == "f" or (whole and value.dtype.kind in "iu")):
        return "scalar" if not value.shape else "array" if value.size <= LARGEST else "large"
    if isinstance(value, np.ndarray) and value.dtype == object and value.size <= LARGEST:
        if value.size and all(isinstance(x, float | int | Number) and not isinstance(x, bool) for x in value.flat):
            return "array" if value.shape else "scalar"
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
            return same and value.tobytes() == self.copy.tobytes()
        return bool(value == self.copy)

    def build(self, value: Any, swap: Swap) -> Any:
        return as_traced(self.copy.copy()) if swap.traced else value

    def settle(self, names: list[str]) -> Hashable:
        if isinstance(self.copy, np.ndarray):
            return ("table", self.copy.shape, self.copy.dtype.str, self.copy.tobytes())
        return ("table", tuple(self.copy))


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
class Again(Slot):
    """An object that another slot has in its care: reached a second time, or from within itself."""

    __slots__ = ("place", "slot")

    def __init__(self, slot: Slot, place: list[Any]) -> None:
        self.slot, self.place = slot, place

    def read(self, value: Any, out: list[Any]) -> bool:
        return value is self.place[0]

    def build(self, value: Any, swap: Swap) -> Any:
        return self.slot.build(value, swap)

    def settle(self, names: list[str]) -> Hashable:
        return "again"


@final
class Shared(Slot):
    """An object that may be reached again: says where it was at this reading."""

    __slots__ = ("again", "place", "slot")

    def __init__(self, place: list[Any]) -> None:
        self.place, self.again = place, False
        self.slot: Slot

    def read(self, value: Any, out: list[Any]) -> bool:
        self.place[0] = value
        return self.slot.read(value, out)

    def build(self, value: Any, swap: Swap) -> Any:
        return self.slot.build(value, swap)

    def settle(self, names: list[str]) -> Hashable:
        return self.slot.settle(names)


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


# --- what holds other things -----------------------------------------------------------------------------------------

_ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "<absent>"})()  # of an empty cell, of a name not bound


def bare(slot: Slot) -> Slot:
    """The slot itself where nothing else reaches its object."""
    return slot.slot if isinstance(slot, Shared) and not slot.again else slot


@final
class Group(Slot):
    """A list, tuple or dict; also the attributes of an object and the entries of a class or module."""

    __slots__ = ("children", "keys", "kind", "name")

    def __init__(self, kind: type, name: str, keys: Sequence[Any], children: list[Slot]) -> None:
        self.kind, self.name, self.keys, self.children = kind, name, tuple(keys), children

    def read(self, value: Any, out: list[Any]) -> bool:
        if value.__class__ is not self.kind or len(value) != len(self.children):
            return False
        if isinstance(value, dict):
            return tuple(value) == self.keys and self.read_items(value.values(), out)
        return self.read_items(value, out)

    def read_items(self, values: Any, out: list[Any]) -> bool:
        for child, item in zip(self.children, values, strict=True):  # noqa: SIM110  # PERF: all() costs a frame
            if not child.read(item, out):
                return False
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) in swap.twins:
            return swap.twins[id(value)]
        if isinstance(value, tuple):
            items = [child.build(item, swap) for child, item in zip(self.children, value, strict=True)]
            made = self.kind(*items) if hasattr(self.kind, "_fields") else self.kind(items)
            return swap.twins.setdefault(id(value), made)
        twin = swap.twins[id(value)] = value.copy()
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for child, (key, item) in zip(self.children, list(pairs), strict=True):
            twin[key] = child.build(item, swap)
        swap.watch(self.name, lambda: [*twin, *twin.values()] if isinstance(twin, dict) else list(twin))
        return twin

    def settle(self, names: list[str]) -> Hashable:
        self.children = [bare(child) for child in self.children]
        return (self.kind, self.keys, tuple(child.settle(names) for child in self.children))


@final
class Cell(Slot):
    """A variable of an enclosing function."""

    __slots__ = ("child", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.child: Slot

    def read(self, value: Any, out: list[Any]) -> bool:
        return self.child.read(contents(value), out)

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) not in swap.twins:
            twin = swap.twins[id(value)] = types.CellType()
            inside = self.child.build(contents(value), swap)
            if inside is not _ABSENT:
                twin.cell_contents = inside
            swap.watch(self.name, lambda: [contents(twin)])
        return swap.twins[id(value)]

    def settle(self, names: list[str]) -> Hashable:
        self.child = bare(self.child)
        return self.child.settle(names)


def contents(cell: types.CellType) -> Any:
    """What a cell holds; a mark where it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return _ABSENT


@final
class Scope(Slot):
    """The globals of a module, as far as code that was met loads them."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[str, Slot] = {}

    def read(self, value: Any, out: list[Any]) -> bool:
        for name, slot in self.entries.items():  # noqa: SIM110  # PERF: all() costs a frame
            if not slot.read(value.get(name, _ABSENT), out):
                return False
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) in swap.twins:
            return swap.twins[id(value)]
        twin = swap.twins[id(value)] = {name: value[name] for name in _MODULE_NAMES if name in value}
        if swap.traced:
            twin["__builtins__"] = traced_builtins()
        for name, slot in self.entries.items():
            made = slot.build(value.get(name, _ABSENT), swap)
            if made is not _ABSENT:
                twin[name] = made
        swap.watch("a global", lambda: [*twin, *twin.values()])
        return twin

    def settle(self, names: list[str]) -> Hashable:
        self.entries = {name: bare(slot) for name, slot in self.entries.items()}
        return tuple((name, slot.settle(names)) for name, slot in self.entries.items())


_MODULE_NAMES = ("__name__", "__package__", "__spec__", "__file__", "__loader__", "__builtins__")


@final
class Function(Slot):
    """A function of Python, rebuilt around other globals, cells and defaults."""

    __slots__ = ("attributes", "cells", "code", "defaults", "keywords", "scope")

    def __init__(self, code: types.CodeType) -> None:
        self.code = code
        self.scope: Slot
        self.cells: Group
        self.defaults: Slot
        self.keywords: Slot
        self.attributes: Slot

    def read(self, value: Any, out: list[Any]) -> bool:
        if value.__class__ is not types.FunctionType:
            return False
        code = value.__code__
        if code is not self.code and code != self.code:
            return False
        return (
            self.scope.read(value.__globals__, out)
            and (not self.cells.children or self.cells.read(value.__closure__, out))
            and self.defaults.read(value.__defaults__, out)
            and self.keywords.read(value.__kwdefaults__, out)
            and self.attributes.read(value.__dict__, out)
        )

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) in swap.twins:
            return swap.twins[id(value)]
        scope = self.scope.build(value.__globals__, swap)
        if id(value) in swap.twins:  # one of its globals reaches it
            return swap.twins[id(value)]
        empty = tuple(types.CellType() for _ in value.__closure__ or ())
        first = types.FunctionType(self.code, scope, value.__name__, None, empty)
        swap.twins[id(value)] = first
        cells = self.cells.build(value.__closure__ or (), swap)
        twin = first
        if cells:
            twin = types.FunctionType(self.code, scope, value.__name__, None, cells)
            swap.twins[id(value)] = twin
        twin.__defaults__ = self.defaults.build(value.__defaults__, swap)
        twin.__kwdefaults__ = self.keywords.build(value.__kwdefaults__, swap)
        twin.__dict__.update(self.attributes.build(value.__dict__, swap))
        twin.__qualname__ = value.__qualname__
        return twin

    def settle(self, names: list[str]) -> Hashable:
        parts = []
        for part in ("scope", "cells", "defaults", "keywords", "attributes"):
            slot = bare(getattr(self, part))
            setattr(self, part, slot)
            parts.append(slot.settle(names))
        return (self.code, *parts)


@final
class Parts(Slot):
    """An object that is made of others: a bound method, a partial function, a property, a static method."""

    __slots__ = ("apart", "children", "kind", "together")

    def __init__(self, kind: type, apart: Callable[[Any], Any], together: Callable[..., Any]) -> None:
        self.kind, self.apart, self.together = kind, apart, together
        self.children: list[Slot] = []

    def read(self, value: Any, out: list[Any]) -> bool:
        if value.__class__ is not self.kind:
            return False
        for child, part in zip(self.children, self.apart(value), strict=True):  # noqa: SIM110  # PERF: as above
            if not child.read(part, out):
                return False
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) not in swap.twins:
            parts = zip(self.children, self.apart(value), strict=True)
            swap.twins[id(value)] = self.together(*[child.build(part, swap) for child, part in parts])
        return swap.twins[id(value)]

    def settle(self, names: list[str]) -> Hashable:
        self.children = [bare(child) for child in self.children]
        return (self.kind, *(child.settle(names) for child in self.children))


@final
class Class(Slot):
    """A class of the user's: what its code uses of it is rebuilt in a subclass that stands in for it."""

    __slots__ = ("entries", "it")

    def __init__(self, it: type) -> None:
        self.it = it
        self.entries: dict[tuple[type, str], Slot] = {}

    def read(self, value: Any, out: list[Any]) -> bool:
        if value is not self.it:
            return False
        for (owner, name), slot in self.entries.items():  # noqa: SIM110  # PERF: as above
            if not slot.read(owner.__dict__.get(name, _ABSENT), out):
                return False
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) not in swap.twins:
            self._build_all(swap)
        return swap.twins[id(value)]

    def _build_all(self, swap: Swap) -> None:
        """Twins of the class and of its bases: each comes right before its original in the order of look-up, so that
        `super()` in the original's order finds the twin of the next one."""
        owners = {owner for owner, _ in self.entries}
        for cls in reversed(self.it.__mro__):
            if id(cls) in swap.twins or not (cls is self.it or cls in owners):
                continue
            quiet = type("Quiet", (), {"__init_subclass__": classmethod(lambda cls, **kwargs: None), "__slots__": ()})
            bases = [swap.twins[id(b)] for b in cls.__mro__[1:] if id(b) in swap.twins]
            twin = type(cls)(cls.__name__, (quiet, cls, *dict.fromkeys(bases)), {"__module__": cls.__module__})
            twin.__qualname__ = cls.__qualname__
            swap.twins[id(cls)] = twin
        for (owner, name), slot in self.entries.items():
            original = owner.__dict__[name]
            made = slot.build(original, swap)
            if made is not original:
                type.__setattr__(swap.twins[id(owner)], name, made)
                if isinstance(made, functools.cached_property):
                    made.__set_name__(swap.twins[id(owner)], name)

    def settle(self, names: list[str]) -> Hashable:
        self.entries = {key: bare(slot) for key, slot in self.entries.items()}
        return (Same(self.it), *((name, slot.settle(names)) for (_, name), slot in self.entries.items()))


@final
class Instance(Slot):
    """An object of Python: its attributes are replaced, its class by the class's twin."""

    __slots__ = ("attributes", "class_slot", "it", "members", "name")

    def __init__(self, it: type, name: str, members: tuple[str, ...]) -> None:
        self.it, self.name, self.members = it, name, members
        self.class_slot: Slot
        self.attributes: list[tuple[str, Slot]] = []

    def read(self, value: Any, out: list[Any]) -> bool:
        if value.__class__ is not self.it or not self.class_slot.read(self.it, out):
            return False
        if not self.members:
            values = value.__dict__
            if len(values) != len(self.attributes):
                return False
        else:
            values = attributes(value, self.members)
        for name, slot in self.attributes:  # noqa: SIM110  # PERF: as above
            if not slot.read(values.get(name, _ABSENT), out):
                return False
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) in swap.twins:
            return swap.twins[id(value)]
        cls = self.class_slot.build(self.it, swap)
        if cls is types.SimpleNamespace:
            twin = swap.twins[id(value)] = types.SimpleNamespace()
        else:
            twin = swap.twins[id(value)] = object.__new__(cls)
        values = attributes(value, self.members)
        for name, slot in self.attributes:
            made = slot.build(values.get(name, _ABSENT), swap)
            if made is not _ABSENT and name in self.members:
                object.__setattr__(twin, name, made)
            elif made is not _ABSENT:
                twin.__dict__[name] = made
        kept = {name for owner in self.it.__mro__ for name, x in vars(owner).items() if _is_kept(x)}
        swap.watch(
            self.name,
            lambda: [
                part
                for name, x in attributes(twin, self.members).items()
                if name not in kept
                for part in (sys.intern(name), x)
            ],
        )
        return twin

    def settle(self, names: list[str]) -> Hashable:
        self.attributes = [(name, bare(slot)) for name, slot in self.attributes]
        self.class_slot = bare(self.class_slot)
        key = self.class_slot.settle(names)
        return (Same(self.it), key, *((name, slot.settle(names)) for name, slot in self.attributes))


def _is_kept(x: Any) -> bool:
    return isinstance(x, functools.cached_property)  # what it writes into the object is the same each time


def attributes(value: Any, members: tuple[str, ...]) -> dict[str, Any]:
    """Attributes that an object carries itself, in its dictionary and in its slots."""
    found = dict(getattr(value, "__dict__", {}))
    for name in members:
        found[name] = getattr(value, name, _ABSENT)
    return found


@final
class Module(Slot):
    """A module of the user's: what is used of it is replaced in a stand-in."""

    __slots__ = ("entries", "it")

    def __init__(self, it: types.ModuleType) -> None:
        self.it = it
        self.entries: dict[str, Slot] = {}

    def read(self, value: Any, out: list[Any]) -> bool:
        if value is not self.it:
            return False
        members = value.__dict__
        for name, slot in self.entries.items():  # noqa: SIM110  # PERF: as above
            if not slot.read(members.get(name, _ABSENT), out):
                return False
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) not in swap.twins:
            twin = swap.twins[id(value)] = _ModuleTwin(value.__name__)
            twin.__dict__["_real"] = value
            for name, slot in self.entries.items():
                made = slot.build(value.__dict__.get(name, _ABSENT), swap)
                if made is not _ABSENT:
                    twin.__dict__[name] = made
            swap.watch(value.__name__, lambda: [*twin.__dict__, *twin.__dict__.values()])
        return swap.twins[id(value)]

    def settle(self, names: list[str]) -> Hashable:
        self.entries = {name: bare(slot) for name, slot in self.entries.items()}
        return (Same(self.it), *((name, slot.settle(names)) for name, slot in self.entries.items()))


class _ModuleTwin(types.ModuleType):
    """A module under trace; a member that nobody saw coming is refused, since it may hold numbers."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__dict__["_real"], name)
        if isinstance(found, _CONSTANT) or is_trusted(found, ""):
            return shimmed(found)
        raise TraceError(f"trace: {self.__name__}.{name} is looked up by text, so its numbers cannot be followed.")


# --- the survey ------------------------------------------------------------------------------------------------------


@final
class Plan:
    """How to read what one function brings along, and how to rebuild it.

    Attributes
    ----------
    names : tuple of str
        Names of the lifted numbers, in the order in which they are read.
    key : Hashable or None
        Equal for functions of equal code and structure; None where something was met that cannot be understood.
    wholes : mapping of str to str
        Names of the lifted numbers that may be whole numbers, and the name of the array that each belongs to.
    """

    def __init__(self, fun: Slot, args: Slot, understood: bool, wholes: Sequence[Scalar | Array]) -> None:
        found: list[str] = []
        self._fun, self._args, self._lock = bare(fun), bare(args), threading.Lock()
        signature = (self._fun.settle(found), self._args.settle(found))
        self.names = _distinct(found)
        self.key = Key(signature) if understood else None
        self.wholes = {self.names[i]: slot.name for slot in wholes for i in range(slot.at, slot.at + slot.size)}

    def read(self, fun: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The numbers as they are now; None where the plan does not fit any more."""
        out: list[Any] = []
        with self._lock:  # of what is reached twice, the slots remember where they were
            fits = self._fun.read(fun, out) and self._args.read(args, out)
        return tuple(out) if fits else None

    def build(self, fun: Any, args: tuple[Any, ...], swap: Swap) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The function and its arguments around other numbers."""
        return self._fun.build(fun, swap), self._args.build(args, swap)


@final
class Key:
    """A signature whose hash is computed once."""

    __slots__ = ("_hash", "_signature")

    def __init__(self, signature: Hashable) -> None:
        self._signature, self._hash = signature, hash(signature)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Key) and self._signature == other._signature)

    def __repr__(self) -> str:
        return f"<key {self._hash & 0xFFFFFFFF:08x}>"


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names of which none occurs twice."""
    taken: dict[str, int] = {}
    out = []
    for name in names:
        taken[name] = taken.get(name, 0) + 1
        out.append(name if taken[name] == 1 else f"{name} #{taken[name]}")
    return tuple(out)


def survey(fun: Any, args: tuple[Any, ...], keyed: frozenset[str] = frozenset()) -> Plan:
    """Walk through what a function can see.

    Parameters
    ----------
    fun : callable
    args : tuple
        Further arguments; whole numbers among them are lifted too.
    keyed : frozenset of str
        Names of whole numbers that are compared nevertheless, since a trace needed their values.
    """
    walk = _Walk(getattr(getattr(fun, "__func__", fun), "__module__", None) or "", keyed)
    root = walk.visit(fun, "self")
    arguments = walk.visit_args(args)
    walk.finish()
    return Plan(root, arguments, walk.understood, walk.wholes)


@functools.lru_cache(maxsize=1024)
def _loaded(code: types.CodeType) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names that code and the code inside it load as globals, and all the names of attributes."""
    loaded = dict.fromkeys(
        str(op.argval) for op in dis.get_instructions(code) if op.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    )
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            more, used = _loaded(constant)
            loaded.update(dict.fromkeys(more))
            names |= used
    return tuple(loaded), frozenset(names)


@final
class _Walk:
    """One survey: what was met so far, and what is still to be looked at."""

    def __init__(self, home: str, keyed: frozenset[str]) -> None:
        self.home, self.keyed = home, keyed
        self.understood = True
        self.wholes: list[Scalar | Array] = []
        self._met: dict[int, tuple[Any, Shared]] = {}
        self._scopes: dict[int, Any] = {}
        self._classes: list[Class] = []
        self._modules: list[Module] = []
        self._used: set[str] = set()
        self._built: set[type] = set()  # classes that code can make instances of

    # -- dispatch --

    def visit(self, value: Any, name: str, whole: bool = False) -> Slot:
        """The slot for a value; `whole` says whether whole numbers in it are lifted."""
        kind = _kind(value, whole and name not in self.keyed)
        if kind == "scalar":
            return self._lifted(Scalar(name, _is_whole(value)))
        if kind == "array":
            return self._shared(value, lambda: self._lifted(Array(name, shape_of(value), _is_whole(value))))
        if kind == "large" or (isinstance(value, np.ndarray) and value.dtype.kind in "iubcSU"):
            return Table(value)
        if isinstance(value, _UNCHANGING) or value is _ABSENT:
            return Fixed(value)
        if isinstance(value, _CONSTANT):
            return Constant(value)
        return self._visit_object(value, name, whole)

    def _lifted(self, slot: Scalar | Array) -> Slot:
        if slot.whole:
            self.wholes.append(slot)
        return slot

    def _shared(self, value: Any, make: Callable[[], Slot]) -> Slot:
        """The slot for an object that may be reached several times, or from within itself."""
        if id(value) in self._met:
            shared = self._met[id(value)][1]
            shared.again = True
            return Again(shared, shared.place)
        shared = Shared([None])
        self._met[id(value)] = (value, shared)
        shared.slot = make()
        return shared

    def _visit_object(self, value: Any, name: str, whole: bool) -> Slot:
        if isinstance(value, types.ModuleType):
            return Fixed(value) if is_trusted(value, self.home) else self._shared(value, lambda: self._module(value))
        if isinstance(value, type):
            return self._visit_class(value)
        if isinstance(value, types.FunctionType):
            if is_trusted(value, self.home):
                return Fixed(value)
            return self._shared(value, lambda: self._function(value))
        if value.__class__ in (list, tuple, dict) or (isinstance(value, tuple) and hasattr(value, "_fields")):
            return self._shared(value, lambda: self._group(value, name, whole))
        if value.__class__ in (set, frozenset):
            return Table(value) if value.__class__ is set else Constant(value)
        made_of = _made_of(value)
        if made_of is not None:
            return self._shared(value, lambda: self._parts(value, name, *made_of))
        if isinstance(value, types.BuiltinMethodType) or (callable(value) and not _is_python(type(value))):
            return self._callable_of_c(value)
        return self._shared(value, lambda: self._instance(value, name))

    def _callable_of_c(self, value: Any) -> Slot:
        bound = getattr(value, "__self__", None)
        plain = bound is None or isinstance(bound, types.ModuleType | type)
        return Fixed(value) if plain and is_trusted(value, "") else self._opaque()

    def _opaque(self) -> Slot:
        self.understood = False
        return Opaque()

    # -- containers --

    def visit_args(self, args: tuple[Any, ...]) -> Slot:
        return Group(tuple, "args", (), [self.visit(arg, f"args[{i}]", whole=True) for i, arg in enumerate(args)])

    def _group(self, value: Any, name: str, whole: bool) -> Slot:
        if len(value) > LARGEST:
            if value.__class__ is list and all(isinstance(x, float | int | str) for x in value):
                return Table(value)
            return self._opaque()
        if isinstance(value, dict):
            if not all(isinstance(key, _CONSTANT) or isinstance(key, float | enum.Enum) for key in value):
                return self._opaque()
            children = [self.visit(item, f"{name}[{key!r}]", whole) for key, item in value.items()]
            return Group(dict, name, tuple(value), children)
        fields = getattr(value, "_fields", None)
        labels = [f"[{i}]" for i in range(len(value))] if fields is None else [f".{field}" for field in fields]
        children = [self.visit(item, name + label, whole) for label, item in zip(labels, value, strict=True)]
        return Group(type(value), name, (), children)

    def _parts(
        self, value: Any, name: str, labels: Sequence[str], apart: Callable[[Any], Any], together: Callable[..., Any]
    ) -> Slot:
        slot = Parts(type(value), apart, together)
        for label, part in zip(labels, apart(value), strict=True):
            slot.children.append(self.visit(part, label or name))
        return slot

    # -- functions --

    def _function(self, fun: types.FunctionType) -> Slot:
        slot = Function(fun.__code__)
        loaded, used = _loaded(fun.__code__)
        self._used |= used
        slot.scope = self._scope(fun.__globals__, loaded)
        free = fun.__code__.co_freevars
        cells = [self._cell(cell, name) for cell, name in zip(fun.__closure__ or (), free, strict=True)]
        slot.cells = Group(tuple, "closure", (), cells)
        taken = fun.__code__.co_varnames[: fun.__code__.co_argcount]
        defaults = fun.__defaults__ or ()
        slot.defaults = Constant(None)
        if defaults:
            names = taken[len(taken) - len(defaults) :]
            children = [self.visit(item, name) for item, name in zip(defaults, names, strict=True)]
            slot.defaults = Group(tuple, "defaults", (), children)
        keywords = fun.__kwdefaults__
        slot.keywords = Constant(None)
        if keywords is not None:
            slot.keywords = Group(dict, "defaults", tuple(keywords), [self.visit(x, k) for k, x in keywords.items()])
        held = fun.__dict__
        children = [self.visit(item, f"{fun.__name__}.{name}") for name, item in held.items()]
        slot.attributes = Group(dict, fun.__name__, tuple(held), children)
        return slot

    def _scope(self, namespace: dict[str, Any], loaded: Sequence[str]) -> Slot:
        """The globals of one module: the first function that is met reads them, for all."""
        slot = self._shared(namespace, Scope)
        entries = self._scopes.setdefault(id(namespace), self._met[id(namespace)][1].slot).entries
        for name in loaded:
            if name not in entries:
                entries[name] = Fixed(_ABSENT)  # until it is known: it may reach this function again
                entries[name] = self.visit(namespace.get(name, _ABSENT), name)
        return slot

    def _cell(self, cell: types.CellType, name: str) -> Slot:
        def make() -> Slot:
            slot = Cell(name)
            inside = contents(cell)
            slot.child = Constant(inside) if name == "__class__" else self.visit(inside, name)
            return slot

        return self._shared(cell, make)

    # -- classes and their instances --

    def _visit_class(self, cls: type) -> Slot:
        if is_trusted(cls, self.home) or not _is_python(cls) or issubclass(cls, enum.Enum):
            return Fixed(cls)
        self._built.add(cls)
        return self._class(cls)

    def _class(self, cls: type) -> Slot:
        if is_trusted(cls, self.home):
            return Fixed(cls)

        def make() -> Slot:
            slot = Class(cls)
            self._classes.append(slot)
            return slot

        return self._shared(cls, make)

    def _instance(self, value: Any, name: str) -> Slot:
        cls = type(value)
        foreign = is_trusted(cls, self.home) and (cls.__module__ or "").partition(".")[0] not in _OURS
        if cls is not types.SimpleNamespace and (foreign or not _is_python(cls)):
            return self._opaque()
        members = tuple(
            member
            for owner in cls.__mro__
            for member, found in vars(owner).items()
            if isinstance(found, types.MemberDescriptorType) and not member.startswith("__")
        )
        slot = Instance(cls, name, members)
        slot.class_slot = Fixed(cls) if cls is types.SimpleNamespace else self._class(cls)
        system, parameters = is_system(value), parameter_names(value)
        for member, held in attributes(value, members).items():
            if system and member not in parameters and not callable(held):
                child: Slot = Constant(held) if isinstance(held, Hashable) else self.visit(held, member)
            else:
                child = self.visit(held, member if system else f"{name}.{member}")
            slot.attributes.append((member, child))
        return slot

    def _module(self, module: types.ModuleType) -> Slot:
        slot = Module(module)
        self._modules.append(slot)
        return slot

    # -- what code uses of classes and modules, known once all code is known --

    def finish(self) -> None:
        """Look at the members of classes and modules that some code names, until no new code is found."""
        while True:
            found = [*self._class_members(), *self._module_members()]
            if not found:
                return
            for entries, key, value, name in found:
                entries[key] = self.visit(value, name)

    def _class_members(self) -> Iterator[tuple[Any, Any, Any, str]]:
        for slot in list(self._classes):
            for owner in slot.it.__mro__:
                if owner is object or is_trusted(owner, self.home):
                    continue
                for name, value in vars(owner).items():
                    if (owner, name) not in slot.entries and self._matters(slot.it, name, value):
                        yield slot.entries, (owner, name), value, f"{owner.__name__}.{name}"

    def _matters(self, cls: type, name: str, value: Any) -> bool:
        if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
            return False
        if name.startswith("__") and name.endswith("__"):
            code = getattr(value, "__code__", None)
            if code is None or (cls in self._built and name in ("__init__", "__post_init__")):
                return code is not None
            return name not in _SILENT and code.co_filename != "<string>"  # that is where dataclasses write theirs
        fields = getattr(cls, "__dataclass_fields__", {})
        if name in fields and cls not in self._built:  # each instance has its own
            return False
        return name in self._used or (_is_written(value) and self._is_reached_unseen(cls))

    def _is_reached_unseen(self, cls: type) -> bool:
        """Whether methods may be called by names that the code does not show: by a library's base class, by text."""
        bases = (base for base in cls.__mro__ if is_trusted(base, self.home) and base.__module__ not in _BLAND)
        return bool(self._used & _BY_TEXT) or any(bases)

    def _module_members(self) -> Iterator[tuple[Any, Any, Any, str]]:
        for slot in list(self._modules):
            for name, value in vars(slot.it).items():
                wanted = name in self._used or bool(self._used & _BY_TEXT)
                if wanted and name not in slot.entries and not name.startswith("__"):
                    yield slot.entries, name, value, f"{slot.it.__name__}.{name}"


_BLAND = frozenset({"builtins", "abc", "typing", "collections.abc"})  # bases that call no methods of a right-hand side
_BY_TEXT = frozenset({"getattr", "attrgetter", "methodcaller", "__getattribute__"})


def _is_written(value: Any) -> bool:
    """Whether a member of a class is code."""
    return isinstance(value, types.FunctionType | staticmethod | classmethod | property | functools.cached_property)


def _is_python(cls: type) -> bool:
    """Whether instances of a class hold nothing but attributes."""
    while cls.__flags__ & (1 << 9):  # a class made by a class statement
        base = cls.__base__
        if base is None:
            break
        cls = base
    return cls is object


def _made_of(value: Any) -> tuple[Sequence[str], Callable[[Any], Any], Callable[..., Any]] | None:
    """For an object that is made of others: labels, how to take it apart, and how to put it together."""
    if isinstance(value, types.MethodType):
        return ("", "self"), lambda m: (m.__func__, m.__self__), types.MethodType
    if isinstance(value, functools.partial):
        labels = ("", "partial", "partial")
        return labels, lambda p: (p.func, p.args, p.keywords), lambda f, args, kw: functools.partial(f, *args, **kw)
    if isinstance(value, staticmethod | classmethod):
        return ("",), lambda m: (m.__func__,), type(value)
    if isinstance(value, property):
        return ("", "", ""), lambda p: (p.fget, p.fset, p.fdel), property
    if isinstance(value, functools.cached_property):
        return ("",), lambda p: (p.func,), functools.cached_property
    for attribute in ("py_func", "__wrapped__"):  # numba's functions; functools.lru_cache's
        inner = getattr(value, attribute, None)
        if isinstance(inner, types.FunctionType) and not isinstance(value, types.FunctionType):
            return ("",), _apart(attribute), lambda f: f
    return None


def _apart(attribute: str) -> Callable[[Any], Any]:
    return lambda value: (getattr(value, attribute),)
