"""`Portrait`: a trajectory and the way in which it is drawn."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studies import _output
from studies._animation_look import STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Portrait"]

KINDS = ("positions", "plane", "space", "time", "log time", "image", "dots")

_LIGHT = STYLES["light"]
_SHOWN = 12  # paths of points, or lines with names
_AZIMUTH, _ELEVATION = np.radians(-58.0), np.radians(24.0)  # from where a space curve is seen
_MARGIN = 0.06
_OBLONG = 5.0  # of positions: beyond that, width and height have scales of their own


@dataclass(frozen=True, eq=False)
class Portrait:
    """A picture of a trajectory; made by `portrait`.

    Attributes
    ----------
    system : System
    kind : str
        How it is drawn: ``"positions"``, ``"plane"``, ``"space"``, ``"time"``, ``"log time"``, ``"image"``, ``"dots"``.
    t : ndarray (m,)
        Times in s (iterations of a map).
    y : ndarray (n, m)
        States.
    """

    system: Any
    kind: str
    t: NDArray[np.float64]
    y: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"Portrait({_output.describe(self.system)}: {self.kind}, t = {self.t[0]:g} to {self.t[-1]:g})"

    def plot(self) -> Figure:
        """Return a figure."""
        square = self.kind in ("positions", "plane", "space", "dots")
        figure = _output.new_figure(*((5.5, 5.2) if square else (7.0, 4.2)))
        axes = figure.subplots()
        self.draw(axes)
        axes.set_title(_output.describe(self.system), fontsize="small", wrap=True)
        return figure

    def draw(self, axes: Axes, *, labels: bool = True) -> None:
        """Draw into the axes of a figure.

        Parameters
        ----------
        axes : matplotlib Axes
        labels : bool
            Whether the axes are labelled; without, they have no ticks either.
        """
        getattr(self, f"_draw_{self.kind.replace(' ', '_')}")(axes, labels)
        if not labels:
            axes.set(xticks=[], yticks=[], xlabel="", ylabel="")
            axes.minorticks_off()
            axes.spines[:].set_visible(False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a picture or an ``.npz`` of ``t`` and ``y``, by the ending of `path`."""
        arrays = {"t": self.t, "y": self.y, "state_names": np.array(self.system.state_names)}
        return _output.write("Portrait.save", path, self.plot, lambda: arrays)

    # -- the kinds ---------------------------------------------------------------------------------------------------

    def _draw_plane(self, axes: Axes, labels: bool) -> None:
        x, y = (self._wrapped(i) for i in (0, 1))
        _path(axes, x, y)
        _fit(axes, x, y)
        axes.set(xlabel=self._label(0), ylabel=self._label(1))

    def _draw_space(self, axes: Axes, labels: bool) -> None:
        centre = 0.5 * (self.y.max(axis=1) + self.y.min(axis=1))
        reach = 0.5 * np.ptp(self.y, axis=1)
        x, y, z = ((self.y - centre[:, None]) / np.where(reach > 0.0, reach, 1.0)[:, None])[:3]
        right = -np.sin(_AZIMUTH) * x + np.cos(_AZIMUTH) * y
        inward = np.cos(_AZIMUTH) * x + np.sin(_AZIMUTH) * y
        up = np.cos(_ELEVATION) * z - np.sin(_ELEVATION) * inward
        _path(axes, right, up)
        _fit(axes, right, up, equal=True)
        axes.set(xticks=[], yticks=[])
        if labels:
            self._draw_tripod(axes)

    def _draw_tripod(self, axes: Axes) -> None:
        """Draw the directions of the three components, in the corner."""
        tips = (
            (-np.sin(_AZIMUTH), -np.sin(_ELEVATION) * np.cos(_AZIMUTH)),
            (np.cos(_AZIMUTH), -np.sin(_ELEVATION) * np.sin(_AZIMUTH)),
            (0.0, np.cos(_ELEVATION)),
        )
        for name, (right, up) in zip(self.system.state_names, tips, strict=False):
            tip = (0.1 + 0.08 * right, 0.08 + 0.08 * up)
            axes.annotate("", tip, (0.1, 0.08), "axes fraction", "axes fraction", {"arrowstyle": "->", "lw": 0.8})
            at = (0.1 + 0.12 * right, 0.08 + 0.12 * up)
            axes.text(*at, _output.symbol(name), transform=axes.transAxes, ha="center", va="center", fontsize="small")

    def _draw_positions(self, axes: Axes, labels: bool) -> None:
        points = np.asarray(self.system.positions(self.y), dtype=np.float64)
        if points.shape[1] == 3:
            points = _seen_from_aside(points)
        size = float(np.max(np.ptp(points, axis=2)))
        moving = [j for j in range(len(points)) if float(np.max(np.ptp(points[j], axis=1))) > 1e-9 * size]
        rods = tuple(self.system.rods)
        tips = moving if not rods else moving[-1:]
        for rank, j in enumerate(tips[:_SHOWN]):
            colour = None if len(tips) == 1 else _LIGHT.palette[rank % len(_LIGHT.palette)]
            _path(axes, points[j, 0], points[j, 1], colour)
        for j in (j for j in range(len(points)) if j not in moving):
            axes.plot(*points[j, :, -1], "o", color=_LIGHT.ink, markersize=3.0)
        for i, j in rods:
            axes.plot(*points[[i, j], :, -1].T, color=_LIGHT.ink, linewidth=1.6, marker="o", markersize=3.0)
        reach = np.ptp(points, axis=(0, 2))
        _fit(axes, points[:, 0], points[:, 1], equal=float(np.min(reach)) * _OBLONG > float(np.max(reach)))
        axes.set(xlabel="x [m]", ylabel="y [m]")

    def _draw_time(self, axes: Axes, labels: bool) -> None:
        for i in range(min(len(self.y), _SHOWN)):
            largest = float(np.max(np.abs(self.y[i]))) or 1.0
            name = _output.symbol(self.system.state_names[i])
            axes.plot(self.t, self.y[i] / largest, linewidth=1.0, color=self._colour(i), label=name)
        axes.set(xlabel="t [s]", ylabel="component over its largest value")
        axes.margins(x=0.0)
        if labels:
            axes.legend(fontsize="small", ncols=4, frameon=False, loc="best")

    def _draw_log_time(self, axes: Axes, labels: bool) -> None:
        self._draw_time(axes, labels)
        later = self.t[self.t > 0.0]
        axes.set_xscale("log")
        axes.set_xlim(max(later[0], 1e-6 * later[-1]), later[-1])

    def _draw_image(self, axes: Axes, labels: bool) -> None:
        # Momenta are at rest where positions are, and do not drift away with a chain that moves as a whole.
        first = len(self.y) // 2 if getattr(self.system, "canonical", False) else 0
        rows = self.y[first:]
        bound = float(np.max(np.abs(rows))) or 1.0
        low = -bound if rows.min() < 0.0 else 0.0
        extent = (float(self.t[0]), float(self.t[-1]), len(rows) + 0.5, 0.5)
        colours = "RdBu_r" if low else "viridis"
        image = axes.imshow(
            rows, aspect="auto", extent=extent, cmap=colours, vmin=low, vmax=bound, interpolation="auto"
        )
        low_name, high_name = (_output.symbol(self.system.state_names[i]) for i in (first, -1))
        axes.set(xlabel="t [s]", ylabel=f"component, {low_name} to {high_name}")
        if labels and axes.figure is not None:
            axes.figure.colorbar(image, ax=axes, shrink=0.8)

    def _draw_dots(self, axes: Axes, labels: bool) -> None:
        delayed = len(self.y) == 1
        x, y = (self.y[0, :-1], self.y[0, 1:]) if delayed else (self._wrapped(0), self._wrapped(1))
        colours = np.arange(len(x))
        axes.scatter(x, y, s=1.5 if labels else 0.6, c=colours, cmap="viridis", linewidths=0.0, rasterized=True)
        _fit(axes, x, y)
        name = _output.symbol(self.system.state_names[0])
        axes.set(
            xlabel=f"{name} before" if delayed else self._label(0),
            ylabel=f"{name} after" if delayed else self._label(1),
        )

    # -- parts -------------------------------------------------------------------------------------------------------

    def _wrapped(self, i: int) -> NDArray[np.float64]:
        """Return a component over time; an angle within half a turn, broken where it passes the border."""
        plain: NDArray[np.float64] = self.y[i]
        if i not in self.system.angles:
            return plain
        # What swings about the upper rest is cut at the lower one.
        cut = 0.0 if float(np.max(np.cos(plain))) < 0.0 else -np.pi
        angle: NDArray[np.float64] = np.mod(plain - cut, 2.0 * np.pi) + cut
        if self.kind == "dots":
            return angle
        jumps = np.abs(np.diff(angle, append=angle[-1])) > np.pi
        broken: NDArray[np.float64] = np.where(jumps, np.nan, angle)
        return broken

    def _label(self, i: int) -> str:
        units = tuple(getattr(self.system, "state_units", ()))
        return _output.label(self.system.state_names[i], units[i] if i < len(units) else "")

    def _colour(self, i: int) -> str:
        return _LIGHT.palette[i % len(_LIGHT.palette)]


def _path(axes: Axes, x: Any, y: Any, colour: str | None = None) -> None:
    """Draw a curve: in one colour, or from dark to light as time goes by."""
    if colour is not None:
        axes.plot(x, y, color=colour, linewidth=0.8)
        return
    from matplotlib.collections import LineCollection

    points = np.stack([x, y], axis=1)
    pieces = np.stack([points[:-1], points[1:]], axis=1)
    whole = np.all(np.isfinite(pieces), axis=(1, 2))
    lines = LineCollection(list(pieces[whole]), cmap="viridis", linewidths=0.7, capstyle="round", rasterized=True)
    lines.set_array(np.arange(len(pieces))[whole])
    lines.set_clim(0.0, 1.15 * len(pieces))  # the last colours are too light on white
    axes.add_collection(lines)


def _fit(axes: Axes, x: Any, y: Any, equal: bool = False) -> None:
    """Set the limits around the data; with `equal` those of a square, in which a circle is one."""
    ends = [(float(np.nanmin(values)), float(np.nanmax(values))) for values in (x, y)]
    widths = [high - low for low, high in ends]
    if equal:
        widths = [max(widths)] * 2
        axes.set_aspect("equal", adjustable="box")
    limits = []
    for (low, high), width in zip(ends, widths, strict=True):
        middle, half = 0.5 * (low + high), (0.5 + _MARGIN) * width or 1.0
        limits.append((middle - half, middle + half))
    axes.set(xlim=limits[0], ylim=limits[1])


def _seen_from_aside(points: Any) -> NDArray[np.float64]:
    """Return points (k, 3, m) of space as points (k, 2, m) of the picture."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    right = -np.sin(_AZIMUTH) * x + np.cos(_AZIMUTH) * y
    inward = np.cos(_AZIMUTH) * x + np.sin(_AZIMUTH) * y
    return np.stack([right, np.cos(_ELEVATION) * z - np.sin(_ELEVATION) * inward], axis=1)
