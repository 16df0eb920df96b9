"""`certify`: right gradients pass, planted faults are caught, and what doubles cannot know is not called right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import diffsim as ds
from diffsim.errors import ArgumentError, DiffsimError, KindError
from diffsim.number import raw
from diffsim.replay import Replay, StepsDiffer, tracks
from diffsim.testing import Expression, expressions
from systems import DoublePendulum, Lorenz63

PENDULUM = DoublePendulum()
MOMENTA = np.array([1.0, 4.0])


def _end(t_end: float, **options: Any) -> Any:
    def loss(momenta: Any) -> Any:
        y0 = ds.array([0.4, 0.0, momenta[0], momenta[1]])
        return ds.solve_ivp(PENDULUM, (0.0, t_end), y0, **options).y[1, -1]

    return loss


# -- losses without a solve --------------------------------------------------------------------------------------


def test_the_gradient_of_a_loss_is_certified_with_small_errors() -> None:
    found = ds.certify(lambda x: ds.sin(x[0]) * x[1] ** 2, np.array([0.5, 2.0]))
    assert found
    assert np.allclose(found.gradient, [4.0 * math.cos(0.5), 4.0 * math.sin(0.5)], rtol=1e-15)
    for comparison in found.comparisons:
        truth = float(found.gradient @ comparison.direction)
        for estimate in (comparison.reverse, comparison.forward, comparison.difference):
            assert abs(estimate.value - truth) <= estimate.error < 1e-11


def test_trees_several_arguments_and_whole_numbers_come_back_in_their_form() -> None:
    def loss(p: Any, x: Any, label: str) -> Any:
        return p["a"] * x[0] + p["b"][0] * x[1] if label == "sum" else None

    found = ds.certify(loss, {"a": 2, "b": [3.0]}, np.array([5, 7]), "sum", argnums=(0, 1))
    assert found.gradient[0] == {"a": 5.0, "b": [7.0]}
    assert found.gradient[1].tolist() == [2.0, 3.0]


def test_value_and_grad_hands_the_certificate_on() -> None:
    value, gradient, found = ds.value_and_grad(lambda x, *, power: x**power, certify=True)(2.0, power=3)
    assert (value, gradient) == (8.0, 12.0)
    assert found.verdict == "certified"
    assert ds.value_and_grad(lambda x: x**3)(2.0) == (8.0, 12.0)


def test_the_same_seed_gives_the_same_certificate_and_another_one_other_directions() -> None:
    first, again, other = (ds.certify(lambda x: (x * x).sum(), np.arange(1.0, 4.0), seed=s) for s in (1, 1, 2))
    assert str(first) == str(again)
    assert not np.array_equal(first.comparisons[0].direction, other.comparisons[0].direction)


def _dropped(x: Any) -> Any:
    return raw(x) * x  # one of two factors loses its derivative


def _turned(x: Any) -> Any:
    return 2.0 * raw(x * x) - x * x


def _a_millionth(x: Any) -> Any:
    return x * x + 1e-6 * raw(x) - 1e-6 * x


@pytest.mark.parametrize("loss", [_dropped, _turned, _a_millionth])
@pytest.mark.parametrize("order", [1, 2])
def test_planted_wrong_derivatives_are_caught(loss: Any, order: int) -> None:
    with pytest.raises(ds.CertificateError, match=r"certify: d loss along a random direction is wrong") as caught:
        ds.certify(loss, 1.7, order=order)
    assert isinstance(caught.value, DiffsimError)
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, ArithmeticError)


def test_a_wrong_second_derivative_behind_a_right_first_one_is_caught() -> None:

    def loss(x: Any) -> Any:  # equals x**3 and has its slope; its curvature is 6 x + 2 to the modes
        off = x - raw(x)
        return x * x * x + off * off

    assert ds.certify(loss, 1.5).gradient == 6.75
    with pytest.raises(ds.CertificateError, match=r"d \(d loss by reverse mode\)"):
        ds.certify(loss, 1.5, order=2)


def test_all_four_compositions_of_the_modes_are_certified() -> None:
    found = ds.certify(lambda x: ds.exp(x[0] * x[1]) + x[0] ** 3, np.array([0.5, -1.0]), order=2)
    assert found
    assert [c.what for c in found.comparisons if c.order == 2] == [
        "d (d loss by reverse mode)",
        "d (d loss by forward mode)",
    ] * 2


def test_a_derivative_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(ds.CertificateError, match="not finite where the loss is"):
        ds.certify(lambda x: ds.tanh(1e200 * (1e200 * x)), 0.0)


def test_a_border_of_the_domain_is_not_certified() -> None:
    found = ds.certify(lambda x: ds.sqrt(x) + x, 0.0)
    assert found.verdict == "not certifiable"
    assert "border" in found.reason


def test_a_kink_is_not_certified() -> None:
    found = ds.certify(lambda x: abs(x - 1.0) + x, 1.0)
    assert found.verdict == "not certifiable"
    assert not found
    assert "kink" in found.reason


def test_noise_is_not_certified() -> None:
    calls = iter(range(10**6))
    found = ds.certify(lambda x: x + (next(calls) % 7) * 0.1, 1.0)
    assert found.verdict == "not certifiable"


def test_a_derivative_lost_in_rounding_is_not_certified() -> None:
    found = ds.certify(lambda x: ds.sin(1e16 * x), 0.3)
    assert found.verdict == "not certifiable"
    assert "float64" in found.reason
    assert found.digits < 1.0


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (("text",), {}, ArgumentError, "at least one number"),
        ((np.ones(2),), {"order": 3}, ArgumentError, "order must be 1 or 2; got order=3"),
        ((np.ones(2),), {"directions": 0}, ArgumentError, "directions must be a whole number >= 1"),
        ((np.ones(2),), {"argnums": 1}, ArgumentError, "argnums must name positions"),
        ((np.ones(2),), {"argnums": (0, 0)}, ArgumentError, "once"),
        ((ds.Value(1.0),), {}, KindError, "plain numbers"),
        ((np.array([1.0, np.inf]),), {}, ArgumentError, "finite"),
    ],
)
def test_bad_arguments_are_named(arguments: Any, options: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        ds.certify(lambda x: x if isinstance(x, str) else (x * x).sum(), *arguments, **options)


def test_a_loss_that_is_no_scalar_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="one scalar"):
        ds.certify(lambda x: x * x, np.ones(2))
    with pytest.raises(ArgumentError, match="one scalar"):
        ds.certify(lambda x: [x, x], 1.0)


# -- through solves ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t_end", [1.0, pytest.param(3.0, marks=pytest.mark.slow)])
def test_an_adaptive_double_pendulum_is_certified(t_end: float) -> None:
    found = ds.certify(_end(t_end, rtol=1e-6, atol=1e-6), MOMENTA)
    assert found, str(found)
    assert found.n_steps > 20
    for comparison in found.comparisons:
        size = abs(comparison.reverse.value)
        assert abs(comparison.reverse.value - comparison.forward.value) < 1e-10 * size
        assert comparison.difference.error < 1e-6 * size


def test_differences_of_steps_that_are_free_would_not_decide() -> None:
    """What replaying is for: the same comparison with steps that are chosen anew has no difference that is right."""
    loss = _end(1.0, rtol=1e-3, atol=1e-6)
    held = ds.certify(loss, MOMENTA).comparisons[0]
    v, h = held.direction, 1e-5
    free = (loss(MOMENTA + h * v) - loss(MOMENTA - h * v)) / (2.0 * h)
    assert abs(held.difference.value - held.reverse.value) <= held.difference.error + held.reverse.error
    assert abs(free - held.reverse.value) > 100.0 * held.difference.error


def test_fixed_steps_compiled_are_certified_to_second_order() -> None:
    found = ds.certify(_end(1.0, method="RK4", step=0.05), MOMENTA, order=2)
    assert found, str(found)
    assert found.n_steps == 0


def test_ends_parameters_and_batches_are_certified() -> None:
    def loss(length: Any, ends: Any, starts: Any) -> Any:
        system = PENDULUM.replace(length_1=length)
        return (ds.solve_ivp(system, (ends[0], ends[1]), starts, t_eval=[0.31, 0.5], rtol=1e-5).y ** 2).sum()

    starts = np.array([[0.4, 0.3], [0.0, 0.2], [1.0, 0.5], [2.0, 0.1]])
    found = ds.certify(loss, 1.1, np.array([0.1, 0.6]), starts, argnums=(0, 1, 2))
    assert found, str(found)


def test_several_solves_in_a_loss_each_take_their_own_steps_again() -> None:
    def loss(x: Any) -> Any:
        first = ds.solve_ivp(lambda t, y: [-(y[0] ** 3)], (0.0, 1.0), [x], rtol=1e-4).y[0, -1]
        return ds.solve_ivp(lambda t, y: [ds.sin(t * y[0])], (0.0, 2.0), [first], rtol=1e-5).y[0, -1]

    assert ds.certify(loss, 1.5)


@pytest.mark.slow
def test_a_chaotic_solve_past_what_doubles_know_is_not_certified() -> None:
    found = ds.certify(_end(40.0, rtol=1e-4, atol=1e-4), MOMENTA, directions=1)
    assert found.verdict == "not certifiable"
    assert found.growth > 1e15
    assert "past what float64 can know" in found.reason


def test_a_chaotic_lorenz_system_is_certified_early_and_refused_late() -> None:
    def end(t_end: float) -> Any:
        def loss(y0: Any) -> Any:
            return ds.solve_ivp(Lorenz63(), (0.0, t_end), y0, method="RK4", step=0.01).y[0, -1]

        return loss

    start = np.array([1.0, 1.0, 20.0])
    early, late = ds.certify(end(2.0), start), ds.certify(end(80.0), start)
    assert early, str(early)
    assert late.verdict == "not certifiable"
    assert late.growth > 1e10 * early.growth


def test_a_wrong_derivative_inside_a_solve_is_caught() -> None:
    def loss(x: Any) -> Any:
        return ds.solve_ivp(lambda t, y: [-y[0] * raw(y[0])], (0.0, 1.0), [x], rtol=1e-5, compiled=False).y[0, -1]

    with pytest.raises(ds.CertificateError, match="Both modes agree"):
        ds.certify(loss, 1.5)


# -- replay ------------------------------------------------------------------------------------------------------


def test_a_replayed_solve_gives_the_same_bits_at_the_same_point() -> None:
    replay, loss = Replay(), _end(1.0, rtol=1e-5, compiled=False)
    with replay.recording():
        first = loss(MOMENTA)
    with replay.replaying():
        again = loss(MOMENTA)
    assert first == again == loss(MOMENTA)
    assert replay.n_steps > 10


@pytest.mark.parametrize("count", [0, 2])
def test_another_number_of_solves_is_an_error(count: int) -> None:
    replay, loss = Replay(), _end(0.5)
    with replay.recording():
        loss(MOMENTA)

    def again() -> None:
        with replay.replaying():
            for _ in range(count):
                loss(MOMENTA)

    with pytest.raises(StepsDiffer, match="adaptive solve"):
        again()


def test_nobody_replays_outside_and_nothing_is_left_after_an_error() -> None:
    replay = Replay()
    with pytest.raises(ValueError, match="stop"), replay.recording():
        raise ValueError("stop")
    assert tracks(1) == ()


def test_lanes_of_a_batch_repeat_their_own_steps() -> None:
    replay = Replay()
    starts = np.array([[0.4, 2.0, 0.1], [0.0, 1.0, 0.2], [1.0, 0.0, 0.0], [4.0, 0.0, 0.1]])

    def solve(y0: Any) -> Any:
        return ds.solve_ivp(PENDULUM, (0.0, 1.0), y0, rtol=1e-5, compiled=False)

    with replay.recording():
        first = solve(starts)
    with replay.replaying():
        moved = solve(starts * 1.01)
    assert np.array_equal(first.t, moved.t, equal_nan=True)
    assert len({int(n) for n in first.n_times}) > 1
    with replay.replaying():
        assert np.array_equal(solve(starts).y, first.y, equal_nan=True)


@pytest.mark.parametrize("method", ["RK45", "DOP853", "Vern7"])
@pytest.mark.parametrize("t_eval", [None, [0.0, 0.3, 0.31, 1.0]])
@pytest.mark.parametrize("forward", [True, False])
def test_machine_code_repeats_steps_as_it_chose_them_and_as_the_interpreter_does(
    method: str, t_eval: Any, forward: bool
) -> None:
    replay = Replay()
    starts = np.array([[0.4, 2.0, 0.1], [0.0, 1.0, 0.2], [1.0, 0.0, 0.0], [4.0, 0.0, 0.1]])
    span = (0.0, 1.0) if forward else (1.0, 0.0)
    times = t_eval if t_eval is None or forward else t_eval[::-1]

    def solve(y0: Any, compiled: bool) -> Any:
        return ds.solve_ivp(PENDULUM, span, y0, method, times, rtol=1e-5, compiled=compiled)

    with replay.recording():
        chosen = solve(starts, True)
    found = []
    for compiled in (True, False):
        for scale in (1.0, 1.001):
            with replay.replaying():
                found.append(solve(starts * scale, compiled))
    assert np.array_equal(found[0].t, chosen.t, equal_nan=True)
    np.testing.assert_allclose(found[0].y, chosen.y, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(found[2].y, chosen.y, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(found[1].y, found[3].y, rtol=1e-11, atol=1e-11)
    assert not np.allclose(found[1].y[..., 1], chosen.y[..., 1], rtol=1e-9, equal_nan=True)


# -- laws --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(e=expressions(), order=st.sampled_from([1, 2]))
def test_right_derivatives_of_generated_losses_never_raise(e: Expression, order: int) -> None:
    found = ds.certify(e, *e.arguments, argnums=tuple(range(len(e.arguments))), order=order, atol=1e-15)
    for comparison in found.comparisons:
        assert math.isfinite(comparison.reverse.value)
    if found:
        assert found.reason == ""


@settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(e=expressions(), part=st.sampled_from([1e-6, 0.5, -2.0]))
def test_a_planted_part_of_the_derivative_is_never_certified(e: Expression, part: float) -> None:
    """The loss x -> e(x) + part (e(raw x) - e(x)) has the value of e and (1 - part) of its derivative."""

    def wrong(*x: Any) -> Any:
        return e(*x) + part * (e(*map(raw, x)) - e(*x))

    n = len(e.arguments)
    right = ds.certify(e, *e.arguments, argnums=tuple(range(n)), atol=1e-15)
    size = max(abs(c.reverse.value) for c in right.comparisons)
    assume(right.verdict == "certified" and size > 1e-3 and abs(right.value) < 1e3)
    assume(all(abs(part) * abs(c.reverse.value) > 20.0 * (c.difference.error + 1e-9 * size) for c in right.comparisons))
    with pytest.raises(ds.CertificateError):
        ds.certify(wrong, *e.arguments, argnums=tuple(range(n)), atol=1e-15)
