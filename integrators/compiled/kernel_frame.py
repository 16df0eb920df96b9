"""What the compiled loops share: how a kernel is called, its workspace, and the walk through the entries of a plan.

A kernel is called as ``kernel(pointers, whole, real, first, count)``: arrays of addresses, of integers and of doubles,
and the blocks of lanes to work on.  State components lie first: number i of lane j is at ``array[i * stride + j]``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import final

from diffsim.compiler.emitter import Emitter, Shape, Value
from diffsim.compiler.lowering import Lowering, elementary_functions, library_functions, module_text
from diffsim.graph import Graph
from integrators.compiled.program import Program

__all__: list[str] = []

SIGNATURE = "void @kernel(ptr %pointers, ptr %whole, ptr %real, i64 %first, i64 %count)"
NUMBER = 8
_WRITTEN_OUT = 5
"""Components up to which code for each of them is written out."""
_ON_STACK = 131_072
"""Bytes of a workspace beyond which it is not on the stack: threads have small ones."""


@final
class Frame:
    """One kernel while it is written.

    Parameters
    ----------
    shape : Shape
        Lanes of a register.
    groups : int
        Registers of lanes that are worked on side by side, so that one's latency hides behind the other's work.
    given : bool
        Whether the workspace is the caller's, at ``%work``; by default it is the kernel's own.
    """

    def __init__(self, shape: Shape, groups: int = 1, given: bool = False) -> None:
        self.b, self.shape, self.groups, self._given = Emitter(shape), shape, groups, given
        self._slots = 0
        self._constants: dict[tuple[str, int], Value] = {}
        self.here: Value = "%work"

    @property
    def register_bytes(self) -> int:
        """Bytes of a register of lanes."""
        return self.shape.lanes * self.shape.bits // 8

    @property
    def block(self) -> int:
        """Lanes of a block."""
        return self.shape.lanes * self.groups

    @property
    def bytes(self) -> int:
        """Bytes of the workspace."""
        return max(self._slots, 1) * self.groups * self.register_bytes

    # --- the workspace: numbered slots, one register a group each -----------------------------------------------------

    def slots(self, n: int) -> int:
        """Set n slots aside; returns the first."""
        first = self._slots
        self._slots += n
        return first

    def get(self, slot: int) -> Value:
        """Return what lies in a slot, of the group at hand."""
        return self.b.load(self._address(slot))

    def put(self, slot: int, value: Value) -> None:
        """Put a register into a slot, of the group at hand."""
        self.b.store(value, self._address(slot))

    def _address(self, slot: int) -> Value:
        return self.b.pointer(self.here, slot * self.groups * self.register_bytes)

    def each_group(self, body: Callable[[Value], None]) -> None:
        """Write the body once, carried out for each group; it is given the group's offset in bytes."""
        if self.groups == 1:
            body("0")
            return
        with self.b.loop(str(self.groups)) as g:
            offset = self.b.line(f"mul i64 {g}, {self.register_bytes}")
            outer, self.here = self.here, self.b.pointer("%work", offset)
            body(offset)
            self.here = outer

    def each_component(self, n: int, body: Callable[[int], None]) -> None:
        """Write the body for n components, whose slots lie one behind the other: a loop where they are many.

        In a loop the body is given 0, and every slot that it asks for is that of the component at hand: what is not
        a component's must be asked for outside.
        """
        if n <= _WRITTEN_OUT:
            for c in range(n):
                body(c)
            return
        with self.b.loop(str(n)) as index:
            outer = self.here
            offset = self.b.line(f"mul i64 {index}, {self.groups * self.register_bytes}")
            self.here = self.b.pointer(outer, offset)
            body(0)
            self.here = outer

    # --- text ---------------------------------------------------------------------------------------------------------

    def text(
        self,
        graphs: Sequence[Graph],
        inline: bool = True,
        further: Collection[str] = (),
        functions: Sequence[str] = (),
    ) -> str:
        """Return the module: the kernel, the elementary functions that it calls, those in `further` too, and others."""
        library, declared = library_functions(elementary_functions(graphs) | set(further), self.shape, inline)
        begin, end = ([], []) if self._given else self._workspace()
        lines = [f"define {SIGNATURE} {{", "entry:", *begin, *self.b.lines, *end, "ret void", "}"]
        return module_text([library, *functions, "\n".join(lines)], self.b.used | declared)

    def _workspace(self) -> tuple[list[str], list[str]]:
        """Return what makes the workspace at the start of the kernel, and what gives it back at the end."""
        if self.bytes <= _ON_STACK:
            return [f"%work = alloca [{max(self._slots, 1) * self.groups} x {self.shape.real}], align 64"], []
        self.b.used |= {"declare ptr @malloc(i64)", "declare void @free(ptr)"}
        begin = [
            f"%memory = call ptr @malloc(i64 {self.bytes + 64})",
            "%numeric = ptrtoint ptr %memory to i64",
            "%raised = add i64 %numeric, 63",
            "%aligned = and i64 %raised, -64",
            "%work = inttoptr i64 %aligned to ptr",
        ]
        return begin, ["call void @free(ptr %memory)"]


@final
class Inputs:
    """The inputs of a program's graph in the workspace: what is computed of parameters alone is computed once a block.

    Parameters
    ----------
    frame : Frame
    program : Program
    graph : Graph
        The program's own, or one with the same first inputs.
    inputs : sequence of int
        Its input nodes: leading ones, state, parameters, others.
    results : sequence of int
        The nodes that will be wanted.
    parameter_slots : int, optional
        Where the parameters lie already.
    """

    def __init__(
        self,
        frame: Frame,
        program: Program,
        graph: Graph,
        inputs: Sequence[int],
        results: Sequence[int],
        parameter_slots: int | None = None,
    ) -> None:
        self.frame, self.lowering = frame, Lowering(graph, results)
        first = program.n_leading + program.n
        last = first + program.n_parameters
        self.moving = self.lowering.depends_on([*inputs[:first], *inputs[last:]])
        self.parameters = list(inputs[first:last])
        self.held = self.lowering.frontier(self.moving, results)
        self.parameter_slots = frame.slots(len(self.parameters)) if parameter_slots is None else parameter_slots
        self.held_slots = frame.slots(len(self.held))

    def prepare(self, base: Value, stride: Value, offset: Value) -> None:
        """Write, for one group, the parameters' way into the workspace and what follows from them alone."""
        b = self.frame.b
        for j in range(len(self.parameters)):
            self.frame.put(self.parameter_slots + j, b.load(row_address(b, base, stride, j, offset)))
        self.hold()

    def hold(self) -> None:
        """Write, for one group, what follows from the parameters alone."""
        frame, b = self.frame, self.frame.b
        if not self.held:
            return
        known = {node: frame.get(self.parameter_slots + j) for j, node in enumerate(self.parameters)}
        self.lowering.write(b, known, [i for i in self.lowering.order if i not in self.moving])
        for slot, node in enumerate(self.held):
            self.keep(self.held_slots + slot, node, known[node])

    def known(self) -> dict[int, Value]:
        """Write the loading of parameters and of what was prepared; returns them by node."""
        frame = self.frame
        known = {node: frame.get(self.parameter_slots + j) for j, node in enumerate(self.parameters)}
        known.update((node, self.kept(self.held_slots + slot, node)) for slot, node in enumerate(self.held))
        return known

    def keep(self, slot: int, node: int, value: Value) -> None:
        """Write the putting of a node's register into a slot; a truth value lies there as 1 or 0."""
        b = self.frame.b
        mask = self.lowering.is_mask(node)
        self.frame.put(slot, b.select(value, b.constant(1.0), b.constant(0.0)) if mask else value)

    def kept(self, slot: int, node: int) -> Value:
        """Write the loading of what `keep` put there."""
        b, number = self.frame.b, self.frame.get(slot)
        return b.compare("une", number, b.constant(0.0)) if self.lowering.is_mask(node) else number


def row_address(b: Emitter, base: Value, stride: Value, row: int, offset: Value) -> Value:
    """Return the address of number `row` of the lanes `offset` bytes beyond the first; `stride` is in bytes."""
    start = b.line(f"mul i64 {stride}, {row}") if row else "0"
    return b.pointer(base, b.line(f"add i64 {start}, {offset}"))
