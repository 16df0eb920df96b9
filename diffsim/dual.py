"""`Dual`: a number with its tangent, for forward-mode derivatives, in one or in many directions at once.

A `Dual` of primal shape S carries either one tangent of shape S, or k tangents in one array of shape ``(k, *S)``.
Both follow from the same rows of the table as `diffsim.value.Value`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.errors import KindError
from diffsim.number import AnyNumber, Params, as_wide_as, promote, shape_of
from diffsim.operators import ArrayOperators, Operators
from diffsim.primitive import Primitive, Structural, bind, each

__all__ = ["ArrayDual", "Dual", "dual", "split"]

_new = object.__new__


class Dual(Operators):
    """A scalar with its tangent(s); made by `dual` inside a differentiation, not by users.

    Attributes
    ----------
    primal : number of the level below, shape S
    tangent : number of the level below, shape S, or ``(directions, *S)``
    """

    __slots__ = ("_directions", "primal", "tangent")
    primal: AnyNumber
    tangent: AnyNumber
    _directions: int | None

    @property
    def _below(self) -> AnyNumber:
        return self.primal

    def __repr__(self) -> str:
        return f"Dual({self.primal!r}, tangent={self.tangent!r})"

    def _constant(self, data: AnyNumber) -> Dual:
        k = self._directions
        shape = shape_of(data) if k is None else (k, *shape_of(data))
        return dual(data, as_wide_as(np.zeros(shape), data) if shape else 0.0, self._level, k)

    def _apply(self, row: Primitive, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        level, k = self._level, self._directions
        primals: list[AnyNumber] = []
        tangents: dict[int, AnyNumber] = {}
        for i, a in enumerate(args):
            if isinstance(a, Dual) and a._level == level:
                if row.differentiable(i):
                    tangents[i] = a.tangent
                a = a.primal
            elif isinstance(a, np.ndarray) and a.dtype == object:
                return each(row, args, params)
            elif isinstance(a, list | tuple):
                return bind(row, [array_ops.array(b) for b in args], params)
            primals.append(a)
        if row.elementwise:
            promote(primals, args)
        if row.singular:  # NaN and infinity are values here; the solvers look for them
            with np.errstate(all="ignore"):
                out = bind(row, primals, params)
        else:
            out = bind(row, primals, params)
        if row.boolean:
            return out
        if out.__class__ is np.float64:
            out = float(out)
        if not tangents:
            return self._constant(out)
        if k is None:
            tangent = row.tangent(tangents, out, primals, params)
            wanted = shape_of(out)
        else:
            tangent = _many(row, tangents, out, primals, params, k)
            wanted = (k, *shape_of(out))
        if shape_of(tangent) != wanted:
            tangent = array_ops.broadcast_to(tangent, wanted)
        if out.__class__ is not float:
            tangent = as_wide_as(tangent, out)
        made = dual(out, tangent, level, k)
        if isinstance(made, ArrayDual) and isinstance(row, Structural) and row.view is not None:
            made._part = row.view(params)
        return made


@final
class ArrayDual(ArrayOperators, Dual):
    """A `Dual` whose primal is an array."""

    __slots__ = ("_part",)
    _part: bool

    def __setitem__(self, index: Any, w: AnyNumber) -> None:
        if self._part:
            self._refuse_part()
        after = array_ops.set_item(self, index, w)
        if not isinstance(after, ArrayDual):
            raise KindError(
                f"item assignment: a Dual array cannot hold a {type(w).__name__} of another differentiation. "
                "Write `c = diffsim.set_item(c, index, w)`."
            )
        self.primal, self.tangent = after.primal, after.tangent
        self._level, self._directions = after._level, after._directions


def dual(primal: AnyNumber, tangent: AnyNumber, level: int, directions: int | None = None) -> Dual:
    """Make a `Dual`; `directions` is the length of the tangent's extra leading axis, None without one."""
    scalar = primal.__class__ is float or not shape_of(primal)
    number: Dual = _new(Dual if scalar else ArrayDual)
    number.primal, number.tangent, number._level, number._directions = primal, tangent, level, directions
    if isinstance(number, ArrayDual):
        number._part = False
    return number


def split(x: AnyNumber, level: int, directions: int | None = None) -> tuple[AnyNumber, AnyNumber]:
    """Primal and tangent of a result at the given level; zero tangent for what does not depend on the input."""
    if isinstance(x, Dual) and x._level == level:
        return x.primal, x.tangent
    shape = shape_of(x) if directions is None else (directions, *shape_of(x))
    return x, np.zeros(shape) if shape else 0.0


def _many(
    row: Primitive,
    tangents: Mapping[int, AnyNumber],
    out: AnyNumber,
    primals: Sequence[AnyNumber],
    params: Params,
    k: int,
) -> AnyNumber:
    """Tangents of the result in k directions, together where the row allows it."""
    if row.elementwise:
        ndim = len(shape_of(out))
        return row.tangent({i: _align(t, k, ndim) for i, t in tangents.items()}, out, primals, params)
    if isinstance(row, Structural) and row.lead is not None and row.push is None:
        moved = [tangents[i] if i in tangents else np.zeros((k, *shape_of(a))) for i, a in enumerate(primals)]
        led = row.lead(params, moved)
        if led is not None:
            return bind(row, moved, led)
    each_direction = [
        row.tangent({i: array_ops.getitem(t, j) for i, t in tangents.items()}, out, primals, params) for j in range(k)
    ]
    return array_ops.stack([array_ops.broadcast_to(t, shape_of(out)) for t in each_direction])


def _align(t: AnyNumber, k: int, ndim: int) -> AnyNumber:
    """Put length-1 axes behind the directions, so that a lower-dimensional argument broadcasts as its primal does."""
    shape = shape_of(t)
    missing = ndim + 1 - len(shape)
    return t if missing <= 0 else array_ops.reshape(t, (k, *(1,) * missing, *shape[1:]))
