"""How an animation looks: colours, widths and letter sizes.

All widths are in points at the reference height of 480 pixels and grow with the picture, so
that a frame of 1920 x 1080 looks like the same frame seen from nearer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import must, unknown_name

__all__: list[str] = []


@dataclass(frozen=True)
class Style:
    """The colours of a picture that do not depend on what is shown."""

    background: str
    ink: str
    muted: str
    faint: str
    accent: str
    palette: tuple[str, ...]
    colormap: str
    colormap_range: tuple[float, float]


# SOURCE: palette of the light style: Okabe and Ito, Color Universal Design (2008), in an order that keeps neighbours
# apart for all common kinds of colour vision.
STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "light": Style(
            background="#ffffff",
            ink="#23272e",
            muted="#6b7280",
            faint="#d5d9df",
            accent="#d55e00",
            palette=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a4f9a", "#8a8d91"),
            colormap="viridis",
            colormap_range=(0.02, 0.88),
        ),
        "dark": Style(
            background="#11151c",
            ink="#e8ebf0",
            muted="#97a1b0",
            faint="#2f3743",
            accent="#ff9d4d",
            palette=("#4cb8ff", "#ff9d4d", "#3ddc97", "#ff8fc7", "#ffd54d", "#b79cff", "#7fe3e3", "#c4cad3"),
            colormap="plasma",
            colormap_range=(0.25, 0.97),
        ),
    }
)


@dataclass(frozen=True)
class Widths:
    """Line widths and diameters in points at 480 pixels of height."""

    rod: float
    trail: float
    bob: float
    joint: float
    n_fades: int


def find_style(who: str, style: str) -> Style:
    """Return the style of that name, or raise with the names that there are."""
    if not isinstance(style, str) or style not in STYLES:
        raise unknown_name(who, "style", style, STYLES)
    return STYLES[style]


def widths_for(count: int) -> Widths:
    """Thinner and smaller the more pendulums share the picture; `n_fades` bounds the work of the trails."""
    if count == 1:
        return Widths(rod=2.8, trail=2.4, bob=11.0, joint=7.5, n_fades=28)
    if count <= 8:
        return Widths(rod=2.1, trail=1.9, bob=8.5, joint=5.5, n_fades=20)
    return Widths(rod=1.0, trail=1.1, bob=4.6, joint=2.4, n_fades=max(6, 700 // count))


def pick_colors(who: str, colors: Any, count: int, style: Style) -> NDArray[np.float64]:
    """Return one RGBA row a trajectory.

    Parameters
    ----------
    colors : None, str, or sequence of matplotlib colours
        None: the style's palette for up to eight, its colour map for more.  A string is one
        colour for all, or the name of a colour map that is spread over them.
    count : int
        Number of trajectories.

    Raises
    ------
    ArgumentError
        A name that is neither a colour nor a colour map, or as many colours as do not fit.
    """
    import matplotlib
    from matplotlib.colors import is_color_like, to_rgba_array

    if colors is None and count <= len(style.palette):
        return np.asarray(to_rgba_array(style.palette[:count]))
    low, high = style.colormap_range
    spread = np.linspace(low, high, count)
    if colors is None:
        return np.asarray(matplotlib.colormaps[style.colormap](spread))
    if isinstance(colors, str) and colors in matplotlib.colormaps:
        return np.asarray(matplotlib.colormaps[colors](np.linspace(0.0, 1.0, count)))
    if is_color_like(colors):
        return np.asarray(np.repeat(to_rgba_array([colors]), count, axis=0))
    rule = f"must be a matplotlib colour, the name of a colour map, or {count} colours (one a trajectory)"
    if isinstance(colors, str) or not isinstance(colors, (Sequence, np.ndarray)) or len(colors) != count:
        raise must(who, "colors", rule, colors)
    if not all(is_color_like(color) for color in colors):
        raise must(who, "colors", rule, colors)
    return np.asarray(to_rgba_array(colors))
