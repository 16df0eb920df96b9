"""Events: what SciPy means by them, all of them found, each once; resets, and where they end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.integrate
from hypothesis import given
from hypothesis import strategies as st

from diffsim.errors import ArgumentError
from integrators import solve_ivp
from systems import HarmonicOscillator

G = 9.81
FIXED: dict[str, Any] = {"method": "RK4", "step": 0.01}
WAYS: list[dict[str, Any]] = [FIXED, {"method": "RK45"}, {"method": "RK23"}, {"method": "DOP853"}]


def event(fun: Any, terminal: Any = False, direction: float = 0.0, reset: Any = None) -> Any:
    """Give a function the attributes of an event."""
    fun.terminal, fun.direction = terminal, direction
    if reset is not None:
        fun.reset = reset
    return fun


def ball(t: Any, y: Any, c: Any = 0.9) -> Any:
    return [y[1], -G + 0.0 * y[0]]


def ground(t: Any, y: Any, c: Any = 0.9) -> Any:
    return y[0]


ground.direction = -1  # type: ignore[attr-defined]


def bounce(t: Any, y: Any, c: Any = 0.9) -> Any:
    return [y[0], -c * y[1]]


def bounces(height: float, c: float, n: int) -> np.ndarray:
    """Times of the bounces of a ball dropped from rest, in closed form."""
    fall = math.sqrt(2.0 * height / G)
    return fall * np.array([1.0 + 2.0 * sum(c**j for j in range(1, k + 1)) for k in range(n)])


def wave(t: Any, y: Any) -> Any:
    return [y[1], -y[0]]


# --- as SciPy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["RK45", "RK23", "DOP853"])
@pytest.mark.parametrize("direction", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("terminal", [False, True, 2])
@pytest.mark.parametrize("span", [(0.0, 9.0), (9.0, 0.0)])
def test_transversal_events_are_those_of_scipy(
    method: str, direction: float, terminal: Any, span: tuple[float, float]
) -> None:
    first = event(lambda t, y: y[0] - 0.3, terminal, direction)
    second = event(lambda t, y: y[1] + 0.1 * t - 0.4)
    tight = {"rtol": 1e-6, "atol": 1e-9, "method": method, "events": [first, second]}
    sol = solve_ivp(wave, span, [0.1, 0.8], **tight)
    theirs_of: Any = scipy.integrate.solve_ivp  # its stubs know one way to call it
    theirs = theirs_of(wave, span, [0.1, 0.8], **tight)
    assert sol.status == theirs.status
    assert sol.message == theirs.message
    assert np.allclose(sol.t, theirs.t, rtol=1e-9)
    assert np.allclose(sol.y, theirs.y, rtol=1e-8, atol=1e-8)
    for e in range(2):
        assert sol.t_events[e].shape == theirs.t_events[e].shape
        assert sol.y_events[e].shape == theirs.y_events[e].shape
        assert np.allclose(sol.t_events[e], theirs.t_events[e], rtol=1e-8)
        assert np.allclose(sol.y_events[e], theirs.y_events[e], rtol=1e-8, atol=1e-8)


def test_without_occurrences_there_are_empty_arrays_as_in_scipy() -> None:
    sol = solve_ivp(wave, (0.0, 1.0), [0.0, 1.0], events=[lambda t, y: y[0] + 5.0, lambda t, y: y[0] - 5.0])
    assert [x.shape for x in sol.t_events] == [(0,), (0,)]
    assert [x.shape for x in sol.y_events] == [(0,), (0,)]
    assert solve_ivp(wave, (0.0, 1.0), [0.0, 1.0], events=[]).t_events == []
    assert solve_ivp(wave, (0.0, 1.0), [0.0, 1.0]).t_events is None


def test_arguments_reach_events_and_resets() -> None:
    seen = []

    def level(t: Any, y: Any, c: Any) -> Any:
        seen.append(c)
        return y[0] - c

    sol = solve_ivp(lambda t, y, c: [c], (0.0, 1.0), [0.1], args=(0.5,), events=level)
    assert set(seen) == {0.5}
    assert sol.t_events[0] == pytest.approx([0.8])


@pytest.mark.parametrize("terminal", [-1, 1.5, "yes"])
def test_terminal_that_is_no_count_is_an_error(terminal: Any) -> None:
    with pytest.raises(ArgumentError, match="The `terminal` attribute of each event must be a boolean or positive"):
        solve_ivp(wave, (0.0, 1.0), [0.0, 1.0], events=event(lambda t, y: y[0], terminal))


# --- what users ask: theme 8 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_two_and_three_roots_in_one_step_scipy_9228_diffrax_507_ordinarydiffeq_479(way: dict[str, Any]) -> None:
    way = {**way, "step": 3.0} if "step" in way else {**way, "first_step": 3.0}
    cubic = event(lambda t, y: (t - 0.7) * (t - 0.8) * (t - 2.1))
    twice = event(lambda t, y: y[0] - 0.7)  # y = t (3 - t) / 3 up to its maximum 0.75 and back
    sol = solve_ivp(lambda t, y: [1.0 - 2.0 * t / 3.0], (0.0, 3.0), [0.0], events=[cubic, twice], **way)
    assert len(sol.t) == 2
    assert sol.t_events[0] == pytest.approx([0.7, 0.8, 2.1], abs=1e-12)
    roots = [1.5 - math.sqrt(0.15), 1.5 + math.sqrt(0.15)]
    assert sol.t_events[1] == pytest.approx(roots, abs=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_event_point_is_the_last_whatever_t_eval_says_scipy_10319_12100(way: dict[str, Any]) -> None:
    stop = event(lambda t, y: y[0] - 0.5, True)
    when = math.asin(0.5)
    for t_eval in ([0.1, 0.2, 3.0], [], [3.0], [0.0, 0.25, when, 1.0], None):
        sol = solve_ivp(wave, (0.0, 4.0), [0.0, 1.0], t_eval=t_eval, events=stop, dense_output=True, **way)
        assert sol.status == 1
        assert sol.success
        assert sol.message == "A termination event occurred."
        assert sol.t[-1] == sol.t_events[0][0] == pytest.approx(when, abs=2e-3)
        assert (sol.y[:, -1] == sol.y_events[0][0]).all()
        assert (np.diff(sol.t) > 0.0).all()
        assert sol.y.shape == (2, len(sol.t))
        assert sol.sol.t_max == sol.t[-1]


@pytest.mark.parametrize("way", WAYS)
def test_event_at_a_step_end_is_told_once_scipy_15262_17066_19418(way: dict[str, Any]) -> None:
    steps = solve_ivp(wave, (0.0, 2.0), [0.0, 1.0], **way).t
    middle = float(steps[len(steps) // 2])
    for when in (middle, 2.0, np.nextafter(middle, 0.0), np.nextafter(middle, 3.0)):
        sol = solve_ivp(wave, (0.0, 2.0), [0.0, 1.0], events=lambda t, y: t - when, dense_output=True, **way)  # noqa: B023
        assert sol.t_events[0].tolist() == [when]
        assert (np.diff(sol.sol.ts) > 0.0).all()
        stop = event(lambda t, y: t - when, True)  # noqa: B023
        sol = solve_ivp(wave, (0.0, 2.0), [0.0, 1.0], events=stop, dense_output=True, **way)
        assert sol.t[-1] == when
        assert (np.diff(sol.t) > 0.0).all()
        assert (np.diff(sol.sol.ts) > 0.0).all()
        assert np.isfinite(sol.sol(np.linspace(0.0, when, 11))).all()


def test_stops_at_the_event_and_goes_on_after_a_reset_diffrax_13_380_601() -> None:
    sol = solve_ivp(ball, (0.0, 3.0), [1.0, 0.0], events=ground, reset=bounce)
    assert sol.y[0].min() > -1e-15  # no overshoot
    assert sol.t_events[0] == pytest.approx(bounces(1.0, 0.9, len(sol.t_events[0])), abs=1e-12)


def test_trajectories_of_a_batch_have_their_own_events_torchdiffeq_201_156_179() -> None:
    heights = np.array([[1.0, 2.0, 0.5], [3.0, 0.1, 1.0]])
    y0 = np.stack([heights, np.zeros((2, 3))])
    sol = solve_ivp(ball, (0.0, 2.0), y0, events=ground, reset=bounce, dense_output=True)
    longest = max(len(bounces_until(h, 0.9, 2.0)) for h in heights.flat)
    assert sol.t_events[0].shape == (2, 3, longest)
    assert sol.y_events[0].shape == (2, 3, longest, 2)
    assert sol.sol([0.1, 0.2]).shape == (2, 2, 3, 2)
    assert sol.sol(0.1).shape == (2, 2, 3)
    for spot in np.ndindex(2, 3):
        one = solve_ivp(ball, (0.0, 2.0), y0[(slice(None), *spot)], events=ground, reset=bounce, dense_output=True)
        k = len(one.t_events[0])
        assert (sol.t_events[0][spot][:k] == one.t_events[0]).all()
        assert np.isnan(sol.t_events[0][spot][k:]).all()
        assert (sol.y_events[0][spot][:k] == one.y_events[0]).all()
        assert (sol.y[(slice(None), *spot)][:, : one.n_times] == one.y).all()
        assert (sol.sol(0.7)[(slice(None), *spot)] == one.sol(0.7)).all()
    assert solve_ivp(ball, (0.0, 2.0), np.zeros((2, 0)), events=ground).t_events[0].shape == (0, 0)


def bounces_until(height: float, c: float, end: float) -> np.ndarray:
    times = bounces(height, c, 60)
    return times[times < end]


def test_a_batch_with_a_terminal_event_ends_trajectory_by_trajectory() -> None:
    stop = event(lambda t, y: y[0] - 0.5, True)
    y0 = np.array([[0.0, 0.0], [1.0, 0.1]])
    sol = solve_ivp(wave, (0.0, 2.0), y0, t_eval=[0.2, 0.4, 2.0], events=stop)
    assert sol.status.tolist() == [1, 0]
    assert sol.n_times.tolist() == [3, 3]
    assert sol.t.shape == (2, 3)
    assert sol.t[0] == pytest.approx([0.2, 0.4, math.asin(0.5)], abs=1e-3)
    assert sol.t[1].tolist() == [0.2, 0.4, 2.0]
    assert np.isnan(sol.t_events[0][1]).all()


@pytest.mark.parametrize("way", WAYS)
def test_event_that_is_zero_at_t0_is_told_once_torchdiffeq_201(way: dict[str, Any]) -> None:
    for direction, told in ((0.0, [0.0, math.pi]), (1.0, [0.0]), (-1.0, [math.pi])):
        sol = solve_ivp(wave, (0.0, 4.0), [0.0, 1.0], events=event(lambda t, y: y[0], False, direction), **way)
        assert sol.t_events[0] == pytest.approx(told, abs=1e-2)
        assert len(sol.t_events[0]) == len(told)
    sol = solve_ivp(wave, (0.0, 4.0), [0.0, 1.0], events=event(lambda t, y: y[0], True), **way)
    assert sol.t.tolist() == [0.0]
    assert sol.status == 1
    sol = solve_ivp(wave, (0.0, 4.0), [0.0, 1.0], events=event(lambda t, y: y[0], 2), dense_output=True, **way)
    assert sol.t_events[0] == pytest.approx([0.0, math.pi], abs=1e-2)


@pytest.mark.parametrize("method", ["RK45", "RK23", "DOP853", "Tsit5", "Vern6", "Vern7", "Vern8", "Vern9", "Taylor"])
@pytest.mark.parametrize("kind", ["plain", "terminal", "reset"])
def test_each_method_with_each_type_of_event_ordinarydiffeq_479_differentialequations_674(
    method: str, kind: str
) -> None:
    crossing = event(lambda t, y: y[0] - 0.25, kind == "terminal", 0.0, None if kind != "reset" else lambda t, y: -y)
    sol = solve_ivp(wave, (0.0, 6.0), [0.0, 1.0], method=method, rtol=1e-9, atol=1e-9, events=crossing)
    up = math.asin(0.25)
    if kind == "plain":
        assert sol.t_events[0] == pytest.approx([up, math.pi - up], abs=1e-7)
    elif kind == "terminal":
        assert sol.t_events[0] == pytest.approx([up], abs=1e-7)
    else:  # at 0.25 on the way up the state goes to -0.25 on the way down: half a turn
        assert sol.t_events[0] == pytest.approx([up, up + math.pi], abs=1e-7)


def test_a_terminal_event_may_end_a_span_without_end_as_in_scipy() -> None:
    sol = solve_ivp(ball, (0.0, math.inf), [1.0, 0.0], events=event(lambda t, y: y[0], True), dense_output=True)
    assert sol.status == 1
    assert sol.t[-1] == pytest.approx(math.sqrt(2.0 / G), abs=1e-12)
    never = event(lambda t, y: y[0] + 2.0, True)
    sol = solve_ivp(wave, (0.0, math.inf), [0.0, 1.0], events=never, max_steps=200)
    assert sol.status == -1
    assert "max_steps" in sol.message
    for way in ({}, {"events": lambda t, y: y[0]}, {"events": never, "method": "RK4", "step": 0.1}):
        with pytest.raises(ArgumentError, match="t_span must be finite"):
            solve_ivp(wave, (0.0, math.inf), [0.0, 1.0], **way)


# --- order, coincidence, ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_coincident_events_are_all_told_and_their_resets_follow_their_order(way: dict[str, Any]) -> None:
    events = [
        event(lambda t, y: t - 0.5, reset=lambda t, y: 2.0 * y),
        event(lambda t, y: y[0] - 5.0),
        event(lambda t, y: 0.5 - t, reset=lambda t, y: y + 1.0),
    ]
    sol = solve_ivp(lambda t, y: [1.0], (0.0, 1.0), [1.0], events=events, dense_output=True, **way)
    assert [x.tolist() for x in sol.t_events] == [[0.5], [], [0.5]]
    assert sol.y_events[0] == pytest.approx(np.array([[1.5]]))
    assert sol.y[0, -1] == pytest.approx(4.5)
    assert sol.y[0][sol.t == 0.5] == pytest.approx([4.0])  # the state behind the jump
    assert sol.sol(0.5) == pytest.approx([4.0])
    assert sol.sol(np.nextafter(0.5, 0.0)) == pytest.approx([1.5])


@pytest.mark.parametrize("way", WAYS)
def test_terminal_event_beside_a_reset_ends_the_solve_with_the_state_before(way: dict[str, Any]) -> None:
    events = [event(lambda t, y: t - 0.5, reset=lambda t, y: 2.0 * y), event(lambda t, y: t - 0.5, True)]
    sol = solve_ivp(lambda t, y: [1.0], (0.0, 1.0), [1.0], events=events, **way)
    assert sol.status == 1
    assert sol.t[-1] == 0.5
    assert sol.y[0, -1] == pytest.approx(1.5)
    assert [x.tolist() for x in sol.t_events] == [[0.5], [0.5]]


@pytest.mark.parametrize("way", WAYS)
def test_save_time_at_a_reset_has_the_state_behind_it(way: dict[str, Any]) -> None:
    jump = event(lambda t, y: t - 0.5, reset=lambda t, y: y + 10.0)
    sol = solve_ivp(lambda t, y: [1.0], (0.0, 1.0), [0.0], t_eval=[0.25, 0.5, 0.75], events=jump, **way)
    assert sol.y[0] == pytest.approx([0.25, 10.5, 10.75])


def test_a_count_with_a_reset_ends_at_its_last_occurrence() -> None:
    last = event(lambda t, y: y[0], 3, -1.0, lambda t, y: [y[0], -0.9 * y[1]])
    sol = solve_ivp(ball, (0.0, 9.0), [1.0, 0.0], events=last)
    assert sol.status == 1
    assert sol.t_events[0] == pytest.approx(bounces(1.0, 0.9, 3), abs=1e-12)
    assert sol.y[1, -1] < 0.0  # before the bounce


@pytest.mark.parametrize("way", WAYS)
def test_bounces_forwards_and_backwards(way: dict[str, Any]) -> None:
    sol = solve_ivp(ball, (0.0, 2.5), [1.0, 0.0], events=ground, reset=bounce, **way)
    back = event(lambda t, y: y[0], reset=lambda t, y: [y[0], -y[1] / 0.9])
    home = solve_ivp(ball, (2.5, 0.0), sol.y[:, -1], events=back, **way)
    assert home.t_events[0][::-1] == pytest.approx(sol.t_events[0], abs=1e-9)
    assert home.y[:, -1] == pytest.approx([1.0, 0.0], abs=1e-8)
    assert (np.diff(home.t) < 0.0).all()


@pytest.mark.parametrize("way", [*WAYS, {"method": "RK4", "step": 0.3}])
def test_thirty_bounces_are_those_of_the_closed_form(way: dict[str, Any]) -> None:
    last = event(lambda t, y: y[0], 30, -1.0, lambda t, y: [y[0], -0.9 * y[1]])
    sol = solve_ivp(ball, (0.0, 20.0), [1.0, 0.0], events=last, **way)
    assert sol.status == 1
    assert np.abs(sol.t_events[0] - bounces(1.0, 0.9, 30)).max() < 1e-10


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("direction", [-1.0, 0.0])
def test_bounces_that_accumulate_end_with_a_message(way: dict[str, Any], direction: float) -> None:
    hit = event(lambda t, y: y[0], False, direction, lambda t, y: [y[0], -0.5 * y[1]])
    sol = solve_ivp(ball, (0.0, 9.0), [1.0, 0.0], events=hit, **way)
    rest = math.sqrt(2.0 / G) * 3.0  # 1 + 2 (1/2 + 1/4 + ...)
    assert sol.status == -1
    assert "accumulate at t=" in sol.message
    assert sol.t[-1] == pytest.approx(rest, abs=1e-9)
    assert (np.diff(sol.t) > 0.0).all()
    assert sol.y[0].min() > -1e-12


def test_a_reset_that_leaves_the_state_as_it_is_does_not_hold_up_the_solve() -> None:
    sol = solve_ivp(wave, (0.0, 10.0), [0.1, 1.0], events=event(lambda t, y: y[0], reset=lambda t, y: y))
    assert len(sol.t_events[0]) == 3
    assert sol.status == 0


@pytest.mark.parametrize("way", WAYS)
def test_integrate_and_fire_is_periodic(way: dict[str, Any]) -> None:
    """A leaky neuron, v' = 2 - v, fires at 1 and starts again at 0: period log(2)."""
    fire = event(lambda t, v: v[0] - 1.0, reset=lambda t, v: [0.0])
    sol = solve_ivp(lambda t, v: [2.0 - v[0]], (0.0, 4.0), [0.0], events=fire, **way)
    assert sol.t_events[0] == pytest.approx(math.log(2.0) * np.arange(1, 6), abs=2e-2)
    assert len(sol.t_events[0]) == 5


def test_a_reset_of_the_wrong_shape_or_with_nan_is_an_error() -> None:
    for reset, words in (
        (lambda t, y: [1.0], r"must return a state of 2 numbers; got shape \(1,\)"),
        (lambda t, y: None, "must return a state of 2 numbers; got None"),
        (lambda t, y: [math.nan, 0.0], "must return finite numbers"),
    ):
        with pytest.raises(ArgumentError, match=words):
            solve_ivp(ball, (0.0, 1.0), [1.0, 0.0], events=ground, reset=reset)


def test_a_system_has_events_too() -> None:
    oscillator = HarmonicOscillator(mass=1.0, stiffness=4.0)
    y0 = np.array([[1.0, 0.5], [0.0, 0.0]])
    sol = solve_ivp(oscillator, (0.0, 3.0), y0, rtol=1e-9, atol=1e-9, events=lambda t, y: y[0])
    assert sol.t_events[0] == pytest.approx(np.array([[math.pi / 4, 3 * math.pi / 4]] * 2), abs=1e-7)


# --- laws -------------------------------------------------------------------------------------------------------------


@given(
    st.floats(0.1, 3.0),
    st.floats(-1.0, 4.0),
    st.floats(0.5, 0.95),
    st.sampled_from(WAYS[:2]),
    st.lists(st.floats(0.0, 1.5), max_size=5, unique=True),
)
def test_times_increase_and_states_stay_above_ground(
    height: float, speed: float, c: float, way: dict[str, Any], times: list[float]
) -> None:
    for t_eval in (None, sorted(times)):
        sol = solve_ivp(ball, (0.0, 1.5), [height, speed], args=(c,), events=ground, reset=bounce, t_eval=t_eval, **way)
        assert sol.status == 0 or "accumulate" in sol.message
        assert (np.diff(sol.t) > 0.0).all()
        assert (np.diff(sol.t_events[0]) > 0.0).all()
        assert (sol.y[0] >= -1e-12).all()
        if t_eval is None:
            assert set(sol.t_events[0]) <= set(sol.t)
