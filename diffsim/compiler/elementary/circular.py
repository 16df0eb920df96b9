"""Sine, cosine and tangent.

The angle is reduced by multiples of pi / 2 to ``r + tail``, |r| <= pi / 4, exactly enough for every double up to `far`,
those next to a multiple of pi included; beyond, the C library answers lane by lane.
"""

from __future__ import annotations

from diffsim.compiler.elementary.pieces import Row, nearest_whole, polynomial, rescue
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
    return r, b.add(rest, b.mul(k, b.constant(_HALF_PI_REST))), q


def _kernels(b: Emitter, r: Value, t: Value) -> tuple[Value, Value]:
    """Return the sine and cosine of r - t."""
    z = b.mul(r, r)
    z2 = b.mul(z, z)
    # NOTE: written as r - (...) so that the sine of -0 is -0.
    sine = b.sub(r, b.fma(b.mul(r, z), polynomial(b, z, z2, _SINE), t))
    tail = b.fma(z2, polynomial(b, z, z2, _COSINE), b.mul(r, t))
    return sine, b.add(b.constant(1.0), b.fma(z, b.constant(-0.5), tail))


def _quadrant(b: Emitter, q: Value, s: Value, c: Value) -> tuple[Value, Value]:
    """Return the sine and cosine of an angle k quarter turns further."""
    even = b.integer_compare("eq", b.integer("and", q, b.whole(1)), b.whole(0))
    sine, cosine = b.select(even, s, c), b.select(even, c, s)
    return _turn(b, sine, q), _turn(b, cosine, b.integer("add", q, b.whole(1)))


def _turn(b: Emitter, x: Value, q: Value) -> Value:
    """Return x with the opposite sign where the second bit of q is set."""
    sign = b.integer("and", b.integer("shl", q, b.whole(62)), b.whole(1 << 63))
    return b.real(b.integer("xor", b.bits(x), sign))


def _fast(b: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """Return the sine, the cosine and where they are not to be used."""
    r, t, q = _reduce(b, x)
    s, c = _quadrant(b, q, *_kernels(b, r, t))
    return s, c, b.compare("ugt", b.abs(x), b.constant(far(b.shape)))


def _sincos(b: Emitter, x: Value) -> list[Value]:
    s, c, bad = _fast(b, x)
    return rescue(b, bad, "sincos.slow", [x], s, c)


def _sin(b: Emitter, x: Value) -> list[Value]:
    s, _, bad = _fast(b, x)
    return rescue(b, bad, "sin.slow", [x], s)


def _cos(b: Emitter, x: Value) -> list[Value]:
    _, c, bad = _fast(b, x)
    return rescue(b, bad, "cos.slow", [x], c)


ROWS = {
    "sin": Row(_sin, needs=("sin.slow",)),
    "cos": Row(_cos, needs=("cos.slow",)),
    "sincos": Row(_sincos, n_results=2, needs=("sincos.slow",)),
    "sin.slow": Row(lambda b, x: [b.each_lane("sin", [x])], slow=True),
    "cos.slow": Row(lambda b, x: [b.each_lane("cos", [x])], slow=True),
    "sincos.slow": Row(lambda b, x: [b.each_lane("sin", [x]), b.each_lane("cos", [x])], n_results=2, slow=True),
}
