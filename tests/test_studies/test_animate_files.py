"""Films as files: decoded again, without an ffmpeg on the PATH, and whole or not at all."""

from __future__ import annotations

import base64
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from diffsim.errors import ArgumentError, RunError
from studies import animate
from studies._animation_render import Renderer
from studies._gif import gif_delays, gif_stride
from systems import DoublePendulum, Pendulum

ROOT = Path(__file__).parents[2]
START = [2.0, 1.5, 0.0, 0.0]
posix = pytest.mark.skipif(os.name != "posix", reason="uses signals and shell scripts")


@pytest.fixture(scope="module")
def film():
    return animate(DoublePendulum(), START, (0.0, 2.0), fps=30, size=(320, 240))


def decode(path):
    """Return what ffmpeg says of a video, its frame rate, and all its frames (n, height, width, 3)."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    said = subprocess.run([program, "-i", str(path)], capture_output=True, text=True, check=False).stderr
    width, height = (int(n) for n in re.search(r"Video:.*?, (\d+)x(\d+)", said).groups())
    rate = float(re.search(r"([\d.]+) fps", said).group(1))
    command = [program, "-loglevel", "error", "-i", str(path), "-fps_mode", "passthrough", "-f", "rawvideo"]
    pixels = subprocess.run([*command, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return said, rate, np.frombuffer(pixels, np.uint8).reshape(-1, height, width, 3)


def test_mp4_decodes_to_the_frames_that_were_drawn(film, tmp_path):
    path = film.save(tmp_path / "film.mp4")
    said, rate, frames = decode(path)
    assert "Video: h264" in said
    assert "yuv420p(tv, bt709" in said
    assert "Duration: 00:00:02.00" in said
    assert film.duration == 2.0
    assert rate == 30.0
    assert frames.shape == (60, 240, 320, 3)
    for index in (0, 29, 59):
        drawn = film.frame(index).astype(float)
        assert np.abs(frames[index] - drawn).mean() < 2.0
        bob = np.argwhere((drawn == (0, 114, 178)).all(axis=-1)).mean(axis=0).astype(int)
        np.testing.assert_allclose(frames[index][tuple(bob)], (0, 114, 178), atol=14)


def test_mp4_has_its_index_first_so_that_it_streams(film, tmp_path):
    data = film.save(tmp_path / "film.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(("fps", "rate"), [(29.97, 29.97), (Fraction(30000, 1001), 29.97), (24, 24.0), (0.5, 0.5)])
def test_mp4_keeps_the_frame_rate(tmp_path, fps, rate):
    film = animate(Pendulum(), [1.0, 0.0], (0.0, 6.0), fps=fps, size=(64, 64))
    _, found, frames = decode(film.save(tmp_path / "film.mp4"))
    assert len(frames) == film.n_frames
    assert found == pytest.approx(rate, abs=0.01)


def test_video_needs_no_ffmpeg_on_the_path(film, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert film.save(tmp_path / "film.mp4").stat().st_size > 1000


def test_ffmpeg_on_the_path_is_never_used(film, tmp_path, monkeypatch):
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "ffmpeg")
    with pytest.raises(RunError, match="no ffmpeg of its own"):
        film.save(tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


def test_gif_opens_in_pillow_with_all_frames_and_the_right_duration(film, tmp_path):
    path = film.save(tmp_path / "film.gif")
    with Image.open(path) as image:
        assert image.n_frames == 60
        assert image.size == (320, 240)
        assert image.info["loop"] == 0
        lasts = 0
        for index in range(60):
            image.seek(index)
            lasts += image.info["duration"]
            if index in (0, 31, 59):
                shown, drawn = np.asarray(image.convert("RGB")).astype(int), film.frame(index).astype(int)
                assert np.abs(shown - drawn).mean() < 0.7
                assert np.abs(shown - drawn).max() < 60
                assert tuple(shown[0, 0]) == (255, 255, 255)
        assert lasts == 2000


def test_gif_of_sixty_frames_a_second_keeps_real_time_with_every_second_frame(tmp_path):
    film = animate(Pendulum(), [1.0, 0.0], (0.0, 1.0), fps=60, size=(96, 64))
    with Image.open(film.save(tmp_path / "film.gif")) as image:
        assert image.n_frames == 30
        lasts = 0
        for index in range(30):
            image.seek(index)
            lasts += image.info["duration"]
    assert lasts == 1000


def test_gif_of_a_motionless_system_keeps_its_frames(tmp_path):
    film = animate(Pendulum(), [0.0, 0.0], (0.0, 1.0), fps=10, size=(96, 64), trail=0)
    with Image.open(film.save(tmp_path / "film.gif")) as image:
        assert image.n_frames == 10


@given(st.fractions(Fraction(1, 2), 200), st.integers(1, 3000))
def test_gif_delays_never_drift_from_the_video(fps, n_frames):
    stride = gif_stride(fps)
    n_shown = len(range(0, n_frames, stride))
    delays = gif_delays(n_frames, n_shown, fps)
    assert len(delays) == n_shown
    assert min(delays) >= 2  # what browsers play at its true speed
    starts = np.concatenate([[0], np.cumsum(delays)[:-1]])
    for j in {0, n_shown // 2, n_shown - 1}:
        assert abs(starts[j] - 100 * stride * j / fps) <= Fraction(1, 2)


def test_capital_ending_is_known(tmp_path):
    film = animate(Pendulum(), [1.0, 0.0], (0.0, 0.2), fps=10, size=(64, 64))
    assert film.save(tmp_path / "FILM.MP4").stat().st_size > 500


def test_video_tag_holds_the_whole_video(film, tmp_path):
    tag = film.to_html5_video()
    code = re.search(r"base64,([A-Za-z0-9+/=]+)", tag)
    (tmp_path / "film.mp4").write_bytes(base64.b64decode(code.group(1)))
    assert len(decode(tmp_path / "film.mp4")[2]) == film.n_frames
    assert 'width="320"' in tag
    assert "controls" in tag


def test_notebook_shows_the_video_and_a_small_document(film):
    page = film._repr_html_()
    assert page.startswith("<video")
    assert len(page) < 500_000


def test_notebook_gets_words_instead_of_a_film_that_is_too_long(monkeypatch):
    film = animate(Pendulum(), [1.0, 0.0], (0.0, 200.0), fps=60)
    monkeypatch.setattr(Renderer, "draw", lambda *_: pytest.fail("rendered before it was known to be too long"))
    page = film._repr_html_()
    assert "<video" not in page
    assert "12000 frames" in page
    assert "save(" in page
    assert len(page) < 1000


def test_video_over_its_budget_is_refused_with_the_number(film):
    with pytest.raises(RunError, match=r"larger than max_megabytes=0\.001"):
        film.to_html5_video(max_megabytes=0.001)


@pytest.mark.parametrize("name", ["film.avi", "film", "film.mp4.txt"])
def test_unknown_format_is_refused_with_those_that_there_are(film, tmp_path, name):
    with pytest.raises(ArgumentError, match=r"must end in \.mp4, \.gif or \.html"):
        film.save(tmp_path / name)


@pytest.mark.parametrize("name", ["film.mp4", "film.gif"])
def test_missing_folder_is_told_before_anything_is_drawn(film, tmp_path, monkeypatch, name):
    monkeypatch.setattr(Renderer, "__init__", lambda *_: pytest.fail("rendered before the path was checked"))
    with pytest.raises(ArgumentError, match="folder that exists"):
        film.save(tmp_path / "missing" / name)


@pytest.mark.parametrize("quality", [-1, 52, 1.5, True])
def test_wrong_quality_is_refused(film, tmp_path, quality):
    with pytest.raises(ArgumentError, match="quality must be an integer from 0"):
        film.save(tmp_path / "film.mp4", quality=quality)


@pytest.mark.parametrize("name", ["film.mp4", "film.gif"])
def test_exception_while_drawing_leaves_the_old_file_and_no_other(film, tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"old")
    draw = Renderer.draw

    def fail(self, index):
        if index == 40:
            raise ZeroDivisionError
        return draw(self, index)

    monkeypatch.setattr(Renderer, "draw", fail)
    with pytest.raises(ZeroDivisionError):
        film.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"


def fake_ffmpeg(folder, monkeypatch, body):
    """Make imageio-ffmpeg find a script that names libx264 among its encoders and then does `body`."""
    script = folder / "ffmpeg-fake"
    script.write_text(f'#!/bin/sh\ncase "$*" in *-encoders*) echo libx264; exit 0;; esac\n{body}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(script))


@posix
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "head -c 100000 >/dev/null; echo 'No space left on device' >&2; exit 28",
            "status 28 .* No space left on device",
        ),
        ("cat >/dev/null; echo 'Conversion failed!' >&2; exit 1", "status 1 .* Conversion failed!"),
        ("head -c 100000 >/dev/null; kill -9 $$", "killed by signal 9"),
    ],
)
def test_encoder_that_dies_is_reported_with_its_own_words(film, tmp_path, monkeypatch, body, words):
    fake_ffmpeg(tmp_path, monkeypatch, body)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(RunError, match=words):
        film.save(out / "film.mp4")
    assert list(out.iterdir()) == []


@posix
def test_encoder_without_h264_is_reported_before_anything_is_drawn(film, tmp_path, monkeypatch):
    fake_ffmpeg(tmp_path, monkeypatch, "exit 0")
    script = tmp_path / "ffmpeg-fake"
    script.write_text(script.read_text().replace("echo libx264", "echo mpeg4"))
    monkeypatch.setattr(Renderer, "__init__", lambda *_: pytest.fail("rendered before the encoder was checked"))
    with pytest.raises(RunError, match=r"no H\.264 encoder"):
        film.save(tmp_path / "film.mp4")


INTERRUPTED = """
    import signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is born with SIGINT ignored
    from studies import animate
    from systems import Pendulum
    film = animate(Pendulum(), [1.0, 0.0], (0.0, 600.0), fps=60, method="RK4", step=0.1)
    print("ready", flush=True)
    film.save(sys.argv[1])
"""


def _interrupted(run):
    """Press Ctrl-C until a process ends, and return its last words: a library's compiled code may swallow one."""
    for _ in range(12):
        run.send_signal(signal.SIGINT)
        try:
            return run.communicate(timeout=10)[1]
        except subprocess.TimeoutExpired:
            continue
    return ""


def _size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a trial file of the check that the folder can be written to
        return 0


@posix
@pytest.mark.parametrize("name", ["film.mp4", "film.gif"])
def test_interrupted_run_leaves_no_file_and_no_ffmpeg(tmp_path, name):
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), str(tmp_path / name)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        try:
            assert run.stdout.readline() == "ready\n"
            deadline = time.monotonic() + 120
            while not any(_size(path) for path in tmp_path.iterdir()) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert run.poll() is None
            children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
            encoders = [int(pid) for pid in children.read_text().split()] if children.exists() else []
            errors = _interrupted(run)
        finally:
            run.kill()
    assert "KeyboardInterrupt" in errors or "draw" in errors  # matplotlib's compiled code makes a ValueError of it
    assert run.returncode != 0
    assert list(tmp_path.iterdir()) == []
    for pid in encoders:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_saving_takes_no_more_memory_for_more_frames(tmp_path):
    def peak(span, name):
        film = animate(Pendulum(), [1.0, 0.0], (0.0, span), fps=50, size=(320, 240), method="RK4", step=0.05)
        tracemalloc.start()
        film.save(tmp_path / name)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    for name in ("film.mp4", "film.gif"):
        peak(0.2, name)
        assert peak(3.0, name) - peak(0.8, name) < 400_000  # 110 frames more are 34 MB of pixels


@pytest.mark.slow
@pytest.mark.parametrize("name", ["film.mp4", "film.gif"])
def test_process_does_not_grow_between_300_and_3000_frames(tmp_path, name):
    code = """
        import resource, sys
        from studies import animate
        from systems import DoublePendulum
        for n in (300, 3000):
            film = animate(DoublePendulum(), [2.0, 1.5, 0.0, 0.0], (0.0, n / 50), fps=50)
            film.save(sys.argv[1])
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / name)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    few, many = (int(line) for line in run.stdout.split())
    assert many - few < 8_000  # kilobytes; 2,700 frames are 3.3 GB of pixels
