"""Events at one time: their derivatives, each at its own time, and whether there are any."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from diffsim import array_ops
from diffsim.derivatives import jacobian, jvp
from diffsim.errors import RunError
from diffsim.number import Number, raw
from integrators._event_arguments import Event

__all__: list[str] = []

_SMALL = 1e-8
"""Part of the largest derivative below which others are lost in rounding."""

Call: TypeAlias = Callable[[Event, Any, Any], Any]

_ORDERS = 6
"""Orders of the resets that are compared: all of up to three."""

_APART = 1e-6
"""Difference beyond which two orders have different derivatives, in units of the size; they are known to some 1e-12."""


def passed(
    events: Sequence[Event], t: Any, y: Any, f: Callable[[Any, Any], Any], value: Call, reset: Call
) -> tuple[list[tuple[Any, Any]], Any, Any]:
    """Return the state behind events that coincide, some of which have resets.

    In plain numbers they happen at one time.  But a small change of the start moves the time of each in its own way,
    and between two of them the motion goes on for that long: for a time that is zero and has a derivative.

    Parameters
    ----------
    events : sequence of Event
        In order; those without a reset leave the state as it is.
    t, y : number, state (n,)
        Time of the first event and the state before it, with their derivatives.
    f : callable
        The right-hand side.
    value, reset : callable
        ``value(event, t, y)``, ``reset(event, t, y)``.

    Returns
    -------
    told : list of (t, y)
        Of each event but the first, its time and the state before its reset.
    t, y
        Time of the last event and the state behind it.

    Raises
    ------
    RunError
        Their order matters: there is no derivative.
    """
    _check_orders(events, t, y, f, value, reset)
    return _in_order(events, t, y, f, value, reset)


def _in_order(
    events: Sequence[Event], t: Any, y: Any, f: Callable[[Any, Any], Any], value: Call, reset: Call
) -> tuple[list[tuple[Any, Any]], Any, Any]:
    told = []
    y = reset(events[0], t, y)
    for event in events[1:]:
        wait = _wait(event, t, y, f, value)
        t, y = t + wait, _moved(f, t, y, wait)
        told.append((t, y))
        y = reset(event, t, y)
    return told, t, y


def _wait(event: Event, t: Any, y: Any, f: Callable[[Any, Any], Any], value: Call) -> Any:
    """Return the time until an event that is here in plain numbers: zero, with its derivatives up to the second."""
    wait: Any = 0.0

    def g(wait: Any) -> Any:
        return value(event, t + wait, _moved(f, t, y, wait))

    for _ in range(2):
        here, slope = jvp(g, (wait,), (1.0,))
        if not abs(float(raw(slope))) > 0.0:
            return wait if not isinstance(wait, Number) else wait - raw(wait)
        wait = wait - here / slope
        wait = wait - raw(wait)
    return wait


def _moved(f: Callable[[Any, Any], Any], t: Any, y: Any, h: Any) -> Any:
    """Return the state a time h later, where h is zero in plain numbers: its derivatives are right up to the fourth."""
    k_1 = f(t, y)
    k_2 = f(t + 0.5 * h, y + (0.5 * h) * k_1)
    k_3 = f(t + 0.5 * h, y + (0.5 * h) * k_2)
    k_4 = f(t + h, y + h * k_3)
    return y + (h / 6.0) * (k_1 + 2.0 * k_2 + 2.0 * k_3 + k_4)


def _check_orders(
    events: Sequence[Event], t: Any, y: Any, f: Callable[[Any, Any], Any], value: Call, reset: Call
) -> None:
    """Raise unless derivatives are the same in whichever order a small change of the start puts the events.

    Those of the state behind them, and those of their times.
    """
    here, start = float(raw(t)), np.array(raw(y), dtype=np.float64)

    def behind(order: Sequence[int]) -> Any:
        ordered = [events[i] for i in order]

        def through(state: Any) -> Any:
            wait = _wait(ordered[0], here, state, f, value)
            begin = here + wait
            told, t_end, y_end = _in_order(ordered, begin, _moved(f, here, state, wait), f, value, reset)
            times = dict(zip(order, [begin, *(when for when, _ in told)], strict=True))
            y_end = _moved(f, t_end, y_end, here - t_end)  # back, so that all orders are compared at one time
            return array_ops.stack([*(y_end[i] for i in range(len(start))), *(times[i] for i in range(len(events)))])

        return np.array(raw(through(start))), np.array(raw(jacobian(through)(start)))

    orders = itertools.islice(itertools.permutations(range(len(events))), _ORDERS)
    state, slopes = behind(next(orders))
    for order in orders:
        other, others = behind(order)
        apart = any(_differ(a, b, slopes) for a, b in zip(others, slopes, strict=True))
        if apart or _differ(other, state, state):
            names = " and ".join(event.name for event in events)
            raise RunError(
                f"solve_ivp: events at one time must give the same in any order for a derivative to exist; {names} at "
                f"t={here!r} do not. A small change of the start decides which of them comes first. Change the start, "
                "or solve without derivatives."
            )


def _differ(a: Any, b: Any, whole: Any) -> bool:
    """Whether two rows of numbers differ, by more than what is rounding in the table that they are from."""
    size = max(float(np.max(np.abs(a))), float(np.max(np.abs(b))), _SMALL * float(np.max(np.abs(whole))))
    return bool(np.max(np.abs(a - b)) > _APART * size)
