"""`check_system`: does a system keep what it declares?"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from diffsim.errors import must
from diffsim.progress import progress_bar
from diffsim.protocols import parameter_names
from studies import _checks
from studies._check_system_declared import docstring_row, events_row, names_row, units_row
from studies._check_system_flow import Trajectory, canonical_rows, compiled_row, follow, solve_rows
from studies._check_system_laws import BrokenLawError, Law, laws_of, rates_at
from studies._check_system_places import default_start, draw_places, simplest
from studies._check_system_report import CheckRow, Place, SystemCheckError, SystemReport

__all__ = ["check_system"]

_TIME = 10.0  # s, where a system does not say how long its default trajectory is


def check_system(
    system: Any,
    *,
    states: int = 10,
    y0: Any = None,
    t_end: float | None = None,
    spread: float = 0.3,
    seed: int = 0,
    strict: bool = False,
    compiled: bool = True,
    raises: bool = True,
    progress: bool = False,
) -> SystemReport:
    """Check that a system is what it says: its equations, derivatives, invariants, equilibria, and all it declares.

    The system is looked at in random states near its default trajectory, every other one with parameters of its own
    (each that is not zero times a factor between 0.74 and 1.35), for what is right at masses of 1 alone is not right.
    Where a law is broken, Hypothesis looks for the simplest state at which it still is, if it is installed (``pip
    install hypothesis``, or the extra ``test``); without it the state stays as it was drawn.

    What is required: ``state_names``, and ``rates`` that are finite, the same each time, leave the state alone, and
    have right derivatives.  Optional, and checked where it is there: ``default_state``, units, a docstring with
    tables, ``angles``, ``elementwise`` (batch = single states), ``invariants`` (constant along the field by their
    gradient, and in a tight solve), ``equilibria``, ``energy`` (with ``kinetic_energy`` and ``potential_energy``:
    their sum), ``canonical`` (the symplectic gradient of the energy, a symplectic flow map, eigenvalues in pairs),
    ``separable``, ``positions`` and ``rods``, ``events``.  A parameter must have an effect on something.

    Parameters
    ----------
    system : System
        An instance.
    states : int
        Number of random states.
    y0 : array_like, shape (n,), optional
        Start to follow and to draw states around; the system's ``default_state``, or ones where it has none.
    t_end : float, optional
        How long the start is followed, in s; the system's ``default_time`` by default.  The tight solve (DOP853 at
        rtol 1e-12; Radau at 1e-9 where the system says that it is stiff) ends earlier after 600 steps.
    spread : float
        Size of the random deviations, relative to each component's range on the trajectory.  Components that are
        positive on all of it are drawn positive; angles are drawn from (-pi, pi).
    seed : int
        Of the random states.
    strict : bool
        Whether units, and a docstring with tables, are required.
    compiled : bool
        Whether the system is meant to be traced and compiled.
    raises : bool
        Whether a failure raises; False returns the report all the same.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    SystemReport
        ``print(report)`` shows a table; ``report.rows`` has for each check its result, the reason, the worst measure
        and what is allowed, and where it failed.

    Raises
    ------
    SystemCheckError
        A check failed; the message says which, at which state and parameters, and how to mend it.  Also an
        `AssertionError`, and its ``.report`` is the report.
    KindError
        `system` is no System.
    ArgumentError
        An argument that cannot be used; a parameter of `system` that is no plain number, but an array (one entry a
        trajectory) or a number that records.

    Notes
    -----
    Costs about 0.1 s for a small system, and as much again to compile it.

    Examples
    --------
    >>> from systems import HarmonicOscillator
    >>> report = check_system(HarmonicOscillator(), states=3, compiled=False)
    >>> report.ok, report.row("energy is constant").result
    (True, 'ok')
    """
    who = "check_system"
    _checks.system_of(who, system)
    _check_parameters(who, system)
    count = _checks.count(who, "states", states)
    _checks.positive(who, "spread", spread)
    _checks.count(who, "seed", seed, least=0)
    time = float(getattr(system, "default_time", _TIME)) if t_end is None else _checks.positive(who, "t_end", t_end)
    given = None if y0 is None else _checks.state(who, system, y0)
    with progress_bar(None, "checking", progress, "checks") as bar:
        rows = []
        for row in _rows(system, _Search(count, seed, spread), given, time, strict, compiled):
            rows.append(row)
            bar.update(1)
    report = SystemReport(system, tuple(rows), count, seed)
    if raises and not report.ok:
        raise SystemCheckError(report.message(), report)
    return report


def _check_parameters(who: str, system: Any) -> None:
    """Raise unless all parameters are plain numbers."""
    for name in parameter_names(system):
        value = getattr(system, name)
        if not isinstance(value, numbers.Real):
            raise must(who, name, "must be one plain number", value, "Check one system at a time: system.replace(...).")


class _Search:
    """How many states are drawn, from which seed, how far apart."""

    def __init__(self, count: int, seed: int, spread: float) -> None:
        self.count, self.seed, self.spread = count, seed, spread


def _rows(system: Any, search: _Search, y0: Any, time: float, strict: bool, compiled: bool) -> Iterator[CheckRow]:
    """Yield the rows in order; those that need a sound basis only on one."""
    names = names_row(system)
    yield names
    yield units_row(system, strict)
    yield docstring_row(system, strict)
    if names.result == "FAILED":
        return
    start = _start(system, y0)
    try:
        rates_at(start)
        trajectory = follow(start, time)
    except BrokenLawError:  # the law about rates will say so
        trajectory = Trajectory(np.zeros(1), start.y[:, None], "the rates at the start are wrong")
    places = [start, *draw_places(system, trajectory.y, search.count, search.seed, search.spread, time)]
    traced = compiled
    for law in laws_of(system, compiled):
        row = _row_of(law, places, system)
        yield row
        traced = traced and not (row.result == "FAILED" and law.name.startswith("traced"))
        if law.decisive and row.result == "FAILED":
            return
    if parameter_names(system):
        yield effect_row(system, places)
    events = events_row(system, places)
    if events is not None:
        yield events
    yield from solve_rows(start, trajectory)
    yield from canonical_rows(start, time)
    if traced:
        yield compiled_row(start)


def _start(system: Any, y0: Any) -> Place:
    """Return the place to begin at."""
    own = default_start(system) if y0 is None else y0
    y = np.ones(len(system.state_names)) if own is None else np.array([float(x) for x in own])
    return Place(system, 0.0, y)


def _row_of(law: Law, places: Sequence[Place], system: Any) -> CheckRow:
    """Ask a law at all places; where it is broken, look for a simple place at which it is."""
    worst, allowed = 0.0, law.allowed if 0.0 < law.allowed < np.inf else None
    for number, place in enumerate(places):
        if law.once and number and place.system is system:
            continue
        measure, complaint = _ask(law, place)
        if complaint:
            simple = simplest(place, lambda candidate: bool(_ask(law, candidate)[1]), system)
            again = _ask(law, simple)
            if again[1]:  # what is impure may pass when it is asked again
                place, (measure, complaint) = simple, again
            return CheckRow(law.name, "FAILED", complaint, measure, allowed, place, law.mend)
        worst = max(worst, measure or 0.0)
    return CheckRow(law.name, "ok", worst=worst if law.allowed else None, allowed=allowed)


def _ask(law: Law, place: Place) -> tuple[float | None, str]:
    """Return the measure of a law at a place, and what is to be said against the system there."""
    try:
        with np.errstate(all="ignore"):
            measure = law.measure(place)
    except BrokenLawError as error:
        return error.measure, str(error)
    except Exception as error:  # noqa: BLE001 - a fault of the system under test is a result, not an end
        return None, f"{type(error).__name__}: {error}"
    return measure, "" if measure <= law.allowed else law.what.format(f"{measure:.2g}")


# -- parameters --------------------------------------------------------------------------------------------------------


def effect_row(system: Any, places: Sequence[Place]) -> CheckRow:
    """Return the row that asks of each parameter whether anything depends on it."""
    title = "each parameter has an effect"
    off = [name for name, value in system.parameters.items() if float(value) == 0.0]
    switched_on = _changed(system, dict.fromkeys(off, 0.3))  # a drive's frequency acts where there is a drive
    bases = (system, switched_on)
    idle = [name for name in parameter_names(system) if not any(_differs(base, name, places) for base in bases)]
    if not idle:
        return CheckRow(title, "ok")
    reason = f"nothing depends on {', '.join(idle)}: rates, energy, invariants, equilibria, positions, events"
    return CheckRow(title, "FAILED", reason, mend="Use it, or leave it out; was another one written in its place?")


def _differs(system: Any, name: str, places: Sequence[Place]) -> bool:
    """Whether anything that a system tells changes with a parameter; also where it may have no other value."""
    value = float(getattr(system, name)) or 0.1
    others = [_changed(system, {name: factor * value}) for factor in (1.1, 0.9)]
    other = next((other for other in others if other is not system), system)
    return other is system or any(_told(system, place) != _told(other, place) for place in places)


def _told(system: Any, place: Place) -> list[str]:
    """Return everything that a system says at a place, as text."""
    y = place.y.copy()
    asked: list[Callable[[], Any]] = [lambda: system(place.t, y), lambda: sorted(system.equilibria.items())]
    asked += [lambda f=f: f(y) for _, f in sorted(system.invariants.items())]  # type: ignore[misc]
    if system.has_energy:
        asked.append(lambda: system.energy(y))
    if system.drawable:
        asked.append(lambda: system.positions(y))
    for event in tuple(getattr(system, "events", ()) or ()):
        asked.append(lambda event=event: event(place.t, y))  # type: ignore[misc]
        if getattr(event, "reset", None) is not None:
            asked.append(lambda event=event: event.reset(place.t, y))  # type: ignore[misc]
    with np.errstate(all="ignore"):
        return [repr(np.asarray(f(), dtype=object).tolist()) for f in asked]


def _changed(system: Any, changes: dict[str, float]) -> Any:
    """Return the system with other parameters; itself where they are refused."""
    try:
        return system.replace(**changes) if changes else system
    except ValueError:
        return system
