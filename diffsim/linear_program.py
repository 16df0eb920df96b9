"""`Linearised`: a graph with the linear program of its tangents or cotangents, as `diffsim.linearise` makes it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np

from diffsim.elimination import LinearGraph
from diffsim.graph import Graph
from diffsim.number import AnyNumber
from diffsim.primitive import TABLE, bind
from diffsim.tracer import Builder, Tracer
from diffsim.tree import leaves
from diffsim.weights import Plan

__all__ = ["Assembly", "Choice", "Linearised", "Step", "Sum", "Term"]


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
    """A vertex that is a sum of terms, a positive one first where there is one."""

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
    """A graph with its linearisation: what it computes once, and the steps for each direction.

    Attributes
    ----------
    graph : Graph
        From an array of the inputs to ``[outputs, weights and masks]``, each an array.
    outputs : tuple of int
        The nodes of the outputs.
    n_active : int
        Number of input tangents (transposed: of the outputs' cotangents); they are vertices 0 to n_active - 1.
    steps : tuple of Sum or Choice
        Step s computes vertex n_active + s.  To be run once a direction.
    results : tuple of int or None
        The vertex that is the tangent of each output (transposed: the cotangent of each active input); None if zero.
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

    def on(self, graph: Graph) -> Linearised:
        """The same linearisation on another graph of the same form that computes the same numbers."""
        before, after = (
            [int(i) for index in leaves(g.result) for i in np.asarray(index).ravel()] for g in (self.graph, graph)
        )
        new = dict(zip(before, after, strict=True))

        def moved(term: Term) -> Term:
            return term if term.weight is None else dataclasses.replace(term, weight=new[term.weight])

        steps: tuple[Step, ...] = tuple(
            dataclasses.replace(step, mask=new[step.mask])
            if isinstance(step, Choice)
            else Sum(tuple(map(moved, step.terms)))
            for step in self.steps
        )
        return dataclasses.replace(self, graph=graph, outputs=tuple(new[i] for i in self.outputs), steps=steps)

    def push(self, values: Sequence[AnyNumber], tangents: Sequence[AnyNumber]) -> list[AnyNumber]:
        """Tangents of the outputs in one direction (transposed: cotangents of the active inputs).

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
    if total is None and term.weight is None and abs(term.factor) != 1.0:
        return term.factor * source
    if term.weight is not None:
        source = values[term.weight] * source
    elif abs(term.factor) != 1.0:
        source = abs(term.factor) * source
    if total is None:
        return source if term.factor > 0.0 else -source
    return total + source if term.factor > 0.0 else total - source


@final
class Assembly:
    """Steps being made from a linear graph, while the numbers that they need are being recorded.

    Parameters
    ----------
    linear : LinearGraph
        What the search has left.
    n_given : int
        Its first vertices are given from outside.
    results : sequence of int or None
        Its results.
    plan : Plan
        Of its weights.
    builder : Builder
        The graph under construction.

    Attributes
    ----------
    emitted : list
        The weights and masks that the steps need, as tracers.
    """

    def __init__(
        self, linear: LinearGraph, n_given: int, results: Sequence[int | None], plan: Plan, builder: Builder
    ) -> None:
        self.emitted: list[AnyNumber] = []
        self._places: dict[tuple[str, int], int] = {}
        self._linear, self._n_given = linear, n_given
        self._steps: list[Step] = []
        self._price = (plan.cost, linear.total())
        size = plan.emit(lambda i: Tracer(builder, i))
        number = {v: v for v in range(n_given)}  # of each vertex; those without have the tangent zero
        for v, terms in enumerate(linear.terms()):
            if v < n_given:
                continue
            edges = [(number[i], w) for i, w in terms if i in number]
            if v in linear.selects:
                mask, *sides = linear.selects[v]
                yes, no = (None if side is None else number.get(side) for side in sides)
                if yes is not None or no is not None:
                    number[v] = self._step(Choice(self._place("mask", mask, Tracer(builder, mask)), yes, no))
            elif len(edges) == 1 and edges[0][1] == linear.algebra.one:
                number[v] = edges[0][0]
            elif edges:
                number[v] = self._step(self._sum(edges, size))
        self._results = tuple(None if v is None else number.get(v) for v in results)

    def finish(self, graph: Graph, outputs: Sequence[int], emitted: Sequence[int]) -> Linearised:
        """The program over a graph whose nodes `emitted` are what was emitted."""
        steps: list[Step] = []
        for step in self._steps:
            if isinstance(step, Choice):
                steps.append(dataclasses.replace(step, mask=emitted[step.mask]))
            else:
                terms = [(t, None if t.weight is None else emitted[t.weight]) for t in step.terms]
                steps.append(Sum(tuple(dataclasses.replace(t, weight=weight) for t, weight in terms)))
        return Linearised(graph, tuple(outputs), self._n_given, tuple(steps), self._results, *self._price)

    def _step(self, step: Step) -> int:
        self._steps.append(step)
        return self._n_given + len(self._steps) - 1

    def _sum(self, edges: Sequence[tuple[int, int]], size: Any) -> Sum:
        """The step of a vertex with the given edges.

        A processor subtracts a product for nothing, but has to start with something: where all terms are negative, a
        weight that is negated once takes the place of a sign in each direction.
        """
        algebra = self._linear.algebra
        negated = None
        if all(algebra.monomials[w][0] < 0.0 for _, w in edges):
            usable = [w for _, w in edges if not algebra.constant[w] and (len(edges) == 1 or algebra.fixed[w])]
            negated = usable[0] if usable else None
        terms = [self._term(source, w, size, w == negated) for source, w in edges]
        return Sum(tuple(sorted(terms, key=_order)))

    def _term(self, source: int, w: int, size: Any, negated: bool) -> Term:
        algebra = self._linear.algebra
        factor = algebra.monomials[w][0]
        if algebra.constant[w]:
            return Term(source, None, factor)
        if negated:
            return Term(source, self._place("negative", algebra.size[w], -size(w)), 1.0)
        return Term(source, self._place("weight", algebra.size[w], size(w)), math.copysign(1.0, factor))

    def _place(self, kind: str, key: int, number: AnyNumber) -> int:
        """Where a number stands among those that are emitted."""
        if (kind, key) not in self._places:
            self._places[kind, key] = len(self.emitted)
            self.emitted.append(number)
        return self._places[kind, key]


def _order(term: Term) -> tuple[bool, bool, int]:
    """A positive term first, a bare one if there is one: what comes first needs no operation of its own."""
    return term.factor < 0.0, term.weight is not None or abs(term.factor) != 1.0, term.source
