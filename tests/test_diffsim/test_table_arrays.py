"""Every array row against its formula by elements, in value and derivative, and against NumPy.

The formulas are written with scalar `Value`s and loops: nothing of the array rows is used on that side.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops as ao
from diffsim import linear_algebra as la
from diffsim.derivatives import jvp, vjp
from diffsim.primitive import TABLE, Structural
from diffsim.testing import check_gradients
from diffsim.value import Value

RNG = np.random.default_rng(3)
V3, W3 = RNG.normal(size=3), RNG.normal(size=3)
M = RNG.normal(size=(3, 3)) + 2 * np.eye(3)
R = RNG.normal(size=(2, 3))
T = RNG.normal(size=(2, 3, 4))
WITH_ZEROS = np.array([[0.0, 2.0, -1.0], [0.0, 0.0, 3.0]])


@dataclass(frozen=True)
class Case:
    """An array function, and the same by elements: nested lists of numbers in, a nested list out."""

    name: str
    f: Callable[..., Any]
    by_elements: Callable[..., Any]
    at: tuple[np.ndarray, ...]
    rows: tuple[str, ...] = ()


def product(xs: Any) -> Any:
    return math.prod(xs[1:], start=xs[0])


def largest(xs: Any) -> Any:
    best = xs[0]
    for x in xs[1:]:
        best = x if x.data > best.data else best
    return best


def determinant(a: Any) -> Any:
    n = len(a)
    if n == 1:
        return a[0][0]
    minors = ([[row[k] for k in range(n) if k != j] for row in a[1:]] for j in range(n))
    return sum((-1) ** j * a[0][j] * determinant(minor) for j, minor in enumerate(minors))


def solution(a: Any, b: Any) -> Any:
    """Gauss-Jordan elimination with the largest pivot."""
    n = len(a)
    rows = [[*row, x] for row, x in zip(a, b, strict=True)]
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(rows[i][k].data))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[n] for row in rows]


def columns(a: Any) -> Any:
    return [list(column) for column in zip(*a, strict=True)]


def inverse(a: Any) -> Any:
    n = len(a)
    unit = [[Value(float(i == j)) for i in range(n)] for j in range(n)]
    return columns([solution(a, column) for column in unit])


def times(a: Any, b: Any) -> Any:
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns(b)] for row in a]


def assigned(x: Any, w: Any) -> Any:
    x = ao.getitem(x, ...)
    return ao.set_item(ao.set_item(x, (0, slice(None)), w), (1, 2), 5.0 * w[0])


CASES = [
    Case("sum", ao.sum, lambda a: sum(x for row in a for x in row), (R,), ("sum",)),
    Case("sum over axis 0", lambda a: ao.sum(a, 0), lambda a: [sum(c) for c in columns(a)], (R,)),
    Case("sum over axis -1", lambda a: ao.sum(a, -1, True), lambda a: [[sum(row)] for row in a], (R,)),
    Case(
        "sum over two axes",
        lambda a: ao.sum(a, (0, 2)),
        lambda a: [sum(a[i][j][k] for i in range(2) for k in range(4)) for j in range(3)],
        (T,),
    ),
    Case("mean", lambda a: ao.mean(a, 1), lambda a: [sum(row) / 3 for row in a], (R,)),
    Case("prod", ao.prod, lambda a: product([x for row in a for x in row]), (R,)),
    Case("prod over an axis", lambda a: ao.prod(a, 0), lambda a: [product(c) for c in columns(a)], (M,)),
    Case("prod with zeros", lambda a: ao.prod(a, 1), lambda a: [product(row) for row in a], (WITH_ZEROS,)),
    Case("max", lambda a: ao.max(a, 1), lambda a: [largest(row) for row in a], (R,), ("max",)),
    Case("min", lambda a: ao.min(a), lambda a: -largest([-x for row in a for x in row]), (R,)),
    Case(
        "cumsum", lambda a: ao.cumsum(a, 1), lambda a: [list(itertools.accumulate(row)) for row in a], (R,), ("cumsum",)
    ),
    Case("cumsum of all", ao.cumsum, lambda a: list(itertools.accumulate(x for row in a for x in row)), (R,)),
    Case("dot", la.dot, lambda a, b: sum(x * y for x, y in zip(a, b, strict=True)), (V3, W3)),
    Case(
        "matrix times vector",
        la.matmul,
        lambda a, b: [sum(x * y for x, y in zip(row, b, strict=True)) for row in a],
        (R, V3),
    ),
    Case(
        "vector times matrix",
        la.matmul,
        lambda a, b: [sum(x * y for x, y in zip(a, c, strict=True)) for c in columns(b)],
        (V3, M),
    ),
    Case("matrix product", la.matmul, times, (R, M), ("matmul",)),
    Case("stack of matrix products", la.matmul, lambda a, b: [times(x, b) for x in a], (RNG.normal(size=(2, 2, 3)), M)),
    Case("outer", la.outer, lambda a, b: [[x * y for y in b] for x in a], (V3, R[0])),
    Case("norm", la.norm, lambda a: sum(x * x for row in a for x in row) ** 0.5, (R,)),
    Case("norm of rows", lambda a: la.norm(a, axis=1), lambda a: [sum(x * x for x in row) ** 0.5 for row in a], (R,)),
    Case("1-norm", lambda a: la.norm(a, 1), lambda a: sum(abs(x) for x in a), (V3,)),
    Case("largest norm", lambda a: la.norm(a, np.inf), lambda a: largest([abs(x) for x in a]), (V3,)),
    Case("solve", la.solve, solution, (M, V3), ("solve",)),
    Case("solve for a matrix", la.solve, lambda a, b: columns([solution(a, c) for c in columns(b)]), (M, R.T.copy())),
    Case("inverse", la.inv, inverse, (M,)),
    Case("determinant", la.det, determinant, (M,)),
    Case("determinant of a singular matrix", la.det, determinant, (np.arange(9.0).reshape(3, 3),)),
    Case("determinant by LU", la.det, determinant, (RNG.normal(size=(5, 5)),), ("det",)),
    Case(
        "reshape",
        lambda a: ao.reshape(a, (3, -1)),
        lambda a: [[a[0][0], a[0][1]], [a[0][2], a[1][0]], [a[1][1], a[1][2]]],
        (R,),
        ("reshape",),
    ),
    Case("transpose", ao.transpose, columns, (R,), ("transpose",)),
    Case(
        "transpose of three axes",
        lambda a: ao.transpose(a, (1, 2, 0)),
        lambda a: [[[a[i][j][k] for i in range(2)] for k in range(4)] for j in range(3)],
        (T,),
    ),
    Case("broadcast", lambda a: ao.broadcast_to(a, (2, 3)), lambda a: [list(a), list(a)], (V3,), ("broadcast_to",)),
    Case(
        "broadcast of a column",
        lambda a: ao.broadcast_to(a, (3, 2)),
        lambda a: [[row[0]] * 2 for row in a],
        (V3[:, None],),
    ),
    Case("index", lambda a: a[1], lambda a: a[1], (R,), ("getitem",)),
    Case("slice backwards", lambda a: a[::-1, 1:], lambda a: [row[1:] for row in a[::-1]], (R,)),
    Case("index that repeats", lambda a: a[[0, 1, 0, 0]], lambda a: [a[0], a[1], a[0], a[0]], (R,), ("scatter",)),
    Case("index by pairs", lambda a: a[[0, 1], [2, 2]], lambda a: [a[0][2], a[1][2]], (R,)),
    Case("index by a mask", lambda a: a[np.array([True, False, True])], lambda a: [a[0], a[2]], (V3,)),
    Case("new axis", lambda a: a[:, None, 0], lambda a: [[row[0]] for row in a], (R,)),
    Case("assignment", assigned, lambda x, w: [list(w), [x[1][0], x[1][1], 5.0 * w[0]]], (R, V3), ("set_item",)),
    Case("concatenate", lambda a, b: ao.concatenate([a, b, a]), lambda a, b: [*a, *b, *a], (R, M), ("concatenate",)),
    Case(
        "concatenate columns",
        lambda a, b: ao.concatenate([a, b], 1),
        lambda a, b: [[*x, *y] for x, y in zip(a, b, strict=True)],
        (R, 2 * R),
    ),
    Case(
        "stack",
        lambda a, b: ao.stack([a, b], 1),
        lambda a, b: [[x, y] for x, y in zip(a, b, strict=True)],
        (V3, W3),
        ("stack",),
    ),
]


def numbers(x: Any) -> list[Any]:
    return [y for item in x for y in numbers(item)] if isinstance(x, list | tuple) else [x]


def by_elements(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Value and Jacobian of the formula by elements, by scalar reverse mode."""
    nested = [as_values(x) for x in case.at]
    leaves = [v for x in nested for v in numbers(x)]
    outs = numbers(case.by_elements(*nested))
    rows = []
    for out in outs:
        for v in leaves:
            v.grad = 0.0
        if out._parents:
            out.backward()
        else:
            out.grad = 1.0
        rows.append([v.grad for v in leaves])
    return np.array([out.data for out in outs]), np.array(rows)


def as_values(x: np.ndarray) -> Any:
    return [as_values(row) for row in x] if x.ndim > 1 else [Value(float(v)) for v in x]


def by_rows(case: Case, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Value and Jacobian through the array rows."""
    if mode == "reverse":
        value, pullback = vjp(case.f, *case.at)
        units = np.eye(np.size(value)).reshape(-1, *np.shape(value))
        rows = [np.concatenate([np.ravel(g) for g in pullback(u if np.shape(value) else 1.0)]) for u in units]
        return np.ravel(value), np.array(rows)
    sizes = np.cumsum([0, *(x.size for x in case.at)])
    columns_ = []
    for j in range(sizes[-1]):
        unit = np.eye(1, sizes[-1], j)[0]
        parts = zip(sizes, sizes[1:], case.at, strict=False)
        value, tangent = jvp(case.f, case.at, tuple(unit[a:b].reshape(x.shape) for a, b, x in parts))
        columns_.append(np.ravel(tangent))
    return np.ravel(value), np.array(columns_).T


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_array_row_agrees_with_its_formula_by_elements(case: Case, mode: str) -> None:
    value, jacobian = by_rows(case, mode)
    true_value, true_jacobian = by_elements(case)
    np.testing.assert_allclose(value, true_value, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(jacobian, true_jacobian, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_array_row_has_right_second_derivatives(case: Case) -> None:
    check_gradients(case.f, *case.at, unresolved="raise")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_array_row_keeps_float32(case: Case) -> None:
    at = tuple(x.astype(np.float32) for x in case.at)
    value, pullback = vjp(case.f, *at)
    assert np.asarray(value).dtype == np.float32
    assert all(g.dtype == np.float32 for g in pullback(np.ones_like(value)))
    assert np.asarray(jvp(case.f, at, at)[1]).dtype == np.float32


def test_every_array_row_has_a_case() -> None:
    covered = {row for case in CASES for row in case.rows}
    assert {row.name for row in TABLE.values() if isinstance(row, Structural)} <= covered
