"""`Manifolds`: what `manifolds` grew, to be drawn in any two components, written and made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from studies import _checks
from studies._checks import Floats
from studies._output import in_units_of_pi, label, new_figure, quiet
from studies._record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Manifolds"]

_FRONTS = 12  # curves of equal time that are drawn
_ORBITS = 48  # orbits that are drawn of a surface
_MAPS = ("viridis", "plasma")
_NEAR = 0.6  # of the time, in which next to nothing is to be seen


@dataclass(frozen=True, eq=False, repr=False)
class Manifolds(Record):
    """The stable and the unstable manifold of an equilibrium.

    Attributes
    ----------
    system : System
    call : mapping
        The arguments of the call that made it.
    target : str
        The equilibrium.
    t : ndarray (n_times,)
        Time since the small ellipse (until it, on the stable manifold), in s.
    stable, unstable : ndarray (n, n_orbits, n_times)
        States, in the coordinates of ``system``: orbit by orbit around the circle, the last one is the first again;
        of a one-dimensional manifold its two branches.
    eigenvalues : ndarray (n,)
        Of the linear flow, in 1/s.
    complete : bool
        Whether neighbouring orbits are nowhere further apart than was asked for.
    """

    study: ClassVar[str] = "manifolds"

    target: str
    t: Floats
    stable: Floats
    unstable: Floats
    eigenvalues: NDArray[np.complex128]
    complete: bool

    def plot(self, x: str | None = None, y: str | None = None) -> Figure:
        """Return a figure of both in the plane of two components; by default the first two, of a pendulum the angles.

        Thin lines are orbits; thick ones join what has travelled equally long.

        Raises
        ------
        ArgumentError
            An unknown component.
        """
        names = list(self.system.state_names)
        chosen = [
            _checks.component("manifolds", self.system, name) if name is not None else default
            for name, default in ((x, 0), (y, 1))
        ]
        figure = new_figure(10.5, 5.2)
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        words = ("stable manifold: all that comes to rest", "unstable manifold: all that falls")
        for axes, states, word, color in zip(panels, (self.stable, self.unstable), words, _MAPS, strict=True):
            shown = self._draw(axes, states[chosen], color)
            rest = np.array(self.system.equilibria[self.target], dtype=np.float64)[chosen]
            axes.plot(*rest, "o", color="black", markersize=5, zorder=5)
            axes.set_title(word, fontsize=10)
            axes.set_xlabel(label(names[chosen[0]], _checks.unit_of(self.system, names[chosen[0]])))
            quiet(axes)
            bar = figure.colorbar(shown, ax=axes, pad=0.02)
            bar.set_label("t [s]")
        panels[0].set_ylabel(label(names[chosen[1]], _checks.unit_of(self.system, names[chosen[1]])))
        both = np.concatenate([self.stable, self.unstable], axis=1)
        for i, axis in zip(chosen, (panels[0].xaxis, panels[0].yaxis), strict=True):
            if i in self.system.angles:
                in_units_of_pi(axis, float(both[i].min()), float(both[i].max()))
        figure.suptitle(f"{type(self.system).__name__}, {self.target}", fontsize=11)
        return figure

    def _draw(self, axes: Axes, points: Floats, colors: str) -> Any:
        """Draw orbits and fronts of ``points`` (2, n_orbits, n_times), coloured by time."""
        from matplotlib.collections import LineCollection

        surface = points.shape[1] > 2
        every = max(1, points.shape[1] // _ORBITS) if surface else 1
        orbits = np.moveaxis(points[:, ::every], 0, -1)  # (n, n_times, 2)
        pieces = np.stack([orbits[:, :-1], orbits[:, 1:]], axis=2).reshape(-1, 2, 2)
        width, alpha = (0.4, 0.5) if surface else (1.8, 1.0)
        drawn = LineCollection(list(pieces), cmap=colors, linewidths=width, alpha=alpha)
        drawn.set_array(np.tile(self.t[:-1], len(orbits)))
        axes.add_collection(drawn)
        shown = drawn
        if surface:
            at = np.unique(np.linspace(_NEAR * points.shape[2], points.shape[2] - 1, _FRONTS).round().astype(int))
            shown = LineCollection(
                list(np.moveaxis(points[:, :, at], (0, 1, 2), (2, 1, 0))), cmap=colors, linewidths=1.1
            )
            shown.set_array(self.t[at])
            axes.add_collection(shown)
        for lines in (drawn, shown):
            lines.set_clim(_NEAR * float(self.t[-1]), float(self.t[-1]))
        axes.autoscale_view()
        return shown

    def __repr__(self) -> str:
        sizes = f"{self.stable.shape[1]} and {self.unstable.shape[1]} orbits"
        return f"Manifolds({type(self.system).__name__}, {self.target!r}: {sizes}, {self.t[-1]:.3g} s)"
