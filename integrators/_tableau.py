"""`Tableau`: the coefficients of a Runge-Kutta method, which prove their order when they are made."""

from __future__ import annotations

import decimal
import functools
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

from diffsim.errors import ArgumentError, KindError, must
from integrators._combination import Combination
from integrators._rooted_trees import Row, StageWeights, density, dot, name, size, trees

__all__ = ["Tableau"]

Coefficients: TypeAlias = Sequence[Any]

_FLOAT_DIGITS = 13
"""Floats carry half a unit in the last of some 16 digits; sums of some ten of them agree to this many."""
_GUARD = 20
"""Digits with which conditions on decimals are computed beyond those to which they are checked."""


@dataclass(frozen=True)
class Tableau:
    """Butcher tableau of a Runge-Kutta method, possibly with an error estimate and an interpolant.

    One step from (t, y) with step h is::

        k_i   = f(t + c_i h, y + h sum_j a_ij k_j)
        y_new = y + h sum_i b_i k_i
        error = h sum_i b_error_i k_i                              (where there is a b_error)
        y(t + x h) = y + h sum_i (sum_j b_dense_ij x**(j + 1)) k_i      (where there is a b_dense)

    Coefficients are kept as exact fractions, so that a step on multiprecision numbers or fractions loses nothing;
    they become floats where the state is made of floats.  At construction the tableau checks, in rational
    arithmetic over all rooted trees, that ``c_i = sum_j a_ij``, that b has the claimed order, that the embedded
    weights ``b - b_error`` have order `error_order`, and that the interpolant has order `dense_order` at every x.
    Coefficients that are known as decimals are checked to the digits that they have.

    Parameters
    ----------
    a : sequence of n_stages rows
        Row i may leave out trailing zeros: ``((), ("1/2",), (0, "1/2"))``.  Entries are Fractions, integers, strings
        such as ``"1/3"`` or ``"0.25"``, or floats.
    b : sequence, length n_stages
        Weights of the step.
    c : sequence, length n_stages, optional
        Nodes; the row sums of `a` where left out.
    b_error : sequence, length n_stages, optional
        Weights of the error estimate: b minus the weights of the embedded method.
    order : int
        Claimed order of b.
    error_order : int, optional
        Claimed order of the embedded method; goes with `b_error`.
    b_dense : sequence of n_stages rows, optional
        Polynomial coefficients of the interpolant's weights, from the first power upwards.
    dense_order : int, optional
        Claimed order of the interpolant; goes with `b_dense`.
    a_dense : sequence of rows, optional
        Rows of further stages, which only the interpolant uses: row i of them may use all n_stages stages and the
        further ones before it.  `b_dense` has a row for each of them as well.
    b_error_low : sequence, length n_stages, optional
        Weights of a second estimate e_low of lower order.  A step is then judged as DOP853 judges it, by
        ``|e|**2 / sqrt(|e|**2 + 0.01 |e_low|**2)``, which is smaller than ``|e|`` and of higher order.
    error_order_low : int, optional
        Claimed order of the embedded method behind it; goes with `b_error_low`.
    digits : int, optional
        Conditions are checked to this many decimal places, for coefficients that are decimals; 13 where one is a float,
        exactly otherwise.
    prove : bool
        Whether to check the claims now; otherwise whoever makes the tableau calls `prove`.  (The tests do so for the
        methods of higher order here, where the proof takes some 20 ms.)

    Raises
    ------
    ArgumentError
        A shape does not fit, or a condition fails; the message says which one and by how much.
    KindError
        A coefficient is not a real number.

    References
    ----------
    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", sections II.1, II.2, II.6.

    Examples
    --------
    >>> from integrators import Tableau, RungeKutta
    >>> heun = Tableau(a=((), (1,)), b=("1/2", "1/2"), order=2)
    >>> RungeKutta(heun, step=0.1).step(lambda t, y: -y, 0.0, 1.0, 0.1)
    0.905
    >>> Tableau(a=((), (1,)), b=("1/2", "1/3"), order=2)
    Traceback (most recent call last):
    diffsim.errors.ArgumentError: Tableau: b must satisfy the order condition of tree t (order 1), sum = 1; \
got sum=5/6, off by -1/6.
    """

    a: tuple[Row, ...]
    b: Row
    c: Row
    b_error: Row | None
    order: int
    error_order: int | None
    b_dense: tuple[Row, ...] | None
    dense_order: int | None
    a_dense: tuple[Row, ...]
    b_error_low: Row | None
    error_order_low: int | None
    digits: int | None = field(compare=False)

    def __init__(
        self,
        a: Sequence[Coefficients],
        b: Coefficients,
        c: Coefficients | None = None,
        b_error: Coefficients | None = None,
        *,
        order: int,
        error_order: int | None = None,
        b_dense: Sequence[Coefficients] | None = None,
        dense_order: int | None = None,
        a_dense: Sequence[Coefficients] = (),
        b_error_low: Coefficients | None = None,
        error_order_low: int | None = None,
        digits: int | None = None,
        prove: bool = True,
    ) -> None:
        n, further = len(b), len(a_dense)
        every = (x for part in (*a, *a_dense, b, c or (), b_error or (), *(b_dense or ())) for x in part)
        matrix = tuple(_row(f"a[{i}]", row, n, pad=True) for i, row in enumerate(a))
        if len(matrix) != n:
            raise must("Tableau", "a", f"must have one row a stage, as many as b has weights ({n})", len(matrix))
        values = {
            "a": matrix,
            "b": _row("b", b, n),
            "c": tuple(sum(row, Fraction(0)) for row in matrix) if c is None else _row("c", c, n),
            "b_error": None if b_error is None else _row("b_error", b_error, n),
            "order": order,
            "error_order": error_order,
            "b_dense": None if b_dense is None else _polynomials(b_dense, n + further),
            "dense_order": dense_order,
            "a_dense": tuple(_row(f"a_dense[{i}]", row, n + i, pad=True) for i, row in enumerate(a_dense)),
            "b_error_low": None if b_error_low is None else _row("b_error_low", b_error_low, n),
            "error_order_low": error_order_low,
            "digits": _FLOAT_DIGITS if digits is None and any(isinstance(x, float) for x in every) else digits,
        }
        for name_, value in values.items():
            object.__setattr__(self, name_, value)
        self._check_form()
        if prove:
            self.prove()

    @property
    def n_stages(self) -> int:
        """Number of stages."""
        return len(self.b)

    @property
    def explicit(self) -> bool:
        """Whether each stage needs only the stages before it."""
        return not any(any(row[i:]) for i, row in enumerate(self.a))

    @functools.cached_property
    def largest(self) -> float:
        """The largest coefficient of the stages: what a step makes of the rounding of doubles grows with it."""
        return max(abs(float(x)) for row in (*self.a, self.b) for x in row)

    @functools.cached_property
    def first_same_as_last(self) -> bool:
        """Whether the last stage is the derivative at the end of the step, so that the next step starts with it."""
        return self.n_stages > 1 and self.c[-1] == 1 and self.a[-1] == self.b and not self.b[-1]

    @functools.cached_property
    def stages(self) -> tuple[Combination, ...]:
        """The rows of a, ready to be applied."""
        return tuple(Combination.of(row, node) for row, node in zip(self.a, self.c, strict=True))

    @functools.cached_property
    def weights(self) -> Combination:
        """b, ready to be applied."""
        return Combination.of(self.b)

    @functools.cached_property
    def error_weights(self) -> Combination | None:
        """b_error, ready to be applied; None where there is none."""
        return None if self.b_error is None else Combination.of(self.b_error)

    @functools.cached_property
    def error_weights_low(self) -> Combination | None:
        """b_error_low, ready to be applied; None where there is none."""
        return None if self.b_error_low is None else Combination.of(self.b_error_low)

    @functools.cached_property
    def dense_stages(self) -> tuple[Combination, ...]:
        """The rows of a_dense, ready to be applied."""
        return tuple(Combination.of(row, sum(row, Fraction(0))) for row in self.a_dense)

    @functools.cached_property
    def dense_weights(self) -> tuple[Combination, ...]:
        """The weights of the interpolant's coefficients, power by power, ready to be applied; empty without one."""
        return (
            () if self.b_dense is None else tuple(Combination.of(column) for column in zip(*self.b_dense, strict=True))
        )

    @property
    def control_order(self) -> int | None:
        """Order of what steps are judged by, the estimate or the mixture of two; None without one."""
        if self.error_order is None or self.error_order_low is None:
            return self.error_order
        return 2 * self.error_order - self.error_order_low

    def prove(self) -> None:
        """Check every claim, over all rooted trees.

        Raises
        ------
        ArgumentError
            A condition fails; the message says which one and by how much.
        """
        for i, (row, node) in enumerate(zip(self.a, self.c, strict=True)):
            self._require(f"c[{i}]", f"must be the sum of row {i} of a", sum(row, Fraction(0)), node)
        with decimal.localcontext() as context:
            context.prec = (self.digits or 0) + _GUARD
            n, further = self.n_stages, len(self.a_dense)
            rows = [row + (Fraction(0),) * (n + further - len(row)) for row in (*self.a, *self.a_dense)]
            stage_weights = StageWeights([self._numbers(row) for row in rows])
            self._check_order("b", self.b, self.order, stage_weights)
            for label, given, claim in (
                ("b_error", self.b_error, self.error_order),
                ("b_error_low", self.b_error_low, self.error_order_low),
            ):
                if given is not None and claim is not None:
                    embedded = tuple(x - e for x, e in zip(self.b, given, strict=True))
                    self._check_order(f"b - {label}", embedded, claim, stage_weights)
            if self.b_dense is not None and self.dense_order is not None:
                self._check_dense(self.b_dense, self.dense_order, stage_weights)

    def _check_form(self) -> None:
        """Check that claims and weights go together."""
        for label, weights in (
            ("order", "b"),
            ("error_order", "b_error"),
            ("error_order_low", "b_error_low"),
            ("dense_order", "b_dense"),
        ):
            claim, given = getattr(self, label), getattr(self, weights)
            if (claim is None) != (given is None):
                raise must("Tableau", label, f"must be given together with {weights}, or neither of them", claim)
            if claim is not None and (not isinstance(claim, int) or claim < 1):
                raise must("Tableau", label, "must be an integer >= 1", claim)
        if self.b_error_low is not None and self.b_error is None:
            raise must("Tableau", "b_error_low", "must be given together with b_error", self.b_error_low)
        if self.a_dense and self.b_dense is None:
            raise must("Tableau", "a_dense", "must be given together with b_dense", self.a_dense)
        if self.digits is not None and (not isinstance(self.digits, int) or self.digits < 1):
            raise must("Tableau", "digits", "must be an integer >= 1", self.digits)

    def _check_order(self, label: str, weights: Row, order: int, stage_weights: StageWeights) -> None:
        """Check the conditions of all trees with at most `order` nodes."""
        converted = self._numbers((*weights, *(Fraction(0) for _ in self.a_dense)))
        for n_nodes in range(1, order + 1):
            for tree in trees(n_nodes):
                got, want = dot(converted, stage_weights(tree)), Fraction(1, density(tree))
                if self._off(got, want):
                    rule = f"must satisfy the order condition of tree {name(tree)} (order {n_nodes})"
                    self._require(label, rule, Fraction(got), want)

    def _check_dense(self, rows: tuple[Row, ...], order: int, stage_weights: StageWeights) -> None:
        """Check that the interpolant ends at y_new, and the order conditions as polynomial identities in x."""
        ends = (*self.b, *(Fraction(0) for _ in self.a_dense))
        for i, (row, weight) in enumerate(zip(rows, ends, strict=True)):
            rule = f"must sum to b[{i}]" if i < self.n_stages else "must sum to 0"
            self._require(f"b_dense[{i}]", rule, sum(row, Fraction(0)), weight)
        columns = [self._numbers(column) for column in zip(*rows, strict=True)]
        for n_nodes in range(1, order + 1):
            for tree in trees(n_nodes):
                for power, column in enumerate(columns, start=1):
                    got = dot(column, stage_weights(tree))
                    want = Fraction(1, density(tree)) if power == size(tree) else Fraction(0)
                    if self._off(got, want):
                        rule = f"must satisfy the order condition of tree {name(tree)} in x**{power}"
                        self._require("b_dense", rule, Fraction(got), want)

    def _numbers(self, row: Row) -> tuple[Any, ...]:
        """Return fractions as the numbers that conditions are checked in: decimals where `digits` are."""
        return row if self.digits is None else tuple(decimal.Decimal(x.numerator) / x.denominator for x in row)

    def _off(self, got: Any, want: Fraction) -> bool:
        """Whether two numbers differ by more than they may.  PERF: a Fraction a condition would double the time."""
        if self.digits is None:
            return bool(got != want)
        (wanted,) = self._numbers((want,))
        return bool(abs(got - wanted) > decimal.Decimal(10) ** -self.digits)

    def _require(self, label: str, rule: str, got: Fraction, want: Fraction) -> None:
        """Raise unless the two agree: exactly, or to `digits` decimal places."""
        off = got - want
        if off == 0 or (self.digits is not None and abs(off) <= Fraction(1, 10**self.digits)):
            return
        show: Any = str if self.digits is None else float
        raise ArgumentError(f"Tableau: {label} {rule}, sum = {show(want)}; got sum={show(got)}, off by {show(off)}.")


def _row(label: str, row: Coefficients, length: int, *, pad: bool = False) -> Row:
    """Return the coefficients as fractions, padded with zeros where `pad` allows it."""
    if len(row) > length or (len(row) < length and not pad):
        raise must("Tableau", label, f"must have {length} entries", tuple(row))
    return tuple(_fraction(label, x) for x in row) + (Fraction(0),) * (length - len(row))


def _polynomials(rows: Sequence[Coefficients], n_stages: int) -> tuple[Row, ...]:
    """Return the interpolant's rows, all of the length of the longest."""
    if len(rows) != n_stages:
        raise must("Tableau", "b_dense", f"must have {n_stages} rows", len(rows))
    longest = max(len(row) for row in rows)
    return tuple(_row(f"b_dense[{i}]", row, longest, pad=True) for i, row in enumerate(rows))


def _fraction(label: str, x: Any) -> Fraction:
    """Return a coefficient as a fraction: exactly what was given."""
    if isinstance(x, numbers.Real | str) and not isinstance(x, bool):
        try:
            return Fraction(x) if isinstance(x, str | numbers.Rational) else Fraction(float(x))
        except (ValueError, OverflowError, ZeroDivisionError, TypeError):
            raise must("Tableau", label, "must hold finite numbers", x) from None
    raise KindError(f"Tableau: {label} must hold Fractions, integers, floats or strings; got {type(x).__name__}.")
