"""Last part of `balance`: choose the digits, measure how long they stay by every means, and put it all together."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffsim.errors import RunError
from diffsim.progress import Progress
from studies._balance_descent import growth_of
from studies._balance_exact import ExactFlow, Orbit, exact_flow, sharpened, stay_of
from studies._balance_lattice import longest_doubles
from studies._balance_referee import refereed
from studies._balance_refine import BalanceStep, Found, longest_stay, refined, verified_run
from studies._balance_result import Balance
from studies._balance_search import Search
from studies._checks import Floats

__all__: list[str] = []

_TRIES = 4
_VERIFIED = 6  # pairs of the lattice, the most promising first, whose stay under the exact flow is measured
_DIGITS = 34  # of the exact flow of doubles
_MORE = 12  # digits of the exact flow beyond those of the momenta
_LOOKS = 1200
_OF_DOUBLES = 17


@dataclasses.dataclass(frozen=True, eq=False)
class _Chosen:
    """The momenta that are reported."""

    found: Found
    free: Floats
    text: tuple[str, ...]
    digits: int  # _OF_DOUBLES: the momenta are doubles
    history: tuple[BalanceStep, ...]
    lattice: Floats
    lattice_stays: Floats

    @property
    def exact(self) -> tuple[Any, ...]:
        """The momenta for the exact flow. NOTE: the shortest text of a double is not its value."""
        return tuple(self.free.tolist()) if self.digits == _OF_DOUBLES else self.text


def reported(
    search: Search,
    state: Floats,
    found: Sequence[Found],
    solver: Mapping[str, Any],
    asked: Mapping[str, Any],
    told: Mapping[str, Any],
    bar: Progress,
) -> Balance:
    """Return the result for the solutions ``found``, in the order in which they are to be tried.

    Raises
    ------
    RunError
        None of those tried stays ``min_stay``.
    """
    tolerance, flow = asked["tolerance"], exact_flow(search, state, _DIGITS)
    chosen = _chosen(search, flow, found, solver, asked, bar)
    equilibrium, system = search.equilibrium, search.equilibrium.system
    here = search.moved(chosen.found.turns)
    after = chosen.found.arrival + max(1.6 * chosen.found.stay, 3.0 / equilibrium.slowest)
    run = verified_run(here, chosen.free, after, solver)
    entry, exit_ = longest_stay(here, run, tolerance)
    if exit_ - entry < asked["min_stay"] and asked["route"] != "descent":
        raise RunError(_too_short(equilibrium, found, exit_ - entry, asked["min_stay"]))
    second = "DOP853" if str(solver["method"]) != "DOP853" else "Vern9"
    again = verified_run(here, chosen.free, after, {"method": second, "rtol": 1e-13, "atol": 1e-14})
    exact, orbit = _exact_stay(flow, chosen, tolerance)
    judged = math.nan
    if asked["lattice"] or asked["digits"] is not None:
        digits = max(_DIGITS, chosen.digits + _MORE)
        referee = refereed(flow.to(digits), chosen.exact, chosen.found.turns, exact[1] + 2.0, 2.0 * tolerance)
        judged = float(np.subtract(*stay_of(search, referee, tolerance)[::-1]))
        bar.update()
    first = [chosen.found, *[f for f in found if f is not chosen.found]]
    order = [next(k for k, g in enumerate(found) if g is f) for f in first]
    return Balance(
        **told,
        target=equilibrium.name,
        angles=state[list(system.angles)],
        free=tuple(system.state_names[i] for i in search.free),
        momenta=chosen.free,
        momenta_text=chosen.text,
        digits=chosen.digits,
        stay=exit_ - entry,
        entry=entry,
        exit=exit_,
        second=second,
        stay_second=float(np.subtract(*longest_stay(here, again, tolerance)[::-1])),
        stay_exact=exact[1] - exact[0],
        stay_refereed=judged,
        ceiling=chosen.found.ceiling,
        tolerance=tolerance,
        t=np.asarray(run.t),
        y=equilibrium.moved(chosen.found.turns).to_state(run.y),
        deviation=np.asarray(run.y),
        exact_t=orbit[0],
        exact_deviation=orbit[1],
        residual=chosen.found.residual + float(np.linalg.norm(chosen.found.gain @ (chosen.free - chosen.found.free))),
        energy_error=_energy_error(here, chosen.free),
        eigenvalues=equilibrium.eigenvalues,
        rounds=np.array([[*h[:3], *h.free] for h in chosen.history]).reshape(-1, 3 + len(search.free)),
        growth=growth_of(here, chosen.free, max(exit_, 1e-3)),
        **_columns(first),
        lattice_momenta=chosen.lattice[order],
        lattice_stays=chosen.lattice_stays[order],
    )


def _columns(found: Sequence[Found]) -> dict[str, Any]:
    """Return the columns of the table of solutions."""
    return {
        "all_momenta": np.array([f.free for f in found]),
        "all_arrivals": np.array([f.arrival for f in found]),
        "all_windings": np.array([f.turns for f in found]).reshape(len(found), -1),
        "all_residuals": np.array([f.residual for f in found]),
        "all_stays": np.array([f.stay for f in found]),
        "all_ceilings": np.array([f.ceiling for f in found]),
        "all_energy_errors": np.array([f.energy_error for f in found]),
    }


def _chosen(
    search: Search,
    flow: ExactFlow,
    found: Sequence[Found],
    solver: Mapping[str, Any],
    asked: Mapping[str, Any],
    bar: Progress,
) -> _Chosen:
    """Return the momenta to report: of the lattice, of many digits, or tuned to the run that checks them."""
    lattice, stays = np.full((len(found), len(search.free)), np.nan), np.full(len(found), np.nan)
    for k, solution in enumerate(found[: asked["lattice"]]):
        _, points = longest_doubles(flow, solution, asked["tolerance"])
        measured = [(_stay(flow, p.free.tolist(), solution, asked["tolerance"]), p.free) for p in points[:_VERIFIED]]
        stays[k], lattice[k] = max(measured, key=lambda pair: pair[0])
        bar.update()
    best = int(np.nanargmax(stays)) if asked["lattice"] else 0
    digits = asked["digits"]
    if digits is not None:
        import mpmath

        exact = sharpened(flow, found[best], digits)
        bar.update(3)
        with mpmath.workdps(digits + _MORE):
            text = tuple(mpmath.nstr(p, digits, strip_zeros=False) for p in exact)
        doubles = lattice[best] if asked["lattice"] else np.array([float(p) for p in text])
        return _Chosen(found[best], doubles, text, digits, (), lattice, stays)
    if asked["lattice"]:
        text = tuple(repr(float(p)) for p in lattice[best])
        return _Chosen(found[best], lattice[best], text, _OF_DOUBLES, (), lattice, stays)
    if asked["route"] == "descent":
        text = tuple(repr(float(p)) for p in found[0].free)
        return _Chosen(found[0], found[0].free, text, _OF_DOUBLES, (), lattice, stays)
    tuned = []
    for solution in found[:_TRIES]:
        tuned.append((refined(search.moved(solution.turns), solution, asked["tolerance"], solver), solution))
        if tuned[-1][0].stay >= asked["min_stay"]:
            break
    step, solution = max(tuned, key=lambda pair: pair[0].stay)
    text = tuple(repr(float(p)) for p in step.free)
    return _Chosen(solution, step.free, text, _OF_DOUBLES, step.history, lattice, stays)


def _stay(flow: ExactFlow, free: Sequence[Any], found: Found, tolerance: float) -> float:
    orbit = _orbit(flow, free, found, found.arrival + found.ceiling + 3.0, tolerance)
    return float(np.subtract(*stay_of(flow.search, orbit, tolerance)[::-1]))


def _orbit(flow: ExactFlow, free: Sequence[Any], found: Found, t_end: float, tolerance: float) -> Orbit:
    return flow.orbit(free, found.turns, t_end, found.arrival + 0.2, beyond=3.0 * tolerance)


def _exact_stay(
    flow: ExactFlow, chosen: _Chosen, tolerance: float
) -> tuple[tuple[float, float], tuple[Floats, Floats]]:
    """Return (entry, exit) under the exact flow, and times (k,) and deviations (n, k) of that orbit."""
    digits = max(_DIGITS, chosen.digits + _MORE)
    most = chosen.digits * math.log(10.0) / flow.search.equilibrium.slowest
    orbit = _orbit(flow.to(digits), chosen.exact, chosen.found, chosen.found.arrival + most, tolerance)
    times = np.linspace(0.0, float(orbit.t[-1]), _LOOKS)
    return stay_of(flow.search, orbit, tolerance), (times, orbit.at(times))


def _energy_error(search: Search, free: Floats) -> float:
    equilibrium = search.equilibrium
    if not equilibrium.conserves_energy:
        return math.nan
    x0 = search.starts(free[:, None])[:, 0]
    return float(equilibrium.energy(x0) - equilibrium.energy(0.0 * x0))


def _too_short(equilibrium: Any, found: Sequence[Found], stay: float, least: float) -> str:
    mend = "Lower min_stay, or use a more accurate method (rtol, atol)."
    if equilibrium.n_neutral:
        mend += (
            f" NOTE: {equilibrium.name!r} also has {equilibrium.n_neutral} directions in which it oscillates undamped."
        )
    tries = min(len(found), _TRIES)
    return (
        f"balance: of {len(found)} starts that reach {equilibrium.name!r} the best {tries} were refined, "
        f"and stay {stay:.3g} s at most when run in doubles, not {least:.3g} s. {mend}"
    )
