"""The table, linear algebra: products of arrays, norms, and small systems, determinants and inverses.

The rest of the array half is in `array_ops`.  What can be said with other rows (norm, inv) is a function, not a row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffsim import array_ops, ops
from diffsim.errors import ArgumentError, KindError
from diffsim.number import AnyNumber, Number, Params, raw, shape_of
from diffsim.primitive import Structural, bind, register

__all__ = ["det", "dot", "inv", "matmul", "norm", "outer", "solve"]


# --- products of arrays ----------------------------------------------------------------------------------------------


def _swap(x: AnyNumber) -> AnyNumber:
    n = len(shape_of(x))
    return array_ops.transpose(x, (*range(n - 2), n - 1, n - 2))


_MATMUL: Structural = register(
    Structural(
        "matmul",
        np.matmul,
        lambda i, g, out, args, p: array_ops.unbroadcast(
            matmul(g, _swap(args[1])) if i == 0 else matmul(_swap(args[0]), g), shape_of(args[i])
        ),
        multilinear=True,
    )
)


def matmul(a: AnyNumber, b: AnyNumber) -> AnyNumber:
    """Matrix product ``a @ b`` of arrays with at least one dimension, broadcast over leading axes."""
    a, b = array_ops.lift(a), array_ops.lift(b)
    rank_a, rank_b = len(shape_of(a)), len(shape_of(b))
    if rank_a == 0 or rank_b == 0:
        raise ArgumentError("matmul: takes arrays with at least one dimension; got a scalar. Use * instead.")
    if rank_a == 1 and rank_b == 1:
        _same_length("matmul", a, b)
        return array_ops.sum(a * b)
    if rank_a == 1:
        out = matmul(array_ops.reshape(a, (1, -1)), b)
        return array_ops.getitem(out, (..., 0, slice(None)))
    if rank_b == 1:
        return array_ops.getitem(matmul(a, array_ops.reshape(b, (-1, 1))), (..., 0))
    return bind(_MATMUL, (a, b))


def _same_length(who: str, a: AnyNumber, b: AnyNumber) -> None:
    if shape_of(a) != shape_of(b):
        raise ArgumentError(f"{who}: vectors must have the same length; got shapes {shape_of(a)} and {shape_of(b)}.")


def dot(a: AnyNumber, b: AnyNumber) -> AnyNumber:
    """Inner product of vectors, matrix product of matrices, plain product with a scalar; as ``numpy.dot``."""
    a, b = array_ops.lift(a), array_ops.lift(b)
    if not shape_of(a) or not shape_of(b):
        return a * b
    if len(shape_of(b)) > 2:
        raise ArgumentError(
            f"dot: the second array may have at most 2 dimensions; got shape {shape_of(b)}. Use matmul."
        )
    return matmul(a, b)


def outer(a: AnyNumber, b: AnyNumber) -> AnyNumber:
    """All products ``a[i] * b[j]``, shape (m, n)."""
    return array_ops.reshape(a, (-1, 1)) * array_ops.reshape(b, (1, -1))


def _extreme_scale(x: AnyNumber) -> float:
    """The largest magnitude where squares would overflow or vanish in float64, else 1."""
    plain = raw(x)
    if isinstance(plain, Number) or not np.size(plain) or np.result_type(plain) != np.float64:
        return 1.0
    largest = float(np.max(np.abs(plain)))
    return largest if 0.0 < largest < 1e-140 or 1e140 < largest < math.inf else 1.0


def norm(
    x: AnyNumber, ord: float | str | None = None, axis: array_ops.Axis = None, keepdims: bool = False
) -> AnyNumber:
    """Vector norm (2, 1 or infinity) over the given axes; for all axes at once the Frobenius norm.

    The derivative at 0 is 0.
    """
    x = array_ops.lift(x)
    matrix = len(shape_of(x)) > 1 if axis is None else isinstance(axis, tuple | list) and len(axis) > 1
    if ord is None or (matrix and ord == "fro") or (not matrix and ord == 2):
        scale = _extreme_scale(x)
        if scale == 1.0:
            return ops.sqrt(array_ops.sum(ops.square(x), axis, keepdims))
        return scale * ops.sqrt(array_ops.sum(ops.square(x / scale), axis, keepdims))
    if matrix:
        raise ArgumentError(f"norm: a matrix norm must have ord=None (Frobenius, 'fro'); got ord={ord!r}.")
    if ord == 1:
        return array_ops.sum(ops.abs(x), axis, keepdims)
    if ord == math.inf:
        return array_ops.max(ops.abs(x), axis, keepdims)
    raise ArgumentError(f"norm: ord must be None, 1, 2 or inf; got ord={ord!r}.")


# --- small linear systems --------------------------------------------------------------------------------------------


def _solve_push(tangents: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber], p: Params) -> AnyNumber:
    right = tangents.get(1)
    if 0 in tangents:
        moved = -matmul(tangents[0], out)
        right = moved if right is None else right + moved
    return bind(_SOLVE, (args[0], right))


def _solve_transpose(i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], p: Params) -> AnyNumber:
    back = bind(_SOLVE, (_swap(args[0]), g))
    return array_ops.unbroadcast(back if i == 1 else -matmul(back, _swap(out)), shape_of(args[i]))


def _solve_objects(a: AnyNumber, b: AnyNumber) -> AnyNumber:
    """Cramer's rule by cofactors: no pivot has to be chosen, so traced numbers pass; beyond 4 unknowns elimination."""
    n = a.shape[-1]
    if a.ndim > 2 or n > 12:
        raise KindError(f"solve: traced or multiprecision systems may have at most 12 unknowns; got shape {a.shape}.")
    if n > 4:
        return _eliminated(a, b)
    cofactors = np.array([[_cofactor(a, i, j) for j in range(n)] for i in range(n)], dtype=object)
    return cofactors.T @ b / (a[0] @ cofactors[0])


def _eliminated(a: AnyNumber, b: AnyNumber) -> AnyNumber:
    """Gaussian elimination whose pivots are chosen by `where`: the larger of two rows moves up, one row at a time."""
    n = a.shape[-1]
    rows = np.concatenate([a, b], axis=1, dtype=object)
    for k in range(n):
        for i in range(k + 1, n):
            swap = ops.greater(ops.abs(rows[i, k]), ops.abs(rows[k, k]))
            rows[k, k:], rows[i, k:] = (
                ops.where(swap, rows[i, k:], rows[k, k:]),
                ops.where(swap, rows[k, k:], rows[i, k:]),
            )
        for i in range(k + 1, n):
            rows[i, k:] = rows[i, k:] - rows[i, k] / rows[k, k] * rows[k, k:]
    out = rows[:, n:]
    for k in reversed(range(n)):
        for i in range(k + 1, n):
            out[k] = out[k] - rows[k, i] * out[i]
        out[k] = out[k] / rows[k, k]
    return out


def _det_objects(a: AnyNumber) -> AnyNumber:
    raise KindError(f"det: traced or multiprecision matrices may have at most 4 rows; got shape {a.shape}.")


def _cofactor(a: AnyNumber, i: int, j: int) -> AnyNumber:
    rows = [r for r in range(shape_of(a)[-1]) if r != i]
    columns = [c for c in range(shape_of(a)[-1]) if c != j]
    minor = _minor(a, rows, columns)
    return -minor if (i + j) % 2 else minor


def _minor(a: AnyNumber, rows: Sequence[int], columns: Sequence[int]) -> AnyNumber:
    """Determinant of the given rows and columns, expanded along the first row."""
    if not rows:
        return 1.0
    total: AnyNumber = None
    for k, c in enumerate(columns):
        rest = [other for other in columns if other != c]
        term = array_ops.getitem(a, (..., rows[0], c)) * _minor(a, rows[1:], rest)
        total = term if total is None else total - term if k % 2 else total + term
    return total


_SOLVE: Structural = register(
    Structural("solve", np.linalg.solve, _solve_transpose, push=_solve_push, objects=_solve_objects)
)
_DET: Structural = register(
    Structural(
        "det",
        np.linalg.det,
        lambda i, g, out, args, p: array_ops.reshape(g * out, (*shape_of(out), 1, 1)) * _swap(inv(args[0])),
        push=lambda tangents, out, args, p: out * array_ops.sum(inv(args[0]) * _swap(tangents[0]), axis=(-2, -1)),
        objects=_det_objects,
    )
)


def _square(who: str, a: AnyNumber) -> int:
    shape = shape_of(a)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ArgumentError(f"{who}: needs a square matrix (..., n, n); got shape {shape}.")
    return shape[-1]


def solve(a: AnyNumber, b: AnyNumber) -> AnyNumber:
    """Solution x of ``a @ x = b``.

    Parameters
    ----------
    a : (..., n, n)
    b : (n,) or (..., n, k)

    Raises
    ------
    numpy.linalg.LinAlgError
        The matrix is singular.
    """
    a, b = array_ops.lift(a), array_ops.lift(b)
    n = _square("solve", a)
    vector = len(shape_of(b)) == 1
    if shape_of(b)[0 if vector else -2] != n:
        raise ArgumentError(f"solve: b must have {n} rows; got shape {shape_of(b)}.")
    if vector:
        return array_ops.getitem(bind(_SOLVE, (a, array_ops.reshape(b, (-1, 1)))), (..., 0))
    return bind(_SOLVE, (a, b))


def _dtype(a: AnyNumber) -> Any:
    dtype = np.result_type(raw(a))
    return np.dtype(np.float64) if dtype.kind == "O" else dtype


def inv(a: AnyNumber) -> AnyNumber:
    """Inverse of a small square matrix (..., n, n)."""
    a = array_ops.lift(a)
    n = _square("inv", a)
    return bind(_SOLVE, (a, np.broadcast_to(np.eye(n, dtype=_dtype(a)), shape_of(a))))


def det(a: AnyNumber) -> AnyNumber:
    """Determinant of a square matrix (..., n, n).

    Up to n = 4 by cofactors, whose derivative is right for singular matrices too; beyond that by LU, where a
    singular matrix has no derivative here (LinAlgError).
    """
    a = array_ops.lift(a)
    n = _square("det", a)
    if n <= 4:
        return _minor(a, range(n), range(n))
    return bind(_DET, (a,))
