"""Frames to MP4/H.264 through the ffmpeg that imageio-ffmpeg brings; frames are streamed, never collected.

The program is imageio-ffmpeg's own file (or the one that the environment variable
``IMAGEIO_FFMPEG_EXE`` names), never one that happens to lie on the PATH: those often lack H.264.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

from diffsim.errors import RunError

__all__: list[str] = []

_WITHOUT = "Save as .gif, which needs no ffmpeg, or reinstall: pip install --force-reinstall imageio-ffmpeg."


def find_ffmpeg(who: str) -> str:
    """Return the path of an ffmpeg that has libx264, or raise before any work is done.

    Raises
    ------
    RunError
        imageio-ffmpeg is missing or brings no program for this machine, or its program does not run or lacks libx264.
    """
    try:
        import imageio_ffmpeg
    except ImportError:
        raise RunError(f"{who}: MP4 needs the package imageio-ffmpeg, which is not installed. {_WITHOUT}") from None
    try:
        program = str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise RunError(f"{who}: imageio-ffmpeg brings no ffmpeg for this machine. {_WITHOUT}") from None
    if not os.path.dirname(program):
        raise RunError(f"{who}: imageio-ffmpeg brings no ffmpeg of its own, only {program!r} on the PATH. {_WITHOUT}")
    try:
        asked = subprocess.run(
            [program, "-hide_banner", "-loglevel", "error", "-encoders"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError(f"{who}: the ffmpeg at {program!r} does not run: {error}. {_WITHOUT}") from None
    if b"libx264" not in asked.stdout:
        raise RunError(f"{who}: the ffmpeg at {program!r} has no H.264 encoder (libx264). {_WITHOUT}")
    return program


@contextlib.contextmanager
def h264_writer(
    who: str, program: str, path: Path, size: tuple[int, int], fps: Fraction, quality: int
) -> Iterator[Callable[[Any], None]]:
    """Yield a function that takes one RGBA frame (height, width, 4) after the other; the file is whole at the end.

    On any exception in the block, `KeyboardInterrupt` too, ffmpeg is ended and waited for before the exception goes
    on, so that nobody writes to `path` any more.

    Parameters
    ----------
    program : str
        From `find_ffmpeg`.
    size : tuple of int
        Width and height, both even.
    fps : Fraction
    quality : int
        x264's constant rate factor: 0 loses nothing, 18 looks perfect, 28 is small.

    Raises
    ------
    RunError
        ffmpeg ended early or failed; the message holds the last lines that it wrote.
    """
    with tempfile.TemporaryFile() as log:
        # NOTE: its own session, so that Ctrl-C in a terminal reaches Python only, which then ends ffmpeg in order.
        # The log is a file because a full pipe that nobody reads would stop ffmpeg for ever.
        encoder = subprocess.Popen(
            _command(program, path, size, fps, quality),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        pipe = encoder.stdin
        if pipe is None:
            raise RunError(f"{who}: ffmpeg was started without an input.")
        try:

            def write(frame: Any) -> None:
                try:
                    pipe.write(memoryview(frame).cast("B"))
                except OSError:
                    encoder.wait()
                    raise _failure(who, encoder.returncode, log) from None

            yield write
            with contextlib.suppress(OSError):  # an ffmpeg that has just died says why in its log
                pipe.close()
            if encoder.wait() != 0:
                raise _failure(who, encoder.returncode, log)
        finally:
            if encoder.poll() is None:
                encoder.kill()
                encoder.wait()
            with contextlib.suppress(OSError):
                pipe.close()


def _command(program: str, path: Path, size: tuple[int, int], fps: Fraction, quality: int) -> list[str]:
    """The call of ffmpeg.

    NOTE: converted and tagged as BT.709, which players assume where nothing is said; untagged BT.601 shifts colours.
    A key frame each second, so that a notebook's slider jumps fast.
    PERF: CPU time of 640 x 480: `medium` 3.3 ms a frame, `veryfast` 2.2, without B-frames and weights 1.75, for files
    of the same size; `superfast` 1.7, but twice the size.
    """
    rate = f"{fps.numerator}/{fps.denominator}"
    source = ["-f", "rawvideo", "-pixel_format", "rgba", "-video_size", f"{size[0]}x{size[1]}", "-framerate", rate]
    convert = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
    tag = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    return [
        *(program, "-hide_banner", "-nostdin", "-loglevel", "error", "-y"),
        *(*source, "-i", "pipe:0", "-an"),
        *("-vf", f"{convert},{tag}"),
        *("-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-x264-params", "weightp=0"),
        *("-crf", str(quality), "-g", str(max(1, round(fps)))),
        *("-movflags", "+faststart", "-f", "mp4", os.fspath(path.absolute())),
    ]


def _failure(who: str, status: int, log: IO[bytes]) -> RunError:
    """The error for an ffmpeg that ended, with its own last lines."""
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    said = " It said: " + " | ".join(lines[-4:]) if lines else " It said nothing."
    return RunError(f"{who}: ffmpeg {how} before the video was complete.{said}")
