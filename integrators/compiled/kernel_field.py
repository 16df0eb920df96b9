"""The right-hand side in a kernel: where its inputs lie, and its values and tangents at a state of the workspace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from diffsim.compiler.emitter import Value
from diffsim.compiler.lowering import wanted_nodes, write_tangent
from diffsim.linearise import Linearised
from integrators.compiled.kernel_frame import Frame, Inputs
from integrators.compiled.program import Program, Scheme

__all__: list[str] = []

Leading: TypeAlias = Callable[[], Sequence[Value]]
"""Writes the loading of the inputs before the state (the time), for the group at hand."""

Take: TypeAlias = Callable[[int, Value | None], Value]
"""Takes number `slot` of a derivative, None where it is zero by its structure; returns what became of it."""


@final
@dataclass(frozen=True, eq=False)  # each is made once: equal means the same object
class Tangents:
    """What a forward kernel carries beside the state.

    Attributes
    ----------
    linear : Linearised
        The right-hand side with its tangents; active inputs are the state's and the `parameters`.
    n_directions : int
    parameters : tuple of (int, int)
        Parameter and direction: that direction moves along that parameter.
    """

    linear: Linearised
    n_directions: int
    parameters: tuple[tuple[int, int], ...] = ()


@final
class Field:
    """The vector field of a program, or its whole step, with its tangents.

    Numbers of a trajectory lie in `width` slots: the n components, then component by component their tangents.

    Parameters
    ----------
    frame : Frame
    program : Program
        Reduced.
    tangents : Tangents or None
    parameter_slots : int, optional
        Where the parameters lie, if they are another field's as well.
    """

    def __init__(
        self, frame: Frame, program: Program, tangents: Tangents | None, parameter_slots: int | None = None
    ) -> None:
        self.frame, self.program, self.tangents = frame, program, tangents
        self.n_directions = 0 if tangents is None else tangents.n_directions
        self.width = program.n * (1 + self.n_directions)
        self.graph = program.graph if tangents is None else tangents.linear.graph
        nodes = self.graph.nodes
        self.inputs = [i for i, node in enumerate(nodes) if node.row is None and node.value is None]
        self.outputs = list(program.outputs) if tangents is None else list(tangents.linear.outputs)
        wanted = self.outputs if tangents is None else self.outputs + wanted_nodes(tangents.linear)
        self.values = Inputs(frame, program, self.graph, self.inputs, wanted, parameter_slots)
        lowering = self.values.lowering
        # PERF: sines of all groups first, then the rest: more independent work at any time (see docs/performance.md)
        self._ahead = lowering.calls_ahead(self.values.moving) if frame.groups > 1 and program.scheme else set()
        late = self.values.moving - self._ahead
        self._passed = [i for i in lowering.frontier(late, wanted) if i in self._ahead]
        self._passed_slots = frame.slots(len(self._passed))

    def stage(
        self, leading: Leading, source: int, take: Take, after: Callable[[Value, list[Value]], None] | None = None
    ) -> None:
        """Write, for each group, the right-hand side at the state of the slots `source`.

        Parameters
        ----------
        leading : callable
        source : int
        take : callable
            Called for the n components, then for each direction's tangents.
        after : callable, optional
            Called at the end with the group and what `take` returned for the components.
        """

        def first_calls(group: Value) -> None:
            known = self._known(leading, source)
            self.values.lowering.write(self.frame.b, known, self._ahead)
            for slot, node in enumerate(self._passed):
                self.values.keep(self._passed_slots + slot, node, known[node])

        def body(group: Value) -> None:
            known = self._known(leading, source)
            known.update((node, self.values.kept(self._passed_slots + k, node)) for k, node in enumerate(self._passed))
            self.values.lowering.write(self.frame.b, known)
            new = [take(c, known[node]) for c, node in enumerate(self.outputs)]
            for d in range(self.n_directions):
                for c, tangent in enumerate(self._tangent(d, source, known)):
                    take(self.program.n + c * self.n_directions + d, tangent)
            if after is not None:
                after(group, new)

        if self._ahead:
            self.frame.each_group(first_calls)
        self.frame.each_group(body)

    def _known(self, leading: Leading, source: int) -> dict[int, Value]:
        """Write the loading of what the right-hand side depends on."""
        state = [self.frame.get(source + c) for c in range(self.program.n)]
        return self.values.known() | dict(zip(self.inputs, [*leading(), *state], strict=False))

    def _tangent(self, d: int, source: int, known: dict[int, Value]) -> list[Value | None]:
        """Write the tangents of the n results in direction d."""
        if self.tangents is None:
            return []
        n, linear = self.program.n, self.tangents.linear
        seeds: list[Value | None] = [self.frame.get(source + n + c * self.n_directions + d) for c in range(n)]
        one = self.frame.b.constant(1.0)
        seeds += [one if direction == d else None for _, direction in self.tangents.parameters]
        return write_tangent(self.frame.b, linear, seeds, known)

    def step(
        self, leading: Leading, source: int, target: int, after: Callable[[Value, list[Value]], None] | None = None
    ) -> None:
        """Write, for each group, a step that is one graph, from the slots `source` to the slots `target`."""

        def body(group: Value) -> None:
            known = self._known(leading, source)
            self.values.lowering.write(self.frame.b, known)
            tangents = [self._tangent(d, source, known) for d in range(self.n_directions)]
            new = [known[node] for node in self.outputs]
            for c, value in enumerate(new):
                self.frame.put(target + c, value)
            zero = self.frame.b.constant(0.0)
            for d, column in enumerate(tangents):
                for c, tangent in enumerate(column):
                    slot = target + self.program.n + c * self.n_directions + d
                    self.frame.put(slot, zero if tangent is None else tangent)
            if after is not None:
                after(group, new)

        self.frame.each_group(body)


def row_slots(frame: Frame, scheme: Scheme | None, y: int, width: int) -> list[int]:
    """Set slots aside for the rows of a scheme, or for the result of a whole step; the first stage is at `y` itself.

    A row lives from the first stage that adds to it to the stage that starts from it, which has loaded all of it
    before it writes; rows that do not live at the same time share their slots.
    """
    if scheme is None:
        return [frame.slots(width)]
    rows: list[int] = []
    ends: dict[int, int] = {}  # slots to the stage that frees them
    for r, row in enumerate(scheme.rows):
        if not row:
            rows.append(y)
            continue
        free = [slot for slot, end in ends.items() if end <= row[0][0]]
        slot = free[0] if free else frame.slots(width)
        rows.append(slot)
        ends[slot] = r
    return rows
