"""The events of a batch, put together from single trajectories."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from diffsim import array_ops
from integrators.drivers.run import Run

__all__: list[str] = []


def with_events(joined: Run, runs: Sequence[Run], batch: tuple[int, ...], n: int, n_events: int) -> Run:
    """Return the run of a batch with the events of its trajectories.

    Parameters
    ----------
    joined : Run
    runs : sequence of Run
        Of the single trajectories, in C order.
    batch : tuple of int
    n : int
        Number of state components.
    n_events : int

    Returns
    -------
    Run
        ``t_events[e]`` has shape (*batch, k) and ``y_events[e]`` (*batch, k, n), where k is the largest number of
        occurrences of event e; NaN behind those of a trajectory.
    """
    asked = [run.t_events is not None for run in runs]
    t_events: list[Any] | None = None
    y_events: list[Any] | None = None
    if n_events or (all(asked) and asked):
        t_events, y_events = [], []
        for e in range(n_events):
            longest = max((len(run.t_events[e]) for run in runs), default=0)
            t_events.append(_table([_filled(run.t_events[e], (longest,)) for run in runs], batch, (longest,)))
            y_events.append(_table([_filled(run.y_events[e], (longest, n)) for run in runs], batch, (longest, n)))
    return dataclasses.replace(joined, t_events=t_events, y_events=y_events)


def _filled(x: Any, shape: tuple[int, ...]) -> Any:
    """Return x with NaN appended on its first axis, up to the given shape."""
    missing = shape[0] - len(x)
    if len(x) == 0:
        return np.full(shape, np.nan)
    return x if not missing else array_ops.concatenate([x, np.full((missing, *shape[1:]), np.nan)])


def _table(rows: Sequence[Any], batch: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Return the rows of all trajectories as one array."""
    if not rows:
        return np.zeros((*batch, *shape))
    return array_ops.reshape(array_ops.stack(rows), (*batch, *shape))
