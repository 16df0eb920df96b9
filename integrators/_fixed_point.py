"""The Taylor method on fixed-point numbers: many digits, a tenth of the time that floating multiprecision takes.

Where a state and its rates have sizes around 1 and what counts is an absolute error, every number may be a whole number
of units 2^-bits.  The right-hand side is traced once; the power series of a step are lists of Python's integers, and
the convolutions, which are nearly all of the work, are sums of products of integers that run in C.  Time is counted in
steps, so that coefficient k comes with h^k and none of them is large.

`solve_multiprecision` does the same with floating numbers, for any right-hand side; it is the judge of this.

References
----------
Jorba and Zou, "A software package for the numerical integration of ODEs by means of high-order Taylor methods",
Experimental Mathematics 14 (2005) 99-117; Griewank and Walther, Evaluating Derivatives, chapter 13 (recurrences).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

import numpy as np

from diffsim.errors import RunError
from diffsim.graph import Graph, trace
from diffsim.protocols import parameter_values, with_parameters

__all__: list[str] = []

GUARD = 40
"""Bits beyond those that are asked for."""
_GROWTH = 1.6  # of the step from one to the next, at most
_TRIES = 40

Series = list[int]
Rule = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class FixedStep:
    """A step: ``series[i][k]`` is the coefficient k of component i, times h^k, in units of 2^-bits."""

    t: Any
    h: Any
    series: tuple[Series, ...]


@dataclass(frozen=True, eq=False)
class FixedField:
    """The right-hand side of a System as a graph of integers.

    Attributes
    ----------
    graph : Graph
        Of ``(t, y, parameters) -> rates``.
    parameters : tuple
        Their values: floats, which are taken exactly, or mpmath's numbers.
    """

    graph: Graph
    parameters: tuple[Any, ...]

    def steps(self, y0: Sequence[int], t_end: Any, bits: int, digits: int) -> Any:
        """Yield the `FixedStep` s from time 0 to ``t_end`` (which may be negative).

        Parameters
        ----------
        y0 : sequence of int (n,)
            Start in units of 2^-bits.
        t_end : mpf
        bits : int
            Of all numbers; at least ``3.33 digits + GUARD``.
        digits : int
            Decimal digits, absolute, to which a step is exact.

        Raises
        ------
        RunError
            The steps become too short.
        """
        import mpmath

        order = math.ceil(digits * math.log(10.0) / 2.0) + 2
        with mpmath.workprec(bits + 20):
            t, t_end, y = mpmath.mpf(0), mpmath.mpf(t_end), list(y0)
            h = mpmath.sign(t_end) * mpmath.mpf(0.02)
            while t != t_end:
                h = h if abs(h) < abs(t_end - t) else t_end - t
                series, h, longest = self._step(t, h, y, order, bits, digits)
                yield FixedStep(t, h, series)
                y = [sum(column) for column in series]
                t = t_end if h == t_end - t else t + h
                h = longest

    def _step(
        self, t: Any, h: Any, y: Sequence[int], order: int, bits: int, digits: int
    ) -> tuple[tuple[Series, ...], Any, Any]:
        """Return the series over a step no longer than h, that step, and how long the next one may be."""
        limit = int(math.ldexp(10.0 ** (-min(digits, 300)), 60)) if digits < 15 else 0
        limit = limit << (bits - 60) if limit else (1 << bits) // 10**digits
        for _ in range(_TRIES):
            series = self._series(t, h, y, order, bits)
            ratio = min(_longest(series, k, limit) for k in (order - 1, order))
            if ratio >= 1.0:
                return series, h, h * min(ratio, _GROWTH)
            if ratio > 0.2:  # the coefficients may be used for a shorter step
                return tuple(_shrunk(column, ratio, bits) for column in series), h * _exact(ratio), h * _exact(ratio)
            h = h * _exact(max(ratio, 0.05))
        raise RunError(f"the steps become too short at t={float(t):.8g}: the solution may blow up there.")

    def _series(self, t: Any, h: Any, y: Sequence[int], order: int, bits: int) -> tuple[Series, ...]:
        import mpmath

        unit = mpmath.mpf(2) ** bits
        step = int(mpmath.nint(h * unit))
        columns = [[x] for x in y]
        inputs: list[Series] = [[int(mpmath.nint(t * unit)), step, *[0] * (order - 1)], *columns]
        inputs += [[int(mpmath.nint(mpmath.mpf(value) * unit))] for value in self.parameters]
        values, rules = _recorded(self.graph, inputs, bits)
        found = [values[i] for i in np.ravel(self.graph.result)]
        for k in range(order):
            for rule in rules:
                rule(k)
            for column, rate in zip(columns, found, strict=True):
                c = rate[k] if k < len(rate) else 0
                column.append((c * step >> bits) // (k + 1))
        return tuple(columns)


def fixed_field(system: Any) -> FixedField | None:
    """Return the right-hand side of a System for fixed-point numbers; None where it needs a function that has no rule.

    Its parameters are inputs, so that what is computed of them is computed to all digits.
    """
    values = parameter_values(system)

    def rates(t: Any, y: Any, parameters: Any) -> Any:
        return with_parameters(system, list(parameters))(t, y)

    graph = trace(rates, 0.0, np.zeros(len(system.state_names)), np.array([float(v) for v in values]))
    if any(node.row is not None and node.row.name not in RULES for node in graph.nodes):
        return None
    return FixedField(graph, tuple(values))


def _exact(ratio: float) -> Any:
    import mpmath

    return mpmath.mpf(ratio)


def _longest(series: Sequence[Series], k: int, limit: int) -> float:
    """Return by how much the step may grow until term k is as large as ``limit``."""
    size = max(abs(column[k]) for column in series)
    if not size:
        return math.inf
    return 0.9 * math.exp((math.log(limit) - math.log(size)) / k)


def _shrunk(column: Series, ratio: float, bits: int) -> Series:
    """Return the coefficients for a step that is ``ratio`` times as long."""
    factor, power, found = int(math.ldexp(ratio, 60)) << (bits - 60), 1 << bits, []
    for c in column:
        found.append(c * power >> bits)
        power = power * factor >> bits
    return found


# -- recurrences: rule(k) appends the coefficient k of a node, given those of its operands ---------------------------


def _recorded(graph: Graph, inputs: Sequence[Series], bits: int) -> tuple[list[Series], list[Rule]]:
    """Return the series of all nodes, and the rules that lengthen them in order; constants have one coefficient."""
    values, rules, given = list[Series](), list[Rule](), iter(inputs)
    moving = list[bool]()
    n = len(graph.result.ravel())
    for i, node in enumerate(graph.nodes):
        if node.row is None:
            values.append(next(given) if node.value is None else [_unit(node.value, bits)])
            moving.append(node.value is None and i <= n)
            continue
        operands = [values[j] for j in node.operands]
        out: Series = []
        rule = RULES[node.row.name](out, operands, [moving[j] for j in node.operands], bits)
        moves = any(moving[j] for j in node.operands)
        if moves:
            rules.append(rule)
        else:
            rule(0)
        values.append(out)
        moving.append(moves)
    return values, rules


def _unit(value: Any, bits: int) -> int:
    numerator, denominator = float(value).as_integer_ratio()
    return (numerator << bits) // denominator


def _at(x: Series, k: int) -> int:
    return x[k] if k < len(x) else 0


def _add(out: Series, x: Sequence[Series], moving: Sequence[bool], bits: int) -> Rule:
    return lambda k: out.append(_at(x[0], k) + _at(x[1], k))


def _subtract(out: Series, x: Sequence[Series], moving: Sequence[bool], bits: int) -> Rule:
    return lambda k: out.append(_at(x[0], k) - _at(x[1], k))


def _negative(out: Series, x: Sequence[Series], moving: Sequence[bool], bits: int) -> Rule:
    return lambda k: out.append(-x[0][k])


def _multiply(out: Series, x: Sequence[Series], moving: Sequence[bool], bits: int) -> Rule:
    a, b = x
    if all(moving):
        return lambda k: out.append(sum(map(mul, a[: k + 1], b[k::-1])) >> bits)
    factor, other = (b[0], a) if moving[0] else (a[0], b)
    return lambda k: out.append(factor * other[k] >> bits)


def _square(out: Series, x: Sequence[Series], moving: Sequence[bool], bits: int) -> Rule:
    return _multiply(out, [x[0], x[0]], [moving[0]] * 2, bits)


def _divide(out: Series, x: Sequence[Series], moving: Sequence[bool], bits: int) -> Rule:
    a, b = x
    if not moving[1]:
        return lambda k: out.append((_at(a, k) << bits) // b[0])

    def rule(k: int) -> None:
        tail = sum(map(mul, b[1 : k + 1], out[k - 1 :: -1])) if k else 0
        out.append(((_at(a, k) << bits) - tail) // b[0])

    return rule


def _sqrt(out: Series, x: Sequence[Series], moving: Sequence[bool], bits: int) -> Rule:
    (a,) = x

    def rule(k: int) -> None:
        if not k:
            out.append(math.isqrt(a[0] << bits))
            return
        tail = sum(map(mul, out[1:k], out[k - 1 : 0 : -1])) if k > 1 else 0
        out.append(((a[k] << bits) - tail) // (2 * out[0]))

    return rule


def _function(name: str, value: int, bits: int) -> int:
    """mpmath's function of a fixed-point number."""
    import mpmath

    with mpmath.workprec(bits + 20):
        return int(mpmath.nint(mpmath.ldexp(getattr(mpmath, name)(mpmath.ldexp(mpmath.mpf(value), -bits)), bits)))


def _exp(out: Series, x: Sequence[Series], moving: Sequence[bool], bits: int) -> Rule:
    (u,), slope = x, [0]

    def rule(k: int) -> None:
        if not k:
            out.append(_function("exp", u[0], bits))
            return
        slope.append(k * u[k])
        out.append((sum(map(mul, slope[1 : k + 1], out[k - 1 :: -1])) >> bits) // k)

    return rule


def _circular(first: str) -> Callable[..., Rule]:
    """Sine or cosine, with the other one beside it: s' = u' c, c' = -u' s."""

    def make(out: Series, x: Sequence[Series], moving: Sequence[bool], bits: int) -> Rule:
        (u,), slope, other = x, [0], list[int]()
        second, sign = ("cos", 1) if first == "sin" else ("sin", -1)

        def rule(k: int) -> None:
            if not k:
                out.append(_function(first, u[0], bits))
                other.append(_function(second, u[0], bits))
                return
            slope.append(k * u[k])
            tail = slope[1 : k + 1]
            a, b = sum(map(mul, tail, other[k - 1 :: -1])), sum(map(mul, tail, out[k - 1 :: -1]))
            out.append(sign * (a >> bits) // k)
            other.append(-sign * (b >> bits) // k)

        return rule

    return make


RULES: dict[str, Callable[..., Rule]] = {
    "add": _add,
    "subtract": _subtract,
    "negative": _negative,
    "multiply": _multiply,
    "square": _square,
    "divide": _divide,
    "sqrt": _sqrt,
    "exp": _exp,
    "sin": _circular("sin"),
    "cos": _circular("cos"),
}
"""Name of a primitive -> ``make(out, operands, moving, bits)``, which returns its rule."""
