"""Logarithms: ``log(x) = k log(2) + log(1 + f)``, 1 + f between sqrt(1/2) and sqrt(2)."""

from __future__ import annotations

import math

from diffsim.compiler.elementary.pieces import SMALLEST_NORMAL, Row, polynomial, rescue
from diffsim.compiler.emitter import Emitter, Value

__all__ = ["ROWS"]

# SOURCE: fdlibm, __ieee754_log (Sun Microsystems 1993): log(2) = high + low, k * high exact; log(1 + f) by
# s = f / (2 + f), polynomial in s**2 with error below 2**-58.45.
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_LOG = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_MANTISSA = (1 << 52) - 1


def _split(b: Emitter, x: Value, lift: int = 0) -> tuple[Value, Value]:
    """Return k and f, where ``x = 2**(k + lift) (1 + f)``, of positive normal numbers."""
    bits = b.integer("sub", b.bits(x), b.whole(_SQRT_HALF_BITS))
    exponent = b.integer("and", bits, b.whole((1 << 64) - 1 - _MANTISSA))
    m = b.real(b.integer("sub", b.bits(x), exponent))
    # The exponent, made positive, is read as a number by writing it into the mantissa of 2**52.
    biased = b.integer("lshr", b.integer("add", bits, b.whole(1024 << 52)), b.whole(52))
    k = b.real(b.integer("or", biased, b.whole(0x433 << 52)))
    return b.sub(k, b.constant(2.0**52 + 1024 + lift)), b.sub(m, b.constant(1.0))


def _log_of(b: Emitter, x: Value, lift: int = 0) -> Value:
    """Return the logarithm of ``x / 2**lift`` for positive normal x."""
    k, f = _split(b, x, lift)
    s = b.div(f, b.add(f, b.constant(2.0)))
    z = b.mul(s, s)
    series = b.mul(z, polynomial(b, z, b.mul(z, z), _LOG))
    square = b.mul(b.mul(f, f), b.constant(0.5))
    low = b.fma(s, b.add(square, series), b.mul(k, b.constant(_LN2_LOW)))
    return b.fma(k, b.constant(_LN2_HIGH), b.sub(f, b.sub(square, low)))


def _unusual(b: Emitter, x: Value) -> Value:
    """Where x is not a positive normal number."""
    normal = b.both(
        b.compare("oge", x, b.constant(SMALLEST_NORMAL)),
        b.compare("olt", x, b.constant(math.inf)),
    )
    return b.opposite(normal)


def _log(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, _unusual(b, x), "log.slow", [x], _log_of(b, x))


def _log_slow(b: Emitter, x: Value) -> list[Value]:
    """Serve subnormal numbers, zeros, negative numbers, infinity and NaN."""
    out = _log_of(b, b.mul(x, b.constant(2.0**54)), 54)
    zero, infinity = b.constant(0.0), b.constant(math.inf)
    out = b.select(b.compare("oeq", x, infinity), infinity, out)
    out = b.select(b.compare("oge", x, zero), out, b.constant(math.nan))
    return [b.select(b.compare("oeq", x, zero), b.constant(-math.inf), out)]


ROWS = {
    "log": Row(_log, needs=("log.slow",)),
    "log.slow": Row(_log_slow, slow=True),
}
