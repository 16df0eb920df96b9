"""Trees of numbers: taken apart and put together."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim.tree import leaves, paths, rebuild, tree_map

Point = namedtuple("Point", ["x", "y"])
TREES = st.recursive(
    st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=12,
)


@given(TREES)
def test_tree_of_its_own_leaves_is_itself(tree: Any) -> None:
    again = rebuild(tree, iter(leaves(tree)))
    assert again == tree
    assert type(again) is type(tree)


@given(TREES)
def test_each_leaf_stands_where_its_path_says(tree: Any) -> None:
    assert len(paths(tree)) == len(leaves(tree))
    for path, leaf in zip(paths(tree), leaves(tree), strict=True):
        assert eval(f"tree{path}", {"tree": tree}) == leaf


@given(TREES)
def test_map_over_a_tree_and_a_companion(tree: Any) -> None:
    doubled = tree_map(lambda x: x * 2, tree)
    assert leaves(doubled) == [2 * x for x in leaves(tree)]
    assert leaves(tree_map(lambda x, y: (x, y) == (x, 2 * x), tree, doubled)) == [True] * len(leaves(tree))


def test_single_number_is_a_tree_and_an_array_is_a_leaf() -> None:
    assert leaves(2.0) == [2.0]
    assert paths(2.0) == [""]
    (leaf,) = leaves(np.ones((2, 2)))
    assert leaf.shape == (2, 2)
    assert leaves([]) == leaves({}) == leaves(()) == []


def test_named_tuples_and_ordered_dicts_keep_their_form() -> None:
    tree = OrderedDict(b=Point(1.0, [2.0]), a=(3.0,))
    mapped = tree_map(lambda x: x + 1, tree)
    assert list(mapped) == ["b", "a"]
    assert mapped["b"] == Point(2.0, [3.0])
    assert type(mapped["b"]) is Point


def test_integers_and_texts_as_keys_show_in_the_path() -> None:
    assert paths({0: [1.0, {"a": 2.0}], "k": 3.0}) == ["[0][0]", "[0][1]['a']", "['k']"]


@pytest.mark.parametrize("tree", [[1.0, [2.0, 3.0]], {"a": 1.0, "b": (2.0,)}])
def test_tree_that_was_rebuilt_shares_no_container(tree: Any) -> None:
    again = rebuild(tree, iter(leaves(tree)))
    assert again is not tree
