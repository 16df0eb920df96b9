"""`check_gradients` itself: honest bounds, kinks that are seen, messages that show the first wrong component."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from diffsim import array_ops, linear_algebra, ops
from diffsim.errors import ArgumentError, DiffsimError, KindError
from diffsim.number import raw
from diffsim.primitive import Elementwise
from diffsim.testing import GradientError, GradientWarning, check_gradients
from diffsim.testing.differences import slope

WRONG_SIN = Elementwise("sin with a turned sign", np.sin, math.sin, (lambda out, x: -ops.cos(x),))


def logistic(x: Any, exp: Any) -> Any:
    """Twenty steps of the logistic map: rounding errors grow by chaos."""
    return functools.reduce(lambda a, _: 3.9 * a * (1 - a), range(20), 1 / (1 + exp(-x)))


# name: (in doubles, by mpmath)
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sin": (np.sin, mpmath.sin),
    "exp": (np.exp, mpmath.exp),
    "log": (lambda x: np.log(abs(x)), lambda x: mpmath.log(abs(x))),
    "sqrt": (lambda x: np.sqrt(abs(x)), lambda x: mpmath.sqrt(abs(x))),
    "tan": (np.tan, mpmath.tan),
    "fast oscillation": (lambda x: np.cos(100 * x), lambda x: mpmath.cos(100 * x)),
    "very fast oscillation": (lambda x: np.sin(1e5 * x) / 1e5, lambda x: mpmath.sin(10**5 * x) / 10**5),
    "cancellation": (lambda x: (1 + x) ** 2 - 1 - 2 * x, lambda x: x * x),
    "large offset": (lambda x: 1e10 + x * x, lambda x: mpmath.mpf(10) ** 10 + x * x),
    "Runge": (lambda x: 1 / (1 + 25 * x * x), lambda x: 1 / (1 + 25 * x * x)),
    "sin of exp": (lambda x: np.sin(np.exp(x)), lambda x: mpmath.sin(mpmath.exp(x))),
    "steep sigmoid": (lambda x: 1 / (1 + np.exp(-1e4 * x)), lambda x: 1 / (1 + mpmath.exp(-(10**4) * x))),
    "polynomial": (lambda x: x**5 - 3 * x, lambda x: x**5 - 3 * x),
    "chaos": (lambda x: logistic(x, np.exp), lambda x: logistic(x, mpmath.exp)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_bound_of_a_difference_holds(name: str) -> None:
    f, exact = FUNCTIONS[name]
    rng = np.random.default_rng(5)
    relative = []
    for _ in range(60):
        x = float(rng.normal() * 10 ** rng.uniform(-5, 1))
        with np.errstate(all="ignore"), mpmath.workdps(40):
            found = slope(lambda s, x=x: np.array([f(x + s)]), np.array([f(x)]), abs(x), max(abs(x), 1.0) / 4)
            truth = mpmath.diff(exact, mpmath.mpf(x))
            off = abs(mpmath.mpf(float(found.value[0])) - truth)
        assert off <= found.error[0], f"{name} at {x!r}: off by {float(off)}, bound {found.error[0]}"
        relative.append(float(found.error[0] / abs(truth)) if abs(truth) > 1e-100 else 0.0)
        assert found.n_evaluations <= 160
    if name in ("sin", "exp", "log", "sqrt", "polynomial", "Runge"):
        assert np.median(relative) < 1e-11


@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e-9, 1e-6, 1e-3, 0.1])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_bound_near_a_kink_covers_the_true_slope(distance: float, side: float) -> None:
    x = side * distance
    found = slope(lambda s: np.array([abs(x + s)]), np.array([abs(x)]), abs(x), 0.25)
    truth = float(np.sign(x))
    assert abs(found.value[0] - truth) <= found.error[0]
    if distance >= 1e-3:
        assert found.error[0] < 1e-9
    if distance == 0.0:
        assert found.jump[0] == pytest.approx(2.0)


def test_smooth_function_passes_and_the_report_says_how_well() -> None:
    report = check_gradients(lambda x, y: ops.sin(x) * ops.exp(y), 0.5, -1.0)
    assert (report.n_compared, report.n_unresolved, report.unresolved) == (16, 0, ())
    assert report.max_disagreement < 1e-11
    assert 0 < report.max_bound < 1e-11


@pytest.mark.parametrize("modes", [("vjp",), ("jvp",), ("vjp", "jvp"), ["jvp", "vjp"]])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_modes_and_orders(modes: Any, order: int) -> None:
    check_gradients(lambda x: ops.tanh(x) * x, 0.7, order=order, modes=modes, unresolved="raise")


def test_nested_arguments_and_results() -> None:
    def f(p: Any, n: int, name: str) -> Any:
        return {
            "norm": linear_algebra.norm(p["v"]) ** n,
            "pair": (p["s"][0] * p["s"][1], [p["v"] * p["s"][0]]),
            "k": 3.0,
        }

    p = {"v": np.array([1.0, -2.0, 0.5]), "s": (0.5, 3.0), "label": "x"}
    assert check_gradients(f, p, 3, "cubic", unresolved="raise").n_unresolved == 0


def test_integers_booleans_and_strings_are_held_constant() -> None:
    check_gradients(lambda x, n, flag, name: x**n if flag and name == "a" else x, 1.5, 3, True, "a")


@pytest.mark.parametrize("n", [33, 1000])
def test_large_arrays_are_checked_along_random_directions(n: int) -> None:
    x = np.linspace(0.1, 3.0, n)
    report = check_gradients(lambda v: array_ops.sum(v * v * ops.sin(v)), x, unresolved="raise")
    assert report.n_compared < 40 * n
    check_gradients(lambda v: v * ops.sin(v), x, unresolved="raise")


def test_float32_is_checked_against_double_precision() -> None:
    x = np.array([0.5, 1.5], dtype=np.float32)
    check_gradients(lambda v: ops.sin(v) * v, x, unresolved="raise")
    with pytest.raises(GradientError):
        check_gradients(lambda v: WRONG_SIN(v) * v, x)


@pytest.mark.parametrize("x", [1e-8, 1e-300, 1e8, 1e200])
def test_points_of_any_size(x: float) -> None:
    check_gradients(ops.log, x, order=1, unresolved="raise")


# --- messages --------------------------------------------------------------------------------------------------------


def message(f: Callable[..., Any], *args: Any, **options: Any) -> str:
    with pytest.raises(GradientError) as caught:
        check_gradients(f, *args, **options)
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, DiffsimError)
    return str(caught.value)


def test_message_shows_the_first_component_that_disagrees() -> None:
    def f(p: Any) -> Any:
        v = p["theta"]
        return [v[0, 0] * v[1, 1], ops.sin(v[0, 1]) + WRONG_SIN(v[1, 0])]

    text = message(f, {"theta": np.array([[0.1, 0.2], [0.3, 0.4]])})
    assert "d output[1] / d args[0]['theta'][1, 0] is wrong (order 1, vjp)" in text
    assert f"reverse     {-math.cos(0.3)!r}" in text
    assert f"forward     {-math.cos(0.3)!r}" in text
    assert f"difference  {math.cos(0.3):.9f}"[:20] in text
    assert "+-" in text
    assert "the sign is turned" in text
    assert "Both modes agree" in text


def test_message_finds_one_component_among_thousands() -> None:
    text = message(lambda x: array_ops.sum(ops.sin(x)) + raw(x)[4711], np.linspace(0, 1, 6000))
    assert "args[0][4711]" in text


def test_message_finds_the_component_of_a_long_result() -> None:
    def f(x: Any) -> Any:
        y = ops.sin(x)
        y = array_ops.array(y * 1.0)
        y[37] = raw(y)[37]
        return y

    text = message(f, np.linspace(0.5, 1, 50))
    assert "d output[37] / d args[0][37]" in text
    assert "It is zero: the derivative was dropped." in text


def test_message_says_which_mode_is_wrong() -> None:
    from diffsim.dual import Dual
    from diffsim.value import Value

    assert "jvp" in message(lambda x: x * raw(x) if isinstance(x, Dual) else x * x, 1.5).splitlines()[0]
    text = message(lambda x: x * raw(x) if isinstance(x, Value) else x * x, 1.5)
    assert "vjp" in text.splitlines()[0]
    assert "Forward mode is right" in text


def test_message_of_a_second_order_fault_says_so() -> None:
    row = Elementwise("half", np.exp, math.exp, (lambda out, x: raw(out),))
    assert "order 2" in message(row, 0.5)


def test_other_value_in_one_mode_is_told() -> None:
    assert "another value in" in message(lambda x: x * 2 if isinstance(x, float) else x * 3, 1.0)


def test_random_function_is_told() -> None:
    rng = np.random.default_rng(0)
    assert "called again" in message(lambda x: x * rng.random(), 1.0)


# --- kinks -----------------------------------------------------------------------------------------------------------

KINKS = [(ops.abs, 0.0), (ops.relu, 0.0), (lambda x: ops.maximum(x, 1.0), 1.0), (lambda x: ops.clip(x, 0.0, 1.0), 1.0)]


@pytest.mark.parametrize(("f", "x"), KINKS)
def test_kink_is_reported_and_neither_passed_in_silence_nor_raised(f: Callable[[Any], Any], x: float) -> None:
    with pytest.warns(GradientWarning, match="a kink, with slope"):
        report = check_gradients(f, x)
    assert report.n_unresolved > 0
    assert check_gradients(f, x, unresolved="ignore").n_unresolved == report.n_unresolved
    with pytest.raises(GradientError, match="decide nothing"):
        check_gradients(f, x, unresolved="raise")


def test_subgradient_outside_the_two_slopes_is_wrong_even_on_a_kink() -> None:
    bad = Elementwise("bad abs", np.abs, abs, (lambda out, x: ops.where(x == 0, 5.0, ops.sign(x)),))
    with pytest.raises(GradientError):
        check_gradients(bad, 0.0, order=1, unresolved="ignore")


def test_border_of_the_domain_is_reported() -> None:
    with pytest.warns(GradientWarning, match="not defined on both sides"):
        check_gradients(ops.sqrt, 0.0)


def test_jump_is_reported() -> None:
    with pytest.warns(GradientWarning):
        assert check_gradients(ops.floor, 2.0, order=1).n_unresolved == 1


def test_kink_further_away_than_the_steps_does_not_disturb() -> None:
    for x in (0.3, 1e-2, -1e-3):
        assert check_gradients(lambda v: ops.abs(v) * ops.exp(v), x, unresolved="raise").n_unresolved == 0


def test_nan_from_a_rule_is_wrong_even_where_differences_know_nothing() -> None:
    bad = Elementwise("bad sqrt", np.sqrt, math.sqrt, (lambda out, x: 0.0 * out / out,))
    with pytest.raises(GradientError, match="nan"):
        check_gradients(bad, 0.0, order=1, unresolved="ignore")


def test_no_numpy_warning_gets_out() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_gradients(lambda x: ops.log(x) * ops.sqrt(x), 1e-6)


def test_python_function_that_fails_outside_its_domain_is_differenced_inside() -> None:
    def f(x: Any) -> Any:
        if raw(x) < 0.4:
            raise ValueError("outside")
        return x * x

    check_gradients(f, 0.5, unresolved="raise")


# --- misuse ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "options", "word"),
    [
        ((3,), {}, "2.0"),
        ((1.0,), {"order": 0}, "order"),
        ((1.0,), {"modes": ("vpj",)}, "Did you mean 'vjp'"),
        ((1.0,), {"modes": "vjp"}, "sequence"),
        ((1.0,), {"modes": ()}, "modes"),
        ((1.0,), {"unresolved": "skip"}, "unresolved"),
        ((-1.0,), {}, "finite"),
    ],
)
def test_misuse_is_told(args: Any, options: Any, word: str) -> None:
    with pytest.raises(ArgumentError, match=word):
        check_gradients(lambda x: ops.log(x), *args, **options)


def test_function_that_returns_no_number_is_refused() -> None:
    with pytest.raises(KindError, match="must return numbers"):
        check_gradients(lambda x: None, 1.0)
