"""Truncated power series and how they come out of each other: the jet rule of every row of the table.

A row needs no rule of its own.  Its tangent rule says ``z' = sum_i partial_i(z, x) x_i'``, which is a recurrence for
coefficients: with ``x_k`` the coefficient of ``s**k`` in x(s) and r the series of the right-hand side,

    ``k z_k = r_(k-1)``,

and r_(k-1) needs nothing beyond z_(k-1) and x_k.  The partials are themselves primitives on series; equal ones are
made once, so that sin and cos, or exp and itself, close upon each other.  What is left to say by hand is where series
start: sums are linear, a product is the sum ``sum_j x_j y_(k-j)``, a quotient (and the solution of a linear system) is
the number whose product with the divisor is known, and a power has a base that may be divided by.

References
----------
Griewank and Walther, "Evaluating Derivatives", 2nd ed., chapter 13, tables 13.1 and 13.2; Jorba and Zou, "A software
package for the numerical integration of ODEs by means of high-order Taylor methods", Experiment. Math. 14 (2005),
proposition 2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, final

import numpy as np

from diffsim import array_ops, linear_algebra, ops
from diffsim.number import AnyNumber, Number, Params, raw, shape_of
from diffsim.primitive import Elementwise, Primitive, Select, Structural, bind

__all__ = ["Operation", "Rule", "Series", "constant_rule"]

Rule: TypeAlias = Callable[[int], AnyNumber]
"""From the order k >= 1 to the coefficient of ``s**k``, when all lower ones are known."""


@final
class Series:
    """The coefficients of one number: of ``s**0``, ``s**1``, ..., each computed when it is first asked for.

    Attributes
    ----------
    coefficients : list of numbers
        Those that are known; all of one shape.
    rule : Rule
    rate : number or None
        The derivative by s, once somebody has asked for it.
    """

    __slots__ = ("coefficients", "rate", "rule")

    def __init__(self, coefficients: list[AnyNumber], rule: Rule) -> None:
        self.coefficients, self.rule = coefficients, rule
        self.rate: AnyNumber = None

    def upto(self, k: int) -> list[AnyNumber]:
        """The coefficients, those of ``s**0`` to ``s**k`` at least."""
        c = self.coefficients
        while len(c) <= k:
            found = self.rule(len(c))
            c.append(float(found) if found.__class__ is np.float64 else found)
        return c


@final
class Operation:
    """One row applied to numbers of which some are series: what its rule is made of.

    Attributes
    ----------
    row : Primitive
    params : mapping
    args : sequence of numbers
        Jets and constants, as the row was given them.
    primals : sequence of numbers
        The same without series.
    series : mapping of int to Series
        The arguments that are series, by their position.
    z : number
        The result, a jet; its first coefficient is known.
    rate_of : callable
        From an argument that is a jet to its derivative by s.
    """

    __slots__ = ("args", "params", "primals", "rate_of", "row", "series", "z")

    def __init__(
        self,
        row: Primitive,
        params: Params,
        args: Sequence[AnyNumber],
        primals: Sequence[AnyNumber],
        series: Mapping[int, Series],
        z: AnyNumber,
        rate_of: Callable[[AnyNumber], AnyNumber],
    ) -> None:
        self.row, self.params, self.args, self.primals, self.series = row, params, args, primals, series
        self.z, self.rate_of = z, rate_of

    @property
    def out(self) -> AnyNumber:
        """The result's first coefficient."""
        return self.z._series.coefficients[0]

    def rule(self) -> Rule:
        """The rule for the coefficients of the result."""
        special = _SPECIAL.get(self.row.name)
        found = special(self) if special is not None else None
        if found is not None:
            return found
        if self._is_linear():
            return _fitted(self._linear_rule(), shape_of(self.out))
        if isinstance(self.row, Structural) and self.row.multilinear:
            return _convolution(self.series[0], self.series[1], lambda x, y: bind(self.row, (x, y), self.params))
        return self.rate_rule(self._rate())

    def rate_rule(self, rate: AnyNumber) -> Rule:
        """The rule of a result whose derivative is known: ``k z_k = r_(k-1)``."""
        self.z._series.rate, r = rate, rate._series
        return _fitted(lambda k: r.upto(k - 1)[k - 1] / k, shape_of(self.out))

    def _is_linear(self) -> bool:
        """Whether coefficients follow from coefficients of the same order."""
        row = self.row
        if isinstance(row, Structural) and row.multilinear:
            return len(self.series) == 1
        return row.linear or isinstance(row, Select) or row.name == "max"

    def _linear_rule(self) -> Rule:
        def rule(k: int) -> AnyNumber:
            moved = {i: x.upto(k)[k] for i, x in self.series.items()}
            return self.row.tangent(moved, self.out, self.primals, self.params)

        return rule

    def _rate(self) -> AnyNumber:
        """The derivative of the result by s, from the row's own derivative rule."""
        row, rates = self.row, {i: self.rate_of(self.args[i]) for i in self.series}
        if not isinstance(row, Elementwise):
            return row.tangent(rates, self.z, self.args, self.params)
        total: AnyNumber = None
        for i, rate in rates.items():
            # NOTE: no guard against 0 * inf as in `Elementwise.tangent`: `where` selects among coefficients
            partial = row.partial(i, self.z, self.args)
            term = rate if partial.__class__ is float and partial == 1.0 else rate * partial
            total = term if total is None else total + term
        return total


def constant_rule(zeroth: AnyNumber) -> Rule:
    """The rule of a number that does not change: all further coefficients are 0."""
    zero: AnyNumber = 0.0
    if shape_of(zeroth):
        zero = np.zeros(shape_of(zeroth))
    elif not isinstance(zeroth, float | np.generic | Number):
        zero = zeroth * 0  # fractions and multiprecision numbers keep their kind
    return lambda k: zero


def _fitted(rule: Rule, shape: tuple[int, ...]) -> Rule:
    """The same rule, its coefficients broadcast to the shape of the first one."""
    if not shape:
        return rule

    def fitted(k: int) -> AnyNumber:
        found = rule(k)
        return found if shape_of(found) == shape else array_ops.broadcast_to(found, shape)

    return fitted


# --- sums and products -----------------------------------------------------------------------------------------------


def _convolution(x: Series, y: Series, times: Callable[[AnyNumber, AnyNumber], AnyNumber]) -> Rule:
    """``z_k = sum_j x_j y_(k-j)``, summed from j = 0 up."""

    def rule(k: int) -> AnyNumber:
        a, b = x.upto(k), y.upto(k)
        total = times(a[0], b[k])
        for j in range(1, k + 1):
            total = total + times(a[j], b[k - j])
        return total

    return rule


def _exact_dot(a: Sequence[AnyNumber], b: Sequence[AnyNumber]) -> AnyNumber:
    """Return the scalar product of multiprecision numbers, rounded once; None for other numbers.

    PERF: products are not rounded one by one: half the time with 50 digits.
    """
    context = getattr(a[0], "context", None)
    return None if context is None else context.fdot(a, b)


def _dot(a: Sequence[AnyNumber], b: Sequence[AnyNumber]) -> AnyNumber:
    """Return the scalar product of numbers that are multiplied by ``*``, summed in order.

    PERF: those that are known last stand last, so that machine code has summed the others by then: 450 ns in place of
    630 for the series of the double pendulum of order 15.
    """
    total = a[0] * b[0]
    for p, q in zip(a[1:], b[1:], strict=True):
        total = total + p * q
    return total


def _product(x: Series, y: Series) -> Rule:
    """The same for numbers that are multiplied by ``*``.  PERF: a quarter of a call a term less."""

    def rule(k: int) -> AnyNumber:
        a, b = x.upto(k), y.upto(k)
        exact = _exact_dot(a[: k + 1], b[k::-1])
        if exact is not None:
            return exact
        return _dot([*a[1:k], a[0], a[k]], [*b[k - 1 : 0 : -1], b[k], b[0]])

    return rule


def _squared(x: Series) -> Rule:
    """``z_k = 2 (x_0 x_k + x_1 x_(k-1) + ...)``, half of the products."""

    def rule(k: int) -> AnyNumber:
        a, half = x.upto(k), (k + 1) // 2
        total = _exact_dot(a[:half], a[k:0:-1][:half])
        if total is None:
            total = _dot([*a[1:half], a[0]], [*a[k - 1 : k - half : -1], a[k]])
        total = 2 * total
        return total if k % 2 else total + a[k // 2] * a[k // 2]

    return rule


def _multiply(op: Operation) -> Rule:
    if len(op.series) == 2:
        x, y = op.series[0], op.series[1]
        return _squared(x) if x is y else _product(x, y)
    ((i, x),) = op.series.items()
    factor = op.primals[1 - i]
    return lambda k: x.upto(k)[k] * factor


def _square(op: Operation) -> Rule:
    return _squared(op.series[0])


def _add(op: Operation) -> Rule | None:
    if len(op.series) < 2 or any(shape_of(x) for x in op.primals):
        return None
    x, y = op.series[0], op.series[1]
    return lambda k: x.upto(k)[k] + y.upto(k)[k]


def _subtract(op: Operation) -> Rule | None:
    if len(op.series) < 2 or any(shape_of(x) for x in op.primals):
        return None
    x, y = op.series[0], op.series[1]
    return lambda k: x.upto(k)[k] - y.upto(k)[k]


# --- quotients -------------------------------------------------------------------------------------------------------


def _divide(op: Operation) -> Rule:
    return _quotient(op, 0, 1, lambda y, z: z * y, lambda y, x: bind(op.row, (x, y)))


def _solve(op: Operation) -> Rule:
    return _quotient(op, 1, 0, lambda a, z: linear_algebra.matmul(a, z), lambda a, b: bind(op.row, (a, b), op.params))


def _quotient(
    op: Operation,
    over: int,
    under: int,
    times: Callable[[AnyNumber, AnyNumber], AnyNumber],
    part: Callable[[AnyNumber, AnyNumber], AnyNumber],
) -> Rule:
    """``y_0 z_k = x_k - sum_(j<k) y_(k-j) z_j``, where z times y is x.

    Parameters
    ----------
    over, under : int
        Positions of x and y among the arguments.
    times : callable
        ``times(y, z)``.
    part : callable
        ``part(y, x)``, the number whose product with y is x.
    """
    x, y, z = op.series.get(over), op.series.get(under), op.z._series

    def rule(k: int) -> AnyNumber:
        if y is None:
            return part(op.primals[under], op.series[over].upto(k)[k])  # one of the two is a series
        below, done = y.upto(k), z.coefficients
        total = _exact_dot(below[k:0:-1], done[:k])
        if total is None:
            last = times(below[k], done[0])  # as in `_dot`
            total = last if k == 1 else times(below[k - 1], done[1])
            for j in range(2, k):
                total = total + times(below[k - j], done[j])
            total = last if k == 1 else total + last
        return part(below[0], -total if x is None else x.upto(k)[k] - total)

    return _fitted(rule, shape_of(op.out))


# --- powers ----------------------------------------------------------------------------------------------------------

_LARGEST_WHOLE = 64
"""Whole exponents up to which a power is a product of squares."""


def _power(op: Operation) -> Rule | None:
    """``z' = z (y' log x + y x' / x)``, and products where the exponent is a small whole number."""
    x, y, z = *op.args, op.z
    if 1 in op.series:
        # NOTE: the logarithm in the precision of the exponent, where that has more digits than the base
        rate = op.rate_of(y) * ops.log(x if 0 in op.series else x + 0 * op.primals[1])
        if 0 in op.series:
            rate = rate + y * op.rate_of(x) / x
        return op.rate_rule(z * rate)
    whole = y.__class__ in (float, int) and float(y).is_integer() and abs(y) <= _LARGEST_WHOLE
    if whole:
        same = _whole_power(x, int(y))._series if y else None
        return constant_rule(op.out) if same is None else lambda k: same.upto(k)[k]
    base = raw(op.primals[0])
    if not isinstance(base, Number) and not np.all(base):
        return None  # the row's own partial derivative, which knows what to do at 0
    return op.rate_rule(z * (op.rate_of(x) * y) / x)


def _whole_power(x: AnyNumber, n: int) -> AnyNumber:
    """``x**n`` by squaring, for a whole n that is not 0."""
    if n < 0:
        return 1.0 / _whole_power(x, -n)
    found: AnyNumber = None
    while n:
        if n % 2:
            found = x if found is None else found * x
        n //= 2
        x = x * x if n else x
    return found


_SPECIAL: Mapping[str, Callable[[Operation], Rule | None]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "square": _square,
    "divide": _divide,
    "solve": _solve,
    "power": _power,
}
