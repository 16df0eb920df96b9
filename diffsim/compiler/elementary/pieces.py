"""Pieces of the elementary functions: polynomials, sums and products with their rounding errors, powers of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from diffsim.compiler.emitter import Emitter, Shape, Value

__all__ = [
    "MAGIC",
    "SMALLEST_NORMAL",
    "Body",
    "Row",
    "fast_two_sum",
    "nearest_whole",
    "polynomial",
    "power_of_two",
    "quotient",
    "rescue",
    "symbol",
    "two_product",
    "two_sum",
]

Body: TypeAlias = Callable[..., list[Value]]  # (emitter, *arguments) -> results

MAGIC = 1.5 * 2.0**52  # x + MAGIC has the nearest whole number to x in its low bits, in two's complement
SMALLEST_NORMAL = 2.0**-1022


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One function: how its body is written, for 64 bits.

    Attributes
    ----------
    body : callable
        ``(emitter, *arguments) -> results``.
    arity, n_results : int
    needs : tuple of str
        The functions that it calls.
    slow : bool
        Whether it is the way out of another function for rare arguments; such a function is never inlined.
    """

    body: Body
    arity: int = 1
    n_results: int = 1
    needs: tuple[str, ...] = ()
    slow: bool = False


def symbol(name: str, shape: Shape) -> str:
    """Return the name of a function in a module.

    >>> symbol("sin", Shape(lanes=8))
    'ds.sin.v8f64'
    """
    return f"ds.{name}.{shape.suffix}"


def rescue(b: Emitter, bad: Value, name: str, args: Sequence[Value], *fast: Value) -> list[Value]:
    """Return the fast results, and in the lanes of the mask `bad` those of the slow function `name`."""
    with b.rarely(b.any(bad), *fast) as merged:
        slow = b.call(symbol(name, b.shape), args, len(fast))
        merged += [b.select(bad, new, old) for new, old in zip(slow, fast, strict=True)]
    return merged


def polynomial(b: Emitter, x: Value, x2: Value, coefficients: Sequence[float]) -> Value:
    """Return ``c[0] + c[1] x + c[2] x**2 + ...`` given x and x**2.

    Pairs of terms first, pairs of pairs where there are many, then Horner: chains are short for one product more.
    """
    terms = [b.constant(k) for k in coefficients]
    terms = _in_pairs(b, x, terms)
    step = x2
    if len(terms) > 4:
        terms, step = _in_pairs(b, x2, terms), b.mul(x2, x2)
    out = terms.pop()
    while terms:
        out = b.fma(out, step, terms.pop())
    return out


def _in_pairs(b: Emitter, x: Value, terms: list[Value]) -> list[Value]:
    return [b.fma(terms[i + 1], x, terms[i]) if i + 1 < len(terms) else terms[i] for i in range(0, len(terms), 2)]


def two_sum(b: Emitter, x: Value, y: Value) -> tuple[Value, Value]:
    """Return s, e with s = x + y rounded and s + e = x + y exactly (Knuth)."""
    s = b.add(x, y)
    t = b.sub(s, x)
    return s, b.add(b.sub(x, b.sub(s, t)), b.sub(y, t))


def fast_two_sum(b: Emitter, x: Value, y: Value) -> tuple[Value, Value]:
    """`two_sum` where |x| >= |y|, or x is a multiple of the last place of y (Dekker)."""
    s = b.add(x, y)
    return s, b.sub(y, b.sub(s, x))


def two_product(b: Emitter, x: Value, y: Value) -> tuple[Value, Value]:
    """Return p, e with p = x * y rounded and p + e = x * y exactly, as long as nothing underflows."""
    p = b.mul(x, y)
    if b.shape.fma:
        return p, b.fms(x, y, p)
    xh, xl = _halves(b, x)
    yh, yl = _halves(b, y)
    e = b.add(b.add(b.sub(b.mul(xh, yh), p), b.mul(xh, yl)), b.mul(xl, yh))
    return p, b.add(e, b.mul(xl, yl))


def quotient(b: Emitter, n: Value, n_low: Value, d: Value, d_low: Value) -> Value:
    """Return ``(n + n_low) / (d + d_low)``, hardly worse than rounded once, with one division.

    NOTE: what is too much is taken away, so that -0 / 1 is -0.
    """
    reciprocal = b.div(b.constant(1.0), d)
    q = b.mul(n, reciprocal)
    product, error = two_product(b, q, d)
    excess = b.add(b.add(b.sub(product, n), error), b.sub(b.mul(q, d_low), n_low))
    return b.fnma(excess, reciprocal, q)


def _halves(b: Emitter, x: Value) -> tuple[Value, Value]:
    """Return x in two parts of 26 bits (Veltkamp)."""
    t = b.mul(x, b.constant(2.0**27 + 1.0))
    high = b.sub(t, b.sub(t, x))
    return high, b.sub(x, high)


def nearest_whole(b: Emitter, x: Value, factor: float) -> tuple[Value, Value]:
    """Return the whole number nearest to ``x * factor``, for less than 2**51, and bits that end with it."""
    shifted = b.fma(x, b.constant(factor), b.constant(MAGIC))
    return b.sub(shifted, b.constant(MAGIC)), b.bits(shifted)


def power_of_two(b: Emitter, k: Value) -> Value:
    """Return 2**k for an integer -1022 <= k <= 1023."""
    return b.real(b.integer("shl", b.integer("add", k, b.whole(1023)), b.whole(52)))
