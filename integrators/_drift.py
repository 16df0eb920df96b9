"""How far a solution has drifted from what its System conserves."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, final

import numpy as np

from diffsim.errors import DriftWarning, unknown_name
from diffsim.number import Number, raw, shape_of
from diffsim.protocols import invariants, is_system, parameter_names, says_canonical, with_parameters
from integrators._trend import MANY_TURNS, Trend, trend_of

__all__: list[str] = []

_EPS = float(np.finfo(np.float64).eps)
_SAMPLES = 8
"""Times at which the size of an invariant's terms is looked at."""
_PART = 2.0**-20
"""By how much a component is changed for that, in parts of itself."""
_LANES = 64
"""Trajectories of a batch that are looked at without being asked."""
_NUMBERS = 400_000
"""Numbers of states that are looked at without being asked: some 20 ms."""


@final
class Drift(Mapping[str, Any]):
    """Invariants along a solution, less their values at the start: by name, computed when asked for.

    Parameters
    ----------
    fun : callable
        A System, or a plain function, which declares nothing.
    y0 : state, shape (n, *batch)
    y : states, shape (n, *batch, n_times)
    t : array, shape (n_times,) or (*batch, n_times)
    n_steps : int
        About how many steps the solve has made: each adds some rounding.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> from systems import Kepler
    >>> sol = solve_ivp(Kepler(), (0.0, 2000.0), [1.0, 0.0, 0.0, 1.2], "StormerVerlet", step=0.1)
    >>> trend = sol.invariants.trend("energy")
    >>> trend.judged, trend.drifts, bool(trend.wander < 0.03 * trend.oscillation)
    (True, False, True)
    """

    def __init__(self, fun: Any, y0: Any, y: Any, t: Any, n_steps: int) -> None:
        self._fun, self._y0, self._y, self._t, self._n_steps = fun, y0, y, t, n_steps

    def __getitem__(self, name: str) -> Any:
        now, then = invariants(_along_time(self._fun))[name], invariants(self._fun)[name]
        with np.errstate(all="ignore"):  # NaN where a trajectory had ended
            start = then(self._y0)
            return now(self._y) - (start[..., None] if shape_of(start) else start)

    def trend(self, name: str) -> Trend:
        """Return whether an invariant oscillates or drifts, and how fast: see `Trend`.

        Parameters
        ----------
        name : str
            One that the System declares.
        """
        if name not in self:
            raise unknown_name("Solution.invariants", "invariant", name, tuple(self))
        error = np.asarray(raw(self[name]))
        with np.errstate(all="ignore"):  # NaN where a trajectory had ended
            size = self._terms(name) + np.fmax.reduce(np.abs(error), axis=-1, initial=0.0)
        return trend_of(self._t, error, _EPS * self._n_steps * np.broadcast_to(size, error.shape[:-1]))

    def _terms(self, name: str) -> Any:
        """Return about how large the terms are that an invariant is the sum of, shape batch: what rounding goes by.

        The sum of |dI/dy_i y_i| at a few times, by differences; the invariant itself may be 0.
        """
        value, y = invariants(_along_time(self._fun))[name], np.asarray(raw(self._y), dtype=np.float64)
        y = y[..., np.unique(np.linspace(0, y.shape[-1] - 1, _SAMPLES).astype(np.intp))]
        here = np.asarray(raw(value(y)))
        total = np.abs(here)
        for i in range(len(y)):
            there = y.copy()
            there[i] *= 1.0 + _PART
            total = total + np.abs(np.asarray(raw(value(there))) - here) / _PART
        return np.fmax.reduce(total, axis=-1, initial=0.0)

    def __iter__(self) -> Iterator[str]:
        return iter(invariants(self._fun))

    def __len__(self) -> int:
        return len(invariants(self._fun))

    def __repr__(self) -> str:
        largest = {name: float(np.nanmax(np.abs(np.asarray(raw(self[name]))), initial=0.0)) for name in self}
        return f"Drift({', '.join(f'{name}: at most {x:.3g}' for name, x in largest.items())})"


def _along_time(fun: Any) -> Any:
    """Return a System whose parameters that differ between trajectories have an axis for time."""
    if not is_system(fun):
        return fun
    wide = {name: getattr(fun, name) for name in parameter_names(fun) if shape_of(getattr(fun, name))}
    return with_parameters(fun, {name: _wide(x) for name, x in wide.items()}) if wide else fun


def _wide(x: Any) -> Any:
    numbers: Any = x if isinstance(x, Number) else np.asarray(x)
    return numbers[..., None]


def warn_of_drift(who: str, fun: Any, y0: Any, y: Any, t: Any, n_steps: int) -> None:
    """Warn where the energy along a solution of a symplectic method drifts: its step is too long for that.

    Of a batch some 64 trajectories are looked at, of each of them at most some thousand times, evenly chosen.  Nothing
    is said of fewer saved times than show `MANY_TURNS`, nor where the System is not canonical.

    Parameters
    ----------
    who : str
        The method with its step, for the message.
    fun, y0, y, t, n_steps
        See `Drift`; numbers may be recording ones.

    Warns
    -----
    DriftWarning
    """
    n_times = shape_of(y)[-1]
    if n_times <= MANY_TURNS or not says_canonical(fun) or "energy" not in invariants(fun):
        return
    n, batch = shape_of(y)[0], shape_of(y)[1:-1]
    n_lanes = math.prod(batch)
    chosen = np.unique(np.linspace(0, n_lanes - 1, min(_LANES, n_lanes)).astype(np.intp))
    stride = max(1, min(n_times // (2 * MANY_TURNS), -(-n * len(chosen) * n_times // _NUMBERS)))
    states = raw(y).reshape(n, n_lanes, n_times)[:, chosen, ::stride]
    times = np.broadcast_to(raw(t), (*batch, n_times)).reshape(n_lanes, n_times)[chosen, ::stride]
    moved = {name: raw(getattr(fun, name)) for name in parameter_names(fun)}
    plain = {name: np.broadcast_to(x, batch).reshape(-1)[chosen] if shape_of(x) else x for name, x in moved.items()}
    start = np.broadcast_to(raw(y0), (n, *batch)).reshape(n, n_lanes)[:, chosen]
    trend = Drift(with_parameters(fun, plain), start, states, times, n_steps).trend("energy")
    if not trend.drifts.any():
        return
    worst = int(np.argmax(np.where(trend.drifts, trend.wander, -np.inf)))
    spot = ", ".join(str(int(i)) for i in np.unravel_index(chosen[worst], batch)) if batch else ""
    span = float(np.nanmax(times[worst]) - np.nanmin(times[worst]))
    warnings.warn(
        f"solve_ivp: the energy{f' of trajectory [{spot}]' if spot else ''} does more than oscillate: in {span:.4g} "
        f"units of time its level has moved by {trend.wander[worst]:.2g}, its oscillation is "
        f"{trend.oscillation[worst]:.2g}. The step of {who} is too long to follow a Hamiltonian close by; halve it. "
        "See sol.invariants.trend('energy').",
        DriftWarning,
        stacklevel=4,
    )
