"""Where the points of an animation are: from a start by solving, from a `Solution` by interpolating."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, protocols
from diffsim.errors import KindError, RunError, must, unknown_name
from diffsim.primitive import raw
from integrators._solution import Solution
from integrators._solve import solve_ivp
from studies._animation_options import is_real
from studies._animation_scene import limits_of
from studies._animation_times import exact, frame_times, hermite

__all__: list[str] = []

Floats = NDArray[np.float64]

_COARSE = 0.005  # of the picture: three pixels of 640


@dataclass(frozen=True, eq=False)
class Motion:
    """Positions (n_frames, n_trajectories, n_points, 2) at `times`, the box that holds them, and the axes' names."""

    times: Floats
    positions: Floats
    limits: tuple[float, float, float, float]
    axis_labels: tuple[str, str]
    equal: bool


@dataclass(frozen=True)
class _Drawing:
    """How a state (n, *batch, n_times) becomes points (n_points, 2, *batch, n_times)."""

    points: Callable[[Any], Any]
    axis_labels: tuple[str, str]
    equal: bool


def find_motion(
    who: str,
    system: Any,
    y0: Any,
    t_span: Any,
    rate: Fraction,
    pace: float,
    plane: Any,
    options: Mapping[str, Any],
) -> Motion:
    """Return what the frames show; see `studies.animate` for the arguments."""
    system = _plain(who, system)
    drawing = _find_drawing(who, system, plane)
    span = _span(who, t_span, y0)
    times = frame_times(who, span, rate, exact(pace))
    if isinstance(y0, Solution):
        states = _interpolate(who, system, y0, times, drawing, options)
    else:
        states = _solve(who, system, _starts(system, y0), span, times, options)
    points = _points(who, system, drawing, states)
    if not np.isfinite(points).any():
        raise RunError(f"{who}: nothing to draw, all positions are NaN or infinite.")
    return Motion(times, points, limits_of(points), drawing.axis_labels, drawing.equal)


def _plain(who: str, system: Any) -> Any:
    """Return the system with plain numbers as parameters; a picture needs no derivatives."""
    if isinstance(system, type) or not callable(system):
        raise KindError(f"{who}: system must be a System or a function f(t, y); got {system!r}.")
    if not protocols.is_system(system):
        return system
    values = [raw(value) for value in protocols.parameter_values(system)]
    return protocols.with_parameters(system, values)


def _find_drawing(who: str, system: Any, plane: Any) -> _Drawing:
    """Return the system's own positions, or two components of its state."""
    if plane is not None:
        return _plane(who, system, plane)
    positions = getattr(system, "positions", None)
    if positions is None or not getattr(system, "drawable", True):
        name = type(system).__name__ if protocols.is_system(system) else getattr(system, "__name__", "the function")
        components = protocols.state_names(system) or (0, 1)
        mend = f"To draw two components of its state say plane={components[:2]!r}."
        raise KindError(f"{who}: {name} has no positions to draw. {mend}")
    return _Drawing(positions, ("x (m)", "y (m)"), equal=True)


def _plane(who: str, system: Any, plane: Any) -> _Drawing:
    """Return the drawing of two components of the state."""
    rule = "must be two names or indices of state components"
    if isinstance(plane, str) or not isinstance(plane, Sequence) or len(plane) != 2:
        raise must(who, "plane", rule, plane)
    known = protocols.state_names(system)
    units = getattr(system, "state_units", ()) or ("",) * len(known)
    found, labels = [], []
    for entry in plane:
        if isinstance(entry, str):
            if entry not in known:
                raise unknown_name(who, "state component", entry, known)
            index = known.index(entry)
        elif isinstance(entry, (int, np.integer)) and 0 <= entry < (len(known) or np.inf):
            index = int(entry)
        else:
            raise must(who, "plane", rule, plane)
        found.append(index)
        unit = f" ({units[index]})" if known and units[index] not in ("", "1") else ""
        labels.append(f"{known[index]}{unit}" if known else f"y[{index}]")
    same = bool(known) and units[found[0]] == units[found[1]]
    return _Drawing(lambda state: np.asarray(state)[found][None], (labels[0], labels[1]), equal=same)


def _span(who: str, t_span: Any, y0: Any) -> tuple[float, float]:
    """Return first and last time: those asked for, all of a solution, or ten seconds."""
    if t_span is None and not isinstance(y0, Solution):
        return 0.0, 10.0
    if t_span is None:
        t = np.asarray(raw(y0.t), dtype=float)
        if t.size < 2:
            raise must(who, "y0", "must be a Solution with at least two times", t)
        return float(t[0]), float(t[-1])
    pair = list(t_span) if isinstance(t_span, (Sequence, np.ndarray)) and not isinstance(t_span, str) else []
    ends = [raw(end) for end in pair]
    if len(ends) != 2 or not all(is_real(end) and math.isfinite(end) for end in ends) or ends[0] == ends[1]:
        raise must(who, "t_span", "must be two different finite times", t_span)
    return float(ends[0]), float(ends[1])


def _starts(system: Any, y0: Any) -> Any:
    """Return one start (n,) or several (n, *batch), the component first; a list of starts is turned."""
    several = isinstance(y0, (list, tuple)) and len(y0) > 0 and all(np.ndim(raw(entry)) == 1 for entry in y0)
    start = np.asarray(raw(array_ops.array(y0)))
    n = len(protocols.state_names(system))
    if several and (n == 0 or start.shape[1] == n):
        start = start.T
    shapes = [np.shape(value) for value in protocols.parameter_values(system)]
    if any(shapes):  # pendulums that differ in a parameter
        start = start if start.ndim > 1 else start[:, None]
        start = np.broadcast_to(start, (len(start), *np.broadcast_shapes(start.shape[1:], *shapes))).copy()
    return start


def _solve(
    who: str, system: Any, start: Any, span: tuple[float, float], times: Floats, options: Mapping[str, Any]
) -> Floats:
    """Return the states (n, *batch, n_times) from a start."""
    chosen = dict(options)
    if chosen["method"] is None:
        chosen["method"] = "RK45"
        chosen.setdefault("rtol", 1e-8)
        chosen.setdefault("atol", 1e-8)
    solution = solve_ivp(system, span, start, t_eval=times, **chosen)
    status = np.ravel(solution.status)
    failed = np.flatnonzero(status < 0)
    if failed.size == status.size:
        raise RunError(f"{who}: the solve failed. {_first(solution.message, 0)}")
    if failed.size:
        words = f"{who}: {failed.size} of {status.size} starts failed and are drawn as far as they came"
        words += f" (the first is number {failed[0]}: {_first(solution.message, int(failed[0]))})."
        warnings.warn(words, UserWarning, stacklevel=4)
    return np.asarray(raw(solution.y), dtype=float)


def _first(message: Any, index: int) -> str:
    """The message of one trajectory, where there is one message each, or the only message."""
    return str(message if isinstance(message, str) else np.ravel(np.asarray(message, dtype=object))[index])


def _interpolate(
    who: str, system: Any, solution: Any, times: Floats, drawing: _Drawing, options: Mapping[str, Any]
) -> Floats:
    """Return the states of a solution at `times`."""
    extra = [key for key in options if key not in ("method", "progress", "args")]
    if extra or options["method"] is not None:
        rule = "is for solving, but y0 is a Solution that is solved already; leave it out"
        raise must(who, [*extra, "method"][0], rule, options[[*extra, "method"][0]])
    t, y = np.asarray(raw(solution.t), dtype=float), np.asarray(raw(solution.y), dtype=float)
    if t.size < 2:
        raise must(who, "y0", "must be a Solution with at least two times", t)
    low, high = float(t.min()), float(t.max())
    slack = 1e-12 * max(abs(low), abs(high))
    if times.min() < low - slack or times.max() > high + slack:
        raise must(who, "t_span", f"must lie within the solution's times {low:g} to {high:g}", (times[0], times[-1]))
    if solution.sol is not None:
        return np.asarray(raw(solution.sol(times)), dtype=float)
    args = options.get("args") or ()
    field = _field(system, args)
    slopes = field(t, y)
    _check_spacing(who, field, t, y, slopes, lambda states: _points(who, system, drawing, states))
    return hermite(t, y, slopes, times)


def _field(system: Any, args: tuple[Any, ...]) -> Callable[[Floats, Floats], Floats]:
    """Return the right-hand side for many times at once: t (n_times,), y (n, *batch, n_times)."""

    def at_one(t: float, y: Floats) -> Floats:
        if y.ndim == 1 or protocols.is_elementwise(system):
            return np.asarray(raw(system(t, y, *args)), dtype=float)
        flat = y.reshape(len(y), -1)  # a plain function knows one trajectory at a time
        rates = [np.asarray(raw(system(t, flat[:, j], *args)), dtype=float) for j in range(flat.shape[1])]
        return np.stack(rates, axis=-1).reshape(y.shape)

    def field(t: Floats, y: Floats) -> Floats:
        if protocols.is_elementwise(system) and not _has_arrays(system):
            return np.broadcast_to(np.asarray(raw(system(t, y, *args)), dtype=float), y.shape)
        return np.stack([at_one(float(t[i]), y[..., i]) for i in range(t.size)], axis=-1)

    return field


def _has_arrays(system: Any) -> bool:
    """Whether a parameter has one entry a trajectory, which would not fit beside an axis of times."""
    return any(np.ndim(value) > 0 for value in protocols.parameter_values(system))


def _check_spacing(
    who: str,
    field: Callable[[Floats, Floats], Floats],
    t: Floats,
    y: Floats,
    slopes: Floats,
    points: Callable[[Floats], Floats],
) -> None:
    """Warn where the Hermite interpolant and a Runge-Kutta step (RK4) part at the middle of an interval."""
    h = 0.5 * np.diff(t)
    left, k_1 = y[..., :-1], slopes[..., :-1]
    with np.errstate(all="ignore"):  # a trajectory that has ended is NaN or huge
        k_2 = field(t[:-1] + 0.5 * h, left + 0.5 * h * k_1)
        k_3 = field(t[:-1] + 0.5 * h, left + 0.5 * h * k_2)
        k_4 = field(t[:-1] + h, left + h * k_3)
        stepped = left + h / 6.0 * (k_1 + 2.0 * k_2 + 2.0 * k_3 + k_4)
        gaps = np.abs(points(hermite(t, y, slopes, t[:-1] + h)) - points(stepped))
        x_low, x_high, y_low, y_high = limits_of(points(y))
    gaps = np.where(np.isfinite(gaps), gaps, 0.0).max(axis=(1, 2, 3))
    worst, picture = int(gaps.argmax()), max(x_high - x_low, y_high - y_low)
    if gaps[worst] > _COARSE * picture:
        words = f"{who}: the solution's times are too far apart to be interpolated well: near t={t[worst]:g} by "
        words += f"{gaps[worst] / picture:.1%} of the picture. Solve with a denser t_eval, or give the start instead."
        warnings.warn(words, UserWarning, stacklevel=5)


def _points(who: str, system: Any, drawing: _Drawing, states: Floats) -> Floats:
    """Return positions (n_times, n_trajectories, n_points, 2) of states (n, *batch, n_times)."""
    with np.errstate(invalid="ignore", over="ignore"):  # a trajectory that has blown up is drawn as far as it came
        if _has_arrays(system):
            found = np.stack([_as_array(who, drawing.points(states[..., i])) for i in range(states.shape[-1])], axis=-1)
        else:
            found = _as_array(who, drawing.points(states))
    shape = (states.shape[-1], math.prod(states.shape[1:-1]))
    if found.ndim < 3 or found.shape[1] != 2 or found[0, 0].size != math.prod(shape):
        rule = "must have the shape (n_points, 2, ...) of points in the plane"
        raise must(who, "system.positions(state)", rule, found.shape)
    flat = found.reshape(found.shape[0], 2, shape[1], shape[0])
    return np.ascontiguousarray(flat.transpose(3, 2, 0, 1))


def _as_array(who: str, found: Any) -> Floats:
    """Return what `positions` gave as floats."""
    try:
        return np.asarray(raw(found), dtype=float)
    except (TypeError, ValueError):
        raise must(who, "system.positions(state)", "must be an array of numbers", found) from None
