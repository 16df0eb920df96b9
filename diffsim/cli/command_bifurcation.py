"""Draw where a system ends up, over a parameter: a bifurcation diagram.

Examples:
  diffsim bifurcation LogisticMap --axis r=2.5:4:800
  diffsim bifurcation Roessler --axis c=2:6:300 --observable x --out roessler.png
  diffsim bifurcation Duffing --axis drive_amplitude=0.2:0.4:300 --observable x --record 5.235987755982989

Of a map each iterate is recorded; of a flow the maxima of the observable, its minima (--record minima), its values
where another component crosses a value (--record z=27), or once in a period (--record SECONDS).
"""

from __future__ import annotations

import argparse
from typing import Any

from diffsim.cli.map_options import SUFFIXES, add_outputs, add_tiles, named_number, tile_options
from diffsim.cli.options import add_machine, add_start, add_system, axis, integer, number

__all__ = ["HELP", "add_arguments", "run"]

HELP = "draw where a system ends up, over a parameter"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim bifurcation``."""
    add_system(parser)
    parser.add_argument(
        "--axis", metavar="NAME=LOW:HIGH:N", type=axis, required=True, help="a parameter and its N values"
    )
    add_start(parser)
    parser.add_argument("--observable", metavar="NAME", help="the component that is recorded; default the last one")
    parser.add_argument(
        "--record", metavar="WHEN", type=_when, help="maxima (default), minima, NAME=VALUE, or a period in seconds"
    )
    parser.add_argument(
        "--transient",
        metavar="T",
        type=number,
        help="what is left out; default: the system's time, or 1000 iterates",
    )
    parser.add_argument("--points", metavar="N", type=integer, default=100, help="points of each value; default 100")
    parser.add_argument("--method", help="name of a method; default DOP853 (a map is iterated)")
    parser.add_argument("--step", type=number, help="step of a fixed-step method, in seconds")
    add_machine(parser)
    add_tiles(parser)
    add_outputs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compute the diagram and write what was asked for."""
    from diffsim.cli.options import load_system, machine_options, start_state
    from diffsim.files import check_output

    outputs = [check_output("bifurcation", path, SUFFIXES) for path in arguments.out or ["bifurcation.png"]]
    system = load_system(arguments.system, arguments.parameters)
    y0 = start_state(arguments.y0, system)

    from studies import bifurcation_diagram

    with tile_options(arguments, outputs[0], len(arguments.axis[1])) as tiles:
        result = bifurcation_diagram(
            system,
            dict([arguments.axis]),
            y0=y0,
            observable=arguments.observable,
            record=arguments.record,
            transient=arguments.transient,
            n_points=arguments.points,
            t_end=arguments.t_end,
            method=arguments.method,
            progress=True,
            **({} if arguments.step is None else {"step": arguments.step}),
            **tiles,
            **machine_options(arguments),
        )
    for output in outputs:
        result.save(output)
    print(f"{result!r}\n")
    for output in outputs:
        print(f"wrote {output}")
    return 0


def _when(text: str) -> Any:
    """Return what ``--record`` means: a word, a section, a period."""
    if text in ("maxima", "minima"):
        return text
    if "=" in text:
        return dict([named_number(text)])
    try:
        return number(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"must be maxima, minima, NAME=VALUE or seconds; got {text!r}") from None
