"""The exact flow for `balance`: orbits to as many digits as it takes, seen as deviations from the exact equilibrium.

The System is run in the caller's coordinates, with its parameters and the given angles taken as the doubles that they
are, exactly.  Where it can be, by the Taylor method on fixed-point numbers (`integrators._fixed_point`); by
`solve_multiprecision` otherwise.  From each step only the deviations are kept, as polynomials with coefficients in
doubles: those of x, not of the state, so that no digit of x is lost however small it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyval

from diffsim.protocols import parameter_values, with_parameters
from integrators._fixed_point import GUARD, FixedField, fixed_field
from integrators._multiprecision import solve_multiprecision
from studies._balance_refine import Found
from studies._balance_search import Search
from studies._checks import Floats

__all__: list[str] = []

_NEWTON = 12
_INNER = 24  # looks inside a step
_BISECTIONS = 60
_KNOWN = 14  # digits of the start in doubles
_GAINED = 5  # that a round gains at least
_MORE = 12  # digits of a run beyond those of the start, which the tangents take
_RISE = 30.0  # above the closest that it came: there a run has told what it can


@dataclass(frozen=True, eq=False)
class Orbit:
    """An orbit of the exact flow.

    Attributes
    ----------
    t : ndarray (n_steps + 1,)
        Nodes, in s.
    pieces : tuple of ndarray (n, order + 1)
        Coefficients of x by powers of the part of the step that has passed.
    conditions : ndarray (n_steps, n_conditions)
        L x at the end of each step; rounded only after it was computed.
    """

    t: Floats
    pieces: tuple[Floats, ...]
    conditions: Floats

    def at(self, times: Floats) -> Floats:
        """Return x (n, n_times)."""
        k = np.clip(np.searchsorted(self.t, times, side="right") - 1, 0, len(self.pieces) - 1)
        part = (times - self.t[k]) / (self.t[k + 1] - self.t[k])
        return np.stack([polyval(s, self.pieces[j].T) for j, s in zip(k, part, strict=True)], axis=1)

    def looks(self) -> Floats:
        """Return times that miss nothing of the orbit."""
        inner = np.arange(_INNER) / _INNER
        return np.append((self.t[:-1, None] + np.diff(self.t)[:, None] * inner).ravel(), self.t[-1])


@dataclass(frozen=True, eq=False)
class ExactFlow:
    """The exact flow of a search, to ``digits`` decimal digits (absolute)."""

    search: Search
    state: tuple[float, ...]
    field: FixedField | None
    digits: int

    @property
    def bits(self) -> int:
        return math.ceil(self.digits * math.log2(10.0)) + GUARD

    def to(self, digits: int) -> ExactFlow:
        """Return the same flow to another number of digits."""
        return ExactFlow(self.search, self.state, self.field, digits)

    def system(self) -> Any:
        """Return the System with its parameters as mpmath's numbers, exactly the doubles that they were."""
        import mpmath

        system = self.search.equilibrium.system
        return with_parameters(system, [mpmath.mpf(value) for value in parameter_values(system)])

    def rest(self, turns: tuple[int, ...]) -> list[Any]:
        """Return the exact equilibrium (n,) that lies ``turns`` full turns on, by Newton's method on the rates."""
        import mpmath

        equilibrium = self.search.equilibrium
        inverse = np.linalg.pinv(equilibrium.jacobian)
        with mpmath.workprec(self.bits + 20):
            system = self.system()
            at = [mpmath.mpf(float(v)) for v in equilibrium.system.equilibria[equilibrium.name]]
            for _ in range(_NEWTON + self.digits // 10):
                pull = list(system(mpmath.mpf(0), at))
                if max(abs(v) for v in pull) < mpmath.mpf(10) ** -(self.digits + 5):
                    break
                at = [x - mpmath.fdot(row.tolist(), pull) for x, row in zip(at, inverse, strict=True)]
            for i, turn in zip(equilibrium.system.angles, turns, strict=True):
                at[i] += 2 * turn * mpmath.pi
        return at

    def start(self, free: Sequence[Any]) -> list[Any]:
        """Return the state (n,) with the free components as mpmath's numbers."""
        import mpmath

        with mpmath.workprec(self.bits + 20):
            y = [mpmath.mpf(value) for value in self.state]
            for i, value in zip(self.search.free, free, strict=True):
                y[i] = mpmath.mpf(value)
        return y

    def left(self, rest: list[Any]) -> list[list[int]]:
        """Return L in units of 2^-bits: each eigenvector made exact by inverse iteration."""
        import mpmath

        equilibrium, n = self.search.equilibrium, len(self.state)
        left, one = equilibrium.left, 1 << self.bits
        rows, skip = [], False
        with mpmath.workprec(3 * self.bits):
            jacobian = self._jacobian(rest)
            for k, (rate, row) in enumerate(zip(equilibrium.rates, left, strict=True)):
                if skip or rate <= 0.0:  # the second row of a pair has come with the first; a drift needs no digits
                    rows += [] if skip else [[mpmath.mpf(float(v)) for v in row]]
                    skip = False
                    continue
                turning = abs(equilibrium.growth[k, k + 1]) if k + 1 < len(left) else 0.0
                skip = bool(turning > 1e-9 * rate)
                vector = mpmath.matrix(
                    [mpmath.mpc(float(v), float(left[k + 1, i]) if skip else 0.0) for i, v in enumerate(row)]
                )
                start, largest = vector.copy(), int(np.abs(row).argmax())
                for _ in range(4):
                    image = jacobian.T * vector
                    value = mpmath.fdot(list(vector.conjugate()), list(image)) / mpmath.fdot(
                        list(vector.conjugate()), list(vector)
                    )
                    shifted = jacobian.T - (value * (1 + mpmath.mpf(2) ** -(2 * self.bits))) * mpmath.eye(n)
                    vector = mpmath.lu_solve(shifted, vector)
                    vector = vector * (start[largest] / vector[largest])
                rows.append([mpmath.re(v) for v in vector])
                if skip:
                    rows.append([mpmath.im(v) for v in vector])
            return [[int(mpmath.nint(v * one)) for v in row] for row in rows]

    def _jacobian(self, rest: list[Any]) -> Any:
        """Return A (n, n) by central differences, which with three times the digits are exact to those wanted."""
        import mpmath

        system, n, step = self.system(), len(rest), mpmath.mpf(2) ** -self.bits
        columns = []
        for j in range(n):
            ends = []
            for sign in (1, -1):
                x = list(rest)
                x[j] += sign * step
                ends.append(list(system(mpmath.mpf(0), x)))
            columns.append([(a - b) / (2 * step) for a, b in zip(*ends, strict=True)])
        return mpmath.matrix(columns).T

    def orbit(
        self,
        free: Sequence[Any],
        turns: tuple[int, ...],
        t_end: float,
        arrival: float,
        *,
        beyond: float = math.inf,
        rises: float = math.inf,
    ) -> Orbit:
        """Return the orbit of a start until ``t_end``, or until, later than ``arrival``, an angle is ``beyond`` the
        equilibrium, or the largest deviation has risen to ``rises`` times the smallest.
        """
        rest = self.rest(turns)
        left, angles = self.left(rest), list(self.search.equilibrium.held)
        times, pieces, values, closest = [0.0], list[Floats](), list[Floats](), math.inf
        for t, piece, value in self._pieces(free, rest, left, t_end):
            times.append(t)
            pieces.append(piece)
            values.append(value)
            x = np.abs(piece.sum(axis=1))
            closest = min(closest, float(x.max()))
            if t > arrival and (float(x[angles].max()) > beyond or float(x.max()) > rises * closest):
                break
        return Orbit(np.array(times), tuple(pieces), np.array(values))

    def _pieces(self, free: Sequence[Any], rest: list[Any], left: list[list[int]], t_end: float) -> Any:
        """Yield the end of each step, the coefficients (n, order + 1) of x on it, and L x at its end."""
        import mpmath

        bits, one = self.bits, 1 << self.bits
        if self.field is None:
            yield from self._floating(free, rest, left, t_end)
            return
        with mpmath.workprec(bits + 20):
            y0 = [int(mpmath.nint(v * one)) for v in self.start(free)]
            origin = [int(mpmath.nint(v * one)) for v in rest]
        for step in self.field.steps(y0, t_end, bits, self.digits):
            columns = [[column[0] - o, *column[1:]] for column, o in zip(step.series, origin, strict=True)]
            x = [sum(column) for column in columns]
            value = np.array([sum(map(mul, row, x)) / (one * one) for row in left])
            yield float(step.t + step.h), np.array([[c / one for c in column] for column in columns]), value

    def _floating(self, free: Sequence[Any], rest: list[Any], left: list[list[int]], t_end: float) -> Any:
        import mpmath

        solution = solve_multiprecision(self.system(), (0, t_end), self.start(free), digits=self.digits)
        with mpmath.workprec(self.bits + 20):
            rows = [[mpmath.ldexp(mpmath.mpf(v), -self.bits) for v in row] for row in left]
            for k, series in enumerate(solution._series[:-1]):
                h, power, columns = solution._nodes[k + 1] - solution._nodes[k], mpmath.mpf(1), []
                for j, c in enumerate(series):
                    columns.append([float((x - o if j == 0 else x) * power) for x, o in zip(c, rest, strict=True)])
                    power = power * h
                x = [a - o for a, o in zip(solution._series[k + 1][0], rest, strict=True)]
                value = np.array([float(mpmath.fdot(row, x)) for row in rows])
                yield float(solution._nodes[k + 1]), np.array(columns).T, value


def exact_flow(search: Search, state: Floats, digits: int) -> ExactFlow:
    """Return the exact flow from ``state`` (n,), in the caller's coordinates, whose free components do not count."""
    return ExactFlow(search, tuple(state.tolist()), fixed_field(search.equilibrium.system), digits)


def stay_of(search: Search, orbit: Orbit, tolerance: float) -> tuple[float, float]:
    """Return (entry, exit), the ends of the longest time that all angles are within ``tolerance``; (0, 0) if none."""

    def distance(times: Floats) -> Floats:
        return np.asarray(
            np.abs(search.equilibrium.wrapped(orbit.at(times))[list(search.equilibrium.held)]).max(axis=0)
        )

    times = orbit.looks()
    inside = np.concatenate([[False], distance(times) < tolerance, [False]])
    first, last = np.flatnonzero(inside[1:] & ~inside[:-1]), np.flatnonzero(inside[:-1] & ~inside[1:]) - 1
    if not len(first):
        return 0.0, 0.0
    k = int(np.argmax(times[last] - times[first]))
    ends = []
    for inner, outer in ((first[k], first[k] - 1), (last[k], last[k] + 1)):
        near = float(times[inner])
        if 0 <= outer < len(times):
            far = float(times[outer])
            for _ in range(_BISECTIONS):
                middle = 0.5 * (near + far)
                near, far = (middle, far) if distance(np.array([middle]))[0] < tolerance else (near, middle)
        ends.append(near)
    return ends[0], ends[1]


def conditions_of(search: Search, orbit: Orbit, arrival: float) -> Floats:
    """Return L x (n_conditions,), carried back to the arrival from where that is most exact, for each row.

    The flow near x* is linear up to terms like |x|^3, and carried back these shrink like the row.
    """
    equilibrium, t = search.equilibrium, orbit.t[1:]
    size = np.stack([np.abs(piece.sum(axis=1)).max() for piece in orbit.pieces])
    found = np.zeros(len(equilibrium.left))
    for row, rate in enumerate(equilibrium.rates):
        bent = np.where(t >= arrival, 3.0 * np.log(np.maximum(size, 1e-300)) - rate * (t - arrival), np.inf)
        k = int(np.argmin(bent))
        found[row] = (equilibrium.carried(arrival - float(t[k])) @ orbit.conditions[k])[row]
    return found


def sharpened(flow: ExactFlow, found: Found, digits: int, rounds: int = 40) -> tuple[Any, ...]:
    """Return the exact start near a solution, as mpmath's numbers, until a correction is below ``10**-digits``.

    A round is a run to where it is closest to x*, and what it is in error by there, carried back.  It gains some 8
    digits, as many as the tangents have.
    """
    import mpmath

    inverse, known = np.linalg.pinv(found.gain), _KNOWN
    t_end = found.arrival + digits * math.log(10.0) / flow.search.equilibrium.slowest
    with mpmath.workprec(flow.to(digits + _MORE).bits + 20):
        p = tuple(mpmath.mpf(value) for value in found.free.tolist())
        for _ in range(rounds):
            orbit = flow.to(min(digits, 2 * known) + _MORE).orbit(p, found.turns, t_end, found.arrival, rises=_RISE)
            change = inverse @ conditions_of(flow.search, orbit, found.arrival)
            p = tuple(value - mpmath.mpf(float(c)) for value, c in zip(p, change, strict=True))
            known = max(known, math.floor(-math.log10(max(float(np.abs(change).max()), 1e-300))) + _GAINED)
            if known >= digits + _GAINED:
                break
    return p
