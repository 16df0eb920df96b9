"""Complex states, interpreted: SciPy's steps, batches, failures; derivatives are refused (see test_bad_input)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.integrate

from diffsim.errors import KindError
from diffsim.value import Value
from integrators import solve_ivp
from integrators._methods import flow_methods, method_class, method_names
from systems import HarmonicOscillator

SHARED = [name for name in ("RK23", "RK45", "DOP853", "BDF") if name in method_names()]
REAL = ("LSODA", "Radau", "Taylor")
"""Methods whose equations or series are those of real numbers."""

RATE = -0.1 + 2.0j


def spiral(t: Any, y: Any) -> Any:
    return RATE * y


@pytest.mark.parametrize("name", SHARED)
def test_steps_are_scipys(name: str) -> None:
    ours = solve_ivp(spiral, (0.0, 3.0), [0.5 + 1j], name)
    theirs: Any = scipy.integrate.solve_ivp(spiral, (0.0, 3.0), [0.5 + 1j], name)  # type: ignore[call-overload]
    assert ours.y.dtype == np.complex128
    assert len(ours.t) == len(theirs.t)
    np.testing.assert_allclose(ours.t, theirs.t, rtol=1e-7)
    np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-7)


@pytest.mark.parametrize("more", [{}, {"method": "RK4", "step": 0.01}, {"t_eval": [0.5, 1.0]}])
@pytest.mark.parametrize("fun", [lambda t, y: [RATE * y[0], -y[1]], HarmonicOscillator()])
def test_batch_is_its_single_trajectories(fun: Any, more: dict[str, Any]) -> None:
    starts = np.array([[1.0, 1j, 0.5 - 1j], [0.0, 1.0, 2.0j]])
    sol = solve_ivp(fun, (0.0, 1.0), starts, **more)
    for j in range(3):
        one = solve_ivp(fun, (0.0, 1.0), starts[:, j], **more)
        np.testing.assert_array_equal(sol.y[:, j, : one.n_times], one.y)


@pytest.mark.parametrize(
    "name", [name for name in flow_methods() if (m := method_class(name)()).order > 1 and not m.paired]
)
def test_every_method_takes_complex_numbers_or_says_that_it_does_not(name: str) -> None:
    method = method_class(name)()
    more: dict[str, Any] = {} if method.adaptive else {"step": 1e-3}
    if name in REAL:
        with pytest.raises(KindError, match=r"real.* got complex"):
            solve_ivp(spiral, (0.0, 1.0), [1.0 + 0j], name, **more)
        return
    sol = solve_ivp(spiral, (0.0, 1.0), [1.0 + 0j], name, **more)
    assert abs(sol.y[0, -1] - np.exp(RATE)) < 2e-2


def test_gradient_through_complex_numbers_is_refused() -> None:
    for fun in (lambda t, y: Value(2.0) * y, lambda t, y: [Value(2.0)]):
        with pytest.raises(KindError, match=r"complex.* real and imaginary parts"):
            solve_ivp(fun, (0.0, 1.0), [1j], compiled=False)


def test_failure_of_complex_states_has_a_status_and_a_place() -> None:
    sol = solve_ivp(lambda t, y: y * y, (0.0, 2.0), [1.0 + 0j])
    assert sol.status == -1
    assert "at t=0.99" in sol.message
