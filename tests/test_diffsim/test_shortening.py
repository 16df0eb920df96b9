"""Nodes that are products of two others are computed so, and nothing else is taken for one."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings

from diffsim import ops
from diffsim.dataflow import fixed_nodes, machine_operations
from diffsim.graph import trace
from diffsim.identities import products_in
from diffsim.shortening import shortened
from diffsim.testing import expressions

quick = settings(max_examples=60, deadline=None, database=None)


def operations(f: Any, *args: Any) -> tuple[int, int]:
    """Return how many operations a function takes, and how many when it is shortened."""
    graph = trace(f, *args)
    shorter = shortened(graph)
    return graph.n_operations, shorter.n_operations


def test_difference_of_squares_is_a_product() -> None:
    assert operations(lambda x, y: (x - y, x + y, x * x - y * y), 1.0, 1.0) == (5, 3)


def test_slope_of_a_kinetic_energy_is_the_product_of_the_velocities() -> None:
    def slopes(p: float, q: float, c: float) -> Any:
        energy = (2.0 * p * p - 2.0 * c * p * q + 3.0 * q * q) / (2.0 * (6.0 - c * c))
        scale = 1.0 / (6.0 - c * c)
        return (2.0 * p - c * q) * scale, (3.0 * q - c * p) * scale, (2.0 * c * energy - p * q) * scale

    graph = trace(slopes, 1.0, 1.0, 1.0)
    shorter = shortened(graph)
    assert shorter.n_operations <= graph.n_operations - 9
    assert shorter.count()["divide"] == 1
    np.testing.assert_allclose(shorter(0.3, -0.8, 0.5), slopes(0.3, -0.8, 0.5), rtol=1e-14)


def test_circular_functions_of_one_number_lie_on_a_circle() -> None:
    assert operations(lambda x: (ops.cos(x), 1.0 - ops.square(ops.sin(x))), 1.0) == (4, 2)
    apart = trace(lambda x, y: (ops.cos(x), 1.0 - ops.square(ops.sin(y))), 1.0, 1.0)
    assert shortened(apart) is apart


@pytest.mark.parametrize("tiny", [1e-30, 6.674e-11, 1.05e-34, 2.2e-16])
def test_a_term_is_never_too_small_to_count(tiny: float) -> None:
    graph = trace(lambda x, y: (x * y, x * y + tiny * (x - y)), 1.0, 1.0)
    assert shortened(graph) is graph


@pytest.mark.parametrize("prime", [2147483629.0, 2147483587.0, 2147483579.0])
def test_a_constant_that_is_zero_in_one_field_is_a_number(prime: float) -> None:
    graph = trace(lambda x, y: (x * y, x * y + prime * (x - y)), 1.0, 1.0)
    assert shortened(graph) is graph


def test_what_other_functions_compute_is_a_number_of_its_own() -> None:
    """|x| is x at half of all points, and sqrt(x^2) too."""
    for f in (abs, lambda x: ops.sqrt(x * x), lambda x: ops.maximum(x, 0.0) * 2.0 - x):
        graph = trace(lambda x, y, f=f: (x * y, f(x) * y + (y - x) * 0.5), 1.0, 1.0)
        assert shortened(graph)(-0.5, 2.0) == graph(-0.5, 2.0)


def test_infinite_and_true_constants_are_no_numbers_of_a_field() -> None:
    graph = trace(lambda x: (ops.where(x > 0.0, x * np.inf, x), x * x), 1.0)
    assert shortened(graph)(2.0) == (np.inf, 4.0)
    assert shortened(graph)(-2.0) == (-2.0, 4.0)


def test_products_of_what_is_fixed_are_left_alone() -> None:
    graph = trace(lambda x, p, q: x * (p * p - q * q) + (p - q) * (p + q), 1.0, 1.0, 1.0)
    still = fixed_nodes(graph, [1, 2])
    assert all(not still[i] for i, _ in products_in(graph, still))


def test_a_division_by_a_number_that_is_inverted_anyway_becomes_a_product() -> None:
    graph = trace(lambda x, y, d: (1.0 / d, x / d, y / d), 1.0, 1.0, 1.0)
    assert shortened(graph).count() == {"divide": 1, "multiply": 2}


@quick
@given(expressions(only=("add", "subtract", "multiply", "divide", "square", "negative", "sin", "cos", "exp", "sqrt")))
def test_derivatives_are_the_same_when_they_are_shortened(e: Any) -> None:
    pulled = trace(e, *e.arguments).cotangents()
    shorter = shortened(pulled)
    weight = 1.0
    with mpmath.workdps(60):
        exact = flat(pulled([mpmath.mpf(x) for x in e.arguments], mpmath.mpf(weight)))
        found = flat(shorter([mpmath.mpf(x) for x in e.arguments], mpmath.mpf(weight)))
        scale = 1 + max(abs(x) for x in exact)
        # NOTE: what is found to be constant, sin(x / x), is folded in doubles
        assert all(abs(x - y) <= 1e-14 * scale for x, y in zip(exact, found, strict=True))
    assert sum(machine_operations(shorter).values()) <= sum(machine_operations(pulled).values()) + 2


def flat(tree: Any) -> list[Any]:
    """Return the numbers of a tree."""
    if isinstance(tree, list | tuple):
        return [x for branch in tree for x in flat(branch)]
    return [tree]
