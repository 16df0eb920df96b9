"""The rates of Hodgkin and Huxley's channels are smooth where their formulas are 0 / 0."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from diffsim import ops
from diffsim.derivatives import grad
from diffsim.graph import trace
from systems import HodgkinHuxley
from systems.hodgkin_huxley import _ramp

PLACES = [0.0, 1e-300, 1e-9, -1e-4, 0.03, -0.1, 0.2499, 0.25, -0.2501, 0.7, -3.0, 20.0, -40.0]


def exact(x: float, order: int) -> float:
    """The derivative of that order, by differences at 60 digits."""

    def f(u: Any) -> Any:
        return u / -mpmath.expm1(-u) if u else mpmath.mpf(1)

    with mpmath.workdps(60):
        return float(mpmath.diff(f, mpmath.mpf(x), order) if order else f(mpmath.mpf(x)))


@pytest.mark.parametrize("x", PLACES)
def test_ramp_and_its_two_derivatives_are_exact_everywhere(x: float) -> None:
    first = grad(_ramp)
    found = [float(_ramp(x)), float(first(x)), float(grad(first)(x))]
    expected = [exact(x, order) for order in range(3)]
    np.testing.assert_allclose(found[0], expected[0], rtol=4e-16)
    np.testing.assert_allclose(found[1], expected[1], rtol=2e-14, atol=1e-17)
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-12, atol=1e-15)


def test_ramp_of_a_batch_and_of_a_graph_is_that_of_its_numbers() -> None:
    x = np.array(PLACES)
    alone = np.array([float(_ramp(one)) for one in PLACES])
    np.testing.assert_allclose(_ramp(x), alone, rtol=4e-16)
    graph = trace(lambda y: ops.sin(_ramp(y)), 0.5)
    np.testing.assert_allclose([float(graph(one)) for one in PLACES], np.sin(alone), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("voltage", [-40.0, -55.0])
def test_the_voltages_of_the_singularities_are_ordinary_states(voltage: float) -> None:
    system = HodgkinHuxley()
    here, above, below = (system(0.0, [voltage + d, 0.1, 0.5, 0.4]) for d in (0.0, 1e-6, -1e-6))
    assert np.all(np.isfinite(here))
    np.testing.assert_allclose(here, 0.5 * (above + below), rtol=1e-11, atol=1e-11)
