"""`roll`: a large graph as loops over isomorphic expressions, so that its code does not grow with its size.

The right-hand side of Lorenz-96 with a thousand components is a thousand times the same four operations, at shifted
places.  Results whose expressions have the same form make one `Loop`: a small graph, its *template*, and for each of
its inputs the place that each member of the family reads, in flat arrays of numbers called spaces.  An intermediate
number that several results use, the force between two neighbours, say, is computed once, in a loop of its own, and
kept in the space ``temporary``; what depends on fixed inputs alone in the space ``held``.

Loops keep the structure of the graph: no sum is reordered.  What occurs only once is a loop of one member.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.families import CHEAP, Access, Loop, Rolled
from diffsim.graph import Graph
from diffsim.tracer import Node
from diffsim.tree import leaves

__all__ = ["roll"]

_LARGEST_CONE = 200  # operations of a template; larger expressions are cut


def roll(graph: Graph, sizes: Mapping[str, int], fixed: Collection[str] = ()) -> Rolled:
    """Return a graph as loops over families of isomorphic expressions.

    Parameters
    ----------
    graph : Graph
    sizes : mapping of str to int
        Names for the inputs: so many belong to the first space, so many to the next one.
    fixed : collection of str
        Spaces that stay the same while the graph is evaluated many times.

    Returns
    -------
    Rolled
        Its loops read the given spaces, ``temporary``, ``held`` and ``constant``, and write ``result``: the graph's
        results in row-major order.

    Notes
    -----
    The work grows in proportion to the graph.

    Examples
    --------
    >>> from diffsim.graph import trace
    >>> rolled = roll(trace(lambda y: (np.roll(y, -1) - y) * y, np.zeros(20)), {"state": 20})
    >>> [(loop.count, loop.graph.n_operations, [run.count for run in loop.runs]) for loop in rolled.loops]
    [(20, 2, [19])]
    """
    return _Roller(graph, sizes, fixed).rolled()


# --- finding families ----------------------------------------------------------------------------------------------

_MANY = -1


@final
@dataclass
class _Cone:
    """The expression of one result, down to what is read.

    Attributes
    ----------
    form : tuple
        Names of the operations with their operands, each an earlier operation or the space of a read.
    ops, reads : list of int
        Nodes, in the order of `form`.
    """

    form: tuple[Any, ...]
    ops: list[int]
    reads: list[int]


@final
class _Roller:
    """A graph while it is rolled."""

    def __init__(self, graph: Graph, sizes: Mapping[str, int], fixed: Collection[str]) -> None:
        self.nodes = graph.nodes
        self.outputs = [int(i) for index in leaves(graph.result) for i in np.ravel(index)]
        self.places: dict[int, tuple[str, int]] = {}  # of inputs, temporaries and what is held
        self.constants: list[float] = []
        self.sizes = {**sizes, "temporary": 0, "held": 0, "result": len(self.outputs)}
        inputs = (i for i, node in enumerate(graph.nodes) if node.row is None and node.value is None)
        for space, size in sizes.items():
            self.places |= {next(inputs): (space, k) for k in range(size)}
        self.resting = [node.row is None and node.value is not None for node in graph.nodes]
        for i, node in enumerate(graph.nodes):
            if node.row is not None:
                self.resting[i] = all(self.resting[j] for j in node.operands)
            elif node.value is None:
                self.resting[i] = self.places[i][0] in fixed

    def rolled(self) -> Rolled:
        """Return the loops."""
        moving = {i for i, node in enumerate(self.nodes) if node.row is not None and not self.resting[i]}
        still = {i for i, node in enumerate(self.nodes) if node.row is not None and self.resting[i]}
        wanted = [i for i in self.outputs if i in moving]
        roots, read = self._roots(wanted, moving)
        from_still = {j for i in self._reached(wanted, moving) for j in self.nodes[i].operands if j in still}
        from_still.update(i for i in self.outputs if i in still)
        held_roots, _ = self._roots(sorted(from_still), still)
        held = self._families(sorted(held_roots), "held")
        temporaries = self._families(sorted(i for i in roots if i in read), "temporary")
        results = self._results()
        sizes = self.sizes | {"constant": len(self.constants)}
        return Rolled(tuple(held), (*temporaries, *results), sizes, np.array(self.constants))

    def _reached(self, wanted: Sequence[int], inside: Collection[int]) -> set[int]:
        found = set(wanted)
        for i in range(len(self.nodes) - 1, -1, -1):
            if i in found:
                found.update(j for j in self.nodes[i].operands if j in inside)
        return found

    def _roots(self, wanted: Sequence[int], inside: Collection[int]) -> tuple[set[int], set[int]]:
        """Return the nodes that get loops, and the nodes that are read by others."""
        roots = set(wanted)
        owner: dict[int, int] = {}
        for i in range(len(self.nodes) - 1, -1, -1):
            if i not in roots:
                if i not in owner:
                    continue
                if owner[i] == _MANY:
                    if self._is_cheap(i, inside):
                        continue
                    roots.add(i)
            own = i if i in roots else owner[i]
            for j in self.nodes[i].operands:
                if j in inside:
                    owner[j] = own if owner.get(j, own) == own else _MANY
        weight: dict[int, int] = {}
        for i in sorted(owner.keys() | roots):
            weight[i] = 1 + sum(weight[j] for j in self.nodes[i].operands if j in weight and j not in roots)
            if weight[i] > _LARGEST_CONE:
                roots.add(i)
        return roots, set(owner)

    def _is_cheap(self, i: int, inside: Collection[int]) -> bool:
        """Whether a node is as quickly computed anew as read: one operation on what is read anyway."""
        node = self.nodes[i]
        return node.row is not None and node.row.name in CHEAP and not any(j in inside for j in node.operands)

    def _families(self, roots: Sequence[int], space: str) -> list[Loop]:
        """Return the loops of intermediate numbers, in an order in which they can be carried out."""
        waiting = set(roots)
        cones: dict[int, _Cone] = {}
        level: dict[int, int] = {}
        for i in roots:
            cones[i] = self._cone(i, waiting, space)
            level[i] = 1 + max((level[j] for j in cones[i].reads if j in waiting), default=-1)
        families: dict[tuple[int, tuple[Any, ...]], list[int]] = {}
        for i in sorted(roots, key=lambda i: (level[i], i)):
            families.setdefault((level[i], cones[i].form), []).append(i)
        loops = []
        for members in families.values():
            first = self.sizes[space]
            self.sizes[space] += len(members)
            self.places |= {i: (space, first + k) for k, i in enumerate(members)}
            target = Access(space, np.arange(first, first + len(members)))
            loops.append(self._loop([cones[i] for i in members], target))
        return loops

    def _results(self) -> list[Loop]:
        families: dict[tuple[Any, ...], tuple[list[int], list[_Cone]]] = {}
        for k, i in enumerate(self.outputs):
            cone = self._cone(i, (), "result")
            numbers, cones = families.setdefault(cone.form, ([], []))
            numbers.append(k)
            cones.append(cone)
        return [self._loop(cones, Access("result", np.array(numbers))) for numbers, cones in families.values()]

    def _cone(self, root: int, waiting: Collection[int], space: str) -> _Cone:
        """Return the expression of a node, down to what is read: inputs, constants, results of other loops."""
        form: list[Any] = []
        ops: list[int] = []
        reads: list[int] = []
        done: dict[int, int] = {}
        stack = [root]

        def inner(j: int) -> bool:
            if self.nodes[j].row is None or j in self.places:
                return False
            return j == root or j not in waiting

        while stack:
            i = stack[-1]
            if i in done or not inner(i):
                stack.pop()
                continue
            missing = [j for j in reversed(self.nodes[i].operands) if j not in done and inner(j)]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            done[i] = len(ops)
            ops.append(i)
            refs = tuple(done[j] if j in done else self._read(j, reads, space) for j in self.nodes[i].operands)
            row = self.nodes[i].row
            form.append((row.name if row is not None else "", refs))
        if not ops:
            form.append(self._read(root, reads, space))
        return _Cone(tuple(form), ops, reads)

    def _read(self, j: int, reads: list[int], space: str) -> Any:
        """Note that a cone reads node j; returns what its form says of it."""
        node = self.nodes[j]
        if isinstance(node.value, bool):
            return ("bool", node.value)
        reads.append(j)
        if node.value is not None:
            return "constant"
        return self.places[j][0] if j in self.places else space

    # --- templates ------------------------------------------------------------------------------------------------

    def _loop(self, cones: Sequence[_Cone], target: Access) -> Loop:
        """Return the loop of a family."""
        made: list[Node] = []
        accesses: list[Access] = []
        known: dict[tuple[str, bytes], int] = {}
        columns = [self._column([cone.reads[k] for cone in cones]) for k in range(len(cones[0].reads))]
        for column in columns:
            if isinstance(column, Access):
                key = column.space, column.index.tobytes()
                if key not in known:
                    known[key] = len(made)
                    made.append(Node(None, name=f"{column.space}{len(made)}"))
                    accesses.append(column)
        where: list[int] = []
        for column in columns:
            if isinstance(column, Access):
                where.append(known[column.space, column.index.tobytes()])
            else:
                where.append(len(made))
                made.append(Node(None, value=column))
        result = self._template(cones[0], iter(where), made)
        form = [np.empty(())] * len(accesses)
        return Loop(Graph(tuple(made), form, [np.array(result)]), tuple(accesses), (target,))

    def _template(self, cone: _Cone, reads: Any, made: list[Node]) -> int:
        """Add the operations of a cone to the nodes of a template; returns the node of the result."""
        numbers: list[int] = []

        def operand(ref: Any) -> int:
            if isinstance(ref, int):
                return numbers[ref]
            if isinstance(ref, tuple):
                made.append(Node(None, value=ref[1]))
                return len(made) - 1
            return int(next(reads))

        if not cone.ops:
            return operand(cone.form[0])
        for i, (_, refs) in zip(cone.ops, cone.form, strict=True):
            operands = tuple(operand(ref) for ref in refs)
            made.append(Node(self.nodes[i].row, operands))
            numbers.append(len(made) - 1)
        return numbers[-1]

    def _column(self, members: Sequence[int]) -> Access | float:
        """Return what one read of a family's members is: places, or one constant."""
        if self.nodes[members[0]].value is None:
            return Access(self.places[members[0]][0], np.array([self.places[j][1] for j in members]))
        values = [float(self.nodes[j].value) for j in members]
        if all(value == values[0] for value in values):
            return values[0]
        first = len(self.constants)
        self.constants.extend(values)
        return Access("constant", np.arange(first, first + len(values)))
