"""`SplittingMethod`: explicit symplectic methods for separable right-hand sides, as lists of drifts and kicks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar

from diffsim.errors import ArgumentError
from integrators._combination import Combination, State, needs_exact
from integrators._halves import check_even, half_of, joined, like, mixed_entry
from integrators._integrator import Integrator, RightHandSide, Step

__all__: list[str] = []


class SplittingMethod(Integrator):
    """A method that moves positions and momenta in turn; base of the methods that have a name.

    The state is ``[q, p]``, first half and second half; ``q'`` must be a function of p (and t) alone, ``p'`` one of q
    (and t) alone.  With q_0 = q and p_0 = p,

        q_i = q_{i-1} + a_i h q'(t + (b_1 + ... + b_{i-1}) h, p_{i-1}),     i = 1 ... s + 1        (drift)
        p_i = p_{i-1} + b_i h p'(t + (a_1 + ... + a_i) h, q_i),             i = 1 ... s            (kick)

    For ``q' = dT/dp, p' = -dV/dq`` each of these is the exact flow of T or of V (each with a time of its own, which
    makes a driven system an autonomous one), so the whole step is symplectic.  Steps begin and end with a drift: s
    forces a step.

    A subclass sets `DRIFTS`, `KICKS` and `ORDER`.

    Notes
    -----
    Wherever the right-hand side cannot be taken apart, it is evaluated as a whole: ``2 s + 1`` times a step.  Machine
    code computes only the half that is needed.
    """

    DRIFTS: ClassVar[tuple[Fraction, ...]]
    KICKS: ClassVar[tuple[Fraction, ...]]
    ORDER: ClassVar[int]

    @property
    def order(self) -> int:
        return self.ORDER

    @property
    def separable(self) -> bool:
        return True

    @property
    def symplectic(self) -> bool:
        return True

    def advance(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> Step:
        exact, m = needs_exact(h, y), half_of(type(self).__name__, y, _INSTEAD)
        q, p = y[:m], y[m:]
        t_q = t_p = Fraction(0)
        for i, a in enumerate(self.DRIFTS):
            if a:
                row = Combination.of((a,), t_p)
                known = carry is not None and i == 0
                slope: Any = carry if known else f(row.time(t, h, exact), joined(q, p))
                q = row.apply(q, h, [like(slope[:m], q)], exact)
                t_q += a
            if i < len(self.KICKS):
                row = Combination.of((self.KICKS[i],), t_q)
                p = row.apply(p, h, [like(f(row.time(t, h, exact), joined(q, p))[m:], p)], exact)
                t_p += self.KICKS[i]
        return Step(joined(q, p))

    def admits(self, fun: Any, args: tuple[Any, ...], n: int, t: Any, y: Any, column: bool) -> None:
        """Raise unless a right-hand side is separable; see `Integrator.admits`."""
        who = type(self).__name__
        check_even(who, n, _INSTEAD)
        found = mixed_entry(fun, args, n, t, y, column)
        if found is not None:
            i, j = found
            raise ArgumentError(
                f"solve_ivp: {who} needs a separable system: of the state [q, p], q' must be a function of p and t "
                f"alone, p' of q and t alone; got one where the derivative of y[{i}] depends on y[{j}]. {_INSTEAD}"
            )


_INSTEAD = "Use method='GaussLegendre4' or 'ImplicitMidpoint', which keep the structure of any Hamiltonian system."


def composed(weights: Sequence[str]) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Return drifts and kicks of a symmetric composition of leapfrog steps.

    Parameters
    ----------
    weights : sequence of str
        Lengths of the steps from the outermost inwards, without the middle one, which makes the sum 1.
    """
    outer = [Fraction(w) for w in weights]
    steps = [*outer, Fraction(1) - 2 * sum(outer, Fraction(0)), *reversed(outer)]
    ends = [Fraction(0), *steps, Fraction(0)]
    half = Fraction(1, 2)
    return tuple(half * (a + b) for a, b in itertools.pairwise(ends)), tuple(steps)


def mirrored(drifts: Sequence[str], kicks: Sequence[str]) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Return drifts and kicks of a symmetric splitting with one drift in the middle.

    Parameters
    ----------
    drifts, kicks : sequence of str
        From the outermost inwards, each without the last one before the middle, which makes the sum 1.
    """
    a, b = [Fraction(x) for x in drifts], [Fraction(x) for x in kicks]
    b.append(Fraction(1, 2) - sum(b, Fraction(0)))
    return (*a, Fraction(1) - 2 * sum(a, Fraction(0)), *reversed(a)), (*b, *reversed(b))
