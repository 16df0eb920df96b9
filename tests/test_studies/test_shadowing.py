"""`shadowing_gradient`: averages that are known in closed form, the Lorenz system, the linear algebra, refusals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from diffsim.errors import ArgumentError, KindError, RunError
from studies import ShadowingGradient, shadowing_gradient
from studies._shadowing_windows import _smallest
from systems import HarmonicOscillator, Lorenz63, System

STEPS = {"method": "RK4", "step": 0.01}
LORENZ = {"t_transient": 20, "t_total": 800, "t_segment": 0.5, **STEPS}


@dataclass(frozen=True)
class Circle(System):
    """A stable circle of radius sqrt(size), on which the angle turns by 1 + unevenness * cos(angle)."""

    size: float = 1.0
    unevenness: float = 0.5
    state_names = ("x", "y")
    default_state = (1.0, 0.0)

    def rates(self, t, state):
        x, y = state
        inward = self.size - x * x - y * y
        turn = 1.0 + self.unevenness * x / (x * x + y * y) ** 0.5
        return (inward * x - turn * y, inward * y + turn * x)


@pytest.fixture(scope="module")
def lorenz():
    return shadowing_gradient(Lorenz63(), "z", [1.0, 1.0, 20.0], parameters="rho", **LORENZ)


def test_average_of_lorenz_changes_with_rho_by_one(lorenz):
    # The averages over 20,000 s at rho = 27 and 29, with RK4 and h = 0.01, differ by 2.011: a slope of 1.005.
    assert lorenz.gradient["rho"] == pytest.approx(1.0, abs=0.1)
    assert lorenz.error["rho"] < 0.01
    assert lorenz.average == pytest.approx(23.55, abs=0.2)
    assert lorenz.growth == pytest.approx([0.906, -14.57], abs=0.1)


def test_plain_gradient_explodes_beside_it(lorenz):
    horizon = 0.5 * np.arange(1, lorenz.plain.shape[1] + 1)
    slope = np.polyfit(horizon, np.log(np.abs(lorenz.plain[0])), 1)[0]
    assert slope == pytest.approx(0.9, abs=0.1)  # the largest Lyapunov exponent


def test_change_of_size_and_of_time_along_the_flow_are_known_in_closed_form():
    # <x^2 + y^2> = size.  On the unit circle <x> = (sqrt(1 - b^2) - 1) / b with b the unevenness: where the angle turns
    # slowly it stays longer, which is all in the change of time.
    circle = Circle()
    period = 2.0 * np.pi / np.sqrt(1.0 - 0.25)
    time = {"t_transient": 20, "t_total": 32 * period, "t_segment": period / 4, "n_windows": 2}
    radius = shadowing_gradient(circle, lambda y: y[0] ** 2 + y[1] ** 2, **time)
    assert radius.gradient == pytest.approx({"size": 1.0, "unevenness": 0.0}, abs=0.01)
    assert radius.observable == "observable"
    place = shadowing_gradient(circle, "x", parameters="unevenness", **time)
    b = 0.5
    root = np.sqrt(1.0 - b * b)
    assert place.average == pytest.approx((root - 1.0) / b, abs=1e-6)
    assert place.gradient["unevenness"] == pytest.approx(-1.0 / root - (root - 1.0) / b**2, abs=0.01)


def test_plain_function_names_its_parameters_by_place():
    def flow(t, y, k=1.0):
        inward = k - y[0] * y[0] - y[1] * y[1]
        return [inward * y[0] - y[1], inward * y[1] + y[0]]

    with pytest.raises(KindError, match="a plain function does not name its parameters"):
        shadowing_gradient(flow, lambda y: y[0] ** 2, [1.0, 0.0], t_transient=0, t_total=100, t_segment=1)


def test_smallest_coefficients_are_those_of_a_dense_solution():
    rng = np.random.default_rng(1)
    count, k, p = 6, 2, 3
    factors = np.triu(rng.normal(size=(count, k, k)))
    offsets = rng.normal(size=(count, k, p))
    constraint = np.zeros((count * k, (count + 1) * k))
    for i in range(count):
        constraint[i * k : (i + 1) * k, i * k : (i + 1) * k] = -factors[i]
        constraint[i * k : (i + 1) * k, (i + 1) * k : (i + 2) * k] = np.eye(k)
    dense = np.linalg.lstsq(constraint, offsets.reshape(count * k, p), rcond=None)[0]
    assert np.allclose(_smallest(factors, offsets).reshape(-1, p), dense, atol=1e-12)


def test_result_is_saved_loaded_and_run_again(lorenz, tmp_path):
    again = ShadowingGradient.load(lorenz.save(tmp_path / "shadow.npz"))
    assert again.gradient == lorenz.gradient
    assert repr(again) == repr(lorenz)
    assert again.rerun().gradient == lorenz.gradient
    assert lorenz.save(tmp_path / "shadow.png").stat().st_size > 5000


BAD = [
    (ArgumentError, "unknown parameter 'rh'.*Did you mean 'rho'", Lorenz63(), {"parameters": "rh"}),
    (ArgumentError, "unknown state component 'w'", Lorenz63(), {"observable": "w"}),
    (KindError, "observable must be a component's name or a function", Lorenz63(), {"observable": 3}),
    (ArgumentError, r"observable must give one number a state.*\(\d+,\)", Lorenz63(), {"observable": lambda y: y}),
    (ArgumentError, "k must be at most 2", Lorenz63(), {"k": 3}),
    (ArgumentError, "k must be more than the number of growing directions", Lorenz63(), {"k": 1}),
    (ArgumentError, "t_total must be at least 10 t_segment for each window", Lorenz63(), {"t_total": 20}),
    (ArgumentError, "y0 must be one start", Lorenz63(), {"y0": np.ones((3, 2))}),
    (ArgumentError, "t_segment must be a multiple of the step 0.3", Lorenz63(), {"step": 0.3}),
    (RunError, "the flow stands still", HarmonicOscillator(), {"observable": "x", "y0": [0.0, 0.0]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "message", "system", "change"), BAD, ids=[row[1][:30] for row in BAD])
def test_bad_argument_is_named(kind, message, system, change):
    call = {"observable": "z"} | LORENZ | {"t_total": 100} | change
    with pytest.raises(kind, match=message):
        shadowing_gradient(system, call.pop("observable"), **call)


def test_driven_system_is_refused():
    def driven(t, y):
        return [y[1], -y[0] + np.cos(t)]

    with pytest.raises(ArgumentError, match="flow that does not depend on time; got a system that depends on time"):
        shadowing_gradient(
            driven, lambda y: y[0], [1.0, 0.0], parameters=(), t_transient=0, t_total=100, t_segment=1, **STEPS
        )
