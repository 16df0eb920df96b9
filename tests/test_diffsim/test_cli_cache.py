"""What ``diffsim cache`` shows, and what it removes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from diffsim.cli import main
from diffsim.compiler.cache import Cache, default_folder

ROOT = Path(__file__).parents[2]


def _lines(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[str]:
    """Run the command and return the lines that it prints."""
    assert main(["cache", *arguments]) == code
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out.splitlines()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """The default cache of the next command, with two entries of 1,000 bytes each."""
    monkeypatch.setenv("DIFFSIM_CACHE", str(tmp_path / "store"))
    cache = Cache(default_folder())
    for key in ("a", "b"):
        cache.fetch(key, lambda: bytes(920))
    return cache


def test_it_shows_the_folder_and_what_is_in_it(store: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert _lines(capsys) == [
        f"folder   {store.folder}",
        "entries  2, 2.0 KiB of at most 256.0 MiB",
        "usable   yes",
    ]


def test_looking_changes_nothing(store: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    before = store.entries()
    _lines(capsys)
    assert store.entries() == before
    assert store.folder is not None
    assert len(list(store.folder.iterdir())) == 2


def test_clear_removes_the_entries(store: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert _lines(capsys, "--clear") == [f"removed 2 entries from {store.folder}"]
    assert store.entries() == []
    assert "entries  0, 0 B of at most 256.0 MiB" in _lines(capsys)


def test_clear_says_what_it_could_not_remove(
    store: Cache, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "unlink", refuse)
    assert _lines(capsys, "--clear", code=1) == [
        f"removed 0 entries from {store.folder}",
        "2 could not be removed: permission denied",
    ]


def test_it_says_that_it_is_switched_off(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFSIM_CACHE", "off")
    assert _lines(capsys)[0] == "folder   none, as DIFFSIM_CACHE says"
    assert _lines(capsys)[2] == "usable   no: there is no folder"
    assert _lines(capsys, "--clear") == ["nothing is kept on disk"]


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_it_says_why_a_folder_is_not_used(store: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert store.folder is not None
    store.folder.chmod(0o777)
    assert _lines(capsys)[2] == "usable   no: other users may write to the folder; use chmod go-w"


def test_it_says_that_a_file_stands_in_the_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DIFFSIM_CACHE", str(tmp_path / "file"))
    assert _lines(capsys)[2] == "usable   no: not a directory"


def test_its_help_names_the_variable(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--help"]) == 0
    text = capsys.readouterr().out
    assert "DIFFSIM_CACHE=off" in text
    assert "\n  diffsim cache --clear" in text
    assert "runs that file" not in text


def test_it_loads_nothing_heavy(tmp_path: Path) -> None:
    code = """
import sys
from diffsim.cli import main
main(["cache"])
print(*[name for name in ("numpy", "llvmlite", "platformdirs") if name in sys.modules])
"""
    environment = {**os.environ, "DIFFSIM_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[3:] == [""]
