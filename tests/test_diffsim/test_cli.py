"""The command line as a whole: help, exit codes, errors in one line, what a killed run leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from diffsim.cli import main
from diffsim.cli.entry import build_parser, command_names

ROOT = Path(__file__).parents[2]
COMMANDS = [
    "tour",
    "simulate",
    "sensitivity",
    "flips",
    "section",
    "bifurcation",
    "lyapunov",
    "balance",
    "fit",
    "animate",
    "check",
    "systems",
]


def _error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command line, which must fail with one line and exit code 2; return that line."""
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 1, printed.err
    assert lines[0].startswith("diffsim: ")
    assert "Traceback" not in printed.err
    return lines[0]


def test_help_lists_every_command_and_says_that_files_are_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_names()[: len(COMMANDS)] == COMMANDS
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n  {name} " not in text] == []
    assert "file.py:ClassName runs that file" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help_page_with_examples(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"\n  diffsim {command}" in text
    assert ("runs that file" in text) == (command != "tour")


def test_no_arguments_shows_the_help_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "usage: diffsim" in capsys.readouterr().out


def test_help_answers_in_under_three_tenths_of_a_second() -> None:
    # Processor time, because other work on the machine delays the answer and says nothing about it.
    code = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "diffsim", "--help"], stdout=subprocess.DEVNULL, check=True)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.3


def test_help_imports_no_numpy() -> None:
    code = "import sys; from diffsim.cli import main; main(['--help']); sys.exit('numpy' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulat"], "unknown command 'simulat'; it has tour, simulate"),
        (["simulat"], "Did you mean 'simulate'?"),
        (["--foo"], "unknown argument '--foo'. See `diffsim --help`"),
        (["simulate"], "simulate: missing: SYSTEM. See `diffsim simulate --help`"),
        (["simulate", "Kepler", "--t_end", "3"], "unknown argument '--t_end'. Did you mean --t-end?"),
        (["simulate", "Kepler", "--t-end", "ten"], "argument --t-end: must be a number; got 'ten'"),
        (["simulate", "Kepler", "--t-end", "nan"], "must be a finite number; got 'nan'"),
        (["simulate", "Kepler", "--points", "0"], "must be a whole number, 1 or more; got '0'"),
        (["simulate", "Kepler", "--t-end", "0"], "t_end must not be 0"),
        (["simulate", "Kepler", "--step", "0"], "step must be > 0"),
        (["simulate", "Kepler", "--step", "0.1", "--rtol", "1e-3"], "--rtol and --atol are for adaptive steps"),
        (["simulate", "Kepler", "--method", "Euler"], "step must be given"),
        (["check", "Kepler", "--seed", "-1"], "must be a whole number, 0 or more; got '-1'"),
        (["sensitivity", "Kepler", "--step", "0"], "step must be > 0"),
        (["animate", "Lorenz63", "--panel", "energy"], "has no energy"),
        (["animate", "DoublePendulum", "--panel", "fase"], "unknown panel 'fase'"),
        (["animate", "DoublePendulum", "--arrows", "theta_3"], "arrows must be 'stretch', a state component"),
        (["animate", "DoublePendulum", "--ghosts", "-3"], "--ghosts: must be a whole number, 1 or more"),
        (["animate", "DoublePendulum", "--compare", "Euler"], "compare must be a list of two to four"),
        (["animate", "DoublePendulum", "--compare", "Euler,RK4"], "step must be given"),
        (["simulate", "Kepler", "--method", "RK5"], "RK5"),
        (["simulate", "Kepler", "--step", "-0.1"], "step must be > 0"),
        (["simulate", "Kepler", "--step", "100"], "step"),
        (["simulate", "DoublePendulm"], "unknown system 'DoublePendulm'"),
        (["simulate", "DoublePendulm"], "Did you mean 'DoublePendulum'?"),
        (["simulate", "DoublePendulum", "--set", "lenght_1=2"], "Did you mean 'length_1'?"),
        (["simulate", "DoublePendulum", "--set", "length_1=-2"], "length_1 must be > 0"),
        (["simulate", "DoublePendulum", "--set", "length_1"], "must be NAME=VALUE"),
        (["simulate", "DoublePendulum", "--set", "length_1=long"], "--set length_1 must be a number; got 'long'"),
        (["simulate", "DoublePendulum", "--y0", "1,2"], "must have 4 numbers (theta_1, theta_2, p_1, p_2)"),
        (["simulate", "DoublePendulum", "--y0", "1,2,3,x"], "--y0 must be a number; got 'x'"),
        (["simulate", "DoublePendulum", "--y0", "theta=1"], "unknown state component 'theta'"),
        (["simulate", "DoublePendulum", "--y0", "inf,0,0,0"], "must be a finite number"),
        (["simulate", "Kepler", "--out", "a.xls"], "must end in .csv, .npz, .png, .svg or .pdf"),
        (["simulate", "Kepler", "--out", "missing/a.csv"], "must lie in a folder that exists"),
        (["animate", "DoublePendulum", "--out", "a.avi"], "must end in .mp4, .gif or .html"),
        (["animate", "DoublePendulum", "--width", "641"], "even"),
        (["balance", "--out", "a.txt"], "must end in .mp4, .gif, .png, .svg, .pdf or .npz"),
        (["balance", "--angles", "0.4"], "angles"),
        (["balance", "--target", "upright"], "unknown equilibrium 'upright'"),
        (["balance", "Lorenz63"], "angles"),
        (["lyapunov", "Lorenz63", "--count", "4"], "k must be at most 3"),
        (["lyapunov", "Lorenz63", "--t-renorm", "0"], "t_renorm must be > 0"),
        (["lyapunov", "Lorenz63", "--method", "RK4", "--step", "0.3"], "t_renorm must be a multiple of the step 0.3"),
        (["lyapunov", "Lorenz63", "--t-total", "10.2"], "t_total must be a multiple of t_renorm=0.5"),
        (["lyapunov", "Lorenz63", "--out", "a.txt"], "must end in .png, .svg, .pdf or .npz"),
        (["sensitivity", "DoublePendulum", "--axis", "theta_1=0:1"], "must be NAME=LOW:HIGH:N"),
        (["sensitivity", "DoublePendulum", "--axis", "theta_1=0:1:4"], "--axis must be given twice"),
        (["sensitivity", "DoublePendulum", "--measure", "slope"], "unknown measure 'slope'"),
        (["tour", "--out", "/proc/tour"], "tour: folder must be a folder that can be made"),
        (["check", "nothing.py:Name"], "nothing.py"),
        (["check", "nothing.txt:Name"], "unknown system 'nothing.txt:Name'"),
    ],
)
def test_a_bad_argument_is_one_line_with_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in _error(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1 / 0", "mine.py, line 1: ZeroDivisionError: division by zero"),
        ("x = 1\ny = = 2", "mine.py, line 2: SyntaxError"),
        ("import no_such_module_here", "mine.py, line 1: ModuleNotFoundError"),
        ("x = 1", "unknown name 'Mine'"),
        ("Mine = 3", "must be a subclass of systems.System"),
        ("class Mine: pass", "must be a subclass of systems.System"),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "mine.py").write_text(f"{text}\n")
    assert words in _error(capsys, "check", f"{tmp_path / 'mine.py'}:Mine")


def test_a_fault_of_ours_is_one_line_too_unless_the_traceback_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_arguments: object) -> int:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("diffsim.cli.command_systems.run", fail)
    assert "unexpected ZeroDivisionError: planted (test_cli.py, line" in _error(capsys, "systems")
    monkeypatch.setenv("DIFFSIM_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["systems"])


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "diffsim: interrupted"),
        (MemoryError("too big"), 2, "diffsim: out of memory. too big"),
        (PermissionError(13, "Permission denied", "a.csv"), 2, "diffsim: permission denied 'a.csv'."),
    ],
)
def test_interruptions_end_with_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fault: BaseException, code: int, words: str
) -> None:
    def fail(_arguments: object) -> int:
        raise fault

    monkeypatch.setattr("diffsim.cli.command_systems.run", fail)
    assert main(["systems"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(words)


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f'"{sys.executable}" -m diffsim systems; echo "exit $?" >&2'
    with subprocess.Popen(
        ["bash", "-c", f"({command}) | head -n 1"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        _, complaints = process.communicate(timeout=60)
    # A short output may be written before the reader is gone; then there was nothing to notice.
    assert complaints.splitlines() in (["exit 141"], ["exit 0"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_behind_the_output_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "diffsim", "systems"]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "diffsim: no space left on device.\n"


def test_a_closed_output_is_no_error() -> None:
    command = f'"{sys.executable}" -m diffsim systems >&-'
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(_arguments: object) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("planted", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr("diffsim.cli.command_systems.run", warn)
    assert main(["systems"]) == 0
    assert capsys.readouterr().err == "diffsim: warning: planted\n"


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # a trial file of the check that the folder can be written to
        return 0


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_killed_film_leaves_no_half_file(tmp_path: Path, number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "diffsim", "animate", "DoublePendulum", "--t-end", "120", "--step", "0.01"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "film.mp4")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # a background job of a shell is born with SIGINT ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not any(_size(file) for file in tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) != [], "the film was never begun"
    process.send_signal(number)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == code
    assert len(complaints.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_parser_for_one_command_knows_that_command() -> None:
    parsed = build_parser("systems").parse_args(["systems", "Kepler"])
    assert parsed.system == "Kepler"
