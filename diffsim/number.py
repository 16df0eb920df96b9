"""`Number`, the base of every number that records what is done to it, and the levels that keep them apart.

A number carries a level: which differentiation it belongs to, the inner ones higher.  `diffsim.primitive.bind` gives
an operation to the number with the highest level, which strips itself off, binds again, and wraps the answer.  Nested
derivatives therefore never confuse their perturbations (Siskind and Pearlmutter, "Perturbation confusion and
referential transparency", 2005).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import numpy as np

__all__ = [
    "AnyNumber",
    "Number",
    "NumberArray",
    "Params",
    "as_wide_as",
    "depth_of",
    "is_differentiation",
    "leaf_level",
    "new_level",
    "promote",
    "raw",
    "shape_of",
]

# A number of any kind: float, ndarray, Value, Dual, Tracer, mpmath.mpf, Fraction.
AnyNumber: TypeAlias = Any
Params: TypeAlias = Mapping[str, Any]


class Number:
    """Base of the numbers that record: everything that walks through user code in place of a float.

    Abstract.  `level` orders nested differentiations: an operation belongs to the argument with the highest level.
    PERF: not an `abc.ABC`, whose isinstance is six times slower and stands in every operation.
    """

    __slots__ = ("_level",)
    _level: int

    liftable = True  # whether an array of these is one number (Value, Dual) or an object array (Tracer)

    def _apply(self, row: Any, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        """Carry out one operation at this number's level, and record it."""
        raise NotImplementedError

    @property
    def _below(self) -> AnyNumber:
        """The number underneath, one level down; itself where there is none to look at."""
        raise NotImplementedError

    def _meets_infinity(self, g: AnyNumber) -> bool:
        """Whether, in a traced number, a cotangent g that `where` may have set to 0 can meet an infinity."""
        return False


class NumberArray(np.ndarray):
    """Base of the object arrays whose class outlives operations; see `diffsim.traced_array`."""


_enclosing: ContextVar[int] = ContextVar("diffsim_enclosing_level", default=-1)
_next_level = itertools.count(2, 2).__next__


@contextmanager
def new_level() -> Iterator[int]:
    """Enter one more differentiation; yields the level of its numbers.

    Levels are never used twice, so what starts later is inside, in every thread and after every exception.
    """
    level = _next_level()
    token = _enclosing.set(level)
    try:
        yield level
    finally:
        _enclosing.reset(token)


def leaf_level() -> int:
    """Level of a `Value` that user code makes here: just above the enclosing differentiation."""
    return _enclosing.get() + 1


def is_differentiation(level: int) -> bool:
    """Whether numbers of this level belong to a differentiation and not to user code (see `leaf_level`)."""
    return level > 0 and level % 2 == 0


def raw(x: AnyNumber) -> AnyNumber:
    """Strip every recording layer: the plain float or array underneath.

    For decisions (step sizes, finiteness, branches), never for results: it drops derivatives.
    A tracer has nothing underneath and is returned as it is.
    """
    while isinstance(x, Number):
        below = x._below
        if below is x:
            return x
        x = below
    return x


def depth_of(x: AnyNumber) -> int:
    """Return how many differentiations a number belongs to: the layers that `raw` strips."""
    depth = 0
    while isinstance(x, Number):
        below = x._below
        if below is x:
            break
        x, depth = below, depth + 1
    return depth


def shape_of(x: AnyNumber) -> tuple[int, ...]:
    """Shape of a number of any kind; a scalar has ``()``."""
    if x.__class__ is float:
        return ()
    shape: tuple[int, ...] | None = getattr(x, "shape", None)
    return np.shape(x) if shape is None else shape


def as_wide_as(c: AnyNumber, data: AnyNumber) -> AnyNumber:
    """A plain tangent or cotangent in the floating-point type of the number it belongs to."""
    if c.__class__ is np.ndarray and data.__class__ is np.ndarray and c.dtype is data.dtype:
        return c
    if isinstance(data, np.ndarray | np.floating) and data.dtype.kind == "f":
        if isinstance(c, np.ndarray | np.floating) and c.dtype != data.dtype:
            return c.astype(data.dtype) if c.dtype.kind == "f" else c
        if c.__class__ is float and isinstance(data, np.floating):
            return data.dtype.type(c)
    return c


def promote(data: list[AnyNumber], args: Sequence[AnyNumber]) -> None:
    """Give the float of a number of ours its float64 where NumPy would let a Python float yield to a narrower type."""
    for a in data:
        kind = a.__class__
        if kind is not float and (kind is np.ndarray or isinstance(a, np.floating)) and a.dtype.itemsize < 8:
            break
    else:
        return
    data[:] = [
        np.float64(a) if a.__class__ is float and isinstance(given, Number) else a
        for a, given in zip(data, args, strict=True)
    ]
