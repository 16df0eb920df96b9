"""Every method's derivatives are certified: reverse = forward = differences on the same steps, to second order."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import diffsim as ds
from integrators._methods import flow_methods, method_class

METHODS = tuple(name for name in flow_methods() if not method_class(name)().borrowed)
EVERYWHERE = tuple(name for name in METHODS if not method_class(name)().paired)
"""Methods that take systems of any kind."""
ADAPTIVE = tuple(name for name in METHODS if method_class(name)().adaptive)


@pytest.fixture(autouse=True)
def _interpreted_is_fine() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _choice(name: str) -> dict[str, Any]:
    return {"method": name, "rtol": 1e-4, "atol": 1e-4} if name in ADAPTIVE else {"method": name, "step": 0.1}


def _swing(t: Any, y: Any, length: Any) -> list[Any]:
    return [y[1], -ds.sin(y[0]) / length]


def _loss(name: str, **more: Any) -> Any:
    def loss(x: Any) -> Any:
        y = ds.solve_ivp(_swing, (0.0, 0.7), ds.array([x[0], x[1]]), args=(x[2],), **_choice(name), **more).y
        return y[0, -1] * y[1, -1] + ds.sin(y[1, -1])

    return loss


@pytest.mark.parametrize("name", METHODS)
def test_derivatives_by_start_and_parameter_are_certified_to_second_order(name: str) -> None:
    found = ds.certify(_loss(name), np.array([0.9, 0.4, 1.2]), order=2, directions=1)
    assert found, str(found)
    assert (found.n_steps > 0) == (name in ADAPTIVE)
    for comparison in found.comparisons:
        size = max(abs(comparison.reverse.value), 1e-3)
        assert abs(comparison.reverse.value - comparison.forward.value) < 1e-10 * size


@pytest.mark.parametrize("name", METHODS)
def test_derivatives_at_save_times_are_certified(name: str) -> None:
    found = ds.certify(_loss(name, t_eval=[0.23, 0.5]), np.array([0.9, 0.4, 1.2]), directions=1)
    assert found, str(found)


@pytest.mark.parametrize("name", ADAPTIVE)
def test_derivatives_by_both_ends_are_certified(name: str) -> None:
    def loss(ends: Any) -> Any:
        y = ds.solve_ivp(lambda t, y: [ds.cos(t) * y[0]], (ends[0], ends[1]), [1.0], **_choice(name)).y
        return y[0, -1]

    found = ds.certify(loss, np.array([0.1, 0.9]), directions=1)
    assert found, str(found)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_derivatives_of_dense_output_by_time_and_start_are_certified(name: str) -> None:
    def loss(x: Any) -> Any:
        start = ds.array([x[0], 0.4])
        sol = ds.solve_ivp(_swing, (0.0, 0.7), start, args=(1.2,), dense_output=True, **_choice(name)).sol
        return sol(x[1])[0] * sol(0.5)[1]

    found = ds.certify(loss, np.array([0.9, 0.31]), directions=1)
    assert found, str(found)


# -- events ------------------------------------------------------------------------------------------------------


def _fall(t: Any, y: Any, drag: Any) -> list[Any]:
    return [y[1], -9.8 - drag * y[1]]


def _ground(t: Any, y: Any, drag: Any) -> Any:
    return y[0]


def _lands(t: Any, y: Any, drag: Any) -> Any:
    return y[0]


_lands.terminal = True  # type: ignore[attr-defined]  # SciPy's way
_lands.direction = -1  # type: ignore[attr-defined]


def _bounces(t: Any, y: Any, drag: Any) -> Any:
    return y[0]


_bounces.direction = -1  # type: ignore[attr-defined]
_bounces.reset = lambda t, y, drag: [0.0 * y[0], -0.8 * y[1]]  # type: ignore[attr-defined]


def _fallen(name: str, event: Any, x: Any) -> Any:
    start = ds.array([x[0], x[1]])
    return ds.solve_ivp(_fall, (0.0, 1.1), start, args=(x[2],), events=event, **_choice(name))


POINT = np.array([1.3, 0.4, 0.1])


@pytest.mark.parametrize("name", EVERYWHERE)
def test_derivatives_of_event_times_and_states_are_certified(name: str) -> None:
    def loss(x: Any) -> Any:
        sol = _fallen(name, _ground, x)
        return sol.t_events[0][0] * sol.y_events[0][0, 1] + sol.y[1, -1]

    found = ds.certify(loss, POINT, directions=1)
    assert found, str(found)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_derivatives_of_a_terminal_event_are_certified_to_second_order(name: str) -> None:
    def loss(x: Any) -> Any:
        sol = _fallen(name, _lands, x)
        return sol.t_events[0][-1] ** 2 + sol.y[1, -1]

    found = ds.certify(loss, POINT, directions=1, order=2)
    assert found, str(found)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_derivatives_through_bounces_are_certified(name: str) -> None:
    def loss(x: Any) -> Any:
        sol = _fallen(name, _bounces, x)
        return sol.y[0, -1] * sol.y[1, -1]

    found = ds.certify(loss, POINT, directions=1)
    assert found, str(found)
