"""Portraits: the kind that suits a system, what is drawn, what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import systems
from diffsim.errors import ArgumentError, KindError, RunError
from studies import Portrait, portrait
from systems import System

KINDS = {
    "Lorenz63": "space",
    "SIR": "time",
    "CoupledOscillators": "time",
    "Robertson": "log time",
    "Oregonator": "time",
    "LotkaVolterra": "plane",
    "Pendulum": "plane",
    "DoublePendulum": "positions",
    "Kepler": "positions",
    "Lorenz96": "image",
    "TodaLattice": "image",
    "LogisticMap": "dots",
    "HenonMap": "dots",
}


@pytest.mark.parametrize("name", KINDS)
def test_each_system_is_drawn_in_the_way_that_suits_it(name: str) -> None:
    picture = portrait(systems.find(name)(), compiled=False)
    assert picture.kind == KINDS[name]
    figure = picture.plot()
    axes = figure.axes[0]
    drawn = [*axes.lines, *axes.collections, *axes.images]
    assert drawn
    assert axes.get_title().replace("\n", "").startswith(name)
    low, high = np.sort(axes.get_xlim())
    assert low < high


def test_a_path_is_the_trajectory() -> None:
    picture = portrait(systems.HarmonicOscillator(), [1.0, 0.0], 2.0 * np.pi, compiled=False)
    pieces = np.array(picture.plot().axes[0].collections[0].get_segments())  # type: ignore[attr-defined]
    np.testing.assert_allclose(np.hypot(pieces[..., 0], pieces[..., 1]), 1.0, atol=1e-6)
    assert picture.t[-1] == 2.0 * np.pi


def test_a_space_curve_is_seen_from_one_side() -> None:
    @dataclass(frozen=True)
    class Turning(System):
        state_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")

        def rates(self, t: Any, state: Any) -> Any:
            x, y, _ = state
            return -y, x, 0.0 * x

    picture = portrait(Turning(), [1.0, 0.0, 0.0], 20.0, kind="space", compiled=False)
    pieces = np.array(picture.plot().axes[0].collections[0].get_segments())  # type: ignore[attr-defined]
    # A circle in the plane z = 0 becomes an ellipse as flat as the elevation says.
    assert np.isclose(np.ptp(pieces[..., 0]), 2.0, atol=1e-3)
    assert np.isclose(np.ptp(pieces[..., 1]), 2.0 * np.sin(np.radians(24.0)), atol=1e-3)


def test_an_angle_is_wrapped_and_its_path_broken_at_the_border() -> None:
    picture = portrait(systems.Pendulum(), [0.0, 8.0], 10.0, compiled=False)
    assert np.max(picture.y[0]) > 10.0
    pieces = np.array(picture.plot().axes[0].collections[0].get_segments())  # type: ignore[attr-defined]
    assert np.max(np.abs(pieces[..., 0])) <= np.pi
    assert np.max(np.abs(np.diff(pieces[..., 0], axis=1))) < 1.0, "no line runs across"


def test_an_angle_about_the_upper_rest_is_not_broken() -> None:
    picture = portrait(systems.Pendulum(gravity=-9.8), [3.0, 0.0], 10.0, compiled=False)
    pieces = np.array(picture.plot().axes[0].collections[0].get_segments())  # type: ignore[attr-defined]
    assert len(pieces) == len(picture.t) - 1
    assert np.min(pieces[..., 0]) > 2.9
    assert np.max(pieces[..., 0]) > np.pi


def test_rods_are_drawn_where_the_points_end() -> None:
    picture = portrait(systems.DoublePendulum(), t_end=1.0, compiled=False)
    rods = [line for line in picture.plot().axes[0].lines if len(line.get_xydata()) == 2]
    points = systems.DoublePendulum().positions(picture.y[:, -1])
    assert len(rods) == 2
    np.testing.assert_allclose(rods[1].get_xydata(), points[[1, 2]])


def test_a_map_is_iterated_two_hundred_times_as_long_and_a_given_time_is_kept() -> None:
    assert portrait(systems.HenonMap()).y.shape == (2, 20_001)
    assert portrait(systems.HenonMap(), t_end=50).y.shape == (2, 51)


def test_it_is_drawn_into_axes_without_labels(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    portrait(systems.LotkaVolterra(), compiled=False).draw(axes, labels=False)
    assert len(axes.get_xticks()) == len(axes.get_yticks()) == 0
    assert axes.get_xlabel() == ""


def test_it_is_saved_as_a_picture_and_as_numbers(tmp_path: Path) -> None:
    picture = portrait(systems.SIR(), compiled=False)
    assert isinstance(picture, Portrait)
    assert repr(picture).startswith("Portrait(SIR(")
    assert picture.save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with np.load(picture.save(tmp_path / "a.npz")) as file:
        assert np.array_equal(file["y"], picture.y)
        assert file["state_names"].tolist() == list(systems.SIR().state_names)


@dataclass(frozen=True)
class Burst(System):
    """Infinite after 1 / x seconds."""

    state_names: ClassVar[tuple[str, ...]] = ("x",)

    def rates(self, t: Any, state: Any) -> Any:
        return (state[0] * state[0],)


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "words"),
    [
        ((systems.Lorenz63,), {}, KindError, "Write Lorenz63()"),
        ((systems.Lorenz63(), [1.0]), {}, ArgumentError, "y0 must be 3 numbers"),
        ((systems.Lorenz63(), None, -1.0), {}, ArgumentError, "t_end must be > 0"),
        ((systems.Lorenz63(),), {"kind": "picture"}, ArgumentError, "unknown kind 'picture'"),
        ((systems.Lorenz63(),), {"kind": "positions"}, KindError, "Lorenz63 has no positions to draw"),
        ((systems.Kepler(),), {"rtoll": 1e-3}, (TypeError, ArgumentError), "rtoll"),
        ((systems.Pendulum(),), {"kind": "space"}, KindError, "takes 3 components; Pendulum has 2"),
        ((Burst(), [1e9]), {"compiled": False}, RunError, "no finite state but its start [1000000000.0]"),
    ],
)
def test_arguments_are_checked(arguments: Any, options: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind) as found:
        portrait(*arguments, **options)
    assert words in str(found.value)
