"""Discrete maps through `solve_ivp`: iterated, compiled, with derivatives; and every wrong combination is told.

Oracles: the map in a plain loop, mpmath, the conjugacy of the logistic map at r = 4 with the doubling of an angle.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import diffsim as ds
import systems
from diffsim.cli import main
from diffsim.compiler import engine
from diffsim.errors import ArgumentError, KindError
from integrators import RK4, Iteration, RungeKutta, methods, solve_ivp
from systems import HenonMap, Lorenz63, StandardMap
from systems._discrete import DiscreteMap

MAPS = [name for name in systems.names() if systems.find(name).discrete]
MODES = [pytest.param(True, marks=pytest.mark.skipif(not engine.available(), reason="needs llvmlite")), False]
RNG = np.random.default_rng(5)

every_map = pytest.mark.parametrize("name", MAPS)


def henon(n: Any, y: Any, a: Any, b: Any) -> list[Any]:
    return [1.0 - a * y[0] * y[0] + y[1], b * y[0]]


def looped(system: Any, y: Any, n: int) -> list[Any]:
    """All states of n iterations in a plain loop."""
    states = [y]
    for k in range(n):
        states.append(system(k, states[-1]))
    return states


def test_the_maps_of_the_issue_are_there() -> None:
    assert {"LogisticMap", "HenonMap", "StandardMap"} <= set(MAPS)


# -- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", MODES)
@every_map
def test_a_solve_is_the_map_again_and_again(name: str, compiled: bool) -> None:
    system = systems.find(name)()
    start = np.array(system.default_state) + 0.01
    sol = solve_ivp(system, (0, 12), start, compiled=compiled)
    assert sol.t.tolist() == list(range(13))
    assert (sol.status, sol.nfev) == (0, 12)
    expected = np.stack(looped(system, start, 12), axis=1)
    np.testing.assert_allclose(sol.y, expected, rtol=1e-9, atol=1e-11)
    if not compiled:
        assert np.array_equal(sol.y, expected)


@pytest.mark.parametrize("compiled", MODES)
@every_map
def test_a_batch_is_its_trajectories_bit_for_bit(name: str, compiled: bool) -> None:
    system = systems.find(name)()
    starts = np.array(system.default_state)[:, None] + 0.01 * RNG.uniform(0.0, 1.0, (system.dimension, 17))
    together = solve_ivp(system, (0, 40), starts, compiled=compiled)
    for lane in (0, 7, 16):
        alone = solve_ivp(system, (0, 40), starts[:, lane], compiled=compiled)
        tolerance = 0.0 if compiled else 1e-13  # NumPy's sine of many numbers may round differently
        np.testing.assert_allclose(together.y[:, lane, :8], alone.y[:, :8], rtol=tolerance)
        if compiled:
            assert np.array_equal(together.y[:, lane], alone.y)


@pytest.mark.parametrize("compiled", MODES)
def test_save_times_and_starts_are_counts(compiled: bool) -> None:
    every = solve_ivp(HenonMap(), (0, 20), [0.1, 0.1], compiled=compiled)
    some = solve_ivp(HenonMap(), (0, 20), [0.1, 0.1], t_eval=[0, 3, 20], compiled=compiled)
    assert np.array_equal(some.y, every.y[:, [0, 3, 20]])
    assert solve_ivp(HenonMap(), (5, 5), [0.1, 0.1], compiled=compiled).y.tolist() == [[0.1], [0.1]]
    ragged = solve_ivp(HenonMap(), (0, np.array([2, 4])), np.full((2, 2), 0.1), compiled=compiled)
    assert np.array_equal(ragged.y[:, 1, :5], every.y[:, :5])
    assert np.isnan(ragged.y[:, 0, 3:]).all()


@pytest.mark.parametrize("compiled", MODES)
def test_a_map_may_depend_on_the_count(compiled: bool) -> None:
    sol = solve_ivp(lambda n, x: x + n, (3, 7), [0.0], method="Iteration", compiled=compiled)
    assert sol.y.tolist() == [[0.0, 3.0, 7.0, 12.0, 18.0]]


@pytest.mark.parametrize("compiled", MODES)
def test_a_plain_function_is_a_map_where_iteration_is_named(compiled: bool) -> None:
    expected = solve_ivp(HenonMap(), (0, 10), [0.1, 0.2], compiled=compiled).y
    for method in ("Iteration", Iteration, Iteration()):
        sol = solve_ivp(henon, (0, 10), [0.1, 0.2], method=method, args=(1.4, 0.3), compiled=compiled)
        assert np.array_equal(sol.y, expected)


@pytest.mark.parametrize("compiled", MODES)
def test_an_orbit_that_escapes_says_so_and_leaves_its_neighbours_alone(compiled: bool) -> None:
    sol = solve_ivp(HenonMap(), (0, 50), np.array([[2.0, 0.1], [2.0, 0.1]]), compiled=compiled)
    assert sol.status.tolist() == [-1, 0]
    assert "The orbit escapes" in sol.message[0]
    assert "step" not in sol.message[0].replace("steps", "")
    assert np.array_equal(sol.y[:, 1], solve_ivp(HenonMap(), (0, 50), [0.1, 0.1], compiled=compiled).y)


def test_a_callback_sees_each_iteration_and_may_end_it() -> None:
    seen: list[float] = []

    def look(n: float, y: Any) -> bool:
        seen.append(n)
        return n >= 4

    sol = solve_ivp(HenonMap(), (0, 50), [0.1, 0.1], callback=look)
    assert (sol.status, seen) == (2, [1.0, 2.0, 3.0, 4.0])


def test_a_step_of_numbers_of_any_kind_is_the_image() -> None:
    with mpmath.workdps(40):
        image = Iteration().step(
            lambda n, y: henon(n, y, mpmath.mpf("1.4"), mpmath.mpf("0.3")), 0, [mpmath.mpf("0.1"), mpmath.mpf("0.2")], 1
        )
        assert abs(image[0] - mpmath.mpf("1.186")) < 1e-38


# -- derivatives -----------------------------------------------------------------------------------------------------


def _exact(system: Any, start: Any, n: int) -> Any:
    """Derivatives of the last state by start and parameters, by differences at 60 digits."""
    with mpmath.workdps(60):
        names, h = list(system.parameters), mpmath.mpf(10) ** -25
        point = [mpmath.mpf(float(x)) for x in [*start, *system.parameters.values()]]

        def last(point: Any) -> Any:
            twin = system.replace(**dict(zip(names, point[len(start) :], strict=True)))
            return looped(twin, point[: len(start)], n)[-1]

        columns = []
        for j in range(len(point)):
            up, down = ([p + (s if i == j else 0) for i, p in enumerate(point)] for s in (h, -h))
            columns.append([float((a - b) / (2 * h)) for a, b in zip(last(up), last(down), strict=True)])
    return np.array(columns).T


@pytest.mark.parametrize("compiled", MODES)
@every_map
def test_tangents_gradients_and_multiprecision_agree(name: str, compiled: bool) -> None:
    system = systems.find(name)()
    start, n = np.array(system.default_state) + 0.01, system.dimension
    sol = solve_ivp(system, (0, 8), start, sensitivities=("y0", "params"), compiled=compiled)
    tangents = np.concatenate([sol.dy_dy0[..., -1], sol.dy_dparams[..., -1]], axis=1)

    def end(x: Any) -> Any:
        twin = system.replace(**{key: x[n + i] for i, key in enumerate(system.parameters)})
        return solve_ivp(twin, (0, 8), x[:n], compiled=compiled).y[:, -1]

    x = np.array([*start, *system.parameters.values()])
    exact = _exact(system, start, 8)
    scale = np.max(np.abs(exact))
    np.testing.assert_allclose(tangents, exact, rtol=1e-9, atol=1e-11 * scale)
    np.testing.assert_allclose(ds.jacobian(end)(x), tangents, rtol=1e-10, atol=1e-12 * scale)
    _, pushed = ds.jvp(end, (x,), (np.ones(len(x)),))
    np.testing.assert_allclose(pushed, tangents.sum(axis=1), rtol=1e-10, atol=1e-12 * scale)


@pytest.mark.parametrize("compiled", MODES)
def test_second_derivatives_go_through(compiled: bool) -> None:
    def end(r: Any) -> Any:
        return solve_ivp(lambda n, x, r: r * x * (1.0 - x), (0, 4), [0.3], "Iteration", args=(r,), compiled=compiled).y[
            0, -1
        ]

    with mpmath.workdps(40):
        exact = mpmath.diff(
            lambda r: looped(lambda n, x: r * x * (1 - x), mpmath.mpf("0.3"), 4)[-1], mpmath.mpf("3.1"), 2
        )
    assert ds.grad(ds.grad(end))(3.1) == pytest.approx(float(exact), rel=1e-12)
    assert ds.certify(end, 3.1, order=2)


@pytest.mark.parametrize("compiled", MODES)
def test_parameters_of_each_trajectory_are_its_own(compiled: bool) -> None:
    kicks = np.array([0.5, 1.5])
    together = solve_ivp(StandardMap(kick=kicks), (0, 6), np.full((2, 2), 0.3), sensitivities="kick", compiled=compiled)
    for lane, kick in enumerate(kicks):
        alone = solve_ivp(StandardMap(kick=kick), (0, 6), [0.3, 0.3], sensitivities="kick", compiled=compiled)
        np.testing.assert_allclose(together.dy_dparams[:, :, lane], alone.dy_dparams, rtol=1e-13)


# -- what is no iteration --------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "RK4": ({"method": "RK4", "step": 0.1}, ArgumentError, "must be left out for HenonMap, a map"),
    "object": ({"method": RK4(0.1)}, ArgumentError, r"iterated, not integrated; got method=RK4\(step=0.1\)"),
    "RK45 by name": ({"method": "RK45"}, ArgumentError, "must be left out for HenonMap"),
    "class": ({"method": RungeKutta}, ArgumentError, "must be left out for HenonMap"),
    "half a step": ({"step": 0.5}, ArgumentError, "step must be 1 for the iteration of a map; got step=0.5"),
    "span": ({"t_span": (0, 2.5)}, ArgumentError, r"t_span must hold whole numbers.*t_span=\(0, 2.5\)"),
    "span of a batch": ({"t_span": (0, [1.5])}, ArgumentError, "t_span must hold whole numbers"),
    "start": ({"t_span": (0.5, 2)}, ArgumentError, "t_span must hold whole numbers"),
    "t_eval": ({"t_eval": [0, 0.5]}, ArgumentError, "t_eval must hold whole numbers"),
    "backwards": ({"t_span": (5, 0)}, ArgumentError, "must not run backwards for HenonMap.*need not have an inverse"),
    "dense": ({"dense_output": True}, ArgumentError, "dense_output must be left out.*no states between"),
    "events": ({"events": lambda n, y: y[0]}, ArgumentError, "events must be left out.*no states between"),
    "tolerance": ({"rtol": 1e-6}, ArgumentError, "rtol must be left out: a map is iterated"),
    "infinite": ({"t_span": (0, np.inf)}, ArgumentError, "t_span must be finite"),
    "recorded span": ({"t_span": (0, ds.Value(3.0))}, KindError, "plain whole numbers for HenonMap"),
    "recorded times": ({"t_eval": [ds.Value(3.0)]}, KindError, "plain whole numbers for HenonMap"),
    "digits": ({"y0": [mpmath.mpf(1), mpmath.mpf(0)], "method": "Taylor"}, ArgumentError, "must be a flow, not a map"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_iteration_is_refused_and_says_why(case: str) -> None:
    given, kind, words = WRONG[case]
    more = {"t_span": (0, 10), "y0": [0.1, 0.1]} | given
    with pytest.raises(kind, match=words):
        solve_ivp(HenonMap(), **more)


def test_a_flow_is_not_iterated() -> None:
    for method in ("Iteration", Iteration, Iteration()):
        with pytest.raises(ArgumentError, match=r"Iteration is for maps.*Lorenz63 gives the derivative"):
            solve_ivp(Lorenz63(), (0, 1), [1.0, 1.0, 1.0], method=method)


def test_a_step_that_is_not_one_is_refused_where_it_is_made() -> None:
    with pytest.raises(ArgumentError, match="Iteration: step must be 1"):
        Iteration(0.5)
    assert solve_ivp(HenonMap(), (0, 2), [0.0, 0.0], step=1).y.shape == (2, 3)
    assert repr(Iteration()) == "Iteration()"


def test_the_list_of_methods_has_it_without_an_order() -> None:
    (facts,) = [facts for facts in methods() if facts.name == "Iteration"]
    assert facts.order == 0
    assert "Iteration         -      -      -" in str(methods())


def test_a_map_without_image_says_how_it_is_written() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Bare(DiscreteMap):
        state_names = ("x",)

    @dataclass(frozen=True)
    class Short(DiscreteMap):
        state_names = ("x", "y")

        def image(self, n: Any, state: Any) -> tuple[Any, ...]:
            return (state[0],)

    with pytest.raises(KindError, match=r"Bare: has no image. Write the map as image\(self, n, state\)"):
        Bare()(0, [1.0])
    with pytest.raises(KindError, match="Short: image must return 2 numbers, one for each of x, y; got 1 of them"):
        Short()(0, [1.0, 2.0])


def _orbit(f: Callable[[Any], Any], x: float, n: int) -> list[float]:
    found = [x]
    for _ in range(n):
        found.append(f(found[-1]))
    return found


def test_the_logistic_map_at_four_doubles_an_angle() -> None:
    angle = 0.2
    sol = solve_ivp(systems.find("LogisticMap")(), (0, 20), [np.sin(angle) ** 2])
    np.testing.assert_allclose(sol.y[0], np.sin(angle * 2.0 ** np.arange(21)) ** 2, atol=1e-9)


# -- studies and the command line ------------------------------------------------------------------------------------


def test_studies_iterate_a_map_where_no_method_is_named() -> None:
    grid = {"theta": [0.1, 3.0], "p": [0.0, 0.2]}
    found = ds.studies.sensitivity_map(StandardMap(), grid, t_end=20, measure="ftle")
    tangent = solve_ivp(StandardMap(), (0, 20), [0.1, 0.0], sensitivities="y0").dy_dy0[..., -1]
    assert found.values[0, 0] == pytest.approx(np.log(np.linalg.norm(tangent, 2)) / 20.0, rel=1e-9)
    assert (found.unit, found.method) == ("1", "Iteration")
    assert "T = 20 iterations" in repr(found)
    fitted = ds.studies.minimise(
        HenonMap(), lambda y: (y[0] - 0.5) ** 2, [0.1, 0.1], free=("a",), t_span=(0, 3), tolerance=1e-12
    )
    assert fitted.value < 1e-12


def test_a_map_is_not_filmed() -> None:
    with pytest.raises(KindError, match="animate: system must be a flow; HenonMap is a map"):
        ds.studies.animate(HenonMap(), [0.0, 0.0], (0, 10), plane=("x", "y"))


def test_the_command_line_iterates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "HenonMap", "--t-end", "50", "--out", "a.csv", "--out", "a.png"]) == 0
    told = capsys.readouterr().out
    end = looped(HenonMap(), np.zeros(2), 50)[-1]
    assert re.search(r"state at t=50 +x=(\S+),", told)
    rows = np.loadtxt("a.csv", delimiter=",", skiprows=1)
    assert rows[:, 0].tolist() == list(range(51))
    np.testing.assert_allclose(rows[-1, 1:], end, atol=1e-4)  # chaos: the last bits have grown
    assert main(["simulate", "HenonMap", "--t-end", "50", "--method", "RK4", "--step", "0.1"]) == 2
    assert "method must be left out for HenonMap, a map" in capsys.readouterr().err
    assert main(["simulate", "HenonMap", "--t-end", "2.5"]) == 2
    assert "t_span must hold whole numbers for HenonMap" in capsys.readouterr().err
    axes = ["--axis", "theta=0:3:3", "--axis", "p=0:1:2", "--measure", "ftle"]
    assert main(["sensitivity", "StandardMap", "--t-end", "20", *axes, "--out", "m.npz"]) == 0
    assert "20 iterations" in capsys.readouterr().out
    assert main(["animate", "HenonMap", "--plane", "x,y", "--out", "a.gif"]) == 2
    assert "HenonMap is a map" in capsys.readouterr().err


@every_map
def test_every_map_keeps_what_it_declares(name: str) -> None:
    assert ds.studies.check_system(systems.find(name)(), compiled=engine.available()).ok


def test_a_solve_that_is_asked_for_again_is_still_the_one_asked_for() -> None:
    for start in (0.1, 0.2, 0.3):
        expected = np.stack(looped(HenonMap(), np.array([start, 0.0]), 6), axis=1)
        np.testing.assert_allclose(solve_ivp(HenonMap(), (0, 6), [start, 0.0]).y, expected, rtol=1e-12)
        with pytest.raises(ArgumentError, match="method must be left out for HenonMap"):
            solve_ivp(HenonMap(), (0, 6), [start, 0.0], method="RK45")
