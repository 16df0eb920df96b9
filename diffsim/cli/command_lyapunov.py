"""Measure how fast small changes of a trajectory grow: Lyapunov exponents with error bars.

Examples:
  diffsim lyapunov Lorenz63 --t-total 10000
  diffsim lyapunov DoublePendulum --y0 0.4,0,1,4 --t-total 1000 --method GaussLegendre4 --step 0.01
  diffsim lyapunov DoublePendulum --y0 0.5,0.5,0,0 --indicators
  diffsim lyapunov mine.py:Spring --out spectrum.png --out spectrum.npz

The tangents are exact for the steps that are taken.  Error bars come from the means of long blocks of the trajectory.
With --indicators the question "is it chaotic?" is put to several indicators as well, which agree or say that they do
not.
"""

from __future__ import annotations

import argparse
from typing import Any

from diffsim.cli.options import add_machine, add_system, integer, number, seed
from diffsim.cli.tables import short, text_table

__all__ = ["HELP", "add_arguments", "run"]

HELP = "measure Lyapunov exponents: is it chaotic, and how fast?"

_SUFFIXES = (".png", ".svg", ".pdf", ".npz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim lyapunov``."""
    add_system(parser)
    parser.add_argument(
        "--y0",
        metavar="STATE",
        action="append",
        help="start, all components in order (0.4,0,1,4) or some by name (theta_1=0.4,p_2=4); pi is known (pi/2);"
        " default: the system's own; repeated, the averages of all starts are taken together",
    )
    parser.add_argument(
        "--t-transient", metavar="T", type=number, default=100.0, help="time before, in seconds; default 100"
    )
    parser.add_argument(
        "--t-total", metavar="T", type=number, default=1000.0, help="time of the average, in seconds; default 1000"
    )
    parser.add_argument(
        "--t-renorm",
        metavar="T",
        type=number,
        help="time between two decompositions, in seconds; default 0.5, and 1 iteration of a map",
    )
    parser.add_argument("--count", type=integer, help="how many exponents, the largest first; default all")
    parser.add_argument("--method", help="name of a method; default DOP853, Radau for stiff systems")
    parser.add_argument("--step", type=number, help="step of a fixed-step method, in seconds")
    parser.add_argument("--rtol", type=number, help="relative tolerance of an adaptive method; default 1e-10")
    parser.add_argument("--atol", type=number, help="absolute tolerance of an adaptive method; default 1e-10")
    parser.add_argument("--seed", type=seed, default=0, help="of the tangent vectors at the start; default 0")
    parser.add_argument(
        "--indicators", action="store_true", help="also say whether it is chaotic, by several indicators"
    )
    add_machine(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        action="append",
        default=[],
        help="where to write: .png, .svg, .pdf (how the exponents converge) or .npz (the numbers); may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compute the spectrum, print it with what it must agree with, write what was asked for."""
    from diffsim.cli.options import load_system, machine_options, start_state
    from diffsim.files import check_output

    outputs = [check_output("lyapunov", path, _SUFFIXES) for path in arguments.out]
    system = load_system(arguments.system, arguments.parameters)
    starts = [start_state(text, system) for text in arguments.y0 or [None]]
    asked = {name: getattr(arguments, name) for name in ("step", "rtol", "atol")}
    solver = {name: value for name, value in asked.items() if value is not None} | machine_options(arguments)
    t_renorm = (1.0 if system.discrete else 0.5) if arguments.t_renorm is None else arguments.t_renorm

    import numpy as np

    from studies import is_chaotic, lyapunov_spectrum

    result = lyapunov_spectrum(
        system,
        np.array(starts).T if len(starts) > 1 else starts[0],
        t_transient=arguments.t_transient,
        t_total=arguments.t_total,
        t_renorm=t_renorm,
        k=arguments.count,
        method=arguments.method,
        rng=arguments.seed,
        progress=True,
        **solver,
    )
    print(f"{describe(result)}\n\n{text_table(*rows(result))}\n")
    for line in laws(result):
        print(line)
    if arguments.indicators:
        found = is_chaotic(
            system, starts[0], t_transient=arguments.t_transient, t_total=arguments.t_total, t_renorm=t_renorm,
            method=arguments.method, rng=arguments.seed, **solver,
        )  # fmt: skip
        told = [[name, short(value, 4), says, rule] for name, value, says, rule in found.table]
        print(f"\nverdict: {found.verdict}\n\n{text_table(['indicator', 'value', 'says', 'because'], told)}")
    for output in outputs:
        result.save(output)
        print(f"wrote {output}")
    return 0


def describe(result: Any) -> str:
    """What was computed, in a line."""
    starts = f" from each of {result.n_starts} starts" if result.n_starts > 1 else ""
    return f"{result.title}: {result.t_total:g} {result.times_unit}{starts} with {result.method}"


def rows(result: Any) -> tuple[list[str], list[list[str]]]:
    """The exponents as header and cells of a table."""
    unit = f"[1/{result.time_unit}]"
    half = result.half_width()
    cells = [
        [str(i + 1), f"{value:.5f}", f"{value - width:.5f}", f"{value + width:.5f}"]
        for i, (value, width) in enumerate(zip(result.exponents.tolist(), half.tolist(), strict=True))
    ]
    return ["", f"exponent {unit}", "95 %: from", "to"], cells


def laws(result: Any) -> list[str]:
    """What the exponents must agree with, and what follows from them."""
    lines = []
    if len(result.exponents) == result.dimension:
        what = "mean divergence" if result.times_unit == "s" else "mean ln |det|"
        lines.append(f"sum of the exponents {result.total:.6g}, {what} {result.divergence:.6g}")
        if result.canonical:
            lines.append(f"largest sum of a pair {abs(result.pairing).max():.2g} (0 in the limit)")
        else:
            error = result.kaplan_yorke_error
            lines.append(f"Kaplan-Yorke dimension {result.kaplan_yorke:.4f} +- {error:.1g} (standard error)")
    if result.interval()[0, 0] > 0.0:
        lines.append(f"a small error grows tenfold in {2.302585 / result.exponents[0]:.3g} {result.times_unit}")
    return lines
