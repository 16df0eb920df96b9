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

    palette = _palette(samples)
    last: NDArray[np.uint8] | None = None
    waiting = iter(delays)
    with path.open("wb") as file:

        def write(frame: NDArray[np.uint8]) -> None:
            nonlocal last
            image = Image.fromarray(frame[..., :3]).quantize(palette=palette, dither=Image.Dither.NONE)
            pixels = np.asarray(image)
            box, shown = _changes(pixels, last)
            part = Image.fromarray(shown)
            part.putpalette(palette.getpalette() or [])
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


def _palette(samples: list[NDArray[np.uint8]]) -> Any:
    """Return a one-pixel image with a palette of 255 colours that suit the samples, and one entry for transparency.

    The colours are chosen among those that occur, each counted once: the thin coloured lines matter as much as the
    large empty background.
    """
    from PIL import Image

    packed = [(np.ascontiguousarray(sample).view("<u4")[..., 0] & 0xFFFFFF).ravel() for sample in samples]
    colors, counts = np.unique(np.concatenate([np.unique(codes) for codes in packed]), return_counts=True)
    colors = np.concatenate([_commonest(packed[0]), colors[np.argsort(-counts, kind="stable")]])
    rgb = colors.astype("<u4").view(np.uint8).reshape(1, -1, 4)[..., :3]
    if len(colors) > _CLEAR:
        chosen = Image.fromarray(rgb).quantize(colors=_CLEAR - 8, method=Image.Quantize.MEDIANCUT)
        table = (rgb[0, :8].ravel().tolist() + (chosen.getpalette() or []))[: 3 * _CLEAR]
    else:
        table = rgb.ravel().tolist()
    holder = Image.new("P", (1, 1))
    # NOTE: the unused tail repeats the first colour, so that no pixel is ever nearest to the entry for transparency.
    holder.putpalette(table + table[:3] * ((768 - len(table)) // 3))
    return holder


def _commonest(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The eight commonest colours (background, ink, ...), which enter the palette as they are."""
    values, counts = np.unique(codes, return_counts=True)
    return np.asarray(values[np.argsort(-counts, kind="stable")][:8])


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
