"""Surfaces of section, and the points in which trajectories cross them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.derivatives import pushforward
from diffsim.errors import ArgumentError, KindError, must
from studies import _checks, _tiles
from studies._checks import Floats
from studies._crossings import NODES, Window, crossings, events_in, subset_of, walk

__all__: list[str] = []

_ROOM = 2**18  # nodes of all trajectories of a window
_BEGIN = 1e-6  # of the distance of the nodes: a start on the surface is no crossing


@final
@dataclass(frozen=True, eq=False)
class Surface:
    """A component that has a value (an angle: but for whole turns), an extremum of one, or where a function is 0.

    Attributes
    ----------
    component : int or None
    value : float
    angle : bool
    extremum : bool
        Whether it is the velocity of the component that vanishes.
    function : callable or None
        Of states (n, m), of shape (m,).
    direction : int
        1: crossed upwards (the component, or the function, grows); -1: downwards; 0: either way.
    """

    component: int | None
    value: float = 0.0
    angle: bool = False
    extremum: bool = False
    function: Callable[[Any], Any] | None = None
    direction: int = 0

    def level(self, system: Any, t: Floats, y: Floats) -> Floats:
        """Return g, of shape (m,)."""
        if self.function is not None:
            return np.asarray(self.function(y), dtype=np.float64)
        if self.extremum:
            return np.asarray(system(t, y)[self.component])
        if self.angle:
            return np.asarray(2.0 * np.sin(0.5 * (y[self.component] - self.value)))
        return np.asarray(y[self.component] - self.value)

    def rate(self, system: Any, t: Floats, y: Floats, velocity: Floats) -> Floats:
        """Return the derivative of g along the flow, of shape (m,)."""
        if self.function is not None:
            slopes: Floats = np.asarray(pushforward(self.function, (y,), (velocity[None],))[1])[0]
            return slopes
        if self.extremum:
            index = self.component

            def slope(t: Any, y: Any) -> Any:
                return system(t, y)[index]

            moved = (np.ones((1, *np.shape(t))), velocity[None])
            bend: Floats = np.asarray(pushforward(slope, (t, y), moved)[1])[0]
            return bend
        if self.angle:
            return np.asarray(np.cos(0.5 * (y[self.component] - self.value)) * velocity[self.component])
        return np.asarray(velocity[self.component])

    def passes(self, system: Any, t: Floats, y: Floats) -> NDArray[np.bool_]:
        """Say which crossings have the right direction."""
        if not self.direction:
            return np.ones(y.shape[1], dtype=bool)
        velocity = np.asarray(system(t, y))
        # NOTE: of an angle the velocity, since the sign of sin((theta - value) / 2) changes with each turn.
        growth = velocity[self.component] if self.angle else self.rate(system, t, y, velocity)
        return np.asarray(growth * self.direction > 0.0)

    @property
    def content(self) -> str:
        """Text that differs where the surface differs."""
        told = (self.component, self.value, self.angle, self.extremum, self.direction)
        return f"{told!r} {'' if self.function is None else _tiles.source_of(self.function)}"


def window_nodes(n_cells: int) -> int:
    """Return the nodes of a window for so many trajectories in all: few of them are followed further at a time."""
    return int(np.clip(_ROOM // n_cells, NODES, 32 * NODES))


def make_surface(who: str, name: str, system: Any, where: Any, direction: Any) -> Surface:
    """Return the surface that a mapping or a function means.

    Raises
    ------
    KindError, ArgumentError
        It is neither, names several components or an unknown one; the direction is none.
    """
    if direction not in (-1, 0, 1) or isinstance(direction, bool):
        raise must(who, "direction", "must be 1 (upwards), -1 (downwards) or 0 (both)", direction)
    if isinstance(where, Mapping):
        if len(where) != 1:
            raise must(who, name, "must name one component and its value", dict(where))
        ((component, value),) = where.items()
        index = _checks.component(who, system, component)
        number = _checks.real(who, f"{name}[{component!r}]", value)
        return Surface(index, number, angle=index in system.angles, direction=int(direction))
    if not callable(where):
        raise KindError(
            f'{who}: {name} must be a mapping such as {{"{system.state_names[0]}": 0.0}} or a function of the state; '
            f"got {where!r}."
        )
    probe = np.asarray(where(np.ones((len(system.state_names), 2))))
    if probe.shape != (2,):
        raise ArgumentError(
            f"{who}: {name} must give one number a state, an array of shape (2,) for states of shape "
            f"{(len(system.state_names), 2)}; got shape {probe.shape}. Take components by y[0], y[1], ..."
        )
    return Surface(None, function=where, direction=int(direction))


@final
@dataclass(frozen=True, eq=False)
class Points:
    """Crossings: t (cells, k), y (cells, n, k), NaN behind the last one; how many (cells,); which cells failed."""

    t: Floats
    y: Floats
    count: NDArray[np.int64]
    failed: NDArray[np.bool_]


def section_points(
    system: Any,
    starts: Floats,
    surface: Surface,
    *,
    t_end: float,
    n_points: int,
    solver: Mapping[str, Any],
    spacing: float,
    t_begin: float = 0.0,
    nodes: int = NODES,
) -> Points:
    """Return the first `n_points` crossings after `t_begin` of each trajectory, as far as they come before `t_end`."""
    n, cells = starts.shape
    t = np.full((cells, n_points), np.nan)
    y = np.full((cells, n, n_points), np.nan)
    count, failed = np.zeros(cells, dtype=np.int64), np.zeros(cells, dtype=bool)
    machine = {name: solver[name] for name in ("compiled", "threads") if name in solver}

    def visit(here: NDArray[np.intp], part: Any, window: Window) -> NDArray[np.bool_]:
        failed[here[window.failed]] = True
        if window.t[-1] > t_begin:
            events = events_in(part, window, surface.level, surface.rate)
            when, states, found = crossings(part, window, events, surface.level, surface.rate, machine)
            of_events = subset_of(part, events.cell)
            late = max(t_begin, _BEGIN * spacing)
            kept = found & (when > late) & surface.passes(of_events, when, states)
            cell = events.cell[kept]
            first_of_cell = np.searchsorted(cell, cell)
            slot = count[here[cell]] + np.arange(len(cell)) - first_of_cell
            fits = slot < n_points
            target, slot = here[cell[fits]], slot[fits]
            t[target, slot] = when[kept][fits]
            y[target, :, slot] = states[:, kept][:, fits].T
            np.add.at(count, target, 1)
        return np.asarray(count[here] < n_points)

    walk(system, starts, t_end, solver, spacing, visit, nodes)
    return Points(t, y, count, failed)
