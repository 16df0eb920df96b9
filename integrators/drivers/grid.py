"""Time grids for fixed steps, built from integers: node k lies at ``t0 + k h``, never at an accumulated sum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, must
from diffsim.number import Number, raw

__all__: list[str] = []

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, eq=False)  # equal means the same object: they are kept (see `make_grid`)
class Grid:
    """Nodes of a fixed-step solve, and where it is saved.

    Attributes
    ----------
    t0, t1 : float, Value or Dual
        Ends; node 0 is t0 and the last node is t1, exactly.
    h : float
        Step with its sign.
    n_steps : int
        Number of steps; the last one is shortened where h does not divide the span.
    whole : bool
        Whether h divides the span (to rounding), so that the last step is h as well.
    t : array, shape (n_saves,)
        Save times.
    nodes : array of int, shape (n_saves,)
        Node from which each save time is reached.
    aside : array of bool, shape (n_saves,)
        Whether the save time lies beyond its node and is reached by a side step.
    """

    t0: Any
    t1: Any
    h: float
    n_steps: int
    whole: bool
    t: NDArray[np.float64]
    nodes: NDArray[np.intp]
    aside: NDArray[np.bool_]

    def time(self, k: int) -> Any:
        """Return the time of node k."""
        return self.t1 if k == self.n_steps else self.t0 + k * self.h

    def step(self, k: int) -> Any:
        """Return the size of the step from node k to node k + 1."""
        if k < self.n_steps - 1 or self.whole:
            return self.h
        return self.t1 - self.time(k)


def make_grid(t0: Any, t1: Any, step: float, t_eval: NDArray[np.float64] | None) -> Grid:
    """Return the grid of a fixed-step solve.

    A save time that is a node (to a few units in the last place of the times) is taken there.  Any other save time
    is reached by one shorter step aside, from the node before it: the result has the order of the method there, and
    the trajectory itself does not depend on when it is looked at.

    Parameters
    ----------
    t0, t1 : float, Value or Dual
        A recording number as an end keeps its derivative: every step but the last is h, and the last one is
        ``t1 - t``; save times are constants.
    step : float
        Step size, > 0.
    t_eval : array or None
        Save times, checked; None: every node.

    Raises
    ------
    ArgumentError
        `step` is longer than the span, or so short that it does not move t.
    """
    start, end = float(raw(t0)), float(raw(t1))
    span, slack = abs(end - start), 4 * _EPS * max(abs(start), abs(end))
    if span == 0.0:
        n_steps, whole = 0, True
    else:
        n_steps, whole = _count(step, span, slack, (start, end))
    recording = isinstance(t0, Number) or isinstance(t1, Number)
    whole = whole and not recording
    h = math.copysign(step, end - start)
    if t_eval is None:
        nodes = _numbered(n_steps + 1)
        t: NDArray[np.float64] = np.float64(start) + nodes * h
        t[-1] = end
        return Grid(t0, t1, h, n_steps, whole, t, nodes, np.zeros(n_steps + 1, dtype=bool))
    none = np.zeros(0)
    bare = Grid(start, end, h, n_steps, whole, none, none.astype(np.intp), none.astype(bool))
    nodes, aside = _locate(bare, t_eval, slack)
    if isinstance(t0, Number):
        aside = np.ones_like(aside)  # nodes move with t0, save times do not
    elif isinstance(t1, Number):
        aside = aside | (nodes == n_steps)
    nodes = np.where(aside & (nodes == n_steps), max(n_steps - 1, 0), nodes)
    return Grid(t0, t1, h, n_steps, whole, t_eval, nodes, aside)


def _count(step: float, span: float, slack: float, ends: tuple[float, float]) -> tuple[int, bool]:
    """Return the number of steps, and whether the step divides the span."""
    if step > span + slack:
        raise must("solve_ivp", "step", f"must not be longer than the span of t_span={ends}, {span!r}", step)
    if step <= 4 * slack:
        raise must("solve_ivp", "step", f"must be long enough to move t in doubles (> {4 * slack:.3g})", step)
    nearest = max(round(span / step), 1)
    if abs(nearest * step - span) <= slack:
        return nearest, True
    return math.floor(span / step) + 1, False


def _locate(grid: Grid, t_eval: NDArray[np.float64], slack: float) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return for each save time its node, and whether it lies beyond that node."""
    n_steps = grid.n_steps
    position = (t_eval - grid.t0) / grid.h if n_steps else np.zeros_like(t_eval)
    nearest = np.clip(np.round(position), 0, n_steps).astype(np.intp)
    nearest = np.where(np.abs(t_eval - grid.t1) <= slack, n_steps, nearest)
    times = np.where(nearest == n_steps, grid.t1, grid.t0 + nearest * grid.h)
    aside = np.abs(times - t_eval) > slack
    before = np.clip(np.floor(position), 0, max(n_steps - 1, 0)).astype(np.intp)
    return np.where(aside, before, nearest), aside


def _numbered(n_times: int) -> NDArray[np.intp]:
    """Return 0, 1, 2, ..., or raise the error that says what to do where they do not fit into memory."""
    try:
        return np.arange(n_times)
    except (MemoryError, ValueError):
        raise ArgumentError(
            f"solve_ivp: the result must fit into memory; {n_times} times do not. Name the times you need in t_eval."
        ) from None
