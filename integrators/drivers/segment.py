"""An accepted step as what comes after it sees it: where it began and ended, and the polynomial in between."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, final

from diffsim.number import Number
from integrators._integrator import Integrator, Step
from integrators._interpolant import evaluate
from integrators.drivers.right_hand_side import RightHandSide

__all__: list[str] = []


@final
class Segment:
    """One accepted step of one trajectory, or the part of it before an event.

    Parameters
    ----------
    method : Integrator
    f : RightHandSide
    old : (t, y, t_plain)
        Start: time and state of any kind of number, and the time as a float.
    new : (t, y, t_plain)
        End.
    h : number
        Size of the step that was made, with its sign.
    step : Step
    whole : Segment, optional
        The step that this is a part of: it has the polynomial.
    jumped : bool
        Whether the state at the end is the one behind a reset.
    polynomial : sequence of states, optional
        Its coefficients, where they are known; else the method makes them of the step.
    carry : object
        What a step from the start to somewhere else must begin with, as this one did; None where the state is enough.
    """

    def __init__(
        self,
        method: Integrator,
        f: RightHandSide,
        old: tuple[Any, Any, float],
        new: tuple[Any, Any, float],
        h: Any,
        step: Step,
        whole: Segment | None = None,
        jumped: bool = False,
        carry: Any = None,
        polynomial: Sequence[Any] | None = None,
    ) -> None:
        self.method, self.f, self.h, self.step, self.carry = method, f, h, step, carry
        self.t_old, self.y_old, self.raw_old = old
        self.t, self.y, self.raw = new
        self._whole, self._polynomial = whole, polynomial
        self.jumped = jumped

    @functools.cached_property
    def coefficients(self) -> Sequence[Any]:
        """D_1, D_2, ... of the step's polynomial, see `Integrator.dense`; made when somebody asks for them."""
        if self._whole is not None:
            return self._whole.coefficients
        if self._polynomial is not None:
            return self._polynomial
        return self.method.dense(self.f, self.t_old, self.y_old, self.h, self.step)

    @property
    def is_part(self) -> bool:
        """Whether an event has cut the step short."""
        return self._whole is not None

    @property
    def begin(self) -> Any:
        """The time at the start: a float unless it carries a derivative."""
        return self.t_old if isinstance(self.t_old, Number) else self.raw_old

    def at(self, x: Any) -> Any:
        """Return the state at ``t_old + x h``, shape (n,)."""
        return evaluate(self.y_old, self.coefficients, x)

    def states(self, x: Any) -> Any:
        """Return the states at many positions, shape (n, len(x))."""
        return evaluate(self.y_old[:, None], [d[:, None] for d in self.coefficients], x)

    def cut(self, t: Any, y: Any, t_plain: float, *, jumped: bool = False) -> Segment:
        """Return the part that ends at an event, with the state there: behind the reset if it `jumped`."""
        old = (self.t_old, self.y_old, self.raw_old)
        return Segment(
            self.method, self.f, old, (t, y, t_plain), self.h, self.step, self._whole or self, jumped, self.carry
        )
