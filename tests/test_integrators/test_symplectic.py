"""Splitting methods for separable systems: structure kept, order shown, the wrong system refused with a reason."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import diffsim as ds
from diffsim.errors import ArgumentError
from integrators import solve_ivp
from integrators._methods import flow_methods, method_class
from integrators._splitting import SplittingMethod
from systems import DoublePendulum, HarmonicOscillator, Kepler, Lorenz63, Pendulum

SPLITTING = tuple(name for name in flow_methods() if issubclass(method_class(name), SplittingMethod))
SYMMETRIC = tuple(name for name in SPLITTING if name != "SymplecticEuler")
ORBIT = (1.0, 0.0, 0.0, 1.1)


def _form(n: int) -> Any:
    eye, zero = np.eye(n // 2), np.zeros((n // 2, n // 2))
    return np.block([[zero, eye], [-eye, zero]])


def test_folder_walk_finds_the_family() -> None:
    wanted = {"SymplecticEuler", "StormerVerlet", "Yoshida4", "Yoshida6", "Yoshida8", "BlanesMoan4", "BlanesMoan6"}
    assert set(SPLITTING) == wanted


@pytest.mark.parametrize("name", SPLITTING)
def test_coefficients_are_consistent_and_symmetric(name: str) -> None:
    method = method_class(name)
    assert sum(method.DRIFTS) == sum(method.KICKS) == Fraction(1)
    if name in SYMMETRIC:
        assert method.DRIFTS[::-1] == method.DRIFTS
        assert method.KICKS[::-1] == method.KICKS


def test_stormer_verlet_is_the_recurrence_of_positions() -> None:
    # Hairer, Lubich, Wanner, Acta Numerica 12, equations (1.15) and (1.17): the points
    # q + h/2 v satisfy Stoermer's recurrence x_{n+1} - 2 x_n + x_{n-1} = h**2 a(x_n).
    h = 0.1
    sol = solve_ivp(lambda t, y: [y[1], -np.sin(y[0])], (0.0, 5.0), [1.0, 0.3], method="StormerVerlet", step=h)
    x = sol.y[0, :-1] + h / 2 * sol.y[1, :-1]
    np.testing.assert_allclose(x[2:] - 2 * x[1:-1] + x[:-2], -(h**2) * np.sin(x[1:-1]), atol=1e-14)


@pytest.mark.parametrize("name", SPLITTING)
def test_flow_map_keeps_the_symplectic_form(name: str) -> None:
    for system, start in ((Kepler(), ORBIT), (Pendulum(drive_amplitude=0.4), (1.0, 0.2))):
        sol = solve_ivp(system, (0.0, 5.0), start, name, step=0.05, t_eval=[2.0, 5.0], sensitivities="y0")
        form = _form(len(start))
        for k in range(2):
            j = sol.dy_dy0[..., k]
            assert np.abs(j.T @ form @ j - form).max() <= 1e-12 * np.linalg.norm(j, 2) ** 2


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_method_returns_home_to_rounding(name: str) -> None:
    there = solve_ivp(Kepler(), (0.0, 10.0), ORBIT, name, step=0.1)
    back = solve_ivp(Kepler(), (10.0, 0.0), there.y[:, -1], name, step=0.1)
    np.testing.assert_allclose(back.y[:, -1], ORBIT, atol=1e-11)


@pytest.mark.parametrize("name", SPLITTING)
def test_energy_does_not_drift_while_rk4_does(name: str) -> None:
    step = 0.05 if method_class(name).ORDER > 1 else 0.01
    sol = solve_ivp(Kepler(), (0.0, 1000.0), ORBIT, name, step=step)
    drift = sol.invariants["energy"]
    slope = np.polyfit(sol.t, drift, 1)[0]
    assert abs(slope) * 1000.0 < 0.02 * np.abs(drift).max() + 1e-11
    assert np.abs(drift).max() < 0.02
    np.testing.assert_allclose(sol.invariants["angular_momentum"], 0.0, atol=1e-11)  # quadratic: kept exactly
    other = solve_ivp(Kepler(), (0.0, 1000.0), ORBIT, "RK4", step=0.05).invariants["energy"]
    assert abs(other[-1]) > 0.9 * np.abs(other).max()


@pytest.mark.parametrize("name", ["Yoshida6", "Yoshida8", "BlanesMoan6"])
def test_order_shows_on_the_oscillator_in_multiprecision(name: str) -> None:
    method, gaps = method_class(name)(), []
    with mpmath.workdps(60):
        for n_steps in (16, 32):
            h, y = mpmath.mpf(1) / n_steps, [mpmath.mpf(1), mpmath.mpf(0)]
            for _ in range(n_steps):
                y = method.step(lambda t, y: [y[1], -y[0]], 0, y, h)
            gaps.append(abs(y[0] - mpmath.cos(1)))
        assert abs(mpmath.log(gaps[0] / gaps[1], 2) - method.order) < 0.2


@settings(max_examples=20)
@given(q=st.floats(-3.0, 3.0), p=st.floats(-2.0, 2.0), h=st.floats(0.01, 0.3), name=st.sampled_from(SPLITTING))
def test_step_keeps_areas(q: float, p: float, h: float, name: str) -> None:
    method = method_class(name)()
    j = ds.jacobian(lambda y: method.step(Pendulum(), 0.0, y, h))(np.array([q, p]))
    assert abs(np.linalg.det(j) - 1.0) < 1e-12 * np.linalg.norm(j) ** 2


@pytest.mark.parametrize("name", SPLITTING)
def test_machine_code_and_interpreter_agree(name: str) -> None:
    more = {"method": name, "step": 0.05, "sensitivities": ("y0", "params")}
    one = solve_ivp(Kepler(), (0.0, 3.0), ORBIT, compiled=True, **more)
    two = solve_ivp(Kepler(), (0.0, 3.0), ORBIT, compiled=False, **more)
    np.testing.assert_allclose(one.y, two.y, atol=1e-12)
    np.testing.assert_allclose(one.dy_dy0, two.dy_dy0, atol=1e-11)
    np.testing.assert_allclose(one.dy_dparams, two.dy_dparams, atol=1e-11)
    assert one.nfev == two.nfev


def test_machine_code_computes_only_the_half_that_is_needed() -> None:
    sol = solve_ivp(Kepler(), (0.0, 1.0), ORBIT, "StormerVerlet", step=0.1)
    assert sol.stats["operations"] < 30  # one force of 10, four updates; three whole evaluations would be 30 alone


# -- the wrong combination ---------------------------------------------------------------------------------------


def _damped(t: Any, y: Any) -> list[Any]:
    return [y[1], -y[0] - 0.1 * y[1]]


def _branching(t: Any, y: Any) -> list[Any]:
    return [y[1] + 0.1 * y[0], -y[0]] if y[0] < 5.0 else [y[1], -y[0]]


@pytest.mark.parametrize(
    ("fun", "y0", "which"),
    [
        (DoublePendulum(), [0.4, 0.0, 1.0, 4.0], r"y\[0\] depends on y\[0\]"),
        (Pendulum(damping=0.1), [0.4, 0.0], r"y\[1\] depends on y\[1\]"),
        (_damped, [0.4, 0.0], r"y\[1\] depends on y\[1\]"),
        (_branching, [0.4, 0.0], r"y\[0\] depends on y\[0\]"),
        (Lorenz63(), [1.0, 1.0, 20.0], "even number of components; got 3"),
    ],
)
@pytest.mark.parametrize("compiled", ["auto", False])
def test_system_that_is_not_separable_is_refused_with_reason_and_remedy(
    fun: Any, y0: Any, which: str, compiled: Any
) -> None:
    with pytest.raises(ArgumentError, match=which) as caught:
        solve_ivp(fun, (0.0, 1.0), y0, method="StormerVerlet", step=0.01, compiled=compiled)
    assert "GaussLegendre4" in str(caught.value)


def test_separable_functions_are_taken_traced_or_not() -> None:
    for fun in (lambda t, y: [y[1], -y[0] * np.cos(t)], lambda t, y: [y[1], -y[0] if y[0] < 9.0 else 0.0 * y[0]]):
        sol = solve_ivp(fun, (0.0, 1.0), [0.4, 0.0], method="StormerVerlet", step=0.01, compiled=False)
        assert sol.success
    assert solve_ivp(HarmonicOscillator(), (0.0, 1.0), [0.4, 0.0], "Yoshida8", step=0.1).success


@pytest.mark.parametrize("name", SPLITTING)
def test_step_control_is_refused_with_its_reason(name: str) -> None:
    for more in ({}, {"step": 0.1, "rtol": 1e-6}, {"step": 0.1, "atol": 1e-9}):
        with pytest.raises(ArgumentError, match="drift"):
            solve_ivp(Pendulum(), (0.0, 1.0), [0.4, 0.0], method=name, **more)


def test_step_of_an_odd_state_is_refused() -> None:
    with pytest.raises(ArgumentError, match="even number of components; got 1"):
        method_class("StormerVerlet")().step(lambda t, y: -y, 0.0, 1.0, 0.1)
