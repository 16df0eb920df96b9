"""Hybrid systems: what happens to them of their own accord, and derivatives through it.

Oracles: formulas of free fall by hand, at 30 digits where it matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import diffsim as ds
from diffsim.errors import ArgumentError, KindError, RunError
from integrators import solve_ivp
from systems import BouncingBall, Event, Lorenz63, NewtonsCradle
from systems._base import System


def impacts(p: Any, n: int) -> list[Any]:
    """Times of the first n impacts of a ball dropped from p[0] with gravity p[1] and restitution p[2], by hand."""
    height, gravity, restitution = p
    first = mpmath.sqrt(2 * height / gravity)
    times = [first]
    for k in range(1, n):
        times.append(times[-1] + 2 * first * restitution**k)
    return times


P = (1.0, 9.8, 0.9)


@pytest.mark.parametrize("way", [{}, {"method": "RK4", "step": 0.05}, {"method": "DOP853"}, {"method": "Radau"}])
def test_impacts_of_the_ball_come_when_they_must_without_being_asked_for(way: dict[str, Any]) -> None:
    flight = solve_ivp(BouncingBall(*P[1:]), (0.0, 3.0), [P[0], 0.0], **way)
    assert flight.status == 0
    np.testing.assert_allclose(flight.t_events[0], [float(t) for t in impacts(P, 4)], rtol=1e-13)
    assert np.all(flight.y[0] > -1e-12), "never below ground"


def test_times_of_impacts_have_exact_derivatives_by_start_gravity_and_restitution() -> None:
    def third(p: Any) -> Any:
        return solve_ivp(BouncingBall(p[1], p[2]), (0.0, 2.2), [p[0], 0.0]).t_events[0][2]

    with mpmath.workdps(30):
        exact = [mpmath.diff(lambda x, i=i: impacts([*P[:i], x, *P[i + 1 :]], 3)[2], P[i]) for i in range(3)]
        second = mpmath.diff(lambda x: impacts([P[0], P[1], x], 3)[2], P[2], 2)
    np.testing.assert_allclose(ds.grad(third)(np.array(P)), [float(x) for x in exact], rtol=1e-12)
    assert ds.hessian(third)(np.array(P))[2, 2] == pytest.approx(float(second), rel=1e-10)
    assert ds.certify(third, np.array(P))


def test_sensitivities_by_all_parameters_are_those_of_the_gradient() -> None:
    flight = solve_ivp(BouncingBall(), (0.0, 2.2), [1.0, 0.0], sensitivities=("y0", "params"))
    assert flight.param_names == ("gravity", "restitution")

    def end(p: Any) -> Any:
        return solve_ivp(BouncingBall(p[2], p[3]), (0.0, 2.2), [p[0], p[1]]).y[:, -1]

    expected = ds.jacobian(end)(np.array([1.0, 0.0, 9.8, 0.9]))
    found = np.concatenate([flight.dy_dy0[:, :, -1], flight.dy_dparams[:, :, -1]], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.all(found[:, 3] != 0.0)


def test_each_trajectory_of_a_batch_bounces_by_itself_with_its_own_restitution() -> None:
    restitution = np.array([0.9, 0.5, 1.0])
    heights = np.array([1.0, 0.7, 0.3])
    together = solve_ivp(
        BouncingBall(restitution=restitution), (0.0, 0.85), np.stack([heights, 0.0 * heights]), t_eval=[0.4, 0.85]
    )
    for lane in range(3):
        alone = solve_ivp(
            BouncingBall(restitution=restitution[lane]), (0.0, 0.85), [heights[lane], 0.0], t_eval=[0.4, 0.85]
        )
        assert np.array_equal(together.y[:, lane], alone.y)
        times = together.t_events[0][lane]
        assert np.array_equal(times[~np.isnan(times)], alone.t_events[0])


def test_sensitivities_of_a_batch_reach_the_resets_of_each_trajectory() -> None:
    system = BouncingBall(restitution=np.array([0.9, 0.5]))
    start = np.array([[1.0, 1.0], [0.0, 0.0]])
    together = solve_ivp(system, (0.0, 0.8), start, t_eval=[0.8], sensitivities="restitution")
    for lane, restitution in enumerate((0.9, 0.5)):
        alone = solve_ivp(
            BouncingBall(restitution=restitution), (0.0, 0.8), [1.0, 0.0], t_eval=[0.8], sensitivities="restitution"
        )
        assert np.array_equal(together.dy_dparams[:, :, lane], alone.dy_dparams)
        assert alone.dy_dparams[0, 0, 0] > 1.0


def test_events_of_the_caller_stand_before_those_of_the_system() -> None:
    apex = Event(lambda t, state: state[1], direction=-1.0)
    flight = solve_ivp(BouncingBall(), (0.0, 2.0), [1.0, 0.0], events=apex)
    assert len(flight.t_events) == 2
    first, second = (float(t) for t in impacts(P, 2))
    np.testing.assert_allclose(flight.t_events[0][-2:], [0.5 * (first + second), second + P[2] ** 2 * first], rtol=1e-9)
    np.testing.assert_allclose(flight.t_events[1][:2], [first, second], rtol=1e-12)


def test_no_events_switch_the_systems_own_off() -> None:
    flight = solve_ivp(BouncingBall(), (0.0, 2.0), [1.0, 0.0], events=())
    assert flight.t_events == []
    assert flight.y[0, -1] == pytest.approx(1.0 - 0.5 * 9.8 * 4.0)


def test_a_terminal_event_of_the_callers_ends_the_flight() -> None:
    apex = Event(lambda t, state: state[1], direction=-1.0, terminal=2)
    flight = solve_ivp(BouncingBall(), (0.0, 9.0), [1.0, 1.0], events=[apex])
    assert flight.status == 1
    assert flight.y[0, -1] == pytest.approx(0.81 * (1.0 + 0.5 / 9.8))


@settings(max_examples=6, deadline=None, derandomize=True)
@given(restitution=st.floats(0.2, 0.8), height=st.floats(0.1, 3.0), speed=st.floats(-2.0, 2.0))
def test_bounces_that_accumulate_end_the_solve_at_the_time_that_the_formula_tells(
    restitution: float, height: float, speed: float
) -> None:
    ball = BouncingBall(restitution=restitution)
    flight = solve_ivp(ball, (0.0, 30.0), [height, speed])
    assert flight.status == -1
    assert "accumulate" in flight.message
    assert flight.t[-1] == pytest.approx(ball.rest_time([height, speed]), abs=1e-6)


def test_the_rest_time_has_derivatives_and_is_infinite_without_losses() -> None:
    assert BouncingBall(restitution=1.0).rest_time([1.0, 0.0]) == np.inf
    many = BouncingBall(restitution=np.array([0.5, 1.0])).rest_time(np.ones((2, 2)))
    assert np.isfinite(many).tolist() == [True, False]

    def ends(e: Any) -> Any:
        return BouncingBall(restitution=e).rest_time([1.0, 0.0])

    fall = np.sqrt(2.0 / 9.8)
    assert ends(0.5) == pytest.approx(3.0 * fall)
    assert ds.grad(ends)(0.5) == pytest.approx(8.0 * fall)  # (1 + e) / (1 - e) has the slope 2 / (1 - e)^2


def test_a_ball_without_losses_keeps_its_energy() -> None:
    ball = BouncingBall(restitution=1.0)
    flight = solve_ivp(ball, (0.0, 5.0), [1.0, 0.3])
    assert len(flight.t_events[0]) == 5
    assert np.max(np.abs(flight.invariants["energy"])) < 1e-12
    assert BouncingBall().invariants == {}


# --- how a system declares its events --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair(System):
    """Two balls that know nothing of each other."""

    restitution: float = 0.9
    swap: float = 0.0
    state_names = ("h_1", "h_2", "v_1", "v_2")

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        return state[2], state[3], 0.0 * state[2] - 9.8, 0.0 * state[3] - 9.8

    @property
    def events(self) -> tuple[Event, ...]:
        e, s = self.restitution, self.swap
        return (
            Event(lambda t, y: y[0], lambda t, y: [y[0], y[1], -e * y[2], y[3] + s * y[2]], direction=-1.0),
            Event(lambda t, y: y[1], lambda t, y: [y[0], y[1], y[2], -e * y[3]], direction=-1.0),
        )


def test_resets_at_one_time_have_the_derivatives_of_their_own_times() -> None:
    def end(p: Any, t: float = 0.9) -> Any:
        flight = solve_ivp(Pair(p[2]), (0.0, t), [p[0], p[1], 0.0, 0.0])
        return ds.stack([*flight.y[:, -1], *(times[-1] for times in flight.t_events)])

    together = ds.jacobian(end)(np.array([1.0, 1.0, 0.9]))
    apart = ds.jacobian(end)(np.array([1.0, 1.0 + 1e-7, 0.9]))
    np.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(together[[0, 2, 4]], together[[1, 3, 5]][:, [1, 0, 2]], rtol=1e-12, atol=1e-12)
    second = ds.grad(ds.grad(lambda h: end([1.0, h, 0.9], 0.6)[1]))(1.0)
    alone = ds.grad(ds.grad(lambda h: solve_ivp(BouncingBall(), (0.0, 0.6), [h, 0.0]).y[0, -1]))(1.0)
    assert second == pytest.approx(alone, rel=1e-9)
    forward = solve_ivp(Pair(), (0.0, 0.9), [1.0, 1.0, 0.0, 0.0], sensitivities=("h_1", "h_2", "restitution"))
    np.testing.assert_allclose(forward.dy_dy0[:, :, -1], together[:4, :2], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(forward.dy_dparams[:, :1, -1], together[:4, 2:], rtol=1e-12, atol=1e-12)


def test_resets_at_one_time_whose_order_matters_have_no_derivative() -> None:
    coupled = Pair(swap=0.5)
    assert solve_ivp(coupled, (0.0, 0.5), [1.0, 1.0, 0.0, 0.0]).status == 0
    with pytest.raises(RunError, match=r"must give the same in any order.*Pair\.events\[0\].*Pair\.events\[1\]"):
        ds.grad(lambda h: solve_ivp(coupled, (0.0, 0.5), [h, 1.0, 0.0, 0.0]).y[0, -1])(1.0)
    ds.grad(lambda h: solve_ivp(coupled, (0.0, 0.5), [h, 1.0, 0.0, 0.0]).y[0, -1])(1.01)


def test_an_event_at_a_reset_is_told_once_and_has_the_derivative_of_the_impact() -> None:
    for height in (1.0, 0.7, 0.33):
        flight = solve_ivp(BouncingBall(), (0.0, 3.0), [height, 0.0], events=lambda t, y: y[0])
        assert np.array_equal(flight.t_events[0], flight.t_events[1]), "it touches zero there, and does not cross it"

    def times(height: Any) -> Any:
        flight = solve_ivp(BouncingBall(), (0.0, 0.6), [height, 0.0], events=lambda t, y: 2.0 * y[0])
        return ds.stack([flight.t_events[0][0], flight.t_events[1][0]])

    np.testing.assert_allclose(ds.jacobian(times)(1.0), 0.5 * np.sqrt(2.0 / 9.8), rtol=1e-10)


def test_an_event_that_comes_before_or_behind_a_reset_has_no_derivative_where_it_coincides() -> None:
    fall = np.sqrt(2.0 / 9.8)

    def first(height: Any) -> Any:
        """A plane that rises: it is met at 0 at the time of the impact, or just after it on the way up."""
        flight = solve_ivp(BouncingBall(), (0.0, 0.6), [height, 0.0], events=lambda t, y: y[0] - 10.0 * (t - fall))
        return flight.t_events[0][0]

    assert solve_ivp(BouncingBall(), (0.0, 0.6), [1.0, 0.0], events=lambda t, y: y[0] - 10.0 * (t - fall)).status == 0
    with pytest.raises(RunError, match="events at one time must give the same in any order"):
        ds.grad(first)(1.0)


@dataclass(frozen=True)
class Odd(System):
    """A clock with whatever events."""

    rate: float = 1.0
    state_names = ("phase",)
    events = 3

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        return (0.0 * state[0] + self.rate,)


@dataclass(frozen=True)
class Odder(System):
    """A clock whose second event is no function."""

    rate: float = 1.0
    state_names = ("phase",)
    events = (np.sin, "phase")

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        return (0.0 * state[0] + self.rate,)


def test_what_is_no_event_is_told_with_the_name_of_the_system() -> None:
    with pytest.raises(KindError, match=r"Odd: events must be a tuple of functions event\(t, state\); got int"):
        solve_ivp(Odd(), (0.0, 1.0), [0.0])
    with pytest.raises(KindError, match=r"Odder\.events\[1\] must be a function event\(t, y\); got str"):
        solve_ivp(Odder(), (0.0, 1.0), [0.0])


def test_systems_without_events_have_none() -> None:
    assert Lorenz63().events == ()
    assert solve_ivp(Lorenz63(), (0.0, 0.1), [1.0, 1.0, 1.0]).t_events is None


def test_multiprecision_refuses_what_it_would_overlook() -> None:
    with pytest.raises(ArgumentError, match="BouncingBall must have no events of its own"):
        solve_ivp(BouncingBall(), (0.0, 1.0), [mpmath.mpf(1), mpmath.mpf(0)], method="Taylor")


# --- Newton's cradle -------------------------------------------------------------------------------------------------

TIGHT: dict[str, Any] = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-12}


def passed_through(cradle: NewtonsCradle, start: Any, t: float) -> tuple[Any, Any]:
    """State and flow map of balls that pass through each other, sorted: the same, for equal balls without losses."""
    free = solve_ivp(cradle, (0.0, t), start, events=(), sensitivities="y0", t_eval=[t], **TIGHT)
    n = cradle.balls
    order = np.argsort(free.y[:n, -1], kind="stable")
    both = np.concatenate([order, n + order])
    return free.y[both, -1], free.dy_dy0[both][..., -1]


@pytest.mark.parametrize("t", [0.7, pytest.param(1.7, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "start",
    [(-0.5, -0.3, 0.2, 0.1, 0.0, -0.2), (-0.5, 0, 0.4, 0, 0, 0), (-0.4, 0.01, 0.02, 0.5, 0, 0.01)],
    ids=["apart", "both sides", "nearly at rest"],
)
def test_equal_balls_exchange_their_motions_derivatives_included(start: Any, t: float) -> None:
    cradle = NewtonsCradle(balls=3)
    found = solve_ivp(cradle, (0.0, t), start, sensitivities="y0", t_eval=[t], **TIGHT)
    state, flow_map = passed_through(cradle, start, t)
    np.testing.assert_allclose(found.y[:, -1], state, atol=1e-10)
    np.testing.assert_allclose(found.dy_dy0[..., -1], flow_map, atol=1e-8)
    if t < 1.0:
        reverse = ds.jacobian(lambda y: solve_ivp(cradle, (0.0, t), y, t_eval=[t], **TIGHT).y[:, -1])(
            np.array(start, float)
        )
        np.testing.assert_allclose(reverse, found.dy_dy0[..., -1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("arriving", [1, 2, 4])
def test_as_many_balls_leave_as_arrive(arriving: int) -> None:
    start = np.array([-0.3] * arriving + [0.0] * (5 - arriving) + [0.0] * 5)
    quarter = 0.25 * 2.0 * np.pi / np.sqrt(9.8)
    orbit = solve_ivp(NewtonsCradle(), (0.0, 2.0 * quarter), start, rtol=1e-10, atol=1e-12)
    assert np.count_nonzero(orbit.y[:5, -1] > 0.2) == arriving
    np.testing.assert_allclose(orbit.y[: 5 - arriving, -1], 0.0, atol=1e-12)
    assert np.max(np.abs(orbit.invariants["energy"])) < 1e-8
    assert np.min(np.diff(orbit.y[:5], axis=0)) > -1e-12, "balls do not pass each other"


def test_two_balls_hit_each_other_as_the_formulas_of_the_textbook_say() -> None:
    mass, restitution, omega = 2.5, 0.7, 1.3
    cradle = NewtonsCradle(restitution=restitution, mass_ratio=mass, balls=2)
    after = cradle.collide(0, 0.0, [0.1, 0.1, omega, -0.4])
    first, second = after[2:]
    assert first + mass * second == pytest.approx(omega - mass * 0.4), "momentum"
    assert second - first == pytest.approx(restitution * (omega + 0.4)), "restitution"
    assert cradle.collide(0, 0.0, [0.1, 0.1, 0.2, 0.3]).tolist() == [0.1, 0.1, 0.2, 0.3], "they part already"


def test_unequal_balls_keep_their_energy_and_lossy_ones_lose_it() -> None:
    for restitution, ratio in ((1.0, 0.5), (1.0, 2.0), (0.9, 1.0), (0.0, 1.3)):
        cradle = NewtonsCradle(restitution=restitution, mass_ratio=ratio)
        orbit = solve_ivp(cradle, (0.0, 1.6), cradle.default_state, rtol=1e-7, atol=1e-8)
        assert orbit.status == 0
        assert np.min(np.diff(orbit.y[:5], axis=0)) > -1e-10, "balls do not pass each other"
        energy = cradle.energy(orbit.y) / cradle.energy(np.array(cradle.default_state))
        if restitution == 1.0:
            np.testing.assert_allclose(energy, 1.0, rtol=1e-5)
        else:
            assert np.all(np.diff(energy) < 1e-6)
            assert energy[-1] < 0.9


def test_balls_without_any_bounce_go_on_together() -> None:
    """Momentum shared by all five, so that a fifth of the energy is left."""
    cradle = NewtonsCradle(restitution=0.0)
    orbit = solve_ivp(cradle, (0.0, 1.0), cradle.default_state, t_eval=[0.6, 1.0], **TIGHT)
    np.testing.assert_allclose(np.ptp(orbit.y[5:], axis=0), 0.0, atol=1e-12)
    assert cradle.energy(orbit.y[:, -1]) == pytest.approx(0.2 * cradle.energy(cradle.default_state), rel=1e-9)


def test_derivatives_by_masses_and_losses_go_through_impacts_of_pairs() -> None:
    start = np.array([-0.5, 0.02, 0.05, 0.0, 0.0, 0.0])

    def end(p: Any) -> Any:
        cradle = NewtonsCradle(gravity=p[0], length=p[1], restitution=p[2], mass_ratio=p[3], balls=3)
        return solve_ivp(cradle, (0.0, 0.8), start, t_eval=[0.8], **TIGHT).y[:, -1]

    p = np.array([9.8, 1.0, 0.9, 1.2])
    found = ds.jacobian(end)(p)
    for i in range(4):
        h = 1e-5 * np.eye(4)[i]
        slope = (8 * (end(p + h) - end(p - h)) - (end(p + 2 * h) - end(p - 2 * h))) / (12 * 1e-5)
        np.testing.assert_allclose(found[:, i], slope, rtol=1e-5, atol=1e-6)
        assert np.max(np.abs(slope)) > 1e-2


def test_touching_balls_have_no_derivative() -> None:
    cradle = NewtonsCradle(balls=3)
    with pytest.raises(RunError, match=r"contact_2_3\) at t=0.0 must cross zero with a slope"):
        solve_ivp(cradle, (0.0, 0.6), cradle.default_state, sensitivities="y0")

    def end(e: Any) -> Any:
        return solve_ivp(cradle.replace(restitution=e), (0.0, 0.6), cradle.default_state).y[0, -1]

    with pytest.raises(RunError, match=r"t=0\.509\d* balls 1 and 2 hit each other while 2 and 3 touch"):
        ds.grad(end)(0.9)


def test_the_number_of_balls_is_an_option() -> None:
    assert NewtonsCradle(balls=2).state_names == ("theta_1", "theta_2", "omega_1", "omega_2")
    with pytest.raises(ArgumentError, match="balls must be an integer >= 2"):
        NewtonsCradle(balls=1)
    assert [event.__name__ for event in NewtonsCradle(balls=3).events] == ["contact_1_2", "contact_2_3"]


@pytest.mark.parametrize("system", [BouncingBall(), NewtonsCradle(), NewtonsCradle(restitution=0.9, balls=3)], ids=str)
def test_hybrid_systems_keep_what_they_declare(system: Any) -> None:
    assert ds.studies.check_system(system, states=4).ok


def test_what_has_no_derivative_befalls_one_trajectory_of_a_batch() -> None:
    heights = np.array([[3.0, 0.2], [0.0, 0.0]])  # the second one's bounces end before 1 s
    many = solve_ivp(BouncingBall(restitution=0.2), (0.0, 1.0), heights, t_eval=[0.5, 1.0], sensitivities="y0")
    alone = solve_ivp(BouncingBall(restitution=0.2), (0.0, 1.0), heights[:, 0], t_eval=[0.5, 1.0], sensitivities="y0")
    assert many.status.tolist() == [0, -1]
    assert np.array_equal(many.dy_dy0[:, :, 0], alone.dy_dy0)
    assert np.isnan(many.y[:, 1, 1]).all()
    assert np.isnan(many.dy_dy0[:, :, 1, 1]).all()
    assert "Values up to there are kept" in many.message[1]
    with pytest.raises(RunError):
        solve_ivp(BouncingBall(restitution=0.2), (0.0, 1.0), heights[:, 1], sensitivities="y0")


@pytest.mark.slow
def test_lyapunov_exponents_go_through_impacts() -> None:
    """A ball without losses neither forgets nor is chaotic: its tangents shear, and areas are kept."""
    found = ds.studies.lyapunov_spectrum(
        BouncingBall(restitution=1.0), [1.0, 0.3], t_transient=0.0, t_total=8.0, t_renorm=1.0
    )
    assert abs(found.exponents.sum()) < 1e-6
    ball = solve_ivp(BouncingBall(restitution=1.0), (0.0, 8.0), [1.0, 0.3], t_eval=[8.0], sensitivities="y0", **TIGHT)
    assert np.linalg.det(ball.dy_dy0[..., -1]) == pytest.approx(1.0, rel=1e-9)
