"""Strength reduction: a graph that computes the same numbers, up to a few units in the last place, with less.

For compiled code, where a division costs as much as ten multiplications and a power as much as fifty.  Applied after
differentiation, since derivatives of ``x**1.5`` at 0 are those of the table.

==============================  =======================================  ==============================================
found                           becomes                                  error, in units in the last place
==============================  =======================================  ==============================================
``x**n, x**(n + 1/2)``, to 8    products, a root, a reciprocal           |n| / 2 + 2 (and that of the power)
``a / p``, p fixed              ``a * (1 / p)``, the reciprocal once     1.5
``a / d, b / d``                ``r = 1 / d; a * r, b * r``              1.5; d in 2^-1022 ... 2^1022
``a * (1 / d)``, alone          ``a / d``                                better
``p * (x * (q * y))``           ``(p * q) * (x * y)``, p and q fixed     1.5
``sigmoid(x), sigmoid(-x)``     one exponential, one division            2
``(-a) * b, (-a) / b``, ...     the sign moves out, or into a constant   0
==============================  =======================================  ==============================================

*Fixed* is what depends on constants and on inputs that stay the same during a run, so that a compiler computes it once.
Common factors, ``c*x + c*y``, are left: with fused multiply-add, taking them out saves nothing.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, final

from diffsim import ops
from diffsim.dataflow import fixed_nodes, is_row, rebuilt, uses_of
from diffsim.graph import Graph
from diffsim.primitive import Primitive, bind
from diffsim.tracer import Tracer

__all__ = ["addition_theorem", "strengthen"]

_LARGEST_POWER = 8.5


def strengthen(graph: Graph, *, fixed: Collection[int] = ()) -> Graph:
    """The graph with the reductions of the module's table.

    Parameters
    ----------
    graph : Graph
    fixed : collection of int
        The inputs that stay the same while the graph is evaluated many times, such as parameters.

    Returns
    -------
    Graph
        Of the same form.

    Examples
    --------
    >>> from diffsim.graph import trace
    >>> print(strengthen(trace(lambda x, y: (x / y**3, 2.0 / y**3), 1.0, 1.0)))
    inputs x, y
    v2 = square(y)
    v3 = y * v2
    v5 = 1.0 / v3
    v6 = x * v5
    v8 = v5 * 2.0
    return[0] v6
    return[1] v8
    """
    graph = _without_opposite_sigmoids(graph)
    graph = _with_rules(graph, fixed)
    graph = _with_reciprocals(graph, fixed)
    return _with_fixed_factors_together(graph, fixed)


def addition_theorem(graph: Graph) -> Graph:
    """The graph with sin and cos of ``a + b`` and ``a - b`` made from those of a and b, where it needs these anyway.

    NOTE: the absolute error stays below 5e-16, but near the zeros of the result, such as sin(a - b) for a near b, its
    relative accuracy is lost: sin(1 + 1e-12 - 1) has 4 digits right.  `strengthen` does not do this.

    Examples
    --------
    >>> from diffsim.graph import trace
    >>> graph = trace(lambda a, b: ops.sin(a - b) * ops.sin(a) * ops.cos(b), 1.0, 1.0)
    >>> addition_theorem(graph).count() == {"sin": 2, "cos": 2, "multiply": 4, "subtract": 1}
    True
    """
    angles = {node.operands[0] for node in graph.nodes if node.row is not None and node.row.name in ("sin", "cos")}

    def visit(i: int, row: Primitive, args: list[Any]) -> Any:
        inner = graph.nodes[graph.nodes[i].operands[0]]
        apart = (is_row(inner, "add") or is_row(inner, "subtract")) and angles.issuperset(inner.operands)
        if row.name not in ("sin", "cos") or not apart:
            return bind(row, args)
        a, b = (values[j] for j in inner.operands)
        plus = is_row(inner, "add") is (row.name == "sin")
        if row.name == "sin":
            left, right = ops.sin(a) * ops.cos(b), ops.cos(a) * ops.sin(b)
        else:
            left, right = ops.cos(a) * ops.cos(b), ops.sin(a) * ops.sin(b)
        return left + right if plus else left - right

    values: list[Any] = []
    return rebuilt(graph, visit, values)


# --- rules that look at one operation --------------------------------------------------------------------------------


def _with_rules(graph: Graph, fixed: Collection[int]) -> Graph:
    resting, uses = fixed_nodes(graph, fixed), uses_of(graph)
    values: list[Any] = []
    known, shared = set[int](), set[int]()  # the new nodes that are fixed, and those that are used more than once

    def visit(i: int, row: Primitive, args: list[Any]) -> Any:
        for j, x in zip(graph.nodes[i].operands, args, strict=True):
            if isinstance(x, Tracer) and resting[j]:
                known.add(x._index)
            if isinstance(x, Tracer) and uses[j] > 1:
                shared.add(x._index)
        rule = _RULES.get(row.name)
        reduced = rule(_Facts(known, shared), *args) if rule is not None else None
        return bind(row, args) if reduced is None else reduced

    return rebuilt(graph, visit, values)


@final
@dataclass(frozen=True)
class _Facts:
    """What the rules need to know of a number beside how it is made."""

    known: Collection[int]
    shared: Collection[int]

    def fixed(self, x: Any) -> bool:
        return not isinstance(x, Tracer) or x.constant() is not None or x._index in self.known

    def opened(self, x: Any) -> Any:
        """What x is the opposite of, if its sign had better move: it is neither free nor shared."""
        return None if self.fixed(x) or x._index in self.shared else _opposite(x)


def _opposite(x: Tracer) -> Any:
    """What x is the negative of, if it is one."""
    inner = x.operands("negative")
    return None if inner is None else inner[0]


def _constant(x: Any) -> Any:
    return x.constant() if isinstance(x, Tracer) else x


def _power(facts: _Facts, x: Any, y: Any) -> Any:
    n = _constant(y)
    if _constant(x) is not None or not isinstance(n, float) or not (2.0 * n).is_integer() or abs(n) > _LARGEST_POWER:
        return None
    whole = int(abs(n))
    product = _chain(x, whole) if whole else None
    if not n.is_integer():
        root = ops.sqrt(x)
        product = root if product is None else product * root
    if product is None:
        return 1.0
    return product if n > 0.0 else 1.0 / product


def _chain(x: Any, n: int) -> Any:
    """``x**n`` by squaring."""
    if n == 1:
        return x
    half = ops.square(_chain(x, n // 2))
    return x * half if n % 2 else half


def _multiply(facts: _Facts, x: Any, y: Any) -> Any:
    for a, b in ((x, y), (y, x)):
        inner = facts.opened(a)
        if inner is not None:
            return -b * inner if facts.fixed(b) else -(inner * b)
    return None


def _divide(facts: _Facts, x: Any, y: Any) -> Any:
    if (inner := facts.opened(x)) is not None:
        return inner / -y if facts.fixed(y) else -(inner / y)
    if (inner := facts.opened(y)) is not None:
        return -x / inner if facts.fixed(x) else -(x / inner)
    return None


def _negative(facts: _Facts, x: Any) -> Any:
    if not isinstance(x, Tracer) or facts.fixed(x):
        return None
    for k, a in enumerate(x.operands("multiply") or ()):
        if facts.fixed(a):
            return -a * (x.operands("multiply") or ())[1 - k]
    if (quotient := x.operands("divide")) is not None and x._index not in facts.shared:
        above, below = quotient
        if facts.fixed(above):
            return -above / below
        if facts.fixed(below):
            return above / -below
    return None


_RULES: dict[str, Callable[..., Any]] = {
    "power": _power,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
}

# --- passes that look at the whole graph -----------------------------------------------------------------------------


def _with_reciprocals(graph: Graph, fixed: Collection[int]) -> Graph:
    """One division for all quotients by the same number, and none in the loop by a fixed one."""
    resting, uses = fixed_nodes(graph, fixed), uses_of(graph)
    quotients = Counter(
        node.operands[1] for i, node in enumerate(graph.nodes) if is_row(node, "divide") and not resting[i]
    )
    values: list[Any] = []

    def alone(j: int) -> bool:
        """Whether node j is a reciprocal that is used once, and the only quotient by its divisor."""
        node = graph.nodes[j]
        if not is_row(node, "divide") or uses[j] > 1 or resting[j]:
            return False
        above, below = node.operands
        return quotients[below] == 1 and isinstance(value := graph.nodes[above].value, float) and value == 1.0

    def visit(i: int, row: Primitive, args: list[Any]) -> Any:
        if row.name == "divide" and not resting[i]:
            j = graph.nodes[i].operands[1]
            if graph.nodes[j].value is None and (resting[j] or quotients[j] > 1):
                return args[0] * (1.0 / args[1])
        if row.name == "multiply" and not resting[i]:
            for k, j in enumerate(graph.nodes[i].operands):
                if alone(j):
                    return args[1 - k] / values[graph.nodes[j].operands[1]]
        return bind(row, args)

    return rebuilt(graph, visit, values)


def _with_fixed_factors_together(graph: Graph, fixed: Collection[int]) -> Graph:
    """Multiply the fixed factors of a product with each other, where none of the partial products is used twice."""
    resting, uses = fixed_nodes(graph, fixed), uses_of(graph)
    products = {i for i, node in enumerate(graph.nodes) if is_row(node, "multiply") and not resting[i]}
    inner = {j for i in products for j in graph.nodes[i].operands if j in products and uses[j] == 1}
    outermost = products - inner
    values: list[Any] = []

    def factors(i: int) -> list[int]:
        found: list[int] = []
        stack = [i]
        while stack:
            j = stack.pop()
            if j == i or j in inner:
                stack.extend(reversed(graph.nodes[j].operands))
            else:
                found.append(j)
        return found

    def visit(i: int, row: Primitive, args: list[Any]) -> Any:
        parts = factors(i) if i in outermost else []
        still = [j for j in parts if resting[j]]
        if len(still) < 2:
            return bind(row, args)
        return functools.reduce(operator.mul, [values[j] for j in (*still, *(j for j in parts if not resting[j]))])

    return rebuilt(graph, visit, values)


def _without_opposite_sigmoids(graph: Graph) -> Graph:
    """Compute sigmoid(x) and sigmoid(-x), where both are there, from ``e = exp(-|x|)`` and ``r = 1 / (1 + e)``."""
    signs: dict[Any, set[bool]] = {}
    for node in graph.nodes:
        if is_row(node, "sigmoid"):
            base, negative = _signed(graph, node.operands[0])
            signs.setdefault(base, set()).add(negative)
    if all(len(found) == 1 for found in signs.values()):
        return graph
    values: list[Any] = []

    def visit(i: int, row: Primitive, args: list[Any]) -> Any:
        base, negative = _signed(graph, graph.nodes[i].operands[0])
        if row.name != "sigmoid" or len(signs[base]) == 1:
            return bind(row, args)
        factor, j = base
        x = factor * values[j]
        e = ops.exp(-ops.abs(x))
        r = 1.0 / (1.0 + e)
        positive = ops.greater_equal(x, 0.0)
        return ops.where(positive, e * r, r) if negative else ops.where(positive, r, e * r)

    return rebuilt(graph, visit, values)


def _signed(graph: Graph, i: int) -> tuple[tuple[float, int], bool]:
    """A number as ``factor * node`` with factor > 0, which its opposite shares; and whether it is the opposite."""
    node = graph.nodes[i]
    if is_row(node, "negative"):
        return (1.0, node.operands[0]), True
    if is_row(node, "multiply"):
        for k, j in enumerate(node.operands):
            c = graph.nodes[j].value
            if isinstance(c, float) and c:
                return (abs(c), node.operands[1 - k]), c < 0.0
    return (1.0, i), False
