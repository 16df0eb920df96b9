"""Derivatives through `solve_ivp`: reverse = forward = differences, for starts, parameters, arguments and times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops, ops
from diffsim.derivatives import grad, hessian, hvp, jacobian, jvp, value_and_grad
from diffsim.errors import ArgumentError, KindError, RunError
from diffsim.protocols import with_parameters
from diffsim.value import Value
from integrators import RK45, Solution, solve_ivp
from integrators._methods import flow_methods, method_class
from systems import DoublePendulum, HarmonicOscillator, Pendulum

METHODS = tuple(name for name in flow_methods() if (m := method_class(name)()).one_step and not m.separable)
SYSTEM = DoublePendulum(mass_1=1.2, length_2=0.8)
START = np.array([0.9, -0.4, 0.3, 0.6])
RNG = np.random.default_rng(7)


def fixed(name: str) -> dict[str, Any]:
    """Fixed steps for every method, so that differences see a smooth function."""
    method = method_class(name)()
    return {"method": method.with_step(0.0125 if method.n_copies > 1 else 0.025)}


def differences(f: Callable[[Any], Any], x: Any, step: float = 1e-4) -> Any:
    """Central differences of order 4: the derivative of f on the last axis of the result."""
    x = np.asarray(x, dtype=float)
    columns = []
    for i in range(x.size):
        e = np.zeros(x.size)
        e[i] = step
        e = e.reshape(x.shape)
        columns.append((8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * step))
    return np.stack(columns, axis=-1)


def driven(t: Any, y: Any, strength: Any, frequency: Any) -> list[Any]:
    return [y[1], -ops.sin(y[0]) + strength * ops.cos(frequency * t)]


# -- all routes agree --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_reverse_forward_and_differences_agree_by_the_start(name: str) -> None:
    def end(start: Any) -> Any:
        return solve_ivp(SYSTEM, (0.0, 1.0), start, **fixed(name)).y[:, -1]

    sol = solve_ivp(SYSTEM, (0.0, 1.0), START, sensitivities="y0", **fixed(name))
    reverse = jacobian(end)(START)
    _, pushed = jvp(end, (START,), (np.array([0.3, -0.2, 1.0, 0.5]),))
    np.testing.assert_allclose(sol.dy_dy0[..., -1], reverse, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(pushed, reverse @ [0.3, -0.2, 1.0, 0.5], rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(reverse, differences(end, START), rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(sol.dy_dy0[..., 0], np.eye(4))


@pytest.mark.parametrize("name", METHODS)
def test_reverse_forward_and_differences_agree_by_the_parameters(name: str) -> None:
    values = np.array(list(SYSTEM.parameters.values()))

    def end(parameters: Any) -> Any:
        return solve_ivp(with_parameters(SYSTEM, list(parameters)), (0.0, 1.0), START, **fixed(name)).y[:, -1]

    sol = solve_ivp(SYSTEM, (0.0, 1.0), START, sensitivities="params", **fixed(name))
    assert sol.param_names == SYSTEM.parameter_names
    reverse = jacobian(end)(values)
    np.testing.assert_allclose(sol.dy_dparams[..., -1], reverse, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(reverse, differences(end, values), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", METHODS)
def test_reverse_forward_and_differences_agree_by_the_arguments(name: str) -> None:
    def end(args: Any) -> Any:
        return solve_ivp(driven, (0.0, 1.0), [0.2, 0.1], args=(args[0], args[1]), **fixed(name)).y[:, -1]

    args = np.array([0.7, 1.9])
    sol = solve_ivp(driven, (0.0, 1.0), [0.2, 0.1], args=(0.7, 1.9), sensitivities=("y0", "params"), **fixed(name))
    assert sol.param_names == ("args[0]", "args[1]")
    assert sol.y0_names == ("y0[0]", "y0[1]")
    reverse = jacobian(end)(args)
    np.testing.assert_allclose(sol.dy_dparams[..., -1], reverse, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(reverse, differences(end, args), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("method", ["RK23", "RK45"])
@pytest.mark.parametrize("t_eval", [None, [0.31, 0.77, 1.0]])
def test_reverse_is_forward_through_chosen_steps_and_interpolants(method: str, t_eval: Any) -> None:
    def states(start: Any) -> Any:
        return solve_ivp(SYSTEM, (0.0, 1.0), start, method, t_eval=t_eval, rtol=1e-6, atol=1e-9).y

    sol = solve_ivp(SYSTEM, (0.0, 1.0), START, method, t_eval=t_eval, rtol=1e-6, atol=1e-9, sensitivities="y0")
    reverse = jacobian(states)(START)  # (n, n_times, n)
    np.testing.assert_allclose(np.moveaxis(sol.dy_dy0, 1, -1), reverse, rtol=1e-10, atol=1e-11)
    # The steps are frozen, so the derivative is that of the accepted steps; it converges to the flow's.
    np.testing.assert_allclose(reverse[:, -1], differences(lambda y: _exact_end(y), START), rtol=2e-3, atol=2e-3)


def _exact_end(start: Any) -> Any:
    return solve_ivp(SYSTEM, (0.0, 1.0), start, rtol=1e-12, atol=1e-13).y[:, -1]


def test_derivatives_converge_to_those_of_the_flow() -> None:
    system = HarmonicOscillator()
    omega = np.sqrt(system.stiffness / system.mass)
    sol = solve_ivp(system, (0.0, 2.0), [1.0, 0.5], rtol=1e-11, atol=1e-12, sensitivities="y0")
    c, s = np.cos(2.0 * omega), np.sin(2.0 * omega)
    flow = np.array([[c, s / (omega * system.mass)], [-s * omega * system.mass, c]])
    np.testing.assert_allclose(sol.dy_dy0[..., -1], flow, atol=1e-9)


@pytest.mark.parametrize("more", [{"method": "RK4", "step": 0.03}, {"method": "RK45", "rtol": 1e-10, "atol": 1e-12}])
def test_derivative_by_the_end_and_by_the_start_time(more: dict[str, Any]) -> None:
    def end(t0: Any, t1: Any) -> Any:
        return solve_ivp(driven, (t0, t1), [0.2, 0.1], args=(0.7, 1.9), **more).y[:, -1]

    by_start, by_end = jacobian(end, argnums=(0, 1))(0.2, 1.234)
    field = np.array([float(x) for x in driven(1.234, end(0.2, 1.234), 0.7, 1.9)])
    np.testing.assert_allclose(by_end, field, rtol=1e-5)
    wanted = differences(lambda t: _tight(t[0], 1.234), [0.2])[..., 0]
    np.testing.assert_allclose(by_start, wanted, rtol=1e-4, atol=1e-6)


def _tight(t0: float, t1: float) -> Any:
    return solve_ivp(driven, (t0, t1), [0.2, 0.1], args=(0.7, 1.9), rtol=1e-12, atol=1e-13).y[:, -1]


@pytest.mark.parametrize("more", [{"method": "RK4", "step": 0.1}, {"method": "RK45", "rtol": 1e-9, "atol": 1e-12}])
def test_state_at_a_fixed_save_time_does_not_move_with_the_end(more: dict[str, Any]) -> None:
    def saved(t1: Any) -> Any:
        return solve_ivp(driven, (0.0, t1), [0.2, 0.1], args=(0.7, 1.9), t_eval=[0.5, 1.0], **more).y[0]

    np.testing.assert_allclose(jacobian(saved)(1.0), [0.0, 0.0], atol=1e-5)


def test_second_derivatives_through_a_solve_agree_in_all_four_orders() -> None:
    def loss(start: Any) -> Any:
        y = solve_ivp(Pendulum(damping=0.1), (0.0, 1.0), start, "RK4", step=0.1).y
        return y[0, -1] ** 2 + y[0, -1] * y[1, -1]

    start, v = np.array([0.9, 0.2]), np.array([0.4, -1.0])
    full = hessian(loss)(start)
    np.testing.assert_allclose(full, full.T, rtol=1e-10)
    np.testing.assert_allclose(full, differences(grad(loss), start), rtol=1e-7)
    np.testing.assert_allclose(hvp(loss, start, v), full @ v, rtol=1e-9)
    np.testing.assert_allclose(jvp(grad(loss), (start,), (v,))[1], full @ v, rtol=1e-9)
    forward_forward = jvp(lambda x: jvp(loss, (x,), (v,))[1], (start,), (v,))[1]
    np.testing.assert_allclose(forward_forward, v @ full @ v, rtol=1e-9)
    reverse_forward = grad(lambda x: jvp(loss, (x,), (v,))[1])(start)
    np.testing.assert_allclose(reverse_forward, full @ v, rtol=1e-9)


def test_gradient_of_a_sensitivity_is_the_second_derivative() -> None:
    def norm(start: Any) -> Any:
        sol = solve_ivp(Pendulum(), (0.0, 1.0), start, "RK4", step=0.1, sensitivities="y0")
        return sol.dy_dy0[0, 0, -1]

    start = np.array([0.9, 0.2])
    np.testing.assert_allclose(grad(norm)(start), differences(norm, start), rtol=1e-8)


# -- Values in, Values out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{"method": "RK4", "step": 0.1}, {"method": "RK45"}])
def test_values_anywhere_give_values_out(more: dict[str, Any]) -> None:
    gravity = Value(9.8)
    for fun, span, start, args in (
        (driven, (0.0, 1.0), [Value(0.2), 0.1], (0.7, 1.9)),
        (driven, (0.0, 1.0), [0.2, 0.1], (Value(0.7), 1.9)),
        (driven, (0.0, Value(1.0)), [0.2, 0.1], (0.7, 1.9)),
        (driven, (Value(0.0), 1.0), [0.2, 0.1], (0.7, 1.9)),
        (with_parameters(Pendulum(), {"gravity": gravity}), (0.0, 1.0), [0.2, 0.1], None),
        (lambda t, y: [y[1], -gravity * ops.sin(y[0])], (0.0, 1.0), [0.2, 0.1], None),  # closures differentiate
        (lambda t, y: np.array([y[1], -gravity * np.sin(y[0])]), (0.0, 1.0), [0.2, 0.1], None),
    ):
        sol = solve_ivp(fun, span, start, args=args, **more)
        assert isinstance(sol.y, Value)
        assert sol.y.shape == (2, len(sol.t))
        assert isinstance(sol.t, np.ndarray)
        sol.y[0, -1].backward()
    assert gravity.grad != 0.0


@pytest.mark.parametrize("method", ["RK4", "RK45"])
def test_values_give_the_bits_of_floats(method: str) -> None:
    more = {"method": "RK4", "step": 0.1} if method == "RK4" else {"method": method}
    plain = solve_ivp(SYSTEM, (0.0, 1.0), START, compiled=False, **more)
    recorded = solve_ivp(SYSTEM, (0.0, 1.0), [Value(x) for x in START], compiled=False, **more)
    np.testing.assert_array_equal(recorded.t, plain.t)
    np.testing.assert_array_equal(recorded.y.data, plain.y)


@pytest.mark.parametrize("more", [{"method": "RK4", "step": 0.1}, {"method": "RK45"}])
def test_gradient_of_a_batch_is_that_of_single_solves(more: dict[str, Any]) -> None:
    # galpy#1344, diffrax#692: gradients under a batch with adaptive steps.
    starts = RNG.uniform(-1, 1, (4, 5))

    def loss(fun: Any) -> Callable[[Any], Any]:
        return lambda x: array_ops.sum(solve_ivp(fun, (0.0, 1.0), x, t_eval=[1.0], **more).y[0] ** 2)

    together = grad(loss(SYSTEM))(starts)
    apart = np.stack([grad(loss(SYSTEM))(starts[:, i]) for i in range(5)], axis=1)
    np.testing.assert_allclose(together, apart, rtol=1e-13)
    plain = grad(loss(lambda t, y: SYSTEM(t, y)))(starts)
    np.testing.assert_allclose(plain, apart, rtol=1e-13)


def test_gradient_of_a_ragged_batch_without_save_times() -> None:
    starts = np.array([[0.1, 1.0, 2.0, 3.0], [0.0, 0.5, 3.0, 9.0]])

    def loss(x: Any) -> Any:
        sol = solve_ivp(Pendulum(), (0.0, 2.0), x)
        assert len(set(sol.n_times.tolist())) > 1
        return sum(sol.y[0, i, sol.n_times[i] - 1] for i in range(4))

    apart = [grad(lambda x: solve_ivp(Pendulum(), (0.0, 2.0), x).y[0, -1])(starts[:, i]) for i in range(4)]
    np.testing.assert_allclose(grad(loss)(starts), np.stack(apart, axis=1), rtol=1e-13)


# -- selections --------------------------------------------------------------------------------------------------


def _both(names: Any) -> tuple[Solution, Solution]:
    # Machine code is the same to rounding only, as it is written for the directions: see test_compiled_derivatives.
    more: dict[str, Any] = {"method": "RK4", "step": 0.05, "compiled": False}
    every = solve_ivp(SYSTEM, (0.0, 1.0), START, sensitivities=("y0", "params"), **more)
    return every, solve_ivp(SYSTEM, (0.0, 1.0), START, sensitivities=names, **more)


@pytest.mark.parametrize(
    ("names", "components", "parameters"),
    [
        ("y0", [0, 1, 2, 3], None),
        ("params", None, [0, 1, 2, 3, 4]),
        (("params", "y0"), [0, 1, 2, 3], [0, 1, 2, 3, 4]),
        (("theta_2", "p_1"), [1, 2], None),
        (("y0[3]", "length_2", "gravity"), [3], [4, 0]),
        ("mass_1", None, [1]),
    ],
)
def test_selection_is_a_part_of_the_whole(names: Any, components: Any, parameters: Any) -> None:
    # casadi/casadi#3783: the sensitivity of a part must be the part of the sensitivity.
    every, some = _both(names)
    np.testing.assert_array_equal(some.y, every.y)
    if components is None:
        assert some.dy_dy0 is None
    else:
        np.testing.assert_array_equal(some.dy_dy0, every.dy_dy0[:, components])
        assert some.y0_names == tuple(SYSTEM.state_names[i] for i in components)
    if parameters is None:
        assert some.dy_dparams is None
    else:
        np.testing.assert_array_equal(some.dy_dparams, every.dy_dparams[:, parameters])
        assert some.param_names == tuple(SYSTEM.parameter_names[i] for i in parameters)


def test_array_arguments_are_parameters_number_by_number() -> None:
    matrix = np.array([[0.0, 1.0], [-2.0, -0.1]])

    def f(t: Any, y: Any, a: Any, name: str) -> Any:
        return a @ y

    sol = solve_ivp(f, (0.0, 1.0), [1.0, 0.5], "RK4", step=0.1, args=(matrix, "label"), sensitivities="params")
    assert sol.param_names == ("args[0][0, 0]", "args[0][0, 1]", "args[0][1, 0]", "args[0][1, 1]")

    def end(a: Any) -> Any:
        return solve_ivp(f, (0.0, 1.0), [1.0, 0.5], "RK4", step=0.1, args=(a, "label")).y[:, -1]

    np.testing.assert_allclose(sol.dy_dparams[..., -1], differences(end, matrix), rtol=1e-9, atol=1e-10)


def test_function_without_arguments_has_no_parameters() -> None:
    sol = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0, 2.0], "RK4", step=0.1, sensitivities=("y0", "params"))
    assert sol.dy_dparams.shape == (2, 0, 11)
    assert sol.dy_dy0.shape == (2, 2, 11)
    alone = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0, 2.0], "RK4", step=0.1, sensitivities="params")
    assert alone.dy_dparams.shape == (2, 0, 11)


def test_trajectories_may_each_have_their_own_parameter() -> None:
    gravity = np.linspace(5.0, 15.0, 6).reshape(2, 3)
    system = with_parameters(Pendulum(), {"gravity": gravity})
    starts = np.broadcast_to(np.array([0.7, 0.0])[:, None, None], (2, 2, 3))
    for more in ({"method": "RK4", "step": 0.05}, {"method": "RK45"}):
        sol = solve_ivp(system, (0.0, 1.0), starts, t_eval=[0.4, 1.0], sensitivities=("y0", "gravity"), **more)
        for spot in np.ndindex(2, 3):
            one = solve_ivp(
                Pendulum(gravity=gravity[spot]),
                (0.0, 1.0),
                [0.7, 0.0],
                t_eval=[0.4, 1.0],
                sensitivities=("y0", "gravity"),
                **more,
            )
            np.testing.assert_array_equal(sol.y[(slice(None), *spot)], one.y)
            np.testing.assert_array_equal(sol.dy_dparams[(slice(None), slice(None), *spot)], one.dy_dparams)


def test_vectorized_function_takes_the_whole_batch_with_sensitivities() -> None:
    calls = []

    def f(t: Any, y: Any, rate: Any) -> Any:
        calls.append(y.shape)
        return array_ops.stack([y[1], -rate * y[0]])

    starts = RNG.uniform(-1, 1, (2, 2, 3))
    more = {"method": "RK4", "step": 0.1, "args": (1.5,), "sensitivities": ("y0", "params"), "compiled": False}
    sol = solve_ivp(f, (0.0, 1.0), starts, vectorized=True, **more)
    assert set(calls) == {(2, 2, 3)}
    one = solve_ivp(f, (0.0, 1.0), starts[:, 1, 2], **more)
    np.testing.assert_array_equal(sol.y[:, 1, 2], one.y)
    np.testing.assert_array_equal(sol.dy_dy0[:, :, 1, 2], one.dy_dy0)
    np.testing.assert_array_equal(sol.dy_dparams[:, :, 1, 2], one.dy_dparams)


# -- refused rather than wrong -----------------------------------------------------------------------------------


def test_failed_solve_that_carries_derivatives_is_refused() -> None:
    def loss(x: Any) -> Any:
        return solve_ivp(lambda t, y: y * y, (0.0, 2.0), [x], RK45()).y[0, -1]

    with pytest.raises(RunError, match="carries derivatives and failed"):
        value_and_grad(loss)(1.0)


def test_failed_trajectory_of_a_batch_has_nan_for_a_gradient_and_its_neighbours_have_their_own() -> None:
    def f(t: Any, y: Any) -> Any:
        return y * y

    def loss(x: Any) -> Any:
        return solve_ivp(f, (0.0, 2.0), x, "RK4", step=0.01).y[0, :, -1]

    table = jacobian(loss)(np.array([[0.1, 1.0, 0.2]]))[:, 0, :]
    single = jacobian(lambda x: solve_ivp(f, (0.0, 2.0), [x], "RK4", step=0.01).y[0, -1])(0.1)
    assert table[0, 0] == pytest.approx(float(single), rel=1e-14)
    assert np.isnan(loss(np.array([[0.1, 1.0, 0.2]]))[1])
    assert np.isfinite(table[[0, 2]]).all()


def test_derivative_that_is_not_finite_has_a_status_and_a_time() -> None:
    def steep(t: Any, y: Any) -> list[Any]:
        return [0.0 * y[0], ops.sin(1e200 * y[0]), ops.sin(1e200 * y[1])]

    more = {"method": "Euler", "step": 0.5, "sensitivities": "y0"}
    fine = solve_ivp(steep, (0.0, 0.5), [0.0, 0.0, 0.0], **more)
    assert fine.status == 0
    sol = solve_ivp(steep, (0.0, 2.0), [0.0, 0.0, 0.0], **more)
    assert (sol.y == 0.0).all()
    assert sol.status == -1
    assert sol.message.startswith("The derivative of the state became NaN or infinite at or before t=1.0. ")
    batch = solve_ivp(steep, (0.0, 2.0), np.zeros((3, 2)), **more)
    assert batch.message.tolist() == [sol.message] * 2


def test_derivative_by_the_step_and_by_tolerances_is_refused() -> None:
    with pytest.raises(KindError, match="step must be a plain number"):
        solve_ivp(driven, (0.0, 1.0), [0.2, 0.1], "RK4", args=(0.7, 1.9), step=Value(0.1))
    with pytest.raises(KindError, match="rtol must be a plain number"):
        solve_ivp(driven, (0.0, 1.0), [0.2, 0.1], args=(0.7, 1.9), rtol=Value(0.1))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("gravitty", "unknown sensitivity 'gravitty'; it has y0, params, theta_1, .* Did you mean 'gravity'"),
        (("y0", "theta_1"), "sensitivities must name each start and parameter once"),
        ("args[0]", "unknown sensitivity"),
    ],
)
def test_unknown_or_repeated_sensitivity_is_refused(names: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=f"^solve_ivp: {words}"):
        solve_ivp(SYSTEM, (0.0, 1.0), START, sensitivities=names)
