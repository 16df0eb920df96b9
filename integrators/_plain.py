"""Arguments that must be plain real numbers: no derivative goes through them."""

from __future__ import annotations

from typing import Any

from diffsim.errors import KindError
from diffsim.number import Number

__all__: list[str] = []

_WHO = "solve_ivp"


def real(name: str, x: Any) -> float:
    """Return a plain real number as a float.

    Raises
    ------
    KindError
        It is a recording number, complex, or no number.
    """
    if isinstance(x, Number):
        raise KindError(
            f"{_WHO}: {name} must be a plain number, no derivative goes through it; got "
            f"{type(x).__name__}. Pass {name}.data."
        )
    if isinstance(x, bool | str) or x is None:
        raise KindError(f"{_WHO}: {name} must be a real number; got {name}={x!r}.")
    try:
        return float(x)
    except (TypeError, ValueError):
        raise KindError(f"{_WHO}: {name} must be a real number; got {name} of type {type(x).__name__}.") from None
