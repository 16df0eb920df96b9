"""Events as the caller of `solve_ivp` gives them, and those of a System: checked, and what each of them does."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.capture import capture
from diffsim.errors import ArgumentError, KindError, must
from diffsim.number import Number, raw
from diffsim.protocols import event_functions, is_system, parameter_names, parameter_values, with_parameters
from integrators.drivers.right_hand_side import label

__all__: list[str] = []

_WHO = "solve_ivp"


@final
@dataclass(frozen=True)
class Event:
    """A function of time and state, and what happens where its sign changes.

    Attributes
    ----------
    fun : callable
        ``fun(t, y, *args)``, one number.
    name : str
        What a message calls it.
    terminal : int
        The occurrence that ends the solve; 0 for none.
    direction : float
        Signs that count: > 0 upwards, < 0 downwards, 0 both.
    reset : callable or None
        ``reset(t, y, *args)``, the state that the solve goes on with.
    plain : callable or None
        `fun` without derivatives, where it is another function.
    """

    fun: Callable[..., Any]
    name: str
    terminal: int = 0
    direction: float = 0.0
    reset: Callable[..., Any] | None = None
    plain: Callable[..., Any] | None = None

    @property
    def interrupts(self) -> bool:
        """Whether a step may have to be cut at it."""
        return bool(self.terminal) or self.reset is not None


@final
@dataclass(frozen=True)
class EventSet:
    """The events of a solve.

    Attributes
    ----------
    events : tuple of Event
    args : tuple
        Their further arguments: those of the right-hand side.
    n_own : int
        How many of them, the last ones, the System has of its own.
    """

    events: tuple[Event, ...]
    args: tuple[Any, ...] = ()
    n_own: int = 0

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def replaced(self, changes: Mapping[str, Any]) -> EventSet:
        """Return the events of a right-hand side, some of whose parameters are replaced, by name.

        Raises
        ------
        ArgumentError
            An event knows a parameter in another way than by `args`: its derivative would be missing.
        """
        given = len(self) - self.n_own
        made = [self._with(event, changes) for event in self.events[:given]]
        return replace(self, events=(*made, *self.events[given:]), args=())

    def without_derivatives(self) -> EventSet:
        """Return the same events in plain numbers, whatever their functions bring along."""
        return replace(self, events=tuple(map(_plain, self.events)), args=tuple(map(_bare, self.args)))

    def of(self, fun: Any) -> EventSet:
        """Return the same events where `fun` is the right-hand side: a System's own see the parameters it has."""
        if not self.n_own:
            return self
        own = _own_events(fun)
        if len(own) != self.n_own:
            rule = "must have as many events whatever its parameters are"
            raise must(label(fun), "events", rule, f"{self.n_own}, then {len(own)}")
        return replace(self, events=(*self.events[: -self.n_own], *own))

    def _with(self, event: Event, changes: Mapping[str, Any]) -> Event:
        made: dict[str, Any] = {}
        for kind, fun in (("fun", event.fun), ("reset", event.reset)):
            if fun is None:
                continue
            captured = capture(fun, self.args)
            known = {name.rpartition(".")[2]: name for name in captured.names if not name.startswith("args[")}
            for parameter in changes:
                if parameter.rpartition(".")[2] in known:
                    what = event.name if kind == "fun" else f"the reset of {event.name}"
                    raise ArgumentError(
                        f"{_WHO}: a parameter that sensitivities= differentiates by must reach events and resets by "
                        f"args; {what} knows {known[parameter.rpartition('.')[2]]!r} by itself, and its derivative "
                        "would be missing. Write event(t, y, *args) and pass the number in args=, or use "
                        "diffsim.jacobian."
                    )
            values = [changes.get(name, x) for name, x in zip(captured.names, captured.values, strict=True)]
            made[kind] = functools.partial(captured, values)
            if kind == "fun":
                plain = [_bare(x) for x in values]
                made["plain"] = functools.partial(captured, plain)
        return replace(event, **made)

    @property
    def ends(self) -> bool:
        """Whether one of them may end the solve."""
        return any(event.terminal for event in self)

    @property
    def interrupts(self) -> bool:
        """Whether one of them may end the solve or change the state."""
        return any(event.interrupts for event in self)


def check_events(fun: Any, events: Any, reset: Any, args: tuple[Any, ...]) -> EventSet | None:
    """Return the events, those of a System behind the caller's, or None where there are none.

    Parameters
    ----------
    fun : callable
        The right-hand side.
    events : callable or sequence of callable
        With the attributes `terminal`, `direction` and `reset`, where they have them.  An empty sequence switches
        those of a System off.
    reset : callable, or sequence of callable or None
        In place of the attributes.
    args : tuple

    Raises
    ------
    KindError
        An event or a reset is no function; the events of a System are no sequence.
    ArgumentError
        There are more resets than events, or a `terminal` that is no count.
    """
    if events is None:
        if reset is not None:
            raise ArgumentError(f"{_WHO}: reset must belong to events; got reset without events. Pass events= too.")
        own = _own_events(fun)
        return EventSet(own, args, len(own)) if own else None
    functions = (events,) if callable(events) else _listed("events", events)
    resets: tuple[Any, ...]
    if reset is None:
        resets = tuple(getattr(event, "reset", None) for event in functions)
    else:
        resets = (reset,) if callable(reset) else _listed("reset", reset)
        if len(resets) != len(functions):
            mend = "Give a list with one entry an event, None for those that leave the state as it is."
            raise must(_WHO, "reset", f"must have one entry for each of the {len(functions)} events", len(resets), mend)
    given = tuple(_event(f"events[{i}]", *pair) for i, pair in enumerate(zip(functions, resets, strict=True)))
    own = _own_events(fun) if given else ()
    return EventSet((*given, *own), args, len(own))


def may_end(events: EventSet | None) -> bool:
    """Return whether an event may end a solve."""
    return events is not None and events.ends


def _own_events(fun: Any) -> tuple[Event, ...]:
    """Return the events that a System has of its own, checked."""
    if not is_system(fun):
        return ()
    who = label(fun)
    try:
        functions = event_functions(fun)
    except TypeError:
        got = type(getattr(fun, "events", None)).__name__
        raise KindError(f"{who}: events must be a tuple of functions event(t, state); got {got}.") from None
    if not functions:
        return ()
    own = tuple(_event(f"{who}.events[{i}]", x, getattr(x, "reset", None)) for i, x in enumerate(functions))
    if not any(isinstance(x, Number) for x in parameter_values(fun)):
        return own
    numbers = {name: _bare(getattr(fun, name)) for name in parameter_names(fun)}
    plain = event_functions(with_parameters(fun, numbers))
    return tuple(replace(event, plain=bare) for event, bare in zip(own, plain, strict=True))


def _bare(x: Any) -> Any:
    return raw(x) if isinstance(x, Number) else x


def _plain(event: Event) -> Event:
    """Return an event in plain numbers."""
    fun, reset = event.plain or event.fun, event.reset

    def value(t: Any, y: Any, *args: Any) -> Any:
        return _bare(fun(t, y, *args))

    def state(t: Any, y: Any, *args: Any) -> Any:
        found = None if reset is None else reset(t, y, *args)
        return None if found is None else raw(array_ops.array(found))

    return replace(event, fun=value, reset=None if reset is None else state, plain=None)


def _listed(name: str, given: Any) -> tuple[Any, ...]:
    try:
        return tuple(given)
    except TypeError:
        raise KindError(f"{_WHO}: {name} must be a function or a list of them; got {type(given).__name__}.") from None


def _event(place: str, fun: Any, reset: Any) -> Event:
    """Return one event, checked."""
    if not callable(fun):
        raise KindError(f"{_WHO}: {place} must be a function event(t, y); got {type(fun).__name__}.")
    if reset is not None and not callable(reset):
        where = place.replace("events", "reset") if place.startswith("events") else f"the reset of {place}"
        raise KindError(f"{_WHO}: {where} must be a function reset(t, y) or None; got {type(reset).__name__}.")
    name = f"{place} ({label(fun)})"
    terminal, direction = getattr(fun, "terminal", None), getattr(fun, "direction", 0.0)
    if terminal is None:
        terminal = 0
    if not isinstance(terminal, bool | np.bool_ | int | float | np.integer | np.floating) or not (
        terminal >= 0 and int(terminal) == terminal
    ):
        # NOTE: SciPy's words; its own tests look for them.
        raise ArgumentError(
            f"{_WHO}: The `terminal` attribute of each event must be a boolean or positive integer; got {terminal!r} "
            f"at {name}."
        )
    if not isinstance(direction, int | float | np.integer | np.floating) or np.isnan(direction):
        raise KindError(f"{_WHO}: the direction of {name} must be a number, its sign counts; got {direction!r}.")
    return Event(fun, name, int(terminal), float(direction), reset)
