"""The 25 nonstiff DETEST problems with every adaptive explicit method: accuracy, and evaluations beside SciPy's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve

from benchmarks.bench_detest import adaptive_methods, measured, scipys
from benchmarks.detest import END, PROBLEMS, end_of

METHODS = adaptive_methods()
EACH = [pytest.param(x, marks=() if x in ("RK23", "RK45", "DOP853") else pytest.mark.slow) for x in METHODS]

# Largest error at t = 20 in units of the tolerance.  The local error is what a method controls; what becomes of it is
# the problem's doing: orbits (D) lose time, a quadratic growth, and pass their centre in a few steps at loose
# tolerances.
BOUNDS = {1e-3: 1000.0, 1e-6: 800.0, 1e-9: 600.0, 1e-12: 600.0}
_BLIND = {("Vern8", "D4", 1e-3), ("Vern8", "D5", 1e-3)}
"""Steps so long that its error estimate does not see the centre go by: the orbit is lost."""


@pytest.fixture(autouse=True)
def _interpreted_is_fine() -> None:
    warnings.simplefilter("ignore")


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_stated_solution_is_that_of_the_problem(name: str) -> None:
    """Both sources agree: closed forms and published values on one side, SciPy at its limit on the other."""
    problem = PROBLEMS[name]
    solution = scipy_solve(problem.fun, (0.0, END), problem.y0, method="DOP853", rtol=3e-14, atol=1e-15)
    end = end_of(name)
    assert np.max(np.abs(solution.y[:, -1] - end)) < 5e-12 * max(1.0, float(np.max(np.abs(end))))


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, *(pytest.param(x, marks=pytest.mark.slow) for x in (1e-9, 1e-12))])
@pytest.mark.parametrize("method", EACH)
def test_errors_stay_within_the_bound_in_units_of_the_tolerance(method: str, tolerance: float) -> None:
    found = {name: measured(method, name, tolerance).error for name in PROBLEMS}
    worse = {
        name: error
        for name, error in found.items()
        if error > BOUNDS[tolerance] and (method, name, tolerance) not in _BLIND
    }
    assert worse == {}
    assert np.median(list(found.values())) < 20.0


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, pytest.param(1e-9, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853"])
def test_scipys_methods_need_scipys_evaluations_and_have_its_errors(method: str, tolerance: float) -> None:
    for name in PROBLEMS:
        ours, theirs = measured(method, name, tolerance), scipys(method, name, tolerance)
        # Once in a thousand steps the last bit decides whether one is accepted.
        assert abs(ours.nfev - theirs.nfev) <= 12 + 1e-3 * theirs.nfev, name
        assert ours.error <= 1.1 * theirs.error + 1.0, name


def test_a_tighter_tolerance_gives_a_smaller_error_on_every_problem() -> None:
    for name in PROBLEMS:
        loose, tight = (measured("RK45", name, tolerance).error * tolerance for tolerance in (1e-4, 1e-8))
        assert tight < 0.01 * loose or tight < 1e-7, name
