"""The linearised graph of a traced function: a vertex for each number that carries a tangent, an edge for each partial.

Partial derivatives are recorded beside the numbers that they belong to, in the same graph, and read as monomials:
``-out / y`` is -1 times `out` times ``1 / y``, so that they can be multiplied and shared with the others.
"""

from __future__ import annotations

import functools
import math
import operator
from collections import Counter
from collections.abc import Sequence
from typing import Any, final

from diffsim.elimination import LinearGraph
from diffsim.errors import KindError
from diffsim.graph import Graph
from diffsim.number import AnyNumber
from diffsim.primitive import Elementwise, Primitive, Select
from diffsim.tracer import Builder, Tracer
from diffsim.weights import Algebra, Monomial

__all__ = ["Partials"]

_ONE: Monomial = (1.0, ())


@final
class Partials:
    """Vertices and edges of a graph whose numbers are being recorded.

    Parameters
    ----------
    graph : Graph
    values : sequence
        Of all its nodes, as tracers (or numbers, where they do not depend on the inputs).
    builder : Builder
        What the tracers write to; the partials are added to it.
    active : sequence of int
        Nodes that are the inputs with a tangent.
    outputs : sequence of int
        Nodes that are the outputs.

    Attributes
    ----------
    inputs : list of int
        Their vertices: 0, 1, ...
    results : list of int or None
        The vertex of each output; None if it has no tangent.
    """

    def __init__(
        self,
        graph: Graph,
        values: Sequence[AnyNumber],
        builder: Builder,
        active: Sequence[int],
        outputs: Sequence[int],
    ) -> None:
        self._values, self._builder = values, builder
        self._n_primal = len(builder.nodes)
        self._pinned: list[bool] = []
        self._edges: list[tuple[int, int, Monomial]] = []
        self._selects: dict[int, tuple[int, int | None, int | None]] = {}
        vertex: dict[int, int] = {}
        for i in active:
            vertex[i] = self._new(pinned=True)
        self.inputs = list(vertex.values())
        for i, node in enumerate(graph.nodes):
            if any(j in vertex for j in node.operands) and node.row is not None:
                made = self._vertex(i, node.row, node.operands, vertex)
                if made is not None:
                    vertex[i] = made
        ends = {i: self._end(vertex[i]) for i in dict.fromkeys(outputs) if i in vertex}
        self.results = [ends.get(i) for i in outputs]

    def linear_graph(self, algebra: Algebra) -> LinearGraph:
        """The graph, with weights in the given algebra."""
        linear = LinearGraph(algebra)
        for pinned in self._pinned:
            linear.vertex(pinned)
        for source, target, (factor, atoms) in self._edges:
            linear.add_edge(source, target, algebra.monomial(factor, atoms))
        linear.selects = dict(self._selects)
        return linear

    def fixed(self, inputs: Sequence[AnyNumber], still: set[int]) -> list[bool]:
        """For each node recorded so far, whether it depends on constants and the given inputs only."""
        resting = {x._index for i, x in enumerate(inputs) if i in still}
        found: list[bool] = []
        for i, node in enumerate(self._builder.nodes):
            leaf = node.row is None
            found.append(
                (node.value is not None or i in resting) if leaf else all(found[operand] for operand in node.operands)
            )
        return found

    def _new(self, pinned: bool = False) -> int:
        self._pinned.append(pinned)
        return len(self._pinned) - 1

    def _end(self, v: int) -> int:
        """A pinned vertex that equals v, so that v itself may be eliminated."""
        end = self._new(pinned=True)
        self._edges.append((v, end, _ONE))
        return end

    def _vertex(self, i: int, row: Primitive, operands: Sequence[int], vertex: dict[int, int]) -> int | None:
        if isinstance(row, Select):
            return self._select(operands, vertex)
        if not isinstance(row, Elementwise):
            raise KindError(f"linearise: the graph holds {row.name!r}, which does not act number by number.")
        out, args = self._values[i], [self._values[j] for j in operands]
        entering: list[tuple[int, Monomial]] = []
        for position, j in enumerate(operands):
            if j in vertex and row.differentiable(position):
                monomial = self._read(row.partial(position, out, args))
                if monomial[0]:
                    entering.append((vertex[j], monomial))
        if not entering:
            return None
        return self._sum(entering)

    def _sum(self, entering: Sequence[tuple[int, Monomial]]) -> int:
        """A vertex; where all its weights have a factor in common, such as ``1 / y`` of x / y, it is two in a row."""
        v = self._new()
        common = functools.reduce(operator.and_, (Counter(atoms) for _, (_, atoms) in entering))
        for source, (factor, atoms) in entering:
            own = atoms if len(entering) == 1 else tuple((Counter(atoms) - common).elements())
            self._edges.append((source, v, (factor, own)))
        if len(entering) == 1 or not common:
            return v
        whole = self._new()
        self._edges.append((v, whole, (1.0, tuple(common.elements()))))
        return whole

    def _select(self, operands: Sequence[int], vertex: dict[int, int]) -> int | None:
        mask = self._values[operands[0]]
        sides = [vertex.get(j) for j in operands[1:]]
        if not isinstance(mask, Tracer) or mask.constant() is not None:
            return sides[0 if (mask.constant() if isinstance(mask, Tracer) else mask) else 1]
        if sides == [None, None]:
            return None
        yes, no = (None if side is None else self._end(side) for side in sides)
        v = self._new(pinned=True)
        self._selects[v] = (mask._index, yes, no)
        return v

    def _read(self, partial: AnyNumber) -> Monomial:
        """A partial derivative as a number times nodes; quotients become products with a reciprocal."""
        if not isinstance(partial, Tracer):
            partial = self._builder.constant(partial)
        constant = partial.constant()
        if constant is not None and math.isfinite(constant):
            return float(constant), ()
        if (inner := partial.operands("negative")) is not None:
            factor, atoms = self._read(inner[0])
            return -factor, atoms
        if partial._index >= self._n_primal:
            if (inner := partial.operands("multiply")) is not None:
                (f, x), (g, y) = self._read(inner[0]), self._read(inner[1])
                return f * g, x + y
            if (inner := partial.operands("divide")) is not None and inner[0].constant() is None:
                factor, atoms = self._read(inner[0])
                return factor, (*atoms, self._index(1.0 / inner[1]))
        return 1.0, (partial._index,)

    def _index(self, x: Any) -> int:
        index: int = x._index
        return index
