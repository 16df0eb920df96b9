"""`poincare_section`: where trajectories cross a surface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.errors import ArgumentError, KindError, RunError, must
from studies import _checks, _tiles
from studies._checks import Floats
from studies._crossings import smooth_flow
from studies._grid import content_of, on_energy
from studies._record_text import remembered
from studies._section_result import PoincareSection
from studies._solver import without_tolerance
from studies._surface import Surface, make_surface, section_points, window_nodes
from studies._tile_stores import Tile

__all__ = ["poincare_section"]

_WHO = "poincare_section"
_TILE = 1024
_TRIES = 200  # rounds of drawing starts on an energy surface


def poincare_section(
    system: Any,
    section: Any,
    *,
    y0: Any = None,
    energy: float | None = None,
    solve_for: str | None = None,
    ranges: Mapping[str, Any] | None = None,
    n_starts: int = 24,
    seed: int = 0,
    direction: int = 1,
    n_points: int = 300,
    t_end: float | None = None,
    spacing: float | None = None,
    method: Any = "DOP853",
    tile: int = _TILE,
    folder: Any = None,
    client: Any = None,
    progress: bool = False,
    **options: Any,
) -> PoincareSection:
    """Find the points in which trajectories cross a surface in their state space.

    A crossing between two nodes of the solve is found by Newton's method on the flow from the node before it: it is as
    exact as the solve is.

    Parameters
    ----------
    system : System
    section : mapping of str to float, or callable
        A component and its value, such as ``{"theta_1": 0.0}`` (an angle counts but for whole turns), or a function of
        the states (n, m), of shape (m,), that vanishes on the surface, written with ``diffsim``'s functions or NumPy's.
    y0 : array_like (n,) or (n, n_starts), optional
        The starts; by default the System's own.  With an energy, one start: what is neither drawn nor chosen.
    energy : float, optional
        Draw starts of this energy, in J, on the section: `ranges` are uniformly drawn, and `solve_for` is chosen.
    solve_for : str, optional
        The momentum or velocity that gives each start its energy, the larger one of two.
    ranges : mapping of str to (low, high), optional
        What is drawn.
    n_starts, seed : int
        How many starts are drawn, and how.
    direction : {1, -1, 0}
        Crossings in which the component (or the function) grows, falls, or both.
    n_points : int
        Crossings of each trajectory.
    t_end : float, optional
        When it gives up, in s; 20 times the System's `default_time` times `n_points` / 100 by default.
    spacing : float, optional
        Distance of the nodes between which crossings are looked for, in s, for a method that chooses its steps; a
        500th of the System's `default_time` by default.
    method, **options
        As for `solve_ivp`; ``rtol`` and ``atol`` are 1e-10 by default.
    tile, folder, client, progress
        As for `sensitivity_map`; a tile is of starts.

    Returns
    -------
    PoincareSection

    Raises
    ------
    KindError
        ``system`` is no System, or a map, which has no surface to cross; the section is none.
    ArgumentError
        An unknown name, starts of the wrong shape, an energy that nothing reaches.

    References
    ----------
    Henon, "On the numerical computation of Poincare maps", Physica D 5 (1982) 412.

    Examples
    --------
    >>> from systems import HarmonicOscillator
    >>> found = poincare_section(HarmonicOscillator(), {"x": 0.0}, y0=[1.0, 0.0], n_points=3)
    >>> (found.t[0] / np.pi).round(9).tolist()  # where x grows through 0
    [1.5, 3.5, 5.5]
    """
    system = _checks.system_of(_WHO, system)
    smooth_flow(_WHO, system)
    surface = make_surface(_WHO, "section", system, section, direction)
    number = _checks.count(_WHO, "n_points", n_points)
    default_time = float(getattr(system, "default_time", 10.0))
    until = 0.2 * default_time * max(100, number) if t_end is None else _checks.positive(_WHO, "t_end", t_end)
    nodes = default_time / 500.0 if spacing is None else _checks.positive(_WHO, "spacing", spacing)
    solver = {"method": method, **options}
    if not without_tolerance(solver):
        solver = {"rtol": 1e-10, "atol": 1e-10} | solver
    if energy is None:
        for name, value in (("solve_for", solve_for), ("ranges", ranges)):
            if value is not None:
                raise must(_WHO, name, "is for starts of a given energy", value, "Give energy= too.")
        starts = _given(system, y0)
    else:
        base, many = _checks.start(_WHO, system, y0), _checks.count(_WHO, "n_starts", n_starts)
        starts = drawn(system, surface, base, energy, solve_for, ranges, many, seed)
    work = Sections(system, starts, surface, until, number, nodes, solver)
    size = _checks.count(_WHO, "tile", tile)
    found = _tiles.run_tiles(_WHO, work, tile=size, folder=folder, client=client, progress=progress)
    call = {
        "section": dict(section) if isinstance(section, Mapping) else section,
        "y0": starts if energy is None else y0,
        "energy": energy,
        "solve_for": solve_for,
        "ranges": ranges,
        "n_starts": n_starts,
        "seed": seed,
        "direction": direction,
        "n_points": number,
        "t_end": until,
        "spacing": nodes,
        "method": method,
        **options,
    }
    return PoincareSection.restored(system, remembered(call), found | {"starts": starts.T})


def _given(system: Any, y0: Any) -> Floats:
    """Return the starts (n, n_starts) that the caller gave."""
    if y0 is None or np.ndim(y0) == 1:
        return _checks.start(_WHO, system, y0)[:, None]
    starts = np.asarray(y0, dtype=np.float64)
    if starts.ndim != 2 or starts.shape[0] != len(system.state_names) or not starts.shape[1]:
        raise must(
            _WHO,
            "y0",
            f"must be {len(system.state_names)} numbers, or an array ({len(system.state_names)}, n_starts)",
            y0,
        )
    if not np.isfinite(starts).all():
        raise must(_WHO, "y0", "must be finite", y0)
    return starts


def drawn(
    system: Any, surface: Surface, base: Floats, energy: Any, solve_for: Any, ranges: Any, n_starts: int, seed: Any
) -> Floats:
    """Return starts (n, n_starts) on an energy surface, in the section where that is a component's value.

    Raises
    ------
    ArgumentError
        Nothing says what is drawn or solved for, or it is drawn twice.
    RunError
        Hardly any start has this energy.
    """
    level = _checks.real(_WHO, "energy", energy)
    if not getattr(system, "has_energy", False):
        raise KindError(f"{_WHO}: energy needs a System that has one; {type(system).__name__} has none.")
    if solve_for is None or not ranges:
        raise ArgumentError(f"{_WHO}: an energy needs solve_for= and ranges=, what is chosen and what is drawn.")
    solved = _checks.component(_WHO, system, solve_for)
    fixed = {solved} | ({surface.component} if surface.component is not None else set())
    limits = {}
    for name, ends in ranges.items():
        index = _checks.component(_WHO, system, name)
        if index in fixed:
            raise must(_WHO, "ranges", "must leave out the section's component and solve_for", name)
        low, high = _checks.vector(_WHO, f"ranges[{name!r}]", ends, 2)
        if not low < high:
            raise must(_WHO, f"ranges[{name!r}]", "must be (low, high) with low < high", [low, high])
        limits[index] = (low, high)
    rng = np.random.default_rng(_checks.count(_WHO, "seed", seed, 0))
    found: list[Floats] = []
    for _ in range(_TRIES):
        columns = np.repeat(base[:, None], n_starts, axis=1)
        for index, (low, high) in limits.items():
            columns[index] = rng.uniform(low, high, n_starts)
        if surface.component is not None:
            columns[surface.component] = surface.value
        columns[solved] = on_energy(system, columns, solved, np.full(n_starts, level))
        found.append(columns[:, np.isfinite(columns[solved])])
        if sum(part.shape[1] for part in found) >= n_starts:
            return np.concatenate(found, axis=1)[:, :n_starts]
    raise RunError(
        f"{_WHO}: of {_TRIES * n_starts} starts hardly any has the energy {level:g}; raise the energy or narrow ranges."
    )


@final
@dataclass(frozen=True, eq=False)
class Sections:
    """The work of a Poincare section; see `studies._tiles.Work`."""

    system: Any
    starts: Floats
    surface: Surface
    t_end: float
    n_points: int
    spacing: float
    solver: Mapping[str, Any]

    @property
    def n_cells(self) -> int:
        """Number of starts."""
        return int(self.starts.shape[1])

    @property
    def content(self) -> str:
        """What the numbers depend on."""
        told = {"starts": self.starts, "t_end": self.t_end, "n": self.n_points, "spacing": self.spacing}
        solver = _tiles.text_of(remembered(self.solver))
        return f"{_WHO}\n{content_of(self.system)}\n{_tiles.text_of(told)}\n{self.surface.content}\n{solver}"

    def __call__(self, low: int, high: int) -> Tile:
        """Return times (cells, n_points), states (cells, n, n_points), their number, and which trajectories failed."""
        points = section_points(
            self.system,
            self.starts[:, low:high],
            self.surface,
            t_end=self.t_end,
            n_points=self.n_points,
            solver=self.solver,
            spacing=self.spacing,
            nodes=window_nodes(self.n_cells),
        )
        return {"t": points.t, "y": points.y, "n_found": points.count, "failed": points.failed}
