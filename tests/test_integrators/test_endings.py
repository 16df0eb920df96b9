"""Every solve ends, with an answer or a status that says why; no fault in one trajectory touches another."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.integrate

from diffsim.errors import ArgumentError
from integrators import solve_ivp
from systems import DoublePendulum, Lorenz63

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
