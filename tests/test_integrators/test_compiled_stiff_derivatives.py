"""Derivatives through methods for stiff problems that choose their steps, as machine code makes them.

The judge is the interpreted driver, which takes the same steps (and orders, of BDF) one after the other: they are noted
in the compiled solve and handed to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsim.certificate import certify
from diffsim.derivatives import grad, hvp, jacobian, jvp, value_and_grad
from diffsim.errors import ArgumentError, RunError
from diffsim.replay import Replay
from integrators import solve_ivp
from integrators._methods import flow_methods, method_class
from integrators.compiled import adaptive_derivatives, equations, rounds
from systems import HIRES, DoublePendulum, Robertson, VanDerPol

pytest.importorskip("llvmlite")

NAMES = tuple(name for name in flow_methods() if method_class(name)().implicit and method_class(name)().has_formula)
METHODS = [pytest.param(name, marks=[] if name in ("Kvaerno5", "BDF") else pytest.mark.slow) for name in NAMES]
FEW = [pytest.param(name, marks=[] if name == "BDF" else pytest.mark.slow) for name in NAMES]
TIGHT: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-9}
TIMES = [0.0, 0.3, 0.31, 1.9, 2.0]


def driven(t: float, y: Any, strength: float = 0.3, damping: float = 0.1) -> list[Any]:
    """A driven pendulum in plain NumPy, which depends on the time."""
    return [y[1], -np.sin(y[0]) - damping * y[1] + strength * np.cos(1.3 * t)]


def fading(t: float, y: Any) -> list[Any]:
    """Ends at t = 1 / y[0]."""
    return [y[0] * y[0], -y[1] + np.sqrt(2.0 - t)]


def end_of(fun: Any, span: tuple[float, float], method: str, **more: Any) -> Callable[..., Any]:
    """Return all that a solve gives, with different weights, as a function of start and parameters."""

    def loss(y: Any, *args: Any, compiled: Any = True) -> Any:
        sol = solve_ivp(fun, span, y, method, args=args, compiled=compiled, **{**TIGHT, **more})
        return sum(float(1 + k % 3) * (sol.y[..., k] ** 2).sum() for k in range(sol.y.shape[-1] - 3, sol.y.shape[-1]))

    return loss


def both(function: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """Return what a function gives with compiled solves, and with interpreted ones along the same steps."""
    replay = Replay()
    with replay.recording():
        machine = function(True, *args)
    with replay.replaying():
        return machine, function(False, *args)


# -- the steps of the interpreted driver ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("t_eval", [None, TIMES], ids=["steps", "times"])
def test_gradient_is_that_of_the_same_steps_one_after_the_other(method: str, t_eval: Any) -> None:
    loss = end_of(driven, (0.0, 2.0), method, t_eval=t_eval)
    (value, found), (expected, exact) = both(
        lambda way: value_and_grad(lambda y, a, b: loss(y, a, b, compiled=way), (0, 1, 2))(
            np.array([0.4, 0.2]), 0.3, 0.1
        )
    )
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for one, other in zip(found, exact, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("system", "span"),
    [
        (DoublePendulum(), (0.0, 1.0)),
        pytest.param(HIRES(), (0.0, 321.8122), marks=pytest.mark.slow),
        (Robertson(), (0.0, 1e5)),
        pytest.param(VanDerPol(mu=1000.0), (0.0, 500.0), marks=pytest.mark.slow),
    ],
    ids=lambda x: type(x).__name__,
)
def test_gradient_of_stiff_systems_is_that_of_the_same_steps(method: str, system: Any, span: Any) -> None:
    start = np.array(system.default_state)
    loss = end_of(system, span, method)
    found, exact = both(lambda way: grad(lambda y: loss(y, compiled=way))(start))
    np.testing.assert_allclose(found, exact, rtol=1e-8, atol=1e-7 * np.abs(exact).max())


@pytest.mark.parametrize("method", [x for x in METHODS if x.values != ("BDF",)])
def test_tangents_are_those_of_the_same_steps_in_multiprecision(method: str) -> None:
    """Differences over 1e-15 in 40 digits, of the very steps: the derivative to 15 digits."""
    sol = solve_ivp(VanDerPol(mu=1000.0), (0.0, 1.0), [2.0, 0.0], method, sensitivities="y0", compiled=True)
    integrator = method_class(method)()

    def rates(t: Any, y: Any) -> list[Any]:
        return [y[1], 1000 * (1 - y[0] * y[0]) * y[1] - y[0]]

    def end(*y: Any) -> Any:
        for t, t_next in itertools.pairwise(map(mpmath.mpf, sol.t.tolist())):
            y = integrator.step(rates, t, list(y), t_next - t)
        return np.array(y)

    with mpmath.workdps(40):
        tiny = mpmath.mpf(10) ** -15
        start = mpmath.mpf(2), mpmath.mpf(0)
        base = end(*start)
        columns = [(end(start[0] + tiny, start[1]) - base) / tiny, (end(start[0], start[1] + tiny) - base) / tiny]
    exact = np.array(columns, dtype=float).T
    np.testing.assert_allclose(sol.dy_dy0[..., -1], exact, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(sol.y[:, -1], np.array(base, dtype=float), rtol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_sensitivities_are_the_gradients_of_each_number(method: str) -> None:
    start = np.array([0.4, 0.2])
    sol = solve_ivp(
        driven, (0.0, 2.0), start, method, args=(0.3, 0.1), t_eval=TIMES, sensitivities=["y0"], compiled=True, **TIGHT
    )
    for i in range(2):
        for k in range(len(TIMES)):
            row = grad(
                lambda y, i=i, k=k: solve_ivp(
                    driven, (0.0, 2.0), y, method, args=(0.3, 0.1), t_eval=TIMES, compiled=True, **TIGHT
                ).y[i, k]
            )(start)
            np.testing.assert_allclose(sol.dy_dy0[i, :, k], row, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("method", FEW)
def test_second_derivatives_in_all_compositions_are_those_of_the_same_steps(method: str) -> None:
    start, v = np.array([0.4, 0.2]), np.array([0.3, -1.0])
    loss = end_of(driven, (0.0, 2.0), method, t_eval=TIMES)
    compositions: list[Callable[[Any], Any]] = [
        lambda f: hvp(f, start, v),
        lambda f: jvp(lambda y: jvp(f, (y,), (v,))[1], (start,), (v,))[1],
        lambda f: grad(lambda y: jvp(f, (y,), (v,))[1])(start),
        lambda f: jacobian(grad(f))(start),
    ]
    for composition in compositions:
        found, exact = both(lambda way, c=composition: c(lambda y: loss(y, compiled=way)))
        np.testing.assert_allclose(np.asarray(found), np.asarray(exact), rtol=1e-9)


@pytest.mark.parametrize("method", FEW)
@given(seed=st.integers(0, 2**16), n=st.sampled_from([1, 3]))
@settings(max_examples=5)
def test_linear_problem_is_its_own_derivative(method: str, seed: int, n: int) -> None:
    """Along frozen steps the solution is linear in the start, so its derivative times the start is the solution."""
    rng = np.random.default_rng(seed)
    a, start = rng.normal(size=(4, 4))[:n, :n] - 3.0 * np.eye(n), rng.normal(size=n)
    matrix = [[float(x) for x in row] for row in a]

    def linear(t: float, y: Any) -> list[Any]:
        return [sum(x * y[j] for j, x in enumerate(row)) for row in matrix]

    sol = solve_ivp(linear, (0.0, 3.0), start, method, sensitivities="y0", compiled=True)
    moved = np.einsum("ijk,j->ik", sol.dy_dy0, start)
    np.testing.assert_allclose(moved, sol.y, atol=2e-3 * np.abs(sol.y).max())  # Newton stops at the tolerance
    exact = solve_ivp(linear, (0.0, 3.0), start, method, sensitivities="y0", compiled=True, rtol=1e-10, atol=1e-13)
    moved = np.einsum("ijk,j->ik", exact.dy_dy0, start)
    np.testing.assert_allclose(moved, exact.y, rtol=1e-8, atol=1e-9 * np.abs(exact.y).max())


@pytest.mark.parametrize("method", METHODS)
def test_certificate_holds_to_first_and_second_order(method: str) -> None:
    loss = end_of(driven, (0.0, 2.0), method)
    found = certify(lambda y, a: loss(y, a, 0.1), np.array([0.4, 0.2]), 0.3, argnums=(0, 1), order=1)
    assert found.digits > 9
    if method == "BDF":
        certify(lambda y: loss(y, 0.3, 0.1), np.array([0.4, 0.2]), order=2)


@pytest.mark.parametrize("method", FEW)
def test_dense_output_carries_the_derivatives_of_the_same_steps(method: str) -> None:
    times = np.array([0.0, 0.17, 0.9, 1.999, 2.0])

    def loss(y: Any, a: Any, way: Any) -> Any:
        options = {"args": (a, 0.1), "dense_output": True, "compiled": way, **TIGHT}
        return (solve_ivp(driven, (0.0, 2.0), y, method, **options).sol(times) ** 2).sum()

    for start in (np.array([0.4, 0.2]), np.array([[0.4, -0.1, 0.3], [0.2, 1.0, 0.0]])):
        found, exact = both(lambda way, y=start: grad(lambda y, a: loss(y, a, way), (0, 1))(y, 0.3))
        for one, other in zip(found, exact, strict=True):
            np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-9)


def test_history_that_depends_on_a_time_that_moves_is_the_interpreters() -> None:
    with pytest.raises(ArgumentError, match="with methods that have no history"):
        grad(lambda t: solve_ivp(driven, (0.0, t), [0.4, 0.2], "BDF", compiled=True).y[0, -1])(1.0)
    slope = grad(lambda t: solve_ivp(driven, (0.0, t), [0.4, 0.2], "BDF", **TIGHT).y[0, -1])(1.0)
    end = solve_ivp(driven, (0.0, 1.0), [0.4, 0.2], "BDF", **TIGHT).y[:, -1]
    np.testing.assert_allclose(slope, end[1], rtol=1e-3)


# -- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FEW)
@pytest.mark.parametrize("t_eval", [None, TIMES], ids=["steps", "times"])
def test_batch_is_its_single_solves_bit_for_bit_whatever_the_order(method: str, t_eval: Any) -> None:
    starts = np.random.default_rng(1).uniform(-1.0, 1.0, (2, 11))

    def loss(y: Any) -> Any:
        sol = solve_ivp(driven, (0.0, 2.0), y, method, args=(0.3, 0.1), t_eval=TIMES, compiled=True, **TIGHT)
        return (sol.y[..., -1] ** 2).sum()

    values = [
        solve_ivp(driven, (0.0, 2.0), y, method, args=(0.3, 0.1), t_eval=t_eval, sensitivities="y0") for y in starts.T
    ]
    batch = solve_ivp(driven, (0.0, 2.0), starts, method, args=(0.3, 0.1), t_eval=t_eval, sensitivities="y0")
    for j, one in enumerate(values):
        k = one.y.shape[-1]
        np.testing.assert_array_equal(batch.y[:, j, :k], one.y)
        np.testing.assert_array_equal(batch.dy_dy0[:, :, j, :k], one.dy_dy0)
    gradient = np.asarray(grad(loss)(starts))
    order = np.random.default_rng(2).permutation(11)
    np.testing.assert_array_equal(np.asarray(grad(loss)(starts[:, order])), gradient[:, order])
    np.testing.assert_array_equal(gradient.T, [np.asarray(grad(loss)(y)) for y in starts.T])


@pytest.mark.parametrize("t_eval", [None, TIMES], ids=["steps", "times"])
def test_large_batches_are_integrated_block_by_block(t_eval: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mu, y0 = np.linspace(1.0, 30.0, 150).reshape(2, 75), np.zeros((2, 2, 75))
    y0[0] = np.linspace(1.0, 2.0, 150).reshape(2, 75)

    def solved() -> Any:
        return solve_ivp(
            VanDerPol(mu=mu), (0.0, 2.0), y0, "BDF", t_eval=t_eval, sensitivities=["y0", "mu"], compiled=True
        )

    whole = solved()
    monkeypatch.setattr(adaptive_derivatives, "_NUMBERS_AT_ONCE", 1)  # 64 at a time, then
    parts = solved()
    for name in ("t", "y", "dy_dy0", "dy_dparams", "status", "nfev", "njev", "n_times"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert parts.stats == whole.stats


@pytest.mark.parametrize("method", FEW)
def test_parameters_of_single_trajectories_have_their_own_gradients(method: str) -> None:
    mu, start = np.array([1.0, 5.0, 50.0]), np.array([2.0, 0.0])

    def end(mu: Any, y: Any) -> Any:
        return solve_ivp(VanDerPol(mu=mu), (0.0, 3.0), y, method, compiled=True, **TIGHT).y[0, ..., -1]

    def last(mu: Any) -> Any:
        times = [3.0]
        batch = np.repeat(start[:, None], 3, axis=1)
        return (
            solve_ivp(VanDerPol(mu=mu), (0.0, 3.0), batch, method, t_eval=times, compiled=True, **TIGHT)
            .y[0, :, 0]
            .sum()
        )

    def one(mu: Any) -> Any:
        return solve_ivp(VanDerPol(mu=mu), (0.0, 3.0), start, method, t_eval=[3.0], compiled=True, **TIGHT).y[0, 0]

    np.testing.assert_array_equal(np.asarray(grad(last)(mu)), [float(grad(one)(float(x))) for x in mu])


@pytest.mark.parametrize("method", FEW)
@pytest.mark.filterwarnings("ignore::diffsim.errors.HorizonWarning")
def test_trajectory_that_falls_has_derivatives_up_to_there_and_leaves_its_neighbours_alone(method: str) -> None:
    starts = np.array([[0.2, 2.0, 0.3], [1.0, 1.0, 1.0]])  # the second one ends at t = 1/2
    batch = solve_ivp(fading, (0.0, 1.5), starts, method, t_eval=[0.0, 0.4, 1.5], sensitivities="y0", **TIGHT)
    assert list(batch.status) == [0, -1, 0]
    for j in range(3):
        one = solve_ivp(fading, (0.0, 1.5), starts[:, j], method, t_eval=[0.0, 0.4, 1.5], sensitivities="y0", **TIGHT)
        k = one.y.shape[-1]
        assert k == (2 if j == 1 else 3)
        np.testing.assert_array_equal(batch.dy_dy0[:, :, j, :k], one.dy_dy0)
        closed = 1.0 / (1.0 - 0.4 * starts[0, j]) ** 2
        np.testing.assert_allclose(one.dy_dy0[0, 0, 1], closed, rtol=2e-2 if method == "ImplicitEuler" else 1e-3)


@pytest.mark.parametrize("method", FEW)
@pytest.mark.parametrize("span", [(1.0, 1.0), (2.0, 0.5)], ids=["empty", "backwards"])
def test_empty_and_backward_spans(method: str, span: tuple[float, float]) -> None:
    found, exact = both(
        lambda way: np.asarray(
            jacobian(lambda y: solve_ivp(driven, span, y, method, args=(0.3, 0.0), compiled=way, **TIGHT).y[:, -1])(
                np.array([0.4, 0.2])
            )
        )
    )
    np.testing.assert_allclose(found, exact, rtol=1e-10)
    if span[0] == span[1]:
        np.testing.assert_array_equal(found, np.eye(2))


# -- what machine code gives up ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FEW)
@pytest.mark.parametrize("batch", [False, True])
def test_steps_that_cannot_be_solved_all_at_once_are_taken_one_after_the_other(
    method: str, batch: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rounds, "_ROUNDS", 1)
    start = np.array([[0.4, 0.5], [0.2, 0.1]]) if batch else np.array([0.4, 0.2])
    loss = end_of(driven, (0.0, 2.0), method, t_eval=TIMES)
    found = grad(lambda y: loss(y, 0.3, 0.1, compiled="auto"))(start)
    solve_ivp(driven, (0.0, 2.0), start, method, sensitivities="y0", explain=True)
    assert "interpreted. The equations of the steps cannot be solved all at once." in capsys.readouterr().out
    exact = grad(lambda y: loss(y, 0.3, 0.1, compiled=False))(start)
    np.testing.assert_allclose(np.asarray(found), np.asarray(exact), rtol=1e-11)
    certify(lambda y: loss(y, 0.3, 0.1, compiled="auto"), start)  # the steps that were given up are forgotten


@pytest.mark.parametrize("t_eval", [None, [0.0, 0.3, 1.0]], ids=["steps", "times"])
def test_tangents_of_a_batch_are_there_where_one_trajectory_is_the_interpreters(t_eval: Any) -> None:
    def essential(t: float, y: Any) -> list[Any]:
        return [np.exp(-1.0 / y[1]) - y[0], 0.0 * y[1]]  # at 1e-200 its derivative is 0 times infinity

    starts = np.array([[1.0, 2.0], [1e-200, 1.0]])
    more: dict[str, Any] = {"t_eval": t_eval, "sensitivities": "y0", **TIGHT}
    batch = solve_ivp(essential, (0.0, 1.0), starts, "Radau", **more)
    assert list(batch.status) == [-1, 0]  # the interpreter, too, has no tangents there
    for j, way in enumerate((False, True)):
        one = solve_ivp(essential, (0.0, 1.0), starts[:, j], "Radau", compiled=way, **more)
        k = one.y.shape[-1]
        np.testing.assert_array_equal(batch.y[:, j, :k], one.y)
        np.testing.assert_array_equal(batch.dy_dy0[:, :, j, :k], one.dy_dy0)
    np.testing.assert_allclose(one.dy_dy0[0, 0, -1], np.exp(-1.0), rtol=1e-5)


@pytest.mark.parametrize("way", ["auto", False])
def test_step_without_a_derivative_befalls_one_trajectory_of_a_batch(way: Any) -> None:
    def essential(t: float, y: Any) -> list[Any]:
        return [np.exp(-1.0 / y[1]) - y[0], 0.0 * y[1]]

    more: dict[str, Any] = {"sensitivities": "y0", "compiled": way, **TIGHT}
    batch = solve_ivp(essential, (0.0, 1.0), [[1.0, 2.0], [1e-200, 1.0]], "Rodas5P", **more)
    assert list(batch.status) == [-1, 0]
    assert "has no derivative" in batch.message[0]
    one = solve_ivp(essential, (0.0, 1.0), [2.0, 1.0], "Rodas5P", **more)
    np.testing.assert_array_equal(batch.dy_dy0[:, :, 1, : one.y.shape[-1]], one.dy_dy0)
    with pytest.raises(RunError, match="has no derivative"):
        solve_ivp(essential, (0.0, 1.0), [1.0, 1e-200], "Rodas5P", **more)


@pytest.mark.parametrize("method", FEW)
def test_derivative_that_overflows_is_a_status_with_sensitivities_and_an_error_in_a_gradient(method: str) -> None:
    def growing(t: float, y: Any) -> list[Any]:
        return [900.0 * y[0], -y[1]]  # from 0 it stays there, and its derivative is exp(900 t)

    sol = solve_ivp(growing, (0.0, 1.0), [0.0, 1.0], method, sensitivities="y0", max_step=1e-3, compiled=True)
    assert sol.status == -1
    assert np.isfinite(sol.y).all()
    with pytest.raises(RunError, match="overflowed"):
        grad(lambda y: solve_ivp(growing, (0.0, 1.0), y, method, max_step=1e-3, compiled=True).y[0, -1])(
            np.array([0.0, 1.0])
        )


def test_singular_matrix_has_no_inverse() -> None:
    assert np.isnan(equations.inverted(np.array([np.eye(2), np.zeros((2, 2))]))).all()
    np.testing.assert_array_equal(equations.inverted(2.0 * np.eye(2)[None]), 0.5 * np.eye(2).reshape(4, 1))


def test_steps_too_large_for_machine_code_say_so() -> None:
    n = 20

    def coupled(t: float, y: Any) -> list[Any]:
        return [-y[i] + 0.1 * y[i - 1] * y[(i + 1) % n] for i in range(n)]

    with pytest.raises(ArgumentError, match=r"steps of up to 4000 operations; got one of .* by Radau"):
        solve_ivp(coupled, (0.0, 1.0), np.ones(n), "Radau", sensitivities="y0", compiled=True)
    assert solve_ivp(coupled, (0.0, 1.0), np.ones(n), "BDF", compiled=True).success
