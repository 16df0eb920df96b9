"""The weights of a linearised graph: products and sums of its nodes, and the cheapest way found to compute them.

A weight is a *monomial*: a number times nodes of the graph times sums of other monomials, kept as one integer in
`Algebra`.  Since a monomial knows its factors and not their order, weights that are needed together share partial
products (``e * inverse * r`` uses ``inverse * r``, if that is a weight too), and a sum takes common factors out.
`Plan` orders the multiplications: again and again the pair of factors that most products have in common
(Breuer, "Generation of optimal code for expressions via factorization", Communications of the ACM 12 (1969) 333).
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, final

from diffsim.tracer import Node

__all__ = ["Algebra", "Monomial", "Plan"]

Atoms: TypeAlias = tuple[int, ...]
Monomial: TypeAlias = tuple[float, Atoms]
Pair: TypeAlias = tuple[int, int]

_LONGEST = 12  # factors of a monomial, terms of a sum; longer ones are built of parts, so that work stays linear


@final
class Algebra:
    """Monomials over the nodes of a graph, each kept once and named by an integer.

    Parameters
    ----------
    fixed : sequence of bool
        For each node of the graph whether it stays the same while a solve runs (constants, parameters).
    factoring : bool
        Whether a sum takes common factors out, ``a*b + a*c = a*(b + c)``.

    Attributes
    ----------
    unit, constant, fixed : list of bool
        For each monomial whether it is 1 or -1, a number, made of fixed nodes only.
    size : list of int
        For each monomial the one without its sign.
    """

    def __init__(self, fixed: Sequence[bool], factoring: bool = True) -> None:
        self.n_nodes = len(fixed)
        self.factoring = factoring
        self.atom_fixed = list(fixed)
        self.terms: list[tuple[int, ...]] = []  # monomials of atom n_nodes + i
        self.monomials: list[Monomial] = []
        self.unit: list[bool] = []
        self.constant: list[bool] = []
        self.fixed: list[bool] = []
        self.size: list[int] = []
        self._ids: dict[Monomial, int] = {}
        self._sums: dict[tuple[int, ...], int] = {}
        self._times: dict[Pair, int] = {}
        self._plus: dict[Pair, int | None] = {}
        self.one = self.monomial(1.0, ())

    def monomial(self, factor: float, atoms: Iterable[int]) -> int:
        """The monomial ``factor * product of atoms``; a long product becomes an atom."""
        atoms = tuple(sorted(atoms))
        if len(atoms) > _LONGEST:
            atoms = (self._sum((self.monomial(1.0, atoms[:_LONGEST]),)), *atoms[_LONGEST:])
            return self.monomial(factor, atoms)
        key = (factor, atoms)
        if key not in self._ids:
            self._ids[key] = len(self.monomials)
            self.monomials.append(key)
            self.unit.append(not atoms and abs(factor) == 1.0)
            self.constant.append(not atoms)
            self.fixed.append(all(self.atom_fixed[a] for a in atoms))
            self.size.append(len(self.size))
            if factor < 0.0:
                self.size[self._ids[key]] = self.monomial(-factor, atoms)
        return self._ids[key]

    def times(self, a: int, b: int) -> int:
        """The product of two monomials."""
        key = (a, b)
        if key not in self._times:
            (f, x), (g, y) = self.monomials[a], self.monomials[b]
            self._times[key] = self.monomial(f * g, x + y)
        return self._times[key]

    def plus(self, a: int, b: int) -> int | None:
        """The sum of two monomials; None where it is zero whatever the nodes are."""
        key = (a, b) if a < b else (b, a)
        if key not in self._plus:
            self._plus[key] = self._added(*key)
        return self._plus[key]

    def negative(self, a: int) -> int:
        """The opposite of a monomial."""
        factor, atoms = self.monomials[a]
        return self.monomial(-factor, atoms)

    def apart(self, a: int) -> tuple[int, int] | None:
        """A monomial that is a sum with a term 1 or -1: this term, and the rest; else None."""
        factor, atoms = self.monomials[a]
        if len(atoms) == 1 and atoms[0] >= self.n_nodes and abs(factor) == 1.0:
            for m in self.terms[atoms[0] - self.n_nodes]:
                if self.unit[m]:
                    unit = self.times(self.monomial(factor, ()), m)
                    rest = self.plus(a, self.negative(unit))
                    return None if rest is None else (unit, rest)
        return None

    def _added(self, a: int, b: int) -> int | None:
        (f, x), (g, y) = self.monomials[a], self.monomials[b]
        if x == y:
            return self.monomial(f + g, x) if f + g else None
        common: Atoms = ()
        if self.factoring:
            shared = Counter(x) & Counter(y)
            common = tuple(shared.elements())
            x, y = (tuple((Counter(z) - shared).elements()) for z in (x, y))
        merged: dict[Atoms, float] = {}
        for factor, atoms in (*self._flat(f, x), *self._flat(g, y)):
            merged[atoms] = merged.get(atoms, 0.0) + factor
        terms = sorted((atoms, factor) for atoms, factor in merged.items() if factor)
        if not terms:
            return None
        if len(terms) == 1:
            return self.monomial(terms[0][1], terms[0][0] + common)
        sizes = {abs(factor) for _, factor in terms}
        content = math.copysign(sizes.pop() if len(sizes) == 1 else 1.0, terms[0][1])
        summed = self._sum(tuple(self.monomial(factor / content, atoms) for atoms, factor in terms))
        return self.monomial(content, (*common, summed))

    def _flat(self, factor: float, atoms: Atoms) -> list[Monomial]:
        """The terms of a monomial that is a short sum and nothing else; else itself."""
        if len(atoms) == 1 and atoms[0] >= self.n_nodes and abs(factor) == 1.0:
            terms = [self.monomials[m] for m in self.terms[atoms[0] - self.n_nodes]]
            if len(terms) < _LONGEST:
                return [(factor * f, x) for f, x in terms]
        return [(factor, atoms)]

    def _sum(self, terms: tuple[int, ...]) -> int:
        if terms not in self._sums:
            self._sums[terms] = self.n_nodes + len(self.terms)
            self.terms.append(terms)
            self.atom_fixed.append(all(self.fixed[m] for m in terms))
        return self._sums[terms]


@final
class Plan:
    """How to compute a set of monomials: which products, which sums, and what that costs.

    Parameters
    ----------
    algebra : Algebra
    wanted : iterable of int
        Monomials.
    nodes : sequence of Node
        The graph.
    n_primal : int
        So many of them are computed in any case; products among those are used and cost nothing.

    Attributes
    ----------
    cost : int
        Operations outside the graph, without what depends on fixed nodes only (that is computed once a solve); a
        product that is used in one sum and nowhere else is not counted, since it is fused with the addition.
    """

    def __init__(self, algebra: Algebra, wanted: Iterable[int], nodes: Sequence[Node], n_primal: int) -> None:
        self._algebra = algebra
        self._n_atoms = algebra.n_nodes + len(algebra.terms)
        self._letters: dict[int, tuple[int, ...]] = {}  # of each monomial: atoms, and products of the plan
        self._fixed: list[tuple[float, Atoms]] = []  # letters above the atoms: products of fixed nodes and a number
        self._fixed_ids: dict[tuple[float, Atoms], int] = {}
        self._pairs: dict[int, Pair] = {}  # letters that are a product of two
        self._sums: list[int] = []
        self._wanted = [m for m in wanted if not algebra.constant[m]]
        self._collect()
        self._next = self._n_atoms + len(self._fixed)
        self._multiply(self._available(nodes[:n_primal]))
        self.cost = self._count() + self._beyond(nodes, n_primal)

    def _collect(self) -> None:
        """Find all monomials and sums that are needed, and the letters of each monomial."""
        algebra, stack, sums = self._algebra, list(self._wanted), set()
        while stack:
            m = stack.pop()
            if m in self._letters or algebra.constant[m]:
                continue
            factor, atoms = algebra.monomials[m]
            fixed = tuple(a for a in atoms if algebra.atom_fixed[a])
            letters = [a for a in atoms if not algebra.atom_fixed[a]]
            if fixed or abs(factor) != 1.0:
                letters.append(self._fixed_letter(abs(factor), fixed))
            self._letters[m] = tuple(sorted(letters))
            for a in atoms:
                if a >= algebra.n_nodes and a not in sums:
                    sums.add(a)
                    stack.extend(algebra.terms[a - algebra.n_nodes])
        self._sums = sorted(sums)

    def _fixed_letter(self, factor: float, atoms: Atoms) -> int:
        if factor == 1.0 and len(atoms) == 1:
            return atoms[0]
        key = (factor, atoms)
        if key not in self._fixed_ids:
            self._fixed_ids[key] = self._n_atoms + len(self._fixed)
            self._fixed.append(key)
        return self._fixed_ids[key]

    def _available(self, nodes: Sequence[Node]) -> dict[Pair, int]:
        """Products that the graph computes: of which two letters, and where."""
        found: dict[Pair, int] = {}
        for i, node in enumerate(nodes):
            if node.row is None or node.row.name not in ("multiply", "square"):
                continue
            a, b = node.operands * (3 - len(node.operands))
            letters = []
            for x in (a, b):
                value = nodes[x].value
                constant = isinstance(value, float) and value > 0.0
                letters.append(self._fixed_ids.get((value, ()), -1) if constant else x)
            if -1 not in letters:
                found.setdefault((min(letters), max(letters)), i)
        return found

    def _multiply(self, available: dict[Pair, int]) -> None:
        """Cut all monomials down to one letter, the most frequent pair of letters first."""
        words = {m: list(letters) for m, letters in self._letters.items()}
        where: dict[Pair, dict[int, None]] = {}
        for m, word in words.items():
            for pair in _pairs_of(word):
                where.setdefault(pair, {})[m] = None

        def rank(pair: Pair) -> tuple[bool, int, Pair]:
            return pair not in available, -len(where[pair]), pair

        heap = [rank(pair) for pair in where]
        heapq.heapify(heap)
        while heap:
            entry = heapq.heappop(heap)
            pair = entry[2]
            if not where[pair]:
                continue
            if entry != rank(pair):
                heapq.heappush(heap, rank(pair))
                continue
            letter = available.get(pair)
            if letter is None:
                letter, self._next = self._next, self._next + 1
                self._pairs[letter] = pair
            touched: dict[Pair, None] = {}
            for m in list(where[pair]):
                for old in _pairs_of(words[m]):
                    where[old].pop(m, None)
                _replace(words[m], pair, letter)
                for new in _pairs_of(words[m]):
                    where.setdefault(new, {})[m] = None
                    touched[new] = None
            for new in touched:
                heapq.heappush(heap, rank(new))
            if where[pair]:  # a factor that occurs four times over
                heapq.heappush(heap, rank(pair))
        self._letters = {m: tuple(word) for m, word in words.items()}

    def _count(self) -> int:
        algebra = self._algebra
        uses = Counter(letter for pair in self._pairs.values() for letter in pair)
        terms_of_sums = [m for a in self._sums for m in algebra.terms[a - algebra.n_nodes]]
        uses.update(self._letters[m][0] for m in (*self._wanted, *terms_of_sums) if not algebra.constant[m])
        cost = len(self._pairs)
        for a in self._sums:
            if algebra.atom_fixed[a]:
                continue
            terms = algebra.terms[a - algebra.n_nodes]
            single = sum(
                1
                for m in terms
                if not algebra.constant[m] and self._letters[m][0] in self._pairs and uses[self._letters[m][0]] == 1
            )
            cost += len(terms) - 1 - min(single, len(terms) - 1)
        return cost

    def _beyond(self, nodes: Sequence[Node], n_primal: int) -> int:
        """Nodes of partial derivatives that are needed as they are and depend on what is not fixed."""
        stack = [a for m in self._letters for a in self._algebra.monomials[m][1] if a < self._algebra.n_nodes]
        seen: set[int] = set()
        while stack:
            i = stack.pop()
            if i >= n_primal and i not in seen and not self._algebra.atom_fixed[i]:
                seen.add(i)
                stack.extend(nodes[i].operands)
        return len(seen)

    def emit(self, node: Callable[[int], Any]) -> Callable[[int], Any]:
        """Compute everything on numbers; return the function that gives the size of a monomial, without its sign.

        Parameters
        ----------
        node : callable
            The number of each node of the graph.
        """
        made: dict[int, Any] = {}

        def letter(a: int) -> Any:
            if a not in made:
                if a < self._algebra.n_nodes:
                    made[a] = node(a)
                elif a in self._pairs:
                    x, y = self._pairs[a]
                    made[a] = letter(x) * letter(y)
                else:
                    factor, atoms = self._fixed[a - self._n_atoms]
                    number: Any = factor
                    for x in atoms:
                        number = number * letter(x)
                    made[a] = number
            return made[a]

        for a in self._sums:
            made[a] = self._added(self._algebra.terms[a - self._algebra.n_nodes], letter)
        return lambda m: letter(self._letters[m][0])

    def _added(self, terms: Sequence[int], letter: Callable[[int], Any]) -> Any:
        total: Any = None
        for m in terms:  # the first one is positive
            factor = self._algebra.monomials[m][0]
            size = abs(factor) if self._algebra.constant[m] else letter(self._letters[m][0])
            total = size if total is None else total + size if factor > 0.0 else total - size
        return total


def _pairs_of(word: Sequence[int]) -> dict[Pair, None]:
    return {(a, b): None for i, a in enumerate(word) for b in word[i + 1 :]}


def _replace(word: list[int], pair: Pair, letter: int) -> None:
    """Put one letter in the place of two, keeping the word sorted."""
    word.remove(pair[0])
    word.remove(pair[1])
    word.append(letter)
    word.sort()
