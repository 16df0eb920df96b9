"""What stands beside an animation: ghosts, arrows, panels and compared methods, against outside answers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsim.errors import ArgumentError, KindError
from integrators import GaussLegendre4, solve_ivp
from studies import animate
from studies._animation_panels import broken
from systems import BouncingBall, DoublePendulum, HarmonicOscillator, Lorenz63, Pendulum

ORBIT = [0.4, 0.0, 1.0, 4.0]
TIGHT = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-12}


@settings(max_examples=10)
@given(
    start=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    spread=st.floats(1e-6, 1.0),
    seed=st.integers(0, 1000),
)
def test_ghosts_of_a_rotation_stay_at_their_distance(start, spread, seed):
    film = animate(
        HarmonicOscillator(), list(start), (0, 2), fps=10, ghosts=7, spread=spread, seed=seed, plane=("x", "p"), **TIGHT
    )
    predicted, actual = film.panels[0].lines
    np.testing.assert_allclose(predicted.y, spread, rtol=1e-5)  # at rest no error makes steps small
    np.testing.assert_allclose(actual.y, spread, rtol=1e-4 + 1e-8 / spread)
    distances = np.linalg.norm(film.ghosts[:, :, 0] - film.positions[:, :, 0], axis=-1)
    np.testing.assert_allclose(distances, spread, rtol=1e-4 + 1e-8 / spread)


def test_separation_is_predicted_by_the_tangents_and_saturates_where_it_is_large():
    film = animate(DoublePendulum(), ORBIT, (0, 4), fps=10, ghosts=12, spread=1e-6, **TIGHT)
    predicted, actual = film.panels[0].lines
    np.testing.assert_allclose(actual.y, predicted.y, rtol=0.01)
    far = animate(DoublePendulum(), ORBIT, (0, 12), fps=5, ghosts=12, spread=1e-3)
    predicted, actual = far.panels[0].lines
    assert predicted.y[-1] > 20 * actual.y[-1]


def test_spread_of_zero_leaves_a_component_alone():
    film = animate(Lorenz63(), [1.0, 1.0, 20.0], (0, 0.2), ghosts=5, spread=(0.0, 0.1, 0.0), plane=("x", "y"))
    assert np.all(film.ghosts[0, :, 0, 0] == 1.0)
    np.testing.assert_allclose(np.abs(film.ghosts[0, :, 0, 1] - 1.0), 0.1)


def test_growth_of_the_stretching_is_that_of_the_flow_map():
    film = animate(DoublePendulum(), ORBIT, (0, 5.1), fps=10, arrows="stretch", **TIGHT)
    growth = film.panels[0].lines[0].y
    np.testing.assert_allclose(growth[[0, 10, 20, 50]], [1.0, 16.5, 24.5, 2755], rtol=0.005)


def test_stretch_arrows_are_where_neighbours_part():
    film = animate(DoublePendulum(), ORBIT, (0, 3.1), fps=10, arrows="stretch", ghosts=60, spread=1e-7, **TIGHT)
    moved = film.ghosts[30] - film.positions[30]  # (n_ghosts, n_points, 2)
    cloud = moved.reshape(60, -1)
    longest = np.linalg.svd(cloud, full_matrices=False)[2][0]
    arrow = film.arrows[30].ravel()
    assert abs(longest @ arrow) / np.linalg.norm(arrow) > 0.99


def test_sign_of_the_stretch_arrows_is_kept_from_frame_to_frame():
    """Without it about half of all frames would turn round; where two singular values meet, the direction may turn."""
    arrows = animate(DoublePendulum(), ORBIT, (0, 6), fps=60, arrows="stretch").arrows.reshape(360, -1)
    arrows = arrows / np.linalg.norm(arrows, axis=1, keepdims=True)
    assert np.mean(np.sum(arrows[1:] * arrows[:-1], axis=1) > 0.5) > 0.95


def test_gradient_arrow_is_the_answer_of_the_end_to_a_kick():
    """Kick the second rod's end by an impulse along x, solve on with SciPy, and see what the last frame says."""
    system, eps, k = DoublePendulum(), 1e-5, 7
    film = animate(system, ORBIT, (0, 2.05), fps=10, arrows="theta_2", **TIGHT)
    states = solve_ivp(system, (0, 2.0), ORBIT, t_eval=film.times, **TIGHT).y
    theta_1, theta_2 = states[:2, k]
    found = []
    for axis in range(2):
        turn = np.array([[np.cos(theta_1), np.cos(theta_2)], [np.sin(theta_1), np.sin(theta_2)]])[axis]
        ends = []
        for sign in (1, -1):
            start = states[:, k] + sign * eps * np.array([0.0, 0.0, *turn])
            run = scipy.integrate.solve_ivp(system, film.times[[k, -1]], start, **TIGHT)
            ends.append(run.y[1, -1])
        found.append((ends[0] - ends[1]) / (2 * eps))
    np.testing.assert_allclose(film.arrows[k, -1], found, rtol=1e-5)
    assert np.all(film.arrows[:, 0] == 0.0)  # the pivot does not move


def test_gradient_of_a_function_of_the_state_is_taken():
    def energy(y):
        return 0.5 * (y[0] * y[0] + y[1] * y[1])

    film = animate(HarmonicOscillator(), [3.0, 4.0], (0, 2), fps=10, arrows=energy, plane=("x", "p"), **TIGHT)
    np.testing.assert_allclose(film.panels[0].lines[0].y, 5.0, rtol=1e-9)  # the gradient of an invariant is carried
    np.testing.assert_allclose(film.arrows, film.positions[:, 0], atol=1e-8)  # grad E = (x, p) at every time


def test_error_of_euler_is_its_closed_form():
    film = animate(HarmonicOscillator(), [1.0, 0.0], (0, 2), fps=10, compare=["Euler", GaussLegendre4(0.1)], step=0.1)
    euler, gauss = film.panels[0].lines
    np.testing.assert_allclose(euler.y[1:], 1.01 ** np.arange(1, 20) - 1.0, rtol=1e-9)
    assert np.all(gauss.y[1:] < 1e-12)
    assert film.size == (1200, 720)
    assert film.positions.shape[1] == 2


def test_compared_methods_of_a_system_without_energy_show_their_distance():
    film = animate(Lorenz63(), [1.0, 1.0, 20.0], (0, 1), fps=10, compare=["Euler", "RK4"], step=0.01, plane=("x", "z"))
    assert "distance from RK4" in film.panels[0].axis_labels[1]


def test_angles_of_a_phase_portrait_stay_within_a_turn():
    film = animate(Pendulum(), [0.0, 9.0], (0, 4), fps=30, panels=["phase"])
    panel = film.panels[0]
    assert panel.turns == (True, False)
    assert panel.limits[:2] == (-np.pi, np.pi)
    line = panel.lines[0]
    assert np.all((line.x >= -np.pi) & (line.x < np.pi))
    unwrapped = solve_ivp(Pendulum(), (0, 4), [0.0, 9.0], t_eval=film.times, method="RK45", rtol=1e-8, atol=1e-8).y[0]
    assert np.ptp(unwrapped) > 10.0
    np.testing.assert_allclose(np.cos(line.x), np.cos(unwrapped), atol=1e-9)


def test_angles_of_a_plane_stay_in_the_picture():
    film = animate(Pendulum(), [0.0, 9.0], (0, 4), fps=30, plane=("theta", "p"), trail=0, size=(320, 240))
    blue = [np.argwhere((film.frame(i) == (0, 114, 178)).all(axis=-1)) for i in range(0, 120, 10)]
    assert all(spot.size for spot in blue)


@settings(max_examples=50)
@given(st.lists(st.floats(-3.1, 3.1), min_size=1, max_size=30))
def test_curve_is_broken_where_it_jumps_and_nowhere_else(values):
    x = np.array(values)
    y = np.arange(len(x), dtype=float)
    u, v = broken(x, y, (True, False))
    np.testing.assert_array_equal(u[np.isfinite(u)], x)
    np.testing.assert_array_equal(v[np.isfinite(v)], y)
    both = np.isfinite(u[1:]) & np.isfinite(u[:-1])
    assert np.all(np.abs(np.diff(u))[both] <= np.pi)
    assert np.count_nonzero(np.isnan(u)) == np.count_nonzero(np.abs(np.diff(x)) > np.pi)


def test_energy_and_drift_are_those_of_the_trajectory():
    film = animate(DoublePendulum(), ORBIT, (0, 2), fps=10, panels=["energy", "drift"], method="Euler", step=0.01)
    states = solve_ivp(DoublePendulum(), (0, 2), ORBIT, method="Euler", step=0.01, t_eval=film.times).y
    energy = DoublePendulum().energy(states)
    np.testing.assert_allclose(film.panels[0].lines[0].y, energy, rtol=1e-12)
    np.testing.assert_allclose(film.panels[1].lines[0].y[1:], np.abs(energy - energy[0])[1:] / abs(energy[0]))


def test_same_call_gives_the_same_frames_and_another_seed_other_ghosts():
    film = animate(DoublePendulum(), ORBIT, (0, 1), fps=10, ghosts=5, size=(600, 300))
    again, other = film.rerun(), film.rerun(seed=1)
    np.testing.assert_array_equal(film.frame(-1), again.frame(-1))
    assert film.to_html() == again.to_html()
    assert not np.array_equal(film.ghosts, other.ghosts)
    assert film.call["ghosts"] == 5


def test_arrows_and_ghosts_are_drawn():
    accent = (213, 94, 0)
    plain = animate(DoublePendulum(), ORBIT, (0, 1), fps=10, panels=["phase"])
    assert not (plain.frame(5) == accent).all(axis=-1)[:, :600].any()
    film = animate(DoublePendulum(), ORBIT, (0, 1), fps=10, arrows="stretch", panels=["phase"])
    assert (film.frame(5) == accent).all(axis=-1)[:, :600].sum() > 100
    cloud = animate(DoublePendulum(), ORBIT, (0, 1), fps=10, ghosts=9, spread=0.5, panels=["phase"])
    assert (cloud.frame(5) != plain.frame(5)).any(axis=-1)[:, :600].sum() > 500


def test_point_of_a_panel_moves_with_the_time():
    film = animate(DoublePendulum(), ORBIT, (0, 1), fps=10, panels=["energy"], method="RK4", step=0.1)
    ends = [np.argwhere((film.frame(i) == (0, 114, 178)).all(axis=-1)[:, 620:])[:, 1].max() for i in (1, 5, 9)]
    assert ends[0] + 100 < ends[1]
    assert ends[1] + 100 < ends[2]


@pytest.mark.parametrize("size", [(1200, 540), (700, 900)])
def test_parts_of_a_picture_do_not_overlap(size):
    figure = animate(
        DoublePendulum(), ORBIT, (0, 1), fps=10, ghosts=5, arrows="stretch", size=size, panels=["phase", "growth"]
    ).plot()
    figure.canvas.draw()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert len(boxes) == 3
    for i, one in enumerate(boxes):
        assert one.x0 >= 0
        assert one.x1 <= size[0]
        for other in boxes[i + 1 :]:
            assert one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ghosts": -1}, "ghosts must be at least 0"),
        ({"ghosts": 5000}, "ghosts must be at most 1000"),
        ({"ghosts": 5, "spread": 0.0}, "spread must be a number > 0"),
        ({"ghosts": 5, "spread": (1, 2)}, "4 numbers >= 0"),
        ({"arrows": "theta_3"}, "arrows must be 'stretch', a state component"),
        ({"panels": "phase"}, "panels must be a list"),
        ({"panels": ["fase"]}, "unknown panel 'fase'.*Did you mean 'phase'"),
        ({"panels": ["theta_1,q"]}, "unknown state component 'q'"),
        ({"panels": ["separation"]}, "say how many: ghosts=40"),
        ({"panels": ["growth"]}, "arrows='stretch'"),
        ({"compare": ["RK45"]}, "two to four methods"),
        ({"compare": ["RK45", "Euler"]}, "step must be given"),
        ({"compare": ["RK45", "DOP853"], "ghosts": 5}, "neither ghosts nor arrows"),
        ({"compare": ["RK45", "DOP853"], "method": "RK45"}, "method is one of compare"),
        ({"y0": np.ones((4, 2)), "ghosts": 5}, "belong to one start; got 2"),
    ],
)
def test_wrong_argument_is_named_with_what_it_must_be(change, words):
    with pytest.raises(ArgumentError, match=words):
        animate(DoublePendulum(), **{"y0": ORBIT, "t_span": (0, 0.2), **change})


def test_what_a_system_does_not_have_is_refused():
    with pytest.raises(KindError, match="Lorenz63 has no energy"):
        animate(Lorenz63(), [1.0, 1.0, 1.0], (0, 0.1), panels=["energy"])
    with pytest.raises(KindError, match="Lorenz63 declares no invariants"):
        animate(Lorenz63(), [1.0, 1.0, 1.0], (0, 0.1), panels=["drift"])
    with pytest.raises(KindError, match="events of its own"):
        animate(BouncingBall(), BouncingBall().default_state, (0, 0.1), ghosts=3)
    solution = solve_ivp(DoublePendulum(), (0, 1), ORBIT)
    with pytest.raises(ArgumentError, match="must be a start where ghosts are asked for"):
        animate(DoublePendulum(), solution, ghosts=3)
