"""Angles modulo pi / 2: ``x = k pi / 2 + r - t``, |r| <= pi / 4, t about half a last place of r.

r - t has at least 60 right bits for every double, those next to a multiple of pi / 2 included.
"""

from __future__ import annotations

import functools
import math

from diffsim.compiler.elementary.pieces import MAGIC, fast_two_sum, nearest_whole, two_product, two_sum
from diffsim.compiler.emitter import Emitter, Value

__all__ = ["is_far", "reduce_far", "reduce_near"]

_TWO_OVER_PI = 0.6366197723675814
# pi / 2 in parts of 53 bits, for exact products by fma.
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)
# SOURCE: fdlibm, __ieee754_rem_pio2 (Sun Microsystems 1993): pi / 2 in parts of 33 bits, whose products with k < 2**20
# are exact without fma, and what remains.
_HALF_PI_33 = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624871116645580e-21)
_HALF_PI_REST = 8.47842766036889956997e-32
# The first 1200 bits of 2 / pi.
_BITS = int(
    "A2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561B7246E3A424"
    "DD2E006492EEA09D1921CFE1DEB1CB129A73EE88235F52EBB4484E99C7026B45F7E413991D6"
    "39835339F49C845F8BBDF9283B1FF897FFDE05980FEF2F118B5A0A6D1F6D367ECF27CB09B74"
    "F463F669E5FEA2D7527BAC7EBE5F17B3D0739F78A5292EA6BFB5FB11F8D5D0856033046FC7B",
    16,
)
_WINDOW = 24  # bits of the exponent that one row of the table serves


def is_far(b: Emitter, x: Value) -> Value:
    """Where `reduce_near` does not serve: at large angles, infinities and NaN."""
    return b.compare("ugt", b.abs(x), b.constant(2.0**30 if b.shape.fma else 1e6))


def reduce_near(b: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """Return r, t and bits that end with k, of an angle that is not far.

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


def reduce_far(b: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """`reduce_near` for far angles, NaN for infinities and NaN: Payne and Hanek's method in floating point.

    With x = 2**(24 j) m, 1 <= m < 2**24, the quarter turns are ``m (2**(24 j) 2 / pi modulo 2**54)`` up to multiples of
    4, since m is a multiple of 2**-52.  j chooses a row of four numbers; the products are sums of two numbers each,
    taken modulo 4 where they are large; their sum is exact but for the last parts.

    Reference: M. Payne and R. Hanek, Radian reduction for trigonometric functions, SIGNUM Newsletter 18 (1983) 19-24.
    """
    served = b.both(is_far(b, x), b.compare("olt", b.abs(x), b.constant(math.inf)))
    y = b.select(served, x, b.constant(2.0**40))
    exponent = b.integer("sub", b.integer("lshr", b.bits(b.abs(y)), b.whole(52)), b.whole(1023))
    # 43691 / 2**20 is 1 / 24 closely enough for exponents below 1024.
    j = b.integer("lshr", b.integer("mul", exponent, b.whole(43691)), b.whole(20))
    m = b.real(b.integer("sub", b.bits(y), b.integer("shl", b.integer("mul", j, b.whole(_WINDOW)), b.whole(52))))
    rows = [b.lookup(f"ds.two_over_pi.{i}", column, j) for i, column in enumerate(_table())]
    parts = [part for row in rows[:3] for part in two_product(b, m, row)]
    whole, rest = _modulo_four(b, parts[0]), []
    for part in [_modulo_four(b, part) for part in parts[1:4]]:
        whole, error = two_sum(b, whole, part)
        rest.append(error)
    k = b.rint(whole)
    turns = [b.sub(whole, k), *rest, *parts[4:], b.mul(m, rows[3])]
    total, errors = turns.pop(), []
    while turns:
        total, error = two_sum(b, turns.pop(), total)
        errors.append(error)
    low = functools.reduce(b.add, errors)
    r, r_low = two_product(b, total, b.constant(_HALF_PI[0]))
    r_low = b.fma(total, b.constant(_HALF_PI[1]), b.fma(low, b.constant(_HALF_PI[0]), r_low))
    r, r_low = fast_two_sum(b, r, r_low)
    return b.select(served, r, b.constant(math.nan)), b.neg(r_low), b.bits(b.add(k, b.constant(MAGIC)))


def _modulo_four(b: Emitter, x: Value) -> Value:
    """Return x less the nearest multiple of 4, exactly."""
    return b.sub(x, b.mul(b.rint(b.mul(x, b.constant(0.25))), b.constant(4.0)))


@functools.cache
def _table() -> tuple[tuple[float, ...], ...]:
    """Return, for j = 0, 1, ..., ``2**(24 j) 2 / pi`` modulo 2**54 as a sum of four numbers: one column for each."""
    rows = []
    for j in range(1024 // _WINDOW + 1):
        rest = (_BITS << (_WINDOW * j)) % (1 << 1254) >> 954  # in units of 2**-246: 300 bits
        row = []
        for _ in range(4):
            part = float(rest)
            rest -= int(part)
            row.append(math.ldexp(part, -246))
        rows.append(tuple(row))
    return tuple(zip(*rows, strict=True))
