"""Steps of one trajectory that machine code has made ahead of its events: their ends, and the states in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from integrators._interpolant import evaluate
from integrators.compiled.adaptive import Voyage
from integrators.compiled.dense import dense_program
from integrators.compiled.machine_walk import Track, walk
from integrators.compiled.polynomials import coefficients_of
from integrators.drivers.roots import Start

__all__: list[str] = []


@final
class Stretch:
    """Steps that machine code has made, one behind the other.

    Parameters
    ----------
    voyage : Voyage
        Of one trajectory.

    Attributes
    ----------
    t, h, t_next : arrays, shape (k,)
    y, y_next : arrays, shape (n, k)
    log : array
        Of the steps in their order, with ``n_noted`` rows that their method has noted; see `Steps`.
    n_noted : int
    """

    def __init__(self, voyage: Voyage) -> None:
        self._voyage, steps, found = voyage, voyage.found.steps, voyage.found
        self.t, self.h, self.y = steps.t[steps.order], steps.h[steps.order], steps.y[:, steps.order]
        self.log, self.n_noted = steps.log[:, steps.order], steps.n_noted
        self._kept = steps.polynomials[:, :, steps.order] if len(steps.polynomials) else None
        self.t_next, self.y_next = np.append(self.t[1:], found.t), np.concatenate([self.y[:, 1:], found.y], axis=1)

    def __len__(self) -> int:
        return len(self.t)

    def states(self, step: NDArray[np.intp], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the states (n, k) at positions on steps, by the interpolant; at the ends those of the steps."""
        y = np.where(x == 0.0, self.y[:, step], self.y_next[:, step])
        inner = np.flatnonzero((x != 0.0) & (x != 1.0))
        if len(inner):
            where = step[inner]
            if self._kept is not None:
                y[:, inner] = evaluate(self.y[:, where], list(self._kept[:, :, where]), x[inner])
                return y
            problem, program = self._voyage.problem, self._voyage.program
            track = Track.of_single_steps(np.array([self.t[where], self.h[where], x[inner]]))
            dense = dense_program(program, problem.method)
            y[:, inner] = walk(dense, self.y[:, where], self._voyage.values, track, threads=1)[0]
        return y

    def polynomials(self, some: slice) -> tuple[Any, ...]:
        """Return the polynomials of some steps, as `Collector.pass_by` takes them."""
        return self.t_next[some], self.t[some], self.h[some], self.y[:, some], self.coefficients(some)

    def coefficients(self, some: Any) -> Sequence[Any]:
        """Return the coefficients (n, k) of the polynomials of some steps."""
        if self._kept is not None:
            return list(self._kept[:, :, some])
        voyage = self._voyage
        where = self.t[some], self.y[:, some], self.h[some]
        return coefficients_of(voyage.problem.method, voyage.program, voyage.values, *where)

    def times(self, step: NDArray[np.intp], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the times (k,) at positions on steps."""
        inner = self.t[step] + x * self.h[step]
        return np.where(x == 0.0, self.t[step], np.where(x == 1.0, self.t_next[step], inner))

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the states (n, k) at times within the steps."""
        sign = np.sign(self.h[0])
        step = np.minimum(np.searchsorted(sign * self.t_next, sign * times), len(self) - 1)
        return self.states(step, (times - self.t[step]) / self.h[step])


@final
@dataclass
class Leg:
    """The steps from one interruption to the next, and what was looked at.

    Attributes
    ----------
    stretches : list of Stretch
        The last step may be one that an event cuts short; steps behind it do not count.
    looks : list of (first, end, starts)
        Runs of steps on which nothing happens, with what is known of the events behind them; a single step with
        ``None`` is one on which something does.  Steps are counted from the beginning of the leg.
    """

    stretches: list[Stretch]
    looks: list[tuple[int, int, list[Start] | None]]
