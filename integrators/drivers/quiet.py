"""Steps on which no function changes its sign: the first question of `crossings`, asked of many steps at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from integrators.drivers.roots import DECAYED, DEGREES, chebyshev_points

__all__: list[str] = []

Sampled: TypeAlias = Callable[[NDArray[np.intp], NDArray[np.float64]], NDArray[np.float64]]
"""From steps and positions on them, both of shape (k,), to the values of the functions there, (n_functions, k)."""


def are_quiet(at: Sampled, n_steps: int) -> NDArray[np.bool_]:
    """Return for each step whether all functions certainly have one sign on it, its ends included.

    As in `crossings`, a function stands for its Chebyshev series once that has decayed; it has no root where the first
    coefficient is larger than all others together.  What is left open is looked at more closely by `crossings`.

    Parameters
    ----------
    at : callable
    n_steps : int

    References
    ----------
    Trefethen, "Approximation Theory and Approximation Practice", chapter 3.
    """
    quiet = np.zeros(n_steps, dtype=bool)
    open_: NDArray[np.intp] = np.arange(n_steps)
    for degree in DEGREES:
        if not len(open_):
            break
        nodes, matrix = chebyshev_points(degree)
        found = at(np.repeat(open_, len(nodes)), np.tile(nodes, len(open_)))
        size = np.abs(found.reshape(len(found), len(open_), len(nodes)) @ matrix.T)
        known, far = _decayed(size), 2.0 * size[..., 0] > size.sum(axis=-1)
        quiet[open_[(known & far).all(axis=0)]] = True
        # NOTE: a known function with a root decides: its step is not quiet, whatever the others are
        open_ = open_[~(known & ~far).any(axis=0) & ~known.all(axis=0) & np.isfinite(size).all(axis=(0, 2))]
    return quiet


def _decayed(size: NDArray[np.float64]) -> Any:
    """Return whether coefficients of these sizes, on the last axis, stand for their function."""
    return size[..., -2:].max(axis=-1) <= DECAYED * size.max(axis=-1)
