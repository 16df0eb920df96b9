"""``diffsim lyapunov``: what it prints and writes, for a system of the zoo, a map, and a user's own file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffsim.cli import main

STEPS = ("--method", "RK4", "--step", "0.01")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_spectrum_is_printed_and_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["lyapunov", "Lorenz63", "--t-total", "500", *STEPS, "--out", "l.png", "--out", "l.npz"]
    assert main(call) == 0
    text = capsys.readouterr().out
    assert "Lorenz63: 500 s with RK4, h = 0.01 s" in text
    assert "sum of the exponents -13.666" in text
    assert "mean divergence -13.6667" in text
    assert "Kaplan-Yorke dimension 2.06" in text
    assert "a small error grows tenfold in 2.5" in text
    assert (place / "l.png").read_bytes().startswith(b"\x89PNG")
    with np.load("l.npz") as numbers:
        assert numbers["growth"].shape == (3, 1, 1000)


def test_several_starts_and_few_exponents(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    starts = ["--y0", "1,1,20", "--y0", "x=2,y=1,z=15"]
    assert main(["lyapunov", "Lorenz63", *starts, "--count", "1", "--t-total", "100", *STEPS]) == 0
    text = capsys.readouterr().out
    assert "100 s from each of 2 starts" in text
    assert "sum of the exponents" not in text


def test_indicators_are_asked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lyapunov", "LogisticMap", "--set", "r=3.5", "--indicators"]) == 0
    text = capsys.readouterr().out
    assert "1/iteration" in text
    assert "verdict: regular" in text
    assert "megno" in text


def test_users_own_hamiltonian_system(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from systems import System\n\n\n"
        "@dataclass(frozen=True)\n"
        "class Spring(System):\n"
        "    stiffness: float = 4.0\n"
        '    state_names = ("x", "p")\n'
        "    default_state = (1.0, 0.0)\n"
        "    canonical = True\n\n"
        "    def rates(self, t, state):\n"
        "        x, p = state\n"
        "        return (p, -self.stiffness * x)\n"
    )
    assert main(["lyapunov", "mine.py:Spring", "--t-total", "100", *STEPS]) == 0
    text = capsys.readouterr().out
    assert "largest sum of a pair" in text
    assert "grows tenfold" not in text
