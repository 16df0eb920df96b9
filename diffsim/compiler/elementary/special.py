"""Powers and roots, the length of a vector, the remainder, the error function."""

from __future__ import annotations

import math

from diffsim.compiler.elementary.exponential import exp_of_sum
from diffsim.compiler.elementary.logarithm import split, unusual
from diffsim.compiler.elementary.pieces import Row, fast_two_sum, polynomial, rescue, two_product
from diffsim.compiler.emitter import Emitter, Value

__all__ = ["ROWS"]

# SOURCE: fdlibm, __ieee754_pow (Sun Microsystems 1993): log(2) = high + low, k * high exact.
_LN2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
_TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)
# Remez, |s| <= 0.1716, z = s**2: |2 s + 2 s**3 / 3 + s**5 p(z) - log((1 + s) / (1 - s))| <= 2**-73.4 |2 s|.
_LOG = (
    float.fromhex("0x1.9999999999996p-2"),
    float.fromhex("0x1.2492492492f51p-2"),
    float.fromhex("0x1.c71c71c5968bep-3"),
    float.fromhex("0x1.745d18295a533p-3"),
    float.fromhex("0x1.3b1364c7c3f56p-3"),
    float.fromhex("0x1.11206f79b6eb7p-3"),
    float.fromhex("0x1.de3d623c48662p-4"),
    float.fromhex("0x1.eac6469348266p-4"),
)


def _log_parts(b: Emitter, x: Value) -> tuple[Value, Value]:
    """Return the logarithm of a positive normal number as a sum of two, right to about 2**-64 of it.

    With s = f / (2 + f), ``log(1 + f) = 2 s + 2 s**3 / 3 + s**5 p(s**2)``: s and the first two terms are sums of two.
    """
    k, f = split(b, x)
    below, below_low = fast_two_sum(b, b.constant(2.0), f)
    s = b.div(f, below)
    product, product_low = two_product(b, s, below)
    s_low = b.div(b.sub(b.sub(b.sub(f, product), product_low), b.mul(s, below_low)), below)
    z, z_low = two_product(b, s, s)
    z_low = b.fma(b.add(s, s), s_low, z_low)
    cube, cube_low = two_product(b, s, z)
    cube_low = b.fma(s, z_low, b.fma(s_low, z, cube_low))
    third, third_low = two_product(b, cube, b.constant(_TWO_THIRDS[0]))
    third_low = b.fma(cube_low, b.constant(_TWO_THIRDS[0]), b.fma(cube, b.constant(_TWO_THIRDS[1]), third_low))
    fifth = b.mul(b.mul(cube, z), polynomial(b, z, b.mul(z, z), _LOG))
    high, low1 = fast_two_sum(b, b.mul(k, b.constant(_LN2[0])), b.add(s, s))
    high, low2 = fast_two_sum(b, high, third)
    rest = b.add(third_low, b.fma(k, b.constant(_LN2[1]), b.add(s_low, s_low)))
    return fast_two_sum(b, high, b.add(fifth, b.add(rest, b.add(low1, low2))))


def _power(b: Emitter, x: Value, y: Value) -> list[Value]:
    """``exp(y log |x|)``, the product as a sum of two; the sign by the parity of y."""
    a = b.abs(x)
    log, log_low = _log_parts(b, a)
    high, low = two_product(b, y, log)
    out = exp_of_sum(b, high, b.fma(y, log_low, low))
    half = b.mul(y, b.constant(0.5))
    whole = b.compare("oeq", b.rint(y), y)
    odd = b.both(whole, b.compare("one", b.rint(half), half))
    signed = b.select(odd, b.neg(out), b.select(whole, out, b.constant(math.nan)))
    out = b.select(b.compare("olt", x, b.constant(0.0)), signed, out)
    bad = b.either(unusual(b, a), b.compare("ugt", b.abs(high), b.constant(708.0)))
    if not b.shape.fma:  # the product of parts overflows
        bad = b.either(bad, b.compare("ugt", b.abs(y), b.constant(2.0**990)))
    return rescue(b, bad, "power.slow", [x, y], out)


# Bits of the first guess of x**(-1/3): I(y) = 4/3 (1023 - shift) 2**52 - I(x) / 3, in units of 2**12.  The shift makes
# the largest relative error least, 3.5 %.
_ROOT_SHIFT = 0.05
_ROOT_BITS = 2.0**52 + (4.0 / 3.0) * (1023.0 - _ROOT_SHIFT) * 2.0**40 + 2.0**52 / 3.0
_ROOT_SERIES = (1.0 / 3.0, 2.0 / 9.0, 14.0 / 81.0)  # (1 - h)**(-1/3) = 1 + h / 3 + 2 h**2 / 9 + ...


def _cbrt_of(b: Emitter, a: Value) -> Value:
    """Return the cube root of a number between 2**-900 and 2**900.

    The exponent is divided by three in the mantissa of 2**52; two steps of fourth order give y = a**(-1/3), and one of
    Newton's mends c = a y**2 with the exact residual a - c**3.
    """
    scaled = b.real(b.integer("or", b.integer("lshr", b.bits(a), b.whole(12)), b.whole(0x433 << 52)))
    guess = b.fma(scaled, b.constant(-1.0 / 3.0), b.constant(_ROOT_BITS))
    y = b.real(b.integer("shl", b.bits(guess), b.whole(12)))
    for _ in range(2):
        h = b.fnma(b.mul(a, y), b.mul(y, y), b.constant(1.0))
        y = b.fma(b.mul(y, h), polynomial(b, h, b.mul(h, h), _ROOT_SERIES), y)
    square = b.mul(y, y)
    c = b.mul(a, square)
    c2, c2_low = two_product(b, c, c)
    c3, c3_low = two_product(b, c2, c)
    residual = b.fnma(c2_low, c, b.sub(b.sub(a, c3), c3_low))
    return b.fma(residual, b.mul(square, b.constant(1.0 / 3.0)), c)


def _cbrt(b: Emitter, x: Value) -> list[Value]:
    a = b.abs(x)
    usual = b.both(b.compare("oge", a, b.constant(2.0**-900)), b.compare("ole", a, b.constant(2.0**900)))
    return rescue(b, b.opposite(usual), "cbrt.slow", [x], b.copysign(_cbrt_of(b, a), x))


def _cbrt_slow(b: Emitter, x: Value) -> list[Value]:
    a = b.abs(x)
    large = b.compare("ogt", a, b.constant(1.0))
    factor = b.select(large, b.constant(2.0**-180), b.constant(2.0**240))
    back = b.select(large, b.constant(2.0**60), b.constant(2.0**-80))
    inside = b.both(b.compare("ogt", a, b.constant(0.0)), b.compare("olt", a, b.constant(math.inf)))
    out = b.copysign(b.mul(_cbrt_of(b, b.mul(a, factor)), back), x)
    return [b.select(inside, out, b.add(x, x))]


def _length(b: Emitter, x: Value, y: Value) -> tuple[Value, Value]:
    """Return the square of the length, and the length."""
    square = b.fma(x, x, b.mul(y, y))
    return square, b.sqrt(square)


def _hypot(b: Emitter, x: Value, y: Value) -> list[Value]:
    square, length = _length(b, x, y)
    usual = b.both(b.compare("oge", square, b.constant(2.0**-900)), b.compare("olt", square, b.constant(math.inf)))
    return rescue(b, b.opposite(usual), "hypot.slow", [x, y], length)


def _hypot_slow(b: Emitter, x: Value, y: Value) -> list[Value]:
    """Scale; infinite where one is infinite, even if the other is NaN."""
    infinity, limit = b.constant(math.inf), b.constant(1.0)
    x, y = b.abs(x), b.abs(y)
    large = b.either(b.compare("ogt", x, limit), b.compare("ogt", y, limit))
    factor = b.select(large, b.constant(2.0**-600), b.constant(2.0**600))
    back = b.select(large, b.constant(2.0**600), b.constant(2.0**-600))
    length = b.mul(_length(b, b.mul(x, factor), b.mul(y, factor))[1], back)
    infinite = b.either(b.compare("oeq", x, infinity), b.compare("oeq", y, infinity))
    return [b.select(infinite, infinity, length)]


def _with_sign_of(b: Emitter, rest: Value, y: Value) -> Value:
    """Return the remainder that is 0 or has the sign of y."""
    zero = b.constant(0.0)
    apart = b.differ(b.compare("olt", rest, zero), b.compare("olt", y, zero))
    moved = b.select(apart, b.add(rest, y), rest)
    return b.select(b.compare("oeq", rest, zero), b.copysign(zero, y), moved)


def _remainder(b: Emitter, x: Value, y: Value) -> list[Value]:
    """``x - q y`` with q = x / y cut to a whole number: exact by fma, even where q was rounded up."""
    if not b.shape.fma:
        return _remainder_slow(b, x, y)
    quotient = b.div(x, y)
    rest = b.fnma(b.trunc(quotient), y, x)
    small = b.compare("olt", b.abs(quotient), b.constant(2.0**52))
    usual = b.both(small, b.compare("olt", b.abs(y), b.constant(math.inf)))
    return rescue(b, b.opposite(usual), "remainder.slow", [x, y], _with_sign_of(b, rest, y))


def _remainder_slow(b: Emitter, x: Value, y: Value) -> list[Value]:
    return [_with_sign_of(b, b.each_lane("fmod", [x, y]), y)]


# Remez, |x| <= 1: |1 + p(x**2) - erf(x) / x| <= 2**-56.1 erf(x) / x.
_ERF = (
    float.fromhex("0x1.06eba8214db68p-3"),
    float.fromhex("-0x1.812746b0379b1p-2"),
    float.fromhex("0x1.ce2f21a040830p-4"),
    float.fromhex("-0x1.b82ce311eba52p-6"),
    float.fromhex("0x1.565bccf797d04p-8"),
    float.fromhex("-0x1.c02db009f007bp-11"),
    float.fromhex("0x1.f9a2b66055106p-14"),
    float.fromhex("-0x1.f4ca1223ef037p-17"),
    float.fromhex("0x1.b97dbce8ef712p-20"),
    float.fromhex("-0x1.5bfb50d7de862p-23"),
    float.fromhex("0x1.d6ce9f79164d6p-27"),
    float.fromhex("-0x1.aad7a5e6e152fp-31"),
)
# Remez, 1 <= x <= 6, t = (x - 2) / (x + 2): |p(t) - exp(x**2) erfc(x)| <= 2**-55.1 exp(x**2).
_ERFC = (
    float.fromhex("0x1.058671b52c78ep-2"),
    float.fromhex("-0x1.b57034efd3e61p-2"),
    float.fromhex("0x1.eeea7dc89ae4ep-3"),
    float.fromhex("-0x1.437f0b6a33f1ap-4"),
    float.fromhex("0x1.e94716780f8bdp-9"),
    float.fromhex("0x1.ca95f96bd48d6p-8"),
    float.fromhex("-0x1.bc24910d1b5fdp-11"),
    float.fromhex("-0x1.0170b087c72dbp-10"),
    float.fromhex("0x1.6910cfcf95176p-15"),
    float.fromhex("0x1.6d1835a639b72p-13"),
    float.fromhex("0x1.12f99ef0c205ep-15"),
    float.fromhex("-0x1.8f2e98cddf485p-17"),
)


def _erf(b: Emitter, x: Value) -> list[Value]:
    """``x + x p(x**2)`` up to 1; then ``1 - exp(-x**2) p(t)``, t = (x - 2) / (x + 2); 1 to the last bit from 6 on."""
    a, one, two = b.abs(x), b.constant(1.0), b.constant(2.0)
    z = b.mul(a, a)
    near = b.fma(a, polynomial(b, z, b.mul(z, z), _ERF), a)
    a = b.select(b.compare("ogt", a, b.constant(6.0)), b.constant(6.0), a)
    t = b.div(b.sub(a, two), b.add(a, two))
    rest = b.mul(exp_of_sum(b, b.neg(b.mul(a, a))), polynomial(b, t, b.mul(t, t), _ERFC))
    out = b.select(b.compare("olt", a, one), near, b.sub(one, rest))
    return [b.copysign(out, x)]


ROWS = {
    "power": Row(_power, arity=2, needs=("power.slow",)),
    "power.slow": Row(lambda b, x, y: [b.each_lane("pow", [x, y])], arity=2, slow=True),
    "cbrt": Row(_cbrt, needs=("cbrt.slow",)),
    "cbrt.slow": Row(_cbrt_slow, slow=True),
    "hypot": Row(_hypot, arity=2, needs=("hypot.slow",)),
    "hypot.slow": Row(_hypot_slow, arity=2, slow=True),
    "remainder": Row(_remainder, arity=2, needs=("remainder.slow",)),
    "remainder.slow": Row(_remainder_slow, arity=2, slow=True),
    "erf": Row(_erf),
}
