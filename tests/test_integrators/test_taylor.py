"""The Taylor-series method: known digits, its order and steps, its polynomial between them, and what it refuses."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import mpmath
import numpy as np
import pytest

from diffsim import ops
from diffsim.compiler import engine
from diffsim.derivatives import grad, hessian
from diffsim.errors import ArgumentError, InterpretedWarning, KindError
from diffsim.value import Value
from integrators import Taylor, solve_ivp
from integrators.taylor import order_for, step_from
from systems import DoublePendulum, Lorenz63

WAY = "auto" if engine.available() else None
"""Where what cannot be compiled is told of."""
START = [0.4, 0.0, 1.0, 4.0]


def turn(t: Any, y: Any) -> list[Any]:
    return [y[1], -y[0]]


def test_double_pendulum_at_5_seconds_has_all_eight_known_digits() -> None:
    # SOURCE: facts about the double pendulum, from two other methods; 36 digits in test_multiprecision.py.
    sol = solve_ivp(DoublePendulum(), (0.0, 5.0), START, "Taylor", rtol=3e-14, atol=1e-15, t_eval=[5.0])
    np.testing.assert_allclose(sol.y[:, 0], [3.54359486, 47.43645061, 1.41263353, -0.09537723], rtol=0, atol=5e-9)


@pytest.mark.slow
def test_gradient_of_the_double_pendulum_has_the_known_digits() -> None:
    sol = solve_ivp(
        DoublePendulum(), (0.0, 5.0), START, "Taylor", rtol=1e-12, atol=1e-14, t_eval=[5.0], sensitivities="y0"
    )
    np.testing.assert_allclose(sol.dy_dy0[1, :, 0], [-111.068, 135.598, -104.511, 52.6617], rtol=0, atol=5e-4)


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9, 1e-12, 3e-14])
def test_error_follows_the_tolerance_and_steps_are_hardly_ever_rejected(rtol: float) -> None:
    sol = solve_ivp(turn, (0.0, 10.0), [0.0, 1.0], "Taylor", rtol=rtol, atol=rtol, compiled=False)
    assert abs(sol.y[0, -1] - math.sin(10.0)) < 10.0 * rtol
    # One call with series at each time, and one for the derivative at the start.
    assert len(sol.t) + 1 <= sol.nfev <= 1.1 * len(sol.t) + 1


def test_solution_between_the_steps_is_as_exact_as_at_their_ends() -> None:
    times = np.linspace(0.0, 10.0, 357)
    sol = solve_ivp(turn, (0.0, 10.0), [0.0, 1.0], "Taylor", rtol=1e-13, atol=1e-14, t_eval=times)
    np.testing.assert_allclose(sol.y[0], np.sin(times), atol=1e-13)
    np.testing.assert_allclose(sol.y[1], np.cos(times), atol=1e-13)


def test_polynomial_of_a_step_is_the_series_of_the_solution() -> None:
    method = Taylor(order=12)
    y = np.array([0.3, -0.7])
    step = method.advance(lambda t, y: np.array([y[1], -y[0]], dtype=object), 0.0, y, 0.5)
    found = method.dense(turn, 0.0, y, 0.5, step)
    with mpmath.workdps(30):
        wanted = mpmath.taylor(lambda t: 0.3 * mpmath.cos(t) - 0.7 * mpmath.sin(t), 0, 12)
    np.testing.assert_allclose(
        [d[0] / 0.5**k for k, d in enumerate(found, 1)], [float(c) for c in wanted[1:]], rtol=1e-13
    )


def test_order_is_the_cheapest_for_the_tolerance() -> None:
    assert [order_for(tol) for tol in (1.0, 1e-3, 1e-6, 1e-9, 1e-12, 1e-14)] == [2, 5, 8, 12, 15, 18]
    assert Taylor().tuned(1e-9, 1e-12) == Taylor(order=12)
    assert Taylor().tuned(0.0, 1e-9) == Taylor(order=12)
    assert Taylor(order=7).tuned(1e-9, 1e-12) == Taylor(order=7)
    assert Taylor().order == 20


def test_step_keeps_the_last_two_terms_below_the_tolerance() -> None:
    h = float(step_from(0.25, 0.5, 10))
    assert max(0.25 * h**9, 0.5 * h**10) < 1.0
    assert max(0.25 * (1.12 * h) ** 9, 0.5 * (1.12 * h) ** 10) > 1.0


def test_series_that_ends_is_exact_in_one_step() -> None:
    sol = solve_ivp(lambda t, y: 3.0 * t * t, (0.0, 100.0), [1.0], "Taylor")
    assert sol.y[0, -1] == 1e6 + 1.0
    assert len(sol.t) == 2


def test_backwards_with_chosen_and_with_fixed_steps() -> None:
    for more in ({"rtol": 1e-12, "atol": 1e-13}, {"step": 0.02}):
        sol = solve_ivp(turn, (2.0, -1.0), [math.sin(2.0), math.cos(2.0)], "Taylor", **more)
        np.testing.assert_allclose(sol.y[:, -1], [math.sin(-1.0), math.cos(-1.0)], atol=1e-11)


def test_batch_has_its_own_steps_and_the_bits_of_single_solves() -> None:
    starts = np.array([[1.0, 5.0, 0.1], [1.0, -3.0, 0.2], [1.0, 20.0, 30.0]])
    sol = solve_ivp(Lorenz63(), (0.0, 0.5), starts, "Taylor", rtol=1e-9, compiled=False)
    assert len(set(sol.n_times)) > 1
    for i in range(3):
        one = solve_ivp(Lorenz63(), (0.0, 0.5), starts[:, i], "Taylor", rtol=1e-9, compiled=False)
        np.testing.assert_array_equal(sol.y[:, i, : sol.n_times[i]], one.y)


@pytest.mark.parametrize("compiled", ["auto", False])
def test_series_that_ends_by_accident_does_not_hide_what_comes(compiled: Any) -> None:
    # All coefficients up to the order are 0 at the start: the step would reach the end, and the error estimate be 0.
    sol = solve_ivp(lambda t, y: t**30 + 0.0 * y, (0.0, 2.0), [1.0], "Taylor", rtol=1e-6, compiled=compiled)
    assert sol.y[0, -1] == pytest.approx(1.0 + 2.0**31 / 31, rel=1e-5)
    lanes = solve_ivp(lambda t, y: t**30 + 0.0 * y, (0.0, 2.0), np.ones((1, 3)), "Taylor", rtol=1e-6, compiled=compiled)
    np.testing.assert_array_equal(lanes.y[0, :, lanes.n_times[0] - 1], sol.y[0, -1])


def test_kink_within_a_step_is_found() -> None:
    def kinked(t: Any, y: Any) -> Any:
        return [ops.where(t < 1.0, 1.0, -3.0) + 0.0 * y[0]]

    sol = solve_ivp(kinked, (0.0, 2.0), [0.0], "Taylor", rtol=1e-8, atol=1e-10)
    assert sol.y[0, -1] == pytest.approx(-2.0, abs=1e-6)


@pytest.mark.skipif(not engine.available(), reason="needs llvmlite")
def test_series_as_machine_code_are_those_of_the_interpreter() -> None:
    starts = np.array([[1.0, 5.0, 0.1], [1.0, -3.0, 0.2], [1.0, 20.0, 30.0]])
    system = Lorenz63(rho=np.array([20.0, 28.0, 35.0]))
    for fun, y0 in ((Lorenz63(), starts), (system, starts), (Lorenz63(), starts[:, 0]), (turn, starts[:2])):
        more: dict[str, Any] = {"rtol": 1e-8, "t_eval": [0.1, 0.3]}
        machine = solve_ivp(fun, (0.0, 0.3), y0, "Taylor", **more)
        plain = solve_ivp(fun, (0.0, 0.3), y0, "Taylor", compiled=False, **more)
        np.testing.assert_allclose(machine.y, plain.y, rtol=1e-11)
        np.testing.assert_array_equal(machine.nfev, plain.nfev)


@pytest.mark.skipif(not engine.available(), reason="needs llvmlite")
def test_series_as_machine_code_see_a_changed_parameter_and_time() -> None:
    def decay(t: Any, y: Any, rate: float) -> Any:
        return -rate * (1.0 + t) * y

    for rate in (0.5, 0.7):
        sol = solve_ivp(decay, (1.0, 2.0), [1.0], "Taylor", rtol=1e-12, atol=1e-14, args=(rate,))
        assert sol.y[0, -1] == pytest.approx(math.exp(-2.5 * rate), rel=1e-11)


@pytest.mark.skipif(not engine.available(), reason="needs llvmlite")
def test_series_of_a_traceable_function_are_not_interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interpreted(*_: Any) -> Any:
        raise AssertionError("interpreted")

    monkeypatch.setattr("integrators.taylor.solution_series", interpreted)
    for more in ({}, {"sensitivities": "y0"}):
        assert solve_ivp(turn, (0.0, 3.0), [0.0, 1.0], "Taylor", rtol=1e-5, **more).success
    with pytest.raises(AssertionError, match="interpreted"):
        solve_ivp(turn, (0.0, 3.0), [0.0, 1.0], "Taylor", rtol=1e-5, compiled=False)


@pytest.mark.skipif(not engine.available(), reason="needs llvmlite")
def test_derivatives_of_series_as_machine_code_are_those_of_jets() -> None:
    def loss(start: Any, rho: Any, compiled: Any) -> Any:
        sol = solve_ivp(Lorenz63(rho=rho), (0.0, 0.3), start, "Taylor", rtol=1e-8, t_eval=[0.2, 0.3], compiled=compiled)
        return (sol.y * sol.y).sum()

    start = np.array([1.0, 2.0, 20.0])
    for differentiate in (grad, hessian):
        for number in (0, 1):
            machine, jets = (differentiate(loss, argnums=number)(start, 28.0, compiled) for compiled in ("auto", False))
            np.testing.assert_allclose(machine, jets, rtol=1e-9)
    starts = np.array([[1.0, 5.0], [2.0, -3.0], [20.0, 25.0]])
    found = [
        solve_ivp(
            Lorenz63(), (0.0, 0.3), starts, "Taylor", rtol=1e-6, t_eval=[0.3], sensitivities=("y0", "rho"), compiled=c
        )
        for c in ("auto", False)
    ]
    np.testing.assert_allclose(found[0].dy_dy0, found[1].dy_dy0, rtol=1e-9)
    np.testing.assert_allclose(found[0].dy_dparams, found[1].dy_dparams, rtol=1e-9)


@pytest.mark.parametrize("compiled", ["auto", False])
def test_root_at_zero_is_seen_by_jets_and_leaves_the_neighbours_bits(compiled: Any) -> None:
    def root(t: Any, y: Any) -> Any:
        return np.sqrt(np.abs(y))

    sol = solve_ivp(root, (0.0, 1.0), [0.0], "Taylor", compiled=compiled)
    assert sol.success
    assert (sol.y == 0.0).all()

    alone = solve_ivp(
        Lorenz63(), (0.0, 0.2), np.array([[1.0], [2.0], [3.0]]), "Taylor", t_eval=[0.2], compiled=compiled
    )
    starts = np.array([[1.0, 1e200], [2.0, 1e200], [3.0, 1e200]])
    beside = solve_ivp(Lorenz63(), (0.0, 0.2), starts, "Taylor", t_eval=[0.2], compiled=compiled)
    assert beside.status[1] == -1
    np.testing.assert_array_equal(beside.y[:, 0], alone.y[:, 0])


@pytest.mark.parametrize("compiled", ["auto", False])
def test_what_cannot_be_traced_runs_on_jets(compiled: Any) -> None:
    def kinked(t: Any, y: Any) -> Any:
        return -y if y[0] > -1.0 else y

    told = pytest.warns(InterpretedWarning, match="kinked") if compiled == WAY else contextlib.nullcontext()
    with told:
        sol = solve_ivp(kinked, (0.0, 2.0), [1.0], "Taylor", rtol=1e-12, atol=1e-13, compiled=compiled)
    assert sol.y[0, -1] == pytest.approx(math.exp(-2.0), rel=1e-11)


def test_branch_on_the_state_is_that_of_the_start_of_a_step() -> None:
    def bounce(t: Any, y: Any) -> Any:
        return -y if y[0] > 0.5 else -2.0 * y

    sol = solve_ivp(bounce, (0.0, 0.5), [1.0], "Taylor", rtol=1e-12, atol=1e-13, compiled=False)
    assert abs(sol.y[0, -1] - math.exp(-0.5)) < 1e-12


def test_derivative_of_a_solve_is_that_of_its_polynomials() -> None:
    rate = Value(-0.7)
    sol = solve_ivp(lambda t, y: rate * y, (0.0, 2.0), [1.5], "Taylor", rtol=1e-13, atol=1e-15)
    sol.y[0, -1].backward()
    assert rate.grad == pytest.approx(2.0 * 1.5 * math.exp(-1.4), rel=1e-12)


def test_right_hand_sides_that_need_plain_numbers_are_refused_with_a_reason() -> None:
    with pytest.raises(KindError, match=r"float|plain"):
        solve_ivp(lambda t, y: [math.sin(y[0])], (0.0, 1.0), [1.0], "Taylor", compiled=False)
    with pytest.raises(KindError, match="return"):
        solve_ivp(lambda t, y: None, (0.0, 1.0), [1.0], "Taylor", compiled=False)


def test_controller_has_no_say_and_is_refused() -> None:
    for name in ("Taylor", "BDF"):
        with pytest.raises(ArgumentError, match=r"controller must be left out: .* chooses its steps in its own way"):
            solve_ivp(turn, (0.0, 1.0), [0.0, 1.0], name, controller="PI")


@pytest.mark.parametrize(
    ("order", "error"), [(1, ArgumentError), (0, ArgumentError), (2.5, KindError), (True, KindError)]
)
def test_order_that_is_none_is_refused(order: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^Taylor: order must be"):
        Taylor(order=order)


def test_functions_of_the_table_pass_on_jets() -> None:
    sol = solve_ivp(
        lambda t, y: [ops.where(t < 5.0, ops.cos(t) * y[0], 0.0)], (0.0, 2.0), [1.0], "Taylor", rtol=1e-13, atol=1e-15
    )
    assert sol.y[0, -1] == pytest.approx(math.exp(math.sin(2.0)), rel=1e-12)
