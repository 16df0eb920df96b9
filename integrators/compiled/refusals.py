"""Why a solve is not for machine code: what the compiled core does not take, in words that follow "Machine code"."""

from __future__ import annotations

import numpy as np

from diffsim import replay
from diffsim.number import Number, depth_of, raw
from integrators.compiled.dense import formula_of, has_polynomials
from integrators.compiled.route import Route
from integrators.compiled.slope import slope_of
from integrators.drivers.problem import Problem
from integrators.drivers.sensitivity import Selection

__all__: list[str] = []

LARGEST_SEARCHED = 400
"""Operations of a right-hand side beyond which steps are chosen interpreted: the search is straight-line code.

PERF: the first solve of Lorenz-96 takes 0.6 s with 60 components (180 operations), 2 s with 120, 6 s with 200.
"""

LARGEST_SLOPE = 2_000
"""Operations of a Jacobian beyond which steps are chosen interpreted: it is straight-line code, too."""

LARGEST_ELIMINATED = 32
"""Components beyond which the steps of methods for stiff problems are chosen interpreted, with LAPACK or SuperLU."""


def not_for_machines(problem: Problem) -> str | None:
    """Return why a solve cannot be compiled whatever the right-hand side is, or None."""
    if problem.events or problem.moving is not None:
        return "does not look for events, nor take save times that carry derivatives; got " + (
            "events." if problem.events else "such a time."
        )
    if not problem.method.traceable and not (problem.method.adaptive and problem.method.formula is not None):
        return f"is for methods whose step can be traced; got {problem.method!r}."
    largest, n = problem.method.largest_traced, problem.y0.shape[0]
    if largest is not None and n > largest:
        return f"takes up to {largest} components with {type(problem.method).__name__}; got {n}."
    if largest is not None and problem.dense:
        return f"makes no dense output with {type(problem.method).__name__}; got dense_output=True."
    if any(isinstance(end, Number) for end in problem.ends):
        return "takes plain t_span; got a recording number."
    if np.asarray(raw(problem.y0)).dtype.kind == "c":
        return "takes real y0; got complex numbers."
    if problem.guard.listens:
        return "has no room for a callback between its steps; got one."
    if problem.grid is not None and problem.guard.max_seconds is not None:
        return "has no clock for max_seconds with fixed steps; got a time."
    if problem.dense and not has_polynomials(problem.method):
        return f"does not know the polynomials of this method; got {problem.method!r}."
    if problem.grid is not None:
        return None
    if not problem.method.adaptive:
        return "takes fixed steps on times that all trajectories share; got times of their own."
    if formula_of(problem.method) is None:
        known = "of Rodas5P, Kvaerno3, Kvaerno5, Radau, BDF"
        return f"chooses steps by the error of an embedded Runge-Kutta pair, or {known}; got {problem.method!r}."
    if problem.method.implicit and problem.jac is not None and problem.jac.jac is not None:
        return "chooses steps with exact Jacobians; got jac."
    return "takes a number for max_step; got a function of time." if callable(problem.control.max_step) else None


def too_many_derivatives(problem: Problem, selection: Selection, route: Route) -> str | None:
    """Return why the derivatives that are asked for are not those of the traced step, or None."""
    most, name = problem.method.most_derivatives, type(problem.method).__name__
    if most is None:
        return None
    asked = max(depth_of(x) for x in (problem.y0, *route.values)) + bool(selection)
    return None if asked <= most else f"has derivatives of {name} up to order {most}; got {asked}."


def not_for_search(problem: Problem, selection: Selection, route: Route) -> str | None:
    """Return why the steps of a solve cannot be chosen by machine code, or None."""
    if problem.grid is not None:
        return None
    if problem.method.implicit:
        name, n = type(problem.method).__name__, problem.y0.shape[0]
        if selection or records(problem, route) or replay.is_active():
            return f"chooses the steps of {name} in plain numbers; got derivatives."
        if n > LARGEST_ELIMINATED:
            return f"chooses the steps of {name} for up to {LARGEST_ELIMINATED} components; got {n}."
        if slope_of(route.program).program.graph.n_operations > LARGEST_SLOPE:
            return f"chooses the steps of {name} with Jacobians of up to {LARGEST_SLOPE} operations; got a larger one."
    if route.program.graph.n_operations > LARGEST_SEARCHED:
        return f"chooses steps for right-hand sides of up to {LARGEST_SEARCHED} operations; got a larger one."
    return None


def records(problem: Problem, route: Route) -> bool:
    """Whether derivatives flow through a solve."""
    return isinstance(problem.y0, Number) or any(isinstance(x, Number) for x in route.values)
