"""Film the motion of a system, in real time whatever the solver's step.

Examples:
  diffsim animate DoublePendulum --y0 2,1.5,0,0 --t-end 10 --out film.mp4
  diffsim animate DoublePendulum --y0 2,1.5,0,0 --y0 2.001,1.5,0,0 --speed 0.5 --out two.gif
"""

from __future__ import annotations

import argparse
from typing import Any

from diffsim.cli.options import add_start, add_system, integer, number

__all__ = ["HELP", "add_arguments", "run"]

HELP = "film the motion; MP4 or GIF"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim animate``."""
    add_system(parser)
    add_start(parser, several=True)
    parser.add_argument("--method", help="name of a method; default RK45 with tolerances of 1e-8")
    parser.add_argument("--step", type=number, help="step of a fixed-step method, in seconds")
    parser.add_argument("--fps", type=number, default=60.0, help="frames in a second of video; default 60")
    parser.add_argument("--speed", type=number, default=1.0, help="simulated seconds in a second of video; default 1")
    parser.add_argument("--trail", type=number, default=1.0, help="seconds for which the path stays visible; default 1")
    parser.add_argument("--width", type=integer, default=640, help="pixels, even; default 640")
    parser.add_argument("--height", type=integer, default=480, help="pixels, even; default 480")
    parser.add_argument("--style", default="light", help="light or dark; default light")
    parser.add_argument(
        "--plane", metavar="X,Y", help="draw these two state components instead of positions, such as x,z"
    )
    parser.add_argument("--out", metavar="FILE", default="animation.mp4", help=".mp4 or .gif; default animation.mp4")


def run(arguments: argparse.Namespace) -> int:
    """Integrate, render, write the film."""
    from diffsim.cli.options import load_system, start_state
    from diffsim.files import check_output

    output = check_output("animate", arguments.out, (".mp4", ".gif"))
    system = load_system(arguments.system, arguments.parameters)
    starts = [start_state(text, system) for text in arguments.y0 or [None]]

    from studies import animate

    options: dict[str, Any] = {}
    if arguments.method is not None or arguments.step is not None:
        options["method"] = arguments.method or "RK4"
    if arguments.step is not None:
        options["step"] = arguments.step
    if arguments.plane is not None:
        options["plane"] = tuple(name.strip() for name in arguments.plane.split(","))
    film = animate(
        system,
        starts if len(starts) > 1 else starts[0],
        (0.0, arguments.t_end),
        fps=arguments.fps,
        speed=arguments.speed,
        trail=arguments.trail,
        size=(arguments.width, arguments.height),
        style=arguments.style,
        progress=True,
        **options,
    )
    film.save(output)
    print(f"wrote {output}: {film.n_frames} frames, {film.duration:g} s at {film.fps:g} fps")
    return 0
