"""The driver for fixed steps, for states of any kind and shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.number import raw
from integrators._integrator import Integrator
from integrators.drivers.grid import Grid
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

    Returns
    -------
    Run
        A single trajectory that fails ends with its last sound save time; in a block its place is filled with NaN.
    """
    before = f.nfev
    single = y0.ndim == 1
    record, lanes = Record(len(grid.t), y0.shape, out), Lanes(y0.shape[1:], names)
    n_steps = grid.n_steps if max_steps is None else min(grid.n_steps, max_steps)
    nodes, aside = [*grid.nodes.tolist(), -1], [*grid.aside.tolist(), False]
    saved, y = 0, y0
    carry = first_value(f, grid.t0, y0, names, strict) if grid.n_steps else None
    sound = True
    for k in range(n_steps + 1):
        while nodes[saved] == k and sound:
            if aside[saved]:
                t = grid.time(k)
                state = method.propagate(f, t, y, grid.t[saved] - t, carry)
                sound = lanes.check(state, float(grid.t[saved]), saved)
            else:
                state = y
            if not sound and single:
                break
            record.put(lanes.mask(state))
            saved += 1
        if k == n_steps or not sound:
            break
        y = method.propagate(f, grid.time(k), y, grid.step(k), carry)
        carry = None
        sound = lanes.check(y, float(raw(grid.time(k + 1))), saved)
        if tick is not None and not k % _TICK:
            tick(min(_TICK, grid.n_steps - k) * lanes.alive.size)
    if n_steps < grid.n_steps and sound:
        where = float(raw(grid.time(n_steps)))
        lanes.stop(f"max_steps={max_steps} steps are used up at t={where!r}; {grid.n_steps} are needed.", saved)
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
    )
