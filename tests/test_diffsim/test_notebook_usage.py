"""What the teaching notebook does with its engine, on `Value` with only the import changed."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from diffsim import ops
from diffsim.derivatives import grad, jacobian, jvp
from diffsim.value import Value

START = (0.4, 0.0, 1.0, 4.0)
H, STEPS = 0.01, 500
# Explicit Euler, 500 steps, by mpmath: see `exact`.
END = (1.5791220449649588, 15.687764190670716, 1.1532821872298393, 1.6194679354002934)
ROW = (13.3733817647, 18.1095188664, -40.4165170636, -23.0528038335)


def rates(s: Any, cos: Any, sin: Any, g: Any = 9.8) -> Any:
    t1, t2, p1, p2 = s
    c = cos(t1 - t2)
    d1 = 6 * (2 * p1 - 3 * c * p2) / (16 - 9 * c**2)
    d2 = 6 * (8 * p2 - 3 * c * p1) / (16 - 9 * c**2)
    return [
        d1,
        d2,
        -(d1 * d2 * sin(t1 - t2) + 3 * g * sin(t1)) / 2,
        -(-d1 * d2 * sin(t1 - t2) + g * sin(t2)) / 2,
    ]


def euler(s: Any, cos: Any, sin: Any, h: Any = H, g: Any = 9.8, steps: int = STEPS) -> Any:
    s = list(s)
    for _ in range(steps):
        s = [x + h * k for x, k in zip(s, rates(s, cos, sin, g), strict=True)]
    return s


def value_cos(x: Any) -> Any:
    return x.cos()


def value_sin(x: Any) -> Any:
    return x.sin()


@pytest.fixture(scope="module")
def exact() -> tuple[list[float], list[float]]:
    """End state and gradient of theta_2(T), at 50 digits with the decimal h and g of the notebook as doubles."""
    with mpmath.workdps(50):
        h, g, step = mpmath.mpf(H), mpmath.mpf(9.8), mpmath.mpf(10) ** -18

        def end(*s: Any) -> Any:
            return euler(s, mpmath.cos, mpmath.sin, h, g)

        start = [mpmath.mpf(x) for x in START]
        row = []
        for i in range(4):
            up, down = (end(*(x + sign * step * (i == j) for j, x in enumerate(start))) for sign in (1, -1))
            row.append(float((up[1] - down[1]) / (2 * step)))
        return [float(x) for x in end(*start)], row


def test_golden_numbers_are_those_of_mpmath(exact: Any) -> None:
    assert list(END) == pytest.approx(exact[0], abs=1e-11)
    assert list(ROW) == pytest.approx(exact[1], abs=1e-9)


def test_euler_double_pendulum_and_its_gradient_by_backward(exact: Any) -> None:
    start = [Value(x) for x in START]
    trajectory = [start]
    for _ in range(STEPS):
        s = trajectory[-1]
        trajectory.append([x + H * k for x, k in zip(s, rates(s, value_cos, value_sin), strict=True)])
    end = trajectory[-1]
    end[1].backward()
    assert [x.data for x in end] == pytest.approx(exact[0], abs=1e-11)
    assert [x.grad for x in start] == pytest.approx(exact[1], abs=1e-9)
    first = [x.grad for x in start]
    for x in start:
        x.grad = 0
    trajectory[-1][0].backward()  # the other end of the same tape
    again = [x.grad for x in start]
    for x in start:
        x.grad = 0
    trajectory[-1][1].backward()
    assert [x.grad for x in start] == first
    assert again == pytest.approx(jacobian(by_array)(np.array(START))[0], abs=1e-9)


def by_array(y: Any) -> Any:
    return np.array(euler(y, np.cos, np.sin))


def test_euler_gradient_is_the_same_by_every_route(exact: Any) -> None:
    def theta_2(*s: Any) -> Any:
        return euler(s, ops.cos, ops.sin)[1]

    assert list(grad(theta_2, (0, 1, 2, 3))(*START)) == pytest.approx(exact[1], abs=1e-9)
    assert [jvp(theta_2, START, tuple(row))[1] for row in np.eye(4)] == pytest.approx(exact[1], abs=1e-9)
    for mode in ("forward", "reverse"):
        assert jacobian(by_array, mode=mode)(np.array(START))[1] == pytest.approx(exact[1], abs=1e-9)


def test_sums_of_lists_and_mixed_arithmetic() -> None:
    x, y = Value(2.0), Value(3.0)
    total = sum([x, y, x * y, 1]) + 2 * x - 1 + x / 2 + 1 / y - (-x) + x**2 + 16 - 9 * x.cos() ** 2
    total.backward()
    assert total.data == pytest.approx(2 + 3 + 6 + 1 + 4 - 1 + 1 + 1 / 3 + 2 + 4 + 16 - 9 * np.cos(2) ** 2)
    assert x.grad == pytest.approx(1 + 3 + 2 + 0.5 + 1 + 4 + 18 * np.cos(2) * np.sin(2))
    assert y.grad == pytest.approx(1 + 2 - 1 / 9)


def test_rounding_and_formatting_of_data() -> None:
    y = Value(2.71828)
    assert (round(y.data), round(y.data, 2), f"{y.data:.1f}", int(y.data)) == (3, 2.72, "2.7", 2)


def test_linear_regression_by_hand_written_gradient_descent() -> None:
    xs = [0.0, 1.0, 2.0, 3.0]
    ys = [1.0, 3.0, 5.0, 7.0]
    a, b = Value(0.0), Value(0.0)
    for _ in range(400):
        loss = sum((a * x + b - y) ** 2 for x, y in zip(xs, ys, strict=True)) / len(xs)
        for p in (a, b):
            p.grad = 0
        loss.backward()
        for p in (a, b):
            p.data = p.data - 0.1 * p.grad
    assert [a.data, b.data] == pytest.approx([2.0, 1.0], abs=1e-4)
    assert loss.data < 1e-7


def test_sigmoid_output_and_its_loss() -> None:
    w, x = [Value(0.5), Value(-1.0)], [2.0, 3.0]
    p = sum((wi * xi for wi, xi in zip(w, x, strict=True)), Value(0.0)).sigmoid()
    loss = (p - 1.0) ** 2
    loss.backward()
    s = 1 / (1 + np.exp(2.0))
    assert p.data == pytest.approx(s)
    assert [v.grad for v in w] == pytest.approx([2 * (s - 1) * s * (1 - s) * xi for xi in x])
