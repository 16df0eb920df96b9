"""A right-hand side and its Jacobian as machine code, for methods that ask for them again and again.

The traced right-hand side is differentiated as a graph, entry by entry, so that the sparsity of the Jacobian comes with
it: what is not there is zero whatever the state.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.capture import capture, settle, traced_flow
from diffsim.compiler import engine
from diffsim.compiler.lowering import has_machine_rule
from diffsim.derivatives import jvp
from diffsim.errors import TraceError
from diffsim.graph import Graph, trace
from diffsim.number import AnyNumber, Number, raw
from diffsim.primitive import Elementwise, bind
from diffsim.routine import Routine, derived
from diffsim.tree import leaves

__all__: list[str] = []

LARGEST = 6_000
"""Operations of a right-hand side and its Jacobian beyond which they run interpreted.

PERF: tracing and compiling take about 0.15 ms an operation, once.
"""
MOST_COMPONENTS = 3_000
"""Components beyond which a right-hand side is not traced."""


@final
class MachineField:
    """What one traced right-hand side computes, whatever its parameters; see `machine_field`.

    Attributes
    ----------
    rows, columns : arrays of int, shape (nnz,)
        Where the Jacobian may differ from zero.
    """

    def __init__(self, graph: Graph, n: int, n_parameters: int) -> None:
        self.n, self._n_parameters, self._graph = n, n_parameters, graph
        reached = _reached(graph, n)
        # NOTE: an entry takes about two operations at each node that a component reaches
        self._whole = graph.n_operations + 2 * sum(map(len, reached)) <= LARGEST
        if self._whole:
            entries: dict[tuple[int, int], int] = {}
            slope = slope_graph(graph, n, n_parameters, entries)
            pairs = list(entries)
        else:
            slope = direction_graph(graph, n, n_parameters)
            pairs = [(i, j) for i, node in enumerate(np.ravel(graph.result)) for j in sorted(reached[int(node)])]
        places = np.array(pairs, dtype=np.intp).reshape(-1, 2)
        self.rows, self.columns = places[:, 0], places[:, 1]
        self.compiles = engine.available() and graph.n_operations + slope.n_operations <= LARGEST
        self.compiles = self.compiles and all(
            node.row is None or has_machine_rule(node.row.name) for node in (*graph.nodes, *slope.nodes)
        )
        shapes, double = ((), (n,), (n_parameters,)), np.dtype(np.float64)
        self._value: Routine | None = derived(graph, shapes, (n,), double) if self.compiles else None
        self._slope: Routine | None = None
        self._drift_graph = drift_graph(graph, n, n_parameters)
        self._drift: Routine | None = None
        if self.compiles and pairs:
            if self._whole:
                self._slope = derived(slope, shapes, (len(pairs),), double)
            else:
                self._slope = derived(slope, (*shapes, (n,)), (n,), double)

    def value(self, t: float, y: NDArray[np.float64], parameters: NDArray[np.float64]) -> Any:
        """Return f(t, y), shape (n,)."""
        assert_compiled(self._value)
        return self._value.run((t, y, parameters))  # type: ignore[union-attr]

    def slope(self, t: float, y: NDArray[np.float64], parameters: NDArray[np.float64]) -> Any:
        """Return the entries of df/dy at `rows` and `columns`, shape (nnz,)."""
        if self._slope is None:
            return np.zeros(0)
        if self._whole:
            return self._slope.run((t, y, parameters))
        columns = np.array([self._slope.run((t, y, parameters, seed)) for seed in np.eye(self.n)])
        return columns[self.columns, self.rows]

    def drift(self, t: float, y: NDArray[np.float64], parameters: NDArray[np.float64]) -> Any:
        """Return df/dt, shape (n,); 0.0 where f does not depend on t."""
        if self._drift_graph is None:
            return 0.0
        if self._drift is None:
            shapes = ((), (self.n,), (self._n_parameters,))
            self._drift = derived(self._drift_graph, shapes, (self.n,), np.dtype(np.float64))
        return self._drift.run((t, y, parameters))


def assert_compiled(routine: Routine | None) -> None:
    """Raise where there is no machine code: the caller has not looked at `MachineField.compiles`."""
    if routine is None:
        raise TraceError("solve_ivp: this right-hand side has no machine code.")


def slope_graph(graph: Graph, n: int, n_parameters: int, entries: dict[tuple[int, int], int]) -> Graph:
    """Return the graph of the Jacobian's entries that are not zero everywhere, and note where they stand.

    Forward accumulation: each node has its derivatives by those components that it depends on.
    """
    outputs = [int(i) for i in np.ravel(graph.result)]

    def run(t: AnyNumber, y: AnyNumber, parameters: AnyNumber) -> list[AnyNumber]:
        values = graph.evaluate([t, *y, *parameters])
        slopes: list[dict[int, AnyNumber]] = []
        seen = -1  # of the inputs: t comes first, then the components
        for node, out in zip(graph.nodes, values, strict=True):
            own: dict[int, AnyNumber] = {}
            if node.row is None:
                if node.value is None:
                    own = {seen: 1.0} if 0 <= seen < n else {}
                    seen += 1
            else:
                own = _pushed(node.row, out, [values[i] for i in node.operands], [slopes[i] for i in node.operands])
            slopes.append(own)
        found: list[AnyNumber] = []
        entries.clear()
        for i, output in enumerate(outputs):
            for j, slope in sorted(slopes[output].items()):
                entries[i, j] = len(found)
                found.append(slope)
        return found

    return trace(run, 0.0, np.zeros(n), np.zeros(n_parameters))


def direction_graph(graph: Graph, n: int, n_parameters: int) -> Graph:
    """Return the graph of (df/dy) v, for Jacobians that are too large to be written out entry by entry."""

    def along(t: AnyNumber, y: AnyNumber, parameters: AnyNumber, v: AnyNumber) -> Any:
        def values(state: AnyNumber) -> Any:
            found = graph.evaluate([t, *state, *parameters])
            return [found[int(i)] for i in np.ravel(graph.result)]

        return jvp(values, (y,), (v,))[1]

    return trace(along, 0.0, np.zeros(n), np.zeros(n_parameters), np.zeros(n))


def _reached(graph: Graph, n: int) -> list[frozenset[int]]:
    """Return for each node the components that it depends on."""
    found: list[frozenset[int]] = []
    seen = -1  # of the inputs: t comes first, then the components
    for node in graph.nodes:
        own: frozenset[int] = frozenset()
        if node.row is not None:
            own = own.union(*(found[i] for i in node.operands))
        elif node.value is None:
            own = frozenset([seen]) if 0 <= seen < n else own
            seen += 1
        found.append(own)
    return found


def drift_graph(graph: Graph, n: int, n_parameters: int) -> Graph | None:
    """Return the graph of df/dt, None where it is zero everywhere."""

    def along(t: AnyNumber, y: AnyNumber, parameters: AnyNumber) -> Any:
        def values(time: AnyNumber) -> Any:
            found = graph.evaluate([time, *y, *parameters])
            return [found[int(i)] for i in np.ravel(graph.result)]

        return jvp(values, (t,), (1.0,))[1]

    drift = trace(along, 0.0, np.zeros(n), np.zeros(n_parameters))
    flat = [drift.nodes[int(i)] for leaf in leaves(drift.result) for i in np.ravel(leaf)]
    return None if all(node.row is None and node.value == 0.0 for node in flat) else drift


def _pushed(row: Any, out: AnyNumber, args: Sequence[AnyNumber], slopes: Sequence[dict[int, AnyNumber]]) -> Any:
    """Return the derivatives of a node from those of its operands."""
    own: dict[int, AnyNumber] = {}
    if row.boolean if isinstance(row, Elementwise) else False:
        return own
    if not isinstance(row, Elementwise):  # where(condition, a, b)
        for j in sorted(slopes[1].keys() | slopes[2].keys()):
            own[j] = bind(row, (args[0], slopes[1].get(j, 0.0), slopes[2].get(j, 0.0)))
        return own
    for i, before in enumerate(slopes):
        if not before or not row.differentiable(i):
            continue
        partial = row.partial(i, out, args)
        if not isinstance(partial, Number) and partial == 0.0:
            continue
        for j, slope in before.items():
            term = slope if not isinstance(partial, Number) and partial == 1.0 else partial * slope
            own[j] = own[j] + term if j in own else term
    return own


def machine_field(fun: Any, args: tuple[Any, ...], n: int, column: bool) -> tuple[MachineField, Any]:
    """Return the machine code of a right-hand side with its Jacobian, and the numbers that it is given.

    Parameters
    ----------
    fun, args
        As the caller of `solve_ivp` gave them.
    n : int
        Number of components.
    column : bool
        Whether `fun` wants ``y`` of shape (n, 1).

    Returns
    -------
    field : MachineField
    values : tuple
        Of the parameters: floats or recording numbers.

    Raises
    ------
    TraceError
        The right-hand side cannot be traced.
    """
    if n > MOST_COMPONENTS:
        raise TraceError(f"solve_ivp: a right-hand side of {n} components is not traced (limit {MOST_COMPONENTS}).")
    captured = capture(fun, args)
    kept = _kept(captured.key, n, column) if captured.key is not None else None
    if kept is not None and kept.field is not None:
        return kept.field, captured.values
    captured, graph = traced_flow(settle(fun, args, n, column=column), n, column=column)
    kept = _kept(captured.key, n, column) if captured.key is not None else None
    field = MachineField(graph, n, len(captured.names))
    if kept is not None:
        kept.field = field
    return field, captured.values


@final
class _Kept:
    """Room for the machine code of one key."""

    def __init__(self) -> None:
        self.field: MachineField | None = None


@functools.lru_cache(maxsize=256)
def _kept(key: Hashable, n: int, column: bool) -> _Kept:
    return _Kept()


def plain_values(values: Sequence[Any]) -> NDArray[np.float64]:
    """Return parameters as floats."""
    return np.array([float(raw(x)) for x in values], dtype=np.float64)
