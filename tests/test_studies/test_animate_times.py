"""When frames are, and the interpolation between a solution's times."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim.errors import ArgumentError
from studies._animation_times import exact, frame_times, hermite, refine

rates = st.sampled_from([Fraction(24), Fraction(30), Fraction(60), Fraction(2997, 100), Fraction(1, 3), Fraction(144)])
speeds = st.sampled_from([0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.3, 10.0])
ends = st.floats(-100.0, 100.0).map(lambda x: round(x, 3))


@given(rates, speeds, ends, st.floats(0.01, 30.0).map(lambda x: round(x, 3)), st.sampled_from([1, -1]))
def test_frame_k_shows_the_time_k_over_fps_for_any_rate_and_speed(fps, speed, start, length, sign):
    end = start + sign * length
    times = frame_times("animate", (start, end), fps, exact(speed))
    pace = exact(speed) / fps
    for k in {0, 1, len(times) // 2, len(times) - 1} & set(range(len(times))):
        due = exact(start) + sign * k * pace
        assert times[k] == pytest.approx(float(due), abs=0.0, rel=1e-15) or abs(times[k] - float(due)) < 1e-15
    assert min(start, end) <= times.min()
    assert times.max() <= max(start, end)


@given(rates, speeds, st.integers(1, 2000))
def test_video_lasts_as_long_as_the_span_over_the_speed(fps, speed, tenths):
    times = frame_times("animate", (0.0, tenths / 10), fps, exact(speed))
    lasts = len(times) / fps
    assert 0 <= lasts - Fraction(tenths, 10) / exact(speed) < 1 / fps or len(times) == 1


@pytest.mark.parametrize(("span", "count"), [((0.0, 10.0), 600), ((0.0, 9.999999999), 600), ((0.0, 10.00000001), 600)])
def test_ten_seconds_at_sixty_fps_are_600_frames_despite_rounded_ends(span, count):
    assert len(frame_times("animate", span, Fraction(60), Fraction(1))) == count


def test_times_do_not_drift_over_many_frames():
    times = frame_times("animate", (0.0, 10_000.0), Fraction(60), Fraction(1))
    assert times[-1] == 599_999 / 60


def test_span_of_a_million_seconds_is_refused_before_any_memory_is_taken():
    with pytest.raises(ArgumentError, match="must fit into 1,000,000 frames"):
        frame_times("animate", (0.0, 1e12), Fraction(60), Fraction(1))


@given(st.lists(st.floats(-3.0, 3.0), min_size=4, max_size=4), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5))
def test_hermite_reproduces_cubics_in_both_directions_of_time(coefficients, where):
    cubic = np.polynomial.Polynomial(coefficients)
    t = np.array([0.0, 0.3, 0.4, 1.0])
    times = np.array(where)
    for knots in (t, t[::-1]):
        found = hermite(knots, cubic(knots)[None], cubic.deriv()(knots)[None], times)
        np.testing.assert_allclose(found[0], cubic(times), atol=1e-13)


def test_hermite_is_of_fourth_order():
    def error(n):
        t, fine = np.linspace(0.0, 2.0, n), np.linspace(0.0, 2.0, 999)
        return np.abs(hermite(t, np.sin(t), np.cos(t), fine) - np.sin(fine)).max()

    assert np.log2(error(11) / error(21)) == pytest.approx(4.0, abs=0.2)


def test_refined_path_passes_through_all_points_and_follows_the_curve():
    angle = np.linspace(0.0, 6.0, 40)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]
    fine = refine(circle, 5)
    assert fine.shape == (196, 1, 2)
    np.testing.assert_allclose(fine[::5], circle, atol=1e-15)
    np.testing.assert_allclose(np.hypot(fine[..., 0], fine[..., 1]), 1.0, atol=1e-3)


def test_refining_leaves_out_only_the_neighbours_of_missing_points():
    points = np.arange(20.0)[:, None].repeat(2, axis=1)
    points[12:] = np.nan
    fine = refine(points, 4)
    assert np.isfinite(fine[: 10 * 4]).all()
    assert np.isnan(fine[12 * 4 :]).all()
