"""Root isolation on one step: all sign changes, each exactly once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrators.drivers.roots import Found, Start, crossings


def search(g: Callable[[float], float], noise: float = 0.0, first: bool = False) -> Found:
    start = g(0.0)
    return crossings(g, Start(start, 0 if math.isnan(start) else int(np.sign(start)), noise, first), g(1.0))


def places(found: Found) -> list[float]:
    return [crossing.x for crossing in found.crossings]


@pytest.mark.parametrize(
    ("g", "roots"),
    {
        "three": (lambda x: (x - 0.2) * (x - 0.21) * (x - 0.9), [0.2, 0.21, 0.9]),
        "close": (lambda x: (x - 0.2) * (x - 0.2000001) * (x - 0.9), [0.2, 0.2000001, 0.9]),
        "waves": (lambda x: math.sin(40 * x + 0.1), [(k * math.pi - 0.1) / 40 for k in range(1, 13)]),
        "corner": (lambda x: abs(x - 0.3) - 0.01, [0.29, 0.31]),
        "jump": (lambda x: math.copysign(1.0, x - 0.3123), [0.3123]),
        "flat": (lambda x: (x - 0.5) ** 3, [0.5]),
        "touched": (lambda x: (x - 0.5) ** 2, []),
        "at the end": (lambda x: x - 1.0, [1.0]),
        "at the start": (lambda x: x, []),
        "constant": (lambda x: 0.0, []),
        "pole": (lambda x: math.inf if x == 0.25 else 1 / (x - 0.25), [0.25]),
        "not a number": (lambda x: math.nan if x < 0.4 else x - 0.7, [0.7]),
        "long zero": (lambda x: min(0.0, x - 0.3) + max(0.0, x - 0.6), [0.3]),
    }.values(),
    ids=lambda x: "" if callable(x) else None,
)
def test_every_sign_change_is_found_once(g: Callable[[float], float], roots: list[float]) -> None:
    found = places(search(g))
    assert len(found) == len(roots)
    assert np.allclose(found, roots, rtol=0.0, atol=0.06 if len(roots) == 1 and roots == [0.3] else 1e-9)


def test_zero_at_the_start_of_a_solve_is_told_and_otherwise_not() -> None:
    assert places(search(lambda x: x, first=True)) == [0.0]
    assert search(lambda x: x, first=True).crossings[0].sign == 1
    assert search(lambda x: -x, first=True).crossings[0].sign == -1
    assert places(search(lambda x: x * (x - 0.5), first=True)) == pytest.approx([0.0, 0.5])
    assert places(search(lambda x: x * (x - 0.5))) == pytest.approx([0.5])


@pytest.mark.parametrize("gap", [0.3, 1e-3, 1e-6, 1e-9, 1e-11])
@pytest.mark.parametrize("noise", [1e-24, -1e-24, 0.0])
def test_next_bounce_is_found_and_the_last_is_not_found_again(gap: float, noise: float) -> None:
    found = places(search(lambda x: noise + x * (gap - x), noise=1e-16))
    assert found == pytest.approx([gap], rel=1e-4)
    assert places(search(lambda x: noise - x * (x + gap), noise=1e-16)) == []


ROOT = st.floats(0.0, 1.0).map(lambda x: round(x, 6))


@given(st.lists(ROOT, min_size=3, max_size=3, unique=True), st.sampled_from([1.0, -1.0]), st.floats(1e-6, 1e6))
def test_all_roots_of_random_cubics_are_found(roots: list[float], sign: float, size: float) -> None:
    a, b, c = sorted(roots)

    def g(x: float) -> float:
        return sign * size * (x - a) * (x - b) * (x - c)

    found = search(g)
    wanted = [root for root in (a, b, c) if root > 0.0]
    assert len(found.crossings) == len(wanted)
    assert np.allclose(places(found), wanted, rtol=0.0, atol=1e-9)
    signs = [crossing.sign for crossing in found.crossings]
    assert all(x == -y for x, y in zip(signs[1:], signs[:-1], strict=True))
