"""`portrait`: one picture of one trajectory, drawn in the way that shows most of it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from diffsim.errors import HorizonWarning, InterpretedWarning, KindError, RunError
from integrators import solve_ivp
from studies import _checks
from studies._checks import Floats
from studies._portrait_result import KINDS, Portrait

__all__ = ["portrait"]

_POINTS = 8001
_ITERATES = 20_000
_FEW = 8  # components that are told apart as lines
_PULSES = 3  # passages through the middle of its range that make a stiff system an oscillator
_TURNS = 12  # turning points of three components, from which on a space curve tells more than lines over time


def portrait(
    system: Any, y0: Any = None, t_end: float | None = None, *, kind: str | None = None, **options: Any
) -> Portrait:
    """Return a picture of a trajectory: by default of the system's own start, over the system's own time.

    Parameters
    ----------
    system : System
    y0 : array_like, shape (n,), optional
        Start; the system's ``default_state`` by default.
    t_end : float, optional
        End time in s, > 0; the system's ``default_time`` by default.  A map makes 200 times as many iterations by
        default, at most 20,000, since its picture is made of dots.
    kind : str, optional
        ``"positions"`` (paths of the points that the system draws), ``"plane"`` (the first component and the second),
        ``"space"`` (three components, seen from aside), ``"time"`` (components over time, each by its largest value),
        ``"log time"``, ``"image"`` (components over time as colours), ``"dots"`` (iterates of a map).  By default what
        suits: a map's dots, log time for stiff systems, the plane for two components, positions where there are some,
        space for three components that turn often, an image for more than 8, time for the rest.
    **options
        For `solve_ivp`; by default ``DOP853`` at rtol 1e-8, and ``Radau`` at 1e-6 for stiff systems.

    Returns
    -------
    Portrait
        With ``.plot()``, ``.draw(axes)`` into axes of yours, and ``.save(path)``.

    Raises
    ------
    KindError
        `system` is no System, or has nothing of the kind.
    ArgumentError
        An unknown `kind`, a start of the wrong length, an option that `solve_ivp` refuses.
    RunError
        The trajectory has no second finite state.

    Examples
    --------
    >>> from systems import Lorenz63
    >>> picture = portrait(Lorenz63(), t_end=30.0)
    >>> picture.kind, picture.y.shape
    ('space', (3, 8001))
    """
    who = "portrait"
    _checks.system_of(who, system)
    start = _checks.start(who, system, y0)
    if t_end is None:
        t_end = float(getattr(system, "default_time", 10.0))
        t_end = min(200.0 * t_end, _ITERATES) if getattr(system, "discrete", False) else t_end
    t_end = _checks.positive(who, "t_end", t_end)
    if kind is not None:
        _checks.one_of(who, "kind", kind, KINDS)
        _check_kind(who, system, kind)
    t, y = _trajectory(system, start, t_end, options)
    finite = np.all(np.isfinite(y), axis=0)
    t, y = t[finite], y[:, finite]
    if len(t) < 2:
        raise RunError(f"{who}: {type(system).__name__} has no finite state but its start {start.tolist()}.")
    return Portrait(system, kind or _kind_of(system, y), t, y)


def _trajectory(system: Any, start: Floats, t_end: float, options: dict[str, Any]) -> tuple[Floats, Floats]:
    """Solve; return the times (m,) and states (n, m)."""
    if getattr(system, "discrete", False):
        given: dict[str, Any] = {}
        t_end = float(round(t_end)) or 1.0
    elif getattr(system, "stiff", False):
        given = {"method": "Radau", "rtol": 1e-6, "atol": 1e-18 * (float(np.max(np.abs(start))) or 1.0)}
    else:
        given = {"method": "DOP853", "rtol": 1e-8, "atol": 1e-8, "t_eval": np.linspace(0.0, t_end, _POINTS)}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", HorizonWarning)
        warnings.simplefilter("ignore", InterpretedWarning)
        solution = solve_ivp(system, (0.0, t_end), start, **{**given, **options})
    return np.asarray(solution.t, dtype=np.float64), np.asarray(solution.y, dtype=np.float64)


def _kind_of(system: Any, y: Floats) -> str:
    """Return the kind of picture that suits."""
    n = len(y)
    if getattr(system, "discrete", False):
        return "dots"
    if getattr(system, "stiff", False):
        return "time" if _pulses(y) >= _PULSES else "log time"
    if n == 2:
        return "plane"
    if getattr(system, "drawable", False) and _is_worth_a_path(system, y):
        return "positions"
    if n == 3:
        return "space" if _turns(y) >= _TURNS else "time"
    return "image" if n > _FEW else "time"


def _is_worth_a_path(system: Any, y: Floats) -> bool:
    """Whether the points that a system draws move about in a plane: not on a line or circle, nor each in its place."""
    points = np.asarray(system.positions(y[:, :: max(1, y.shape[1] // 200)]), dtype=np.float64)
    if points.shape[1] != 2:
        return True
    if not np.all(np.isfinite(points)):
        return False
    paths = np.ptp(points, axis=2)
    whole = np.ptp(points, axis=(0, 2))
    along_a_line = np.sort(np.max(paths, axis=0))[-2] <= 1e-6 * np.max(paths)
    centre = 0.5 * (points.max(axis=(0, 2)) + points.min(axis=(0, 2)))
    radii = np.hypot(points[:, 0] - centre[0], points[:, 1] - centre[1])
    on_a_circle = len(points) > 2 and np.ptp(radii) <= 0.05 * np.max(radii)
    in_place = len(points) > _FEW and np.median(np.max(paths, axis=1)) < 0.5 * np.max(whole)
    return not along_a_line and (bool(system.rods) or not (in_place or on_a_circle))


def _turns(y: Floats) -> int:
    """Return how often the components turn round, all together."""
    steps = np.sign(np.diff(y, axis=1))
    return int(np.count_nonzero(steps[:, 1:] * steps[:, :-1] < 0))


def _pulses(y: Floats) -> int:
    """Return how often the liveliest component passes the middle of its range."""
    middle = 0.5 * (y.max(axis=1) + y.min(axis=1))
    above = y > middle[:, None]
    return int(np.max(np.count_nonzero(above[:, 1:] != above[:, :-1], axis=1)))


def _check_kind(who: str, system: Any, kind: str) -> None:
    """Raise where a system has nothing of a kind."""
    name, n = type(system).__name__, len(system.state_names)
    if kind == "positions" and not getattr(system, "drawable", False):
        raise KindError(f"{who}: {name} has no positions to draw. Leave kind out, or write positions in its class.")
    least = {"plane": 2, "space": 3}.get(kind, 1)
    if n < least:
        raise KindError(f"{who}: kind={kind!r} takes {least} components; {name} has {n}. Leave kind out.")
