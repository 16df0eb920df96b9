"""Rooted trees and the order conditions of Runge-Kutta methods, in fractions or in decimals of many digits.

A method with coefficients a, b has order p when ``sum_i b_i g_i(tree) = 1 / gamma(tree)`` holds for every rooted tree
with at most p nodes, where ``g_i(tree)`` is the product over the subtrees s at the root of ``sum_j a_ij g_j(s)``.

SOURCE: Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section II.2, theorem 2.13;
Butcher, "Numerical Methods for Ordinary Differential Equations", section 31.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

# A tree is the sorted tuple of the subtrees at its root; the single node is ().
Tree: TypeAlias = tuple["Tree", ...]
Row: TypeAlias = tuple[Fraction, ...]


@functools.cache
def trees(order: int) -> tuple[Tree, ...]:
    """Return all rooted trees with `order` nodes: 1, 1, 2, 4, 9, 20, 48, ... of them.

    >>> [len(trees(order)) for order in range(1, 8)]
    [1, 1, 2, 4, 9, 20, 48]
    """
    return tuple(sorted(_forests(order - 1, order - 1)))


def _forests(n_nodes: int, largest: int) -> Iterator[Tree]:
    """Yield every multiset of trees with `n_nodes` nodes together, none of them larger than `largest`."""
    if n_nodes == 0:
        yield ()
        return
    seen = set()
    for size in range(min(n_nodes, largest), 0, -1):
        for tree in trees(size):
            for rest in _forests(n_nodes - size, size):
                forest = tuple(sorted((tree, *rest)))
                if forest not in seen:
                    seen.add(forest)
                    yield forest


@functools.cache
def size(tree: Tree) -> int:
    """Return the number of nodes."""
    return 1 + sum(size(child) for child in tree)


@functools.cache
def density(tree: Tree) -> int:
    """Return gamma: the product over all nodes of the size of the subtree that hangs there.

    >>> density(((), ())), density((((),),))
    (3, 6)
    """
    product = size(tree)
    for child in tree:
        product *= density(child)
    return product


def name(tree: Tree) -> str:
    """Write a tree in brackets, as in Butcher's book.

    >>> name(((), ((),)))
    '[t[t]]'
    """
    return "[" + "".join(name(child) for child in tree) + "]" if tree else "t"


class StageWeights:
    """The vectors ``g_i(tree)`` of one matrix a, each computed once.

    Parameters
    ----------
    a : sequence of rows of Fraction or Decimal, shape (n_stages, n_stages)
    """

    def __init__(self, a: Sequence[Sequence[Any]]) -> None:
        self._a = [[(j, weight) for j, weight in enumerate(row) if weight] for row in a]
        self._known: dict[Tree, Sequence[Any]] = {(): (1,) * len(a)}
        self._inner: dict[Tree, Sequence[Any]] = {}

    def __call__(self, tree: Tree) -> Sequence[Any]:
        """Return ``g_i(tree)`` for all stages i."""
        if tree not in self._known:
            product = list(self._sums(tree[0]))
            for child in tree[1:]:
                product = [x * y for x, y in zip(product, self._sums(child), strict=True)]
            self._known[tree] = product
        return self._known[tree]

    def _sums(self, tree: Tree) -> Sequence[Any]:
        """Return ``sum_j a_ij g_j(tree)`` for all stages i."""
        if tree not in self._inner:
            inner = self(tree)
            self._inner[tree] = [sum(weight * inner[j] for j, weight in row) for row in self._a]
        return self._inner[tree]


def dot(left: Sequence[Any], right: Sequence[Any]) -> Any:
    """Return the scalar product."""
    return sum(x * y for x, y in zip(left, right, strict=True) if x and y)
