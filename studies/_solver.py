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
