"""The driver for fixed steps, for states of any kind and shape."""

from __future__ import annotations

import functools
from collections import deque
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.number import raw
from integrators._integrator import Integrator
from integrators.drivers.copies import Copies
from integrators.drivers.endings import KEPT, Fall, interrupted, out_of_fixed_steps, stopped
from integrators.drivers.grid import Grid
from integrators.drivers.guard import Guard
from integrators.drivers.right_hand_side import RightHandSide, first_value
from integrators.drivers.run import Lanes, Record, Run, Tick

__all__: list[str] = []

_TICK = 64


def run_fixed(
    method: Integrator,
    f: RightHandSide,
    y0: Any,
    grid: Grid,
    names: tuple[str, ...],
    *,
    max_steps: int | None = None,
    strict: bool = True,
    tick: Tick | None = None,
    out: NDArray[np.float64] | None = None,
    guard: Guard | None = None,
) -> Run:
    """Integrate one block along a grid.

    Parameters
    ----------
    method : Integrator
    f : RightHandSide
    y0 : array or recording number, shape (n,) or (n, *lanes)
    grid : Grid
    names : tuple of str
        Names of the components, for messages.
    max_steps : int, optional
        Budget of steps; what is reached within it is kept.
    strict : bool
        Whether a start of a single trajectory at which `f` is not finite is an error.
    tick : callable, optional
        Called with the number of steps done.
    out : array, shape (n_saves, n, *lanes), optional
        Where plain states are stored.
    guard : Guard, optional
        Callback (of a single trajectory), deadline, Ctrl-C.

    Returns
    -------
    Run
        A single trajectory that fails ends with its last sound save time; in a block its place is filled with NaN.
    """
    before = f.nfev
    single = y0.ndim == 1
    record, lanes = Record(len(grid.t), y0.shape, out, np.result_type(raw(y0))), Lanes(y0.shape[1:], names)
    walker = _Walker(method, f, grid, record, lanes, Guard() if guard is None else guard, tick, Copies(y0))
    try:
        walker.walk(y0, names, strict, max_steps)
    except KeyboardInterrupt:
        if not walker.guard.catches():
            raise
        lanes.stop(interrupted(walker.t), record.count)
    saved = record.count
    if not single:
        record.fill(np.nan)
    status, message, n_times = lanes.finish(saved)
    nfev = f.nfev - before
    return Run(
        grid.t[:saved] if single else grid.t,
        record.states(),
        status,
        message,
        nfev if single else np.full(y0.shape[1:], nfev),
        n_times,
        apart=walker.copies.apart if method.n_copies > 1 else 0.0,
    )


@final
class _Walker:
    """The loop over the steps of a grid.

    Attributes
    ----------
    guard : Guard
    t : float
        Where it stands.
    copies : Copies
        What is known of them where the method moves several.
    """

    def __init__(
        self,
        method: Integrator,
        f: RightHandSide,
        grid: Grid,
        record: Record,
        lanes: Lanes,
        guard: Guard,
        tick: Tick | None,
        copies: Copies,
    ) -> None:
        self._method, self._f, self._grid = method, f, grid
        self._record, self._lanes, self._tick = record, lanes, tick
        self._steps: deque[float] = deque(maxlen=KEPT)
        self.guard, self.t, self.copies = guard, float(raw(grid.t0)), copies

    def walk(self, y: Any, names: tuple[str, ...], strict: bool, max_steps: int | None) -> None:
        """Make all steps, or those up to where nothing is left to go on with."""
        grid, lanes, guard = self._grid, self._lanes, self.guard
        n_steps = grid.n_steps if max_steps is None else min(grid.n_steps, max_steps)
        over = guard.over(self.t)
        carry = None
        if grid.n_steps and over is None:
            carry = self._method.begin(self._f, grid.t0, y, first_value(self._f, grid.t0, y, names, strict))
        for k in range(n_steps + 1):
            if not self._save(k, y, carry):
                return
            if k == grid.n_steps:
                return
            over = guard.over(self.t) if over is None else over
            if over is None and k == n_steps:
                over = out_of_fixed_steps(n_steps, self.t, grid.n_steps)
            if over is not None:
                over.fall = self._fall(k, y) if y.ndim == 1 else None
                lanes.stop(over, self._record.count)
                return
            t_new = float(raw(grid.time(k + 1)))
            y_new, carry = self._step(k, y, carry)
            if not lanes.check(y_new, t_new, self._record.count, functools.partial(self._fall, k, y)):
                return
            self._steps.append(abs(t_new - self.t))
            y, self.t = y_new, t_new
            if self._tick is not None and not k % _TICK:
                self._tick(min(_TICK, grid.n_steps - k) * lanes.alive.size)
            if guard.listens and guard.show(t_new, y):
                self._save(k + 1, y, carry)
                if k + 1 < grid.n_steps:
                    lanes.stop(stopped(t_new), self._record.count)
                return

    def _step(self, k: int, y: Any, carry: Any) -> tuple[Any, Any]:
        """Return the state after step k, and what the next one starts with."""
        t, h = self._grid.time(k), self._grid.step(k)
        if self._method.n_copies == 1:
            return self._method.propagate(self._f, t, y, h, carry), None
        step = self._method.advance(self._f, t, y, h, carry)
        self.copies.see(step.y, step.carry)
        return step.y, step.carry

    def _save(self, k: int, y: Any, carry: Any) -> bool:
        """Save the times that are reached from node k; return whether there is anything left to go on with."""
        grid, record, lanes = self._grid, self._record, self._lanes
        while record.count < len(grid.t) and grid.nodes[record.count] == k:
            saved = record.count
            state = y
            if grid.aside[saved]:
                t = grid.time(k)
                state = self._method.propagate(self._f, t, y, grid.t[saved] - t, carry)
                going = lanes.check(state, float(grid.t[saved]), saved, functools.partial(self._fall, k, y))
                if not going:
                    if state.ndim > 1:
                        record.put(lanes.mask(state))
                    return False
            record.put(lanes.mask(state))
        return True

    def _fall(self, k: int, y: Any, spot: tuple[int, ...] = ()) -> Fall:
        """Return where a trajectory of the block stands that starts step k at y."""
        state = np.array(raw(y)[(slice(None), *spot)])
        return Fall(self.t, state, float(raw(self._grid.step(k))), tuple(self._steps))
