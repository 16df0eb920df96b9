"""A solve that is asked for again is the solve that was asked for: the same bits, the same words, nothing stale."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import diffsim as ds
from integrators import RK4, RK45, Euler, _again, solve_ivp
from systems import DoublePendulum, Lorenz63

START = np.array([0.4, 0.0, 1.0, 4.0])
STEPS = {"method": "RK4", "step": 0.1, "t_eval": [0.5, 2.0]}


def fresh(*args: Any, **kwargs: Any) -> Any:
    """The solve as it is when nothing is kept."""
    _again._room.cache_clear()
    return solve_ivp(*args, **kwargs)


def was_recalled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A list that grows with each solve that was recalled."""
    found: list[object] = []
    resume = _again.resume

    def counted(ready: Any) -> Any:
        found.append(ready)
        return resume(ready)

    monkeypatch.setattr("integrators._solve.resume", counted)
    return found


def same(a: Any, b: Any) -> None:
    for name in ("t", "y", "dy_dy0", "dy_dparams", "nfev", "status", "n_times"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert (a.message, a.param_names, a.y0_names, a.state_names) == (
        b.message,
        b.param_names,
        b.y0_names,
        b.state_names,
    )
    assert dict(a.stats) == dict(b.stats)


@pytest.mark.parametrize("sensitivities", [(), "y0", ("theta_2", "gravity"), ["params"]], ids=str)
@pytest.mark.parametrize(
    "options",
    [STEPS, {"method": RK4(step=0.1)}, {"rtol": 1e-7}, {"method": RK45(), "t_eval": np.array([0.3, 1.9])}],
    ids=["fixed", "object", "adaptive", "times"],
)
def test_other_starts_and_parameters_give_what_a_first_solve_gives(
    options: dict[str, Any], sensitivities: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def solve(how: Any, start: Any, gravity: float) -> Any:
        return how(DoublePendulum(gravity=gravity), (0.0, 2.0), start, sensitivities=sensitivities, **options)

    solve(fresh, START, 9.8)
    recalled = was_recalled(monkeypatch)
    starts = [START, list(START + 0.1), START - 0.3]
    again = [solve(solve_ivp, start, gravity) for start, gravity in zip(starts, (9.8, 1.6, 3.7), strict=True)]
    assert len(recalled) == 3
    for sol, start, gravity in zip(again, starts, (9.8, 1.6, 3.7), strict=True):
        same(sol, solve(fresh, start, gravity))


@given(rate=st.floats(-2.0, 2.0), start=st.floats(-5.0, 5.0))
def test_closures_arguments_and_globals_are_read_anew(rate: float, start: float) -> None:
    def decay(t: float, y: Any, shift: float) -> Any:
        return -rate * y + shift

    for shift in (0.25, rate):
        sol = solve_ivp(decay, (0.0, 2.0), [start], args=(shift,), **STEPS)
        same(sol, fresh(decay, (0.0, 2.0), [start], args=(shift,), **STEPS))


def test_a_gradient_of_a_solve_that_is_recalled_is_that_of_the_first() -> None:
    def end(y0: Any, gravity: Any) -> Any:
        return solve_ivp(DoublePendulum(gravity=gravity), (0.0, 2.0), y0, **STEPS).y[1, -1]

    gradient = ds.grad(end, argnums=(0, 1))
    gradient(START, 9.8)
    again = gradient(START + 0.2, 5.0)
    _again._room.cache_clear()
    first = gradient(START + 0.2, 5.0)
    np.testing.assert_array_equal(again[0], first[0])
    assert again[1] == first[1]
    mixed = ds.grad(lambda p: end([0.4, 0.0, p[0], p[1]], 9.8))
    np.testing.assert_array_equal(mixed(np.array([1.0, 4.0])), mixed(np.array([1.0, 4.0])))


def test_what_is_returned_belongs_to_the_caller() -> None:
    for options in (STEPS, {"method": "RK4", "step": 0.5}):
        first = solve_ivp(Lorenz63(), (0.0, 2.0), [1.0, 1.0, 1.0], **options)
        kept = first.t.copy(), first.y.copy()
        first.t[:] = -1.0
        first.y[:] = -1.0
        again = solve_ivp(Lorenz63(), (0.0, 2.0), [1.0, 1.0, 1.0], **options)
        np.testing.assert_array_equal(again.t, kept[0])
        np.testing.assert_array_equal(again.y, kept[1])


def test_the_start_is_left_as_it_is_and_save_times_that_change_are_seen() -> None:
    times = np.array([0.5, 2.0])
    start = START.copy()
    options: dict[str, Any] = {"method": "RK4", "step": 0.1}
    first = solve_ivp(DoublePendulum(), (0.0, 2.0), start, t_eval=times, **options)
    times[0] = 1.0
    second = solve_ivp(DoublePendulum(), (0.0, 2.0), start, t_eval=times, **options)
    assert first.t[0] == 0.5
    assert second.t[0] == 1.0
    np.testing.assert_array_equal(start, START)


@pytest.mark.parametrize("wrong", [{"step": True}, {"threads": True}, {"max_steps": True}], ids=str)
def test_true_is_not_the_number_one(wrong: dict[str, Any]) -> None:
    options = {"method": "Euler", "step": 1, "threads": 1, "max_steps": 1, "t_eval": [2.0]}
    for _ in range(2):
        solve_ivp(Lorenz63(), (0.0, 2.0), [1.0, 1.0, 1.0], **options)
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        solve_ivp(Lorenz63(), (0.0, 2.0), [1.0, 1.0, 1.0], **{**options, **wrong})


def test_bad_starts_are_refused_as_at_first() -> None:
    solve_ivp(DoublePendulum(), (0.0, 2.0), START, **STEPS)
    for start, word in (([0.4, 0.0, np.nan, 4.0], "finite"), ([0.4, 0.0, 1.0], "shape"), (["a"] * 4, "floats")):
        with pytest.raises((TypeError, ValueError), match=word):
            solve_ivp(DoublePendulum(), (0.0, 2.0), start, **STEPS)
    whole = solve_ivp(DoublePendulum(), (0.0, 2.0), [1, 0, 1, 4], **STEPS)
    same(whole, solve_ivp(DoublePendulum(), (0.0, 2.0), [1.0, 0.0, 1.0, 4.0], **STEPS))


def test_a_trajectory_that_blows_up_is_told_as_at_first() -> None:
    def burst(t: float, y: Any) -> Any:
        return y * y

    options: dict[str, Any] = {"method": Euler(step=0.1), "sensitivities": "y0"}
    sound = solve_ivp(burst, (0.0, 5.0), [0.01], **options)
    assert sound.status == 0
    lost = solve_ivp(burst, (0.0, 5.0), [100.0], **options)
    assert lost.status == -1
    assert "y[0]" in lost.message
    same(lost, fresh(burst, (0.0, 5.0), [100.0], **options))


def test_unusual_solves_are_not_recalled(monkeypatch: pytest.MonkeyPatch) -> None:
    recalled = was_recalled(monkeypatch)
    seen: list[float] = []
    for _ in range(2):
        solve_ivp(
            Lorenz63(), (0.0, 1.0), [1.0, 1.0, 1.0], callback=lambda t, y: seen.append(t), **STEPS | {"t_eval": [1.0]}
        )
        solve_ivp(Lorenz63(), (0.0, 1.0), [1.0, 1.0, 1.0], compiled=False, **STEPS | {"t_eval": [1.0]})
        solve_ivp(Lorenz63(), (0.0, 1.0), [1.0, 1.0, 1.0], dense_output=True, method="RK4", step=0.1)
    assert recalled == []
    assert len(seen) == 20


def test_nothing_of_the_callers_is_kept_alive() -> None:
    import gc
    import weakref

    class Rate:
        def __init__(self, k: float) -> None:
            self.k = k

        def __call__(self, t: float, y: Any) -> Any:
            return -self.k * y

    rate = Rate(2.0)
    for _ in range(2):
        solve_ivp(rate, (0.0, 2.0), [1.0], **STEPS)
    gone = weakref.ref(rate)
    del rate
    gc.collect()
    assert gone() is None
