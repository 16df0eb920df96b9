"""Every scalar row of the table against mpmath: value, first and second derivative, in both modes, at hard points too.

The table is walked: a new row is tested the moment it exists.  A row whose name is not mpmath's needs an oracle here.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np
import pytest

from diffsim.derivatives import grad, jvp, vjp
from diffsim.primitive import TABLE, Elementwise
from diffsim.value import Value

DIGITS = 700  # so that a step of 1e-200 can be taken beside 1e300
SMALLEST, LARGEST = 1e-290, 1e300

ORACLES: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "negative": lambda x: -x,
    "power": lambda x, y: x**y,
    "square": lambda x: x * x,
    "remainder": lambda x, y: x - y * mpmath.floor(x / y),
    "abs": lambda x: mpmath.fabs(x),
    "frozen": lambda x: x,
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(mpmath.fabs(x)),
    "log2": lambda x: mpmath.log(x, 2),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)) if x > 0 else mpmath.exp(x) / (1 + mpmath.exp(x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(-abs(x))) + (x if x > 0 else 0),
    "relu": lambda x: x if x > 0 else mpmath.mpf(0),
    "maximum": lambda x, y: x if x > y else y,
    "minimum": lambda x, y: x if x < y else y,
    "hypot": lambda x, y: mpmath.sqrt(x * x + y * y),
    "atan2": lambda y, x: mpmath.atan2(y, x),
}

ROWS = [row for row in TABLE.values() if isinstance(row, Elementwise) and not row.boolean]
UNARY = [row for row in ROWS if row.arity == 1]
BINARY = [row for row in ROWS if row.arity == 2]

# Where a row has a kink or a jump, so that mpmath's differences mean nothing; the conventions there are tested apart.
ROUGH: dict[str, Callable[..., bool]] = {
    "abs": lambda x: x == 0,
    "sign": lambda x: x == 0,
    "relu": lambda x: x == 0,
    "cbrt": lambda x: x == 0,
    "floor": lambda x: x == math.floor(x),
    "frozen": lambda x: True,
    "maximum": lambda x, y: x == y,
    "minimum": lambda x, y: x == y,
    "remainder": lambda x, y: not 1e-15 < abs(x / y) < 1e15 or x / y == math.floor(x / y),
    "hypot": lambda x, y: x == 0 == y,
    "atan2": lambda y, x: y == 0 and x <= 0,
    "power": lambda x, y: x <= 0,
}

POINTS = (
    0.0,
    1e-300,
    1e-20,
    1e-8,
    0.3,
    0.5,
    0.999999,
    1.0,
    1.000001,
    1.7,
    3.0,
    20.0,
    40.0,
    300.0,
    700.0,
    1e4,
    1e8,
    1e160,
    1e300,
)
SPECIAL = tuple(dict.fromkeys((*POINTS, *(-x for x in POINTS if x))))
FEW = (0.0, 1e-300, 0.3, 1.0, 30.0, 1e160)
PAIRS = tuple(itertools.product((*FEW, *(-x for x in FEW if x)), repeat=2))


def ids(row: Elementwise) -> str:
    return row.name


def oracle(row: Elementwise) -> Callable[..., Any]:
    found = ORACLES.get(row.name) or getattr(mpmath, row.name, None)
    if found is None:
        pytest.fail(f"primitive {row.name!r} has no oracle: add one to ORACLES")
    return found


def inside(row: Elementwise, n: int = 12) -> Iterator[tuple[float, ...]]:
    """Points spread over the domain that the row declares, its borders nearly included."""
    rng = np.random.default_rng(0)
    for u in [*rng.random((n, row.arity)), np.full(row.arity, 1e-9), np.full(row.arity, 1 - 1e-9)]:
        yield tuple(float(low + (high - low) * s) for s, (low, high) in zip(u, row.domain, strict=True))


def true_value(row: Elementwise, *xs: float) -> float | None:
    """The value by mpmath; None where there is no real one, or where a float cannot hold it."""
    with mpmath.workdps(DIGITS):
        return _representable(lambda: oracle(row)(*map(mpmath.mpf, xs)))


@functools.cache
def _true_partial(name: str, xs: tuple[float, ...], orders: tuple[int, ...]) -> float | None:
    """A partial derivative by mpmath's differences at 700 digits; small arguments are scaled to 1."""
    row = TABLE[name]
    with mpmath.workdps(DIGITS):
        scales = [mpmath.mpf(abs(x)) if 0 < abs(x) < 1 else mpmath.mpf(1) for x in xs]
        at = [mpmath.mpf(x) / s for x, s in zip(xs, scales, strict=True)]
        factor = mpmath.mpf(1)
        for s, order in zip(scales, orders, strict=True):
            factor *= s**order

        def scaled(*zs: Any) -> Any:
            return oracle(row)(*(z * s for z, s in zip(zs, scales, strict=True)))

        return _representable(lambda: mpmath.diff(scaled, tuple(at), orders) / factor)


def _representable(compute: Callable[[], Any]) -> float | None:
    try:
        result = compute()
    except (ValueError, ZeroDivisionError, mpmath.libmp.ComplexResult):
        return None
    if not isinstance(result, mpmath.mpf) or not mpmath.isfinite(result) or abs(result) > LARGEST:
        return None
    return 0.0 if abs(result) < mpmath.mpf(10) ** -(DIGITS // 4) and abs(result) < SMALLEST else float(result)


def assert_close(found: Any, truth: float, rtol: float, what: str, atol: float = SMALLEST) -> None:
    found = np.asarray(found, dtype=float)
    assert np.all(np.abs(found - truth) <= rtol * abs(truth) + atol), f"{what}: {found!r}, mpmath says {truth!r}"


def kinds_of_value(row: Elementwise, xs: tuple[float, ...]) -> dict[str, Any]:
    """The row evaluated on every kind of number."""
    arrays = [np.array([x, x]) for x in xs]
    return {
        "float": row(*xs),
        "float64": row(*map(np.float64, xs)),
        "array": row(*arrays),
        "0-d array": row(*map(np.array, xs)),
        "Value": row(*map(Value, xs)).data,
        "array Value": row(*map(Value, arrays)).data,
        "tape": vjp(row, *xs)[0],
        "Dual": jvp(row, xs, (1.0,) * len(xs))[0],
    }


def first_derivatives(row: Elementwise, xs: tuple[float, ...], i: int) -> dict[str, Any]:
    values = [Value(x) for x in xs]
    row(*values).backward()
    unit = tuple(1.0 if j == i else 0.0 for j in range(len(xs)))
    arrays = [np.array([x, x]) for x in xs]
    return {
        "grad": grad(row, i)(*xs),
        "backward": values[i].grad,
        "jvp": jvp(row, xs, unit)[1],
        "array vjp": vjp(row, *arrays)[1](np.ones(2))[i],
        "array jvp": jvp(row, tuple(arrays), tuple(np.full(2, u) for u in unit))[1],
    }


def second_derivatives(row: Elementwise, xs: tuple[float, ...], i: int, j: int) -> dict[str, Any]:
    unit = tuple(1.0 if k == j else 0.0 for k in range(len(xs)))
    arrays = tuple(np.array([x, x]) for x in xs)
    units = tuple(np.full(2, u) for u in unit)

    def gradient(*zs: Any) -> Any:
        return grad(row, i)(*zs)

    def tangent(*zs: Any) -> Any:
        return jvp(row, zs, tuple(1.0 if k == i else 0.0 for k in range(len(zs))))[1]

    return {
        "reverse over reverse": grad(gradient, j)(*xs),
        "forward over reverse": jvp(gradient, xs, unit)[1],
        "reverse over forward": grad(tangent, j)(*xs),
        "forward over forward": jvp(tangent, xs, unit)[1],
        "arrays": jvp(lambda *zs: vjp(row, *zs)[1](np.ones(2))[i], arrays, units)[1],
    }


def check_row(row: Elementwise, xs: tuple[float, ...], rtol: float = 2e-15) -> int:
    """Compare everything there is at one point; returns how many numbers had a truth to be compared with."""
    n = 0
    truth = true_value(row, *xs)
    if truth is None:
        return 0
    for kind, found in kinds_of_value(row, xs).items():
        assert_close(found, truth, rtol, f"{row.name}{xs} as {kind}")
        n += 1
    if ROUGH.get(row.name, lambda *_: False)(*xs):
        return n
    if row.name == "power":  # the exponent y - 1 is rounded, which the logarithm of the base magnifies
        rtol *= 1.0 + abs(math.log(xs[0])) / 10
    one = [int(k == 0) for k in range(row.arity)]
    # What terms of a second derivative that cancel have as their size.
    scale = 1.0 if row.arity == 1 else max([1.0, *(1 / abs(x) for x in xs if x)])
    for i in range(row.arity):
        orders = tuple(one[(k - i) % row.arity] for k in range(row.arity))
        first = _true_partial(row.name, xs, orders)
        if first is None:
            continue
        for kind, found in first_derivatives(row, xs, i).items():
            assert_close(found, first, 4 * rtol, f"d {row.name}{xs} by argument {i}, {kind}")
            n += 1
        if row.arity == 2 and any(0 < abs(x) < 1e-100 or abs(x) > 1e100 for x in xs):
            continue  # second derivatives hold squares: they overflow on the way whatever the formula
        for j in range(row.arity):
            mixed = list(orders)
            mixed[j] += 1
            second = _true_partial(row.name, xs, tuple(mixed))
            if second is None:
                continue
            for kind, found in second_derivatives(row, xs, i, j).items():
                what = f"d2 {row.name}{xs} by {i}, {j}, {kind}"
                assert_close(found, second, 16 * rtol, what, SMALLEST + rtol * scale * abs(first))
                n += 1
    return n


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_row_agrees_with_mpmath_inside_its_domain(row: Elementwise) -> None:
    assert sum(check_row(row, xs) for xs in inside(row)) >= 14 * 8


@pytest.mark.parametrize("row", UNARY, ids=ids)
def test_unary_row_agrees_with_mpmath_at_hard_points_without_overflow(row: Elementwise) -> None:
    assert sum(check_row(row, (x,)) for x in SPECIAL) > 100


@pytest.mark.parametrize("row", BINARY, ids=ids)
def test_binary_row_agrees_with_mpmath_at_hard_points_without_overflow(row: Elementwise) -> None:
    assert sum(check_row(row, xs) for xs in PAIRS) > 300
