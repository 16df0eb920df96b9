"""Files that are written whole or not at all.

Every output of diffsim (picture, video, table, page) goes through two steps: `check_output` or
`check_folder` says *before* the work whether the file can be written, and `atomic` writes it
under a temporary name beside the target and renames it at the end.  A run that is interrupted
leaves the old file, or none, never half of one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from diffsim.errors import RunError, must

__all__ = ["atomic", "check_folder", "check_output"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def check_output(who: str, path: str | os.PathLike[str], suffixes: Sequence[str] | None = None) -> Path:
    """Return `path` as a `Path` after checking that a file can be written there.

    Called before the work, so that an hour of computing does not end at a missing folder.

    Parameters
    ----------
    who : str
        Who asks; begins the message.
    path : str or path-like
        The file to be written.  A leading ``~`` is expanded.
    suffixes : sequence of str, optional
        The endings that are known, such as ``(".mp4", ".gif")``; case does not matter.

    Returns
    -------
    Path

    Raises
    ------
    ArgumentError
        The ending is not one of `suffixes`, the folder is missing or not writable, or the path
        names something that is not a regular file.

    Examples
    --------
    >>> check_output("animate", "film.avi", (".mp4", ".gif"))
    Traceback (most recent call last):
    diffsim.errors.ArgumentError: animate: path must end in .mp4 or .gif; got path='film.avi'.
    """
    target = _as_path(who, path)
    shown = os.fspath(path)
    if suffixes is not None and target.suffix.lower() not in suffixes:
        raise must(who, "path", f"must end in {_listing(suffixes)}", shown)
    folder = target.parent
    if not folder.is_dir():
        if folder.exists():
            raise must(who, "path", "must lie in a folder", shown, f"{str(folder)!r} is a file.")
        raise must(who, "path", "must lie in a folder that exists", shown, f"Make {str(folder)!r} first.")
    if target.is_dir():
        raise must(who, "path", "must name a file", shown, "It is a folder; add a file name.")
    if target.exists() and not target.is_file():
        raise must(who, "path", "must name a regular file", shown, "It is a device or a pipe.")
    if target.exists() and not os.access(target, os.W_OK):
        raise must(who, "path", "must be writable", shown, "The file is there and is write-protected.")
    _probe(who, "path", target, shown)
    return target


def check_folder(who: str, path: str | os.PathLike[str]) -> Path:
    """Return `path` as a `Path` to a folder that exists (made if it is missing) and takes files.

    Raises
    ------
    ArgumentError
        The folder cannot be made, is a file, or is not writable.
    """
    folder = _as_path(who, path)
    shown = os.fspath(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise must(who, "folder", "must be a folder", shown, "A file stands in its way.") from None
    except OSError as error:
        raise must(who, "folder", "must be a folder that can be made", shown, f"{error.strerror}.") from None
    _probe(who, "folder", folder / "probe", shown)
    return folder


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix); rename it to `path` when the block succeeds.

    The temporary file is flushed to the disk before `os.replace`, so that after a crash of the
    machine the name holds the old or the new content.  On any exception, `KeyboardInterrupt` and
    `SystemExit` too, it is deleted and `path` is as it was.  (A process that is killed outright
    can leave the hidden temporary file, never a broken `path`.  The command `diffsim` turns
    SIGTERM into an exception, so that there it is deleted as well.)

    Raises
    ------
    ArgumentError
        No file can be made in the folder of `path`.
    RunError
        The disk is full or a quota is met (the message names the folder), or the block removed
        the temporary file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic(Path(folder) / "table.csv") as temporary:
    ...         _ = temporary.write_text("t,y")
    ...     print((Path(folder) / "table.csv").read_text())
    t,y
    """
    who = "atomic"
    # NOTE: replacing a symbolic link would cut the link; the file behind it is meant.
    target = Path(os.path.realpath(_as_path(who, path)))
    temporary = _create(who, "path", target, os.fspath(path))
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno in _FULL:
            raise RunError(
                f"{who}: {target.name!r} was not written, because the disk (or the quota) that holds"
                f" {str(target.parent)!r} is full. Free some space or write elsewhere."
            ) from error
        raise


def _as_path(who: str, path: str | os.PathLike[str]) -> Path:
    """Return a `Path` with ``~`` expanded, or raise for what cannot be a path."""
    if not isinstance(path, (str, os.PathLike)):
        raise must(who, "path", "must be a string or a path", path)
    text = os.fspath(path)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise must(who, "path", "must be the name of a file or folder", path)
    try:
        full = Path(text).expanduser()
        full.exists()  # a name that the system cannot even look up raises here
    except RuntimeError as error:
        raise must(who, "path", "must name a home folder that exists", text, f"{error}") from None
    except OSError as error:
        raise must(who, "path", "must be a path that this system can have", text, f"{error.strerror}.") from None
    return full


def _temporary_name(target: Path) -> Path:
    """A hidden, unused name beside `target` with its suffix."""
    return target.with_name(f".{target.stem[:200]}.{secrets.token_hex(4)}{target.suffix}")


def _create(who: str, name: str, target: Path, shown: str) -> Path:
    """Make an empty temporary file beside `target` with the permissions a new file gets, and return its path."""
    temporary = _temporary_name(target)
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise must(who, name, "must be writable", shown, f"{error.strerror}.") from None
    with contextlib.suppress(OSError):
        temporary.chmod(target.stat().st_mode & 0o777)
    return temporary


def _probe(who: str, name: str, target: Path, shown: str) -> None:
    """Raise unless a file can be made beside `target`.

    NOTE: tried for real, because `os.access` says yes to root and on some network file systems.
    """
    _create(who, name, target, shown).unlink()


def _flush(path: Path) -> None:
    """Force the content of `path` to the disk."""
    if not path.exists():
        raise RunError(f"atomic: the block must write to the temporary path that it is given; {path.name!r} is gone.")
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _listing(suffixes: Sequence[str]) -> str:
    """``.png, .svg or .pdf``."""
    known = list(suffixes)
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} or {known[-1]}"
