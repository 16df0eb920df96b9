"""Compiled solves end as interpreted ones, refuse what would be wrong, and fall back, with a reason, where need be."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops, ops
from diffsim.compiler import engine
from diffsim.derivatives import grad, hessian, jacobian, jvp, value_and_grad
from diffsim.errors import ArgumentError, InterpretedWarning, RunError, TraceError
from diffsim.protocols import with_parameters
from integrators import solve_ivp
from systems import DoublePendulum, Lorenz63

pytestmark = pytest.mark.skipif(not engine.available(), reason="needs llvmlite")

ROOT = Path(__file__).parents[2]
RK4: dict[str, Any] = {"method": "RK4", "step": 0.01}
RNG = np.random.default_rng(5)
OVERFLOW = r"(?i)(gradient|derivative|cotangent).*(NaN|infinite|overflow)"
LORENZ = np.array([[1.0, 1e8, 2.0], [1.0, 1e8, 0.0], [20.0, -1e8, 1.0]])
"""Three starts, of which the second falls."""


def blow_up(t: Any, y: Any) -> Any:
    """y' = y**2 with y = 1 / (1/y0 - t); the second component comes along."""
    return [y[0] * y[0], -y[1]]


def both(fun: Any, span: tuple[float, float], y0: Any, **more: Any) -> tuple[Any, Any]:
    options = {**RK4, **more}
    return tuple(solve_ivp(fun, span, y0, compiled=mode, **options) for mode in (True, False))  # type: ignore[return-value]


def assert_alike(machine: Any, reference: Any, rtol: float = 1e-12) -> None:
    np.testing.assert_array_equal(machine.status, reference.status)
    np.testing.assert_array_equal(machine.message, reference.message)
    np.testing.assert_array_equal(machine.n_times, reference.n_times)
    np.testing.assert_array_equal(machine.t, reference.t)
    assert machine.y.shape == reference.y.shape
    np.testing.assert_array_equal(np.isnan(machine.y), np.isnan(reference.y))
    # The last steps before a pole magnify rounding without bound.
    fine = np.abs(reference.y) < 1e3
    np.testing.assert_allclose(machine.y[fine], reference.y[fine], rtol=rtol, atol=1e-13)


# -- lanes that fall -------------------------------------------------------------------------------------------------


TIMES: dict[str, dict[str, Any]] = {
    "every node": {},
    "nodes": {"t_eval": [0.0, 0.5, 1.0, 1.5, 2.0]},
    "between": {"t_eval": [0.123, 0.9999, 1.00001, 1.0151, 1.0155, 1.0199, 1.999]},
    "the end": {"t_eval": [2.0]},
    "backwards": {"span": (2.0, 0.0), "t_eval": [1.5, 1.001, 0.98765, 0.5]},
    "empty": {"t_eval": []},
}


def backwards(t: Any, y: Any) -> Any:
    return [-y[0] * y[0], y[1]]


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("start", [[1.0, 1.0], [0.1, 1.0], [1e100, 1.0]], ids=["falls", "lasts", "falls at once"])
def test_blow_up_ends_as_interpreted_with_the_same_message(times: str, start: Any) -> None:
    more = dict(TIMES[times])
    span = more.pop("span", (0.0, 2.0))
    fun = blow_up if span[1] > span[0] else backwards
    machine, reference = both(fun, span, start, **more)
    assert_alike(machine, reference)
    if start[0] != 0.1:
        assert machine.status == -1
        assert machine.success is False
        assert re.search(r"NaN or infinite: y\[0\] at t=\d", machine.message)
        assert np.isfinite(machine.y).all()
        assert machine.y.shape == (2, machine.n_times) == (2, len(machine.t))


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("size", [2, 7, 9, 33])
def test_fallen_lanes_leave_their_neighbours_bit_for_bit(times: str, size: int) -> None:
    more = dict(TIMES[times])
    span = more.pop("span", (0.0, 2.0))
    fun = blow_up if span[1] > span[0] else backwards
    starts = np.stack([np.random.default_rng(size).uniform(0.05, 1.5, size), np.ones(size)])
    starts[0, :2] = 0.3, 1.2
    machine, reference = both(fun, span, starts, **more)
    assert_alike(machine, reference)
    assert set(machine.status.tolist()) == {0, -1}
    for i in range(size):
        one = solve_ivp(fun, span, starts[:, i], compiled=True, **{**RK4, **more})
        assert (machine.status[i], machine.message[i]) == (one.status, one.message)
        np.testing.assert_array_equal(machine.y[:, i, : one.n_times], one.y)
        assert np.isnan(machine.y[:, i, one.n_times :]).all()


def test_component_that_fell_first_is_named() -> None:
    def f(t: Any, y: Any) -> Any:
        return [-y[0], y[1] * y[1], -y[2]]

    machine, reference = both(f, (0.0, 2.0), [1.0, 1.0, 1.0])
    assert "y[1]" in machine.message
    assert_alike(machine, reference)
    named, plain = both(Lorenz63(), (0.0, 2.0), LORENZ)
    assert_alike(named, plain)
    assert named.status.tolist() == [0, -1, 0]
    assert re.search(r"\((x|y|z)\)", named.message[1])


@pytest.mark.parametrize("t_eval", [None, [0.013, 1.9], [1.9]])
def test_lane_that_falls_at_once_has_a_status_and_touches_no_other(t_eval: Any) -> None:
    starts = np.array([[0.1, 1e308, 0.2], [1.0, 1.0, 1.0]])
    machine, reference = both(blow_up, (0.0, 1.9), starts, t_eval=t_eval)
    assert machine.status.tolist() == [0, -1, 0]
    assert_alike(machine, reference)
    fine = solve_ivp(blow_up, (0.0, 1.9), starts[:, [0, 2]], compiled=True, t_eval=t_eval, **RK4)
    np.testing.assert_array_equal(machine.y[:, [0, 2]], fine.y)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("t_eval", [None, [0.013, 0.5]])
def test_lane_whose_parameter_is_no_number_touches_no_other(bad: float, t_eval: Any) -> None:
    def system(values: Any) -> Any:
        return with_parameters(Lorenz63(), {"rho": np.array(values)})

    starts = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    machine, reference = both(system([28.0, bad, 20.0]), (0.0, 0.5), starts, t_eval=t_eval, sensitivities="y0")
    assert machine.status.tolist() == [0, -1, 0]
    assert_alike(machine, reference)
    more: dict[str, Any] = {"compiled": True, "t_eval": t_eval, "sensitivities": "y0", **RK4}
    fine = solve_ivp(system([28.0, 20.0]), (0.0, 0.5), starts[:, [0, 2]], **more)
    np.testing.assert_array_equal(machine.y[:, [0, 2]], fine.y)
    np.testing.assert_array_equal(machine.dy_dy0[:, :, [0, 2]], fine.dy_dy0)


def test_batch_in_which_all_fall() -> None:
    machine, reference = both(blow_up, (0.0, 100.0), np.array([[5.0, 9.0, 1e100], [1.0, 1.0, 1.0]]), t_eval=[50.0])
    assert (machine.status == -1).all()
    assert_alike(machine, reference)
    assert np.isnan(machine.y).all()


@pytest.mark.parametrize("start", [np.nan, np.inf])
def test_right_hand_side_that_is_not_finite_at_the_start_is_an_error_in_both_modes(start: float) -> None:
    words = []
    for mode in (True, False):
        with pytest.raises(ArgumentError, match="fun must return finite numbers at the start") as caught:
            solve_ivp(lambda t, y, a: [y[0], a], (0.0, 1.0), [1.0, 1.0], args=(start,), compiled=mode, **RK4)
        words.append(str(caught.value))
    assert words[0] == words[1]


def test_sensitivities_of_fallen_lanes_are_nan_from_there_on_and_the_others_are_right() -> None:
    starts = np.array([[0.1, 1.2, 0.2], [1.0, 1.0, 1.0]])
    for more in ({}, {"t_eval": [0.3, 0.55555, 1.0, 1.9]}):
        machine, reference = both(blow_up, (0.0, 1.9), starts, sensitivities="y0", **more)
        assert_alike(machine, reference)
        for i in range(3):
            n = machine.n_times[i]
            assert np.isfinite(machine.dy_dy0[:, :, i, :n]).all()
            assert np.isnan(machine.dy_dy0[:, :, i, n:]).all()
            one = solve_ivp(blow_up, (0.0, 1.9), starts[:, i], sensitivities="y0", compiled=True, **RK4, **more)
            np.testing.assert_array_equal(machine.dy_dy0[:, :, i, :n], one.dy_dy0)


@pytest.mark.parametrize("method", ["DOP853", "RK45"])
def test_sensitivities_of_one_fallen_trajectory_end_where_it_ends(method: str) -> None:
    # x' = x^2 from 5 ends at 0.2: x = 5 / (1 - 5 t), dx/dx0 = 1 / (1 - 5 t)^2
    times = np.linspace(0.0, 0.5, 24)
    sol = solve_ivp(
        lambda t, y: y * y, (0.0, 0.5), [5.0], method, times, rtol=1e-10, atol=1e-10, sensitivities="y0", compiled=True
    )
    assert (sol.status, sol.y.shape, sol.dy_dy0.shape) == (-1, (1, 10), (1, 1, 10))
    np.testing.assert_allclose(sol.dy_dy0[0, 0], (1.0 - 5.0 * times[:10]) ** -2.0, rtol=1e-6)


@pytest.mark.parametrize("size", [(), (3,), (20,)])
@pytest.mark.parametrize("more", [{}, {"t_eval": [0.05, 0.123, 0.2, 0.2001, 5.0]}, {"sensitivities": "y0"}])
def test_budget_of_steps_ends_a_solve_as_interpreted(size: Any, more: dict[str, Any]) -> None:
    y0 = np.array([0.4, 0.0, 1.0, 4.0]).reshape(4, *(1 for _ in size)) * np.ones((4, *size))
    machine, reference = both(DoublePendulum(), (0.0, 10.0), y0, max_steps=20, **more)
    assert_alike(machine, reference)
    assert (np.asarray(machine.status) == -1).all()
    assert "max_steps=20 steps are used up at t=0.2; 1000 are needed." in str(machine.message)
    enough, _ = both(DoublePendulum(), (0.0, 0.2), y0, max_steps=20)
    assert (np.asarray(enough.status) == 0).all()


def test_numpy_warns_of_nothing_during_a_compiled_solve() -> None:
    # pytest turns any warning into an error here.
    sol = solve_ivp(lambda t, y: np.exp(y), (0.0, 50.0), np.array([[0.5, -60.0]]), "Euler", step=0.5, compiled=True)
    assert sol.status.tolist() == [-1, 0]


def test_overflow_within_a_step_that_does_not_reach_the_state_is_no_failure() -> None:
    # 1 / (1 + exp(1000)) is 0: finite, though exp overflowed on the way.
    def f(t: Any, y: Any) -> Any:
        return 1.0 / (1.0 + np.exp(1000.0 * (y + 1.0)))

    machine, reference = both(f, (0.0, 1.0), [0.5])
    assert machine.status == 0
    assert_alike(machine, reference)


# -- gradients that cannot be given ----------------------------------------------------------------------------------


def test_gradient_of_a_solve_that_falls_is_refused() -> None:
    for compiled in (True, False):

        def loss(x: Any, compiled: bool = compiled) -> Any:
            return solve_ivp(blow_up, (0.0, 2.0), [x, 1.0], compiled=compiled, **RK4).y[0, -1]

        with pytest.raises(RunError, match=r"carries derivatives and failed.* y\[0\] at t="):
            value_and_grad(loss)(1.0)
        with pytest.raises(RunError, match="carries derivatives and failed"):
            jvp(loss, (1.0,), (1.0,))


CHAOTIC = np.array([0.4, 0.0, 1.0, 4.0])


def test_gradient_that_overflows_is_an_error_not_a_number() -> None:
    # The issue's own case, RK4 with 0.001 from this start: neighbours part by a factor e about every 0.1 ... 0.5 of a
    # second, so a gradient over 1,000 seconds and more leaves the doubles.
    def loss(y0: Any) -> Any:
        sol = solve_ivp(DoublePendulum(), (0.0, 1500.0), y0, "RK4", step=0.001, t_eval=[1500.0], compiled=True)
        return sol.y[0, -1]

    with pytest.raises(RunError, match=OVERFLOW):
        grad(loss)(CHAOTIC)


def test_tangents_that_overflow_have_a_status_that_says_so_and_come_soon() -> None:
    starts = np.stack([CHAOTIC, [0.5, 0.5, 0.0, 0.0]], axis=1)
    more: dict[str, Any] = {"t_eval": [1.0, 1500.0], "sensitivities": "y0", "compiled": True}
    begin = time.perf_counter()
    sol = solve_ivp(DoublePendulum(), (0.0, 1500.0), starts, "RK4", step=0.003, **more)
    assert time.perf_counter() - begin < 10.0  # 500,000 steps; interpreted they take minutes
    assert np.isfinite(sol.y).all()
    assert sol.status.tolist() == [-1, 0]
    assert sol.message[0].startswith("The derivative of the state became NaN or infinite at or before t=1500.0. ")
    assert np.isfinite(sol.dy_dy0[:, :, 1]).all()


def test_gradient_that_overflows_in_few_steps_is_refused_or_nan_in_the_lane() -> None:
    # The state stays at 0, its derivative grows by 1e200 a step.
    def steep(t: Any, y: Any) -> Any:
        return [np.sin(1e200 * y[0]), -y[1]]

    def end(y0: Any, compiled: bool) -> Any:
        return solve_ivp(steep, (0.0, 3.0), y0, "Euler", step=1.0, t_eval=[3.0], compiled=compiled).y

    with pytest.raises(RunError, match=OVERFLOW):
        grad(lambda y0: end(y0, True)[0, -1])(np.array([0.0, 1.0]))
    with pytest.raises(RunError, match=OVERFLOW):
        jvp(lambda y0: end(y0, True)[0, -1], (np.array([0.0, 1.0]),), (np.array([1.0, 0.0]),))
    fine = grad(lambda y0: end(y0, True)[1, -1])(np.array([0.0, 1.0]))
    np.testing.assert_array_equal(fine, [0.0, 0.0])


def test_fallen_lane_of_a_batch_has_nan_and_its_neighbours_their_own_gradient() -> None:
    starts = np.array([[0.1, 1.2, 0.2], [1.0, 1.0, 1.0]])

    def ends(y0: Any) -> Any:
        return solve_ivp(blow_up, (0.0, 1.9), y0, t_eval=[0.5, 1.9], compiled=True, **RK4).y

    value = ends(starts)
    assert np.isnan(value[:, 1, -1]).all()
    assert np.isfinite(value[:, [0, 2]]).all()
    table = grad(lambda y0: array_ops.sum(ends(y0)[:, np.array([0, 2])]))(starts)
    for i in (0, 2):
        np.testing.assert_array_equal(table[:, i], grad(lambda y0: array_ops.sum(ends(y0)))(starts[:, i]))
    np.testing.assert_array_equal(table[:, 1], 0.0)
    # Before it fell, the lane has a derivative like any other.
    early = grad(lambda y0: array_ops.sum(ends(y0)[:, :, 0]))(starts)
    for i in range(3):
        alone = grad(lambda y0: array_ops.sum(solve_ivp(blow_up, (0.0, 0.5), y0, compiled=True, **RK4).y[:, -1]))
        np.testing.assert_allclose(early[:, i], alone(starts[:, i]), rtol=1e-13)
    # What asks for the fallen lane gets NaN, never a number.
    asked = grad(lambda y0: array_ops.sum(ends(y0)[0, :, -1]))(starts)
    assert np.isnan(asked[0, 1])
    assert np.isfinite(asked[:, [0, 2]]).all()


def test_fallen_lane_counts_for_a_shared_parameter_where_it_is_asked_for_and_only_there() -> None:
    def ends(rate: Any, starts: Any) -> Any:
        def fun(t: Any, y: Any, a: Any) -> Any:
            return a * y * y

        return solve_ivp(fun, (0.0, 1.9), np.array([starts]), args=(rate,), compiled=True, **RK4).y[0, :, -1]

    starts = [0.1, 1.2, 0.2]
    wanted = grad(lambda a: array_ops.sum(ends(a, [0.1, 0.2])))(1.0)
    assert grad(lambda a: array_ops.sum(ends(a, starts)[np.array([0, 2])]))(1.0) == pytest.approx(wanted, rel=1e-13)
    assert np.isnan(grad(lambda a: array_ops.sum(ends(a, starts)))(1.0))


# -- borders of a domain ---------------------------------------------------------------------------------------------


def masked(t: Any, y: Any) -> Any:
    """The branch that is not taken is infinite or NaN, and so are its derivatives."""
    safe = np.where(y[0] > 0.0, y[1], np.log(y[0] - 3.0) + 1.0 / (y[0] - y[0]))
    return [0.1 * safe + np.where(y[1] > 0.0, 0.0, np.sqrt(y[1])), -np.where(y[0] < 100.0, y[1], np.exp(1e3 * y[0]))]


def kinks(t: Any, y: Any) -> Any:
    """Roots, norms and powers exactly at 0, where conventions decide."""
    return [
        ops.sqrt(y[3] * y[3]) - y[0],
        np.abs(y[3]) + y[1] ** 2,
        np.maximum(y[3], 0.0) + np.sign(y[3]) + y[0],
        0.0 * y[3],
    ]


def norms(t: Any, y: Any) -> Any:
    length = np.linalg.norm(y[2:])
    return np.stack([length - y[0], np.sqrt(y[1]) * length, 0.0 * y[2], 0.0 * y[3]])


EDGES = {
    "where": (masked, np.array([0.7, 0.4])),
    "kinks": (kinks, np.array([0.7, 0.4, 0.2, 0.0])),
    "norm": (norms, np.array([0.7, 0.4, 0.0, 0.0])),
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("size", [(), (3,), (9,)])
def test_derivatives_at_edges_are_the_interpreted_ones(edge: str, size: Any) -> None:
    fun, start = EDGES[edge]
    y0 = start if size == () else np.repeat(start[:, None], size[0], axis=1)
    more: dict[str, Any] = {"method": "RK4", "step": 0.1, "t_eval": [0.0, 0.25, 0.3]}

    def states(y0: Any, compiled: bool) -> Any:
        return solve_ivp(fun, (0.0, 0.3), y0, compiled=compiled, **more).y

    def loss(y0: Any, compiled: bool) -> Any:
        y = states(y0, compiled)
        return array_ops.sum(y * y) + array_ops.sum(y)

    machine, reference = (
        solve_ivp(fun, (0.0, 0.3), y0, sensitivities="y0", compiled=mode, **more) for mode in (True, False)
    )
    np.testing.assert_array_equal(machine.status, reference.status)
    np.testing.assert_array_equal(machine.message, reference.message)
    np.testing.assert_allclose(machine.y, reference.y, rtol=1e-13)
    np.testing.assert_allclose(machine.dy_dy0, reference.dy_dy0, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        grad(lambda y: loss(y, True))(y0), grad(lambda y: loss(y, False))(y0), rtol=1e-12, atol=1e-13
    )
    v = RNG.standard_normal(y0.shape)
    pushed = [jvp(lambda y, mode=mode: states(y, mode), (y0,), (v,))[1] for mode in (True, False)]
    np.testing.assert_allclose(pushed[0], pushed[1], rtol=1e-12, atol=1e-13)


def test_second_derivatives_beside_an_infinite_branch_are_finite_and_right() -> None:
    fun, start = EDGES["where"]

    def loss(y0: Any, fun: Any = fun, compiled: bool = True) -> Any:
        y = solve_ivp(fun, (0.0, 0.3), y0, "RK4", step=0.1, compiled=compiled).y
        return array_ops.sum(y * y)

    wanted = hessian(lambda y: loss(y, lambda t, y: [0.1 * y[1], -y[1]], False))(start)
    np.testing.assert_allclose(hessian(loss)(start), wanted, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(jacobian(grad(loss), mode="reverse")(start), wanted, rtol=1e-11, atol=1e-12)
    for v in np.eye(2):
        np.testing.assert_allclose(grad(lambda y, v=v: jvp(loss, (y,), (v,))[1])(start), wanted @ v, rtol=1e-11)
        twice = jvp(lambda y, v=v: jvp(loss, (y,), (v,))[1], (start,), (v,))[1]
        assert twice == pytest.approx(v @ wanted @ v, rel=1e-11)


def test_derivative_at_a_root_of_zero_is_no_wrong_number() -> None:
    # d sqrt(y)/dy at 0 is infinite: whatever both modes say about it, they say the same.
    def end(y0: Any, compiled: bool) -> Any:
        return solve_ivp(lambda t, y: np.sqrt(y), (0.0, 0.2), y0, "RK4", step=0.1, compiled=compiled).y[0, -1]

    def outcome(compiled: bool) -> Any:
        try:
            return float(grad(lambda y: end(y, compiled))(np.array([0.0]))[0])
        except RunError as error:
            return type(error)

    found = outcome(True)
    assert found is RunError or not np.isfinite(found) or found == outcome(False)
    sol = [
        solve_ivp(lambda t, y: np.sqrt(y), (0.0, 0.2), [0.0], "RK4", step=0.1, sensitivities="y0", compiled=mode)
        for mode in (True, False)
    ]
    assert sol[0].status == sol[1].status
    assert sol[0].message == sol[1].message


# -- ends from outside -----------------------------------------------------------------------------------------------


_LONG = """
import sys, time
import numpy as np
from diffsim.derivatives import grad
from integrators import solve_ivp
from systems import DoublePendulum
threads, m, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
y0 = np.full((4, m), 0.3) if m else np.full(4, 0.3)
def run(t_end, y0=y0):
    return solve_ivp(DoublePendulum(), (0.0, t_end), y0, "RK4", step=1e-3, t_eval=[t_end], compiled=True,
                     threads=threads, memory=1e6).y.sum()
work = run if kind == "forward" else (lambda t_end: grad(lambda y: run(t_end, y))(y0))
work(0.1)
print("ready", flush=True)
try:
    work(2e6 / max(m, 1) if m else 2e6)
except KeyboardInterrupt:
    print(time.time(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("threads", "m", "kind"),
    [(1, 0, "forward"), (1, 100, "forward"), (2, 1000, "forward"), (1, 0, "gradient"), (2, 1000, "gradient")],
)
def test_interrupt_ends_a_long_solve_within_a_second(threads: int, m: int, kind: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _LONG, str(threads), str(m), kind],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        # a background job of a shell is born with SIGINT ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "ready"
        time.sleep(0.4)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        sent = time.time()
        out, err = child.communicate(timeout=20)
    finally:
        child.kill()
        child.wait()
    assert out.strip(), err
    assert float(out) - sent < 1.0


def test_progress_of_a_compiled_solve_is_all_reported(monkeypatch: pytest.MonkeyPatch) -> None:
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
    for y0 in (np.full(4, 0.1), np.full((4, 3), 0.1), np.full((4, 100), 0.1)):
        for threads in (1, 2):
            for t_eval in (None, [0.5, 0.505, 1.0]):
                more: dict[str, Any] = {"progress": True, "threads": threads, "compiled": True, **RK4}
                solve_ivp(DoublePendulum(), (0.0, 1.0), y0, t_eval=t_eval, **more)
    assert len(reports) == 12
    for total, done in reports:
        assert sum(done) == pytest.approx(total, rel=1e-9)


# -- what cannot be compiled -----------------------------------------------------------------------------------------


def branching(t: Any, y: Any) -> Any:
    if y[0] > 0.5:  # the line that is named
        return [-y[0]]
    return [-2.0 * y[0]]


def foreign(t: Any, y: Any) -> Any:
    return [float(np.interp(float(y[0]), [0.0, 1.0], [0.0, -1.0]))]


def looping(t: Any, y: Any) -> Any:
    x = y[0]
    while x > 0.1:
        x = x / 2.0
    return [-x]


def remembering(t: Any, y: Any) -> Any:
    before = float(BUFFER[0])
    BUFFER[0] = y[0]
    return [-y[0] + 1e-300 * before]


def accumulating(t: Any, y: Any) -> Any:
    BUFFER[0] += 1.0
    return [-y[0]]


BUFFER = np.zeros(1)
CALLS = {"n": 0.0}
LOG: list[float] = []
COUNT = 0


def counting(t: Any, y: Any) -> Any:
    CALLS["n"] += 1.0
    return [-y[0]]


def counting_in_a_global(t: Any, y: Any) -> Any:
    global COUNT
    COUNT += 1
    return [-y[0]]


def logging(t: Any, y: Any) -> Any:
    LOG.append(0.0)
    return [-y[0]]


def random(t: Any, y: Any) -> Any:
    return [-y[0] + 1e-300 * np.random.default_rng().normal()]  # too little to change a digit


UNTRACEABLE = {
    f.__name__: f
    for f in (branching, foreign, looping, remembering, accumulating, counting, counting_in_a_global, logging, random)
}


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_what_cannot_be_compiled_runs_interpreted_with_one_warning_that_says_where(name: str) -> None:
    fun = UNTRACEABLE[name]
    reference = solve_ivp(fun, (0.0, 1.0), [1.0], "RK4", step=0.1, compiled=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sol = solve_ivp(fun, (0.0, 1.0), [1.0], "RK4", step=0.1)
    assert [w.category for w in caught] == [InterpretedWarning]
    message = str(caught[0].message)
    assert name in message
    assert "compiled=False silences this" in message
    assert caught[0].filename == __file__  # the caller's line, not one of the library's
    if name in ("branching", "foreign", "looping"):
        first = fun.__code__.co_firstlineno
        line = int(re.search(r"test_compiled_endings\.py, line (\d+)", message).group(1))  # type: ignore[union-attr]
        assert first < line <= first + 4
    np.testing.assert_array_equal(sol.y, reference.y)


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_compiled_true_refuses_what_cannot_be_compiled(name: str) -> None:
    with pytest.raises(TraceError, match=name):
        solve_ivp(UNTRACEABLE[name], (0.0, 1.0), [1.0], "RK4", step=0.1, compiled=True)


def test_refused_function_is_left_as_it_was() -> None:
    # Tracing must not leave tracers in a user's buffers, nor count calls.
    before = CALLS["n"], list(LOG), COUNT
    BUFFER[0] = 7.0
    for name in ("remembering", "accumulating", "counting", "counting_in_a_global", "logging"):
        with pytest.raises(TraceError):
            solve_ivp(UNTRACEABLE[name], (0.0, 1.0), [1.0], "RK4", step=0.1, compiled=True)
    assert isinstance(BUFFER, np.ndarray)
    assert BUFFER.dtype == np.float64
    assert BUFFER[0] == 7.0
    assert all(isinstance(x, float) for x in LOG)
    assert isinstance(CALLS["n"], float)
    assert isinstance(COUNT, int)
    assert (CALLS["n"], LOG, COUNT) == before


def test_branch_on_a_parameter_is_followed_for_each_value() -> None:
    # No branch on the state: it may be compiled, but never with the branch of another value.
    def make(k: float) -> Any:
        def f(t: Any, y: Any) -> Any:
            return [-y[0] if k > 1.0 else -3.0 * y[0] * k]

        return f

    for k in (0.5, 2.0, 0.7, 3.0, 0.5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InterpretedWarning)
            sol = solve_ivp(make(k), (0.0, 1.0), [1.0], "RK4", step=0.1)
        reference = solve_ivp(make(k), (0.0, 1.0), [1.0], "RK4", step=0.1, compiled=False)
        np.testing.assert_allclose(sol.y, reference.y, rtol=1e-13)


def test_function_that_draws_from_a_global_generator_is_refused() -> None:
    generator = np.random.default_rng(3)

    def noisy(t: Any, y: Any) -> Any:
        return [-y[0] + generator.normal()]

    with pytest.raises(TraceError, match="noisy"):
        solve_ivp(noisy, (0.0, 1.0), [1.0], "RK4", step=0.1, compiled=True)


def test_function_that_reads_the_clock_is_refused() -> None:
    def clock(t: Any, y: Any) -> Any:
        return [-y[0] + 1e-3 * time.perf_counter()]

    with pytest.raises(TraceError, match="clock"):
        solve_ivp(clock, (0.0, 1.0), [1.0], "RK4", step=0.1, compiled=True)


def test_own_array_that_is_filled_within_the_call_is_compiled() -> None:
    def f(t: Any, y: Any) -> Any:
        out = np.zeros(2)
        out[0] = y[1]
        out[1] -= y[0]
        return out

    machine, reference = both(f, (0.0, 1.0), [1.0, 0.3])
    np.testing.assert_allclose(machine.y, reference.y, rtol=1e-13)


def filling(t: Any, y: Any) -> Any:
    BUFFER[0] = -y[0]
    BUFFER[0] *= 2.0
    return BUFFER


def test_shared_buffer_that_is_filled_anew_by_each_call_is_right_whichever_way_it_runs() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InterpretedWarning)
        for y0 in ([1.0], [[1.0, 2.0, 3.0]]):
            sol = solve_ivp(filling, (0.0, 1.0), y0, **RK4)
            np.testing.assert_allclose(sol.y, solve_ivp(filling, (0.0, 1.0), y0, compiled=False, **RK4).y, rtol=1e-13)
    assert BUFFER.dtype == np.float64


def test_state_that_is_changed_within_the_call_does_not_leak() -> None:
    def f(t: Any, y: Any) -> Any:
        y = y.copy()
        y[0] *= 2.0
        return [y[1], -y[0]]

    machine, reference = both(f, (0.0, 1.0), [1.0, 0.3])
    np.testing.assert_allclose(machine.y, reference.y, rtol=1e-13)


def test_wrong_number_of_results_is_told_in_both_modes() -> None:
    for mode in ("auto", False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InterpretedWarning)
            with pytest.raises(ArgumentError, match="fun must return 2 components"):
                solve_ivp(lambda t, y: [y[0]], (0.0, 1.0), [1.0, 2.0], "RK4", step=0.1, compiled=mode)


def test_error_of_the_user_s_own_code_comes_through() -> None:
    def broken(t: Any, y: Any) -> Any:
        raise LookupError("the table is empty")

    for mode in ("auto", False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InterpretedWarning)
            with pytest.raises(LookupError, match="the table is empty"):
                solve_ivp(broken, (0.0, 1.0), [1.0], "RK4", step=0.1, compiled=mode)


def test_derivatives_of_what_cannot_be_compiled_are_the_interpreted_ones() -> None:
    def loss(y0: Any, **more: Any) -> Any:
        return solve_ivp(branching, (0.0, 1.0), y0, "RK4", step=0.1, **more).y[0, -1]

    with pytest.warns(InterpretedWarning):
        found = grad(loss)(np.array([1.0]))
    np.testing.assert_array_equal(found, grad(lambda y: loss(y, compiled=False))(np.array([1.0])))
