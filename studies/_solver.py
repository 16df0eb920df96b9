"""How a study solves: tight tolerances by default, and only to methods that take any; Ctrl-C is an interruption."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from diffsim.errors import HorizonWarning
from integrators._methods import resolve_method
from integrators._solution import Solution
from integrators._solve import solve_ivp
from integrators.drivers.endings import INTERRUPTED

__all__: list[str] = []


def solver_arguments(
    method: Any, rtol: Any, atol: Any, options: Mapping[str, Any], tolerances: tuple[float, float]
) -> dict[str, Any]:
    """Return the keyword arguments for `solve_ivp`.

    ``tolerances`` are (rtol, atol) where the caller gave None and the method chooses its steps; a method with fixed
    steps gets none.

    Raises
    ------
    ArgumentError
        An unknown method, or a method with fixed steps without a step.
    """
    adaptive = resolve_method(method, options.get("step")).adaptive
    given = {"rtol": rtol, "atol": atol}
    for name, default in zip(given, tolerances, strict=True):
        if given[name] is None and adaptive:
            given[name] = default
    return {"method": method, **{name: value for name, value in given.items() if value is not None}, **options}


def solved(system: Any, t_span: tuple[Any, Any], y0: Any, **arguments: Any) -> Solution:
    """Return the solution of a batch; raise where Ctrl-C ended it, since half a batch is no result.

    Raises
    ------
    KeyboardInterrupt
        The user interrupted.
    """
    solution = solve_ivp(system, t_span, y0, **arguments)
    if np.any(np.asarray(solution.status) == INTERRUPTED):
        raise KeyboardInterrupt
    return solution


def solved_beyond(system: Any, t_span: tuple[Any, Any], y0: Any, **arguments: Any) -> Solution:
    """Return the solution with its tangents, and no warning where it is chaotic beyond what doubles can know.

    For a study that measures this growth itself, and says what follows from it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HorizonWarning)
        return solve_ivp(system, t_span, y0, **arguments)


def without_tolerance(solver: Mapping[str, Any]) -> bool:
    """Say whether the arguments of a solve mean fixed steps."""
    return not resolve_method(solver["method"], solver.get("step")).adaptive


def finer(solver: Mapping[str, Any], factor: float = 2.0) -> dict[str, Any]:
    """Return the arguments of a more accurate solve: half the step, or tolerances as half the step would allow."""
    method = resolve_method(solver["method"], solver.get("step"))
    if not method.adaptive and method.h is not None:
        return {**solver, "method": method.with_step(method.h / factor), "step": None}
    return {**solver, **{name: max(1e-14, solver.get(name, 1e-9) / factor**6) for name in ("rtol", "atol")}}


def solver_text(solver: Mapping[str, Any]) -> str:
    """``GaussLegendre4, h = 0.01 s`` or ``DOP853, rtol = 1e-10``; ``iteration`` where no method is named."""
    if "method" not in solver:
        return "iteration"
    method = resolve_method(solver["method"], solver.get("step"))
    name = type(method).__name__
    return f"{name}, h = {method.h:g} s" if method.h is not None else f"{name}, rtol = {solver.get('rtol', 1e-3):g}"
