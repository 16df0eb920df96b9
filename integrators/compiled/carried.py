"""What a compiled solve carries beside the state: parameters as one number, tangents and where they set out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
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


def with_tangents(
    states: Callable[..., Any], start: Any, values: Sequence[Any], chosen: Sequence[int], selection: Selection
) -> tuple[Any, Any]:
    """Return states of recording numbers and their tangents, shape (n, n_directions, *lanes, n_times).

    Parameters
    ----------
    states : callable
        Of the start and the chosen parameters; returns the states, shape (n, *lanes, n_times).
    start : array or recording number, shape (n,) or (n, n_lanes)
    values : sequence of numbers
        The parameters.
    chosen : sequence of int
        Which of them have tangents.
    selection : Selection
    """
    from diffsim.derivatives import pushforward  # not needed by a solve of plain numbers

    k, n_starts = selection.n_directions, len(selection.components)
    moved = [array_ops.array(values[i]) for i in chosen]
    seeds = [np.zeros((k, *shape_of(x))) for x in (start, *moved)]
    for d, component in enumerate(selection.components):
        seeds[0][d, component] = 1.0
    for d in range(len(chosen)):
        seeds[1 + d][n_starts + d] = 1.0
    y, tangents = pushforward(states, (start, *moved), tuple(seeds))
    tangents = array_ops.broadcast_to(tangents, (k, *shape_of(y)))
    return y, array_ops.transpose(tangents, (1, 0, *range(2, len(shape_of(tangents)))))


def copied(y0: Any, n_copies: int) -> Any:
    """Return what a program starts from: the start, or copies of it one after the other."""
    return y0 if n_copies == 1 else array_ops.concatenate([y0] * n_copies, axis=0)


def tangents_of(route: Route, selection: Selection, start: NDArray[np.float64]) -> tuple[Tangents, NDArray[np.float64]]:
    """Return what the kernel carries beside the state, and the tangents at the start of shape (n, n_lanes)."""
    chosen = tuple(route.names.index(parameter.name) for parameter in selection.parameters)
    n_starts, k = len(selection.components), selection.n_directions
    seeds = np.zeros((start.shape[0], k, start.shape[1]))
    for d, i in enumerate(selection.components):
        seeds[i, d] = 1.0
    return linearised(route.program, chosen, n_starts), copied(seeds, route.program.n // len(start))


@functools.lru_cache(maxsize=256)
def linearised(program: Program, chosen: tuple[int, ...], n_starts: int) -> Tangents:
    """Return the tangents of a program by all starts and the chosen parameters; made once."""
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
