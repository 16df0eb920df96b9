"""`animate`: the motion of a system as a video in real time."""

from __future__ import annotations

import base64
import html
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import RunError, must
from diffsim.files import atomic, check_output
from diffsim.progress import progress_bar
from studies._animation_look import find_style, pick_colors, widths_for
from studies._animation_motion import find_motion
from studies._animation_options import even_size, names, positive, rate_factor, rate_of, trail_length, window
from studies._animation_render import Renderer
from studies._animation_scene import Picture, still
from studies._gif import gif_delays, gif_stride, gif_writer
from studies._video import find_ffmpeg, h264_writer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Animation", "animate"]

_FORMATS = (".mp4", ".gif")
_EMBED_MEGABYTES = 10.0
_EMBED_PIXELS = 7200 * 640 * 480  # two minutes of 640 x 480 at 60 fps: about ten seconds of encoding


@dataclass(frozen=True, eq=False, repr=False)
class Animation:
    """A film of moving points, ready to be looked at, saved or shown in a notebook; made by `animate`.

    Nothing is rendered before it is asked for, and no frame is kept: saving streams one frame after the other into
    the encoder, so that memory does not grow with the length of the film.

    Attributes
    ----------
    times : array, shape (n_frames,)
        Simulated time of each frame, ``t_0 + speed * k / fps``, in s.
    positions : array, shape (n_frames, n_trajectories, n_points, 2)
        What the frames show, x and y, in m.
    fps : float
        Frames in a second of video.
    speed : float
        Simulated seconds in a second of video.
    size : tuple of int
        Width and height in pixels.
    n_frames : int
    duration : float
        Seconds that the video lasts, n_frames / fps.
    """

    _picture: Picture
    _rate: Fraction
    speed: float
    progress: bool = False

    @property
    def times(self) -> NDArray[np.float64]:
        """Simulated time of each frame in s, shape (n_frames,)."""
        return self._picture.times

    @property
    def positions(self) -> NDArray[np.float64]:
        """What the frames show, in m, shape (n_frames, n_trajectories, n_points, 2)."""
        return self._picture.positions

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._picture.size

    @property
    def fps(self) -> float:
        """Frames in a second of video."""
        return float(self._rate)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self._picture.times)

    @property
    def duration(self) -> float:
        """Seconds that the video lasts."""
        return float(self.n_frames / self._rate)

    def __repr__(self) -> str:
        width, height = self.size
        return f"Animation({self.n_frames} frames, {width} x {height}, {self.duration:g} s at {self.fps:g} fps)"

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Return one frame as an RGB array of shape (height, width, 3); negative indices count from the end.

        Each call sets the scene anew (about 50 ms); `frames` gives many at 1 ms each.

        Raises
        ------
        ArgumentError
            There is no such frame.
        """
        return Renderer(self._picture).draw(self._index("frame", index))[..., :3].copy()

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield all frames in turn, each a fresh RGB array of shape (height, width, 3)."""
        renderer = Renderer(self._picture)
        for index in range(self.n_frames):
            yield renderer.draw(index)[..., :3].copy()

    def plot(self, index: int = -1) -> Figure:
        """Return one frame as a matplotlib figure, for a page: ``animation.plot(120).savefig("frame.pdf")``."""
        return still(self._picture, self._index("plot", index))

    def save(self, path: str | os.PathLike[str], *, quality: int = 18, progress: bool | None = None) -> Path:
        """Write the film to a file, MP4 (H.264, plays everywhere) or GIF, by the ending of `path`.

        The folder, the ending and the encoder are checked before the first frame is drawn.  The file appears under
        its name when it is complete, and not at all if something goes wrong or Ctrl-C is pressed.

        Parameters
        ----------
        path : str or path-like
            Ends in ``.mp4`` or ``.gif``.
        quality : int
            Of an MP4, x264's constant rate factor from 0 to 51: 18 looks perfect, 28 is small.
        progress : bool, optional
            Show a progress bar; None: as was said to `animate`.

        Returns
        -------
        Path
            Where the film lies.

        Raises
        ------
        ArgumentError
            Unknown ending (the message has those that there are), missing or unwritable folder, wrong quality.
        RunError
            No ffmpeg with H.264, or it failed; the message holds its own last lines.

        Notes
        -----
        An MP4 has every frame, at exactly `fps`, in 4:2:0 colour (yuv420p), with its index first, so that a browser
        starts to play at once.  A GIF cannot show more than 50 frames a second: above, every second (third, ...)
        frame is written, and the film still runs at its right speed.  Its delays are whole centiseconds, chosen so
        that rounding never adds up.
        """
        who = "Animation.save"
        target = check_output(who, path, _FORMATS)
        factor = rate_factor(who, quality)
        shown = self.progress if progress is None else progress
        if target.suffix.lower() == ".gif":
            with atomic(target) as temporary:
                self._write_gif(temporary, shown)
        else:
            program = find_ffmpeg(who)
            with atomic(target) as temporary:
                self._write_mp4(who, program, temporary, factor, shown)
        return target

    def to_html5_video(self, *, max_megabytes: float | None = None, quality: int = 20) -> str:
        """Return a ``<video>`` tag that holds the whole film (MP4 in base64), for a page or a notebook.

        Parameters
        ----------
        max_megabytes : float, optional
            Give up when the video grows larger than this.  Frames are never left out.
        quality : int
            As for `save`.

        Raises
        ------
        RunError
            The video is larger than `max_megabytes`; or as for `save`.
        """
        who = "Animation.to_html5_video"
        limit = np.inf if max_megabytes is None else 1e6 * positive(who, "max_megabytes", max_megabytes)
        factor = rate_factor(who, quality)
        program = find_ffmpeg(who)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "film.mp4"
            self._write_mp4(who, program, path, factor, self.progress, limit)
            film = path.read_bytes()
        if len(film) > limit:
            raise _too_large(who, limit)
        width, height = self.size
        code = base64.b64encode(film).decode("ascii")
        return (
            f'<video width="{width}" height="{height}" style="max-width:100%;height:auto" controls loop autoplay muted'
            f' playsinline><source type="video/mp4" src="data:video/mp4;base64,{code}">'
            "This browser shows no video.</video>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the video, or, where it would be large, a line that says how to see it."""
        width, height = self.size
        if self.n_frames * width * height > _EMBED_PIXELS:
            return self._instead("It is too long to be put into a notebook unasked.")
        try:
            return self.to_html5_video(max_megabytes=_EMBED_MEGABYTES)
        except RunError as error:
            return self._instead(str(error))

    def _instead(self, reason: str) -> str:
        """The line that stands for a video."""
        return (
            f"<p><code>{html.escape(repr(self))}</code><br>{html.escape(reason)} Write it to a file with "
            '<code>animation.save("film.mp4")</code>, take a shorter <code>t_span</code>, a smaller <code>size</code> '
            "or <code>fps</code>, or embed it all the same with <code>IPython.display.HTML("
            "animation.to_html5_video())</code>.</p>"
        )

    def _write_mp4(
        self, who: str, program: str, path: Path, quality: int, progress: bool, limit: float = np.inf
    ) -> None:
        """Stream all frames into ffmpeg."""
        renderer = Renderer(self._picture)
        with (
            progress_bar(self.n_frames, "rendering", progress, "frames") as bar,
            h264_writer(who, program, path, self.size, self._rate, quality) as write,
        ):
            for index in range(self.n_frames):
                write(renderer.draw(index))
                bar.update(1)
                if index % 100 == 99 and limit < np.inf and path.exists() and path.stat().st_size > limit:
                    raise _too_large(who, limit)

    def _write_gif(self, path: Path, progress: bool) -> None:
        """Stream all frames that a GIF can show into the file."""
        renderer = Renderer(self._picture)
        shown = range(0, self.n_frames, gif_stride(self._rate))
        samples = [renderer.draw(index).copy() for index in shown[:: max(1, len(shown) // 8)]]
        delays = gif_delays(self.n_frames, len(shown), self._rate)
        with (
            progress_bar(len(shown), "rendering", progress, "frames") as bar,
            gif_writer(path, samples, delays) as write,
        ):
            for index in shown:
                write(renderer.draw(index))
                bar.update(1)

    def _index(self, what: str, index: int) -> int:
        """Check a frame's number and count it from the start."""
        n = self.n_frames
        if isinstance(index, bool) or not isinstance(index, (int, np.integer)) or not -n <= index < n:
            raise must(f"Animation.{what}", "index", f"must be an integer from {-n} to {n - 1}", index)
        return int(index) % n


def animate(
    system: Any,
    y0: Any,
    t_span: tuple[float, float] | None = None,
    *,
    fps: float = 60,
    speed: float = 1.0,
    size: tuple[int, int] = (640, 480),
    trail: float = 1.0,
    labels: Sequence[str] | None = None,
    colors: Any = None,
    style: str = "light",
    title: str | None = None,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    plane: tuple[str | int, str | int] | None = None,
    rods: bool | None = None,
    method: Any = None,
    progress: bool = False,
    **options: Any,
) -> Animation:
    """Return the motion of a system as an `Animation`, in real time whatever the solver's step.

    Frame k is shown k / fps seconds after the start and shows the state at ``t_0 + speed * k / fps``, for all of
    these times in [t_0, t_1): ten seconds at 60 fps are 600 frames.

    Parameters
    ----------
    system : System
        Any system with ``positions(state)`` of shape (n_points, 2, ...); other systems and plain functions
        ``f(t, y)`` are drawn in a `plane` of their state.
    y0 : array_like or Solution
        One start, shape (n,); several, which move side by side in one picture: an array of shape (n, k), the
        component first as for `solve_ivp`, or a list of k starts; or a `Solution` of `solve_ivp`, with or without a
        batch.
    t_span : tuple of float, optional
        First and last time in s; (0, 10) if not given, or all of a `Solution`.  May run backwards.
    fps : float
        Frames in a second of video, 0.01 to 1000.
    speed : float
        Simulated seconds in a second of video: 0.5 is slow motion.
    size : tuple of int
        Width and height in pixels, both even (H.264 needs that).  Letters and lines grow with the picture.
    trail : float
        Seconds of video for which the path of the last point stays visible, fading; 0 for none, ``inf`` for all.
    labels : sequence of str, optional
        A name for each start, for the legend.
    colors : optional
        One matplotlib colour for all, one for each, or the name of a colour map.
    style : {"light", "dark"}
    title : str, optional
    limits : tuple of tuple of float, optional
        ((x_low, x_high), (y_low, y_high)) that must be in the picture; the range of all positions if not given.
    plane : tuple of str or int, optional
        Draw the state instead of `positions`: names or indices of the two components along x and y.
    rods : bool, optional
        Join the points by solid rods, or by thin dashes; if not given, rods where the distances stay the same.
    method : str or integrator, optional
        As for `solve_ivp`; RK45 with rtol = atol = 1e-8 if not given.
    progress : bool
        Show progress bars for what takes longer than a second.
    **options
        Handed on to `solve_ivp`: ``step``, ``rtol``, ``atol``, ``args``, ``max_steps``.

    Returns
    -------
    Animation

    Raises
    ------
    ArgumentError
        A wrong value, with its name and what it must be; anything that `solve_ivp` refuses.
    KindError
        The system has no positions, and no `plane` is given.
    RunError
        The solve failed for all starts; the message has its reason.

    Warns
    -----
    UserWarning
        Some starts failed (they vanish where they end); or a `Solution` is too coarse to be interpolated well.

    Notes
    -----
    From a start, the states are those of ``solve_ivp(..., t_eval=times)``.  A `Solution` is interpolated by its
    ``sol`` if it has one, otherwise by cubic Hermite polynomials through its states, with the right-hand side as
    slopes: fourth order in the distance of the solution's times.  This is checked against a Runge-Kutta step to the
    middle of every interval; more than half a percent of the picture gives a warning.

    Examples
    --------
    >>> from systems import DoublePendulum
    >>> film = animate(DoublePendulum(), [2.0, 1.5, 0.0, 0.0], (0.0, 0.5), fps=30)
    >>> film
    Animation(15 frames, 640 x 480, 0.5 s at 30 fps)
    >>> film.times[:3].round(4), film.frame(-1).shape
    (array([0.    , 0.0333, 0.0667]), (480, 640, 3))
    """
    who = "animate"
    rate, pace = rate_of(who, fps), positive(who, "speed", speed)
    look, dimensions, length = find_style(who, style), even_size(who, size), trail_length(who, trail)
    box = window(who, limits)
    motion = find_motion(
        who, system, y0, t_span, rate, pace, plane, {"method": method, "progress": progress, **options}
    )
    count = motion.positions.shape[1]
    picture = Picture(
        positions=motion.positions,
        times=motion.times,
        size=dimensions,
        style=look,
        widths=widths_for(count),
        colors=pick_colors(who, colors, count, look),
        trail_frames=int(min(np.ceil(length * float(rate)), motion.times.size)),
        labels=names(who, labels, count),
        title="" if title is None else str(title),
        note="" if pace == 1.0 else f"speed \N{MULTIPLICATION SIGN}{pace:g}",
        axis_labels=motion.axis_labels,
        limits=box if box is not None else motion.limits,
        equal=motion.equal,
        rods=rods,
    )
    return Animation(picture, rate, pace, bool(progress))


def _too_large(who: str, limit: float) -> RunError:
    """The error for a video that outgrows its budget."""
    return RunError(f"{who}: the video is larger than max_megabytes={limit / 1e6:g}.")
