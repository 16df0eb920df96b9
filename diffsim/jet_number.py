"""`Jet`: a number that is a power series, for derivatives of any order in one direction (Taylor mode).

A jet walks through user code as a `Dual` does, and follows from the same rows of the table (`diffsim.series`).  Its
coefficients are computed one order after the other, each when it is asked for: the function is called once, and then
its result can be fed back into its argument (`diffsim.jets.solution_series`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.errors import KindError
from diffsim.number import AnyNumber, Params, promote, shape_of
from diffsim.operators import ArrayOperators, Operators
from diffsim.primitive import Primitive, Structural, bind
from diffsim.series import Operation, Rule, Series, constant_rule

__all__ = ["ArrayJet", "Jet", "Room"]

_new = object.__new__


@final
class Room:
    """What the jets of one differentiation share: their level, and which of them say the same."""

    __slots__ = ("known", "level", "recorded", "recording", "series")

    def __init__(self, level: int) -> None:
        self.level = level
        self.known: dict[Any, tuple[Series, Sequence[AnyNumber]]] = {}
        self.series: list[Series] = []
        self.recorded: list[Series] = []
        self.recording = True

    def new(self, coefficients: list[AnyNumber], rule: Rule) -> Series:
        """A series of this room."""
        made = Series(coefficients, rule)
        self.series.append(made)
        return made

    def input(self, coefficients: Sequence[AnyNumber]) -> Jet:
        """A jet with these coefficients; who makes it appends further ones, or they are 0."""
        return _jet(self.new(list(coefficients), constant_rule(coefficients[0])), self)

    def sweep(self, k: int) -> None:
        """Compute the coefficients of order k of all that the function has recorded.

        NOTE: in the order of recording, so that a long chain of operations does not become a deep recursion.
        """
        for series in self.recorded:
            series.upto(k)

    def close(self) -> None:
        """Let go of what refers to each other in circles: only coefficients remain."""
        for series in self.series:
            series.rule, series.rate = _ended, None
        self.known.clear()
        self.series.clear()
        self.recorded.clear()


def _ended(k: int) -> AnyNumber:
    raise KindError(
        f"jet: a coefficient of order {k} is asked for after its differentiation has ended. "
        "Return the number from the function."
    )


class Jet(Operators):
    """A scalar that is a power series; made by `jet` inside a differentiation, not by users."""

    __slots__ = ("_room", "_series")
    _room: Room
    _series: Series

    @property
    def _below(self) -> AnyNumber:
        return self._series.coefficients[0]

    @property
    def coefficients(self) -> tuple[AnyNumber, ...]:
        """The coefficients that are known so far, the value first."""
        return tuple(self._series.coefficients)

    def __repr__(self) -> str:
        return f"Jet{self.coefficients!r}"

    def _constant(self, data: AnyNumber) -> Jet:
        return self._room.input([data])

    def _apply(self, row: Primitive, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        level = self._level
        primals: list[AnyNumber] = []
        series: dict[int, Series] = {}
        for i, a in enumerate(args):
            if isinstance(a, Jet) and a._level == level:
                if row.differentiable(i):
                    series[i] = a._series
                a = a._series.coefficients[0]
            elif isinstance(a, list | tuple) or (isinstance(a, np.ndarray) and a.dtype == object):
                lifted = array_ops.array(a)
                if lifted is not a:
                    return bind(row, [array_ops.array(b) if b is a else b for b in args], params)
            primals.append(a)
        if row.elementwise:
            promote(primals, args)
        key = _key(row, args, level) if row.elementwise and not params else None
        known = self._room.known.get(key) if key is not None else None
        if known is not None:
            return _jet(known[0], self._room)
        with np.errstate(all="ignore"):
            out = bind(row, primals, params)
        if row.boolean:
            return out
        return self._made(row, args, params, primals, series, key, float(out) if out.__class__ is np.float64 else out)

    def _made(
        self,
        row: Primitive,
        args: Sequence[AnyNumber],
        params: Params,
        primals: Sequence[AnyNumber],
        series: dict[int, Series],
        key: Any,
        out: AnyNumber,
    ) -> Jet:
        """The jet of a result, whose rule is found when a coefficient beyond the first is asked for."""
        room = self._room
        made = room.new([out], constant_rule(out))
        z = _jet(made, room)
        if series:
            operation = Operation(row, params, args, primals, series, _jet(made, room), _rate_of)

            def rule(k: int) -> AnyNumber:
                made.rule = operation.rule()
                return made.rule(k)

            made.rule = rule
        if room.recording:
            room.recorded.append(made)
        if key is not None:
            room.known[key] = made, args
        if isinstance(z, ArrayJet) and isinstance(row, Structural) and row.view is not None:
            z._part = row.view(params)
        return z


@final
class ArrayJet(ArrayOperators, Jet):
    """A `Jet` whose coefficients are arrays."""

    __slots__ = ("_part",)
    _part: bool

    def __setitem__(self, index: Any, w: AnyNumber) -> None:
        if self._part:
            self._refuse_part()
        after = array_ops.set_item(self, index, w)
        if not isinstance(after, ArrayJet):
            raise KindError(
                f"item assignment: a Jet array cannot hold a {type(w).__name__} of another differentiation. "
                "Write `c = diffsim.set_item(c, index, w)`."
            )
        self._series, self._room, self._level = after._series, after._room, after._level


def _jet(series: Series, room: Room) -> Jet:
    """A handle on a series; item assignment moves the handle, never the series."""
    number: Jet = _new(ArrayJet if shape_of(series.coefficients[0]) else Jet)
    number._series, number._room, number._level = series, room, room.level
    if isinstance(number, ArrayJet):
        number._part = False
    return number


def _key(row: Primitive, args: Sequence[AnyNumber], level: int) -> Any:
    """What makes two operations the same: the row, the series, the constants."""
    parts: list[Any] = [row]
    for a in args:
        if isinstance(a, Jet) and a._level == level:
            parts.append(id(a._series))
        elif a.__class__ is float:
            parts.append((a, math.copysign(1.0, a)))
        else:
            parts.append((None, id(a)))
    return tuple(parts)


def _rate_of(x: Jet) -> Jet:
    """The derivative of a jet by s: ``(j + 1) x_(j+1)``; made once."""
    series = x._series
    if series.rate is None:
        first = series.upto(1)[1]
        series.rate = _jet(x._room.new([first], lambda j: (j + 1) * series.upto(j + 1)[j + 1]), x._room)
    rate: Jet = series.rate
    return rate
