"""One shot over the whole record: SciPy's least squares with exact Jacobians, and what its result is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.errors import RunError
from studies._checks import Floats
from studies._fit_unknowns import Unknowns
from studies._fit_windows import Windows

__all__: list[str] = []

_TOLERANCE = 1e-12
_NULL = 1e-9
"""Singular values below this part of the largest count as 0; the Jacobian is exact to some 1e-12 of its largest."""


@final
@dataclass(frozen=True, eq=False)
class Found:
    """Where a search ended.

    Attributes
    ----------
    x : ndarray (q,)
    starts : ndarray (n, W)
        Of all windows.
    covariance : ndarray (q, q)
        Of the free quantities for residuals of variance 1; without the directions of `null`.
    null : ndarray (k, q)
        Directions that the data say nothing about, in units of `sizes`.
    sizes : ndarray (q,)
    chi2 : float
        Sum of the squares of all residuals, with those of the priors.
    success, message
        How the search ended.
    n_evaluations : int
        Solves of all windows with their tangents.
    """

    x: Floats
    starts: Floats
    covariance: Floats
    null: Floats
    sizes: Floats
    chi2: float
    success: bool
    message: str
    n_evaluations: int


@final
class _Problem:
    """Residuals (m,) and their Jacobian (m, q), of one evaluation."""

    def __init__(self, windows: Windows, unknowns: Unknowns, after: Callable[[], object]) -> None:
        self.windows, self.unknowns, self.n_evaluations, self.after = windows, unknowns, 0, after
        self.last: tuple[Floats, Floats, Floats] | None = None
        self.pulled = np.flatnonzero(unknowns.weight)

    def both(self, x: Floats) -> tuple[Floats, Floats]:
        """Return residuals and Jacobian at x; NaN where the trajectory fails, which SciPy answers by a shorter step."""
        if self.last is not None and np.array_equal(self.last[0], x):
            return self.last[1:]
        p = self.unknowns.n_parameters
        self.n_evaluations += 1
        found = self.windows.evaluate(x[:p], self.unknowns.start_at(x)[:, None])
        piece = found.pieces[0]
        jacobian = np.concatenate([piece.by_parameter, piece.by_start[:, list(self.unknowns.components)]], axis=1)
        prior = np.diag(self.unknowns.weight)[self.pulled]
        residuals = np.concatenate([piece.residuals, self.unknowns.pull(x)[self.pulled]])
        self.last = (x.copy(), residuals, np.concatenate([jacobian, prior]))
        return self.last[1:]

    def residuals(self, x: Floats) -> Floats:
        return self.both(x)[0]

    def jacobian(self, x: Floats) -> Floats:
        self.after()  # SciPy asks once an iteration
        return self.both(x)[1]


def single(windows: Windows, unknowns: Unknowns, budget: int, after: Callable[[], object]) -> Found:
    """Return the least squares of one shot.

    Parameters
    ----------
    windows : Windows
        One.
    unknowns : Unknowns
    budget : int
        Most evaluations.
    after : callable
        Called after each iteration.

    Raises
    ------
    RunError
        The trajectory from the first guess does not reach the end.
    """
    import scipy.optimize

    problem = _Problem(windows, unknowns, after)
    residuals = problem.residuals(unknowns.first)
    if not np.isfinite(residuals).all() or not np.isfinite(problem.jacobian(unknowns.first)).all():
        raise RunError(
            f"{windows.who}: the trajectory from the first guess does not reach the last measurement, or what is "
            "observed of it is not finite. Begin elsewhere (y0=, parameters of the System), or bound what is free."
        )
    search: Any = scipy.optimize.least_squares
    found = search(
        problem.residuals, unknowns.first, jac=problem.jacobian, bounds=(unknowns.low, unknowns.high), x_scale="jac",
        ftol=_TOLERANCE, xtol=_TOLERANCE, gtol=_TOLERANCE, max_nfev=budget,
    )  # fmt: skip
    x = np.asarray(found.x)
    residuals, jacobian = problem.both(x)
    covariance, null, sizes = covariance_of(jacobian)
    start = unknowns.start_at(x)[:, None]
    chi2 = float(residuals @ residuals)
    message = "converged" if found.success else f"stopped after {problem.n_evaluations} evaluations"
    return Found(x, start, covariance, null, sizes, chi2, bool(found.success), message, problem.n_evaluations)


def covariance_of(jacobian: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the covariance (q, q) for residuals of variance 1, null directions (k, q) and the columns' sizes (q,).

    A column is measured by its norm; the null directions are those of the scaled Jacobian, and a quantity without any
    influence is one by itself.
    """
    norms = np.linalg.norm(jacobian, axis=0)
    sizes = np.where(norms > 0.0, norms, 1.0)
    _, values, right = np.linalg.svd(jacobian / sizes, full_matrices=True)
    values = np.append(values, np.zeros(len(right) - len(values)))
    known = values > _NULL * max(1.0, values[0])
    basis = right[known] / values[known, None]
    return (basis.T @ basis) / np.outer(sizes, sizes), right[~known], 1.0 / sizes
