"""`Minimum`: what `minimise` found, to be read, drawn and written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diffsim.protocols import with_parameters
from studies import _checks, _output
from studies._checks import Floats
from studies._optimum import Optimum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Minimum"]

_COLOR = "#0072b2"
_LOSS_COLOR = "#d55e00"
_FEW = 80
_DECADES = 2.0


@dataclass(frozen=True, eq=False, repr=False)
class Minimum(Optimum):
    """The smallest loss that `minimise` found.

    Attributes
    ----------
    system : System
        With the parameters found.
    call : mapping
        The arguments of the call that made it.
    free : tuple of str
        What was free: state components and parameters.
    first : ndarray (n_free,)
        Their values in the System and the start that were given.
    x : ndarray (n_free,)
        Their values at the minimum.
    y0 : ndarray (n,)
        The whole start.
    value : float
        The loss there.
    gradient : ndarray (n_free,)
        Its gradient there, by `free`.
    violation : float
        By how much the constraints are missed at most.
    history : ndarray (n_iterations + 1,)
        Smallest loss so far: at the start, then after each iteration (of the last horizon; under constraints, the loss
        as it went).
    success, message : bool, str
        How the optimiser ended.
    why : str
        One shot or windows, and why.
    n_evaluations : int
        Number of solves with their derivatives, of all starts together.
    horizons, horizon_values : ndarray (k,)
        The times over which was minimised, one after the other, and the loss at the end of each.
    starts, ends : ndarray (n_free, n_starts)
        Where the searches began, and where they ended; NaN where one failed.
    end_values, end_success : ndarray (n_starts,)
        The loss at the ends, and whether the optimiser was content.
    end_messages : tuple of str
        How each ended.
    """

    study: ClassVar[str] = "minimise"
    own: ClassVar[frozenset[str]] = frozenset({
        *("loss", "y0", "free", "t_span", "t_eval", "bounds", "constraints", "starts", "horizon", "shooting"),
        *("optimiser", "tolerance", "max_iterations", "mode"),
    })  # fmt: skip

    value: float
    gradient: Floats
    violation: float
    history: Floats
    success: bool
    message: str
    why: str
    n_evaluations: int
    horizons: Floats
    horizon_values: Floats
    starts: Floats
    ends: Floats
    end_values: Floats
    end_success: Floats
    end_messages: tuple[str, ...]

    @cached_property
    def first_solution(self) -> Any:
        """The trajectory from the first guess, made when it is asked for."""
        return self._solved(self.starts[:, 0])

    @cached_property
    def solution(self) -> Any:
        """The trajectory from the minimum, made when it is asked for."""
        return self._solved(self.x)

    def _solved(self, x: Floats) -> Any:
        names = self.system.state_names
        values = dict(zip(self.free, x.tolist(), strict=True))
        system = with_parameters(self.system, {name: v for name, v in values.items() if name not in names})
        start = [values.get(name, float(known)) for name, known in zip(names, self.y0, strict=True)]
        return self.solve(system, self.call["t_span"], start, self.call["t_eval"])

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

    def __repr__(self) -> str:
        found = ", ".join(f"{name}={value!r}" for name, value in zip(self.free, self.x.tolist(), strict=True))
        how = "success" if self.success else "stopped early"
        return (
            f"Minimum({type(self.system).__name__}: loss {self.value:.6g} at {found}; "
            f"{len(self.history) - 1} iterations, {self.n_evaluations} evaluations, {how}: {self.message})"
        )
