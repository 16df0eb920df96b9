"""The compiled elementary functions against mpmath: accuracy over the whole range, special values, every width.

One file, longer than its neighbours, because the harness (functions over arrays, the error in units of the last place,
the table of oracles and of points) serves every test.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim.compiler import engine
from diffsim.compiler.elementary import FUNCTIONS, definitions, symbol
from diffsim.compiler.emitter import Shape
from diffsim.errors import ArgumentError

pytestmark = pytest.mark.skipif(not engine.available(), reason="needs llvmlite")

mp = mpmath.mp.clone()
mp.prec = 160
LARGEST = np.finfo(float).max
TINY = 5e-324
INF, NAN = math.inf, math.nan
HALF_PI = np.longdouble(math.pi / 2) + np.longdouble(6.123233995736766e-17)


# --- functions over arrays -------------------------------------------------------------------------------------------


def kernel_text(name: str, shape: Shape, inline: bool) -> str:
    """Return a module with ``apply(n, arguments ..., results ...)``."""
    arity, n_results = FUNCTIONS[name]
    text, used = definitions([name], shape, inline)
    real, scalar = shape.real, shape.scalar
    pointers = [f"ptr %a{i}" for i in range(arity)] + [f"ptr %b{i}" for i in range(n_results)]
    lines = [
        f"define void @apply(i64 %n, {', '.join(pointers)}) {{",
        "entry:",
        "br label %loop",
        "loop:",
        "%i = phi i64 [ 0, %entry ], [ %next, %loop ]",
    ]
    for i in range(arity):
        lines.append(f"%p{i} = getelementptr {scalar}, ptr %a{i}, i64 %i")
        lines.append(f"%x{i} = load {real}, ptr %p{i}, align {shape.bits // 8}")
    given = ", ".join(f"{real} %x{i}" for i in range(arity))
    kind = real if n_results == 1 else "{ " + ", ".join([real] * n_results) + " }"
    lines.append(f"%found = call {kind} @{symbol(name, shape)}({given})")
    for i in range(n_results):
        part = "%found"
        if n_results > 1:
            part = f"%part{i}"
            lines.append(f"{part} = extractvalue {kind} %found, {i}")
        lines.append(f"%q{i} = getelementptr {scalar}, ptr %b{i}, i64 %i")
        lines.append(f"store {real} {part}, ptr %q{i}, align {shape.bits // 8}")
    lines += [f"%next = add i64 %i, {shape.lanes}", "%more = icmp ult i64 %next, %n"]
    lines += ["br i1 %more, label %loop, label %done", "done:", "ret void", "}"]
    return "\n".join(['!0 = !{!"branch_weights", i32 1, i32 100000}', *sorted(used), text, *lines])


@functools.cache
def compiled(name: str, shape: Shape, inline: bool = True) -> Callable[..., np.ndarray]:
    """Return the function over arrays; it answers with shape (n_results, n)."""
    library = engine.load(engine.compile_text(kernel_text(name, shape, inline)))
    arity, n_results = FUNCTIONS[name]
    pointers = [ctypes.c_void_p] * (arity + n_results)
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64, *pointers)(library.address("apply"))
    dtype = np.float64 if shape.bits == 64 else np.float32

    def over_arrays(*arrays: Any) -> np.ndarray:
        n = len(arrays[0])
        padded = np.ones((arity, -(-n // shape.lanes) * shape.lanes), dtype)
        padded[:, :n] = arrays
        out = np.empty((n_results, padded.shape[1]), dtype)
        call(padded.shape[1], *[row.ctypes.data for row in (*padded, *out)])
        return out[:, :n]

    over_arrays.library = library  # type: ignore[attr-defined]  # the code lives as long as the function
    return over_arrays


def widest() -> Shape:
    return engine.host().shape()


def shapes() -> list[Shape]:
    """The widths and processors on which accuracy is measured; fma where this one has it."""
    fmas = [True, False] if engine.host().fma else [False]
    return [Shape(lanes, 64, fma) for fma in fmas for lanes in (1, widest().lanes)]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the arrays are equal to the bit, any NaN equal to any other."""
    return bool(np.all((a.view(np.uint64) == b.view(np.uint64)) | (np.isnan(a) & np.isnan(b))))


# --- oracles and points ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A function: its oracle, what it promises, and where it is asked beside everywhere."""

    oracle: Callable[..., Any]
    ranges: tuple[tuple[float, float], ...]
    near: tuple[float, ...] = (1.0, -1.0)
    units: float = 2.0


def real_power(x: Any, y: Any) -> Any:
    if x < 0 and mp.floor(y) != y:
        return mp.nan
    return mp.inf if x == 0 and y < 0 else mp.power(x, y)


def within(low: float, high: float, oracle: Callable[..., Any]) -> Callable[..., Any]:
    """The oracle, NaN outside of its domain."""
    return lambda x: oracle(x) if low <= x <= high else mp.nan


def logarithm(oracle: Callable[..., Any], at: float = 0.0) -> Callable[..., Any]:
    return lambda x: oracle(x) if x > at else -mp.inf if x == at else mp.nan


def inverse_hyperbolic_tangent(x: Any) -> Any:
    return x * mp.inf if abs(x) == 1 else mp.atanh(x) if abs(x) < 1 else mp.nan


EXPONENTIAL = ((-1.0, 1.0), (-3.0, 3.0), (-60.0, 60.0), (-708.0, 708.0), (-750.0, -705.0), (705.0, 712.0))
ENDS = (708.0, -708.0, 709.782712893384, -744.4400719213812, -745.1332191019411, 0.34657359, -0.34657359)
LOGARITHM = ((0.5, 1.5), (0.9999, 1.0001), (0.1, 10.0), (0.0, 1e-307))
ROOTS = (0.5, 2.0, math.sqrt(0.5), math.sqrt(2.0), 1.0)
ANGLES = ((-0.8, 0.8), (-10.0, 10.0), (-1e3, 1e3), (-1e6, 1e6), (-1e9, 1e9), (1e9, 1e18))
BORDERS = (1e6, 2.0**30, 1e22, 6381956970095103.0 * 2.0**797)
CASES = {
    "sin": Case(mp.sin, ANGLES, BORDERS, 1.0),
    "cos": Case(mp.cos, ANGLES, BORDERS, 1.0),
    "tan": Case(mp.tan, ANGLES, BORDERS),
    "exp": Case(mp.exp, EXPONENTIAL, ENDS, 1.0),
    "expm1": Case(mp.expm1, EXPONENTIAL, ENDS),
    "exp2": Case(lambda x: mp.mpf(2) ** x, ((-1.0, 1.0), (-1022.0, 1024.0), (-1080.0, -1020.0)), (1021.0, -1074.0)),
    "log": Case(logarithm(mp.log), LOGARITHM, ROOTS, 1.0),
    "log2": Case(logarithm(lambda x: mp.log(x) / mp.log(2)), LOGARITHM, ROOTS),
    "log10": Case(logarithm(lambda x: mp.log(x) / mp.log(10)), LOGARITHM, ROOTS),
    "log1p": Case(logarithm(mp.log1p, -1), ((-1.0, 1.0), (-0.1, 0.1), (-1e-9, 1e-9), (0.0, 1e3)), (-1.0, 2.0**-53)),
    "sinh": Case(mp.sinh, EXPONENTIAL, (*ENDS, 710.4758600739439)),
    "cosh": Case(mp.cosh, EXPONENTIAL, (*ENDS, 710.4758600739439)),
    "tanh": Case(mp.tanh, ((-1.0, 1.0), (-22.0, 22.0), (-1e-5, 1e-5)), (18.7, 20.0)),
    "asinh": Case(mp.asinh, ((-1.0, 1.0), (-5.0, 5.0), (-1e-5, 1e-5), (-1e9, 1e9)), (2.0**28,)),
    "acosh": Case(within(1, math.inf, mp.acosh), ((1.0, 2.0), (1.0, 1.001), (1.0, 1e9)), (1.0, 2.0**28)),
    "atanh": Case(inverse_hyperbolic_tangent, ((-1.0, 1.0), (-1e-5, 1e-5), (0.999, 1.0)), (1.0, 2.0**-54)),
    "asin": Case(within(-1, 1, mp.asin), ((-1.0, 1.0), (0.999, 1.0)), (0.5, 1.0, -1.0)),
    "acos": Case(within(-1, 1, mp.acos), ((-1.0, 1.0), (0.999, 1.0)), (0.5, 1.0, -1.0)),
    "atan": Case(mp.atan, ((-1.0, 1.0), (-5.0, 5.0), (0.4, 0.6), (-1e9, 1e9)), (0.5, 2.0)),
    "cbrt": Case(
        lambda x: mp.sign(x) * mp.cbrt(abs(x)), ((-8.0, 8.0), (0.0, 1e-307)), (27.0, 8.0, 2.0**900, 2.0**-900)
    ),
    "erf": Case(mp.erf, ((-1.0, 1.0), (-6.5, 6.5), (-1e-5, 1e-5)), (1.0, 5.92, 6.0)),
    "sigmoid": Case(lambda x: 1 / (1 + mp.exp(-x)), EXPONENTIAL, ENDS),
    "softplus": Case(lambda x: mp.log1p(mp.exp(x)), EXPONENTIAL, ENDS),
}
OF_TWO = {
    "atan2": Case(mp.atan2, ((-1.0, 1.0), (-300.0, 300.0)), (1.0, -1.0, 0.5, 2.0, TINY)),
    "power": Case(real_power, ((0.0, 4.0), (0.0, 100.0), (0.99, 1.01)), (1.0, -1.0, 2.0, 0.5, 10.0, 3.0)),
    "hypot": Case(mp.hypot, ((-4.0, 4.0), (0.0, 1e300), (0.0, 1e-307)), (3.0, 4.0, 1e154, LARGEST / 2, TINY)),
}


def patterns(n: int, rng: np.random.Generator) -> np.ndarray:
    """Finite doubles with any bits: all exponents alike, subnormal numbers among them."""
    x = rng.integers(0, 2**64, 2 * n, dtype=np.uint64).view(np.float64)
    return x[np.isfinite(x)][:n]


def neighbours(points: tuple[float, ...], width: int = 3) -> np.ndarray:
    """Points and the doubles next to them."""
    bits = np.array(points).view(np.int64)[:, None] + np.arange(-width, width + 1)
    return bits.ravel().view(np.float64)


def points_of(name: str, n: int) -> np.ndarray:
    """About n finite doubles: some with any bits, some in the ranges of the case, some next to its borders."""
    case, rng = CASES[name], np.random.default_rng(7)
    parts = [patterns(n // 2, rng), neighbours((*case.near, 2.0**-1022, -(2.0**-1022)))]
    parts.append(np.array([0.0, -0.0, TINY, -TINY, LARGEST, -LARGEST]))
    parts += [rng.uniform(low, high, n // len(case.ranges) // 2) for low, high in case.ranges]
    parts.append(10.0 ** rng.uniform(-20.0, 2.0, n // 10) * rng.choice([-1.0, 1.0], n // 10))
    if case.ranges is ANGLES:
        parts.append(neighbours(tuple((rng.integers(-600000, 600000, n // 50) * HALF_PI).astype(float)), 1))
    return np.concatenate(parts)


def pairs_of(name: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """About n pairs of finite doubles."""
    case, rng = OF_TWO[name], np.random.default_rng(11)
    near = neighbours(case.near, 1)
    x = [patterns(n // 3, rng), np.repeat(near, len(near))]
    y = [patterns(n // 3, rng), np.tile(near, len(near))]
    for low, high in case.ranges:
        m = n // len(case.ranges) // 3
        x.append(rng.uniform(low, high, m))
        limit = np.minimum(700.0 / np.maximum(np.abs(np.log(x[-1])), 1e-3), 1e5) if name == "power" else high
        y.append(rng.uniform(-limit, limit, m))
    if name == "power":
        x.append(rng.uniform(-9.0, 9.0, n // 10))
        y.append(rng.integers(-30, 30, n // 10).astype(float))
    return np.concatenate(x), np.concatenate(y)


@functools.cache
def exact(name: str, n: int) -> tuple[tuple[np.ndarray, ...], list[Any]]:
    """Points, and what mpmath has there."""
    given = (points_of(name, n),) if name in CASES else pairs_of(name, n)
    oracle = (CASES | OF_TWO)[name].oracle
    return given, [oracle(*map(mp.mpf, x)) for x in zip(*map(np.ndarray.tolist, given), strict=True)]


def units(found: float, wanted: Any) -> float:
    """The error in units of the last place of what mpmath has; infinity counts as 2**1024."""
    if mp.isnan(wanted) or math.isnan(found):
        return 0.0 if mp.isnan(wanted) and math.isnan(found) else INF
    if mp.isinf(wanted):
        return 0.0 if found == float(wanted) else INF
    if wanted == 0:
        return 0.0 if found == 0 else INF
    if math.isinf(found):
        if found * mp.sign(wanted) < 0:
            return INF
        wanted, found = abs(wanted), mp.mpf(2) ** 1024
        if wanted >= found:
            return 0.0
    last = mp.mpf(2) ** (max(mp.mag(wanted) - 1, -1022) - 52)
    return float(abs(mp.mpf(found) - wanted) / last)


# --- accuracy --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", shapes() if engine.available() else [], ids=str)
@pytest.mark.parametrize("name", [*CASES, *OF_TWO])
def test_error_is_within_the_promise_over_the_whole_range(name: str, shape: Shape) -> None:
    given, wanted = exact(name, 1500)
    found = compiled(name, shape)(*given)[0].tolist()
    errors = [units(x, z) for x, z in zip(found, wanted, strict=True)]
    worst = max(range(len(errors)), key=errors.__getitem__)
    assert errors[worst] <= (CASES | OF_TWO)[name].units, (
        f"{name}: {errors[worst]:.3f} units at {[float(x[worst]) for x in given]}; got {found[worst]!r}"
    )


def test_every_function_is_measured() -> None:
    assert set(FUNCTIONS) == {*CASES, *OF_TWO, "sincos", "remainder"}


def test_sine_and_cosine_at_ten_to_the_22() -> None:
    # Digits: Jean-Michel Muller, Elementary Functions, 2nd ed., section 11.1: sin(1e22) = -0.8522008497671888017727...
    sine, cosine = compiled("sincos", widest())(np.full(8, 1e22))
    assert set(sine) == {-0.8522008497671888}
    assert set(cosine) == {0.523214785395139}


def test_angles_next_to_multiples_of_half_pi_keep_all_digits() -> None:
    k = np.arange(1, 3000) * 233
    x = (k * HALF_PI).astype(float)
    sine, cosine = compiled("sincos", widest())(x)
    small = np.where(k % 2 == 0, sine, cosine).tolist()
    wanted = [mp.sin(mp.mpf(a)) if j % 2 == 0 else mp.cos(mp.mpf(a)) for a, j in zip(x.tolist(), k, strict=True)]
    assert max(map(units, small, wanted)) <= 0.51  # one rounding: the tail of the reduction is there


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CASES, *OF_TWO])
def test_error_is_within_the_promise_at_a_million_points(name: str) -> None:
    """The oracle is NumPy in long doubles, which have 11 bits more; mpmath decides where the error by it is above nine
    tenths of the promise."""
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("long doubles are doubles here")
    case = (CASES | OF_TWO)[name]
    given = (points_of(name, 1_000_000),) if name in CASES else pairs_of(name, 1_000_000)
    with np.errstate(all="ignore"):
        wanted = LONG_ORACLES[name](*[x.astype(np.longdouble) for x in given])
    for shape in shapes()[1::2]:
        found = compiled(name, shape)(*given)[0]
        errors = long_units(found, wanted)
        for i in np.flatnonzero(~(errors <= 0.9 * case.units)):
            error = units(float(found[i]), case.oracle(*[mp.mpf(float(x[i])) for x in given]))
            assert error <= case.units, f"{name}: {error} units at {[float(x[i]) for x in given]}"
        print(f"{name:9} fma={shape.fma!s:5} {np.max(errors, where=np.isfinite(errors), initial=0.0):.3f}")


def long_units(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """`units` for arrays, with long doubles for the oracle."""
    size, infinity = np.abs(wanted), np.longdouble(2.0) ** 1024
    _, exponent = np.frexp(np.where(np.isfinite(size), size, 1))
    last = np.ldexp(np.longdouble(1), np.maximum(exponent - 1, -1022) - 52)
    out = np.where(np.isinf(found), np.copysign(infinity, found), found.astype(np.longdouble))
    with np.errstate(invalid="ignore"):
        errors = np.where(
            size >= infinity, np.where(found == np.copysign(INF, wanted), 0, INF), np.abs(out - wanted) / last
        )
    return np.where(np.isnan(found) & np.isnan(wanted), 0.0, errors.astype(float))


def long_erf(x: np.ndarray) -> np.ndarray:
    """Abramowitz and Stegun, 7.1.6 (up to 3) and the continued fraction 7.1.14."""
    a = np.minimum(np.abs(x), 8)
    factor = 2 * np.exp(-a * a) / np.sqrt(2 * HALF_PI)
    s = np.where(a < 3, a, 0)
    series = term = s
    for k in range(1, 90):
        term = term * 2 * s * s / (2 * k + 1)
        series = series + term
    b = np.maximum(a, 3)
    fraction = b
    for k in range(120, 0, -1):
        fraction = b + np.longdouble(k) / 2 / fraction
    return np.copysign(np.where(a < 3, factor * series, 1 - factor / 2 / fraction), x)


def long_sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


LONG_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh"}
LONG_NAMES |= {"atanh": "arctanh", "atan2": "arctan2"}
LONG_ORACLES: dict[str, Callable[..., np.ndarray]] = {
    name: getattr(np, LONG_NAMES.get(name, name), None) for name in [*CASES, *OF_TWO]
}
LONG_ORACLES["erf"] = long_erf
LONG_ORACLES["sigmoid"] = long_sigmoid
LONG_ORACLES["softplus"] = lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# --- special values --------------------------------------------------------------------------------------------------

# name: what comes at 0, -0, inf, -inf (C's Annex F; NaN at NaN always)
SPECIAL = {
    "sin": (0.0, -0.0, NAN, NAN),
    "cos": (1.0, 1.0, NAN, NAN),
    "tan": (0.0, -0.0, NAN, NAN),
    "exp": (1.0, 1.0, INF, 0.0),
    "exp2": (1.0, 1.0, INF, 0.0),
    "expm1": (0.0, -0.0, INF, -1.0),
    "log": (-INF, -INF, INF, NAN),
    "log2": (-INF, -INF, INF, NAN),
    "log10": (-INF, -INF, INF, NAN),
    "log1p": (0.0, -0.0, INF, NAN),
    "sinh": (0.0, -0.0, INF, -INF),
    "cosh": (1.0, 1.0, INF, INF),
    "tanh": (0.0, -0.0, 1.0, -1.0),
    "asinh": (0.0, -0.0, INF, -INF),
    "acosh": (NAN, NAN, INF, NAN),
    "atanh": (0.0, -0.0, NAN, NAN),
    "asin": (0.0, -0.0, NAN, NAN),
    "acos": (math.pi / 2, math.pi / 2, NAN, NAN),
    "atan": (0.0, -0.0, math.pi / 2, -math.pi / 2),
    "cbrt": (0.0, -0.0, INF, -INF),
    "erf": (0.0, -0.0, 1.0, -1.0),
    "sigmoid": (0.5, 0.5, 1.0, 0.0),
    "softplus": (math.log(2.0), math.log(2.0), INF, 0.0),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_values_are_those_of_the_c_standard(name: str) -> None:
    found = compiled(name, widest())(np.array([0.0, -0.0, INF, -INF, NAN]))[0]
    assert same_bits(found, np.array([*SPECIAL[name], NAN])), found


@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize("name", ["atan2", "power", "hypot", "remainder"])
def test_special_values_of_two_arguments_are_numpy_s(name: str, fma: bool) -> None:
    if fma and not engine.host().fma:
        pytest.skip("no fma here")
    ends = [0.0, INF, NAN, 1.0, TINY, LARGEST, 0.5, 2.0, 3.0, 1e-300, 1e17, 2.0**53 + 2]
    x, y = np.array([*itertools.product([*ends, *map(operator.neg, ends)], repeat=2)]).T
    with np.errstate(all="ignore"):
        wanted = getattr(np, {"atan2": "arctan2"}.get(name, name))(x, y)
    found = compiled(name, Shape(widest().lanes, 64, fma))(x, y)[0]
    np.testing.assert_array_equal(np.signbit(found[wanted == wanted]), np.signbit(wanted[wanted == wanted]))
    np.testing.assert_allclose(found, wanted, rtol=4.5e-16, atol=0.0)


@given(st.floats(), st.floats())
def test_remainder_is_python_s_to_the_last_bit(x: float, y: float) -> None:
    with np.errstate(all="ignore"):
        wanted = np.remainder(np.array([x]), np.array([y]))
    assert same_bits(compiled("remainder", widest())([x], [y])[0], wanted)


@given(st.integers(-(2**52), 2**52), st.floats(1e-300, 1e290), st.integers(-2, 2))
def test_remainder_next_to_a_multiple_is_python_s_to_the_last_bit(k: int, y: float, step: int) -> None:
    x = (np.array([k * y]).view(np.int64) + step).view(np.float64)
    for divisor in (y, -y):
        assert same_bits(compiled("remainder", widest())(x, [divisor])[0], np.remainder(x, [divisor]))


# --- laws ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sin", "tan", "sinh", "tanh", "asinh", "atanh", "asin", "atan", "cbrt", "erf"])
def test_odd_functions_are_odd_to_the_last_bit(name: str) -> None:
    x = points_of(name, 4000)
    f = compiled(name, widest())
    assert same_bits(f(-x), -f(x))


@pytest.mark.parametrize("name", ["cos", "cosh"])
def test_even_functions_are_even_to_the_last_bit(name: str) -> None:
    x = points_of(name, 4000)
    f = compiled(name, widest())
    assert same_bits(f(-x), f(x))


@pytest.mark.parametrize("name", ["sin", "cos", "tanh", "erf", "sigmoid"])
def test_results_stay_within_one(name: str) -> None:
    x = points_of(name, 40_000)
    assert np.max(np.abs(compiled(name, widest())(x))) <= 1.0


@pytest.mark.parametrize("name", ["exp2", "log2", "log10", "cbrt", "power", "hypot"])
def test_whole_results_are_exact(name: str) -> None:
    k = np.arange(-20.0, 21.0)
    given, wanted = {
        "exp2": ((k,), 2.0**k),
        "log2": ((2.0**k,), k),
        "log10": ((10.0 ** np.arange(22.0),), np.arange(22.0)),
        "cbrt": ((k**3,), k),
        "power": ((k, np.full(41, 5.0)), k**5),
        "hypot": ((3.0 * k, 4.0 * k), np.abs(5.0 * k)),
    }[name]
    np.testing.assert_array_equal(compiled(name, widest())(*given)[0], wanted)


# --- widths ----------------------------------------------------------------------------------------------------------


def mixture(name: str) -> tuple[np.ndarray, ...]:
    """Easy points with hard ones between them, so that every group of lanes has both."""
    hard = np.array([0.0, -0.0, INF, -INF, NAN, TINY, LARGEST, 1e22, -1e300, 745.0])
    rng = np.random.default_rng(5)
    out = tuple(rng.uniform(-3.0, 3.0, 1024) for _ in range(FUNCTIONS[name][0]))
    for x in out:
        x[rng.integers(0, 1024, 200)] = rng.choice(hard, 200)
    return out


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_lane_has_the_same_bits_for_every_width(name: str) -> None:
    fma = engine.host().fma
    given = mixture(name)
    one = compiled(name, Shape(1, 64, fma))(*given)
    for lanes in (2, 4, 8):
        assert same_bits(compiled(name, Shape(lanes, 64, fma))(*given), one)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_calling_and_swallowing_give_the_same_bits(name: str) -> None:
    given = mixture(name)
    assert same_bits(compiled(name, widest(), False)(*given), compiled(name, widest())(*given))


def test_sincos_has_the_bits_of_sine_and_cosine() -> None:
    x = points_of("sin", 4000)
    for shape in shapes():
        sine, cosine = compiled("sincos", shape)(x)
        assert same_bits(sine, compiled("sin", shape)(x)[0])
        assert same_bits(cosine, compiled("cos", shape)(x)[0])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_thirty_two_bits_are_sixty_four_rounded(name: str) -> None:
    with np.errstate(all="ignore"):
        given = [x.astype(np.float32) for x in mixture(name)]
        wanted = compiled(name, widest())(*[x.astype(np.float64) for x in given]).astype(np.float32)
    found = compiled(name, engine.host().shape(bits=32))(*given)
    np.testing.assert_array_equal(found.view(np.uint32)[wanted == wanted], wanted.view(np.uint32)[wanted == wanted])
    assert np.all(np.isnan(found[wanted != wanted]))


def test_unknown_function_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'sinh'"):
        definitions(["sinhh"], Shape())
