"""Film the motion of a system, in real time whatever the solver's step.

Examples:
  diffsim animate DoublePendulum --y0 2,1.5,0,0 --t-end 10 --out film.mp4
  diffsim animate DoublePendulum --y0 2,1.5,0,0 --y0 2.001,1.5,0,0 --speed 0.5 --out two.gif
"""

from __future__ import annotations

import argparse
from typing import Any

from diffsim.cli.options import add_start, add_system, integer, number
from diffsim.errors import ArgumentError

__all__ = ["HELP", "add_arguments", "run"]

HELP = "film the motion; MP4 or GIF"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim animate``."""
    add_system(parser)
    add_start(parser, several=True)
    parser.add_argument("--method", help="name of a method; default RK45 with tolerances of 1e-8")
    parser.add_argument("--step", type=number, help="step of a fixed-step method, in seconds")
    parser.add_argument("--fps", type=number, default=60.0, help="frames in a second of video; default 60")
    parser.add_argument(
        "--speed",
        type=number,
        help="simulated seconds in a second of video; default 1; without --t-end what makes a film"
        " of 10 s where it would last longer than 30 s or less than 1 s",
    )
    parser.add_argument(
        "--trail", type=number, help="simulated seconds for which the path stays visible; default: --speed"
    )
    parser.add_argument("--width", type=integer, default=640, help="pixels, even; default 640")
    parser.add_argument("--height", type=integer, default=480, help="pixels, even; default 480")
    parser.add_argument("--style", default="light", help="light or dark; default light")
    parser.add_argument(
        "--plane", metavar="X,Y", help="draw these two state components instead of positions, such as x,z"
    )
    parser.add_argument("--out", metavar="FILE", default="animation.mp4", help=".mp4 or .gif; default animation.mp4")


def run(arguments: argparse.Namespace) -> int:
    """Integrate, render, write the film."""
    from diffsim.cli.options import end_time, load_system, start_state
    from diffsim.files import check_output

    output = check_output("animate", arguments.out, (".mp4", ".gif"))
    system = load_system(arguments.system, arguments.parameters)
    starts = [start_state(text, system) for text in arguments.y0 or [None]]

    if arguments.plane is None and not system.drawable:
        raise _nothing_to_draw(system)
    t_end = end_time(arguments, system)
    speed = arguments.speed or (_speed(t_end) if arguments.t_end is None else 1.0)

    from studies import animate

    options: dict[str, Any] = {}
    if arguments.method is not None or arguments.step is not None:
        options["method"] = arguments.method or "RK4"
    elif system.stiff:
        options["method"] = "Radau"
    if arguments.step is not None:
        options["step"] = arguments.step
    if arguments.plane is not None:
        options["plane"] = tuple(name.strip() for name in arguments.plane.split(","))
    film = animate(
        system,
        starts if len(starts) > 1 else starts[0],
        (0.0, t_end),
        fps=arguments.fps,
        speed=speed,
        trail=speed if arguments.trail is None else arguments.trail,
        size=(arguments.width, arguments.height),
        style=arguments.style,
        progress=True,
        **options,
    )
    film.save(output)
    print(f"wrote {output}: {film.n_frames} frames, {film.duration:g} s at {film.fps:g} fps")
    return 0


def _speed(t_end: float) -> float:
    """Return how many simulated seconds a second of video shows: one, unless the film becomes too long or too short."""
    return 1.0 if 1.0 <= t_end <= 30.0 else t_end / 10.0


def _nothing_to_draw(system: Any) -> ArgumentError:
    """Return the error for a system without positions."""
    who, names = type(system).__name__, system.state_names
    plane = (
        f"Draw two components of its state: --plane {names[0]},{names[1]}" if len(names) > 1 else "Plot it: simulate"
    )
    return ArgumentError(f"animate: {who} has no positions to draw. {plane}, or write positions in its class.")
