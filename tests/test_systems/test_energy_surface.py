"""States of one energy, spread as the flow spreads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from diffsim.errors import ArgumentError, KindError
from integrators import solve_ivp
from systems import DoublePendulum, HarmonicOscillator, Kepler, Lorenz63, Pendulum
from systems._energy_surface import sample_energy_surface
from systems._hamiltonian import HamiltonianSystem


@pytest.mark.parametrize("system", [DoublePendulum(), Pendulum(), HarmonicOscillator(), Kepler()])
def test_samples_have_the_energy(system: Any) -> None:
    level = -0.2 if isinstance(system, Kepler) else 3.0
    states = sample_energy_surface(system, level, 500)
    assert states.shape == (system.dimension, 500)
    np.testing.assert_allclose(system.energy(states), level, rtol=1e-9)
    assert np.array_equal(states, sample_energy_surface(system, level, 500))
    assert not np.array_equal(states, sample_energy_surface(system, level, 500, seed=1))


def test_the_measure_is_the_one_that_the_flow_keeps() -> None:
    system = DoublePendulum()
    states = sample_energy_surface(system, 25.0, 20_000)
    later: Any = solve_ivp(system, (0.0, 3.0), states, method="RK4", step=0.01, t_eval=[3.0]).y[..., -1]
    for i, f in enumerate((np.cos, np.cos, np.square, np.abs)):
        before, after = f(states[i]), f(later[i])
        spread = np.hypot(before.std(), after.std()) / np.sqrt(20_000)
        assert abs(before.mean() - after.mean()) < 4.5 * spread


def test_one_oscillator_is_drawn_evenly_in_phase() -> None:
    system = HarmonicOscillator()
    x, p = sample_energy_surface(system, 2.0, 20_000, within={"x": (-5.0, 5.0)})
    phase = np.arctan2(p / np.sqrt(system.mass), x * np.sqrt(system.stiffness))
    counts, _ = np.histogram(phase, bins=8, range=(-np.pi, np.pi))
    np.testing.assert_allclose(counts / 2500, 1.0, atol=0.1)


@dataclass(frozen=True)
class Quartic(HamiltonianSystem):
    """A kinetic energy of fourth degree."""

    coordinates = ("x",)

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        return p[0] ** 4 + q[0] ** 2


def test_what_cannot_be_sampled_is_told() -> None:
    with pytest.raises(KindError, match=r"Lorenz63 must have Hamilton's equations"):
        sample_energy_surface(Lorenz63(), 1.0, 10)
    with pytest.raises(KindError, match=r"the energy of Quartic must be of second degree"):
        sample_energy_surface(Quartic(), 1.0, 10)
    with pytest.raises(ArgumentError, match=r"is the energy below the least potential"):
        sample_energy_surface(Pendulum(), -20.0, 10)
    with pytest.raises(ArgumentError, match=r"unknown coordinate 'p'; it has theta"):
        sample_energy_surface(Pendulum(), 1.0, 10, within={"p": (0.0, 1.0)})
    with pytest.raises(ArgumentError, match=r"n_samples must be >= 1"):
        sample_energy_surface(Pendulum(), 1.0, 0)
