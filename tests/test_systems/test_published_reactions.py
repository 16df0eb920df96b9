"""Reactions and epidemics of the zoo against published numbers, each with its source.

The solutions at the end that the test set states stand in `benchmarks.stiff`, by which the stiff methods are measured.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.stiff import PROBLEMS
from diffsim.derivatives import jacobian
from integrators import solve_ivp
from systems import E5, HIRES, SIR, Brusselator, Oregonator


@pytest.mark.parametrize("name", ["Robertson", "HIRES", "POLLU", pytest.param("OREGO", marks=pytest.mark.slow)])
def test_solution_at_the_end_is_that_of_the_test_set(name: str) -> None:
    # SOURCE: Mazzia and Magherini, Test Set for IVP Solvers, release 2.4 (2008), by RADAU in quadruple precision.
    problem = PROBLEMS[name]
    atol = 1e-9 * np.array(problem.atol)
    sol = solve_ivp(problem.fun, (0.0, problem.end), problem.y0, "LSODA", rtol=1e-8, atol=atol, max_steps=100_000)
    assert sol.success
    np.testing.assert_allclose(sol.y[:, -1], problem.solution, rtol=1e-4)
    for invariant in problem.fun.invariants.values():  # type: ignore[attr-defined]
        total = invariant(sol.y)
        np.testing.assert_allclose(total, total[0], rtol=1e-12)


def test_phytochrome_is_lost_only_where_the_scheme_says() -> None:
    """SOURCE: the scheme in Hairer and Wanner II, section IV.10: it comes from the source, leaves by k_star alone."""
    rng = np.random.default_rng(4)
    for _ in range(5):
        system = HIRES(*rng.uniform(0.5, 3.0, 10))
        state = rng.uniform(0.0, 1.0, 8)
        total = np.sum(system(0.0, state)[:7])
        assert total == pytest.approx(system.source - system.k_star * state[6], abs=1e-12)


def test_e5_ends_as_in_the_test_set_but_for_the_rounding_there() -> None:
    """SOURCE: the same: y_2 = 0.8867655517642120e-22 and y_3 = 0.8854814626268838e-22 at 1e13, y_1 and y_4 are gone.

    Both must be equal, since y_2 - y_3 - y_4 is conserved and 0: their difference there, 1.3e-25, is rounding of
    numbers that once were 1e-10.  The product does not feel it.
    """
    system = E5()
    sol = solve_ivp(system, (0.0, 1e13), system.default_state, "Radau", rtol=1e-7, atol=1e-30, t_eval=[1e13])
    assert sol.success
    assert math.sqrt(sol.y[1, 0] * sol.y[2, 0]) == pytest.approx(
        math.sqrt(0.8867655517642120 * 0.8854814626268838) * 1e-22
    )
    assert abs(sol.y[0, 0]) < 1e-30
    assert abs(sol.y[3, 0]) < 1e-30


def test_the_oregonator_comes_back_after_the_published_period() -> None:
    """SOURCE: Gottwald and Wanner, Simulation 38 (1982) 69: from (4, 1.331391, 2.852348), 302.85805 s later."""
    start = [4.0, 1.331391, 2.852348]
    sol = solve_ivp(Oregonator(), (0.0, 302.85805), start, "LSODA", rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(sol.y[:, -1], start, rtol=2e-4)
    assert np.max(sol.y[0]) > 1e5, "and has been far away"


def test_the_brusselator_begins_to_oscillate_as_prigogine_and_lefever_say() -> None:
    """SOURCE: Prigogine and Lefever (1968): the steady state loses its stability at B = 1 + A^2, with frequency A."""
    for b, stable in ((4.99, True), (5.01, False)):
        system = Brusselator(A=2.0, B=b)
        rates = np.linalg.eigvals(jacobian(lambda y, f=system: f(0.0, y))(np.array(system.equilibria["steady"])))
        assert (np.max(rates.real) < 0.0) == stable
        assert np.max(rates.imag) == pytest.approx(2.0, rel=1e-4)


def test_the_epidemic_in_the_school_is_that_of_murray() -> None:
    """SOURCE: Murray, Mathematical Biology I, section 10.2: the largest number of ill boys is N (1 - (1 + log R) / R)
    for R = N / 202 = 3.78, and the boys that are never ill are those of the final size equation."""
    system = SIR(beta=2.18e-3 * 763, gamma=202 * 2.18e-3)
    ratio = 763.0 / 202.0
    sol = solve_ivp(system, (0.0, 80.0), system.default_state, "DOP853", rtol=1e-11, atol=1e-13, max_step=0.05)
    s, i, r = sol.y
    start = s[0]
    assert np.max(i) == pytest.approx(1.0 - (1.0 + math.log(ratio * start)) / ratio, rel=1e-4)
    assert s[-1] == pytest.approx(start * math.exp(-ratio * (r[-1] - r[0])), rel=1e-9)
    assert 763 * np.max(i) == pytest.approx(292, abs=1), (
        "as in his figure 10.3(a), where the 22nd of January has about 290"
    )
