"""Work and precision (W4): how long each package takes to reach an accuracy, as a table and a picture.

A run has a tolerance, a time and an error.  Between the tolerances of one method time and error are interpolated
logarithmically; a package has the time of its best method.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plot import COLORS, GREY, package_of, shrink
from benchmarks.summary import rows, seconds, table

__all__ = ["draw", "section"]

ACCURACIES = (1e-2, 1e-3, 1e-5, 1e-7, 1e-9, 1e-11, 1e-12)
Curve = list[tuple[float, float]]


def section(results: Mapping[str, Any]) -> str:
    """Return the page's table: times to accuracies, and how many times as long as diffsim's."""
    found = _best(_curves(results))
    if "diffsim" not in found:
        return ""
    others = [name for name in found if name != "diffsim"]
    lines = []
    for accuracy in ACCURACIES:
        ours = time_to(found["diffsim"], accuracy)
        if ours is None:
            continue
        line = [f"{accuracy:.0e}", seconds(ours)]
        for name in others:
            theirs = time_to(found[name], accuracy)
            line.append("-" if theirs is None else f"{seconds(theirs)} ({theirs / ours:.3g} x)")
        lines.append(line)
    picture = "![Time against accuracy](images/docs-precision.png)\n"
    text = (
        "*Time on one core to a largest error, by the best method of each package (its curve's lower edge; between "
        "tolerances interpolated); in brackets how many times diffsim's time that is.*\n"
    )
    return f"{picture}\n{text}\n{table(['largest error', 'diffsim', *others], lines)}"


def time_to(curves: Sequence[Curve], accuracy: float) -> float | None:
    """Return the shortest time in which one of the curves reaches an accuracy; None beyond all of them.

    >>> time_to([[(1e-2, 1.0), (1e-4, 100.0)]], 1e-3)
    10.0
    """
    times = []
    for curve in curves:
        for (error, time), (finer, longer) in itertools.pairwise(curve):
            if finer <= accuracy <= error:
                x = math.log(error / accuracy) / math.log(error / finer)
                times.append(round(time * (longer / time) ** x, 9))
    return min(times, default=None)


def _curves(results: Mapping[str, Any]) -> dict[str, Curve]:
    """Return (error, time) of each method over its tolerances, coarse first."""
    found: dict[str, Curve] = {}
    for group in results["groups"]:
        if group["workload"] != "W4":
            continue
        for row in rows(group):
            if row.answer and not row.error:
                label = row.label.split(",")[0] if package_of(row.label) == "diffsim" else row.label
                found.setdefault(label, []).append((row.answer, row.wall))
    return {label: sorted(set(points), reverse=True) for label, points in found.items()}


def _best(curves: Mapping[str, Curve]) -> dict[str, list[Curve]]:
    """Return the curves of each package."""
    found: dict[str, list[Curve]] = {}
    for label, curve in curves.items():
        found.setdefault(package_of(label), []).append(curve)
    return found


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Draw time against error, a line a method."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    curves = _curves(results)
    style: dict[Any, Any] = {"font.size": 8, "axes.linewidth": 0.6, "font.family": "DejaVu Sans"}
    markers = iter("osD^vP" * 4)
    with plt.rc_context(style):
        figure, axes = plt.subplots(figsize=(6.6, 4.2), layout="constrained")
        for label, curve in sorted(curves.items(), key=lambda pair: package_of(pair[0]) != "diffsim"):
            ours = package_of(label) == "diffsim"
            color = "#C00000" if ours else COLORS.get(package_of(label), GREY)
            errors, times = [error for error, _ in curve], [1e3 * time for _, time in curve]
            axes.plot(errors, times, marker=next(markers), ms=3.5, lw=1.4 if ours else 0.9, color=color, label=label)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.invert_xaxis()
        axes.set_xlabel("largest error of a final state (more accurate to the right)")
        axes.set_ylabel("time in ms (less is better)")
        axes.grid(True, which="major", lw=0.4, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.set_title("1,024 double pendulums to t = 10, one core", loc="left", fontsize=8.5)
        figure.savefig(path, dpi=150, metadata={"Software": None})
        plt.close(figure)
    shrink(path)
