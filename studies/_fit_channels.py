"""What is observed of a trajectory: components, positions, the energy, functions of the user's, as rows of numbers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.derivatives import pushforward
from diffsim.errors import ArgumentError, KindError, must, unknown_name
from diffsim.protocols import with_parameters
from studies import _checks
from studies._checks import Floats

__all__: list[str] = []

_WHO = "fit"
_POINT = re.compile(r"([xy])_(\d+)")


@final
@dataclass(frozen=True, eq=False)
class Observable:
    """One thing that was observed.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Of its value at one time.
    labels, units : tuple of str
        One for each of its numbers, in order.
    component : int or None
        Where it is a component of the state.
    function : callable or None
        Otherwise ``function(t, y, system)``, of times (N,) and states (n, N); returns (*shape, N).
    """

    name: str
    shape: tuple[int, ...]
    labels: tuple[str, ...]
    units: tuple[str, ...]
    component: int | None = None
    function: Callable[[Any, Any, Any], Any] | None = None

    @property
    def count(self) -> int:
        """Number of its numbers at one time."""
        return len(self.labels)


def observable(system: Any, name: str, given: Mapping[str, Any], state: Floats) -> Observable:
    """Return what a name means: a function of the user's, a component, ``positions``, ``x_1``, ``energy``.

    Parameters
    ----------
    system : System
    name : str
    given : mapping of str to callable
        Functions ``f(t, y)`` or ``f(t, y, system)``.
    state : ndarray (n,)
        One state, on which a function is tried.

    Raises
    ------
    ArgumentError
        An unknown name, or a function that does not give one row for each time.
    """
    if name in given:
        return _by_function(system, name, given[name], state)
    names: Sequence[str] = system.state_names
    if name in names:
        index = names.index(name)
        return Observable(name, (), (name,), (_checks.unit_of(system, name),), component=index)
    n_points = _points(system, state)
    if name == "positions" and n_points:
        labels = tuple(f"{axis}_{k}" for k in range(n_points) for axis in "xy")
        units = ("m",) * len(labels)
        return Observable(name, (n_points, 2), labels, units, function=lambda t, y, s: s.positions(y))
    match = _POINT.fullmatch(name)
    if match and int(match.group(2)) < n_points:
        point, axis = int(match.group(2)), "xy".index(match.group(1))
        return Observable(name, (), (name,), ("m",), function=lambda t, y, s: s.positions(y)[point, axis])
    if name == "energy" and getattr(system, "has_energy", False):
        return Observable(name, (), (name,), ("J",), function=lambda t, y, s: s.energy(y))
    points = ("positions", *(f"{axis}_{k}" for k in range(1, n_points) for axis in "xy")) if n_points else ()
    energy = ("energy",) if getattr(system, "has_energy", False) else ()
    raise unknown_name(_WHO, "observed quantity", name, (*names, *points, *energy, *given))


def _points(system: Any, state: Floats) -> int:
    """Return the number of points in the plane that a system has; 0 where it has no positions."""
    try:
        return int(np.shape(system.positions(state))[0])
    except (KindError, AttributeError):
        return 0


def _by_function(system: Any, name: str, function: Any, state: Floats) -> Observable:
    """Return the observable of a function of the user's, tried on two times."""
    if not callable(function):
        raise KindError(
            f"{_WHO}: observables[{name!r}] must be a function f(t, y) or f(t, y, system); got {function!r}."
        )
    three = _arguments(function) == 3

    def of(t: Any, y: Any, moved: Any) -> Any:
        return function(t, y, moved) if three else function(t, y)

    shape = np.shape(of(np.zeros(2), np.stack([state, state], axis=1), system))
    if not shape or shape[-1] != 2:
        raise ArgumentError(
            f"{_WHO}: observables[{name!r}] must give one number a time, shape (n_times,), or rows of them; "
            f"got shape {shape} for 2 times. Take components by y[0], y[1], ..."
        )
    count = int(np.prod(shape[:-1], dtype=int))
    labels = (name,) if shape[:-1] == () else tuple(f"{name}[{k}]" for k in range(count))
    return Observable(name, shape[:-1], labels, ("",) * count, function=of)


def _arguments(function: Any) -> int:
    """Return how many arguments a function must be given: 2 or 3."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(needed) not in (2, 3):
        raise must(_WHO, "observables", "must be functions f(t, y) or f(t, y, system)", function)
    return len(needed)


def observed(observables: Sequence[Observable], system: Any, t: Floats, y: Floats) -> Floats:
    """Return all numbers (C, N) at times (N,) and states (n, N)."""
    rows = []
    for one in observables:
        value = y[one.component] if one.function is None else one.function(t, y, system)
        rows.append(np.asarray(value, dtype=np.float64).reshape(one.count, len(t)))
    return np.concatenate(rows)


def observed_tangents(
    observables: Sequence[Observable], system: Any, names: Sequence[str], t: Floats, y: Floats, tangents: Floats
) -> tuple[Floats, Floats]:
    """Return all numbers (C, N), and their derivatives (k, C, N) in k directions.

    Parameters
    ----------
    names : sequence of str
        The P parameters that change in the last P of the directions, one each: an observable may depend on them by
        itself, as positions do on lengths.
    tangents : ndarray (k, n, N)
        Of the states.
    """
    k, n_parameters = len(tangents), len(names)
    values = np.array([float(system.parameters[name]) for name in names])
    along = np.zeros((k, n_parameters))
    along[k - n_parameters :] = np.eye(n_parameters)
    rows, slopes = [], []
    for one in observables:
        if one.function is None:
            value, slope = y[one.component], tangents[:, one.component]
        else:
            function = one.function

            def of(states: Any, parameters: Any, function: Any = function) -> Any:
                changes = {name: parameters[i] for i, name in enumerate(names)}
                return function(t, states, with_parameters(system, changes) if changes else system)

            primals, directions = ((y, values), (tangents, along)) if n_parameters else ((y,), (tangents,))
            value, slope = pushforward(of if n_parameters else lambda s, of=of: of(s, ()), primals, directions)
        rows.append(np.asarray(value, dtype=np.float64).reshape(one.count, len(t)))
        slopes.append(np.asarray(slope, dtype=np.float64).reshape(k, one.count, len(t)))
    return np.concatenate(rows), np.concatenate(slopes, axis=1)
