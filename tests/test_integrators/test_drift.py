"""`Solution.invariants`: how far what is conserved has drifted."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import ArgumentError, DriftWarning
from integrators import GaussLegendre4, solve_ivp
from integrators._trend import trend_of
from systems import DoublePendulum, Kepler, NLinkPendulum, Pendulum

START = np.array([0.4, 0.0, 1.0, 4.0])


def test_drift_of_the_energy_is_that_of_the_states() -> None:
    system = DoublePendulum()
    sol = solve_ivp(system, (0, 3), START, method="Euler", step=0.01, t_eval=[1.0, 3.0])
    np.testing.assert_array_equal(sol.invariants["energy"], system.energy(sol.y) - system.energy(START))
    assert abs(sol.invariants["energy"][-1]) > 0.1  # Euler's


def test_every_declared_invariant_is_there_and_kept_by_a_tight_solve() -> None:
    system = Kepler()
    sol = solve_ivp(system, (0, 10), list(system.default_state), method="DOP853", rtol=1e-12, atol=1e-13)
    assert set(sol.invariants) == set(system.invariants)
    for drift in sol.invariants.values():
        assert np.abs(drift).max() < 1e-9
    assert "energy: at most" in repr(sol.invariants)


def test_batches_with_parameters_of_their_own() -> None:
    lengths = np.array([1.0, 2.0, 3.0])
    starts = np.array([[1.0, 0.5, 0.2], [0.0, 0.0, 0.0]])
    sol = solve_ivp(Pendulum(length=lengths), (0, 2), starts, method="RK4", step=0.01)
    drift = sol.invariants["energy"]
    assert drift.shape == (3, 201)
    for i in range(3):
        one = solve_ivp(Pendulum(length=lengths[i]), (0, 2), starts[:, i], method="RK4", step=0.01)
        np.testing.assert_allclose(drift[i], one.invariants["energy"], rtol=1e-9, atol=1e-14)


def test_drift_carries_derivatives() -> None:
    def lost(y0: Any) -> Any:
        return solve_ivp(DoublePendulum(), (0, 1), y0, method="Euler", step=0.01, t_eval=[1.0]).invariants["energy"][-1]

    gradient = ds.grad(lost)(START)
    h = 1e-6
    moved = [(lost(START + h * e) - lost(START - h * e)) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(gradient, moved, rtol=1e-5)


def test_plain_functions_declare_nothing() -> None:
    sol = solve_ivp(lambda t, y: -y, (0, 1), [1.0])
    assert dict(sol.invariants) == {}


# -- does it oscillate or drift? -----------------------------------------------------------------------------------


def _noise(n: int) -> Any:
    return np.random.default_rng(3).standard_normal(n)


@pytest.mark.parametrize(
    ("error", "drifts"),
    [
        (lambda t: np.sin(7.0 * t), False),
        (lambda t: np.sin(7.0 * t) + 0.02 * np.sin(0.01 * t), False),
        (lambda t: np.where(np.sin(7.0 * t) > 0.99, 50.0, np.sin(3.0 * t)), False),  # spikes
        (lambda t: np.sin(7.0 * t) + 1e-3 * t, True),
        (lambda t: np.sin(7.0 * t) - 1e-3 * t, True),
        (lambda t: np.sin(7.0 * t) + np.cumsum(_noise(len(t))) / 50.0, True),  # wanders at random
        (lambda t: 1e-13 * (np.sin(7.0 * t) + 0.01 * t), False),  # rounding
    ],
)
def test_levels_that_move_are_told_from_oscillations(error: Any, drifts: bool) -> None:
    t = np.linspace(0.0, 1000.0, 8000)
    trend = trend_of(t, error(t), np.array(1e-12))
    assert trend.judged
    assert trend.drifts is drifts


def test_slope_and_its_error_are_those_of_a_line_with_noise() -> None:
    t = np.linspace(0.0, 1000.0, 16_000)
    slopes = [
        trend_of(t, 1e-3 * t + np.random.default_rng(k).standard_normal(len(t)), np.array(0.0)) for k in range(40)
    ]
    found, errors = np.array([x.slope for x in slopes]), np.array([x.slope_error for x in slopes])
    # the median of 1000 normal numbers has the standard error sqrt(pi / 2 / 1000)
    expected = np.sqrt(np.pi / 2 / 1000) / np.sqrt(16 * (16**2 - 1) / 12) / (1000 / 16)
    assert abs(found.mean() - 1e-3) < 4.0 * expected / np.sqrt(40)
    assert 0.7 * expected < found.std() < 1.4 * expected
    assert 0.7 * expected < np.median(errors) < 1.5 * expected


def test_nothing_is_said_of_few_times() -> None:
    t = np.linspace(0.0, 10.0, 60)
    trend = trend_of(t, np.sin(7.0 * t) + t, np.array(0.0))
    assert not trend.judged
    assert not trend.drifts
    short = trend_of(t[:5], t[:5], np.array(0.0))
    assert np.isnan(short.slope)
    assert not short.judged


def test_trend_of_a_batch_is_that_of_its_trajectories() -> None:
    starts = np.stack([START, [0.5, 0.5, 0.0, 0.0]], axis=1)
    sol = solve_ivp(DoublePendulum(), (0, 100), starts, "RK4", step=0.02)
    trend = sol.invariants.trend("energy")
    assert trend.drifts.shape == (2,)
    for i in range(2):
        one = solve_ivp(DoublePendulum(), (0, 100), starts[:, i], "RK4", step=0.02).invariants.trend("energy")
        assert (trend.drifts[i], trend.n_turns[i]) == (one.drifts, one.n_turns)
        assert trend.slope[i] == pytest.approx(one.slope, rel=1e-9)
    assert trend.drifts[0]  # RK4 loses energy
    with pytest.raises(ArgumentError, match="energy"):
        sol.invariants.trend("enrgy")


def test_a_step_too_long_is_told_and_a_good_one_is_not() -> None:
    # The notebook's orbit for 1,000 s: no drift at step 0.005, one of some 1e-6 J/s at 0.01.
    times = np.linspace(0.0, 1000.0, 4001)
    good = solve_ivp(DoublePendulum(), (0, 1000), START, GaussLegendre4(step=0.005), t_eval=times)
    trend = good.invariants.trend("energy")
    assert trend.judged
    assert not trend.drifts
    assert abs(trend.slope) < 1e-9
    assert trend.wander < 0.01 * trend.oscillation
    with pytest.warns(DriftWarning, match=r"GaussLegendre4\(step=0.01\) is too long .* halve it") as caught:
        bad = solve_ivp(DoublePendulum(), (0, 1000), START, GaussLegendre4(step=0.01), t_eval=times)
    assert [warning.filename for warning in caught] == [__file__]
    assert bad.invariants.trend("energy").drifts


@pytest.mark.parametrize(
    ("system", "start", "method", "told"),
    [
        (Kepler(), (1.0, 0.0, 0.0, 1.2), "StormerVerlet", False),
        (Kepler(), (1.0, 0.0, 0.0, 0.5), "StormerVerlet", True),  # a close encounter in each orbit
        (Pendulum(), (2.0, 0.0), "Yoshida4", False),
    ],
)
def test_trajectories_that_lose_their_orbit_are_told(system: Any, start: Any, method: str, told: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        solve_ivp(system, (0.0, 2000.0), start, method, step=0.05)
    assert bool(caught) is told


def test_a_batch_names_the_trajectory_that_drifts_the_most() -> None:
    starts = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.2, 0.5]])
    with pytest.warns(DriftWarning, match=r"trajectory \[1\]"):
        solve_ivp(Kepler(), (0.0, 2000.0), starts, "StormerVerlet", step=0.05)
    with pytest.warns(DriftWarning, match=r"trajectory \[1\]"):
        solve_ivp(Kepler(mu=np.array([1.0, 1.0])), (0.0, 2000.0), starts, "StormerVerlet", step=0.05)


def test_methods_that_do_not_claim_it_and_short_solves_are_not_told() -> None:
    # pytest turns any warning into an error here
    solve_ivp(DoublePendulum(), (0, 100), START, "RK4", step=0.02)
    solve_ivp(DoublePendulum(), (0, 100), START, GaussLegendre4(step=0.02), t_eval=np.linspace(0.0, 100.0, 200))


def test_rounding_of_an_energy_that_is_zero_is_no_drift() -> None:
    """Rods held level at rest have no energy; what rounding makes of terms of 100 J is no drift of it."""
    links = NLinkPendulum(links=3)
    level = [np.pi / 2] * 3 + [0.0] * 3
    with warnings.catch_warnings():
        warnings.simplefilter("error", DriftWarning)
        sol = solve_ivp(links, (0.0, 1.0), level, "GaussLegendre6", step=1e-3)
    assert not sol.invariants.trend("energy").drifts
