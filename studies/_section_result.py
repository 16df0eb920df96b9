"""`PoincareSection`: what `poincare_section` found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import must
from studies import _checks, _map_picture, _output
from studies._checks import Floats
from studies._map_result import MapResult
from studies._record_text import Lost

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PoincareSection"]


@final
@dataclass(frozen=True, eq=False)
class PoincareSection(MapResult):
    """The points in which trajectories cross a surface.

    Attributes
    ----------
    system : System
    call : mapping
        The arguments that made it.
    starts : ndarray (n_starts, n)
        Where the trajectories began.
    t : ndarray (n_starts, n_points)
        Times in s; NaN behind the last crossing.
    y : ndarray (n_starts, n, n_points)
        States on the surface; NaN behind the last crossing.
    n_found : ndarray of int (n_starts,)
        Number of crossings.
    failed : ndarray of bool (n_starts,)
        Trajectories that did not reach the end.
    """

    study: ClassVar[str] = "poincare_section"

    starts: Floats
    t: Floats
    y: Floats
    n_found: NDArray[np.int64]
    failed: NDArray[np.bool_]

    @classmethod
    def restored(cls, system: Any, call: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> PoincareSection:
        names = ("starts", "t", "y", "n_found", "failed")
        return cls(system, call, *(np.asarray(arrays[name]) for name in names))

    def zoom(self, n: int | None = None, **ranges: Any) -> PoincareSection:
        """Draw the starts anew in narrower ranges, `n` of them; for a section of an energy surface.

        Raises
        ------
        ArgumentError
            Its starts were given, not drawn.
        """
        if self.call["energy"] is None:
            raise must("poincare_section", "zoom", "is for starts that were drawn on an energy surface", ranges)
        changes = {} if n is None else {"n_starts": n}
        return self.rerun(ranges={**self.call["ranges"], **ranges}, **changes)

    def points(self, *names: str) -> Floats:
        """Return all crossings as an array (len(names), n_crossings); all components by default."""
        indices = _checks.components("PoincareSection.points", "names", self.system, names or self.system.state_names)
        flat = np.moveaxis(self.y, 1, 0).reshape(self.y.shape[1], -1)
        return np.asarray(flat[list(indices)][:, np.isfinite(flat[0])])

    def plot(self, x: str | None = None, y: str | None = None) -> Figure:
        """Return a figure of the crossings in the plane of two components, each trajectory in a colour of its own.

        Angles are shown between -pi and pi.

        Parameters
        ----------
        x, y : str, optional
            Components; by default a coordinate that the section leaves free and its momentum or velocity, or the
            first two.
        """
        names = self._plane(x, y)
        indices = [_checks.component("PoincareSection.plot", self.system, name) for name in names]
        figure = _output.new_figure(6.6, 6.2)
        panel = figure.subplots()
        size = float(np.clip(120.0 / max(1, np.isfinite(self.t).sum()) ** 0.5, 0.7, 5.0))
        colors = _colors(len(self.t))
        for states, color in zip(self.y, colors, strict=True):
            across, up = (_folded(self.system, i, states[i]) for i in indices)
            panel.plot(across, up, ".", color=color, markersize=size, markeredgewidth=0.0, rasterized=True)
        for axis, name, i in zip((panel.xaxis, panel.yaxis), names, indices, strict=True):
            shown = _folded(self.system, i, self.y[:, i])
            _map_picture.label(
                axis, self.system, name, shown[np.isfinite(shown)] if np.isfinite(shown).any() else shown
            )
        panel.set_title(f"{type(self.system).__name__}, {self._where()}", fontsize=11)
        _output.quiet(panel)
        return figure

    def save_picture(self, path: str | os.PathLike[str], x: str | None = None, y: str | None = None) -> Path:
        """Write the figure of these two components (.png, .svg, .pdf), whole or not at all."""
        return _output.write_by(self.study, path, _output.PICTURES, lambda file: self.plot(x, y).savefig(file, dpi=150))

    def _plane(self, x: str | None, y: str | None) -> tuple[str, str]:
        """Return the names of the two components that are shown."""
        names, section = self.system.state_names, self.call["section"]
        gone = set(section) if isinstance(section, Mapping) else set()
        half = len(names) // 2
        free = [name for name in names if name not in gone]
        first = x or next(name for name in free if name != y)
        partner = names.index(first) + half
        paired = first in names[:half] and len(names) == 2 * half and half > 1
        second = y or (names[partner] if paired else next(name for name in free if name != first))
        return first, second

    def _where(self) -> str:
        """The surface, and its energy, in mathematics."""
        section, direction = self.call["section"], self.call["direction"]
        sign = {1: "upwards", -1: "downwards", 0: "both ways"}[direction]
        if isinstance(section, Mapping):
            ((name, value),) = section.items()
            where = f"{_output.symbol(name)} = {value:g} {sign}"
        else:
            name = str(section) if isinstance(section, Lost) else getattr(section, "__name__", "section")
            where = f"{'section' if name == '<lambda>' else name} = 0 {sign}"
        return where if self.call["energy"] is None else f"{where}, energy {self.call['energy']:g} J"

    # -- what is saved -----------------------------------------------------------------------------------------------

    def readable(self) -> dict[str, Any]:
        return {"state_names": np.array(self.system.state_names), "system": np.array(_output.describe(self.system))}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"starts": self.starts, "t": self.t, "y": self.y, "n_found": self.n_found, "failed": self.failed}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {
            "starts": ("start", "component"),
            "t": ("start", "crossing"),
            "y": ("start", "component", "crossing"),
            "n_found": ("start",),
            "failed": ("start",),
        }

    def coordinates(self) -> dict[str, tuple[Floats, str]]:
        return {}

    def units(self) -> dict[str, str]:
        return {"t": "s"}

    def __repr__(self) -> str:
        failures = f", {int(self.failed.sum())} failed" if self.failed.any() else ""
        return (
            f"PoincareSection({type(self.system).__name__}: {int(self.n_found.sum())} crossings of "
            f"{len(self.t)} {'trajectory' if len(self.t) == 1 else 'trajectories'}{failures})"
        )


def _folded(system: Any, index: int, values: Floats) -> Floats:
    """Return an angle between -pi and pi; anything else as it is."""
    if index not in system.angles:
        return values
    return np.asarray((values + np.pi) % (2.0 * np.pi) - np.pi)


def _colors(number: int) -> list[Any]:
    """Return a colour for each trajectory, by a perceptually uniform map."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.92 * i / max(1, number - 1)) for i in range(number)]
