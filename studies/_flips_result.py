"""`FlipTimeMap`: what `flip_time_map` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from studies import _map_picture, _output
from studies._checks import Floats
from studies._grid import Grid, make_grid
from studies._map_result import MapResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FlipTimeMap"]

_NEVER = "#f4f1ea"


@final
@dataclass(frozen=True, eq=False)
class FlipTimeMap(MapResult):
    """The time of the first passage over the top, over a grid of two quantities.

    Attributes
    ----------
    system : System
    call : mapping
        The arguments that made it.
    grid : Grid
        The cells: `axes` and starts.
    values : ndarray (n_1, n_2)
        Time in s; infinite where no arm flips until ``t_end``, NaN where the trajectory failed or there is no start.
    arm : ndarray of int (n_1, n_2)
        Which of the angles passes first, counted from 1; 0 where none does.
    error : ndarray (n_1, n_2)
        Difference of the times at the two finest resolutions that were tried, in s; 0 where neither flips.
    rounds : ndarray of int (n_1, n_2)
        How often the resolution was doubled.
    impossible : ndarray of bool (n_1, n_2)
        Cells that no start has the energy for.
    """

    study: ClassVar[str] = "flip_time_map"

    grid: Grid
    values: Floats
    arm: NDArray[np.int8]
    error: Floats
    rounds: NDArray[np.int8]
    impossible: NDArray[np.bool_]

    @classmethod
    def restored(cls, system: Any, call: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> FlipTimeMap:
        grid = make_grid(
            "flip_time_map", system, call["axes"], call["y0"], solve_for=call["solve_for"], energy=call["energy"]
        )
        names = ("time", "arm", "error", "rounds", "impossible")
        return cls(system, call, grid, *(np.asarray(arrays[name]).reshape(grid.shape) for name in names))

    @property
    def axes(self) -> dict[str, Floats]:
        """The two quantities, and their values."""
        return dict(zip(self.grid.names, self.grid.values, strict=True))

    @property
    def t_end(self) -> float:
        """How long it was waited, in s."""
        return float(self.call["t_end"])

    @property
    def accuracy(self) -> float:
        """By how much, in s, the times of two resolutions may differ."""
        return float(self.call["accuracy"])

    @property
    def flipped(self) -> NDArray[np.bool_]:
        """Cells (n_1, n_2) in which an arm goes over the top."""
        return np.isfinite(self.values)

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Cells (n_1, n_2) whose trajectory did not reach a flip or the end."""
        return np.isnan(self.values) & ~self.impossible

    @property
    def uncertain(self) -> NDArray[np.bool_]:
        """Cells (n_1, n_2) whose time, or whether they flip at all, is not known to `accuracy`."""
        return ~(self.error <= self.accuracy) & ~self.impossible

    @property
    def n_uncertain(self) -> int:
        """Number of uncertain cells."""
        return int(self.uncertain.sum())

    def plot(self) -> Figure:
        """Return the map as a figure: colours are logarithmic in time; cells that do not flip are left light."""
        from matplotlib.colors import LogNorm
        from matplotlib.patches import Patch

        figure = _output.new_figure(7.4, 6.4)
        panel = figure.subplots()
        seen = self.values[self.flipped]
        low, high = (float(seen.min()), self.t_end) if seen.size else (0.1 * self.t_end, self.t_end)
        norm = LogNorm(max(low, 1e-3 * high), high)
        never = np.where(np.isposinf(self.values), 1.0, np.nan)
        _map_picture.draw(panel, self.grid, never, cmap=_single(_NEVER), vmin=0.0, vmax=1.0)
        shown = np.where(self.flipped, self.values, np.nan)
        a, b = self.grid.values
        mesh = panel.pcolormesh(
            _map_picture.edges(a),
            _map_picture.edges(b),
            np.ma.masked_invalid(shown.T),
            norm=norm,
            cmap="viridis_r",
            rasterized=True,
        )
        bar = figure.colorbar(mesh, ax=panel, pad=0.02, extend="min" if low < 1e-3 * high else "neither")
        bar.set_label("time of the first flip [s]")
        _plain_ticks(bar, *norm_range(norm))
        if np.isposinf(self.values).any():
            handle = Patch(facecolor=_NEVER, edgecolor="0.6", linewidth=0.6, label=f"no flip in {self.t_end:g} s")
            figure.legend(handles=[handle], loc="outside lower right", frameon=False, fontsize=9)
        panel.set_title(f"{type(self.system).__name__}, {self._certainty()}", fontsize=11)
        return figure

    def _certainty(self) -> str:
        sure = 100.0 * (1.0 - self.n_uncertain / max(1, int((~self.impossible).sum())))
        return f"times known to {self.accuracy:g} s in {_percent(sure)} of the cells"

    # -- what is saved -----------------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "time": self.values,
            "arm": self.arm,
            "error": self.error,
            "rounds": self.rounds,
            "impossible": self.impossible,
        }

    def dims(self) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(self.arrays(), self.grid.names)

    def coordinates(self) -> dict[str, tuple[Floats, str]]:
        return {name: (values, _map_picture.unit_of(self.system, name)) for name, values in self.axes.items()}

    def units(self) -> dict[str, str]:
        return {"time": "s", "error": "s"}

    def __repr__(self) -> str:
        (first, a), (second, b) = self.axes.items()
        seen = self.values[self.flipped]
        spread = f", {seen.min():.3g} to {seen.max():.3g} s" if seen.size else ""
        share = 100.0 * self.flipped.mean()
        uncertain = f", {self.n_uncertain} cells uncertain" if self.n_uncertain else ""
        failures = f", {int(self.failed.sum())} cells failed" if self.failed.any() else ""
        return (
            f"FlipTimeMap({type(self.system).__name__}: {first} ({len(a)}) x {second} ({len(b)}), "
            f"{_percent(share)} flip in {self.t_end:g} s{spread}{uncertain}{failures})"
        )


def _single(color: str) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([color])


def norm_range(norm: Any) -> tuple[float, float]:
    """Return the ends of a colour scale."""
    return float(norm.vmin), float(norm.vmax)


def _plain_ticks(bar: Any, low: float, high: float) -> None:
    """Write 0.5, 1, 2, 5, 10, 20 beside a logarithmic colour bar instead of powers of ten."""
    from matplotlib.ticker import NullLocator

    ticks = [m * 10.0**k for k in range(-6, 7) for m in (1, 2, 5) if low <= m * 10.0**k <= high * (1 + 1e-12)]
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])


def _percent(share: float) -> str:
    """``87.3 %``; 100 % only where it is all of them.

    >>> _percent(87.345), _percent(99.999), _percent(100.0)
    ('87.3 %', '99.9 %', '100 %')
    """
    if share == 100.0:
        return "100 %"
    return f"{min(share, 99.9):.1f} %"
