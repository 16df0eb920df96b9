"""What may end a solve from outside: a callback, the clock, Ctrl-C."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable
from typing import Any, final

import numpy as np

from diffsim.errors import KindError
from diffsim.number import raw
from integrators.drivers.endings import Ending, Fall, interrupted, out_of_time

__all__: list[str] = []

_YOUNG = 0.5
"""Seconds before which an interrupted solve gives nothing back: Ctrl-C twice in a row therefore stops the program,
and once is enough for a loop over short solves."""


@final
class Guard:
    """One solve's callback, deadline and way with Ctrl-C.

    Parameters
    ----------
    callback : callable, optional
        ``callback(t, y)`` or ``callback(t, y, index)``.
    max_seconds : float, optional
        Wall-clock seconds, counted from here.
    returns : bool
        Whether Ctrl-C ends the solve with what there is, rather than the program.

    Raises
    ------
    KindError
        The callback is no function, or takes neither two nor three arguments.
    """

    __slots__ = ("_callback", "_cut", "_deadline", "_index", "_indexed", "_max_seconds", "_returns", "_started")

    def __init__(
        self, callback: Callable[..., Any] | None = None, max_seconds: float | None = None, returns: bool = True
    ) -> None:
        self._callback, self._max_seconds, self._returns = callback, max_seconds, returns
        self._cut = False
        self._index: tuple[int, ...] = ()
        self._indexed = callback is not None and _takes_index(callback)
        self._started = time.monotonic()
        self._deadline = None if max_seconds is None else self._started + max_seconds

    @property
    def max_seconds(self) -> float | None:
        """The budget of wall-clock seconds."""
        return self._max_seconds

    @property
    def listens(self) -> bool:
        """Whether somebody wants to see each step."""
        return self._callback is not None

    def of(self, index: tuple[int, ...]) -> Guard:
        """Return the guard of one trajectory of a batch, with the same clock."""
        if self._callback is None:
            return self
        twin = copy.copy(self)
        twin._index = index
        return twin

    def over(self, t: Any, fall: Fall | None = None) -> Ending | None:
        """Return how a trajectory that stands at t ends, where the time is up or Ctrl-C was pressed; None otherwise."""
        if self._cut:
            return interrupted(float(raw(t)), fall)
        if self._deadline is not None and time.monotonic() > self._deadline:
            return out_of_time(self._max_seconds, float(raw(t)), fall)
        return None

    def late(self) -> bool:
        """Return whether the time is up."""
        return self._deadline is not None and time.monotonic() > self._deadline

    def show(self, t: Any, y: Any) -> bool:
        """Show an accepted step to the callback; return whether the solve is to stop there.

        Parameters
        ----------
        t : number
        y : state, shape (n,)
            Shown as a copy in plain numbers.
        """
        if self._callback is None:
            return False
        state = np.array(raw(y))
        try:
            answer = self._callback(float(raw(t)), state, *((self._index,) if self._indexed else ()))
        except StopIteration:
            return True
        return answer is True or (isinstance(answer, np.bool_) and bool(answer))

    def catches(self) -> bool:
        """Return whether a KeyboardInterrupt ends the solve with what there is, rather than the program.

        If so, `over` says it from now on: the trajectories of a batch that are still to come end where they start.
        """
        self._cut = self._returns and time.monotonic() - self._started >= _YOUNG
        return self._cut


def _takes_index(callback: Callable[..., Any]) -> bool:
    """Return whether a callback takes (t, y, index)."""
    if not callable(callback):
        raise KindError(f"solve_ivp: callback must be a function callback(t, y); got {type(callback).__name__}.")
    try:
        signature = inspect.signature(callback)
    except (ValueError, TypeError):  # builtins do not tell
        return False
    for given in ((None, None), (None, None, None)):
        try:
            signature.bind(*given)
        except TypeError:
            continue
        return len(given) == 3
    name = getattr(callback, "__name__", type(callback).__name__)
    raise KindError(f"solve_ivp: callback must take (t, y) or (t, y, index); got {name}{signature}.")
