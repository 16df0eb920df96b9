"""`SensitivityMap`: what `sensitivity_map` found, to be ranked, drawn and written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffsim.protocols import is_discrete
from studies import _checks, _output
from studies._checks import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RankedStart", "SensitivityMap"]

_COLORS = {"gradient": "magma", "singular_value": "inferno", "ftle": "viridis"}
_DECADES = 2.0  # spread from which on the colours are logarithmic
_CLIPPED = 0.2  # percent of the cells at either end that the colours do not resolve


class RankedStart(NamedTuple):
    """One cell of a `SensitivityMap`: its measure, the axes' values, the start (n,), its indices in the grid."""

    value: float
    point: dict[str, float]
    y0: tuple[float, ...]
    cell: tuple[int, int]


@dataclass(frozen=True, eq=False)
class SensitivityMap:
    """A sensitivity over a grid of two quantities.

    Attributes
    ----------
    system : System
        With its parameters; those that are axes vary.
    axes : mapping of str to ndarray (n_1,), (n_2,)
        The two quantities, and their values.
    values : ndarray (n_1, n_2)
        The measure; NaN where the trajectory failed.
    measure : str
        ``"gradient"``, ``"singular_value"`` or ``"ftle"``.
    observable : str
        What the gradient is of (a component, or the name of a function).
    wrt : tuple of str
        Components of the start that may change.
    y0 : ndarray (n,)
        The start, where the axes do not say otherwise.
    t_end : float
        Time T of the end, in s.
    method : str
        Method and step.
    failed : ndarray of bool (n_1, n_2)
        Cells whose trajectory did not reach the end.
    """

    system: Any
    axes: Mapping[str, Floats]
    values: Floats
    measure: str
    observable: str
    wrt: tuple[str, ...]
    y0: Floats
    t_end: float
    method: str
    failed: NDArray[np.bool_]

    @property
    def n_failed(self) -> int:
        """Number of cells without a value."""
        return int((~np.isfinite(self.values)).sum())

    @property
    def unit(self) -> str:
        """Unit of `values`; ``""`` where components of different units are mixed in it."""
        if self.measure == "ftle":
            return "1" if is_discrete(self.system) else "1/s"
        below = {_checks.unit_of(self.system, name) for name in self.wrt}
        if self.measure == "gradient":
            above = (
                {_checks.unit_of(self.system, self.observable)} if self.observable in self.system.state_names else set()
            )
        else:
            above = set(self.system.state_units)
        if len(below) != 1 or len(above) != 1:
            return ""
        top, bottom = above.pop(), below.pop()
        return "1" if top == bottom else f"({top})/({bottom})"

    @property
    def ranked(self) -> list[RankedStart]:
        """All cells that have a value, the most sensitive first."""
        return self._starts(self._order()[::-1])

    def most_sensitive(self, k: int = 10) -> list[RankedStart]:
        """Return the k most sensitive starts, the most sensitive first."""
        return self._starts(self._order()[::-1][: _checks.count("most_sensitive", "k", k)])

    def least_sensitive(self, k: int = 10) -> list[RankedStart]:
        """Return the k least sensitive starts, the least sensitive first."""
        return self._starts(self._order()[: _checks.count("least_sensitive", "k", k)])

    def _order(self) -> NDArray[np.intp]:
        """Flat indices of the cells that have a value, from the least sensitive; ties in the order of the grid."""
        flat = self.values.ravel()
        order = np.argsort(flat, kind="stable")
        return order[np.isfinite(flat[order])]

    def _starts(self, order: NDArray[np.intp]) -> list[RankedStart]:
        (first, a), (second, b) = self.axes.items()
        names, base = tuple(self.system.state_names), self.y0.tolist()
        starts = []
        for flat in order.tolist():
            i, j = divmod(flat, len(b))
            point = {first: float(a[i]), second: float(b[j])}
            y0 = tuple(point.get(name, value) for name, value in zip(names, base, strict=True))
            starts.append(RankedStart(float(self.values[i, j]), point, y0, (i, j)))
        return starts

    def plot(self) -> Figure:
        """Return the map as a figure; colours are logarithmic where the values span decades, failed cells grey."""
        figure = _output.new_figure(7.4, 6.2)
        panel = figure.subplots()
        (first, a), (second, b) = self.axes.items()
        norm, extend = self._norm()
        shown = np.ma.masked_invalid(self.values.T)
        panel.set_facecolor("0.75")
        mesh = panel.pcolormesh(
            _edges(a), _edges(b), shown, norm=norm, cmap=_COLORS[self.measure], shading="flat", rasterized=True
        )
        bar = figure.colorbar(mesh, ax=panel, extend=extend, pad=0.02)
        bar.set_label(self._meaning() + (f" [{_output.pretty_unit(self.unit)}]" if self.unit not in ("", "1") else ""))
        for axis, name, values in ((panel.xaxis, first, a), (panel.yaxis, second, b)):
            axis.set_label_text(_output.label(name, _checks.unit_of(self.system, name)))
            if name in [self.system.state_names[k] for k in self.system.angles]:
                _output.in_units_of_pi(axis, float(values.min()), float(values.max()))
        failures = f", {self.n_failed} cells failed (grey)" if self.n_failed else ""
        panel.set_title(f"{type(self.system).__name__}, T = {self._time()} ({self.method}){failures}", fontsize=11)
        return figure

    def _time(self) -> str:
        """Return when the end is."""
        return f"{self.t_end:g} {'iterations' if is_discrete(self.system) else 's'}"

    def _meaning(self) -> str:
        """What the colours mean, in mathematics."""
        if self.measure == "gradient":
            observable = (
                _output.symbol(self.observable) if self.observable in self.system.state_names else self.observable
            )
            return f"norm of the gradient of {observable}(T) by the start"
        if self.measure == "singular_value":
            return r"largest singular value of $\partial y(T)\,/\,\partial y_0$"
        return r"finite-time Lyapunov exponent $\ln\sigma_{\max}\,/\,T$"

    def _norm(self) -> tuple[Any, str]:
        """Return the colour scale, which leaves out the extreme cells, and on which sides it does."""
        from matplotlib.colors import LogNorm, Normalize

        sound = self.values[np.isfinite(self.values)]
        if not sound.size:
            return Normalize(0.0, 1.0), "neither"
        low, high = (float(v) for v in np.percentile(sound, [_CLIPPED, 100.0 - _CLIPPED]))
        if low == high:
            low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
        sides = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
        extend = sides[bool(sound.min() < low), bool(sound.max() > high)]
        logarithmic = low > 0.0 and np.log10(high / low) > _DECADES
        return (LogNorm if logarithmic else Normalize)(low, high), extend

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure (.png, .svg, .pdf) or the numbers (.npz), whole or not at all."""
        return _output.write("sensitivity_map", path, self.plot, self._arrays)

    def _arrays(self) -> dict[str, Any]:
        text = {name: np.array(getattr(self, name)) for name in ("measure", "observable", "wrt", "method", "unit")}
        return {
            **self.axes,
            **text,
            "axes": np.array(list(self.axes)),
            "values": self.values,
            "failed": self.failed,
            "y0": self.y0,
            "t_end": self.t_end,
            "state_names": np.array(self.system.state_names),
            "system": np.array(_output.describe(self.system)),
        }

    def __repr__(self) -> str:
        (first, a), (second, b) = self.axes.items()
        sound = self.values[np.isfinite(self.values)]
        spread = f"{sound.min():.3g} to {sound.max():.3g}" if sound.size else "no values"
        failures = f", {self.n_failed} cells failed" if self.n_failed else ""
        return (
            f"SensitivityMap({type(self.system).__name__}: {self.measure} over {first} ({len(a)}) x {second} ({len(b)})"
            f" at T = {self._time()}, {spread}{failures})"
        )


def _edges(values: Floats) -> Floats:
    """Return the borders (n + 1,) of cells around the given middles (n,)."""
    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    middle = 0.5 * (values[1:] + values[:-1])
    return np.concatenate([[2.0 * values[0] - middle[0]], middle, [2.0 * values[-1] - middle[-1]]])
