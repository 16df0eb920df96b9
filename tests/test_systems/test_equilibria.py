"""Equilibria are found, with their eigenvalues, modes and stability; angles are compared as angles."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import systems
from diffsim.derivatives import jacobian
from diffsim.errors import ArgumentError, RunError
from systems import DoublePendulum, HenonMap, Kepler, Lorenz63, Pendulum
from systems._angles import state_difference, state_distance, wrap_angles
from systems._equilibria import equilibrium_near, find_equilibria
from tests.test_systems.test_mechanics import HAMILTONIANS, ByLagrangian

FAST, SLOW = (math.sqrt(3 * 9.8 * (1 + sign * 2 / math.sqrt(7))) for sign in (1, -1))


@pytest.mark.parametrize("cls", [*HAMILTONIANS, ByLagrangian, DoublePendulum])
def test_the_four_equilibria_of_the_double_pendulum_with_nothing_but_its_energy(cls: type[Any]) -> None:
    found = find_equilibria(cls())
    states = {tuple((one.state[:2] / math.pi).round(9)): one for one in found}
    assert set(states) == {(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)}
    assert all(np.array_equal(one.state[2:].round(12), [0.0, 0.0]) for one in found)
    hanging, inverted = states[0.0, 0.0], states[1.0, 1.0]
    # SOURCE: lambda^2 = 3 g (1 +- 2 / sqrt(7)), by hand from the linearised equations of two rods
    np.testing.assert_allclose(inverted.eigenvalues, [FAST, SLOW, -SLOW, -FAST], rtol=0.0, atol=1e-8)
    np.testing.assert_allclose(inverted.eigenvalues, [7.18500599, 2.67874765, -2.67874765, -7.18500599], atol=1e-8)
    np.testing.assert_allclose(hanging.frequencies, [SLOW, FAST], rtol=0.0, atol=1e-8)
    assert (hanging.stability, inverted.stability) == ("stable", "unstable")
    # both rods swing together in the slow mode, against each other in the fast one
    ratios = (hanging.modes[0] / hanging.modes[1]).real
    assert ratios[0] > 0 > ratios[1]
    omega = hanging.frequencies
    np.testing.assert_allclose(hanging.matrix @ hanging.modes, 1j * omega * hanging.modes, atol=1e-8)


def test_known_equilibria_of_flows_and_maps() -> None:
    root = math.sqrt(8 / 3 * 27)
    found = {tuple(one.state.round(9)): one.stability for one in find_equilibria(Lorenz63())}
    assert found == dict.fromkeys(
        [(0.0, 0.0, 0.0), *((round(s * root, 9), round(s * root, 9), 27.0) for s in (1, -1))], "unstable"
    )
    assert find_equilibria(Kepler()) == ()
    # SOURCE: x^2 a + (1 - b) x - 1 = 0 with a = 1.4, b = 0.3 (Henon 1976, equation 13)
    fixed = sorted(float(one.state[0]) for one in find_equilibria(HenonMap()))
    np.testing.assert_allclose(fixed, sorted((-0.7 + s * math.sqrt(0.49 + 5.6)) / 2.8 for s in (1, -1)), rtol=1e-12)


def test_what_the_zoo_declares_is_found() -> None:
    for name in ("Pendulum", "DoublePendulum", "Lorenz63", "Chua", "FitzHughNagumo", "LotkaVolterra"):
        system = systems.find(name)()
        found = [one.state for one in find_equilibria(system)]
        for label, state in system.equilibria.items():
            gaps = [float(state_distance(system, np.array(state), other)) for other in found]
            assert min(gaps) < 1e-8, (name, label)


def test_damping_makes_hanging_attract() -> None:
    names = [one.stability for one in find_equilibria(Pendulum(damping=0.3))]
    assert names == ["asymptotically stable", "unstable"]


def test_equilibria_within_an_interval_and_from_one_start() -> None:
    upper = find_equilibria(Lorenz63(), {"z": (20.0, 30.0)})
    assert {round(float(one.state[2]), 9) for one in upper} == {27.0}
    assert equilibrium_near(Lorenz63(), [8.0, 8.0, 26.0]).state[2] == pytest.approx(27.0)
    assert not find_equilibria(systems.TodaLattice())[0].isolated


def test_wrong_questions_are_told() -> None:
    with pytest.raises(ArgumentError, match=r"unknown state component 'zz'; it has x, y, z"):
        find_equilibria(Lorenz63(), {"zz": (0.0, 1.0)})
    with pytest.raises(ArgumentError, match=r"within\['z'\] must be a finite interval"):
        find_equilibria(Lorenz63(), {"z": (1.0, 0.0)})
    with pytest.raises(ArgumentError, match=r"starts must be >= 1"):
        find_equilibria(Lorenz63(), starts=0)
    with pytest.raises(RunError, match=r"did not come to rest"):
        equilibrium_near(Kepler(), [1.0, 0.0, 0.0, 1.0])
    with pytest.raises(ArgumentError, match=r"state must have shape \(3,\)"):
        equilibrium_near(Lorenz63(), [1.0, 0.0])


@settings(max_examples=50, deadline=None)
@given(theta=st.floats(-100.0, 100.0), p=st.floats(-5.0, 5.0), turns=st.integers(-20, 20))
def test_angles_are_angles(theta: float, p: float, turns: int) -> None:
    system = Pendulum()
    wrapped = wrap_angles(system, [theta, p])
    assert -math.pi - 1e-13 <= wrapped[0] <= math.pi + 1e-13
    assert wrapped[1] == p
    assert math.isclose(math.sin(wrapped[0]), math.sin(theta), abs_tol=1e-13)
    moved = np.array([theta + turns * 2 * math.pi, p + 3.0])
    assert float(state_distance(system, moved, np.array([theta, p]))) == pytest.approx(3.0, abs=1e-12)
    gap = state_difference(system, np.array([theta, p]), np.array([theta + 0.5, p]))
    assert gap[0] == pytest.approx(-0.5, abs=1e-12)
    np.testing.assert_array_equal(jacobian(lambda y: wrap_angles(system, y))(np.array([theta, p])), np.eye(2))


def test_a_state_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"must have 2 components \(theta, p\)"):
        wrap_angles(Pendulum(), [1.0, 2.0, 3.0])


def test_the_exact_jacobian_of_a_system() -> None:
    matrix = Pendulum(gravity=10.0).jacobian(0.0, [0.0, 0.0])
    np.testing.assert_array_equal(matrix, [[0.0, 1.0], [-10.0, 0.0]])
