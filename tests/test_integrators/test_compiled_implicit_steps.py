"""Fixed steps of implicit methods as machine code: the steps of the interpreter, and its derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import ArgumentError, TraceError
from integrators import Solution, solve_ivp
from integrators._methods import flow_methods, method_class
from integrators._traced_method import TracedMethod
from systems import DoublePendulum

pytest.importorskip("llvmlite")

METHODS = tuple(
    name for name in flow_methods() if isinstance(m := method_class(name)(), TracedMethod) and m.error_order is not None
)
LONG = ("Kvaerno5", "Radau")  # to compile
SOME = [pytest.param(name, marks=pytest.mark.slow if name in LONG else []) for name in METHODS]
EPS = float(np.finfo(np.float64).eps)


def robertson(t: Any, y: Any, a: Any = 0.04, b: Any = 1e4, c: Any = 3e7) -> list[Any]:
    one, two, three = a * y[0], b * y[1] * y[2], c * y[1] * y[1]
    return [two - one, one - two - three, three]


def van_der_pol(t: Any, y: Any, mu: Any = 1e3) -> list[Any]:
    return [y[1], mu * (1.0 - y[0] * y[0]) * y[1] - y[0]]


def cosine(t: Any, y: Any) -> list[Any]:
    """Is drawn to the cosine, at a rate of a million."""
    return [-1e6 * (y[0] - ds.cos(t))]


def exchange(t: Any, y: Any) -> list[Any]:
    """The Jacobian has zeros in its diagonal and large numbers beside it."""
    return [-1e5 * y[1] + ds.cos(t), 1e5 * y[0] - 1e5 * y[1]]


def growing(t: Any, y: Any) -> list[Any]:
    """At a step of 1/8 the first pivot of the implicit Euler method is 0."""
    return [8.0 * y[0] - 3.0 * y[1], 5.0 * y[0] - 2.0 * y[1]]


PROBLEMS = {
    "Robertson": (robertson, [1.0, 0.0, 0.0], 1e-3),
    "Robertson, in long steps": (robertson, [0.8, 2e-5, 0.2], 1.0),
    "van der Pol": (van_der_pol, [2.0, 0.0], 1e-3),
    "van der Pol, in its jump": (van_der_pol, [1.1, -50.0], 2e-5),
    "cosine": (cosine, [3.0], 0.05),
    "exchange": (exchange, [1.0, 0.5], 0.01),
    "growing": (growing, [1.0, 0.5], 0.125),
    "double pendulum": (DoublePendulum(), [0.4, 0.0, 1.0, 4.0], 0.01),
}


def pair(fun: Any, span: Any, y0: Any, name: str, **more: Any) -> tuple[Solution, Solution]:
    """The same solve as machine code and interpreted."""
    machine = solve_ivp(fun, span, y0, name, compiled=True, **more)
    return machine, solve_ivp(fun, span, y0, name, compiled=False, **more)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "problem", [pytest.param(x, marks=pytest.mark.slow if x == "double pendulum" else []) for x in PROBLEMS]
)
def test_steps_of_stiff_problems_are_the_interpreted_ones_to_rounding(name: str, problem: str) -> None:
    fun, y0, h = PROBLEMS[problem]
    machine, plain = pair(fun, (0.0, 20 * h), y0, name, step=h)
    assert machine.stats["compiled"]  # the iterations that are written out were enough
    assert plain.status == 0
    size = np.abs(plain.y).max(axis=1, keepdims=True)
    assert (np.abs(machine.y - plain.y) <= 1e4 * EPS * size).all()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("compiled", [True, False])
def test_start_off_the_slow_manifold_does_not_lead_to_another_root(name: str, compiled: bool) -> None:
    """The concentration of the first substance hardly moves within a second; equations of a step have other roots."""
    sol = solve_ivp(robertson, (0.0, 1.0), [0.8, 2e-5, 0.2], name, step=1.0, compiled=compiled)
    np.testing.assert_allclose(sol.y[:, -1], [0.794799125, 1.30159745e-05, 0.205207859], rtol=0.02, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_answer_is_the_closed_form_of_a_stiff_problem(name: str) -> None:
    """y' = -1e6 (y - t) has the solution t - 1e-6 once its transient is over; all methods are exact on it."""
    sol = solve_ivp(lambda t, y: -1e6 * (y - t), (0.0, 1.0), [-1e-6], name, step=0.01, compiled=True)
    np.testing.assert_allclose(sol.y[0], sol.t - 1e-6, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", METHODS)
def test_order_is_that_of_the_method(name: str) -> None:
    order = method_class(name)().order
    steps = np.array([0.2, 0.1]) if order > 3 else np.array([0.02, 0.01])
    errors = []
    for h in steps:
        sol = solve_ivp(lambda t, y: [y[1], -y[0]], (0.0, 2.0), [1.0, 0.0], name, step=h, compiled=True, t_eval=[2.0])
        errors.append(float(np.abs(sol.y[:, 0] - [np.cos(2.0), -np.sin(2.0)]).max()))
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.2


@pytest.mark.parametrize("name", METHODS)
def test_batch_is_its_single_solves_bit_for_bit_and_times_lie_where_they_are_asked_for(name: str) -> None:
    y0 = np.random.default_rng(3).uniform(-1.0, 1.0, (2, 11))
    more: dict[str, Any] = {"step": 0.01, "t_eval": [0.0, 0.205, 0.3], "compiled": True}
    batch = solve_ivp(van_der_pol, (0.0, 0.3), y0, name, args=(3.0,), **more)
    for j in (0, 7, 10):
        one = solve_ivp(van_der_pol, (0.0, 0.3), y0[:, j], name, args=(3.0,), **more)
        np.testing.assert_array_equal(batch.y[:, j], one.y)
    there, _ = pair(van_der_pol, (0.0, 0.3), y0[:, 0], name, step=0.01, args=(3.0,))
    back, _ = pair(van_der_pol, (0.3, 0.0), there.y[:, -1], name, step=0.01, args=(3.0,))
    assert np.abs(back.y[:, -1] - y0[:, 0]).max() < 0.2


@pytest.mark.parametrize("name", METHODS)
def test_what_machine_code_does_not_solve_the_interpreter_does_and_neighbours_keep_their_bits(name: str) -> None:
    """In its jump, with steps as long as it takes, more iterations are needed than are written out."""
    far, near = [-0.3, 900.0], [2.0, 0.0]
    h, span = 4e-3, (0.0, 8e-3)
    machine, plain = pair(van_der_pol, span, np.array([far, near]).T, name, step=h)
    single = solve_ivp(van_der_pol, span, far, name, step=h, compiled=True)
    assert single.stats is None or not single.stats["compiled"]
    assert (machine.status == 0).all()
    np.testing.assert_allclose(machine.y, plain.y, rtol=1e-10)
    np.testing.assert_array_equal(machine.y[:, 0], single.y)
    alone = solve_ivp(van_der_pol, span, near, name, step=h, compiled=True)
    np.testing.assert_array_equal(machine.y[:, 1], alone.y)


@pytest.mark.parametrize("name", SOME)
def test_gradients_tangents_and_hessians_are_those_of_the_interpreted_steps(name: str) -> None:
    rates = np.array([0.04, 1e4, 3e7])

    def end(rates: Any, way: bool) -> Any:
        return solve_ivp(robertson, (0.0, 0.02), [1.0, 0.0, 0.0], name, step=1e-3, args=tuple(rates), compiled=way)

    machine, plain = (ds.grad(lambda r, way=way: end(list(r), way).y[1, -1])(rates) for way in (True, False))
    np.testing.assert_allclose(machine, plain, rtol=1e-11)
    more: dict[str, Any] = {"step": 1e-3, "sensitivities": "y0"}
    forward, slow = pair(robertson, (0.0, 0.02), [1.0, 0.0, 0.0], name, **more)
    assert forward.stats["compiled"]
    np.testing.assert_allclose(forward.dy_dy0, slow.dy_dy0, rtol=1e-10, atol=1e-12)

    def bent(y: Any, way: bool) -> Any:
        return 1e3 * solve_ivp(van_der_pol, (0.0, 0.01), y, name, step=1e-3, compiled=way).y[0, -1]

    second = [ds.hessian(lambda y, way=way: bent(y, way))(np.array([2.0, -0.5])) for way in (True, False)]
    np.testing.assert_allclose(second[0], second[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_not_compiled_says_so_and_steps_that_choose_themselves_do_not_mind(name: str) -> None:
    method = method_class(name)()
    most = method.largest_traced
    short = solve_ivp(van_der_pol, (0.0, 0.1), [2.0, 0.0], name, step=0.01)
    assert short.stats is None or not short.stats["compiled"]
    with pytest.raises(ArgumentError, match=f"takes up to {most} components with {name}; got {most + 1}"):
        solve_ivp(lambda t, y: -y, (0.0, 1.0), np.ones(most + 1), name, step=0.1, compiled=True)
    with pytest.raises(ArgumentError, match=f"makes no dense output with {name}"):
        solve_ivp(lambda t, y: -y, (0.0, 1.0), np.ones(1), name, step=0.1, dense_output=True, compiled=True)
    chosen = solve_ivp(lambda t, y: -y, (0.0, 1.0), np.ones(most + 1), name, compiled=True, dense_output=True)
    assert chosen.stats["compiled"]


@pytest.mark.parametrize("name", METHODS)
def test_large_right_hand_sides_are_left_to_the_interpreter_without_a_word(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TracedMethod, "LARGEST_STEP", 600)

    def folded(n: int) -> Any:
        def f(t: Any, y: Any) -> list[Any]:
            out = y[0]
            for _ in range(n):
                out = ds.sin(0.5 * out + y[1] + t)
            return [out, -y[1]]

        return f

    n_solved = method_class(name)().n_solved
    with pytest.raises(ArgumentError, match=f"takes steps of {name} of up to 600 operations; got"):
        solve_ivp(folded(12 // n_solved), (0.0, 0.1), [1.0, 1.0], name, step=0.1, compiled=True)
    with pytest.raises(TraceError, match=f"{name}: a right-hand side of .* operations is too large"):
        solve_ivp(folded(30 // n_solved), (0.0, 0.1), [1.0, 1.0], name, step=0.1, compiled=True)
    many = solve_ivp(folded(30 // n_solved), (0.0, 1e-3), [1.0, 1.0], name, step=5e-7)  # a warning is an error here
    assert many.stats is None or not many.stats["compiled"]
