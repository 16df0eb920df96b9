"""Reading coefficients as they are printed: numbers separated by blanks, rows ended by semicolons."""

from __future__ import annotations

__all__: list[str] = []


def matrix(text: str) -> list[list[str]]:
    """Return the rows of a table of fractions and decimals.

    >>> matrix("0; 1/2; 0 0.75;")
    [['0'], ['1/2'], ['0', '0.75']]
    """
    return [row.split() for row in text.split(";") if row.strip()]


def vector(text: str) -> list[str]:
    """Return the numbers of a single row.

    >>> vector("1/6 1/3 1/3 1/6")
    ['1/6', '1/3', '1/3', '1/6']
    """
    (row,) = matrix(text)
    return row
