"""What passes over a graph have in common: who uses a node, what is fixed, recording it anew, counting instructions."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

import numpy as np

from diffsim.graph import Graph, trace
from diffsim.number import AnyNumber
from diffsim.primitive import Primitive
from diffsim.tracer import Node
from diffsim.tree import leaves, tree_map

__all__ = [
    "fixed_nodes",
    "inputs_of",
    "is_row",
    "machine_operations",
    "outputs_of",
    "rebuilt",
    "renamed",
    "retraced",
    "uses_of",
]

Visit: TypeAlias = Callable[[int, Primitive, list[Any]], Any]


def inputs_of(graph: Graph) -> list[int]:
    """The nodes that are inputs, in order."""
    return [i for i, node in enumerate(graph.nodes) if node.row is None and node.value is None]


def outputs_of(graph: Graph) -> list[int]:
    """The nodes that are results, in order; one may occur twice."""
    return [int(i) for index in leaves(graph.result) for i in np.ravel(index)]


def renamed(nodes: Sequence[Node], names: Sequence[str]) -> tuple[Node, ...]:
    """The nodes with other names for the first inputs, which come first."""
    return (*(dataclasses.replace(n, name=name) for n, name in zip(nodes, names, strict=False)), *nodes[len(names) :])


def uses_of(graph: Graph) -> Counter[int]:
    """How often each node is used, as an operand or as a result."""
    uses = Counter(j for node in graph.nodes for j in node.operands)
    uses.update(outputs_of(graph))
    return uses


def fixed_nodes(graph: Graph, fixed: Collection[int]) -> list[bool]:
    """For each node whether it depends on constants and fixed inputs only."""
    found: list[bool] = []
    position = 0
    for node in graph.nodes:
        if node.row is not None:
            found.append(all(found[j] for j in node.operands))
        elif node.value is not None:
            found.append(True)
        else:
            found.append(position in fixed)
            position += 1
    return found


def _is_product(node: Node) -> bool:
    return node.row is not None and node.row.name in ("multiply", "square")


def is_row(node: Node, name: str) -> bool:
    """Whether a node is computed by the primitive of that name."""
    return node.row is not None and node.row.name == name


def rebuilt(graph: Graph, visit: Visit, values: list[Any] | None = None) -> Graph:
    """The graph with each operation recorded anew, by ``visit(node, row, operands)``; dead ones are dropped.

    Parameters
    ----------
    visit : callable
        Gets operands that are tracers or plain numbers and returns such a number.
    values : list, optional
        Filled with the new numbers, node by node, while they are made.
    """
    outputs = outputs_of(graph)
    values = [] if values is None else values

    def run(x: Sequence[Any]) -> list[Any]:
        given = iter(x)
        for i, node in enumerate(graph.nodes):
            if node.row is not None:
                values.append(visit(i, node.row, [values[j] for j in node.operands]))
            else:
                values.append(node.value if node.value is not None else next(given))
        return [values[i] for i in outputs]

    return retraced(graph, run)


def retraced(graph: Graph, run: Callable[[Sequence[Any]], list[Any]]) -> Graph:
    """The graph of a function that takes a graph's inputs to its results, in another way; in the form of that graph.

    Parameters
    ----------
    run : callable
        From the inputs, a sequence of tracers, to as many numbers as the graph has results.
    """
    names = [graph.nodes[i].name for i in inputs_of(graph)]

    def results(x: AnyNumber) -> Any:
        found = run(list(x))
        out = np.empty(len(found), dtype=object)
        out[:] = found
        return out

    made = trace(results, np.zeros(len(names)))
    found = iter(made.result.tolist())
    result = tree_map(
        lambda index: np.array([next(found) for _ in index.ravel()], np.intp).reshape(index.shape), graph.result
    )
    return Graph(renamed(made.nodes, names), graph.form, result)


def machine_operations(graph: Graph, *, fixed: Collection[int] = ()) -> Counter[str]:
    """How many instructions and calls one evaluation takes on a processor with fused multiply-add.

    A product that is used once, in a sum, is one ``fma`` with it, and the signs of its operands cost nothing; sin and
    cos of the same number are one ``sincos``.  What depends on fixed inputs only is not counted.

    Examples
    --------
    >>> graph = trace(lambda x, p: np.sin(x) * np.cos(x) + p * p, 1.0, 1.0)
    >>> sorted(machine_operations(graph, fixed=[1]).items())
    [('fma', 1), ('sincos', 1)]
    """
    resting, uses = fixed_nodes(graph, fixed), uses_of(graph)
    found: Counter[str] = Counter()
    circular: dict[int, set[str]] = {}
    for node, still in zip(graph.nodes, resting, strict=True):
        if node.row is None or still:
            continue
        name = node.row.name
        if name in ("sin", "cos"):
            circular.setdefault(node.operands[0], set()).add(name)
            continue
        found["multiply" if name == "square" else name] += 1
        if name in ("add", "subtract"):
            own = [j for j in node.operands if uses[j] == 1 and not resting[j]]
            signs = [j for j in own if is_row(graph.nodes[j], "negative")]
            beneath = [graph.nodes[j].operands[0] if j in signs else j for j in own]
            if any(_is_product(graph.nodes[j]) and uses[j] == 1 and not resting[j] for j in beneath):
                found.subtract({name: 1, "multiply": 1, "negative": len(signs)})
                found["fma"] += 1
    found.update("sincos" if len(names) == 2 else next(iter(names)) for names in circular.values())
    return +found
