"""Simplification of expression graphs: one rule a line, applied while a graph is built.

A rule looks at the operands of a new node and answers with the node that says the same with less, or None.
Rules hold for finite numbers: ``0 * x`` becomes 0 although NaN has another opinion.  Everything else keeps its bits,
but for the sign of a zero (``x + 0.0`` is x, ``-(x - y)`` is ``y - x``) and the last bit of ``x**2`` and ``x**-1``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from diffsim.primitive import TABLE

__all__ = ["RULES", "Expression", "commutes"]


class Expression(Protocol):
    """What a rule sees of a node under construction."""

    def constant(self) -> Any:
        """The number, or None if it is not a constant."""

    def operands(self, name: str) -> Sequence[Expression] | None:
        """The operands, if this is a node of the named primitive; else None."""

    def same(self, other: Expression) -> bool:
        """Whether both are the same node."""


Rule = Callable[..., Any]
_COMMUTATIVE = frozenset(
    {"add", "multiply", "maximum", "minimum", "hypot", "equal", "not_equal", "logical_and", "logical_or"}
)


def commutes(name: str) -> bool:
    """Whether the order of the two operands does not matter (and may be made canonical)."""
    return name in _COMMUTATIVE


def _is(x: Expression, number: float) -> bool:
    constant = x.constant()
    return isinstance(constant, float | int) and constant == number


def _add(x: Any, y: Any) -> Any:
    if _is(x, 0.0):
        return y
    if _is(y, 0.0):
        return x
    if (inner := y.operands("negative")) is not None:
        return x - inner[0]
    if (inner := x.operands("negative")) is not None:
        return y - inner[0]
    return None


def _subtract(x: Any, y: Any) -> Any:
    if _is(y, 0.0):
        return x
    if _is(x, 0.0):
        return -y
    if (inner := y.operands("negative")) is not None:
        return x + inner[0]
    return None


def _multiply(x: Any, y: Any) -> Any:
    for a, b in ((x, y), (y, x)):
        if _is(a, 0.0):
            return 0.0
        if _is(a, 1.0):
            return b
        if _is(a, -1.0):
            return -b
    if x.same(y):
        return TABLE["square"](x)
    return None


def _divide(x: Any, y: Any) -> Any:
    if _is(y, 1.0):
        return x
    if _is(y, -1.0):
        return -x
    constant = y.constant()
    if isinstance(constant, float) and abs(math.frexp(constant)[0]) == 0.5 and 1e-300 < abs(constant) < 1e300:
        return x * (1.0 / constant)  # a power of two: exact
    return None


def _power(x: Any, y: Any) -> Any:
    if _is(y, 0.0):
        return 1.0
    if _is(y, 1.0):
        return x
    if _is(y, 2.0):
        return TABLE["square"](x)
    if _is(y, -1.0):
        return 1.0 / x
    return None


def _negative(x: Any) -> Any:
    if (inner := x.operands("negative")) is not None:
        return inner[0]
    if (inner := x.operands("subtract")) is not None:
        return inner[1] - inner[0]
    return None


def _even(name: str) -> Rule:
    def rule(x: Any) -> Any:
        inner = x.operands("negative")
        return None if inner is None else TABLE[name](inner[0])

    return rule


def _where(condition: Any, a: Any, b: Any) -> Any:
    if a.same(b):
        return a
    constant = condition.constant()
    return None if constant is None else (a if constant else b)


def _idempotent(x: Any, y: Any) -> Any:
    return x if x.same(y) else None


def _joined(absorbing: bool) -> Rule:
    """``and`` (absorbing False) or ``or`` (absorbing True)."""

    def rule(x: Any, y: Any) -> Any:
        for a, b in ((x, y), (y, x)):
            constant = a.constant()
            if constant is not None:
                return absorbing if bool(constant) is absorbing else b
        return _idempotent(x, y)

    return rule


def _logical_not(x: Any) -> Any:
    inner = x.operands("logical_not")
    return None if inner is None else inner[0]


RULES: dict[str, Rule] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "power": _power,
    "negative": _negative,
    "square": _even("square"),
    "cos": _even("cos"),
    "cosh": _even("cosh"),
    "abs": _even("abs"),
    "where": _where,
    "maximum": _idempotent,
    "minimum": _idempotent,
    "logical_and": _joined(absorbing=False),
    "logical_or": _joined(absorbing=True),
    "logical_not": _logical_not,
}
