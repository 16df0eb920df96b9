"""Real roots of cubics in closed form: against `numpy.roots`; derivatives against the implicit function theorem."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given

from diffsim.derivatives import jacobian
from systems._cubic import cubic_roots

numbers = st.floats(-5.0, 5.0)


def discriminant(a: float, b: float, c: float, d: float) -> float:
    """Positive where there are three real roots, relative to the size of the coefficients."""
    size = max(abs(x) for x in (a, b, c, d))
    a, b, c, d = (x / size for x in (a, b, c, d))
    return 18 * a * b * c * d - 4 * b**3 * d + b * b * c * c - 4 * a * c**3 - 27 * a * a * d * d


@given(st.floats(0.2, 5.0), numbers, numbers, numbers)
def test_roots_are_all_the_real_roots_in_order_and_carry_their_derivatives(
    a: float, b: float, c: float, d: float
) -> None:
    apart = discriminant(a, b, c, d)
    assume(abs(apart) > 1e-4)
    found = np.array(cubic_roots(a, b, c, d))
    expected = np.roots([a, b, c, d])
    expected = np.sort(expected.real) if apart > 0.0 else expected[np.argmin(np.abs(expected.imag))].real[None]
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)
    size = abs(a * found**3) + abs(b * found**2) + abs(c * found) + abs(d)
    assert np.all(np.abs(((a * found + b) * found + c) * found + d) <= 1e-13 * size + 1e-25)

    def roots(p: Any) -> Any:
        return cubic_roots(p[0], p[1], p[2], p[3])

    ours = np.array([jacobian(lambda p, k=k: roots(p)[k])(np.array([a, b, c, d])) for k in range(len(found))])
    slope = (3.0 * a * found + 2.0 * b) * found + c
    exact = -np.stack([found**3, found**2, found, np.ones_like(found)], axis=1) / slope[:, None]
    np.testing.assert_allclose(ours, exact, rtol=1e-6, atol=1e-8 * np.max(np.abs(exact)))


def test_arrays_of_coefficients_have_one_root_a_trajectory() -> None:
    d = np.array([-1.0, -8.0, 27.0])
    (found,) = cubic_roots(1.0, 0.0, 0.0, d)
    np.testing.assert_allclose(found, [1.0, 2.0, -3.0], rtol=1e-14)
    low, middle, high = cubic_roots(1.0, 0.0, np.array([-1.0, -4.0]), 0.0)
    np.testing.assert_allclose([low, middle, high], [[-1.0, -2.0], [0.0, 0.0], [1.0, 2.0]], atol=1e-15)


@pytest.mark.parametrize(
    "coefficients",
    [
        (1.0, 0.0, np.array([-1.0, 1.0]), 0.0),  # three roots, and one
        (1.0, -4.0, 5.0, -2.0),  # (x - 1)^2 (x - 2)
        (1.0, -3.0, 3.0, -1.0),  # (x - 1)^3
    ],
    ids=["mixed", "double", "triple"],
)
def test_no_answer_where_the_number_of_roots_is_not_one_or_three(coefficients: Any) -> None:
    assert cubic_roots(*coefficients) == ()
