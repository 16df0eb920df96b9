"""Nested lists, tuples and dicts of numbers: taken apart into their leaves and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

__all__ = ["Tree", "leaves", "paths", "rebuild", "tree_map"]

Tree: TypeAlias = Any  # a number or array, or a list, tuple or dict of trees


def leaves(tree: Tree) -> list[Any]:
    """The numbers of a tree, in the order in which it is written (dicts in insertion order)."""
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in leaves(branch)]
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in leaves(branch)]
    return [tree]


def paths(tree: Tree, path: str = "") -> list[str]:
    """Where each leaf stands, as one would index it: ``['a'][0]``; the empty string for a tree that is a leaf."""
    if isinstance(tree, list | tuple):
        return [p for i, branch in enumerate(tree) for p in paths(branch, f"{path}[{i}]")]
    if isinstance(tree, dict):
        return [p for key, branch in tree.items() for p in paths(branch, f"{path}[{key!r}]")]
    return [path]


def rebuild(tree: Tree, new: Iterator[Any]) -> Tree:
    """A tree of the same form whose leaves come from an iterator."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*[rebuild(branch, new) for branch in tree])
    if isinstance(tree, list | tuple):
        return type(tree)(rebuild(branch, new) for branch in tree)
    if isinstance(tree, dict):
        return {key: rebuild(branch, new) for key, branch in tree.items()}
    return next(new)


def tree_map(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Apply a function to each leaf, together with the leaves of further trees of the same form."""
    return rebuild(tree, map(function, leaves(tree), *map(leaves, others)))
