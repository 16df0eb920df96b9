"""Packages that find their public names in their files and load them on first use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from diffsim.lazy import public_names

ROOT = Path(__file__).parents[2]


def _package(folder: Path, **files: str) -> Path:
    folder.mkdir()
    face = "from diffsim.lazy import attach\n__getattr__, __dir__ = attach(__name__, __path__[0])\n"
    (folder / "__init__.py").write_text(face)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def _run(folder: Path, code: str) -> str:
    program = f"import sys; sys.path[:0] = [{str(folder.parent)!r}, {str(ROOT)!r}]\n{code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr.splitlines()[-1] if done.returncode else done.stdout).strip()


@pytest.mark.parametrize(
    "text",
    [
        '__all__ = ["b", "a"]',
        '__all__ = ("a", "b")',
        '__all__: list[str] = [\n    "a",  # first\n    "b",\n]',
        '"""Says __all__ = [\'x\'] in a sentence."""\n__all__ = ["a", "b"]',
    ],
)
def test_names_are_read_from_the_text_of_a_file(tmp_path: Path, text: str) -> None:
    assert dict(public_names(_package(tmp_path / "p", one=text))) == {"a": "one", "b": "one"}


def test_a_file_without_names_offers_none(tmp_path: Path) -> None:
    assert dict(public_names(_package(tmp_path / "p", one="x = 1", two="__all__: list[str] = []"))) == {}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"one": '__all__ = ["a"]', "two": '__all__ = ["a"]'}, "both one.py and two.py offer 'a'"),
        ({"one": '__all__ = [name, "a"]'}, "one.py: __all__ must be a literal list"),
    ],
)
def test_what_cannot_be_served_is_an_import_error(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(ImportError, match=words):
        public_names(_package(tmp_path / "p", **files))


def test_files_are_run_when_their_names_are_used(tmp_path: Path) -> None:
    broken = "raise RuntimeError('run too early')\n__all__ = ['b']"
    folder = _package(tmp_path / "p", one="__all__ = ['a']\na = 7", two=broken)
    assert _run(folder, "import p; print(p.a, dir(p), 'p.two' in sys.modules)") == "7 ['a', 'b'] False"
    assert _run(folder, "from p import a; print(a)") == "7"
    assert _run(folder, "from p import b").endswith("RuntimeError: run too early")


def test_star_imports_everything(tmp_path: Path) -> None:
    folder = _package(tmp_path / "p", one="__all__ = ['a']\na = 7", two="__all__ = ['b']\nb = 8")
    assert _run(folder, "from p import *; print(a, b)") == "7 8"


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    folder = _package(tmp_path / "p", one="__all__ = ['balance', 'other']\nbalance = other = 7")
    words = "AttributeError: p has no 'balanse'; it has balance, other. Did you mean 'balance'?"
    assert _run(folder, "import p; p.balanse") == words
    assert _run(folder, "import p; print(hasattr(p, 'zzz'), hasattr(p, '__wrapped__'))") == "False False"
