"""Which flows of the PyPI package dysts can be traced as they stand, and why the others cannot.

Run it where dysts is installed (``pip install --no-deps dysts`` is enough)::

    python -m benchmarks.trace_dysts

Each flow is called the way its own integrator calls it, ``system.rhs(y, t)``, as a closure over the system; nothing of
it is changed.  The graph is compared with the flow itself at random states near the attractor.
"""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.capture import settle, trace_flow
from diffsim.errors import TraceError


@dataclass(frozen=True)
class Row:
    """What became of one flow: its size, or the reason why it cannot be traced."""

    name: str
    dimension: int
    parameters: int
    operations: int
    error: float
    reason: str


def flows() -> Iterator[tuple[str, Any]]:
    """Every flow of dysts by name, in the order of its source."""
    # dysts imports the writer of a file format that no flow needs.
    if importlib.util.find_spec("gluonts") is None:
        for name in ("gluonts", "gluonts.dataset", "gluonts.dataset.arrow"):
            sys.modules[name] = types.ModuleType(name)
        sys.modules["gluonts.dataset.arrow"].ArrowWriter = object  # type: ignore[attr-defined]
    module = importlib.import_module("dysts.flows")
    for name, cls in vars(module).items():
        if isinstance(cls, type) and cls.__module__ == module.__name__:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield name, cls


def examined(name: str, cls: Any) -> Row:
    """Trace one flow and compare."""
    try:
        system = cls()
        y0 = np.atleast_1d(np.asarray(system.ic, dtype=float))
    except Exception as error:  # noqa: BLE001  # dysts' own trouble is a row of the table, too
        return Row(name, 0, 0, 0, np.nan, f"cannot be made: {type(error).__name__}: {error}")
    if y0.ndim != 1:
        return Row(name, 0, 0, 0, np.nan, "no ordinary differential equation: its state is a history")

    def flow(t: Any, y: Any) -> Any:
        return system.rhs(y, t)

    try:
        captured = settle(flow, (), len(y0))
        graph = trace_flow(captured, len(y0))
    except TraceError as error:
        return Row(name, len(y0), 0, 0, np.nan, str(error).partition("cannot be traced: ")[2] or str(error))
    random = np.random.default_rng(0)
    worst = 0.0
    for _ in range(5):
        y, t = y0 * (1.0 + 0.1 * random.standard_normal(len(y0))), float(random.uniform(0.0, 3.0))
        with np.errstate(all="ignore"):
            want = np.asarray(flow(t, y.copy()), dtype=float).reshape(-1)
            got = graph(t, y, np.array(captured.values))
        worst = max(worst, float(np.nanmax(np.abs(got - want) / (1.0 + np.abs(want)))))
    return Row(name, len(y0), len(captured.names), graph.n_operations, worst, "")


def main() -> None:
    """Print the table."""
    try:
        rows = [examined(name, cls) for name, cls in flows()]
    except ImportError as error:
        sys.exit(f"trace_dysts: dysts is not installed here ({error}).")
    good = [row for row in rows if not row.reason]
    print(f"{'flow':<32} {'n':>3} {'numbers':>8} {'operations':>11} {'difference':>11}")
    for row in good:
        print(f"{row.name:<32} {row.dimension:>3} {row.parameters:>8} {row.operations:>11} {row.error:>11.1e}")
    print(f"\n{len(good)} of {len(rows)} flows trace as they stand; the others:")
    for row in rows:
        if row.reason:
            print(f"{row.name:<32} {row.reason}")


if __name__ == "__main__":
    main()
