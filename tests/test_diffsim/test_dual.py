"""`Dual`, seen through jvp and pushforward: operations move tangents, one or many, as `Value` moves cotangents."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from diffsim import array_ops, linear_algebra, ops
from diffsim.derivatives import jacobian, jvp, pushforward, vjp
from diffsim.dual import Dual
from diffsim.errors import KindError
from diffsim.value import Value

FLOATS = st.floats(-3.0, 3.0).filter(lambda x: abs(x) > 0.05)


def seen(f: Callable[[Any], Any], x: Any = 1.5, v: Any = 1.0) -> Any:
    """What f does to a dual number, without the number leaving f's differentiation."""
    out: list[Any] = []

    def inside(t: Any) -> Any:
        out.append(f(t))
        return t

    jvp(inside, (x,), (v,))
    return out[0]


@given(FLOATS, FLOATS, FLOATS, FLOATS)
@pytest.mark.parametrize("apply", [operator.add, operator.sub, operator.mul, operator.truediv, ops.hypot, ops.atan2])
def test_operation_between_duals_follows_the_rule_of_two_arguments(
    apply: Any, x: float, y: float, dx: float, dy: float
) -> None:
    value, tangent = jvp(apply, (x, y), (dx, dy))
    assert value == apply(x, y)
    by_x, by_y = vjp(apply, x, y)[1](1.0)
    assert tangent == pytest.approx(by_x * dx + by_y * dy, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "other", [2.5, np.float64(2.5), np.float32(2.5), 3, np.array(2.5), np.array([2.5, -1.0]), [2.5, 1.0]]
)
@pytest.mark.parametrize("apply", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_operation_with_a_plain_neighbour_on_either_side(apply: Any, other: Any) -> None:
    for f in (lambda t: apply(t, other), lambda t: apply(other, t)):
        for x, v in ((1.5, 2.0), (np.array([1.5, 0.5]), np.array([1.0, -2.0]))):
            value, tangent = jvp(f, (x,), (v,))
            backward = vjp(f, x)
            np.testing.assert_allclose(value, backward[0])
            by_x = jacobian(f, mode="reverse")(x)
            np.testing.assert_allclose(tangent, by_x @ v if np.ndim(x) else by_x * v, rtol=1e-14)


def test_dual_looks_like_the_number_it_carries() -> None:
    assert seen(lambda t: (t > 1, t < 1.0, t == 1.5, t != 1.5, t < 2, bool(t))) == (
        True,
        False,
        True,
        False,
        True,
        True,
    )
    assert seen(lambda t: (t.shape, t.ndim, t.size, isinstance(t, Dual))) == ((), 0, 1, True)
    assert seen(lambda t: (t.shape, len(t), t.dtype, t.T.shape), np.ones((2, 3)), np.ones((2, 3))) == (
        (2, 3),
        2,
        np.float64,
        (3, 2),
    )
    assert seen(repr) == "Dual(1.5, tangent=1.0)"
    assert seen(lambda t: f"{t:.3f}") == "1.500"
    assert seen(lambda t: (t > 1).tolist(), np.array([0.5, 1.5]), np.ones(2)) == [False, True]


@pytest.mark.parametrize("convert", [float, int, round, math.sin, math.floor, complex, np.float64, lambda t: [1, 2][t]])
def test_conversion_that_would_drop_the_tangent_is_refused(convert: Callable[[Any], Any]) -> None:
    with pytest.raises(KindError, match="derivative"):
        seen(convert)


def test_store_that_would_drop_the_tangent_is_refused() -> None:
    def store(t: Any) -> None:
        np.zeros(2)[0] = t

    def add(t: Any) -> None:
        a = np.zeros(2)
        a += t

    for f in (store, add, lambda t: np.array([t, 1.0], dtype=float)):
        with pytest.raises(KindError):
            seen(f)


def test_lists_and_object_arrays_keep_the_tangent() -> None:
    assert jvp(lambda t: np.sum(np.array([t, 1.0]) * np.array([2.0, t])), (3.0,), (1.0,)) == (9.0, 3.0)
    assert jvp(lambda t: np.mean([t, t * t]), (3.0,), (1.0,)) == (6.0, 3.5)
    value, tangent = jvp(lambda t: np.array([t, 1.0, t * t]), (3.0,), (2.0,))
    np.testing.assert_array_equal(value, [3.0, 1.0, 9.0])
    np.testing.assert_array_equal(tangent, [2.0, 0.0, 12.0])


ROWS: dict[str, Callable[[Any], Any]] = {
    "sum axis": lambda m: array_ops.sum(m * m, axis=0),
    "sum keepdims": lambda m: array_ops.sum(m * m, axis=1, keepdims=True) * m,
    "prod": lambda m: array_ops.prod(m, axis=1),
    "max": lambda m: array_ops.max(m, axis=0),
    "cumsum": lambda m: array_ops.cumsum(m * m, axis=1),
    "matmul": lambda m: m @ m.T,
    "matmul vector": lambda m: m @ m[0],
    "vector matmul": lambda m: m[:, 0] @ m,
    "solve": lambda m: linear_algebra.solve(m @ m.T + np.eye(2), m),
    "solve vector": lambda m: linear_algebra.solve(np.eye(2) + m[:, :2] ** 2, m[:, 1]),
    "inv": lambda m: linear_algebra.inv(m @ m.T + np.eye(2)),
    "det": lambda m: linear_algebra.det(m @ m.T + np.eye(2)),
    "det large": lambda m: linear_algebra.det(np.outer(m, m) + np.diag(np.arange(2.0, 8.0))),
    "norm": lambda m: linear_algebra.norm(m, axis=1),
    "reshape": lambda m: array_ops.reshape(m, (3, 2)) * 2,
    "transpose": lambda m: array_ops.transpose(m, (1, 0)) * m.T,
    "stack": lambda m: array_ops.stack([m, m * m], axis=1),
    "stack mixed": lambda m: array_ops.stack([m[0, 0], 1.0, m[1, 1] ** 2]),
    "stack broadcast": lambda m: array_ops.stack([m, 1.0, m[0]]),
    "concatenate": lambda m: array_ops.concatenate([m, np.ones((1, 3)), m * m]),
    "broadcast": lambda m: array_ops.broadcast_to(m[0], (4, 3)) * m[0, 1],
    "basic index": lambda m: m[1, ::-1],
    "advanced index": lambda m: m[:, [0, 2, 2]],
    "two arrays": lambda m: m[[0, 1, 1], [2, 0, 0]],
    "mask": lambda m: m[np.array([[True, False, True], [False, True, True]])],
    "where": lambda m: ops.where(m > 0, m * m, -m),
    "where broadcast": lambda m: ops.where(np.array([True, False, True]), m, m[0, 0]),
    "scalar times array": lambda m: m[0, 0] * np.arange(6.0).reshape(2, 3) + m,
    "low times high": lambda m: m[0] * m + m[:, :1],
    "maximum": lambda m: ops.maximum(m, 0.3) + ops.minimum(m[0], m),
    "power": lambda m: (m * m) ** m[0],
    "atan2": lambda m: ops.atan2(m, m[:, ::-1] + 3.0),
    "einsum": lambda m: np.einsum("ij,kj->ik", m, m),
    "cross": lambda m: np.cross(m[0], m[1]),
    "roll": lambda m: np.roll(m, 1, axis=1) * m,
    "std": lambda m: np.std(m, axis=0),
    "scalar": lambda m: m[1, 2],
    "constant": lambda m: np.ones(2),
    "zeros_like": lambda m: np.zeros_like(m) + m[0],
    "set_item": lambda m: array_ops.set_item(m, (0, slice(None)), m[1] * 2),
    "set scalar": lambda m: array_ops.set_item(m, (0, 1), m[1, 1] * 2),
    "set advanced": lambda m: array_ops.set_item(m, ([0, 1], [1, 2]), m[0, :2]),
    "set broadcast": lambda m: array_ops.set_item(m, slice(None), m[0]),
}
M = np.array([[0.7, -1.2, 0.4], [1.1, 0.5, -0.8]])
DIRECTIONS = np.random.default_rng(3).normal(size=(4, 2, 3))


@pytest.mark.parametrize("name", ROWS)
def test_many_directions_at_once_are_the_single_ones_and_those_of_reverse_mode(name: str) -> None:
    f = ROWS[name]
    value, many = pushforward(f, (M,), (DIRECTIONS,))
    np.testing.assert_array_equal(value, f(M))
    assert np.shape(many) == (4, *np.shape(value))
    singles = np.stack([jvp(f, (M,), (v,))[1] for v in DIRECTIONS])
    np.testing.assert_allclose(many, singles, rtol=1e-12, atol=1e-13)
    matrix = jacobian(f, mode="reverse")(M)
    np.testing.assert_allclose(
        singles, np.tensordot(DIRECTIONS, matrix, axes=([1, 2], [-2, -1])), rtol=1e-11, atol=1e-12
    )


@given(st.data())
def test_broadcast_of_any_two_shapes_in_many_directions(data: st.DataObject) -> None:
    shapes = data.draw(hn.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    generator = np.random.default_rng(0)
    x, y = (generator.normal(size=shape) for shape in shapes)
    dx, dy = (generator.normal(size=(2, *shape)) for shape in shapes)
    value, tangent = pushforward(lambda a, b: a * b + ops.sin(b), (x, y), (dx, dy))
    np.testing.assert_allclose(value, x * y + np.sin(y), rtol=1e-14)
    for k in range(2):
        np.testing.assert_allclose(tangent[k], dx[k] * y + (x + np.cos(y)) * dy[k], rtol=1e-12, atol=1e-13)


def test_only_one_of_the_arguments_moves() -> None:
    value, tangent = pushforward(lambda a: array_ops.stack([a * M[0], M[1]]), (2.0,), (np.array([1.0, 10.0]),))
    np.testing.assert_array_equal(tangent[1], [10 * M[0], np.zeros(3)])
    assert value.shape == (2, 3)


def test_tangents_of_multiprecision_numbers() -> None:
    with mpmath.workdps(40):
        value, tangent = jvp(lambda t: ops.exp(ops.sin(t)), (mpmath.mpf("0.5"),), (mpmath.mpf(2),))
        exact = mpmath.exp(mpmath.sin(mpmath.mpf("0.5")))
        assert abs(value - exact) < mpmath.mpf(10) ** -38
        assert abs(tangent - 2 * exact * mpmath.cos(mpmath.mpf("0.5"))) < mpmath.mpf(10) ** -38


@pytest.mark.parametrize(
    ("f", "at", "slope"),
    [
        (ops.sqrt, 0.0, 0.0),
        (abs, 0.0, 0.0),
        (ops.relu, 0.0, 0.0),
        (lambda t: ops.hypot(t, 2 * t), 0.0, 0.0),
        (lambda t: ops.atan2(t, t), 0.0, 0.0),
        (lambda t: t**0, 0.0, 0.0),
        (lambda t: t**t, 0.0, 0.0),
        (lambda t: ops.maximum(t, 1.0), 1.0, 0.5),
        (lambda t: ops.where(t > 0, ops.log(t), t), 0.0, 1.0),
        (lambda t: linear_algebra.norm(t * np.ones(2)), 0.0, 0.0),
    ],
)
def test_conventions_at_kinks_are_those_of_reverse_mode(f: Callable[[Any], Any], at: float, slope: float) -> None:
    assert jvp(f, (at,), (1.0,))[1] == slope
    assert vjp(f, at)[1](1.0)[0] == slope
    np.testing.assert_array_equal(pushforward(f, (at,), (np.array([1.0, -2.0]),))[1], [slope, -2 * slope])


def test_values_of_the_user_inside_forward_mode_keep_their_tape() -> None:
    p = Value(np.array([2.0, 3.0]))
    value, tangent = jvp(lambda t: array_ops.sum(p * t**2), (1.5,), (1.0,))
    (value + tangent).backward()
    np.testing.assert_array_equal(p.grad, [1.5**2 + 3.0] * 2)


def test_nothing_of_the_differentiation_leaks_out() -> None:
    value, tangent = jvp(lambda t: [t, np.array([t, 1.0]), {"a": t * np.ones(2)}], (2.0,), (1.0,))
    assert type(value[0]) is type(tangent[0]) is float
    for x in (value[1], tangent[1], value[2]["a"], tangent[2]["a"]):
        assert type(x) is np.ndarray
        assert x.dtype == np.float64
