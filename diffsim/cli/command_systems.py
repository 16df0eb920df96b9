"""List the systems that diffsim brings, with their states and parameters; with a name, describe that one.

Examples:
  diffsim systems
  diffsim systems DoublePendulum
"""

from __future__ import annotations

import argparse
import inspect
from itertools import zip_longest
from typing import Any

from diffsim.cli.tables import definition_list, short
from diffsim.errors import DiffsimError

__all__ = ["HELP", "add_arguments", "run"]

HELP = "list the systems with their states and parameters"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim systems``."""
    parser.add_argument(
        "system",
        metavar="SYSTEM",
        nargs="?",
        help="describe this one: a name of the list, or file.py:ClassName (runs that file)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the table, or the description of one system."""
    from diffsim.cli.options import load_class, load_system

    if arguments.system is not None:
        system = load_system(arguments.system)
        print(inspect.getdoc(load_class(arguments.system)) or f"{type(system).__name__} has no description.")
        print(f"\n{definition_list(_facts(system), indent=0)}")
        return 0
    import systems

    entries = [(name, systems.find(name)()) for name in systems.names()]
    for name, system in entries:
        print(f"{name}: {_first_line(system)}\n{definition_list(_facts(system)[:2])}\n")
    print("The whole description of one: diffsim systems NAME")
    return 0


def _first_line(system: Any) -> str:
    """The first line of a system's docstring."""
    text = inspect.getdoc(type(system)) or ""
    return text.partition("\n\n")[0].replace("\n", " ")


def _facts(system: Any) -> list[tuple[str, str]]:
    """What there is to know about a system, as pairs of a heading and a text."""
    state = zip_longest(system.state_names, system.state_units, fillvalue="")  # a user's system may have no units
    units = system.parameter_units
    parameters = [f"{name}={short(value)}{_unit(units.get(name, ''))}" for name, value in system.parameters.items()]
    return [
        ("state", ", ".join(f"{name}{_unit(unit)}" for name, unit in state)),
        ("parameters", ", ".join(parameters) or "none"),
        ("default start", _default_start(system)),
        ("invariants", ", ".join(system.invariants) or "none"),
        ("equilibria", ", ".join(system.equilibria) or "none"),
    ]


def _default_start(system: Any) -> str:
    """The default start as text, or that there is none."""
    try:
        return ", ".join(short(value) for value in system.default_state)
    except DiffsimError:
        return "none: give --y0"


def _unit(unit: str) -> str:
    """`` [rad]``, or nothing for a number without a unit."""
    return f" [{unit}]" if unit not in ("", "1") else ""
