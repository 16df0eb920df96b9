"""Tangents of large systems: each direction runs as a trajectory of its own, of the state together with its tangent.

The kernel of many tangents at once is straight-line code, which large systems do not have.  Here one program, the
state with one tangent, serves all directions, side by side in the lanes of a batch.  The state is computed anew with
each of them: about a third of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from integrators.compiled.kernel_rolled import is_large
from integrators.compiled.machine import fly
from integrators.compiled.plan import Plan
from integrators.compiled.program import Program

__all__: list[str] = []

LARGEST = 20_000
"""Operations of a step with all its tangents that are written as straight-line code."""

_LANES = 256
"""Trajectories that are worked on together: a bound on memory."""


def are_apart(program: Program, n_directions: int) -> bool:
    """Whether the tangents of a program run as trajectories of their own."""
    return is_large(program) or program.n_operations * (1 + n_directions) > LARGEST


def fly_directions(
    program: Program,
    start: NDArray[np.float64],
    values: Sequence[Any],
    plan: Plan,
    components: Sequence[int],
    parameters: Sequence[int],
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Integrate the tangents of a program along a plan.

    Parameters
    ----------
    program : Program
    start : array, shape (n, n_lanes)
        Where the program moves copies of the state, one of them.
    values : sequence of float or array of shape (n_lanes,)
        Parameters.
    plan : Plan
    components, parameters : sequence of int
        Directions: a component of the start or a parameter each.
    threads : int, optional

    Returns
    -------
    array, shape (n_saves, n, n_directions, n_lanes)
    """
    n, m = start.shape
    n_all = program.n  # with further copies of the state, which set out with it
    directions = [*((True, i) for i in components), *((False, j) for j in parameters)]
    out = np.empty((plan.n_saves, n, len(directions), m))
    together = max(1, _LANES // max(m, 1))
    for first in range(0, len(directions), together):
        chosen = directions[first : first + together]
        rows = np.zeros((2 * n_all, len(chosen), m))
        rows[:n_all] = np.tile(start, (n_all // n, 1))[:, None]
        moved: list[Any] = [0.0] * len(values)
        for d, (of_start, i) in enumerate(chosen):
            if of_start:
                rows[n_all + i :: n, d] = 1.0
            else:
                moved[i] = np.repeat(np.arange(len(chosen)) == d, m).astype(np.float64)
        primals = [np.tile(x, len(chosen)) if np.ndim(x) else x for x in values]
        flown = fly(program.tangent, rows.reshape(2 * n_all, -1), [*primals, *moved], plan, threads=threads)
        width = len(chosen) * m
        moving = flown.out[:, n_all : n_all + n, :width]
        out[:, :, first : first + len(chosen)] = moving.reshape(len(flown.out), n, len(chosen), m)
    return out
