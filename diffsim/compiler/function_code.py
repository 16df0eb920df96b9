"""`FunctionCode`: the machine code of a graph for a number of lanes, and running it on many of them, over threads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.compiler import engine
from diffsim.compiler.function_kernel import FunctionKernel
from diffsim.compiler.kernel import Call, Kernel, address, n_threads, run_blocks
from diffsim.graph import Graph

__all__ = ["FunctionCode"]

_SLICE = 4e6  # operations between looks at Ctrl-C: some milliseconds
_WORTH_A_THREAD = 2e6  # operations


@final
class FunctionCode:
    """A graph's machine code for a number of lanes.

    Parameters
    ----------
    graph : Graph
    outputs : sequence of int
        Nodes of the results.
    dtype : numpy.dtype
        float64 or float32.
    lanes : int, optional
        As many as a register holds by default.

    Attributes
    ----------
    kernel : Kernel
    lanes : int
    n_work : int
        Registers that are passed on between its parts.
    """

    def __init__(self, graph: Graph, outputs: Sequence[int], dtype: Any, lanes: int | None = None) -> None:
        shape = engine.host().shape(lanes, dtype.itemsize * 8)
        made = FunctionKernel(graph, outputs, shape)
        self.kernel, self.lanes, self.n_work, self.dtype = Kernel(made.text), shape.lanes, made.n_work, dtype
        self._n_outputs, self._n_operations = len(outputs), graph.n_operations

    def run(
        self, args: Sequence[NDArray[Any]], shapes: Sequence[tuple[int, ...]], m: int, threads: int | None
    ) -> NDArray[Any]:
        """Return the results of m >= `lanes` lanes, shape (n_results, m); of fewer only if `lanes` is 1.

        Parameters
        ----------
        args : sequence of array
        shapes : sequence of tuple of int
            Of the arguments of one lane; one that has no further axis of length m is shared.
        m : int
        threads : int or None
        """
        size = self.dtype.itemsize
        out = np.empty((self._n_outputs, m), dtype=self.dtype)
        rows: list[NDArray[Any]] = []
        steps: list[int] = []
        for x, shape in zip(args, shapes, strict=True):
            wide, n = x.ndim == len(shape) + 1, math.prod(shape)
            full = x if wide else np.broadcast_to(x[..., None], (*shape, self.lanes))
            rows.extend(np.ascontiguousarray(full, dtype=self.dtype).reshape(n, m if wide else self.lanes))
            steps += [size if wide else 0] * n
        inputs = np.array([address(row) for row in rows], dtype=np.uint64)
        each = np.array(steps, dtype=np.int64)
        n_blocks = -(-m // self.lanes)
        at_a_time = max(1, int(_SLICE / max(self._n_operations * self.lanes, 1)))

        def work(first: int, count: int) -> Iterator[float]:
            room = np.empty(max(self.n_work, 1) * self.lanes, dtype=self.dtype)
            call = Call([*map(address, (inputs, each, out, room))], [m * size, max(m - self.lanes, 0)], [])
            for at in range(first, first + count, at_a_time):
                self.kernel(call, at, min(at_a_time, first + count - at))
                yield 1.0

        workers = 1 if self._n_operations * m < _WORTH_A_THREAD else n_threads(threads)
        run_blocks(work, n_blocks, max(1, -(-n_blocks // (4 * workers))), workers)
        return out
