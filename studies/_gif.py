"""Frames to an animated GIF through Pillow, streamed: one palette for all, and only what changed of each frame.

Pillow's own ``save(append_images=...)`` collects all frames before it writes the first, and keeps
the duration of a frame in whole centiseconds, so that 30 frames/s (3.33 cs) would run 11 % fast.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []

_FASTEST = 50  # frames a second; browsers play a delay of 1 cs as 10 cs


def gif_stride(fps: Fraction) -> int:
    """Return n such that every n-th frame is shown: GIF cannot show more than 50 frames a second.

    >>> gif_stride(Fraction(60)), gif_stride(Fraction(50)), gif_stride(Fraction(30))
    (2, 1, 1)
    """
    return max(1, -(-fps // _FASTEST))


def gif_delays(n_frames: int, n_shown: int, fps: Fraction) -> list[int]:
    """Return each shown frame's duration in whole centiseconds; rounding errors do not add up.

    Shown frame j starts at its own time rounded to a centisecond, so that the film is never more than half a
    centisecond off, and lasts as long as the video.

    >>> gif_delays(6, 6, Fraction(30)), gif_delays(6, 3, Fraction(60))
    ([3, 4, 3, 3, 4, 3], [3, 4, 3])
    """
    stride = gif_stride(fps)
    starts = [round(100 * stride * j / fps) for j in range(n_shown)]
    starts.append(max(starts[-1] + 2, round(100 * n_frames / fps)))
    return [end - start for start, end in itertools.pairwise(starts)]


@contextlib.contextmanager
def gif_writer(
    path: Path, samples: list[NDArray[np.uint8]], delays: list[int]
) -> Iterator[Callable[[NDArray[np.uint8]], None]]:
    """Yield a function that takes one RGBA frame (height, width, 4) after the other.

    Parameters
    ----------
    samples : list of array
        A few frames of which the palette is made.
    delays : list of int
        Duration of each frame in centiseconds.

    Notes
    -----
    A pixel that did not change is written as transparent, and only the box that holds all changes is written: a
    frame of 640 x 480 takes 2 to 10 kB.
    """
    from PIL import GifImagePlugin, Image

    colors = _palette(samples)
    table, flat = _nearest(colors), colors.ravel().tolist()
    last: NDArray[np.uint8] | None = None
    waiting = iter(delays)
    with path.open("wb") as file:

        def write(frame: NDArray[np.uint8]) -> None:
            nonlocal last
            pixels = table[_cells(frame)]
            box, shown = _changes(pixels, last)
            part = Image.fromarray(shown)
            part.putpalette(flat)
            if last is None:
                file.write(b"".join(GifImagePlugin.getheader(part, info={"loop": 0, "optimize": False})[0]))
            options: dict[str, Any] = {"duration": 10 * next(waiting), "disposal": 1, "include_color_table": False}
            if last is not None:
                options["transparency"] = _CLEAR
            file.write(b"".join(GifImagePlugin.getdata(part, box, **options)))
            last = pixels

        yield write
        file.write(b";")


_CLEAR = 255  # the palette's last entry: "as before"


def _palette(samples: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return 256 colours that suit the samples; the last, which stands for transparency, repeats the first.

    The colours are chosen among those that occur, each counted once: the thin coloured lines matter as much as the
    large empty background.  The eight commonest (background, ink, ...) enter as they are.
    """
    from PIL import Image

    packed = np.concatenate([np.ascontiguousarray(sample).view("<u4").ravel() & 0xFFFFFF for sample in samples])
    found, counts = np.unique(packed, return_counts=True)
    found = found[np.argsort(-counts, kind="stable")]
    rgb = found.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3]
    if len(rgb) > _CLEAR:
        strip = Image.fromarray(np.ascontiguousarray(rgb[None]))
        mixed = strip.quantize(colors=_CLEAR - 8, method=Image.Quantize.MEDIANCUT).getpalette() or []
        rgb = np.concatenate([rgb[:8], np.array(mixed, dtype=np.uint8).reshape(-1, 3)])[:_CLEAR]
    colors = np.repeat(rgb[:1], _CLEAR + 1, axis=0)
    colors[: len(rgb)] = rgb
    return colors


def _cells(colors: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the number of the 4 x 4 x 4 cell of the colour cube, of colours (..., 3) or more channels."""
    red, green, blue = (colors[..., channel].astype(np.intp) >> 2 for channel in range(3))
    return red << 12 | green << 6 | blue


def _nearest(colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the index of the nearest palette colour for each of the 64^3 cells; palette colours find themselves.

    PERF: a table look-up of 640 x 480 takes 2 ms; Pillow's `quantize` takes 8 ms and turns white into (252, 252, 252).
    """
    from scipy.spatial import cKDTree

    axis = np.arange(64) * 4.0 + 1.5
    centres = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    own = colors[:_CLEAR]
    table = np.asarray(cKDTree(own.astype(float)).query(centres)[1]).astype(np.uint8)
    for index in range(len(own) - 1, -1, -1):  # of two in one cell the commoner wins
        table[_cells(own[index])] = index
    return table


def _changes(pixels: NDArray[np.uint8], last: NDArray[np.uint8] | None) -> tuple[tuple[int, int], NDArray[np.uint8]]:
    """Return the left upper corner and the pixels of the box that holds all changes; the unchanged are transparent."""
    if last is None:
        return (0, 0), pixels
    changed = pixels != last
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not rows.size:
        return (0, 0), np.full((1, 1), _CLEAR, dtype=np.uint8)
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return (int(columns[0]), int(rows[0])), np.where(changed[box], pixels[box], np.uint8(_CLEAR))
