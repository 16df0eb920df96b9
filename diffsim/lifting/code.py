"""Slots of what holds other things: lists and dicts, functions with globals and closures, what is made of others."""

from __future__ import annotations

import types
from collections.abc import Callable, Hashable, Sequence
from typing import Any, final

from diffsim.lifting.slot import ABSENT, Slot, Swap, bare
from diffsim.numpy_shim import traced_builtins

__all__ = ["Cell", "Function", "Group", "Parts", "Scope", "contents"]


@final
class Group(Slot):
    """A list, tuple or dict."""

    __slots__ = ("children", "keys", "kind", "name")

    def __init__(self, kind: Any, name: str, keys: Sequence[Any], children: list[Slot]) -> None:
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
        if isinstance(value, tuple):
            # NOTE: by slot, too: ``args`` and the defaults of a function may be one tuple, of equal constants
            key = (id(self), id(value))
            if key not in swap.twins:
                items = [child.build(item, swap) for child, item in zip(self.children, value, strict=True)]
                made = self.kind(*items) if hasattr(self.kind, "_fields") else self.kind(items)
                swap.twins.setdefault(key, made)
            return swap.twins[key]
        if id(value) in swap.twins:
            return swap.twins[id(value)]
        twin = swap.twins[id(value)] = value.copy()
        for child, (key, item) in zip(self.children, _items(value), strict=True):
            twin[key] = child.build(item, swap)
        swap.watch(lambda: {f"{self.name}[{key!r}]": x for key, x in _items(twin)})
        return twin

    def settle(self, names: list[str]) -> Hashable:
        self.children = [bare(child) for child in self.children]
        return (self.kind, self.keys, tuple(child.settle(names) for child in self.children))


def _items(value: Any) -> list[tuple[Any, Any]]:
    """Places and contents of a dict or a list."""
    return list(value.items() if isinstance(value, dict) else enumerate(value))


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
            if inside is not ABSENT:
                twin.cell_contents = inside
            swap.watch(lambda: {self.name: contents(twin)})
        return swap.twins[id(value)]

    def settle(self, names: list[str]) -> Hashable:
        self.child = bare(self.child)
        return self.child.settle(names)


def contents(cell: types.CellType) -> Any:
    """What a cell holds; a mark where it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return ABSENT


@final
class Scope(Slot):
    """The globals of a module, as far as code that was met loads them."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[str, Slot] = {}

    def read(self, value: Any, out: list[Any]) -> bool:
        for name, slot in self.entries.items():  # noqa: SIM110  # PERF: all() costs a frame
            if not slot.read(value.get(name, ABSENT), out):
                return False
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) in swap.twins:
            return swap.twins[id(value)]
        twin = swap.twins[id(value)] = {name: value[name] for name in _MODULE_NAMES if name in value}
        if swap.traced:
            twin["__builtins__"] = traced_builtins()
        for name, slot in self.entries.items():
            made = slot.build(value.get(name, ABSENT), swap)
            if made is not ABSENT:
                twin[name] = made
        swap.watch(lambda: {name: x for name, x in twin.items() if not name.startswith("__")})
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
        cells = self.cells.build(value.__closure__ or (), swap)
        if id(value) in swap.twins:  # a global or a variable of it leads back to it
            return swap.twins[id(value)]
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
