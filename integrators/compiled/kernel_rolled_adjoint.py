"""The adjoint kernel of a large program: loops over components, there and back, instead of straight-line code.

Each stage's loops are transposed (`diffsim.rolling_transpose`): the cotangent of each component is gathered where it
is written, and goes at once into the cotangents of the derivatives of the stages before.  Called as the other adjoint
kernel is.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from diffsim.compiler.cursors import Cursor, Finish, Place
from diffsim.compiler.emitter import Shape, Value, hexadecimal
from diffsim.families import Access, Loop
from diffsim.rolling_transpose import Transposed, transpose_loops
from integrators.compiled.kernel_adjoint import (
    COTANGENT,
    COUNTS,
    DELTAS,
    H_LAST,
    K_END,
    K_LAST,
    KINDS,
    N_ENTRIES,
    N_SAVES,
    PARAMETER_COTANGENTS,
    PARAMETERS,
    SEEDS,
    STORE,
    STRIDE,
    H,
)
from integrators.compiled.kernel_frame import NUMBER
from integrators.compiled.kernel_rolled import as_loops, rolled
from integrators.compiled.kernel_room import Block, Room, adding, stage_time, time_of, writes_to
from integrators.compiled.plan import ASIDE, SAVE
from integrators.compiled.program import Program

__all__: list[str] = []

_INLINED = 300
"""Operations of a stage, there and back, that are written out for every stage; more are functions."""


@functools.lru_cache(maxsize=64)
def transposed(program: Program, active: tuple[int, ...]) -> tuple[Transposed, Transposed]:
    """Return the loops that send cotangents back through a program's loops, and through what is held.

    Parameters
    ----------
    program : Program
    active : tuple of int
        Parameters whose cotangents are wanted; in the space ``parameter_bar`` they lie in this order.
    """
    plain = as_loops(program)
    targets = {"state": "state_bar", "temporary": "temporary_bar"}
    wanted = {"state": np.arange(program.n)}
    if active:
        targets |= {"held": "held_bar", "parameter": "parameter_bar"}
        wanted |= {"held": np.arange(plain.sizes["held"]), "parameter": np.array(active)}
    weights = {"result": "result_bar", "temporary": "temporary_bar"}
    back = transpose_loops(plain.loops, weights, targets, wanted)
    if not active:
        return reduced(back), Transposed((), 0)
    targets = {"held": "held_bar", "parameter": "parameter_bar"}
    parameters = {"parameter": np.array(active)}
    further = transpose_loops(plain.held, {"held": "held_bar"}, targets, parameters, ["held"])
    return reduced(_renumbered(back, active)), reduced(_renumbered(further, active))


def reduced(back: Transposed) -> Transposed:
    """Return the same with templates reduced in strength."""
    return Transposed(tuple(loop.reduced() for loop in back.loops), back.n_sent)


def _renumbered(back: Transposed, active: tuple[int, ...]) -> Transposed:
    """Return the same loops with the cotangents of parameters in the order of `active`."""
    spots = np.zeros(max(active) + 1, dtype=np.intp)
    spots[list(active)] = np.arange(len(active))

    def moved(access: Access) -> Access:
        return Access(access.space, spots[access.index]) if access.space == "parameter_bar" else access

    loops = tuple(
        dataclasses.replace(loop, writes=tuple(map(moved, loop.writes))) if _of_parameters(loop) else loop
        for loop in back.loops
        if not (_of_parameters(loop) and _sends_nothing(loop))
    )
    return Transposed(loops, back.n_sent)


def _of_parameters(loop: Loop) -> bool:
    return loop.writes[0].space == "parameter_bar"


def _sends_nothing(loop: Loop) -> bool:
    return bool(loop.graph.nodes[loop.results[0]].value == 0.0)


@final
class RolledAdjointKernel:
    """Writes the adjoint kernel of a program as loops.

    Parameters
    ----------
    program : Program
    shape : Shape
        Of the host: several lanes.
    along : bool
        Whether lanes are components of a single trajectory.
    active : tuple of int
        Parameters whose cotangents are wanted.
    aside : bool
        Whether there are save times between the nodes.
    """

    def __init__(self, program: Program, shape: Shape, along: bool, active: tuple[int, ...], aside: bool) -> None:
        self.program, self.aside = program, aside
        self.rolled = rolled(program)
        self.back, self.further = transposed(program, active)
        self.room = room = Room(shape, along)
        self.frame = Block(room.block)
        n, sizes = program.n, self.rolled.sizes
        self.n_stages = 1 if program.scheme is None else program.scheme.n_stages
        self.temporaries = writes_to(self.rolled.loops, "temporary")
        self.states = [room.array(n) for _ in range(self.n_stages - 1)]
        self.between = [room.array(sizes["temporary"]) for _ in range(self.n_stages)]
        self.bars = [room.array(n) for _ in range(self.n_stages)]
        self.beside = room.array(n if aside else 0)
        self.places = {
            "held": room.array(sizes["held"]),
            **room.constants(self.rolled),
            "temporary_bar": room.array(sizes["temporary"]),
            "held_bar": room.array(sizes["held"]),
            "sent": room.array(max(self.back.n_sent, self.further.n_sent)),
        }
        self.called = self.rolled.n_written + self.back.n_written > _INLINED
        self.derivative, self.state_bar = (room.array(n if self.called else 0) for _ in range(2))
        self.parameter_bar = room.array(len(active) if self.called else 0)
        self.n_active = len(active)
        self.sends_held = any(
            loop.writes[0].space == "held_bar" and not _sends_nothing(loop) for loop in self.back.loops
        )

    @property
    def n_operations(self) -> int:
        """Arithmetic operations of a step, about."""
        loops = (*self.rolled.loops, *self.rolled.loops, *self.back.loops)
        return self.n_stages * sum(loop.graph.n_operations * loop.count for loop in loops)

    def text(self) -> str:
        """Return the module's text."""
        b = self.room.b
        self.p = [b.pointer_at("%pointers", i) for i in range(8)]
        n_entries, k_end, self.k_last, stride, n_saves = (
            b.whole_at("%whole", i) for i in (N_ENTRIES, K_END, K_LAST, STRIDE, N_SAVES)
        )
        self.times = [b.double_at("%real", i) for i in range(3)]
        self.stride = b.line(f"mul i64 {stride}, {NUMBER}")
        self.row_bytes = b.line(f"mul i64 {self.stride}, {self.program.n}")
        self.room.writer.rooms += ["%k = alloca i64", "%state = alloca ptr", "%seed = alloca ptr"]
        with b.loop("%count") as block:
            here = b.line(f"add i64 %first, {block}")
            self.offset = b.line(f"mul i64 {here}, {self.room.block * NUMBER}")
            b.lines.append(f"store i64 {k_end}, ptr %k")
            for name, base, number in (("%state", self.p[STORE], k_end), ("%seed", self.p[SEEDS], n_saves)):
                shift = b.line(f"mul i64 {number}, {self.row_bytes}")
                b.lines.append(f"store ptr {b.pointer(base, shift)}, ptr {name}")
            self.cotangent = self._outside(self.p[COTANGENT])
            self.sums = self._outside(self.p[PARAMETER_COTANGENTS])
            self.places["parameter"] = self._outside(self.p[PARAMETERS])
            self._write(self.rolled.held, {}, {}, {})
            with b.loop(n_entries) as entry:
                last = b.line(f"sub i64 {n_entries}, 1")
                self._entry(b.line(f"sub i64 {last}, {entry}"))
        return self.room.text()

    def _outside(self, base: Value) -> Place:
        return self.room.row(base, self.stride, self.offset)

    def _write(
        self,
        loops: Sequence[Loop],
        more: Mapping[str, Place],
        scalars: Mapping[str, Value],
        finish: Mapping[str, tuple[Place, int, Finish]],
    ) -> None:
        """Write loops; `finish` says, for a space, what to do with its numbers: array for them, how many, and what."""
        places = self.places | dict(more)
        if not self.called:
            self.room.write(loops, places, scalars, {space: what for space, (_, _, what) in finish.items()})
            return
        rooms = {space: place for space, (place, _, _) in finish.items()}
        for space in finish.keys() & {"parameter_bar", "held_bar"}:  # of these not every number is written
            place, n, _ = finish[space]
            self._clear(place, n)
        self.room.call(loops, places | rooms, scalars)
        for place, n, what in finish.values():
            if n:
                self._finish_all(place, n, what)

    def _finish_all(self, place: Place, n: int, what: Finish) -> None:
        self.room.writer.components(n, lambda cursor: what(cursor, 0, cursor.get(0, place)))

    def _entry(self, entry: Value) -> None:
        """Write one entry backwards: what was saved, then the steps before it."""
        b, n, writer = self.room.b, self.program.n, self.room.writer
        kind = b.whole_at(self.p[KINDS], entry)
        with b.when(b.line(f"icmp ne i64 {kind}, 0")):
            self._back("%seed")
        with b.when(b.line(f"icmp eq i64 {kind}, {SAVE}")):
            self._add(self._row("%seed"), self.cotangent)
        if self.aside:
            with b.when(b.line(f"icmp eq i64 {kind}, {ASIDE}")):
                k = b.line("load i64, ptr %k")
                writer.copy(n, self._row("%seed"), self.beside)
                self._step(k, b.double_at(self.p[DELTAS], entry), self.beside)
                self._add(self.beside, self.cotangent)
        with b.loop(b.whole_at(self.p[COUNTS], entry)):
            k = b.line(f"sub i64 {b.line('load i64, ptr %k')}, 1")
            b.lines.append(f"store i64 {k}, ptr %k")
            self._back("%state")
            last = b.line(f"icmp eq i64 {k}, {self.k_last}")
            h = b.line(f"select i1 {last}, double {self.times[H_LAST]}, double {self.times[H]}")
            self._step(k, h, self.cotangent)

    def _back(self, place: Value) -> None:
        b = self.room.b
        shift = b.line(f"sub i64 0, {self.row_bytes}")
        b.lines.append(f"store ptr {b.pointer(b.line(f'load ptr, ptr {place}'), shift)}, ptr {place}")

    def _row(self, place: Value) -> Place:
        return self._outside(self.room.b.line(f"load ptr, ptr {place}"))

    def _add(self, source: Place, target: Place) -> None:
        def body(cursor: Cursor) -> None:
            cursor.put(0, target, cursor.b.add(cursor.get(0, target), cursor.get(0, source)))

        self.room.writer.components(self.program.n, body)

    # --- one step -----------------------------------------------------------------------------------------------------

    def _step(self, k: Value, h: Value, g: Place) -> None:
        """Write the way back of one step of size h from node k, of the cotangents that lie in an array."""
        b, scheme = self.room.b, self.program.scheme
        t = time_of(b, self.times, k)
        y = self._row("%state")
        self._clear_held()
        if scheme is None:
            at = {"state": y, "temporary": self.between[0]}
            self._write(self.temporaries, at, {"time": t, "step": h}, {})
            self.room.writer.copy(self.program.n, g, self.bars[0])

            def replace(cursor: Cursor, access: int, bar: Value) -> None:
                cursor.put(access, g, bar)

            self._pull(at | {"result_bar": self.bars[0]}, {"time": t, "step": h}, replace)
        else:
            weights = {w: b.line(f"fmul double {h}, {hexadecimal(w)}") for row in scheme.rows for _, w in row}
            at_stages = self._there(t, h, y, weights)
            self._first_bars(g, weights)
            touched = {j for j, _ in scheme.rows[-1]}
            for i in range(scheme.n_stages - 1, -1, -1):
                places, scalars = at_stages[i]
                finish = self._spread(i, g, weights, touched)
                self._pull(places | {"result_bar": self.bars[i]}, scalars, finish)
                touched.update(j for j, _ in scheme.rows[i])
        if self.further.loops and self.sends_held:
            self._write(self.further.loops, {}, {}, self._parameter_finish())

    def _clear_held(self) -> None:
        if self.sends_held:
            self._clear(self.places["held_bar"], self.rolled.sizes["held"])

    def _clear(self, place: Place, n: int) -> None:
        if n:
            self.room.writer.components(n, lambda cursor: cursor.put(0, place, cursor.b.constant(0.0)))

    def _there(
        self, t: Value, h: Value, y: Place, weights: Mapping[float, Value]
    ) -> list[tuple[dict[str, Place], dict[str, Value]]]:
        """Write the stages of a step again; returns where each one's numbers lie, and its time."""
        b, scheme = self.room.b, self.program.scheme
        found: list[tuple[dict[str, Place], dict[str, Value]]] = []
        if scheme is None:
            return found
        arrays = [y if not row else self.states[r - 1] for r, row in enumerate(scheme.rows[:-1])]
        for i in range(scheme.n_stages):
            shares = []
            for r, row in enumerate(scheme.rows[:-1]):
                members = [j for j, _ in row]
                if i in members:
                    shares.append((y if i == members[0] else arrays[r], arrays[r], weights[dict(row)[i]]))
            places = {"state": arrays[i], "temporary": self.between[i]}
            scalars = {"time": stage_time(b, t, h, scheme.nodes[i])}
            loops = self.rolled.loops if shares else self.temporaries
            n = self.program.n if shares else 0
            self._write(loops, places, scalars, {"result": (self.derivative, n, adding(shares))})
            found.append((places, scalars))
        return found

    def _first_bars(self, g: Place, weights: Mapping[float, Value]) -> None:
        """Write the new state's share in the cotangents of the derivatives."""
        scheme = self.program.scheme
        if scheme is None:
            return

        def body(cursor: Cursor) -> None:
            bar = cursor.get(0, g)
            for j, w in scheme.rows[-1]:
                cursor.put(0, self.bars[j], cursor.b.mul(cursor.b.splat(weights[w]), bar))

        self.room.writer.components(self.program.n, body)

    def _spread(self, i: int, g: Place, weights: Mapping[float, Value], touched: set[int]) -> Finish:
        """Return what adds the cotangent of a stage's state to those of what it is made of."""
        scheme = self.program.scheme
        row = () if scheme is None else scheme.rows[i]
        begun = frozenset(touched)

        def spread(cursor: Cursor, access: int, bar: Value) -> None:
            b = cursor.b
            cursor.put(access, g, b.add(cursor.get(access, g), bar))
            for j, w in row:
                weight = b.splat(weights[w])
                new = b.fma(weight, bar, cursor.get(access, self.bars[j])) if j in begun else b.mul(weight, bar)
                cursor.put(access, self.bars[j], new)

        return spread

    def _pull(self, places: Mapping[str, Place], scalars: Mapping[str, Value], finish: Finish) -> None:
        """Write the way back through one evaluation of the right-hand side."""
        state = {"state_bar": (self.state_bar, self.program.n, finish)}
        held: dict[str, tuple[Place, int, Finish]] = {}
        if self.sends_held:
            bar = self.places["held_bar"]
            held = {"held_bar": (self.held_bar, self.rolled.sizes["held"], _adding_to(bar))}
        self._write(self.back.loops, places, scalars, state | held | self._parameter_finish())

    @functools.cached_property
    def held_bar(self) -> Place:
        """An array for what one stage sends to what is held."""
        return self.room.array(self.rolled.sizes["held"])

    def _parameter_finish(self) -> dict[str, tuple[Place, int, Finish]]:
        return {"parameter_bar": (self.parameter_bar, self.n_active, _adding_to(self.sums))}


def _adding_to(target: Place) -> Finish:
    def add(cursor: Cursor, access: int, value: Value) -> None:
        cursor.put(access, target, cursor.b.add(cursor.get(access, target), value))

    return add
