"""SymPy in and out; without it these tests are skipped."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest

import systems
from diffsim import ops
from diffsim.errors import ArgumentError, KindError
from diffsim.graph import trace
from diffsim.primitive import TABLE, Elementwise
from integrators import solve_ivp
from systems import DoublePendulum, Lorenz63
from systems._hamiltonian import HamiltonianSystem
from systems._sympy import system_from_sympy, to_latex, to_sympy

sympy: Any = pytest.importorskip("sympy")

# SymPy's own use of mpmath
pytestmark = pytest.mark.filterwarnings("ignore:bitcount function is deprecated:DeprecationWarning")

ROWS = [row for row in TABLE.values() if isinstance(row, Elementwise) and not row.boolean]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_primitive_has_its_expression(row: Elementwise) -> None:
    low_high = [(max(low, -3.0), min(high, 3.0)) for low, high in row.domain] * row.arity
    point = [low + 0.37 * (high - low) for low, high in low_high[: row.arity]]
    graph = trace(lambda *x: row(*x), *point)
    (found,) = to_sympy(graph)
    symbols = sorted(found.free_symbols, key=str)
    value = float(found.subs(dict(zip(symbols, point, strict=True))))
    assert value == pytest.approx(float(row(*point)), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("name", ["DoublePendulum", "Lorenz63", "Pendulum", "Chua", "HodgkinHuxley", "LotkaVolterra"])
def test_a_system_goes_to_sympy_and_comes_back(name: str) -> None:
    system = systems.find(name)()
    state = [0.3 + 0.2 * i for i in range(system.dimension)]
    expressions = to_sympy(system)
    symbols = [sympy.Symbol(s) for s in system.state_names]
    parameters = {sympy.Symbol(s): value for s, value in system.parameters.items()}
    known = {**dict(zip(symbols, state, strict=True)), **parameters, sympy.Symbol("t"): 0.7}
    rates = system(0.7, state)
    np.testing.assert_allclose([float(e.subs(known)) for e in expressions], rates, rtol=1e-10, atol=1e-12)
    back = system_from_sympy(expressions, symbols, parameters, time=sympy.Symbol("t"))
    np.testing.assert_allclose(back(0.7, state), rates, rtol=1e-10, atol=1e-12)
    assert back.parameters == system.parameters


@pytest.mark.parametrize("energy", [True, False])
def test_a_system_from_sympy_pickles_and_is_equal(energy: bool) -> None:
    x, p, k = sympy.symbols("x p k")
    asked = p**2 / 2 + k * x**2 / 2 if energy else [p, -k * x]
    spring = system_from_sympy(asked, [x, p], {k: 4.0}, name="Spring")
    again = pickle.loads(pickle.dumps(spring.replace(k=9.0)))
    assert again == spring.replace(k=9.0) != spring
    assert hash(again) == hash(spring.replace(k=9.0))
    np.testing.assert_array_equal(again(0.0, [1.0, 3.0]), [3.0, -9.0])
    runs = [solve_ivp(one, (0.0, 1.0), [1.0, 0.0], rtol=1e-9, compiled=True) for one in (again, spring)]
    assert [run.y[0, -1] for run in runs] == pytest.approx([math.cos(3.0), math.cos(2.0)], rel=1e-5)


def test_a_hamiltonian_in_sympy_is_a_system() -> None:
    x, y, p_x, p_y, g = sympy.symbols("x y p_x p_y g")
    energy = (p_x**2 + p_y**2) / 2 + (x**2 + y**2) / 2 + g * (x**2 * y - y**3 / 3)
    system = system_from_sympy(energy, [x, y, p_x, p_y], {g: 1.0}, name="Galaxy")
    assert isinstance(system, HamiltonianSystem)
    assert (system.state_names, type(system).__name__, system.separable) == (("x", "y", "p_x", "p_y"), "Galaxy", True)
    np.testing.assert_allclose(system(0.0, [0.1, 0.2, 0.3, 0.4]), [0.3, 0.4, -0.14, -0.17], rtol=1e-14)
    orbit = solve_ivp(system, (0.0, 5.0), [0.1, 0.2, 0.3, 0.4], method="Yoshida6", step=0.05, compiled=True)
    energies = system.energy(orbit.y)
    assert np.ptp(energies) < 1e-9


def test_the_double_pendulum_derived_by_sympy_is_ours() -> None:
    q_1, q_2, p_1, p_2 = sympy.symbols("theta_1 theta_2 p_1 p_2")
    c = sympy.cos(q_1 - q_2) / 2
    mass = sympy.Matrix([[sympy.Rational(4, 3), c], [c, sympy.Rational(1, 3)]])
    p = sympy.Matrix([p_1, p_2])
    energy = (p.T * mass.inv() * p)[0] / 2 - sympy.Rational(49, 5) * (3 * sympy.cos(q_1) + sympy.cos(q_2)) / 2
    by_hand = [energy.diff(p_1), energy.diff(p_2), -energy.diff(q_1), -energy.diff(q_2)]
    state, ours = [0.4, 0.1, 1.0, 4.0], DoublePendulum()
    for made in (by_hand, energy):
        system = system_from_sympy(made, [q_1, q_2, p_1, p_2])
        np.testing.assert_allclose(system(0.0, state), ours(0.0, state), rtol=1e-12)


def test_pieces_and_conditions() -> None:
    x, t = sympy.symbols("x t")
    ramp = sympy.Piecewise((0, x < 0), (x**2, (x < 1) & (t > 0)), (sympy.sqrt(x) + sympy.exp(-x) + sympy.pi, True))
    system = system_from_sympy([ramp], [x], time=t)
    for at in (-1.0, 0.5, 4.0):
        assert system(1.0, [at])[0] == pytest.approx(float(ramp.subs({x: at, t: 1.0})), rel=1e-14)
    back = to_sympy(trace(lambda a: ops.where(ops.greater(a, 0.0), a, -a), 1.0))[0]
    assert float(back.subs({next(iter(back.free_symbols)): -3.0})) == 3.0
    outside = system_from_sympy([sympy.Piecewise((x, x > 0))], [x])
    assert math.isnan(outside(0.0, [-1.0])[0])


def test_latex_has_one_equation_a_component() -> None:
    lines = to_latex(Lorenz63()).splitlines()
    assert lines[0] == r"\dot{x} = \sigma \left(- x + y\right)"
    assert len(lines) == 3


def test_what_is_wrong_is_told() -> None:
    x, p, k = sympy.symbols("x p k")
    with pytest.raises(ArgumentError, match=r"k is neither in state nor in parameters"):
        system_from_sympy([k * x], [x])
    with pytest.raises(ArgumentError, match=r"expressions must be 2"):
        system_from_sympy([x], [x, p])
    with pytest.raises(ArgumentError, match=r"must be positions and as many momenta"):
        system_from_sympy(x**2, [x])
    with pytest.raises(KindError, match=r"gamma has no counterpart"):
        system_from_sympy([sympy.gamma(x)], [x])
    with pytest.raises(KindError, match=r"takes a System or a Graph"):
        to_sympy(3.0)
