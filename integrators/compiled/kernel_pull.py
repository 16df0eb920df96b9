"""The way back through one step, in a kernel: the stages computed again, and the cotangent sent through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from diffsim.compiler.emitter import Value
from diffsim.linearise import vjp_graph
from diffsim.strength import strengthen
from diffsim.tree import leaves
from integrators.compiled.kernel_frame import Frame, Inputs
from integrators.compiled.program import Program

__all__: list[str] = []


@final
class Pull:
    """The transposed step of a program.

    Parameters
    ----------
    frame : Frame
    program : Program
    active : tuple of int
        Parameters whose cotangents are wanted.
    guarded : bool
        Whether ``0 * inf`` counts as 0 (see `diffsim.linearise.vjp_graph`), which takes about twice the operations.
    """

    def __init__(self, frame: Frame, program: Program, active: Sequence[int], guarded: bool = False) -> None:
        self.frame, self.program = frame, program
        n, m, lead = program.n, program.n_parameters, program.n_leading
        fixed = range(lead + n, lead + n + m)
        wanted = [*range(lead, lead + n), *(lead + n + j for j in active)]
        if guarded:
            graph = program.graph.cotangents()
        else:
            # PERF: a step with its root is products with matrices, where there is little to find and long to look
            graph = vjp_graph(program.graph, wanted, fixed=fixed, searched=program.n_whole <= 3)
        inputs = [i for i, node in enumerate(graph.nodes) if node.row is None and node.value is None]
        self.graph = strengthen(graph, fixed=[inputs[j] for j in fixed])
        self.inputs = [i for i, node in enumerate(self.graph.nodes) if node.row is None and node.value is None]
        results = [int(i) for index in leaves(self.graph.result) for i in index.ravel()]
        self.values, bars = results[:n], results[n:]
        if guarded:  # cotangents of all inputs
            bars = [bars[j] for j in wanted]
        self._state_nodes, self._parameter_nodes = bars[:n], bars[n:]
        self.weights = self.inputs[lead + n + m :]
        self.prepared = Inputs(frame, program, self.graph, self.inputs, [*self.values, *bars])
        self.lowering = self.prepared.lowering
        self._primal = set(self.lowering.order) - self.lowering.depends_on(self.weights)
        self.sums = frame.slots(len(active))

    def step(
        self,
        leading: Callable[[float], Sequence[Value]],
        weight: Callable[[float], Value],
        y: Sequence[Value],
        g: Sequence[Value],
    ) -> list[Value]:
        """Write the way back of one step; adds the parameters' cotangents to their sums.

        Parameters
        ----------
        leading : callable
            Gives the inputs before the state for a stage at a node; a whole step has the node 0.
        weight : callable
            Gives the step size times a coefficient.
        y, g : sequence of Value
            State before the step, and the cotangent of the state after it.

        Returns
        -------
        list of Value
            Cotangent of the state before the step.
        """
        b, scheme = self.frame.b, self.program.scheme
        if scheme is None:
            return self.bars(self.stage(leading(0.0), y), g)
        weights = {w: weight(w) for row in scheme.rows for _, w in row}
        stages: list[dict[int, Value]] = []
        derivatives: list[list[Value]] = []
        for row, node in zip(scheme.rows, scheme.nodes, strict=False):
            at = list(y)
            for j, w in row:
                at = [b.fma(weights[w], x, z) for x, z in zip(derivatives[j], at, strict=True)]
            stages.append(self.stage(leading(node), at))
            derivatives.append([stages[-1][i] for i in self.values])
        bars: list[list[Value] | None] = [None] * scheme.n_stages
        out = list(g)
        for i in range(scheme.n_stages, -1, -1):
            bar = list(g) if i == scheme.n_stages else self._stage_bar(stages[i], bars[i])
            if bar is None:
                continue
            if i < scheme.n_stages:
                out = [b.add(x, z) for x, z in zip(out, bar, strict=True)]
            for j, w in scheme.rows[i]:
                before = bars[j]
                if before is None:
                    bars[j] = [b.mul(weights[w], x) for x in bar]
                else:
                    bars[j] = [b.fma(weights[w], x, z) for x, z in zip(bar, before, strict=True)]
        return out

    def _stage_bar(self, known: dict[int, Value], weights: list[Value] | None) -> list[Value] | None:
        return None if weights is None else self.bars(known, weights)

    def stage(self, leading: Sequence[Value], y: Sequence[Value]) -> dict[int, Value]:
        """Write the right-hand side at y, and whatever else does not depend on cotangents."""
        known = self.prepared.known() | dict(zip(self.inputs, [*leading, *y], strict=False))
        self.lowering.write(self.frame.b, known, self._primal)
        return known

    def bars(self, known: dict[int, Value], g: Sequence[Value]) -> list[Value]:
        """Write the product of a cotangent with the derivatives; adds to the parameters' sums."""
        b = self.frame.b
        known |= dict(zip(self.weights, g, strict=True))
        self.lowering.write(b, known)
        for j, node in enumerate(self._parameter_nodes):
            self.frame.put(self.sums + j, b.add(self.frame.get(self.sums + j), known[node]))
        return [known[node] for node in self._state_nodes]
