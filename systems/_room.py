"""`Room`: the graph of a derived system's rates, kept by what the system is made of, and three ways to evaluate it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, final

import numpy as np

from diffsim.compiler import engine
from diffsim.compiler.lowering import has_machine_rule
from diffsim.graph import Graph
from diffsim.primitive import Elementwise, Select
from diffsim.routine import Routine, derived

__all__: list[str] = []

_LARGEST_INTERPRETED = 400  # operations of rates beyond which machine code computes them, whoever asks


@final
class Room:
    """Room for the graph of one key, and for its machine code."""

    def __init__(self, n: int) -> None:
        self.graph: Graph | None = None
        self._n = n

    def __call__(self, t: Any, state: list[Any], numbers: list[Any]) -> list[Any]:
        """Return the rates for numbers of any kind: the components of the state, then what the system brings along."""
        found = self._by_machine(t, state, numbers)
        if found is not None:
            return found
        inputs = [t, *state, *numbers]
        if all(x.__class__ is float for x in inputs):
            try:
                lines: list[Any] = self._lines(*inputs)
                return lines
            except (ZeroDivisionError, OverflowError, ValueError):  # at the border of a domain: as the table has it
                pass
        if self.graph is None:
            return []
        values = self.graph.evaluate(inputs)
        return [values[i] for i in np.ravel(self.graph.result).tolist()]

    def _by_machine(self, t: Any, state: list[Any], numbers: list[Any]) -> list[Any] | None:
        """Return the rates of a large system for floats, of one state or of a batch; None where they are no such.

        PERF: ten rods in a chain, 1055 operations, take 4 ms node by node, 12 us so; compiling takes about 0.5 s.
        """
        routine = self._routine
        if routine is None or t.__class__ is not float or any(x.__class__ is not float for x in numbers):
            return None
        if all(x.__class__ is float for x in state):
            found: list[Any] = routine.run((t, state, numbers)).tolist()
            return found
        first = state[0]
        if any(x.__class__ is not np.ndarray or x.dtype.char != "d" or x.shape != first.shape for x in state):
            return None
        lanes = np.array(state).reshape(self._n, -1)
        rates = routine.run_lanes([np.array(t), lanes, np.array(numbers)], lanes.shape[1], threads=1)
        return list(rates.reshape(self._n, *first.shape))

    @functools.cached_property
    def _lines(self) -> Callable[..., Any]:
        """The graph as lines of Python, for floats; the same operations in the same order.

        PERF: two rods take 5 us, node by node 44 us.
        """
        lines, inputs, rows = [], [], {}
        nodes = () if self.graph is None else self.graph.nodes
        for i, node in enumerate(nodes):
            if node.row is not None:
                names = [f"v{j}" for j in node.operands]
                lines.append(f"    v{i} = {_written(node.row, names)}")
                if isinstance(node.row, Elementwise):
                    rows[f"_{node.row.name}"] = node.row.scalar
            elif node.value is None:
                inputs.append(f"v{i}")
            else:
                lines.append(f"    v{i} = c{i}")
                rows[f"c{i}"] = node.value
        ends = ", ".join(f"v{i}" for i in np.ravel(self.graph.result).tolist()) if self.graph is not None else ""
        space: dict[str, Any] = dict(rows)
        exec("\n".join([f"def rates({', '.join(inputs)}):", *lines, f"    return [{ends}]"]), space)
        rates: Callable[..., Any] = space["rates"]
        return rates

    @functools.cached_property
    def _routine(self) -> Routine | None:
        graph = self.graph
        if graph is None or graph.n_operations <= _LARGEST_INTERPRETED or not engine.available():
            return None
        if not all(node.row is None or has_machine_rule(node.row.name) for node in graph.nodes):
            return None
        shapes = ((), (self._n,), (len(graph.form[2]),))
        return derived(graph, shapes, (self._n,), np.dtype(np.float64))


def _written(row: Any, names: list[str]) -> str:
    """Return one operation as Python writes it."""
    if isinstance(row, Select):
        return f"{names[1]} if {names[0]} else {names[2]}"
    if row.name in ("add", "subtract", "multiply", "divide"):
        return f"{names[0]} {row.symbol} {names[1]}"
    return f"_{row.name}({', '.join(names)})"


@functools.lru_cache(maxsize=256)
def room_of(key: Hashable, n: int) -> Room:
    return Room(n)
