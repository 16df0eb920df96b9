"""SciPy as the oracle: RK23, RK45 and DOP853 take its steps, count its evaluations, and give its values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.integrate

from diffsim.errors import ArgumentError
from integrators import solve_ivp
from integrators._methods import _SAME, method_names


def decay(t: float, y: Any) -> Any:
    return -0.5 * y


def oscillator(t: float, y: Any) -> list[Any]:
    return [y[1], -4.0 * y[0]]


def van_der_pol(t: float, y: Any) -> list[Any]:
    return [y[1], (1.0 - y[0] ** 2) * y[1] - y[0]]


def forced(t: float, y: Any, amplitude: float = 1.5) -> Any:
    return np.array([y[1], -np.sin(y[0]) + amplitude * np.cos(0.7 * t)])


def rational(t: float, y: Any) -> Any:
    """The rational problem of SciPy's own tests (test_ivp.py), with solution (t / (t + 10), 10 t / (t + 10)**2)."""
    return np.array([y[1] / t, y[1] * (y[0] + 2 * y[1] - 1) / (t * (y[0] - 1))])


PROBLEMS: dict[str, tuple[Any, Any, Any]] = {
    "decay": (decay, (0.0, 10.0), [2.0, 4.0, 8.0]),
    "decay backwards": (decay, (3.0, -2.0), [2.0]),
    "oscillator": (oscillator, (0.0, 7.0), [1.0, 0.0]),
    "van der Pol": (van_der_pol, (0.0, 8.0), [2.0, 0.0]),
    "forced": (forced, (1.0, 9.0), [0.1, 0.0]),
    "rational": (rational, (5.0, 9.0), [1 / 3, 2 / 9]),
    "rational backwards": (rational, (5.0, 1.0), [1 / 3, 2 / 9]),
    "at rest": (lambda t, y: 0.0 * y, (0.0, 5.0), [1.0, 2.0]),
    "short span": (decay, (0.0, 1e-9), [1.0]),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "loose": {"rtol": 1e-2, "atol": 1e-3},
    "tight": {"rtol": 1e-6, "atol": 1e-9},
    "vector atol": {"rtol": 1e-5, "atol": None},
    "max_step": {"max_step": 0.11},
    "first_step": {"first_step": 1e-10},
}


def _both(problem: str, options: str, method: str, **more: Any) -> tuple[Any, Any]:
    fun, span, y0 = PROBLEMS[problem]
    chosen = dict(OPTIONS[options])
    if "atol" in chosen and chosen["atol"] is None:
        chosen["atol"] = 1e-8 * (1.0 + np.arange(len(y0)))
    return (
        solve_ivp(fun, span, y0, method, **chosen, **more),
        scipy.integrate.solve_ivp(fun, span, y0, method, **chosen, **more),
    )


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_steps_values_and_counts_are_those_of_scipy(problem: str, options: str, method: str) -> None:
    ours, theirs = _both(problem, options, method)
    assert ours.nfev == theirs.nfev
    assert ours.status == theirs.status == 0
    assert ours.message == theirs.message
    assert ours.t.shape == theirs.t.shape
    # The error estimate is a difference of large terms: rounding in it, 1e-16 / (error / |y|), moves the step sizes.
    # More so where the estimate is of order 8 and small.
    np.testing.assert_allclose(ours.t, theirs.t, rtol=1e-5 if method == "DOP853" else 3e-8, atol=1e-18)
    np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-5 if method == "DOP853" else 1e-6, atol=1e-7)


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_values_at_save_times_are_those_of_scipy_s_interpolant(problem: str, method: str) -> None:
    t0, t1 = PROBLEMS[problem][1]
    t_eval = t0 + (t1 - t0) * np.array([0.0, 0.01, 0.3, 0.30001, 0.77, 1.0])
    ours, theirs = _both(problem, "defaults", method, t_eval=t_eval)
    np.testing.assert_array_equal(ours.t, t_eval)
    assert ours.nfev == theirs.nfev
    np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-8, atol=1e-9)


def test_empty_t_eval_gives_no_columns() -> None:
    sol = solve_ivp(decay, (0.0, 1.0), [1.0, 2.0], t_eval=[])
    assert sol.y.shape == (2, 0)
    assert sol.t.shape == (0,)
    assert sol.status == 0


def test_args_and_vectorized_mean_what_they_mean_in_scipy() -> None:
    def columns(t: float, y: Any, rate: float) -> Any:
        assert y.ndim == 2  # SciPy's convention for vectorized=True
        return rate * y

    ours = solve_ivp(columns, (0.0, 1.0), [1.0, 2.0], vectorized=True, args=(-0.3,), compiled=False)
    theirs = scipy.integrate.solve_ivp(columns, (0.0, 1.0), [1.0, 2.0], vectorized=True, args=(-0.3,))
    np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-14)
    np.testing.assert_allclose(
        solve_ivp(forced, (0.0, 2.0), [0.1, 0.0], args=[0.4]).y,
        scipy.integrate.solve_ivp(forced, (0.0, 2.0), [0.1, 0.0], args=(0.4,)).y,
        rtol=1e-10,
    )


def test_fields_of_the_solution_are_those_of_scipy() -> None:
    ours = solve_ivp(decay, (0.0, 1.0), [1.0])
    theirs = scipy.integrate.solve_ivp(decay, (0.0, 1.0), [1.0])
    assert all(hasattr(ours, name) for name in theirs)
    assert (ours.njev, ours.nlu, ours.sol, ours.t_events, ours.y_events) == (0, 0, None, None, None)
    assert ours.success is True


@pytest.mark.parametrize("y0", [1.5, 2, np.float32(1.5), [2], (1.5,), np.array([1.5], dtype=np.float32), [np.int64(3)]])
def test_start_may_be_a_number_a_list_a_tuple_or_another_type_of_float(y0: Any) -> None:
    sol = solve_ivp(decay, (0, 1), y0)
    theirs = scipy.integrate.solve_ivp(decay, (0, 1), np.atleast_1d(y0).astype(float))
    assert sol.y.dtype == np.float64
    np.testing.assert_allclose(sol.y, theirs.y, rtol=1e-14)


def test_right_hand_side_may_return_what_numpy_takes() -> None:
    want = solve_ivp(oscillator, (0.0, 1.0), [1.0, 0.0], compiled=False).y
    for convert in (tuple, np.array, lambda k: np.array(k, dtype=object), lambda k: [float(x) for x in k]):
        sol = solve_ivp(lambda t, y, c=convert: c(oscillator(t, y)), (0, 1), [1, 0], compiled=False)
        np.testing.assert_array_equal(sol.y, want)
    scalar = solve_ivp(lambda t, y: -0.5 * y[0], (0, 1), [1.0])
    np.testing.assert_array_equal(scalar.y, solve_ivp(decay, (0, 1), [1.0]).y)


def test_right_hand_side_that_fills_one_buffer_is_right_too() -> None:
    # A function may return the same array each time; the stages must not overwrite each other.
    buffer = np.empty(2)

    def fill(t: float, y: Any) -> Any:
        buffer[:] = y[1], -4.0 * y[0]
        return buffer

    for more in ({"method": "RK4", "step": 0.1}, {"method": "RK45"}):
        want = solve_ivp(oscillator, (0.0, 1.0), [1.0, 0.0], **more)
        np.testing.assert_array_equal(solve_ivp(fill, (0.0, 1.0), [1.0, 0.0], **more).y, want.y)


def test_right_hand_side_is_never_called_outside_the_span() -> None:
    # scipy/scipy#17341: f evaluated outside a short interval.
    for span in ((0.0, 1e-8), (1.0, 0.999), (0.0, 0.35)):
        for more in ({"method": "RK45"}, {"method": "RK23"}, {"method": "RK4", "step": abs(span[1] - span[0]) / 3.5}):
            times: list[float] = []

            def spy(t: float, y: Any, times: list[float] = times) -> Any:
                times.append(t)
                return -y

            solve_ivp(spy, span, [1.0], t_eval=[span[0], span[1]], compiled=False, **more)
            assert min(span) <= min(times)
            assert max(times) <= max(span)


def test_span_of_no_length_gives_the_start() -> None:
    for more in ({}, {"method": "RK4", "step": 0.1}):
        sol = solve_ivp(decay, (1.0, 1.0), [1.0, 2.0], **more)
        np.testing.assert_array_equal(sol.t, [1.0])
        np.testing.assert_array_equal(sol.y, [[1.0], [2.0]])
        sol = solve_ivp(decay, (1.0, 1.0), [1.0, 2.0], t_eval=[1.0], **more)
        np.testing.assert_array_equal(sol.y, [[1.0], [2.0]])


def test_tolerance_below_what_doubles_have_is_raised_to_scipy_s_bound() -> None:
    with pytest.warns(UserWarning, match="rtol"):
        theirs = scipy.integrate.solve_ivp(decay, (0.0, 1.0), [1.0], rtol=1e-20, atol=1e-12)
    with pytest.warns(UserWarning, match=r"rtol must be at least 2.22e-14"):
        ours = solve_ivp(decay, (0.0, 1.0), [1.0], rtol=1e-20, atol=1e-12)
    assert abs(ours.nfev - theirs.nfev) < 0.05 * theirs.nfev


def test_names_that_methods_have_elsewhere_lead_to_those_here() -> None:
    assert set(_SAME.values()) <= set(method_names())
    assert not set(_SAME) & {name.lower() for name in method_names()}
    for name in ("ode45", "ODE45", "Dopri-5"):
        with pytest.raises(ArgumentError, match=f"method '{name}' is called 'RK45' here"):
            solve_ivp(decay, (0.0, 1.0), [1.0], name)
