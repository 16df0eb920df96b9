"""The driver for one trajectory with fixed steps whose steps somebody looks at, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.number import raw
from integrators._integrator import Integrator
from integrators.drivers.endings import interrupted, status_of
from integrators.drivers.fixed_stepper import FixedStepper
from integrators.drivers.grid import Grid
from integrators.drivers.guard import Guard
from integrators.drivers.pieces import Collector
from integrators.drivers.right_hand_side import RightHandSide
from integrators.drivers.run import Run, Tick
from integrators.drivers.saver import Saver
from integrators.drivers.walk import consumers_of, walk

__all__: list[str] = []


def run_observed(
    method: Integrator,
    f: RightHandSide,
    y0: Any,
    grid: Grid,
    t_eval: NDArray[np.float64] | None,
    names: tuple[str, ...],
    *,
    max_steps: int | None = None,
    strict: bool = True,
    tick: Tick | None = None,
    guard: Guard | None = None,
) -> Run:
    """Integrate one trajectory along a grid, keeping the polynomials of its steps.

    Parameters
    ----------
    method : Integrator
    f : RightHandSide
    y0 : array or recording number, shape (n,)
    grid : Grid
    t_eval : array or None
        Save times, reached by a shorter step aside; None: every node.
    names, max_steps, strict, guard
        See `run_fixed`.
    tick : callable, optional
        Called with the number of steps done.

    Returns
    -------
    Run
        With ``t`` and ``y`` up to the last step.
    """
    guard = Guard() if guard is None else guard
    start, ends = float(raw(grid.t0)), (grid.t0, grid.t1)
    before, saver, collector = f.nfev, Saver(t_eval, ends, y0, aside=True), Collector(start, y0)
    message: str | None = guard.over(start)
    stepper = None
    try:
        if message is None:
            stepper = FixedStepper(method, f, y0, grid, names, max_steps, strict, guard)
            steps = None if tick is None else lambda _: tick(1)
            message = walk(stepper, consumers_of(saver, collector, guard), tick=steps)
    except KeyboardInterrupt:
        if not guard.catches():
            raise
        message = interrupted(start if stepper is None else stepper.t)
    t, y = saver.result()
    return Run(t, y, status_of(message), message, f.nfev - before, len(t), sol=collector.pieces())
