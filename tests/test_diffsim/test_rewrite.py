"""Simplification of graphs: each rule by itself, and the law that no rule changes what is computed."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim import ops
from diffsim.derivatives import grad
from diffsim.graph import trace
from diffsim.primitive import TABLE, Elementwise
from diffsim.rewrite import RULES, commutes

Rule = tuple[Callable[..., Any], dict[str, int]]

# Each function of x and y with the operations that should be left.
SIMPLER: dict[str, Rule] = {
    "x + 0": (lambda x, y: x + 0.0, {}),
    "0 + x": (lambda x, y: 0 + x, {}),
    "x + -y": (lambda x, y: x + (-y), {"subtract": 1}),
    "-x + y": (lambda x, y: -x + y, {"subtract": 1}),
    "x - 0": (lambda x, y: x - 0, {}),
    "0 - x": (lambda x, y: 0.0 - x, {"negative": 1}),
    "x - -y": (lambda x, y: x - (-y), {"add": 1}),
    "0 * x": (lambda x, y: 0 * x, {}),
    "x * 0": (lambda x, y: x * 0.0, {}),
    "1 * x": (lambda x, y: 1 * x, {}),
    "x * 1": (lambda x, y: x * 1.0, {}),
    "-1 * x": (lambda x, y: -1.0 * x, {"negative": 1}),
    "x * x": (lambda x, y: x * x, {"square": 1}),
    "x / 1": (lambda x, y: x / 1, {}),
    "x / -1": (lambda x, y: x / -1, {"negative": 1}),
    "x / 4": (lambda x, y: x / 4, {"multiply": 1}),
    "x / 3": (lambda x, y: x / 3, {"divide": 1}),
    "x**0": (lambda x, y: x**0, {}),
    "x**1": (lambda x, y: x**1.0, {}),
    "x**2": (lambda x, y: x**2, {"square": 1}),
    "x**-1": (lambda x, y: x**-1, {"divide": 1}),
    "x**3": (lambda x, y: x**3, {"power": 1}),
    "--x": (lambda x, y: ops.negative(-x), {}),
    "-(x - y)": (lambda x, y: -(x - y), {"subtract": 1}),
    "square(-x)": (lambda x, y: ops.square(-x), {"square": 1}),
    "cos(-x)": (lambda x, y: ops.cos(-x), {"cos": 1}),
    "cosh(-x)": (lambda x, y: ops.cosh(-x), {"cosh": 1}),
    "abs(-x)": (lambda x, y: abs(-x), {"abs": 1}),
    "sin(-x) stays": (lambda x, y: ops.sin(-x), {"negative": 1, "sin": 1}),
    "where of the same": (lambda x, y: ops.where(x > y, x, x), {}),
    "where of a constant condition": (lambda x, y: ops.where(True, x, y), {}),
    "where of a false condition": (lambda x, y: ops.where(False, x, y), {}),
    "and with true": (lambda x, y: ops.where(ops.logical_and(x > y, True), x, y), {"greater": 1, "where": 1}),
    "and with false": (lambda x, y: ops.where(ops.logical_and(x > y, False), x, y), {}),
    "or with true": (lambda x, y: ops.where(ops.logical_or(True, x > y), x, y), {}),
    "or with false": (lambda x, y: ops.where(ops.logical_or(False, x > y), x, y), {"greater": 1, "where": 1}),
    "and of the same": (lambda x, y: ops.where(ops.logical_and(x > y, x > y), x, y), {"greater": 1, "where": 1}),
    "not not": (
        lambda x, y: ops.where(ops.logical_not(ops.logical_not(ops.less(x, y))), x, y),
        {"less": 1, "where": 1},
    ),
    "maximum of the same": (lambda x, y: ops.maximum(x, x), {}),
    "minimum of the same": (lambda x, y: ops.minimum(x, x), {}),
    "x + y, y + x": (lambda x, y: (x + y) * (y + x), {"add": 1, "square": 1}),
    "x * y - y * x": (lambda x, y: ops.sin(x * y) - ops.sin(y * x), {"multiply": 1, "sin": 1, "subtract": 1}),
    "x - y is not y - x": (lambda x, y: (x - y) * (y - x), {"subtract": 2, "multiply": 1}),
    "constants": (lambda x, y: x + (ops.sin(2.0) * 3 - 1), {"add": 1}),
    "cascade": (lambda x, y: (x * 0 + y * 1) ** 1 / 1 - 0, {}),
}


@pytest.mark.parametrize("name", SIMPLER)
def test_rule_leaves_what_it_should(name: str) -> None:
    f, left = SIMPLER[name]
    assert trace(f, 1.0, 1.0).count() == left


@given(st.floats(-300.0, 300.0), st.floats(-300.0, 300.0))
@pytest.mark.parametrize("name", [name for name in SIMPLER if "**" not in name])
def test_rule_changes_no_bit_but_the_sign_of_a_zero(name: str, x: float, y: float) -> None:
    f = SIMPLER[name][0]
    found, expected = GRAPHS[name](x, y), float(f(x, y))
    assert struct.pack("d", found + 0.0) == struct.pack("d", expected + 0.0)


@given(st.floats(0.001, 1e6), st.floats(-1e6, 1e6))
@pytest.mark.parametrize("name", [name for name in SIMPLER if "**" in name])
def test_rule_of_powers_changes_at_most_the_last_bit(name: str, x: float, y: float) -> None:
    assert GRAPHS[name](x, y) == pytest.approx(SIMPLER[name][0](x, y), rel=3e-16, abs=0)


GRAPHS = {name: trace(f, 1.0, 1.0) for name, (f, _) in SIMPLER.items()}


@pytest.mark.parametrize("divisor", [0.5, 2.0, -8.0, 2.0**-1022, 2.0**1000, -(2.0**-1000), 5e-324, 2.0**1023, math.inf])
@pytest.mark.parametrize("x", [1.0, -3.7, 1e300, 1e-320, 5e-324, 0.0, 1.7e308])
def test_division_by_a_power_of_two_is_exact_to_the_ends_of_the_range(x: float, divisor: float) -> None:
    with np.errstate(all="ignore"):
        expected = float(np.float64(x) / np.float64(divisor))
    assert trace(lambda t: t / divisor, 1.0)(x) == expected


# --- random expressions ----------------------------------------------------------------------------------------------

UNARY = {
    "negative": lambda x: -x,
    "sin": ops.sin,
    "cos": ops.cos,
    "tanh": ops.tanh,
    "abs": abs,
    "square": ops.square,
    "sigmoid": ops.sigmoid,
    "relu": ops.relu,
}
BINARY = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (1 + y * y),
    "maximum": ops.maximum,
    "minimum": ops.minimum,
    "where": lambda x, y: ops.where(x > y, x, y),
}
Program = list[tuple[str, int, int]]
CONSTANTS = (0.0, 1.0, -1.0, 2.0, 0.5, 3.7)
STEPS = st.tuples(
    st.sampled_from([*UNARY, *BINARY]), st.integers(0, 10**6), st.integers(0, 10**6)
)  # an operation, and which of the numbers so far it takes
PROGRAMS = st.lists(STEPS, min_size=1, max_size=25)


def run(program: Program, x: Any, y: Any) -> Any:
    numbers = [x, y, *CONSTANTS]
    for name, i, j in program:
        a, b = numbers[i % len(numbers)], numbers[j % len(numbers)]
        numbers.append(UNARY[name](a) if name in UNARY else BINARY[name](a, b))
    return numbers[-1]


@given(PROGRAMS, st.floats(-3, 3), st.floats(-3, 3))
def test_random_program_keeps_its_bits_when_traced(program: Program, x: float, y: float) -> None:
    expected = float(run(program, x, y))
    if not math.isfinite(expected):
        return
    found = trace(lambda a, b: run(program, a, b), 1.0, 1.0)(x, y)
    assert found == expected  # 0.0 and -0.0 count as equal


@given(PROGRAMS, st.floats(-3, 3), st.floats(-3, 3))
def test_random_program_has_the_same_gradient_when_traced(program: Program, x: float, y: float) -> None:
    f = lambda a, b: run(program, a, b)  # noqa: E731
    expected = grad(f, (0, 1))(x, y)
    if not all(map(math.isfinite, expected)) or max(map(abs, expected)) > 1e12:
        return
    graph = trace(f, 1.0, 1.0)
    for found in (graph.cotangents()([x, y], 1.0)[1], graph.jacobian((0, 1))(x, y)):
        assert tuple(found) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(PROGRAMS)
def test_random_program_is_simplified_to_a_fixed_point(program: Program) -> None:
    graph = trace(lambda a, b: run(program, a, b), 1.0, 1.0)
    again = trace(graph, 1.0, 1.0)
    assert again.n_operations == graph.n_operations
    assert again.count() == graph.count()


# --- the table of rules ----------------------------------------------------------------------------------------------


def test_rules_belong_to_primitives_of_the_table() -> None:
    assert set(RULES) <= set(TABLE)


@pytest.mark.parametrize(
    "row", [row for row in TABLE.values() if isinstance(row, Elementwise) and row.arity == 2], ids=repr
)
@given(x=st.floats(0.1, 5.0), y=st.floats(0.1, 5.0))
def test_primitive_that_is_said_to_commute_does(row: Elementwise, x: float, y: float) -> None:
    if commutes(row.name):
        if row.name.startswith("logical"):
            assert row(x > 1, y > 1) == row(y > 1, x > 1)
        else:
            assert row(x, y) == row(y, x)
    elif row.name not in ("greater", "less", "greater_equal", "less_equal") and x != y:
        assert row(2.0, 3.0) != row(3.0, 2.0)
