"""`Tracer`: a scalar that stands for whatever a function will be called with, and the graph that grows while it runs.

The graph is hash-consed (the same expression is one node) and simplified as it is built, by `diffsim.rewrite`.
`diffsim.graph` makes the tracers and keeps what came out.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, final

import numpy as np

from diffsim.errors import TraceError
from diffsim.number import AnyNumber, Params
from diffsim.operators import Operators
from diffsim.primitive import TABLE, Primitive, bind, each
from diffsim.rewrite import RULES, commutes

__all__ = ["Builder", "Node", "Tracer"]


@dataclass(frozen=True)
class Node:
    """One node of a graph: an input (``row`` None, ``value`` None), a constant, or a primitive with its operands."""

    row: Primitive | None
    operands: tuple[int, ...] = ()
    value: AnyNumber = None
    name: str = ""


class Builder:
    """A graph under construction: its nodes, and the index of each expression already seen."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.nodes: list[Node] = []
        self._known: dict[Any, int] = {}
        self.wholes: frozenset[str] = frozenset()  # names of inputs that stand for whole numbers
        self.refused: TraceError | None = None  # what a tracer has raised, even if the function went on
        self.masked: set[int] = set()  # nodes made from a cotangent that `where` sets to 0 on the branch not taken
        self.infinite: set[int] = set()  # nodes made with a singular row, or from an infinity
        self.borrows = False  # whether numbers of enclosing traces become inputs of this one
        self.borrowed: dict[tuple[int, int], tuple[Tracer, Tracer]] = {}  # such a number, and the input

    def input(self, name: str) -> Tracer:
        self.nodes.append(Node(None, name=name))
        return Tracer(self, len(self.nodes) - 1)

    def borrow(self, x: Tracer) -> Tracer:
        """The input that stands for a number of an enclosing trace."""
        key = (x._level, x._index)
        if key not in self.borrowed:
            self.borrowed[key] = (x, self.input(f"outer v{x._index}"))
        return self.borrowed[key][1]

    def constant(self, value: AnyNumber) -> Tracer:
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        key = struct.pack("d", value) if isinstance(value, float) else value if isinstance(value, bool) else id(value)
        made = self._intern((type(value), key), lambda: Node(None, value=value))
        if isinstance(value, float) and not math.isfinite(value):
            self.infinite.add(made._index)
        return made

    def apply(self, row: Primitive, operands: Sequence[Tracer]) -> AnyNumber:
        """The node for ``row(*operands)``: folded, simplified, or looked up before it is made."""
        constants = [x.constant() for x in operands]
        if all(c is not None for c in constants):
            with np.errstate(all="ignore"):
                return self.constant(bind(row, constants))
        rule = RULES.get(row.name)
        simpler = rule(*operands) if rule is not None else None
        if simpler is not None:
            return simpler if isinstance(simpler, Tracer) else self.constant(simpler)
        index = tuple(x._index for x in operands)
        if commutes(row.name):
            index = tuple(sorted(index))
        made = self._intern((row.name, index), lambda: Node(row, index))
        if not self.masked.isdisjoint(index):
            self.masked.add(made._index)
        if row.singular or not self.infinite.isdisjoint(index):
            self.infinite.add(made._index)
        return made

    def _intern(self, key: Any, make: Callable[[], Node]) -> Tracer:
        if key not in self._known:
            self.nodes.append(make())
            self._known[key] = len(self.nodes) - 1
        return Tracer(self, self._known[key])


@final
class Tracer(Operators):
    """A scalar that stands for whatever a function will be called with; made by `trace`.

    Comparisons give tracers too, for `diffsim.where`; an ``if`` on one is a `TraceError`, since it would freeze the
    branch that the example took.
    """

    __slots__ = ("_builder", "_index")
    liftable = False

    def __init__(self, builder: Builder, index: int) -> None:
        self._builder, self._index, self._level = builder, index, builder.level

    @property
    def _below(self) -> AnyNumber:
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """A tracer is a scalar: ``()``."""
        return ()

    def item(self) -> Tracer:
        """The number itself, as of NumPy's scalars."""
        return self

    def constant(self) -> Any:
        """The number, or None if it is not a constant."""
        return self._builder.nodes[self._index].value

    def operands(self, name: str) -> Sequence[Tracer] | None:
        """The operands, if this is a node of the named primitive; else None."""
        node = self._builder.nodes[self._index]
        if node.row is None or node.row.name != name:
            return None
        return [Tracer(self._builder, i) for i in node.operands]

    def same(self, other: Tracer) -> bool:
        """Whether both are the same node."""
        return self._index == other._index

    def _constant(self, data: AnyNumber) -> AnyNumber:
        return data

    def _apply(self, row: Primitive, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        if not row.elementwise:
            out = row.evaluate([np.asarray(a, dtype=object) for a in args], params)
            return out.item() if isinstance(out, np.ndarray) and not out.shape else out
        if any(isinstance(a, np.ndarray) and a.shape for a in args):
            return each(row, args, params)
        if self._builder.wholes and any(isinstance(a, list | tuple | str) for a in args):
            self.refuse_whole("repeating a list")
        made = self._builder.apply(row, [self._operand(a) for a in args])
        if params.get("masks") and isinstance(made, Tracer):
            self._builder.masked.add(made._index)
        return made

    def _meets_infinity(self, g: AnyNumber) -> bool:
        return isinstance(g, Tracer) and g._index in g._builder.masked and self._index in self._builder.infinite

    def _operand(self, a: AnyNumber) -> Tracer:
        if isinstance(a, np.ndarray):
            a = a.item()
        if isinstance(a, Tracer):
            if a._builder is not self._builder:
                if self._builder.borrows and a._level < self._level:
                    return self._builder.borrow(a)
                raise TraceError(
                    "trace: a function that is traced must not use numbers of another trace; pass them as arguments."
                )
            return a
        return self._builder.constant(a)

    def _compare(self, name: str, other: AnyNumber) -> AnyNumber:
        return bind(TABLE[name], (self, other))

    def __lt__(self, other: AnyNumber) -> Any:
        return self._compare("less", other)

    def __le__(self, other: AnyNumber) -> Any:
        return self._compare("less_equal", other)

    def __gt__(self, other: AnyNumber) -> Any:
        return self._compare("greater", other)

    def __ge__(self, other: AnyNumber) -> Any:
        return self._compare("greater_equal", other)

    def __eq__(self, other: object) -> Any:
        return self._compare("equal", other)

    def __ne__(self, other: object) -> Any:
        return self._compare("not_equal", other)

    def __and__(self, other: AnyNumber) -> Any:
        self.refuse_whole("the bits")
        return self._compare("logical_and", other)

    def __or__(self, other: AnyNumber) -> Any:
        self.refuse_whole("the bits")
        return self._compare("logical_or", other)

    __rand__, __ror__ = __and__, __or__

    def __invert__(self) -> Any:
        self.refuse_whole("the bits")
        return bind(TABLE["logical_not"], (self,))

    __hash__ = object.__hash__

    def origins(self) -> frozenset[str]:
        """Names of the inputs on which this number depends."""
        nodes, found, todo = self._builder.nodes, set(), {self._index}
        for i in range(self._index, -1, -1):
            if i in todo:
                found.add(nodes[i].name)
                todo.update(nodes[i].operands)
        return frozenset(found - {""})

    def refuse_whole(self, wanted: str) -> None:
        """Raise if this number is made of whole numbers only, for which Python means something else by an operator."""
        origins = self.origins()
        if origins and origins <= self._builder.wholes:
            self._refuse(wanted)

    def refusal(self, message: str) -> TraceError:
        """The error to raise; the trace fails even if the function under trace catches it."""
        error = TraceError(message)
        error.origins = self.origins()
        self._builder.refused = self._builder.refused or error
        return error

    def __bool__(self) -> bool:
        raise self.refusal(
            "trace: a branch or loop on a traced number would freeze one branch. Use diffsim.where(condition, a, b), "
            "join conditions with & | ~, compare whole arrays with diffsim.greater(x, 0) and its kin (NumPy's x > 0 "
            "asks for plain truth values)."
        )

    def _refuse(self, wanted: str) -> NoReturn:
        raise self.refusal(f"trace: {wanted} of a traced number has no value yet. Use numpy's or diffsim's functions.")

    def __repr__(self) -> str:
        return f"<tracer v{self._index}>"
