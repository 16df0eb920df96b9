"""The picture of the results: each peer's time in diffsim's, with the range over the rounds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from benchmarks.summary import Row, rows, seconds

__all__ = ["draw", "fastest", "package_of", "shrink"]

PANELS = {
    "W1-256": "W1: map, 256 x 256",
    "W1-64": "W1: map, 64 x 64",
    "W2": "W2: gradient, 500 steps",
    "W3": "W3: fresh process",
    "W5-1000000": "W5: gradient, 10⁶ steps",
    "W6": "W6: scalar network",
    "W7": "W7: video",
    "W8-40": "W8: Lorenz-96, n = 40",
    "W8-1000": "W8: Lorenz-96, n = 1000",
    "W9": "W9: stiff gradient",
}
# Okabe and Ito's colours, which all can tell apart; a package keeps its colour in all panels
COLORS = {
    "C": "#000000",
    "JAX": "#0072B2",
    "diffrax": "#56B4E9",
    "CasADi": "#D55E00",
    "numba": "#009E73",
    "heyoka": "#CC79A7",
    "autograd": "#E69F00",
}
GREY = "#777777"


def fastest(group: dict[str, Any]) -> list[Row]:
    """Return the fastest way of each package but diffsim that gave the right answer, fastest first.

    What was run on another number of threads than diffsim is left out.
    """
    found: dict[str, Row] = {}
    for row in rows(group)[1:]:
        package = package_of(row.label)
        if row.label.endswith("1 thread") or package == "diffsim":
            continue
        if not math.isnan(row.ratio) and row.agrees and not row.error:
            found.setdefault(package, row)
    return sorted(found.values(), key=lambda row: -row.ratio)


def package_of(label: str) -> str:
    """Return the package of a label such as "JAX, jvp" or "numba lanes"."""
    return label.split(",")[0].split()[0]


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the panels that there are results for and write the picture."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    groups = {group["key"]: group for group in results["groups"] if fastest(group)}
    keys = [key for key in PANELS if key in groups]
    n_columns = min(3, len(keys))
    n_rows = -(-len(keys) // n_columns)
    style: dict[Any, Any] = {"font.size": 8, "axes.titlesize": 8.5, "axes.linewidth": 0.6, "font.family": "DejaVu Sans"}
    heights = [
        max(len(fastest(groups[key])) for key in keys[i * n_columns : (i + 1) * n_columns]) for i in range(n_rows)
    ]
    with plt.rc_context(style):
        figure, axes = plt.subplots(
            n_rows,
            n_columns,
            figsize=(3.3 * n_columns, sum(0.62 + 0.21 * height for height in heights)),
            squeeze=False,
            height_ratios=[1.2 + height for height in heights],
            layout="constrained",
        )
        for place, key in zip(axes.flat, keys, strict=False):
            _panel(place, PANELS[key], groups[key])
        for place in list(axes.flat)[len(keys) :]:
            place.set_axis_off()
        figure.supxlabel("time of the peer / time of diffsim  (right of the line: diffsim is faster)", fontsize=8)
        figure.savefig(path, dpi=150, metadata={"Software": None})
        plt.close(figure)
    shrink(path)


def _panel(axes: Any, title: str, group: dict[str, Any]) -> None:
    """Draw one group: a dot a package at the median, a bar over the rounds, the ratio beside it."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    shown = [(row, 1.0 / row.ratio, 1.0 / row.high, 1.0 / row.low) for row in fastest(group)]
    axes.axvline(1.0, color=GREY, lw=0.8, zorder=0)
    for height, (row, median, low, high) in enumerate(shown):
        color = COLORS.get(package_of(row.label), GREY)
        axes.plot([1.0, median], [height, height], color=color, lw=0.8, alpha=0.35, zorder=1)
        axes.plot([low, high], [height, height], color=color, lw=2.4, alpha=0.6, solid_capstyle="butt")
        axes.plot(median, height, "o", color=color, ms=4.5)
        text = f"{float(f'{median:.2g}'):,g}"
        axes.annotate(text, (max(high, 1.0), height), (5, 0), textcoords="offset points", va="center", fontsize=7)
    lowest = min(1.0, *(low for _, _, low, _ in shown))
    highest = max(1.0, *(high for *_, high in shown))
    axes.set_xscale("log")
    axes.set_xlim(lowest / 1.6, max(4.0 * lowest, highest * (highest / lowest) ** 0.3 * 1.8))
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [row.label for row, *_ in shown])
    subs = (1.0, 2.0, 5.0) if highest < 30.0 * lowest else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=subs, numticks=5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(f"{title}\ndiffsim: {seconds(rows(group)[0].wall)}", loc="left")


def shrink(picture: Path) -> None:
    """Write a PNG again with a palette of 256 colours."""
    from PIL import Image

    with Image.open(picture) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)
