"""`vjp_graph`: the same cotangents as reverse mode, for fewer operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import systems
from diffsim import ops
from diffsim.derivatives import vjp
from diffsim.graph import Graph, trace
from diffsim.linearise import tangent_graph, vjp_graph
from diffsim.testing import expressions

SYSTEMS = list(systems.names())


def field(system: Any) -> Graph:
    return trace(lambda y: system.rates(0.3, list(y)), np.array(system.default_state))


@pytest.mark.parametrize("name", SYSTEMS)
def test_cotangents_of_a_system_equal_reverse_mode(name: str) -> None:
    system = systems.find(name)()
    y = np.array(system.default_state)
    w = np.random.default_rng(2).normal(size=len(y))
    value, found = vjp_graph(field(system), range(len(y)))(y, w)
    expected, pullback = vjp(lambda x: system(0.3, x), y)
    np.testing.assert_allclose(np.array(found, dtype=float), pullback(w)[0], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(np.array(value, dtype=float), expected, rtol=1e-14, atol=1e-15 * np.abs(expected).max())


@pytest.mark.parametrize("name", SYSTEMS)
def test_cotangents_cost_no_more_than_those_of_the_graph(name: str) -> None:
    graph = field(systems.find(name)())
    n = graph.form[0].size
    assert vjp_graph(graph, range(n)).n_operations <= graph.cotangents().n_operations


def test_double_pendulum_costs_less_than_two_fifths() -> None:
    assert vjp_graph(field(systems.DoublePendulum()), range(4)).n_operations <= 58  # reverse mode with its guards: 140


@given(expressions(max_steps=10), st.floats(0.1, 3.0))
def test_cotangents_of_random_expressions_equal_reverse_mode(e: Any, w: float) -> None:
    graph, x = trace(e, *e.point), np.array(e.point)
    with np.errstate(all="ignore"):
        _, found = vjp_graph(graph, range(len(x)))(x, np.array([w]))
        _, expected = graph.cotangents()(list(e.point), w)
        values = [abs(float(v)) for v in graph.evaluate(list(e.point))]
    expected = np.array(expected, dtype=float)
    size = max(values)
    if not (np.isfinite(expected).all() and size < 1e6 and np.abs(expected).max() < 1e6):
        return
    np.testing.assert_allclose(np.array(found, dtype=float), expected, rtol=1e-10, atol=1e-10 * (1.0 + size))


@given(expressions(max_steps=10), st.floats(0.1, 3.0), st.integers(0, 2**32 - 1))
def test_cotangents_are_adjoint_to_tangents(e: Any, w: float, seed: int) -> None:
    graph, x = trace(e, *e.point), np.array(e.point)
    d = np.random.default_rng(seed).normal(size=len(x))
    with np.errstate(all="ignore"):
        _, cotangents = vjp_graph(graph, range(len(x)))(x, np.array([w]))
        _, tangents = tangent_graph(graph, range(len(x)), 1)(x, d)
    terms = np.array(cotangents, dtype=float) * d
    if not (np.isfinite(terms).all() and np.abs(terms).max() < 1e6):
        return
    assert terms.sum() == pytest.approx(w * float(tangents[0]), rel=1e-9, abs=1e-9 * (1.0 + np.abs(terms).max()))


BRANCHES: dict[str, tuple[Any, tuple[float, float]]] = {
    "log": (lambda x, y: ops.where(x > 0.0, ops.log(x) * y, y), (0.0, 2.0)),
    "log, turned": (lambda x, y: ops.where(x <= 0.0, y, ops.log(x) * y), (0.0, 2.0)),
    "quotient": (lambda x, y: ops.where(x != 0.0, ops.sin(x) / x, y * y), (0.0, 2.0)),
    "root": (lambda x, y: ops.where(x > 0.0, x**1.5 * ops.sin(y), y), (-2.0, 2.0)),
    "overflow": (lambda x, y: ops.where(x < 0.0, x * y, ops.exp(x**4)), (-20.0, 2.0)),
    "nested, both refused": (
        lambda x, y: ops.where(y > 5.0, ops.where(x > 0.0, ops.log(x), 1.0 / x) * ops.log(y - 5.0), x * y),
        (0.0, 2.0),
    ),
    "nested, outer taken": (
        lambda x, y: ops.where(y < 5.0, ops.where(x > 0.0, ops.log(x), 3.0 * x) * ops.exp(y), x / (y - y)),
        (0.0, 2.0),
    ),
    "branch after branch": (
        lambda x, y: ops.where(x > 1.0, ops.log(ops.where(x > 0.0, ops.log(x), -1.0)), y * x),
        (0.0, 2.0),
    ),
    "shared": (lambda x, y: (lambda z: ops.where(x > 1.0, ops.log(z - 1.0), 2.0 * z))(x * x), (0.5, 2.0)),
    "input alone": (lambda x, y: ops.where(x > 1.0, x, y), (0.5, 2.0)),
    "both sides": (lambda x, y: ops.where(x > 1.0, ops.log(x - 1.0), ops.exp(x) * y), (1.0, 2.0)),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branch_that_is_not_taken_never_reaches_the_cotangents(name: str) -> None:
    f, point = BRANCHES[name]
    graph = trace(f, *point)
    with np.errstate(all="ignore"):
        _, found = vjp_graph(graph, [0, 1])(np.array(point), np.array([1.5]))
        _, expected = graph.cotangents()(list(point), 1.5)
    np.testing.assert_allclose(np.array(found, dtype=float), np.array(expected, dtype=float), rtol=1e-14)


def test_infinite_partial_gives_nan_and_never_a_wrong_number() -> None:
    graph = trace(lambda x: (ops.log(x), x), 0.0)
    with np.errstate(all="ignore"):
        _, found = vjp_graph(graph, [0])(np.array([0.0]), np.array([0.0, 1.0]))
    assert np.isnan(float(found[0]))  # Graph.cotangents has 1.0 here


def test_second_derivatives_come_from_tangents_of_cotangents() -> None:
    graph = trace(lambda x, y: ops.sin(x * y) * x, 1.0, 1.0)
    twice = tangent_graph(vjp_graph(graph, [0, 1]), [0, 1], 2)  # x, y active; the cotangent is not
    x, y = 0.7, -1.3
    _, along_x, along_y = twice(np.array([x, y, 1.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    u = x * y
    mixed = 2.0 * x * np.cos(u) - x * x * y * np.sin(u)
    assert float(along_x[1]) == pytest.approx(2.0 * y * np.cos(u) - x * y * y * np.sin(u), rel=1e-13)
    assert float(along_x[2]) == pytest.approx(mixed, rel=1e-13)
    assert float(along_y[1]) == pytest.approx(mixed, rel=1e-13)
    assert float(along_y[2]) == pytest.approx(-(x**3) * np.sin(u), rel=1e-13)


def test_inputs_that_do_not_matter_have_cotangent_zero() -> None:
    _, found = vjp_graph(trace(lambda x, y: 3.0 * x, 1.0, 1.0), [0, 1])(np.array([1.0, 2.0]), np.array([2.0]))
    assert [float(v) for v in found] == [6.0, 0.0]


def test_results_without_active_input_have_no_cotangent() -> None:
    assert vjp_graph(trace(lambda x: 3.0 * x, 1.0), [])(np.array([1.0]), np.array([2.0]))[1].shape == (0,)
    assert vjp_graph(trace(lambda: 3.0), [])(np.zeros(0), np.array([2.0]))[0].tolist() == [3.0]


def test_branch_too_large_to_search_is_masked_where_it_is_entered() -> None:
    def f(x: Any) -> Any:
        y = z = x
        for _ in range(600):
            y = ops.sin(y) * 1.1
        return ops.where(x > 0.0, y, 3.0 * z)

    graph = trace(f, 1.0)
    for x in (-0.7, 0.7):
        found = vjp_graph(graph, [0])(np.array([x]), np.array([2.0]))[1]
        assert float(found[0]) == pytest.approx(float(graph.cotangents()([x], 2.0)[1][0]), rel=1e-11)
