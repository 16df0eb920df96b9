"""Whatever befalls the cache of machine code costs a compile: never an error, never another result."""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import functools
import os
import random
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim.compiler import cache, engine
from diffsim.compiler.cache import Cache, default_cache, default_folder, machine_code

ROOT = Path(__file__).parents[2]
HEADER = 80  # bytes before the code of an entry
DAY = 86400.0

posix = pytest.mark.skipif(os.name != "posix", reason="owners, modes and links of POSIX")
needs_llvm = pytest.mark.skipif(not engine.available(), reason="llvmlite is not there")


def _text(k: int = 0) -> str:
    """A module with the function x -> 3 x + k."""
    return f"define double @f(double %x) {{\n%a = fmul double %x, 3.0\n%b = fadd double %a, {k}.0\nret double %b\n}}\n"


@functools.cache
def _code(k: int = 0) -> bytes:
    """Machine code of `_text`, or bytes in its place where nothing can be compiled."""
    return engine.compile_text(_text(k)) if engine.available() else random.Random(k).randbytes(900)


def _answer(code: bytes) -> float:
    library = engine.load(code)
    return float(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library.address("f"))(2.0))


def _never() -> NoReturn:
    pytest.fail("was made again")


def _check_miss(folder: Path) -> None:
    """A cache that is new to the folder compiles once, and returns what it should."""
    made = []

    def make() -> bytes:
        made.append(1)
        return _code()

    code = Cache(folder).fetch("key", make)
    assert (code, made) == (_code(), [1])
    assert not engine.available() or _answer(code) == 6.0


def _check_replaced(folder: Path) -> None:
    """A miss, and a hit the next time."""
    _check_miss(folder)
    assert Cache(folder).fetch("key", _never) == _code()


def _stored(folder: Path) -> Path:
    """Store an entry under "key" and return its file."""
    Cache(folder).fetch("key", _code)
    (entry,) = Cache(folder).entries()
    return Path(entry.path)


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    return _stored(tmp_path / "cache")


# -- hits --------------------------------------------------------------------------------------------------------------


def test_an_entry_is_made_once_for_all_processes(entry: Path) -> None:
    assert Cache(entry.parent).fetch("key", _never) == _code()


def test_a_second_look_needs_no_disk(entry: Path) -> None:
    store = Cache(entry.parent)
    store.fetch("key", _never)
    entry.unlink()
    assert store.fetch("key", _never) == _code()


def test_other_keys_are_other_entries(entry: Path) -> None:
    assert Cache(entry.parent).fetch("key2", lambda: b"other") == b"other"
    assert len(Cache(entry.parent).entries()) == 2


def test_without_a_folder_code_is_kept_in_memory() -> None:
    store = Cache()
    assert [store.fetch("key", lambda: b"code"), store.fetch("key", _never)] == [b"code", b"code"]
    assert store.entries() == []
    assert store.trouble() == "there is no folder"


def test_memory_keeps_what_was_used_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_IN_MEMORY", 250)
    store = Cache()
    for key in ("a", "b", "a", "c"):
        store.fetch(key, lambda: bytes(100))
    assert store.fetch("a", _never) == bytes(100)
    assert store.fetch("b", lambda: b"again") == b"again"


def test_an_empty_result_is_a_result(tmp_path: Path) -> None:
    Cache(tmp_path / "cache").fetch("key", lambda: b"")
    assert Cache(tmp_path / "cache").fetch("key", _never) == b""


def test_a_hit_takes_less_than_a_millisecond(tmp_path: Path) -> None:
    key, code = "x" * 30_000, bytes(30_000)
    Cache(tmp_path / "cache").fetch(key, lambda: code)
    best = 1.0
    for _ in range(20):
        start = time.perf_counter()
        Cache(tmp_path / "cache").fetch(key, _never)
        best = min(best, time.perf_counter() - start)
    assert best < 1e-3


def test_what_the_maker_raises_is_raised_and_nothing_is_stored(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        Cache(tmp_path / "cache").fetch("key", lambda: bytes(1 // 0))
    assert not (tmp_path / "cache").exists()


# -- bad entries -------------------------------------------------------------------------------------------------------

PLACES = {"magic": (0, 8), "length": (8, 16), "key": (16, 48), "checksum": (48, 80), "code": (80, 80 + len(_code()))}


@pytest.mark.parametrize("place", PLACES)
@given(data=st.data(), change=st.integers(1, 255))
def test_a_changed_byte_is_a_miss(place: str, data: st.DataObject, change: int) -> None:
    low, high = PLACES[place]
    position = data.draw(st.integers(low, high - 1))
    with tempfile.TemporaryDirectory() as folder:
        entry = _stored(Path(folder))
        content = bytearray(entry.read_bytes())
        content[position] ^= change
        entry.write_bytes(content)
        _check_replaced(Path(folder))


@given(st.integers(0, HEADER + len(_code()) - 1))
def test_an_entry_cut_short_is_a_miss(length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        entry = _stored(Path(folder))
        entry.write_bytes(entry.read_bytes()[:length])
        _check_replaced(Path(folder))


@given(st.binary(min_size=1, max_size=200))
def test_an_entry_with_something_behind_it_is_a_miss(tail: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        entry = _stored(Path(folder))
        entry.write_bytes(entry.read_bytes() + tail)
        _check_replaced(Path(folder))


@given(st.binary(max_size=300))
def test_a_foreign_file_is_a_miss(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _stored(Path(folder)).write_bytes(content)
        _check_replaced(Path(folder))


def test_a_good_entry_under_another_name_is_a_miss(entry: Path) -> None:
    other = Cache(entry.parent)
    other.fetch("other", lambda: b"code of something else")
    (another,) = {Path(found.path) for found in other.entries()} - {entry}
    os.replace(another, entry)
    _check_replaced(entry.parent)


def test_an_empty_folder_in_place_of_an_entry_is_replaced(entry: Path) -> None:
    entry.unlink()
    entry.mkdir()
    _check_replaced(entry.parent)


def test_a_full_folder_in_place_of_an_entry_is_a_miss_and_left_alone(entry: Path) -> None:
    entry.unlink()
    entry.mkdir()
    (entry / "file").touch()
    _check_miss(entry.parent)
    _check_miss(entry.parent)
    assert sorted(entry.parent.rglob("*")) == [entry, entry / "file"]


@posix
def test_a_pipe_in_place_of_an_entry_is_replaced(entry: Path) -> None:
    entry.unlink()
    os.mkfifo(entry)
    _check_replaced(entry.parent)


@posix
@pytest.mark.parametrize("target", ["missing", "good", "/dev/zero"])
def test_a_link_in_place_of_an_entry_is_replaced_and_not_followed(entry: Path, target: str) -> None:
    good = entry.replace(entry.parent / "good")
    before = good.read_bytes()
    entry.symlink_to(target)
    _check_replaced(entry.parent)
    assert not entry.is_symlink()
    assert good.read_bytes() == before


@posix
def test_an_unreadable_entry_is_replaced(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry.chmod(0)
    if os.geteuid() == 0:  # root may read everything
        _refuse(monkeypatch, "open", errno.EACCES, lambda path, flags: path == str(entry) and not flags & os.O_CREAT)
        _check_miss(entry.parent)
        monkeypatch.undo()
        assert Cache(entry.parent).fetch("key", _never) == _code()
    else:
        _check_replaced(entry.parent)


# -- other users -------------------------------------------------------------------------------------------------------


@posix
def test_folder_and_entries_are_for_this_user_alone(entry: Path) -> None:
    before = os.umask(0)
    try:
        made = _stored(entry.parent.with_name("another"))
    finally:
        os.umask(before)
    assert [made.parent.stat().st_mode & 0o777, made.stat().st_mode & 0o777] == [0o700, 0o600]


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_an_entry_that_others_may_write_is_replaced(entry: Path, mode: int) -> None:
    entry.chmod(mode)
    _check_replaced(entry.parent)
    assert entry.stat().st_mode & 0o777 == 0o600


@posix
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write_is_not_used(entry: Path, mode: int) -> None:
    entry.parent.chmod(mode)
    before = entry.stat()
    _check_miss(entry.parent)
    assert entry.stat() == before
    assert "other users may write to the folder; use chmod go-w" in Cache(entry.parent).trouble()


@posix
def test_a_folder_of_another_user_is_not_used(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = entry.stat()
    monkeypatch.setattr(os, "geteuid", lambda: before.st_uid + 1)
    _check_miss(entry.parent)
    _check_miss(entry.parent)
    assert entry.stat() == before
    assert Cache(entry.parent).trouble() == "the folder belongs to another user"


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root gives files away")
def test_an_entry_of_another_user_is_replaced(entry: Path) -> None:
    os.chown(entry, 12345, 12345)
    _check_replaced(entry.parent)
    assert entry.stat().st_uid == os.geteuid()


# -- places that take nothing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "not a folder"),
        ("file/below", "not a directory"),
        ("x" * 300, "file name too long"),
        ("a\0b", "null"),
        ("/proc/diffsim/cache", ""),
        ("link", ""),
    ],
)
@posix
def test_a_place_that_cannot_be_a_folder_costs_a_compile(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("missing/missing")
    folder = tmp_path / place
    _check_miss(folder)
    _check_miss(folder)
    trouble = Cache(folder).trouble()
    assert trouble
    assert reason in trouble
    assert Cache(folder).entries() == []
    assert Cache(folder).clear() == 0
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file", tmp_path / "link"]


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_read_and_costs_a_compile(entry: Path) -> None:
    entry.parent.chmod(0o500)
    try:
        assert Cache(entry.parent).fetch("key", _never) == _code()
        assert Cache(entry.parent).fetch("other", lambda: b"other") == b"other"
        assert "ermission" in Cache(entry.parent).trouble()
    finally:
        entry.parent.chmod(0o700)


def _refuse(
    monkeypatch: pytest.MonkeyPatch, name: str, number: int, when: Callable[..., bool] = lambda *_: True
) -> None:
    """Let a function of `os` fail, where a condition on its first arguments holds."""
    usual: Callable[..., Any] = getattr(os, name)

    def fail(*args: Any, **options: Any) -> Any:
        if when(*args[:2]):
            raise OSError(number, os.strerror(number))
        return usual(*args, **options)

    monkeypatch.setattr(os, name, fail)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("name", ["makedirs", "stat", "open", "fsync", "replace", "urandom"])
def test_a_folder_that_takes_no_files_costs_a_compile_and_keeps_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    folder = tmp_path / "cache"
    _refuse(monkeypatch, name, number)
    _check_miss(folder)
    _check_miss(folder)
    if name != "replace":  # a rename is not tried
        assert Cache(folder).trouble().lower() == os.strerror(number).lower()
    monkeypatch.undo()
    assert list(folder.rglob("*")) == []
    _check_replaced(folder)


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_an_interruption_is_passed_on_and_keeps_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def interrupt(*_args: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        Cache(tmp_path / "cache").fetch("key", _code)
    assert list((tmp_path / "cache").iterdir()) == []


def _python(code: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> str:
    printed, complaints = process.communicate(timeout=100)
    assert process.returncode == 0, complaints
    assert complaints == ""
    return printed


@posix
def test_a_disk_that_is_really_full_costs_a_compile(tmp_path: Path) -> None:
    code = """
        import resource, sys
        from diffsim.compiler.cache import Cache
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        print(len(Cache(sys.argv[1]).fetch("large", lambda: bytes(5000))), Cache(sys.argv[1]).trouble())
        print(len(Cache(sys.argv[1]).fetch("small", lambda: bytes(500))))
    """
    assert _finish(_python(code, tmp_path / "cache")).split("\n") == ["5000 file too large", "500", ""]
    assert [entry.n_bytes for entry in Cache(tmp_path / "cache").entries()] == [HEADER + 500]
    assert len(list((tmp_path / "cache").iterdir())) == 1


# -- size --------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 600), min_size=1, max_size=30), st.integers(200, 3000))
def test_entries_stay_below_the_limit(sizes: list[int], limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for k, size in enumerate(sizes):
            assert Cache(folder, limit).fetch(f"{k}", lambda size=size: bytes(size)) == bytes(size)  # type: ignore[misc]
            entries = Cache(folder, limit).entries()
            assert sum(entry.n_bytes for entry in entries) <= limit
            assert entries or size + HEADER > limit
        assert len(os.listdir(folder)) == len(entries)


def test_entries_that_were_not_used_for_the_longest_time_go_first(tmp_path: Path) -> None:
    store = Cache(tmp_path / "cache")
    for age, key in enumerate("abcdef"):
        (file,) = set(_fetched(store, key)) - set(_fetched(store, "-"))
        os.utime(file, (time.time() - 30 * DAY + age * DAY,) * 2)
    Cache(tmp_path / "cache").fetch("a", _never)  # the oldest entry, but used
    Cache(tmp_path / "cache", 6 * (HEADER + 100)).fetch("g", lambda: bytes(100))
    kept = [key for key in "abcdefg" if Cache(tmp_path / "cache").fetch(key, bytes) == bytes(100)]
    assert kept == ["a", "e", "f", "g"]


def _fetched(store: Cache, key: str) -> list[str]:
    """The files after an entry of 100 bytes was stored; "-" is dropped again before."""
    before = {entry.path for entry in store.entries()}
    if key == "-":
        newest = max(store.entries(), key=lambda entry: entry.used)
        return sorted(before - {newest.path})
    store.fetch(key, lambda: bytes(100))
    return sorted(entry.path for entry in store.entries())


def test_a_read_is_noted_once_a_day(entry: Path) -> None:
    for age, noted in [(0.5 * DAY, False), (2 * DAY, True), (-2 * DAY, True)]:
        then = float(round(time.time() - age))
        os.utime(entry, (then, then))
        Cache(entry.parent).fetch("key", _never)
        assert (entry.stat().st_mtime != then) == noted
        assert abs(entry.stat().st_mtime - time.time()) < DAY


def test_what_a_killed_process_left_is_swept_after_an_hour(entry: Path) -> None:
    names = [f".{'0' * 64}.{k:016x}.tmp" for k in range(2)]
    for name, age in zip(names, (10.0, 4000.0), strict=True):
        (entry.parent / name).touch()
        os.utime(entry.parent / name, (time.time() - age,) * 2)
    Cache(entry.parent).fetch("other", lambda: b"other")
    assert (entry.parent / names[0]).exists()
    assert not (entry.parent / names[1]).exists()


def test_clear_removes_entries_and_nothing_else(entry: Path) -> None:
    store = Cache(entry.parent)
    store.fetch("other", lambda: b"other")
    foreign = [entry.parent / "notes.txt", entry.parent / "0123.code"]
    for file in foreign:
        file.touch()
    assert store.clear() == 2
    assert sorted(entry.parent.iterdir()) == sorted(foreign)
    assert store.fetch("other", lambda: b"made again") == b"made again"


# -- races -------------------------------------------------------------------------------------------------------------

RACE = """
    import ctypes, os, random, sys
    from pathlib import Path
    from diffsim.compiler import engine
    from diffsim.compiler.cache import Cache

    folder, seed = sys.argv[1], int(sys.argv[2])
    draw = random.Random(seed)
    wrong = []
    for _ in range(150):
        k = draw.randrange(6)
        text = f"define double @f(double %x) {{\\n%b = fadd double %x, {k}.0\\nret double %b\\n}}\\n"
        store = Cache(folder, limit_bytes=4500)
        library = engine.load(store.fetch(text, lambda: engine.compile_text(text)))
        found = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library.address("f"))(2.0)
        if found != 2.0 + k:
            wrong.append((k, found))
        for entry in store.entries()[: draw.randrange(2)]:
            try:
                content = bytearray(Path(entry.path).read_bytes())
                content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
                with open(entry.path, "r+b") as file:  # in place: others may be reading
                    file.write(content[: draw.randrange(1, len(content) + 1)])
            except FileNotFoundError:
                pass
        if draw.random() < 0.02:
            store.clear()
    print(wrong)
"""


@needs_llvm
@pytest.mark.slow
def test_eight_processes_race_while_entries_are_damaged_and_evicted(tmp_path: Path) -> None:
    processes = [_python(RACE, tmp_path / "cache", seed) for seed in range(8)]
    assert [_finish(process) for process in processes] == ["[]\n"] * 8
    assert sum(entry.n_bytes for entry in Cache(tmp_path / "cache").entries()) <= 4500
    assert [file.suffix for file in (tmp_path / "cache").iterdir() if file.suffix != ".code"] == []


def test_eight_threads_share_a_cache(tmp_path: Path) -> None:
    store = Cache(tmp_path / "cache", limit_bytes=1000)
    wrong = []

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(60):
            k = draw.randrange(9)
            code = store.fetch(f"{k}", lambda k=k: bytes([k]) * 100)  # type: ignore[misc]
            if code != bytes([k]) * 100:
                wrong.append(k)
            if draw.random() < 0.05:
                store.clear()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@posix
@pytest.mark.parametrize("moment", ["write", "fsync", "replace", "scandir"])
def test_a_process_killed_while_it_writes_leaves_no_bad_entry(tmp_path: Path, moment: str) -> None:
    code = """
        import io, os, sys, time
        from diffsim.compiler import cache

        def stop(*_args):
            print("here", flush=True)
            time.sleep(100)

        def half(descriptor, mode):
            os.write(descriptor, bytes(1000))
            stop()

        if sys.argv[2] == "write":
            cache.open = half
        else:
            setattr(os, sys.argv[2], stop)
        cache.Cache(sys.argv[1]).fetch("key", lambda: b"code of a process that is killed")
    """
    process = _python(code, tmp_path / "cache", moment)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.kill()
    process.communicate(timeout=60)
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".code" if moment == "scandir" else ".tmp"]
    if moment == "scandir":
        assert Cache(tmp_path / "cache").fetch("key", _never) == b"code of a process that is killed"
    else:
        _check_replaced(tmp_path / "cache")


@posix
def test_processes_killed_at_any_time_leave_no_bad_entry(tmp_path: Path) -> None:
    code = """
        import itertools, sys
        from diffsim.compiler.cache import Cache
        print("ready", flush=True)
        for k in itertools.count():
            store = Cache(sys.argv[1])
            store.fetch(f"{k % 16}", lambda: bytes([k % 16]) * 300_000)
            k % 13 == 0 and store.clear()
    """
    draw = random.Random(0)
    for _ in range(5):
        process = _python(code, tmp_path / "cache")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(draw.uniform(0.01, 0.05))
        process.kill()
        process.communicate(timeout=60)
        store = Cache(tmp_path / "cache")
        n_kept = len(store.entries())
        found = [store.fetch(f"{k}", lambda: b"made again") for k in range(16)]
        assert all(code in (bytes([k]) * 300_000, b"made again") for k, code in enumerate(found))
        assert found.count(b"made again") == 16 - n_kept  # each entry that was there was good
        store.clear()


# -- the default -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["off", "OFF", " Off "])
def test_the_environment_switches_it_off(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("DIFFSIM_CACHE", word)
    assert default_folder() is None


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, folder in [
        (str(tmp_path / "there"), tmp_path / "there"),
        ("here", tmp_path / "here"),
        ("~/mine", tmp_path / "home" / "mine"),
    ]:
        monkeypatch.setenv("DIFFSIM_CACHE", name)
        assert default_folder() == folder / "machine-code"


@pytest.mark.skipif(sys.platform != "linux", reason="where Linux keeps such things")
def test_the_default_is_where_the_system_keeps_such_things(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIFFSIM_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "diffsim" / "machine-code"


@pytest.mark.parametrize("named", ["", "~no-such-user-here/cache"])
def test_a_user_without_a_home_has_no_folder(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("DIFFSIM_CACHE", named)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_args, **_options: "~/.cache/diffsim")
    assert default_folder() is None


def test_platformdirs_is_not_loaded_where_a_folder_is_named(tmp_path: Path) -> None:
    code = """
        import os, sys
        os.environ["DIFFSIM_CACHE"] = sys.argv[1]
        from diffsim.compiler.cache import default_cache
        default_cache().fetch("key", lambda: b"code")
        print(*[name for name in ("platformdirs", "llvmlite", "numpy") if name in sys.modules])
    """
    assert _finish(_python(code, tmp_path)) == "\n"
    assert len(list((tmp_path / "machine-code").iterdir())) == 1


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The texts that were compiled; the default cache is fresh."""
    texts: list[str] = []
    usual = engine.compile_text

    def note(text: str, **options: Any) -> bytes:
        texts.append(text)
        return usual(text, **options)

    monkeypatch.setattr(engine, "compile_text", note)
    monkeypatch.setenv("DIFFSIM_CACHE", str(tmp_path))
    default_cache.cache_clear()
    yield texts
    default_cache.cache_clear()


@needs_llvm
def test_libraries_come_and_go_and_the_others_stay(entry: Path) -> None:
    # An execution engine deletes its target machine: where they share one, the second or third crashes.
    stays = engine.load(_code())
    assert [_answer(Cache(entry.parent).fetch("key", _never)) for _ in range(20)] == [6.0] * 20
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(stays.address("f"))(2.0) == 6.0


@needs_llvm
def test_machine_code_is_compiled_once(compiled: list[str]) -> None:
    assert _answer(machine_code(_text(1))) == 7.0
    assert _answer(machine_code(_text(1))) == 7.0
    default_cache.cache_clear()  # as in a new process
    assert _answer(machine_code(_text(1))) == 7.0
    assert compiled == [_text(1)]


@needs_llvm
def test_machine_code_is_compiled_again_for_another_machine_or_recipe(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = engine.host()

    def pretend(text: str, **_options: object) -> bytes:
        compiled.append(text)
        return b"code of another machine"

    machine_code(_text(2))
    machine_code(_text(3))
    machine_code(_text(2), optimise=1)
    for name in ("triple", "cpu", "features", "version"):
        changed: dict[str, Any] = {name: "another"}
        other = dataclasses.replace(here, **changed)
        monkeypatch.setattr(engine, "host", lambda other=other: other)
        monkeypatch.setattr(engine, "compile_text", pretend)
        machine_code(_text(2))
    monkeypatch.setattr(engine, "host", lambda: here)
    monkeypatch.setattr(cache, "_recipe", lambda: "another")
    machine_code(_text(2))
    assert compiled == [_text(2), _text(3), *[_text(2)] * 6]


@needs_llvm
@pytest.mark.parametrize("damage", ["off", "file", "corrupt", "truncated", "read-only", "full"])
def test_a_compiled_function_gives_the_same_answer_whatever_befalls_the_cache(
    compiled: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    expected = _answer(machine_code(_text(5)))
    (entry,) = (tmp_path / "machine-code").iterdir()
    content = entry.read_bytes()
    if damage == "off":
        monkeypatch.setenv("DIFFSIM_CACHE", "off")
    elif damage == "file":
        monkeypatch.setenv("DIFFSIM_CACHE", str(entry))
    elif damage == "corrupt":
        entry.write_bytes(content[:-100] + bytes(100))
    elif damage == "truncated":
        entry.write_bytes(content[: len(content) // 2])
    else:
        entry.unlink()
        _refuse(monkeypatch, "open", errno.EROFS if damage == "read-only" else errno.ENOSPC)
    default_cache.cache_clear()
    assert _answer(machine_code(_text(5))) == expected == 11.0
    assert len(compiled) == 2
