"""Tableaus: order conditions by rooted trees, claims that fail, methods of one's own."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from diffsim.errors import ArgumentError, KindError
from integrators import RK4, RK45, RungeKutta, Tableau, solve_ivp
from integrators._methods import flow_methods, method_class
from integrators._rooted_trees import density, size, trees

# Butcher's method of order 6, with seven stages.  SOURCE: J. C. Butcher, "On Runge-Kutta processes of high order",
# J. Austral. Math. Soc. 4 (1964), 179-194; Hairer, Norsett, Wanner I, section II.5, exercise 2 (7 stages).
BUTCHER6: dict[str, Any] = {
    "a": (
        (),
        ("1/3",),
        (0, "2/3"),
        ("1/12", "1/3", "-1/12"),
        ("-1/16", "9/8", "-3/16", "-3/8"),
        (0, "9/8", "-3/8", "-3/4", "1/2"),
        ("9/44", "-9/11", "63/44", "18/11", 0, "-16/11"),
    ),
    "b": ("11/120", 0, "27/40", "27/40", "-4/15", "-4/15", "11/120"),
    "order": 6,
}


def test_numbers_of_rooted_trees_are_the_published_ones() -> None:
    # OEIS A000081.
    assert [len(trees(n)) for n in range(1, 11)] == [1, 1, 2, 4, 9, 20, 48, 115, 286, 719]
    assert all(size(tree) == 7 for tree in trees(7))


def test_densities_of_trees_of_order_4_are_the_published_ones() -> None:
    # Hairer, Norsett, Wanner I, table II.2.1: gamma of the four trees with four nodes.
    assert sorted(density(tree) for tree in trees(4)) == [4, 8, 12, 24]


def test_butcher_order_6_passes_its_37_conditions_and_integrates_with_order_6() -> None:
    method = RungeKutta(Tableau(**BUTCHER6))
    errors = []
    for n in (8, 16):
        sol = solve_ivp(lambda t, y: y * np.cos(t), (0.0, 2.0), [1.0], method=method, step=2.0 / n)
        errors.append(abs(sol.y[0, -1] - np.exp(np.sin(2.0))))
    assert abs(np.log2(errors[0] / errors[1]) - 6) < 0.5


def test_butcher_order_6_does_not_pass_as_order_7() -> None:
    with pytest.raises(ArgumentError, match=r"Tableau: b must satisfy the order condition of tree .* \(order 7\)"):
        Tableau(**{**BUTCHER6, "order": 7})


@pytest.mark.parametrize("name", flow_methods())
def test_every_method_proves_its_claims(name: str) -> None:
    method = method_class(name)()
    if not isinstance(method, RungeKutta):
        pytest.skip("no tableau")
    method.tableau.prove()
    assert method.tableau.digits is None or method.tableau.digits >= 24


@pytest.mark.parametrize("name", flow_methods())
def test_no_method_claims_less_than_it_has(name: str) -> None:
    method = method_class(name)()
    if isinstance(method, RungeKutta):
        tableau = method.tableau
        with pytest.raises(ArgumentError, match="order condition"):
            Tableau(tableau.a, tableau.b, tableau.c, order=tableau.order + 1, digits=tableau.digits)


@pytest.mark.parametrize("name", flow_methods())
def test_every_changed_coefficient_is_caught(name: str) -> None:
    method = method_class(name)()
    if not isinstance(method, RungeKutta):
        pytest.skip("no tableau")
    tableau = method.tableau
    more: dict[str, Any] = {"order": tableau.order, "digits": tableau.digits}
    Tableau(tableau.a, tableau.b, tableau.c, **more)
    for i in range(tableau.n_stages):
        b = list(tableau.b)
        b[i] += Fraction(1, 10**12)
        with pytest.raises(ArgumentError, match="off by"):
            Tableau(tableau.a, b, tableau.c, **more)
        for j in range(i):
            a = [list(row) for row in tableau.a]
            a[i][j] += Fraction(1, 10**12)
            with pytest.raises(ArgumentError, match=rf"c\[{i}\] must be the sum of row {i} of a"):
                Tableau(a, tableau.b, tableau.c, **more)


def test_embedded_and_dense_claims_are_checked() -> None:
    t = RK45.TABLEAU
    full: dict[str, Any] = {
        "a": t.a,
        "b": t.b,
        "b_error": t.b_error,
        "order": 5,
        "error_order": 4,
        "b_dense": t.b_dense,
        "dense_order": 4,
    }
    assert Tableau(**full) == t
    with pytest.raises(ArgumentError, match=r"b - b_error must satisfy .* \(order 5\)"):
        Tableau(**{**full, "error_order": 5})
    with pytest.raises(ArgumentError, match=r"b_dense must satisfy the order condition of tree .* in x\*\*"):
        Tableau(**{**full, "dense_order": 5})
    swapped = [t.b_dense[2], *t.b_dense[1:2], t.b_dense[0], *t.b_dense[3:]] if t.b_dense else []
    with pytest.raises(ArgumentError, match=r"b_dense\[0\] must sum to b\[0\]"):
        Tableau(**{**full, "b_dense": swapped})


def test_message_says_which_condition_fails_and_by_how_much() -> None:
    with pytest.raises(ArgumentError) as caught:
        Tableau(a=((), ("1/2",), (0, "1/2"), (0, 0, 1)), b=("1/6", "1/3", "1/3", "1/6"), order=5)
    assert str(caught.value) == (
        "Tableau: b must satisfy the order condition of tree [tttt] (order 5), sum = 1/5; got sum=5/24, off by 1/120."
    )


def test_float_coefficients_are_taken_to_rounding_and_fractions_exactly() -> None:
    third = 1.0 / 3.0
    Tableau(a=((), (2 * third,)), b=(0.25, 0.75), order=2)
    with pytest.raises(ArgumentError, match="off by"):
        Tableau(a=((), (2 * third,)), b=(0.25, 0.75 + 1e-10), order=2)
    with pytest.raises(ArgumentError, match="off by"):
        Tableau(a=((), ("2/3",)), b=(Fraction(1, 4), Fraction(3, 4) + Fraction(1, 10**30)), order=2)


def test_own_tableau_is_a_method_with_fixed_and_with_chosen_steps() -> None:
    pair = Tableau(a=((), (1,)), b=("1/2", "1/2"), b_error=("-1/2", "1/2"), order=2, error_order=1)
    fixed = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], RungeKutta(pair, step=0.01))
    chosen = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], RungeKutta(pair), rtol=1e-6, atol=1e-9)
    heun = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], "Heun", step=0.01)
    np.testing.assert_array_equal(fixed.y, heun.y)
    assert abs(chosen.y[0, -1] - np.exp(-1.0)) < 1e-5


def test_own_pair_without_an_interpolant_serves_save_times_by_the_hermite_polynomial() -> None:
    pair = Tableau(a=((), (1,)), b=("1/2", "1/2"), b_error=("-1/2", "1/2"), order=2, error_order=1)
    sol = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], RungeKutta(pair), rtol=1e-6, atol=1e-9, t_eval=[0.3, 0.5])
    np.testing.assert_allclose(sol.y[0], np.exp(-sol.t), atol=1e-5)


def test_adaptive_method_with_a_step_takes_fixed_steps() -> None:
    sol = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], "RK45", step=0.1)
    np.testing.assert_allclose(sol.t, np.arange(11) / 10, rtol=1e-15)
    assert abs(sol.y[0, -1] - np.exp(-1.0)) < 1e-8
    assert sol.nfev == 60


def test_decimals_are_checked_to_the_digits_that_they_are_said_to_have() -> None:
    third = {"a": ((), ("0.66666666666666666667",)), "b": ("0.25", "0.75"), "order": 2}
    Tableau(**third, digits=19)
    with pytest.raises(ArgumentError, match=r"b must satisfy the order condition of tree \[t\]"):
        Tableau(**{**third, "b": ("0.2500000001", "0.7499999999")}, digits=19)
    with pytest.raises(ArgumentError, match="order 3"):
        Tableau(**{**third, "order": 3}, digits=2)


def test_proof_may_come_later() -> None:
    wrong = Tableau(a=((), (1,)), b=("1/2", "1/3"), order=2, prove=False)
    with pytest.raises(ArgumentError, match=r"tree t \(order 1\), sum = 1; got sum=5/6"):
        wrong.prove()


def test_stages_for_the_interpolant_alone_and_a_second_estimate_are_a_method_of_ones_own() -> None:
    # The trapezoidal pair with the midpoint of its interpolant as a further stage: Simpson's rule, order 2 inside.
    pair = Tableau(
        a=((), (1,)),
        b=("1/2", "1/2"),
        order=2,
        b_error=("-1/2", "1/2"),
        error_order=1,
        b_error_low=("-1/2", "1/2"),
        error_order_low=1,
        a_dense=(("1/4", "1/4"),),
        b_dense=((1, "-3/2", 1), (0, "-1/2", 1), (0, 2, -2)),
        dense_order=2,
    )
    assert pair.control_order == 1
    method = RungeKutta(pair)
    sol = solve_ivp(lambda t, y: y * np.cos(t), (0.0, 2.0), [1.0], method, rtol=1e-7, atol=1e-9, t_eval=[0.3, 1.1, 2.0])
    np.testing.assert_allclose(sol.y[0], np.exp(np.sin(sol.t)), rtol=1e-5)
    fixed = solve_ivp(lambda t, y: y * np.cos(t), (0.0, 2.0), [1.0], RungeKutta(pair, step=0.01))
    assert abs(fixed.y[0, -1] - np.exp(np.sin(2.0))) < 1e-4


def test_tableaus_are_frozen_and_compare_by_value() -> None:
    tableau = Tableau(a=((), (1,)), b=("1/2", "1/2"), order=2)
    assert tableau == Tableau(a=((0, 0), (1, 0)), b=(0.5, 0.5), c=(0, 1), order=2)
    with pytest.raises(AttributeError):
        tableau.order = 3  # type: ignore[misc]  # that it cannot be set is the point


def test_step_of_rk4_on_an_array_makes_no_object_array() -> None:
    y = RK4().step(lambda t, y: -y, 0.0, np.array([1.0, 2.0]), 0.1)
    assert y.dtype == np.float64


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"a": ((),), "b": (float("nan"),), "order": 1}, "b must hold finite numbers; got b=nan"),
        ({"a": ((),), "b": ("x",), "order": 1}, "b must hold finite numbers; got b='x'"),
        ({"a": ((),), "b": (1, 1), "order": 1}, "a must have one row a stage"),
        ({"a": ((), (1, 2, 3)), "b": (1, 1), "order": 1}, r"a\[1\] must have 2 entries"),
        ({"a": ((),), "b": (1,), "order": "a"}, "order must be an integer >= 1"),
        ({"a": ((),), "b": (1,), "order": 0}, "order must be an integer >= 1"),
        ({"a": ((),), "b": (1,), "b_error": (1,), "order": 1}, "error_order must be given together with b_error"),
        ({"a": ((),), "b": (1,), "b_dense": ((1,), (1,)), "dense_order": 1, "order": 1}, "b_dense must have 1 rows"),
        ({"a": ((),), "b": (1,), "a_dense": ((1,),), "order": 1}, "a_dense must be given together with b_dense"),
        ({"a": ((),), "b": (1,), "a_dense": ((1, 1),), "order": 1}, r"a_dense\[0\] must have 1 entries"),
        (
            {"a": ((),), "b": (1,), "b_error_low": (1,), "error_order_low": 1, "order": 1},
            "b_error_low must be given together with b_error",
        ),
        (
            {"a": ((),), "b": (1,), "b_error": (0,), "error_order": 1, "b_error_low": (0,), "order": 1},
            "error_order_low must be given together with b_error_low",
        ),
        ({"a": ((),), "b": (1,), "digits": 0, "order": 1}, "digits must be an integer >= 1"),
    ],
)
def test_bad_tableau_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=f"^Tableau: {words}"):
        Tableau(**fields)


def test_implicit_tableau_passes_its_conditions_but_is_no_explicit_method() -> None:
    gauss = Tableau(a=(("1/2",),), b=(1,), order=2)
    assert not gauss.explicit
    with pytest.raises(ArgumentError, match="implicit methods here are classes of their own"):
        RungeKutta(gauss)
    with pytest.raises(KindError, match="tableau must be a Tableau; got int"):
        RungeKutta(3)  # type: ignore[arg-type]  # a wrong kind is the point
