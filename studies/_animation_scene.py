"""What an animation shows, drawn with matplotlib: the room that knows only positions and times.

A `Picture` is plain data.  `build` puts it on a matplotlib figure as a few artists; `Stage` moves
these artists from frame to frame.  No pyplot and no rcParams: everything that matters for the
look is set here, so that threads and a user's own settings do not meet in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studies._animation_look import Style, Widths
from studies._animation_times import refine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__: list[str] = []

Floats = NDArray[np.float64]

_FONT = "DejaVu Sans"  # comes with matplotlib, so that frames look the same on every machine
_REFERENCE = 480.0  # pixels of height at 100 dots an inch
_SMALLEST = 70.0  # dots an inch at which the letters of the ticks are still read
_LAYERS = {"trail": 2.0, "rod": 3.0, "joint": 4.0}


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

    @property
    def dpi(self) -> float:
        """Dots an inch: letters and lines grow with the shorter side of the picture."""
        width, height = self.size
        return max(_SMALLEST, 100.0 * min(height, width / 1.2) / _REFERENCE)

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


def build(picture: Picture, *, clock: bool = True) -> tuple[Figure, Axes]:
    """Return a figure with the still parts: axes, labels, title, legend, and the words around the clock.

    Parameters
    ----------
    clock : bool
        Draw the words and leave the digits out.
    """
    from matplotlib.figure import Figure

    width, height = picture.size
    # The hundredth keeps width / dpi * dpi from being rounded down by a pixel.
    figure = Figure(figsize=((width + 0.01) / picture.dpi, (height + 0.01) / picture.dpi), dpi=picture.dpi)
    figure.set_facecolor(picture.style.background)
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    unit = picture.dpi / 72.0  # pixels in a point
    right = _add_legend(figure, picture, unit) if picture.labels else 0.0
    box = (52.0 * unit, 38.0 * unit, width - 14.0 * unit - right, height - 30.0 * unit)
    wide, high = box[2] - box[0], box[3] - box[1]
    axes.set_position((box[0] / width, box[1] / height, wide / width, high / height))
    _set_limits(axes, picture, wide / high, 8.0 * unit / min(wide, high))
    _dress(axes, picture)
    if picture.title:
        _add_title(figure, picture, unit)
    if clock:
        _add_clock_words(figure, picture, unit)
    return figure, axes


def still(picture: Picture, index: int) -> Figure:
    """Return one frame as a figure of its own, all in vectors."""
    figure, axes = build(picture, clock=False)
    Stage(picture, axes).show(index)
    unit = picture.dpi / 72.0
    _, _, base = clock_box(picture, unit)
    words = f"t = {picture.clock(index)} s" + (f"   ({picture.note})" if picture.note else "")
    width, height = picture.size
    text = figure.text(1.0 - 14.0 * unit / width, base / height, words, ha="right", va="baseline")
    text.set(fontfamily=_FONT, fontsize=11.0, color=picture.style.ink, usetex=False)
    return figure


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


def _dress(axes: Axes, picture: Picture) -> None:
    """Quiet axes: two thin spines, few ticks, a faint grid."""
    from matplotlib.ticker import MaxNLocator

    style = picture.style
    axes.set_facecolor(style.background)
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=style.faint, linewidth=0.5, alpha=0.55, linestyle="-")
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=style.faint, linewidth=0.8)
    axes.tick_params(length=3.0, width=0.8, color=style.faint, labelcolor=style.muted, labelsize=8.0, pad=3.0)
    axes.tick_params(direction="out", top=False, right=False, labelfontfamily=_FONT)
    for axis, label in ((axes.xaxis, picture.axis_labels[0]), (axes.yaxis, picture.axis_labels[1])):
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        axis.set_label_text(label, color=style.muted, fontsize=8.5, fontfamily=_FONT, usetex=False)
        axis.labelpad = 3.0


def _add_legend(figure: Figure, picture: Picture, unit: float) -> float:
    """Put the names into a column at the right and return its width in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D

    thickness = picture.widths.rod
    handles = [Line2D([], [], color=tuple(c), linewidth=thickness, marker="o", markersize=5.5) for c in picture.colors]
    room = picture.size[1] / unit - 40.0  # points of height
    legend = figure.legend(
        handles,
        picture.labels,
        loc="upper right",
        bbox_to_anchor=(1.0 - 10.0 * unit / picture.size[0], 1.0 - 30.0 * unit / picture.size[1]),
        frameon=False,
        prop=FontProperties(family=_FONT, size=min(8.5, room / (1.55 * len(handles)))),
        labelcolor=picture.style.ink,
        handlelength=1.5,
        borderaxespad=0.0,
        borderpad=0.0,
    )
    canvas: Any = FigureCanvasAgg(figure)
    width = float(legend.get_window_extent(canvas.get_renderer()).width)
    return min(width + 10.0 * unit, 0.45 * picture.size[0])


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


@dataclass(eq=False)
class Stage:
    """The moving artists on a figure; `show` puts them where a frame wants them.

    Attributes
    ----------
    artists : list
        In the order in which they are drawn.
    """

    picture: Picture
    axes: Axes
    artists: list[Any] = field(init=False)
    _rods: Any = field(init=False)
    _joints: Any = field(init=False)
    _trails: Any = field(init=False, default=None)
    _path: Floats = field(init=False)
    _ages: NDArray[np.intp] = field(init=False)
    _factor: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        self.artists = []
        if self.picture.trail_frames > 0 and len(self.picture.times) > 1:
            self._make_trails()
        self._make_rods()
        self._make_joints()

    def show(self, index: int) -> None:
        """Move the artists to frame `index`."""
        points = self.picture.positions[index]
        if self._trails is not None:
            samples = np.maximum(index * self._factor - self._ages, 0)
            ends = self._path[samples]  # (n_fades, width + 1, n_trajectories, 2)
            self._trails.set_segments(ends.swapaxes(1, 2).reshape(-1, ends.shape[1], 2))
        if points.shape[1] > 1:
            self._rods.set_segments(points)
        self._joints.set_offsets(points.reshape(-1, 2))

    def _make_trails(self) -> None:
        """One short line a trajectory and age, older ones fainter and thinner, the oldest drawn first."""
        from matplotlib.collections import LineCollection

        picture = self.picture
        tips = picture.positions[:, :, -1, :]
        self._factor = self._smoothness(tips)
        self._path = refine(tips, self._factor)
        length = min(picture.trail_frames, len(picture.times) - 1) * self._factor
        n_fades = min(picture.widths.n_fades, length)
        width = -(-length // n_fades)
        self._ages = np.arange(n_fades)[::-1, None] * width + np.arange(width + 1)
        youth = (np.arange(n_fades) + 0.5) / n_fades
        count = len(picture.colors)
        colors = np.tile(picture.colors, (n_fades, 1))
        colors[:, 3] *= np.repeat(0.9 * youth**1.4, count)
        thickness = np.repeat(picture.widths.trail * (0.35 + 0.65 * youth), count)
        self._trails = LineCollection([], linewidths=thickness, colors=colors, capstyle="butt", joinstyle="round")
        self._add(self._trails, "trail")

    def _smoothness(self, tips: Floats) -> int:
        """Samples a frame that keep the corners of the trail below what the eye sees (about 5 pixels a sample)."""
        low, high = self.axes.get_xlim()
        scale = self.picture.size[0] / (high - low)
        moves = np.diff(tips, axis=0)
        moves = moves[np.isfinite(moves).all(axis=-1)]
        if not moves.size:
            return 1
        fastest = float(np.hypot(moves[:, 0], moves[:, 1]).max()) * scale
        roomy = max(1, 4_000_000 // (tips.shape[0] * tips.shape[1]))
        return int(np.clip(np.ceil(fastest / 5.0), 1, min(16, roomy)))

    def _make_rods(self) -> None:
        """Solid rods where distances stay the same, thin dashes where they do not."""
        from matplotlib.collections import LineCollection

        picture = self.picture
        count = len(picture.colors)
        colors = picture.colors.copy()
        if count == 1:
            from matplotlib.colors import to_rgba

            colors[:] = to_rgba(picture.style.ink)
        if count > 8:
            colors[:, 3] *= 0.55
        rigid = self._rigid()
        self._rods = LineCollection(
            [],
            linewidths=picture.widths.rod * (1.0 if rigid else 0.4),
            colors=colors,
            linestyles="solid" if rigid else (0, (4.0, 3.0)),
            capstyle="round",
            joinstyle="round",
        )
        self._add(self._rods, "rod")

    def _rigid(self) -> bool:
        """Whether the links are rods: as told, else whether all distances between neighbouring points are constant."""
        if self.picture.rods is not None:
            return self.picture.rods
        links = np.diff(self.picture.positions, axis=2)
        lengths = np.sqrt((links * links).sum(axis=-1))
        lengths = lengths[np.isfinite(lengths).all(axis=(1, 2))]
        return not lengths.size or bool(np.all(np.ptp(lengths, axis=0) <= 1e-6 * lengths.max()))

    def _make_joints(self) -> None:
        """A grey pivot, small joints and a larger bob for every trajectory, as one collection of circles."""
        from matplotlib.collections import EllipseCollection
        from matplotlib.colors import to_rgba_array

        picture = self.picture
        count, n_points = picture.positions.shape[1:3]
        sizes = np.full(n_points, picture.widths.joint)
        colors = np.repeat(picture.colors[:, None], n_points, axis=1)
        if n_points > 1:
            sizes[0] = max(3.0, 0.75 * picture.widths.joint)
            colors[:, 0] = to_rgba_array(picture.style.muted)
            if count == 1:
                colors[:, 1:-1] = to_rgba_array(picture.style.ink)
        sizes[-1] = picture.widths.bob
        diameters = np.tile(sizes, count)
        self._joints = EllipseCollection(
            diameters,
            diameters,
            np.zeros(diameters.size),
            units="points",
            offsets=np.zeros((diameters.size, 2)),
            offset_transform=self.axes.transData,
            facecolors=colors.reshape(-1, 4),
            edgecolors=picture.style.background,
            linewidths=np.where(diameters > 4.0, 1.0, 0.4),
        )
        self._add(self._joints, "joint")

    def _add(self, artist: Any, layer: str) -> None:
        """Put a collection on the axes without letting it change the limits."""
        artist.set_zorder(_LAYERS[layer])
        self.axes.add_collection(artist, autolim=False)
        self.artists.append(artist)
