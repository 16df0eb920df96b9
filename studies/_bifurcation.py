"""`bifurcation_diagram`: where a system ends up, over a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.errors import ArgumentError, must
from diffsim.protocols import is_discrete
from studies import _checks, _tiles
from studies._bifurcation_result import BifurcationDiagram
from studies._checks import Floats
from studies._crossings import smooth_flow
from studies._grid import Grid, make_grid
from studies._record_text import remembered
from studies._solver import solved, without_tolerance
from studies._surface import Surface, make_surface, section_points, window_nodes
from studies._tile_stores import Tile

__all__ = ["bifurcation_diagram"]

_WHO = "bifurcation_diagram"
_TILE = 256


def bifurcation_diagram(
    system: Any,
    axes: Mapping[str, Any],
    *,
    y0: Any = None,
    observable: str | None = None,
    record: Any = None,
    direction: int = 1,
    transient: float | None = None,
    n_points: int = 100,
    t_end: float | None = None,
    spacing: float | None = None,
    method: Any = None,
    tile: int = _TILE,
    folder: Any = None,
    client: Any = None,
    progress: bool = False,
    **options: Any,
) -> BifurcationDiagram:
    """Follow a system over a parameter, and record one component where the motion has settled.

    Parameters
    ----------
    system : System
        A flow or a map.
    axes : mapping of str to array_like (n_values,)
        A parameter (or a component of the start), and its values.
    y0 : array_like (n,), optional
        The start, the same for all values; by default the System's own.
    observable : str, optional
        The component that is recorded; the last one by default, of a map the first one.
    record : {"maxima", "minima"}, mapping of str to float, callable or float, optional
        When: at the extrema of the observable (maxima by default), at the crossings of a section as in
        `poincare_section`, or, a number, whenever so much time has passed, in s: the period of a drive.  Of a map each
        iterate is recorded.
    direction : {1, -1, 0}
        Of the crossings of a section.
    transient : float, optional
        What is left out at the beginning, in s or iterations; the System's `default_time` by default, 1000 of a map.
    n_points : int
        How many points are recorded of each value.
    t_end : float, optional
        When it gives up to wait for them, in s; by default a fifth of `default_time` for each point, 20 times it at
        least, after the transient.
    spacing
        As for `poincare_section`.
    method, **options
        As for `solve_ivp`; ``"DOP853"`` with ``rtol=atol=1e-9`` by default.
    tile, folder, client, progress
        As for `sensitivity_map`; a tile is of values of the parameter.

    Returns
    -------
    BifurcationDiagram

    Raises
    ------
    KindError
        ``system`` is no System, the axis is not of real numbers.
    ArgumentError
        Not one axis, an unknown name (with the nearest one), a way of recording that a map does not have, ...

    References
    ----------
    Strogatz, "Nonlinear Dynamics and Chaos", 2nd edition, sections 9.3 and 10.2.

    Examples
    --------
    >>> from systems import LogisticMap
    >>> found = bifurcation_diagram(LogisticMap(), {"r": [2.0, 3.2]}, n_points=4)
    >>> found.values.round(6).tolist()
    [[0.5, 0.5, 0.5, 0.5], [0.799455, 0.513045, 0.799455, 0.513045]]
    """
    system = _checks.system_of(_WHO, system)
    grid = make_grid(_WHO, system, axes, y0, n_axes=1)
    discrete = is_discrete(system)
    default = system.state_names[0 if discrete else -1]
    index = _checks.component(_WHO, system, default if observable is None else observable)
    span = float(getattr(system, "default_time", 10.0))
    number = _checks.count(_WHO, "n_points", n_points)
    when = _record(system, index, record, direction)
    if isinstance(when, Surface):
        smooth_flow(_WHO, system)
    before = (1000.0 if discrete else span) if transient is None else _checks.real(_WHO, "transient", transient)
    if before < 0.0 or (discrete and before != round(before)):
        raise must(_WHO, "transient", f"must be >= 0{' and count iterations' if discrete else ''}", transient)
    until = before + 0.2 * span * max(100, number) if t_end is None else _checks.positive(_WHO, "t_end", t_end)
    if until <= before:
        raise must(_WHO, "t_end", f"must be beyond the transient, {before:g}", t_end)
    if method is None:
        method = "Iteration" if discrete else "DOP853"
    solver = {"method": method, **options}
    if not without_tolerance(solver):
        solver = {"rtol": 1e-9, "atol": 1e-9} | solver
    nodes = span / 500.0 if spacing is None else _checks.positive(_WHO, "spacing", spacing)
    work = Bifurcation(grid, index, when, before, until, number, nodes, solver)
    size = _checks.count(_WHO, "tile", tile)
    found = _tiles.run_tiles(_WHO, work, tile=size, folder=folder, client=client, progress=progress)
    call = {
        "axes": dict(zip(grid.names, grid.values, strict=True)),
        "y0": grid.start,
        "observable": system.state_names[index],
        "record": record,
        "direction": direction,
        "transient": before,
        "n_points": number,
        "t_end": until,
        "spacing": nodes,
        "method": method,
        **options,
    }
    return BifurcationDiagram.restored(system, remembered(call), found)


def _record(system: Any, index: int, record: Any, direction: int) -> Surface | float | None:
    """Return when the observable is recorded: on a surface, in a rhythm, or (None) at each iterate."""
    if is_discrete(system):
        if record is not None:
            raise must(_WHO, "record", "is for flows; of a map each iterate is recorded", record)
        return None
    if record is None or record == "maxima":
        return Surface(index, extremum=True, direction=-1)  # the velocity falls through 0
    if isinstance(record, str):
        _checks.one_of(_WHO, "record", record, ("maxima", "minima"))
        return Surface(index, extremum=True, direction=1)
    if isinstance(record, Mapping) or callable(record):
        return make_surface(_WHO, "record", system, record, direction)
    return _checks.positive(_WHO, "record", record)


@final
@dataclass(frozen=True, eq=False)
class Bifurcation:
    """The work of a bifurcation diagram; see `studies._tiles.Work`."""

    grid: Grid
    index: int
    record: Surface | float | None
    transient: float
    t_end: float
    n_points: int
    spacing: float
    solver: Mapping[str, Any]

    @property
    def n_cells(self) -> int:
        """Number of values of the parameter."""
        return self.grid.n_cells

    @property
    def content(self) -> str:
        """What the numbers depend on."""
        told = {
            name: getattr(self, name) for name in ("index", "transient", "t_end", "n_points", "spacing")
        } | remembered(self.solver)
        record = self.record.content if isinstance(self.record, Surface) else repr(self.record)
        return f"{_WHO}\n{self.grid.content}\n{_tiles.text_of(told)}\n{record}"

    def __call__(self, low: int, high: int) -> Tile:
        """Return the recorded values (cells, n_points), NaN behind the last one, and which trajectories failed."""
        system, starts, _ = self.grid.place(low, high)
        if isinstance(self.record, Surface):
            points = section_points(
                system,
                starts,
                self.record,
                t_end=self.t_end,
                n_points=self.n_points,
                solver=self.solver,
                spacing=self.spacing,
                t_begin=self.transient,
                nodes=window_nodes(self.n_cells),
            )
            return {"values": points.y[:, self.index], "failed": points.failed}
        times = self.transient + (self.record or 1.0) * np.arange(self.n_points)
        if times[-1] <= 0.0:
            raise ArgumentError(f"{_WHO}: a transient of 0 with one point records the start alone.")
        solution = solved(system, (0.0, times[-1]), starts, t_eval=times, **self.solver)
        values: Floats = solution.y[self.index]
        return {"values": values, "failed": np.asarray(solution.status) < 0}
