"""Odd inputs to the core: what NumPy users write, and what must be refused rather than be silently wrong."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops, linear_algebra, ops
from diffsim.derivatives import grad, hessian, hvp, jacobian, jvp, pushforward, vjp
from diffsim.errors import ArgumentError, DiffsimError, KindError
from diffsim.value import Value

# --- shapes ----------------------------------------------------------------------------------------------------------


def test_zero_dimensional_array_is_a_scalar() -> None:
    assert grad(lambda x: x * x)(np.array(3.0)) == 6.0
    assert isinstance(Value(np.array(3.0)).data, float)


EMPTY: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: array_ops.sum(x * x),
    "prod": lambda x: array_ops.prod(x) * 2.0,
    "cumsum": lambda x: array_ops.sum(array_ops.cumsum(x)),
    "norm": linear_algebra.norm,
    "concatenate": lambda x: array_ops.sum(array_ops.concatenate([x, x])),
    "matmul": lambda x: array_ops.sum(array_ops.reshape(x, (3, 0)) @ np.ones((0, 2))),
    "sin": lambda x: array_ops.sum(ops.sin(x)),
    "index": lambda x: array_ops.sum(x[np.zeros(0, dtype=int)]),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_array_has_an_empty_gradient(name: str) -> None:
    assert grad(EMPTY[name])(np.zeros(0)).shape == (0,)
    assert np.shape(jvp(EMPTY[name], (np.zeros(0),), (np.zeros(0),))[1]) == ()


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
def test_jacobian_of_an_empty_array_is_empty(mode: str) -> None:
    assert jacobian(lambda x: x * x, mode=mode)(np.zeros(0)).shape == (0, 0)


def test_broadcasting_sums_gradients_over_the_added_axes() -> None:
    a, b = np.arange(3.0).reshape(3, 1), np.arange(4.0)
    ga, gb = vjp(lambda x, y: array_ops.sum(x * y), a, b)[1](1.0)
    np.testing.assert_array_equal(ga, np.full((3, 1), 6.0))
    np.testing.assert_array_equal(gb, np.full(4, 3.0))
    np.testing.assert_array_equal(grad(lambda x: array_ops.sum(x * np.ones(3)))(np.ones((1, 1))), [[3.0]])


@pytest.mark.parametrize("make", [lambda x: x[::-1], np.asfortranarray, lambda x: np.repeat(x, 2)[::2], np.flip])
def test_memory_layout_does_not_matter(make: Callable[[Any], Any]) -> None:
    x = make(np.arange(6.0))
    np.testing.assert_array_equal(grad(lambda v: array_ops.sum(v * v))(x), 2 * x)


def test_repeated_indices_accumulate() -> None:
    weights = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(grad(lambda x: array_ops.sum(x[[0, 0, 1]] * weights))(np.ones(2)), [3.0, 3.0])
    np.testing.assert_array_equal(grad(lambda x: array_ops.sum(x[:, [0, 0]]))(np.ones((2, 2))), [[2, 0], [2, 0]])


def test_index_out_of_range_is_an_index_error_and_iteration_ends() -> None:
    with pytest.raises(IndexError):
        Value(np.ones(2))[5]
    assert len(list(Value(np.ones(3)))) == 3


# --- special numbers -------------------------------------------------------------------------------------------------


def test_negative_zero_keeps_its_sign() -> None:
    with np.errstate(divide="ignore"):
        assert math.copysign(1.0, (Value(-0.0) * 1.0).data) == -1.0
        assert grad(ops.sqrt)(-0.0) == 0.0


LIMITS: list[tuple[str, Callable[..., Any], float, float, float]] = [
    ("exp", ops.exp, -math.inf, 0.0, 0.0),
    ("sigmoid", ops.sigmoid, math.inf, 1.0, 0.0),
    ("sigmoid", ops.sigmoid, -math.inf, 0.0, 0.0),
    ("tanh", ops.tanh, math.inf, 1.0, 0.0),
    ("softplus", ops.softplus, math.inf, math.inf, 1.0),
    ("softplus", ops.softplus, -math.inf, 0.0, 0.0),
    ("relu", ops.relu, math.inf, math.inf, 1.0),
    ("atan", ops.atan, math.inf, math.pi / 2, 0.0),
    ("erf", ops.erf, math.inf, 1.0, 0.0),
]


@pytest.mark.parametrize(("name", "f", "x", "value", "slope"), LIMITS, ids=[f"{c[0]}({c[2]})" for c in LIMITS])
def test_infinite_argument_has_its_limit(
    name: str, f: Callable[..., Any], x: float, value: float, slope: float
) -> None:
    assert (f(x), grad(f)(x), jvp(f, (x,), (1.0,))[1]) == (value, slope, slope), name


@pytest.mark.parametrize("name", ["sin", "exp", "abs", "sigmoid", "softplus", "tanh", "square"])
def test_derivative_at_nan_is_nan(name: str) -> None:
    f = getattr(ops, name)
    assert math.isnan(grad(f)(math.nan))
    assert math.isnan(jvp(f, (math.nan,), (1.0,))[1])
    assert np.isnan(grad(lambda x: array_ops.sum(f(x)))(np.array([math.nan, 1.0]))).tolist() == [True, False]


@pytest.mark.parametrize("x", [0.0, 1e-200, 1e200])
def test_hypot_and_its_derivative_neither_overflow_nor_underflow(x: float) -> None:
    assert ops.hypot(3 * x, 4 * x) == pytest.approx(5 * x, rel=1e-15)
    if x:
        assert grad(ops.hypot)(3 * x, 4 * x) == pytest.approx(0.6, rel=1e-15)


# --- other kinds of number -------------------------------------------------------------------------------------------


def test_integers_and_booleans_become_floats_where_nothing_is_lost() -> None:
    assert grad(lambda x: x * x)(3) == 6.0
    assert grad(lambda x: x * True)(2.0) == 1.0
    np.testing.assert_array_equal((Value(1.0) * np.array([200, 100], dtype=np.uint8) * 2).data, [400.0, 200.0])
    np.testing.assert_array_equal((Value(2.0) ** np.array([-1, 2])).data, [0.5, 4.0])
    assert (2 ** Value(-1.0)).data == 0.5


@pytest.mark.parametrize("big", [2**53 + 1, np.int64(2**53 + 1), np.array([2**53 + 1])])
def test_integer_that_a_float_cannot_hold_is_refused(big: Any) -> None:
    with pytest.raises(ArgumentError, match="float"):
        Value(big)


@pytest.mark.parametrize("bad", [1j, np.array([1j]), "1", None, {}, True, np.array([True]), np.array(["a"])])
def test_data_that_is_no_real_number_is_refused(bad: Any) -> None:
    with pytest.raises(KindError):
        Value(bad)


def test_masked_array_is_refused_because_its_mask_would_be_lost() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    with pytest.raises(DiffsimError):
        Value(masked)


def test_masked_array_beside_a_number_does_not_drop_its_derivative() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[False, False])
    try:
        found = grad(lambda v: (masked * v).sum())(2.0)
    except (DiffsimError, TypeError):
        return
    assert found == 3.0


def test_matrix_is_taken_elementwise_or_refused_but_not_mixed_up() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    try:
        found = grad(lambda v: array_ops.sum(v * matrix))(2.0)
    except DiffsimError:
        return
    assert found == 10.0


@pytest.mark.parametrize("convert", [float, int, complex, round, math.sin, math.floor, np.float64, math.fsum])
def test_conversion_that_drops_the_derivative_is_refused_and_names_data(convert: Callable[[Any], Any]) -> None:
    v = Value(1.5)
    with pytest.raises(KindError, match=r"\.data"):
        convert([v] if convert is math.fsum else v)


def test_store_into_a_float_array_is_refused_and_names_data() -> None:
    target = np.zeros(2)
    with pytest.raises(KindError, match=r"\.data"):
        target[0] = Value(1.0)
    with pytest.raises(KindError, match=r"\.data"):
        target += Value(1.0)
    with pytest.raises(KindError, match=r"\.data"):
        np.array([Value(1.0)], dtype=float)


def test_lists_and_object_arrays_that_mix_values_and_numbers() -> None:
    assert grad(lambda x: np.sum(np.array([x, 2 * x, 1.0]) * np.array([x, 1.0, x])))(2.0) == 7.0
    assert grad(lambda x: np.sum(np.asarray([[x, 1.0], [2.0, x]]) @ np.ones(2)))(2.0) == 2.0
    assert grad(lambda x: array_ops.array([[x, 1.0], [x * x, 2.0]])[1, 0])(3.0) == 6.0


@pytest.mark.parametrize("ragged", [[[1.0], [1.0, 2.0]], [[1.0, 2.0], 3.0]])
def test_ragged_list_with_values_is_refused(ragged: Any) -> None:
    with pytest.raises((DiffsimError, ValueError)):
        array_ops.array([*ragged, Value(np.ones(2))])


# --- NumPy's functions -----------------------------------------------------------------------------------------------

SPLITS = [lambda x: np.split(x, [1]), lambda x: np.array_split(x, 3), lambda x: np.split(x, [2, 2])]


@pytest.mark.parametrize("cut", SPLITS)
def test_split_gives_the_parts_that_numpy_gives(cut: Callable[[Any], Any]) -> None:
    x = np.arange(4.0)
    parts = cut(Value(x))
    for found, expected in zip(parts, cut(x), strict=True):
        np.testing.assert_array_equal(found.data if isinstance(found, Value) else found, expected)


NUMPY: dict[str, Callable[[Any], Any]] = {
    "where": lambda x: np.sum(np.where(x > 0.5, x * x, 0.0)),
    "clip": lambda x: np.sum(np.clip(x, 0.2, 0.8) ** 2),
    "linalg.norm": lambda x: np.linalg.norm(x),
    "einsum": lambda x: np.einsum("i,j->", x, x),
    "roll": lambda x: np.sum(np.roll(x, 1) * x),
    "diff": lambda x: np.sum(np.diff(x) ** 2),
    "cross": lambda x: np.cross(x, np.array([1.0, 2.0, 3.0]))[0],
    "tensordot": lambda x: np.tensordot(x, x, 1),
    "stack": lambda x: np.sum(np.stack([x, 2 * x], axis=1) ** 2),
    "concatenate": lambda x: np.sum(np.concatenate([x, x[:1]]) ** 3),
    "outer": lambda x: np.sum(np.outer(x, x)),
    "mean, std, var": lambda x: np.mean(x) * np.std(x) + np.var(x),
    "trapezoid": lambda x: np.trapezoid(x * x),
    "argsort": lambda x: np.sum(x[np.argsort(x)] * np.arange(3.0)),
    "zeros_like and assignment": lambda x: _filled(np.zeros_like(x), x),
    "flip, moveaxis, squeeze": lambda x: np.sum(np.flip(x) * np.squeeze(x[None]) * np.arange(3.0)),
    "prod, cumsum, max, min": lambda x: np.prod(x) + np.sum(np.cumsum(x)) + np.max(x) * np.min(x),
    "linalg.solve": lambda x: np.sum(np.linalg.solve(np.eye(3) + np.outer(x, x), x)),
    "ufuncs": lambda x: np.sum(np.exp(-x) + np.hypot(x, 2.0) + np.logaddexp(x, 1.0) + np.arctan2(x, 2.0) + np.abs(x)),
    "left operands": lambda x: np.sum(np.arange(3.0) * x + np.eye(3) @ x + np.float64(2.0) * x - np.ones(3) / x),
    "polyval, sinc": lambda x: np.sum(np.polyval([1.0, 2.0, 3.0], x)) + np.sum(np.sinc(x)),
    "pad, tile, repeat": lambda x: np.sum(np.pad(x, 1)[1:] ** 2) + np.sum(np.tile(x, 2)) + np.sum(np.repeat(x, 2)),
}


def _filled(c: Any, x: Any) -> Any:
    c[0] = x[0] * x[1]
    c[1:] = x[1:]
    c[0] += c[1]
    return np.sum(c * c)


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_function_differentiates_as_differences_say(name: str) -> None:
    from diffsim.testing import check_gradients

    check_gradients(NUMPY[name], np.array([0.3, 0.9, 0.6]), unresolved="raise")


@pytest.mark.parametrize("f", [np.linalg.eigvals, np.fft.fft, np.i0, np.round, np.angle], ids=lambda f: f.__name__)
def test_numpy_function_without_a_derivative_raises_our_error(f: Callable[[Any], Any]) -> None:
    with pytest.raises(DiffsimError):
        f(Value(np.eye(2) + 0.5))


# --- assignment and aliasing -----------------------------------------------------------------------------------------


def test_assignment_after_use_leaves_what_was_computed_before() -> None:
    x = Value(np.array([1.0, 2.0, 3.0]))
    y = x * 2
    before = array_ops.sum(y * y)
    y[0] = 10.0
    after = array_ops.sum(y * y)
    before.backward()
    np.testing.assert_array_equal(x.grad, [8.0, 16.0, 24.0])
    x.grad = 0
    after.backward()
    np.testing.assert_array_equal(x.grad, [0.0, 16.0, 24.0])


def test_assignment_keeps_float32() -> None:
    x = Value(np.ones(2, dtype=np.float32)) * 1
    x[0] = 2.0
    assert x.data.dtype == np.float32


def _through_a_row(v: Any) -> Any:
    c = np.zeros_like(v)
    c[0][1] = v[0, 0] * 2
    return np.sum(c)


def _through_iteration(v: Any) -> Any:
    c = v * 1.0
    for row in c:
        row[0] = 0.0
    return np.sum(c)


def _through_a_transpose(v: Any) -> Any:
    c = v * 1.0
    d = c.T
    d[0, 1] = 7.0
    return np.sum(c)


VIEWS = [
    (_through_a_row, [[2.0, 0.0], [0.0, 0.0]]),
    (_through_iteration, [[0.0, 1.0], [0.0, 1.0]]),
    (_through_a_transpose, [[1.0, 1.0], [0.0, 1.0]]),
]


@pytest.mark.parametrize(("f", "expected"), VIEWS, ids=["row", "iteration", "transpose"])
def test_assignment_through_a_view_does_what_numpy_does_or_is_refused(f: Callable[[Any], Any], expected: Any) -> None:
    try:
        found = grad(f)(np.ones((2, 2)))
    except DiffsimError:
        return
    np.testing.assert_array_equal(found, expected)


def test_plus_and_array_copy_as_in_numpy() -> None:
    x = Value(np.array([1.0, 2.0]))
    for copied in (+x, np.copy(x), x.copy()):
        copied[0] = 7.0
        assert x.data[0] == 1.0


def _buffer(x: Any) -> Any:
    buffer, total = np.zeros(2), 0.0
    for k in range(3):
        buffer[:] = k
        total = total + np.sum(x * buffer) + buffer @ x
    return total


def test_plain_array_that_is_overwritten_after_use_does_not_falsify_the_gradient() -> None:
    try:
        found = grad(_buffer)(np.ones(2))
    except (DiffsimError, ValueError):  # refused: the array was locked when it was used
        return
    np.testing.assert_array_equal(found, [6.0, 6.0])


def test_array_that_a_value_was_made_of_may_be_overwritten() -> None:
    data = np.ones(2)
    x = Value(data)
    y = array_ops.sum(x * x)
    data[0] = 100.0
    y.backward()
    np.testing.assert_array_equal(x.grad, [2.0, 2.0])


def test_data_set_between_forward_and_backward_does_not_change_the_gradient() -> None:
    for start, later, slope in ((2.0, 5.0, 4.0), (np.array([2.0]), np.array([5.0]), [4.0])):
        x = Value(start)
        y = array_ops.sum(x * x)
        x.data = later
        y.backward()
        np.testing.assert_array_equal(x.grad, slope)


def test_copy_of_a_computed_value_is_refused_and_of_a_leaf_is_fresh() -> None:
    v = Value(2.0)
    assert copy.copy(v).data == copy.deepcopy(v).data == 2.0
    with pytest.raises(KindError):
        copy.deepcopy(v * v)


# --- derivatives of functions ----------------------------------------------------------------------------------------


def test_sixth_derivative() -> None:
    f: Any = ops.sin
    for _ in range(6):
        f = grad(f)
    assert f(0.5) == pytest.approx(-math.sin(0.5), rel=1e-14)


def test_trees_of_arguments_and_results() -> None:
    h = hessian(lambda p: p["a"] * p["a"] * p["b"])({"a": 2.0, "b": 3.0})
    assert h == {"a": {"a": 6.0, "b": 4.0}, "b": {"a": 4.0, "b": 0.0}}
    j = jacobian(lambda x: [x[0], {"u": x * 2}])(np.ones(2))
    np.testing.assert_array_equal(j[0], [1.0, 0.0])
    np.testing.assert_array_equal(j[1]["u"], 2 * np.eye(2))


def test_products_with_the_hessian_and_many_directions() -> None:
    np.testing.assert_array_equal(hvp(lambda x: array_ops.sum(x**3), np.array([1.0, 2.0]), np.ones(2)), [6.0, 12.0])
    assert hvp(lambda x, y: x * x * y, (1.0, 2.0), (1.0, 0.0)) == (4.0, 2.0)
    many = pushforward(grad(lambda x: array_ops.sum(x**3)), (np.ones(2),), (np.eye(2),))[1]
    np.testing.assert_array_equal(many, 6 * np.eye(2))
    assert pushforward(lambda a, b: a * b, (np.ones((2, 3)), 2.0), (np.ones((4, 2, 3)), np.ones(4)))[1].shape == (
        4,
        2,
        3,
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: grad(lambda x, y: x * y, 5)(2.0, 3.0),
        lambda: grad(lambda x: x * 2)(x=2.0),
        lambda: grad(lambda x: x)("a"),
        lambda: grad(lambda x: x)(None),
        lambda: grad(lambda x: x)(1j),
        lambda: grad(lambda x: x)(np.ones(2)),
        lambda: jvp(lambda x: x, (np.ones(2),), (1.0,)),
        lambda: jvp(lambda x: x, 3.0, 1.0),
        lambda: vjp(lambda x: x, np.ones(2))[1](1.0),
        lambda: jacobian(lambda x: x, mode="sideways")(1.0),
        lambda: setattr(Value(1.0), "data", np.ones(2)),
        lambda: Value(Value(1.0)),
        lambda: Value(np.ones(2)).backward(),
        lambda: Value(np.ones(2))[Value(1.0)],
        lambda: Value(np.ones(2)).__setitem__([0, 0], np.ones(2)),
        lambda: linear_algebra.solve(Value(np.eye(2)), np.ones(3)),
        lambda: Value(np.ones(2)).sum(axis=3),
        lambda: np.sum(Value(np.ones(2)), initial=5.0),
        lambda: Value(1.0) * 1j,
    ],
)
def test_misuse_is_refused_with_our_error(call: Callable[[], Any]) -> None:
    with pytest.raises(DiffsimError):
        call()
