"""Rigid bodies and charged particles of the zoo against closed forms; each test names its source."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp
from scipy.special import ellipj, ellipk

from diffsim.derivatives import jacobian
from systems import ChargedParticle, EulerTop, HeavyTop


def follow(system: Any, end: float, start: Any, **more: Any) -> Any:
    """SciPy's DOP853 at tight tolerance."""
    return scipy_solve_ivp(system, (0.0, end), start, method="DOP853", rtol=1e-12, atol=1e-13, **more)


# --- Euler's top -----------------------------------------------------------------------------------------------------


def jacobi(system: EulerTop, energy: float, square: float, t: Any) -> tuple[Any, float]:
    """Angular velocities of the free top and their period, for M^2 > 2 E I_2.

    SOURCE: Landau and Lifshitz, Mechanics, section 37, equations (37.8) to (37.12).
    """
    i_1, i_2, i_3 = system.inertia_1, system.inertia_2, system.inertia_3
    low, high = 2.0 * energy * i_3 - square, square - 2.0 * energy * i_1
    rate = math.sqrt((i_3 - i_2) * high / (i_1 * i_2 * i_3))
    m = (i_2 - i_1) * low / ((i_3 - i_2) * high)
    sn, cn, dn, _ = ellipj(np.asarray(t) * rate, m)
    omega = [
        math.sqrt(low / (i_1 * (i_3 - i_1))) * cn,
        math.sqrt(low / (i_2 * (i_3 - i_2))) * sn,
        math.sqrt(high / (i_3 * (i_3 - i_1))) * dn,
    ]
    return np.array(omega), 4.0 * float(ellipk(m)) / rate


def test_the_free_top_turns_by_jacobis_elliptic_functions() -> None:
    system = EulerTop(inertia_1=0.7, inertia_2=1.6, inertia_3=2.1)
    start, period = jacobi(system, 1.0, 3.5, 0.0)
    times = np.linspace(0.0, 1.3 * period, 12)
    orbit = follow(system, times[-1], [*start, 0.8, 0.0, 0.6, 0.0], t_eval=times)
    np.testing.assert_allclose(orbit.y[:3], jacobi(system, 1.0, 3.5, times)[0], atol=1e-10)


def test_dzhanibekovs_body_turns_over_in_half_a_period_of_jacobi() -> None:
    """SOURCE: Landau and Lifshitz (37.12), at the default state: omega_2 changes its sign, the stem points down."""
    system = EulerTop()
    start = np.array(system.default_state)
    square = float(np.sum((np.array([1.0, 2.0, 2.5]) * start[:3]) ** 2))
    energy = float(system.energy(start))
    assert square < 2.0 * energy * system.inertia_2, "the first axis is the one that is circled"
    mirrored = EulerTop(system.inertia_3, system.inertia_2, system.inertia_1)  # the same body, its axes renamed
    i_1, i_2, i_3 = mirrored.inertia_1, mirrored.inertia_2, mirrored.inertia_3
    low, high = 2.0 * energy * i_3 - square, square - 2.0 * energy * i_1
    m = (i_2 - i_1) * low / ((i_3 - i_2) * high)
    half = 2.0 * ellipk(m) / math.sqrt((i_3 - i_2) * high / (i_1 * i_2 * i_3))
    orbit = follow(system, half, start)
    np.testing.assert_allclose(orbit.y[:3, -1], [0.01, -4.0, 0.0], atol=1e-9)
    assert half == pytest.approx(8.0, abs=0.5), "as its docstring says"
    np.testing.assert_allclose(system.positions(orbit.y[:, -1])[3, 1], -1.0, atol=1e-3)


def test_turning_about_the_middle_axis_grows_at_the_rate_of_linear_theory() -> None:
    """SOURCE: Landau and Lifshitz, section 37, problem: omega sqrt((I_2 - I_1)(I_3 - I_2) / (I_1 I_3))."""
    system = EulerTop(inertia_1=0.7, inertia_2=1.6, inertia_3=2.1)
    slopes = jacobian(lambda y: system(0.0, y))(np.array([0.0, 3.0, 0.0, 1.0, 0.0, 0.0, 0.0]))[:3, :3]
    rate = 3.0 * math.sqrt((1.6 - 0.7) * (2.1 - 1.6) / (0.7 * 2.1))
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(slopes).real), [-rate, 0.0, rate], atol=1e-12)


def test_a_turn_about_one_axis_is_a_rotation_by_omega_t() -> None:
    """SOURCE: closed form, q = (cos(w t / 2), 0, 0, sin(w t / 2))."""
    orbit = follow(EulerTop(), 2.0, [0.0, 0.0, 1.5, 1.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(orbit.y[3:, -1], [math.cos(1.5), 0.0, 0.0, math.sin(1.5)], atol=1e-11)
    stem = EulerTop().positions(orbit.y[:, -1])[3]
    np.testing.assert_allclose(stem, [-math.sin(3.0), math.cos(3.0)], atol=1e-11)


# --- Lagrange's top --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
def test_a_leaning_top_precesses_steadily_at_both_roots(which: int) -> None:
    """SOURCE: Goldstein, Poole, Safko, section 5.7: I cos(theta) W^2 - I_3 omega_3 W + m g l = 0."""
    system, theta, spin = HeavyTop(), 0.6, 60.0
    weight = system.mass * system.gravity * system.length
    turn = float(np.sort(np.roots([system.inertia * math.cos(theta), -system.inertia_axis * spin, weight]))[which])
    start = [0.0, turn * math.sin(theta), spin, math.cos(theta / 2), math.sin(theta / 2), 0.0, 0.0]
    times = np.linspace(0.0, 2.0 * math.pi / turn, 9)
    orbit = follow(system, times[-1], start, t_eval=times)
    x, z = system.positions(orbit.y)[1] / system.length
    np.testing.assert_allclose(z, math.cos(theta), atol=1e-9)
    np.testing.assert_allclose(x, math.sin(theta) * np.sin(turn * times), atol=1e-9)


def test_a_top_without_spin_is_a_pendulum_with_its_moment_of_inertia() -> None:
    """SOURCE: Landau and Lifshitz, section 11: T = 4 sqrt(I / (m g l)) K(sin(a / 2)^2)."""
    system, swing = HeavyTop(), 1.1
    angle = math.pi - swing  # from upright
    start = [0.0, 0.0, 0.0, math.cos(angle / 2), math.sin(angle / 2), 0.0, 0.0]
    period = 4.0 * math.sqrt(0.1 / (9.8 * 0.3)) * float(ellipk(math.sin(swing / 2) ** 2))
    orbit = follow(system, period, start)
    np.testing.assert_allclose(orbit.y[:, -1], start, atol=1e-9)


@pytest.mark.parametrize(("factor", "sleeps"), [(1.02, True), (0.98, False)])
def test_a_top_sleeps_upright_above_its_critical_spin(factor: float, sleeps: bool) -> None:
    """SOURCE: Goldstein, Poole, Safko, section 5.7: (I_3 omega_3)^2 > 4 m g l I."""
    system = HeavyTop()
    spin = factor * math.sqrt(4.0 * 9.8 * 0.3 * 0.1) / 0.02
    orbit = follow(system, 6.0, [1e-6, 0.0, spin, 1.0, 0.0, 0.0, 0.0])
    lean = np.max(np.abs(system.positions(orbit.y)[1, 0])) / system.length
    assert (lean < 1e-4) == sleeps


# --- charged particles -----------------------------------------------------------------------------------------------


def test_a_particle_circles_and_drifts_in_crossed_uniform_fields() -> None:
    """SOURCE: Chen, Introduction to Plasma Physics, section 2.2: turns at q B / m, drift E x B / B^2."""
    system = ChargedParticle(mass=0.5, charge=2.0, magnetic_field=1.5, mirror=0.0, electric_x=0.3, electric_y=-0.6)
    turn, drift = 6.0, np.array([-0.6 / 1.5, -0.3 / 1.5])
    times = np.linspace(0.0, 5.0, 11)
    orbit = follow(system, 5.0, [0.2, 0.1, 0.0, 1.0, 0.5, 0.7], t_eval=times)
    u = np.array([1.0, 0.5]) - drift  # velocity beside the drift, which turns clockwise
    cos, sin = np.cos(turn * times), np.sin(turn * times)
    x = 0.2 + drift[0] * times + (u[0] * sin + u[1] * (1.0 - cos)) / turn
    y = 0.1 + drift[1] * times + (u[1] * sin - u[0] * (1.0 - cos)) / turn
    np.testing.assert_allclose(orbit.y[:3], [x, y, 0.7 * times], atol=1e-10)


def test_the_bottle_is_free_of_sources_and_currents() -> None:
    """SOURCE: Maxwell's equations in vacuum, asked of the field that the force of a unit charge shows."""
    system = ChargedParticle(mirror=0.2, magnetic_field=1.7)

    def field(place: Any) -> Any:
        """B from v x B, which is (0, -B_z, B_y) for v along x and (-B_y, B_x, 0) for v along z."""
        b_z = -system(0.0, [*place, 1.0, 0.0, 0.0])[4]
        b_x = system(0.0, [*place, 0.0, 0.0, 1.0])[4]
        b_y = -system(0.0, [*place, 0.0, 0.0, 1.0])[3]
        return np.array([b_x, b_y, b_z])

    place, h = np.array([0.3, -0.4, 0.8]), 1e-5
    slopes = np.stack([(field(place + h * e) - field(place - h * e)) / (2 * h) for e in np.eye(3)], axis=1)
    assert abs(np.trace(slopes)) < 1e-10
    np.testing.assert_allclose(slopes, slopes.T, atol=1e-10)
    np.testing.assert_allclose(field([0.0, 0.0, 2.0]), [0.0, 0.0, 1.7 * (1.0 + 0.2 * 4.0)], rtol=1e-14)


def test_a_particle_turns_back_where_its_magnetic_moment_says() -> None:
    """SOURCE: Jackson, Classical Electrodynamics, 3rd edition, section 12.5: B at the mirror is B_0 v^2 / v_across^2.

    On the axis the bounces are harmonic, with the angular frequency v_across sqrt(h).
    """
    system = ChargedParticle(mirror=1e-4)
    start = [1.0, 0.0, 0.0, 0.0, -1.0, 0.4]

    def turning(t: float, y: Any) -> float:
        return float(y[5])

    turning.direction = -1.0  # type: ignore[attr-defined]  # SciPy reads it there
    orbit = follow(system, 200.0, start, events=turning)
    time, state = orbit.t_events[0][0], orbit.y_events[0][0]
    assert 1.0 + 1e-4 * state[2] ** 2 == pytest.approx(1.16, rel=2e-3)
    assert time == pytest.approx(0.5 * math.pi / 0.01, rel=2e-3)


def test_the_default_particle_bounces_where_its_docstring_says() -> None:
    system = ChargedParticle()
    z = follow(system, system.default_time, system.default_state).y[2]
    assert np.max(z) == pytest.approx(15.3, abs=0.05)
    assert np.min(z) == pytest.approx(-15.3, abs=0.05)
