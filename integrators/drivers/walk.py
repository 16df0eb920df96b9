"""The loop over the steps of one trajectory: who makes the steps, and who looks at each of them, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

from integrators.drivers.endings import REACHED, Ending, stopped
from integrators.drivers.guard import Guard
from integrators.drivers.run import Tick
from integrators.drivers.segment import Segment

__all__: list[str] = []


class Stepper(Protocol):
    """Makes the steps."""

    @property
    def finished(self) -> bool:
        """Whether the end is reached."""

    @property
    def t(self) -> float:
        """Where the solve stands."""

    def attempt(self) -> tuple[Segment | None, str]:
        """Make one accepted step and return it; or None and the message that says why there is none."""

    def restart(self, t: Any, y: Any, t_plain: float) -> None:
        """Go on from another state, at a time within the last step."""


class Consumer(Protocol):
    """Looks at each accepted step, and may end the solve."""

    def take(self, segment: Segment) -> str | None:
        """Take a step; return the message to end with, or None to go on."""


@final
@dataclass(frozen=True)
class Interruption:
    """What an event within a step leads to.

    Attributes
    ----------
    segment : Segment
        The part of the step before it.
    message : str or None
        The message to end with.
    start : state or None
        Where to go on from.
    """

    segment: Segment
    message: str | None = None
    start: Any = None


@final
class Audience:
    """The caller's callback, as one who looks at each step and may end the solve.

    Parameters
    ----------
    guard : Guard
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def take(self, segment: Segment) -> Ending | None:
        """Show the end of a step; return the message to end with, or None to go on."""
        return stopped(segment.raw) if self._guard.show(segment.raw, segment.y) else None


class Watch(Protocol):
    """Looks for events."""

    def take(self, segment: Segment) -> Interruption | None:
        """Look for events within a step; return None if the solve just goes on."""


def consumers_of(saver: Consumer, collector: Consumer | None, guard: Guard) -> list[Consumer]:
    """Return who looks at each step, in order: what saves first, what may stop the solve last."""
    keepers = [saver] if collector is None else [saver, collector]
    return [*keepers, Audience(guard)] if guard.listens else keepers


def walk(stepper: Stepper, consumers: Sequence[Consumer], watch: Watch | None = None, tick: Tick | None = None) -> str:
    """Integrate one trajectory; return the message it ended with.

    An accepted step is first cut where an event interrupts it, then shown to all consumers in their order (what saves
    first, what may stop the solve last), also where one of them ends the solve.

    Parameters
    ----------
    stepper : Stepper
    consumers : sequence of Consumer
    watch : Watch, optional
    tick : callable, optional
        Called with the length of time covered since the last call.
    """
    while not stepper.finished:
        segment, problem = stepper.attempt()
        if segment is None:
            return problem
        interruption = None if watch is None else watch.take(segment)
        if interruption is not None:
            segment = interruption.segment
        endings = [consumer.take(segment) for consumer in consumers]
        if tick is not None:
            tick(abs(segment.raw - segment.raw_old))
        if interruption is not None and interruption.message is not None:
            return interruption.message
        for message in endings:
            if message is not None:
                return message
        if interruption is not None:
            stepper.restart(segment.t, interruption.start, segment.raw)
    return REACHED
