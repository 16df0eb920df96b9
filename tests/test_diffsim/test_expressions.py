"""Thousands of generated expressions: reverse = forward = differences, and every kind of number gives one value."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from diffsim.derivatives import grad, jvp, vjp
from diffsim.primitive import TABLE, Elementwise
from diffsim.testing import Expression, check_gradients, expressions
from diffsim.value import Value

MANY = int(os.environ.get("DIFFSIM_EXPRESSIONS", "10000"))
FEW = 60

quick = settings(max_examples=FEW, deadline=None, database=None, suppress_health_check=list(HealthCheck))
thorough = settings(quick, max_examples=MANY, derandomize=True, phases=(Phase.explicit, Phase.generate, Phase.shrink))


ROUNDING = 1e-15  # of intermediate numbers of size 1 that cancel: tanh(expm1(x)) - expm1(x) at 0, say


def check(e: Expression) -> None:
    report = check_gradients(e, *e.arguments, unresolved="ignore", atol=ROUNDING)
    for line in report.unresolved:  # open may be only what is 0 by complete cancellation: (x + acos(x))'' at 0, say
        value, bound = (float(x) for x in re.search(r"(\S+) \+- (\S+)", line).groups())  # type: ignore[union-attr]
        assert abs(value) + bound < 1e-11, line


@quick
@given(expressions())
def test_expression_has_one_gradient(e: Expression) -> None:
    check(e)


@quick
@given(expressions(arrays=True))
def test_array_expression_has_one_gradient(e: Expression) -> None:
    check(e)


@pytest.mark.slow
@pytest.mark.twin  # of the quick one above, which draws fewer
@thorough
@given(expressions())
def test_ten_thousand_expressions_have_one_gradient_each(e: Expression) -> None:
    check(e)


@pytest.mark.slow
@pytest.mark.twin  # of the quick one above, which draws fewer
@settings(thorough, max_examples=MANY // 5)
@given(expressions(arrays=True))
def test_thousands_of_array_expressions_have_one_gradient_each(e: Expression) -> None:
    check(e)


@settings(quick, max_examples=FEW // 4)
@given(expressions(max_steps=5, max_inputs=2))
def test_third_derivatives_agree(e: Expression) -> None:
    check_gradients(e, *e.arguments, order=3, unresolved="ignore", atol=ROUNDING)


@quick
@given(expressions())
def test_value_is_that_of_plain_floats_to_the_bit(e: Expression) -> None:
    plain = e(*e.arguments)
    assert e(*map(Value, e.arguments)).data == plain
    assert jvp(e, e.arguments, tuple(1.0 for _ in e.arguments))[0] == plain
    assert vjp(e, *e.arguments)[0] == plain


@quick
@given(expressions(arrays=True))
def test_value_is_that_of_plain_arrays(e: Expression) -> None:
    plain = np.asarray(e(*e.arguments))
    value = e(*map(Value, e.arguments))
    primal = jvp(e, e.arguments, tuple(np.ones_like(x) if np.ndim(x) else 1.0 for x in e.arguments))[0]
    np.testing.assert_allclose(np.asarray(value.data), plain, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(np.asarray(primal), plain, rtol=1e-13, atol=1e-15)


@quick
@given(expressions())
def test_arrays_agree_with_scalars(e: Expression) -> None:
    stacked = [np.array([x, x]) for x in e.arguments]
    np.testing.assert_allclose(np.broadcast_to(e(*stacked), 2), e(*e.arguments), rtol=1e-11, atol=1e-12)
    together = grad(lambda *xs: np.sum(np.ones(2) * e(*xs)))(*stacked)
    np.testing.assert_allclose(together, grad(e)(*e.arguments), rtol=1e-8, atol=1e-9)


@quick
@given(expressions(arrays=True))
def test_float32_stays_float32(e: Expression) -> None:
    values = [Value(np.asarray(x, dtype=np.float32)[()]) for x in e.arguments]
    with np.errstate(all="ignore"):
        assert np.asarray(e(*values).data).dtype == np.float32


@settings(quick, max_examples=100)
@given(expressions(arrays=True))
def test_expression_is_equal_to_its_repr(e: Expression) -> None:
    again = eval(repr(e))
    assert again == e
    np.testing.assert_array_equal(again(*again.arguments), e(*e.arguments))


@settings(quick, max_examples=FEW // 2)
@given(expressions(arrays=True))
def test_expression_prints_as_a_function(e: Expression) -> None:
    lines = str(e).splitlines()
    assert lines[0].startswith("def expression(x0")
    assert lines[-1].strip().startswith("return v")
    assert len(lines) == len(e.steps) + 2


SMOOTH = [
    row.name for row in TABLE.values() if isinstance(row, Elementwise) and not row.boolean and row.name != "frozen"
]


@pytest.mark.parametrize("name", SMOOTH)
def test_every_smooth_row_of_the_table_is_drawn(name: str) -> None:
    drawn = find(
        expressions(only=(name,)),
        lambda e: any(step == name for step, _ in e.steps),
        settings=settings(quick, max_examples=3000, derandomize=True),
    )
    assert np.isfinite(drawn(*drawn.arguments))
