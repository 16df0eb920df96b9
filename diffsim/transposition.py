"""The transpose of a linear program: cotangents of the results in, cotangents of the inputs out.

Edges are turned round.  A selection ``where(mask, a, b)`` becomes two: the cotangent passes to a where the mask holds,
to b elsewhere, and 0 to the other.  That 0 would meet the partials on the branch that is not taken, which may be
infinite; so the cotangent runs through the branch as it is, and is set to 0 where it leaves it.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from typing import final

from diffsim.elimination import LinearGraph

__all__ = ["transposed"]

_LARGEST_BRANCH = 500  # vertices; a larger branch of a selection is masked where it is entered


def transposed(
    linear: LinearGraph, inputs: Sequence[int], results: Sequence[int | None]
) -> tuple[LinearGraph, list[int]]:
    """Return the transpose, whose vertices 0, 1, ... are the cotangents of the results, and its own results.

    Parameters
    ----------
    linear : LinearGraph
        With nothing eliminated yet.
    inputs, results : sequence of int
        Its vertices; None for a result without tangent, whose cotangent goes nowhere.
    """
    one = linear.algebra.one
    turned = LinearGraph(linear.algebra)
    for _ in results:
        turned.vertex(pinned=True)
    image = {v: turned.vertex(pinned=v in inputs) for v in range(len(linear.into) - 1, -1, -1)}
    for seed, v in enumerate(results):
        if v is not None:
            turned.add_edge(seed, image[v], one)
    for v, edges in enumerate(linear.into):
        for source, weight in edges.items():
            turned.add_edge(image[v], image[source], weight)
    for v in sorted(linear.selects, reverse=True):
        mask, yes, no = linear.selects[v]
        turned.pinned.add(image[v])
        for side, pair in ((yes, (image[v], None)), (no, (None, image[v]))):
            if side is not None:
                turned.selects[image[side]] = (mask, *pair)
                turned.pinned.add(image[side])
    ends = [image[v] for v in inputs]
    branches = _Branches(turned, ends)
    for v in list(turned.selects):
        branches.mask_late(v)
    return _in_order(turned, ends)


@final
class _Branches:
    """The branches of the selections in a transposed graph, which lie behind them."""

    def __init__(self, graph: LinearGraph, ends: Collection[int]) -> None:
        self._graph, self._ends = graph, set(ends)
        self._chosen: dict[int, dict[int, None]] = {}  # the selections that each vertex enters
        for v in graph.selects:
            self._note(v)

    def _note(self, v: int) -> None:
        for source in _choices(self._graph, v):
            self._chosen.setdefault(source, {})[v] = None

    def mask_late(self, entry: int) -> None:
        """Move a selection from where the cotangent enters a branch to where it leaves it."""
        graph, branch = self._graph, self._behind(entry)
        leaving = [(v, u, graph.into[u][v]) for v in branch for u in graph.out[v] if u not in branch]
        weights = [w for v in branch for w in graph.into[v].values()] + [w for _, _, w in leaving]
        if len(branch) > _LARGEST_BRANCH or all(graph.algebra.constant[w] for w in weights):
            return
        mask, yes, no = graph.selects.pop(entry)
        (source,) = (v for v in (yes, no) if v is not None)
        del self._chosen[source][entry]
        graph.add_edge(source, entry, graph.algebra.one)
        graph.pinned.discard(entry)
        exits: dict[int, int] = {}
        for v, u, weight in leaving:
            if u not in exits:
                exits[u] = graph.vertex(pinned=True)
            graph.add_edge(v, exits[u], weight)
            graph.remove_edge(v, u)
        for u, last in exits.items():
            masked = graph.vertex(pinned=True)
            graph.selects[masked] = (mask, None if yes is None else last, None if no is None else last)
            graph.add_edge(masked, u, graph.algebra.one)
            self._note(masked)

    def _behind(self, entry: int) -> dict[int, None]:
        """The vertices that nothing but the entry leads to, and it itself; a few more than too many if so."""
        graph = self._graph
        branch: dict[int, None] = {}
        missing: dict[int, int] = {}
        stack = [entry]
        while stack and len(branch) <= _LARGEST_BRANCH:
            v = stack.pop()
            branch[v] = None
            for u in (*graph.out[v], *self._chosen.get(v, ())):
                if u not in missing:
                    missing[u] = len(graph.into[u]) + len(_choices(graph, u))
                missing[u] -= 1
                if not missing[u] and u not in self._ends:
                    stack.append(u)
        return branch


def _choices(graph: LinearGraph, v: int) -> list[int]:
    """The vertices that v selects from."""
    return [x for x in graph.selects.get(v, (0, None, None))[1:] if x is not None]


def _in_order(graph: LinearGraph, ends: Sequence[int]) -> tuple[LinearGraph, list[int]]:
    """The same graph, numbered such that edges go upwards."""
    waiting = [len(edges) + len(_choices(graph, v)) for v, edges in enumerate(graph.into)]
    users: list[list[int]] = [list(targets) for targets in graph.out]
    for v in graph.selects:
        for source in _choices(graph, v):
            users[source].append(v)
    ready = [v for v, n in enumerate(waiting) if not n]
    heapq.heapify(ready)
    new: dict[int, int] = {}
    ordered = LinearGraph(graph.algebra)
    while ready:
        v = heapq.heappop(ready)
        new[v] = ordered.vertex(v in graph.pinned)
        for source, weight in graph.into[v].items():
            ordered.add_edge(new[source], new[v], weight)
        if v in graph.selects:
            mask, yes, no = graph.selects[v]
            ordered.selects[new[v]] = (mask, None if yes is None else new[yes], None if no is None else new[no])
        for u in users[v]:
            waiting[u] -= 1
            if not waiting[u]:
                heapq.heappush(ready, u)
    return ordered, [new[v] for v in ends]
