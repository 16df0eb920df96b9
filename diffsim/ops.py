"""THE TABLE, elementwise half: one row a primitive, and its function for any kind of number.

A row reads: name, NumPy evaluation, Python-float evaluation, partial derivatives ``(out, *args) -> partial`` written
with the functions of this file, the domain on which tests draw, NumPy's own names for it.  `array_ops` holds the
half that acts on whole arrays.  The file is longer than its neighbours because a table is read side by side.

Conventions where no derivative exists (chosen finite, so that no NaN starts there):

=====================  =====================================================================================
``abs(0)``             0 (the middle of [-1, 1])
``relu(0)``            0
``sqrt(0)``            0, so that ``sqrt(x*x + y*y)`` behaves like `hypot` at the origin; so ``x**y``, 0 < y < 1, at
                       x = 0, and ``cbrt(0)``
``hypot(0, 0)``        (0, 0)
``atan2(0, 0)``        (0, 0)
``maximum, minimum``   one half each at a tie; `clip` follows
``0**0``               value 1, derivatives (0, 0)
``x**y`` by y          0 for x <= 0 wherever the value is finite: the exponent is held where it is real at all
``floor, sign``        0
``frozen``             0: it is held fixed
``remainder``          1 by the dividend, ``-floor(x / y)`` by the divisor
=====================  =====================================================================================
"""

from __future__ import annotations

import builtins
import functools
import math
import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from diffsim.number import AnyNumber, raw
from diffsim.primitive import Elementwise, Select, bind, register

__all__ = [
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "clip",
    "cos",
    "cosh",
    "divide",
    "equal",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "floor_divide",
    "frozen",
    "greater",
    "greater_equal",
    "hypot",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logical_and",
    "logical_not",
    "logical_or",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "relu",
    "remainder",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "where",
]

Function: TypeAlias = Callable[..., AnyNumber]
_NEAR = (-3.0, 3.0)
_POSITIVE = (0.05, 5.0)


def _function(row: Elementwise, doc: str) -> Function:
    """The public function of a row: a fast path for one Python float, else the dispatch."""
    scalar = row.scalar

    if row.arity == 1:

        def unary(x: AnyNumber, /) -> AnyNumber:
            if x.__class__ is float:
                try:
                    return scalar(x)
                except (ValueError, OverflowError, ZeroDivisionError):
                    return row.evaluate((x,))
            return bind(row, (x,))

        function: Function = unary
    else:

        def nary(*args: AnyNumber) -> AnyNumber:
            if len(args) != row.arity:
                raise TypeError(f"{row.name}: takes {row.arity} arguments; got {len(args)}.")
            return bind(row, args)

        function = nary
    function.__name__ = function.__qualname__ = row.name
    function.__doc__ = doc
    function.row = row  # type: ignore[attr-defined]  # the way back from a function to its row
    return function


def _row(
    name: str,
    numpy: Callable[..., Any],
    scalar: Callable[..., Any],
    partials: tuple[Callable[..., Any] | None, ...],
    doc: str,
    **fields: Any,
) -> Function:
    if "domain" not in fields:
        fields["domain"] = (_NEAR,) * len(partials)
    if "ufuncs" not in fields and isinstance(numpy, np.ufunc):
        fields["ufuncs"] = (numpy,)
    row = register(Elementwise(name, numpy, scalar, partials, **fields))
    return _function(row, doc)


def _constant(x: AnyNumber, of: Callable[[Any], Any]) -> Any:
    """A constant of mathematics, ``of(math)``, in the precision of x: ``of(context)`` for a multiprecision number."""
    plain = raw(x)
    if isinstance(plain, np.ndarray) and plain.dtype == object and plain.size:
        plain = plain.flat[0]
    return of(getattr(plain, "context", math))


# --- evaluations that neither NumPy nor math has ---------------------------------------------------------------------


def _sigmoid_numpy(x: Any) -> Any:
    e = np.exp(-np.abs(x))  # in (0, 1]: never overflows
    return np.where(np.asarray(x) >= 0, 1, e) / (1 + e)


def _sigmoid_scalar(x: float) -> float:
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def _softplus_numpy(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _softplus_scalar(x: float) -> float:
    return (x if x > 0.0 else 0.0) + math.log1p(math.exp(-builtins.abs(x))) if x == x else x


def _erf_numpy(x: Any) -> Any:
    from scipy.special import erf as scipy_erf  # scipy.special costs a tenth of a second to import

    return scipy_erf(x)


def _sign_scalar(x: float) -> float:
    return math.copysign(1.0, x) if x and x == x else x


def _maximum_scalar(x: float, y: float) -> float:
    return x if x >= y or x != x else y


def _minimum_scalar(x: float, y: float) -> float:
    return x if x <= y or x != x else y


def _power_scalar(x: float, y: float) -> float:
    z = x**y
    return math.nan if z.__class__ is complex else z  # NumPy's meaning of (-1.0)**0.5 among real numbers


def _floor_scalar(x: float) -> float:
    return float(math.floor(x)) if math.isfinite(x) else x


def _remainder_scalar(x: float, y: float) -> float:
    return x % y


# --- arithmetic ------------------------------------------------------------------------------------------------------


def _power_base(out: AnyNumber, x: AnyNumber, y: AnyNumber) -> AnyNumber:
    # PERF: a constant exponent mostly needs no guards; the gradient of x**2 takes half the time without them
    if isinstance(y, float | int) and not 0.0 <= y < 1.0:
        return 2.0 * x if y == 2.0 else y * power(x, y - 1.0)
    infinite = logical_and(equal(x, 0.0), logical_and(greater_equal(y, 0.0), less(y, 1.0)))
    return where(infinite, 0.0, y) * power(where(infinite, 1.0, x), y - 1.0)


def _power_exponent(out: AnyNumber, x: AnyNumber, y: AnyNumber) -> AnyNumber:
    return out * log(where(greater(x, 0.0), x, 1.0))


add: Function = _row(
    "add",
    np.add,
    operator.add,
    (lambda out, x, y: 1.0, lambda out, x, y: 1.0),
    "Sum ``x + y``.",
    symbol="+",
    linear=True,
)
subtract: Function = _row(
    "subtract",
    np.subtract,
    operator.sub,
    (lambda out, x, y: 1.0, lambda out, x, y: -1.0),
    "Difference ``x - y``.",
    symbol="-",
    linear=True,
)
multiply: Function = _row(
    "multiply",
    np.multiply,
    operator.mul,
    (lambda out, x, y: y, lambda out, x, y: x),
    "Product ``x * y``.",
    symbol="*",
)
divide: Function = _row(
    "divide",
    np.divide,
    operator.truediv,
    (lambda out, x, y: 1.0 / y, lambda out, x, y: -out / y),
    "Quotient ``x / y``; infinite or NaN where y is 0, as in NumPy.",
    symbol="/",
    domain=(_NEAR, (0.2, 4.0)),
    singular=True,
)
negative: Function = _row(
    "negative", np.negative, operator.neg, (lambda out, x: -1.0,), "Opposite ``-x``.", linear=True
)
power: Function = _row(
    "power",
    np.power,
    _power_scalar,
    (_power_base, _power_exponent),
    "Power ``x**y`` for every real base and exponent; NaN where it is not real.",
    symbol="**",
    domain=((0.05, 4.0), _NEAR),
    singular=True,
)
square: Function = _row("square", np.square, lambda x: x * x, (lambda out, x: 2.0 * x,), "Square ``x * x``.")
remainder: Function = _row(
    "remainder",
    np.remainder,
    _remainder_scalar,
    (lambda out, x, y: 1.0, lambda out, x, y: -floor(x / y)),
    "Remainder ``x - y * floor(x / y)``, with the sign of y, as Python's ``%``.",
    symbol="%",
    domain=((0.1, 0.9), (1.0, 4.0)),
    singular=True,
)
abs: Function = _row(
    "abs",
    np.absolute,
    builtins.abs,
    (lambda out, x: sign(x),),
    "Absolute value; derivative 0 at 0.",
    domain=((0.05, 4.0),),
    ufuncs=(np.absolute, np.fabs),
)
sign: Function = _row(
    "sign",
    np.sign,
    _sign_scalar,
    (None,),
    "Sign: -1, 0 or 1; derivative 0.",
    domain=((0.05, 4.0),),
    mpmath=lambda mp, x: mp.sign(x),
)
frozen: Function = _row(
    "frozen",
    np.positive,
    operator.pos,
    (None,),
    """The number itself, held fixed: its derivative is 0.

    Also known as ``stop_gradient`` and ``detach``.  For what derivatives must not go through, such as the root that
    iterations have found: a step of Newton's from the frozen root has the derivative of the implicit function theorem.
    """,
    ufuncs=(),
    mpmath=lambda mp, x: x,
)
floor: Function = _row(
    "floor",
    np.floor,
    _floor_scalar,
    (None,),
    "Largest whole number not above x; derivative 0.",
    domain=((0.1, 0.9),),
    mpmath=lambda mp, x: mp.floor(x),
)

# --- roots, exponentials, logarithms ---------------------------------------------------------------------------------


def _slope_of_root(factor: float, out: AnyNumber, divisor: AnyNumber) -> AnyNumber:
    """``factor / divisor``, and 0 with all its derivatives where the root is 0."""
    zero = equal(out, 0.0)
    return where(zero, 0.0, factor / where(zero, 1.0, divisor))


sqrt: Function = _row(
    "sqrt",
    np.sqrt,
    math.sqrt,
    (lambda out, x: _slope_of_root(0.5, out, out),),
    "Square root; derivative 0 at 0.",
    domain=(_POSITIVE,),
    mpmath=lambda mp, x: mp.sqrt(x),
    singular=True,
)
cbrt: Function = _row(
    "cbrt",
    np.cbrt,
    math.cbrt,
    (lambda out, x: _slope_of_root(1.0, out, 3.0 * square(out)),),
    "Cube root, negative for negative x; derivative 0 at 0.",
    domain=(_POSITIVE,),
    mpmath=lambda mp, x: mp.sign(x) * mp.cbrt(mp.fabs(x)),
    singular=True,
)
exp: Function = _row(
    "exp", np.exp, math.exp, (lambda out, x: out,), "Exponential.", mpmath=lambda mp, x: mp.exp(x), singular=True
)
expm1: Function = _row(
    "expm1",
    np.expm1,
    math.expm1,
    (lambda out, x: exp(x),),
    "``exp(x) - 1`` without cancellation near 0.",
    mpmath=lambda mp, x: mp.expm1(x),
    singular=True,
)
exp2: Function = _row(
    "exp2",
    np.exp2,
    math.exp2,
    (lambda out, x: out * _constant(x, lambda m: m.log(2.0)),),
    "Power of two ``2**x``.",
    mpmath=lambda mp, x: mp.mpf(2) ** x,
    singular=True,
)
log: Function = _row(
    "log",
    np.log,
    math.log,
    (lambda out, x: 1.0 / x,),
    "Natural logarithm.",
    domain=(_POSITIVE,),
    mpmath=lambda mp, x: mp.log(x),
    singular=True,
)
log1p: Function = _row(
    "log1p",
    np.log1p,
    math.log1p,
    (lambda out, x: 1.0 / (1.0 + x),),
    "``log(1 + x)`` without cancellation near 0.",
    domain=((-0.9, 4.0),),
    mpmath=lambda mp, x: mp.log1p(x),
    singular=True,
)
log2: Function = _row(
    "log2",
    np.log2,
    math.log2,
    (lambda out, x: _constant(x, lambda m: 1.0 / m.log(2.0)) / x,),
    "Logarithm to base 2.",
    domain=(_POSITIVE,),
    mpmath=lambda mp, x: mp.log(x, 2),
    singular=True,
)
log10: Function = _row(
    "log10",
    np.log10,
    math.log10,
    (lambda out, x: _constant(x, lambda m: 1.0 / m.log(10.0)) / x,),
    "Logarithm to base 10.",
    domain=(_POSITIVE,),
    mpmath=lambda mp, x: mp.log10(x),
    singular=True,
)

# --- circular and hyperbolic functions -------------------------------------------------------------------------------

sin: Function = _row(
    "sin", np.sin, math.sin, (lambda out, x: cos(x),), "Sine of x in radians.", mpmath=lambda mp, x: mp.sin(x)
)
cos: Function = _row(
    "cos", np.cos, math.cos, (lambda out, x: -sin(x),), "Cosine of x in radians.", mpmath=lambda mp, x: mp.cos(x)
)
tan: Function = _row(
    "tan",
    np.tan,
    math.tan,
    (lambda out, x: 1.0 + square(out),),
    "Tangent of x in radians.",
    domain=((-1.4, 1.4),),
    mpmath=lambda mp, x: mp.tan(x),
    singular=True,
)
asin: Function = _row(
    "asin",
    np.arcsin,
    math.asin,
    (lambda out, x: 1.0 / (sqrt(1.0 - x) * sqrt(1.0 + x)),),
    "Inverse sine, in radians.",
    domain=((-0.95, 0.95),),
    mpmath=lambda mp, x: mp.asin(x),
    singular=True,
)
acos: Function = _row(
    "acos",
    np.arccos,
    math.acos,
    (lambda out, x: -1.0 / (sqrt(1.0 - x) * sqrt(1.0 + x)),),
    "Inverse cosine, in radians.",
    domain=((-0.95, 0.95),),
    mpmath=lambda mp, x: mp.acos(x),
    singular=True,
)
atan: Function = _row(
    "atan",
    np.arctan,
    math.atan,
    (lambda out, x: 1.0 / (1.0 + square(x)),),
    "Inverse tangent, in radians.",
    mpmath=lambda mp, x: mp.atan(x),
    singular=True,
)


def _atan2_by_y(out: AnyNumber, y: AnyNumber, x: AnyNumber) -> AnyNumber:
    r = hypot(x, y)
    r = where(equal(r, 0.0), 1.0, r)
    return x / r / r


def _atan2_by_x(out: AnyNumber, y: AnyNumber, x: AnyNumber) -> AnyNumber:
    r = hypot(x, y)
    r = where(equal(r, 0.0), 1.0, r)
    return -(y / r) / r


atan2: Function = _row(
    "atan2",
    np.arctan2,
    math.atan2,
    (_atan2_by_y, _atan2_by_x),
    "Angle of the point (x, y), called ``atan2(y, x)``, in radians; derivatives 0 at the origin.",
    domain=(_NEAR, (0.2, 4.0)),
    mpmath=lambda mp, x, y: mp.atan2(x, y),
    singular=True,
)
sinh: Function = _row(
    "sinh",
    np.sinh,
    math.sinh,
    (lambda out, x: cosh(x),),
    "Hyperbolic sine.",
    mpmath=lambda mp, x: mp.sinh(x),
    singular=True,
)
cosh: Function = _row(
    "cosh",
    np.cosh,
    math.cosh,
    (lambda out, x: sinh(x),),
    "Hyperbolic cosine.",
    mpmath=lambda mp, x: mp.cosh(x),
    singular=True,
)
tanh: Function = _row(
    "tanh",
    np.tanh,
    math.tanh,
    (lambda out, x: 4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x),),  # sech(x)**2 without cancellation or overflow
    "Hyperbolic tangent.",
    mpmath=lambda mp, x: mp.tanh(x),
)
asinh: Function = _row(
    "asinh",
    np.arcsinh,
    math.asinh,
    (lambda out, x: 1.0 / hypot(1.0, x),),
    "Inverse hyperbolic sine.",
    mpmath=lambda mp, x: mp.asinh(x),
)
acosh: Function = _row(
    "acosh",
    np.arccosh,
    math.acosh,
    (lambda out, x: 1.0 / (sqrt(x - 1.0) * sqrt(x + 1.0)),),
    "Inverse hyperbolic cosine, for x >= 1.",
    domain=((1.1, 5.0),),
    mpmath=lambda mp, x: mp.acosh(x),
    singular=True,
)
atanh: Function = _row(
    "atanh",
    np.arctanh,
    math.atanh,
    (lambda out, x: 1.0 / ((1.0 - x) * (1.0 + x)),),
    "Inverse hyperbolic tangent, for |x| < 1.",
    domain=((-0.95, 0.95),),
    mpmath=lambda mp, x: mp.atanh(x),
    singular=True,
)

# --- the functions of neural networks and statistics -----------------------------------------------------------------

sigmoid: Function = _row(
    "sigmoid",
    _sigmoid_numpy,
    _sigmoid_scalar,
    (lambda out, x: out * sigmoid(-x),),
    "Logistic function ``1 / (1 + exp(-x))``; never overflows.",
    mpmath=lambda mp, x: 1 / (1 + mp.exp(-x)),
)
softplus: Function = _row(
    "softplus",
    _softplus_numpy,
    _softplus_scalar,
    (lambda out, x: sigmoid(x),),
    "``log(1 + exp(x))``; never overflows.",
    mpmath=lambda mp, x: mp.log1p(mp.exp(x)),
)
relu: Function = _row(
    "relu",
    lambda x: np.maximum(x, 0),
    lambda x: x if x > 0 or x != x else 0.0,
    (lambda out, x: where(greater(x, 0.0), 1.0, 0.0),),
    "``max(x, 0)``; derivative 0 at 0.",
    domain=((0.05, 4.0),),
)
erf: Function = _row(
    "erf",
    _erf_numpy,
    math.erf,
    (lambda out, x: _constant(x, lambda m: 2.0 / m.sqrt(m.pi)) * exp(-square(x)),),
    "Error function.",
    mpmath=lambda mp, x: mp.erf(x),
    singular=True,
)

# --- selection and comparison ----------------------------------------------------------------------------------------


def _greater_half(x: AnyNumber, y: AnyNumber) -> AnyNumber:
    """1 where x > y, one half at a tie, 0 where x < y."""
    return where(greater(x, y), 1.0, where(equal(x, y), 0.5, 0.0))


maximum: Function = _row(
    "maximum",
    np.maximum,
    _maximum_scalar,
    (lambda out, x, y: _greater_half(x, y), lambda out, x, y: _greater_half(y, x)),
    "Larger of two; at a tie each gets half of the derivative.",
    domain=((0.0, 1.0), (1.5, 3.0)),
)
minimum: Function = _row(
    "minimum",
    np.minimum,
    _minimum_scalar,
    (lambda out, x, y: _greater_half(y, x), lambda out, x, y: _greater_half(x, y)),
    "Smaller of two; at a tie each gets half of the derivative.",
    domain=((0.0, 1.0), (1.5, 3.0)),
)


def _hypot_partial(out: AnyNumber, x: AnyNumber) -> AnyNumber:
    return x / where(equal(out, 0.0), 1.0, out)


hypot: Function = _row(
    "hypot",
    np.hypot,
    math.hypot,
    (lambda out, x, y: _hypot_partial(out, x), lambda out, x, y: _hypot_partial(out, y)),
    "Length ``sqrt(x**2 + y**2)`` without overflow; derivatives 0 at the origin.",
    domain=((0.2, 4.0), _NEAR),
    mpmath=lambda mp, x, y: mp.hypot(x, y),
)

less: Function = _row("less", np.less, operator.lt, (None, None), "Whether x < y.", symbol="<", boolean=True)
less_equal: Function = _row(
    "less_equal", np.less_equal, operator.le, (None, None), "Whether x <= y.", symbol="<=", boolean=True
)
greater: Function = _row("greater", np.greater, operator.gt, (None, None), "Whether x > y.", symbol=">", boolean=True)
greater_equal: Function = _row(
    "greater_equal", np.greater_equal, operator.ge, (None, None), "Whether x >= y.", symbol=">=", boolean=True
)
equal: Function = _row("equal", np.equal, operator.eq, (None, None), "Whether x equals y.", symbol="==", boolean=True)
not_equal: Function = _row(
    "not_equal", np.not_equal, operator.ne, (None, None), "Whether x differs from y.", symbol="!=", boolean=True
)
logical_and: Function = _row(
    "logical_and", np.logical_and, operator.and_, (None, None), "Both conditions.", symbol="&", boolean=True
)
logical_or: Function = _row(
    "logical_or", np.logical_or, operator.or_, (None, None), "Either condition.", symbol="|", boolean=True
)
logical_not: Function = _row(
    "logical_not", np.logical_not, operator.not_, (None,), "The opposite condition.", boolean=True
)

_WHERE = register(Select())


def where(condition: AnyNumber, a: AnyNumber, b: AnyNumber, /) -> AnyNumber:
    """Take a where the condition holds, else b, number by number.

    The branch that is not taken gets the derivative 0, even where its own derivative is infinite or NaN.

    >>> from diffsim.derivatives import grad
    >>> grad(lambda x: where(x > 0, log(x), 0.0))(0.0)
    0.0
    """
    return bind(_WHERE, (condition, a, b))


where.row = _WHERE  # type: ignore[attr-defined]  # the way back from a function to its row


def clip(x: AnyNumber, low: AnyNumber = None, high: AnyNumber = None) -> AnyNumber:
    """Limit x to [low, high]; None leaves a side open.  At a border half of the derivative passes."""
    if low is not None:
        x = maximum(x, low)
    return x if high is None else minimum(x, high)


def floor_divide(x: AnyNumber, y: AnyNumber, /) -> AnyNumber:
    """``x // y`` to the last bit as Python and NumPy have it: 1.0 // 0.1 is 9.0, although 1.0 / 0.1 is 10.0."""
    quotient = (x - remainder(x, y)) / y
    whole = floor(quotient)
    return whole + where(greater(quotient - whole, 0.5), 1.0, 0.0)


def _passing_nan(function: Function) -> Function:
    """The function of two numbers that answers with the other one where one is NaN."""
    return lambda x, y: where(not_equal(x, x), y, where(not_equal(y, y), x, function(x, y)))


@functools.cache
def by_ufunc() -> dict[np.ufunc, Function]:
    """NumPy's functions and the ones of this table that answer to them."""
    functions = [f for f in globals().values() if isinstance(getattr(f, "row", None), Elementwise)]
    table = {ufunc: f for f in functions for ufunc in f.row.ufuncs}
    table[np.positive] = lambda x: x
    table[np.float_power] = power
    table[np.reciprocal] = lambda x: 1.0 / x
    table[np.deg2rad] = table[np.radians] = lambda x: x * (math.pi / 180.0)
    table[np.rad2deg] = table[np.degrees] = lambda x: x * (180.0 / math.pi)
    table[np.floor_divide] = floor_divide
    table[np.fmax], table[np.fmin] = _passing_nan(maximum), _passing_nan(minimum)
    table[np.logaddexp] = lambda x, y: maximum(x, y) + softplus(-abs(where(equal(x, y), 0.0, x - y)))
    table[np.conjugate] = lambda x: x
    return table
