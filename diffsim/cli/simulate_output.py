"""What ``diffsim simulate`` writes: the trajectory as a table, as arrays, or as a plot, with where it comes from."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["SUFFIXES", "beside", "write"]

SUFFIXES = (".csv", ".npz", ".png", ".svg", ".pdf")


def beside(table: Path) -> Path:
    """Return the file in which a CSV file's description stands, as CSV on the Web names it.

    >>> beside(Path("run.csv")).name
    'run.csv-metadata.json'
    """
    return table.with_name(f"{table.name}-metadata.json")


def write(output: Path, system: Any, solution: Any, rows: tuple[Any, Any], about: Mapping[str, Any]) -> None:
    """Write a trajectory in the format that the ending of `output` names, wholly or not at all.

    Parameters
    ----------
    output : Path
    system : System
    solution : Solution
    rows : (t, y)
        Times and states to write.
    about : mapping
        What the run was asked, for the description.
    """
    from diffsim.files import atomic

    suffix = output.suffix.lower()
    with contextlib.ExitStack() as stack:
        temporary = stack.enter_context(atomic(output))
        if suffix == ".csv":
            description = stack.enter_context(atomic(beside(output)))
            _write_table(temporary, system, solution, rows)
            description.write_text(_description(output, system, solution, about), encoding="utf-8")
        elif suffix == ".npz":
            _write_arrays(temporary, system, solution, rows, about)
        else:
            key = "Subject" if suffix == ".pdf" else "Description"
            _figure(system, rows).savefig(temporary, dpi=150, metadata={key: _made_with()})


def _made_with() -> str:
    from diffsim.provenance import provenance

    return "; ".join(f"{name} {value}" for name, value in provenance().items())


def _write_table(path: Path, system: Any, solution: Any, rows: tuple[Any, Any]) -> None:
    import numpy as np

    t, y = rows
    columns, header = [t, y.T], ["t", *system.state_names]
    if t is solution.t:
        for kind, by in _derivatives(solution).items():
            for j, name in enumerate(by):
                columns.append(getattr(solution, kind)[:, j].T)
                header += [f"d {component} / d {name}" for component in system.state_names]
    # NOTE: 17 digits give each double back exactly.
    table = np.column_stack(columns)
    np.savetxt(path, table, fmt="%.17g", delimiter=",", header=",".join(header), comments="")


def _derivatives(solution: Any) -> dict[str, Sequence[str]]:
    """Return which derivatives a solution has, and by what."""
    found = {"dy_dy0": solution.y0_names, "dy_dparams": solution.param_names}
    return {kind: names for kind, names in found.items() if getattr(solution, kind) is not None}


def _events(solution: Any) -> list[tuple[Any, Any]]:
    """Return times and states of each event function's events."""
    if solution.t_events is None:
        return []
    return list(zip(solution.t_events, solution.y_events, strict=True))


def _write_arrays(path: Path, system: Any, solution: Any, rows: tuple[Any, Any], about: Mapping[str, Any]) -> None:
    import numpy as np

    from diffsim.provenance import provenance

    t, y = rows
    arrays: dict[str, Any] = {"t": t, "y": y}
    if t is not solution.t and _derivatives(solution):
        arrays["t_derivatives"] = solution.t
    for kind, names in _derivatives(solution).items():
        arrays[kind] = getattr(solution, kind)
        arrays["y0_names" if kind == "dy_dy0" else "param_names"] = np.array(list(names))
    for k, (when, where) in enumerate(_events(solution)):
        arrays[f"t_events_{k}"], arrays[f"y_events_{k}"] = when, where
    np.savez(
        path,
        **arrays,
        status=np.array(int(solution.status)),
        message=np.array(str(solution.message)),
        state_names=np.array(system.state_names),
        state_units=np.array(system.state_units),
        parameter_names=np.array(list(system.parameters)),
        parameter_values=np.array([float(value) for value in system.parameters.values()]),
        system=np.array(type(system).__name__),
        run=np.array(json.dumps(about)),
        made_with=np.array(json.dumps(dict(provenance()))),
    )


def _description(output: Path, system: Any, solution: Any, about: Mapping[str, Any]) -> str:
    from diffsim.provenance import provenance

    told = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": output.name,
        "system": type(system).__name__,
        "parameters": {name: float(value) for name, value in system.parameters.items()},
        "units": dict(zip(system.state_names, system.state_units or [""] * len(system.state_names), strict=True)),
        "status": int(solution.status),
        "message": str(solution.message),
        "events": [{"t": when.tolist(), "y": where.tolist()} for when, where in _events(solution)],
        "run": dict(about),
        "made_with": dict(provenance()),
    }
    return json.dumps(told, indent=2) + "\n"


def _figure(system: Any, rows: tuple[Any, Any]) -> Any:
    """One panel for each unit, all components of that unit in it."""
    from studies._output import describe, new_figure, pretty_unit, quiet, symbol

    t, y = rows
    own = system.state_units or [""] * len(system.state_names)  # a user's system may have no units
    units = list(dict.fromkeys(own))
    figure = new_figure(8.0, 1.2 + 2.2 * len(units))
    panels = figure.subplots(len(units), 1, sharex=True, squeeze=False)[:, 0]
    for panel, unit in zip(panels, units, strict=True):
        for name, component_unit, values in zip(system.state_names, own, y, strict=True):
            if component_unit == unit:
                look = {"linestyle": "", "marker": "."} if system.discrete else {"linewidth": 1.2}
                panel.plot(t, values, label=symbol(name), **look)
        panel.set_ylabel(f"[{pretty_unit(unit)}]" if unit else "state")
        panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        quiet(panel)
    panels[-1].set_xlabel("iterations" if system.discrete else "t [s]")
    figure.suptitle(describe(system), fontsize=10)
    return figure
