"""Products that a graph has already: what is computed at length, though it equals two known numbers multiplied.

Derivatives of a written energy are full of them.  With ``H = (b p^2 - 2 c p q + a q^2) / (2 (a b - c^2))`` the slope
dH/dc comes out as ``(p q - 2 c H) / (a b - c^2)``, which is minus the product of the two velocities dH/dp and dH/dq.
No rewriting of neighbouring nodes sees that.  Numbers do: all nodes are evaluated at random points, and a node that
equals ``2^k`` times the product of two others at each of them is that product.

The points lie in finite fields, so that nothing is rounded and a term is never too small to count.  Sums, products and
quotients are what they are; sin and cos of the same number become a random point of the unit circle, and what any other
row computes a random number of its own: an identity that holds then holds whatever these functions do.  Two rational
functions of low degree that differ agree at random points of fields of 2^31 numbers once in 2^31, and there are three.

References
----------
J. T. Schwartz, "Fast probabilistic algorithms for verification of polynomial identities", Journal of the ACM 27 (1980)
701; R. Zippel, "Probabilistic algorithms for sparse polynomials", EUROSAM 79.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, final

import numpy as np

from diffsim import ops
from diffsim.graph import Graph
from diffsim.number import AnyNumber
from diffsim.tracer import Node

__all__ = ["Product", "products_in"]

_PRIMES: Final = (2147483629, 2147483587, 2147483579)
_POWERS: Final = (1.0, 2.0, 0.5, 4.0, 0.25)
_LONGEST: Final = 1000
"""Largest denominator of a constant that is taken for a fraction: 0.3333333333333333 is 1 / 3."""


@final
@dataclass(frozen=True)
class Product:
    """``factor * node[left] * node[right]``, of which the left one is fixed if any is."""

    factor: float
    left: int
    right: int

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.left, self.right)

    def cost(self, nodes: Sequence[Node], still: Sequence[bool]) -> int:
        """Return how many multiplications it takes, in a solve."""
        if still[self.left]:
            value = nodes[self.left].value
            return 0 if value is not None and abs(self.factor * value) == 1.0 else 1
        return 1 + (abs(self.factor) != 1.0)

    def evaluate(self, values: Mapping[int, AnyNumber]) -> AnyNumber:
        """Return the product."""
        return ops.multiply(ops.multiply(self.factor, values[self.left]), values[self.right])


def products_in(graph: Graph, still: Sequence[bool]) -> list[tuple[int, list[Product]]]:
    """Return the nodes that are products of two others, in order, each with all the ways that there are.

    Parameters
    ----------
    graph : Graph
        Of scalar numbers.
    still : sequence of bool
        For each node whether it stays the same while a solve runs; those are left as they are.

    Notes
    -----
    For n nodes about n^2 multiplications and a sort; 80 ms for 500.
    """
    found: list[tuple[int, list[Product]]] = []
    values = np.array([_points(graph, prime, seed) for seed, prime in enumerate(_PRIMES)]).T
    usable = np.flatnonzero((values != 0).all(axis=1))
    left, right = np.triu_indices(len(usable))
    products = values[usable[left]] * values[usable[right]] % _MODULI
    order = np.argsort(products[:, 0], kind="stable")
    first = products[order, 0]
    for i in usable.tolist():
        node = graph.nodes[i]
        if still[i] or node.row is None or node.row.name == "negative":
            continue
        ways = []
        for factor, share in _SHARES:
            target = values[i] * share % _MODULI
            near = order[np.searchsorted(first, target[0]) : np.searchsorted(first, target[0], side="right")]
            for pair in near[(products[near] == target).all(axis=1)].tolist():
                j, k = int(usable[left[pair]]), int(usable[right[pair]])
                if i not in (j, k) and {j, k} != set(node.operands):
                    ways.append(Product(factor, *sorted((j, k), key=lambda operand: not still[operand])))
        if ways:
            found.append((i, ways))
    return found


def _points(graph: Graph, prime: int, seed: int) -> list[int]:
    """Return the values of all nodes in the field of ``prime`` elements, at a random point."""
    draw = random.Random(seed).randrange
    values: list[int] = []
    circle: dict[tuple[str, int], int] = {}
    for node in graph.nodes:
        name = "" if node.row is None else node.row.name
        args = [values[j] for j in node.operands]
        if node.row is None:
            known = isinstance(node.value, float) and math.isfinite(node.value)
            values.append(_element(node.value, prime) if known else draw(1, prime))
        elif name in ("sin", "cos"):
            if (name, node.operands[0]) not in circle:
                t = draw(1, prime)
                over = pow(1 + t * t, -1, prime)  # 1 + t^2 is not 0 but for 2 of 2^31 points at most
                circle["sin", node.operands[0]] = 2 * t * over % prime
                circle["cos", node.operands[0]] = (1 - t * t) * over % prime
            values.append(circle[name, node.operands[0]])
        elif name in _FIELD and not (name == "divide" and not args[1]):
            values.append(_FIELD[name](prime, *args))
        else:
            values.append(draw(1, prime))
    return values


def _element(value: AnyNumber, prime: int) -> int:
    """Return a float as an element of the field: the short fraction that it is the nearest double to, or itself."""
    exact = Fraction(float(value))
    short = exact.limit_denominator(_LONGEST)
    fraction = short if float(short) == value else exact
    return fraction.numerator * pow(fraction.denominator, -1, prime) % prime


_FIELD: Final[Mapping[str, Callable[..., int]]] = {
    "add": lambda prime, x, y: (x + y) % prime,
    "subtract": lambda prime, x, y: (x - y) % prime,
    "multiply": lambda prime, x, y: x * y % prime,
    "divide": lambda prime, x, y: x * pow(y, -1, prime) % prime,
    "negative": lambda prime, x: -x % prime,
    "square": lambda prime, x: x * x % prime,
}
_MODULI: Final = np.array(_PRIMES, dtype=np.int64)
_SHARES: Final = [
    (sign * power, np.array([_element(sign / power, prime) for prime in _PRIMES], dtype=np.int64))
    for power in _POWERS
    for sign in (1.0, -1.0)
]
"""For each factor what a node has to be multiplied by to be the bare product."""
