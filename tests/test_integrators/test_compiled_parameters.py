"""Numbers that a right-hand side brings along are run-time inputs: another one needs no other code, and counts."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from diffsim.compiler import engine, kernel
from diffsim.derivatives import grad
from diffsim.protocols import with_parameters
from integrators import RK4, RungeKutta, Tableau, solve_ivp
from systems import Pendulum

pytestmark = pytest.mark.skipif(not engine.available(), reason="needs llvmlite")

SPAN = (0.0, 1.02)
START = [0.7, 0.1]
TIMES = [0.33, 1.0, 1.02]
CONSTANTS = {"stiffness": 4.0}
STIFFNESS = 4.0
ARRAY = np.array([4.0, 0.1])


class Settings:
    stiffness = 4.0


@dataclasses.dataclass
class Physics:
    stiffness: float
    damping: float = 0.1


class Model:
    """A model as people write it: numbers in attributes, the field a method."""

    def __init__(self, stiffness: float) -> None:
        self.physics = Physics(stiffness)
        self.table = {"stiffness": stiffness}

    def field(self, t: Any, y: Any) -> list[Any]:
        return [y[1], -self.physics.stiffness * np.sin(y[0]) - self.physics.damping * y[1]]

    def __call__(self, t: Any, y: Any) -> list[Any]:
        return [y[1], -self.table["stiffness"] * np.sin(y[0]) - self.physics.damping * y[1]]


def field(t: Any, y: Any, k: Any) -> list[Any]:
    return [y[1], -k * np.sin(y[0]) - 0.1 * y[1]]


def by_global(t: Any, y: Any) -> list[Any]:
    return [y[1], -STIFFNESS * np.sin(y[0]) - 0.1 * y[1]]


def by_global_table(t: Any, y: Any) -> list[Any]:
    return [y[1], -CONSTANTS["stiffness"] * np.sin(y[0]) - 0.1 * y[1]]


def by_global_array(t: Any, y: Any) -> list[Any]:
    return [y[1], -ARRAY[0] * np.sin(y[0]) - ARRAY[1] * y[1]]


def by_class(t: Any, y: Any) -> list[Any]:
    return [y[1], -Settings.stiffness * np.sin(y[0]) - 0.1 * y[1]]


def by_helper(t: Any, y: Any) -> list[Any]:
    return [y[1], _force(y) - 0.1 * y[1]]


def _force(y: Any) -> Any:
    return -STIFFNESS * np.sin(y[0])


def make_closure(k: float) -> Callable[..., Any]:
    def inner(t: Any, y: Any) -> list[Any]:
        return [y[1], -k * np.sin(y[0]) - 0.1 * y[1]]

    return inner


def make_nested(k: float) -> Callable[..., Any]:
    def force(q: Any) -> Any:
        return -k * np.sin(q)

    return lambda t, y: [y[1], force(y[0]) - 0.1 * y[1]]


def make_default(k: float) -> Callable[..., Any]:
    def inner(t: Any, y: Any, k: float = k) -> list[Any]:
        return [y[1], -k * np.sin(y[0]) - 0.1 * y[1]]

    return inner


def make_keyword(k: float) -> Callable[..., Any]:
    def inner(t: Any, y: Any, *, k: float = k) -> list[Any]:
        return [y[1], -k * np.sin(y[0]) - 0.1 * y[1]]

    return inner


def make_list(k: float) -> Callable[..., Any]:
    numbers = [k, {"damping": 0.1}]
    return lambda t, y: [y[1], -numbers[0] * np.sin(y[0]) - numbers[1]["damping"] * y[1]]


Route = Callable[[float, pytest.MonkeyPatch], tuple[Any, Any]]


def _set(where: Any, name: str, fun: Any) -> Route:
    def route(k: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
        if isinstance(where, dict):
            monkeypatch.setitem(where, name, k)
        else:
            monkeypatch.setattr(where, name, k)
        return fun, None

    return route


def _array(k: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    monkeypatch.setitem(globals(), "ARRAY", np.array([k, 0.1]))
    return by_global_array, None


def _array_in_place(k: float, _: pytest.MonkeyPatch) -> tuple[Any, Any]:
    ARRAY[0] = k
    return by_global_array, None


@dataclasses.dataclass(frozen=True)
class Frozen:
    k: float


ROUTES: dict[str, Route] = {
    "args": lambda k, _: (field, (k,)),
    "an int in args": lambda k, _: (field, (int(k),)),
    "numpy scalar in args": lambda k, _: (field, (np.float64(k),)),
    "array in args": lambda k, _: (lambda t, y, p: field(t, y, p[1]), (np.array([9.0, k]),)),
    "dict in args": lambda k, _: (lambda t, y, p: field(t, y, p["k"]), ({"k": k},)),
    "dataclass in args": lambda k, _: (lambda t, y, p: field(t, y, p.k), (Frozen(k),)),
    "closure": lambda k, _: (make_closure(k), None),
    "nested closure": lambda k, _: (make_nested(k), None),
    "list in a closure": lambda k, _: (make_list(k), None),
    "default": lambda k, _: (make_default(k), None),
    "keyword default": lambda k, _: (make_keyword(k), None),
    "partial": lambda k, _: (functools.partial(field, k=k), None),
    "partial of a lambda": lambda k, _: (functools.partial(lambda k, t, y: field(t, y, k), k), None),
    "global": _set(globals(), "STIFFNESS", by_global),
    "global of a helper": _set(globals(), "STIFFNESS", by_helper),
    "dict in a global": _set(CONSTANTS, "stiffness", by_global_table),
    "array in a global": _array,
    "array in a global, in place": _array_in_place,
    "class attribute": _set(Settings, "stiffness", by_class),
    "attribute of an attribute": lambda k, _: (Model(k).field, None),
    "callable object": lambda k, _: (Model(k), None),
    "system": lambda k, _: (Pendulum(gravity=k), None),
}


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Texts that were asked to be machine code, from the disk or compiled, since the test began."""
    texts: list[str] = []

    def machine_code(text: str, found: Any = kernel.machine_code) -> bytes:
        texts.append(text)
        return found(text)

    monkeypatch.setattr(kernel, "machine_code", machine_code)
    yield texts
    ARRAY[0] = 4.0


def solve(fun: Any, args: Any = None, **more: Any) -> Any:
    given = {"span": SPAN, "y0": START, "method": "RK4", "step": 0.05, "t_eval": TIMES, "compiled": True, **more}
    return solve_ivp(fun, given.pop("span"), given.pop("y0"), args=args, **given)


# -- another number counts, and needs no code -----------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
def test_another_number_counts_and_needs_no_code(
    route: str, programs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    solve(*ROUTES[route](4.0, monkeypatch))
    programs.clear()
    for k in (5.0, 1.0, 0.0, -3.0, 1e-300, 4.0):
        fun, args = ROUTES[route](k, monkeypatch)
        machine, reference = solve(fun, args), solve(fun, args, compiled=False)
        np.testing.assert_allclose(machine.y, reference.y, rtol=1e-13, atol=1e-14)
    assert programs == []


@pytest.mark.parametrize("route", ROUTES)
def test_derivative_by_a_number_is_not_missed(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(k: float) -> Any:
        return solve(*ROUTES[route](k, monkeypatch)).y

    difference = (8 * (end(4.01) - end(3.99)) - (end(4.02) - end(3.98))) / 0.12
    if route == "an int in args":
        difference = (8 * (end(5) - end(3)) - (end(6) - end(2))) / 12
    sol = solve(*ROUTES[route](4.0, monkeypatch), sensitivities=("y0", "params"))
    assert len(sol.param_names) == sol.dy_dparams.shape[1] > 0
    assert len(set(sol.param_names)) == len(sol.param_names)
    gaps = np.abs(sol.dy_dparams - difference[:, None]).max(axis=(0, 2))
    name = sol.param_names[int(np.argmin(gaps))]
    assert gaps.min() < (1e-7 if route != "an int in args" else 5e-3)
    assert np.abs(difference).max() > 0.1
    assert any(word in name for word in ("k", "tiffness", "STIFFNESS", "args", "ARRAY", "p", "numbers", "gravity"))
    chosen = solve(*ROUTES[route](4.0, monkeypatch), sensitivities=name)
    assert chosen.param_names == (name,)
    np.testing.assert_allclose(chosen.dy_dparams[:, 0], sol.dy_dparams[:, sol.param_names.index(name)], rtol=1e-12)


def test_names_of_parameters_are_what_the_code_calls_them() -> None:
    def names(fun: Any, args: Any = None) -> tuple[str, ...]:
        return tuple(solve(fun, args, sensitivities="params").param_names)

    assert names(Pendulum()) == Pendulum().parameter_names
    assert "k" in names(make_closure(4.0))
    assert "k" in names(make_default(4.0))
    assert "args[0]" in names(field, (4.0,))
    assert "STIFFNESS" in names(by_global)
    assert "self.physics.stiffness" in names(Model(4.0).field)
    assert {"args[0][0]", "args[0][1]"} <= set(names(ROUTES["array in args"](4.0, None)[0], (np.array([9.0, 4.0]),)))  # type: ignore[arg-type]


def test_constants_written_in_the_code_are_no_parameters() -> None:
    sol = solve(lambda t, y: [y[1], -4.0 * np.sin(y[0]) - 0.1 * y[1]], sensitivities=("y0", "params"))
    assert sol.param_names == ()
    assert sol.dy_dparams.shape == (2, 0, 3)


def test_two_functions_of_one_code_with_other_numbers_do_not_mix() -> None:
    weak, strong = make_closure(1.0), make_closure(9.0)
    for _ in range(2):
        for fun, k in ((weak, 1.0), (strong, 9.0)):
            np.testing.assert_array_equal(solve(fun).y, solve(make_closure(k)).y)
    assert np.abs(solve(weak).y - solve(strong).y).max() > 0.1


def test_two_functions_of_one_name_with_other_code_do_not_mix() -> None:
    def make(sign: bool) -> Callable[..., Any]:
        if sign:

            def inner(t: Any, y: Any) -> list[Any]:
                return [y[1], -y[0]]

        else:

            def inner(t: Any, y: Any) -> list[Any]:
                return [y[1], +y[0]]

        return inner

    for _ in range(2):
        for sign in (True, False):
            reference = solve(make(sign), compiled=False)
            np.testing.assert_allclose(solve(make(sign)).y, reference.y, rtol=1e-13)


def test_whole_number_text_or_flag_that_steers_the_code_makes_other_code() -> None:
    def make(power: int, kind: str, damped: bool) -> Callable[..., Any]:
        def inner(t: Any, y: Any) -> list[Any]:
            force = -np.sin(y[0]) if kind == "pendulum" else -y[0]
            for _ in range(power):
                force = 1.5 * force
            return [y[1], force - 0.3 * y[1] if damped else force]

        return inner

    seen = set()
    for _ in range(2):
        for choice in ((1, "pendulum", True), (2, "pendulum", True), (1, "spring", True), (1, "spring", False)):
            sol, reference = solve(make(*choice)), solve(make(*choice), compiled=False)
            np.testing.assert_allclose(sol.y, reference.y, rtol=1e-13)
            seen.add(float(sol.y[0, -1]))
    assert len(seen) == 4


def test_length_of_a_list_or_shape_of_an_array_makes_other_code() -> None:
    def make(weights: Any) -> Callable[..., Any]:
        return lambda t, y: [y[1], -sum(w * y[0] ** (2 * i + 1) for i, w in enumerate(weights))]

    for weights in ([1.0], [1.0, 0.2], [1.0, 0.2, 0.3], np.array([1.0, 0.2]), [2.0, 0.1]):
        sol, reference = solve(make(weights)), solve(make(weights), compiled=False)
        np.testing.assert_allclose(sol.y, reference.y, rtol=1e-13)


def test_function_whose_global_helper_is_replaced_is_traced_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = solve(by_helper).y
    monkeypatch.setitem(globals(), "_force", lambda y: -2.0 * y[0])
    np.testing.assert_allclose(solve(by_helper).y, solve(by_helper, compiled=False).y, rtol=1e-13)
    assert np.abs(solve(by_helper).y - before).max() > 0.01


def test_object_that_is_changed_after_a_solve_counts_as_it_is_now() -> None:
    model = Model(4.0)
    first = solve(model.field).y
    model.physics.stiffness = 8.0
    np.testing.assert_allclose(solve(model.field).y, solve(Model(8.0).field, compiled=False).y, rtol=1e-13)
    model.physics = Physics(4.0)
    np.testing.assert_array_equal(solve(model.field).y, first)
    twin = copy.deepcopy(model)
    twin.physics.damping = 0.5
    np.testing.assert_allclose(solve(twin.field).y, solve(twin.field, compiled=False).y, rtol=1e-13)
    np.testing.assert_array_equal(solve(model.field).y, first)


# -- nothing else needs code, either ----------------------------------------------------------------------------------


# There is code for one trajectory, for a register of them and for more, each with and without times between the nodes;
# the first calls of each test below bring it about.


def test_spans_steps_save_times_and_batches_need_no_code(programs: list[str]) -> None:
    fun = make_closure(4.0)

    def every(**more: Any) -> None:
        for y0 in (START, np.tile(np.array(START)[:, None], 3), np.tile(np.array(START)[:, None], 40)):
            machine, reference = solve(fun, y0=y0, **more), solve(fun, y0=y0, compiled=False, **more)
            np.testing.assert_allclose(machine.y, reference.y, rtol=1e-12, atol=1e-13)

    every()
    every(t_eval=None)
    programs.clear()
    every(step=0.07)
    every(span=(0.0, 1.01), t_eval=[0.5])
    every(span=(3.0, 0.5), t_eval=[2.9, 1.77, 0.5])
    every(span=(3.0, 0.5), t_eval=None)
    every(span=(1e3, 1e3 + 0.2), t_eval=None)
    every(step=1e-3, span=(0.0, 0.5), t_eval=None)
    every(step=1.0, t_eval=[0.3, 1.02])
    every(t_eval=[0.01 * i for i in range(100)])
    every(t_eval=[])
    for size in (1, 2, 4, 7, 8, 9, 16, 17, 33, 100):
        starts = np.tile(np.array(START)[:, None], size)
        solve(fun, y0=starts, threads=2)
        solve(fun, y0=starts.reshape(2, 1, size))
    solve(fun, max_steps=5)
    assert programs == []


def test_gradients_need_no_code_for_other_numbers(programs: list[str]) -> None:
    def slope(k: float, size: int, **more: Any) -> Any:
        starts = np.tile(np.array(START)[:, None], size) if size else np.array(START)
        return grad(lambda k, y0: (solve(make_closure(k), y0=y0, **more).y ** 2).sum(), (0, 1))(k, starts)

    for size in (0, 3):  # with everything stored, and with states computed again
        slope(4.0, size)
        slope(4.0, size, memory=1e3, step=0.003)
    programs.clear()
    for size in (0, 1, 5, 20):
        slope(3.0, size)
        slope(3.0, size, memory=1e3, step=0.003)
        slope(3.0, size, span=(2.0, 0.0), t_eval=[1.03, 0.5])
    assert programs == []


def test_tangents_need_no_code_for_other_numbers(programs: list[str]) -> None:
    def tangents(k: float, size: int, **more: Any) -> Any:
        starts = np.tile(np.array(START)[:, None], size) if size else np.array(START)
        return solve(make_closure(k), y0=starts, sensitivities=("y0", "params"), **more)

    for size in (0, 3, 40):
        tangents(4.0, size)
        tangents(4.0, size, t_eval=None)
    programs.clear()
    for size in (0, 1, 5, 8, 20):
        tangents(3.0, size, step=0.02)
        tangents(3.0, size, t_eval=None, step=0.01)
        tangents(3.0, size, span=(2.0, 0.0), t_eval=[1.03, 0.5])
    assert programs == []


def test_parameters_of_lanes_need_the_code_of_shared_ones(programs: list[str]) -> None:
    starts = np.tile(np.array(START)[:, None], 5)
    shared = solve(Pendulum(gravity=4.0), y0=starts)
    programs.clear()
    lanes = np.array([4.0, 1.0, 9.0, 4.0, 0.0])
    own = solve(with_parameters(Pendulum(), {"gravity": lanes}), y0=starts)
    assert programs == []
    np.testing.assert_array_equal(own.y[:, [0, 3]], shared.y[:, [0, 3]])
    for i, k in enumerate(lanes):
        np.testing.assert_array_equal(own.y[:, i], solve(Pendulum(gravity=k)).y)


def test_same_code_under_other_names_is_compiled_once(programs: list[str]) -> None:
    # Two functions that say the same are the same program.
    solve(lambda t, y: [y[1], -1.2345 * y[0]])
    programs.clear()
    solve(lambda time, state: (state[1], -1.2345 * state[0]))
    assert programs == []


def test_methods_of_the_same_class_and_other_coefficients_do_not_mix() -> None:
    midpoint = RungeKutta(Tableau(a=((), ("1/2",)), b=(0, 1), order=2))
    heun = RungeKutta(Tableau(a=((), (1,)), b=("1/2", "1/2"), order=2))
    fun = make_closure(4.0)
    for _ in range(2):
        for mine, name in ((midpoint, "Midpoint"), (heun, "Heun")):
            np.testing.assert_allclose(solve(fun, method=mine).y, solve(fun, method=name).y, rtol=1e-14)
    np.testing.assert_array_equal(solve(fun, method=RK4(0.05), step=None).y, solve(fun).y)
    assert np.abs(solve(fun, method=midpoint).y - solve(fun, method=heun).y).max() > 1e-7


def test_arguments_that_are_the_very_tuple_of_the_defaults_are_told_from_them() -> None:
    def f(t: Any, y: Any, rate: float = 0.3, push: float = 0.1) -> list[Any]:
        return [push - rate * y[0]]

    same = f.__defaults__  # as two tuples of equal constants in one file are
    for method in ({"method": "RK4", "step": 0.1}, {"method": "RK45"}):
        solve_ivp(f, (0.0, 1.0), [1.0], args=same, compiled=True, **method)
        machine, reference = (
            solve_ivp(f, (0.0, 1.0), [1.0], args=(0.7, 0.2), compiled=compiled, **method).y
            for compiled in (True, False)
        )
        np.testing.assert_allclose(machine, reference, rtol=1e-12)
        slope = grad(lambda rate: solve_ivp(f, (0.0, 1.0), [1.0], args=(rate, 0.1), compiled=True, **method).y[0, -1])  # noqa: B023
        assert slope(0.3) < -0.1
