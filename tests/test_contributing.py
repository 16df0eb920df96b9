"""The recipes of CONTRIBUTING.md are followed word for word in a copy of the repository."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^### (Add [^\n]+)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))


def _copy(target: Path) -> None:
    """Copy what a contributor's clone has."""
    ignored = shutil.ignore_patterns(
        "__pycache__",
        ".git",
        ".venv",
        ".*_cache",
        ".hypothesis",
        "build",
        "dist",
        "*.egg-info",
        "images",
        "diffsim-tour",
    )
    shutil.copytree(ROOT, target, ignore=ignored)


def _follow(recipe: str, root: Path) -> str:
    """Write the files of a recipe below `root` and return its command."""
    for code in re.findall(r"^```python\n(.*?)^```$", recipe, re.MULTILINE | re.DOTALL):
        first, body = code.split("\n", 1)
        how, name = re.fullmatch(r"# (file|append to): (\S+)", first).groups()  # type: ignore[union-attr]
        file = root / name
        assert file.exists() == (how == "append to")
        with file.open("a", encoding="utf-8") as stream:
            stream.write(body)
    (command,) = re.findall(r"^```sh\n(.*?)\n```$", recipe, re.MULTILINE | re.DOTALL)
    return str(command)


def test_there_is_a_recipe_for_each_kind_of_addition() -> None:
    assert list(RECIPES) == ["Add a primitive", "Add an integrator", "Add a system", "Add a study"]


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_works_as_it_stands(name: str, tmp_path: Path) -> None:
    root = tmp_path / "clone"
    _copy(root)
    words = shlex.split(_follow(RECIPES[name], root))
    assert words[:3] == ["python", "-m", "pytest"]
    done = subprocess.run(
        [sys.executable, *words[1:], "-p", "no:cacheprovider"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed.group(1)) >= 3, "the conformance suite did not find the new file"


@pytest.mark.slow
def test_recipes_follow_the_house_style(tmp_path: Path) -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff comes with the extra 'dev'")
    root = tmp_path / "clone"
    _copy(root)
    for recipe in RECIPES.values():
        _follow(recipe, root)
    new = re.findall(r"^# file: (\S+)$", TEXT, re.MULTILINE)
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run([ruff, *command, *new], cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
