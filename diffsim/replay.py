"""Replay: what chose by values in one evaluation of a function, takes the same choices in the next ones.

An adaptive solver decides by the numbers it meets how long its steps are, and its derivative is that of the steps it
took.  A finite difference compares with that derivative only if the shifted evaluations take the same steps.  So
`Replay.recording` notes the steps of every solve, in the order in which the solves begin, and `Replay.replaying`
hands them out again, in the same order, at another point.  The core knows nothing of solvers: they ask `tracks` when
they begin, and get None where nobody replays.

>>> replay = Replay()
>>> def solver(t, end):
...     track = tracks(1)[0]
...     while t != end:
...         new = track.ahead(t, end) if track.known else min(2 * t, end)
...         track.note(t, new, end)
...         print(t, "to", new)
...         t = new
>>> with replay.recording():
...     solver(1.0, 3.0)
1.0 to 2.0
2.0 to 3.0
>>> with replay.replaying():
...     solver(1.0, 3.5)
1.0 to 2.0
2.0 to 3.5
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import final

from diffsim.errors import RunError

__all__ = ["Replay", "StepsDiffer", "Track", "forgotten_after", "is_active", "tracks"]


class StepsDiffer(RunError, ArithmeticError):
    """The steps of an earlier evaluation cannot be taken again: the function does something else at this point."""


@final
class Track:
    """The steps of one trajectory, as they are noted and taken again.

    A trajectory that an event sends on from another state has one leg after each restart.

    Attributes
    ----------
    known : bool
        Whether the steps are known, and have to be taken.
    relative : bool
        Whether the whole trajectory moves with its start: sizes of steps stay then, and otherwise their ends.
    choice : object
        What was noted of the step that `ahead` told of last.
    kept : object
        Where the solver found what it chose, if it starts from there to find it again: not a choice.
    """

    def __init__(self) -> None:
        self.known, self.relative = False, False
        self.kept: object = None
        self._legs: list[list[tuple[float, float, bool, object]]] = [[]]
        self.choice: object = None
        self._leg, self._step = 0, 0

    def note(self, old: float, new: float, end: float, choice: object = None) -> None:
        """Note an accepted step from one time to another, where the trajectory is to end, and what else was chosen."""
        if not self.known:
            self._legs[-1].append((old, new, new == end, choice))

    def restart(self) -> None:
        """Note, or follow, that the trajectory goes on from another state."""
        if not self.known:
            self._legs.append([])
            return
        self._leg, self._step = self._leg + 1, 0
        if self._leg == len(self._legs):
            raise StepsDiffer("replay: a trajectory is interrupted more often than in the evaluation it repeats.")

    def ahead(self, t: float, end: float) -> float:
        """Return the time to which the next known step leads.

        Parameters
        ----------
        t : float
            Where it starts.
        end : float
            Where the trajectory is to end; a step that led to its end leads there again.

        Raises
        ------
        StepsDiffer
            There is no such step.
        """
        leg = self._legs[self._leg]
        if self._step == len(leg):
            raise StepsDiffer("replay: a trajectory needs more steps than in the evaluation it repeats.")
        old, new, last, self.choice = leg[self._step]
        self._step += 1
        if last:
            return end
        return t + (new - old) if self.relative and t != old else new

    def steps(self) -> Sequence[tuple[float, float]]:
        """Return all steps as pairs of times, of all legs."""
        return [(old, new) for leg in self._legs for old, new, *_ in leg]

    def _again(self) -> Track:
        """Return a track along the same steps, at their beginning."""
        twin = Track()
        twin.known, twin.relative, twin._legs, twin.kept = True, self.relative, self._legs, self.kept
        return twin


@final
class Replay:
    """The choices of one evaluation of a function."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._next = 0
        self._records = True

    @property
    def n_steps(self) -> int:
        """Number of accepted steps that were noted."""
        return sum(len(track.steps()) for track in self._tracks)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note the steps of the solves within the block; forget what was noted before."""
        self._tracks, self._records = [], True
        with self._installed():
            yield

    @contextmanager
    def replaying(self) -> Iterator[None]:
        """Let the solves within the block take the steps that were noted, in the same order.

        Raises
        ------
        StepsDiffer
            There are more trajectories, or fewer.
        """
        self._next, self._records = 0, False
        with self._installed():
            yield
        if self._next != len(self._tracks):
            raise StepsDiffer(
                f"replay: {self._next} adaptive solves where the evaluation it repeats had {len(self._tracks)}."
            )

    @contextmanager
    def _installed(self) -> Iterator[None]:
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def _mark(self) -> tuple[int, int]:
        return len(self._tracks), self._next

    def _back_to(self, mark: tuple[int, int]) -> None:
        self._next = mark[1]
        if self._records:
            del self._tracks[mark[0] :]

    def _begin(self, n: int) -> Sequence[Track]:
        if self._records:
            begun = [Track() for _ in range(n)]
            self._tracks += begun
            return begun
        known = self._tracks[self._next : self._next + n]
        if len(known) < n:
            raise StepsDiffer("replay: an adaptive solve that the evaluation it repeats did not have.")
        self._next += n
        return [track._again() for track in known]


_current: ContextVar[Replay | None] = ContextVar("diffsim_replay", default=None)


def is_active() -> bool:
    """Return whether solves are to note or repeat their steps."""
    return _current.get() is not None


def tracks(n: int) -> Sequence[Track]:
    """Return the tracks of a block of n trajectories that begin now; none where nobody replays."""
    replay = _current.get()
    return () if replay is None else replay._begin(n)


@contextmanager
def forgotten_after(error: type[Exception]) -> Iterator[None]:
    """Forget what a solve within the block has noted, or taken, if it ends in an error: another one will begin anew."""
    replay = _current.get()
    mark = None if replay is None else replay._mark()
    try:
        yield
    except error:
        if replay is not None and mark is not None:
            replay._back_to(mark)
        raise
