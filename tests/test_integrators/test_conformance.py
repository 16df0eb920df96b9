"""Every method in the folder proves what it claims; a new file is tested the moment it is there."""

from __future__ import annotations

import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsim import array_ops, ops
from diffsim.errors import TraceError
from diffsim.graph import trace
from diffsim.value import Value
from integrators import Integrator, RungeKutta, Taylor, solve_ivp
from integrators._interpolant import evaluate
from integrators._methods import flow_methods, method_class
from systems import DoublePendulum, Kepler, Pendulum

ROOT = Path(__file__).parents[2]
METHODS = tuple(name for name in flow_methods() if not method_class(name)().borrowed)  # see test_lsoda.py
ADAPTIVE = tuple(name for name in METHODS if method_class(name)().adaptive)
FIXED = tuple(name for name in METHODS if name not in ADAPTIVE)
STEPPING = tuple(name for name in METHODS if method_class(name)().one_step)
RESOLVED = 5
"""Order up to which doubles resolve how errors fall; above, mpmath shows the order and doubles that errors vanish."""
RNG = np.random.default_rng(20240611)
STARTS = RNG.uniform(-1.5, 1.5, (4, 3, 2))


def choice(name: str, step: float = 0.02) -> dict[str, Any]:
    """The keywords that pick a method: a step where it takes one."""
    if method_class(name)().n_copies > 1:  # strong bindings ask for short steps
        return {"method": name, "step": step / 4}
    return {"method": name} if name in ADAPTIVE else {"method": name, "step": step}


def swing(t: float, y: Any) -> list[Any]:
    """A driven pendulum in plain NumPy, of no System's doing."""
    return [y[1], -np.sin(y[0]) + 0.3 * np.cos(1.3 * t)]


def test_folder_walk_finds_the_methods_that_the_issue_names() -> None:
    assert {"Euler", "Midpoint", "Heun", "Ralston", "RK4", "RK38", "SSPRK3", "RK23", "RK45"} <= set(METHODS)
    assert {"RK23", "RK45"} <= set(ADAPTIVE)


# -- order -------------------------------------------------------------------------------------------------------


def _problem(t: Any, y: Any) -> list[Any]:
    """A coupled, nonlinear, time-dependent problem with the solution u = exp(sin t), v = 1/(1 + t)."""
    u, v = y
    return [u * ops.cos(t) + (v * (1 + t) - 1) * u, -v * v + (u - ops.exp(ops.sin(t))) * v]


def _separable_problem(t: Any, y: Any) -> list[Any]:
    """One whose halves depend on each other only, with the same solution."""
    u, v = y
    return [ops.cos(t) * ops.exp(ops.sin(t)) * (v * (1 + t)) ** 2, -((u * ops.exp(-ops.sin(t))) ** 3) / (1 + t) ** 2]


def _problem_of(method: Integrator) -> Any:
    return _separable_problem if method.separable else _problem


def _made(name: str) -> Any:
    """A method of its name; copies are bound weakly, as problems here are mild and the steps long."""
    cls: Any = method_class(name)
    return cls(omega=1.0) if cls().n_copies > 1 else cls()


def _growth(t: float, y: Any) -> Any:
    """Both components are exp(sin t), each the other's."""
    return np.array([y[1] * np.cos(t), y[0] * np.cos(t)])


def _system(name: str) -> Any:
    """A system of four components for a method."""
    return Kepler() if method_class(name)().separable else DoublePendulum()


def _solution(t: Any) -> list[Any]:
    return [mpmath.exp(mpmath.sin(t)), 1 / (1 + t)]


def _step_sizes(method: Integrator) -> tuple[Any, Any]:
    """Steps at which the order shows: short enough for small leading terms (Tsit5's), long enough for decimals of 30
    digits (DOP853's)."""
    rounded = type(method).__name__ in ("Kvaerno5", "Rodas5P")  # published with 16 digits
    h = mpmath.mpf(2) ** (-6 if rounded else -12 if method.order <= 6 else -8)
    return h, h / 2


def _error(method: Integrator, h: Any, n_steps: int) -> Any:
    """Global error after some steps from t = 0.3."""
    start = mpmath.mpf("0.3")
    y = _solution(start)
    for k in range(n_steps):
        y = method.step(_problem_of(method), start + k * h, y, h)
    return max(abs(a - b) for a, b in zip(y, _solution(start + n_steps * h), strict=True))


@pytest.mark.parametrize("name", METHODS)
def test_observed_order_is_the_claimed_one(name: str) -> None:
    method = _made(name)
    with mpmath.workdps(60 + 4 * method.order):
        coarse, fine = _step_sizes(method)
        observed = float(mpmath.log(_error(method, coarse, 32) / _error(method, fine, 64), 2))
    assert abs(observed - method.order) < 0.2


@pytest.mark.parametrize("name", STEPPING)
def test_observed_order_of_a_solve_is_the_claimed_one(name: str) -> None:
    method = _made(name)
    errors = []
    for n_steps in (20, 40):
        sol = solve_ivp(_growth, (0.0, 2.0), [1.0, 1.0], method=method.with_step(2.0 / n_steps))
        errors.append(abs(sol.y[0, -1] - np.exp(np.sin(2.0))))
    if method.order > RESOLVED:
        assert errors[1] < 1e-11 or np.log2(errors[0] / errors[1]) > method.order - 0.5
        return
    # Coarse, as rounding must stay far below; a small leading term makes it seem higher there.
    assert -0.35 < np.log2(errors[0] / errors[1]) - method.order < 0.75


@pytest.mark.parametrize("name", STEPPING)
def test_save_times_between_nodes_have_the_order_of_the_method(name: str) -> None:
    method = _made(name)
    t_eval = np.array([0.333, 0.777, 1.111, 1.999])
    errors = []
    for n_steps in (20, 40):
        sol = solve_ivp(_growth, (0.0, 2.0), [1.0, 1.0], method=method.with_step(2.0 / n_steps), t_eval=t_eval)
        np.testing.assert_array_equal(sol.t, t_eval)
        errors.append(np.abs(sol.y[0] - np.exp(np.sin(t_eval))).max())
    if method.order > RESOLVED:
        assert errors[1] < 1e-11 or np.log2(errors[0] / errors[1]) > method.order - 0.5
        return
    assert np.log2(errors[0] / errors[1]) > method.order - 0.5


@pytest.mark.parametrize("name", ADAPTIVE)
def test_error_estimate_has_the_order_of_the_embedded_method(name: str) -> None:
    method = method_class(name)()
    assert method.error_order is not None

    with mpmath.workdps(60 + 4 * method.order):
        t = mpmath.mpf("0.3")
        ratios = []
        for h in _step_sizes(method):
            error = np.array(method.advance(_problem, t, _solution(t), h).error, dtype=object)
            ratios.append(np.asarray(method.error_ratio(error, np.array([mpmath.mpf(1)] * 2))).item())
        observed = float(mpmath.log(ratios[0] / ratios[1], 2))
    assert abs(observed - (method.error_order + 1)) < 0.2


@pytest.mark.parametrize("name", ADAPTIVE)
def test_error_estimate_bounds_the_error_of_a_step(name: str) -> None:
    method = method_class(name)()
    assert method.error_order is not None
    if method.error_order >= method.order:
        pytest.skip("the estimate is that of the step itself, not of a method below it")
    with mpmath.workdps(60 + 4 * method.order):
        one, (h, _) = np.array([mpmath.mpf(1)] * 2), _step_sizes(method)
        for k in range(4):
            t = mpmath.mpf("0.3") + k * mpmath.mpf("0.4")
            step = method.advance(_problem, t, _solution(t), h)
            off = [abs(a - b) for a, b in zip(step.y, _solution(t + h), strict=True)]
            assert max(off) < np.asarray(method.error_ratio(np.array(step.error, dtype=object), one)).item()


@pytest.mark.parametrize("name", METHODS)
def test_interpolant_has_its_claimed_order(name: str) -> None:
    method = _made(name)
    with mpmath.workdps(60 + 4 * method.order):
        t, local = mpmath.mpf("0.3"), []

        def on_arrays(t: Any, y: Any) -> Any:
            return np.array(_problem_of(method)(t, y), dtype=object)

        start = np.array(_solution(t), dtype=object)
        for h in _step_sizes(method):
            step = method.advance(on_arrays, t, start, h)
            inside = method.dense(on_arrays, t, start, h, step)
            gaps = [
                np.abs(evaluate(start, inside, x) - np.array(_solution(t + x * h), dtype=object)).max()
                for x in (mpmath.mpf(k) / 8 for k in range(1, 8))
            ]
            local.append(max(gaps))
        observed = float(mpmath.log(local[0] / local[1], 2))
    assert abs(observed - (method.dense_order + 1)) < 0.2


@pytest.mark.parametrize("name", METHODS)
def test_interpolant_meets_both_ends(name: str) -> None:
    method = _made(name)
    y = np.array([1.0, 0.3])
    step = method.advance(_swing, 0.2, y, 0.1)
    inside = method.dense(_swing, 0.2, y, 0.1, step)
    # Large weights (1e5 of Vern6 and Vern8) leave as much of the rounding of the stages.
    weights = method.tableau.b_dense if isinstance(method, RungeKutta) else None
    largest = max((abs(float(x)) for row in weights or () for x in row), default=1.0)
    np.testing.assert_allclose(evaluate(y, inside, 1.0), step.y, rtol=1e-15, atol=1e-15 * (1.0 + 0.1 * largest))
    np.testing.assert_array_equal(evaluate(y, inside, 0.0), y)


def _swing(t: float, y: Any) -> Any:
    return np.array(swing(t, y))


@pytest.mark.parametrize("name", STEPPING)
def test_backward_solve_returns_home(name: str) -> None:
    method = _made(name)
    order = method.order
    gaps = []
    for step in (0.02, 0.01):
        there = solve_ivp(swing, (0.0, 3.0), [1.0, 0.3], method=method.with_step(step))
        back = solve_ivp(swing, (3.0, 0.0), there.y[:, -1], method=method.with_step(step))
        assert back.t[0] == 3.0
        assert back.t[-1] == 0.0
        gaps.append(np.abs(back.y[:, -1] - [1.0, 0.3]).max())
    rounding = 1e-14 if order <= RESOLVED else 1e-12  # stages of high order cancel: weights up to 200 of Vern6
    assert gaps[1] < 3.0 * 0.01**order + rounding
    assert gaps[1] < gaps[0] * 0.5 ** (order - 0.5) + rounding


@pytest.mark.parametrize("name", ADAPTIVE)
def test_backward_adaptive_solve_returns_home_within_the_tolerance(name: str) -> None:
    rtol = 1e-9 if method_class(name)().order > 2 else 1e-6
    there = solve_ivp(swing, (0.0, 3.0), [1.0, 0.3], name, rtol=rtol, atol=0.01 * rtol)
    back = solve_ivp(swing, (3.0, 0.0), there.y[:, -1], name, rtol=rtol, atol=0.01 * rtol)
    np.testing.assert_allclose(back.y[:, -1], [1.0, 0.3], atol=200 * rtol if rtol < 1e-6 else 5e-3)


# -- laws --------------------------------------------------------------------------------------------------------

ENTRY = st.floats(-2.0, 2.0)
WHOLE = tuple(
    name
    for name in METHODS
    if isinstance(m := method_class(name)(), RungeKutta | Taylor) or (m.implicit and m.one_step)
)
"""Methods that treat all components alike; those that take positions and momenta apart have fewer symmetries."""


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=15)
@given(
    entries=st.tuples(ENTRY, ENTRY, ENTRY, ENTRY).filter(lambda m: abs(m[0] * m[3] - m[1] * m[2]) > 0.3),
    shift=st.tuples(ENTRY, ENTRY),
    start=st.tuples(ENTRY, ENTRY),
)
def test_step_does_not_depend_on_the_coordinates(name: str, entries: Any, shift: Any, start: Any) -> None:
    # Affine equivariance (Hairer, Lubich, Wanner, "Geometric Numerical Integration", section VI.1): with z = M y + s,
    # a step of z' = M f(M**-1 (z - s)) is M times the step of y' = f(y), plus s.
    method = method_class(name)()
    m, s, y = np.reshape(entries, (2, 2)), np.array(shift), np.array(start)
    back = np.linalg.inv(m)

    def f(t: Any, y: Any) -> Any:
        return array_ops.array([y[1], -ops.sin(y[0]) - 0.1 * y[1] + 0.3 * ops.cos(t)])

    def turned(t: Any, z: Any) -> Any:
        z_0, z_1 = z[0] - s[0], z[1] - s[1]
        k = f(t, [back[0, 0] * z_0 + back[0, 1] * z_1, back[1, 0] * z_0 + back[1, 1] * z_1])
        return array_ops.array([m[0, 0] * k[0] + m[0, 1] * k[1], m[1, 0] * k[0] + m[1, 1] * k[1]])

    there = method.step(turned, 0.3, m @ y + s, 0.2)
    np.testing.assert_allclose(there, m @ method.step(f, 0.3, y, 0.2) + s, rtol=0, atol=1e-9)


# -- any kind of number ------------------------------------------------------------------------------------------


def _stability_polynomial(method: Any, z: Fraction) -> Fraction:
    """R(z) = 1 + sum_k z**(k + 1) b A**k 1, from the tableau alone (Hairer, Norsett, Wanner II, eq. IV.2.9)."""
    a, b, n = method.tableau.a, method.tableau.b, method.tableau.n_stages
    vector, total = [Fraction(1)] * n, Fraction(1)
    for k in range(n):
        total += z ** (k + 1) * sum(w * v for w, v in zip(b, vector, strict=True))
        vector = [sum(a[i][j] * vector[j] for j in range(n)) for i in range(n)]
    return total


@pytest.mark.parametrize("name", METHODS)
def test_step_on_fractions_is_exact(name: str) -> None:
    method = method_class(name)()
    if not isinstance(method, RungeKutta):
        pytest.skip("no stability polynomial without a tableau")
    h, rate = Fraction(1, 7), Fraction(-3, 2)
    assert method.step(lambda t, y: rate * y, Fraction(0), Fraction(1), h) == _stability_polynomial(method, h * rate)


@pytest.mark.parametrize("name", METHODS)
def test_step_on_integers_and_a_fraction_keeps_fractions(name: str) -> None:
    method = method_class(name)()
    y, _ = method.step(lambda t, y: [Fraction(1), Fraction(0)], 0, [0, 1], Fraction(1, 3))
    if (method.implicit or method.canonical) and isinstance(y, float):
        assert y == pytest.approx(1 / 3, rel=1e-14)
        pytest.skip("its coefficients are no fractions")
    digits = method.tableau.digits if isinstance(method, RungeKutta) else None
    assert abs(y - Fraction(1, 3)) <= (0 if digits is None else Fraction(1, 10**digits))
    assert isinstance(y, Fraction)


@pytest.mark.parametrize("name", METHODS)
def test_step_on_multiprecision_numbers_loses_no_digit(name: str) -> None:
    method = method_class(name)()
    if not isinstance(method, RungeKutta):
        pytest.skip("no stability polynomial without a tableau")
    with mpmath.workdps(60):
        h = mpmath.mpf(1) / 7
        exact = _stability_polynomial(method, Fraction(-1, 7))
        wanted = mpmath.mpf(exact.numerator) / exact.denominator
        for y in (
            method.step(lambda t, y: -y, 0, mpmath.mpf(1), h),
            method.step(lambda t, y: [-y[0]], 0, [mpmath.mpf(1)], h)[0],
            method.step(lambda t, y: -y, 0, np.array([mpmath.mpf(1)]), h)[0],
        ):
            assert abs(y - wanted) < mpmath.mpf(10) ** -58


@pytest.mark.parametrize("name", METHODS)
def test_step_gives_the_same_bits_for_floats_lists_arrays_and_values(name: str) -> None:
    method = method_class(name)()

    def f(t: Any, y: Any) -> Any:
        return -1.5 * y * y + t

    if method.paired:
        _assert_same_bits_of_pairs(method)
        return
    wanted = method.step(f, 0.3, 0.8, 0.1)
    assert isinstance(wanted, float)
    (listed,) = method.step(lambda t, y: [f(t, y[0])], 0.3, [0.8], 0.1)
    array = method.step(f, 0.3, np.array([0.8]), 0.1)
    large = method.step(f, 0.3, np.full((2, 600), 0.8), 0.1)
    value = method.step(f, 0.3, Value(np.array([0.8])), 0.1)
    scalar = method.step(f, 0.3, Value(0.8), 0.1)
    assert array.dtype == large.dtype == np.float64
    found = {float(listed), float(array[0]), float(value.data[0]), float(scalar.data)}
    if name == "Rodas5P":  # its linear systems are solved once more with recording numbers
        np.testing.assert_allclose(list(found), wanted, rtol=2e-15)
        return
    assert found == {wanted}
    assert (large == wanted).all()


def _assert_same_bits_of_pairs(method: Integrator) -> None:
    def f(t: Any, y: Any) -> Any:
        return [y[1] * y[1] + t, -1.5 * y[0] * y[0]]

    q, p = method.step(f, 0.3, [0.8, 0.2], 0.1)
    assert isinstance(q, float)
    array = method.step(f, 0.3, np.array([0.8, 0.2]), 0.1)
    value = method.step(f, 0.3, Value(np.array([0.8, 0.2])), 0.1)
    large = method.step(f, 0.3, np.repeat([[0.8], [0.2]], 600, axis=1), 0.1)
    assert array.dtype == large.dtype == np.float64
    assert array.tolist() == value.data.tolist() == [q, p]
    assert (large == [[q], [p]]).all()


@pytest.mark.parametrize("name", STEPPING)
def test_method_objects_compare_hash_and_pickle(name: str) -> None:
    method = method_class(name)(0.01)
    assert repr(method) == f"{name}(step=0.01)"
    assert pickle.loads(pickle.dumps(method)) == method
    assert hash(method_class(name)(step=0.01)) == hash(method)
    assert method != method.with_step(0.02)
    assert not method.adaptive


# -- batches -----------------------------------------------------------------------------------------------------


def _assert_lane(sol: Any, one: Any, spot: tuple[int, ...], *, shared: bool) -> None:
    """Lane `spot` of a batch is the single solve, bit for bit, in everything that it reports."""
    n_times = one.n_times
    assert sol.n_times[spot] == n_times
    assert sol.nfev[spot] == one.nfev
    assert sol.status[spot] == one.status
    assert sol.message[spot] == one.message
    np.testing.assert_array_equal(sol.t[:n_times] if shared else sol.t[spot][:n_times], one.t)
    np.testing.assert_array_equal(sol.y[(slice(None), *spot)][:, :n_times], one.y)
    assert np.isnan(sol.y[(slice(None), *spot)][:, n_times:]).all()
    for name in ("dy_dy0", "dy_dparams"):
        if getattr(one, name) is not None:
            lane = getattr(sol, name)[(slice(None), slice(None), *spot)]
            np.testing.assert_array_equal(lane[..., :n_times], getattr(one, name))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("sensitivities", [(), ("y0", "params")])
@pytest.mark.parametrize("t_eval", [None, [0.5, 0.511, 1.3]])
def test_lane_of_a_batch_is_the_single_solve_bit_for_bit(name: str, sensitivities: Any, t_eval: Any) -> None:
    system = _system(name)
    more = {"t_eval": t_eval, "sensitivities": sensitivities, **choice(name)}
    sol = solve_ivp(system, (0.0, 1.3), STARTS, **more)
    assert sol.y.shape[:3] == (4, 3, 2)
    for spot in ((0, 0), (1, 1), (2, 0)):
        one = solve_ivp(system, (0.0, 1.3), STARTS[(slice(None), *spot)], **more)
        _assert_lane(sol, one, spot, shared=name in FIXED or t_eval is not None)


@pytest.mark.parametrize("name", METHODS)
def test_lane_of_a_batch_of_a_plain_function_is_the_single_solve(name: str) -> None:
    starts = RNG.uniform(-1, 1, (2, 3))
    sol = solve_ivp(swing, (0.0, 1.3), starts, **choice(name))
    for i in range(3):
        _assert_lane(sol, solve_ivp(swing, (0.0, 1.3), starts[:, i], **choice(name)), (i,), shared=name in FIXED)


@pytest.mark.parametrize("name", METHODS)
def test_permuted_batch_gives_permuted_results(name: str) -> None:
    n_lanes = 12 if method_class(name)().by_lane else 300
    system, order = Pendulum(drive_amplitude=0.1), RNG.permutation(n_lanes)
    starts = RNG.uniform(-1.5, 1.5, (2, n_lanes))
    sol = solve_ivp(system, (0.0, 1.0), starts, t_eval=[0.7, 1.0], **choice(name))
    turned = solve_ivp(system, (0.0, 1.0), starts[:, order], t_eval=[0.7, 1.0], **choice(name))
    np.testing.assert_array_equal(sol.y[:, order], turned.y)
    np.testing.assert_array_equal(sol.nfev[order], turned.nfev)


@pytest.mark.parametrize("name", METHODS)
def test_batch_of_one_and_the_same_call_twice_give_the_same_bits(name: str) -> None:
    system = _system(name)
    one = solve_ivp(system, (0.0, 1.0), STARTS[:, 0, 0], **choice(name))
    batch = solve_ivp(system, (0.0, 1.0), STARTS[:, :1, 0], **choice(name))
    again = solve_ivp(system, (0.0, 1.0), STARTS[:, 0, 0], **choice(name))
    np.testing.assert_array_equal(batch.y[:, 0], one.y)
    np.testing.assert_array_equal(again.y, one.y)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(4, 0), (4, 2, 0), (4, 0, 3)])
def test_empty_batch_gives_empty_arrays(name: str, shape: tuple[int, ...]) -> None:
    for fun in (_system(name), lambda t, y: -y[::-1]):
        sol = solve_ivp(fun, (0.0, 1.0), np.zeros(shape), t_eval=[0.5, 1.0], sensitivities="y0", **choice(name))
        assert sol.y.shape == (*shape, 2)
        assert sol.dy_dy0.shape == (4, *shape, 2)
        assert sol.status.shape == sol.success.shape == sol.message.shape == shape[1:]


def test_names_are_found_without_importing_every_family() -> None:
    code = (
        "import sys, integrators; integrators.RK4; from integrators._methods import method_names; method_names();"
        "print('integrators.classical' in sys.modules, 'integrators.embedded' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["True", "False"]


@pytest.mark.parametrize("name", METHODS)
def test_step_is_traced_into_a_graph_with_the_same_values(name: str) -> None:
    system, method = _system(name), method_class(name)()
    start = STARTS[:, 0, 0]
    if not method.traceable:
        with pytest.raises(TraceError, match=name):
            trace(lambda y: method.step(system, 0.0, y, 0.01), start)
        return
    graph = trace(lambda y: method.step(system, 0.0, y, 0.01), start)
    np.testing.assert_allclose(graph(start), method.step(system, 0.0, start, 0.01), rtol=1e-14)
