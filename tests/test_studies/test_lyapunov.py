"""`lyapunov_spectrum`: known exponents, laws that hold whatever the system, files, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import studies
from diffsim.errors import ArgumentError, InterpretedWarning, KindError, RunError
from studies import LyapunovSpectrum, lyapunov_spectrum
from systems import BouncingBall, DoublePendulum, HarmonicOscillator, HenonMap, LogisticMap, Lorenz63, Pendulum

LORENZ = {"t_transient": 50, "t_total": 2000, "t_renorm": 1, "method": "RK4", "step": 0.01}


@pytest.fixture(scope="module")
def lorenz():
    return lyapunov_spectrum(Lorenz63(), [1.0, 1.0, 20.0], **LORENZ)


def rossler(t, y):
    return [-y[1] - y[2], y[0] + 0.2 * y[1], 0.2 + y[2] * (y[0] - 5.7)]


# -- known answers ---------------------------------------------------------------------------------------------------


def test_lorenz_has_the_published_spectrum(lorenz):
    # SOURCE: Sprott, Chaos and Time-Series Analysis (2003), Table A.1 and sprott.physics.wisc.edu/chaos/lorenzle.htm.
    published = np.array([0.9056, 0.0, -14.5723])
    low, high = lorenz.interval(0.997).T
    assert ((low < published) & (published < high)).all()
    assert abs(lorenz.exponents[1]) < 1e-3
    assert lorenz.half_width(0.997).max() < 0.03
    assert lorenz.kaplan_yorke == pytest.approx(2.062, abs=0.003)
    assert 0.0 < lorenz.kaplan_yorke_error < 1e-3


def test_linear_system_has_the_real_parts_of_its_eigenvalues():
    matrix = np.array([[-0.5, 2.0, 0.0], [-2.0, -0.5, 0.0], [1.0, 0.0, 0.3]])
    found = lyapunov_spectrum(lambda t, y: matrix @ y, [1.0, 0.0, 1.0], t_transient=40, t_total=40, t_renorm=0.5)
    assert np.allclose(found.exponents, [0.3, -0.5, -0.5], atol=0.02)
    assert found.total == pytest.approx(-0.7, abs=1e-6)


def test_rossler_agrees_with_the_published_spectrum():
    # SOURCE: Sprott (2003), Table A.1: 0.0714, 0, -5.3943 for a = b = 0.2, c = 5.7.
    found = lyapunov_spectrum(
        rossler, [1.0, 1.0, 0.0], t_transient=100, t_total=2000, t_renorm=1, method="RK4", step=0.02
    )
    published = np.array([0.0714, 0.0, -5.3943])
    assert (np.abs(found.exponents - published) < [0.02, 0.002, 0.05]).all()
    assert found.total == pytest.approx(found.divergence, abs=1e-3)


def test_driven_system_knows_its_time():
    # The linear oscillator x'' = -x - 0.2 x' + cos t: exponents -0.1, -0.1 whatever drives it; forced growth does not.
    def driven(t, y):
        return [y[1], -y[0] - 0.2 * y[1] + np.cos(t)]

    def parametric(t, y):  # y' = (0.5 + cos(t)) y: the exponent is the mean, 0.5
        return [(0.5 + np.cos(t)) * y[0]]

    time = {"t_transient": 0, "t_total": 20 * np.pi, "t_renorm": np.pi / 2}
    assert lyapunov_spectrum(driven, [1.0, 0.0], **time).exponents.sum() == pytest.approx(-0.2, abs=1e-8)
    found = lyapunov_spectrum(parametric, [1.0], **time)
    assert found.exponents[0] == pytest.approx(0.5, abs=1e-6)
    assert found.divergence == pytest.approx(0.5, abs=1e-8)


def test_symplectic_tangents_add_up_to_nothing():
    found = lyapunov_spectrum(
        Pendulum(), [2.0, 0.5], t_transient=0, t_total=100, t_renorm=0.5, method="ImplicitMidpoint", step=0.02
    )
    assert abs(found.total) < 1e-11
    assert np.abs(found.pairing).max() == abs(found.total)


@pytest.mark.slow
def test_hamiltonian_exponents_come_in_pairs_and_add_up_to_nothing():
    found = lyapunov_spectrum(
        DoublePendulum(), [0.4, 0.0, 1.0, 4.0],
        t_transient=0, t_total=100, t_renorm=0.5, method="GaussLegendre4", step=0.02,
    )  # fmt: skip
    assert abs(found.total) < 1e-10
    assert abs(found.divergence) < 1e-12
    assert np.abs(found.pairing).max() < 0.05
    assert 0.7 < found.exponents[0] < 1.6


def test_tangents_agree_with_the_growth_of_a_small_difference(lorenz):
    import diffsim as ds

    alone = lyapunov_spectrum(Lorenz63(), [1.0, 1.0, 20.0], **(LORENZ | {"t_transient": 0, "t_total": 1, "k": 1}))
    frame = np.random.default_rng(0).normal(size=(1, 3, 1))[0, :, 0]
    ends = [
        ds.solve_ivp(Lorenz63(), (0, 1), np.array([1.0, 1.0, 20.0]) + d * frame, method="RK4", step=0.01).y[:, -1]
        for d in (-1e-7, 1e-7)
    ]
    grown = np.linalg.norm(ends[1] - ends[0]) / (2e-7 * np.linalg.norm(frame))
    assert alone.exponents[0] == pytest.approx(np.log(grown), abs=1e-5)


# -- laws ------------------------------------------------------------------------------------------------------------


def test_sum_is_the_mean_divergence(lorenz):
    assert lorenz.divergence == pytest.approx(-(10.0 + 1.0 + 8.0 / 3.0), rel=1e-14)
    assert lorenz.total == pytest.approx(lorenz.divergence, abs=2e-4)  # RK4 with h = 0.01 is so close to the flow


def test_fixed_steps_join_to_the_last_bit(lorenz):
    assert lorenz.defect == 0.0


def test_fewer_exponents_are_the_first_ones(lorenz):
    first = lyapunov_spectrum(Lorenz63(), [1.0, 1.0, 20.0], k=2, **LORENZ)
    assert np.allclose(first.exponents, lorenz.exponents[:2], atol=2e-3)
    with pytest.raises(ArgumentError, match="needs more than k=2"):
        _ = first.kaplan_yorke
    with pytest.raises(ArgumentError, match="pairs need all 3"):
        _ = first.pairing


def test_several_starts_are_what_each_is_alone():
    starts = np.array([[1.0, 1.0, 20.0], [2.0, -1.0, 15.0]]).T
    call = LORENZ | {"t_total": 300}
    both = lyapunov_spectrum(Lorenz63(), starts, **call)
    assert both.n_starts == 2
    assert both.growth.shape == (3, 2, 300)
    states = [lyapunov_spectrum(Lorenz63(), starts[:, j], **call) for j in range(2)]
    for j, alone in enumerate(states):  # other frames at the start, forgotten in the transient
        assert np.allclose(both.by_start[:, j], alone.exponents, atol=1e-9)
    assert np.allclose(both.exponents, np.mean([alone.exponents for alone in states], axis=0), atol=1e-9)


@settings(max_examples=5)
@given(scale=st.floats(0.5, 3.0), seed=st.integers(0, 9))
def test_faster_time_has_greater_exponents(scale, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(2, 2))
    time = np.array([0.0, 8.0, 0.5])

    def run(factor):
        transient, total, renorm = time / factor
        return lyapunov_spectrum(
            lambda t, y: factor * (matrix @ y), [1.0, 0.5], t_transient=transient, t_total=total, t_renorm=renorm
        ).exponents

    assert np.allclose(run(scale), scale * run(1.0), rtol=1e-6, atol=1e-6)


def test_error_bars_shrink_with_time(lorenz):
    short = lyapunov_spectrum(Lorenz63(), [1.0, 1.0, 20.0], **(LORENZ | {"t_total": 200}))
    assert lorenz.error[0] < 0.6 * short.error[0]
    few = lyapunov_spectrum(Lorenz63(), [1.0, 1.0, 20.0], **(LORENZ | {"t_total": 3}))
    assert np.isnan(few.error).all()


def test_contraction_that_is_lost_is_told():
    with pytest.warns(UserWarning, match="the exponents add up to -4.* Take a shorter t_renorm"):
        lyapunov_spectrum(rossler, [1.0, 1.0, 0.0], t_transient=100, t_total=600, t_renorm=2, rtol=1e-8, atol=1e-8)


def test_untraceable_function_gives_the_same():
    def branching(t, y):
        x = y[0] if y[0] > 100.0 else 1.0 * y[0]
        return [10.0 * (y[1] - x), x * (28.0 - y[2]) - y[1], x * y[1] - 8.0 / 3.0 * y[2]]

    call = {"t_transient": 0, "t_total": 2, "t_renorm": 1, "method": "RK4", "step": 0.02}
    with pytest.warns(InterpretedWarning, match="branch|truth"):
        slow = lyapunov_spectrum(branching, [1.0, 1.0, 20.0], **call)
    fast = lyapunov_spectrum(Lorenz63(), [1.0, 1.0, 20.0], **call)
    assert np.allclose(slow.exponents, fast.exponents, rtol=1e-9)
    assert slow.divergence == pytest.approx(-41.0 / 3.0)


# -- the result ------------------------------------------------------------------------------------------------------


def test_result_is_an_array_and_says_what_it_is(lorenz):
    assert np.asarray(lorenz).tolist() == lorenz.exponents.tolist()
    assert repr(lorenz).startswith("LyapunovSpectrum(Lorenz63: 0.9")
    times, running = lorenz.running
    assert times[-1] == 2000
    assert np.allclose(running[:, -1], lorenz.exponents, atol=1e-12)


def test_result_is_saved_loaded_and_run_again_bit_for_bit(lorenz, tmp_path):
    again = LyapunovSpectrum.load(lorenz.save(tmp_path / "lorenz.npz"))
    assert (studies.load(tmp_path / "lorenz.npz").growth == lorenz.growth).all()
    assert again.system == lorenz.system
    assert (again.growth == lorenz.growth).all()
    assert repr(again) == repr(lorenz)
    assert (again.rerun().growth == lorenz.growth).all()
    assert again.rerun(k=1, t_total=100).growth.shape == (1, 1, 100)


def test_file_of_a_users_system_needs_the_system(tmp_path):
    found = lyapunov_spectrum(rossler, [1.0, 1.0, 0.0], t_transient=0, t_total=4, t_renorm=1)
    path = found.save(tmp_path / "r.npz")
    with pytest.raises(ArgumentError, match="rossler is no System of the zoo; give it"):
        LyapunovSpectrum.load(path)
    assert (LyapunovSpectrum.load(path, rossler).rerun().growth == found.growth).all()


def test_load_refuses_what_is_no_spectrum(tmp_path):
    with pytest.raises(ArgumentError, match=r"must name a file that is there"):
        LyapunovSpectrum.load(tmp_path / "nothing.npz")
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ArgumentError, match="must hold the result of a study"):
        LyapunovSpectrum.load(tmp_path / "other.npz")


def test_figure_is_written(lorenz, tmp_path):
    assert lorenz.save(tmp_path / "figure.png").stat().st_size > 5000
    left, right = lorenz.plot().axes
    assert "average" in left.get_xlabel()
    assert right.get_yscale() == "log"


# -- refusals --------------------------------------------------------------------------------------------------------

BAD = [
    (KindError, "must be an instance", Lorenz63, {}),
    (KindError, "must be a System", 3, {}),
    (KindError, "a plain function has no start", rossler, {"y0": None}),
    (ArgumentError, r"y0 must have shape \(3,\) or \(3, m\).*x, y, z", Lorenz63(), {"y0": [1.0]}),
    (KindError, "y0 must be real numbers", Lorenz63(), {"y0": "abc"}),
    (ArgumentError, "y0 must be finite", Lorenz63(), {"y0": [1.0, np.nan, 0.0]}),
    (ArgumentError, "t_total must be > 0", Lorenz63(), {"t_total": -1}),
    (ArgumentError, "t_transient must be >= 0", Lorenz63(), {"t_transient": -1}),
    (ArgumentError, "t_total must be a multiple of t_renorm=1;.*Such as 10", Lorenz63(), {"t_total": 10.4}),
    (ArgumentError, "k must be at most 3", Lorenz63(), {"k": 4}),
    (KindError, "k must be an integer", Lorenz63(), {"k": 1.5}),
    (ArgumentError, "rng must be at least 0", Lorenz63(), {"rng": -1}),
    (ArgumentError, "unknown method 'RK5'", Lorenz63(), {"method": "RK5"}),
    (ArgumentError, "t_renorm must be a multiple of the step 0.03", Lorenz63(), {"method": "RK4", "step": 0.03}),
    (ArgumentError, "args cannot be given", rossler, {"args": (1.0,)}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "message", "system", "change"), BAD, ids=[row[1][:30] for row in BAD])
def test_bad_argument_is_named(kind, message, system, change):
    call = {"y0": [1.0, 1.0, 20.0], "t_transient": 0, "t_total": 10, "t_renorm": 1} | change
    with pytest.raises(kind, match=message):
        lyapunov_spectrum(system, **call)


def test_trajectory_that_blows_up_is_an_error():
    with pytest.raises(RunError, match="lyapunov_spectrum: a trajectory does not go on"):
        lyapunov_spectrum(lambda t, y: y * y, [1.0], t_transient=0, t_total=4, t_renorm=0.5)


def test_error_level_is_checked(lorenz):
    with pytest.raises(ArgumentError, match="level must be between 0 and 1"):
        lorenz.interval(95)


@pytest.mark.parametrize("system", [HarmonicOscillator(), Pendulum()])
def test_regular_systems_have_exponents_near_zero(system):
    found = lyapunov_spectrum(system, t_transient=0, t_total=400, t_renorm=2)
    assert np.abs(found.exponents).max() < 0.03


# -- maps ------------------------------------------------------------------------------------------------------------


def test_maps_have_the_published_exponents():
    # SOURCE: Sprott (2003), Table A.2: Henon 0.41922, -1.62319; logistic map at r = 4: ln 2 (exact).
    henon = lyapunov_spectrum(HenonMap(), t_transient=100, t_total=20000, t_renorm=1)
    assert np.allclose(henon.exponents, [0.41922, -1.62319], atol=0.01)
    assert henon.total == pytest.approx(np.log(0.3), abs=1e-9)
    assert henon.divergence == pytest.approx(np.log(0.3), abs=1e-9)
    assert henon.time_unit == "iteration"
    logistic = lyapunov_spectrum(LogisticMap(r=4.0), [0.3], t_transient=100, t_total=20000, t_renorm=5)
    assert logistic.exponents[0] == pytest.approx(np.log(2.0), abs=0.01)
    with pytest.raises(ArgumentError, match="t_renorm must be a whole number of iterations"):
        lyapunov_spectrum(HenonMap(), t_transient=0, t_total=100, t_renorm=0.5)


# -- frames ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("singular", [False, True])
def test_compiled_decompositions_are_those_of_lapack(singular, monkeypatch):
    from studies import _frames

    maps = np.random.default_rng(2).normal(size=(307, 1, 2, 2))
    if singular:  # a direction is lost, and another takes its place
        maps[150] = [[1.0, 1.0], [1.0, 1.0]]
    frame = _frames.random_frame(2, 2, 1, 0)
    _, expected = _frames.carried(maps, frame)
    monkeypatch.setattr(_frames, "_MANY", 1)
    end, factors = _frames.carried(maps, frame)
    assert np.allclose(end[0].T @ end[0], np.eye(2), atol=1e-12)
    assert np.allclose(factors, expected, rtol=1e-9, atol=1e-9)


def test_system_that_jumps_has_exponents_through_its_jumps():
    # The time from impact to impact of a ball that loses speed shrinks with it; before the first one nothing contracts.
    found = lyapunov_spectrum(BouncingBall(), t_transient=0, t_total=0.4, t_renorm=0.2, method="RK4", step=0.01)
    assert found.total == pytest.approx(0.0, abs=1e-9)
    assert found.divergence == 0.0
    later = lyapunov_spectrum(BouncingBall(), t_transient=0, t_total=1.6, t_renorm=0.2, method="RK4", step=0.01)
    assert later.total < -0.1
