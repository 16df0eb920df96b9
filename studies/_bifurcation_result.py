"""`BifurcationDiagram`: what `bifurcation_diagram` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from diffsim.protocols import is_discrete
from studies import _checks, _map_picture, _output
from studies._checks import Floats
from studies._map_result import MapResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BifurcationDiagram"]


@final
@dataclass(frozen=True, eq=False)
class BifurcationDiagram(MapResult):
    """What a component does where the motion has settled, over a parameter.

    Attributes
    ----------
    system : System
        With its parameters; the one that is the axis varies.
    call : mapping
        The arguments that made it.
    values : ndarray (n_values, n_points)
        The recorded values; NaN where there are fewer.
    failed : ndarray of bool (n_values,)
        Trajectories that did not reach the end, such as those that run away.
    """

    study: ClassVar[str] = "bifurcation_diagram"

    values: Floats
    failed: NDArray[np.bool_]

    @classmethod
    def restored(cls, system: Any, call: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> BifurcationDiagram:
        return cls(system, call, np.asarray(arrays["values"]), np.asarray(arrays["failed"], dtype=bool))

    @property
    def axes(self) -> dict[str, Floats]:
        """The parameter, and its values."""
        return dict(self.call["axes"])

    @property
    def observable(self) -> str:
        """The component that was recorded."""
        return str(self.call["observable"])

    def periods(self, most: int = 16, tolerance: float = 1e-6) -> NDArray[np.int64]:
        """Return after how many points each motion repeats (n_values,); 0 where it does not within `most`.

        Parameters
        ----------
        most : int
            The longest period that is looked for; half of the points at most.
        tolerance : float
            How far a repetition may be off, relative to the spread of all values.
        """
        found = np.zeros(len(self.values), dtype=np.int64)
        sound = self.values[np.isfinite(self.values)]
        spread = float(np.ptp(sound)) if sound.size else 0.0
        near = tolerance * (spread or 1.0)
        complete = np.isfinite(self.values).all(axis=1)
        for period in range(min(most, self.values.shape[1] // 2), 0, -1):
            off = np.abs(self.values[:, period:] - self.values[:, :-period])
            found[complete & (np.where(np.isfinite(off), off, np.inf) <= near).all(axis=1)] = period
        return found

    def plot(self) -> Figure:
        """Return the diagram as a figure: a dot for each point."""
        figure = _output.new_figure(8.0, 5.4)
        panel = figure.subplots()
        ((name, values),) = self.axes.items()
        across = np.repeat(values, self.values.shape[1])
        size = float(np.clip(70.0 / self.values.size**0.4, 0.5, 5.0))
        panel.plot(across, self.values.ravel(), ".", color="#1f2a44", markersize=size, markeredgewidth=0, alpha=0.5,
                   rasterized=True)  # fmt: skip
        panel.set_xlim(float(values[0]), float(values[-1])) if len(values) > 1 else None
        _map_picture.label(panel.xaxis, self.system, name, values)
        sound = self.values[np.isfinite(self.values)]
        _map_picture.label(panel.yaxis, self.system, self.observable, sound if sound.size else np.zeros(1))
        failures = f", {int(self.failed.sum())} runs failed" if self.failed.any() else ""
        panel.set_title(f"{type(self.system).__name__}, {self._when()}{failures}", fontsize=11)
        _output.quiet(panel)
        return figure

    def _when(self) -> str:
        """What was recorded, and after what."""
        record, symbol = self.call["record"], _output.symbol(self.observable)
        after = f"after {self.call['transient']:g} {'iterations' if is_discrete(self.system) else 's'}"
        if is_discrete(self.system):
            return f"iterates {after}"
        if isinstance(record, Mapping):
            ((name, value),) = record.items()
            return f"{symbol} where {_output.symbol(name)} = {value:g}, {after}"
        if record is None or record in ("maxima", "minima"):
            return f"{record or 'maxima'} of {symbol} {after}"
        if isinstance(record, (int, float)):
            return f"{symbol} every {record:g} s {after}"
        return f"{symbol} on a section {after}"

    # -- what is saved -----------------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"values": self.values, "failed": self.failed}

    def dims(self) -> dict[str, tuple[str, ...]]:
        (name,) = self.axes
        return {"values": (name, "point"), "failed": (name,)}

    def coordinates(self) -> dict[str, tuple[Floats, str]]:
        return {name: (values, _map_picture.unit_of(self.system, name)) for name, values in self.axes.items()}

    def units(self) -> dict[str, str]:
        return {"values": _checks.unit_of(self.system, self.observable)}

    def __repr__(self) -> str:
        ((name, values),) = self.axes.items()
        failures = f", {int(self.failed.sum())} runs failed" if self.failed.any() else ""
        return (
            f"BifurcationDiagram({type(self.system).__name__}: {self.observable} over {name} ({len(values)}), "
            f"{int(np.isfinite(self.values).sum())} points{failures})"
        )
