"""`Fit`: what `fit` found, with its errors, to be read, drawn and written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studies import _checks
from studies._checks import Floats
from studies._optimum import Optimum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Fit"]

_STRONG = 0.9


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Optimum):
    """Parameters and a start, fitted to data; made by `fit`.

    Attributes
    ----------
    system : System
        With the parameters found.
    call : mapping
        The arguments of the call that made it, the data among them.
    free : tuple of str
        What was fitted: parameters and components of the start, n_free of them.
    first, x, errors : ndarray (n_free,)
        Where the search began, the estimates, and their standard errors: infinite where the data do not determine one.
    y0 : ndarray (n,)
        The whole start.
    covariance : ndarray (n_free, n_free)
        Of the estimates.
    unidentified : tuple of str
        Combinations that the data say nothing about, by the names that take part.
    at_bound : tuple of str
        What ended at one of its bounds; its error, and those beside it, are not to be trusted.
    chi2 : float
        Sum of the squares of the residuals over their deviations (over 1, where none were given), with the priors.
    n_data, freedom : int
        Number of measured numbers, and degrees of freedom.
    believed : bool
        Whether the errors rest on the deviations that were given; otherwise on the residuals.
    t, y : ndarray (k,), (n, k)
        The trajectory found, close enough in time to be drawn.
    data_t, data, data_sigma, model : ndarray (N,), (C, N), (C, N), (C, N)
        What was measured, NaN where nothing was, and the same of the trajectory.
    labels, data_units : tuple of str
        Of the C rows.
    nodes : ndarray (W + 1,)
        Ends of the windows; W is 1 for one shot.
    starts : ndarray (n, W)
        Of the windows: the flow carries each to the next, within 1e-8 of the motion's range.
    growth, growth_rate : float
        Of a small change of the start over the record, along the trajectory found.
    why : str
        Why one shot or windows.
    success, message : bool, str
        How the search ended.
    n_evaluations : int
        Solves with tangents.
    """

    study: ClassVar[str] = "fit"
    usual: ClassVar[tuple[str, str]] = ("DOP853", "Radau")
    own: ClassVar[frozenset[str]] = frozenset({
        *("data", "y0", "free", "sigma", "observables", "bounds", "prior", "t0", "shooting", "window"),
        *("absolute_sigma", "max_iterations"),
    })  # fmt: skip

    errors: Floats
    covariance: Floats
    unidentified: tuple[str, ...]
    at_bound: tuple[str, ...]
    chi2: float
    n_data: int
    freedom: int
    believed: bool
    t: Floats
    y: Floats
    data_t: Floats
    data: Floats
    data_sigma: Floats
    model: Floats
    labels: tuple[str, ...]
    data_units: tuple[str, ...]
    nodes: Floats
    starts: Floats
    growth: float
    growth_rate: float
    why: str
    success: bool
    message: str
    n_evaluations: int

    @property
    def n_windows(self) -> int:
        """Number of windows; 1 is one shot."""
        return len(self.nodes) - 1

    @property
    def residuals(self) -> Floats:
        """Data minus model over the deviation (C, N), NaN where nothing was measured."""
        return (self.data - self.model) / self.data_sigma

    @property
    def deviation(self) -> float:
        """Root of chi2 per degree of freedom: about 1 where the deviations are right, else the residuals' own."""
        return float(np.sqrt(self.chi2 / self.freedom)) if self.freedom > 0 else float("nan")

    @property
    def p_value(self) -> float:
        """Probability of a chi2 at least as large, were model and deviations right; NaN where none were given."""
        if not self.believed or self.freedom <= 0:
            return float("nan")
        from scipy.special import gammaincc

        return float(gammaincc(0.5 * self.freedom, 0.5 * self.chi2))

    @property
    def correlations(self) -> Floats:
        """Correlations (n_free, n_free) of the estimates; NaN beside what is not determined."""
        deviations = np.sqrt(np.diagonal(self.covariance))
        deviations = np.where(np.isfinite(self.errors) & (deviations > 0.0), deviations, np.nan)
        return np.asarray(self.covariance / np.outer(deviations, deviations))

    @cached_property
    def solution(self) -> Any:
        """The Solution from the start that was found, at the times of the data; one solve, made when it is asked for.

        NOTE: over a chaotic record it leaves the windows' trajectory `y` where rounding has grown to its size.
        """
        span = (float(self.nodes[0]), float(self.nodes[-1]))
        return self.solve(self.system, span, self.y0, np.unique(self.data_t))

    def plot(self) -> Figure:
        """Return a figure: data, fit and residuals of each row that was measured."""
        from studies._fit_plot import fit_figure

        return fit_figure(self)

    def summary(self) -> str:
        """Return a table of the estimates and what they are worth, as text."""
        table = [("", "estimate", "standard error", "unit", "began at")]
        for name, x, error, first in zip(self.free, self.x, self.errors, self.first, strict=True):
            mark = " (at its bound)" if name in self.at_bound else ""
            digits = _digits(x, error)
            told = "not determined" if np.isinf(error) else f"{error:.2g}"
            table.append((name, f"{x:.{digits}g}", told + mark, _checks.unit_of(self.system, name), f"{first:.6g}"))
        widths = [max(len(row[i]) for row in table) for i in range(5)]
        lines = [_line(row, widths) for row in table]
        lines.insert(1, "  ".join("-" * width for width in widths))
        head = f"{type(self.system).__name__}, {self.n_data} numbers of {', '.join(self._shown_labels())}"
        return "\n".join([head, "", *lines, "", *self._remarks()])

    def _shown_labels(self) -> list[str]:
        names = [name for name, row in zip(self.labels, self.data, strict=True) if np.isfinite(row).any()]
        return names if len(names) <= 6 else [*names[:5], f"and {len(names) - 5} more"]

    def _remarks(self) -> list[str]:
        """What to know about the estimates, line by line."""
        lines = []
        if self.believed:
            lines.append(f"chi2 {self.chi2:.5g} for {self.freedom} degrees of freedom (p = {self.p_value:.2g})")
        else:
            lines.append(f"residuals {self.deviation:.3g} (standard deviation), {self.freedom} degrees of freedom")
        correlations = np.abs(np.triu(np.nan_to_num(self.correlations), 1))
        pairs = [(i, j) for i, j in np.argwhere(correlations > _STRONG)]
        for i, j in sorted(pairs, key=lambda at: -correlations[at])[:3]:
            lines.append(f"correlation of {self.free[i]} and {self.free[j]}: {self.correlations[i, j]:.4f}")
        for names in self.unidentified:
            several = "the data do not determine these apart" if "," in names else "the data do not depend on it"
            lines.append(f"not determined: {names} ({several})")
        lines.append(f"{self.message} after {self.n_evaluations} evaluations; {self.why}")
        return lines

    def __repr__(self) -> str:
        pairs = zip(self.free, self.x.tolist(), self.errors.tolist(), strict=True)
        found = ", ".join(f"{name}={x:.{_digits(x, error)}g} +- {error:.2g}" for name, x, error in pairs)
        told = "" if self.success else f"; {self.message}"
        return f"Fit({type(self.system).__name__}: {found}; chi2 {self.chi2:.4g} / {self.freedom}{told})"


def _digits(x: float, error: float) -> int:
    """Return how many digits of x are worth showing beside its error: two beyond it, 6 without one."""
    if not (np.isfinite(error) and error > 0.0 and x != 0.0):
        return 6
    return int(np.clip(np.ceil(np.log10(abs(x) / error)) + 2, 2, 15))


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """Return one line of the table: the name and the unit to the left, numbers to the right."""
    padded = [
        cell.ljust(w) if i in (0, 3) else cell.rjust(w) for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()
