"""Inverse sine, cosine and tangent."""

from __future__ import annotations

import math

from diffsim.compiler.elementary.pieces import Row, fast_two_sum, polynomial, rescue
from diffsim.compiler.emitter import Emitter, Value

__all__ = ["ROWS"]

_HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
_PI = (3.141592653589793, 1.2246467991473532e-16)
# pi / 4 as a sum of two, the first of 50 bits: three times it is exact.
_QUARTER_PI = (float.fromhex("0x1.921fb54442d18p-1"), float.fromhex("0x1.1a62633145c07p-55"))
# Remez, 0 <= z <= 1/4: |1 + z p(z) - asin(sqrt(z)) / sqrt(z)| <= 2**-59.8.
_ASIN = (
    float.fromhex("0x1.5555555555578p-3"),
    float.fromhex("0x1.333333332df17p-4"),
    float.fromhex("0x1.6db6db722b55ap-5"),
    float.fromhex("0x1.f1c71a8ba26a5p-6"),
    float.fromhex("0x1.6e8bdfe5f2b5bp-6"),
    float.fromhex("0x1.1c49de0d9fdaep-6"),
    float.fromhex("0x1.ca214318f735cp-7"),
    float.fromhex("0x1.75779790b732fp-7"),
    float.fromhex("0x1.618a7c3c86e1fp-7"),
    float.fromhex("0x1.e15f2c2adc47ep-9"),
    float.fromhex("0x1.6500becb6dc96p-6"),
    float.fromhex("-0x1.59f4a2fb7109fp-6"),
    float.fromhex("0x1.0be3c918f01ccp-5"),
)
# Remez, 0 <= z <= 1/4: |1 + z p(z) - atan(sqrt(z)) / sqrt(z)| <= 2**-57.8.
_ATAN = (
    float.fromhex("-0x1.5555555555518p-2"),
    float.fromhex("0x1.99999999914acp-3"),
    float.fromhex("-0x1.249249216e744p-3"),
    float.fromhex("0x1.c71c7095f79a6p-4"),
    float.fromhex("-0x1.745cf53e9a1a4p-4"),
    float.fromhex("0x1.3b11443ce36a1p-4"),
    float.fromhex("-0x1.10f35c4d2ef9bp-4"),
    float.fromhex("0x1.dfec78a1ff8e9p-5"),
    float.fromhex("-0x1.a3a4d6e798e3fp-5"),
    float.fromhex("0x1.57166b6598b5cp-5"),
    float.fromhex("-0x1.c1e2280062d6ep-6"),
    float.fromhex("0x1.4c058dd563847p-7"),
)
_TINY = 2.0**-960


def _asin_parts(b: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """Return where |x| >= 1/2, and s and y with ``asin(s) = s + y``: s = |x|, or sqrt((1 - |x|) / 2) there."""
    a, half = b.abs(x), b.constant(0.5)
    large = b.compare("oge", a, half)
    z = b.select(large, b.mul(b.sub(b.constant(1.0), a), half), b.mul(a, a))
    s = b.select(large, b.sqrt(z), a)
    return large, s, b.mul(b.mul(s, z), polynomial(b, z, b.mul(z, z), _ASIN))


def _asin(b: Emitter, x: Value) -> list[Value]:
    """``asin(s)``, or ``pi / 2 - 2 asin(s)``, for |x|."""
    large, s, y = _asin_parts(b, x)
    minus_two, zero = b.constant(-2.0), b.constant(0.0)
    base, base_low = (b.select(large, b.constant(part), zero) for part in _HALF_PI)
    s, y = b.select(large, b.mul(s, minus_two), s), b.select(large, b.mul(y, minus_two), y)
    high, low = fast_two_sum(b, base, s)
    return [b.copysign(b.add(high, b.add(low, b.add(base_low, y))), x)]


def _acos(b: Emitter, x: Value) -> list[Value]:
    """``pi / 2 - asin(x)``; ``2 asin(s)`` or ``pi - 2 asin(s)`` where |x| is large."""
    large, s, y = _asin_parts(b, x)
    negative, zero = b.compare("olt", x, b.constant(0.0)), b.constant(0.0)
    base, base_low = (
        b.select(large, b.select(negative, b.constant(whole), zero), b.constant(half))
        for whole, half in zip(_PI, _HALF_PI, strict=True)
    )
    # asin(s) is taken away, or added where exactly one of `large` and `negative` holds.
    factor = b.select(large, b.constant(2.0), b.constant(1.0))
    factor = b.select(b.differ(large, negative), factor, b.neg(factor))
    high, low = fast_two_sum(b, base, b.mul(s, factor))
    return [b.add(high, b.fma(y, factor, b.add(low, base_low)))]


def _angle(b: Emitter, above: Value, below: Value, x: Value) -> Value:
    """Return the angle between 0 and pi whose tangent is ``above / below``, both >= 0, with the sign of x.

    The quotient t is ``n / d`` up to 1/2, then ``(n - d) / (n + d)``, from 2 on ``-d / n``; the angle is m pi / 4 +
    atan(t).  Where x is negative it is pi less the angle of |x|.
    """
    is_low = b.compare("ole", above, b.mul(below, b.constant(0.5)))
    is_high = b.compare("ogt", above, b.add(below, below))
    n = b.select(is_low, above, b.select(is_high, b.neg(below), b.sub(above, below)))
    d = b.select(is_low, below, b.select(is_high, above, b.add(above, below)))
    t = b.div(n, d)
    m = b.select(is_low, b.constant(0.0), b.select(is_high, b.constant(2.0), b.constant(1.0)))
    left = b.integer_compare("slt", b.bits(x), b.whole(0))
    m = b.select(left, b.sub(b.constant(4.0), m), m)
    t = b.select(left, b.neg(t), t)
    z = b.mul(t, t)
    y = b.mul(b.mul(t, z), polynomial(b, z, b.mul(z, z), _ATAN))
    high, low = fast_two_sum(b, b.mul(m, b.constant(_QUARTER_PI[0])), t)
    return b.add(high, b.add(low, b.fma(m, b.constant(_QUARTER_PI[1]), y)))


def _atan(b: Emitter, x: Value) -> list[Value]:
    a, one = b.abs(x), b.constant(1.0)
    return [b.copysign(_angle(b, a, one, one), x)]


def _atan2(b: Emitter, y: Value, x: Value) -> list[Value]:
    n, d = b.abs(y), b.abs(x)
    total = b.add(n, d)
    usual = b.both(b.compare("oge", total, b.constant(_TINY)), b.compare("olt", total, b.constant(math.inf)))
    return rescue(b, b.opposite(usual), "atan2.slow", [y, x], b.copysign(_angle(b, n, d, x), y))


def _atan2_slow(b: Emitter, y: Value, x: Value) -> list[Value]:
    """Serve zeros, infinities, NaN and the ends of the range: scale, and replace 0 / 0 and the like by what C has."""
    n, d = b.abs(y), b.abs(x)
    zero, one, infinity = b.constant(0.0), b.constant(1.0), b.constant(math.inf)
    huge = b.either(b.compare("oge", n, b.constant(1.0)), b.compare("oge", d, b.constant(1.0)))
    factor = b.select(huge, b.constant(2.0**-2), b.constant(2.0**100))
    scaled_n, scaled_d = b.mul(n, factor), b.mul(d, factor)
    n_ends, d_ends = b.compare("oeq", n, infinity), b.compare("oeq", d, infinity)
    ends = b.either(n_ends, d_ends)
    scaled_n = b.select(ends, b.select(n_ends, one, zero), scaled_n)
    scaled_d = b.select(ends, b.select(d_ends, one, zero), scaled_d)
    origin = b.both(b.compare("oeq", n, zero), b.compare("oeq", d, zero))
    angle = _angle(b, scaled_n, b.select(origin, one, scaled_d), x)
    angle = b.copysign(angle, y)
    return [b.select(b.compare("uno", n, d), b.add(n, d), angle)]


ROWS = {
    "asin": Row(_asin),
    "acos": Row(_acos),
    "atan": Row(_atan),
    "atan2": Row(_atan2, arity=2, needs=("atan2.slow",)),
    "atan2.slow": Row(_atan2_slow, arity=2, slow=True),
}
