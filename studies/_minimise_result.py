"""`Minimum`: what `minimise` found, to be read, drawn and written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studies import _checks, _output
from studies._checks import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Minimum"]

_COLOR = "#0072b2"
_LOSS_COLOR = "#d55e00"
_FEW = 80
_DECADES = 2.0


@dataclass(frozen=True, eq=False)
class Minimum:
    """The smallest loss that `minimise` found.

    Attributes
    ----------
    system : System
        With the parameters found.
    free : tuple of str
        What was free: state components and parameters.
    x : ndarray (n_free,)
        Their values at the minimum.
    y0 : ndarray (n,)
        The whole start.
    value : float
        The loss there.
    gradient : ndarray (n_free,)
        Its gradient there, by `free`.
    history : ndarray (n_iterations + 1,)
        Smallest loss so far: at the start, then after each iteration.
    success, message : bool, str
        How the optimiser ended.
    n_evaluations : int
        Number of solves with their gradient.
    first_solution, solution : Solution
        The trajectory from the first guess, and from the minimum.
    """

    system: Any
    free: tuple[str, ...]
    x: Floats
    y0: Floats
    value: float
    gradient: Floats
    history: Floats
    success: bool
    message: str
    n_evaluations: int
    first_solution: Any
    solution: Any

    def plot(self) -> Figure:
        """Return a figure: the loss by iteration, and every state component before and after."""
        n = len(self.system.state_names)
        rows = (n + 1) // 2
        figure = _output.new_figure(9.0, 2.6 + 1.9 * rows)
        grid = figure.add_gridspec(rows + 1, 2, height_ratios=[1.3] + [1.0] * rows)
        self._draw_history(figure.add_subplot(grid[0, :]))
        for k, name in enumerate(self.system.state_names):
            panel = figure.add_subplot(grid[1 + k // 2, k % 2])
            for solution, color, what in (
                (self.first_solution, "0.6", "first guess"),
                (self.solution, _COLOR, "minimum"),
            ):
                # few times were asked for: the points are what the loss saw, the lines only join them
                style: dict[str, Any] = (
                    {"marker": "o", "markersize": 3.0, "linewidth": 0.6} if len(solution.t) <= _FEW else {}
                )
                panel.plot(solution.t, solution.y[k], color=color, label=what, **style)
            panel.set_ylabel(_output.label(name, _checks.unit_of(self.system, name)))
            if k >= n - 2:
                panel.set_xlabel("t [s]")
            if k == 0:
                panel.legend(fontsize=8, frameon=True, framealpha=0.9, edgecolor="none")
            _output.quiet(panel)
        found = ", ".join(
            f"{_output.symbol(name)} = {value:.6g}" for name, value in zip(self.free, self.x, strict=True)
        )
        figure.suptitle(f"{type(self.system).__name__}: loss {self.value:.4g} at {found}", fontsize=11)
        return figure

    def _draw_history(self, panel: Axes) -> None:
        """The loss by iteration, logarithmic where it falls by decades."""
        from matplotlib.ticker import MaxNLocator

        panel.plot(np.arange(len(self.history)), self.history, "-o", color=_LOSS_COLOR, linewidth=1.2, markersize=3.5)
        low, high = float(self.history.min()), float(self.history.max())
        if low > 0.0 and np.log10(high / low) > _DECADES:
            panel.set_yscale("log")
        panel.set_xlabel("iteration")
        panel.set_ylabel("loss")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        _output.quiet(panel)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure (.png, .svg, .pdf) or the numbers (.npz), whole or not at all."""
        return _output.write("minimise", path, self.plot, self._arrays)

    def _arrays(self) -> dict[str, Any]:
        names = ("free", "x", "y0", "value", "gradient", "history", "success", "message", "n_evaluations")
        return {
            **{name: np.array(getattr(self, name)) for name in names},
            "t": self.solution.t,
            "y": self.solution.y,
            "state_names": np.array(self.system.state_names),
            "system": np.array(_output.describe(self.system)),
        }

    def __repr__(self) -> str:
        found = ", ".join(f"{name}={value!r}" for name, value in zip(self.free, self.x.tolist(), strict=True))
        how = "success" if self.success else "stopped early"
        return (
            f"Minimum({type(self.system).__name__}: loss {self.value:.6g} at {found}; "
            f"{len(self.history) - 1} iterations, {self.n_evaluations} evaluations, {how}: {self.message})"
        )
