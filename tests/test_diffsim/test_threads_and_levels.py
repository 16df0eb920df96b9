"""Levels of nested differentiations: per thread, restored after exceptions, never confused whoever runs them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops, ops
from diffsim.derivatives import grad, hessian, jacobian, jvp, value_and_grad, vjp
from diffsim.graph import trace
from diffsim.number import leaf_level, new_level
from diffsim.value import Value


def work(k: int) -> tuple[Any, ...]:
    """Every kind of derivative, nested, with a result of its own for each k."""
    x = np.linspace(0.1, 1.0, 4) * (1 + k)

    def f(v: Any) -> Any:
        return array_ops.sum(ops.sin(v) * np.roll(v, 1)) + grad(lambda t: ops.exp(-t * v[0]))(0.5) * v[1]

    v = Value(x)
    f(v).backward()
    graph = trace(lambda t: ops.sin(t) * (k + 1), 1.0)
    return (
        value_and_grad(f)(x)[1].tolist(),
        hessian(f)(x).tolist(),
        jacobian(lambda t: array_ops.cumsum(t * t))(x).tolist(),
        v.grad.tolist(),
        graph.jacobian()(0.3),
    )


@pytest.fixture
def eager_switching() -> Any:
    """Switch between threads as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_switching")
def test_threads_get_the_bits_that_they_get_alone() -> None:
    expected = [work(k) for k in range(6)]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            assert list(pool.map(work, range(6))) == expected


@pytest.mark.usefixtures("eager_switching")
def test_threads_that_wait_for_each_other_inside_their_differentiations() -> None:
    barrier = threading.Barrier(4, timeout=20)

    def run(k: int) -> float:
        def f(x: Any) -> Any:
            barrier.wait()  # all are inside the outer one
            y = x * grad(lambda t: (barrier.wait(), t * x)[1])(1.0 + k)
            barrier.wait()
            return y

        return float(grad(f)(2.0 + k))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [2 * (2.0 + k) for k in range(4)]


@pytest.mark.parametrize("inner", ["reverse", "forward"])
@pytest.mark.parametrize("outer", ["reverse", "forward"])
def test_thread_started_inside_a_differentiation_does_not_confuse_it(outer: str, inner: str) -> None:
    derivative = {"reverse": grad, "forward": lambda f: lambda x: jvp(f, (x,), (1.0,))[1]}

    def f(x: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return x * pool.submit(lambda: derivative[inner](lambda y: x * y)(3.0)).result()

    assert derivative[outer](f)(2.0) == 4.0


def test_thread_that_takes_the_context_along_is_inside() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            v = pool.submit(contextvars.copy_context().run, Value, x * 2).result()
        (v * v).backward()
        return v.grad * x  # 4 x**2

    assert grad(f)(1.5) == 8 * 1.5


def test_values_shared_between_threads_accumulate_in_their_own_tapes() -> None:
    shared = Value(3.0)

    def run(k: int) -> Any:
        return shared * float(k) + shared**2

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(run, range(8)))
    for end in ends:
        end.backward()
    assert shared.grad == sum(k + 6.0 for k in range(8))


def test_coroutines_keep_their_own_levels() -> None:
    async def run(k: float) -> float:
        slope = grad(lambda x: x**3 * k)(2.0)
        await asyncio.sleep(0)
        return float(slope + grad(lambda x: x * grad(lambda y: x * y)(k))(1.0))

    async def main() -> list[float]:
        return list(await asyncio.gather(*(run(float(k)) for k in range(5))))

    assert asyncio.run(main()) == [12.0 * k + 2.0 for k in range(5)]


# --- levels ----------------------------------------------------------------------------------------------------------


def test_levels_rise_inside_and_never_repeat() -> None:
    outside = leaf_level()
    with new_level() as first:
        with new_level() as second:
            assert outside < first < leaf_level()
            assert first < second < leaf_level()
        assert first < leaf_level() < second
    with new_level() as third:
        assert third > second
    assert leaf_level() == outside


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, StopIteration, GeneratorExit, MemoryError])
def test_level_is_restored_after_any_exception_at_any_depth(error: type[BaseException]) -> None:
    before = leaf_level()

    def fail(x: Any) -> Any:
        raise error

    nested = [
        lambda: grad(fail)(1.0),
        lambda: grad(lambda x: jvp(fail, (x,), (x,))[1])(1.0),
        lambda: jacobian(lambda x: grad(lambda y: vjp(fail, y)[0])(x))(np.ones(2)),
        lambda: trace(lambda x: grad(fail)(x), 1.0),
    ]
    for call in nested:
        with pytest.raises(error):
            call()
        assert leaf_level() == before


def test_exception_that_the_function_catches_leaves_the_outer_derivative_right() -> None:
    def f(x: Any) -> Any:
        with contextlib.suppress(ZeroDivisionError):
            grad(lambda y: 1 // 0)(x)
        return x * grad(lambda y: x * y)(1.0)

    assert grad(f)(3.0) == 6.0


def test_differentiation_inside_a_callback_of_backward_order() -> None:
    calls: list[float] = []

    def f(x: Any) -> Any:
        calls.append(grad(lambda t: t**2)(len(calls) + 1.0))
        return x * calls[-1]

    assert [grad(f)(1.0) for _ in range(3)] == [2.0, 4.0, 6.0]


def test_deep_nesting() -> None:
    def tower(n: int, x: Any) -> Any:
        return x * x if n == 0 else grad(lambda y: tower(n - 1, y) * y)(x)

    # f_0 = x**2, f_n = (f_{n-1} x)' : each step multiplies by 3
    assert tower(6, 2.0) == 3**6 * 4.0


def test_numbers_of_an_ended_differentiation_do_no_harm() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x)
        return x * x

    assert grad(f)(3.0) == 6.0
    leaked = kept[0]

    def g(y: Any) -> Any:
        return y * leaked

    slope = grad(g)(2.0)
    assert float(getattr(slope, "data", slope)) == 3.0


def test_pullbacks_of_different_tapes_interleave() -> None:
    pulls = [vjp(lambda x, k=k: x ** (k + 2), 2.0)[1] for k in range(4)]
    for _ in range(2):
        for k in (3, 1, 0, 2):
            assert pulls[k](1.0)[0] == (k + 2) * 2.0 ** (k + 1)


def test_pullbacks_may_be_called_from_other_threads() -> None:
    value, pullback = vjp(lambda x: ops.sin(x) * x, np.linspace(0, 1, 5))
    expected = pullback(np.ones(5))[0]
    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(pool.submit(pullback, np.ones(5)).result()[0], expected)
    assert value.shape == (5,)
