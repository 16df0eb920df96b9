"""What is kept of one trajectory that is walked along: all steps, or the states at the save times."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.number import Number, raw
from integrators.drivers.segment import Segment

__all__: list[str] = []

_EPS = float(np.finfo(np.float64).eps)


@final
class Saver:
    """Collects times and states.

    Parameters
    ----------
    t_eval : array or None
        Save times; None: the start and the end of every step.
    ends : (t0, t1)
    y0 : array or recording number, shape (n,)
    aside : bool
        Whether a save time within a step is reached by one shorter step aside (a method with fixed steps), rather than
        by the step's polynomial.
    """

    def __init__(
        self, t_eval: NDArray[np.float64] | None, ends: tuple[Any, Any], y0: Any, *, aside: bool = False
    ) -> None:
        start, end = float(raw(ends[0])), float(raw(ends[1]))
        self._t_eval, self._next, self._aside = t_eval, 0, aside
        self._start, self._forward = y0, end >= start
        self._moving = isinstance(ends[0], Number)
        self._slack = 4 * _EPS * max(abs(start), abs(end)) if np.isfinite(end) else 0.0
        self._t: list[Any] = []
        self._y: list[Any] = []
        if t_eval is None:
            self._append(start, y0)
        elif start == end:
            self._t, self._y = [t_eval], [array_ops.reshape(y0, (*y0.shape, 1))] * len(t_eval)
            self._next = len(t_eval)

    def _append(self, t: float, y: Any) -> None:
        """Save one state."""
        self._t.append(np.array([t]))
        self._y.append(y[:, None])

    def take(self, segment: Segment) -> None:
        """Save what lies between the old time (exclusive, but for the start) and the new one (inclusive)."""
        if self._t_eval is None:
            if segment.raw != segment.raw_old:
                self._append(segment.raw, segment.y)
            return
        ahead = self._t_eval[self._next :]
        end = segment.raw + (self._slack if self._forward else -self._slack) * self._aside
        reached = ahead <= end if self._forward else ahead >= end
        times = ahead[: int(reached.sum())]
        if not len(times):
            return
        self._next += len(times)
        self._t.append(times)
        if self._aside:
            self._y.extend(self._by_steps(segment, float(t))[:, None] for t in times)
        else:
            self._y.append(segment.states((times - segment.begin) / segment.h))

    def _by_steps(self, segment: Segment, time: float) -> Any:
        """Return the state at a save time, from the start of the step."""
        if abs(time - segment.raw_old) <= self._slack and not isinstance(segment.t_old, Number):
            return segment.y_old
        if abs(time - segment.raw) <= self._slack and not isinstance(segment.t, Number):
            return segment.y
        return segment.method.propagate(segment.f, segment.t_old, segment.y_old, time - segment.t_old)

    def close(self, segment_end: tuple[float, Any]) -> None:
        """Save the point at which an event ended the solve, unless it has been saved."""
        t, y = segment_end
        if not self._t or not len(self._t[-1]) or self._t[-1][-1] != t:
            self._append(t, y)

    def result(self) -> tuple[NDArray[np.float64], Any]:
        """Return the times and the states, shape (n, n_times).

        Interrupted between the times and the states of a step, the times without states are left out.
        """
        if not self._y:
            return np.zeros(0), np.zeros((*self._start.shape, 0))
        plain = all(isinstance(y, np.ndarray) for y in self._y)
        y = np.concatenate(self._y, axis=-1) if plain else array_ops.concatenate(self._y, axis=-1)
        return np.concatenate(self._t)[: y.shape[-1]], y
