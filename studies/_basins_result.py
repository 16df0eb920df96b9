"""`Basins`: what `basins` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from diffsim.protocols import is_discrete
from studies import _map_picture, _output
from studies._checks import Floats
from studies._grid import Grid, make_grid
from studies._map_result import MapResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Basins"]

# SOURCE: Okabe and Ito, "Color universal design" (2008): told apart by those who do not see all colours.
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
_NONE = "#f4f1ea"


@final
@dataclass(frozen=True, eq=False)
class Basins(MapResult):
    """At which attractor each start of a grid ends.

    Attributes
    ----------
    system : System
    call : mapping
        The arguments that made it.
    grid : Grid
        The cells: `axes` and starts.
    labels : ndarray of int (n_1, n_2)
        The attractor, counted from 1 in the order of `names`; 0 where the start ends at none of them.
    distance : ndarray (n_1, n_2)
        How far the end is from the nearest attractor; NaN where the trajectory failed.
    failed : ndarray of bool (n_1, n_2)
        Cells whose trajectory did not reach the end.
    impossible : ndarray of bool (n_1, n_2)
        Cells that no start has the energy for.
    """

    study: ClassVar[str] = "basins"

    grid: Grid
    labels: NDArray[np.int16]
    distance: Floats
    failed: NDArray[np.bool_]
    impossible: NDArray[np.bool_]

    @classmethod
    def restored(cls, system: Any, call: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Basins:
        grid = make_grid("basins", system, call["axes"], call["y0"], solve_for=call["solve_for"], energy=call["energy"])
        names = ("labels", "distance", "failed", "impossible")
        return cls(system, call, grid, *(np.asarray(arrays[name]).reshape(grid.shape) for name in names))

    @property
    def axes(self) -> dict[str, Floats]:
        """The two quantities, and their values."""
        return dict(zip(self.grid.names, self.grid.values, strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attractors."""
        return tuple(self.call["attractors"])

    @property
    def shares(self) -> dict[str, float]:
        """Part of the cells that ends at each attractor, and (``""``) at none."""
        cells = max(1, int((~self.impossible).sum()))
        found = {name: int((self.labels == k).sum()) / cells for k, name in enumerate(self.names, start=1)}
        return found | {"": 1.0 - sum(found.values())}

    def plot(self) -> Figure:
        """Return the map as a figure, a colour for each attractor that attracts."""
        from matplotlib.colors import ListedColormap
        from matplotlib.patches import Patch

        figure = _output.new_figure(6.8, 6.4)
        panel = figure.subplots()
        present = [k for k in range(1, len(self.names) + 1) if (self.labels == k).any()]
        colors = [_NONE, *(_COLORS[i % len(_COLORS)] for i in range(len(present)))]
        place = {0: 0.0} | {k: float(i) for i, k in enumerate(present, start=1)}
        shown = np.vectorize(place.get, otypes=[float])(self.labels)
        shown[self.failed | self.impossible] = np.nan
        look = {"cmap": ListedColormap(colors), "vmin": -0.5, "vmax": len(colors) - 0.5}
        _map_picture.draw(panel, self.grid, shown, **look)
        entries = [Patch(facecolor=colors[int(place[k])], label=self.names[k - 1]) for k in present]
        if ((self.labels == 0) & ~self.failed & ~self.impossible).any():
            entries.append(Patch(facecolor=_NONE, edgecolor="0.6", linewidth=0.6, label="none of them"))
        figure.legend(
            handles=entries, loc="outside lower center", frameon=False, fontsize=9, ncols=min(4, len(entries))
        )
        time = f"{self.call['t_end']:g} {'iterations' if is_discrete(self.system) else 's'}"
        panel.set_title(f"{type(self.system).__name__}, where it is after {time}", fontsize=11)
        return figure

    # -- what is saved -----------------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in ("labels", "distance", "failed", "impossible")}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(self.arrays(), self.grid.names)

    def coordinates(self) -> dict[str, tuple[Floats, str]]:
        return {name: (values, _map_picture.unit_of(self.system, name)) for name, values in self.axes.items()}

    def __repr__(self) -> str:
        (first, a), (second, b) = self.axes.items()
        parts = [f"{100.0 * share:.1f} % {name or 'none'}" for name, share in self.shares.items() if share > 0.0]
        return f"Basins({type(self.system).__name__}: {first} ({len(a)}) x {second} ({len(b)}), {', '.join(parts)})"
