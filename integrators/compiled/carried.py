"""What a compiled solve carries beside the state: parameters as one number, tangents and where they set out."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.graph import Graph
from diffsim.linearise import linearise
from diffsim.number import Number, shape_of
from diffsim.strength import strengthen
from integrators.compiled.kernel_field import Tangents
from integrators.compiled.program import Program
from integrators.compiled.route import Route
from integrators.drivers.sensitivity import Selection

__all__: list[str] = []


def together(values: Sequence[Any]) -> Any:
    """Return parameters as one number: (n_parameters,), or (n_parameters, n_lanes) if one differs between lanes."""
    shapes = {shape_of(x) for x in values if shape_of(x) != ()}
    if not any(isinstance(x, Number) for x in values):
        if not shapes:
            return np.array([float(x) for x in values])
        (lanes,) = shapes
        return np.array([np.broadcast_to(x, lanes) for x in values])
    if shapes:
        (lanes,) = shapes
        return array_ops.stack([array_ops.broadcast_to(x, lanes) for x in values])
    return array_ops.stack(list(values))


def tangents_of(route: Route, selection: Selection, start: NDArray[np.float64]) -> tuple[Tangents, NDArray[np.float64]]:
    """Return what the kernel carries beside the state, and the tangents at the start."""
    chosen = tuple(route.names.index(parameter.name) for parameter in selection.parameters)
    n_starts, k = len(selection.components), selection.n_directions
    seeds = np.zeros((start.shape[0], k, start.shape[1]))
    for d, i in enumerate(selection.components):
        seeds[i, d] = 1.0
    return linearised(route.program, chosen, n_starts), seeds


@functools.lru_cache(maxsize=256)
def linearised(program: Program, chosen: tuple[int, ...], n_starts: int) -> Tangents:
    k = n_starts + len(chosen)
    lead, n = program.n_leading, program.n
    active = [*range(lead, lead + n), *(lead + n + j for j in chosen)]
    directions = tuple((j, n_starts + d) for d, j in enumerate(chosen))
    fixed = range(lead + n, lead + n + program.n_parameters)
    linear = linearise(program.graph, active, k, fixed=fixed)
    return Tangents(linear.on(strengthen(linear.graph, fixed=_fixed(linear.graph, program))), k, directions)


def _fixed(graph: Graph, program: Program) -> list[int]:
    """Return the nodes of the parameters in a graph that has the program's inputs."""
    inputs = [i for i, node in enumerate(graph.nodes) if node.row is None and node.value is None]
    return inputs[program.n_leading + program.n :]
