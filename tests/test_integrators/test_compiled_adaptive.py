"""Solves that choose their own steps, as machine code: the steps, values and endings of the interpreted driver."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import numpy as np
import pytest
import scipy.integrate
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsim import array_ops
from diffsim.derivatives import grad, jvp
from diffsim.errors import ArgumentError
from integrators import RK23, RungeKutta, Solution, solve_ivp
from systems import DoublePendulum, Kepler

pytest.importorskip("llvmlite")

PAIRS = ["RK23", "RK45", "Tsit5", "DOP853"]
TIGHT: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-8}


def driven(t: float, y: Any, strength: float = 0.3, damping: float = 0.1) -> list[Any]:
    """A driven pendulum in plain NumPy, which depends on the time."""
    return [y[1], -np.sin(y[0]) - damping * y[1] + strength * np.cos(1.3 * t)]


def predator_and_prey(t: float, y: Any) -> list[Any]:
    """Lotka and Volterra's equations."""
    return [y[0] * (1.0 - y[1]), y[1] * (y[0] - 0.7)]


def blow_up(t: float, y: Any) -> list[Any]:
    """Ends at t = 1 / y[0]; the second component at t = 2."""
    return [y[0] * y[0], np.sqrt(2.0 - t)]


def pair(fun: Any, span: Any, y0: Any, **more: Any) -> tuple[Solution, Solution]:
    """The same solve as machine code and interpreted."""
    return solve_ivp(fun, span, y0, compiled=True, **more), solve_ivp(fun, span, y0, compiled=False, **more)


def starts(n: int, m: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Random starts."""
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (n, m))


def same(machine: Solution, reference: Solution, rtol: float) -> None:
    """Assert that two solves took the same steps, and agree to rounding that grew along them.

    Where an error estimate is hardly larger than rounding, sizes of steps agree to few digits.
    """
    np.testing.assert_array_equal(machine.nfev, reference.nfev)
    np.testing.assert_array_equal(machine.n_times, reference.n_times)
    np.testing.assert_array_equal(machine.status, reference.status)
    np.testing.assert_allclose(machine.t, reference.t, rtol=rtol, atol=1e-300)
    np.testing.assert_allclose(machine.y, reference.y, rtol=rtol, atol=rtol)


# -- compiled = interpreted = SciPy -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", PAIRS)
@pytest.mark.parametrize("t_eval", [None, np.linspace(0.0, 3.0, 17), [1.0], [0.0, 3.0], []], ids=str)
def test_single_solve_takes_the_steps_of_the_interpreted_one_and_of_scipy(method: str, t_eval: Any) -> None:
    more = {"method": method, "t_eval": t_eval, **TIGHT}
    machine, reference = pair(driven, (0.0, 3.0), [0.4, -0.2], **more)
    same(machine, reference, 1e-9 if t_eval is not None else 1e-5)
    if method == "Tsit5":
        return
    theirs = scipy.integrate.solve_ivp(driven, (0.0, 3.0), [0.4, -0.2], **more)
    assert machine.nfev == theirs.nfev
    assert machine.message == theirs.message
    if t_eval is None or len(t_eval):  # SciPy gives an empty list there
        rtol = 1e-9 if t_eval is not None else 1e-5
        np.testing.assert_allclose(machine.t, theirs.t, rtol=rtol)
        np.testing.assert_allclose(machine.y, theirs.y, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("method", PAIRS)
@pytest.mark.parametrize("span", [(0.0, 2.0), (2.0, -1.0), (1.0, 1.0)])
@pytest.mark.parametrize("every", [True, False])
def test_batch_takes_the_steps_of_the_interpreted_one(method: str, span: tuple[float, float], every: bool) -> None:
    y0 = np.array([[1.0], [0.6]]) + 0.2 * starts(2, 11)
    t_eval = None if every else np.unique(np.linspace(*span, 7))[:: 1 if span[1] >= span[0] else -1]
    machine, reference = pair(predator_and_prey, span, y0, method=method, t_eval=t_eval, **TIGHT)
    same(machine, reference, 1e-5 if every else 1e-9)


@pytest.mark.parametrize(
    "more",
    [
        {"first_step": 0.01},
        {"max_step": 0.05},
        {"rtol": [1e-3, 1e-7], "atol": [1e-9, 1e-4]},
        {"rtol": 1e-12, "atol": 0.0},
    ],
    ids=str,
)
def test_limits_and_tolerances_mean_the_same(more: dict[str, Any]) -> None:
    machine, reference = pair(driven, (0.0, 3.0), [0.4, -0.2], **more)
    same(machine, reference, 1e-5)
    theirs = scipy.integrate.solve_ivp(driven, (0.0, 3.0), [0.4, -0.2], **more)
    assert machine.nfev == theirs.nfev


def test_tableau_of_ones_own_without_a_shared_stage() -> None:
    heun_euler = RK23.TABLEAU.__class__(a=((), (1,)), b=("1/2", "1/2"), b_error=("-1/2", "1/2"), order=2, error_order=1)
    for t_eval in (None, [0.5, 1.0, 1.1]):
        same(*pair(driven, (0.0, 2.0), [0.4, -0.2], method=RungeKutta(heun_euler), t_eval=t_eval), 1e-9)


def test_parameters_may_differ_between_trajectories() -> None:
    gravity = np.linspace(5.0, 12.0, 9)
    y0 = np.repeat(np.array([[0.3], [0.1], [0.2], [0.0]]), 9, axis=1)
    machine, reference = pair(DoublePendulum(gravity=gravity), (0.0, 1.0), y0, t_eval=[0.3, 1.0], **TIGHT)
    same(machine, reference, 1e-9)
    one = solve_ivp(DoublePendulum(gravity=gravity[4]), (0.0, 1.0), y0[:, 4], t_eval=[0.3, 1.0], compiled=True, **TIGHT)
    np.testing.assert_array_equal(machine.y[:, 4], one.y)


# -- lanes do not see each other --------------------------------------------------------------------------------------


@settings(max_examples=12)
@given(st.integers(1, 40), st.integers(0, 2**31), st.integers(1, 3), st.booleans())
def test_batch_is_its_single_solves_bit_for_bit_whatever_the_order_and_the_threads(
    m: int, seed: int, threads: int, every: bool
) -> None:
    y0, t_eval = 1.5 * starts(2, m, seed), None if every else [0.3, 2.0, 5.0]
    batch = solve_ivp(driven, (0.0, 5.0), y0, t_eval=t_eval, threads=threads, compiled=True)
    order = np.random.default_rng(seed).permutation(m)
    turned = solve_ivp(driven, (0.0, 5.0), y0[:, order], t_eval=t_eval, compiled=True)
    np.testing.assert_array_equal(turned.y, batch.y[:, order])
    np.testing.assert_array_equal(turned.nfev, batch.nfev[order])
    for j in {0, m // 2, m - 1}:
        one = solve_ivp(driven, (0.0, 5.0), y0[:, j], t_eval=t_eval, compiled=True)
        n_times = int(batch.n_times[j])
        np.testing.assert_array_equal(one.y, batch.y[:, j, :n_times])
        np.testing.assert_array_equal(one.t, batch.t[:n_times] if batch.t.ndim == 1 else batch.t[j, :n_times])
        assert one.nfev == batch.nfev[j]


def test_stiff_member_does_not_change_the_steps_of_the_others() -> None:
    def relax(t: float, y: Any) -> list[Any]:
        return [-y[1] * (y[0] - np.cos(t)), 0.0 * y[1]]

    rates = np.array([1.0, 3.0, 5000.0, 2.0, 0.5])
    batch = solve_ivp(relax, (0.0, 3.0), np.array([0.0 * rates, rates]), compiled=True)
    assert batch.nfev[2] > 20 * batch.nfev[[0, 1, 3, 4]].max()
    for j in (0, 1, 3, 4):
        one = solve_ivp(relax, (0.0, 3.0), [0.0, rates[j]], compiled=True)
        np.testing.assert_array_equal(one.y, batch.y[:, j, : batch.n_times[j]])


def test_many_more_trajectories_than_lanes_of_very_different_lengths() -> None:
    y0 = np.array([np.linspace(0.3, 1.0, 300), np.zeros(300), np.zeros(300), np.linspace(1.2, 0.7, 300)])
    machine, reference = pair(Kepler(), (0.0, 6.0), y0, t_eval=[6.0])
    assert machine.nfev.max() > 3 * machine.nfev.min()
    np.testing.assert_array_equal(machine.nfev, reference.nfev)
    np.testing.assert_allclose(machine.y, reference.y, rtol=1e-5, atol=1e-6)


# -- endings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"max_steps": 7}, {"t_eval": [0.0, 0.5, 1.5, 3.0]}, {"method": "RK23"}], ids=str)
def test_trajectories_that_fall_end_as_interpreted_and_their_neighbours_do_not_notice(more: dict[str, Any]) -> None:
    y0 = np.array([[1.0, 0.1, 1e200, 0.5, -1.0], np.zeros(5)])
    machine, reference = pair(blow_up, (0.0, 3.0), y0, **more)
    np.testing.assert_array_equal(machine.status, reference.status)
    blown = [0, 2, 3]  # the others feel their way to where the root ends, in steps that depend on rounding
    np.testing.assert_array_equal(machine.nfev[blown], reference.nfev[blown])
    np.testing.assert_array_equal(machine.n_times[blown], reference.n_times[blown])
    np.testing.assert_allclose(machine.y[:, blown, :40], reference.y[:, blown, :40], rtol=1e-5)
    for ours, theirs in zip(machine.message, reference.message, strict=True):
        assert ours.split(" at t=")[0] == theirs.split(" at t=")[0]
    for j in range(5):
        if j != 2:
            one = solve_ivp(blow_up, (0.0, 3.0), y0[:, j], compiled=True, **more)
            assert one.message == machine.message[j]
            np.testing.assert_array_equal(one.y, machine.y[:, j, : one.y.shape[-1]])


def test_start_without_a_derivative_is_refused_alone_and_a_status_in_a_batch() -> None:
    with pytest.raises(ArgumentError, match="fun must return finite numbers at the start"):
        solve_ivp(blow_up, (0.0, 1.0), [1e200, 0.0], compiled=True)
    sol = solve_ivp(blow_up, (0.0, 1.0), [[1e200, 0.5], [0.0, 0.0]], compiled=True)
    assert sol.status.tolist() == [-1, 0]
    assert "y[0] at t=0.0" in sol.message[0]


def test_what_is_not_for_machine_code_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ArgumentError, match=r"compiled=True is for methods whose step can be traced; got LSODA"):
        solve_ivp(driven, (0.0, 1.0), [0.4, 0.2], "LSODA", compiled=True)
    solve_ivp(driven, (0.0, 1.0), [0.4, 0.2], "LSODA", explain=True)
    assert "interpreted. Machine code is for methods whose step can be traced" in capsys.readouterr().out


def test_explain_and_stats_tell_that_it_is_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    sol = solve_ivp(driven, (0.0, 1.0), [0.4, 0.2], explain=True)
    assert sol.stats["compiled"] is True
    assert "machine code" in capsys.readouterr().out


# -- the clock and Ctrl-C ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 40])
@pytest.mark.parametrize("every", [True, False])
def test_deadline_ends_a_solve_with_what_there_is(m: int, every: bool) -> None:
    y0 = [0.4, -0.2] if m == 1 else np.repeat([[0.4], [-0.2]], m, axis=1)
    t_eval = None if every else np.linspace(0.0, 1e6, 10**5)
    more: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9, "compiled": True, "t_eval": t_eval, "max_steps": 10**9}
    solve_ivp(driven, (0.0, 1.0), y0, **{**more, "t_eval": t_eval if every else [1.0]})
    sol = solve_ivp(driven, (0.0, 1e6), y0, max_seconds=0.2, **more)
    assert (np.asarray(sol.status) == -1).all()
    message = sol.message if m == 1 else sol.message[0]
    assert message.startswith("max_seconds=0.2 of time are used up at t=")
    n_times = sol.n_times if m == 1 else sol.n_times[0]
    y = sol.y if m == 1 else sol.y[:, 0, :n_times]
    reference = solve_ivp(driven, (0.0, 30.0), [0.4, -0.2], **{**more, "t_eval": [10.0] if every else sol.t[1:3]})
    assert n_times > 2
    assert np.isfinite(y).all()
    if not every:
        np.testing.assert_array_equal(y[:, 1:3], reference.y)


def test_interrupt_gives_back_what_there_is_and_loses_no_step() -> None:
    more: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9, "compiled": True, "max_steps": 10**9}
    begun = solve_ivp(driven, (0.0, 100.0), [0.4, -0.2], **more)
    # NOTE: a shell's background job is born with SIGINT ignored, and so are its tests
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.8, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        sol = solve_ivp(driven, (0.0, 1e6), [0.4, -0.2], **more)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert sol.status == -2
    assert sol.message.startswith("Interrupted at t=")
    assert len(sol.t) > len(begun.t)
    assert (np.diff(sol.t) > 0.0).all()
    np.testing.assert_array_equal(sol.y[:, : len(begun.t) - 1], begun.y[:, :-1])


# -- larger right-hand sides ------------------------------------------------------------------------------------------


def lorenz_96(t: Any, x: Any, forcing: Any = 8.0) -> Any:
    """Lorenz's model of 1996, of any number of components."""
    return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + forcing


@pytest.mark.parametrize(("method", "n"), [("RK45", 40), pytest.param("DOP853", 60, marks=pytest.mark.slow)])
def test_larger_right_hand_sides_take_the_steps_of_the_interpreted_driver(method: str, n: int) -> None:
    x = 8.0 + 0.1 * np.sin(np.arange(float(n)))
    for t_eval in (None, [0.3, 1.0]):
        machine, reference = pair(lorenz_96, (0.0, 1.0), x, method=method, t_eval=t_eval, args=(8.0,), **TIGHT)
        same(machine, reference, 1e-9 if t_eval else 1e-5)
    y0 = np.repeat(x[:, None], 19, axis=1) + starts(n, 19)
    batch = solve_ivp(lorenz_96, (0.0, 1.0), y0, method, t_eval=[1.0], compiled=True)
    for j in (0, 7, 18):
        one = solve_ivp(lorenz_96, (0.0, 1.0), y0[:, j], method, t_eval=[1.0], compiled=True)
        np.testing.assert_array_equal(one.y, batch.y[:, j])


def test_derivatives_of_larger_right_hand_sides() -> None:
    x = 8.0 + 0.1 * np.sin(np.arange(60.0))

    def total(x: Any, forcing: Any, compiled: bool) -> Any:
        y = solve_ivp(lorenz_96, (0.0, 0.5), x, t_eval=[0.2, 0.5], args=(forcing,), compiled=compiled, **TIGHT).y
        return array_ops.sum(y * y)

    found, want = (grad(lambda x, f, c=c: total(x, f, c), argnums=(0, 1))(x, 8.0) for c in (True, False))
    np.testing.assert_allclose(found[0], want[0], rtol=1e-9, atol=1e-9 * np.abs(want[0]).max())
    assert found[1] == pytest.approx(want[1], rel=1e-9)
    sol = solve_ivp(lorenz_96, (0.0, 0.5), x, t_eval=[0.5], sensitivities="y0", args=(8.0,), compiled=True, **TIGHT)
    _, forward = jvp(
        lambda x: solve_ivp(lorenz_96, (0.0, 0.5), x, t_eval=[0.5], args=(8.0,), compiled=False, **TIGHT).y[:, 0],
        (x,),
        (np.eye(60)[7],),
    )
    np.testing.assert_allclose(sol.dy_dy0[:, 7, 0], forward, rtol=1e-8, atol=1e-9)


def test_the_largest_choose_their_steps_interpreted(capsys: pytest.CaptureFixture[str]) -> None:
    solve_ivp(lorenz_96, (0.0, 0.01), np.full(150, 8.0), explain=True)
    told = capsys.readouterr().out
    assert "interpreted. Machine code chooses steps for right-hand sides of up to 400 operations" in told


# -- shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t_eval", [None, [0.5, 1.0]])
def test_batches_of_any_shape_and_empty_ones(t_eval: Any) -> None:
    for shape in ((2, 3), (0,), (1,)):
        more: dict[str, Any] = {"t_eval": t_eval, "sensitivities": ("y0", "params")}
        machine, reference = pair(driven, (0.0, 1.0), np.ones((2, *shape)), **more)
        assert machine.y.shape == reference.y.shape
        assert machine.dy_dy0.shape == reference.dy_dy0.shape
        assert machine.t.shape == reference.t.shape
        assert machine.status.shape == machine.nfev.shape == shape
        np.testing.assert_allclose(machine.dy_dparams, reference.dy_dparams, rtol=1e-9, atol=1e-12)


def test_trajectories_may_have_their_own_spans_and_times() -> None:
    spans = (np.array([0.0, 0.0, 1.0, 3.0]), np.array([1.0, 2.0, 1.0, 0.5]))
    hole = np.nan
    own = [[0.1, 0.5, 1.0], [0.5, 2.0, hole], [1.0, hole, hole], [2.0, 1.0, hole]]
    y0 = 0.5 * np.ones((2, 4))
    for t_eval in (None, own):
        machine, reference = pair(driven, spans, y0, t_eval=t_eval, sensitivities="y0", **TIGHT)
        same(machine, reference, 1e-8)
        np.testing.assert_allclose(machine.dy_dy0, reference.dy_dy0, rtol=1e-8, atol=1e-8)


def test_pair_that_chooses_in_its_own_way_is_not_taken_for_another() -> None:
    class Cautious(RungeKutta):
        def error_ratio(self, error: Any, scale: Any) -> Any:
            return 100.0 * super().error_ratio(error, scale)

    method = Cautious(RK23.TABLEAU)
    with pytest.raises(ArgumentError, match="compiled=True chooses steps by the error of an embedded"):
        solve_ivp(driven, (0.0, 1.0), [0.4, 0.2], method, compiled=True)
    assert (
        solve_ivp(driven, (0.0, 1.0), [0.4, 0.2], method).nfev > solve_ivp(driven, (0.0, 1.0), [0.4, 0.2], "RK23").nfev
    )
