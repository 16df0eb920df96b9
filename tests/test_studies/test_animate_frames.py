"""What the frames show: the right place, the right colour, the right time."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from diffsim.errors import ArgumentError
from studies import animate
from systems import DoublePendulum, HarmonicOscillator, Kepler, Lorenz63, Pendulum, VanDerPol

BLUE, ORANGE, GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)  # first colours of the light style


@pytest.fixture(scope="module")
def film():
    return animate(DoublePendulum(), [2.0, 1.5, 0.0, 0.0], (0.0, 2.0), fps=30)


def centre_of(frame, color):
    """Mean column and row of the pixels of exactly this colour."""
    rows, columns = np.nonzero((frame == color).all(axis=-1))
    assert rows.size > 20
    return np.array([columns.mean(), rows.mean()])


def pixel_of(film, index, trajectory=0, point=-1):
    """Where matplotlib's own axes put a position."""
    axes = film.plot(index).axes[0]
    x, y = axes.transData.transform(film.positions[index, trajectory, point])
    return np.array([x - 0.5, film.size[1] - y - 0.5])


@pytest.mark.parametrize("index", [0, 17, 59])
def test_bob_is_drawn_where_the_state_says(film, index):
    np.testing.assert_allclose(centre_of(film.frame(index), BLUE), pixel_of(film, index), atol=0.75)


def test_positions_are_those_of_the_states_at_the_frame_times(film):
    from scipy.integrate import solve_ivp

    system = DoublePendulum()
    reference = solve_ivp(
        system, (0.0, 2.0), [2.0, 1.5, 0.0, 0.0], "DOP853", np.arange(60) / 30, rtol=1e-11, atol=1e-11
    )
    np.testing.assert_array_equal(film.times, np.arange(60) / 30)
    theta_1, theta_2 = reference.y[:2]
    tip = np.stack([np.sin(theta_1) + np.sin(theta_2), -np.cos(theta_1) - np.cos(theta_2)], axis=-1)
    np.testing.assert_allclose(film.positions[:, 0, 2], tip, atol=1e-5)


@pytest.mark.parametrize("method", [{"method": "RK4", "step": 0.013}, {"method": "RK45", "rtol": 1e-9, "atol": 1e-9}])
def test_frames_do_not_depend_on_the_solvers_step(film, method):
    other = animate(DoublePendulum(), [2.0, 1.5, 0.0, 0.0], (0.0, 2.0), fps=30, **method)
    np.testing.assert_array_equal(other.times, film.times)
    np.testing.assert_allclose(other.positions, film.positions, atol=1e-3)


def test_one_metre_is_as_long_upwards_as_sideways_at_every_size():
    for size in [(640, 480), (480, 640), (1280, 320), (128, 96)]:
        axes = animate(Pendulum(), [1.0, 0.0], (0.0, 0.1), fps=20, size=size).plot(0).axes[0]
        origin, right, up = axes.transData.transform([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
        assert right[0] - origin[0] == pytest.approx(up[1] - origin[1], rel=1e-4)


def test_whole_motion_stays_inside_the_axes(film):
    axes = film.plot(0).axes[0]
    (x_low, x_high), (y_low, y_high) = axes.get_xlim(), axes.get_ylim()
    assert x_low < film.positions[..., 0].min()
    assert x_high > film.positions[..., 0].max()
    assert y_low < film.positions[..., 1].min()
    assert y_high > film.positions[..., 1].max()


def test_frames_and_frame_and_still_show_the_same(film):
    streamed = list(film.frames())
    assert len(streamed) == film.n_frames == 60
    for index in (0, 31, 59):
        np.testing.assert_array_equal(streamed[index], film.frame(index))
    np.testing.assert_array_equal(film.frame(-1), film.frame(59))
    assert streamed[0].shape == (480, 640, 3)
    assert streamed[0].dtype == np.uint8


def test_frame_is_the_same_whatever_was_drawn_before(film):
    first = film.frame(20)
    list(film.frames())
    np.testing.assert_array_equal(film.frame(20), first)


def test_user_settings_of_matplotlib_do_not_change_the_frames(film):
    import matplotlib

    plain = film.frame(10)
    with matplotlib.rc_context(
        {"lines.linewidth": 9.0, "font.size": 30.0, "axes.facecolor": "red", "font.family": "serif"}
    ):
        np.testing.assert_array_equal(film.frame(10), plain)


def test_clock_shows_the_simulated_time():
    slow = animate(Pendulum(), [1.0, 0.0], (0.0, 1.0), fps=10, speed=0.5)
    at_rest = [
        animate(Pendulum(), [0.0, 0.0], (start, start + 1.0), fps=10, trail=0).frame(0) for start in (1.0, 2.0, 1.0)
    ]
    header = [frame[:35] for frame in at_rest]
    assert slow.n_frames == 20
    assert slow.times[3] == 0.15
    np.testing.assert_array_equal(header[0], header[2])
    assert (header[0] != header[1]).any()
    np.testing.assert_array_equal(at_rest[0][40:], at_rest[1][40:])  # nothing else differs


def test_clock_has_room_for_negative_and_long_times():
    film = animate(Pendulum(), [0.5, 0.0], (-123.0, -124.0), fps=10, trail=0)
    assert film.times[1] == -123.1
    assert film.frame(3).shape == (480, 640, 3)


def test_trail_shows_where_the_tip_has_been_and_fades():
    film = animate(DoublePendulum(), [2.0, 1.5, 0.0, 0.0], (0.0, 1.0), fps=60, trail=0.5)
    frame = film.frame(50).astype(int)
    depth = []
    for age in (3, 15, 27):
        column, row = np.rint(pixel_of(film, 50 - age)).astype(int)
        depth.append(255 - frame[row - 1 : row + 2, column - 1 : column + 2, 0].min())
    assert depth[0] > depth[1] > depth[2] > 0
    column, row = np.rint(pixel_of(film, 50 - 40)).astype(int)
    assert (
        255 - frame[row - 1 : row + 2, column - 1 : column + 2, 0].min() < 60
    )  # older than the trail: at most the grid


def test_no_trail_leaves_no_mark():
    film = animate(DoublePendulum(), [2.0, 1.5, 0.0, 0.0], (0.0, 1.0), fps=60, trail=0)
    column, row = np.rint(pixel_of(film, 30)).astype(int)
    assert film.frame(50)[row - 1 : row + 2, column - 1 : column + 2].min() > 190


def test_three_pendulums_have_three_colours_and_names():
    starts = [[2.0, 1.5, 0.0, 0.0], [2.3, 1.5, 0.0, 0.0], [2.6, 1.5, 0.0, 0.0]]
    film = animate(DoublePendulum(), starts, (0.0, 0.5), fps=20, labels=["a", "b", "c"])
    assert film.positions.shape == (10, 3, 3, 2)
    for j, color in enumerate((BLUE, ORANGE, GREEN)):
        column, row = np.rint(pixel_of(film, 0, j)).astype(int)
        assert (film.frame(0)[row - 2 : row + 3, column - 2 : column + 3] == color).all()
    assert [text.get_text() for text in film.plot(0).legends[0].get_texts()] == ["a", "b", "c"]


def test_several_starts_as_columns_or_as_a_list_are_the_same():
    starts = np.array([[2.0, 1.5, 0.0, 0.0], [2.3, 1.5, 0.0, 0.0]])
    as_list = animate(DoublePendulum(), [list(start) for start in starts], (0.0, 0.5), fps=20)
    as_columns = animate(DoublePendulum(), starts.T, (0.0, 0.5), fps=20)
    alone = animate(DoublePendulum(), starts[1], (0.0, 0.5), fps=20)
    np.testing.assert_array_equal(as_list.positions, as_columns.positions)
    np.testing.assert_allclose(as_list.positions[:, 1], alone.positions[:, 0], atol=1e-6)


def test_fifty_pendulums_fit_into_one_picture():
    starts = np.tile([[2.0], [1.5], [0.0], [0.0]], 50)
    starts[0] += np.linspace(0.0, 0.5, 50)
    film = animate(DoublePendulum(), starts, (0.0, 0.2), fps=20, style="dark")
    frame = film.frame(-1)
    np.testing.assert_array_equal(frame[2, 2], np.rint(np.array(to_rgb("#11151c")) * 255))
    assert len(np.unique(frame.reshape(-1, 3), axis=0)) > 50


def test_pendulums_that_differ_in_a_parameter_move_side_by_side():
    film = animate(Pendulum(length=[0.5, 1.0, 1.5]), [1.0, 0.0], (0.0, 0.5), fps=20)
    assert film.positions.shape == (10, 3, 2, 2)
    lengths = np.hypot(*film.positions[:, :, 1].transpose(2, 0, 1))
    np.testing.assert_allclose(lengths, [[0.5, 1.0, 1.5]] * 10, rtol=1e-12)


@pytest.mark.parametrize("system", [Pendulum(), HarmonicOscillator(), Kepler()])
def test_every_system_with_positions_can_be_animated(system):
    film = animate(system, system.default_state, (0.0, 0.5), fps=20)
    assert film.frame(5).std() > 1.0


def test_system_without_positions_is_drawn_in_a_plane_of_its_state():
    film = animate(Lorenz63(), [1.0, 1.0, 1.0], (0.0, 2.0), plane=("x", "z"), fps=20)
    assert film.positions.shape == (40, 1, 1, 2)
    np.testing.assert_array_equal(film.positions[0, 0, 0], [1.0, 1.0])
    np.testing.assert_allclose(centre_of(film.frame(20), BLUE), pixel_of(film, 20), atol=0.75)


def test_plain_function_is_drawn_in_a_plane_of_its_state():
    film = animate(lambda t, y: [y[1], -y[0]], [1.0, 0.0], (0.0, 1.0), plane=(0, 1), fps=10)
    np.testing.assert_allclose(film.positions[:, 0, 0, 0], np.cos(film.times), atol=1e-6)
    assert film.plot(0).axes[0].get_xlabel() == "y[0]"


def test_time_may_run_backwards():
    film = animate(Pendulum(), [1.0, 0.0], (1.0, 0.0), fps=10)
    np.testing.assert_allclose(film.times, 1.0 - np.arange(10) / 10, atol=1e-15)


def test_motionless_system_gets_a_picture_of_one_metre():
    film = animate(HarmonicOscillator(), [0.0, 0.0], (0.0, 0.3), fps=10)
    axes = film.plot(0).axes[0]
    assert np.ptp(axes.get_ylim()) == pytest.approx(1.0, rel=0.2)


def test_limits_that_were_asked_for_are_in_the_picture():
    axes = animate(Pendulum(), [0.1, 0.0], (0.0, 0.3), fps=10, limits=((-3.0, 3.0), (-2.0, 2.0))).plot(0).axes[0]
    assert axes.get_xlim()[0] < -3.0
    assert axes.get_ylim()[1] > 2.0


def test_rods_are_solid_where_lengths_are_constant_and_dashed_where_not():
    def dashes(film):
        return next(c.get_linestyle()[0][1] for c in film.plot(0).axes[0].collections if c.get_zorder() == 3.0)

    assert dashes(animate(Pendulum(), [1.0, 0.0], (0.0, 0.3), fps=10)) is None
    assert dashes(animate(HarmonicOscillator(), [1.0, 0.0], (0.0, 0.3), fps=10)) is not None
    assert dashes(animate(HarmonicOscillator(), [1.0, 0.0], (0.0, 0.3), fps=10, rods=True)) is None


def test_letters_grow_with_the_picture():
    small, large = (
        animate(Pendulum(), [1.0, 0.0], (0.0, 0.1), fps=10, size=size).frame(0) for size in [(640, 480), (1280, 960)]
    )
    widths = [np.ptp(np.nonzero((frame[: len(frame) // 14] < 128).any(axis=(0, 2)))[0]) for frame in (small, large)]
    assert widths[1] / widths[0] == pytest.approx(2.0, abs=0.1)


def test_long_title_makes_room_for_the_clock():
    film = animate(Pendulum(), [1.0, 0.0], (0.0, 1.0), fps=10, speed=0.5, title="A title that is rather long " * 3)
    figure = film.plot(0)
    plain = animate(Pendulum(), [1.0, 0.0], (0.0, 1.0), fps=10, speed=0.5)
    np.testing.assert_array_equal(film.frame(0)[:35, 440:], plain.frame(0)[:35, 440:])
    assert next(text for text in figure.texts if "rather" in text.get_text()).get_fontsize() < 11.0


def test_derivatives_in_start_and_parameters_are_left_aside():
    from diffsim.value import Value

    film = animate(Pendulum(length=Value(0.7)), [Value(1.0), 0.0], (0.0, 0.3), fps=10)
    plain = animate(Pendulum(length=0.7), [1.0, 0.0], (0.0, 0.3), fps=10)
    np.testing.assert_array_equal(film.positions, plain.positions)


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_motion_of_any_size_fills_the_picture(size):
    film = animate(HarmonicOscillator(), [size, 0.0], (0.0, 6.0), fps=10, atol=1e-9 * size, rtol=1e-9, method="RK45")
    low, high = film.plot(0).axes[0].get_xlim()
    assert 2.0 * size < high - low < 2.5 * size
    assert film.frame(10).std() > 1.0


def test_frames_from_several_threads_are_the_same(film):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        streams = list(pool.map(lambda _: [frame.sum(dtype=np.int64) for frame in film.frames()], range(3)))
    assert streams[0] == streams[1] == streams[2]


def test_film_survives_pickling(film):
    import pickle

    np.testing.assert_array_equal(pickle.loads(pickle.dumps(film)).frame(7), film.frame(7))


def test_rendering_keeps_no_frames():
    def peak(span):
        film = animate(Pendulum(), [1.0, 0.0], (0.0, span), fps=50, size=(320, 240))
        tracemalloc.start()
        for _ in film.frames():
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(0.2)
    assert peak(3.0) - peak(0.8) < 300_000  # 110 frames more are 34 MB


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fps": 0}, "fps must be a number from 0.01 to 1000; got fps=0"),
        ({"fps": float("nan")}, "fps must be"),
        ({"fps": True}, "fps must be"),
        ({"speed": -1.0}, "speed must be a finite number > 0; got speed=-1.0"),
        ({"size": (641, 480)}, r"two even integers .* take \(642, 480\)"),
        ({"size": (640,)}, "size must be"),
        ({"size": (640.0, 480.0)}, "size must be"),
        ({"size": (10, 10)}, "from 64 to 7680"),
        ({"trail": -1}, "trail must be >= 0"),
        ({"style": "ligth"}, "unknown style 'ligth'; it has light, dark. Did you mean 'light'?"),
        ({"labels": ["a", "b"]}, "labels must be 1 names"),
        ({"labels": "a"}, "labels must be 1 names"),
        ({"colors": "no such colour"}, "colors must be"),
        ({"colors": ["red", "blue"]}, "colors must be"),
        ({"limits": ((1.0, 0.0), (0.0, 1.0))}, "limits must be"),
        ({"limits": "all"}, "limits must be"),
        ({"plane": ("theta", "p_3")}, "unknown state component 'theta'"),
        ({"plane": ("theta_1",)}, "plane must be two or three names"),
        ({"plane": (0, 9)}, "plane must be two or three names"),
        ({"t_span": (0.0, 0.0)}, "t_span must be two different finite times"),
        ({"t_span": (0.0, float("inf"))}, "t_span must be"),
        ({"t_span": 3.0}, "t_span must be"),
        ({"method": "RK5000"}, "RK5000"),
        ({"y0": [1.0, 2.0]}, "4"),
        ({"y0": [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0]]}, "several of the same length"),
        ({"y0": np.zeros((4, 0))}, "at least one start"),
        ({"t_eval": [0.0, 0.1]}, "t_eval is set by fps and speed"),
        ({"y0": [1.0, 2.0, float("nan"), 0.0]}, "finite"),
    ],
)
def test_wrong_argument_is_named_with_what_it_must_be(change, words):
    good = {"y0": [2.0, 1.5, 0.0, 0.0], "t_span": (0.0, 0.2)}
    with pytest.raises(ArgumentError, match=words):
        animate(DoublePendulum(), **{**good, **change})


def test_system_without_positions_is_drawn_by_its_components():
    film = animate(Lorenz63(), [1.0, 1.0, 1.0], (0.0, 0.1))
    assert film.positions.shape == (6, 1, 1, 2)
    portrait = animate(VanDerPol(), [1.0, 0.0], (0.0, 0.1))
    np.testing.assert_array_equal(portrait.positions[0, 0, 0], [1.0, 0.0])


def test_function_without_positions_says_so_and_how_to_draw_it():
    def spin(t, y):
        return [y[1], -y[0]]

    with pytest.raises(TypeError, match=r"spin has no positions to draw.*plane=\(0, 1\)"):
        animate(spin, [1.0, 1.0])


def test_class_instead_of_a_system_is_refused():
    with pytest.raises(TypeError, match="system must be a System"):
        animate(DoublePendulum, [2.0, 1.5, 0.0, 0.0])


@pytest.mark.parametrize("index", [60, -61, 1.0, True])
def test_frame_that_is_not_there_is_refused(film, index):
    with pytest.raises(ArgumentError, match="index must be an integer from -60 to 59"):
        film.frame(index)
