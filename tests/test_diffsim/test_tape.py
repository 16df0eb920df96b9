"""The tape: depth, determinism, memory, cycles, levels, threads."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops, ops
from diffsim.derivatives import grad, hessian, jacobian, jvp, vjp
from diffsim.errors import DiffsimError
from diffsim.number import leaf_level
from diffsim.value import Value

PROGRAM = """
import numpy as np
from diffsim import ops
from diffsim.value import Value
xs = [Value(0.1 * k + 0.37) for k in range(40)]
ys = list(xs)
for k in range(300):
    a, b = ys[(7 * k) % 40], ys[(11 * k + 3) % 40]
    ys[k % 40] = ops.sin(a * b) + ops.exp(-a * a) / (1 + b * b)
total = sum(ys[1:], ys[0])
total.backward()
m = Value(np.linspace(0.1, 2.0, 12).reshape(3, 4))
s = (ops.tanh(m @ m.T) @ m[:, [0, 1, 0]]).sum()
s.backward()
print(total.data.hex(), [x.grad.hex() for x in xs], s.data.hex(), [g.hex() for g in m.grad.ravel().tolist()])
"""


def pendulum_gradient(steps: int) -> list[float]:
    start = [Value(x) for x in (0.4, 0.0, 1.0, 4.0)]
    t1, t2, p1, p2 = start
    for _ in range(steps):
        c, s = (t1 - t2).cos(), (t1 - t2).sin()
        d = 16 - 9 * c * c
        v1, v2 = 6 * (2 * p1 - 3 * c * p2) / d, 6 * (8 * p2 - 3 * c * p1) / d
        f1, f2 = -0.5 * (v1 * v2 * s + 29.4 * t1.sin()), -0.5 * (-v1 * v2 * s + 9.8 * t2.sin())
        t1, t2, p1, p2 = t1 + 0.01 * v1, t2 + 0.01 * v2, p1 + 0.01 * f1, p2 + 0.01 * f2
    t2.backward()
    return [x.grad for x in start]


def growth(repeats: int) -> int:
    """Bytes that repeated gradients leave behind."""
    tracemalloc.start()
    for _ in range(2):
        pendulum_gradient(500)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(repeats):
        pendulum_gradient(500)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before


def resident() -> int:
    """Bytes of this process in memory (0 where the system does not say)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def test_chain_of_a_million_operations_differentiates_in_the_default_recursion_limit() -> None:
    assert sys.getrecursionlimit() <= 1000
    x = Value(1.0)
    y = x
    for _ in range(500_000):
        y = y * 1.000001 + 1e-9
    y.backward()
    assert x.grad == pytest.approx(1.000001**500_000, rel=1e-9)
    del y  # frees a chain of a million nodes: without recursion, too


def test_long_chain_of_arrays_differentiates() -> None:
    x = Value(np.array([1.0, 2.0]))
    y = x
    for _ in range(50_000):
        y = y * 1.00001
    array_ops.sum(y).backward()
    np.testing.assert_allclose(x.grad, 1.00001**50_000)


def test_long_chain_through_grad_and_second_order() -> None:
    def f(x: Any) -> Any:
        for _ in range(20_000):
            x = x * 1.0001
        return x * x

    assert grad(grad(f))(1.0) == pytest.approx(2 * 1.0001**40_000, rel=1e-9)


def test_same_bits_from_process_to_process_whatever_the_hash_seed() -> None:
    def run(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            cwd=os.getcwd(),
        ).stdout

    first = run("0")
    assert len(first) > 1000
    assert first == run("1") == run("4242")


def test_same_bits_from_run_to_run() -> None:
    assert pendulum_gradient(200) == pendulum_gradient(200)


def low_water(repeats: int) -> int:
    """Least resident memory after each of some gradients: free pages come and go, what is held stays."""
    levels = []
    for _ in range(repeats):
        pendulum_gradient(500)
        levels.append(resident())
    return min(levels)


def test_gradients_of_a_trajectory_leave_no_memory_behind() -> None:
    assert growth(4) < 5_000


THOUSAND = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("tape", sys.argv[1])
tape = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tape)
tape.low_water(200)  # the allocator takes its pages once
before = tape.low_water(50)
for _ in range(950):
    tape.pendulum_gradient(500)
print(tape.low_water(50) - before, tape.growth(100))
"""


@pytest.mark.slow
@pytest.mark.twin  # of the promise on memory over forty cycles
def test_a_thousand_gradients_of_a_trajectory_leave_less_than_a_megabyte() -> None:
    command = [sys.executable, "-c", THOUSAND, __file__]  # a process of its own: other tests' memory does not count
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=os.getcwd())
    resident_growth, held = map(int, answer.stdout.split())
    assert resident_growth < 1e6
    assert held < 5_000


def test_tape_is_freed_with_the_last_reference_and_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        x = Value(np.ones(3))
        y = ops.sin(x * 2.0) @ np.ones(3)
        y.backward()
        before = len([o for o in gc.get_objects() if isinstance(o, Value)])
        del y
        after = len([o for o in gc.get_objects() if isinstance(o, Value)])
        assert after < before
        for f in (
            lambda: grad(lambda z: ops.exp(z) * z)(1.0),
            lambda: hessian(lambda z: (z * z * z).sum())(np.ones(3)),
            lambda: vjp(lambda z: z * z, np.ones(3))[1](np.ones(3)),
            lambda: jvp(lambda z: z * z, (np.ones(3),), (np.ones(3),)),
            lambda: pendulum_gradient(20),
        ):
            f()
            gc.collect()
            f()
            assert gc.collect() == 0, "a reference cycle was left to the garbage collector"
    finally:
        gc.enable()


def test_levels_are_restored_when_a_differentiation_fails() -> None:
    def fail(x: Any) -> Any:
        raise ZeroDivisionError

    for broken in (grad(fail), jacobian(fail), lambda x: jvp(fail, (x,), (1.0,)), grad(grad(fail)), hessian(fail)):
        with pytest.raises(ZeroDivisionError):
            broken(1.0)
        assert leaf_level() == 0
    assert grad(lambda x: x * grad(lambda y: x * y)(3.0))(2.0) == 4.0


@pytest.mark.parametrize("outer", ["reverse", "forward"])
@pytest.mark.parametrize("inner", ["reverse", "forward"])
def test_perturbations_are_not_confused(outer: str, inner: str) -> None:
    def derivative(mode: str, f: Any) -> Any:
        return grad(f) if mode == "reverse" else lambda x: jvp(f, (x,), (1.0,))[1]

    assert derivative(outer, lambda x: x * derivative(inner, lambda y: x * y)(2.0))(2.0) == 4.0
    assert derivative(outer, lambda x: x * derivative(inner, lambda y: x + y)(1.0))(1.0) == 1.0


def test_three_nested_closures() -> None:
    def f(x: Any) -> Any:
        return grad(lambda y: grad(lambda z: x * y * z * z)(y) * x)(x)

    assert grad(f)(2.0) == 48.0


def test_closure_over_a_value_gives_a_value() -> None:
    v = Value(3.0)
    g = grad(lambda x: x * v * v)(2.0)
    assert isinstance(g, Value)
    g.backward()
    assert v.grad == 6.0


def test_value_made_inside_a_differentiated_function() -> None:
    def f(x: Any) -> Any:
        v = Value(3.0)
        (v * v * x).backward()
        return v.grad * x

    assert grad(f)(2.0) == 24.0


def test_threads_differentiate_side_by_side() -> None:
    found: dict[int, float] = {}

    def work(k: int) -> None:
        for _ in range(20):
            found[k] = grad(grad(lambda x: ops.sin(x) * x))(float(k))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: grad(grad(lambda x: ops.sin(x) * x))(float(k)) for k in range(6)}


def test_thread_started_inside_a_differentiated_function_is_another_level() -> None:
    def f(x: Any) -> Any:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(grad(lambda y: x * y)(3.0)))
        thread.start()
        thread.join()
        return x * found[0]

    assert grad(f)(2.0) == 4.0


def test_backward_from_several_ends_accumulates_in_leaves_only() -> None:
    x = Value(2.0)
    a = x * x
    b = a * x
    c = a + b
    b.backward()
    assert (x.grad, a.grad) == (12.0, 2.0)
    b.backward()
    assert (x.grad, a.grad) == (24.0, 2.0)
    x.grad = 0
    c.backward()
    assert (x.grad, a.grad, b.grad) == (16.0, 3.0, 1.0)
    x.grad = 0
    a.backward()
    assert x.grad == 4.0


def test_backward_of_a_leaf_accumulates() -> None:
    x = Value(2.0)
    x.backward()
    x.backward()
    assert x.grad == 2.0


def test_pullback_may_be_called_again_with_the_same_bits() -> None:
    _, pullback = vjp(lambda x: ops.sin(x) * x, np.linspace(0, 1, 5))
    u = np.arange(5.0)
    first, other, again = pullback(u)[0], pullback(2 * u)[0], pullback(u)[0]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(other, 2 * first)


@pytest.mark.parametrize("bad", [None, "a", True, 1j])
def test_function_that_returns_no_real_number_is_refused(bad: Any) -> None:
    with pytest.raises(DiffsimError):
        grad(lambda x: bad)(1.0)
