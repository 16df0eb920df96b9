"""`flip_time_map`: when does either arm of a pendulum first go over the top?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import KindError
from studies import _checks, _tiles
from studies._checks import Floats
from studies._crossings import Events, Window, crossings, events_in, smooth_flow, subset_of, walk
from studies._flips_result import FlipTimeMap
from studies._grid import Grid, make_grid
from studies._record_text import remembered
from studies._solver import finer, without_tolerance
from studies._tile_stores import Tile

__all__ = ["flip_time_map"]

_WHO = "flip_time_map"
_STEP = 0.02
_SPACING = 0.02  # s between the nodes of a step-controlled method
_TILE = 8192
_ON_TOP = 1e-12  # of cos(theta / 2): a start that stands on the top
_ROUNDS = 4  # how often the resolution is doubled before a cell counts as uncertain


def flip_time_map(
    system: Any,
    axes: Mapping[str, Any],
    *,
    y0: Any = None,
    t_end: float = 20.0,
    accuracy: float = 1e-6,
    angles: Any = None,
    energy: float | None = None,
    solve_for: str | None = None,
    method: Any = "Vern8",
    step: float | None = None,
    tile: int = _TILE,
    folder: Any = None,
    client: Any = None,
    progress: bool = False,
    **options: Any,
) -> FlipTimeMap:
    """Map the time at which an arm first goes over the top, over a grid of two quantities.

    An arm is over the top where its angle passes an odd multiple of pi, in either direction.  The passage between two
    steps is found by Newton's method on the flow, so that its time is as exact as the steps are.  How exact these are
    is not believed but tried: each cell is solved twice, with steps h and h / 2, and again with half the step as long
    as both times differ by more than `accuracy`.

    Parameters
    ----------
    system : System
        With angles.
    axes : mapping of str to array_like (n_1,), (n_2,)
        Two names of state components or parameters, or ``"energy"``, and the values of each.
    y0 : array_like (n,), optional
        Start; what the axes name is replaced.  By default the System's own, all else than angles at rest.
    t_end : float
        How long to wait, in s.
    accuracy : float
        By how much, in s, the times of two resolutions may differ.  Cells that differ by more at the finest one are
        `uncertain`: in a chaotic system late times cannot be known, in doubles.
    angles : sequence of str, optional
        The angles that are watched; all by default.
    energy, solve_for
        As for `sensitivity_map`.
    method, **options
        As for `solve_ivp`.
    step : float, optional
        The first step h of a fixed-step method, in s; 0.02 for the default Vern8.
    tile, folder, client, progress
        As for `sensitivity_map`.

    Returns
    -------
    FlipTimeMap
        ``values`` is the time in s, infinite where no arm flips until t_end, NaN where the trajectory fails.

    Raises
    ------
    KindError
        ``system`` is no System or has no angles, an axis is not of real numbers.
    ArgumentError
        Not two axes, an unknown name (with the nearest one), an axis that is empty or does not rise, ...

    Notes
    -----
    Cells leave the integration when they have flipped.  A start that stands exactly on the top flips when it comes to
    the top again.

    References
    ----------
    J. Heyl, "The double pendulum fractal" (2008), draws this map for point masses.

    Examples
    --------
    >>> from systems import DoublePendulum
    >>> axes = {"theta_1": [0.5, 2.5], "theta_2": [0.0, 3.0]}
    >>> chart = flip_time_map(DoublePendulum(), axes, t_end=5.0)
    >>> chart.values.round(6).tolist()
    [[inf, inf], [2.124917, 0.160854]]
    """
    system = _checks.system_of(_WHO, system)
    smooth_flow(_WHO, system)
    watched = _watched(system, angles)
    start = _at_rest(system) if y0 is None else y0
    grid = make_grid(_WHO, system, axes, start, solve_for=solve_for, energy=energy)
    t_end = _checks.positive(_WHO, "t_end", t_end)
    accuracy = _checks.positive(_WHO, "accuracy", accuracy)
    if step is None and method == "Vern8":
        step = _STEP
    solver = {"method": method, **options} | ({} if step is None else {"step": step})
    if not without_tolerance(solver):
        solver = {"rtol": 1e-9, "atol": 1e-9} | solver
    work = Flips(grid, watched, t_end, accuracy, solver)
    size = _checks.count(_WHO, "tile", tile)
    found = _tiles.run_tiles(_WHO, work, tile=size, folder=folder, client=client, progress=progress)
    call = {
        "axes": dict(zip(grid.names, grid.values, strict=True)),
        "y0": grid.start,
        "t_end": t_end,
        "accuracy": accuracy,
        "angles": tuple(system.state_names[i] for i in watched),
        "energy": grid.energy,
        "solve_for": solve_for,
        "method": method,
        "step": step,
        **options,
    }
    return FlipTimeMap.restored(system, remembered(call), found)


def _watched(system: Any, angles: Any) -> tuple[int, ...]:
    """Return the indices of the angles that are watched."""
    if not system.angles:
        raise KindError(f"{_WHO}: system must have angles; {type(system).__name__} has none.")
    if angles is None:
        return tuple(system.angles)
    found = _checks.components(_WHO, "angles", system, angles)
    for index in found:
        if index not in system.angles:
            raise KindError(f"{_WHO}: angles must name angles; {system.state_names[index]!r} is none.")
    return found


def _at_rest(system: Any) -> tuple[float, ...]:
    """Return the System's own start with everything at zero that is no angle."""
    return tuple(float(x) if i in system.angles else 0.0 for i, x in enumerate(system.default_state))


@final
@dataclass(frozen=True, eq=False)
class Flips:
    """The work of a flip-time map; see `studies._tiles.Work`."""

    grid: Grid
    angles: tuple[int, ...]
    t_end: float
    accuracy: float
    solver: Mapping[str, Any]

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.grid.n_cells

    @property
    def content(self) -> str:
        """What the numbers depend on."""
        told = {"t_end": self.t_end, "accuracy": self.accuracy, "angles": self.angles, **remembered(self.solver)}
        return f"{_WHO}\n{self.grid.content}\n{_tiles.text_of(told)}"

    def __call__(self, low: int, high: int) -> Tile:
        """Return time, arm (1, 2, ...; 0 for none), error and resolution of a stretch of cells."""
        system, starts, possible = self.grid.place(low, high)
        time, arm = self._passages(system, starts, self.solver)
        error = np.full(high - low, np.inf)
        rounds = np.zeros(high - low, dtype=np.int8)
        solver, open_cells = dict(self.solver), np.flatnonzero(possible)
        for k in range(1, _ROUNDS + 1):
            if not open_cells.size:
                break
            solver = finer(solver)
            better, which = self._passages(subset_of(system, open_cells), starts[:, open_cells], solver)
            error[open_cells] = _difference(better, which, time[open_cells], arm[open_cells])
            time[open_cells], arm[open_cells], rounds[open_cells] = better, which, k
            open_cells = open_cells[error[open_cells] > self.accuracy]
        time[~possible], arm[~possible] = np.nan, 0
        return {"time": time, "arm": arm, "error": error, "rounds": rounds, "impossible": ~possible}

    def _passages(self, system: Any, starts: Floats, solver: Mapping[str, Any]) -> tuple[Floats, NDArray[np.int8]]:
        """Return the times of the first passages (cells,), and which arm it was."""
        time = np.full(starts.shape[1], np.inf)
        arm = np.zeros(starts.shape[1], dtype=np.int8)
        machine = {name: solver[name] for name in ("compiled", "threads") if name in solver}

        def visit(cells: NDArray[np.intp], part: Any, window: Window) -> NDArray[np.bool_]:
            for number, index in enumerate(self.angles, start=1):
                passed = _first(part, window, index, machine)
                sooner = passed < time[cells]
                time[cells[sooner]], arm[cells[sooner]] = passed[sooner], number
            open_cells: NDArray[np.bool_] = np.isinf(time[cells])
            time[cells[window.failed & open_cells]] = np.nan
            return open_cells

        walk(system, starts, self.t_end, solver, _SPACING, visit)
        return time, arm


def _first(system: Any, window: Window, index: int, machine: Mapping[str, Any]) -> Floats:
    """Return when the angle of that index first passes the top in a window (cells,); infinite where it does not."""
    half_turns: tuple[int, ...] = getattr(system, "half_turns", ())
    offset = np.pi * half_turns[system.angles.index(index)] if half_turns else 0.0

    def level(_system: Any, _t: Floats, y: Floats) -> Floats:
        return np.asarray(np.cos(0.5 * (y[index] + offset)))

    def rate(_system: Any, _t: Floats, y: Floats, velocity: Floats) -> Floats:
        return np.asarray(-0.5 * np.sin(0.5 * (y[index] + offset)) * velocity[index])

    events = events_in(system, window, level, rate)
    if window.t[0] == 0.0:
        on_top = np.abs(level(system, window.t[:1], window.y[:, :, 0])) < _ON_TOP
        events = events.only(~((events.node == 0) & on_top[events.cell]))
    passed = np.full(window.y.shape[1], np.inf)
    while events.cell.size:
        _, first = np.unique(events.cell, return_index=True)
        when, _, found = crossings(system, window, events.only(first), level, rate, machine)
        cells = events.cell[first]
        passed[cells[found]] = when[found]
        # A cell that passed is done; where there was no passage after all, the next candidate is looked at.
        rest = np.ones(len(events.cell), dtype=bool)
        rest[first] = False
        events = _unpassed(events.only(rest), passed)
    return passed


def _unpassed(events: Events, passed: Floats) -> Events:
    return events.only(np.isinf(passed[events.cell]))


def _difference(a: Floats, arm_a: NDArray[np.int8], b: Floats, arm_b: NDArray[np.int8]) -> Floats:
    """Return by how much two resolutions differ (cells,): 0 where neither flips, infinite where they contradict."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(a - b)
    none = np.isinf(a) & np.isinf(b)
    return np.where(none | (np.isnan(a) & np.isnan(b)), 0.0, np.where(arm_a == arm_b, difference, np.inf))
