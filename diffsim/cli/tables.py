"""Tables on the screen and numbers of readable length."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

__all__ = ["definition_list", "short", "text_table"]


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as lines of text: columns padded, numbers to the right.

    >>> print(text_table(["name", "value"], [["gravity", "9.8"], ["length", "10.25"]]))
    name     value
    -------  -----
    gravity    9.8
    length   10.25
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    right = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ]
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), line(["-" * width for width in widths]), *map(line, rows)])


def definition_list(pairs: Sequence[tuple[str, str]], indent: int = 2, width: int = 100) -> str:
    """Return ``name  text`` lines with the texts below one another, wrapped at `width`.

    >>> print(definition_list([("state", "theta_1, p_1"), ("parameters", "gravity")]))
      state       theta_1, p_1
      parameters  gravity
    """
    column = max((len(name) for name, _ in pairs), default=0) + 2
    lines = []
    for name, text in pairs:
        first = " " * indent + name.ljust(column)
        wrapped = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * len(first))
        lines.append("\n".join(wrapped) if wrapped else first.rstrip())
    return "\n".join(lines)


def short(value: float, digits: int = 6) -> str:
    """Return `value` with `digits` significant digits.

    >>> short(9.8), short(1 / 3), short(1.5e-12)
    ('9.8', '0.333333', '1.5e-12')
    """
    return f"{float(value):.{digits}g}"


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, or is empty."""
    try:
        math.isfinite(float(cell or 0))
    except ValueError:
        return False
    return True
