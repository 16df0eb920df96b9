"""Systems of many components: loops give what straight-line code gives, and do not grow with the system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from diffsim import array_ops
from diffsim.compiler import engine
from diffsim.derivatives import grad
from diffsim.errors import InterpretedWarning, TraceError
from integrators import solve_ivp
from integrators._methods import resolve_method
from integrators.compiled import kernel_rolled as _kernel_rolled
from integrators.compiled import route as _route
from integrators.compiled.kernel_forward import ForwardKernel
from integrators.compiled.kernel_rolled import RolledForwardKernel, is_large
from integrators.compiled.kernel_rolled_adjoint import RolledAdjointKernel
from integrators.compiled.machine import forward_machine
from integrators.compiled.machine_adjoint import adjoint_machine
from integrators.compiled.program import Program
from integrators.compiled.route import find_route

pytestmark = pytest.mark.skipif(not engine.available(), reason="needs llvmlite")

FEW: dict[str, Any] = {"method": "RK4", "step": 0.04, "t_eval": [0.08, 0.107, 0.2]}
SPAN = (0.0, 0.2)
WIRES = [np.random.default_rng(i).choice(24, 3, replace=False) for i in range(24)]


def lorenz96(t: Any, y: Any, force: Any) -> Any:
    """E. N. Lorenz, "Predictability: a problem partly solved" (1996), eq. 1."""
    return (np.roll(y, -1) - np.roll(y, 2)) * np.roll(y, 1) - y + force


def oscillators(t: Any, y: Any, stiffness: Any, mass: Any) -> Any:
    """A chain of springs between two walls."""
    x, v = y[: len(y) // 2], y[len(y) // 2 :]
    gaps = np.diff(np.concatenate([[0.0], x, [0.0]]))
    return np.concatenate([v, np.diff(stiffness * gaps) / mass])


def fput(t: Any, y: Any, alpha: Any, beta: Any) -> Any:
    """E. Fermi, J. Pasta, S. Ulam, M. Tsingou, "Studies of nonlinear problems" (1955): both kinds of chains."""
    x, v = y[: len(y) // 2], y[len(y) // 2 :]
    gaps = np.diff(np.concatenate([[0.0], x, [0.0]]))
    return np.concatenate([v, np.diff(gaps + alpha * gaps**2 + beta * gaps**3)])


def pendulums(t: Any, y: Any, gravity: Any, length: Any, coupling: Any) -> Any:
    """Pendulums, each joined to the next by a torsion spring, on a shaking support."""
    x, v = y[: len(y) // 2], y[len(y) // 2 :]
    torque, zero = coupling * np.sin(np.diff(x)), np.zeros(1)
    pull = np.concatenate([torque, zero]) - np.concatenate([zero, torque])
    return np.concatenate([v, -gravity / length * np.sin(x) + pull + 0.1 * np.cos(2.0 * t)])


def wired(t: Any, y: Any, gain: Any) -> Any:
    """No two components alike."""
    out = []
    for i, (a, b, c) in enumerate(WIRES):
        z = gain * y[a] * y[b] - y[c]
        z = [z + y[i] ** 2, np.sin(z), z / (2.0 + y[i] ** 2), np.tanh(z * y[b]), z * np.exp(-(y[c] ** 2))][i % 5]
        out.append(z - (0.1 + 0.01 * i) * y[i])
    return np.array(out)


CASES: dict[str, tuple[Callable[..., Any], int, tuple[float, ...]]] = {
    **{f"Lorenz-96, n = {n}": (lorenz96, n, (8.0,)) for n in (4, 5, 17, 40, 64)},
    "oscillators": (oscillators, 38, (2.0, 0.7)),
    "FPUT": (fput, 34, (0.25, 0.3)),
    "pendulums": (pendulums, 26, (9.8, 1.2, 0.8)),
    "wired": (wired, 24, (0.6,)),
}


def _forget() -> None:
    for kept in (is_large, forward_machine, adjoint_machine):
        kept.cache_clear()


@pytest.fixture
def rolled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """Choose how programs are written."""

    def choose(yes: bool) -> None:
        monkeypatch.setattr(_kernel_rolled, "SMALLEST", 0 if yes else 10**9)
        _forget()

    yield choose
    monkeypatch.undo()
    _forget()


def start_of(n: int, batch: tuple[int, ...] = ()) -> Any:
    return 1.0 + 0.5 * np.random.default_rng(n).standard_normal((n, *batch))


def values_and_gradients(case: str, **more: Any) -> list[Any]:
    fun, n, args = CASES[case]

    def loss(y0: Any, *args: Any) -> Any:
        y = solve_ivp(fun, SPAN, y0, args=args, **FEW, **more).y
        return array_ops.sum(y * y * np.linspace(0.5, 1.5, n)[:, None])

    y0 = start_of(n)
    states = solve_ivp(fun, SPAN, y0, args=args, **FEW, **more).y
    return [states, *grad(loss, argnums=tuple(range(1 + len(args))))(y0, *args)]


@pytest.mark.parametrize("case", CASES)
def test_loops_give_what_interpreting_gives(case: str, rolled: Callable[[bool], None]) -> None:
    rolled(True)
    for found, wanted in zip(
        values_and_gradients(case, compiled=True), values_and_gradients(case, compiled=False), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("case", ["Lorenz-96, n = 5", "oscillators", "pendulums"])
def test_loops_give_what_straight_line_code_gives(case: str, rolled: Callable[[bool], None]) -> None:
    rolled(True)
    loops = values_and_gradients(case, compiled=True)
    rolled(False)
    for found, wanted in zip(loops, values_and_gradients(case, compiled=True), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13 * np.abs(wanted).max())


@pytest.mark.parametrize("case", ["Lorenz-96, n = 17", "FPUT", "pendulums", "wired"])
def test_batches_have_the_bits_of_single_solves(case: str, rolled: Callable[[bool], None]) -> None:
    rolled(True)
    fun, n, args = CASES[case]
    every = start_of(n, (9,))

    def both(y0: Any) -> tuple[Any, Any]:
        def loss(y0: Any) -> Any:
            return array_ops.sum(solve_ivp(fun, SPAN, y0, args=args, compiled=True, **FEW).y ** 2)

        return solve_ivp(fun, SPAN, y0, args=args, compiled=True, **FEW).y, grad(loss)(y0)

    states, gradients = both(every)
    for m in (1, 3):
        found = both(every[:, :m])
        np.testing.assert_array_equal(found[0], states[:, :m])
        np.testing.assert_array_equal(found[1], gradients[:, :m])
    for j in (0, 8):
        found = both(every[:, j])
        np.testing.assert_array_equal(found[0], states[:, j])
        np.testing.assert_array_equal(found[1], gradients[:, j])


def test_parameter_gradients_of_single_solves_have_the_bits_of_batches(rolled: Callable[[bool], None]) -> None:
    rolled(True)
    for case in ("Lorenz-96, n = 40", "FPUT"):
        fun, n, args = CASES[case]

        def slope(y0: Any, fun: Any = fun, args: Any = args) -> Any:
            def loss(*args: Any) -> Any:
                return array_ops.sum(solve_ivp(fun, SPAN, y0, args=args, compiled=True, **FEW).y ** 2)

            return grad(loss, argnums=tuple(range(len(args))))(*args)

        y0 = start_of(n)
        assert slope(y0) == slope(y0[:, None])


def test_failing_lane_leaves_its_neighbours_alone(rolled: Callable[[bool], None]) -> None:
    rolled(True)
    y0 = start_of(40, (9,))
    y0[7, 4] = 1e160
    found = solve_ivp(lorenz96, SPAN, y0, args=(8.0,), compiled=True, **FEW)
    assert found.status.tolist() == [0, 0, 0, 0, -1, 0, 0, 0, 0]
    others = np.delete(np.arange(9), 4)
    alone = solve_ivp(lorenz96, SPAN, y0[:, others], args=(8.0,), compiled=True, **FEW)
    np.testing.assert_array_equal(found.y[:, others], alone.y)
    single = solve_ivp(lorenz96, SPAN, y0[:, 4], args=(8.0,), compiled=True, **FEW)
    wanted = solve_ivp(lorenz96, SPAN, y0[:, 4], args=(8.0,), compiled=False, **FEW)
    assert (single.status, single.message) == (wanted.status, wanted.message)
    assert found.message[4] == wanted.message


def test_gradient_of_a_thousand_components_is_its_tangent() -> None:
    n = 1000
    rng = np.random.default_rng(3)
    y0, v, force = 8.0 + rng.standard_normal(n), rng.standard_normal(n), 8.0

    def states(y0: Any, force: Any) -> Any:
        return solve_ivp(lorenz96, (0.0, 0.5), y0, method="RK4", step=0.01, t_eval=[0.5], args=(force,)).y[:, -1]

    slopes = grad(lambda y0, force: array_ops.sum(states(y0, force) ** 2), argnums=(0, 1))(y0, force)
    small = 1e-6
    ahead, behind = (np.sum(states(y0 + s * v, force + s) ** 2) for s in (small, -small))
    assert slopes[0] @ v + slopes[1] == pytest.approx((ahead - behind) / (2.0 * small), rel=1e-6)
    found = solve_ivp(
        lorenz96,
        (0.0, 0.5),
        y0,
        method="RK4",
        step=0.01,
        t_eval=[0.5],
        args=(force,),
        sensitivities=["y0[3]", "params"],
    )
    bar = 2.0 * found.y[:, 0]
    assert bar @ found.dy_dy0[:, 0, 0] == pytest.approx(slopes[0][3], rel=1e-10)
    assert bar @ found.dy_dparams[:, 0, 0] == pytest.approx(slopes[1], rel=1e-10)


# --- how much code there is -------------------------------------------------------------------------------------------


def program_of(fun: Callable[..., Any], n: int, args: tuple[float, ...]) -> Program:
    return find_route(fun, args, n, resolve_method("RK4", 0.01), False).program


def n_lines(program: Program, along: bool) -> int:
    """Lines of LLVM's text of forward loop and adjoint."""
    shape = engine.host().shape()
    active = tuple(range(program.n_parameters))
    forward = RolledForwardKernel(program, shape, along, False, True)
    adjoint = RolledAdjointKernel(program, shape, along, active, False)
    return len(forward.text().splitlines()) + len(adjoint.text().splitlines())


@pytest.mark.parametrize("fun", [lorenz96, oscillators, fput, pendulums])
def test_code_of_many_components_is_bounded(fun: Callable[..., Any]) -> None:
    args = (1.0, 2.0, 3.0)[: fun.__code__.co_argcount - 2]
    for along in (True, False):
        small, large = (n_lines(program_of(fun, n, args), along) for n in (64, 400))
        assert large < 1.1 * small + 20  # the ends of the vector loops differ
        assert large < 7000


def test_small_systems_are_straight_line_code() -> None:
    assert not is_large(program_of(lorenz96, 16, (8.0,)))
    assert is_large(program_of(lorenz96, 40, (8.0,)))
    small = program_of(lorenz96, 16, (8.0,))
    assert " @part" not in ForwardKernel(small, engine.host().shape(1), 1, None, False, False).text()


def test_what_is_too_large_is_interpreted_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_route, "LARGEST", 50)
    more: dict[str, Any] = {"method": "RK4", "step": 0.1, "args": (0.123,)}

    def irregular(t: Any, y: Any, gain: Any) -> Any:
        return wired(t, y, gain) - gain

    assert is_large(program_of(wired, 24, (0.123,)))
    with pytest.warns(InterpretedWarning, match="too large to be compiled"):
        found = solve_ivp(irregular, SPAN, start_of(24), **more)
    assert found.success
    with pytest.raises(TraceError, match="limit 50"):
        solve_ivp(irregular, SPAN, start_of(24), compiled=True, **more)
