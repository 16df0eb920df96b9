"""Families of isomorphic expressions: `Loop`, what it reads and writes, and how its members are put together.

`diffsim.rolling` makes them of graphs, `diffsim.rolling_transpose` differentiates them, `diffsim.compiler.loops` writes
them as machine code.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from diffsim.graph import Graph
from diffsim.strength import strengthen
from diffsim.tree import leaves

__all__ = ["CHEAP", "SHORTEST_RUN", "Access", "Indices", "Loop", "Rolled", "Run", "is_arithmetic", "run_loops"]

Indices: TypeAlias = NDArray[np.intp]

SHORTEST_RUN = 8
"""Members of an arithmetic progression of places that are worth a loop of their own."""

_MOST_RUNS = 8  # kinds of progressions in one loop; the rest is read through tables
_OF_A_CALL = 30  # operations of a function of the library
CHEAP = frozenset({"add", "subtract", "multiply", "negative", "square"})
"""Primitives that are as quickly computed anew as read."""

_COMPARISONS = frozenset({"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"})
_CHOICES = frozenset({"where", "logical_and", "logical_or", "logical_not", "maximum", "minimum", "relu", "sign", "abs"})
_ARITHMETIC = CHEAP | _COMPARISONS | _CHOICES | {"divide", "sqrt", "floor", "frozen"}


@final
@dataclass(frozen=True, eq=False)
class Access:
    """Places in a space, one for each member of a family.

    Attributes
    ----------
    space : str
    index : array of int, shape (n_members,)
    """

    space: str
    index: Indices


@final
@dataclass(frozen=True)
class Run:
    """Progressions of members: in each, every access moves by a constant stride from member to member.

    Attributes
    ----------
    strides : tuple of int
        One an access: the reads, then the writes.
    count : int
        Members of a progression.
    bases : array of int, shape (n_progressions, n_accesses)
        Places of the first members.
    """

    strides: tuple[int, ...]
    count: int
    bases: Indices


@final
@dataclass(frozen=True, eq=False)
class Loop:
    """A family of isomorphic expressions.

    Attributes
    ----------
    graph : Graph
        The template: of scalar inputs, one a read, and scalar results, one a write.
    reads, writes : tuple of Access
    total : bool
        Whether the results of all members are summed into one place.
    """

    graph: Graph
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]
    total: bool = False

    @property
    def count(self) -> int:
        """Number of members."""
        return max(len(access.index) for access in (*self.reads, *self.writes))

    @functools.cached_property
    def results(self) -> tuple[int, ...]:
        """The template's nodes that are written."""
        return tuple(int(i) for index in leaves(self.graph.result) for i in np.ravel(index))

    @functools.cached_property
    def inputs(self) -> tuple[int, ...]:
        """The template's inputs, one a read."""
        return tuple(i for i, node in enumerate(self.graph.nodes) if node.row is None and node.value is None)

    @functools.cached_property
    def shared(self) -> tuple[int, ...]:
        """The reads that are the same place for all of several members."""
        if self.count == 1:
            return ()
        return tuple(k for k, read in enumerate(self.reads) if (read.index == read.index[0]).all())

    def reduced(self) -> Loop:
        """Return the same loop for machine code: fewer and cheaper operations, a few units in the last place apart."""
        graph = strengthen(self.graph, fixed=[self.inputs[k] for k in self.shared])
        return dataclasses.replace(self, graph=graph)

    @functools.cached_property
    def runs(self) -> tuple[Run, ...]:
        """Progressions of at least `SHORTEST_RUN` members, in the order of the members as far as may be."""
        return self._split[0]

    @functools.cached_property
    def rest(self) -> Indices:
        """Members that are in no progression."""
        return self._split[1]

    @functools.cached_property
    def _split(self) -> tuple[tuple[Run, ...], Indices]:
        accesses = [*self.reads, *([] if self.total else self.writes)]
        if not accesses:
            return (), np.arange(self.count)
        places = np.array([access.index for access in accesses])
        found: dict[tuple[tuple[int, ...], int], list[tuple[int, ...]]] = {}
        rest: list[int] = []
        members: dict[tuple[tuple[int, ...], int], list[int]] = {}
        for first, last in _progressions(places):
            if last - first < SHORTEST_RUN:
                rest.extend(range(first, last))
                continue
            strides = tuple((places[:, first + 1] - places[:, first]).tolist())
            key = strides, last - first
            found.setdefault(key, []).append(tuple(places[:, first].tolist()))
            members.setdefault(key, []).extend(range(first, last))
        kept = sorted(found, key=lambda key: -len(members[key]))[:_MOST_RUNS]
        for key in found:
            if key not in kept:
                rest.extend(members[key])
        runs = tuple(Run(key[0], key[1], np.array(bases)) for key, bases in found.items() if key in kept)
        return runs, np.array(sorted(rest), dtype=np.intp)

    @property
    def n_written(self) -> int:
        """Operations in the loop's code; a function of the library counts as many."""
        names = self.graph.count()
        calls = sum(n for name, n in names.items() if not is_arithmetic(name))
        return (names.total() + _OF_A_CALL * calls + 1) * (2 * len(self.runs) + bool(len(self.rest)))


def _progressions(places: Indices) -> list[tuple[int, int]]:
    """Cut members 0, 1, ... into the longest stretches on which every row is an arithmetic progression."""
    count = places.shape[1]
    steps = np.diff(places, axis=1)
    turns = np.flatnonzero((np.diff(steps, axis=1) != 0).any(axis=0)) + 1 if count > 2 else np.zeros(0, np.intp)
    found, first = [], 0
    for turn in [*turns.tolist(), count - 1]:
        if turn > first or turn == count - 1:  # members first ... turn move alike; the turn itself may begin a run
            found.append((first, turn + 1))
            first = turn + 1
    return found


@final
@dataclass(frozen=True, eq=False)
class Rolled:
    """A graph as loops.

    Attributes
    ----------
    held : tuple of Loop
        What depends on fixed inputs alone, in order; writes the space ``held``.
    loops : tuple of Loop
        The rest, in order; writes ``temporary`` and ``result``.
    sizes : dict of str to int
        Numbers in each space.
    constants : array
        The space ``constant``: constants that differ between members.
    """

    held: tuple[Loop, ...]
    loops: tuple[Loop, ...]
    sizes: Mapping[str, int]
    constants: NDArray[np.float64]

    @property
    def n_written(self) -> int:
        """Operations in the code of all loops."""
        return sum(loop.n_written for loop in (*self.held, *self.loops))


def run_loops(loops: Iterable[Loop], spaces: Mapping[str, NDArray[Any]]) -> None:
    """Evaluate loops on arrays, one a space; they write into them.

    Parameters
    ----------
    loops : iterable of Loop
    spaces : mapping of str to array of shape (size, ...)
    """
    for loop in loops:
        values = loop.graph.evaluate([spaces[access.space][access.index] for access in loop.reads])
        for access, node in zip(loop.writes, loop.results, strict=True):
            value = np.asarray(values[node])
            spaces[access.space][access.index] = value.sum(axis=0) if loop.total else value


def is_arithmetic(name: str) -> bool:
    """Whether a primitive is an instruction or two, not a function of the library."""
    return name in _ARITHMETIC
