"""The steps of a Taylor method on multiprecision numbers: power series, one after the other."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.jets import solution_series
from integrators.drivers.right_hand_side import label

__all__: list[str] = []

EXTRA = 2
"""Digits by which the error of a step stays below those that are asked for."""
_SHORTEST = 10.0


def walk(
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    ends: tuple[Any, Any],
    start: NDArray[np.object_],
    order: int,
    digits: int,
    max_steps: int,
) -> tuple[list[Any], list[Any], str]:
    """Return the times of the steps and the series there, that of the end the state alone; and what went wrong."""
    import mpmath

    def f(t: Any, y: Any) -> Any:
        return fun(t, y, *args)

    (t, t1), y = ends, start
    nodes: list[Any] = [t]
    series: list[Any] = []
    c, problem = _series(f, t, y, order, fun)
    while t != t1 and not problem:
        if len(series) == max_steps:
            problem = f"max_steps={max_steps} steps are used up at t={mpmath.nstr(t, 8)}."
            break
        made, problem = _attempt(f, fun, t, t1, c, digits)
        if not problem:
            series.append(c)
            t, y, c = made
            nodes.append(t)
    series.append([y])
    return nodes, series, problem


def _attempt(
    f: Callable[..., Any], fun: Callable[..., Any], t: Any, t1: Any, c: Sequence[Any], digits: int
) -> tuple[Any, str]:
    """Return the end of a step, the state and the series there; or None and what went wrong.

    A series that ends by accident (``y' = t**90`` at 0) or a kink shows in the derivative at the end: then a shorter
    step is made.
    """
    import mpmath

    order, lost = len(c) - 1, ""
    h = _step(c, order, digits)
    while h >= _SHORTEST * mpmath.eps * (abs(t) or abs(t1)):
        t_new = t1 if h >= abs(t1 - t) else t + h * mpmath.sign(t1 - t)
        y_new = _value(c, t_new - t)
        after, lost = _series(f, t_new, y_new, order, fun)
        if not lost:
            slope = _value([k * x for k, x in enumerate(c)][1:], t_new - t)
            defect = _norm(slope - after[1]) * abs(t_new - t) / (order + 1)
            size = max(_norm(c[0]), _norm(y_new)) or _norm(c[1]) or mpmath.mpf(1)
            if defect <= size * mpmath.mpf(10) ** -digits:
                return (t_new, y_new, after), ""
        h = abs(t_new - t) / 4
    short = f"the steps become too short at t={mpmath.nstr(t, 8)}: the solution may blow up there."
    return None, lost or short


def _series(f: Callable[..., Any], t: Any, y: Any, order: int, fun: Callable[..., Any]) -> tuple[Sequence[Any], str]:
    """Return the series of the solution through (t, y), and what is wrong with it."""
    import mpmath

    try:
        c = solution_series(f, t, y, order)
    except ZeroDivisionError:  # mpmath's word for 1 / 0, log(0), ...
        return (), f"{label(fun)} divides by zero at t={mpmath.nstr(t, 8)}."
    if not all(mpmath.isfinite(x) for x in (*c[1], *c[-1])):
        return (), f"the derivatives of {label(fun)} are not finite at t={mpmath.nstr(t, 8)}."
    return c, ""


def _step(c: Sequence[Any], order: int, digits: int) -> Any:
    """Return the step of a series: its last two terms stay below the tolerance relative to the state.

    Where the state is 0 they stay so relative to its change.
    """
    import mpmath

    tolerance = mpmath.mpf(10) ** -(digits + EXTRA)
    size = _norm(c[0]) or _norm(c[1]) or mpmath.mpf(1)
    steps = [(tolerance * size / _norm(c[k])) ** (mpmath.mpf(1) / k) for k in (order - 1, order) if _norm(c[k])]
    return min(steps, default=mpmath.inf)


def _norm(x: Any) -> Any:
    return max(abs(component) for component in x)


def _value(c: Sequence[Any], x: Any) -> Any:
    """Return ``c_0 + c_1 x + c_2 x**2 + ...``."""
    total = c[-1]
    for coefficient in c[-2::-1]:
        total = coefficient + total * x
    return total


def at_time(nodes: Sequence[Any], series: Sequence[Any], t: Any) -> Any:
    """Return the state at a time within the span."""
    forward = nodes[-1] >= nodes[0]
    k = bisect.bisect_right(nodes, t) if forward else bisect.bisect_right(nodes, -t, key=lambda x: -x)
    return _value(series[k - 1], t - nodes[k - 1])
