"""`balance`: the acceptance by independent integrations, the separatrix by hand, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp

from diffsim import ops
from diffsim.errors import ArgumentError, KindError, RunError
from integrators import solve_ivp
from studies._balance import balance
from studies._balance_refine import longest_stay
from studies._balance_search import Search
from studies._equilibrium import unstable_equilibrium
from systems import DoublePendulum, HarmonicOscillator, Lorenz63, Pendulum
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
    assert stays[0] < 0.5 * found.stay
    assert misses[0] > 1e-4
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


# -- the linear flow -------------------------------------------------------------------------------------------------


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
        RunError, match=r"no start was found that reaches 'inverted'; tried 4 starts until t = 0\.1.*n_seeds"
    ):
        balance(DoublePendulum(), n_seeds=4, t_travel=0.1)


def test_stay_that_is_out_of_reach_says_how_long_it_got():
    with pytest.raises(RunError, match=r"not 60 s; tried .* Lower min_stay"):
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
        assert int(numbers["rng"]) == 0
        assert "numpy" in str(numbers["made_with"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["up.npz", "up.png"]


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
