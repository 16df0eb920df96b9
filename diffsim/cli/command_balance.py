"""Find the momenta that bring a system from given angles to its inverted equilibrium, where it stays a while.

Examples:
  diffsim balance
  diffsim balance DoublePendulum --angles 0.4,0 --out balanced.mp4 --out balance.png
  diffsim balance Pendulum --angles 0.5

The momenta are found by gradients of the residual along the unstable directions, printed to their
last digit, and checked by one run in doubles.
"""

from __future__ import annotations

import argparse
from typing import Any

from diffsim.cli.options import add_system, integer, number, numbers, seed

__all__ = ["HELP", "add_arguments", "film_of", "run"]

HELP = "find the momenta that balance a pendulum upright"

_FILMS = (".mp4", ".gif")
_OTHERS = (".png", ".svg", ".pdf", ".npz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim balance``."""
    add_system(parser, default="DoublePendulum")
    parser.add_argument("--angles", type=numbers, help="initial angles in rad; default 0.4,0 (0.4 for one angle)")
    parser.add_argument("--target", default="inverted", help="name of the equilibrium; default inverted")
    parser.add_argument("--tolerance", type=number, default=0.1, help="what counts as upright, in rad; default 0.1")
    parser.add_argument("--min-stay", type=number, help="seconds that it must stay; default 15 fast time constants")
    parser.add_argument("--seeds", type=integer, default=512, help="number of starts that are tried; default 512")
    parser.add_argument("--seed", type=seed, default=0, help="seed that places them; default 0")
    parser.add_argument(
        "--out",
        metavar="FILE",
        action="append",
        default=[],
        help="where to write: .mp4 or .gif (film), .png, .svg, .pdf (plot) or .npz (numbers); may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Balance, print the momenta and the stay, write what was asked for."""
    from diffsim.cli.options import load_system
    from diffsim.cli.tables import definition_list
    from diffsim.files import check_output

    outputs = [check_output("balance", path, _FILMS + _OTHERS) for path in arguments.out]
    system = load_system(arguments.system, arguments.parameters)
    angles = arguments.angles or [0.4, 0.0, *[0.0] * len(system.angles)][: len(system.angles)]

    from studies import balance

    result = balance(
        system,
        angles,
        target=arguments.target,
        tolerance=arguments.tolerance,
        min_stay=arguments.min_stay,
        n_seeds=arguments.seeds,
        rng=arguments.seed,
        progress=True,
    )
    print(definition_list(describe(result), indent=0))
    for output in outputs:
        if output.suffix.lower() in _FILMS:
            film_of(result).save(output)
        else:
            result.save(output)
        print(f"wrote {output}")
    return 0


def describe(result: Any) -> list[tuple[str, str]]:
    """What was found, as pairs of a heading and a text."""
    momenta = zip(result.free, result.momenta.tolist(), strict=True)
    names = [result.system.state_names[i] for i in result.system.angles]
    return [
        (
            "angles",
            ", ".join(f"{name}={round(float(angle), 12):g}" for name, angle in zip(names, result.angles, strict=True)),
        ),
        ("momenta", ", ".join(f"{name}={value!r}" for name, value in momenta)),
        ("stay", f"{result.stay:.2f} s within {result.tolerance:g} rad of {result.target}"),
        ("from, to", f"{result.entry:.2f} s to {result.exit:.2f} s, in doubles"),
        ("distance from the stable manifold", f"{result.residual:.1e}"),
    ]


def film_of(result: Any, **options: Any) -> Any:
    """Return the film of the checking run, to the end of the fall that follows."""
    from studies import animate

    t_end = float(result.t[-1])
    return animate(
        result.system,
        result.solution,
        (0.0, t_end),
        title=f"balanced for {result.stay:.1f} s",
        progress=True,
        **options,
    )
