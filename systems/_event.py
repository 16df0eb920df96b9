"""`Event`: something that happens to a system of its own accord, such as an impact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

__all__ = ["Event"]


@final
@dataclass(frozen=True)
class Event:
    """A function of time and state that is zero where something happens, and what happens then.

    A system returns its events from the property `events`; `solve_ivp` looks for them without being asked, and takes
    an `Event` among those that it is given, too.

    Attributes
    ----------
    fun : callable
        ``fun(t, state)``, one number; as a rule a method of the system, so that it knows the parameters.
    reset : callable or None
        ``reset(t, state)``, the state with which the motion goes on.
    direction : float
        Signs that count: > 0 where `fun` rises, < 0 where it falls, 0 both.
    terminal : int or bool
        The occurrence that ends the solve; 0 for none.
    name : str
        What messages and tables call it; the name of `fun`, where it is empty.

    Examples
    --------
    >>> apex = Event(lambda t, state: state[1], direction=-1)
    >>> apex(0.0, [1.0, 0.5])
    0.5
    """

    fun: Callable[[Any, Any], Any]
    reset: Callable[[Any, Any], Any] | None = None
    direction: float = 0.0
    terminal: int = 0
    name: str = ""

    def __call__(self, t: Any, state: Any) -> Any:
        """Return the number whose zeros are the event."""
        return self.fun(t, state)

    @property
    def __name__(self) -> str:
        """What messages and tables call the event."""
        return self.name or str(getattr(self.fun, "__name__", type(self.fun).__name__))
