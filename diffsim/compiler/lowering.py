"""Lowering: the nodes of an expression graph become instructions, one rule a primitive.

Products that feed one sum become fused multiply-adds here and nowhere else, so that every width of the code has the
same roundings.  sin and cos of the same angle share their work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeAlias, final

from diffsim.compiler import elementary
from diffsim.compiler.emitter import Emitter, Shape, Value
from diffsim.errors import TraceError
from diffsim.graph import Graph
from diffsim.linearise import Choice, Linearised, Term
from diffsim.tracer import Node

__all__ = [
    "Lowering",
    "elementary_functions",
    "has_machine_rule",
    "library_functions",
    "module_text",
    "wanted_nodes",
    "write_tangent",
]

Rule: TypeAlias = Callable[..., Value]


def _sign(b: Emitter, x: Value) -> Value:
    zero = b.constant(0.0)
    kept = b.compare("ueq", x, zero)  # zeros keep their sign, NaN stays NaN
    return b.select(kept, x, b.copysign(b.constant(1.0), x))


def _maximum(b: Emitter, x: Value, y: Value) -> Value:
    larger = b.select(b.compare("oge", x, y), x, y)
    return b.select(b.compare("uno", x, x), x, larger)


def _minimum(b: Emitter, x: Value, y: Value) -> Value:
    smaller = b.select(b.compare("ole", x, y), x, y)
    return b.select(b.compare("uno", x, x), x, smaller)


def _relu(b: Emitter, x: Value) -> Value:
    return b.select(b.compare("ule", x, b.constant(0.0)), b.select(b.compare("uno", x, x), x, b.constant(0.0)), x)


_ARITHMETIC: Mapping[str, Rule] = {
    "add": Emitter.add,
    "subtract": Emitter.sub,
    "multiply": Emitter.mul,
    "divide": Emitter.div,
    "negative": Emitter.neg,
    "square": lambda b, x: b.mul(x, x),
    "abs": Emitter.abs,
    "sqrt": Emitter.sqrt,
    "floor": Emitter.floor,
    "frozen": lambda b, x: x,
    "sign": _sign,
    "maximum": _maximum,
    "minimum": _minimum,
    "relu": _relu,
}

_PREDICATES: Mapping[str, str] = {
    "less": "olt",
    "less_equal": "ole",
    "greater": "ogt",
    "greater_equal": "oge",
    "equal": "oeq",
    "not_equal": "une",
}

_LOGIC: Mapping[str, Rule] = {
    "logical_and": Emitter.both,
    "logical_or": Emitter.either,
    "logical_not": Emitter.opposite,
}


def has_machine_rule(name: str) -> bool:
    """Whether the primitive of that name can be lowered."""
    return name in _ARITHMETIC or name in _PREDICATES or name in _LOGIC or name == "where" or _is_elementary(name)


def _is_elementary(name: str) -> bool:
    return name in elementary.FUNCTIONS


def elementary_functions(graphs: Iterable[Graph]) -> set[str]:
    """Return the names of the elementary functions that the graphs call, ``sincos`` where it may be used."""
    names = {node.row.name for graph in graphs for node in graph.nodes if node.row is not None}
    found = {name for name in names if _is_elementary(name)}
    return found | {"sincos"} if {"sin", "cos"} <= found else found


@final
class Lowering:
    """A graph, ready to be written into functions.

    Parameters
    ----------
    graph : Graph
    results : sequence of int
        Nodes that are wanted; nothing else is written.

    Raises
    ------
    TraceError
        A primitive without a machine rule, or a constant that is no real number.
    """

    def __init__(self, graph: Graph, results: Sequence[int]) -> None:
        self.nodes: tuple[Node, ...] = graph.nodes
        self.inputs = [i for i, node in enumerate(graph.nodes) if node.row is None and node.value is None]
        needed = set(results)
        for i in range(len(self.nodes) - 1, -1, -1):
            if i in needed:
                needed.update(self.nodes[i].operands)
        self.order = [i for i in range(len(self.nodes)) if i in needed]
        self._check()
        self._masks = self._truths()
        self._fused, self._absorbed = self._contract(set(results))
        self._angles = self._pairs()

    def _check(self) -> None:
        for i in self.order:
            row = self.nodes[i].row
            if row is not None and not has_machine_rule(row.name):
                raise TraceError(f"compile: {row.name!r} has no machine rule. Use compiled=False.")
            value = self.nodes[i].value
            if row is None and value is not None and not isinstance(value, float | int | bool):
                raise TraceError(f"compile: constants must be real numbers; got {type(value).__name__}.")

    def _contract(self, results: Collection[int]) -> tuple[dict[int, int], set[int]]:
        """Choose, for sums, the operand that is a product and is fused; and the products that vanish that way."""
        uses = Counter(j for i in self.order for j in self.nodes[i].operands)
        fused: dict[int, int] = {}
        absorbed: set[int] = set()
        for i in self.order:
            row = self.nodes[i].row
            if row is None or row.name not in ("add", "subtract"):
                continue
            for place, j in enumerate(self.nodes[i].operands):
                factor = self.nodes[j].row
                if factor is None or factor.name not in ("multiply", "square") or self._of_masks(j):
                    continue
                if uses[j] == 1 and j not in results:
                    fused[i] = place
                    absorbed.add(j)
                    break
        return fused, absorbed

    def _of_masks(self, i: int) -> bool:
        return any(self.is_mask(j) for j in self.nodes[i].operands)

    def _pairs(self) -> set[int]:
        """Return the angles of which both sine and cosine are wanted."""
        sines = {self.nodes[i].operands[0] for i in self.order if self._name(i) == "sin"}
        return sines & {self.nodes[i].operands[0] for i in self.order if self._name(i) == "cos"}

    def _name(self, i: int) -> str:
        row = self.nodes[i].row
        return "" if row is None else row.name

    def is_mask(self, i: int) -> bool:
        """Whether a node is a truth value."""
        return i in self._masks

    def _truths(self) -> set[int]:
        """Return the nodes that are truth values: conditions, and selections among them."""
        found: set[int] = set()
        for i in self.order:
            node = self.nodes[i]
            if node.row is None:
                truth = isinstance(node.value, bool)
            elif node.row.name == "where":
                truth = node.operands[1] in found and node.operands[2] in found
            else:
                truth = node.row.boolean
            if truth:
                found.add(i)
        return found

    def depends_on(self, inputs: Collection[int]) -> set[int]:
        """Return the nodes that depend on some of the given inputs (node numbers)."""
        found = set(inputs)
        for i in self.order:
            if not found.isdisjoint(self.nodes[i].operands):
                found.add(i)
        return found

    def frontier(self, inner: Collection[int], results: Sequence[int]) -> list[int]:
        """Return the nodes, not constants, outside `inner` that are operands of nodes inside it, or results."""
        outside: set[int] = set()
        for i in self.order:
            if i in inner:
                outside.update(j for j in self.reads(i) if j not in inner)
        outside.update(i for i in results if i not in inner)
        return sorted(i for i in outside if self.nodes[i].row is not None)

    def calls_ahead(self, inner: Collection[int]) -> set[int]:
        """Return those of the inner nodes that lead to a first elementary function, and it: no other call before it."""
        after_call: set[int] = set()
        first: set[int] = set()
        for i in self.order:
            if not after_call.isdisjoint(self.nodes[i].operands):
                after_call.add(i)
            elif i in inner and _is_elementary(self._name(i)):
                after_call.add(i)
                first.add(i)
        for i in reversed(self.order):
            if i in first:
                first.update(j for j in self.reads(i) if j in inner and self.nodes[j].row is not None)
        return first

    @property
    def written(self) -> list[int]:
        """The nodes that have an instruction of their own, in order."""
        return [i for i in self.order if self.nodes[i].row is not None and i not in self._absorbed]

    def reads(self, i: int) -> list[int]:
        """Return the operands that the instruction of node i reads: those of an absorbed product in its place."""
        out: list[int] = []
        for j in self.nodes[i].operands:
            out.extend(self.nodes[j].operands if j in self._absorbed else (j,))
        return out

    def write(self, b: Emitter, known: dict[int, Value], only: Collection[int] | None = None) -> None:
        """Write the instructions of the nodes (of those in `only`) that are not known yet, and make them known.

        Parameters
        ----------
        b : Emitter
        known : dict of int to Value
            Registers by node: the inputs at least.
        only : collection of int, optional
        """
        for i in self.order:
            node = self.nodes[i]
            if i in known or i in self._absorbed:
                continue
            if node.row is None:
                if node.value is not None:
                    known[i] = b.truth(node.value) if isinstance(node.value, bool) else b.constant(node.value)
            elif only is None or i in only:
                known[i] = self._instruction(b, i, node, known)

    def write_nodes(self, b: Emitter, known: dict[int, Value], nodes: Iterable[int]) -> None:
        """Write the instructions of some of `written`, in order; what else they read must be known."""
        for i in nodes:
            known[i] = self._instruction(b, i, self.nodes[i], known)

    def _instruction(self, b: Emitter, i: int, node: Node, known: dict[int, Value]) -> Value:
        name, operands = self._name(i), node.operands
        if i in self._fused:
            return self._multiply_add(b, i, name, known)
        if name == "where":
            condition, x, y = operands
            mask = self._mask(b, condition, known)
            if self.is_mask(x) and self.is_mask(y):
                chosen = b.both(mask, known[x])
                return b.either(chosen, b.both(b.opposite(mask), known[y]))
            return b.select(mask, self._real(b, x, known), self._real(b, y, known))
        if name in _LOGIC:
            return _LOGIC[name](b, *[self._mask(b, j, known) for j in operands])
        args = [self._real(b, j, known) for j in operands]
        if name in _PREDICATES:
            return b.compare(_PREDICATES[name], *args)
        if name in _ARITHMETIC:
            return _ARITHMETIC[name](b, *args)
        if name in ("sin", "cos") and operands[0] in self._angles:
            return self._sine_and_cosine(b, name, operands[0], args, known)
        return b.call(elementary.symbol(name, b.shape), args)[0]

    def _sine_and_cosine(
        self, b: Emitter, name: str, angle: int, args: Sequence[Value], known: dict[int, Value]
    ) -> Value:
        """Write both, once; they wait under keys that no node has."""
        sine, cosine = -2 * angle - 1, -2 * angle - 2
        if sine not in known:
            known[sine], known[cosine] = b.call(elementary.symbol("sincos", b.shape), args, 2)
        return known[sine if name == "sin" else cosine]

    def _multiply_add(self, b: Emitter, i: int, name: str, known: Mapping[int, Value]) -> Value:
        place = self._fused[i]
        product = self.nodes[self.nodes[i].operands[place]]
        other = self._real(b, self.nodes[i].operands[1 - place], known)
        x, y = (product.operands * 2)[:2]
        factors = known[x], known[y]
        if name == "add":
            return b.fma(*factors, other)
        return b.fms(*factors, other) if place == 0 else b.fnma(*factors, other)

    def _real(self, b: Emitter, i: int, known: Mapping[int, Value]) -> Value:
        if self.is_mask(i):
            return b.select(known[i], b.constant(1.0), b.constant(0.0))
        return known[i]

    def _mask(self, b: Emitter, i: int, known: Mapping[int, Value]) -> Value:
        return known[i] if self.is_mask(i) else b.compare("une", known[i], b.constant(0.0))


def module_text(functions: Iterable[str], declarations: Iterable[str]) -> str:
    """Return the text of a module."""
    weights = '!0 = !{!"branch_weights", i32 1, i32 100000}'
    return "\n".join([*sorted(set(declarations)), *functions, weights, ""])


def library_functions(names: Iterable[str], shape: Shape, inline: bool) -> tuple[str, set[str]]:
    """Return the text of the elementary functions of those names, and what it declares."""
    return elementary.definitions(sorted(names), shape, inline)


def wanted_nodes(linear: Linearised) -> list[int]:
    """Return the nodes of the graph that a direction's linear program reads: weights and masks."""
    found: dict[int, None] = {}
    for step in linear.steps:
        if isinstance(step, Choice):
            found[step.mask] = None
        else:
            found.update((term.weight, None) for term in step.terms if term.weight is not None)
    return list(found)


def write_tangent(
    b: Emitter, linear: Linearised, seeds: Sequence[Value | None], known: Mapping[int, Value]
) -> list[Value | None]:
    """Write the tangents of the results in one direction.

    Parameters
    ----------
    b : Emitter
    linear : Linearised
    seeds : sequence of Value or None
        Tangents of the active inputs; None for one that is zero.
    known : mapping of int to Value
        Registers of the weights and masks.

    Returns
    -------
    list of Value or None
        None for a tangent that is zero whatever the numbers.
    """
    vertices: list[Value | None] = list(seeds)
    for step in linear.steps:
        if isinstance(step, Choice):
            yes, no = (None if v is None else vertices[v] for v in (step.yes, step.no))
            zero = b.constant(0.0)
            none = yes is None and no is None
            vertices.append(None if none else b.select(known[step.mask], yes or zero, no or zero))
        else:
            total: Value | None = None
            for term in step.terms:
                source = vertices[term.source]
                if source is not None:
                    total = _add_term(b, total, term, source, known)
            vertices.append(total)
    return [None if v is None else vertices[v] for v in linear.results]


def _add_term(b: Emitter, total: Value | None, term: Term, source: Value, known: Mapping[int, Value]) -> Value:
    """Write ``total + factor * weight * source``."""
    negative = term.factor == -1.0
    if term.weight is None:
        if term.factor not in (1.0, -1.0):
            factor = b.constant(term.factor)
            return b.mul(factor, source) if total is None else b.fma(factor, source, total)
        if total is None:
            return b.neg(source) if negative else source
        return b.sub(total, source) if negative else b.add(total, source)
    weight = known[term.weight]
    if total is None:
        product = b.mul(weight, source)
        return b.neg(product) if negative else product
    return b.fnma(weight, source, total) if negative else b.fma(weight, source, total)
