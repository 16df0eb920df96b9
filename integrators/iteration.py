"""Iteration of discrete maps."""

from __future__ import annotations

from typing import Any, ClassVar, final

from diffsim.errors import must
from integrators._combination import State
from integrators._integrator import Integrator, RightHandSide, Step

__all__ = ["Iteration"]


@final
class Iteration(Integrator):
    """Iteration of a map: the next state is ``f(n, y)`` itself, not a step along it.

    `solve_ivp` takes it for a `systems.DiscreteMap` without being asked.  For a plain function it has to be named: no
    function tells whether it is a map.  Time counts the iterations, so `t_span` and `t_eval` hold whole numbers.

    Not to be confused with explicit Euler, ``y + h f(t, y)``.

    Parameters
    ----------
    step : float, optional
        1, which is the default too.

    Raises
    ------
    ArgumentError
        `step` is not 1.

    References
    ----------
    Strogatz, Nonlinear Dynamics and Chaos, 2nd edition, chapter 10.

    Examples
    --------
    >>> Iteration().step(lambda n, x: 4.0 * x * (1.0 - x), 0, 0.25, 1)
    0.75
    >>> from integrators import solve_ivp
    >>> solve_ivp(lambda n, x: 4.0 * x * (1.0 - x), (0, 3), [0.1], method="Iteration").y.round(4)
    array([[0.1   , 0.36  , 0.9216, 0.289 ]])
    """

    discrete: ClassVar[bool] = True

    def __init__(self, step: float = 1.0) -> None:
        super().__init__(step)
        _check(type(self).__name__, step)

    @property
    def order(self) -> int:
        """0: an iteration approximates nothing, and there is no step that could shrink."""
        return 0

    def propagate(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> State:
        return f(t, y) if carry is None else carry

    def advance(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> Step:
        return Step(self.propagate(f, t, y, h, carry))

    def with_step(self, step: float) -> Integrator:
        _check("solve_ivp", step)
        return super().with_step(step)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _check(who: str, step: Any) -> None:
    if step != 1:
        raise must(who, "step", "must be 1 for the iteration of a map", step, "Leave it out.")
