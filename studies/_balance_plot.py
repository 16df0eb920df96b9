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
    """Return the figure: deviations on a logarithmic scale, angles, energy, and the path in the plane."""
    drawable = bool(result.system.drawable)
    shown = result.t <= result.exit + max(0.5, _AFTER * result.stay)
    figure = new_figure(11.0 if drawable else 7.5, 7.2)
    grid = figure.add_gridspec(
        3, 2 if drawable else 1, height_ratios=(2.0, 1.3, 1.0), width_ratios=(1.9, 1.0) if drawable else None
    )
    deviation = figure.add_subplot(grid[0, 0])
    angles = figure.add_subplot(grid[1, 0], sharex=deviation)
    energy = figure.add_subplot(grid[2, 0], sharex=deviation)
    _draw_deviation(deviation, result, shown)
    _draw_angles(angles, result, shown)
    _draw_energy(energy, result, shown)
    for axes in (deviation, angles, energy):
        axes.axvspan(result.entry, result.exit, color="0.5", alpha=0.12, linewidth=0)
        axes.set_xlim(0.0, float(result.t[shown][-1]))
        quiet(axes)
    deviation.tick_params(labelbottom=False)
    angles.tick_params(labelbottom=False)
    energy.set_xlabel("t [s]")
    if drawable:
        _draw_path(figure.add_subplot(grid[:, 1]), result)
    start = ", ".join(f"{symbol(n)} = {v:.15g}" for n, v in zip(result.free, result.momenta.tolist(), strict=True))
    figure.suptitle(f"{type(result.system).__name__}, {result.target}: {result.stay:.2f} s with {start}", fontsize=11)
    return figure


def _angle_names(result: Balance) -> list[str]:
    return [symbol(result.system.state_names[i]) for i in result.system.angles]


def _draw_deviation(axes: Axes, result: Balance, shown: Any) -> None:
    """Absolute deviation of each angle; straight lines are exponentials."""
    x = result.deviation[list(result.system.angles)]
    x = x - 2.0 * np.pi * np.round(x / (2.0 * np.pi))
    for name, values, color in zip(_angle_names(result), x, _COLORS, strict=False):
        axes.semilogy(result.t[shown], np.abs(values[shown]), color=color, linewidth=1.3, label=name)
    axes.axhline(result.tolerance, color="0.3", linewidth=0.8, linestyle="--")
    middle = 0.5 * (result.entry + result.exit)
    axes.text(middle, result.tolerance, f"{result.tolerance:g} rad", ha="center", va="bottom", fontsize=8, color="0.3")
    axes.annotate(
        f"stays {result.stay:.2f} s",
        (middle, 0.97),
        xycoords=("data", "axes fraction"),
        ha="center",
        va="top",
        fontsize=9,
    )
    inside = np.abs(x[:, shown]).max(axis=0)
    axes.set_ylim(max(1e-12, 0.1 * float(inside.min())), 8.0)
    axes.set_ylabel(f"deviation from {result.target} [rad]")
    axes.legend(loc="lower left", fontsize=9, frameon=True, framealpha=0.9, edgecolor="none")


def _draw_angles(axes: Axes, result: Balance, shown: Any) -> None:
    """The angles themselves, full turns counted."""
    low, high = np.inf, -np.inf
    for i, name, color in zip(result.system.angles, _angle_names(result), _COLORS, strict=False):
        values = result.y[i][shown]
        axes.plot(result.t[shown], values, color=color, linewidth=1.3, label=name)
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    in_units_of_pi(axes.yaxis, low, high)
    axes.set_ylabel("angle [rad]")


def _draw_energy(axes: Axes, result: Balance, shown: Any) -> None:
    """What the run does to the energy, measured from the level of the target."""
    if not result.system.has_energy:
        axes.set_axis_off()
        return
    level = result.system.energy(np.array(result.system.equilibria[result.target], dtype=np.float64))
    error = np.asarray(result.system.energy(result.y)) - float(level)
    axes.plot(result.t[shown], error[shown], color="0.2", linewidth=1.0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    axes.set_ylabel("H - H(target) [J]")


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
