"""Large right-hand sides, whose machine code is made of loops: the same answers, bits and derivatives as small ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops
from diffsim.compiler import engine
from diffsim.derivatives import grad, hvp, jvp, vjp
from integrators import Integrator, solve_ivp
from integrators._integrator import Step

pytestmark = pytest.mark.skipif(not engine.available(), reason="needs llvmlite")

RNG = np.random.default_rng(77)
FEW: dict[str, Any] = {"method": "RK4", "step": 0.02, "t_eval": [0.0, 0.1, 0.105, 0.107, 0.3, 0.31]}
SPAN = (0.0, 0.31)


def lorenz96(t: Any, y: Any, force: Any) -> Any:
    """E. N. Lorenz, "Predictability: a problem partly solved" (1996), eq. 1, driven."""
    return (np.roll(y, -1) - np.roll(y, 2)) * np.roll(y, 1) - y + force * (1.0 + 0.1 * np.sin(3.0 * t))


def chain(t: Any, y: Any, stiffness: Any, masses: Any) -> Any:
    """Pendulums that hang on springs between walls: the ends differ from the middle, each mass is its own."""
    q, p = y[: len(y) // 2], y[len(y) // 2 :]
    zero = 0.0 * q[:1]
    padded = np.concatenate([zero, q, zero])
    force = stiffness * (padded[2:] - 2.0 * q + padded[:-2]) - np.sin(q)
    return np.concatenate([p / masses, force])


def network(t: Any, y: Any, weights: Any, bias: Any) -> Any:
    """A neural network of one layer: dense."""
    return np.tanh(weights @ y + bias) - 0.5 * y


def bodies(t: Any, y: Any, masses: Any) -> Any:
    """Gravity between all pairs, softened, in loops as people write them."""
    n = len(masses)
    position, velocity = y[: 2 * n].reshape(n, 2), y[2 * n :]
    out = []
    for i in range(n):
        for axis in range(2):
            total = 0.0
            for j in range(n):
                if j != i:
                    gap = position[j] - position[i]
                    total = total + masses[j] * gap[axis] / (gap[0] ** 2 + gap[1] ** 2 + 0.1) ** 1.5
            out.append(total)
    return [*velocity, *out]


def mixed(t: Any, y: Any, k: Any) -> Any:
    """No two components alike, with selections and roots."""
    n = len(y)
    out = []
    for i in range(n):
        x, z = y[i], y[(3 * i + 1) % n]
        term = [np.sin(x * z), np.exp(-(x**2)), np.sqrt(1.0 + x * x), np.where(x > z, x, -z), np.tanh(z - x)][i % 5]
        out.append(term * k - 0.1 * x + (np.cos(t + i) if i % 7 == 0 else 0.0))
    return out


CASES: dict[str, tuple[Callable[..., Any], int, tuple[Any, ...]]] = {
    "Lorenz-96": (lorenz96, 41, (8.0,)),
    "chain": (chain, 60, (2.0, RNG.uniform(0.5, 2.0, 30))),
    "network": (network, 13, (RNG.standard_normal((13, 13)), RNG.standard_normal(13))),
    "bodies": (bodies, 16, (RNG.uniform(0.5, 2.0, 4),)),
    "mixed": (mixed, 37, (0.7,)),
}


def starts_of(n: int, batch: tuple[int, ...] = ()) -> Any:
    return np.random.default_rng(n).standard_normal((n, *batch))


def weighted(y: Any) -> Any:
    weights = np.cos(np.arange(np.prod(y.shape))).reshape(y.shape)
    return array_ops.sum(weights * y) + 0.5 * array_ops.sum(y * y)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("batch", [(), (3,), (17,)])
def test_large_program_is_the_interpreted_one(case: str, batch: tuple[int, ...]) -> None:
    fun, n, args = CASES[case]
    y0 = starts_of(n, batch)
    machine, reference = (solve_ivp(fun, SPAN, y0, args=args, compiled=mode, **FEW) for mode in (True, False))
    scale = np.abs(reference.y).max()
    np.testing.assert_allclose(machine.y, reference.y, rtol=0, atol=1e-13 * scale)
    np.testing.assert_array_equal(machine.t, reference.t)
    for name in ("status", "nfev", "n_times", "message"):
        np.testing.assert_array_equal(getattr(machine, name), getattr(reference, name))


@pytest.mark.parametrize("case", CASES)
def test_lanes_of_a_large_program_have_the_bits_of_single_solves(case: str) -> None:
    fun, n, args = CASES[case]
    y0 = starts_of(n, (33,))
    more: dict[str, Any] = {"args": args, "compiled": True, **FEW}
    every = solve_ivp(fun, SPAN, y0, threads=1, **more)
    for i in (0, 7, 8, 15, 16, 32):
        np.testing.assert_array_equal(solve_ivp(fun, SPAN, y0[:, i], **more).y, every.y[:, i])
    for size in (1, 2, 8, 9, 17):
        order = np.random.default_rng(size).permutation(33)[:size]
        np.testing.assert_array_equal(solve_ivp(fun, SPAN, y0[:, order], **more).y, every.y[:, order])
    for threads in (2, 8):
        np.testing.assert_array_equal(solve_ivp(fun, SPAN, y0, threads=threads, **more).y, every.y)
    np.testing.assert_array_equal(solve_ivp(fun, SPAN, y0[:, :5], **more, sensitivities="y0[1]").y, every.y[:, :5])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("batch", [(), (3,)])
def test_derivatives_of_a_large_program_are_the_recorded_ones(case: str, batch: tuple[int, ...]) -> None:
    fun, n, args = CASES[case]
    y0 = starts_of(n, batch)
    more = {**FEW, "step": 0.05}

    def states(y0: Any, *args: Any, compiled: bool = True) -> Any:
        return solve_ivp(fun, SPAN, y0, args=args, compiled=compiled, **more).y

    value, pullback = vjp(states, y0, *args)
    _, recorded = vjp(lambda *given: states(*given, compiled=False), y0, *args)
    g = RNG.standard_normal(value.shape)
    found = pullback(g)
    for a, b in zip(found, recorded(g), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max())
    along = [RNG.standard_normal(np.shape(x)) for x in (y0, *args)]
    _, pushed = jvp(states, (y0, *args), tuple(v if np.ndim(v) else float(v) for v in along))
    paired = sum(np.sum(a * v) for a, v in zip(found, along, strict=True))
    assert np.sum(g * pushed) == pytest.approx(paired, rel=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_sensitivities_of_a_large_program_are_the_interpreted_ones(case: str) -> None:
    fun, n, args = CASES[case]
    for batch in ((), (3,)):
        y0 = starts_of(n, batch)
        names = ("y0[0]", f"y0[{n - 1}]", "args[0]") if np.ndim(args[0]) == 0 else ("y0[0]", f"y0[{n - 1}]")
        more = {**FEW, "step": 0.05, "sensitivities": names, "args": args}
        machine, reference = (solve_ivp(fun, SPAN, y0, compiled=mode, **more) for mode in (True, False))
        np.testing.assert_allclose(machine.dy_dy0, reference.dy_dy0, rtol=1e-11, atol=1e-12)
        if "args[0]" in names:
            np.testing.assert_allclose(machine.dy_dparams, reference.dy_dparams, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("case", ["Lorenz-96", "chain", "mixed"])
def test_second_derivatives_of_a_large_program_agree(case: str) -> None:
    fun, n, args = CASES[case]
    y0, v = starts_of(n), RNG.standard_normal(n)
    more = {**FEW, "step": 0.05}

    def loss(y0: Any, compiled: bool = True) -> Any:
        return weighted(solve_ivp(fun, SPAN, y0, args=args, compiled=compiled, **more).y)

    wanted = hvp(lambda y: loss(y, False), y0, v)
    scale = {"rtol": 0, "atol": 1e-11 * np.abs(wanted).max()}
    np.testing.assert_allclose(hvp(loss, y0, v), wanted, **scale)
    np.testing.assert_allclose(grad(lambda y: array_ops.sum(grad(loss)(y) * v))(y0), wanted, **scale)
    np.testing.assert_allclose(grad(lambda y: jvp(loss, (y,), (v,))[1])(y0), wanted, **scale)


@pytest.mark.parametrize("case", ["Lorenz-96", "mixed"])
def test_gradient_of_a_large_program_does_not_depend_on_memory_batch_and_threads(case: str) -> None:
    fun, n, args = CASES[case]
    y0 = starts_of(n, (9,)) * 0.5

    def table(y0: Any, **more: Any) -> Any:
        options: dict[str, Any] = {**FEW, "step": 0.002, "args": args, "compiled": True, **more}

        def loss(y0: Any) -> Any:
            y = solve_ivp(fun, SPAN, y0, **options).y
            return array_ops.sum(y * y * np.cos(np.arange(6.0)))

        return grad(loss)(y0)

    every = table(y0)
    for memory in (1e3, 1e4, 1e6):
        np.testing.assert_array_equal(table(y0, memory=memory), every)
    for threads in (1, 2, 8):
        np.testing.assert_array_equal(table(y0, threads=threads), every)
    for i in (0, 8):
        np.testing.assert_array_equal(table(y0[:, i]), every[:, i])


def test_fallen_lane_of_a_large_program_leaves_its_neighbours_and_ends_as_interpreted() -> None:
    fun, n, args = CASES["Lorenz-96"]
    y0 = starts_of(n, (5,))
    y0[:, 2] *= 1e6
    y0[3, 4] = 1e200
    more: dict[str, Any] = {**FEW, "args": args}
    machine, reference = (solve_ivp(fun, SPAN, y0, compiled=mode, **more) for mode in (True, False))
    assert machine.status.tolist() == [0, 0, -1, 0, -1]
    np.testing.assert_array_equal(machine.status, reference.status)
    np.testing.assert_array_equal(machine.message, reference.message)
    np.testing.assert_array_equal(np.isnan(machine.y), np.isnan(reference.y))
    fine = [0, 1, 3]
    np.testing.assert_array_equal(machine.y[:, fine], solve_ivp(fun, SPAN, y0[:, fine], compiled=True, **more).y)


class Wambecq(Integrator):
    """Rational Runge-Kutta method of order 2: A. Wambecq, Computing 20 (1978) 333-342."""

    order = 2

    def advance(self, f: Any, t: Any, y: Any, h: Any, carry: Any = None) -> Step:
        first = h * array_ops.array(f(t, y))
        second = h * array_ops.array(f(t + 0.5 * h, y + 0.5 * first))
        b = 2.0 * first - second
        norm, mixed, square = (array_ops.sum(x, axis=0) for x in (b * b, first * b, first * first))
        return Step(y + (2.0 * first * mixed - b * square) / norm, None, None, [])


def test_large_program_with_a_method_of_one_s_own() -> None:
    fun, n, args = CASES["Lorenz-96"]
    more = {**FEW, "method": Wambecq(0.02), "args": args}
    del more["step"]
    for batch in ((), (9,)):
        y0 = starts_of(n, batch)
        machine, reference = (solve_ivp(fun, SPAN, y0, compiled=mode, **more) for mode in (True, False))
        np.testing.assert_allclose(machine.y, reference.y, rtol=0, atol=1e-13 * np.abs(reference.y).max())

    def loss(y0: Any, compiled: bool) -> Any:
        return weighted(solve_ivp(fun, SPAN, y0, compiled=compiled, **more).y)

    y0 = starts_of(n)
    found, wanted = (grad(lambda y, mode=mode: loss(y, mode))(y0) for mode in (True, False))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
