"""`Solution.invariants`: how far what is conserved has drifted."""

from __future__ import annotations

from typing import Any

import numpy as np

import diffsim as ds
from integrators import solve_ivp
from systems import DoublePendulum, Kepler, Pendulum

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
