"""NumPy's own functions on `Value` arrays, and on lists and object arrays that mix `Value`s and numbers.

Each either gives NumPy's value with a derivative that agrees with differences, or raises a `TypeError` (a `KindError`
where diffsim is asked).  None may answer with a plain number where there is a derivative, and none may do nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops, linear_algebra
from diffsim.derivatives import grad, jacobian, jvp
from diffsim.errors import KindError
from diffsim.number import raw
from diffsim.value import Value

VECTOR = np.array([0.7, -1.3, 2.1])
POSITIVE = np.array([0.6, 1.7, 0.9, 2.2])
MATRIX = np.array([[1.5, -0.4, 0.3], [0.2, 2.1, -0.7], [0.9, 0.5, 1.2]])
C = np.array([[0.3, 1.1, -0.2], [0.8, -0.6, 0.4], [1.0, 0.1, 0.7]])
W = np.array([0.5, -2.0, 1.5])

Case = tuple[Callable[[Any], Any], np.ndarray[Any, Any]]

CASES: dict[str, Case] = {
    # sums and statistics
    "sum": (np.sum, MATRIX),
    "sum axis": (lambda v: np.sum(v, axis=1), MATRIX),
    "sum axes keepdims": (lambda v: np.sum(v, axis=(0, -1), keepdims=True), MATRIX),
    "prod": (np.prod, VECTOR),
    "prod with a zero": (np.prod, np.array([0.0, 2.0, 3.0])),
    "prod axis": (lambda v: np.prod(v, axis=0), MATRIX),
    "mean": (np.mean, MATRIX),
    "mean axis": (lambda v: np.mean(v, axis=-1, keepdims=True), MATRIX),
    "max": (np.max, VECTOR),
    "amax axis": (lambda v: np.amax(v, axis=1), MATRIX),
    "min": (np.min, VECTOR),
    "amin axis": (lambda v: np.amin(v, 0), MATRIX),
    "var": (np.var, VECTOR),
    "var ddof axis": (lambda v: np.var(v, axis=1, ddof=1), MATRIX),
    "std": (np.std, VECTOR),
    "std keepdims": (lambda v: np.std(v, axis=0, keepdims=True), MATRIX),
    "ptp": (np.ptp, VECTOR),
    "median odd": (np.median, VECTOR),
    "median even": (np.median, POSITIVE),
    "average": (lambda v: np.average(v, weights=[1.0, 2.0, 3.0]), VECTOR),
    "average by values": (lambda v: np.average(W, weights=np.exp(v)), VECTOR),
    "cumsum": (np.cumsum, MATRIX),
    "cumsum axis": (lambda v: np.cumsum(v, axis=1), MATRIX),
    "cumprod": (np.cumprod, VECTOR),
    "diff": (np.diff, VECTOR),
    "diff twice axis": (lambda v: np.diff(v, n=2, axis=0), MATRIX),
    "ediff1d": (np.ediff1d, VECTOR),
    "nansum": (np.nansum, VECTOR),
    "sort": (np.sort, VECTOR),
    "sort axis": (lambda v: np.sort(v, axis=0), MATRIX),
    "partition": (lambda v: np.partition(v, 1)[1], VECTOR),
    # products
    "dot": (lambda v: np.dot(v, W), VECTOR),
    "dot itself": (lambda v: np.dot(v, v), VECTOR),
    "dot matrix": (lambda v: np.dot(C, v), VECTOR),
    "dot three axes": (lambda v: np.dot(np.stack([C, v]), W), MATRIX),
    "matmul": (lambda v: np.matmul(v, C), MATRIX),
    "@": (lambda v: C @ v @ v, MATRIX),
    "@ batch": (lambda v: np.stack([C, C.T]) @ v, MATRIX),
    "vdot": (lambda v: np.vdot(v, W), VECTOR),
    "vdot matrices": (lambda v: np.vdot(C, v), MATRIX),
    "inner": (lambda v: np.inner(v, C), MATRIX),
    "outer": (lambda v: np.outer(v, v), VECTOR),
    "outer with a list": (lambda v: np.outer([1.0, 2.0], v), VECTOR),
    "cross": (lambda v: np.cross(v, W), VECTOR),
    "cross right": (lambda v: np.cross(W, v), VECTOR),
    "tensordot": (lambda v: np.tensordot(v, C, axes=([0], [1])), MATRIX),
    "kron": (lambda v: np.kron(v, W), VECTOR),
    "einsum trace": (lambda v: np.einsum("ii->", v), MATRIX),
    "einsum product": (lambda v: np.einsum("ij,j->i", C, v), VECTOR),
    "einsum batch": (lambda v: np.einsum("ij,kj->ik", v, v), MATRIX),
    "convolve": (lambda v: np.convolve(v, W), VECTOR),
    "correlate": (lambda v: np.correlate(v, W, "same"), VECTOR),
    "linalg.multi_dot": (lambda v: np.linalg.multi_dot([C, v, W]), MATRIX),
    "linalg.matrix_power": (lambda v: np.linalg.matrix_power(v, 3), MATRIX),
    # linear algebra
    "linalg.solve": (lambda v: np.linalg.solve(v, W), MATRIX),
    "linalg.solve right": (lambda v: np.linalg.solve(C + 2 * np.eye(3), v), MATRIX),
    "linalg.inv": (np.linalg.inv, MATRIX),
    "linalg.det": (np.linalg.det, MATRIX),
    "linalg.det large": (np.linalg.det, np.eye(5) * 2 + np.outer(np.arange(5.0), np.ones(5)) / 5),
    "linalg.norm": (np.linalg.norm, VECTOR),
    "linalg.norm matrix": (np.linalg.norm, MATRIX),
    "linalg.norm fro": (lambda v: np.linalg.norm(v, "fro"), MATRIX),
    "linalg.norm axis": (lambda v: np.linalg.norm(v, axis=0), MATRIX),
    "linalg.norm axes": (lambda v: np.linalg.norm(v, axis=(0, 1), keepdims=True), MATRIX),
    "linalg.norm 1": (lambda v: np.linalg.norm(v, 1), VECTOR),
    "linalg.norm inf": (lambda v: np.linalg.norm(v, np.inf, axis=1), MATRIX),
    "trace": (np.trace, MATRIX),
    "diag of a matrix": (np.diag, MATRIX),
    "diag of a vector": (np.diag, VECTOR),
    "diagonal": (lambda v: np.diagonal(v, 1), MATRIX),
    "tril": (np.tril, MATRIX),
    "triu": (lambda v: np.triu(v, 1), MATRIX),
    "vander": (np.vander, VECTOR),
    # choosing
    "where": (lambda v: np.where(v > 0, v**2, -v), VECTOR),
    "where scalar": (lambda v: np.where(True, v, 0.0), VECTOR),
    "where broadcast": (lambda v: np.where(C > 0, v, 1.0), VECTOR),
    "clip": (lambda v: np.clip(v, -1.0, 2.0), VECTOR),
    "clip one side": (lambda v: np.clip(v, None, 2.0), VECTOR),
    "clip names": (lambda v: np.clip(v, a_min=0.0, a_max=None), VECTOR),
    "clip at a value": (lambda v: np.clip(W, -1.0, v), VECTOR),
    "maximum": (lambda v: np.maximum(v, W), VECTOR),
    "minimum": (lambda v: np.minimum(0.5, v), VECTOR),
    "fmax": (lambda v: np.fmax(v, W), VECTOR),
    "fmin": (lambda v: np.fmin(v, W), VECTOR),
    "select": (lambda v: np.select([v > 1, v < 0], [v**2, -v], 0.0), VECTOR),
    "take": (lambda v: np.take(v, [0, 2, 0]), VECTOR),
    "take axis": (lambda v: np.take(v, [1, 1], axis=1), MATRIX),
    "take_along_axis": (lambda v: np.take_along_axis(v, np.array([[0], [2], [1]]), 1), MATRIX),
    "compress": (lambda v: np.compress([True, False, True], v), VECTOR),
    "extract": (lambda v: np.extract([True, False, True], v), VECTOR),
    "delete": (lambda v: np.delete(v, 1), VECTOR),
    "insert": (lambda v: np.insert(v, 1, 5.0), VECTOR),
    "append": (lambda v: np.append(v, v**2), VECTOR),
    "unique": (np.unique, VECTOR),
    "nan_to_num": (np.nan_to_num, VECTOR),
    # putting together, taking apart
    "concatenate": (lambda v: np.concatenate([v, W, v**2]), VECTOR),
    "concatenate axis": (lambda v: np.concatenate((v, C), axis=1), MATRIX),
    "concatenate flat": (lambda v: np.concatenate((v, C), axis=None), MATRIX),
    "stack": (lambda v: np.stack([v, W]), VECTOR),
    "stack axis": (lambda v: np.stack([v, C], axis=-1), MATRIX),
    "hstack": (lambda v: np.hstack([v, W]), VECTOR),
    "vstack": (lambda v: np.vstack([v, W]), VECTOR),
    "dstack": (lambda v: np.dstack([v, C]), MATRIX),
    "column_stack": (lambda v: np.column_stack([v, W]), VECTOR),
    "block": (lambda v: np.block([[v, C], [C, v]]), MATRIX),
    "split": (lambda v: sum(np.sum(p) ** 2 for p in np.split(v, [1])), VECTOR),
    "array_split": (lambda v: sum(np.sum(p) ** 2 for p in np.array_split(v, 2)), POSITIVE[:3]),
    "hsplit": (lambda v: np.hsplit(v, [2])[1], MATRIX),
    "meshgrid": (lambda v: np.meshgrid(v, v[:2])[0] * np.meshgrid(v, v[:2])[1], VECTOR),
    "broadcast_arrays": (lambda v: np.broadcast_arrays(v, C)[0] * C, VECTOR),
    "broadcast_to": (lambda v: np.broadcast_to(v, (2, 3)), VECTOR),
    "pad": (lambda v: np.pad(v, 2), VECTOR),
    "tile": (lambda v: np.tile(v, (2, 2)), VECTOR),
    "repeat": (lambda v: np.repeat(v, 2), MATRIX),
    "repeat axis": (lambda v: np.repeat(v, [1, 0, 2], axis=0), MATRIX),
    # shapes
    "reshape": (lambda v: np.reshape(v, (9,)), MATRIX),
    "reshape unknown": (lambda v: np.reshape(v, (-1, 1)), MATRIX),
    "ravel": (np.ravel, MATRIX),
    "transpose": (np.transpose, MATRIX),
    "transpose axes": (lambda v: np.transpose(v, (1, 0)), MATRIX),
    "swapaxes": (lambda v: np.swapaxes(v, 0, 1), MATRIX),
    "moveaxis": (lambda v: np.moveaxis(v[None], 0, 2), MATRIX),
    "rollaxis": (lambda v: np.rollaxis(v, 1), MATRIX),
    "squeeze": (lambda v: np.squeeze(v[None]), VECTOR),
    "expand_dims": (lambda v: np.expand_dims(v, 1), VECTOR),
    "expand_dims axes": (lambda v: np.expand_dims(v, (0, 2)), VECTOR),
    "atleast_1d": (np.atleast_1d, VECTOR),
    "atleast_2d": (np.atleast_2d, VECTOR),
    "atleast_3d": (np.atleast_3d, VECTOR),
    "flip": (np.flip, MATRIX),
    "fliplr": (np.fliplr, MATRIX),
    "flipud": (np.flipud, MATRIX),
    "roll": (lambda v: np.roll(v, 1), VECTOR),
    "roll axis": (lambda v: np.roll(v, 1, axis=0), MATRIX),
    "rot90": (np.rot90, MATRIX),
    "copy": (np.copy, VECTOR),
    # like
    "zeros_like": (lambda v: np.zeros_like(v) + v, VECTOR),
    "ones_like": (lambda v: np.ones_like(v) * v, VECTOR),
    "full_like": (lambda v: np.full_like(v, 3.0) * v, VECTOR),
    "full_like of a value": (lambda v: np.full_like(v, v[0]), VECTOR),
    "full": (lambda v: np.full(3, v[0]), VECTOR),
    # calculus
    "trapezoid": (lambda v: np.trapezoid(v, dx=0.1), VECTOR),
    "trapezoid at values": (lambda v: np.trapezoid(W, np.cumsum(v**2)), VECTOR),
    "polyval": (lambda v: np.polyval([1.0, -2.0, 0.5], v), VECTOR),
    "polyval coefficients": (lambda v: np.polyval(v, 1.5), VECTOR),
    "linspace": (lambda v: np.linspace(v[0], v[1], 5), VECTOR),
    "apply_along_axis": (lambda v: np.apply_along_axis(np.sum, 0, v), MATRIX),
    "sinc": (np.sinc, VECTOR),
    "unwrap": (np.unwrap, VECTOR),
    # ufuncs under NumPy's names
    "arcsin": (np.arcsin, np.array([0.3, -0.6])),
    "arctan2": (lambda v: np.arctan2(v, W), VECTOR),
    "arccosh": (np.arccosh, 1 + POSITIVE),
    "hypot": (lambda v: np.hypot(v, W), VECTOR),
    "power": (lambda v: np.power(v, 2.5), POSITIVE),
    "float_power": (lambda v: np.float_power(2.0, v), VECTOR),
    "square": (np.square, VECTOR),
    "reciprocal": (np.reciprocal, VECTOR),
    "positive": (np.positive, VECTOR),
    "negative": (np.negative, VECTOR),
    "absolute": (np.absolute, VECTOR),
    "fabs": (np.fabs, VECTOR),
    "sign": (lambda v: np.sign(v) * v, VECTOR),
    "floor": (lambda v: np.floor(v) * v, VECTOR),
    "remainder": (lambda v: np.remainder(v, 0.9), VECTOR),
    "floor_divide": (lambda v: v - 0.9 * np.floor(v / 0.9), VECTOR),
    "deg2rad": (np.deg2rad, VECTOR),
    "degrees": (np.degrees, VECTOR),
    "logaddexp": (lambda v: np.logaddexp(v, W), VECTOR),
    "conjugate": (np.conjugate, VECTOR),
    "real": (np.real, VECTOR),
    # methods of ufuncs
    "add.reduce": (np.add.reduce, MATRIX),
    "add.reduce axis": (lambda v: np.add.reduce(v, axis=1), MATRIX),
    "add.reduce all": (lambda v: np.add.reduce(v, axis=None), MATRIX),
    "multiply.reduce": (np.multiply.reduce, VECTOR),
    "maximum.reduce": (np.maximum.reduce, MATRIX),
    "add.accumulate": (np.add.accumulate, MATRIX),
    "multiply.outer": (lambda v: np.multiply.outer(v, W), VECTOR),
    "subtract.outer": (lambda v: np.subtract.outer(W, v), VECTOR),
}


def _plain(x: Any) -> Any:
    return np.asarray(raw(array_ops.array(x)), dtype=float)


def _differences(f: Callable[[Any], Any], x: Any) -> Any:
    columns = []
    for i in np.ndindex(x.shape):

        def central(h: float, i: Any = i) -> Any:
            up, down = x.copy(), x.copy()
            up[i] += h
            down[i] -= h
            return (np.asarray(f(up), dtype=float) - np.asarray(f(down), dtype=float)) / (2 * h)

        columns.append((4 * central(1e-4) - central(2e-4)) / 3)
    out = np.stack(columns, axis=-1)
    return out.reshape((*out.shape[:-1], *x.shape))


@pytest.mark.parametrize("name", CASES)
def test_function_of_an_array_has_numpys_value_and_the_derivative_of_differences(name: str) -> None:
    f, x = CASES[name]
    expected = f(x)
    found = f(Value(x))
    np.testing.assert_allclose(_plain(found), expected, rtol=1e-13, atol=1e-13)
    assert np.shape(found) == np.shape(expected)
    slopes = _differences(f, x)
    np.testing.assert_allclose(jacobian(f, mode="reverse")(x), slopes, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(jacobian(f, mode="forward")(x), slopes, rtol=1e-7, atol=1e-7)


# --- questions: plain answers, as NumPy's ----------------------------------------------------------------------------

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "argmax": np.argmax,
    "argmin": lambda v: np.argmin(v, axis=0),
    "argsort": np.argsort,
    "argwhere": lambda v: np.argwhere(v > 0),
    "argpartition": lambda v: np.argpartition(v, 1),
    "flatnonzero": np.flatnonzero,
    "nonzero": np.nonzero,
    "count_nonzero": np.count_nonzero,
    "all": np.all,
    "any": lambda v: np.any(v, axis=0),
    "allclose": lambda v: np.allclose(v, v + 1e-12),
    "isclose": lambda v: np.isclose(v, 0.7),
    "array_equal": lambda v: np.array_equal(v, MATRIX),
    "isfinite": np.isfinite,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "signbit": np.signbit,
    "shape": np.shape,
    "ndim": np.ndim,
    "size": np.size,
    "searchsorted": lambda v: np.searchsorted(np.array([-1.0, 0.0, 1.0]), v),
    "digitize": lambda v: np.digitize(v, np.array([-1.0, 0.0, 1.0])),
    "iscomplexobj": np.iscomplexobj,
    "isrealobj": np.isrealobj,
    "less": lambda v: np.less(v, 0.5),
    "equal": lambda v: np.equal(0.2, v),
    "logical_and": lambda v: np.logical_and(v, v > 0.5),
    "logical_not": np.logical_not,
    "array_str": np.array_str,
    "lexsort": lambda v: np.lexsort((v[0],)),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_question_about_the_values_has_numpys_plain_answer(name: str) -> None:
    found, expected = QUESTIONS[name](Value(MATRIX)), QUESTIONS[name](MATRIX)
    if isinstance(expected, tuple):
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    else:
        assert np.array_equal(found, expected)
        assert np.asarray(found).dtype == np.asarray(expected).dtype


# --- refusals --------------------------------------------------------------------------------------------------------

REFUSED: dict[str, Callable[[Any], Any]] = {
    "interp": lambda v: np.interp(v[0], [0.0, 1.0], [2.0, 3.0]),
    "interp of values": lambda v: np.interp(0.5, [0.0, 1.0, 2.0], v[0]),
    "fft": lambda v: np.fft.fft(v),
    "linalg.eigh": np.linalg.eigh,
    "linalg.eig": np.linalg.eig,
    "linalg.svd": np.linalg.svd,
    "linalg.cholesky": np.linalg.cholesky,
    "linalg.qr": np.linalg.qr,
    "linalg.pinv": np.linalg.pinv,
    "linalg.slogdet": np.linalg.slogdet,
    "linalg.lstsq": lambda v: np.linalg.lstsq(v, W, rcond=None),
    "linalg.matrix_rank": np.linalg.matrix_rank,
    "linalg.cond": np.linalg.cond,
    "linalg.norm nuclear": lambda v: np.linalg.norm(v, "nuc"),
    "linalg.norm spectral": lambda v: np.linalg.norm(v, 2),
    "linalg.norm 1 of a matrix": lambda v: np.linalg.norm(v, 1),
    "linalg.norm inf over two axes": lambda v: np.linalg.norm(v, np.inf, axis=(0, 1)),
    "linalg.norm 3": lambda v: np.linalg.norm(v[0], 3),
    "histogram": lambda v: np.histogram(v, bins=3),
    "round": np.round,
    "rint": np.rint,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "fix": np.fix,
    "fmod": lambda v: np.fmod(v, 0.3),
    "modf": np.modf,
    "frexp": np.frexp,
    "spacing": np.spacing,
    "heaviside": lambda v: np.heaviside(v, 0.5),
    "nextafter": lambda v: np.nextafter(v, 1.0),
    "copysign": lambda v: np.copysign(v, 1.0),
    "bitwise_and": lambda v: np.bitwise_and(v, 1),
    "i0": np.i0,
    "polyfit": lambda v: np.polyfit(W, v, 1),
    "roots": lambda v: np.roots(v[0]),
    "corrcoef of strings": lambda v: np.char.upper(v),
    "save": lambda v: np.savez("/dev/null", v),
    "sum out": lambda v: np.sum(v, axis=0, out=np.zeros(3)),
    "cumprod out": lambda v: np.cumprod(v, out=np.zeros(9)),
    "take out": lambda v: np.take(v, [0, 1], out=np.zeros(2, dtype=int)),
    "dot out": lambda v: np.dot(v, v, out=np.zeros((3, 3))),
    "clip out": lambda v: np.clip(v, 0.0, 1.0, out=np.zeros((3, 3))),
    "concatenate out": lambda v: np.concatenate([v, v], out=np.zeros((6, 3))),
    "sin out": lambda v: np.sin(v, out=np.zeros((3, 3))),
    "add out": lambda v: np.add(v, 1.0, out=np.zeros((3, 3))),
    "sum where": lambda v: np.sum(v, where=C > 0),
    "sum dtype": lambda v: np.sum(v, dtype=np.float32),
    "max initial": lambda v: np.max(v, initial=100.0),
    "sin where": lambda v: np.sin(v, where=C > 0),
    "add dtype": lambda v: np.add(v, 1.0, dtype=np.float32),
    "add.at": lambda v: np.add.at(np.zeros(3), [0, 1, 2], v[0]),
    "add.at on values": lambda v: np.add.at(v, [0], 1.0),
    "add.reduceat": lambda v: np.add.reduceat(v, [0, 1]),
    "maximum.accumulate": np.maximum.accumulate,
    "divide.reduce": np.divide.reduce,
    "copyto": lambda v: np.copyto(np.zeros((3, 3)), v),
    "copyto unsafe": lambda v: np.copyto(np.zeros((3, 3)), v, casting="unsafe"),
    "copyto a value": lambda v: np.copyto(v, np.zeros((3, 3))),
    "put": lambda v: np.put(v, [0], [9.0]),
    "place": lambda v: np.place(v, v > 0, [9.0]),
    "putmask": lambda v: np.putmask(v, v > 0, 9.0),
    "put_along_axis": lambda v: np.put_along_axis(v, np.array([[0]]), 9.0, 0),
    "fill_diagonal": lambda v: np.fill_diagonal(v, 9.0),
    "put into floats": lambda v: np.put(np.zeros(3), [0], v[0, 0]),
    "fill_diagonal of floats": lambda v: np.fill_diagonal(np.zeros((3, 3)), v[0, 0]),
    "gradient": lambda v: np.gradient(v[0], 0.1),
    "cov": np.cov,
    "diff negative": lambda v: np.diff(v, n=-1),
    "where one argument": lambda v: np.where(v > 0, v),
    "frompyfunc": lambda v: np.vectorize(np.sin, otypes=[float])(v),
}


@pytest.mark.parametrize("name", REFUSED)
def test_function_without_a_derivative_here_raises(name: str) -> None:
    v = Value(MATRIX + 2 * np.eye(3))
    with pytest.raises((TypeError, ValueError)):
        REFUSED[name](v)


@pytest.mark.parametrize("name", ["interp", "linalg.eigh", "ceil", "sin out", "put", "fill_diagonal", "sum out", "fft"])
def test_refusal_names_the_function_and_says_what_to_do(name: str) -> None:
    with pytest.raises(KindError, match=r"numpy\.") as info:
        REFUSED[name](Value(MATRIX))
    assert name.split()[0].split(".")[-1] in str(info.value)
    assert any(word in str(info.value) for word in ("Write", "use", "Use"))


METHODS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda m: m.sum(axis=0),
    "prod": lambda m: m.prod(),
    "mean": lambda m: m.mean(axis=1, keepdims=True),
    "max, min": lambda m: m.max(axis=0) - m.min(),
    "std": lambda m: m.std(axis=0),
    "var": lambda m: m.var(),
    "cumsum": lambda m: m.cumsum(axis=1),
    "cumprod": lambda m: m.cumprod(),
    "dot": lambda m: m.dot(W),
    "trace": lambda m: m.trace(),
    "diagonal": lambda m: m.diagonal(1),
    "repeat": lambda m: m.repeat(2, axis=0),
    "take": lambda m: m.take([0, 4, 4]),
    "swapaxes": lambda m: m.swapaxes(0, 1),
    "squeeze": lambda m: m[None].squeeze(),
    "reshape": lambda m: m.reshape(-1),
    "flatten": lambda m: m.flatten(),
    "ravel": lambda m: m.ravel(),
    "transpose": lambda m: m.transpose(1, 0),
    "copy": lambda m: m.copy(),
    "conj": lambda m: m.conj(),
    "clip": lambda m: m.clip(0.0, 1.0),
    "plain clip": lambda m: np.clip(C, -1.0, m) if isinstance(m, np.ndarray) else C.clip(-1.0, m),
    "plain dot": lambda m: C.dot(m),
}


@pytest.mark.parametrize("name", METHODS)
def test_method_of_arrays_has_numpys_value_and_derivative(name: str) -> None:
    f = METHODS[name]
    np.testing.assert_allclose(_plain(f(Value(MATRIX))), f(MATRIX), rtol=1e-14)
    np.testing.assert_allclose(jacobian(f)(MATRIX), _differences(f, MATRIX), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["argmax", "argmin", "argsort", "any", "all", "nonzero"])
def test_method_that_asks_about_values_has_numpys_plain_answer(name: str) -> None:
    assert np.array_equal(getattr(Value(MATRIX), name)(), getattr(MATRIX, name)())


@pytest.mark.parametrize("name", ["tolist", "item", "astype", "fill", "sort", "tobytes", "put", "resize", "flat"])
def test_method_that_would_drop_or_overwrite_says_to_read_data(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"{name}.*\.data"):
        getattr(Value(MATRIX), name)
    with pytest.raises(AttributeError, match="no attribute 'gard'"):
        Value(MATRIX).gard  # noqa: B018  # the attribute is what is tested


def test_nan_to_num_replaces_and_drops_the_derivative_there_only() -> None:
    x = np.array([1.0, np.nan, np.inf])
    np.testing.assert_array_equal(np.nan_to_num(Value(x), posinf=5.0).data, [1.0, 0.0, 5.0])
    np.testing.assert_array_equal(grad(lambda v: np.sum(np.nan_to_num(v)))(x), [1.0, 0.0, 0.0])


def test_copyto_takes_values_into_object_arrays() -> None:
    target, v = np.zeros(2, dtype=object), Value(np.array([1.0, 2.0]))
    np.copyto(target, v)
    assert [x.data for x in target] == [1.0, 2.0]


def test_floor_divide_has_pythons_value() -> None:
    assert (Value(1.0) // 0.1).data == 1.0 // 0.1
    assert (-1.0 // Value(0.3)).data == -1.0 // 0.3
    np.testing.assert_array_equal((Value(VECTOR) // 0.1).data, VECTOR // 0.1)
    np.testing.assert_array_equal((np.array([5, 3]) // Value(2.0)).data, [2.0, 1.0])
    quotient, rest = divmod(Value(1.0), 0.3)
    assert (quotient.data, rest.data) == divmod(1.0, 0.3)
    assert divmod(7, Value(2.0))[1].data == 1.0


def test_fmax_and_fmin_pass_over_nan_as_numpys_do() -> None:
    x = np.array([np.nan, 1.0, 2.0, np.nan])
    y = np.array([3.0, np.nan, 1.0, np.nan])
    for f in (np.fmax, np.fmin, np.maximum, np.minimum):
        np.testing.assert_array_equal(f(Value(x), y).data, f(x, y))
        np.testing.assert_array_equal(f(x, Value(y)).data, f(x, y))
    assert jvp(lambda t: np.fmax(t, np.nan), (2.0,), (1.0,)) == (2.0, 1.0)


@pytest.mark.parametrize(("x", "y"), [(-np.inf, -np.inf), (np.inf, 1.0), (-np.inf, 2.0), (800.0, -800.0), (0.0, 0.0)])
def test_logaddexp_at_the_ends_of_the_range(x: float, y: float) -> None:
    assert np.logaddexp(Value(x), y).data == pytest.approx(np.logaddexp(x, y))


# --- object arrays and lists -----------------------------------------------------------------------------------------

MIXED: dict[str, Callable[[Any], Any]] = {
    "array": lambda x: np.array([x, 1.0, x * x]),
    "array nested": lambda x: np.array([[x, 1], [2, x * x]]),
    "asarray": lambda x: np.asarray([x, 2.0]),
    "array @": lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ np.array([x, 1.0]),
    "array times array": lambda x: np.array([x, 1.0]) * np.array([2.0, 3.0]),
    "array times value": lambda x: np.array([x, 1.0]) * x,
    "value times array": lambda x: x * np.array([x, 1.0]),
    "array plus number": lambda x: 2 + np.array([x, 1.0]) ** 2,
    "sum of a list": lambda x: np.sum([x, x * x, 1.0]),
    "prod of a list": lambda x: np.prod([x, x + 1, 2.0]),
    "mean of a list": lambda x: np.mean([x, x * x, 1.0]),
    "mean of two": lambda x: np.mean(np.array([x, x * x])),
    "std of a list": lambda x: np.std([x, x * x, 1.0]),
    "var of a list": lambda x: np.var([x, x * x, 1.0]),
    "median of a list": lambda x: np.median([x, x * x, 1.0]),
    "max of a list": lambda x: np.max([x, x * x, 1.0]),
    "min of a list": lambda x: np.min([x, x * x, 10.0]),
    "cumsum of a list": lambda x: np.cumsum([x, 1.0, x * x]),
    "dot of lists": lambda x: np.dot([x, 1.0], [2.0, x]),
    "inner": lambda x: np.inner([x, 1.0], [2.0, x]),
    "outer": lambda x: np.outer([x, 1.0], [2.0, x]),
    "cross": lambda x: np.cross([x, 1.0, 0.5], [2.0, x, 1.0]),
    "sin of a list": lambda x: np.sin([x, x * x]),
    "exp of an array": lambda x: np.exp(np.array([x, 2 * x])),
    "sqrt": lambda x: np.sqrt(np.array([x, 2 * x])),
    "arctan2": lambda x: np.arctan2(np.array([x, 2 * x]), np.array([x * x, x])),
    "abs": lambda x: np.abs(np.array([x, -x, 2.0])),
    "linalg.norm": lambda x: np.linalg.norm([x, 1.0, x * x]),
    "linalg.norm axis": lambda x: np.linalg.norm(np.array([[x, 1.0], [2.0, x]]), axis=1),
    "concatenate": lambda x: np.concatenate([[x, 1.0], [x * x]]),
    "concatenate with an array": lambda x: np.concatenate([np.ones(2), np.array([x, x * x])]),
    "stack": lambda x: np.stack([[x, 1.0], [2.0, x]]),
    "hstack": lambda x: np.hstack([x, 1.0, x * x]),
    "vstack": lambda x: np.vstack([[x, 1.0], [2.0, x]]),
    "where": lambda x: np.where([True, False], [x, x], [0.0, x * x]),
    "roll": lambda x: np.roll([x, 1.0, x * x], 1),
    "diff": lambda x: np.diff([x, 1.0, x * x]),
    "einsum": lambda x: np.einsum("i,i->", np.array([x, 1.0]), np.array([x, x])),
    "trace": lambda x: np.trace(np.array([[x, 1.0], [2.0, x]])),
    "transpose": lambda x: np.array([[x, 1.0], [2.0, x]]).T,
    "trapezoid": lambda x: np.trapezoid([x, 1.0, x * x]),
    "sort": lambda x: np.sort([x, 1.0, x * x]),
    "full": lambda x: np.full(2, x),
    "store into objects": lambda x: _stored(np.zeros(2, dtype=object), x),
    "store into zeros_like": lambda x: _stored(np.zeros_like(np.array([x, x])), x),
    "polyval": lambda x: np.polyval([x, 1.0, 2.0], x),
    "diag": lambda x: np.diag([x, 1.0]),
    "linalg.solve of a list": lambda x: linear_algebra.solve([[x, 1.0], [0.0, 2.0]], [1.0, x]),
    "linalg.det of a list": lambda x: linear_algebra.det([[x, 1.0], [0.5, x]]),
    "ds.sum of a list": lambda x: array_ops.sum([x, 1.0, x * x]),
    "ds.norm of a list": lambda x: linear_algebra.norm([x, 1.0]),
    "ds.matmul of lists": lambda x: linear_algebra.matmul([[x, 1.0], [2.0, x]], [1.0, x]),
    "ds.max of a list": lambda x: array_ops.max([x, 1.0, x * x]),
    "ds.concatenate of lists": lambda x: array_ops.concatenate([[x], [1.0, x * x]]),
    "ds.transpose of a list": lambda x: array_ops.transpose([[x, 1.0], [2.0, x]]),
}


def _stored(c: Any, x: Any) -> Any:
    c[0] = x * x
    c[1] = c[0] * x
    return c


@pytest.mark.parametrize("name", MIXED)
def test_function_of_lists_that_mix_values_and_numbers_keeps_the_derivative(name: str) -> None:
    f, x = MIXED[name], 1.3
    found = f(Value(x))
    np.testing.assert_allclose(_plain(found), np.asarray(f(x), dtype=float), rtol=1e-14)
    slopes = _differences(lambda p: f(float(p)), np.array(x))
    np.testing.assert_allclose(jacobian(f, mode="reverse")(x), slopes, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(jacobian(f, mode="forward")(x), slopes, rtol=1e-7, atol=1e-8)


MIXED_REFUSED: dict[str, Callable[[Any], Any]] = {
    "array of floats": lambda x: np.array([x, 1.0], dtype=float),
    "linalg.solve": lambda x: np.linalg.solve(np.array([[x, 1.0], [0.0, 2.0]]), np.ones(2)),
    "linalg.det": lambda x: np.linalg.det(np.array([[x, 1.0], [0.0, 2.0]])),
    "sin of a mixture": lambda x: np.sin([x, 1.0]),
    "interp": lambda x: np.interp([x], [0.0, 1.0], [2.0, 3.0]),
    "fft": lambda x: np.fft.fft([x, 1.0]),
    "astype": lambda x: np.array([x, 1.0]).astype(np.float64),
    "clip to integers": lambda x: np.array([x, 1.0], dtype=int),
    "isfinite": lambda x: np.isfinite([x, 1.0]),
    "savetxt": lambda x: np.savetxt("/dev/null", [x, 1.0]),
}


@pytest.mark.parametrize("name", MIXED_REFUSED)
def test_function_that_cannot_take_object_arrays_raises(name: str) -> None:
    with pytest.raises(TypeError):
        MIXED_REFUSED[name](Value(1.3))


def test_three_levels_deep_lists_become_one_array() -> None:
    v = Value(2.0)
    a = array_ops.array([[[v, 1.0], [2.0, 3.0]], [[4.0, v * v], [5, 6]]])
    assert a.shape == (2, 2, 2)
    a.sum().backward()
    assert v.grad == 5.0


def test_arrays_inside_lists_become_one_array() -> None:
    v = Value(np.array([1.0, 2.0]))
    a = array_ops.array([v, [3.0, 4.0], np.array([5.0, 6.0])])
    assert a.shape == (3, 2)
    assert grad(lambda x: array_ops.sum(array_ops.array([x, x * x]) ** 2))(2.0) == 4 + 32


def test_derivative_survives_repeated_passage_through_object_arrays() -> None:
    def f(x: Any) -> Any:
        state = np.array([x, 1.0])
        for _ in range(5):
            state = state + 0.1 * np.array([state[1], -np.sin(state[0])])
        return state[0]

    assert grad(f)(0.4) == pytest.approx(float(_differences(lambda p: f(float(p)), np.array(0.4))), rel=1e-9)
    assert grad(grad(f))(0.4) == pytest.approx(
        float(_differences(lambda p: grad(f)(float(p)), np.array(0.4))), rel=1e-8
    )


def test_object_function_of_a_scalar_value() -> None:
    v = Value(2.0)
    for f in (np.atleast_1d, lambda x: np.broadcast_to(x, (2,)), lambda x: np.full_like(np.array([x, x]), x), np.ravel):
        assert np.all(np.equal(_plain(f(v)), 2.0))
    for f in (np.sum, np.mean, np.max, np.prod, np.squeeze, np.real, np.copy, np.abs, np.transpose):
        assert f(v).data == 2.0
    assert np.zeros_like(v).data == 0.0
