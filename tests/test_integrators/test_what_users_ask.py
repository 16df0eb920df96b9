"""Failures that users of other tools reported, rebuilt: each ends, with a message that names the cause and the remedy.

Each test names the thread.  None of them needs more than seconds, whatever it is about.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from diffsim.derivatives import grad
from diffsim.errors import ArgumentError, KindError, RunError
from integrators import RK4, solve_ivp
from integrators._methods import method_names
from systems import DoublePendulum, Lorenz63

STIFF = any(name in method_names() for name in ("Radau", "BDF"))


def ends(fun: Any, t_span: Any, y0: Any, *words: str, status: int = -1, seconds: float = 30.0, **more: Any) -> Any:
    """Solve what fails; check that it ends soon, with the status and all the words in its message."""
    began = time.monotonic()
    sol = solve_ivp(fun, t_span, y0, **more)
    assert time.monotonic() - began < seconds
    assert sol.status == status
    assert sol.success == (status >= 0)
    assert np.isfinite(np.asarray(sol.y)).all()
    assert sol.y.shape[-1] == len(sol.t) == sol.n_times
    for word in words:
        assert word in sol.message, sol.message
    return sol


def relaxing(rate: float) -> Callable[[Any, Any], Any]:
    return lambda t, y: [-rate * (y[0] - np.cos(t))]


# -- theme 3: the step collapses, or the solver stops and does not say why ---------------------------------------------


@pytest.mark.parametrize("compiled", [False, "auto"])
@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853", "Tsit5"])
def test_underflow_in_dt_names_component_time_steps_and_the_blow_up(method: str, compiled: Any) -> None:
    """rtqichen/torchdiffeq#27, #57: "underflow in dt"."""
    ends(
        lambda t, y: y * y, (0.0, 2.0), [1.0], "Required step size", "The last steps were", "blows up at about t=",
        method=method, compiled=compiled,
    )  # fmt: skip


@pytest.mark.parametrize("compiled", [False, "auto"])
def test_stiff_problem_says_stiff_with_the_rate_and_a_method(compiled: Any) -> None:
    """rtqichen/torchdiffeq#58, #244: the maintainers answer "stiff"; the message says so itself."""
    sol = ends(
        relaxing(1e6), (0.0, 100.0), [0.0], "It looks stiff", "-1e+06", "limit of stability", "Try method=",
        max_steps=2000, compiled=compiled,
    )  # fmt: skip
    assert not STIFF or "'Radau' or 'BDF'" in sol.message


def test_advice_for_a_stiff_problem_works() -> None:
    """rtqichen/torchdiffeq#244: and then the advice has to work."""
    if not STIFF:
        pytest.skip("no stiff method yet")
    for method in ("Radau", "BDF"):
        sol = solve_ivp(relaxing(1e6), (0.0, 100.0), [0.0], method, max_steps=2000)
        assert sol.success
        assert abs(sol.y[0, -1] - np.cos(100.0)) < 1e-2


def test_nan_of_the_right_hand_side_is_traced_to_its_operation_and_line() -> None:
    """rtqichen/torchdiffeq#27: "underflow in dt nan"; patrick-kidger/diffrax#280: NaN, and nobody finds where."""

    def fun(t: Any, y: Any) -> Any:
        return [-np.sqrt(y[0]) - 0.1]

    ends(
        fun, (0.0, 10.0), [1.0], "First not finite: sqrt of -", "test_what_users_ask.py, line", "return [-np.sqrt(y[0])"
    )


def test_backward_solve_that_is_stiffer_than_the_forward_one_says_where_it_blows_up() -> None:
    """rtqichen/torchdiffeq#184: the way back through a dissipative problem."""
    there = solve_ivp(lambda t, y: -(y**3), (0.0, 10.0), [1.0])
    assert there.success
    ends(lambda t, y: -(y**3), (10.0, -10.0), there.y[:, -1], "blows up at about t=-0.", rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("compiled", [False, "auto"])
def test_budget_of_steps_returns_the_part_and_says_how_many_it_takes(compiled: Any) -> None:
    """patrick-kidger/diffrax#85, #207, #702: "maximum number of solver steps" on problems that SciPy solves."""
    start = [0.4, 0.0, 1.0, 4.0]
    sol = ends(
        DoublePendulum(), (0.0, 10.0), start, "max_steps=30", "the span takes about", max_steps=30, compiled=compiled
    )
    whole = solve_ivp(DoublePendulum(), (0.0, 10.0), start, compiled=compiled)
    np.testing.assert_array_equal(sol.y, whole.y[:, : len(sol.t)])


def test_default_budget_suffices_for_what_scipy_solves() -> None:
    """patrick-kidger/diffrax#702: a limit of 4096 steps by default."""
    assert solve_ivp(relaxing(1e4), (0.0, 10.0), [0.0]).nfev > 50_000


@pytest.mark.skipif(not STIFF, reason="no stiff method yet")
@pytest.mark.parametrize("method", ["Radau", "BDF"])
def test_newton_s_failure_becomes_a_shorter_step_and_not_an_error(method: str) -> None:
    """patrick-kidger/diffrax#752; numpy/numpy#14435: NaN in Newton's iterations."""

    def fun(t: Any, y: Any) -> Any:  # not finite where the iterations stray
        return [-50.0 * np.sqrt(y[0] - 0.1)]

    sol = solve_ivp(fun, (0.0, 0.02), [1.0], method, first_step=0.02)
    assert sol.success
    exact = 0.1 + (np.sqrt(0.9) - 25.0 * 0.02) ** 2
    assert abs(sol.y[0, -1] - exact) < 1e-2


def test_stop_on_request_is_a_status_and_not_an_error() -> None:
    """patrick-kidger/diffrax#590, PR 387: "terminating because an event occurred", raised."""
    sol = ends(lambda t, y: -y, (0.0, 10.0), [1.0], "callback", status=2, callback=lambda t, y: y[0] < 0.5)
    assert sol.y[0, -1] < 0.5 <= sol.y[0, -2]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"max_steps": 500}, ("max_steps=500", "larger max_steps")),
        ({"min_step": 1e-3}, ("less than min_step=0.001", "It looks stiff")),
        ({"max_seconds": 0.2, "compiled": False}, ("max_seconds=0.2", "larger max_seconds")),
    ],
)
def test_bad_parameter_of_a_fit_does_not_hang_it(more: dict[str, Any], words: tuple[str, ...]) -> None:
    """scipy/scipy#9686: no minimum step and no budget, so that a bad parameter hangs a fit."""
    ends(relaxing(1e6), (0.0, 1000.0), [0.0], *words, **more)


def test_callback_shows_each_step() -> None:
    """scipy/scipy PR 21741, #11799, PR 11815: callback and verbose, asked for since 2020."""
    seen: list[float] = []
    sol = solve_ivp(lambda t, y: -y, (0.0, 5.0), [1.0], callback=lambda t, y: seen.append(t))
    assert seen == sol.t[1:].tolist()


def test_time_limit_of_a_stiff_solve_names_the_stiffness() -> None:
    """Nicholaswogan/numbalsoda#28: a stiff solve runs for hours, no timeout."""
    ends(relaxing(1e7), (0.0, 1e6), [0.0], "max_seconds=0.3", "It looks stiff", max_seconds=0.3, compiled=False)


@pytest.mark.parametrize("step", [0.1, 0.01, 1 / 3, 0.7])
@pytest.mark.parametrize("t1", [1.0, 0.3, 7.0, 2.1])
def test_grid_of_fixed_steps_ends_at_t1_to_the_last_bit(step: float, t1: float) -> None:
    """rtqichen/torchdiffeq#138: the grid misses t1 by rounding, and an assertion fails."""
    sol = solve_ivp(lambda t, y: -y, (0.0, t1), [1.0], RK4(min(step, t1)))
    assert sol.t[-1] == t1
    assert (np.diff(sol.t) > 0.0).all()


@pytest.mark.parametrize(
    "method", [name for name in ("RK23", "RK45", "DOP853", "Radau", "BDF") if name in method_names()]
)
def test_right_hand_side_is_never_asked_beyond_the_span(method: str) -> None:
    """scipy/scipy#17341: f evaluated outside the interval when that is short."""

    def fun(t: Any, y: Any) -> Any:
        assert 0.0 <= float(t) <= 1e-4
        return 2.0 * y

    assert solve_ivp(fun, (0.0, 1e-4), [1.0], method, compiled=False).success


# -- NaN and hanging ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t1", [math.nan, math.inf])
def test_span_that_is_not_finite_is_named(t1: float) -> None:
    """scipy/scipy#17846, #11239: SciPy loops for ever on NaN."""
    with pytest.raises(ArgumentError, match=r"solve_ivp: t_span must be finite.*got"):
        solve_ivp(lambda t, y: -y, (0.0, t1), [1.0])


def test_tolerance_that_is_nan_is_named() -> None:
    """scipy/scipy#17846: rtol=nan never ends."""
    with pytest.raises(ArgumentError, match="rtol must be finite and >= 0; got rtol=nan"):
        solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], rtol=math.nan)


@pytest.mark.parametrize(
    ("answer", "error"), [(None, KindError), ([math.nan], ArgumentError), ([1.0, 2.0], ArgumentError)]
)
def test_answer_of_the_right_hand_side_that_is_none_nan_or_too_long_is_named(answer: Any, error: Any) -> None:
    """scipy/scipy#11239, jax-ml/jax#14612: NaN at the first call loops, or is success with NaN in y."""
    with pytest.raises(error, match=r"solve_ivp: fun must return .*got"):
        solve_ivp(lambda t, y: answer, (0.0, 1.0), [1.0])


def test_one_value_for_three_components_is_not_broadcast() -> None:
    """SciPy broadcasts it silently."""
    with pytest.raises(ArgumentError, match="fun must return 3 components, as many as y0 has; got shape"):
        solve_ivp(lambda t, y: [1.0], (0.0, 1.0), [1.0, 2.0, 3.0])


def test_misspelt_keyword_is_an_error_that_knows_the_right_one() -> None:
    """SciPy only warns."""
    with pytest.raises(ArgumentError, match=r"unknown option 'maxstep'.*Did you mean 'max_step"):
        solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], maxstep=0.1)


def test_step_that_no_longer_moves_t_ends_the_solve() -> None:
    """LLNL/sundials#44: t + h = t, a warning, and a loop for ever."""
    ends(lambda t, y: [1.0 / (1.0 - t) ** 2], (0.0, 2.0), [0.0], "at t=0.99999", "Required step size")


@pytest.mark.parametrize("more", [{}, {"compiled": False}, {"method": "RK4", "step": 0.01}])
def test_nan_on_the_way_is_never_success(more: dict[str, Any]) -> None:
    """jax-ml/jax#14612 (jax#40510), patrick-kidger/diffrax#143: outputs extrapolated, or NaN in a success."""

    def fun(t: Any, y: Any) -> Any:
        return -y * np.log(0.5 - t)

    sol = ends(fun, (0.0, 1.0), [1.0], "NaN or infinite: y[0] at t=0.5", "log of", **more)
    assert sol.t[-1] <= 0.51


@pytest.mark.parametrize("compiled", [False, "auto"])
def test_chattering_ends_quickly(compiled: Any) -> None:
    """y' = -sign(y): SciPy seems to hang."""
    began = time.monotonic()
    sol = solve_ivp(lambda t, y: -np.sign(y), (0.0, 1e4), [1.0], compiled=compiled)
    assert time.monotonic() - began < 60.0
    assert sol.status == -1
    assert abs(sol.y[0, -1]) < 1e-3
    if compiled is False:
        for words in ("chatters at t=1.", "derivative of y[0] jumps", "make the jump smooth", "event"):
            assert words in sol.message


@pytest.mark.parametrize("more", [{}, {"compiled": False}])
@pytest.mark.parametrize("first_step", [None, 5.0])
def test_recoverable_domain_error_of_a_trial_step_makes_the_step_shorter(more: dict[str, Any], first_step: Any) -> None:
    """SUNDIALS has a recoverable right-hand side: sqrt of a negative trial value is no failure of the solve."""
    sol = solve_ivp(lambda t, y: -np.sqrt(y), (0.0, 1.9), [1.0], first_step=first_step and 1.9, **more)
    assert sol.success
    assert abs(sol.y[0, -1] - (1.0 - 0.95) ** 2) < 1e-3


@pytest.mark.parametrize("more", [{}, {"method": "RK4", "step": 0.01}, {"t_eval": [0.5, 1.5]}])
def test_one_bad_trajectory_leaves_the_bits_of_its_neighbours(more: dict[str, Any]) -> None:
    """patrick-kidger/diffrax#500, jax-ml/jax#2586: lanes coupled through a common step."""
    starts = np.array([[1.0, 1.0, 1.0], [1.0, 1e8, 0.0], [20.0, -1e8, 1.0]])
    sol = solve_ivp(Lorenz63(), (0.0, 2.0), starts, max_steps=5000, **more)
    for i in (0, 2):
        one = solve_ivp(Lorenz63(), (0.0, 2.0), starts[:, i], max_steps=5000, **more)
        np.testing.assert_array_equal(sol.y[:, i, : one.n_times], one.y)
        assert sol.message[i] == one.message


def test_gradient_through_a_failed_solve_is_refused_with_the_diagnosis() -> None:
    """ReactionMechanismSimulator.jl#237: the backward solve stopped early, nonsense sensitivities, only a warning."""

    def last(x: Any) -> Any:
        return solve_ivp(lambda t, y: y * y, (0.0, 2.0), [x]).y[0, -1]

    with pytest.raises(RunError, match=r"carries derivatives and failed.*blows up at about t="):
        grad(last)(1.0)


def test_unstable_fixed_steps_name_the_step_that_would_do() -> None:
    """scipy/scipy#9355, #13456: fixed steps; and what they cannot do is told with the step that could."""
    more: dict[str, Any] = {"method": "RK4"}
    sol = ends(relaxing(1000.0), (0.0, 10.0), [0.0], "rates reach 1e+03", "Try step=0.0005", step=0.01, **more)
    assert "First not finite" in sol.message
    assert solve_ivp(relaxing(1000.0), (0.0, 10.0), [0.0], step=0.0005, **more).success


def test_step_limit_as_a_function_of_time_is_kept_and_checked() -> None:
    """scipy/scipy#15490."""
    sol = solve_ivp(lambda t, y: -y, (0.0, 2.0), [1.0], max_step=lambda t: 0.01 if t < 1.0 else 1.0)
    assert np.diff(sol.t)[sol.t[:-1] < 1.0].max() <= 0.0100001
    with pytest.raises(ArgumentError, match=r"max_step\(t\) must be > 0 at all times"):
        solve_ivp(lambda t, y: -y, (0.0, 2.0), [1.0], max_step=lambda t: math.nan)


def test_swapped_axes_of_a_batch_are_named_with_the_mend() -> None:
    """scipy/scipy#13348, #8922: vectorised initial conditions."""
    with pytest.raises(ArgumentError, match=r"y0 must have shape \(4, \*batch\).*pass y0\.T"):
        solve_ivp(DoublePendulum(), (0.0, 1.0), np.zeros((10, 4)))


def test_zero_tolerance_for_a_zero_is_named() -> None:
    """atol=0 with a component at 0: SciPy says only that the step is too small."""
    ends(lambda t, y: [y[1], -y[0]], (0.0, 1.0), [0.0, 1.0], "atol=0 leaves y[0]=0 no tolerance", atol=0.0)


def test_exception_of_the_user_s_function_comes_through_as_it_is() -> None:
    """A math.sqrt of a negative number is the user's ValueError, with its traceback."""
    with pytest.raises(ValueError, match="math domain error"):
        solve_ivp(lambda t, y: [-math.sqrt(y[0]) - 0.1], (0.0, 10.0), [1.0], compiled=False)
