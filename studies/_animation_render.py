"""Frames as pixels: the still background is drawn once, and only what moves is drawn for each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import RunError
from studies._animation_scene import _FONT, Picture, build, clock_box, make_stages

if TYPE_CHECKING:
    from matplotlib.text import Text

__all__: list[str] = []

Pixels = NDArray[np.uint8]


class Renderer:
    """Draws the frames of one picture into one buffer; belongs to one thread.

    Parameters
    ----------
    picture : Picture

    Notes
    -----
    PERF: 0.6 ms a frame for one double pendulum at 640 x 480 (matplotlib's `FuncAnimation` takes about 20 ms): the
    background is a copied array (0.02 ms), and the digits of the clock are stamped from a set of small pictures,
    because laying out a `Text` takes 0.8 ms.
    """

    def __init__(self, picture: Picture) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self._picture = picture
        self._figure, scenes, panels = build(picture)
        canvas: Any = FigureCanvasAgg(self._figure)  # matplotlib leaves its methods untyped
        canvas.draw()
        self._renderer = canvas.get_renderer()
        self._buffer: Pixels = np.asarray(canvas.buffer_rgba())
        width, height = picture.size
        if self._buffer.shape != (height, width, 4):
            raise RunError(f"animate: matplotlib made frames of shape {self._buffer.shape} for {picture.size=}.")
        self._background = self._buffer.copy()
        self._unit = picture.dpi / 72.0
        self._digits = self._make_digits()
        self._stages = make_stages(picture, scenes, panels)

    def draw(self, index: int) -> Pixels:
        """Return frame `index` as (height, width, 4) RGBA; the array is overwritten by the next call."""
        np.copyto(self._buffer, self._background)
        for stage in self._stages:
            stage.show(index)
            for artist in stage.artists:
                artist.draw(self._renderer)
        self._stamp(self._picture.clock(index))
        return self._buffer

    def _stamp(self, clock: str) -> None:
        """Copy the digits of the clock into the buffer, from the right."""
        _, right, base = clock_box(self._picture, self._unit)
        end = int(right - round(4.0 * self._unit))
        for character in reversed(clock):
            digit = self._digits[character]
            height, width, _ = digit.shape
            bottom = self._picture.size[1] - int(base) + height // 4
            self._buffer[bottom - height : bottom, end - width : end] = digit
            end -= width

    def _make_digits(self) -> dict[str, Pixels]:
        """Return a small picture of each character of a clock, all of one height and with its own advance as width."""
        figure, x, base = self._figure, 40, 40
        text = figure.text(0, 0, "", fontfamily=_FONT, fontsize=11.0, color=self._picture.style.ink, usetex=False)
        text.set(transform=None, position=(x, base), va="baseline", ha="left")
        height = 4 * round(4.5 * self._unit)
        low = self._picture.size[1] - base + height // 4
        digits = {}
        for character in "0123456789.-":
            advance = self._width(text, f"0{character}0") - self._width(text, "00")
            self._buffer[...] = self._background[0, 0]
            text.set_text(character)
            text.draw(self._renderer)
            digits[character] = self._buffer[low - height : low, x : x + advance].copy()
        text.remove()
        return digits

    def _width(self, text: Text, words: str) -> int:
        """Pixels that `words` are wide."""
        text.set_text(words)
        return round(float(text.get_window_extent(self._renderer).width))
