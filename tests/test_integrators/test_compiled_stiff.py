"""Methods that choose their steps by a formula of their own, for stiff problems and `Taylor`, as machine code."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.stiff import PROBLEMS
from diffsim.errors import ArgumentError
from integrators import Solution, solve_ivp
from integrators._methods import flow_methods, method_class
from systems import HIRES, DoublePendulum

pytest.importorskip("llvmlite")

NAMES = tuple(name for name in flow_methods() if method_class(name)().formula is not None)
IMPLICIT = tuple(name for name in NAMES if method_class(name)().implicit)


def marked(names: tuple[str, ...], quick: tuple[str, ...]) -> list[Any]:
    """Methods of which all but some are slow tests."""
    return [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in names]


METHODS = marked(NAMES, ("Rodas5P", "Radau", "BDF", "Taylor"))
FEW = marked(NAMES, ("Rodas5P", "Taylor"))
STIFF = marked(IMPLICIT, ("Rodas5P", "Radau", "BDF"))
FEW_STIFF = marked(IMPLICIT, ("Rodas5P",))
LOW_ORDER = ("ImplicitEuler", "Trapezoid")
"""Methods that need too many steps for some problems."""
TIGHT: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-9}


def driven(t: float, y: Any, strength: float = 0.3, damping: float = 0.1) -> list[Any]:
    """A driven pendulum in plain NumPy, which depends on the time."""
    return [y[1], -np.sin(y[0]) - damping * y[1] + strength * np.cos(1.3 * t)]


def relax(t: float, y: Any) -> list[Any]:
    """Follows the cosine, at a rate which is the second component."""
    return [-y[1] * (y[0] - np.cos(t)), 0.0 * y[1]]


def blow_up(t: float, y: Any) -> list[Any]:
    """Ends at t = 1 / y[0]; the second component at t = 2."""
    return [y[0] * y[0], np.sqrt(2.0 - t)]


def robertson(t: float, y: Any) -> list[Any]:
    a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return [b - a, a - b - c, c]


def exchange(t: float, y: Any) -> list[Any]:
    """The Jacobian has zeros in its diagonal and large numbers beside it: rows must change places."""
    return [-1e5 * y[1] + np.cos(t), 1e5 * y[0] - 1e5 * y[1]]


def starts(n: int, m: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (n, m))


def pair(fun: Any, span: Any, y0: Any, method: str, **more: Any) -> tuple[Solution, Solution]:
    """The same solve as machine code and interpreted."""
    machine, reference = (solve_ivp(fun, span, y0, method, compiled=way, **more) for way in (True, False))
    return machine, reference


def same(machine: Solution, reference: Solution, rtol: float) -> None:
    """Assert that two solves took the same steps, and agree to rounding that grew along them."""
    for name in ("nfev", "njev", "nlu", "n_times", "status"):
        np.testing.assert_array_equal(getattr(machine, name), getattr(reference, name), name)
    np.testing.assert_allclose(machine.t, reference.t, rtol=rtol, atol=1e-300)
    np.testing.assert_allclose(machine.y, reference.y, rtol=rtol, atol=rtol)


def same_bits(one: Solution, batch: Solution, j: int) -> None:
    """Assert that a trajectory of a batch is a single solve, bit for bit."""
    n_times = int(batch.n_times[j])
    np.testing.assert_array_equal(one.y, batch.y[:, j, :n_times])
    np.testing.assert_array_equal(one.t, batch.t[:n_times] if batch.t.ndim == 1 else batch.t[j, :n_times])
    for name in ("nfev", "njev", "nlu", "status", "message"):
        assert getattr(one, name) == getattr(batch, name)[j]


# -- compiled = interpreted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("t_eval", [None, np.linspace(0.0, 3.0, 17), [1.0], [0.0, 3.0], []], ids=str)
def test_single_solve_takes_the_steps_of_the_interpreted_one(method: str, t_eval: Any) -> None:
    same(*pair(driven, (0.0, 3.0), [0.4, -0.2], method, t_eval=t_eval, **TIGHT), 1e-5 if t_eval is None else 1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("span", [(0.0, 2.0), (2.0, -1.0), (1.0, 1.0)])
@pytest.mark.parametrize("every", [True, False])
def test_batch_takes_the_steps_of_the_interpreted_one(method: str, span: tuple[float, float], every: bool) -> None:
    t_eval = None if every else np.unique(np.linspace(*span, 7))[:: 1 if span[1] >= span[0] else -1]
    same(*pair(driven, span, starts(2, 11), method, t_eval=t_eval, **TIGHT), 1e-5 if every else 1e-9)


@pytest.mark.parametrize("method", FEW_STIFF)
@pytest.mark.parametrize(
    "name", ["Robertson", "HIRES", "OREGO", "van der Pol, mu = 1e3", pytest.param("POLLU", marks=pytest.mark.slow)]
)
def test_problems_of_the_stiff_set_have_the_steps_of_the_interpreted_driver(method: str, name: str) -> None:
    if method in LOW_ORDER and name not in ("HIRES", "van der Pol, mu = 1e3"):
        pytest.skip("a method of low order makes hundreds of thousands of steps")
    problem = PROBLEMS[name]
    atol = [1e-5 * size for size in problem.atol]
    machine, reference = pair(problem.fun, (0.0, problem.end), problem.y0, method, rtol=1e-5, atol=atol)
    counts = [[one.nfev, one.njev, one.nlu, len(one.t)] for one in (machine, reference)]
    if method == "Rodas5P":
        assert counts[0] == counts[1]
        np.testing.assert_allclose(machine.t, reference.t, rtol=1e-3)  # rounding, amplified by what is stiff
    else:  # whether an iteration is the last one hangs by a digit, and a step by an iteration
        np.testing.assert_allclose(counts[0], counts[1], rtol=0.01)
    np.testing.assert_allclose(machine.y[:, -1], reference.y[:, -1], rtol=1e-7 if method == "Rodas5P" else 1e-4)
    np.testing.assert_allclose(machine.y[:, -1], problem.solution, rtol=2e-2)


# NOTE: at a max_step that cuts every step, BDF starts its count of equal steps anew where t + h - t exceeds it by
# rounding, as SciPy's does; `test_steps_are_those_of_scipy` has such a case
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "more",
    [{"first_step": 0.01}, {"max_step": 0.3}, {"rtol": [1e-3, 1e-7], "atol": [1e-9, 1e-4]}],
    ids=str,
)
def test_limits_and_tolerances_mean_the_same(method: str, more: dict[str, Any]) -> None:
    same(*pair(driven, (0.0, 3.0), [0.4, -0.2], method, **more), 1e-5)


@pytest.mark.parametrize("method", [name for name in IMPLICIT if not method_class(name)().piloted])
@pytest.mark.parametrize("more", [{"controller": "PI"}, {"controller": "PID", "rtol": 1e-6}], ids=str)
def test_controllers_mean_the_same(method: str, more: dict[str, Any]) -> None:
    same(*pair(driven, (0.0, 3.0), [0.4, -0.2], method, **more), 1e-5)


@pytest.mark.parametrize("method", [x for x in STIFF if x.values != ("ImplicitEuler",)])  # a million steps of order 1
@pytest.mark.parametrize("way", [True, False])
def test_iterations_that_have_come_down_to_rounding_are_done(method: str, way: bool) -> None:
    """A falling stone: its equations are solved by the first guess, and what is left does not shorten."""
    fall = {"rtol": 1e-8, "atol": 1e-14} if method == "Trapezoid" else {"rtol": 1e-10, "atol": 1e-12}
    sol = solve_ivp(lambda t, y: [y[1], -9.81 + 0.0 * y[0]], (0.0, 1.0), [1.0, 0.0], method, compiled=way, **fall)
    assert sol.success, sol.message
    np.testing.assert_allclose(sol.y[:, -1], [1.0 - 9.81 / 2.0, -9.81], rtol=1e-8)


@pytest.mark.parametrize("method", STIFF)
def test_rows_change_places_where_pivots_ask_for_it(method: str) -> None:
    same(*pair(exchange, (0.0, 1.0), [1.0, 0.5], method, **TIGHT), 1e-5)


@pytest.mark.parametrize("method", FEW_STIFF)
@pytest.mark.parametrize("n", [7, pytest.param(12, marks=pytest.mark.slow), pytest.param(31, marks=pytest.mark.slow)])
def test_larger_matrices_are_factorised_in_loops(method: str, n: int) -> None:
    def chain(t: Any, y: Any) -> Any:
        v = np.concatenate([[0.0], y, [0.0]])
        return 1e3 * (v[2:] - 2 * v[1:-1] + v[:-2]) - y**3 + np.cos(t)

    y0 = starts(n, 9)
    tolerance = {"rtol": 1e-3, "atol": 1e-5} if method in LOW_ORDER else TIGHT
    same(*pair(chain, (0.0, 0.5), y0, method, t_eval=[0.2, 0.5], **tolerance), 1e-8)
    batch = solve_ivp(chain, (0.0, 0.5), y0, method, compiled=True, **tolerance)
    for j in (0, 8):
        same_bits(solve_ivp(chain, (0.0, 0.5), y0[:, j], method, compiled=True, **tolerance), batch, j)


@pytest.mark.parametrize("method", FEW)
def test_parameters_may_differ_between_trajectories_and_are_read_anew(method: str) -> None:
    gravity = np.linspace(5.0, 12.0, 9)
    y0 = np.repeat(np.array([[0.3], [0.1], [0.2], [0.0]]), 9, axis=1)
    more: dict[str, Any] = {"t_eval": [0.3, 1.0], **TIGHT}
    machine, reference = pair(DoublePendulum(gravity=gravity), (0.0, 1.0), y0, method, **more)
    same(machine, reference, 1e-9)
    one = solve_ivp(DoublePendulum(gravity=gravity[4]), (0.0, 1.0), y0[:, 4], method, compiled=True, **more)
    same_bits(one, machine, 4)


@pytest.mark.parametrize("method", FEW)
def test_trajectories_may_have_their_own_spans_and_times(method: str) -> None:
    spans = (np.array([0.0, 0.0, 1.0, 3.0]), np.array([1.0, 2.0, 1.0, 0.5]))
    hole = np.nan
    own = [[0.1, 0.5, 1.0], [0.5, 2.0, hole], [1.0, hole, hole], [2.0, 1.0, hole]]
    for t_eval in (None, own):
        same(*pair(driven, spans, 0.5 * np.ones((2, 4)), method, t_eval=t_eval, **TIGHT), 1e-8 if t_eval else 1e-5)


@pytest.mark.parametrize("method", FEW)
@pytest.mark.parametrize("t_eval", [None, [0.0, 0.7, 2.0]])
def test_dense_output_is_that_of_the_interpreted_solve(method: str, t_eval: Any) -> None:
    more: dict[str, Any] = {"dense_output": True, "rtol": 1e-5, "atol": 1e-8}
    machine, reference = pair(driven, (0.0, 2.0), starts(2, 5), method, t_eval=t_eval, **more)
    t = np.linspace(0.0, 2.0, 41)
    np.testing.assert_allclose(machine.sol(t), reference.sol(t), rtol=1e-8, atol=1e-9)
    one = solve_ivp(driven, (0.0, 2.0), starts(2, 5)[:, 3], method, compiled=True, **more)
    np.testing.assert_array_equal(one.sol(t), machine.sol(t)[:, 3])
    still = solve_ivp(driven, (1.0, 1.0), [0.4, 0.2], method, compiled=True, dense_output=True)
    np.testing.assert_array_equal(still.sol(1.0), [0.4, 0.2])


@pytest.mark.parametrize("method", FEW)
@pytest.mark.parametrize("shape", [(2, 3), (0,), (1,)])
def test_batches_of_any_shape_and_empty_ones(method: str, shape: tuple[int, ...]) -> None:
    machine, reference = pair(driven, (0.0, 1.0), np.ones((2, *shape)), method, t_eval=[0.5, 1.0])
    assert machine.y.shape == reference.y.shape
    assert machine.status.shape == machine.nfev.shape == machine.njev.shape == machine.nlu.shape == shape


# -- lanes do not see each other --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FEW)
def test_batch_is_its_single_solves_bit_for_bit_whatever_the_order_and_the_threads(method: str) -> None:
    @settings(max_examples=8)
    @given(st.integers(1, 40), st.integers(0, 2**31), st.integers(1, 3), st.booleans())
    def check(m: int, seed: int, threads: int, every: bool) -> None:
        y0, t_eval = 1.5 * starts(2, m, seed), None if every else [0.3, 2.0, 5.0]
        batch = solve_ivp(driven, (0.0, 5.0), y0, method, t_eval=t_eval, threads=threads, compiled=True)
        order = np.random.default_rng(seed).permutation(m)
        turned = solve_ivp(driven, (0.0, 5.0), y0[:, order], method, t_eval=t_eval, compiled=True)
        np.testing.assert_array_equal(turned.y, batch.y[:, order])
        np.testing.assert_array_equal(turned.nfev, batch.nfev[order])
        for j in {0, m // 2, m - 1}:
            same_bits(solve_ivp(driven, (0.0, 5.0), y0[:, j], method, t_eval=t_eval, compiled=True), batch, j)

    check()


@pytest.mark.parametrize("method", STIFF)
def test_stiff_member_does_not_change_the_steps_of_the_others(method: str) -> None:
    rates = np.array([1.0, 3.0, 5e6, 2.0, 0.5])
    batch = solve_ivp(relax, (0.0, 3.0), np.array([0.0 * rates, rates]), method, compiled=True)
    assert batch.success.all() if isinstance(batch.success, np.ndarray) else batch.success
    for j in range(5):
        same_bits(solve_ivp(relax, (0.0, 3.0), [0.0, rates[j]], method, compiled=True), batch, j)


@pytest.mark.parametrize("method", FEW_STIFF)
def test_many_more_trajectories_than_lanes_of_very_different_lengths(method: str) -> None:
    rates = np.geomspace(0.1, 1e6, 150)
    y0 = np.array([np.linspace(-1.0, 5.0, 150), rates])
    machine, reference = pair(relax, (0.0, 6.0), y0, method, t_eval=[6.0])
    assert machine.nfev.max() > 1.5 * machine.nfev.min()
    same(machine, reference, 1e-7)


# -- endings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("more", [{}, {"max_steps": 7}, {"t_eval": [0.0, 0.5, 1.5, 3.0]}, {"min_step": 1e-3}], ids=str)
def test_trajectories_that_fall_end_as_interpreted_and_their_neighbours_do_not_notice(
    method: str, more: dict[str, Any]
) -> None:
    y0 = np.array([[1.0, 0.1, 1e200, 0.5, -1.0], np.zeros(5)])
    machine, reference = pair(blow_up, (0.0, 3.0), y0, method, **more)
    np.testing.assert_array_equal(machine.status, reference.status)
    assert (np.asarray(machine.status) == -1).all()
    for ours, theirs in zip(machine.message, reference.message, strict=True):
        assert ours.split(" at t=")[0] == theirs.split(" at t=")[0]
    for j in (0, 1, 3, 4):
        same_bits(solve_ivp(blow_up, (0.0, 3.0), y0[:, j], method, compiled=True, **more), machine, j)


@pytest.mark.parametrize("method", METHODS)
def test_start_without_a_derivative_is_refused_alone_and_a_status_in_a_batch(method: str) -> None:
    with pytest.raises(ArgumentError, match="fun must return finite numbers at the start"):
        solve_ivp(blow_up, (0.0, 1.0), [1e200, 0.0], method, compiled=True)
    sol = solve_ivp(blow_up, (0.0, 1.0), [[1e200, 0.5], [0.0, 0.0]], method, compiled=True)
    assert sol.status.tolist() == [-1, 0]
    # NOTE: an infinite series allows a step of no length, and then the smallest is tried
    assert f"y[0] at t={'5e-323' if method == 'Taylor' else '0.0'}" in sol.message[0]


@pytest.mark.parametrize("method", METHODS)
def test_trial_steps_beyond_the_domain_make_the_step_smaller(method: str) -> None:
    def falls(t: float, y: Any) -> list[Any]:
        return [-np.sqrt(y[0])]

    machine, reference = pair(falls, (0.0, 1.99), [1.0], method, first_step=1.9, **TIGHT)
    assert machine.status == reference.status == 0
    assert abs(machine.y[0, -1] - (1.0 - 1.99 / 2) ** 2) < (1e-5 if method in LOW_ORDER else 1e-7)


@pytest.mark.parametrize("method", FEW_STIFF)
def test_jacobian_with_infinity_times_zero_is_left_to_the_interpreter(method: str) -> None:
    def essential(t: float, y: Any) -> list[Any]:
        return [np.exp(-1.0 / y[1]) - y[0], 0.0 * y[1]]  # at 1e-200 its derivative is 0 times infinity

    for y0 in ([1.0, 1e-200], [[1.0, 2.0], [1e-200, 1.0]]):
        machine, reference = pair(essential, (0.0, 1.0), y0, method, **TIGHT)
        same(machine, reference, 1e-5)
        assert (machine.stats["compiled"] is False) == (machine.y.ndim == 2)


@pytest.mark.parametrize("method", FEW)
@pytest.mark.parametrize("m", [1, 40])
def test_deadline_ends_a_solve_with_what_there_is(method: str, m: int) -> None:
    y0 = [0.4, -0.2] if m == 1 else np.repeat([[0.4], [-0.2]], m, axis=1)
    more: dict[str, Any] = {"compiled": True, "max_steps": 10**9, "max_step": 1e-3}
    solve_ivp(driven, (0.0, 1.0), y0, method, **more)
    sol = solve_ivp(driven, (0.0, 1e6), y0, method, max_seconds=0.2, **more)
    assert (np.asarray(sol.status) == -1).all()
    message = sol.message if m == 1 else sol.message[0]
    assert message.startswith("max_seconds=0.2 of time are used up at t=")
    n_times = sol.n_times if m == 1 else sol.n_times[0]
    assert n_times > 2
    assert np.isfinite(sol.y if m == 1 else sol.y[:, 0, :n_times]).all()


@pytest.mark.parametrize("method", FEW)
def test_interrupt_gives_back_what_there_is_and_loses_no_step(method: str) -> None:
    more: dict[str, Any] = {"compiled": True, "max_steps": 10**9, "max_step": 1e-3}
    begun = solve_ivp(driven, (0.0, 10.0), [0.4, -0.2], method, **more)
    # NOTE: a shell's background job is born with SIGINT ignored, and so are its tests
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.8, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        sol = solve_ivp(driven, (0.0, 1e6), [0.4, -0.2], method, **more)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert sol.status == -2
    assert sol.message.startswith("Interrupted at t=")
    np.testing.assert_array_equal(sol.y[:, : len(begun.t) - 1], begun.y[:, :-1])


# -- what is not for machine code -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", STIFF)
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"jac": np.eye(2)}, "with exact Jacobians; got jac"),
        ({"max_step": lambda t: 0.1}, "a number for max_step"),
    ],
)
def test_what_is_not_for_machine_code_says_so_and_runs_interpreted(
    method: str, more: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ArgumentError, match=words):
        solve_ivp(driven, (0.0, 1.0), [0.4, 0.2], method, compiled=True, **more)
    assert solve_ivp(driven, (0.0, 1.0), [0.4, 0.2], method, explain=True, **more).success
    assert "interpreted. Machine code" in capsys.readouterr().out


@pytest.mark.parametrize("method", STIFF)
def test_explain_stats_and_counts_tell_how_it_went(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    system = HIRES()
    sol = solve_ivp(system, (0.0, 10.0), system.default_state, method, explain=True)
    assert "machine code" in capsys.readouterr().out
    assert sol.stats["compiled"] is True
    assert sol.njev > 0
    assert sol.nlu > 0
