"""The Jacobian of a right-hand side and its derivative by the time, as a program of its own."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.graph import trace
from diffsim.number import AnyNumber
from diffsim.tree import leaves
from integrators._machine_field import drift_graph, slope_graph
from integrators.compiled.program import Program

__all__: list[str] = []


@final
@dataclass(frozen=True, eq=False)
class Slope:
    """What methods for stiff problems ask for beside the right-hand side.

    Attributes
    ----------
    program : Program
        Its results: the entries of the Jacobian that may differ from zero, then df/dt if that may.
    places : tuple of (int, int)
        Row and column of each entry.
    moves : bool
        Whether the right-hand side depends on the time.
    """

    program: Program
    places: tuple[tuple[int, int], ...]
    moves: bool


@functools.lru_cache(maxsize=128)
def slope_of(program: Program) -> Slope:
    """Return the Jacobian of a right-hand side; made once.

    Parameters
    ----------
    program : Program
        Whose graph is the right-hand side.
    """
    n, m = program.n, program.n_parameters
    entries: dict[tuple[int, int], int] = {}
    slope, drift = slope_graph(program.graph, n, m, entries), drift_graph(program.graph, n, m)

    def both(t: AnyNumber, y: AnyNumber, parameters: AnyNumber) -> Any:
        inputs = [t, *y, *parameters]
        found: list[Any] = []
        for graph in (slope, drift):
            if graph is not None:
                values = graph.evaluate(inputs)
                found += [values[int(i)] for leaf in leaves(graph.result) for i in leaf.ravel()]
        return found

    graph = trace(both, 0.0, np.zeros(n), np.zeros(m))
    return Slope(dataclasses.replace(program, graph=graph), tuple(entries), drift is not None)
