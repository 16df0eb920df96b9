"""Events of compiled solves: what machine code finds while it runs ahead is what the interpreted driver finds."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsim import array_ops
from diffsim.compiler import engine
from diffsim.derivatives import grad, hessian, jacobian
from diffsim.errors import ArgumentError, RunError
from diffsim.value import Value
from integrators import solve_ivp
from integrators.drivers.quiet import are_quiet
from integrators.drivers.roots import Start, crossings
from systems import BouncingBall, DoublePendulum, Pendulum

pytestmark = pytest.mark.skipif(not engine.available(), reason="needs llvmlite")
NUMBER = r"\d[-+.\de]*"
quick = settings(max_examples=15, deadline=None)
METHODS = ("RK23", "RK45", "Tsit5", "DOP853", "Vern7")
STIFF = ("Rodas5P", "Kvaerno5", "Radau", "BDF")
SOME = [*METHODS, *(pytest.param(name, marks=[] if name == "Radau" else pytest.mark.slow) for name in STIFF)]
OWN = (*STIFF, "Taylor", pytest.param("Trapezoid", marks=pytest.mark.slow))
"""Those with a formula of their own."""


def both(fun: Any, span: Any, y0: Any, **options: Any) -> tuple[Any, Any]:
    """Return the compiled and the interpreted solution, having compared all that an event touches."""
    machine = solve_ivp(fun, span, y0, compiled=True, **options)
    python = solve_ivp(fun, span, y0, compiled=False, **options)
    np.testing.assert_array_equal(machine.status, python.status)
    assert re.sub(NUMBER, "0", str(machine.message)) == re.sub(NUMBER, "0", str(python.message))
    if options.get("t_eval") is None:  # where the error is all rounding, a step's size is rounding too
        assert abs(int(np.max(machine.n_times)) - int(np.max(python.n_times))) <= 2
        np.testing.assert_allclose([machine.t[-1], *machine.y[:, -1]], [python.t[-1], *python.y[:, -1]], 1e-6, 1e-8)
    else:
        np.testing.assert_allclose(machine.t, python.t, rtol=1e-9)
        np.testing.assert_allclose(machine.y, python.y, rtol=1e-6, atol=1e-7)
    for mine, theirs in zip((*machine.t_events, *machine.y_events), (*python.t_events, *python.y_events), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-8)
    assert machine.stats["compiled"]
    return machine, python


def upright(t: Any, y: Any) -> Any:
    return y[0] - 1.0


@pytest.mark.parametrize("method", [*METHODS, *OWN])
@pytest.mark.parametrize("t_eval", [None, np.linspace(0.0, 10.0, 37)])
def test_crossings_are_those_of_the_interpreted_driver(method: str, t_eval: Any) -> None:
    found, _ = both(
        DoublePendulum(), (0.0, 10.0), [0.5, 0.5, 0.0, 0.0],
        method=method, rtol=1e-7, atol=1e-9, t_eval=t_eval, events=[lambda t, y: y[0], lambda t, y: y[1] - 0.1],
    )  # fmt: skip
    assert len(found.t_events[0]) > 3


@pytest.mark.parametrize("direction", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("terminal", [True, 3])
def test_a_terminal_event_ends_at_its_count_and_direction(direction: float, terminal: Any) -> None:
    def event(t: Any, y: Any) -> Any:
        return np.sin(y[0])

    event.terminal, event.direction = terminal, direction
    found, _ = both(Pendulum(), (0.0, 50.0), [1.0, 0.0], rtol=1e-8, atol=1e-10, events=event)
    assert found.status == 1
    assert len(found.t_events[0]) == int(terminal)
    assert found.t[-1] == found.t_events[0][-1]


def test_events_are_found_backwards() -> None:
    both(Pendulum(), (3.0, -20.0), [1.0, 0.5], rtol=1e-9, atol=1e-9, events=upright, t_eval=np.linspace(3.0, -20.0, 50))


def test_a_bouncing_ball_is_the_same_in_many_stretches() -> None:
    found, _ = both(BouncingBall(), (0.0, 5.0), [1.0, 0.0], rtol=1e-9, atol=1e-9)
    assert len(found.t_events[0]) > 5
    both(BouncingBall(), (0.0, 5.0), [1.0, 0.0], rtol=1e-9, atol=1e-9, t_eval=np.linspace(0.0, 5.0, 101))


@pytest.mark.parametrize("method", OWN)
def test_resets_and_dense_output_of_methods_with_polynomials_are_those_of_the_interpreted_driver(method: str) -> None:
    options = {"method": method, "rtol": 1e-8, "atol": 1e-8, "dense_output": True}
    machine, python = both(BouncingBall(), (0.0, 2.0), [1.0, 0.0], **options)
    times = np.linspace(0.0, 2.0, 41)
    np.testing.assert_allclose(machine.sol(times), python.sol(times), rtol=1e-5, atol=1e-6)
    assert abs(machine.nlu - python.nlu) <= 0.2 * python.nlu + 5


@pytest.mark.parametrize(("method", "further"), [("DOP853", 3), ("Taylor", 0)])
def test_stretches_that_are_gone_on_with_take_the_same_steps(method: str, further: int) -> None:
    """An event that never comes cuts the search into stretches of 64, 128, ... attempts."""

    def never(t: Any, y: Any) -> Any:
        return y[0] + 1e6

    never.terminal = True
    options = {"method": method, "rtol": 1e-10, "atol": 1e-10, "compiled": True}
    cut = solve_ivp(DoublePendulum(), (0.0, 20.0), [0.5, 0.5, 0.0, 0.0], events=never, **options)
    whole = solve_ivp(DoublePendulum(), (0.0, 20.0), [0.5, 0.5, 0.0, 0.0], **options)
    assert len(whole.t) > 250
    assert cut.nfev == whole.nfev + further * (len(whole.t) - 1)  # calls for the interpolant of each step
    np.testing.assert_array_equal(cut.t, whole.t)
    np.testing.assert_array_equal(cut.y, whole.y)


def test_an_endless_solve_ends_at_its_event() -> None:
    def below(t: Any, y: Any) -> Any:
        return y[0] - 0.5

    def decay(t: Any, y: Any) -> Any:
        return [-1e-3 * y[0]]

    below.terminal = True
    options = {"events": below, "rtol": 1e-10, "atol": 1e-12, "compiled": True}
    found = solve_ivp(decay, (0.0, math.inf), [1.0], **options)
    assert found.t[-1] == pytest.approx(1e3 * math.log(2.0), rel=1e-8)
    with pytest.raises(ArgumentError, match="control has no memory"):
        solve_ivp(decay, (0.0, math.inf), [1.0], controller="PI", **options)


def test_a_function_that_cannot_be_traced_is_called_where_it_stands() -> None:
    seen = []

    def event(t: Any, y: Any) -> float:
        seen.append(float(t))
        return 1.0 if y[0] > 0.25 else -1.0

    found = solve_ivp(Pendulum(), (0.0, 10.0), [1.0, 0.0], events=event, compiled=True, rtol=1e-8)
    smooth = solve_ivp(Pendulum(), (0.0, 10.0), [1.0, 0.0], events=lambda t, y: y[0] - 0.25, rtol=1e-8)
    np.testing.assert_allclose(found.t_events[0], smooth.t_events[0], rtol=1e-9)
    assert seen


def test_arguments_and_closures_of_an_event_are_those_of_now() -> None:
    level = [0.5]

    def event(t: Any, y: Any, shift: Any) -> Any:
        return y[0] - level[0] - shift

    def fun(t: Any, y: Any, shift: Any) -> Any:
        return [1.0 + 0.0 * y[0]]

    for height, shift in ((0.5, 0.0), (0.25, 0.0), (0.25, 0.5)):
        level[0] = height
        found = solve_ivp(fun, (0.0, 1.0), [0.0], events=event, args=(shift,), compiled=True)
        assert found.t_events[0] == pytest.approx([height + shift], rel=1e-12)


def test_trajectories_of_a_batch_have_the_bits_of_single_ones() -> None:
    y0 = np.array([[0.5, 1.0, 2.0], [0.0, 0.5, 0.0]])
    system = Pendulum(gravity=np.array([9.8, 5.0, 1.6]))

    def event(t: Any, y: Any) -> Any:
        return y[0] - 0.3

    event.terminal = 4
    batch = solve_ivp(system, (0.0, 12.0), y0, events=event, compiled=True, rtol=1e-8)
    for j, gravity in enumerate((9.8, 5.0, 1.6)):
        one = solve_ivp(Pendulum(gravity=gravity), (0.0, 12.0), y0[:, j], events=event, compiled=True, rtol=1e-8)
        np.testing.assert_array_equal(batch.t_events[0][j][: len(one.t_events[0])], one.t_events[0])
        np.testing.assert_array_equal(batch.y[:, j, : len(one.t)], one.y)


@pytest.mark.parametrize("budget", [5, 64, 65, 200])
def test_a_budget_of_steps_is_one_budget_for_all_stretches(budget: int) -> None:
    def never(t: Any, y: Any) -> Any:
        return y[0] + 1e6

    never.terminal = True
    found, _ = both(Pendulum(), (0.0, 100.0), [1.0, 0.0], rtol=1e-8, atol=1e-8, max_steps=budget, events=never)
    assert found.status == -1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_solution_that_blows_up_ends_as_it_does_without_a_machine() -> None:
    options = {"events": lambda t, y: y[0] - 3.0, "rtol": 1e-8}
    machine, python = (
        solve_ivp(lambda t, y: [y[0] ** 2], (0.0, 2.0), [1.0], compiled=compiled, **options)
        for compiled in (True, False)
    )
    assert (machine.status, machine.t[-1]) == (-1, pytest.approx(python.t[-1], rel=1e-12))
    assert re.sub(NUMBER, "0", machine.message) == re.sub(NUMBER, "0", python.message)
    np.testing.assert_allclose(machine.t_events[0], python.t_events[0], rtol=1e-8)


@quick
@given(
    st.floats(-2.5, 2.5),
    st.floats(-3.0, 3.0),
    st.floats(-1.0, 1.0),
    st.sampled_from([*METHODS, "Taylor"]),
    st.sampled_from([None, True, 2]),
)
def test_any_event_is_found_at_the_same_times(angle: float, p: float, level: float, method: str, terminal: Any) -> None:
    def event(t: Any, y: Any) -> Any:
        return np.cos(3.0 * y[0]) * y[1] - level

    event.terminal = terminal
    both(Pendulum(), (0.0, 4.0), [angle, p], method=method, rtol=1e-8, atol=1e-10, events=event)


def last_of_bounces(way: Any, compiled: bool, t_eval: Any) -> Any:
    """Return the end of a bouncing ball, and what its events say, of start, gravity and restitution."""

    def end(x: Any) -> Any:
        ball = BouncingBall(gravity=x[2], restitution=x[3])
        options = {"method": way, "rtol": 1e-9, "atol": 1e-9, "compiled": compiled, "t_eval": t_eval}
        sol = solve_ivp(ball, (0.0, 2.0), [x[0], x[1]], **options)
        return array_ops.concatenate([sol.y[:, -1], sol.y[:, 5], sol.t_events[0][:3], sol.y_events[0][2]])

    return end


@pytest.mark.parametrize("method", SOME)
@pytest.mark.parametrize("t_eval", [None, np.linspace(0.05, 1.99, 23)])
def test_derivatives_through_resets_are_those_of_the_interpreted_driver(method: str, t_eval: Any) -> None:
    x = np.array([1.0, 0.3, 9.0, 0.7])
    machine, python = (last_of_bounces(method, compiled, t_eval) for compiled in (True, False))
    keep = (
        slice(None) if t_eval is not None else [0, 1, 4, 5, 6, 7, 8]
    )  # steps differ by rounding, and so do their times
    want = jacobian(python)(x)[keep]
    np.testing.assert_allclose(jacobian(machine)(x)[keep], want, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(jacobian(machine, mode="forward")(x)[keep], want, rtol=1e-6, atol=1e-6)


def test_sensitivities_by_start_and_parameters_are_those_of_the_interpreted_driver() -> None:
    both_ways = [
        solve_ivp(
            DoublePendulum(), (0.0, 5.0), [0.5, 0.5, 0.0, 0.0], events=lambda t, y: y[0], rtol=1e-9, atol=1e-9,
            t_eval=np.linspace(0.0, 5.0, 11), sensitivities=("y0", "gravity"), compiled=compiled,
        )
        for compiled in (True, False)
    ]  # fmt: skip
    np.testing.assert_allclose(both_ways[0].dy_dy0, both_ways[1].dy_dy0, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(both_ways[0].dy_dparams, both_ways[1].dy_dparams, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", ["RK45", "Rodas5P", "Kvaerno5", "Radau"])
def test_second_derivatives_of_an_event_time_are_the_closed_form(method: str) -> None:
    """A stone thrown up at v from 0 comes down at t = 2 v / g: d2t/dv dg = -2 / g^2, d2t/dg2 = 4 v / g^3."""

    def lands(x: Any) -> Any:
        def ground(t: Any, y: Any, g: Any) -> Any:
            return y[0]

        ground.terminal, ground.direction = True, -1.0
        options = {"method": method, "args": (x[1],), "events": ground, "compiled": True, "rtol": 1e-9}
        found = solve_ivp(lambda t, y, g: [y[1], -g], (0.0, 10.0), [0.0, x[0]], **options)
        return found.t_events[0][-1]

    v, g = 3.0, 9.0
    exact = [[0.0, -2.0 / g**2], [-2.0 / g**2, 4.0 * v / g**3]]
    np.testing.assert_allclose(hessian(lands)(np.array([v, g])), exact, atol=1e-10)


@pytest.mark.parametrize("method", SOME[:-1])  # BDF has a history
def test_derivatives_by_the_end_and_by_save_times_are_the_slope(method: str) -> None:
    system, y0 = DoublePendulum(), np.array([0.5, 0.5, 0.0, 0.0])
    options = {"method": method, "rtol": 1e-9, "atol": 1e-9, "compiled": True}

    def end(t: Any) -> Any:
        return solve_ivp(system, (0.0, t), y0, **options).y[:, -1]

    def saved(times: Any) -> Any:
        return solve_ivp(system, (0.0, 3.0), y0, t_eval=times, **options).y[1]

    np.testing.assert_allclose(jacobian(end)(2.0), system(0.0, end(2.0)), rtol=1e-6)
    times = np.array([0.5, 1.25, 3.0])
    slopes = [system(0.0, y)[1] for y in solve_ivp(system, (0.0, 3.0), y0, t_eval=times, **options).y.T]
    np.testing.assert_allclose(
        jacobian(saved)(times), np.diag(slopes), rtol=1e-5 if method in METHODS else 1e-4, atol=1e-12
    )


@pytest.mark.parametrize("method", ["RK45", "Kvaerno5", "Rodas5P"])
def test_derivatives_by_the_end_behind_a_reset_are_those_of_the_interpreted_driver(method: str) -> None:
    def height(x: Any, compiled: bool) -> Any:
        ball = BouncingBall(gravity=x[1], restitution=x[2])
        options = {"method": method, "rtol": 1e-9, "atol": 1e-9, "compiled": compiled, "dense_output": True}
        sol = solve_ivp(ball, (0.0, x[3]), [x[0], 0.0], **options)
        return array_ops.concatenate([sol.y[:, -1], sol.sol(0.7)])

    x = np.array([1.0, 9.0, 0.8, 1.1])
    machine, python = (jacobian(lambda x, c=c: height(x, c))(x) for c in (True, False))
    np.testing.assert_allclose(machine, python, rtol=1e-6, atol=1e-7)


def test_a_grazed_event_has_no_derivative() -> None:
    def fun(t: Any, y: Any) -> Any:
        return [y[1], -1.0 + 0.0 * y[0]]

    def reach(v: Any) -> Any:
        top = (v * v / 2.0).data if isinstance(v, Value) else v * v / 2.0
        return solve_ivp(fun, (0.0, 3.0), [0.0, v], events=lambda t, y: y[0] - top, compiled=True).t_events[0]

    assert len(reach(1.0)) <= 2  # the height is reached at its very top
    with pytest.raises((RunError, IndexError)):
        grad(lambda v: reach(v)[0])(1.0)


@quick
@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=8), st.floats(0.1, 40.0))
def test_a_quiet_step_has_no_crossing(coefficients: list[float], frequency: float) -> None:
    def g(x: Any) -> Any:
        return np.polynomial.polynomial.polyval(x, coefficients) + 0.3 * np.sin(frequency * np.asarray(x))

    (quiet,) = are_quiet(lambda step, x: np.asarray(g(x))[None], 1)
    value = float(g(0.0))
    found = crossings(lambda x: float(g(x)), Start(value, int(np.sign(value))), float(g(1.0)))
    fine = np.sign(g(np.linspace(0.0, 1.0, 2001)))
    assert not quiet or (not found.crossings and (fine == fine[0]).all())


def test_a_function_with_a_corner_is_looked_at_closely() -> None:
    (quiet,) = are_quiet(lambda step, x: (np.abs(x - 0.3) - 1e-3)[None], 1)
    assert not quiet
