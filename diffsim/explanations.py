"""Why a function cannot be traced, and in which line: `explained`."""

from __future__ import annotations

import functools
import linecache
import os
import sys
from types import CodeType, FrameType

import numpy as np

from diffsim.errors import DiffsimError, TraceError, shown

__all__ = ["explained", "line_here", "line_of"]


def explained(error: BaseException, head: str) -> TraceError:
    """The error of a trace as one that names the reason and the line of the user's code.

    Parameters
    ----------
    error : exception
        As it was raised, with its traceback.
    head : str
        How the message begins.
    """
    if isinstance(error, DiffsimError):
        reason = str(error).removeprefix("trace: ")
    else:
        reason = f"it raised {type(error).__name__}: {shown(str(error), 200)[1:-1]}"
    made = TraceError(f"{head}: {reason.rstrip()}{_place(error)}")
    made.origins = error.origins if isinstance(error, TraceError) else frozenset()
    return made


def _place(error: BaseException) -> str:
    """``(model.py, line 12: "if y[0] > 0:")`` for the innermost line of the user's code; empty if there is none."""
    line = line_of(error)
    return f" ({line})" if line else ""


def line_of(error: BaseException) -> str:
    """Return ``model.py, line 12: "if y[0] > 0:"``, the innermost line of the user's code; empty if there is none."""
    found = None
    walk = error.__traceback__
    while walk is not None:
        if not _is_library(walk.tb_frame.f_code.co_filename):
            found = walk
        walk = walk.tb_next
    return "" if found is None else _line(found.tb_frame.f_code.co_filename, found.tb_lineno)


def line_here(stop: CodeType) -> str:
    """Return the line that is being executed, below the frame of `stop`: the user's, or else that of a wing."""
    frame: FrameType | None = sys._getframe(1)
    wing = ""
    while frame is not None and frame.f_code is not stop:
        path = frame.f_code.co_filename
        if not _is_library(path):
            return _line(path, frame.f_lineno)
        if not wing and path.startswith(_library_folders()[1:-1]):
            wing = _line(path, frame.f_lineno)
        frame = frame.f_back
    return wing


def _line(path: str, number: int) -> str:
    line = linecache.getline(path, number).strip()
    text = f': "{line}"' if line else ""
    return f"{os.path.basename(path)}, line {number}{text}"


@functools.cache
def _library_folders() -> tuple[str, ...]:
    own = os.path.dirname(__file__)
    wings = [os.path.join(os.path.dirname(own), name) for name in ("integrators", "systems", "studies")]
    return tuple(os.path.join(folder, "") for folder in (own, *wings, os.path.dirname(np.__file__)))


def _is_library(path: str) -> bool:
    """Whether a file is diffsim's, NumPy's or the standard library's own."""
    standard = os.path.join(os.path.dirname(functools.__file__), "")
    if path.startswith(standard) and "site-packages" not in path.removeprefix(standard):
        return True
    return path.startswith((*_library_folders(), "<frozen", "<__array_function__"))
