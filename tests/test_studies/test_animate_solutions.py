"""Films of solutions that are there already, and of solves that fail."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from diffsim.errors import ArgumentError, RunError
from integrators import solve_ivp
from studies import animate
from systems import DoublePendulum, Pendulum

START = [2.0, 1.5, 0.0, 0.0]


def solve(system, start, t_eval=None, span=(0.0, 2.0), **options):
    return solve_ivp(system, span, start, t_eval=t_eval, method="RK45", rtol=1e-10, atol=1e-10, **options)


@pytest.fixture(scope="module")
def fresh():
    return animate(DoublePendulum(), START, (0.0, 2.0), fps=60, rtol=1e-10, atol=1e-10, method="RK45")


def test_solution_at_other_times_gives_the_same_film(fresh):
    solution = solve(DoublePendulum(), START, np.linspace(0.0, 2.0, 501))
    film = animate(DoublePendulum(), solution, fps=60)
    np.testing.assert_array_equal(film.times, fresh.times)
    np.testing.assert_allclose(film.positions, fresh.positions, atol=1e-5)


def test_solution_at_the_solvers_own_steps_gives_the_same_film(fresh):
    film = animate(DoublePendulum(), solve(DoublePendulum(), START), fps=60)
    np.testing.assert_allclose(film.positions, fresh.positions, atol=1e-5)


def test_interpolation_is_of_fourth_order(fresh):
    def error(n):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            film = animate(DoublePendulum(), solve(DoublePendulum(), START, np.linspace(0.0, 2.0, n)), fps=60)
        return np.abs(film.positions - fresh.positions).max()

    assert np.log2(error(41) / error(81)) == pytest.approx(4.0, abs=0.6)


def test_part_of_a_solution_can_be_shown(fresh):
    solution = solve(DoublePendulum(), START, np.linspace(0.0, 2.0, 501))
    film = animate(DoublePendulum(), solution, (0.5, 1.0), fps=60)
    np.testing.assert_allclose(film.positions, fresh.positions[30:60], atol=1e-5)
    with pytest.raises(ArgumentError, match="t_span must lie within the solution's times 0 to 2"):
        animate(DoublePendulum(), solution, (1.5, 3.0))


def test_solution_that_is_too_coarse_gives_a_warning_with_the_size_of_the_error():
    solution = solve(DoublePendulum(), START, np.linspace(0.0, 2.0, 9))
    with pytest.warns(UserWarning, match=r"too far apart to be interpolated well: near t=.*% of the picture"):
        animate(DoublePendulum(), solution)


def test_batch_with_common_times_shows_all_trajectories(fresh):
    starts = np.array([START, [1.0, 0.0, 0.0, 0.0]]).T
    film = animate(DoublePendulum(), solve(DoublePendulum(), starts, np.linspace(0.0, 2.0, 501)), fps=60)
    np.testing.assert_allclose(film.positions[:, :1], fresh.positions, atol=1e-5)


def test_batch_in_which_each_has_its_own_times_shows_all_trajectories(fresh):
    starts = np.array([START, [1.0, 0.0, 0.0, 0.0]]).T
    solution = solve(DoublePendulum(), starts)
    assert solution.t.ndim == 2
    film = animate(DoublePendulum(), solution, fps=60)
    assert film.positions.shape == (120, 2, 3, 2)
    np.testing.assert_allclose(film.positions[:, :1], fresh.positions, atol=1e-5)


def test_batch_of_different_parameters_is_interpolated():
    system = Pendulum(length=[0.5, 1.0])
    solution = solve(system, np.array([[1.0, 1.0], [0.0, 0.0]]), np.linspace(0.0, 2.0, 301))
    film = animate(system, solution, fps=30)
    for j, length in enumerate((0.5, 1.0)):
        alone = animate(Pendulum(length=length), [1.0, 0.0], (0.0, 2.0), fps=30, method="RK45", rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(film.positions[:, j], alone.positions[:, 0], atol=1e-5)


def test_solution_that_ran_backwards_is_shown_backwards():
    solution = solve(Pendulum(), [1.0, 0.0], np.linspace(2.0, 0.0, 201), span=(2.0, 0.0))
    film = animate(Pendulum(), solution, fps=10)
    forth = animate(Pendulum(), [1.0, 0.0], (2.0, 0.0), fps=10)
    np.testing.assert_allclose(film.times, 2.0 - np.arange(20) / 10)
    np.testing.assert_allclose(film.positions, forth.positions, atol=1e-5)


def test_solver_arguments_beside_a_solution_are_refused():
    solution = solve(Pendulum(), [1.0, 0.0])
    with pytest.raises(ArgumentError, match="step is for solving, but y0 is a Solution"):
        animate(Pendulum(), solution, step=0.1)
    with pytest.raises(ArgumentError, match="method is for solving, but y0 is a Solution"):
        animate(Pendulum(), solution, method="RK4")


def explode(t, y):
    """From 1: 1 / (1 - t), infinite at t = 1; from -1 it decays."""
    return [y[0] * y[0], 0.0 * y[1]]


def test_solve_that_fails_is_an_error_with_its_reason():
    with pytest.raises(RunError, match=r"animate: the solve failed\. \w+"):
        animate(explode, [1.0, 0.0], (0.0, 2.0), plane=(0, 1), max_steps=10_000)


def test_start_that_fails_among_others_is_drawn_as_far_as_it_came():
    with pytest.warns(UserWarning, match="1 of 2 starts failed"):
        film = animate(
            explode,
            [[1.0, 0.0], [-1.0, 1.0]],
            (0.0, 2.0),
            fps=10,
            plane=(0, 1),
            max_steps=10_000,
            limits=((-1, 9), (-1, 1)),
        )
    assert np.isfinite(film.positions[:, 1]).all()
    assert np.isfinite(film.positions[:9, 0]).all()
    assert np.isnan(film.positions[-5:, 0]).all()
    assert film.frame(-1).shape == (480, 640, 3)
    assert film.frame(5).std() > 0
