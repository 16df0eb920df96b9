"""How a trajectory can end before its time: the sentences, and what a diagnosis needs to know beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

__all__: list[str] = []

REACHED = "The solver successfully reached the end of the integration interval."

FAILED = -1
INTERRUPTED = -2
STOPPED = 2
TERMINATED = 1

KEPT = 4
"""Sizes of the last accepted steps that a message tells."""


@final
@dataclass(frozen=True, eq=False)
class Fall:
    """Where a trajectory stood when it could not go on.

    Attributes
    ----------
    t : float
        Last time at which it was sound.
    y : array, shape (n,)
        The state there.
    h : float
        The step, with its sign, that could not be made or would have been the next.
    steps : tuple of float
        Sizes of the last accepted steps, the latest last.
    scale : array, shape (n,), or None
        Tolerance of the error in each component.
    """

    t: float
    y: Any
    h: float
    steps: tuple[float, ...] = ()
    scale: Any = None


@final
class Ending(str):
    """A message that remembers what it is about, until the diagnosis is added to it.

    Attributes
    ----------
    kind : str
        ``"not finite"``, ``"too small"``, ``"steps"``, ``"fixed steps"``, ``"time"``, ``"interrupt"``, ``"callback"``,
        ``"derivative"``, ``"chattering"``, ``"event"``, ``"zeno"``, ``"refused"``.
    status : int
    fall : Fall or None
    """

    __slots__ = ("fall", "kind", "status")
    kind: str
    status: int
    fall: Fall | None


def _ending(kind: str, text: str, fall: Fall | None = None, status: int = FAILED) -> Ending:
    made = Ending(text)
    made.kind, made.status, made.fall = kind, status, fall
    return made


def status_of(message: str) -> int:
    """Return the status that goes with a message: 0 for that of a solve that has reached its end."""
    return message.status if isinstance(message, Ending) else 0


def not_finite(i: int, names: Sequence[str], t: float, fall: Fall | None = None) -> Ending:
    """Word the message for a state that left the real numbers."""
    text = f"The state became NaN or infinite: {called(i, names)} at t={t!r}. Values up to there are kept."
    return _ending("not finite", text, fall)


def too_small(
    i: int, names: Sequence[str], t: float, fall: Fall | None = None, min_step: float = 0.0, newton: bool = False
) -> Ending:
    """Word the message for a step size that shrank to nothing, in SciPy's words and more."""
    limit = f"min_step={min_step!r}" if min_step else "spacing between numbers"
    where = (
        "the equations of the step have not been solved" if newton else f"the error is largest in {called(i, names)}"
    )
    return _ending("too small", f"Required step size is less than {limit} at t={t!r}; {where}.", fall)


def out_of_steps(limit: int, t: float, h_abs: float, fall: Fall | None = None) -> Ending:
    """Word the message for a spent budget of an adaptive solve."""
    text = f"max_steps={limit} attempted steps are used up at t={t!r}, with step size {h_abs:.3g}."
    return _ending("steps", text, fall)


def chattering(i: int, names: Sequence[str], made: int, t: float, fall: Fall | None = None) -> Ending:
    """Word the message for steps that stay tiny because the derivative jumps across the solution."""
    text = (
        f"The solve chatters at t={t!r}: the derivative of {called(i, names)} jumps where the solution wants to stay, "
        f"{made} attempted steps have led nowhere, and the end is out of reach at this pace."
    )
    return _ending("chattering", text, fall)


def out_of_fixed_steps(limit: int, t: float, needed: int, fall: Fall | None = None) -> Ending:
    """Word the message for a spent budget of a solve with fixed steps."""
    return _ending("fixed steps", f"max_steps={limit} steps are used up at t={t!r}; {needed} are needed.", fall)


def lost_derivative(t: float) -> Ending:
    """Word the message for a sound trajectory whose tangents have left the real numbers."""
    return _ending("derivative", f"The derivative of the state became NaN or infinite at or before t={t!r}.")


def out_of_time(limit: float | None, t: float, fall: Fall | None = None) -> Ending:
    """Word the message for a deadline."""
    return _ending("time", f"max_seconds={limit!r} of time are used up at t={t!r}. Values up to there are kept.", fall)


def interrupted(t: float, fall: Fall | None = None) -> Ending:
    """Word the message for Ctrl-C."""
    return _ending("interrupt", f"Interrupted at t={t!r}. Values up to there are kept.", fall, INTERRUPTED)


def stopped(t: float) -> Ending:
    """Word the message for a callback that has seen enough."""
    return _ending("callback", f"The callback stopped the solve at t={t!r}.", None, STOPPED)


def terminated() -> Ending:
    """Word the message for a terminal event, in SciPy's words."""
    return _ending("event", "A termination event occurred.", None, TERMINATED)


def accumulated(name: str, t: float) -> Ending:
    """Word the message for resets that follow each other ever faster (Zeno's paradox)."""
    text = (
        f"The resets of {name} accumulate at t={t!r}: the way between them has become too small for numbers. Values up "
        "to there are kept. Let the reset put the state to rest where its motion has become small, or make the "
        "event terminal."
    )
    return _ending("zeno", text)


def refused(why: str) -> Ending:
    """Word the message for a trajectory of a batch at an event that leaves no derivative."""
    return _ending("refused", f"{why} Values up to there are kept.")


def called(i: int, names: Sequence[str]) -> str:
    """Return how a message calls component i: ``y[2]`` or ``y[2] (p_1)``."""
    return f"y[{i}] ({names[i]})" if i < len(names) else f"y[{i}]"
