"""Find where trajectories cross a surface in their state space: a Poincare section.

Examples:
  diffsim section DoublePendulum --at theta_1=0 --energy -12 --solve-for p_1 --range theta_2=-1.5:1.5 --range p_2=-1:1
  diffsim section Lorenz63 --at z=27 --direction down --points 2000 --out section.png

Give one start with --y0, or an energy with what is drawn (--range) and what is chosen to give each start this energy
(--solve-for).  Angles cross a value but for whole turns.
"""

from __future__ import annotations

import argparse

from diffsim.cli.map_options import SUFFIXES, add_outputs, add_tiles, limits, named_number, tile_options
from diffsim.cli.options import add_machine, add_start, add_system, integer, number, seed

__all__ = ["HELP", "add_arguments", "run"]

HELP = "find where trajectories cross a surface"

_DIRECTIONS = {"up": 1, "down": -1, "both": 0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim section``."""
    add_system(parser)
    parser.add_argument(
        "--at", metavar="NAME=VALUE", type=named_number, required=True, help="the section, such as theta_1=0 or z=27"
    )
    parser.add_argument("--direction", choices=tuple(_DIRECTIONS), default="up", help="of the crossings; default up")
    add_start(parser)
    parser.add_argument("--energy", metavar="E", type=number, help="draw starts of this energy")
    parser.add_argument("--solve-for", metavar="NAME", help="the momentum or velocity that gives each its energy")
    parser.add_argument(
        "--range",
        metavar="NAME=LOW:HIGH",
        action="append",
        type=limits,
        default=[],
        dest="ranges",
        help="what is drawn, uniformly; may be repeated",
    )
    parser.add_argument("--starts", metavar="N", type=integer, default=24, help="starts that are drawn; default 24")
    parser.add_argument("--seed", type=seed, default=0, help="of the drawing; default 0")
    parser.add_argument("--points", metavar="N", type=integer, default=300, help="crossings of each; default 300")
    parser.add_argument("--plane", metavar="X,Y", help="components that are drawn; default: one and its momentum")
    parser.add_argument("--method", help="name of a method; default DOP853")
    parser.add_argument("--step", type=number, help="step of a fixed-step method, in seconds")
    add_machine(parser)
    add_tiles(parser)
    add_outputs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Find the crossings and write what was asked for."""
    from diffsim.cli.options import load_system, machine_options, start_state
    from diffsim.errors import must
    from diffsim.files import check_output

    outputs = [check_output("section", path, SUFFIXES) for path in arguments.out or ["section.png"]]
    system = load_system(arguments.system, arguments.parameters)
    drawn = arguments.energy is not None
    y0 = None if drawn and arguments.y0 is None else start_state(arguments.y0, system)
    plane = arguments.plane.split(",") if arguments.plane else []
    if len(plane) not in (0, 2):
        raise must("section", "--plane", "must name two components", arguments.plane)

    from studies import poincare_section

    with tile_options(arguments, outputs[0], arguments.starts if drawn else 1) as tiles:
        result = poincare_section(
            system,
            dict([arguments.at]),
            y0=y0,
            energy=arguments.energy,
            solve_for=arguments.solve_for,
            ranges=dict(arguments.ranges) or None,
            n_starts=arguments.starts,
            seed=arguments.seed,
            direction=_DIRECTIONS[arguments.direction],
            n_points=arguments.points,
            t_end=arguments.t_end,
            method=arguments.method or "DOP853",
            progress=True,
            **({} if arguments.step is None else {"step": arguments.step}),
            **tiles,
            **machine_options(arguments),
        )
    result.plot(*plane)  # an unknown component is told before anything is written
    for output in outputs:
        if output.suffix.lower() in (".png", ".svg", ".pdf"):
            result.save_picture(output, *plane)
        else:
            result.save(output)
    print(f"{result!r}\n")
    for output in outputs:
        print(f"wrote {output}")
    return 0
