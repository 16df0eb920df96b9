"""The cheapest programs found for a graph's value and its tangents in many directions, or its cotangents.

A tangent is linear in the input tangents, with weights that are the same for every direction.  `linearise` computes the
weights once, in a graph, and leaves a short linear program to be run for each direction.  Which intermediate tangents
that program keeps is chosen by `diffsim.elimination`, how the weights are computed by `diffsim.weights`.  For the
cotangents, `vjp_graph`, the linear program is transposed first.

NOTE: what `Graph.tangents` guards, ``0 * inf``, is not guarded here: where a weight is infinite or NaN, so may be the
tangent, also one that ought to be 0.  A finite tangent is right (as far as no product of weights underflows).  Who
needs the guarded one computes it again, for that trajectory, with `Graph.tangents`.  `where` selects among tangents, so
the branch that is not taken never matters.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from diffsim.dataflow import inputs_of, outputs_of, renamed
from diffsim.elimination import LinearGraph, best_of
from diffsim.errors import must
from diffsim.graph import Graph, trace
from diffsim.linear_program import Assembly, Choice, Linearised, Sum, Term
from diffsim.number import AnyNumber
from diffsim.partials import Partials
from diffsim.tracer import Builder
from diffsim.transposition import transposed
from diffsim.tree import leaves
from diffsim.weights import Algebra, Plan

__all__ = ["Choice", "Linearised", "Sum", "Term", "linearise", "tangent_graph", "vjp_graph"]

_SEARCH = "eliminations, 1"
"""What is asked for; another number where the search has become a better one."""


def linearise(
    graph: Graph, active: Sequence[int], n_directions: int, *, fixed: Sequence[int] | None = None
) -> Linearised:
    """The cheapest program found for the value of a graph and its tangents in several directions.

    Deterministic: the same graph gives the same program.  The work grows in proportion to the graph.

    Parameters
    ----------
    graph : Graph
        Of scalar results; all its inputs are counted one by one, as in `Graph.evaluate`.
    active : sequence of int
        The inputs that carry tangents.
    n_directions : int
        How many tangents each of them carries: with many it pays to multiply weights out.
    fixed : sequence of int, optional
        The inputs that stay the same while the program is run many times; what depends on them alone is free.  By
        default those that are not active.

    Returns
    -------
    Linearised

    Raises
    ------
    ArgumentError
        An index that is no input or occurs twice, or fewer than one direction.

    Examples
    --------
    >>> graph = trace(lambda x, y: (np.sin(x - y), np.cos(x - y)), 1.0, 1.0)
    >>> print(linearise(graph, [0, 1], 4))
    inputs x, y
    v2 = x - y
    v3 = sin(v2)
    v4 = cos(v2)
    v5 = negative(v3)
    return[0] [v3, v4]
    return[1] [v4, v5]
    each direction
    d2 = d0 - d1
    d3 = v4*d2
    d4 = v5*d2
    return d3, d4
    """
    return _found("linearise", graph, active, n_directions, fixed, turned=False)


def _found(
    who: str,
    graph: Graph,
    active: Sequence[int],
    n_directions: int,
    fixed: Sequence[int] | None,
    turned: bool,
    searched: bool = True,
) -> Linearised:
    inputs = inputs_of(graph)
    _check(who, inputs, active, n_directions)
    still = set(range(len(inputs))) - set(active) if fixed is None else set(fixed)
    assemblies: list[Assembly] = []

    def record(x: AnyNumber) -> Any:
        numbers = list(x)
        values = graph.evaluate(numbers)
        if numbers:
            assemblies.append(_Recording(graph, numbers, active, still).assembly(n_directions, turned, searched))
        emitted = assemblies[0].emitted if numbers else []
        return [_array([values[i] for i in outputs_of(graph)]), _array(emitted)]

    made = trace(record, np.zeros(len(inputs)))
    made = dataclasses.replace(made, nodes=renamed(made.nodes, [graph.nodes[i].name for i in inputs]))
    outputs, emitted = (tuple(int(i) for i in index) for index in leaves(made.result))
    if assemblies:
        return assemblies[0].finish(made, outputs, emitted)
    return Linearised(made, outputs, 0, (), () if turned else (None,) * len(outputs), 0, 0)


def _check(who: str, inputs: Sequence[int], active: Sequence[int], n_directions: int) -> None:
    if len(set(active)) < len(active) or not set(active) <= set(range(len(inputs))):
        raise must(who, "active", f"must be different numbers from 0 to {len(inputs) - 1}", list(active))
    if n_directions < 1:
        raise must(who, "n_directions", "must be >= 1", n_directions)


@final
class _Recording:
    """A graph being linearised: its numbers as tracers, and the program that was found."""

    def __init__(self, graph: Graph, x: Sequence[AnyNumber], active: Sequence[int], still: set[int]) -> None:
        self._x, self._active, self._still = x, active, still
        values, outputs, inputs = graph.evaluate(x), outputs_of(graph), inputs_of(graph)
        self._builder: Builder = x[0]._builder
        self._n_primal = len(self._builder.nodes)
        self._partials = Partials(graph, values, self._builder, [inputs[i] for i in active], outputs)

    def assembly(self, n_directions: int, turned: bool, searched: bool) -> Assembly:
        """Search for the cheapest program, and record what it needs."""
        linear, results, plan = self._search(n_directions, turned, searched)
        n_given = len(self._partials.results) if turned else len(self._partials.inputs)
        return Assembly(linear, n_given, results, plan, self._builder)

    def _search(self, n_directions: int, turned: bool, searched: bool) -> tuple[LinearGraph, list[int | None], Plan]:
        """The cheapest linear graph found, the vertices of its results, and how to compute its weights.

        PERF: the search takes half of what a fresh process needs for its first solve with tangents, so what it found is
        kept with the machine code.  Any order of eliminations is right: a stale one would only cost operations.
        """
        from diffsim.compiler.cache import default_cache  # not needed before something is to be compiled

        fixed = self._partials.fixed(self._x, self._still)
        nodes = self._builder.nodes

        def begin(factoring: bool) -> tuple[LinearGraph, list[int | None]]:
            linear = self._partials.linear_graph(Algebra(fixed, factoring))
            results: list[int | None] = self._partials.results
            if turned:
                linear, ends = transposed(linear, self._partials.inputs, results)
                results = list(ends)
            else:
                linear.rest([v for v, i in enumerate(self._active) if i in self._still])
            linear.prune([v for v in results if v is not None])
            return linear, results

        def plan(linear: LinearGraph) -> Plan:
            return Plan(linear.algebra, linear.weights(), nodes, self._n_primal)

        def find() -> bytes:
            found = []
            for factoring in (True, False):
                linear, _ = begin(factoring)
                moves, price = best_of(
                    linear, n_directions, self._known(linear), lambda one: plan(one).cost + n_directions * one.total()
                )
                found.append((price, factoring, moves))
            _, factoring, moves = min(found, key=lambda one: one[0])
            return json.dumps([factoring, moves]).encode()

        if not searched:
            linear, results = begin(True)
            return linear, results, plan(linear)
        rows = [(None if node.row is None else node.row.name, node.operands, repr(node.value)) for node in nodes]
        question = (_SEARCH, rows, self._active, sorted(self._still), self._partials.results, n_directions, turned)
        factoring, moves = json.loads(default_cache().fetch(repr(question), find))
        linear, results = begin(factoring)
        if not set(moves) <= set(linear.free()):  # kept by a version that numbered the vertices otherwise
            factoring, moves = json.loads(find())
            linear, results = begin(factoring)
        for move in moves:
            linear.eliminate(move)
        return linear, results, plan(linear)

    def _known(self, linear: LinearGraph) -> set[int]:
        """Monomials that are computed whatever is eliminated: the weights so far, and products among the nodes."""
        algebra = linear.algebra
        known = {algebra.size[w] for w in linear.weights()}
        for node in self._builder.nodes[: self._n_primal]:
            if node.row is not None and node.row.name == "multiply":
                known.add(algebra.monomial(1.0, node.operands))
        return known


def _array(numbers: Sequence[AnyNumber]) -> Any:
    out = np.empty(len(numbers), dtype=object)
    out[:] = numbers
    return out


def tangent_graph(
    graph: Graph, active: Sequence[int], n_directions: int, *, fixed: Sequence[int] | None = None
) -> Graph:
    """The program of `linearise` as one graph.

    Parameters
    ----------
    graph, active, n_directions, fixed
        See `linearise`.

    Returns
    -------
    Graph
        From ``(x, d[0], ..., d[k - 1])`` to ``[f, df[0], ..., df[k - 1]]``: arrays of the inputs, of the tangents of
        the active ones in k directions, of the outputs and of their tangents.

    Examples
    --------
    >>> graph = trace(lambda x, y: x * np.sin(y), 1.0, 1.0)
    >>> tangents = tangent_graph(graph, [0, 1], 1)
    >>> [y.tolist() for y in tangents(np.array([2.0, 0.0]), np.array([1.0, 1.0]))]
    [[0.0], [2.0]]
    """
    program = linearise(graph, active, n_directions, fixed=fixed)

    def run(x: AnyNumber, *directions: AnyNumber) -> Any:
        values = program.graph.evaluate(list(x))
        pushed = [program.push(values, list(d)) for d in directions]
        return [_array([values[i] for i in program.outputs]), *map(_array, pushed)]

    flat = trace(run, np.zeros(len(inputs_of(graph))), *[np.zeros(len(active))] * n_directions)
    names = [graph.nodes[i].name for i in inputs_of(graph)]
    return dataclasses.replace(flat, nodes=renamed(flat.nodes, names))


def vjp_graph(
    graph: Graph, active: Sequence[int], *, fixed: Sequence[int] | None = None, searched: bool = True
) -> Graph:
    """The value of a graph and the cotangents of its inputs, for fewer operations than `Graph.cotangents`.

    NOTE: `Graph.cotangents` guards ``0 * inf`` and is what the result means.  Here a cotangent of exactly 0 that meets
    an infinite partial gives NaN instead of 0; a finite result is right.  The branch of a `where` that is not taken is
    no such case, unless it has more than 500 operations: its cotangents are set to 0 where they leave it.

    Parameters
    ----------
    graph, active, fixed
        See `linearise`.
    searched : bool
        Whether a cheaper order of operations than the reverse one is looked for.

    Returns
    -------
    Graph
        From ``(x, w)`` to ``[f, v]``: arrays of the inputs, of the cotangents of the outputs, of the outputs, and of
        the cotangents of the active inputs.

    Examples
    --------
    >>> graph = trace(lambda x, y: x * np.sin(y), 1.0, 1.0)
    >>> [y.tolist() for y in vjp_graph(graph, [0, 1])(np.array([2.0, 0.0]), np.array([10.0]))]
    [[0.0], [0.0, 20.0]]
    """
    program = _found("vjp_graph", graph, active, 1, fixed, turned=True, searched=searched)

    def run(x: AnyNumber, w: AnyNumber) -> Any:
        values = program.graph.evaluate(list(x))
        return [_array([values[i] for i in program.outputs]), _array(program.push(values, list(w)))]

    flat = trace(run, np.zeros(len(inputs_of(graph))), np.zeros(len(program.outputs)))
    return dataclasses.replace(flat, nodes=renamed(flat.nodes, [graph.nodes[i].name for i in inputs_of(graph)]))
