"""Machine code on disk: what was compiled once for this processor is not compiled again.

An entry is one file, named after the digest of everything that its machine code depends on.  It is written under a
temporary name and renamed, and it is verified when it is read: it begins with a magic number, the length, the digest
of the key and a checksum over all of it.  So nobody has to lock anything, and an entry that is damaged, cut short,
foreign, unreadable, or somebody else's is a miss.  Whatever is wrong with the folder costs a compile, never an error;
``diffsim cache`` says what it is.

The environment variable ``DIFFSIM_CACHE`` names another folder; ``DIFFSIM_CACHE=off`` keeps code in memory alone.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, final

from diffsim.compiler import engine

__all__ = ["Cache", "Entry", "default_cache", "default_folder", "machine_code"]

_MAGIC = b"diffsim\x01"  # the last byte is the version of this format
_HEADER = struct.Struct("<8sQ32s32s")  # magic, length of the code, digest of the key, digest of all the rest
_ENTRY = re.compile(r"[0-9a-f]{64}\.code")
_TEMPORARY = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{16}\.tmp")
_DAY, _HOUR = 86400.0, 3600.0  # s
_IN_MEMORY = 32 * 2**20  # bytes

# NOTE: without O_NONBLOCK a pipe in place of an entry would be waited for.  Windows has none of these but O_BINARY.
_SAFE = sum(getattr(os, name, 0) for name in ("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK"))


class Entry(NamedTuple):
    """A file of the cache.

    Attributes
    ----------
    path : str
    n_bytes : int
    used : float
        When it was last used, to the day, in s since 1970.
    """

    path: str
    n_bytes: int
    used: float


@final
class Cache:
    """A store of machine code: in memory, and in a folder that many processes may use at once.

    Parameters
    ----------
    folder : path-like, optional
        Made when something is to be written, for this user alone.  Without one, code is kept in memory alone.
        It is not trusted, and not used, if it belongs to another user or others may write to it.
    limit_bytes : int
        Size of all entries.  Where a new one exceeds it, those that were not used for the longest time go.

    Notes
    -----
    It guards against other users, not against this one: who may write here may run programs as this user anyway.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = Cache(folder).fetch("key", lambda: b"code")
    ...     again = Cache(folder).fetch("key", lambda: b"not called")
    >>> first, again
    (b'code', b'code')
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, limit_bytes: int = 256 * 2**20) -> None:
        self.folder = None if folder is None else Path(os.path.abspath(folder))
        self.limit_bytes = limit_bytes
        self._memory: dict[bytes, bytes] = {}  # the one used last is the last
        self._lock = threading.Lock()

    def fetch(self, key_text: str, make: Callable[[], bytes]) -> bytes:
        """Return what is stored under a key; if there is nothing, make it and store it.

        Parameters
        ----------
        key_text : str
            Everything that the result depends on.
        make : callable () -> bytes
            What it raises is raised, and nothing else.
        """
        key = hashlib.sha256(key_text.encode()).digest()
        code = self._recall(key)
        if code is None:
            code = self._read(key)
            if code is None:
                code = make()
                self._write(key, code)
            self._remember(key, code)
        return code

    def entries(self) -> list[Entry]:
        """Return the entries of the folder."""
        return list(self._files(_ENTRY))

    def clear(self) -> int:
        """Remove all entries and what interrupted writes have left; return the number of entries removed.

        Files that are not the cache's own stay, and so does what another process is just writing.
        """
        with self._lock:
            self._memory.clear()
        self._sweep()
        return sum(_removed(entry.path) for entry in self._files(_ENTRY))

    def trouble(self) -> str:
        """Return why the folder cannot be used; empty if it can, which is tried."""
        if self.folder is None:
            return "there is no folder"
        try:
            self._prepare()
            os.unlink(self._temporary(bytes(32), bytes(4096)))  # an empty file would fit a full disk
        except (OSError, ValueError) as error:
            reason: str = getattr(error, "strerror", None) or str(error)
            return reason[:1].lower() + reason[1:]
        return ""

    # --- memory ----------------------------------------------------------------------------------------------------

    def _recall(self, key: bytes) -> bytes | None:
        with self._lock:
            code = self._memory.pop(key, None)
            if code is not None:
                self._memory[key] = code
            return code

    def _remember(self, key: bytes, code: bytes) -> None:
        with self._lock:
            self._memory[key] = code
            while sum(map(len, self._memory.values())) > _IN_MEMORY:
                del self._memory[next(iter(self._memory))]

    # --- disk ------------------------------------------------------------------------------------------------------

    def _path(self, key: bytes) -> str:
        return os.path.join(self.folder or "", f"{key.hex()}.code")

    def _read(self, key: bytes) -> bytes | None:
        """Return the code of an entry, or None for one that is missing or bad in whatever way."""
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            _check_ours(os.stat(self.folder), "the folder")
            with open(os.open(path, os.O_RDONLY | _SAFE), "rb") as file:
                status = os.fstat(file.fileno())
                _check_ours(status, "the entry")
                if not stat.S_ISREG(status.st_mode) or status.st_size > self.limit_bytes:
                    return None
                content = file.read()
        except (OSError, ValueError):  # ValueError: no system has a path with a null character
            return None
        code = _verified(key, content)
        if code is not None and abs(time.time() - status.st_mtime) > _DAY:
            with contextlib.suppress(OSError):
                os.utime(path)
        return code

    def _write(self, key: bytes, code: bytes) -> None:
        """Store an entry if that is possible."""
        if self.folder is None or _HEADER.size + len(code) > self.limit_bytes:
            return
        with contextlib.suppress(OSError, ValueError):
            self._prepare()
            temporary = self._temporary(key, _header(key, code) + code)
            path = self._path(key)
            try:
                with contextlib.suppress(OSError):
                    os.rmdir(path)  # os.replace does not replace a folder
                os.replace(temporary, path)
            except BaseException:
                _removed(temporary)
                raise
            self._evict()

    def _prepare(self) -> None:
        """Make the folder if it is missing; raise an OSError if it cannot be made or is not ours alone."""
        folder = self.folder or ""
        with contextlib.suppress(FileExistsError):
            os.makedirs(folder, mode=0o700)
        status = os.stat(folder)
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError("it is not a folder")
        _check_ours(status, "the folder")

    def _temporary(self, key: bytes, content: bytes) -> str:
        """Write a new file that is hidden, whole and on the disk; return its path."""
        path = os.path.join(self.folder or "", f".{key.hex()}.{os.urandom(8).hex()}.tmp")
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _SAFE, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            _removed(path)
            raise
        return path

    def _evict(self) -> None:
        """Remove the entries that were not used for the longest time, to three quarters of the limit."""
        self._sweep()
        entries = sorted(self._files(_ENTRY), key=lambda entry: entry.used)
        size = sum(entry.n_bytes for entry in entries)
        if size <= self.limit_bytes:
            return
        for entry in entries:
            if size <= 0.75 * self.limit_bytes or entry is entries[-1]:
                break
            _removed(entry.path)
            size -= entry.n_bytes

    def _sweep(self) -> None:
        """Remove the temporary files of processes that were killed an hour ago or more."""
        for left in self._files(_TEMPORARY):
            if abs(time.time() - left.used) > _HOUR:
                _removed(left.path)

    def _files(self, name: re.Pattern[str]) -> Iterator[Entry]:
        """Yield the files of the folder that bear such a name."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError, ValueError), os.scandir(self.folder) as found:
            for item in found:
                if name.fullmatch(item.name) and not item.is_dir(follow_symlinks=False):
                    with contextlib.suppress(OSError):  # another process has removed it
                        status = item.stat(follow_symlinks=False)
                        yield Entry(item.path, status.st_size, status.st_mtime)


def machine_code(text: str, *, optimise: int = 2) -> bytes:
    """Return the object code of a module, compiled at most once on this machine; see `engine.compile_text`.

    Parameters
    ----------
    text : str
        LLVM's intermediate representation.
    optimise : {0, 1, 2, 3}
        How hard LLVM's passes try.
    """
    here = engine.host()
    key = (_recipe(), here.triple, here.cpu, here.features, here.version, str(optimise), text)
    return default_cache().fetch("\0".join(key), lambda: engine.compile_text(text, optimise=optimise))


@functools.cache
def default_cache() -> Cache:
    """Return the cache of this process; the environment is read when it is first used."""
    return Cache(default_folder())


def default_folder() -> Path | None:
    """Return the folder that the environment names, or the one of this system for such things; None if there is none.

    NOTE: always a folder of our own below the named one, which may be shared, or writable for others.
    """
    named = os.environ.get("DIFFSIM_CACHE", "").strip()
    if named.lower() == "off":
        return None
    if not named:
        import platformdirs

        named = platformdirs.user_cache_dir("diffsim", appauthor=False)
        if not os.path.isabs(named):  # a user without a home
            return None
    full = os.path.expanduser(named)
    return None if full.startswith("~") else Path(os.path.abspath(full), "machine-code")


@functools.cache
def _recipe() -> str:
    """The digest of the code that turns text into machine code: with other passes it would be another machine code."""
    try:
        return hashlib.sha256(Path(engine.__file__).read_bytes()).hexdigest()
    except OSError:  # loaded from an archive
        return ""


def _header(key: bytes, code: bytes) -> bytes:
    """Return what stands before the code of an entry."""
    check = hashlib.sha256(_HEADER.pack(_MAGIC, len(code), key, bytes(32)))
    check.update(code)
    return _HEADER.pack(_MAGIC, len(code), key, check.digest())


def _verified(key: bytes, content: bytes) -> bytes | None:
    """Return the code of an entry, or None if a byte of it is wrong or it belongs to another key."""
    code = content[_HEADER.size :]
    return code if content[: _HEADER.size] == _header(key, code) else None


def _check_ours(status: os.stat_result, what: str) -> None:
    """Raise a PermissionError unless a file belongs to this user and no other may write it (where there are users)."""
    if sys.platform != "win32":
        if status.st_uid != os.geteuid():
            raise PermissionError(f"{what} belongs to another user")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(f"other users may write to {what}; use chmod go-w")


def _removed(path: str) -> bool:
    """Remove a file; return whether that succeeded."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
