"""Integrate a system from one start and write its trajectory as a table, as arrays, or as a plot.

Examples:
  diffsim simulate DoublePendulum --y0 0.4,0,1,4 --t-end 10 --out run.csv --out run.png
  diffsim simulate Pendulum --y0 theta=pi/2 --method RK4 --step 0.01 --out run.npz
  diffsim simulate DoublePendulum --event theta_1 --direction 1 --event "p_2 - 1" --terminal
  diffsim simulate my_systems.py:Swing --set length=2.5 --sensitivities y0,length --out run.npz
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from diffsim.cli.options import add_machine, add_start, add_system, integer, number, numbers
from diffsim.errors import ArgumentError, must

__all__ = ["HELP", "add_arguments", "run"]

HELP = "integrate a system; CSV, NPZ or a plot"

_TOLERANCES = {"rtol": 1e-9, "atol": 1e-9}


@dataclass
class _Event:
    """What was asked about one event."""

    text: str
    terminal: int = 0
    direction: float = 0.0
    function: Any = field(default=None, repr=False)

    def __call__(self, t: Any, y: Any) -> Any:
        return self.function(t, y)


class _AddEvent(argparse.Action):
    """``--event``: one more."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        namespace.events = [*namespace.events, _Event(values)]


class _OfLastEvent(argparse.Action):
    """``--terminal`` and its kin: of the event before."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        if not namespace.events:
            parser.error(f"{option} must stand behind the --event that it is about")
        setattr(namespace.events[-1], self.dest, self.const if self.nargs == 0 else values)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim simulate``."""
    add_system(parser)
    add_start(parser)
    parser.add_argument(
        "--method",
        help="name of a method; default RK45, Radau if the system is stiff, RK4 with --step; a map is iterated",
    )
    parser.add_argument("--step", type=number, help="step of a fixed-step method, in seconds")
    parser.add_argument("--rtol", type=number, help="relative tolerance of an adaptive method; default 1e-9")
    parser.add_argument("--atol", type=number, help="absolute tolerance of an adaptive method; default 1e-9")
    parser.add_argument("--max-step", type=number, help="longest step of an adaptive method, in seconds")
    add_machine(parser)
    parser.add_argument(
        "--points", type=integer, help="evenly spaced times to report; default 1001, or every step when --step is given"
    )
    parser.add_argument(
        "--t-eval", metavar="TIMES", type=_times, help="times to report: 0,0.5,2 or LOW:HIGH:N; instead of --points"
    )
    parser.add_argument(
        "--samples",
        metavar="N",
        type=integer,
        help="write N evenly spaced samples of the dense output, up to where the solve ended; instead of --points",
    )
    _add_events(parser)
    parser.add_argument(
        "--sensitivities",
        metavar="NAMES",
        help="derivatives to write too: y0, params, or names of components and parameters, such as theta_1,gravity",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        action="append",
        default=[],
        help="where to write: .csv (and FILE.csv-metadata.json), .npz, .png, .svg or .pdf; may be repeated;"
        " without it only the summary is printed",
    )


def _add_events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--event",
        metavar="FORMULA",
        action=_AddEvent,
        dest="events",
        default=[],
        help="report where a formula such as theta_1, y[0] - 1 or p_1 * cos(t) crosses 0; may be repeated",
    )
    parser.add_argument(
        "--terminal", action=_OfLastEvent, nargs=0, const=1, help="end the solve at the --event before this"
    )
    parser.add_argument(
        "--terminal-after",
        metavar="N",
        action=_OfLastEvent,
        type=integer,
        dest="terminal",
        help="end the solve when the --event before this happens for the Nth time",
    )
    parser.add_argument(
        "--direction",
        metavar="D",
        action=_OfLastEvent,
        type=number,
        help="count the --event before this only where its formula rises (1) or falls (-1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Integrate, write what was asked for, print a summary; 1 if the solve did not reach its end."""
    from diffsim.cli.options import end_time, load_system, machine_options, start_state
    from diffsim.cli.simulate_output import SUFFIXES, beside, write
    from diffsim.files import check_output

    outputs = [check_output("simulate", path, SUFFIXES) for path in arguments.out]
    for output in outputs:
        if output.suffix.lower() == ".csv":
            check_output("simulate", beside(output))
            if arguments.samples is not None and arguments.sensitivities:
                raise ArgumentError(
                    "simulate: a .csv file has no derivatives at --samples; give --points or --t-eval, or an .npz file."
                )
    system = load_system(arguments.system, arguments.parameters)
    y0 = start_state(arguments.y0, system)
    t_end = end_time(arguments, system)
    options = _solver_options(arguments, system)
    times = _report_times(arguments, system, t_end)
    events = _read_events(arguments.events, system)
    sensitivities = tuple(arguments.sensitivities.split(",")) if arguments.sensitivities else ()

    import numpy as np

    from integrators import solve_ivp

    solution = solve_ivp(
        system,
        (0.0, t_end),
        np.array(y0),
        t_eval=times,
        dense_output=arguments.samples is not None,
        events=events or None,
        sensitivities=sensitivities,
        progress=True,
        **machine_options(arguments),
        **options,
    )
    rows = _rows(solution, arguments.samples)
    titles = [event.text for event in events] + [str(getattr(event, "__name__", event)) for event in system.events]
    about = {"y0": y0, "t_span": [0.0, t_end], **options, "events": titles}
    for output in outputs:
        write(output, system, solution, rows, about)
    print(_summary(system, solution, titles))
    for output in outputs:
        print(f"wrote {output}")
    return 0 if int(solution.status) >= 0 else 1


def _times(text: str) -> list[float]:
    """Return the times of ``0,0.5,2`` or ``0:10:101``.

    >>> _times("0:1:3"), _times("0,pi")
    ([0.0, 0.5, 1.0], [0.0, 3.141592653589793])
    """
    if ":" not in text:
        return numbers(text)
    parts = text.split(":")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"must be times such as 0,0.5,2 or LOW:HIGH:N; got {text!r}")
    low, high, n = number(parts[0]), number(parts[1]), integer(parts[2])
    return [low + (high - low) * k / max(n - 1, 1) for k in range(n - 1)] + [high]


def _report_times(arguments: argparse.Namespace, system: Any, t_end: float) -> Any:
    """Return the save times; None for every step, or every iterate."""
    given = [name for name in ("points", "t_eval", "samples") if getattr(arguments, name) is not None]
    if len(given) > 1:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ArgumentError(f"simulate: {options} exclude each other; give one of them.")
    if arguments.t_eval is not None:
        return arguments.t_eval
    # NOTE: a time that is asked for is hit by shortening a step, so 1001 of them would change a longer fixed step.
    spaced = not given and arguments.step is None and not system.discrete
    points = 1001 if spaced else arguments.points
    if points is None:
        return None
    import numpy as np

    return np.linspace(0.0, t_end, points) if points > 1 else [t_end]


def _solver_options(arguments: argparse.Namespace, system: Any) -> dict[str, Any]:
    """The method and its step, or its tolerances, as `solve_ivp` takes them."""
    given = {name: getattr(arguments, name) for name in ("step", "rtol", "atol", "max_step")}
    given = {name: value for name, value in given.items() if value is not None}
    if arguments.t_end == 0.0:
        raise must("simulate", "t_end", "must not be 0", arguments.t_end)
    if "step" in given and len(given) > 1:
        raise ArgumentError(
            "simulate: --rtol and --atol are for adaptive steps, and so is --max-step; leave them or --step out."
        )
    if system.discrete:
        return given if arguments.method is None else {"method": arguments.method, **given}
    if arguments.method is not None:
        return {"method": arguments.method, **({} if "step" in given else _TOLERANCES), **given}
    if "step" in given:
        return {"method": "RK4", **given}
    return {"method": "Radau" if system.stiff else "RK45", **_TOLERANCES, **given}


def _read_events(events: Sequence[_Event], system: Any) -> list[_Event]:
    """Return the events with their formulas read."""
    from diffsim.cli.expression import parse

    for event in events:
        if event.direction not in (-1.0, 0.0, 1.0):
            raise must("--direction", "D", "must be 1, -1 or 0", event.direction)
        event.function = parse("--event", event.text, system.state_names, system.parameters)
    return list(events)


def _rows(solution: Any, samples: int | None) -> tuple[Any, Any]:
    """Return the times and states that are written."""
    if samples is None:
        return solution.t, solution.y
    import numpy as np

    times = np.linspace(solution.t[0], solution.t[-1], samples)
    return times, solution.sol(times)


def _summary(system: Any, solution: Any, titles: Sequence[str]) -> str:
    """End state, drift of the invariants, events, cost and status as lines of text."""
    from diffsim.cli.tables import definition_list, short

    names = system.state_names
    lines = [("status", f"{int(solution.status)}: {solution.message}")]
    if len(solution.t):
        end = ", ".join(f"{name}={short(value, 10)}" for name, value in zip(names, solution.y[:, -1], strict=True))
        lines.append((f"state at t={solution.t[-1]:g}", end))
        for name, invariant in system.invariants.items():
            first, last = float(invariant(solution.y[:, 0])), float(invariant(solution.y[:, -1]))
            lines.append((f"{name}", f"{short(first, 10)} at the start, {last - first:+.2e} at the end"))
    for title, times in zip(titles, solution.t_events or (), strict=True):
        shown = ", ".join(short(t, 10) for t in times[:5]) + (", ..." if len(times) > 5 else "")
        lines.append(
            (
                f"event {title}",
                f"{len(times)} time{'s'[: len(times) != 1]}" + (f": t={shown}" if len(times) else ""),
            )
        )
    lines.append(("evaluations", f"{int(solution.nfev)} of the right-hand side"))
    return definition_list(lines, indent=0)
