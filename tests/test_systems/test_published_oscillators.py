"""Oscillators and chains of the zoo against closed forms and published numbers; each test names its source."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp
from scipy.special import ellipj, ellipk

from diffsim.derivatives import jacobian
from diffsim.errors import ArgumentError, KindError
from integrators import solve_ivp
from systems import CoupledOscillators, Duffing, FPUTChain, TodaLattice, VanDerPol


def follow(system: Any, end: float, start: Any, **more: Any) -> Any:
    """SciPy's DOP853 at tight tolerance."""
    return scipy_solve_ivp(system, (0.0, end), start, method="DOP853", rtol=1e-12, atol=1e-13, **more)


# --- chains ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7])
def test_modes_of_a_chain_have_their_closed_form(n: int) -> None:
    """SOURCE: Fetter and Walecka, Theoretical Mechanics of Particles and Continua, section 24: 2 sqrt(k/m) sin(...)."""
    system = CoupledOscillators(mass=0.7, stiffness=2.0, coupling=2.0, bodies=n)
    found = np.linalg.eigvals(jacobian(lambda y: system(0.0, y))(np.zeros(2 * n)))
    modes = 2.0 * math.sqrt(2.0 / 0.7) * np.sin(np.arange(1, n + 1) * math.pi / (2 * n + 2))
    np.testing.assert_allclose(np.sort(found.imag)[n:], modes, rtol=1e-12)
    np.testing.assert_allclose(found.real, 0.0, atol=1e-12)


def test_two_masses_beat() -> None:
    """SOURCE: closed form; the swing is wholly with the other mass after half a beat, pi / (omega_2 - omega_1)."""
    system = CoupledOscillators()
    slow, fast = 2.0, math.sqrt(4.8)
    t = math.pi / (fast - slow)
    orbit = follow(system, t, system.default_state)
    q = [0.5 * (math.cos(slow * t) + sign * math.cos(fast * t)) for sign in (1.0, -1.0)]
    np.testing.assert_allclose(orbit.y[:2, -1], q, atol=1e-10)
    energies = [0.5 * orbit.y[2 + i, -1] ** 2 + 2.2 * orbit.y[i, -1] ** 2 for i in range(2)]
    assert energies[0] < 3e-3 * energies[1]


def test_the_lowest_mode_of_the_chain_of_1955_comes_back() -> None:
    """SOURCE: Fermi, Pasta, Ulam (1955), figure 1: 32 masses, alpha = 1/4, back after 29,000 cycles of sqrt(1/8)."""
    system = FPUTChain(bodies=32)
    times = np.arange(0.0, 10_700.0, 4.0)
    sol = solve_ivp(system, (0.0, 10_700.0), system.default_state, method="BlanesMoan4", step=0.4, t_eval=times)
    energies = system.mode_energies(sol.y)
    part = energies[0] / np.sum(energies, axis=0)
    assert np.min(part) < 0.1, "in between the mode has lost nearly all of its energy"
    cycles = times[1000:][np.argmax(part[1000:])] / math.sqrt(1.0 / 8.0)
    assert cycles == pytest.approx(29_000, rel=0.02)
    assert np.max(part[1000:]) > 0.97, "to within 3 %"
    assert np.max(np.sum(energies, axis=0)[5:]) < 1.2 * energies[0, 0]


def test_without_nonlinear_terms_each_mode_keeps_its_energy() -> None:
    system = FPUTChain(mass=2.0, stiffness=3.0, alpha=0.0, bodies=5)
    orbit = follow(system, 10.0, np.linspace(-1.0, 1.0, 10))
    energies = system.mode_energies(orbit.y)
    np.testing.assert_allclose(energies, np.broadcast_to(energies[:, :1], energies.shape), rtol=1e-9)
    np.testing.assert_allclose(np.sum(energies, axis=0), system.energy(orbit.y), rtol=1e-12)


def test_the_soliton_of_todas_lattice_runs_as_in_its_closed_form() -> None:
    """SOURCE: Toda, Theory of Nonlinear Lattices, section 2.3: exp(-d_i) - 1 = sinh(k)^2 / cosh(k i - t sinh(k))^2.

    On a ring of 60 the soliton's own shortening, 2 k, is spread over all springs, which an `a` that is larger by
    ``exp(2 k / n)`` makes up for.
    """
    n, k, middle = 60, 0.9, 20.0
    system = TodaLattice(force=math.exp(2.0 * k / n), bodies=n)
    i = np.arange(n + 1)

    def exact(t: float) -> Any:
        pile = np.logaddexp(0.0, 2.0 * (k * (i - middle) - t * math.sinh(k)))
        speed = 2.0 * math.sinh(k) / (1.0 + np.exp(-2.0 * (k * (i - middle) - t * math.sinh(k))))
        return np.concatenate([pile[:-1] - pile[1:] + 2.0 * k / n * i[1:], speed[1:] - speed[:-1]])

    orbit = follow(system, 15.0, exact(0.0))
    np.testing.assert_allclose(orbit.y[:, -1], exact(15.0), atol=1e-9)


def test_traces_of_flaschkas_matrix_are_power_sums_of_its_eigenvalues() -> None:
    """SOURCE: Flaschka, Physical Review B 9 (1974) 1924: the spectrum of the Jacobi matrix does not change."""
    system = TodaLattice(mass=2.0, force=0.7, steepness=1.3, bodies=5)
    start = np.random.default_rng(3).uniform(-1.0, 1.0, 10)
    spectra = []
    for state in follow(system, 6.0, start).y.T[[0, -1]]:
        beside = np.exp(-0.65 * (np.roll(state[:5], -1) - state[:5]))
        matrix = np.diag(1.3 / math.sqrt(0.7 * 1.3 * 2.0) * state[5:]) + np.roll(np.diag(beside), 1, axis=1)
        values = np.linalg.eigvalsh(matrix + np.tril(np.roll(np.diag(beside), 1, axis=1).T) + _corner(beside))
        spectra.append(values)
        for power in range(1, 6):
            assert system.trace(power, state) == pytest.approx(np.sum(values**power), rel=1e-11, abs=1e-11)
    np.testing.assert_allclose(spectra[1], spectra[0], atol=1e-10)


def _corner(beside: Any) -> Any:
    """The corner above the diagonal, which a roll has put below it."""
    matrix = np.zeros((5, 5))
    matrix[0, 4] = beside[4]
    return matrix


def test_the_number_of_bodies_is_checked() -> None:
    assert CoupledOscillators(bodies=3).state_names == ("q_1", "q_2", "q_3", "p_1", "p_2", "p_3")
    with pytest.raises(ArgumentError, match=r"^TodaLattice: bodies must be an integer >= 3; got bodies=2"):
        TodaLattice(bodies=2)
    with pytest.raises(KindError, match=r"^FPUTChain: bodies must be an integer; got bodies=2.5"):
        FPUTChain(bodies=2.5)


# --- one degree of freedom -------------------------------------------------------------------------------------------


def test_the_free_duffing_oscillator_is_an_elliptic_cosine() -> None:
    """SOURCE: closed form, x = A cn(W t | m), W^2 = a + b A^2, m = b A^2 / (2 W^2): Lawden, Elliptic Functions, 5.2."""
    system = Duffing(linear=1.5, cubic=2.0, damping=0.0, drive_amplitude=0.0)
    amplitude = 0.8
    rate = math.sqrt(1.5 + 2.0 * amplitude**2)
    m = 2.0 * amplitude**2 / (2.0 * rate**2)
    period = 4.0 * ellipk(m) / rate
    times = np.linspace(0.0, period, 9)
    orbit = follow(system, period, [amplitude, 0.0], t_eval=times)
    np.testing.assert_allclose(orbit.y[0], amplitude * ellipj(rate * times, m)[1], atol=1e-10)


def test_uedas_attractor_has_the_published_exponent() -> None:
    """SOURCE: Sprott, Chaos and Time-Series Analysis, appendix A.5 (Ueda oscillator): 0.1034 per second."""
    system = Duffing(linear=0.0, cubic=1.0, damping=0.05, drive_amplitude=7.5, drive_frequency=1.0)
    starts = np.array([[2.5, 0.0], [2.4, 0.3], [2.7, -0.2], [2.0, 1.0]] * 4).T + 0.05 * np.arange(16)
    states, turn, growth = starts, 2.0 * math.pi, 0.0
    tangents = np.stack([np.ones(16), np.zeros(16)])
    for cycle in range(90):
        sol = solve_ivp(
            system, (0.0, turn), states, method="RK4", step=turn / 120, t_eval=[turn], sensitivities=("y0",)
        )
        states = sol.y[..., -1]
        moved = np.einsum("ijb,jb->ib", sol.dy_dy0[..., -1], tangents)
        sizes = np.linalg.norm(moved, axis=0)
        tangents = moved / sizes
        growth += float(np.mean(np.log(sizes))) if cycle >= 10 else 0.0
    assert growth / (80 * turn) == pytest.approx(0.1034, abs=0.006)


def test_driven_duffing_loses_volume_at_the_rate_of_its_damping() -> None:
    slopes = jacobian(lambda y: Duffing(damping=0.4)(0.3, y))(np.array([0.5, -0.7]))
    assert np.trace(slopes) == pytest.approx(-0.4, rel=1e-14)


def period_of(mu: float, method: Any) -> float:
    """The period of van der Pol's limit cycle, between upward crossings of x = 0."""

    def rising(t: float, y: Any) -> float:
        return float(y[0])

    rising.direction = 1.0  # type: ignore[attr-defined]  # SciPy reads it there
    end = 15.0 + 3.6 * mu + 75.0 / mu
    orbit = scipy_solve_ivp(VanDerPol(mu), (0.0, end), [2.0, 0.0], method=method, rtol=1e-10, atol=1e-12, events=rising)
    return float(orbit.t_events[0][-1] - orbit.t_events[0][-2])


def test_the_period_of_van_der_pols_cycle_for_small_mu_is_the_published_series() -> None:
    """SOURCE: Andersen and Geer, SIAM Journal on Applied Mathematics 42 (1982) 678: the series of the frequency."""
    mu = 0.3
    frequency = 1.0 - mu**2 / 16.0 + 17.0 * mu**4 / 3072.0 + 35.0 * mu**6 / 884_736.0
    assert 2.0 * math.pi / period_of(mu, "DOP853") == pytest.approx(frequency, abs=2e-8)


def test_the_period_of_van_der_pols_cycle_at_mu_1_is_the_published_one() -> None:
    """SOURCE: Andersen and Geer (1982): 6.6632868593."""
    assert period_of(1.0, "DOP853") == pytest.approx(6.6632868593, abs=2e-9)


def test_the_period_of_van_der_pols_cycle_for_large_mu_is_dorodnitsyns() -> None:
    """SOURCE: Hairer and Wanner II, chapter IV.1: (3 - 2 log 2) mu + 3 x 2.338107 mu^(-1/3) + O(log(mu) / mu)."""
    for mu in (20.0, 50.0):
        leading = (3.0 - 2.0 * math.log(2.0)) * mu + 3.0 * 2.338107 * mu ** (-1.0 / 3.0)
        assert abs(period_of(mu, "LSODA") - leading) < 1.3 * math.log(mu) / mu


def test_stiff_van_der_pol_ends_where_the_test_set_says() -> None:
    """SOURCE: Mazzia and Magherini, Test Set for IVP Solvers, problem vdpol, reference solution at 2 x 1000."""
    sol = solve_ivp(VanDerPol(1000.0), (0.0, 2000.0), [2.0, 0.0], method="Radau", rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(sol.y[:, -1], [1.706167732170469, -0.8928097010248125e-3], rtol=1e-6)
