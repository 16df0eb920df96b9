"""Dense output: the solution as a function of time, beside SciPy's and as a thing that is differentiated."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate
from hypothesis import given
from hypothesis import strategies as st

from diffsim import certify, grad, hessian, jacobian, jvp
from diffsim.errors import ArgumentError, KindError
from diffsim.testing import check_gradients
from integrators import solve_ivp
from integrators._methods import flow_methods, method_class
from systems import DoublePendulum, Pendulum

METHODS = tuple(name for name in flow_methods() if not method_class(name)().paired)
"""Methods for any system; the splitting methods, which refuse these, prove the same in test_conformance and
test_symplectic."""
START = [1.0, 0.3]


def choice(name: str, step: float = 0.05) -> dict[str, Any]:
    """The keywords that pick a method: a step where it takes one."""
    return {"method": name} if method_class(name)().adaptive else {"method": name, "step": step}


def swing(t: float, y: Any, stiffness: Any = 1.0) -> list[Any]:
    """A driven pendulum."""
    return [y[1], -stiffness * np.sin(y[0]) - 0.1 * y[1] + 0.3 * np.cos(1.3 * t)]


def _by_scipy(span: tuple[float, float], name: str) -> Any:
    """SciPy's answer; its stubs know one way to call it."""
    call: Any = scipy.integrate.solve_ivp
    return call(swing, span, START, name, dense_output=True)


# -- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("span", [(0.0, 6.0), (6.0, 0.0)])
@pytest.mark.parametrize("name", ["RK23", "RK45", "DOP853"])
def test_values_between_steps_are_those_of_scipy(name: str, span: tuple[float, float]) -> None:
    ours = solve_ivp(swing, span, START, name, dense_output=True)
    theirs = _by_scipy(span, name)
    t = np.linspace(*span, 61)
    close = 1e-6 if name == "DOP853" else 1e-10  # its two error estimates cancel: rounding moves its steps
    np.testing.assert_allclose(ours.sol(t), theirs.sol(t), rtol=close, atol=close)
    np.testing.assert_allclose(ours.sol.ts, theirs.sol.ts, rtol=close)
    assert (ours.sol.t_min, ours.sol.t_max, ours.sol.n_segments) == (0.0, 6.0, theirs.sol.n_segments)


def test_beyond_the_ends_the_outer_polynomials_are_continued_as_in_scipy() -> None:
    ours = solve_ivp(swing, (0.0, 6.0), START, dense_output=True)
    theirs = _by_scipy((0.0, 6.0), "RK45")
    for t in (-0.2, 6.2):
        np.testing.assert_allclose(ours.sol(t), theirs.sol(t), rtol=1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_polynomials_pass_through_all_steps(name: str) -> None:
    found = solve_ivp(swing, (0.0, 2.0), START, dense_output=True, **choice(name))
    np.testing.assert_array_equal(found.sol.ts, found.t)
    np.testing.assert_array_equal(found.sol(found.t[:-1]), found.y[:, :-1])
    rounding = 2e-9 if name.startswith("Vern") else 1e-12  # weights of 1e5 in the interpolants of Vern6 and Vern8
    np.testing.assert_allclose(found.sol(found.t[-1]), found.y[:, -1], rtol=rounding, atol=rounding)


@pytest.mark.parametrize("name", ["RK45", "RK4"])
def test_save_times_do_not_change_the_polynomials(name: str) -> None:
    way = choice(name)
    plain = solve_ivp(swing, (0.0, 2.0), START, dense_output=True, **way)
    saved = solve_ivp(swing, (0.0, 2.0), START, dense_output=True, t_eval=[0.0, 0.33, 2.0], **way)
    t = np.linspace(0.0, 2.0, 37)
    np.testing.assert_array_equal(saved.sol(t), plain.sol(t))
    np.testing.assert_allclose(saved.y, solve_ivp(swing, (0.0, 2.0), START, t_eval=saved.t, **way).y, rtol=1e-13)


@given(st.lists(st.floats(-1.0, 3.0), min_size=1, max_size=8))
def test_many_times_in_any_order_are_each_time_alone(times: list[float]) -> None:
    sol = _kept()
    together = sol(times)
    assert together.shape == (2, len(times))
    for j, t in enumerate(times):
        np.testing.assert_array_equal(together[:, j], sol(t))


@functools.cache
def _kept() -> Any:
    return solve_ivp(swing, (0.0, 2.0), START, dense_output=True).sol


def test_shapes_are_those_of_scipy() -> None:
    sol = _kept()
    assert sol(1.0).shape == (2,)
    assert sol([1.0]).shape == (2, 1)
    assert sol([]).shape == (2, 0)
    assert sol(1).shape == (2,)
    assert np.isnan(sol(math.nan)).all()


def test_span_of_no_length_is_a_constant() -> None:
    sol = solve_ivp(lambda t, y: -y, (4.0, 4.0), [2.0, 3.0], dense_output=True).sol
    np.testing.assert_array_equal(sol(4.0), [2.0, 3.0])
    np.testing.assert_array_equal(sol([4.0, 5.0, 6.0]), [[2.0] * 3, [3.0] * 3])
    assert sol.t_min == sol.t_max == 4.0


def test_failed_solve_has_the_polynomials_up_to_its_end() -> None:
    found = solve_ivp(lambda t, y: y**2, (0.0, 2.0), [1.0], dense_output=True)
    assert found.status == -1
    assert 0.9 < found.sol.t_max < 1.1
    np.testing.assert_allclose(found.sol(0.5), [2.0], rtol=1e-3)


def test_nobody_asked() -> None:
    assert solve_ivp(swing, (0.0, 2.0), START).sol is None
    assert solve_ivp(swing, (0.0, 2.0), START, dense_output=False).sol is None


# -- batches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["RK45", "RK4", "Taylor"])
@pytest.mark.parametrize("fun", [Pendulum(), swing])
def test_batch_is_its_trajectories(fun: Any, name: str) -> None:
    way = choice(name)
    starts = np.random.default_rng(5).uniform(-1.0, 1.0, (2, 2, 3))
    found = solve_ivp(fun, (0.0, 2.0), starts, dense_output=True, **way)
    t = np.linspace(-0.1, 2.1, 12)
    assert found.sol(t).shape == (2, 2, 3, 12)
    assert found.sol(1.0).shape == (2, 2, 3)
    assert found.sol.t_min.shape == found.sol.n_segments.shape == (2, 3)
    for spot in np.ndindex(2, 3):
        one = solve_ivp(fun, (0.0, 2.0), starts[(slice(None), *spot)], dense_output=True, **way)
        np.testing.assert_allclose(found.sol(t)[(slice(None), *spot)], one.sol(t), rtol=1e-13, atol=1e-14)
        ts = found.sol.ts[spot]
        np.testing.assert_allclose(ts[~np.isnan(ts)], one.sol.ts, rtol=1e-14)


def test_empty_batch() -> None:
    sol = solve_ivp(swing, (0.0, 2.0), np.zeros((2, 0)), dense_output=True).sol
    assert sol(1.0).shape == (2, 0)
    assert sol([1.0, 2.0, 3.0]).shape == (2, 0, 3)


def test_batch_with_its_own_spans_backwards_and_forwards() -> None:
    spans = (np.array([0.0, 2.0]), np.array([2.0, 1.0]))
    sol = solve_ivp(swing, spans, np.array([START, START]).T, dense_output=True).sol
    one = solve_ivp(swing, (2.0, 1.0), START, dense_output=True).sol
    np.testing.assert_array_equal(sol(1.3)[:, 1], one(1.3))
    np.testing.assert_array_equal(sol.t_max, [2.0, 2.0])
    np.testing.assert_array_equal(sol.t_min, [0.0, 1.0])


@pytest.mark.parametrize("way", [{"method": "RK45"}, {"method": "DOP853"}, {"method": "RK4", "step": 0.07}])
@pytest.mark.parametrize("t_eval", [None, [0.0, 0.33, 2.0]])
def test_machine_code_gives_the_polynomials_of_the_interpreter(way: dict[str, Any], t_eval: Any) -> None:
    t = np.linspace(-0.05, 2.05, 22)
    starts = np.random.default_rng(2).uniform(-1.0, 1.0, (2, 3))
    for y0 in (np.array(START), starts):
        one, other = (
            solve_ivp(swing, (0.0, 2.0), y0, t_eval=t_eval, dense_output=True, compiled=compiled, **way)
            for compiled in (True, False)
        )
        assert one.stats["compiled"]
        np.testing.assert_allclose(one.sol(t), other.sol(t), rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(one.sol.ts, other.sol.ts, rtol=1e-8)
        np.testing.assert_array_equal(one.nfev, other.nfev)


def test_machine_code_and_interpreter_agree_on_derivatives() -> None:
    def loss(p: Any, compiled: bool) -> Any:
        found = solve_ivp(swing, (0.0, 2.0), p[:2], args=(p[2],), dense_output=True, compiled=compiled)
        return (found.sol(p[3] * np.array([0.5, 1.3])) ** 2).sum()

    p = np.array([1.0, 0.3, 1.1, 1.0])
    np.testing.assert_allclose(grad(loss)(p, True), grad(loss)(p, False), rtol=1e-10)
    np.testing.assert_allclose(hessian(loss)(p, True), hessian(loss)(p, False), rtol=1e-8)


def test_machine_code_of_a_batch_with_parameters_of_its_own_and_one_that_stands_still() -> None:
    gravity, ends = np.array([9.8, 5.0, 2.0]), np.array([1.0, 0.0, 2.0])
    sol = solve_ivp(Pendulum(gravity=gravity), (0.0, ends), np.ones((2, 3)), dense_output=True, compiled=True).sol
    for j in (0, 2):
        one = solve_ivp(Pendulum(gravity=gravity[j]), (0.0, ends[j]), np.ones(2), dense_output=True, compiled=True).sol
        np.testing.assert_allclose(sol(0.7)[:, j], one(0.7), rtol=1e-13)
    np.testing.assert_array_equal(sol([0.0, 1.0])[:, 1], np.ones((2, 2)))


# -- derivatives -------------------------------------------------------------------------------------------------


def _observed(p: Any, way: dict[str, Any]) -> Any:
    """A number that depends on start, parameter, both ends and the times of interest."""
    span = (0.1 * p[3], 3.0 + p[4])
    sol = solve_ivp(swing, span, [p[0], p[1]], args=(p[2],), dense_output=True, **way).sol
    y = sol(p[5] * np.array([0.513, 1.127, 2.731]))
    return y[0] @ y[1] + sol(1.7 * p[5])[0]


P = np.array([1.0, 0.3, 1.1, 1.0, 0.02, 1.0])
WAYS = ["RK23", "RK45", "DOP853", "Tsit5", "RK4", "Taylor"]


@pytest.mark.parametrize("name", WAYS)
def test_derivatives_by_start_parameter_ends_and_time_are_certified(name: str) -> None:
    way = choice(name) | ({"rtol": 1e-6, "atol": 1e-8} if method_class(name)().adaptive else {})
    assert certify(lambda p: _observed(p, way), P)


@pytest.mark.parametrize("name", ["RK45", "RK4"])
def test_second_order_in_all_four_compositions(name: str) -> None:
    loss: Callable[[Any], Any] = functools.partial(_observed, way=choice(name, step=0.25))

    expected = hessian(loss)(P)
    np.testing.assert_allclose(jacobian(grad(loss))(P), expected, rtol=1e-8, atol=1e-9)
    for i in range(len(P)):
        e = np.eye(len(P))[i]
        over_reverse = jvp(grad(loss), (P,), (e,))[1]
        np.testing.assert_allclose(over_reverse, expected[i], rtol=1e-8, atol=1e-9)
        by_forward = functools.partial(lambda p, e: jvp(loss, (p,), (e,))[1], e=e)
        np.testing.assert_allclose(grad(by_forward)(P), expected[i], rtol=1e-8, atol=1e-9)
        twice = [jvp(by_forward, (P,), (d,))[1] for d in np.eye(len(P))]
        np.testing.assert_allclose(twice, expected[i], rtol=1e-8, atol=1e-9)


def test_derivative_in_time_is_the_right_hand_side_to_the_tolerance() -> None:
    sol = solve_ivp(swing, (0.0, 5.0), START, "DOP853", rtol=1e-11, atol=1e-12, dense_output=True).sol
    for t in (0.0, 1.234, 5.0):
        np.testing.assert_allclose(jvp(sol, (t,), (1.0,))[1], swing(t, sol(t)), rtol=1e-6, atol=1e-8)


def test_each_of_many_times_has_its_own_derivative() -> None:
    sol = _kept()
    check_gradients(lambda t: (sol(t) ** 2).sum(), np.array([0.313, 0.711, 1.97, 0.313]))


def test_batch_is_differentiated_as_its_trajectories() -> None:
    starts = np.array([[1.0, 0.4], [0.3, -0.2]])

    def loss(y0: Any, t: Any) -> Any:
        sol: Any = solve_ivp(Pendulum(), (0.0, 2.0), y0, dense_output=True).sol
        return (sol(t)[0] ** 2).sum()

    by_start, by_time = grad(loss, argnums=(0, 1))(starts, np.array([0.5, 1.7]))
    alone = [grad(loss, argnums=(0, 1))(starts[:, j], np.array([0.5, 1.7])) for j in range(2)]
    np.testing.assert_allclose(by_start, np.stack([one[0] for one in alone], axis=1), rtol=1e-12)
    np.testing.assert_allclose(by_time, alone[0][1] + alone[1][1], rtol=1e-12)


def test_with_sensitivities_its_values_are_plain_and_outer_derivatives_stay() -> None:
    def value(angle: Any, **more: Any) -> Any:
        return solve_ivp(swing, (0.0, 2.0), [angle, 0.3], dense_output=True, **more).sol(1.1)[0]

    assert isinstance(value(1.0, sensitivities="y0"), float)
    assert value(1.0, sensitivities="y0") == pytest.approx(value(1.0), rel=1e-14)
    assert grad(lambda a: value(a, sensitivities="y0"))(1.0) == pytest.approx(grad(value)(1.0), rel=1e-12)


def test_solution_outlives_the_differentiation_it_is_used_in() -> None:
    sol = solve_ivp(DoublePendulum(), (0.0, 1.0), [0.4, 0.0, 1.0, 4.0], dense_output=True).sol
    first = grad(lambda t: sol(t)[0])(0.4)
    assert grad(lambda t: sol(t)[0])(0.4) == first
    assert isinstance(sol(0.4), np.ndarray)


# -- bad input ---------------------------------------------------------------------------------------------------


def test_times_with_two_axes_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"OdeSolution: t must be a number or have one axis; got t=\(2, 2\)"):
        _kept()(np.zeros((2, 2)))


def test_complex_time_is_refused() -> None:
    with pytest.raises(KindError, match="OdeSolution: t must be real; got 1j"):
        _kept()(1j)


def test_flag_that_is_no_flag_is_refused() -> None:
    with pytest.raises(KindError, match="dense_output must be True or False; got 'yes'"):
        solve_ivp(swing, (0.0, 1.0), START, dense_output="yes")
