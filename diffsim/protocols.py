"""What the core and the integrators ask of a System, without importing the package `systems`.

A *System* is an instance of a frozen dataclass that is called as ``system(t, state)`` and carries the class
attributes of `SystemLike`.  Its dataclass fields are its physical parameters, in order; a field that is an option
rather than a number of physics says so by ``field(metadata={"parameter": False})``.  Everything else (a plain
function ``f(t, y)``, a class, a lambda) is no System, has no parameters and promises nothing: the functions below
answer for it too, so that callers need no case distinction.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeGuard, TypeVar, runtime_checkable

from diffsim.errors import KindError, must, unknown_name

__all__ = [
    "SystemLike",
    "event_functions",
    "invariants",
    "is_discrete",
    "is_elementwise",
    "is_system",
    "parameter_names",
    "parameter_values",
    "says_canonical",
    "says_separable",
    "state_names",
    "with_parameters",
]


@runtime_checkable
class SystemLike(Protocol):
    """The attributes that make a frozen dataclass a System.

    ``state_names`` names the state components, ``angles`` are the indices of those that are angles (radians), and
    ``elementwise`` is the promise that ``system(t, state)`` treats each trajectory of a ``(n, *batch)`` state by
    itself, so that a batch may be handed over as one array.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    elementwise: ClassVar[bool]

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state components; a class attribute, unless an option decides how many there are."""

    @property
    def angles(self) -> tuple[int, ...]:
        """Indices of the components that are angles."""

    def __call__(self, t: Any, state: Any) -> Any:
        """Return the time derivative of ``state``, of the same shape."""


_ATTRIBUTES = ("__dataclass_fields__", "state_names", "angles", "elementwise", "__call__")

SystemT = TypeVar("SystemT", bound=SystemLike)


def is_system(f: object) -> TypeGuard[SystemLike]:
    """Say whether ``f`` is a System (an instance; a class is not).

    >>> is_system(lambda t, y: -y)
    False
    """
    kind: Any = type(f)
    return _makes_systems(kind)


@functools.lru_cache(maxsize=4096)
def _makes_systems(cls: Any) -> bool:
    """Say whether instances of a class are Systems.

    PERF: asking a Protocol takes 20 us, and a solve asks a dozen times.
    """
    return not issubclass(cls, type) and all(hasattr(cls, name) for name in _ATTRIBUTES)


def is_discrete(f: object) -> bool:
    """Say whether ``f`` is a System that gives the next state, a map; False for every plain function.

    >>> is_discrete(lambda t, y: -y)
    False
    """
    return is_system(f) and bool(getattr(f, "discrete", False))


def is_elementwise(f: object) -> bool:
    """Say whether ``f(t, y)`` may be given a whole batch ``(n, *batch)``; False for every plain function.

    >>> is_elementwise(lambda t, y: -y)
    False
    """
    return is_system(f) and f.elementwise


def state_names(f: object) -> tuple[str, ...]:
    """Return the names of the state components; ``()`` for a plain function, which has none."""
    return f.state_names if is_system(f) else ()


def invariants(f: object) -> Mapping[str, Callable[[Any], Any]]:
    """Return the functions of the state that a System says to be conserved, by name; none for a plain function.

    >>> invariants(lambda t, y: -y)
    {}
    """
    found: Mapping[str, Callable[[Any], Any]] = getattr(f, "invariants", {}) if is_system(f) else {}
    return found


def event_functions(f: object) -> tuple[Callable[..., Any], ...]:
    """Return the events that a System has of its own, as `solve_ivp` takes them; none for a plain function.

    >>> event_functions(lambda t, y: -y)
    ()
    """
    return tuple(getattr(f, "events", ())) if is_system(f) else ()


def says_canonical(f: object) -> bool:
    """Say whether ``f`` is a System that declares itself Hamilton's equations; False for every plain function.

    >>> says_canonical(lambda t, y: -y)
    False
    """
    return is_system(f) and bool(getattr(f, "canonical", False))


def says_separable(f: object) -> bool:
    """Say whether ``f`` is a System that declares itself separable; False for every plain function, which cannot.

    >>> says_separable(lambda t, y: -y)
    False
    """
    return is_system(f) and bool(getattr(f, "separable", False))


def parameter_names(f: object) -> tuple[str, ...]:
    """Return the names of the physical parameters in their order; ``()`` for a plain function.

    >>> parameter_names(lambda t, y: -y)
    ()
    """
    return _parameter_names(type(f)) if is_system(f) else ()


@functools.lru_cache(maxsize=4096)
def _parameter_names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls) if field.metadata.get("parameter", True))


def parameter_values(f: object) -> tuple[Any, ...]:
    """Return the values of the physical parameters (any kind of number), in the order of `parameter_names`."""
    return tuple(getattr(f, name) for name in parameter_names(f))


def with_parameters(f: SystemT, values: Mapping[str, Any] | Sequence[Any]) -> SystemT:
    """Return the System ``f`` with other parameters, **without running its checks**.

    The checks of ``__post_init__`` are for people; here `Value`, `Dual`, `Tracer` numbers or whole arrays (one entry
    a trajectory) stand in for the parameters.  Users call ``system.replace(...)``, which does check.

    Parameters
    ----------
    f : System
        Left as it is.
    values : mapping or sequence
        Either ``{name: value}`` with any subset of the names, or one value for each of `parameter_names`, in order.

    Raises
    ------
    KindError
        ``f`` is not a System.
    ArgumentError
        A name that ``f`` does not have, or a sequence of the wrong length.

    Examples
    --------
    >>> from systems import HarmonicOscillator
    >>> with_parameters(HarmonicOscillator(), {"mass": -1.0}).mass
    -1.0
    """
    if not is_system(f):
        raise KindError(f"with_parameters: f must be a System; got {type(f).__name__}.")
    who, names = type(f).__name__, parameter_names(f)
    changes = dict(values) if isinstance(values, Mapping) else _in_order(who, names, values)
    for name in changes:
        if name not in names:
            raise unknown_name(who, "parameter", name, names)
    twin = object.__new__(type(f))
    for field in dataclasses.fields(f):
        object.__setattr__(twin, field.name, changes.get(field.name, getattr(f, field.name)))
    return twin


def _in_order(who: str, names: tuple[str, ...], values: Sequence[Any]) -> dict[str, Any]:
    """Pair the names with the values; one value a name."""
    if len(values) != len(names):
        raise must(who, "values", f"must have {len(names)} entries ({', '.join(names)})", len(values))
    return dict(zip(names, values, strict=True))
