"""The driver for one trajectory that is looked at on its way: events, resets, dense output, save times that move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import RunError
from diffsim.number import raw
from integrators._event_arguments import EventSet
from integrators._integrator import Integrator
from integrators.drivers.adaptive import stepper_of
from integrators.drivers.control import Control
from integrators.drivers.endings import interrupted, refused, status_of
from integrators.drivers.event_watch import EventWatch
from integrators.drivers.fixed_stepper import FixedStepper
from integrators.drivers.grid import Grid
from integrators.drivers.guard import Guard
from integrators.drivers.pieces import Collector
from integrators.drivers.right_hand_side import RightHandSide
from integrators.drivers.run import Run, Tick
from integrators.drivers.saver import Saver
from integrators.drivers.walk import Stepper, consumers_of, walk

__all__: list[str] = []


def run_watched(
    method: Integrator,
    f: RightHandSide,
    y0: Any,
    ends: tuple[Any, Any],
    t_eval: NDArray[np.float64] | None,
    grid: Grid | None,
    control: Control,
    names: tuple[str, ...],
    events: EventSet | None,
    *,
    dense: bool = False,
    moving: Any = None,
    strict: bool = True,
    tick: Tick | None = None,
    guard: Guard | None = None,
) -> Run:
    """Integrate one trajectory, with fixed steps or under step control, and look at each step.

    Parameters
    ----------
    method, f, y0, ends, t_eval, control, names, strict, tick, guard
        See `run_adaptive`.
    grid : Grid or None
        The nodes of fixed steps.
    events : EventSet or None
        With the `args` that belong to `f`.
    dense : bool
        Whether the solution is wanted as a function of time.
    moving : recording number, shape (n_times,), or None
        The save times, where they carry a derivative.

    Returns
    -------
    Run
        With `sol`, `t_events` and `y_events` where they were asked for.
    """
    guard = Guard() if guard is None else guard
    before, start = f.nfev, float(raw(ends[0]))
    saver = Saver(t_eval, ends, y0, aside=grid is not None, moving=moving)
    collector = Collector(start, y0) if dense else None
    watch = None if events is None else EventWatch(events, start, y0, names)
    message: str | None = guard.over(ends[0])
    stepper: Stepper | None = None
    try:
        if message is None:
            if grid is None:
                stepper = stepper_of(method)(method, f, y0, ends, control, names, strict, guard)
            else:
                stepper = FixedStepper(method, f, y0, grid, names, control.max_steps, strict, guard)
            message = walk(stepper, consumers_of(saver, collector, guard), watch, tick=tick)
    except KeyboardInterrupt:
        if not guard.catches():
            raise
        message = interrupted(start if stepper is None else stepper.t)
    except RunError as error:  # what has no derivative at an event befalls one trajectory, not its neighbours
        if strict:
            raise
        message = refused(str(error))
    if watch is not None and watch.ended is not None:
        saver.close(watch.ended)
    t, y = saver.result()
    t_events, y_events = (None, None) if watch is None else watch.result()
    sol = None if collector is None else collector.pieces()
    return Run(
        t,
        y,
        status_of(message),
        message,
        f.nfev - before,
        len(t),
        sol=sol,
        t_events=t_events,
        y_events=y_events,
        apart=stepper.apart if isinstance(stepper, FixedStepper) else 0.0,
    )
