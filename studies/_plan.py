"""`Plan`: over which time a study of chaos follows which trajectories, from the arguments that these studies share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.errors import must
from studies import _checks
from studies._checks import Floats
from studies._motion import Motion, motion_of
from studies._solver import solver_text
from studies._tangents import Clock, Stretch, at_time, solver_of, stretches

__all__: list[str] = []

_NOTHING = np.empty(0)


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """Which trajectories are followed, how, and in which intervals.

    Attributes
    ----------
    who : str
        Name of the study.
    motion : Motion
    starts : ndarray (n, m)
        At time 0.
    solver : mapping
        Keyword arguments of `solve_ivp`.
    length : float
        Of an interval.
    rest : float
        Time at which the intervals begin.
    n_first : int
        Intervals of the transient in which frames forget their start.
    count : int
        Intervals after these.
    """

    who: str
    motion: Motion
    starts: Floats
    solver: Mapping[str, Any]
    length: float
    rest: float
    n_first: int
    count: int

    @property
    def n_starts(self) -> int:
        """Number m of trajectories."""
        return int(self.starts.shape[1])

    @property
    def method(self) -> str:
        """Method and step, or tolerance."""
        return solver_text(self.solver)

    def parts(
        self, inner: Floats = _NOTHING, parameters: Sequence[str] = (), more: int = 0, inside: bool = False
    ) -> Iterator[Stretch]:
        """Yield all intervals, and `more` after them, those of the transient first; see `stretches`."""
        state = at_time(self.who, self.motion, self.solver, self.starts, self.rest)
        clock = Clock(self.solver, self.length, inner, inside)
        count = self.n_first + self.count + more
        return stretches(self.who, self.motion, clock, state, self.rest, count, parameters)


def plan_of(
    who: str,
    system: Any,
    y0: Any,
    times: tuple[Any, Any, Any],
    method: Any,
    options: Mapping[str, Any],
    length_name: str = "t_renorm",
) -> Plan:
    """Return the plan of `times`: transient, total and length of an interval.

    Raises
    ------
    ArgumentError
        A time that is not > 0, a total that is no multiple of the interval, a wrong start or method.
    KindError
        ``system`` is neither a System nor a function.
    """
    motion, starts = motion_of(who, system, y0)
    t_transient = _checks.real(who, "t_transient", times[0])
    if t_transient < 0.0:
        raise must(who, "t_transient", "must be >= 0", times[0])
    t_total, length = _checks.positive(who, "t_total", times[1]), _checks.positive(who, length_name, times[2])
    count = round(t_total / length)
    if count < 1 or abs(t_total / length - count) > 1e-6:
        nearest = f"Such as {max(1, count) * length:g}."
        raise must(who, "t_total", f"must be a multiple of {length_name}={length:g}", t_total, nearest)
    solver = solver_of(who, motion, method, length, options, length_name)
    n_first = round(0.5 * t_transient / length)
    rest = max(0.0, t_transient - n_first * length)
    if motion.discrete:
        rest = float(round(rest))
    return Plan(who, motion, starts, solver, length, rest, n_first, count)


def start_of(plan: Plan, y0: Any) -> Floats:
    """Return the starts as the caller gave them, one (n,) or several (n, m)."""
    return plan.starts if np.ndim(y0) == 2 else plan.starts[:, 0]
