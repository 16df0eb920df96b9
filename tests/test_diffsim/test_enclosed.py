"""Functions recorded and differentiated within another trace: the sweeps agree with the core's derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from diffsim import ops
from diffsim.derivatives import grad, jacobian, jvp
from diffsim.enclosed import enclose
from diffsim.errors import TraceError
from diffsim.graph import trace
from diffsim.value import Value

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "products": lambda x: x[0] * x[1] * x[2] - x[0] * x[0] + 3.0 * x[2],
    "quotients": lambda x: (x[0] ** 2 - x[1]) / (x[2] * (2.0 - x[0])) + 1.0 / x[1],
    "powers": lambda x: x[0] ** 3 + x[1] ** -2 + x[2] ** 1.5 + (x[0] * x[1]) ** x[2],
    "functions": lambda x: ops.sin(x[0] - x[1]) * ops.exp(x[2]) + ops.sqrt(x[1] * x[2]) + ops.log(x[0]) * ops.cos(x[0]),
    "selections": lambda x: ops.where(ops.less(x[0], x[1]), x[0] * x[2], x[1] / x[2]) + ops.maximum(x[0], x[2]),
    "one alone": lambda x: x[1] ** 2,
}
POINT = [0.7, 1.3, 0.4]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sweeps_agree_with_the_core(name: str) -> None:
    f = FUNCTIONS[name]
    enclosed = enclose(lambda x: [f(x)], ["x", "y", "z"])
    values = enclosed.values(POINT)
    expected = grad(lambda x: f(x))(np.array(POINT))
    assert values[enclosed.outputs[0]] == f(POINT)
    np.testing.assert_allclose(enclosed.pull(values, [0, 1, 2], [1.0]), expected, rtol=1e-13)
    directions = {0: 0.3, 2: -0.7}
    (tangent,) = enclosed.push(values, directions)
    assert tangent == pytest.approx(0.3 * expected[0] - 0.7 * expected[2], rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("searched", [True, False])
def test_a_derivative_taken_within_a_trace_is_traced(name: str, searched: bool) -> None:
    f = FUNCTIONS[name]

    def slopes(x: Any) -> Any:
        shift = x[3] * 2.0  # a number of the enclosing trace
        enclosed = enclose(lambda y: [f([y[0] * shift, y[1], y[2]])], ["x", "y", "z"])
        given = list(x[:3])
        return enclosed.pull(enclosed.values(given), [0, 1, 2], [x[3]], [] if searched else None)

    at = np.array([*POINT, 0.5])
    expected = 0.5 * np.asarray(grad(lambda x: f(x))(np.array(POINT)))
    graph = trace(slopes, at)
    np.testing.assert_allclose(graph(at), expected, rtol=1e-12, atol=1e-14)

    def by_core(x: Any) -> Any:
        return x[3] * grad(lambda y: f([y[0] * x[3] * 2.0, y[1], y[2]]))(x[:3])

    again = jacobian(lambda x: graph(x))(at)
    np.testing.assert_allclose(np.array(again), jacobian(by_core)(at), rtol=1e-10, atol=1e-12)


def test_infinite_partials_meet_no_cotangent_of_zero() -> None:
    def potential(x: Any) -> Any:
        return ops.sqrt(x[0] ** 2 + x[1] ** 2) ** 4

    enclosed = enclose(lambda x: [potential(x)], ["x", "y"])
    assert enclosed.pull(enclosed.values([0.0, 0.0]), [0, 1], [1.0]) == [0.0, 0.0]
    graph = trace(
        lambda x: enclose(lambda y: [potential(y)], ["x", "y"]).pull(
            enclose(lambda y: [potential(y)], ["x", "y"]).values(list(x)), [0, 1], [1.0], []
        ),
        np.zeros(2),
    )
    assert np.array_equal(graph(np.zeros(2)), [0.0, 0.0])


def test_a_branch_that_is_not_taken_does_not_matter() -> None:
    def safe(x: Any) -> Any:
        return ops.where(ops.greater(x[0], 0.0), 1.0 / x[0], x[0])

    enclosed = enclose(lambda x: [safe(x)], ["x"])
    with np.errstate(all="ignore"):
        assert enclosed.pull(enclosed.values([np.float64(0.0)]), [0], [1.0])[0] == 1.0
    graph = trace(lambda x: enclosed.pull(enclosed.values([x]), [0], [1.0], [])[0], 1.0)
    assert (graph(0.0), graph(2.0)) == (1.0, -0.25)


def test_numbers_of_every_kind_pass() -> None:
    f = FUNCTIONS["quotients"]
    enclosed = enclose(lambda x: [f(x)], ["x", "y", "z"])
    with mpmath.workdps(40):
        exact = [mpmath.mpf(x) for x in POINT]
        slopes = enclosed.pull(enclosed.values(exact), [0, 1, 2], [mpmath.mpf(1)])
        assert abs(slopes[1] - (-1 / (exact[2] * (2 - exact[0])) - 1 / exact[1] ** 2)) < 1e-38
    batch = [np.array([x, 2.0 * x]) for x in POINT]
    np.testing.assert_allclose([s[0] for s in enclosed.pull(enclosed.values(batch), [0], [1.0])], float(slopes[0]))
    x = Value(0.7)
    enclosed.pull(enclosed.values([x, 1.3, 0.4]), [0], [1.0])[0].backward()
    assert x.grad == pytest.approx(jvp(lambda a: grad(lambda b: f([b, 1.3, 0.4]))(a), (0.7,), (1.0,))[1], rel=1e-12)


def test_what_depends_on_what() -> None:
    enclosed = enclose(lambda x: [x[0] * x[1], x[2]], ["x", "y", "z"])
    assert (enclosed.uses([0]), enclosed.uses([2])) == (True, True)
    assert not enclose(lambda x: [x[0] * 0.0 + x[1]], ["x", "y"]).uses([0])
    assert enclose(lambda x: [2.0], ["x"])([math.pi]) == [2.0]


def test_what_cannot_be_recorded_is_refused() -> None:
    with pytest.raises(TraceError, match=r"diffsim\.where"):
        enclose(lambda x: [x[0] if x[0] > 0 else -x[0]], ["x"])
    kept: list[Any] = []

    def keeps(x: Any) -> Any:
        kept.append(x)
        return x

    trace(keeps, 1.0)
    with pytest.raises(TraceError, match=r"another trace|has ended"):
        trace(lambda x: kept[0] * x, 1.0)
