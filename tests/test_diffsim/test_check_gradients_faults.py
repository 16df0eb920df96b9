"""`check_gradients` catches planted faults of every kind, and passes the right rule beside each of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops, ops
from diffsim.dual import Dual
from diffsim.number import Number, raw, shape_of
from diffsim.primitive import Elementwise, Structural, bind
from diffsim.testing import GradientError, check_gradients

A = np.array([[1.0, 2.0, -1.0], [0.5, -1.5, 3.0], [2.0, 0.25, 1.0]])
X = np.array([0.3, -1.2, 0.7])


@dataclass(frozen=True)
class Fault:
    """A right function, the same with a fault in its derivative (or value), and the point."""

    name: str
    right: Callable[..., Any]
    wrong: Callable[..., Any]
    at: tuple[Any, ...]


def elementwise(
    name: str, numpy: Callable[..., Any], at: tuple[Any, ...], right: list[Any], wrong: list[Any], scalar: Any = None
) -> Fault:
    rows = [Elementwise(name, numpy, scalar or numpy, tuple(partials)) for partials in (right, wrong)]
    return Fault(name, rows[0], rows[1], at)


def structural(
    name: str,
    numpy: Callable[..., Any],
    at: tuple[Any, ...],
    right: tuple[Any, Any],
    wrong: tuple[Any, Any],
    multilinear: bool = False,
    **params: Any,
) -> Fault:
    rows = [Structural(name, numpy, t, push=p, multilinear=multilinear) for t, p in (right, wrong)]
    return Fault(name, lambda *xs: bind(rows[0], xs, params), lambda *xs: bind(rows[1], xs, params), at)


ELEMENTWISE = [
    elementwise("a sign", np.sin, (0.5,), [lambda o, x: ops.cos(x)], [lambda o, x: -ops.cos(x)]),
    elementwise(
        "a dropped term",
        lambda x: x * np.exp(x),
        (0.5,),
        [lambda o, x: ops.exp(x) + o],
        [lambda o, x: ops.exp(x)],
    ),
    elementwise(
        "swapped arguments",
        lambda x, y: x * x * y,
        (0.5, 2.0),
        [lambda o, x, y: 2 * x * y, lambda o, x, y: x * x],
        [lambda o, x, y: x * x, lambda o, x, y: 2 * x * y],
    ),
    elementwise("a factor 2", np.square, (0.5,), [lambda o, x: 2 * x], [lambda o, x: 4 * x]),
    elementwise("a factor 1/2", np.sqrt, (0.5,), [lambda o, x: 0.5 / o], [lambda o, x: 0.25 / o]),
    elementwise("no derivative at all", np.exp, (0.5,), [lambda o, x: o], [None]),
    elementwise(
        "one of two derivatives missing",
        np.multiply,
        (0.5, 3.0),
        [lambda o, x, y: y, lambda o, x, y: x],
        [lambda o, x, y: y, None],
    ),
    elementwise("the wrong branch", np.abs, (-0.5,), [lambda o, x: ops.sign(x)], [lambda o, x: 1.0]),
    elementwise(
        "a missing chain factor",
        lambda x: np.sin(3 * x),
        (0.5,),
        [lambda o, x: 3 * ops.cos(3 * x)],
        [lambda o, x: ops.cos(3 * x)],
    ),
    elementwise(
        "loss to float32",
        np.log,
        (0.3,),
        [lambda o, x: 1 / x],
        [lambda o, x: (1 / x) * float(np.float32(np.pi)) / np.pi],
    ),
    elementwise(
        "a constant with six digits",
        np.exp2,
        (0.5,),
        [lambda o, x: np.log(2.0) * o],
        [lambda o, x: 0.693147 * o],
    ),
    elementwise(
        "a missing square",
        np.divide,
        (0.5, 3.0),
        [lambda o, x, y: 1 / y, lambda o, x, y: -x / (y * y)],
        [lambda o, x, y: 1 / y, lambda o, x, y: -x / y],
    ),
    elementwise("out where its square belongs", np.tanh, (0.5,), [lambda o, x: 1 - o * o], [lambda o, x: 1 - o]),
    elementwise(
        "an exponent off by one",
        lambda x: x**5,
        (1.5,),
        [lambda o, x: 5 * x**4],
        [lambda o, x: 5 * x**5],
    ),
    elementwise(
        "a second derivative lost by .data",
        lambda x: 1 / (1 + np.exp(-x)),
        (0.5,),
        [lambda o, x: o * (1 - o)],
        [lambda o, x: raw(o) * (1 - raw(o))],
    ),
    elementwise(
        "a second derivative lost in one factor",
        lambda x: 1 / (1 + np.exp(-x)),
        (0.5,),
        [lambda o, x: o * (1 - o)],
        [lambda o, x: o * (1 - raw(o))],
    ),
    elementwise(
        "a partial that is nan where the function is smooth",
        lambda x: x * x,
        (0.0,),
        [lambda o, x: 2 * x],
        [lambda o, x: 2 * ops.multiply(x, x / ops.abs(x)) * ops.sign(x)],
    ),
    elementwise(
        "another value between floats than between arrays",
        np.sin,
        (0.5,),
        [lambda o, x: ops.cos(x)],
        [lambda o, x: 0.5 * ops.cos(x)],
        scalar=np.sin,
    ),
    elementwise(
        "an approximation that is good to 1e-7",
        np.sin,
        (0.5,),
        [lambda o, x: ops.cos(x)],
        [lambda o, x: (ops.sin(x + 5e-4) - ops.sin(x - 5e-4)) / 1e-3],
    ),
]


def _spread(g: Any, i: int, args: Any) -> Any:
    return array_ops.broadcast_to(g, shape_of(args[i]))


def _sum_rows(g: Any, args: Any) -> Any:
    return array_ops.broadcast_to(array_ops.reshape(g, (1, 3)), shape_of(args[0]))


def _sum_columns(g: Any, args: Any) -> Any:
    return array_ops.broadcast_to(array_ops.reshape(g, (3, 1)), shape_of(args[0]))


def _product(transposes: tuple[Callable[..., Any], Callable[..., Any]]) -> Callable[..., Any]:
    return lambda i, g, out, args, p: transposes[i](g, args)


def _scatter_add(g: Any) -> Any:
    return array_ops.stack([g[0] + g[2], g[1], 0.0 * g[0]])


def _scatter_set(g: Any) -> Any:
    return array_ops.stack([g[2], g[1], 0.0 * g[0]])


def _reversed(x: Any) -> Any:
    return array_ops.getitem(x, slice(None, None, -1))


STRUCTURAL = [
    structural(
        "a sum over the wrong axis",
        lambda x: np.sum(x, axis=0),
        (A,),
        (lambda i, g, out, args, p: _sum_rows(g, args), None),
        (lambda i, g, out, args, p: _sum_columns(g, args), None),
    ),
    structural(
        "a mean that forgets its length",
        np.mean,
        (X,),
        (lambda i, g, out, args, p: _spread(g, 0, args) / 3.0, None),
        (lambda i, g, out, args, p: _spread(g, 0, args), None),
    ),
    structural(
        "a missing sum over broadcast axes",
        np.add,
        (A[:, :1], X),
        (
            lambda i, g, out, args, p: array_ops.unbroadcast(g, shape_of(args[i])),
            lambda t, out, args, p: array_ops.broadcast_to(t.get(0, 0.0) + t.get(1, 0.0), shape_of(out)),
        ),
        (
            lambda i, g, out, args, p: g,
            lambda t, out, args, p: array_ops.broadcast_to(t.get(0, 0.0) + t.get(1, 0.0), shape_of(out)),
        ),
    ),
    structural(
        "a matrix product without a transpose",
        np.matmul,
        (A, A + 1.0),
        (_product((lambda g, a: g @ array_ops.transpose(a[1]), lambda g, a: array_ops.transpose(a[0]) @ g)), None),
        (_product((lambda g, a: g @ a[1], lambda g, a: array_ops.transpose(a[0]) @ g)), None),
        multilinear=True,
    ),
    structural(
        "a running sum that is not turned round",
        np.cumsum,
        (X,),
        (lambda i, g, out, args, p: _reversed(array_ops.cumsum(_reversed(g))), None),
        (lambda i, g, out, args, p: array_ops.cumsum(g), None),
    ),
    structural(
        "a repeated index that overwrites",
        lambda x: x[[0, 1, 0]],
        (X,),
        (lambda i, g, out, args, p: _scatter_add(g), None),
        (lambda i, g, out, args, p: _scatter_set(g), None),
    ),
    structural(
        "a maximum that points at the first element",
        np.max,
        (X,),
        (
            lambda i, g, out, args, p: g * np.array([0.0, 0.0, 1.0]),
            lambda t, out, args, p: t[0][2],
        ),
        (
            lambda i, g, out, args, p: g * np.array([1.0, 0.0, 0.0]),
            lambda t, out, args, p: t[0][2],
        ),
    ),
    structural(
        "parts in the wrong order",
        lambda a, b: np.concatenate([a, b]),
        (X, 2 * X),
        (lambda i, g, out, args, p: g[3 * i : 3 * i + 3], None),
        (lambda i, g, out, args, p: g[3 - 3 * i : 6 - 3 * i], None),
    ),
    structural(
        "axes put back in the same order instead of the inverse one",
        lambda x: np.transpose(x, (1, 2, 0)),
        (np.arange(27.0).reshape(3, 3, 3) / 10,),
        (lambda i, g, out, args, p: array_ops.transpose(g, (2, 0, 1)), None),
        (lambda i, g, out, args, p: array_ops.transpose(g, (1, 2, 0)), None),
    ),
    structural(
        "a tangent that drops a term",
        np.multiply,
        (X, 2 + X),
        (
            _product((lambda g, a: g * a[1], lambda g, a: g * a[0])),
            lambda t, out, args, p: t.get(0, 0.0) * args[1] + t.get(1, 0.0) * args[0],
        ),
        (
            _product((lambda g, a: g * a[1], lambda g, a: g * a[0])),
            lambda t, out, args, p: t.get(0, 0.0) * args[1] + 0.0 * args[0],
        ),
    ),
    structural(
        "an inverse without its minus",
        np.linalg.inv,
        (A,),
        (
            lambda i, g, out, args, p: -array_ops.transpose(out) @ g @ array_ops.transpose(out),
            lambda t, out, args, p: -(out @ t[0] @ out),
        ),
        (
            lambda i, g, out, args, p: array_ops.transpose(out) @ g @ array_ops.transpose(out),
            lambda t, out, args, p: out @ t[0] @ out,
        ),
    ),
    structural(
        "an inverse with transposes forgotten",
        np.linalg.inv,
        (A,),
        (
            lambda i, g, out, args, p: -array_ops.transpose(out) @ g @ array_ops.transpose(out),
            lambda t, out, args, p: -(out @ t[0] @ out),
        ),
        (
            lambda i, g, out, args, p: -(out @ g @ out),
            lambda t, out, args, p: -(out @ t[0] @ out),
        ),
    ),
]

STALE: list[Any] = [0.1]


def _stale(x: Any) -> Any:
    before, STALE[0] = STALE[0], raw(x)
    return ops.sin(x) * before


COUNT = itertools.count()

FUNCTIONS = [
    Fault("one factor without its derivative", lambda x: x * x, lambda x: x * raw(x), (1.5,)),
    Fault(
        "another branch for differentiable numbers",
        lambda x: x * x,
        lambda x: x**3 if isinstance(x, Number) else x * x,
        (1.5,),
    ),
    Fault(
        "forward mode alone loses a factor",
        lambda x: x * x,
        lambda x: x * raw(x) if isinstance(x, Dual) else x * x,
        (1.5,),
    ),
    Fault("a value kept from the call before", ops.sin, _stale, (1.5,)),
    Fault("a value that changes from call to call", ops.sin, lambda x: ops.sin(x) * next(COUNT), (1.5,)),
    Fault(
        "one wrong component among a thousand",
        lambda x: array_ops.sum(ops.sin(x)),
        lambda x: array_ops.sum(ops.sin(x)) - x[613] + raw(x)[613],
        (np.linspace(0.1, 1.0, 1000),),
    ),
]

FAULTS = [*ELEMENTWISE, *STRUCTURAL, *FUNCTIONS]


def test_more_than_twenty_faults_are_planted() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 20


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_caught_and_right_rule_passes(fault: Fault) -> None:
    report = check_gradients(fault.right, *fault.at, unresolved="raise")
    assert report.n_compared > 0
    with pytest.raises(GradientError):
        check_gradients(fault.wrong, *fault.at, unresolved="ignore")


@pytest.mark.parametrize("fault", ELEMENTWISE, ids=lambda fault: fault.name)
@pytest.mark.parametrize("mode", ["vjp", "jvp"])
def test_fault_in_a_partial_is_caught_in_each_mode_alone(fault: Fault, mode: Any) -> None:
    with pytest.raises(GradientError):
        check_gradients(fault.wrong, *fault.at, modes=(mode,))


@pytest.mark.parametrize("fault", ELEMENTWISE, ids=lambda fault: fault.name)
def test_fault_in_a_partial_is_caught_on_arrays(fault: Fault) -> None:
    arrays = tuple(np.array([x, 1.25 * x + 0.0625 * (x == 0), x]) for x in fault.at)
    check_gradients(fault.right, *arrays, unresolved="raise")
    with pytest.raises(GradientError):
        check_gradients(fault.wrong, *arrays)
