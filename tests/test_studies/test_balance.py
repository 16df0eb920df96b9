"""`balance`: the acceptance by independent integrations, the separatrix by hand, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp

from diffsim import ops
from diffsim.errors import ArgumentError, KindError, RunError
from integrators import solve_ivp
from studies._balance import balance
from studies._balance_manifold import manifold_seeds
from studies._balance_refine import longest_stay, polished
from studies._balance_result import Balance
from studies._balance_search import Search, closest_passes, seeds, steered
from studies._equilibrium import unstable_equilibrium
from systems import (
    CartPole,
    DoublePendulum,
    DoublePendulumOnCart,
    Furuta,
    HarmonicOscillator,
    Lorenz63,
    NLinkPendulum,
    Pendulum,
    PointMassDoublePendulum,
)
from systems._base import System

TOLERANCE = 0.1
# SOURCE: the stable manifold p = K (theta - pi) of the inverted equilibrium, from the algebraic Riccati equation.
STABLE = np.array([[-4.09199432, -0.97563355], [-0.97563355, -1.14719065]])


def rods(t, y):
    """The double pendulum's equations as the textbook has them, in absolute angles, independent of `systems`."""
    a, b, p, q = y
    c, s = np.cos(a - b), np.sin(a - b)
    divisor = 16.0 - 9.0 * c * c
    u, v = 6.0 * (2.0 * p - 3.0 * c * q) / divisor, 6.0 * (8.0 * q - 3.0 * c * p) / divisor
    return [u, v, -0.5 * (u * v * s + 29.4 * np.sin(a)), -0.5 * (-u * v * s + 9.8 * np.sin(b))]


def sampled_stay(t, angles, tolerance=TOLERANCE):
    """Longest stretch of samples (n_angles, n_times) that are near pi mod 2 pi."""
    away = np.abs((angles - np.pi + np.pi) % (2.0 * np.pi) - np.pi).max(axis=0)
    inside = np.concatenate([[False], away < tolerance, [False]])
    first, last = np.flatnonzero(inside[1:] & ~inside[:-1]), np.flatnonzero(inside[:-1] & ~inside[1:]) - 1
    return max((t[last] - t[first]).tolist(), default=0.0)


@pytest.fixture(scope="module")
def found():
    return balance(DoublePendulum(), angles=(0.4, 0.0))


@pytest.fixture(scope="module")
def upright():
    return balance(Pendulum(), angles=[0.5])


def test_double_pendulum_from_the_given_angles_stays_two_seconds(found):
    assert found.free == ("p_1", "p_2")
    assert found.angles.tolist() == [0.4, 0.0]
    assert found.stay >= 2.0
    assert found.exit - found.entry == pytest.approx(found.stay)
    inside = (found.t > found.entry) & (found.t < found.exit)
    away = np.abs((found.y[:2] + np.pi) % (2.0 * np.pi) - np.pi)
    assert (np.abs(away[:, inside]) > np.pi - TOLERANCE).all()


def test_momenta_balance_in_scipys_dop853_in_absolute_angles(found):
    run = scipy_solve_ivp(rods, (0.0, 8.0), [0.4, 0.0, *found.momenta], "DOP853", rtol=1e-13, atol=1e-15,
                          t_eval=np.linspace(0.0, 8.0, 8001))  # fmt: skip
    assert sampled_stay(run.t, run.y[:2]) >= 2.5


def test_momenta_balance_when_they_are_run_again_from_the_start(found):
    run = solve_ivp(DoublePendulum(), (0.0, 8.0), found.y0, rtol=1e-12, atol=1e-12)
    assert sampled_stay(run.t, run.y[:2]) >= 2.0


def test_start_of_the_run_is_the_start_that_is_reported(found):
    np.testing.assert_allclose(found.y[:, 0], [0.4, 0.0, *found.momenta], rtol=0, atol=1e-14)


def test_start_lies_on_the_energy_level_of_the_target(found):
    level = found.system.energy(found.y0)
    assert level == pytest.approx(19.6, abs=1e-8)
    assert found.energy_error == pytest.approx(level - 19.6, abs=1e-12)


def test_run_comes_in_along_the_stable_manifold(found):
    k = int(np.searchsorted(found.t, found.entry + 1.0))
    x, p = found.deviation[:2, k], found.deviation[2:, k]
    np.testing.assert_allclose(p, STABLE @ x, rtol=1e-3)


def test_rounds_lengthen_the_stay_and_shrink_the_residual(found):
    stays, misses = [step.stay for step in found.history], [step.residual for step in found.history]
    assert max(stays) == pytest.approx(found.stay, abs=1e-6)
    assert stays[0] < found.stay
    assert min(misses) < 1e-9
    assert found.residual < 1e-8
    assert np.isfinite(found.alternatives).all()
    assert found.alternatives.shape[1] == 2


@pytest.mark.slow
@pytest.mark.parametrize("angles", [(0.0, 0.0), (3.0, -2.0)])
def test_other_angles_of_the_double_pendulum_are_balanced_too(angles):
    result = balance(DoublePendulum(), angles, rng=1)
    run = scipy_solve_ivp(rods, (0.0, 10.0), [*angles, *result.momenta], "DOP853", rtol=1e-13, atol=1e-15,
                          t_eval=np.linspace(0.0, 10.0, 10001))  # fmt: skip
    assert result.stay >= 2.0
    assert sampled_stay(run.t, run.y[:2]) >= 2.0


def test_pendulum_finds_the_separatrix(upright):
    assert abs(upright.momenta[0]) == pytest.approx(2.0 * np.sqrt(9.8) * np.cos(0.25), abs=1e-10)
    assert upright.stay > 4.0


def test_pendulum_with_friction_starts_with_more_energy(upright):
    result = balance(Pendulum(damping=0.3), angles=[0.5])
    assert abs(result.momenta[0]) > abs(upright.momenta[0])
    assert np.isnan(result.energy_error)

    def damped(t, y):
        return [y[1], -9.8 * np.sin(y[0]) - 0.3 * y[1]]

    run = scipy_solve_ivp(damped, (0.0, 15.0), result.y0, "DOP853", rtol=1e-13, atol=1e-15,
                          t_eval=np.linspace(0.0, 15.0, 15001))  # fmt: skip
    assert sampled_stay(run.t, run.y[:1]) > 3.0


def test_fixed_steps_will_do_for_the_checking_run():
    result = balance(Pendulum(), [0.5], method="RK4", step=0.002, n_seeds=2)
    assert abs(result.momenta[0]) == pytest.approx(2.0 * np.sqrt(9.8) * np.cos(0.25), abs=1e-9)
    assert result.stay > 4.0


def test_same_call_gives_the_same_bits(upright):
    again = balance(Pendulum(), angles=[0.5])
    assert again.momenta.tolist() == upright.momenta.tolist()
    assert again.y.tobytes() == upright.y.tobytes()
    assert again.stay == upright.stay


@dataclass(frozen=True)
class Cart(System):
    """A pendulum whose angle is measured by a user who knows nothing of half turns."""

    pull: float = 4.0
    state_names = ("angle", "rate")
    state_units = ("rad", "rad/s")
    angles = (0,)

    def rates(self, t, state):
        angle, rate = state
        return rate, -self.pull * ops.sin(angle)

    @property
    def equilibria(self):
        return {"up": (np.pi, 0.0), "down": (0.0, 0.0)}


def test_users_own_system_without_an_energy_is_balanced():
    result = balance(Cart(), [0.3], target="up", spread=6.0)
    assert abs(result.momenta[0]) == pytest.approx(4.0 * np.cos(0.15), abs=1e-9)
    assert result.stay > 3.0
    assert result.free == ("rate",)
    result.plot()  # without energy and positions


# -- all solutions ---------------------------------------------------------------------------------------------------


def test_all_solutions_are_listed_once_and_lie_on_the_stable_manifold(found):
    assert found.complete
    assert len(found.solutions) >= 25
    assert (found.all_residuals < 1e-9).all()
    assert np.abs(found.all_energy_errors).max() < 1e-8
    assert (found.all_arrivals <= 6.0 / np.sqrt(3.0 * 9.8 * (1.0 - 2.0 / np.sqrt(7.0)))).all()
    gaps = np.abs(found.all_momenta[:, None] - found.all_momenta[None]).max(axis=2) + np.eye(len(found.solutions))
    assert gaps.min() > 1e-6
    assert (np.diff(found.all_ceilings) <= 0.0).all()


@pytest.mark.parametrize("k", [0, 3, 11])
def test_a_solution_balances_in_scipys_dop853_at_the_copy_that_its_winding_says(found, k):
    row = found.solutions[k]
    run = scipy_solve_ivp(rods, (0.0, row.arrival + 1.0), [0.4, 0.0, *row.momenta], "DOP853", rtol=1e-13, atol=1e-15)
    there = np.pi + 2.0 * np.pi * np.array(row.winding)
    assert np.abs(run.y[:2, -1] - there).max() < 0.02


@pytest.mark.slow
def test_mirrored_angles_have_mirrored_solutions():
    """From hanging the mirror image of a solution is one; from (0.4, 0) it is one from (-0.4, 0)."""
    left, right = (balance(DoublePendulum(), (x, 0.0), t_travel=1.6) for x in (-0.4, 0.4))
    assert len(left.solutions) == len(right.solutions) >= 5
    for row in right.solutions:
        gap = np.abs(left.all_momenta + np.array(row.momenta)).max(axis=1)
        assert gap.min() < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("angles", [(0.4, 0.0), (0.0, 0.0), (1.5, -2.5)])
def test_no_start_of_the_energy_level_finds_a_solution_that_the_manifold_missed(angles):
    equilibrium = unstable_equilibrium("test", DoublePendulum(), "inverted")
    state, t = np.array([*angles, 0.0, 0.0]), 2.6
    search = Search(equilibrium, equilibrium.to_deviation(state), (2, 3), t, 0.07 / equilibrium.rates.max())
    made = manifold_seeds(search, TOLERANCE)
    assert made.complete
    known = np.array([f.free for f in polished(search, made.starts, TOLERANCE) if f.arrival <= t])
    for seed in range(3):
        passes = closest_passes(search, seeds(search, 2048, 10.0, np.random.default_rng(seed)))
        others = polished(search, steered(search, *passes, reach=TOLERANCE), TOLERANCE)
        assert len(others) >= 5
        for other in others:
            if other.arrival <= t:
                assert np.abs(known - other.free).max(axis=1).min() < 1e-6


def test_the_notebooks_momenta_lead_to_a_solution_which_comes_first():
    result = balance(DoublePendulum(), (0.4, 0.0), start=(1.0, 4.0), t_travel=1.8)
    assert result.stay > 2.1
    assert np.linalg.norm(result.momenta - [1.0, 4.0]) < 3.0


@pytest.mark.slow
def test_descent_gets_somewhere_and_says_how_far():
    result = balance(DoublePendulum(), (0.4, 0.0), start=(1.0, 4.0), route="descent")
    horizon, loss, slope, stay = result.descent[:, :4].T
    assert result.stay > 1.0
    assert stay.max() == pytest.approx(result.stay, abs=0.2)
    assert (np.diff(horizon) > 0.0).all()
    assert loss.min() < 1e-4
    assert slope[-1] > 1e6 > slope[0]
    assert "grown" in result.why_not_descent


# -- the exact flow --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def separatrix():
    return balance(Pendulum(), [0.5], digits=40, lattice=2)


def test_digits_of_the_separatrix_are_those_of_its_closed_form(separatrix):
    with mpmath.workdps(60):
        exact = 2 * mpmath.sqrt(mpmath.mpf(9.8)) * mpmath.cos(mpmath.mpf(0.5) / 2)
        assert abs(abs(separatrix.momenta_exact[0]) - exact) < mpmath.mpf(10) ** -38
        assert len(separatrix.momenta_text[0].lstrip("-").replace(".", "")) == 40


def test_the_best_double_of_the_separatrix_is_the_nearest_one(separatrix):
    with mpmath.workdps(60):
        exact = 2 * mpmath.sqrt(mpmath.mpf(9.8)) * mpmath.cos(mpmath.mpf(0.5) / 2)
    assert [abs(p) for (p,) in separatrix.lattice_momenta.tolist()] == [float(exact)] * 2


def test_forty_digits_stay_as_long_as_their_rounding_allows_and_the_referee_agrees(separatrix):
    rate = np.sqrt(9.8)
    assert 38 * np.log(10.0) / rate - 1.5 < separatrix.stay_exact < 42 * np.log(10.0) / rate
    assert separatrix.stay_refereed == pytest.approx(separatrix.stay_exact, abs=1e-3)


def test_exact_orbit_is_the_one_of_the_first_integral(separatrix):
    """On the separatrix tan((pi + x) / 4) falls like exp(-rate t): Landau and Lifshitz, section 11."""
    t, x = separatrix.exact_t, separatrix.exact_deviation[0]
    inside = t < separatrix.entry + 3.0
    away = np.tan(np.abs(x[inside]) / 4.0)
    np.testing.assert_allclose(away, away[0] * np.exp(-np.sqrt(9.8) * t[inside]), rtol=1e-9)


def test_stay_in_doubles_is_repeated_by_a_second_method(found):
    assert found.second == "DOP853"
    assert found.stay_second > 2.0
    assert np.isnan(found.stay_refereed)
    assert found.stay_exact > 2.5


@pytest.mark.slow
@pytest.mark.parametrize(("angles", "least"), [((0.4, 0.0), 6.8), ((0.0, 0.0), 6.4)])
def test_the_best_pair_of_doubles_stays_long_under_the_exact_flow(angles, least):
    result = balance(DoublePendulum(), angles, t_travel=3.4, lattice=1)
    assert result.complete
    assert result.stay_exact >= least
    assert result.stay_refereed == pytest.approx(result.stay_exact, abs=1e-3)
    assert result.stay >= 2.5
    assert result.momenta.tolist() == result.lattice_momenta[0].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("angles", [(0.4, 0.0), (0.0, 0.0)])
def test_fifty_digits_stay_for_fifteen_seconds(angles):
    result = balance(DoublePendulum(), angles, digits=50)
    assert result.stay_exact >= 14.0
    assert result.stay_refereed == pytest.approx(result.stay_exact, abs=1e-2)


# -- other systems ---------------------------------------------------------------------------------------------------


def test_pole_comes_to_rest_with_its_cart():
    result = balance(CartPole(), [2.5], target="upright")
    assert result.free == ("x_dot", "theta_dot")
    k = int(np.searchsorted(result.t, 0.5 * (result.entry + result.exit)))
    assert np.abs(result.deviation[2:, k]).max() < 1e-4  # neither falls nor rolls
    assert result.stay > 4.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "angles", "target"),
    [
        (NLinkPendulum(links=3), (0.4, 0.0, 0.0), "inverted"),
        (DoublePendulumOnCart(), (0.4, 0.0), "inverted"),
        (PointMassDoublePendulum(), (0.4, 0.0), "inverted"),
        (Furuta(), (0.0, 0.5), "inverted"),
        (DoublePendulum(), (0.4, 0.0), "first_up"),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, System) else "",
)
def test_other_systems_are_balanced_and_a_second_method_agrees(system, angles, target):
    result = balance(system, angles, target=target)
    assert result.stay * result.eigenvalues.real.max() > 15.0
    assert result.stay_second * result.eigenvalues.real.max() > 12.0
    assert (result.all_residuals < 1e-9).all()


# -- the linear flow -------------------------------------------------------------------------------------------------


def test_eigenvalues_have_their_closed_form(found):
    squares = 3.0 * 9.8 * (1.0 + np.array([2.0, -2.0]) / np.sqrt(7.0))
    exact = np.sqrt(squares)
    np.testing.assert_allclose(found.eigenvalues, [*exact, -exact[1], -exact[0]], rtol=0, atol=1e-10)


def test_growth_rates_of_the_double_pendulum_have_their_closed_form():
    equilibrium = unstable_equilibrium("test", DoublePendulum(), "inverted")
    exact = np.sqrt(3.0 * 9.8 * (1.0 + np.array([2.0, -2.0]) / np.sqrt(7.0)))
    np.testing.assert_allclose(equilibrium.rates, exact, rtol=1e-13)
    np.testing.assert_allclose(
        equilibrium.left @ equilibrium.jacobian, equilibrium.growth @ equilibrium.left, atol=1e-12
    )
    # the stable manifold (x, K x) has no unstable part
    np.testing.assert_allclose(equilibrium.left @ np.vstack([np.eye(2), STABLE]), 0.0, atol=1e-7)


@pytest.mark.parametrize("turns", [(0, 0), (1, -2)])
def test_deviation_coordinates_return_home_and_keep_small_digits(turns):
    equilibrium = unstable_equilibrium("test", DoublePendulum(), "inverted", turns)
    state = np.array([0.4, -1.0, 2.0, 3.0])
    np.testing.assert_allclose(equilibrium.to_state(equilibrium.to_deviation(state)), state, rtol=0, atol=1e-14)
    rest = np.array([np.pi + 2 * np.pi * turns[0], np.pi + 2 * np.pi * turns[1], 0.0, 0.0])
    assert np.abs(equilibrium.to_deviation(rest)).max() < 2e-15
    assert np.asarray(equilibrium.fun(0.0, np.zeros(4))).tolist() == [0.0] * 4


def test_stay_is_measured_to_the_root_between_steps():
    equilibrium = unstable_equilibrium("test", Pendulum(), "inverted")

    def fun(t, x):  # theta = (t - 2)^2 - 0.3 is inside 0.1 where (t - 2)^2 lies between 0.2 and 0.4
        return np.stack([2.0 * (t - 2.0), 0.0 * t])

    t = np.array([0.0, 0.7, 1.45, 2.2, 3.0, 4.0])
    run = SimpleNamespace(t=t, y=np.stack([(t - 2.0) ** 2 - 0.3, 0.0 * t]))
    moved = SimpleNamespace(fun=fun, vectorized=True, angles_of=equilibrium.angles_of)
    search = Search(moved, np.zeros(2), (1,), 1.0, 0.1)
    entry, exit_ = longest_stay(search, run, 0.1)
    roots = [2.0 - np.sqrt(0.4), 2.0 - np.sqrt(0.2), 2.0 + np.sqrt(0.2), 2.0 + np.sqrt(0.4)]
    assert (entry, exit_) in [pytest.approx(tuple(roots[:2]), abs=1e-12), pytest.approx(tuple(roots[2:]), abs=1e-12)]


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angles", [(np.pi, np.pi), (-np.pi, 3 * np.pi), (np.pi + 0.05, np.pi - 0.09)])
def test_trivial_start_is_refused(angles):
    with pytest.raises(ArgumentError, match=r"outside the ball of 0\.1 rad around 'inverted'.*trivial"):
        balance(DoublePendulum(), angles)


def test_start_above_the_level_of_the_target_is_refused():
    with pytest.raises(ArgumentError, match="less energy at rest than 'first_up'"):
        balance(DoublePendulum(), (3.1, 3.1), target="first_up")


BAD = [
    (ArgumentError, "unknown equilibrium 'inverte'.*Did you mean 'inverted'", {"target": "inverte"}),
    (ArgumentError, "target must be unstable.*'hanging'", {"target": "hanging"}),
    (ArgumentError, "angles must be 2 numbers, one for each of theta_1, theta_2", {"angles": [0.4]}),
    (ArgumentError, "angles must be finite", {"angles": [0.4, np.nan]}),
    (KindError, "angles must be real numbers", {"angles": [0.4, 1j]}),
    (KindError, "angles must be real numbers", {"angles": "ab"}),
    (ArgumentError, "tolerance must be > 0", {"tolerance": -0.1}),
    (KindError, "tolerance must be a real number", {"tolerance": "0.1"}),
    (ArgumentError, "min_stay must be a finite real number", {"min_stay": np.nan}),
    (ArgumentError, "n_seeds must be at least 1", {"n_seeds": 0}),
    (KindError, "n_seeds must be an integer", {"n_seeds": 3.5}),
    (ArgumentError, "t_travel must be > 0", {"t_travel": 0.0}),
    (ArgumentError, "search_step must not be longer than t_travel=1", {"search_step": 2.0, "t_travel": 1.0}),
    (ArgumentError, "unknown state component 'p1'.*Did you mean 'p_1'", {"free": ("p1", "p_2")}),
    (ArgumentError, "free must not name the angles", {"free": ("theta_1", "p_2")}),
    (ArgumentError, "at least as many as the unstable directions of 'inverted', 2", {"free": ("p_1",)}),
    (ArgumentError, "unknown method 'RK46'", {"method": "RK46"}),
    (ArgumentError, "unknown route 'descend'.*Did you mean 'descent'", {"route": "descend"}),
    (ArgumentError, "start must be 2 numbers, one for each of p_1, p_2", {"start": (1.0,)}),
    (ArgumentError, "lattice must be at least 0", {"lattice": -1}),
    (ArgumentError, "digits must be at least 20", {"digits": 10}),
]


@pytest.mark.parametrize(("kind", "message", "arguments"), BAD, ids=[message[:40] for _, message, _ in BAD])
def test_bad_argument_is_named(kind, message, arguments):
    with pytest.raises(kind, match=message):
        balance(DoublePendulum(), **arguments)


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (DoublePendulum, r"must be an instance; got the class DoublePendulum. Write DoublePendulum\(\)"),
        (lambda t, y: y, "system must be a System"),
        (Lorenz63(), "system must have angles; Lorenz63 declares none"),
        (HarmonicOscillator(), "system must have angles"),
    ],
)
def test_what_cannot_be_balanced_is_refused(system, message):
    with pytest.raises(KindError, match=message):
        balance(system, [0.4])


def test_driven_pendulum_has_nothing_to_balance_on():
    with pytest.raises(ArgumentError, match="equilibrium"):
        balance(Pendulum(drive_amplitude=1.0), [0.4])


def test_search_that_finds_nothing_says_what_it_tried():
    with pytest.raises(
        RunError,
        match=r"no start was found that reaches 'inverted'; tried 4 starts and .* until t = 0\.1.*n_seeds",
    ):
        balance(DoublePendulum(), n_seeds=4, t_travel=0.1)


def test_stay_that_is_out_of_reach_says_how_long_it_got():
    with pytest.raises(RunError, match=r"not 60 s. Lower min_stay"):
        balance(Pendulum(), [0.5], min_stay=60.0)


def test_directions_that_only_oscillate_are_counted():
    neutral = {
        name: unstable_equilibrium("test", DoublePendulum(), name).n_neutral for name in ("inverted", "first_up")
    }
    assert neutral == {"inverted": 0, "first_up": 2}


@pytest.mark.slow
def test_target_that_also_oscillates_says_so_when_it_fails():
    with pytest.raises(RunError, match="also has 2 directions in which it oscillates"):
        balance(DoublePendulum(), (0.4, 0.0), target="first_up", min_stay=20.0, n_seeds=64)


# -- results ---------------------------------------------------------------------------------------------------------


def test_result_is_written_and_read_back(upright, tmp_path):
    upright.save(tmp_path / "up.png")
    assert (tmp_path / "up.png").read_bytes().startswith(b"\x89PNG")
    upright.save(tmp_path / "up.npz")
    with np.load(tmp_path / "up.npz") as numbers:
        assert numbers["momenta"].tolist() == upright.momenta.tolist()
        assert float(numbers["stay"]) == upright.stay
        assert '"rng": 0' in str(numbers["diffsim_call"])
        assert "numpy" in str(numbers["made_with"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["up.npz", "up.png"]


def test_loaded_result_is_the_same_and_runs_again_bit_for_bit(upright, tmp_path):
    loaded = Balance.load(upright.save(tmp_path / "up.npz"))
    assert repr(loaded) == repr(upright)
    assert loaded.history == upright.history
    again = loaded.rerun()
    for name in ("momenta", "y", "exact_deviation", "all_momenta", "all_stays"):
        assert getattr(again, name).tobytes() == getattr(loaded, name).tobytes()


def test_table_has_a_line_a_solution_and_says_how_many_are_left_out(found):
    lines = found.table(5).splitlines()
    assert len(lines) == 7
    assert repr(found.solutions[0].momenta[0]) in lines[1]
    assert lines[-1] == f"... and {len(found.solutions) - 5} more"


def test_result_cannot_be_written_to_a_missing_folder(upright, tmp_path):
    with pytest.raises(ArgumentError, match=r"balance: path must lie in a folder that exists"):
        upright.save(tmp_path / "none" / "up.png")
    with pytest.raises(ArgumentError, match=r"must end in \.png"):
        upright.save(tmp_path / "up.gif")


def test_repr_gives_the_momenta_to_the_last_digit(found):
    text = repr(found)
    assert repr(found.momenta.tolist()[0]) in text
    assert f"for {found.stay:.2f} s" in text


def test_figure_shows_the_stay_and_the_path(found):
    figure = found.plot()
    assert len(figure.axes) == 4
    assert f"{found.stay:.2f} s" in figure.get_suptitle()
    stays = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert stays == [f"in doubles: {found.stay:.2f} s", f"exact flow: {found.stay_exact:.2f} s"]
