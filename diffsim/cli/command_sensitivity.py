"""Map how strongly the outcome depends on the start, over a grid of two starts or parameters.

Examples:
  diffsim sensitivity DoublePendulum --axis theta_1=-pi:pi:128 --axis theta_2=-pi:pi:128 --out map.png
  diffsim sensitivity DoublePendulum --axis p_1=0:5:64 --axis gravity=1:20:64 --measure ftle --out map.npz

The derivatives are exact for the steps that are taken.  Measures: `gradient`, the norm of the
gradient of an observable at the end; `singular_value`, the largest factor by which a small change
of the start can grow; `ftle`, the finite-time Lyapunov exponent.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

from diffsim.cli.map_options import SUFFIXES, add_axes, add_outputs, add_tiles, tile_options, two_axes
from diffsim.cli.options import add_machine, add_start, add_system, integer, number
from diffsim.cli.tables import short, text_table

__all__ = ["HELP", "add_arguments", "run"]

HELP = "map the sensitivity to the start or to parameters"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim sensitivity``."""
    add_system(parser)
    add_axes(parser)
    add_start(parser)
    parser.add_argument("--measure", default="gradient", help="gradient, singular_value or ftle; default gradient")
    parser.add_argument("--observable", metavar="NAME", help="state component whose gradient is taken")
    parser.add_argument(
        "--method", help="name of a method; default RK4, Radau if the system is stiff; a map is iterated"
    )
    parser.add_argument(
        "--step", type=number, help="step of a fixed-step method, in seconds; default 0.01, beyond 10 s a 1000th"
    )
    add_machine(parser)
    add_tiles(parser)
    parser.add_argument("--rank", type=integer, default=5, help="how many extreme starts to list; default 5")
    add_outputs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compute the map, write what was asked for, list the most and the least sensitive starts."""
    from diffsim.cli.options import end_time, load_system, machine_options, start_state
    from diffsim.files import check_output

    outputs = [check_output("sensitivity", path, SUFFIXES) for path in arguments.out or ["sensitivity.png"]]
    system = load_system(arguments.system, arguments.parameters)
    given = arguments.y0 is not None or not set(system.state_names) <= set(dict(arguments.axes))
    y0 = start_state(arguments.y0, system) if given else None
    axes = two_axes("sensitivity", arguments, system, y0 or [0.0] * len(system.state_names))

    from studies import sensitivity_map

    n_cells = math.prod(map(len, axes.values()))
    with tile_options(arguments, outputs[0], n_cells) as tiles:
        result = sensitivity_map(
            system,
            axes,
            y0=y0,
            t_end=end_time(arguments, system),
            measure=arguments.measure,
            observable=arguments.observable,
            energy=arguments.energy,
            solve_for=arguments.solve_for,
            **_solver(arguments, system),
            progress=True,
            **tiles,
            **machine_options(arguments),
        )
    for output in outputs:
        result.save(output)
    print(f"{result!r}\n\n{text_table(*ranking_rows(result, arguments.rank))}\n")
    for output in outputs:
        print(f"wrote {output}")
    return 0


def _solver(arguments: argparse.Namespace, system: Any) -> dict[str, Any]:
    """Return method and step: 1000 steps of RK4, or of 0.01 s up to 10 s; what a system says it needs."""
    if system.discrete or arguments.method is not None or arguments.step is not None:
        return {"method": arguments.method, "step": arguments.step}
    if system.stiff:
        return {"method": "Radau"}
    from diffsim.cli.options import end_time

    t_end = abs(end_time(arguments, system))
    return {"method": "RK4", "step": 0.01 if 1.0 <= t_end <= 10.0 else t_end / 1000.0}


def ranking_rows(result: Any, count: int) -> tuple[list[str], list[list[str]]]:
    """The most and the least sensitive starts as header and cells of a table."""
    unit = f" [{result.unit}]" if result.unit not in ("", "1") else ""
    rows = []
    for title, starts in (("most", result.most_sensitive(count)), ("least", result.least_sensitive(count))):
        rows += [
            [f"{title} sensitive", *(short(value) for value in start.point.values()), short(start.value)]
            for start in starts
        ]
    return ["", *result.axes, result.measure + unit], rows
