"""`Plan`: the steps of a fixed-step solve and what is saved, as the compiled loops walk through them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from diffsim.compiler.kernel import address
from integrators.drivers.grid import Grid

__all__: list[str] = []

PASS, SAVE, ASIDE = range(3)
"""Kinds of entries: go on, save the state, save what one step aside gives."""


class Slice(NamedTuple):
    """Entries that one call of a kernel works through.

    Attributes
    ----------
    first, last : int
        Entries, the last one excluded.
    step, n_steps : int
        Number of the step with which it begins, and how many there are.
    save, save_end : int
        Number of the save with which it begins, and of the first one beyond it.
    """

    first: int
    last: int
    step: int
    n_steps: int
    save: int
    save_end: int


@final
@dataclass(frozen=True)
class Entries:
    """A plan as the kernels read it: some steps, then something is saved, and so on.

    Attributes
    ----------
    counts, kinds : array of int, shape (n_entries,)
    deltas : array, shape (n_entries,)
    step, save : int
        Numbers of the first step and of the first save.
    """

    counts: NDArray[np.int64]
    kinds: NDArray[np.int64]
    deltas: NDArray[np.float64]
    step: int
    save: int

    @functools.cached_property
    def addresses(self) -> tuple[int, int, int]:
        """Where counts, deltas and kinds begin."""
        return address(self.counts), address(self.deltas), address(self.kinds)

    @functools.cached_property
    def _n_steps(self) -> int:
        return int(self.counts.sum())

    @functools.cached_property
    def _n_saves(self) -> int:
        return int((self.kinds != PASS).sum())

    def slices(self, n_steps: int) -> Iterator[Slice]:
        """Yield runs of entries of about `n_steps` steps each."""
        if len(self.counts) <= n_steps and self._n_steps <= n_steps:
            yield Slice(0, len(self.counts), self.step, self._n_steps, self.save, self.save + self._n_saves)
            return
        reached = np.concatenate([[0], np.cumsum(self.counts)])
        saved = np.concatenate([[0], np.cumsum(self.kinds != PASS)])
        first = 0
        while first < len(self.counts):
            last = int(np.searchsorted(reached, reached[first] + n_steps, side="right")) - 1
            last = min(max(last, first + 1), first + n_steps)  # entries without steps are work, too
            step, save = self.step + int(reached[first]), self.save + int(saved[first])
            yield Slice(
                first, last, step, int(reached[last] - reached[first]), save, save + int(saved[last] - saved[first])
            )
            first = last


_FEW = 4096
"""Saves of a plan that is kept for the next solve."""


def plan_of(grid: Grid, max_steps: int | None) -> Plan:
    """Return the plan of a grid; small ones are kept as long as their grid is (see `Plan.of`)."""
    return _kept_plan(grid, max_steps) if len(grid.t) <= _FEW else Plan.of(grid, max_steps)


@functools.lru_cache(maxsize=32)
def _kept_plan(grid: Grid, max_steps: int | None) -> Plan:
    return Plan.of(grid, max_steps)


@final
@dataclass(frozen=True)
class Plan:
    """Steps and saves of a solve, or of a stretch of one.

    Attributes
    ----------
    t0, h, h_last : float
        Start of the whole solve, step, and the size of its last step.
    k_last : int
        Number of the step that has the size `h_last`.
    first, n_steps : int
        Number of the first step, and how many are taken.
    nodes : array of int, shape (n_saves,)
        Node after (or from) which each save is made.
    aside : array of bool, shape (n_saves,)
        Whether it is reached by a step aside.
    times : array, shape (n_saves,)
    first_save : int
        Number of the first save.
    """

    t0: float
    h: float
    h_last: float
    k_last: int
    first: int
    n_steps: int
    nodes: NDArray[np.intp]
    aside: NDArray[np.bool_]
    times: NDArray[np.float64]
    first_save: int = 0

    @classmethod
    def of(cls, grid: Grid, max_steps: int | None = None) -> Plan:
        """Return the plan of a grid whose ends are plain numbers; `max_steps` cuts it short."""
        n_steps = grid.n_steps if max_steps is None else min(grid.n_steps, max_steps)
        kept = grid.nodes <= n_steps
        k_last = grid.n_steps - 1
        h_last = grid.h if grid.whole or k_last < 0 else float(grid.step(k_last))
        return cls(float(grid.t0), grid.h, h_last, k_last, 0, n_steps, grid.nodes[kept], grid.aside[kept], grid.t[kept])

    @property
    def n_saves(self) -> int:
        """Number of save times."""
        return len(self.times)

    @functools.cached_property
    def has_aside(self) -> bool:
        """Whether some save times lie between the nodes."""
        return bool(self.aside.any())

    def time(self, k: int) -> float:
        """Return the time of node k."""
        return self.t0 + k * self.h if k <= self.k_last else self.t0 + self.k_last * self.h + self.h_last

    def entries(self, n_steps: int) -> Entries:
        """Return what the kernels walk through: no entry of more than `n_steps` steps."""
        whole = self._entries
        if self.n_steps <= n_steps:
            return whole
        counts, kinds, deltas = whole.counts, whole.kinds, whole.deltas
        parts = np.maximum(-(-counts // n_steps), 1)
        ends = np.cumsum(parts) - 1
        cut = np.full(int(parts.sum()), n_steps, dtype=np.int64)
        cut[ends] = counts - (parts - 1) * n_steps
        cut_kinds, cut_deltas = np.full(len(cut), PASS, dtype=np.int64), np.zeros(len(cut))
        cut_kinds[ends], cut_deltas[ends] = kinds, deltas
        return Entries(cut, cut_kinds, cut_deltas, self.first, self.first_save)

    @functools.cached_property
    def _entries(self) -> Entries:
        """Entries as they are, however many steps they have."""
        counts = np.diff(self.nodes, prepend=self.first, append=self.first + self.n_steps).astype(np.int64)
        kinds = np.append(np.where(self.aside, ASIDE, SAVE), PASS).astype(np.int64)
        deltas = np.append(np.where(self.aside, self.times - (self.t0 + self.nodes * self.h), 0.0), 0.0)
        return Entries(counts, kinds, deltas, self.first, self.first_save)

    def until(self, n_steps: int) -> Plan:
        """Return the first steps of the same plan, with the saves up to them."""
        kept = self.nodes <= n_steps
        return dataclasses.replace(
            self, n_steps=n_steps, nodes=self.nodes[kept], aside=self.aside[kept], times=self.times[kept]
        )

    def stretches(self, n: int) -> list[Plan]:
        """Return the same plan in n stretches of about equal length, in order."""
        edges = self.first + np.round(np.linspace(0, self.n_steps, n + 1)).astype(np.intp)
        saves = np.searchsorted(self.nodes, edges, side="right")
        saves[0] = 0
        saves[-1] = self.n_saves
        return [
            dataclasses.replace(
                self,
                first=int(edges[i]),
                n_steps=int(edges[i + 1] - edges[i]),
                nodes=self.nodes[saves[i] : saves[i + 1]],
                aside=self.aside[saves[i] : saves[i + 1]],
                times=self.times[saves[i] : saves[i + 1]],
                first_save=self.first_save + int(saves[i]),
            )
            for i in range(n)
        ]

    def saving(self, nodes: NDArray[np.intp]) -> Plan:
        """Return the same steps with saves at other nodes."""
        return dataclasses.replace(
            self,
            nodes=nodes,
            aside=np.zeros(len(nodes), dtype=bool),
            times=np.float64(self.t0) + nodes * self.h,
            first_save=0,
        )
