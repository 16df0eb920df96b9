"""Derivatives of compiled solves that choose their steps: tangents = adjoint = what the interpreted drivers give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diffsim import array_ops, ops
from diffsim.compiler import engine
from diffsim.derivatives import grad, hessian, jacobian, jvp
from diffsim.errors import RunError
from diffsim.value import Value
from integrators import RungeKutta, Tableau, solve_ivp
from systems import DoublePendulum, Lorenz63

pytestmark = pytest.mark.skipif(not engine.available(), reason="needs llvmlite")

PAIRS = ["RK23", "RK45", "Tsit5", "DOP853", "Vern7"]
TIMES: dict[str, Any] = {"steps": None, "times": [0.0, 0.5, 1.1, 2.9, 3.0], "end": [3.0]}
START = np.array([0.4, -0.2])
TIGHT: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-6}


def driven(t: Any, y: Any, strength: Any = 0.5, damping: Any = 0.2) -> list[Any]:
    """A driven pendulum in plain NumPy, which depends on the time."""
    return [y[1], -np.sin(y[0]) - damping * y[1] + strength * np.cos(1.3 * t)]


def close(found: Any, want: Any, rtol: float) -> None:
    """Assert agreement relative to the largest number."""
    assert np.shape(found) == np.shape(want)
    scale = np.nanmax(np.abs(want))
    np.testing.assert_allclose(found, want, rtol=rtol, atol=rtol * scale)


def loss(y0: Any, strength: Any, *, t_eval: Any = None, **more: Any) -> Any:
    """A number that depends on all states."""
    sol = solve_ivp(driven, (0.0, 3.0), y0, args=(strength, 0.2), t_eval=t_eval, **{**TIGHT, **more})
    return array_ops.sum(ops.sin(sol.y) * np.cos(np.arange(1.0, 1.0 + sol.y.shape[-1])))


def rounding(method: str, times: str) -> float:
    """How far derivatives at the steps may differ: sizes of steps hang on rounding in small error estimates."""
    if times != "steps":
        return 1e-11
    return 1e-6 if method in ("DOP853", "Vern7") else 1e-10


@pytest.mark.parametrize("method", PAIRS)
@pytest.mark.parametrize("times", TIMES)
def test_tangents_are_the_interpreted_ones(method: str, times: str) -> None:
    more = {"method": method, "t_eval": TIMES[times], "args": (0.3, 0.1), "sensitivities": ("y0", "params"), **TIGHT}
    machine, reference = (solve_ivp(driven, (0.0, 3.0), START, compiled=c, **more) for c in (True, False))
    assert machine.nfev == reference.nfev
    assert machine.param_names == reference.param_names
    close(machine.dy_dy0, reference.dy_dy0, rounding(method, times))
    close(machine.dy_dparams, reference.dy_dparams, rounding(method, times))
    plain = solve_ivp(driven, (0.0, 3.0), START, compiled=True, **{**more, "sensitivities": ()})
    np.testing.assert_array_equal(machine.y, plain.y)
    np.testing.assert_array_equal(machine.t, plain.t)


@pytest.mark.parametrize("method", PAIRS)
@pytest.mark.parametrize("times", TIMES)
def test_adjoint_is_the_interpreted_one_and_agrees_with_the_tangents(method: str, times: str) -> None:
    more = {"method": method, "t_eval": TIMES[times]}
    machine, reference = (
        grad(lambda y, a, c=c: loss(y, a, compiled=c, **more), argnums=(0, 1))(START, 0.3) for c in (True, False)
    )
    close(machine[0], reference[0], rounding(method, times))
    close(machine[1], reference[1], rounding(method, times))
    direction = (np.array([0.3, -0.8]), 0.7)
    _, forward = jvp(lambda y, a: loss(y, a, compiled=True, **more), (START, 0.3), direction)
    assert forward == pytest.approx(machine[0] @ direction[0] + machine[1] * direction[1], rel=1e-11)


@pytest.mark.parametrize("times", TIMES)
def test_second_derivatives_in_all_compositions(times: str) -> None:
    def f(x: Any, compiled: bool) -> Any:
        return loss(x[:2], x[2], t_eval=TIMES[times], compiled=compiled)

    x = np.array([*START, 0.3])
    want = hessian(lambda x: f(x, False))(x)
    assert abs(want).min() > 1e-3
    for found in (
        hessian(lambda x: f(x, True))(x),
        jacobian(grad(lambda x: f(x, True)))(x),
        [
            [jvp(lambda z, q=q: jvp(lambda y: f(y, True), (z,), (q,))[1], (x,), (p,))[1] for q in np.eye(3)]
            for p in np.eye(3)
        ],
    ):
        close(np.asarray(found, dtype=float), want, 1e-9)


def test_sensitivities_carry_derivatives() -> None:
    def slope(y0: Any, compiled: bool) -> Any:
        sol = solve_ivp(driven, (0.0, 3.0), y0, sensitivities="y0", t_eval=[1.0, 3.0], compiled=compiled, **TIGHT)
        return array_ops.sum(sol.dy_dy0 * sol.dy_dy0)

    close(grad(lambda y: slope(y, True))(START), grad(lambda y: slope(y, False))(START), 1e-10)


# -- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", TIMES)
def test_batch_has_the_derivatives_of_its_single_solves_bit_for_bit(times: str) -> None:
    y0 = START[:, None] + np.random.default_rng(5).uniform(-1.0, 1.0, (2, 21))
    more: dict[str, Any] = {"t_eval": TIMES[times], "sensitivities": ("y0", "params"), "compiled": True, **TIGHT}
    batch = solve_ivp(driven, (0.0, 3.0), y0, threads=2, **more)
    for j in (0, 3, 20):
        one = solve_ivp(driven, (0.0, 3.0), y0[:, j], **more)
        n_times = int(batch.n_times[j])
        np.testing.assert_array_equal(one.dy_dy0, batch.dy_dy0[:, :, j, :n_times])
        np.testing.assert_array_equal(one.dy_dparams, batch.dy_dparams[:, :, j, :n_times])
        assert np.isnan(batch.dy_dy0[:, :, j, n_times:]).all()


def test_gradient_by_starts_and_parameters_of_a_batch() -> None:
    gravity = np.linspace(5.0, 12.0, 9)
    y0 = np.array([[0.3], [0.1], [0.2], [0.0]]) + np.linspace(0.0, 0.2, 9)

    def total(y: Any, g: Any, compiled: bool) -> Any:
        sol = solve_ivp(DoublePendulum(gravity=g), (0.0, 1.0), y, t_eval=[0.3, 1.0], compiled=compiled, **TIGHT)
        return array_ops.sum(sol.y * sol.y)

    for g in (gravity, 9.8):
        found, want = (grad(lambda y, g, c=c: total(y, g, c), argnums=(0, 1))(y0, g) for c in (True, False))
        close(found[0], want[0], 1e-9)
        close(found[1], want[1], 1e-9)


def test_trajectories_that_fall_take_no_part_in_the_gradients_of_the_others() -> None:
    def blow_up(t: Any, y: Any, rate: Any) -> Any:
        return rate * y * y

    def total(rate: Any, lanes: list[int], compiled: bool = True) -> Any:
        sol = solve_ivp(
            blow_up, (0.0, 1.9), [[0.1, 1.2, 0.2]], args=(rate,), t_eval=[0.5, 1.9], compiled=compiled, **TIGHT
        )
        assert sol.status.tolist() == [0, -1, 0]
        return array_ops.sum(sol.y[0, lanes, -1])

    sound = grad(lambda a: total(a, [0, 2]))(1.0)
    assert sound == pytest.approx(grad(lambda a: total(a, [0, 2], False))(1.0), rel=1e-11)
    y = lambda a: solve_ivp(blow_up, (0.0, 0.5), [1.2], args=(a,), t_eval=[0.5], compiled=True, **TIGHT).y[0, 0]  # noqa: E731
    assert grad(y)(1.0) == pytest.approx(1.2**2 * 0.5 / (1 - 0.6) ** 2, rel=1e-3)


# -- edges ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("span", [(3.0, 0.0), (1.0, 1.0)])
@pytest.mark.parametrize("every", [True, False])
def test_backwards_and_empty_spans(span: tuple[float, float], every: bool) -> None:
    t_eval = None if every else np.unique(np.linspace(*span, 5))[::-1]

    def f(y: Any, compiled: bool) -> Any:
        return array_ops.sum(ops.sin(solve_ivp(driven, span, y, t_eval=t_eval, compiled=compiled, **TIGHT).y))

    close(grad(lambda y: f(y, True))(START), grad(lambda y: f(y, False))(START), 1e-9)
    more: dict[str, Any] = {"t_eval": t_eval, "sensitivities": "y0", **TIGHT}
    found, want = (solve_ivp(driven, span, START, compiled=c, **more).dy_dy0 for c in (True, False))
    close(found, want, 1e-9)


def test_no_save_times_give_no_derivatives() -> None:
    sol = solve_ivp(driven, (0.0, 1.0), [Value(0.3), 0.2], t_eval=[], compiled=True)
    assert sol.y.shape == (2, 0)
    sol = solve_ivp(driven, (0.0, 1.0), START, t_eval=[], sensitivities="y0", compiled=True)
    assert sol.dy_dy0.shape == (2, 2, 0)


def test_values_give_the_bits_of_floats() -> None:
    for t_eval in TIMES.values():
        plain = solve_ivp(driven, (0.0, 3.0), START, t_eval=t_eval, compiled=True)
        recorded = solve_ivp(driven, (0.0, 3.0), [Value(x) for x in START], t_eval=t_eval, compiled=True)
        np.testing.assert_array_equal(recorded.y.data, plain.y)


def test_pair_without_an_interpolant_or_a_shared_stage() -> None:
    heun = RungeKutta(Tableau(a=((), (1,)), b=("1/2", "1/2"), b_error=("-1/2", "1/2"), order=2, error_order=1))
    more = {"method": heun, "t_eval": [0.4, 1.7, 3.0]}
    found, want = (grad(lambda y, c=c: loss(y, 0.3, compiled=c, **more))(START) for c in (True, False))
    close(found, want, 1e-11)


def test_derivatives_past_what_doubles_hold_are_refused() -> None:
    def far(y0: Any) -> Any:
        return solve_ivp(Lorenz63(), (0.0, 900.0), y0, t_eval=[900.0], compiled=True).y[0, 0]

    with pytest.raises(RunError, match="the gradient overflowed on the way back"):
        grad(far)(np.array([1.0, 1.0, 1.0]))
    sol = solve_ivp(Lorenz63(), (0.0, 900.0), [1.0, 1.0, 1.0], t_eval=[900.0], sensitivities="y0", compiled=True)
    assert sol.status == -1
    assert "derivative of the state became NaN or infinite" in sol.message


def test_zero_times_infinity_counts_as_zero() -> None:
    def root(t: Any, y: Any) -> Any:
        return np.where(y > 0, np.sqrt(y), 0.0)

    for t_eval in (None, [0.5, 1.0]):
        found = grad(lambda x, t=t_eval: solve_ivp(root, (0.0, 1.0), [x], t_eval=t, compiled=True).y[0, -1])(0.0)
        assert found == 1.0
        sol = solve_ivp(root, (0.0, 1.0), [0.0], t_eval=t_eval, sensitivities="y0", compiled=True)
        assert (sol.dy_dy0 == 1.0).all()
