"""Where the points of an animation are: from a start by solving, from a `Solution` by interpolating."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, protocols
from diffsim.errors import KindError, RunError, must
from diffsim.number import raw
from integrators._solution import Solution
from integrators._solve import solve_ivp
from studies._animation_drawing import Drawing, find_drawing
from studies._animation_interpolate import interpolate, span_of
from studies._animation_options import is_real
from studies._animation_scene import limits_of
from studies._animation_times import exact, frame_times

__all__: list[str] = []

Floats = NDArray[np.float64]

_COARSE = 0.005  # of the picture: three pixels of 640


@dataclass(frozen=True, eq=False)
class Motion:
    """Positions (n_frames, n_trajectories, n_points, 2) at `times`, the box that holds them, and how they are drawn.

    `states` (n, n_trajectories, n_frames) are what the positions were made of, `system` the system with plain numbers.
    """

    times: Floats
    positions: Floats
    limits: tuple[float, float, float, float]
    states: Floats
    system: Any
    drawing: Drawing
    span: tuple[float, float]


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
    drawing = find_drawing(who, system, plane)
    span = _span(who, t_span, y0)
    times = frame_times(who, span, rate, exact(pace))
    if isinstance(y0, Solution):
        _refuse_solving(who, options)
        states, gap, worst = interpolate(who, system, y0, times, drawing.place)
        if gap > _COARSE:
            words = f"{who}: the solution's times are too far apart to be interpolated well: near t={worst:g} by "
            words += f"{gap:.1%} of the picture. Solve with a denser t_eval, or give the start instead."
            warnings.warn(words, UserWarning, stacklevel=4)
    else:
        states = _solve(who, system, _starts(who, system, y0), span, times, options)
    points = drawing.place(system, states)
    if not np.isfinite(points).any():
        raise RunError(f"{who}: nothing to draw, all positions are NaN or infinite.")
    flat = states.reshape(len(states), -1, times.size)
    return Motion(times, points, limits_of(points), flat, system, drawing, span)


def _plain(who: str, system: Any) -> Any:
    """Return the system with plain numbers as parameters; a picture needs no derivatives."""
    if isinstance(system, type) or not callable(system):
        raise KindError(f"{who}: system must be a System or a function f(t, y); got {system!r}.")
    if protocols.is_discrete(system):
        raise KindError(
            f"{who}: system must be a flow; {type(system).__name__} is a map, which jumps from state to state and has "
            "no motion to film. Plot the states of solve_ivp(system, (0, n), y0)."
        )
    if not protocols.is_system(system):
        return system
    values = [raw(value) for value in protocols.parameter_values(system)]
    return protocols.with_parameters(system, values)


def _span(who: str, t_span: Any, y0: Any) -> tuple[float, float]:
    """Return first and last time: those asked for, all of a solution, or ten seconds."""
    if t_span is None and not isinstance(y0, Solution):
        return 0.0, 10.0
    if t_span is None:
        return span_of(who, y0)
    pair = list(t_span) if isinstance(t_span, (Sequence, np.ndarray)) and not isinstance(t_span, str) else []
    ends = [raw(end) for end in pair]
    if len(ends) != 2 or not all(is_real(end) and math.isfinite(end) for end in ends) or ends[0] == ends[1]:
        raise must(who, "t_span", "must be two different finite times", t_span)
    return float(ends[0]), float(ends[1])


def _starts(who: str, system: Any, y0: Any) -> Any:
    """Return one start (n,) or several (n, *batch), the component first; a list of starts is turned."""
    listed = isinstance(y0, (list, tuple)) and len(y0) > 0
    lengths = {np.shape(raw(entry)) for entry in y0} if listed else set()
    if len(lengths) > 1:
        raise must(who, "y0", "must be one start, or several of the same length", y0)
    several = listed and len(next(iter(lengths))) == 1
    start = np.asarray(raw(array_ops.array(y0)))
    if start.ndim > 1 and start.size == 0:
        raise must(who, "y0", "must hold at least one start", y0)
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
    solution = solve_ivp(system, span, start, t_eval=times, **solver_of(who, options))
    status = np.ravel(solution.status)
    failed = np.flatnonzero(status < 0)
    if failed.size == status.size:
        raise RunError(f"{who}: the solve failed. {_first(solution.message, 0)}")
    if failed.size:
        words = f"{who}: {failed.size} of {status.size} starts failed and are drawn as far as they came"
        words += f" (the first is number {failed[0]}: {_first(solution.message, int(failed[0]))})."
        warnings.warn(words, UserWarning, stacklevel=5)
    return np.asarray(raw(solution.y), dtype=float)


def solver_of(who: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for `solve_ivp`: tight tolerances where no method is named."""
    chosen = dict(options)
    if "t_eval" in chosen:
        raise must(who, "t_eval", "is set by fps and speed; leave it out", chosen["t_eval"])
    if chosen["method"] is None:
        chosen["method"] = "RK45"
        chosen.setdefault("rtol", 1e-8)
        chosen.setdefault("atol", 1e-8)
    return chosen


def _refuse_solving(who: str, options: Mapping[str, Any]) -> None:
    """Raise for an argument of `solve_ivp` that would go unheard."""
    for name, value in options.items():
        if name != "progress" and value is not None:
            raise must(who, name, "is for solving, but y0 is a Solution that is solved already; leave it out", value)


def _first(message: Any, index: int) -> str:
    """The message of one trajectory, where there is one message each, or the only message."""
    return str(message if isinstance(message, str) else np.ravel(np.asarray(message, dtype=object))[index])
