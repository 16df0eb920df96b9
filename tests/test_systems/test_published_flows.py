"""Flows of the zoo against published numbers, each with its source: Lyapunov exponents, bifurcations, invariants.

Exponents are means over trajectories that run side by side, so each comes with its standard error; the stated tolerance
is more than three of these (seeds do not matter: nothing is drawn).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import systems
from diffsim.derivatives import jacobian
from integrators import solve_ivp
from systems import (
    ABCFlow,
    Chua,
    DoubleGyre,
    FitzHughNagumo,
    Halvorsen,
    HodgkinHuxley,
    Lorenz63,
    Lorenz84,
    Lorenz96,
    LotkaVolterra,
    RabinovichFabrikant,
    Roessler,
    Thomas,
)
from systems.sprott import SprottA, SprottB, SprottS

Array = NDArray[np.float64]


def exponents(system: Any, *, step: float = 0.02, window: float = 1.0, n_windows: int = 100, lanes: int = 64) -> Array:
    """Return the Lyapunov exponents of the default trajectory, largest first, by Benettin's method.

    One trajectory is cut into `lanes` pieces that do not overlap; in each, a frame of tangents is orthonormalised after
    every window, and the first fifth only turns the frame into place.
    """
    n, length = system.dimension, window * n_windows
    times = 100.0 + length * np.arange(lanes)
    more: dict[str, Any] = {"method": "RK4", "step": step}
    y = solve_ivp(system, (0.0, times[-1]), np.array(system.default_state), t_eval=times, **more).y
    frame = np.broadcast_to(np.eye(n), (lanes, n, n))
    growth = np.zeros((lanes, n))
    for k in range(n_windows):
        sol = solve_ivp(system, (0.0, window), y, t_eval=[window], sensitivities="y0", **more)
        y = sol.y[..., -1]
        frame, triangle = np.linalg.qr(np.moveaxis(sol.dy_dy0[..., -1], -1, 0) @ frame)
        if k >= n_windows // 5:
            growth += np.log(np.abs(np.diagonal(triangle, axis1=1, axis2=2)))
    found: Array = np.mean(growth, axis=0) / (window * (n_windows - n_windows // 5))
    return found


def slopes(system: Any, state: Any) -> Array:
    """The Jacobian by the core."""
    found: Array = jacobian(lambda y: system(0.0, y))(np.array(state, dtype=float))
    return found


# --- Lyapunov exponents ----------------------------------------------------------------------------------------------

SPROTTS_BOOK = [
    # SOURCE: Sprott, Chaos and Time-Series Analysis (2003), appendix A.4 and A.5; the middle exponent is 0.
    (Lorenz63(), {"step": 0.01}, 0.9056, -14.5723, 0.02),
    (Roessler(), {"window": 5.0}, 0.0714, -5.3943, 0.01),
    (Chua(), {"n_windows": 200}, 0.3271, -2.5197, 0.03),
    (Halvorsen(), {"step": 0.005}, 0.7899, -4.5999, 0.03),
    (RabinovichFabrikant(), {"step": 0.002}, 0.1981, -0.6581, 0.02),
]


@pytest.mark.parametrize(("system", "how", "first", "last", "error"), SPROTTS_BOOK, ids=lambda x: type(x).__name__)
def test_exponents_are_those_of_sprotts_book(
    system: Any, how: dict[str, Any], first: float, last: float, error: float
) -> None:
    found = exponents(system, **how)
    assert found[0] == pytest.approx(first, abs=error)
    assert found[1] == pytest.approx(0.0, abs=error)
    assert found[2] == pytest.approx(last, abs=3.0 * error)


@pytest.mark.parametrize(
    ("system", "rate"),
    [
        (Lorenz63(), -(10.0 + 1.0 + 8.0 / 3.0)),
        (Halvorsen(), -3.0 * 1.27),
        (RabinovichFabrikant(), 2.0 * (0.87 - 1.1)),
        (Thomas(), -3.0 * 0.18),
        (SprottS(), -1.0),
        (SprottA(), None),
    ],
    ids=lambda x: type(x).__name__,
)
def test_exponents_add_up_to_the_divergence(system: Any, rate: float | None) -> None:
    """SOURCE: each docstring or, where the divergence changes, the exponents' pairing: SprottA is conservative."""
    found = exponents(system, n_windows=20, lanes=8, step=0.005)
    if rate is not None:
        assert np.sum(found) == pytest.approx(rate, rel=1e-5)
    else:
        assert abs(np.sum(found)) < 0.05


# SOURCE: Sprott, Physical Review E 50 (1994) R647, table I: the largest exponent, to three digits.
SPROTT = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRS",
        [
            *(0.014, 0.210, 0.163, 0.103, 0.078, 0.117, 0.034, 0.117, 0.012, 0.076),
            *(0.038, 0.061, 0.044, 0.076, 0.049, 0.087, 0.109, 0.062, 0.188),
        ],
        strict=True,
    )
)
QUICK = "BDS"


@pytest.mark.parametrize("case", [c if c in QUICK else pytest.param(c, marks=pytest.mark.slow) for c in SPROTT])
def test_largest_exponent_of_each_of_sprotts_flows_is_that_of_his_table(case: str) -> None:
    found = exponents(systems.find(f"Sprott{case}")(), window=5.0)
    assert found[0] == pytest.approx(SPROTT[case], abs=0.006)
    assert found[1] == pytest.approx(0.0, abs=0.004)


def test_the_ring_of_forty_sites_has_thirteen_positive_exponents_and_doubles_errors_in_two_days() -> None:
    # SOURCE: Lorenz and Emanuel, Journal of the Atmospheric Sciences 55 (1998) 399, section 3: 13 positive exponents,
    # and the largest doubles errors in 2.1 days, with 5 days a unit of time.
    found = exponents(Lorenz96(), n_windows=60, lanes=16)
    assert np.sum(found > 0.018) == 13
    assert 5.0 * math.log(2.0) / found[0] == pytest.approx(2.1, abs=0.15)
    assert np.sum(found) == pytest.approx(-40.0, abs=1e-3), "the divergence"


# --- bifurcations ----------------------------------------------------------------------------------------------------


def test_the_ring_becomes_a_wave_where_lorenz_says() -> None:
    """SOURCE: Lorenz, "Designing chaotic models", J. Atmos. Sci. 62 (2005) 1574: steady for F < 8/9."""
    for forcing, stable in ((0.88, True), (0.91, False)):
        system = Lorenz96(forcing=forcing, sites=36)
        rates = np.linalg.eigvals(slopes(system, system.equilibria["uniform"])).real
        assert (np.max(rates) < 0.0) == stable
    assert not np.max(np.linalg.eigvals(slopes(Lorenz96(forcing=-0.49), [-0.49] * 40)).real) > 0.0


def test_lorenzs_flow_turns_at_his_rayleigh_number() -> None:
    """SOURCE: Lorenz (1963), section 6: steady convection is stable up to r = 470/19 = 24.74."""
    for rho, stable in ((470.0 / 19.0 - 0.01, True), (470.0 / 19.0 + 0.01, False)):
        system = Lorenz63(rho=rho)
        assert (np.max(np.linalg.eigvals(slopes(system, system.equilibria["plus"])).real) < 0.0) == stable


def test_lorenz_84_without_mountains_has_the_hadley_flow_and_loses_it_at_one() -> None:
    """SOURCE: Lorenz, Tellus A 36 (1984) 98, section 2: x = F, y = z = 0 for G = 0, unstable for F > 1."""
    for forcing, stable in ((0.99, True), (1.01, False)):
        system = Lorenz84(F=forcing, G=0.0)
        (rest,) = system.equilibria.values()
        np.testing.assert_allclose(rest, (forcing, 0.0, 0.0), atol=1e-14)
        assert (np.max(np.linalg.eigvals(slopes(system, rest)).real) < 0.0) == stable


def test_equilibria_of_lorenz_84_in_summer_are_three_roots_of_the_cubic() -> None:
    system = Lorenz84(F=2.0, G=0.2)
    xs = [state[0] for state in system.equilibria.values()]
    a, b = 0.25, 4.0
    roots = np.roots([1.0 + b * b, -2.0 - 2.0 * (1.0 + b * b), 1.0 + 4.0, 0.04 / a - 2.0])
    np.testing.assert_allclose(xs, np.sort(roots[np.abs(roots.imag) < 1e-9].real), rtol=1e-12)


def test_thomas_flow_begins_to_oscillate_at_the_published_friction() -> None:
    """SOURCE: Sprott and Chlouverakis, Int. J. Bifurcation and Chaos 17 (2007) 2097: Hopf's at b = 0.32899."""
    for friction, stable in ((0.32900, True), (0.32898, False)):
        low, high = 1.6, 3.1  # the equilibrium on the diagonal, sin(x) = b x, by bisection
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if math.sin(middle) > friction * middle else (low, middle)
        rates = np.linalg.eigvals(slopes(Thomas(friction=friction), [low] * 3))
        assert (np.max(rates.real) < 0.0) == stable


def test_the_nerve_of_hodgkin_and_huxley_loses_and_regains_its_rest_where_hassard_found_it() -> None:
    """SOURCE: Hassard, Journal of Theoretical Biology 71 (1978) 401: Hopf bifurcations at 9.78 and 154.5 uA/cm^2."""
    for current, stable in ((9.77, True), (9.79, False), (154.4, False), (154.6, True)):
        system = HodgkinHuxley(current=current)
        state = np.array(system.default_state)
        for _ in range(60):
            move = np.linalg.solve(slopes(system, state), system(0.0, state))
            state = state - move * min(1.0, 5.0 / max(1e-300, abs(move[0])))
        assert np.max(np.abs(system(0.0, state))) < 1e-10
        assert (np.max(np.linalg.eigvals(slopes(system, state)).real) < 0.0) == stable


def test_the_nerve_at_rest_has_the_published_gates() -> None:
    """SOURCE: Hodgkin and Huxley (1952), p. 525 and table 3: m = 0.0529, h = 0.596, n = 0.318 at rest, -65 mV here."""
    sol = solve_ivp(HodgkinHuxley(current=0.0), (0.0, 300.0), [-65.0, 0.05, 0.6, 0.32], "Radau", rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(sol.y[:, -1], [-65.0, 0.0529, 0.596, 0.318], rtol=2e-3)


def test_fitzhughs_nerve_rests_where_he_says() -> None:
    """SOURCE: FitzHugh, Biophysical Journal 1 (1961) 445: x = 1.1994, y = -0.6243 for z = 0; his x is -v."""
    (rest,) = FitzHughNagumo(current=0.0).equilibria.values()
    np.testing.assert_allclose(rest, (-1.1994, -0.6243), atol=5e-5)


# --- closed forms ----------------------------------------------------------------------------------------------------


def test_predators_and_prey_obey_volterras_laws() -> None:
    """SOURCE: Volterra (1926): the means over a period are the equilibrium, also of wide cycles; small ones have the
    period 2 pi / sqrt(alpha gamma)."""
    system = LotkaVolterra()
    rest = np.array(system.equilibria["coexistence"])
    for start, period in (
        (rest * [1.0, 1.001], 2.0 * math.pi / math.sqrt(0.545 * 0.803)),
        (np.array([30.0, 4.0]), None),
    ):

        def up(t: float, y: Any) -> Any:
            return y[0] - rest[0]

        up.direction = 1.0  # type: ignore[attr-defined]
        sol = solve_ivp(system, (0.0, 40.0), start, "DOP853", rtol=1e-11, atol=1e-11, events=up, dense_output=True)
        first, second = sol.t_events[0][-2:]
        assert period is None or second - first == pytest.approx(period, rel=1e-6)
        times = np.linspace(first, second, 4001)[:-1]  # the mean of a periodic function: equal weights
        np.testing.assert_allclose(np.mean(sol.sol(times), axis=1), rest, rtol=1e-6)


def test_the_abc_flow_is_its_own_curl_and_keeps_volumes() -> None:
    """SOURCE: Dombre et al., Journal of Fluid Mechanics 167 (1986) 353, section 1."""
    system = ABCFlow()
    for state in np.random.default_rng(3).uniform(-3.0, 3.0, (5, 3)):
        g = slopes(system, state)
        curl = [g[2, 1] - g[1, 2], g[0, 2] - g[2, 0], g[1, 0] - g[0, 1]]
        np.testing.assert_allclose(curl, system(0.0, state), rtol=1e-13)
        assert abs(np.trace(g)) < 1e-14


def test_the_abc_flow_of_equal_waves_rests_at_eight_points() -> None:
    """SOURCE: Dombre et al. (1986), section 2: eight stagnation points for A = B = C, with all cosines 1 / sqrt(2)."""
    found = ABCFlow(A=1.0, B=1.0, C=1.0).equilibria
    assert len(found) == 8
    np.testing.assert_allclose(np.abs(np.cos(list(found.values()))), math.sqrt(0.5), rtol=1e-14)


def test_the_gyres_turn_with_the_angular_velocity_of_their_centres() -> None:
    """SOURCE: closed form, pi^2 A at (1/2, 1/2) and (3/2, 1/2) while they do not sway; the walls are never crossed."""
    still = DoubleGyre(epsilon=0.0)
    for x, sign in ((0.5, 1.0), (1.5, -1.0)):
        rates = np.linalg.eigvals(slopes(still, [x, 0.5]))
        np.testing.assert_allclose(np.sort(rates.imag), [-0.1 * math.pi**2, 0.1 * math.pi**2], rtol=1e-12)
        assert slopes(still, [x, 0.5])[1, 0] * sign < 0.0, "counter-rotating"
    walls = np.array([[0.0, 2.0, 0.7, 1.3], [0.3, 0.6, 0.0, 1.0]])
    for t in (0.0, 1.7, 6.0):
        through = DoubleGyre()(t, walls)
        assert max(np.max(np.abs(through[0, :2])), np.max(np.abs(through[1, 2:]))) < 1e-15


def test_the_gyres_flow_along_the_published_stream_function() -> None:
    """SOURCE: Shadden, Lekien and Marsden, Physica D 212 (2005) 271, section 5: psi, f, a = epsilon sin(omega t) and
    b = 1 - 2 a; the differences are ours."""
    system = DoubleGyre(A=0.3, epsilon=0.2, omega=1.1)

    def psi(t: float, x: float, y: float) -> float:
        a = 0.2 * math.sin(1.1 * t)
        return 0.3 * math.sin(math.pi * (a * x * x + (1.0 - 2.0 * a) * x)) * math.sin(math.pi * y)

    h = 1e-6
    for t, x, y in np.random.default_rng(8).uniform(0.0, [10.0, 2.0, 1.0], (8, 3)):
        along = (psi(t, x + h, y) - psi(t, x - h, y)) / (2.0 * h)
        across = (psi(t, x, y + h) - psi(t, x, y - h)) / (2.0 * h)
        np.testing.assert_allclose(system(t, [x, y]), [-across, along], atol=1e-8)


def test_case_b_keeps_its_symmetry() -> None:
    """Half a turn about the axis z."""
    x, y, z = SprottB()(0.0, [0.3, -0.7, 1.1])
    np.testing.assert_array_equal(SprottB()(0.0, [-0.3, 0.7, 1.1]), [-x, -y, z])
