"""Arguments that several commands share, and how their text becomes numbers and systems."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from diffsim.errors import ArgumentError, must, unknown_name

__all__ = [
    "RUNS_FILE",
    "add_start",
    "add_system",
    "integer",
    "join_negative_numbers",
    "load_class",
    "load_system",
    "number",
    "numbers",
    "start_state",
]

RUNS_FILE = "NOTE: file.py:ClassName runs that file, with your rights; name only files that you trust."

_PI = re.compile(r"([+-]?)(\d*\.?\d*)\*?pi(?:/(\d+\.?\d*))?", re.IGNORECASE)
_USER_MODULE = "diffsim_user_file"


def add_system(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the positional argument ``system`` and ``--set``."""
    parser.add_argument(
        "system",
        metavar="SYSTEM",
        nargs="?" if default else None,
        default=default,
        help="a name that `diffsim systems` lists, or file.py:ClassName (runs that file)"
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


def add_start(parser: argparse.ArgumentParser, t_end: float = 10.0) -> None:
    """Add ``--y0`` and ``--t-end``."""
    parser.add_argument(
        "--y0",
        metavar="STATE",
        help="start, all components in order (0.4,0,1,4) or some by name (theta_1=0.4,p_2=4); pi is known (pi/2);"
        " default: the system's own",
    )
    parser.add_argument(
        "--t-end", metavar="T", type=number, default=t_end, help=f"end time in seconds; default {t_end:g}"
    )


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


def integer(text: str) -> int:
    """Return the whole number above 0 that `text` writes.

    >>> integer("64")
    64
    """
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0; got {text!r}")
    return value


def numbers(text: str) -> list[float]:
    """Return the numbers of a list such as ``0.4,0,pi/2``.

    >>> numbers("0.4, 0")
    [0.4, 0.0]
    """
    return [number(part) for part in text.split(",")]


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
    from diffsim.protocols import is_system

    found = load_class(spec)
    values: dict[str, float] = {}
    for change in changes:
        values.update(_named(change, "--set", "gravity=1.62"))
    try:
        system = found() if isinstance(found, type) else found
    except TypeError as error:
        raise ArgumentError(f"{spec}: every parameter needs a default value; {error}.") from None
    if not is_system(system):
        raise ArgumentError(
            f"{spec}: must be a System (a frozen dataclass below systems.System, or an instance of one);"
            f" got {type(system).__name__}."
        )
    return system.replace(**values) if values else system  # type: ignore[attr-defined] # every System has replace


def load_class(spec: str) -> Any:
    """Return the class (or instance) that `spec` names: a system's name, or ``file.py:ClassName`` (runs the file)."""
    file, colon, name = spec.rpartition(":")
    if colon and file:
        return _from_file(Path(file).expanduser(), name)
    if spec.endswith(".py"):
        raise must("diffsim", "system", "must say which class of the file is meant", spec, f"Write {spec}:ClassName.")
    import systems

    return systems.find(spec)


def start_state(text: str | None, system: Any) -> list[float]:
    """Return the start that ``--y0`` writes, by position or by name; the system's own start where it says nothing."""
    names: Sequence[str] = system.state_names
    if text is None:
        return [float(value) for value in system.default_state]
    who = type(system).__name__
    if "=" in text:
        state = dict(zip(names, map(float, system.default_state), strict=True))
        for name, value in _named(text, "--y0", "theta_1=0.4").items():
            if name not in state:
                raise unknown_name(who, "state component", name, names)
            state[name] = value
        return list(state.values())
    state_list = _argument(numbers, text, "--y0")
    if len(state_list) != len(names):
        raise must("--y0", "state", f"must have {len(names)} numbers ({', '.join(names)})", text)
    return state_list


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


def _from_file(file: Path, name: str) -> Any:
    """Return the object `name` of the Python file `file`, after running it."""
    if not file.is_file():
        raise ArgumentError(f"diffsim: there is no file {str(file)!r} to take {name!r} from.")
    module = _run_file(file)
    if not hasattr(module, name):
        classes = [
            key for key, value in vars(module).items() if isinstance(value, type) and value.__module__ == _USER_MODULE
        ]
        raise unknown_name(file.name, "class", name, classes)
    return getattr(module, name)


def _run_file(file: Path) -> ModuleType:
    """Run a user's file as a module and return it."""
    spec = importlib.util.spec_from_file_location(_USER_MODULE, file)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"diffsim: {str(file)!r} must be a Python file (ending in .py).")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_USER_MODULE] = module  # dataclasses look their own module up
    sys.path.insert(0, os.fspath(file.resolve().parent))  # as `python file.py` does
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the file does wrong, it is the file that is wrong
        raise ArgumentError(f"{file.name}{_line_in(file, error)}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    return module


def _line_in(file: Path, error: Exception) -> str:
    """``, line 7``: the last line of `file` in the error's traceback."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f", line {error.lineno}"
    line, trace = None, error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == file.name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line is not None else ""
