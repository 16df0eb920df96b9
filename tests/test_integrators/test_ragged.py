"""Batches whose trajectories have their own spans and save times: each is what it would be alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsim import array_ops
from diffsim.derivatives import grad
from diffsim.errors import ArgumentError, KindError
from integrators import solve_ivp
from systems import DoublePendulum, HarmonicOscillator

WAYS: list[dict[str, Any]] = [
    {"compiled": False},
    {},
    {"method": "RK4", "step": 0.05},
    {"method": "RK4", "step": 0.05, "compiled": False},
]
BATCH = (2, 3)
T0 = np.array([[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]])
T1 = np.array([[2.0, 1.0, 0.2], [-1.5, 0.4, 1.7]])  # backwards, and of no length
STARTS = np.random.default_rng(3).uniform(-1.0, 1.0, (4, *BATCH))
TIMES: list[list[Any]] = [
    [[0.0, 0.33, 2.0], [0.1, 1.0], []],
    [[0.2, -0.4, -1.5], [0.4], [0.7, 0.9, 1.1, 1.61]],
]


def driven(t: Any, y: Any) -> list[Any]:
    return [y[1], -y[0] * np.cos(t)]


FUNS: list[tuple[Callable[..., Any], int]] = [(DoublePendulum(), 4), (driven, 2)]


def at(x: Any, spot: tuple[int, ...]) -> Any:
    """The entry of a trajectory in nested lists or an array."""
    for i in spot:
        x = x[i]
    return x


@pytest.mark.parametrize("more", WAYS)
@pytest.mark.parametrize(("fun", "n"), FUNS)
@pytest.mark.parametrize("times", [None, TIMES])
def test_each_trajectory_is_what_it_is_alone_to_the_last_bit(
    fun: Any, n: int, times: Any, more: dict[str, Any]
) -> None:
    # rtqichen/torchdiffeq#122, 86, 91, 242, 43: each sample needs its own times.
    starts = STARTS[:n]
    sol = solve_ivp(fun, (T0, T1), starts, t_eval=times, sensitivities="y0", **more)
    assert sol.t.shape[:-1] == BATCH
    assert sol.y.shape == (n, *sol.t.shape)
    assert sol.success.all()
    for spot in np.ndindex(*BATCH):
        own = None if times is None else at(times, spot)
        one = solve_ivp(fun, (T0[spot], T1[spot]), starts[:, *spot], t_eval=own, sensitivities="y0", **more)
        k = one.n_times
        assert sol.n_times[spot] == k
        assert sol.nfev[spot] == one.nfev
        np.testing.assert_array_equal(sol.t[(*spot, slice(k))], one.t)
        np.testing.assert_array_equal(sol.y[(slice(None), *spot, slice(k))], one.y)
        np.testing.assert_array_equal(sol.dy_dy0[(slice(None), slice(None), *spot, slice(k))], one.dy_dy0)
        assert np.isnan(sol.t[(*spot, slice(k, None))]).all()
        assert np.isnan(sol.y[(slice(None), *spot, slice(k, None))]).all()


@pytest.mark.parametrize("more", WAYS)
def test_save_times_padded_with_nan_are_those_of_lists(more: dict[str, Any]) -> None:
    padded = np.full((*BATCH, 6), np.nan)
    for spot in np.ndindex(*BATCH):
        own = at(TIMES, spot)
        padded[(*spot, slice(len(own)))] = own
    lists = solve_ivp(driven, (T0, T1), STARTS[:2], t_eval=TIMES, **more)
    array = solve_ivp(driven, (T0, T1), STARTS[:2], t_eval=padded, **more)
    assert lists.t.shape == (*BATCH, 4)
    assert array.t.shape == (*BATCH, 6)
    np.testing.assert_array_equal(lists.t, array.t[..., :4])
    np.testing.assert_array_equal(lists.y, array.y[..., :4])


@pytest.mark.parametrize("more", WAYS)
@pytest.mark.parametrize("fun", [DoublePendulum(), driven])
def test_common_save_times_with_own_ends_keep_one_axis_of_times(fun: Any, more: dict[str, Any]) -> None:
    starts = STARTS[: 4 if fun is not driven else 2]
    sol = solve_ivp(fun, (0.0, 1.0 + T0), starts, t_eval=[0.25, 1.0], **more)
    assert sol.t.tolist() == [0.25, 1.0]
    assert sol.y.shape == (len(starts), *BATCH, 2)


@pytest.mark.parametrize("more", WAYS)
@given(order=st.permutations(range(6)))
@settings(max_examples=5)
def test_permuted_batch_gives_the_permuted_answer(more: dict[str, Any], order: list[int]) -> None:
    t0, t1, starts = T0.ravel(), T1.ravel(), STARTS.reshape(4, 6)
    plain = solve_ivp(DoublePendulum(), (t0, t1), starts, **more)
    mixed = solve_ivp(DoublePendulum(), (t0[order], t1[order]), starts[:, order], **more)
    np.testing.assert_array_equal(mixed.y, plain.y[:, order])
    np.testing.assert_array_equal(mixed.t, plain.t[order])
    assert mixed.message.tolist() == plain.message[order].tolist()


@pytest.mark.parametrize("more", [{}, {"method": "RK4", "step": 0.05}])
@pytest.mark.parametrize("fun", [HarmonicOscillator(), lambda t, y: [y[1], -y[0]]])
def test_derivative_by_own_ends_is_the_field_at_them(fun: Any, more: dict[str, Any]) -> None:
    starts = np.array([[1.0, 0.5, 2.0], [0.0, 1.0, -1.0]])

    def first_components(t1: Any) -> Any:
        sol = solve_ivp(fun, (0.0, t1), starts, rtol=1e-9, atol=1e-12, **more) if not more else None
        sol = sol or solve_ivp(fun, (0.0, t1), starts, **more)
        last = [sol.y[0, j, int(sol.n_times[j]) - 1] for j in range(3)]
        return array_ops.sum(array_ops.stack(last) * np.array([1.0, 2.0, 3.0]))

    t1 = np.array([1.0, 1.7, 0.6])
    found = grad(first_components)(t1)
    velocity = starts[1] * np.cos(t1) - starts[0] * np.sin(t1)
    np.testing.assert_allclose(found, np.array([1.0, 2.0, 3.0]) * velocity, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("more", WAYS)
@pytest.mark.parametrize("fun", [HarmonicOscillator(), lambda t, y: [y[1], -y[0]]])
def test_empty_batch_gives_empty_arrays(fun: Any, more: dict[str, Any]) -> None:
    sol = solve_ivp(fun, (np.zeros(0), np.ones(0)), np.zeros((2, 0)), **more)
    assert sol.y.shape[:2] == (2, 0)
    assert sol.status.shape == sol.n_times.shape == (0,)


@pytest.mark.parametrize("more", WAYS)
def test_a_trajectory_that_fails_holds_what_was_reached_and_its_neighbours_are_untouched(more: dict[str, Any]) -> None:
    def fun(t: Any, y: Any) -> Any:
        return y * y

    t1, starts = np.array([0.5, 2.0, 0.7]), np.array([[1.0, 1.0, 1.0]])
    sol = solve_ivp(fun, (0.0, t1), starts, t_eval=[[0.1, 0.5], [0.1, 0.5, 1.5], [0.3]], **more)
    assert sol.status.tolist() == [0, -1, 0]
    assert sol.n_times.tolist() == [2, 2, 1]
    np.testing.assert_array_equal(sol.t[1], [0.1, 0.5, 1.5])  # the times that were asked for
    assert np.isnan(sol.y[0, 1, 2])
    for j, own in enumerate(([0.1, 0.5], [0.1, 0.5, 1.5], [0.3])):
        one = solve_ivp(fun, (0.0, t1[j]), [1.0], t_eval=own, **more)
        np.testing.assert_array_equal(sol.y[:, j, : one.n_times], one.y)
        assert sol.message[j] == one.message


BAD: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "span of another shape": (
        (0.0, np.ones(4)),
        None,
        ArgumentError,
        r"t_span must hold scalars, or arrays of the shape of the batch, \(2, 3\); got t1 of shape \(4,\)",
    ),
    "nan in a span": (
        (0.0, np.array([[1.0, 2.0, np.nan], [1.0, 1.0, 1.0]])),
        None,
        ArgumentError,
        r"t_span must be finite; got t1\[0, 2\]=nan",
    ),
    "text in a span": ((0.0, [["a", 1.0, 1.0]] * 2), None, KindError, "t_span must be a real number; got t_span='a'"),
    "too few lists": (
        (0.0, 1.0),
        [[[0.1], [0.2]], [[0.1], [0.2]]],
        ArgumentError,
        r"t_eval must have one list of times for each trajectory of the batch \(2, 3\); got shape \(2, 2, 1\)",
    ),
    "too few axes": (
        (0.0, 1.0),
        [[0.1], [0.2]],
        ArgumentError,
        r"t_eval must be one-dimensional or have the shape \(\*batch, n_times\) with batch \(2, 3\); got shape .2, 1.",
    ),
    "beyond its own span": (
        (0.0, T0 + 0.5),
        [[[0.5], [0.1, 0.7], [0.1]], [[0.1], [0.1], [0.1]]],
        ArgumentError,
        r"t_eval must lie within t_span=\(0\.0, 0\.6\) of trajectory \[0, 1\]; got t_eval\[0, 1, 1\]=0\.7",
    ),
    "common times beyond one span": (
        (0.0, T0 + 0.5),
        [0.6],
        ArgumentError,
        r"t_eval must lie within t_span=\(0\.0, 0\.5\) of trajectory \[0, 0\]; got t_eval\[0\]=0\.6",
    ),
    "wrong way": (
        (1.0, 0.0),
        [[[0.5], [0.5], [0.5]], [[0.1, 0.2], [0.1], [0.1]]],
        ArgumentError,
        r"t_eval must be strictly decreasing, since t_span runs backwards; got t_eval\[1, 0, 0\]=0\.1",
    ),
    "nan in between": (
        (0.0, 1.0),
        [[[0.5], [0.5], [0.5]], [[0.1, np.nan, 0.2], [0.1], [0.1]]],
        ArgumentError,
        r"NaN only behind the last time of a trajectory; got t_eval\[1, 0, 1\]=nan",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_times_are_named(name: str) -> None:
    t_span, t_eval, error, words = BAD[name]
    for more in ({}, {"method": "RK4", "step": 0.05}):
        with pytest.raises(error, match=rf"^solve_ivp: .*{words}") as caught:
            solve_ivp(driven, t_span, STARTS[:2], t_eval=t_eval, **more)
        assert "\n" not in str(caught.value)


def test_step_longer_than_one_of_the_spans_is_refused_before_any_work() -> None:
    with pytest.raises(ArgumentError, match=r"step must not be longer than the span .*0\.25"):
        solve_ivp(driven, (0.0, np.array([1.0, 0.25])), np.ones((2, 2)), "RK4", step=0.5)


def test_single_trajectory_takes_scalar_ends_alone() -> None:
    with pytest.raises(ArgumentError, match=r"t_span must hold scalars; got t1 of shape \(2,\)"):
        solve_ivp(driven, (0.0, np.array([1.0, 2.0])), [1.0, 0.0])
