"""Checks of arguments that the studies share: each raises an error that names the argument and how to mend it."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, KindError, must, unknown_name
from diffsim.protocols import is_system, parameter_names

__all__: list[str] = []  # what a file of this folder lists here becomes a public name of `studies`

Floats: TypeAlias = NDArray[np.float64]


def system_of(who: str, system: Any) -> Any:
    """Return `system` if it is a System.

    Raises
    ------
    KindError
        It is a class, a plain function, or something else.
    """
    if isinstance(system, type):
        raise KindError(
            f"{who}: system must be an instance; got the class {system.__name__}. Write {system.__name__}()."
        )
    if not is_system(system):
        raise KindError(
            f"{who}: system must be a System (a frozen dataclass below systems.System); got {type(system).__name__}."
        )
    return system


def positive(who: str, name: str, value: Any, mend: str = "") -> float:
    """Return `value` as a float that is finite and above zero."""
    number = real(who, name, value)
    if not number > 0.0:
        raise must(who, name, "must be > 0", value, mend)
    return number


def real(who: str, name: str, value: Any) -> float:
    """Return `value` as a finite float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (numbers.Real, np.integer, np.floating)):
        raise KindError(f"{who}: {name} must be a real number; got {name}={value!r} of type {type(value).__name__}.")
    number = float(value)
    if not math.isfinite(number):
        raise must(who, name, "must be a finite real number", value)
    return number


def count(who: str, name: str, value: Any, least: int = 1) -> int:
    """Return `value` as an integer of at least `least`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise KindError(f"{who}: {name} must be an integer; got {name}={value!r} of type {type(value).__name__}.")
    if value < least:
        raise must(who, name, f"must be at least {least}", value)
    return int(value)


def one_of(who: str, kind: str, value: Any, known: Iterable[str]) -> str:
    """Return `value` if it is one of the names `known`."""
    if value not in tuple(known):
        raise unknown_name(who, kind, value, known)
    return str(value)


def vector(who: str, name: str, values: Any, length: int | None = None, of: str = "") -> Floats:
    """Return `values` as a new, finite, one-dimensional float array of the given length.

    Raises
    ------
    KindError
        The values are complex, text, or not a flat sequence of numbers.
    ArgumentError
        The length is wrong, or a value is NaN or infinite.
    """
    try:
        plain = np.asarray(values)
    except ValueError:
        raise KindError(f"{who}: {name} must be a flat sequence of real numbers; got {name}={values!r}.") from None
    if plain.dtype.kind not in "iuf":
        raise KindError(f"{who}: {name} must be real numbers; got {name}={values!r} of dtype {plain.dtype}.")
    if plain.ndim != 1 or (length is not None and plain.shape != (length,)):
        number = "some" if length is None else str(length)
        raise ArgumentError(f"{who}: {name} must be {number} numbers{of}; got an array of shape {plain.shape}.")
    if not np.isfinite(plain).all():
        raise must(who, name, "must be finite", values)
    return np.array(plain, dtype=np.float64)


def state(who: str, system: Any, y0: Any, name: str = "y0") -> Floats:
    """Return `y0` as a finite state of `system`, shape (n,)."""
    names: Sequence[str] = system.state_names
    return vector(who, name, y0, len(names), f", one for each of {', '.join(names)}")


def start(who: str, system: Any, y0: Any) -> Floats:
    """Return the start `y0`; the system's own where it is None."""
    return state(who, system, system.default_state if y0 is None else y0)


def component(who: str, system: Any, name: Any) -> int:
    """Return the index of a state component by name."""
    names: Sequence[str] = system.state_names
    if name not in names:
        raise unknown_name(who, "state component", name, names)
    return names.index(name)


def components(who: str, argument: str, system: Any, names: Any) -> tuple[int, ...]:
    """Return the indices of several different state components, in the order given."""
    if isinstance(names, str):
        names = (names,)
    indices = tuple(component(who, system, name) for name in names)
    if not indices or len(set(indices)) != len(indices):
        raise must(who, argument, "must name at least one component, each once", tuple(names))
    return indices


def quantity(who: str, system: Any, name: Any) -> str:
    """Return `name` if it is a state component or a parameter of `system`."""
    known = (*system.state_names, *parameter_names(system))
    if name not in known:
        raise unknown_name(who, "state component or parameter", name, known)
    return str(name)


def unit_of(system: Any, name: str) -> str:
    """Return the unit of a state component or parameter, `""` where the system does not say."""
    units: Mapping[str, str] = dict(zip(system.state_names, system.state_units, strict=False))
    return units.get(name) or dict(system.parameter_units).get(name, "")
