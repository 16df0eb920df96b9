"""Logarithms, ``log(x) = k log(2) + log(1 + f)`` with 1 + f between sqrt(1/2) and sqrt(2), and what is made of them.

The inverse hyperbolic functions are logarithms of a sum ``u + c`` of a number and its rounding error.
"""

from __future__ import annotations

import math

from diffsim.compiler.elementary.pieces import (
    SMALLEST_NORMAL,
    Row,
    fast_two_sum,
    polynomial,
    rescue,
    two_product,
    two_sum,
)
from diffsim.compiler.emitter import Emitter, Value

__all__ = ["ROWS", "log_of_sum", "split", "unusual"]

# SOURCE: fdlibm, __ieee754_log (Sun Microsystems 1993): log(2) = high + low, k * high exact; log(1 + f) by
# s = f / (2 + f), polynomial in s**2 with error below 2**-58.45.
_LN2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
_LOG = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)
# Unit and factor of the other bases as sums of two; k times the high part of the unit is exact.
_BINARY = ((1.0, 0.0), (1.4426950408889634, 2.0355273740931033e-17))
_DECIMAL = (
    (float.fromhex("0x1.34413509f8000p-2"), float.fromhex("-0x1.80433b83b532ap-44")),
    (0.4342944819032518, 1.098319650216765e-17),
)
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_MANTISSA = (1 << 52) - 1
_HUGE = 2.0**28  # beyond, sqrt(x**2 +- 1) is x to the last bit


def split(b: Emitter, x: Value, lift: int = 0) -> tuple[Value, Value]:
    """Return k and f, where ``x = 2**(k + lift) (1 + f)``, of positive normal numbers."""
    bits = b.integer("sub", b.bits(x), b.whole(_SQRT_HALF_BITS))
    exponent = b.integer("and", bits, b.whole((1 << 64) - 1 - _MANTISSA))
    m = b.real(b.integer("sub", b.bits(x), exponent))
    # The exponent, made positive, is read as a number by writing it into the mantissa of 2**52.
    biased = b.integer("lshr", b.integer("add", bits, b.whole(1024 << 52)), b.whole(52))
    k = b.real(b.integer("or", biased, b.whole(0x433 << 52)))
    return b.sub(k, b.constant(2.0**52 + 1024 + lift)), b.sub(m, b.constant(1.0))


def _series(b: Emitter, f: Value) -> tuple[Value, Value]:
    """Return s and w, where ``log(1 + f) = f - f**2 / 2 + s (f**2 / 2 + w)``."""
    s = b.div(f, b.add(f, b.constant(2.0)))
    z = b.mul(s, s)
    return s, b.mul(z, polynomial(b, z, b.mul(z, z), _LOG))


def _log_of(b: Emitter, k: Value, f: Value, extra: Value | None = None) -> Value:
    """Return ``k log(2) + log(1 + f) + extra``."""
    s, w = _series(b, f)
    square = b.mul(b.mul(f, f), b.constant(0.5))
    low = b.mul(k, b.constant(_LN2[1]))
    low = b.fma(s, b.add(square, w), low if extra is None else b.add(low, extra))
    return b.fma(k, b.constant(_LN2[0]), b.sub(f, b.sub(square, low)))


def log_of_sum(b: Emitter, u: Value, c: Value, doublings: Value | None = None) -> Value:
    """Return ``log(u + c) + doublings log(2)`` for positive normal u and |c| <= ulp(u), all digits right near 1 too."""
    k, f = split(b, u)
    return _log_of(b, k if doublings is None else b.add(k, doublings), f, b.div(c, u))


def _log_to_base(b: Emitter, x: Value, unit: tuple[float, float], factor: tuple[float, float], lift: int = 0) -> Value:
    """Return ``k unit + log(1 + f) factor`` of a positive normal number, as sums of two up to the last addition."""
    k, f = split(b, x, lift)
    s, w = _series(b, f)
    square, square_low = two_product(b, f, b.mul(f, b.constant(0.5)))
    high, low = fast_two_sum(b, f, b.neg(square))
    low = b.fma(s, b.add(square, w), b.sub(low, square_low))
    scaled, scaled_low = two_product(b, high, b.constant(factor[0]))
    scaled_low = b.fma(low, b.constant(factor[0]), b.fma(high, b.constant(factor[1]), scaled_low))
    total, total_low = fast_two_sum(b, b.mul(k, b.constant(unit[0])), scaled)
    return b.add(total, b.add(total_low, b.fma(k, b.constant(unit[1]), scaled_low)))


def unusual(b: Emitter, x: Value) -> Value:
    """Where x is not a positive normal number."""
    normal = b.both(
        b.compare("oge", x, b.constant(SMALLEST_NORMAL)),
        b.compare("olt", x, b.constant(math.inf)),
    )
    return b.opposite(normal)


def _at_the_ends(b: Emitter, x: Value, inside: Value) -> list[Value]:
    """Return the logarithm of zeros, negative numbers, infinity and NaN, else what is given."""
    zero, infinity = b.constant(0.0), b.constant(math.inf)
    out = b.select(b.compare("oeq", x, infinity), infinity, inside)
    out = b.select(b.compare("oge", x, zero), out, b.constant(math.nan))
    return [b.select(b.compare("oeq", x, zero), b.constant(-math.inf), out)]


def _lifted(b: Emitter, x: Value) -> Value:
    """Return ``2**54 x``, a normal number for subnormal x."""
    return b.mul(x, b.constant(2.0**54))


def _log(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, unusual(b, x), "log.slow", [x], _log_of(b, *split(b, x)))


def _log_slow(b: Emitter, x: Value) -> list[Value]:
    return _at_the_ends(b, x, _log_of(b, *split(b, _lifted(b, x), 54)))


def _log2(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, unusual(b, x), "log2.slow", [x], _log_to_base(b, x, *_BINARY))


def _log2_slow(b: Emitter, x: Value) -> list[Value]:
    return _at_the_ends(b, x, _log_to_base(b, _lifted(b, x), *_BINARY, 54))


def _log10(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, unusual(b, x), "log10.slow", [x], _log_to_base(b, x, *_DECIMAL))


def _log10_slow(b: Emitter, x: Value) -> list[Value]:
    return _at_the_ends(b, x, _log_to_base(b, _lifted(b, x), *_DECIMAL, 54))


def _log1p(b: Emitter, x: Value) -> list[Value]:
    inside = b.both(b.compare("ogt", x, b.constant(-1.0)), b.compare("olt", x, b.constant(math.inf)))
    value = b.copysign(log_of_sum(b, *two_sum(b, b.constant(1.0), x)), x)
    return rescue(b, b.opposite(inside), "log1p.slow", [x], value)


def _log1p_slow(b: Emitter, x: Value) -> list[Value]:
    return _at_the_ends(b, b.add(x, b.constant(1.0)), x)


def _when_huge(b: Emitter, a: Value, u: Value, c: Value) -> Value:
    """Return ``log(u + c)``, and ``log(2 a)`` where a is huge; a where it is infinite or NaN."""
    huge, zero = b.compare("ogt", a, b.constant(_HUGE)), b.constant(0.0)
    doublings = b.select(huge, b.constant(1.0), zero)
    out = log_of_sum(b, b.select(huge, a, u), b.select(huge, zero, c), doublings)
    return b.select(b.compare("olt", a, b.constant(math.inf)), out, a)


def _asinh(b: Emitter, x: Value) -> list[Value]:
    """``log(1 + t)``, t = |x| + (sqrt(1 + x**2) - 1), for |x|."""
    a, one = b.abs(x), b.constant(1.0)
    square = b.mul(a, a)
    excess = b.div(square, b.add(one, b.sqrt(b.add(one, square))))
    t, t_low = fast_two_sum(b, a, excess)
    u, c = two_sum(b, one, t)
    return [b.copysign(_when_huge(b, a, u, b.add(c, t_low)), x)]


def _acosh(b: Emitter, x: Value) -> list[Value]:
    """``log(x + sqrt(x**2 - 1))``, the square, the root and the sum with their rounding errors."""
    one = b.constant(1.0)
    square, square_low = two_product(b, x, x)
    below, below_low = fast_two_sum(b, square, b.neg(one))
    root = b.sqrt(below)
    product, product_low = two_product(b, root, root)
    rest = b.add(b.sub(b.sub(below, product), product_low), b.add(below_low, square_low))
    twice = b.select(b.compare("oeq", root, b.constant(0.0)), one, b.add(root, root))
    u, c = fast_two_sum(b, x, root)
    out = _when_huge(b, x, u, b.add(c, b.div(rest, twice)))
    return [b.select(b.compare("oge", x, one), out, b.constant(math.nan))]


def _atanh(b: Emitter, x: Value) -> list[Value]:
    """Half of ``log(1 + t)``, t = 2 |x| / (1 - |x|) with its rounding errors, for |x|."""
    a, one = b.abs(x), b.constant(1.0)
    above = b.add(a, a)
    below, below_low = fast_two_sum(b, one, b.neg(a))
    t = b.div(above, below)
    product, product_low = two_product(b, t, below)
    rest = b.sub(b.sub(b.sub(above, product), product_low), b.mul(t, below_low))
    u, c = two_sum(b, one, t)
    out = b.mul(b.constant(0.5), log_of_sum(b, u, b.add(c, b.div(rest, below))))
    end = b.select(b.compare("oeq", a, one), b.constant(math.inf), b.constant(math.nan))
    return [b.copysign(b.select(b.compare("olt", a, one), out, end), x)]


ROWS = {
    "log": Row(_log, needs=("log.slow",)),
    "log.slow": Row(_log_slow, slow=True),
    "log2": Row(_log2, needs=("log2.slow",)),
    "log2.slow": Row(_log2_slow, slow=True),
    "log10": Row(_log10, needs=("log10.slow",)),
    "log10.slow": Row(_log10_slow, slow=True),
    "log1p": Row(_log1p, needs=("log1p.slow",)),
    "log1p.slow": Row(_log1p_slow, slow=True),
    "asinh": Row(_asinh),
    "acosh": Row(_acosh),
    "atanh": Row(_atanh),
}
