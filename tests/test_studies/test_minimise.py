"""`minimise`: known minima, both modes of the gradient, every optimiser, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp
from scipy.optimize import brentq

from diffsim import ops
from diffsim.errors import ArgumentError, KindError, RunError
from studies._loss import Loss
from studies._loss_arguments import wants_time
from studies._minimise import minimise
from systems import DoublePendulum, HarmonicOscillator, Lorenz63, Pendulum


def aim(y):
    """Miss of the angle 1."""
    return (y[0] - 1.0) ** 2


def pendulum(**arguments):
    return minimise(Pendulum(), **({"loss": aim, "y0": [0.0, 1.0], "free": ("p",), "t_span": (0.0, 0.5)} | arguments))


def test_pendulum_is_thrown_to_the_given_angle():
    def angle_at_end(p):
        run = scipy_solve_ivp(lambda t, y: [y[1], -9.8 * np.sin(y[0])], (0.0, 0.5), [0.0, p], rtol=1e-11, atol=1e-12)
        return run.y[0, -1] - 1.0

    result = pendulum()
    assert result.success
    assert result.value < 1e-12
    assert result.x[0] == pytest.approx(brentq(angle_at_end, 2.0, 4.0), abs=1e-6)
    assert result.y0.tolist() == [0.0, result.x[0]]
    assert result.solution.y[0, -1] == pytest.approx(1.0, abs=1e-6)
    assert result.first_solution.y[1, 0] == 1.0
    assert result.n_evaluations >= len(result.history) - 1 > 0
    assert (np.diff(result.history) <= 0.0).all()
    assert np.abs(result.gradient).max() < 1e-4


@pytest.mark.parametrize("optimiser", ["L-BFGS-B", "BFGS", "CG", "TNC", "SLSQP", "trust-constr"])
def test_every_optimiser_finds_the_same_minimum(optimiser):
    assert pendulum(optimiser=optimiser).x[0] == pytest.approx(3.0159234, abs=2e-3)


def test_forward_and_reverse_mode_take_the_same_path():
    forward, reverse = (pendulum(mode=mode, method="RK4", step=0.02) for mode in ("forward", "reverse"))
    np.testing.assert_allclose(reverse.x, forward.x, rtol=1e-9)
    assert reverse.n_evaluations == forward.n_evaluations


@pytest.mark.parametrize("with_time", [False, True])
@pytest.mark.parametrize("solver", [{"method": "RK4", "step": 0.01}, {"method": "RK45", "rtol": 1e-10, "atol": 1e-10}])
def test_gradient_agrees_between_modes_and_with_differences(with_time, solver):
    def of_end(y):
        return (y[0] - 1.0) ** 2 + ops.sin(y[1]) * y[3]

    def of_all(t, y):
        return (y[0] * y[1] + np.cos(y[2]) * t).sum()

    loss, times = (of_all, [0.2, 0.55, 0.8]) if with_time else (of_end, None)
    free, start = ("p_1", "gravity", "theta_2", "length_2"), np.array([0.4, 0.1, 1.0, 2.0])
    forward, reverse = (
        Loss("test", DoublePendulum(), loss, with_time, start, free, (0.0, 0.8), times, mode, solver)
        for mode in (True, False)
    )
    x = forward.x0
    assert x.tolist() == [1.0, 9.8, 0.1, 1.0]
    (value, gradient), (same, backwards) = forward(x), reverse(x)
    assert same == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(backwards, gradient, rtol=1e-9)
    slopes = [(forward(x + h)[0] - forward(x - h)[0]) / 2e-5 for h in 1e-5 * np.eye(4)]
    np.testing.assert_allclose(gradient, slopes, rtol=2e-5)


def test_parameter_is_recovered_from_a_trajectory():
    times = np.linspace(0.1, 1.0, 10)
    truth = scipy_solve_ivp(lambda t, y: [y[1], -7.3 * np.sin(y[0])], (0.0, 1.0), [1.0, 0.2], t_eval=times,
                            rtol=1e-11, atol=1e-12).y[0]  # fmt: skip

    def misfit(t, y):
        return ((y[0] - truth) ** 2).sum()

    result = minimise(Pendulum(), misfit, [1.0, 0.0], free=("gravity", "p"), t_span=(0.0, 1.0), t_eval=times,
                      bounds={"gravity": (1.0, 20.0)}, tolerance=1e-14)  # fmt: skip
    assert result.x[0] == pytest.approx(7.3, abs=1e-3)
    assert result.system.gravity == result.x[0]
    assert result.y0[1] == pytest.approx(0.2, abs=1e-3)
    assert result.solution.t.tolist() == times.tolist()


def test_bound_is_kept_where_the_minimum_lies_beyond_it():
    result = pendulum(bounds={"p": (None, 2.0)})
    assert result.x[0] == pytest.approx(2.0)
    assert result.gradient[0] < 0.0


def test_quadratic_loss_of_a_linear_flow_has_its_exact_minimum():
    oscillator = HarmonicOscillator()
    result = minimise(oscillator, lambda y: ((y - np.array([1.0, -2.0])) ** 2).sum(), [0.0, 0.0], free=("x", "p"),
                      t_span=(0.0, 1.3), tolerance=1e-15)  # fmt: skip
    np.testing.assert_allclose(result.solution.y[:, -1], [1.0, -2.0], atol=1e-6)


def test_search_that_runs_out_of_iterations_is_a_result():
    result = minimise(
        DoublePendulum(),
        lambda y: (y[0] - 3.0) ** 2 + y[1] ** 2,
        (0.4, 0.0, 1.0, 4.0),
        t_span=(0.0, 0.5),
        max_iterations=2,
    )
    assert not result.success
    assert len(result.history) == 3
    assert "stopped early" in repr(result)


# -- refusals --------------------------------------------------------------------------------------------------------

BAD = [
    (ArgumentError, r"loss must return one number, not an array of shape \(2,\)", {"loss": lambda y: y}),
    (ArgumentError, r"loss must be finite at the start, p=1\.0; got loss=nan", {"loss": lambda y: np.nan * y[0]}),
    (ArgumentError, "loss must be finite at the start", {"loss": lambda y: ops.log(y[0] - 4.0)}),
    (KindError, "loss must return a real number; got None", {"loss": lambda y: None}),
    (KindError, "loss must return a real number; got 'x'", {"loss": lambda y: "x"}),
    (KindError, "loss must be a function", {"loss": 3}),
    (KindError, "it takes 3 arguments", {"loss": lambda a, b, c: 1.0}),
    (KindError, "derivative", {"loss": lambda y: float(y[0])}),
    (ArgumentError, "unknown state component or parameter 'gravty'.*Did you mean 'gravity'", {"free": ("gravty",)}),
    (ArgumentError, "free must name at least one", {"free": ()}),
    (ArgumentError, "free must name at least one component or parameter, each once", {"free": ("p", "p")}),
    (ArgumentError, "y0 must be 2 numbers", {"y0": [1.0]}),
    (ArgumentError, "y0 must be finite", {"y0": [1.0, np.nan]}),
    (ArgumentError, r"bounds\['p'\] must hold the start, 1", {"bounds": {"p": (2.0, 3.0)}}),
    (ArgumentError, r"bounds\['p'\] must be a pair", {"bounds": {"p": 2.0}}),
    (ArgumentError, "bounds must be a mapping", {"bounds": [(2.0, 3.0)]}),
    (ArgumentError, "unknown bounded quantity 'q'", {"bounds": {"q": (2.0, 3.0)}}),
    (ArgumentError, "optimiser must be one of .* for bounds", {"bounds": {"p": (0.0, 3.0)}, "optimiser": "BFGS"}),
    (ArgumentError, "unknown optimiser 'BFSG'.*Did you mean 'BFGS'", {"optimiser": "BFSG"}),
    (ArgumentError, "unknown mode 'backward'", {"mode": "backward"}),
    (ArgumentError, "max_iterations must be at least 1", {"max_iterations": 0}),
    (ArgumentError, "tolerance must be > 0", {"tolerance": 0.0}),
    (ArgumentError, "t_span", {"t_span": (0.0,)}),
    (ArgumentError, "unknown method", {"method": "RK5"}),
    (KindError, "got the class Pendulum", {"system": Pendulum}),
]


@pytest.mark.parametrize(("kind", "message", "arguments"), BAD, ids=[message[:40] for _, message, _ in BAD])
def test_bad_argument_is_named(kind, message, arguments):
    given = {"system": Pendulum(), "loss": aim, "y0": [0.0, 1.0], "free": ("p",), "t_span": (0.0, 0.5)} | arguments
    with pytest.raises(kind, match=message):
        minimise(**given)


def test_solve_that_fails_on_the_way_says_where():
    with pytest.raises(RunError, match=r"minimise: the solve fails at x=1e\+200"):
        minimise(Lorenz63(), lambda y: y[0], [1e200, 1.0, 1.0], free="x", t_span=(0.0, 1.0), method="RK4", step=0.01)


def test_loss_that_turns_nan_on_the_way_is_an_error_with_the_place():
    solver = {"method": "RK4", "step": 0.01}
    start, free, t_span = np.array([1.0, 0.0]), ("theta",), (0.0, 0.1)
    problem = Loss("minimise", Pendulum(), lambda y: ops.sqrt(y[0]), False, start, free, t_span, None, True, solver)
    with pytest.raises(RunError, match=r"not finite at theta=-1\.0.*Bounds may keep away"):
        problem(np.array([-1.0]))


@pytest.mark.parametrize(
    ("loss", "expected"), [(lambda y: 0.0, False), (lambda t, y: 0.0, True), (lambda y, scale=2.0: 0.0, False)]
)
def test_number_of_arguments_says_what_the_loss_gets(loss, expected):
    assert wants_time("test", loss) is expected


# -- results ---------------------------------------------------------------------------------------------------------


def test_result_is_written_and_read_back(tmp_path):
    result = pendulum()
    result.save(tmp_path / "best.png")
    assert (tmp_path / "best.png").read_bytes().startswith(b"\x89PNG")
    result.save(tmp_path / "best.npz")
    with np.load(tmp_path / "best.npz") as numbers:
        assert numbers["x"].tolist() == result.x.tolist()
        assert numbers["free"].tolist() == ["p"]
    with pytest.raises(ArgumentError, match="must lie in a folder that exists"):
        result.save(tmp_path / "none" / "best.png")
