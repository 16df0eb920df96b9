"""Expression graphs: what can be traced, evaluation on every kind of number, derivatives, printing, refusals."""

from __future__ import annotations

import dataclasses
import fractions
import functools
import math
import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim import array_ops, linear_algebra, ops
from diffsim.derivatives import grad, hessian, jacobian, jvp, pushforward, vjp
from diffsim.errors import ArgumentError, KindError, TraceError
from diffsim.graph import Graph, trace
from diffsim.value import Value

Pair = namedtuple("Pair", ["a", "b"])
A = np.array([[0.3, 1.1, -0.2], [0.8, -0.6, 0.4], [1.0, 0.1, 0.7]])
W = np.array([0.5, -2.0, 1.5])
AT = np.array([0.7, -1.3, 2.1])

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "arithmetic": lambda x: x[0] * x[1] - x[2] / (1 + x[0] ** 2) + 2.5,
    "powers": lambda x: (x[0] * x[0] + 1) ** 1.5 + x[1] ** 3 + 2.0 ** x[2] + abs(x[2]) ** x[0],
    "remainder": lambda x: x[0] % 0.3 + x[2] // 0.4 + np.floor(x[2]),
    "numpy": lambda x: np.sin(x[0]) * np.exp(x[1]) + np.arctan2(x[2], x[0]) + np.tanh(x[1]) + np.log1p(x[0] ** 2),
    "table": lambda x: ops.sigmoid(x[0]) + ops.softplus(x[1]) + ops.relu(x[2]) + ops.erf(x[0]) + ops.cbrt(x[2]),
    "array arithmetic": lambda x: x * W + 1 - x**2 / (W**2 + 1),
    "sin of an array": lambda x: np.sin(x) + np.sqrt(x * x + 1),
    "@": lambda x: A @ x,
    "left @": lambda x: x @ A,
    "x @ x": lambda x: x @ x,
    "dot": lambda x: np.dot(x, W),
    "outer": lambda x: np.outer(x, x),
    "sum": np.sum,
    "ds.sum": lambda x: array_ops.sum(x * x),
    "prod": np.prod,
    "mean": np.mean,
    "ds.mean": array_ops.mean,
    "std": np.std,
    "cumsum": np.cumsum,
    "ds.cumsum": lambda x: array_ops.cumsum(x),
    "max": lambda x: array_ops.max(x) + array_ops.min(x),
    "maximum": lambda x: ops.maximum(x, 0.5) + ops.minimum(x[0], x[1]),
    "clip": lambda x: ops.clip(x, -1.0, 2.0),
    "where": lambda x: ops.where(ops.greater(x, 0.0), x * x, -x),
    "where of conditions": lambda x: ops.where((x[0] > 0) & ~(x[1] > 0) | (x[2] < 0), x[0], x[1]),
    "where equal": lambda x: ops.where(x[0] == x[1], 1.0, x[2]),
    "cross": lambda x: np.cross(x, W),
    "roll": lambda x: np.roll(x, 1) - x,
    "diff": np.diff,
    "einsum": lambda x: np.einsum("i,ij,j->", x, A, x),
    "linalg.norm": np.linalg.norm,
    "ds.norm": lambda x: linear_algebra.norm(x),
    "concatenate": lambda x: np.concatenate([x[:1], x[1:] * 2]),
    "array of a list": lambda x: np.array([x[0] * x[1], 1.0, x[2]]),
    "stack": lambda x: array_ops.stack([x, x * x]),
    "list": lambda x: [x[0] + 1, {"a": x[1:] * 2}, Pair(x[2], 3.0)],
    "object zeros": lambda x: _filled(np.zeros(3, dtype=object), x),
    "zeros_like": lambda x: _filled(np.zeros_like(x), x),
    "indexing": lambda x: x[[2, 0, 0]] * x[::-1] + x[np.array([True, True, True])],
    "reshape": lambda x: np.reshape(np.outer(x, x), (9,))[1::2],
    "transpose": lambda x: (x[:, None] * W[None, :]).T,
    "solve": lambda x: linear_algebra.solve(np.outer(x, x) + 5 * np.eye(3), x),
    "inv": lambda x: linear_algebra.inv(np.array([[x[0], 0.2], [0.1, x[2]]])),
    "det": lambda x: linear_algebra.det(np.array([[x[0], x[1], 1.0], [x[2], 2.0, x[0]], [0.5, x[1], x[1]]])),
    "loop": lambda x: _loop(x),
    "constant": lambda x: 3.0,
    "argument itself": lambda x: x,
}


def _filled(c: Any, x: Any) -> Any:
    c[0] = x[0] * x[1]
    c[1:] = x[1:] ** 2
    return c


def _loop(x: Any) -> Any:
    y = list(x)
    for k in range(4):
        y = [y[0] + 0.1 * y[1], y[1] - 0.1 * np.sin(y[0]) * k, y[2] * 0.9]
    return y[0] + y[1] * y[2]


def flat(tree: Any) -> list[Any]:
    """All numbers of a result, in order."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        return [x for branch in tree for x in flat(branch)]
    return list(np.ravel(np.asarray(tree, dtype=float)))


# --- the graph says what the function says ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_graph_has_the_functions_value(name: str) -> None:
    f = FUNCTIONS[name]
    graph = trace(f, np.zeros(3))
    assert isinstance(graph, Graph)
    for x in (AT, AT * 0.3 + 0.1, -AT):
        np.testing.assert_allclose(flat(graph(x)), flat(f(x)), rtol=1e-14, atol=1e-15)
    found = graph(AT)
    if not isinstance(found, list):
        assert np.shape(found) == np.shape(f(AT))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_the_graph_are_those_of_the_function(name: str) -> None:
    f = FUNCTIONS[name]
    graph, v = trace(f, np.zeros(3)), np.array([0.3, -0.5, 1.0])
    value, tangent = graph.tangents()([AT], [v])
    wanted_value, wanted = jvp(f, (AT,), (v,))
    np.testing.assert_allclose(flat(value), flat(wanted_value), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(flat(tangent), flat(wanted), rtol=1e-12, atol=1e-13)
    value, pullback = vjp(f, AT)
    weights = _ones_like(value)
    np.testing.assert_allclose(
        flat(graph.cotangents()([AT], weights)[1]), flat(pullback(weights)), rtol=1e-12, atol=1e-13
    )
    np.testing.assert_allclose(flat(graph.jacobian()(AT)), flat(jacobian(f)(AT)), rtol=1e-12, atol=1e-13)


def _ones_like(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _ones_like(branch) for key, branch in tree.items()}
    if isinstance(tree, Pair):
        return Pair(*map(_ones_like, tree))
    if isinstance(tree, list | tuple):
        return type(tree)(map(_ones_like, tree))
    return np.linspace(1.0, 2.0, max(1, np.size(tree))).reshape(np.shape(tree))[()]


@pytest.mark.parametrize("name", ["arithmetic", "numpy", "table", "where", "linalg.norm", "solve", "einsum", "list"])
def test_graph_differentiates_as_the_function_does_on_every_kind_of_number(name: str) -> None:
    f, graph = FUNCTIONS[name], trace(FUNCTIONS[name], np.zeros(3))

    def total(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def summed(x: Any) -> Any:
            leaves = _leaves(function(x))
            return sum(array_ops.sum(leaf * leaf) for leaf in leaves)

        return summed

    np.testing.assert_allclose(grad(total(graph))(AT), grad(total(f))(AT), rtol=1e-12)
    np.testing.assert_allclose(hessian(total(graph))(AT), hessian(total(f))(AT), rtol=1e-11, atol=1e-12)
    v = Value(AT)
    total(graph)(v).backward()
    np.testing.assert_allclose(v.grad, grad(total(f))(AT), rtol=1e-12)
    many = pushforward(total(graph), (AT,), (np.eye(3),))[1]
    np.testing.assert_allclose(many, v.grad, rtol=1e-12)


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [x for branch in tree for x in _leaves(branch)] if isinstance(tree, list | tuple) else [tree]


def test_graph_takes_multiprecision_numbers_and_fractions() -> None:
    graph = trace(lambda x: ops.sin(x) * ops.exp(x) + x**2 / 3, 1.0)
    with mpmath.workdps(50):
        x = mpmath.mpf("0.7")
        assert abs(graph(x) - (mpmath.sin(x) * mpmath.exp(x) + x**2 / 3)) < mpmath.mpf(10) ** -45
    assert trace(lambda x: x * x + x / 2, 1.0)(fractions.Fraction(1, 3)) == pytest.approx(1 / 9 + 1 / 6)


def test_evaluation_of_a_batch_in_the_place_of_numbers() -> None:
    graph = trace(lambda x, y: np.sin(x) * y + ops.where(x > 0, x, y), 1.0, 1.0)
    xs, ys = np.linspace(-1, 1, 7), np.linspace(2, 3, 7)
    found = graph.evaluate([xs, ys])[int(graph.result)]
    np.testing.assert_allclose(found, [graph(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], rtol=1e-15)


def test_arguments_may_be_trees_of_any_form() -> None:
    def f(x: Any, tree: Any) -> Any:
        return {"s": x * tree["k"][0] + np.sum(tree["v"]), "t": (tree["p"].a, tree["p"].b * tree["k"][1])}

    example = {"k": [1.0, 2], "v": np.zeros((2, 2)), "p": Pair(0.0, 1.0)}
    at = {"k": [2.0, 3.0], "v": np.ones((2, 2)), "p": Pair(5.0, 6.0)}
    graph = trace(f, 1.0, example)
    assert graph(3.0, at) == {"s": 10.0, "t": (5.0, 18.0)}
    assert graph(3.0, {key: at[key] for key in ("p", "v", "k")}) == {"s": 10.0, "t": (5.0, 18.0)}


def test_integers_in_the_example_stand_for_floats() -> None:
    graph = trace(lambda x, n: x / n, 1, np.array([1, 2]))
    np.testing.assert_array_equal(graph(1, [2, 4]), [0.5, 0.25])


@pytest.mark.parametrize("bad", [(), (1.0, 2.0), (np.ones(2),), ([1.0, 2.0],), (np.ones((3, 1)),), ({"a": 1.0},)])
def test_arguments_of_another_form_are_refused(bad: Any) -> None:
    with pytest.raises(ArgumentError, match="Graph"):
        trace(lambda x: np.sum(x), np.zeros(3))(*bad)


def test_dict_with_other_keys_is_refused() -> None:
    graph = trace(lambda d: d["a"] - d["b"], {"a": 1.0, "b": 2.0})
    with pytest.raises(ArgumentError, match="keys"):
        graph({"a": 1.0, "c": 2.0})


# --- structure -------------------------------------------------------------------------------------------------------


def test_same_expression_is_one_node() -> None:
    graph = trace(lambda x, y: np.sin(x * y) + np.cos(y * x) * np.sin(x * y), 1.0, 1.0)
    assert graph.count() == {"multiply": 2, "sin": 1, "cos": 1, "add": 1}
    assert graph.n_operations == 5


def test_constants_are_folded_and_unused_nodes_left_out() -> None:
    graph = trace(lambda x: x * (np.sin(1.0) + 2.0 * 3.0) + 0.0 * np.exp(x), 1.0)
    assert graph.count() == {"multiply": 1}
    assert graph(2.0) == 2.0 * (math.sin(1.0) + 6.0)


def test_operands_stand_before_the_nodes_that_use_them_and_inputs_are_kept() -> None:
    graph = trace(lambda x, unused, y: np.sin(y) * y, 1.0, np.zeros(2), 1.0)
    assert [node.name for node in graph.nodes if node.name] == ["x", "unused[0]", "unused[1]", "y"]
    for i, node in enumerate(graph.nodes):
        assert all(j < i for j in node.operands)
    assert graph(1.0, np.zeros(2), 2.0) == math.sin(2.0) * 2.0


def test_graph_is_immutable() -> None:
    graph = trace(lambda x: x * 2, 1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.nodes = ()  # type: ignore[misc]  # what is tested


def test_printed_graph_reads_as_assignments() -> None:
    def f(x: Any, v: Any) -> Any:
        return {"a": np.sin(x) + v[0] * 2.0, "b": np.array([v[1], x])}

    assert str(trace(f, 1.0, np.zeros(2))).splitlines() == [
        "inputs x, v[0], v[1]",
        "v3 = sin(x)",
        "v5 = 2.0 * v[0]" if "v5 = 2.0 * v[0]" in str(trace(f, 1.0, np.zeros(2))) else "v5 = v[0] * 2.0",
        "v6 = v3 + v5",
        "return['a'] v6",
        "return['b'] [v[1], x]",
    ]


class Tripled:
    def __call__(self, position: Any) -> Any:
        return position * 3

    def method(self, momentum: Any, *rest: Any) -> Any:
        return momentum * 3 + sum(rest)


@pytest.mark.parametrize(
    ("f", "n", "names"),
    [
        (Tripled(), 1, "position"),
        (Tripled().method, 3, "momentum, x1, x2"),
        (functools.partial(lambda a, b: a * b, 2.0), 1, "b"),
        (lambda *v: v[0] + v[1], 2, "x0, x1"),
        (grad(lambda angle: angle**3), 1, "angle"),
    ],
)
def test_inputs_have_the_names_of_the_parameters(f: Callable[..., Any], n: int, names: str) -> None:
    assert str(trace(f, *[1.0] * n)).splitlines()[0] == f"inputs {names}"


def test_printed_graph_of_a_constant() -> None:
    assert str(trace(lambda x: 3.0, 1.0)).splitlines() == ["inputs x", "return 3.0"]


PROGRAM = """
import numpy as np
from diffsim import array_ops, linear_algebra, ops
from diffsim.graph import trace
def f(x, p):
    y = linear_algebra.solve(np.outer(x, x) + p["k"] * np.eye(3), np.sin(x))
    return {"y": y, "n": ops.where(x[0] > p["q"], linear_algebra.norm(y), array_ops.max(x))}
graph = trace(f, np.zeros(3), {"k": 1.0, "q": 2.0})
print(graph)
print(graph.cotangents())
print(graph.jacobian())
"""


def test_graph_is_the_same_in_every_process_whatever_the_hash_seed() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(printed) == 1
    assert len(printed.pop().splitlines()) > 50


def test_graph_is_the_same_when_traced_again() -> None:
    assert str(trace(FUNCTIONS["solve"], np.zeros(3))) == str(trace(FUNCTIONS["solve"], np.ones(3)))


def test_long_graphs_are_built_evaluated_and_differentiated_without_recursion() -> None:
    def f(x: Any) -> Any:
        for _ in range(3000):
            x = x + 0.001 * np.sin(x)
        return x

    graph = trace(f, 1.0)
    assert graph(0.5) == f(0.5)
    assert graph.cotangents()([0.5], 1.0)[1][0] == pytest.approx(grad(f)(0.5), rel=1e-12)
    assert len(str(graph).splitlines()) == graph.n_operations + 2


# --- where, and other places without a derivative --------------------------------------------------------------------

GUARDED: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "log": (lambda x: ops.where(x > 0, ops.log(x), 0.0), 0.0, 0.0),
    "log of negative": (lambda x: ops.where(x > 0, ops.log(x), 2 * x), -1.0, 2.0),
    "sqrt": (lambda x: ops.where(x > 0, ops.sqrt(x), x), -1.0, 1.0),
    "sqrt at 0": (lambda x: ops.where(x > 0, ops.sqrt(x), 3 * x), 0.0, 3.0),
    "x log x": (lambda x: ops.where(x > 0, x * ops.log(x), 0.0), 0.0, 0.0),
    "x log x of negative": (lambda x: ops.where(x > 0, x * ops.log(x), x), -2.0, 1.0),
    "divide": (lambda x: ops.where(x != 0, ops.sin(x) / x, 1.0), 0.0, 0.0),
    "divide twice": (lambda x: ops.where(x != 0, (x * x) * (1 / x) * (1 / x), 1.0), 0.0, 0.0),
    "exp": (lambda x: ops.where(x < 10, ops.exp(x), x), 1e4, 1.0),
    "exp times x": (lambda x: ops.where(x < 10, x * ops.exp(x), x), 1e4, 1.0),
    "power": (lambda x: ops.where(x > 0, x**0.3, 0.0), 0.0, 0.0),
    "nested": (lambda x: ops.where(x > 0, ops.where(x > 1, ops.log(x - 1), ops.sqrt(x)), x), 0.0, 1.0),
    "nested taken": (lambda x: ops.where(x > 0, ops.where(x > 1, x * ops.log(x - 1), x), 0.0), 1.0, 1.0),
    "norm": (lambda x: ops.hypot(x, 0.0 * x), 0.0, 0.0),
    "sqrt of squares": (lambda x: ops.sqrt(x * x + (2 * x) ** 2), 0.0, 0.0),
    "abs": (lambda x: abs(x) * 3, 0.0, 0.0),
    "asin": (lambda x: ops.where(abs(x) < 1, ops.asin(x), x), 1.0, 1.0),
    "atan2": (lambda x: ops.atan2(x, x), 0.0, 0.0),
    "in an array": (
        lambda x: array_ops.sum(
            ops.where(ops.greater(array_ops.array([x, 0 * x]), 0.0), 1 / array_ops.array([x, 1.0]), 0.0)
        ),
        0.0,
        0.0,
    ),
}


@pytest.mark.parametrize("name", GUARDED)
def test_branch_not_taken_sends_no_nan_in_the_graph_either(name: str) -> None:
    f, at, slope = GUARDED[name]
    graph = trace(f, 1.0)
    routes = {
        "eager reverse": grad(f)(at),
        "eager forward": jvp(f, (at,), (1.0,))[1],
        "cotangents": graph.cotangents()([at], 1.0)[1][0],
        "tangents": graph.tangents()([at], [1.0])[1],
        "jacobian": graph.jacobian()(at),
        "trace of grad": trace(grad(f), 1.0)(at),
        "grad of graph": grad(graph)(at),
    }
    assert routes == pytest.approx(dict.fromkeys(routes, slope))


@pytest.mark.parametrize("name", ["log", "x log x", "divide", "exp times x", "sqrt", "nested", "abs"])
def test_second_derivative_of_the_branch_not_taken_is_no_nan(name: str) -> None:
    f, at, _ = GUARDED[name]
    for found in (grad(grad(f))(at), trace(grad(grad(f)), 1.0)(at), trace(f, 1.0).jacobian().jacobian()(at)):
        assert found == 0.0


def test_graphs_without_where_are_not_slowed_by_guards() -> None:
    graph = trace(lambda x: np.sin(x) * np.cos(x) * x**2 + np.tanh(x), 1.0).cotangents()
    assert graph.count()["where"] == 0


# --- nesting with derivatives ----------------------------------------------------------------------------------------


def wave(x: Any) -> Any:
    return np.sin(x) * np.exp(0.3 * x)


def test_trace_inside_a_derivative_keeps_the_closure() -> None:
    def f(p: Any) -> Any:
        graph = trace(lambda x: wave(x * p) + p, 1.0)
        return graph(0.7) * graph(p)

    def plain(p: Any) -> Any:
        return (wave(0.7 * p) + p) * (wave(p * p) + p)

    assert grad(f)(1.2) == pytest.approx(grad(plain)(1.2), rel=1e-13)
    assert jvp(f, (1.2,), (1.0,))[1] == pytest.approx(grad(plain)(1.2), rel=1e-13)
    assert grad(grad(f))(1.2) == pytest.approx(grad(grad(plain))(1.2), rel=1e-12)
    p = Value(1.2)
    f(p).backward()
    assert p.grad == pytest.approx(grad(plain)(1.2), rel=1e-13)


def test_derivative_inside_a_trace() -> None:
    for derivative in (grad(wave), grad(grad(wave)), lambda x: jvp(wave, (x,), (x,))[1], jacobian(wave), hessian(wave)):
        graph = trace(derivative, 1.0)
        assert graph(0.7) == pytest.approx(derivative(0.7), rel=1e-13)
    f = lambda x: grad(lambda y: wave(x * y))(x)  # noqa: E731  # perturbation confusion, traced
    assert trace(f, 1.0)(0.7) == pytest.approx(f(0.7), rel=1e-14)


def test_value_made_inside_a_trace() -> None:
    def f(x: Any) -> Any:
        v = Value(x * 2)
        (v * v * v).backward()
        return v.grad * x

    assert trace(f, 1.0)(1.5) == f(1.5) == 12 * 1.5**3


def test_graph_inside_a_trace_is_taken_in() -> None:
    inner = trace(lambda x: wave(x) + 1, 1.0)
    outer = trace(lambda x: inner(x * 2) * inner(x), 1.0)
    assert outer(0.4) == pytest.approx((wave(0.8) + 1) * (wave(0.4) + 1))
    assert trace(inner, 1.0).n_operations == inner.n_operations


def test_derivatives_of_derivatives_of_graphs() -> None:
    graph = trace(wave, 1.0)
    for order, f in enumerate([graph, graph.jacobian(), graph.jacobian().jacobian()]):
        expected: Any = wave
        for _ in range(order):
            expected = grad(expected)
        assert f(0.7) == pytest.approx(expected(0.7), rel=1e-12)


def test_number_of_another_trace_is_refused() -> None:
    def f(x: Any) -> Any:
        return trace(lambda y: x * y, 1.0)(2.0)

    with pytest.raises(TraceError, match="another trace"):
        trace(f, 1.0)
    with pytest.raises(TraceError, match="another trace"):
        trace(lambda x: trace(lambda y: x, 1.0)(2.0), 1.0)
    kept: list[Any] = []
    trace(lambda x: (kept.append(x), x)[1], 1.0)
    with pytest.raises(TraceError, match="another trace"):
        trace(lambda y: y * kept[0], 1.0)


def test_jacobian_by_a_chosen_argument() -> None:
    graph = trace(lambda x, v: v * x**2, 1.0, np.zeros(2))
    at = (3.0, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(graph.jacobian(0)(*at), [6.0, 12.0])
    np.testing.assert_array_equal(graph.jacobian(1)(*at), 9 * np.eye(2))
    by_x, by_v = graph.jacobian((0, 1))(*at)
    np.testing.assert_array_equal(by_x, [6.0, 12.0])
    np.testing.assert_array_equal(by_v, 9 * np.eye(2))


@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_graph_and_its_cotangents_agree_with_the_function_everywhere(x: float, y: float, z: float) -> None:
    f = FUNCTIONS["where"]
    at = np.array([x, y, z])
    np.testing.assert_array_equal(WHERE(at), f(at))
    np.testing.assert_array_equal(WHERE_BACK([at], np.ones(3))[1][0], vjp(f, at)[1](np.ones(3))[0])


WHERE = trace(FUNCTIONS["where"], np.zeros(3))
WHERE_BACK = WHERE.cotangents()


# --- refusals --------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "if": (lambda x: x if x > 0 else -x, r"where\("),
    "while": (lambda x: _until(x), r"where\("),
    "and": (lambda x: (x > 0 and x < 1) * 1.0, "where|&"),
    "not": (lambda x: ops.where(not (x > 0), x, 1.0), "where|~"),
    "chained comparison": (lambda x: ops.where(0 < x < 1, x, 1.0), "where|&"),
    "builtin max": (lambda x: max(x, 1.0), "where"),
    "builtin min": (lambda x: min(1.0, x), "where"),
    "sorted": (lambda x: sorted([x, 1.0])[0], "where"),
    "in": (lambda x: 1.0 if x in [2.0] else 0.0, "where"),
    "assert": (lambda x: _asserted(x), "where"),
    "float": (float, "numpy's or diffsim's"),
    "int": (int, "numpy's or diffsim's"),
    "round": (round, "numpy's or diffsim's"),
    "math.sin": (math.sin, "numpy's or diffsim's"),
    "math.floor": (math.floor, "numpy's or diffsim's"),
    "range": (lambda x: sum(k for k in range(x)), "numpy's or diffsim's"),
    "index": (lambda x: [1.0, 2.0][x], "numpy's or diffsim's"),
    "store": (lambda x: _stored(np.zeros(2), x), "numpy's or diffsim's"),
    "array of floats": (lambda x: np.array([x, 1.0], dtype=float), "numpy's or diffsim's"),
    "np.float64": (np.float64, "numpy's or diffsim's"),
    "isfinite": (lambda x: ops.where(np.isfinite(x), x, 0.0), "value"),
    "argmax": (lambda x: np.argmax(np.array([x, 1.0])), "where"),
    "sort": (lambda x: np.sort(np.array([x, 1.0])), "where"),
    "allclose": (lambda x: 1.0 if np.allclose(x, 1.0) else 0.0, "value"),
    "comparison of an array": (lambda x: ops.where(np.array([x, x]) > 0, x, 0.0), r"diffsim\.greater"),
    "np.maximum of an array": (lambda x: np.maximum(np.array([x, x]), 0.5), "where"),
    "no return": (lambda x: None, "return"),
    "text": (lambda x: "a", "'a'"),
    "complex": (lambda x: 1j, "1j"),
    "function": (lambda x: math.sin, "real"),
}


def _until(x: Any) -> Any:
    while x < 1:
        x = x * 2
    return x


def _asserted(x: Any) -> Any:
    assert x > 0
    return x


def _stored(c: Any, x: Any) -> Any:
    c[0] = x
    return c


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_is_refused_and_says_what_to_write(name: str) -> None:
    f, words = REFUSED[name]
    with pytest.raises(TraceError, match=words):
        trace(f, 1.0)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.linalg.solve(x, np.ones(13)),
        lambda x: linear_algebra.solve(x, np.ones(13)),
        lambda x: linear_algebra.det(x),
        lambda x: np.linalg.eigvals(x),
        lambda x: np.linalg.svd(x),
        lambda x: np.fft.fft(x[0]),
    ],
)
def test_linear_algebra_without_a_graph_is_refused(f: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        trace(f, np.eye(13))


def test_large_systems_are_refused_by_name() -> None:
    with pytest.raises(KindError, match=r"solve: .*at most 12"):
        trace(lambda x: linear_algebra.solve(x, np.ones(13)), np.eye(13))
    with pytest.raises(KindError, match=r"det: .*at most 4"):
        trace(linear_algebra.det, np.eye(5))


def test_level_is_restored_when_a_trace_fails() -> None:
    for _ in range(3):
        with pytest.raises(TraceError):
            trace(lambda x: grad(lambda y: y if y > x else x)(1.0), 1.0)
    v = Value(2.0)
    (v * v).backward()
    assert v.grad == 4.0


def test_tracer_is_a_scalar_that_shows_itself() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        seen.append((repr(x), x.shape, x.ndim, x.size, f"{x}", hash(x) == hash(x)))
        with pytest.raises(TypeError):
            len(x)
        with pytest.raises(TypeError):
            x[0]
        return x * 2

    trace(f, 1.0)
    assert seen == [("<tracer v0>", (), 0, 1, "<tracer v0>", True)]


def test_empty_arrays_pass() -> None:
    graph = trace(lambda x: np.sin(x) * 2, np.zeros(0))
    assert np.shape(graph(np.zeros(0))) == (0,)
