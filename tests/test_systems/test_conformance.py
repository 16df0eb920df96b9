"""Every system keeps what it declares: the suite walks the folder, so a new file is tested the moment it exists.

Oracles: mpmath at 40 digits for the physics, central differences there for the Jacobians, SciPy for trajectories.
"""

from __future__ import annotations

import functools
import inspect
import math
import pickle
import re
from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from scipy.integrate import solve_ivp

import systems
from diffsim import array_ops, ops, protocols
from diffsim.derivatives import grad, jacobian, jvp
from diffsim.graph import trace

CLASSES = [systems.find(name) for name in systems.names()]
FIRST = {"DoublePendulum", "HarmonicOscillator", "Kepler", "Lorenz63", "Pendulum"}
SAMPLE = np.linspace(-9.0, 9.0, 10_001).tolist()
ELEMENTARY = {"sin", "cos", "tan", "exp", "expm1", "log", "log1p", "tanh", "sinh", "cosh", "sigmoid", "power"}
ELEMENTARY |= {"asin", "acos", "atan", "asinh", "cbrt", "exp2", "softplus"}
T = 0.7  # a time at which a drive is neither at rest nor at its crest

every_system = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def drawn(test: Callable[[type[Any], st.DataObject], None]) -> Callable[..., None]:
    """Run a test for every system on what Hypothesis draws: often for the first five, less often for all others."""

    @every_system
    @functools.wraps(test)
    def run(cls: type[Any]) -> None:
        examples = 80 if cls.__name__ in FIRST else 10 if cls().dimension < 10 else 3
        checks = [HealthCheck.filter_too_much, HealthCheck.too_slow]
        quick = settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=checks)

        @quick
        @given(data=st.data())
        def draw(data: st.DataObject) -> None:
            test(cls, data)

        draw()

    del run.__wrapped__  # type: ignore[attr-defined] # pytest would ask it for its arguments
    return run


@functools.cache
def same_bits(name: str) -> bool:
    """Whether NumPy's answer for a batch is Python's for one number: where both take it from the C library."""
    if name not in ELEMENTARY:
        return True
    row = getattr(ops, name)
    points = [x for x in SAMPLE if x > 0.0] if name in ("log", "log1p", "power") else SAMPLE
    points = [x / 9.0 for x in SAMPLE] if name in ("asin", "acos") else points
    more = (2.5,) if name == "power" else ()
    together = row(np.array(points), *more).tolist()
    return all(row(x, *more) == y for x, y in zip(points, together, strict=True))


def batch_tolerance(system: Any) -> float:
    """How far one trajectory and a batch may differ, as a part of the largest rate: not at all, or by rounding."""
    graph = trace(lambda y: system(T, y), np.array(system.default_state))
    rows = {node.row.name for node in graph.nodes if node.row is not None}
    return 0.0 if all(map(same_bits, rows)) else 1e-13


def size_of(default: float) -> float:
    """The size in which a number is drawn: 1 where the default is of that order, or none, else its own."""
    return 1.0 if default == 0.0 or 0.05 < abs(default) < 50.0 else abs(default)


def draw_system(data: st.DataObject, cls: type[Any], keep_zeros: bool = False) -> Any:
    """A system with drawn parameters; with `keep_zeros`, friction and drive that are zero by default stay so."""
    values = {}
    for name, default in cls().parameters.items():
        low = 0.3 if name in cls.positive or name in cls.non_negative else -3.0
        value = data.draw(st.floats(low, 3.0), label=name) * size_of(default)
        values[name] = 0.0 if keep_zeros and default == 0.0 else value
    return cls(**values)


def draw_state(data: st.DataObject, system: Any) -> list[float]:
    """A state at which the field is smooth: away from poles such as a collision, and from kinks at whole numbers."""
    sizes = [size_of(default) for default in system.default_state]
    components = data.draw(st.tuples(*[st.floats(-3.0, 3.0)] * system.dimension), label="state over its sizes")
    state = [1.0009765625 * x * size for x, size in zip(components, sizes, strict=True)]
    with np.errstate(all="ignore"):
        rates = system(T, np.array(state)[:, None])
        usual = np.max(np.abs(system(T, some_state(system))))
    assume(np.all(np.isfinite(rates)) and np.max(np.abs(rates)) < 1e3 * max(1.0, usual))
    return state


def smooth(invariant: Callable[[Any], Any], state: Any) -> Any:
    """The gradient of an invariant; states beside its poles (a logarithm at 0) are drawn again."""
    with np.errstate(all="ignore"):
        row = grad(invariant)(state)
    assume(np.all(np.abs(row) < 1e2 * (1.0 + np.max(np.abs(state))) ** 3))
    return row


def some_state(system: Any) -> list[float]:
    """A state with nothing special about it."""
    return [(0.8 + 0.3 * i / max(1, system.dimension / 6)) * size_of(d) for i, d in enumerate(system.default_state)]


def multiprecise(system: Any) -> Any:
    return system.replace(**{name: mpmath.mpf(value) for name, value in system.parameters.items()})


def slope(f: Callable[[Any], Any]) -> Any:
    """df/ds at s = 0 in multiprecision, by central differences with steps of 1e-13: 26 digits at 40."""
    h = mpmath.mpf(10) ** -13
    return (f(h) - f(-h)) / (2 * h)


def exact_jacobian(field: Callable[[Sequence[Any]], Any], state: Sequence[float]) -> np.ndarray[Any, Any]:
    """Jacobian of a field by differences at 40 digits."""
    with mpmath.workdps(40):
        point = [mpmath.mpf(x) for x in state]
        columns = []
        for j in range(len(point)):
            moved = [[p + (s if i == j else 0) for i, p in enumerate(point)] for s in (1e-13, -1e-13)]
            up, down = (field(m) for m in moved)
            columns.append([float((a - b) / mpmath.mpf(2e-13)) for a, b in zip(up, down, strict=True)])
    return np.array(columns).T


# --- what is written down --------------------------------------------------------------------------------------------


def test_names_finds_the_five_of_the_first_day() -> None:
    assert {"DoublePendulum", "HarmonicOscillator", "Kepler", "Lorenz63", "Pendulum"} <= set(systems.names())


@every_system
def test_declarations_are_complete(cls: type[Any]) -> None:
    system = cls()
    assert len(system.state_names) == len(system.state_units) == system.dimension == len(system.default_state)
    assert len(set(system.state_names)) == system.dimension
    assert set(cls.parameter_units) == set(system.parameter_names)
    assert cls.positive | cls.non_negative <= set(system.parameter_names)
    assert all(0 <= i < system.dimension for i in system.angles)
    assert all(system.state_units[i] == "rad" for i in system.angles)
    assert all(type(value) is float for value in system.parameters.values())
    assert 0.0 < cls.default_time < math.inf
    assert protocols.is_system(system)
    assert protocols.is_elementwise(system) == cls.elementwise


@every_system
def test_docstring_has_the_tables_with_units_and_defaults(cls: type[Any]) -> None:
    doc = inspect.getdoc(cls) or ""
    for name, unit in zip(cls().state_names, cls().state_units, strict=True):
        either = f"(?:{name}|{re.sub('[0-9]+$', 'i', name)})"  # x_7 may stand in the row of all the x_i
        assert re.search(rf"^{either} +\S.*  {re.escape(unit)}$", doc, re.MULTILINE), f"no row for {name} in {unit}"
    for name, value in cls().parameters.items():
        unit = re.escape(cls.parameter_units[name])
        row = re.search(rf"^{name}  +(\S+)  +{unit}  +\S", doc, re.MULTILINE)
        assert row, f"no row for parameter {name}"
        assert float(Fraction(row.group(1))) == value, f"the default of {name} in the docstring"
    for word in ("\nInvariants:", "\nEquilibria", "\nChaotic", "\nReferences\n", ">>> "):
        assert word in doc, word


@every_system
def test_a_system_is_frozen_equal_hashable_and_pickles(cls: type[Any]) -> None:
    system = cls()
    with pytest.raises(FrozenInstanceError):
        setattr(system, (*system.parameter_names, "anything")[0], 2.0)
    assert pickle.loads(pickle.dumps(system)) == system == cls()
    assert hash(system) == hash(cls())
    twin = pickle.loads(pickle.dumps(system))
    state = np.array(system.default_state)
    assert np.array_equal(twin(T, state), system(T, state))


# --- kinds of number -------------------------------------------------------------------------------------------------


@drawn
def test_lists_arrays_and_batches_agree_to_the_last_bit(cls: type[Any], data: st.DataObject) -> None:
    system = draw_system(data, cls)
    states = [draw_state(data, system) for _ in range(3)]
    batch = np.array(states).T
    together = system(T, batch)
    assert together.shape == batch.shape
    assert np.array_equal(system(T, batch.reshape(-1, 1, 3))[:, 0], together)
    for lane, state in enumerate(states):
        alone = system(T, np.array(state))
        assert alone.shape == (system.dimension,)
        assert type(alone) is np.ndarray
        assert np.array_equal(alone, system(T, state)), "a list"
        assert np.array_equal(alone, system(T, tuple(state))), "a tuple"
        if cls.elementwise:
            assert np.array_equal(system(T, batch[:, lane : lane + 1])[:, 0], together[:, lane]), "a batch of one"
            tolerance = batch_tolerance(system) * float(np.max(np.abs(alone)))
            np.testing.assert_allclose(alone, together[:, lane], rtol=0.0, atol=tolerance)


@drawn
def test_multiprecision_gives_all_its_digits(cls: type[Any], data: st.DataObject) -> None:
    system = draw_system(data, cls)
    state = draw_state(data, system)
    answers = []
    for digits in (50, 80):
        with mpmath.workdps(digits):
            answers.append(multiprecise(system)(mpmath.mpf(T), [mpmath.mpf(x) for x in state]))
    low, high = answers
    scale = max(abs(x) for x in high)
    assert all(abs(a - b) <= 1e-45 * scale for a, b in zip(low, high, strict=True)), "a float slipped in"
    np.testing.assert_allclose(system(T, state), high.astype(float), rtol=1e-12, atol=1e-13 * float(scale) + 1e-300)


@every_system
def test_an_empty_batch_gives_an_empty_batch(cls: type[Any]) -> None:
    system = cls()
    assert system(0.0, np.zeros((system.dimension, 0))).shape == (system.dimension, 0)


@every_system
def test_arrays_of_parameters_are_one_entry_a_trajectory(cls: type[Any]) -> None:
    system = cls()
    if not system.parameters:
        return
    name, default = next(iter(system.parameters.items()))
    values = np.array([0.5, 1.0, 2.0]) * size_of(default)
    batch = np.repeat(np.array(system.default_state)[:, None], 3, axis=1) + 0.25
    together = system.replace(**{name: values})(T, batch)
    for lane, value in enumerate(values):
        alone = system.replace(**{name: value})(T, batch[:, lane])
        tolerance = batch_tolerance(system) * float(np.max(np.abs(alone)))
        np.testing.assert_allclose(together[:, lane], alone, rtol=0.0, atol=tolerance)


@every_system
def test_a_singular_point_gives_no_python_error(cls: type[Any]) -> None:
    system = cls()
    with np.errstate(all="ignore"):
        single = system(0.0, np.zeros(system.dimension))
        batch = system(0.0, np.zeros((system.dimension, 1)))[:, 0]
    np.testing.assert_array_equal(single, batch)


# --- derivatives by the core -----------------------------------------------------------------------------------------


@drawn
def test_jacobian_by_the_core_equals_multiprecision_differences(cls: type[Any], data: st.DataObject) -> None:
    system = draw_system(data, cls)
    state = draw_state(data, system)
    ours = jacobian(lambda y: system(T, y))(np.array(state))
    exact = exact_jacobian(lambda y: system(T, y), state)
    np.testing.assert_allclose(ours, exact, rtol=1e-9, atol=1e-9 * np.max(np.abs(exact)) + 1e-25)


@drawn
def test_every_parameter_has_its_derivative(cls: type[Any], data: st.DataObject) -> None:
    system = draw_system(data, cls)
    state = draw_state(data, system)
    values = [system.parameters[name] for name in system.parameter_names]
    if not values:
        return

    def field(p: Any) -> Any:
        return protocols.with_parameters(system, list(p))(T, state)

    ours = jacobian(field)(np.array(values))
    exact = exact_jacobian(field, values)
    np.testing.assert_allclose(ours, exact, rtol=1e-9, atol=1e-9 * np.max(np.abs(exact)) + 1e-25)


@every_system
def test_no_parameter_is_without_effect(cls: type[Any]) -> None:
    defaults = cls().parameters
    spread = {name: 0.2 * i / max(1, len(defaults) / 6) for i, name in enumerate(defaults)}
    system = cls(**{name: (1.1 + spread[name]) * size_of(default) for name, default in defaults.items()})
    places = [[stretch * x for x in some_state(system)] for stretch in (1.0, -2.0, 0.3)]
    rate = min(1.0, np.max(np.abs(system(T, places[0]))))
    for i, name in enumerate(system.parameter_names):
        values = list(system.parameters.values())
        direction = [1.0 if j == i else 0.0 for j in range(len(values))]

        def motion(p: Any, system: Any = system) -> Any:
            """Rates, and where the system has events the numbers that tell them and the states behind them."""
            twin = protocols.with_parameters(system, list(p))
            parts = [twin(T, state) for state in places]
            for event in twin.events:
                for state in places:
                    parts.append(array_ops.array([event(T, state)]))
                    if getattr(event, "reset", None) is not None:
                        parts.append(array_ops.array(event.reset(T, state)))
            return array_ops.concatenate(parts)

        _, tangent = jvp(motion, (np.array(values),), (np.array(direction),))
        assert np.max(np.abs(tangent)) * max(1.0, size_of(defaults[name])) > 1e-3 * max(1e-3, rate), name


@every_system
def test_parameters_that_are_values_pass_the_checks_and_differentiate(cls: type[Any]) -> None:
    system = cls()
    state = some_state(system)
    if not system.parameters:
        return
    name, default = next(iter(system.parameters.items()))

    def through_checks(p: Any) -> Any:
        return array_ops.sum(system.replace(**{name: p})(T, state))

    def without_checks(p: Any) -> Any:
        return array_ops.sum(protocols.with_parameters(system, {name: p})(T, state))

    value = 1.5 * size_of(default)
    assert grad(through_checks)(value) == grad(without_checks)(value)


@drawn
def test_traced_with_its_parameters_equals_eager(cls: type[Any], data: st.DataObject) -> None:
    system = draw_system(data, cls)
    state = np.array(draw_state(data, system))
    values = np.array(list(system.parameters.values()))
    graph = trace(lambda t, y, p: protocols.with_parameters(cls(), list(p))(t, y), T, state, values)
    expected = system(T, state)
    np.testing.assert_allclose(graph(T, state, values), expected, rtol=1e-13, atol=1e-13 * np.max(np.abs(expected)))


# --- physics ---------------------------------------------------------------------------------------------------------


@drawn
def test_invariants_stand_still_along_the_field_by_our_own_gradient(cls: type[Any], data: st.DataObject) -> None:
    system = draw_system(data, cls, keep_zeros=True)
    state = np.array(draw_state(data, system))
    for name, invariant in system.invariants.items():
        if system.discrete:
            assert invariant(system(T, state)) == pytest.approx(invariant(state), rel=1e-12, abs=1e-13), name
            continue
        row = smooth(invariant, state)
        rates = system(T, state)
        size = np.sum(np.abs(row * rates))
        assert abs(np.dot(row, rates)) <= 1e-12 * size + 1e-13, name


@drawn
def test_invariants_stand_still_along_the_field_in_multiprecision(cls: type[Any], data: st.DataObject) -> None:
    with mpmath.workdps(40):
        drawn = draw_system(data, cls, keep_zeros=True)
        state = [mpmath.mpf(x) for x in draw_state(data, drawn)]
        system = multiprecise(drawn)
        rates = system(mpmath.mpf(T), state)
        for name, invariant in {} if system.discrete else system.invariants.items():
            smooth(drawn.invariants[name], np.array(state, dtype=float))

            def along(s: Any, invariant: Any = invariant) -> Any:
                return invariant([x + s * r for x, r in zip(state, rates, strict=True)])

            scale = 1 + max(abs(r) for r in rates) ** 3
            assert abs(slope(along)) < 1e-18 * scale, name


@drawn
def test_hamiltonian_systems_are_the_symplectic_gradient_of_their_energy(cls: type[Any], data: st.DataObject) -> None:
    system = draw_system(data, cls, keep_zeros=True)
    if not system.canonical:
        return
    state = np.array(draw_state(data, system))
    n = system.dimension // 2
    if system.discrete:
        form = np.block([[np.zeros((n, n)), np.eye(n)], [-np.eye(n), np.zeros((n, n))]])
        matrix = jacobian(lambda y: system(T, y))(state)
        rounding = 1e-13 * np.max(np.abs(matrix)) ** 2
        np.testing.assert_allclose(matrix.T @ form @ matrix, form, atol=rounding)
        return
    slope_of_energy = grad(system.energy)(state)
    expected = np.concatenate([slope_of_energy[n:], -slope_of_energy[:n]])
    np.testing.assert_allclose(system(T, state), expected, rtol=1e-11, atol=1e-12 * np.max(np.abs(expected)))


@every_system
def test_separable_systems_have_no_diagonal_blocks(cls: type[Any]) -> None:
    system = cls()
    state = np.array(some_state(system))
    matrix = jacobian(lambda y: system(T, y))(state)
    n = system.dimension // 2
    apart = not (np.any(matrix[:n, :n]) or np.any(matrix[n:, n:])) if system.dimension == 2 * n else False
    assert system.separable == apart


@drawn
def test_equilibria_are_at_rest(cls: type[Any], data: st.DataObject) -> None:
    system = draw_system(data, cls, keep_zeros=True)
    for name, state in system.equilibria.items():
        slopes = np.abs(jacobian(lambda y: system(T, y))(np.array(state, dtype=float)))
        rounding = 1e-13 * np.maximum(1.0, slopes @ np.abs(np.array(state, dtype=float)))
        moved = system(T, list(state)) - (np.array(state, dtype=float) if system.discrete else 0.0)
        assert np.all(np.abs(moved) <= rounding), name


@every_system
def test_positions_are_points_in_the_plane_whose_rods_keep_their_lengths(cls: type[Any]) -> None:
    system = cls()
    rng = np.random.default_rng(1)
    states = rng.uniform(-3.0, 3.0, (system.dimension, 50))
    if not system.drawable:
        with pytest.raises(TypeError, match="has no positions"):
            system.positions(states)
        return
    points = system.positions(states)
    assert points.shape[1:] == (2, 50)
    assert np.all(np.isfinite(points))
    assert np.all(points[0] == 0.0) or 0 not in np.ravel(system.rods), "the pivot is the origin"
    np.testing.assert_array_equal(system.positions(states[:, 7]), points[..., 7])
    np.testing.assert_array_equal(system.positions(states[:, 7].tolist()), points[..., 7])
    for first, second in system.rods:
        rod = np.linalg.norm(points[first] - points[second], axis=0)
        np.testing.assert_allclose(rod, rod[0], rtol=1e-13)


@every_system
def test_energy_is_there_exactly_where_it_is_declared(cls: type[Any]) -> None:
    system = cls()
    state = some_state(system)
    batch = np.repeat(np.array(state)[:, None], 4, axis=1)
    if not system.has_energy:
        assert "energy" not in system.invariants
        with pytest.raises(TypeError, match="has no energy"):
            system.energy(state)
        return
    assert np.array_equal(system.energy(batch), np.full(4, system.energy(state)))
    assert type(system.energy(state)) is float


@every_system
def test_scipy_conserves_the_invariants_along_the_default_orbit(cls: type[Any]) -> None:
    system = cls()
    if system.discrete:
        states = [np.array(system.default_state, dtype=float)]
        for n in range(int(system.default_time)):
            states.append(system(n, states[-1]))
        assert np.all(np.isfinite(states))
        assert np.ptp(states) > 0.1, "the default state moves"
        return
    derived = hasattr(system, "coordinates")  # from an energy: slow to ask, but for its graph
    span = (0.0, system.default_time if system.stiff else min(3.0 if derived else 10.0, system.default_time))
    start = np.array(system.default_state, dtype=float)
    if system.stiff:
        more: dict[str, Any] = {"method": "Radau", "rtol": 1e-4, "atol": 1e-10}
        more["jac"] = lambda t, y: jacobian(lambda z: system(t, z))(y)
    else:
        more = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-12}
    field = trace(system, 0.0, start) if derived else system
    orbit = solve_ivp(field, span, start, **more)
    assert orbit.status == 0
    moved = np.ptp(orbit.y, axis=1) / np.maximum(1e-300, np.max(np.abs(orbit.y), axis=1))
    assert np.max(moved) > 0.1, "the default state moves"
    for name, invariant in system.invariants.items():
        values = invariant(orbit.y)
        assert np.max(np.abs(values - values[0])) < 1e-9 * max(1.0, abs(values[0])), name
    fastest = 0.0  # the largest rate of decay at some states of the orbit
    for k in np.linspace(0, orbit.t.size - 1, 6).astype(int):
        slopes = jacobian(lambda y, t=orbit.t[k]: system(t, y))(orbit.y[:, k])
        fastest = max(fastest, float(np.max(-np.linalg.eigvals(slopes).real)))
    assert system.stiff == (fastest * system.default_time > 20_000.0), f"decays by {fastest} in a unit of time"


# --- angles measured from an equilibrium -----------------------------------------------------------------------------


@drawn
def test_angles_measured_from_an_equilibrium_are_the_same_physics(cls: type[Any], data: st.DataObject) -> None:
    if not getattr(cls, "resting", {}):
        return
    with mpmath.workdps(40):
        drawn_system = draw_system(data, cls)
        state = [mpmath.mpf(x) for x in draw_state(data, drawn_system)]
        system = multiprecise(drawn_system)
        for name, turns in cls.resting.items():
            moved = system.about(name)
            absolute = list(state)
            for i, k in zip(cls.angles, turns, strict=True):
                absolute[i] = state[i] + k * mpmath.pi
            for there, here in (
                (moved(T, state), system(T, absolute)),
                ([moved.energy(state)], [system.energy(absolute)]),
            ):
                assert all(abs(a - b) < 1e-35 * (1 + abs(a)) for a, b in zip(there, here, strict=True)), name
            drawn = moved.positions(state) - system.positions(absolute)
            assert max(abs(x) for x in drawn.ravel()) < 1e-35


@every_system
def test_an_equilibrium_is_exactly_at_rest_in_its_own_coordinates(cls: type[Any]) -> None:
    for name in getattr(cls, "resting", {}):
        moved = cls().about(name)
        state = moved.equilibria[name]
        assert state == (0.0,) * moved.dimension
        assert np.array_equal(moved(T, state), np.zeros(moved.dimension))
        there = moved.to_absolute(state)
        assert tuple(there) == cls().equilibria[name]
        np.testing.assert_allclose(moved.from_absolute(there), 0.0, atol=math.ulp(math.pi))


@drawn
def test_from_absolute_keeps_every_digit(cls: type[Any], data: st.DataObject) -> None:
    for name, turns in getattr(cls, "resting", {}).items():
        state = draw_state(data, cls())
        ours = cls().about(name).from_absolute(state)
        with mpmath.workdps(40):
            for i, k in zip(cls.angles, turns, strict=True):
                exact = mpmath.mpf(state[i]) - k * mpmath.pi
                assert abs(ours[i] - exact) <= math.ulp(float(exact)), name
