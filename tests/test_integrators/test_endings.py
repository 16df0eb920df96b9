"""Every solve ends, with an answer or a status that says why; no fault in one trajectory touches another."""

from __future__ import annotations

import itertools
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.integrate

from diffsim.errors import ArgumentError, HorizonWarning
from integrators import solve_ivp
from integrators.drivers import guard
from systems import DoublePendulum, HarmonicOscillator, Lorenz63

FIXED: dict[str, Any] = {"method": "RK4", "step": 0.01}
BOTH = [FIXED, {"method": "RK45"}]


def blow_up(t: Any, y: Any) -> Any:
    """y' = y**2 with y = 1 / (1/y0 - t)."""
    return y * y


@pytest.mark.parametrize("more", BOTH)
def test_blow_up_ends_with_a_status_a_time_and_a_component(more: dict[str, Any]) -> None:
    sol = solve_ivp(lambda t, y: [-y[0], y[1] ** 2], (0.0, 2.0), [1.0, 1.0], **more)
    assert sol.status == -1
    assert sol.success is False
    assert "y[1]" in sol.message
    assert "t=" in sol.message
    assert np.isfinite(sol.y).all()  # what was reached is kept, and nothing else
    assert sol.y.shape == (2, len(sol.t)) == (2, sol.n_times)
    assert 0.9 < sol.t[-1] < 1.1


@pytest.mark.parametrize("more", BOTH)
def test_nan_from_the_right_hand_side_later_on_is_no_success(more: dict[str, Any]) -> None:
    # scipy/scipy#17846, jax-ml/jax#14612, patrick-kidger/diffrax#143: an endless loop, or success with NaN.
    sol = solve_ivp(lambda t, y: -y if t < 0.5 else y * np.nan, (0.0, 2.0), [1.0, 2.0], compiled=False, **more)
    assert sol.status == -1
    assert "NaN or infinite: y[0] at t=0.5" in sol.message
    assert np.isfinite(sol.y).all()
    assert sol.t[-1] <= 0.51


def test_message_names_the_component_of_a_system() -> None:
    sol = solve_ivp(Lorenz63(), (0.0, 10.0), [1e3, 1e3, -1e8], **FIXED)
    assert sol.status == -1
    assert any(f"({name})" in sol.message for name in ("x", "y", "z"))


@pytest.mark.parametrize("start", [np.nan, np.inf])
def test_right_hand_side_that_is_not_finite_at_the_start_is_an_error(start: float) -> None:
    for more in BOTH:
        with pytest.raises(ArgumentError, match=r"fun must return finite numbers at the start; got y\[1\]=(nan|inf)"):
            solve_ivp(lambda t, y: [1.0, start], (0.0, 1.0), [1.0, 1.0], **more)


def test_step_that_shrinks_to_nothing_ends_in_scipy_s_words_and_says_where() -> None:
    ours = solve_ivp(blow_up, (0.0, 2.0), [1.0])
    theirs = scipy.integrate.solve_ivp(blow_up, (0.0, 2.0), [1.0])
    assert theirs.status == ours.status == -1
    assert ours.message.startswith(theirs.message.rstrip("."))
    assert "at t=0.99" in ours.message
    assert len(ours.t) == len(theirs.t)


@pytest.mark.parametrize("more", BOTH)
def test_budget_of_steps_ends_a_solve_and_keeps_what_was_reached(more: dict[str, Any]) -> None:
    # scipy/scipy#9686: no step budget, a bad parameter hangs a fit.
    sol = solve_ivp(DoublePendulum(), (0.0, 10.0), [0.4, 0.0, 1.0, 4.0], max_steps=20, **more)
    assert sol.status == -1
    assert "max_steps=20" in sol.message
    assert 5 < len(sol.t) <= 21
    whole = solve_ivp(DoublePendulum(), (0.0, 10.0), [0.4, 0.0, 1.0, 4.0], **more)
    np.testing.assert_array_equal(sol.y, whole.y[:, : len(sol.t)])


def test_stiff_problem_ends_by_its_budget() -> None:
    sol = solve_ivp(lambda t, y: [-1e9 * (y[0] - np.cos(t))], (0.0, 10.0), [0.0], max_steps=2000)
    assert sol.status == -1
    assert "attempted steps are used up" in sol.message


@pytest.mark.parametrize("more", [*BOTH, {"method": "RK45", "t_eval": [0.25, 0.5, 1.5]}])
def test_fallen_trajectory_leaves_its_neighbours_untouched(more: dict[str, Any]) -> None:
    starts = np.array([[0.1, 1.0, 0.2, 0.3]])

    for fun in (blow_up, Lorenz63()):
        x0 = starts if fun is blow_up else np.array([[1.0, 1e8, 2.0], [1.0, 1e8, 0.0], [20.0, -1e8, 1.0]])
        sol = solve_ivp(fun, (0.0, 2.0), x0, max_steps=5000, **more)
        assert sol.status.tolist() == [0 if i != 1 else -1 for i in range(x0.shape[1])]
        assert sol.success.tolist() == [i != 1 for i in range(x0.shape[1])]
        for i in range(x0.shape[1]):
            one = solve_ivp(fun, (0.0, 2.0), x0[:, i], max_steps=5000, **more)
            assert sol.message[i] == one.message
            np.testing.assert_array_equal(sol.y[:, i, : one.n_times], one.y)
            assert np.isnan(sol.y[:, i, one.n_times :]).all()


@pytest.mark.parametrize("more", [*BOTH, {"method": "RK45", "t_eval": [0.0, 1.0]}])
def test_lane_whose_start_is_beyond_the_domain_has_a_status_not_an_error(more: dict[str, Any]) -> None:
    def f(t: Any, y: Any) -> Any:
        return -np.sqrt(y) + 0.0 * y if y[0] >= 0 else y * np.nan

    sol = solve_ivp(f, (0.0, 1.0), np.array([[4.0, -1.0, 9.0]]), compiled=False, **more)
    assert sol.status.tolist() == [0, -1, 0]
    assert "NaN or infinite: y[0]" in sol.message[1]


def test_numpy_warns_of_nothing_during_a_solve() -> None:
    # Overflow and NaN are reported by status; pytest turns any warning into an error here.
    sol = solve_ivp(lambda t, y: np.exp(y), (0.0, 50.0), [0.5], "Euler", step=0.5)
    assert sol.status == -1


def test_batch_in_which_all_fall_early_ends_early() -> None:
    calls = []

    def f(t: Any, y: Any) -> Any:
        calls.append(t)
        return y * y

    more: dict[str, Any] = {"vectorized": True, "t_eval": [500.0, 1000.0], "compiled": False}
    sol = solve_ivp(f, (0.0, 1000.0), np.full((1, 3), 5.0), "RK4", step=0.01, **more)
    assert (sol.status == -1).all()
    assert np.isnan(sol.y).all()
    assert sol.n_times.tolist() == [0, 0, 0]
    assert len(calls) < 1000


def test_result_of_a_ragged_batch_is_padded_with_nan() -> None:
    sol = solve_ivp(DoublePendulum(), (0.0, 2.0), np.array([[0.1, 2.0], [0.0, 1.0], [0.0, 0.0], [0.0, 3.0]]))
    assert sol.t.shape == (2, sol.n_times.max())
    assert sol.y.shape == (4, 2, sol.n_times.max())
    for i, n in enumerate(sol.n_times):
        assert sol.t[i, n - 1] == 2.0
        assert np.isnan(sol.t[i, n:]).all()
        assert np.isnan(sol.y[:, i, n:]).all()


def test_progress_bar_writes_nothing_for_short_work(capsys: pytest.CaptureFixture[str]) -> None:
    for more in BOTH:
        solve_ivp(DoublePendulum(), (0.0, 1.0), np.zeros((4, 3)) + 0.1, progress=True, **more)
    assert capsys.readouterr() == ("", "")


def test_driver_reports_all_its_work_to_the_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    import contextlib

    from integrators import _solve

    reports: list[tuple[float, list[float]]] = []

    @contextlib.contextmanager
    def bar(total: float, description: str, enabled: bool, unit: str = "") -> Any:
        done: list[float] = []
        reports.append((total, done))

        class Bar:
            def update(self, n: float = 1) -> None:
                done.append(n)

        yield Bar()

    monkeypatch.setattr(_solve, "progress_bar", bar)
    for more in (*BOTH, {"method": "RK4", "step": 0.001}):
        for fun in (DoublePendulum(), lambda t, y: -y):
            for y0 in (np.full(4, 0.1), np.full((4, 3), 0.1)):
                solve_ivp(fun, (0.0, 1.0), y0, progress=True, **more)
    for total, done in reports:
        assert sum(done) == pytest.approx(total, rel=1e-9)


def test_repr_says_how_a_solve_ended() -> None:
    assert "status=0" in repr(solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0]))
    assert "2 of 3 trajectories reached the end" in repr(solve_ivp(blow_up, (0.0, 2.0), [[0.1, 1.0, 0.2]], **FIXED))


def test_memory_does_not_grow_with_the_steps_where_save_times_are_few() -> None:
    starts = np.random.default_rng(0).uniform(-1, 1, (4, 1000))

    def peak(t_end: float) -> int:
        tracemalloc.start()
        solve_ivp(DoublePendulum(), (0.0, t_end), starts, t_eval=[t_end], sensitivities="y0", **FIXED)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(0.05)
    short, long = peak(0.1), peak(0.6)
    assert long < 1.2 * short


# -- what ends a solve from outside --------------------------------------------------------------------------------


def turn(t: Any, y: Any) -> Any:
    return np.array([y[1], -y[0]])


@pytest.mark.parametrize("more", [{"method": "RK4", "step": 0.125}, {"method": "RK45"}])
def test_callback_sees_each_step_and_can_stop_the_solve(more: dict[str, Any]) -> None:
    # scipy/scipy PR 21741, 11799, PR 11815: asked for since 2020.
    seen: list[float] = []

    def watch(t: float, y: Any) -> bool:
        assert type(t) is float
        y[:] = np.nan  # a copy: the solve does not care
        seen.append(t)
        return t > 3.0

    whole = solve_ivp(turn, (0.0, 10.0), [1.0, 0.0], compiled=False, **more)
    sol = solve_ivp(turn, (0.0, 10.0), [1.0, 0.0], callback=watch, **more)
    assert (sol.status, sol.success) == (2, True)
    assert "callback" in sol.message
    assert seen == sol.t[1:].tolist()
    assert seen[-2] <= 3.0 < seen[-1]
    np.testing.assert_array_equal(sol.y, whole.y[:, : len(sol.t)])


@pytest.mark.parametrize("fun", [turn, HarmonicOscillator()])
@pytest.mark.parametrize("more", [{"method": "RK4", "step": 0.125}, {"method": "RK45"}])
def test_callback_of_a_batch_is_told_which_trajectory_it_sees(fun: Any, more: dict[str, Any]) -> None:
    starts = np.array([[1.0, 0.5], [0.0, 1.0]])
    sol = solve_ivp(fun, (0.0, 10.0), starts, callback=lambda t, y, at: t > 3.0 + at[0], **more)
    assert sol.status.tolist() == [2, 2]
    for i in range(2):
        one = solve_ivp(fun, (0.0, 10.0), starts[:, i], callback=lambda t, y, i=i: t > 3.0 + i, **more)
        assert one.message == sol.message[i]
        np.testing.assert_array_equal(sol.y[:, i, : one.n_times], one.y)


def test_callback_that_raises_stopiteration_stops_and_any_other_exception_comes_through() -> None:
    def stop(t: float, y: Any) -> None:
        raise StopIteration

    assert solve_ivp(turn, (0.0, 10.0), [1.0, 0.0], callback=stop).status == 2
    with pytest.raises(ZeroDivisionError):
        solve_ivp(turn, (0.0, 10.0), [1.0, 0.0], callback=lambda t, y: 1 / 0)


@pytest.mark.parametrize(
    "more", [{"method": "RK4", "step": 0.125, "compiled": False}, {"method": "RK45", "compiled": False}, {}]
)
@pytest.mark.parametrize("fun", [turn, HarmonicOscillator()])
@pytest.mark.parametrize("starts", [np.array([1.0, 0.0]), np.array([[1.0, 0.5, 2.0], [0.0, 1.0, 0.0]])])
def test_budget_of_seconds_returns_what_there_is(more: dict[str, Any], fun: Any, starts: Any) -> None:
    # Nicholaswogan/numbalsoda#28: a solve runs for hours, no timeout.
    began = time.monotonic()
    sol = solve_ivp(fun, (0.0, 1e6), starts, max_seconds=0.05, **more)
    assert time.monotonic() - began < 5.0
    whole = solve_ivp(fun, (0.0, 1e6), starts, max_steps=5, **more)
    assert (np.asarray(sol.status) == -1).all()
    for message in np.ravel(sol.message):
        assert "max_seconds=0.05" in message
    n = min(int(np.min(sol.n_times)), 5)
    np.testing.assert_array_equal(sol.y[..., :n], whole.y[..., :n])


@pytest.mark.parametrize("more", [{"method": "RK4", "step": 0.125}, {"method": "RK45"}])
@pytest.mark.parametrize("starts", [np.array([1.0, 0.0]), np.array([[1.0, 0.5, 2.0], [0.0, 1.0, 0.0]])])
def test_ctrl_c_returns_what_there_is(more: dict[str, Any], starts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_YOUNG", 0.0)
    calls = itertools.count()

    def fun(t: Any, y: Any) -> Any:
        if next(calls) == 200:
            raise KeyboardInterrupt
        return turn(t, y)

    sol = solve_ivp(fun, (0.0, 1000.0), starts, compiled=False, **more)
    status, n_times = np.atleast_1d(sol.status), np.atleast_1d(sol.n_times)
    assert status.tolist() == [-2] * len(status)
    assert "Interrupted at t=" in np.ravel(sol.message)[0]
    assert n_times[0] > 10
    assert n_times[1:].tolist() == [1] * (len(status) - 1)  # nothing was begun after it
    first = sol.y if starts.ndim == 1 else sol.y[:, 0]
    assert np.isfinite(first[:, : n_times[0]]).all()


def test_ctrl_c_in_the_first_half_second_ends_the_program() -> None:
    def fun(t: Any, y: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve_ivp(fun, (0.0, 1.0), [1.0], compiled=False)


def test_shortest_step_ends_a_solve_and_says_so() -> None:
    # scipy/scipy#9686
    sol = solve_ivp(blow_up, (0.0, 2.0), [1.0], min_step=1e-3)
    assert sol.status == -1
    assert "less than min_step=0.001" in sol.message
    assert np.diff(sol.t).min() >= 1e-3
    last = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], min_step=0.3, first_step=0.9, rtol=1e-1)
    assert last.success  # the last step, up to the end, may be shorter


@pytest.mark.parametrize("starts", [np.array([1.0, 0.0]), np.array([[1.0, 0.5, 2.0], [0.0, 1.0, 0.0]])])
@pytest.mark.parametrize("fun", [turn, HarmonicOscillator()])
def test_longest_step_may_be_a_function_of_time(fun: Any, starts: Any) -> None:
    # scipy/scipy#15490
    sol = solve_ivp(fun, (0.0, 10.0), starts, rtol=1e-2, max_step=lambda t: 0.01 if 2.0 <= t < 3.0 else 1.0)
    t = sol.t if starts.ndim == 1 else sol.t[0, : sol.n_times[0]]
    inside = (t[:-1] >= 2.0) & (t[:-1] < 3.0)
    assert np.diff(t)[inside].max() <= 0.01 * (1 + 1e-12)
    assert np.diff(t)[~inside].max() > 0.1
    with pytest.raises(ArgumentError, match=r"max_step\(t\) must be > 0 at all times; got .* It was asked at t="):
        solve_ivp(fun, (0.0, 10.0), starts, max_step=lambda t: 1.0 - t)


@pytest.mark.parametrize("name", ["I", "PI", "PI3040", "PI3333", "H211PI", "PID"])
def test_controllers_keep_the_tolerance_in_singles_and_batches_alike(name: str) -> None:
    system, starts = HarmonicOscillator(), np.array([[1.0, 0.5, 2.0], [0.0, 1.0, 0.0]])
    sol = solve_ivp(system, (0.0, 10.0), starts, controller=name, rtol=1e-6, atol=1e-9, compiled=False)
    assert sol.success.all()
    for i in range(3):
        one = solve_ivp(system, (0.0, 10.0), starts[:, i], controller=name, rtol=1e-6, atol=1e-9, compiled=False)
        np.testing.assert_array_equal(sol.y[:, i, : one.n_times], one.y)
        exact = starts[0, i] * np.cos(10.0) + starts[1, i] * np.sin(10.0)
        assert abs(one.y[0, -1] - exact) < 1e-4


def test_overflow_of_a_trial_step_makes_it_smaller_not_longer() -> None:
    # With an infinite state the tolerance is infinite too, and any error looks small.
    sol = solve_ivp(lambda t, y: [1e308], (0.0, 10.0), [1.0], first_step=5.0, compiled=False, max_steps=100)
    assert sol.status == -1
    assert "NaN or infinite: y[0]" in sol.message
    assert np.isfinite(sol.y).all()


# -- the predictability horizon ------------------------------------------------------------------------------------


LONG: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-6, "sensitivities": "y0"}


@pytest.mark.parametrize("compiled", [False, "auto"])
def test_chaotic_solve_past_its_horizon_warns_with_the_horizon(compiled: Any) -> None:
    times = np.arange(0.0, 52.0)
    with pytest.warns(HorizonWarning, match=r"chaotic, and t=[34]\d(\.\d+)? is its horizon") as caught:
        sol = solve_ivp(Lorenz63(), (0.0, 51.0), [1.0, 1.0, 20.0], t_eval=times, compiled=compiled, **LONG)
    assert sol.success
    assert [warning.filename for warning in caught] == [__file__]


def test_chaotic_batch_past_its_horizon_warns_of_its_first_trajectory() -> None:
    starts = np.array([[1.0, 1.5], [1.0, 1.0], [20.0, 20.0]])
    with pytest.warns(HorizonWarning, match=r"the solution of trajectory \[0\] is chaotic.* and 1 others likewise"):
        solve_ivp(Lorenz63(), (0.0, 60.0), starts, t_eval=[30.0, 60.0], **LONG)


def test_growth_that_the_solution_shares_and_short_solves_do_not_warn() -> None:
    # pytest turns any warning into an error here; exp(50) is known to all digits, relative to itself
    assert solve_ivp(lambda t, y: y, (0.0, 50.0), [1.0], sensitivities="y0").dy_dy0.max() > 1e20
    solve_ivp(Lorenz63(), (0.0, 10.0), [1.0, 1.0, 20.0], sensitivities="y0")
    to_zero = solve_ivp(lambda t, y: [-1.0], (0.0, 1.0), [1.0], "RK4", step=0.25, sensitivities="y0")
    assert abs(to_zero.y[0, -1]) < 1e-16


def test_infinite_end_is_taken_where_something_else_ends_the_solve() -> None:
    sol = solve_ivp(lambda t, y: -y, (0.0, np.inf), [1.0], callback=lambda t, y: y[0] < 0.1)
    assert sol.status == 2
    assert sol.y[0, -1] < 0.1
    never = solve_ivp(turn, (0.0, np.inf), [1.0, 0.0], callback=lambda t, y: False, max_steps=200)
    assert never.status == -1
    assert "max_steps=200" in never.message
    for more in ({}, {"method": "RK4", "step": 0.1, "callback": lambda t, y: True}):
        with pytest.raises(ArgumentError, match="t_span must be finite"):
            solve_ivp(turn, (0.0, np.inf), [1.0, 0.0], **more)
