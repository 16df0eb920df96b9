"""A graph as internal functions of a module: parts of some hundred operations, which pass numbers on through memory.

LLVM's time then grows in proportion to the graph.  A part is called as ``part(inputs, steps, results, work, stride,
lane)``: addresses of the inputs' rows, bytes from lane to lane in each, the results' rows and the bytes from one to the
next, room for what is passed on, and the first of the lanes to work on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from diffsim.compiler.emitter import Emitter, Shape, Value
from diffsim.compiler.lowering import Lowering
from diffsim.graph import Graph

__all__ = ["LARGEST_PART", "Parts"]

LARGEST_PART = 500
"""Operations of an internal function.

PERF: LLVM takes about 80 us an operation; one function of thousands of operations takes longer the larger it is.
"""
_SIGNATURE = "ptr %inputs, ptr %steps, ptr %results, ptr %work, i64 %stride, i64 %lane"


@final
class Parts:
    """Writes the internal functions of a graph.

    Parameters
    ----------
    graph : Graph
    results : sequence of int
        Nodes that are wanted, in the order of the rows of results.
    shape : Shape
    inline : bool
        Whether a graph that is a single part may become part of its caller: one that calls it once.

    Attributes
    ----------
    lowering : Lowering
    n_work : int
        Registers that the room for passing on must hold.

    Raises
    ------
    TraceError
        A primitive has no machine rule.
    """

    def __init__(self, graph: Graph, results: Sequence[int], shape: Shape, inline: bool = True) -> None:
        self.lowering = Lowering(graph, results)
        self._shape, self._results = shape, results
        self._place = {node: i for i, node in enumerate(self.lowering.inputs)}
        self._parts = self._cut()
        self._slots, self.n_work = self._assign()
        self._attributes = "nounwind" if inline and len(self._parts) == 1 else "nounwind noinline"

    def texts(self) -> tuple[list[str], set[str]]:
        """Return the text of each part, and what they declare."""
        texts: list[str] = []
        used: set[str] = set()
        for k in range(len(self._parts)):
            text, declared = self._part(k)
            texts.append(text)
            used |= declared
        return texts, used

    def calls(self, pointers: Sequence[Value], stride: Value | int, lane: Value | int) -> list[str]:
        """Return the lines that call all parts in turn.

        Parameters
        ----------
        pointers : sequence of Value
            Inputs, steps, results, work.
        stride, lane : Value or int
        """
        given = ", ".join(f"ptr {p}" for p in pointers)
        return [f"call void @part{k}({given}, i64 {stride}, i64 {lane})" for k in range(len(self._parts))]

    def _cut(self) -> list[list[int]]:
        """Return the operations of each part."""
        written = self.lowering.written
        return [written[i : i + LARGEST_PART] for i in range(0, len(written), LARGEST_PART)] or [[]]

    def _assign(self) -> tuple[dict[int, int], int]:
        """Give each number that is passed on a place; a place is free again after the part that reads it last."""
        home = {i: k for k, part in enumerate(self._parts) for i in part}
        last: dict[int, int] = {}
        for k, part in enumerate(self._parts):
            for i in part:
                last.update((j, k) for j in self.lowering.reads(i) if home.get(j, k) != k)
        ending: dict[int, list[int]] = {}
        for i, k in last.items():
            ending.setdefault(k, []).append(i)
        slots: dict[int, int] = {}
        free: list[int] = []
        n = 0
        for k, part in enumerate(self._parts):
            for i in part:
                if i in last:
                    if not free:
                        free.append(n)
                        n += 1
                    slots[i] = free.pop()
            free.extend(slots[i] for i in sorted(ending.get(k, ())))
        return slots, n

    def _part(self, k: int) -> tuple[str, set[str]]:
        """Return the text of one part, and what it declares."""
        b, lowering = Emitter(self._shape), self.lowering
        own = set(self._parts[k])
        known: dict[int, Value] = {}
        rows: dict[int, list[int]] = {}
        for row, node in enumerate(self._results):
            if node in own or (k == 0 and lowering.nodes[node].row is None):
                rows.setdefault(node, []).append(row)
        needed = {j for i in self._parts[k] for j in lowering.reads(i)} | set(rows)
        for node in sorted(needed - own):
            known[node] = self._fetch(b, node)
        lowering.write_nodes(b, known, self._parts[k])
        for node in self._parts[k]:
            if node in self._slots:
                b.store(self._number(b, node, known), self._work(b, node))
        for node, places in rows.items():
            value = self._number(b, node, known)
            for row in places:
                b.store(value, self._row(b, row))
        head = f"define internal void @part{k}({_SIGNATURE}) {self._attributes} {{"
        return "\n".join([head, "entry:", *b.lines, "ret void", "}"]), b.used

    def _number(self, b: Emitter, node: int, known: dict[int, Value]) -> Value:
        """Return a node as a number, truth values as 1 and 0."""
        if self.lowering.is_mask(node):
            return b.select(known[node], b.constant(1.0), b.constant(0.0))
        return known[node]

    def _fetch(self, b: Emitter, node: int) -> Value:
        """Return what a part does not compute: a constant, an input, or what an earlier part has passed on."""
        constant = self.lowering.nodes[node].value
        if constant is not None:
            return b.truth(constant) if isinstance(constant, bool) else b.constant(constant)
        if node in self._place:
            place = self._place[node]
            step = b.line(f"mul i64 %lane, {b.whole_at('%steps', place)}")
            return b.load(b.line(f"getelementptr i8, ptr {b.pointer_at('%inputs', place)}, i64 {step}"))
        value = b.load(self._work(b, node))
        return b.compare("une", value, b.constant(0.0)) if self.lowering.is_mask(node) else value

    def _work(self, b: Emitter, node: int) -> Value:
        return b.pointer("%work", self._slots[node] * self._shape.lanes * self._shape.bits // 8)

    def _row(self, b: Emitter, row: int) -> Value:
        start = b.line(f"mul i64 %stride, {row}")
        here = b.line(f"mul i64 %lane, {self._shape.bits // 8}")
        return b.pointer("%results", b.line(f"add i64 {start}, {here}"))
