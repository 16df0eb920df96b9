"""The predictability horizon: when rounding errors have grown to the size of the solution, told by its tangents."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from diffsim.errors import HorizonWarning
from diffsim.number import raw
from integrators.drivers.run import Run

__all__: list[str] = []

_EPS = float(np.finfo(np.float64).eps)
_MOST = 1_000_000
"""Tangents that are looked through: a millisecond or two."""


def warn_beyond_horizon(run: Run, y0: Any, components: tuple[int, ...]) -> None:
    """Warn where a solve went past what doubles can know of it.

    An error of one unit in the last place of the start has grown, by the tangents of the solution, to the size of the
    state: ``eps * sum_j |dy_i / dy0_j| |y0_j| > max_i |y_i|``, the largest so far.

    Parameters
    ----------
    run : Run
        With tangents.
    y0 : array or recording number, shape (n, *batch)
    components : tuple of int
        The components of the start that have tangents.

    Warns
    -----
    HorizonWarning
    """
    if not components or run.dy.shape[-1] == 0 or math.prod(run.dy.shape) > _MOST:
        return
    # PERF: 5 us instead of 70 for most solves.  NaN compares false.
    if _EPS * len(components) * float(np.abs(raw(run.dy)).max(initial=0.0)) < 1.0:
        return
    tangents, start = np.abs(raw(run.dy)[:, : len(components)]), np.abs(raw(y0))[list(components), ..., np.newaxis]
    with np.errstate(all="ignore"):
        error = _EPS * np.max(np.sum(tangents * start, axis=1), axis=0)  # (*batch, n_times)
        size = np.maximum.accumulate(np.max(np.abs(raw(run.y)), axis=0), axis=-1)
        lost = error > np.maximum(size, np.max(np.abs(raw(y0)), axis=0)[..., np.newaxis])  # NaN compares false
    beyond = lost.any(axis=-1) & (np.asarray(run.status) >= 0)
    if not beyond.any():
        return
    spot = tuple(int(i) for i in np.argwhere(beyond)[0]) if beyond.ndim else ()
    times = run.t if run.t.ndim == 1 else run.t[spot]
    when = float(times[int(np.argmax(lost[spot]))])
    whose = f" of trajectory [{', '.join(map(str, spot))}]" if spot else ""
    more = f", and {int(beyond.sum()) - 1} others likewise" if beyond.sum() > 1 else ""
    warnings.warn(
        f"solve_ivp: the solution{whose} is chaotic, and t={when:.4g} is its horizon{more}: by then rounding errors "
        "have grown to its own size, so that later states are possible ones rather than those of this start, and their "
        "derivatives say nothing about averages. Ask for less time, for averages over many starts, or for more digits "
        "(method='Taylor' with numbers of mpmath).",
        HorizonWarning,
        stacklevel=4,
    )
