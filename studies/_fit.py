"""`fit`: parameters and a start from measurements, by least squares on exact sensitivities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diffsim.errors import ArgumentError, RunError, must
from diffsim.progress import progress_bar
from diffsim.protocols import is_discrete
from studies import _checks
from studies._checks import Floats
from studies._fit_data import Measured, measured
from studies._fit_multiple import Chain, approach, join
from studies._fit_result import Fit
from studies._fit_single import Found, single
from studies._fit_starts import march
from studies._fit_unknowns import Unknowns, unknowns
from studies._fit_windows import Windows
from studies._growth import LIMIT, Growth, growth_of
from studies._solver import solver_arguments

__all__ = ["fit"]

_WHO = "fit"
_SHOOTING = ("auto", "single", "multiple")
_TOLERANCES = (1e-9, 1e-9)
_SHARE = 0.05  # of the data's spread: the standard deviation that is assumed on the way where none was given
_UNEXPLAINED = 0.05  # part of the data's variance that makes one shot a miss
_FAR = 4.0  # chi2 per degree of freedom that does, where the deviations are known
_BAD = 0.01  # part of the data's variance that a window may leave before the parameters are known
_WITHIN = 5.0  # growth within a window
_SWING = 0.3  # of a row's deviation: how far it must go to either side to count as a swing
_FEWEST = 3
_TRIAL = 60  # evaluations within which one shot has to explain the data before windows are tried
_POINTS = 1200


def fit(
    system: Any,
    data: Any,
    y0: Any = None,
    *,
    free: Any,
    sigma: Any = None,
    observables: Mapping[str, Callable[..., Any]] | None = None,
    bounds: Mapping[str, Any] | None = None,
    prior: Mapping[str, Any] | None = None,
    t0: float | None = None,
    shooting: str = "auto",
    window: float | None = None,
    absolute_sigma: bool = True,
    max_iterations: int = 200,
    method: Any = None,
    rtol: float | None = None,
    atol: float | None = None,
    progress: bool = False,
    **options: Any,
) -> Fit:
    """Fit parameters of a System and its start to measurements, with standard errors and correlations.

    The smallest sum of squares, with d the data, h what is observed of the trajectory, sigma standard deviations:

        chi2 = sum over k of ((h(t_k, y(t_k; x)) - d_k) / sigma_k)**2,

    found by Gauss-Newton steps on the exact derivatives of the discrete solution: by ``scipy.optimize.least_squares``
    in one shot over the record.  Over a chaotic record that cannot work, and the record is cut into windows, each
    with a start of its own; joined by constraints they give the same estimate, by a way that no chaos stops.  That is
    chosen by itself, and ``.why`` says why.

    Parameters
    ----------
    system : System
        Its parameters are where the search begins.
    data : pair, mapping or path
        ``(times, values)`` with values (n, n_times) for the components; ``(times, {name: values})``;
        ``{name: (times, values)}``; or a CSV file with a column ``t`` (and columns ``sigma_name``).  A name is that of
        a component, ``positions`` with values (n_points, 2, n_times), ``x_1`` or ``y_2`` (one coordinate of a point),
        ``energy``, or one of `observables`.  Times in s, in any order; NaN (an empty cell) is a missing number.
    y0 : array_like (n,), optional
        The start at `t0`, or a guess of it; by default the System's own.
    free : str or sequence of str
        Parameters and components of the start that are fitted: ``("gravity", "mass_2", "theta_1")``.  ``"y0"`` stands
        for all components, ``"params"`` for all parameters.  To free a ratio of masses, free one of them.
    sigma : float, array or mapping, optional
        Standard deviations: one number, one a row, one a number of the data, or a mapping by name.  Without it all
        have the same weight, and their deviation comes from the residuals.
    observables : mapping of str to callable, optional
        ``f(t, y)`` or ``f(t, y, system)`` of times (N,), states (n, N) and the System with its free parameters; returns
        (N,) or (m, N).
    bounds : mapping of str to (low, high), optional
        None is no bound.  What a System declares to be positive stays so by itself.
    prior : mapping of str to (mean, standard deviation), optional
        Knowledge from elsewhere, added as one more measurement.
    t0 : float, optional
        Time of the start, the first measurement's by default.
    shooting : {"auto", "single", "multiple"}
        One shot or windows.
    window : float, optional
        Length of a window in s.  By default it holds a swing of the data and a growth by at most 5.
    absolute_sigma : bool
        Whether `sigma` is believed; if not, only its ratios count, as `scipy.optimize.curve_fit` does by default.
    max_iterations : int
        Most evaluations (single shooting) or steps (multiple).
    method, rtol, atol, **options
        As for `solve_ivp`: DOP853 (Radau for stiff systems) with tolerances of 1e-9 by default.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Fit
        ``.found``, ``.errors``, ``.correlations``, ``.chi2``, ``.system`` (with what was found), ``.residuals``,
        ``.unidentified``, ``.why``; ``print(result.summary())`` is a table.  A search that does not converge is a
        result, with ``success`` False.

    Raises
    ------
    ArgumentError, KindError
        Unknown names, shapes that do not fit, fewer numbers than free quantities.
    RunError
        The trajectory from the first guess does not reach the last measurement.

    Notes
    -----
    Standard errors are those of the linearised problem, from the inverse of J^T J (of the bordered matrix, for
    windows).  Where the data do not determine a quantity, its error is infinite, and `Fit.unidentified` names the
    combination.  Cost: one solve with tangents an evaluation, all windows in one batch.

    References
    ----------
    Bock, "Recent advances in parameter identification techniques for ODE", in Numerical Treatment of Inverse Problems
    in Differential and Integral Equations (1983), sections 3 and 4.  Nocedal and Wright, Numerical Optimization, 2nd
    edition, sections 10.3 and 18.3.  Baake, Baake, Bock, Briggs, "Fitting ordinary differential equations to chaotic
    data", Physical Review A 45 (1992) 5524.

    Examples
    --------
    >>> from systems import HarmonicOscillator
    >>> times = np.linspace(0.0, 5.0, 26)
    >>> data = (times, {"x": np.cos(1.5 * times)})
    >>> result = fit(HarmonicOscillator(), data, [1.0, 0.0], free="stiffness", sigma=0.01)
    >>> round(result.found["stiffness"], 6), round(float(result.errors[0]), 4)
    (2.25, 0.002)
    """
    system = _checks.system_of(_WHO, system)
    start = _checks.start(_WHO, system, y0)
    _checks.one_of(_WHO, "shooting", shooting, _SHOOTING)
    _checks.count(_WHO, "max_iterations", max_iterations)
    known = measured(system, data, sigma, _functions(observables), start)
    wanted = unknowns(system, start, free, bounds, prior)
    begin = float(known.t[0]) if t0 is None else _checks.real(_WHO, "t0", t0)
    _enough(known, wanted, begin)
    if method is None:
        method = "Iteration" if is_discrete(system) else "Radau" if getattr(system, "stiff", False) else "DOP853"
    solver = solver_arguments(method, rtol, atol, options, _TOLERANCES)
    working, unit = _working(known)
    whole = Windows(_WHO, system, wanted.parameters, working, np.array([begin, float(known.t[-1])]), solver)
    growth = growth_of(system, start, (begin, float(known.t[-1])), solver)
    length = None if window is None else _checks.positive(_WHO, "window", window)
    with progress_bar(max_iterations, _WHO, progress, unit="steps") as bar:
        search = _Search(whole, wanted, growth, length, max_iterations, bar.update)
        windows, found, why = search.run(shooting)
    call = {
        "data": (known.t, _by_name(known, known.values)), "y0": start, "free": free,
        "sigma": _by_name(known, known.sigma) if known.known else None, "observables": observables,
        "bounds": bounds, "prior": prior, "t0": begin, "shooting": shooting, "window": window,
        "absolute_sigma": absolute_sigma, "max_iterations": max_iterations,
        "method": method, "rtol": rtol, "atol": atol, **options,
    }  # fmt: skip
    return _result(windows, wanted, known, found, growth, (why, unit, absolute_sigma and known.known), call)


class _Search:
    """One shot or windows: tries what is asked for, or what should work, and says why."""

    def __init__(
        self, whole: Windows, wanted: Unknowns, growth: Growth, window: float | None, budget: int, after: Any
    ) -> None:
        self.whole, self.wanted, self.growth, self.budget, self.after = whole, wanted, growth, budget, after
        self.window = window

    def run(self, shooting: str) -> tuple[Windows, Found, str]:
        """Return the windows, what was found, and why it was sought like that."""
        told = self.growth.told()
        if shooting == "single":
            return self.whole, self._single(), f"one shot, as asked; {told}"
        if shooting == "multiple":
            return self._multiple(f"as asked; {told}")
        if self.growth.too_large and not is_discrete(self.whole.system):
            return self._multiple(f"{told}, and single shooting cannot be aimed over more than {LIMIT:g}-fold growth")
        found = self._single(_TRIAL)
        miss = self._missed(found)
        if not miss or is_discrete(self.whole.system):
            return self.whole, found, f"one shot: {told}"
        windows, other, why = self._multiple(f"one shot missed: {miss}")
        if other.chi2 < found.chi2:
            return windows, other, why
        return self.whole, found, f"one shot: {told}; {miss}, and windows came no nearer: is it the right system?"

    def _single(self, most: int | None = None) -> Found:
        budget = self.budget if most is None else min(most, self.budget)
        return single(self.whole, self.wanted, budget, self.after)

    def _multiple(self, reason: str) -> tuple[Windows, Found, str]:
        """Return the fit by windows: as long as they may be, shorter ones where that is too long."""
        count, most = counts(self.whole, self.growth, self.window)
        spent, best = 0, None
        while True:
            last = 2 * count > most
            nodes = np.linspace(self.whole.nodes[0], self.whole.nodes[-1], count + 1)
            windows = replace(self.whole, nodes=nodes)
            limit = np.inf if last else max(_FAR, _BAD * self.spread)
            starts, n = march(windows, self.wanted, self.growth.scale, limit)
            spent += n
            if starts is not None:
                found = self._joined(windows, starts, last)
                spent += 0 if found is None else found.n_evaluations
                if found is not None and (best is None or found.chi2 < best[1].chi2):
                    best = (windows, found)
                if found is not None and found.success and not self._missed(found):
                    break
            if last:
                break
            count *= 2
        if best is None:  # cannot be: the last round sets no limits
            raise RunError(f"{_WHO}: no windows could be fitted.")
        text = f"{best[0].count} windows of {best[0].nodes[1] - best[0].nodes[0]:.3g} s, joined: {reason}"
        return best[0], replace(best[1], n_evaluations=spent), text

    def _joined(self, windows: Windows, starts: Floats, last: bool) -> Found | None:
        """Return the fit from starts of all windows; None where windows without joints already miss the data."""
        scale = np.maximum(np.ptp(starts, axis=1), 1e-3 * self.growth.scale)
        chain = Chain(windows, self.wanted, scale)
        z = approach(chain, starts, self.budget, self.after)
        numbers = int(windows.data.there.sum())
        if not last and chain.chi2(z, chain.evaluate(z)) > max(_FAR, _BAD * self.spread) * numbers:
            return None
        return join(chain, z, self.budget, self.after)

    @property
    def spread(self) -> float:
        """Mean square of the data about their means, in deviations."""
        data = self.whole.data
        there = data.there
        counts_ = np.maximum(there.sum(axis=1, keepdims=True), 1)
        middle = np.where(there, data.values, 0.0).sum(axis=1, keepdims=True) / counts_
        return float((((data.values - middle) / data.sigma)[there] ** 2).mean())

    def _missed(self, found: Found) -> str:
        """Say how far a fit ended from the data; an empty text where it explains them."""
        data = self.whole.data
        numbers = int(data.there.sum())
        left = found.chi2 / (self.spread * numbers) if self.spread > 0.0 else 0.0
        freedom = max(1, numbers - len(found.x))
        if left > _UNEXPLAINED and (not data.known or found.chi2 > _FAR * freedom):
            return f"{100.0 * min(left, 1.0):.0f} % of the data's variance is left"
        return ""


def counts(whole: Windows, growth: Growth, window: float | None) -> tuple[int, int]:
    """Return how many windows are tried first, and at most: each holds about a swing of the data and little growth."""
    span = float(whole.nodes[-1] - whole.nodes[0])
    if window is not None:
        count = max(1, int(np.ceil(span / window - 1e-9)))
        return count, count
    swings = max(_swings(row) for row in whole.data.values)
    wanted = int(np.ceil(max(span * growth.rate / np.log(_WITHIN), swings, 2)))
    most = int(whole.data.there.sum()) // (_FEWEST * len(whole.system.state_names) + 1)
    return max(1, min(wanted, most)), max(1, most)


def _swings(row: Floats) -> int:
    """Return how often a row of data goes from one side of its mean to the other, small wiggles not counted."""
    values = row[np.isfinite(row)]
    if len(values) < 2:
        return 0
    away = values - values.mean()
    limit = _SWING * away.std()
    sides = np.sign(away)[np.abs(away) > limit]
    return int((np.diff(sides) != 0).sum())


def _functions(observables: Any) -> Mapping[str, Any]:
    if observables is None:
        return {}
    if not isinstance(observables, Mapping):
        raise must(_WHO, "observables", 'must be a mapping such as {"height": lambda t, y: ...}', observables)
    return observables


def _enough(known: Measured, wanted: Unknowns, begin: float) -> None:
    """Refuse data before the start, and fewer numbers than free quantities."""
    if begin > known.t[0]:
        raise must(_WHO, "t0", f"must not be after the first measurement, at t={known.t[0]:g}", begin)
    if not begin < known.t[-1]:
        raise ArgumentError(f"{_WHO}: data must reach beyond the time of the start, t0={begin:g}.")
    numbers = int(known.there.sum()) + int((wanted.weight > 0.0).sum())
    if numbers <= len(wanted.first):
        raise ArgumentError(
            f"{_WHO}: data must hold more numbers than there are free quantities; got {numbers} numbers for "
            f"{', '.join(wanted.names)}."
        )


def _working(known: Measured) -> tuple[Measured, float]:
    """Return the data with deviations to work with, and the factor on those that were given.

    Where none were given, a small part of the data's spread: what is sought does not depend on it, the priors apart.
    """
    if known.known:
        return known, 1.0
    spread = np.array([np.std(row[np.isfinite(row)]) for row in known.values if np.isfinite(row).any()])
    unit = _SHARE * float(np.sqrt(np.mean(spread**2))) or 1.0
    return replace(known, sigma=unit * known.sigma), unit


def _by_name(known: Measured, rows: Floats) -> dict[str, Floats]:
    """Return rows (C, N) as `fit` takes them, by name."""
    found, first = {}, 0
    for one in known.observables:
        found[one.name] = rows[first : first + one.count].reshape(*one.shape, len(known.t))
        first += one.count
    return found


def _result(
    windows: Windows,
    wanted: Unknowns,
    known: Measured,
    found: Found,
    growth: Growth,
    told: tuple[str, float, bool],
    call: Mapping[str, Any],
) -> Fit:
    """Return the result: what was found, in the caller's order and units."""
    why, unit, believed = told
    p = wanted.n_parameters
    t, y, model = windows.trajectory(found.x[:p], found.starts, _POINTS)
    priors = int((wanted.weight > 0.0).sum())
    freedom = int(known.there.sum()) + priors - len(found.x) + len(found.null)
    factor = 1.0 if believed else found.chi2 / freedom if freedom > 0 else np.inf
    errors = np.sqrt(factor * np.diagonal(found.covariance))
    touched = np.abs(found.null).max(axis=0, initial=0.0) > 1e-3
    errors[touched] = np.inf
    order = [wanted.names.index(name) for name in _in_order(wanted, call["free"])]
    free = tuple(wanted.names[i] for i in order)
    at_bound = [wanted.names[i] for i in order if _near_bound(found.x[i], wanted.low[i], wanted.high[i])]
    return Fit(
        system=windows.system.replace(**dict(zip(wanted.parameters, found.x[:p].tolist(), strict=True))),
        call=call,
        free=free,
        first=wanted.first[order],
        x=found.x[order],
        y0=wanted.start_at(found.x),
        errors=errors[order],
        covariance=factor * found.covariance[np.ix_(order, order)],
        unidentified=tuple(_named(direction, wanted.names) for direction in found.null),
        at_bound=tuple(at_bound),
        chi2=found.chi2 * unit * unit,
        n_data=int(known.there.sum()),
        freedom=freedom,
        believed=bool(believed),
        t=t,
        y=y,
        data_t=known.t,
        data=known.values,
        data_sigma=known.sigma,
        model=model,
        labels=known.labels,
        units=known.units,
        nodes=windows.nodes,
        starts=found.starts,
        growth=growth.largest,
        growth_rate=growth.rate,
        why=why,
        success=found.success,
        message=found.message,
        n_evaluations=found.n_evaluations,
    )


def _in_order(wanted: Unknowns, free: Any) -> Sequence[str]:
    """Return the names of what is free as the caller ordered them."""
    groups = {"y0": wanted.state_names, "params": wanted.parameters}
    asked = (free,) if isinstance(free, str) else tuple(free)
    return [one for name in asked for one in ((name,) if name in wanted.names else groups[name])]


def _near_bound(x: float, low: float, high: float) -> bool:
    """Say whether a value lies at one of its bounds, within rounding of a search."""
    return any(np.isfinite(bound) and abs(x - bound) <= 1e-6 * max(1e-6, abs(bound)) for bound in (low, high))


def _named(direction: Floats, names: Sequence[str]) -> str:
    """Return the quantities that a direction is made of: ``mass, stiffness``."""
    part = np.abs(direction) / np.abs(direction).max()
    return ", ".join(name for name, size in zip(names, part.tolist(), strict=True) if size > 0.05)
