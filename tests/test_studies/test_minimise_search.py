"""`minimise` under constraints, many starts, a growing horizon, windows; its result kept and made again."""

from __future__ import annotations

import numpy as np
import pytest

import studies
from diffsim.errors import ArgumentError, DiffsimError, KindError, RunError
from integrators import solve_ivp
from studies import Minimum, minimise
from studies._bordered import step_down
from studies._crowd import together
from studies._growth import growth_of
from studies._loss import Loss
from studies._minimise_windows import Joined
from systems import DoublePendulum, HarmonicOscillator, Lorenz63, Pendulum


def aim(y):
    """Miss of the angle 1."""
    return (y[0] - 1.0) ** 2


def pendulum(**arguments):
    return minimise(Pendulum(), **({"loss": aim, "y0": [0.0, 1.0], "free": ("p",), "t_span": (0.0, 0.5)} | arguments))


# -- constraints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["SLSQP", "trust-constr"])
def test_smallest_push_that_keeps_an_equation_is_that_of_the_pencil(optimiser):
    # of x(T) = c x0 + s p0, the smallest x0^2 + p0^2 with x(T) = 1 is (c, s) / (c^2 + s^2) = (c, s)
    c, s = np.cos(0.7), np.sin(0.7)
    result = minimise(
        HarmonicOscillator(), lambda t, y: y[0, 0] ** 2 + y[1, 0] ** 2, [1.0, 1.0], free=("x", "p"), t_span=(0.0, 0.7),
        constraints={"type": "eq", "fun": lambda y: y[0] - 1.0}, optimiser=optimiser, tolerance=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(result.x, [c, s], atol=1e-5)
    assert result.value == pytest.approx(1.0, abs=1e-5)
    assert result.violation < 1e-7


def test_inequality_along_the_trajectory_holds_at_all_its_times():
    times = np.linspace(0.0, 3.0, 61)
    free = minimise(Pendulum(), lambda t, y: (y[0, -1] - 1.0) ** 2, [0.0, 3.0], free="p", t_span=(0.0, 3.0),
                    t_eval=times)  # fmt: skip
    held = minimise(Pendulum(), lambda t, y: (y[0, -1] - 1.0) ** 2, [0.0, 3.0], free="p", t_span=(0.0, 3.0),
                    t_eval=times, constraints=[{"type": "ineq", "fun": lambda t, y: 1.1 - y[0]}])  # fmt: skip
    assert free.solution.y[0].max() > 1.2
    assert held.solution.y[0].max() < 1.1 + 1e-6
    assert held.violation < 1e-6
    assert held.value >= free.value


def test_default_optimiser_knows_constraints_and_counts_each_point_once():
    calls = []

    def loss(y):
        calls.append(y)
        return aim(y)

    result = pendulum(loss=loss, constraints={"type": "ineq", "fun": lambda y: y[1] - 2.0})
    assert result.success
    assert result.solution.y[1, -1] > 2.0 - 1e-6
    assert len(calls) <= result.n_evaluations + 4


# -- many starts -----------------------------------------------------------------------------------------------------


def hilly(y):
    """Miss of both rods upright."""
    return (1.0 + np.cos(y[0])) + (1.0 + np.cos(y[1]))


@pytest.mark.parametrize("optimiser", ["L-BFGS-B", "SLSQP"])
@pytest.mark.parametrize("solver", [{"max_steps": 2_000}, {"method": "RK4", "step": 0.02}])
def test_each_of_many_starts_takes_the_way_it_takes_alone_to_the_bit(optimiser, solver):
    starts = np.array([[1.0, 2.0, -1.0, 3.0], [4.0, 1.0, 2.0, 3.0]])
    ask = {"free": ("p_1", "p_2"), "t_span": (0.0, 1.0), "optimiser": optimiser, "max_iterations": 8, **solver}
    result = minimise(DoublePendulum(), hilly, [0.4, 0.0, 1.0, 4.0], starts=starts, **ask)
    alone = [minimise(DoublePendulum(), hilly, [0.4, 0.0, *start], **ask) for start in starts.T]
    np.testing.assert_array_equal(result.ends, np.stack([one.x for one in alone], axis=1))
    assert result.end_values.tolist() == [one.value for one in alone]
    assert result.end_messages == tuple(one.message for one in alone)
    best = int(np.argmin(result.end_values))
    assert result.x.tolist() == alone[best].x.tolist()
    assert result.starts.tolist() == starts.tolist()
    assert result.n_evaluations == sum(one.n_evaluations for one in alone)


@pytest.mark.slow
def test_best_of_many_starts_finds_what_one_misses():
    starts = np.random.default_rng(0).normal(size=(2, 24)) * 2.0 + np.array([[1.0], [4.0]])
    result = minimise(DoublePendulum(), hilly, [0.4, 0.0, 1.0, 4.0], starts=starts, t_span=(0.0, 2.0))
    one = minimise(DoublePendulum(), hilly, [0.4, 0.0, 1.0, 4.0], t_span=(0.0, 2.0))
    assert result.value < 1e-8 < one.value
    assert result.end_values.min() == result.value
    assert len(result.end_messages) == 24


def test_start_that_fails_is_told_and_touches_no_other():
    def loss(y):
        return (y[0] - 1.0) ** 2

    starts = np.array([[0.5, 1e200, 2.0]])
    result = minimise(Lorenz63(), loss, [1.0, 1.0, 20.0], free="x", t_span=(0.0, 0.2), starts=starts, method="RK4",
                      step=0.01)  # fmt: skip
    assert np.isnan(result.ends[0, 1])
    assert np.isnan(result.end_values[1])
    assert "the solve fails at x=1e+200" in result.end_messages[1]
    assert result.end_success.tolist() == [True, False, True]
    assert result.value < 1e-8


def test_constraints_hold_for_the_best_of_many_starts():
    starts = np.array([[0.5, 1.0, 3.0, 4.0]])
    result = pendulum(starts=starts, constraints={"type": "ineq", "fun": lambda y: y[1] - 2.5})
    assert result.violation < 1e-6
    assert result.solution.y[1, -1] > 2.5 - 1e-6


# -- the crowd -------------------------------------------------------------------------------------------------------


def test_searches_of_different_lengths_are_answered_together():
    batches = []

    def many(points):
        batches.append(points.shape[1])
        return [float(x) + 1.0 for x in points[0]]

    def count(n):
        def search(ask):
            x = 0.0
            for _ in range(n):
                x = ask(np.array([x]))
            return x

        return search

    assert together([count(n) for n in (3, 1, 5, 0)], many) == [3.0, 1.0, 5.0, 0.0]
    assert batches == [3, 2, 2, 1, 1]


def test_error_of_one_search_is_its_result_and_anything_else_is_raised():
    def bad(ask):
        raise RunError("down")

    results = together([bad, lambda ask: ask(np.zeros(1))], lambda points: [7.0] * points.shape[1])
    assert str(results[0]) == "down"
    assert isinstance(results[0], DiffsimError)
    assert results[1] == 7.0
    with pytest.raises(ZeroDivisionError):
        together([lambda ask: 1 / 0, lambda ask: ask(np.zeros(1))], lambda points: [7.0] * points.shape[1])

    def interrupted(points):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together([lambda ask: ask(np.zeros(1))] * 3, interrupted)


# -- a horizon that grows --------------------------------------------------------------------------------------------


def test_growing_horizon_brings_a_fit_home_that_one_shot_misses():
    times = np.linspace(0.0, 12.0, 241)
    truth = solve_ivp(Pendulum(gravity=9.81), (0.0, 12.0), [1.0, 0.0], "DOP853", rtol=1e-10, atol=1e-10,
                      t_eval=times).y[0]  # fmt: skip

    def misfit(t, y):
        return ((y[0] - np.interp(t, times, truth)) ** 2).mean()

    ask = {"free": "gravity", "t_span": (0.0, 12.0), "t_eval": times}
    alone = minimise(Pendulum(gravity=13.0), misfit, [1.0, 0.0], **ask)
    result = minimise(Pendulum(gravity=13.0), misfit, [1.0, 0.0], horizon=6, **ask)
    assert alone.value > 0.1
    assert result.x[0] == pytest.approx(9.81, abs=1e-4)
    assert result.horizons.tolist() == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    assert result.horizon_values.max() < 1e-6
    assert "each of 6 growing times" in result.why


def test_horizon_may_be_named_and_maps_count():
    result = pendulum(horizon=(0.1, 0.3))
    assert result.horizons.tolist() == [0.1, 0.3, 0.5]
    assert result.value < 1e-12


# -- windows ---------------------------------------------------------------------------------------------------------


def tracked(system, start, free, noise, seed=0):
    """A loss that measures how far a trajectory is from a noisy record of 10 s, and its times."""
    times = np.linspace(0.0, 10.0, 201)
    exact = solve_ivp(system, (0.0, 10.0), start, "DOP853", rtol=1e-11, atol=1e-11, t_eval=times).y
    data = exact + noise * np.random.default_rng(seed).normal(size=exact.shape)
    seen = 2 if len(start) == 4 else 3

    def misfit(t, y):
        return ((y[:seen] - data[:seen]) ** 2).mean()

    return misfit, {"free": free, "t_span": (0.0, 10.0), "t_eval": times, "method": "DOP853"}


def test_windows_are_chosen_for_a_chaotic_record_and_find_what_one_shot_cannot():
    start = [2.0, 2.0, 0.0, 0.0]
    loss, ask = tracked(DoublePendulum(), start, ("theta_1", "theta_2", "p_1", "p_2", "gravity"), 0.01)
    guess = [2.1, 1.9, 0.2, 0.2]
    alone = minimise(DoublePendulum(gravity=9.0), loss, guess, shooting="single", **ask)
    result = minimise(DoublePendulum(gravity=9.0), loss, guess, **ask)
    assert alone.value > 100.0 * result.value
    assert "it was asked for" in alone.why
    assert np.sqrt(result.value) == pytest.approx(0.01, rel=0.1)  # the noise is what is left
    assert result.x[-1] == pytest.approx(9.8, abs=0.01)
    assert "-fold over 10 s" in result.why
    assert "one shot cannot be aimed over more than 1000-fold" in result.why


@pytest.mark.slow
def test_windows_find_lorenz_too():
    loss, ask = tracked(Lorenz63(), [1.0, 1.0, 20.0], ("x", "y", "z", "rho"), 0.1)
    result = minimise(Lorenz63(rho=30.0), loss, [2.0, 0.0, 22.0], **ask)
    assert np.sqrt(result.value) == pytest.approx(0.1, rel=0.1)
    assert result.x[-1] == pytest.approx(28.0, abs=0.02)


def test_loss_of_the_end_alone_is_told_that_windows_do_not_help():
    result = minimise(DoublePendulum(), hilly, [2.0, 2.0, 0.0, 0.0], t_span=(0.0, 8.0), max_iterations=3)
    assert "windows have nothing to hold to where the loss sees the end alone" in result.why


def test_windows_give_what_one_shot_gives_where_both_can():
    target = np.array([1.0, -2.0])
    ask = {"free": ("x", "p"), "t_span": (0.0, 1.3), "constraints": {"type": "eq", "fun": lambda y: y[0] - 0.5}}
    results = [
        minimise(HarmonicOscillator(), lambda y: ((y - target) ** 2).sum(), [0.0, 0.0], shooting=shooting, **ask)
        for shooting in ("single", "multiple")
    ]
    for result in results:
        np.testing.assert_allclose(result.solution.y[:, -1], [0.5, -2.0], atol=1e-5)
    assert "as asked" in results[1].why


def test_model_of_the_windows_agrees_with_differences_and_with_the_exact_hessian_of_a_linear_flow():
    times = np.linspace(0.1, 2.0, 20)
    solver = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-11}
    system, start = HarmonicOscillator(), np.array([0.3, -0.2])

    def loss(t, y):
        return (y[0] ** 2 + 0.5 * y[1] ** 2 + y[0] * np.cos(t)).sum()

    problem = Loss("test", system, loss, True, start, ("p", "x"), (0.0, 2.0), times, True, solver)
    joined = Joined(problem, growth_of(system, start, (0.0, 2.0), solver), 3, None)
    z = joined.begin(problem.x0) + 0.01 * np.arange(6)
    linear = joined.linear(z, joined.evaluate(z))

    def value(at):
        return 0.5 * joined.chi2(at, joined.evaluate(at))

    unit = 1e-4 * joined.sizes
    for k in range(6):
        ahead, behind = z.copy(), z.copy()
        ahead[k], behind[k] = z[k] + unit[k], z[k] - unit[k]
        assert linear.gradient[k] == pytest.approx((value(ahead) - value(behind)) / 2e-4, rel=1e-6, abs=1e-7)
        curvature = (value(ahead) - 2.0 * value(z) + value(behind)) / 1e-8
        assert linear.hessian.toarray()[k, k] == pytest.approx(curvature, rel=1e-3, abs=1e-3)
        slope = [joined.defects(at, joined.evaluate(at)) for at in (ahead, behind)]
        np.testing.assert_allclose(linear.joints.toarray()[:, k], (slope[0] - slope[1]) / 2e-4, atol=1e-6)
    # a quadratic problem with linear joints is solved by one undamped step, up to the damping that it begins with
    found, message = step_down(joined, z, True, 30, 1e-12, lambda: None)
    assert message == "converged"
    assert np.abs(joined.defects(found, joined.evaluate(found))).max() < 1e-8


# -- the result ------------------------------------------------------------------------------------------------------


def test_result_is_saved_loaded_and_run_again_to_the_bit(tmp_path):
    first = pendulum(free=("p", "gravity"), bounds={"gravity": (5.0, 15.0)}, starts=np.array([[1.0, 2.0], [9.0, 10.0]]))
    again = studies.load(first.save(tmp_path / "best.npz"))
    assert isinstance(again, Minimum)
    assert repr(again) == repr(first)
    with pytest.raises(ArgumentError, match="a file cannot keep loss"):
        again.rerun()
    for other in (again, again.rerun(loss=aim), first.rerun()):
        assert other.system == first.system
        for name in ("x", "y0", "value", "gradient", "history", "ends", "end_values"):
            assert np.array_equal(getattr(other, name), getattr(first, name))
    assert again.solution.y[0, -1] == first.solution.y[0, -1]
    assert again.asked.gravity == 9.8
    assert again.plot() is not None


# -- refusals --------------------------------------------------------------------------------------------------------

BAD = [
    (ArgumentError, r"constraints\[0\] must be a mapping with type and fun", {"constraints": [abs]}),
    (ArgumentError, "unknown type of constraints.* 'equal'", {"constraints": {"type": "equal", "fun": abs}}),
    (KindError, r"constraints\[0\]: fun must be a function", {"constraints": {"type": "eq", "fun": 1}}),
    (KindError, "it takes 3 arguments", {"constraints": {"type": "eq", "fun": lambda a, b, c: 0.0}}),
    (
        ArgumentError,
        "optimiser must be one of SLSQP, trust-constr for constraints",
        {"constraints": {"type": "eq", "fun": lambda y: y[0]}, "optimiser": "BFGS"},
    ),
    (RunError, "constraints.* not finite", {"constraints": {"type": "eq", "fun": lambda y: np.nan * y[0]}}),
    (ArgumentError, r"starts must be numbers of shape \(1, n_starts\).*use starts.T", {"starts": [[1.0], [2.0]]}),
    (ArgumentError, "starts must be finite", {"starts": [[1.0, np.inf]]}),
    (ArgumentError, r"bounds\['p'\] must hold the start, 5", {"starts": [[1.0, 5.0]], "bounds": {"p": (0.0, 4.0)}}),
    (ArgumentError, "mode must be forward", {"starts": [[1.0, 5.0]], "mode": "reverse"}),
    (ArgumentError, "shooting must be auto or single with starts", {"starts": [[1.0]], "shooting": "multiple"}),
    (ArgumentError, "horizon must be times that grow from 0 to 0.5", {"horizon": (0.3, 0.2)}),
    (ArgumentError, "horizon must be times that grow", {"horizon": (0.3, 0.7)}),
    (ArgumentError, "horizon must be at least 2", {"horizon": 1}),
    (ArgumentError, "unknown shooting 'both'", {"shooting": "both"}),
]


@pytest.mark.parametrize(("kind", "message", "arguments"), BAD, ids=[message[:40] for _, message, _ in BAD])
def test_bad_argument_is_named(kind, message, arguments):
    with pytest.raises(kind, match=message):
        pendulum(**arguments)
