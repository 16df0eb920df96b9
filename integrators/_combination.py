"""Linear combinations of stages, ``h * sum_j weight_j k_j``, for numbers of any kind: all the arithmetic of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from diffsim.number import Number, shape_of
from diffsim.primitive import Structural, bind

State: TypeAlias = Any
"""A state: float, list, ndarray (n,) or (n, *batch), Value, Dual, Tracer, mpmath.mpf, Fraction."""


_SMALL = 512
"""Arrays below this size are combined by operators; above, without intermediate copies."""


@dataclass(frozen=True, slots=True)
class Term:
    """Stages that share one weight, as a float and as a fraction: their sum is weighted once."""

    weight: float
    numerator: int
    denominator: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """A row of a tableau, ready to be applied to stages.

    Equal weights are gathered (RK4's ``k_2 + k_3``): fewer operations, and the same ones for every kind of number.
    """

    terms: tuple[Term, ...]
    pairs: tuple[tuple[float, tuple[int, ...]], ...]
    node: float
    node_exact: Fraction

    @classmethod
    def of(cls, row: Sequence[Fraction], node: Fraction = Fraction(1)) -> Combination:
        """Gather the equal weights of a row; zeros are left out."""
        groups: dict[Fraction, list[int]] = {}
        for j, weight in enumerate(row):
            if weight:
                groups.setdefault(weight, []).append(j)
        terms = [Term(float(w), w.numerator, w.denominator, tuple(js)) for w, js in groups.items()]
        return cls(tuple(terms), tuple((term.weight, term.members) for term in terms), float(node), node)

    def time(self, t: State, h: State, exact: bool) -> State:
        """Return ``t + node * h``."""
        if self.node == 0.0:
            return t
        if self.node == 1.0:
            return t + h
        if exact:
            return t + h * self.node_exact.numerator / self.node_exact.denominator
        return t + self.node * h

    def increment(self, h: State, stages: Sequence[State], exact: bool) -> State:
        """Return ``h * sum_j weight_j stages[j]``; a list where the stages are lists.

        Parameters
        ----------
        h : number
            The step; an array of shape (m,) gives each lane of ``(n, m)`` stages its own.
        stages : sequence of states
        exact : bool
            Whether weights are applied as ``* numerator / denominator``, which loses no digit of fractions and
            multiprecision numbers; floats take the rounded weight.
        """
        if stages[0].__class__ is list or stages[0].__class__ is tuple:
            return [self.increment(h, column, exact) for column in zip(*stages, strict=True)]
        total: State = None
        if not exact:
            for weight, members in self.pairs:
                part = stages[members[0]]
                for j in members[1:]:
                    part = part + stages[j]
                part = part * (h if weight == 1.0 else h * weight)
                total = part if total is None else total + part
            return total
        for term in self.terms:
            part = stages[term.members[0]]
            for j in term.members[1:]:
                part = part + stages[j]
            part = part * h
            part = part if term.numerator == 1 else part * term.numerator
            part = part if term.denominator == 1 else part / term.denominator
            total = part if total is None else total + part
        return total

    def apply(self, y: State, h: State, stages: Sequence[State], exact: bool) -> State:
        """Return ``y + h * sum_j weight_j stages[j]``, component by component where the state is a list."""
        if not self.terms:
            return y
        if y.__class__ is list or y.__class__ is tuple:
            return [x + dx for x, dx in zip(y, self.increment(h, stages, exact), strict=True)]
        if exact or (y.__class__ is np.ndarray and y.size < _SMALL):
            return y + self.increment(h, stages, exact)
        used = [stages[j] for _, members in self.pairs for j in members]
        if isinstance(h, Number) or not _alike(y, used):
            return y + self.increment(h, stages, exact)
        factors = tuple([(h if weight == 1.0 else h * weight, members) for weight, members in self.pairs])
        return bind(_ADVANCE, (y, *stages), {"factors": factors})


def _alike(y: State, stages: Sequence[State]) -> bool:
    """Whether all are arrays of one shape, plain ones or recording numbers (Value, Dual)."""
    shape = shape_of(y)
    for x in (y, *stages):
        if x.__class__ is not np.ndarray and not (isinstance(x, Number) and x.liftable):
            return False
        if shape_of(x) != shape:
            return False
    return shape != ()


def _advance(y: Any, *stages: Any, factors: Sequence[tuple[Any, tuple[int, ...]]]) -> Any:
    """Return ``y + sum of weighted stages`` on plain arrays, in the order of `Combination.increment`, in few arrays."""
    total: Any = None
    for factor, members in factors:
        part = stages[members[0]]
        for j in members[1:]:
            part = part + stages[j]
        part = np.multiply(part, factor, out=part if len(members) > 1 else None)
        total = part if total is None else np.add(total, part, out=total)
    return np.add(y, total, out=total)


def _advance_transpose(i: int, g: Any, out: Any, args: Sequence[Any], params: Any) -> Any:
    """Return the cotangent of argument i: g for the state, weighted for a stage."""
    if i == 0:
        return g
    for factor, members in params["factors"]:
        if i - 1 in members:
            return g * factor
    return 0.0 * g


# PERF: one linear row instead of a product and a sum a weight: an RK4 step on Values records 4 nodes of its own
# instead of 18, and a chunk of 2048 lanes with 4 tangents takes half the time outside the right-hand side.
_ADVANCE = Structural("advance", _advance, _advance_transpose, lead=lambda params, args: params)


def needs_exact(h: State, y: State) -> bool:
    """Say whether weights must stay fractions: where a number is neither float nor made of floats.

    >>> needs_exact(0.1, [1.0, 2.0]), needs_exact(Fraction(1, 10), [1, 2])
    (False, True)
    """
    if y.__class__ is np.ndarray and y.dtype.kind != "O":
        return False
    leaves = list(y.flat) if isinstance(y, np.ndarray) else y if isinstance(y, list | tuple) else (y,)
    floats = False
    for x in (h, *leaves):
        if isinstance(x, float | np.generic | np.ndarray | Number):
            floats = True
        elif not isinstance(x, int):
            return True
    return not floats
