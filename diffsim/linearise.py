"""The cheapest program found for a graph's value and its tangents in many directions.

A tangent is linear in the input tangents, with weights that are the same for every direction.  `linearise` computes the
weights once, in a graph, and leaves a short linear program to be run for each direction.  Which intermediate tangents
that program keeps is chosen by `diffsim.elimination`, how the weights are computed by `diffsim.weights`.

NOTE: what `Graph.tangents` guards, ``0 * inf``, is not guarded here: where a weight is infinite or NaN, so may be the
tangent, also one that ought to be 0.  A finite tangent is right.  Who needs the guarded one computes it again, for that
trajectory, with `Graph.tangents`.  `where` selects among tangents, so the branch that is not taken never matters.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np

from diffsim.elimination import LinearGraph, best_of
from diffsim.errors import must
from diffsim.graph import Graph, trace
from diffsim.number import AnyNumber
from diffsim.partials import Partials
from diffsim.primitive import TABLE, bind
from diffsim.tracer import Builder, Node, Tracer
from diffsim.tree import leaves
from diffsim.weights import Algebra, Plan

__all__ = ["Choice", "Linearised", "Sum", "Term", "linearise", "tangent_graph"]


@final
@dataclass(frozen=True)
class Term:
    """``factor * weight * source`` of a `Sum`.

    Attributes
    ----------
    source : int
        A vertex computed before, or an input tangent.
    weight : int or None
        Node of the graph; None if the weight is `factor` alone.
    factor : float
        1 or -1 beside a weight; any number without one.
    """

    source: int
    weight: int | None
    factor: float


@final
@dataclass(frozen=True)
class Sum:
    """A vertex that is a sum of terms, the ones without multiplication first."""

    terms: tuple[Term, ...]


@final
@dataclass(frozen=True)
class Choice:
    """A vertex that is `yes` where the node `mask` holds and `no` elsewhere; None stands for the tangent zero."""

    mask: int
    yes: int | None
    no: int | None


Step: TypeAlias = Sum | Choice


@final
@dataclass(frozen=True)
class Linearised:
    """A graph with its linearisation.

    Attributes
    ----------
    graph : Graph
        From an array of the inputs to ``[outputs, weights and masks]``, each an array.
    outputs : tuple of int
        The nodes of the outputs.
    n_active : int
        Number of input tangents; they are vertices 0 to n_active - 1.
    steps : tuple of Sum or Choice
        Step s computes vertex n_active + s.  To be run once a direction.
    results : tuple of int or None
        The vertex that is the tangent of each output; None if it is zero.
    once : int
        Operations for all weights together, without those that depend on fixed inputs only.
    each : int
        Operations for each direction.  In both, a multiplication and the addition of its result are one.
    """

    graph: Graph
    outputs: tuple[int, ...]
    n_active: int
    steps: tuple[Step, ...]
    results: tuple[int | None, ...]
    once: int
    each: int

    def push(self, values: Sequence[AnyNumber], tangents: Sequence[AnyNumber]) -> list[AnyNumber]:
        """Tangents of the outputs in one direction.

        Parameters
        ----------
        values : sequence
            Of all nodes, from ``graph.evaluate(inputs)``.
        tangents : sequence of length n_active
            Of the active inputs.

        Returns
        -------
        list
            One tangent an output; 0.0 where it does not depend on the active inputs.
        """
        vertices = list(tangents)
        for step in self.steps:
            if isinstance(step, Choice):
                yes, no = (0.0 if v is None else vertices[v] for v in (step.yes, step.no))
                vertices.append(bind(TABLE["where"], (values[step.mask], yes, no)))
            else:
                total: AnyNumber = None
                for term in step.terms:
                    total = _accumulate(total, term, values, vertices)
                vertices.append(total)
        return [0.0 if v is None else vertices[v] for v in self.results]

    def __str__(self) -> str:
        lines = [str(self.graph), "each direction"]
        names = [f"d{i}" for i in range(self.n_active + len(self.steps))]
        for name, step in zip(names[self.n_active :], self.steps, strict=True):
            if isinstance(step, Choice):
                yes, no = ("0" if v is None else names[v] for v in (step.yes, step.no))
                lines.append(f"{name} = where(v{step.mask}, {yes}, {no})")
            else:
                parts = [f"{'-' if t.factor < 0 else '+'} {_factors(t)}{names[t.source]}" for t in step.terms]
                lines.append(f"{name} = {' '.join(parts).removeprefix('+ ')}")
        lines.append(f"return {', '.join('0' if v is None else names[v] for v in self.results)}")
        return "\n".join(lines)


def _factors(term: Term) -> str:
    if term.weight is not None:
        return f"v{term.weight}*"
    return "" if abs(term.factor) == 1.0 else f"{abs(term.factor)!r}*"


def _accumulate(total: AnyNumber, term: Term, values: Sequence[AnyNumber], vertices: Sequence[AnyNumber]) -> AnyNumber:
    source = vertices[term.source]
    if term.weight is not None:
        source = values[term.weight] * source
    elif abs(term.factor) != 1.0:
        source = abs(term.factor) * source
    if total is None:
        return source if term.factor > 0.0 else -source
    return total + source if term.factor > 0.0 else total - source


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
    return[0] [v3, v4]
    return[1] [v4, v3]
    each direction
    d2 = d0 - d1
    d3 = v4*d2
    d4 = - v3*d2
    return d3, d4
    """
    inputs = _inputs(graph)
    _check(inputs, active, n_directions)
    still = set(range(len(inputs))) - set(active) if fixed is None else set(fixed)
    programs: list[_Recording] = []

    def record(x: AnyNumber) -> Any:
        programs.append(_Recording(graph, list(x), active, still))
        return programs[0].emit(n_directions)

    made = trace(record, np.zeros(len(inputs)))
    made = dataclasses.replace(made, nodes=_renamed(made.nodes, [graph.nodes[i].name for i in inputs]))
    return programs[0].finish(made)


def _inputs(graph: Graph) -> list[int]:
    return [i for i, node in enumerate(graph.nodes) if node.row is None and node.value is None]


def _renamed(nodes: Sequence[Node], names: Sequence[str]) -> tuple[Node, ...]:
    """The nodes with other names for the inputs, which come first."""
    return (*(dataclasses.replace(n, name=name) for n, name in zip(nodes, names, strict=False)), *nodes[len(names) :])


def _check(inputs: Sequence[int], active: Sequence[int], n_directions: int) -> None:
    if len(set(active)) < len(active) or not set(active) <= set(range(len(inputs))):
        raise must("linearise", "active", f"must be different numbers from 0 to {len(inputs) - 1}", list(active))
    if n_directions < 1:
        raise must("linearise", "n_directions", "must be >= 1", n_directions)


@final
class _Recording:
    """A graph being linearised: its numbers as tracers, and the program that was found."""

    def __init__(self, graph: Graph, x: Sequence[AnyNumber], active: Sequence[int], still: set[int]) -> None:
        self._x, self._still = x, still
        self._n_active = len(active)
        self._values = graph.evaluate(x)
        self._outputs = [int(i) for index in leaves(graph.result) for i in np.ravel(index)]
        self._steps: list[Step] = []
        self._results: list[int | None] = [None] * len(self._outputs)
        self._emitted: list[AnyNumber] = []  # the weights and masks that the steps need
        self._places: dict[int, int] = {}
        self._price = (0, 0)
        if active:
            self._builder: Builder = x[0]._builder
            inputs = _inputs(graph)
            nodes = [inputs[i] for i in active]
            self._partials = Partials(graph, self._values, self._builder, nodes, self._outputs)

    def emit(self, n_directions: int) -> Any:
        """Search for the cheapest program; return the tracers of the outputs, and of the weights and masks."""
        if self._n_active:
            linear, plan = self._search(n_directions)
            size = plan.emit(lambda i: Tracer(self._builder, i))
            self._assemble(linear, size)
            self._price = (plan.cost, linear.total())
        return [_array([self._values[i] for i in self._outputs]), _array(self._emitted)]

    def _search(self, n_directions: int) -> tuple[LinearGraph, Plan]:
        fixed = self._partials.fixed(self._x, self._still)
        results = [v for v in self._partials.results if v is not None]

        def cost(linear: LinearGraph) -> int:
            return self._plan(linear).cost + n_directions * linear.total()

        found = []
        for factoring in (True, False):
            linear = self._partials.linear_graph(Algebra(fixed, factoring))
            linear.prune(results)
            found.append(best_of(linear, n_directions, self._known(linear), cost))
        best, _ = min(found, key=lambda pair: pair[1])
        return best, self._plan(best)

    def _plan(self, linear: LinearGraph) -> Plan:
        return Plan(linear.algebra, linear.weights(), self._builder.nodes)

    def _known(self, linear: LinearGraph) -> set[int]:
        """Monomials that are computed whatever is eliminated: the weights so far, and products among the nodes."""
        algebra = linear.algebra
        known = {algebra.size[w] for w in linear.weights()}
        for node in self._builder.nodes:
            if node.row is not None and node.row.name == "multiply":
                known.add(algebra.monomial(1.0, node.operands))
        return known

    def _assemble(self, linear: LinearGraph, size: Callable[[int], AnyNumber]) -> None:
        """Turn the vertices that are left into steps; those that only repeat another one are left out."""
        number: dict[int, int] = {v: i for i, v in enumerate(self._partials.inputs)}  # none: the tangent is zero
        for v in range(len(number), len(linear.into)):
            edges = [(number[i], w) for i, w in linear.into[v].items() if i in number]
            if v in linear.selects:
                mask, *sides = linear.selects[v]
                yes, no = (None if side is None else number.get(side) for side in sides)
                if yes is not None or no is not None:
                    place = self._place(-1 - mask, Tracer(self._builder, mask))
                    number[v] = self._step(Choice(place, yes, no))
            elif len(edges) == 1 and edges[0][1] == linear.algebra.one:
                number[v] = edges[0][0]
            elif edges:
                terms = [self._term(source, w, linear.algebra, size) for source, w in edges]
                number[v] = self._step(Sum(tuple(sorted(terms, key=_order))))
        self._results = [None if v is None else number.get(v) for v in self._partials.results]

    def _step(self, step: Step) -> int:
        self._steps.append(step)
        return self._n_active + len(self._steps) - 1

    def _term(self, source: int, w: int, algebra: Algebra, size: Callable[[int], AnyNumber]) -> Term:
        factor = algebra.monomials[w][0]
        if algebra.constant[w]:
            return Term(source, None, factor)
        return Term(source, self._place(algebra.size[w], size(w)), math.copysign(1.0, factor))

    def _place(self, key: int, number: AnyNumber) -> int:
        """Where a number stands among those that are emitted."""
        if key not in self._places:
            self._places[key] = len(self._emitted)
            self._emitted.append(number)
        return self._places[key]

    def finish(self, made: Graph) -> Linearised:
        """The program over the graph that holds everything that was emitted."""
        outputs, emitted = (tuple(int(i) for i in index) for index in leaves(made.result))
        steps: list[Step] = []
        for step in self._steps:
            if isinstance(step, Choice):
                steps.append(dataclasses.replace(step, mask=emitted[step.mask]))
            else:
                terms = (
                    t if t.weight is None else dataclasses.replace(t, weight=emitted[t.weight]) for t in step.terms
                )
                steps.append(Sum(tuple(terms)))
        once, each = self._price
        return Linearised(made, outputs, self._n_active, tuple(steps), tuple(self._results), once, each)


def _order(term: Term) -> tuple[bool, bool, int]:
    """Bare terms first, positive ones first among them: what comes first needs no operation of its own."""
    return term.weight is not None or abs(term.factor) != 1.0, term.factor < 0.0, term.source


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

    flat = trace(run, np.zeros(len(_inputs(graph))), *[np.zeros(len(active))] * n_directions)
    names = [graph.nodes[i].name for i in _inputs(graph)]
    return dataclasses.replace(flat, nodes=_renamed(flat.nodes, names))
