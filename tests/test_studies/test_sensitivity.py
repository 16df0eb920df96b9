"""`sensitivity_map`: against known flows, an independent integrator of the variational equations, and differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp as scipy_solve_ivp
from scipy.linalg import expm

from diffsim import ops
from diffsim.errors import ArgumentError, KindError
from diffsim.testing import check_gradients
from integrators import solve_ivp
from studies._output import pi_text, symbol
from studies._sensitivity import sensitivity_map
from systems import DoublePendulum, HarmonicOscillator, Lorenz63, Pendulum

START = (0.4, 0.0, 1.0, 4.0)


def rods(t, y):
    """The double pendulum's equations as the textbook has them, for floats and complex numbers."""
    a, b, p, q = y
    c, s = np.cos(a - b), np.sin(a - b)
    divisor = 16.0 - 9.0 * c * c
    u, v = 6.0 * (2.0 * p - 3.0 * c * q) / divisor, 6.0 * (8.0 * q - 3.0 * c * p) / divisor
    return np.array([u, v, -0.5 * (u * v * s + 29.4 * np.sin(a)), -0.5 * (-u * v * s + 9.8 * np.sin(b))])


def variational(t, z):
    """State and tangents; the Jacobian by complex steps, which know no rounding error."""
    y, tangents = z[:4], z[4:].reshape(4, 4)
    jacobian = np.stack([rods(t, y + 1e-30j * np.eye(4)[k]).imag / 1e-30 for k in range(4)], axis=1)
    return np.concatenate([rods(t, y), (jacobian @ tangents).ravel()])


def flow_map(y0, t_end):
    """Derivative of the flow by SciPy's DOP853 on the variational equations."""
    run = scipy_solve_ivp(variational, (0.0, t_end), np.concatenate([y0, np.eye(4).ravel()]), "DOP853",
                          rtol=1e-11, atol=1e-12)  # fmt: skip
    return run.y[4:, -1].reshape(4, 4)


def one_cell(**arguments):
    """The map of the single start (0.4, 0, 1, 4)."""
    result = sensitivity_map(DoublePendulum(), {"p_1": [1.0], "p_2": [4.0]}, y0=START, **arguments)
    return float(result.values[0, 0])


@pytest.mark.parametrize(("t_end", "published"), [(1.0, 16.5), (2.0, 24.5), (5.0, 2755.0)])
def test_largest_singular_value_of_the_chaotic_start_is_the_true_flows(t_end, published):
    sigma = one_cell(t_end=t_end, measure="singular_value", step=0.0025)
    assert sigma == pytest.approx(published, rel=3e-3)
    assert sigma == pytest.approx(np.linalg.svd(flow_map(START, t_end))[1][0], rel=3e-3)


def test_gradient_of_the_lower_angle_is_the_known_row():
    exact = np.linalg.norm([-111.068, 135.598, -104.511, 52.6617])  # true flow at T = 5
    assert one_cell(t_end=5.0, step=0.0025) == pytest.approx(exact, rel=3e-3)


def test_lyapunov_exponent_is_the_logarithm_of_the_singular_value():
    sigma, exponent = (one_cell(t_end=2.0, measure=measure) for measure in ("singular_value", "ftle"))
    assert exponent == pytest.approx(np.log(sigma) / 2.0, rel=1e-14)


def test_map_agrees_with_differences_of_the_discrete_flow():
    axes = {"theta_1": [0.3, 0.9, 2.0], "theta_2": [-1.0, 0.2]}
    result = sensitivity_map(DoublePendulum(), axes, y0=[0.0, 0.0, 0.5, 0.2], t_end=1.0, measure="singular_value")

    def end(y0):
        return solve_ivp(DoublePendulum(), (0.0, 1.0), y0, method="RK4", step=0.01, t_eval=[1.0]).y[:, 0]

    for i, a in enumerate(axes["theta_1"]):
        for j, b in enumerate(axes["theta_2"]):
            y0 = np.array([a, b, 0.5, 0.2])
            columns = [(end(y0 + h) - end(y0 - h)) / 2e-6 for h in 1e-6 * np.eye(4)]
            assert result.values[i, j] == pytest.approx(np.linalg.svd(np.array(columns).T)[1][0], rel=1e-7)


def test_linear_system_has_the_norm_of_its_matrix_exponential_everywhere():
    oscillator = HarmonicOscillator()
    matrix = np.stack([oscillator(0.0, column) for column in np.eye(2)], axis=1)
    result = sensitivity_map(oscillator, {"x": [-1.0, 0.0, 2.0], "p": [0.5, 1.0]}, t_end=1.7, measure="singular_value")
    np.testing.assert_allclose(result.values, np.linalg.norm(expm(1.7 * matrix), 2), rtol=1e-8)


def test_parameter_as_an_axis_gives_each_cell_its_own_system():
    axes = {"gravity": [1.6, 9.8], "theta": [0.5, 2.0, 3.0]}
    result = sensitivity_map(Pendulum(), axes, t_end=2.0, measure="singular_value")
    for i, gravity in enumerate(axes["gravity"]):
        alone = sensitivity_map(
            Pendulum(gravity=gravity),
            {"theta": axes["theta"], "p": [result.y0[1]]},
            t_end=2.0,
            measure="singular_value",
        )
        np.testing.assert_allclose(result.values[i], alone.values[:, 0], rtol=1e-13)
    assert result.most_sensitive(1)[0].point["gravity"] in axes["gravity"]


def test_observable_given_as_a_function_has_its_exact_gradient():
    def height(y):
        return -ops.cos(y[0]) - np.cos(y[1])

    result = sensitivity_map(
        DoublePendulum(), {"p_1": [1.0, 2.0], "p_2": [4.0]}, y0=START, t_end=1.0, observable=height
    )
    for i, p_1 in enumerate((1.0, 2.0)):

        def of_start(y0):
            return height(solve_ivp(DoublePendulum(), (0.0, 1.0), y0, method="RK4", step=0.01, t_eval=[1.0]).y[:, 0])

        y0 = np.array([0.4, 0.0, p_1, 4.0])
        slopes = [(of_start(y0 + h) - of_start(y0 - h)) / 2e-6 for h in 1e-6 * np.eye(4)]
        assert result.values[i, 0] == pytest.approx(np.linalg.norm(slopes), rel=1e-7)
    assert result.observable == "height"
    check_gradients(height, np.array([0.4, 0.1, 1.0, 2.0]))


def test_named_component_and_function_of_it_agree():
    axes = {"theta_1": [0.3, 2.0], "theta_2": [0.1, 1.0]}
    named = sensitivity_map(DoublePendulum(), axes, t_end=1.0, observable="theta_2")
    as_function = sensitivity_map(DoublePendulum(), axes, t_end=1.0, observable=lambda y: 1.0 * y[1])
    default = sensitivity_map(DoublePendulum(), axes, t_end=1.0)
    np.testing.assert_allclose(as_function.values, named.values, rtol=1e-15)
    assert default.values.tolist() == named.values.tolist()


def test_fewer_components_that_may_change_leave_columns_out():
    matrix = flow_map(START, 1.0)
    angles = one_cell(t_end=1.0, measure="singular_value", wrt=("theta_1", "theta_2"), step=0.002)
    assert angles == pytest.approx(np.linalg.norm(matrix[:, :2], 2), rel=1e-4)
    momentum = one_cell(t_end=1.0, observable="p_1", wrt="p_2", step=0.002)
    assert momentum == pytest.approx(abs(matrix[2, 3]), rel=1e-4)


def test_adaptive_method_gives_the_same_map():
    fixed = one_cell(t_end=1.0, measure="singular_value", step=0.001)
    adaptive = one_cell(t_end=1.0, measure="singular_value", method="RK45", rtol=1e-9, atol=1e-9)
    assert adaptive == pytest.approx(fixed, rel=1e-5)


@pytest.mark.parametrize(
    ("theta_1", "theta_2", "exponent"),
    [(2.6445828783148455, 3.000466421104314, 3.06916), (2.6200391857086753, 2.141437179888355, 2.91489)],
)
def test_most_sensitive_starts_of_the_square_have_the_exponents_of_long_doubles(theta_1, theta_2, exponent):
    """SOURCE: Gragg's method with extrapolation to order 16 in long doubles, tangents by complex steps, h = 1/160."""
    result = sensitivity_map(
        DoublePendulum(), {"theta_1": [theta_1], "theta_2": [theta_2]}, y0=np.zeros(4), measure="ftle", method="Vern9",
        step=0.0025,
    )  # fmt: skip
    assert result.values[0, 0] == pytest.approx(exponent, abs=2e-3)


def test_starts_without_enough_energy_to_flip_are_the_calm_ones():
    angles = np.linspace(-np.pi, np.pi, 12, endpoint=False)
    result = sensitivity_map(
        DoublePendulum(), {"theta_1": angles, "theta_2": angles}, y0=np.zeros(4), t_end=4.0, measure="ftle", step=0.02
    )
    calm = 3.0 * np.cos(angles)[:, None] + np.cos(angles)[None, :] > 2.0
    assert np.median(result.values[calm]) < 0.5 * np.median(result.values[~calm])
    np.testing.assert_allclose(result.values[1:, 1:], result.values[1:, 1:][::-1, ::-1], rtol=1e-6)  # mirrored starts


@settings(max_examples=15)
@given(
    y0=st.lists(st.floats(-3.0, 3.0), min_size=4, max_size=4),
    gravity=st.floats(0.5, 20.0),
    t_end=st.floats(0.2, 1.0),
)
def test_flow_of_a_hamiltonian_system_never_only_shrinks(y0, gravity, t_end):
    """Its derivative is symplectic, so that with every singular value sigma comes 1 / sigma."""
    axes = {"theta_1": [y0[0]], "p_2": [y0[3]]}
    sigma = sensitivity_map(DoublePendulum(gravity=gravity), axes, y0=y0, t_end=t_end, measure="singular_value")
    assert sigma.values[0, 0] >= 1.0 - 1e-4


def test_tiles_do_not_change_the_map():
    axes = {"theta_1": np.linspace(-2.0, 2.0, 5), "theta_2": np.linspace(-1.0, 1.0, 5)}
    whole = sensitivity_map(DoublePendulum(), axes, t_end=0.5)
    parts = sensitivity_map(DoublePendulum(), axes, t_end=0.5, tile=7)
    np.testing.assert_array_equal(parts.values, whole.values)


# -- failures, ranking -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exploded():
    """Lorenz with a step that is far too long for some starts: they blow up, their neighbours do not."""
    return sensitivity_map(
        Lorenz63(), {"x": [1.0, 1e3, 1e200], "z": [20.0, 25.0]}, t_end=1.0, step=0.01, measure="singular_value"
    )


def test_cell_that_blows_up_is_nan_and_counted_and_its_neighbours_are_not(exploded):
    assert np.isnan(exploded.values[2]).all()
    assert exploded.failed[2].all()
    assert exploded.n_failed == int(np.isnan(exploded.values).sum()) >= 2
    alone = sensitivity_map(Lorenz63(), {"x": [1.0], "z": [20.0, 25.0]}, t_end=1.0, measure="singular_value")
    np.testing.assert_allclose(exploded.values[:1], alone.values, rtol=1e-13)
    assert "failed" in repr(exploded)


def test_ranking_leaves_failed_cells_out_and_is_sorted(exploded):
    ranked = exploded.ranked
    values = [start.value for start in ranked]
    assert values == sorted(values, reverse=True)
    assert len(ranked) == exploded.values.size - exploded.n_failed
    assert exploded.most_sensitive(1)[0] == ranked[0]
    assert exploded.least_sensitive(2) == ranked[::-1][:2]
    top = ranked[0]
    assert exploded.values[top.cell] == top.value
    assert top.y0 == (top.point["x"], float(exploded.y0[1]), top.point["z"])


# -- refusals --------------------------------------------------------------------------------------------------------

AXES = {"theta_1": [0.1, 0.2], "theta_2": [0.3]}
BAD = [
    (ArgumentError, "parameter 'theta1'.*Did you mean 'theta_1'", {"axes": {"theta1": [1.0], "p_1": [1.0]}}),
    (ArgumentError, "axes must name two", {"axes": {"p_1": [1.0]}}),
    (KindError, "axes must be a mapping", {"axes": ["p_1", "p_2"]}),
    (ArgumentError, r"axes\['p_1'\] must have at least one value and rise", {"axes": {"p_1": [], "p_2": [1.0]}}),
    (ArgumentError, r"axes\['p_1'\] must have at least one value and", {"axes": {"p_1": [1.0, 1.0], "p_2": [1.0]}}),
    (ArgumentError, r"axes\['p_1'\] must be finite", {"axes": {"p_1": [np.nan], "p_2": [1.0]}}),
    (KindError, r"axes\['p_1'\] must be real numbers", {"axes": {"p_1": [1j], "p_2": [1.0]}}),
    (ArgumentError, r"axes\['p_1'\] must be some numbers.*shape \(1, 1\)", {"axes": {"p_1": [[1.0]], "p_2": [1.0]}}),
    (ArgumentError, "mass_1 must be > 0", {"axes": {"mass_1": [-1.0, 1.0], "p_2": [1.0]}}),
    (ArgumentError, "y0 must be 4 numbers, one for each of theta_1", {"y0": [0.0, 1.0]}),
    (ArgumentError, "y0 must be finite", {"y0": [0.0, 1.0, np.inf, 0.0]}),
    (ArgumentError, "t_end must be > 0", {"t_end": -1.0}),
    (ArgumentError, "unknown measure 'ftl'.*Did you mean 'ftle'", {"measure": "ftl"}),
    (ArgumentError, "unknown state component 'theta'", {"observable": "theta"}),
    (KindError, "observable must be", {"observable": 3}),
    (ArgumentError, "observable is for measure='gradient' only", {"observable": "p_1", "measure": "ftle"}),
    (ArgumentError, "unknown state component 'p_3'", {"wrt": ("p_3",)}),
    (ArgumentError, "wrt must name at least one component, each once", {"wrt": ("p_1", "p_1")}),
    (ArgumentError, "observable must give one number a cell", {"observable": lambda y: y}),
    (ArgumentError, "step must be > 0", {"step": -0.1}),
    (ArgumentError, "unknown method 'RK5'", {"method": "RK5"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "message", "arguments"), BAD, ids=[message[:36] for _, message, _ in BAD])
def test_bad_argument_is_named(kind, message, arguments):
    with pytest.raises(kind, match=message):
        sensitivity_map(DoublePendulum(), **({"axes": AXES, "t_end": 0.1} | arguments))


def test_observable_that_would_drop_its_derivative_is_refused():
    import math

    with pytest.raises(KindError, match="derivative"):
        sensitivity_map(DoublePendulum(), {"p_1": [1.0], "p_2": [1.0]}, t_end=0.1, observable=lambda y: math.sin(y[0]))


# -- results ---------------------------------------------------------------------------------------------------------


def test_result_is_written_and_read_back(tmp_path):
    result = sensitivity_map(DoublePendulum(), AXES, t_end=0.2)
    result.save(tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    result.save(tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz") as numbers:
        assert numbers["values"].tolist() == result.values.tolist()
        assert numbers["axes"].tolist() == ["theta_1", "theta_2"]
        assert numbers["theta_1"].tolist() == AXES["theta_1"]
    with pytest.raises(ArgumentError, match="must lie in a folder that exists"):
        result.save(tmp_path / "none" / "map.png")


def test_figure_masks_failures_uses_pi_and_a_logarithmic_scale(exploded):
    from matplotlib.colors import LogNorm

    assert "failed (grey)" in exploded.plot().axes[0].get_title()
    angles = np.linspace(-np.pi, np.pi, 12)
    result = sensitivity_map(DoublePendulum(), {"theta_1": angles, "theta_2": angles}, t_end=3.0, step=0.02)
    figure = result.plot()
    panel, bar = figure.axes
    figure.draw_without_rendering()
    assert "π" in [label.get_text() for label in panel.get_xticklabels()]
    assert isinstance(panel.collections[0].norm, LogNorm)
    assert "gradient of" in bar.get_ylabel()
    assert "T = 3 s" in panel.get_title()


def test_constant_map_can_still_be_drawn():
    chart = sensitivity_map(HarmonicOscillator(), {"x": [0.0, 1.0], "p": [0.0, 1.0]}, t_end=0.1, measure="ftle")
    figure = chart.plot()
    figure.draw_without_rendering()
    assert len(figure.axes) == 2  # the map and its colour bar


def test_units_follow_the_measure():
    axes = {"theta_1": [0.1], "theta_2": [0.3]}
    units = {
        measure: sensitivity_map(DoublePendulum(), axes, t_end=0.1, measure=measure).unit
        for measure in ("gradient", "singular_value", "ftle")
    }
    assert units == {"gradient": "", "singular_value": "", "ftle": "1/s"}  # rad and kg m^2/s are mixed
    momenta = sensitivity_map(DoublePendulum(), axes, t_end=0.1, wrt=("p_1", "p_2"))
    assert momenta.unit == "(rad)/(kg m^2/s)"


def test_labels_speak_mathematics():
    assert symbol("theta_1") == r"$\theta_{1}$"
    assert symbol("length_1") == "length_1"
    assert pi_text(-0.75) == "\N{MINUS SIGN}3π/4"
