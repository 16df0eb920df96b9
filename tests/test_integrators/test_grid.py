"""Time grids of fixed steps: built from integers, strictly increasing, the end hit exactly."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, example, given

from diffsim.errors import ArgumentError
from integrators import solve_ivp
from integrators.drivers.grid import make_grid

TIMES = st.floats(-1e6, 1e6, allow_subnormal=False)
FRACTIONS = st.floats(1e-3, 1.0)


@given(start=TIMES, length=st.floats(1e-6, 1e6), part=FRACTIONS, backward=st.booleans())
@example(start=0.0, length=10.0, part=0.001, backward=False)
@example(start=0.1, length=0.3, part=1 / 3, backward=False)
@example(start=0.0, length=1.0, part=1.0, backward=True)
def test_grid_is_strictly_monotonic_ends_exactly_and_keeps_its_step(
    start: float, length: float, part: float, backward: bool
) -> None:
    end = start - length if backward else start + length
    step = abs(end - start) * part
    assume(end != start)
    assume(step > 100 * np.spacing(max(abs(start), abs(end))))
    grid = make_grid(start, end, step, None)
    direction = math.copysign(1.0, end - start)
    assert grid.t[0] == start
    assert grid.t[-1] == end
    assert (np.diff(grid.t) * direction > 0).all()
    for k in range(grid.n_steps):
        assert grid.time(k) == start + k * grid.h  # from integers, never accumulated
    sizes = [grid.step(k) for k in range(grid.n_steps)]
    assert sizes[:-1] == [direction * step] * (grid.n_steps - 1)
    rounding = 8 * np.spacing(max(abs(start), abs(end)))
    assert 0 < sizes[-1] * direction <= step + rounding
    assert abs(sum(map(Fraction, sizes)) - (Fraction(end) - Fraction(start))) <= rounding


@given(start=st.floats(-100, 100), length=st.floats(0.1, 100), part=FRACTIONS, data=st.data())
def test_save_times_are_reached_exactly_from_the_node_before_them(
    start: float, length: float, part: float, data: st.DataObject
) -> None:
    end, step = start + length, length * part
    assume(step > 1e-10)
    inside = data.draw(st.lists(st.floats(start, end), max_size=6))
    on_nodes = [start + k * step for k in data.draw(st.lists(st.integers(0, int(1 / part)), max_size=4))]
    t_eval = np.unique(np.clip([*inside, *on_nodes], start, end))
    grid = make_grid(start, end, step, t_eval)
    np.testing.assert_array_equal(grid.t, t_eval)
    for t, node, aside in zip(grid.t, grid.nodes.tolist(), grid.aside.tolist(), strict=True):
        gap = t - grid.time(node)
        assert 0 <= node <= grid.n_steps
        if aside:
            assert 0 < gap < step * (1 + 1e-9)
        else:
            assert abs(gap) <= 8 * np.spacing(max(abs(start), abs(end)))


@pytest.mark.parametrize(("t1", "step", "n_steps"), [(10.0, 0.01, 1000), (0.3, 0.1, 3), (1.0, 0.3, 4), (1.0, 1 / 3, 3)])
def test_number_of_steps_is_the_one_expected(t1: float, step: float, n_steps: int) -> None:
    sol = solve_ivp(lambda t, y: -y, (0.0, t1), [1.0], "Euler", step=step)
    assert len(sol.t) == n_steps + 1
    assert sol.nfev == n_steps
    assert sol.t[-1] == t1


def test_trajectory_does_not_depend_on_when_it_is_looked_at() -> None:
    every = solve_ivp(lambda t, y: -y * y, (0.0, 1.0), [1.0], "RK4", step=0.1)
    some = solve_ivp(lambda t, y: -y * y, (0.0, 1.0), [1.0], "RK4", step=0.1, t_eval=[0.05, 0.3, 0.55, 1.0])
    np.testing.assert_array_equal(some.y[:, [1, 3]], every.y[:, [3, 10]])


def test_last_step_is_shortened_to_end_at_the_end() -> None:
    seen: list[float] = []
    solve_ivp(lambda t, y: seen.append(t) or -y, (0.0, 1.0), [1.0], "Heun", step=0.3, compiled=False)
    np.testing.assert_allclose(seen, [0.0, 0.3, 0.3, 0.6, 0.6, 0.9, 0.9, 1.0], rtol=1e-15)


def test_many_steps_end_at_the_end_where_a_sum_of_steps_would_not() -> None:
    # rtqichen/torchdiffeq#138: a fixed-step grid misses t1 by rounding.
    sol = solve_ivp(lambda t, y: 0.0 * y + 1.0, (0.0, 1000.0), [0.0], "Euler", step=0.1, t_eval=[1000.0])
    assert sol.t[0] == 1000.0
    assert sum([0.1] * 10_000) != 1000.0
    assert abs(sol.y[0, 0] - 1000.0) < 1e-9
    assert sol.nfev == 10_000


@given(
    matrix=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    y=st.lists(st.floats(-5, 5), min_size=4, max_size=4),
    weights=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    method=st.sampled_from(["Euler", "Ralston", "SSPRK3", "RK38", "RK45"]),
)
def test_solve_is_linear_on_linear_problems(
    matrix: list[float], y: list[float], weights: tuple[float, float], method: str
) -> None:
    a = np.array(matrix).reshape(2, 2)
    u, v = np.array(y[:2]), np.array(y[2:])

    def end(start: Any) -> Any:
        return solve_ivp(lambda t, x: a @ x, (0.0, 1.0), start, method, step=0.1).y[:, -1]

    together = end(weights[0] * u + weights[1] * v)
    np.testing.assert_allclose(together, weights[0] * end(u) + weights[1] * end(v), atol=1e-9)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (2.0, "step must not be longer than the span"),
        (1e-18, "step must be long enough to move t"),
    ],
)
def test_step_that_does_not_fit_the_span_is_refused(step: float, words: str) -> None:
    with pytest.raises(ArgumentError, match=f"^solve_ivp: {words}"):
        solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], "RK4", step=step)


def test_result_that_does_not_fit_into_memory_is_refused_before_the_work() -> None:
    with pytest.raises(ArgumentError, match=r"must fit into memory; .* Name the times you need in t_eval"):
        solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], "RK4", step=1e-13)
