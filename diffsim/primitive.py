"""The row type of the table of primitives, the base of every kind of number, and the dispatch between them.

A *primitive* is one row: its name, its evaluation on plain numbers, its derivative.  The kinds of row:

* `Elementwise`: acts number by number and declares its partial derivatives.  Both modes follow from them:
  the tangent is the sum of ``partial * tangent``, the cotangent of argument i is ``partial_i * cotangent``,
  summed over the axes that broadcasting added.
* `Select`: the one row of `where`, which selects (co)tangents instead of multiplying them.
* `Structural`: acts on whole arrays (sum, matmul, indexing, solve) and declares its tangent and its transpose.

Derivatives are written with other primitives, so derivatives of derivatives come for free.

`bind` applies a row to numbers of any kind (`diffsim.number`): the highest level records, plain numbers are evaluated.
The file is a little longer than its neighbours: the kinds of row share one contract and are best read together.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np

from diffsim.errors import KindError
from diffsim.number import AnyNumber, Number, NumberArray, Params, raw, shape_of

__all__ = [
    "TABLE",
    "Elementwise",
    "Primitive",
    "Select",
    "Structural",
    "bind",
    "each",
    "register",
    "weigh",
]

Interval: TypeAlias = tuple[float, float]

_NO_PARAMS: Params = {}
_MASKS: Params = {"masks": True}  # of a `where` that sets a cotangent to 0 on the branch that was not taken
_LARGEST = float(np.finfo(np.float64).max)
_FLOAT_FAULTS = (ZeroDivisionError, OverflowError, ValueError)


def bind(row: Primitive, args: Sequence[AnyNumber], params: Params = _NO_PARAMS) -> AnyNumber:
    """Apply a primitive to numbers of any kind: the highest level records, plain numbers are evaluated."""
    top: Number | None = None
    for a in args:
        if isinstance(a, Number) and (top is None or a._level > top._level):
            top = a
    if top is None:
        return row.evaluate(args, params)
    return top._apply(row, args, params)


def weigh(g: AnyNumber, partial: AnyNumber, singular: bool = True) -> AnyNumber:
    """Product of a tangent or cotangent g with a partial derivative, in which ``0 * inf`` and ``0 * nan`` are 0.

    This is what keeps the branch of `where` that was not taken from sending NaN back: its cotangent is exactly
    zero, whatever the partial derivatives on that branch are.  A traced partial is guarded in the graph, but only
    where the row is declared singular, or where such a cotangent meets what singular rows have computed.
    """
    if partial.__class__ is float and math.isfinite(partial):
        return _times(g, partial)
    if partial.__class__ is np.ndarray and partial.dtype.char == "d" and _is_finite(partial):
        return g * partial
    plain = raw(partial)
    if isinstance(plain, Number) or (isinstance(plain, np.ndarray) and plain.dtype == object):
        guarded = singular or _meets_infinity(plain, raw(g))
        return g * _finite_at_zero(g, partial) if guarded else g * partial
    if _is_finite(plain):
        return g * partial
    with np.errstate(all="ignore"):
        return TABLE["where"](raw(g) == 0.0, 0.0, g * partial)


def _finite_at_zero(g: AnyNumber, partial: AnyNumber) -> AnyNumber:
    """A traced partial derivative, but 0 where it is infinite or NaN and g is 0.

    NOTE: the factor is chosen, not the product: where g is 0 and the partial finite, the product still has the
    derivative ``partial * dg``.
    """
    unbounded = TABLE["logical_not"](TABLE["less_equal"](TABLE["abs"](partial), _LARGEST))
    return TABLE["where"](TABLE["logical_and"](TABLE["equal"](g, 0.0), unbounded), 0.0, partial)


def _meets_infinity(partial: AnyNumber, g: AnyNumber) -> bool:
    pairs = np.broadcast(np.asarray(partial, dtype=object), np.asarray(g, dtype=object))
    return any(isinstance(p, Number) and p._meets_infinity(q) for p, q in pairs)


def _times(g: AnyNumber, partial: AnyNumber) -> AnyNumber:
    """The product, without an operation where the partial derivative is 1."""
    if partial.__class__ is float:
        if partial == 1.0:
            return g
        if partial == -1.0:
            return -g
    return g * partial


def _is_finite(x: AnyNumber) -> bool:
    if isinstance(x, float | np.floating):
        return math.isfinite(x)
    if isinstance(x, np.ndarray) and x.dtype != object:
        # PERF: one pass instead of the two of isfinite().all(); an overflow of the sum only takes the careful path
        with np.errstate(over="ignore", invalid="ignore"):
            return math.isfinite(np.vdot(x, x))
    return True


class Primitive(abc.ABC):
    """One row of the table; see the module's docstring for its kinds."""

    name: str
    boolean = False
    singular = False
    linear = False  # whether derivatives do not depend on the arguments' data, so that it need not be kept
    elementwise = False  # whether arguments broadcast against each other, number by number

    @abc.abstractmethod
    def evaluate(self, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        """Value on plain numbers: floats, arrays, and whatever does arithmetic."""

    @abc.abstractmethod
    def tangent(
        self, tangents: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber], params: Params
    ) -> AnyNumber:
        """Tangent of the result, given the tangents of some of the arguments (by position)."""

    @abc.abstractmethod
    def cotangent(self, i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        """Cotangent of argument i, given the cotangent g of the result.

        Elementwise rows answer in the shape of the result; who asks sums over broadcast axes.
        """

    def differentiable(self, i: int) -> bool:
        """Whether the result has a derivative with respect to argument i that is not zero everywhere."""
        return True

    def __call__(self, *args: AnyNumber, **params: Any) -> AnyNumber:
        return bind(self, args, params)


TABLE: dict[str, Any] = {}


def register(row: Any) -> Any:
    """Enter a row in the table under its name and return it; a name is taken once."""
    if row.name in TABLE:
        raise KindError(f"register: primitive {row.name!r} is already in the table")
    TABLE[row.name] = row
    return row


def _plain(a: AnyNumber) -> AnyNumber:
    """Lists become arrays, integers and truth values float64 (they would wrap or shrink); everything else stays."""
    if isinstance(a, list | tuple):
        a = np.asarray(a)
    if isinstance(a, np.ndarray | np.generic):
        return a.astype(np.float64) if a.dtype.kind in "iub" else a
    return float(a) if isinstance(a, int) else a


@final
@dataclass(frozen=True, eq=False, repr=False)
class Elementwise(Primitive):
    """A primitive that acts number by number.

    Parameters
    ----------
    name : str
        The table's name, also the method of `Value`.
    numpy : callable
        Evaluation on floats and NumPy arrays.
    scalar : callable
        Evaluation on Python floats (the fast path), from `math` or `operator`.
    partials : tuple of callable or None
        One a argument, ``partial(out, *args)``, written with primitives; None where the derivative is zero
        everywhere it exists.
    domain : tuple of (low, high)
        Where tests draw each argument: an open interval on which the row is smooth.
    ufuncs : tuple of numpy.ufunc
        NumPy's own functions that this row answers to.
    mpmath : callable or None
        ``mpmath(context, *args)`` for multiprecision numbers; None where plain arithmetic does it.
    symbol : str
        Infix operator, for printing; empty for a function.
    singular : bool
        Whether a partial can be infinite or overflow somewhere, so that a zero cotangent must be guarded.
    boolean : bool
        Whether the result is a truth value: a plain bool for numbers that have a value, an expression when traced.
    linear : bool
        Whether the partials are constants.
    """

    name: str
    numpy: Callable[..., Any]
    scalar: Callable[..., Any]
    partials: tuple[Callable[..., Any] | None, ...]
    domain: tuple[Interval, ...] = ((-3.0, 3.0),)
    ufuncs: tuple[np.ufunc, ...] = ()
    mpmath: Callable[..., Any] | None = None
    symbol: str = ""
    singular: bool = False
    boolean: bool = False
    linear: bool = False
    elementwise = True

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    @property
    def arity(self) -> int:
        """Number of arguments."""
        return len(self.partials)

    def differentiable(self, i: int) -> bool:
        return self.partials[i] is not None

    def evaluate(self, args: Sequence[AnyNumber], params: Params = _NO_PARAMS) -> AnyNumber:
        for a in args:
            if a.__class__ is not float:
                return self._evaluate_any(args)
        try:
            return self.scalar(*args)
        except _FLOAT_FAULTS:  # at the border of the domain: inf or nan, as IEEE 754 has it, without a warning
            with np.errstate(all="ignore"):
                return float(self.numpy(*map(np.float64, args)))

    def _evaluate_any(self, args: Sequence[AnyNumber]) -> AnyNumber:
        for a in args:
            kind = a.__class__
            if not (kind is float or kind is np.float64 or (kind is np.ndarray and a.dtype.char == "d")):
                break
        else:
            return self.numpy(*args)
        if not self.boolean:
            args = [_plain(a) for a in args]
        exotic = False
        for a in args:
            if isinstance(a, np.ndarray):
                if a.dtype == object:
                    return each(self, args)
                if a.dtype.kind == "c":
                    raise _complex_refused(self.name, a)
            elif isinstance(a, complex | np.complexfloating):
                raise _complex_refused(self.name, a)
            elif not isinstance(a, float | np.generic | bool):
                exotic = True
        if not exotic:
            return self.numpy(*args)
        if self.mpmath is not None:
            return _multiprecision(self, args)
        return self.scalar(*args)

    def partial(self, i: int, out: AnyNumber, args: Sequence[AnyNumber]) -> AnyNumber:
        """The i-th partial derivative; infinite rather than raising where a float would raise."""
        rule = self.partials[i]
        if rule is None:
            return 0.0
        try:
            return rule(out, *args)
        except _FLOAT_FAULTS:
            with np.errstate(all="ignore"):
                lifted = [np.float64(a) if isinstance(a, float) else a for a in (out, *args)]
                found = rule(*lifted)
                return float(found) if found.__class__ is np.float64 else found

    def tangent(
        self, tangents: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber], params: Params = _NO_PARAMS
    ) -> AnyNumber:
        if self.singular:
            with np.errstate(all="ignore"):
                return self._tangent(tangents, out, args)
        return self._tangent(tangents, out, args)

    def _tangent(self, tangents: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber]) -> AnyNumber:
        total: AnyNumber = None
        for i, t in tangents.items():
            partial = self.partial(i, out, args)
            # PERF: a smooth row needs no guard on the way forward, since `where` selects among tangents
            term = weigh(t, partial, True) if self.singular else _times(t, partial)
            total = term if total is None else total + term
        return 0.0 if total is None else total

    def cotangent(
        self, i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], params: Params = _NO_PARAMS
    ) -> AnyNumber:
        return weigh(g, self.partial(i, out, args), self.singular)


@final
class Select(Primitive):
    """``where(condition, a, b)``: elementwise, linear in both branches, and blind to the one not taken.

    Tangents and cotangents are selected, never multiplied, so an infinity or NaN on the other branch stays there.
    """

    name = "where"
    elementwise = True
    domain: tuple[Interval, ...] = ((0.0, 1.0), (-3.0, 3.0), (-3.0, 3.0))

    def __repr__(self) -> str:
        return "<primitive where>"

    def differentiable(self, i: int) -> bool:
        return i > 0

    def evaluate(self, args: Sequence[AnyNumber], params: Params = _NO_PARAMS) -> AnyNumber:
        condition, a, b = args
        if any(isinstance(x, np.ndarray) and x.dtype == object for x in args):
            return each(self, args, params)
        if isinstance(condition, bool | np.bool_) and not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
            return a if condition else b
        return np.where(condition, a, b)

    def tangent(
        self, tangents: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber], params: Params = _NO_PARAMS
    ) -> AnyNumber:
        return bind(self, (args[0], tangents.get(1, 0.0), tangents.get(2, 0.0)))

    def cotangent(
        self, i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], params: Params = _NO_PARAMS
    ) -> AnyNumber:
        return bind(self, (args[0], g, 0.0) if i == 1 else (args[0], 0.0, g), _MASKS)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Structural(Primitive):
    """A primitive that acts on whole arrays; see `Elementwise` for the other kind.

    Parameters
    ----------
    name : str
        The table's name.
    numpy : callable
        Evaluation ``numpy(*args, **params)`` on NumPy arrays.
    transpose : callable
        ``transpose(i, g, out, args, params)``: cotangent of argument i.
    push : callable or None
        ``push(tangents, out, args, params)``: tangent of the result, where `tangents` maps positions to tangents.
        None for a row that is linear in all arguments together (or in each of them apart, see `multilinear`).
    multilinear : bool
        Linear in each argument apart (matmul) rather than in all together (concatenate).
    objects : callable or None
        Evaluation on object arrays (tracers, multiprecision), where NumPy's own does not take them.
    lead : callable or None
        ``lead(params, args)``: parameters of the same operation on arguments with one more leading axis, None where
        there are none; with them a linear row moves many tangents at once.
    view : callable or None
        ``view(params)``: whether NumPy's result is a window on the argument; such a result cannot be assigned to.
    """

    name: str
    numpy: Callable[..., Any]
    transpose: Callable[..., Any]
    push: Callable[..., Any] | None = None
    multilinear: bool = False
    objects: Callable[..., Any] | None = None
    lead: Callable[..., Params | None] | None = None
    view: Callable[[Params], bool] | None = None

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    @property
    def linear(self) -> bool:  # type: ignore[override]  # a field of the other rows, a consequence here
        """Linear in all arguments together."""
        return self.push is None and not self.multilinear

    def evaluate(self, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        if self.objects is not None and any(isinstance(a, np.ndarray) and a.dtype == object for a in args):
            return self.objects(*args, **params)
        return self.numpy(*args, **params)

    def tangent(
        self, tangents: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber], params: Params
    ) -> AnyNumber:
        if self.push is not None:
            return self.push(tangents, out, args, params)
        if self.multilinear:
            total: AnyNumber = None
            for i, t in tangents.items():
                term = bind(self, [t if j == i else a for j, a in enumerate(args)], params)
                total = term if total is None else total + term
            return total
        moved = [tangents[j] if j in tangents else np.zeros(shape_of(a)) for j, a in enumerate(args)]
        return bind(self, moved, params)

    def cotangent(self, i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        return self.transpose(i, g, out, args, params)


def each(row: Primitive, args: Sequence[AnyNumber], params: Params = _NO_PARAMS) -> AnyNumber:
    """Element by element over object arrays, whatever their elements are."""
    broadcast = np.broadcast(*args)
    out = np.empty(broadcast.shape, dtype=object)
    made = [bind(row, element, params) for element in broadcast]
    out[...] = np.array([*made, None], dtype=object)[:-1].reshape(out.shape)
    if not out.ndim:
        return out.item()
    kept = [a.__class__ for a in args if isinstance(a, NumberArray)]
    return out.view(kept[0]) if kept else out


def _multiprecision(row: Elementwise, args: Sequence[AnyNumber]) -> AnyNumber:
    """Evaluate with the mpmath context that one of the arguments brings along."""
    for a in args:
        context = getattr(a, "context", None)
        if context is not None and row.mpmath is not None:
            return row.mpmath(context, *args)
    kinds = ", ".join(type(a).__name__ for a in args)
    raise KindError(
        f"{row.name}: takes floats, arrays, diffsim's numbers or mpmath's; got {kinds}. Convert with float(x)."
    )


def _complex_refused(name: str, a: AnyNumber) -> KindError:
    return KindError(
        f"{name}: takes real numbers; got complex {a!r}. Differentiate real and imaginary parts as two real numbers."
    )
