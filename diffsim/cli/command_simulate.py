"""Integrate a system from one start and write its trajectory as a table, as arrays, or as a plot.

Examples:
  diffsim simulate DoublePendulum --y0 0.4,0,1,4 --t-end 10 --out run.csv --out run.png
  diffsim simulate Pendulum --y0 theta=pi/2 --method RK4 --step 0.01 --out run.npz
  diffsim simulate my_systems.py:Swing --set length=2.5
"""

from __future__ import annotations

import argparse
from typing import Any

from diffsim.cli.options import add_machine, add_start, add_system, integer, number
from diffsim.errors import ArgumentError, must

__all__ = ["HELP", "add_arguments", "run"]

HELP = "integrate a system; CSV, NPZ or a plot"

_TOLERANCES = {"rtol": 1e-9, "atol": 1e-9}
_SUFFIXES = (".csv", ".npz", ".png", ".svg", ".pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim simulate``."""
    add_system(parser)
    add_start(parser)
    parser.add_argument("--method", help="name of a method; default RK45, or RK4 when --step is given")
    parser.add_argument("--step", type=number, help="step of a fixed-step method, in seconds")
    parser.add_argument("--rtol", type=number, help="relative tolerance of an adaptive method; default 1e-9")
    parser.add_argument("--atol", type=number, help="absolute tolerance of an adaptive method; default 1e-9")
    add_machine(parser)
    parser.add_argument(
        "--points", type=integer, help="evenly spaced times to report; default 1001, or every step when --step is given"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        action="append",
        default=[],
        help="where to write: .csv, .npz, .png, .svg or .pdf; may be repeated; without it only the summary is printed",
    )


def run(arguments: argparse.Namespace) -> int:
    """Integrate, write what was asked for, print a summary; 1 if the solve did not reach its end."""
    from diffsim.cli.options import load_system, machine_options, start_state
    from diffsim.files import check_output

    outputs = [check_output("simulate", path, _SUFFIXES) for path in arguments.out]
    system = load_system(arguments.system, arguments.parameters)
    y0 = start_state(arguments.y0, system)
    options = _solver_options(arguments)
    # NOTE: a time that is asked for is hit by shortening a step, so 1001 of them would change a longer fixed step.
    points = 1001 if arguments.points is None and arguments.step is None else arguments.points

    import numpy as np

    from integrators import solve_ivp

    solution = solve_ivp(
        system,
        (0.0, arguments.t_end),
        np.array(y0),
        t_eval=None
        if points is None
        else np.linspace(0.0, arguments.t_end, points)
        if points > 1
        else [arguments.t_end],
        progress=True,
        **machine_options(arguments),
        **options,
    )
    for output in outputs:
        _write(output, system, solution)
    print(_summary(system, solution))
    for output in outputs:
        print(f"wrote {output}")
    return 0 if int(solution.status) >= 0 else 1


def _solver_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The method and its step, or its tolerances, as `solve_ivp` takes them."""
    given = {name: getattr(arguments, name) for name in ("step", "rtol", "atol")}
    given = {name: value for name, value in given.items() if value is not None}
    if arguments.t_end == 0.0:
        raise must("simulate", "t_end", "must not be 0", arguments.t_end)
    if "step" in given and len(given) > 1:
        raise ArgumentError("simulate: --rtol and --atol are for adaptive steps; leave them or --step out.")
    if arguments.method is not None:
        return {"method": arguments.method, **({} if "step" in given else _TOLERANCES), **given}
    return {"method": "RK4", **given} if "step" in given else {"method": "RK45", **_TOLERANCES, **given}


def _write(output: Any, system: Any, solution: Any) -> None:
    """Write the trajectory in the format that the ending of `output` names."""
    import numpy as np

    from diffsim.files import atomic
    from studies._output import made_with

    suffix = output.suffix.lower()
    with atomic(output) as temporary:
        if suffix == ".csv":
            table = np.column_stack([solution.t, solution.y.T])
            # NOTE: 17 digits give each double back exactly.
            header = ",".join(["t", *system.state_names])
            np.savetxt(temporary, table, fmt="%.17g", delimiter=",", header=header, comments="")
        elif suffix == ".npz":
            np.savez(
                temporary,
                t=solution.t,
                y=solution.y,
                state_names=np.array(system.state_names),
                state_units=np.array(system.state_units),
                parameter_names=np.array(list(system.parameters)),
                parameter_values=np.array([float(value) for value in system.parameters.values()]),
                system=np.array(type(system).__name__),
                made_with=np.array(made_with()),
            )
        else:
            _figure(system, solution).savefig(temporary, dpi=150)


def _figure(system: Any, solution: Any) -> Any:
    """One panel for each unit, all components of that unit in it."""
    from studies._output import describe, new_figure, pretty_unit, quiet, symbol

    own = system.state_units or [""] * len(system.state_names)  # a user's system may have no units
    units = list(dict.fromkeys(own))
    figure = new_figure(8.0, 1.2 + 2.2 * len(units))
    panels = figure.subplots(len(units), 1, sharex=True, squeeze=False)[:, 0]
    for panel, unit in zip(panels, units, strict=True):
        for name, component_unit, values in zip(system.state_names, own, solution.y, strict=True):
            if component_unit == unit:
                panel.plot(solution.t, values, label=symbol(name), linewidth=1.2)
        panel.set_ylabel(f"[{pretty_unit(unit)}]" if unit else "state")
        panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        quiet(panel)
    panels[-1].set_xlabel("t [s]")
    figure.suptitle(describe(system), fontsize=10)
    return figure


def _summary(system: Any, solution: Any) -> str:
    """End state, drift of the invariants, cost and status as lines of text."""
    from diffsim.cli.tables import definition_list, short

    names = system.state_names
    end = ", ".join(f"{name}={short(value, 10)}" for name, value in zip(names, solution.y[:, -1], strict=True))
    lines = [("status", f"{int(solution.status)}: {solution.message}"), (f"state at t={solution.t[-1]:g}", end)]
    for name, invariant in system.invariants.items():
        first, last = float(invariant(solution.y[:, 0])), float(invariant(solution.y[:, -1]))
        lines.append((f"{name}", f"{short(first, 10)} at the start, {last - first:+.2e} at the end"))
    lines.append(("evaluations", f"{int(solution.nfev)} of the right-hand side"))
    return definition_list(lines, indent=0)
