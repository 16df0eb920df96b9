"""The double pendulum against its own mechanics, point by point of the rods, and against known numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.integrate import solve_ivp

from diffsim.derivatives import jacobian, jvp
from diffsim.graph import trace
from systems import DoublePendulum

START = (0.4, 0.0, 1.0, 4.0)
EULER_END = (1.5791220449649588, 15.687764190670716, 1.1532821872298393, 1.6194679354002934)
EULER_ROW = (13.3733817647, 18.1095188664, -40.4165170636, -23.0528038335)
TRUE_END = (3.54359486, 47.43645061, 1.41263353, -0.09537723)
TRUE_ROW = (-111.068, 135.598, -104.511, 52.6617)
STABLE = np.array([[-4.09199432, -0.97563355], [-0.97563355, -1.14719065]])

states = st.lists(st.floats(-8.0, 8.0), min_size=4, max_size=4)
quick = settings(max_examples=50, deadline=None, derandomize=True)


def unit_rods(state: Sequence[Any], gravity: Any, module: Any = math) -> list[Any]:
    """The four formulas of two equal uniform rods with m = l = 1."""
    theta_1, theta_2, p_1, p_2 = state
    c, s = module.cos(theta_1 - theta_2), module.sin(theta_1 - theta_2)
    divisor = 16 - 9 * c**2
    omega_1 = 6 * (2 * p_1 - 3 * c * p_2) / divisor
    omega_2 = 6 * (8 * p_2 - 3 * c * p_1) / divisor
    return [
        omega_1,
        omega_2,
        -(omega_1 * omega_2 * s + 3 * gravity * module.sin(theta_1)) / 2,
        -(-omega_1 * omega_2 * s + gravity * module.sin(theta_2)) / 2,
    ]


def hamiltonian_from_points(system: DoublePendulum, state: Sequence[Any]) -> Any:
    """H summed over points of the rods: two Gauss points a rod integrate its quadratic kinetic energy exactly."""
    theta = state[:2]
    gauss = [(1 - 1 / mpmath.sqrt(3)) / 2, (1 + 1 / mpmath.sqrt(3)) / 2]
    points = []  # mass, and the lever of each angle, along the rods
    for s in gauss:
        points.append((system.mass_1 / 2, (s * system.length_1, mpmath.mpf(0))))
        points.append((system.mass_2 / 2, (system.length_1, s * system.length_2)))
    inertia = mpmath.matrix(2, 2)
    potential = mpmath.mpf(0)
    for mass, lever in points:
        directions = [(lever[i] * mpmath.cos(theta[i]), lever[i] * mpmath.sin(theta[i])) for i in range(2)]
        for i in range(2):
            for j in range(2):
                inertia[i, j] += mass * sum(a * b for a, b in zip(directions[i], directions[j], strict=True))
            potential -= system.gravity * mass * lever[i] * mpmath.cos(theta[i])
    p = mpmath.matrix(state[2:])
    return (p.T * mpmath.lu_solve(inertia, p))[0] / 2 + potential


@quick
@given(states)
def test_defaults_are_the_four_formulas_of_unit_rods(state: list[float]) -> None:
    expected = unit_rods(state, 9.8)
    np.testing.assert_allclose(
        DoublePendulum()(0.0, state), expected, rtol=1e-13, atol=1e-13 * np.max(np.abs(expected))
    )


@quick
@given(states)
def test_defaults_are_the_four_formulas_in_multiprecision(state: list[float]) -> None:
    with mpmath.workdps(50):
        g = mpmath.mpf("9.8")
        point = [mpmath.mpf(x) for x in state]
        expected = unit_rods(point, g, mpmath)
        for ours, theirs in zip(DoublePendulum(gravity=g)(0, point), expected, strict=True):
            assert abs(ours - theirs) <= 1e-46 * (1 + abs(theirs))


@quick
@given(states, st.floats(-20.0, 20.0), st.lists(st.floats(0.1, 10.0), min_size=4, max_size=4))
def test_general_rods_are_the_mechanics_of_their_points(state: list[float], gravity: float, sizes: list[float]) -> None:
    with mpmath.workdps(60):
        system = DoublePendulum(*[mpmath.mpf(x) for x in (gravity, *sizes)])
        point = [mpmath.mpf(x) for x in state]
        h = mpmath.mpf(10) ** -20
        slopes = []
        for i in range(4):
            up, down = ([x + (d if i == j else 0) for j, x in enumerate(point)] for d in (h, -h))
            slopes.append((hamiltonian_from_points(system, up) - hamiltonian_from_points(system, down)) / (2 * h))
        expected = [slopes[2], slopes[3], -slopes[0], -slopes[1]]
        for ours, theirs in zip(system(0, point), expected, strict=True):
            assert abs(ours - theirs) <= 1e-25 * (1 + max(abs(x) for x in expected))
        energy = hamiltonian_from_points(system, point)
        assert abs(system.energy(point) - energy) <= 1e-50 * (1 + abs(energy))


@quick
@given(states, st.lists(st.floats(-6.0, 6.0), min_size=4, max_size=4))
def test_extreme_masses_and_lengths_lose_no_more_than_a_few_digits(state: list[float], decades: list[float]) -> None:
    system = DoublePendulum(9.8, *[10.0**d for d in decades])
    with mpmath.workdps(40):
        exact = [float(x) for x in system.replace(**{n: mpmath.mpf(v) for n, v in system.parameters.items()})(0, state)]
    ours = system(0.0, state)
    scale = np.array([max(map(abs, exact[:2])), max(map(abs, exact[:2])), *[max(map(abs, exact[2:]))] * 2])
    assert np.all(np.abs(ours - exact) <= 1e-11 * scale)


def euler(state: Any, field: Any, h: Any, steps: int) -> Any:
    for _ in range(steps):
        state = [y + h * f for y, f in zip(state, field(state), strict=True)]
    return state


def test_euler_end_state_and_gradient_row_are_the_known_ones() -> None:
    system = DoublePendulum()
    end = euler(list(START), lambda y: system(0.0, y), 0.01, 500)
    np.testing.assert_allclose(end, EULER_END, atol=1e-11)
    with mpmath.workdps(40):
        exact = euler(
            [mpmath.mpf(x) for x in START], lambda y: unit_rods(y, mpmath.mpf(9.8), mpmath), mpmath.mpf(0.01), 500
        )
    np.testing.assert_allclose([float(x) for x in exact], EULER_END, atol=1e-11)
    assert system.energy(list(START)) - system.energy(end) == pytest.approx(10.86, abs=0.005)

    for i, expected in enumerate(EULER_ROW):
        direction = np.eye(4)[i]
        _, tangent = jvp(
            lambda y: euler(list(y), lambda s: system(0.0, s), 0.01, 500)[1], (np.array(START),), (direction,)
        )
        assert tangent == pytest.approx(expected, abs=1e-9)


def test_true_end_state_and_gradient_row_are_the_known_ones() -> None:
    system = DoublePendulum()

    def end(start: Sequence[float]) -> Any:
        return solve_ivp(system, (0.0, 5.0), start, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]

    np.testing.assert_allclose(end(START), TRUE_END, atol=2e-8)
    for i, expected in enumerate(TRUE_ROW):
        step = 1e-6 * np.eye(4)[i]
        slope = (end(START + step)[1] - end(START - step)[1]) / 2e-6
        assert slope == pytest.approx(expected, rel=1e-5)


def test_inverted_equilibrium_has_the_known_energy_eigenvalues_and_stable_manifold() -> None:
    upright = DoublePendulum().about("inverted")
    assert upright.energy([0.0] * 4) == pytest.approx(19.6, abs=1e-14)
    matrix = jacobian(lambda y: upright(0.0, y))(np.zeros(4))
    values, vectors = np.linalg.eig(matrix)
    squares = 3 * 9.8 * (1 + np.array([-2.0, 2.0]) / math.sqrt(7.0))
    np.testing.assert_allclose(np.sort(values.real), np.sort([*np.sqrt(squares), *-np.sqrt(squares)]), rtol=1e-13)
    np.testing.assert_allclose(np.sqrt(squares), [2.67874765, 7.18500599], atol=5e-9)
    stable = vectors[:, values.real < 0].real
    np.testing.assert_allclose(stable[2:] @ np.linalg.inv(stable[:2]), STABLE, atol=5e-9)


def test_hanging_equilibrium_swings_in_its_two_normal_modes() -> None:
    matrix = jacobian(lambda y: DoublePendulum()(0.0, y))(np.zeros(4))
    values = np.linalg.eigvals(matrix)
    np.testing.assert_allclose(values.real, 0.0, atol=1e-12)
    squares = 3 * 9.8 * (1 + np.array([-2.0, 2.0]) / math.sqrt(7.0))
    np.testing.assert_allclose(np.sort(values.imag)[2:], np.sqrt(squares), rtol=1e-12)


@pytest.mark.parametrize("name", ["first_up", "second_up", "inverted"])
def test_every_equilibrium_but_hanging_is_unstable(name: str) -> None:
    system = DoublePendulum().about(name)
    matrix = jacobian(lambda y: system(0.0, y))(np.zeros(4))
    assert np.max(np.linalg.eigvals(matrix).real) > 1.0


def test_deviation_coordinates_see_what_absolute_angles_round_away() -> None:
    tiny = 1e-18  # far below the spacing 4.4e-16 of doubles at pi
    absolute = DoublePendulum()
    assert np.array_equal(
        absolute(0.0, [math.pi + tiny, math.pi, 0.0, 0.0]), absolute(0.0, [math.pi, math.pi, 0.0, 0.0])
    )
    upright = absolute.about("inverted")
    assert upright(0.0, [tiny, 0.0, 0.0, 0.0])[2] == pytest.approx(14.7 * tiny, rel=1e-14)


def test_without_gravity_angular_momentum_is_an_invariant_too() -> None:
    free = DoublePendulum(gravity=0.0, mass_1=0.5, length_2=2.0)
    assert set(free.invariants) == {"energy", "angular_momentum"}
    rates = free(0.0, [0.4, 1.7, 1.0, 4.0])
    assert rates[2] + rates[3] == 0.0


def test_the_equations_take_22_operations_in_any_coordinates() -> None:
    """The innermost loop of everything: one more is a decision, not an accident."""
    for system in (DoublePendulum(), DoublePendulum().about("inverted"), DoublePendulum(mass_1=0.3, length_2=1.7)):
        assert trace(lambda y, system=system: system(0.0, y), np.zeros(4)).n_operations == 22


def test_positions_hang_straight_down_and_stand_straight_up() -> None:
    system = DoublePendulum(length_1=2.0, length_2=0.5)
    equilibria = system.equilibria
    np.testing.assert_allclose(system.positions(equilibria["hanging"]), [[0, 0], [0, -2], [0, -2.5]], atol=1e-15)
    np.testing.assert_allclose(system.positions(equilibria["inverted"]), [[0, 0], [0, 2], [0, 2.5]], atol=1e-15)
    right = system.positions([math.pi / 2, math.pi / 2, 0.0, 0.0])
    np.testing.assert_allclose(right, [[0, 0], [2, 0], [2.5, 0]], atol=1e-15)
