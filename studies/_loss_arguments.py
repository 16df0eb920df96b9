"""What a loss or a constraint of a trajectory is given: the final state, or times and states."""

from __future__ import annotations

import inspect
from typing import Any

from diffsim.errors import KindError

__all__: list[str] = []


def wants_time(who: str, loss: Any, name: str = "loss") -> bool:
    """Say whether a function takes ``(t, y)``, by the number of its required arguments.

    Raises
    ------
    KindError
        It is no function, or takes neither one nor two arguments.
    """
    if not callable(loss):
        raise KindError(f"{who}: {name} must be a function, f(y) or f(t, y); got {loss!r}.")
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return False  # a built-in without a signature: it gets the final state
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]
    if len(needed) not in (1, 2):
        raise KindError(
            f"{who}: {name} must take the final state, f(y), or the trajectory, f(t, y); "
            f"it takes {len(needed)} arguments."
        )
    return len(needed) == 2
