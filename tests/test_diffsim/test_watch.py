"""The first number that is not finite is traced to its operation and its line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from diffsim import ops
from diffsim.watch import first_fault
from systems import Kepler

NEGATIVE = np.array([-0.3, 1.0])


def filled(t: Any, y: Any) -> Any:
    rates = np.zeros(2)
    rates[0] = np.sqrt(y[0])
    return rates


def masked(t: Any, y: Any) -> Any:
    safe = np.where(y > 0, np.log(y), 0.0)
    return safe + np.sqrt(y)


FAULTS: dict[str, tuple[Any, str]] = {
    "log": (lambda t, y: [np.log(y[0]), y[1]], "log of -0.3"),
    "own log": (lambda t, y: [ops.log(y[0]), y[1]], "log of -0.3"),
    "division": (lambda t, y: y / (y[0] + 0.3), "-0.3 / 0.0"),
    "power": (lambda t, y: [y[0] ** 1.5, 0.0], "-0.3 ** 1.5"),
    "overflow": (lambda t, y: np.exp(1e4 * y), "exp of 10000.0"),
    "constant factor": (lambda t, y: -y * np.nan, "0.3 * nan"),
    "constant": (lambda t, y: [1.0, math.nan], "returned nan as a constant"),
    "math": (lambda t, y: [math.log(y[0]), 0.0], "ValueError: "),
    "python": (lambda t, y: [1 / 0, 0.0], "ZeroDivisionError: division by zero"),
    "assignment": (filled, "sqrt of -0.3"),
    "branch not taken": (masked, "sqrt of -0.3"),
    "solve": (lambda t, y: np.linalg.solve(np.zeros((2, 2)), y), "LinAlgError: Singular matrix"),
    "float": (lambda t, y: [np.log(float(y[0])), 0.0], "invalid value encountered in log"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_first_operation_without_a_finite_result_is_named(name: str) -> None:
    function, what = FAULTS[name]
    fault = first_fault(function, 0.0, NEGATIVE)
    assert fault is not None
    assert what in fault.what
    if name != "constant":
        assert fault.place.startswith("test_watch.py, line ")


def test_line_is_that_of_the_operation() -> None:
    fault = first_fault(masked, 0.0, NEGATIVE)
    assert fault is not None
    assert fault.place.endswith('"return safe + np.sqrt(y)"')
    inner = first_fault(Kepler(), 0.0, np.zeros(4))
    assert inner is not None
    assert inner.place.startswith("kepler.py, line ")


def test_finite_result_has_no_fault() -> None:
    assert first_fault(lambda t, y: np.where(y > 0, np.log(y), 0.0), 0.0, NEGATIVE) is None
    assert first_fault(lambda t, y: -y, 0.0, NEGATIVE) is None
