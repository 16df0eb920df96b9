"""The power series of solutions as a program of its own."""

from __future__ import annotations

import dataclasses
import functools

from integrators._machine_series import series_graph
from integrators.compiled.program import Program

__all__: list[str] = []


@functools.lru_cache(maxsize=128)
def series_of(program: Program, degree: int) -> Program | None:
    """Return the coefficients 1 to `degree` of the solution through a state, below one another; made once.

    Parameters
    ----------
    program : Program
        Whose graph is the right-hand side.
    degree : int

    Returns
    -------
    Program or None
        None where they are too many operations for machine code, or some that it does not know.
    """
    graph = series_graph(program.graph, program.n, program.n_parameters, degree)
    return None if graph is None else dataclasses.replace(program, graph=graph)
