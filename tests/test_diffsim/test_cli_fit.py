"""``diffsim fit``: what it prints and writes, from files of the user's, and how it answers mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffsim.cli import main
from studies import Fit, fit
from systems import HarmonicOscillator

TIMES = np.linspace(0.0, 6.0, 41)
X = np.cos(1.5 * TIMES) + 0.01 * np.random.default_rng(0).normal(size=41)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [f"{float(t)!r},{float(x)!r}" for t, x in zip(TIMES, X, strict=True)]
    (tmp_path / "x.csv").write_text("t,x\n" + "\n".join(rows) + "\n")
    rows = [f"{float(t)!r},{float(3.0 * x)!r}" for t, x in zip(TIMES, X, strict=True)]
    (tmp_path / "pull.csv").write_text("t,pull\n" + "\n".join(rows) + "\n")
    return tmp_path


def test_table_and_files_are_those_of_the_call(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["fit", "HarmonicOscillator", "x.csv", "--free", "stiffness,x", "--sigma", "0.01", "--set", "stiffness=2"]
    assert main([*call, "--y0", "1,0", "--out", "f.png", "--out", "f.npz"]) == 0
    expected = fit(
        HarmonicOscillator(stiffness=2.0), (TIMES, {"x": X}), [1.0, 0.0], free=("stiffness", "x"), sigma=0.01
    )
    told = capsys.readouterr().out
    assert expected.summary() in told
    assert "wrote f.png" in told
    assert (place / "f.png").read_bytes().startswith(b"\x89PNG")
    again = Fit.load(place / "f.npz")
    assert again.x.tolist() == expected.x.tolist()
    assert again.found["stiffness"] == pytest.approx(2.25, abs=4.0 * again.errors[0])


def test_formula_bound_prior_and_named_deviation(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["fit", "HarmonicOscillator", "pull.csv", "--free", "stiffness", "--observe", "pull = 3 * x"]
    more = ["--sigma", "pull=0.03", "--bound", "stiffness=1:", "--prior", "stiffness=2.2:0.001", "--y0", "1,0"]
    assert main([*call, *more, "--set", "stiffness=2"]) == 0
    told = capsys.readouterr().out
    line = next(line for line in told.splitlines() if line.startswith("stiffness"))
    assert 2.2 < float(line.split()[1]) < 2.25  # between the prior and the data
    assert "41 degrees of freedom" in told


def test_formula_may_hold_what_is_fitted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 3 x is (stiffness + 0.75) x at the stiffness 2.25 that the motion says; a frozen one would give another answer
    call = ["fit", "HarmonicOscillator", "pull.csv", "--free", "stiffness", "--y0", "1,0", "--set", "stiffness=2"]
    assert main([*call, "--observe", "pull=(stiffness + 0.75) * x"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("stiffness"))
    assert float(line.split()[1]) == pytest.approx(2.25, abs=0.01)


def test_users_own_system_and_a_search_that_runs_out(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from systems import System\n\n\n"
        "@dataclass(frozen=True)\n"
        "class Spring(System):\n"
        "    pull: float = 1.0\n"
        '    state_names = ("x", "v")\n'
        "    default_state = (1.0, 0.0)\n\n"
        "    def rates(self, t, state):\n"
        "        x, v = state\n"
        "        return v, -self.pull * x\n"
    )
    call = ["fit", "mine.py:Spring", "x.csv", "--free", "pull", "--shooting", "single"]
    assert main(call) == 0
    assert "pull" in capsys.readouterr().out
    assert main([*call, "--max-iterations", "1"]) == 1
    assert "stopped after 1 evaluations" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["nowhere.csv", "--free", "mass"], "must name a CSV file that is there; got data='nowhere.csv'"),
        (["x.csv"], "missing: --free"),
        (["x.csv", "--free", "mas"], "unknown state component or parameter 'mas'"),
        (["pull.csv", "--free", "mass"], "unknown observed quantity 'pull'"),
        (["x.csv", "--free", "mass", "--sigma", "much"], "--sigma must be a number; got 'much'"),
        (["x.csv", "--free", "mass", "--sigma", "1", "--sigma", "2"], "must name its column"),
        (["x.csv", "--free", "mass", "--bound", "mass=1"], "must be written as in gravity=0:20"),
        (["x.csv", "--free", "mass", "--bound", "mass=a:1"], "--bound mass must be a number; got 'a'"),
        (["x.csv", "--free", "mass", "--bound", "mass=2:3"], "bounds['mass'] must hold the start, 1"),
        (["x.csv", "--free", "mass", "--prior", "mass"], "must be written as in gravity=9.8:0.1"),
        (["pull.csv", "--free", "mass", "--observe", "pull=3 * y"], "--observe: unknown name 'y'"),
        (["pull.csv", "--free", "mass", "--observe", "pull"], "must be written as in"),
        (["x.csv", "--free", "mass", "--out", "a.gif"], "must end in .png, .svg, .pdf or .npz"),
        (["x.csv", "--free", "mass", "--window", "0"], "window must be > 0"),
        (["x.csv", "--free", "mass", "--sigmas", "1"], "unknown argument '--sigmas'. Did you mean --sigma?"),
    ],
)
def test_mistake_is_answered_in_a_line(
    more: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "HarmonicOscillator", *more]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
