"""Fit parameters and the start of a system to measurements in a CSV file, with standard errors.

Examples:
  diffsim fit Pendulum swing.csv --free gravity,theta,p --y0 0.3,0 --sigma 0.01
  diffsim fit DoublePendulum video.csv --free gravity,mass_2,y0 --sigma 0.01 --out fit.png
  diffsim fit mine.py:Spring data.csv --free stiffness --observe "stretch=x - 1" --bound stiffness=0:10

The file begins with a line of names: t, and components of the state, points such as x_1 and y_2, energy, or what
--observe defines.  A column sigma_NAME holds standard deviations; an empty cell is a missing number.  The parameters
of the system (--set) and --y0 are where the search begins.  Over a chaotic record windows with starts of their own are
joined, which is chosen by itself and told.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diffsim.cli.options import add_machine, add_system, integer, number

__all__ = ["HELP", "add_arguments", "run"]

HELP = "fit parameters and the start to measurements"

_SUFFIXES = (".png", ".svg", ".pdf", ".npz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim fit``."""
    add_system(parser)
    parser.add_argument("data", metavar="DATA.csv", help="measurements: a line of names, t among them, then numbers")
    parser.add_argument(
        "--free",
        metavar="NAMES",
        required=True,
        help="what is fitted: parameters and components of the start, such as gravity,theta_1; y0 is the whole start",
    )
    parser.add_argument(
        "--y0",
        metavar="STATE",
        help="start, or a guess of it, all components in order (0.4,0,1,4) or some by name (theta_1=0.4,p_2=4);"
        " pi is known (pi/2); default: the system's own",
    )
    parser.add_argument("--t0", metavar="T", type=number, help="time of the start; default: that of the first line")
    parser.add_argument(
        "--sigma",
        metavar="S",
        action="append",
        help="standard deviation of the data, or NAME=S for one column; may be repeated; default: from the residuals",
    )
    parser.add_argument(
        "--observe",
        metavar="NAME=FORMULA",
        action="append",
        default=[],
        help="define a column of the file, such as 'height=length * cos(theta)'; may be repeated",
    )
    parser.add_argument(
        "--bound", metavar="NAME=LOW:HIGH", action="append", default=[], help="keep it within; may be repeated"
    )
    parser.add_argument(
        "--prior", metavar="NAME=MEAN:SIGMA", action="append", default=[], help="known from elsewhere; may be repeated"
    )
    parser.add_argument(
        "--shooting",
        choices=("auto", "single", "multiple"),
        default="auto",
        help="one shot over the record, or windows; default auto: what the growth of small changes asks for",
    )
    parser.add_argument("--window", metavar="T", type=number, help="length of a window, in seconds")
    parser.add_argument("--max-iterations", metavar="N", type=integer, default=200, help="default 200")
    parser.add_argument("--method", help="name of a method; default DOP853, Radau for stiff systems")
    parser.add_argument("--step", type=number, help="step of a fixed-step method, in seconds")
    parser.add_argument("--rtol", type=number, help="relative tolerance of an adaptive method; default 1e-9")
    parser.add_argument("--atol", type=number, help="absolute tolerance of an adaptive method; default 1e-9")
    add_machine(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        action="append",
        default=[],
        help="where to write: .png, .svg, .pdf (data, fit and residuals) or .npz (the numbers); may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Fit, print the table, write what was asked for; 1 if the search did not converge."""
    from diffsim.cli.options import load_system, machine_options, start_state
    from diffsim.files import check_output

    outputs = [check_output("fit", path, _SUFFIXES) for path in arguments.out]
    system = load_system(arguments.system, arguments.parameters)
    asked = {name: getattr(arguments, name) for name in ("step", "rtol", "atol")}
    solver = {name: value for name, value in asked.items() if value is not None} | machine_options(arguments)
    functions = _functions(arguments.observe, system)

    from studies import fit

    result = fit(
        system,
        arguments.data,
        start_state(arguments.y0, system),
        free=tuple(name.strip() for name in arguments.free.split(",")),
        sigma=_sigma(arguments.sigma),
        observables=functions or None,
        bounds=_pairs("--bound", arguments.bound, "gravity=0:20"),
        prior=_pairs("--prior", arguments.prior, "gravity=9.8:0.1"),
        t0=arguments.t0,
        shooting=arguments.shooting,
        window=arguments.window,
        max_iterations=arguments.max_iterations,
        method=arguments.method,
        progress=True,
        **solver,
    )
    print(result.summary())
    for output in outputs:
        result.save(output)
        print(f"wrote {output}")
    return 0 if result.success else 1


def _parts(option: str, text: str, example: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``."""
    from diffsim.errors import must

    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise must(option, "value", f"must be written as in {example}", text)
    return name.strip(), value.strip()


def _number(option: str, text: str) -> float:
    """Return a number; the complaint is one of our errors."""
    from diffsim.errors import ArgumentError

    try:
        return number(text)
    except argparse.ArgumentTypeError as error:
        raise ArgumentError(f"{option} {error}.") from None


def _sigma(texts: Sequence[str] | None) -> Any:
    """Return one deviation, or a mapping of them by column; None where none was given."""
    from diffsim.errors import must

    if not texts:
        return None
    if any("=" in text for text in texts):
        return {
            name: _number(f"--sigma {name}", value)
            for name, value in (_parts("--sigma", text, "theta_1=0.01") for text in texts)
        }
    if len(texts) > 1:
        raise must("--sigma", "value", "must name its column where there are several", texts, "Such as theta_1=0.01.")
    return _number("--sigma", texts[0])


def _pairs(option: str, texts: Sequence[str], example: str) -> Mapping[str, tuple[Any, Any]] | None:
    """Return pairs of numbers by name; an empty one is None."""
    from diffsim.errors import must

    found: dict[str, tuple[float | None, float | None]] = {}
    for text in texts:
        name, value = _parts(option, text, example)
        low, colon, high = value.partition(":")
        if not colon:
            raise must(option, "value", f"must be written as in {example}", text)
        first, last = (_number(f"{option} {name}", end) if end.strip() else None for end in (low, high))
        found[name] = (first, last)
    return found or None


def _functions(texts: Sequence[str], system: Any) -> dict[str, Callable[..., Any]]:
    """Return what ``--observe`` defines, as functions of times, states and the System with what is fitted."""
    from diffsim.cli.expression import parse

    def of(text: str) -> Callable[[Any, Any, Any], Any]:
        def function(t: Any, y: Any, moved: Any) -> Any:
            return parse("--observe", text, moved.state_names, moved.parameters)(t, y)

        return function

    found = {}
    for text in texts:
        name, formula = _parts("--observe", text, "'height=length * cos(theta)'")
        parse("--observe", formula, system.state_names, system.parameters)  # a mistake in it is told now
        found[name] = of(formula)
    return found
