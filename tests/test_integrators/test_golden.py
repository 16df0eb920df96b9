"""The double pendulum of the teaching notebook: its numbers, derived again with mpmath at 50 digits."""

from __future__ import annotations

import functools
import sys
from typing import Any

import mpmath
import numpy as np

from diffsim import ops
from diffsim.value import Value
from integrators import euler, rk4, solve_ivp
from systems import DoublePendulum

START = (0.4, 0.0, 1.0, 4.0)
END = (1.5791220449649588, 15.687764190670716, 1.1532821872298393, 1.6194679354002934)
ROW = (13.3733817647, 18.1095188664, -40.4165170636, -23.0528038335)
TRUE_END = (3.54359486, 47.43645061, 1.41263353, -0.09537723)
TRUE_ROW = (-111.068, 135.598, -104.511, 52.6617)


def notebook(state: list[Any]) -> list[Any]:
    """The right-hand side as the notebook writes it, for any kind of number."""
    theta_1, theta_2, p_1, p_2 = state
    c = ops.cos(theta_1 - theta_2)
    denominator = 16 - 9 * c**2
    omega_1 = 6 * (2 * p_1 - 3 * c * p_2) / denominator
    omega_2 = 6 * (8 * p_2 - 3 * c * p_1) / denominator
    twist = omega_1 * omega_2 * ops.sin(theta_1 - theta_2)
    return [
        omega_1,
        omega_2,
        -0.5 * (twist + 3 * 9.8 * ops.sin(theta_1)),
        -0.5 * (-twist + 9.8 * ops.sin(theta_2)),
    ]


def exact(state: Any) -> list[Any]:
    """The same in mpmath, with 9.8 as the decimal number."""
    theta_1, theta_2, p_1, p_2 = state
    g, delta = mpmath.mpf("9.8"), theta_1 - theta_2
    c, s = mpmath.cos(delta), mpmath.sin(delta)
    u, v = (6 * (a * p - 3 * c * q) / (16 - 9 * c * c) for a, p, q in ((2, p_1, p_2), (8, p_2, p_1)))
    return [u, v, -(u * v * s + 3 * g * mpmath.sin(theta_1)) / 2, -(-u * v * s + g * mpmath.sin(theta_2)) / 2]


@functools.cache
def golden() -> tuple[list[Any], list[Any]]:
    """End state and gradient row of theta_2 after 500 Euler steps of 0.01, by mpmath and central differences."""
    with mpmath.workdps(60):
        h, start = mpmath.mpf("0.01"), [mpmath.mpf(x) for x in ("0.4", "0", "1", "4")]

        def end(state: list[Any]) -> list[Any]:
            for _ in range(500):
                state = [x + h * k for x, k in zip(state, exact(state), strict=True)]
            return state

        shift = mpmath.mpf(10) ** -18
        row = []
        for i in range(4):
            up, down = list(start), list(start)
            up[i] += shift
            down[i] -= shift
            row.append((end(up)[1] - end(down)[1]) / (2 * shift))
        return end(start), row


def test_golden_values_of_the_facts_agree_with_mpmath() -> None:
    state, row = golden()
    np.testing.assert_allclose([float(x) for x in state], END, atol=1e-11, rtol=0)
    np.testing.assert_allclose([float(x) for x in row], ROW, atol=1e-9, rtol=0)


def test_euler_on_lists_gives_the_notebook_s_end_state_and_gradient_row() -> None:
    limit = sys.getrecursionlimit()
    start = [Value(x) for x in START]
    states = euler(start, notebook, 0.01, 500)
    assert len(states) == 501
    state, row = golden()
    np.testing.assert_allclose([x.data for x in states[-1]], [float(x) for x in state], atol=1e-11, rtol=0)
    states[-1][1].backward()
    np.testing.assert_allclose([x.grad for x in start], [float(x) for x in row], atol=1e-9, rtol=0)
    assert sys.getrecursionlimit() == limit <= 1000


def test_solve_ivp_by_euler_gives_the_same_in_all_three_ways() -> None:
    state, row = (np.array([float(x) for x in numbers]) for numbers in golden())
    system = DoublePendulum()
    plain = solve_ivp(system, (0.0, 5.0), START, "Euler", step=0.01, sensitivities="y0")
    np.testing.assert_allclose(plain.y[:, -1], state, atol=1e-11, rtol=0)
    np.testing.assert_allclose(plain.dy_dy0[1, :, -1], row, atol=1e-9, rtol=0)
    function = solve_ivp(lambda t, y: notebook(list(y)), (0.0, 5.0), START, "Euler", step=0.01)
    np.testing.assert_allclose(function.y[:, -1], state, atol=1e-11, rtol=0)
    start = [Value(x) for x in START]
    reverse = solve_ivp(system, (0.0, 5.0), start, "Euler", step=0.01)
    reverse.y[1, -1].backward()
    np.testing.assert_allclose([x.grad for x in start], row, atol=1e-9, rtol=0)


def test_true_end_state_and_gradient_row_are_the_published_ones() -> None:
    sol = solve_ivp(DoublePendulum(), (0.0, 5.0), START, "RK45", rtol=1e-12, atol=1e-12, sensitivities="y0")
    np.testing.assert_allclose(sol.y[:, -1], TRUE_END, atol=2e-8)
    np.testing.assert_allclose(sol.dy_dy0[1, :, -1], TRUE_ROW, rtol=2e-5)


def test_rk4_on_lists_agrees_with_solve_ivp_and_beats_euler() -> None:
    listed = rk4(list(START), notebook, 0.01, 500)
    solved = solve_ivp(DoublePendulum(), (0.0, 5.0), START, "RK4", step=0.01)
    np.testing.assert_allclose(listed, solved.y.T, atol=1e-9)
    fine = rk4(list(START), notebook, 0.0025, 2000)
    assert np.abs(np.subtract(fine[-1], TRUE_END)).max() < 5e-3
    assert np.abs(np.subtract(END, TRUE_END)).max() > 30.0
