"""`fit` in one shot: closed-form least squares, SciPy's curve_fit, coverage of the errors, what is not determined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from scipy.stats import chi2 as chi2_law
from scipy.stats import norm

import studies
from diffsim import ops
from diffsim.errors import ArgumentError, KindError, RunError
from integrators import solve_ivp
from studies import Fit, fit
from systems import BouncingBall, DoublePendulum, HarmonicOscillator, LogisticMap, Pendulum, System

TIMES = np.linspace(0.0, 6.0, 40)
DECAY = System.from_function(
    lambda t, y, rate=0.5: -rate * y, state_names=["amount"], default_state=[1.0], parameter_units={"rate": "1/s"}
)


def noisy(values, deviation, seed=0):
    """The values with noise."""
    return values + deviation * np.random.default_rng(seed).normal(size=np.shape(values))


def decay(t, start, rate):
    """Closed form of DECAY."""
    return start * np.exp(-rate * t)


# -- against closed forms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absolute", [True, False])
def test_estimate_and_covariance_are_those_of_curve_fit_on_the_closed_form(absolute):
    deviations = 0.01 + 0.02 * np.random.default_rng(1).random(len(TIMES))
    data = noisy(decay(TIMES, 3.0, 0.7), deviations)
    expected, covariance = curve_fit(
        decay, TIMES, data, [2.0, 0.5], sigma=deviations, absolute_sigma=absolute, xtol=1e-14, ftol=1e-14
    )
    result = fit(
        DECAY, (TIMES, {"amount": data}), [2.0], free=("amount", "rate"), sigma=deviations, absolute_sigma=absolute
    )
    assert result.success
    np.testing.assert_allclose(result.x, expected, rtol=1e-7)
    np.testing.assert_allclose(result.covariance, covariance, rtol=1e-6)
    np.testing.assert_allclose(result.errors, np.sqrt(np.diagonal(covariance)), rtol=1e-6)
    assert result.chi2 == pytest.approx((((data - decay(TIMES, *expected)) / deviations) ** 2).sum(), rel=1e-7)
    assert result.freedom == 38


def test_without_deviations_the_residuals_give_them_as_in_curve_fit():
    data = noisy(decay(TIMES, 300.0, 0.7), 4.0)
    expected, covariance = curve_fit(decay, TIMES, data, [200.0, 0.5], xtol=1e-14, ftol=1e-14)
    result = fit(DECAY, (TIMES, {"amount": data}), [200.0], free=("amount", "rate"))
    np.testing.assert_allclose(result.x, expected, rtol=1e-7)
    np.testing.assert_allclose(result.covariance, covariance, rtol=1e-6)
    assert result.deviation == pytest.approx(np.sqrt(((data - decay(TIMES, *expected)) ** 2).sum() / 38), rel=1e-6)
    assert np.isnan(result.p_value)
    assert not result.believed


@pytest.mark.parametrize("shooting", ["single", "multiple"])
def test_start_of_a_linear_system_is_linear_least_squares(shooting):
    # x(t) = x0 cos(w t) + p0 / (m w) sin(w t); both components observed, with deviations of their own
    w, m = np.sqrt(4.0 / 2.0), 2.0
    design_x = np.stack([np.cos(w * TIMES), np.sin(w * TIMES) / (m * w)], axis=1)
    design_p = np.stack([-m * w * np.sin(w * TIMES), np.cos(w * TIMES)], axis=1)
    truth = np.array([0.8, -1.1])
    x, p = noisy(design_x @ truth, 0.05, 1), noisy(design_p @ truth, 0.2, 2)
    rows = np.concatenate([design_x / 0.05, design_p / 0.2])
    inverse = np.linalg.inv(rows.T @ rows)
    expected = inverse @ (rows.T @ np.concatenate([x / 0.05, p / 0.2]))
    result = fit(
        HarmonicOscillator(mass=2.0, stiffness=4.0), (TIMES, np.stack([x, p])), [0.0, 0.0],
        free="y0", sigma=[0.05, 0.2], shooting=shooting,
    )  # fmt: skip
    assert (result.n_windows > 1) == (shooting == "multiple")
    np.testing.assert_allclose(result.x, expected, rtol=1e-6)
    np.testing.assert_allclose(result.covariance, inverse, rtol=1e-6)
    assert result.free == ("x", "p")
    assert result.p_value == pytest.approx(chi2_law.sf(result.chi2, 78), rel=1e-9)


def test_prior_is_one_more_measurement():
    data = noisy(decay(TIMES, 3.0, 0.7), 0.05)
    rows = np.append(np.exp(-0.7 * TIMES) / 0.05, 1.0 / 0.02)
    expected = rows @ np.append(data / 0.05, 2.9 / 0.02) / (rows @ rows)
    result = fit(
        DECAY.replace(rate=0.7), (TIMES, {"amount": data}), free="amount", sigma=0.05, prior={"amount": (2.9, 0.02)}
    )
    assert result.x[0] == pytest.approx(expected, rel=1e-8)
    assert result.errors[0] == pytest.approx(1.0 / np.sqrt(rows @ rows), rel=1e-8)
    assert result.freedom == 40


def test_parameter_of_a_swing_of_many_periods_is_found_from_thirty_percent_away():
    truth = solve_ivp(Pendulum(gravity=9.81), (0.0, 20.0), [0.6, 0.0], "DOP853", rtol=1e-11, atol=1e-11,
                      t_eval=np.linspace(0.0, 20.0, 201))  # fmt: skip
    data = (truth.t, {"theta": noisy(truth.y[0], 0.01)})
    alone = fit(Pendulum(gravity=12.8), data, [0.6, 0.0], free=("gravity", "y0"), sigma=0.01, shooting="single")
    result = fit(Pendulum(gravity=12.8), data, [0.6, 0.0], free=("gravity", "y0"), sigma=0.01)
    assert alone.chi2 > 100.0 * result.chi2  # one shot ends in a valley of its own, some swings off
    assert abs(result.found["gravity"] - 9.81) < 4.0 * result.errors[0] < 0.02
    assert "one shot missed" in result.why
    assert result.system.gravity == result.found["gravity"]


@pytest.mark.slow
@pytest.mark.parametrize("shooting", ["single", "multiple"])
def test_standard_errors_cover_the_truth_as_often_as_they_say(shooting):
    oscillator, times = HarmonicOscillator(stiffness=2.0, damping=0.2), np.linspace(0.0, 5.0, 25)
    exact = solve_ivp(oscillator, (0.0, 5.0), [1.0, 0.5], "DOP853", rtol=1e-11, atol=1e-11, t_eval=times).y[0]
    truth, scores = np.array([2.0, 0.2, 1.0, 0.5]), []
    for seed in range(40):
        result = fit(
            oscillator, (times, {"x": noisy(exact, 0.03, seed)}), [1.0, 0.5],
            free=("stiffness", "damping", "x", "p"), sigma=0.03, shooting=shooting, window=1.7,
        )  # fmt: skip
        assert result.success
        scores.append((result.x - truth) / result.errors)
    total = (np.array(scores) ** 2).sum(axis=0)
    low, high = chi2_law.ppf([0.0005, 0.9995], 40)
    assert ((low < total) & (total < high)).all()
    assert np.abs(np.mean(scores, axis=0)).max() < norm.ppf(0.9995) / np.sqrt(40)


# -- laws ------------------------------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(st.permutations(range(12)), st.sets(st.integers(0, 11), max_size=6))
def test_order_of_the_times_and_how_missing_numbers_are_told_do_not_matter(order, missing):
    times = np.linspace(0.0, 3.0, 12)
    data = noisy(decay(times, 2.0, 0.6), 0.02)
    gaps = data.copy()
    gaps[list(missing)] = np.nan
    kept = np.isfinite(gaps)
    expected = fit(DECAY, {"amount": (times[kept], data[kept])}, [2.0], free="rate", sigma=0.02, t0=0.0)
    result = fit(DECAY, (times[list(order)], {"amount": gaps[list(order)]}), [2.0], free="rate", sigma=0.02, t0=0.0)
    assert result.x[0] == pytest.approx(expected.x[0], rel=1e-7)
    assert result.errors[0] == pytest.approx(expected.errors[0], rel=1e-7)
    assert result.n_data == expected.n_data == 12 - len(missing)


def test_two_measurements_at_one_time_count_twice():
    times = np.array([0.0, 1.0, 1.0, 2.0, 3.0])
    data = np.array([1.0, 0.60, 0.62, 0.37, 0.22])
    expected, covariance = curve_fit(lambda t, rate: np.exp(-rate * t), times, data, [0.4], sigma=np.full(5, 0.01),
                                     absolute_sigma=True, xtol=1e-14)  # fmt: skip
    result = fit(DECAY, (times, {"amount": data}), [1.0], free="rate", sigma=0.01)
    assert result.x[0] == pytest.approx(expected[0], rel=1e-8)
    assert result.errors[0] == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-6)


def test_names_of_different_instruments_have_times_of_their_own():
    pendulum = Pendulum(gravity=9.81)
    exact = solve_ivp(pendulum, (0.0, 3.0), [1.0, 0.0], "DOP853", rtol=1e-11, atol=1e-11, dense_output=True).sol
    slow, fast = np.linspace(0.0, 3.0, 16), np.linspace(0.1, 2.9, 57)
    data = {"theta": (slow, noisy(exact(slow)[0], 0.01, 1)), "x_1": (fast, noisy(np.sin(exact(fast)[0]), 0.02, 2))}
    result = fit(pendulum, data, [1.0, 0.0], free=("gravity", "y0"), sigma={"theta": 0.01, "x_1": 0.02})
    assert result.n_data == 73
    assert result.labels == ("theta", "x_1")
    assert (np.abs(result.x - [9.81, 1.0, 0.0]) < 4.0 * result.errors).all()
    assert 0.001 < result.p_value < 0.999


def test_observable_may_depend_on_parameters_by_itself():
    # gravity / length is what the motion knows; the length alone is known from the position of the bob
    pendulum = Pendulum(gravity=9.81, length=1.3)
    start = [0.9, 0.0]
    exact = solve_ivp(pendulum, (0.0, 4.0), start, "DOP853", rtol=1e-11, atol=1e-11, t_eval=np.linspace(0.0, 4.0, 60))
    bob = np.asarray(pendulum.positions(exact.y))[1]
    data = (exact.t, {"bob": noisy(bob, 0.002)})

    def seen(t, y, system):
        return np.stack([system.length * np.sin(y[0]), -system.length * np.cos(y[0])])

    free = ("gravity", "length", "theta")
    by_function = fit(pendulum.replace(length=1.0), data, start, free=free, sigma=0.002, observables={"bob": seen})
    assert by_function.labels == ("bob[0]", "bob[1]")
    assert (np.abs(by_function.x - [9.81, 1.3, 0.9]) < 4.0 * by_function.errors).all()
    assert by_function.errors[1] < 1e-3
    by_name = fit(
        pendulum.replace(length=1.0), (exact.t, {"x_1": data[1]["bob"][0], "y_1": data[1]["bob"][1]}), start,
        free=free, sigma=0.002,
    )  # fmt: skip
    np.testing.assert_allclose(by_name.x, by_function.x, rtol=1e-8)


def test_fixed_steps_and_functions_of_time_and_state_will_do():
    times = np.arange(0, 41) * 0.1
    exact = decay(times, 2.0, 0.7)
    result = fit(
        DECAY, (times, {"log": np.log(exact)}), [2.0], free="rate", method="RK4", step=0.05,
        observables={"log": lambda t, y: ops.log(y[0])},
    )  # fmt: skip
    assert result.x[0] == pytest.approx(0.7, abs=1e-7)
    assert result.labels == ("log",)


def test_parameter_of_a_map_is_found():
    law, values = LogisticMap(), [0.3]
    for _ in range(8):
        values.append(2.7 * values[-1] * (1.0 - values[-1]))
    (name,), (parameter,) = law.state_names, law.parameter_names
    with pytest.raises(ArgumentError, match="shooting must be auto or single for a map"):
        fit(law, (np.arange(9.0), {name: np.array(values)}), [0.3], free=parameter, shooting="multiple")
    result = fit(law.replace(**{parameter: 2.5}), (np.arange(9.0), {name: np.array(values)}), [0.3], free=parameter)
    assert result.x[0] == pytest.approx(2.7, abs=1e-8)


@pytest.mark.slow
def test_gravity_is_found_from_a_ball_that_bounces():
    ball, times = BouncingBall(), np.linspace(0.0, 1.5, 31)
    exact = solve_ivp(ball, (0.0, 1.5), ball.default_state, "DOP853", rtol=1e-10, atol=1e-10, t_eval=times).y[0]
    result = fit(ball.replace(gravity=9.7), (times, {ball.state_names[0]: exact}), free="gravity", sigma=0.01)
    assert result.x[0] == pytest.approx(9.8, abs=1e-6)


# -- bounds, and what is not determined ------------------------------------------------------------------------------


def test_bound_is_kept_and_told():
    data = (TIMES, {"amount": noisy(decay(TIMES, 3.0, 0.7), 0.01)})
    result = fit(DECAY, data, [3.0], free="rate", sigma=0.01, bounds={"rate": (0.1, 0.6)})
    assert result.x[0] == pytest.approx(0.6, abs=1e-6)
    assert result.at_bound == ("rate",)
    assert "at its bound" in result.summary()


@pytest.mark.parametrize("shooting", ["single", "multiple"])
def test_combination_that_the_data_do_not_determine_is_named(shooting):
    # x' = p / m, p' = -k x: m, k and p may be multiplied together, and x(t) stays
    oscillator = HarmonicOscillator(mass=1.0, stiffness=2.0)
    data = (TIMES, {"x": noisy(np.cos(np.sqrt(2.2) * TIMES), 0.01)})
    result = fit(oscillator, data, [1.0, 0.1], free=("mass", "stiffness", "p"), sigma=0.01, shooting=shooting)
    (names,) = result.unidentified
    assert {"mass", "stiffness"} <= set(names.split(", ")) <= {"mass", "stiffness", "p"}
    assert np.isinf(result.errors[:2]).all()
    ratio = result.found["stiffness"] / result.found["mass"]
    assert ratio == pytest.approx(2.2, abs=0.01)
    assert "not determined: mass, stiffness" in result.summary()
    known = fit(oscillator, data, [1.0, 0.1], free=("stiffness", "p"), sigma=0.01, shooting=shooting)
    assert known.unidentified == ()
    assert known.found["stiffness"] == pytest.approx(ratio, rel=1e-5)


@pytest.mark.parametrize("shooting", ["single", "multiple"])
def test_parameter_without_influence_is_named_alone(shooting):
    data = (TIMES, {"x": noisy(np.cos(TIMES), 0.01)})
    system = System.from_function(
        lambda t, y, pull=0.9, idle=1.0: [y[1], -pull * y[0]], state_names=["x", "v"], default_state=[1.0, 0.0]
    )
    result = fit(system, data, free=("pull", "idle"), sigma=0.01, shooting=shooting)
    assert result.unidentified == ("idle",)
    assert np.isinf(result.errors[1])
    assert np.isnan(result.correlations[0, 1])
    assert result.errors[0] < 0.01
    assert result.found["pull"] == pytest.approx(1.0, abs=4.0 * result.errors[0])


# -- the result ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    data = {"amount": noisy(decay(TIMES, 3.0, 0.7), 0.05)}
    data["amount"][3] = np.nan
    return fit(DECAY, (TIMES, data), [2.0], free=("amount", "rate"), sigma=0.05)


def test_result_holds_data_model_and_residuals(result):
    there = np.isfinite(result.data)
    assert there.sum() == result.n_data == 39
    assert (result.residuals[there] ** 2).sum() == pytest.approx(result.chi2, rel=1e-9)
    np.testing.assert_allclose(result.model[0], decay(TIMES, *result.x), rtol=1e-7)
    np.testing.assert_allclose(result.y[0], decay(result.t, *result.x), rtol=1e-7)
    np.testing.assert_allclose(result.solution.y[0], decay(TIMES, *result.x), rtol=1e-7)
    assert result.first.tolist() == [2.0, 0.5]
    assert result.y0.tolist() == [result.x[0]]
    assert np.diagonal(result.correlations).tolist() == pytest.approx([1.0, 1.0])


def test_result_is_told_in_a_table(result):
    lines = result.summary().splitlines()
    assert lines[2].split() == ["estimate", "standard", "error", "unit", "began", "at"]
    assert [line.split()[0] for line in lines[4:6]] == ["amount", "rate"]
    assert any(line.startswith("chi2") for line in lines)
    assert "rate=0.7" in repr(result)


def test_result_is_saved_loaded_and_run_again_to_the_bit(tmp_path):
    pendulum = Pendulum(gravity=9.0)
    data = (TIMES, {"theta": noisy(0.3 * np.cos(3.13 * TIMES), 0.01)})
    first = fit(pendulum, data, [0.3, 0.0], free=("gravity", "theta"), sigma=0.01)
    again = studies.load(first.save(tmp_path / "fit.npz"))
    assert isinstance(again, Fit)
    assert again.system == first.system
    assert again.summary() == first.summary()
    for other in (again, again.rerun(), first.rerun()):
        for name in ("x", "errors", "covariance", "model", "y", "y0", "chi2", "data"):
            assert np.array_equal(getattr(other, name), getattr(first, name), equal_nan=True)
    assert again.rerun(sigma=0.02).errors[0] > 1.5 * first.errors[0]
    alone = fit(pendulum, data, [0.3, 0.0], free=("gravity", "theta"), sigma=0.01, threads=1)
    assert "threads" not in alone.call
    assert np.array_equal(alone.x, first.x)


def test_loaded_result_asks_for_the_functions_that_a_file_cannot_keep(tmp_path):
    data = (TIMES, {"square": decay(TIMES, 2.0, 0.7) ** 2})
    functions = {"square": lambda t, y: y[0] ** 2}
    first = fit(DECAY, data, [2.0], free="rate", observables=functions)
    again = Fit.load(first.save(tmp_path / "fit.npz"), DECAY)
    assert again.plot() is not None
    with pytest.raises(ArgumentError, match="a file cannot keep observables"):
        again.rerun()
    assert again.rerun(observables=functions).x[0] == first.x[0]


def test_picture_shows_data_fit_and_residuals(result, tmp_path):
    upper, lower = result.plot().axes
    data, curve = upper.get_lines()[0], upper.get_lines()[-1]
    assert len(curve.get_xdata()) == len(result.t)
    assert len(lower.get_lines()[-1].get_xdata()) == 39
    assert len(data.get_xdata()) == 39
    assert "amount" in upper.get_ylabel()
    assert "residual" in lower.get_ylabel()
    assert result.save(tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")


# -- refusals --------------------------------------------------------------------------------------------------------

GOOD = {"data": (TIMES, {"amount": decay(TIMES, 1.0, 0.6)}), "y0": [1.0], "free": "rate"}
BAD = [
    (KindError, "got the class Pendulum", {"system": Pendulum}),
    (ArgumentError, "unknown state component or parameter 'rat'.*Did you mean 'rate'", {"free": "rat"}),
    (ArgumentError, "free must name at least one", {"free": ()}),
    (ArgumentError, "each once", {"free": ("rate", "params")}),
    (ArgumentError, "unknown observed quantity 'amunt'.*Did you mean 'amount'", {"data": (TIMES, {"amunt": TIMES})}),
    (ArgumentError, "unknown observed quantity 'positions'", {"data": (TIMES, {"positions": TIMES})}),
    (ArgumentError, r"amount must have shape \(40,\)", {"data": (TIMES, {"amount": TIMES[1:]})}),
    (ArgumentError, r"values must have shape \(1, 40\).*use values.T", {"data": (TIMES, TIMES[:, None])}),
    (ArgumentError, "at least one number that is not NaN", {"data": (TIMES, {"amount": np.full(40, np.nan)})}),
    (ArgumentError, "amount must not be infinite", {"data": (TIMES, {"amount": np.full(40, np.inf)})}),
    (ArgumentError, "times must be finite", {"data": ([0.0, np.nan], {"amount": [1.0, 2.0]})}),
    (ArgumentError, "more numbers than there are free", {"data": ([0.0, 1.0], {"amount": [1.0, np.nan]})}),
    (ArgumentError, "must reach beyond the time of the start", {"data": ([1.0, 1.0], {"amount": [1.0, 2.0]})}),
    (KindError, "data must be times and values", {"data": 3.0}),
    (ArgumentError, "must name a CSV file that is there", {"data": "nowhere.csv"}),
    (ArgumentError, "sigma must be > 0", {"sigma": 0.0}),
    (ArgumentError, r"sigma must be a number, or of shape", {"sigma": [0.1, 0.2]}),
    (ArgumentError, "must not be NaN", {"sigma": np.full(40, np.nan)}),
    (ArgumentError, "sigma must have an entry for 'amount'", {"sigma": {}}),
    (ArgumentError, "unknown observed quantity of sigma 'rate'", {"sigma": {"rate": 1.0}}),
    (ArgumentError, r"bounds\['rate'\] must hold the start", {"bounds": {"rate": (1.0, 2.0)}}),
    (ArgumentError, r"bounds\['rate'\] must be a pair", {"bounds": {"rate": 1.0}}),
    (ArgumentError, "bounds must be a mapping", {"bounds": [(0, 1)]}),
    (ArgumentError, "unknown bounded quantity 'amount'", {"bounds": {"amount": (0, 2)}}),
    (ArgumentError, r"prior\['rate'\] must be a pair", {"prior": {"rate": 1.0}}),
    (ArgumentError, r"deviation of prior\['rate'\] must be > 0", {"prior": {"rate": (1.0, 0.0)}}),
    (ArgumentError, "t0 must not be after the first measurement", {"t0": 1.0}),
    (ArgumentError, "unknown shooting 'both'", {"shooting": "both"}),
    (ArgumentError, "window must be > 0", {"window": 0.0}),
    (ArgumentError, "max_iterations must be at least 1", {"max_iterations": 0}),
    (KindError, r"observables\['a'\] must be a function", {"data": (TIMES, {"a": TIMES}), "observables": {"a": 1}}),
    (ArgumentError, "observables must be a mapping", {"observables": [abs]}),
    (
        ArgumentError,
        r"must give one number a time.*got shape \(\)",
        {"data": (TIMES, {"a": TIMES}), "observables": {"a": lambda t, y: y[0, 0]}},
    ),
    (ArgumentError, "unknown method", {"method": "RK5"}),
    (ArgumentError, "y0 must be 1 numbers", {"y0": [1.0, 2.0]}),
]


@pytest.mark.parametrize(("kind", "message", "arguments"), BAD, ids=[message[:40] for _, message, _ in BAD])
def test_bad_argument_is_named(kind, message, arguments):
    given_ = {"system": DECAY, **GOOD} | arguments
    with pytest.raises(kind, match=message):
        fit(given_.pop("system"), given_.pop("data"), **given_)


def test_guess_whose_trajectory_does_not_arrive_is_an_error_that_says_so():
    burst = System.from_function(lambda t, y, rate=1.0: rate * y**2, state_names=["x"], default_state=[1.0])
    with pytest.raises(RunError, match="does not reach the last measurement"):
        fit(burst, (TIMES, {"x": np.ones(40)}), [5.0], free="rate", shooting="single")


def test_array_parameter_cannot_be_free():
    with pytest.raises(ArgumentError, match="gravity must be one number to be free"):
        fit(DoublePendulum(gravity=np.array([9.0, 10.0])), (TIMES, {"theta_1": TIMES}), free="gravity")


# -- files -----------------------------------------------------------------------------------------------------------


def test_data_come_from_a_file_with_gaps_and_deviations(tmp_path):
    data = noisy(decay(TIMES, 3.0, 0.7), 0.05)
    lines = ["# a comment", "t, amount, sigma_amount"]
    cells = [repr(float(x)) for x in data]
    cells[5] = ""
    lines += [f"{float(t)!r},{cell},0.05" for t, cell in zip(TIMES, cells, strict=True)]
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    data[5] = np.nan
    expected = fit(DECAY, (TIMES, {"amount": data}), [2.0], free="rate", sigma=0.05)
    result = fit(DECAY, tmp_path / "data.csv", [2.0], free="rate")
    assert result.x[0] == expected.x[0]
    assert result.errors[0] == expected.errors[0]
    assert result.believed
    assert result.rerun().x[0] == expected.x[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a line of names and lines of numbers"),
        ("time,amount\n0,1\n", "one of them t"),
        ("t,amount\n0,1\n1\n", "line 3: must have 2 cells; got 1"),
        ("t,amount\n0,1\n1,abc\n", "line 3: amount must be a number, or empty where it is missing; got 'abc'"),
        ("t,amount\n,1\n1,2\n", "t must be finite in every line"),
        ("t,amount,sigma_amount\n0,1,0\n1,2,1\n", "must be > 0"),
    ],
)
def test_bad_file_is_told_with_the_line(text, message, tmp_path):
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises(ArgumentError, match=message):
        fit(DECAY, tmp_path / "data.csv", [2.0], free="rate")
