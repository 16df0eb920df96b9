"""`SystemReport`: what `check_system` found, one row a check; and the error that shows it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffsim.derivatives import jacobian
from diffsim.errors import DiffsimError

__all__ = ["CheckRow", "SystemCheckError", "SystemReport"]

Result: TypeAlias = Literal["ok", "FAILED", "not applicable"]


class SystemCheckError(DiffsimError, AssertionError):
    """A system does not keep what it declares.

    Attributes
    ----------
    report : SystemReport
        Everything that was found.
    """

    def __init__(self, message: str, report: SystemReport) -> None:
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.report)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a check looks: a system with its parameters, a time, a state.

    Attributes
    ----------
    system : System
    t : float
        Time in s.
    y : ndarray (n,)
        State.
    """

    system: Any
    t: float
    y: NDArray[np.float64]

    def __str__(self) -> str:
        names = self.system.state_names
        named = len(names) == len(self.y)
        state = ", ".join(f"{names[i]}={x!r}" if named else repr(x) for i, x in enumerate(self.y.tolist()))
        return f"state {state}; t={self.t!r}; {self.system!r}"

    @functools.cached_property
    def jacobian(self) -> NDArray[np.float64]:
        """Derivative of the rates by the state, (n, n), by the core."""
        matrix: NDArray[np.float64] = np.asarray(jacobian(lambda y: self.system(self.t, y))(self.y), dtype=np.float64)
        return matrix

    @property
    def state(self) -> dict[str, float]:
        """The state by the components' names."""
        return dict(zip(self.system.state_names, self.y.tolist(), strict=True))

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters by name."""
        found: Mapping[str, Any] = self.system.parameters
        return found


@dataclass(frozen=True)
class CheckRow:
    """One check.

    Attributes
    ----------
    check : str
        What must hold.
    result : "ok", "FAILED" or "not applicable"
    reason : str
        What was found where it failed, why it does not apply, or what is to be known where it holds.
    worst, allowed : float or None
        Largest measure over all states (relative; what exactly says `reason` where it failed), and what it may be;
        None where there is nothing to measure.
    place : Place or None
        Where it failed: ``.system`` with its parameters, ``.t``, ``.y``; the simplest such place that was found.
    mend : str
        What to look at.
    """

    check: str
    result: Result
    reason: str = ""
    worst: float | None = None
    allowed: float | None = None
    place: Place | None = None
    mend: str = ""

    def story(self) -> str:
        """What went wrong, where, and how to mend it, over several lines."""
        lines = [f"{self.check}: {self.reason}"]
        if self.place is not None:
            lines.append(f"  at    {self.place}")
        if self.mend:
            lines.append(f"  mend  {self.mend}")
        return "\n".join(lines)


@dataclass(frozen=True)
class SystemReport:
    """The rows of `check_system`; printed, it is a table and the story of each failure.

    Attributes
    ----------
    system : System
        What was checked.
    rows : tuple of CheckRow
        In the order in which they were checked.
    states : int
        Number of random states.
    seed : int
        Of the random states.
    """

    system: Any = field(repr=False)
    rows: tuple[CheckRow, ...]
    states: int
    seed: int

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[CheckRow, ...]:
        """The rows that failed."""
        return tuple(row for row in self.rows if row.result == "FAILED")

    def row(self, check: str) -> CheckRow:
        """Return the first row whose name begins with `check`.

        Raises
        ------
        KeyError
            There is none.
        """
        for row in self.rows:
            if row.check.startswith(check):
                return row
        raise KeyError(f"SystemReport: no check begins with {check!r}; it has {', '.join(r.check for r in self.rows)}.")

    def table(self) -> str:
        """Return the rows as a table of text."""
        cells = [("check", "result", "worst", "allowed"), *(_cells(row) for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(4)]
        rule = ("-" * widths[0], "-" * widths[1], "-" * widths[2], "-" * widths[3])
        lines = [
            "  ".join([a.ljust(widths[0]), b.ljust(widths[1]), c.rjust(widths[2]), d.rjust(widths[3])]).rstrip()
            for a, b, c, d in [cells[0], rule, *cells[1:]]
        ]
        notes = ["", "", *(row.reason if row.result == "not applicable" else "" for row in self.rows)]
        return "\n".join(f"{line}  {note}".rstrip() for line, note in zip(lines, notes, strict=True))

    def __str__(self) -> str:
        text = f"{self.system!r} at {self.states} random states (seed {self.seed})\n\n{self.table()}"
        return "\n\n".join([text, *(row.story() for row in self.failures)])

    def message(self) -> str:
        """Return the story of the failures, as the error tells it."""
        n, who = len(self.failures), type(self.system).__name__
        head = f"check_system: {who} fails {n} of {len(self.rows)} checks."
        return "\n".join([head, *(row.story() for row in self.failures)])


def _cells(row: CheckRow) -> tuple[str, str, str, str]:
    """One line of the table."""
    worst, allowed = (("" if x is None else f"{x:.0e}" if x else "0") for x in (row.worst, row.allowed))
    return row.check, row.result, worst, allowed
