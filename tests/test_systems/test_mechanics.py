"""Systems written by a Hamiltonian or a Lagrangian: the derived equations are those written by hand."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings

from diffsim import ops
from diffsim.capture import capture, trace_flow
from diffsim.compiled_function import jit
from diffsim.dataflow import machine_operations
from diffsim.derivatives import grad, hessian, jvp
from diffsim.errors import KindError, TraceError
from diffsim.graph import trace
from diffsim.linearise import linearise
from diffsim.strength import strengthen
from integrators import solve_ivp
from systems import DoublePendulum
from systems._hamiltonian import HamiltonianSystem
from systems._lagrangian import LagrangianSystem
from systems._legendre import hamiltonian_form, lagrangian_form

quick = settings(max_examples=20, deadline=None)
finite = st.floats(-4.0, 4.0)
positive = st.floats(0.3, 3.0)


class Rods:
    """What the energy of the double pendulum of two rods is made of."""

    gravity: Any
    mass_1: Any
    mass_2: Any
    length_1: Any
    length_2: Any

    def inertia(self, q: Any) -> Any:
        coupling = self.mass_2 * self.length_1 * self.length_2 * ops.cos(q[0] - q[1]) / 2
        first = (self.mass_1 / 3 + self.mass_2) * self.length_1**2
        return [[first, coupling], [coupling, self.mass_2 * self.length_2**2 / 3]]

    def height(self, q: Any) -> Any:
        upper = (self.mass_1 / 2 + self.mass_2) * self.length_1 * ops.cos(q[0])
        return -self.gravity * (upper + self.mass_2 * self.length_2 * ops.cos(q[1]) / 2)


@dataclass(frozen=True)
class ByHamiltonian(Rods, HamiltonianSystem):
    """Nothing but H."""

    coordinates = ("theta_1", "theta_2")
    angles = (0, 1)
    gravity: float = 9.8
    mass_1: float = 1.0
    mass_2: float = 1.0
    length_1: float = 1.0
    length_2: float = 1.0

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        (a, c), (_, b) = self.inertia(q)
        return (b * p[0] ** 2 - 2 * c * p[0] * p[1] + a * p[1] ** 2) / (2 * (a * b - c * c)) + self.height(q)


@dataclass(frozen=True)
class ByEnergies(Rods, HamiltonianSystem):
    """Kinetic plus potential energy."""

    coordinates = ("theta_1", "theta_2")
    angles = (0, 1)
    gravity: float = 9.8
    mass_1: float = 1.0
    mass_2: float = 1.0
    length_1: float = 1.0
    length_2: float = 1.0

    def mass_matrix(self, q: Any) -> Any:
        return self.inertia(q)

    def potential(self, q: Any, t: Any) -> Any:
        return self.height(q)


@dataclass(frozen=True)
class ByLagrangian(Rods, LagrangianSystem):
    """Nothing but L."""

    coordinates = ("theta_1", "theta_2")
    angles = (0, 1)
    gravity: float = 9.8
    mass_1: float = 1.0
    mass_2: float = 1.0
    length_1: float = 1.0
    length_2: float = 1.0

    def lagrangian(self, q: Any, qdot: Any, t: Any) -> Any:
        (a, c), (_, b) = self.inertia(q)
        return a * qdot[0] ** 2 / 2 + c * qdot[0] * qdot[1] + b * qdot[1] ** 2 / 2 - self.height(q)


HAMILTONIANS = [ByHamiltonian, ByEnergies]


def four_formulas(state: Any) -> tuple[list[Any], list[float]]:
    """The rates of two rods of 1 m and 1 kg, g = 9.8, and the size of the terms that each is made of.

    SOURCE: the equations that this project took for its reference; m = l = 1.
    """
    theta_1, theta_2, p_1, p_2 = state
    cosine, sine = mpmath.cos(theta_1 - theta_2), mpmath.sin(theta_1 - theta_2)
    divisor = 16 - 9 * cosine**2
    u = 6 * (2 * p_1 - 3 * cosine * p_2) / divisor
    v = 6 * (8 * p_2 - 3 * cosine * p_1) / divisor
    g = mpmath.mpf(9.8)
    rates = [u, v, -(u * v * sine + 3 * g * mpmath.sin(theta_1)) / 2, -(-u * v * sine + g * mpmath.sin(theta_2)) / 2]
    size_u = 6 * (2 * abs(p_1) + 3 * abs(p_2)) / divisor
    size_v = 6 * (8 * abs(p_2) + 3 * abs(p_1)) / divisor
    product = size_u * size_v / 2
    # an angle in double precision brings an error of its own size into sin and cos, which the divisor multiplies
    wide = 1 + abs(theta_1) + abs(theta_2)
    amplified = wide * 16 / divisor
    return rates, [float(x * amplified) for x in (size_u, size_v, product + 3 * g / 2, product + g / 2)]


@pytest.mark.parametrize("cls", HAMILTONIANS)
@settings(max_examples=200, deadline=None)
@given(state=st.tuples(finite, finite, finite, finite))
def test_double_pendulum_derived_from_its_hamiltonian_is_the_four_formulas(cls: type[Any], state: Any) -> None:
    with mpmath.workdps(30):
        rates, sizes = four_formulas([mpmath.mpf(x) for x in state])
    found = cls()(0.0, list(state))
    for ours, exact, size in zip(found, rates, sizes, strict=True):
        assert abs(ours - float(exact)) <= 1e-14 * size + 1e-300


@settings(max_examples=100, deadline=None)
@given(state=st.tuples(finite, finite, finite, finite))
def test_double_pendulum_derived_from_its_lagrangian_and_transformed_is_the_four_formulas(state: Any) -> None:
    with mpmath.workdps(30):
        rates, sizes = four_formulas([mpmath.mpf(x) for x in state])
    found = hamiltonian_form(ByLagrangian())(0.0, list(state))
    for ours, exact, size in zip(found, rates, sizes, strict=True):
        assert abs(ours - float(exact)) <= 1e-14 * size + 1e-300


@settings(max_examples=100, deadline=None)
@given(state=st.tuples(finite, finite, finite, finite))
def test_double_pendulum_derived_from_its_lagrangian_moves_as_the_four_formulas_say(state: Any) -> None:
    system, rods = ByLagrangian(), DoublePendulum()
    with mpmath.workdps(30):
        exact_state = [mpmath.mpf(x) for x in state]
        rates, sizes = four_formulas(exact_state)
        velocities = [float(x) for x in rates[:2]]
        # M(q) q' is p, and the velocities' own rates follow from those of p by the chain rule, here by differences
        step = mpmath.mpf(10) ** -12
        ahead, behind = (
            four_formulas([x + s * step * r for x, r in zip(exact_state, rates, strict=True)])[0][:2] for s in (1, -1)
        )
        accelerations = [float((a - b) / (2 * step)) for a, b in zip(ahead, behind, strict=True)]
    q_and_v = [*state[:2], *velocities]
    np.testing.assert_allclose(system.momenta(q_and_v), state[2:], rtol=0.0, atol=1e-14 * max(sizes))
    found = system(0.0, q_and_v)
    scale = 1.0 + max(sizes) ** 2
    np.testing.assert_allclose(found[2:], accelerations, rtol=0.0, atol=1e-13 * scale)
    assert system.energy(q_and_v) == pytest.approx(rods.energy(list(state)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("cls", HAMILTONIANS)
@quick
@given(state=st.tuples(finite, finite, finite, finite), p=st.tuples(finite, positive, positive, positive, positive))
def test_every_parameter_enters_as_by_hand(cls: type[Any], state: Any, p: Any) -> None:
    direction = np.array([0.3, -0.5, 0.7, 0.2, -0.4])

    def field(kind: type[Any]) -> Any:
        names = kind().parameter_names
        return lambda x: kind(**dict(zip(names, list(x), strict=True)))(0.0, list(state))

    ours = jvp(field(cls), (np.array(p),), (direction,))
    by_hand = jvp(field(DoublePendulum), (np.array(p),), (direction,))
    for a, b in zip(ours, by_hand, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.max(np.abs(b)))


@pytest.mark.parametrize("cls", [*HAMILTONIANS, ByLagrangian])
def test_traced_compiled_and_plain_agree(cls: type[Any]) -> None:
    system = cls(mass_2=1.5)
    state = np.array([0.4, 0.1, 1.0, 2.0])
    graph = trace(lambda t, y: system(t, y), 0.0, state)
    np.testing.assert_allclose(graph(0.0, state), system(0.0, state), rtol=1e-13)
    batch = np.random.default_rng(1).normal(size=(4, 3))
    assert np.array_equal(system(0.0, batch)[:, 1], system(0.0, batch[:, 1]))
    ends = [
        solve_ivp(system, (0.0, 1.0), state, method="RK4", step=0.01, compiled=compiled).y[:, -1]
        for compiled in (True, False)
    ]
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-11)


@pytest.mark.parametrize("cls", HAMILTONIANS)
def test_structure_of_the_double_pendulum_is_found(cls: type[Any]) -> None:
    system = cls()
    assert (system.canonical, system.separable, system.autonomous, system.cyclic) == (True, False, True, ())
    assert list(system.invariants) == ["energy"]
    state = [0.4, 0.1, 1.0, 2.0]
    assert system.energy(state) == pytest.approx(DoublePendulum().energy(state), rel=1e-14)
    slope = grad(system.energy)(np.array(state))
    np.testing.assert_allclose(system(0.0, state), [*slope[2:], *-slope[:2]], rtol=1e-13)


@dataclass(frozen=True)
class Orbit(HamiltonianSystem):
    """A planet in polar coordinates, with drag and a push along the angle."""

    coordinates = ("r", "phi")
    drag: float = 0.0
    push: float = 0.0

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        return (p[0] ** 2 + (p[1] / q[0]) ** 2) / 2 - 1.0 / q[0]

    def dissipation(self, q: Any, qdot: Any, t: Any) -> Any:
        return self.drag * (qdot[0] ** 2 + (q[0] * qdot[1]) ** 2) / 2

    def forces(self, q: Any, qdot: Any, t: Any) -> Any:
        return (0.0, self.push * ops.sin(t))


def test_cyclic_coordinates_and_what_they_conserve_are_found() -> None:
    free = Orbit()
    assert (free.canonical, free.autonomous, free.cyclic) == (True, True, ("phi",))
    assert list(free.invariants) == ["energy", "p_phi"]
    assert free.invariants["p_phi"]([1.0, 0.0, 0.1, 0.9]) == 0.9
    for damped in (Orbit(drag=0.1), Orbit(push=0.1)):
        assert (damped.canonical, damped.cyclic, dict(damped.invariants)) == (False, ("phi",), {})
    assert Orbit(drag=0.1).autonomous
    assert not Orbit(push=0.1).autonomous


def test_forces_and_dissipation_act_on_the_momenta() -> None:
    state = [1.2, 0.3, 0.4, 0.9]
    free, damped = Orbit()(0.5, state), Orbit(drag=0.1, push=2.0)(0.5, state)
    r, v_r, v_phi = 1.2, 0.4, 0.9 / 1.2**2
    np.testing.assert_array_equal(damped[:2], free[:2])
    expected = [-0.1 * v_r, -0.1 * r * r * v_phi + 2.0 * np.sin(0.5)]
    np.testing.assert_allclose(damped[2:] - free[2:], expected, rtol=1e-13)


def test_multiprecision_gives_all_its_digits() -> None:
    with mpmath.workdps(50):
        state = [mpmath.mpf(x) for x in (1.2, 0.3, 0.4, 0.9)]
        found = Orbit(drag=mpmath.mpf(1) / 3, push=mpmath.mpf(2))(mpmath.mpf(0), state)
        r, _, p_r, p_phi = state
        exact = p_phi**2 / r**3 - 1 / r**2 - p_r / 3
        assert abs(found[2] - exact) < 1e-48


@dataclass(frozen=True)
class Chain(HamiltonianSystem):
    """Rods of 1 m and 1 kg in a row."""

    gravity: float = 9.8
    links: int = field(default=10, kw_only=True, metadata={"parameter": False})

    @property
    def coordinates(self) -> tuple[str, ...]:
        return tuple(f"theta_{i + 1}" for i in range(self.links))

    def mass_matrix(self, q: Any) -> Any:
        n = self.links
        weights = [[n - 1 - max(i, j) + (1 / 3 if i == j else 0.5) for j in range(n)] for i in range(n)]
        return [[weights[i][j] * ops.cos(q[i] - q[j]) for j in range(n)] for i in range(n)]

    def potential(self, q: Any, t: Any) -> Any:
        return -self.gravity * sum((self.links - 0.5 - i) * ops.cos(q[i]) for i in range(self.links))


@quick
@given(state=st.tuples(finite, finite, finite, finite))
def test_a_chain_of_two_rods_is_the_double_pendulum(state: Any) -> None:
    rates = DoublePendulum()(0.0, list(state))
    np.testing.assert_allclose(Chain(links=2)(0.0, list(state)), rates, rtol=1e-11, atol=1e-12 * np.max(np.abs(rates)))


def test_rates_of_a_large_system_are_computed_by_machine() -> None:
    system = Chain()
    rng = np.random.default_rng(3)
    batch = rng.normal(size=(20, 5))
    together = system(0.0, batch)
    graph = trace(lambda y: system(0.0, y), batch[:, 0])
    assert graph.n_operations > 400
    for lane in range(5):
        alone = system(0.0, batch[:, lane])
        assert np.array_equal(alone, together[:, lane])
        np.testing.assert_allclose(alone, graph(batch[:, lane]), rtol=1e-10, atol=1e-11 * np.max(np.abs(alone)))
    start = np.concatenate([np.full(10, 0.5), np.zeros(10)])
    orbit = solve_ivp(system, (0.0, 1.0), start, method="DOP853", rtol=1e-12, atol=1e-12)
    energies = system.energy(orbit.y)
    assert np.max(np.abs(energies - energies[0])) < 1e-10


@dataclass(frozen=True)
class Branching(HamiltonianSystem):
    """Not to be traced."""

    coordinates = ("x",)

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        return p[0] ** 2 / 2 + (q[0] if q[0] > 0 else -q[0])


@dataclass(frozen=True)
class Lopsided(HamiltonianSystem):
    """A mass matrix that is not symmetric."""

    coordinates = ("x", "y")

    def mass_matrix(self, q: Any) -> Any:
        return [[2.0, ops.cos(q[0])], [ops.sin(q[0]), 2.0]]


@dataclass(frozen=True)
class Empty(HamiltonianSystem):
    """Nothing written."""

    coordinates = ("x",)


@dataclass(frozen=True)
class Forgotten(LagrangianSystem):
    """A missing return."""

    coordinates = ("x", "y")

    def lagrangian(self, q: Any, qdot: Any, t: Any) -> Any:
        return None


@dataclass(frozen=True)
class Short(LagrangianSystem):
    """One force too few."""

    coordinates = ("x", "y")

    def lagrangian(self, q: Any, qdot: Any, t: Any) -> Any:
        return (qdot[0] ** 2 + qdot[1] ** 2) / 2

    def forces(self, q: Any, qdot: Any, t: Any) -> Any:
        return (q[0],)


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(TraceError, match=r"where"):
        Branching()(0.0, [1.0, 0.0])
    with pytest.raises(KindError, match=r"Lopsided: mass_matrix must be symmetric; its entries \[1, 0\]"):
        Lopsided()(0.0, [1.0, 0.0, 0.0, 0.0])
    with pytest.raises(KindError, match=r"Empty: has no hamiltonian\. Write hamiltonian"):
        Empty()(0.0, [1.0, 0.0])
    with pytest.raises(TraceError, match=r"lagrangian returned None"):
        Forgotten()(0.0, [1.0, 0.0, 0.0, 0.0])
    with pytest.raises(TraceError, match=r"forces must return one number for each of x, y; got 1 of them"):
        Short()(0.0, [1.0, 0.0, 0.0, 0.0])


PULL = 9.8


@dataclass(frozen=True)
class Falling(LagrangianSystem):
    """A stone, under the gravity of a global."""

    coordinates = ("height",)
    mass: float = 2.0
    drag: float = 0.0

    def lagrangian(self, q: Any, qdot: Any, t: Any) -> Any:
        return self.mass * qdot[0] ** 2 / 2 - self.mass * PULL * q[0]

    def dissipation(self, q: Any, qdot: Any, t: Any) -> Any:
        return self.drag * qdot[0] ** 2 / 2


@dataclass(frozen=True)
class Relativistic(LagrangianSystem):
    """A Lagrangian that is not of second degree."""

    coordinates = ("x",)

    def lagrangian(self, q: Any, qdot: Any, t: Any) -> Any:
        return -ops.sqrt(1.0 - qdot[0] ** 2) - q[0] ** 2 / 2


@quick
@given(state=st.tuples(finite, finite, finite, finite))
def test_legendre_transforms_there_and_back(state: Any) -> None:
    by_l, rods = ByLagrangian(), DoublePendulum()
    form = hamiltonian_form(by_l)
    rates, size = rods(0.0, list(state)), 1.0 + max(abs(x) for x in state) ** 2 * 50
    np.testing.assert_allclose(form(0.0, list(state)), rates, rtol=1e-11, atol=1e-13 * size)
    assert form.energy(list(state)) == pytest.approx(rods.energy(list(state)), rel=1e-11, abs=1e-12 * size)
    assert hamiltonian_form(lagrangian_form(form)) == form
    moving = form.from_state(list(state))
    np.testing.assert_allclose(moving[2:], rates[:2], rtol=1e-11, atol=1e-13 * size)
    np.testing.assert_allclose(form.to_state(moving), state, rtol=1e-11, atol=1e-13 * size)
    for cls in HAMILTONIANS:
        other = lagrangian_form(cls())
        np.testing.assert_allclose(other(0.0, moving), by_l(0.0, moving), rtol=1e-9, atol=1e-11 * size**2)
        assert other.energy(moving) == pytest.approx(rods.energy(list(state)), rel=1e-10, abs=1e-11 * size)


def test_a_form_keeps_parameters_forces_and_what_its_code_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    form = hamiltonian_form(Falling(drag=0.5))
    assert (form.state_names, form.parameters) == (("height", "p_height"), {"mass": 2.0, "drag": 0.5})
    np.testing.assert_allclose(form(0.0, [1.0, 4.0]), [2.0, -2.0 * 9.8 - 0.5 * 2.0])
    assert not form.canonical
    assert form.replace(drag=0.0).canonical
    twin = pickle.loads(pickle.dumps(form))
    assert twin == form
    monkeypatch.setattr(f"{__name__}.PULL", 1.0)
    np.testing.assert_allclose(form(0.0, [1.0, 4.0]), [2.0, -2.0 * 1.0 - 0.5 * 2.0])
    end = solve_ivp(form.replace(drag=0.0), (0.0, 1.0), [0.0, 0.0], method="RK4", step=0.1).y[:, -1]
    np.testing.assert_allclose(end, [-0.5, -2.0])


def test_relativity_runs_but_has_no_transform_by_formula() -> None:
    system = Relativistic()
    gamma = 1 / np.sqrt(1 - 0.6**2)
    np.testing.assert_allclose(system(0.0, [0.5, 0.6]), [0.6, -0.5 / gamma**3], rtol=1e-14)
    with pytest.raises(KindError, match=r"L of Relativistic must be of second degree in the velocities"):
        hamiltonian_form(system)
    with pytest.raises(KindError, match=r"must be a HamiltonianSystem; got Relativistic"):
        lagrangian_form(system)  # type: ignore[arg-type]


WEIGHTS = {"sin": 20, "cos": 20, "sincos": 26, "divide": 6}


def operations(system: Any) -> tuple[int, int]:
    """What compiled rates cost, alone and with four tangents, in simple instructions."""
    captured = capture(system)
    graph = trace_flow(captured, 4)
    fixed = [0, *range(5, 5 + len(captured.names))]
    counted = machine_operations(strengthen(graph, fixed=fixed), fixed=fixed)
    rates = sum(WEIGHTS.get(name, 1) * n for name, n in counted.items())
    tangents = linearise(graph, [1, 2, 3, 4], 4, fixed=fixed)
    return rates, rates + tangents.once + 4 * tangents.each


def test_derived_rates_cost_what_those_by_hand_cost() -> None:
    by_hand = operations(DoublePendulum())
    assert operations(ByEnergies()) == by_hand
    for system, most in ((ByLagrangian(), 1.1), (ByHamiltonian(), 1.2)):
        assert all(a <= most * b for a, b in zip(operations(system), by_hand, strict=True))


def test_derivatives_of_a_derived_system_compose() -> None:
    state = np.array([0.4, 0.1, 1.0, 2.0])
    fast = jit(lambda y, g: ByHamiltonian(gravity=g)(0.0, y))
    np.testing.assert_allclose(fast(state, 9.0), ByHamiltonian(gravity=9.0)(0.0, state), rtol=1e-13)
    ours = hessian(lambda y: ByEnergies()(0.0, y)[3])(state)
    known = hessian(lambda y: DoublePendulum()(0.0, y)[3])(state)
    np.testing.assert_allclose(ours, known, rtol=1e-10, atol=1e-10)

    def end(system: Any) -> Any:
        return lambda g: solve_ivp(system(gravity=g), (0.0, 1.0), state, method="RK4", step=0.02).y[1, -1]

    second = [grad(grad(end(system)))(9.8) for system in (by_legendre, DoublePendulum)]
    assert second[0] == pytest.approx(second[1], rel=1e-8)


def by_legendre(gravity: Any) -> Any:
    """The double pendulum through both transforms."""
    return hamiltonian_form(ByLagrangian(gravity=gravity))
