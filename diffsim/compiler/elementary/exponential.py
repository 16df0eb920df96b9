"""Exponentials: ``exp(x) = 2**k exp(r)``, |r| <= log(2) / 2, with exp(r) a polynomial of degree 11."""

from __future__ import annotations

import math

from diffsim.compiler.elementary.pieces import Row, nearest_whole, polynomial, power_of_two, rescue
from diffsim.compiler.emitter import Emitter, Value

__all__ = ["ROWS"]

# SOURCE: fdlibm, __ieee754_exp (Sun Microsystems 1993): log(2) = high + low, k * high exact for |k| < 2**20.
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
# Remez, |x| <= 0.3467: |1 + x + x**2 p(x) - exp(x)| <= 2**-57.8 exp(x).
_EXP = (
    float.fromhex("0x1.000000000000ap-1"),
    float.fromhex("0x1.5555555555503p-3"),
    float.fromhex("0x1.5555555550608p-5"),
    float.fromhex("0x1.1111111124d43p-7"),
    float.fromhex("0x1.6c16c184b42bdp-10"),
    float.fromhex("0x1.a01a013c74151p-13"),
    float.fromhex("0x1.a0199895bce69p-16"),
    float.fromhex("0x1.71def90001332p-19"),
    float.fromhex("0x1.28aeccfd2e8edp-22"),
    float.fromhex("0x1.adcaa711adb53p-26"),
)
_LARGE = 708.0  # between -708 and 708 every intermediate and the result are normal numbers


def _reduce(b: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """Return r, its tail and bits that end with k, where ``x = k log(2) + r + tail``."""
    k, q = nearest_whole(b, x, 1.0 / math.log(2.0))
    high = b.fnma(k, b.constant(_LN2_HIGH), x)
    low = b.mul(k, b.constant(_LN2_LOW))
    r = b.sub(high, low)
    return r, b.sub(b.sub(high, r), low), q


def _kernel(b: Emitter, r: Value, tail: Value) -> Value:
    """Return ``exp(r + tail) - 1 - r``."""
    r2 = b.mul(r, r)
    return b.fma(r2, polynomial(b, r, r2, _EXP), tail)


def _exp(b: Emitter, x: Value) -> list[Value]:
    r, tail, q = _reduce(b, x)
    y = b.add(b.constant(1.0), b.add(r, _kernel(b, r, tail)))
    scaled = b.real(b.integer("add", b.bits(y), b.integer("shl", q, b.whole(52))))
    bad = b.compare("ugt", b.abs(x), b.constant(_LARGE))
    return rescue(b, bad, "exp.slow", [x], scaled)


def _exp_slow(b: Emitter, x: Value) -> list[Value]:
    """Scale twice, so that the result overflows, or is rounded to a subnormal number, but once."""
    high, low = b.constant(710.0), b.constant(-750.0)
    x = b.select(b.compare("ogt", x, high), high, x)
    x = b.select(b.compare("olt", x, low), low, x)
    r, tail, q = _reduce(b, x)
    y = b.add(b.constant(1.0), b.add(r, _kernel(b, r, tail)))
    k = b.integer("ashr", b.integer("shl", q, b.whole(32)), b.whole(32))
    half = b.integer("ashr", k, b.whole(1))
    return [b.mul(b.mul(y, power_of_two(b, half)), power_of_two(b, b.integer("sub", k, half)))]


ROWS = {
    "exp": Row(_exp, needs=("exp.slow",)),
    "exp.slow": Row(_exp_slow, slow=True),
}
