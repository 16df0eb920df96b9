"""matplotlib: W7, a double pendulum by FuncAnimation and FFMpegWriter, as matplotlib's own example does it.

Variants: ``default``, the writer's own settings of the encoder; ``same``, the settings that diffsim uses.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import imageio_ffmpeg
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib import animation

from benchmarks import workloads
from benchmarks.frame import Case, main

ENCODER = {"default": None, "same": ["-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p"]}


def render(path, xy, extra_args):
    """Lines with markers for the rods, a trace of one second, a text; xy is (frames, joints, 2)."""
    fps = workloads.FPS
    figure = plt.figure(figsize=(6.4, 4.8), dpi=100)
    axes = figure.add_subplot(autoscale_on=False, xlim=(-2.8, 2.8), ylim=(-2.1, 1.2))
    axes.set_aspect("equal")
    axes.grid(alpha=0.3)
    axes.set_xlabel("x [m]")
    axes.set_ylabel("y [m]")
    (trace,) = axes.plot([], [], "-", lw=1.5, alpha=0.5)
    (rods,) = axes.plot([], [], "o-", lw=2.5)
    clock = axes.text(0.05, 0.9, "", transform=axes.transAxes)

    def show(i):
        rods.set_data(xy[i, :, 0], xy[i, :, 1])
        past = xy[max(0, i - fps) : i + 1, -1]
        trace.set_data(past[:, 0], past[:, 1])
        clock.set_text(f"t = {i / fps:.2f} s")
        return trace, rods, clock

    frames = animation.FuncAnimation(figure, show, len(xy), interval=1000 / fps, blit=True)
    frames.save(path, writer=animation.FFMpegWriter(fps=fps, codec="libx264", extra_args=extra_args), dpi=100)
    plt.close(figure)


def w7(task):
    plt.rcParams["animation.ffmpeg_path"] = imageio_ffmpeg.get_ffmpeg_exe()
    folder, xy = tempfile.TemporaryDirectory(), workloads.joints(task.n)

    def save(xy):
        path = Path(folder.name) / "film.mp4"
        render(path, xy, ENCODER[task.variant])
        return len(xy) if path.stat().st_size else 0

    return Case(lambda: save(xy), lambda n_frames: [n_frames], warm=lambda: save(xy[:5]))


if __name__ == "__main__":
    main(globals(), ("matplotlib", "imageio-ffmpeg", "numpy"))
