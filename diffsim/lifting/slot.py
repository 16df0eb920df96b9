"""What a plan consists of: a `Slot` for each thing that a function can see, and a `Swap` for each rebuilding."""

from __future__ import annotations

import abc
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, final

__all__ = ["ABSENT", "Again", "Same", "Shared", "Slot", "Swap", "bare"]


@final
class Same:
    """An object as part of a key: equal to itself only; kept alive, so that no other takes its place."""

    __slots__ = ("it",)

    def __init__(self, it: Any) -> None:
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.it is self.it

    def __hash__(self) -> int:
        return id(self.it)


ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "<absent>"})()
"""What an empty cell holds, and a name that is not bound."""


@final
class Swap:
    """One rebuilding: the new numbers, the twins made so far, and what must be unchanged afterwards.

    Attributes
    ----------
    numbers : sequence
        One for each lifted number, in the order of reading.
    traced : bool
        Whether they are traced: then NumPy and `math` are replaced, too.
    twins : dict
        Twin of each object by the object's id; the function holds the objects.
    """

    def __init__(self, numbers: Sequence[Any], traced: bool) -> None:
        self.numbers, self.traced = numbers, traced
        self.twins: dict[Any, Any] = {}
        self._watched: list[tuple[Callable[[], Mapping[str, Any]], Mapping[str, Any], bool]] = []

    def watch(self, look: Callable[[], Mapping[str, Any]], *, room: bool = False) -> None:
        """Remember what a twin holds now, by the names that a message would use.

        `room` says that it is an array, in which a function may keep what it works with.
        """
        self._watched.append((look, look(), room))

    def changes(self) -> Iterator[tuple[str, Any, Any, bool]]:
        """What the function has changed outside itself: name, what it was, what it is, whether it is in an array."""
        for look, before, room in self._watched:
            after = look()
            for name in {**before, **after}:
                old, new = before.get(name, ABSENT), after.get(name, ABSENT)
                if old is not new:
                    yield name, old, new, room


class Slot(abc.ABC):
    """One thing that a function can see."""

    __slots__ = ()

    @abc.abstractmethod
    def read(self, value: Any, out: list[Any]) -> bool:
        """Append the lifted numbers of `value`; False where it is not what the plan was made for."""

    @abc.abstractmethod
    def build(self, value: Any, swap: Swap) -> Any:
        """`value` with other numbers in it."""

    @abc.abstractmethod
    def settle(self, names: list[str]) -> Hashable:
        """Append the names of the lifted numbers, in the order of `read`; return the part of the key."""


@final
class Again(Slot):
    """An object that another slot has in its care: reached a second time, or from within itself."""

    __slots__ = ("place", "slot")

    def __init__(self, slot: Slot, place: list[Any]) -> None:
        self.slot, self.place = slot, place

    def read(self, value: Any, out: list[Any]) -> bool:
        return value is self.place[0]

    def build(self, value: Any, swap: Swap) -> Any:
        return self.slot.build(value, swap)

    def settle(self, names: list[str]) -> Hashable:
        return "again"


@final
class Shared(Slot):
    """An object that may be reached again: says where it was at this reading."""

    __slots__ = ("again", "place", "slot")

    def __init__(self, place: list[Any]) -> None:
        self.place, self.again = place, False
        self.slot: Slot

    def read(self, value: Any, out: list[Any]) -> bool:
        self.place[0] = value
        return self.slot.read(value, out)

    def build(self, value: Any, swap: Swap) -> Any:
        return self.slot.build(value, swap)

    def settle(self, names: list[str]) -> Hashable:
        return self.slot.settle(names)


def bare(slot: Slot) -> Slot:
    """The slot itself where nothing else reaches its object."""
    return slot.slot if isinstance(slot, Shared) and not slot.again else slot
