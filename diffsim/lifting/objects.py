"""Slots of objects, classes and modules of the user's."""

from __future__ import annotations

import functools
import types
from collections.abc import Hashable
from typing import Any, final

from diffsim.errors import TraceError
from diffsim.lifting.kinds import CONSTANT, is_trusted
from diffsim.lifting.slot import ABSENT, Same, Slot, Swap, bare
from diffsim.numpy_shim import shimmed

__all__ = ["Class", "Instance", "Module", "attributes"]


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
            if not slot.read(owner.__dict__.get(name, ABSENT), out):
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
    """An object of Python: its attributes are replaced, its class by the class's twin.

    Attributes that no code names are left out of the twin, so that reaching one unforeseen is an error and no stale
    number.
    """

    __slots__ = ("class_slot", "entries", "it", "keys", "members", "name")

    def __init__(self, it: type, name: str, members: tuple[str, ...], keys: tuple[str, ...]) -> None:
        self.it, self.name, self.members, self.keys = it, name, members, keys
        self.class_slot: Slot
        self.entries: dict[str, Slot] = {}

    def read(self, value: Any, out: list[Any]) -> bool:
        if value.__class__ is not self.it:
            return False
        values = attributes(value, self.members) if self.members else value.__dict__
        if tuple(values) != self.keys:
            return False
        for name, slot in self.entries.items():
            if not slot.read(values[name], out):
                return False
        return self.class_slot.read(self.it, out)

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) in swap.twins:
            return swap.twins[id(value)]
        cls = self.class_slot.build(self.it, swap)
        if id(value) in swap.twins:  # a member of the class leads back to it
            return swap.twins[id(value)]
        twin = types.SimpleNamespace() if cls is types.SimpleNamespace else object.__new__(cls)
        swap.twins[id(value)] = twin
        values = attributes(value, self.members)
        for name, slot in self.entries.items():
            made = slot.build(values[name], swap)
            if made is ABSENT:
                continue
            if name in self.members:
                object.__setattr__(twin, name, made)
            else:
                twin.__dict__[name] = made
        swap.watch(lambda: {f"{self.name}.{name}": x for name, x in _own(twin, self.it, self.members)})
        return twin

    def settle(self, names: list[str]) -> Hashable:
        self.entries = {name: bare(slot) for name, slot in self.entries.items()}
        self.class_slot = bare(self.class_slot)
        parts = tuple((name, slot.settle(names)) for name, slot in self.entries.items())
        return (Same(self.it), parts, self.class_slot.settle(names))


def attributes(value: Any, members: tuple[str, ...]) -> dict[str, Any]:
    """Attributes that an object carries itself, in its dictionary and in its slots."""
    found = dict(getattr(value, "__dict__", {}))
    for name in members:
        found[name] = getattr(value, name, ABSENT)
    return found


def _own(value: Any, cls: type, members: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Attributes without those that cached properties write: these are the same each time."""
    cached = {n for owner in cls.__mro__ for n, x in vars(owner).items() if isinstance(x, functools.cached_property)}
    return [(name, x) for name, x in attributes(value, members).items() if name not in cached]


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
            if not slot.read(members.get(name, ABSENT), out):
                return False
        return True

    def build(self, value: Any, swap: Swap) -> Any:
        if id(value) not in swap.twins:
            twin = swap.twins[id(value)] = _ModuleTwin(value.__name__)
            twin.__dict__["_real"] = value
            for name, slot in self.entries.items():
                made = slot.build(value.__dict__.get(name, ABSENT), swap)
                if made is not ABSENT:
                    twin.__dict__[name] = made
            swap.watch(lambda: {f"{value.__name__}.{name}": x for name, x in twin.__dict__.items()})
        return swap.twins[id(value)]

    def settle(self, names: list[str]) -> Hashable:
        self.entries = {name: bare(slot) for name, slot in self.entries.items()}
        return (Same(self.it), *((name, slot.settle(names)) for name, slot in self.entries.items()))


class _ModuleTwin(types.ModuleType):
    """A module under trace; a member that nobody saw coming is refused, since it may hold numbers."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__dict__["_real"], name)
        if isinstance(found, CONSTANT) or is_trusted(found, ""):
            return shimmed(found)
        raise TraceError(f"trace: {self.__name__}.{name} is looked up by text, so its numbers cannot be followed.")
