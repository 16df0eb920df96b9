"""What an animation shows, drawn with matplotlib: the room that knows only positions and times.

A `Picture` is plain data.  `build` puts it on a matplotlib figure as a few artists; `Stage` moves
these artists from frame to frame.  No pyplot and no rcParams: everything that matters for the
look is set here, so that threads and a user's own settings do not meet in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studies._animation_look import Style, Widths, widths_for
from studies._animation_panels import Panel, broken
from studies._output import in_units_of_pi

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__: list[str] = []

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]

_FONT = "DejaVu Sans"  # comes with matplotlib, so that frames look the same on every machine
_REFERENCE = 480.0  # pixels of height at 100 dots an inch
_CROWDED = 640.0  # of a picture with many parts
_SMALLEST = 70.0  # dots an inch at which the letters of the ticks are still read


@dataclass(frozen=True, eq=False)
class Picture:
    """Everything that the frames show.

    Attributes
    ----------
    positions : array, shape (n_frames, n_trajectories, n_points, 2)
        Cartesian positions; NaN where a trajectory has ended.
    times : array, shape (n_frames,)
    size : tuple of int
        Width and height in pixels.
    style, widths, colors
        The look; `colors` has one RGBA row a trajectory.
    trail_frames : int
        Length of the trail of the last point, in frames; 0 for none.
    labels : tuple of str
        One name a trajectory, or none at all.
    title : str
    note : str
        Small print beside the clock, such as the speed.
    axis_labels : tuple of str
    limits : tuple of float
        x_low, x_high, y_low, y_high of what must be in the picture.
    equal : bool
        One metre is as long upwards as sideways.
    rods : bool or None
        Solid lines between the points, or thin dashes; None: solid where the distances are constant.
    cuts : tuple
        For each axis, where the circle of an angle is cut open; None where it is no angle, or needs no cut.
    ghosts : array, shape (n_frames, n_ghosts, n_points, 2), optional
        Drawn faintly behind.
    arrows : array, shape (n_frames, n_points, 2), optional
        Directions at the points of the first trajectory; the longest of a frame gets a fixed length.
    panels : tuple of Panel
    names : tuple of str
        Where there are any, each trajectory has a scene of its own, with its name.
    name : str
        Of this scene, where it is one of several.
    """

    positions: Floats
    times: Floats
    size: tuple[int, int]
    style: Style
    widths: Widths
    colors: Floats
    trail_frames: int
    labels: tuple[str, ...]
    title: str
    note: str
    axis_labels: tuple[str, str]
    limits: tuple[float, float, float, float]
    equal: bool
    rods: bool | None = None
    cuts: tuple[float | None, float | None] = (None, None)
    ghosts: Floats | None = None
    arrows: Floats | None = None
    panels: tuple[Panel, ...] = ()
    names: tuple[str, ...] = ()
    name: str = ""

    def parts(self) -> list[Picture]:
        """The scenes: all trajectories in one, or one for each where the scenes have names."""
        if not self.names:
            return [self]
        return [
            replace(
                self,
                positions=self.positions[:, [j]],
                colors=self.colors[[j]],
                widths=widths_for(1),
                panels=(),
                names=(),
                name=name,
            )
            for j, name in enumerate(self.names)
        ]

    @property
    def dpi(self) -> float:
        """Dots an inch: letters and lines grow with the shorter side of the picture."""
        width, height = self.size
        crowded = len(self.panels) > 2 or (self.names and self.panels)
        return max(_SMALLEST, 100.0 * min(height, width / 1.2) / (_CROWDED if crowded else _REFERENCE))

    @property
    def decimals(self) -> int:
        """Digits of the clock after the point."""
        return 2 if float(np.max(np.abs(self.times))) < 1000.0 else 1

    def clock(self, index: int) -> str:
        """The time of a frame as the clock shows it."""
        return f"{self.times[index] + 0.0:.{self.decimals}f}"

    @property
    def clock_width(self) -> int:
        """Characters of the longest time."""
        return max(len(self.clock(0)), len(self.clock(-1)))


def limits_of(positions: Floats) -> tuple[float, float, float, float]:
    """Return x_low, x_high, y_low, y_high of all finite positions; a point gets a box of one metre."""
    xy = positions.reshape(-1, 2)
    xy = xy[np.isfinite(xy).all(axis=1)]
    (x_low, y_low), (x_high, y_high) = (xy.min(axis=0), xy.max(axis=0)) if xy.size else ((0.0, 0.0), (0.0, 0.0))
    span = max(x_high - x_low, y_high - y_low)
    if not span > 1e-9 * max(1e-9, float(np.abs(xy).max(initial=0.0))):
        return float(x_low - 0.5), float(x_high + 0.5), float(y_low - 0.5), float(y_high + 0.5)
    return float(x_low), float(x_high), float(y_low), float(y_high)


def build(picture: Picture, *, clock: bool = True) -> tuple[Figure, list[Axes], list[Axes]]:
    """Return a figure with the still parts (axes, labels, title, legend, words around the clock), and its axes.

    Parameters
    ----------
    clock : bool
        Draw the words and leave the digits out.

    Returns
    -------
    tuple of Figure, list of Axes, list of Axes
        One axes for each scene, one for each panel.
    """
    from matplotlib.figure import Figure

    width, height = picture.size
    # The hundredth keeps width / dpi * dpi from being rounded down by a pixel.
    figure = Figure(figsize=((width + 0.01) / picture.dpi, (height + 0.01) / picture.dpi), dpi=picture.dpi)
    figure.set_facecolor(picture.style.background)
    unit = picture.dpi / 72.0  # pixels in a point
    scenes, panels = [], []
    views, cells = places(picture)
    for part, cell in zip(picture.parts(), views, strict=True):
        axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
        right = _add_legend(figure, part, unit, cell) if part.labels else 0.0
        named = 16.0 * unit if part.name else 0.0
        box = (cell[0] + 52.0 * unit, cell[1] + 38.0 * unit, cell[2] - 14.0 * unit - right, cell[3] - named)
        wide, high = box[2] - box[0], box[3] - box[1]
        axes.set_position((box[0] / width, box[1] / height, wide / width, high / height))
        _set_limits(axes, part, wide / high, 8.0 * unit / min(wide, high))
        _dress(axes, part.style, part.axis_labels)
        _angle_ticks(axes, tuple(cut is not None for cut in part.cuts))
        if part.name:
            axes.set_title(part.name, fontsize=9.5, fontfamily=_FONT, color=tuple(part.colors[0]), pad=4.0)
        scenes.append(axes)
    for panel, cell in zip(picture.panels, cells, strict=True):
        box = (cell[0] + 58.0 * unit, cell[1] + 38.0 * unit, cell[2] - 14.0 * unit, cell[3] - 6.0 * unit)
        axes = figure.add_axes((box[0] / width, box[1] / height, (box[2] - box[0]) / width, (box[3] - box[1]) / height))
        _add_panel(axes, panel, picture.style, box[3] - box[1], unit)
        panels.append(axes)
    if picture.title:
        _add_title(figure, picture, unit)
    if clock:
        _add_clock_words(figure, picture, unit)
    return figure, scenes, panels


def places(picture: Picture) -> tuple[list[Box], list[Box]]:
    """Return the cells (left, bottom, right, top) of the scenes and of the panels, in pixels from the lower left.

    One scene has the panels at its right, or below it in a picture that is higher than wide; of several scenes side
    by side they are below.
    """
    width, height = picture.size
    top = height - 30.0 * picture.dpi / 72.0
    n_scenes, n_panels = len(picture.parts()), len(picture.panels)
    if not n_panels:
        return _row(0.0, 0.0, width, top, n_scenes), []
    if n_scenes == 1 and width >= height:
        split = width * 0.5
        rows = [
            (split, top * (n_panels - 1 - i) / n_panels, float(width), top * (n_panels - i) / n_panels)
            for i in range(n_panels)
        ]
        return [(0.0, 0.0, split, top)], rows
    split = top * 0.42
    return _row(0.0, split, width, top, n_scenes), _row(0.0, 0.0, width, split, n_panels)


def _row(left: float, bottom: float, right: float, top: float, count: int) -> list[Box]:
    """Return `count` cells of equal width beside each other."""
    wide = (right - left) / count
    return [(left + i * wide, bottom, left + (i + 1) * wide, top) for i in range(count)]


def still(picture: Picture, index: int) -> Figure:
    """Return one frame as a figure of its own, all in vectors."""
    figure, scenes, panels = build(picture, clock=False)
    for stage in make_stages(picture, scenes, panels):
        stage.show(index)
    unit = picture.dpi / 72.0
    _, _, base = clock_box(picture, unit)
    words = f"t = {picture.clock(index)} s" + (f"   ({picture.note})" if picture.note else "")
    width, height = picture.size
    text = figure.text(1.0 - 14.0 * unit / width, base / height, words, ha="right", va="baseline")
    text.set(fontfamily=_FONT, fontsize=11.0, color=picture.style.ink, usetex=False)
    return figure


def make_stages(picture: Picture, scenes: list[Axes], panels: list[Axes]) -> list[Any]:
    """Return what moves on these axes: one stage a scene, one a panel."""
    from studies._animation_stage import PanelStage, Stage

    stages: list[Any] = [Stage(part, axes) for part, axes in zip(picture.parts(), scenes, strict=True)]
    return stages + [PanelStage(picture, *pair) for pair in zip(picture.panels, panels, strict=True)]


def _set_limits(axes: Axes, picture: Picture, shape: float, margin: float) -> None:
    """Fit the limits into axes of width / height = `shape`, so that the picture fills them."""
    x_low, x_high, y_low, y_high = picture.limits
    width, height = x_high - x_low, y_high - y_low
    pad = 1.0 + 2.0 * (margin + 0.02)
    if picture.equal:
        height = max(height, width / shape)
        width = height * shape
    x, y = 0.5 * (x_low + x_high), 0.5 * (y_low + y_high)
    axes.set_xlim(x - 0.5 * pad * width, x + 0.5 * pad * width)
    axes.set_ylim(y - 0.5 * pad * height, y + 0.5 * pad * height)


def _dress(axes: Axes, style: Style, axis_labels: tuple[str, str], n_ticks: tuple[int, int] = (6, 6)) -> None:
    """Quiet axes: two thin spines, few ticks, a faint grid."""
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor(style.background)
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=style.faint, linewidth=0.5, alpha=0.55, linestyle="-")
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=style.faint, linewidth=0.8)
    axes.tick_params(which="both", width=0.8, color=style.faint, labelcolor=style.muted, labelsize=8.0, pad=3.0)
    axes.tick_params(direction="out", top=False, right=False, labelfontfamily=_FONT, length=3.0)
    for axis, words, n in zip((axes.xaxis, axes.yaxis), axis_labels, n_ticks, strict=True):
        if axis.get_scale() == "linear":
            axis.set_major_locator(MaxNLocator(nbins=n, steps=[1, 2, 2.5, 5, 10]))
        axis.set_label_text(words, color=style.muted, fontsize=8.5, fontfamily=_FONT, usetex=False)
        axis.labelpad = 3.0


def _angle_ticks(axes: Axes, turns: tuple[bool, ...]) -> None:
    """Ticks at fractions of pi where an axis is an angle."""
    for axis, limits, turn in zip((axes.xaxis, axes.yaxis), (axes.get_xlim(), axes.get_ylim()), turns, strict=True):
        if turn:
            in_units_of_pi(axis, *limits)


def _add_panel(axes: Axes, panel: Panel, style: Style, high: float, unit: float) -> None:
    """The still part of a panel: axes, faint curves, names."""
    from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

    if panel.log:
        axes.set_yscale("log")
    axes.set_xlim(panel.limits[0], panel.limits[1])
    axes.set_ylim(panel.limits[2], panel.limits[3])
    rows = max(2, int(high / (26.0 * unit)))
    _dress(axes, style, panel.axis_labels, (6, min(6, rows)))
    if panel.log:
        axes.yaxis.set_major_locator(LogLocator(base=10.0, numticks=min(7, rows + 1)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        formatter = axes.yaxis.get_major_formatter()
        if isinstance(formatter, ScalarFormatter):
            formatter.set_useOffset(False)
            axes.yaxis.get_offset_text().set(fontsize=7.5, color=style.muted, fontfamily=_FONT)
    _angle_ticks(axes, panel.turns)
    for line in panel.lines:
        x, y = broken(panel.times if line.x is None else line.x, line.y, panel.turns)
        axes.plot(x, y, color=_rgba(line.color), alpha=0.3, linewidth=1.1, linestyle="--" if line.dashed else "-")
    letters = max(1, len(_seen(panel.axis_labels[1])))
    axes.yaxis.label.set_fontsize(min(8.5, 1.7 * (high / unit + 16.0) / letters))
    _add_names(axes, panel, style)


def _seen(words: str) -> str:
    """Return a label without the marks of mathematics, which are not seen."""
    return re.sub(r"\\[a-z]+", "x", words).translate(str.maketrans("", "", "${}_^"))


def _rgba(color: tuple[float, ...]) -> tuple[float, float, float, float]:
    """Return a colour of three or four parts as one of four."""
    red, green, blue = color[:3]
    return red, green, blue, (color[3] if len(color) > 3 else 1.0)


def _add_names(axes: Axes, panel: Panel, style: Style) -> None:
    """Names of the curves of a panel that have any."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D

    named = [line for line in panel.lines if line.label]
    if not named:
        return
    how: dict[bool, Any] = {True: "--", False: "-"}
    handles = [Line2D([], [], color=_rgba(line.color), linewidth=1.8, linestyle=how[line.dashed]) for line in named]
    axes.legend(
        handles,
        [line.label for line in named],
        loc="best",
        frameon=True,
        facecolor=style.background,
        edgecolor="none",
        framealpha=0.75,
        prop=FontProperties(family=_FONT, size=7.5),
        labelcolor=style.ink,
        handlelength=1.8,
        borderpad=0.2,
    )


def _add_legend(figure: Figure, picture: Picture, unit: float, cell: Box) -> float:
    """Put the names into a column at the right of the cell of a scene and return its width in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D

    thickness = picture.widths.rod
    handles = [Line2D([], [], color=tuple(c), linewidth=thickness, marker="o", markersize=5.5) for c in picture.colors]
    room = (cell[3] - cell[1]) / unit - 10.0  # points of height
    legend = figure.legend(
        handles,
        picture.labels,
        loc="upper right",
        bbox_to_anchor=((cell[2] - 10.0 * unit) / picture.size[0], cell[3] / picture.size[1]),
        frameon=False,
        prop=FontProperties(family=_FONT, size=min(8.5, room / (1.55 * len(handles)))),
        labelcolor=picture.style.ink,
        handlelength=1.5,
        borderaxespad=0.0,
        borderpad=0.0,
    )
    canvas: Any = FigureCanvasAgg(figure)
    width = float(legend.get_window_extent(canvas.get_renderer()).width)
    return min(width + 10.0 * unit, 0.45 * (cell[2] - cell[0]))


def _add_title(figure: Figure, picture: Picture, unit: float) -> None:
    """The title at the left of the header, in smaller letters where the clock would be in its way."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    width, height = picture.size
    title = figure.text(14.0 * unit / width, 1.0 - 20.0 * unit / height, picture.title, va="baseline", ha="left")
    title.set(fontfamily=_FONT, fontsize=11.0, fontweight="bold", color=picture.style.ink, usetex=False)
    canvas: Any = FigureCanvasAgg(figure)
    room = clock_box(picture, unit)[0] - (60.0 + 6.0 * len(picture.note)) * unit
    needed = float(title.get_window_extent(canvas.get_renderer()).width)
    title.set_fontsize(11.0 * min(1.0, max(0.3, room / needed)))


def _add_clock_words(figure: Figure, picture: Picture, unit: float) -> None:
    """The still words of the header's right end; `clock_box` says where the digits go."""
    width, height = picture.size
    left, right, base = clock_box(picture, unit)
    ink, muted = picture.style.ink, picture.style.muted
    parts = ((left, "t =", "right", 11.0, ink), (right, "s", "left", 11.0, ink))
    note = (left - 30.0 * unit, picture.note, "right", 8.5, muted)
    for x, words, side, size, color in (*parts, note):
        text = figure.text(x / width, base / height, words, ha=side, va="baseline", fontsize=size)
        text.set(fontfamily=_FONT, color=color, usetex=False)


def clock_box(picture: Picture, unit: float) -> tuple[float, float, float]:
    """Return left end, right end and baseline of the clock's digits, in whole pixels from the lower left corner."""
    right = picture.size[0] - 26.0 * unit
    left = right - (picture.clock_width * 7.1 + 4.0) * unit
    return float(round(left)), float(round(right)), float(round(picture.size[1] - 20.0 * unit))
