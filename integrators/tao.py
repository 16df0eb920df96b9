"""Tao's methods: explicit, and symplectic on two copies of the state, for Hamiltonians that do not separate."""

from __future__ import annotations

import functools
import math
import numbers
from fractions import Fraction
from typing import Any, ClassVar, final

from diffsim import ops
from diffsim.errors import ArgumentError, KindError, must
from diffsim.number import Number
from diffsim.protocols import says_canonical
from integrators._combination import Combination, State, needs_exact
from integrators._halves import check_even, half_of, joined, like, slopes_at, twisted_pair
from integrators._integrator import Integrator, RightHandSide, Step
from integrators._splitting import composed
from integrators.symplectic import Yoshida4, Yoshida6

__all__ = ["Tao2", "Tao4", "Tao6"]

OMEGA = 20.0
_INSTEAD = "Use method='RK45' or 'DOP853' with tolerances, which take any right-hand side."


class Tao(Integrator):
    """A composition of Tao's steps of order 2; base of the methods that have a name.

    The state ``[q, p]`` and a copy ``[x, y]`` of it, which starts equal and is handed on from step to step, move under
    ``H(q, y) + H(x, p) + omega (|q - x|**2 + |p - y|**2) / 2``.  Each of the three parts is solved exactly, with the
    right-hand side ``f = (dH/dp, -dH/dq)`` alone:

        A(d):  [x, p] += d f([q, y])        B(d):  [q, y] += d f([x, p])
        C(d):  (q - x, p - y) turns by the angle 2 omega d, sums stay

    and a step of order 2 is ``A(h/2) B(h/2) C(h) B(h/2) A(h/2)``.  Of a driven system A advances the time of B, and B
    that of A.

    A subclass sets `MOVES`, the lengths of the parts A, `BINDINGS`, those of the parts C, and `ORDER`.
    """

    MOVES: ClassVar[tuple[Fraction, ...]]
    BINDINGS: ClassVar[tuple[Fraction, ...]]
    ORDER: ClassVar[int]

    def __init__(self, step: float | None = None, omega: float = OMEGA) -> None:
        super().__init__(step)
        self._omega = _checked_omega(type(self).__name__, omega)

    @property
    def order(self) -> int:
        return self.ORDER

    @property
    def omega(self) -> float:
        """How strongly the copies are bound."""
        return self._omega

    @property
    def canonical(self) -> bool:
        return True

    @property
    def symplectic(self) -> bool:
        """Whether a step keeps the symplectic form: that of both copies together."""
        return True

    @property
    def n_copies(self) -> int:
        return 2

    def begin(self, f: RightHandSide, t: Any, y: State, k: State | None = None) -> Any:
        """Return the copy with which a solve begins: the state itself."""
        return y

    def advance(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> Step:
        exact, m = needs_exact(h, y), half_of(type(self).__name__, y, _INSTEAD)
        z = y if carry is None else carry
        u, w = joined(y[:m], z[m:]), joined(z[:m], y[m:])  # [q, y] and [x, p]
        moves, bindings = _rows(self.MOVES, self.BINDINGS)
        for i, row in enumerate(moves):
            w = row.apply(w, h, [like(f(row.time(t, h, exact), u), w)], exact)
            if i < len(bindings):
                half, turn = bindings[i]
                u = half.apply(u, h, [like(f(half.time(t, h, exact), w), u)], exact)
                u, w = _turned(u, w, m, 2.0 * self._omega * turn.time(0.0 * h, h, exact))
                u = half.apply(u, h, [like(f(half.time(t, h, exact), w), u)], exact)
        return Step(joined(u[:m], w[m:]), None, joined(w[:m], u[m:]))

    def admits(self, fun: Any, args: tuple[Any, ...], n: int, t: Any, y: Any, column: bool) -> None:
        """Raise unless a right-hand side is Hamiltonian; see `Integrator.admits`.

        A System that says it is believed.  Of others the Jacobian at the start of the first trajectory tells.
        """
        who = type(self).__name__
        check_even(who, n, _INSTEAD)
        if says_canonical(fun):
            return
        slopes = slopes_at(fun, args, n, t, y, column)
        found = None if slopes is None else twisted_pair(slopes)
        if slopes is not None and found is not None:
            (i, j), (k, m), sign = found
            raise ArgumentError(
                f"solve_ivp: {who} needs a Hamiltonian system: of the state [q, p], q' must be dH/dp and p' = -dH/dq; "
                f"got one where the derivative of y'[{i}] by y[{j}] is {slopes[i, j]:.6g} and that of y'[{k}] by "
                f"y[{m}] is {slopes[k, m]:.6g}, which for every H are {'equal' if sign > 0 else 'opposite'}. {_INSTEAD}"
            )

    def __repr__(self) -> str:
        given = [] if self._h is None else [f"step={self._h!r}"]
        given += [] if self._omega == OMEGA else [f"omega={self._omega!r}"]
        return f"{type(self).__name__}({', '.join(given)})"


@functools.lru_cache(maxsize=16)
def _rows(
    moves: tuple[Fraction, ...], bindings: tuple[Fraction, ...]
) -> tuple[list[Combination], list[tuple[Combination, Combination]]]:
    """Return the rows of parts A, and those of halves of B and of C, each with its time."""
    outer, inner = [], []
    done = reached = Fraction(0)
    for i, a in enumerate(moves):
        outer.append(Combination.of((a,), done))
        reached += a
        if i < len(bindings):
            b = bindings[i]
            inner.append((Combination.of((b / 2,), reached), Combination.of((b,), b)))
            done += b
    return outer, inner


def _turned(u: State, w: State, m: int, angle: Any) -> tuple[State, State]:
    """Return ``[q, y]`` and ``[x, p]`` with their differences turned by an angle."""
    turn, more = ops.sin(angle) / 2.0, (ops.cos(angle) - 1.0) / 2.0
    q, y, x, p = u[:m], u[m:], w[:m], w[m:]
    if u.__class__ is list or u.__class__ is tuple:
        rows = [_turned_pair(*row, turn, more) for row in zip(q, y, x, p, strict=True)]
        new = [list(column) for column in zip(*rows, strict=True)]
        return [*new[0], *new[1]], [*new[2], *new[3]]
    q, y, x, p = _turned_pair(q, y, x, p, turn, more)
    return joined(q, y), joined(x, p)


def _turned_pair(q: Any, y: Any, x: Any, p: Any, turn: Any, more: Any) -> tuple[Any, Any, Any, Any]:
    apart, beside = q - x, p - y
    along, across = apart * more + beside * turn, beside * more - apart * turn
    return q + along, y - across, x - along, p + across


def _checked_omega(who: str, omega: Any) -> float:
    """Return `omega` as a float, or raise the error that says what it must be."""
    if isinstance(omega, Number | bool) or not isinstance(omega, numbers.Real):
        raise KindError(f"{who}: omega must be a plain real number > 0; got omega of type {type(omega).__name__}.")
    strength = float(omega)
    if not (math.isfinite(strength) and strength > 0.0):
        raise must(who, "omega", "must be finite and > 0", omega)
    return strength


@final
class Tao2(Tao):
    """Tao's explicit method of order 2 for Hamiltonians that do not separate, symmetric, symplectic on two copies.

    The state and a copy of it are moved by turns, each with the right-hand side at a mixture of both, and bound
    together by a rotation.  What is symplectic is the map of **both copies together**, twice as many dimensions; the
    map of the state alone is so but for the distance of the copies, which stays small while they are bound.  Then the
    energy oscillates and does not drift over long times.  Four evaluations of the right-hand side a step, no equations
    to solve.  `GaussLegendre4` is symplectic on the state itself and needs no `omega`, but solves equations.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.
    omega : float
        How strongly the copies are bound, > 0, in units of ``H / q**2`` where q and p are measured alike.  The copies
        fall apart where `omega` is below half the curvature of H, the size of the lowest eigenvalue of its Hessian
        (``[[H_qq, -H_qp], [-H_pq, H_pp]]``); the error grows with `omega`, and ``step * omega`` beyond 1/2 is too much.
        A solve whose copies have come apart is told by a `DriftWarning`.

    References
    ----------
    M. Tao, "Explicit symplectic approximation of nonseparable Hamiltonians: Algorithm and long time performance",
    Physical Review E 94 (2016), 043303, equations (1) to (3).

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> from systems import DoublePendulum
    >>> sol = solve_ivp(DoublePendulum(), (0.0, 10.0), [0.5, 0.5, 0.0, 0.0], Tao2(step=0.002))
    >>> bool(abs(sol.invariants["energy"]).max() < 1e-4)
    True
    """

    MOVES, BINDINGS = composed([])
    ORDER: ClassVar[int] = 2


@final
class Tao4(Tao):
    """Tao's explicit method of order 4: three steps of `Tao2`, the middle one backwards.

    Parameters
    ----------
    step, omega : float
        See `Tao2`.

    References
    ----------
    Tao (see `Tao2`), equation (4): Yoshida's triple jump.

    Examples
    --------
    >>> Tao4(step=0.001, omega=200.0)
    Tao4(step=0.001, omega=200.0)
    """

    MOVES, BINDINGS = Yoshida4.DRIFTS, Yoshida4.KICKS
    ORDER: ClassVar[int] = 4


@final
class Tao6(Tao):
    """Tao's explicit method of order 6: seven steps of `Tao2`, with the weights of `Yoshida6`.

    Parameters
    ----------
    step, omega : float
        See `Tao2`.

    References
    ----------
    Tao (see `Tao2`), section II; Yoshida (see `Yoshida6`), table 1, solution A.

    Examples
    --------
    >>> Tao6(step=0.01).order
    6
    """

    MOVES, BINDINGS = Yoshida6.DRIFTS, Yoshida6.KICKS
    ORDER: ClassVar[int] = 6
