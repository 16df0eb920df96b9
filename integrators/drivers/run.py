"""What a driver hands back, and how states are collected on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, ops
from diffsim.errors import ArgumentError
from diffsim.number import Number, raw
from integrators.drivers.endings import REACHED, Ending, Fall, not_finite, status_of

__all__: list[str] = []

Tick: TypeAlias = Callable[[float], object]
"""Called with the amount of work done since the last call; for progress bars."""


TOGETHER = 0.02
"""Difference of copies, in parts of the largest position or momentum, up to which they are bound.

On three orbits of the double pendulum, with 24 steps and bindings each: bound ones differ by 0.01 at most and keep
the energy to 1 J, others differ by 0.02 to 1 and lose 3 to 60 J.
"""


@dataclass(frozen=True)
class Run:
    """One block of trajectories, integrated.

    Attributes
    ----------
    t : array, shape (n_times,), or (n_times, *lanes) where lanes have their own times
    y : array or recording number, shape (n, *lanes, n_times)
    status, nfev, n_times : int, or array of int, shape lanes
    message : str, or object array of str, shape lanes
    dy : array or recording number, shape (n, n_directions, *lanes, n_times), or None
        Tangents.
    stats : Stats or None
        What was told of the way before; None for an interpreted run.
    njev, nlu : int, or array of int, shape lanes
        Jacobians and LU decompositions.
    sol, t_events, y_events : object
        Dense output and events, as they are in a `Solution`; None where nobody asked for them.
    apart : float
        Of a method that moves copies of the state: how far they came apart, see `Copies`.
    """

    t: NDArray[np.float64]
    y: Any
    status: Any
    message: Any
    nfev: Any
    n_times: Any
    dy: Any = None
    stats: Any = None
    njev: Any = 0
    nlu: Any = 0
    sol: Any = None
    t_events: Any = None
    y_events: Any = None
    apart: Any = 0.0


class Record:
    """States in the order in which they are saved.

    Parameters
    ----------
    n_times : int
        How many there will be.
    shape : tuple of int
        Shape of a state.
    out : array, shape (n_times, *shape), optional
        Where plain states go; made where it is not given.
    kind : dtype
        Of plain states.
    """

    def __init__(
        self, n_times: int, shape: tuple[int, ...], out: NDArray[np.float64] | None = None, kind: Any = np.float64
    ) -> None:
        self._list: list[Any] | None = None
        self.count = 0
        self._out = allocate((n_times, *shape), kind) if out is None else out

    def put(self, y: Any) -> None:
        """Save a state."""
        if isinstance(y, Number) and self._list is None:
            self._list = [self._out[j].copy() for j in range(self.count)]
        if self._list is None:
            self._out[self.count] = y
        else:
            self._list.append(y)
        self.count += 1

    def fill(self, value: float) -> None:
        """Save `value` for all times that are left."""
        if self._list is None:
            self._out[self.count :] = value
            self.count = len(self._out)
        while self.count < len(self._out):
            self.put(np.full(self._out.shape[1:], value))

    def states(self) -> Any:
        """Return what was saved, time on the last axis."""
        if self._list is not None:
            return array_ops.stack(self._list, axis=-1)
        return np.moveaxis(self._out[: self.count], 0, -1)


def allocate(shape: tuple[int, ...], kind: Any = np.float64) -> NDArray[Any]:
    """Return room for states, time first, or raise the error that says what to do about it."""
    try:
        return np.empty(shape, dtype=kind)
    except (MemoryError, ValueError):
        raise ArgumentError(
            f"solve_ivp: the result must fit into memory; {shape[0]} times of shape {shape[1:]} do not. "
            "Name the times you need in t_eval."
        ) from None


class Lanes:
    """Which trajectories of a block are still sound, and what befell the others.

    Parameters
    ----------
    shape : tuple of int
        Shape of the block: ``()`` for a single trajectory.
    names : sequence of str
        Names of the components.
    """

    def __init__(self, shape: tuple[int, ...], names: tuple[str, ...]) -> None:
        self._shape, self._names = shape, names
        self.alive: NDArray[np.bool_] = np.ones(shape, dtype=bool)
        self.message: NDArray[np.object_] = np.full(shape, REACHED, dtype=object)
        self.n_times: NDArray[np.intp] = np.zeros(shape, dtype=np.intp)
        self.all_alive = True

    def check(self, y: Any, t: float, n_saved: int, fall: Callable[[tuple[int, ...]], Fall] | None = None) -> bool:
        """Take the trajectories out whose new state is not finite; return whether any is left.

        `fall` tells where one of them stood before.

        PERF: the sum of all numbers tells whether one of them is not finite, in 2 microseconds for 4096 of them
        (`isfinite` and `all`: 5), and nothing else is looked at as long as it is.
        """
        plain = raw(y)
        if np.isfinite(np.add.reduce(plain, axis=None)):
            return True
        sound = np.isfinite(plain)
        fine = sound.all(axis=0)
        fallen = self.alive & ~fine
        for spot in map(tuple, np.argwhere(fallen)):
            i = int(np.argmin(sound[(slice(None), *spot)]))
            self.message[spot] = not_finite(i, self._names, t, None if fall is None else fall(spot))
            self.n_times[spot] = n_saved
        self.alive = self.alive & fine
        self.all_alive = bool(self.alive.all())
        return bool(self.alive.any())

    def stop(self, message: Ending, n_saved: int) -> None:
        """Take out all that are left, for a common reason."""
        self.message[self.alive] = message
        self.n_times[self.alive] = n_saved
        self.alive = np.zeros(self._shape, dtype=bool)
        self.all_alive = False

    def mask(self, y: Any) -> Any:
        """Return the state with NaN in place of trajectories that have ended."""
        return y if self.all_alive else ops.where(self.alive, y, np.nan)

    def finish(self, n_saved: int) -> tuple[Any, Any, Any]:
        """Return status, message and number of times: plain ones for a single trajectory."""
        self.n_times[self.alive] = n_saved
        if self._shape == ():
            message = self.message.item()
            return status_of(message), message, int(self.n_times)
        status = np.where(self.alive, 0, -1)
        for spot in map(tuple, np.argwhere(~self.alive)):
            status[spot] = status_of(self.message[spot])
        return status, self.message, self.n_times
