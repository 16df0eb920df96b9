"""Power series of solutions as graphs, and as machine code: the coefficients of one step of the Taylor method.

The right-hand side is traced, the recurrences of its series are traced through that, and what comes out is a function
of time, state and parameters like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.capture import capture, settle, traced_flow
from diffsim.compiler import engine
from diffsim.compiler.lowering import has_machine_rule
from diffsim.errors import TraceError
from diffsim.graph import Graph, trace
from diffsim.jets import solution_series
from diffsim.number import AnyNumber, Number, shape_of
from diffsim.routine import Routine, apply, derived
from integrators.drivers.right_hand_side import RightHandSide

__all__: list[str] = []

LARGEST = 10_000
"""Operations of a series beyond which it is not compiled.

PERF: tracing and compiling take 0.2 to 0.5 ms an operation, once; the double pendulum has 4,900 at order 20.  A step of
plain numbers, whose loop is machine code as well, is 1,000 times quicker then, one of others 10 times.
"""

LARGEST_RECORDED = 1_000
"""Operations beyond which the series of recording numbers are interpreted.

PERF: a cotangent has some four times as many; that of the double pendulum at order 8 (840) takes as long to compile as
one interpreted gradient over 100 steps takes, and then a step is 10 times quicker.  Second derivatives are interpreted.
"""

Series = Callable[[Any, Any], Any]


def machine_series(f: RightHandSide, t: Any, y: Any, order: int) -> Any:
    """Return the coefficients 1 to `order` of the solution through (t, y), below one another, by machine code.

    Parameters
    ----------
    f : RightHandSide
        One that `RightHandSide.machine` allows to be compiled.
    t : number, or array, shape (m,)
    y : array or recording number (Value, Dual), shape (n,) or (n, m)
    order : int

    Returns
    -------
    array or recording number, shape (order * n,) or (order * n, m), or None
        None where there is no machine code.
    """
    if f.series is None:
        f.series = _found(f, len(y), order) or _nothing
    found = f.series(t, y)
    if found is not None:
        f.nfev += 1
    return found


def _nothing(t: Any, y: Any) -> None:
    """Stand for a right-hand side that has no machine code."""


def _found(f: RightHandSide, n: int, order: int) -> Series | None:
    """Return the machine code with the numbers that the right-hand side brings along."""
    if not engine.available():
        return None
    try:
        captured = capture(f.fun, f.args)
        kept = _kept(captured.key, n, f.column, order) if captured.key is not None else _Kept()
        if not kept.looked:
            kept.routine, captured = _made(f, n, order)
            kept.looked = True
    except TraceError:
        return None
    return None if kept.routine is None else functools.partial(_series, kept.routine, tuple(captured.values))


def _series(routine: Routine, values: tuple[Any, ...], t: Any, y: Any) -> Any:
    """Return the coefficients for numbers that are plain or recording; None for others."""
    recording = [x for x in (t, y, *values) if isinstance(x, Number)]
    if not recording and (y.__class__ is not np.ndarray or y.dtype != np.float64):
        return None
    if recording and (routine.quick.n_operations > LARGEST_RECORDED or not all(_is_simple(x) for x in recording)):
        return None
    shape = shape_of(y)[1:]
    wide = any(shape_of(x) for x in values)
    if wide and not shape:
        return None
    spread = [array_ops.broadcast_to(x, shape) for x in values] if wide else list(values)
    parameters = (
        array_ops.stack(spread) if any(isinstance(x, Number) for x in values) else np.array(spread, dtype=float)
    )
    if not shape:
        return np.array(routine.run((float(t), y, parameters))) if not recording else apply(routine, (t, y, parameters))
    if recording:
        return apply(routine, (array_ops.broadcast_to(t, shape), y, parameters), shape[0])
    times = np.ascontiguousarray(np.broadcast_to(t, shape), dtype=np.float64)
    return routine.run_lanes((times, np.ascontiguousarray(y), parameters), shape[0])


def _is_simple(x: Number) -> bool:
    """Whether a number records one derivative of plain numbers."""
    return x.liftable and not isinstance(x._below, Number)


def _made(f: RightHandSide, n: int, order: int) -> tuple[Routine | None, Any]:
    """Trace and compile."""
    captured, flow = traced_flow(settle(f.fun, f.args, n, column=f.column), n, column=f.column)
    n_parameters = len(captured.names)
    graph = series_graph(flow, n, n_parameters, order)
    if graph is None:
        return None, captured
    return derived(graph, ((), (n,), (n_parameters,)), (order * n,), np.dtype(np.float64)), captured


def series_graph(flow: Graph, n: int, n_parameters: int, order: int) -> Graph | None:
    """Return the coefficients 1 to `order` of the solution through (t, y), below one another, as a graph.

    Parameters
    ----------
    flow : Graph
        The right-hand side, of the inputs t, y[0], ..., p[0], ...
    n, n_parameters, order : int

    Returns
    -------
    Graph or None
        Of the same inputs; None where it is too large for machine code, or holds what has no machine rule.
    """
    if flow.n_operations * order * order > 4 * LARGEST:
        return None
    graph = trace(functools.partial(_coefficients, flow, order), 0.0, np.zeros(n), np.zeros(n_parameters))
    sound = all(node.row is None or has_machine_rule(node.row.name) for node in graph.nodes)
    return graph if sound and graph.n_operations <= LARGEST else None


def _coefficients(flow: Graph, order: int, t: AnyNumber, y: AnyNumber, parameters: AnyNumber) -> list[AnyNumber]:
    outputs = [int(i) for i in np.ravel(flow.result)]

    def f(t: AnyNumber, state: Any) -> list[AnyNumber]:
        values = flow.evaluate([t, *state, *parameters])
        return [values[i] for i in outputs]

    return [c for column in solution_series(f, t, [y[i] for i in range(shape_of(y)[0])], order)[1:] for c in column]


@final
class _Kept:
    """Room for the machine code of one key."""

    def __init__(self) -> None:
        self.routine: Routine | None = None
        self.looked = False


@functools.lru_cache(maxsize=256)
def _kept(key: Hashable, n: int, column: bool, order: int) -> _Kept:
    return _Kept()
