"""`diffsim simulate`: times, methods, derivatives, where a result comes from, formulas; nothing left behind."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diffsim.cli import main
from diffsim.cli.expression import FUNCTIONS, parse
from diffsim.errors import ArgumentError
from integrators._methods import flow_methods, method_class

NAMES, PARAMETERS = ("theta", "p"), {"gravity": 9.8}
OSCILLATOR = ["simulate", "HarmonicOscillator", "--y0", "1,0"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _rows(file: str) -> list[dict[str, str]]:
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


# -- formulas ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("theta", 0.5),
        ("-y[1] + 2", 4.0),
        ("theta ** 2 / gravity * 3", 0.25 / 9.8 * 3),
        ("p * cos(t) - pi", -2.0 * math.cos(3.0) - math.pi),
        ("atan2(p, theta)", math.atan2(-2.0, 0.5)),
        ("maximum(abs(p), 1e0) - (1 - 2)", 3.0),
    ],
)
def test_a_formula_is_what_it_says(text: str, value: float) -> None:
    assert parse("--event", text, NAMES, PARAMETERS)(3.0, [0.5, -2.0]) == pytest.approx(value, rel=1e-15)


def test_every_function_of_formulas_is_one_of_the_table() -> None:
    for name in FUNCTIONS:
        arguments = "0.5, 0.25" if name in ("atan2", "hypot", "minimum", "maximum") else "0.5"
        assert math.isfinite(parse("--event", f"{name}({arguments})", NAMES, {})(0.0, [0.0, 0.0]))


def test_a_formula_can_be_differentiated() -> None:
    import diffsim as ds

    formula = parse("--event", "sin(theta) * p", NAMES, {})
    assert ds.grad(lambda y: formula(0.0, y))(np.array([0.5, 2.0])).tolist() == [2.0 * math.cos(0.5), math.sin(0.5)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__import__('os').system('true')", "cannot stand in a formula"),
        ("open('x')", "unknown function 'open'"),
        ("y.__class__", "cannot stand in a formula"),
        ("(lambda: 1)()", "cannot stand in a formula"),
        ("[x for x in y]", "cannot stand in a formula"),
        ("theta if p else t", "cannot stand in a formula"),
        ("theta < 1", "cannot stand in a formula"),
        ("y[theta]", "cannot stand in a formula"),
        ("y[-1]", "cannot stand in a formula"),
        ("y[2]", r"must be one of y\[0\] to y\[1\]"),
        ("thta", "Did you mean 'theta'"),
        ("sin(t, p)", "sin takes 1 argument"),
        ("atan2(t)", "atan2 takes 2 arguments"),
        ("sin(t=1)", "cannot stand in a formula"),
        ("'text'", "cannot stand in a formula"),
        ("1j", "cannot stand in a formula"),
        ("True", "cannot stand in a formula"),
        ("9" * 400, "cannot stand in a formula"),
        ("", "must be a formula such as"),
        ("theta +", "must be a formula such as"),
        ("x = 1", "must be a formula such as"),
        ("t" * 501, "at most 500 characters"),
        ("(" * 250 + "t" + ")" * 249, "formula"),
    ],
)
def test_everything_else_is_refused(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        parse("--event", text, NAMES, PARAMETERS)


# -- times and methods -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", flow_methods())
def test_every_method_is_reached_by_its_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    adaptive = method_class(name)().adaptive
    how = ["--rtol", "1e-4", "--atol", "1e-4"] if adaptive else ["--step", "0.05"]
    assert main([*OSCILLATOR, "--t-end", "1", "--method", name, *how, "--t-eval", "1"]) == 0
    found = re.search(r"state at t=1 +x=(\S+),", capsys.readouterr().out)
    assert found is not None
    assert abs(float(found.group(1)) - math.cos(1.0)) < 0.03


def test_times_are_those_that_are_asked_for(place: Path) -> None:
    assert main([*OSCILLATOR, "--t-end", "2", "--t-eval", "0,pi/4,2", "--out", "a.csv"]) == 0
    assert [float(row["t"]) for row in _rows("a.csv")] == [0.0, math.pi / 4, 2.0]
    assert main([*OSCILLATOR, "--t-end", "2", "--t-eval", "0:2:5", "--out", "a.csv"]) == 0
    assert [float(row["t"]) for row in _rows("a.csv")] == [0.0, 0.5, 1.0, 1.5, 2.0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--points", "3", "--t-eval", "1"], "--points and --t-eval exclude each other"),
        (["--samples", "3", "--t-eval", "1"], "--t-eval and --samples exclude each other"),
        (["--t-eval", "0:1"], "must be times such as 0,0.5,2 or LOW:HIGH:N"),
        (["--t-eval", "1,0"], "t_eval"),
        (["--t-eval", "11"], "t_eval"),
        (["--terminal", "--event", "x"], "--terminal must stand behind the --event"),
        (["--event", "x", "--direction", "2"], "--direction: D must be 1, -1 or 0"),
        (["--event", "y[7]"], r"--event: y\[7\] must be one of y\[0\] to y\[1\]"),
        (["--event", "x", "--terminal-after", "0"], "must be a whole number, 1 or more"),
        (["--sensitivities", "mas"], "Did you mean 'mass'"),
        (["--max-step", "0"], "max_step"),
        (["--samples", "5", "--sensitivities", "y0"], "a .csv file has no derivatives at --samples"),
    ],
)
def test_a_wrong_option_is_one_line_with_exit_code_2(
    place: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main([*OSCILLATOR, *options, "--out", "a.csv"]) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert re.search(words, text)
    assert list(place.iterdir()) == []


# -- what is written ---------------------------------------------------------------------------------------------


def test_derivatives_are_written_beside_the_states(place: Path) -> None:
    options = ["--sensitivities", "y0,stiffness", "--t-eval", "0,1", "--out", "a.csv", "--out", "a.npz"]
    assert main([*OSCILLATOR, "--t-end", "1", *options]) == 0
    last = _rows("a.csv")[-1]
    assert float(last["d x / d x"]) == pytest.approx(math.cos(1.0), abs=1e-8)
    assert float(last["d p / d stiffness"]) == pytest.approx(-0.5 * math.cos(1.0) - 0.5 * math.sin(1.0), abs=1e-8)
    with np.load("a.npz") as arrays:
        assert arrays["dy_dy0"].shape == (2, 2, 2)
        assert arrays["y0_names"].tolist() == ["x", "p"]
        assert arrays["param_names"].tolist() == ["stiffness"]
        assert float(last["d x / d stiffness"]) == arrays["dy_dparams"][0, 0, -1]


def test_every_file_says_where_it_comes_from(place: Path) -> None:
    assert main([*OSCILLATOR, "--t-end", "1", "--out", "a.csv", "--out", "a.npz", "--out", "a.svg"]) == 0
    told = json.loads((place / "a.csv-metadata.json").read_text())
    with np.load("a.npz") as arrays:
        made_with = json.loads(str(arrays["made_with"]))
        run = json.loads(str(arrays["run"]))
    assert told["made_with"] == made_with
    assert set(made_with) == {
        *("diffsim", "numpy", "scipy", "llvmlite", "python"),
        *("machine", "cpu", "cpu_features", "seed"),
    }
    assert made_with["numpy"] == np.__version__
    assert made_with["seed"] == "none"
    assert run["method"] == "RK45"
    assert run["rtol"] == 1e-9
    assert told["url"] == "a.csv"
    assert "cpu_features" in (place / "a.svg").read_text()


_STARVED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from diffsim.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("name", ["a.csv", "a.npz"])
def test_a_full_disk_leaves_nothing_behind(place: Path, name: str) -> None:
    """A limit on the size of files stands for the disk: the system refuses the write in the same way."""
    command = [sys.executable, "-c", _STARVED.format(limit=5000), *OSCILLATOR, "--points", "1001", "--out", name]
    environment = {**os.environ, "DIFFSIM_CACHE": "off", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=place, check=False)
    assert done.returncode == 2, done.stderr
    assert "full" in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert list(place.iterdir()) == []


def test_a_folder_that_takes_no_files_is_told_before_the_solve(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*OSCILLATOR, "--out", "/proc/a.csv"]) == 2
    assert "/proc/a.csv" in capsys.readouterr().err


def test_help_is_quick_to_start() -> None:
    """No numbers, no solver, no plots for a page of text."""
    code = "import sys; from diffsim.cli import main; main(['simulate', '--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.rpartition("\n[")[2]
    assert "--terminal-after" in done.stdout
    assert [name for name in ("numpy", "scipy", "matplotlib", "llvmlite", "integrators") if f"'{name}'" in loaded] == []


@pytest.mark.parametrize(
    "method", [["--method", "DOP853"], ["--method", "RK4", "--step", "0.05"], ["--compiled", "no"]]
)
def test_samples_are_those_of_the_dense_output(place: Path, method: list[str]) -> None:
    options = ["--samples", "7", "--out", "a.csv", "--out", "a.npz"]
    assert main([*OSCILLATOR, "--t-end", "3", *method, *options]) == 0
    times = [float(row["t"]) for row in _rows("a.csv")]
    assert np.allclose(times, np.linspace(0.0, 3.0, 7), rtol=1e-15)
    assert np.allclose([float(row["x"]) for row in _rows("a.csv")], np.cos(times), atol=1e-6)
    with np.load("a.npz") as arrays:
        assert arrays["y"].shape == (2, 7)


# -- events ------------------------------------------------------------------------------------------------------


def test_events_are_found_counted_and_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--event", "x", "--event", "p - 0.5", "--direction", "-1", "--out", "a.npz", "--out", "a.csv"]
    assert main([*OSCILLATOR, "--t-end", "10", *options]) == 0
    text = capsys.readouterr().out
    assert re.search(r"event x +3 times: t=1\.570796327, 4\.71238898, 7\.85398163", text)
    told = json.loads((place / "a.csv-metadata.json").read_text())
    with np.load("a.npz") as arrays:
        assert np.allclose(arrays["t_events_0"], np.pi * np.array([0.5, 1.5, 2.5]), atol=1e-8)
        # p = -sin t falls through 0.5 where sin t rises through -0.5
        assert np.allclose(arrays["t_events_1"], np.pi * np.array([11 / 6]), atol=1e-8)
        assert arrays["y_events_0"].shape == (3, 2)
        assert told["events"][0]["t"] == arrays["t_events_0"].tolist()
    assert told["run"]["events"] == ["x", "p - 0.5"]


@pytest.mark.parametrize(
    ("options", "end"),
    [(["--terminal"], 0.5), (["--terminal-after", "2"], 1.5), (["--terminal", "--direction", "1"], 1.5)],
)
def test_a_terminal_event_ends_the_solve_with_exit_code_0(
    place: Path, capsys: pytest.CaptureFixture[str], options: list[str], end: float
) -> None:
    assert main([*OSCILLATOR, "--t-end", "10", "--event", "x", *options, "--samples", "3", "--out", "a.csv"]) == 0
    assert re.search(r"status +1: A termination event occurred", capsys.readouterr().out)
    assert np.allclose([float(row["t"]) for row in _rows("a.csv")], [0.0, end * np.pi / 2, end * np.pi], atol=1e-8)


def test_the_events_of_a_system_are_printed_behind_those_asked_for(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["simulate", "BouncingBall", "--t-end", "1", "--event", "velocity", "--direction", "-1"]
    assert main([*options, "--out", "a.npz", "--out", "a.csv"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"event velocity +2 times: t=0, 0\.8583325", text)
    assert re.search(r"event ground +1 time: t=0\.45175395", text)
    told = json.loads(Path("a.csv-metadata.json").read_text())
    assert told["run"]["events"] == ["velocity", "ground"]
    with np.load("a.npz") as arrays:
        assert arrays["t_events_1"] == pytest.approx(np.sqrt(2.0 / 9.8))
