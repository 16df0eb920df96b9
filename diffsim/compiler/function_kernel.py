"""The kernel of a function: a graph evaluated for one set of arguments, or for many, one a lane.

A graph of thousands of operations is cut into internal functions, which pass numbers on through memory: LLVM's time
then grows in proportion to the graph.

``kernel(pointers, whole, real, first, count)`` takes these pointers: addresses of the inputs' rows, bytes from lane to
lane in each (0 where all lanes share an input: its row then holds a register full of it), the results' rows, room for
what is passed on.  Whole numbers: bytes from result to result, and the last lane at which a block may begin (the last
block overlaps the one before it, so no row needs padding).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import final

import numpy as np

from diffsim.compiler.elementary import FUNCTIONS
from diffsim.compiler.emitter import Emitter, Shape, Value
from diffsim.compiler.lowering import Lowering, elementary_functions, library_functions, module_text
from diffsim.graph import Graph
from diffsim.tracer import Node

__all__ = ["INPUTS", "LARGEST_PART", "RESULTS", "STEPS", "WORK", "FunctionKernel"]

INPUTS, STEPS, RESULTS, WORK = range(4)  # pointers
STRIDE, LAST = range(2)  # whole numbers
LARGEST_PART = 500
"""Operations of an internal function.

PERF: LLVM takes about 80 us an operation; one function of thousands of operations takes longer the larger it is.
"""
_INLINED = 24  # calls of elementary functions up to which they are written out
_SIGNATURE = "ptr %inputs, ptr %steps, ptr %results, ptr %work, i64 %stride, i64 %lane"


@final
class FunctionKernel:
    """Writes the kernel of a graph.

    Parameters
    ----------
    graph : Graph
    results : sequence of int
        Nodes that are wanted, in the order of the rows of results.
    shape : Shape

    Attributes
    ----------
    text : str
        The module, in LLVM's intermediate representation.
    n_work : int
        Registers that the room for passing on must hold.

    Raises
    ------
    TraceError
        A primitive has no machine rule.
    """

    def __init__(self, graph: Graph, results: Sequence[int], shape: Shape) -> None:
        graph = _narrowed(graph) if shape.bits == 32 else graph
        self._lowering = Lowering(graph, results)
        self._shape, self._results = shape, results
        self._place = {node: i for i, node in enumerate(self._lowering.inputs)}
        self._parts = self._cut()
        self._slots, self.n_work = self._assign()
        calls = sum(_is_library_call(graph.nodes[i]) for i in self._lowering.order)
        library, used = library_functions(elementary_functions([graph]), shape, calls <= _INLINED)
        if calls > _INLINED:  # PERF: else LLVM inlines most of them nevertheless, and takes five times as long
            library = library.replace(") nounwind {", ") nounwind noinline {")
        texts = [library]
        for k in range(len(self._parts)):
            text, declared = self._part(k)
            texts.append(text)
            used |= declared
        text, declared = self._kernel()
        self.text = module_text([*texts, text], used | declared)

    def _cut(self) -> list[list[int]]:
        """Return the operations of each part."""
        written = self._lowering.written
        return [written[i : i + LARGEST_PART] for i in range(0, len(written), LARGEST_PART)] or [[]]

    def _assign(self) -> tuple[dict[int, int], int]:
        """Give each number that is passed on a place; a place is free again after the part that reads it last."""
        home = {i: k for k, part in enumerate(self._parts) for i in part}
        last: dict[int, int] = {}
        for k, part in enumerate(self._parts):
            for i in part:
                last.update((j, k) for j in self._lowering.reads(i) if home.get(j, k) != k)
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
        b, lowering = Emitter(self._shape), self._lowering
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
        attributes = "nounwind noinline" if len(self._parts) > 1 else "nounwind"
        head = f"define internal void @part{k}({_SIGNATURE}) {attributes} {{"
        return "\n".join([head, "entry:", *b.lines, "ret void", "}"]), b.used

    def _number(self, b: Emitter, node: int, known: dict[int, Value]) -> Value:
        """Return a node as a number, truth values as 1 and 0."""
        if self._lowering.is_mask(node):
            return b.select(known[node], b.constant(1.0), b.constant(0.0))
        return known[node]

    def _fetch(self, b: Emitter, node: int) -> Value:
        """Return what a part does not compute: a constant, an input, or what an earlier part has passed on."""
        constant = self._lowering.nodes[node].value
        if constant is not None:
            return b.truth(constant) if isinstance(constant, bool) else b.constant(constant)
        if node in self._place:
            place = self._place[node]
            step = b.line(f"mul i64 %lane, {b.whole_at('%steps', place)}")
            return b.load(b.line(f"getelementptr i8, ptr {b.pointer_at('%inputs', place)}, i64 {step}"))
        value = b.load(self._work(b, node))
        return b.compare("une", value, b.constant(0.0)) if self._lowering.is_mask(node) else value

    def _work(self, b: Emitter, node: int) -> Value:
        return b.pointer("%work", self._slots[node] * self._shape.lanes * self._shape.bits // 8)

    def _row(self, b: Emitter, row: int) -> Value:
        start = b.line(f"mul i64 %stride, {row}")
        here = b.line(f"mul i64 %lane, {self._shape.bits // 8}")
        return b.pointer("%results", b.line(f"add i64 {start}, {here}"))

    def _kernel(self) -> tuple[str, set[str]]:
        b = Emitter(self._shape)
        pointers = [b.pointer_at("%pointers", i) for i in range(4)]
        stride, last = (b.whole_at("%whole", i) for i in (STRIDE, LAST))
        given = ", ".join(f"ptr {p}" for p in pointers) + f", i64 {stride}, i64 "
        with b.loop("%count") as block:
            here = b.line(f"mul i64 {b.line(f'add i64 %first, {block}')}, {self._shape.lanes}")
            beyond = b.line(f"icmp sgt i64 {here}, {last}")
            lane = b.line(f"select i1 {beyond}, i64 {last}, i64 {here}")
            b.lines += [f"call void @part{k}({given}{lane})" for k in range(len(self._parts))]
        head = "define void @kernel(ptr %pointers, ptr %whole, ptr %real, i64 %first, i64 %count) {"
        return "\n".join([head, "entry:", *b.lines, "ret void", "}"]), b.used


def _is_library_call(node: Node) -> bool:
    return node.row is not None and node.row.name in FUNCTIONS


def _narrowed(graph: Graph) -> Graph:
    """Return the graph with its constants as single precision has them."""

    def narrow(node: Node) -> Node:
        if node.row is not None or not isinstance(node.value, float):
            return node
        with np.errstate(over="ignore"):
            return dataclasses.replace(node, value=float(np.float32(node.value)))

    return dataclasses.replace(graph, nodes=tuple(map(narrow, graph.nodes)))
