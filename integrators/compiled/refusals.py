"""Why a solve is not for machine code: what the compiled core does not take, in words that follow "Machine code"."""

from __future__ import annotations

import numpy as np

from diffsim import replay
from diffsim.errors import RunError
from diffsim.number import Number, depth_of, raw
from integrators._machine_series import LARGEST
from integrators._taylor_formula import TaylorFormula
from integrators._traced_method import TracedMethod
from integrators.compiled.dense import formula_of, has_polynomials
from integrators.compiled.route import Route
from integrators.compiled.series import series_of
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

LARGEST_SOLVED = 4_000
"""Operations of a step with its root beyond which derivatives are interpreted.

PERF: tracing, and LLVM for the way forth and back, take 1 s for 800, once, 8 s for 4,000, and 25 s for 7,000.
"""


class GivenUp(RunError):
    """Machine code has begun a solve that only the interpreter can make."""


def not_for_machines(problem: Problem) -> str | None:
    """Return why a solve cannot be compiled whatever the right-hand side is, or None."""
    if is_watched(problem):
        why = _not_watched(problem)
        if why is not None:
            return why
    if not problem.method.traceable and not problem.method.has_formula:
        return f"is for methods whose step can be traced; got {problem.method!r}."
    largest, n = problem.method.largest_traced, problem.y0.shape[0]
    if problem.method.adaptive:
        largest = None
    if largest is not None and n > largest:
        return f"takes up to {largest} components with {type(problem.method).__name__}; got {n}."
    if largest is not None and problem.dense:
        return f"makes no dense output with {type(problem.method).__name__}; got dense_output=True."
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
        known = "of Taylor or a method for stiff problems"
        return f"chooses steps by the error of an embedded Runge-Kutta pair, or {known}; got {problem.method!r}."
    if problem.method.implicit and problem.jac is not None and problem.jac.jac is not None:
        return "chooses steps with exact Jacobians; got jac."
    return "takes a number for max_step; got a function of time." if callable(problem.control.max_step) else None


def is_watched(problem: Problem) -> bool:
    """Whether single steps matter: for events, and for save times and ends of the span that carry derivatives."""
    return bool(problem.events) or moves(problem)


def moves(problem: Problem) -> bool:
    """Whether save times or ends of the span carry derivatives."""
    return problem.moving is not None or any(isinstance(end, Number) for end in problem.ends)


def is_divisible(problem: Problem) -> bool:
    """Whether a search may be ended and gone on with: the control of an explicit method has no memory."""
    return not problem.method.implicit and problem.control.controller.b == (1.0,)


def _not_watched(problem: Problem) -> str | None:
    """Return why single steps are looked at in Python, one after the other, or None."""
    if isinstance(problem.ends[0], Number):
        return "takes a plain start of t_span; got a recording number."
    moving = moves(problem)
    if problem.grid is not None:
        what = "looks for events" if problem.events else "takes times that carry derivatives"
        return f"{what} on steps of its own choice; got fixed ones."
    if moving and not problem.method.one_step:
        return f"takes times that carry derivatives with methods that have no history; got {problem.method!r}."
    if moving and problem.method.has_formula and not problem.method.implicit:
        return f"takes times that carry derivatives with Runge-Kutta and stiff methods; got {problem.method!r}."
    if replay.is_active():
        return "does not make steps of an earlier evaluation again where single steps matter."
    t1 = raw(problem.ends[1])
    if not np.isfinite(t1).all() and not is_divisible(problem):  # made in stretches, it would forget
        return f"runs ahead of its events to a finite end, unless its control has no memory; got t1={t1}."
    return None


def too_large_a_step(problem: Problem, route: Route) -> str | None:
    """Return why a step whose iterations are written out is not, or None."""
    method, n_operations = problem.method, route.program.n_operations
    if problem.grid is None or not isinstance(method, TracedMethod) or n_operations <= method.LARGEST_STEP:
        return None
    return f"takes steps of {type(method).__name__} of up to {method.LARGEST_STEP} operations; got {n_operations}."


def too_many_derivatives(problem: Problem, selection: Selection, route: Route) -> str | None:
    """Return why the derivatives that are asked for are not those of the traced step, or None."""
    most, name = problem.method.most_derivatives, type(problem.method).__name__
    if most is None or problem.grid is None:
        return None
    asked = orders_of(problem, selection, route)
    return None if asked <= most else f"has derivatives of {name} up to order {most}; got {asked}."


def not_for_search(problem: Problem, selection: Selection, route: Route) -> str | None:
    """Return why the steps of a solve cannot be chosen by machine code, or None."""
    if problem.grid is not None:
        return None
    name, n = type(problem.method).__name__, problem.y0.shape[0]
    if problem.method.implicit:
        if n > LARGEST_ELIMINATED:
            return f"chooses the steps of {name} for up to {LARGEST_ELIMINATED} components; got {n}."
        if slope_of(route.program).program.graph.n_operations > LARGEST_SLOPE:
            return f"chooses the steps of {name} with Jacobians of up to {LARGEST_SLOPE} operations; got a larger one."
    if route.program.graph.n_operations > LARGEST_SEARCHED:
        return f"chooses steps for right-hand sides of up to {LARGEST_SEARCHED} operations; got a larger one."
    exact = selection or records(problem, route) or moves(problem) or replay.is_active()
    if exact and problem.method.has_formula:
        why = _not_solved(problem, selection, route)
        if why is not None:
            return why
    formula = formula_of(problem.method)
    if isinstance(formula, TaylorFormula) and series_of(route.program, formula.degree) is None:
        return f"chooses the steps of {name} by series of up to {LARGEST} operations that it knows; got others."
    return None


def _not_solved(problem: Problem, selection: Selection, route: Route) -> str | None:
    """Return why derivatives do not go through the steps of a method with a formula of its own, or None."""
    from integrators.compiled.equations_methods import equations_of, step_operations  # few solves need it

    formula, name = formula_of(problem.method), type(problem.method).__name__
    if formula is None or equations_of(formula, problem.y0.shape[0]) is None:
        return f"chooses the steps of {name} in plain numbers; got derivatives."
    n = step_operations(route.program, formula, orders_of(problem, selection, route))
    if n > LARGEST_SOLVED:
        return f"makes derivatives of steps of up to {LARGEST_SOLVED} operations; got one of {n}, by {name}."
    return None


def orders_of(problem: Problem, selection: Selection, route: Route) -> int:
    """Return the order of the derivatives that are asked for."""
    return max(depth_of(x) for x in (problem.y0, *route.values)) + bool(selection)


def records(problem: Problem, route: Route) -> bool:
    """Whether derivatives flow through a solve."""
    return isinstance(problem.y0, Number) or any(isinstance(x, Number) for x in route.values)
