"""One look at each room of the house, in a few seconds: run before every commit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def test_gradient_of_a_formula() -> None:
    import diffsim as ds

    value, gradient = ds.value_and_grad(lambda x: ds.sum(ds.sin(x) * x**2))(np.array([0.5, 2.0]))
    x = np.array([0.5, 2.0])
    assert np.isclose(value, np.sum(np.sin(x) * x**2), rtol=1e-15)
    assert np.allclose(gradient, np.cos(x) * x**2 + 2 * x * np.sin(x), rtol=1e-14)


def test_value_accumulates_gradients() -> None:
    from diffsim import Value

    a = Value(3.0)
    (a * a + a).backward()
    assert a.grad == 7.0


def test_solve_of_an_oscillator_in_both_modes() -> None:
    import diffsim as ds
    from systems import HarmonicOscillator

    def end(x: object) -> object:
        return ds.solve_ivp(HarmonicOscillator(), (0.0, 1.0), [x, 0.0], method="RK4", step=0.01).y[0, -1]

    sol = ds.solve_ivp(HarmonicOscillator(), (0.0, 1.0), [1.0, 0.0], method="RK4", step=0.01, sensitivities=("y0",))
    assert abs(sol.y[0, -1] - np.cos(1.0)) < 1e-9
    assert abs(sol.dy_dy0[0, 0, -1] - np.cos(1.0)) < 1e-9
    assert abs(ds.grad(end)(1.0) - np.cos(1.0)) < 1e-9


def test_energy_of_the_double_pendulum_is_kept() -> None:
    import diffsim as ds
    from systems import DoublePendulum

    pendulum = DoublePendulum()
    sol = ds.solve_ivp(pendulum, (0.0, 1.0), pendulum.default_state, rtol=1e-8, atol=1e-8)
    assert abs(pendulum.energy(sol.y[:, -1]) - pendulum.energy(sol.y[:, 0])) < 1e-5


def test_command_line_answers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "diffsim", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "tour" in done.stdout
