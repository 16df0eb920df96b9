"""Cursors: how the members of a family that one register holds read their numbers and write their results.

See `diffsim.compiler.loops`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from diffsim.compiler.emitter import Emitter, Value

__all__ = ["Across", "Cursor", "Finish", "Lanes", "Place", "Progression", "Strays", "mask_text"]


@final
@dataclass(frozen=True)
class Place:
    """Where a space lies.

    Attributes
    ----------
    base : Value
        Address of its first number (of the first lane).
    row : Value or int
        Bytes from one number to the next.
    shared : bool
        Whether all trajectories share it: one double a number.
    """

    base: Value
    row: Value | int
    shared: bool = False


class Cursor(ABC):
    """Where the members at hand read and write.

    Parameters
    ----------
    b : Emitter
    """

    def __init__(self, b: Emitter) -> None:
        self.b = b

    @abstractmethod
    def get(self, access: int, place: Place) -> Value:
        """Return what the members' access of that number reads in a space."""

    @abstractmethod
    def put(self, access: int, place: Place, value: Value) -> None:
        """Write a register to where the members' access points."""


Finish: TypeAlias = Callable[[Cursor, int, Value], None]
"""What is done with a result instead of storing it: given the cursor, the number of the access, the register."""


def address_of(b: Emitter, place: Place, index: Value | int, more: int = 0) -> Value:
    """Return the address of number ``index + more`` of a space."""
    if isinstance(place.row, int):
        if isinstance(index, int):
            return b.pointer(place.base, (index + more) * place.row)
        start = b.pointer(place.base, b.line(f"mul i64 {index}, {place.row}"))
        return b.pointer(start, more * place.row) if more else start
    if more:
        index = index + more if isinstance(index, int) else b.line(f"add i64 {index}, {more}")
    return b.pointer(place.base, b.line(f"mul i64 {place.row}, {index}"))


@final
class Across(Cursor):
    """One member, of many trajectories (or, with scalars, of one)."""

    def __init__(self, b: Emitter, index: Sequence[Value | int]) -> None:
        super().__init__(b)
        self._index = index

    def get(self, access: int, place: Place) -> Value:
        address = address_of(self.b, place, self._index[access])
        if place.shared:
            return self.b.splat(self.b.line(f"load double, ptr {address}, align 8"))
        return self.b.load(address)

    def put(self, access: int, place: Place, value: Value) -> None:
        self.b.store(value, address_of(self.b, place, self._index[access]))


class Lanes(Cursor):
    """Several members of one trajectory, one a lane."""

    def __init__(self, b: Emitter, live: int) -> None:
        super().__init__(b)
        self.live = live

    def assembled(self, addresses: Sequence[Value]) -> Value:
        """Return a register of the doubles at some addresses; 0 in the other lanes."""
        b, real = self.b, self.b.shape.real
        out = "zeroinitializer"
        for lane, address in enumerate(addresses):
            x = b.line(f"load double, ptr {address}, align 8")
            out = b.line(f"insertelement {real} {out}, double {x}, i32 {lane}")
        return out

    def scatter(self, addresses: Sequence[Value], value: Value) -> None:
        """Write the lanes of a register to some addresses."""
        b, real = self.b, self.b.shape.real
        for lane, address in enumerate(addresses):
            x = b.line(f"extractelement {real} {value}, i32 {lane}")
            b.lines.append(f"store double {x}, ptr {address}, align 8")


@final
class Progression(Lanes):
    """Neighbours in a progression."""

    def __init__(self, b: Emitter, first: Sequence[Value | int], strides: Sequence[int], live: int) -> None:
        super().__init__(b, live)
        self._first, self._strides = first, strides

    def get(self, access: int, place: Place) -> Value:
        b, stride = self.b, self._strides[access]
        start = address_of(b, place, self._first[access])
        if stride == 0:
            return b.splat(b.line(f"load double, ptr {start}, align 8"))
        if stride != 1:
            return self.assembled(self._lane_addresses(access, place))
        if self.live == b.shape.lanes:
            return b.load(start)
        kind = b.shape.real
        name = f"llvm.masked.load.v{b.shape.lanes}f64.p0"
        b.used.add(f"declare {kind} @{name}(ptr, i32, {b.shape.mask}, {kind})")
        return b.line(f"call {kind} @{name}(ptr {start}, i32 8, {self._mask()}, {kind} zeroinitializer)")

    def put(self, access: int, place: Place, value: Value) -> None:
        b, stride = self.b, self._strides[access]
        if stride != 1:
            self.scatter(self._lane_addresses(access, place), value)
            return
        start = address_of(b, place, self._first[access])
        if self.live == b.shape.lanes:
            b.store(value, start)
            return
        kind = b.shape.real
        name = f"llvm.masked.store.v{b.shape.lanes}f64.p0"
        b.used.add(f"declare void @{name}({kind}, ptr, i32, {b.shape.mask})")
        b.lines.append(f"call void @{name}({kind} {value}, ptr {start}, i32 8, {self._mask()})")

    def _lane_addresses(self, access: int, place: Place) -> list[Value]:
        stride = self._strides[access]
        return [address_of(self.b, place, self._first[access], lane * stride) for lane in range(self.live)]

    def _mask(self) -> str:
        return mask_text(self.b, self.live)


def mask_text(b: Emitter, live: int) -> str:
    """Return the mask of the first lanes, with its type."""
    truths = ", ".join(f"i1 {'true' if lane < live else 'false'}" for lane in range(b.shape.lanes))
    return f"{b.shape.mask} <{truths}>"


@final
class Strays(Lanes):
    """Members whose places are listed, lane by lane."""

    def __init__(self, b: Emitter, index: Sequence[Sequence[Value | int]]) -> None:
        super().__init__(b, len(index[0]) if index else 0)
        self._index = index

    def get(self, access: int, place: Place) -> Value:
        index = self._index[access]
        if len(set(index)) == 1:
            return self.b.splat(self.b.line(f"load double, ptr {address_of(self.b, place, index[0])}, align 8"))
        return self.assembled([address_of(self.b, place, i) for i in index])

    def put(self, access: int, place: Place, value: Value) -> None:
        self.scatter([address_of(self.b, place, i) for i in self._index[access]], value)
