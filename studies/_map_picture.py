"""How maps are drawn: cells to their borders, angles in units of pi, colour bars that tell the unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from studies import _checks, _output
from studies._checks import Floats
from studies._grid import ENERGY, Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__: list[str] = []

LACKING = "0.75"
"""Grey of the cells that have no value."""


def draw(panel: Axes, grid: Grid, values: Floats, **look: Any) -> Any:
    """Draw a map (n_1, n_2) with its first axis to the right; return what a colour bar is made for."""
    a, b = grid.values
    panel.set_facecolor(LACKING)
    shown = np.ma.masked_invalid(values.T)
    mesh = panel.pcolormesh(edges(a), edges(b), shown, shading="flat", rasterized=True, **look)
    for axis, name, along in zip((panel.xaxis, panel.yaxis), grid.names, grid.values, strict=True):
        label(axis, grid.system, name, along)
    panel.tick_params(direction="out", length=3.0)
    return mesh


def label(axis: Any, system: Any, name: str, values: Floats) -> None:
    """Write the name and the unit of a quantity at an axis; an angle gets ticks in units of pi."""
    axis.set_label_text(_output.label(name, unit_of(system, name)))
    if name in [system.state_names[k] for k in system.angles]:
        _output.in_units_of_pi(axis, float(np.min(values)), float(np.max(values)))


def unit_of(system: Any, name: str) -> str:
    """Return the unit of a component, a parameter or the energy."""
    if name == ENERGY and name not in system.state_names:
        return _checks.unit_of(system, name) or "J"
    return _checks.unit_of(system, name)


def edges(values: Floats) -> Floats:
    """Return the borders (n + 1,) of cells around the given middles (n,).

    >>> edges(np.array([0.0, 1.0, 2.0]))
    array([-0.5,  0.5,  1.5,  2.5])
    """
    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    middle = 0.5 * (values[1:] + values[:-1])
    return np.concatenate([[2.0 * values[0] - middle[0]], middle, [2.0 * values[-1] - middle[-1]]])
