"""`Trek`: a walk along known steps as a row of the table of primitives carries it; see `flow`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.primitive import bind
from integrators.compiled.flow import ADJOINT, overflowed
from integrators.compiled.machine import finite
from integrators.compiled.machine_walk import Track, walk, walk_back
from integrators.compiled.program import Program

__all__: list[str] = []


@final
@dataclass(eq=False)
class Trek:
    """Known steps that carry derivatives, and what was kept of the walk for the way back.

    `flow` of a trek gives the states before all steps, column by column, then those at the ends: shape
    (n, n_columns + m); of single steps (see `Track.of_single_steps`) the ends alone, (n, m).

    Attributes
    ----------
    program : Program
    track : Track
        With a slot for each step, or of single steps.
    active : tuple of bool
        Which parameters need cotangents.
    single : bool
        Whether it is of single steps.
    threads : int or None
    """

    program: Program
    track: Track
    active: tuple[bool, ...]
    single: bool = False
    threads: int | None = None
    _kept: Any = None
    _last: Any = None

    @functools.cached_property
    def tangent(self) -> Trek:
        """The walk of the state together with its tangent."""
        return Trek(self.program.tangent, self.track, self.active * 2, self.single, self.threads)

    def run(self, y0: Any, parameters: Any) -> NDArray[np.float64]:
        """Return the states for starts (n,) or (n, m) in plain numbers."""
        start = _lanes(y0)
        ends, stored = walk(self.program, start, _given(parameters), self.track, threads=self.threads)
        self._kept = (y0, parameters, start if self.single else stored)
        return ends if self.single else np.concatenate([stored, ends], axis=1)

    def pull(self, y0: Any, parameters: Any, g: Any) -> NDArray[np.float64]:
        """Return cotangents of start and parameters, (n + n_parameters, m) or without lanes for a single one."""
        if self._kept is None or self._kept[0] is not y0 or self._kept[1] is not parameters:
            self.run(y0, parameters)
        n, m = len(y0), len(self.track.count)
        active = tuple(j for j, wanted in enumerate(self.active) if wanted)
        seeds, ends = g[:, : g.shape[1] - m], g[:, g.shape[1] - m :]
        out = np.zeros((n + self.program.n_parameters, m))
        for guarded in (False, True):
            bars = walk_back(
                self.program,
                _given(parameters),
                self.track,
                self._kept[2],
                ends,
                seeds,
                active,
                guarded=guarded,
                threads=self.threads,
            )
            out[:n] = bars[0]
            out[[n + j for j in active]] = bars[1]
            # NOTE: 0 * inf is NaN in the fast loop; where a guarded one has better to say, it is the answer
            if finite(out) or not finite(g):
                break
        if y0.ndim == 1 and not finite(out) and finite(g):
            raise overflowed("gradient overflowed on the way back")
        return out[:, 0] if y0.ndim == 1 else out

    def pulled(self, g: Any, args: Sequence[Any]) -> Any:
        """Return `ADJOINT` of g, remembering the last one: start and parameters ask for it one after the other."""
        if self._last is None or self._last[0] is not g:
            self._last = (g, bind(ADJOINT, (args[0], args[1], g), {"journey": self}))
        return self._last[1]


def _lanes(y0: Any) -> NDArray[np.float64]:
    return np.asarray(y0[:, None] if y0.ndim == 1 else y0, dtype=np.float64)


def _given(parameters: Any) -> list[Any]:
    """Return the parameters one by one: floats, or arrays with one number a lane."""
    plain = np.asarray(parameters)
    found: list[Any] = plain.tolist() if plain.ndim == 1 else list(plain)
    return found
