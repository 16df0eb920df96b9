"""The referee of `balance`: another method, another arithmetic.

Gragg's modified midpoint rule with Bulirsch and Stoer's extrapolation, on mpmath's floating numbers.  It has
nothing in common with the Taylor series on fixed-point numbers that found the start but the equations.

References
----------
Hairer, Norsett and Wanner, "Solving Ordinary Differential Equations I", 2nd ed., section II.9, equations
(9.10), (9.13).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from diffsim.errors import RunError
from studies._balance_exact import ExactFlow, Orbit
from studies._checks import Floats

__all__: list[str] = []

_GUARD = 12
_SAFETY = 0.9
_SHORTEST = 1e-9
_LONGEST = 0.6  # time constants of the fastest direction: between its steps the orbit is a cubic


def refereed(flow: ExactFlow, free: Sequence[Any], turns: tuple[int, ...], t_end: float, size: float) -> Orbit:
    """Return the orbit of a start by extrapolation, until ``t_end``, or until the largest angle of x has fallen
    below half of ``size`` and is again above it.

    Between the steps it is the cubic that has the states and rates of both ends: good to 1e-4 s for when it leaves.

    Raises
    ------
    RunError
        The steps become too short.
    """
    import mpmath

    digits = flow.digits
    rest, held = flow.rest(turns), flow.search.equilibrium.held
    with mpmath.workdps(digits + _GUARD + digits // 5):
        f, y = _rates(flow), flow.start(free)
        columns, longest = max(6, round(0.45 * digits)), _LONGEST / float(flow.search.equilibrium.rates.max())
        tolerance = mpmath.mpf(10) ** -digits
        t, h, been = mpmath.mpf(0), mpmath.mpf(0.05), False
        rate = f(y)
        times, states, rates = [0.0], [_away(y, rest)], [[float(v) for v in rate]]
        while t < t_end:
            # NOTE: no step ends beyond the border that began deep inside: the cubic would miss when it was crossed
            room = max(1.0, math.log(0.1 * size / max(max(abs(v) for v in states[-1]), 1e-300)) / _LONGEST)
            h = min(h, t_end - t, mpmath.mpf(longest * room))
            new, error = _extrapolated(f, y, rate, h, columns)
            ratio = float(min(error / tolerance, mpmath.mpf(10) ** 300))
            factor = _SAFETY * max(ratio, 1e-300) ** (-1.0 / (2 * columns - 1))
            if ratio <= 1.0:
                t, y, rate = t + h, new, f(new)
                times.append(float(t))
                states.append(_away(y, rest))
                rates.append([float(v) for v in rate])
                now = max(abs(states[-1][i]) for i in held)
                if been and now > size:
                    break
                been = been or now < 0.5 * size
            h = h * min(max(factor, 0.3), 1.7)
            if h < _SHORTEST:
                raise RunError(f"balance: the referee's steps become too short at t={float(t):.8g}.")
    return _joined(np.array(times), np.array(states).T, np.array(rates).T)


def _rates(flow: ExactFlow) -> Any:
    """Return the rates as a function of a list of mpmath's numbers.

    What derives its equations from an energy at each call is recorded once; the record is compared with the System.
    """
    import mpmath

    system = flow.system()
    if flow.field is None:
        return lambda state: list(system(mpmath.mpf(0), state))
    graph, parameters = flow.field.graph, [mpmath.mpf(value) for value in flow.field.parameters]
    places = [int(i) for i in np.ravel(graph.result)]

    def f(state: list[Any]) -> list[Any]:
        values = graph.evaluate([mpmath.mpf(0), *state, *parameters])
        return [mpmath.mpf(values[i]) for i in places]

    probe = flow.start([mpmath.mpf(1) / (k + 3) for k in range(len(flow.search.free))])
    for a, b in zip(f(probe), system(mpmath.mpf(0), probe), strict=True):
        if abs(a - b) > mpmath.mpf(10) ** -flow.digits * (1 + abs(b)):
            raise RunError(f"balance: the record of {type(system).__name__} differs from its rates: {a} and {b}.")
    return f


def _away(y: Sequence[Any], rest: Sequence[Any]) -> list[float]:
    return [float(v - o) for v, o in zip(y, rest, strict=True)]


def _extrapolated(f: Any, y: list[Any], rate: list[Any], h: Any, columns: int) -> tuple[list[Any], Any]:
    """Return the state after h and an estimate of its error, by ``columns`` midpoint rules of 2, 4, 6, ... steps."""
    table: list[list[list[Any]]] = []
    for j in range(1, columns + 1):
        row = [_midpoint(f, y, rate, h, 2 * j)]
        for k in range(1, j):
            divisor = 1 / ((_square(j) / _square(j - k)) - 1)
            row.append([a + (a - b) * divisor for a, b in zip(row[k - 1], table[-1][k - 1], strict=True)])
        table.append(row)
    last = table[-1]
    return last[-1], max(abs(a - b) for a, b in zip(last[-1], last[-2], strict=True))


def _square(j: int) -> Any:
    import mpmath

    return mpmath.mpf(j) ** 2


def _midpoint(f: Any, y: list[Any], rate: list[Any], h: Any, n: int) -> list[Any]:
    """Gragg's rule of n steps without its smoothing step, which extrapolation does not need (n even)."""
    step = h / n
    before, now = y, [a + step * b for a, b in zip(y, rate, strict=True)]
    for _ in range(n - 1):
        before, now = now, [a + 2 * step * b for a, b in zip(before, f(now), strict=True)]
    return now


def _joined(t: Floats, x: Floats, rates: Floats) -> Orbit:
    """Return the orbit whose pieces are the cubics that have the states and rates of both ends."""
    pieces = []
    for k, h in enumerate(np.diff(t)):
        a, b, u, v = x[:, k], x[:, k + 1], h * rates[:, k], h * rates[:, k + 1]
        rise = b - a
        pieces.append(np.stack([a, u, 3.0 * rise - 2.0 * u - v, u + v - 2.0 * rise], axis=1))
    return Orbit(t, tuple(pieces), np.zeros((len(pieces), 0)))
