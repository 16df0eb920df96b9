"""What `check_gradients` says: the error, the warning, the report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from diffsim.errors import DiffsimError

__all__ = ["Disagreement", "GradientError", "GradientReport", "GradientWarning"]


class GradientError(DiffsimError, AssertionError):
    """Derivatives of one function disagree with each other or with finite differences."""


class GradientWarning(UserWarning):
    """Differences cannot decide about some derivatives: a kink, a jump, a border of the domain, or noise."""


@dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` compared.

    Attributes
    ----------
    n_compared : int
        Derivatives compared with a difference, both modes and all orders counted.
    n_unresolved : int
        Components about which the differences decide nothing.
    max_disagreement : float
        Largest distance of a derivative from its difference, relative to its size (to the value of f over that of x
        where it is larger).
    max_bound : float
        Largest error bound among the differences that do decide.
    unresolved : tuple of str
        The first ten of the components that stayed open.
    """

    n_compared: int
    n_unresolved: int
    max_disagreement: float
    max_bound: float
    unresolved: tuple[str, ...]

    def open_ends(self) -> str:
        """The sentence about what stayed open."""
        rest = self.n_unresolved - len(self.unresolved)
        more = f"\n  and {rest} more" if rest else ""
        return (
            f"check_gradients: finite differences decide nothing about {self.n_unresolved} derivatives, so these were "
            "only held against wide bounds. Move the point away from the kink, jump or border, or pass "
            "unresolved='ignore'.\n  " + "\n  ".join(self.unresolved) + more
        )


@dataclass(frozen=True)
class Disagreement:
    """The first derivative that is wrong, and everything that is known about it.

    Attributes
    ----------
    what : str
        Such as ``d output[1] / d args[0]['theta'][2]``.
    order : int
        Order of the derivative.
    route : str
        Modes from the outside in, such as "vjp of jvp".
    mode : str
        The mode that was found wrong.
    reverse, forward : float or None
        The derivative in each mode; None where that mode was not asked for.
    difference, error, step, jump : float
        The finite difference, its bound, its step, and the jump of the slope.
    who : str
        Who compared.
    """

    what: str
    order: int
    route: str
    mode: str
    reverse: float | None
    forward: float | None
    difference: float
    error: float
    step: float
    jump: float
    who: str = "check_gradients"

    def message(self) -> str:
        """The whole story, one line a number."""
        rows = [f"{self.who}: {self.what} is wrong (order {self.order}, {self.route})."]
        if self.reverse is not None:
            rows.append(f"  reverse     {self.reverse!r}")
        if self.forward is not None:
            rows.append(f"  forward     {self.forward!r}")
        rows.append(f"  difference  {self.difference!r} +- {self.error:.1e} (smallest step {self.step:.1e})")
        return "\n".join([*rows, *(f"{line}" for line in self._advice())])

    def _advice(self) -> list[str]:
        found = self.reverse if self.mode == "vjp" else self.forward
        if found is None or not math.isfinite(found):
            return [f"A derivative of {found} comes from 0 * inf or inf - inf inside a rule; guard it with `where`."]
        hints = [_guess(found, self.difference, self.error)]
        if self.reverse is not None and self.forward is not None:
            if abs(self.reverse - self.forward) <= 1e-9 * max(abs(self.reverse), abs(self.forward)):
                hints.append(
                    "Both modes agree: look for a wrong partial derivative that they share, or for a number that lost "
                    "its derivative on the way (.data, raw, float, a store into a plain array)."
                )
            elif self.mode == "vjp" and abs(self.forward - self.difference) <= self.error + 1e-9 * abs(self.forward):
                hints.append(
                    "Forward mode is right: look in the rule for the cotangent (transpose, sum over broadcast axes, "
                    "accumulation where a number is used twice)."
                )
            elif self.mode == "jvp":
                hints.append("Look in the rule for the tangent: does each argument that moves add its term?")
        return [hint for hint in hints if hint]


def _guess(found: float, truth: float, error: float) -> str:
    """What a simple ratio between wrong and right gives away."""
    if truth == 0.0 or abs(truth) <= 10 * error:
        return ""
    ratio = found / truth
    if ratio == 0.0:
        return "It is zero: the derivative was dropped."
    for value, meaning in ((-1.0, "the sign is turned"), (2.0, "it is counted twice"), (0.5, "half of it is missing")):
        if abs(ratio - value) < 1e-6:
            return f"Found over expected is {value:g}: {meaning}."
    if abs(ratio - 1.0) < 1e-5:
        return f"They differ by only {abs(ratio - 1.0):.0e} of it: single precision on the way, or an approximate rule?"
    return f"Found over expected is {ratio:.6g}."
