"""Arguments that several commands share, and how their text becomes numbers and systems."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from diffsim.errors import ArgumentError, DiffsimError, KindError, must, unknown_name

__all__ = [
    "RUNS_FILE",
    "add_machine",
    "add_start",
    "add_system",
    "axis",
    "end_time",
    "integer",
    "join_negative_numbers",
    "load_class",
    "load_system",
    "machine_options",
    "number",
    "numbers",
    "seed",
    "start_state",
]

RUNS_FILE = "NOTE: file.py:ClassName runs that file, with your rights; name only files that you trust."

_PI = re.compile(r"([+-]?)(\d*\.?\d*)\*?pi(?:/(\d+\.?\d*))?", re.IGNORECASE)


def add_system(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the positional argument ``system`` and ``--set``."""
    parser.add_argument(
        "system",
        metavar="SYSTEM",
        nargs="?" if default else None,
        default=default,
        help="a name that `diffsim systems` lists, or file.py:ClassName, or file.py if it has one (runs that file)"
        + (f"; default {default}" if default else ""),
    )
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        dest="parameters",
        help="change a parameter, such as gravity=1.62; may be repeated",
    )


def add_start(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add ``--y0``, which may be repeated where `several` starts make sense, and ``--t-end`` (see `end_time`)."""
    parser.add_argument(
        "--y0",
        metavar="STATE",
        action="append" if several else "store",
        help="start, all components in order (0.4,0,1,4) or some by name (theta_1=0.4,p_2=4); pi is known (pi/2);"
        f" default: the system's own{'; may be repeated' if several else ''}",
    )
    parser.add_argument(
        "--t-end",
        metavar="T",
        type=number,
        help="end time in seconds, or iterates of a map; default: the system's own, 10 for most",
    )


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Add ``--compiled`` and ``--threads``."""
    parser.add_argument(
        "--compiled",
        choices=("auto", "yes", "no"),
        default="auto",
        help="run fixed steps as machine code: auto (the default: where it can be done), yes (or say why not), no",
    )
    parser.add_argument(
        "--threads",
        type=integer,
        metavar="N",
        help="threads of machine code; default: all cores. Same results with any",
    )


def machine_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What ``--compiled`` and ``--threads`` mean, as `solve_ivp` takes it."""
    compiled = {"auto": "auto", "yes": True, "no": False}[arguments.compiled]
    return {"compiled": compiled, "threads": arguments.threads}


def number(text: str) -> float:
    """Return the finite number that `text` writes; ``pi``, ``-pi/2``, ``2*pi`` are known.

    >>> number("1e-3"), number("pi/2") == math.pi / 2
    (0.001, True)
    """
    cleaned = text.strip()
    match = _PI.fullmatch(cleaned)
    try:
        if match:
            sign, factor, divisor = match.groups()
            value = float(f"{sign}{factor or 1}") * math.pi / float(divisor or 1)
        else:
            value = float(cleaned)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"must be a number; got {text!r}") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number; got {text!r}")
    return value


def integer(text: str, least: int = 1) -> int:
    """Return the whole number, `least` or more, that `text` writes.

    >>> integer("64")
    64
    """
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"must be a whole number, {least} or more; got {text!r}")
    return value


def seed(text: str) -> int:
    """Return the seed that `text` writes: a whole number, 0 or more."""
    return integer(text, least=0)


def numbers(text: str) -> list[float]:
    """Return the numbers of a list such as ``0.4,0,pi/2``.

    >>> numbers("0.4, 0")
    [0.4, 0.0]
    """
    return [number(part) for part in text.split(",")]


def axis(text: str) -> tuple[str, Any]:
    """Return the name and the values of an axis such as ``theta_1=-pi:pi:128``.

    >>> name, values = axis("p_1=0:2:5")
    >>> name, values.tolist()
    ('p_1', [0.0, 0.5, 1.0, 1.5, 2.0])
    """
    name, _, grid = text.partition("=")
    parts = grid.split(":")
    if not name or len(parts) != 3:
        raise argparse.ArgumentTypeError(f"must be NAME=LOW:HIGH:N, such as theta_1=-pi:pi:128; got {text!r}")
    low, high, count = number(parts[0]), number(parts[1]), integer(parts[2])
    import numpy as np

    return name.strip(), np.linspace(low, high, count)


def join_negative_numbers(arguments: Sequence[str]) -> list[str]:
    """Write ``--y0 -1,2`` as ``--y0=-1,2``: argparse would take ``-1,2`` for an option.

    >>> join_negative_numbers(["simulate", "--y0", "-1,2", "--t-end", "5"])
    ['simulate', '--y0=-1,2', '--t-end', '5']
    """
    joined: list[str] = []
    for argument in arguments:
        before = joined[-1] if joined else ""
        if re.match(r"-(\.?\d|pi)", argument) and before.startswith("--") and "=" not in before:
            joined[-1] = f"{before}={argument}"
        else:
            joined.append(argument)
    return joined


def load_system(spec: str, changes: Sequence[str] = ()) -> Any:
    """Return an instance of the system `spec`, with the parameters of `changes` (``["gravity=1.62"]``) set.

    Raises
    ------
    ArgumentError
        The name, file, class or parameter is unknown, or a value is no number or not allowed.
    """
    found = load_class(spec)
    values: dict[str, float] = {}
    for change in changes:
        values.update(_named(change, "--set", "gravity=1.62"))
    with _blaming(spec):  # a check of the user's own, or a parameter without a default
        return found(**values)


def load_class(spec: str) -> Any:
    """Return the class that `spec` names: a system's name, or ``file.py:ClassName``, which runs the file."""
    import systems

    path, _, _ = spec.rpartition(":")
    folder = os.fspath(Path(path).expanduser().resolve().parent)
    sys.path.insert(0, folder)  # the file may import its neighbours, as with `python file.py`
    try:
        with _blaming(spec):
            return systems.find(spec)
    finally:
        sys.path.remove(folder)


def end_time(arguments: argparse.Namespace, system: Any) -> float:
    """Return the end time that ``--t-end`` gives; the system's own where it says nothing."""
    return float(system.default_time if arguments.t_end is None else arguments.t_end)


def start_state(text: str | None, system: Any) -> list[float]:
    """Return the start that ``--y0`` writes, by position or by name; the system's own start where it says nothing."""
    names: Sequence[str] = system.state_names
    who = type(system).__name__
    if text is None:
        return _own_start(system, f"Give --y0 {','.join(f'{name}=...' for name in names)}")
    if "=" in text:
        given = _named(text, "--y0", f"{names[0]}=0.4")
        for name in given:
            if name not in names:
                raise unknown_name(who, "state component", name, names)
        missing = [name for name in names if name not in given]
        rest = dict(zip(names, _own_start(system, f"Give {', '.join(missing)} too"), strict=True)) if missing else {}
        return [given[name] if name in given else rest[name] for name in names]
    state: list[float] = _argument(numbers, text, "--y0")
    if len(state) != len(names):
        raise must("--y0", "state", f"must have {len(names)} numbers ({', '.join(names)})", text)
    return state


def _own_start(system: Any, mend: str) -> list[float]:
    """Return the start that the system declares; the error where it has none says what to do at the shell."""
    try:
        return [float(value) for value in system.default_state]
    except KindError:
        who = type(system).__name__
        raise ArgumentError(
            f"--y0: {who} has no start of its own. {mend}, or write default_state in its class."
        ) from None


def _named(text: str, option: str, example: str) -> Mapping[str, float]:
    """Return ``{name: value}`` of ``a=1,b=2``."""
    values = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise must(option, "value", "must be NAME=VALUE", part, f"Such as {example}.")
        values[name.strip()] = _argument(number, value, f"{option} {name.strip()}")
    return values


def _argument(convert: Any, text: str, option: str) -> Any:
    """Return ``convert(text)`` with its complaint as one of our errors."""
    try:
        return convert(text)
    except argparse.ArgumentTypeError as error:
        raise ArgumentError(f"{option} {error}.") from None


@contextlib.contextmanager
def _blaming(spec: str) -> Iterator[None]:
    """Turn an error inside the user's file of ``file.py:ClassName`` into one that names the file and the line."""
    try:
        yield
    except DiffsimError:
        raise
    except Exception as error:
        path, colon, name = spec.rpartition(":")
        if not colon:
            raise
        file = Path(path).name
        lines = [
            entry.lineno for entry in traceback.extract_tb(error.__traceback__) if Path(entry.filename).name == file
        ]
        if isinstance(error, SyntaxError):
            lines = [error.lineno]
        place = f"{file}, line {lines[-1]}" if lines else f"{file}, {name}"
        raise ArgumentError(f"{place}: {type(error).__name__}: {error}") from error
