"""Exponentials: ``exp(x) = 2**k exp(r)``, |r| <= log(2) / 2, and what is made of them.

The hyperbolic functions share the reduction: with P = 2**(k-1) + 2**(-k-1) and M = 2**(k-1) - 2**(-k-1),
``sinh(x) = M cosh(r) + P sinh(r)`` and ``cosh(x) = P cosh(r) + M sinh(r)``.
"""

from __future__ import annotations

import math

from diffsim.compiler.elementary.logarithm import log_of_sum
from diffsim.compiler.elementary.pieces import (
    Row,
    fast_two_sum,
    nearest_whole,
    polynomial,
    power_of_two,
    quotient,
    rescue,
    two_product,
)
from diffsim.compiler.emitter import Emitter, Value

__all__ = ["ROWS", "exp_of_sum"]

# SOURCE: fdlibm, __ieee754_exp (Sun Microsystems 1993): log(2) = high + low, k * high exact for |k| < 2**20.
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
# log(2) to twice the digits, each part rounded.
_LN2 = 0.6931471805599453
_LN2_REST = 2.3190468138462996e-17
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
# Remez, |x| <= 0.3467, z = x**2: |1 + z p(z) - cosh(x)| <= 2**-58.0, |x + x z p(z) - sinh(x)| <= 2**-61.6 |x|.
_COSH = (
    float.fromhex("0x1.000000000000bp-1"),
    float.fromhex("0x1.5555555550254p-5"),
    float.fromhex("0x1.6c16c185430bdp-10"),
    float.fromhex("0x1.a0199780687fcp-16"),
    float.fromhex("0x1.28af8627adb6fp-22"),
)
_SINH = (
    float.fromhex("0x1.5555555555559p-3"),
    float.fromhex("0x1.111111110f62ap-7"),
    float.fromhex("0x1.a01a01b0204dcp-13"),
    float.fromhex("0x1.71ddf7afee79dp-19"),
    float.fromhex("0x1.af5ff36b77da8p-26"),
)
_LARGE = 708.0  # between -708 and 708 every intermediate and the result are normal numbers


def _reduce(b: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """Return r, its tail and bits that end with k, where ``x = k log(2) + r + tail``."""
    k, q = nearest_whole(b, x, 1.0 / math.log(2.0))
    high = b.fnma(k, b.constant(_LN2_HIGH), x)
    low = b.mul(k, b.constant(_LN2_LOW))
    r = b.sub(high, low)
    return r, b.sub(b.sub(high, r), low), q


def _reduce_binary(b: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """Return r, its tail and bits that end with k, where ``x log(2) = k log(2) + r + tail``."""
    k, q = nearest_whole(b, x, 1.0)
    fraction = b.sub(x, k)
    r, tail = two_product(b, fraction, b.constant(_LN2))
    return r, b.fma(fraction, b.constant(_LN2_REST), tail), q


def _rest(b: Emitter, r: Value, tail: Value) -> Value:
    """Return ``exp(r + tail) - 1 - r``."""
    r2 = b.mul(r, r)
    return b.fma(r2, polynomial(b, r, r2, _EXP), tail)


def _once(b: Emitter, r: Value, tail: Value, q: Value) -> Value:
    """Return ``2**k exp(r + tail)`` where that is a normal number."""
    y = b.add(b.constant(1.0), b.add(r, _rest(b, r, tail)))
    return b.real(b.integer("add", b.bits(y), b.integer("shl", q, b.whole(52))))


def _twice(b: Emitter, r: Value, tail: Value, q: Value, shift: int = 0) -> Value:
    """Return ``2**(k + shift) exp(r + tail)``: scaled in two steps, the first exact, for -2000 < k < 2000."""
    y = b.add(b.constant(1.0), b.add(r, _rest(b, r, tail)))
    k = b.integer("ashr", b.integer("shl", q, b.whole(32)), b.whole(32))
    k = b.integer("add", k, b.whole(shift))
    half = b.integer("ashr", k, b.whole(1))
    return b.mul(b.mul(y, power_of_two(b, half)), power_of_two(b, b.integer("sub", k, half)))


def _scale(b: Emitter, q: Value, shift: int = 0) -> Value:
    """Return ``2**(k + shift)`` for bits that end with k."""
    return b.real(b.integer("add", b.integer("shl", q, b.whole(52)), b.whole((1023 + shift) << 52)))


def _limit(b: Emitter, x: Value, low: float, high: float) -> Value:
    """Return x between two bounds, NaN where it is NaN."""
    x = b.select(b.compare("ogt", x, b.constant(high)), b.constant(high), x)
    return b.select(b.compare("olt", x, b.constant(low)), b.constant(low), x)


def _too_large(b: Emitter, x: Value) -> Value:
    return b.compare("ugt", b.abs(x), b.constant(_LARGE))


def exp_of_sum(b: Emitter, high: Value, low: Value | None = None) -> Value:
    """Return ``exp(high + low)``, low below a last place or so of high, |high| <= 708."""
    r, tail, q = _reduce(b, high)
    return _once(b, *((r, tail) if low is None else fast_two_sum(b, r, b.add(tail, low))), q)


def _exp(b: Emitter, x: Value) -> list[Value]:
    return rescue(b, _too_large(b, x), "exp.slow", [x], _once(b, *_reduce(b, x)))


def _exp_slow(b: Emitter, x: Value) -> list[Value]:
    return [_twice(b, *_reduce(b, _limit(b, x, -750.0, 712.0)))]


def _exp2(b: Emitter, x: Value) -> list[Value]:
    bad = b.compare("ugt", b.abs(x), b.constant(1021.0))
    return rescue(b, bad, "exp2.slow", [x], _once(b, *_reduce_binary(b, x)))


def _exp2_slow(b: Emitter, x: Value) -> list[Value]:
    return [_twice(b, *_reduce_binary(b, _limit(b, x, -1080.0, 1026.0)))]


def _expm1_parts(b: Emitter, x: Value) -> tuple[Value, Value]:
    """Return ``exp(x) - 1`` as a sum of two: ``(s - 1) + s r`` with s = 2**k, and what remains."""
    r, tail, q = _reduce(b, x)
    s = _scale(b, q)
    below = b.sub(s, b.constant(1.0))
    high = b.fma(s, r, below)
    return high, b.fma(s, _rest(b, r, tail), b.fma(s, r, b.sub(below, high)))


def _expm1(b: Emitter, x: Value) -> list[Value]:
    value = b.copysign(b.add(*_expm1_parts(b, x)), x)
    return rescue(b, _too_large(b, x), "expm1.slow", [x], value)


def _expm1_slow(b: Emitter, x: Value) -> list[Value]:
    return [b.sub(_exp_slow(b, x)[0], b.constant(1.0))]


def _hyperbolic(b: Emitter, x: Value) -> tuple[Value, Value, Value, Value, Value]:
    """Return P, M, r, ``cosh(r) - 1`` and ``sinh(r) - r`` of |x|."""
    r, tail, q = _reduce(b, b.abs(x))
    z = b.mul(r, r)
    z2 = b.mul(z, z)
    up = _scale(b, q, -1)
    down = _scale(b, b.integer("sub", b.whole(0), q), -1)
    cosh = b.fma(z, polynomial(b, z, z2, _COSH), b.mul(r, tail))
    sinh = b.fma(b.mul(r, z), polynomial(b, z, z2, _SINH), tail)
    return b.add(up, down), b.sub(up, down), r, cosh, sinh


def _sinh(b: Emitter, x: Value) -> list[Value]:
    p, m, r, cosh, sinh = _hyperbolic(b, x)
    high = b.fma(p, r, m)
    low = b.fma(m, cosh, b.fma(p, sinh, b.fma(p, r, b.sub(m, high))))
    return rescue(b, _too_large(b, x), "sinh.slow", [x], b.copysign(b.add(high, low), x))


def _cosh(b: Emitter, x: Value) -> list[Value]:
    p, m, r, cosh, sinh = _hyperbolic(b, x)
    high = b.fma(m, r, p)
    low = b.fma(p, cosh, b.fma(m, sinh, b.fma(m, r, b.sub(p, high))))
    return rescue(b, _too_large(b, x), "cosh.slow", [x], b.add(high, low))


def _cosh_slow(b: Emitter, x: Value) -> list[Value]:
    """Serve |x| > 708, where ``cosh(x) = exp(|x|) / 2``."""
    return [_twice(b, *_reduce(b, _limit(b, b.abs(x), 0.0, 712.0)), shift=-1)]


def _sinh_slow(b: Emitter, x: Value) -> list[Value]:
    return [b.copysign(_cosh_slow(b, x)[0], x)]


def _tanh(b: Emitter, x: Value) -> list[Value]:
    """``tanh(x) = e / (e + 2)`` with e = expm1(2 |x|); it is 1 to the last bit from |x| = 20 on."""
    a = b.abs(x)
    a = b.select(b.compare("ogt", a, b.constant(20.0)), b.constant(20.0), a)
    e, e_low = fast_two_sum(b, *_expm1_parts(b, b.add(a, a)))
    below, below_low = fast_two_sum(b, b.constant(2.0), e)
    return [b.copysign(quotient(b, e, e_low, below, b.add(below_low, e_low)), x)]


def _sigmoid(b: Emitter, x: Value) -> list[Value]:
    """``1 / (1 + exp(-|x|))`` or, for negative x, ``exp(-|x|) / (1 + exp(-|x|))``."""
    one = b.constant(1.0)
    e = _once(b, *_reduce(b, b.neg(b.abs(x))))
    above = b.select(b.compare("oge", x, b.constant(0.0)), one, e)
    value = quotient(b, above, b.constant(0.0), *fast_two_sum(b, one, e))
    return rescue(b, _too_large(b, x), "sigmoid.slow", [x], value)


def _sigmoid_slow(b: Emitter, x: Value) -> list[Value]:
    return [_exp_slow(b, _limit(b, x, -750.0, 0.0))[0]]


def _softplus(b: Emitter, x: Value) -> list[Value]:
    """``max(x, 0) + log(1 + exp(-|x|))``."""
    e = _once(b, *_reduce(b, b.neg(b.abs(x))))
    log = log_of_sum(b, *fast_two_sum(b, b.constant(1.0), e))
    positive = b.select(b.compare("ogt", x, b.constant(0.0)), x, b.constant(0.0))
    return rescue(b, _too_large(b, x), "softplus.slow", [x], b.add(positive, log))


def _softplus_slow(b: Emitter, x: Value) -> list[Value]:
    return [b.select(b.compare("ogt", x, b.constant(0.0)), x, _exp_slow(b, x)[0])]


ROWS = {
    "exp": Row(_exp, needs=("exp.slow",)),
    "exp.slow": Row(_exp_slow, slow=True),
    "exp2": Row(_exp2, needs=("exp2.slow",)),
    "exp2.slow": Row(_exp2_slow, slow=True),
    "expm1": Row(_expm1, needs=("expm1.slow",)),
    "expm1.slow": Row(_expm1_slow, slow=True),
    "sinh": Row(_sinh, needs=("sinh.slow",)),
    "sinh.slow": Row(_sinh_slow, slow=True),
    "cosh": Row(_cosh, needs=("cosh.slow",)),
    "cosh.slow": Row(_cosh_slow, slow=True),
    "tanh": Row(_tanh),
    "sigmoid": Row(_sigmoid, needs=("sigmoid.slow",)),
    "sigmoid.slow": Row(_sigmoid_slow, slow=True),
    "softplus": Row(_softplus, needs=("softplus.slow",)),
    "softplus.slow": Row(_softplus_slow, slow=True),
}
