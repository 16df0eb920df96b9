"""Kepler's problem against Kepler's laws."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.integrate import solve_ivp

from systems import Kepler


@pytest.mark.parametrize("mu", [0.3, 1.0, 4.0])
def test_default_orbit_is_an_ellipse_of_eccentricity_06_and_closes_after_its_period(mu: float) -> None:
    system = Kepler(mu)
    start = system.default_state
    assert system.energy(start) == pytest.approx(-mu / 2.0, rel=1e-14), "semi-axis 1"
    assert system.angular_momentum(start) == pytest.approx(math.sqrt(mu * (1.0 - 0.6**2)), rel=1e-14)
    np.testing.assert_allclose(system.laplace_runge_lenz(start), [0.6 * mu, 0.0], atol=1e-14)
    period = 2.0 * math.pi / math.sqrt(mu)
    orbit = solve_ivp(system, (0.0, period), start, method="DOP853", rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(orbit.y[:, -1], start, atol=1e-8)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.floats(0.1, 5.0), st.floats(0.1, 3.0), st.floats(-3.0, 3.0), st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_laplace_runge_lenz_vector_energy_and_angular_momentum_are_related(
    mu: float, x: float, y: float, v_x: float, v_y: float
) -> None:
    """|A|^2 = mu^2 + 2 E L^2: Goldstein, equation (3.87) for a unit mass."""
    system, state = Kepler(mu), (x, y, v_x, v_y)
    a_x, a_y = system.laplace_runge_lenz(state)
    momentum, energy = system.angular_momentum(state), system.energy(state)
    size = mu**2 + 2.0 * abs(energy) * momentum**2
    assert a_x**2 + a_y**2 == pytest.approx(mu**2 + 2.0 * energy * momentum**2, abs=1e-12 * (1.0 + size))


def test_pull_falls_with_the_square_of_the_distance() -> None:
    near, far = Kepler(2.0)(0.0, [0.6, 0.8, 0.0, 0.0]), Kepler(2.0)(0.0, [6.0, 8.0, 0.0, 0.0])
    np.testing.assert_allclose(near[2:], [-1.2, -1.6], rtol=1e-15)
    np.testing.assert_allclose(far[2:], near[2:] / 100.0, rtol=1e-15)


def test_positions_are_the_centre_and_the_body() -> None:
    np.testing.assert_array_equal(Kepler().positions([0.4, -0.5, 1.0, 2.0]), [[0.0, 0.0], [0.4, -0.5]])
