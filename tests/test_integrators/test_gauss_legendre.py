"""Gauss-Legendre methods: symplectic, compiled = interpreted, derivatives by the implicit function theorem."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import diffsim as ds
from diffsim import ops
from diffsim.errors import ArgumentError
from diffsim.protocols import with_parameters
from integrators import GaussLegendre4, GaussLegendre6, ImplicitMidpoint, solve_ivp
from systems import DoublePendulum, HarmonicOscillator, Pendulum

PENDULUM = DoublePendulum()
START = np.array([0.4, 0.0, 1.0, 4.0])
METHODS = (ImplicitMidpoint, GaussLegendre4, GaussLegendre6)
OMEGA = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])


@pytest.mark.parametrize(
    ("method", "compiled"),
    [
        (GaussLegendre4, True),
        *(pytest.param(method, False, marks=pytest.mark.slow) for method in METHODS),
        *(pytest.param(method, True, marks=pytest.mark.slow) for method in METHODS if method is not GaussLegendre4),
    ],
)
def test_flow_map_is_symplectic(method: Any, compiled: bool) -> None:
    sol = solve_ivp(
        PENDULUM, (0, 5), START, method=method(0.005), t_eval=[2.0, 5.0], sensitivities="y0", compiled=compiled
    )
    for k in range(2):
        j = sol.dy_dy0[:, :, k]
        assert np.abs(j.T @ OMEGA @ j - OMEGA).max() <= 1e-12 * np.linalg.norm(j, 2) ** 2


@pytest.mark.slow
def test_energy_of_the_notebooks_orbit_does_not_drift_for_1000_seconds() -> None:
    """facts.md of the project: 1.9e-4 at most at h = 0.005, no drift."""
    sol = solve_ivp(PENDULUM, (0, 1000), START, method=GaussLegendre4(0.005), t_eval=np.arange(0.0, 1000.5, 0.5))
    assert sol.stats["compiled"]
    error = PENDULUM.energy(sol.y) - PENDULUM.energy(START)
    assert np.abs(error).max() < 3e-4
    assert abs(np.polyfit(sol.t, error, 1)[0]) < 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_quadratic_invariants_are_kept_to_rounding(method: Any) -> None:
    system = HarmonicOscillator()
    sol = solve_ivp(system, (0, 20), [1.0, 0.0], method=method(0.1))
    np.testing.assert_allclose(system.energy(sol.y), system.energy(sol.y[:, 0]), rtol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_forth_and_back_leads_home(method: Any) -> None:
    there = solve_ivp(PENDULUM, (0, 1), START, method=method(0.01))
    back = solve_ivp(PENDULUM, (1, 0), there.y[:, -1], method=method(0.01))
    np.testing.assert_allclose(back.y[:, -1], START, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_compiled_is_interpreted_to_rounding(method: Any) -> None:
    kwargs = {"method": method(0.01), "t_eval": [0.3, 0.505, 1.0]}
    machine = solve_ivp(PENDULUM, (0, 1), START, compiled=True, **kwargs)
    plain = solve_ivp(PENDULUM, (0, 1), START, compiled=False, **kwargs)
    assert machine.stats["compiled"]
    np.testing.assert_allclose(machine.y, plain.y, rtol=1e-12, atol=1e-12)


def _loss(y0: Any, gravity: Any, compiled: bool) -> Any:
    system = with_parameters(PENDULUM, {"gravity": gravity})
    sol = solve_ivp(system, (0, 0.5), y0, method=GaussLegendre4(0.02), t_eval=[0.5], compiled=compiled)
    return sol.y[1, -1] * ops.cos(sol.y[0, -1])


def test_gradients_and_hessians_compiled_interpreted_and_by_differences() -> None:
    machine, plain = (ds.grad(_loss, argnums=(0, 1))(START, 9.8, c) for c in (True, False))
    np.testing.assert_allclose(machine[0], plain[0], rtol=1e-11)
    np.testing.assert_allclose(machine[1], plain[1], rtol=1e-11)
    forward = [ds.jvp(lambda y: _loss(y, 9.8, False), (START,), (e,))[1] for e in np.eye(4)]
    np.testing.assert_allclose(forward, plain[0], rtol=1e-11)
    h = 1e-5
    moved = [(_loss(START + h * e, 9.8, False) - _loss(START - h * e, 9.8, False)) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(moved, plain[0], rtol=1e-7)
    second = ds.hessian(lambda y: _loss(y, 9.8, False))(START)
    slopes = [
        (ds.grad(_loss)(START + h * e, 9.8, False) - ds.grad(_loss)(START - h * e, 9.8, False)) / (2 * h)
        for e in np.eye(4)
    ]
    np.testing.assert_allclose(second, slopes, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(second, second.T, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
def test_hessian_of_a_compiled_solve_is_the_interpreted_one() -> None:
    machine, plain = (ds.hessian(lambda y, c=c: _loss(y, 9.8, c))(START) for c in (True, False))
    np.testing.assert_allclose(machine, plain, rtol=1e-9)


def test_what_machine_code_does_not_solve_the_interpreter_does() -> None:
    """At this step Newton's iterations need more than the number that is written out, in one of the trajectories."""
    starts = np.array([START, [0.1, 0.1, 0.0, 0.0]]).T
    kwargs = {"method": GaussLegendre4(0.05)}
    machine = solve_ivp(PENDULUM, (0, 0.5), starts, compiled=True, **kwargs)
    plain = solve_ivp(PENDULUM, (0, 0.5), starts, compiled=False, **kwargs)
    assert (machine.status == 0).all()
    np.testing.assert_allclose(machine.y, plain.y, rtol=1e-11, atol=1e-11)
    single = solve_ivp(PENDULUM, (0, 0.5), START, compiled=True, **kwargs)
    np.testing.assert_array_equal(machine.y[:, 0], single.y)


def test_short_solves_are_not_compiled_unless_asked_and_large_ones_never() -> None:
    assert not solve_ivp(PENDULUM, (0, 1), START, method=GaussLegendre4(0.01)).stats["compiled"]
    with pytest.raises(ArgumentError, match="takes up to 12 components with GaussLegendre4; got 20"):
        solve_ivp(lambda t, y: -y, (0, 1), np.ones(20), method=GaussLegendre4(0.01), compiled=True)
    sol = solve_ivp(lambda t, y: -y, (0, 1), np.ones(20), method=GaussLegendre4(0.01))
    np.testing.assert_allclose(sol.y[:, -1], np.exp(-1.0), rtol=1e-9)


def test_dissipation_is_no_obstacle() -> None:
    sol = solve_ivp(Pendulum(damping=0.5), (0, 5), [1.0, 0.0], method=GaussLegendre6(0.05), t_eval=[5.0])
    fine = solve_ivp(Pendulum(damping=0.5), (0, 5), [1.0, 0.0], method="DOP853", rtol=1e-12, atol=1e-13, t_eval=[5.0])
    np.testing.assert_allclose(sol.y, fine.y, rtol=1e-8)


def test_third_derivatives_are_not_those_of_machine_code() -> None:
    # Two steps of Newton's from frozen numbers carry two derivatives; the third is the interpreter's.
    def end(x: Any, compiled: Any) -> Any:
        y0 = ds.array([x, 0.3])
        return solve_ivp(_pendulum, (0.0, 0.3), y0, "GaussLegendre4", step=0.1, compiled=compiled).y[0, -1]

    def third(compiled: Any) -> float:
        return float(ds.grad(ds.grad(ds.grad(lambda x: end(x, compiled))))(0.7))

    with pytest.raises(ArgumentError, match="derivatives of GaussLegendre4 up to order 2; got 3"):
        third(True)
    h = 1e-3
    second = ds.grad(ds.grad(lambda x: end(x, True)))
    assert abs(third("auto") - float(second(0.7 + h) - second(0.7 - h)) / (2 * h)) < 1e-5


def _pendulum(t: Any, y: Any) -> list[Any]:
    return [y[1], -9.8 * ds.sin(y[0])]
