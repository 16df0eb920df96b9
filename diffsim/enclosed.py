"""Functions that are recorded and differentiated inside another trace, or on the spot: `enclose`, `pull`, `push`.

A system that writes its energy is differentiated each time its rates are asked for, also while a solver traces them.
The function is recorded as a graph of its own, in which numbers of the enclosing trace are inputs; the sweeps below
then run on whatever numbers there are (floats, arrays, `Value`, mpmath), and in a trace they record the derivative.

They ask for less than `Graph.tangents` and `Graph.cotangents`: where a function divides, its value is infinite before
its derivative is, so that the guard of ``0 * inf`` is left out, unless the graph selects (`where`) among branches.
Rows whose derivative alone is infinite (`sqrt` at 0) keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.dataflow import inputs_of, outputs_of
from diffsim.errors import TraceError
from diffsim.graph import Graph, _indices, _pruned, trace
from diffsim.linearise import vjp_graph
from diffsim.number import AnyNumber, new_level
from diffsim.primitive import Elementwise, Primitive, Select
from diffsim.shortening import shortened
from diffsim.tracer import Builder, Node, Tracer
from diffsim.tree import leaves

__all__ = ["Enclosed", "enclose"]

_WORTH_SEARCHING = 400
"""Operations beyond which the order of a sweep is not searched for."""


@final
@dataclass(frozen=True)
class Enclosed:
    """A function as a graph of scalars, and the numbers of enclosing traces that it uses; made by `enclose`.

    Attributes
    ----------
    graph : Graph
    outputs : tuple of int
        Nodes of the results.
    borrowed : tuple of Tracer
        Further inputs, after those of the function.
    """

    graph: Graph
    outputs: tuple[int, ...]
    inputs: tuple[int, ...]
    borrowed: tuple[Tracer, ...]

    def values(self, given: Sequence[AnyNumber]) -> list[AnyNumber]:
        """Return the values of all nodes for the function's arguments, numbers of any kind."""
        return self.graph.evaluate([*given, *self.borrowed])

    def __call__(self, given: Sequence[AnyNumber]) -> list[AnyNumber]:
        """Return the results."""
        values = self.values(given)
        return [values[i] for i in self.outputs]

    def depends(self, positions: Sequence[int]) -> list[bool]:
        """For each node whether it depends on the inputs at these positions."""
        start = {self.inputs[k] for k in positions}
        found: list[bool] = []
        for i, node in enumerate(self.graph.nodes):
            found.append(i in start or any(found[j] for j in node.operands))
        return found

    def uses(self, positions: Sequence[int]) -> bool:
        """Whether a result depends on one of the inputs at these positions."""
        depends = self.depends(positions)
        return any(depends[i] for i in self.outputs)

    @property
    def _selects(self) -> bool:
        return any(isinstance(node.row, Select) for node in self.graph.nodes)

    def pull(
        self,
        values: Sequence[AnyNumber],
        positions: Sequence[int],
        weights: Sequence[AnyNumber],
        fixed: Sequence[int] | None = None,
    ) -> list[Any]:
        """Return the cotangents of some inputs; exactly 0.0 where no result depends on one.

        Parameters
        ----------
        values : sequence
            From `values`.
        positions : sequence of int
            The inputs.
        weights : sequence of number
            Cotangents of the results.
        fixed : sequence of int, optional
            In a trace: those of the function's inputs that stay the same while it runs.  Where they are given, the
            cheapest order of the sweep is searched for (`diffsim.linearise`).
        """
        if fixed is not None and self._may_be_searched(values):
            return self._searched(values, positions, weights, fixed)
        depends, careful = self.depends(positions), self._selects
        found: list[Any] = [None] * len(values)
        for i, weight in zip(self.outputs, weights, strict=True):
            found[i] = weight if found[i] is None else found[i] + weight
        for i in range(len(values) - 1, -1, -1):
            node, g = self.graph.nodes[i], found[i]
            if g is None or node.row is None or not depends[i]:
                continue
            args = [values[j] for j in node.operands]
            for k, j in enumerate(node.operands):
                if depends[j] and node.row.differentiable(k):
                    term = _pulled(node.row, k, g, values[i], args, careful)
                    found[j] = term if found[j] is None else found[j] + term
        return [0.0 if found[self.inputs[k]] is None else found[self.inputs[k]] for k in positions]

    def _may_be_searched(self, values: Sequence[AnyNumber]) -> bool:
        """Whether the sweep is being traced, and needs none of the guards that a searched one lacks."""
        if self.graph.n_operations > _WORTH_SEARCHING or not any(isinstance(values[i], Tracer) for i in self.outputs):
            return False
        return not any(_may_need_guard(self.graph, node) for node in self.graph.nodes)

    def _searched(
        self, values: Sequence[AnyNumber], positions: Sequence[int], weights: Sequence[AnyNumber], fixed: Sequence[int]
    ) -> list[Any]:
        given = len(self.inputs)
        still = [*fixed, *range(given, given + len(self.borrowed))]
        program = vjp_graph(self.graph, list(positions), fixed=still)
        wanted = [int(i) for i in np.ravel(leaves(program.result)[1])]
        known = [weight.constant() if isinstance(weight, Tracer) else weight for weight in weights]

        def cotangents(x: AnyNumber, w: AnyNumber) -> Any:
            numbers = [w[k] if weight is None else weight for k, weight in enumerate(known)]
            found = program.evaluate([*x, *numbers])
            return [found[i] for i in wanted]

        pulled = trace(cotangents, np.zeros(len(inputs_of(self.graph))), np.zeros(len(known)))
        shorter = shortened(pulled, fixed=still)
        found = shorter.evaluate([values[i] for i in inputs_of(self.graph)] + list(weights))
        return [found[i] for i in outputs_of(shorter)]

    def push(self, values: Sequence[AnyNumber], tangents: Mapping[int, AnyNumber]) -> list[Any]:
        """Return the tangents of the results, given those of some inputs, by position; exactly 0.0 for none."""
        moved: list[Any] = [None] * len(values)
        careful = self._selects
        for k, tangent in tangents.items():
            moved[self.inputs[k]] = tangent
        for i, node in enumerate(self.graph.nodes):
            entering = {k: moved[j] for k, j in enumerate(node.operands) if moved[j] is not None}
            if node.row is not None and entering:
                moved[i] = _pushed(node.row, entering, values[i], [values[j] for j in node.operands], careful)
        return [0.0 if moved[i] is None else moved[i] for i in self.outputs]


def enclose(f: Callable[[list[Any]], Sequence[AnyNumber]], names: Sequence[str]) -> Enclosed:
    """Record a function of scalars, inside another trace or outside of any.

    Parameters
    ----------
    f : callable
        Takes a list of numbers and returns a sequence of them.  Called once, with tracers; numbers of the trace that
        it stands in may enter by closures.
    names : sequence of str
        One for each number that it takes.

    Raises
    ------
    TraceError
        f branches on a traced number or hands it to foreign code.

    Examples
    --------
    >>> product = enclose(lambda x: [x[0] * x[1]], ["a", "b"])
    >>> product.pull(product.values([2.0, 5.0]), [0, 1], [1.0])
    [5.0, 2.0]
    """
    with new_level() as level:
        builder = Builder(level)
        builder.borrows = True
        given = [builder.input(name) for name in names]
        found = [_own(builder, y) for y in f(list(given))]
    if builder.refused is not None:
        raise builder.refused
    result = np.array([int(_indices(builder, y)) for y in found], dtype=np.intp)
    form = [np.empty(len(names) + len(builder.borrowed))]
    graph = _pruned(builder.nodes, form, [result])
    inputs = tuple(i for i, node in enumerate(graph.nodes) if node.row is None and node.value is None)
    outputs = tuple(int(i) for i in graph.result[0])
    return Enclosed(graph, outputs, inputs[: len(names)], tuple(outer for outer, _ in builder.borrowed.values()))


def _own(builder: Builder, y: AnyNumber) -> AnyNumber:
    """A result as a number of this trace."""
    if isinstance(y, np.ndarray) and not y.shape:
        y = y.item()
    if isinstance(y, Tracer) and y._builder is not builder:
        if y._level > builder.level:
            raise TraceError(f"trace: the function returned {y!r}, which belongs to a trace that has ended.")
        return builder.borrow(y)
    return y


def _may_need_guard(graph: Graph, node: Node) -> bool:
    """Whether a partial of a node can be infinite where its value is not, or is met by a cotangent set to 0."""
    row = node.row
    if row is None or (isinstance(row, Elementwise) and (not row.singular or row.name == "divide")):
        return False
    if row.name == "power":
        exponent = graph.nodes[node.operands[1]].value
        return not (isinstance(exponent, float) and not 0.0 < exponent < 1.0)
    return True


def _is_plain_power(row: Primitive, args: Sequence[AnyNumber]) -> bool:
    """Whether a power has a constant exponent with which its derivative is finite where its value is."""
    if row.name != "power":
        return False
    exponent = args[1].constant() if isinstance(args[1], Tracer) else args[1]
    return isinstance(exponent, float) and not 0.0 < exponent < 1.0


def _pulled(
    row: Primitive, k: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], careful: bool
) -> AnyNumber:
    """The cotangent of an operand."""
    if careful or not isinstance(row, Elementwise):
        return row.cotangent(k, g, out, args, {})
    if row.name == "divide":
        return g / args[1] if k == 0 else -(g / args[1] * out)
    if row.name == "multiply":
        return g * args[1 - k]
    if row.name == "square":
        return (g * 2.0) * args[0]
    if _is_plain_power(row, args):
        return g * row.partial(k, out, args)
    return row.cotangent(k, g, out, args, {})


def _pushed(
    row: Primitive, entering: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber], careful: bool
) -> Any:
    """The tangent of a node; None where it is zero."""
    if isinstance(row, Elementwise):
        entering = {k: t for k, t in entering.items() if row.differentiable(k)}
        if not entering or row.boolean:
            return None
    if careful or not isinstance(row, Elementwise):
        return row.tangent(entering, out, args, {})
    if row.name == "divide":
        total = entering.get(0)
        if 1 in entering:
            total = -(out * entering[1]) if total is None else total - out * entering[1]
        return total / args[1]
    if _is_plain_power(row, args) and set(entering) == {0}:
        return entering[0] * row.partial(0, out, args)
    return row.tangent(entering, out, args, {})
