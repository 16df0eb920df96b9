"""The driver for many trajectories that choose their own steps: each lane has its own span, step size and status.

All lanes attempt a step together; what a lane accepts, rejects or saves depends on nothing but itself, and its numbers
are those of a single solve to the last bit.  Lanes that have ended leave the block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import ops, replay
from diffsim.number import Number, raw
from integrators._integrator import Integrator, Step
from integrators.drivers import control as control_of
from integrators.drivers.control import DEFAULT_MAX_STEPS, FAILED_FACTOR, Control
from integrators.drivers.endings import KEPT, REACHED, Ending, Fall, not_finite, out_of_steps, status_of, too_small
from integrators.drivers.guard import Guard
from integrators.drivers.lane_saver import LaneSaver
from integrators.drivers.right_hand_side import RightHandSide
from integrators.drivers.run import Run, Tick

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
    guard: Guard | None = None,
) -> Run:
    """Integrate a block of lanes under SciPy's step control, each on its own.

    Parameters
    ----------
    narrow : callable
        Gives the right-hand side for some of the lanes; it is called with ``t`` (m,) and ``y`` (n, m).
    y0 : array or recording number, shape (n, m)
    ends : (t0, t1)
        Floats or recording numbers, of shape () or (m,).
    t_eval : array, shape (n_times,) or (m, n_times), or None
        Save times; those of each lane are padded with NaN.
    method, control, names, tick, guard
        See `run_adaptive`.

    Returns
    -------
    Run
        ``t`` is `t_eval`, or of shape (m, n_times) where there is none, padded with NaN like ``y``.
    """
    guard = Guard() if guard is None else guard
    block = _Block(method, narrow, y0, ends, control, names)
    saver = LaneSaver(t_eval, ends, y0)
    try:
        block.drop_finished()
        while block.who.size and guard.over(0.0) is None:
            covered = block.attempt(saver)
            if tick is not None:
                tick(covered)
    except KeyboardInterrupt:
        if not guard.catches():
            raise
    block.leave(guard)
    t, y, counts = saver.result()
    status = np.array([status_of(message) for message in block.message], dtype=np.intp)
    return Run(t, y, status, block.message, block.nfev, counts)


class _Block:
    """The lanes that still run, and what became of the others.

    Attributes
    ----------
    who : array of int, shape (m_active,)
        Which lane stands in each column.
    message : array of str, shape (m,)
    nfev : array of int, shape (m,)
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
        self._symbolic = isinstance(ends[0], Number) or isinstance(ends[1], Number)
        start = np.broadcast_to(np.asarray(raw(ends[0]), dtype=np.float64), (m,)).copy()
        self._end = np.broadcast_to(np.asarray(raw(ends[1]), dtype=np.float64), (m,)).copy()
        self._t1: Any = ends[1] + np.zeros(m) if self._symbolic else self._end
        self._direction = np.copysign(1.0, self._end - start)
        self._order = method.error_order or method.order
        self._rtol, self._atol = (control_of.columns(tol, 2) for tol in (control.rtol, control.atol))
        self._budget = self._limit = control.max_steps or DEFAULT_MAX_STEPS
        self.message: NDArray[np.object_] = np.full(m, REACHED, dtype=object)
        self.nfev: NDArray[np.intp] = np.zeros(m, dtype=np.intp)
        self._stands, self._last = start.copy(), self._end.copy()  # of all lanes, for those that are cut off
        self._tracks = replay.tracks(m)
        for track in self._tracks:
            track.relative = track.relative if track.known else isinstance(ends[0], Number)
        self._repeats = any(track.known for track in self._tracks)
        self.who = np.arange(m)
        self._f = narrow(self.who)
        self._y, self._t_raw = y0, start
        self._t: Any = ends[0] + np.zeros(m) if self._symbolic else self._t_raw
        k = self._f(self._t, y0)
        self._carry = method.begin(self._f, self._t, y0, k)
        self.nfev += self._f.nfev
        self._h_abs = self._first_steps(np.abs(self._end - start), k)
        self._rejected, self._newton = np.zeros(m, dtype=bool), np.zeros(m, dtype=bool)
        self._ratios = [np.ones(m) for _ in range(control.controller.memory)]
        self._steps = np.full((m, KEPT), np.nan)
        self._tried = self._h_abs * self._direction
        sound = np.isfinite(raw(k))
        self._lost, self._worst, self._when = ~sound.all(axis=0), np.argmin(sound, axis=0), start.copy()

    def _first_steps(self, span: NDArray[np.float64], k: Any) -> NDArray[np.float64]:
        control = self._control
        if control.first_step is not None:
            return np.full(len(span), control.first_step)
        if not span.any() or self._repeats:
            return span
        advised = self._advised()
        if advised is not None:
            return advised
        h: NDArray[np.float64] = control_of.initial_step(
            self._f,
            self._t_raw,
            raw(self._y),
            raw(k),
            span,
            self._direction,
            control.longest(self._t_raw),
            self._order,
            self._rtol,
            self._atol,
        )
        self.nfev[span > 0.0] += 1
        return h

    def _advised(self) -> NDArray[np.float64] | None:
        """Return the steps that the method itself wants to take, None where it leaves that to its error."""
        advised: NDArray[np.float64] | None = self._method.advised(
            self._carry, self._atol + np.abs(raw(self._y)) * self._rtol
        )
        return advised

    def attempt(self, saver: LaneSaver) -> float:
        """Let each lane attempt one step; return the length of time covered by all of them together."""
        control, order = self._control, self._order
        t_new = self._known() if self._repeats else self._chosen()
        if not self.who.size:
            return 0.0
        h_raw = t_new - self._t_raw
        h_abs = np.abs(h_raw)
        last = t_new == self._end
        h = ops.where(last, self._t1 - self._t, h_raw) if self._symbolic else h_raw
        calls = self._f.nfev
        step = self._method.advance(self._f, self._t, self._y, h, self._carry)
        self.nfev[self.who] += self._f.nfev - calls
        y_new, error = raw(step.y), raw(step.error)
        norm = self._method.error_ratio(error, control_of.scale_of(raw(self._y), y_new, self._rtol, self._atol))
        # NOTE: without a finite state there is no tolerance; infinity would make any error look small
        norm = np.where(np.isfinite(y_new).all(axis=0), norm, np.nan)
        accepted = (norm < 1.0) & step.ok
        if self._repeats:
            accepted = np.ones_like(accepted)
        grown = control.controller.grown(norm, self._ratios, order)
        grown = np.where(self._rejected, np.minimum(1.0, grown), grown)
        self._blame(~accepted, y_new, error, t_new, h_raw)
        shrunk = np.where(step.ok, control.controller.shrunk(norm, order), FAILED_FACTOR)
        self._h_abs = h_abs * np.where(accepted, grown, shrunk)
        self._rejected, self._newton = ~accepted, np.broadcast_to(~np.asarray(step.ok), accepted.shape)
        self._ratios = [
            np.where(accepted, new, old) for new, old in zip((norm, *self._ratios), self._ratios, strict=False)
        ]
        self._steps[accepted] = np.column_stack([self._steps[:, 1:], h_abs])[accepted]
        saver.take(self.who, self._dense, accepted, (self._t, self._t_raw, self._y), step, h, t_new)
        t_sym = ops.where(last, self._t1, self._t + h_raw) if self._symbolic else t_new
        self._move(accepted, t_sym, t_new, step)
        self.drop_finished()
        return float(np.abs(h_raw[accepted]).sum())

    def _known(self) -> NDArray[np.float64]:
        """Return the times to which the steps of an earlier evaluation lead."""
        ahead = [
            self._tracks[lane].ahead(float(self._t_raw[j]), float(self._end[j])) for j, lane in enumerate(self.who)
        ]
        return np.array(ahead)

    def _chosen(self) -> NDArray[np.float64]:
        """Return the times to which the steps lead that are to be tried, having ended the lanes that have none."""
        h_abs, direction = self._sizes(), self._direction
        t_new = self._t_raw + h_abs * direction
        clipped: NDArray[np.float64] = np.where(direction * (t_new - self._end) > 0, self._end, t_new)
        return clipped

    def _sizes(self) -> NDArray[np.float64]:
        """Return the step sizes to try, having ended the lanes that have none."""
        smallest = self._control.smallest(self._t_raw, self._direction)
        limited = np.minimum(self._h_abs, self._control.longest(self._t_raw))
        fresh = np.where(limited < smallest, smallest, limited)
        h_abs: NDArray[np.float64] = np.where(self._rejected, self._h_abs, fresh)
        stuck = ~(h_abs >= smallest)
        for j in np.flatnonzero(stuck):
            self.message[self.who[j]] = self._reason(int(j))
        if self._budget <= 0:
            for j in np.flatnonzero(~stuck):
                t, size = float(self._t_raw[j]), float(h_abs[j])
                self.message[self.who[j]] = out_of_steps(self._limit, t, size, self._fall(int(j)))
            stuck = np.ones_like(stuck)
        self._budget -= 1
        if stuck.any():
            self._keep(np.flatnonzero(~stuck))
        going: NDArray[np.float64] = h_abs[~stuck]
        return going

    def _dense(self, columns: NDArray[np.intp], t: Any, y: Any, h: Any, step: Step) -> Sequence[Any]:
        """Return the interpolants of some columns' steps."""
        f = self._narrow(self.who[columns])
        coefficients = self._method.dense(f, t, y, h, step)
        self.nfev[self.who[columns]] += f.nfev
        return coefficients

    def _blame(self, rejected: NDArray[np.bool_], y_new: Any, error: Any, t_new: Any, h: Any) -> None:
        """Note why lanes were rejected: what their message tells if no step can be made."""
        if not rejected.any():
            return
        error = error[: len(y_new)]
        sound = np.isfinite(y_new) & np.isfinite(error)
        lost = ~sound.all(axis=0)
        scale = self._atol + np.abs(y_new) * self._rtol
        worst = np.where(lost, np.argmin(sound, axis=0), np.argmax(np.abs(error) / scale, axis=0))
        self._lost = np.where(rejected, lost, self._lost)
        self._worst = np.where(rejected, worst, self._worst)
        self._when = np.where(rejected, t_new, self._when)
        self._tried = np.where(rejected, h, self._tried)

    def _reason(self, j: int) -> Ending:
        """Say why no step can be made in column j."""
        i, fall = int(self._worst[j]), self._fall(j)
        newton = bool(self._newton[j])
        if self._lost[j] and not newton:
            return not_finite(i, self._names, float(self._when[j]), fall)
        return too_small(i, self._names, fall.t, fall, self._control.min_step, newton)

    def _fall(self, j: int) -> Fall:
        """Return where the lane in column j stands."""
        y = np.array(raw(self._y)[:, j])
        steps = tuple(float(h) for h in self._steps[j] if h == h)
        scale = np.ravel(self._atol) + np.abs(y) * np.ravel(self._rtol)
        return Fall(float(self._t_raw[j]), y, float(self._tried[j]), steps, scale)

    def leave(self, guard: Guard) -> None:
        """Say of all lanes that have not ended how the guard has ended them."""
        for lane in np.flatnonzero((self._stands != self._last) & (self.message == REACHED)):
            self.message[lane] = guard.over(self._stands[lane])

    def _move(self, accepted: NDArray[np.bool_], t: Any, t_raw: NDArray[np.float64], step: Step) -> None:
        """Take over what was accepted."""
        if self._tracks:
            for j in np.flatnonzero(accepted):
                self._tracks[self.who[j]].note(float(self._t_raw[j]), float(t_raw[j]), float(self._end[j]))
        calls = self._f.nfev
        carry = self._method.begin(self._f, t, step.y) if step.carry is None else step.carry
        self.nfev[self.who] += self._f.nfev - calls
        self._stands[self.who[accepted]] = t_raw[accepted]
        if accepted.all():
            self._y, self._t, self._t_raw, self._carry = step.y, t, t_raw, carry
        else:
            self._y = ops.where(accepted, step.y, self._y)
            self._carry = ops.where(accepted, carry, self._carry)
            self._t_raw = np.where(accepted, t_raw, self._t_raw)
            self._t = ops.where(accepted, t, self._t) if self._symbolic else self._t_raw
        advised = self._advised()
        if advised is not None:
            self._h_abs = np.where(accepted, advised, self._h_abs)

    def drop_finished(self) -> None:
        """Let the lanes go that have reached the end."""
        running = self._t_raw != self._end
        if not running.all():
            self._keep(np.flatnonzero(running))

    def _keep(self, columns: NDArray[np.intp]) -> None:
        """Keep these columns."""
        self.who = self.who[columns]
        self._t_raw, self._h_abs, self._end = self._t_raw[columns], self._h_abs[columns], self._end[columns]
        self._direction, self._rejected = self._direction[columns], self._rejected[columns]
        self._lost, self._worst, self._when = self._lost[columns], self._worst[columns], self._when[columns]
        self._tried, self._steps = self._tried[columns], self._steps[columns]
        self._newton = self._newton[columns]
        self._ratios = [ratio[columns] for ratio in self._ratios]
        if columns.size:
            self._f = self._narrow(self.who)
            self._y, self._carry = self._y[:, columns], self._carry[:, columns]
            self._t = self._t[columns] if self._symbolic else self._t_raw
            self._t1 = self._t1[columns] if self._symbolic else self._end
