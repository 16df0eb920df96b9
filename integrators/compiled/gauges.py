"""Event functions evaluated for many states at once: recorded as graphs where they can be, else called one by one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.capture import Captured, capture, traced_flow
from diffsim.errors import TraceError
from diffsim.graph import Graph
from diffsim.number import Number, raw
from integrators._event_arguments import Event

__all__: list[str] = []


@final
@dataclass(frozen=True, eq=False)
class Gauge:
    """One event function in plain numbers.

    Attributes
    ----------
    call : callable
        ``call(t, y)``, one float.
    graph : Graph or None
        None where it cannot be traced.
    numbers : sequence of float
        What the graph is given after t and y.
    """

    call: Callable[[float, Any], float]
    graph: Graph | None
    numbers: Sequence[float]

    def __call__(self, t: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values (k,) at times (k,) and states (n, k)."""
        if self.graph is None:
            return np.array([self.call(time, state.copy()) for time, state in zip(t.tolist(), y.T, strict=True)])
        with np.errstate(all="ignore"):
            values = self.graph.evaluate([t, *y, *self.numbers])
        found = np.asarray(values[int(np.ravel(self.graph.result)[0])], dtype=np.float64)
        return np.broadcast_to(found, t.shape)


def gauge_of(
    event: Event, args: tuple[Any, ...], call: Callable[[float, Any], float], start: tuple[float, NDArray[np.float64]]
) -> Gauge:
    """Return an event function for many states.

    Parameters
    ----------
    event : Event
    args : tuple
        Its further arguments, in plain numbers.
    call : callable
        ``call(t, y)``, the function with them, checked.
    start : (t, y)
        Where its graph is compared with it.
    """
    try:
        captured = capture(event.plain or event.fun, args)
        graph, captured = _graph_of(captured, start)
    except TraceError:
        return Gauge(call, None, ())
    return Gauge(call, graph, [float(raw(x)) if isinstance(x, Number) else float(x) for x in captured.values])


@final
class _Kept:
    """Room for the graph of one key."""

    def __init__(self) -> None:
        self.graph: Graph | None = None


@functools.lru_cache(maxsize=256)
def _kept(key: Hashable, n: int) -> _Kept:
    return _Kept()


def _graph_of(captured: Captured, start: tuple[float, NDArray[np.float64]]) -> tuple[Graph, Captured]:
    """Return the graph of an event function, kept by what the function is made of."""
    n = len(start[1])
    kept = None if captured.key is None else _kept(captured.key, n)
    if kept is not None and kept.graph is not None:
        return kept.graph, captured
    traced, graph = traced_flow(captured, n, n_results=1, at=start)
    if kept is not None and traced is captured:
        kept.graph = graph
    return graph, traced
