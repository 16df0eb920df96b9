"""The driver for many trajectories that choose their own steps: each lane has its own time, step size and status.

All lanes attempt a step together; what a lane accepts, rejects or saves depends on nothing but itself, and its numbers
are those of a single solve to the last bit.  Lanes that have ended leave the block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, ops
from diffsim.number import Number, raw
from integrators._integrator import Integrator, Step
from integrators._interpolant import evaluate
from integrators.drivers import control as control_of
from integrators.drivers.control import DEFAULT_MAX_STEPS, MAX_FACTOR, MIN_FACTOR, Control
from integrators.drivers.right_hand_side import RightHandSide
from integrators.drivers.run import REACHED, Run, Tick, not_finite, out_of_steps, too_small

__all__: list[str] = []

Narrow = Callable[[Any], RightHandSide]
"""From the indices of lanes to the right-hand side with the parameters of these lanes."""


def run_lanes(
    method: Integrator,
    narrow: Narrow,
    y0: Any,
    ends: tuple[Any, Any],
    t_eval: NDArray[np.float64] | None,
    control: Control,
    names: tuple[str, ...],
    tick: Tick | None = None,
) -> Run:
    """Integrate a block of lanes under SciPy's step control, each on its own.

    Parameters
    ----------
    narrow : callable
        Gives the right-hand side for some of the lanes; it is called with ``t`` (m,) and ``y`` (n, m).
    y0 : array or recording number, shape (n, m)
    method, ends, t_eval, control, names, tick
        See `run_adaptive`.

    Returns
    -------
    Run
        ``t`` is `t_eval`, or of shape (m, n_times) where there is none, padded with NaN like ``y``.
    """
    block = _Block(method, narrow, y0, ends, control, names)
    saver = _Saver(t_eval, ends, y0)
    block.drop_finished()
    while block.who.size:
        covered = block.attempt(saver)
        if tick is not None:
            tick(covered)
    return saver.result(block)


class _Block:
    """The lanes that still run, and what became of the others.

    Attributes
    ----------
    who : array of int, shape (m_active,)
        Which lane stands in each column.
    """

    def __init__(
        self,
        method: Integrator,
        narrow: Narrow,
        y0: Any,
        ends: tuple[Any, Any],
        control: Control,
        names: tuple[str, ...],
    ) -> None:
        m = y0.shape[1]
        self._method, self._narrow, self._control, self._names = method, narrow, control, names
        self._t1, self._end = ends[1], float(raw(ends[1]))
        start = float(raw(ends[0]))
        self._direction = math.copysign(1.0, self._end - start)
        self._order = method.error_order or method.order
        self._rtol, self._atol = (control_of.columns(tol, 2) for tol in (control.rtol, control.atol))
        self._budget = control.max_steps or DEFAULT_MAX_STEPS
        self.message: NDArray[np.object_] = np.full(m, REACHED, dtype=object)
        self.nfev: NDArray[np.intp] = np.zeros(m, dtype=np.intp)
        self.who = np.arange(m)
        self._f = narrow(self.who)
        self._y, self._t_raw = y0, np.full(m, start)
        self._symbolic = isinstance(ends[0], Number) or isinstance(ends[1], Number)
        self._t: Any = ends[0] + np.zeros(m) if self._symbolic else self._t_raw
        self._carry = self._f(self._t, y0)
        self._h_abs = self._first_steps(abs(self._end - start))
        self._rejected = np.zeros(m, dtype=bool)
        self._reason: NDArray[np.object_] = np.full(m, "", dtype=object)
        for j in np.flatnonzero(~np.isfinite(raw(self._carry)).all(axis=0)):
            i = int(np.argmin(np.isfinite(raw(self._carry)[:, j])))
            self._reason[j] = not_finite(i, names, start)
        self.nfev += self._f.nfev

    def _first_steps(self, span: float) -> NDArray[np.float64]:
        control, m = self._control, len(self.who)
        if control.first_step is not None or span == 0.0:
            return np.full(m, control.first_step or 0.0)
        h: NDArray[np.float64] = control_of.initial_step(
            self._f,
            self._t_raw,
            raw(self._y),
            raw(self._carry),
            span,
            self._direction,
            control.max_step,
            self._order,
            self._rtol,
            self._atol,
        )
        return h

    def attempt(self, saver: _Saver) -> float:
        """Let each lane attempt one step; return the length of time covered by all of them together."""
        direction = self._direction
        h_abs = self._sizes()
        if not self.who.size:
            return 0.0
        h_abs = h_abs[self._kept]
        t_new = self._t_raw + h_abs * direction
        t_new = np.where(direction * (t_new - self._end) > 0, self._end, t_new)
        h_raw = t_new - self._t_raw
        h_abs = np.abs(h_raw)
        last = t_new == self._end
        h = ops.where(last, self._t1 - self._t, h_raw) if self._symbolic else h_raw
        calls = self._f.nfev
        step = self._method.advance(self._f, self._t, self._y, h, self._carry)
        self.nfev[self.who] += self._f.nfev - calls
        y_new, error = raw(step.y), raw(step.error)
        norm = self._method.error_ratio(error, control_of.scale_of(raw(self._y), y_new, self._rtol, self._atol))
        factor = control_of.step_factor(norm, -1.0 / (self._order + 1))
        accepted = (norm < 1.0) & np.isfinite(y_new).all(axis=0)
        grown = np.where(norm == 0.0, MAX_FACTOR, np.minimum(MAX_FACTOR, factor))
        grown = np.where(self._rejected, np.minimum(1.0, grown), grown)
        shrunk = np.where(factor > MIN_FACTOR, factor, MIN_FACTOR)  # a NaN factor compares false
        self._explain(~accepted, y_new, error, t_new)
        self._h_abs = h_abs * np.where(accepted, grown, shrunk)
        self._rejected = ~accepted
        saver.take(self, accepted, (self._t, self._t_raw, self._y), step, h, t_new)
        t_sym = ops.where(last, self._t1, self._t + h_raw) if self._symbolic else t_new
        self._move(accepted, t_sym, t_new, step)
        self.drop_finished()
        return float(np.abs(h_raw[accepted]).sum())

    def _sizes(self) -> NDArray[np.float64]:
        """Return the step sizes to try, having ended the lanes that have none; `_kept` are the others."""
        smallest = control_of.smallest_step(self._t_raw, self._direction)
        limited = np.minimum(self._h_abs, self._control.max_step)
        fresh = np.where(limited < smallest, smallest, limited)
        h_abs = np.where(self._rejected, self._h_abs, fresh)
        stuck = ~(h_abs >= smallest)
        for j in np.flatnonzero(stuck):
            self.message[self.who[j]] = self._reason[j]
        if self._budget <= 0:
            for j in np.flatnonzero(~stuck):
                limit = self._control.max_steps or DEFAULT_MAX_STEPS
                self.message[self.who[j]] = out_of_steps(limit, float(self._t_raw[j]), float(h_abs[j]))
            stuck = np.ones_like(stuck)
        self._budget -= 1
        self._kept = np.flatnonzero(~stuck)
        if stuck.any():
            self._keep(self._kept)
        return h_abs

    def dense(self, columns: NDArray[np.intp], t: Any, y: Any, h: Any, step: Step) -> Sequence[Any]:
        """Return the interpolants of some columns' steps."""
        f = self._narrow(self.who[columns])
        coefficients = self._method.dense(f, t, y, h, step)
        self.nfev[self.who[columns]] += f.nfev
        return coefficients

    def _explain(self, rejected: NDArray[np.bool_], y_new: Any, error: Any, t_new: Any) -> None:
        """Note why lanes were rejected: what their message tells if no step can be made."""
        for j in np.flatnonzero(rejected):
            sound = np.isfinite(y_new[:, j]) & np.isfinite(error[: len(y_new), j])
            if sound.all():
                scale = np.ravel(self._atol) + np.abs(y_new[:, j]) * np.ravel(self._rtol)
                self._reason[j] = too_small(
                    int(np.argmax(np.abs(error[: len(scale), j]) / scale)), self._names, float(self._t_raw[j])
                )
            else:
                self._reason[j] = not_finite(int(np.argmin(sound)), self._names, float(t_new[j]))

    def _move(self, accepted: NDArray[np.bool_], t: Any, t_raw: NDArray[np.float64], step: Step) -> None:
        """Take over what was accepted."""
        carry = self._f(t, step.y) if step.carry is None else step.carry
        if step.carry is None:
            self.nfev[self.who] += 1
        if accepted.all():
            self._y, self._t, self._t_raw, self._carry = step.y, t, t_raw, carry
            return
        self._y = ops.where(accepted, step.y, self._y)
        self._carry = ops.where(accepted, carry, self._carry)
        self._t_raw = np.where(accepted, t_raw, self._t_raw)
        self._t = ops.where(accepted, t, self._t) if self._symbolic else self._t_raw

    def drop_finished(self) -> None:
        """Let the lanes go that have reached the end."""
        running = self._t_raw != self._end
        if not running.all():
            self._keep(np.flatnonzero(running))

    def _keep(self, columns: NDArray[np.intp]) -> None:
        """Keep these columns."""
        self.who = self.who[columns]
        self._t_raw, self._h_abs = self._t_raw[columns], self._h_abs[columns]
        self._rejected, self._reason = self._rejected[columns], self._reason[columns]
        if columns.size:
            self._f = self._narrow(self.who)
            self._y, self._carry = self._y[:, columns], self._carry[:, columns]
            self._t = self._t[columns] if self._symbolic else self._t_raw


def _columns(step: Step, columns: NDArray[np.intp]) -> Step:
    """Return a step of some of its lanes."""
    carry = None if step.carry is None else step.carry[:, columns]
    return Step(step.y[:, columns], None, carry, [k[:, columns] for k in step.stages])


class _Saver:
    """Collects columns of states with the place (lane, time) where each belongs."""

    def __init__(self, t_eval: NDArray[np.float64] | None, ends: tuple[Any, Any], y0: Any) -> None:
        n, m = y0.shape
        self._t_eval, self._shape = t_eval, (n, m)
        self._moving = isinstance(ends[0], Number) or isinstance(ends[1], Number)
        self._forward = raw(ends[1]) >= raw(ends[0])
        self._next = np.zeros(m, dtype=np.intp)
        self._columns: list[Any] = []
        self._lanes: list[NDArray[np.intp]] = []
        self._slots: list[NDArray[np.intp]] = []
        self._times: list[NDArray[np.float64]] = []
        everyone = np.arange(m)
        if t_eval is None:
            self._put(everyone, y0, np.full(m, float(raw(ends[0]))))
        elif raw(ends[0]) == raw(ends[1]):
            for t in t_eval:
                self._put(everyone, y0, np.full(m, t))

    def _put(self, lanes: NDArray[np.intp], y: Any, times: NDArray[np.float64]) -> None:
        """Save one more time of some lanes."""
        self._columns.append(y)
        self._lanes.append(lanes)
        self._slots.append(self._next[lanes])
        self._times.append(times)
        self._next[lanes] += 1

    def take(
        self,
        block: _Block,
        accepted: NDArray[np.bool_],
        old: tuple[Any, Any, Any],
        step: Step,
        h: Any,
        t_new: NDArray[np.float64],
    ) -> None:
        """Save what the accepted steps passed: their ends, or the save times within them."""
        who = block.who
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
        coefficients = block.dense(reached, t_old[reached], start, size, _columns(step, reached))
        place = np.empty(len(who), dtype=np.intp)
        place[reached] = np.arange(len(reached))
        begin = (t_old if self._moving else raw_old)[reached]
        while reached.size:
            at = place[reached]
            times = self._t_eval[self._next[who[reached]]]
            x = (times - begin[at]) / size[at]
            self._put(who[reached], evaluate(start[:, at], [d[:, at] for d in coefficients], x), times)
            reached = self._reached(who, accepted, t_new)

    def _reached(
        self, who: NDArray[np.intp], accepted: NDArray[np.bool_], t_new: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        """Return the columns whose next save time lies within the step."""
        if self._t_eval is None or not len(self._t_eval):
            return np.zeros(0, dtype=np.intp)
        ahead = accepted & (self._next[who] < len(self._t_eval))
        times = self._t_eval[np.minimum(self._next[who], len(self._t_eval) - 1)]
        return np.flatnonzero(ahead & ((times <= t_new) if self._forward else (times >= t_new)))

    def result(self, block: _Block) -> Run:
        """Return everything at its place, NaN where a lane had ended."""
        n, m = self._shape
        n_times = int(self._next.max(initial=0)) if self._t_eval is None else len(self._t_eval)
        hole = sum(len(lanes) for lanes in self._lanes)  # the column behind the last one is NaN
        place = np.full((m, n_times), hole)
        if self._lanes:
            place[np.concatenate(self._lanes), np.concatenate(self._slots)] = np.arange(hole)
        columns = array_ops.concatenate([*self._columns, np.full((n, 1), np.nan)], axis=1)
        t = self._t_eval
        if t is None:
            t = np.append(np.concatenate(self._times), np.nan)[place]
        status = np.where(block.message == REACHED, 0, -1)
        return Run(t, columns[:, place], status, block.message, block.nfev, self._next)
