"""Linear systems in a kernel: Gaussian elimination with partial pivoting, each lane with pivots of its own.

Rows are exchanged in the workspace, where some lane wants it; a lane computes what it would compute alone.  Small
matrices are written out, larger ones as loops: the same operations in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, final

from diffsim.compiler.emitter import Value
from integrators.compiled.kernel_frame import Frame

__all__: list[str] = []

Index: TypeAlias = Value | int
"""A number that is known now, or a register of the loop at hand."""

MOST_UNROLLED = 5
"""Rows of a matrix whose elimination is written out.

PERF: Rodas5P on AVX-512, 256 trajectories: the double pendulum 0.087 us a step, in loops 0.105, and compiled as fast;
HIRES with 8 components 0.15 us, in loops 0.20, but the first solve takes 0.7 s, with loops 0.5.
"""


@final
class Elimination:
    """Writes the factorisation of a matrix of n rows, and the solution of systems with it.

    Parameters
    ----------
    frame : Frame
    n : int

    Attributes
    ----------
    matrix : int
        Slots of the entries, row by row; the factors take their place.
    """

    def __init__(self, frame: Frame, n: int) -> None:
        self.frame, self.n = frame, n
        self.matrix, self._pivots, self._reciprocals = frame.slots(n * n), frame.slots(n), frame.slots(n)
        self._singular, self._best, self._at = (frame.slots(1) for _ in range(3))
        self._written_out = n <= MOST_UNROLLED

    def fill(self, diagonal: Value) -> None:
        """Write a multiple of the identity into the slots of the matrix, of the group at hand."""
        b = self.frame.b
        zero = b.constant(0.0)
        self._each(0, self.n * self.n, lambda i: b.store(zero, self._slot(self.matrix, i)))
        self._each(0, self.n, lambda i: b.store(diagonal, self._entry(i, i)))

    def take_away(self, i: int, j: int, value: Value) -> None:
        """Write the subtraction of a number from an entry."""
        slot = self.matrix + i * self.n + j
        self.frame.put(slot, self.frame.b.sub(self.frame.get(slot), value))

    def factorise(self) -> None:
        """Write the elimination, of the group at hand."""
        b, frame, n = self.frame.b, self.frame, self.n
        frame.put(self._singular, b.constant(0.0))

        def column(k: Index) -> None:
            self._choose(k)
            pivot = b.load(self._entry(k, k))
            vanishes = b.compare("oeq", pivot, b.constant(0.0))
            frame.put(self._singular, b.select(vanishes, b.constant(1.0), frame.get(self._singular)))
            reciprocal = b.div(b.constant(1.0), pivot)
            b.store(reciprocal, self._slot(self._reciprocals, k))

            def row(i: Index) -> None:
                factor = b.mul(b.load(self._entry(i, k)), reciprocal)
                b.store(factor, self._entry(i, k))

                def entry(j: Index) -> None:
                    here = self._entry(i, j)
                    b.store(b.fnma(factor, b.load(self._entry(k, j)), b.load(here)), here)

                self._each(self._next(k), n, entry)

            self._each(self._next(k), n, row)

        self._each(0, n, column)

    @property
    def singular(self) -> Value:
        """Write the mask of the lanes in which a pivot has vanished."""
        return self.frame.b.compare("une", self.frame.get(self._singular), self.frame.b.constant(0.0))

    def solve(self, x: Index) -> None:
        """Write the solution of a system in place of its right-hand side, at the slots from number `x` on."""
        b, n = self.frame.b, self.n

        def exchange(k: Index) -> None:
            self._swap(k, lambda i: (self._slot(x, k), self._slot(x, i)))

        self._each(0, n - 1, exchange)

        def reduce(i: Index, first: Index, last: Index) -> None:
            here = self._slot(x, i)

            def take(j: Index) -> None:
                b.store(b.fnma(b.load(self._entry(i, j)), b.load(self._slot(x, j)), b.load(here)), here)

            self._each(first, last, take)

        self._each(1, n, lambda i: reduce(i, 0, i))

        def back(i: Index) -> None:
            reduce(i, self._next(i), n)
            here = self._slot(x, i)
            b.store(b.mul(b.load(here), b.load(self._slot(self._reciprocals, i))), here)

        self._each(0, n, back, backwards=True)

    # --- pivots -------------------------------------------------------------------------------------------------------

    def _choose(self, k: Index) -> None:
        """Write the choice of the pivot of column k, and the exchange of rows that follows."""
        b, frame = self.frame.b, self.frame
        frame.put(self._best, b.abs(b.load(self._entry(k, k))))
        frame.put(self._at, self._number(k))

        def look(i: Index) -> None:
            size, best = b.abs(b.load(self._entry(i, k))), frame.get(self._best)
            larger = b.compare("ogt", size, best)
            frame.put(self._best, b.select(larger, size, best))
            frame.put(self._at, b.select(larger, self._number(i), frame.get(self._at)))

        self._each(self._next(k), self.n, look)
        b.store(frame.get(self._at), self._slot(self._pivots, k))

        def rows(i: Index) -> None:
            with b.when(b.any(self._is_pivot(k, i))):
                self._each(0, self.n, lambda j: self._exchange(k, i, self._entry(k, j), self._entry(i, j)))

        self._when_moved(k, rows)

    def _swap(self, k: Index, places: Callable[[Index], tuple[Value, Value]]) -> None:
        """Write the exchange of number k of a vector with the one in the row of pivot k."""
        self._when_moved(k, lambda i: self._exchange(k, i, *places(i)))

    def _when_moved(self, k: Index, body: Callable[[Index], None]) -> None:
        """Write code for the rows behind k, to be carried out where some lane has its pivot there."""
        b = self.frame.b
        moved = b.compare("une", b.load(self._slot(self._pivots, k)), self._number(k))
        with b.when(b.any(moved)):
            self._each(self._next(k), self.n, body)

    def _exchange(self, k: Index, i: Index, first: Value, second: Value) -> None:
        """Write the exchange of two numbers in the lanes whose pivot k lies in row i."""
        b, mask = self.frame.b, self._is_pivot(k, i)
        x, y = b.load(first), b.load(second)
        b.store(b.select(mask, y, x), first)
        b.store(b.select(mask, x, y), second)

    def _is_pivot(self, k: Index, i: Index) -> Value:
        b = self.frame.b
        return b.compare("oeq", b.load(self._slot(self._pivots, k)), self._number(i))

    # --- indices ------------------------------------------------------------------------------------------------------

    def _each(self, first: Index, last: Index, body: Callable[[Index], None], *, backwards: bool = False) -> None:
        """Write code for the indices from `first` below `last`."""
        b = self.frame.b
        if self._written_out and isinstance(first, int) and isinstance(last, int):
            for known in reversed(range(first, last)) if backwards else range(first, last):
                body(known)
            return
        with b.loop(b.line(f"sub i64 {last}, {first}")) as i:
            end = b.line(f"sub i64 {last}, 1")
            body(b.line(f"sub i64 {end}, {i}") if backwards else b.line(f"add i64 {i}, {first}"))

    def _next(self, k: Index) -> Index:
        return k + 1 if isinstance(k, int) else self.frame.b.line(f"add i64 {k}, 1")

    def _number(self, i: Index) -> Value:
        """Return an index as a number in every lane."""
        b = self.frame.b
        return b.constant(float(i)) if isinstance(i, int) else b.splat(b.line(f"sitofp i64 {i} to double"))

    def _entry(self, i: Index, j: Index) -> Value:
        """Return the address of an entry of the matrix."""
        if isinstance(i, int) and isinstance(j, int):
            return self._slot(self.matrix, i * self.n + j)
        b = self.frame.b
        return self._slot(self.matrix, b.line(f"add i64 {b.line(f'mul i64 {i}, {self.n}')}, {j}"))

    def _slot(self, first: Index, i: Index) -> Value:
        """Return the address of slot ``first + i``, of the group at hand."""
        b, size = self.frame.b, self.frame.groups * self.frame.register_bytes
        if isinstance(first, int) and isinstance(i, int):
            return b.pointer(self.frame.here, (first + i) * size)
        slot = b.line(f"add i64 {first}, {i}")
        return b.pointer(self.frame.here, b.line(f"mul i64 {slot}, {size}"))
