"""`Taylor` as machine code: its steps, where its series are left to the interpreter, and what it does not take."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from diffsim.errors import ArgumentError
from diffsim.value import Value
from integrators import Solution, Taylor, solve_ivp
from integrators.compiled import search
from integrators.compiled.adaptive import Voyage
from systems import DoublePendulum, Lorenz63

pytest.importorskip("llvmlite")

START = [0.4, 0.0, 1.0, 4.0]


def pair(fun: Any, span: Any, y0: Any, method: Any = "Taylor", **more: Any) -> tuple[Solution, Solution]:
    """The same solve as machine code and interpreted."""
    machine, reference = (solve_ivp(fun, span, y0, method, compiled=way, **more) for way in (True, False))
    return machine, reference


# -- steps ------------------------------------------------------------------------------------------------------------


def test_double_pendulum_at_5_seconds_has_all_eight_known_digits() -> None:
    # SOURCE: facts about the double pendulum, from two other methods; 36 digits in test_multiprecision.py.
    sol = solve_ivp(DoublePendulum(), (0.0, 5.0), START, "Taylor", rtol=3e-14, atol=1e-15, t_eval=[5.0], compiled=True)
    np.testing.assert_allclose(sol.y[:, 0], [3.54359486, 47.43645061, 1.41263353, -0.09537723], rtol=0, atol=5e-9)


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9, 1e-12])
def test_steps_are_those_of_the_interpreted_loop_and_its_states_to_rounding(rtol: float) -> None:
    machine, reference = pair(DoublePendulum(), (0.0, 2.0), START, rtol=rtol, atol=rtol)
    assert machine.stats["compiled"]
    assert len(machine.t) == len(reference.t)
    assert machine.nfev == reference.nfev
    np.testing.assert_allclose(machine.t, reference.t, rtol=1e-11)
    np.testing.assert_allclose(machine.y, reference.y, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("order", [2, 3, 7])
def test_any_order_is_compiled(order: int) -> None:
    machine, reference = pair(Lorenz63(), (0.0, 0.05), [1.0, 2.0, 20.0], Taylor(order=order), rtol=1e-2)
    assert machine.nfev == reference.nfev
    np.testing.assert_allclose(machine.y, reference.y, rtol=1e-9)


def test_one_step_is_the_polynomial_whose_coefficients_mpmath_knows() -> None:
    def rate(t: Any, y: Any) -> list[Any]:
        return [y[0] * np.cos(t)]

    sol = solve_ivp(rate, (0.0, 0.25), [1.0], Taylor(order=9), rtol=1e-3, dense_output=True, compiled=True)
    assert len(sol.t) == 2
    with mpmath.workdps(40):
        wanted = mpmath.taylor(lambda t: mpmath.exp(mpmath.sin(t)), 0, 9)
        at = [float(mpmath.polyval(wanted[::-1], t)) for t in (0.1, 0.25)]
    np.testing.assert_allclose([sol.sol(0.1)[0], sol.y[0, -1]], at, rtol=4e-16)


def test_steps_hold_their_polynomials_only_where_somebody_asks_for_them() -> None:
    sizes: list[int] = []
    before = Voyage.__init__

    def looked(self: Voyage, *args: Any, **more: Any) -> None:
        before(self, *args, **more)
        sizes.append(len(self.found.steps.polynomials))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Voyage, "__init__", looked)
        for more in ({}, {"t_eval": [0.5, 1.0]}, {"dense_output": True}, {"events": lambda t, y: y[0] - 100.0}):
            solve_ivp(Lorenz63(), (0.0, 1.0), [1.0, 2.0, 20.0], Taylor(order=8), compiled=True, **more)
    assert sizes == [0, 8, 8, 8]


def test_logs_of_long_steps_are_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    more: dict[str, Any] = {"rtol": 1e-6, "dense_output": True, "compiled": True}
    whole = solve_ivp(Lorenz63(), (0.0, 3.0), [1.0, 2.0, 20.0], "Taylor", **more)
    monkeypatch.setattr(search, "_LARGEST_ROOM", 1)
    cut = solve_ivp(Lorenz63(), (0.0, 3.0), [1.0, 2.0, 20.0], "Taylor", **more)
    assert len(whole.t) > 40
    np.testing.assert_array_equal(cut.y, whole.y)
    times = np.linspace(0.0, 3.0, 50)
    np.testing.assert_array_equal(cut.sol(times), whole.sol(times))


# -- where a trace cannot look at numbers -----------------------------------------------------------------------------


def powers(t: Any, y: Any) -> list[Any]:
    """At 0 the series of the power begins with 0 / 0."""
    return [y[0] ** 1.5, -y[1]]


def test_power_at_zero_is_left_to_the_interpreter() -> None:
    machine, reference = pair(powers, (0.0, 1.0), [0.0, 1.0], rtol=1e-8)
    assert machine.success
    np.testing.assert_array_equal(machine.t, reference.t)
    np.testing.assert_array_equal(machine.y, reference.y)
    watched, _ = pair(powers, (0.0, 1.0), [0.0, 1.0], rtol=1e-8, events=lambda t, y: y[1] - 0.5)
    assert watched.success
    assert watched.t_events[0] == pytest.approx([np.log(2.0)], rel=1e-8)


@pytest.mark.parametrize("more", [{}, {"t_eval": [0.2, 1.0]}, {"dense_output": True}], ids=str)
def test_its_neighbours_stay_machine_code_and_all_have_the_bits_of_single_solves(more: dict[str, Any]) -> None:
    y0 = np.array([[0.0, 1.0, 0.5, 0.0], [5.0, 1.0, 0.0, 1.0]])
    batch = solve_ivp(powers, (0.0, 1.0), y0, "Taylor", compiled=True, **more)
    assert batch.success.all()
    assert batch.stats["compiled"]
    for j in range(4):
        one = solve_ivp(powers, (0.0, 1.0), y0[:, j], "Taylor", compiled=True, **more)
        n_times = int(batch.n_times[j])
        assert n_times == len(one.t)
        np.testing.assert_array_equal(batch.t[:n_times] if batch.t.ndim == 1 else batch.t[j, :n_times], one.t)
        np.testing.assert_array_equal(batch.y[:, j, :n_times], one.y)
        assert (batch.nfev[j], batch.message[j]) == (one.nfev, one.message)
        if more.get("dense_output"):
            np.testing.assert_array_equal(batch.sol([0.3, 0.9])[:, j], one.sol([0.3, 0.9]))


# -- what is not for machine code -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"sensitivities": "y0"}, "chooses the steps of Taylor in plain numbers; got derivatives"),
        ({"max_step": lambda t: 0.1}, "a number for max_step"),
        ({"callback": lambda t, y: None}, "no room for a callback"),
    ],
)
def test_what_is_not_for_machine_code_says_so_and_runs_interpreted(
    more: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ArgumentError, match=words):
        solve_ivp(Lorenz63(), (0.0, 0.1), [1.0, 2.0, 20.0], "Taylor", compiled=True, **more)
    assert solve_ivp(Lorenz63(), (0.0, 0.1), [1.0, 2.0, 20.0], "Taylor", explain=True, **more).success
    assert "interpreted. Machine code" in capsys.readouterr().out


def test_times_that_carry_derivatives_are_interpreted() -> None:
    with pytest.raises(ArgumentError, match="takes times that carry derivatives with Runge-Kutta and stiff methods"):
        solve_ivp(Lorenz63(), (0.0, Value(0.1)), [1.0, 2.0, 20.0], "Taylor", compiled=True)
    end = Value(0.1)
    solve_ivp(Lorenz63(), (0.0, end), [1.0, 2.0, 20.0], "Taylor", rtol=1e-10).y[0, -1].backward()
    state = solve_ivp(Lorenz63(), (0.0, 0.1), [1.0, 2.0, 20.0], "Taylor", rtol=1e-10).y[:, -1]
    assert end.grad == pytest.approx(Lorenz63()(0.1, state)[0], rel=1e-8)


def test_series_that_are_too_large_are_interpreted() -> None:
    def lorenz_96(t: Any, x: Any) -> Any:
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + 8.0

    with pytest.raises(ArgumentError, match="chooses the steps of Taylor by series of up to 10000 operations"):
        solve_ivp(lorenz_96, (0.0, 0.1), np.arange(40.0), "Taylor", rtol=1e-12, compiled=True)
    sol = solve_ivp(lorenz_96, (0.0, 0.1), np.arange(40.0), "Taylor", rtol=1e-12, atol=1e-12)
    assert not sol.stats["compiled"]
    other = solve_ivp(lorenz_96, (0.0, 0.1), np.arange(40.0), "DOP853", rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sol.y[:, -1], other.y[:, -1], rtol=1e-9)


def test_a_subclass_that_chooses_in_its_own_way_is_not_taken_for_another() -> None:
    class Cautious(Taylor):
        def error_ratio(self, error: Any, scale: Any) -> Any:
            return 100.0 * super().error_ratio(error, scale)

        def tuned(self, rtol: Any, atol: Any) -> Any:
            return self

    with pytest.raises(ArgumentError, match="compiled=True chooses steps by the error of an embedded"):
        solve_ivp(Lorenz63(), (0.0, 1.0), [1.0, 2.0, 20.0], Cautious(order=8), compiled=True)


def test_gradient_beside_kept_plain_solves_is_that_of_the_interpreted_steps() -> None:
    start = np.array([1.0, 2.0, 20.0])

    def end(y0: Any, way: Any) -> Any:
        return solve_ivp(Lorenz63(), (0.0, 0.5), y0, "Taylor", rtol=1e-9, compiled=way).y[0, -1]

    plain = [end(start, "auto") for _ in range(3)]  # the way of these is kept, and is not that of a gradient
    assert plain[0] == plain[1] == plain[2]
    found = [Value(start), Value(start)]
    for y0, way in zip(found, ("auto", False), strict=True):
        end(y0, way).backward()
    np.testing.assert_allclose(found[0].grad, found[1].grad, rtol=1e-9)
