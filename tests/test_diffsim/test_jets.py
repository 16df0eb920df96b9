"""Jets: every row of the table and compositions of them, at 50 digits and order 20, against mpmath."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import diffsim as ds
from diffsim import array_ops, linear_algebra, ops
from diffsim.errors import ArgumentError, KindError
from diffsim.graph import trace
from diffsim.jet_number import Jet
from diffsim.jets import jet, solution_series
from diffsim.primitive import TABLE, Elementwise
from diffsim.value import Value

ORDER = 20
ROWS = sorted(name for name, row in TABLE.items() if isinstance(row, Elementwise) and not row.boolean)

mp = mpmath.mp


def _inside(low: float, high: float, k: int) -> Any:
    """A point well inside an interval, no round number."""
    return mpmath.mpf(low) + (mpmath.mpf(high) - low) * (mpmath.mpf(13 + 9 * k) / 41)


def _assert_same(found: list[Any], wanted: list[Any], digits: int = 30) -> None:
    largest = max(abs(c) for c in wanted)
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        assert abs(a - b) <= mpmath.mpf(10) ** -digits * max(abs(b), largest * mpmath.mpf(10) ** -digits), k


def _along(f: Callable[..., Any], *curves: list[Any]) -> list[Any]:
    """Coefficients of f along curves that are given by their coefficients."""
    primals = tuple(c[0] for c in curves)
    series = tuple([*c[1:], *[mpmath.mpf(0)] * (ORDER + 1 - len(c))] for c in curves)
    value, found = jet(f, primals, series, factorial_scaled=False)
    return [value, *found]


@pytest.mark.parametrize("name", [name for name in ROWS if name != "frozen"])
def test_jet_of_every_row_is_its_taylor_series(name: str) -> None:
    row = TABLE[name]
    with mpmath.workdps(50):
        curves = [
            [_inside(low, high, k), mpmath.mpf(2 + k) / 3, mpmath.mpf(-1) / (5 + k)]
            for k, (low, high) in enumerate(row.domain)
        ]
        plain = row.scalar if row.mpmath is None else lambda *x: row.mpmath(mp, *x)
        if name == "relu":
            plain = lambda x: x if x > 0 else mpmath.mpf(0)  # noqa: E731  # one line, as the others
        wanted = mpmath.taylor(lambda s: plain(*(c[0] + c[1] * s + c[2] * s * s for c in curves)), 0, ORDER)
        _assert_same(_along(row, *curves), wanted)


COMPOSITIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], str]] = {
    "gaussian": (lambda x: ops.exp(-x * x), lambda x: mp.exp(-x * x), "0.4"),
    "runge": (lambda x: 1 / (1 + 25 * x**2), lambda x: 1 / (1 + 25 * x**2), "0.3"),
    "pendulum": (
        lambda x: 6 * ops.cos(x) / (16 - 9 * ops.cos(x) ** 2),
        lambda x: 6 * mp.cos(x) / (16 - 9 * mp.cos(x) ** 2),
        "0.7",
    ),
    "sine of exponential": (lambda x: ops.sin(ops.exp(x)), lambda x: mp.sin(mp.exp(x)), "0.6"),
    "x to the x": (lambda x: x**x, lambda x: x**x, "1.3"),
    "root of a power": (lambda x: ops.sqrt(1 + x**3.5), lambda x: mp.sqrt(1 + x ** mp.mpf(3.5)), "0.8"),
    "negative power": (lambda x: (2 + x) ** -3, lambda x: (2 + x) ** -3, "0.1"),
    "power through zero": (lambda x: x**5 + x**2, lambda x: x**5 + x**2, "0"),
    "two to the sine": (lambda x: 2.0 ** ops.sin(x), lambda x: mp.mpf(2) ** mp.sin(x), "0.9"),
    "logarithm of tangent": (lambda x: ops.log(ops.tan(x)), lambda x: mp.log(mp.tan(x)), "0.5"),
    "even function": (lambda x: ops.cosh(ops.sin(x)), lambda x: mp.cosh(mp.sin(x)), "0"),
    "angle": (lambda x: ops.atan2(ops.sin(x), x), lambda x: mp.atan2(mp.sin(x), x), "0.5"),
    "branch": (lambda x: x * x if x > 0.2 else x, lambda x: x * x, "0.4"),
    "selection": (
        lambda x: ops.where(x > 0.2, ops.sqrt(x), ops.log(x - 1)),
        mp.sqrt,
        "0.4",
    ),
}


def test_there_are_fifty_expressions() -> None:
    assert len(ROWS) + len(COMPOSITIONS) >= 50


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_jet_of_a_composition_is_its_taylor_series(name: str) -> None:
    f, plain, at = COMPOSITIONS[name]
    with mpmath.workdps(50):
        x = mpmath.mpf(at)
        # mpmath's differences leave 1e-60 where a coefficient is 0
        wanted = [c if abs(c) > mpmath.mpf(10) ** -45 else mpmath.mpf(0) for c in mpmath.taylor(plain, x, ORDER)]
        _assert_same(_along(f, [x, mpmath.mpf(1)]), wanted)


# -- kinds of numbers -----------------------------------------------------------------------------------------------


def _mixed(x: Any) -> Any:
    return np.tanh(x) * np.exp(0.3 * x) / (1.0 + x**2)


def test_jet_on_arrays_gives_each_element_its_own_jet() -> None:
    x, v = np.array([0.2, -0.7, 1.1]), np.array([1.0, 0.5, -2.0])
    zero = np.zeros(3)
    value, series = jet(_mixed, (x,), ([v, zero, zero, zero],))
    for i in range(3):
        one, ones = jet(_mixed, (float(x[i]),), ([float(v[i]), 0.0, 0.0, 0.0],))
        assert value[i] == pytest.approx(one, rel=1e-15)
        np.testing.assert_allclose([c[i] for c in series], ones, rtol=1e-12)


def test_first_two_derivatives_are_those_of_the_other_modes() -> None:
    x, v = np.array([0.3, 0.8]), np.array([0.7, -0.4])

    def f(y: Any) -> Any:
        return np.sum(np.sin(y) * y[::-1]) ** 2

    value, series = jet(f, (x,), ([v, np.zeros(2)],))
    assert value == pytest.approx(f(x))
    assert series[0] == pytest.approx(ds.jvp(f, (x,), (v,))[1])
    assert series[1] == pytest.approx(v @ ds.hessian(f)(x) @ v)


def test_gradient_goes_through_a_jet() -> None:
    def third(x: Any) -> Any:
        return jet(lambda y: ops.sin(y) * y**3, (x,), ([1.0, 0.0, 0.0],))[1][2]

    x = 0.6
    wanted = jet(lambda y: ops.sin(y) * y**3, (x,), ([1.0, 0.0, 0.0, 0.0],))[1][3]
    assert ds.grad(third)(x) == pytest.approx(wanted, rel=1e-13)
    assert ds.jvp(third, (x,), (1.0,))[1] == pytest.approx(wanted, rel=1e-13)


def test_jets_nest_without_confusing_their_series() -> None:
    # d/dx of [x * d/dy (x y)] = d/dx of x * x
    assert jet(lambda x: x * jet(lambda y: x * y, (2.0,), ([1.0],))[1][0], (2.0,), ([1.0],))[1] == [4.0]


def test_jet_on_tracers_gives_a_graph_of_the_derivatives() -> None:
    graph = trace(lambda x: jet(ops.exp, (x,), ([1.0, 0.0, 0.0],))[1], 0.0)
    assert graph.count()["exp"] == 1
    assert graph(0.5) == pytest.approx([math.exp(0.5)] * 3)


# -- rows on whole arrays -------------------------------------------------------------------------------------------

MATRIX = np.array([[2.0, 0.3, -0.1], [0.4, 1.5, 0.2], [-0.3, 0.1, 1.8]])
LARGE = np.eye(6) + 0.1 * np.arange(36).reshape(6, 6) % 0.7
STRUCTURAL: dict[str, Callable[[Any], Any]] = {
    "matrix times curve": lambda a: MATRIX @ a,
    "curve times itself": lambda a: a @ np.sin(a),
    "inner product": lambda a: a[0] @ a[1],
    "solve": lambda a: np.linalg.solve(a, np.cos(a[:, 0])),
    "solve a fixed matrix": lambda a: np.linalg.solve(MATRIX, a),
    "inverse": np.linalg.inv,
    "determinant": np.linalg.det,
    "norm": np.linalg.norm,
    "sum and mean": lambda a: np.sum(a, axis=0) * np.mean(a),
    "product": lambda a: np.prod(a),
    "running sum": lambda a: np.cumsum(a, axis=1),
    "maximum": lambda a: np.max(a, axis=1),
    "rearrangement": lambda a: np.roll(a.T, 1, axis=0).reshape(9)[::2],
    "concatenation": lambda a: np.concatenate([a, MATRIX, a]) * a[0, 1],
    "broadcast": lambda a: a * a[0] + np.ones((2, 3, 3)),
    "outer": lambda a: np.outer(a[0], a[1]),
}


def _set(a: Any) -> Any:
    out = np.zeros_like(a)
    out[0] = a[1] * a[2]
    out[1, 2] = a[0, 0]
    return out


STRUCTURAL["item assignment"] = _set


@pytest.mark.parametrize("name", STRUCTURAL)
def test_jet_of_an_array_function_is_what_nested_tangents_give(name: str) -> None:
    f = STRUCTURAL[name]
    rng = np.random.default_rng(5)
    x, v, w = MATRIX + 0.0, rng.normal(size=(3, 3)), rng.normal(size=(3, 3))

    def at(s: Any) -> Any:
        return f(x + v * s + w * (s * s / 2.0))

    wanted = []
    g = at
    for _ in range(3):
        g = (lambda inner: lambda s: ds.jvp(inner, (s,), (1.0,))[1])(g)
        wanted.append(g(0.0))
    value, series = jet(f, (x,), ([v, w, 0.0 * x],))
    np.testing.assert_allclose(value, f(x), rtol=1e-14)
    for found, want in zip(series, wanted, strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-10, atol=1e-12)


def test_jet_of_a_large_determinant_is_what_nested_tangents_give() -> None:
    v = np.random.default_rng(6).normal(size=(6, 6))

    def slope(s: Any) -> Any:
        return ds.jvp(lambda r: linear_algebra.det(LARGE + v * r), (s,), (1.0,))[1]

    _, (first, second) = jet(linear_algebra.det, (LARGE,), ([v, 0.0 * v],))
    assert first == pytest.approx(slope(0.0), rel=1e-11)
    assert second == pytest.approx(ds.jvp(slope, (0.0,), (1.0,))[1], rel=1e-10)


# -- kinks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "at", "wanted"),
    [
        (ops.abs, -2.0, [-1.0, 0.0]),
        (ops.abs, 0.0, [0.0, 0.0]),
        (ops.relu, 3.0, [1.0, 0.0]),
        (lambda x: ops.maximum(x, x * x), 3.0, [6.0, 2.0]),
        (lambda x: ops.where(x > 0, x * x, x), -1.0, [1.0, 0.0]),
        (lambda x: ops.where(x > 0, ops.log(x), 0.0), -1.0, [0.0, 0.0]),
        (ops.floor, 1.5, [0.0, 0.0]),
        (ops.frozen, 1.5, [0.0, 0.0]),
        (ops.sign, 1.5, [0.0, 0.0]),
        (ops.sqrt, 0.0, [0.0, 0.0]),
        (lambda x: x**0, 0.0, [0.0, 0.0]),
        (lambda x: 5.0, 1.0, [0.0, 0.0]),
    ],
)
def test_kinks_take_the_branch_of_the_value(f: Callable[[Any], Any], at: float, wanted: list[float]) -> None:
    assert jet(f, (at,), ([1.0, 0.0],))[1] == wanted


# -- arguments ------------------------------------------------------------------------------------------------------


def test_trees_go_in_and_come_out() -> None:
    value, series = jet(
        lambda p, x: {"a": p["k"] * x, "b": [x]},
        ({"k": 2.0}, 3.0),
        ([{"k": 1.0}, {"k": 0.0}], [1.0, 0.0]),
    )
    assert value == {"a": 6.0, "b": [3.0]}
    assert series == {"a": [5.0, 2.0], "b": [[1.0, 0.0]]}


def test_coefficients_and_derivatives_differ_by_factorials() -> None:
    derivatives = jet(ops.exp, (0.0,), ([1.0, 0.0, 0.0],))[1]
    coefficients = jet(ops.exp, (0.0,), ([1.0, 0.0, 0.0],), factorial_scaled=False)[1]
    assert derivatives == [1.0, 1.0, 1.0]
    assert coefficients == pytest.approx([1.0, 1 / 2, 1 / 6], rel=1e-15)


def test_fractions_stay_exact() -> None:
    one, zero = Fraction(1), Fraction(0)
    value, series = jet(lambda x: one / (one - x), (Fraction(1, 3),), ([one, zero],), factorial_scaled=False)
    assert [value, *series] == [Fraction(3, 2), Fraction(9, 4), Fraction(27, 8)]


@pytest.mark.parametrize(
    ("primals", "series", "message"),
    [
        ((1.0,), ([1.0], [2.0]), "series must have 1 lists"),
        ((1.0,), (1.0,), "one list an argument"),
        ((1.0, 2.0), ([1.0, 0.0], [1.0]), "all of one length"),
        ((np.ones(2),), ([1.0],), r"series\[0\]\[0\] must have the shape of its primal \(2,\)"),
    ],
)
def test_series_that_do_not_fit_are_refused(primals: Any, series: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        jet(lambda *x: x[0], primals, series)


def test_function_that_needs_a_plain_number_is_refused_with_the_reason() -> None:
    with pytest.raises(KindError, match=r"float\(\) would drop the derivative"):
        jet(lambda x: math.sin(x), (1.0,), ([1.0],))


def test_public_name_is_on_the_face() -> None:
    assert ds.jet is jet


# -- series of solutions --------------------------------------------------------------------------------------------


def _riccati(t: Any, y: Any) -> Any:
    return [y[1] * ops.cos(t), y[0] * y[1] - t]


def test_series_of_a_solution_satisfies_the_equation_in_fractions() -> None:
    # y' = y**2 + t: c_1 = y_0**2 + t_0, 2 c_2 = 2 y_0 c_1 + 1, 3 c_3 = 2 y_0 c_2 + c_1**2
    y, t = Fraction(1, 2), Fraction(1, 3)
    c = solution_series(lambda t, y: y * y + t, t, y, 3)
    c_1 = y * y + t
    c_2 = (2 * y * c_1 + 1) / 2
    assert c == [y, c_1, c_2, (2 * y * c_2 + c_1**2) / 3]


def test_series_of_a_solution_is_the_same_for_lists_arrays_lanes_values_and_tracers() -> None:
    y = np.array([0.7, -0.4])
    wanted = np.array(solution_series(_riccati, 0.2, y, 8))
    listed = solution_series(_riccati, 0.2, [0.7, -0.4], 8)
    lanes = solution_series(_riccati, np.full(3, 0.2), np.stack([y] * 3, axis=1), 8)
    values = solution_series(_riccati, 0.2, Value(y), 8)
    graph = trace(lambda t, y: solution_series(_riccati, t, y, 8), 0.0, np.zeros(2))
    np.testing.assert_array_equal(np.array(listed), wanted)
    np.testing.assert_array_equal(np.array([c.data if isinstance(c, Value) else c for c in values]), wanted)
    for lane in range(3):
        np.testing.assert_allclose(np.array(lanes)[:, :, lane], wanted, rtol=1e-15)
    np.testing.assert_allclose(np.array(graph(0.2, y)), wanted, rtol=1e-13)


def test_series_of_a_solution_needs_one_call_of_the_function() -> None:
    calls = []

    def f(t: Any, y: Any) -> Any:
        calls.append(y)
        return -y

    solution_series(f, 0.0, 1.0, 12)
    assert len(calls) == 1


def test_branch_on_the_state_takes_the_side_of_the_value() -> None:
    c = solution_series(lambda t, y: -y if y > 0 else y * y, 0.0, 2.0, 3)
    assert c == pytest.approx([2.0, -2.0, 1.0, -1 / 3])


@given(st.floats(-2.0, 2.0), st.floats(-1.0, 1.0))
def test_series_of_a_linear_equation_is_the_exponential(rate: float, y: float) -> None:
    c = solution_series(lambda t, y: rate * y, 0.0, y, 12)
    np.testing.assert_allclose(c, [y * rate**k / math.factorial(k) for k in range(13)], rtol=1e-13, atol=1e-300)


def test_long_chain_of_operations_is_no_deep_recursion() -> None:
    def f(x: Any) -> Any:
        for _ in range(5000):
            x = x * 0.999 + 0.001
        return ops.sin(x)

    assert jet(f, (0.3,), ([1.0, 0.0, 0.0],))[1][0] == pytest.approx(ds.grad(f)(0.3))


def test_numbers_of_a_jet_are_freed_without_the_cycle_collector() -> None:
    seen: list[weakref.ref[Any]] = []

    class Watched(np.ndarray):
        pass

    def f(t: Any, y: Any) -> Any:
        z = ops.exp(ops.sin(y))
        assert isinstance(z, Jet)
        seen.append(weakref.ref(z._series.coefficients[0]))
        return z

    gc.collect()
    gc.disable()
    try:
        solution_series(f, 0.0, np.ones(3).view(Watched), 6)
        assert seen[0]() is None
    finally:
        gc.enable()


def test_stacked_curves_and_lists_mix_kinds() -> None:
    value, series = jet(lambda x: array_ops.array([x, 2.0, x * x]), (3.0,), ([1.0, 0.0],))
    np.testing.assert_array_equal(value, [3.0, 2.0, 9.0])
    np.testing.assert_array_equal(series, [[1.0, 0.0, 6.0], [0.0, 0.0, 2.0]])
