"""`overview`: all systems of the zoo with what there is to know at a glance, read from their classes."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, final

from systems._catalogue import find, names

__all__ = ["Overview", "SystemFacts", "overview"]


@final
@dataclass(frozen=True)
class SystemFacts:
    """What there is to know about a system at a glance.

    Attributes
    ----------
    name : str
        What ``systems.find(name)`` and the command line know it by.
    dimension : int
        Number of state components at its defaults.
    sort : str
        ``"flow"``, ``"map"``, or ``"hybrid"`` (a flow with events of its own).
    chaotic : str
        ``"yes"`` at its defaults, ``"no"`` nowhere, ``"partly"`` for some starts or parameters.
    summary : str
        The first sentence of its documentation.
    """

    name: str
    dimension: int
    sort: str
    chaotic: str
    summary: str


@final
class Overview(tuple[SystemFacts, ...]):
    """The facts of all systems, which print as a table; made by `overview`."""

    __slots__ = ()

    def __str__(self) -> str:
        head = ("system", "n", "", "chaotic", "")
        rows = [head, *((f.name, str(f.dimension), f.sort, f.chaotic, f.summary) for f in self)]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = []
        for name, n, sort, chaotic, summary in rows:
            cells = (
                name.ljust(widths[0]),
                n.rjust(widths[1]),
                sort.ljust(widths[2]),
                chaotic.ljust(widths[3]),
                summary,
            )
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    __repr__ = __str__


def overview() -> Overview:
    """Return the facts of every system, sorted by name.

    Returns
    -------
    Overview
        A tuple of `SystemFacts`; printed, it is a table.

    Examples
    --------
    >>> from systems import overview
    >>> [facts.name for facts in overview() if facts.chaotic == "yes" and facts.sort == "map"]
    ['HenonMap', 'LogisticMap']
    """
    return Overview(facts_of(find(name)) for name in names())


def facts_of(cls: type[Any]) -> SystemFacts:
    """Return the facts of one class."""
    text = inspect.getdoc(cls) or ""
    system = cls()
    sort = "map" if system.discrete else "hybrid" if system.events else "flow"
    return SystemFacts(cls.__name__, system.dimension, sort, _chaotic(text), " ".join(text.split("\n\n")[0].split()))


def _chaotic(text: str) -> str:
    """Return what the line of a docstring that begins with "Chaotic" says, in a word."""
    found = re.search(r"^Chaotic(?: streamlines)? (at the default|nowhere)?", text, re.MULTILINE)
    return {"at the default": "yes", "nowhere": "no"}.get((found and found.group(1)) or "", "partly")
