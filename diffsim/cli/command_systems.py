"""List the systems that diffsim brings, a line each; with a name, describe that one wholly.

Examples:
  diffsim systems
  diffsim systems DoublePendulum
  diffsim systems my_systems.py:Swing
"""

from __future__ import annotations

import argparse
import inspect
import re
import textwrap
from itertools import zip_longest
from typing import Any

from diffsim.cli.tables import definition_list, short
from diffsim.errors import DiffsimError

__all__ = ["HELP", "add_arguments", "run"]

_WIDTH = 100

HELP = "list the systems, or describe one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim systems``."""
    parser.add_argument(
        "system",
        metavar="SYSTEM",
        nargs="?",
        help="describe this one: a name of the list, or file.py:ClassName (runs that file)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the list, or the description of one system."""
    from diffsim.cli.options import load_class, load_system

    if arguments.system is not None:
        system = load_system(arguments.system)
        print(_description(load_class(arguments.system)))
        print(f"\n{definition_list(_facts(system), indent=0)}")
        return 0
    import systems

    facts = systems.overview()
    room = _WIDTH - max(len(entry.name) for entry in facts) - 4
    entries = [(entry.name, _clipped(entry.summary, room)) for entry in facts]
    print(f"{definition_list(entries, width=_WIDTH)}\n")
    print(f"{len(entries)} systems. Equations, parameters and units of one: diffsim systems NAME")
    return 0


def _description(cls: type[Any]) -> str:
    """Return a system's docstring; a sentence where it has none but that which the decorator writes."""
    text = inspect.getdoc(cls) or ""
    bare = not text or text.startswith(f"{cls.__name__}(")
    return f"{cls.__name__} has no description: write a docstring below its first line." if bare else text


def _clipped(sentence: str, width: int) -> str:
    """Return the clauses of a sentence that fit into a line.

    >>> _clipped("Two uniform rods, the second hinged to the first, swinging without friction.", 60)
    'Two uniform rods, the second hinged to the first'
    """
    if len(sentence) <= width:
        return sentence.removesuffix(".")
    for mark in ("[:;] ", ", "):
        ends = [match.start() for match in re.finditer(mark, sentence) if width // 4 < match.start() <= width]
        if ends:
            return sentence[: ends[-1]]
    return textwrap.shorten(sentence, width, placeholder=" ...")


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
        ("events", ", ".join(getattr(event, "__name__", "one") for event in system.events) or "none"),
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
