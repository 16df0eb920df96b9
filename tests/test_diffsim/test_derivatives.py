"""grad, value_and_grad, jvp, vjp, jacobian, hessian, hvp, pushforward: arguments, trees, nesting, refusals."""

from __future__ import annotations

import itertools
import math
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim import array_ops, ops
from diffsim.derivatives import grad, hessian, hvp, jacobian, jvp, pushforward, value_and_grad, vjp
from diffsim.errors import ArgumentError, KindError
from diffsim.value import Value

Point = namedtuple("Point", ["q", "p"])


def forward(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """Derivative of a function of scalars, in forward mode."""

    def derivative(*args: Any) -> Any:
        return jvp(lambda x: f(*args[:argnum], x, *args[argnum + 1 :]), (args[argnum],), (1.0,))[1]

    return derivative


def reverse(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    return grad(f, argnum)


def pulled(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    def derivative(*args: Any) -> Any:
        return vjp(f, *args)[1](1.0)[argnum]

    return derivative


def by_matrix(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    return jacobian(f, argnum)


MODES = {"forward": forward, "reverse": reverse, "pulled": pulled, "matrix": by_matrix}


def wave(x: Any) -> Any:
    """A function with derivatives of all orders, none of them zero."""
    return np.sin(x) * np.exp(0.3 * x) + x**3 / (1 + x * x)


# --- arguments -------------------------------------------------------------------------------------------------------


def product(x: Any, y: Any, z: Any = 2.0) -> Any:
    return x * y**2 * z**3


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [
        (0, 9.0 * 8),
        (1, 2 * 3.0 * 5 * 8),
        (2, 5 * 9 * 3 * 4.0),
        (-1, 5 * 9 * 3 * 4.0),
        (-3, 9.0 * 8),
        ((0, 2), (72.0, 540.0)),
        ([2, 0], (540.0, 72.0)),
        ((1,), (240.0,)),
        ((-1, 0), (540.0, 72.0)),
        ((), ()),
        (np.int64(1), 240.0),
    ],
)
def test_argnums_choose_the_arguments(argnums: Any, expected: Any) -> None:
    assert grad(product, argnums)(5.0, 3.0, 2.0) == expected
    assert value_and_grad(product, argnums)(5.0, 3.0, 2.0) == (360.0, expected)
    assert jacobian(product, argnums)(5.0, 3.0, 2.0) == expected


@pytest.mark.parametrize("argnums", [3, -4, (0, 5), "x", 1.0, None, (0, 0), (2, -1), True, (0.0,)])
@pytest.mark.parametrize("maker", [grad, value_and_grad, jacobian, hessian])
def test_argnums_that_are_no_distinct_positions_are_refused(maker: Any, argnums: Any) -> None:
    with pytest.raises((ArgumentError, KindError), match="argnums"):
        maker(product, argnums)(5.0, 3.0, 2.0)


def test_arguments_by_name_are_passed_on() -> None:
    assert grad(product)(5.0, 3.0, z=1.0) == 9.0
    assert value_and_grad(product)(5.0, y=3.0, z=1.0) == (45.0, 9.0)
    assert jacobian(product)(5.0, y=3.0) == 72.0
    assert hessian(product, 1)(5.0, 3.0, z=1.0) == 10.0


def test_argument_to_differentiate_by_that_is_passed_by_name_is_refused() -> None:
    with pytest.raises(ArgumentError, match="argnums"):
        grad(product)(x=5.0, y=3.0)


def test_other_arguments_are_passed_as_they_are() -> None:
    marker = object()

    def f(x: Any, other: Any, *rest: Any, **names: Any) -> Any:
        assert other is marker
        assert rest == ("a", None)
        assert names == {"flag": True}
        return x * 2

    assert grad(f)(1.0, marker, "a", None, flag=True) == 2.0


@pytest.mark.parametrize("x", [2, np.int64(2), np.float64(2.0), np.array(2.0), np.array(2), 2.0])
def test_scalar_of_any_origin_gives_a_python_float(x: Any) -> None:
    value, slope = value_and_grad(lambda t: t * t)(x)
    assert (type(value), type(slope)) == (float, float)
    assert slope == 4.0
    assert type(jvp(lambda t: t * t, (x,), (1,))[1]) is float
    assert type(jacobian(lambda t: t * t)(x)) is float


def test_arguments_and_results_are_not_changed_and_not_shared() -> None:
    x = np.array([1.0, 2.0])
    y = grad(lambda v: np.sum(v) + 0.0 * v[0])(x)
    y[0] = 99.0
    np.testing.assert_array_equal(x, [1.0, 2.0])
    value, pullback = vjp(lambda v: v, x)
    assert value is not x
    first = pullback(np.ones(2))[0]
    first[0] = 99.0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], np.ones(2))


def test_function_keeps_its_name_and_docstring() -> None:
    assert grad(product).__name__ == "product"
    assert value_and_grad(wave).__doc__ == wave.__doc__


# --- trees -----------------------------------------------------------------------------------------------------------


def energy(tree: Any) -> Any:
    return np.sum(tree["x"] ** 2) * tree["k"][0] + tree["k"][1] * tree["p"].q * tree["p"].p + tree["m"][0][1]


def tree() -> dict[str, Any]:
    return {"x": np.array([1.0, 2.0]), "k": (3.0, 4.0), "p": Point(5.0, 6.0), "m": [[7.0, 8.0], 9.0]}


def check_energy_gradient(g: Any) -> None:
    np.testing.assert_array_equal(g["x"], [6.0, 12.0])
    assert g["k"] == (5.0, 30.0)
    assert g["p"] == Point(24.0, 20.0)
    assert type(g["p"]) is Point
    assert g["m"] == [[0.0, 1.0], 0.0]
    assert list(g) == ["x", "k", "p", "m"]


def test_gradient_has_the_form_of_the_argument() -> None:
    check_energy_gradient(grad(energy)(tree()))
    check_energy_gradient(vjp(energy, tree())[1](1.0)[0])
    check_energy_gradient(jacobian(energy, mode="reverse")(tree()))
    check_energy_gradient(jacobian(energy, mode="forward")(tree()))


def test_directional_derivative_along_a_tree() -> None:
    direction = {"x": np.array([1.0, 0.0]), "k": (0.0, 1.0), "p": Point(0.5, 0.0), "m": [[0.0, 2.0], 3.0]}
    assert jvp(energy, (tree(),), (direction,)) == (143.0, 6 + 30 + 12 + 2)


def test_result_may_be_a_tree() -> None:
    def f(x: Any) -> Any:
        return {"a": x[0] * x[1], "b": [x * 2, Point(x[0] ** 2, 3.0)], "c": ()}

    x = np.array([2.0, 5.0])
    value, tangent = jvp(f, (x,), (np.array([1.0, 0.0]),))
    assert value["a"] == 10.0
    assert tangent["a"] == 5.0
    np.testing.assert_array_equal(tangent["b"][0], [2.0, 0.0])
    assert tangent["b"][1] == Point(4.0, 0.0)
    assert tangent["c"] == ()
    j = jacobian(f)(x)
    np.testing.assert_array_equal(j["a"], [5.0, 2.0])
    np.testing.assert_array_equal(j["b"][1].p, [0.0, 0.0])
    value, pullback = vjp(f, x)
    (back,) = pullback({"a": 1.0, "b": [np.array([0.0, 1.0]), Point(1.0, 100.0)], "c": ()})
    np.testing.assert_array_equal(back, [5 + 4, 2 + 2])


def test_dicts_are_matched_by_key_and_not_by_order() -> None:
    def f(d: Any) -> Any:
        return d["a"] ** 2 * d["b"]

    assert jvp(f, ({"a": 2.0, "b": 3.0},), ({"b": 0.0, "a": 1.0},)) == (12.0, 12.0)
    assert vjp(lambda x: {"a": x, "b": x**2}, 3.0)[1]({"b": 0.0, "a": 1.0}) == (1.0,)
    assert hvp(f, {"a": 2.0, "b": 3.0}, {"b": 0.0, "a": 1.0}) == {"a": 6.0, "b": 4.0}


@pytest.mark.parametrize(
    "tangent", [{"a": 1.0}, {"a": 1.0, "c": 0.0}, [1.0, 0.0], 1.0, {"a": [1.0], "b": 0.0}, {"a": None, "b": 1.0}]
)
def test_tangent_and_cotangent_of_another_form_are_refused(tangent: Any) -> None:
    with pytest.raises((ArgumentError, KindError), match="jvp"):
        jvp(lambda d: d["a"] * d["b"], ({"a": 2.0, "b": 3.0},), (tangent,))
    with pytest.raises((ArgumentError, KindError), match="pullback"):
        vjp(lambda x: {"a": x, "b": x * 2}, 3.0)[1](tangent)


def test_hessian_of_a_tree_is_a_tree_of_trees() -> None:
    h = hessian(lambda t: t["a"] ** 2 * np.sum(t["b"]))({"a": 3.0, "b": np.array([1.0, 2.0])})
    assert h["a"]["a"] == 6.0
    np.testing.assert_array_equal(h["a"]["b"], [6.0, 6.0])
    np.testing.assert_array_equal(h["b"]["a"], [6.0, 6.0])
    np.testing.assert_array_equal(h["b"]["b"], np.zeros((2, 2)))


def test_jacobian_blocks_have_result_axes_before_argument_axes() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0])

    def f(m: Any, v: Any) -> Any:
        return np.stack([m * v[0], m * m * v[1]])

    for mode in ("forward", "reverse", "auto"):
        by_m, by_v = jacobian(f, (0, 1), mode)(a, b)
        assert by_m.shape == (2, 2, 3, 2, 3)
        assert by_v.shape == (2, 2, 3, 2)
        np.testing.assert_array_equal(by_m[0, 1, 2], b[0] * np.eye(6).reshape(2, 3, 2, 3)[1, 2])
        np.testing.assert_array_equal(by_v[1, :, :, 1], a * a)


# --- what functions return -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("constant", [3, 3.0, np.float64(3.0), np.int64(3), np.array(3.0)])
def test_function_that_returns_a_constant_has_the_gradient_zero(constant: Any) -> None:
    assert value_and_grad(lambda x: constant)(2.0) == (3.0, 0.0)
    assert jvp(lambda x: constant, (2.0,), (1.0,)) == (3.0, 0.0)
    assert jacobian(lambda x: constant)(2.0) == 0.0
    np.testing.assert_array_equal(grad(lambda x: constant)(np.ones(2)), [0.0, 0.0])


def test_function_that_returns_an_argument_it_is_not_differentiated_by() -> None:
    assert grad(lambda x, y: y)(2.0, 3.0) == 0.0
    np.testing.assert_array_equal(jacobian(lambda x, y: y)(2.0, np.ones(3)), np.zeros(3))
    assert jvp(lambda x: [x, 5, 7.0], (2.0,), (1.0,)) == ([2.0, 5, 7.0], [1.0, 0.0, 0.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.array([x[0] * x[1], x[0]]),
        lambda x: np.array([x[0] * x[1], x[0]], dtype=object),
        lambda x: array_ops.stack([x[0] * x[1], x[0]]),
        lambda x: np.stack([x[0] * x[1], x[0]]),
        lambda x: array_ops.array((x[0] * x[1], x[0])),
        lambda x: np.concatenate([x[:1] * x[1:], x[:1]]),
    ],
)
def test_arrays_however_put_together_are_one_result(f: Callable[[Any], Any]) -> None:
    x = np.array([2.0, 5.0])
    for mode in ("forward", "reverse"):
        np.testing.assert_array_equal(jacobian(f, mode=mode)(x), [[5.0, 2.0], [1.0, 0.0]])
    np.testing.assert_array_equal(vjp(f, x)[1](np.array([1.0, 0.0]))[0], [5.0, 2.0])


def test_zero_dimensional_object_array_is_a_scalar_result() -> None:
    assert grad(lambda x: np.array(x * x))(3.0) == 6.0
    assert grad(lambda x: np.asarray(x * x)[()])(3.0) == 6.0


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x,
        lambda x: [x[0], x[1]],
        lambda x: x[:1],
        lambda x: (),
        lambda x: {"a": x[0], "b": 1.0},
        lambda x: np.ones(2),
        lambda x: np.array([x[0]]),
    ],
)
def test_gradient_of_something_that_is_no_scalar_is_refused(f: Callable[[Any], Any]) -> None:
    with pytest.raises(ArgumentError, match=r"one scalar.*jacobian"):
        grad(f)(np.ones(2))


@pytest.mark.parametrize(
    "bad",
    [None, "a", 1j, True, np.True_, {1.0}, object(), np.array([1j]), np.array(["a"])],
    ids=lambda x: type(x).__name__,
)
@pytest.mark.parametrize("who", ["grad", "jvp", "vjp", "jacobian", "pushforward"])
def test_result_that_is_no_real_number_is_refused_by_name(who: str, bad: Any) -> None:
    calls: dict[str, Callable[[Any], Any]] = {
        "grad": lambda f: grad(f)(1.0),
        "jvp": lambda f: jvp(f, (1.0,), (1.0,)),
        "vjp": lambda f: vjp(f, 1.0),
        "jacobian": lambda f: jacobian(f)(1.0),
        "pushforward": lambda f: pushforward(f, (1.0,), (np.ones(2),)),
    }
    with pytest.raises(KindError, match=f"{who}.*must return"):
        calls[who](lambda x: bad)


def test_forgotten_return_is_named() -> None:
    def f(x: Any) -> Any:
        x * 2  # nothing is returned

    with pytest.raises(KindError, match="return"):
        grad(f)(1.0)


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grad(product)("a", 1.0), ["grad", "argument 0", "'a'"]),
        (lambda: grad(product, 1)(1.0, None), ["grad", "argument 1", "None"]),
        (lambda: grad(energy)({"x": [1.0, {"deep": "a"}]}), ["argument 0['x'][1]['deep']", "'a'"]),
        (lambda: grad(energy)({"x": [1.0, 1j]}), ["argument 0['x'][1]", "real"]),
        (lambda: jvp(energy, ({"x": True},), ({"x": 1.0},)), ["jvp", "primals[0]['x']", "True"]),
        (lambda: jvp(product, (1.0, 2.0), (1.0, None)), ["jvp", "tangents[1]", "None"]),
        (lambda: jacobian(product)(np.array(["a"]), 1.0), ["jacobian", "argument 0"]),
        (lambda: vjp(product, 1.0, np.array([1j])), ["vjp", "argument 1"]),
        (lambda: jvp(product, (1.0, 2.0), (1.0, np.ones(2))), ["jvp", "shape ()", "shape (2,)"]),
        (lambda: jvp(product, (1.0, 2.0), (1.0,)), ["jvp", "tangents"]),
        (lambda: jvp(product, 1.0, 1.0), ["jvp", "tuples"]),
        (lambda: vjp(wave, 1.0)[1](np.ones(2)), ["pullback", "shape ()", "shape (2,)"]),
        (lambda: jacobian(wave, mode="backward"), ["jacobian", "mode", "'backward'"]),
        (lambda: pushforward(wave, (1.0,), (1.0,)), ["pushforward", "leading axis"]),
        (lambda: pushforward(wave, (np.ones(3),), (np.ones((2, 4)),)), ["pushforward", "(2, 3)", "(2, 4)"]),
        (lambda: grad(wave)(object()), ["grad", "argument 0"]),
        (lambda: grad(wave)(len), ["grad", "argument 0"]),
        (lambda: grad(wave)(x for x in (1.0,)), ["grad", "argument 0"]),
    ],
)
def test_message_names_the_argument_and_what_was_got(call: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises((KindError, ArgumentError)) as info:
        call()
    for word in words:
        assert word in str(info.value)


def test_error_of_the_function_itself_comes_through() -> None:
    def f(x: Any) -> Any:
        raise ZeroDivisionError("mine")

    for call in (lambda: grad(f)(1.0), lambda: jvp(f, (1.0,), (1.0,)), lambda: hessian(f)(1.0)):
        with pytest.raises(ZeroDivisionError, match="mine"):
            call()


# --- nesting ---------------------------------------------------------------------------------------------------------


def taylor(x: float, order: int) -> float:
    with mpmath.workdps(40):
        return float(mpmath.diff(lambda t: mpmath.sin(t) * mpmath.exp(0.3 * t) + t**3 / (1 + t * t), x, order))


@pytest.mark.parametrize("modes", list(itertools.product(MODES, repeat=2)), ids=" over ".join)
def test_second_derivative_in_every_composition_of_modes(modes: tuple[str, str]) -> None:
    f: Any = wave
    for mode in modes:
        f = MODES[mode](f)
    assert f(0.7) == pytest.approx(taylor(0.7, 2), rel=1e-13)


@pytest.mark.parametrize(
    "modes",
    [*itertools.product(("forward", "reverse"), repeat=4), ("pulled", "matrix", "pulled", "matrix")],
    ids=" ".join,
)
def test_fourth_derivative_in_compositions_of_modes(modes: tuple[str, ...]) -> None:
    f: Any = wave
    for mode in modes:
        f = MODES[mode](f)
    assert f(0.7) == pytest.approx(taylor(0.7, 4), rel=1e-12)


@pytest.mark.parametrize("modes", list(itertools.product(MODES, repeat=2)), ids=" in ".join)
def test_perturbations_are_not_confused(modes: tuple[str, str]) -> None:
    inner, outer = (MODES[mode] for mode in modes)
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0
    assert outer(lambda x: x * inner(lambda y: x * y)(2.0))(2.0) == 4.0
    assert outer(lambda x: inner(lambda y: x)(x))(3.0) == 0.0
    assert outer(lambda x: inner(lambda y: y * y * x)(x))(3.0) == 4 * 3.0
    assert outer(lambda x: inner(lambda y: inner(lambda z: x * y * z)(y * x))(x) * x)(1.5) == 2 * 1.5


def test_perturbation_of_a_function_that_returns_a_function() -> None:
    def shift(x: float) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
        return lambda f: lambda y: f(y + x)

    def derivative_of_shift(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda y: forward(lambda x: shift(x)(f)(y))(0.0)

    assert derivative_of_shift(derivative_of_shift(np.sin))(0.4) == pytest.approx(-math.sin(0.4))


@pytest.mark.parametrize("modes", list(itertools.product(("forward", "reverse"), repeat=2)), ids=" over ".join)
def test_hessian_in_every_composition_of_modes(modes: tuple[str, str]) -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * np.roll(x, 1)) + np.prod(x) + np.linalg.norm(x) * np.max(x)

    x = np.array([0.4, -0.7, 1.2])
    h = jacobian(jacobian(f, mode=modes[0]), mode=modes[1])(x)
    np.testing.assert_allclose(h, hessian(f)(x), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(h, h.T, rtol=1e-13, atol=1e-14)
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(hvp(f, x, v), h @ v, rtol=1e-13)
    by_direction = jvp(lambda y: jvp(f, (y,), (v,))[1], (x,), (v,))[1]
    assert by_direction == pytest.approx(v @ h @ v)


def test_third_derivative_tensor_of_an_array_function_is_symmetric() -> None:
    x = np.array([0.4, -0.7, 1.2])
    t = jacobian(hessian(lambda v: np.sum(np.cumsum(np.sin(v)) ** 3)))(x)
    assert t.shape == (3, 3, 3)
    for axes in itertools.permutations(range(3)):
        np.testing.assert_allclose(t.transpose(axes), t, rtol=1e-12, atol=1e-13)


@given(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_mixed_derivatives_commute(x: float, y: float) -> None:
    def f(a: Any, b: Any) -> Any:
        return np.sin(a * b) + np.exp(a - b) / (1 + b * b)

    xy = grad(grad(f, 0), 1)(x, y)
    assert grad(grad(f, 1), 0)(x, y) == pytest.approx(xy, rel=1e-12, abs=1e-12)
    assert forward(grad(f, 0), 1)(x, y) == pytest.approx(xy, rel=1e-12, abs=1e-12)
    assert grad(forward(f, 1), 0)(x, y) == pytest.approx(xy, rel=1e-12, abs=1e-12)
    assert forward(forward(f, 1), 0)(x, y) == pytest.approx(xy, rel=1e-12, abs=1e-12)


@given(st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3), st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3))
def test_cotangents_and_tangents_are_adjoint(v: list[float], w: list[float]) -> None:
    def f(x: Any) -> Any:
        return np.stack([x[0] * x[1], np.sin(x[2]), np.sum(x**2)])

    x = np.array([0.5, -1.2, 0.8])
    tangent = jvp(f, (x,), (np.array(v),))[1]
    cotangent = vjp(f, x)[1](np.array(w))[0]
    assert np.dot(w, tangent) == pytest.approx(np.dot(cotangent, v), abs=1e-12)


# --- closures and control flow ---------------------------------------------------------------------------------------


def test_closure_over_a_value_stays_on_its_tape() -> None:
    p = Value(3.0)
    for derivative in (grad, forward, pulled, by_matrix):
        p.grad = 0.0
        slope = derivative(lambda x: p * x**2)(2.0)
        slope.backward()
        assert (slope.data, p.grad) == (12.0, 4.0)


def test_closure_over_an_array_value_stays_on_its_tape() -> None:
    p = Value(np.array([1.0, 2.0]))
    g = grad(lambda x: np.sum(np.sin(p * x)))(np.array([0.3, 0.4]))
    np.sum(g).backward()
    at = p.data * [0.3, 0.4]
    np.testing.assert_allclose(p.grad, np.cos(at) - at * np.sin(at), rtol=1e-14)


def test_values_may_be_arguments_of_every_derivative() -> None:
    def calls(x: Any) -> list[Any]:
        return [
            grad(wave)(x),
            value_and_grad(wave)(x)[1],
            jvp(wave, (x,), (1.0,))[1],
            jvp(wave, (0.7,), (x,))[1],
            vjp(wave, x)[1](1.0)[0],
            vjp(wave, 0.7)[1](x)[0],
            jacobian(wave, mode="forward")(x),
            jacobian(wave, mode="reverse")(x),
            hessian(wave)(x),
            hvp(wave, x, 1.0),
            pushforward(wave, (x,), (np.ones(2),))[1].sum(),
        ]

    for i, plain in enumerate(calls(0.7)):
        x = Value(0.7)
        y = calls(x)[i]
        assert isinstance(y, Value)
        assert y.data == pytest.approx(plain, rel=1e-15)
        y.backward()
        assert x.grad == pytest.approx(grad(lambda t, i=i: calls(t)[i])(0.7), rel=1e-13)


def test_values_made_inside_the_function_and_their_backward() -> None:
    def f(x: Any) -> Any:
        v = Value(x * 2)
        y = v * v * v
        y.backward()
        return v.grad * x  # 3 (2 x)**2 x

    assert grad(f)(1.5) == 36 * 1.5**2
    assert forward(f)(1.5) == 36 * 1.5**2


def test_backward_of_the_differentiated_number_itself_is_refused_or_harmless() -> None:
    def f(x: Any) -> Any:
        y = x * x
        y.backward()
        return y

    try:
        found = grad(f)(3.0)
    except (KindError, ArgumentError):
        return
    assert found == 6.0


def test_gradient_read_inside_is_not_taken_for_a_constant() -> None:
    def f(x: Any) -> Any:
        (x**3).backward()
        return x.grad

    with pytest.raises((KindError, ArgumentError), match="grad"):
        grad(f)(2.0)


def test_value_made_inside_and_kept_differentiates_outside_too() -> None:
    kept: list[Value] = []

    def f(x: Any) -> Any:
        if not kept:
            kept.append(Value(5.0))
        return x * kept[0]

    assert grad(f)(2.0) == 5.0
    assert grad(f)(2.0) == 5.0
    p, w = kept[0], Value(3.0)
    y = p * w * w
    y.backward()
    assert (float(y.data), float(p.grad), float(w.grad)) == (45.0, 9.0, 30.0)


def bisection(x: Any) -> Any:
    low, high = 0.0 * x, 1.0 + x
    while (high - low) > 1e-3:
        middle = 0.5 * (low + high)
        if middle * middle > x:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def heron(x: Any) -> Any:
    y = x
    while abs(y * y - x) > 1e-14 * abs(x):
        y = 0.5 * (y + x / y)
    return y


def fibonacci(n: int, x: Any) -> Any:
    return x if n < 2 else fibonacci(n - 1, x) + np.sin(fibonacci(n - 2, x))


def generated(x: Any) -> Iterator[Any]:
    while True:
        yield x
        x = x * 0.5 + np.cos(x)


@pytest.mark.parametrize(
    "f",
    [
        heron,
        lambda x: fibonacci(7, x),
        lambda x: sum(itertools.islice(generated(x), 10)),
        lambda x: x**2 if x > 1 else -x,
        lambda x: math.prod(x + k for k in range(4)),
        lambda x: max(x, x * x) + min(x, 3.0),
        lambda x: abs(x - 3) * (x if x else 1.0),
        lambda x: sorted([x, 1.0, x * x])[1],
        lambda x: [x * k for k in range(5)][-1],
        lambda x: {"a": x, "b": x * x}["b"],
        lambda x: (lambda y: y * x)(x + 1),
        lambda x: sum(x * k for k in range(5) if x * k < 3),
        bisection,
    ],
)
def test_python_control_flow_differentiates(f: Callable[[Any], Any]) -> None:
    x, h = 1.3, 1e-5
    expected = (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
    for derivative in MODES.values():
        assert derivative(f)(x) == pytest.approx(expected, rel=1e-7)


def test_pullback_may_be_called_many_times_and_inside_other_derivatives() -> None:
    value, pullback = vjp(lambda x, y: x * y**2, 2.0, 3.0)
    assert value == 18.0
    for k in range(5):
        assert pullback(float(k)) == (9.0 * k, 12.0 * k)
    assert grad(lambda g: pullback(g)[1] * g)(2.0) == 48.0
    assert forward(lambda g: pullback(g * g)[0])(2.0) == 36.0
    with pytest.raises(KindError):
        pullback(None)
    assert pullback(1.0) == (9.0, 12.0)


def test_level_is_restored_when_a_function_raises_in_the_middle() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            raise RuntimeError("in the middle")
        return x

    for _ in range(3):
        for call in (lambda: grad(grad(f))(1.0), lambda: jvp(grad(f), (1.0,), (1.0,)), lambda: jacobian(f)(1.0)):
            with pytest.raises(RuntimeError, match="middle"):
                call()
    v = Value(2.0)
    (v * grad(lambda x: x * v)(1.0)).backward()
    assert v.grad == 4.0


def test_generator_that_is_advanced_inside_and_outside() -> None:
    start = Value(0.5)
    sequence = generated(start)
    next(sequence)

    def f(x: Any) -> Any:
        return x * next(sequence)

    slope = grad(f)(2.0)
    outside = next(sequence)
    (slope * outside).backward()
    h = 1e-5

    def plain(p: float) -> float:
        _, a, b = itertools.islice(generated(p), 3)
        return float(a * b)

    assert start.grad == pytest.approx((plain(0.5 + h) - plain(0.5 - h)) / (2 * h), rel=1e-7)


# --- many directions, sizes and widths -------------------------------------------------------------------------------


def test_many_directions_are_single_directions_side_by_side() -> None:
    def f(m: Any, v: Any) -> Any:
        s = np.sin(m) @ v
        s = np.where(s > 0, s * s, -s) + np.cumsum(v)[::-1] + np.linalg.solve(m + 3 * np.eye(3), v)
        return {"s": s, "n": np.linalg.norm(m, axis=0)[[0, 2, 0]], "d": np.linalg.det(m) * np.max(v), "c": m[1:, :2].T}

    generator = np.random.default_rng(1)
    m, v = generator.normal(size=(3, 3)), generator.normal(size=3)
    dm, dv = generator.normal(size=(5, 3, 3)), generator.normal(size=(5, 3))
    value, many = pushforward(f, (m, v), (dm, dv))
    for k in range(5):
        single_value, single = jvp(f, (m, v), (dm[k], dv[k]))
        for name in single:
            np.testing.assert_array_equal(value[name], single_value[name])
            np.testing.assert_allclose(many[name][k], single[name], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("k", [0, 1, 3])
def test_number_of_directions_may_be_any(k: int) -> None:
    value, tangents = pushforward(lambda x: np.stack([x[0], np.sum(x * x)]), (np.ones(4),), (np.ones((k, 4)),))
    np.testing.assert_array_equal(value, [1.0, 4.0])
    np.testing.assert_array_equal(tangents, np.tile([1.0, 8.0], (k, 1)))


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
@pytest.mark.parametrize(("f", "shape"), [(lambda x: x * 2, (0,)), (lambda x: x[:0], (3,)), (lambda x: x.sum(), (0,))])
def test_empty_arguments_and_results(f: Callable[[Any], Any], shape: tuple[int, ...], mode: str) -> None:
    out = np.shape(f(np.zeros(shape)))
    assert np.shape(jacobian(f, mode=mode)(np.zeros(shape))) == (*out, *shape)


@pytest.mark.parametrize("call", [grad, jacobian])
def test_float32_arguments_have_float32_derivatives(call: Any) -> None:
    x = np.array([0.5, 1.5], dtype=np.float32)
    assert call(lambda v: np.sum(np.sin(v) * v**2))(x).dtype == np.float32


def test_memory_layout_of_the_argument_does_not_matter() -> None:
    def f(m: Any) -> Any:
        return np.sum(np.cumsum(m, axis=0) * m)

    m = np.arange(12.0).reshape(3, 4)
    expected = grad(f)(m)
    for other in (np.asfortranarray(m), np.arange(24.0).reshape(3, 8)[:, ::2] * 0 + m, m[::-1][::-1]):
        np.testing.assert_array_equal(grad(f)(other), expected)
    np.testing.assert_array_equal(grad(f)(m.T.copy().T), expected)


def test_multiprecision_arguments() -> None:
    with mpmath.workdps(50):
        x = mpmath.mpf("0.7")
        for derivative in (grad, forward):
            slope = derivative(lambda t: ops.sin(t) * ops.exp(t))(x)
            assert abs(slope - (mpmath.cos(x) + mpmath.sin(x)) * mpmath.exp(x)) < mpmath.mpf(10) ** -48


def test_gradient_of_a_gradient_descent_loop() -> None:
    def trained(rate: Any) -> Any:
        x = np.array([1.0, -2.0])
        for _ in range(5):
            x = x - rate * grad(lambda p: np.sum(p**2 * np.array([1.0, 3.0])))(x)
        return np.sum(x**2)

    h = 1e-6
    expected = (trained(0.1 + h) - trained(0.1 - h)) / (2 * h)
    assert grad(trained)(0.1) == pytest.approx(expected, rel=1e-8)
    assert forward(trained)(0.1) == pytest.approx(expected, rel=1e-8)
