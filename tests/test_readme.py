"""The README tells the truth: its example prints what it shows, its commands are one line, its pictures exist."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_example_prints_what_the_readme_shows() -> None:
    (code,) = _blocks("python")
    (shown,) = _blocks("text")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    assert printed.getvalue().strip() == shown.strip()


def test_example_is_about_twenty_lines() -> None:
    (code,) = _blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


def test_each_command_is_one_line_that_makes_its_own_environment() -> None:
    tour, tests = (block.strip() for block in _blocks("sh"))
    for command in (tour, tests):
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert tour.endswith(".venv/bin/diffsim tour")
    assert "'.[test]'" in tests
    assert "-m pytest" in tests


def test_ci_script_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"grep -m1 -E '([^']*)' README\.md", script)
    found = [line for line in README.splitlines() if re.search(pattern, line)]
    assert found == [_blocks("sh")[1].strip()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


def test_named_commands_exist() -> None:
    from diffsim.cli.entry import command_names

    (listing,) = re.findall(r"lists what the shell can do\s+\(([^)]*)\)", README)
    assert set(re.findall(r"`(\w+)`", listing)) | {"tour"} == set(command_names())
