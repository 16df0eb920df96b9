"""The error tree of diffsim, and the helpers that word every message the same way.

A message says who complains, what must hold, what was got, and how to mend it::

    solve_ivp: step must be > 0; got step=-0.1. To integrate backwards swap t_span.

Every class below `DiffsimError` is also the builtin that people already catch, so
``except ValueError`` goes on working.  What befalls one trajectory of a batch is its
``status``, never an exception.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable

__all__ = [
    "ArgumentError",
    "DiffsimError",
    "DriftWarning",
    "HorizonWarning",
    "InterpretedWarning",
    "KindError",
    "RunError",
    "TraceError",
    "must",
    "shown",
    "unknown_name",
]


class DiffsimError(Exception):
    """Root of every error that diffsim raises on purpose."""


class ArgumentError(DiffsimError, ValueError):
    """An argument has the right kind but a value, shape or name that cannot be used."""


class KindError(DiffsimError, TypeError):
    """An argument has the wrong kind, or a derivative would be dropped silently."""


class TraceError(KindError):
    """A function cannot be recorded as an expression graph (a branch on a traced number, a foreign call).

    Attributes
    ----------
    origins : frozenset of str
        Names of the inputs whose values were asked for, where that was the reason.
    """

    origins: frozenset[str] = frozenset()


class InterpretedWarning(UserWarning):
    """A function runs interpreted, and the message says why; the answer is the same, the time is not."""


class DriftWarning(UserWarning):
    """A solve did not keep what its method is chosen for: the step is too long, or copies came apart."""


class HorizonWarning(UserWarning):
    """A chaotic solve went on beyond what doubles can know of it; the message says since when."""


class RunError(DiffsimError, RuntimeError):
    """Something outside the arguments failed at run time (an encoder, a file, a search that found nothing)."""


def must(who: str, name: str, rule: str, got: object, mend: str = "") -> ArgumentError:
    """Return (not raise) the error ``who: name rule; got name=got. mend``.

    >>> raise must("solve_ivp", "step", "must be > 0", -0.1, "To integrate backwards swap t_span.")
    Traceback (most recent call last):
    diffsim.errors.ArgumentError: solve_ivp: step must be > 0; got step=-0.1. To integrate backwards swap t_span.
    """
    tail = f" {mend}" if mend else ""
    return ArgumentError(f"{who}: {name} {rule}; got {name}={shown(got)}.{tail}")


def shown(got: object, width: int = 100) -> str:
    """Return `got` as a message shows it: on one line, cut at `width`, NumPy's numbers as plain numbers.

    >>> shown([0.5, 1.0]), shown("x" * 200, 12)
    ('[0.5, 1.0]', "'xxxxxxxx...")
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(got, numpy.generic):
        got = got.item()
    text = " ".join(repr(got).split())
    if len(text) <= width:
        return text
    shape = f" of shape {got.shape}" if numpy is not None and isinstance(got, numpy.ndarray) else ""
    return f"{text[: width - 3]}...{shape}"


def unknown_name(who: str, kind: str, got: str, known: Iterable[str]) -> ArgumentError:
    """Return the error for a name that nobody has, with the list of names and the nearest one.

    >>> raise unknown_name("Rod", "parameter", "lenght_1", ["gravity", "length_1"])
    Traceback (most recent call last):
    diffsim.errors.ArgumentError: Rod: unknown parameter 'lenght_1'; it has gravity, length_1. Did you mean 'length_1'?
    """
    names = list(known)
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(str(got).lower(), list(lower), n=1, cutoff=0.5)
    hint = f" Did you mean {lower[near[0]]!r}?" if near else ""
    listing = ", ".join(names) if names else "none"
    return ArgumentError(f"{who}: unknown {kind} {got!r}; it has {listing}.{hint}")
