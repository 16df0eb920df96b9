"""The expressions of micrograd's engine tests, on `Value`, with the values and gradients that they record there.

SOURCE: github.com/karpathy/micrograd, test/test_engine.py.  There torch is the oracle; here each number is computed
again from the closed form by mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import pytest

from diffsim import ops
from diffsim.value import Value


def relu(x: Any) -> Any:
    return x if x > 0 else 0 * x


def sanity(x: Any, rectify: Callable[[Any], Any]) -> Any:
    z = 2 * x + 2 + x
    q = rectify(z) + z * x
    h = rectify(z * z)
    return h + q + q * x


def more(a: Any, b: Any, rectify: Callable[[Any], Any]) -> Any:
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + rectify(b + a)
    d += 3 * d + rectify(b - a)
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    return g


def true_gradient(f: Callable[..., Any], *at: float) -> tuple[float, list[float]]:
    with mpmath.workdps(60):
        point = [mpmath.mpf(x) for x in at]
        units = [tuple(int(i == j) for j in range(len(at))) for i in range(len(at))]
        return float(f(*point)), [float(mpmath.diff(f, tuple(point), unit)) for unit in units]


def test_sanity_check_gives_the_recorded_value_and_gradient() -> None:
    x = Value(-4.0)
    y = sanity(x, Value.relu)
    y.backward()
    assert (y.data, x.grad) == (-20.0, 46.0)
    value, (slope,) = true_gradient(lambda z: sanity(z, relu), -4.0)
    assert (value, slope) == (-20.0, 46.0)


def test_more_operations_give_the_recorded_value_and_gradients() -> None:
    a, b = Value(-4.0), Value(2.0)
    g = more(a, b, Value.relu)
    g.backward()
    value, slopes = true_gradient(lambda x, y: more(x, y, relu), -4.0, 2.0)
    assert [g.data, a.grad, b.grad] == pytest.approx([value, *slopes], rel=1e-14)
    assert [g.data, a.grad, b.grad] == pytest.approx(
        [24.70408163265306, 138.83381924198252, 645.5772594752186], rel=1e-14
    )


@pytest.mark.parametrize("name", ["tanh", "exp", "relu", "sigmoid", "sin", "cos", "log"])
@pytest.mark.parametrize("x", [-1.0, 0.123, 2.0])
def test_unary_methods_agree_with_mpmath(name: str, x: float) -> None:
    if name == "log":
        x = abs(x)
    oracle = {"relu": relu, "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z))}.get(name) or getattr(mpmath, name)
    v = Value(x)
    y = getattr(Value, name)(v)
    y.backward()
    value, (slope,) = true_gradient(oracle, x)
    assert [y.data, v.grad] == pytest.approx([value, slope], rel=1e-14)


def test_shared_node_counts_for_both_uses() -> None:
    a = Value(1.0)  # without an order by dependence, b is sent back before c's second use has arrived
    b = a + a
    c = b + b
    c.backward()
    assert (c.data, b.grad, a.grad) == (4.0, 2.0, 4.0)


def test_diamond_of_forty_levels_is_swept_once_a_node() -> None:
    x = y = Value(1.0)
    for _ in range(40):
        y = y + y
    y.backward()
    assert x.grad == 2.0**40


def test_methods_and_functions_are_the_same_rows() -> None:
    v = Value(0.5)
    assert v.tanh().data == ops.tanh(v).data == ops.tanh(0.5)
