"""The solver's arguments as a study hands them on: tight tolerances by default, and only to methods that take any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrators._methods import resolve_method

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


def solver_text(solver: Mapping[str, Any]) -> str:
    """``GaussLegendre4, h = 0.01 s`` or ``DOP853, rtol = 1e-10``; ``iteration`` where no method is named."""
    if "method" not in solver:
        return "iteration"
    method = resolve_method(solver["method"], solver.get("step"))
    name = type(method).__name__
    return f"{name}, h = {method.h:g} s" if method.h is not None else f"{name}, rtol = {solver.get('rtol', 1e-3):g}"
