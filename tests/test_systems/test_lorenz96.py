"""Lorenz's ring: a system whose state is as long as an option says."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from diffsim import protocols
from diffsim.derivatives import grad
from diffsim.errors import ArgumentError, KindError
from integrators import solve_ivp
from systems import Lorenz96


def rolled(y: np.ndarray, forcing: float) -> np.ndarray:
    """The equations as people write them in NumPy."""
    return (np.roll(y, -1, axis=0) - np.roll(y, 2, axis=0)) * np.roll(y, 1, axis=0) - y + forcing


@pytest.mark.parametrize("sites", [4, 5, 40])
def test_rates_are_those_of_the_rolled_arrays(sites: int) -> None:
    y = np.random.default_rng(sites).normal(size=(sites, 3))
    np.testing.assert_allclose(Lorenz96(forcing=6.5, sites=sites)(0.0, y), rolled(y, 6.5), rtol=1e-14, atol=1e-14)


def test_the_option_decides_names_units_and_length_and_is_no_parameter() -> None:
    system = Lorenz96(sites=5)
    assert system.dimension == 5
    assert system.state_names == ("x_1", "x_2", "x_3", "x_4", "x_5")
    assert system.state_units == ("1",) * 5
    assert len(system.default_state) == len(system.equilibria["uniform"]) == 5
    assert system.parameter_names == ("forcing",)
    assert protocols.state_names(system) == system.state_names
    assert system.index("x_4") == 3
    assert system.replace(forcing=9.0).sites == 5
    assert system.replace(sites=6).dimension == 6
    assert protocols.with_parameters(system, {"forcing": 1.0}).sites == 5
    assert system != Lorenz96() == Lorenz96(sites=40)
    assert pickle.loads(pickle.dumps(system)) == system
    assert repr(system) == "Lorenz96(forcing=8.0, sites=5)"


def test_fewer_than_four_sites_and_what_is_no_number_of_sites_are_refused() -> None:
    for sites in (3, 0, -4, True):
        with pytest.raises(ArgumentError, match=r"^Lorenz96: sites must be an integer >= 4"):
            Lorenz96(sites=sites)
    for wrong in (4.0, "40", None):
        with pytest.raises(KindError, match=r"^Lorenz96: sites must be an integer; got sites="):
            Lorenz96(sites=wrong)  # type: ignore[arg-type]  # the wrong kind is the point
    with pytest.raises(ArgumentError, match=r"Lorenz96: takes at most 1 parameters \(forcing\)"):
        Lorenz96(8.0, 40)  # type: ignore[misc]  # by name only
    with pytest.raises(ArgumentError, match=r"^Lorenz96: state must have 5 components"):
        Lorenz96(sites=5)(0.0, np.zeros(6))


def test_rings_of_different_length_are_compiled_apart_and_have_their_derivatives() -> None:
    for sites in (5, 8, 5):
        system = Lorenz96(sites=sites)
        y0 = 8.0 + np.sin(np.arange(sites))
        more = {"method": "RK4", "step": 0.01, "sensitivities": ("y0", "params")}
        machine = solve_ivp(system, (0.0, 0.3), y0, compiled=True, **more)
        reference = solve_ivp(lambda t, y: rolled(y, 8.0), (0.0, 0.3), y0, method="RK4", step=0.01, compiled=False)
        np.testing.assert_allclose(machine.y, reference.y, rtol=1e-12, atol=1e-12)
        assert machine.dy_dy0.shape == (sites, sites, 31)

        def end(forcing: float, sites: int = sites, y0: np.ndarray = y0) -> object:
            return solve_ivp(Lorenz96(forcing, sites=sites), (0.0, 0.3), y0, "RK4", step=0.01).y[0, -1]

        assert grad(end)(8.0) == pytest.approx(machine.dy_dparams[0, 0, -1], rel=1e-11)
