"""Solves to any number of digits: against closed forms, against tighter runs, and through the front door."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from diffsim import ops
from diffsim.errors import ArgumentError, KindError, RunError
from diffsim.value import Value
from integrators import Taylor, solve_ivp, solve_multiprecision
from systems import DoublePendulum


def turn(t: Any, y: Any) -> list[Any]:
    return [y[1], -y[0]]


@pytest.mark.parametrize("digits", [1, 5, 16, 40, 90])
@pytest.mark.parametrize("end", [3, -3])
def test_digits_that_are_asked_for_are_there(digits: int, end: int) -> None:
    sol = solve_multiprecision(turn, (0, end), [0, 1], digits=digits)
    with mpmath.workdps(digits + 10):
        assert abs(sol.y[0, -1] - mpmath.sin(end)) < mpf(10) ** -digits
        assert abs(sol.y[1, -1] - mpmath.cos(end)) < mpf(10) ** -digits
    assert sol.t[0] == 0
    assert sol.t[-1] == end


def test_nonautonomous_problem_with_functions_of_the_table_at_60_digits() -> None:
    sol = solve_multiprecision(lambda t, y: y * ops.cos(t), (0, 2), [1], digits=60, t_eval=[0, "0.1", 1, 2])
    with mpmath.workdps(70):
        for t, y in zip(sol.t, sol.y[0], strict=True):
            assert abs(y - mpmath.exp(mpmath.sin(t))) < mpf(10) ** -59


@pytest.mark.parametrize("end", [2, -2])
def test_solution_between_its_steps_has_all_digits(end: int) -> None:
    sol = solve_multiprecision(turn, (0, end), [0, 1], digits=30)
    times = [Fraction(k * end, 17) for k in range(18)]
    found = sol.sol(times)
    assert found.shape == (2, 18)
    with mpmath.workdps(40):
        for t, y in zip(times, found[0], strict=True):
            assert abs(y - mpmath.sin(mpf(t.numerator) / t.denominator)) < mpf(10) ** -30
    assert sol.sol("0.5" if end > 0 else "-0.5").shape == (2,)
    with pytest.raises(ArgumentError, match="sol: t must lie within"):
        sol.sol(5)


def test_text_of_digits_is_exact_and_a_float_is_the_double_that_it_is() -> None:
    exact, double = (solve_multiprecision(turn, (0, 1), [x, 0], digits=40).y[0, 0] for x in ("0.1", 0.1))
    with mpmath.workdps(50):
        assert abs(exact - mpf("0.1")) < mpf(10) ** -41
        assert double == mpf(0.1)
        assert double - exact > mpf(10) ** -18


def test_double_pendulum_to_30_digits_is_that_of_a_tighter_run() -> None:
    few, more = (
        solve_multiprecision(DoublePendulum(), (0, "0.5"), ["0.4", 0, 1, 4], digits=digits) for digits in (30, 40)
    )
    with mpmath.workdps(50):
        assert max(abs(a - b) for a, b in zip(few.y[:, -1], more.y[:, -1], strict=True)) < mpf(10) ** -28


def test_series_that_ends_by_accident_and_a_kink_are_found() -> None:
    power = solve_multiprecision(lambda t, y: t**90 + 0 * y, (0, 2), [1], digits=20)
    with mpmath.workdps(30):
        wanted = 1 + mpf(2) ** 91 / 91
        assert abs(power.y[0, -1] - wanted) < mpf(10) ** -18 * wanted
    kinked = solve_multiprecision(lambda t, y: ops.where(t < 1, 1, -3) + 0 * y, (0, 2), [0], digits=20)
    assert abs(kinked.y[0, -1] + 2) < 1e-18


# SOURCE: facts about the double pendulum (eight digits, two methods), and this method with 60 digits: 36 of them here.
AT_5 = (
    "3.54359486387372173788798154386975543",
    "47.4364506138786794783808789226559019",
    "1.41263352515897260418039185896423449",
    "-0.0953772294293278721612643302266956228",
)


@pytest.mark.slow
def test_double_pendulum_at_50_digits_is_that_of_a_tighter_run_to_1e_40() -> None:
    few, more = (solve_multiprecision(DoublePendulum(), (0, 5), ["0.4", 0, 1, 4], digits=n) for n in (50, 60))
    with mpmath.workdps(70):
        for a, b, known in zip(few.y[:, -1], more.y[:, -1], AT_5, strict=True):
            assert abs(a - b) < mpf(10) ** -40
            assert abs(b - mpf(known)) < mpf(10) ** -33


# -- the front door --------------------------------------------------------------------------------------------------


def test_solve_ivp_takes_multiprecision_numbers_to_the_digits_of_the_context() -> None:
    with mpmath.workdps(35):
        sol = solve_ivp(turn, (0, 1), [mpf(0), mpf(1)], "Taylor", dense_output=True, t_eval=[mpf("0.5"), 1])
        assert sol.success
        assert sol.nfev == 1  # an entire function: one step reaches the end
        assert sol.y.shape == (2, 2)
        assert abs(sol.y[0, 1] - mpmath.sin(1)) < mpf(10) ** -34
        assert abs(sol.sol(mpf("0.25"))[0] - mpmath.sin(mpf("0.25"))) < mpf(10) ** -34
        array = solve_ivp(turn, (0, 1), np.array([mpf(0), mpf(1)]), Taylor(), args=())
        assert array.y[0, -1] == sol.y[0, 1]
        alone = solve_ivp(lambda t, y: -y, (0, 1), mpf(1), Taylor)
        assert abs(alone.y[0, -1] - mpmath.exp(-1)) < mpf(10) ** -34


def test_solution_that_blows_up_is_a_status_with_what_there_is() -> None:
    with mpmath.workdps(20):
        sol = solve_ivp(lambda t, y: y * y, (0, 2), [mpf(1)], "Taylor")
        assert sol.status == -1
        assert "t=1.0" in sol.message
        assert 1 - sol.t[-1] < 1e-15
        few = solve_ivp(lambda t, y: y * y, (0, 2), [mpf(1)], "Taylor", max_steps=3, t_eval=[0, 0.1, 1.9])
        assert "max_steps=3" in few.message
        assert few.y.shape == (1, 2)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "method='Taylor' integrates.* got method='RK45'"),
        ({"method": "RK4", "step": 0.1}, "got method='RK4'"),
        ({"method": Taylor(order=5)}, r"got method=Taylor\(order=5\)"),
        ({"method": "Taylor", "rtol": 1e-9}, "rtol must be left out.*mpmath.mp.dps"),
        ({"method": "Taylor", "events": [lambda t, y: y[0]]}, "events must be left out"),
        ({"method": "Taylor", "sensitivities": "y0"}, "sensitivities must be left out"),
        ({"method": "Taylor", "step": 0.1}, "step must be left out"),
    ],
)
def test_what_has_no_meaning_for_multiprecision_numbers_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        solve_ivp(turn, (0, 1), [mpf(0), mpf(1)], **more)


def test_batch_of_multiprecision_numbers_is_refused() -> None:
    with pytest.raises(ArgumentError, match="one axis"):
        solve_ivp(turn, (0, 1), np.array([[mpf(0), mpf(1)], [mpf(1), mpf(2)]]), "Taylor")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (((0, 1, 2), [1]), ArgumentError, "t_span must be 2 numbers; got 3"),
        (((0, 1), []), ArgumentError, "y0 must hold at least one number"),
        (((0, "one"), [1]), KindError, "t_span must hold real numbers; got 'one'"),
        (((0, 1), [float("nan")]), ArgumentError, "y0 must be finite"),
        (((0, 1), [1j]), KindError, "y0 must hold real numbers"),
        (((0, 1), [Value(1.0)]), KindError, "y0 must hold real numbers, plain ones; got Value"),
        (((0, 1), 3), KindError, "y0 must be a sequence of numbers; got int"),
    ],
)
def test_arguments_that_are_no_numbers_are_named(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"^solve_multiprecision: {words}"):
        solve_multiprecision(lambda t, y: y, *arguments)


def test_options_out_of_range_are_named() -> None:
    with pytest.raises(ArgumentError, match="digits must be >= 1"):
        solve_multiprecision(turn, (0, 1), [0, 1], digits=0)
    with pytest.raises(KindError, match="digits must be a whole number"):
        solve_multiprecision(turn, (0, 1), [0, 1], digits=3.5)
    with pytest.raises(ArgumentError, match="t_eval must lie within t_span"):
        solve_multiprecision(turn, (0, 1), [0, 1], t_eval=[2])
    with pytest.raises(RunError, match="max_steps=2 steps are used up"):
        solve_multiprecision(turn, (0, 100), [0, 1], max_steps=2)
    with pytest.raises(RunError, match=r"<lambda> divides by zero at t=0\.0"):
        solve_multiprecision(lambda t, y: ops.log(y - 1), (0, 1), [1], digits=20)


def test_right_hand_side_that_needs_plain_numbers_is_refused() -> None:
    with pytest.raises(KindError):
        solve_multiprecision(lambda t, y: [float(y[0])], (0, 1), [1])
