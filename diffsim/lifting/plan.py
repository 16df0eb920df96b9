"""`Plan`: how to read what one function brings along, and how to rebuild it around other numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, final

from diffsim.lifting.leaves import Array, Scalar
from diffsim.lifting.slot import Slot, Swap, bare

__all__ = ["Plan", "variable"]


@final
class Plan:
    """How to read what one function brings along, and how to rebuild it.

    Attributes
    ----------
    names : tuple of str
        Names of the lifted numbers, in the order in which they are read.
    key : Hashable or None
        Equal for functions of equal code and structure; None where something was met that cannot be understood.
    wholes : mapping of str to str
        Names of the lifted numbers that may be whole numbers, and the array or variable that each belongs to.
    """

    def __init__(self, fun: Slot, args: Slot, understood: bool, wholes: Sequence[Scalar | Array]) -> None:
        found: list[str] = []
        self._fun, self._args, self._lock = bare(fun), bare(args), threading.Lock()
        signature = (self._fun.settle(found), self._args.settle(found))
        self.names = _distinct(found)
        self.key = Key(signature) if understood else None
        self.wholes = {
            self.names[i]: variable(slot.name) for slot in wholes for i in range(slot.at, slot.at + slot.size)
        }

    def read(self, fun: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The numbers as they are now; None where the plan does not fit any more."""
        out: list[Any] = []
        with self._lock:  # of what is reached twice, the slots remember where they were
            fits = self._fun.read(fun, out) and self._args.read(args, out)
        return tuple(out) if fits else None

    def build(self, fun: Any, args: tuple[Any, ...], swap: Swap) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The function and its arguments around other numbers."""
        return self._fun.build(fun, swap), self._args.build(args, swap)


@final
class Key:
    """A signature whose hash is computed once."""

    __slots__ = ("_hash", "_signature")

    def __init__(self, signature: Hashable) -> None:
        self._signature, self._hash = signature, hash(signature)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Key) and self._signature == other._signature)

    def __repr__(self) -> str:
        return f"<key {self._hash & 0xFFFFFFFF:08x}>"


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names of which none occurs twice."""
    taken: dict[str, int] = {}
    out = []
    for name in names:
        taken[name] = taken.get(name, 0) + 1
        out.append(name if taken[name] == 1 else f"{name} #{taken[name]}")
    return tuple(out)


def variable(name: str) -> str:
    """The variable that holds a whole number; in ``args`` the number itself."""
    return name if name.startswith("args[") else name.partition("[")[0]
