"""Shorter graphs: nodes that are products of two others are computed so, where that saves operations.

Which nodes are is found by `diffsim.identities`; here is chosen.  A product saves what only the old way needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, Final, final

from diffsim.dataflow import fixed_nodes, outputs_of, retraced
from diffsim.graph import Graph
from diffsim.identities import Product, products_in
from diffsim.number import AnyNumber
from diffsim.primitive import TABLE, bind
from diffsim.tracer import Node

__all__ = ["shortened"]

_FACTORS: Final = 12
"""Results whose products are tried as factors."""
_COSTS: Final = {"add": 1, "subtract": 1, "multiply": 1, "negative": 0, "square": 1, "divide": 5}
_COSTLY: Final = 10


def shortened(graph: Graph, *, fixed: Collection[int] = ()) -> Graph:
    """Return a graph with the same results, as far as rounding goes, and fewer operations where they can be had.

    Parameters
    ----------
    graph : Graph
        Of scalar numbers.
    fixed : collection of int
        Inputs that stay the same while a solve runs; what depends on them alone costs nothing.

    Examples
    --------
    >>> from diffsim.graph import trace
    >>> print(shortened(trace(lambda x, y: (x - y, x + y, x * x - y * y), 1.0, 1.0)))
    inputs x, y
    v2 = x - y
    v3 = x + y
    v4 = v2 * v3
    return[0] v2
    return[1] v3
    return[2] v4
    """
    wanted = outputs_of(graph)
    longer = _with_pairs(graph, wanted)
    still = fixed_nodes(longer, fixed)
    use, products = _Use(longer.nodes, wanted, still), products_in(longer, still)
    going_on = True
    while going_on:
        going_on = False
        for i, ways in reversed(products):
            going_on |= use.improved(i, ways)
    return _recorded(longer, use) if use.products else graph


def _with_pairs(graph: Graph, wanted: Sequence[int]) -> Graph:
    """Return the graph with the products of any two results, unless there are many: they are factors often."""
    operations = sorted({i for i in wanted if graph.nodes[i].row is not None})[:_FACTORS]
    there = {node.operands for node in graph.nodes if node.row is TABLE["multiply"]}
    pairs = [(i, j) for n, i in enumerate(operations) for j in operations[n + 1 :] if (i, j) not in there]
    return dataclasses.replace(graph, nodes=(*graph.nodes, *(Node(TABLE["multiply"], pair) for pair in pairs)))


def _recorded(graph: Graph, use: _Use) -> Graph:
    """Return the graph as it was chosen, with its operations in an order in which they can be computed."""
    wanted = outputs_of(graph)

    def run(x: Sequence[Any]) -> list[Any]:
        given, values = iter(x), dict[int, AnyNumber]()
        for i, node in enumerate(graph.nodes):
            if node.row is None:
                values[i] = node.value if node.value is not None else next(given)
        for i in _in_order(use, wanted):
            row = graph.nodes[i].row
            if i in use.products:
                values[i] = use.products[i].evaluate(values)
            elif row is not None:
                values[i] = bind(row, [values[j] for j in graph.nodes[i].operands])
        return [values[i] for i in wanted]

    return retraced(graph, run)


def _in_order(use: _Use, wanted: Sequence[int]) -> list[int]:
    """Return the nodes that ``wanted`` need, operands first."""
    found: list[int] = []
    done: set[int] = set()
    todo = list(reversed(wanted))
    while todo:
        i = todo[-1]
        waiting = [j for j in use.operands(i) if j not in done] if i not in done else []
        if waiting:
            todo += reversed(waiting)
            continue
        todo.pop()
        if i not in done:
            done.add(i)
            found.append(i)
    return found


@final
class _Use:
    """Who uses which node, while nodes are replaced by products.

    Attributes
    ----------
    products : dict
        The nodes that are replaced so far.
    """

    def __init__(self, nodes: Sequence[Node], wanted: Sequence[int], still: Sequence[bool]) -> None:
        self.products: dict[int, Product] = {}
        self._nodes, self._still = nodes, still
        self._uses = [0] * len(nodes)
        for i in wanted:
            self._begin(i)

    def improved(self, i: int, ways: Sequence[Product]) -> bool:
        """Make a node in the way that saves most instructions; return whether one does."""
        if not self._uses[i]:
            return False
        old, best, most = self.products.get(i), self.products.get(i), 0
        before = self._cost(i)
        for made in ways:
            if made == old:
                continue
            gained = self._replace(i, made) + before - self._cost(i)
            if gained > most and not self._needs(made.operands, i):
                best, most = made, gained
            self._replace(i, old)
        if most:
            self._replace(i, best)
        return bool(most)

    def _replace(self, i: int, made: Product | None) -> int:
        """Make a node in another way; return what that saves in the nodes beneath it."""
        before = self.operands(i)
        if made is None:
            del self.products[i]
        else:
            self.products[i] = made
        return sum(map(self._end, before)) - sum(map(self._begin, self.operands(i)))

    def _begin(self, i: int) -> int:
        """One use more of a node; return what that costs."""
        cost, todo = 0, [i]
        while todo:
            i = todo.pop()
            self._uses[i] += 1
            if self._uses[i] == 1:
                cost += self._cost(i)
                todo += self.operands(i)
        return cost

    def _end(self, i: int) -> int:
        """One use less of a node; return what that saves."""
        saved, todo = 0, [i]
        while todo:
            i = todo.pop()
            self._uses[i] -= 1
            if not self._uses[i]:
                saved += self._cost(i)
                todo += self.operands(i)
        return saved

    def operands(self, i: int) -> tuple[int, ...]:
        """Return what a node is made of, as it is made now."""
        return self.products[i].operands if i in self.products else self._nodes[i].operands

    def _needs(self, these: Sequence[int], i: int) -> bool:
        """Whether one of these nodes needs node i."""
        seen: set[int] = set()
        todo = list(these)
        while todo:
            j = todo.pop()
            if j == i:
                return True
            if j not in seen:
                seen.add(j)
                todo += self.operands(j)
        return False

    def _cost(self, i: int) -> int:
        """Return about how many instructions one node takes."""
        if i in self.products:
            return self.products[i].cost(self._nodes, self._still)
        row = self._nodes[i].row
        return 0 if row is None or self._still[i] else _COSTS.get(row.name, _COSTLY)
