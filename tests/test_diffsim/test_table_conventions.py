"""What the table promises where no derivative exists, or where a formula written down naively would make NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops, linear_algebra, ops
from diffsim.derivatives import grad, hessian, jacobian, jvp, vjp
from diffsim.primitive import TABLE, Elementwise
from diffsim.value import Value

SUBGRADIENTS: list[tuple[str, Callable[..., Any], tuple[float, ...], tuple[float, ...]]] = [
    ("abs(0)", ops.abs, (0.0,), (0.0,)),
    ("abs(-0)", ops.abs, (-0.0,), (0.0,)),
    ("relu(0)", ops.relu, (0.0,), (0.0,)),
    ("sign(0)", ops.sign, (0.0,), (0.0,)),
    ("floor at a whole number", ops.floor, (2.0,), (0.0,)),
    ("sqrt(0)", ops.sqrt, (0.0,), (0.0,)),
    ("cbrt(0)", ops.cbrt, (0.0,), (0.0,)),
    ("hypot(0, 0)", ops.hypot, (0.0, 0.0), (0.0, 0.0)),
    ("sqrt(x x + y y) at the origin", lambda x, y: ops.sqrt(x * x + y * y), (0.0, 0.0), (0.0, 0.0)),
    ("atan2(0, 0)", ops.atan2, (0.0, 0.0), (0.0, 0.0)),
    ("maximum at a tie", ops.maximum, (1.5, 1.5), (0.5, 0.5)),
    ("minimum at a tie", ops.minimum, (1.5, 1.5), (0.5, 0.5)),
    ("clip at its border", lambda x: ops.clip(x, 0.0, 1.0), (0.0,), (0.5,)),
    ("clip inside", lambda x: ops.clip(x, 0.0, 1.0), (0.5,), (1.0,)),
    ("clip outside", lambda x: ops.clip(x, 0.0, 1.0), (1.5,), (0.0,)),
    ("0**0", ops.power, (0.0, 0.0), (0.0, 0.0)),
    ("0**1", ops.power, (0.0, 1.0), (1.0, 0.0)),
    ("0**2", ops.power, (0.0, 2.0), (0.0, 0.0)),
    ("0**0.5", ops.power, (0.0, 0.5), (0.0, 0.0)),
    ("0**1.5", ops.power, (0.0, 1.5), (0.0, 0.0)),
    ("(-2)**2", ops.power, (-2.0, 2.0), (-4.0, 0.0)),
    ("(-2)**3", ops.power, (-2.0, 3.0), (12.0, 0.0)),
    ("(-2)**-1", ops.power, (-2.0, -1.0), (-0.25, 0.0)),
    ("2**0", ops.power, (2.0, 0.0), (0.0, math.log(2.0))),
]


@pytest.mark.parametrize(("name", "f", "at", "slopes"), SUBGRADIENTS, ids=[case[0] for case in SUBGRADIENTS])
def test_documented_subgradient_in_every_mode(
    name: str, f: Callable[..., Any], at: tuple[float, ...], slopes: tuple[float, ...]
) -> None:
    values = [Value(x) for x in at]
    f(*values).backward()
    arrays = tuple(np.array([x, x]) for x in at)
    for i, slope in enumerate(slopes):
        unit = tuple(float(k == i) for k in range(len(at)))
        assert values[i].grad == slope, name
        assert grad(f, i)(*at) == slope
        assert jvp(f, at, unit)[1] == slope
        np.testing.assert_array_equal(vjp(f, *arrays)[1](np.ones(2))[i], [slope, slope])
        np.testing.assert_array_equal(jvp(f, arrays, tuple(np.full(2, u) for u in unit))[1], [slope, slope])


@pytest.mark.parametrize(("name", "f", "at", "slopes"), SUBGRADIENTS, ids=[case[0] for case in SUBGRADIENTS])
def test_second_derivatives_at_kinks_are_finite(
    name: str, f: Callable[..., Any], at: tuple[float, ...], slopes: tuple[float, ...]
) -> None:
    def joined(x: Any) -> Any:
        return f(*(x[i] for i in range(len(at))))

    assert np.isfinite(hessian(joined)(np.array(at))).all(), f"{name} {slopes}"


def test_zero_to_the_zero_is_one() -> None:
    assert ops.power(0.0, 0.0) == 1.0 == (Value(0.0) ** 0.0).data == (Value(0.0) ** 0).data


@pytest.mark.parametrize("exponent", [0.5, -0.5, 1.7])
def test_root_of_a_negative_base_is_nan_and_not_complex(exponent: float) -> None:
    with np.errstate(invalid="ignore"):
        found = [ops.power(-2.0, exponent), (Value(-2.0) ** exponent).data, ops.power(np.array([-2.0]), exponent)[0]]
    assert all(isinstance(x, float) and math.isnan(x) for x in found)


def test_norm_at_zero_has_derivative_zero() -> None:
    x = np.zeros(3)
    np.testing.assert_array_equal(grad(linear_algebra.norm)(x), x)
    np.testing.assert_array_equal(jvp(linear_algebra.norm, (x,), (np.ones(3),))[1], 0.0)
    assert np.isfinite(hessian(linear_algebra.norm)(x)).all()


@pytest.mark.parametrize("order", [1, np.inf])
def test_other_norms_at_zero_have_finite_derivatives(order: float) -> None:
    assert np.isfinite(grad(lambda x: linear_algebra.norm(x, order))(np.zeros(3))).all()


def test_ties_of_max_share_the_derivative_equally() -> None:
    x = np.array([[1.0, 3.0, 3.0], [3.0, 2.0, 0.0]])
    np.testing.assert_array_equal(grad(array_ops.max)(x), np.array([[0, 1, 1], [1, 0, 0]]) / 3)
    np.testing.assert_array_equal(
        vjp(lambda a: array_ops.min(a, axis=1), x)[1](np.ones(2))[0], [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    )
    np.testing.assert_array_equal(jvp(lambda a: array_ops.max(a, axis=1), (x,), (np.ones_like(x),))[1], [1.0, 1.0])


# The gradient at 0 (or 1, 2) of a function whose branch not taken is nan or infinite there: (function, x, gradient).
BRANCHES: list[tuple[str, Callable[[Any], Any], float, float]] = [
    ("log", lambda x: ops.where(x > 0, ops.log(x), 0.0), 0.0, 0.0),
    ("log of a negative number", lambda x: ops.where(x > 0, ops.log(x), 3 * x), -1.0, 3.0),
    ("1 / x", lambda x: ops.where(x == 0.0, 5 * x, 1.0 / x), 0.0, 5.0),
    ("sqrt", lambda x: ops.where(x > 0, ops.sqrt(x), 2 * x), -4.0, 2.0),
    ("x / x", lambda x: ops.where(x == 0.0, 1.0 + x, x / x), 0.0, 1.0),
    ("sin(x) / x", lambda x: ops.where(x == 0.0, 1.0, ops.sin(x) / x), 0.0, 0.0),
    ("exp of a large number", lambda x: ops.where(x < 1.0, x, ops.exp(1000 * x)), 0.5, 1.0),
    ("asin outside", lambda x: ops.where(ops.abs(x) < 1, ops.asin(x), x), 2.0, 1.0),
    ("a long branch", lambda x: ops.where(x > 0, ops.sqrt(ops.log(x) * ops.exp(1 / x)) ** 0.5, x), 0.0, 1.0),
    ("x log x", lambda x: ops.where(x > 0, x * ops.log(x), 0.0), 0.0, 0.0),
]


@pytest.mark.parametrize(("name", "f", "x", "slope"), BRANCHES, ids=[case[0] for case in BRANCHES])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, from evaluating the branch that is not taken
def test_branch_of_where_that_is_not_taken_sends_no_nan(
    name: str, f: Callable[[Any], Any], x: float, slope: float
) -> None:
    v = Value(x)
    f(v).backward()
    assert v.grad == slope, name
    assert grad(f)(x) == slope
    assert jvp(f, (x,), (1.0,))[1] == slope
    assert np.isfinite(grad(grad(f))(x))
    assert np.isfinite(jvp(grad(f), (x,), (1.0,))[1])
    assert np.isfinite(jvp(lambda z: jvp(f, (z,), (1.0,))[1], (x,), (1.0,))[1])
    both = np.array([x, 0.75])
    np.testing.assert_allclose(np.diag(jacobian(f)(both)), [slope, grad(f)(0.75)])
    np.testing.assert_allclose(np.diag(jacobian(f, mode="forward")(both)), [slope, grad(f)(0.75)])


ROWS = [row for row in TABLE.values() if isinstance(row, Elementwise)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_float32_stays_float32_through_every_row(row: Elementwise) -> None:
    arguments = [np.full(2, (low + high) / 2, dtype=np.float32) for low, high in getattr(row, "domain", ())]
    out = row(*map(Value, arguments))
    if row.boolean:
        assert np.asarray(out).dtype == bool
        return
    assert out.data.dtype == np.float32
    assert row(*arguments).dtype == np.float32
    assert vjp(row, *arguments)[1](np.ones(2, dtype=np.float32))[0].dtype == np.float32
    tangents = tuple(np.ones_like(x) for x in arguments)
    assert jvp(row, tuple(arguments), tangents)[1].dtype == np.float32
    scalars = [x[0] for x in arguments]
    assert isinstance(row(*map(Value, scalars)).data, np.float32)


@pytest.mark.parametrize("row", [row for row in ROWS if not row.boolean], ids=lambda row: row.name)
def test_nan_in_gives_nan_out_and_no_error(row: Elementwise) -> None:
    if row.name == "power":
        pytest.skip("nan**0 is 1 by IEEE 754; see below")
    nans = (math.nan,) * row.arity
    with np.errstate(all="ignore"):
        assert math.isnan(row(*nans))
        assert np.isnan(row(*map(np.array, nans)))
        assert math.isnan(row(*map(Value, nans)).data)


def test_power_of_nan_follows_ieee() -> None:
    assert ops.power(math.nan, 0.0) == 1.0 == ops.power(1.0, math.nan)
    assert math.isnan(ops.power(math.nan, 2.0))


@pytest.mark.parametrize("x", [1e4, -1e4, 750.0, -750.0])
def test_stable_formulas_do_not_overflow_on_arrays(x: float) -> None:
    for f, slope in ((ops.sigmoid, 0.0), (ops.softplus, float(x > 0)), (ops.tanh, 0.0), (ops.erf, 0.0)):
        np.testing.assert_allclose(grad(lambda v, f=f: array_ops.sum(f(v)))(np.full(3, x)), slope, atol=1e-300)
