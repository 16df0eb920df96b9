"""How a solve is to be done, apart from what is solved: method, times, tolerances, checked, and kept for next time."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.number import raw, shape_of
from integrators import _arguments as check
from integrators._integrator import Integrator
from integrators._methods import resolve_method
from integrators._times import check_t_eval, check_t_span
from integrators.drivers.control import Control
from integrators.drivers.grid import Grid, make_grid

__all__: list[str] = []


@dataclass(frozen=True)
class Setting:
    """Checked arguments of a solve that do not depend on the right-hand side.

    Attributes
    ----------
    method : Integrator
    ends : (t0, t1)
        Floats or recording numbers, or arrays of them of shape batch.
    times : array, shape (n_times,) or (*batch, n_times), or None
        Save times.
    control : Control
    grid : Grid or None
        The nodes of a fixed-step solve; None for a method that chooses its steps, and where
        trajectories have their own times.
    """

    method: Integrator
    ends: tuple[Any, Any]
    times: NDArray[np.float64] | None
    control: Control
    grid: Grid | None


_FEW = 16
"""Save times of a setting that is kept."""

_PLAIN = frozenset({float, int, str, type(None)})


def setting(
    method: Any,
    step: Any,
    t_span: Any,
    t_eval: Any,
    n: int,
    limits: tuple[Any, ...],
    batch: tuple[int, ...] = (),
    endless: bool = False,
) -> Setting:
    """Return the setting that the arguments of `solve_ivp` mean.

    Parameters
    ----------
    method, step, t_span, t_eval
        As the caller gave them.
    n : int
        Number of state components.
    limits : tuple
        rtol, atol, first_step, max_step, max_steps, min_step, controller.
    batch : tuple of int
        Shape of the batch, whose trajectories may have their own times.
    endless : bool
        Whether an event may end the solve.

    Raises
    ------
    ArgumentError, KindError
        One of them cannot be used.
    """
    # PERF: an optimiser asks for the same setting again and again; checking it takes 100 us, finding it 3.
    if not endless and isinstance(method, str | Integrator) and t_span.__class__ in (tuple, list) and len(t_span) == 2:
        times = tuple(t_eval) if t_eval.__class__ in (tuple, list) and len(t_eval) <= _FEW else None
        if (times is not None or t_eval is None) and all(
            x.__class__ in _PLAIN for x in (step, *t_span, *limits, *(times or ()))
        ):
            return _kept(method, step, t_span[0], t_span[1], times, n, *limits)
    return _make(method, step, t_span, t_eval, n, limits, batch, endless)


@functools.lru_cache(maxsize=64, typed=True)
def _kept(method: Any, step: Any, t0: Any, t1: Any, times: Any, n: int, *limits: Any) -> Setting:
    return _make(method, step, (t0, t1), None if times is None else list(times), n, limits, ())


def _make(
    method: Any,
    step: Any,
    t_span: Any,
    t_eval: Any,
    n: int,
    limits: tuple[Any, ...],
    batch: tuple[int, ...],
    endless: bool = False,
) -> Setting:
    integrator = resolve_method(method, step)
    t0, t1 = check_t_span(t_span, batch, endless=endless and integrator.adaptive)
    start, end = raw(t0), raw(t1)
    times = check_t_eval(t_eval, (start, end), batch)
    rtol, atol, first_step, max_step, max_steps, min_step, controller = limits
    control = check.check_control(
        integrator,
        n,
        float(np.max(np.abs(np.subtract(end, start)), initial=0.0)),
        rtol=rtol,
        atol=atol,
        first_step=first_step,
        max_step=max_step,
        max_steps=max_steps,
        min_step=min_step,
        controller=controller,
    )
    if integrator.adaptive:
        integrator = integrator.tuned(control.rtol, control.atol)
    ragged = shape_of(t0) != () or shape_of(t1) != () or (times is not None and times.ndim > 1)
    grid = None
    if not integrator.adaptive and integrator.h is not None:
        if not ragged:
            grid = make_grid(t0, t1, integrator.h, times)
        for spot in np.ndindex(*batch) if ragged else ():  # an error now rather than half way through the batch
            begin, until = (float(np.broadcast_to(x, batch)[spot]) for x in (start, end))
            make_grid(begin, until, integrator.h, np.zeros(0))
    return Setting(integrator, (t0, t1), times, control, grid)
