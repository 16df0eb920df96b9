"""A system from a plain function, in one line."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from diffsim import protocols
from diffsim.derivatives import grad
from diffsim.errors import ArgumentError, KindError
from integrators import solve_ivp
from systems import Lorenz63
from systems._base import System

BETA = 8 / 3


def lorenz(t: float, y: Any, sigma: float = 10.0, rho: float = 28.0) -> Any:
    """Lorenz's flow."""
    x, v, z = y
    return np.array([sigma * (v - x), x * (rho - z) - v, x * v - BETA * z])


def matrix(t: float, y: Any, a: float, b: float) -> Any:
    return np.array([[0.0, a], [b, 0.0]]) @ y


NAMES = ("x", "y", "z")


def test_a_plain_function_is_a_system_like_any_other() -> None:
    system, known = System.from_function(lorenz, state_names=NAMES), Lorenz63()
    state = [1.0, 2.0, 3.0]
    np.testing.assert_allclose(system(0.0, state), known(0.0, state), rtol=1e-15)
    assert protocols.is_system(system)
    assert (system.parameter_names, system.state_names, type(system).__name__) == (("sigma", "rho"), NAMES, "Lorenz")
    assert system == System.from_function(lorenz, state_names=NAMES) != system.replace(rho=20.0)
    assert pickle.loads(pickle.dumps(system.replace(rho=20.0))) == system.replace(rho=20.0)
    ends = [solve_ivp(f, (0.0, 1.0), state, method="RK4", step=0.01) for f in (system, known)]
    np.testing.assert_allclose(ends[0].y, ends[1].y, rtol=1e-12)
    batch = np.array([state, [2.0, 1.0, 0.5]]).T
    ours = solve_ivp(system, (0.0, 1.0), batch, method="RK4", step=0.01, sensitivities=("params",))
    theirs = solve_ivp(known, (0.0, 1.0), batch, method="RK4", step=0.01, sensitivities=("params",))
    np.testing.assert_allclose(ours.dy_dparams, theirs.dy_dparams[:, :2], rtol=1e-9, atol=1e-9)


def test_parameters_by_name_and_matrices() -> None:
    system = System.from_function(
        matrix, state_names=["x", "v"], parameters={"a": 1.0, "b": -4.0}, default_state=(1.0, 0.0), angles=(0,)
    )
    assert system(0.0, [1.0, 2.0]).tolist() == [2.0, -4.0]
    assert (system.default_state, system.angles) == ((1.0, 0.0), (0,))
    slope = grad(lambda b: system.replace(b=b)(0.0, np.array([1.0, 2.0]))[1])(3.0)
    assert slope == 1.0


def test_numbers_that_the_function_brings_along_are_not_baked_in() -> None:
    rate = 1.0

    def decay(t: float, y: Any) -> Any:
        return -rate * y

    system = System.from_function(decay, state_names=["amount"])
    first = solve_ivp(system, (0.0, 1.0), [1.0], method="RK4", step=0.1).y[0, -1]
    rate = 2.0
    second = solve_ivp(system, (0.0, 1.0), [1.0], method="RK4", step=0.1).y[0, -1]
    np.testing.assert_allclose([first, second], np.exp([-1.0, -2.0]), rtol=1e-3)


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(ArgumentError, match=r"matrix takes a, b behind t and y; give values, parameters=\{'a': 1.0\}"):
        System.from_function(matrix, state_names=["x", "v"])
    with pytest.raises(ArgumentError, match=r"state_names must be names such as"):
        System.from_function(lorenz, state_names="xyz")
    with pytest.raises(KindError, match=r"f must be a function"):
        System.from_function(3.0, state_names=NAMES)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"'rates' cannot name a parameter"):
        System.from_function(lorenz, state_names=NAMES, parameters={"rates": 1.0})
    with pytest.raises(KindError, match=r"must return 2 derivatives"):
        System.from_function(lambda t, y: [y[0]], state_names=["a", "b"])(0.0, [1.0, 2.0])
    with pytest.raises(KindError, match=r"must return 1 derivatives"):
        System.from_function(lambda t, y: None, state_names=["a"])(0.0, [1.0])
    assert System.from_function(lambda t, y: -y[0], state_names=["a"])(0.0, [2.0]).tolist() == [-2.0]
