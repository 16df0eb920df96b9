"""`jit`: compiled functions give what they give in Python, with all derivatives, and say so where they cannot."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import diffsim as ds
from diffsim.compiled_function import CompiledFunction
from diffsim.compiler import engine
from diffsim.compiler.function_parts import LARGEST_PART
from diffsim.primitive import Elementwise
from diffsim.testing import check_gradients, expressions

needs_compiler = pytest.mark.skipif(not engine.available(), reason="there is no compiler")
ROOT = Path(__file__).parents[2]
RATE = 2.0


def energy(q: Any, p: Any) -> Any:
    """Of Henon and Heiles: two arrays in, a number out."""
    return 0.5 * np.sum(p**2 + q**2) + q[0] ** 2 * q[1] - q[1] ** 3 / 3.0


def polar(x: Any, y: Any) -> Any:
    return {"r": np.sqrt(x * x + y * y), "angle": [np.arctan2(y, x)]}


def of_vector(x: Any) -> Any:
    return np.array([np.sin(x[0]) * x[1], np.exp(-(x[1] ** 2)), x[0] / x[1]])


Q, P = np.array([0.3, -0.2]), np.array([0.1, 0.5])

pytestmark = needs_compiler


# --- values and forms ------------------------------------------------------------------------------------------------


def test_compiled_value_is_that_of_the_function() -> None:
    f = ds.jit(energy)
    assert f(Q, P) == pytest.approx(energy(Q, P), rel=1e-15)
    assert type(f(Q, P)) is float
    np.testing.assert_allclose(ds.jit(of_vector)(Q), of_vector(Q), rtol=1e-15)


def test_trees_go_in_and_come_out() -> None:
    f = ds.jit(lambda tree: (tree["a"][0] + tree["b"], [tree["a"][1] * 2.0]))
    total, (doubled,) = f({"a": (1.0, np.array([1.0, 2.0])), "b": np.array([0.5])})
    np.testing.assert_array_equal(total, [1.5])
    np.testing.assert_array_equal(doubled, [2.0, 4.0])
    found = ds.jit(polar)(3.0, 4.0)
    assert found == {"r": 5.0, "angle": [pytest.approx(math.atan2(4.0, 3.0))]}


def test_conditions_come_out_as_truth_values() -> None:
    f = ds.jit(lambda x: (x > 1.0, np.array([x < 0.0, x < 3.0]), ds.where(x > 0.0, x > 1.0, x > 2.0)))
    above, both, chosen = f(2.0)
    assert above is True
    assert chosen is True
    assert both.dtype == np.bool_
    assert both.tolist() == [False, True]


def test_other_numbers_do_not_trace_anew_but_other_shapes_do() -> None:
    calls = []

    def f(x: Any, scale: float) -> Any:
        return np.sum(x) * scale

    def count(x: Any, scale: Any) -> Any:
        calls.append(1)
        return f(x, scale)

    compiled = ds.jit(f)
    for k in range(3):
        assert compiled(np.full(2, float(k)), k + 0.5) == 2.0 * k * (k + 0.5)
    assert len(compiled.forms) == 1
    compiled(np.ones(3), 1.0)
    compiled(np.ones((2, 2)), 1.0)
    assert len(compiled.forms) == 3
    with pytest.raises(ds.TraceError, match="calls"):
        ds.jit(count)(np.ones(2), 1.0)


def test_numbers_that_a_function_brings_along_are_read_at_each_call() -> None:
    global RATE

    def make(offset: float) -> Any:
        return lambda x, factor=3.0: RATE * x * factor + offset

    f = make(1.0)
    compiled = ds.jit(f)
    assert compiled(1.0) == 7.0
    try:
        RATE = 4.0
        assert compiled(1.0) == 13.0
    finally:
        RATE = 2.0
    f.__defaults__ = (5.0,)
    assert compiled(1.0) == 11.0
    f.__closure__[0].cell_contents = -1.0
    assert compiled(1.0) == 9.0
    assert len(compiled.forms) == 1


def test_a_method_uses_the_numbers_of_its_object() -> None:
    class Spring:
        def __init__(self, stiffness: float) -> None:
            self.stiffness = stiffness

        @ds.jit
        def energy(self, x: Any) -> Any:
            return 0.5 * self.stiffness * x * x

    soft, stiff = Spring(1.0), Spring(10.0)
    assert [soft.energy(2.0), stiff.energy(2.0)] == [2.0, 20.0]
    soft.stiffness = 3.0
    assert soft.energy(2.0) == 6.0


def test_whole_numbers_are_numbers_until_their_value_is_needed() -> None:
    smooth, power = ds.jit(lambda x, n: x * n), ds.jit(lambda x, n: sum(x**k for k in range(n)))
    assert [smooth(2.0, n) for n in (1, 2, 3)] == [2.0, 4.0, 6.0]
    assert len(smooth.forms) == 1
    assert [power(2.0, n) for n in (1, 2, 3)] == [1.0, 3.0, 7.0]
    assert len(power.forms) == 3


def test_text_and_truth_values_choose_the_form() -> None:
    f = ds.jit(lambda x, kind, twice=False: (np.sin(x) if kind == "sine" else np.cos(x)) * (2.0 if twice else 1.0))
    assert f(0.5, "sine") == pytest.approx(math.sin(0.5), rel=1e-15)
    assert f(0.5, "cosine") == pytest.approx(math.cos(0.5), rel=1e-15)
    assert f(0.5, "sine", twice=True) == pytest.approx(2 * math.sin(0.5), rel=1e-15)


def test_a_copy_of_an_argument_may_be_assigned_to() -> None:
    def f(x: Any) -> Any:
        x = x.copy()
        x[0] = x[1] ** 2
        return x

    given = np.array([1.0, 3.0])
    assert ds.jit(f)(given).tolist() == [9.0, 3.0]
    assert given.tolist() == [1.0, 3.0]
    assert ds.jacobian(ds.jit(f))(given).tolist() == [[0.0, 6.0], [0.0, 1.0]]


@pytest.mark.parametrize("f", [ds.sin, np.sin, ds.grad(ds.sin), ds.softplus], ids=["ds", "numpy", "grad", "softplus"])
def test_functions_of_libraries_are_compiled(f: Any) -> None:
    assert ds.jit(f)(0.5) == pytest.approx(f(0.5), rel=1e-15)
    assert ds.grad(ds.jit(f))(0.5) == pytest.approx(ds.grad(f)(0.5), rel=1e-14)


def test_empty_arrays_and_constant_results_pass() -> None:
    assert ds.jit(lambda x: np.sum(x) + 1.0)(np.zeros(0)) == 1.0
    assert ds.jit(lambda x: (2.0, x))(3.0) == (2.0, 3.0)
    assert ds.jit(lambda x: x * np.ones(0))(3.0).shape == (0,)


def test_float32_results_are_within_a_few_of_its_units() -> None:
    narrow, wide = ds.jit(of_vector, dtype=np.float32)(Q), of_vector(Q)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, wide, rtol=4 * 2.0**-23)
    assert not np.array_equal(narrow, wide)
    assert isinstance(ds.jit(energy, dtype=np.float32)(Q, P), np.float32)
    np.testing.assert_allclose(
        ds.grad(ds.jit(energy, dtype=np.float32))(Q, P), ds.grad(energy)(Q, P), rtol=8 * 2.0**-23
    )
    assert ds.jit(lambda x: x * 1e300, dtype=np.float32)(1.0) == math.inf


# --- derivatives -----------------------------------------------------------------------------------------------------


def test_derivatives_of_a_compiled_function_are_those_of_the_function() -> None:
    f = ds.jit(energy)
    np.testing.assert_allclose(ds.grad(f)(Q, P), ds.grad(energy)(Q, P), rtol=1e-14)
    for got, want in zip(ds.grad(f, (0, 1))(Q, P), ds.grad(energy, (0, 1))(Q, P), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)
    np.testing.assert_allclose(ds.hessian(f)(Q, P), ds.hessian(energy)(Q, P), rtol=1e-14)
    np.testing.assert_allclose(ds.hvp(f, (Q, P), (P, Q))[0], ds.hvp(energy, (Q, P), (P, Q))[0], rtol=1e-14)
    g = ds.jit(of_vector)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(ds.jacobian(g, mode=mode)(Q), ds.jacobian(of_vector)(Q), rtol=1e-14)
    np.testing.assert_allclose(ds.jvp(g, (Q,), (P,))[1], ds.jvp(of_vector, (Q,), (P,))[1], rtol=1e-14)
    weights = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(ds.vjp(g, Q)[1](weights)[0], ds.vjp(of_vector, Q)[1](weights)[0], rtol=1e-14)


def test_compiled_derivatives_are_those_of_the_function() -> None:
    np.testing.assert_allclose(ds.jit(ds.grad(energy))(Q, P), ds.grad(energy)(Q, P), rtol=1e-14)
    np.testing.assert_allclose(ds.jit(ds.hessian(energy))(Q, P), ds.hessian(energy)(Q, P), rtol=1e-14)
    np.testing.assert_allclose(ds.jit(ds.jacobian(of_vector))(Q), ds.jacobian(of_vector)(Q), rtol=1e-14)
    np.testing.assert_allclose(ds.jit(ds.grad(ds.jit(energy)))(Q, P), ds.grad(energy)(Q, P), rtol=1e-14)


@pytest.mark.parametrize("f", [energy, lambda q, p: of_vector(q)[:2] * p], ids=["energy", "vector"])
def test_derivatives_of_both_orders_pass_the_check(f: Any) -> None:
    check_gradients(ds.jit(f), Q + 1.0, P)


def test_third_and_fourth_derivatives_in_all_compositions() -> None:
    def derive(f: Any, modes: str) -> Any:
        for mode in modes:
            f = ds.grad(f) if mode == "r" else (lambda g: lambda x: ds.jvp(g, (x,), (1.0,))[1])(f)
        return f

    compiled = ds.jit(lambda x: np.exp(2.0 * x) * np.sin(x))
    for modes in ("rrr", "fff", "rfr", "frf", "ffr", "rrf", "rrrr"):
        with mpmath.workdps(30):
            want = float(mpmath.diff(lambda x: mpmath.exp(2 * x) * mpmath.sin(x), 0.4, len(modes)))
        assert derive(compiled, modes)(0.4) == pytest.approx(want, rel=1e-12), modes


def test_backward_through_a_compiled_function_is_one_node() -> None:
    x, y = ds.Value(1.5), ds.Value(np.array([1.0, 2.0]))
    out = ds.jit(lambda a, b: a * np.sum(b * b))(x, y)
    assert len(out._parents) == 2
    out.backward()
    assert (x.grad, y.grad.tolist()) == (5.0, [3.0, 6.0])


def test_a_derivative_by_a_number_that_is_brought_along() -> None:
    weight = ds.Value(3.0)
    out = ds.jit(lambda x: weight * x * x)(2.0)
    out.backward()
    assert (out.data, weight.grad) == (12.0, 4.0)
    assert ds.grad(lambda k: ds.jit(lambda x: k * x**3)(2.0))(5.0) == 8.0
    mixed = ds.grad(lambda k: ds.grad(ds.jit(lambda x: k * k * x**3))(2.0))
    assert mixed(5.0) == pytest.approx(2 * 5.0 * 3 * 4.0)


def test_perturbations_are_not_confused() -> None:
    product = ds.jit(lambda x, y: x * y)
    assert ds.grad(lambda x: x * ds.grad(lambda y: product(x, y))(2.0))(2.0) == 4.0


def test_the_branch_not_taken_contributes_nothing() -> None:
    def root(x: Any) -> Any:
        return ds.where(x > 0.0, np.sqrt(np.abs(x)) / x, 3.0 * x)

    compiled = ds.jit(root)
    for at in (0.0, -1.0, 2.0):
        assert ds.grad(compiled)(at) == ds.grad(root)(at)
        assert ds.jvp(compiled, (at,), (1.0,))[1] == ds.jvp(root, (at,), (1.0,))[1]
        assert ds.grad(ds.grad(compiled))(at) == pytest.approx(ds.grad(ds.grad(root))(at), rel=1e-14)
    logs = ds.jit(lambda x: ds.where(x > 0.0, np.log(x) * x, 0.0))
    np.testing.assert_array_equal(ds.grad(lambda x: logs.map(x).sum())(np.array([-1.0, 0.0, 1.0])), [0.0, 0.0, 1.0])


@settings(max_examples=25)
@given(expressions(max_inputs=1, max_steps=6), st.sampled_from([0.0, -0.0, -1.0, -5e-324, -1e200, -710.0]))
def test_whatever_the_branch_not_taken_computes_it_contributes_nothing(e: Any, x: float) -> None:
    compiled = ds.jit(lambda x: ds.where(x > 0.0, e(x), 3.0 * x))
    assert compiled(x) == 3.0 * x
    assert ds.grad(compiled)(x) == 3.0
    assert ds.jvp(compiled, (x,), (1.0,))[1] == 3.0
    assert ds.grad(lambda x: ds.sum(compiled.map(x)))(np.full(9, x)).tolist() == [3.0] * 9


def test_a_zero_cotangent_stops_an_infinite_slope() -> None:
    def f(x: Any) -> Any:
        return np.array([x[0] * 2.0, np.log(x[1])])

    x = np.array([1.0, 0.0])
    got, want = (ds.vjp(g, x)[1](np.array([1.0, 0.0]))[0] for g in (ds.jit(f), f))
    np.testing.assert_array_equal(got, want)


@settings(max_examples=25)
@given(expressions(max_steps=6, arrays=True))
def test_random_programs_have_the_same_values_and_slopes_compiled(e: Any) -> None:
    args, every = e.arguments, tuple(range(e.n_inputs))
    compiled, total = ds.jit(lambda *xs: ds.sum(e(*xs))), lambda *xs: ds.sum(e(*xs))
    assert compiled(*args) == pytest.approx(float(total(*args)), rel=1e-9, abs=1e-12)
    for got, want in zip(ds.grad(compiled, every)(*args), ds.grad(total, every)(*args), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10)


# --- many at once ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 3, 7, 8, 17, 1000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_map_gives_the_bits_of_single_calls(m: int, dtype: Any) -> None:
    rng = np.random.default_rng(m)
    q, p = rng.normal(size=(2, m)), rng.normal(size=(2, m))
    f = ds.jit(energy, dtype=dtype)
    found = f.map(q, p)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [f(q[:, j], p[:, j]) for j in range(m)])


def test_a_map_takes_trees_and_shared_arguments() -> None:
    f = ds.jit(lambda tree, matrix, k: (matrix @ tree["x"] * k, tree["y"]))
    x, y, matrix = np.arange(20.0).reshape(2, 10), np.arange(10.0), np.array([[1.0, 2.0], [3.0, 4.0]])
    product, same = f.map({"x": x, "y": y}, matrix, 2.0, shared=(1,))
    np.testing.assert_array_equal(product, 2.0 * matrix @ x)
    np.testing.assert_array_equal(same, y)


def test_a_map_of_nothing_is_empty() -> None:
    assert ds.jit(energy).map(np.zeros((2, 0)), np.zeros((2, 0))).shape == (0,)


def test_derivatives_through_a_map() -> None:
    rng = np.random.default_rng(3)
    q, p = rng.normal(size=(2, 9)), rng.normal(size=2)
    f = ds.jit(energy)

    def total(q: Any, p: Any) -> Any:
        return ds.sum(f.map(q, p, shared=(1,)))

    by_q, by_p = ds.grad(total, (0, 1))(q, p)
    singly = [ds.grad(energy, (0, 1))(q[:, j], p) for j in range(9)]
    np.testing.assert_allclose(by_q, np.stack([a for a, _ in singly], axis=-1), rtol=1e-13)
    np.testing.assert_allclose(by_p, np.sum([b for _, b in singly], axis=0), rtol=1e-13)
    check_gradients(lambda q, p: f.map(q, p, shared=(1,)), q, p)


def test_a_lane_that_fails_leaves_its_neighbours_alone() -> None:
    f = ds.jit(lambda x, y: np.log(x) / y + 1.0 / y)
    x = np.linspace(0.5, 2.0, 17)
    y = np.ones(17)
    clean = f.map(x, y)
    spoilt, z = x.copy(), y.copy()
    spoilt[3], z[11] = math.nan, 0.0
    found = f.map(spoilt, z)
    keep = np.isfinite(found)
    assert keep.sum() == 15
    np.testing.assert_array_equal(found[keep], clean[keep])


def test_a_map_with_lengths_that_differ_is_refused() -> None:
    with pytest.raises(ds.ArgumentError, match=r"one length; got lengths \[3, 4\]"):
        ds.jit(energy).map(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ds.ArgumentError, match="shared"):
        ds.jit(lambda x: x).map(1.0)


# --- other kinds of number -------------------------------------------------------------------------------------------


def test_tracers_and_multiprecision_numbers_run_the_function_itself() -> None:
    f = ds.jit(lambda x: np.sin(x) * 2.0 if isinstance(x, float | ds.Value) else ds.sin(x) * 2.0)
    assert ds.trace(lambda x: f(x) + 1.0, 1.0).count() == {"sin": 1, "multiply": 1, "add": 1}
    with mpmath.workdps(40):
        assert f(mpmath.mpf(1)) == 2 * mpmath.sin(1)


def test_a_compiled_function_inside_another_keeps_its_numbers_apart() -> None:
    k = 3.0
    inner = ds.jit(lambda x: k * x)
    outer = ds.jit(lambda x: inner(x) + 1.0)
    assert outer(2.0) == 7.0
    k = 5.0
    assert outer(2.0) == 11.0
    assert len(outer.forms) == 1


def test_a_compiled_right_hand_side_solves_and_differentiates() -> None:
    k = 2.0
    decay = ds.jit(lambda t, y: -k * y)

    def end(y0: Any) -> Any:
        return ds.solve_ivp(decay, (0.0, 1.0), [y0], method="RK4", step=0.01).y[0, -1]

    assert ds.grad(end)(1.0) == pytest.approx(math.exp(-2.0), rel=1e-8)


# --- refusals --------------------------------------------------------------------------------------------------------


def branches(x: Any) -> Any:
    if x > 0.0:
        return x
    return -x


def foreign(x: Any) -> Any:
    return math.sin(x)


def impure(x: Any, seen: list[int] = [0]) -> Any:  # noqa: B006  # that is the point
    seen[0] += 1
    return x * seen[0]


def assigns(x: Any) -> Any:
    x[0] = 1.0
    return np.sum(x)


def with_sort(x: Any) -> Any:
    return np.sort(x)[0]


@pytest.mark.parametrize(
    ("f", "arg", "words"),
    [
        (branches, 1.0, r"branches cannot be traced: .*where.*test_jit.py, line \d+: \"if x > 0.0:\"\)"),
        (foreign, 1.0, r"foreign cannot be traced: math.sin takes plain numbers.*Use numpy.sin instead.*line \d+"),
        (impure, 1.0, r"impure cannot be traced: .*(changes|impure)"),
        (assigns, np.ones(2), "assigns cannot be traced: .*assigns to an array that it was given.*x.copy"),
        (with_sort, np.array([2.0, 1.0]), r"with_sort cannot be traced: .*sort.*line \d+"),
        (lambda x: None, 1.0, r"cannot be traced: .*return"),
        (lambda x: np.random.default_rng().normal() * x, 1.0, r"cannot be traced: .*"),
    ],
)
def test_what_cannot_be_traced_is_refused_with_its_line(f: Any, arg: Any, words: str) -> None:
    with pytest.raises(ds.TraceError, match=rf"(?s)^jit: .*{words}"):
        ds.jit(f)(arg)


def test_a_primitive_without_a_machine_rule_is_refused_with_its_line() -> None:
    triple = Elementwise("triple", lambda x: 3.0 * x, lambda x: 3.0 * x, (lambda out, x: 3.0,))

    def f(x: Any) -> Any:
        y = x + 1.0
        return triple(y)

    assert f(1.0) == 6.0
    words = (
        r"^jit: 'triple' has no machine rule, so this function cannot be compiled \(test_jit.py, line \d+.*\)\. Use "
    )
    with pytest.raises(ds.TraceError, match=words):
        ds.jit(f)(1.0)


def test_what_is_no_number_is_refused_by_place() -> None:
    with pytest.raises(ds.KindError, match=r"jit: argument\[0\]\['a'\] must be a real number.*got 1j"):
        ds.jit(lambda d: d["a"])({"a": 1j})
    with pytest.raises(ds.KindError, match="jit: f must be callable; got 3"):
        ds.jit(3)  # type: ignore[call-overload]
    with pytest.raises(ds.KindError, match="dtype must be float64 or float32; got int64"):
        ds.jit(energy, dtype=np.int64)
    with pytest.raises(ds.ArgumentError, match="threads"):
        ds.jit(energy, threads=0)


def test_a_function_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffsim.function_form.LARGEST", 10)
    with pytest.raises(ds.TraceError, match=r"jit: .* has 25 operations; at most 10 are compiled"):
        ds.jit(lambda x: sum(k * np.sin(k * x) for k in range(1, 8)))(1.0)


# --- size, threads, looks --------------------------------------------------------------------------------------------


def long(x: Any) -> Any:
    a, b, c = x[0], x[1], x[2]
    for _ in range(400):
        a, b, c = a + 0.01 * np.sin(b) * c, b - 0.02 * a * b, c + ds.where(a > b, 0.1 * a, 0.2 * c)
    return np.array([a, b, c])


def test_a_graph_in_parts_gives_what_it_gives_whole() -> None:
    x = np.array([0.1, 0.2, 0.3])
    f = ds.jit(long)
    np.testing.assert_allclose(f(x), long(x), rtol=1e-13)
    assert f.graph.n_operations > 2 * LARGEST_PART
    assert "@part2(" in f.llvm_ir
    np.testing.assert_allclose(ds.jacobian(f)(x), ds.jacobian(long)(x), rtol=1e-12)
    many = np.random.default_rng(0).normal(size=(3, 21))
    np.testing.assert_array_equal(f.map(many), np.stack([f(many[:, j]) for j in range(21)], axis=-1))


def test_threads_may_call_it_at_the_same_time() -> None:
    f = ds.jit(lambda x, y: np.sin(x) * y)
    wrong = []

    def work(k: float) -> None:
        for i in range(2000):
            if f(k, float(i)) != f.map(np.array([k]), np.array([float(i)]))[0] and i % 500 == 0:
                wrong.append((k, i))
            if abs(f(k, float(i)) - math.sin(k) * i) > 1e-12 * (1 + i):
                wrong.append((k, i))

    threads = [threading.Thread(target=work, args=(0.1 * k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_graph_and_code_can_be_looked_at() -> None:
    f = ds.jit(energy)
    with pytest.raises(ds.RunError, match="before its first call"):
        _ = f.graph
    f(Q, P)
    assert "inputs q[0], q[1], p[0], p[1]" in str(f.graph)
    assert "define void @kernel" in f.llvm_ir
    assert "kernel:" in f.assembly
    assert repr(f) == "<compiled energy, 1 forms>"
    assert f.__doc__ == energy.__doc__


def test_results_are_not_overwritten_by_the_next_call() -> None:
    f = ds.jit(of_vector)
    first = f(Q)
    kept: NDArray[np.float64] = first.copy()
    f(P)
    np.testing.assert_array_equal(first, kept)


def test_without_llvmlite_the_function_runs_after_one_notice() -> None:
    code = textwrap.dedent("""
        import sys, warnings
        sys.modules["llvmlite"] = None
        import numpy as np, diffsim as ds
        f = ds.jit(lambda x, y: np.sin(x) * y)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = [f(1.0, 2.0), f(1.0, 3.0), ds.grad(f)(1.0, 2.0), f.map(np.array([1.0, 2.0]), 2.0).tolist()]
        print(found == [np.sin(1.0) * 2, np.sin(1.0) * 3, np.cos(1.0) * 2, (np.sin([1.0, 2.0]) * 2).tolist()])
        print([(w.category.__name__, "llvmlite" in str(w.message)) for w in caught])
    """)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["True", "[('InterpretedWarning', True)]"]


def test_a_compiled_function_is_made_by_jit_with_and_without_options() -> None:
    @ds.jit(dtype=np.float32, threads=1)
    def f(x: Any) -> Any:
        return x * x

    assert isinstance(f, CompiledFunction)
    assert f(3.0) == np.float32(9.0)
