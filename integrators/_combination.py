"""Linear combinations of stages, ``h * sum_j weight_j k_j``, for numbers of any kind: all the arithmetic of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from diffsim.primitive import Number

State: TypeAlias = Any
"""A state: float, list, ndarray (n,) or (n, *batch), Value, Dual, Tracer, mpmath.mpf, Fraction."""


@dataclass(frozen=True, slots=True)
class Term:
    """Stages that share one weight: their sum is weighted once."""

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
        return cls(tuple(terms), float(node), node)

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
        """Return ``h * sum_j weight_j stages[j]``.

        Parameters
        ----------
        h : number
            The step; an array of shape (m,) gives each lane of ``(n, m)`` stages its own.
        stages : sequence of states
        exact : bool
            Whether weights are applied as ``* numerator / denominator``, which loses no digit of fractions and
            multiprecision numbers; floats take the rounded weight.
        """
        total: State = None
        for term in self.terms:
            part = stages[term.members[0]]
            for j in term.members[1:]:
                part = part + stages[j]
            if exact:
                part = part * h
                part = part if term.numerator == 1 else part * term.numerator
                part = part if term.denominator == 1 else part / term.denominator
            else:
                part = part * (h if term.weight == 1.0 else h * term.weight)
            total = part if total is None else total + part
        return total

    def apply(self, y: State, h: State, stages: Sequence[State], exact: bool) -> State:
        """Return ``y + h * sum_j weight_j stages[j]``, component by component where the state is a list."""
        if not self.terms:
            return y
        if y.__class__ is list or y.__class__ is tuple:
            columns = zip(*stages, strict=True)
            return [x + self.increment(h, column, exact) for x, column in zip(y, columns, strict=True)]
        return y + self.increment(h, stages, exact)


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
