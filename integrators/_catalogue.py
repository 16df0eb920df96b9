"""`methods`: all methods with what they claim, read from their classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from integrators._methods import method_class, method_names

__all__ = ["MethodFacts", "Methods", "methods"]


@final
@dataclass(frozen=True)
class MethodFacts:
    """What a method claims; the test suite measures all of it.

    Attributes
    ----------
    name : str
        What ``solve_ivp(..., method=name)`` knows it by.
    order : int
        The global error falls like ``step**order``; 0 for the iteration of maps.
    error_order : int or None
        Order of the error estimate; None where there is none.
    dense_order : int
        Order of the interpolant between steps.
    adaptive : bool
        Whether it can choose its steps; otherwise it wants ``step=``.
    implicit : bool
        Whether a step solves equations: the methods for stiff problems are among these.
    summary : str
        The first line of its documentation.
    """

    name: str
    order: int
    error_order: int | None
    dense_order: int
    adaptive: bool
    implicit: bool
    summary: str


@final
class Methods(tuple[MethodFacts, ...]):
    """The facts of all methods, which print as a table; made by `methods`."""

    __slots__ = ()

    def __str__(self) -> str:
        head = ("method", "order", "error", "dense", "steps")
        rows = [head, *(_row(facts) for facts in self)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        summaries = ("", *(facts.summary for facts in self))
        lines = [
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), summary]).rstrip()
            for row, summary in zip(rows, summaries, strict=True)
        ]
        return "\n".join(lines)

    __repr__ = __str__


def methods() -> Methods:
    """Return what every method claims: explicit ones first, by their order.

    Returns
    -------
    Methods
        A tuple of `MethodFacts`; printed, it is a table.

    Examples
    --------
    >>> from integrators import methods
    >>> [facts.name for facts in methods() if facts.order >= 8 and facts.adaptive and not facts.implicit]
    ['DOP853', 'Vern8', 'Vern9', 'Taylor']
    """
    found = []
    for name in method_names():
        method = method_class(name)()
        summary = " ".join((type(method).__doc__ or "").strip().split("\n\n")[0].split())
        found.append(
            MethodFacts(
                name, method.order, method.error_order, method.dense_order, method.adaptive, method.implicit, summary
            )
        )
    return Methods(sorted(found, key=lambda facts: (facts.implicit, facts.order, facts.name)))


def _row(facts: MethodFacts) -> tuple[str, ...]:
    error = "-" if facts.error_order is None else str(facts.error_order)
    steps = "chosen" if facts.adaptive else "fixed"
    order, dense = ("-", "-") if facts.order == 0 else (str(facts.order), str(facts.dense_order))
    return facts.name, order, error, dense, steps
