"""Loops over families of expressions (`diffsim.rolling`) as machine code, with the lanes along the family or across it.

*Along*, for a single trajectory: the lanes of a register are neighbouring members, whose numbers lie side by side; the
end of a progression is a masked register, and the few members in no progression are put together lane by lane.
*Across*, for many trajectories: each lane is a trajectory, and the members come one after the other.

Every member goes through the same instructions in both, so results do not depend on which one is used.  Sums over a
family have eight partial sums, member i in number i mod 8, joined in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import final

import numpy as np
from numpy.typing import NDArray

from diffsim.compiler.cursors import Across, Cursor, Finish, Lanes, Place, Progression, Strays, mask_text
from diffsim.compiler.emitter import Emitter, Value, hexadecimal
from diffsim.compiler.lowering import Lowering
from diffsim.families import Access, Loop, Run

__all__ = ["LoopWriter", "constants_text"]

_PARTIAL_SUMS = 8
_MOST_AHEAD = 12  # numbers that all members read that wait in registers
_FEW = 2  # registers of stray members that are written out; more are a loop


@final
class LoopWriter:
    """Writes loops into a function.

    Parameters
    ----------
    b : Emitter
    along : bool
        Whether the lanes are members of a family; else they are trajectories.

    Attributes
    ----------
    rooms : list of str
        Instructions that belong at the head of the function.
    globals : list of str
        Tables, of the module.
    """

    def __init__(self, b: Emitter, along: bool) -> None:
        self.b, self.along = b, along
        self.rooms: list[str] = []
        self.globals: list[str] = []
        self._lowered: dict[int, tuple[Loop, Lowering]] = {}
        self._tables: dict[bytes, str] = {}

    # --- loops over components ------------------------------------------------------------------------------------

    def components(self, n: int, body: Callable[[Cursor], None]) -> None:
        """Write a loop over numbers 0 to n - 1 of spaces; the cursor's access 0 points to them."""
        run = Run((1,), n, np.zeros((1, 1), dtype=np.intp))
        self._progressions(run, lambda cursor, position: body(cursor))

    def copy(self, n: int, source: Place, target: Place) -> None:
        """Write the copying of n numbers."""
        self.components(n, lambda cursor: cursor.put(0, target, cursor.get(0, source)))

    # --- families -------------------------------------------------------------------------------------------------

    def write(
        self,
        loop: Loop,
        places: Mapping[str, Place],
        scalars: Mapping[str, Value],
        finish: Mapping[str, Finish] | None = None,
    ) -> None:
        """Write one loop.

        Parameters
        ----------
        loop : Loop
        places : mapping of str to Place
            Where the spaces lie.
        scalars : mapping of str to Value
            Spaces of a single number that is at hand, as a double.
        finish : mapping of str to callable, optional
            What to do with results for a space instead of storing them.
        """
        if id(loop) not in self._lowered:
            self._lowered[id(loop)] = (loop, Lowering(loop.graph, loop.results))
        lowering = self._lowered[id(loop)][1]
        sums = self._partial_sums(len(loop.writes)) if loop.total else []

        ahead = self._ahead(loop, lowering, places, scalars)

        def body(cursor: Cursor, position: Value | int) -> None:
            known: dict[int, Value] = dict(ahead) if cursor.b is self.b else {}
            for k, (node, access) in enumerate(zip(loop.inputs, loop.reads, strict=True)):
                if node in known:
                    continue
                if access.space in scalars:
                    known[node] = cursor.b.splat(scalars[access.space])
                else:
                    known[node] = cursor.get(k, places[access.space])
            lowering.write(cursor.b, known)
            for k, (node, access) in enumerate(zip(loop.results, loop.writes, strict=True)):
                value = known[node]
                if lowering.is_mask(node):
                    value = cursor.b.select(value, cursor.b.constant(1.0), cursor.b.constant(0.0))
                if sums:
                    self._add(cursor, sums[k], position, value)
                elif finish is not None and access.space in finish:
                    finish[access.space](cursor, len(loop.reads) + k, value)
                else:
                    cursor.put(len(loop.reads) + k, places[access.space], value)

        for run in loop.runs:
            self._progressions(run, body)
        self._strays(loop, body)
        for access, room in zip(loop.writes, sums, strict=False):
            self._join(room, access, places, finish)

    def _ahead(
        self, loop: Loop, lowering: Lowering, places: Mapping[str, Place], scalars: Mapping[str, Value]
    ) -> dict[int, Value]:
        """Write what is the same for all members, before the loop."""
        b, known = self.b, dict[int, Value]()
        varying = lowering.depends_on([node for k, node in enumerate(loop.inputs) if k not in loop.shared])
        read = {j for i in lowering.order if i not in varying for j in lowering.nodes[i].operands}
        for k in loop.shared:
            node, access = loop.inputs[k], loop.reads[k]
            if len(loop.shared) > _MOST_AHEAD and node not in read:
                continue
            if access.space in scalars:
                known[node] = b.splat(scalars[access.space])
                continue
            place, index = places[access.space], int(access.index[0])
            cursor = Strays(b, [[index]]) if self.along else Across(b, [index])
            known[node] = cursor.get(0, place)
        lowering.write(b, known, [i for i in lowering.order if i not in varying])
        return known

    def _progressions(self, run: Run, body: Callable[[Cursor, Value | int], None]) -> None:
        """Write the loop over a progression, or over all that have the same strides and length."""
        b = self.b
        with ExitStack() as stack:
            bases: Sequence[Value | int] = run.bases[0].tolist()
            if len(run.bases) > 1:
                table, width = self._table(run.bases), run.bases.shape[1]
                number = stack.enter_context(b.loop(str(len(run.bases))))
                row = b.line(f"mul i64 {number}, {width}")
                bases = [b.whole_at(table, b.line(f"add i64 {row}, {a}")) for a in range(width)]
            lanes = b.shape.lanes if self.along else 1
            full, left = divmod(run.count, lanes)
            if full > 1:
                with b.loop(str(full)) as chunk:
                    position: Value = b.line(f"mul i64 {chunk}, {lanes}") if lanes > 1 else chunk
                    body(self._at(run, bases, position, lanes), position)
            elif full:
                body(self._at(run, bases, 0, lanes), 0)
            if left:
                body(self._at(run, bases, full * lanes, left), full * lanes)

    def _at(self, run: Run, bases: Sequence[Value | int], position: Value | int, live: int) -> Cursor:
        b = self.b
        index: list[Value | int] = []
        for base, stride in zip(bases, run.strides, strict=True):
            if isinstance(position, int):
                shift = stride * position
                index.append(base + shift if isinstance(base, int) else b.line(f"add i64 {base}, {shift}"))
            elif stride == 0:
                index.append(base)
            else:
                moved = position if stride == 1 else b.line(f"mul i64 {position}, {stride}")
                index.append(b.line(f"add i64 {moved}, {base}") if base != 0 else moved)
        return Progression(b, index, run.strides, live) if self.along else Across(b, index)

    def _strays(self, loop: Loop, body: Callable[[Cursor, Value | int], None]) -> None:
        """Write what is in no progression."""
        b, members = self.b, loop.rest
        if not len(members):
            return
        accesses = [*loop.reads, *([] if loop.total else loop.writes)]
        places = np.array([access.index[members] for access in accesses], dtype=np.intp).reshape(-1, len(members))
        lanes = b.shape.lanes if self.along else 1
        if len(members) == 1 and self.along and not loop.total:
            body(Across(b.of_scalars(), places[:, 0].tolist()), 0)
            return
        full = len(members) // lanes
        first = 0
        if full > _FEW:
            table, n = self._table(places), len(members)
            with b.loop(str(full)) as chunk:
                start: Value = b.line(f"mul i64 {chunk}, {lanes}") if lanes > 1 else chunk
                body(self._from_table(places, table, n, start), start)
            first = full * lanes
        for k in range(first, len(members), lanes):
            listed = places[:, k : k + lanes].tolist()
            body(Strays(b, listed) if self.along else Across(b, [i for (i,) in listed]), k)

    def _from_table(self, places: NDArray[np.intp], table: Value, n: int, start: Value) -> Cursor:
        b = self.b
        index: list[list[Value | int]] = []
        for a, row in enumerate(places):
            same = bool((row == row[0]).all())
            here = "" if same else b.line(f"add i64 {start}, {a * n}")
            lanes = range(b.shape.lanes if self.along else 1)
            if same:
                index.append([int(row[0])] * len(lanes))
            else:
                index.append([b.whole_at(table, b.line(f"add i64 {here}, {lane}") if lane else here) for lane in lanes])
        return Strays(b, index) if self.along else Across(b, [one[0] for one in index])

    def _table(self, places: NDArray[np.intp]) -> Value:
        """Return a constant array of whole numbers."""
        key = np.ascontiguousarray(places, dtype=np.int64).tobytes()
        if key not in self._tables:
            name = f"@table{len(self._tables)}"
            numbers = ", ".join(f"i64 {i}" for i in places.ravel().tolist())
            self.globals.append(f"{name} = private unnamed_addr constant [{places.size} x i64] [{numbers}]")
            self._tables[key] = name
        return self._tables[key]

    # --- sums over a family ---------------------------------------------------------------------------------------

    def _partial_sums(self, n: int) -> list[Value]:
        """Return room for the partial sums of n results, set to 0."""
        b, rooms = self.b, []
        kind = f"<{_PARTIAL_SUMS} x double>" if self.along else f"[{_PARTIAL_SUMS} x {b.shape.real}]"
        for _ in range(n):
            room = f"%room{len(self.rooms)}"
            self.rooms.append(f"{room} = alloca {kind}, align 64")
            b.lines.append(f"store {kind} zeroinitializer, ptr {room}, align 64")
            rooms.append(room)
        return rooms

    def _add(self, cursor: Cursor, room: Value, position: Value | int, value: Value) -> None:
        b = cursor.b
        if isinstance(cursor, Lanes) and cursor.live < b.shape.lanes:
            value = b.line(
                f"select {mask_text(b, cursor.live)}, {b.shape.real} {value}, {b.shape.real} zeroinitializer"
            )
        lanes = b.shape.lanes
        width = 8 if self.along else 8 * lanes
        if self.along and lanes == _PARTIAL_SUMS:
            address = room
        elif isinstance(position, int):
            address = b.pointer(room, position % _PARTIAL_SUMS * width)
        else:
            spot = b.line(f"and i64 {position}, {_PARTIAL_SUMS - 1}")
            address = b.pointer(room, b.line(f"mul i64 {spot}, {width}"))
        b.store(b.add(b.load(address), value), address)

    def _join(
        self, room: Value, access: Access, places: Mapping[str, Place], finish: Mapping[str, Finish] | None
    ) -> None:
        """Write the sum of the partial sums to where it belongs."""
        index = [int(access.index[0])]
        if self.along:
            b = self.b.of_scalars()
            total, n = b.line(f"load <{_PARTIAL_SUMS} x double>, ptr {room}, align 64"), _PARTIAL_SUMS
            while n > 1:
                halves = [
                    b.line(
                        f"shufflevector <{n} x double> {total}, <{n} x double> poison, <{n // 2} x i32> "
                        f"<{', '.join(f'i32 {i}' for i in range(first, first + n // 2))}>"
                    )
                    for first in (0, n // 2)
                ]
                n //= 2
                total = b.line(f"fadd <{n} x double> {halves[0]}, {halves[1]}")
            total = b.line(f"extractelement <1 x double> {total}, i32 0")
        else:
            b = self.b
            width = 8 * b.shape.lanes
            parts = [b.load(b.pointer(room, i * width)) for i in range(_PARTIAL_SUMS)]
            while len(parts) > 1:
                half = len(parts) // 2
                parts = [b.add(parts[i], parts[i + half]) for i in range(half)]
            (total,) = parts
        cursor = Across(b, index)
        if finish is not None and access.space in finish:
            finish[access.space](cursor, 0, total)
        else:
            cursor.put(0, places[access.space], total)


def constants_text(name: str, numbers: NDArray[np.float64]) -> str:
    """Return a constant array of doubles, of the module."""
    listed = ", ".join(f"double {hexadecimal(x)}" for x in numbers.tolist())
    return f"{name} = private unnamed_addr constant [{len(numbers)} x double] [{listed}], align 64"
