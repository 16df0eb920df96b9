"""`manifolds`: energy, tangency, the separatrix by hand, mirror images, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from diffsim.errors import ArgumentError
from studies import manifolds
from studies._manifolds_result import Manifolds
from systems import CartPole, DoublePendulum, Lorenz63, NLinkPendulum, Pendulum


@pytest.fixture(scope="module")
def surfaces():
    return manifolds(DoublePendulum(), gap=0.3)


def test_both_have_the_energy_of_the_equilibrium(surfaces):
    for states in (surfaces.stable, surfaces.unstable):
        assert np.abs(DoublePendulum().energy(states) - 19.6).max() < 1e-7


def test_they_begin_along_the_eigenspaces(surfaces):
    """SOURCE: p = K (theta - pi), K from the algebraic Riccati equation; -K for the unstable one."""
    stable = np.array([[-4.09199432, -0.97563355], [-0.97563355, -1.14719065]])
    for states, slope in ((surfaces.stable, stable), (surfaces.unstable, -stable)):
        first = states[:, :, 0]
        np.testing.assert_allclose(first[2:], slope @ (first[:2] - np.pi), rtol=0, atol=1e-10)


def test_one_is_the_other_with_time_turned_round(surfaces):
    """Momenta reversed: each front of the one lies on that of the other."""
    ends = [states[:2, :, 100] for states in (surfaces.stable, surfaces.unstable)]
    gaps = np.abs(ends[0][:, :, None] - ends[1][:, None, :]).max(axis=0).min(axis=1)
    assert gaps.max() < 0.2


def test_neighbours_are_as_close_as_asked_for_and_the_circle_is_closed(surfaces):
    assert surfaces.complete
    for states in (surfaces.stable, surfaces.unstable):
        assert np.abs(np.diff(states[:2], axis=1)).max() <= 0.3
        np.testing.assert_allclose(states[:, 0], states[:, -1], rtol=0, atol=1e-3)


def test_too_few_orbits_are_told(surfaces):
    few = manifolds(DoublePendulum(), gap=0.02, n_most=80, t_travel=2.5)
    assert few.stable.shape[1] == 80
    assert not few.complete


def test_those_of_the_pendulum_are_its_separatrix():
    curves = manifolds(Pendulum(), t_travel=3.0)
    for states in (curves.stable, curves.unstable):
        theta, p = states
        np.testing.assert_allclose(p**2, 4.0 * 9.8 * np.cos(theta / 2.0) ** 2, atol=1e-6)
        assert states.shape[1] == 2


def test_they_are_drawn_saved_loaded_and_made_again(tmp_path):
    curves = manifolds(Pendulum())
    curves.save(tmp_path / "m.png")
    loaded = Manifolds.load(curves.save(tmp_path / "m.npz"))
    assert loaded.rerun().stable.tobytes() == curves.stable.tobytes()
    assert "2 and 2 orbits" in repr(loaded)


def test_any_two_components_are_a_plane(surfaces):
    figure = surfaces.plot("theta_2", "p_2")
    assert len(figure.axes) == 4  # two panels with their colour bars
    with pytest.raises(ArgumentError, match="unknown state component 'p2'"):
        surfaces.plot("theta_1", "p2")


def test_cart_pole_has_them_too():
    assert manifolds(CartPole(), "upright").stable.shape[1] == 2


@pytest.mark.parametrize(
    ("system", "target", "message"),
    [
        (DoublePendulum(), "hanging", "must be unstable"),
        (DoublePendulum(), "inverte", "Did you mean 'inverted'"),
        (NLinkPendulum(links=3), "inverted", "one or two dimensions to be drawn; .* has 3"),
        (Lorenz63(), "inverted", "unknown equilibrium"),
    ],
)
def test_what_cannot_be_drawn_is_refused(system, target, message):
    with pytest.raises(ArgumentError, match=message):
        manifolds(system, target)
