"""Sine, cosine and tangent of an angle reduced to ``k pi / 2 + r - t``: fdlibm's polynomials, t carried along."""

from __future__ import annotations

from diffsim.compiler.elementary.pieces import Row, polynomial, quotient, rescue
from diffsim.compiler.elementary.reduction import is_far, reduce_far, reduce_near
from diffsim.compiler.emitter import Emitter, Value

__all__ = ["ROWS"]

# SOURCE: fdlibm, __kernel_sin and __kernel_cos, with the opposite sign for the sine.
_SINE = (
    1.66666666666666324348e-01,
    -8.33333333332248946124e-03,
    1.98412698298579493134e-04,
    -2.75573137070700676789e-06,
    2.50507602534068634195e-08,
    -1.58969099521155010221e-10,
)
_COSINE = (
    4.16666666666666019037e-02,
    -1.38888888888741095749e-03,
    2.48015872894767294178e-05,
    -2.75573143513906633035e-07,
    2.08757232129817482790e-09,
    -1.13596475577881948265e-11,
)


def _series(b: Emitter, r: Value, t: Value) -> tuple[Value, Value]:
    """Return u and v, where the sine of r - t is r - u and its cosine 0.75 + v.

    NOTE: a difference, so that the sine of -0 is -0.  The cosine is not 1 + v: v would be large where |r| > 0.7, and
    its rounding, with those of z and of the sum, would come to more than a unit; so it is 0.95.
    """
    z = b.mul(r, r)
    z2 = b.mul(z, z)
    u = b.fma(b.mul(r, z), polynomial(b, z, z2, _SINE), t)
    v = b.fma(r, t, b.fma(z, b.constant(-0.5), b.constant(0.25)))
    return u, b.fma(z2, polynomial(b, z, z2, _COSINE), v)


def _turn(b: Emitter, x: Value, q: Value) -> Value:
    """Return x with the opposite sign where the second bit of q is set."""
    sign = b.integer("and", b.integer("shl", q, b.whole(62)), b.whole(1 << 63))
    return b.real(b.integer("xor", b.bits(x), sign))


def _even(b: Emitter, q: Value) -> Value:
    """Where the last bit of q is not set."""
    return b.integer_compare("eq", b.integer("and", q, b.whole(1)), b.whole(0))


def _pair(b: Emitter, r: Value, t: Value, q: Value) -> tuple[Value, Value]:
    """Return the sine and the cosine of ``k pi / 2 + r - t``."""
    u, v = _series(b, r, t)
    s, c, even = b.sub(r, u), b.add(b.constant(0.75), v), _even(b, q)
    sine, cosine = b.select(even, s, c), b.select(even, c, s)
    return _turn(b, sine, q), _turn(b, cosine, b.integer("add", q, b.whole(1)))


def _quotient(b: Emitter, r: Value, t: Value, q: Value) -> Value:
    """Return the tangent of ``k pi / 2 + r - t``: for even k the sine of r - t divided by its cosine, else -c / s."""
    u, v = _series(b, r, t)
    sine, cosine = b.sub(r, u), b.add(b.constant(0.75), v)
    sine_tail, cosine_tail = b.sub(b.sub(r, sine), u), b.add(b.sub(b.constant(0.75), cosine), v)
    even = _even(b, q)
    above, above_tail = b.select(even, sine, b.neg(cosine)), b.select(even, sine_tail, b.neg(cosine_tail))
    below, below_tail = b.select(even, cosine, sine), b.select(even, cosine_tail, sine_tail)
    return quotient(b, above, above_tail, below, below_tail)


def _sin(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, is_far(b, x), "sin.slow", [x], _pair(b, *reduce_near(b, x))[0])


def _cos(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, is_far(b, x), "cos.slow", [x], _pair(b, *reduce_near(b, x))[1])


def _sincos(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, is_far(b, x), "sincos.slow", [x], *_pair(b, *reduce_near(b, x)))


def _tan(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, is_far(b, x), "tan.slow", [x], _quotient(b, *reduce_near(b, x)))


ROWS = {
    "sin": Row(_sin, needs=("sin.slow",)),
    "sin.slow": Row(lambda b, x: [_pair(b, *reduce_far(b, x))[0]], slow=True),
    "cos": Row(_cos, needs=("cos.slow",)),
    "cos.slow": Row(lambda b, x: [_pair(b, *reduce_far(b, x))[1]], slow=True),
    "sincos": Row(_sincos, n_results=2, needs=("sincos.slow",)),
    "sincos.slow": Row(lambda b, x: [*_pair(b, *reduce_far(b, x))], n_results=2, slow=True),
    "tan": Row(_tan, needs=("tan.slow",)),
    "tan.slow": Row(lambda b, x: [_quotient(b, *reduce_far(b, x))], slow=True),
}
