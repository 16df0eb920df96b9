"""`fit`: parameters and a start from measurements, by least squares on exact sensitivities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diffsim.errors import ArgumentError, must
from diffsim.progress import progress_bar
from diffsim.protocols import is_discrete
from studies import _checks
from studies._checks import Floats
from studies._fit_data import Measured, measured
from studies._fit_result import Fit
from studies._fit_search import Search
from studies._fit_single import Found
from studies._fit_unknowns import Unknowns, unknowns
from studies._fit_windows import Windows
from studies._growth import Growth, check_shooting, growth_of
from studies._record_text import remembered
from studies._solver import solver_arguments, without_tolerance

__all__ = ["fit"]

_WHO = "fit"
_TOLERANCES = (1e-9, 1e-9)
_SHARE = 0.05  # of the data's spread: the standard deviation that is assumed on the way where none was given
_POINTS = 1200
_STEPS = 50


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
    (2.25, 0.0029)
    """
    system = _checks.system_of(_WHO, system)
    start = _checks.start(_WHO, system, y0)
    can = check_shooting(_WHO, system, shooting)
    _checks.count(_WHO, "max_iterations", max_iterations)
    known = measured(system, data, sigma, _functions(observables), start)
    wanted = unknowns(system, start, free, bounds, prior)
    begin = float(known.t[0]) if t0 is None else _checks.real(_WHO, "t0", t0)
    _enough(known, wanted, begin)
    given = remembered({"method": method, "rtol": rtol, "atol": atol, **options})
    if method is None:
        method = "Iteration" if is_discrete(system) else "Radau" if getattr(system, "stiff", False) else "DOP853"
    solver = solver_arguments(method, rtol, atol, options, _TOLERANCES)
    if "max_step" not in solver and not without_tolerance(solver) and not is_discrete(system):
        # NOTE: at rest an adaptive method takes steps as long as it may, for which the tangents mean nothing
        solver["max_step"] = float(known.t[-1] - begin) / _STEPS
    working, unit = _working(known)
    whole = Windows(_WHO, system, wanted.parameters, working, np.array([begin, float(known.t[-1])]), solver)
    growth = growth_of(system, start, whole.span, solver)
    length = None if window is None else _checks.positive(_WHO, "window", window)
    with progress_bar(max_iterations, _WHO, progress, unit="steps") as bar:
        search = Search(whole, wanted, growth, length, max_iterations, bar.update, can)
        windows, found, why = search.run(shooting)
    call = {
        "data": (known.t, _by_name(known, known.values)), "y0": start, "free": free,
        "sigma": _by_name(known, known.sigma) if known.known else None, "observables": observables,
        "bounds": bounds, "prior": prior, "t0": begin, "shooting": shooting, "window": window,
        "absolute_sigma": absolute_sigma, "max_iterations": max_iterations,
        **given,
    }  # fmt: skip
    growth = growth_of(windows.moved(found.x[: wanted.n_parameters]), wanted.start_at(found.x), whole.span, solver)
    if windows.count > 1 and "missed" in why:
        why += f"; along what was found {growth.told()}"
    return _result(windows, wanted, known, found, growth, (why, unit, absolute_sigma and known.known), call)


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
        data_units=known.units,
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
