"""Outputs are written whole or not at all, and a place that takes none is refused before the work."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from diffsim.errors import ArgumentError, RunError
from diffsim.files import atomic, check_folder, check_output

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["film.mp4", "FILM.MP4", "film.gif"])
def test_check_output_returns_the_path_for_a_known_ending(tmp_path: Path, name: str) -> None:
    assert check_output("animate", tmp_path / name, (".mp4", ".gif")) == tmp_path / name


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("film.avi", r"animate: path must end in \.mp4 or \.gif; got path='film\.avi'"),
        ("film", r"must end in \.mp4 or \.gif"),
        ("missing/film.mp4", r"folder that exists; got path='missing/film\.mp4'\. Make 'missing' first"),
        ("file/film.mp4", r"must lie in a folder; .*'file' is a file"),
        ("folder.mp4", r"must name a file; .*It is a folder"),
        ("pipe.mp4", r"must name a regular file"),
        ("", r"must be the name of a file"),
        ("a\0b.mp4", r"must be the name of a file"),
        ("x" * 300 + ".mp4", r"must be a path that this system can have"),
        (7, r"must be a string or a path; got path=7"),
        (b"film.mp4", r"must be a string or a path"),
        ("~no-such-user-here/film.mp4", r"home folder|folder that exists"),
    ],
)
def test_check_output_names_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder.mp4").mkdir()
    os.mkfifo("pipe.mp4")
    with pytest.raises(ArgumentError, match=words):
        check_output("animate", path, (".mp4", ".gif"))


def test_check_output_refuses_a_folder_that_takes_no_files() -> None:
    place = Path("/proc/diffsim.png")  # refuses new files even to root
    if not place.parent.is_dir():
        pytest.skip("no /proc on this system")
    with pytest.raises(ArgumentError, match="must be writable"):
        check_output("plot", place)


def test_check_output_refuses_a_write_protected_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.png"
    target.touch(mode=0o444)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # to root everything is writable
    with pytest.raises(ArgumentError, match="write-protected"):
        check_output("plot", target)


def test_check_output_leaves_nothing_behind_and_an_old_file_untouched(tmp_path: Path) -> None:
    (tmp_path / "old.png").write_text("old")
    check_output("plot", tmp_path / "old.png")
    check_output("plot", tmp_path / "new.png")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("old.png", "old")]


def test_check_folder_makes_it_and_its_parents(tmp_path: Path) -> None:
    assert check_folder("tour", tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/diffsim/tour"])
def test_check_folder_refuses_what_cannot_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(ArgumentError, match="tour: folder must be a folder"):
        check_folder("tour", name)


def test_atomic_gives_a_temporary_name_with_the_suffix_and_renames(tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    with atomic(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".mp4"
        assert temporary != target
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("fault", [ValueError("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_atomic_keeps_the_old_file_when_the_block_fails(tmp_path: Path, fault: BaseException) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(type(fault)), atomic(target) as temporary:  # noqa: PT012 - the block is what is tested
        temporary.write_text("half")
        raise fault
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_atomic_names_a_full_disk(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(RunError, match=r"'a\.npz' was not written, because the disk .* is full"),
        atomic(tmp_path / "a.npz"),
    ):
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_atomic_names_a_disk_that_is_really_full(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is full"), atomic(tmp_path / "a.npz"), open("/dev/full", "w") as full:
        full.write("x" * 100_000)


def test_atomic_says_so_when_the_block_removes_its_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="must write to the temporary path"), atomic(tmp_path / "a.npz") as temporary:
        temporary.unlink()


def test_atomic_gives_new_files_the_usual_permissions_and_keeps_those_of_old_ones(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    with atomic(tmp_path / "new.txt"):
        pass
    assert (tmp_path / "new.txt").stat().st_mode == usual.stat().st_mode
    (tmp_path / "old.txt").touch()
    (tmp_path / "old.txt").chmod(0o640)
    with atomic(tmp_path / "old.txt"):
        pass
    assert (tmp_path / "old.txt").stat().st_mode & 0o777 == 0o640


def test_atomic_writes_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    with atomic(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    code = f"""
        import sys, time
        from diffsim.files import atomic
        with atomic({str(target)!r}) as temporary:
            temporary.write_text("half")
            print("ready", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    assert target.read_text() == "old"
