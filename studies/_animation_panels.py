"""Curves beside an animation, as plain data: phase portraits, energy, drift of invariants, separation, growth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import protocols
from diffsim.errors import ArgumentError, KindError, must, unknown_name
from diffsim.number import raw
from studies._animation_drawing import has_arrays
from studies._output import label

__all__: list[str] = []

Floats = NDArray[np.float64]

KINDS = ("phase", "energy", "drift", "error", "separation", "growth")
_FLOOR = 1e-17  # relative errors below are rounding, and a logarithm has no 0


@dataclass(frozen=True, eq=False)
class Line:
    """One curve: a value for each frame, NaN where there is none; angles lie within a turn and jump at its border."""

    y: Floats
    color: tuple[float, ...]
    x: Floats | None = None
    label: str = ""
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Panel:
    """Some curves on common axes.

    Attributes
    ----------
    times : array, shape (n_frames,)
    axis_labels : tuple of str
    lines : tuple of Line
        Over the times of the frames where they have no `x` of their own.
    limits : tuple of float
        x_low, x_high, y_low, y_high; the y of a logarithmic panel are the values, not their logarithms.
    log : bool
        Whether y is on a logarithmic scale.
    turns : tuple of bool
        Whether x and y are angles, with ticks at fractions of pi.
    """

    times: Floats
    axis_labels: tuple[str, str]
    lines: tuple[Line, ...]
    limits: tuple[float, float, float, float]
    log: bool = False
    turns: tuple[bool, bool] = (False, False)


@dataclass(frozen=True, eq=False)
class Shown:
    """What the panels are made of.

    Attributes
    ----------
    system : System or callable
    times : array, shape (n_frames,)
    states : array, shape (n, m, n_frames)
    colors : array, shape (m, 4)
    labels : tuple of str
        One a trajectory, or none.
    separation : tuple of array, optional
        Actual and predicted, each of shape (n_frames,).
    growth : array, optional
        Length of what the arrows show, shape (n_frames,).
    growth_label : str
    accent : tuple of float
        Colour of the arrows.
    """

    system: Any
    times: Floats
    states: Floats
    colors: Floats
    labels: tuple[str, ...]
    separation: tuple[Floats, Floats] | None = None
    growth: Floats | None = None
    growth_label: str = ""
    accent: tuple[float, ...] = ()


def wrap_cut(angle: Floats) -> float | None:
    """Return where a circle is cut open to show an angle, or None where it never leaves half a turn.

    What swings about the upper rest is cut at the lower one.
    """
    known = angle[np.isfinite(angle)]
    if not known.size or float(np.abs(known).max()) <= np.pi:
        return None
    return 0.0 if float(np.max(np.cos(known))) < 0.0 else -np.pi


def wrapped(angle: Floats, cut: float) -> Floats:
    """Return an angle in [cut, cut + 2 pi)."""
    return np.asarray(np.mod(angle - cut, 2.0 * np.pi) + cut)


def broken(x: Floats, y: Floats, turns: tuple[bool, bool]) -> tuple[Floats, Floats]:
    """Return a curve with NaN where it jumps across the border of a turn: from each such point to the next."""
    jumps = np.zeros(len(x), dtype=bool)
    for value, turn in zip((x, y), turns, strict=True):
        if turn:
            jumps[1:] |= np.abs(np.diff(value)) > np.pi
    at = np.flatnonzero(jumps)
    return np.insert(x, at, np.nan), np.insert(y, at, np.nan)


def make_panels(who: str, kinds: Sequence[str], shown: Shown) -> tuple[Panel, ...]:
    """Return one panel for each kind: a name of `KINDS`, or two state components such as ``theta_2,p_2``."""
    return tuple(_make(who, kind, shown) for kind in kinds)


def _make(who: str, kind: Any, shown: Shown) -> Panel:
    """Return the panel of one kind."""
    if not isinstance(kind, str):
        raise must(who, "panels", f"must hold names: {', '.join(KINDS)}, or two components such as 'x,y'", kind)
    if "," in kind or kind == "phase":
        return _phase(who, kind, shown)
    makers: dict[str, Callable[[str, Shown], Panel]] = {
        "energy": _energy,
        "drift": _drift,
        "error": _error,
        "separation": _separation,
        "growth": _growth,
    }
    if kind not in makers:
        raise unknown_name(who, "panel", kind, KINDS)
    return makers[kind](who, shown)


def _phase(who: str, kind: str, shown: Shown) -> Panel:
    """Two components of the state against each other, angles within a turn."""
    system, n = shown.system, len(shown.states)
    known = protocols.state_names(system) or tuple(f"y_{i}" for i in range(n))
    if kind == "phase":
        if n < 2:
            raise KindError(f"{who}: a phase portrait takes two components; {type(system).__name__} has {n}.")
        pair = [known[0], known[n // 2 if getattr(system, "canonical", False) else 1]]
    else:
        pair = [name.strip() for name in kind.split(",")]
        if len(pair) != 2:
            raise must(who, "panels", "must name two components of a phase portrait, such as 'x,y'", kind)
    units = tuple(getattr(system, "state_units", ())) or ("",) * n
    values, limits, turns, words = [], [], [], []
    for name in pair:
        if name not in known:
            raise unknown_name(who, "state component", name, known)
        index = known.index(name)
        value = shown.states[index]
        cut = wrap_cut(value) if index in getattr(system, "angles", ()) else None
        values.append(value if cut is None else wrapped(value, cut))
        limits.append(_around(value) if cut is None else (cut, cut + 2.0 * np.pi))
        turns.append(cut is not None)
        words.append(label(name, units[index]))
    lines = tuple(_line(shown, j, values[1][j], values[0][j]) for j in range(shown.states.shape[1]))
    return Panel(shown.times, (words[0], words[1]), lines, (*limits[0], *limits[1]), turns=(turns[0], turns[1]))


def _energy(who: str, shown: Shown) -> Panel:
    """The energy over time; its change, where that is small."""
    value = _along(shown, _energy_of(who, shown.system))
    start = float(value[0, 0])
    known = value[np.isfinite(value)]
    if known.size and float(np.ptp(known)) > 1e-3 * abs(start):
        return _over_time(shown, value, label("energy", "J"), _around(value))
    change = value - start
    low, high = _around(change)
    least = 1e-9 * max(abs(start), 1e-3)  # rounding is no event
    if high - low < 2.0 * least:
        low, high = -least, least
    return _over_time(shown, change, label("energy - its start", "J"), (low, high))


def _drift(who: str, shown: Shown) -> Panel:
    """How far each invariant has moved from its start, relative to it."""
    laws = dict(getattr(shown.system, "invariants", {}))
    if not laws:
        raise KindError(f"{who}: {type(shown.system).__name__} declares no invariants; leave the panel 'drift' out.")
    rows = {name: _relative(_along(shown, law)) for name, law in laws.items()}
    single = shown.states.shape[1] == 1
    lines = []
    for i, (name, values) in enumerate(rows.items()):
        for j, value in enumerate(values):
            words = name if single or i > 0 or not shown.labels else shown.labels[j]
            lines.append(Line(value, tuple(shown.colors[j]), label=words if single or i == 0 else "", dashed=i > 0))
    words = "relative drift of energy" if list(laws) == ["energy"] else "relative drift"
    if len(rows) == 1:
        lines = [Line(line.y, line.color) for line in lines]
    limits = (*_ends(shown), *_decades(np.concatenate(list(rows.values()))))
    return Panel(shown.times, ("t [s]", words), tuple(lines), limits, True)


def _error(who: str, shown: Shown) -> Panel:
    """The relative error of the energy of each trajectory; without an energy, the distance from the last one."""
    if getattr(shown.system, "has_energy", False):
        value = _relative(_along(shown, shown.system.energy))
        return _over_time(shown, value, "relative error of energy", _decades(value), True)
    value = apart(shown.system, shown.states[:, :-1], shown.states[:, -1:])
    value[value == 0.0] = np.nan
    words = f"distance from {shown.labels[-1]}" if shown.labels else "distance from the last"
    return _over_time(shown, value, words, _decades(value), True)


def _separation(who: str, shown: Shown) -> Panel:
    """Median distance of the ghosts from the reference: as it is, and as the tangents say."""
    if shown.separation is None:
        raise ArgumentError(f"{who}: the panel 'separation' shows ghosts; say how many: ghosts=40.")
    actual, predicted = shown.separation
    color = tuple(shown.colors[0])
    lines = (
        Line(predicted, shown.accent, label="linear prediction", dashed=True),
        Line(actual, color, label="actual (median)"),
    )
    low, high = _decades(actual)
    high = max(high, min(_decades(predicted)[1], 1e3 * high))
    return Panel(shown.times, ("t [s]", "separation"), lines, (*_ends(shown), low, high), True)


def _growth(who: str, shown: Shown) -> Panel:
    """How long the arrows are."""
    if shown.growth is None:
        raise ArgumentError(f"{who}: the panel 'growth' shows the arrows' length; say which: arrows='stretch'.")
    lines = (Line(shown.growth, shown.accent),)
    return Panel(shown.times, ("t [s]", shown.growth_label), lines, (*_ends(shown), *_decades(shown.growth)), True)


def apart(system: Any, states: Floats, reference: Floats) -> Floats:
    """Return the distances (m, n_frames) of states (n, m, n_frames) from a reference; whole turns count as none."""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = states - reference
        for index in getattr(system, "angles", ()):
            gap[index] = np.mod(gap[index] + np.pi, 2.0 * np.pi) - np.pi
        return np.asarray(np.sqrt(np.sum(gap * gap, axis=0)))


def _energy_of(who: str, system: Any) -> Callable[[Any], Any]:
    """Return the energy of a system, or raise."""
    if not getattr(system, "has_energy", False):
        name = type(system).__name__ if protocols.is_system(system) else "a plain function"
        raise KindError(f"{who}: {name} has no energy; leave the panel 'energy' out.")
    energy: Callable[[Any], Any] = system.energy
    return energy


def _along(shown: Shown, law: Callable[[Any], Any]) -> Floats:
    """Return a function of the state along all trajectories, shape (m, n_frames)."""
    with np.errstate(invalid="ignore", over="ignore"):
        if has_arrays(shown.system):
            rows = [np.asarray(raw(law(shown.states[..., i])), dtype=float) for i in range(shown.states.shape[-1])]
            return np.stack(rows, axis=-1)
        return np.broadcast_to(np.asarray(raw(law(shown.states)), dtype=float), shown.states.shape[1:])


def _relative(value: Floats) -> Floats:
    """Return the distance from the first value, relative to it, never below rounding; NaN at the start itself."""
    first = value[:, :1]
    scale = np.maximum(np.abs(first), 1e-12)
    with np.errstate(invalid="ignore", over="ignore"):
        found = np.maximum(np.abs(value - first) / scale, _FLOOR)
    found[:, 0] = np.nan
    return np.asarray(found)


def _over_time(shown: Shown, value: Floats, words: str, limits: tuple[float, float], log: bool = False) -> Panel:
    """Return the panel of one curve a trajectory over time."""
    lines = tuple(_line(shown, j, row) for j, row in enumerate(value))
    return Panel(shown.times, ("t [s]", words), lines, (*_ends(shown), *limits), log)


def _line(shown: Shown, j: int, y: Floats, x: Floats | None = None) -> Line:
    """Return the curve of trajectory j in its colour."""
    return Line(np.asarray(y, dtype=float), tuple(shown.colors[j]), x)


def _ends(shown: Shown) -> tuple[float, float]:
    """Return the least and the greatest time."""
    low, high = float(shown.times.min()), float(shown.times.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _around(value: Floats) -> tuple[float, float]:
    """Return limits with a margin around all finite values."""
    known = value[np.isfinite(value)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    half = 0.55 * (high - low) or max(0.1 * abs(low), 0.5)
    return 0.5 * (low + high) - half, 0.5 * (low + high) + half


def _decades(value: Floats) -> tuple[float, float]:
    """Return limits for a logarithmic axis: the positive values with a margin, at least one decade."""
    known = value[np.isfinite(value) & (value > 0.0)]
    low, high = (np.log10(known.min()), np.log10(known.max())) if known.size else (-1.0, 0.0)
    margin = max(0.06 * (high - low), 0.5 * (1.0 - (high - low)), 0.1)
    return float(10.0 ** max(low - margin, -300.0)), float(10.0 ** min(high + margin, 300.0))
