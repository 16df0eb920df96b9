"""What the kernels made of loops share: their arrays, their functions, their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, final

from diffsim.compiler.cursors import Cursor, Finish, Place
from diffsim.compiler.emitter import Emitter, Shape, Value, hexadecimal
from diffsim.compiler.loops import LoopWriter, constants_text
from diffsim.compiler.lowering import elementary_functions, library_functions, module_text
from diffsim.families import Loop, Rolled
from diffsim.graph import Graph
from integrators.compiled.kernel_forward import T0, H
from integrators.compiled.kernel_frame import NUMBER, SIGNATURE

__all__: list[str] = []

_LARGEST_PART = 500
"""Operations of such a function, about."""

_CALLS_INLINED = 40
"""Calls of elementary functions that are written out in their place."""


# PERF: unrolling by LLVM doubles the time of compilation and gains nothing: the loops wait for memory
_AT_LATCHES = ", !llvm.loop !1"
_ROLLED = '!1 = distinct !{!1, !2}\n!2 = !{!"llvm.loop.unroll.disable"}'


class Block(NamedTuple):
    """What the machine asks of a kernel's frame.

    Attributes
    ----------
    block : int
        Trajectories of a block.
    """

    block: int


@final
class Room:
    """A kernel made of loops, while it is written: its arrays, its functions, its text.

    Parameters
    ----------
    shape : Shape
    along : bool
        Whether lanes are components of one trajectory.
    """

    def __init__(self, shape: Shape, along: bool) -> None:
        self.shape, self.along = shape, along
        self.b = self._emitter()
        self.writer = LoopWriter(self.b, along)
        self.number = NUMBER if along else NUMBER * shape.lanes
        self.graphs: list[Graph] = []
        self._bytes = 0
        self._arrays: list[str] = []
        self._functions: list[str] = []
        self._known: dict[tuple[int, ...], list[str]] = {}

    def _emitter(self) -> Emitter:
        b = Emitter(self.shape)
        b.at_latches = _AT_LATCHES
        return b

    @property
    def block(self) -> int:
        """Trajectories of a block."""
        return 1 if self.along else self.shape.lanes

    def array(self, n: int) -> Place:
        """Set an array of n numbers aside."""
        name = f"%array{len(self._arrays)}"
        self._arrays.append(f"{name} = getelementptr i8, ptr %work, i64 {self._bytes}")
        size = -(-max(n, 1) * self.number // 64) * 64
        # PERF: arrays a multiple of 4096 bytes apart get in each other's way in the first-level cache
        self._bytes += size + (320 if size % 4096 < 256 else 64)
        return Place(name, self.number)

    def constants(self, rolled: Rolled) -> dict[str, Place]:
        """Return the place of the constants of loops, if there are any."""
        if not len(rolled.constants):
            return {}
        self.writer.globals.append(constants_text("@constants", rolled.constants))
        return {"constant": Place("@constants", NUMBER, shared=True)}

    def row(self, base: Value, stride: Value, offset: Value) -> Place:
        """Return the place of numbers outside: `stride` bytes apart, `offset` bytes beyond an address."""
        return Place(self.b.pointer(base, offset), NUMBER if self.along else stride)

    # --- loops, written here or in functions ------------------------------------------------------------------------

    def write(
        self,
        loops: Sequence[Loop],
        places: Mapping[str, Place],
        scalars: Mapping[str, Value],
        finish: Mapping[str, Finish] | None = None,
    ) -> None:
        """Write loops in their order."""
        self.graphs.extend(loop.graph for loop in loops)
        for loop in loops:
            self.writer.write(loop, places, scalars, finish)

    def call(self, loops: Sequence[Loop], places: Mapping[str, Place], scalars: Mapping[str, Value]) -> None:
        """Write loops as functions, made once, and their calls."""
        key = tuple(map(id, loops))
        spaces = sorted(space for space, place in places.items() if not place.shared)
        if key not in self._known:
            self._known[key] = [self._function(part, spaces, places, sorted(scalars)) for part in _parts(loops)]
        given = [f"ptr {places[s].base}, i64 {places[s].row}" for s in spaces]
        given += [f"double {scalars[s]}" for s in sorted(scalars)]
        self.b.lines += [f"call void {name}({', '.join(given)})" for name in self._known[key]]

    def _function(
        self, loops: Sequence[Loop], spaces: Sequence[str], places: Mapping[str, Place], scalars: Sequence[str]
    ) -> str:
        """Write one function; returns its name."""
        outer, self.b = self.b, self._emitter()
        writer, self.writer = self.writer, LoopWriter(self.b, self.along)
        self.writer.globals, self.writer._tables = writer.globals, writer._tables
        name = f"@part{len(self._functions)}"
        takes = [f"ptr %base{i}, i64 %row{i}" for i in range(len(spaces))] + [
            f"double %s{i}" for i in range(len(scalars))
        ]
        inside = {space: place for space, place in places.items() if place.shared}
        for i, space in enumerate(spaces):
            # NOTE: the same function serves arrays of the kernel and arrays outside, whose rows lie further apart
            inside[space] = Place(f"%base{i}", NUMBER if self.along else f"%row{i}")
        self._functions.append("")
        self.write(loops, inside, {s: f"%s{i}" for i, s in enumerate(scalars)})
        body = [f"define internal void {name}({', '.join(takes)}) noinline nounwind {{", "entry:", *self.writer.rooms]
        self._functions[int(name[5:])] = "\n".join([*body, *self.b.lines, "ret void", "}"])
        outer.used |= self.b.used
        self.b, self.writer = outer, writer
        return name

    def text(self) -> str:
        """Return the module."""
        calls = sum(g.count()[name] for g in self.graphs for name in elementary_functions([g]) if name in g.count())
        inline = calls <= _CALLS_INLINED
        names = elementary_functions(self.graphs)
        library, declared = library_functions(names, self.shape, inline)
        libraries = [library]
        if self.along:
            text, more = library_functions(names, Shape(1, self.shape.bits, self.shape.fma), inline)
            libraries.append(text)
            declared |= more
        head = [
            f"define {SIGNATURE} {{",
            "entry:",
            f"%memory = call ptr @malloc(i64 {self._bytes + 64})",
            "%numeric = ptrtoint ptr %memory to i64",
            "%raised = add i64 %numeric, 63",
            "%aligned = and i64 %raised, -64",
            "%work = inttoptr i64 %aligned to ptr",
            *self._arrays,
            *self.writer.rooms,
        ]
        kernel = "\n".join([*head, *self.b.lines, "call void @free(ptr %memory)", "ret void", "}"])
        declared |= self.b.used | {"declare ptr @malloc(i64)", "declare void @free(ptr)"}
        return module_text([*self.writer.globals, *libraries, *self._functions, kernel, _ROLLED], declared)


def _parts(loops: Sequence[Loop]) -> list[list[Loop]]:
    """Cut loops into stretches of about `_LARGEST_PART` operations."""
    parts: list[list[Loop]] = []
    size = _LARGEST_PART + 1
    for loop in loops:
        if size > _LARGEST_PART:
            parts.append([])
            size = 0
        parts[-1].append(loop)
        size += loop.n_written
    return parts


def writes_to(loops: Sequence[Loop], space: str) -> list[Loop]:
    """Return the loops that write a space."""
    return [loop for loop in loops if any(access.space == space for access in loop.writes)]


def adding(shares: Sequence[tuple[Place, Place, Value]]) -> Finish:
    """Return what adds a derivative's share to some arrays: (array before, array after, weight) each."""

    def add(cursor: Cursor, access: int, k: Value) -> None:
        for before, after, weight in shares:
            cursor.put(access, after, cursor.b.fma(cursor.b.splat(weight), k, cursor.get(access, before)))

    return add


def time_of(b: Emitter, times: Sequence[Value], k: Value) -> Value:
    """Return t0 + k h: one double."""
    product = b.line(f"fmul double {b.line(f'sitofp i64 {k} to double')}, {times[H]}")
    return b.line(f"fadd double {times[T0]}, {product}")


def stage_time(b: Emitter, t: Value, h: Value, node: float) -> Value:
    """Return the time of a stage: one double."""
    return b.line(f"fadd double {t}, {b.line(f'fmul double {h}, {hexadecimal(node)}')}") if node else t
