"""`fit` by multiple shooting: chaotic records, the windows, why they are taken, and the growth that decides it."""

from __future__ import annotations

import numpy as np
import pytest

from integrators import solve_ivp
from studies import fit
from studies._fit_data import measured
from studies._fit_multiple import Chain
from studies._fit_search import counts
from studies._fit_unknowns import unknowns
from studies._fit_windows import Windows
from studies._growth import growth_of
from systems import DoublePendulum, HarmonicOscillator, Lorenz63, Pendulum

SOLVER = {"method": "DOP853", "rtol": 1e-10, "atol": 1e-10}


def record(system, start, times):
    """The exact trajectory at times."""
    tight = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-12}
    return solve_ivp(system, (0.0, float(times[-1])), start, t_eval=times, **tight).y


def swinging(start, seed, t_end=20.0, noise=0.01):
    """Positions of a double pendulum, 50 a second, with noise; the pivot is not measured."""
    times = np.linspace(0.0, t_end, round(50 * t_end) + 1)
    points = np.asarray(DoublePendulum(gravity=9.81).positions(record(DoublePendulum(gravity=9.81), start, times)))
    data = points + noise * np.random.default_rng(seed).normal(size=points.shape)
    data[0] = np.nan
    return times, data


def aim(start, seed, signs=(1, -1), **arguments):
    """Fit gravity and a mass to such a record, both from 30 % off, the start free from rest at the true angles."""
    times, data = swinging(start, seed)
    guess = DoublePendulum(gravity=9.81 * (1 + 0.3 * signs[0]), mass_2=1 + 0.3 * signs[1])
    return fit(guess, (times, {"positions": data}), [*start[:2], 0.0, 0.0], free=("gravity", "mass_2", "y0"),
               **{"sigma": 0.01, **arguments})  # fmt: skip


# -- chaotic records -------------------------------------------------------------------------------------------------


def test_gravity_and_mass_ratio_of_a_chaotic_pendulum_are_found_from_thirty_percent_off():
    start = (0.4, 0.0, 1.0, 4.0)
    result = aim(start, 1, (1, 1))
    assert result.success
    assert result.n_windows > 10
    assert "one shot missed" in result.why  # the guess, from rest, swings regularly
    assert result.growth > 1e8
    assert (np.abs(result.x - [9.81, 1.0, *start]) < 4.0 * result.errors).all()
    assert result.errors[0] < 0.001 * 9.81
    assert result.errors[1] < 0.001
    assert 0.001 < result.p_value < 0.999
    # the windows are one trajectory: each is carried to the next
    windows = (result.nodes[:-2], result.nodes[1:-1])
    ends = solve_ivp(result.system, windows, result.starts[:, :-1], "DOP853", rtol=1e-11, atol=1e-11,
                     t_eval=windows[1][:, None]).y[..., 0]  # fmt: skip
    np.testing.assert_allclose(ends, result.starts[:, 1:], atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("start", [(2.0, 2.0, 0.0, 0.0), (0.4, 0.0, 1.0, 4.0), (0.5, 0.5, 0.0, 0.0)])
@pytest.mark.parametrize(("seed", "signs"), [(0, (1, -1)), (1, (-1, -1)), (2, (-1, 1))])
def test_chaotic_and_regular_pendulums_are_fitted_from_all_sides(start, seed, signs):
    result = aim(start, seed, signs)
    assert result.success
    assert np.abs(result.x[:2] / [9.81, 1.0] - 1.0).max() < 0.01
    assert (np.abs(result.x[:2] - [9.81, 1.0]) < 4.5 * result.errors[:2]).all()


@pytest.mark.slow
@pytest.mark.parametrize("signs", [(-1, 1), (1, -1)])
def test_swinging_pendulum_is_fitted_from_rest_where_one_shot_ends_near_the_data_but_not_at_them(signs):
    start = (0.5, 0.5, 0.0, 0.0)
    times, data = swinging(start, 1)
    guess = DoublePendulum(gravity=9.81 * (1 + 0.3 * signs[0]), mass_2=1 + 0.3 * signs[1])
    result = fit(guess, (times, {"positions": data}), [0.0] * 4, free=("gravity", "mass_2", "y0"), sigma=0.01)
    assert result.success
    assert result.n_windows > 1
    assert (np.abs(result.x - [9.81, 1.0, *start]) < 4.5 * result.errors).all()


def test_wrong_system_is_asked_about():
    times = np.linspace(0.0, 6.0, 121)
    data = (times, {"x": np.cos(2.0 * times) * (1.0 + 0.3 * np.sin(0.7 * times))})
    result = fit(HarmonicOscillator(stiffness=4.0), data, [1.0, 0.0], free=("stiffness", "y0"), sigma=0.01)
    assert result.chi2 > 10.0 * result.freedom
    assert "is it the right system?" in result.why


@pytest.mark.slow
def test_one_shot_over_a_chaotic_record_ends_far_from_the_data_and_is_not_chosen():
    alone = aim((2.0, 2.0, 0.0, 0.0), 0, shooting="single", max_iterations=40)
    assert alone.chi2 > 100.0 * alone.freedom
    result = aim((2.0, 2.0, 0.0, 0.0), 0)
    assert "single shooting cannot be aimed over more than 1000-fold growth" in result.why
    assert result.chi2 < 1.1 * result.freedom


def test_all_parameters_of_lorenz_are_found_from_one_noisy_component():
    times = np.linspace(0.0, 12.0, 601)
    exact = record(Lorenz63(), [1.0, 1.0, 20.0], times)
    names = Lorenz63().parameter_names
    data = {"x": exact[0] + 0.1 * np.random.default_rng(4).normal(size=601)}
    guess = Lorenz63(**{names[0]: 8.0, names[1]: 33.0, names[2]: 2.2})
    result = fit(guess, (times, data), [1.5, 0.5, 15.0], free=("params", "y0"), sigma=0.1)
    assert result.success
    assert result.n_windows > 5
    assert (np.abs(result.x - [10.0, 28.0, 8.0 / 3.0, 1.0, 1.0, 20.0]) < 4.0 * result.errors).all()
    assert (result.errors[:3] < [0.1, 0.1, 0.02]).all()


@pytest.mark.slow
def test_unknown_deviations_do_not_matter_to_the_windows():
    known, unknown = aim((2.0, 2.0, 0.0, 0.0), 3), aim((2.0, 2.0, 0.0, 0.0), 3, sigma=None)
    np.testing.assert_allclose(unknown.x[:2], known.x[:2], rtol=1e-6)
    assert unknown.deviation == pytest.approx(0.01, rel=0.05)
    np.testing.assert_allclose(unknown.errors[:2], known.errors[:2], rtol=0.05)


# -- the same as one shot --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [0.4, 1.0, 3.0])
def test_windows_of_any_length_give_what_one_shot_gives(window):
    times = np.linspace(0.0, 4.0, 81)
    pendulum = Pendulum(gravity=9.81)
    data = record(pendulum, [1.2, 0.3], times)[0] + 0.02 * np.random.default_rng(5).normal(size=81)
    ask = {"free": ("theta", "gravity"), "sigma": 0.02, "prior": {"gravity": (9.8, 0.05)}}
    alone = fit(Pendulum(gravity=9.5), (times, {"theta": data}), [1.0, 0.3], shooting="single", **ask)
    result = fit(Pendulum(gravity=9.5), (times, {"theta": data}), [1.0, 0.3], shooting="multiple", window=window, **ask)
    assert result.n_windows == int(np.ceil(4.0 / window))
    assert result.free == alone.free == ("theta", "gravity")
    np.testing.assert_allclose(result.x, alone.x, rtol=1e-6)
    np.testing.assert_allclose(result.covariance, alone.covariance, rtol=1e-4)
    np.testing.assert_allclose(result.correlations, alone.correlations, rtol=1e-4)
    assert result.chi2 == pytest.approx(alone.chi2, rel=1e-6)
    assert result.y0[1] == 0.3


def test_gap_in_the_data_is_bridged():
    times = np.concatenate([np.linspace(0.0, 2.0, 60), np.linspace(4.0, 6.0, 60)])
    pendulum = Pendulum(gravity=9.81)
    data = record(pendulum, [1.2, 0.3], times)[0] + 0.01 * np.random.default_rng(6).normal(size=120)
    ask = {"free": ("gravity", "y0"), "sigma": 0.01}
    alone = fit(pendulum, (times, {"theta": data}), [1.2, 0.3], shooting="single", **ask)
    result = fit(pendulum, (times, {"theta": data}), [1.2, 0.3], shooting="multiple", window=0.5, **ask)
    np.testing.assert_allclose(result.x, alone.x, rtol=1e-6)
    np.testing.assert_allclose(result.errors, alone.errors, rtol=1e-4)


def test_bound_is_kept_by_windows():
    times = np.linspace(0.0, 4.0, 81)
    data = record(Pendulum(gravity=9.81), [1.2, 0.0], times)[0]
    ask = {"free": "gravity", "sigma": 0.01, "bounds": {"gravity": (8.0, 9.6)}}
    result = fit(Pendulum(gravity=9.0), (times, {"theta": data}), [1.2, 0.0], shooting="multiple", **ask)
    assert 9.59 < result.x[0] <= 9.6


# -- derivatives of the chain ----------------------------------------------------------------------------------------


def test_linearised_chain_agrees_with_differences():
    times = np.linspace(0.0, 3.0, 31)
    pendulum = DoublePendulum(gravity=9.0, mass_2=1.2)
    exact = np.asarray(pendulum.positions(record(pendulum, [0.5, 0.2, 0.1, 0.3], times)))
    start = np.array([0.5, 0.2, 0.1, 0.3])
    data = measured(pendulum, (times, {"positions": exact, "energy": np.ones(31)}), 0.5, {}, start)
    wanted = unknowns(pendulum, start, ("length_1", "mass_2", "theta_1", "p_2"), None, {"mass_2": (1.0, 0.2)})
    windows = Windows("test", pendulum, wanted.parameters, data, np.linspace(0.0, 3.0, 4), SOLVER)
    chain = Chain(windows, wanted, np.array([1.0, 2.0, 1.5, 0.5]))
    z = chain.joined(wanted.first, np.linspace(start, start + 0.3, 3).T)
    linear = chain.linear(z, chain.evaluate(z))
    for k in range(len(z)):
        ahead, behind = z.copy(), z.copy()
        ahead[k] += 1e-6 * chain.sizes[k]
        behind[k] -= 1e-6 * chain.sizes[k]
        found = [(chain.chi2(x, e), chain.defects(x, e)) for x in (ahead, behind) for e in [chain.evaluate(x)]]
        slope = (found[0][0] - found[1][0]) / 4e-6
        assert linear.gradient[k] == pytest.approx(slope, rel=1e-5, abs=1e-5)
        np.testing.assert_allclose(
            linear.joints.toarray()[:, k], (found[0][1] - found[1][1]) / 2e-6, rtol=1e-5, atol=1e-6
        )


# -- growth, and what follows from it --------------------------------------------------------------------------------


def test_growth_of_an_oscillator_is_that_of_its_flow():
    # in units of the ranges, 2 and 4, the flow of x'' = -4 x is a rotation
    growth = growth_of(HarmonicOscillator(stiffness=4.0), np.array([1.0, 0.0]), (0.0, 10.0 * np.pi), SOLVER)
    assert growth.largest == pytest.approx(1.0, abs=1e-3)
    assert growth.rate == pytest.approx(0.0, abs=1e-3)
    assert not growth.too_large


def test_growth_of_lorenz_is_exponential_and_too_large():
    growth = growth_of(Lorenz63(), np.array([1.0, 1.0, 20.0]), (0.0, 30.0), SOLVER)
    assert 0.6 < growth.rate < 1.3  # 0.906 in the limit
    assert growth.too_large
    assert "-fold over 30 s" in growth.told()


def test_growth_of_a_trajectory_that_bursts_is_looked_at_as_far_as_it_goes():
    from systems import System

    burst = System.from_function(lambda t, y: y * y, state_names=["x"])
    growth = growth_of(burst, np.array([5.0]), (0.0, 1.0), SOLVER)
    assert growth.t[-1] <= 0.2
    assert growth.too_large or growth.largest > 10.0


def test_windows_hold_a_swing_and_enough_data():
    times = np.linspace(0.0, 20.0, 1001)
    oscillator, start = HarmonicOscillator(stiffness=4.0), np.array([1.0, 0.0])
    for every, expected in ((1, 13), (20, 7)):  # swings every pi / 2 s; 51 numbers are enough for 7 windows
        data = measured(oscillator, (times[::every], {"x": np.cos(2.0 * times[::every])}), None, {}, start)
        windows = Windows("test", oscillator, (), data, np.array([0.0, 20.0]), SOLVER)
        growth = growth_of(oscillator, start, (0.0, 20.0), SOLVER)
        assert counts(windows, growth, None)[0] == pytest.approx(expected, abs=1)
        assert counts(windows, growth, 0.5) == (40, 40)
