"""The checks of `check_system` that solve: invariants in a tight solve, symplectic flow maps, spectra, machine code."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.compiler.engine import available
from diffsim.derivatives import grad
from diffsim.errors import DiffsimError, HorizonWarning, InterpretedWarning
from integrators import solve_ivp
from studies._check_system_laws import is_canonical, is_discrete
from studies._check_system_report import CheckRow, Place
from studies._checks import Floats

__all__: list[str] = []

CONSTANT = 1e-8
"""How far an invariant may wander in a tight solve, relative to its terms."""

_TIGHT = 1e-12
_STIFF = 1e-9  # for stiff systems, whose invariants are sums: any method keeps them to rounding
_STEPS = 600  # of the tight solve; a stiff system does not come to its end in them, and need not
_FEW = 8  # components; with more, a third of the steps
_ITERATES = 1000  # of a map
_SIZED = 8  # states on the trajectory at which the terms of an invariant are looked at
_SYMPLECTIC = 1e-7  # relative to the square of the flow map's largest entry
_PAIRED = 1e-8  # of the characteristic polynomial's largest coefficient
_COMPILED = 1e-10  # between machine code and interpreter after some steps
_COMPILED_STEPS = 20


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A solve as far as it came.

    Attributes
    ----------
    t : ndarray (m,)
    y : ndarray (n, m)
        Its finite states.
    complaint : str
        Why there are none but the start; empty where there are.
    """

    t: Floats
    y: Floats
    complaint: str = ""


def follow(place: Place, t_end: float) -> Trajectory:
    """Return the trajectory from a place, solved tightly: as far as 600 steps lead, or 1000 iterates of a map."""
    alone = Trajectory(np.array([place.t]), place.y[:, None])
    try:
        with np.errstate(all="ignore"):
            t, y = _iterate(place, t_end) if is_discrete(place.system) else _solve(place, t_end)
    except Exception as error:  # noqa: BLE001 - a fault of the system under test is a result, not an end
        return Trajectory(alone.t, alone.y, f"{type(error).__name__}: {error}")
    finite = np.all(np.isfinite(y), axis=0)
    if np.count_nonzero(finite) < 2:
        return Trajectory(alone.t, alone.y, "it has no finite state but its start")
    return Trajectory(t[finite], y[:, finite])


def _solve(place: Place, t_end: float) -> tuple[Floats, Floats]:
    stiff = bool(getattr(place.system, "stiff", False))
    rtol = _STIFF if stiff else _TIGHT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HorizonWarning)
        warnings.simplefilter("ignore", InterpretedWarning)
        sol = solve_ivp(
            place.system,
            (place.t, place.t + t_end),
            place.y,
            method="Radau" if stiff else "DOP853",
            rtol=rtol,
            atol=rtol * _scale(place),
            max_steps=_STEPS if len(place.y) <= _FEW else _STEPS // 3,
            compiled=False,
        )
    return np.asarray(sol.t, dtype=np.float64), np.asarray(sol.y, dtype=np.float64)


def _smooth(system: Any) -> dict[str, Any]:
    """Return the arguments that switch a system's own events off."""
    return {"events": ()} if getattr(system, "events", ()) else {}


def _scale(place: Place) -> float:
    """Return a size of the state, for absolute tolerances."""
    return min(1.0, float(np.max(np.abs(place.y)))) or 1.0


def _iterate(place: Place, t_end: float) -> tuple[Floats, Floats]:
    states = [place.y]
    for k in range(int(min(t_end, _ITERATES))):
        states.append(np.asarray(place.system(place.t + k, states[-1]), dtype=np.float64))
        if not np.all(np.isfinite(states[-1])):
            break
    return place.t + np.arange(len(states), dtype=np.float64), np.stack(states, axis=1)


def solve_rows(place: Place, trajectory: Trajectory) -> Iterator[CheckRow]:
    """Yield the row about the solve itself, and one for each invariant along it."""
    title = "the start can be followed"
    if trajectory.complaint:
        mend = "Try diffsim simulate with this start; with another one give y0."
        yield CheckRow(title, "FAILED", trajectory.complaint, place=place, mend=mend)
        return
    yield CheckRow(title, "ok")
    for name, invariant in place.system.invariants.items():
        yield _constant_row(name, invariant, place, trajectory)


def _constant_row(name: str, invariant: Any, place: Place, trajectory: Trajectory) -> CheckRow:
    title = f"{name} stays constant in a tight solve"
    try:
        values = np.asarray(invariant(trajectory.y), dtype=np.float64)
        if values.shape != trajectory.t.shape:  # it does not take a batch
            values = np.array([float(invariant(y)) for y in trajectory.y.T])
        some = trajectory.y[:, :: max(1, len(trajectory.t) // _SIZED)]
        terms = [np.sum(np.abs(np.asarray(grad(invariant)(y), dtype=np.float64) * y)) for y in some.T]
    except Exception as error:  # noqa: BLE001 - a fault of the system under test is a result, not an end
        reason = f"the invariant raises {type(error).__name__}: {error}"
        return CheckRow(title, "FAILED", reason, place=place, mend="It must take (n,) and (n, *batch).")
    size = float(np.max(np.abs(values)) + np.max(terms))
    drift = np.abs(values - values[0])
    worst = float(np.max(drift)) / size if size else 0.0
    if worst <= CONSTANT:
        return CheckRow(title, "ok", worst=worst, allowed=CONSTANT)
    i = int(np.argmax(drift > CONSTANT * size))
    reason = f"it begins as {values[0]:.9g} and is {values[i]:.9g} at t={trajectory.t[i]:.6g}"
    return CheckRow(title, "FAILED", reason, worst, CONSTANT, place, f"Look at invariants[{name!r}] and at the rates.")


# -- canonical systems -------------------------------------------------------------------------------------------------


def canonical_rows(place: Place, t_end: float) -> Iterator[CheckRow]:
    """Yield the rows about the flow map and the spectrum of a system that says it is canonical."""
    if not is_canonical(place.system) or len(place.y) % 2:
        return
    title = "the flow map is symplectic"
    mend = "rates must be Hamilton's equations in canonical coordinates: positions first, their momenta second."
    try:
        flow_map = _flow_map(place, t_end)
    except DiffsimError as error:
        yield CheckRow(title, "FAILED", str(error), place=place, mend=mend)
        return
    half = len(place.y) // 2
    unit, none = np.eye(half), np.zeros((half, half))
    form = np.block([[none, unit], [-unit, none]])
    size = max(1.0, float(np.max(np.abs(flow_map))) ** 2)
    worst = float(np.max(np.abs(flow_map.T @ form @ flow_map - form))) / size
    good = worst <= _SYMPLECTIC
    reason = "" if good else f"M^T J M differs from J by {worst:.2g} of the square of M's largest entry"
    yield CheckRow(title, "ok" if good else "FAILED", reason, worst, _SYMPLECTIC, None if good else place, mend)
    yield _pairs_row(place, flow_map)


def _flow_map(place: Place, t_end: float) -> Floats:
    """Return d y(T) / d y(0) after a time in which it grows moderately; of a map, its Jacobian."""
    matrix = place.jacobian
    if is_discrete(place.system):
        return matrix
    fastest = float(np.max(np.abs(np.linalg.eigvals(matrix))))
    horizon = min(t_end, 3.0 / fastest) if fastest else t_end
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HorizonWarning)
        warnings.simplefilter("ignore", InterpretedWarning)
        sol = solve_ivp(
            place.system,
            (place.t, place.t + horizon),
            place.y,
            method="DOP853",
            rtol=1e-11,
            atol=1e-11 * _scale(place),
            t_eval=[place.t + horizon],
            sensitivities=("y0",),
            max_step=0.2 / fastest if fastest else np.inf,  # slow modes alone say nothing of the others
            max_steps=_STEPS,
            compiled=False,
            **_smooth(place.system),
        )
    if not np.all(sol.status == 0):
        raise DiffsimError(f"the flow map could not be followed: {sol.message}")
    return np.asarray(sol.dy_dy0[..., -1], dtype=np.float64)


def _pairs_row(place: Place, flow_map: Floats) -> CheckRow:
    """Return the row about the spectrum: at equilibria, or of the flow map where there are none."""
    equilibria: Mapping[str, Any] = {} if is_discrete(place.system) else place.system.equilibria
    title = "eigenvalues come in pairs" if equilibria else "eigenvalues of the flow map come in pairs"
    mend = "The Jacobian of a canonical system is J times a symmetric matrix; look for a sign or a missing term."
    worst = 0.0
    if not equilibria:
        coefficients = np.poly(flow_map)
        worst = float(np.max(np.abs(coefficients - coefficients[::-1])) / np.max(np.abs(coefficients)))
        reason = f"the characteristic polynomial is no palindrome: off by {worst:.2g}"
        if worst > _PAIRED:
            return CheckRow(title, "FAILED", reason, worst, _PAIRED, place, mend)
    for name, state in equilibria.items():
        here = Place(place.system, place.t, np.array([float(x) for x in state]))
        matrix = here.jacobian
        largest = float(np.max(np.abs(np.linalg.eigvals(matrix))))
        coefficients = np.poly(matrix / largest) if largest else np.ones(1)
        odd = float(np.max(np.abs(coefficients[1::2]), initial=0.0) / np.max(np.abs(coefficients)))
        worst = max(worst, odd)
        if odd > _PAIRED:
            found = ", ".join(f"{value:.6g}" for value in np.linalg.eigvals(matrix))
            return CheckRow(title, "FAILED", f"at {name} they are {found}", odd, _PAIRED, here, mend)
    return CheckRow(title, "ok", worst=worst, allowed=_PAIRED)


# -- machine code ------------------------------------------------------------------------------------------------------


def compiled_row(place: Place) -> CheckRow:
    """Return the row that compares machine code with the interpreter over some steps."""
    title = "compiled gives what interpreted gives"
    if not available():
        return CheckRow(title, "not applicable", "llvmlite is not installed")
    if is_discrete(place.system):
        method, step = "Iteration", 1.0
    else:
        matrix = np.abs(place.jacobian)
        method, step = "RK4", 0.1 / (float(np.max(matrix.sum(axis=1))) or 1.0)
    t_span = (place.t, place.t + _COMPILED_STEPS * step)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HorizonWarning)
            smooth = _smooth(place.system)
            ends = [
                np.asarray(solve_ivp(place.system, t_span, place.y, method=method, step=step, compiled=by, **smooth).y)
                for by in (True, False)
            ]
    except Exception as error:  # noqa: BLE001 - a fault of the system under test is a result, not an end
        mend = "Use diffsim.where for a branch on the state, diffsim.ops for functions; or pass compiled=False."
        return CheckRow(title, "FAILED", f"{type(error).__name__}: {error}", place=place, mend=mend)
    ends = [y[:, -1] for y in ends]
    worst = float(np.max(np.abs(ends[0] - ends[1])) / np.max(np.abs(ends[1]))) if np.any(ends[1]) else 0.0
    if worst <= _COMPILED:
        return CheckRow(title, "ok", worst=worst, allowed=_COMPILED)
    reason = f"after {_COMPILED_STEPS} steps of {step:.3g} s: {ends[0].tolist()} and {ends[1].tolist()}"
    mend = "This is a fault of diffsim, or rates tell traced numbers from floats. compiled=False is right."
    return CheckRow(title, "FAILED", reason, worst, _COMPILED, place, mend)
