"""Sine, cosine and tangent.

The angle is reduced by multiples of pi / 2 to ``r + tail``, |r| <= pi / 4, exactly enough for every double up to `far`,
those next to a multiple of pi included; beyond, the C library answers lane by lane.
"""

from __future__ import annotations

from diffsim.compiler.elementary.pieces import Row, nearest_whole, polynomial, quotient, rescue
from diffsim.compiler.emitter import Emitter, Shape, Value

__all__ = ["ROWS"]

_TWO_OVER_PI = 0.6366197723675814
# pi / 2 in parts of 53 bits, for exact products by fma.
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)
# SOURCE: fdlibm, __ieee754_rem_pio2 (Sun Microsystems 1993): pi / 2 in parts of 33 bits, whose products with k < 2**20
# are exact without fma, and what remains.
_HALF_PI_33 = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624871116645580e-21)
_HALF_PI_REST = 8.47842766036889956997e-32
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


def far(shape: Shape) -> float:
    """Return the largest angle that the reduction below serves."""
    return 2.0**30 if shape.fma else 1e6


def _reduce(b: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """Return r, t and bits that end with k, where ``x = k pi / 2 + r - t`` and t is below half a last place of r.

    Every difference below is exact but the last: r_1 = x - k p_1 because both are multiples of 2**-53 and less than 1
    apart; the others by Dekker's argument, since r_1 is a multiple of the last place of k p_2.
    """
    k, q = nearest_whole(b, x, _TWO_OVER_PI)
    if b.shape.fma:
        p1, p2, p3 = (b.constant(p) for p in _HALF_PI)
        r1 = b.fnma(k, p1, x)
        r = b.sub(r1, b.mul(k, p2))
        return r, b.fma(k, p3, b.fma(k, p2, b.sub(r, r1))), q
    p1, p2, p3 = (b.constant(p) for p in _HALF_PI_33)
    r1 = b.sub(x, b.mul(k, p1))
    w2, w3 = b.mul(k, p2), b.mul(k, p3)
    r2 = b.sub(r1, w2)
    r = b.sub(r2, w3)
    rest = b.add(b.add(b.sub(r2, r1), w2), b.add(b.sub(r, r2), w3))
    tail = b.add(rest, b.mul(k, b.constant(_HALF_PI_REST)))
    total = b.sub(r, tail)
    return total, b.add(b.sub(total, r), tail), q


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


def _too_far(b: Emitter, x: Value) -> Value:
    return b.compare("ugt", b.abs(x), b.constant(far(b.shape)))


def _pair(b: Emitter, x: Value) -> tuple[Value, Value]:
    """Return the sine and the cosine of an angle that is not too far."""
    r, t, q = _reduce(b, x)
    u, v = _series(b, r, t)
    s, c, even = b.sub(r, u), b.add(b.constant(0.75), v), _even(b, q)
    sine, cosine = b.select(even, s, c), b.select(even, c, s)
    return _turn(b, sine, q), _turn(b, cosine, b.integer("add", q, b.whole(1)))


def _sincos(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, _too_far(b, x), "sincos.slow", [x], *_pair(b, x))


def _sin(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, _too_far(b, x), "sin.slow", [x], _pair(b, x)[0])


def _cos(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, _too_far(b, x), "cos.slow", [x], _pair(b, x)[1])


def _tan(b: Emitter, x: Value) -> list[Value]:
    """Divide the sine by the cosine, in odd quadrants minus the cosine by the sine."""
    r, t, q = _reduce(b, x)
    u, v = _series(b, r, t)
    sine, cosine = b.sub(r, u), b.add(b.constant(0.75), v)
    sine_tail, cosine_tail = b.sub(b.sub(r, sine), u), b.add(b.sub(b.constant(0.75), cosine), v)
    even = _even(b, q)
    above, above_tail = b.select(even, sine, b.neg(cosine)), b.select(even, sine_tail, b.neg(cosine_tail))
    below, below_tail = b.select(even, cosine, sine), b.select(even, cosine_tail, sine_tail)
    value = quotient(b, above, above_tail, below, below_tail)
    return rescue(b, _too_far(b, x), "tan.slow", [x], value)


ROWS = {
    "tan": Row(_tan, needs=("tan.slow",)),
    "sin": Row(_sin, needs=("sin.slow",)),
    "cos": Row(_cos, needs=("cos.slow",)),
    "sincos": Row(_sincos, n_results=2, needs=("sincos.slow",)),
    "tan.slow": Row(lambda b, x: [b.each_lane("tan", [x])], slow=True),
    "sin.slow": Row(lambda b, x: [b.each_lane("sin", [x])], slow=True),
    "cos.slow": Row(lambda b, x: [b.each_lane("cos", [x])], slow=True),
    "sincos.slow": Row(lambda b, x: [b.each_lane("sin", [x]), b.each_lane("cos", [x])], n_results=2, slow=True),
}
