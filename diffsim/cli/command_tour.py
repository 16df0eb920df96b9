"""Show what diffsim does, in under a minute: a sensitivity map, a balanced pendulum, a gradient table, one summary.

Examples:
  diffsim tour
  diffsim tour --quick --out somewhere

Writes sensitivity.png, balance.mp4, balance.png, gradients.csv and summary.html into a folder.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["HELP", "add_arguments", "run"]

HELP = "show what diffsim does, in under a minute"

_START = (0.4, 0.0, 1.0, 4.0)
_STEP = 0.01  # of the map
_FINE = 0.005  # of the gradients, so that they are those of the pendulum too, and not of the method alone


@dataclass(frozen=True)
class _Plan:
    """How much the tour computes."""

    grid: int
    t_map: float
    t_gradient: float
    fps: float
    size: tuple[int, int]


_FULL = _Plan(grid=128, t_map=5.0, t_gradient=3.0, fps=60.0, size=(720, 720))
_QUICK = _Plan(grid=32, t_map=2.0, t_gradient=1.0, fps=30.0, size=(360, 360))


@dataclass
class _Tour:
    """What the stages hand on to the summary."""

    folder: Path
    plan: _Plan
    system: Any
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, title: str, file: str) -> Iterator[Path]:
        """Time a stage, and say when it is done."""
        start = time.perf_counter()
        yield self.folder / file
        self.seconds[title] = time.perf_counter() - start
        print(f"{title:<42} {self.seconds[title]:6.1f} s   {file}", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim tour``."""
    parser.add_argument("--out", metavar="DIR", default="diffsim-tour", help="folder; default ./diffsim-tour")
    parser.add_argument("--quick", action="store_true", help="smaller pictures, in a quarter of the time")


def run(arguments: argparse.Namespace) -> int:
    """Run all stages, write the summary, print the table; 1 if a gradient disagrees."""
    from diffsim.cli.tables import text_table
    from diffsim.cli.tour_gradients import rows_as_text
    from diffsim.files import atomic, check_folder, check_output

    folder = check_folder("tour", arguments.out)
    for name in ("sensitivity.png", "balance.mp4", "balance.png", "gradients.csv", "summary.html"):
        check_output("tour", folder / name)
    from systems import DoublePendulum

    tour = _Tour(folder, _QUICK if arguments.quick else _FULL, DoublePendulum())
    rows = _gradients(tour)
    map_ = _sensitivity(tour)
    balanced = _balance(tour)
    with tour.stage("summary", "summary.html") as file, atomic(file) as temporary:
        temporary.write_text(_page(tour, rows, map_, balanced).render(), encoding="utf-8")
    print(f"\nd theta_2({tour.plan.t_gradient:g} s) / d start and parameters, from {_START}, RK4, step {_FINE:g} s\n")
    print(text_table(*rows_as_text(rows)))
    print(f"\n{balanced!r}")
    print(f"\n{sum(tour.seconds.values()):.1f} s in all; open {folder / 'summary.html'}")
    return 0 if all(row.agrees for row in rows) else 1


def _gradients(tour: _Tour) -> Any:
    """The derivative of theta_2 at the end by all start components and parameters, three ways."""
    from diffsim.cli.tour_gradients import gradient_rows, rows_as_text
    from diffsim.files import atomic
    from diffsim.progress import progress_bar

    n_rows = len(tour.system.state_names) + len(tour.system.parameter_names)
    with tour.stage("gradients, and differences to check them", "gradients.csv") as file:
        with progress_bar(n_rows, "differencing", True, "derivatives") as bar:
            rows = gradient_rows(tour.system, _START, "theta_2", tour.plan.t_gradient, _FINE, bar)
        header, cells = rows_as_text(rows)
        with atomic(file) as temporary:
            temporary.write_text("".join(",".join(line) + "\n" for line in [header, *cells]), encoding="utf-8")
    return rows


def _sensitivity(tour: _Tour) -> Any:
    """The map over both starting angles, from rest."""
    import numpy as np

    from studies import sensitivity_map

    # Middles of cells that tile the circle: -pi and pi are the same start.
    angles = np.pi * (2.0 * np.arange(tour.plan.grid) + 1.0 - tour.plan.grid) / tour.plan.grid
    with tour.stage("sensitivity map", "sensitivity.png") as file:
        result = sensitivity_map(
            tour.system,
            {"theta_1": angles, "theta_2": angles},
            y0=[0.0] * 4,
            t_end=tour.plan.t_map,
            measure="ftle",
            method="RK4",
            step=_STEP,
            progress=True,
        )
        result.save(file)
    return result


def _balance(tour: _Tour) -> Any:
    """The momenta that balance the pendulum from (0.4, 0), and the film of it."""
    from diffsim.cli.command_balance import film_of
    from studies import balance

    with tour.stage("balanced double pendulum", "balance.png") as file:
        result = balance(tour.system, (0.4, 0.0), progress=True)
        result.save(file)
    with tour.stage("its film", "balance.mp4") as file:
        film_of(result, fps=tour.plan.fps, size=tour.plan.size).save(file)
    return result


def _page(tour: _Tour, rows: Any, map_: Any, balanced: Any) -> Any:
    """The summary as a page."""
    from diffsim.cli.command_balance import describe
    from diffsim.cli.command_sensitivity import ranking_rows
    from diffsim.cli.page import Page
    from diffsim.cli.tour_gradients import rows_as_text
    from studies._output import made_with

    page = Page("diffsim: a tour of the double pendulum")
    page.text(
        f"Two uniform rods, `{tour.system!r}`. Everything below is computed from its equations, written once, and from"
        " exact derivatives of each step that the solver took."
    )
    page.heading("One gradient, three ways")
    page.text(
        f"How `theta_2` after {tour.plan.t_gradient:g} s depends on the start {_START} and on the parameters: backwards"
        f" through {round(tour.plan.t_gradient / _FINE)} steps of RK4, forwards along with them, and by extrapolated"
        " finite differences with a bound of their error."
    )
    page.table(*rows_as_text(rows))
    page.heading("Where is it sensitive?")
    page.picture(
        "sensitivity.png",
        f"Finite-time Lyapunov exponent over {tour.plan.t_map:g} s for starts from rest: the rate at which the largest"
        " small change of the start grows. Calm around hanging, fractal where the rods can flip.",
    )
    page.table(*ranking_rows(map_, 3))
    page.heading("Can it be balanced?")
    page.text(
        "From the angles 0.4 and 0, two momenta were found by gradients of the residual along the unstable directions,"
        " so that both rods swing up, stand, and stay as long as the digits of a double allow."
    )
    page.film("balance.mp4", "One run in doubles from these momenta, in real time; nothing steers it.")
    page.picture("balance.png", "The same run: deviation from upright, on a logarithmic scale, and the angles.")
    page.table(["", ""], [list(pair) for pair in describe(balanced)])
    page.heading("How long it took")
    page.table(["stage", "seconds"], [[title, f"{seconds:.1f}"] for title, seconds in tour.seconds.items()])
    page.text(f"Made by `diffsim tour` with {made_with()}.")
    return page
