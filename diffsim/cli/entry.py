"""What happens between the shell and a command: parsing, exit codes, errors in one line."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import io
import os
import pkgutil
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn

from diffsim.cli import options
from diffsim.cli.tables import definition_list
from diffsim.errors import ArgumentError, DiffsimError, unknown_name

__all__ = ["build_parser", "command_names", "main"]

_ORDER = (
    "tour",
    "simulate",
    "sensitivity",
    "flips",
    "section",
    "bifurcation",
    "lyapunov",
    "balance",
    "fit",
    "animate",
    "check",
    "systems",
)
"""Order of the help page; commands that are not named here follow by alphabet."""

_DESCRIPTION = "Solve ordinary differential equations and differentiate everything about them."

_EPILOG = f"""\
Systems are named as `diffsim systems` lists them, or as file.py:ClassName.
{options.RUNS_FILE}
Exit codes: 0 done, 1 a check failed or a solve did not reach its end, 2 a bad argument or a failure, 130 interrupted.
Set DIFFSIM_TRACEBACK=1 to see where an error comes from."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, like all others of this command."""

    def error(self, message: str) -> NoReturn:
        """Raise the complaint; `main` prints it."""
        text = message.replace("the following arguments are required", "missing")
        raise ArgumentError(f"{self.prog.removeprefix('diffsim ')}: {text}. See `{self.prog} --help`.")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, lines of a hundred columns."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class _Terminated(SystemExit):
    """SIGTERM, turned into an exception so that files under way are cleaned up."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; `sys.argv` when left out.

    Returns
    -------
    int
        0 done, 1 a check failed, 2 a bad argument or a failure, 130 interrupted,
        141 the reader of the output went away, 143 terminated.
    """
    arguments = options.join_negative_numbers(sys.argv[1:] if argv is None else argv)
    try:
        with _terminable(), _warnings_in_one_line():
            code = _dispatch(arguments)
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
    except KeyboardInterrupt as interrupt:
        notes = " ".join(getattr(interrupt, "__notes__", ()))  # what is kept, and how to go on
        return _complain(f"interrupted; nothing half-written is left. {notes}", 130)
    except _Terminated:
        return _complain("terminated; nothing half-written is left.", 143)
    except BrokenPipeError:
        _give_up_stdout()
        return 141
    except Exception as error:  # the shell shows one line, whatever went wrong
        if os.environ.get("DIFFSIM_TRACEBACK"):
            raise
        if isinstance(error, OSError):
            _give_up_stdout()
        return _complain(_describe(error), 2)


def command_names() -> list[str]:
    """Return the commands: one for each file ``command_*.py`` of this folder."""
    import diffsim.cli

    prefix = "command_"
    files = [info.name for info in pkgutil.iter_modules(diffsim.cli.__path__)]
    found = {name.removeprefix(prefix) for name in files if name.startswith(prefix)}
    return [name for name in _ORDER if name in found] + sorted(found - set(_ORDER))


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; with `only`, it knows that command alone (that is faster)."""
    names = command_names() if only is None else [only]
    modules = {name: importlib.import_module(f"diffsim.cli.command_{name}") for name in names}
    listing = definition_list([(name, module.HELP) for name, module in modules.items()])
    parser = _Parser(
        prog="diffsim",
        usage="diffsim [-h] [--version] COMMAND ...",
        description=f"{_DESCRIPTION}\n\ncommands (diffsim COMMAND --help tells more):\n{listing}",
        epilog=_EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"diffsim {_version()}")
    commands = parser.add_subparsers(
        metavar="COMMAND", dest="command", parser_class=_Parser, prog="diffsim", help=argparse.SUPPRESS
    )
    for name, module in modules.items():
        command = commands.add_parser(
            name,
            description=module.__doc__,
            epilog=options.RUNS_FILE if name not in ("cache", "tour") else None,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _dispatch(arguments: list[str]) -> int:
    """Parse and run; return the exit code."""
    first = arguments[0] if arguments else "--help"
    names = command_names()
    if not first.startswith("-") and first not in names:
        raise unknown_name("diffsim", "command", first, names)
    parser = build_parser(first if first in names else None)
    try:
        parsed, unknown = parser.parse_known_args(arguments or ["--help"])
    except SystemExit as stop:  # --help and --version have printed what was asked for
        return int(stop.code or 0)
    if unknown:
        raise _unknown_argument(parser, parsed.command, unknown[0])
    if parsed.command is None:
        raise ArgumentError("diffsim: no command given. See `diffsim --help`.")
    code: int = parsed.run(parsed)
    return code


def _unknown_argument(parser: argparse.ArgumentParser, command: str | None, got: str) -> ArgumentError:
    """The error for an argument that nobody asked for, with the nearest option."""
    stop = io.StringIO()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(stop):
        parser.parse_args([*([command] if command else []), "--help"])
    options_known = list(dict.fromkeys(re.findall(r"--[a-z][\w-]*", stop.getvalue())))
    near = difflib.get_close_matches(got.partition("=")[0], options_known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    page = f"diffsim {command} --help" if command else "diffsim --help"
    return ArgumentError(f"{command or 'diffsim'}: unknown argument {got!r}.{hint} See `{page}`.")


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM raise inside the block (in the main thread, where signals arrive)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise _Terminated(143)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Show warnings as the shell shows errors."""

    def show(message: Warning | str, *_rest: object, **_options: object) -> None:
        _complain(f"warning: {message}", 0)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _give_up_stdout() -> None:
    """Give Python somewhere to flush to at exit, where it would complain once more, if the output cannot be written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _describe(error: Exception) -> str:
    """One line for an error; for one that is not ours, with the place where it arose."""
    if isinstance(error, DiffsimError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory. {error}".rstrip()
    if isinstance(error, OSError) and error.strerror:
        where = f" {error.filename!r}" if error.filename else ""
        return f"{error.strerror.lower()}{where}."
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}, line {trace.tb_lineno})" if trace else ""
    return f"unexpected {type(error).__name__}: {error}{where}. DIFFSIM_TRACEBACK=1 shows where it comes from."


def _complain(message: str, code: int) -> int:
    """Print one line on the standard error stream and return `code`."""
    line = " ".join(message.split())
    with contextlib.suppress(OSError):
        print(line if line.startswith("diffsim:") else f"diffsim: {line}", file=sys.stderr, flush=True)
    return code


def _version() -> str:
    """The version of the installed distribution."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("diffsim")
    except PackageNotFoundError:
        return "(not installed)"
