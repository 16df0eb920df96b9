"""Where trajectories cross a surface: found between the nodes of batched compiled solves, refined on the flow itself.

A solve in *windows* of a hundred nodes stores the state at each node.  A crossing shows as a change of sign of g
between two nodes, or as an extremum between them that reaches beyond 0 (a cubic Hermite polynomial tells).  Newton's
method then finds its time on the flow from the node before it, integrated by DOP853 with tolerance 1e-13: the crossing
is as exact as the node, and no interpolant is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import KindError
from diffsim.protocols import is_discrete
from studies._checks import Floats
from studies._solver import solved, without_tolerance

__all__: list[str] = []

Flags: TypeAlias = NDArray[np.bool_]
Level: TypeAlias = Callable[[Any, Floats, Floats], Floats]
"""``g(system, t, y)`` of times (m,) and states (n, m), of shape (m,); zero on the surface."""
Rate: TypeAlias = Callable[[Any, Floats, Floats, Floats], Floats]
"""The derivative of g along the flow: ``(system, t, y, velocity)``, with velocities (n, m), of shape (m,)."""

_NEWTON = 6
_BISECTIONS = 24
_SETTLED = 1e-10  # Newton's last correction, relative to the distance of the nodes
_REFINE = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-13}
NODES = 128  # of a window.  PERF: 8192 cells of 4 components and 128 nodes are 34 MB.


@final
@dataclass(frozen=True, eq=False)
class Window:
    """The nodes of some trajectories over a stretch of time: t (k,), y (n, m, k), and which of them failed (m,)."""

    t: Floats
    y: Floats
    failed: Flags


def smooth_flow(who: str, system: Any) -> None:
    """Raise unless the System is a flow without events of its own: no map, no ball that bounces.

    Raises
    ------
    KindError
        It is not.
    """
    if is_discrete(system):
        raise KindError(f"{who}: system must be a flow; {type(system).__name__} is a map, each iterate is a point.")
    if getattr(system, "events", ()):
        raise KindError(
            f"{who}: system must have no events of its own, between which it would jump; {type(system).__name__} has. "
            "solve_ivp(..., events=...) finds crossings of a single trajectory."
        )


def walk(
    system: Any,
    starts: Floats,
    t_end: float,
    solver: Mapping[str, Any],
    spacing: float | None,
    visit: Callable[[NDArray[np.intp], Any, Window], Flags],
    nodes: int = NODES,
) -> None:
    """Integrate cells from 0 to `t_end`, window by window; a cell is left out when nobody needs it any more.

    Parameters
    ----------
    system : System
        Parameters that are arrays have one entry a cell.
    starts : ndarray (n, cells)
    t_end : float
    solver : mapping
        Arguments of `solve_ivp`.  A method of fixed steps has its nodes at its steps, a step-controlled one at
        multiples of `spacing`.
    spacing : float or None
    visit : callable
        ``visit(cells, system, window)``, where ``system`` is that of these cells; returns which of them go on.
    nodes : int
        Nodes of a window.  NOTE: a step-controlled method begins anew in each window, so that the last bits depend on
        this number; it must not depend on the tile.
    """
    cells, states, t = np.arange(starts.shape[1]), starts, 0.0
    fixed = without_tolerance(solver)
    distance = float(_step_of(solver)) if fixed else float(spacing or t_end / NODES)
    n_nodes, first = round(t_end / distance), 0
    if abs(n_nodes * distance - t_end) > 1e-9 * t_end:
        n_nodes = int(np.ceil(t_end / distance))
    while first < n_nodes and len(cells):
        last = min(first + nodes, n_nodes)
        until = t_end if last == n_nodes else last * distance
        at = None if fixed else np.append(np.arange(first, last) * distance, until)
        solution = solved(system, (t, until), states, t_eval=at, **solver)
        times = np.asarray(solution.t if fixed else at)
        window = Window(times, solution.y, np.asarray(solution.status) < 0)
        keep = visit(cells, system, window) & ~window.failed
        states, cells, system = solution.y[:, keep, -1], cells[keep], subset_of(system, keep)
        first, t = last, until


def _step_of(solver: Mapping[str, Any]) -> Any:
    from integrators._methods import resolve_method

    return resolve_method(solver["method"], solver.get("step")).h


def subset_of(system: Any, keep: Any) -> Any:
    """Return the System of some of the cells: parameters that are arrays are cut, those that are numbers stay."""
    cut = {name: value[keep] for name, value in system.parameters.items() if np.ndim(value)}
    return system.replace(**cut) if cut else system


def hermite_root(g0: Floats, g1: Floats, d0: Floats, d1: Floats) -> Floats:
    """Return where in [0, 1] the cubic with these values and slopes at its ends has a root, by bisection to 1e-7.

    ``g0`` and ``g1`` have different signs; or the same, and the cubic has an extremum beyond 0 in between: then it is
    the earlier one of both roots.  NaN where there is none.
    """
    high = np.where(np.sign(g0) == np.sign(g1), _extremum(g0, g1, d0, d1), 1.0)
    with np.errstate(invalid="ignore"):
        there = np.flatnonzero(np.sign(_cubic(g0, g1, d0, d1, high)) == -np.sign(g0))
    # PERF: most candidates have no root; they cost nothing from here on.
    ends = g0[there], g1[there], d0[there], d1[there]
    low, up, side = np.zeros(len(there)), high[there], np.sign(g0[there])
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + up)
        before = np.sign(_cubic(*ends, middle)) == side
        low, up = np.where(before, middle, low), np.where(before, up, middle)
    root = np.full(len(g0), np.nan)
    root[there] = 0.5 * (low + up)
    return root


def _cubic(g0: Floats, g1: Floats, d0: Floats, d1: Floats, s: Floats) -> Floats:
    rise = g1 - g0
    return g0 + s * (d0 + s * (3.0 * rise - 2.0 * d0 - d1 + s * (d0 + d1 - 2.0 * rise)))


def _extremum(g0: Floats, g1: Floats, d0: Floats, d1: Floats) -> Floats:
    """Return where in (0, 1) the cubic comes nearest to the other side of 0; NaN where it has no such extremum."""
    rise = g1 - g0
    a, b, c = 3.0 * (d0 + d1 - 2.0 * rise), 2.0 * (3.0 * rise - 2.0 * d0 - d1), d0
    with np.errstate(all="ignore"):
        root = np.sqrt(b * b - 4.0 * a * c)
        q = -0.5 * (b + np.copysign(root, b))
        candidates = np.stack([q / a, c / q])
        heights = _cubic(g0, g1, d0, d1, candidates) * -np.sign(g0)
        inside = (candidates > 0.0) & (candidates < 1.0)
        heights = np.where(inside, heights, -np.inf)
        best = np.take_along_axis(candidates, heights.argmax(axis=0)[None], axis=0)[0]
    return np.where(inside.any(axis=0), best, np.nan)


def refined(
    system: Any,
    begin: Floats,
    states: Floats,
    span: Floats,
    guess: Floats,
    level: Level,
    rate: Rate,
    machine: Mapping[str, Any],
) -> tuple[Floats, Floats, Flags]:
    """Return the times after `begin` (m,), the states (n, m) of crossings, and which of them are there.

    Parameters
    ----------
    system : System
        Of these m trajectories.
    begin, span : ndarray (m,)
        The time of the node before the crossing, and the distance to the next one.
    states : ndarray (n, m)
        At the node before.
    guess : ndarray (m,)
        First guess of the time after `begin`.
    level, rate : callable
    machine : mapping
        ``compiled=`` and ``threads=`` for `solve_ivp`.
    """
    tau, y = guess.copy(), states.copy()
    change = np.full_like(tau, np.inf)
    for _ in range(_NEWTON):
        going = np.flatnonzero(~(np.abs(change) <= _SETTLED * span))
        if not going.size:
            break
        part = subset_of(system, going)
        # NOTE: a span of nothing is refused; Newton's correction at the end reaches behind it.
        reach = np.maximum(tau[going], 1e-6 * span[going])
        start = begin[going]
        run = solved(part, (start, start + reach), states[:, going], **_REFINE, **machine)
        at = run.y[:, np.arange(len(going)), run.n_times - 1]
        with np.errstate(all="ignore"):
            velocity = np.asarray(part(start + reach, at))
            correction = -level(part, start + reach, at) / rate(part, start + reach, at, velocity)
        moved = reach + correction
        change[going] = moved - tau[going]
        tau[going], y[:, going] = moved, at + correction * velocity
        lost = ~((moved > -1e-6 * span[going]) & (moved < (1.0 + 1e-6) * span[going]))
        change[going[lost]] = 0.0  # it leads away: there is none here
        tau[going[lost]] = np.nan
    settled = np.isfinite(tau) & (np.abs(change) <= 1e-6 * span)
    return tau, y, settled


@final
@dataclass(frozen=True, eq=False)
class Events:
    """Crossings that the nodes tell of: cell (e,), index of the node before (e,), guess of the time after it (e,)."""

    cell: NDArray[np.intp]
    node: NDArray[np.intp]
    guess: Floats

    def only(self, which: Any) -> Events:
        """Return some of them."""
        return Events(self.cell[which], self.node[which], self.guess[which])


def events_in(system: Any, window: Window, level: Level, rate: Rate) -> Events:
    """Return all crossings that the nodes of a window tell of, in the order of cells and times.

    NOTE: an excursion to the other side between two nodes is a parabola c (s - s*)^2 there, which changes by c at least
    over the interval before or behind, and by more than its distance from 0 at the nearer node: so only intervals that
    are that near need their slopes.
    """
    n, m, k = window.y.shape
    whole = subset_of(system, np.repeat(np.arange(m), k))
    with np.errstate(all="ignore"):
        g = level(whole, np.tile(window.t, m), window.y.reshape(n, m * k)).reshape(m, k)
    sound = np.isfinite(g[:, 1:]) & np.isfinite(g[:, :-1])
    crossed = ((g[:, 1:] > 0.0) != (g[:, :-1] > 0.0)) & sound
    with np.errstate(invalid="ignore"):
        rise = np.abs(np.diff(g, axis=1))
        near = np.minimum(np.abs(g[:, 1:]), np.abs(g[:, :-1]))
    reach = rise.copy()
    reach[:, 1:] = np.fmax(reach[:, 1:], rise[:, :-1])
    reach[:, :-1] = np.fmax(reach[:, :-1], rise[:, 1:])
    cell, node = np.nonzero(crossed | (sound & (near <= reach)))
    part, span = subset_of(system, cell), np.diff(window.t)[node]
    slopes = []
    for at in (node, node + 1):
        states = window.y[:, cell, at]
        with np.errstate(all="ignore"):
            velocity = np.asarray(part(window.t[at], states))
            slopes.append(span * rate(part, window.t[at], states, velocity))
    ends = g[cell, node], g[cell, node + 1]
    first = hermite_root(*ends, *slopes)
    twice = np.flatnonzero(~crossed[cell, node] & np.isfinite(first))
    second = 1.0 - hermite_root(ends[1][twice], ends[0][twice], -slopes[1][twice], -slopes[0][twice])
    twice, second = twice[np.isfinite(second)], second[np.isfinite(second)]
    found = Events(
        np.concatenate([cell, cell[twice]]),
        np.concatenate([node, node[twice]]),
        np.concatenate([first * span, second * span[twice]]),
    ).only(np.concatenate([np.isfinite(first), np.ones(len(twice), dtype=bool)]))
    return found.only(np.lexsort((found.guess, found.node, found.cell)))


def crossings(
    system: Any, window: Window, events: Events, level: Level, rate: Rate, machine: Mapping[str, Any]
) -> tuple[Floats, Floats, Flags]:
    """Return the times (e,), the states (n, e) of events, and which of them are crossings indeed."""
    begin = window.t[events.node]
    tau, states, found = refined(
        subset_of(system, events.cell),
        begin,
        window.y[:, events.cell, events.node],
        np.diff(window.t)[events.node],
        events.guess,
        level,
        rate,
        machine,
    )
    return begin + tau, states, found
