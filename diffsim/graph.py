"""Expression graphs: `trace` records a function of scalars and small arrays as a `Graph`.

A graph is hash-consed (the same expression is one node), simplified while it is built (`diffsim.rewrite`), and
deterministic.  It can be printed, evaluated on any kind of number, and differentiated into another graph: since the
derivative rules of the table are written with primitives, tracing the derivative *is* differentiating the graph.
Arrays are recorded element by element, as object arrays of `Tracer`.
"""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim import array_ops, derivatives
from diffsim.errors import ArgumentError, TraceError, shown
from diffsim.number import AnyNumber, Number, new_level, shape_of
from diffsim.primitive import bind
from diffsim.tracer import Builder, Node, Tracer
from diffsim.tree import Tree, leaves, leaves_like, paths, rebuild, tree_map

__all__ = ["Graph", "record", "trace"]


@final
@dataclass(frozen=True)
class Graph:
    """An expression graph; see `trace`.

    Attributes
    ----------
    nodes : tuple of Node
        Operands before the nodes that use them; inputs first.
    form : tree
        The arguments' form, with the shape of each leaf.
    result : tree
        The result's form; each leaf an integer array of node indices.
    """

    nodes: tuple[Node, ...]
    form: Tree
    result: Tree

    def __call__(self, *args: Tree) -> Tree:
        """Evaluate on arguments of the traced form; any kind of number."""
        given, wanted = leaves_like("Graph: the arguments", self.form, args), leaves(self.form)
        inputs: list[AnyNumber] = []
        for x, shape in zip(given, wanted, strict=True):
            x = array_ops.array(x)
            if shape_of(x) != shape.shape:
                raise ArgumentError(f"Graph: an argument was traced with shape {shape.shape}; got {shape_of(x)}.")
            inputs.extend(_elements(x))
        values = self.evaluate(inputs)
        return tree_map(lambda index: _assemble(values, index), self.result)

    def evaluate(self, inputs: Sequence[AnyNumber]) -> list[AnyNumber]:
        """Values of all nodes for the given scalar inputs; arrays of equal shape in their place make a batch."""
        values: list[AnyNumber] = []
        given = iter(inputs)
        for node in self.nodes:
            if node.row is not None:
                values.append(bind(node.row, [values[i] for i in node.operands]))
            else:
                values.append(node.value if node.value is not None else next(given))
        return values

    def tangents(self) -> Graph:
        """The graph of ``(arguments, directions) -> (results, directional derivatives)``."""
        example = self._example()

        def push(primals: Tree, directions: Tree) -> Tree:
            return derivatives.jvp(self, tuple(primals), tuple(directions))

        return trace(push, list(example), list(example))

    def cotangents(self) -> Graph:
        """The graph of ``(arguments, cotangents of the results) -> (results, cotangents of the arguments)``."""

        def pull(primals: Tree, weights: Tree) -> Tree:
            value, pullback = derivatives.vjp(self, *primals)
            return value, pullback(weights)

        return trace(pull, list(self._example()), tree_map(lambda index: np.zeros(index.shape)[()], self.result))

    def jacobian(self, argnums: int | Sequence[int] = 0) -> Graph:
        """The graph of the matrix of first derivatives."""
        return trace(derivatives.jacobian(self, argnums, mode="forward"), *self._example())

    def count(self) -> Counter[str]:
        """How often each primitive occurs."""
        return Counter(node.row.name for node in self.nodes if node.row is not None)

    @functools.cached_property
    def n_operations(self) -> int:
        """Number of nodes that compute something."""
        return self.count().total()

    def _example(self) -> Sequence[Tree]:
        example: Sequence[Tree] = tree_map(lambda x: np.zeros(x.shape)[()], self.form)
        return example

    def __str__(self) -> str:
        names = [
            node.name if node.name else repr(node.value) if node.row is None else f"v{i}"
            for i, node in enumerate(self.nodes)
        ]
        lines = [f"inputs {', '.join(node.name for node in self.nodes if node.name)}"]
        for i, node in enumerate(self.nodes):
            if node.row is not None:
                lines.append(f"v{i} = {_expression(node, names)}")
        for path, index in zip(paths(self.result), leaves(self.result), strict=True):
            shown = np.array([names[j] for j in index.ravel()], dtype=object).reshape(index.shape)
            lines.append(f"return{path} " + str(shown.tolist() if index.shape else shown.item()).replace("'", ""))
        return "\n".join(lines)


def _expression(node: Node, names: Sequence[str]) -> str:
    symbol = getattr(node.row, "symbol", "")
    name = node.row.name if node.row is not None else ""
    operands = [names[i] for i in node.operands]
    return f" {symbol} ".join(operands) if symbol else f"{name}({', '.join(operands)})"


def _elements(x: AnyNumber) -> list[AnyNumber]:
    """The numbers of an array in row-major order."""
    shape = shape_of(x)
    if not shape:
        return [x.item() if isinstance(x, np.ndarray) else x]
    flat = array_ops.ravel(x)
    return [flat[i] for i in range(shape_of(flat)[0])]


def _assemble(values: Sequence[AnyNumber], index: Any) -> AnyNumber:
    if not index.shape:
        return values[int(index)]
    return array_ops.reshape(array_ops.stack([values[i] for i in index.ravel()]), index.shape)


def trace(f: Callable[..., Any], *args: Tree) -> Graph:
    """Record a function of scalars and small arrays as an expression graph.

    Parameters
    ----------
    f : callable
        Written with arithmetic, NumPy's or diffsim's functions.  Called once, with tracers.
    *args : number, array, or list, tuple or dict of them
        Examples: their form and shapes count, not their values.

    Returns
    -------
    Graph

    Raises
    ------
    TraceError
        f branches on a traced number or hands it to foreign code.

    Examples
    --------
    >>> import numpy as np
    >>> print(trace(lambda x: np.sin(x) * np.sin(x) + 0 * x, 1.0))
    inputs x
    v1 = sin(x)
    v2 = square(v1)
    return v2
    """
    form = tree_map(lambda x: np.empty(shape_of(array_ops.array(x))), list(args))
    names = [_element_names(name, shape.shape) for name, shape in zip(_input_names(f, args), leaves(form), strict=True)]
    return record(f, form, names)


def record(
    f: Callable[..., Any], form: Tree, names: Sequence[Sequence[str]], wholes: frozenset[str] = frozenset()
) -> Graph:
    """The graph of a function of arguments of the given form.

    Parameters
    ----------
    f : callable
        Called once, with tracers and object arrays of them.
    form : tree
        The arguments' form; each leaf an array of the shape of that argument.
    names : sequence of sequence of str
        For each leaf the names of its numbers, in row-major order.
    wholes : frozenset of str
        Those of numbers that stand for whole numbers.
    """
    with new_level() as level:
        builder = Builder(level)
        builder.wholes = wholes
        traced = [_inputs(builder, names, shape.shape) for names, shape in zip(names, leaves(form), strict=True)]
        out = f(*rebuild(form, iter(traced)))
    if builder.refused is not None:
        raise builder.refused
    result = tree_map(lambda y: _indices(builder, y), out)
    return _pruned(builder.nodes, form, result)


def _input_names(f: Callable[..., Any], args: Sequence[Tree]) -> list[str]:
    """Names for the inputs: those of the function's parameters, with the place in a tree."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except ValueError:  # a function of C has no signature
        parameters = []
    given = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [given[i] if i < len(given) else f"x{i}" for i in range(len(args))]
    return [name + path for name, tree in zip(names, args, strict=True) for path in paths(tree)]


def _element_names(name: str, shape: tuple[int, ...]) -> list[str]:
    if not shape:
        return [name]
    return [f"{name}[{', '.join(map(str, index))}]" for index in np.ndindex(shape)]


def _inputs(builder: Builder, names: Sequence[str], shape: tuple[int, ...]) -> AnyNumber:
    if not shape:
        return builder.input(names[0])
    out = np.empty(shape, dtype=object)
    for index, name in zip(np.ndindex(shape), names, strict=True):
        out[index] = builder.input(name)
    return out


def _indices(builder: Builder, y: AnyNumber) -> Any:
    """Integer array of the nodes that hold a result."""
    y = array_ops.array(y)
    elements = y.ravel().tolist() if isinstance(y, np.ndarray) else [y]
    found = []
    for x in elements:
        if isinstance(x, Number) and not isinstance(x, Tracer) and x._level > builder.level:
            raise TraceError(f"trace: the function returned {x!r}, which belongs to a differentiation that has ended.")
        if not isinstance(x, Number) and (x is None or isinstance(x, str | bytes | complex | set) or callable(x)):
            hint = " Is its `return` missing?" if x is None else ""
            raise TraceError(f"trace: the function must return real numbers; got {shown(x)}.{hint}")
        if isinstance(x, Tracer) and x._builder is not builder:
            raise TraceError("trace: the function returned a number of another trace; pass it as an argument.")
        found.append((x if isinstance(x, Tracer) else builder.constant(x))._index)
    return np.array(found, dtype=np.intp).reshape(shape_of(y))


def _pruned(nodes: Sequence[Node], form: Tree, result: Tree) -> Graph:
    """Keep the inputs and what the results need, in order."""
    needed = {i for index in leaves(result) for i in index.ravel().tolist()}
    for i in range(len(nodes) - 1, -1, -1):
        if i in needed:
            needed.update(nodes[i].operands)
    kept = [i for i, node in enumerate(nodes) if i in needed or (node.row is None and node.value is None)]
    new = {old: i for i, old in enumerate(kept)}
    moved = tuple(Node(n.row, tuple(new[j] for j in n.operands), n.value, n.name) for n in (nodes[i] for i in kept))
    renumbered = tree_map(
        lambda index: np.array([new[i] for i in index.ravel().tolist()], dtype=np.intp).reshape(index.shape), result
    )
    return Graph(moved, form, renumbered)
