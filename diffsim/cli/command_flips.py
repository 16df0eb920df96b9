"""Map when either arm of a pendulum first goes over the top, over a grid of two starts or parameters.

Examples:
  diffsim flips DoublePendulum --axis theta_1=-pi:pi:128 --axis theta_2=-pi:pi:128 --out flips.png
  diffsim flips DoublePendulum --axis theta_1=-2:2:96 --axis energy=-10:20:64 --solve-for p_1 --out flips.npz

The times are tried, not believed: each cell is solved twice, with a step and with half of it, and again as long as the
times differ by more than --accuracy.  Cells in which they still do are counted as uncertain.
"""

from __future__ import annotations

import argparse
import math

from diffsim.cli.map_options import SUFFIXES, add_axes, add_outputs, add_tiles, tile_options, two_axes
from diffsim.cli.options import add_machine, add_start, add_system, number

__all__ = ["HELP", "add_arguments", "run"]

HELP = "map when a pendulum first flips"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim flips``."""
    add_system(parser, default="DoublePendulum")
    add_axes(parser)
    add_start(parser)
    parser.add_argument(
        "--accuracy", type=number, default=1e-6, help="how exactly the times are to be known, in seconds; default 1e-6"
    )
    parser.add_argument("--method", help="name of a method; default Vern8")
    parser.add_argument("--step", type=number, help="first step of a fixed-step method, in seconds; default 0.02")
    add_machine(parser)
    add_tiles(parser)
    add_outputs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compute the map, write what was asked for, say how much flips and how certain that is."""
    from diffsim.cli.options import load_system, machine_options, start_state
    from diffsim.files import check_output

    outputs = [check_output("flips", path, SUFFIXES) for path in arguments.out or ["flips.png"]]
    system = load_system(arguments.system, arguments.parameters)
    y0 = None if arguments.y0 is None else start_state(arguments.y0, system)
    axes = two_axes("flips", arguments, system, y0 or [0.0] * len(system.state_names))

    from studies import flip_time_map

    n_cells = math.prod(map(len, axes.values()))
    with tile_options(arguments, outputs[0], n_cells) as tiles:
        result = flip_time_map(
            system,
            axes,
            y0=y0,
            t_end=20.0 if arguments.t_end is None else arguments.t_end,
            accuracy=arguments.accuracy,
            energy=arguments.energy,
            solve_for=arguments.solve_for,
            method=arguments.method or "Vern8",
            step=arguments.step,
            progress=True,
            **tiles,
            **machine_options(arguments),
        )
    for output in outputs:
        result.save(output)
    print(f"{result!r}\n")
    for output in outputs:
        print(f"wrote {output}")
    return 0
