"""SciPy's optimisers from one point, fed with a loss, its gradient and constraints that are computed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from diffsim.errors import RunError
from studies._checks import Floats
from studies._constraints import Condition
from studies._loss import Seen

__all__: list[str] = []

OPTIMISERS = ("L-BFGS-B", "BFGS", "CG", "TNC", "SLSQP", "trust-constr")
BOUNDED = ("L-BFGS-B", "TNC", "SLSQP", "trust-constr")
CONSTRAINED = ("SLSQP", "trust-constr")
_BUDGET = {"TNC": "maxfun"}
_ABOVE = 10.0


@final
@dataclass(frozen=True)
class Way:
    """How is gone down.

    Attributes
    ----------
    optimiser : str
    tolerance : float or None
    budget : int
        Most iterations.
    bounds : sequence of (low, high) or None
    conditions : tuple of Condition
    """

    optimiser: str
    tolerance: float | None
    budget: int
    bounds: Sequence[tuple[Any, Any]] | None
    conditions: tuple[Condition, ...]


@final
@dataclass(frozen=True, eq=False)
class Ended:
    """Where a descent ended; `history` is the loss at the start and after each iteration, `n_seen` counts solves.

    `failures` counts trials at which the trajectory or the loss was not finite, from which the optimiser stepped back.
    """

    x: Floats
    success: bool
    message: str
    history: tuple[float, ...]
    n_seen: int
    failures: int = 0


@final
@dataclass(eq=False)
class _Memory:
    """The last point and what was seen there; losses as they came."""

    look: Callable[[Floats], Seen]
    n_seen: int = 0
    x: Floats | None = None
    seen: Seen | None = None
    best: float = np.inf
    worst: float = 0.0
    failures: int = 0
    history: list[float] = field(default_factory=list)

    def at(self, x: Any) -> Seen:
        """Return what is seen at x, looked up where it was asked last."""
        point = np.array(x, dtype=np.float64)
        if self.seen is None or self.x is None or not np.array_equal(point, self.x):
            self.n_seen += 1
            self.seen, self.x = self._looked(point), point
        return self.seen

    def _looked(self, point: Floats) -> Seen:
        """Return what is seen at a point; where there is nothing to be seen, a loss above all others, flat."""
        try:
            seen = self.look(point)
        except RunError:
            if self.seen is None:  # nothing to step back to
                raise
            self.failures += 1
            flat = tuple(np.zeros_like(slopes) for slopes in self.seen.slopes)
            return Seen(_ABOVE * self.worst + 1.0, np.zeros(len(point)), self.seen.values, flat)
        self.best, self.worst = min(self.best, seen.value), max(self.worst, abs(seen.value))
        return seen


def descend(look: Callable[[Floats], Seen], x0: Floats, way: Way, after: Callable[[], object]) -> Ended:
    """Go down from x0.

    Parameters
    ----------
    look : callable
        Loss and constraints at a point.
    x0 : ndarray (n_free,)
    way : Way
    after : callable
        Called after each iteration.

    Raises
    ------
    RunError
        Of `look`, at the start.
    """
    import scipy.optimize

    memory = _Memory(look)
    first = memory.at(x0).value

    def turn(*_: Any, **__: Any) -> None:
        # under constraints the loss may rise; without, what counts is the smallest so far
        memory.history.append(memory.best if memory.seen is None or not way.conditions else memory.seen.value)
        after()

    def loss(x: Any) -> tuple[float, Floats]:
        seen = memory.at(x)
        return seen.value, seen.gradient

    constraints = [
        {
            "type": "eq" if one.equal else "ineq",
            "fun": lambda x, k=k: memory.at(x).values[k],
            "jac": lambda x, k=k: memory.at(x).slopes[k],
        }
        for k, one in enumerate(way.conditions)
    ]
    search: Any = scipy.optimize.minimize  # its stubs know no function that returns (value, gradient)
    found = search(
        loss, x0, method=way.optimiser, jac=True, callback=turn, bounds=way.bounds, tol=way.tolerance,
        options={_BUDGET.get(way.optimiser, "maxiter"): way.budget},
        **({"constraints": constraints} if constraints else {}),
    )  # fmt: skip
    x = np.array(found.x, dtype=np.float64)
    message = str(found.message)
    if memory.failures:
        message += f" ({memory.failures} trials led to no finite loss; they were stepped back from)"
    return Ended(x, bool(found.success), message, (first, *memory.history), memory.n_seen, memory.failures)


def violation(conditions: Sequence[Condition], seen: Seen) -> float:
    """Return by how much the constraints are missed at most; 0 where all hold."""
    worst = 0.0
    for one, values in zip(conditions, seen.values, strict=True):
        missed = np.abs(values) if one.equal else np.maximum(-values, 0.0)
        worst = max(worst, float(missed.max(initial=0.0)))
    return worst
