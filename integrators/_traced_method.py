"""`TracedMethod`: implicit methods whose fixed steps are compiled as a whole, Newton's iterations written out."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

from diffsim.errors import TraceError
from integrators._frozen_newton import LEAST_EVALUATIONS
from integrators._implicit_method import ImplicitMethod, is_traced

__all__: list[str] = []

LONG = 2000
"""Steps from which a solve is compiled without being asked.

PERF: the first solve, without a cache, is as long as the interpreted one at 600 to 1,100 steps of van der Pol's
equation, and at 3,000 to 6,000 of the double pendulum (Kvaerno5: 2.9 s, interpreted 0.6 ms a step, compiled 4.5 us).
"""


class TracedMethod(ImplicitMethod):
    """A method that has its step in traced numbers, see `integrators._frozen_newton`, and says up to which size.

    Where the iterations that are written out do not suffice the step is NaN, and the interpreter is asked.
    """

    LARGEST_STEP: ClassVar[int] = 12_000
    """Operations of a step beyond which it is interpreted.

    PERF: 10,000 operations (Kvaerno5, the double pendulum) take 2 s to compile.
    """

    @property
    @abc.abstractmethod
    def largest_traced(self) -> int:
        """Number of components up to which a step is compiled: elimination is written out."""

    @property
    @abc.abstractmethod
    def n_solved(self) -> int:
        """Number of stages whose equations are solved."""

    @property
    def traceable(self) -> bool:
        return True

    @property
    def most_derivatives(self) -> int:
        return 2

    @property
    def pays_from(self) -> int:
        return LONG

    def at_least(self, n_operations: int) -> int:
        """Return a number of operations that a step has at least, for a right-hand side of so many."""
        return LEAST_EVALUATIONS * self.n_solved * n_operations

    def _traces(self, y: Any) -> bool:
        """Whether a state is one of traced numbers; raises where it has too many of them."""
        if not is_traced(y):
            return False
        if len(y) > self.largest_traced:
            raise TraceError(
                f"{type(self).__name__}: steps are traced for up to {self.largest_traced} components; got {len(y)}."
            )
        return True
