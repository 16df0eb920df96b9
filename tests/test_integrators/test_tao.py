"""Tao's methods: two copies of the state, bound together; what they keep, what they refuse, what they tell."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import diffsim as ds
from diffsim.errors import ArgumentError, DriftWarning, KindError
from integrators import Tao2, Tao4, Tao6, solve_ivp
from systems import DoublePendulum, Lorenz63, Pendulum

NOTEBOOK = np.array([0.4, 0.0, 1.0, 4.0])
REGULAR = np.array([0.5, 0.5, 0.0, 0.0])
FORM = np.block([[np.zeros((4, 4)), np.eye(4)], [-np.eye(4), np.zeros((4, 4))]])
TAO: tuple[Any, ...] = (Tao2, Tao4, Tao6)


def entangled(t: Any, y: Any) -> Any:
    """H = (q**2 + 1) (p**2 + 1) / 2, Tao's example."""
    return [y[1] * (y[0] * y[0] + 1), -y[0] * (y[1] * y[1] + 1)]


# -- the scheme --------------------------------------------------------------------------------------------------


def _by_hand(state: tuple[Any, ...], h: Any, omega: Any) -> tuple[Any, ...]:
    """Equations (1) and (2) of the paper, written out for Tao's example in another order of variables."""

    def part_a(q: Any, p: Any, x: Any, y: Any, d: Any) -> tuple[Any, ...]:
        return q, p - d * q * (y * y + 1), x + d * y * (q * q + 1), y

    def part_b(q: Any, p: Any, x: Any, y: Any, d: Any) -> tuple[Any, ...]:
        return q + d * p * (x * x + 1), p, x, y - d * x * (p * p + 1)

    def part_c(q: Any, p: Any, x: Any, y: Any, d: Any) -> tuple[Any, ...]:
        c, s = mpmath.cos(2 * omega * d), mpmath.sin(2 * omega * d)
        turned = (c * (q - x) + s * (p - y), -s * (q - x) + c * (p - y))
        return tuple(z / 2 for z in (q + x + turned[0], p + y + turned[1], q + x - turned[0], p + y - turned[1]))

    parts: list[Any] = [part_a, part_b, part_c, part_b, part_a]
    for part, d in zip(parts, (h / 2, h / 2, h, h / 2, h / 2), strict=True):
        state = part(*state, d)
    return state


@pytest.mark.parametrize("omega", [0.7, 20.0])
def test_steps_are_those_of_the_paper(omega: float) -> None:
    with mpmath.workdps(40):
        h, y, copy = mpmath.mpf(1) / 50, [mpmath.mpf(1) / 3, mpmath.mpf(-1)], None
        wanted: tuple[Any, ...] = (*y, *y)
        for _ in range(5):
            step = Tao2(omega=omega).advance(entangled, mpmath.mpf(0), y, h, copy)
            y, copy = step.y, step.carry
            wanted = _by_hand(wanted, h, mpmath.mpf(omega))
            assert max(abs(a - b) for a, b in zip((*y, *copy), wanted, strict=True)) < 1e-36


@pytest.mark.parametrize("kind", TAO)
@pytest.mark.parametrize("omega", [1.0, 20.0])
def test_order_shows_with_the_copies_handed_on(kind: Any, omega: float) -> None:
    ends: list[Any] = []
    with mpmath.workdps(60):
        for n_steps in (16, 32, 64):
            h, y, copy = mpmath.mpf(1) / 4 / n_steps, [mpmath.mpf(1), mpmath.mpf(0)], None
            for k in range(n_steps):
                step = kind(omega=omega).advance(entangled, k * h, y, h, copy)
                y, copy = step.y, step.carry
            ends.append(y[0])
        order = mpmath.log(abs(ends[0] - ends[1]) / abs(ends[1] - ends[2]), 2)
    assert abs(order - kind().order) < 0.2


@pytest.mark.parametrize("kind", TAO)
def test_solve_hands_the_copies_on(kind: Any) -> None:
    method = kind(step=0.05, omega=5.0)
    y, copy = np.array([1.0, 0.2]), None
    for k in range(20):
        step = method.advance(lambda t, y: np.array(entangled(t, y)), 0.05 * k, y, 0.05, copy)
        y, copy = step.y, step.carry
    more = {"method": method, "t_eval": [1.0]}
    np.testing.assert_allclose(solve_ivp(entangled, (0, 1), [1.0, 0.2], compiled=False, **more).y[:, -1], y, rtol=1e-14)
    np.testing.assert_allclose(solve_ivp(entangled, (0, 1), [1.0, 0.2], compiled=True, **more).y[:, -1], y, rtol=1e-13)
    renewed = np.array([1.0, 0.2])
    for k in range(20):
        renewed = method.step(lambda t, y: np.array(entangled(t, y)), 0.05 * k, renewed, 0.05)
    assert np.abs(renewed - y).max() > 1e-9  # copies made anew each step: another method


# -- what is kept ------------------------------------------------------------------------------------------------


@settings(max_examples=8)
@given(
    start=st.tuples(*[st.floats(-1.5, 1.5)] * 8),
    h=st.floats(0.001, 0.2),
    omega=st.floats(0.1, 50.0),
    kind=st.sampled_from(TAO),
)
def test_a_step_of_both_copies_is_symplectic(start: Any, h: float, omega: float, kind: Any) -> None:
    method, system = kind(omega=omega), DoublePendulum()

    def both(z: Any) -> Any:
        one, two = np.concatenate([z[:2], z[4:6]]), np.concatenate([z[2:4], z[6:]])
        step = method.advance(system, 0.0, one, h, two)
        return np.concatenate([step.y[:2], step.carry[:2], step.y[2:], step.carry[2:]])

    j = ds.jacobian(both)(np.array(start))
    assert np.abs(j.T @ FORM @ j - FORM).max() <= 1e-12 * float(np.linalg.norm(j, 2)) ** 2


def test_the_map_of_one_copy_is_symplectic_but_for_the_distance_of_the_copies() -> None:
    form = FORM[[0, 1, 4, 5]][:, [0, 1, 4, 5]]
    gaps = []
    for h in (0.004, 0.002):
        sol = solve_ivp(DoublePendulum(), (0.0, 2.0), REGULAR, Tao2(step=h), t_eval=[2.0], sensitivities="y0")
        j = sol.dy_dy0[..., 0]
        gaps.append(np.abs(j.T @ form @ j - form).max())
    assert 1e-9 < gaps[1] < 1e-3
    assert 1.5 < np.log2(gaps[0] / gaps[1]) < 2.5


@pytest.mark.parametrize(("kind", "most"), [(Tao2, 1e-4), (Tao4, 1e-6)])
def test_energy_of_a_regular_orbit_does_not_drift(kind: Any, most: float) -> None:
    sol = solve_ivp(DoublePendulum(), (0.0, 1000.0), REGULAR, kind(step=0.002), t_eval=np.arange(0.0, 1001.0))
    energy = sol.invariants["energy"]
    assert 1e-9 < np.abs(energy).max() < most
    assert np.abs(energy[500:]).max() < 1.5 * np.abs(energy[:500]).max()


def test_energy_of_the_chaotic_orbit_is_kept_for_a_thousand_seconds() -> None:
    sol = solve_ivp(DoublePendulum(), (0, 1000), NOTEBOOK, Tao4(step=5e-4, omega=200.0), t_eval=np.arange(0.0, 1001.0))
    energy = sol.invariants["energy"]
    assert np.abs(energy).max() < 3e-3
    assert abs(np.polyfit(sol.t, energy, 1)[0]) < 1e-7


# -- derivatives, events, batches: beside what the conformance suites ask of every method --------------------------


def test_machine_code_and_interpreter_agree_on_state_tangents_and_gradient() -> None:
    method = Tao2(step=0.05, omega=10.0)
    more: dict[str, Any] = {"method": method, "t_eval": [0.5, 0.707, 1.0], "sensitivities": ("y0", "gravity")}
    one = solve_ivp(DoublePendulum(), (0.0, 1.0), REGULAR, compiled=True, **more)
    two = solve_ivp(DoublePendulum(), (0.0, 1.0), REGULAR, compiled=False, **more)
    np.testing.assert_allclose(one.y, two.y, atol=1e-12)
    np.testing.assert_allclose(one.dy_dy0, two.dy_dy0, atol=1e-11)
    np.testing.assert_allclose(one.dy_dparams, two.dy_dparams, atol=1e-11)
    assert one.nfev == two.nfev

    def end(y0: Any, compiled: bool) -> Any:
        return solve_ivp(DoublePendulum(), (0.0, 1.0), y0, method, compiled=compiled, t_eval=[1.0]).y[1, 0]

    for compiled in (True, False):
        gradient = ds.grad(end)(REGULAR, compiled)
        np.testing.assert_allclose(gradient, one.dy_dy0[1, :, -1], atol=1e-11)
    curved = ds.hessian(lambda y: end(y, True))(REGULAR)
    np.testing.assert_allclose(curved, ds.hessian(lambda y: end(y, False))(REGULAR), atol=1e-9)


def test_looking_at_the_steps_changes_nothing() -> None:
    method = Tao2(step=0.01, omega=5.0)
    plain = solve_ivp(entangled, (0.0, 2.0), [1.0, 0.2], method, t_eval=[0.5, 0.777, 2.0], compiled=False)
    seen = solve_ivp(
        entangled, (0.0, 2.0), [1.0, 0.2], method, t_eval=[0.5, 0.777, 2.0], events=lambda t, y: y[0], dense_output=True
    )
    np.testing.assert_array_equal(seen.y, plain.y)
    assert len(seen.t_events[0]) > 0
    np.testing.assert_allclose(seen.sol(0.5), plain.y[:, 0], rtol=1e-14)


def test_copies_begin_anew_behind_a_reset() -> None:
    def wall(t: Any, y: Any) -> Any:
        return y[0]

    def bounce(t: Any, y: Any) -> Any:
        return [y[0], -y[1]]

    def energy(y: Any) -> Any:
        return (y[0] * y[0] + 1.0) * (y[1] * y[1] + 1.0) / 2.0

    sol = solve_ivp(entangled, (0.0, 5.0), [0.5, 0.0], Tao4(step=0.01, omega=2.0), events=wall, reset=bounce)
    assert len(sol.t_events[0]) >= 2
    np.testing.assert_allclose(energy(sol.y), energy(sol.y[:, 0]), rtol=1e-6)


# -- what is refused, and what is told ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fun", "y0", "which"),
    [
        (Lorenz63(), [1.0, 1.0, 20.0], "even number of components; got 3"),
        (Pendulum(damping=0.1), [0.4, 0.0], r"y'\[1\] by y\[1\] is -0.1.*opposite"),
        (lambda t, y: [y[1], y[0] * y[0] + y[1]], [0.4, 0.0], "opposite"),
        (lambda t, y: [y[2], y[3], -y[0] - 0.5 * y[1], -y[1]], np.ones(4), "equal"),
        (lambda t, y: [y[1], -y[0] - y[1] if y[0] < 9.0 else y[0]], [0.4, 0.0], "opposite"),
    ],
)
def test_a_system_that_is_not_hamiltonian_is_refused_with_reason_and_remedy(fun: Any, y0: Any, which: str) -> None:
    with pytest.raises(ArgumentError, match=which) as caught:
        solve_ivp(fun, (0.0, 1.0), y0, method="Tao4", step=0.01)
    assert "DOP853" in str(caught.value)


def test_hamiltonian_functions_are_taken() -> None:
    for fun in (entangled, lambda t, y: [y[1], -y[0] * np.cos(t)], lambda t, y: [y[1], -y[0] if y[0] < 9 else -9.0]):
        assert solve_ivp(fun, (0.0, 1.0), [0.4, 0.0], method="Tao2", step=0.01, compiled=False).success
    driven = Pendulum(drive_amplitude=0.3, length=np.array([1.0, 2.0]))
    assert solve_ivp(driven, (0.0, 1.0), np.ones((2, 2)), method="Tao2", step=0.01).success.all()


def test_step_control_is_refused_with_its_reason() -> None:
    with pytest.raises(ArgumentError, match="drift"):
        solve_ivp(DoublePendulum(), (0.0, 1.0), NOTEBOOK, method="Tao4")
    with pytest.raises(ArgumentError, match="drift"):
        solve_ivp(DoublePendulum(), (0.0, 1.0), NOTEBOOK, method="Tao4", step=0.01, rtol=1e-6)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf, np.nan])
def test_binding_must_be_positive(bad: float) -> None:
    with pytest.raises(ArgumentError, match="omega must be finite and > 0"):
        Tao2(omega=bad)


@pytest.mark.parametrize("bad", ["20", True, ds.Value(20.0), None])
def test_binding_must_be_a_plain_number(bad: Any) -> None:
    with pytest.raises(KindError, match="omega must be a plain real number"):
        Tao2(omega=bad)
    assert Tao2(omega=Fraction(1, 2)).omega == 0.5


@pytest.mark.parametrize("compiled", [True, False])
def test_copies_that_come_apart_are_told(compiled: bool) -> None:
    with pytest.warns(DriftWarning, match=r"Tao4\(step=0.01\) moves have come apart, by \d+ % of their size") as caught:
        solve_ivp(DoublePendulum(), (0.0, 3.0), NOTEBOOK, "Tao4", step=0.01, compiled=compiled)
    assert caught[0].filename == __file__
    batch = np.stack([REGULAR, NOTEBOOK], axis=1)
    with pytest.warns(DriftWarning, match="omega"):
        solve_ivp(DoublePendulum(), (0.0, 3.0), batch, "Tao4", step=0.01, compiled=compiled)
    with pytest.warns(DriftWarning, match="omega"):
        solve_ivp(DoublePendulum(), (0.0, 3.0), NOTEBOOK, "Tao4", step=0.01, events=lambda t, y: y[0])
    with pytest.warns(DriftWarning, match="omega"):
        ds.grad(lambda y: solve_ivp(DoublePendulum(), (0.0, 1.5), y, "Tao4", step=0.01, compiled=compiled).y[0, -1])(
            NOTEBOOK
        )


@pytest.mark.parametrize("compiled", [True, False])
def test_copies_that_are_bound_are_not_told_of(compiled: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DriftWarning)
        for start, method in ((REGULAR, Tao2(step=0.01)), (NOTEBOOK, Tao4(step=0.001, omega=200.0))):
            solve_ivp(DoublePendulum(), (0.0, 2.0), start, method, compiled=compiled)
