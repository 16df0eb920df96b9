"""A progress bar that says nothing for the first second, and nothing at all into a log file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, Protocol

__all__ = ["Progress", "progress_bar"]

_DELAY = 1.0
"""Seconds of work before a bar appears."""


class Progress(Protocol):
    """What `progress_bar` yields."""

    def update(self, n: float = 1) -> object:
        """Say that `n` more units are done."""


class _Silent:
    """A bar that shows nothing."""

    def update(self, n: float = 1) -> None:
        """Do nothing."""


@contextlib.contextmanager
def progress_bar(
    total: float | None, description: str, enabled: bool, unit: str = "", done: float = 0
) -> Iterator[Progress]:
    """Yield an object whose ``.update(n)`` moves a progress bar on the standard error stream.

    The bar appears when the work has lasted longer than a second, so that short work stays quiet.
    It is shown on a terminal and in a notebook; when the standard error stream is a file or a
    pipe it stays silent, because a bar redraws itself and would fill a log with its frames.
    tqdm is imported only when a bar may be shown.

    Parameters
    ----------
    total : float or None
        Number of units of the whole work; None when nobody knows it.
    description : str
        What is being done, shown before the bar.
    enabled : bool
        False: silent, at the cost of one no-op call an update.
    unit : str
        What is counted, such as ``"steps"``.
    done : float
        Units that were done before; the time left is told by the pace of the others.

    Examples
    --------
    >>> with progress_bar(3, "stepping", enabled=False) as bar:
    ...     for _ in range(3):
    ...         _ = bar.update(1)
    """
    if not enabled or not _is_shown():
        yield _Silent()
        return
    with _make_bar(total, description, unit, done) as bar:
        yield bar


def _make_bar(total: float | None, description: str, unit: str, done: float) -> Any:
    """Return a tqdm bar (a context manager)."""
    from tqdm import tqdm  # tqdm.std: the notebook bar of tqdm.auto would need ipywidgets

    return tqdm(
        total=total,
        initial=done,
        desc=description,
        unit=f" {unit}" if unit else "",
        unit_scale=True,
        delay=_DELAY,
        file=sys.stderr,
        dynamic_ncols=True,
        leave=False,
    )


def _is_shown() -> bool:
    """Whether a bar on the standard error stream would be seen as a bar."""
    stream = sys.stderr
    if stream is None or stream.closed:
        return False
    return stream.isatty() or _in_notebook()


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook (whose streams say that they are no terminals)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", ())
