"""Nested lists, tuples and dicts of numbers: taken apart into their leaves and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from diffsim.errors import ArgumentError

__all__ = ["Tree", "leaves", "leaves_like", "paths", "rebuild", "tree_map"]

Tree: TypeAlias = Any  # a number or array, or a list, tuple or dict of trees


def leaves(tree: Tree) -> list[Any]:
    """The numbers of a tree, in the order in which it is written (dicts in insertion order)."""
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in leaves(branch)]
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in leaves(branch)]
    return [tree]


def leaves_like(what: str, model: Tree, tree: Tree) -> list[Any]:
    """The leaves of a tree in the order of a model of the same form: dicts are matched by key, not by their order.

    Raises
    ------
    ArgumentError
        The forms differ; the message begins with `what` and says where.
    """
    if isinstance(model, dict):
        if not isinstance(tree, dict) or model.keys() != tree.keys():
            got = f"the keys {list(tree)}" if isinstance(tree, dict) else f"a {type(tree).__name__}"
            raise ArgumentError(f"{what} must be a dict with the keys {list(model)}; got {got}.")
        return [leaf for key in model for leaf in leaves_like(f"{what}[{key!r}]", model[key], tree[key])]
    if isinstance(model, list | tuple):
        if not isinstance(tree, list | tuple) or len(tree) != len(model):
            got = f"{len(tree)}" if isinstance(tree, list | tuple) else f"a {type(tree).__name__}"
            raise ArgumentError(f"{what} must be a {type(model).__name__} of {len(model)} entries; got {got}.")
        pairs = zip(model, tree, strict=True)
        return [leaf for i, (m, t) in enumerate(pairs) for leaf in leaves_like(f"{what}[{i}]", m, t)]
    if isinstance(tree, dict):
        raise ArgumentError(f"{what} must be a number or an array; got a dict.")
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
    if not others and not isinstance(tree, list | tuple | dict):
        return function(tree)
    return rebuild(tree, map(function, leaves(tree), *map(leaves, others)))
