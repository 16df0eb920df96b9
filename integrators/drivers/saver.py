"""What is kept of one trajectory that is walked along: all steps, or the states at the save times."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.errors import RunError
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
    moving : recording number, shape (n_times,), optional
        The save times, where they carry a derivative.
    """

    def __init__(
        self,
        t_eval: NDArray[np.float64] | None,
        ends: tuple[Any, Any],
        y0: Any,
        *,
        aside: bool = False,
        moving: Any = None,
    ) -> None:
        start, end = float(raw(ends[0])), float(raw(ends[1]))
        self._t_eval, self._next, self._aside = t_eval, 0, aside
        self._start, self._forward = y0, end >= start
        self._moving = moving
        self._slack = 4 * _EPS * max(abs(start), abs(end)) if np.isfinite(end) else 0.0
        self._t: list[Any] = []
        self._y: list[Any] = []
        if t_eval is None:
            self._append(start, y0)
        elif start == end:
            self._t, self._y = [t_eval], [array_ops.reshape(y0, (*y0.shape, 1))] * len(t_eval)
            self._next = len(t_eval)

    def _append(self, t: float, y: Any) -> None:
        """Save one state; in place of the one before the jump, where there is one for this time."""
        if self._t and len(self._t[-1]) == 1 and self._t[-1][0] == t:
            self._t.pop()
            self._y.pop()
        self._t.append(np.array([t]))
        self._y.append(y[:, None])

    def take(self, segment: Segment) -> None:
        """Save what lies between the old time (exclusive, but for the start) and the new one (inclusive)."""
        if self._t_eval is None:
            if segment.raw != segment.raw_old or segment.jumped:
                self._append(segment.raw, segment.y)
            return
        ahead = self._t_eval[self._next :]
        slack = self._slack if self._aside and not segment.is_part else 0.0
        end = segment.raw + (slack if self._forward else -slack)
        reached = ahead <= end if self._forward else ahead >= end
        if segment.jumped:
            self._check_jump(segment)
        times = ahead[: int(reached.sum())]
        if not len(times):
            return
        wanted: Any = times
        if self._moving is not None:
            wanted = self._moving[self._next : self._next + len(times)]
        self._next += len(times)
        self._t.append(times)
        behind = segment.jumped and bool(times[-1] == segment.raw)
        if behind:
            wanted = wanted[:-1]
        if self._aside:
            self._y.extend(self._by_steps(segment, t)[:, None] for t in (wanted[i] for i in range(len(wanted))))
        else:
            self._y.append(segment.states((wanted - segment.begin) / segment.h))
        if behind:
            self._y.append(segment.y[:, None])

    def pass_by(self, ends: NDArray[np.float64], states: NDArray[np.float64], at: Callable[[Any], Any]) -> None:
        """Save what lies in steps, one behind the other, that nothing interrupts.

        Parameters
        ----------
        ends, states : arrays, shapes (k,) and (n, k)
            Where the steps end.
        at : callable
            From times within them, shape (j,), to the states there, (n, j).
        """
        if self._t_eval is None:
            self._t.append(ends)
            self._y.append(states)
            return
        ahead = self._t_eval[self._next :]
        times = ahead[: int((ahead <= ends[-1] if self._forward else ahead >= ends[-1]).sum())]
        if len(times):
            wanted = times if self._moving is None else self._moving[self._next : self._next + len(times)]
            self._next += len(times)
            self._t.append(times)
            self._y.append(at(wanted))

    def _check_jump(self, segment: Segment) -> None:
        """Raise where the state at a save time has no derivative: it coincides with a jump that moves."""
        if self._t_eval is None or not (isinstance(segment.t, Number) or self._moving is not None):
            return
        if (np.abs(self._t_eval - segment.raw) <= 4 * math.ulp(segment.raw)).any():
            raise RunError(
                "solve_ivp: a save time must not coincide with a reset when derivatives are asked for; got "
                f"t={segment.raw!r}, where the state jumps: a little earlier it is the one before, a little later the "
                "one behind. Leave this time out of t_eval; y_events and a solve without t_eval have these states."
            )

    def _by_steps(self, segment: Segment, time: Any) -> Any:
        """Return the state at a save time, from the start of the step."""
        plain = float(raw(time))
        if not isinstance(time, Number):
            if abs(plain - segment.raw_old) <= self._slack and not isinstance(segment.t_old, Number):
                return segment.y_old
            near = plain == segment.raw if segment.is_part else abs(plain - segment.raw) <= self._slack
            if near and not isinstance(segment.t, Number):
                return segment.y
        return segment.method.propagate(segment.f, segment.t_old, segment.y_old, time - segment.t_old, segment.carry)

    def close(self, end: tuple[float, Any]) -> None:
        """Save the point at which an event ended the solve, in place of what has been saved for this time."""
        t, y = end
        if self._t and len(self._t[-1]) and self._t[-1][-1] == t:
            self._t[-1], self._y[-1] = self._t[-1][:-1], self._y[-1][:, :-1]
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
