"""Lorenz's system against what is known of it in closed form."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from diffsim.derivatives import grad, jacobian
from systems import Lorenz63

number = st.floats(-30.0, 30.0)
quick = settings(max_examples=50, deadline=None, derandomize=True)


@quick
@given(number, number, number)
def test_jacobian_is_the_known_matrix_and_its_trace_the_contraction(x: float, y: float, z: float) -> None:
    system = Lorenz63()
    matrix = jacobian(lambda s: system(0.0, s))(np.array([x, y, z]))
    expected = [[-10.0, 10.0, 0.0], [28.0 - z, -1.0, -x], [y, x, -8.0 / 3.0]]
    np.testing.assert_allclose(matrix, expected, rtol=1e-15)
    assert np.trace(matrix) == pytest.approx(-(10.0 + 1.0 + 8.0 / 3.0), rel=1e-15)


@quick
@given(number, number, number)
def test_turning_half_way_around_the_z_axis_changes_nothing(x: float, y: float, z: float) -> None:
    system = Lorenz63(rho=45.0)
    np.testing.assert_array_equal(system(0.0, [-x, -y, z]), system(0.0, [x, y, z]) * [-1.0, -1.0, 1.0])


def test_three_equilibria_above_the_onset_of_convection_one_below() -> None:
    system = Lorenz63()
    reach = 6.0 * math.sqrt(2.0)
    np.testing.assert_allclose(system.equilibria["plus"], [reach, reach, 27.0], rtol=1e-15)
    np.testing.assert_allclose(system.equilibria["minus"], [-reach, -reach, 27.0], rtol=1e-15)
    assert set(Lorenz63(rho=0.9).equilibria) == set(Lorenz63(rho=1.0).equilibria) == {"origin"}


def test_convection_loses_stability_where_lorenz_says() -> None:
    """Equation (33) of the paper: rho = sigma (sigma + beta + 3) / (sigma - beta - 1) = 470/19."""
    for rho, stable in ((470.0 / 19.0 - 0.01, True), (470.0 / 19.0 + 0.01, False)):
        system = Lorenz63(rho=rho)
        matrix = jacobian(lambda s, system=system: system(0.0, s))(np.array(system.equilibria["plus"]))
        assert (np.max(np.linalg.eigvals(matrix).real) < 0.0) == stable


def test_origin_has_the_known_eigenvalues() -> None:
    matrix = jacobian(lambda s: Lorenz63()(0.0, s))(np.zeros(3))
    root = math.sqrt(11.0**2 + 4.0 * 10.0 * 27.0)
    expected = [(-11.0 - root) / 2.0, -8.0 / 3.0, (-11.0 + root) / 2.0]
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(matrix).real), expected, rtol=1e-13)


def test_equilibria_carry_the_derivative_of_the_parameters() -> None:
    slope = grad(lambda rho: Lorenz63(rho=rho).equilibria["plus"][0])(28.0)
    assert slope == pytest.approx(math.sqrt(8.0 / 3.0 / 27.0) / 2.0, rel=1e-14)


def test_nothing_mechanical_is_offered() -> None:
    assert not Lorenz63.drawable
    assert not Lorenz63.has_energy
    assert not Lorenz63().invariants
    assert not Lorenz63().canonical
