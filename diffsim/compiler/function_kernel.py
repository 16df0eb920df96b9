"""The kernel of a function: a graph evaluated for one set of arguments, or for many, one a lane.

A graph of thousands of operations is cut into internal functions, see `diffsim.compiler.function_parts`.

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
from diffsim.compiler.emitter import Emitter, Shape
from diffsim.compiler.function_parts import Parts
from diffsim.compiler.lowering import elementary_functions, library_functions, module_text
from diffsim.graph import Graph
from diffsim.tracer import Node

__all__ = ["INPUTS", "RESULTS", "STEPS", "WORK", "FunctionKernel"]

INPUTS, STEPS, RESULTS, WORK = range(4)  # pointers
STRIDE, LAST = range(2)  # whole numbers
_INLINED = 24  # calls of elementary functions up to which they are written out


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
        self._shape, self._parts = shape, Parts(graph, results, shape)
        self.n_work = self._parts.n_work
        calls = sum(_is_library_call(graph.nodes[i]) for i in self._parts.lowering.order)
        library, used = library_functions(elementary_functions([graph]), shape, calls <= _INLINED)
        if calls > _INLINED:  # PERF: else LLVM inlines most of them nevertheless, and takes five times as long
            library = library.replace(") nounwind {", ") nounwind noinline {")
        texts, declared = self._parts.texts()
        text, further = self._kernel()
        self.text = module_text([library, *texts, text], used | declared | further)

    def _kernel(self) -> tuple[str, set[str]]:
        b = Emitter(self._shape)
        pointers = [b.pointer_at("%pointers", i) for i in range(4)]
        stride, last = (b.whole_at("%whole", i) for i in (STRIDE, LAST))
        with b.loop("%count") as block:
            here = b.line(f"mul i64 {b.line(f'add i64 %first, {block}')}, {self._shape.lanes}")
            beyond = b.line(f"icmp sgt i64 {here}, {last}")
            lane = b.line(f"select i1 {beyond}, i64 {last}, i64 {here}")
            b.lines += self._parts.calls(pointers, stride, lane)
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
