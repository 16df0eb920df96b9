"""How fast small changes of the start grow along a trajectory, and whether one shot over it can be aimed at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.errors import must
from diffsim.protocols import event_functions, is_discrete
from studies import _checks
from studies._checks import Floats
from studies._solver import solved_beyond, without_tolerance

__all__: list[str] = []

LIMIT = 1e3
"""Growth beyond which single shooting is not tried.

A search has to bring the error of the start below 1/growth of the motion's size before its linear model means anything,
and the basin around the best start is about as wide.  Three decades are what a start that is known to a few per mille
leaves over.
"""
_POINTS = 200
_REST = 1e-9


def check_shooting(who: str, system: Any, shooting: str) -> bool:
    """Return whether windows may be taken: not for maps, nor for systems with events of their own.

    Raises
    ------
    ArgumentError
        An unknown way, or windows asked for where there can be none.
    """
    _checks.one_of(who, "shooting", shooting, ("auto", "single", "multiple"))
    can = not is_discrete(system) and not event_functions(system)
    if shooting == "multiple" and not can:
        kind = "a map" if is_discrete(system) else "a system with events of its own"
        raise must(who, "shooting", f"must be auto or single for {kind}", shooting)
    return can


@final
@dataclass(frozen=True, eq=False)
class Growth:
    """Growth of the worst small change of a start.

    Attributes
    ----------
    t : ndarray (k,)
        Times, as far as the trajectory went.
    size : ndarray (k,)
        Largest singular value of the derivative of the flow from the start, each component measured by its range.
    scale : ndarray (n,)
        Those ranges.
    span : float
        Length of the whole record in s.
    """

    t: Floats
    size: Floats
    scale: Floats
    span: float

    @property
    def largest(self) -> float:
        """The largest growth over the record."""
        return float(self.size.max())

    @property
    def rate(self) -> float:
        """Mean exponential rate in 1/s, from the end of the record; at least 0."""
        reached = abs(float(self.t[-1] - self.t[0]))
        return max(0.0, float(np.log(self.size[-1]) / reached)) if reached > 0.0 else 0.0

    @property
    def too_large(self) -> bool:
        """Whether single shooting cannot work."""
        return not self.largest < LIMIT

    def told(self) -> str:
        """``a small change of the start grows 3e+14-fold over 20 s (1.7 per s)``."""
        return f"a small change of the start grows {self.largest:.2g}-fold over {self.span:g} s ({self.rate:.2g} per s)"


def growth_of(system: Any, start: Floats, t_span: tuple[float, float], solver: Mapping[str, Any]) -> Growth:
    """Return the growth along the trajectory from a start; a trajectory that ends early is looked at as far as it goes.

    Parameters
    ----------
    system : System
    start : ndarray (n,)
    t_span : (t0, t1)
    solver : mapping
        Keyword arguments of `solve_ivp`.
    """
    times: Any = np.linspace(*t_span, _POINTS + 1)
    if is_discrete(system):
        times = np.unique(np.round(times))
    if "max_step" not in solver and not without_tolerance(solver) and not is_discrete(system):
        # NOTE: at rest an adaptive method takes steps as long as it may, for which the tangents mean nothing
        solver = {**solver, "max_step": abs(t_span[1] - t_span[0]) / _POINTS}
    run = solved_beyond(system, t_span, start, t_eval=times, sensitivities="y0", **solver)
    length = run.y.shape[-1]
    scale = np.ptp(run.y, axis=1) if length else np.zeros(len(start))
    usual = np.maximum(np.abs(start), 1.0)
    scale = np.where(scale > _REST * usual, scale, usual)  # a trajectory at rest moves by rounding alone
    maps = np.moveaxis(run.dy_dy0, -1, 0) * scale / scale[:, None]
    good = np.isfinite(maps).all(axis=(1, 2))
    size = np.full(length, np.inf)
    size[good] = np.linalg.svd(maps[good], compute_uv=False)[:, 0]
    if not length:
        return Growth(np.array([t_span[0]]), np.ones(1), scale, abs(t_span[1] - t_span[0]))
    return Growth(np.asarray(run.t), np.maximum(size, 1e-300), scale, abs(t_span[1] - t_span[0]))
