"""Published numbers of celestial mechanics, each with its source, and what else those systems say of themselves."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import ArgumentError, KindError
from integrators import solve_ivp
from systems import HenonHeiles, Kepler, NBody, Pleiades, RestrictedThreeBody, Stoermer

TIGHT: dict[str, Any] = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-13}

# -- Kepler ----------------------------------------------------------------------------------------------------------


def period(mu: float, semi_axis: float, eccentricity: float) -> float:
    """Time from perihelion to perihelion, by the event of the radial velocity."""
    start = semi_axis * (1.0 - eccentricity)
    speed = np.sqrt(mu / semi_axis * (1.0 + eccentricity) / (1.0 - eccentricity))
    unit = np.sqrt(semi_axis**3 / mu)

    def perihelion(t: float, y: Any) -> Any:
        return y[0] * y[2] + y[1] * y[3]

    perihelion.direction, perihelion.terminal = 1.0, 2  # type: ignore[attr-defined]
    scale = np.array([semi_axis, semi_axis, speed, speed])
    orbit = solve_ivp(
        Kepler(mu=mu), (0.0, 10.0 * unit), [start, 0.0, 0.0, speed], events=perihelion, method="DOP853",
        rtol=1e-13, atol=1e-13 * scale, first_step=1e-2 * unit,
    )  # fmt: skip
    return float(orbit.t_events[0][-1])


def test_squares_of_periods_are_as_cubes_of_semi_axes() -> None:
    # SOURCE: Goldstein, Poole, Safko, Classical Mechanics, 3rd edition, equation (3.71): T = 2 pi sqrt(a^3 / mu).
    for semi_axis, eccentricity in ((1.0, 0.6), (2.5, 0.1), (0.3, 0.9)):
        assert period(1.0, semi_axis, eccentricity) == pytest.approx(2.0 * np.pi * semi_axis**1.5, rel=1e-11)


def test_the_gaussian_year_and_the_period_of_mars() -> None:
    # SOURCE: the Gaussian gravitational constant k = 0.01720209895 and the Gaussian year 365.2568983 days: Explanatory
    # Supplement to the Astronomical Almanac (1992), tables 15.2 and section 1.2.  Mars: a = 1.523679 au, 686.98 days
    # (sidereal), NASA Mars fact sheet.
    mu = 0.01720209895**2  # au^3 / day^2
    assert period(mu, 1.0, 0.0167) == pytest.approx(365.2568983, abs=1e-7)
    assert period(mu, 1.523679, 0.0935) == pytest.approx(686.98, abs=0.01)


# -- the restricted problem ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "close"), [("DOP853", 1e-8), ("Taylor", 1e-9)])
def test_arenstorfs_orbit_returns_to_its_start(method: str, close: float) -> None:
    # SOURCE: Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", 2nd edition, equation (II.0.2).
    system = RestrictedThreeBody()
    assert system.default_state[3] == -2.00158510637908252240537862224
    orbit = solve_ivp(
        system, (0.0, 17.0652165601579625588917206249), system.default_state, method, rtol=1e-13, atol=1e-13
    )
    np.testing.assert_allclose(orbit.y[:, -1], system.default_state, atol=close)
    assert np.max(np.abs(orbit.invariants["jacobi"])) < 1e-8
    assert np.max(np.hypot(orbit.y[0], orbit.y[1])) > 1.2, "around Earth and Moon"


@pytest.mark.slow
def test_arenstorfs_orbit_returns_to_all_its_published_digits() -> None:
    # SOURCE: as above; 28 digits of the speed and the period, so that the return shows how many of them are right.
    with mpmath.workdps(34):
        speed, time = mpmath.mpf("-2.00158510637908252240537862224"), mpmath.mpf("17.0652165601579625588917206249")
        mu = mpmath.mpf("0.012277471")
        system = RestrictedThreeBody(mass_ratio=mu)
        start = [mpmath.mpf("0.994"), mpmath.mpf(0), mpmath.mpf(0), speed]
        end = solve_ivp(system, (mpmath.mpf(0), time), start, method="Taylor").y[:, -1]
        assert max(abs(a - b) for a, b in zip(end, start, strict=True)) < mpmath.mpf("1e-22")


def test_lagranges_points_of_earth_and_moon_are_the_published_ones() -> None:
    # SOURCE: JPL Solar System Dynamics, Three-Body Periodic Orbits, Earth-Moon: mass ratio and libration points.
    found = RestrictedThreeBody(mass_ratio=0.01215058560962404).equilibria
    published = [0.83691513, 1.15568217, -1.00506265]
    np.testing.assert_allclose([found[name][0] for name in ("L1", "L2", "L3")], published, atol=1.5e-8)
    assert found["L4"][:2] == (0.5 - 0.01215058560962404, np.sqrt(0.75))


def test_the_triangle_is_stable_up_to_rouths_mass_ratio() -> None:
    # SOURCE: Routh (1875); Szebehely, section 5.4.3: mu = (1 - sqrt(69) / 9) / 2 = 0.0385208965.
    critical = 0.5 * (1.0 - np.sqrt(69.0) / 9.0)
    assert critical == pytest.approx(0.0385208965, abs=5e-11)
    for mu, stable in ((critical - 1e-5, True), (critical + 1e-5, False)):
        system = RestrictedThreeBody(mass_ratio=mu)
        slopes = ds.jacobian(lambda y, system=system: system(0.0, y))(np.array(system.equilibria["L4"]))
        assert (np.max(np.linalg.eigvals(slopes).real) < 1e-6) == stable


def test_lagranges_points_carry_the_derivative_of_the_mass_ratio() -> None:
    for name in ("L1", "L2", "L3"):

        def place(mu: Any, name: str = name) -> Any:
            return RestrictedThreeBody(mass_ratio=mu).equilibria[name][0]

        h = 1e-4
        slope = (place(0.02 - 2 * h) - 8 * place(0.02 - h) + 8 * place(0.02 + h) - place(0.02 + 2 * h)) / (12 * h)
        assert ds.grad(place)(0.02) == pytest.approx(slope, rel=1e-7)
        bend = (ds.grad(place)(0.02 + h) - ds.grad(place)(0.02 - h)) / (2 * h)
        assert ds.grad(ds.grad(place))(0.02) == pytest.approx(bend, rel=1e-4)
    many = RestrictedThreeBody(mass_ratio=np.array([0.01, 0.02])).equilibria["L1"][0]
    assert many[1] == RestrictedThreeBody(mass_ratio=0.02).equilibria["L1"][0]
    with pytest.raises(ArgumentError, match="mass_ratio must be < 1"):
        RestrictedThreeBody(mass_ratio=1.5)


# -- many bodies -----------------------------------------------------------------------------------------------------

EIGHT = 6.32591398
"""SOURCE: Chenciner and Montgomery, Annals of Mathematics 152 (2000) 881, section 1: Simo's period and start."""


def test_the_figure_eight_returns_to_its_start() -> None:
    system = NBody()
    start = np.array(system.default_state)
    assert start[[0, 3, 8, 11]].tolist() == [0.97000436, -0.24308753, -0.93240737, -0.86473146]
    orbit = solve_ivp(system, (0.0, EIGHT), start, t_eval=np.linspace(0.0, EIGHT, 4), **TIGHT)
    np.testing.assert_allclose(orbit.y[:, -1], start, atol=1e-7)
    for drift in orbit.invariants.values():
        assert np.max(np.abs(drift)) < 1e-11
    moved = start.reshape(4, 3)[:, [2, 0, 1]].ravel()  # a third of the period later each is where the next one was
    apart = [np.max(np.abs(orbit.y[:, k] - moved)) for k in (1, 2)]
    assert min(apart) < 1e-7 < max(apart)
    # SOURCE: Simo, "Dynamical properties of the figure eight solution" (2002): energy -1.287146, no angular momentum.
    assert system.energy(start) == pytest.approx(-1.287142, abs=5e-6)
    assert system.angular_momentum(start) == 0.0


def test_newtons_method_with_our_gradient_finds_the_published_digits_of_the_figure_eight() -> None:
    """A sixth of the period after the start the bodies are in line again, another one in the middle."""

    def start_of(p: Any) -> Any:
        x, y, v_x, v_y = (p[i] for i in range(4))
        zero = 0.0 * x
        return ds.stack([x, -x, zero, y, -y, zero, -v_x / 2, -v_x / 2, v_x, -v_y / 2, -v_y / 2, v_y])

    def miss(p: Any) -> Any:
        end = solve_ivp(NBody(), (0.0, EIGHT / 6.0), start_of(p), t_eval=[EIGHT / 6.0], **TIGHT).y[:, -1]
        return ds.stack(
            [end[1], end[4], end[6] - end[8], end[9] - end[11]]
        )  # body 2 in the middle, 1 and 3 side by side

    published = np.array([0.97000436, -0.24308753, -0.93240737, -0.86473146])
    p = published + np.array([3e-4, -2e-4, 1e-4, 2e-4])
    for _ in range(6):
        p = p - np.linalg.lstsq(ds.jacobian(miss)(p), miss(p), rcond=1e-8)[0]
    assert np.max(np.abs(miss(p))) < 1e-12
    found, known = ((np.hypot(*q[:2]), np.hypot(*q[2:]), q[:2] @ q[2:]) for q in (p, published))
    np.testing.assert_allclose(found, known, atol=2e-8)  # the eight may be turned; its size and its speed may not


PLEIADES = [
    *(0.3706139143970502, 3.237284092057233, -3.222559032418324, 0.6597091455775310, 0.3425581707156584),
    *(1.562172101400631, -0.7003092922212495, -3.943437585517392, -3.271380973972550, 5.225081843456543),
    *(-2.590612434977470, 1.198213693392275, -0.2429682344935824, 1.091449240428980, 3.417003806314313),
    *(1.354584501625501, -2.590065597810775, 2.025053734714242, -1.155815100160448, -0.8072988170223021),
    *(0.5952396354208710, -3.741244961234010, 0.3773459685750630, 0.9386858869551073, 0.3667922227200571),
    *(-0.3474046353808490, 2.344915448180937, -1.947020434263292),
]
"""SOURCE: Mazzia and Magherini, Test Set for Initial Value Problem Solvers, release 2.4, problem Pleiades: t = 3."""


def test_the_pleiades_end_where_the_test_set_says() -> None:
    system = Pleiades()
    orbit = solve_ivp(system, (0.0, 3.0), system.default_state, t_eval=[3.0], **TIGHT)
    np.testing.assert_allclose(orbit.y[:, -1], PLEIADES, rtol=1e-9, atol=1e-9)
    for drift in orbit.invariants.values():
        assert np.max(np.abs(drift)) < 1e-9


def test_a_regular_polygon_of_equal_masses_goes_round() -> None:
    for n in (2, 4, 5):
        system = NBody(masses=(1.0,) * n)
        end = solve_ivp(system, (0.0, 1.0), system.default_state, t_eval=[1.0], compiled=False, **TIGHT).y[:, -1]
        np.testing.assert_allclose(np.linalg.norm(system.positions(end), axis=1), 1.0, rtol=1e-8)


def test_two_bodies_are_keplers_problem() -> None:
    system = NBody(gravity=2.0, masses=(3.0, 1.0))
    start = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.5]
    apart = solve_ivp(Kepler(mu=8.0), (0.0, 2.0), [1.0, 0.0, 0.0, 2.5], t_eval=[1.0, 2.0], **TIGHT).y
    both = solve_ivp(system, (0.0, 2.0), start, t_eval=[1.0, 2.0], **TIGHT).y
    np.testing.assert_allclose(both[[1, 3]] - both[[0, 2]], apart[:2], rtol=1e-10)


def test_masses_are_checked_and_are_no_parameters() -> None:
    assert NBody().parameter_names == ("gravity",)
    assert NBody(masses=[1, 2]).masses == (1.0, 2.0)
    assert NBody(masses=(1.0, 2.0)).state_names == ("x_1", "x_2", "y_1", "y_2", "v_x_1", "v_x_2", "v_y_1", "v_y_2")
    assert (NBody().canonical, NBody(masses=(1.0, 2.0)).canonical) == (True, False)
    with pytest.raises(KindError, match="masses must be a tuple of plain numbers, an option by which nothing is"):
        NBody(masses=(ds.Value(1.0), 1.0))
    with pytest.raises(ArgumentError, match="masses must be those of two bodies or more"):
        NBody(masses=(1.0,))
    with pytest.raises(ArgumentError, match=r"masses\[1\] must be > 0"):
        NBody(masses=(1.0, -1.0))


# -- Henon and Heiles, Stoermer --------------------------------------------------------------------------------------


def test_stars_escape_over_the_saddles_at_a_sixth() -> None:
    # SOURCE: Henon and Heiles, Astronomical Journal 69 (1964) 73: the zero-velocity curve is a triangle at E = 1/6.
    system = HenonHeiles()
    for name, state in system.equilibria.items():
        assert system.energy(state) == pytest.approx(0.0 if name == "centre" else 1.0 / 6.0, abs=1e-16)
    bound = solve_ivp(system, (0.0, 200.0), system.default_state, rtol=1e-9, atol=1e-9)
    assert np.max(np.abs(bound.y[:2])) < 1.0
    escaping = solve_ivp(system, (0.0, 200.0), [0.0, 0.9, 0.0, 0.6], rtol=1e-6, atol=1e-6)
    assert escaping.status == -1 or np.max(np.abs(escaping.y[:2])) > 10.0


def test_sections_are_regular_at_a_twelfth_and_chaotic_at_an_eighth() -> None:
    # SOURCE: Henon and Heiles (1964), figures 4 and 5: curves at E = 0.08333, mostly a sea at 0.125.
    system, time = HenonHeiles(), 500.0
    growth = {}
    for energy in (1.0 / 12.0, 1.0 / 8.0):
        start = np.array([0.0, -0.25, np.sqrt(2.0 * (energy - system.potential_energy([0.0, -0.25]))), 0.0])
        flow = solve_ivp(system, (0.0, time), start, "DOP853", t_eval=[time], rtol=1e-9, atol=1e-9, sensitivities="y0")
        growth[energy] = np.log(np.linalg.norm(flow.dy_dy0[..., -1], 2)) / time
    assert growth[1.0 / 12.0] < 0.018
    assert growth[1.0 / 8.0] > 0.035


def test_a_charge_is_trapped_below_the_pass_at_one_thirty_second() -> None:
    # SOURCE: Dragt, Reviews of Geophysics 3 (1965) 255, section 3: the pass lies at rho = 2, with the energy 1/32.
    system = Stoermer()
    assert system.equilibria["pass"] == (2.0, 0.0, 0.0, 0.0)
    assert system.energy(system.equilibria["pass"]) == 1.0 / 32.0
    orbit = solve_ivp(system, (0.0, 100.0), system.default_state, "DOP853", rtol=1e-10, atol=1e-10)
    assert np.max(orbit.y[0]) < 2.0
    assert np.max(np.abs(orbit.invariants["energy"])) < 1e-9
    speed = np.sqrt(2.0 * 1.3 / 32.0)
    free = solve_ivp(system, (0.0, 100.0), [1.0, 0.0, speed, 0.0], "DOP853", rtol=1e-10, atol=1e-10)
    assert free.y[0, -1] > 4.0


def test_the_meridian_plane_goes_round_with_the_particle_in_space() -> None:
    """The reduced equations against the Lorentz force of a dipole in three dimensions."""
    sqrt = np.sqrt

    def lorentz(t: float, y: Any) -> list[Any]:
        x, y_, z, v_x, v_y, v_z = y
        r = sqrt(x * x + y_ * y_ + z * z)
        along = 3.0 * z / r**5  # B = (3 z r - r^2 e_z) / r^5, with the potential A_phi = rho / r^3
        b_x, b_y, b_z = along * x, along * y_, along * z - 1.0 / r**3
        return [v_x, v_y, v_z, v_y * b_z - v_z * b_y, v_z * b_x - v_x * b_z, v_x * b_y - v_y * b_x]

    start = [1.1, 0.1, 0.05, 0.15]
    around = 1.0 / start[0] - start[0] / np.hypot(start[0], start[1]) ** 3
    space = solve_ivp(lorentz, (0.0, 20.0), [start[0], 0.0, start[1], start[2], around, start[3]], **TIGHT).y[:, -1]
    plane = solve_ivp(Stoermer(), (0.0, 20.0), start, **TIGHT).y[:, -1]
    rho = np.hypot(space[0], space[1])
    radial = (space[0] * space[3] + space[1] * space[4]) / rho
    np.testing.assert_allclose([rho, space[2], radial, space[5]], plane, rtol=1e-8, atol=1e-9)
