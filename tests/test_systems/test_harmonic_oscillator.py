"""The harmonic oscillator against its exact solutions."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from systems import HarmonicOscillator

sizes = st.floats(0.2, 5.0)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(sizes, sizes, st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_undamped_motion_is_the_exact_one(mass: float, stiffness: float, x: float, p: float) -> None:
    system = HarmonicOscillator(mass, stiffness)
    w = math.sqrt(stiffness / mass)
    orbit = solve_ivp(system, (0.0, 3.0), [x, p], method="DOP853", rtol=1e-12, atol=1e-13)
    c, s = math.cos(3.0 * w), math.sin(3.0 * w)
    np.testing.assert_allclose(orbit.y[:, -1], [x * c + p / (mass * w) * s, p * c - mass * w * x * s], atol=1e-9)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(sizes, sizes, st.floats(0.0, 3.0))
def test_damped_motion_is_the_matrix_exponential(mass: float, stiffness: float, damping: float) -> None:
    system = HarmonicOscillator(mass, stiffness, damping)
    matrix = np.array([[0.0, 1.0 / mass], [-stiffness, -damping / mass]])
    orbit = solve_ivp(system, (0.0, 2.0), [1.0, 0.5], method="DOP853", rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(orbit.y[:, -1], expm(2.0 * matrix) @ [1.0, 0.5], atol=1e-9)


def test_damping_ends_conservation() -> None:
    system = HarmonicOscillator(damping=0.1)
    assert not system.invariants
    assert not system.canonical
    assert not system.separable
    assert set(HarmonicOscillator().invariants) == {"energy"}


def test_energy_is_kinetic_plus_elastic() -> None:
    assert HarmonicOscillator(mass=2.0, stiffness=3.0).energy([4.0, 6.0]) == 6.0**2 / 4.0 + 3.0 * 16.0 / 2.0


def test_positions_lie_on_a_line_through_rest() -> None:
    np.testing.assert_array_equal(HarmonicOscillator().positions([-1.5, 2.0]), [[0.0, 0.0], [-1.5, 0.0]])
