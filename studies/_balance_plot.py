"""The figure of `Balance`: how the run comes to the equilibrium, stays, and falls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from studies._output import in_units_of_pi, new_figure, quiet, symbol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from studies._balance_result import Balance

__all__: list[str] = []

_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")  # Okabe and Ito: distinct for the colour-blind
_AFTER = 0.35  # part of the stay that is shown beyond the fall


def draw(result: Balance) -> Figure:
    """Return the figure: deviations on a logarithmic scale, angles, all solutions, and the path in the plane."""
    drawable = bool(result.system.drawable)
    last = max(result.exit, float(result.exact_t[-1])) + max(0.3, 0.06 * result.stay)
    shown = result.t <= last
    figure = new_figure(11.0 if drawable else 7.5, 7.2)
    grid = figure.add_gridspec(
        3, 2 if drawable else 1, height_ratios=(2.0, 1.2, 1.1), width_ratios=(1.9, 1.0) if drawable else None
    )
    deviation = figure.add_subplot(grid[0, 0])
    angles = figure.add_subplot(grid[1, 0], sharex=deviation)
    others = figure.add_subplot(grid[2, 0])
    deviation.set_xlim(0.0, last)
    _draw_deviation(deviation, result, shown)
    _draw_angles(angles, result, shown)
    _draw_solutions(others, result)
    for axes in (deviation, angles):
        axes.axvspan(result.entry, result.exit, color="0.5", alpha=0.12, linewidth=0)
    for axes in (deviation, angles, others):
        quiet(axes)
    deviation.tick_params(labelbottom=False)
    angles.set_xlabel("t [s]")
    if drawable:
        _draw_path(figure.add_subplot(grid[:, 1]), result)
    start = ", ".join(f"{symbol(n)} = {v:.15g}" for n, v in zip(result.free, result.momenta.tolist(), strict=True))
    between = " " if len(result.free) < 3 else "\n"
    words = f"{type(result.system).__name__}, {result.target}: {result.stay:.2f} s in doubles with{between}{start}"
    figure.suptitle(words, fontsize=11)
    return figure


def _angle_names(result: Balance) -> list[str]:
    return [symbol(result.system.state_names[i]) for i in result.system.angles]


def _draw_deviation(axes: Axes, result: Balance, shown: Any) -> None:
    """Largest deviation of an angle in doubles, under the exact flow and along the descent; lines are exponentials."""
    runs = [("in doubles", result.t[shown], result.deviation[:, shown], result.stay, _COLORS[0])]
    words = f"{result.digits} digits, exact flow" if result.digits > 17 else "exact flow"
    runs.append((words, result.exact_t, result.exact_deviation, result.stay_exact, _COLORS[1]))
    for name, t, x, stay, color in runs:
        away = x[list(result.system.angles)]
        away = np.abs(away - 2.0 * np.pi * np.round(away / (2.0 * np.pi))).max(axis=0)
        axes.semilogy(t, away, color=color, linewidth=1.5, label=f"{name}: {stay:.2f} s")
    axes.axhline(result.tolerance, color="0.3", linewidth=0.8, linestyle="--")
    axes.text(0.01, result.tolerance, f" {result.tolerance:g} rad", transform=axes.get_yaxis_transform(),
              ha="left", va="bottom", fontsize=8, color="0.3")  # fmt: skip
    lowest = float(np.abs(result.exact_deviation[list(result.system.angles)]).max(axis=0).min())
    axes.set_ylim(max(1e-40, 0.2 * lowest), 8.0)
    axes.set_ylabel(f"deviation from {result.target} [rad]")
    axes.legend(loc="lower left", fontsize=9, frameon=True, framealpha=0.9, edgecolor="none", title="stays")


def _draw_angles(axes: Axes, result: Balance, shown: Any) -> None:
    """The angles themselves, full turns counted."""
    low, high = np.inf, -np.inf
    for i, name, color in zip(result.system.angles, _angle_names(result), _COLORS, strict=False):
        values = result.y[i][shown]
        axes.plot(result.t[shown], values, color=color, linewidth=1.3, label=name)
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    in_units_of_pi(axes.yaxis, low, high)
    axes.set_ylabel("angle [rad]")
    middle = 0.5 * (result.entry + result.exit) / axes.get_xlim()[1]  # where the curves are level
    n = len(result.system.angles)
    axes.legend(loc="center", bbox_to_anchor=(middle, 0.5), ncols=n, fontsize=8, frameon=False)


def _draw_solutions(axes: Axes, result: Balance) -> None:
    """All solutions by their travel time: how long each stays."""
    t = result.all_arrivals
    axes.plot(t, result.all_ceilings, "_", color="0.45", markersize=9, markeredgewidth=1.5, label="expected of doubles")
    axes.plot(t, result.all_stays, "o", color=_COLORS[0], markersize=4, label="run in doubles")
    if np.isfinite(result.lattice_stays).any():
        axes.plot(t, result.lattice_stays, "D", color=_COLORS[1], markersize=5, label="best doubles, exact flow")
    if len(result.descent):
        axes.plot(*result.descent[:, [0, 3]].T, "x-", color=_COLORS[2], markersize=4, label="descent, by its horizon")
    axes.set_ylim(0.0, 1.35 * float(np.nanmax(result.all_ceilings)))
    axes.set_xlabel("travel time [s]" if not len(result.descent) else "travel time, horizon [s]")
    axes.set_ylabel("stay [s]")
    axes.legend(loc="upper right", ncols=3, fontsize=8, frameon=False, handletextpad=0.3, columnspacing=1.0)


def _draw_path(axes: Axes, result: Balance) -> None:
    """The path of the free end in the plane until the end of the stay, and the system at its start and balanced."""
    until = result.t <= result.exit
    points = np.asarray(result.system.positions(result.y[:, until]))  # (n_points, 2, n_times)
    for k in range(1, len(points)):
        axes.plot(*points[k], color=_COLORS[(k - 1) % len(_COLORS)], linewidth=0.9, alpha=0.75)
    middle = int(np.searchsorted(result.t[until], 0.5 * (result.entry + result.exit)))
    for j, color, name in ((0, "0.6", "start"), (middle, "0.05", "balanced")):
        axes.plot(*points[:, :, j].T, "-o", color=color, linewidth=2.5, markersize=5, label=name, zorder=3)
    axes.set_aspect("equal")
    axes.set_xlabel("x [m]")
    axes.set_ylabel("y [m]")
    axes.set_title("path until the fall", fontsize=10)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, fontsize=9, frameon=False)
    quiet(axes)
