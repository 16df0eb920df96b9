"""`covariant_vectors` and `finite_time_exponent`: what defines them, known answers, files, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import ArgumentError, RunError
from diffsim.protocols import with_parameters
from studies import CovariantVectors, FiniteTimeExponent, covariant_vectors, finite_time_exponent, load
from systems import DoublePendulum, HarmonicOscillator, HenonMap, Lorenz63

STEPS = {"method": "RK4", "step": 0.01}
LORENZ = {"t_transient": 30, "t_total": 50, "t_renorm": 0.1, **STEPS}


@pytest.fixture(scope="module")
def lorenz():
    return covariant_vectors(Lorenz63(), [1.0, 1.0, 20.0], **LORENZ)


# -- covariant vectors -----------------------------------------------------------------------------------------------


def test_vectors_are_carried_onto_each_other_and_grow_as_told(lorenz):
    run = ds.solve_ivp(Lorenz63(), (0, 0.1), lorenz.states[:, :-1], t_eval=[0.1], sensitivities="y0", **STEPS)
    moved = np.einsum("ijq,jkq->ikq", run.dy_dy0[..., -1], lorenz.vectors[..., :-1])
    lengths = np.linalg.norm(moved, axis=0)
    assert np.allclose(lengths, np.exp(0.1 * lorenz.growth), rtol=1e-6)
    along = np.abs((moved / lengths * lorenz.vectors[..., 1:]).sum(axis=0))
    assert np.allclose(along, 1.0, atol=1e-9)


def test_second_vector_of_lorenz_is_the_flow(lorenz):
    flow = np.stack([Lorenz63()(0.0, y) for y in lorenz.states.T], axis=1)
    flow /= np.linalg.norm(flow, axis=0)
    assert np.abs((flow * lorenz.vectors[:, 1]).sum(axis=0)).min() > 1.0 - 1e-8
    assert lorenz.exponents == pytest.approx([0.9, 0.0, -14.57], abs=0.15)


def test_linear_system_has_its_eigenvectors():
    matrix = np.array([[0.5, 1.0], [0.0, -0.5]])
    found = covariant_vectors(lambda t, y: matrix @ y, [1e-3, 0.0], t_transient=30, t_total=2, t_renorm=0.5)
    values, vectors = np.linalg.eig(matrix)
    for i, k in enumerate(np.argsort(-values)):
        assert np.abs(vectors[:, k] @ found.vectors[:, i]).min() > 1.0 - 1e-9
    assert found.exponents == pytest.approx([0.5, -0.5], abs=1e-6)
    assert found.angles(0, 1) == pytest.approx(np.full(5, np.pi / 4), abs=1e-5)


def test_vectors_of_a_map():
    found = covariant_vectors(HenonMap(), t_transient=100, t_total=500, t_renorm=1)
    assert found.exponents.sum() == pytest.approx(np.log(0.3), abs=0.05)
    assert 0.0 < found.angles(0, 1).min() < 0.2


def test_vectors_are_saved_loaded_and_run_again(lorenz, tmp_path):
    again = CovariantVectors.load(lorenz.save(tmp_path / "vectors.npz"))
    assert (again.rerun().vectors == lorenz.vectors).all()
    assert lorenz.save(tmp_path / "vectors.png").stat().st_size > 10000


@pytest.mark.parametrize(
    ("message", "change"),
    [("k must be at most 3", {"k": 4}), ("y0 must be one start", {"y0": np.ones((3, 2))})],
)
def test_bad_argument_is_named(message, change):
    with pytest.raises(ArgumentError, match=message):
        covariant_vectors(Lorenz63(), **(LORENZ | change))


def test_angles_of_no_vector_are_refused(lorenz):
    with pytest.raises(ArgumentError, match="j must be 0 to 2"):
        lorenz.angles(0, 3)


# -- finite-time exponents -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pendulum():
    return finite_time_exponent(DoublePendulum(), [0.4, 0.0, 1.0, 4.0], t=1.0, **STEPS)


def test_finite_time_exponent_is_the_published_growth(pendulum):
    assert np.exp(pendulum.value) == pytest.approx(16.5, abs=0.1)


def test_gradient_agrees_with_differences(pendulum):
    def value(y0, system):
        return finite_time_exponent(system, y0, t=1.0, gradient=False, **STEPS).value

    system, start, h = pendulum.system, pendulum.call["y0"], 1e-5
    for i, slope in enumerate(pendulum.by_start):
        e = h * np.eye(4)[i]
        assert slope == pytest.approx((value(start + e, system) - value(start - e, system)) / (2 * h), rel=1e-5)
    for name in pendulum.parameters:
        here = getattr(system, name)
        up, down = (value(start, with_parameters(system, {name: here + d})) for d in (h, -h))
        assert pendulum.gradient[name] == pytest.approx((up - down) / (2 * h), rel=1e-5)


def test_direction_is_what_grows_most(pendulum):
    run = ds.solve_ivp(pendulum.system, (0, 1), pendulum.call["y0"], t_eval=[1.0], sensitivities="y0", **STEPS)
    moved = run.dy_dy0[..., -1] @ pendulum.direction
    assert np.allclose(moved, np.exp(pendulum.value) * pendulum.stretched, rtol=1e-10)


def test_equal_growth_has_no_gradient():
    still = HarmonicOscillator(mass=1.0, stiffness=1.0)  # a rotation: nothing grows, in no direction
    with pytest.raises(RunError, match=r"two largest singular values are equal.*gradient=False"):
        finite_time_exponent(still, t=1.0)
    assert finite_time_exponent(still, t=1.0, gradient=False).value == pytest.approx(0.0, abs=1e-9)


def test_plain_functions_and_maps_have_exponents():
    found = finite_time_exponent(lambda t, y: [0.3 * y[0]], [1.0], t=2.0)
    assert float(found) == pytest.approx(0.3, abs=1e-8)
    assert found.gradient == pytest.approx({"y_0": 0.0}, abs=1e-8)
    henon = finite_time_exponent(HenonMap(), t=5)
    assert set(henon.gradient) == {"x", "y", "a", "b"}


def test_exponent_is_saved_loaded_and_run_again(pendulum, tmp_path):
    again = FiniteTimeExponent.load(pendulum.save(tmp_path / "ftle.npz"))
    assert again.gradient == pendulum.gradient
    assert again.rerun().gradient == pendulum.gradient
    assert pendulum.save(tmp_path / "ftle.png").stat().st_size > 5000


def test_failed_solve_and_several_starts_are_refused():
    with pytest.raises(RunError, match="does not go on"):
        finite_time_exponent(lambda t, y: [y[0] ** 2], [1.0], t=2.0)
    with pytest.raises(ArgumentError, match=r"must be one start.*sensitivity_map"):
        finite_time_exponent(Lorenz63(), np.ones((3, 2)), t=2.0)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_vectors_come_back_from_datasets_with_named_axes(suffix, lorenz, tmp_path):
    pytest.importorskip("xarray")
    pytest.importorskip({".nc": "h5py", ".zarr": "zarr"}[suffix])
    again = load(lorenz.save(tmp_path / f"vectors{suffix}"))
    np.testing.assert_array_equal(again.vectors, lorenz.vectors)
    assert (again.names, again.method) == (lorenz.names, lorenz.method)
    assert lorenz.to_xarray()["vectors"].dims == ("component", "vector", "time")
