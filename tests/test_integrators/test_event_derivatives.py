"""Derivatives of event times and states, and of what follows them: closed forms, and every mode against the others."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

from diffsim import certify, grad, hessian, jacobian, jvp, ops, value_and_grad
from diffsim.errors import ArgumentError, RunError
from integrators import solve_ivp
from systems import HarmonicOscillator

WAYS: list[dict[str, Any]] = [{"method": "RK45"}, {"method": "DOP853"}, {"method": "RK4", "step": 0.05}]
P = np.array([1.0, 0.9, 9.81])


def ball(t: Any, y: Any, c: Any, gravity: Any) -> list[Any]:
    return [y[1], -gravity + 0.0 * y[0]]


def ground(count: int = 0) -> Any:
    """The ground of a bouncing ball; the solve ends at a bounce with this number."""

    def hit(t: Any, y: Any, c: Any, gravity: Any) -> Any:
        return y[0]

    def bounce(t: Any, y: Any, c: Any, gravity: Any) -> list[Any]:
        return [y[0], -c * y[1]]

    event: Any = hit
    event.direction, event.terminal, event.reset = -1.0, count, bounce
    return event


def bounce_times(p: Any, way: dict[str, Any], n: int = 30) -> Any:
    """Times of the first n bounces of a ball that is dropped from rest, by height, restitution and gravity."""
    found = solve_ivp(ball, (0.0, 30.0), [p[0], 0.0 * p[0]], args=(p[1], p[2]), events=ground(n), **way)
    assert found.status == 1
    return found.t_events[0]


def closed_form(p: Any, n: int = 30) -> Any:
    """The time of bounce n."""
    total: Any = 1.0
    for j in range(1, n):
        total = total + 2.0 * p[1] ** j
    return ops.sqrt(2.0 * p[0] / p[2]) * total


# -- the bouncing ball -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_times_of_thirty_bounces_and_their_gradients_are_the_closed_form(way: dict[str, Any]) -> None:
    times = bounce_times(P, way)
    np.testing.assert_allclose(times, [closed_form(P, k) for k in range(1, 31)], rtol=0.0, atol=1e-10)
    by_reverse = jacobian(lambda p: bounce_times(p, way))(P)
    expected = [grad(functools.partial(closed_form, n=k))(P) for k in range(1, 31)]
    close = 1e-9 if way["method"] == "DOP853" else 1e-10  # its interpolant leaves more rounding
    np.testing.assert_allclose(by_reverse, expected, rtol=0.0, atol=close)
    by_forward = jvp(lambda p: bounce_times(p, way), (P,), (np.array([0.3, 0.5, -0.2]),))[1]
    np.testing.assert_allclose(by_forward, np.array(expected) @ [0.3, 0.5, -0.2], rtol=0.0, atol=close)


def test_second_derivatives_of_the_last_bounce_are_the_closed_form_in_all_four_compositions() -> None:
    def last(p: Any) -> Any:
        return bounce_times(p, {"method": "RK45"}, 10)[-1]

    expected = hessian(functools.partial(closed_form, n=10))(P)
    np.testing.assert_allclose(hessian(last)(P), expected, rtol=1e-8, atol=1e-8)
    e = np.array([0.3, 0.5, -0.2])
    np.testing.assert_allclose(jvp(grad(last), (P,), (e,))[1], expected @ e, rtol=1e-8)
    np.testing.assert_allclose(grad(lambda p: jvp(last, (p,), (e,))[1])(P), expected @ e, rtol=1e-8)
    np.testing.assert_allclose(grad(lambda p: grad(last)(p) @ e)(P), expected @ e, rtol=1e-8)
    twice = jvp(lambda p: jvp(last, (p,), (e,))[1], (P,), (e,))[1]
    np.testing.assert_allclose(twice, e @ expected @ e, rtol=1e-8)


@pytest.mark.parametrize("way", [WAYS[0], *(pytest.param(way, marks=pytest.mark.slow) for way in WAYS[1:])])
@pytest.mark.parametrize("t_eval", [None, [1.0, 3.9]])
def test_states_behind_the_bounces_are_certified_scimlsensitivity_4_374_diffrax_729(
    way: dict[str, Any], t_eval: Any
) -> None:
    def state(p: Any) -> Any:
        found = solve_ivp(
            ball, (0.0, 4.0), [p[0], 0.0 * p[0]], args=(p[1], p[2]), events=ground(), t_eval=t_eval, **way
        )
        return found.y[0, -1] + 0.1 * found.y[1, -1]

    assert certify(state, P)


def test_forward_sensitivities_behind_bounces_are_the_jacobian() -> None:
    def end(q: Any) -> Any:
        return solve_ivp(ball, (0.0, 4.0), q[:2], args=(q[2], q[3]), events=ground()).y[:, -1]

    found = solve_ivp(
        ball,
        (0.0, 4.0),
        [1.0, 0.0],
        args=(0.9, 9.81),
        events=ground(),
        sensitivities=("y0", "args[0]", "args[1]"),
    )
    together = np.concatenate([found.dy_dy0[..., -1], found.dy_dparams[..., -1]], axis=1)
    np.testing.assert_allclose(together, jacobian(end)(np.array([1.0, 0.0, 0.9, 9.81])), rtol=1e-9)
    assert isinstance(found.t_events[0], np.ndarray)
    assert found.t_events[0].dtype == np.float64


def test_saltation_matrix_of_one_bounce() -> None:
    """Leine and Nijmeijer, "Dynamics and Bifurcations of Non-Smooth Mechanical Systems", section 7.3."""
    c, g, end = 0.9, 9.81, 0.6
    hit = math.sqrt(2.0 / g)
    speed = -g * hit
    jump = np.array([[-c, 0.0], [-(1.0 + c) * g / speed, -c]])
    before, behind = (np.array([[1.0, t], [0.0, 1.0]]) for t in (hit, end - hit))
    expected = behind @ jump @ before
    found = jacobian(lambda y0: solve_ivp(ball, (0.0, end), y0, args=(c, g), events=ground()).y[:, -1])(
        np.array([1.0, 0.0])
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10)


# -- other ends, times, systems ------------------------------------------------------------------------------------


def test_end_of_a_terminated_solve_has_a_derivative_diffrax_451() -> None:
    def fall(height: Any) -> Any:
        return solve_ivp(ball, (0.0, 9.0), [height, 0.0], args=(0.9, 9.81), events=ground(1)).t_events[0][0]

    value, slope = value_and_grad(fall)(2.0)
    assert value == pytest.approx(math.sqrt(4.0 / 9.81), rel=1e-12)
    assert slope == pytest.approx(0.5 / math.sqrt(9.81), rel=1e-10)


def test_numbers_inside_the_event_function_carry_derivatives_torchdiffeq_208() -> None:
    def crossing(level: Any) -> Any:
        found = solve_ivp(lambda t, y: [2.0], (0.0, 5.0), [0.0], events=lambda t, y: y[0] - level)
        return found.t_events[0][0]

    assert grad(crossing)(3.0) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_both_ends_of_the_span_carry_derivatives_through_bounces(way: dict[str, Any]) -> None:
    def height(span: Any) -> Any:
        return solve_ivp(ball, (span[0], span[1]), [1.0, 0.0], args=(0.9, 9.81), events=ground(), **way).y[0, -1]

    span = np.array([0.1, 2.03])
    speed = solve_ivp(ball, (0.1, 2.03), [1.0, 0.0], args=(0.9, 9.81), events=ground(), **way).y[1, -1]
    np.testing.assert_allclose(grad(height)(span), [-speed, speed], rtol=1e-9)

    def last(span: Any) -> Any:
        return solve_ivp(ball, (span[0], span[1]), [1.0, 0.0], args=(0.9, 9.81), events=ground(), **way).t_events[0][-1]

    np.testing.assert_allclose(grad(last)(span), [1.0, 0.0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_save_times_carry_derivatives(way: dict[str, Any]) -> None:
    def heights(times: Any) -> Any:
        return solve_ivp(ball, (0.0, 2.0), [1.0, 0.0], args=(0.9, 9.81), t_eval=times, events=ground(), **way).y[0]

    times = np.array([0.0, 0.31, 0.72, 1.93])
    speeds = solve_ivp(ball, (0.0, 2.0), [1.0, 0.0], args=(0.9, 9.81), t_eval=times, events=ground(), **way).y[1]
    np.testing.assert_allclose(jacobian(heights)(times), np.diag(speeds), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("way", [{"method": "RK45"}, {"method": "Radau"}, {"method": "RK4", "step": 0.07}])
def test_all_derivatives_at_once_are_certified(way: dict[str, Any]) -> None:
    """A ball with drag on a table that rises: start, parameters, both ends, save times, events, dense output."""

    def drag(t: Any, y: Any, c: Any, gravity: Any) -> list[Any]:
        return [y[1], -gravity - 0.1 * y[1]]

    def table(t: Any, y: Any, c: Any, gravity: Any) -> Any:
        return y[0] - 0.05 * t

    def bounce(t: Any, y: Any, c: Any, gravity: Any) -> list[Any]:
        return [y[0], -c * y[1] + 0.05 * (1.0 + c)]

    hit: Any = table
    hit.direction = -1.0

    def loss(q: Any) -> Any:
        found = solve_ivp(
            drag,
            (q[4], q[5]),
            [q[0], q[1]],
            args=(q[2], q[3]),
            events=hit,
            reset=bounce,
            t_eval=q[6:8],
            dense_output=True,
            **way,
        )
        told = 0.1 * found.t_events[0].sum() + 0.05 * found.y_events[0][:, 1].sum()
        return found.y[0].sum() + 0.3 * found.y[1, 0] + told + found.sol(q[8])[0]

    assert certify(loss, np.array([1.0, 0.1, 0.9, 9.8, 0.05, 2.03, 0.413, 1.6, 1.1]))


def test_save_times_without_events_carry_derivatives() -> None:
    oscillator = HarmonicOscillator(mass=1.0, stiffness=4.0)

    def positions(times: Any) -> Any:
        return solve_ivp(oscillator, (0.0, 3.0), [1.0, 0.0], t_eval=times, rtol=1e-10, atol=1e-12).y[0]

    times = np.array([0.2, 1.3, 3.0])
    np.testing.assert_allclose(jacobian(positions)(times), np.diag(-2.0 * np.sin(2.0 * times)), rtol=1e-6)


def test_batch_has_the_derivatives_of_its_trajectories() -> None:
    heights = np.array([1.0, 2.0, 0.5])

    def end(h: Any) -> Any:
        return solve_ivp(ball, (0.0, 2.0), [h, 0.0], args=(0.9, 9.81), events=ground(), t_eval=[2.0]).y[0, -1]

    def ends(h: Any) -> Any:
        found = solve_ivp(ball, (0.0, 2.0), [h, 0.0 * h], args=(0.9, 9.81), events=ground(), t_eval=[2.0])
        return found.y[0, :, -1].sum()

    np.testing.assert_allclose(grad(ends)(heights), [grad(end)(float(h)) for h in heights], rtol=1e-12)


# -- refused -----------------------------------------------------------------------------------------------------------


def test_crossing_without_a_slope_has_no_derivative_and_says_so() -> None:
    def when(level: Any) -> Any:
        found = solve_ivp(lambda t, y: [1.0], (0.0, 2.0), [0.0], events=lambda t, y: (y[0] - level) ** 3)
        return found.t_events[0].sum()

    assert when(1.0) == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(RunError, match="must cross zero with a slope for its derivative to exist"):
        grad(when)(1.0)


def test_save_time_at_a_jump_has_no_derivative_and_says_so_scimlsensitivity_1447() -> None:
    def state(y0: Any) -> Any:
        jump: Any = lambda t, y: y[0] - 1.0  # noqa: E731
        return solve_ivp(
            lambda t, y: [1.0], (0.0, 2.0), [y0], t_eval=[1.0, 2.0], events=jump, reset=lambda t, y: 2.0 * y
        ).y.sum()

    with pytest.raises(RunError, match="a save time must not coincide with a reset when derivatives are asked for"):
        grad(state)(0.0)


def test_sensitivities_by_a_number_that_events_know_by_themselves_are_refused() -> None:
    level = 0.5

    def rise(t: Any, y: Any) -> list[Any]:
        return [level]

    with pytest.raises(ArgumentError, match="must reach events and resets by args"):
        solve_ivp(rise, (0.0, 2.0), [0.0], events=lambda t, y: y[0] - level, sensitivities=("params",))
