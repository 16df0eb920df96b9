"""Film the motion of a system, in real time whatever the solver's step.

Examples:
  diffsim animate DoublePendulum --y0 2,1.5,0,0 --t-end 10 --out film.mp4
  diffsim animate DoublePendulum --y0 2,1.5,0,0 --y0 2.001,1.5,0,0 --speed 0.5 --out two.gif
  diffsim animate DoublePendulum --ghosts 40 --arrows stretch --panel separation --panel theta_2,p_2 --out film.html
  diffsim animate DoublePendulum --compare Euler,GaussLegendre4 --step 0.01 --out euler.html
"""

from __future__ import annotations

import argparse
from typing import Any

from diffsim.cli.options import add_start, add_system, integer, number
from diffsim.errors import ArgumentError

__all__ = ["HELP", "add_arguments", "run"]

HELP = "film the motion; MP4, GIF, or a page that plays it"


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
    parser.add_argument("--width", type=integer, help="pixels, even; default 640, beside panels 1200")
    parser.add_argument("--height", type=integer, help="pixels, even; default 480, beside panels 540 or 720")
    parser.add_argument("--style", default="light", help="light or dark; default light")
    parser.add_argument(
        "--plane", metavar="X,Y", help="draw these two or three state components instead of positions, such as x,z"
    )
    parser.add_argument("--title", help="above the film")
    _add_beside(parser)
    parser.add_argument(
        "--out", metavar="FILE", default="animation.mp4", help=".mp4, .gif or .html; default animation.mp4"
    )


def _add_beside(parser: argparse.ArgumentParser) -> None:
    """Declare what is drawn beside the motion."""
    parser.add_argument("--ghosts", type=integer, default=0, metavar="N", help="that many neighbours, drawn faintly")
    parser.add_argument("--spread", type=number, default=1e-3, help="their distance from the start; default 0.001")
    parser.add_argument("--seed", type=integer, default=0, help="of their directions; default 0")
    parser.add_argument(
        "--arrows", metavar="WHAT", help="stretch, or a state component: the gradient of its final value"
    )
    parser.add_argument(
        "--panel",
        action="append",
        metavar="KIND",
        help="phase, energy, drift, error, separation, growth, or two components such as theta_2,p_2; several times",
    )
    parser.add_argument("--compare", metavar="M,M", help="methods side by side, such as Euler,GaussLegendre4")


def run(arguments: argparse.Namespace) -> int:
    """Integrate, render, write the film."""
    from diffsim.cli.options import end_time, load_system, start_state
    from diffsim.files import check_output

    output = check_output("animate", arguments.out, (".mp4", ".gif", ".html"))
    system = load_system(arguments.system, arguments.parameters)
    starts = [start_state(text, system) for text in arguments.y0 or [None]]

    if arguments.plane is None and not system.drawable and len(system.state_names) < 2:
        raise _nothing_to_draw(system)
    t_end = end_time(arguments, system)
    speed = arguments.speed or (_speed(t_end) if arguments.t_end is None else 1.0)

    from studies import animate

    options = _beside(arguments)
    if arguments.compare is not None:
        if arguments.method is not None:
            raise ArgumentError("animate: --compare names the methods; leave --method out.")
    elif arguments.method is not None or arguments.step is not None:
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
        title=arguments.title,
        style=arguments.style,
        progress=True,
        **options,
    )
    film.save(output)
    print(f"wrote {output}: {film.n_frames} frames, {film.duration:g} s at {film.fps:g} fps")
    return 0


def _beside(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `animate` that were given on the command line, but for those of the solve."""
    options: dict[str, Any] = {
        "ghosts": arguments.ghosts,
        "spread": arguments.spread,
        "seed": arguments.seed,
        "arrows": arguments.arrows,
        "panels": arguments.panel,
    }
    if arguments.compare is not None:
        options["compare"] = [name.strip() for name in arguments.compare.split(",")]
    if arguments.width is not None or arguments.height is not None:
        beside = any((arguments.ghosts, arguments.arrows, arguments.panel, arguments.compare))
        usual = (1200, 540) if beside else (640, 480)
        options["size"] = (arguments.width or usual[0], arguments.height or usual[1])
    return options


def _speed(t_end: float) -> float:
    """Return how many simulated seconds a second of video shows: one, unless the film becomes too long or too short."""
    return 1.0 if 1.0 <= t_end <= 30.0 else t_end / 10.0


def _nothing_to_draw(system: Any) -> ArgumentError:
    """Return the error for a system without positions."""
    who, names = type(system).__name__, system.state_names
    return ArgumentError(
        f"animate: {who} has no positions to draw, and {names[0]} alone makes no plane. Plot it: simulate, or write "
        "positions in its class."
    )
