"""One recorded evaluation of a function, and the checks of what goes in and comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffsim import array_ops
from diffsim.data import checked, own, tidy
from diffsim.errors import KindError, shown
from diffsim.number import AnyNumber, Number, as_wide_as, new_level, shape_of
from diffsim.tree import Tree, leaves, paths, rebuild, tree_map
from diffsim.value import Value, leaf, sweep

__all__ = ["Tape", "check_numbers", "check_results"]


def check_numbers(who: str, tree: Tree, name: str) -> Tree:
    """A tree whose leaves are checked numbers; the message says which leaf is not."""
    if tree.__class__ is float or tree.__class__ is np.ndarray:
        return checked(tree, f"{who}: {name}")
    found = []
    for path, x in zip(paths(tree), leaves(tree), strict=True):
        if x is None or isinstance(x, str | bytes | set) or callable(x):
            raise KindError(f"{who}: {name}{path} must be a real number or an array; got {shown(x)}. See argnums.")
        found.append(x if isinstance(x, Number) else checked(x, f"{who}: {name}{path}"))
    return rebuild(tree, iter(found))


def _down_to(x: AnyNumber, level: int) -> AnyNumber:
    """A result without the layers above a level (a `Value` that the function made for itself)."""
    while isinstance(x, Number) and x._level > level:
        x = x._below
    return x


def check_results(who: str, x: Tree, level: int) -> Tree:
    """What a function returned, each leaf one real number no higher than the level."""

    def result(y: AnyNumber) -> AnyNumber:
        y = array_ops.array(y)
        if not isinstance(y, Number) and (isinstance(y, bool | np.bool_) or np.asarray(y).dtype.kind not in "fiuO"):
            raise KindError(f"{who}: the function must return real numbers; got {y!r}.")
        if y is None:
            raise KindError(f"{who}: the function must return real numbers; got None. Is its `return` missing?")
        if not isinstance(y, Number | int | float | np.ndarray | np.generic) and not hasattr(y, "__float__"):
            raise KindError(f"{who}: the function must return real numbers; got {shown(y)}.")
        return _down_to(y, level)

    return tree_map(result, x)


class Tape:
    """One recorded evaluation of f, whose cotangents can be asked for as often as one likes."""

    def __init__(
        self, who: str, f: Callable[..., Any], args: Sequence[Any], positions: Sequence[int], kwargs: Any
    ) -> None:
        arguments = list(args)
        with new_level() as level:
            for i in positions:
                x = check_numbers(who, args[i], f"argument {i}")
                arguments[i] = tree_map(lambda data: leaf(own(data), level), x)
            self._trees = [arguments[i] for i in positions]
            self._leaves = [[x._node for x in leaves(tree)] for tree in self._trees]
            self.data = [[x._plain for x in nodes] for nodes in self._leaves]
            self.out = check_results(who, f(*arguments, **kwargs), level)
            self._level = level

    @property
    def value(self) -> Tree:
        """What f returned, one level down."""
        return tree_map(lambda y: tidy(y._plain if self._owns(y) else y), self.out)

    def _owns(self, y: AnyNumber) -> bool:
        return isinstance(y, Value) and y._level == self._level

    def pull(self, y: AnyNumber, g: AnyNumber) -> None:
        """Add the cotangents that come from one result."""
        if self._owns(y):
            sweep(y._node, g)

    def clear(self) -> None:
        """Forget the cotangents of earlier pulls."""
        for nodes in self._leaves:
            for node in nodes:
                node._grad = 0.0

    def cotangents(self) -> list[Tree]:
        """Cotangents of the differentiated arguments, each in its form."""
        out = []
        for tree, nodes, data in zip(self._trees, self._leaves, self.data, strict=True):
            grads = [
                as_wide_as(array_ops.broadcast_to(n._grad, shape_of(x)), x) for n, x in zip(nodes, data, strict=True)
            ]
            out.append(rebuild(tree, iter([np.array(g) if isinstance(g, np.ndarray) else g for g in grads])))
        return out
