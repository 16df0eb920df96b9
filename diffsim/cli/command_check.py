"""Check a system: equations, derivatives, invariants, equilibria, structure, and all else that it declares.

Examples:
  diffsim check DoublePendulum
  diffsim check my_systems.py:Swing --states 50
  diffsim check my_systems.py:Swing --set length=2.5 --y0 theta=1 --strict

At random states near the default trajectory, every other one with other parameters, it is asked
whether the rates are finite and the same each time, for single states as for batches, traced as
interpreted; whether derivatives agree with differences; whether invariants stay constant, by their
gradient and in a tight solve; whether equilibria rest; whether a canonical system is the symplectic
gradient of its energy; and more: help(diffsim.testing.check_system). Where something fails, the
simplest state that was found is shown (by Hypothesis, if it is installed). Exit code 1 when a check
fails.
"""

from __future__ import annotations

import argparse
from typing import Any

from diffsim.cli.options import add_system, integer, number, seed

__all__ = ["HELP", "add_arguments", "run"]

HELP = "check that a system is what it says"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim check``."""
    add_system(parser)
    parser.add_argument("--states", metavar="N", type=integer, default=10, help="number of random states; default 10")
    parser.add_argument("--seed", metavar="N", type=seed, default=0, help="seed of the random states; default 0")
    parser.add_argument(
        "--y0", metavar="STATE", help="start to follow and to draw states around; default: the system's own, or ones"
    )
    parser.add_argument(
        "--t-end",
        metavar="T",
        type=number,
        help="how long the start is followed, in seconds; default: the system's own",
    )
    parser.add_argument(
        "--spread", metavar="S", type=number, default=0.3, help="size of the random deviations, relative; default 0.3"
    )
    parser.add_argument("--strict", action="store_true", help="require units, and a docstring with tables")
    parser.add_argument(
        "--interpreted", action="store_true", help="the system is not meant to be traced and compiled: do not ask"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run all checks, print the report; 1 if one fails."""
    from diffsim.cli.options import load_system, start_state
    from diffsim.testing import check_system

    system = load_system(arguments.system, arguments.parameters)
    y0: Any = None if arguments.y0 is None else start_state(arguments.y0, system)
    report = check_system(
        system,
        states=arguments.states,
        y0=y0,
        t_end=arguments.t_end,
        spread=arguments.spread,
        seed=arguments.seed,
        strict=arguments.strict,
        compiled=not arguments.interpreted,
        raises=False,
        progress=True,
    )
    print(report)
    n, total = len(report.failures), len(report.rows)
    print(f"\n{total} checks passed or do not apply." if report.ok else f"\n{n} of {total} checks failed.")
    return 0 if report.ok else 1
