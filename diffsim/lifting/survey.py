"""The survey: one walk from a function to everything that it can see, which leaves a `Plan`."""

from __future__ import annotations

import dis
import enum
import functools
import types
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, final

import numpy as np

from diffsim.lifting.code import Cell, Function, Group, Parts, Scope, contents
from diffsim.lifting.kinds import (
    CONSTANT,
    CONTAINERS,
    UNCHANGING,
    VALUES,
    is_ours,
    is_python,
    is_trusted,
    is_written,
    made_of,
)
from diffsim.lifting.leaves import LARGEST, Array, Constant, Fixed, Opaque, Scalar, Table, is_whole, kind_of
from diffsim.lifting.objects import Class, Instance, Module, attributes
from diffsim.lifting.plan import Plan, variable
from diffsim.lifting.slot import ABSENT, Again, Shared, Slot
from diffsim.number import shape_of
from diffsim.protocols import is_system, parameter_names

__all__ = ["survey"]

_BLAND = frozenset({"builtins", "abc", "typing", "collections.abc"})  # bases that call no methods of a right-hand side
_BY_TEXT = frozenset({"getattr", "attrgetter", "methodcaller", "__getattribute__"})
_SILENT = frozenset(  # methods that no right-hand side runs on an object that is there already
    {"__init__", "__new__", "__post_init__", "__repr__", "__str__", "__eq__", "__hash__", "__init_subclass__"}
    | {"__setattr__", "__delattr__", "__class_getitem__", "__reduce__", "__getstate__", "__setstate__", "__del__"}
)


def survey(fun: Any, args: tuple[Any, ...], keyed: frozenset[str] = frozenset(), *, everywhere: bool = False) -> Plan:
    """Walk through what a function can see.

    Parameters
    ----------
    fun : callable
    args : tuple
        Further arguments; whole numbers among them are lifted too.
    keyed : frozenset of str
        Names of whole numbers that are compared nevertheless, since a trace needed their values; of those outside
        `args` the name of the variable.
    everywhere : bool
        Whether single whole numbers outside `args` are lifted as well.
    """
    walk = _Walk(getattr(getattr(fun, "__func__", fun), "__module__", None) or "", keyed, everywhere)
    root = walk.visit(fun, "self")
    arguments = walk.visit_args(args)
    walk.finish()
    return Plan(root, arguments, walk.understood, walk.wholes)


_EXACT = 2**53  # beyond, a whole number is no double
_MOST = 20_000  # objects that are looked at: what reaches further is not understood


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

    def __init__(self, home: str, keyed: frozenset[str], everywhere: bool) -> None:
        self.home, self.keyed, self.everywhere = home, keyed, everywhere
        self.understood = True
        self.wholes: list[Scalar | Array] = []
        self._met: dict[int, tuple[Any, Shared]] = {}
        self._scopes: dict[int, Any] = {}
        self._classes: list[Class] = []
        self._modules: list[Module] = []
        self._instances: list[tuple[Instance, Any]] = []
        self._used: set[str] = set()
        self._built: set[type] = set()  # classes that code can make instances of

    # -- dispatch --

    def visit(self, value: Any, name: str, whole: bool = False) -> Slot:
        """The slot for a value; `whole` says whether whole numbers in it are lifted."""
        kind = kind_of(value, self._lifts_wholes(value, name, whole))
        if kind == "scalar":
            return self._lifted(Scalar(name, is_whole(value)))
        if kind == "array":
            return self._shared(value, lambda: self._lifted(Array(name, shape_of(value), is_whole(value))))
        if kind == "large" or (isinstance(value, np.ndarray) and value.dtype.kind in "iubcSU"):
            return Table(value)
        if isinstance(value, UNCHANGING) or value is ABSENT:
            return Fixed(value)
        if isinstance(value, VALUES):
            return Constant(value)
        return self._visit_object(value, name, whole)

    def _lifts_wholes(self, value: Any, name: str, whole: bool) -> bool:
        """Whether a whole number, or an array of them, is lifted."""
        if whole:
            return name not in self.keyed
        single = self.everywhere and isinstance(value, int | np.integer) and abs(int(value)) <= _EXACT
        return single and variable(name) not in self.keyed

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
        if len(self._met) >= _MOST:
            return self._opaque()
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
        if value.__class__ in CONTAINERS or (isinstance(value, tuple) and hasattr(value, "_fields")):
            return self._shared(value, lambda: self._group(value, name, whole))
        if value.__class__ in (set, frozenset):
            return Table(value) if value.__class__ is set else Constant(value)
        parts = made_of(value)
        if parts is not None:
            return self._shared(value, lambda: self._parts(value, name, *parts))
        if isinstance(value, types.BuiltinMethodType) or (callable(value) and not is_python(type(value))):
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
            if not all(isinstance(key, (*CONSTANT, float, enum.Enum)) for key in value):
                return self._opaque()
            children = [self.visit(item, f"{name}[{key!r}]", whole) for key, item in value.items()]
            return Group(type(value), name, tuple(value), children)
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
        if id(namespace) not in self._scopes and (id(namespace) in self._met or len(self._met) >= _MOST):
            return self._opaque()  # reached as a dictionary already, or more than is looked at
        slot = self._shared(namespace, Scope)
        entries = self._scopes.setdefault(id(namespace), self._met[id(namespace)][1].slot).entries
        for name in loaded:
            if name not in entries:
                entries[name] = Fixed(ABSENT)  # until it is known: it may reach this function again
                entries[name] = self.visit(namespace.get(name, ABSENT), name)
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
        if is_trusted(cls, self.home) or not is_python(cls) or issubclass(cls, enum.Enum):
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
        foreign = is_trusted(cls, self.home) and not is_ours(cls)
        if cls is not types.SimpleNamespace and (foreign or not is_python(cls)):
            return self._opaque()
        members = tuple(
            member
            for owner in cls.__mro__
            for member, found in vars(owner).items()
            if isinstance(found, types.MemberDescriptorType) and not member.startswith("__")
        )
        slot = Instance(cls, name, members, tuple(attributes(value, members)))
        slot.class_slot = Fixed(cls) if cls is types.SimpleNamespace else self._class(cls)
        self._instances.append((slot, value))
        return slot

    def _module(self, module: types.ModuleType) -> Slot:
        slot = Module(module)
        self._modules.append(slot)
        return slot

    # -- what code uses of classes and modules, known once all code is known --

    def finish(self) -> None:
        """Look at the members of classes and modules that some code names, until no new code is found."""
        while True:
            found = [*self._instance_members(), *self._class_members(), *self._module_members()]
            if not found:
                return
            for entries, key, value, name in found:
                entries[key] = self.visit(value, name)

    def _instance_members(self) -> Iterator[tuple[Any, Any, Any, str]]:
        for slot, value in list(self._instances):
            system = is_system(value)
            parameters = parameter_names(value)
            for name, held in attributes(value, slot.members).items():
                if name not in slot.entries and (name in self._used or self._is_reached_unseen(slot.it)):
                    if system and name not in parameters and isinstance(held, Hashable) and not callable(held):
                        slot.entries[name] = Constant(held)
                    else:
                        yield slot.entries, name, held, name if system else f"{slot.name}.{name}"

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
        return name in self._used or (is_written(value) and self._is_reached_unseen(cls))

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
