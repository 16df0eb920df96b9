"""The picture of a fit: data with the model through them, and the residuals below, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from studies import _output
from studies._fit_channels import observable, observed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__: list[str] = []

_DATA, _PALE, _FIT = "0.45", "0.65", "#d55e00"
_MOST = 8
_FEW = 60


def fit_figure(result: Any) -> Figure:
    """Return the figure of a `Fit`."""
    rows = [k for k, row in enumerate(result.data) if np.isfinite(row).any() and np.ptp(row[np.isfinite(row)]) > 0.0]
    rows = rows[:_MOST] or [0]
    columns = 1 if len(rows) == 1 else 2
    lines = -(-len(rows) // columns)
    figure = _output.new_figure(4.8 * columns + 0.4, 2.9 * lines + 0.7)
    engine: Any = figure.get_layout_engine()
    engine.set(h_pad=0.02, hspace=0.0)
    grid = figure.add_gridspec(lines, columns)
    curves = _curves(result)
    for place, k in enumerate(rows):
        inner = grid[place // columns, place % columns].subgridspec(2, 1, height_ratios=[3.0, 1.0], hspace=0.06)
        upper = figure.add_subplot(inner[0])
        lower = figure.add_subplot(inner[1], sharex=upper)
        _draw_data(upper, result, k, curves[k], place == 0)
        _draw_residuals(lower, result, k)
        if place + columns >= len(rows):
            lower.set_xlabel("t [s]" if not result.system.discrete else "iteration")
    figure.suptitle(_title(result, 3 if columns > 1 else 2), fontsize=9.5)
    figure.draw_without_rendering()  # a first layout knows the ticks of no panel yet, and would cut labels
    return figure


def _curves(result: Any) -> Any:
    """Return what is observed along the trajectory (C, k)."""
    given = result.call["observables"] or {}
    if any(not callable(function) for function in given.values()):
        return [None] * len(result.data)  # loaded from a file, which keeps no functions: points only
    seen = [observable(result.system, name, given, result.y0) for name in result.call["data"][1]]
    return observed(seen, result.system, result.t, result.y)


def _draw_data(panel: Axes, result: Any, k: int, curve: Any, with_legend: bool) -> None:
    """Data and model of row k."""
    there = np.isfinite(result.data[k])
    t, values = result.data_t[there], result.data[k][there]
    size = 4.0 if len(t) <= _FEW else 3.0
    if result.believed and len(t) <= _FEW:
        panel.errorbar(
            t, values, result.data_sigma[k][there],
            fmt="o", color=_DATA, markersize=size, linewidth=0.8, label="data", zorder=1,
        )  # fmt: skip
    else:
        panel.plot(t, values, "o", color=_PALE, markersize=size, markeredgewidth=0, label="data", zorder=1)
    if curve is None:
        panel.plot(t, result.model[k][there], "-", color=_FIT, linewidth=0.9, label="fit", zorder=2)
    else:
        panel.plot(result.t, curve, "-", color=_FIT, linewidth=0.9, label="fit", zorder=2)
    panel.set_ylabel(_output.label(result.labels[k], result.data_units[k]))
    panel.tick_params(labelbottom=False)
    if with_legend:
        panel.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=2)
    _output.quiet(panel)


def _draw_residuals(panel: Axes, result: Any, k: int) -> None:
    """Residuals of row k: in deviations where these were given, in the row's unit otherwise."""
    there = np.isfinite(result.data[k])
    left = result.residuals[k][there]
    if result.believed:
        panel.axhspan(-2.0, 2.0, color="0.9", zorder=0)
    panel.axhline(0.0, color=_FIT, linewidth=0.9, zorder=1)
    size = 3.0 if len(left) <= _FEW else 1.6
    panel.plot(result.data_t[there], left, "o", color=_DATA, markersize=size, markeredgewidth=0, zorder=2)
    largest = 1.15 * float(np.abs(left).max(initial=0.0)) or 1.0
    panel.set_ylim(-max(largest, 2.5 if result.believed else 0.0), max(largest, 2.5 if result.believed else 0.0))
    panel.set_ylabel(r"residual/$\sigma$" if result.believed else "residual", fontsize=8)
    panel.tick_params(labelsize=8)
    _output.quiet(panel)


def _title(result: Any, per: int) -> str:
    """Estimates with their errors, so many a line; at most six."""
    parts = []
    for name, x, error in zip(result.free, result.x.tolist(), result.errors.tolist(), strict=True):
        told = rf"$\pm$ {error:.2g}" if np.isfinite(error) else "(not determined)"
        digits = int(np.clip(np.ceil(np.log10(abs(x) / error)) + 2, 2, 8)) if 0.0 < error < np.inf and x else 5
        parts.append(f"{_output.symbol(name)} = {x:.{digits}g} {told}")
    lines = [",  ".join(parts[i : i + per]) for i in range(0, min(len(parts), 6), per)]
    return "\n".join([type(result.system).__name__, *lines])
