"""Many searches side by side, each in a thread of its own, whose questions are answered together, in one batch.

A search asks for its loss at a point, and waits.  When all that still run have asked, the points are one batch of
solves.  Each search takes the way that it would take alone, to the bit, because a trajectory does not depend on its
neighbours in a batch; and every optimiser that takes a function will do.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, final

import numpy as np

from diffsim.errors import DiffsimError
from studies._checks import Floats

__all__: list[str] = []

Answer = TypeVar("Answer")
Result = TypeVar("Result")

_AT_ONCE = 256


def together(
    searches: Sequence[Callable[[Callable[[Floats], Answer]], Result]],
    many: Callable[[Floats], Sequence[Answer | DiffsimError]],
) -> list[Result | DiffsimError]:
    """Run searches side by side.

    Parameters
    ----------
    searches : sequence of callable
        ``search(ask)``, where ``ask(x)`` of x (k,) returns the answer there, or raises the error that it is.
    many : callable
        ``many(points)`` of points (k, m) returns m answers or errors.

    Returns
    -------
    list
        What each search returned, or the error that ended it.

    Raises
    ------
    Exception
        Whatever else happens within a search or within `many`, Ctrl-C included; all searches have ended then.

    Examples
    --------
    >>> def doubled(points):
    ...     return [float(2 * x) for x in points[0]]
    >>> def twice(ask):
    ...     return ask(np.array([ask(np.array([1.0]))]))
    >>> together([twice, lambda ask: ask(np.array([5.0]))], doubled)
    [4.0, 10.0]
    """
    found: list[Result | DiffsimError] = []
    for first in range(0, len(searches), _AT_ONCE):
        found += _Crowd(searches[first : first + _AT_ONCE], many).run()
    return found


class _Over(BaseException):
    """Ends a search from within, because something else went wrong."""


@final
class _Crowd(Generic[Answer, Result]):
    """Some searches at once."""

    def __init__(
        self,
        searches: Sequence[Callable[[Callable[[Floats], Answer]], Result]],
        many: Callable[[Floats], Sequence[Answer | DiffsimError]],
    ) -> None:
        self._many = many
        self._said: queue.SimpleQueue[tuple[int, str, object]] = queue.SimpleQueue()
        self._answers: list[queue.SimpleQueue[object]] = [queue.SimpleQueue() for _ in searches]
        self._results: list[object] = [None] * len(searches)
        self._threads = [
            threading.Thread(target=self._search, args=(k, search), daemon=True) for k, search in enumerate(searches)
        ]

    def run(self) -> list[Result | DiffsimError]:
        """Answer all questions until all searches have ended."""
        alive = set(range(len(self._threads)))
        try:
            for thread in self._threads:
                thread.start()
            while alive:
                asked = self._heard(alive)
                if asked:
                    order = sorted(asked)  # the same batch, whoever asked first
                    answers = self._many(np.stack([asked[k] for k in order], axis=1))
                    for k, answer in zip(order, answers, strict=True):
                        self._answers[k].put(answer)
        except BaseException:
            for k in alive:
                self._answers[k].put(_Over())
            raise
        for thread in self._threads:
            thread.join()
        return self._results  # type: ignore[return-value] # each search has ended, or its error was raised

    def _heard(self, alive: set[int]) -> dict[int, Floats]:
        """Wait until each search that runs has asked or ended; return what was asked."""
        asked: dict[int, Floats] = {}
        while len(asked) < len(alive):
            k, what, content = self._said.get()
            if what == "asks":
                asked[k] = content  # type: ignore[assignment] # a point
            else:
                alive.discard(k)
                if what == "fails":
                    raise content  # type: ignore[misc] # an exception
                self._results[k] = content
        return asked

    def _search(self, k: int, search: Callable[[Callable[[Floats], Answer]], Result]) -> None:
        """Run one search in its thread."""

        def ask(x: Floats) -> Answer:
            self._said.put((k, "asks", x))
            answer = self._answers[k].get()
            if isinstance(answer, BaseException):
                raise answer
            return answer  # type: ignore[return-value] # an Answer by construction

        try:
            self._said.put((k, "ends", search(ask)))
        except DiffsimError as error:
            self._said.put((k, "ends", error))
        except _Over:
            return
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the results are waited for
            self._said.put((k, "fails", error))
