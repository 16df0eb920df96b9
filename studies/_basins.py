"""`basins`: which attractor does a start end at?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, must
from diffsim.protocols import is_discrete
from studies import _checks, _tiles
from studies._basins_result import Basins
from studies._checks import Floats
from studies._grid import Grid, make_grid
from studies._record_text import remembered
from studies._solver import solved, without_tolerance
from studies._tile_stores import Tile

__all__ = ["basins"]

_WHO = "basins"
_TILE = 4096


def basins(
    system: Any,
    axes: Mapping[str, Any],
    *,
    attractors: Mapping[str, Any] | None = None,
    tolerance: float = 0.05,
    y0: Any = None,
    t_end: float | None = None,
    energy: float | None = None,
    solve_for: str | None = None,
    method: Any = None,
    tile: int = _TILE,
    folder: Any = None,
    client: Any = None,
    progress: bool = False,
    **options: Any,
) -> Basins:
    """Map at which attractor each start ends, over a grid of two quantities.

    Parameters
    ----------
    system : System
        A flow or a map.
    axes : mapping of str to array_like (n_1,), (n_2,)
        Two names of state components or parameters, or ``"energy"``, and the values of each.
    attractors : mapping of str to array_like (n,) or (n, k), optional
        By name: a state, or k states that the attractor visits, such as the stroboscopic states of a cycle.  By default
        the System's `equilibria`.
    tolerance : float
        How near to an attractor, in the Euclidean distance of the states (of angles: but for whole turns), a start must
        be at the end to count as attracted.
    y0 : array_like (n,), optional
        Start; what the axes name is replaced.  By default the System's own.
    t_end : float, optional
        When the end is, in s or iterations; the System's `default_time` by default.
    energy, solve_for
        As for `sensitivity_map`.
    method, **options
        As for `solve_ivp`; ``"DOP853"`` with ``rtol=atol=1e-9`` by default.
    tile, folder, client, progress
        As for `sensitivity_map`.

    Returns
    -------
    Basins

    Raises
    ------
    KindError
        ``system`` is no System, an axis is not of real numbers.
    ArgumentError
        Not two axes, an unknown name (with the nearest one), no attractor, one of the wrong shape.

    References
    ----------
    McDonald, Grebogi, Ott and Yorke, "Fractal basin boundaries", Physica D 17 (1985) 125.

    Examples
    --------
    >>> from systems import Duffing
    >>> twin = Duffing(drive_amplitude=0.0)
    >>> found = basins(twin, {"x": [-1.5, -0.5, 0.5, 1.5], "v": [0.0]}, t_end=100.0)
    >>> [found.names[label - 1] for label in found.labels[:, 0]]
    ['left', 'left', 'right', 'right']
    """
    system = _checks.system_of(_WHO, system)
    grid = make_grid(_WHO, system, axes, y0, solve_for=solve_for, energy=energy)
    goals = _goals(system, system.equilibria if attractors is None else attractors)
    near = _checks.positive(_WHO, "tolerance", tolerance)
    until = float(system.default_time) if t_end is None else _checks.positive(_WHO, "t_end", t_end)
    if method is None:
        method = "Iteration" if is_discrete(system) else "DOP853"
    solver = {"method": method, **options}
    if not without_tolerance(solver):
        solver = {"rtol": 1e-9, "atol": 1e-9} | solver
    work = Attraction(grid, tuple(goals.values()), near, until, solver)
    size = _checks.count(_WHO, "tile", tile)
    found = _tiles.run_tiles(_WHO, work, tile=size, folder=folder, client=client, progress=progress)
    call = {
        "axes": dict(zip(grid.names, grid.values, strict=True)),
        "attractors": goals,
        "tolerance": near,
        "y0": grid.start,
        "t_end": until,
        "energy": grid.energy,
        "solve_for": solve_for,
        "method": method,
        **options,
    }
    return Basins.restored(system, remembered(call), found)


def _goals(system: Any, attractors: Any) -> dict[str, Floats]:
    """Return the attractors by name, each (n, k)."""
    if not isinstance(attractors, Mapping) or not attractors:
        raise ArgumentError(
            f'{_WHO}: attractors must be given, as in {{"left": [-1.0, 0.0]}}; {type(system).__name__} declares no '
            "equilibria to take instead."
        )
    n, goals = len(system.state_names), {}
    for name, states in attractors.items():
        goal = np.asarray(states, dtype=np.float64)
        goal = goal[:, None] if goal.ndim == 1 else goal
        if goal.ndim != 2 or goal.shape[0] != n or not np.isfinite(goal).all():
            raise must(_WHO, f"attractors[{name!r}]", f"must be {n} finite numbers, or an array ({n}, k)", states)
        goals[str(name)] = goal
    return goals


@final
@dataclass(frozen=True, eq=False)
class Attraction:
    """The work of a map of basins; see `studies._tiles.Work`."""

    grid: Grid
    goals: tuple[Floats, ...]
    tolerance: float
    t_end: float
    solver: Mapping[str, Any]

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.grid.n_cells

    @property
    def content(self) -> str:
        """What the numbers depend on."""
        told = {"tolerance": self.tolerance, "t_end": self.t_end} | remembered(self.solver)
        told |= {f"goal {k}": goal for k, goal in enumerate(self.goals)}
        return f"{_WHO}\n{self.grid.content}\n{_tiles.text_of(told)}"

    def __call__(self, low: int, high: int) -> Tile:
        """Return the number of the attractor (cells,), from 1, 0 for none; its distance; which cells have none."""
        system, starts, possible = self.grid.place(low, high)
        solution = solved(system, (0.0, self.t_end), starts, t_eval=[self.t_end], **self.solver)
        end = solution.y[..., -1]
        distances = np.stack([self._distance(system, end, goal) for goal in self.goals])
        nearest = np.fmin.reduce(distances, axis=0)
        attracted = (nearest <= self.tolerance) & possible  # NaN compares false
        labels = np.zeros(high - low, dtype=np.int16)
        labels[attracted] = 1 + np.argmin(distances[:, attracted], axis=0)
        failed = (np.asarray(solution.status) < 0) & possible
        nearest[~possible | failed] = np.nan
        return {"labels": labels, "distance": nearest, "failed": failed, "impossible": ~possible}

    def _distance(self, system: Any, end: Floats, goal: Floats) -> Floats:
        """Return how far the ends (n, cells) are from the nearest state of an attractor."""
        nearest: Floats = np.full(end.shape[1], np.inf)
        angles: NDArray[np.intp] = np.asarray(system.angles, dtype=np.intp)
        for state in goal.T:
            apart = end - state[:, None]
            apart[angles] = np.remainder(apart[angles] + np.pi, 2.0 * np.pi) - np.pi
            nearest = np.fmin(nearest, np.sqrt((apart * apart).sum(axis=0)))
        return nearest
