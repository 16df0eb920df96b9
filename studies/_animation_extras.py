"""What an animation can show beside the motion: ghosts, arrows, panels, methods side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import protocols
from diffsim.errors import ArgumentError, KindError, must
from integrators._methods import method_class, resolve_method
from integrators._solution import Solution
from integrators._solve import solve_ivp
from studies import _checks
from studies._animation_look import Style
from studies._animation_motion import Motion, find_motion, solver_of
from studies._animation_panels import Panel, Shown, make_panels, wrap_cut
from studies._animation_scene import limits_of
from studies._animation_tangents import (
    Arrows,
    cloud,
    flow_tangents,
    gradient_arrows,
    separations,
    stretch_arrows,
)
from studies._solver import solver_text

__all__: list[str] = []

Floats = NDArray[np.float64]

_MOST_GHOSTS = 1000


@final
@dataclass(frozen=True, eq=False)
class Asked:
    """The arguments of `animate` that are about more than the motion, checked."""

    ghosts: int
    spread: Any
    seed: int
    arrows: Any
    panels: tuple[str, ...]
    compare: tuple[Any, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels in which all of it is well seen."""
        if len(self.panels) > 2 or self.compare:
            return 1200, 720
        return (1200, 540) if self.panels else (640, 480)


@final
@dataclass(frozen=True, eq=False)
class Extras:
    """What is drawn beside the trajectories."""

    ghosts: Floats | None
    arrows: Floats | None
    panels: tuple[Panel, ...]


def asked_of(who: str, y0: Any, ghosts: Any, spread: Any, seed: Any, arrows: Any, panels: Any, compare: Any) -> Asked:
    """Check what was asked for; panels that were not named are those that belong to the rest."""
    count = _checks.count(who, "ghosts", ghosts, 0)
    if count > _MOST_GHOSTS:
        raise must(who, "ghosts", f"must be at most {_MOST_GHOSTS}", ghosts)
    methods: tuple[Any, ...] = ()
    if compare is not None:
        if isinstance(compare, str) or not isinstance(compare, Sequence) or not 2 <= len(compare) <= 4:
            raise must(who, "compare", "must be a list of two to four methods (names or integrator objects)", compare)
        methods = tuple(compare)
    if methods and (count or arrows is not None):
        raise ArgumentError(f"{who}: compare shows methods side by side and takes neither ghosts nor arrows.")
    for name, given in (("ghosts", count), ("arrows", arrows is not None), ("compare", methods)):
        if given and isinstance(y0, Solution):
            raise must(who, "y0", f"must be a start where {name} are asked for, since more is solved", y0)
    if panels is None:
        panels = [*(["separation"] if count else []), *(["growth"] if arrows is not None else [])]
        panels = ["error"] if methods else panels
    if isinstance(panels, str) or not isinstance(panels, Sequence) or len(panels) > 4:
        raise must(who, "panels", "must be a list of at most four names", panels)
    return Asked(count, spread, _checks.count(who, "seed", seed, 0), arrows, tuple(panels), methods)


def find_motions(
    who: str,
    system: Any,
    y0: Any,
    t_span: Any,
    rate: Fraction,
    pace: float,
    plane: Any,
    options: Mapping[str, Any],
    compare: tuple[Any, ...],
) -> tuple[Motion, tuple[str, ...]]:
    """Return the motion, by each method where some are compared, and the names of these methods."""
    if not compare:
        return find_motion(who, system, y0, t_span, rate, pace, plane, options), ()
    if options.get("method") is not None:
        raise must(who, "method", "is one of compare; leave it out", options["method"])
    found, names = [], []
    for method in compare:
        chosen = {**options, "method": method}
        adaptive = method_class(method)().adaptive if isinstance(method, str) else _is_adaptive(method, options)
        if adaptive or getattr(method, "h", None) is not None:
            chosen.pop("step", None)
        if adaptive:
            chosen = {"rtol": 1e-8, "atol": 1e-8, **chosen}
        else:
            chosen = {name: value for name, value in chosen.items() if name not in ("rtol", "atol")}
        resolve_method(method, chosen.get("step"))
        motion = find_motion(who, system, y0, t_span, rate, pace, plane, chosen)
        if motion.positions.shape[1] != 1:
            raise must(who, "y0", "must be one start where methods are compared", y0)
        found.append(motion)
        names.append(solver_text(chosen))
    points = np.concatenate([motion.positions for motion in found], axis=1)
    states = np.concatenate([motion.states for motion in found], axis=1)
    return replace(found[0], positions=points, states=states, limits=limits_of(points)), tuple(names)


def _is_adaptive(method: Any, options: Mapping[str, Any]) -> bool:
    """Say whether an integrator object chooses its steps."""
    step = None if getattr(method, "h", None) is not None else options.get("step")
    return bool(resolve_method(method, step).adaptive)


def make_extras(
    who: str,
    motion: Motion,
    asked: Asked,
    options: Mapping[str, Any],
    colors: Floats,
    labels: tuple[str, ...],
    style: Style,
) -> Extras:
    """Return ghosts, arrows and panels."""
    from matplotlib.colors import to_rgba

    system, states = motion.system, motion.states
    shown = Shown(system, motion.times, states, colors, labels, accent=to_rgba(style.accent))
    if not asked.ghosts and asked.arrows is None:
        return Extras(None, None, make_panels(who, asked.panels, shown))
    if states.shape[1] != 1:
        raise ArgumentError(f"{who}: ghosts and arrows belong to one start; got {states.shape[1]} starts.")
    if protocols.event_functions(system):
        raise KindError(f"{who}: {type(system).__name__} has events of its own, across which tangents are not joined.")
    solver = {name: value for name, value in solver_of(who, options).items() if name != "progress"}
    start = states[:, 0, 0] if motion.span[0] == motion.times[0] else None
    if start is None or not np.isfinite(states).all():
        raise ArgumentError(f"{who}: ghosts and arrows need a reference that reaches its end.")
    around, arrows, separation = None, None, None
    tangents = None
    if asked.ghosts or asked.arrows == "stretch":
        tangents = flow_tangents(who, system, start, motion.span, motion.times, solver)
    if asked.ghosts and tangents is not None:
        starts = cloud(who, system, start, asked.ghosts, asked.spread, asked.seed)
        run = solve_ivp(system, motion.span, starts, t_eval=motion.times, **solver)
        moved = np.asarray(run.y, dtype=float)
        around = motion.drawing.place(system, moved)
        separation = separations(system, tangents, states, moved)
    if asked.arrows is not None:
        arrows = _arrows(who, motion, asked.arrows, tangents, solver)
        shown = replace(shown, growth=arrows.size, growth_label=arrows.label)
    panels = make_panels(who, asked.panels, replace(shown, separation=separation))
    return Extras(around, None if arrows is None else arrows.vectors, panels)


def _arrows(who: str, motion: Motion, asked: Any, tangents: Floats | None, solver: Mapping[str, Any]) -> Arrows:
    """Return the arrows of one kind."""
    if isinstance(asked, str) and asked == "stretch" and tangents is not None:
        return stretch_arrows(motion.system, motion.drawing, tangents, motion.states)
    return gradient_arrows(who, motion.system, motion.drawing, asked, motion.states, motion.times, solver)


def cuts_of(motion: Motion) -> tuple[float | None, float | None]:
    """Return where the angles of the scene's axes are cut open."""
    first, second = (
        wrap_cut(motion.positions[..., axis]) if turn else None for axis, turn in enumerate(motion.drawing.turns)
    )
    return first, second


def box_of(
    motion: Motion, cuts: tuple[float | None, float | None], extras: Extras
) -> tuple[float, float, float, float]:
    """Return the limits of the scene: all that moves, room for arrows, a whole turn along a wrapped axis."""
    points = motion.positions.reshape(-1, 2)
    if extras.ghosts is not None:
        points = np.concatenate([points, extras.ghosts.reshape(-1, 2)])
    box = np.array(limits_of(points)).reshape(2, 2)
    if extras.arrows is not None:
        box += 0.08 * np.ptp(box, axis=1).min() * np.array([-1.0, 1.0])
    for axis, cut in enumerate(cuts):
        if cut is not None:
            box[axis] = cut, cut + 2.0 * np.pi
    (x_low, x_high), (y_low, y_high) = box.tolist()
    return x_low, x_high, y_low, y_high
