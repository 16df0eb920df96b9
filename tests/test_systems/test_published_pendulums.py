"""The family of pendulums against published equations, closed forms and numbers; each test names its source."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp
from scipy.special import jn_zeros

from diffsim.derivatives import jacobian
from diffsim.errors import ArgumentError
from integrators import solve_ivp
from systems import (
    CartPole,
    DoublePendulum,
    DoublePendulumOnCart,
    Furuta,
    KapitzaPendulum,
    MagneticPendulum,
    NLinkPendulum,
    PointMassDoublePendulum,
    SphericalPendulum,
    SpringPendulum,
    SwingingAtwood,
)


def follow(system: Any, end: float, start: Any, **more: Any) -> Any:
    """SciPy's DOP853 at tight tolerance."""
    return scipy_solve_ivp(system, (0.0, end), start, method="DOP853", rtol=1e-12, atol=1e-13, **more)


def modes(system: Any, state: Any) -> Any:
    """Angular frequencies of the small swings about a state at rest, in order."""
    found = np.linalg.eigvals(jacobian(lambda y: system(0.0, y))(np.array(state, dtype=float)))
    return np.sort(found.imag)[system.dimension // 2 :]


def states(n: int, count: int = 5) -> Any:
    """Random states."""
    return np.random.default_rng(7).uniform(-2.0, 2.0, (count, n))


# --- two point masses, n rods ----------------------------------------------------------------------------------------


def test_point_masses_move_as_in_the_published_accelerations() -> None:
    """SOURCE: Neumann, myphysicslab.com, "Double Pendulum", the two angular accelerations."""
    g, m_1, m_2, l_1, l_2 = 9.1, 1.3, 0.6, 0.9, 1.2
    system = PointMassDoublePendulum(g, m_1, m_2, l_1, l_2)

    def published(t: float, y: Any) -> Any:
        a, b, u, v = y
        divisor = 2.0 * m_1 + m_2 - m_2 * math.cos(2.0 * (a - b))
        swing = u * u * l_1 * math.cos(a - b) + v * v * l_2
        first = -g * (2.0 * m_1 + m_2) * math.sin(a) - m_2 * g * math.sin(a - 2.0 * b)
        first -= 2.0 * math.sin(a - b) * m_2 * swing
        whole = u * u * l_1 * (m_1 + m_2) + g * (m_1 + m_2) * math.cos(a) + v * v * l_2 * m_2 * math.cos(a - b)
        return [u, v, first / (l_1 * divisor), 2.0 * math.sin(a - b) * whole / (l_2 * divisor)]

    theirs = follow(published, 4.0, [2.0, -0.4, 0.0, 0.0])
    ours = follow(system, 4.0, [2.0, -0.4, 0.0, 0.0])
    np.testing.assert_allclose(ours.y[:2, -1], theirs.y[:2, -1], atol=1e-8)


def test_small_swings_of_two_equal_point_masses_have_their_two_frequencies() -> None:
    """SOURCE: Landau and Lifshitz, Mechanics, section 23, problem 2: (2 -+ sqrt(2)) g / l for equal masses."""
    system = PointMassDoublePendulum(length_1=0.7, length_2=0.7)
    expected = np.sqrt((2.0 + np.array([-1.0, 1.0]) * math.sqrt(2.0)) * 9.8 / 0.7)
    np.testing.assert_allclose(modes(system, [0.0] * 4), expected, rtol=1e-12)


def test_two_links_are_the_double_pendulum() -> None:
    links, rods = NLinkPendulum(9.1, 0.7, 1.3, links=2), DoublePendulum(9.1, 0.7, 0.7, 1.3, 1.3)
    for state in states(4, 50):
        expected = rods(0.0, state)
        np.testing.assert_allclose(links(0.0, state), expected, rtol=1e-13, atol=1e-13 * np.max(np.abs(expected)))
        assert links.energy(state) == pytest.approx(rods.energy(state), rel=1e-13)
    np.testing.assert_array_equal(links.positions(states(4).T), rods.positions(states(4).T))


def test_a_chain_of_many_links_swings_as_bernoullis() -> None:
    """SOURCE: Daniel Bernoulli (1733); Watson, Bessel Functions, section 1.2: j_k / 2 sqrt(g / L), J_0(j_k) = 0."""
    n = 12
    system = NLinkPendulum(length=2.0 / n, mass=0.3, links=n)
    expected = 0.5 * jn_zeros(0, 2) * math.sqrt(9.8 / 2.0)
    np.testing.assert_allclose(modes(system, system.equilibria["hanging"])[:2], expected, rtol=8e-3)


@pytest.mark.parametrize("links", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_links_keep_their_energy(links: int) -> None:
    system = NLinkPendulum(links=links)
    sol = solve_ivp(system, (0.0, 10.0), system.default_state, method="DOP853", step=5e-4, t_eval=np.arange(0.0, 10.1))
    energy = system.energy(sol.y)
    assert np.max(np.abs(energy / energy[0] - 1.0)) < 1e-10


def test_the_number_of_links_is_checked() -> None:
    assert NLinkPendulum(links=2).state_names == ("theta_1", "theta_2", "p_theta_1", "p_theta_2")
    with pytest.raises(ArgumentError, match=r"^NLinkPendulum: links must be an integer >= 1; got links=0"):
        NLinkPendulum(links=0)


# --- spring, sphere --------------------------------------------------------------------------------------------------


def test_a_spring_pendulum_bounces_twice_as_fast_as_it_swings() -> None:
    """SOURCE: Breitenberger and Mueller (1981): sqrt(k / m), and sqrt(g / r) at the hanging length r; here 2 : 1."""
    system = SpringPendulum()
    swing = math.sqrt(9.8 / 1.0)
    np.testing.assert_allclose(modes(system, system.equilibria["hanging"]), [swing, 2.0 * swing], rtol=1e-12)


def test_a_spring_pendulum_that_only_bounces_is_harmonic() -> None:
    system = SpringPendulum(mass=0.6)
    rest = system.equilibria["hanging"][0]
    orbit = follow(system, 2.0, [rest + 0.2, 0.0, 0.0, 0.0])
    expected = rest + 0.2 * math.cos(math.sqrt(39.2 / 0.6) * 2.0)
    np.testing.assert_allclose(orbit.y[:2, -1], [expected, 0.0], atol=1e-10)


def test_bounce_becomes_swing_and_bounce_again() -> None:
    """SOURCE: Vitt and Gorelik (1933): in the 2 : 1 resonance nearly all of the bounce turns into swing and back."""
    system = SpringPendulum()
    times = np.linspace(0.0, 40.0, 2001)
    sol = solve_ivp(system, (0.0, 40.0), system.default_state, method="DOP853", rtol=1e-10, atol=1e-10, t_eval=times)
    aside = np.abs(system.positions(sol.y)[1, 0])
    widest = [float(np.max(aside[i : i + 100])) for i in range(0, 2000, 100)]
    assert widest[0] < 0.15
    assert max(widest) > 0.4
    assert min(widest[5:-5]) < 0.15


@pytest.mark.parametrize("theta", [0.3, 1.2])
def test_a_conical_pendulum_goes_round_at_its_closed_form(theta: float) -> None:
    """SOURCE: Huygens (1673): phi'^2 = g / (l cos(theta))."""
    system = SphericalPendulum(mass=0.7, length=1.6)
    turn = math.sqrt(9.8 / (1.6 * math.cos(theta)))
    start = [theta, 0.0, 0.0, 0.7 * 1.6**2 * math.sin(theta) ** 2 * turn]
    orbit = follow(system, 2.0 * math.pi / turn, start)
    np.testing.assert_allclose(orbit.y[:, -1], [theta, 2.0 * math.pi, 0.0, start[3]], atol=1e-9)


def test_the_ellipse_of_a_spherical_pendulum_turns_at_airys_rate() -> None:
    """SOURCE: Airy (1851), Olsson (1978): 3 a b sqrt(g / l) / (8 l^2)."""
    system, a, b = SphericalPendulum(length=2.0), 0.2, 0.1
    rate = math.sqrt(9.8 / 2.0)
    theta = math.asin(a / 2.0)
    start = [theta, 0.0, 0.0, a * b * rate]

    def outermost(t: float, y: Any) -> float:
        return float(y[2])

    outermost.direction = -1.0  # type: ignore[attr-defined]  # SciPy reads it there
    orbit = follow(system, 15.0, start, events=outermost)
    times, phi = orbit.t_events[0][1:], orbit.y_events[0][1:, 1]
    turned = (phi[-1] - phi[0] - math.pi * (len(phi) - 1)) / (times[-1] - times[0])
    assert turned == pytest.approx(3.0 * a * b * rate / (8.0 * 2.0**2), rel=0.01)


# --- carts and arms --------------------------------------------------------------------------------------------------


def test_cart_and_pole_accelerate_as_published() -> None:
    """SOURCE: Barto, Sutton, Anderson (1983), appendix, without friction; l there is half the length."""
    g, cart, pole, half, force = 9.8, 1.0, 0.1, 0.5, 10.0
    system = CartPole(g, cart, pole, 2.0 * half, force)
    for x, theta, x_dot, omega in states(4):
        push = (-force - pole * half * omega**2 * math.sin(theta)) / (cart + pole)
        turn = g * math.sin(theta) + math.cos(theta) * push
        turn /= half * (4.0 / 3.0 - pole * math.cos(theta) ** 2 / (cart + pole))
        along = (force + pole * half * (omega**2 * math.sin(theta) - turn * math.cos(theta))) / (cart + pole)
        np.testing.assert_allclose(system(0.0, [x, theta, x_dot, omega]), [x_dot, omega, along, turn], rtol=1e-12)


def test_friction_takes_the_power_that_it_should() -> None:
    system = CartPole(damping_cart=0.3, damping_pole=0.05)
    state = np.array([0.2, 0.7, 1.1, -0.8])
    power = jacobian(lambda y: CartPole().energy(y))(state) @ system(0.0, state)
    assert power == pytest.approx(-0.3 * 1.1**2 - 0.05 * 0.8**2, rel=1e-12)
    assert set(CartPole().invariants) == {"energy", "p_x"}
    assert not system.invariants


def test_a_heavy_cart_leaves_the_double_pendulum() -> None:
    """By mass: what is left of the difference falls like 1 / mass_cart."""
    plain = DoublePendulum(9.1, 1.1, 0.7, 0.9, 1.3)
    heavy = [DoublePendulumOnCart(9.1, cart, 1.1, 0.7, 0.9, 1.3) for cart in (1e5, 1e6)]
    for angle_1, angle_2, p_1, p_2 in states(4):
        expected = plain(0.0, [angle_1, angle_2, p_1, p_2])
        gaps = [s(0.0, [0.3, angle_1, angle_2, 0.0, p_1, p_2])[[1, 2, 4, 5]] - expected for s in heavy]
        assert np.max(np.abs(gaps[1])) < 1e-4
        np.testing.assert_allclose(gaps[1] * 10.0, gaps[0], rtol=1e-3, atol=1e-8)


def test_the_centre_of_mass_of_cart_and_rods_is_not_accelerated_sideways() -> None:
    system = DoublePendulumOnCart()
    orbit = follow(system, 3.0, system.default_state)
    x, theta_1, theta_2 = orbit.y[:3]
    centre = (3.0 * x + 1.5 * np.sin(theta_1) + 0.5 * np.sin(theta_2)) / 3.0
    np.testing.assert_allclose(centre, centre[0], atol=1e-10)


def test_furutas_pendulum_obeys_the_published_equations() -> None:
    """SOURCE: Cazzolato and Prime (2011), equations (33) and (34); l_2 is half the rod, J_2 about its middle."""
    system = Furuta(9.6, 0.11, 0.45, 0.6, 0.9, torque=0.3, damping_arm=0.02, damping=0.01)
    m, arm, half = 0.6, 0.45, 0.45
    j_0, j_2 = 0.11 + m * arm**2, m * 0.9**2 / 12.0 + m * half**2
    for phi, theta, u, v in states(4):
        _, _, a, b = system(0.0, [phi, theta, u, v])
        sine, cosine = math.sin(theta), math.cos(theta)
        first = a * (j_0 + j_2 * sine**2) + b * m * arm * half * cosine - m * arm * half * sine * v**2
        first += u * v * j_2 * math.sin(2.0 * theta) + 0.02 * u
        second = a * m * arm * half * cosine + b * j_2 - 0.5 * u**2 * j_2 * math.sin(2.0 * theta)
        second += 0.01 * v + 9.6 * m * half * sine
        assert first == pytest.approx(0.3, abs=1e-12)
        assert second == pytest.approx(0.0, abs=1e-12)


# --- Atwood's machine ------------------------------------------------------------------------------------------------


def test_without_swing_it_is_atwoods_machine() -> None:
    """SOURCE: Atwood (1784): the acceleration is g (M - m) / (M + m)."""
    orbit = follow(SwingingAtwood(counterweight=1.5), 0.5, [2.0, 0.0, 0.0, 0.0])
    assert orbit.y[0, -1] == pytest.approx(2.0 - 0.5 * 9.8 * 0.5 / 2.5 * 0.25, rel=1e-12)


def test_tufillaros_integral_is_constant_at_the_ratio_of_three_only() -> None:
    """SOURCE: Tufillaro, American Journal of Physics 54 (1986) 142."""
    system = SwingingAtwood(mass=0.8, counterweight=2.4, gravity=9.1)
    assert set(system.invariants) == {"energy", "tufillaro"}
    assert set(SwingingAtwood(counterweight=2.9).invariants) == {"energy"}
    for state in np.abs(states(4)) + 0.1:
        slope = jacobian(system.invariants["tufillaro"])(state)
        parts = slope * system(0.0, state)
        assert abs(np.sum(parts)) < 1e-13 * np.sum(np.abs(parts))
        other = slope * system.replace(counterweight=2.5)(0.0, state)
        assert abs(np.sum(other)) > 1e-3 * np.sum(np.abs(other))
    orbit = follow(system, 5.0, [1.0, 1.2, 0.3, 0.7])
    value = system.invariants["tufillaro"](orbit.y)
    np.testing.assert_allclose(value, value[0], atol=1e-9)


# --- vibration, magnets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("factor", "stays"), [(1.05, True), (0.95, False)])
def test_a_vibrating_pivot_holds_the_pendulum_up_above_kapitzas_bound(factor: float, stays: bool) -> None:
    """SOURCE: Landau and Lifshitz, Mechanics, section 30, problem 1: stable for (a W)^2 > 2 g l.

    By Floquet's multipliers of one cycle of the pivot.
    """
    length, turns = 0.8, 400.0
    amplitude = factor * math.sqrt(2.0 * 9.8 * length) / turns
    system = KapitzaPendulum(length=length, amplitude=amplitude, frequency=turns)
    cycle = 2.0 * math.pi / turns
    sol = solve_ivp(system, (0.0, cycle), [math.pi, 0.0], method="RK4", step=cycle / 200, sensitivities=("y0",))
    multipliers = np.linalg.eigvals(sol.dy_dy0[..., -1])
    assert (np.max(np.abs(multipliers)) < 1.0 + 1e-9) == stays


def test_beside_upright_kapitzas_pendulum_swings_slowly() -> None:
    """SOURCE: Landau and Lifshitz, section 30, problem 1: sqrt((a W)^2 / (2 l^2) - g / l)."""
    system = KapitzaPendulum(amplitude=0.01, frequency=1000.0)
    rate = math.sqrt(0.5 * 10.0**2 - 9.8)
    half = math.pi / rate
    orbit = follow(system, half, [math.pi - 0.01, 0.0], t_eval=[0.5 * half, half])
    np.testing.assert_allclose((orbit.y[0] - math.pi) / 0.01, [0.0, 1.0], atol=0.04)


def test_a_magnetic_pendulum_stops_over_a_magnet() -> None:
    """SOURCE: Motter et al. (2013): magnets at the corners of a triangle of side 1; friction leaves no other rest."""
    system = MagneticPendulum()
    starts = np.random.default_rng(2).uniform(-1.5, 1.5, (4, 24))
    starts[2:] = 0.0
    sol = solve_ivp(system, (0.0, 120.0), starts, method="DOP853", rtol=1e-8, atol=1e-8, t_eval=[120.0])
    ends = sol.y[..., 0]
    assert np.max(np.abs(ends[2:])) < 1e-3
    corners = np.array([[1.0, 0.0], [-0.5, math.sqrt(0.75)], [-0.5, -math.sqrt(0.75)]]) / math.sqrt(3.0)
    gaps = np.linalg.norm(ends[:2].T[:, None] - corners, axis=2)
    assert np.max(np.min(gaps, axis=1)) < 0.05
    assert set(np.argmin(gaps, axis=1)) == {0, 1, 2}, "some stop over each"
    np.testing.assert_allclose(np.linalg.norm(ends[:2], axis=0), np.linalg.norm(ends[:2, 0]), atol=1e-4)
