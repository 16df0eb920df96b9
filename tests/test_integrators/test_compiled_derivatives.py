"""Derivatives of compiled solves: adjoint = tangents = recorded step by step = differences, to any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsim import array_ops
from diffsim.compiler import engine
from diffsim.derivatives import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from diffsim.protocols import with_parameters
from diffsim.testing import check_gradients
from diffsim.value import Value
from integrators import Integrator, RungeKutta, solve_ivp
from integrators._integrator import Step
from integrators._methods import flow_methods, method_class
from systems import DoublePendulum

pytestmark = pytest.mark.skipif(not engine.available(), reason="needs llvmlite")

LONG = ("Rodas5P", "Vern9")
"""Methods whose adjoints take longest to compile."""

METHODS = [
    pytest.param(name, marks=pytest.mark.slow if method_class(name)().pays_from or name in LONG else ())
    for name in flow_methods()
    if (m := method_class(name)()).traceable and not m.separable
]
SYSTEM = DoublePendulum(mass_1=1.2, length_2=0.8)
PARAMETERS = np.array(list(SYSTEM.parameters.values()))
START = np.array([0.5, 0.5, 0.0, 0.0])  # regular
RNG = np.random.default_rng(11)
BUDGETS = (1e3, 1e4, 1e6, 1e9)
MODES = [True, False]


def driven(t: Any, y: Any, strength: Any, frequency: Any) -> list[Any]:
    """A pendulum that is driven: its field depends on the time."""
    return [y[1], -np.sin(y[0]) + strength * np.cos(frequency * t)]


ARGS = (0.7, 1.9)
FEW = {"method": "RK4", "step": 0.05, "t_eval": [0.0, 0.21, 0.4, 0.43, 0.435, 1.0, 1.02]}
"""Save times at the start, at nodes, between them (two after one node), at and before a shortened last step."""


def weighted(y: Any) -> Any:
    """A scalar in which every saved number counts, each with its own weight, and products, too."""
    weights = np.cos(np.arange(y.size if isinstance(y, np.ndarray) else np.prod(y.shape))).reshape(y.shape)
    return array_ops.sum(weights * y) + array_ops.sum(y * y) * 0.5


def loss_of(
    fun: Any = SYSTEM, span: tuple[float, float] = (0.0, 1.02), compiled: bool = True, **more: Any
) -> Callable[..., Any]:
    """Start, and a System's parameters if given, to a scalar."""
    options = {**FEW, **more}

    def loss(start: Any, parameters: Any = None) -> Any:
        system = fun if parameters is None else with_parameters(fun, list(parameters))
        return weighted(solve_ivp(system, span, start, compiled=compiled, **options).y)

    return loss


# -- all routes agree ------------------------------------------------------------------------------------------------


def _rounding(name: str) -> float:
    """What rounding may leave of a derivative: more where stages are differences of much larger terms."""
    method = method_class(name)()
    return 1e-10 if isinstance(method, RungeKutta) and method.tableau.largest > 100.0 else 1e-12


@pytest.mark.parametrize("name", METHODS)
def test_adjoint_is_the_tangents_and_the_recorded_solve(name: str) -> None:
    more: dict[str, Any] = {**FEW, "method": name}
    few = _rounding(name)

    def states(start: Any, parameters: Any, compiled: bool = True) -> Any:
        system = with_parameters(SYSTEM, list(parameters))
        return solve_ivp(system, (0.0, 1.02), start, compiled=compiled, **more).y

    sol = solve_ivp(SYSTEM, (0.0, 1.02), START, sensitivities=("y0", "params"), compiled=True, **more)
    _, pullback = vjp(states, START, PARAMETERS)
    _, recorded = vjp(lambda y, p: states(y, p, compiled=False), START, PARAMETERS)
    for _ in range(3):
        g = RNG.standard_normal(sol.y.shape)
        by_start, by_parameter = pullback(g)
        scale = np.abs(by_start).max(), np.abs(by_parameter).max()
        tangents = np.einsum("it,ijt->j", g, sol.dy_dy0), np.einsum("it,ijt->j", g, sol.dy_dparams)
        np.testing.assert_allclose(by_start, tangents[0], rtol=0, atol=few * scale[0])
        np.testing.assert_allclose(by_parameter, tangents[1], rtol=0, atol=few * scale[1])
        np.testing.assert_allclose(by_start, recorded(g)[0], rtol=0, atol=few * scale[0])
        np.testing.assert_allclose(by_parameter, recorded(g)[1], rtol=0, atol=few * scale[1])
        v, w = RNG.standard_normal(4), RNG.standard_normal(5)
        y, pushed = jvp(states, (START, PARAMETERS), (v, w))
        np.testing.assert_allclose(y, sol.y, rtol=1e10 * few**2, atol=1e9 * few**2)
        assert (g * pushed).sum() == pytest.approx(by_start @ v + by_parameter @ w, rel=10.0 * few)


@pytest.mark.parametrize("span", [(0.0, 2.0), (2.0, 0.0)], ids=["forwards", "backwards"])
def test_gradient_of_a_regular_solve_is_the_recorded_one(span: tuple[float, float]) -> None:
    more: dict[str, Any] = {"t_eval": None, "step": 0.01, "span": span}
    machine = grad(loss_of(**more), (0, 1))(START, PARAMETERS)
    recorded = grad(loss_of(compiled=False, **more), (0, 1))(START, PARAMETERS)
    for a, b in zip(machine, recorded, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max())


def test_gradient_of_a_long_regular_solve_is_the_tangent() -> None:
    def end(y: Any) -> Any:
        return solve_ivp(DoublePendulum(), (0.0, 100.0), y, "RK4", step=0.01, t_eval=[100.0], compiled=True).y[:, -1]

    sol = solve_ivp(
        DoublePendulum(), (0.0, 100.0), START, "RK4", step=0.01, t_eval=[100.0], sensitivities="y0", compiled=True
    )
    table = jacobian(end, mode="reverse")(START)
    np.testing.assert_allclose(table, sol.dy_dy0[..., -1], rtol=0, atol=1e-10 * np.abs(table).max())


def test_differences_agree_by_start_and_parameters_to_second_order() -> None:
    more = {"step": 0.1, "t_eval": [0.33, 0.8]}
    report = check_gradients(loss_of(**more, span=(0.0, 0.8)), START, PARAMETERS, order=2, directions=2)
    assert report.unresolved == ()


def test_differences_agree_by_arguments_to_second_order() -> None:
    def loss(start: Any, args: Any) -> Any:
        sol = solve_ivp(driven, (0.0, 1.02), start, args=(args[0], args[1]), compiled=True, **FEW)
        return weighted(sol.y)

    report = check_gradients(loss, np.array([0.2, 0.1]), np.array(ARGS), order=2)
    assert report.unresolved == ()


@pytest.mark.parametrize("compiled", MODES)
def test_values_give_the_bits_of_floats(compiled: bool) -> None:
    for y0 in (START, RNG.uniform(-1, 1, (4, 3)), RNG.uniform(-1, 1, (4, 9))):
        plain = solve_ivp(SYSTEM, (0.0, 1.02), y0, compiled=compiled, **FEW)
        recorded = solve_ivp(SYSTEM, (0.0, 1.02), Value(y0), compiled=compiled, **FEW)
        assert isinstance(recorded.y, Value)
        np.testing.assert_array_equal(recorded.y.data, plain.y)
        np.testing.assert_array_equal(recorded.t, plain.t)
        np.testing.assert_array_equal(recorded.nfev, plain.nfev)


# -- where the derivative goes ---------------------------------------------------------------------------------------


GRAVITY: Any = 9.8


def with_global(t: Any, y: Any) -> list[Any]:
    return [y[1], -GRAVITY * np.sin(y[0])]


def with_default(value: Any) -> Callable[..., Any]:
    def f(t: Any, y: Any, gravity: Any = value) -> list[Any]:
        return [y[1], -gravity * np.sin(y[0])]

    return f


def with_closure(value: Any) -> Callable[..., Any]:
    def f(t: Any, y: Any) -> list[Any]:
        return [y[1], -value * np.sin(y[0])]

    return f


class WithAttribute:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, t: Any, y: Any) -> list[Any]:
        return [y[1], -self.value * np.sin(y[0])]

    def field(self, t: Any, y: Any) -> list[Any]:
        return [y[1], -self.value * np.sin(y[0])]


def _by_global(value: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(globals(), "GRAVITY", value)
    return with_global, None


ROUTES: dict[str, Callable[..., Any]] = {
    "args": lambda value, _: (lambda t, y, g: [y[1], -g * np.sin(y[0])], (value,)),
    "closure": lambda value, _: (with_closure(value), None),
    "default": lambda value, _: (with_default(value), None),
    "global": _by_global,
    "attribute": lambda value, _: (WithAttribute(value), None),
    "method": lambda value, _: (WithAttribute(value).field, None),
    "array in args": lambda value, _: (
        lambda t, y, a: a @ np.array([np.sin(y[0]), y[1]]),
        (array_ops.stack([array_ops.stack([0.0, 1.0]), array_ops.stack([-value, 0.0])]),),
    ),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("batch", [(), (5,)])
def test_derivative_finds_its_way_to_a_number(route: str, batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = np.array([0.5, 0.1]) if batch == () else RNG.uniform(0.2, 1.0, (2, *batch))

    def loss(value: Any, compiled: bool = True) -> Any:
        fun, args = ROUTES[route](value, monkeypatch)
        return weighted(solve_ivp(fun, (0.0, 1.02), starts, args=args, compiled=compiled, **FEW).y)

    value, slope = value_and_grad(loss)(9.8)
    reference, wanted = value_and_grad(lambda x: loss(x, compiled=False))(9.8)
    assert value == pytest.approx(reference, rel=1e-13)
    assert slope == pytest.approx(wanted, rel=1e-11)
    assert abs(slope) > 1e-3
    assert jvp(loss, (9.8,), (1.0,))[1] == pytest.approx(wanted, rel=1e-11)
    h = 1e-4
    assert (loss(9.8 + h) - loss(9.8 - h)) / (2 * h) == pytest.approx(wanted, rel=1e-6)


def test_derivative_by_one_parameter_alone_is_that_of_all() -> None:
    # Only the parameters that carry derivatives have cotangents: those must be the right ones.
    every = grad(loss_of(), 1)(START, PARAMETERS)
    for j, name in enumerate(SYSTEM.parameter_names):

        def loss(x: Any, name: str = name) -> Any:
            system = with_parameters(SYSTEM, {name: x})
            return weighted(solve_ivp(system, (0.0, 1.02), START, compiled=True, **FEW).y)

        assert grad(loss)(PARAMETERS[j]) == pytest.approx(every[j], rel=1e-13)


@pytest.mark.parametrize("m", [1, 3, 9, 20])
def test_parameters_of_lanes_and_shared_ones_have_the_gradients_of_single_solves(m: int) -> None:
    starts = START[:, None] + RNG.uniform(-0.2, 0.2, (4, m))
    masses, gravity = RNG.uniform(0.8, 1.4, m), 9.5

    def loss(starts: Any, masses: Any, gravity: Any) -> Any:
        system = with_parameters(SYSTEM, {"mass_1": masses, "gravity": gravity})
        y = solve_ivp(system, (0.0, 1.02), starts, compiled=True, **FEW).y
        return array_ops.sum(y * y * np.cos(np.arange(7.0)))

    together = grad(loss, (0, 1, 2))(starts, masses, gravity)
    apart = [grad(loss, (0, 1, 2))(starts[:, i], masses[i], gravity) for i in range(m)]
    np.testing.assert_array_equal(together[0], np.stack([one[0] for one in apart], axis=1))
    np.testing.assert_array_equal(together[1], [one[1] for one in apart])
    assert together[2] == pytest.approx(sum(one[2] for one in apart), rel=1e-13)


def test_gradient_has_the_same_bits_for_every_batch_place_and_number_of_threads() -> None:
    starts = START[:, None] + RNG.uniform(-0.2, 0.2, (4, 33))

    def table(starts: Any, threads: int | None = 1) -> Any:
        def loss(x: Any) -> Any:
            y = solve_ivp(SYSTEM, (0.0, 1.02), x, compiled=True, threads=threads, **FEW).y
            return array_ops.sum(y * y * np.cos(np.arange(7.0)))

        return grad(loss)(starts)

    every = table(starts)
    for i in range(33):
        np.testing.assert_array_equal(table(starts[:, i]), every[:, i])
    for size in (1, 2, 3, 7, 8, 9, 16, 17, 33):
        order = RNG.permutation(33)[:size]
        np.testing.assert_array_equal(table(starts[:, order]), every[:, order])
    for threads in (2, 8, None):
        np.testing.assert_array_equal(table(starts, threads), every)
        np.testing.assert_array_equal(table(np.tile(starts, 4), threads), np.tile(every, 4))


def test_gradient_by_shared_parameters_has_the_same_bits_for_every_number_of_threads() -> None:
    starts = START[:, None] + RNG.uniform(-0.2, 0.2, (4, 100))
    wanted = None
    for threads in (1, 2, 8, None, 1):
        found = grad(loss_of(threads=threads), 1)(starts, PARAMETERS)
        wanted = found if wanted is None else wanted
        np.testing.assert_array_equal(found, wanted)


def test_empty_batch_has_an_empty_gradient_and_none_by_the_parameters() -> None:
    by_start, by_parameter = grad(loss_of(), (0, 1))(np.zeros((4, 0)), PARAMETERS)
    assert by_start.shape == (4, 0)
    np.testing.assert_array_equal(by_parameter, np.zeros(5))


def test_gradient_where_no_step_is_taken_or_nothing_is_saved() -> None:
    def start_only(y: Any) -> Any:
        return array_ops.sum(solve_ivp(SYSTEM, (0.0, 1.0), y, "RK4", step=0.1, t_eval=[0.0], compiled=True).y ** 2)

    np.testing.assert_array_equal(grad(start_only)(START), 2 * START)

    def no_span(y: Any) -> Any:
        return array_ops.sum(solve_ivp(SYSTEM, (1.0, 1.0), y, "RK4", step=0.1, compiled=True).y[:, 0] ** 2)

    np.testing.assert_array_equal(grad(no_span)(START), 2 * START)

    def nothing(y: Any) -> Any:
        sol = solve_ivp(SYSTEM, (0.0, 1.0), y, "RK4", step=0.1, t_eval=[], compiled=True)
        return array_ops.sum(sol.y) + y[0]

    np.testing.assert_array_equal(grad(nothing)(START), [1.0, 0.0, 0.0, 0.0])


# -- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [(), (3,), (9,)])
def test_gradient_has_the_same_bits_whatever_memory_it_may_use(batch: Any) -> None:
    # From stretches of a few steps to everything stored; save times on and beside the nodes, also next to the seams.
    starts = START if batch == () else START[:, None] + RNG.uniform(-0.1, 0.1, (4, *batch))
    times = np.unique([*np.arange(0.0, 10.0, 0.1), *RNG.uniform(0.0, 10.005, 50), 10.005])
    found = []
    for memory in BUDGETS:
        more: dict[str, Any] = {"step": 0.01, "t_eval": times, "span": (0.0, 10.005), "memory": memory}
        found.append(value_and_grad(loss_of(**more), (0, 1))(starts, PARAMETERS))
    for value, (by_start, by_parameter) in found:
        assert value == found[0][0]
        np.testing.assert_array_equal(by_start, found[0][1][0])
        np.testing.assert_array_equal(by_parameter, found[0][1][1])


def test_gradient_with_every_node_saved_does_not_depend_on_the_memory() -> None:
    found = [grad(loss_of(t_eval=None, step=0.01, memory=memory))(START) for memory in BUDGETS]
    for one in found:
        np.testing.assert_array_equal(one, found[0])


def test_second_derivative_does_not_depend_on_the_memory() -> None:
    more: dict[str, Any] = {"step": 0.02, "t_eval": [0.5, 1.0, 1.013]}
    found = [hessian(loss_of(memory=memory, **more))(START) for memory in BUDGETS]
    for one in found:
        np.testing.assert_array_equal(one, found[0])


@settings(max_examples=40)
@given(
    t0=st.floats(-10, 10),
    span=st.floats(1e-3, 3.0),
    backwards=st.booleans(),
    n_steps=st.floats(1.0, 60.0),
    places=st.lists(st.floats(0.0, 1.0), max_size=12),
    near=st.lists(st.tuples(st.integers(0, 60), st.sampled_from([0.0, 1e-15, -1e-15, 1e-9, 0.999999])), max_size=6),
    every=st.booleans(),
    size=st.sampled_from([0, 1, 3, 9]),
    memory=st.sampled_from([10.0, 500.0, 5e3, 1e9]),
)
def test_any_plan_of_steps_and_save_times_gives_the_interpreted_states_and_gradient(
    t0: float,
    span: float,
    backwards: bool,
    n_steps: float,
    places: list[float],
    near: list[tuple[int, float]],
    every: bool,
    size: int,
    memory: float,
) -> None:
    t1 = t0 - span if backwards else t0 + span
    h = abs(t1 - t0) / n_steps
    times = [t0 + x * (t1 - t0) for x in places] + [t0 + (k + x) * np.sign(t1 - t0) * h for k, x in near]
    kept = sorted({float(x) for x in times if min(t0, t1) <= x <= max(t0, t1)}, reverse=backwards)
    y0 = np.array([0.9, 0.2]) if size == 0 else np.linspace(-1.0, 1.0, 2 * size).reshape(2, size)

    def states(y0: Any, strength: Any, compiled: bool) -> Any:
        more: dict[str, Any] = {"t_eval": None if every else kept, "step": h, "compiled": compiled, "memory": memory}
        return solve_ivp(driven, (t0, t1), y0, "RK4", args=(strength, 1.9), **more).y

    value, pullback = vjp(lambda y, a: states(y, a, True), y0, 0.7)
    reference, recorded = vjp(lambda y, a: states(y, a, False), y0, 0.7)
    assert value.shape == reference.shape
    np.testing.assert_allclose(value, reference, rtol=1e-12, atol=1e-12)
    g = np.cos(np.arange(value.size)).reshape(value.shape)
    for a, b in zip(pullback(g), recorded(g), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


# -- higher orders ---------------------------------------------------------------------------------------------------


def test_second_derivatives_agree_in_all_four_compositions() -> None:
    machine, recorded = loss_of(), loss_of(compiled=False)

    def of(x: Any, loss: Callable[..., Any] = machine) -> Any:
        return loss(x[:4], x[4:])

    x = np.concatenate([START, PARAMETERS])
    v = RNG.standard_normal(9)
    wanted = hvp(lambda x: of(x, recorded), x, v)
    scale = {"rtol": 0, "atol": 1e-11 * np.abs(wanted).max()}
    np.testing.assert_allclose(jvp(grad(of), (x,), (v,))[1], wanted, **scale)
    np.testing.assert_allclose(grad(lambda x: array_ops.sum(grad(of)(x) * v))(x), wanted, **scale)
    np.testing.assert_allclose(grad(lambda x: jvp(of, (x,), (v,))[1])(x), wanted, **scale)
    twice = jvp(lambda x: jvp(of, (x,), (v,))[1], (x,), (v,))[1]
    assert twice == pytest.approx(v @ wanted, rel=1e-11)


@pytest.mark.parametrize("m", [1, 3, 9])
def test_second_derivatives_of_a_batch_with_shared_parameters_agree_in_all_four_compositions(m: int) -> None:
    starts = START[:, None] + RNG.uniform(-0.2, 0.2, (4, m))

    def of(y: Any, p: Any, compiled: bool = True) -> Any:
        return loss_of(compiled=compiled)(y, p)

    at, along = (starts, PARAMETERS), (RNG.standard_normal((4, m)), RNG.standard_normal(5))
    wanted = hvp(lambda y, p: of(y, p, compiled=False), at, along)

    def inner(y: Any, p: Any) -> Any:
        a, b = grad(of, (0, 1))(y, p)
        return array_ops.sum(a * along[0]) + array_ops.sum(b * along[1])

    def pushed(y: Any, p: Any) -> Any:
        return jvp(of, (y, p), along)[1]

    forms = [hvp(of, at, along), grad(inner, (0, 1))(*at), grad(pushed, (0, 1))(*at)]
    for found in forms:
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * np.abs(b).max())
    twice = jvp(pushed, at, along)[1]
    assert twice == pytest.approx(sum((a * b).sum() for a, b in zip(wanted, along, strict=True)), rel=1e-10)


def test_second_derivatives_with_parameters_of_lanes() -> None:
    starts = START[:, None] + RNG.uniform(-0.2, 0.2, (4, 3))
    masses, v = RNG.uniform(0.8, 1.4, 3), RNG.standard_normal(3)

    def loss(masses: Any, compiled: bool = True) -> Any:
        system = with_parameters(SYSTEM, {"mass_1": masses})
        return weighted(solve_ivp(system, (0.0, 1.02), starts, compiled=compiled, **FEW).y)

    wanted = hvp(lambda x: loss(x, compiled=False), masses, v)
    np.testing.assert_allclose(hvp(loss, masses, v), wanted, rtol=1e-10)
    np.testing.assert_allclose(grad(lambda x: array_ops.sum(grad(loss)(x) * v))(masses), wanted, rtol=1e-10)
    np.testing.assert_allclose(grad(lambda x: jvp(loss, (x,), (v,))[1])(masses), wanted, rtol=1e-10)


def test_hessian_is_symmetric_and_that_of_the_recorded_solve() -> None:
    full = hessian(loss_of())(START)
    np.testing.assert_allclose(full, full.T, rtol=1e-11, atol=1e-12 * np.abs(full).max())
    np.testing.assert_allclose(full, hessian(loss_of(compiled=False))(START), rtol=0, atol=1e-11 * np.abs(full).max())


def test_third_derivatives_agree_in_every_composition() -> None:
    def scalar(x: Any, compiled: bool = True) -> Any:
        sol = solve_ivp(
            driven, (0.0, 0.5), array_ops.stack([x, 0.3 * x]), "RK4", step=0.1, args=(x, 1.9), compiled=compiled
        )
        return sol.y[0, -1] * sol.y[1, -1]

    def forward(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: jvp(f, (x,), (1.0,))[1]

    wanted = grad(grad(grad(lambda x: scalar(x, compiled=False))))(0.7)
    for a in (grad, forward):
        for b in (grad, forward):
            for c in (grad, forward):
                assert a(b(c(scalar)))(0.7) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("names", ["y0", ("y0", "params"), ("theta_2", "gravity")])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_gradient_of_a_sensitivity_is_the_second_derivative(names: Any, batch: Any) -> None:
    starts = START if batch == () else START[:, None] + RNG.uniform(-0.2, 0.2, (4, *batch))

    def of(compiled: bool) -> Callable[..., Any]:
        def size(start: Any, parameters: Any) -> Any:
            system = with_parameters(SYSTEM, list(parameters))
            sol = solve_ivp(system, (0.0, 1.02), start, sensitivities=names, compiled=compiled, **FEW)
            out = array_ops.sum(sol.dy_dy0 * sol.dy_dy0)
            return out if sol.dy_dparams is None else out + array_ops.sum(sol.dy_dparams[0] * sol.dy_dparams[1])

        return size

    value, found = value_and_grad(of(True), (0, 1))(starts, PARAMETERS)
    reference, wanted = value_and_grad(of(False), (0, 1))(starts, PARAMETERS)
    assert value == pytest.approx(reference, rel=1e-12)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * np.abs(b).max())


def test_nested_levels_are_not_confused() -> None:
    # d/dx [x * d/dy (x-dependent solve from y)] at y = x: the inner level must not see the outer one's tangent.
    def end(start: Any, rate: Any, compiled: bool) -> Any:
        return solve_ivp(lambda t, y: -rate * y * y, (0.0, 1.0), [start], "RK4", step=0.1, compiled=compiled).y[0, -1]

    def outer(compiled: bool) -> Callable[..., Any]:
        return lambda x: x * grad(lambda y: end(y, x, compiled))(x)

    wanted = grad(outer(False))(0.8)
    assert grad(outer(True))(0.8) == pytest.approx(wanted, rel=1e-12)
    assert jvp(outer(True), (0.8,), (1.0,))[1] == pytest.approx(wanted, rel=1e-12)


# -- sensitivities as arrays -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "components", "parameters"),
    [
        ("y0", [0, 1, 2, 3], None),
        ("params", None, [0, 1, 2, 3, 4]),
        (("theta_2", "p_1"), [1, 2], None),
        (("y0[3]", "length_2", "gravity"), [3], [4, 0]),
    ],
)
def test_part_of_the_sensitivities_is_that_part_of_all(names: Any, components: Any, parameters: Any) -> None:
    # The directions that are carried decide how the kernel is written: within rounding, not bit for bit.
    starts = START[:, None] + RNG.uniform(-0.2, 0.2, (4, 3))
    every = solve_ivp(SYSTEM, (0.0, 1.02), starts, sensitivities=("y0", "params"), compiled=True, **FEW)
    some = solve_ivp(SYSTEM, (0.0, 1.02), starts, sensitivities=names, compiled=True, **FEW)
    np.testing.assert_array_equal(some.y, every.y)
    if components is not None:
        np.testing.assert_allclose(some.dy_dy0, every.dy_dy0[:, components], rtol=1e-12, atol=1e-13)
        assert some.y0_names == tuple(SYSTEM.state_names[i] for i in components)
    if parameters is not None:
        np.testing.assert_allclose(some.dy_dparams, every.dy_dparams[:, parameters], rtol=1e-12, atol=1e-13)
        assert some.param_names == tuple(SYSTEM.parameter_names[i] for i in parameters)


class Verlet(Integrator):
    """Velocity Verlet for y = (q, q'): a step that is no Runge-Kutta method's."""

    order = 2

    def advance(self, f: Any, t: Any, y: Any, h: Any, carry: Any = None) -> Step:
        half = y[1] + 0.5 * h * f(t, y)[1]
        q = y[0] + h * half
        p = half + 0.5 * h * f(t + h, array_ops.stack([q, half]))[1]
        return Step(array_ops.stack([q, p]), None, None, [])


def test_method_of_one_s_own_has_gradients_of_every_order() -> None:
    def of(compiled: bool) -> Callable[..., Any]:
        def loss(x: Any) -> Any:
            more = {**FEW, "method": Verlet(0.05), "step": None}
            return weighted(solve_ivp(driven, (0.0, 1.02), x[:2], args=(x[2], x[3]), compiled=compiled, **more).y)

        return loss

    x = np.array([0.2, 0.1, *ARGS])
    np.testing.assert_allclose(grad(of(True))(x), grad(of(False))(x), rtol=1e-12)
    np.testing.assert_allclose(hessian(of(True))(x), hessian(of(False))(x), rtol=1e-10, atol=1e-11)


def test_gradient_of_a_method_of_one_s_own_does_not_depend_on_the_memory() -> None:
    def loss(x: Any, memory: float) -> Any:
        sol = solve_ivp(driven, (0.0, 9.99), x, Verlet(0.01), args=ARGS, compiled=True, memory=memory)
        return weighted(sol.y[:, ::7])

    found = [grad(loss)(np.array([0.2, 0.1]), memory) for memory in BUDGETS]
    for one in found:
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, found[0])


DEGENERATE: dict[str, Callable[..., Any]] = {
    "the state itself": lambda t, y, a: y,
    "swapped": lambda t, y, a: [y[1], y[0]],
    "one component twice": lambda t, y, a: [y[0], y[0]],
    "constants": lambda t, y, a: [1.0, -2.0],
    "zeros": lambda t, y, a: np.zeros(2),
    "the time": lambda t, y, a: [t, 1.0],
    "a parameter": lambda t, y, a: [a, y[1]],
    "parameter and time": lambda t, y, a: [a * t, a],
    "a component that feeds nothing": lambda t, y, a: [a * y[0], 0.0 * y[1]],
    "powers of parameters": lambda t, y, a: [np.exp(a) * y[0] ** a, np.sqrt(a) / (1.0 + y[1] ** 2)],
    "selection by a parameter": lambda t, y, a: [np.where(a > 0.5, y[1], a * y[0]), -y[1]],
    "selection by the time": lambda t, y, a: [np.where(t < 0.33, a, -a) * y[0], np.where(t < 0.33, 1.0, y[1])],
    "steps and kinks": lambda t, y, a: [np.floor(3.0 * y[0]) * a, np.abs(y[0] - a) + np.sign(y[1])],
    "whole numbers and truths": lambda t, y, a: [(y[0] > a) * 2 + y[1], np.maximum(y[0], a) // 1],
}


def _twice_reverse(f: Callable[..., Any]) -> Callable[..., Any]:
    return grad(grad(f))


def _reverse_over_forward(f: Callable[..., Any]) -> Callable[..., Any]:
    return grad(lambda a: jvp(f, (a,), (1.0,))[1])


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("method", ["RK4", pytest.param(Verlet, marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [0, 5])
def test_field_with_little_in_it_has_the_interpreted_states_and_derivatives(name: str, method: Any, size: int) -> None:
    fun = DEGENERATE[name]
    y0 = np.linspace(0.1, 1.9, 2 * size).reshape(2, size) if size else np.array([0.9, 0.2])

    def states(y0: Any, a: Any, compiled: bool) -> Any:
        more: dict[str, Any] = {"step": 0.1, "t_eval": [0.0, 0.25, 0.6, 0.62], "compiled": compiled}
        return solve_ivp(fun, (0.0, 0.62), y0, method, args=(a,), **more).y

    value, pullback = vjp(lambda y, a: states(y, a, True), y0, 0.7)
    reference, recorded = vjp(lambda y, a: states(y, a, False), y0, 0.7)
    np.testing.assert_allclose(value, reference, rtol=1e-13, atol=1e-14)
    g = np.cos(np.arange(value.size)).reshape(value.shape)
    for a, b in zip(pullback(g), recorded(g), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    more = {"step": 0.1, "t_eval": [0.25, 0.62], "sensitivities": ("y0", "args[0]"), "args": (0.7,)}
    machine, plain = (solve_ivp(fun, (0.0, 0.62), y0, method, compiled=mode, **more) for mode in MODES)
    np.testing.assert_allclose(machine.dy_dy0, plain.dy_dy0, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(machine.dy_dparams, plain.dy_dparams, rtol=1e-12, atol=1e-13)
    for twice in (_twice_reverse, _reverse_over_forward):
        found, wanted = (twice(lambda a, mode=mode: weighted(states(y0, a, mode)))(0.7) for mode in MODES)
        assert found == pytest.approx(wanted, rel=1e-11, abs=1e-12)
