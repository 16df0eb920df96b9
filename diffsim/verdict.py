"""What `certify` says: a certificate, the comparisons it rests on, and the error where they contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import RunError

__all__ = ["Certificate", "CertificateError", "Comparison", "Estimate"]

Array: TypeAlias = NDArray[np.float64]


class CertificateError(RunError, ArithmeticError):
    """Derivatives disagree with each other or with finite differences by more than the errors they admit."""


@dataclass(frozen=True)
class Estimate:
    """A derivative and how far it may be off.

    Attributes
    ----------
    value : float
    error : float
        Estimate of its error; infinite where nothing is known.
    """

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value: .12e} +- {self.error:.0e}"


@dataclass(frozen=True, eq=False)
class Comparison:
    """The derivative along one direction, found in three ways.

    Attributes
    ----------
    what : str
        Such as "d loss", or "d (d loss by reverse mode)" for the second order.
    order : int
    direction : ndarray, shape (n,)
        Over all floats of the arguments, in the order in which they are written.
    reverse, forward, difference : Estimate
    open : str
        What keeps the comparison from deciding; empty where it decides.
    """

    what: str
    order: int
    direction: Array
    reverse: Estimate
    forward: Estimate
    difference: Estimate
    open: str


@dataclass(frozen=True, eq=False)
class Certificate:
    """What `certify` found.  It is true where the gradient is certified.

    Attributes
    ----------
    value : float
        Of the loss.
    gradient : of the form of the arguments
    comparisons : tuple of Comparison
        One a direction; those of the second order behind.
    verdict : {"certified", "not certifiable"}
    reason : str
        Why it is not certifiable.
    growth : float
        Largest change of the loss for a unit change of the arguments, among the directions: along a trajectory, how
        much the tangents have grown.
    digits : float
        Decimal digits of the derivatives that these numbers can know, by what rounding the arguments changes.
    n_steps : int
        Accepted steps of adaptive solves, which all evaluations took.
    seed : int
        Of the directions.
    """

    value: float
    gradient: Any
    comparisons: tuple[Comparison, ...]
    verdict: str
    reason: str
    growth: float
    digits: float
    n_steps: int
    seed: int

    def __bool__(self) -> bool:
        return self.verdict == "certified"

    def __str__(self) -> str:
        steps = f", {self.n_steps} steps of adaptive solves held fixed" if self.n_steps else ""
        head = f"{self.verdict}: loss {self.value!r}{steps}"
        about = f"growth {self.growth:.2g}; rounding leaves {max(self.digits, 0.0):.0f} digits"
        return "\n".join([head, f"  {about}", _table(self.comparisons), *([self.reason] if self.reason else [])])


def _table(comparisons: Sequence[Comparison]) -> str:
    width = max(len(c.what) for c in comparisons)
    lines = [f"  {'':{width}}  {'reverse':^28}  {'forward':^28}  {'difference':^28}"]
    for c in comparisons:
        mark = "open" if c.open else ""
        lines.append(f"  {c.what:{width}}  {c.reverse!s:28}  {c.forward!s:28}  {c.difference!s:28}  {mark}")
    lines = [line.rstrip() for line in lines]
    return "\n".join(lines)
