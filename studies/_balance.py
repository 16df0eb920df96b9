"""`balance`: the momenta that bring a system from given angles to an unstable equilibrium, where it stays a while."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.errors import KindError, RunError, must
from diffsim.progress import Progress, progress_bar
from studies import _checks
from studies._balance_descent import descended
from studies._balance_manifold import manifold_seeds
from studies._balance_refine import Found, nearest_first, polished
from studies._balance_report import reported
from studies._balance_result import Balance
from studies._balance_search import Candidate, Search, closest_passes, nearest_pass, seeds, steered
from studies._checks import Floats
from studies._equilibrium import unstable_equilibrium
from studies._solver import solver_arguments

__all__ = ["balance"]

_WHO = "balance"
_TOLERANCES = (1e-13, 1e-14)
_TRAVELS = (6.0, 9.0, 13.0)  # time constants of the slowest unstable direction, one after the other
_STAYS = 7.0  # time constants of the fastest direction: less, and a longer travel time is tried
_ROUTES = ("manifold", "descent")


def balance(
    system: Any,
    angles: Any = (0.4, 0.0),
    *,
    target: str = "inverted",
    free: Any = None,
    tolerance: float = 0.1,
    min_stay: float | None = None,
    t_travel: float | None = None,
    start: Any = None,
    route: str = "manifold",
    lattice: int = 0,
    digits: int | None = None,
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
    """Find all initial momenta that bring a system from given angles to an unstable equilibrium, where it stays.

    A start balances if its orbit lies on the stable manifold of the equilibrium x*.  With the left eigenvectors l_i of
    the linear flow at x* that belong to unstable eigenvalues, that means

        r_i(momenta) = l_i . (x(T; momenta) - x*) = 0,        angles mod 2 pi,

    for large T.  As many momenta as unstable directions make the solutions isolated points.

    1. The local stable manifold is integrated backwards, densely enough to miss nothing; where it passes over the given
       angles is a solution.  Starts on the energy level of x* and Gauss-Newton with exact tangents add theirs.
    2. All are sharpened by Gauss-Newton in one batch, at a horizon that grows, and listed once (copies that differ by
       full turns of x* are one; the winding says which one is reached).  First comes the one that may stay longest.
    3. With ``lattice=k``, the lattice of doubles around the first k is searched for the pair that stays longest under
       the exact flow; with ``digits=50`` the first is refined to 50 digits.  A run by another method in another
       multiprecision arithmetic is the referee.  Without either, the doubles are tuned to the run that checks them.
    4. A run in doubles from the momenta that are reported measures the stay; another method repeats it.

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
        Components that are searched for; by default all that are no angles and move by themselves: of a cart-pole, say,
        both velocities but not the place of the cart.  The rest start at zero.
    tolerance : float
        Radius in rad within which every angle counts as balanced.
    min_stay : float, optional
        What the stay must reach, in s; by default 15 time constants of the fastest unstable direction (2.09 s for
        the double pendulum).
    t_travel : float, optional
        Longest time until the target is reached, in s; by default 6 time constants of the slowest unstable direction
        (2.24 s), and if nothing is found that stays 9, and 13.  The number of solutions grows exponentially with it.
    start : sequence of float (n_free,), optional
        Where to begin: Gauss-Newton runs from there too, and the solution that it finds, or else the nearest one,
        comes first.
    route : {"manifold", "descent"}
        ``"descent"`` is what one tries first: gradient descent on the distance from x* at a horizon that grows, from
        ``start``.  It is here to be compared with, and finds one solution or none; ``lattice`` and ``digits`` refine
        what it finds, and ``min_stay`` does not apply.
    lattice : int
        Around how many of the solutions the best doubles are searched for.
    digits : int, optional
        Decimal digits of `Balance.momenta_text`, 20 or more.
    search_step : float, optional
        Step of the coarse search by RK4, in s; by default 0.07 time constants of the fastest direction (0.0097 s).
    n_seeds, rng : int
        Number of starts tried on the energy level, and the seed that places them.
    spread : float
        Largest start that is tried for a System without an energy.
    method, rtol, atol, **options
        The solver of the checking run, as for `solve_ivp`; tolerances 1e-13 and 1e-14 by default.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Balance
        `momenta` are doubles, `solutions` the table of all.

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
    needs ln(tolerance / d) / 7.185 s to leave: 0.32 s a digit.  Doubles next to the exact momenta stay 3.2 to 4.5 s
    under the exact flow, the best of the lattice around them 6.2 to 6.9 s, and run in doubles hardly ever 4.7 s.
    The exact flow is that of the parameters and angles as the doubles that they are: of gravity 9.8 the double next
    to it.  Other last digits of them have other momenta.

    Cost on one core: 3 s, and 5 s more for each of ``lattice``; 30 s for 50 digits.

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
    call = {name: value for name, value in locals().items() if name not in ("system", "progress", "options")} | options
    system = _checks.system_of(_WHO, system)
    tolerance = _checks.positive(_WHO, "tolerance", tolerance)
    n_seeds, spread = _checks.count(_WHO, "n_seeds", n_seeds), _checks.positive(_WHO, "spread", spread)
    rng, lattice = _checks.count(_WHO, "rng", rng, least=0), _checks.count(_WHO, "lattice", lattice, least=0)
    digits = None if digits is None else _checks.count(_WHO, "digits", digits, least=20)
    _checks.one_of(_WHO, "route", route, _ROUTES)
    state, indices = _start(system, angles, free)
    equilibrium = unstable_equilibrium(_WHO, system, target)
    _check_count(equilibrium, system, indices)
    if len(equilibrium.with_drift().rates) <= len(indices):
        equilibrium = equilibrium.with_drift()
    fastest = float(equilibrium.rates.max())
    min_stay = 15.0 / fastest if min_stay is None else _checks.positive(_WHO, "min_stay", min_stay)
    t_travel = None if t_travel is None else _checks.positive(_WHO, "t_travel", t_travel)
    step = 0.07 / fastest if search_step is None else _checks.positive(_WHO, "search_step", search_step)
    longest = t_travel or _TRAVELS[0] / equilibrium.slowest
    if step > longest:
        raise must(_WHO, "search_step", f"must not be longer than t_travel={longest:g}", step)
    search = Search(equilibrium, equilibrium.to_deviation(state), indices, longest, step)
    _check_reach(search, angles, tolerance)
    if start is not None:
        names = ", ".join(system.state_names[i] for i in indices)
        start = _checks.vector(_WHO, "start", start, len(indices), f", one for each of {names}")
    solver = solver_arguments(method, rtol, atol, options, _TOLERANCES)
    asked = {"route": route, "tolerance": tolerance, "min_stay": min_stay, "lattice": lattice, "digits": digits}
    with progress_bar(4 + lattice + 4 * (digits is not None), "balancing", progress) as bar:
        if route == "descent":
            path, found = descended(search, start, tolerance, np.random.default_rng(rng))
            told = {"n_orbits": 0, "complete": False, "descent": path}
        else:
            travels = [t_travel] if t_travel else [k / equilibrium.slowest for k in _TRAVELS]
            search, found, told = _all(search, travels, (n_seeds, spread, rng), start, tolerance, bar)
        bar.update(2)
        return reported(search, state, found, solver, asked, {"system": system, "call": call, "rng": rng, **told}, bar)


def _all(
    search: Search,
    travels: list[float],
    asked: tuple[int, float, int],
    start: Floats | None,
    tolerance: float,
    bar: Progress,
) -> tuple[Search, list[Found], dict[str, Any]]:
    """Return the solutions for the first of the travel times that has any, the one to be reported first."""
    n_seeds, spread, rng = asked
    for t_travel in travels:
        search = search.until(t_travel)
        from_target = manifold_seeds(search, tolerance)
        bar.update()
        places = seeds(search, n_seeds, spread, np.random.default_rng(rng))
        passes = closest_passes(search, places)
        candidates = [*from_target.starts, *steered(search, *passes, reach=tolerance)]
        reached: list[Candidate] = []
        if start is not None:
            reached = steered(search, *nearest_pass(search, start), reach=tolerance)
        found = [
            f
            for f in polished(search, [*candidates, *reached], tolerance)
            if f.arrival <= t_travel or _is_one_of(f, reached)
        ]
        bar.update()
        stays = any(f.stay * float(search.equilibrium.rates.max()) > _STAYS for f in found)
        if stays or (found and t_travel == travels[-1]):
            told = {"n_orbits": from_target.n_orbits + places.shape[1], "complete": from_target.complete}
            goal = start if not reached else reached[0].free
            found = found if goal is None else nearest_first(found, goal)
            return search, found, {**told, "descent": np.zeros((0, 4 + len(search.free)))}
    tried = f"{places.shape[1]} starts and {from_target.n_orbits} orbits from it until t = {t_travel:.3g} s"
    mend = "Try more seeds (n_seeds), a longer t_travel, another rng, or other angles."
    equilibrium = search.equilibrium
    if equilibrium.n_neutral:
        mend += (
            f" NOTE: {equilibrium.name!r} also has {equilibrium.n_neutral} directions in which it oscillates undamped."
        )
    raise RunError(f"{_WHO}: no start was found that reaches {equilibrium.name!r}; tried {tried}. {mend}")


def _is_one_of(found: Found, reached: list[Candidate]) -> bool:
    return any(np.abs(found.free - candidate.free).max() < 1e-3 for candidate in reached)


def _start(system: Any, angles: Any, free: Any) -> tuple[Floats, tuple[int, ...]]:
    """Return the start with zeros for what is free, and the indices of the free components."""
    places = list(system.angles)
    if not places:
        raise KindError(f"{_WHO}: system must have angles; {type(system).__name__} declares none.")
    names = [system.state_names[i] for i in places]
    start = np.zeros(len(system.state_names))
    start[places] = _checks.vector(_WHO, "angles", angles, len(places), f", one for each of {', '.join(names)}")
    if free is None:
        indices = _moving(system, places)
    else:
        indices = _checks.components(_WHO, "free", system, free)
        if set(indices) & set(places):
            raise must(_WHO, "free", f"must not name the angles ({', '.join(names)}), which are given", free)
    return start, indices


def _moving(system: Any, angles: list[int]) -> tuple[int, ...]:
    """Return the components that are no angles, without the places of what slides: as many as there are velocities."""
    n = len(system.state_names)
    others = [i for i in range(n) if i not in angles]
    return tuple(others[-(n // 2) :]) if n % 2 == 0 and len(others) > n // 2 else tuple(others)


def _check_count(equilibrium: Any, system: Any, indices: tuple[int, ...]) -> None:
    if len(indices) < len(equilibrium.rates):
        rule = f"must be at least as many as the unstable directions of {equilibrium.name!r}, {len(equilibrium.rates)}"
        raise must(_WHO, "free components", rule, tuple(system.state_names[i] for i in indices))


def _check_reach(search: Search, angles: Any, tolerance: float) -> None:
    """Raise for a trivial start, and for one with more energy than the target."""
    equilibrium = search.equilibrium
    away = float(np.abs(equilibrium.angles_of(search.x0)).max())
    if away < tolerance:
        rule = f"must lie outside the ball of {tolerance:g} rad around {equilibrium.name!r}, or the answer is trivial"
        raise must(_WHO, "angles", rule, angles)
    if equilibrium.conserves_energy:
        excess = float(equilibrium.energy(search.x0) - equilibrium.energy(0.0 * search.x0))
        if excess >= 0.0:
            rule = f"must have less energy at rest than {equilibrium.name!r}"
            raise must(_WHO, "angles", rule, angles, f"It has {excess:.3g} J more, and energy is conserved.")
