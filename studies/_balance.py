"""`balance`: the momenta that bring a system from given angles to an unstable equilibrium, where it stays a while."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffsim.errors import KindError, RunError, must
from diffsim.progress import Progress, progress_bar
from studies import _checks
from studies._balance_refine import Refined, longest_stay, refined, verified_run
from studies._balance_result import Balance
from studies._balance_search import Candidate, Search, closest_passes, seeds, steered
from studies._checks import Floats
from studies._equilibrium import unstable_equilibrium
from studies._solver import solver_arguments

__all__ = ["balance"]

_WHO = "balance"
_TRIES = 4
_TOLERANCES = (1e-13, 1e-14)


def balance(
    system: Any,
    angles: Any = (0.4, 0.0),
    *,
    target: str = "inverted",
    free: Any = None,
    tolerance: float = 0.1,
    min_stay: float | None = None,
    t_travel: float | None = None,
    search_step: float | None = None,
    n_seeds: int = 512,
    spread: float = 10.0,
    rng: int = 0,
    method: Any = "RK45",
    rtol: float | None = None,
    atol: float | None = None,
    progress: bool = False,
    **options: Any,
) -> Balance:
    """Find initial momenta that bring a system from given angles to an unstable equilibrium, where it stays a while.

    A start balances if its orbit lies on the stable manifold of the equilibrium x*.  With the left eigenvectors l_i of
    the linear flow at x* that belong to unstable eigenvalues, that means

        r_i(momenta) = l_i . (x(T; momenta) - x*) = 0,        angles mod 2 pi,

    for large T.  As many momenta as unstable directions make the solutions isolated points.  1. Seeds on the energy
    level of x* are run, and those that pass x* closest are kept.  2. Gauss-Newton solves r = 0 for all of them in one
    batch, with the exact tangents of the flow, T growing as the residual falls.  3. The first to arrive is refined by
    accurate runs: the residual at which a run leaves, carried back by the linear flow, gives the next correction, until
    the digits of a double are used up.  4. A forward run from the momenta that are reported measures the stay.

    All is measured in deviation coordinates x = theta - theta*: in absolute angles the increments near pi are below
    half an ulp of pi, and a state could seem to rest where it does not.

    Parameters
    ----------
    system : System
        With ``angles``, and an unstable equilibrium in ``equilibria``.
    angles : sequence of float (n_angles,)
        Initial angles in rad, outside the ball of ``tolerance`` around the target.
    target : str
        Name of the equilibrium.
    free : sequence of str, optional
        Components that are searched for; by default all that are no angles.  The rest start at zero.
    tolerance : float
        Radius in rad within which every angle counts as balanced.
    min_stay : float, optional
        What the stay must reach, in s; by default 15 time constants of the fastest unstable direction (2.09 s for
        the double pendulum).
    t_travel : float, optional
        Longest time to the first pass, in s; by default 9 time constants of the slowest unstable direction (3.4 s).
    search_step : float, optional
        Step of the coarse search by RK4, in s; by default 0.07 time constants of the fastest direction (0.0097 s).
    n_seeds, rng : int
        Number of starts tried, and the seed that places them; the result depends on nothing else.
    spread : float
        Largest start that is tried for a System without an energy.
    method, rtol, atol, **options
        The solver of the accurate runs, as for `solve_ivp`; tolerances 1e-13 and 1e-14 by default.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Balance

    Raises
    ------
    KindError
        ``system`` is no System or has no angles; an argument is no real number.
    ArgumentError
        Wrong number of angles, an unknown target or component, a target that is stable, more unstable directions than
        free components, angles that are trivial (already inside the ball) or too high for the energy of the target.
    RunError
        Nothing was found; the message says what was tried and what to change.

    Notes
    -----
    How long is possible: a perturbation d in the fastest direction, growing like exp(7.185 t) for the double pendulum,
    needs ln(tolerance / d) / 7.185 s to leave.  Momenta that are doubles, run in doubles, stay 3 to 4.5 s.
    About 3 s of work on one core.

    References
    ----------
    Krauskopf et al., "A survey of methods for computing (un)stable manifolds of vector fields", International Journal
    of Bifurcation and Chaos 15 (2005) 763.

    Examples
    --------
    >>> from systems import Pendulum
    >>> up = balance(Pendulum(), angles=[0.5])
    >>> up.stay > 4.0
    True
    >>> bool(abs(abs(up.momenta[0]) - 2 * 9.8**0.5 * np.cos(0.25)) < 1e-9)  # the separatrix, by hand
    True
    """
    system = _checks.system_of(_WHO, system)
    tolerance = _checks.positive(_WHO, "tolerance", tolerance)
    n_seeds, spread = _checks.count(_WHO, "n_seeds", n_seeds), _checks.positive(_WHO, "spread", spread)
    rng = _checks.count(_WHO, "rng", rng, least=0)
    start, indices = _start(system, angles, free)
    equilibrium = unstable_equilibrium(_WHO, system, target)
    fastest, slowest = float(equilibrium.rates.max()), float(equilibrium.rates.min())
    min_stay = 15.0 / fastest if min_stay is None else _checks.positive(_WHO, "min_stay", min_stay)
    t_travel = 9.0 / slowest if t_travel is None else _checks.positive(_WHO, "t_travel", t_travel)
    step = 0.07 / fastest if search_step is None else _checks.positive(_WHO, "search_step", search_step)
    if step > t_travel:
        raise must(_WHO, "search_step", f"must not be longer than t_travel={t_travel:g}", step)
    search = Search(equilibrium, equilibrium.to_deviation(start), indices, t_travel, step)
    _check_reach(search, angles, tolerance)
    solver = solver_arguments(method, rtol, atol, options, _TOLERANCES)
    with progress_bar(3 + _TRIES, "balancing", progress) as bar:
        places = seeds(search, n_seeds, spread, np.random.default_rng(rng))
        passes = closest_passes(search, places)
        bar.update()
        candidates = steered(search, *passes, reach=tolerance)
        bar.update(2)
        tried = f"{places.shape[1]} starts until t = {t_travel:.3g} s, of which {len(passes[1])} came near"
        search, found = _best(search, candidates, tolerance, min_stay, solver, tried, bar)
    fields = {
        "angles": start[list(system.angles)],
        "target": target,
        "tolerance": tolerance,
        "n_seeds": places.shape[1],
        "rng": rng,
    }
    others = np.array([candidate.free for candidate in candidates]).reshape(-1, len(indices))
    return _report(search, found, solver, {**fields, "alternatives": others})


def _start(system: Any, angles: Any, free: Any) -> tuple[Floats, tuple[int, ...]]:
    """Return the start with zeros for what is free, and the indices of the free components."""
    places = list(system.angles)
    if not places:
        raise KindError(f"{_WHO}: system must have angles; {type(system).__name__} declares none.")
    names = [system.state_names[i] for i in places]
    start = np.zeros(len(system.state_names))
    start[places] = _checks.vector(_WHO, "angles", angles, len(places), f", one for each of {', '.join(names)}")
    if free is None:
        indices = tuple(i for i in range(len(start)) if i not in places)
    else:
        indices = _checks.components(_WHO, "free", system, free)
        if set(indices) & set(places):
            raise must(_WHO, "free", f"must not name the angles ({', '.join(names)}), which are given", free)
    return start, indices


def _check_reach(search: Search, angles: Any, tolerance: float) -> None:
    """Raise for too few free components, for a trivial start, and for one with more energy than the target."""
    equilibrium, n_free = search.equilibrium, len(search.free)
    if n_free < len(equilibrium.rates):
        rule = f"must be at least as many as the unstable directions of {equilibrium.name!r}, {len(equilibrium.rates)}"
        names = tuple(equilibrium.system.state_names[i] for i in search.free)
        raise must(_WHO, "free components", rule, names)
    away = float(np.abs(equilibrium.angles_of(search.x0)).max())
    if away < tolerance:
        rule = f"must lie outside the ball of {tolerance:g} rad around {equilibrium.name!r}, or the answer is trivial"
        raise must(_WHO, "angles", rule, angles)
    if equilibrium.conserves_energy:
        excess = float(equilibrium.energy(search.x0) - equilibrium.energy(0.0 * search.x0))
        if excess >= 0.0:
            rule = f"must have less energy at rest than {equilibrium.name!r}"
            raise must(_WHO, "angles", rule, angles, f"It has {excess:.3g} J more, and energy is conserved.")


def _best(
    search: Search,
    candidates: Sequence[Candidate],
    tolerance: float,
    min_stay: float,
    solver: Mapping[str, Any],
    tried: str,
    bar: Progress,
) -> tuple[Search, Refined]:
    """Refine the candidates in the order of their arrival, until one stays ``min_stay``."""
    longest = 0.0
    for candidate in candidates[:_TRIES]:
        moved = dataclasses.replace(search, equilibrium=search.equilibrium.moved(candidate.turns))
        there = moved.equilibrium.to_deviation(search.equilibrium.to_state(search.x0))
        moved = dataclasses.replace(moved, x0=there)
        found = refined(moved, candidate, tolerance, solver)
        bar.update()
        if found.stay >= min_stay:
            return moved, found
        longest = max(longest, found.stay)
    name = search.equilibrium.name
    if not candidates:
        mend = "Try more seeds (n_seeds), a longer t_travel, another rng, or other angles."
        raise RunError(f"{_WHO}: no start was found that reaches {name!r}; tried {tried}. {mend}")
    mend = "Lower min_stay, or use a more accurate method (rtol, atol)."
    if search.equilibrium.n_neutral:
        mend += f" NOTE: {name!r} also has {search.equilibrium.n_neutral} directions in which it oscillates undamped."
    raise RunError(
        f"{_WHO}: of {len(candidates)} starts that reach {name!r} the best {_TRIES} were refined, "
        f"and stay {longest:.3g} s at most, not {min_stay:.3g} s; tried {tried}. {mend}"
    )


def _report(search: Search, found: Refined, solver: Mapping[str, Any], fields: Mapping[str, Any]) -> Balance:
    """Run the start that is reported once more, forward, until well after its fall, and measure."""
    equilibrium, system = search.equilibrium, search.equilibrium.system
    after = found.history[-1].horizon + 3.0 / float(equilibrium.rates.min())
    run = verified_run(search, found.free, after, solver)
    entry, exit_ = longest_stay(search, run, fields["tolerance"])
    error = np.nan
    if equilibrium.conserves_energy:
        x0 = search.starts(found.free[:, None])[:, 0]
        error = float(equilibrium.energy(x0) - equilibrium.energy(0.0 * x0))
    return Balance(
        system=system,
        free=tuple(system.state_names[i] for i in search.free),
        momenta=found.free,
        stay=exit_ - entry,
        entry=entry,
        exit=exit_,
        solution=dataclasses.replace(run, y=equilibrium.to_state(run.y), state_names=tuple(system.state_names)),
        deviation=np.asarray(run.y),
        residual=found.residual,
        energy_error=error,
        history=found.history,
        **fields,
    )
