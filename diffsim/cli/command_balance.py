"""Find the momenta that bring a system from given angles to its inverted equilibrium, where it stays a while.

Examples:
  diffsim balance
  diffsim balance DoublePendulum --angles 0.4,0 --out balanced.mp4 --out balance.png
  diffsim balance --travel 3.4 --lattice 3
  diffsim balance --digits 50
  diffsim balance --start 1,4 --route descent
  diffsim balance Pendulum --angles 0.5

All momenta up to a travel time are found, on the stable manifold of the equilibrium, and listed; the
best are printed to their last digit, and run in doubles by two methods and under the exact flow.
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
    parser.add_argument(
        "--travel", type=number, metavar="T", help="longest travel time in s; default 6 slow time constants"
    )
    parser.add_argument(
        "--start", type=numbers, help="momenta to begin with: the solution found from there comes first"
    )
    parser.add_argument(
        "--route",
        default="manifold",
        choices=("manifold", "descent"),
        help="descent: plain gradient descent, to compare",
    )
    parser.add_argument(
        "--lattice",
        type=integer,
        default=0,
        metavar="K",
        help="search the doubles around the first K for the best pair",
    )
    parser.add_argument("--digits", type=integer, help="refine the momenta to so many decimal digits, 20 or more")
    parser.add_argument("--rows", type=integer, default=10, help="solutions that are listed; default 10")
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
        t_travel=arguments.travel,
        start=arguments.start,
        route=arguments.route,
        lattice=arguments.lattice,
        digits=arguments.digits,
        n_seeds=arguments.seeds,
        rng=arguments.seed,
        progress=True,
    )
    print(definition_list(describe(result), indent=0))
    print(f"\n{result.table(arguments.rows)}\n")
    for output in outputs:
        if output.suffix.lower() in _FILMS:
            film_of(result).save(output)
        else:
            result.save(output)
        print(f"wrote {output}")
    return 0


def describe(result: Any) -> list[tuple[str, str]]:
    """What was found, as pairs of a heading and a text."""
    momenta = zip(result.free, result.momenta_text, strict=True)
    names = [result.system.state_names[i] for i in result.system.angles]
    growing = sorted((v.real for v in result.eigenvalues if v.real > 1e-6), reverse=True)
    exact = f"{result.stay_exact:.2f} s"
    if result.stay_refereed == result.stay_refereed:  # no NaN
        exact += f" by Taylor series, {result.stay_refereed:.2f} s by the referee, extrapolation in multiprecision"
    return [
        (
            "angles",
            ", ".join(f"{name}={round(float(angle), 12):g}" for name, angle in zip(names, result.angles, strict=True)),
        ),
        ("momenta", ", ".join(f"{name}={value}" for name, value in momenta)),
        ("stay", f"{result.stay:.2f} s within {result.tolerance:g} rad of {result.target}, run in doubles"),
        ("from, to", f"{result.entry:.2f} s to {result.exit:.2f} s; {result.stay_second:.2f} s by {result.second}"),
        ("under the exact flow", exact),
        ("possible", f"{result.ceiling:.2f} s may be expected of the best doubles near this solution"),
        ("distance from the stable manifold", f"{result.residual:.1e}"),
        ("growth", ", ".join(f"exp({rate:.4f} t)" for rate in growing)),
        (
            "solutions",
            f"{len(result.all_arrivals)}, {'all' if result.complete else 'not certainly all'} up to this travel time",
        ),
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
