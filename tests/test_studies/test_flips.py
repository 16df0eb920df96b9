"""`flip_time_map`: against SciPy's events, the energy that a flip needs, mirrored starts, and its own error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp
from scipy.special import ellipk, ellipkinc

from diffsim.cli import main
from diffsim.errors import ArgumentError, KindError
from studies import flip_time_map, load
from studies._crossings import hermite_root
from systems import DoublePendulum, Lorenz63, Pendulum, StandardMap


def centred(n):
    """Angles in the middle of n cells of the circle."""
    return (np.arange(n) - 0.5 * (n - 1)) / n * 2.0 * np.pi


def reference(start, t_end):
    """Time and arm of the first flip by SciPy's DOP853 and its events."""
    system = DoublePendulum()
    events = [lambda t, y, i=i: np.cos(0.5 * y[i]) for i in (0, 1)]
    for event in events:
        event.terminal = True
    run = scipy_solve_ivp(
        lambda t, y: system(t, y), (0.0, t_end), start, "DOP853", rtol=1e-12, atol=1e-12, events=events, max_step=0.02
    )
    for arm, times in enumerate(run.t_events, start=1):
        if len(times):
            return times[0], arm
    return np.inf, 0


@pytest.fixture(scope="module")
def chart():
    """The square of starts from rest, roughly."""
    angles = centred(24)
    return flip_time_map(DoublePendulum(), {"theta_1": angles, "theta_2": angles}, t_end=6.0)


def test_times_and_arms_are_those_of_scipys_events(chart):
    rng = np.random.default_rng(3)
    for i, j in rng.integers(0, 24, (12, 2)):
        start = [chart.axes["theta_1"][i], chart.axes["theta_2"][j], 0.0, 0.0]
        time, arm = reference(start, 6.0)
        assert chart.arm[i, j] == arm
        assert chart.values[i, j] == pytest.approx(time, abs=2e-7)


def test_no_start_without_the_energy_flips(chart):
    a, b = chart.grid.values
    calm = 3.0 * np.cos(a)[:, None] + np.cos(b)[None, :] > 2.0
    assert 0.2 < calm.mean() < 0.3
    assert not chart.flipped[calm].any()
    assert chart.flipped[~calm].mean() > 0.5


def test_mirrored_starts_flip_at_the_same_time(chart):
    sure = ~chart.uncertain & chart.flipped
    np.testing.assert_allclose(chart.values[sure], chart.values[::-1, ::-1][sure], atol=1e-6)


def test_error_is_within_the_accuracy_or_the_cell_is_uncertain(chart):
    assert (chart.error[~chart.uncertain] <= chart.accuracy).all()
    rough = flip_time_map(
        DoublePendulum(), {"theta_1": [2.0, 2.5], "theta_2": [0.0, 3.0]}, t_end=20.0, accuracy=1e-15, step=0.05
    )
    assert rough.n_uncertain > 0
    assert f"{rough.n_uncertain} cells uncertain" in repr(rough)
    assert "times known to 1e-15 s in" in rough.plot().axes[0].get_title()


def test_pendulum_started_with_a_push_flips_at_the_time_of_the_elliptic_integral():
    system = Pendulum()  # theta'' = -w^2 sin(theta)
    push, w2 = np.array([7.0, 8.0]), 9.8 / system.length
    start = np.array([0.3])
    momentum = push * system.mass * system.length**2
    chart = flip_time_map(system, {"theta": start, "p": momentum}, t_end=3.0, accuracy=1e-9)
    for j, rate in enumerate(push):
        # half the energy: (rate^2 / 2 - w2 cos 0.3) = w2 (2 / m - 1), modulus m below 1 beyond the separatrix
        m = 2.0 / (1.0 + (0.5 * rate**2 - w2 * np.cos(0.3)) / w2)
        assert m < 1.0
        exact = np.sqrt(m / w2) * (ellipk(m) - ellipkinc(0.15, m))
        assert chart.values[0, j] == pytest.approx(exact, abs=1e-9)


def test_start_on_the_top_flips_when_it_comes_there_again():
    chart = flip_time_map(Pendulum(), {"theta": [np.pi], "p": [-0.5, 0.5]}, t_end=6.0)
    once = flip_time_map(Pendulum(), {"theta": [np.pi - 1e-9], "p": [-0.5]}, t_end=6.0)
    assert chart.values[0, 0] == pytest.approx(once.values[0, 0], rel=1e-6)
    assert chart.values[0, 1] == pytest.approx(chart.values[0, 0], rel=1e-6)


def test_angles_from_elsewhere_and_whole_turns_mean_the_same_flip():
    axes = {"theta_1": [2.0, 2.5], "theta_2": [3.0]}
    plain = flip_time_map(DoublePendulum(), axes, t_end=4.0)
    turned = flip_time_map(DoublePendulum(), {"theta_1": axes["theta_1"], "theta_2": [3.0 - 4.0 * np.pi]}, t_end=4.0)
    np.testing.assert_allclose(turned.values, plain.values, atol=1e-9)
    about = DoublePendulum().about("inverted")
    shifted = flip_time_map(
        about, {"theta_1": np.subtract(axes["theta_1"], np.pi), "theta_2": [3.0 - np.pi]}, t_end=4.0
    )
    np.testing.assert_allclose(shifted.values, plain.values, atol=1e-9)


def test_step_controlled_method_gives_the_same_times():
    axes = {"theta_1": [2.0, 2.5], "theta_2": [0.4, 3.0]}
    fixed = flip_time_map(DoublePendulum(), axes, t_end=3.0)
    adaptive = flip_time_map(DoublePendulum(), axes, t_end=3.0, method="DOP853")
    assert fixed.flipped.any()
    np.testing.assert_allclose(adaptive.values, fixed.values, atol=1e-6)


def test_parameter_and_energy_as_axes_give_each_cell_its_own_system_and_start():
    axes = {"gravity": [4.0, 9.8], "energy": [-15.0, 30.0]}
    chart = flip_time_map(DoublePendulum(), axes, y0=[0.4, 0.0, 0.0, 1.0], solve_for="p_1", t_end=4.0)
    assert chart.impossible.tolist() == [[True, False], [False, False]]
    assert np.isnan(chart.values[0, 0])
    assert chart.flipped[0, 1]
    y0 = chart.grid.start_of({"gravity": 4.0, "energy": 30.0})
    system = DoublePendulum(gravity=4.0)
    assert system.energy(y0) == pytest.approx(30.0, rel=1e-13)
    alone = flip_time_map(system, {"theta_1": [y0[0]], "theta_2": [y0[1]]}, y0=y0, t_end=4.0)
    assert alone.values[0, 0] == pytest.approx(chart.values[0, 1], abs=1e-9)


def test_tangency_between_two_nodes_is_found_and_a_near_miss_is_none():
    """g(s) = c - (s - 0.4)^2 reaches 0 twice for c > 0, never for c < 0."""
    c = np.array([0.01, -0.01])
    g0, g1 = c - 0.16, c - 0.36
    found = hermite_root(g0, g1, np.full(2, 0.8), np.full(2, -1.2))
    assert found[0] == pytest.approx(0.3, abs=1e-7)
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("kind", "message", "arguments"),
    [
        (KindError, "must have angles; Lorenz63 has none", {"system": Lorenz63(), "axes": {"x": [1.0], "y": [1.0]}}),
        (KindError, "StandardMap is a map", {"system": StandardMap()}),
        (ArgumentError, "Did you mean 'theta_1'", {"axes": {"theta1": [1.0], "p_1": [0.0]}}),
        (ArgumentError, "accuracy must be > 0", {"accuracy": 0.0}),
        (ArgumentError, "t_end must be > 0", {"t_end": -1.0}),
        (KindError, "'p_1' is none", {"angles": ["p_1"]}),
        (ArgumentError, "needs solve_for=", {"energy": 3.0}),
        (ArgumentError, "Name a momentum or a velocity", {"energy": 3.0, "solve_for": "theta_1",
                                                          "axes": {"p_1": [0.0], "theta_2": [0.0]}}),
        (ArgumentError, "solve_for must be no axis", {"energy": 3.0, "solve_for": "theta_1"}),
        (ArgumentError, "solve_for is for starts of a given energy", {"solve_for": "p_1"}),
        (ArgumentError, "tile must be at least 1", {"tile": 0}),
    ],
)  # fmt: skip
def test_bad_argument_is_named(kind, message, arguments):
    given = {"system": DoublePendulum(), "axes": {"theta_1": [0.1], "theta_2": [0.2]}, "t_end": 0.1} | arguments
    with pytest.raises(kind, match=message):
        flip_time_map(given.pop("system"), given.pop("axes"), **given)


def test_result_is_saved_loaded_drawn_run_again_and_zoomed(chart, tmp_path):
    again = load(chart.save(tmp_path / "flips.npz"))
    for name, array in chart.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    assert repr(again) == repr(chart)
    assert again.save(tmp_path / "flips.png").read_bytes().startswith(b"\x89PNG")
    corner = again.zoom(theta_1=(2.0, 3.0), theta_2=(-3.0, -2.0), n=3)
    np.testing.assert_array_equal(corner.rerun().values, corner.values)
    assert corner.axes["theta_1"].tolist() == [2.0, 2.5, 3.0]
    with pytest.raises(ArgumentError, match="unknown axis 'theta'"):
        chart.zoom(theta=(0.0, 1.0))


def test_command_writes_the_map(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    axes = ["--axis", "theta_1=2:3:4", "--axis", "theta_2=-3:3:4"]
    assert main(["flips", *axes, "--t-end", "2", "--out", "map.npz", "--out", "map.png"]) == 0
    assert "FlipTimeMap(DoublePendulum: theta_1 (4) x theta_2 (4)" in capsys.readouterr().out
    assert load("map.npz").values.shape == (4, 4)
    assert main(["flips", "Lorenz63", "--t-end", "1"]) == 2
    assert "must have angles" in capsys.readouterr().err
