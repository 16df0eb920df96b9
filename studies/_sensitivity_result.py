"""`SensitivityMap`: what `sensitivity_map` found, to be ranked, drawn and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import must, unknown_name
from diffsim.protocols import is_discrete
from studies import _checks, _map_picture, _output
from studies._checks import Floats
from studies._grid import Grid, make_grid
from studies._map_result import MapResult

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


@final
@dataclass(frozen=True, eq=False)
class SensitivityMap(MapResult):
    """A sensitivity over a grid of two quantities.

    Attributes
    ----------
    system : System
        With its parameters; those that are axes vary.
    call : mapping
        The arguments that made it.
    grid : Grid
        The cells: `axes` and starts.
    layers : mapping of str to ndarray (n_times, n_1, n_2)
        Each measure that was asked for, at each time; NaN where the trajectory failed.
    failed : ndarray of bool (n_1, n_2)
        Cells whose trajectory did not reach the end.
    impossible : ndarray of bool (n_1, n_2)
        Cells that no start has the energy for.
    measure : str
        That of `values`: ``"gradient"``, ``"singular_value"`` or ``"ftle"``.
    t_end : float
        The time of `values`, in s.
    """

    study: ClassVar[str] = "sensitivity_map"

    grid: Grid
    layers: Mapping[str, Floats]
    failed: NDArray[np.bool_]
    impossible: NDArray[np.bool_]
    measure: str
    t_end: float

    @classmethod
    def restored(cls, system: Any, call: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SensitivityMap:
        grid = make_grid(
            "sensitivity_map", system, call["axes"], call["y0"], solve_for=call["solve_for"], energy=call["energy"]
        )
        measures = (call["measure"],) if isinstance(call["measure"], str) else tuple(call["measure"])
        times, layers = np.atleast_1d(call["t_end"]), {}
        for name in measures:
            layers[name] = _layered(arrays[name], grid.shape, len(times))
        failed, impossible = (
            np.asarray(arrays[name], dtype=bool).reshape(grid.shape) for name in ("failed", "impossible")
        )
        return cls(system, call, grid, layers, failed, impossible, measures[0], float(times[-1]))

    def at(self, t: float | None = None, measure: str | None = None) -> SensitivityMap:
        """Return the map at another time or of another measure, of those that were asked for.

        Raises
        ------
        ArgumentError
            It was not asked for.
        """
        if measure is not None and measure not in self.layers:
            raise unknown_name("SensitivityMap.at", "measure", measure, self.layers)
        if t is not None and t not in self.times:
            raise must("SensitivityMap.at", "t", f"must be one of {self.times.tolist()}", t)
        return replace(self, measure=measure or self.measure, t_end=self.t_end if t is None else float(t))

    @property
    def values(self) -> Floats:
        """The measure (n_1, n_2) at `t_end`; NaN where the trajectory failed."""
        return np.asarray(self.layers[self.measure][int(np.flatnonzero(self.times == self.t_end)[0])])

    @property
    def times(self) -> Floats:
        """The times (n_times,) that were mapped, in s."""
        return np.atleast_1d(np.asarray(self.call["t_end"], dtype=np.float64))

    @property
    def axes(self) -> dict[str, Floats]:
        """The two quantities, and their values."""
        return dict(zip(self.grid.names, self.grid.values, strict=True))

    @property
    def y0(self) -> Floats:
        """The start (n,), where the axes do not say otherwise."""
        return self.grid.start

    @property
    def wrt(self) -> tuple[str, ...]:
        """Components of the start that may change."""
        return tuple(self.call["wrt"])

    @property
    def observable(self) -> str:
        """What the gradient is of: a component, or the name of a function."""
        observable = self.call["observable"]
        if observable is None:
            return default_observable(self.system)
        return str(observable) if isinstance(observable, str) else name_of(observable)

    @property
    def method(self) -> str:
        """Method and step."""
        return _output.method_text(self.call["method"], self.call["step"])

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
        starts, values = [], self.values
        for flat in order.tolist():
            i, j = divmod(flat, len(b))
            point = {first: float(a[i]), second: float(b[j])}
            starts.append(RankedStart(float(values[i, j]), point, self.grid.start_of(point), (i, j)))
        return starts

    def plot(self) -> Figure:
        """Return the map as a figure; colours are logarithmic where the values span decades, failed cells grey."""
        figure = _output.new_figure(7.4, 6.2)
        panel = figure.subplots()
        norm, extend = self._norm()
        mesh = _map_picture.draw(panel, self.grid, self.values, norm=norm, cmap=_COLORS[self.measure])
        bar = figure.colorbar(mesh, ax=panel, extend=extend, pad=0.02)
        bar.set_label(self._meaning() + (f" [{_output.pretty_unit(self.unit)}]" if self.unit not in ("", "1") else ""))
        n_failed, n_impossible = int(self.failed.sum()), int(self.impossible.sum())
        notes = [f"{n_failed} cells failed (grey)"] if n_failed else []
        notes += ["grey: no such start"] if n_impossible else []
        title = f"{type(self.system).__name__}, T = {self._time()} ({self.method})"
        panel.set_title(", ".join([title, *notes]), fontsize=11)
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

    # -- what is saved -----------------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {**self.layers, "failed": self.failed, "impossible": self.impossible}

    def readable(self) -> dict[str, Any]:
        names = ("values", "measure", "observable", "wrt", "method", "unit", "y0", "t_end")
        return super().readable() | {name: np.array(getattr(self, name)) for name in names}

    def dims(self) -> dict[str, tuple[str, ...]]:
        flat = dict.fromkeys(("failed", "impossible"), self.grid.names)
        return dict.fromkeys(self.layers, ("time", *self.grid.names)) | flat

    def coordinates(self) -> dict[str, tuple[Floats, str]]:
        axes = {name: (values, _map_picture.unit_of(self.system, name)) for name, values in self.axes.items()}
        return {"time": (self.times, "1" if is_discrete(self.system) else "s"), **axes}

    def units(self) -> dict[str, str]:
        return {name: self.at(measure=name).unit for name in self.layers}

    def __repr__(self) -> str:
        (first, a), (second, b) = self.axes.items()
        sound = self.values[np.isfinite(self.values)]
        spread = f"{sound.min():.3g} to {sound.max():.3g}" if sound.size else "no values"
        failures = f", {self.n_failed} cells failed" if self.n_failed else ""
        return (
            f"SensitivityMap({type(self.system).__name__}: {self.measure} over {first} ({len(a)}) x {second} ({len(b)})"
            f" at T = {self._time()}, {spread}{failures})"
        )


def _layered(array: NDArray[Any], shape: tuple[int, ...], n_times: int) -> Floats:
    """Return a measure as (n_times, n_1, n_2); the tiles have it as (cells, n_times)."""
    if array.ndim == 2:
        return np.ascontiguousarray(np.moveaxis(array.reshape(*shape, n_times), -1, 0))
    return np.asarray(array)


def default_observable(system: Any) -> str:
    """Return the component whose gradient is taken where nobody says: the last angle, or the last one."""
    name: str = system.state_names[system.angles[-1] if system.angles else -1]
    return name


def name_of(function: Any) -> str:
    """Return the name of a function; ``observable`` for one that has none."""
    name = getattr(function, "__name__", "")
    return name if name.isidentifier() else "observable"
