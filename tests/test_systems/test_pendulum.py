"""The pendulum against its exact period, its energy balance and its known chaos."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import ellipk

from diffsim.derivatives import jacobian
from systems import Pendulum


def test_period_of_a_large_swing_is_the_elliptic_integral() -> None:
    system = Pendulum(gravity=3.7, length=0.6, mass=2.5)
    period = 4.0 * math.sqrt(system.length / system.gravity) * ellipk(math.sin(1.5) ** 2)
    orbit = solve_ivp(system, (0.0, period), system.default_state, method="DOP853", rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(orbit.y[:, -1], system.default_state, atol=1e-8)
    assert ellipk(math.sin(1.5) ** 2) / (math.pi / 2.0) == pytest.approx(2.57, abs=0.005), "as its docstring says"


def test_angle_of_a_swing_does_not_depend_on_the_mass() -> None:
    light, heavy = Pendulum(mass=1.0), Pendulum(mass=7.0)
    np.testing.assert_allclose(heavy(0.0, [1.0, 7.0]), light(0.0, [1.0, 1.0]) * [1.0, 7.0], rtol=1e-15)


def test_damping_takes_energy_and_drive_brings_it() -> None:
    system = Pendulum(length=2.0, mass=1.5, damping=0.3, drive_amplitude=0.7, drive_frequency=1.3)
    assert not system.canonical
    assert not system.invariants
    assert not system.equilibria
    t, theta, p = 0.9, 0.8, -1.7
    theta_rate, p_rate = system(t, [theta, p])
    omega = p / (1.5 * 2.0**2)
    power = p * omega * -0.3 + 0.7 * math.cos(1.3 * t) * omega
    change = 9.8 * 1.5 * 2.0 * math.sin(theta) * theta_rate + omega * p_rate
    assert change == pytest.approx(power, rel=1e-13)


def test_undriven_but_damped_keeps_its_equilibria_and_loses_its_invariant() -> None:
    system = Pendulum(damping=0.3)
    assert set(system.equilibria) == {"hanging", "inverted"}
    assert not system.invariants
    assert not system.separable
    assert Pendulum(drive_amplitude=1.0).separable


def test_hanging_is_a_centre_and_inverted_a_saddle() -> None:
    rate = math.sqrt(9.8 / 2.0)
    for name, expected in (("hanging", [-1j * rate, 1j * rate]), ("inverted", [-rate, rate])):
        system = Pendulum(length=2.0).about(name)
        matrix = jacobian(lambda y, system=system: system(0.0, y))(np.zeros(2))
        np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(matrix)), expected, atol=1e-14)


def test_classic_driven_case_is_chaotic() -> None:
    """Largest Lyapunov exponent by two orbits, brought together again every 2 time units: about 0.1."""
    system = Pendulum(gravity=1.0, damping=0.5, drive_amplitude=1.5, drive_frequency=2.0 / 3.0)
    gap, growth, y = 1e-7, 0.0, np.array([[0.2, 0.2], [0.0, 1e-7]])
    n = 150
    for i in range(n):
        orbit = solve_ivp(
            lambda t, s: system(t, s.reshape(2, 2)).ravel(), (2.0 * i, 2.0 * i + 2.0), y.ravel(), rtol=1e-10, atol=1e-12
        )
        y = orbit.y[:, -1].reshape(2, 2)
        difference = y[:, 1] - y[:, 0]
        distance = float(np.linalg.norm(difference))
        growth += math.log(distance / gap)
        y[:, 1] = y[:, 0] + difference * gap / distance
    assert 0.05 < growth / (2.0 * n) < 0.16


def test_positions_follow_the_bob() -> None:
    system = Pendulum(length=2.0)
    np.testing.assert_allclose(system.positions([math.pi / 6, 0.0]), [[0, 0], [1.0, -math.sqrt(3.0)]], atol=1e-15)
