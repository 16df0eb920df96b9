"""Inputs u(t) by splines: SciPy's values, compiled, with gradients in the knots."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.interpolate import CubicSpline

from diffsim import array_ops
from diffsim.derivatives import grad, jacobian
from diffsim.errors import ArgumentError, KindError, TraceError
from diffsim.graph import trace
from integrators import solve_ivp
from systems._hamiltonian import HamiltonianSystem
from systems._spline import Spline, signal

TIMES = [0.0, 0.5, 0.8, 2.0, 2.5, 4.0]
VALUES = [1.0, -0.5, 0.3, 2.0, 1.0, 0.0]


@pytest.mark.parametrize(("kind", "boundary"), [("cubic", "not-a-knot"), ("natural", "natural")])
@settings(max_examples=30, deadline=None)
@given(gaps=st.lists(st.floats(0.1, 2.0), min_size=1, max_size=7), seed=st.integers(0, 1000), where=st.floats(0.0, 1.0))
def test_splines_are_those_of_scipy(kind: str, boundary: Any, gaps: list[float], seed: int, where: float) -> None:
    times = np.cumsum([0.3, *gaps])
    values = np.random.default_rng(seed).normal(size=len(times))
    ours, known = Spline(times.tolist(), values, kind), CubicSpline(times, values, bc_type=boundary)
    t = float(times[0] + where * (times[-1] - times[0]))
    assert ours(t) == pytest.approx(float(known(t)), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(ours(times), values, rtol=1e-9, atol=1e-9)
    graph = trace(lambda s: ours(s), 0.0)
    for at in (t, float(times[0]) - 1.0, float(times[-1]) + 1.0, *times.tolist()):
        assert graph(at) == pytest.approx(ours(at), rel=1e-11, abs=1e-11)


def test_outside_it_keeps_the_ends_and_linear_is_linear() -> None:
    cubic, linear = Spline(TIMES, VALUES), Spline(TIMES, VALUES, "linear")
    assert (cubic(-1.0), cubic(9.0)) == (1.0, pytest.approx(0.0, abs=1e-15))
    at = np.linspace(-1.0, 5.0, 31)
    np.testing.assert_allclose(linear(at), np.interp(at, TIMES, VALUES), rtol=1e-13, atol=1e-15)
    assert grad(cubic)(9.0) == 0.0
    slope = CubicSpline(TIMES, VALUES).derivative()
    assert grad(cubic)(1.3) == pytest.approx(float(slope(1.3)), rel=1e-12)


@dataclass(frozen=True)
class Cart(HamiltonianSystem):
    """A mass on rails that is pushed."""

    coordinates = ("x",)
    mass: float = 1.0
    push: Any = signal()

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        return p[0] ** 2 / (2 * self.mass)

    def forces(self, q: Any, qdot: Any, t: Any) -> Any:
        return (self.push(t),)


def test_a_pushed_cart_takes_up_the_integral_of_its_input() -> None:
    cart = Cart(push=Spline(TIMES, VALUES))
    assert (cart.canonical, cart.autonomous) == (False, False)
    assert Cart().canonical
    work = float(CubicSpline(TIMES, VALUES).integrate(0.0, 4.0))
    for compiled in (True, False):
        end = solve_ivp(cart, (0.0, 4.0), [0.0, 0.0], method="RK4", step=0.05, compiled=compiled).y[:, -1]
        assert end[1] == pytest.approx(work, rel=1e-6)
    other = Cart(push=Spline(TIMES, [2.0 * x for x in VALUES]))
    end = solve_ivp(other, (0.0, 4.0), [0.0, 0.0], method="RK4", step=0.05, compiled=True).y[:, -1]
    assert end[1] == pytest.approx(2.0 * work, rel=1e-6)


def test_gradients_reach_the_knots_through_a_compiled_solve() -> None:
    def end(values: Any, compiled: bool) -> Any:
        cart = Cart(push=Spline(TIMES, values))
        return solve_ivp(cart, (0.0, 4.0), [0.0, 0.0], method="RK4", step=0.05, compiled=compiled).y[0, -1]

    slopes = [grad(end)(np.array(VALUES), compiled) for compiled in (True, False)]
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-9)
    # the place is linear in the push: the gradient is what each knot alone would do
    alone = [end(np.eye(6)[k], True) for k in range(6)]
    np.testing.assert_allclose(slopes[0], alone, rtol=1e-8, atol=1e-10)


def test_a_function_of_time_will_do_as_an_input() -> None:
    height = 3.0

    def pulse(t: Any) -> Any:
        return height * np.exp(-t)

    assert Cart(push=pulse)(0.0, [0.0, 1.0]).tolist() == [1.0, 3.0]
    height = 4.0
    assert Cart(push=pulse)(0.0, [0.0, 1.0]).tolist() == [1.0, 4.0]


def test_knots_of_any_kind_of_number() -> None:
    matrix = jacobian(lambda v: array_ops.stack([Spline(TIMES, v)(t) for t in (0.1, 1.0, 3.0)]))(np.array(VALUES))
    known = np.array([CubicSpline(TIMES, row)([0.1, 1.0, 3.0]) for row in np.eye(6)]).T
    np.testing.assert_allclose(matrix, known, rtol=1e-11, atol=1e-12)


def test_systems_with_inputs_are_equal_hash_and_pickle() -> None:
    cart, still = Cart(push=Spline(TIMES, VALUES)), Cart()
    assert cart == Cart(push=Spline(TIMES, VALUES)) != Cart(push=Spline(TIMES, VALUES, "linear"))
    assert (pickle.loads(pickle.dumps(cart)), pickle.loads(pickle.dumps(still))) == (cart, still)
    assert hash(cart) == hash(pickle.loads(pickle.dumps(cart)))
    assert repr(still) == "Cart(mass=1.0, push=signal(0.0))"


def test_wrong_data_are_told() -> None:
    with pytest.raises(ArgumentError, match=r"times must be at least two ascending finite numbers"):
        Spline([0.0, 0.0], [1.0, 2.0])
    with pytest.raises(ArgumentError, match=r"values must have shape \(2,\)"):
        Spline([0.0, 1.0], [1.0, 2.0, 3.0])
    with pytest.raises(ArgumentError, match=r"kind must be one of cubic, natural, linear"):
        Spline([0.0, 1.0], [1.0, 2.0], "quintic")
    with pytest.raises(KindError, match=r"default must be a number or a function"):
        signal("loud")  # type: ignore[arg-type]
    many = Spline(np.arange(300.0).tolist(), np.zeros(300))
    with pytest.raises(TraceError, match=r"300 knots is not traced"):
        trace(lambda t: many(t), 0.0)
