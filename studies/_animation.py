"""`animate`: the motion of a system as a video in real time.

Longer than other files, since the result and the study that makes it belong to one page.
"""

from __future__ import annotations

import base64
import html
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffsim import protocols
from diffsim.errors import RunError, must
from diffsim.files import atomic, check_output
from diffsim.progress import progress_bar
from studies._animation_extras import asked_of, box_of, cuts_of, find_motions, make_extras
from studies._animation_html import page
from studies._animation_look import find_style, pick_colors, widths_for
from studies._animation_options import even_size, names, positive, rate_factor, rate_of, trail_length, window
from studies._animation_panels import Panel
from studies._animation_render import Renderer
from studies._animation_scene import Picture, still
from studies._gif import gif_delays, gif_stride, gif_writer
from studies._video import find_ffmpeg, h264_writer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Animation", "animate"]

_FORMATS = (".mp4", ".gif", ".html")
_PAGE_MEGABYTES = 1.0
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
    panels, ghosts, arrows
        What is drawn beside it.
    system : System or callable
        What moves.
    call : mapping
        The other arguments of the call that made it; `rerun` makes it again.
    """

    _picture: Picture
    _rate: Fraction
    speed: float
    progress: bool = False
    system: Any = None
    call: Mapping[str, Any] = field(default_factory=dict)

    @property
    def times(self) -> NDArray[np.float64]:
        """Simulated time of each frame in s, shape (n_frames,)."""
        return self._picture.times

    @property
    def positions(self) -> NDArray[np.float64]:
        """What the frames show, in m, shape (n_frames, n_trajectories, n_points, 2)."""
        return self._picture.positions

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The curves beside the motion: each panel has `lines` with a `y` (and `x`) for each frame."""
        return self._picture.panels

    @property
    def ghosts(self) -> NDArray[np.float64] | None:
        """Positions of the ghosts in m, shape (n_frames, n_ghosts, n_points, 2), or None."""
        return self._picture.ghosts

    @property
    def arrows(self) -> NDArray[np.float64] | None:
        """Vectors at the points, shape (n_frames, n_points, 2), before they are drawn at a fixed length; or None."""
        return self._picture.arrows

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

    def rerun(self, **changes: Any) -> Animation:
        """Make the same call again, some arguments changed; the same call gives the same bytes.

        ``film.rerun(speed=0.5)`` is the same film in slow motion.
        """
        return animate(self.system, **{**self.call, **changes})

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
        """Write the film to a file by its ending: MP4 (H.264, plays everywhere), GIF, or a page that plays it.

        The folder, the ending and the encoder are checked before the first frame is drawn.  The file appears under
        its name when it is complete, and not at all if something goes wrong or Ctrl-C is pressed.

        Parameters
        ----------
        path : str or path-like
            Ends in ``.mp4``, ``.gif`` or ``.html``.
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
            No ffmpeg with H.264, or it failed; the message holds its own last lines.  A page above a megabyte: see
            `to_html`.

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
        if target.suffix.lower() == ".html":
            text = self.to_html()
            with atomic(target) as temporary:
                temporary.write_text(text, encoding="utf-8")
        elif target.suffix.lower() == ".gif":
            with atomic(target) as temporary:
                self._write_gif(temporary, shown)
        else:
            program = find_ffmpeg(who)
            with atomic(target) as temporary:
                self._write_mp4(who, program, temporary, factor, shown)
        return target

    def to_html(self, *, max_megabytes: float | None = _PAGE_MEGABYTES) -> str:
        """Return a page that plays the film on a canvas: one file, no server, no network, no library.

        Play and pause (button, space, a tap), a slider, arrow keys for single frames, the speed, ghosts, arrows,
        trails and panels as in the video, sharp at any zoom.  It waits for a click where the reader's system asks for
        less motion.  ``#t=2.5`` behind the address opens it at that time.

        Parameters
        ----------
        max_megabytes : float, optional
            Give up when the page grows larger; None: never.  Frames are never left out.

        Raises
        ------
        RunError
            The page is larger than `max_megabytes`.

        Notes
        -----
        Positions are kept to 1/65,000 of the picture, two bytes each: about 12 bytes a pendulum and frame, a third more
        as text.  Between frames the page interpolates.
        """
        who = "Animation.to_html"
        limit = np.inf if max_megabytes is None else 1e6 * positive(who, "max_megabytes", max_megabytes)
        name = type(self.system).__name__ if protocols.is_system(self.system) else "Animation"
        text = page(self._picture, self.fps, self.speed, name)
        size = len(text.encode())
        if size > limit:
            raise RunError(
                f"{who}: the page has {size / 1e6:.2f} MB, more than max_megabytes={limit / 1e6:g}. Take fps=30, fewer "
                "ghosts or a shorter t_span, or write Path(...).write_text(animation.to_html(max_megabytes=None))."
            )
        return text

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
    size: tuple[int, int] | None = None,
    trail: float = 1.0,
    labels: Sequence[str] | None = None,
    colors: Any = None,
    style: str = "light",
    title: str | None = None,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    plane: Sequence[str | int] | None = None,
    rods: bool | None = None,
    ghosts: int = 0,
    spread: Any = 1e-3,
    seed: int = 0,
    arrows: Any = None,
    panels: Sequence[str] | None = None,
    compare: Sequence[Any] | None = None,
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
        Any system with ``positions(state)`` of shape (n_points, 2, ...); other systems are drawn by their components:
        all three, seen from aside, or the first two.  Plain functions ``f(t, y)`` need a `plane`.
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
        Width and height in pixels, both even (H.264 needs that).  Letters and lines grow with the picture.  By default
        (640, 480), with panels (1200, 540), with more than two or `compare` (1200, 720).
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
        Draw the state instead of `positions`: names or indices of the two components along x and y, or of three that
        are seen from aside.  Angles that leave half a turn are shown within a turn.
    rods : bool, optional
        Join the points by solid rods, or by thin dashes; if not given, rods where the distances stay the same.
    ghosts : int
        That many neighbours of the (one) start, drawn faintly: random directions, all at the distance `spread`.
    spread : float or sequence of float
        Of the ghosts, in the units of the state; one number a component where they differ (0 leaves one alone).
    seed : int
        Of the ghosts' directions.
    arrows : str or callable, optional
        ``"stretch"``: at each frame the direction in which the flow has pulled neighbours apart most (first left
        singular vector of the exact tangent of the flow map, moved to the points).  A state component, or a function of
        the state: the gradient of its value at the last frame by a push *now*: for Hamilton's equations, the direction
        in which a kick of the point raises the final value most.  The longest arrow of a frame has a fixed length, for
        they grow exponentially: how long they are is told by the panel ``"growth"``.
    panels : sequence of str, optional
        At most four curves beside the motion, with a point at the frame: ``"phase"`` (the first coordinate and its
        momentum, or two components: ``"theta_2,p_2"``), ``"energy"``, ``"drift"`` (of all invariants, relative),
        ``"separation"`` (median distance of the ghosts, actual and by exact tangents), ``"growth"`` (of the arrows),
        ``"error"`` (of the energy; without one, the distance from the last trajectory).  By default those that belong
        to ghosts, arrows and compare.
    compare : sequence of str or integrators, optional
        Two to four methods side by side, from one start; ``step=`` is for those that need one.
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
        The system has no positions and no two named components, and no `plane` is given; a panel asks for an energy
        or for invariants that it does not have.
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
    call = {name: value for name, value in locals().items() if name not in ("system", "options", "progress")} | options
    who = "animate"
    rate, pace = rate_of(who, fps), positive(who, "speed", speed)
    look, length, box = find_style(who, style), trail_length(who, trail), window(who, limits)
    asked = asked_of(who, y0, ghosts, spread, seed, arrows, panels, compare)
    dimensions = even_size(who, asked.size if size is None else size)
    solver = {"method": method, "progress": progress, **options}
    motion, methods = find_motions(who, system, y0, t_span, rate, pace, plane, solver, asked.compare)
    count = motion.positions.shape[1]
    shades, named, cuts = pick_colors(who, colors, count, look), names(who, labels, count), cuts_of(motion)
    extras = make_extras(who, motion, asked, solver, shades, named or methods, look)
    picture = Picture(
        positions=motion.positions,
        times=motion.times,
        size=dimensions,
        style=look,
        widths=widths_for(count),
        colors=shades,
        trail_frames=int(min(np.ceil(length * float(rate)), motion.times.size)),
        labels=() if methods else named,
        title="" if title is None else str(title),
        note="" if pace == 1.0 else f"speed \N{MULTIPLICATION SIGN}{pace:g}",
        axis_labels=motion.drawing.axis_labels,
        limits=box if box is not None else box_of(motion, cuts, extras),
        equal=motion.drawing.equal and cuts == (None, None),
        rods=rods,
        cuts=cuts,
        ghosts=extras.ghosts,
        arrows=extras.arrows,
        panels=extras.panels,
        names=named or methods if methods else (),
    )
    return Animation(picture, rate, pace, bool(progress), system, call)


def _too_large(who: str, limit: float) -> RunError:
    """The error for a video that outgrows its budget."""
    return RunError(f"{who}: the video is larger than max_megabytes={limit / 1e6:g}.")
