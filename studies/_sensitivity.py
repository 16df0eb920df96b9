"""`sensitivity_map`: how much a small change of the start changes the end, over a grid of starts or parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.derivatives import pushforward
from diffsim.errors import ArgumentError, KindError, must
from diffsim.protocols import is_discrete
from studies import _checks, _tiles
from studies._checks import Floats
from studies._grid import Grid, make_grid
from studies._record_text import remembered
from studies._sensitivity_result import SensitivityMap, default_observable, name_of
from studies._solver import solved
from studies._tile_stores import Tile

__all__ = ["sensitivity_map"]

_WHO = "sensitivity_map"
_MEASURES = ("gradient", "singular_value", "ftle")
_STEP = 0.01
# PERF: a tile's tangents (4 x 4 x 8192 doubles, 1 MB) are all that is kept of it; solve_ivp cuts it further, to what
# fits the cache.  Larger tiles are not faster, smaller ones repeat the overhead of a call.
_TILE = 8192


def sensitivity_map(
    system: Any,
    axes: Mapping[str, Any],
    *,
    y0: Any = None,
    t_end: Any = 10.0,
    measure: Any = "gradient",
    observable: str | Callable[[Any], Any] | None = None,
    wrt: Any = None,
    energy: float | None = None,
    solve_for: str | None = None,
    method: Any = None,
    step: float | None = None,
    tile: int = _TILE,
    folder: Any = None,
    client: Any = None,
    progress: bool = False,
    **options: Any,
) -> SensitivityMap:
    """Map how sensitive the end of a trajectory is to its start, over a grid of two quantities.

    With the flow map y(T) = F(y0) and its derivative D = dF / dy0, by exact tangents of the discrete solution,

    - ``"gradient"``: the Euclidean norm of the gradient of a chosen observable g(y(T)), that is, of D^T grad g;
    - ``"singular_value"``: the largest singular value sigma of D, the growth of the worst small change;
    - ``"ftle"``: the finite-time Lyapunov exponent ln(sigma) / T.

    Parameters
    ----------
    system : System
    axes : mapping of str to array_like (n_1,), (n_2,)
        Two names of state components or parameters, or ``"energy"``, and the values of each.
    y0 : array_like (n,), optional
        Start; what the axes name is replaced.  By default the System's own.
    t_end : float or sequence of float
        Time T of the end, in s; the start is at 0.  Several rising times are mapped in one sweep.
    measure : {"gradient", "singular_value", "ftle"} or several of them
        The first one is the map's `values`; `at` gives the others.
    observable : str or callable, optional
        For the gradient: the name of a component, or a function of the final states (n, cells) that acts cell by cell
        and returns (cells,), written with ``diffsim``'s functions or NumPy's.  By default the last angle, or the last
        component.
    wrt : sequence of str, optional
        Components of the start that may change; all by default.  (They may have different units; then so has the
        norm.)
    energy : float, optional
        Energy in J of all starts.
    solve_for : str, optional
        With an energy, given here or as an axis: the momentum or velocity that is chosen, the larger one of two, to
        give each start its energy.  Cells that cannot have it are `impossible`.
    method, **options
        As for `solve_ivp`; ``"RK4"`` by default.  A map is iterated, and `t_end` counts its iterations.
    step : float, optional
        Step of a fixed-step method, in s; 0.01 for the default RK4.
    tile : int
        Cells that are computed at a time.
    folder : path-like, optional
        Where finished tiles are kept; the same call goes on from there.  A name that ends in ``.zarr`` is a zarr group.
    client : distributed.Client, optional
        Of a Dask cluster that computes the tiles.
    progress : bool
        Show a progress bar, with the time left.

    Returns
    -------
    SensitivityMap
        A cell whose trajectory fails is NaN and counted in ``n_failed``; its neighbours are untouched.

    Raises
    ------
    KindError
        ``system`` is no System, an axis is not of real numbers, the observable has no derivative.
    ArgumentError
        Not two axes, an unknown name (with the nearest one), an axis that is empty or does not rise, values out of a
        parameter's range, an observable that does not give one number a cell.

    Notes
    -----
    The derivatives are exact for the steps that are taken.  In chaotic cells these leave the true flow early: for the
    double pendulum to T = 10 the default's statistics are right, single cells are not.  To rank starts, take a method
    of high order and a short step, such as ``method="Vern8", step=0.005``, and look whether half the step agrees.

    Memory is flat: 8192 cells at a time are integrated with their tangents.  256 x 256 cells of the double pendulum to
    T = 10 with RK4 at 0.01 are 65 million steps with 4 tangents each.

    References
    ----------
    Shadden, Lekien and Marsden, "Definition and properties of Lagrangian coherent structures from finite-time Lyapunov
    exponents", Physica D 212 (2005) 271, section 2.

    Examples
    --------
    >>> from systems import HarmonicOscillator
    >>> grid = {"x": [0.0, 1.0], "p": [0.0, 0.5, 1.0]}
    >>> result = sensitivity_map(HarmonicOscillator(), grid, t_end=1.0, measure="singular_value")
    >>> result.values.shape  # linear, so that all starts are equally sensitive
    (2, 3)
    """
    system = _checks.system_of(_WHO, system)
    grid = make_grid(_WHO, system, axes, y0, solve_for=solve_for, energy=energy)
    times = _times(t_end)
    measures = _measures(measure)
    if "gradient" not in measures and observable is not None:
        raise must(_WHO, "observable", "is for measure='gradient' only", observable)
    asked, observable = observable, _observable(system, observable)
    columns = _checks.components(_WHO, "wrt", system, system.state_names if wrt is None else wrt)
    if method is None:
        method = "Iteration" if is_discrete(system) else "RK4"
    if step is None and method == "RK4":
        step = _STEP
    solver = {"method": method, **options} | ({} if step is None else {"step": step})
    work = Sensitivity(grid, times, measures, observable, columns, solver)
    size = max(1, _checks.count(_WHO, "tile", tile) // len(times))
    found = _tiles.run_tiles(_WHO, work, tile=size, folder=folder, client=client, progress=progress)
    call = {
        "axes": dict(zip(grid.names, grid.values, strict=True)),
        "y0": grid.start,
        "t_end": times if np.ndim(t_end) else times[0],
        "measure": measures if not isinstance(measure, str) else measure,
        "observable": asked,
        "wrt": tuple(system.state_names[i] for i in columns),
        "energy": grid.energy,
        "solve_for": solve_for,
        "method": method,
        "step": step,
        **options,
    }
    return SensitivityMap.restored(system, remembered(call), found)


@final
@dataclass(frozen=True, eq=False)
class Sensitivity:
    """The work of a sensitivity map; see `studies._tiles.Work`."""

    grid: Grid
    times: tuple[float, ...]
    measures: tuple[str, ...]
    observable: str | Callable[[Any], Any]
    columns: tuple[int, ...]
    solver: Mapping[str, Any]

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.grid.n_cells

    @property
    def content(self) -> str:
        """What the numbers depend on."""
        told = {"times": self.times, "measures": self.measures, "columns": self.columns, **remembered(self.solver)}
        observable = self.observable
        if not isinstance(observable, str):
            observable = _tiles.fingerprint(
                name_of(observable), observable, lambda y: observable(y[:, None]), len(self.grid.start)
            )
        return f"{_WHO}\n{self.grid.content}\n{_tiles.text_of(told)}\n{observable}"

    def __call__(self, low: int, high: int) -> Tile:
        """Return the measures (cells, n_times) of a stretch of cells, and which cells have none, and why."""
        system, starts, possible = self.grid.place(low, high)
        by = [system.state_names[i] for i in self.columns]
        solution = solved(
            system, (0.0, self.times[-1]), starts, **{**self.solver, "t_eval": self.times, "sensitivities": by}
        )
        failed = (np.asarray(solution.status) < 0) & possible
        found: Tile = {}
        for measure in self.measures:
            with np.errstate(all="ignore"):
                layers = [_measured(measure, self.observable, solution, k, t) for k, t in enumerate(self.times)]
            found[measure] = np.stack(layers, axis=1)
            found[measure][~possible] = np.nan
        return found | {"failed": failed, "impossible": ~possible}


def _times(t_end: Any) -> tuple[float, ...]:
    """Return the times that are mapped."""
    if not np.ndim(t_end):
        return (_checks.positive(_WHO, "t_end", t_end),)
    times = _checks.vector(_WHO, "t_end", t_end)
    if not len(times) or not times[0] > 0.0 or not (np.diff(times) > 0.0).all():
        raise must(_WHO, "t_end", "must be > 0 and rise", times.tolist())
    return tuple(times.tolist())


def _measures(measure: Any) -> tuple[str, ...]:
    """Return the names of the measures, each once."""
    asked = (measure,) if isinstance(measure, str) else tuple(measure)
    if not asked or len(set(asked)) != len(asked):
        raise must(_WHO, "measure", "must name at least one measure, each once", measure)
    return tuple(_checks.one_of(_WHO, "measure", name, _MEASURES) for name in asked)


def _observable(system: Any, observable: Any) -> str | Callable[[Any], Any]:
    """Return the observable as a name or a function."""
    if observable is None:
        return default_observable(system)
    if isinstance(observable, str):
        return str(system.state_names[_checks.component(_WHO, system, observable)])
    if not callable(observable):
        raise KindError(f"{_WHO}: observable must be a component's name or a function; got {observable!r}.")
    return observable  # type: ignore[no-any-return] # a caller's function


def _measured(measure: str, observable: str | Callable[[Any], Any], solution: Any, k: int, t_end: float) -> Floats:
    """Return the measure of each cell (cells,) at the k-th time, NaN where it is not finite."""
    tangents = solution.dy_dy0[..., k]  # (n, n_wrt, cells)
    if measure == "gradient":
        slopes = _gradient(observable, solution, tangents, k)
        norm = np.asarray(np.sqrt((slopes**2).sum(axis=0)))
        return np.where(np.isfinite(norm), norm, np.nan)
    sound = np.isfinite(tangents).all(axis=(0, 1))
    sigma = np.full(tangents.shape[2], np.nan)
    sigma[sound] = np.linalg.svd(np.moveaxis(tangents[:, :, sound], 2, 0), compute_uv=False)[:, 0]
    return sigma if measure == "singular_value" else np.log(sigma) / t_end


def _gradient(observable: str | Callable[[Any], Any], solution: Any, tangents: Floats, k: int) -> Floats:
    """Return the gradient (n_wrt, cells) of the observable of the states at the k-th time."""
    if isinstance(observable, str):
        return np.asarray(tangents[solution.state_names.index(observable)])
    final = solution.y[..., k]
    value, gradient = pushforward(observable, (final,), (np.moveaxis(tangents, 1, 0),))
    if np.shape(value) != final.shape[1:]:
        raise ArgumentError(
            f"{_WHO}: observable must give one number a cell, an array of shape {final.shape[1:]} for states of shape "
            f"{final.shape}; got shape {np.shape(value)}. Take components by y[0], y[1], ..."
        )
    return np.asarray(gradient)
