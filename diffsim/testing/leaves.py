"""The floats of nested arguments as one vector, each with a name that a message can show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffsim.number import shape_of
from diffsim.tree import Tree, leaves, paths, rebuild

__all__ = ["Layout", "named_leaves", "split"]

Array: TypeAlias = NDArray[np.float64]


def is_float(x: object) -> bool:
    """Whether x is a float or an array of floats: what `check_gradients` differentiates by."""
    if isinstance(x, np.ndarray):
        return bool(x.dtype.kind == "f")
    return isinstance(x, float | np.floating)


def named_leaves(tree: Tree, path: str) -> list[tuple[str, Any]]:
    """All numbers of a tree, each with its path.

    >>> named_leaves({"a": [1.0, 2.0]}, "args[0]")
    [("args[0]['a'][0]", 1.0), ("args[0]['a'][1]", 2.0)]
    """
    return list(zip(paths(tree, path), leaves(tree), strict=True))


def split(f: Callable[..., Tree], args: Sequence[Tree]) -> tuple[Callable[..., list[Any]], list[tuple[str, Any]]]:
    """A function of the float leaves alone, that returns the list of its result's leaves; and those leaves, named.

    Integers, booleans, strings and other objects among the arguments are held constant.
    """
    given = list(args)

    def flat(*numbers: Any) -> list[Any]:
        supply = iter(numbers)
        return leaves(f(*rebuild(given, (next(supply) if is_float(x) else x for x in leaves(given)))))

    return flat, [(name, x) for name, x in named_leaves(given, "args") if is_float(x)]


@dataclass(frozen=True)
class Layout:
    """How a list of float leaves lies in one vector.

    Attributes
    ----------
    names : tuple of str
        One a leaf.
    shapes : tuple of shapes
        ``()`` for a scalar.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, leaves: Sequence[tuple[str, Any]]) -> Layout:
        """The layout of named numbers of any kind."""
        return cls(tuple(name for name, _ in leaves), tuple(shape_of(leaf) for _, leaf in leaves))

    @property
    def size(self) -> int:
        """Number of floats in all."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def pack(self, leaves: Sequence[Any]) -> Array:
        """The vector of plain leaves; a leaf of length one less (a plain 0.0 for an array) is spread out."""
        parts = [
            np.broadcast_to(np.asarray(leaf, dtype=np.float64), shape).ravel()
            for leaf, shape in zip(leaves, self.shapes, strict=True)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def unpack(self, vector: Array, dtypes: Sequence[np.dtype[Any]] | None = None) -> list[Any]:
        """The leaves of a vector: Python floats (or NumPy scalars that are not float64) and arrays."""
        leaves: list[Any] = []
        start = 0
        for i, shape in enumerate(self.shapes):
            stop = start + int(np.prod(shape))
            dtype = np.dtype(np.float64) if dtypes is None else dtypes[i]
            leaf = vector[start:stop].reshape(shape).astype(dtype)
            leaves.append(leaf if shape else float(leaf) if dtype == np.float64 else leaf[()])
            start = stop
        return leaves

    def name(self, i: int) -> str:
        """Path and index of component i of the vector, such as ``args[0]['theta'][1, 0]``."""
        for name, shape in zip(self.names, self.shapes, strict=True):
            count = int(np.prod(shape))
            if i < count:
                index = ", ".join(str(int(k)) for k in np.unravel_index(i, shape)) if shape else ""
                return f"{name}[{index}]" if index else name
            i -= count
        raise IndexError(i)
