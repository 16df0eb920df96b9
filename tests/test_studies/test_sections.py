"""Sections, bifurcation diagrams and basins: against exact solutions, SciPy's events, published values, plain loops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp

from diffsim import ops
from diffsim.cli import main
from diffsim.errors import ArgumentError, KindError, RunError
from integrators import solve_ivp
from studies import basins, bifurcation_diagram, load, poincare_section
from systems import (
    BouncingBall,
    DiscreteMap,
    DoublePendulum,
    Duffing,
    HarmonicOscillator,
    LogisticMap,
    Lorenz63,
    Pendulum,
    Roessler,
)

# -- sections --------------------------------------------------------------------------------------------------------


def test_crossings_of_the_oscillator_are_at_its_quarter_periods():
    for direction, first in ((1, 1.5), (-1, 0.5)):
        found = poincare_section(
            HarmonicOscillator(), {"x": 0.0}, y0=[2.0, 0.0], n_points=6, direction=direction, rtol=1e-12, atol=1e-12
        )
        np.testing.assert_allclose(found.t[0] / np.pi, first + 2.0 * np.arange(6), rtol=1e-10)
        np.testing.assert_allclose(found.y[0, 0], 0.0, atol=1e-14)
        np.testing.assert_allclose(found.y[0, 1], 2.0 * direction, rtol=1e-9)
    both = poincare_section(HarmonicOscillator(), {"x": 0.0}, y0=[2.0, 0.0], n_points=6, direction=0)
    np.testing.assert_allclose(both.t[0] / np.pi, 0.5 + np.arange(6), rtol=1e-8)


def test_section_of_lorenz_is_that_of_scipys_events():
    def falls(t, y):
        return y[2] - 27.0

    falls.direction = -1
    y0 = Lorenz63().default_state
    run = scipy_solve_ivp(
        lambda t, y: Lorenz63()(t, y), (0.0, 8.0), y0, "DOP853", rtol=1e-12, atol=1e-12, events=falls, max_step=0.02
    )
    found = poincare_section(Lorenz63(), {"z": 27.0}, direction=-1, t_end=8.0, n_points=100, rtol=1e-12, atol=1e-12)
    assert found.n_found.tolist() == [len(run.t_events[0])]
    assert found.n_found[0] >= 8
    np.testing.assert_allclose(found.t[0, : found.n_found[0]], run.t_events[0], atol=1e-7)
    np.testing.assert_allclose(found.points("x", "y"), run.y_events[0][:, :2].T, atol=1e-5)
    assert np.isnan(found.t[0, found.n_found[0] :]).all()


def test_start_on_the_section_is_no_crossing_and_an_angle_counts_but_for_turns():
    found = poincare_section(Pendulum(), {"theta": 0.0}, y0=[0.0, 8.0], n_points=4, direction=1)
    assert (found.t[0] > 0.5).all()
    np.testing.assert_allclose(found.y[0, 0] / (2.0 * np.pi), [1.0, 2.0, 3.0, 4.0], rtol=1e-9)  # it goes round
    np.testing.assert_allclose(np.diff(found.t[0]), found.t[0, 0], rtol=1e-6)  # in even turns


def test_section_by_a_function_is_that_by_its_component():
    by_name = poincare_section(Lorenz63(), {"z": 27.0}, n_points=5)
    by_function = poincare_section(Lorenz63(), lambda y: y[2] - 27.0, n_points=5)
    np.testing.assert_allclose(by_function.y, by_name.y, rtol=1e-9)


def test_starts_drawn_on_an_energy_surface_have_its_energy_and_keep_it():
    call = {"energy": -12.0, "solve_for": "p_1", "ranges": {"theta_2": (-1.5, 1.5), "p_2": (-0.5, 0.5)}}
    found = poincare_section(DoublePendulum(), {"theta_1": 0.0}, **call, n_starts=5, n_points=20, seed=3)
    np.testing.assert_allclose(DoublePendulum().energy(found.starts.T), -12.0, rtol=1e-13)
    assert (found.starts[:, 0] == 0.0).all()
    np.testing.assert_allclose(DoublePendulum().energy(found.points()), -12.0, atol=1e-7)
    assert found.points().shape == (4, 100)
    again = poincare_section(DoublePendulum(), {"theta_1": 0.0}, **call, n_starts=5, n_points=20, seed=3, tile=2)
    np.testing.assert_array_equal(again.y, found.y)


def test_section_is_saved_loaded_drawn_and_run_again(tmp_path):
    found = poincare_section(Lorenz63(), {"z": 27.0}, y0=np.array([[1.0, 1.0, 20.0], [2.0, 1.0, 20.0]]).T, n_points=9)
    again = load(found.save(tmp_path / "section.npz"))
    np.testing.assert_array_equal(again.y, found.y)
    np.testing.assert_array_equal(again.rerun().y, found.y)
    figure = again.plot("x", "y")
    assert figure.axes[0].get_xlabel() == "$x$"
    assert "27 upwards" in figure.axes[0].get_title()
    with pytest.raises(ArgumentError, match="for starts that were drawn"):
        again.zoom(x=(0.0, 1.0))


BAD_SECTIONS = [
    (KindError, "LogisticMap is a map", LogisticMap(), {"x": 0.5}, {}),
    (KindError, "must have no events of its own", BouncingBall(), {"velocity": 0.0}, {}),
    (ArgumentError, "unknown state component 'w'", Lorenz63(), {"w": 0.0}, {}),
    (ArgumentError, "section must name one component", Lorenz63(), {"x": 0.0, "y": 1.0}, {}),
    (KindError, "section must be a mapping such as", Lorenz63(), 3.0, {}),
    (ArgumentError, "section must give one number a state", Lorenz63(), lambda y: y, {}),
    (ArgumentError, "direction must be 1", Lorenz63(), {"z": 27.0}, {"direction": 2}),
    (ArgumentError, "y0 must be 3 numbers, or an array", Lorenz63(), {"z": 27.0}, {"y0": np.ones((2, 2))}),
    (KindError, "Lorenz63 has none", Lorenz63(), {"z": 27.0}, {"energy": 1.0}),
    (ArgumentError, "needs solve_for= and ranges=", Pendulum(), {"theta": 0.0}, {"energy": 1.0}),
    (ArgumentError, "must leave out the section's component", DoublePendulum(), {"theta_1": 0.0},
     {"energy": 1.0, "solve_for": "p_1", "ranges": {"theta_1": (0.0, 1.0)}}),
    (RunError, "hardly any has the energy -30", DoublePendulum(), {"theta_1": 0.0},
     {"energy": -30.0, "solve_for": "p_1", "ranges": {"p_2": (-1.0, 1.0)}, "n_starts": 3}),
    (ArgumentError, "ranges is for starts of a given energy", Lorenz63(), {"z": 27.0}, {"ranges": {"x": (0.0, 1.0)}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "message", "system", "section", "more"), BAD_SECTIONS, ids=[b[1] for b in BAD_SECTIONS]
)
def test_bad_section_is_named(kind, message, system, section, more):
    with pytest.raises(kind, match=message):
        poincare_section(system, section, n_points=2, **more)


# -- bifurcation diagrams --------------------------------------------------------------------------------------------


def test_logistic_map_doubles_its_period_where_it_is_known_to():
    """SOURCE: Strogatz, section 10.2 and 10.3: at 3, 1 + sqrt(6), 3.54409; the window of period 3 from 1 + sqrt(8)."""
    r = [2.9, 2.99, 3.01, 3.44, 3.46, 3.54, 3.55, 3.835, 3.9]
    found = bifurcation_diagram(LogisticMap(), {"r": r}, transient=20000, n_points=64)
    assert found.periods().tolist() == [1, 1, 2, 2, 4, 4, 8, 3, 0]
    np.testing.assert_allclose(found.values[0], 1.0 - 1.0 / 2.9, rtol=1e-9)


def test_roessler_doubles_its_period():
    """SOURCE: the known cascade of a = b = 0.1: c = 4 has a simple cycle, 6 a double one, 8.5 one of period four."""
    found = bifurcation_diagram(
        Roessler(a=0.1, b=0.1), {"c": [4.0, 6.0, 8.5]}, observable="x", transient=600.0, n_points=16, t_end=900.0
    )
    assert found.periods(tolerance=1e-3).tolist() == [1, 2, 4]


def test_extrema_are_where_the_component_turns():
    system = HarmonicOscillator()
    for record, sign in (("maxima", 1.0), ("minima", -1.0)):
        found = bifurcation_diagram(
            system, {"x": [1.0, 2.0]}, y0=[0.0, 0.0], observable="x", record=record, transient=1.0, n_points=3
        )
        np.testing.assert_allclose(found.values, sign * np.repeat([[1.0], [2.0]], 3, axis=1), rtol=1e-8)


def test_drive_is_sampled_once_a_period():
    amplitude, period = [0.2, 0.28], 2.0 * np.pi / 1.2
    found = bifurcation_diagram(
        Duffing(), {"drive_amplitude": amplitude}, observable="x", record=period, transient=3 * period, n_points=5
    )
    for row, strength in zip(found.values, amplitude, strict=True):
        times = (3 + np.arange(5)) * period
        alone = solve_ivp(Duffing(drive_amplitude=strength), (0.0, times[-1]), Duffing().default_state, t_eval=times,
                          method="DOP853", rtol=1e-11, atol=1e-11)  # fmt: skip
        np.testing.assert_allclose(row, alone.y[0], atol=1e-5)


def test_run_that_escapes_is_told_and_left_out(tmp_path):
    found = bifurcation_diagram(LogisticMap(), {"r": [3.2, 4.5]}, n_points=4)
    assert found.failed.tolist() == [False, True]
    assert np.isnan(found.values[1]).all()
    assert "1 runs failed" in repr(found)
    again = load(found.save(tmp_path / "fig.npz"))
    np.testing.assert_array_equal(again.rerun().values, found.values)
    assert again.zoom(r=(2.0, 3.0), n=4).values.shape == (4, 4)
    assert "iterates after 1000 iterations" in again.plot().axes[0].get_title()


@pytest.mark.parametrize(
    ("message", "system", "axes", "more"),
    [
        ("axes must name one", LogisticMap(), {}, {}),
        ("unknown state component or parameter 'q'", LogisticMap(), {"q": [1.0]}, {}),
        ("of a map each iterate is recorded", LogisticMap(), {"r": [1.0]}, {"record": "maxima"}),
        ("unknown record 'maximum'", Lorenz63(), {"rho": [20.0]}, {"record": "maximum"}),
        ("count iterations", LogisticMap(), {"r": [1.0]}, {"transient": 1.5}),
        ("must be beyond the transient", Lorenz63(), {"rho": [20.0]}, {"transient": 5.0, "t_end": 4.0}),
    ],
)
def test_bad_diagram_is_named(message, system, axes, more):
    with pytest.raises(ArgumentError, match=message):
        bifurcation_diagram(system, axes, n_points=2, **more)


# -- basins ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewtonCubic(DiscreteMap):
    """Newton's method for z^3 = 1, in real numbers."""

    power: float = 3.0
    state_names = ("x", "y")

    def image(self, n, state):
        x, y = state
        a, b = x * x - y * y, 2.0 * x * y  # z^2
        size = 3.0 * (a * a + b * b)
        return (2.0 * x + 3.0 * a / size) / 3.0, (2.0 * y - 3.0 * b / size) / 3.0

    @property
    def default_state(self):
        return (1.0, 0.5)


def test_basins_of_newtons_method_are_those_of_complex_iteration():
    roots = np.exp(2j * np.pi * np.arange(3) / 3.0)
    side = np.linspace(-1.53, 1.47, 24)
    attractors = {f"root {k}": [root.real, root.imag] for k, root in enumerate(roots)}
    found = basins(NewtonCubic(), {"x": side, "y": side}, attractors=attractors, t_end=60, tolerance=1e-9)
    z = side[:, None] + 1j * side[None, :]
    for _ in range(60):
        z = z - (z**3 - 1.0) / (3.0 * z**2)
    exact = 1 + np.abs(z[..., None] - roots).argmin(axis=-1)
    np.testing.assert_array_equal(found.labels, exact)
    assert found.shares["root 1"] == pytest.approx(found.shares["root 2"], abs=0.1)


def test_both_wells_of_duffing_have_mirrored_basins(tmp_path):
    side = (np.arange(10) - 4.5) / 3.0
    found = basins(Duffing(drive_amplitude=0.0), {"x": side, "v": side}, t_end=120.0)
    assert found.names == ("middle", "left", "right")
    left, right = (found.labels == 2), (found.labels == 3)
    np.testing.assert_array_equal(left, right[::-1, ::-1])
    assert left.sum() + right.sum() == 100
    again = load(found.save(tmp_path / "basins.npz"))
    assert again.names == found.names
    np.testing.assert_array_equal(again.rerun().labels, found.labels)
    texts = [text.get_text() for text in again.plot().legends[0].get_texts()]
    assert texts == ["left", "right"]


def test_pendulum_with_whole_turns_ends_at_one_rest():
    @dataclass(frozen=True)
    class Damped(Pendulum):
        def rates(self, t, state):
            theta, p = state
            return p, -9.8 * ops.sin(theta) - 0.8 * p

    found = basins(Damped(), {"theta": [0.5, 2.0], "p": [0.0, 12.0]}, attractors={"hanging": [0.0, 0.0]}, t_end=40.0)
    assert (found.labels == 1).all()
    assert found.shares == {"hanging": 1.0, "": 0.0}


def test_attractors_must_be_there_and_fit():
    axes = {"x": [0.0], "y": [0.0]}
    with pytest.raises(ArgumentError, match="NewtonCubic declares no equilibria"):
        basins(NewtonCubic(), axes)
    with pytest.raises(ArgumentError, match=r"attractors\['one'\] must be 2 finite numbers"):
        basins(NewtonCubic(), axes, attractors={"one": [1.0]})


# -- commands --------------------------------------------------------------------------------------------------------


def test_commands_write_sections_and_diagrams(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    energy = ["--energy=-12", "--solve-for", "p_1", "--range", "theta_2=-1:1", "--y0", "0,0,0,0.1", "--starts", "3",
              "--points", "5"]  # fmt: skip
    out = ["--out", "s.png", "--out", "s.npz"]
    assert main(["section", "DoublePendulum", "--at", "theta_1=0", *energy, "--plane", "theta_2,p_2", *out]) == 0
    assert load("s.npz").points().shape == (4, 15)
    assert main(["section", "Lorenz63", "--at", "z=27", "--points", "3", "--y0", "1,1,20", "--out", "l.png"]) == 0
    assert main(["bifurcation", "LogisticMap", "--axis", "r=2.8:4:30", "--out", "b.png", "--out", "b.npz"]) == 0
    assert load("b.npz").values.shape == (30, 100)
    assert "BifurcationDiagram(LogisticMap: x over r (30), 3000 points)" in capsys.readouterr().out
    assert main(["section", "Lorenz63", "--at", "q=27"]) == 2
    assert "unknown state component 'q'" in capsys.readouterr().err
    assert main(["bifurcation", "Lorenz63", "--axis", "rho=1:2:3", "--record", "often"]) == 2
    assert "--record" in capsys.readouterr().err
