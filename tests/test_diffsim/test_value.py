"""`Value` as a user meets it: operators, `.data` and `.grad`, `backward`, and what is refused."""

from __future__ import annotations

import copy
import fractions
import math
import operator
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim import array_ops, ops
from diffsim.errors import ArgumentError, DiffsimError, KindError
from diffsim.value import Value

FINITE = st.floats(-20.0, 20.0).filter(lambda x: abs(x) > 0.05)
BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
    "//": operator.floordiv,
}
# What may stand beside a Value, all of the value 2.5 (or an array of it).
NEIGHBOURS: dict[str, Any] = {
    "float": 2.5,
    "np.float64": np.float64(2.5),
    "np.float32": np.float32(2.5),
    "0-d array": np.array(2.5),
    "array": np.array([2.5, -1.5, 0.5]),
    "row": np.array([[2.5, 1.5, -3.0]]),
    "column": np.array([[2.5], [0.5]]),
    "integers": np.array([2, 3, -4]),
    "negative strides": np.array([2.5, -1.5, 0.5])[::-1],
    "every second": np.arange(1.0, 7.0)[::2],
    "Fortran order": np.asfortranarray(np.arange(1.0, 7.0).reshape(2, 3)),
    "list": [2.5, -1.5, 0.5],
}


def gradient(f: Callable[[Any], Any], x: Any) -> Any:
    v = Value(x)
    y = f(v)
    (y if not y.shape else y.sum()).backward()
    return v.grad


def differences(f: Callable[[Any], Any], x: Any) -> Any:
    """Central differences of the sum of f, extrapolated once."""
    x = np.array(x, dtype=float)
    out = np.zeros(x.shape)
    for i in np.ndindex(x.shape):

        def central(h: float, i: Any = i) -> float:
            up, down = x.copy(), x.copy()
            up[i] += h
            down[i] -= h
            return float(np.sum(f(up[()])) - np.sum(f(down[()]))) / (2 * h)

        out[i] = (4 * central(1e-4) - central(2e-4)) / 3
    return out


# --- operators -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", NEIGHBOURS)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["+", "-", "*", "/"])
@pytest.mark.parametrize("x", [1.7, [1.7, 0.4, -2.1]], ids=["scalar", "array"])
def test_operator_with_a_neighbour_has_numpys_value_and_derivative(name: str, side: str, other: str, x: Any) -> None:
    apply, neighbour = BINARY[name], NEIGHBOURS[other]
    at = np.array(x)[()]

    def f(v: Any) -> Any:
        plain = np.array(neighbour) if isinstance(neighbour, list) and not isinstance(v, Value) else neighbour
        return apply(v, plain) if side == "right" else apply(plain, v)

    found = f(Value(at))
    assert isinstance(found, Value)
    np.testing.assert_allclose(found.data, f(at), rtol=1e-15)
    np.testing.assert_allclose(gradient(f, at), differences(f, at), rtol=1e-8, atol=1e-8)


@given(FINITE, FINITE)
@pytest.mark.parametrize("name", BINARY)
def test_operator_between_floats_has_pythons_value(name: str, x: float, y: float) -> None:
    apply = BINARY[name]
    expected = apply(x, y)
    for found in (apply(Value(x), Value(y)), apply(Value(x), y), apply(x, Value(y))):
        assert found.data == expected


@given(st.floats(0.05, 9.0), st.floats(-3.0, 3.0))
def test_power_has_pythons_value_on_either_side(x: float, y: float) -> None:
    assert (Value(x) ** y).data == (x ** Value(y)).data == (Value(x) ** Value(y)).data == pytest.approx(x**y, rel=1e-15)
    a, b = Value(x), Value(y)
    (a**b).backward()
    assert a.grad == pytest.approx(y * x ** (y - 1), rel=1e-12, abs=1e-300)
    assert b.grad == pytest.approx(x**y * math.log(x), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 3, 10])
@pytest.mark.parametrize("x", [-2.5, 0.5, 3.0])
def test_whole_powers_of_any_base(n: int, x: float) -> None:
    v = Value(x)
    (v**n).backward()
    assert v.grad == pytest.approx(n * x ** (n - 1), rel=1e-14)


@pytest.mark.parametrize(
    "step",
    [
        lambda c, v: operator.iadd(c, v),
        lambda c, v: operator.isub(c, v),
        lambda c, v: operator.imul(c, v),
        lambda c, v: operator.itruediv(c, v),
        lambda c, v: operator.ipow(c, 2),
    ],
    ids=["+=", "-=", "*=", "/=", "**="],
)
@pytest.mark.parametrize("x", [1.5, np.array([1.5, 2.5])], ids=["scalar", "array"])
def test_in_place_operator_makes_a_new_number(step: Callable[[Any, Any], Any], x: Any) -> None:
    v, w = Value(x), Value(x * 2)
    before = np.array(v.data)
    c = step(v, w)
    assert c is not v
    np.testing.assert_array_equal(v.data, before)
    c.sum().backward()
    assert np.all(np.not_equal(v.grad, 0.0))


def test_array_on_the_left_of_an_in_place_operator_is_refused_and_stays_as_it_was() -> None:
    a = np.ones(3)
    with pytest.raises(KindError, match=r"a = a \+ v"):
        a += Value(2.0)
    np.testing.assert_array_equal(a, np.ones(3))


@pytest.mark.parametrize(
    "other", [None, "2", {}, object(), 1j, np.array([1j]), np.array(["a"])], ids=lambda x: type(x).__name__
)
@pytest.mark.parametrize("apply", [operator.add, operator.mul, operator.truediv, operator.pow])
def test_operator_with_something_that_is_no_real_number_is_a_type_error(apply: Any, other: Any) -> None:
    with pytest.raises(TypeError):
        apply(Value(2.0), other)
    with pytest.raises(TypeError):
        apply(other, Value(2.0))


def test_matrix_product_with_arrays_and_lists_on_either_side() -> None:
    m, x = np.arange(6.0).reshape(2, 3) - 2, np.array([1.0, -2.0, 0.5])
    v = Value(x)
    np.testing.assert_array_equal((m @ v).data, m @ x)
    np.testing.assert_array_equal((m.tolist() @ v).data, m @ x)
    np.testing.assert_array_equal((v @ m.T).data, x @ m.T)
    assert (v @ v).data == x @ x
    np.testing.assert_array_equal(gradient(lambda u: m @ u, x), m.sum(axis=0))
    with pytest.raises(ArgumentError, match="scalar"):
        v @ 2.0


def test_sum_max_min_sorted_and_prod_of_python_take_values() -> None:
    xs = [Value(x) for x in (3.0, 1.0, 2.0)]
    total = sum(xs) + math.prod(xs) + max(xs) - min(xs) + sorted(xs)[1]
    total.backward()
    assert total.data == 6 + 6 + 3 - 1 + 2
    assert [x.grad for x in xs] == [1 + 2 + 1, 1 + 6 - 1, 1 + 3 + 1]


def test_fractions_and_multiprecision_numbers_keep_their_arithmetic() -> None:
    third = Value(fractions.Fraction(1, 3))
    y = third * third + 1
    y.backward()
    assert y.data == fractions.Fraction(10, 9)
    assert third.grad == pytest.approx(2 / 3)
    with mpmath.workdps(40):
        x = Value(mpmath.mpf(2))
        ops.sqrt(x).backward()
        assert abs(x.grad - 1 / (2 * mpmath.sqrt(2))) < mpmath.mpf(10) ** -38


# --- comparisons, truth, identity ------------------------------------------------------------------------------------


@given(st.floats(allow_nan=True), st.floats(allow_nan=True))
@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne])
def test_comparison_is_that_of_the_plain_numbers(compare: Any, x: float, y: float) -> None:
    expected = compare(x, y)
    for found in (compare(Value(x), Value(y)), compare(Value(x), y), compare(x, Value(y))):
        assert found is expected


def test_comparison_of_arrays_is_a_plain_boolean_array() -> None:
    v = Value(np.array([1.0, 2.0, 3.0]))
    for found in (v > 1.5, np.array([1.5] * 3) < v, np.greater(v, 1.5), np.float64(1.5) < v):
        assert type(found) is np.ndarray
        assert found.tolist() == [False, True, True]
    with pytest.raises(ValueError, match="ambiguous"):
        bool(v > 1.5)


def test_comparison_with_what_is_no_number() -> None:
    v = Value(2.0)
    assert v != None  # noqa: E711  # the operator is what is tested
    assert v != "a"
    with pytest.raises(TypeError):
        assert v < "a"


def test_truth_is_that_of_the_number() -> None:
    assert Value(0.1)
    assert not Value(0.0)
    assert Value(math.nan)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Value(np.ones(2)))


def test_values_are_keys_by_identity() -> None:
    a, b = Value(1.0), Value(1.0)
    assert a == b
    assert len({a, b}) == 2
    assert {a: "a", b: "b"}[a] == "a"


# --- data and grad ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [2, np.int64(2), np.array(2), np.array(2.0), np.float64(2.0), True + 1])
def test_scalar_data_of_any_origin_is_a_python_float(x: Any) -> None:
    v = Value(x)
    assert type(v.data) is float
    assert v.data == 2.0
    assert v.shape == ()
    assert type(v.grad) is float


def test_data_reads_as_a_plain_array_of_float64() -> None:
    assert Value([1, 2]).data.dtype == np.float64
    assert Value(np.array([1, 2], dtype=np.uint8)).data.dtype == np.float64
    assert Value(((1.0, 2.0), (3.0, 4.0))).shape == (2, 2)


@pytest.mark.parametrize(
    "bad",
    [True, np.array([True]), 1j, "a", b"a", None, {}, {1.0}, object(), np.array(["a"]), np.array([None]), [1, "a"]],
)
def test_data_that_is_no_real_number_is_refused_by_name(bad: Any) -> None:
    with pytest.raises((KindError, ArgumentError), match="Value"):
        Value(bad)


def test_matrix_becomes_an_array_whose_product_is_elementwise() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        v = Value(np.matrix([[1.0, 2.0], [3.0, 4.0]]))
    assert type(v.data) is np.ndarray
    np.testing.assert_array_equal((v * v).data, [[1.0, 4.0], [9.0, 16.0]])


def test_data_with_values_inside_is_refused_and_says_what_to_write() -> None:
    v = Value(2.0)
    for bad in ([v, 1.0], np.array([v, 1.0]), ([1.0], [v])):
        with pytest.raises(KindError, match=r"array\("):
            Value(bad)
    with pytest.raises(KindError, match="plain numbers"):
        Value(v)


@pytest.mark.parametrize("big", [10**400, 2**53 + 1, -(10**400)])
def test_integer_too_large_for_a_float_is_refused_by_name(big: int) -> None:
    with pytest.raises(ArgumentError, match="Value"):
        Value(big)


def test_data_may_be_set_between_passes() -> None:
    p = Value(3.0)
    for _ in range(200):
        p.grad = 0
        ((p - 1) ** 2).backward()
        p.data = p.data - 0.1 * p.grad
    assert p.data == pytest.approx(1.0)
    q = Value(np.ones(2))
    q.data -= 0.5
    np.testing.assert_array_equal((q * 1).data, [0.5, 0.5])
    q.data = [2, 3]
    np.testing.assert_array_equal((q * 1).data, [2.0, 3.0])


@pytest.mark.parametrize(("x", "bad"), [(1.0, np.ones(2)), (np.ones(2), 1.0), (np.ones(2), np.ones(3))])
def test_data_and_grad_of_another_shape_are_refused(x: Any, bad: Any) -> None:
    v = Value(x)
    with pytest.raises(ArgumentError, match="shape"):
        v.data = bad
    if np.shape(bad):  # one number may be spread over an array of gradients
        with pytest.raises(ArgumentError, match="shape"):
            v.grad = bad


@pytest.mark.parametrize("bad", [None, "a", 1j])
def test_grad_that_is_no_number_is_refused_by_name(bad: Any) -> None:
    with pytest.raises(KindError, match="grad"):
        Value(1.0).grad = bad


def test_grad_of_a_leaf_starts_at_zero_in_its_shape() -> None:
    assert Value(1.0).grad == 0.0
    np.testing.assert_array_equal(Value(np.ones((2, 3))).grad, np.zeros((2, 3)))


def test_grad_set_to_one_number_fills_the_array() -> None:
    v = Value(np.ones(2))
    v.grad = 3
    np.testing.assert_array_equal(v.grad, [3.0, 3.0])
    (v * v).sum().backward()
    np.testing.assert_array_equal(v.grad, [5.0, 5.0])


def test_gradients_that_are_changed_in_place_do_not_reach_into_each_other() -> None:
    a, b = Value(np.ones(3)), Value(np.ones(3))
    c = a + b
    c.backward(np.ones(3))
    a.grad[0] = 100.0
    np.testing.assert_array_equal(b.grad, np.ones(3))
    np.testing.assert_array_equal(c.grad, np.ones(3))
    c.backward(np.ones(3))
    np.testing.assert_array_equal(b.grad, [2.0, 2.0, 2.0])


def test_cotangent_that_is_changed_after_the_pass_does_not_change_gradients() -> None:
    v, seed = Value(np.ones(2)), np.array([1.0, 2.0])
    y = v * 3
    y.backward(seed)
    seed[:] = 0.0
    np.testing.assert_array_equal(y.grad, [1.0, 2.0])
    np.testing.assert_array_equal(v.grad, [3.0, 6.0])


def test_unknown_attribute_is_refused() -> None:
    with pytest.raises(AttributeError):
        Value(1.0).gard = 0.0  # type: ignore[attr-defined]  # a typo of grad


# --- backward --------------------------------------------------------------------------------------------------------


def euler(state: list[Any], steps: int) -> list[list[Any]]:
    trajectory = [state]
    for _ in range(steps):
        x, v = trajectory[-1]
        trajectory.append([x + 0.1 * v, v - 0.1 * np.sin(x)])
    return trajectory


def test_backward_from_several_ends_accumulates_in_leaves_and_is_fresh_between() -> None:
    start = [Value(0.7), Value(-0.3)]
    trajectory = euler(start, 20)
    trajectory[-1][1].backward()
    first, middle = [s.grad for s in start], trajectory[10][0].grad
    trajectory[-1][0].backward()
    both = [s.grad for s in start]

    def end(i: int, j: int) -> float:
        alone = [Value(0.7), Value(-0.3)]
        euler(alone, 20)[-1][i].backward()
        return float(alone[j].grad)

    assert first == [end(1, 0), end(1, 1)]
    assert both == pytest.approx([end(1, 0) + end(0, 0), end(1, 1) + end(0, 1)], rel=1e-14)
    trajectory[-1][1].backward()
    assert trajectory[10][0].grad == middle


def test_shared_nodes_are_visited_after_all_that_use_them() -> None:
    a = Value(1.0)
    b = a + a
    c = b + b
    c.backward()
    assert (a.grad, b.grad, c.grad) == (4.0, 2.0, 1.0)


def test_backward_twice_doubles_the_leaf_only() -> None:
    a = Value(3.0)
    b = a * a
    c = b * a
    c.backward()
    c.backward()
    assert (a.grad, b.grad, c.grad) == (54.0, 3.0, 1.0)


def test_backward_from_an_intermediate_leaves_the_rest_alone() -> None:
    a = Value(2.0)
    b = a * a
    c = b * 5
    b.backward()
    assert (a.grad, b.grad, c.grad) == (4.0, 1.0, 0.0)


@pytest.mark.parametrize(
    "seed", [[1.0, 2.0], (1, 2), np.array([1, 2]), np.array([1.0, 2.0]), np.arange(2, 0, -1)[::-1]]
)
def test_cotangent_of_an_array_may_be_anything_that_becomes_one(seed: Any) -> None:
    v = Value(np.array([3.0, 4.0]))
    y = v * v
    y.backward(seed)
    np.testing.assert_array_equal(v.grad, [6.0, 16.0])
    assert y.grad.dtype == np.float64


def test_cotangent_of_a_scalar_scales() -> None:
    v = Value(3.0)
    (v * v).backward(0.5)
    assert v.grad == 3.0


@pytest.mark.parametrize("bad", [None, 1.0, np.ones(3), [1.0], "ab", [1j, 2.0]])
def test_cotangent_of_another_shape_or_kind_is_refused(bad: Any) -> None:
    with pytest.raises((ArgumentError, KindError)):
        (Value(np.ones(2)) * 2).backward(bad)


@given(st.lists(FINITE, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_gradient_does_not_depend_on_the_order_of_creation_beyond_rounding(xs: list[float], random: Any) -> None:
    def build(order: list[int]) -> list[float]:
        vs = [Value(x) for x in xs]
        terms = {i: np.sin(vs[i]) * vs[i - 1] for i in order}
        sum(terms[i] for i in sorted(terms)).backward()
        return [v.grad for v in vs]

    order = list(range(len(xs)))
    straight = build(order)
    random.shuffle(order)
    assert build(order) == pytest.approx(straight, rel=1e-14, abs=1e-14)


def test_exceptional_numbers_flow_and_do_not_warn() -> None:
    v = Value(np.array([0.0, -1.0, 1e308, np.inf, np.nan]))
    y = ops.where(v > 0, ops.log(v), 0.0) + ops.sqrt(ops.abs(v)) + ops.exp(v)
    y.sum().backward()
    assert np.isfinite(v.grad[[0, 1]]).all()
    assert np.isnan(v.grad[4])


# --- floats of another width -----------------------------------------------------------------------------------------


SCALAR_WORK: dict[str, Callable[[Any], Any]] = {
    "x + 1": lambda x: x + 1,
    "2 * x": lambda x: 2 * x,
    "x / 3.0": lambda x: x / 3.0,
    "1 / x": lambda x: 1 / x,
    "x**2": lambda x: x**2,
    "x**0.5": lambda x: x**0.5,
    "x**-1": lambda x: x**-1,
    "2.0**x": lambda x: 2.0**x,
    "x * x": lambda x: x * x,
    "x % 0.3": lambda x: x % 0.3,
    "-x": lambda x: -x,
    "abs": abs,
    "sin": np.sin,
    "exp": np.exp,
    "tanh": np.tanh,
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "softplus": ops.softplus,
    "where": lambda x: ops.where(x > 0, x, 0.0),
    "clip": lambda x: np.clip(x, 0.0, 1.0),
    "maximum": lambda x: np.maximum(x, 0.1),
    "sign": lambda x: np.sign(x) * x,
}
ARRAY_WORK: dict[str, Callable[[Any], Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "norm": np.linalg.norm,
    "det": np.linalg.det,
    "inv": np.linalg.inv,
    "solve": lambda v: np.linalg.solve(v, v),
    "transpose": np.transpose,
    "ravel": np.ravel,
    "cumsum": np.cumsum,
    "var": np.var,
    "std": np.std,
    "zeros_like": np.zeros_like,
    "ones_like": np.ones_like,
    "@": lambda v: v @ v,
    "row": lambda v: v[0],
    "pick": lambda v: v[[0, 1, 0]],
    "stack": lambda v: np.stack([v, v]),
    "concatenate": lambda v: np.concatenate([v, v]),
    "trace": np.trace,
    "diag": np.diag,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.longdouble])
@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.parametrize("name", SCALAR_WORK)
def test_width_of_the_float_is_kept_by_value_and_gradient(name: str, shape: tuple[int, ...], dtype: Any) -> None:
    x = Value(np.full(shape, 0.5, dtype=dtype)[()])
    y = SCALAR_WORK[name](x)
    assert np.asarray(y.data).dtype == dtype
    y.sum().backward()
    assert np.asarray(x.grad).dtype == dtype


@pytest.mark.parametrize("name", ARRAY_WORK)
def test_width_of_the_float_is_kept_by_array_functions(name: str) -> None:
    x = Value(np.array([[2.0, 0.5], [0.25, 1.0]], dtype=np.float32))
    y = ARRAY_WORK[name](x)
    assert np.asarray(y.data).dtype == np.float32
    y.sum().backward()
    assert np.asarray(x.grad).dtype == np.float32


# --- what would drop a derivative ------------------------------------------------------------------------------------


def _store(v: Any) -> None:
    np.zeros(3)[0] = v


def _store_part(v: Any) -> None:
    np.zeros((2, 3))[0, :] = v


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "int": int,
    "complex": complex,
    "round": round,
    "round to two": lambda v: round(v, 2),
    "math.sin": math.sin,
    "math.floor": math.floor,
    "math.ceil": math.ceil,
    "math.trunc": math.trunc,
    "math.isnan": math.isnan,
    "math.hypot": lambda v: math.hypot(v, 1.0),
    "math.pow": lambda v: math.pow(2.0, v),
    "store": _store,
    "store a part": _store_part,
    "array(float)": lambda v: np.array([v, 1.0], dtype=float),
    "array(float32)": lambda v: np.array([1.0, v], dtype=np.float32),
    "asarray(float)": lambda v: np.asarray(v, dtype=float),
    "np.float64": np.float64,
    "np.float32": np.float32,
    "fill": lambda v: np.zeros(3).fill(v),
    "full": lambda v: np.full(3, v, dtype=float),
    "full_like": lambda v: np.full_like(np.zeros(3), v),
    "astype": lambda v: np.array([v]).astype(float),
    "arange": lambda v: np.arange(v),
    "index of a list": lambda v: [1, 2, 3][v],
    "range": range,
    "format %": lambda v: "%f" % v,  # noqa: UP031  # the operator is what is tested
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversion_to_a_plain_number_is_refused_and_names_data(name: str) -> None:
    with pytest.raises(TypeError, match=r"\.data"):
        CONVERSIONS[name](Value(1.25))


def test_store_of_an_array_into_a_float_array_is_refused_and_names_data() -> None:
    for target in (np.zeros(3), np.zeros((2, 3))):
        with pytest.raises(TypeError, match=r"\.data"):
            target[...] = Value(np.ones(3))
    with pytest.raises(TypeError, match=r"\.data"):
        np.array(Value(np.ones(3)), dtype=float)


def test_index_that_is_a_value_is_refused() -> None:
    with pytest.raises((TypeError, IndexError)):
        np.arange(3)[Value(1.0)]
    with pytest.raises(KindError, match=r"\.data"):
        Value(np.ones(3))[Value(1.0)]
    with pytest.raises(KindError, match=r"\.data"):
        Value(np.ones((3, 3)))[0, Value(1.0)]


def test_scalar_is_no_sequence() -> None:
    for f in (len, iter, list):
        with pytest.raises(TypeError):
            f(Value(1.0))
    with pytest.raises(TypeError):
        Value(1.0)[0]


# --- showing, copying ------------------------------------------------------------------------------------------------


def test_repr_shows_the_number_and_the_gradient_it_has() -> None:
    v = Value(3.0)
    assert repr(v) == str(v) == f"{v}" == "Value(3.0)"
    (v * v).backward()
    assert repr(v) == "Value(3.0, grad=6.0)"
    assert repr(Value(np.array([1.0, 2.0]))) == "Value(array([1., 2.]))"


def test_format_is_that_of_the_number() -> None:
    assert f"{Value(3.14159):.2f}" == "3.14"
    assert f"{Value(3.14159):>8.3g}|" == "    3.14|"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
@pytest.mark.parametrize("x", [2.0, np.array([2.0, 3.0])], ids=["scalar", "array"])
def test_copy_of_a_leaf_is_a_leaf_of_its_own(duplicate: Callable[[Any], Any], x: Any) -> None:
    v = Value(x)
    w = duplicate(v)
    np.testing.assert_array_equal(w.data, v.data)
    (w * w).sum().backward()
    np.testing.assert_array_equal(v.grad, np.zeros(np.shape(x)))
    if np.shape(x):
        w.data[0] = 99.0
        assert v.data[0] == 2.0


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_copy_of_a_computed_value_is_refused(duplicate: Callable[[Any], Any]) -> None:
    with pytest.raises(KindError, match="tape"):
        duplicate(Value(2.0) * 2)


@pytest.mark.parametrize("x", [np.zeros(0), np.zeros((0, 3)), np.zeros((3, 0))], ids=lambda x: str(x.shape))
def test_empty_array_passes_through(x: Any) -> None:
    v = Value(x)
    y = (np.sin(v) * 2 + v**2).sum()
    assert y.data == 0.0
    y.backward()
    assert v.grad.shape == x.shape
    assert len(v) == x.shape[0]
    assert array_ops.concatenate([v, v]).shape == (2 * x.shape[0], *x.shape[1:])


def test_errors_of_values_are_errors_of_diffsim_and_of_python() -> None:
    with pytest.raises(TypeError):
        float(Value(1.0))
    with pytest.raises(ValueError, match="backward"):
        Value(np.ones(2)).backward()
    assert issubclass(KindError, DiffsimError)
