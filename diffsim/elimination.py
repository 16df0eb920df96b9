"""Vertex elimination on a linearised graph: which intermediate tangents to keep, and which to multiply out.

A vertex is the tangent of a number; an edge says with which weight it enters another.  Eliminating a vertex j
multiplies each weight out of it with each weight into it and adds the product to the edge that bypasses j.  That costs
operations once and saves (or costs) some for every direction; eliminating everything gives the Jacobian, which is
seldom the cheapest (Griewank and Walther, "Evaluating Derivatives", 2nd edition 2008, chapters 9 and 10: cross-country
elimination and scarcity).  The best order is NP-hard to find: here several greedy orders are tried, each up to where it
stops paying, with an amount of work bounded by the size of the graph.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from diffsim.weights import Algebra

__all__ = ["LinearGraph", "Move", "best_of", "greedy"]

Move: TypeAlias = int
Preference: TypeAlias = Callable[[float, int, int], tuple[float, ...]]

_WIDEST = 64  # in-edges times out-edges of a vertex that may be eliminated
_PATIENCE = 12  # eliminations in a row that do not pay, before a search ends
_TRIALS = 24
_WORK = 12_000  # edges looked at in all trials; a single trial may exceed it, in proportion to the graph


@final
class LinearGraph:
    """Vertices and weighted edges of a linear program.

    Vertices are numbered such that edges go upwards.  A *pinned* vertex stays: inputs, results, and both ends of a
    selection, so that nothing is multiplied across `where`.

    Attributes
    ----------
    into : list of dict
        For each vertex ``{source: weight}``; weights are monomials of `algebra`.
    out : list of dict
        For each vertex its targets, as keys.
    selects : dict
        ``{vertex: (mask node, source if true, source if false)}``; None is the tangent zero.
    pinned : set of int
    resting : set of int
        Vertices that only fixed inputs lead to, with fixed weights: they cost nothing.
    work : int
        Pairs of edges looked at so far.
    """

    def __init__(self, algebra: Algebra) -> None:
        self.algebra = algebra
        self.into: list[dict[int, int]] = []
        self.out: list[dict[int, None]] = []
        self.selects: dict[int, tuple[int, int | None, int | None]] = {}
        self.pinned: set[int] = set()
        self.resting: set[int] = set()
        self.work = 0
        self._products: list[int] = []  # edges into each vertex that need a multiplication
        self._units: list[int] = []  # edges into each vertex that do not

    def vertex(self, pinned: bool = False) -> int:
        """Add a vertex and return its number."""
        self.into.append({})
        self.out.append({})
        self._products.append(0)
        self._units.append(0)
        if pinned:
            self.pinned.add(len(self.into) - 1)
        return len(self.into) - 1

    def add_edge(self, source: int, target: int, weight: int) -> None:
        """Add a weight to the edge between two vertices, which may vanish by it."""
        old = self.into[target].get(source)
        if old is None:
            self._set(source, target, weight)
            return
        self.remove_edge(source, target)
        total = self.algebra.plus(old, weight)
        if total is not None:
            self._set(source, target, total)

    def _set(self, source: int, target: int, weight: int) -> None:
        self.into[target][source] = weight
        self.out[source][target] = None
        counts = self._units if self.algebra.unit[weight] else self._products
        counts[target] += 1

    def remove_edge(self, source: int, target: int) -> None:
        """Remove the edge between two vertices."""
        weight = self.into[target].pop(source)
        del self.out[source][target]
        counts = self._units if self.algebra.unit[weight] else self._products
        counts[target] -= 1

    def copy(self) -> LinearGraph:
        """An independent copy over the same algebra."""
        twin = LinearGraph(self.algebra)
        twin.into, twin.out = [dict(x) for x in self.into], [dict(x) for x in self.out]
        twin.selects, twin.pinned, twin.resting, twin.work = dict(self.selects), self.pinned, self.resting, self.work
        twin._products, twin._units = list(self._products), list(self._units)
        return twin

    def eliminate(self, j: Move) -> None:
        """Remove vertex j; its edges are multiplied out."""
        times = self.algebra.times
        sources, targets = self.into[j], list(self.out[j])
        for k in targets:
            weight = self.into[k][j]
            self.remove_edge(j, k)
            for i, entering in sources.items():
                self.add_edge(i, k, times(weight, entering))
        for i in list(sources):
            self.remove_edge(i, j)

    def prune(self, results: Sequence[int]) -> None:
        """Drop what no result depends on."""
        needed = set(results)
        for v in range(len(self.into) - 1, -1, -1):
            if v in needed:
                needed.update(self.into[v])
                needed.update(x for x in self.selects.get(v, (0, None, None))[1:] if x is not None)
            else:
                self.selects.pop(v, None)
                for i in list(self.into[v]):
                    self.remove_edge(i, v)

    def rest(self, inputs: Collection[int]) -> None:
        """Find the `resting` vertices, given the fixed ones among the inputs."""
        self.resting = set(inputs)
        for v, edges in enumerate(self.into):
            if edges and self.resting.issuperset(edges) and all(self.algebra.fixed[w] for w in edges.values()):
                self.resting.add(v)

    def free(self) -> list[int]:
        """Vertices that may be eliminated."""
        return [v for v in range(len(self.into)) if v not in self.pinned and (self.into[v] or self.out[v])]

    def size(self, j: int) -> int:
        """In-edges times out-edges: the number of products that eliminating j makes (its Markowitz degree)."""
        return len(self.into[j]) * len(self.out[j])

    def operations(self, v: int) -> int:
        """What vertex v costs for each direction: multiplications (each fused with an addition) and additions."""
        if v in self.selects:
            return 1
        return 0 if v in self.resting else _sum_cost(self._products[v], self._units[v])

    def total(self) -> int:
        """Operations for each direction.  A result that is only the opposite of another vertex costs one too."""
        opposites = 0
        for v, edges in enumerate(self.into):
            if len(edges) == 1 and v not in self.resting:
                (weight,) = edges.values()
                opposites += self.algebra.unit[weight] and weight != self.algebra.one
        return opposites + sum(self.operations(v) for v in range(len(self.into)))

    def terms(self) -> list[list[tuple[int, int]]]:
        """For each vertex its ``(source, weight)``; a weight ``1 + w`` is two terms where the 1 costs nothing."""
        algebra = self.algebra
        uses = Counter(algebra.size[w] for edges in self.into for w in edges.values())
        found = []
        for v, edges in enumerate(self.into):
            terms = list(edges.items())
            if not self._units[v]:
                for source, w in edges.items():
                    parts = algebra.apart(w) if uses[algebra.size[w]] == 1 else None
                    if parts is not None:
                        terms.remove((source, w))
                        terms.extend((source, part) for part in parts)
                        break
            found.append(terms)
        return found

    def weights(self) -> list[int]:
        """All weights in use, in order."""
        return list(dict.fromkeys(w for terms in self.terms() for _, w in terms))

    def gain(self, j: int, n_directions: int, known: set[int]) -> float:
        """Estimate of what eliminating j adds to the operations; negative if it pays.

        Parameters
        ----------
        known : set of int
            Monomials without sign that are computed already.
        """
        algebra, sources = self.algebra, self.into[j]
        unit, fixed, size = algebra.unit, algebra.fixed, algebra.size
        self.work += self.size(j) + 1
        each, once = -self.operations(j), 0
        made: set[int] = set()
        for k in self.out[j]:
            if k in self.resting:  # then so are j and all its sources
                continue
            edges = self.into[k]
            weight = edges[j]
            products, units = self._products[k], self._units[k]
            each -= _sum_cost(products, units)
            if unit[weight]:
                units -= 1
            else:
                products -= 1
            for i, entering in sources.items():
                trivial = unit[weight] or unit[entering]
                product = algebra.times(weight, entering)
                price = not (trivial or fixed[product] or size[product] in known or size[product] in made)
                old = edges.get(i)
                if old is None:
                    units += unit[product]
                    products += not unit[product]
                else:
                    if unit[old]:
                        units, products = units - 1, products + 1
                    price = not (fixed[product] and fixed[old])
                once += price
                made.add(size[product])
            each += _sum_cost(products, units)
        return each * n_directions + once


def _sum_cost(products: int, units: int) -> int:
    return products + (units - 1 if units > 1 else 0)


@final
@dataclass(frozen=True)
class Path:
    """Eliminations in turn, and what they add up to."""

    moves: tuple[Move, ...]
    change: float


def greedy(graph: LinearGraph, n_directions: int, known: set[int], prefer: Preference) -> Path:
    """Eliminate the vertex that `prefer` ranks lowest, again and again; return the moves up to the best point.

    Parameters
    ----------
    graph : LinearGraph
        Used up.
    prefer : callable
        ``prefer(gain, markowitz_degree, vertex)``.
    """
    known = set(known)
    stamp: dict[int, int] = {}
    heap: list[tuple[tuple[float, ...], int, int, float]] = []

    def consider(j: int) -> None:
        stamp[j] = stamp.get(j, 0) + 1
        if j in graph.pinned or not graph.out[j] or graph.size(j) > _WIDEST:
            return
        gain = graph.gain(j, n_directions, known)
        heapq.heappush(heap, (prefer(gain, graph.size(j), j), j, stamp[j], gain))

    for j in graph.free():
        consider(j)
    moves: list[Move] = []
    change, best, length = 0.0, 0.0, 0
    while heap and len(moves) - length < _PATIENCE:
        _, j, when, gain = heapq.heappop(heap)
        if when != stamp[j]:
            continue
        sources, targets = list(graph.into[j]), list(graph.out[j])
        graph.eliminate(j)
        stamp[j] += 1
        moves.append(j)
        change += gain
        known.update(graph.algebra.size[graph.into[k][i]] for k in targets for i in sources if i in graph.into[k])
        if change <= best:
            best, length = change, len(moves)
        near = dict.fromkeys([*sources, *targets])
        for k in targets:
            if len(graph.into[k]) <= _WIDEST:
                near.update(dict.fromkeys(graph.into[k]))
        for i in sources:
            if len(graph.out[i]) <= _WIDEST:
                near.update(dict.fromkeys(graph.out[i]))
        for v in near:
            consider(v)
    return Path(tuple(moves[:length]), best)


def _preferences(seed: int) -> Preference:
    """Ways to choose among vertices: by gain with different ties, by Markowitz degree, in order, and by chance."""
    fixed: tuple[Preference, ...] = (
        lambda gain, degree, j: (gain, degree, j),
        lambda gain, degree, j: (gain, degree, -j),
        lambda gain, degree, j: (degree, gain, j),
        lambda gain, degree, j: (degree, gain, -j),
        lambda gain, degree, j: (j,),
        lambda gain, degree, j: (-j,),
        lambda gain, degree, j: (gain, -degree, j),
    )
    if seed < len(fixed):
        return fixed[seed]
    chance = random.Random(seed)
    return lambda gain, degree, j: (gain + 3.0 * chance.random(),)


def best_of(
    graph: LinearGraph, n_directions: int, known: set[int], cost: Callable[[LinearGraph], int]
) -> tuple[tuple[Move, ...], int]:
    """Try several greedy orders; return the eliminations that lead to the least cost, and that cost.

    Parameters
    ----------
    graph : LinearGraph
        Left as it is; it is a candidate itself.
    known : set of int
        Monomials without sign that are computed in any case.
    cost : callable
        The cost of a graph in operations, exactly.
    """
    best: tuple[Move, ...] = ()
    least = cost(graph)
    seen: set[frozenset[Move]] = set()
    work = 0
    for seed in range(_TRIALS):
        trial = graph.copy()
        trial.work = 0
        moves = greedy(trial, n_directions, known, _preferences(seed)).moves
        work += trial.work
        if frozenset(moves) not in seen:
            seen.add(frozenset(moves))
            candidate = graph.copy()
            for j in moves:
                candidate.eliminate(j)
            price = cost(candidate)
            if price < least:
                best, least = moves, price
        if work > _WORK:
            break
    return best, least
