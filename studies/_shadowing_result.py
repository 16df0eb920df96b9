"""`ShadowingGradient`: what `shadowing_gradient` found, beside the plain gradient that explodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from studies import _checks, _output
from studies._checks import Floats
from studies._record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ShadowingGradient"]


@dataclass(frozen=True, eq=False, repr=False)
class ShadowingGradient(Record):
    """The derivative of a long-time average by parameters.

    Attributes
    ----------
    system : System or callable
    call : mapping
        The arguments of the call that made it.
    parameters : tuple of str
    observable : str
        Of which the average is taken.
    windows : ndarray (P, n_windows)
        The derivatives by each parameter, of each window of time.
    averages : ndarray (n_windows,)
        Of the observable.
    plain : ndarray (P, q)
        The plain gradient of the average over 1, 2, ..., q segments, from a start that stays where it is.
    growth : ndarray (k,)
        Mean rates of the homogeneous solutions across the flow, in 1/s.
    t_segment : float
        In s.
    """

    study: ClassVar[str] = "shadowing_gradient"
    axes_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "parameters": ("parameter",),
        "windows": ("parameter", "window"),
        "averages": ("window",),
        "plain": ("parameter", "segment"),
        "growth": ("solution",),
    }

    parameters: tuple[str, ...]
    observable: str
    windows: Floats
    averages: Floats
    plain: Floats
    growth: Floats
    t_segment: float
    method: str
    title: str

    @property
    def gradient(self) -> dict[str, float]:
        """Derivative of the average by each parameter."""
        return dict(zip(self.parameters, self.windows.mean(axis=1).tolist(), strict=True))

    @property
    def error(self) -> dict[str, float]:
        """Standard errors of `gradient`, from how the windows differ; NaN from one window.  A bias is not in them."""
        count = self.windows.shape[1]
        spread = self.windows.std(axis=1, ddof=1) / np.sqrt(count) if count > 1 else np.full(len(self.windows), np.nan)
        return dict(zip(self.parameters, spread.tolist(), strict=True))

    @property
    def average(self) -> float:
        """Average of the observable over all windows."""
        return float(self.averages.mean())

    def __repr__(self) -> str:
        told = ", ".join(f"{n}: {v:.4g} +- {self.error[n]:.2g}" for n, v in self.gradient.items())
        return f"ShadowingGradient({self.title}: <{self.observable}> = {self.average:.5g}, derivative by {told})"

    def plot(self) -> Figure:
        """Return a figure: for each parameter the windows' derivatives, and the plain gradient over a growing time."""
        rows = len(self.parameters)
        figure = _output.new_figure(9.6, 1.2 + 2.5 * rows)
        panels = figure.subplots(rows, 2, squeeze=False)
        times = self.t_segment * np.arange(1, self.plain.shape[1] + 1)
        for (left, right), name, windows, plain in zip(panels, self.parameters, self.windows, self.plain, strict=True):
            mean, error = self.gradient[name], self.error[name]
            what = rf"d$\langle${_output.symbol(self.observable)}$\rangle$ / d{_output.symbol(name)}"
            left.plot(np.arange(1, len(windows) + 1), windows, "o", color="tab:blue")
            left.axhline(mean, color="tab:blue", linewidth=1.2, label=f"{mean:.4g} $\\pm$ {error:.1g}")
            left.axhspan(mean - error, mean + error, color="tab:blue", alpha=0.2, linewidth=0)
            left.set_ylabel(what)
            left.legend(fontsize=9)
            size = np.abs(plain)
            right.semilogy(
                times, np.where((size > 0.0) & np.isfinite(size), size, np.nan), color="tab:red", label="plain"
            )
            right.axhline(abs(mean), color="tab:blue", label="by shadowing")
            right.set_ylabel(f"|{what}|")
            right.legend(fontsize=9)
            unit = _checks.unit_of(self.system, name) if hasattr(self.system, "state_names") else ""
            if unit not in ("", "1"):  # the label of the axis has the name
                left.set_title(_output.label(name, unit), fontsize=10)
            for panel in (left, right):
                _output.quiet(panel)
        panels[-1, 0].set_xlabel("window")
        panels[-1, 1].set_xlabel("time averaged over [s]")
        figure.suptitle(
            f"{self.title}: average of {_output.symbol(self.observable)} = {self.average:.5g} ({self.method})",
            fontsize=11,
        )
        return figure
