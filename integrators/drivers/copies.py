"""Copies of the state that a method moves side by side: how far they come apart."""

from __future__ import annotations

import warnings
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import DriftWarning
from diffsim.number import raw
from integrators._integrator import Integrator

__all__: list[str] = []


@final
class Copies:
    """Sizes of positions and momenta so far, and the largest difference between two copies of them.

    Parameters
    ----------
    y0 : array or recording number, shape (n, *lanes)
    """

    def __init__(self, y0: Any) -> None:
        self._size = np.abs(raw(y0))
        self._gap = np.zeros(self._size.shape)

    def see(self, y: Any, z: Any) -> None:
        """Look at the copies after a step, each of shape (n, *lanes); NaN is passed over."""
        one, two = raw(y), raw(z)
        self._size = np.fmax(self._size, np.abs(one))
        self._gap = np.fmax(self._gap, np.abs(one - two))

    @property
    def apart(self) -> float:
        """Largest difference in any trajectory, in parts of the largest position or momentum of it."""
        return _ratio(self._size, self._gap)


def apart_of(states: NDArray[np.float64], n: int) -> float:
    """Return `Copies.apart` for states of two copies each, shape (n_times, 2 n, n_lanes)."""
    if not states.size:
        return 0.0
    one, two = states[:, :n], states[:, n : 2 * n]
    return _ratio(np.fmax.reduce(np.abs(one), axis=0), np.fmax.reduce(np.abs(one - two), axis=0))


def _ratio(size: NDArray[np.float64], gap: NDArray[np.float64]) -> float:
    halves = (2, len(size) // 2, *size.shape[1:])
    whole, part = (np.max(x.reshape(halves), axis=1, initial=0.0) for x in (size, gap))
    with np.errstate(all="ignore"):
        found = np.where((part > 0.0) & (whole > 0.0), part / whole, 0.0)
    return float(np.max(found, initial=0.0))


def warn_apart(apart: float, method: Integrator) -> None:
    """Warn of copies that have not stayed together.

    Warns
    -----
    DriftWarning
    """
    warnings.warn(
        f"solve_ivp: the two copies of the state that {method!r} moves have come apart, by {100.0 * apart:.2g} % "
        "of their size, and the solution is as far off. Bind them more strongly (omega above half the curvature of "
        "H) with a shorter step (step * omega < 1/2), or use method='GaussLegendre4'.",
        DriftWarning,
        stacklevel=4,
    )
