"""What moves in an animation: artists of matplotlib that are put where a frame wants them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studies._animation_panels import Panel, broken, wrapped
from studies._animation_scene import Picture
from studies._animation_times import refine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__: list[str] = []

Floats = NDArray[np.float64]

_LAYERS = {"ghost rod": 1.5, "ghost tip": 1.6, "trail": 2.0, "rod": 3.0, "joint": 4.0, "arrow": 5.0}


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
    _points: Floats = field(init=False)
    _factor: int = field(init=False, default=1)
    _ghosts: tuple[Any, ...] = field(init=False, default=())
    _cloud: Floats = field(init=False)
    _arrows: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.artists = []
        self._points = cut_open(self.picture.positions, self.picture.cuts)
        if self.picture.ghosts is not None:
            self._make_ghosts(self.picture.ghosts)
        if self.picture.trail_frames > 0 and len(self.picture.times) > 1:
            self._make_trails()
        self._make_rods()
        self._make_joints()
        if self.picture.arrows is not None:
            self._make_arrows()

    def show(self, index: int) -> None:
        """Move the artists to frame `index`."""
        points = self._points[index]
        if self._trails is not None:
            samples = np.maximum(index * self._factor - self._ages, 0)
            ends = self._path[samples]  # (n_fades, width + 1, n_trajectories, 2)
            self._trails.set_segments(ends.swapaxes(1, 2).reshape(-1, ends.shape[1], 2))
        if points.shape[1] > 1:
            self._rods.set_segments(points)
        self._joints.set_offsets(points.reshape(-1, 2))
        if self._ghosts:
            self._ghosts[0].set_segments(self._cloud[index])
            self._ghosts[1].set_offsets(self._cloud[index][:, -1])
        if self._arrows is not None:
            self._arrows.set_verts(self._arrow_shapes(index))

    def _make_trails(self) -> None:
        """One short line a trajectory and age, older ones fainter and thinner, the oldest drawn first."""
        from matplotlib.collections import LineCollection

        picture = self.picture
        tips = picture.positions[:, :, -1, :]
        self._factor = self._smoothness(tips)
        self._path = cut_open(refine(tips, self._factor), picture.cuts)
        for axis, cut in enumerate(picture.cuts):
            if cut is not None:
                jumps = np.abs(np.diff(self._path[..., axis], axis=0, append=self._path[-1:, :, axis])) > np.pi
                self._path[jumps] = np.nan
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
        rigid = self.rigid()
        self._rods = LineCollection(
            [],
            linewidths=picture.widths.rod * (1.0 if rigid else 0.4),
            colors=colors,
            linestyles="solid" if rigid else (0, (4.0, 3.0)),
            capstyle="round",
            joinstyle="round",
        )
        self._add(self._rods, "rod")

    def rigid(self) -> bool:
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

    def _make_ghosts(self, ghosts: Floats) -> None:
        """Faint rods and tips behind everything."""
        from matplotlib.collections import EllipseCollection, LineCollection
        from matplotlib.colors import to_rgba

        picture = self.picture
        self._cloud = cut_open(ghosts, picture.cuts)
        count = self._cloud.shape[1]
        strength = float(np.clip(3.0 / count, 0.06, 0.3))
        rods = LineCollection([], linewidths=1.1, colors=[to_rgba(picture.style.muted, strength)], capstyle="round")
        size = np.full(count, 4.2)
        tips = EllipseCollection(
            *(size, size, np.zeros(count)),
            units="points",
            offsets=np.zeros((count, 2)),
            offset_transform=self.axes.transData,
            facecolors=[(*picture.colors[0, :3], min(0.55, 3.0 * strength))],
            linewidths=0.0,
        )
        self._add(rods, "ghost rod")
        self._add(tips, "ghost tip")
        self._ghosts = (rods, tips)

    def _make_arrows(self) -> None:
        """One polygon an arrow, in pixels, above everything."""
        from matplotlib.collections import PolyCollection
        from matplotlib.transforms import IdentityTransform

        style = self.picture.style
        self._arrows = PolyCollection(
            [], facecolors=[style.accent], edgecolors=[style.background], linewidths=0.7, joinstyle="round"
        )
        self._arrows.set_transform(IdentityTransform())
        self._add(self._arrows, "arrow")

    def _arrow_shapes(self, index: int) -> Any:
        """Return the corners (n_arrows, 7, 2) of the arrows of a frame, in pixels."""
        arrows = self.picture.arrows
        if arrows is None:
            return []
        low, high = self.axes.get_window_extent().get_points()
        x, y = self.axes.get_xlim(), self.axes.get_ylim()
        scale = (high - low) / (x[1] - x[0], y[1] - y[0])
        tails = self.axes.transData.transform(self._points[index, 0])
        return arrow_shapes(tails, arrows[index] * scale, 0.15 * float(min(high - low)), self.picture.dpi / 72.0)


def cut_open(points: Floats, cuts: tuple[float | None, float | None]) -> Floats:
    """Return points (..., 2) whose angles are shown within a turn; the others as they are."""
    if cuts == (None, None):
        return points
    found = points.copy()
    for axis, cut in enumerate(cuts):
        if cut is not None:
            found[..., axis] = wrapped(found[..., axis], cut)
    return found


def arrow_shapes(tails: Floats, vectors: Floats, length: float, unit: float) -> Floats:
    """Return the corners (n_arrows, 7, 2) of arrows from `tails`: the longest gets the `length`, tiny ones none."""
    sizes = np.hypot(vectors[:, 0], vectors[:, 1])
    longest = float(sizes.max(initial=0.0))
    if not (np.isfinite(longest) and longest > 0.0):
        return np.empty((0, 7, 2))
    keep = sizes > 0.04 * longest
    tails, along, sizes = tails[keep], vectors[keep] / sizes[keep, None], sizes[keep] * length / longest
    aside = np.stack([-along[:, 1], along[:, 0]], axis=1)
    head = np.minimum(9.0 * unit, 0.6 * sizes)
    half, wide = 1.3 * unit * np.minimum(1.0, sizes / (6.0 * unit)), 0.48 * head
    corners = ((0.0, half), (sizes - head, half), (sizes - head, wide), (sizes, 0.0 * wide))
    both = [*corners, *((a, -b) for a, b in reversed(corners[:-1]))]
    return np.stack([tails + along * np.reshape(a, (-1, 1)) + aside * np.reshape(b, (-1, 1)) for a, b in both], axis=1)


@dataclass(eq=False)
class PanelStage:
    """What moves in a panel: the curves up to the frame, and a point at it."""

    picture: Picture
    panel: Panel
    axes: Axes
    artists: list[Any] = field(init=False)
    _lines: list[Any] = field(init=False)
    _cursor: Any = field(init=False, default=None)
    _dots: Any = field(init=False)

    def __post_init__(self) -> None:
        style = self.picture.style
        self._lines = []
        over_time = all(line.x is None for line in self.panel.lines)
        if over_time:
            (self._cursor,) = self.axes.plot([], [], color=style.muted, linewidth=0.8, alpha=0.6)
        for line in self.panel.lines:
            how = "--" if line.dashed else "-"
            self._lines += self.axes.plot([], [], color=line.color, linewidth=1.7, linestyle=how)
        colors = [line.color for line in self.panel.lines]
        empty = np.full(len(colors), np.nan)
        self._dots = self.axes.scatter(empty, empty, s=26.0, c=colors, edgecolors=style.background, linewidths=0.8)
        self._dots.set_zorder(5.0)
        self.artists = [*([self._cursor] if over_time else []), *self._lines, self._dots]

    def show(self, index: int) -> None:
        """Move to frame `index`."""
        times = self.panel.times
        if self._cursor is not None:
            self._cursor.set_data([times[index]] * 2, self.panel.limits[2:])
        first = 0 if self._cursor is not None else max(0, index - max(self.picture.trail_frames, 1))
        spots = []
        for line, artist in zip(self.panel.lines, self._lines, strict=True):
            x = times if line.x is None else line.x
            artist.set_data(*broken(x[first : index + 1], line.y[first : index + 1], self.panel.turns))
            spots.append((x[index], line.y[index]))
        self._dots.set_offsets(spots)
