"""Linear systems with plain matrices: dense by LAPACK, sparse by SuperLU, of multiprecision numbers by elimination.

A factorised matrix is applied to right-hand sides of any kind of number: a row of the table whose transpose solves with
the transposed matrix, so derivatives of every order pass through it.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import ops
from diffsim.errors import RunError
from diffsim.number import AnyNumber, Number, Params
from diffsim.primitive import Structural, bind

__all__: list[str] = []

_EPS = float(np.finfo(np.float64).eps)


@functools.cache
def _lapack() -> Any:
    """Return LAPACK.

    PERF: SciPy's linear algebra takes 0.1 s to import, and machine code does without it.
    """
    from scipy.linalg import lapack

    return lapack


class Factors(abc.ABC):
    """A factorised square matrix, made by `factorise`."""

    @abc.abstractmethod
    def solve(self, b: Any, transposed: bool = False) -> Any:
        """Return x of ``M x = b`` (or ``M^T x = b``) for a plain vector, shape (n,)."""

    @property
    @abc.abstractmethod
    def regular(self) -> bool:
        """Whether the matrix is far enough from singular for its solutions to mean something."""

    @property
    def made(self) -> bool:
        """Whether there are factors at all."""
        return True

    @final
    def apply(self, b: AnyNumber) -> AnyNumber:
        """Return x of ``M x = b`` for a vector of any kind of number, shape (n,)."""
        return bind(_SOLVE, (b,), {"factors": self, "transposed": False}) if isinstance(b, Number) else self.solve(b)


@final
class DenseFactors(Factors):
    """By LAPACK, real or complex."""

    def __init__(self, m: NDArray[Any]) -> None:
        # PERF: getrf and getrs called directly take 2 us for a small matrix, scipy.linalg.lu_factor takes 15
        lapack, complex_ = _lapack(), m.dtype.kind == "c"
        self._getrs = lapack.zgetrs if complex_ else lapack.dgetrs
        self._gecon = lapack.zgecon if complex_ else lapack.dgecon
        self._matrix = m
        self._lu, self._pivots, self._info = (lapack.zgetrf if complex_ else lapack.dgetrf)(m)
        self._complex = complex_

    def solve(self, b: Any, transposed: bool = False) -> Any:
        if not self._complex and b.dtype.kind == "c":
            return self.solve(b.real.copy(), transposed) + 1j * self.solve(b.imag.copy(), transposed)
        x, _ = self._getrs(self._lu, self._pivots, b, trans=int(transposed))
        return x if self._info == 0 else np.full(np.shape(b), np.nan)

    @property
    def made(self) -> bool:
        return bool(self._info == 0)

    @property
    def regular(self) -> bool:
        if self._info != 0 or not np.isfinite(self._lu).all():
            return False
        # NOTE: rows are brought to one size first: units of the components say nothing about singularity
        size = np.abs(self._matrix).max(axis=1)
        scaled = self._matrix / size[:, None]
        lapack = _lapack()
        lu, _, info = (lapack.zgetrf if self._complex else lapack.dgetrf)(scaled)
        reciprocal, _ = self._gecon(lu, np.abs(scaled).sum(axis=0).max())
        return bool(info == 0 and reciprocal > _EPS)


@final
class SparseFactors(Factors):
    """By SuperLU."""

    def __init__(self, m: Any) -> None:
        from scipy.sparse.linalg import splu

        self._size = m.shape[0]
        try:
            self._lu: Any = splu(m.tocsc())
        except RuntimeError:  # exactly singular
            self._lu = None

    def solve(self, b: Any, transposed: bool = False) -> Any:
        if self._lu is None:
            return np.full(self._size, np.nan)
        kind = self._lu.L.dtype.kind
        if kind != "c" and b.dtype.kind == "c":
            return self.solve(b.real.copy(), transposed) + 1j * self.solve(b.imag.copy(), transposed)
        return self._lu.solve(b.astype(complex) if kind == "c" else b, trans="T" if transposed else "N")

    @property
    def made(self) -> bool:
        return self._lu is not None

    @property
    def regular(self) -> bool:
        if self._lu is None:
            return False
        pivots = np.abs(self._lu.U.diagonal())
        return bool(np.isfinite(pivots).all() and pivots.min() > _EPS * pivots.max() * 1e-8)


@final
class ExactFactors(Factors):
    """Elimination with pivoting on numbers of any kind that can be compared: Fraction, mpmath.mpf."""

    def __init__(self, m: NDArray[np.object_]) -> None:
        n = len(m)
        rows = [list(row) for row in m]
        self._order, self._fine = list(range(n)), True
        for k in range(n):
            best = max(range(k, n), key=lambda i: abs(rows[i][k]))
            if rows[best][k] == 0:
                self._fine = False
                break
            rows[k], rows[best] = rows[best], rows[k]
            self._order[k], self._order[best] = self._order[best], self._order[k]
            for i in range(k + 1, n):
                factor = rows[i][k] = rows[i][k] / rows[k][k]
                for j in range(k + 1, n):
                    rows[i][j] = rows[i][j] - factor * rows[k][j]
        self._rows = rows

    def solve(self, b: Any, transposed: bool = False) -> Any:
        if transposed:
            raise RunError("solve: multiprecision systems are not transposed.")
        n, rows = len(self._rows), self._rows
        out = np.full(n, np.nan, dtype=object)
        if not self._fine:
            return out
        x = [b[i] for i in self._order]
        for k in range(n):
            for j in range(k):
                x[k] = x[k] - rows[k][j] * x[j]
        for k in reversed(range(n)):
            for j in range(k + 1, n):
                x[k] = x[k] - rows[k][j] * x[j]
            x[k] = x[k] / rows[k][k]
        out[:] = x
        return out

    @property
    def made(self) -> bool:
        return self._fine

    @property
    def regular(self) -> bool:
        return self._fine


@final
class TracedFactors(Factors):
    """Elimination on traced numbers, unrolled.

    Parameters
    ----------
    m : array, shape (n, n)
    pivoting : bool
        Whether of two rows the one with the larger pivot moves up, by `where`; a matrix near the identity can do
        without, and what comes out is not finite where a pivot vanishes.
    """

    def __init__(self, m: NDArray[np.object_], *, pivoting: bool = True) -> None:
        n = len(m)
        rows = [list(row) for row in m]
        self._swaps: list[list[Any]] = []
        self._reciprocals: list[Any] = []
        for k in range(n):
            swaps = []
            for i in range(k + 1, n if pivoting else 0):
                swap = ops.greater(ops.abs(rows[i][k]), ops.abs(rows[k][k]))
                for j in range(n):
                    rows[k][j], rows[i][j] = (
                        ops.where(swap, rows[i][j], rows[k][j]),
                        ops.where(swap, rows[k][j], rows[i][j]),
                    )
                swaps.append(swap)
            self._swaps.append(swaps)
            self._reciprocals.append(1.0 / rows[k][k])
            for i in range(k + 1, n):
                rows[i][k] = rows[i][k] * self._reciprocals[k]
                for j in range(k + 1, n):
                    rows[i][j] = rows[i][j] - rows[i][k] * rows[k][j]
        self._rows = rows

    def solve(self, b: Any, transposed: bool = False) -> Any:
        if transposed:
            raise RunError("solve: traced systems are not transposed.")
        rows, x = self._rows, list(b)
        n = len(rows)
        # NOTE: multipliers have moved with their rows, so all swaps come first
        for k, swaps in enumerate(self._swaps):
            for i, swap in enumerate(swaps, k + 1):
                x[k], x[i] = ops.where(swap, x[i], x[k]), ops.where(swap, x[k], x[i])
        for k in range(n):
            for j in range(k):
                x[k] = x[k] - rows[k][j] * x[j]
        for k in reversed(range(n)):
            for j in range(k + 1, n):
                x[k] = x[k] - rows[k][j] * x[j]
            x[k] = x[k] * self._reciprocals[k]
        out = np.empty(n, dtype=object)
        out[:] = x
        return out

    @property
    def regular(self) -> bool:
        return True


def factorise(m: Any) -> Factors:
    """Return the factors of a square matrix: dense, sparse, or an object array of multiprecision numbers."""
    if not isinstance(m, np.ndarray):
        return SparseFactors(m)
    return ExactFactors(m) if m.dtype == object else DenseFactors(m)


def identity_minus(c: Any, j: Any) -> Any:
    """Return ``I - c J`` for a dense or a sparse matrix."""
    if not isinstance(j, np.ndarray):
        from scipy.sparse import identity

        return identity(j.shape[0], format="csc") - c * j
    m = -c * j
    diagonal = np.arange(len(m))
    m[diagonal, diagonal] += 1
    return m


def shifted(mu: Any, j: Any) -> Any:
    """Return ``mu I - J`` for a dense or a sparse matrix."""
    if not isinstance(j, np.ndarray):
        from scipy.sparse import identity

        return mu * identity(j.shape[0], format="csc") - j
    m = -j if np.asarray(mu).dtype.kind != "c" else -j.astype(complex)
    diagonal = np.arange(len(m))
    m[diagonal, diagonal] += mu
    return m


def stacked(h: Any, a: Sequence[Sequence[Any]], slopes: Sequence[Any]) -> Any:
    """Return ``I - h (a_ij J_j)``, the matrix of all stages of a Runge-Kutta method together.

    Parameters
    ----------
    h : number
    a : sequence of sequence of number, shape (s, s)
    slopes : sequence of matrix
        The Jacobians at the s stages.
    """
    blocks = [[-(h * weight) * j for weight, j in zip(row, slopes, strict=True)] for row in a]
    if not isinstance(slopes[0], np.ndarray):
        from scipy.sparse import bmat, identity

        m: Any = bmat(blocks, format="csc")
        return m + identity(m.shape[0], format="csc")
    whole = np.block(blocks) if slopes[0].dtype != object else np.vstack([np.hstack(row) for row in blocks])
    diagonal = np.arange(len(whole))
    whole[diagonal, diagonal] += 1
    return whole


def _evaluate(b: Any, factors: Factors, transposed: bool) -> Any:
    if b.ndim == 1:
        return factors.solve(b, transposed)
    flat = b.reshape(-1, b.shape[-1])
    return np.array([factors.solve(row, transposed) for row in flat]).reshape(b.shape)


def _transpose(i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], p: Params) -> AnyNumber:
    return bind(_SOLVE, (g,), {"factors": p["factors"], "transposed": not p["transposed"]})


_SOLVE = Structural("solve with factors", _evaluate, _transpose, lead=lambda params, args: params)
