"""What `solve_ivp` asks of a discrete map, which is iterated, before it is."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from diffsim.errors import ArgumentError, KindError, must
from diffsim.number import Number, raw
from diffsim.protocols import is_discrete, is_system
from integrators._integrator import Integrator
from integrators.drivers.right_hand_side import label

__all__: list[str] = []

_WHO = "solve_ivp"


@final
class _Unsaid(str):
    """The name of a method that nobody has written."""

    __slots__ = ()


DEFAULT = _Unsaid("RK45")
"""The method of a solve that names none: for a discrete map it means `Iteration`."""


def iterates(method: Any) -> bool:
    """Whether a method, as the caller gave it, is for maps."""
    return method == "Iteration" or (isinstance(method, Integrator | type) and getattr(method, "discrete", False))


def check_map(fun: Any, method: Any, t_span: Any, t_eval: Any, watched: tuple[Any, bool, Any]) -> Any:
    """Return the method with which a map is iterated.

    Parameters
    ----------
    fun, method, t_span, t_eval
        As the caller of `solve_ivp` gave them: `fun` is a map, or `method` one for maps.
    watched : (events, dense, moving)
        The last: save times that carry a derivative, or None.

    Raises
    ------
    ArgumentError
        The method does not fit, times are no counts, or something is asked for that lies between two iterations.
    KindError
        Times that record.
    """
    name = label(fun)
    if not is_discrete(fun) and is_system(fun):
        raise ArgumentError(
            f"{_WHO}: Iteration is for maps, whose f(n, y) is the next state; {name} gives the derivative of its "
            "state. Take a method that integrates, such as 'RK45'."
        )
    if method is not DEFAULT and not iterates(method):
        raise ArgumentError(
            f"{_WHO}: method must be left out for {name}, a map: its image is the next state and no derivative, so it "
            f"is iterated, not integrated; got method={method!r}."
        )
    events, dense, moving = watched
    for what, given in (("dense_output", dense), ("events", events is not None and len(events) > 0)):
        if given:
            raise ArgumentError(
                f"{_WHO}: {what} must be left out for {name}, a map: it has no states between two iterations, in which "
                "to look. Read sol.y, or stop by callback=."
            )
    if moving is not None or any(isinstance(end, Number) for end in _listed(t_span)):
        raise KindError(
            f"{_WHO}: t_span and t_eval must be plain whole numbers for {name}, a map: no derivative goes through a "
            "count of iterations; got a recording number."
        )
    for what, times in (("t_span", t_span), ("t_eval", t_eval)):
        for part in _listed(times):
            _check_whole(name, what, part, times)
    ends = _listed(t_span)
    if len(ends) == 2 and np.any(np.asarray(ends[1]) < np.asarray(ends[0])):
        mend = "A map need not have an inverse; where it has one, write it as a map of its own."
        raise must(_WHO, "t_span", f"must not run backwards for {name}, a map", t_span, mend)
    return "Iteration" if method is DEFAULT else method


def _listed(times: Any) -> list[Any]:
    """Return times as a list; nothing where they are of a kind that others will refuse."""
    try:
        return list(times)
    except TypeError:
        return []


def _check_whole(name: str, what: str, part: Any, times: Any) -> None:
    """Raise unless a time, or those of a batch, are whole numbers; padding by NaN and text are for others to see."""
    try:
        numbers = np.asarray(raw(part), dtype=np.float64)
    except (TypeError, ValueError):
        for inner in part if isinstance(part, list | tuple) else ():
            _check_whole(name, what, inner, times)
        return
    finite = numbers[np.isfinite(numbers)]
    if np.any(finite != np.round(finite)):
        rule = f"must hold whole numbers for {name}, a map: time counts its iterations"
        raise must(_WHO, what, rule, times, "Such as t_span=(0, 100).")
