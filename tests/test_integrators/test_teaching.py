"""`euler` and `rk4` on plain lists: any kind of number, and clear errors."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath
import pytest

from diffsim.derivatives import jvp
from diffsim.errors import ArgumentError, DiffsimError, KindError
from diffsim.value import Value
from integrators import euler, rk4


@pytest.mark.parametrize("integrate", [euler, rk4])
def test_states_are_lists_and_the_start_is_the_first(integrate: Any) -> None:
    start = (1.0, 0.0)
    states = integrate(start, lambda s: [s[1], -s[0]], 0.1, 3)
    assert [type(state) for state in states] == [list] * 4
    assert states[0] == [1.0, 0.0]
    assert all(type(x) is float for state in states for x in state)


@pytest.mark.parametrize("integrate", [euler, rk4])
def test_no_steps_give_the_start_alone(integrate: Any) -> None:
    assert integrate([1.0], lambda s: [-s[0]], 0.1, 0) == [[1.0]]


def test_euler_on_fractions_is_exact() -> None:
    states = euler([Fraction(1)], lambda s: [-s[0]], Fraction(1, 10), 3)
    assert states[-1] == [Fraction(729, 1000)]


def test_rk4_on_multiprecision_numbers_converges_to_30_digits() -> None:
    with mpmath.workdps(50):
        ends = [rk4([mpmath.mpf(1)], lambda s: [-s[0]], mpmath.mpf(1) / n, n)[-1][0] for n in (50, 100)]
        errors = [abs(end - mpmath.exp(-1)) for end in ends]
        assert abs(mpmath.log(errors[0] / errors[1], 2) - 4) < 0.05


def test_values_and_duals_flow_through() -> None:
    rate = Value(-0.5)
    euler([1.0], lambda s: [rate * s[0]], 0.1, 10)[-1][0].backward()
    assert rate.grad == pytest.approx(10 * 0.1 * 0.95**9, rel=1e-14)
    _, tangent = jvp(lambda r: rk4([1.0], lambda s: [r * s[0]], 0.01, 100)[-1][0], (-0.5,), (1.0,))
    assert tangent == pytest.approx(math.exp(-0.5), rel=1e-9)


def test_negative_step_goes_backwards() -> None:
    there = rk4([1.0, 0.5], lambda s: [s[1], -s[0]], 0.01, 100)[-1]
    assert rk4(there, lambda s: [s[1], -s[0]], -0.01, 100)[-1] == pytest.approx([1.0, 0.5], abs=1e-9)


@pytest.mark.parametrize("integrate", [euler, rk4])
@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"f": lambda s: None}, KindError, "f must return the list of derivatives; got None. Is a return"),
        ({"f": lambda s: 3.0}, KindError, "f must return the list of derivatives; got float"),
        ({"f": lambda s: [1.0, 2.0]}, ArgumentError, "f must return 1 components, as many as s_0; got 2"),
        ({"s_0": 1.0}, KindError, "s_0 must be a sequence"),
        ({"steps": 2.5}, KindError, r"steps an integer; got .* steps=2.5"),
        ({"steps": -1}, ArgumentError, "steps must be >= 0; got steps=-1"),
        ({"h": 0.0}, ArgumentError, "h must be finite and not 0; got h=0.0"),
        ({"h": math.nan}, ArgumentError, "h must be finite and not 0; got h=nan"),
        ({"h": 1j}, KindError, "h must be a real number"),
    ],
)
def test_bad_argument_is_named(integrate: Any, changes: Any, error: type[DiffsimError], words: str) -> None:
    good: dict[str, Any] = {"s_0": [1.0], "f": lambda s: [-s[0]], "h": 0.1, "steps": 2}
    with pytest.raises(error, match=f"^{integrate.__name__}: .*{words}"):
        integrate(**{**good, **changes})
