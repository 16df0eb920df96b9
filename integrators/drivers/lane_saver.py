"""What lanes save: columns of states, each with the place (lane, time) where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.number import Number, raw
from integrators._integrator import Step
from integrators._interpolant import evaluate

__all__: list[str] = []

Indices = NDArray[np.intp]
Dense = Callable[[Indices, Any, Any, Any, Step], Sequence[Any]]
"""From some columns and their steps to the interpolants."""


class LaneSaver:
    """Collects columns of states: the ends of accepted steps, or the interpolants at the save times.

    Parameters
    ----------
    t_eval : array, shape (n_times,) or (m, n_times), or None
        Save times: common ones, or those of each lane, padded with NaN; None: every step.
    ends : (t0, t1)
        Floats or recording numbers, of shape () or (m,).
    y0 : array or recording number, shape (n, m)
    """

    def __init__(self, t_eval: NDArray[np.float64] | None, ends: tuple[Any, Any], y0: Any) -> None:
        n, m = y0.shape
        start, end = (np.broadcast_to(raw(x), (m,)) for x in ends)
        self._t_eval, self._shape = t_eval, (n, m)
        self._moving = isinstance(ends[0], Number) or isinstance(ends[1], Number)
        self._forward = end >= start
        self._next = np.zeros(m, dtype=np.intp)
        self._columns: list[Any] = []
        self._lanes: list[Indices] = []
        self._slots: list[Indices] = []
        self._times: list[NDArray[np.float64]] = []
        if t_eval is None:
            self._put(np.arange(m), y0, start)
            return
        self._many = np.sum(~np.isnan(np.broadcast_to(t_eval, (m, t_eval.shape[-1]))), axis=1)
        still = start == end
        while (waiting := np.flatnonzero(still & (self._next < self._many))).size:
            self._put(waiting, y0 if len(waiting) == m else y0[:, waiting], self._upcoming(waiting))

    def _upcoming(self, lanes: Indices) -> NDArray[np.float64]:
        """Return the next save time of some lanes; NaN where there is none."""
        times = self._t_eval
        if times is None or not times.shape[-1]:
            return np.full(len(lanes), np.nan)
        at = np.minimum(self._next[lanes], times.shape[-1] - 1)
        found = times[at] if times.ndim == 1 else times[lanes, at]
        return np.where(self._next[lanes] < self._many[lanes], found, np.nan)

    def _put(self, lanes: Indices, y: Any, times: NDArray[np.float64]) -> None:
        """Save one more time of some lanes."""
        self._columns.append(y)
        self._lanes.append(lanes)
        self._slots.append(self._next[lanes])
        self._times.append(times)
        self._next[lanes] += 1

    def take(
        self,
        who: Indices,
        dense: Dense,
        accepted: NDArray[np.bool_],
        old: tuple[Any, Any, Any],
        step: Step,
        h: Any,
        t_new: NDArray[np.float64],
    ) -> None:
        """Save what the accepted steps passed: their ends, or the save times within them.

        Parameters
        ----------
        who : array of int, shape (m_active,)
            Which lane stands in each column.
        dense : callable
        accepted : array of bool, shape (m_active,)
        old : (t, t_raw, y)
            Where the steps began.
        step, h, t_new
            The steps, their sizes, the times where they end.
        """
        if self._t_eval is None:
            if accepted.all():
                self._put(who, step.y, t_new)
            elif accepted.any():
                self._put(who[accepted], step.y[:, np.flatnonzero(accepted)], t_new[accepted])
            return
        t_old, raw_old, y_old = old
        reached = self._reached(who, accepted, t_new)
        if not reached.size:
            return
        size, start = h[reached], y_old[:, reached]
        coefficients = dense(reached, t_old[reached], start, size, _some(step, reached))
        place = np.empty(len(who), dtype=np.intp)
        place[reached] = np.arange(len(reached))
        begin = (t_old if self._moving else raw_old)[reached]
        while reached.size:
            at = place[reached]
            times = self._upcoming(who[reached])
            x = (times - begin[at]) / size[at]
            self._put(who[reached], evaluate(start[:, at], [d[:, at] for d in coefficients], x), times)
            reached = self._reached(who, accepted, t_new)

    def _reached(self, who: Indices, accepted: NDArray[np.bool_], t_new: NDArray[np.float64]) -> Indices:
        """Return the columns whose next save time lies within the step."""
        times = self._upcoming(who)  # NaN compares false
        return np.flatnonzero(accepted & np.where(self._forward[who], times <= t_new, times >= t_new))

    def result(self) -> tuple[NDArray[np.float64], Any, Indices]:
        """Return times, states (n, m, n_times) and the number of valid times; NaN where a lane had ended.

        Interrupted in the midst of a step, what has not been saved wholly is left out.
        """
        n, m = self._shape
        whole = len(self._times)
        lanes, slots, columns = self._lanes[:whole], self._slots[:whole], self._columns[:whole]
        counts = np.bincount(np.concatenate(lanes), minlength=m) if lanes else np.zeros(m, dtype=np.intp)
        n_times = int(counts.max(initial=0)) if self._t_eval is None else self._t_eval.shape[-1]
        hole = sum(len(some) for some in lanes)  # the column behind the last one is NaN
        place = np.full((m, n_times), hole)
        if lanes:
            place[np.concatenate(lanes), np.concatenate(slots)] = np.arange(hole)
        together = array_ops.concatenate([*columns, np.full((n, 1), np.nan)], axis=1)
        t = self._t_eval
        if t is None:
            t = np.append(np.concatenate(self._times), np.nan)[place]
        return t, together[:, place], counts


def _some(step: Step, columns: Indices) -> Step:
    """Return a step of some of its lanes."""
    carry = None if step.carry is None else step.carry[:, columns]
    return Step(step.y[:, columns], None, carry, [k[:, columns] for k in step.stages])
