"""LSODA: SciPy's steps behind our face."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.integrate

import diffsim as ds
from diffsim.errors import ArgumentError, KindError
from integrators import LSODA, solve_ivp
from systems import DoublePendulum

START = [0.4, 0.0, 1.0, 4.0]


def robertson(t: float, y: Any) -> Any:
    a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return np.array([b - a, a - b - c, c])


def test_steps_states_and_dense_output_are_scipys() -> None:
    more: dict[str, Any] = {"method": "LSODA", "rtol": 1e-6, "atol": 1e-9, "dense_output": True}
    theirs = scipy.integrate.solve_ivp(robertson, (0.0, 1e4), [1.0, 0.0, 0.0], **more)
    ours = solve_ivp(robertson, (0.0, 1e4), [1.0, 0.0, 0.0], **more)
    assert ours.status == 0
    assert len(ours.t) == len(theirs.t)
    np.testing.assert_allclose(ours.y[:, -1], theirs.y[:, -1], rtol=1e-9)
    times = np.linspace(0.0, 1e4, 997)
    np.testing.assert_allclose(ours.sol(times), theirs.sol(times), atol=1e-9)
    assert ours.nfev <= theirs.nfev  # exact Jacobians take no evaluations
    assert ours.njev == theirs.njev > 0
    assert ours.nlu == theirs.nlu


def test_save_times_within_steps() -> None:
    times = np.linspace(0.0, 5.0, 101)
    ours = solve_ivp(DoublePendulum(), (0.0, 5.0), START, "LSODA", rtol=1e-10, atol=1e-10, t_eval=times)
    fine = solve_ivp(DoublePendulum(), (0.0, 5.0), START, "DOP853", rtol=1e-12, atol=1e-12, t_eval=times)
    np.testing.assert_allclose(ours.y, fine.y, atol=1e-5)


def test_a_bouncing_ball() -> None:
    def ground(t: float, y: Any) -> Any:
        return y[0]

    ball = {"events": ground, "reset": lambda t, y: [0.0, -0.5 * y[1]], "rtol": 1e-10, "atol": 1e-12}
    sol = solve_ivp(lambda t, y: [y[1], -2.0], (0.0, 2.4), [1.0, 0.0], "LSODA", **ball)
    np.testing.assert_allclose(sol.t_events[0], [1.0, 2.0], atol=1e-8)  # closed form: 1, 1 + 2 v / 2 with v = 1
    assert sol.status == 0


def test_what_is_not_finite_is_a_failure_and_not_a_success() -> None:
    sol = solve_ivp(lambda t, y: np.sqrt(1.0 - t) - 0.0 * y, (0.0, 2.0), [0.0], "LSODA")
    assert sol.status == -1
    assert "NaN or infinite" in sol.message
    assert np.isfinite(sol.y).all()


def test_a_spent_budget_keeps_what_there_is() -> None:
    sol = solve_ivp(robertson, (0.0, 1e4), [1.0, 0.0, 0.0], "LSODA", max_steps=20)
    assert sol.status == -1
    assert "max_steps=20" in sol.message
    assert len(sol.t) == 21


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda loss: ds.grad(loss)(np.array([1.0, 0.0, 0.0])),
        lambda loss: ds.jvp(loss, (np.array([1.0, 0.0, 0.0]),), (np.ones(3),)),
        lambda loss: solve_ivp(robertson, (0.0, 1.0), [1.0, 0.0, 0.0], "LSODA", sensitivities="y0"),
    ],
    ids=["reverse", "forward", "sensitivities"],
)
def test_derivatives_are_refused(differentiate: Any) -> None:
    with pytest.raises(KindError, match=r"no derivative goes through SciPy's code.*Radau"):
        differentiate(lambda y: solve_ivp(robertson, (0.0, 1.0), y, "LSODA").y[0, -1])


def test_lanes_of_a_batch_are_single_solves() -> None:
    starts = np.array([[1.0, 0.5], [0.0, 0.1], [0.0, 0.4]])
    both = solve_ivp(robertson, (0.0, 10.0), starts, "LSODA", t_eval=[1.0, 10.0])
    for i in range(2):
        one = solve_ivp(robertson, (0.0, 10.0), starts[:, i], "LSODA", t_eval=[1.0, 10.0])
        np.testing.assert_array_equal(both.y[:, i], one.y)
        assert both.nfev[i] == one.nfev


def test_fixed_steps_are_refused() -> None:
    with pytest.raises(ArgumentError, match="LSODA: step must be left out"):
        LSODA(0.1)
    with pytest.raises(KindError, match="a step depends on the ones before"):
        LSODA().step(robertson, 0.0, np.array([1.0, 0.0, 0.0]), 0.1)


def test_backwards() -> None:
    there = solve_ivp(DoublePendulum(), (0.0, 2.0), START, "LSODA", rtol=1e-10, atol=1e-10)
    back = solve_ivp(DoublePendulum(), (2.0, 0.0), there.y[:, -1], "LSODA", rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(back.y[:, -1], START, atol=1e-6)
