"""Eight lines in a file of one's own go through every command; what a newcomer gets wrong is answered in one line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from diffsim.cli import main

SPRING = """\
from dataclasses import dataclass
from systems import System
@dataclass(frozen=True)
class Spring(System):
    stiffness: float = 4.0
    state_names = ("x", "v")
    def rates(self, t, state):
        return state[1], -self.stiffness * state[0]
"""


END = ("--y0", "1,0", "--t-end", "1")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SPRING)
    return tmp_path


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints that goes well."""
    assert main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says that cannot go well: one line."""
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("diffsim: ")


def test_the_file_has_eight_lines() -> None:
    assert len(SPRING.splitlines()) == 8


def test_simulate(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = _said(
        capsys, "simulate", "mine.py:Spring", "--y0", "1,0", "--t-end", "1", "--out", "run.csv", "--out", "a.png"
    )
    assert "state at t=1" in text
    with open("run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert np.allclose([float(row["x"]) for row in rows], np.cos(2.0 * np.linspace(0.0, 1.0, len(rows))), atol=1e-7)
    assert (place / "a.png").read_bytes().startswith(b"\x89PNG")


def test_sensitivity(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    axes = ("--axis", "x=0:1:3", "--axis", "stiffness=1:4:4")
    text = _said(capsys, "sensitivity", "mine.py:Spring", *axes, "--observable", "x", *END, "--out", "map.npz")
    assert "most sensitive" in text
    with np.load("map.npz") as arrays:
        omega = np.sqrt(np.linspace(1.0, 4.0, 4))
        # The gradient of x(1) by the start is (cos(omega), sin(omega) / omega).
        exact = np.hypot(np.cos(omega), np.sin(omega) / omega)
        np.testing.assert_allclose(arrays["values"], np.broadcast_to(exact, (3, 4)), rtol=1e-6)


def test_sensitivity_takes_its_axes_around_the_start_that_is_given(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _said(capsys, "sensitivity", "mine.py", "--y0", "1,0", "--t-end", "0.1", "--step", "0.05", "--out", "map.npz")
    with np.load("map.npz") as arrays:
        assert arrays["values"].shape == (64, 64)


def test_sensitivity_needs_no_start_where_the_axes_are_the_state(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    axes = ("--axis", "x=0:1:3", "--axis", "v=1:4:4")
    _said(capsys, "sensitivity", "mine.py", *axes, "--observable", "x", *END, "--out", "map.npz")
    with np.load("map.npz") as arrays:  # linear: the same everywhere, with omega = 2
        np.testing.assert_allclose(arrays["values"], np.full((3, 4), np.hypot(np.cos(2), np.sin(2) / 2)), rtol=1e-6)


def test_animate(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = ("--plane", "x,v", "--t-end", "1", "--fps", "5", "--width", "160", "--height", "120")
    text = _said(capsys, "animate", "mine.py:Spring", "--y0", "1,0", *film, "--out", "film.gif")
    assert "5 frames, 1 s at 5 fps" in text
    assert (place / "film.gif").read_bytes().startswith(b"GIF8")


def test_check(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = _said(capsys, "check", "mine.py:Spring", "--states", "3")
    assert "checks passed or do not apply" in text
    assert "none are declared" in text
    (place / "mine.py").write_text(SPRING.replace("-self.stiffness * state[0]", "-self.stiffness * state[0] / 0.0"))
    assert main(["check", "mine.py:Spring", "--states", "3"]) == 1
    assert "the rate of v is nan" in capsys.readouterr().out


def test_systems_describes_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = _said(capsys, "systems", "mine.py")
    assert text.startswith("Spring has no description")
    assert "stiffness=4" in text


def test_the_file_alone_will_do_for_its_only_system(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "x=-0.416" in _said(capsys, "simulate", "mine.py", "--y0", "1,0", "--t-end", "1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "simulate mine.py:Spring",
            "--y0: Spring has no start of its own. Give --y0 x=...,v=..., or write default_state",
        ),
        ("simulate mine.py --y0 x=1", "--y0: Spring has no start of its own. Give v too"),
        ("simulate mine.py --y0 1", "--y0: state must have 2 numbers (x, v); got state='1'."),
        ("simulate mine.py --y0 x=1,w=2", "Spring: unknown state component 'w'; it has x, v."),
        ("sensitivity mine.py --axis x=0:1:3 --axis stiffness=1:4:4", "--y0: Spring has no start of its own."),
        ("animate mine.py --y0 1,0 --plane x,w", "unknown state component 'w'"),
        ("check mine.py:Sprin", "unknown name 'Sprin'; it has Spring. Did you mean 'Spring'?"),
        ("check mine.py --set stifness=2", "Spring: unknown parameter 'stifness'; it has stiffness. Did you mean"),
        (
            "check mine",
            "systems: unknown system 'mine'; `diffsim systems` and systems.names() list them. Did you mean 'mine.py",
        ),
        ("check two.py", "load: two.py defines A, B; say which: two.py:A."),
        ("check none.py", "load: none.py defines no System. Write a frozen dataclass below systems.System in it."),
        ("check nothing.py", "load: the file must exist; 'nothing.py' does not exist"),
    ],
)
def test_what_a_newcomer_gets_wrong(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: str, words: str
) -> None:
    (place / "two.py").write_text(f"{SPRING.replace('Spring', 'A')}\nclass B(A):\n    pass\n")
    (place / "none.py").write_text("x = 1\n")
    assert words in _refused(capsys, *arguments.split())


@pytest.mark.parametrize(
    ("line", "instead", "words"),
    [
        ("@dataclass(frozen=True)\n", "", "Spring: stiffness would not become parameters; decorate the class"),
        ('    state_names = ("x", "v")\n', "", 'Spring: must declare its state, for example state_names = ("x", "v").'),
        ("return state[1],", "return", "rates must return 2 derivatives, one for each of x, v; got"),
        (
            "return state",
            "state",
            "rates must return 2 derivatives, one for each of x, v; got None (a missing return?)",
        ),
        ("state[0]", "state[0", "mine.py, line 8: SyntaxError"),
        ("self.stiffness", "self.stifness", "'Spring' object has no attribute 'stifness'"),
    ],
)
def test_what_a_newcomer_forgets(
    place: Path, capsys: pytest.CaptureFixture[str], line: str, instead: str, words: str
) -> None:
    assert line in SPRING
    (place / "mine.py").write_text(SPRING.replace(line, instead))
    assert words in _refused(capsys, "simulate", "mine.py:Spring", "--y0", "1,0", "--t-end", "1")
