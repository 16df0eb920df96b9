"""`Value`: a number that remembers how it was made, for reverse-mode derivatives.

The tape is the graph of the numbers themselves: each node holds its parents and how to send a cotangent back to
them.  There is no list of operations, so memory goes with the last reference and there are no cycles.  Nodes are
numbered as they are made; the backward sweep visits the ones below its root in falling order, without recursion,
in the same order in every run.

Two representations, one meaning: between Python floats the partial derivatives are computed on the way forward and
stored (the fast path); everything else stores its primitive and arguments and asks for cotangents on the way back.
The fast path, where operators are written out, makes this file longer than its neighbours.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.data import checked, own, tidy
from diffsim.errors import ArgumentError, KindError
from diffsim.number import AnyNumber, Number, Params, as_wide_as, is_differentiation, leaf_level, promote, raw, shape_of
from diffsim.operators import ArrayOperators, Operators
from diffsim.primitive import TABLE, Elementwise, Primitive, Structural, bind, each, weigh

__all__ = ["ArrayValue", "Value", "leaf", "sweep", "weighted_sum"]

_tick = itertools.count(1).__next__  # one number a node, in the order of making
_serial = operator.attrgetter("_serial")
_new = object.__new__
_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE, _POWER, _NEGATIVE = (
    TABLE[name] for name in ("add", "subtract", "multiply", "divide", "power", "negative")
)
_ONE = (1.0,)
_ONE_ONE = (1.0, 1.0)
_ONE_MINUS_ONE = (1.0, -1.0)
_MINUS_ONE = (-1.0,)


class _Pull:
    """How a node that is not between floats sends its cotangent back: its primitive and what it was applied to."""

    __slots__ = ("args", "out", "params", "positions", "row")

    def __init__(
        self, row: Primitive, args: Sequence[AnyNumber], params: Params, out: AnyNumber, positions: Sequence[int]
    ) -> None:
        self.row, self.args, self.params, self.out, self.positions = row, args, params, out, positions

    def __call__(self, g: AnyNumber) -> Iterator[AnyNumber]:
        row = self.row
        for i in self.positions:
            c = row.cotangent(i, g, self.out, self.args, self.params)
            c = array_ops.unbroadcast(c, shape_of(self.args[i])) if row.elementwise else c
            yield as_wide_as(c, self.args[i])


class Value(Operators):
    """A number, or an array of numbers, that can be differentiated with respect to what it was made from.

    Parameters
    ----------
    data : float, integer, or array of them
        Becomes float64; float32 stays float32.  Integers must fit float64 exactly.

    Attributes
    ----------
    data : float or ndarray
        The plain number.  May be set between passes, in the same shape.
    grad : float or ndarray
        Derivative of whatever `backward` was called on; of the same shape.  Of a leaf (a `Value` made from plain
        numbers) it accumulates from pass to pass; of an intermediate it is that of the last pass.  May be set.

    Raises
    ------
    KindError
        Complex, boolean or non-numeric data; or, in use, ``float(v)``, ``math.sin(v)`` and a store into a float
        array, which would drop the derivative.
    ArgumentError
        An integer that float64 cannot hold.

    Notes
    -----
    Array `Value`s take NumPy's indexing; ``v[i] = w`` works and makes v the array after the assignment, while what was
    computed from v before keeps its derivative.

    Examples
    --------
    >>> x = Value(3.0)
    >>> y = x**2 + 2 * x.sin()
    >>> y.backward()
    >>> y.data, x.grad
    (9.282240016119735, 4.02001500679911)
    """

    # NOTE: not `_data`, which numpy.ma takes for its own and multiplies, dropping the derivative
    __slots__ = ("_grad", "_parents", "_plain", "_pull", "_row", "_serial")
    _plain: AnyNumber
    _grad: AnyNumber
    _parents: tuple[Value, ...]
    _pull: Any
    _row: Primitive | None
    _serial: int

    def __new__(cls, data: AnyNumber) -> Value:
        return leaf(own(checked(data)), leaf_level())

    # --- what a user reads and sets ---

    @property
    def _node(self) -> Value:
        """The node of the tape that stands behind this number (itself, unless it can be assigned to)."""
        return self

    @property
    def _below(self) -> AnyNumber:
        return self._plain

    @property
    def data(self) -> AnyNumber:
        """The plain number or array."""
        return self._plain if self._plain.__class__ is float else _seen_from_here(self._plain)

    @data.setter
    def data(self, new: AnyNumber) -> None:
        new = own(checked(new))
        if shape_of(new) != shape_of(self._plain):
            raise ArgumentError(
                f"Value: data must keep its shape {shape_of(self._plain)}; got shape {shape_of(new)}. Make a new Value."
            )
        self._plain = self._node._plain = new

    @property
    def grad(self) -> AnyNumber:
        """The derivative that `backward` has left here."""
        try:
            grad = self._node._grad
        except AttributeError:  # no pass has come by
            grad = 0.0
        grad, shape = _seen_from_here(grad), shape_of(self._plain)
        return as_wide_as(np.broadcast_to(grad, shape).copy() if shape_of(grad) != shape else grad, self._plain)

    @grad.setter
    def grad(self, new: AnyNumber) -> None:
        new, shape = own(checked(new, "Value: grad")), self.shape
        if shape_of(new) not in ((), shape):
            raise ArgumentError(f"Value: grad must have shape {shape} or be one number; got shape {shape_of(new)}.")
        new = array_ops.broadcast_to(new, shape) + np.zeros(shape) if shape else new
        self._node._grad = as_wide_as(new, self._plain)

    def backward(self, cotangent: AnyNumber = None) -> None:
        """Send a cotangent (1 by default) back through everything this number was made from.

        Leaves accumulate it in ``.grad``; intermediates hold the one of this pass.  May be called again, and from
        other ends of the same tape.

        Parameters
        ----------
        cotangent : float or array of this number's shape, optional
            Needed for an array: the derivative of a loss with respect to it.

        Raises
        ------
        ArgumentError
            No cotangent for an array, or one of another shape.
        KindError
            The number is one that `diffsim.grad` or another derivative has handed to a function.
        """
        if is_differentiation(self._level):
            raise KindError(
                "Value.backward: this number belongs to an enclosing grad (or jacobian, vjp), which differentiates it "
                "itself. Call diffsim.grad inside, or backward on a Value made inside: Value(x)."
            )
        if cotangent is None:
            if self.shape:
                raise ArgumentError(
                    f"Value.backward: an array of shape {self.shape} needs a cotangent of that shape; got none. "
                    "Sum it first, or pass backward(np.ones(v.shape))."
                )
            cotangent = 1.0
        else:
            cotangent = own(checked(cotangent, "Value.backward: the cotangent"))
            if shape_of(cotangent) != self.shape:
                raise ArgumentError(
                    f"Value.backward: the cotangent must have shape {self.shape}; got shape {shape_of(cotangent)}."
                )
        layer: AnyNumber = self
        while isinstance(layer, Number) and layer._below is not layer:  # a Value kept from elsewhere may lie on top
            if isinstance(layer, Value) and not is_differentiation(layer._level):
                sweep(layer._node, cotangent)
            layer = layer._below

    def __repr__(self) -> str:
        grad = _seen_from_here(getattr(self._node, "_grad", 0.0))
        shown = "" if np.all(np.equal(raw(grad), 0.0)) else f", grad={grad!r}"
        return f"Value({self.data!r}{shown})"

    def __reduce__(self) -> Any:
        if self._node._parents:
            raise KindError(
                "copy or pickle of a computed Value would cut it from its tape. Copy the leaves, or make Value(v.data)."
            )
        return (Value, (self._plain,))

    def _constant(self, data: AnyNumber) -> Value:
        return leaf(data, self._level)

    # --- recording ---

    def _apply(self, row: Primitive, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        level = self._level
        if len(args) == 1 and row.elementwise and self._plain.__class__ is float and not row.boolean:
            out = row.evaluate(args := (self._plain,), params)
            if not row.differentiable(0):
                return leaf(out, level)
            return _record(out, level, (self,), (row.partial(0, out, args),), row)  # type: ignore[attr-defined]
        data: list[AnyNumber] = []
        parents: list[Value] = []
        positions: list[int] = []
        scalar = True
        for i, a in enumerate(args):
            if isinstance(a, Value) and a._level == level:
                if row.differentiable(i):
                    parents.append(a._node)
                    positions.append(i)
                a = a._plain
            elif isinstance(a, np.ndarray):
                if a.dtype == object:
                    return each(row, args, params)
                if a.flags.writeable and not row.linear:
                    a = a.copy()  # the caller may write into it before the way back
            elif isinstance(a, list | tuple):
                return bind(row, [array_ops.array(b) for b in args], params)
            data.append(a)
            scalar = scalar and a.__class__ is float
        if not scalar and row.elementwise:
            promote(data, args)
        if row.singular and not scalar:  # NaN and infinity are values here; the solvers look for them
            with np.errstate(all="ignore"):
                out = bind(row, data, params)
        else:
            out = bind(row, data, params)
        if row.boolean:
            return out
        if not parents:
            return leaf(tidy(out), level)
        if scalar and isinstance(row, Elementwise):
            pull: Any = tuple([row.partial(i, out, data) for i in positions])
        else:
            out = tidy(out)
            pull = _Pull(row, data, params, out, positions)
        made = _record(out, level, tuple(parents), pull, row)
        if made.__class__ is ArrayValue and isinstance(row, Structural) and row.view is not None:
            made._part = row.view(params)
        return made

    # --- arithmetic between scalars: partial derivatives stored as they come (PERF: 0.15 microseconds a node) ---

    def __add__(self, other: AnyNumber) -> AnyNumber:
        if other.__class__ is Value and other._level == self._level:
            x, y = self._plain, other._plain
            if x.__class__ is y.__class__:
                return _record(x + y, self._level, (self, other), _ONE_ONE, _ADD)
        if other.__class__ is float or other.__class__ is int:
            return _record(self._plain + other, self._level, (self,), _ONE, _ADD)
        return Operators.__add__(self, other)

    def __radd__(self, other: AnyNumber) -> AnyNumber:
        if other.__class__ is float or other.__class__ is int:
            return _record(other + self._plain, self._level, (self,), _ONE, _ADD)
        return Operators.__radd__(self, other)

    def __sub__(self, other: AnyNumber) -> AnyNumber:
        if other.__class__ is Value and other._level == self._level:
            x, y = self._plain, other._plain
            if x.__class__ is y.__class__:
                return _record(x - y, self._level, (self, other), _ONE_MINUS_ONE, _SUBTRACT)
        if other.__class__ is float or other.__class__ is int:
            return _record(self._plain - other, self._level, (self,), _ONE, _SUBTRACT)
        return Operators.__sub__(self, other)

    def __rsub__(self, other: AnyNumber) -> AnyNumber:
        if other.__class__ is float or other.__class__ is int:
            return _record(other - self._plain, self._level, (self,), _MINUS_ONE, _SUBTRACT)
        return Operators.__rsub__(self, other)

    def __mul__(self, other: AnyNumber) -> AnyNumber:
        if other.__class__ is Value and other._level == self._level:
            x, y = self._plain, other._plain
            if x.__class__ is y.__class__:
                return _record(x * y, self._level, (self, other), (y, x), _MULTIPLY)
        if other.__class__ is float or other.__class__ is int:
            return _record(self._plain * other, self._level, (self,), (other,), _MULTIPLY)
        return Operators.__mul__(self, other)

    def __rmul__(self, other: AnyNumber) -> AnyNumber:
        if other.__class__ is float or other.__class__ is int:
            return _record(other * self._plain, self._level, (self,), (other,), _MULTIPLY)
        return Operators.__rmul__(self, other)

    def __truediv__(self, other: AnyNumber) -> AnyNumber:
        x = self._plain
        if x.__class__ is float:
            if other.__class__ is Value and other._level == self._level:
                y = other._plain
                if y.__class__ is float and y:
                    out = x / y
                    return _record(out, self._level, (self, other), (1.0 / y, -out / y), _DIVIDE)
            elif (other.__class__ is float or other.__class__ is int) and other:
                return _record(x / other, self._level, (self,), (1.0 / other,), _DIVIDE)
        return Operators.__truediv__(self, other)

    def __pow__(self, other: AnyNumber) -> AnyNumber:
        x = self._plain
        if x.__class__ is float and (other.__class__ is int or other.__class__ is float) and other == 2:
            return _record(x * x, self._level, (self,), (2.0 * x,), _POWER)
        return Operators.__pow__(self, other)

    def __neg__(self) -> AnyNumber:
        return _record(-self._plain, self._level, (self,), _MINUS_ONE, _NEGATIVE)


@final
class ArrayValue(ArrayOperators, Value):
    """A `Value` whose data is an array; made by ``Value(array)``.

    It is a handle on a node of the tape: item assignment moves the handle to a new node, and what was computed
    from the old one keeps it.
    """

    __slots__ = ("_part", "_tape_node")
    _part: bool
    _tape_node: Value

    @property
    def _node(self) -> Value:
        return self._tape_node

    def __setitem__(self, index: Any, w: AnyNumber) -> None:
        if self._part:
            self._refuse_part()
        after = array_ops.set_item(self, index, w)
        if not isinstance(after, ArrayValue):
            raise KindError(
                f"item assignment: a Value array cannot hold a {type(w).__name__} of another differentiation. "
                "Write `c = diffsim.set_item(c, index, w)`."
            )
        self._plain, self._level, self._tape_node = after._plain, after._level, after._tape_node

    __add__, __radd__ = Operators.__add__, Operators.__radd__
    __sub__, __rsub__ = Operators.__sub__, Operators.__rsub__
    __mul__, __rmul__ = Operators.__mul__, Operators.__rmul__
    __truediv__, __pow__ = Operators.__truediv__, Operators.__pow__
    __neg__ = Operators.__neg__


def _record(data: AnyNumber, level: int, parents: tuple[Value, ...], pull: Any, row: Primitive | None) -> Value:
    """A new node of the tape, behind a handle if its data is an array."""
    node: Value = _new(Value)
    node._plain = data
    node._level = level
    node._parents = parents
    node._pull = pull
    node._row = row
    node._serial = _tick()
    if data.__class__ is float or not shape_of(data):
        return node
    handle: ArrayValue = _new(ArrayValue)
    handle._plain, handle._level, handle._tape_node, handle._part = data, level, node, False
    return handle


def leaf(data: AnyNumber, level: int) -> Value:
    """A `Value` without parents at the given level; its data is taken as it is."""
    made = _record(data, level, (), None, None)
    made._node._grad = 0.0
    return made


def weighted_sum(weights: Sequence[AnyNumber], xs: Sequence[AnyNumber], bias: AnyNumber) -> AnyNumber:
    """``bias + weights[0] * xs[0] + ...`` of scalars, on the tape as one node instead of two a term.

    PERF: a neuron with 16 inputs costs a fifth of what its 32 single operations cost.
    """
    if bias.__class__ is Value and {*map(type, weights)} == {Value} and {*map(type, xs)} <= {Value, float}:
        terms = [*weights, bias, *(x for x in xs if x.__class__ is Value)]
        if {term._level for term in terms} == {bias._level}:
            w = [v._plain for v in weights]
            x = [v._plain if v.__class__ is Value else v for v in xs]
            total = sum(map(operator.mul, w, x), bias._plain)
            if len(terms) == 2 * len(w) + 1:
                return _record(total, bias._level, tuple(terms), (*x, 1.0, *w), _ADD)
            by_x = [d for d, v in zip(w, xs, strict=True) if v.__class__ is Value]
            return _record(total, bias._level, tuple(terms), (*x, 1.0, *by_x), _ADD)
    for a, b in zip(weights, xs, strict=True):
        bias = bias + a * b
    return bias


def _seen_from_here(x: AnyNumber) -> AnyNumber:
    """A number without the layers of user code here and further in: those of enclosing differentiations stay."""
    while isinstance(x, Value) and x._level >= leaf_level():
        x = x._plain
    return x


def sweep(root: Value, seed: AnyNumber) -> None:
    """Send the cotangent `seed` from the node `root` to all nodes below it, leaving it in their ``_grad``.

    Iterative and in a fixed order: nodes by falling serial number, so each is visited after all that used it.
    """
    if root._plain.__class__ is not float:
        seed = as_wide_as(seed, raw(root._plain))
    if not root._parents:
        root._grad = root._grad + seed
        return
    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        node._grad = 0.0
        for p in node._parents:
            if p._parents and p not in seen:
                seen.add(p)
                stack.append(p)
    root._grad = seed
    with np.errstate(all="ignore"):
        for node in sorted(seen, key=_serial, reverse=True):
            _send(node)


def _send(node: Value) -> None:
    g, pull, parents = node._grad, node._pull, node._parents
    if pull.__class__ is not tuple:
        for p, c in zip(parents, pull(g), strict=True):
            p._grad = p._grad + tidy(c)
    elif g.__class__ is not float:
        for p, d in zip(parents, pull, strict=True):
            p._grad = p._grad + weigh(g, d)
    elif g:  # a zero cotangent sends zeros, whatever the partial derivatives are
        if len(parents) == 2:
            a, b = parents
            c, d = pull
            a._grad = a._grad + g * c
            b._grad = b._grad + g * d
        else:
            for p, d in zip(parents, pull, strict=True):
                p._grad = p._grad + g * d
