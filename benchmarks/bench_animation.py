"""W7: frames a second of a double-pendulum video, against matplotlib's FuncAnimation for the same picture.

    python benchmarks/bench_animation.py            # 500 frames of 640 x 480, three rounds, one after the other
    python benchmarks/bench_animation.py --frames 200 --rounds 1

Both draw rods, bobs, a trail and the time from the same positions at 640 x 480 and encode with the same
ffmpeg and libx264.  FuncAnimation is measured twice: as people use it, with its writer's own settings, and with
our encoder settings.  The rounds alternate, so that a slow phase of the machine meets all; the ratio of a round is
what to trust.  Also: time and peak memory of a 10 s film at 60 fps, of Python and of ffmpeg, in a fresh process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


START = [2.0, 1.5, 0.0, 0.0]
FPS = 50


def film_of(n_frames: int) -> Any:
    """The film that both sides draw: the solve is done here and not timed."""
    import diffsim as ds

    return ds.studies.animate(ds.systems.DoublePendulum(), START, (0.0, n_frames / FPS), fps=FPS)


def with_matplotlib(film: Any, path: Path, extra_args: list[str]) -> None:
    """The same picture as a user of matplotlib writes it: lines with markers, a trace of one second, a text."""
    import imageio_ffmpeg
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib import animation

    plt.rcParams["animation.ffmpeg_path"] = imageio_ffmpeg.get_ffmpeg_exe()
    xy = film.positions[:, 0]
    figure = plt.figure(figsize=(6.4, 4.8), dpi=100)
    axes = figure.add_subplot(autoscale_on=False, xlim=(-2.8, 2.8), ylim=(-2.1, 1.2))
    axes.set_aspect("equal")
    axes.grid(alpha=0.3)
    axes.set_xlabel("x [m]")
    axes.set_ylabel("y [m]")
    (trace,) = axes.plot([], [], "-", lw=1.5, alpha=0.5)
    (rods,) = axes.plot([], [], "o-", lw=2.5)
    clock = axes.text(0.05, 0.9, "", transform=axes.transAxes)

    def show(i: int) -> tuple[Any, ...]:
        rods.set_data(xy[i, :, 0], xy[i, :, 1])
        past = xy[max(0, i - FPS) : i + 1, -1]
        trace.set_data(past[:, 0], past[:, 1])
        clock.set_text(f"t = {film.times[i]:.2f} s")
        return trace, rods, clock

    writer = animation.FFMpegWriter(fps=FPS, codec="libx264", extra_args=extra_args or None)
    frames = animation.FuncAnimation(figure, show, len(xy), interval=1000 / FPS, blit=True)
    frames.save(path, writer=writer, dpi=100)
    plt.close(figure)


def cpu_seconds() -> float:
    """CPU time of this process and of the encoders that have ended."""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def measured(work: Any) -> tuple[float, float]:
    """Wall time and CPU time of one call."""
    start, cpu = time.perf_counter(), cpu_seconds()
    work()
    return time.perf_counter() - start, cpu_seconds() - cpu


def compare(n_frames: int, rounds: int) -> dict[str, Any]:
    """Frames a second and CPU time of each side, round by round, and the ratios."""
    film = film_of(n_frames)
    ours = ["-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        sides = {
            "diffsim": lambda: film.save(path),
            "FuncAnimation": lambda: with_matplotlib(film, path, []),
            "FuncAnimation, our encoder settings": lambda: with_matplotlib(film, path, ours),
        }
        film_of(5).save(path)  # fonts and imports are warm for both
        with_matplotlib(film_of(5), path, [])
        runs = [{name: measured(side) for name, side in sides.items()} for _ in range(rounds)]
        alone, _ = measured(lambda: [None for _ in film.frames()])

    def by_round(value: Any) -> dict[str, list[float]]:
        return {name: [round(value(run[name], run["diffsim"]), 1) for run in runs] for name in sides}

    ratios = by_round(lambda own, best: own[0] / best[0])
    return {
        "frames": n_frames,
        "frames per second": by_round(lambda own, _: n_frames / own[0]),
        "CPU ms per frame": by_round(lambda own, _: 1e3 * own[1] / n_frames),
        "ratio of wall time": ratios,
        "ratio of CPU time": by_round(lambda own, best: own[1] / best[1]),
        "median ratio of wall time": {name: statistics.median(values) for name, values in ratios.items()},
        "rendering alone, frames per second": round(n_frames / alone, 1),
    }


TEN_SECONDS = """
import json, resource, sys, time
import diffsim as ds
start = time.perf_counter()
film = ds.studies.animate(ds.systems.DoublePendulum(), [2.0, 1.5, 0.0, 0.0], (0.0, 10.0), fps=60)
solved = time.perf_counter()
film.save(sys.argv[1])
done = time.perf_counter()
own, child = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({
    "frames": film.n_frames, "imports and solve, s": round(solved - start, 2), "save, s": round(done - solved, 2),
    "peak MB of Python": own.ru_maxrss // 1024, "peak MB of ffmpeg": child.ru_maxrss // 1024,
    "CPU s of Python": round(own.ru_utime, 2), "CPU s of ffmpeg": round(child.ru_utime, 2),
}))
"""


def ten_seconds() -> dict[str, Any]:
    """Time and peak memory of a 10 s film at 60 fps in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        command = [sys.executable, "-c", TEN_SECONDS, str(path)]
        run = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True
        )
        return {**json.loads(run.stdout), "file MB": round(path.stat().st_size / 1e6, 2)}


def main() -> None:
    """Print both results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(json.dumps({"W7": compare(arguments.frames, arguments.rounds), "10 s at 60 fps": ten_seconds()}, indent=2))


if __name__ == "__main__":
    main()
