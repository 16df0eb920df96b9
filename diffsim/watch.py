"""Where the first number came from that is not finite: the operation, what it was applied to, and the user's line.

The function is run once more on numbers that look at every result of the table's primitives.  It costs some
microseconds an operation, and is done only after something has failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, final

import numpy as np

from diffsim.errors import DiffsimError, shown
from diffsim.explanations import line_here, line_of
from diffsim.number import AnyNumber, Number, NumberArray, Params, raw, shape_of
from diffsim.operators import ArrayOperators, Operators
from diffsim.primitive import Elementwise, Primitive, bind, each

__all__ = ["Fault", "first_fault"]

_LEVEL = 2**61
"""Above all differentiations: what is recorded on the way is of no interest here."""


@final
@dataclass(frozen=True)
class Fault:
    """The first operation whose result was not finite.

    Attributes
    ----------
    what : str
        ``"log of -0.3"``, ``"1.0 / 0.0"``, ``"ValueError: math domain error"``.
    place : str
        ``'decay.py, line 12: "return -np.log(y)"'``; empty where it cannot be told.
    """

    what: str
    place: str

    def __str__(self) -> str:
        return f"{self.what} ({self.place})" if self.place else self.what


def first_fault(function: Callable[..., Any], *args: AnyNumber) -> Fault | None:
    """Run ``function(*args)`` and return the first operation that gave NaN or infinity, or None if there is none.

    Parameters
    ----------
    function : callable
    *args : floats or arrays
        Plain numbers.

    Examples
    --------
    >>> import numpy as np
    >>> def f(x):
    ...     return 2.0 * np.sqrt(x[0] - 1.0)
    >>> first_fault(f, np.array([0.75])).what
    'sqrt of -0.25'
    >>> first_fault(f, np.array([1.75])) is None
    True
    """
    found: list[Fault] = []
    watched = [_watched(np.array(a) if isinstance(a, np.ndarray) else a, found) for a in args]
    try:
        with np.errstate(all="ignore"):
            answer = function(*watched)
    except DiffsimError:
        return found[0] if found else _by_numpy(function, args)
    except Exception as error:  # noqa: BLE001  # whatever the user's function raises is the fault
        return found[0] if found else Fault(_worded(error), line_of(error))
    if _is_finite(answer):
        return None
    lost = _origin(answer) or (found[0] if found else _by_numpy(function, args))
    if lost is None:
        name = getattr(function, "__name__", type(function).__name__)
        return Fault(f"{name} returned {_first_lost(answer)} as a constant", "")
    return lost


def _by_numpy(function: Callable[..., Any], args: Sequence[AnyNumber]) -> Fault | None:
    """Run on plain numbers while NumPy raises at what is not finite: for functions that take nothing else."""
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
            function(*(np.array(a) if isinstance(a, np.ndarray) else a for a in args))
    except DiffsimError:
        return None
    except Exception as error:  # noqa: BLE001  # likewise
        what = str(error) if isinstance(error, FloatingPointError) else _worded(error)
        return Fault(what, line_of(error))
    return None


def _worded(error: BaseException) -> str:
    return f"{type(error).__name__}: {shown(str(error), 200)[1:-1]}"


class _Watched(Operators):
    """A plain number that looks at what becomes of it.  `float` of it is allowed: there is no derivative to lose."""

    __slots__ = ("_found", "_origin", "_plain")
    _plain: AnyNumber
    _found: list[Fault]
    _origin: Fault | None

    @property
    def _below(self) -> AnyNumber:
        return self._plain

    @property
    def data(self) -> AnyNumber:
        """The plain number or array."""
        return raw(self._plain)

    def __repr__(self) -> str:
        return repr(self.data)

    def __float__(self) -> float:
        return float(raw(self._plain))

    def __int__(self) -> int:
        return int(raw(self._plain))

    def _constant(self, data: AnyNumber) -> AnyNumber:
        return _watched(data, self._found)

    def _apply(self, row: Primitive, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        if any(isinstance(a, np.ndarray) and a.dtype == object for a in args):
            return each(row, args, params)
        below = [_strip(a) for a in args]
        with np.errstate(all="ignore"):
            out = bind(row, below, params)
        if row.boolean:
            return out
        made = _watched(out, self._found)
        if not _is_finite(out):
            made._origin = next((origin for a in args if (origin := _origin(a)) is not None), None)
            if made._origin is None:
                made._origin = Fault(_told(row, [raw(a) for a in below], raw(out)), line_here(_STOP))
                self._found.append(made._origin)
        return made


@final
class _WatchedArray(ArrayOperators, _Watched):
    """An array of them."""

    __slots__ = ()

    def __setitem__(self, index: Any, w: AnyNumber) -> None:
        self._plain[index] = raw(w)
        self._origin = self._origin or _origin(w)


_STOP: CodeType = first_fault.__code__


def _watched(x: AnyNumber, found: list[Fault]) -> _Watched:
    """Return a number as one that is watched."""
    if isinstance(x, int | np.integer | np.floating):
        x = float(x)
    number: _Watched = object.__new__(_WatchedArray if shape_of(x) else _Watched)
    number._level, number._plain, number._found, number._origin = _LEVEL, x, found, None
    return number


def _origin(x: AnyNumber) -> Fault | None:
    """Return where the first of these numbers came from that is not finite."""
    if isinstance(x, _Watched):
        return x._origin
    if isinstance(x, list | tuple) or (isinstance(x, np.ndarray) and x.dtype == object):
        parts = x.flat if isinstance(x, np.ndarray) else x
        return next((origin for part in parts if (origin := _origin(part)) is not None), None)
    return None


def _strip(a: AnyNumber) -> AnyNumber:
    if isinstance(a, _Watched):
        return a._plain
    if isinstance(a, list | tuple):
        return [_strip(b) for b in a]
    return a


def _told(row: Primitive, args: Sequence[AnyNumber], out: AnyNumber) -> str:
    """Return the operation in words, with the numbers at the first spot that was lost."""
    plain = [np.asarray(a, dtype=float) for a in args if not isinstance(a, list | tuple)]
    if not isinstance(row, Elementwise) or not plain or len(plain) != len(args):
        return row.name if all(np.isfinite(a).all() for a in plain) else f"{row.name} of numbers that are not finite"
    result, *plain = np.broadcast_arrays(np.asarray(out, dtype=float), *plain)
    spot = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
    numbers = [_short(a[spot]) for a in plain]
    if row.symbol and len(numbers) == 2:
        return f"{numbers[0]} {row.symbol} {numbers[1]}"
    return f"{row.name} of {', '.join(numbers)}"


def _short(x: Any) -> str:
    return repr(float(f"{float(x):.6g}"))


def _is_finite(x: AnyNumber) -> bool:
    """Whether all numbers of a result of any kind are finite; what cannot be looked at counts as finite."""
    if isinstance(x, list | tuple):
        return all(_is_finite(part) for part in x)
    plain = raw(x)
    if isinstance(plain, NumberArray) or (isinstance(plain, np.ndarray) and plain.dtype == object):
        return all(_is_finite(part) for part in plain.flat)
    if plain is None or isinstance(plain, Number | str):
        return True
    return bool(np.isfinite(plain).all())


def _first_lost(x: AnyNumber) -> str:
    """Return the first number that is not finite."""
    flat = [x] if shape_of(x) == () else list(np.asarray(raw(x), dtype=object).flat)
    return next(str(float(raw(v))) for v in flat if not _is_finite(v))
