"""`strengthen`: the same numbers for less, `addition_theorem`, and the count of instructions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim import ops
from diffsim.dataflow import fixed_nodes, machine_operations, outputs_of
from diffsim.graph import Graph, trace
from diffsim.strength import addition_theorem, strengthen

mp = mpmath.mp.clone()
mp.dps = 60


def exactly(graph: Graph, *args: Any) -> list[Any]:
    """Evaluate with 60 digits."""
    values = graph.evaluate([mp.mpf(x) for x in args])
    return [values[i] for i in outputs_of(graph)]


# --- what becomes of what: function of x, y, z with z fixed, and the count of the reduced graph ----------------------

REDUCED: dict[str, tuple[Callable[..., Any], dict[str, int]]] = {
    "x**3": (lambda x, y, z: x**3, {"square": 1, "multiply": 1}),
    "x**4": (lambda x, y, z: x**4, {"square": 2}),
    "x**7": (lambda x, y, z: x**7, {"square": 2, "multiply": 2}),
    "x**8": (lambda x, y, z: x**8, {"square": 3}),
    "x**9 stays": (lambda x, y, z: x**9, {"power": 1}),
    "x**-2": (lambda x, y, z: x**-2, {"square": 1, "divide": 1}),
    "x**0.5": (lambda x, y, z: x**0.5, {"sqrt": 1}),
    "x**-0.5": (lambda x, y, z: x**-0.5, {"sqrt": 1, "divide": 1}),
    "x**1.5": (lambda x, y, z: x**1.5, {"sqrt": 1, "multiply": 1}),
    "x**-1.5": (lambda x, y, z: x**-1.5, {"sqrt": 1, "multiply": 1, "divide": 1}),
    "x**0.3 stays": (lambda x, y, z: x**0.3, {"power": 1}),
    "x**y stays": (lambda x, y, z: x**y, {"power": 1}),
    "2**x stays": (lambda x, y, z: 2.0**x, {"power": 1}),
    "powers share": (lambda x, y, z: x**3 + x**1.5 + x**2, {"square": 1, "multiply": 2, "sqrt": 1, "add": 2}),
    "one quotient stays": (lambda x, y, z: x / y, {"divide": 1}),
    "shared divisor": (lambda x, y, z: x / y + ops.sin(x) / y, {"divide": 1, "multiply": 2, "add": 1, "sin": 1}),
    "reciprocal alone": (lambda x, y, z: x * (1.0 / y), {"divide": 1}),
    "reciprocal and quotient": (
        lambda x, y, z: ops.sqrt(1.0 / y) + x / y,
        {"divide": 1, "sqrt": 1, "multiply": 1, "add": 1},
    ),
    "x / 3 stays": (lambda x, y, z: x / 3.0 + y / 3.0, {"divide": 2, "add": 1}),
    "fixed divisor": (lambda x, y, z: x / z, {"multiply": 1}),
    "constants together": (lambda x, y, z: 3.0 * (x * (5.0 * y)), {"multiply": 2}),
    "parameters together": (lambda x, y, z: z * (x * (5.0 * y)), {"multiply": 2}),
    "not where the product is used": (
        lambda x, y, z: (lambda p: 3.0 * p + ops.sin(p))(5.0 * x),
        {"multiply": 2, "sin": 1, "add": 1},
    ),
    "sign into a constant": (lambda x, y, z: -(3.0 * x), {"multiply": 1}),
    "sign into a parameter": (lambda x, y, z: -(z * x), {"multiply": 1}),
    "sign into a sum": (lambda x, y, z: y + (-x) * y, {"multiply": 1, "subtract": 1}),
    "sign out of a quotient": (lambda x, y, z: y - (-x) / y, {"divide": 1, "add": 1}),
    "sign out of a divisor": (lambda x, y, z: y - x / (-y), {"divide": 1, "add": 1}),
    "sigmoid alone": (lambda x, y, z: ops.sigmoid(x) * ops.sigmoid(y), {"sigmoid": 2, "multiply": 1}),
    "opposite sigmoids": (
        lambda x, y, z: ops.sigmoid(2.0 * x) * ops.sigmoid(-2.0 * x),
        {"multiply": 3, "abs": 1, "negative": 1, "exp": 1, "add": 1, "divide": 1, "greater_equal": 1, "where": 2},
    ),
}


@pytest.mark.parametrize("name", REDUCED)
def test_reduction_leaves_what_it_should(name: str) -> None:
    f, expected = REDUCED[name]
    graph = strengthen(trace(f, 1.0, 1.0, 1.0), fixed=[2])
    moving = [not fixed for fixed in fixed_nodes(graph, [2])]
    found = Graph(tuple(n for n, keep in zip(graph.nodes, moving, strict=True) if keep), graph.form, graph.result)
    assert found.count() == expected


@pytest.mark.parametrize("name", REDUCED)
@given(x=st.floats(0.01, 50.0), y=st.floats(0.01, 50.0), z=st.floats(0.1, 9.0))
def test_reduced_graph_is_right_to_a_few_units_in_the_last_place(name: str, x: float, y: float, z: float) -> None:
    graph, reduced = GRAPHS[name]
    (exact,) = exactly(graph, x, y, z)
    # the sum of the sizes is what an error is measured by where terms cancel
    size = max(abs(exact), 1.0 if "sign" in name or "+" in name else 0.0, x * y if "sum" in name else 0.0)
    assert abs(reduced(x, y, z) - exact) <= 8 * 2.2e-16 * size


GRAPHS = {
    name: (graph, strengthen(graph, fixed=[2]))
    for name, graph in ((name, trace(f, 1.0, 1.0, 1.0)) for name, (f, _) in REDUCED.items())
}


@given(st.floats(1e-8, 1e8), st.sampled_from([k / 2 for k in range(-17, 18) if k]))
def test_power_as_products_has_the_promised_error(x: float, n: float) -> None:
    found = strengthen(trace(lambda t: t**n, 1.0))(x)
    exact = mp.mpf(x) ** mp.mpf(n)
    assert abs(found - exact) <= (abs(n) / 2 + 2) * math.ulp(float(exact))


@pytest.mark.parametrize("n", [-2.0, -1.5, -0.5, 0.5, 1.5, 3.0, 8.0])
@pytest.mark.parametrize("x", [0.0, math.inf, 5e-324, 1.7e308])
def test_power_as_products_has_the_same_ends(x: float, n: float) -> None:
    with np.errstate(all="ignore"):
        expected = float(np.float64(x) ** n)
        found = float(strengthen(trace(lambda t: t**n, 1.0))(x))
    assert found == (pytest.approx(expected, rel=1e-15, abs=0.0) if math.isfinite(expected) else expected)


@given(st.floats(-800.0, 800.0))
def test_opposite_sigmoids_keep_their_relative_accuracy(x: float) -> None:
    found = strengthen(trace(lambda t: (ops.sigmoid(t), ops.sigmoid(-t)), 1.0))(x)
    for value, sign in zip(found, (1, -1), strict=True):
        exact = 1 / (1 + mp.exp(-sign * mp.mpf(x)))
        assert abs(value - exact) <= 3 * math.ulp(float(exact))


# --- random expressions ----------------------------------------------------------------------------------------------

UNARY: dict[str, Callable[[Any], Any]] = {
    "negative": lambda x: -x,
    "cube": lambda x: x**3,
    "root": lambda x: (2.0 + x * x) ** 0.5,
    "power": lambda x: (2.0 + x * x) ** -1.5,
    "half": lambda x: 0.5 * x,
    "thrice": lambda x: x * 3.0,
    "opposite": lambda x: x * -1.5,
    "sin": ops.sin,
    "sigmoid": ops.sigmoid,
    "turned": lambda x: ops.sigmoid(-x),
    "reciprocal": lambda x: 1.0 / (2.0 + ops.cos(x)),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (2.0 + ops.cos(y)),
    "over": lambda x, y: x / (-2.0 - ops.cos(y)),
    "where": lambda x, y: ops.where(x > y, x, y),
}
STEPS = st.tuples(st.sampled_from([*UNARY, *BINARY]), st.integers(0, 10**6), st.integers(0, 10**6))
PROGRAMS = st.lists(STEPS, min_size=1, max_size=20)


def run(program: list[tuple[str, int, int]], x: Any, y: Any, z: Any) -> Any:
    numbers = [x, y, z]
    for name, i, j in program:
        a, b = numbers[i % len(numbers)], numbers[j % len(numbers)]
        numbers.append(UNARY[name](a) if name in UNARY else BINARY[name](a, b))
    return numbers[-1], numbers[-2]


@given(PROGRAMS, st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2))
def test_reduction_of_random_programs_is_exact_but_for_rounding(program: Any, x: float, y: float, z: float) -> None:
    graph = trace(lambda a, b, c: run(program, a, b, c), 1.0, 1.0, 1.0)
    reduced = strengthen(graph, fixed=[2])
    for found, expected in zip(exactly(reduced, x, y, z), exactly(graph, x, y, z), strict=True):
        assert abs(found - expected) <= mp.mpf(10) ** -40 * (1 + abs(expected) ** 2)


WEIGHTS = {"divide": 10, "sqrt": 10, "power": 50, "sin": 20, "cos": 20, "sincos": 25, "sigmoid": 30, "exp": 20}


@given(PROGRAMS)
def test_reduction_never_costs(program: Any) -> None:
    graph = trace(lambda a, b, c: run(program, a, b, c), 1.0, 1.0, 1.0)
    before, after = (
        sum(WEIGHTS.get(name, 1) * n for name, n in machine_operations(g, fixed=[2]).items())
        for g in (graph, strengthen(graph, fixed=[2]))
    )
    assert after <= before


def test_reduced_graph_keeps_form_and_names() -> None:
    graph = trace(lambda state, p: {"a": state["x"] ** 3 / p, "b": np.array([1.0, 2.0]) * p}, {"x": np.zeros(2)}, 1.0)
    reduced = strengthen(graph)
    assert [n.name for n in reduced.nodes if n.name] == [n.name for n in graph.nodes if n.name]
    found, expected = (g({"x": np.array([2.0, 3.0])}, 5.0) for g in (reduced, graph))
    np.testing.assert_allclose(found["a"], expected["a"], rtol=1e-15)
    np.testing.assert_array_equal(found["b"], expected["b"])


def test_long_product_is_reduced_without_recursion() -> None:
    def f(x: Any) -> Any:
        product = x
        for _ in range(3000):
            product = 1.5 * (product * 0.5)
        return product

    assert strengthen(trace(f, 1.0)).count() == {"multiply": 1}


# --- addition theorems -----------------------------------------------------------------------------------------------


def differences(a: Any, b: Any) -> Any:
    return ops.sin(a - b), ops.cos(a - b), ops.sin(a + b), ops.cos(a + b), ops.sin(a), ops.sin(b)


@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_addition_theorem_has_the_promised_absolute_error(a: float, b: float) -> None:
    found = addition_theorem(trace(differences, 1.0, 1.0))(a, b)
    exact = differences(mp.mpf(a), mp.mpf(b))
    assert max(abs(x - y) for x, y in zip(found, exact, strict=True)) <= 5e-16


def test_addition_theorem_needs_only_the_angles_themselves() -> None:
    graph = addition_theorem(trace(differences, 1.0, 1.0))
    assert machine_operations(graph)["sincos"] == 2
    assert graph.count()["sin"] == graph.count()["cos"] == 2


@pytest.mark.parametrize(
    "f", [lambda a, b: ops.sin(a - b) + ops.sin(a), lambda a, b: ops.cos(a * b) + ops.sin(a) * ops.sin(b)]
)
def test_addition_theorem_is_not_used_where_an_angle_is_missing(f: Callable[..., Any]) -> None:
    graph = trace(f, 1.0, 1.0)
    assert str(addition_theorem(graph)) == str(graph)


# --- counting --------------------------------------------------------------------------------------------------------

COUNTED: dict[str, tuple[Callable[..., Any], dict[str, int]]] = {
    "x*y + z": (lambda x, y, z: x * y + z, {"fma": 1}),
    "x*y - z": (lambda x, y, z: x * y - z, {"fma": 1}),
    "-(x*y) - z": (lambda x, y, z: -(x * y) - z, {"fma": 1}),
    "x*x + y": (lambda x, y, z: x * x + y, {"fma": 1}),
    "x*y + y*z": (lambda x, y, z: x * y + y * ops.sin(z), {"fma": 1, "multiply": 1}),
    "product used twice": (lambda x, y, z: (x * y + z, x * y), {"multiply": 1, "add": 1}),
    "sin and cos": (lambda x, y, z: (ops.sin(x), ops.cos(x), ops.cos(y)), {"sincos": 1, "cos": 1}),
    "fixed": (lambda x, y, z: ops.sin(z) * z, {}),
    "nothing": (lambda x, y, z: x, {}),
}


@pytest.mark.parametrize("name", COUNTED)
def test_instructions_are_counted_as_they_fuse(name: str) -> None:
    f, expected = COUNTED[name]
    assert machine_operations(trace(f, 1.0, 1.0, 1.0), fixed=[2]) == expected
