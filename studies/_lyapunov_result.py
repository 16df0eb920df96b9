"""`LyapunovSpectrum`: what `lyapunov_spectrum` found, with its error bars, to be read, drawn and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diffsim.errors import ArgumentError, must
from studies import _checks, _output
from studies._block_statistics import BlockMeans, block_means
from studies._checks import Floats
from studies._record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LyapunovSpectrum"]


@dataclass(frozen=True, eq=False, repr=False)
class LyapunovSpectrum(Record):
    """Lyapunov exponents, the largest first, per s (per iteration, for a map).

    Attributes
    ----------
    system : System or callable
    call : mapping
        The arguments of the call that made it.
    growth : ndarray (k, m, n_intervals)
        Logarithm of the growth in each interval, along each of the k vectors, of each of the m starts.
    divergence : float
        Mean divergence of the flow along the trajectories (mean ln |det| of a map), computed apart from the tangents.
    defect : float
        Largest distance between the end of an interval and the start of the next: 0 with fixed steps.
    method : str
        Method and step, or tolerance.
    canonical : bool
        Whether these are Hamilton's equations, so that exponents come in pairs.
    title, time_unit : str
        What was asked, and what a unit of time is called.
    dimension : int
        Number n of components of the state.
    """

    study: ClassVar[str] = "lyapunov_spectrum"
    axes_of: ClassVar[Mapping[str, tuple[str, ...]]] = {"growth": ("exponent", "start", "interval")}

    growth: Floats
    divergence: float
    defect: float
    method: str
    canonical: bool
    title: str
    time_unit: str
    dimension: int

    @property
    def t_renorm(self) -> float:
        """Length of an interval."""
        return float(self.call["t_renorm"])

    @property
    def t_total(self) -> float:
        """Time over which was averaged, for each start."""
        return float(self.growth.shape[2] * self.t_renorm)

    @property
    def times_unit(self) -> str:
        """What several units of time are called."""
        return "s" if self.time_unit == "s" else f"{self.time_unit}s"

    @property
    def n_starts(self) -> int:
        """Number m of starts."""
        return int(self.growth.shape[1])

    @property
    def exponents(self) -> Floats:
        """The exponents (k,), the largest first."""
        return self._means.mean

    @property
    def by_start(self) -> Floats:
        """The exponents of each start (k, m)."""
        return np.asarray(self.growth.mean(axis=2) / self.t_renorm)

    @property
    def error(self) -> Floats:
        """Standard errors (k,), from the means of blocks; NaN where there are fewer than four."""
        return self._means.error

    def interval(self, level: float = 0.95) -> Floats:
        """Return the limits (k, 2) between which the true exponents lie with probability `level`."""
        half = self.half_width(level)
        return np.stack([self.exponents - half, self.exponents + half], axis=1)

    def half_width(self, level: float = 0.95) -> Floats:
        """Return half the width (k,) of `interval`."""
        if not 0.0 < _checks.real("LyapunovSpectrum", "level", level) < 1.0:
            raise must("LyapunovSpectrum", "level", "must be between 0 and 1", level)
        return self._means.half_width(level)

    @property
    def running(self) -> tuple[Floats, Floats]:
        """Times (q,), and the exponents (k, q) as they were known at each: how they converge."""
        count = self.growth.shape[2]
        ends = np.arange(1, count + 1)
        sums = np.cumsum(self.growth.mean(axis=1), axis=1)
        return ends * self.t_renorm, sums / (ends * self.t_renorm)

    @property
    def total(self) -> float:
        """Sum of the exponents that were computed."""
        return float(self.exponents.sum())

    @property
    def kaplan_yorke(self) -> float:
        """Kaplan-Yorke dimension: ``j + (l_1 + ... + l_j) / |l_(j+1)|`` with the largest j whose sum is not negative.

        Raises
        ------
        ArgumentError
            Fewer exponents were computed than it takes.
        """
        return self._dimension(self.exponents)

    @property
    def kaplan_yorke_error(self) -> float:
        """Standard error of `kaplan_yorke`, by leaving out one block at a time (jackknife)."""
        means = self._means
        b = means.n_blocks
        if b < 4:
            return float("nan")
        without = (means.blocks.sum(axis=1, keepdims=True) - means.blocks) / (b - 1)
        found = np.array([self._dimension(column) for column in without.T])
        return float(np.sqrt((b - 1) / b * ((found - found.mean()) ** 2).sum()))

    def _dimension(self, exponents: Floats) -> float:
        sums = np.cumsum(exponents)
        if sums[0] < 0.0:
            return 0.0
        below = np.flatnonzero(sums < 0.0)
        if below.size:
            j = int(below[0])
            return float(j + sums[j - 1] / abs(exponents[j]))
        if len(exponents) < self.dimension:
            raise ArgumentError(
                f"lyapunov_spectrum: the Kaplan-Yorke dimension needs more than k={len(exponents)} exponents here: "
                "their sum is not negative yet."
            )
        return float(self.dimension)

    @property
    def pairing(self) -> Floats:
        """Sums l_i + l_(n+1-i), shape (n // 2,), which Hamilton's equations make zero.

        Raises
        ------
        ArgumentError
            Not all exponents were computed.
        """
        if len(self.exponents) < self.dimension:
            raise ArgumentError(
                f"lyapunov_spectrum: pairs need all {self.dimension} exponents; got k={len(self.exponents)}."
            )
        return (self.exponents + self.exponents[::-1])[: self.dimension // 2]

    @property
    def _means(self) -> BlockMeans:
        """Exponents with the means of blocks."""
        return block_means(self.growth / self.t_renorm)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The exponents, for `numpy.asarray`."""
        return np.array(self.exponents, dtype=dtype)

    def __repr__(self) -> str:
        half = self.half_width()
        figures = ", ".join(f"{value:.4g} +- {width:.2g}" for value, width in zip(self.exponents, half, strict=True))
        starts = f" from each of {self.n_starts} starts" if self.n_starts > 1 else ""
        return (
            f"LyapunovSpectrum({self.title}: {figures} [1/{self.time_unit}] (95 %) over {self.t_total:g} "
            f"{self.times_unit}{starts}; {self.method})"
        )

    def plot(self) -> Figure:
        """Return a figure: the exponents as they converge, and how fast their distance from the last value falls."""
        figure = _output.new_figure(10.0, 4.4)
        left, right = figure.subplots(1, 2)
        times, values = self.running
        shown = np.unique(np.geomspace(1, len(times), min(len(times), 600)).astype(int)) - 1
        level = self.half_width()
        for i, (last, half) in enumerate(zip(self.exponents, level, strict=True)):
            name = f"$\\lambda_{{{i + 1}}}$ = {_told(last, half)}" if len(level) <= 8 else None
            (line,) = left.plot(times[shown], values[i, shown], linewidth=1.4, label=name)
            color = line.get_color()
            if np.isfinite(half):
                left.axhspan(last - half, last + half, color=color, alpha=0.15, linewidth=0)
            inner = shown[times[shown] <= 0.5 * times[-1]]
            distance = np.abs(values[i, inner] - last)
            right.plot(times[inner], np.where(distance > 0.0, distance, np.nan), color=color, linewidth=1.2)
        left.axhline(0.0, color="0.4", linewidth=0.7, zorder=0)
        for panel in (left, right):
            panel.set_xscale("log")
            panel.set_xlabel(f"time averaged over [{self.times_unit}]")
            _output.quiet(panel)
        left.set_ylabel(f"Lyapunov exponents [1/{self.time_unit}]")
        if len(level) <= 8:
            left.legend(fontsize=9, title=r"with 95 % intervals", title_fontsize=9)
        right.set_yscale("log")
        right.set_ylabel(f"distance from the last value [1/{self.time_unit}]")
        figure.suptitle(f"{self.title}: {self._summary()}", fontsize=11)
        return figure

    def _summary(self) -> str:
        """What else is known, in a line."""
        parts = [self.method]
        if len(self.exponents) == self.dimension:
            parts.append(f"sum {self.total:.6g}, mean divergence {self.divergence:.6g}")
            if not self.canonical:
                parts.append(f"Kaplan-Yorke dimension {self.kaplan_yorke:.4g}")
        return ", ".join(parts)


def _told(value: float, half: float) -> str:
    """Return a value with as many digits as its error bar leaves it."""
    if not (np.isfinite(half) and half > 0.0):
        return f"{value:.4g}"
    digits = int(np.clip(1 - np.floor(np.log10(half)), 0, 8))
    return f"{value:.{digits}f} $\\pm$ {half:.{digits}f}"
