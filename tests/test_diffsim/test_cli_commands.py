"""What each command prints and writes."""

from __future__ import annotations

import csv
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

from diffsim.cli import main

SWING = '''
from __future__ import annotations
from dataclasses import dataclass
from diffsim import ops
from systems import System

@dataclass(frozen=True)
class Swing(System):
    """A pendulum without units or a default start."""
    length: float = 2.0
    state_names = ("theta", "omega")
    angles = (0,)

    def rates(self, t, state):
        theta, omega = state
        return omega, -9.8 / self.length * ops.sin(theta)

    @property
    def invariants(self):
        return {"energy": lambda s: 0.5 * s[1] ** 2 - 9.8 / self.length * ops.cos(s[0])}

class Wrong(Swing):
    """Claims an invariant that is none."""

    @property
    def invariants(self):
        return {"energy": lambda s: 0.5 * s[1] ** 2 + 9.8 / self.length * ops.cos(s[0])}

class Still(Swing):
    @property
    def equilibria(self):
        return {"here": (1.0, 0.0)}

class Short(Swing):
    def rates(self, t, state):
        return state[1], state[1] / 0.0
'''


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "swing.py").write_text(textwrap.dedent(SWING))
    return tmp_path


def _magic(file: Path) -> bytes:
    return file.read_bytes()[:12]


# -- systems -----------------------------------------------------------------------------------------------------


def test_systems_lists_all_in_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    import systems

    assert main(["systems"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if re.match(r"  \S", line)] == systems.names()
    assert max(map(len, lines)) <= 100
    assert any(re.match(r"  Lorenz63 +Three amplitudes of a fluid layer heated from below", line) for line in lines)
    assert lines[-1].startswith(f"{len(systems.names())} systems.")


def test_systems_describes_one_by_name_or_from_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["systems", "DoublePendulum"]) == 0
    text = capsys.readouterr().out
    assert "Two uniform rods" in text
    assert "hanging, inverted" in text
    assert "theta_1 [rad], theta_2 [rad], p_1 [kg m^2/s], p_2 [kg m^2/s]" in text
    assert "gravity=9.8 [m/s^2]" in text
    assert main(["systems", "BouncingBall"]) == 0
    assert re.search(r"^events +\w", capsys.readouterr().out, re.MULTILINE)
    assert main(["systems", "swing.py:Swing"]) == 0
    text = capsys.readouterr().out
    assert "A pendulum without units" in text
    assert "none: give --y0" in text


# -- simulate ----------------------------------------------------------------------------------------------------


def test_simulate_writes_the_same_trajectory_in_every_format(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = [f"run{suffix}" for suffix in (".csv", ".npz", ".png", ".svg", ".pdf")]
    arguments = ["simulate", "HarmonicOscillator", "--y0", "1,0", "--t-end", "2", "--points", "5"]
    assert main([*arguments, *(word for output in outputs for word in ("--out", output))]) == 0
    text = capsys.readouterr().out
    assert "state at t=2" in text
    assert [output for output in outputs if f"wrote {output}" not in text] == []
    with open("run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["t"]) for row in rows] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert np.allclose([float(row["x"]) for row in rows], np.cos([0.0, 0.5, 1.0, 1.5, 2.0]), atol=1e-7)
    with np.load("run.npz") as arrays:
        assert np.array_equal(arrays["y"][1], [float(row["p"]) for row in rows])
        assert arrays["state_names"].tolist() == ["x", "p"]
        assert dict(zip(arrays["parameter_names"], arrays["parameter_values"], strict=True))["mass"] == 1.0
    assert _magic(place / "run.png").startswith(b"\x89PNG")
    assert b"<svg" in (place / "run.svg").read_bytes()
    assert _magic(place / "run.pdf").startswith(b"%PDF")
    written = {*outputs, "run.csv-metadata.json"}
    assert {file.name for file in place.iterdir()} - {"__pycache__"} == {"swing.py", *written}


def test_simulate_takes_parameters_a_start_by_name_and_a_step(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", "stiffness=4,mass=1", "--y0", "x=-0.5", "--step", "0.01", "--t-end", "1"]
    assert main(["simulate", "HarmonicOscillator", *options]) == 0
    found = re.search(r"state at t=1 +x=(\S+), p=(\S+)", capsys.readouterr().out)
    assert found is not None
    assert abs(float(found.group(1)) + 0.5 * np.cos(2.0)) < 1e-8


def test_simulate_with_a_fixed_step_takes_that_step_and_reports_each(place: Path) -> None:
    arguments = ["simulate", "HarmonicOscillator", "--method", "Euler", "--step", "0.25", "--t-end", "1"]
    assert main([*arguments, "--out", "a.csv"]) == 0
    with open("a.csv", newline="") as file:
        rows = [(float(row["t"]), complex(float(row["x"]), float(row["p"]))) for row in csv.DictReader(file)]
    # x' = p, p' = -x: a step multiplies x + i p by 1 - i h.
    assert np.allclose([z for _, z in rows], [(1 - 0.25j) ** k for k in range(5)], atol=1e-14)
    assert [t for t, _ in rows] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_simulate_accepts_a_start_that_begins_with_a_minus_sign(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "HarmonicOscillator", "--y0", "-1,0", "--t-end", "1"]) == 0
    assert "x=-0.5403" in capsys.readouterr().out


def test_simulate_runs_a_system_of_ones_own(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "swing.py:Swing", "--y0", "pi/2,0", "--t-end", "1", "--out", "a.png"]) == 0
    assert "energy" in capsys.readouterr().out
    assert main(["simulate", "swing.py:Swing"]) == 2
    assert "Swing has no start of its own" in capsys.readouterr().err


def test_simulate_says_with_exit_code_1_that_a_solve_failed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "blow.py").write_text(
        "from dataclasses import dataclass\nfrom systems import System\n"
        "@dataclass(frozen=True)\nclass Blow(System):\n    state_names = ('x',)\n"
        "    def rates(self, t, state):\n        return (state[0] * state[0],)\n"
    )
    assert main(["simulate", "blow.py:Blow", "--y0", "1", "--t-end", "2", "--out", "a.csv"]) == 1
    assert "-1" in capsys.readouterr().out


# -- check -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["Kepler", "swing.py:Swing"])
def test_check_passes_what_is_right(place: Path, capsys: pytest.CaptureFixture[str], system: str) -> None:
    assert main(["check", system, "--states", "3"]) == 0
    text = capsys.readouterr().out
    assert "FAILED" not in text
    assert "energy is constant along the field" in text
    assert text.endswith(" checks passed or do not apply.\n")


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("Wrong", r"energy is constant along the field  *FAILED"),
        ("Wrong", r"at    state theta=1.0, omega=1.0; t=0.0; Wrong\(length=2.0\)"),
        ("Still", r"nothing moves at here  *FAILED"),
        ("Still", r"the rate there moves omega by -4.12"),
        ("Short", r"one number a component  *FAILED"),
        ("Short", r"mend  If it is no state that the system may take"),
    ],
)
def test_check_finds_a_planted_fault(place: Path, capsys: pytest.CaptureFixture[str], system: str, words: str) -> None:
    assert main(["check", f"swing.py:{system}", "--states", "3", "--interpreted"]) == 1
    text = capsys.readouterr().out
    assert re.search(words, text)
    assert re.search(r"\d of \d+ checks failed.$", text)


def test_check_draws_the_same_states_for_the_same_seed(capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for _ in range(2):
        assert main(["check", "Lorenz63", "--states", "2", "--seed", "5", "--interpreted"]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_check_is_told_where_to_look_and_how_strict_to_be(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--states", "2", "--interpreted"]
    assert main(["check", "swing.py:Swing", *options, "--strict"]) == 1
    text = capsys.readouterr().out
    assert "units are present: state_units must have 2 entries (theta, omega); it has 0" in text
    (place / "root.py").write_text(
        "from dataclasses import dataclass\nfrom diffsim import ops\nfrom systems import System\n"
        "@dataclass(frozen=True)\nclass Root(System):\n    state_names = ('x',)\n"
        "    def rates(self, t, state):\n        return (ops.sqrt(state[0] - 2.0),)\n"
    )
    assert main(["check", "root.py:Root", *options]) == 1
    assert "the rate of x is nan" in capsys.readouterr().out
    assert main(["check", "root.py:Root", *options, "--y0", "x=9", "--spread", "0.01", "--t-end", "0.5"]) == 0


# -- sensitivity, balance, animate ---------------------------------------------------------------------------------


def test_sensitivity_writes_a_map_and_ranks_the_starts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    axes = ["--axis", "theta_1=-pi:pi:6", "--axis", "gravity=1:9.8:5"]
    options = ["--t-end", "0.5", "--step", "0.05", "--rank", "2"]
    assert main(["sensitivity", "DoublePendulum", *axes, *options, "--out", "m.png", "--out", "m.npz"]) == 0
    text = capsys.readouterr().out
    assert "most sensitive" in text
    assert "least sensitive" in text
    assert _magic(place / "m.png").startswith(b"\x89PNG")
    with np.load("m.npz") as arrays:
        assert arrays["values"].shape == (6, 5)


def test_balance_prints_momenta_that_balance(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["balance", "Pendulum", "--angles", "0.5", "--out", "b.npz", "--out", "b.png"]) == 0
    text = capsys.readouterr().out
    found = re.search(r"momenta +p=(\S+)", text)
    assert found is not None
    # The separatrix: p^2 / 2 = g (1 + cos theta).
    assert abs(abs(float(found.group(1))) - 2.0 * 9.8**0.5 * np.cos(0.25)) < 1e-9
    with np.load("b.npz") as arrays:
        assert float(arrays["momenta"][0]) == float(found.group(1))


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_animate_writes_a_film_of_several_starts(place: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    starts = ["--y0", "-1,1,0,0", "--y0", "theta_1=1.01"]
    size = ["--width", "160", "--height", "120", "--fps", "20", "--t-end", "0.5"]
    assert main(["animate", "DoublePendulum", *starts, *size, "--out", f"film{suffix}"]) == 0
    assert "10 frames, 0.5 s at 20 fps" in capsys.readouterr().out
    assert _magic(place / f"film{suffix}")[4:8] == b"ftyp" if suffix == ".mp4" else b"GIF8"


def test_animate_draws_a_plane_of_the_state(place: Path) -> None:
    size = ["--width", "160", "--height", "120", "--fps", "10", "--t-end", "0.5"]
    assert main(["animate", "Lorenz63", "--plane", "x,z", *size, "--out", "film.gif"]) == 0


# -- tour --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_quick_tour_writes_everything_and_its_gradients_agree(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tour", "--quick", "--out", "here/tour"]) == 0
    folder = place / "here" / "tour"
    names = {"sensitivity.png", "balance.png", "balance.mp4", "gradients.csv", "summary.html"}
    assert {file.name for file in folder.iterdir()} == names
    page = (folder / "summary.html").read_text()
    assert set(re.findall(r'src="([^"]+)"', page)) <= names
    text = capsys.readouterr().out
    assert "reverse" in text
    assert "NO" not in text
    stay = re.search(r"for (\d+\.\d+) s", text)
    assert stay is not None
    assert float(stay.group(1)) >= 2.0


def test_a_page_is_well_formed_whatever_its_texts_hold() -> None:
    from xml.etree import ElementTree

    from diffsim.cli.page import Page

    page = Page("a < b & c")
    page.heading("`x` <script>")
    page.text('quotes " and & and `code < 1`')
    page.table(["name", "value"], [["a<b", "1.5"], ["c", "-2e-3"]])
    page.table(["", ""], [["a", "b"]])
    page.picture('odd " name.png', "caption <b>")
    page.film("film.mp4", "caption")
    text = page.render()
    assert "<script>" not in text
    body = text[text.index("<body>") : text.index("</body>") + len("</body>")]
    for tag in ("img", "video"):
        body = re.sub(rf"<{tag}([^>]*?)(controls loop muted playsinline)?>", rf"<{tag}\1>", body)
    tree = ElementTree.fromstring(re.sub(r"<img([^>]*)>", r"<img\1/>", body))
    assert len(tree.findall(".//tr")) == 4
    assert tree.find(".//img").get("src") == 'odd " name.png'  # type: ignore[union-attr]
    assert [cell.get("class") for cell in tree.findall(".//tr")[1]] == [None, "number"]
