"""Systems from plain functions: `System.from_function`."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diffsim import array_ops
from diffsim.errors import ArgumentError, KindError, must
from systems._base import System

__all__: list[str] = []


@dataclass(frozen=True)
class FunctionSystem(System):
    """A system whose rates are those of a plain function; made by `System.from_function`."""

    @staticmethod
    def _written() -> Callable[..., Any]:
        """Return the function."""
        raise NotImplementedError

    def rates(self, t: Any, state: Any) -> Sequence[Any]:
        y = array_ops.array(state) if isinstance(state, list | tuple) else state
        found = type(self)._written()(t, y, *self.parameters.values())
        try:
            return tuple(found)
        except TypeError:
            return () if found is None else (found,)

    def __reduce__(self) -> Any:
        return _rebuilt, (*type(self)._recipe(), self.parameters)

    @staticmethod
    def _recipe() -> tuple[Any, ...]:
        """Return what the class was made of."""
        raise NotImplementedError


@dataclass(frozen=True)
class Traits:
    """What is said of the system beside its function.

    Attributes
    ----------
    state_names, state_units : tuple of str
    parameter_units : tuple of (name, unit)
    angles : tuple of int
    default_state : tuple of float or None
    elementwise : bool
    """

    state_names: tuple[str, ...]
    state_units: tuple[str, ...] = ()
    parameter_units: tuple[tuple[str, str], ...] = ()
    angles: tuple[int, ...] = ()
    default_state: tuple[Any, ...] | None = None
    elementwise: bool = False


def system_of(f: Callable[..., Any], traits: Traits, parameters: Mapping[str, Any] | None) -> System:
    """Return the system; see `System.from_function`."""
    if not callable(f) or isinstance(f, type):
        raise KindError(f"System.from_function: f must be a function f(t, y, ...); got {f!r}.")
    names = traits.state_names
    if isinstance(names, str) or not names or not all(isinstance(name, str) for name in names):
        raise must("System.from_function", "state_names", 'must be names such as ("x", "v")', names)
    values = _defaults(f) if parameters is None else dict(parameters)
    for name in values:
        if not name.isidentifier() or hasattr(FunctionSystem, name):
            raise ArgumentError(f"System.from_function: {name!r} cannot name a parameter: taken, or no identifier.")
    made: System = _class_of(f, tuple(values), traits)(**values)
    return made


def _defaults(f: Callable[..., Any]) -> dict[str, Any]:
    """Return the defaults of the arguments behind t and y."""
    try:
        given = list(inspect.signature(f).parameters.values())[2:]
    except ValueError:  # a function of C has no signature
        return {}
    plain = [p for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
    missing = [p.name for p in plain if p.default is p.empty]
    if missing:
        raise ArgumentError(
            f"System.from_function: {getattr(f, '__name__', 'f')} takes {', '.join(missing)} behind t and y; give "
            f"values, parameters={{{missing[0]!r}: 1.0}}, or defaults in its signature."
        )
    return {p.name: p.default for p in plain}


@functools.lru_cache(maxsize=512)
def _class_of(f: Callable[..., Any], parameters: tuple[str, ...], traits: Traits) -> type[Any]:
    """Return the class of the systems of one function."""
    title = "".join(part[:1].upper() + part[1:] for part in getattr(f, "__name__", "").split("_") if part)
    title = title if title.isidentifier() else "FunctionSystem"
    module = getattr(f, "__module__", None) or __name__
    # NOTE: a function of the module of f, so that what f brings along is followed by `diffsim.capture`
    written = staticmethod(lambda: f)
    written.__func__.__module__ = module
    space: dict[str, Any] = {
        "__module__": module,
        "__doc__": inspect.getdoc(f) or f"d y / dt = {title}(t, y, {', '.join(parameters)}).",
        "_written": written,
        "_recipe": staticmethod(lambda: (f, traits)),
        "state_names": traits.state_names,
        "state_units": traits.state_units,
        "parameter_units": dict(traits.parameter_units),
        "angles": traits.angles,
        "elementwise": traits.elementwise,
    }
    if traits.default_state is not None:
        space["default_state"] = traits.default_state
    entries = [(name, float) for name in parameters]
    return dataclasses.make_dataclass(title, entries, bases=(FunctionSystem,), namespace=space, frozen=True)


def _rebuilt(f: Callable[..., Any], traits: Traits, parameters: Mapping[str, Any]) -> System:
    return system_of(f, traits, parameters)
