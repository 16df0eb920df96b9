"""How a state becomes points in the plane: by the system's own positions, or by two or three of its components."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import protocols
from diffsim.errors import KindError, must, unknown_name
from diffsim.number import raw
from studies._output import label

__all__: list[str] = []

Floats = NDArray[np.float64]

_AZIMUTH, _ELEVATION = np.radians(-58.0), np.radians(24.0)


@dataclass(frozen=True)
class Drawing:
    """The two or three components that are drawn, or None for ``positions``; what the axes mean.

    `turns` says which of the two axes are angles.
    """

    who: str
    components: tuple[int, ...] | None
    axis_labels: tuple[str, str]
    equal: bool
    turns: tuple[bool, bool] = (False, False)

    def place(self, system: Any, states: Floats) -> Floats:
        """Return positions (n_times, n_trajectories, n_points, 2) of states (n, *batch, n_times)."""
        with np.errstate(invalid="ignore", over="ignore"):  # what has blown up is drawn as far as it came
            if has_arrays(system):
                found = np.stack([self._at(system, states[..., i]) for i in range(states.shape[-1])], axis=-1)
            else:
                found = self._at(system, states)
        shape = (states.shape[-1], math.prod(states.shape[1:-1]))
        if found.ndim < 3 or found.shape[1] != 2 or found[0, 0].size != math.prod(shape):
            rule = "must have the shape (n_points, 2, ...) of points in the plane"
            raise must(self.who, "system.positions(state)", rule, found.shape)
        flat = found.reshape(found.shape[0], 2, shape[1], shape[0])
        return np.ascontiguousarray(flat.transpose(3, 2, 0, 1))

    def _at(self, system: Any, state: Floats) -> Floats:
        """Return points (n_points, 2, ...) of a state (n, ...)."""
        if self.components is not None:
            chosen = state[list(self.components)]
            return _from_aside(chosen)[None] if len(chosen) == 3 else chosen[None]
        found = system.positions(state)
        try:
            return np.asarray(raw(found), dtype=float)
        except (TypeError, ValueError):
            raise must(self.who, "system.positions(state)", "must be an array of numbers", found) from None


def has_arrays(system: Any) -> bool:
    """Whether a parameter has one entry a trajectory, which would not fit beside an axis of times."""
    return any(np.ndim(value) > 0 for value in protocols.parameter_values(system))


def find_drawing(who: str, system: Any, plane: Any) -> Drawing:
    """Return the drawing of a `plane`, else of the system's own positions, else of its first components.

    A System without positions is drawn by its three components, where it has three, else by its first two.

    Raises
    ------
    KindError
        No `plane`, no positions, and no two named components.
    ArgumentError
        The `plane` is not two or three components.
    """
    if plane is not None:
        return _find_plane(who, system, plane)
    if not callable(getattr(system, "positions", None)) or not getattr(system, "drawable", True):
        name = type(system).__name__ if protocols.is_system(system) else getattr(system, "__name__", "the function")
        known = protocols.state_names(system)
        if len(known) > 1:
            return _find_plane(who, system, known[:3] if len(known) == 3 else known[:2])
        pair = known[:2] or (0, 1)
        raise KindError(f"{who}: {name} has no positions to draw. For two components of its state say plane={pair!r}.")
    return Drawing(who, None, (label("x", "m"), label("y", "m")), equal=True)


def _find_plane(who: str, system: Any, plane: Any) -> Drawing:
    """Return the drawing of two components of the state, or of three, seen from aside."""
    rule = "must be two or three names or indices of state components"
    if isinstance(plane, str) or not isinstance(plane, Sequence) or len(plane) not in (2, 3):
        raise must(who, "plane", rule, plane)
    known = protocols.state_names(system)
    units = getattr(system, "state_units", ()) or ("",) * len(known)
    found, words = [], []
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
        words.append(label(known[index], units[index]) if known else f"y[{index}]")
    if len(found) == 3:
        return Drawing(who, tuple(found), (f"{words[0]} and {words[1]}, from aside", f"{words[2]}, from aside"), True)
    same = bool(known) and units[found[0]] == units[found[1]]
    angles = getattr(system, "angles", ()) if known else ()
    return Drawing(who, tuple(found), (words[0], words[1]), same, (found[0] in angles, found[1] in angles))


def _from_aside(points: Floats) -> Floats:
    """Return points (3, ...) of space as points (2, ...) of the picture, as `portrait` sees them."""
    x, y, z = points
    right = -np.sin(_AZIMUTH) * x + np.cos(_AZIMUTH) * y
    inward = np.cos(_AZIMUTH) * x + np.sin(_AZIMUTH) * y
    return np.stack([right, np.cos(_ELEVATION) * z - np.sin(_ELEVATION) * inward])
