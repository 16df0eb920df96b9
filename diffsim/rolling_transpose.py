"""`transpose_loops`: the cotangents of a rolled graph, as loops again.

The derivative of each template is taken once.  A number's cotangent is the sum of what the expressions that read it
send back; numbers of which the same reads of the same families are made have sums of the same form, so they are a
family again: each loop gathers the terms of one member and writes its cotangent once.  A term of a few operations
is computed where it is gathered; dearer ones once, into the space ``sent``.  What all members of a family read, a
parameter, say, gets the sum over the members.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim import ops
from diffsim.families import CHEAP, Access, Indices, Loop
from diffsim.graph import Graph, trace
from diffsim.primitive import bind
from diffsim.tree import leaves

__all__ = ["Transposed", "transpose_loops"]

_DEAREST = 3  # operations of a term that is computed where it is gathered
_MOST_TERMS = 8  # terms of one sum
_MOST_FORMS = 24  # loops that gather into one space, before terms are computed apart
_FEWEST_SUMMED = 8  # members that are worth a summing loop


@final
@dataclass(frozen=True, eq=False)
class Transposed:
    """Loops that send cotangents back.

    Attributes
    ----------
    loops : tuple of Loop
        In order.
    n_sent : int
        Numbers in the space ``sent``.
    """

    loops: tuple[Loop, ...]
    n_sent: int

    @property
    def n_written(self) -> int:
        """Operations in the code of all loops."""
        return sum(loop.n_written for loop in self.loops)


@final
@dataclass(frozen=True, eq=False)
class _Kind:
    """What one read of one loop sends back: an expression of what a member reads and of its weights."""

    graph: Graph
    node: int
    reads: tuple[Access, ...]  # one an input of the graph
    negative: bool = False

    @functools.cached_property
    def needed(self) -> tuple[int, ...]:
        """The inputs that it depends on."""
        cone = _cone(self.graph, self.node)
        inputs = (i for i, node in enumerate(self.graph.nodes) if node.row is None and node.value is None)
        return tuple(k for k, i in enumerate(inputs) if i in cone)

    def access(self, k: int, members: Indices) -> Access:
        """Return the places that some members' input number k reads."""
        read = self.reads[k]
        return Access(read.space, read.index[members] if len(read.index) else members)

    @property
    def is_cheap(self) -> bool:
        """Whether it is computed where it is gathered."""
        rows = [row for i in _cone(self.graph, self.node) if (row := self.graph.nodes[i].row) is not None]
        return len(rows) <= _DEAREST and all(row.name in CHEAP for row in rows)

    def evaluate(self, numbers: Sequence[Any]) -> Any:
        """Return its value, but for the sign, for numbers in the place of the needed inputs."""
        given, cone = iter(numbers), _cone(self.graph, self.node)
        values: dict[int, Any] = {}
        for i, node in enumerate(self.graph.nodes[: self.node + 1]):
            if i not in cone:
                continue
            if node.row is not None:
                values[i] = bind(node.row, [values[j] for j in node.operands])
            else:
                values[i] = node.value if node.value is not None else next(given)
        return values[self.node]


def _cone(graph: Graph, node: int) -> set[int]:
    found = {node}
    for i in range(node, -1, -1):
        if i in found:
            found.update(graph.nodes[i].operands)
    return found


def transpose_loops(
    loops: Sequence[Loop],
    weights: Mapping[str, str],
    targets: Mapping[str, str],
    wanted: Mapping[str, Indices],
    seeded: Collection[str] = (),
) -> Transposed:
    """Return the loops that send cotangents of what loops write back to what they read.

    Parameters
    ----------
    loops : sequence of Loop
        As `roll` makes them.
    weights : mapping of str to str
        Spaces that they write, and the spaces of their cotangents; these are given, but for those of targets.
    targets : mapping of str to str
        Spaces that they read, and the spaces of their cotangents, to be computed.
    wanted : mapping of str to array of int
        For each target that the loops do not write themselves, the places whose cotangents are written: each once,
        also where nothing is sent.
    seeded : collection of str
        Spaces among the targets whose cotangents hold something already, to which what is sent is added.

    Returns
    -------
    Transposed
        Its loops read the spaces of the given ones and of their cotangents, and write the targets'.

    Examples
    --------
    >>> from diffsim.rolling import roll
    >>> rolled = roll(trace(lambda y: (np.roll(y, -1) - y) * y, np.zeros(20)), {"state": 20})
    >>> places = {"state": np.arange(20)}
    >>> back = transpose_loops(rolled.loops, {"result": "result_bar"}, {"state": "state_bar"}, places)
    >>> [(loop.count, [run.count for run in loop.runs]) for loop in back.loops]
    [(20, [19]), (20, [18])]
    """
    return _Transposer(loops, weights, targets, wanted, seeded).transposed()


_IDENTITY = trace(lambda x: [x], 0.0)
_PLUS, _MINUS = range(2)
"""Kinds of terms that lie in the space ``sent``: their members are its places."""


@final
class _Transposer:
    """Loops while they are transposed."""

    def __init__(
        self,
        loops: Sequence[Loop],
        weights: Mapping[str, str],
        targets: Mapping[str, str],
        wanted: Mapping[str, Indices],
        seeded: Collection[str],
    ) -> None:
        self._seeded = seeded
        self._given, self._weights, self._targets, self._wanted = loops, weights, targets, wanted
        rows = [(loop, node.row) for loop in loops for node in loop.graph.nodes if node.row is not None]
        singular = any(row.singular for loop, row in rows if loop.writes[0].space in targets)
        self._guarded = singular and (bool(seeded) or any(row.name == "where" for _, row in rows))
        self._n_sent = 0
        self._made: list[Loop] = []
        self._kinds = [_Kind(_IDENTITY, 0, (_everywhere("sent"),), negative) for negative in (False, True)]
        self._seeds: dict[str, int] = {}  # kinds that read what a cotangent holds already
        # for each place of each space the terms that are sent to it: kind and member
        self._terms: dict[str, dict[int, list[tuple[int, int]]]] = {space: {} for space in targets}

    def transposed(self) -> Transposed:
        """Return the loops."""
        for loop in reversed(self._given):
            for access in loop.writes:
                if access.space in self._targets:
                    self._gather(access.space, access.index)
            self._send(loop)
        for space, places in self._wanted.items():
            self._gather(space, places)
        return Transposed(tuple(self._made), self._n_sent)

    def _places(self, n: int) -> Indices:
        """Set n places of the space ``sent`` aside."""
        self._n_sent += n
        return np.arange(self._n_sent - n, self._n_sent)

    # --- what a loop sends ----------------------------------------------------------------------------------------

    def _send(self, loop: Loop) -> None:
        """Note the terms that a loop sends to what it reads."""
        active = [k for k, access in enumerate(loop.reads) if self._is_wanted(access)]
        if not active:
            return
        graph = loop.graph.cotangents()
        if self._guarded and loop.writes[0].space in self._targets:
            graph = _with_guard(graph, len(loop.reads))
        bars = [int(index) for index in leaves(graph.result)][len(loop.writes) :]
        reads = (*loop.reads, *(Access(self._weights[access.space], access.index) for access in loop.writes))
        apart: dict[bool, list[tuple[int, _Kind]]] = {False: [], True: []}
        for k in active:
            node, access = graph.nodes[bars[k]], loop.reads[k]
            if node.row is None and node.value == 0.0:
                continue
            negative = node.row is not None and node.row.name == "negative"
            kind = _Kind(graph, node.operands[0] if negative else bars[k], reads, negative)
            summed = len(access.index) >= _FEWEST_SUMMED and bool((access.index == access.index[0]).all())
            if kind.is_cheap and not summed:
                self._note(access, kind)
            else:
                apart[summed].append((k, kind))
        for summed, kinds in apart.items():
            nodes = sorted({kind.node for _, kind in kinds})
            places = {node: self._places(1 if summed else loop.count) for node in nodes}
            self._compute([_Kind(graph, node, reads) for node in nodes], [places[node] for node in nodes], summed)
            for k, kind in kinds:
                targets = loop.reads[k].index[:1] if summed else loop.reads[k].index
                terms = self._terms[loop.reads[k].space]
                for place, target in zip(places[kind.node].tolist(), targets.tolist(), strict=True):
                    terms.setdefault(target, []).append((_MINUS if kind.negative else _PLUS, place))

    def _is_wanted(self, access: Access) -> bool:
        if access.space not in self._targets:
            return False
        return access.space not in self._wanted or bool(np.isin(access.index, self._wanted[access.space]).any())

    def _note(self, access: Access, kind: _Kind) -> None:
        number, terms = len(self._kinds), self._terms[access.space]
        self._kinds.append(kind)
        for member, place in enumerate(access.index.tolist()):
            terms.setdefault(place, []).append((number, member))

    def _compute(self, kinds: Sequence[_Kind], places: Sequence[Indices], total: bool = False) -> None:
        """Add a loop that computes terms of one family into the space ``sent``."""
        if not kinds:
            return
        needed = sorted({k for kind in kinds for k in kind.needed})
        reads = kinds[0].reads

        def run(*x: Any) -> Any:
            given = dict(zip(needed, x, strict=True))
            return [kind.evaluate([given[k] for k in kind.needed]) for kind in kinds]

        writes = tuple(Access("sent", index) for index in places)
        self._made.append(Loop(_traced(run, len(needed)), tuple(reads[k] for k in needed), writes, total))

    # --- what a number gathers ------------------------------------------------------------------------------------

    def _gather(self, space: str, places: Indices) -> None:
        """Add the loops that sum up the terms of some places of a space."""
        terms, target = self._terms[space], self._targets[space]
        sums = [(terms.pop(place, []), place) for place in places.tolist()]
        if space in self._seeded:
            if space not in self._seeds:
                self._seeds[space] = len(self._kinds)
                self._kinds.append(_Kind(_IDENTITY, 0, (_everywhere(target),)))
            sums = [([(self._seeds[space], place), *found], place) for found, place in sums if found]
        forms = {tuple(kind for kind, _ in found) for found, _ in sums}
        if len(forms) > _MOST_FORMS or max(map(len, forms), default=0) > _MOST_TERMS:
            sums = self._apart(sums)
        self._sum(sums, target)

    def _sum(self, sums: Sequence[tuple[list[tuple[int, int]], int]], space: str) -> None:
        """Add a loop for each form of sums into places of a space."""
        families: dict[tuple[int, ...], list[tuple[list[int], int]]] = {}
        for found, place in sums:
            families.setdefault(tuple(k for k, _ in found), []).append(([m for _, m in found], place))
        for form, family in families.items():
            members = np.array([m for m, _ in family], dtype=np.intp).reshape(len(family), len(form))
            target = Access(space, np.array([place for _, place in family]))
            self._sum_loop([self._kinds[k] for k in form], members, target)

    def _sum_loop(self, kinds: Sequence[_Kind], members: Indices, target: Access) -> None:
        known: dict[tuple[str, bytes], int] = {}
        reads: list[Access] = []
        given: list[list[int]] = []
        for t, kind in enumerate(kinds):
            given.append([])
            for k in kind.needed:
                access = kind.access(k, members[:, t])
                key = access.space, access.index.tobytes()
                if key not in known:
                    known[key] = len(reads)
                    reads.append(access)
                given[-1].append(known[key])

        def run(*x: Any) -> Any:
            total: Any = 0.0
            for kind, numbers in zip(kinds, given, strict=True):
                term = kind.evaluate([x[k] for k in numbers])
                total = total - term if kind.negative else total + term
            return [total]

        self._made.append(Loop(_traced(run, len(reads)), tuple(reads), (target,)))

    def _apart(self, sums: Sequence[tuple[list[tuple[int, int]], int]]) -> list[tuple[list[tuple[int, int]], int]]:
        """Return sums of numbers in the space ``sent`` that have few different forms; computes these numbers."""
        members: dict[int, list[int]] = {}
        for found, _ in sums:
            for kind, member in found:
                members.setdefault(kind, []).append(member)
        computed: dict[tuple[int, int], tuple[int, int]] = {}
        for number, those in sorted(members.items()):
            if number in (_PLUS, _MINUS):
                continue
            distinct = sorted(set(those))
            places = self._places(len(distinct))
            self._sum_loop([self._kinds[number]], np.array(distinct)[:, None], Access("sent", places))
            computed |= {(number, m): (_PLUS, place) for m, place in zip(distinct, places.tolist(), strict=True)}
        made = [(sorted((computed.get(term, term) for term in found), key=_sign), place) for found, place in sums]
        while any(len(found) > _MOST_TERMS for found, _ in made):
            parts: list[tuple[list[tuple[int, int]], int]] = []
            shorter: list[tuple[list[tuple[int, int]], int]] = []
            for found, place in made:
                pieces = [found[i : i + _MOST_TERMS] for i in range(0, len(found), _MOST_TERMS)]
                if len(pieces) > 1:
                    spots = self._places(len(pieces)).tolist()
                    parts.extend(zip(pieces, spots, strict=True))
                    found = [(_PLUS, spot) for spot in spots]
                shorter.append((found, place))
            self._sum(parts, "sent")
            made = shorter
        return made


def _sign(term: tuple[int, int]) -> int:
    return term[0]


def _everywhere(space: str) -> Access:
    """Return an access whose members are the places themselves."""
    return Access(space, np.zeros(0, dtype=np.intp))


def _with_guard(graph: Graph, n_reads: int) -> Graph:
    """Return a template's cotangents with 0 wherever its only weight is 0.

    NOTE: a weight of a branch that `where` has not taken is 0, and must not meet an infinite partial there.
    """
    value, *bars = (int(index) for index in leaves(graph.result))

    def run(*x: Any) -> Any:
        values = graph.evaluate(list(x))
        return [[values[value]], [ops.where(ops.equal(x[n_reads], 0.0), 0.0, values[bar]) for bar in bars]]

    return trace(run, *[0.0] * (n_reads + 1))


def _traced(run: Any, n: int) -> Graph:
    return trace(run, *[0.0] * n)
