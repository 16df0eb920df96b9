"""Machine code gives what the interpreter gives, to rounding, and the same bits whatever the batch and the threads."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import systems
from diffsim import array_ops
from diffsim.array_ops import sum as total
from diffsim.compiler import engine
from integrators import Integrator, RungeKutta, Solution, Tableau, solve_ivp
from integrators._integrator import Step
from integrators._methods import flow_methods, method_class
from systems import DoublePendulum, Kepler, Lorenz63

pytestmark = pytest.mark.skipif(not engine.available(), reason="needs llvmlite")

METHODS = tuple(name for name in flow_methods() if not method_class(name)().separable)
"""Methods for any system; the splitting methods, which refuse these, prove the same in test_conformance and
test_symplectic."""
SYSTEMS = [name for name in systems.names() if not systems.find(name).discrete]  # maps: test_iteration.py
RNG = np.random.default_rng(20250301)
EPS = np.finfo(float).eps
SIZES = (1, 2, 3, 7, 8, 9, 16, 17, 33)
PAIRS = [(system, "RK4") for system in SYSTEMS] + [
    ("DoublePendulum", m) for m in METHODS if not method_class(m)().pays_from
]
TRACEABLE = [m for m in METHODS if method_class(m)().traceable]
FIRST = ("DoublePendulum", "HarmonicOscillator", "Kepler", "Lorenz63", "Pendulum")
STOOD_FOR = (pytest.mark.slow, pytest.mark.twin)  # by the row and the column of the product
PRODUCT = [
    pytest.param(s, m, marks=() if (s, m) in PAIRS else STOOD_FOR)
    for s in FIRST
    for m in TRACEABLE
    if systems.find(s)().canonical or not method_class(m)().canonical
]
PRODUCT += [pytest.param(s, "RK4") for s in SYSTEMS if s not in FIRST]


def states(n: int, m: int) -> np.ndarray[Any, Any]:
    """Random states away from 0, where a Kepler problem has its pole."""
    return RNG.uniform(0.3, 1.6, (n, m)) * RNG.choice([-1.0, 1.0], (n, m))


def pair(fun: Any, span: tuple[float, float], y0: Any, method: Any, **more: Any) -> tuple[Solution, Solution]:
    """The same solve as machine code and interpreted, without what happens to a system of its own accord."""
    more = _aside(fun) | more
    machine = solve_ivp(fun, span, y0, method, compiled=True, **more)
    return machine, solve_ivp(fun, span, y0, method, compiled=False, **more)


def swing(t: float, y: Any, strength: float = 0.3, damping: float = 0.1) -> list[Any]:
    """A driven pendulum in plain NumPy, which depends on the time."""
    return [y[1], -np.sin(y[0]) - damping * y[1] + strength * np.cos(1.3 * t)]


# -- compiled = interpreted ----------------------------------------------------------------------------------------


def _scale(method: Integrator, fun: Any, y0: Any, h: float) -> Any:
    """Size of what is added up in a step: some stages of high order are differences of much larger terms."""
    largest = method.tableau.largest if isinstance(method, RungeKutta) else 1.0
    amplified = largest**2 if largest > 100.0 else 1e3 if method.implicit else 1.0  # Rosenbrock stages are increments
    return np.abs(y0) + abs(h) * amplified * sum(np.abs(k) for k in method.advance(fun, 0.5, y0, h).stages)


def _aside(fun: Any) -> dict[str, Any]:
    """The option that leaves events of the system's own aside."""
    return {"events": ()} if getattr(fun, "events", ()) else {}


def _start(fun: Any) -> tuple[Any, float, float]:
    """States, time and a step in which no component moves by more than about 1."""
    y0 = states(len(fun.state_names), 100)
    return y0, 0.0 if fun.stiff else 0.5, 0.01 / max(1.0, 0.01 * float(np.abs(fun(0.5, y0)).max()))


@pytest.mark.parametrize(("system", "name"), PRODUCT)
def test_one_step_is_the_interpreted_one_to_rounding(system: str, name: str) -> None:
    fun, method = systems.find(system)(), method_class(name)()
    y0, t, h = _start(fun)
    machine, reference = pair(fun, (t, t + h), y0, method.with_step(h))
    scale = _scale(method, fun, y0, h)
    assert (machine.status == 0).all()
    assert (np.abs(machine.y[..., -1] - reference.y[..., -1]) <= 16 * EPS * scale).all()
    np.testing.assert_array_equal(machine.t, reference.t)
    # NOTE: implicit methods iterate as often as it takes; machine code as often as is written out
    if not method.implicit:
        np.testing.assert_array_equal(machine.nfev, reference.nfev)


@pytest.mark.parametrize(("system", "name"), PRODUCT)
def test_one_step_backwards_is_the_interpreted_one_to_rounding(system: str, name: str) -> None:
    fun, method = systems.find(system)(), method_class(name)()
    y0, t, h = _start(fun)
    machine, reference = pair(fun, (t, t - h), y0, method.with_step(h))
    scale = _scale(method, fun, y0, -h)
    assert (np.abs(machine.y[..., -1] - reference.y[..., -1]) <= 16 * EPS * scale).all()


def test_conditions_are_passed_from_the_first_calls_to_the_rest_of_a_stage() -> None:
    def ramp(t: Any, y: Any) -> list[Any]:  # `near` chooses what is given to expm1, and again behind it
        near = abs(y[0]) < 0.25
        apart = np.where(near, 1.0, y[0])
        return [np.where(near, y[1], apart / np.expm1(apart)), -y[0]]

    for size in SIZES:
        y0 = RNG.uniform(-1.0, 1.0, (2, size))
        machine, reference = pair(ramp, (0.0, 0.1), y0, "RK4", step=0.01, sensitivities="y0")
        np.testing.assert_allclose(machine.y, reference.y, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(machine.dy_dy0, reference.dy_dy0, rtol=1e-13, atol=1e-14)


GRIDS: dict[str, dict[str, Any]] = {
    "every node": {},
    "nodes only": {"t_eval": [0.0, 0.25, 0.5, 1.25]},
    "between the nodes": {"t_eval": [0.01, 0.33, 0.331, 0.3311, 1.249, 1.31]},
    "mixed, and the ends": {"t_eval": [0.0, 0.05, 0.07, 0.1, 1.3, 1.32]},
    "the end": {"t_eval": [1.32]},
    "the start": {"t_eval": [0.0]},
    "empty": {"t_eval": []},
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("start", [np.array([0.9, 0.2]), states(2, 5), states(2, 20)], ids=["one", "few", "many"])
def test_save_times_and_a_short_last_step_are_the_interpreted_ones(grid: str, start: Any) -> None:
    # 1.32 is no multiple of 0.05: the last step is shorter.  The field depends on the time, so a stage at the wrong
    # time shows.
    machine, reference = pair(swing, (0.0, 1.32), start, "RK4", step=0.05, **GRIDS[grid])
    np.testing.assert_array_equal(machine.t, reference.t)
    assert machine.y.shape == reference.y.shape
    np.testing.assert_allclose(machine.y, reference.y, rtol=1e-14, atol=1e-15)
    for name in ("status", "n_times", "message"):
        np.testing.assert_array_equal(getattr(machine, name), getattr(reference, name))
    # The interpreter takes the first derivative once, for the first step and for a step aside from the start.
    shared = int(grid == "between the nodes")
    np.testing.assert_array_equal(machine.nfev, reference.nfev + shared)


@pytest.mark.parametrize("grid", [{}, {"t_eval": [1.3, 1.0, 0.51, 0.5, 0.003, 0.0]}, {"t_eval": [0.0]}])
def test_backward_solve_is_the_interpreted_one_and_returns_home(grid: dict[str, Any]) -> None:
    y0 = states(2, 3)
    machine, reference = pair(swing, (1.32, 0.0), y0, "RK4", step=0.05, **grid)
    np.testing.assert_array_equal(machine.t, reference.t)
    np.testing.assert_allclose(machine.y, reference.y, rtol=1e-14, atol=1e-15)
    back = solve_ivp(swing, (0.0, 1.32), machine.y[..., -1], "RK4", step=0.05, compiled=True)
    np.testing.assert_allclose(back.y[..., -1], y0, atol=1e-5)


@pytest.mark.parametrize("span", [(0.0, 0.0), (0.3, 0.3)])
@pytest.mark.parametrize("t_eval", [None, []])
def test_span_of_no_length_gives_the_start(span: tuple[float, float], t_eval: Any) -> None:
    for y0 in (np.array([0.9, 0.2]), states(2, 3)):
        machine, reference = pair(swing, span, y0, "RK4", step=0.05, t_eval=t_eval, sensitivities="y0")
        np.testing.assert_array_equal(machine.y, reference.y)
        np.testing.assert_array_equal(machine.dy_dy0, reference.dy_dy0)
        np.testing.assert_array_equal(machine.status, 0)


@pytest.mark.parametrize(
    ("system", "y0", "t_end"),
    [
        ("HarmonicOscillator", [1.0, 0.5], 20.0),
        ("Pendulum", [0.9, 0.2], 20.0),
        ("DoublePendulum", [0.5, 0.5, 0.0, 0.0], 5.0),
        ("Kepler", [1.0, 0.0, 0.0, 1.0], 10.0),
        ("Lorenz63", [1.0, 1.0, 1.0], 2.0),
    ],
)
def test_whole_regular_trajectory_is_the_interpreted_one(system: str, y0: list[float], t_end: float) -> None:
    machine, reference = pair(systems.find(system)(), (0.0, t_end), y0, "RK4", step=0.01)
    scale = np.abs(reference.y).max()
    np.testing.assert_allclose(machine.y, reference.y, rtol=0, atol=1e-12 * scale)


def test_long_regular_solve_crosses_the_slices_in_which_the_kernel_is_called() -> None:
    # 400,000 steps are many calls of the kernel; their seams must not show.
    def turn(t: float, y: Any) -> list[Any]:
        return [y[1], -y[0]]

    times = np.array([0.0, 123.4567, 2000.0, 4000.0])
    sol = solve_ivp(turn, (0.0, 4000.0), [1.0, 0.0], "RK4", step=0.01, t_eval=times, compiled=True)
    # RK4 on y' = iy: the phase is late by h**5/120 a step, the amplitude falls by h**6/144 (their product n is < 1e-6).
    np.testing.assert_allclose(sol.y[0], np.cos(times), atol=1e-6)
    np.testing.assert_allclose(sol.y[1], -np.sin(times), atol=1e-6)


# -- one's own methods -----------------------------------------------------------------------------------------------


class Verlet(Integrator):
    """Velocity Verlet for y = (q, q'): a splitting, no Runge-Kutta method of the whole state."""

    order = 2

    def advance(self, f: Any, t: Any, y: Any, h: Any, carry: Any = None) -> Step:
        half = y[1] + 0.5 * h * f(t, y)[1]
        q = y[0] + h * half
        p = half + 0.5 * h * f(t + h, array_ops.stack([q, half]))[1]
        return Step(array_ops.stack([q, p]), None, None, [])


class Wambecq(Integrator):
    """Rational Runge-Kutta method of order 2: not linear in the stages.

    A. Wambecq, "Rational Runge-Kutta methods for solving systems of ordinary differential equations", Computing 20
    (1978) 333-342.
    """

    order = 2

    def advance(self, f: Any, t: Any, y: Any, h: Any, carry: Any = None) -> Step:
        first = h * array_ops.array(f(t, y))
        second = h * array_ops.array(f(t + 0.5 * h, y + 0.5 * first))
        b = 2.0 * first - second
        norm, mixed, square = total(b * b, axis=0), total(first * b, axis=0), total(first * first, axis=0)
        return Step(y + (2.0 * first * mixed - b * square) / norm, None, None, [])


THIRD = RungeKutta(Tableau(a=((), ("1/2",), (-1, 2)), b=("1/6", "2/3", "1/6"), order=3))  # Kutta's of order 3
OWN = [THIRD, Verlet(), Wambecq()]


@pytest.mark.parametrize("method", OWN, ids=["Kutta3", "Verlet", "Wambecq"])
def test_method_of_one_s_own_is_compiled_too(method: Integrator) -> None:
    for y0 in (np.array([0.9, 0.2]), states(2, 5)):
        more: dict[str, Any] = {"t_eval": [0.1, 0.33, 1.0, 1.32], "sensitivities": ("y0", "params"), "args": (0.4,)}
        machine, reference = pair(swing, (0.0, 1.32), y0, method.with_step(0.05), **more)
        np.testing.assert_allclose(machine.y, reference.y, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(machine.dy_dy0, reference.dy_dy0, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(machine.dy_dparams, reference.dy_dparams, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("method", OWN, ids=["Kutta3", "Verlet", "Wambecq"])
def test_method_of_one_s_own_keeps_its_order_as_machine_code(method: Integrator) -> None:
    still: dict[str, Any] = {"args": (0.3, 0.0)}  # undamped: a splitting of the velocity's share has order 1
    tight = solve_ivp(swing, (0.0, 1.0), [0.9, 0.2], "RK45", rtol=1e-12, atol=1e-13, **still).y[:, -1]
    errors = []
    for h in (0.02, 0.01):
        sol = solve_ivp(swing, (0.0, 1.0), [0.9, 0.2], method.with_step(h), compiled=True, **still)
        errors.append(np.abs(sol.y[:, -1] - tight).max())
    assert abs(np.log2(errors[0] / errors[1]) - method.order) < 0.3


def test_vectorized_function_in_scipy_s_style_is_compiled() -> None:
    def f(t: Any, y: Any) -> Any:
        return np.vstack([y[1:], -np.sin(y[:1])]) if y.ndim > 1 else np.array([y[1], -np.sin(y[0])])

    machine, reference = pair(f, (0.0, 1.0), [0.9, 0.2], "RK4", step=0.1, vectorized=True)
    np.testing.assert_allclose(machine.y, reference.y, rtol=1e-14)


# -- bit for bit -----------------------------------------------------------------------------------------------------


def whole(system: Any, y0: Any, threads: int | None = None) -> Solution:
    """A solve with states at nodes and between them, and all derivatives."""
    return solve_ivp(
        system,
        (0.0, 0.7),
        y0,
        "RK4",
        step=0.05,
        t_eval=[0.2, 0.33, 0.7],
        sensitivities=("y0", "params"),
        compiled=True,
        threads=threads,
    )


def assert_same(a: Solution, b: Solution, lanes: Any = ..., others: Any = ...) -> None:
    """Lanes of one solution are those of the other, bit for bit."""
    for name in ("status", "message", "nfev", "n_times"):
        np.testing.assert_array_equal(getattr(a, name)[lanes], getattr(b, name)[others])
    np.testing.assert_array_equal(a.t, b.t)
    np.testing.assert_array_equal(a.y[:, lanes], b.y[:, others])
    np.testing.assert_array_equal(a.dy_dy0[:, :, lanes], b.dy_dy0[:, :, others])
    np.testing.assert_array_equal(a.dy_dparams[:, :, lanes], b.dy_dparams[:, :, others])


STARTS = states(3, 33) * 8.0


def test_batches_of_every_size_give_the_bits_of_single_solves() -> None:
    system = Lorenz63()
    ones = [whole(system, STARTS[:, i]) for i in range(33)]
    for size in SIZES:
        batch = whole(system, STARTS[:, :size])
        assert batch.y.shape == (3, size, 3)
        for i in range(size):
            np.testing.assert_array_equal(batch.y[:, i], ones[i].y)
            np.testing.assert_array_equal(batch.dy_dy0[:, :, i], ones[i].dy_dy0)
            np.testing.assert_array_equal(batch.dy_dparams[:, :, i], ones[i].dy_dparams)
            assert (batch.status[i], batch.message[i]) == (ones[i].status, ones[i].message)
            assert (batch.nfev[i], batch.n_times[i]) == (ones[i].nfev, ones[i].n_times)


def test_states_alone_have_the_bits_of_states_with_derivatives_beside_them() -> None:
    system = Lorenz63()
    for size in SIZES:
        alone = solve_ivp(system, (0.0, 0.7), STARTS[:, :size], "RK4", step=0.05, t_eval=[0.2, 0.33, 0.7])
        np.testing.assert_array_equal(alone.y, whole(system, STARTS[:, :size]).y)


def test_states_at_nodes_do_not_depend_on_what_else_is_saved() -> None:
    system, y0 = Lorenz63(), STARTS[:, :9]
    every = solve_ivp(system, (0.0, 0.7), y0, "RK4", step=0.05)
    some = solve_ivp(system, (0.0, 0.7), y0, "RK4", step=0.05, t_eval=[0.33, 0.7])
    np.testing.assert_array_equal(some.y[..., -1], every.y[..., -1])


@pytest.mark.parametrize("size", SIZES)
def test_place_in_the_batch_does_not_matter(size: int) -> None:
    system, order = Lorenz63(), RNG.permutation(33)[:size]
    assert_same(whole(system, STARTS[:, order]), whole(system, STARTS), ..., order)


def test_number_of_threads_does_not_matter() -> None:
    system, y0 = Lorenz63(), np.tile(STARTS, 4)
    one = whole(system, y0, threads=1)
    for threads in (2, 8, None):
        assert_same(whole(system, y0, threads=threads), one)


def test_same_call_twice_and_a_pickled_system_give_the_same_bits() -> None:
    system = Lorenz63(rho=27.0)
    first = whole(system, STARTS)
    assert_same(whole(system, STARTS), first)
    assert_same(whole(pickle.loads(pickle.dumps(system)), STARTS), first)


def test_shape_of_the_batch_and_layout_of_the_start_do_not_matter() -> None:
    system, y0 = Lorenz63(), STARTS[:, :12]
    flat = whole(system, y0)
    folded = whole(system, y0.reshape(3, 3, 2, 2))
    np.testing.assert_array_equal(folded.y.reshape(flat.y.shape), flat.y)
    np.testing.assert_array_equal(folded.dy_dy0.reshape(flat.dy_dy0.shape), flat.dy_dy0)
    assert_same(whole(system, np.asfortranarray(y0)), flat)
    strided = np.repeat(y0, 2, axis=1)[:, ::2]
    assert_same(whole(system, strided), flat)


def test_start_and_results_are_not_shared_with_the_solver() -> None:
    y0 = STARTS[:, :8].copy()
    kept = y0.copy()
    first = solve_ivp(Lorenz63(), (0.0, 0.7), y0, "RK4", step=0.05, compiled=True)
    np.testing.assert_array_equal(y0, kept)
    before = first.y.copy()
    first_again = solve_ivp(Lorenz63(), (0.0, 0.7), y0, "RK4", step=0.05, compiled=True)
    first_again.y[...] = 0.0
    np.testing.assert_array_equal(first.y, before)


@pytest.mark.parametrize("shape", [(4, 0), (4, 2, 0), (4, 0, 3)])
def test_empty_batch_gives_empty_arrays(shape: tuple[int, ...]) -> None:
    for threads in (1, 2):
        sol = solve_ivp(
            DoublePendulum(),
            (0.0, 1.0),
            np.zeros(shape),
            "RK4",
            step=0.05,
            t_eval=[0.5, 0.51, 1.0],
            sensitivities=("y0", "params"),
            compiled=True,
            threads=threads,
        )
        assert sol.y.shape == (*shape, 3)
        assert sol.dy_dy0.shape == (4, *shape, 3)
        assert sol.dy_dparams.shape == (4, 5, *shape[1:], 3)
        assert sol.status.shape == sol.success.shape == sol.message.shape == shape[1:]


def test_lanes_of_very_different_speed_keep_their_accuracy() -> None:
    # A bound Kepler orbit beside one that takes a thousand times as long: each is as it is alone.
    y0 = np.array([[1.0, 100.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.1]])
    both = solve_ivp(Kepler(), (0.0, 5.0), y0, "RK4", step=0.01, compiled=True)
    for i in range(2):
        one = solve_ivp(Kepler(), (0.0, 5.0), y0[:, i], "RK4", step=0.01, compiled=True)
        np.testing.assert_array_equal(both.y[:, i], one.y)
