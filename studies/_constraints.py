"""Constraints of `minimise`: functions of the end or of the trajectory, as `scipy.optimize.minimize` writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from diffsim.errors import must
from studies import _checks
from studies._loss_arguments import wants_time

__all__: list[str] = []

_KINDS = ("eq", "ineq")
_HOW = '{"type": "eq", "fun": f} is f(y) = 0, or f(t, y) = 0; "ineq" is f >= 0.'


@final
@dataclass(frozen=True, eq=False)
class Condition:
    """One constraint.

    Attributes
    ----------
    name : str
        How messages call it.
    equal : bool
        Whether the function is to be 0, rather than at least 0.
    function : callable
        ``function(y)`` of the final state, or ``function(t, y)`` of the trajectory: a number or a flat array.
    with_time : bool
    """

    name: str
    equal: bool
    function: Callable[..., Any]
    with_time: bool


def conditions(who: str, given: Any) -> tuple[Condition, ...]:
    """Return the constraints that were given: None, one, or a sequence.

    Raises
    ------
    ArgumentError, KindError
        Something that is no constraint; the message says which.
    """
    if given is None:
        return ()
    every: Sequence[Any] = [given] if isinstance(given, Mapping) else list(given)
    found = []
    for k, one in enumerate(every):
        name = f"constraints[{k}]"
        if not isinstance(one, Mapping) or set(one) != {"type", "fun"}:
            raise must(who, name, "must be a mapping with type and fun", one, _HOW)
        kind = _checks.one_of(who, f"type of {name}", one["type"], _KINDS)
        function = one["fun"]
        found.append(Condition(name, kind == "eq", function, wants_time(who, function, f"{name}: fun")))
    return tuple(found)
